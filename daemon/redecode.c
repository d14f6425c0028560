#include "redecode.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../drivers/text.h"
#include "clock.h"
#include "digest.h"
#include "ident.h"
#include "intake.h"
#include "profile.h"
#include "record.h"
#include "record_read.h"
#include "redecode_parts.h"

#define AT_ONCE  64 /* entries read, and records appended, at once */
#define MADE_MAX 128

struct made { /* a record as it would be today */
	struct entry entry;
	struct json *json;
};

struct worker {
	const struct redecode *wish;
	int (*each)(void *context, const char *line, size_t length);
	void *context;
	struct redecode_counts *counts;
	struct former_codes former;
	/* the entry at hand */
	const struct stored *stored;
	struct json *old;
	bool event;
	uint8_t *raw;
	size_t raw_length;
	struct instrument_config instrument;
	struct made made[MADE_MAX];
	size_t made_count;
	/* to be appended */
	struct successor successors[AT_ONCE + MADE_MAX];
	char *lines[AT_ONCE + MADE_MAX];
	size_t count;
};

/* --- the old entry -------------------------------------------------------------------------------------------------
 */

static const char *instrument_id(const struct worker *worker)
{
	return worker->event ? js_text_in(worker->old, "instrument")
	                     : js_text_in(js_get(worker->old, "instrument"), "id");
}

/* The instrument as it is configured today, with the profile to be tried; false when it is not that instrument any
 * more. */
static bool find_instrument(struct worker *worker)
{
	const struct redecode *wish = worker->wish;
	const char *driver = js_text_in(js_get(worker->old, "instrument"), "driver");
	for (size_t i = 0; i < wish->config->instrument_count; i++) {
		const struct instrument_config *found = &wish->config->instruments[i];
		if (strcmp(found->id, instrument_id(worker)) != 0)
			continue;
		worker->instrument = *found;
		if (wish->profile && wish->profile_driver == found->driver) {
			worker->instrument.profile = (void *)(uintptr_t)wish->profile;
			snprintf(worker->instrument.profile_name, sizeof(worker->instrument.profile_name), "%s",
				wish->profile_name);
		}
		return worker->event || strcmp(found->driver->name, driver) == 0;
	}
	return false;
}

static bool read_raw(struct worker *worker)
{
	const char *base64 = js_text_in(worker->old, "raw");
	worker->raw = malloc(strlen(base64) + 1);
	if (!worker->raw)
		abort();
	long length = digest_base64_read(base64, strlen(base64), worker->raw);
	worker->raw_length = length > 0 ? (size_t)length : 0;
	return length > 0;
}

static int find_nothing(void *context, const struct stored *stored)
{
	(void)context;
	(void)stored;
	return 1;
}

static bool is_stored(const struct worker *worker, const char *id)
{
	return *id && journal_find(worker->wish->reader, id, find_nothing, NULL, NULL) == 1;
}

static bool is_known(const struct worker *worker, const struct entry *entry)
{
	bool known = is_stored(worker, entry->id);
	for (size_t i = 0; i < OTHER_IDS_MAX && !known; i++)
		known = is_stored(worker, entry->other_ids[i]);
	return known;
}

static bool is_superseded(const struct worker *worker)
{
	char id[ENTRY_ID_MAX];
	ident_of_successor(id, worker->stored->id, 0);
	return is_stored(worker, id);
}

/* --- the new one ---------------------------------------------------------------------------------------------------
 */

static void copy_maker(const struct json *old, struct maker *maker)
{
	const struct json *instrument = js_get(old, "instrument"), *said = js_get(old, "said");
	const struct {
		char *into;
		size_t size;
		const char *text;
	} texts[] = {
		{ maker->maker, sizeof(maker->maker), js_text_in(instrument, "maker") },
		{ maker->model, sizeof(maker->model), js_text_in(instrument, "model") },
		{ maker->serial, sizeof(maker->serial), js_text_in(instrument, "serial") },
		{ maker->firmware, sizeof(maker->firmware), js_text_in(said, "firmware") },
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (!*texts[i].into)
			snprintf(texts[i].into, texts[i].size, "%s", texts[i].text);
}

/* The controls a sample was measured under are what they were. */
static void carry_quality(const struct json *old, struct json *new)
{
	static const char *const kept[] = { "control_failed", "no_valid_control" };
	if (!record_is_sample(old) || !record_is_sample(new))
		return;
	if (js_get(old, "qc"))
		js_put(new, "qc", js_copy(js_get(old, "qc")));
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		if (record_has_flag(old, kept[i]))
			js_append(js_get(new, "flags"), js_new_text(kept[i]));
}

/* So is the certificate that held when it was measured: today's says nothing of then. */
static void carry_calibration(const struct json *old, struct json *new)
{
	const struct json *calibration = js_get(js_get(old, "instrument"), "calibration");
	struct json *instrument = js_get(new, "instrument"), *flags = js_new_array();
	js_remove(instrument, "calibration");
	if (calibration)
		js_put(instrument, "calibration", js_copy(calibration));
	for (size_t i = 0; i < js_count(js_get(new, "flags")); i++) {
		const char *flag = js_text_of(js_at(js_get(new, "flags"), i));
		if (strcmp(flag, "calibration_expired") != 0)
			js_append(flags, js_new_text(flag));
	}
	if (record_has_flag(old, "calibration_expired"))
		js_append(flags, js_new_text("calibration_expired"));
	js_put(new, "flags", flags);
}

/* Stays: what people said, whose sample it was and which test of it; and what the instrument said beside these bytes,
 * its clock and the running number by which it was asked for. */
static void carry_over(const struct json *old, struct json *new)
{
	const char *clock = js_text_in(js_get(old, "said"), "clock");
	if (*clock && !js_get(new, "said"))
		js_put(new, "said", js_new_object());
	if (*clock && !js_get(js_get(new, "said"), "clock"))
		js_put_text(js_get(new, "said"), "clock", clock);
	if (!js_get(new, "instrument_seq"))
		js_put_text_if(new, "instrument_seq", js_text_in(old, "instrument_seq"));
	static const char *const keys[] = { "test_seq", "retest_of", "correction" };
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (js_get(old, keys[i]))
			js_put(new, keys[i], js_copy(js_get(old, keys[i])));
	carry_quality(old, new);
	carry_calibration(old, new);
	if (record_people_named_it(old) && js_get(old, "sample"))
		js_put(new, "sample", js_copy(js_get(old, "sample")));
	else if (record_people_named_it(old)) /* they said that it is nobody's */
		js_remove(new, "sample");
	if (js_get(js_get(old, "sample"), "registered"))
		js_append(js_get(new, "flags"), js_new_text("sample_disagrees"));
}

/* What people said of the sample and the instrument did not: the limit goes by it. Where they said otherwise than the
 * instrument, its own words stand, as they did. */
static void complete_sample(const struct json *old, struct reading *reading)
{
	const struct json *sample = js_get(old, "sample");
	const struct {
		char *into;
		size_t size;
		const char *key;
	} texts[] = {
		{ reading->sample_no, sizeof(reading->sample_no), "no" },
		{ reading->sample_name, sizeof(reading->sample_name), "name" },
		{ reading->sample_category, sizeof(reading->sample_category), "category" },
		{ reading->party, sizeof(reading->party), "party" },
		{ reading->origin, sizeof(reading->origin), "origin" },
	};
	bool corrected = js_get(old, "correction") != NULL; /* then theirs stand, as they did */
	if (!record_people_named_it(old) || js_get(sample, "registered"))
		return;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (corrected || !*texts[i].into)
			text_copy(texts[i].into, texts[i].size, js_text_in(sample, texts[i].key));
}

static void make_record(struct worker *worker, const struct maker *maker, const struct reading *said)
{
	struct reading reading = *said;
	struct reception reception = record_reception(worker->old);
	struct maker known = *maker;
	char now[CLOCK_TEXT_MAX];
	if (worker->made_count == MADE_MAX)
		return;
	struct made *made = &worker->made[worker->made_count];
	if (worker->event)
		reception.clock_synced = clock_synced();
	copy_maker(worker->old, &known);
	if (!worker->event) {
		complete_sample(worker->old, &reading);
		reading.raw = worker->raw;
		reading.raw_length = worker->raw_length;
		reading.raw_head_length = 0; /* it stands in `raw` */
	}
	const struct config *config = worker->wish->config;
	record_identify(config, &worker->former, &worker->instrument, &known, &reading, &reception, &made->entry);
	record_make(config, &worker->instrument, &known, &reading, &reception, NULL, &made->entry);
	char *text = malloc(strlen(made->entry.body) + 2);
	if (!text)
		abort();
	sprintf(text, "{%s", made->entry.body);
	free(made->entry.body);
	made->entry.body = NULL;
	made->json = js_parse(text, strlen(text), NULL);
	free(text);
	js_put_text(made->json, "supersedes", worker->stored->id);
	js_put_text(made->json, "redecoded_at", clock_text(now, clock_wall_ms()));
	if (!worker->event)
		carry_over(worker->old, made->json);
	if (!worker->event || !reading.repeatable) {
		ident_of_successor(
			made->entry.id, worker->stored->id, worker->event ? (unsigned)worker->made_count : 0);
		memset(made->entry.other_ids, 0, sizeof(made->entry.other_ids)); /* those are of what it supersedes */
	}
	worker->made_count++;
}

static void make_readings(void *context, const struct instrument *instrument, const struct readings *readings)
{
	for (size_t i = 0; i < readings->count; i++)
		make_record(context, &instrument->maker, &readings->list[i]);
}

/* Keeps `made` for the next append, with the line that tells of it. */
static void keep(struct worker *worker, struct made *made, struct json *changes)
{
	struct json *line = js_new_object();
	js_put_integer(line, "seq", (int64_t)worker->stored->seq);
	js_put_text(line, "id", worker->stored->id);
	js_put_text(line, "instrument", worker->instrument.id);
	js_put(line, "was", js_copy(js_get(changes, "was")));
	js_put(line, "is", js_copy(js_get(changes, "is")));
	js_put_text(line, "new_id", made->entry.id);
	worker->successors[worker->count] =
		(struct successor){ .old = js_copy(worker->old), .record = js_copy(made->json), .entry = made->entry };
	worker->lines[worker->count++] = js_dump(line);
	worker->counts->changed++;
	js_free(line);
}

static void compare_record(struct worker *worker)
{
	struct made *made = NULL;
	struct json *list[MADE_MAX];
	for (size_t i = 0; i < worker->made_count; i++)
		list[i] = worker->made[i].json;
	size_t index = redecode_match(worker->old, list, worker->made_count);
	if (index < worker->made_count)
		made = &worker->made[index];
	if (!made) {
		worker->counts->unreadable++;
		return;
	}
	struct json *changes = redecode_changes(worker->old, made->json);
	if (worker->wish->unmapped) {
		bool other_words = changes;
		js_free(changes);
		changes = other_words ? NULL : redecode_mapped(worker->old, made->json);
	}
	if (changes)
		keep(worker, made, changes);
	else
		worker->counts->same++;
	js_free(changes);
}

static void compare_event(struct worker *worker)
{
	if (worker->made_count == 0)
		worker->counts->unreadable++;
	for (size_t i = 0; i < worker->made_count; i++) {
		struct made *made = &worker->made[i];
		if (is_known(worker, &made->entry)) {
			worker->counts->same++; /* read again meanwhile, and stored */
			continue;
		}
		struct json *nothing = js_new_object(), *changes = redecode_changes(nothing, made->json);
		keep(worker, made, changes);
		js_free(changes);
		js_free(nothing);
	}
}

/* --- entry by entry -------------------------------------------------------------------------------------------------
 */

static void look_at(struct worker *worker)
{
	const struct redecode *wish = worker->wish;
	if (worker->event && strcmp(js_text_in(worker->old, "event"), "undecodable") != 0)
		return;
	if (!js_get(worker->old, "raw") || (wish->instrument && strcmp(wish->instrument, instrument_id(worker)) != 0))
		return;
	worker->counts->looked++;
	if (!find_instrument(worker)) {
		worker->counts->foreign++;
		return;
	}
	if (is_superseded(worker)) {
		worker->counts->superseded++;
		return;
	}
	struct reading before;
	redecode_before(worker->old, &before);
	const struct date_time then = clock_date(record_reception(worker->old).received_ms);
	if (read_raw(worker))
		redecode_raw(&worker->instrument, worker->event ? NULL : &before, &then, worker->raw,
			worker->raw_length, make_readings, worker);
	if (worker->event)
		compare_event(worker);
	else
		compare_record(worker);
}

static void clear(struct worker *worker)
{
	for (size_t i = 0; i < worker->made_count; i++)
		js_free(worker->made[i].json);
	worker->made_count = 0;
	free(worker->raw);
	js_free(worker->old);
	worker->raw = NULL;
	worker->old = NULL;
	worker->raw_length = 0;
}

/* Appends what is kept, then tells. What could not be appended is not told. */
static int flush(struct worker *worker, struct fault *fault)
{
	int error = 0;
	if (worker->wish->intake && worker->count > 0)
		error = intake_supersede(worker->wish->intake, worker->successors, worker->count, fault);
	for (size_t i = 0; i < worker->count; i++) {
		if (error >= 0 && worker->each(worker->context, worker->lines[i], strlen(worker->lines[i])) != 0)
			error = -ECANCELED;
		js_free((struct json *)(uintptr_t)worker->successors[i].old);
		js_free(worker->successors[i].record);
		free(worker->lines[i]);
	}
	worker->count = 0;
	return error < 0 ? error : 0;
}

struct chunk { /* entries as read; looking one up would overwrite the reader's own */
	struct stored list[AT_ONCE];
	size_t count;
	uint64_t to;
};

static int copy_entry(void *context, const struct stored *entry)
{
	struct chunk *chunk = context;
	if (entry->seq > chunk->to)
		return 1;
	char *payload = malloc(entry->length + 1);
	if (!payload)
		abort();
	memcpy(payload, entry->payload, entry->length);
	payload[entry->length] = '\0';
	chunk->list[chunk->count] = *entry;
	chunk->list[chunk->count++].payload = payload;
	return 0;
}

static int do_chunk(struct worker *worker, struct chunk *chunk, struct fault *fault)
{
	for (size_t i = 0; i < chunk->count; i++) {
		worker->stored = &chunk->list[i];
		worker->event = worker->stored->kind == ENTRY_EVENT;
		worker->counts->through = worker->stored->seq;
		if (worker->wish->unmapped && (worker->event || !strstr(worker->stored->payload, "\"unmapped_")))
			continue;
		worker->old = js_parse(worker->stored->payload, worker->stored->length, NULL);
		if (worker->old)
			look_at(worker);
		clear(worker);
		if (worker->count >= AT_ONCE && flush(worker, fault) < 0)
			return -EIO;
	}
	return flush(worker, fault);
}

int redecode_run(const struct redecode *redecode, int (*each)(void *context, const char *line, size_t length),
	void *context, struct redecode_counts *counts, struct fault *fault)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	if (!worker)
		return fault_set(fault, ENOMEM, _("out of memory"));
	worker->wish = redecode;
	worker->each = each;
	worker->context = context;
	worker->counts = counts;
	*counts = (struct redecode_counts){ .through = redecode->from - 1 };
	long error = journal_reader_former(redecode->reader, redecode->config->station.code, &worker->former, fault);
	if (error == 0)
		error = 1;
	for (uint64_t done = 0; error > 0 && (!redecode->limit || done < redecode->limit); done += AT_ONCE) {
		struct chunk chunk = { .to = redecode->to };
		error = journal_read(redecode->reader, counts->through + 1, AT_ONCE, copy_entry, &chunk, fault);
		if (error >= 0)
			error = do_chunk(worker, &chunk, fault) < 0 ? -EIO : chunk.count > 0;
		for (size_t i = 0; i < chunk.count; i++)
			free((void *)(uintptr_t)chunk.list[i].payload);
	}
	free(worker);
	return error < 0 ? (int)error : 0;
}

int redecode_read_profile(const struct config *config, const char *path, const char *instrument,
	struct redecode *redecode, char name[static CONFIG_NAME_MAX], void **ret_profile, struct fault *fault)
{
	const struct driver *driver = NULL;
	for (size_t i = 0; i < config->instrument_count; i++) {
		const struct instrument_config *it = &config->instruments[i];
		if (!it->driver->profiles || (instrument && strcmp(it->id, instrument) != 0))
			continue;
		if (driver && driver != it->driver)
			return fault_set(fault, EINVAL,
				_("a profile is for one driver, and instruments here have several that take one; name the instrument"));
		driver = it->driver;
	}
	if (!driver)
		return fault_set(fault, EINVAL, _("no such instrument takes a profile"));
	struct faults faults = { 0 };
	int error = profile_read(path, driver, ret_profile, &faults);
	if (error < 0)
		fault_set(fault, -error, _("%s is no profile of driver %s; assayctl decode --profile %s says why"),
			path, driver->name, path);
	faults_free(&faults);
	if (error < 0)
		return error;
	const char *base = strrchr(path, '/');
	base = base ? base + 1 : path;
	size_t length = strlen(base);
	if (length > 5 && strcmp(base + length - 5, ".conf") == 0)
		length -= 5;
	snprintf(name, CONFIG_NAME_MAX, "%.*s", (int)length, base);
	redecode->profile = *ret_profile;
	redecode->profile_name = name;
	redecode->profile_driver = driver;
	return 0;
}
