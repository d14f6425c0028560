/* What the platform asks for again it gets, or is told why not: removed, lost, not made yet, of no known journal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker_fixture.h"

static unsigned wanted;

static bool all_delivered(struct stage *stage)
{
	return publisher_stats(stage->publisher)->through >= wanted;
}

static bool all_heard(struct stage *stage)
{
	return count_of(stage, "\\\"number\\\":") >= wanted;
}

static bool all_answered(struct stage *stage)
{
	return count_of(stage, "/response/replay") >= wanted;
}

static bool is_pruned(struct stage *stage)
{
	struct journal_space space;
	journal_space(stage->journal, &space);
	return space.first >= wanted;
}

static void ask(struct stage *stage, const char *epoch, unsigned from, unsigned to)
{
	char text[200];
	snprintf(text, sizeof(text), "{\"epoch\":\"%s\",\"from\":%u,\"to\":%u}", epoch, from, to);
	say(stage, ROOT_TOPIC "/request/replay", text, NULL);
}

static struct json *answer_at(struct stage *stage, unsigned index)
{
	wanted = index + 1;
	assert_true(eventually(all_answered, stage, 5000));
	struct json *message = heard(stage, "/response/replay", index);
	const char *payload = js_get_text(message, "payload");
	struct json *answer = js_parse(payload, strlen(payload), NULL);
	assert_non_null(answer);
	js_free(message);
	return answer;
}

/* All of a replay is heard a moment before the station is done with it: asks until it is. */
static struct json *ask_when_done(struct stage *stage, const char *epoch, unsigned from, unsigned to, unsigned *asked)
{
	for (;;) {
		ask(stage, epoch, from, to);
		struct json *answer = answer_at(stage, (*asked)++);
		const char *reason = js_get_text(answer, "reason");
		if (!reason || strcmp(reason, "busy") != 0)
			return answer;
		js_free(answer);
		usleep(20000);
	}
}

static void assert_reason(struct json *answer, const char *reason, unsigned first, unsigned last)
{
	assert_non_null(js_get_text(answer, "error"));
	assert_string_equal(js_get_text(answer, "reason"), reason);
	assert_int_equal(js_get_integer(answer, "first", 0), first);
	assert_int_equal(js_get_integer(answer, "last", 0), last);
}

static void assert_gone(struct json *answer, size_t index, size_t count, unsigned first, unsigned last)
{
	const struct json *gone = js_get(answer, "gone");
	assert_int_equal(js_count(gone), count);
	assert_int_equal(js_integer_of(js_at(js_at(gone, index), 0)), first);
	assert_int_equal(js_integer_of(js_at(js_at(gone, index), 1)), last);
}

/* Entries 1 to 29 of 40 are removed: every target had them, and their time was over. */
static struct stage *stage_with_removed_entries(void)
{
	static const char *const targets[] = { "county" };
	struct stage *stage = stage_new("");
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 30, false);
	assert_true(stage_publish(stage));
	wanted = 30;
	assert_true(eventually(all_delivered, stage, 10000));
	assert_true(eventually(all_heard, stage, 5000));
	usleep(2000);
	struct journal_keep keep = { .targets = targets, .target_count = 1, .before_ms = clock_wall_ms() };
	journal_keep(stage->journal, &keep);
	assert_true(eventually(is_pruned, stage, 5000));
	keep.before_ms = 0;
	journal_keep(stage->journal, &keep);
	append(stage, 31, 40, false);
	wanted = 40;
	assert_true(eventually(all_heard, stage, 5000));
	return stage;
}

static void what_was_removed_is_told_and_the_rest_is_sent(void **state)
{
	(void)state;
	struct stage *stage = stage_with_removed_entries();
	ask(stage, journal_epoch(stage->journal), 25, 35);
	struct json *answer = answer_at(stage, 0);
	assert_true(js_get_bool(answer, "accepted", false));
	assert_int_equal(js_get_integer(answer, "to", 0), 35);
	assert_gone(answer, 0, 1, 25, 29);
	js_free(answer);
	wanted = 46;
	assert_true(eventually(all_heard, stage, 5000));
	ask(stage, journal_epoch(stage->journal), 3, 29);
	answer = answer_at(stage, 1);
	assert_reason(answer, "gone", 30, 40);
	assert_gone(answer, 0, 1, 3, 29);
	js_free(answer);
	ask(stage, journal_epoch(stage->journal), 40, 41);
	answer = answer_at(stage, 2);
	assert_reason(answer, "not_yet", 30, 40);
	js_free(answer);
	ask(stage, "../journal", 1, 1);
	answer = answer_at(stage, 3);
	assert_reason(answer, "unknown_epoch", 0, 0);
	assert_int_equal(js_count(js_get(answer, "epochs")), 1);
	assert_string_equal(js_text_of(js_at(js_get(answer, "epochs"), 0)), journal_epoch(stage->journal));
	js_free(answer);
	assert_int_equal(count_of(stage, "\\\"number\\\":"), 46);
	stage_free(stage);
}

static void an_old_epoch_that_was_salvaged_can_be_asked_for(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	char epoch[40];
	unsigned asked = 1;
	add_salvaged(stage, 20, 20, "seq IN (5, 6, 12)", epoch);
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 1, false);
	assert_true(stage_publish(stage));
	wanted = 1;
	assert_true(eventually(all_heard, stage, 5000));
	ask(stage, epoch, 4, 14);
	struct json *answer = answer_at(stage, 0);
	assert_true(js_get_bool(answer, "accepted", false));
	assert_string_equal(js_get_text(answer, "epoch"), epoch);
	assert_gone(answer, 0, 2, 5, 6);
	assert_gone(answer, 1, 2, 12, 12);
	js_free(answer);
	wanted = 1 + 8;
	assert_true(eventually(all_heard, stage, 5000));
	answer = ask_when_done(stage, epoch, 5, 6, &asked);
	assert_reason(answer, "gone", 1, 20);
	js_free(answer);
	answer = ask_when_done(stage, epoch, 20, 20, &asked); /* one replay does not end the next */
	assert_true(js_get_bool(answer, "accepted", false));
	js_free(answer);
	wanted = 1 + 8 + 1;
	assert_true(eventually(all_heard, stage, 5000));
	answer = ask_when_done(stage, "00000000000000000000000000000000", 1, 1, &asked);
	assert_int_equal(js_count(js_get(answer, "epochs")), 2);
	js_free(answer);
	stage_free(stage);
}

static void more_holes_than_an_answer_holds_are_told_in_the_next(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	char epoch[40];
	unsigned asked = 1;
	add_salvaged(stage, 200, 200, "seq % 2 = 0", epoch);
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 1, false);
	assert_true(stage_publish(stage));
	wanted = 1;
	assert_true(eventually(all_heard, stage, 5000));
	ask(stage, epoch, 1, 199);
	struct json *answer = answer_at(stage, 0);
	assert_int_equal(js_get_integer(answer, "to", 0), 128);
	assert_gone(answer, 63, 64, 128, 128);
	js_free(answer);
	wanted = 1 + 64;
	assert_true(eventually(all_heard, stage, 5000));
	answer = ask_when_done(stage, epoch, 129, 199, &asked);
	assert_int_equal(js_get_integer(answer, "to", 0), 199);
	js_free(answer);
	wanted = 1 + 64 + 36;
	assert_true(eventually(all_heard, stage, 5000));
	stage_free(stage);
}

static int take_one(void *context, const struct parked *parked)
{
	*(uint64_t *)context = parked->seq;
	return 1;
}

static bool only_seventh_left(struct stage *stage)
{
	struct journal_reader *reader;
	uint64_t seq = 0;
	assert_int_equal(journal_reader_open(journal_path(stage->journal), &reader, &stage->fault), 0);
	assert_true(journal_parked(reader, NULL, 1, UINT64_MAX, take_one, &seq, &stage->fault) >= 0);
	journal_reader_close(reader);
	return seq == 7;
}

/* Its numbers go beyond those of the present journal, and one that was refused is not there any more. */
static void what_was_refused_of_an_old_epoch_is_tried_again(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	char epoch[40], place[JOURNAL_PLACE_MAX];
	static const uint64_t refused[] = { 1, 7, 20 };
	add_salvaged(stage, 20, 20, "seq = 7", epoch);
	snprintf(place, sizeof(place), "county/%.8s", epoch);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(journal_park(stage->journal, place, refused[i], "too large", NULL, &stage->fault), 0);
	assert_int_equal(journal_park(stage->journal, "county", 1, "too large", NULL, &stage->fault), 0);
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 1, false);
	assert_true(stage_publish(stage));
	wanted = 1;
	assert_true(eventually(all_heard, stage, 5000));
	publisher_retry(stage->publisher, "county/00000000", 1, UINT64_MAX);
	usleep(200000);
	publisher_retry(stage->publisher, place, 1, 1);
	wanted = 2;
	assert_true(eventually(all_heard, stage, 5000));
	publisher_retry(stage->publisher, NULL, 1, UINT64_MAX);
	wanted = 4;
	assert_true(eventually(all_heard, stage, 5000));
	assert_true(eventually(only_seventh_left, stage, 5000));
	assert_int_equal(count_of(stage, epoch), 2);
	assert_int_equal(count_of(stage, "\\\"number\\\":20}"), 1);
	stage_free(stage);
}

static void one_replay_at_a_time(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 5000, false); /* ten seconds' worth */
	assert_true(stage_publish(stage));
	wanted = 5000;
	assert_true(eventually(all_delivered, stage, 10000));
	ask(stage, journal_epoch(stage->journal), 1, 5000);
	ask(stage, journal_epoch(stage->journal), 7, 8);
	struct json *answer = answer_at(stage, 1);
	assert_reason(answer, "busy", 1, 5000);
	js_free(answer);
	stage_free(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_removed_is_told_and_the_rest_is_sent),
		cmocka_unit_test(an_old_epoch_that_was_salvaged_can_be_asked_for),
		cmocka_unit_test(what_was_refused_of_an_old_epoch_is_tried_again),
		cmocka_unit_test(one_replay_at_a_time),
		cmocka_unit_test(more_holes_than_an_answer_holds_are_told_in_the_next),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
