/* A damaged journal is set aside in several steps, and the power may go between any two of them: the next start goes on
 * where that one ended. Each rename() and unlink() of the daemon may be its last, and the clock is never the same
 * (linked with --wrap, see Makefile).
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "../../daemon/backup.h"
#include "../../daemon/salvage.h"
#include "../../daemon/sqlite.h"
#include "journal_fixture.h"

enum { ENTRIES = 60, STEPS_MOST = 30 };

static const struct salvage_hints ours = { .station = "330421103-01" };
static time_t now = 1772703680;
static int steps_left = -1; /* before the power goes; below 0: it stays */

int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);
time_t __wrap_time(time_t *ret);

static void step(void)
{
	if (steps_left == 0)
		_exit(7);
	if (steps_left > 0)
		steps_left--;
}

int __wrap_rename(const char *from, const char *to)
{
	step();
	return __real_rename(from, to);
}

int __wrap_unlink(const char *path)
{
	step();
	return __real_unlink(path);
}

time_t __wrap_time(time_t *ret)
{
	if (ret)
		*ret = now;
	return now;
}

static int in_child(int (*run)(struct fixture *), struct fixture *fixture, int steps)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		steps_left = steps;
		_exit(run(fixture));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	now += 3600;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* As a kill leaves it: everything in the write-ahead log. */
static int append_all(struct fixture *fixture)
{
	if (fixture_start(fixture) != 0)
		return 1;
	for (unsigned number = 1; number <= ENTRIES; number++) {
		struct entry entry = entry_of(number);
		if (journal_append(fixture->journal, &entry, 1, "pr-1", "17", &fixture->fault) != 0)
			return 2;
	}
	return 0;
}

static void beside(char out[static 160], const struct fixture *fixture, const char *suffix)
{
	snprintf(out, 160, "%s%s", fixture->file, suffix);
}

static bool is_there(const struct fixture *fixture, const char *suffix)
{
	char path[160];
	beside(path, fixture, suffix);
	return access(path, F_OK) == 0;
}

static void write_mark(const struct fixture *fixture, const char *text)
{
	char path[160];
	beside(path, fixture, ".damaged");
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void has_all(const struct fixture *fixture, const char *setaside)
{
	char out[160];
	struct salvage found;
	struct fault fault;
	assert_non_null(setaside);
	snprintf(out, sizeof(out), "%s/out.db", fixture->directory);
	if (salvage_journal(setaside, &ours, out, &found, &fault) != 0)
		fail_msg("%s", fault.text);
	assert_int_equal(found.count, ENTRIES);
	assert_int_equal(found.lost.total, 0);
	assert_int_equal(unlink(out), 0);
}

static int sets_aside(struct fixture *fixture)
{
	return fixture_start(fixture) == 0 && fixture->setaside ? 0 : 1;
}

static void a_set_that_a_power_cut_ended_anywhere_is_completed_under_its_name(void **state)
{
	struct fixture *fixture = *state;
	int cuts = 0;
	for (int steps = 0; steps < STEPS_MOST; steps++) {
		assert_int_equal(in_child(append_all, fixture, -1), 0);
		write_mark(fixture, ""); /* damage that was met in use */
		int ended = in_child(sets_aside, fixture, steps);
		assert_int_equal(fixture_start(fixture), 0);
		if (ended == 0) { /* no power cut: all was done by then */
			assert_null(fixture->setaside);
			break;
		}
		assert_int_equal(ended, 7);
		if (fixture->setaside) {
			has_all(fixture, fixture->setaside);
			assert_int_equal(journal_head(fixture->journal), 0);
			cuts++;
		}
		assert_false(is_there(fixture, ".damaged"));
		fixture_stop(fixture);
		assert_int_equal(fixture_start(fixture), 0); /* and that was that */
		assert_null(fixture->setaside);
		fixture_stop(fixture);
		fixture_empty(fixture);
	}
	/* before its name was written; before each of file, log, shared memory and identity was moved; before the mark
	 * went */
	assert_int_equal(cuts, 6);
}

static void the_log_of_a_file_that_is_gone_is_found_by_who_salvages(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(in_child(append_all, fixture, -1), 0);
	assert_int_equal(unlink(fixture->file), 0);
	assert_int_equal(fixture_start(fixture), 0);
	has_all(fixture, fixture->setaside);
	assert_int_equal(access(fixture->setaside, F_OK), 0);
}

static void what_was_put_there_since_gets_a_name_of_its_own(void **state)
{
	struct fixture *fixture = *state;
	char name[160], moved[160];
	assert_int_equal(in_child(append_all, fixture, -1), 0);
	beside(name, fixture, ".corrupt-20260305T094120Z");
	snprintf(moved, sizeof(moved), "%s", name);
	assert_int_equal(rename(fixture->file, moved), 0);
	FILE *file = fopen(fixture->file, "we");
	assert_non_null(file);
	fputs("put there by hand", file);
	fclose(file);
	write_mark(fixture, "journal.db.corrupt-20260305T094120Z\n");
	assert_int_equal(fixture_start(fixture), 0);
	assert_non_null(fixture->setaside);
	assert_string_not_equal(fixture->setaside, name);
	has_all(fixture, name); /* its log came to it */
	struct stat status;
	assert_int_equal(stat(fixture->setaside, &status), 0);
	assert_int_equal(status.st_size, strlen("put there by hand"));
}

static void a_mark_that_tells_no_name_of_ours_moves_nothing_elsewhere(void **state)
{
	static const char *const marks[] = { "journal.db.corrupt-2026", "/etc/passwd\n", "journal.db.corrupt-/../x\n",
		"\n" };
	struct fixture *fixture = *state;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		assert_int_equal(in_child(append_all, fixture, -1), 0);
		write_mark(fixture, marks[i]);
		assert_int_equal(fixture_start(fixture), 0);
		has_all(fixture, fixture->setaside);
		assert_non_null(strstr(fixture->setaside, "/journal.db.corrupt-20"));
		fixture_stop(fixture);
		fixture_empty(fixture);
	}
}

static void a_mark_alone_sets_nothing_aside(void **state)
{
	struct fixture *fixture = *state;
	write_mark(fixture, "");
	assert_int_equal(fixture_start(fixture), 0);
	assert_null(fixture->setaside);
	assert_false(is_there(fixture, ".damaged"));
}

/* A salvaged journal that was damaged in its turn, while something was taken into it: its log is not empty. */
static void make_damaged_old(struct fixture *fixture, const char *kept)
{
	struct salvage found;
	struct db *db;
	assert_int_equal(in_child(append_all, fixture, -1), 0);
	assert_int_equal(salvage_journal(fixture->file, &ours, kept, &found, &fixture->fault), 0);
	assert_int_equal(db_open(kept, DB_WRITE, &db, &fixture->fault), 0);
	db_tidy_at_close(db, false);
	assert_int_equal(db_run(db, "PRAGMA journal_mode = WAL; CREATE TABLE filler(c)", &fixture->fault), 0);
	db_close(db);
	assert_int_equal(truncate(kept, 2000), 0);
}

static int merges(struct fixture *fixture)
{
	char kept[160], more[160];
	uint64_t differing;
	struct salvage found;
	snprintf(kept, sizeof(kept), "%s/salvaged-0123.db", fixture->directory);
	snprintf(more, sizeof(more), "%s/salvaging.db", fixture->directory);
	__real_unlink(more);
	return salvage_journal(fixture->file, &ours, more, &found, &fixture->fault) != 0 ||
	       salvage_merge(kept, more, &differing, &fixture->fault) != 0;
}

static unsigned found_by(const char *directory, const char *pattern)
{
	glob_t found = { 0 };
	char whole[160];
	snprintf(whole, sizeof(whole), "%s/%s", directory, pattern);
	unsigned count = glob(whole, 0, NULL, &found) == 0 ? (unsigned)found.gl_pathc : 0;
	globfree(&found);
	return count;
}

static void a_salvaged_journal_that_is_set_aside_keeps_its_log(void **state)
{
	struct fixture *fixture = *state;
	char kept[160];
	int ended = 7, steps = 0;
	snprintf(kept, sizeof(kept), "%s/salvaged-0123.db", fixture->directory);
	for (; ended == 7 && steps < STEPS_MOST; steps++) {
		make_damaged_old(fixture, kept);
		ended = in_child(merges, fixture, steps);
		if (found_by(fixture->directory, "journal.db.corrupt-*Z") == 1) /* who looks for it finds it whole */
			assert_int_equal(found_by(fixture->directory, "journal.db.corrupt-*Z-wal"), 1);
		assert_int_equal(ended == 7 ? merges(fixture) : ended, 0);
		assert_int_equal(found_by(fixture->directory, "journal.db.corrupt-*Z"), 1);
		assert_int_equal(found_by(fixture->directory, "journal.db.corrupt-*Z-wal"), 1);
		assert_int_equal(found_by(fixture->directory, "salvaged-*"), 1);
		has_all(fixture, kept);
		fixture_empty(fixture);
	}
	assert_in_range(steps, 6, STEPS_MOST - 1);
}

static void restores(struct fixture *fixture, const char *backup, struct restored *ret)
{
	write_mark(fixture, ""); /* damage that was met in use */
	if (restore_journal(fixture->directory, backup, true, ret, &fixture->fault) != 0)
		fail_msg("%s", fixture->fault.text);
	assert_int_equal(ret->last, ENTRIES);
}

/* What came after the backup may be in it: the next start salvages it and puts both together. */
static void a_restore_replaces_no_journal_that_is_to_be_salvaged(void **state)
{
	struct fixture *fixture = *state;
	struct restored restored;
	char backup[160];
	snprintf(backup, sizeof(backup), "%s/backup", fixture->directory);
	assert_int_equal(in_child(append_all, fixture, -1), 0);
	assert_int_equal(backup_journal(fixture->directory, backup, &fixture->fault), 0);
	restores(fixture, backup, &restored);
	assert_false(*restored.replaced);
	assert_int_equal(fixture_start(fixture), 0);
	has_all(fixture, fixture->setaside);
}

/* Somebody removed a file of that name: the mark it left says nothing of this one. */
static void a_name_whose_file_was_salvaged_before_is_not_taken_again(void **state)
{
	struct fixture *fixture = *state;
	char path[160];
	assert_int_equal(in_child(append_all, fixture, -1), 0);
	write_mark(fixture, "");
	char name[64];
	struct tm utc;
	gmtime_r(&now, &utc);
	strftime(name, sizeof(name), ".corrupt-%Y%m%dT%H%M%SZ.salvaged", &utc);
	beside(path, fixture, name);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(fixture_start(fixture), 0);
	has_all(fixture, fixture->setaside);
	snprintf(path, sizeof(path), "%s.salvaged", fixture->setaside);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void a_restore_leaves_the_mark_to_a_damaged_journal_that_stays(void **state)
{
	struct fixture *fixture = *state;
	struct restored restored;
	char backup[160];
	snprintf(backup, sizeof(backup), "%s-backup", fixture->directory);
	assert_int_equal(in_child(append_all, fixture, -1), 0);
	assert_int_equal(backup_journal(fixture->directory, backup, &fixture->fault), 0);
	fixture_empty(fixture);
	assert_int_equal(in_child(append_all, fixture, -1), 0); /* of another epoch */
	restores(fixture, backup, &restored);
	assert_false(*restored.replaced);
	assert_int_equal(unlink(backup), 0);
	assert_int_equal(fixture_start(fixture), 0);
	has_all(fixture, fixture->setaside);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_DIRECTORY(a_set_that_a_power_cut_ended_anywhere_is_completed_under_its_name),
		IN_A_DIRECTORY(the_log_of_a_file_that_is_gone_is_found_by_who_salvages),
		IN_A_DIRECTORY(what_was_put_there_since_gets_a_name_of_its_own),
		IN_A_DIRECTORY(a_mark_that_tells_no_name_of_ours_moves_nothing_elsewhere),
		IN_A_DIRECTORY(a_mark_alone_sets_nothing_aside),
		IN_A_DIRECTORY(a_salvaged_journal_that_is_set_aside_keeps_its_log),
		IN_A_DIRECTORY(a_restore_replaces_no_journal_that_is_to_be_salvaged),
		IN_A_DIRECTORY(a_name_whose_file_was_salvaged_before_is_not_taken_again),
		IN_A_DIRECTORY(a_restore_leaves_the_mark_to_a_damaged_journal_that_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
