/* The journal on a disk that fails, is full, or loses its writer: real files, real kills. */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "../../daemon/disk.h"
#include "journal_fixture.h"

enum { KILLS = 50, SYNC_ENTRIES = 12, SYNC_FAILURES = 36 };

static int nothing(void *context, const struct stored *stored)
{
	(void)context;
	(void)stored;
	return 0;
}

/* --- kill -9 */

/* Appends one entry after the other, its number as the cursor, and tells each that is durable. */
static void append_for_ever(const char *directory, int acknowledged)
{
	struct journal_options options = { .directory = directory, .station = "330421103-01" };
	struct journal *journal;
	struct fault fault;
	if (journal_open(&options, &journal, NULL, &fault) != 0)
		_exit(1);
	for (unsigned number = (unsigned)journal_head(journal) + 1;; number++) {
		struct entry entry = entry_of(number);
		char cursor[16];
		snprintf(cursor, sizeof(cursor), "%u", number);
		if (journal_append(journal, &entry, 1, "pr-1", cursor, &fault) != 0)
			_exit(2);
		if (write(acknowledged, &number, sizeof(number)) != sizeof(number))
			_exit(3);
	}
}

static unsigned last_acknowledged(int fd, unsigned before)
{
	unsigned number;
	while (read(fd, &number, sizeof(number)) == sizeof(number))
		before = number;
	return before;
}

static void an_acknowledged_entry_survives_every_kill_with_its_cursor(void **state)
{
	struct fixture *fixture = *state;
	unsigned acknowledged = 0;
	for (int round = 0; round < KILLS; round++) {
		int ends[2];
		assert_int_equal(pipe(ends), 0);
		pid_t child = fork();
		if (child == 0)
			append_for_ever(fixture->directory, ends[1]);
		close(ends[1]);
		/* Half of the kills may hit the start; the others come once something was stored, however slow the
		 * machine. */
		if (round % 2 == 1)
			assert_int_equal(poll(&(struct pollfd){ .fd = ends[0], .events = POLLIN }, 1, 10000), 1);
		usleep((useconds_t)(8000 + rand() % 30000));
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
		acknowledged = last_acknowledged(ends[0], acknowledged);
		close(ends[0]);

		char cursor[CURSOR_MAX], expected[CURSOR_MAX];
		assert_int_equal(fixture_start(fixture), 0);
		assert_null(fixture->setaside);
		assert_true(journal_head(fixture->journal) >= acknowledged);
		assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
		assert_int_equal(journal_cursor(fixture->journal, "pr-1", cursor, &fixture->fault), 0);
		snprintf(expected, sizeof(expected), "%lu", (unsigned long)journal_head(fixture->journal));
		if (acknowledged > 0)
			assert_string_equal(cursor, expected);
		fixture_stop(fixture);
	}
	assert_true(acknowledged >= KILLS / 2);
}

/* --- a sync that fails, through tests/faults/eioshim.c */

static int fired(void)
{
	int (*ask)(void);
	*(void **)&ask = dlsym(RTLD_DEFAULT, "eioshim_fired");
	return ask ? ask() : 0;
}

/* Run with the shim in front: exit status 0 when every promise held. */
static int append_over_a_failing_sync(const char *directory)
{
	struct journal_options options = { .directory = directory, .station = "330421103-01" };
	struct journal *journal;
	struct journal_reader *reader;
	struct fault fault;
	int opened = -1, refused = 0;
	for (int attempt = 0; opened != 0 && attempt < 3; attempt++)
		opened = journal_open(&options, &journal, NULL, &fault);
	if (opened != 0)
		return 10;
	int before_appending = fired();
	for (unsigned number = 1; number <= SYNC_ENTRIES; number++) {
		struct entry entry = entry_of(number);
		int error = -1;
		for (int attempt = 0; error && attempt < 4; attempt++) {
			int before = fired();
			error = journal_append(journal, &entry, 1, NULL, NULL, &fault);
			if (!error && fired() != before)
				return 11; /* said to be stored, and the disk had refused it */
			if (error)
				refused++;
		}
		if (error || entry.seq != number)
			return 12;
	}
	if (journal_reader_open(journal_path(journal), &reader, &fault) != 0 || journal_head(journal) != SYNC_ENTRIES ||
		journal_read(reader, 1, 100, nothing, NULL, &fault) != SYNC_ENTRIES ||
		journal_check_chain(reader, 1, 0, NULL, &fault) != 0)
		return 13;
	if (fired() != before_appending &&
		(journal_failures(journal, &fault) == 0 || !strstr(fault.text, "Input/output error")))
		return 14; /* nobody would be told that the disk is dying */
	journal_reader_close(reader);
	journal_close(journal);
	return refused ? 0 : 1;
}

static int run_with_shim(const char *shim, const char *directory, int at)
{
	char number[16];
	int status;
	snprintf(number, sizeof(number), "%d", at);
	pid_t child = fork();
	if (child == 0) {
		setenv("LD_PRELOAD", shim, 1);
		setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
		setenv("EIO_AT", number, 1);
		execl("/proc/self/exe", "test_journal_io", directory, (char *)NULL);
		_exit(99);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_failed_sync_is_not_reported_stored_and_the_retry_gives_no_duplicate(void **state)
{
	(void)state;
	char shim[512];
	ssize_t length = readlink("/proc/self/exe", shim, sizeof(shim) - 40);
	assert_true(length > 0);
	shim[length] = '\0';
	strcpy(strrchr(shim, '/'), "/../faults/eioshim.so");
	if (access(shim, R_OK) != 0) {
		print_message("skipped: %s is not built (make shims)\n", shim);
		skip();
	}
	int refused = 0;
	for (int at = 1; at <= SYNC_FAILURES; at++) {
		struct fixture *fixture = fixture_directory();
		int status = run_with_shim(shim, fixture->directory, at);
		if (status != 0 && status != 1)
			print_message("sync %d fails: status %d\n", at, status);
		assert_in_range(status, 0, 1);
		refused += status == 0;
		fixture_remove(fixture);
	}
	assert_true(refused >= SYNC_ENTRIES); /* else the shim did not bite */
}

/* --- a full disk, on a small tmpfs */

static int fill_up(const char *path)
{
	static const char block[4096];
	FILE *ballast = fopen(path, "we");
	if (!ballast)
		return -errno;
	setbuf(ballast, NULL);
	while (fwrite(block, 1, sizeof(block), ballast) == sizeof(block))
		continue;
	return fclose(ballast);
}

static void a_full_disk_is_said_and_what_was_stored_stays(void **state)
{
	struct fixture *fixture = *state;
	if (mount("journal-test", fixture->directory, "tmpfs", 0, "size=4m") != 0) {
		print_message("skipped: no small tmpfs here (%s); this test wants root\n", strerror(errno));
		skip();
	}
	char ballast[128];
	snprintf(ballast, sizeof(ballast), "%s/ballast", fixture->directory);
	assert_int_equal(fixture_start(fixture), 0);
	unsigned number = 0;
	int error = 0;
	struct entry entry;
	for (; number < 40 && !error; error = journal_append(fixture->journal, &entry, 1, NULL, NULL, &fixture->fault))
		entry = entry_of(++number);
	assert_int_equal(error, 0);
	fill_up(ballast);
	for (; number < 9000 && !error;
		error = journal_append(fixture->journal, &entry, 1, NULL, NULL, &fixture->fault))
		entry = entry_of(++number);
	assert_int_equal(error, -ENOSPC);
	assert_non_null(strstr(fixture->fault.text, "disk is full"));
	assert_int_equal(journal_head(fixture->journal), number - 1);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);

	assert_int_equal(unlink(ballast), 0);
	assert_int_equal(journal_append(fixture->journal, &entry, 1, NULL, NULL, &fixture->fault), 0);
	assert_false(entry.known);
	assert_int_equal(entry.seq, number);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
	fixture_stop(fixture);
}

static void a_small_disk_keeps_room_for_what_else_is_written(void **state)
{
	struct fixture *fixture = *state;
	struct disk disk;
	if (mount("journal-test", fixture->directory, "tmpfs", 0, "size=2m") != 0) {
		print_message("skipped: no small tmpfs here (%s); this test wants root\n", strerror(errno));
		skip();
	}
	assert_int_equal(fixture_start(fixture), 0);
	assert_int_equal(disk_look(fixture->directory, &disk, &fixture->fault), 0);
	assert_true(disk.used_percent < DISK_LOW_PERCENT);
}

static int unmount_and_remove(void **state)
{
	struct fixture *fixture = *state;
	fixture_stop(fixture);
	umount2(fixture->directory, MNT_DETACH);
	fixture_remove(fixture);
	return 0;
}

int main(int count, char **arguments)
{
	if (count == 2)
		return append_over_a_failing_sync(arguments[1]);
	srand((unsigned)time(NULL));
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_acknowledged_entry_survives_every_kill_with_its_cursor,
			fixture_empty_directory, unmount_and_remove),
		cmocka_unit_test(a_failed_sync_is_not_reported_stored_and_the_retry_gives_no_duplicate),
		cmocka_unit_test_setup_teardown(
			a_full_disk_is_said_and_what_was_stored_stays, fixture_empty_directory, unmount_and_remove),
		cmocka_unit_test_setup_teardown(
			a_small_disk_keeps_room_for_what_else_is_written, fixture_empty_directory, unmount_and_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
