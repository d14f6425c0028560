/* Two files of one epoch become one that holds all that either has: salvage never replaces a restored backup. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../../daemon/progress.h"
#include "../../daemon/salvage.h"
#include "../../daemon/sqlite.h"
#include "journal_fixture.h"

enum { ENTRIES = 60, MOVED = 30, ROOM = 160 };

struct files {
	char all[ROOM], kept[ROOM], more[ROOM];
};

static void append(struct fixture *fixture, unsigned from, unsigned to)
{
	assert_int_equal(fixture_start(fixture), 0);
	for (unsigned number = from; number <= to; number++) {
		struct entry entry = entry_of(number);
		assert_int_equal(journal_append(fixture->journal, &entry, 1, "pr-1", "17", &fixture->fault), 0);
	}
	fixture_stop(fixture);
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

static int64_t number(const char *path, const char *statement)
{
	struct db *db;
	struct fault fault;
	int64_t value = -1;
	assert_int_equal(db_open(path, DB_READ, &db, &fault), 0);
	assert_int_equal(db_number(db, statement, &value, &fault), 0);
	db_close(db);
	return value;
}

/* One journal of two stations' codes, and `kept` and `more`, two salvages of it, as `statements` leave them. */
static struct files make_files(struct fixture *fixture, const char *in_kept, const char *in_more)
{
	static const struct salvage_hints nothing;
	struct files files;
	struct salvage found;
	fixture->station = "330421103-01";
	append(fixture, 1, MOVED);
	fixture->station = "330421103-02";
	append(fixture, MOVED + 1, ENTRIES);
	snprintf(files.all, ROOM, "%s/all.db", fixture->directory);
	snprintf(files.kept, ROOM, "%s/kept.db", fixture->directory);
	snprintf(files.more, ROOM, "%s/more.db", fixture->directory);
	assert_int_equal(salvage_journal(fixture->file, &nothing, files.all, &found, &fixture->fault), 0);
	assert_int_equal(salvage_journal(fixture->file, &nothing, files.kept, &found, &fixture->fault), 0);
	assert_int_equal(salvage_journal(fixture->file, &nothing, files.more, &found, &fixture->fault), 0);
	assert_int_equal(found.count, ENTRIES);
	assert_true(found.end_known);
	edit(files.kept, in_kept);
	edit(files.more, in_more);
	return files;
}

static int assert_published(void *context, const struct stored *stored)
{
	(void)context;
	assert_true(is_as_published(stored));
	return 0;
}

static long read_all(struct fixture *fixture, const char *path, int (*each)(void *, const struct stored *))
{
	struct journal_reader *reader;
	assert_int_equal(journal_reader_open(path, &reader, &fixture->fault), 0);
	long count = journal_read(reader, 1, 1000, each, NULL, &fixture->fault);
	if (count == ENTRIES)
		assert_int_equal(journal_check_chain(reader, 1, 0, NULL, &fixture->fault), 0);
	journal_reader_close(reader);
	return count;
}

static void what_either_has_is_kept_as_it_was_published(void **state)
{
	struct fixture *fixture = *state;
	uint64_t differing;
	/* as of a backup of entry 45, and what a damaged head of the file left of the same journal */
	struct files files = make_files(fixture,
		"DELETE FROM entry WHERE seq > 45 OR seq BETWEEN 5 AND 8; UPDATE state SET number = 45,"
		" value = (SELECT prev FROM entry WHERE seq = 45) WHERE kind = 'head';"
		"INSERT INTO parked VALUES('county', 3, 1, 'too large');"
		"REPLACE INTO state VALUES('target', 'county', 20, '20'), ('target', 'city', 30, '30')",
		"DELETE FROM entry WHERE seq BETWEEN 10 AND 40; DELETE FROM station;"
		"INSERT INTO station VALUES(1, '330421103-01'), (41, '330421103-02');"
		"INSERT INTO parked VALUES('county', 3, 1, 'too large'), ('county', 50, 1, 'too large');"
		"INSERT INTO known VALUES(zeroblob(16), 2);"
		"REPLACE INTO state VALUES('target', 'county', 25, '25'), ('target', 'city', 7, '7')");
	assert_int_equal(read_all(fixture, files.all, keep_published), ENTRIES);
	assert_int_equal(salvage_merge(files.kept, files.more, &differing, &fixture->fault), 0);
	assert_int_equal(differing, 0);
	assert_int_equal(access(files.more, F_OK), -1);
	assert_int_equal(read_all(fixture, files.kept, assert_published), ENTRIES);
	assert_int_equal(number(files.kept, "SELECT count(*) FROM parked"), 2);
	assert_int_equal(number(files.kept, "SELECT count(*) FROM known"), 1);
	assert_int_equal(number(files.kept, "SELECT number FROM state WHERE kind = 'target' AND name = 'county'"), 25);
	assert_int_equal(number(files.kept, "SELECT number FROM state WHERE kind = 'target' AND name = 'city'"), 30);
}

static void seals_keep_the_key_that_made_them(void **state)
{
	struct fixture *fixture = *state;
	uint64_t differing;
	struct files files = make_files(fixture,
		"INSERT INTO sealing_key VALUES(1, 'old', 'sm2', 'OLD'), (2, 'new', 'sm2', 'NEW');"
		"INSERT INTO seal VALUES(10, 1, 'at', zeroblob(32), x'01')",
		"INSERT INTO sealing_key VALUES(1, 'new', 'sm2', 'NEW'), (2, 'third', 'sm2', 'THIRD');"
		"INSERT INTO seal VALUES(20, 1, 'at', zeroblob(32), x'02'), (30, 2, 'at', zeroblob(32), x'03');"
		"INSERT INTO manifest VALUES(30, '2026-03-05', '{}')");
	assert_int_equal(salvage_merge(files.kept, files.more, &differing, &fixture->fault), 0);
	assert_int_equal(number(files.kept, "SELECT count(*) FROM seal JOIN sealing_key ON number = key"
					    " WHERE (seq, id) IN (VALUES(10, 'old'), (20, 'new'), (30, 'third'))"),
		3);
	assert_int_equal(number(files.kept, "SELECT count(*) FROM sealing_key"), 3);
	assert_int_equal(number(files.kept, "SELECT count(*) FROM manifest"), 1);
}

static void an_entry_of_a_number_that_is_taken_is_told(void **state)
{
	struct fixture *fixture = *state;
	uint64_t differing;
	struct files files = make_files(fixture, "SELECT 1",
		"UPDATE entry SET id = randomblob(16), body = replace(body, '0', '1') WHERE seq > 57");
	assert_int_equal(read_all(fixture, files.all, keep_published), ENTRIES);
	assert_int_equal(salvage_merge(files.kept, files.more, &differing, &fixture->fault), 0);
	assert_int_equal(differing, 3);
	assert_int_equal(read_all(fixture, files.kept, assert_published), ENTRIES);
}

static void what_one_still_has_does_not_count_as_removed(void **state)
{
	struct fixture *fixture = *state;
	uint64_t differing;
	struct files files = make_files(fixture,
		"DELETE FROM entry WHERE seq <= 40; INSERT INTO state VALUES('pruned', '', 40, '40')",
		"DELETE FROM entry WHERE seq <= 20; INSERT INTO state VALUES('pruned', '', 20, '20')");
	assert_int_equal(salvage_merge(files.kept, files.more, &differing, &fixture->fault), 0);
	assert_int_equal(number(files.kept, "SELECT number FROM state WHERE kind = 'pruned'"), 20);
	assert_int_equal(number(files.kept, "SELECT count(*) FROM entry"), 40);
	struct journal_reader *reader;
	assert_int_equal(journal_reader_open(files.kept, &reader, &fixture->fault), 0);
	assert_int_equal(journal_check_chain(reader, 1, 0, NULL, &fixture->fault), 0);
	journal_reader_close(reader);
}

static void a_file_of_another_epoch_is_left_as_it_is(void **state)
{
	struct fixture *fixture = *state;
	uint64_t differing;
	struct files files = make_files(fixture,
		"UPDATE state SET value = replace(value, substr(value, 1, 1), 'x') WHERE kind = 'epoch'", "SELECT 1");
	assert_int_equal(salvage_merge(files.kept, files.more, &differing, &fixture->fault), -EEXIST);
	assert_non_null(strstr(fixture->fault.text, "another epoch"));
	assert_int_equal(access(files.more, F_OK), 0);
}

static void a_file_that_is_damaged_is_set_aside_to_be_salvaged(void **state)
{
	struct fixture *fixture = *state;
	char command[ROOM];
	uint64_t differing;
	struct files files = make_files(fixture, "SELECT 1", "SELECT 1");
	assert_int_equal(read_all(fixture, files.all, keep_published), ENTRIES);
	assert_int_equal(truncate(files.kept, 2000), 0);
	assert_int_equal(salvage_merge(files.kept, files.more, &differing, &fixture->fault), 0);
	assert_int_equal(read_all(fixture, files.kept, assert_published), ENTRIES);
	snprintf(command, sizeof(command), "test $(ls %s/journal.db.corrupt-* | wc -l) = 1", fixture->directory);
	assert_int_equal(system(command), 0);
	assert_int_equal(unlink(files.kept), 0);
	assert_int_equal(rename(files.all, files.more), 0);
	assert_int_equal(salvage_merge(files.kept, files.more, &differing, &fixture->fault), 0); /* none there yet */
	assert_int_equal(read_all(fixture, files.kept, assert_published), ENTRIES);
}

/* A person put something in its place, or the file belongs to root: the start goes on without it. */
static void a_file_that_cannot_be_opened_is_left_as_it_is(void **state)
{
	struct fixture *fixture = *state;
	uint64_t differing;
	struct files files = make_files(fixture, "SELECT 1", "SELECT 1");
	assert_int_equal(unlink(files.kept), 0);
	assert_int_equal(mkdir(files.kept, 0700), 0);
	for (int turn = 0; turn < 2; turn++)
		assert_true(salvage_merge(files.kept, files.more, &differing, &fixture->fault) < 0);
	assert_int_equal(access(files.more, F_OK), 0);
	assert_int_equal(rmdir(files.kept), 0);
}

static unsigned told;

static void count_told(void)
{
	told++;
}

static void a_merge_that_takes_long_says_that_it_goes_on(void **state)
{
	struct fixture *fixture = *state;
	uint64_t differing;
	struct files files = make_files(fixture, "SELECT 1",
		"WITH RECURSIVE n(i) AS (VALUES(61) UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
		" INSERT INTO entry SELECT i, 0, 1, CAST(randomblob(16) AS BLOB), zeroblob(32), '}', NULL FROM n");
	progress_to(count_told);
	assert_int_equal(salvage_merge(files.kept, files.more, &differing, &fixture->fault), 0);
	progress_to(NULL);
	assert_int_equal(number(files.kept, "SELECT count(*) FROM entry"), 20000);
	assert_in_range(told, 16 + 10, 16 + 200); /* for each statement, and within the long ones */
	told = 0;
	assert_int_equal(number(files.kept, "SELECT count(*) FROM entry AS a, entry AS b WHERE a.seq < 20"), 380000);
	assert_int_equal(told, 0); /* nobody waits any more */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_DIRECTORY(what_either_has_is_kept_as_it_was_published),
		IN_A_DIRECTORY(seals_keep_the_key_that_made_them),
		IN_A_DIRECTORY(an_entry_of_a_number_that_is_taken_is_told),
		IN_A_DIRECTORY(what_one_still_has_does_not_count_as_removed),
		IN_A_DIRECTORY(a_file_of_another_epoch_is_left_as_it_is),
		IN_A_DIRECTORY(a_file_that_is_damaged_is_set_aside_to_be_salvaged),
		IN_A_DIRECTORY(a_file_that_cannot_be_opened_is_left_as_it_is),
		IN_A_DIRECTORY(a_merge_that_takes_long_says_that_it_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, forget_published);
}
