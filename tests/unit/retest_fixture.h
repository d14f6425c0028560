/* A room with a real journal and two inhibition readers whose samples are tested again. */
#ifndef TESTS_RETEST_FIXTURE_H
#define TESTS_RETEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <time.h>
#include <unistd.h>

#include "../../daemon/clock.h"
#include "../../daemon/intake.h"
#include "../../daemon/items.h"
#include "../../drivers/text.h"
#include "journal_fixture.h"

/* 50 % and more is positive. */
struct room {
	struct fixture *fixture;
	struct config *config;
	struct samples *samples;
	struct retests *retests;
	struct intake *intake;
	struct instrument_config readers[2];
	struct instrument instrument;
	struct reading list[READINGS_AT_ONCE];
	struct readings readings;
	struct json *record; /* the last one looked at */
	unsigned number;     /* of the last test */
};

static inline void open_room(struct room *room)
{
	struct fault *fault = &room->fixture->fault;
	assert_int_equal(fixture_start(room->fixture), 0);
	assert_int_equal(samples_open(room->fixture->journal, INT64_MAX / 4, &room->samples, fault), 0);
	assert_int_equal(retests_open(room->fixture->journal, &room->retests, fault), 0);
	room->intake = intake_new(room->fixture->journal, room->config);
	intake_use_samples(room->intake, room->samples);
	intake_use_retests(room->intake, room->retests);
}

static inline void close_room(struct room *room)
{
	intake_free(room->intake);
	retests_close(room->retests);
	samples_close(room->samples);
	fixture_stop(room->fixture);
}

static inline int enter(void **state)
{
	struct room *room = calloc(1, sizeof(*room));
	struct faults faults = { 0 };
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	room->fixture = fixture_directory();
	room->config = calloc(1, sizeof(*room->config));
	room->config->holders = 1;
	room->config->station.retest_window_ms = 3600000;
	text_copy(room->config->station.code, sizeof(room->config->station.code), "330421103-01");
	assert_int_equal(items_load("config/items.csv", &room->config->items, &faults), 0);
	text_copy(room->readers[0].id, sizeof(room->readers[0].id), "pr-1");
	text_copy(room->readers[1].id, sizeof(room->readers[1].id), "pr-2");
	room->readers[0].driver = room->readers[1].driver = driver_by_name("seven-e-aa");
	room->readings.list = room->list;
	open_room(room);
	*state = room;
	return 0;
}

static inline int leave(void **state)
{
	struct room *room = *state;
	js_free(room->record);
	close_room(room);
	config_release(room->config);
	fixture_remove(room->fixture);
	free(room);
	return 0;
}

static inline struct reading *add_test(struct room *room, const char *sample_no, const char *value)
{
	struct reading *reading = readings_add(&room->readings);
	snprintf(reading->instrument_seq, sizeof(reading->instrument_seq), "%u", ++room->number);
	text_copy(reading->sample_no, sizeof(reading->sample_no), sample_no);
	text_copy(reading->value, sizeof(reading->value), value);
	text_copy(reading->unit, sizeof(reading->unit), "%");
	text_copy(reading->item, sizeof(reading->item), "PR-OPCB");
	text_copy(reading->tested_at, sizeof(reading->tested_at), "2026-03-05T09:41:20");
	reading->repeatable = true;
	return reading;
}

static inline int try_store(struct room *room, unsigned reader, struct intake_batch **ret_batch)
{
	struct intake_result result;
	*ret_batch = intake_judge(room->intake, &room->readers[reader], &room->instrument, &room->readings);
	return intake_store(room->intake, *ret_batch, &result, &room->fixture->fault);
}

static inline void store(struct room *room, unsigned reader)
{
	struct intake_batch *batch;
	int error = try_store(room, reader, &batch);
	if (error)
		print_error("%s\n", room->fixture->fault.text);
	assert_int_equal(error, 0);
	intake_batch_free(batch);
	room->readings = (struct readings){ .list = room->list };
}

static inline int keep(void *context, const struct stored *stored)
{
	struct room *room = context;
	js_free(room->record);
	room->record = js_parse(stored->payload, stored->length, NULL);
	return 0;
}

static inline struct json *entry(struct room *room, uint64_t seq)
{
	assert_int_equal(journal_read(room->fixture->reader, seq, 1, keep, room, &room->fixture->fault), 1);
	return room->record;
}

static inline uint64_t head(struct room *room)
{
	return journal_head(room->fixture->journal);
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
	struct intake_registration registration = { .by = "register", .names = "" };
	text_copy(registration.facts.no, sizeof(registration.facts.no), no);
	assert_int_equal(intake_register(room->intake, &registration, 1, &room->fixture->fault), 0);
}

#endif
