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

#include "../../daemon/journal_parts.h"
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
	int64_t samples, seals, groups; /* rows of its own tables */
};

static const struct golden goldens[] = {
	{ "tests/unit/journals/schema-1.db", 13, "b98a56f945cfc4b2dad9fade0d70973c", 0, 0, 0 },
	{ "tests/unit/journals/schema-2.db", 13, "b904c92c7a070c0db33c0459e122fb14", 0, 0, 0 },
	{ "tests/unit/journals/schema-3.db", 14, "001b4c9a5cf1c6279b96a349f37de8a1", 1, 0, 0 },
	{ "tests/unit/journals/schema-4.db", 14, "130ab307aadf9d9d370c361108174e76", 1, 3, 0 },
	{ "tests/unit/journals/schema-5.db", 14, "2daabc034551578866d4f4b28b058152", 1, 3, 0 },
	{ "tests/unit/journals/schema-6.db", 17, "0b24908a64daaa4c333409714a148a27", 1, 3, 3 },
};
enum { GOLDENS = sizeof(goldens) / sizeof(goldens[0]) };
_Static_assert(GOLDENS + 1 >= JOURNAL_SCHEMA, "there is a journal of each earlier schema");

static int64_t number(struct fixture *fixture, struct db *db, const char *sql)
{
	int64_t ret;
	assert_int_equal(db_number(db, sql, &ret, &fixture->fault), 0);
	return ret;
}

static void holds_everything(struct fixture *fixture, const struct golden *golden)
{
	struct db *db;
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
	assert_int_equal(number(fixture, db, "PRAGMA user_version"), JOURNAL_SCHEMA);
	assert_int_equal(
		number(fixture, db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
	assert_int_equal(number(fixture, db, "SELECT count(*) FROM sample"), golden->samples);
	assert_int_equal(number(fixture, db, "SELECT count(*) FROM seal"), golden->seals);
	assert_int_equal(number(fixture, db, "SELECT count(*) FROM retest"), golden->groups);
	db_close(db);
	fixture_stop(fixture);
}

static void a_journal_of_any_schema_is_opened_with_everything_in_it(void **state)
{
	struct fixture *fixture = *state;
	for (size_t i = 0; i < GOLDENS; i++) {
		copy(goldens[i].path, fixture->file);
		holds_everything(fixture, &goldens[i]);
		fixture_empty(fixture);
	}
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
		copy(goldens[0].path, fixture->file);
		bool killed = open_and_be_killed(shim, fixture->directory, at);
		holds_everything(fixture, &goldens[0]);
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

int main(int count, char **arguments)
{
	if (count == 2)
		return only_open(arguments[1]);
	ssize_t length = readlink("/proc/self/exe", beside_me, sizeof(beside_me) - 1);
	beside_me[length > 0 ? length : 0] = '\0';
	*strrchr(beside_me, '/') = '\0';
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_journal_of_any_schema_is_opened_with_everything_in_it,
			fixture_empty_directory, fixture_close),
		cmocka_unit_test_setup_teardown(a_migration_killed_at_any_sync_is_finished_by_the_next_start,
			fixture_empty_directory, fixture_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
