/* Damaged journals, SALVAGE_SEEDS of each kind (40; the campaign takes 200): salvage never crashes, gives every entry
 * whose bytes are all still there, and none that is not what was published.
 *
 * The oracle knows nothing of SQLite: each entry's body repeats a mark of its own, so the pages that hold it are those
 * in which the mark or its id stands; where none of them was touched the entry must be given.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../../daemon/digest.h"
#include "../../daemon/salvage.h"
#include "../../daemon/sqlite.h"
#include "journal_fixture.h"

enum { ENTRIES = 80, PAGE = 512, FRAME = 24 + PAGE, LOG_HEADER = 32 };

struct bytes_of_file {
	size_t length;
	uint8_t bytes[4 << 20];
};

static const struct salvage_hints ours = { .station = "330421103-01" }, nothing;
static struct bytes_of_file file, log_file, broken, broken_log;

static void load(const char *path, struct bytes_of_file *into)
{
	FILE *stream = fopen(path, "rbe");
	into->length = stream ? fread(into->bytes, 1, sizeof(into->bytes), stream) : 0;
	if (stream)
		fclose(stream);
}

static void save(const char *path, const struct bytes_of_file *from)
{
	FILE *stream = fopen(path, "wbe");
	assert_non_null(stream);
	assert_int_equal(fwrite(from->bytes, 1, from->length, stream), from->length);
	fclose(stream);
}

static void mark_of(unsigned number, char out[static 8])
{
	snprintf(out, 8, "e%03ue", number);
}

static char *body_of(unsigned number)
{
	char mark[8];
	unsigned times = 3 + number * 37 % 400; /* 15 to 2,000 bytes: none to four overflow pages */
	mark_of(number, mark);
	char *body = calloc(1, 64 + 5 * (size_t)times), *at = body + sprintf(body, "\"kind\":\"sample\",\"raw\":\"");
	for (unsigned i = 0; i < times; i++)
		at += sprintf(at, "%s", mark);
	strcpy(at, "\"}");
	return body;
}

static void append_all(struct fixture *fixture)
{
	for (unsigned number = 1; number <= ENTRIES; number++) {
		struct entry entry = { .kind = ENTRY_RESULT, .body = body_of(number) };
		snprintf(entry.id, sizeof(entry.id), "0195a3c4-0000-8000-8000-%012x", number);
		if (journal_append(fixture->journal, &entry, 1, "pr-1", "17", &fixture->fault) != 0)
			_exit(2);
		free(entry.body);
		journal_progress(fixture->journal, "county", number / 2);
	}
}

/* With `killed`, as a kill leaves it: everything in the write-ahead log only. */
static void make_journal(struct fixture *fixture, bool killed)
{
	pid_t child = fork();
	if (child == 0) {
		if (fixture_start(fixture) != 0)
			_exit(1);
		append_all(fixture);
		if (killed)
			_exit(0);
		fixture_stop(fixture);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void read_published(struct fixture *fixture)
{
	assert_int_equal(journal_reader_open(fixture->file, &fixture->reader, &fixture->fault), 0);
	assert_int_equal(journal_read(fixture->reader, 1, 1000, keep_published, NULL, &fixture->fault), ENTRIES);
	journal_reader_close(fixture->reader);
	fixture->reader = NULL;
}

/* --- damage */

static void flip(struct bytes_of_file *target, unsigned kind)
{
	size_t used = target->length;
	while (used > 1 && target->bytes[used - 1] == 0)
		used--;
	size_t at = (size_t)rand() % used, page = at / PAGE * PAGE;
	switch (kind % 7) {
	case 0: /* truncated */
		target->length = at;
		break;
	case 1: /* nothing left */
		target->length = 0;
		break;
	case 2: /* one byte */
		target->bytes[at] ^= (uint8_t)(1 + rand() % 255);
		break;
	case 3: /* pages of garbage */
		for (size_t i = page; i < page + PAGE * (1 + (size_t)rand() % 8) && i < target->length; i++)
			target->bytes[i] = (uint8_t)rand();
		break;
	case 4: /* pages of zeros */
		for (size_t i = page; i < page + PAGE * (1 + (size_t)rand() % 8) && i < target->length; i++)
			target->bytes[i] = 0;
		break;
	case 5: /* the head */
		for (size_t i = 0; i < 100; i++)
			target->bytes[i] = (uint8_t)rand();
		break;
	default: /* scattered bytes */
		for (int i = 0; i < 40; i++)
			target->bytes[(size_t)rand() % used] ^= (uint8_t)(1 + rand() % 255);
	}
}

static bool touched(const struct bytes_of_file *was, const struct bytes_of_file *is, size_t from, size_t length)
{
	return from + length > is->length || memcmp(was->bytes + from, is->bytes + from, length) != 0;
}

/* The mark, or in a leaf of a table the id: of a long entry little more stands there. */
static bool holds(const uint8_t *page, unsigned number)
{
	uint8_t id[16] = { 0x01, 0x95, 0xa3, 0xc4, 0, 0, 0x80, 0, 0x80, 0, 0, 0, 0, 0, 0, (uint8_t)number };
	char mark[8];
	mark_of(number, mark);
	return memmem(page, PAGE, mark, 5) || (page[0] == 0x0d && memmem(page, PAGE, id, sizeof(id)));
}

/* Whether the entry stands anywhere, and each page or frame in which it stands is as it was. */
static bool untouched(unsigned number, const struct bytes_of_file *was, const struct bytes_of_file *is, size_t start,
	size_t step, bool *ret_seen)
{
	for (size_t from = start; from + step <= was->length; from += step) {
		if (!holds(was->bytes + from + step - PAGE, number))
			continue;
		*ret_seen = true;
		if (touched(was, is, from, step))
			return false;
	}
	return true;
}

static bool is_all_there(unsigned number)
{
	bool seen = false;
	return untouched(number, &file, &broken, 0, PAGE, &seen) &&
	       untouched(number, &log_file, &broken_log, LOG_HEADER, FRAME, &seen) && seen;
}

/* --- salvage */

struct judgement {
	const struct salvage *found;
	bool given[ENTRIES + 1];
	unsigned altered;
};

static bool in_ranges(const struct salvage_ranges *ranges, uint64_t seq)
{
	for (size_t i = 0; i < ranges->count; i++)
		if (ranges->list[i].first <= seq && seq <= ranges->list[i].last)
			return true;
	return ranges->count == SALVAGE_RANGES;
}

static int judge(void *context, const struct stored *stored)
{
	struct judgement *judgement = context;
	if (is_as_published(stored))
		judgement->given[stored->seq] = true;
	else if (!in_ranges(&judgement->found->unverified, stored->seq))
		fail_msg("entry %llu was altered and passes for proven", (unsigned long long)stored->seq);
	else
		judgement->altered++;
	return 0;
}

struct figures {
	unsigned readable, given, altered, nothing;
};

static void salvage_and_judge(struct fixture *fixture, unsigned seed, struct figures *figures)
{
	char out[128];
	struct salvage found;
	snprintf(out, sizeof(out), "%s/out.db", fixture->directory);
	unlink(out);
	if (salvage_journal(fixture->file, &ours, out, &found, &fixture->fault) != 0)
		fail_msg("seed %u: %s", seed, fixture->fault.text);
	struct judgement judgement = { .found = &found };
	if (found.count) {
		if (journal_reader_open(out, &fixture->reader, &fixture->fault) != 0)
			fail_msg("seed %u: %s", seed, fixture->fault.text);
		assert_int_equal(
			journal_read(fixture->reader, 1, 1000, judge, &judgement, &fixture->fault), found.count);
		journal_reader_close(fixture->reader);
		fixture->reader = NULL;
	}
	figures->nothing += found.count == 0;
	figures->altered += judgement.altered;
	for (unsigned number = 1; number <= ENTRIES; number++) {
		bool readable = is_all_there(number);
		figures->readable += readable;
		figures->given += judgement.given[number];
		if (readable && !judgement.given[number])
			fail_msg("seed %u: entry %u is all there and was not given", seed, number);
	}
}

static unsigned seeds(void)
{
	const char *text = getenv("SALVAGE_SEEDS");
	return text ? (unsigned)atoi(text) : 40;
}

static void damaged_at_random(struct fixture *fixture, bool killed, bool damage_file, bool damage_log)
{
	char log_path[128];
	struct figures figures = { 0 };
	make_journal(fixture, killed);
	snprintf(log_path, sizeof(log_path), "%s-wal", fixture->file);
	load(fixture->file, &file);
	load(log_path, &log_file);
	read_published(fixture);
	for (unsigned seed = 0; seed < seeds(); seed++) {
		srand(seed);
		broken = file;
		broken_log = log_file;
		if (damage_file)
			flip(&broken, seed);
		if (damage_log)
			flip(&broken_log, seed / 7);
		save(fixture->file, &broken);
		if (killed)
			save(log_path, &broken_log);
		salvage_and_judge(fixture, seed, &figures);
	}
	print_message(
		"%u journals damaged: %u entries were all there, %u given, %u unproven and altered, %u gave none\n",
		seeds(), figures.readable, figures.given, figures.altered, figures.nothing);
	assert_true(figures.readable > 0 && figures.given >= figures.readable);
}

static void every_readable_entry_of_a_damaged_file_is_given_and_no_other(void **state)
{
	damaged_at_random(*state, false, true, false);
}

static void every_readable_entry_of_a_damaged_log_is_given_and_no_other(void **state)
{
	damaged_at_random(*state, true, false, true);
}

static void every_readable_entry_of_file_and_log_is_given_and_no_other(void **state)
{
	damaged_at_random(*state, true, true, true);
}

static void a_sound_journal_is_salvaged_whole_with_its_targets(void **state)
{
	struct fixture *fixture = *state;
	char out[128];
	struct salvage found;
	uint64_t through;
	make_journal(fixture, false);
	read_published(fixture);
	snprintf(out, sizeof(out), "%s/out.db", fixture->directory);
	assert_int_equal(salvage_journal(fixture->file, &nothing, out, &found, &fixture->fault), 0);
	assert_int_equal(found.count, ENTRIES);
	assert_int_equal(found.lost.total, 0);
	assert_int_equal(found.unverified.total, 0);
	assert_int_equal(journal_reader_open(out, &fixture->reader, &fixture->fault), 0);
	assert_string_equal(journal_reader_epoch(fixture->reader, NULL), found.epoch);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
	assert_int_equal(journal_reader_target(fixture->reader, "county", &through, &fixture->fault), 0);
	assert_int_equal(through, ENTRIES / 2);
	assert_int_equal(salvage_journal(fixture->file, &nothing, out, &found, &fixture->fault), -EEXIST);
}

static void edit(const char *path, const char *statements)
{
	struct db *db;
	struct fault fault;
	assert_int_equal(db_open(path, DB_WRITE, &db, &fault), 0);
	if (db_run(db, statements, &fault) != 0)
		fail_msg("%s", fault.text);
	db_close(db);
}

static void an_entry_that_its_successor_disproves_is_lost_and_said_so(void **state)
{
	struct fixture *fixture = *state;
	char out[128];
	struct salvage found;
	make_journal(fixture, false);
	read_published(fixture);
	edit(fixture->file, "UPDATE entry SET body = replace(body, 'sample', 'simple') WHERE seq = 20");
	snprintf(out, sizeof(out), "%s/out.db", fixture->directory);
	assert_int_equal(salvage_journal(fixture->file, &nothing, out, &found, &fixture->fault), 0);
	assert_int_equal(found.count, ENTRIES - 1);
	assert_int_equal(found.lost.total, 1);
	assert_int_equal(found.lost.list[0].first, 20);
	assert_int_equal(found.unverified.total, 0);
}

static void a_number_that_was_not_stored_twice_is_not_believed(void **state)
{
	struct fixture *fixture = *state;
	char out[128];
	struct salvage found;
	uint64_t through;
	make_journal(fixture, false);
	edit(fixture->file, "UPDATE state SET number = 70 WHERE kind = 'target'; VACUUM");
	snprintf(out, sizeof(out), "%s/out.db", fixture->directory);
	assert_int_equal(salvage_journal(fixture->file, &nothing, out, &found, &fixture->fault), 0);
	assert_int_equal(journal_reader_open(out, &fixture->reader, &fixture->fault), 0);
	assert_int_equal(journal_reader_target(fixture->reader, "county", &through, &fixture->fault), 0);
	assert_int_equal(through, 0);
}

static void without_any_word_of_its_epoch_nothing_can_be_given(void **state)
{
	struct fixture *fixture = *state;
	char out[128], identity[128];
	struct salvage found;
	make_journal(fixture, false);
	read_published(fixture);
	load(fixture->file, &file);
	for (uint8_t *at; (at = memmem(file.bytes, file.length, "epoch", 5));)
		memset(at, 'x', 5);
	save(fixture->file, &file);
	snprintf(out, sizeof(out), "%s/out.db", fixture->directory);
	snprintf(identity, sizeof(identity), "%s-identity", fixture->file);
	assert_int_equal(salvage_journal(fixture->file, &nothing, out, &found, &fixture->fault), 0);
	assert_int_equal(found.count, ENTRIES); /* the second place has it */
	unlink(out);
	assert_int_equal(unlink(identity), 0);
	assert_int_equal(salvage_journal(fixture->file, &nothing, out, &found, &fixture->fault), 0);
	assert_int_equal(found.count, 0);
	assert_int_equal(access(out, F_OK), -1);
}

/* Zeros where the entry stands, but not where its id stands in the index. */
static void wipe(const char *path, unsigned number)
{
	load(path, &file);
	for (size_t from = 0; from + PAGE <= file.length; from += PAGE)
		if (holds(file.bytes + from, number))
			memset(file.bytes + from, 0, PAGE);
	save(path, &file);
}

static int64_t count_of(const char *path, const char *statement)
{
	struct db *db;
	struct fault fault;
	int64_t count = -1;
	assert_int_equal(db_open(path, DB_READ, &db, &fault), 0);
	assert_int_equal(db_number(db, statement, &count, &fault), 0);
	db_close(db);
	return count;
}

static void what_is_known_is_salvaged_and_no_id_of_an_entry_that_is_lost(void **state)
{
	struct fixture *fixture = *state;
	char out[128];
	struct salvage found;
	make_journal(fixture, false);
	edit(fixture->file, /* 20 that were removed after their time, and 300 of other journals */
		"INSERT INTO known SELECT id, seq FROM entry WHERE seq <= 20; DELETE FROM entry WHERE seq <= 20;"
		"INSERT INTO state VALUES('pruned', '', 20, '20'); WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL"
		" SELECT i + 1 FROM n WHERE i < 300) INSERT INTO known"
		" SELECT CAST(randomblob(6) || x'80' || randomblob(9) AS BLOB), 0 FROM n;"
		"INSERT INTO parked SELECT 'county', seq, 1, 'refused' FROM entry WHERE seq > 60");
	wipe(fixture->file, 50);
	snprintf(out, sizeof(out), "%s/out.db", fixture->directory);
	assert_int_equal(salvage_journal(fixture->file, &nothing, out, &found, &fixture->fault), 0);
	assert_true(found.lost.total >= 1 && found.lost.total < 10);
	assert_int_equal(found.refused, ENTRIES - 60);
	assert_int_equal(count_of(out, "SELECT count(*) FROM known WHERE seq = 0"), 300);
	assert_int_equal(count_of(out, "SELECT count(*) FROM known WHERE seq BETWEEN 1 AND 20"), 20);
	assert_int_equal(count_of(out, "SELECT count(*) FROM known"), 320);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_DIRECTORY(a_sound_journal_is_salvaged_whole_with_its_targets),
		IN_A_DIRECTORY(every_readable_entry_of_a_damaged_file_is_given_and_no_other),
		IN_A_DIRECTORY(every_readable_entry_of_a_damaged_log_is_given_and_no_other),
		IN_A_DIRECTORY(every_readable_entry_of_file_and_log_is_given_and_no_other),
		IN_A_DIRECTORY(an_entry_that_its_successor_disproves_is_lost_and_said_so),
		IN_A_DIRECTORY(a_number_that_was_not_stored_twice_is_not_believed),
		IN_A_DIRECTORY(what_is_known_is_salvaged_and_no_id_of_an_entry_that_is_lost),
		IN_A_DIRECTORY(without_any_word_of_its_epoch_nothing_can_be_given),
	};
	return cmocka_run_group_tests(tests, NULL, forget_published);
}
