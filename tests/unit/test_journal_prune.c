/* What is removed from the journal, what never is, and a disk that is full: real files, a real small file system. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "../../daemon/clock.h"
#include "../../daemon/disk.h"
#include "../../daemon/sqlite.h"
#include "journal_fixture.h"

enum { ENTRIES = 200, PATIENCE_MS = 20000 };

static const char *const county[] = { "county" }, *const both[] = { "county", "depot" };

/* Of the kind that an instrument may report again. */
static struct entry result_of(unsigned number)
{
	struct entry entry = entry_of(number);
	entry.id[14] = '8';
	return entry;
}

static int append(struct fixture *fixture, unsigned number)
{
	struct entry entry = result_of(number);
	return journal_append(fixture->journal, &entry, 1, "pr-1", "17", &fixture->fault);
}

static void append_run(struct fixture *fixture, unsigned first, unsigned last)
{
	for (unsigned number = first; number <= last; number++)
		assert_int_equal(append(fixture, number), 0);
}

static void keep(struct fixture *fixture, const char *const *targets, size_t count, int64_t before_ms, bool pressed)
{
	struct journal_keep keep = { targets, count, before_ms, pressed };
	journal_keep(fixture->journal, &keep);
}

static void everything_is_old(struct fixture *fixture, const char *const *targets, size_t count)
{
	keep(fixture, targets, count, clock_wall_ms() + 60000, false);
}

static uint64_t first_kept(const struct fixture *fixture)
{
	struct journal_space space;
	journal_space(fixture->journal, &space);
	return space.first;
}

static void wait_for_first(const struct fixture *fixture, uint64_t first)
{
	for (long end = clock_ms() + PATIENCE_MS; first_kept(fixture) < first && clock_ms() < end;)
		usleep(2000);
	assert_int_equal(first_kept(fixture), first);
}

static void edit(const struct fixture *fixture, const char *statements)
{
	struct db *db;
	struct fault fault;
	assert_int_equal(db_open(fixture->file, DB_WRITE, &db, &fault), 0);
	if (db_run(db, statements, &fault) != 0)
		fail_msg("%s", fault.text);
	db_close(db);
}

static void reopen(struct fixture *fixture)
{
	fixture_stop(fixture);
	assert_int_equal(fixture_start(fixture), 0);
	assert_null(fixture->setaside);
}

static void what_every_target_has_goes_after_its_time_and_nothing_else(void **state)
{
	struct fixture *fixture = *state;
	uint64_t first, last;
	append_run(fixture, 1, ENTRIES);
	journal_progress(fixture->journal, "county", 150);
	journal_progress(fixture->journal, "depot", 90);
	everything_is_old(fixture, both, 2);
	wait_for_first(fixture, 91);
	assert_int_equal(journal_reader_head(fixture->reader, &first, &last, &fixture->fault), 0);
	assert_int_equal(first, 91);
	assert_int_equal(last, ENTRIES);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
	assert_int_equal(journal_check_chain(fixture->reader, 91, 0, NULL, &fixture->fault), 0);
	assert_int_equal(journal_check_chain(fixture->reader, 120, 0, NULL, &fixture->fault), 0);
	reopen(fixture);
	assert_int_equal(first_kept(fixture), 91);
	append_run(fixture, ENTRIES + 1, ENTRIES + 1);
	assert_int_equal(journal_head(fixture->journal), ENTRIES + 1);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
}

static void the_end_of_the_chain_stays_though_everything_is_delivered(void **state)
{
	struct fixture *fixture = *state;
	append_run(fixture, 1, 70);
	journal_progress(fixture->journal, "county", 70);
	everything_is_old(fixture, county, 1);
	wait_for_first(fixture, 70);
	reopen(fixture);
	append_run(fixture, 71, 72);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
}

/* Pruning looks at once when it is told; what it does not remove in this time it does not remove. */
static void nothing_goes(struct fixture *fixture)
{
	for (int i = 0; i < 20; i++) {
		usleep(10000);
		assert_int_equal(first_kept(fixture), 1);
	}
}

static void nothing_goes_that_is_young_undelivered_or_nobodys(void **state)
{
	struct fixture *fixture = *state;
	append_run(fixture, 1, 70);
	everything_is_old(fixture, NULL, 0); /* no target: nobody has it */
	nothing_goes(fixture);
	everything_is_old(fixture, county, 1); /* a target that has nothing yet */
	nothing_goes(fixture);
	keep(fixture, county, 1, 0, true); /* nor on a disk that is short */
	nothing_goes(fixture);
	journal_progress(fixture->journal, "county", 70);
	keep(fixture, county, 1, clock_wall_ms() - 60000, false);
	nothing_goes(fixture);
	keep(fixture, county, 1, 0, false); /* the clock is not to be trusted */
	nothing_goes(fixture);
}

static int find_only(void *context, const struct stored *stored)
{
	(void)context;
	(void)stored;
	return 0;
}

static void what_a_target_refused_holds_back_only_itself(void **state)
{
	struct fixture *fixture = *state;
	append_run(fixture, 1, 70);
	assert_int_equal(journal_park(fixture->journal, "county", 40, "too large", NULL, &fixture->fault), 0);
	assert_int_equal(journal_park(fixture->journal, "gone", 10, "too large", NULL, &fixture->fault), 0);
	journal_progress(fixture->journal, "county", 70);
	everything_is_old(fixture, county, 1);
	wait_for_first(fixture, 70);
	reopen(fixture);
	assert_int_equal(first_kept(fixture), 70);
	usleep(300000); /* nobody has said yet who the targets are: time enough to remove what must stay */
	struct entry again = result_of(40); /* the rest of it: test_journal_refused.c */
	assert_int_equal(journal_find(fixture->reader, again.id, find_only, NULL, &fixture->fault), 1);
}

static void a_short_disk_takes_the_oldest_delivered_whatever_their_age(void **state)
{
	struct fixture *fixture = *state;
	struct journal_space space;
	append_run(fixture, 1, 1000);
	journal_progress(fixture->journal, "county", 990);
	keep(fixture, county, 1, 0, true);
	for (long end = clock_ms() + PATIENCE_MS; clock_ms() < end;) {
		journal_space(fixture->journal, &space);
		if (space.free_bytes >= 512 * 512)
			break;
		usleep(2000);
	}
	usleep(50000);
	journal_space(fixture->journal, &space);
	assert_true(space.free_bytes >= 512 * 512);
	assert_in_range(space.first, 100, 900); /* as many as make room, not all there are */
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
}

static void a_removed_result_that_is_read_again_gives_no_second_record(void **state)
{
	struct fixture *fixture = *state;
	struct db *db;
	int64_t known;
	append_run(fixture, 1, 70);
	struct entry random = entry_of(71), again = result_of(5);
	assert_int_equal(journal_append(fixture->journal, &random, 1, NULL, NULL, &fixture->fault), 0);
	append_run(fixture, 72, 74);
	journal_progress(fixture->journal, "county", 73);
	everything_is_old(fixture, county, 1);
	wait_for_first(fixture, 74);
	assert_int_equal(journal_append(fixture->journal, &again, 1, NULL, NULL, &fixture->fault), 0);
	assert_true(again.known);
	assert_int_equal(again.seq, 5);
	assert_int_equal(journal_head(fixture->journal), 74);
	assert_int_equal(db_open(fixture->file, DB_READ, &db, &fixture->fault), 0);
	assert_int_equal(db_number(db, "SELECT count(*) FROM known", &known, &fixture->fault), 0);
	assert_int_equal(known, 72); /* an id that was drawn at random cannot come again */
	db_close(db);

	edit(fixture, "DELETE FROM known"); /* without them it would */
	assert_int_equal(journal_append(fixture->journal, &again, 1, NULL, NULL, &fixture->fault), 0);
	assert_false(again.known);
}

static void an_unset_clock_decides_over_no_entry(void **state)
{
	struct fixture *fixture = *state;
	append_run(fixture, 1, 70);
	/* 1 to 10 old, 11 to 30 received before the clock was set, 31 to 40 old, 41 to 50 unset, then young */
	edit(fixture, "UPDATE entry SET received_ms = 1740000000000 WHERE seq <= 10 OR seq BETWEEN 31 AND 40;"
		      "UPDATE entry SET received_ms = 86400000 WHERE seq BETWEEN 11 AND 30 OR seq BETWEEN 41 AND 50");
	journal_progress(fixture->journal, "county", 70);
	keep(fixture, county, 1, clock_wall_ms() - 3600000, false);
	wait_for_first(fixture, 41);
	usleep(100000);
	assert_int_equal(first_kept(fixture), 41);
}

static void a_removed_beginning_is_told_from_one_that_someone_cut_off(void **state)
{
	struct fixture *fixture = *state;
	uint64_t bad;
	append_run(fixture, 1, 70);
	journal_progress(fixture->journal, "county", 40);
	everything_is_old(fixture, county, 1);
	wait_for_first(fixture, 41);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
	edit(fixture, "DELETE FROM entry WHERE seq = 41");
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, &bad, &fixture->fault), -EUCLEAN);
	assert_int_equal(bad, 41);
}

static void removed_room_is_used_again(void **state)
{
	struct fixture *fixture = *state;
	struct journal_space before, after;
	append_run(fixture, 1, 600);
	journal_progress(fixture->journal, "county", 600);
	everything_is_old(fixture, county, 1);
	wait_for_first(fixture, 600);
	journal_space(fixture->journal, &before);
	assert_true(before.free_bytes > before.bytes / 2);
	keep(fixture, county, 1, 0, false);
	append_run(fixture, 601, 1000);
	reopen(fixture);
	journal_space(fixture->journal, &after);
	assert_true(after.bytes <= before.bytes + 64 * 512);
	print_message("600 entries removed, 400 appended: file %llu -> %llu bytes\n", (unsigned long long)before.bytes,
		(unsigned long long)after.bytes);
}

struct follower {
	struct fixture *fixture;
	_Atomic bool stop;
	unsigned long rounds, holes;
	uint64_t last;
};

static int look_for_hole(void *context, const struct stored *stored)
{
	struct follower *follower = context;
	follower->holes += follower->last && stored->seq != follower->last + 1;
	follower->last = stored->seq;
	return 0;
}

static void *follow(void *context)
{
	struct follower *follower = context;
	struct journal_reader *reader;
	if (journal_reader_open(follower->fixture->file, &reader, NULL) != 0)
		return NULL;
	while (!follower->stop) {
		uint64_t first, last;
		follower->last = 0;
		if (journal_reader_head(reader, &first, &last, NULL) == 0 &&
			journal_read(reader, last > 20 ? last - 20 : 1, 100, look_for_hole, follower, NULL) > 0)
			follower->rounds++;
	}
	journal_reader_close(reader);
	return NULL;
}

static void appending_and_reading_go_on_while_entries_are_removed(void **state)
{
	struct fixture *fixture = *state;
	struct follower follower = { .fixture = fixture };
	pthread_t thread;
	long longest = 0;
	append_run(fixture, 1, 400);
	journal_progress(fixture->journal, "county", 400);
	everything_is_old(fixture, county, 1);
	assert_int_equal(pthread_create(&thread, NULL, follow, &follower), 0);
	for (unsigned number = 401; number <= 700; number++) {
		long before = clock_ms();
		assert_int_equal(append(fixture, number), 0);
		longest = clock_ms() - before > longest ? clock_ms() - before : longest;
		if (number % 10 == 0)
			usleep(5000); /* a moment in which nobody waits: entries are removed */
	}
	wait_for_first(fixture, 401);
	follower.stop = true;
	pthread_join(thread, NULL);
	assert_true(follower.rounds > 0);
	assert_int_equal(follower.holes, 0);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
	print_message("%lu rounds of reading; the longest append took %ld ms\n", follower.rounds, longest);
}

/* --- a full disk */

static int small_disk(void **state, uint64_t reserve_bytes)
{
	struct fixture *fixture = fixture_directory();
	*state = fixture;
	if (mount("journal-test", fixture->directory, "tmpfs", 0, "size=16m") != 0) {
		print_message("skipped: no small tmpfs here (%s); this test wants root\n", strerror(errno));
		return 0;
	}
	fixture->reserve_bytes = reserve_bytes;
	int error = fixture_start(fixture);
	if (error)
		fprintf(stderr, "%s\n", fixture->fault.text);
	return error;
}

static int with_reserve(void **state)
{
	return small_disk(state, 4 << 20);
}

static int without_reserve(void **state)
{
	return small_disk(state, 0);
}

static int unmount_and_remove(void **state)
{
	struct fixture *fixture = *state;
	fixture_stop(fixture);
	umount2(fixture->directory, MNT_DETACH);
	fixture_remove(fixture);
	return 0;
}

/* `name` in the journal's directory; valid until the next call. */
static const char *beside(const struct fixture *fixture, const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", fixture->directory, name);
	return path;
}

static uint64_t reserved(const struct fixture *fixture)
{
	return reserve_size(beside(fixture, "reserve"));
}

static void fill_up(const struct fixture *fixture)
{
	static const char block[4096];
	FILE *file = fopen(beside(fixture, "theirs"), "ae");
	assert_non_null(file);
	setbuf(file, NULL);
	while (fwrite(block, 1, sizeof(block), file) == sizeof(block))
		continue;
	fclose(file);
}

/* Appends until the disk is full; the number that was refused. */
static unsigned append_until_full(struct fixture *fixture, unsigned number)
{
	while (append(fixture, number) == 0 && number < 20000)
		number++;
	assert_non_null(strstr(fixture->fault.text, "disk is full"));
	assert_true(journal_is_full(fixture->journal));
	return number;
}

/* `stored` entries, then a disk that others fill: the first number that is refused. */
static unsigned run_into_a_full_disk(struct fixture *fixture, unsigned stored)
{
	append_run(fixture, 1, stored);
	fill_up(fixture);
	return append_until_full(fixture, stored + 1);
}

/* The county acknowledges all up to `delivered`: room within the file for what was refused and a hundred more. */
static void delivery_makes_room(struct fixture *fixture, uint64_t delivered, unsigned refused)
{
	journal_progress(fixture->journal, "county", delivered);
	keep(fixture, county, 1, 0, true);
	int error = -ENOSPC;
	for (long end = clock_ms() + PATIENCE_MS; error == -ENOSPC && clock_ms() < end; usleep(20000))
		error = append(fixture, refused);
	assert_int_equal(error, 0);
	append_run(fixture, refused + 1, refused + 100);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
}

static int raise_alarm(struct fixture *fixture, unsigned number)
{
	struct entry entry = entry_of(number);
	entry.kind = ENTRY_EVENT;
	entry.alarm = true;
	return journal_append(fixture->journal, &entry, 1, NULL, NULL, &fixture->fault);
}

static void a_full_disk_still_takes_alarms_and_makes_room_of_what_is_delivered(void **state)
{
	struct fixture *fixture = *state;
	if (!fixture->journal)
		skip();
	assert_int_equal(reserved(fixture), 4 << 20);
	unsigned refused = run_into_a_full_disk(fixture, 500);
	assert_int_equal(reserved(fixture), 0);
	assert_int_equal(append(fixture, refused), -ENOSPC); /* not even what the reserve gave: that is for others */
	assert_int_equal(raise_alarm(fixture, 90000), 0);
	assert_int_equal(journal_head(fixture->journal), refused);
	delivery_makes_room(fixture, 450, refused);
	assert_true(first_kept(fixture) > 1 && first_kept(fixture) <= 451);
	assert_int_equal(journal_head(fixture->journal), refused + 101);
	reopen(fixture); /* the disk is as full as before */
	assert_int_equal(journal_head(fixture->journal), refused + 101);
}

static void appending_goes_on_without_a_restart_when_somebody_frees_space(void **state)
{
	struct fixture *fixture = *state;
	if (!fixture->journal)
		skip();
	for (unsigned round = 0, number = 1; round < 3; round++) {
		fill_up(fixture);
		unsigned refused = append_until_full(fixture, number);
		fill_up(fixture); /* what the reserve gave, too */
		assert_int_equal(append(fixture, refused), -ENOSPC);
		assert_int_equal(unlink(beside(fixture, "theirs")), 0);
		number = refused;
		append_run(fixture, number, number + 20);
		number += 21;
		assert_int_equal(journal_head(fixture->journal), number - 1);
		assert_int_equal(reserved(fixture), fixture->reserve_bytes); /* laid down again */
	}
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
}

/* Somebody takes what the reserve gave before it is used. What is delivered makes room all the same: the file has had
 * the room for all that the log holds since before it was committed. */
static void room_is_made_even_when_others_take_the_reserve(void **state)
{
	struct fixture *fixture = *state;
	if (!fixture->journal)
		skip();
	unsigned refused = run_into_a_full_disk(fixture, 700);
	fill_up(fixture);
	delivery_makes_room(fixture, refused - 2, refused);
}

/* The control: what the reserve is for. */
static void without_a_reserve_a_full_disk_takes_no_alarm(void **state)
{
	struct fixture *fixture = *state;
	if (!fixture->journal)
		skip();
	unsigned refused = run_into_a_full_disk(fixture, 500);
	assert_int_equal(raise_alarm(fixture, 90000), -ENOSPC);
	assert_int_equal(journal_head(fixture->journal), refused - 1);
}

static void a_start_on_a_full_disk_uses_the_reserve(void **state)
{
	struct fixture *fixture = *state;
	if (!fixture->journal)
		skip();
	append_run(fixture, 1, 50);
	fixture_stop(fixture);
	fill_up(fixture);
	assert_int_equal(fixture_start(fixture), 0);
	assert_null(fixture->setaside);
	assert_int_equal(journal_head(fixture->journal), 50);
	assert_int_equal(raise_alarm(fixture, 90000), 0);
}

static void alarms_come_at_80_and_95_and_do_not_flutter(void **state)
{
	(void)state;
	assert_int_equal(disk_level(DISK_FINE, 79), DISK_FINE);
	assert_int_equal(disk_level(DISK_FINE, 80), DISK_LOW);
	assert_int_equal(disk_level(DISK_LOW, 79), DISK_LOW);
	assert_int_equal(disk_level(DISK_LOW, 77), DISK_LOW);
	assert_int_equal(disk_level(DISK_LOW, 76), DISK_FINE);
	assert_int_equal(disk_level(DISK_LOW, 95), DISK_SHORT);
	assert_int_equal(disk_level(DISK_SHORT, 92), DISK_SHORT);
	assert_int_equal(disk_level(DISK_SHORT, 91), DISK_LOW);
	assert_int_equal(disk_level(DISK_FINE, 100), DISK_SHORT);
	assert_int_equal(disk_level(DISK_SHORT, 10), DISK_FINE);
}

int main(void)
{
#define ON_A_JOURNAL(test) cmocka_unit_test_setup_teardown(test, fixture_open, fixture_close)
	const struct CMUnitTest tests[] = {
		ON_A_JOURNAL(what_every_target_has_goes_after_its_time_and_nothing_else),
		ON_A_JOURNAL(the_end_of_the_chain_stays_though_everything_is_delivered),
		ON_A_JOURNAL(nothing_goes_that_is_young_undelivered_or_nobodys),
		ON_A_JOURNAL(what_a_target_refused_holds_back_only_itself),
		ON_A_JOURNAL(a_short_disk_takes_the_oldest_delivered_whatever_their_age),
		ON_A_JOURNAL(a_removed_result_that_is_read_again_gives_no_second_record),
		ON_A_JOURNAL(an_unset_clock_decides_over_no_entry),
		ON_A_JOURNAL(a_removed_beginning_is_told_from_one_that_someone_cut_off),
		ON_A_JOURNAL(removed_room_is_used_again),
		ON_A_JOURNAL(appending_and_reading_go_on_while_entries_are_removed),
		cmocka_unit_test_setup_teardown(a_full_disk_still_takes_alarms_and_makes_room_of_what_is_delivered,
			with_reserve, unmount_and_remove),
		cmocka_unit_test_setup_teardown(appending_goes_on_without_a_restart_when_somebody_frees_space,
			with_reserve, unmount_and_remove),
		cmocka_unit_test_setup_teardown(
			room_is_made_even_when_others_take_the_reserve, with_reserve, unmount_and_remove),
		cmocka_unit_test_setup_teardown(
			without_a_reserve_a_full_disk_takes_no_alarm, without_reserve, unmount_and_remove),
		cmocka_unit_test_setup_teardown(
			a_start_on_a_full_disk_uses_the_reserve, with_reserve, unmount_and_remove),
		cmocka_unit_test(alarms_come_at_80_and_95_and_do_not_flutter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
