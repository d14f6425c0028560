/* How far each instrument's clock is from ours: what the line knows of it, an event when it is too far and when it is
 * right again, and setting it where the station wishes that.
 *
 * What was announced stands in the journal beside the cursor of the instrument, in words:
 *
 *     wrong since=1772674980118 set=1772671380000 before=-421 untold
 *
 * It is written with the event, so that a restart announces nothing twice; and before a clock is set, so that a restart
 * in that moment still tells of it: `set` is when, `before` the skew until then, `untold` that the event is owed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "line_parts.h"

#define LOOK_MS      10000         /* between two looks at a clock that is told at every poll */
#define SET_FROM_S   30            /* a clock that is less off is left alone */
#define SET_AGAIN_MS (6 * 3600000) /* one that does not keep its time is not set at every poll */

struct skew_moment line_moment(void)
{
	return (struct skew_moment){ .wall_ms = clock_wall_ms(), .steady_ms = clock_ms(), .synced = clock_synced() };
}

/* What came of setting the clock: the next time it tells is the new one. */
static void take_setting(struct unit *unit)
{
	if (unit->instrument.setting == CLOCK_SET) {
		skew_forget(&unit->skew);
		unit->clock_due_ms = 0;
		unit->set.taken = true;
	} else if (unit->instrument.setting == CLOCK_REFUSED) {
		unit->set.untold = false;
		unit->set.unwritten = true;
	} else {
		return;
	}
	unit->instrument.setting = CLOCK_LEFT;
}

void line_clock_told(struct unit *unit)
{
	take_setting(unit);
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
		const struct reading *reading = &line->readings.list[i];
		int64_t tested_s = *reading->tested_at && intake_batch_is_new(batch, i)
		                           ? clock_parse(reading->tested_at, reading->tested_zone)
		                           : -1;
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

static void write_row(const struct unit *unit, bool alarmed, int64_t since_ms, char out[static CURSOR_MAX])
{
	int used = snprintf(out, CURSOR_MAX, "%s since=%lld", alarmed ? "wrong" : "right", (long long)since_ms);
	if (unit->set.at_ms)
		snprintf(out + used, CURSOR_MAX - (size_t)used, " set=%lld before=%lld%s", (long long)unit->set.at_ms,
			(long long)unit->set.before_s, unit->set.untold ? " untold" : "");
}

static void read_row(struct line *line, struct unit *unit)
{
	char place[PLACE_MAX], row[CURSOR_MAX] = "", word[8] = "", last[8] = "";
	long long since_ms = 0, set_ms = 0, before_s = 0;
	place_of(unit, place);
	journal_cursor(line->journal, place, row, NULL);
	sscanf(row, "%7s since=%lld set=%lld before=%lld %7s", word, &since_ms, &set_ms, &before_s, last);
	unit->skew.alarmed = strcmp(word, "wrong") == 0;
	unit->skew.alarmed_since_ms = since_ms;
	unit->set.at_ms = set_ms;
	unit->set.before_s = before_s;
	unit->set.untold = strcmp(last, "untold") == 0;
	unit->skew_read = true;
}

/* Without an event. */
static int keep_row(struct line *line, struct unit *unit)
{
	char place[PLACE_MAX], row[CURSOR_MAX];
	struct fault fault;
	place_of(unit, place);
	write_row(unit, unit->skew.alarmed, unit->skew.alarmed_since_ms, row);
	int error = journal_append(line->journal, NULL, 0, place, row, &fault);
	unit->set.unwritten = error < 0;
	return error;
}

static int tell(struct line *line, struct unit *unit, const char *event, struct json *details, const char *row)
{
	char place[PLACE_MAX];
	struct fault fault;
	place_of(unit, place);
	int error = intake_event_kept(line->intake, event, unit->config->id, details, place, row, &fault);
	if (error && complaint_due(&line->clock_complaint))
		log_error(_("%s: event %s waits: %s"), unit->config->id, event, fault.text);
	return error;
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

static void announce_change(
	struct line *line, struct unit *unit, enum skew_change change, const struct skew_known *known)
{
	char row[CURSOR_MAX];
	if (change == SKEW_SAME)
		return;
	write_row(unit, change == SKEW_BEGAN, known->since_ms, row);
	if (tell(line, unit, change == SKEW_BEGAN ? "clock_skew" : "clock_skew_over", details_of(unit, known), row) !=
		0)
		return;
	skew_announced(&unit->skew, change);
	say(unit, change, known);
}

/* ---- setting it ---- */

/* A wish that a break overtook: what it went by may not be so any more. */
static void take_back(struct unit *unit)
{
	unit->instrument.setting = CLOCK_LEFT;
	unit->set.untold = false;
	unit->set.at_ms = 0;
	unit->set.unwritten = true;
}

void line_clock_wish(struct line *line, struct unit *unit)
{
	if (unit->instrument.setting == CLOCK_WISHED && !unit->attended)
		take_back(unit);
	if (!unit->config->set_clock || !unit->skew_read || !unit->attended || unit->set.untold ||
		unit->instrument.setting != CLOCK_LEFT)
		return;
	const struct skew_known known = skew_now(&unit->skew, clock_synced());
	int64_t now_ms = clock_wall_ms();
	bool lately = unit->set.at_ms && llabs(now_ms - unit->set.at_ms) < SET_AGAIN_MS;
	if (known.by != SKEW_BY_CLOCK || llabs(known.skew_s) < SET_FROM_S || lately)
		return;
	unit->set.at_ms = now_ms;
	unit->set.before_s = known.skew_s;
	unit->set.untold = true;
	unit->set.taken = false;
	if (keep_row(line, unit) == 0)
		unit->instrument.setting = CLOCK_WISHED;
	else
		unit->set.untold = unit->set.unwritten = false, unit->set.at_ms = 0;
}

static struct json *set_details(const struct unit *unit, const struct skew_known *known)
{
	char text[CLOCK_TEXT_MAX];
	int64_t now_ms = clock_wall_ms();
	struct json *details = js_new_object();
	js_put_integer(details, "by_ms", (known->skew_s - unit->set.before_s) * 1000);
	js_put_text(details, "before", clock_text(text, now_ms + unit->set.before_s * 1000));
	js_put_text(details, "after", clock_text(text, now_ms + known->skew_s * 1000));
	js_put_integer(details, "skew_s", known->skew_s);
	js_put_text(details, "skew_by", skew_by_name(known->by));
	js_put_integer(details, "within_s", known->within_s);
	return details;
}

/* Once the clock has told what time it is now. */
static void announce_setting(struct line *line, struct unit *unit, const struct skew_known *known)
{
	char row[CURSOR_MAX];
	if (!unit->set.untold || unit->instrument.setting != CLOCK_LEFT || known->by != SKEW_BY_CLOCK)
		return;
	unit->set.untold = false;
	if (!unit->set.taken && llabs(known->skew_s - unit->set.before_s) < SET_FROM_S) {
		unit->set.at_ms = 0; /* the gateway ended before it was asked for */
		unit->set.unwritten = true;
		return;
	}
	write_row(unit, unit->skew.alarmed, unit->skew.alarmed_since_ms, row);
	if (tell(line, unit, "clock_set", set_details(unit, known), row) != 0) {
		unit->set.untold = true;
		return;
	}
	if (llabs(known->skew_s) < SET_FROM_S)
		log_notice(_("%s: its clock was set, from %lld s beside ours to %lld s"), unit->config->id,
			(long long)unit->set.before_s, (long long)known->skew_s);
	else
		log_warning(_("%s: its clock was set, and does not keep it: %lld s beside ours before, %lld s now"),
			unit->config->id, (long long)unit->set.before_s, (long long)known->skew_s);
}

/* ---- all of it ---- */

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
		read_row(line, unit);
	if (!unit->skew.looked && !unit->skew.alarmed)
		return; /* nothing was ever seen of its clock */
	bool synced = clock_synced();
	const struct skew_known known = skew_now(&unit->skew, synced);
	announce_setting(line, unit, &known);
	announce_change(line, unit, skew_change(&unit->skew, unit->config->skew_alarm_ms, synced), &known);
	if (unit->set.unwritten)
		keep_row(line, unit);
	report(line, unit, &known);
}
