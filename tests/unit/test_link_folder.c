/* A folder link: which files count, when, and what it remembers of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../daemon/clock.h"
#include "../../daemon/link.h"

static char directory[64];
static struct port port;
static int stop_fd;
static struct link *link_;
static char cursor[64];

static const char *path_of(const char *name)
{
	static char path[2][512];
	static int turn;
	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", directory, name);
	return path[turn];
}

static void write_file(const char *name, const char *text, const char *mode)
{
	FILE *file = fopen(path_of(name), mode);
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void open_link(void)
{
	struct fault fault;
	assert_int_equal(link_open(link_, &fault), 0);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/assay-folder-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	port = (struct port){ .kind = PORT_FOLDER, .settle_ms = 60000 };
	snprintf(port.path, sizeof(port.path), "%s", directory);
	snprintf(port.text, sizeof(port.text), "folder:%s", directory);
	stop_fd = eventfd(0, EFD_CLOEXEC);
	struct fault fault;
	*cursor = '\0';
	return link_new(&port, stop_fd, &link_, &fault);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *where)
{
	(void)stat, (void)type, (void)where;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	link_free(link_);
	close(stop_fd);
	return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* The next file's name with its bytes, "a.csv:text"; "" when there is none; `whole` as link_file_whole() says. */
static const char *next(int timeout_ms, struct link_file *file, bool *whole)
{
	static char text[4096];
	struct fault fault;
	struct link_file own;
	file = file ? file : &own;
	int got = link_file_next(link_, cursor, timeout_ms, file, &fault);
	assert_true(got >= 0);
	if (got == 0)
		return "";
	int used = snprintf(text, sizeof(text), "%s:", file->name);
	for (int length; (length = link_read(link_, (uint8_t *)text + used, 100, 0, &fault)) > 0;)
		used += length;
	text[used] = '\0';
	bool right = link_file_whole(link_);
	if (right)
		link_file_cursor(link_, cursor, sizeof(cursor));
	link_file_over(link_, right);
	if (whole)
		*whole = right;
	return text;
}

static void a_file_counts_when_it_is_closed_or_renamed_in(void **state)
{
	(void)state;
	open_link();
	assert_string_equal(next(0, NULL, NULL), "");
	write_file("b.csv", "1", "w");
	write_file("a.csv.part", "2", "w");
	write_file(".hidden", "3", "w");
	assert_string_equal(next(5000, NULL, NULL), "b.csv:1");
	assert_string_equal(next(50, NULL, NULL), "");
	rename(path_of("a.csv.part"), path_of("a.csv"));
	assert_string_equal(next(5000, NULL, NULL), "a.csv:2");
	struct link_file file;
	write_file("b.csv", "4", "a");
	assert_string_equal(next(5000, &file, NULL), "b.csv:14");
	assert_int_equal(file.known, 1);
	rename(path_of("b.csv"), path_of("c.csv"));
	assert_string_equal(next(50, NULL, NULL), "");
}

static void an_open_file_waits_until_it_is_closed_or_has_settled(void **state)
{
	(void)state;
	open_link();
	FILE *file = fopen(path_of("a.csv"), "w");
	fputs("half", file);
	fflush(file);
	assert_string_equal(next(100, NULL, NULL), "");
	fputs("half", file);
	fclose(file);
	assert_string_equal(next(5000, NULL, NULL), "a.csv:halfhalf");
	port.settle_ms = 200;
	file = fopen(path_of("a.csv"), "a");
	fputs("more", file);
	fflush(file);
	long since = clock_ms();
	assert_string_equal(next(5000, NULL, NULL), "a.csv:halfhalfmore");
	assert_true(clock_ms() - since >= 190);
	fclose(file);
	assert_string_equal(next(400, NULL, NULL), "");
}

static void a_file_that_changes_while_it_is_read_is_read_again(void **state)
{
	(void)state;
	struct link_file file;
	struct fault fault;
	uint8_t byte;
	open_link();
	write_file("a.csv", "12", "w");
	assert_int_equal(link_file_next(link_, "", 5000, &file, &fault), 1);
	assert_int_equal(link_read(link_, &byte, 1, 0, &fault), 1);
	write_file("a.csv", "3", "a");
	assert_false(link_file_whole(link_));
	link_file_over(link_, false);
	bool whole;
	assert_string_equal(next(5000, NULL, &whole), "a.csv:123");
	assert_true(whole);
}

static void what_was_there_before_counts_when_it_is_old_enough(void **state)
{
	(void)state;
	struct timespec past[2] = { { .tv_sec = 1700000000 }, { .tv_sec = 1700000000 } };
	write_file("a.csv", "1", "w");
	write_file("new.csv", "2", "w");
	assert_int_equal(utimensat(AT_FDCWD, path_of("a.csv"), past, 0), 0);
	open_link();
	assert_string_equal(next(50, NULL, NULL), "a.csv:1");
	assert_string_equal(next(50, NULL, NULL), "");
	/* the cursor stays before what is not read yet */
	long long stored = 0;
	assert_int_equal(sscanf(cursor, "files=%lld", &stored), 1);
	struct stat stat_new;
	assert_int_equal(stat(path_of("new.csv"), &stat_new), 0);
	assert_true(stored > 0 && stored < stat_new.st_ctim.tv_sec * 1000000000LL + stat_new.st_ctim.tv_nsec);
}

static void a_restart_reads_again_but_knows_what_was_told(void **state)
{
	(void)state;
	struct link_file file;
	open_link();
	write_file("a.csv", "1", "w");
	assert_string_equal(next(5000, NULL, NULL), "a.csv:1");
	link_close(link_);
	write_file("b.csv", "2", "w");
	port.settle_ms = 0;
	open_link();
	assert_string_equal(next(0, &file, NULL), "a.csv:1");
	assert_true(file.known == UINT64_MAX);
	assert_string_equal(next(0, &file, NULL), "b.csv:2");
	assert_int_equal(file.known, 0);
	assert_string_equal(next(0, NULL, NULL), "");
	/* a day before the cursor all is left alone; a cursor that is still to come is none */
	link_close(link_);
	open_link();
	snprintf(cursor, sizeof(cursor), "files=%lld", (clock_wall_ms() + 2 * 86400000LL) * 1000000);
	assert_string_equal(next(0, &file, NULL), "a.csv:1");
	assert_int_equal(file.known, 0);
}

static void what_may_not_be_read_is_said_once_and_tried_again_when_it_may(void **state)
{
	(void)state;
	struct link_file file;
	if (geteuid() != 0)
		skip();
	port.settle_ms = 0;
	write_file("a.csv", "1", "w");
	chmod(directory, 0755);
	chmod(path_of("a.csv"), 0);
	assert_int_equal(seteuid(65534), 0);
	open_link();
	assert_string_equal(next(0, &file, NULL), "a.csv:");
	assert_string_not_equal(file.refused, "");
	assert_string_equal(next(0, &file, NULL), "");
	assert_int_equal(seteuid(0), 0);
	chmod(path_of("a.csv"), 0644);
	assert_string_equal(next(5000, &file, NULL), "a.csv:1");
	assert_string_equal(file.refused, "");
}

static void a_folder_that_goes_away_breaks_the_link(void **state)
{
	(void)state;
	char gone[80];
	struct link_file file;
	struct fault fault;
	snprintf(gone, sizeof(gone), "%s.gone", directory);
	open_link();
	assert_int_equal(rename(directory, gone), 0);
	assert_int_equal(link_file_next(link_, "", 10000, &file, &fault), -ENOTCONN);
	assert_non_null(strstr(fault.text, directory));
	assert_true(link_open(link_, &fault) < 0);
	assert_int_equal(mkdir(directory, 0755), 0); /* another one in its place */
	open_link();
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(rename(gone, directory), 0);
	assert_int_equal(link_file_next(link_, "", 10000, &file, &fault), -ENOTCONN);
	open_link();
	write_file("a.csv", "1", "w");
	port.settle_ms = 0;
	assert_int_equal(link_file_next(link_, "", 10000, &file, &fault), 1);
	eventfd_write(stop_fd, 1);
	uint8_t byte;
	assert_int_equal(link_read(link_, &byte, 1, 0, &fault), -ECANCELED);
	link_file_over(link_, false);
	port.settle_ms = 60000;
	assert_int_equal(link_file_next(link_, "", 10000, &file, &fault), -ECANCELED);
}

static void what_is_stored_is_moved_where_the_station_says_so(void **state)
{
	(void)state;
	struct fault remark;
	port.move_done = true;
	strcpy(port.files, "*.CSV");
	open_link();
	write_file("a.txt", "1", "w");
	write_file("a.csv", "", "w");
	assert_string_equal(next(5000, NULL, NULL), "a.csv:");
	assert_int_equal(access(path_of("a.csv"), F_OK), 0); /* a writer may be about to fill it */
	write_file("a.csv", "1", "w");
	assert_string_equal(next(5000, NULL, NULL), "a.csv:1");
	assert_int_equal(access(path_of("done/a.csv"), F_OK), 0);
	write_file("a.csv", "2", "w");
	assert_string_equal(next(5000, NULL, NULL), "a.csv:2");
	assert_int_equal(access(path_of("done/a.csv.1"), F_OK), 0);
	assert_false(link_remark(link_, &remark));
	assert_int_equal(nftw(path_of("done"), remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	write_file("done", "a file of that name", "w");
	write_file("b.csv", "3", "w");
	assert_string_equal(next(5000, NULL, NULL), "b.csv:3");
	assert_true(link_remark(link_, &remark));
	assert_non_null(strstr(remark.text, "b.csv"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_file_counts_when_it_is_closed_or_renamed_in),
		TEST(an_open_file_waits_until_it_is_closed_or_has_settled),
		TEST(a_file_that_changes_while_it_is_read_is_read_again),
		TEST(what_was_there_before_counts_when_it_is_old_enough),
		TEST(a_restart_reads_again_but_knows_what_was_told),
		TEST(what_may_not_be_read_is_said_once_and_tried_again_when_it_may),
		TEST(a_folder_that_goes_away_breaks_the_link),
		TEST(what_is_stored_is_moved_where_the_station_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
