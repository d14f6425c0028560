/* What the room looks like now: the payload of the status topic and of `assayctl status`. */
#include <stdio.h>

#include "clock.h"
#include "day.h"
#include "room_parts.h"

static const char *health_name(int health)
{
	static const char *const names[] = { "starting", "ok", "silent", "no_link", "faulty" };
	return names[health];
}

static const char *state_name(int state)
{
	static const char *const names[] = { "down", "connecting", "up" };
	return names[state];
}

static void put_age(struct json *object, const char *key, long since_ms)
{
	if (since_ms)
		js_put_integer(object, key, (clock_ms() - since_ms) / 1000);
}

static void put_calibration(struct json *instrument, const struct calibration_config *calibration)
{
	char today[CLOCK_TEXT_MAX];
	if (!*calibration->certificate && !*calibration->until)
		return;
	struct json *it = js_new_object();
	js_put_text_if(it, "certificate", calibration->certificate);
	js_put_text_if(it, "until", calibration->until);
	if (*calibration->until)
		js_put_integer(it, "days_left", day_difference(clock_text(today, clock_wall_ms()), calibration->until));
	js_put(instrument, "calibration", it);
}

static void put_clock(struct json *it, struct line *line, size_t index)
{
	struct clock_report report;
	char since[CLOCK_TEXT_MAX];
	line_clock(line, index, &report);
	if (report.known.by == SKEW_UNKNOWN && !report.alarmed)
		return;
	struct json *clock = js_new_object();
	if (report.known.by != SKEW_UNKNOWN) {
		js_put_integer(clock, "skew_s", report.known.skew_s);
		js_put_text(clock, "skew_by", skew_by_name(report.known.by));
		if (report.known.by != SKEW_BY_FUTURE)
			js_put_integer(clock, "within_s", report.known.within_s);
	}
	js_put_bool(clock, "alarm", report.alarmed);
	if (report.alarmed)
		js_put_text(clock, "since", clock_text(since, report.alarmed_since_ms));
	js_put(it, "clock", clock);
}

static struct json *instrument_status(struct line *line, size_t index)
{
	const struct instrument_config *config = line_instrument(line, index);
	const struct instrument_stats *stats = line_stats(line, index);
	struct maker maker;
	struct fault fault;
	line_maker(line, index, &maker);
	line_fault(line, index, &fault);

	struct json *it = js_new_object();
	js_put_text(it, "health", health_name(stats->health));
	js_put_text(it, "driver", config->driver->name);
	js_put_text_if(it, "profile", config->profile_name);
	js_put_text(it, "port", config->port.text);
	js_put_text_if(it, "maker", maker.maker);
	js_put_text_if(it, "model", maker.model);
	js_put_text_if(it, "serial", maker.serial);
	js_put_text_if(it, "fault", fault.text);
	put_calibration(it, &config->calibration);
	put_clock(it, line, index);
	put_age(it, "last_heard_s", stats->last_heard_ms);
	put_age(it, "last_result_s", stats->last_result_ms);
	const struct {
		const char *name;
		unsigned long value;
	} counters[] = {
		{ "polls", stats->polls },
		{ "stored", stats->stored },
		{ "known", stats->known },
		{ "blanks", stats->blanks },
		{ "rejected", stats->rejected },
		{ "noise_bytes", stats->noise_bytes },
		{ "timeouts", stats->timeouts },
		{ "refusals", stats->refusals },
		{ "quarantines", stats->quarantines },
		{ "reopens", stats->reopens },
	};
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		js_put_integer(it, counters[i].name, (int64_t)counters[i].value);
	return it;
}

static int take_received(void *context, const struct stored *entry)
{
	*(int64_t *)context = entry->received_ms;
	return 1;
}

/* How long the oldest entry after `through` has been waiting, in seconds. */
static int64_t waiting_s(struct room *room, uint64_t through)
{
	int64_t received_ms = 0;
	if (journal_read(room->reader, through + 1, 1, take_received, &received_ms, NULL) != 1)
		return 0;
	int64_t age = (clock_wall_ms() - received_ms) / 1000;
	return age > 0 ? age : 0;
}

static struct json *target_status(struct room *room, struct publisher *publisher, uint64_t *backlog, int64_t *oldest_s)
{
	const struct target_config *config = publisher_target(publisher);
	const struct publisher_stats *stats = publisher_stats(publisher);
	uint64_t head = journal_head(room->journal), through = stats->through;
	struct journal_space space;
	journal_space(room->journal, &space);
	if (space.first && through < space.first - 1) /* a target that came later than what was removed */
		through = space.first - 1;
	uint64_t waiting = head > through ? head - through : 0;
	int64_t age = waiting ? waiting_s(room, through) : 0;
	*backlog = waiting > *backlog ? waiting : *backlog;
	*oldest_s = age > *oldest_s ? age : *oldest_s;

	struct fault fault;
	publisher_fault(publisher, &fault);
	struct json *it = js_new_object();
	js_put_text(it, "state", state_name(stats->state));
	js_put_text(it, "broker", config->broker);
	js_put_text_if(it, "fault", fault.text);
	js_put_text(it, "receipts", config->receipts == TARGET_RECEIPTS_REQUIRED ? "required" : "none");
	js_put_integer(it, "through", (int64_t)through);
	js_put_integer(it, "backlog", (int64_t)waiting);
	js_put_integer(it, "oldest_unsent_s", age);
	js_put_integer(it, "acknowledged", (int64_t)stats->acknowledged);
	js_put_integer(it, "refused", (int64_t)stats->refused);
	js_put_integer(it, "connects", (int64_t)stats->connects);
	js_put_integer(it, "requests", (int64_t)stats->requests);
	js_put_integer(it, "requests_refused", (int64_t)stats->requests_refused);
	js_put_integer(it, "receipts_taken", (int64_t)stats->receipts); /* `receipts` says whether they are required */
	return it;
}

static struct json *store_status(const struct caretaker_report *report)
{
	struct json *it = js_new_object();
	js_put_text(it, "level", report->level);
	js_put_integer(it, "size_bytes", (int64_t)report->disk.size);
	js_put_integer(it, "free_bytes", (int64_t)report->disk.free);
	js_put_integer(it, "used_percent", report->disk.used_percent);
	js_put_integer(it, "journal_bytes", (int64_t)report->space.bytes);
	js_put_integer(it, "journal_free_bytes", (int64_t)report->space.free_bytes);
	js_put_integer(it, "reserve_bytes", (int64_t)report->space.reserve_bytes);
	js_put_integer(it, "bytes_a_day", (int64_t)report->bytes_a_day);
	js_put_integer(it, "first_seq", (int64_t)report->space.first);
	js_put_integer(it, "failures", (int64_t)report->failures);
	return it;
}

static void put_waiting(void *context, const struct series *series)
{
	struct json *instrument = js_get(context, series->instrument), *list;
	if (!instrument)
		return;
	if (!js_get(instrument, "control_missing"))
		js_put(instrument, "control_missing", js_new_array());
	list = js_get(instrument, "control_missing");
	struct json *it = js_new_object();
	js_put_text(it, "item", series->item);
	js_put_text(it, "day", series->day);
	js_put_integer(it, "samples", series->samples);
	js_append(list, it);
}

struct json *room_status(struct room *room)
{
	struct json *status = js_new_object(), *instruments = js_new_object(), *targets = js_new_object();
	uint64_t backlog = 0;
	int64_t oldest_s = 0;
	pthread_mutex_lock(&room->lock);
	for (size_t i = 0; i < room->lines.count; i++) {
		struct line *line = room->lines.list[i].thread;
		for (size_t k = 0; k < line_count(line); k++)
			js_put(instruments, line_instrument(line, k)->id, instrument_status(line, k));
	}
	for (size_t i = 0; i < room->publishers.count; i++) {
		struct publisher *publisher = room->publishers.list[i].thread;
		js_put(targets, publisher_target(publisher)->name, target_status(room, publisher, &backlog, &oldest_s));
	}
	char now[CLOCK_TEXT_MAX];
	js_put_bool(status, "online", true);
	js_put_text(status, "version", ASSAYD_VERSION);
	js_put_text(status, "station", room->config->station.code);
	js_put_text_if(status, "name", room->config->station.name);
	js_put_text(status, "at", clock_text(now, clock_wall_ms()));
	js_put_bool(status, "clock_synced", clock_synced());
	js_put_integer(status, "uptime_s", (clock_ms() - room->started_ms) / 1000);
	js_put_text(status, "epoch", journal_epoch(room->journal));
	js_put_integer(status, "seq", (int64_t)journal_head(room->journal));
	js_put_integer(status, "backlog", (int64_t)backlog);
	js_put_integer(status, "oldest_unsent_s", oldest_s);
	pthread_mutex_unlock(&room->lock);
	struct caretaker_report report;
	caretaker_report(room->caretaker, &report);
	js_put_integer(status, "autonomy_days", report.autonomy_days);
	js_put(status, "store", store_status(&report));
	if (quality_waits(room->quality))
		quality_waiting(room->quality, put_waiting, instruments, NULL);
	js_put(status, "instruments", instruments);
	js_put(status, "targets", targets);
	return status;
}

void room_summary(struct room *room, char *out, size_t size)
{
	size_t heard = 0, all = 0;
	uint64_t waiting = 0, head = journal_head(room->journal);
	pthread_mutex_lock(&room->lock);
	for (size_t i = 0; i < room->lines.count; i++) {
		struct line *line = room->lines.list[i].thread;
		for (size_t k = 0; k < line_count(line); k++, all++)
			heard += line_stats(line, k)->health == HEALTH_OK;
	}
	for (size_t i = 0; i < room->publishers.count; i++) {
		uint64_t through = publisher_stats(room->publishers.list[i].thread)->through;
		waiting = head > through && head - through > waiting ? head - through : waiting;
	}
	pthread_mutex_unlock(&room->lock);
	snprintf(out, size, _("%zu of %zu instruments heard, %llu records waiting to be sent"), heard, all,
		(unsigned long long)waiting);
}
