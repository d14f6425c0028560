/* How far each instrument's clock is from ours: what the line knows of it, and an event when it is too far and when it
 * is right again. What was announced is written down with the event, so that a restart announces nothing twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "line_parts.h"

#define LOOK_MS 10000 /* between two looks at a clock that is told at every poll */

struct skew_moment line_moment(void)
{
	return (struct skew_moment){ .wall_ms = clock_wall_ms(), .steady_ms = clock_ms(), .synced = clock_synced() };
}

void line_clock_told(struct unit *unit)
{
	if (!*unit->instrument.clock)
		return;
	if (clock_ms() >= unit->clock_due_ms) {
		const struct skew_moment now = line_moment();
		int64_t there_s = clock_parse_local(unit->instrument.clock);
		if (there_s >= 0)
			skew_told(&unit->skew, there_s * 1000, &now);
		unit->clock_due_ms = now.steady_ms + LOOK_MS;
	}
	unit->instrument.clock[0] = '\0';
}

void line_clock_results(
	struct line *line, struct unit *unit, const struct intake_batch *batch, const struct skew_moment *then)
{
	bool listens = driver_manner(unit->instrument.driver, unit->instrument.profile) != MANNER_ASKS &&
	               unit->config->port.kind != PORT_FOLDER;
	for (size_t i = 0; i < line->readings.count; i++) {
		const char *tested = line->readings.list[i].tested_at;
		int64_t tested_s = *tested && intake_batch_is_new(batch, i) ? clock_parse_local(tested) : -1;
		if (tested_s >= 0)
			skew_result(&unit->skew, tested_s * 1000, unit->attended || listens, then);
	}
}

/* ---- what was announced ---- */

#define PLACE_MAX (CONFIG_NAME_MAX + 8)

static void place_of(const struct unit *unit, char out[static PLACE_MAX])
{
	snprintf(out, PLACE_MAX, "clock:%s", unit->config->id);
}

static void read_announced(struct line *line, struct unit *unit)
{
	char place[PLACE_MAX], cursor[CURSOR_MAX] = "";
	long long since_ms = 0;
	place_of(unit, place);
	journal_cursor(line->journal, place, cursor, NULL);
	unit->skew.alarmed = sscanf(cursor, "wrong since=%lld", &since_ms) == 1;
	unit->skew.alarmed_since_ms = since_ms;
	unit->skew_read = true;
}

static struct json *details_of(const struct unit *unit, const struct skew_known *known)
{
	char since[CLOCK_TEXT_MAX];
	struct json *details = js_new_object();
	js_put_integer(details, "skew_s", known->skew_s);
	js_put_text(details, "skew_by", skew_by_name(known->by));
	if (known->by != SKEW_BY_FUTURE)
		js_put_integer(details, "within_s", known->within_s);
	js_put_text(details, "since", clock_text(since, known->since_ms));
	js_put_integer(details, "alarm_s", unit->config->skew_alarm_ms / 1000);
	return details;
}

static const char *how(enum skew_by by)
{
	switch (by) {
	case SKEW_BY_CLOCK:
		return _("as it says itself");
	case SKEW_BY_FUTURE:
		return _("or more: a result was tested in our future");
	default:
		return _("as the times of its results show");
	}
}

static void say(const struct unit *unit, enum skew_change change, const struct skew_known *known)
{
	long long seconds = llabs(known->skew_s);
	if (change == SKEW_OVER)
		log_notice(_("%s: its clock is right again, within %lld s"), unit->config->id, seconds);
	else if (known->skew_s < 0)
		log_warning(_("%s: its clock is %lld min %lld s slow, %s: set it"), unit->config->id, seconds / 60,
			seconds % 60, how(known->by));
	else
		log_warning(_("%s: its clock is %lld min %lld s fast, %s: set it"), unit->config->id, seconds / 60,
			seconds % 60, how(known->by));
}

static int tell(struct line *line, struct unit *unit, enum skew_change change, const struct skew_known *known)
{
	char place[PLACE_MAX], announced[CURSOR_MAX];
	struct fault fault;
	place_of(unit, place);
	snprintf(announced, sizeof(announced), change == SKEW_BEGAN ? "wrong since=%lld" : "right since=%lld",
		(long long)known->since_ms);
	int error = intake_event_kept(line->intake, change == SKEW_BEGAN ? "clock_skew" : "clock_skew_over",
		unit->config->id, details_of(unit, known), place, announced, &fault);
	if (error && complaint_due(&line->clock_complaint))
		log_error(_("%s: event %s waits: %s"), unit->config->id, "clock_skew", fault.text);
	return error;
}

static void report(struct line *line, struct unit *unit, const struct skew_known *known)
{
	const struct clock_report *was = &unit->clock; /* only this thread writes it */
	if (was->known.by == known->by && was->known.skew_s == known->skew_s && was->alarmed == unit->skew.alarmed)
		return;
	pthread_mutex_lock(&line->lock);
	unit->clock = (struct clock_report){ *known, unit->skew.alarmed, unit->skew.alarmed_since_ms };
	pthread_mutex_unlock(&line->lock);
}

void line_clock_announce(struct line *line, struct unit *unit)
{
	if (!unit->skew_read)
		read_announced(line, unit);
	if (!unit->skew.looked && !unit->skew.alarmed)
		return; /* nothing was ever seen of its clock */
	bool synced = clock_synced();
	const struct skew_known known = skew_now(&unit->skew, synced);
	enum skew_change change = skew_change(&unit->skew, unit->config->skew_alarm_ms, synced);
	if (change != SKEW_SAME && tell(line, unit, change, &known) == 0) {
		skew_announced(&unit->skew, change);
		say(unit, change, &known);
	}
	report(line, unit, &known);
}
