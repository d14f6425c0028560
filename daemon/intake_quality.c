/* Which controls a sample was measured under, and what is told of samples without one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "event.h"
#include "intake_parts.h"
#include "judge.h"

#define QUIET_MS (10 * 60 * INT64_C(1000)) /* what is read back of a past day comes in less: then it is counted */

/* ---- a batch and its series ---- */

static struct intake_series *series_of(struct intake_batch *batch, const char *item, struct fault *fault)
{
	struct intake_quality *quality = &batch->quality;
	for (size_t i = 0; i < quality->count; i++)
		if (strcmp(quality->list[i].series.item, item) == 0)
			return &quality->list[i];
	if (!quality->within)
		quality_enter(batch->intake->quality);
	quality->within = true;
	struct intake_series *list = realloc(quality->list, (quality->count + 1) * sizeof(*list));
	if (!list)
		abort(); /* a gateway without memory restarts from its journal */
	quality->list = list;
	struct intake_series *place = &list[quality->count];
	*place = (struct intake_series){ 0 };
	if (quality_find(batch->intake->quality, batch->from->id, item, &place->series, fault) < 0)
		return NULL;
	quality->count++;
	return place;
}

static struct intake_told *tell(struct intake_batch *batch, const char *state, const struct series *series)
{
	struct intake_quality *quality = &batch->quality;
	struct intake_told *told = realloc(quality->told, (quality->told_count + 1) * sizeof(*told));
	if (!told)
		abort();
	quality->told = told;
	told += quality->told_count++;
	*told = (struct intake_told){ .state = state, .samples = series->samples };
	memcpy(told->item, series->item, sizeof(told->item));
	memcpy(told->day, series->day, sizeof(told->day));
	memcpy(told->first, series->first, sizeof(told->first));
	return told;
}

void intake_quality_free(struct intake_batch *batch)
{
	if (batch->quality.within)
		quality_leave(batch->intake->quality);
	free(batch->quality.list);
	free(batch->quality.told);
	batch->quality = (struct intake_quality){ 0 };
}

/* ---- one record ---- */

/* When it was measured, as well as is known: the time by which the judge chose its day. */
static int64_t measured_ms(const struct intake_batch *batch, const struct judgement *judgement)
{
	bool trusted = judgement->tested && !judgement->clock_suspect;
	return trusted ? judgement->tested_ms : batch->reception.received_ms;
}

/* Since when controls count for a sample measured then. */
static int64_t counts_from(const struct intake_batch *batch, const struct judgement *judgement, int64_t at_ms)
{
	const struct control_config *config = &batch->from->control;
	char midnight[32];
	if (config->demand == CONTROL_DEMAND_SERIES)
		return at_ms - config->window_ms;
	snprintf(midnight, sizeof(midnight), "%.10sT00:00:00", judgement->day);
	return clock_parse_local(midnight) * 1000;
}

static const char *item_of(const struct judgement *judgement, const struct reading *reading)
{
	return judgement->item ? judgement->item->code : reading->item;
}

static struct measured_control control_of(const struct intake_batch *batch, const struct entry *entry,
	const struct reading *reading, const struct judgement *judgement)
{
	struct measured_control control = {
		.kind = reading->kind,
		.expected = judgement->expected,
		.state = judgement->control,
		.at_ms = measured_ms(batch, judgement),
		.frame = reading->raw,
	};
	memcpy(control.id, entry->id, sizeof(control.id));
	return control;
}

/* A valid control after samples that were measured without: what was counted is told, and counting ends. */
static void tell_late(struct intake_batch *batch, struct series *series, const struct measured_control *control,
	const struct judgement *judgement)
{
	struct tied tied = { .demanded = true };
	if (!series->samples || strncmp(series->day, judgement->day, DAY_MAX - 1) != 0)
		return;
	series_tie(series, counts_from(batch, judgement, control->at_ms), control->at_ms, control->frame, &tied);
	tied_sum_up(&tied);
	if (tied.state != CONTROL_VALID)
		return;
	struct intake_told *told = tell(batch, "late", series);
	memcpy(told->control, control->id, sizeof(told->control));
	told->control_ms = control->at_ms;
	series->samples = 0;
}

static void count(struct intake_batch *batch, struct intake_series *place, const struct entry *entry,
	const struct judgement *judgement)
{
	struct series *series = &place->series;
	bool other_day = strncmp(series->day, judgement->day, DAY_MAX - 1) != 0;
	if (series->samples && other_day) {
		tell(batch, "day_over", series);
		series->samples = 0;
	}
	if (series->samples == 0) {
		snprintf(series->day, sizeof(series->day), "%.10s", judgement->day);
		memcpy(series->first, entry->id, sizeof(series->first));
		tell(batch, "first", series);
		place->begun = batch->quality.told_count;
	}
	series->samples++;
	series->counted_ms = batch->reception.received_ms;
	if (place->begun)
		batch->quality.told[place->begun - 1].samples = series->samples;
	place->entry = entry;
	batch->quality.changed = true;
}

/* Adds the controls that stand behind a sample in its frame. They are added again when it is their turn. */
static void look_ahead(const struct intake_batch *batch, size_t index, const char *item, struct series *series)
{
	const struct reading *sample = &batch->readings->list[index];
	for (size_t i = index + 1; i < batch->readings->count && sample->raw; i++) {
		const struct reading *reading = &batch->readings->list[i];
		struct judgement judgement;
		if (reading->raw != sample->raw || reading->kind == KIND_SAMPLE)
			continue;
		judge(batch->config, batch->from, reading, &batch->reception, &judgement);
		const struct measured_control control = control_of(batch, &batch->entries[i], reading, &judgement);
		if (strcmp(item_of(&judgement, reading), item) == 0)
			series_add(series, &control);
	}
}

static bool frame_has_control(const struct intake_batch *batch, size_t index)
{
	const struct reading *list = batch->readings->list;
	for (size_t i = index + 1; i < batch->readings->count && list[index].raw; i++)
		if (list[i].raw == list[index].raw && list[i].kind != KIND_SAMPLE)
			return true;
	return false;
}

/* Nothing could be found, and nothing is demanded. */
static bool is_of_no_concern(const struct intake_batch *batch, size_t index)
{
	return batch->readings->list[index].kind == KIND_SAMPLE && !batch->quality.count &&
	       batch->from->control.demand == CONTROL_DEMAND_NONE && !quality_any(batch->intake->quality) &&
	       !frame_has_control(batch, index);
}

int intake_match_quality(struct intake_batch *batch, size_t index, const struct draft *draft, const struct entry *entry,
	struct tied *ret, struct fault *fault)
{
	const struct judgement *judgement = record_judgement(draft);
	const struct reading *reading = record_reading(draft);
	const char *item = item_of(judgement, reading);
	*ret = (struct tied){ 0 };
	if (!batch->intake->quality || !*item || is_of_no_concern(batch, index))
		return 0;
	int known = intake_is_known(batch, reading, entry, fault);
	struct intake_series *place = known == 0 ? series_of(batch, item, fault) : NULL;
	if (known || !place)
		return known < 0 ? known : known ? 0 : -EIO;
	int64_t at_ms = measured_ms(batch, judgement);
	if (reading->kind != KIND_SAMPLE) {
		const struct measured_control control = control_of(batch, entry, reading, judgement);
		series_add(&place->series, &control);
		tell_late(batch, &place->series, &control, judgement);
		place->entry = entry;
		batch->quality.changed = true;
		return 0;
	}
	struct series seen = place->series;
	look_ahead(batch, index, item, &seen);
	ret->sent = judgement->sent;
	ret->demanded = batch->from->control.demand != CONTROL_DEMAND_NONE;
	series_tie(&seen, counts_from(batch, judgement, at_ms), at_ms, reading->raw, ret);
	tied_sum_up(ret);
	if (tied_is_short(ret))
		count(batch, place, entry, judgement);
	return 0;
}

/* ---- events ---- */

static struct entry event_of(const char *instrument, const struct intake_told *told, int64_t now_ms)
{
	char at[CLOCK_TEXT_MAX];
	struct json *details = js_new_object();
	js_put_text(details, "item", told->item);
	js_put_text(details, "day", told->day);
	js_put_text(details, "state", told->state);
	js_put_integer(details, "samples", told->samples);
	js_put_text(details, "record", told->first);
	if (*told->control) {
		js_put_text(details, "control", told->control);
		js_put_text(details, "control_at", clock_text(at, told->control_ms));
	}
	return event_make("control_missing", instrument, details, now_ms);
}

void intake_tell_quality(struct intake_batch *batch)
{
	for (size_t i = 0; i < batch->quality.told_count; i++)
		batch->entries[batch->count++] =
			event_of(batch->from->id, &batch->quality.told[i], batch->reception.received_ms);
}

int intake_write_quality(const struct intake_batch *batch, struct db *db, struct fault *fault)
{
	int error = 0;
	for (size_t i = 0; i < batch->quality.count && !error; i++) {
		const struct intake_series *place = &batch->quality.list[i];
		if (place->entry && !place->entry->known)
			error = quality_write(&place->series, db, fault);
	}
	return error;
}

static int write_one(void *series, struct db *db, struct fault *fault)
{
	return quality_write(series, db, fault);
}

/* Tells what was counted on a day that is over; true when there may be more. */
static bool sweep_one(struct intake *intake, int *ret_error, struct fault *fault)
{
	struct series series;
	char today[CLOCK_TEXT_MAX];
	int64_t now_ms = clock_wall_ms();
	int found = quality_over(intake->quality, clock_text(today, now_ms), now_ms - QUIET_MS, &series, fault);
	*ret_error = found < 0 ? found : 0;
	if (found != 1)
		return false;
	struct intake_told told = { .state = "day_over", .samples = series.samples };
	memcpy(told.item, series.item, sizeof(told.item));
	memcpy(told.day, series.day, sizeof(told.day));
	memcpy(told.first, series.first, sizeof(told.first));
	series.samples = 0;
	struct entry event = event_of(series.instrument, &told, now_ms);
	*ret_error = journal_append_with(intake->journal, &event, 1, NULL, NULL, write_one, &series, fault);
	free(event.body);
	return *ret_error == 0;
}

int intake_sweep_quality(struct intake *intake, struct fault *fault)
{
	int error = 0;
	if (!quality_enter_alone(intake->quality))
		return 0;
	while (sweep_one(intake, &error, fault))
		quality_refresh(intake->quality);
	quality_refresh(intake->quality);
	quality_leave(intake->quality);
	return error < 0 ? error : 0;
}
