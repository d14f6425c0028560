#include "intake_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "digest.h"
#include "event.h"
#include "ident.h"

#define RAW_MAX 4096 /* of bytes that could not be read, as much as an event carries */

struct intake *intake_new(struct journal *journal, struct config *config)
{
	struct intake *intake = calloc(1, sizeof(*intake));
	if (!intake)
		abort();
	intake->journal = journal;
	intake->config = config_hold(config);
	pthread_mutex_init(&intake->mutex, NULL);
	return intake;
}

void intake_free(struct intake *intake)
{
	if (!intake)
		return;
	config_release(intake->config);
	pthread_mutex_destroy(&intake->mutex);
	free(intake);
}

void intake_use_samples(struct intake *intake, struct samples *samples)
{
	intake->samples = samples;
}

void intake_use_retests(struct intake *intake, struct retests *retests)
{
	intake->retests = retests;
}

void intake_use_quality(struct intake *intake, struct quality *quality)
{
	intake->quality = quality;
}

struct retests *intake_retests(const struct intake *intake)
{
	return intake->retests;
}

struct samples *intake_samples(const struct intake *intake)
{
	return intake->samples;
}

void intake_reconfigure(struct intake *intake, struct config *config)
{
	pthread_mutex_lock(&intake->mutex);
	struct config *old = intake->config;
	intake->config = config_hold(config);
	pthread_mutex_unlock(&intake->mutex);
	config_release(old);
}

struct config *intake_config(struct intake *intake)
{
	pthread_mutex_lock(&intake->mutex);
	struct config *config = config_hold(intake->config);
	pthread_mutex_unlock(&intake->mutex);
	return config;
}

int64_t intake_retest_window(struct intake *intake)
{
	struct config *config = intake_config(intake);
	int64_t window_ms = config->station.retest_window_ms;
	config_release(config);
	return window_ms;
}

static struct entry notice_entry(const char *instrument, const struct notice *notice, int64_t now_ms)
{
	struct json *details = js_new_object();
	if (notice->first || notice->last) {
		js_put_integer(details, "first", notice->first);
		js_put_integer(details, "last", notice->last);
	}
	js_put_text_if(details, "reason", notice->reason);
	if (notice->raw_length) {
		char base64[4 * ((RAW_MAX + 2) / 3) + 1];
		size_t kept = notice->raw_length < RAW_MAX ? notice->raw_length : RAW_MAX;
		js_put_text(details, "raw", digest_base64(notice->raw, kept, base64));
		uint64_t whole = notice->length > notice->raw_length ? notice->length : notice->raw_length;
		if (notice->placed)
			js_put_integer(details, "offset", (int64_t)notice->offset);
		if (kept < whole) /* the event must not be taken for the whole */
			js_put_integer(details, "raw_length", (int64_t)whole);
	}
	if (notice->left_out)
		js_put_integer(details, "bytes_left_out", (int64_t)notice->left_out);
	if (notice->runs_not_kept) {
		js_put_integer(details, "runs_not_kept", (int64_t)notice->runs_not_kept);
		js_put_integer(details, "bytes_not_kept", (int64_t)notice->bytes_not_kept);
	}
	return event_make(notice_name(notice->kind), instrument, details, now_ms);
}

/* Everything one take() produced, as entries: readings first, in their order. A failure leaves nothing behind. */
static int make_entries(struct intake_batch *batch, struct fault *fault)
{
	int error = intake_make_records(batch, fault);
	if (error)
		return error;
	intake_make_scans(batch);
	batch->told = batch->count;
	intake_tell_retests(batch);
	intake_tell_quality(batch);
	for (size_t i = 0; i < batch->readings->notice_count; i++)
		batch->entries[batch->count++] =
			notice_entry(batch->from->id, &batch->readings->notices[i], batch->reception.received_ms);
	batch->made = true;
	return 0;
}

static void unmake_entries(struct intake_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		free(batch->entries[i].body);
	batch->count = 0;
	sample_changes_free(&batch->changes);
	retest_changes_free(&batch->retests);
	intake_quality_free(batch);
	if (batch->intake->retests)
		retests_release(batch->intake->retests, batch);
	if (batch->holds)
		samples_release(batch->intake->samples);
	batch->holds = false;
}

/* A clock that is set in this very moment counts as not set: time and mark must not be of its two sides. */
static struct reception receive(void)
{
	bool before = clock_synced();
	int64_t up_ms = clock_up_ms();
	struct reception reception = { .received_ms = clock_wall_ms() };
	reception.clock_synced = clock_synced() && before;
	if (!reception.clock_synced)
		reception.up_ms = up_ms;
	return reception;
}

struct intake_batch *intake_judge(struct intake *intake, const struct instrument_config *config,
	const struct instrument *instrument, const struct readings *readings)
{
	/* each reading may tell of a group of retests, and of a day before and its own without a control */
	size_t count = 4 * readings->count + readings->scan_count + readings->notice_count;
	struct intake_batch *batch = calloc(1, sizeof(*batch) + count * sizeof(batch->entries[0]));
	if (!batch)
		abort();
	batch->intake = intake;
	batch->config = intake_config(intake);
	batch->from = config;
	batch->instrument = instrument;
	batch->readings = readings;
	batch->reception = receive();
	return batch;
}

void intake_batch_clock(struct intake_batch *batch, const struct skew *skew)
{
	batch->reception.skew = skew_now(skew, batch->reception.clock_synced);
}

bool intake_batch_is_new(const struct intake_batch *batch, size_t index)
{
	return !batch->entries[index].known; /* readings stand first, in their order */
}

void intake_batch_free(struct intake_batch *batch)
{
	if (!batch)
		return;
	unmake_entries(batch);
	config_release(batch->config);
	free(batch);
}

/* A journal_beside: what changes with the batch's entries. */
static int write_beside(void *context, struct db *db, struct fault *fault)
{
	const struct intake_batch *batch = context;
	int error = retests_write(&batch->retests, db, fault);
	return error ? error : intake_write_quality(batch, db, fault);
}

int intake_store(
	struct intake *intake, struct intake_batch *batch, struct intake_result *ret_result, struct fault *fault)
{
	struct intake_result stored = { 0 };
	const char *cursor = batch->readings->cursor;
	int error = batch->made ? 0 : make_entries(batch, fault);
	if (!batch->made)
		unmake_entries(batch);
	if (batch->retests.count || batch->quality.changed) {
		batch->changes.also = write_beside;
		batch->changes.also_context = batch;
	}
	if (!error && (batch->changes.count || batch->changes.also))
		error = samples_append(intake->samples, batch->entries, batch->count, batch->from->id,
			*cursor ? cursor : NULL, &batch->changes, fault);
	else if (!error)
		error = journal_append(
			intake->journal, batch->entries, batch->count, batch->from->id, *cursor ? cursor : NULL, fault);
	if (batch->retests.count)
		retests_refresh(batch->intake->retests);
	if (batch->quality.changed)
		quality_refresh(batch->intake->quality);
	if (error)
		return error;
	for (size_t i = 0; i < batch->told; i++)
		if (batch->entries[i].known)
			stored.known++;
		else
			stored.stored++;
	*ret_result = stored;
	return 0;
}

static int append_event(
	struct intake *intake, struct entry entry, const char *name, const char *value, struct fault *fault)
{
	int result = journal_append(intake->journal, &entry, 1, name, value, fault);
	free(entry.body);
	return result < 0 ? result : 0;
}

int intake_event(
	struct intake *intake, const char *event, const char *instrument, struct json *details, struct fault *fault)
{
	struct entry entry = event_make(event, instrument ? instrument : "", details, clock_wall_ms());
	return append_event(intake, entry, NULL, NULL, fault);
}

int intake_event_kept(struct intake *intake, const char *event, const char *instrument, struct json *details,
	const char *name, const char *value, struct fault *fault)
{
	struct entry entry = event_make(event, instrument, details, clock_wall_ms());
	entry.alarm = !*instrument;
	return append_event(intake, entry, name, value, fault);
}

int intake_alarm(struct intake *intake, const char *event, struct json *details, struct fault *fault)
{
	struct entry entry = event_make(event, "", details, clock_wall_ms());
	entry.alarm = true;
	return append_event(intake, entry, NULL, NULL, fault);
}
