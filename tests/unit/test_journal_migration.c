/* Journals of earlier versions, as those versions wrote them (tests/unit/journals/): opened with everything in them,
 * and again after a kill at each sync of the migration.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../../daemon/sqlite.h"
#include "journal_fixture.h"

enum { KILLS_MOST = 60, FILE_ROOM = 1 << 20 };

static char beside_me[512]; /* the build's tests/unit */

static void copy(const char *from, const char *to)
{
	static uint8_t bytes[FILE_ROOM];
	FILE *in = fopen(from, "rbe"), *out = fopen(to, "wbe");
	if (!in || !out)
		fail_msg("%s or %s cannot be opened", from, to);
	size_t length = fread(bytes, 1, sizeof(bytes), in);
	assert_int_equal(fwrite(bytes, 1, length, out), length);
	fclose(in);
	fclose(out);
}

struct golden {
	const char *path;
	uint64_t last;
	const char *epoch;
};

static const struct golden schema_1 = { "tests/unit/journals/schema-1.db", 13, "b98a56f945cfc4b2dad9fade0d70973c" };

static void holds_everything(struct fixture *fixture, const struct golden *golden)
{
	struct db *db;
	int64_t version, faults;
	if (fixture_start(fixture) != 0)
		fail_msg("%s", fixture->fault.text);
	assert_null(fixture->setaside);
	assert_int_equal(journal_head(fixture->journal), golden->last);
	assert_string_equal(journal_epoch(fixture->journal), golden->epoch);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
	struct entry entry = entry_of(1000);
	assert_int_equal(journal_append(fixture->journal, &entry, 1, NULL, NULL, &fixture->fault), 0);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
	assert_int_equal(db_open(fixture->file, DB_READ, &db, &fixture->fault), 0);
	assert_int_equal(db_number(db, "PRAGMA user_version", &version, &fixture->fault), 0);
	assert_true(version > 1);
	assert_int_equal(db_number(db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
				 &faults, &fixture->fault),
		0);
	assert_int_equal(faults, 0);
	db_close(db);
	fixture_stop(fixture);
}

static void a_journal_of_schema_1_is_opened_with_everything_in_it(void **state)
{
	struct fixture *fixture = *state;
	copy(schema_1.path, fixture->file);
	holds_everything(fixture, &schema_1);
}

/* True when it was killed. */
static bool open_and_be_killed(const char *shim, const char *directory, int at)
{
	char number[16];
	int status;
	snprintf(number, sizeof(number), "%d", at);
	pid_t child = fork();
	if (child == 0) {
		setenv("LD_PRELOAD", shim, 1);
		setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
		setenv("KILL_AT", number, 1);
		execl("/proc/self/exe", "test_journal_migration", directory, (char *)NULL);
		_exit(99);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return true;
	}
	assert_int_equal(status, 0);
	return false;
}

static void a_migration_killed_at_any_sync_is_finished_by_the_next_start(void **state)
{
	struct fixture *fixture = *state;
	char shim[600];
	int at = 1;
	snprintf(shim, sizeof(shim), "%s/../faults/eioshim.so", beside_me);
	if (access(shim, R_OK) != 0) {
		print_message("skipped: %s is not built (make shims)\n", shim);
		skip();
	}
	for (; at < KILLS_MOST; at++) {
		copy(schema_1.path, fixture->file);
		bool killed = open_and_be_killed(shim, fixture->directory, at);
		holds_everything(fixture, &schema_1);
		fixture_empty(fixture);
		if (!killed)
			break;
	}
	print_message("killed at each of %d syncs\n", at - 1);
	assert_in_range(at, 5, KILLS_MOST - 1); /* else the shim did not bite, or not all was tried */
}

static int only_open(const char *directory)
{
	struct journal_options options = { .directory = directory, .station = "330421103-01" };
	struct journal *journal;
	struct fault fault;
	if (journal_open(&options, &journal, NULL, &fault) != 0) {
		fprintf(stderr, "%s\n", fault.text);
		return 1;
	}
	journal_close(journal);
	return 0;
}

static int only_a_directory(void **state)
{
	*state = fixture_directory();
	return 0;
}

int main(int count, char **arguments)
{
	if (count == 2)
		return only_open(arguments[1]);
	ssize_t length = readlink("/proc/self/exe", beside_me, sizeof(beside_me) - 1);
	beside_me[length > 0 ? length : 0] = '\0';
	*strrchr(beside_me, '/') = '\0';
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_journal_of_schema_1_is_opened_with_everything_in_it, only_a_directory, fixture_close),
		cmocka_unit_test_setup_teardown(
			a_migration_killed_at_any_sync_is_finished_by_the_next_start, only_a_directory, fixture_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
