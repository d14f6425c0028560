/* A room as the gateway has it: a real journal, what is kept beside it of samples, retests and controls, an intake, a
 * scanner and two readers of inhibition. What a test asks of it, it stores by the code that ships.
 */
#ifndef TESTS_ROOM_FIXTURE_H
#define TESTS_ROOM_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <time.h>

#include "../../daemon/intake.h"
#include "../../daemon/items.h"
#include "../../drivers/text.h"
#include "journal_fixture.h"

#define ROOM_HOUR_MS 3600000

struct room {
	struct fixture *fixture;
	struct config *config;
	struct samples *samples;
	struct retests *retests;
	struct quality *quality;
	struct intake *intake;
	struct instrument_config scanner, readers[2]; /* scan-1 names the samples of pr-1 and pr-2 */
	struct instrument instrument;
	struct reading list[READINGS_AT_ONCE];
	struct readings readings; /* not stored yet */
	struct json *record;      /* the last one looked at */
	unsigned number;          /* of the last test, where a test counts them */
};

static inline void open_room(struct room *room)
{
	struct fault *fault = &room->fixture->fault;
	assert_int_equal(fixture_start(room->fixture), 0);
	assert_int_equal(samples_open(room->fixture->journal, INT64_MAX / 4, &room->samples, fault), 0);
	assert_int_equal(retests_open(room->fixture->journal, &room->retests, fault), 0);
	assert_int_equal(quality_open(room->fixture->journal, &room->quality, fault), 0);
	room->intake = intake_new(room->fixture->journal, room->config);
	intake_use_samples(room->intake, room->samples);
	intake_use_retests(room->intake, room->retests);
	intake_use_quality(room->intake, room->quality);
}

static inline void close_room(struct room *room)
{
	intake_free(room->intake);
	quality_close(room->quality);
	retests_close(room->retests);
	samples_close(room->samples);
	fixture_stop(room->fixture);
}

/* As after a kill: everything but the file is new. */
static inline void restart(struct room *room)
{
	close_room(room);
	open_room(room);
}

static inline struct config *room_config(void)
{
	struct config *config = calloc(1, sizeof(*config));
	struct faults faults = { 0 };
	assert_non_null(config);
	config->holders = 1;
	config->station.retest_window_ms = ROOM_HOUR_MS;
	config->samples.number_holds_ms = 36500LL * 24 * ROOM_HOUR_MS;
	text_copy(config->station.code, sizeof(config->station.code), "330421103-01");
	assert_int_equal(items_load("config/items.csv", &config->items, &faults), 0);
	return config;
}

static inline struct room *new_room(void)
{
	struct room *room = calloc(1, sizeof(*room));
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	room->fixture = fixture_directory();
	room->config = room_config();
	text_copy(room->scanner.id, sizeof(room->scanner.id), "scan-1");
	room->scanner.driver = driver_by_name("scanner");
	room->scanner.naming = (struct naming_config){ "pr-1, pr-2", 1, 60000, NAMING_REPLACE };
	for (size_t i = 0; i < 2; i++) {
		snprintf(room->readers[i].id, sizeof(room->readers[i].id), "pr-%zu", i + 1);
		room->readers[i].driver = driver_by_name("seven-e-aa");
		room->readers[i].control.window_ms = ROOM_HOUR_MS;
	}
	room->readings.list = room->list;
	open_room(room);
	return room;
}

static inline void free_room(struct room *room)
{
	js_free(room->record);
	close_room(room);
	assert_int_equal(room->config->holders, 1); /* what was held was released */
	config_release(room->config);
	fixture_remove(room->fixture);
	free(room);
}

static inline int enter(void **state)
{
	*state = new_room();
	return 0;
}

static inline int leave(void **state)
{
	free_room(*state);
	return 0;
}

/* ---- what is measured ---- */

static inline void clear(struct room *room)
{
	room->readings = (struct readings){ .list = room->list };
}

/* One more that waits to be stored: of this item, with the instrument's number and its time ("": says none). */
static inline struct reading *add_reading(struct room *room, const char *item, const char *number, const char *at)
{
	struct reading *reading = readings_add(&room->readings);
	text_copy(reading->instrument_seq, sizeof(reading->instrument_seq), number);
	text_copy(reading->item, sizeof(reading->item), item);
	text_copy(reading->tested_at, sizeof(reading->tested_at), at);
	reading->repeatable = true;
	return reading;
}

static inline struct reading *with_inhibition(struct reading *reading, const char *value)
{
	text_copy(reading->value, sizeof(reading->value), value);
	text_copy(reading->unit, sizeof(reading->unit), "%");
	return reading;
}

static inline struct intake_batch *judge(struct room *room, const struct instrument_config *from)
{
	return intake_judge(room->intake, from, &room->instrument, &room->readings);
}

/* All that was added since, in one transaction. */
static inline struct intake_result store_for(struct room *room, const struct instrument_config *from)
{
	struct intake_result result = { 0 };
	struct intake_batch *batch = judge(room, from);
	int error = intake_store(room->intake, batch, &result, &room->fixture->fault);
	if (error)
		print_error("%s\n", room->fixture->fault.text);
	assert_int_equal(error, 0);
	intake_batch_free(batch);
	clear(room);
	return result;
}

static inline struct intake_result store(struct room *room, unsigned reader)
{
	return store_for(room, &room->readers[reader]);
}

static inline void register_sample(struct room *room, const struct sample_facts *facts)
{
	const struct intake_registration registration = { .facts = *facts, .by = "register", .names = "" };
	assert_int_equal(intake_register(room->intake, &registration, 1, &room->fixture->fault), 0);
}

/* ---- what was stored ---- */

static inline int keep_record(void *context, const struct stored *stored)
{
	struct room *room = context;
	js_free(room->record);
	room->record = js_parse(stored->payload, stored->length, NULL);
	return 0;
}

static inline struct json *entry(struct room *room, uint64_t seq)
{
	assert_int_equal(journal_read(room->fixture->reader, seq, 1, keep_record, room, &room->fixture->fault), 1);
	return room->record;
}

static inline uint64_t head(const struct room *room)
{
	return journal_head(room->fixture->journal);
}

#endif
