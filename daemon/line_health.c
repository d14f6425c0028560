/* Who on the line is there: counters, the last fault, and an event when it changes. */
#include <string.h>

#include "clock.h"
#include "line_parts.h"

void line_note(struct line *line, struct unit *unit, const struct fault *fault)
{
	bool well = !fault || !fault->text[0];
	if (well && !unit->fault.text[0]) /* only this thread writes it: nothing to lock for in every turn */
		return;
	pthread_mutex_lock(&line->lock);
	if (well)
		unit->fault.text[0] = 0;
	else
		unit->fault = *fault;
	pthread_mutex_unlock(&line->lock);
}

/* Tells the journal what changed since it was told last. When it cannot take it, the next turn tries again. */
void line_announce(struct line *line, struct unit *unit)
{
	if (unit->lost == unit->announced)
		return;
	struct fault fault;
	struct json *details = js_new_object();
	if (unit->lost)
		js_put_text_if(details, "reason", unit->fault.text);
	else
		js_put_integer(details, "away_s", (clock_ms() - unit->lost_ms) / 1000);
	const char *event = unit->lost ? "instrument_lost" : "instrument_back";
	if (intake_event(line->intake, event, unit->config->id, details, &fault) == 0)
		unit->announced = unit->lost;
	else if (complaint_due(&line->store_complaint))
		log_error(_("%s: event %s waits: %s"), unit->config->id, event, fault.text);
}

static void well(struct line *line, struct unit *unit)
{
	if (unit->stats.health == HEALTH_OK && !unit->silent && !unit->lost && !line->failures)
		return;
	unit->silent = 0;
	unit->wait_ms = 0;
	line->failures = 0;
	line->open_wait_ms = 0;
	unit->stats.health = HEALTH_OK;
	line_note(line, unit, NULL);
	if (complaint_over(&line->link_complaint))
		log_notice(_("%s: connected again"), unit->config->port.text);
	if (complaint_over(&unit->complaint))
		log_notice(_("%s: answers again"), unit->config->id);
	unit->lost = false;
	line_announce(line, unit);
}

void line_heard(struct line *line, struct unit *unit)
{
	unit->stats.last_heard_ms = clock_ms();
	line_noise_over(unit);
	well(line, unit);
	line_note(line, unit, NULL); /* also the link's loss, when another was heard first */
}

void line_listening(struct line *line, struct unit *unit)
{
	struct fault fault;
	if (link_is_connected(line->link))
		well(line, unit);
	else if (unit->stats.health != HEALTH_NO_LINK)
		unit->stats.health = HEALTH_NO_LINK;
	if (unit->stats.health == HEALTH_OK) /* not lost: it need not say a word for days */
		line_note(line, unit, line_noise_only(unit, &fault) ? &fault : NULL);
}

void line_lost(struct line *line, struct unit *unit, enum instrument_health health, const struct fault *fault)
{
	unit->stats.health = (int)health;
	line_note(line, unit, fault);
	if (!unit->lost) {
		unit->lost = true;
		unit->lost_ms = clock_ms();
	}
	line_announce(line, unit);
}
