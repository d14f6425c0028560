/* What the platform's receipts cover, and what is sent again when they do not come. Minutes pass at once here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker_fixture.h"

#define NOBODYS     "00000000000000000000000000000000" /* epoch */
#define PATIENCE_MS 60000 /* until what no receipt covers is sent again: doubled each time */

long __real_clock_ms(void);
long __wrap_clock_ms(void);
bool __real_filter_passes(const struct filter *filter, const struct stored *stored);
bool __wrap_filter_passes(const struct filter *filter, const struct stored *stored);

static _Atomic long forward_ms;
static unsigned wanted;
static char epoch[40], place[JOURNAL_PLACE_MAX];

long __wrap_clock_ms(void)
{
	return __real_clock_ms() + forward_ms;
}

static struct publisher *_Atomic watched;
static _Atomic unsigned long beat;
static _Atomic unsigned looks, in_a_row, most_in_a_row;

/* How many entries are looked at, and how many of them without a sign of life. */
bool __wrap_filter_passes(const struct filter *filter, const struct stored *stored)
{
	if (watched && beat != publisher_beat(watched)) {
		beat = publisher_beat(watched);
		in_a_row = 0;
	}
	looks++;
	if (++in_a_row > most_in_a_row)
		most_in_a_row = in_a_row;
	return __real_filter_passes(filter, stored);
}

static bool all_delivered(struct stage *stage)
{
	return publisher_stats(stage->publisher)->through >= wanted;
}

static bool all_looked_at(struct stage *stage)
{
	(void)stage;
	return looks >= wanted;
}

static bool all_heard(struct stage *stage)
{
	return count_of(stage, "\\\"number\\\":") >= wanted;
}

static bool is_settled(struct stage *stage)
{
	uint64_t through = 0;
	assert_int_equal(journal_target(stage->journal, place, &through, &stage->fault), 0);
	return through >= wanted;
}

static void receipt(struct stage *stage, const char *of, const char *rest)
{
	char text[200];
	snprintf(text, sizeof(text), "{\"epoch\":\"%s\",%s}", of, rest);
	say(stage, ROOT_TOPIC "/receipt", text, NULL);
}

static void assert_heard(struct stage *stage, unsigned count)
{
	wanted = count;
	assert_true(eventually(all_heard, stage, 5000));
}

static void assert_settled(struct stage *stage, unsigned through)
{
	wanted = through;
	assert_true(eventually(is_settled, stage, 5000));
}

static bool all_acknowledged(struct stage *stage)
{
	return publisher_stats(stage->publisher)->acknowledged >= wanted;
}

static unsigned long due_beat;

static bool has_turned(struct stage *stage)
{
	return publisher_beat(stage->publisher) >= due_beat;
}

/* A turn lasts half a second at most, but on a busy machine the thread may have none in that time: what is waited for
 * is a whole turn after the last acknowledgement. From there patience is counted: a clock that is put forward before is
 * put forward in vain. */
static void assert_silent(struct stage *stage, unsigned count)
{
	wanted = count;
	assert_true(eventually(all_acknowledged, stage, 5000));
	due_beat = publisher_beat(stage->publisher) + 4; /* one turn's end, with a status, and a turn: two beats each */
	usleep(600000);
	assert_true(eventually(has_turned, stage, 5000));
	assert_int_equal(count_of(stage, "\\\"number\\\":"), count);
}

static struct stage *stage_for_receipts(void)
{
	struct stage *stage = stage_new("");
	forward_ms = 0;
	stage->target.receipts = TARGET_RECEIPTS_REQUIRED;
	stage->target.ack_timeout_ms = 100 * PATIENCE_MS;
	return stage;
}

/* Twenty entries of a salvaged journal, which the broker took. */
static struct stage *stage_with_old_entries(void)
{
	struct stage *stage = stage_for_receipts();
	add_salvaged(stage, 20, 0, "0", epoch);
	snprintf(place, sizeof(place), "county/%.8s", epoch);
	assert_true(broker_start(stage) && ear_start(stage));
	assert_true(stage_publish(stage));
	assert_heard(stage, 20);
	return stage;
}

/* The broker acknowledged them and forgot them: the platform cannot know that they were there. */
static void the_lost_end_of_an_old_epoch_is_sent_again(void **state)
{
	(void)state;
	struct stage *stage = stage_with_old_entries();
	receipt(stage, epoch, "\"through\":18");
	assert_settled(stage, 18);
	assert_silent(stage, 20);
	forward_ms += PATIENCE_MS;
	assert_heard(stage, 22);
	assert_silent(stage, 22);
	forward_ms += PATIENCE_MS;
	assert_silent(stage, 22);
	forward_ms += PATIENCE_MS;
	assert_heard(stage, 24);
	receipt(stage, epoch, "\"through\":20");
	assert_settled(stage, 20);
	stage_free(stage);
}

static void an_old_epoch_whose_receipt_was_lost_is_sent_again(void **state)
{
	(void)state;
	struct stage *stage = stage_with_old_entries();
	assert_silent(stage, 20);
	forward_ms += PATIENCE_MS;
	assert_heard(stage, 40);
	receipt(stage, epoch, "\"through\":20");
	assert_settled(stage, 20);
	stage_free(stage);
}

static void what_is_missing_of_a_settled_old_epoch_is_sent_again(void **state)
{
	(void)state;
	struct stage *stage = stage_with_old_entries();
	receipt(stage, epoch, "\"through\":20");
	assert_settled(stage, 20);
	receipt(stage, epoch, "\"through\":20,\"missing\":[[3,4],[9,9]]");
	assert_heard(stage, 23);
	receipt(stage, epoch, "\"through\":20,\"missing\":[[3,4],[9,9]]"); /* on their way just now */
	receipt(stage, NOBODYS, "\"through\":20,\"missing\":[[1,20]]");
	assert_silent(stage, 23);
	forward_ms += PATIENCE_MS;
	receipt(stage, epoch, "\"through\":90,\"missing\":[[20,90]]");
	assert_heard(stage, 24);
	assert_silent(stage, 24);
	stage_free(stage);
}

static bool all_receipts_counted(struct stage *stage)
{
	const struct publisher_stats *stats = publisher_stats(stage->publisher);
	return stats->receipts + stats->requests_refused >= wanted;
}

/* A settled epoch goes on to have its receipts, also what was laid beside the journal later. */
static void a_receipt_for_an_epoch_nobody_knows_is_refused(void **state)
{
	(void)state;
	struct stage *stage = stage_with_old_entries();
	char settled[40];
	snprintf(settled, sizeof(settled), "%s", epoch);
	receipt(stage, settled, "\"through\":20");
	assert_settled(stage, 20);
	receipt(stage, NOBODYS, "\"through\":20"); /* all of it is there: nothing is asked of us */
	receipt(stage, NOBODYS, "\"through\":20,\"missing\":[[3,4]]");
	receipt(stage, "", "\"through\":20");
	receipt(stage, settled, "\"through\":20");
	wanted = 4;
	assert_true(eventually(all_receipts_counted, stage, 5000));
	assert_int_equal(publisher_stats(stage->publisher)->receipts, 2);
	assert_int_equal(publisher_stats(stage->publisher)->requests_refused, 2);

	add_salvaged(stage, 3, 0, "0", epoch);
	forward_ms += 2000; /* which there are is looked up once in a second */
	receipt(stage, epoch, "\"through\":3,\"missing\":[[2,2]]");
	assert_heard(stage, 21);
	assert_int_equal(publisher_stats(stage->publisher)->receipts, 3);
	stage_free(stage);
}

static void what_the_filter_keeps_back_needs_no_receipt(void **state)
{
	(void)state;
	struct stage *stage = stage_for_receipts();
	strcpy(stage->target.filter.kinds, "qc");
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 11, true); /* 1, 4, 7 and 10 are QC */
	assert_true(stage_publish(stage));
	assert_heard(stage, 4);
	receipt(stage, journal_epoch(stage->journal), "\"through\":7,\"missing\":[[2,3],[5,6]]");
	wanted = 9; /* 10 is for it */
	assert_true(eventually(all_delivered, stage, 5000));
	receipt(stage, journal_epoch(stage->journal), "\"through\":10,\"missing\":[[2,3],[5,6],[8,9]]");
	wanted = 11;
	assert_true(eventually(all_delivered, stage, 5000));
	forward_ms += PATIENCE_MS;
	assert_silent(stage, 4);
	stage_free(stage);
}

/* Looking through it must not stop the thread, nor be done again and again. */
static void a_long_gap_of_a_filtered_target_is_looked_at_in_parts_and_once(void **state)
{
	(void)state;
	struct stage *stage = stage_for_receipts();
	char rest[60];
	stage->target.receipts = TARGET_RECEIPTS_NONE;
	strcpy(stage->target.filter.kinds, "qc");
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 5000, false);
	assert_true(stage_publish(stage));
	wanted = 5000;
	assert_true(eventually(all_delivered, stage, 10000));
	looks = most_in_a_row = 0;
	watched = stage->publisher;
	for (int i = 0; i < 3; i++) {
		snprintf(rest, sizeof(rest), "\"through\":5000,\"missing\":[[%d,5000]]", 1 + i);
		receipt(stage, journal_epoch(stage->journal), rest);
		assert_true(eventually(all_looked_at, stage, 10000));
		usleep(600000);
		forward_ms += PATIENCE_MS;
	}
	watched = NULL;
	assert_int_equal(looks, 5000);
	assert_in_range(most_in_a_row, 1, 1000);
	stage_free(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lost_end_of_an_old_epoch_is_sent_again),
		cmocka_unit_test(an_old_epoch_whose_receipt_was_lost_is_sent_again),
		cmocka_unit_test(a_receipt_for_an_epoch_nobody_knows_is_refused),
		cmocka_unit_test(what_the_filter_keeps_back_needs_no_receipt),
		cmocka_unit_test(a_long_gap_of_a_filtered_target_is_looked_at_in_parts_and_once),
		cmocka_unit_test(what_is_missing_of_a_settled_old_epoch_is_sent_again),
	};
	cmocka_set_test_filter(getenv("TEST")); /* one of them alone */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
