/* The room of room_fixture.h, whose samples are tested again: 50 % and more is positive. */
#ifndef TESTS_RETEST_FIXTURE_H
#define TESTS_RETEST_FIXTURE_H

#include "../../daemon/clock.h"
#include "room_fixture.h"

static inline struct reading *add_test(struct room *room, const char *sample_no, const char *value)
{
	char number[12];
	snprintf(number, sizeof(number), "%u", ++room->number);
	struct reading *reading = add_reading(room, "PR-OPCB", number, "2026-03-05T09:41:20");
	text_copy(reading->sample_no, sizeof(reading->sample_no), sample_no);
	return with_inhibition(reading, value);
}

static inline int try_store(struct room *room, unsigned reader, struct intake_batch **ret_batch)
{
	struct intake_result result;
	*ret_batch = judge(room, &room->readers[reader]);
	return intake_store(room->intake, *ret_batch, &result, &room->fixture->fault);
}

/* The last entry, which must be an event of this name. */
static inline struct json *last_event(struct room *room, const char *name)
{
	const char *event = js_get_text(entry(room, head(room)), "event");
	assert_non_null(event);
	assert_string_equal(event, name);
	return room->record;
}

/* The state the last event tells. */
static inline const char *state_told(struct room *room)
{
	return js_get_text(last_event(room, "retest_group"), "state");
}

/* One test that is stored; the record's number among the tests of its sample. */
static inline int64_t tested(struct room *room, unsigned reader, const char *sample_no, const char *value)
{
	uint64_t seq = head(room) + 1;
	add_test(room, sample_no, value);
	store(room, reader);
	return js_get_integer(entry(room, seq), "test_seq", 0);
}

static inline void name_sample(struct room *room, const char *no)
{
	struct sample_facts facts = { 0 };
	text_copy(facts.no, sizeof(facts.no), no);
	register_sample(room, &facts);
}

#endif
