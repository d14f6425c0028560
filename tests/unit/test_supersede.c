/* What superseding records do to the tests of one sample. */
#include <errno.h>

#include "../../daemon/ident.h"
#include "../../daemon/record_read.h"
#include "retest_fixture.h"

/* A record as it would be now: the same with another verdict, and of another sample where one is named. */
static void prepare(struct room *room, uint64_t seq, const char *verdict, const char *sample_no, struct successor *ret)
{
	static const char *const head[] = { "v", "id", "station", "epoch", "seq", "prev" };
	struct json *old = js_copy(entry(room, seq)), *record = js_copy(old), *flags = js_new_array();
	for (size_t i = 0; i < sizeof(head) / sizeof(*head); i++)
		js_remove(record, head[i]);
	js_put_text(record, "supersedes", js_text_in(old, "id"));
	js_put_text(record, "verdict", verdict);
	if (strcmp(verdict, "positive") == 0)
		js_append(flags, js_new_text("retest_required"));
	js_put(record, "flags", flags);
	if (sample_no)
		js_put_text(js_get(record, "sample"), "no", sample_no);
	*ret = (struct successor){ .old = old, .record = record, .entry.kind = ENTRY_RESULT };
	ident_of_successor(ret->entry.id, js_text_in(old, "id"), 0);
}

static void forget(struct successor *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		js_free((struct json *)(uintptr_t)list[i].old);
		js_free(list[i].record);
	}
}

static uint64_t supersede(struct room *room, uint64_t seq, const char *verdict, const char *sample_no)
{
	struct successor one;
	uint64_t at = head(room) + 1;
	prepare(room, seq, verdict, sample_no, &one);
	assert_int_equal(intake_supersede(room->intake, &one, 1, &room->fixture->fault), 0);
	forget(&one, 1);
	return at;
}

/* The last event tells this state, of so many members. */
static void expect_group(struct room *room, const char *state, size_t members, bool closed)
{
	assert_string_equal(state_told(room), state);
	assert_int_equal(js_count(js_get(room->record, "members")), members);
	assert_int_equal(js_get_bool(room->record, "closed", false), closed);
}

static void id_of(struct room *room, uint64_t seq, char out[static ENTRY_ID_MAX])
{
	snprintf(out, ENTRY_ID_MAX, "%s", js_text_in(entry(room, seq), "id"));
}

static void what_becomes_positive_opens_a_group(void **state)
{
	struct room *room = *state;
	char id[ENTRY_ID_MAX];
	tested(room, 0, "S-1", "12.00");
	uint64_t seq = supersede(room, 1, "positive", NULL);
	expect_group(room, "retest_required", 1, false);
	id_of(room, seq, id);
	assert_string_equal(js_text_in(last_event(room, "retest_group"), "group"), id);
	assert_null(js_get(room->record, "superseded")); /* the old one was in none */
	assert_int_equal(tested(room, 0, "S-1", "60.00"), 2);
}

static void what_stops_being_positive_closes_its_group(void **state)
{
	struct room *room = *state;
	char first[ENTRY_ID_MAX];
	tested(room, 0, "S-1", "63.50");
	id_of(room, 1, first);
	tested(room, 0, "S-1", "12.00");
	supersede(room, 1, "negative", NULL);
	expect_group(room, "first", 2, true);
	assert_string_equal(js_text_in(room->record, "group"), first);
	assert_string_equal(js_text_of(js_at(js_get(room->record, "superseded"), 0)), first);
	assert_string_equal(js_text_in(entry(room, 1), "verdict"), "positive");
	assert_false(retests_any(room->retests));
	assert_int_equal(tested(room, 0, "S-1", "12.00"), 1);
}

static void a_member_is_replaced_where_it_stands_and_the_group_keeps_its_name(void **state)
{
	struct room *room = *state;
	char first[ENTRY_ID_MAX], now[ENTRY_ID_MAX];
	tested(room, 0, "S-1", "63.50");
	id_of(room, 1, first);
	tested(room, 0, "S-1", "64.00");
	uint64_t seq = supersede(room, 1, "positive", NULL);
	expect_group(room, "retest_required", 2, false);
	assert_string_equal(js_text_in(room->record, "group"), first);
	id_of(room, seq, now);
	assert_string_equal(js_text_in(js_at(js_get(last_event(room, "retest_group"), "members"), 0), "id"), now);
	assert_int_equal(tested(room, 0, "S-1", "65.00"), 3);
	assert_string_equal(js_text_in(room->record, "retest_of"), first);
	assert_string_equal(state_told(room), "confirmed_positive");
	seq = supersede(room, 3, "negative", NULL); /* a retest that was read wrongly */
	assert_string_equal(state_told(room), "overturned");
	assert_string_equal(js_text_in(entry(room, seq), "retest_of"), first);
	assert_int_equal(js_get_integer(room->record, "test_seq", 0), 2);
	restart(room);
	supersede(room, seq, "positive", NULL); /* a successor has its place, after a restart too */
	assert_string_equal(state_told(room), "confirmed_positive");
}

static void of_another_sample_it_leaves_for_that_ones_group(void **state)
{
	struct room *room = *state;
	char first[ENTRY_ID_MAX], other[ENTRY_ID_MAX];
	tested(room, 0, "S-1", "63.50"); /* 1 */
	tested(room, 0, "S-1", "64.00"); /* 3 */
	tested(room, 0, "S-2", "65.00"); /* 5 */
	id_of(room, 1, first);
	id_of(room, 5, other);
	uint64_t seq = supersede(room, 3, "positive", "S-2");
	assert_string_equal(js_text_in(entry(room, seq), "retest_of"), other);
	assert_int_equal(js_get_integer(room->record, "test_seq", 0), 2);
	expect_group(room, "retest_required", 2, false);
	assert_int_equal(js_get_integer(room->record, "counted", 9), 1);
	assert_int_equal(js_count(js_get(entry(room, seq + 1), "members")), 1);
	assert_string_equal(js_text_in(room->record, "group"), first);
	/* the first of a group may leave it: the others stay under its name */
	assert_int_equal(tested(room, 0, "S-1", "66.00"), 2);
	seq = supersede(room, 1, "positive", "S-3");
	assert_int_equal(js_get_integer(entry(room, seq), "test_seq", 0), 1);
	assert_string_equal(js_text_in(entry(room, seq + 1), "group"), first);
	assert_int_equal(tested(room, 0, "S-1", "66.50"), 2);
	assert_string_equal(js_text_in(room->record, "retest_of"), first);
}

static void many_at_once_change_each_group_once(void **state)
{
	struct room *room = *state;
	struct successor list[3];
	tested(room, 0, "S-1", "63.50"); /* 1 */
	tested(room, 0, "S-1", "64.00"); /* 3 */
	tested(room, 0, "S-1", "65.00"); /* 5 */
	uint64_t before = head(room);
	for (size_t i = 0; i < 3; i++)
		prepare(room, 1 + 2 * i, "positive", "S-2", &list[i]);
	assert_int_equal(intake_supersede(room->intake, list, 3, &room->fixture->fault), 0);
	forget(list, 3);
	assert_int_equal(head(room), before + 5);
	assert_true(js_get_bool(entry(room, before + 4), "closed", false));
	assert_int_equal(js_count(js_get(room->record, "members")), 0);
	assert_int_equal(js_count(js_get(room->record, "superseded")), 3);
	expect_group(room, "confirmed_positive", 3, false);
	assert_int_equal(tested(room, 0, "S-1", "12.00"), 1);
}

static void a_group_opened_by_hand_is_not_closed_by_what_it_never_asked_for(void **state)
{
	struct room *room = *state;
	tested(room, 0, "S-1", "12.00");
	struct retest_group group = {
		.opened_ms = clock_wall_ms(), .item = "PR-OPCB", .sample_no = "S-1", .source = "pr-1"
	};
	id_of(room, 1, group.name);
	memcpy(group.members[group.member_count++].id, group.name, ENTRY_ID_MAX);
	group.waits_ms = 60000;
	group.waits_from_ms = group.opened_ms;
	text_copy(group.instrument, sizeof(group.instrument), "pr-1");
	assert_int_equal(intake_expect_retest(room->intake, &group, &room->fixture->fault), 0);
	supersede(room, 1, "suspect", NULL);
	expect_group(room, "first", 1, false);
	assert_int_equal(tested(room, 0, "S-1", "12.00"), 2);
}

static void what_was_superseded_is_not_what_an_instrument_repeats(void **state)
{
	struct room *room = *state;
	tested(room, 0, "S-1", "12.00");
	supersede(room, 1, "negative", "S-2");
	uint64_t seq = head(room) + 1;
	add_test(room, "S-1", "13.00")->marks = READING_RETEST;
	store(room, 0);
	assert_int_equal(js_get_integer(entry(room, seq), "test_seq", 0), 1);
	add_test(room, "S-2", "13.00")->marks = READING_RETEST;
	store(room, 0);
	assert_int_equal(js_get_integer(entry(room, seq + 1), "test_seq", 0), 2);
}

static void while_a_result_is_being_stored_nothing_is_superseded(void **state)
{
	struct room *room = *state;
	struct successor one;
	tested(room, 0, "S-1", "63.50");
	uint64_t before = head(room);
	prepare(room, 1, "negative", NULL, &one);
	assert_true(retests_hold(room->retests, room));
	assert_int_equal(intake_supersede(room->intake, &one, 1, &room->fixture->fault), -EBUSY);
	assert_int_equal(head(room), before);
	retests_release(room->retests, room);
	assert_int_equal(intake_supersede(room->intake, &one, 1, &room->fixture->fault), 0);
	forget(&one, 1);
	expect_group(room, "first", 1, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
		TEST(what_becomes_positive_opens_a_group),
		TEST(what_stops_being_positive_closes_its_group),
		TEST(a_member_is_replaced_where_it_stands_and_the_group_keeps_its_name),
		TEST(of_another_sample_it_leaves_for_that_ones_group),
		TEST(many_at_once_change_each_group_once),
		TEST(a_group_opened_by_hand_is_not_closed_by_what_it_never_asked_for),
		TEST(what_was_superseded_is_not_what_an_instrument_repeats),
		TEST(while_a_result_is_being_stored_nothing_is_superseded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
