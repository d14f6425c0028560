/* Which registered sample a result belongs to, and how samples come to be registered. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "event.h"
#include "ident.h"
#include "intake_parts.h"
#include "judge.h"

#define PENDING_MAX 64 /* bindings of one instrument that one batch may use */

/* ---- results ---- */

struct matching { /* a batch, and what it uses up of the instrument's bindings */
	struct intake_batch *batch;
	struct binding *pending;
	size_t count;
};

static bool earlier_in(const struct intake_batch *batch, const struct entry *entry)
{
	for (size_t i = 0; i < batch->count; i++)
		if (strcmp(batch->entries[i].id, entry->id) == 0)
			return true;
	return false;
}

/* What is known uses nothing up, and is nobody's retest. */
int intake_is_known(
	const struct intake_batch *batch, const struct reading *reading, const struct entry *entry, struct fault *fault)
{
	if (!reading->repeatable)
		return 0;
	if (earlier_in(batch, entry))
		return 1;
	return samples_entry_known(batch->intake->samples, entry, fault);
}

static struct binding *first_open(struct matching *matching)
{
	for (size_t i = 0; i < matching->count; i++) {
		struct binding *binding = &matching->pending[i];
		if (binding->results == 0 || binding->used < binding->results)
			return binding;
	}
	return NULL;
}

/* The registration for one result into `ret`: 1, 0 for none, -errno. What it uses up is noted with `entry`. */
static int match(struct matching *matching, const struct reading *reading, const struct entry *entry,
	struct registration *ret, struct fault *fault)
{
	struct samples *samples = matching->batch->intake->samples;
	struct sample_changes *changes = &matching->batch->changes;
	if (reading->kind != KIND_SAMPLE) /* blanks and controls are nobody's sample */
		return 0;
	struct binding *binding = first_open(matching);
	int known = binding ? intake_is_known(matching->batch, reading, entry, fault) : 0;
	if (known != 0)
		return known < 0 ? known : 0;
	if (binding) {
		struct sample_change *use = samples_change(changes, SAMPLE_USED, entry, binding->sample.id);
		use->row = binding->row;
		use->results = binding->results;
		use->used = ++binding->used;
		*ret = binding->sample;
		return 1;
	}
	if (!*reading->sample_no)
		return 0;
	const struct intake_batch *batch = matching->batch;
	int found = samples_of_test(samples, reading->sample_no, judge_tested_ms(reading, &batch->reception),
		batch->config->samples.number_holds_ms, ret, fault);
	if (found == 1)
		samples_change(changes, SAMPLE_USED, entry, ret->id);
	return found;
}

static int make_record(struct matching *matching, const struct reading *reading, struct fault *fault)
{
	struct intake_batch *batch = matching->batch;
	size_t index = batch->count;
	struct entry *place = &batch->entries[index];
	struct registration sample;
	struct samples *samples = batch->intake->samples;
	int found = samples && samples_any(samples) ? match(matching, reading, place, &sample, fault) : 0;
	if (found < 0)
		return found;
	struct registered registered = { sample.by, &sample.facts };
	struct draft *draft = record_draft(batch->config, batch->from, &batch->instrument->maker, reading,
		&batch->reception, found ? &registered : NULL);
	struct repeat repeat;
	struct tied tied = { 0 };
	int error = intake_match_retest(batch, draft, place, &repeat, fault);
	if (!error)
		error = intake_match_quality(batch, index, draft, place, &tied, fault);
	record_write(draft, &repeat, &tied, place);
	batch->count++; /* what it holds is freed also after a failure */
	return error;
}

static int read_pending(struct matching *matching, struct fault *fault)
{
	struct samples *samples = matching->batch->intake->samples;
	matching->pending = calloc(PENDING_MAX, sizeof(*matching->pending));
	if (!matching->pending)
		return fault_set(fault, ENOMEM, _("out of memory"));
	long count = samples_pending(samples, matching->batch->from->id, matching->pending, PENDING_MAX, fault);
	matching->count = count < 0 ? 0 : (size_t)count;
	return count < 0 ? (int)count : 0;
}

int intake_make_records(struct intake_batch *batch, struct fault *fault)
{
	struct samples *samples = batch->intake->samples;
	struct matching matching = { .batch = batch };
	int error = 0;
	if (samples && batch->readings->count > 0 && samples_any(samples)) {
		batch->holds = true;
		samples_hold(samples);
		if (samples_bound(samples))
			error = read_pending(&matching, fault);
	}
	for (size_t i = 0; i < batch->readings->count; i++)
		record_identify(batch->config, journal_former(batch->intake->journal), batch->from,
			&batch->instrument->maker, &batch->readings->list[i], &batch->reception, &batch->entries[i]);
	for (size_t i = 0; i < batch->readings->count && !error; i++)
		error = make_record(&matching, &batch->readings->list[i], fault);
	free(matching.pending);
	return error;
}

/* ---- registrations ---- */

/* A row is known by what it says, whatever the station's code was. */
static void identify_row(
	struct intake *intake, const char *station, const char *row, const char *instead, struct entry *entry)
{
	const struct former_codes *former = journal_former(intake->journal);
	ident_of_row(entry->id, station, row, instead);
	for (size_t i = 0; i < former->count; i++)
		ident_of_row(entry->other_ids[i], former->list[i], row, instead);
}

/* The event under whose id the sample is registered, with everything that changes with it. */
static void add_registration(struct intake *intake, const struct intake_registration *registration, int64_t now_ms,
	struct entry *entry, struct sample_changes *changes)
{
	struct json *details = js_new_object(), *facts = js_new_object(), *next = js_new_array();
	char instrument[CONFIG_NAME_MAX];
	const char *instead = registration->instead ? registration->instead : "";
	facts_put(facts, &registration->facts);
	js_put_text(details, "by", registration->by);
	js_put(details, "sample", facts);
	for (const char *at = registration->names; config_next_name(&at, instrument);)
		js_append(next, js_new_text(instrument));
	bool bound = js_count(next) > 0;
	js_put(details, "next", next);
	if (bound && registration->results)
		js_put_integer(details, "results", registration->results);
	if (bound)
		js_put_integer(details, "lifetime_s", registration->lifetime_ms / 1000);
	js_put_text_if(details, "instead", instead);
	*entry = event_make("sample_registered", registration->source ? registration->source : "", details, now_ms);
	if (registration->row)
		identify_row(intake, registration->station, registration->row, instead, entry);

	struct sample_change *change = samples_change(changes, SAMPLE_REGISTER, entry, entry->id);
	snprintf(change->by, sizeof(change->by), "%s", registration->by);
	change->facts = registration->facts;
	change->at_ms = now_ms;
	change->text = registration->text && *registration->text ? strdup(registration->text) : NULL;
	for (const char *at = registration->names; config_next_name(&at, instrument);) {
		change = samples_change(changes, SAMPLE_BIND, entry, entry->id);
		memcpy(change->instrument, instrument, sizeof(instrument));
		change->lifetime_ms = registration->lifetime_ms;
		change->results = registration->results;
		change->replaces = !registration->queues;
	}
}

static struct intake_registration of_scan(
	const struct scan *scan, const struct instrument_config *from, const char *station)
{
	const struct naming_config *naming = &from->naming;
	return (struct intake_registration){
		.by = scan->kind == SCAN_ROW ? "register" : "scanner",
		.source = from->id,
		.row = scan->kind == SCAN_ROW ? scan->text : NULL,
		.station = station,
		.facts = scan->facts,
		.text = scan->text,
		.names = naming->names,
		.results = naming->results,
		.lifetime_ms = naming->lifetime_ms,
		.queues = naming->order == NAMING_QUEUE,
	};
}

void intake_make_scans(struct intake_batch *batch)
{
	for (size_t i = 0; i < batch->readings->scan_count && batch->intake->samples; i++) {
		const struct intake_registration registration =
			of_scan(&batch->readings->scans[i], batch->from, batch->config->station.code);
		add_registration(batch->intake, &registration, batch->reception.received_ms,
			&batch->entries[batch->count++], &batch->changes);
	}
}

int intake_register(struct intake *intake, const struct intake_registration *list, size_t count, struct fault *fault)
{
	struct sample_changes changes = { 0 };
	struct entry *entries = calloc(count + 1, sizeof(*entries));
	if (!entries)
		return fault_set(fault, ENOMEM, _("out of memory"));
	for (size_t i = 0; i < count; i++)
		add_registration(intake, &list[i], clock_wall_ms(), &entries[i], &changes);
	int error = samples_append(intake->samples, entries, count, NULL, NULL, &changes, fault);
	for (size_t i = 0; i < count; i++)
		free(entries[i].body);
	free(entries);
	sample_changes_free(&changes);
	return error;
}

static bool same_facts(const struct sample_facts *a, const struct sample_facts *b)
{
	for (const struct fact *fact = facts_table; fact->name; fact++)
		if (strcmp(fact_of(a, fact), fact_of(b, fact)) != 0)
			return false;
	return true;
}

/* A row's text begins with its day. */
static bool of_later_day(int64_t at_ms, const char *row)
{
	char at[CLOCK_TEXT_MAX];
	return strncmp(clock_text(at, at_ms), row, sizeof("2026-03-05") - 1) > 0;
}

int intake_row_overtaken(
	struct intake *intake, const struct scan *row, char ret_by[static ENTRY_ID_MAX], struct fault *fault)
{
	struct registration holds;
	struct entry entry = { 0 };
	int found = intake->samples ? samples_by_number(intake->samples, row->facts.no, &holds, fault) : 0;
	if (found != 1 || same_facts(&holds.facts, &row->facts) || of_later_day(holds.at_ms, row->text))
		return found < 0 ? found : 0;
	struct config *config = intake_config(intake);
	identify_row(intake, config->station.code, row->text, "", &entry);
	config_release(config);
	memcpy(ret_by, holds.id, sizeof(holds.id));
	return samples_entry_known(intake->samples, &entry, fault);
}

int intake_register_again(
	struct intake *intake, const struct instrument_config *from, const struct scan *row, struct fault *fault)
{
	char holds[ENTRY_ID_MAX];
	int overtaken = intake_row_overtaken(intake, row, holds, fault);
	if (overtaken != 1)
		return overtaken;
	struct config *config = intake_config(intake);
	struct intake_registration registration = of_scan(row, from, config->station.code);
	registration.instead = holds;
	int error = intake_register(intake, &registration, 1, fault);
	config_release(config);
	return error;
}

/* ---- what nobody used ---- */

static struct entry make_unused(const struct sample_over *over)
{
	struct json *details = js_new_object(), *facts = js_new_object();
	facts_put(facts, &over->sample.facts);
	js_put_text(details, "registered", over->sample.id);
	js_put_text(details, "by", over->sample.by);
	js_put(details, "sample", facts);
	js_put_text(details, "reason",
		over->replaced ? _("the next sample took its place before any result came")
			       : _("no result came while it waited"));
	return event_make("scan_unused", over->instrument, details, clock_wall_ms());
}

/* One binding that is over. The event is told once for a sample, with the last of its bindings. */
static int end_binding(struct intake *intake, const struct sample_over *over, struct fault *fault)
{
	struct sample_changes changes = { 0 };
	struct entry entry = { 0 };
	bool tell = over->unused && over->last;
	if (tell)
		entry = make_unused(over);
	samples_change(&changes, SAMPLE_END, NULL, over->sample.id)->row = over->row;
	int error = samples_append(intake->samples, &entry, tell ? 1 : 0, NULL, NULL, &changes, fault);
	free(entry.body);
	sample_changes_free(&changes);
	return error;
}

int intake_sweep(struct intake *intake, struct fault *fault)
{
	struct sample_over over;
	int found = 0, error = 0;
	if (intake->quality && quality_waits(intake->quality) && (error = intake_sweep_quality(intake, fault)) < 0)
		return error;
	if (intake->retests && retests_any(intake->retests) && (error = intake_sweep_retests(intake, fault)) < 0)
		return error;
	if (!intake->samples || !samples_bound(intake->samples))
		return 0;
	while (!error && (found = samples_over(intake->samples, &over, fault)) == 1)
		error = end_binding(intake, &over, fault);
	return error ? error : found;
}

bool intake_awaits(const struct intake *intake)
{
	return (intake->samples && samples_bound(intake->samples)) ||
	       (intake->retests && retests_any(intake->retests)) || (intake->quality && quality_waits(intake->quality));
}
