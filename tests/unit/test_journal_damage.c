/* A journal whose file is damaged, foreign, newer or out of reach: opened sound, set aside, or refused with a reason.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../../daemon/digest.h"
#include "../../daemon/sqlite.h"
#include "journal_fixture.h"

enum { SEEDS = 250, ENTRIES = 60 };

struct bytes_of_file {
	size_t length;
	uint8_t bytes[4 << 20];
};

static void load(const char *path, struct bytes_of_file *file)
{
	FILE *stream = fopen(path, "rbe");
	file->length = stream ? fread(file->bytes, 1, sizeof(file->bytes), stream) : 0;
	if (stream)
		fclose(stream);
}

static void save(const char *path, const struct bytes_of_file *file)
{
	FILE *stream = fopen(path, "wbe");
	assert_non_null(stream);
	assert_int_equal(fwrite(file->bytes, 1, file->length, stream), file->length);
	fclose(stream);
}

static void beside(char out[static 128], const struct fixture *fixture, const char *suffix)
{
	snprintf(out, 128, "%s%s", fixture->file, suffix);
}

static void append_some(struct fixture *fixture, unsigned first, unsigned count)
{
	for (unsigned number = first; number < first + count; number++) {
		struct entry entry = entry_of(number);
		assert_int_equal(journal_append(fixture->journal, &entry, 1, "pr-1", "17", &fixture->fault), 0);
	}
}

/* A closed journal of ENTRIES entries; with `killed`, as a kill leaves it: the newest in the write-ahead log only. */
static void make_journal(struct fixture *fixture, bool killed)
{
	pid_t child = fork();
	if (child == 0) {
		if (fixture_start(fixture) != 0)
			_exit(1);
		append_some(fixture, 1, ENTRIES);
		if (killed)
			_exit(0);
		fixture_stop(fixture);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void damage(struct bytes_of_file *file, unsigned seed)
{
	size_t used = file->length;
	while (file->bytes[used - 1] == 0)
		used--; /* the log's unused rest */
	size_t at = (size_t)rand() % used, page = at / 512 * 512;
	switch (seed % 6) {
	case 0: /* truncated */
		file->length = at;
		break;
	case 1: /* a page of zeros */
		memset(file->bytes + page, 0, 512);
		break;
	case 2: /* one byte flipped */
		file->bytes[at] ^= (uint8_t)(1 + rand() % 255);
		break;
	case 3: /* a page of garbage */
		for (size_t i = page; i < page + 512 && i < file->length; i++)
			file->bytes[i] = (uint8_t)rand();
		break;
	case 4: /* two pages exchanged */
		for (size_t i = 0; i < 512 && page + i < file->length; i++) {
			size_t other = (i + used / 512 / 2 * 512) % used;
			uint8_t kept = file->bytes[page + i];
			file->bytes[page + i] = file->bytes[other];
			file->bytes[other] = kept;
		}
		break;
	default: /* the head of the file */
		file->bytes[at % 100] ^= (uint8_t)(1 + rand() % 255);
	}
}

static int count_one(void *context, const struct stored *stored)
{
	(void)stored;
	++*(unsigned *)context;
	return 0;
}

static void goes_on_sound_or_anew(struct fixture *fixture, unsigned seed)
{
	int error = fixture_start(fixture);
	if (error)
		print_message("seed %u: %s\n", seed, fixture->fault.text);
	assert_int_equal(error, 0);
	uint64_t head = journal_head(fixture->journal);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
	unsigned count = 0;
	assert_int_equal(journal_read(fixture->reader, 1, 1000, count_one, &count, &fixture->fault), (long)head);
	if (fixture->setaside) {
		assert_int_equal(head, 0);
		assert_int_equal(access(fixture->setaside, F_OK), 0);
	} else if (seed % 6 != 0) { /* a log that ends early cannot be told from one that was never longer */
		assert_in_range(head, ENTRIES - 1, ENTRIES);
	}
	struct entry entry = entry_of(1000);
	error = journal_append(fixture->journal, &entry, 1, NULL, NULL, &fixture->fault);
	if (error == -EUCLEAN) { /* damage only an insertion meets: said, and set aside at the next start */
		fixture_stop(fixture);
		assert_int_equal(fixture_start(fixture), 0);
		assert_non_null(fixture->setaside);
		error = journal_append(fixture->journal, &entry, 1, NULL, NULL, &fixture->fault);
	}
	assert_int_equal(error, 0);
}

static void damaged_at_random(struct fixture *fixture, const char *suffix, bool killed)
{
	static struct bytes_of_file file, log, broken;
	char path[128], log_path[128];
	unsigned aside = 0;
	make_journal(fixture, killed);
	beside(path, fixture, suffix);
	beside(log_path, fixture, "-wal");
	load(fixture->file, &file);
	load(log_path, &log);
	load(path, &broken);
	assert_true(broken.length > 512);
	for (unsigned seed = 0; seed < SEEDS; seed++) {
		srand(seed);
		save(fixture->file, &file);
		if (killed)
			save(log_path, &log);
		load(path, &broken);
		damage(&broken, seed);
		save(path, &broken);
		goes_on_sound_or_anew(fixture, seed);
		aside += fixture->setaside != NULL;
		fixture_stop(fixture);
		fixture_empty(fixture);
	}
	print_message(
		"%s damaged %d times: %u set aside, the others sound\n", suffix[0] ? suffix : "file", SEEDS, aside);
}

static void a_file_damaged_anywhere_opens_sound_or_is_set_aside(void **state)
{
	damaged_at_random(*state, "", false);
}

static void a_log_damaged_anywhere_opens_sound_or_is_set_aside(void **state)
{
	damaged_at_random(*state, "-wal", true);
}

static void a_new_epoch_begins_after_a_journal_was_set_aside(void **state)
{
	struct fixture *fixture = *state;
	static struct bytes_of_file garbage = { .length = 4096 };
	char epoch[40], cursor[CURSOR_MAX];
	assert_int_equal(fixture_start(fixture), 0);
	append_some(fixture, 1, 3);
	snprintf(epoch, sizeof(epoch), "%s", journal_epoch(fixture->journal));
	fixture_stop(fixture);
	memset(garbage.bytes, 0x5a, garbage.length);
	save(fixture->file, &garbage);
	assert_int_equal(fixture_start(fixture), 0);
	assert_non_null(fixture->setaside);
	assert_non_null(strstr(fixture->setaside, "journal.db.corrupt-20"));
	assert_string_not_equal(journal_epoch(fixture->journal), epoch);
	assert_int_equal(journal_head(fixture->journal), 0);
	assert_int_equal(journal_cursor(fixture->journal, "pr-1", cursor, &fixture->fault), 0);
	assert_string_equal(cursor, "");
}

static void the_log_of_an_emptied_file_is_kept(void **state)
{
	struct fixture *fixture = *state;
	char log[128];
	struct stat before, after;
	make_journal(fixture, true);
	beside(log, fixture, "-wal");
	assert_int_equal(stat(log, &before), 0);
	assert_true(before.st_size > 10000);
	assert_int_equal(truncate(fixture->file, 0), 0);
	assert_int_equal(fixture_start(fixture), 0);
	assert_non_null(fixture->setaside);
	snprintf(log, sizeof(log), "%s-wal", fixture->setaside);
	assert_int_equal(stat(log, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
}

static void a_file_that_was_emptied_does_not_pass_for_a_new_journal(void **state)
{
	struct fixture *fixture = *state;
	make_journal(fixture, false);
	assert_int_equal(truncate(fixture->file, 0), 0);
	assert_int_equal(fixture_start(fixture), 0);
	assert_non_null(fixture->setaside);
	fixture_stop(fixture);
	assert_int_equal(unlink(fixture->file), 0); /* taken away by somebody who wants a new one */
	assert_int_equal(fixture_start(fixture), 0);
	assert_null(fixture->setaside);
}

static void edit(const char *path, const char *statements)
{
	struct db *db;
	struct fault fault;
	assert_int_equal(db_open(path, DB_WRITE, &db, &fault), 0);
	assert_int_equal(db_run(db, statements, &fault), 0);
	db_close(db);
}

static void a_newer_journal_is_refused_untouched(void **state)
{
	struct fixture *fixture = *state;
	static struct bytes_of_file before, after;
	make_journal(fixture, false);
	edit(fixture->file, "UPDATE state SET number = 99 WHERE kind = 'schema'; PRAGMA user_version = 99");
	load(fixture->file, &before);
	assert_int_equal(fixture_start(fixture), -ENOTSUP);
	assert_non_null(strstr(fixture->fault.text, "newer assayd (schema 99, this one knows "));
	load(fixture->file, &after);
	assert_int_equal(before.length, after.length);
	assert_memory_equal(before.bytes, after.bytes, before.length);
}

static void an_altered_record_breaks_the_chain_at_its_successor(void **state)
{
	struct fixture *fixture = *state;
	uint64_t bad = 0;
	make_journal(fixture, false);
	assert_int_equal(fixture_start(fixture), 0);
	edit(fixture->file, "UPDATE entry SET body = replace(body, '.50', '.51') WHERE seq = 20");
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, &bad, &fixture->fault), -EUCLEAN);
	assert_int_equal(bad, 21);
	assert_int_equal(journal_check_chain(fixture->reader, 22, 0, &bad, &fixture->fault), 0);
	edit(fixture->file, "DELETE FROM entry WHERE seq = 40");
	assert_int_equal(journal_check_chain(fixture->reader, 22, 0, &bad, &fixture->fault), -EUCLEAN);
	assert_int_equal(bad, 40);
	edit(fixture->file, "UPDATE entry SET received_ms = 0, body = replace(body, '.50', '.51') WHERE seq = 60");
	assert_int_equal(journal_check_chain(fixture->reader, 50, 0, &bad, &fixture->fault), -EUCLEAN);
	assert_int_equal(bad, 60);
}

static void a_place_that_cannot_be_used_is_named_with_its_reason(void **state)
{
	struct fixture *fixture = *state;
	char inside[128];
	int fd = open(fixture->file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	snprintf(inside, sizeof(inside), "%s/deeper", fixture->file);
	struct journal_options options = { .directory = inside, .station = "330421103-01" };
	assert_int_equal(journal_open(&options, &fixture->journal, NULL, &fixture->fault), -ENOTDIR);
	assert_non_null(strstr(fixture->fault.text, inside));
	options.directory = fixture->file;
	assert_int_equal(journal_open(&options, &fixture->journal, NULL, &fixture->fault), -ENOTDIR);
	options.directory = "/proc/journal";
	assert_true(journal_open(&options, &fixture->journal, NULL, &fixture->fault) < 0);
	assert_non_null(strstr(fixture->fault.text, "/proc/journal"));
}

static void a_creation_cut_short_is_finished(void **state)
{
	struct fixture *fixture = *state;
	edit(fixture->file, "PRAGMA page_size = 512; PRAGMA journal_mode = WAL; CREATE TABLE t(c); DROP TABLE t");
	assert_int_equal(fixture_start(fixture), 0);
	assert_null(fixture->setaside);
	append_some(fixture, 1, 2);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
}

static void a_database_of_someone_else_is_set_aside_whole(void **state)
{
	struct fixture *fixture = *state;
	struct db *db;
	int64_t kept;
	edit(fixture->file, "CREATE TABLE theirs(c); INSERT INTO theirs VALUES(5)");
	assert_int_equal(fixture_start(fixture), 0);
	assert_non_null(fixture->setaside);
	assert_int_equal(db_open(fixture->setaside, DB_READ, &db, &fixture->fault), 0);
	assert_int_equal(db_number(db, "SELECT c FROM theirs", &kept, &fixture->fault), 0);
	assert_int_equal(kept, 5);
	db_close(db);
}

static void what_a_killed_daemon_left_can_be_read_without_one(void **state)
{
	struct fixture *fixture = *state;
	struct reading_back back = { 0 };
	make_journal(fixture, true);
	assert_int_equal(journal_reader_open(fixture->file, &fixture->reader, &fixture->fault), 0);
	assert_int_equal(read_back(fixture, 1, 64, &back), ENTRIES);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
	reading_back_free(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_DIRECTORY(a_file_damaged_anywhere_opens_sound_or_is_set_aside),
		IN_A_DIRECTORY(a_log_damaged_anywhere_opens_sound_or_is_set_aside),
		IN_A_DIRECTORY(a_new_epoch_begins_after_a_journal_was_set_aside),
		IN_A_DIRECTORY(the_log_of_an_emptied_file_is_kept),
		IN_A_DIRECTORY(a_file_that_was_emptied_does_not_pass_for_a_new_journal),
		IN_A_DIRECTORY(a_newer_journal_is_refused_untouched),
		IN_A_DIRECTORY(a_creation_cut_short_is_finished),
		IN_A_DIRECTORY(a_database_of_someone_else_is_set_aside_whole),
		IN_A_DIRECTORY(what_a_killed_daemon_left_can_be_read_without_one),
		IN_A_DIRECTORY(an_altered_record_breaks_the_chain_at_its_successor),
		IN_A_DIRECTORY(a_place_that_cannot_be_used_is_named_with_its_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
