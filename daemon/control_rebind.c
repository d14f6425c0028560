#include "control_rebind.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../drivers/text.h"
#include "clock.h"
#include "control_samples.h"
#include "ident.h"
#include "intake.h"
#include "rebind.h"
#include "record_read.h"
#include "successor.h"

#define BY_MAX  64
#define WHY_MAX 200
#define RUN_MAX 64 /* entries read at once */

struct rebind {                /* a request, and what comes of it */
	struct config *config; /* held */
	struct journal_reader *reader;
	const char *instrument; /* NULL: any */
	struct registration registration;
	struct rebinding wish;
	char by[BY_MAX + 1], why[WHY_MAX + 1];
	struct successor list[REBIND_MAX];
	size_t count, same;
	struct fault *fault;
};

/* ---- what is asked for ---- */

/* What stands there of an identity number is masked, or refused with the order. */
static int guard(const char *name, enum identity_rule rule, char *text, struct fault *fault)
{
	int latest_birth = identity_latest_birth(clock_local().year);
	if (rule == IDENTITY_MASK)
		identity_mask(text, latest_birth);
	if (rule != IDENTITY_REFUSE || !identity_find(text, latest_birth, NULL))
		return 0;
	return fault_set(fault, EINVAL,
		_("%s: holds the number of a person's identity card, which is not kept; leave it out"), name);
}

static int read_words(
	const char *name, enum identity_rule rule, const char *text, size_t most, char *ret, struct fault *fault)
{
	if (!text || !*text)
		return fault_set(fault, EINVAL, _("say who orders the correction and why: --by NAME --why TEXT"));
	for (const char *at = text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7F)
			return fault_set(fault, EINVAL, _("%s is one line of text"), name);
	if (strlen(text) > most)
		return fault_set(fault, EINVAL, _("%s has at most %zu bytes"), name, most);
	strcpy(ret, text);
	return guard(name, rule, ret, fault);
}

static int read_wish(struct rebind *rebind, struct room *room, const struct json *request)
{
	const char *to = js_get_text(request, "to");
	struct fault *fault = rebind->fault;
	rebind->instrument = js_get_text(request, "instrument");
	rebind->wish.at_ms = clock_wall_ms();
	enum identity_rule rule = (enum identity_rule)rebind->config->samples.identity;
	rebind->wish.by = rebind->by;
	rebind->wish.why = rebind->why;
	int error = read_words("--by", rule, js_get_text(request, "by"), BY_MAX, rebind->by, fault);
	if (!error)
		error = read_words("--why", rule, js_get_text(request, "why"), WHY_MAX, rebind->why, fault);
	if (!error && rebind->instrument)
		error = control_check_instrument(rebind->config, rebind->instrument, fault);
	if (error || !to)
		return error;
	int found = samples_by_number(intake_samples(room_intake(room)), to, &rebind->registration, fault);
	rebind->wish.to = &rebind->registration;
	return found == 0 ? fault_set(fault, ENOENT,
				    _("no sample is registered under the number '%s'; register it first: assayctl "
				      "register %s name=..."),
				    to, to)
	                  : (found < 0 ? found : 0);
}

/* ---- one record ---- */

static bool listed(const struct rebind *rebind, const char *id)
{
	for (size_t i = 0; i < rebind->count; i++)
		if (strcmp(js_text_in(rebind->list[i].old, "id"), id) == 0)
			return true;
	return false;
}

static void add(struct rebind *rebind, struct json *record)
{
	struct successor *one = &rebind->list[rebind->count++];
	*one = (struct successor){ .old = record, .entry = { .kind = ENTRY_RESULT } };
	one->record = rebind_record(rebind->config, record, &rebind->wish);
	one->sample = rebind->wish.to ? rebind->wish.to->id : NULL;
	ident_of_successor(one->entry.id, js_text_in(record, "id"), 0);
}

static int too_many(const struct rebind *rebind)
{
	return fault_set(rebind->fault, E2BIG, _("at most %d results are corrected at once"), REBIND_MAX);
}

/* Takes the record over. */
static int take(struct rebind *rebind, struct json *record)
{
	const char *id = js_text_in(record, "id");
	if (!listed(rebind, id) && !rebind_is_done(record, rebind->wish.to)) {
		if (rebind->count == REBIND_MAX) {
			js_free(record);
			return too_many(rebind);
		}
		add(rebind, record);
		return 0;
	}
	rebind->same += !listed(rebind, id);
	js_free(record);
	return 0;
}

/* One that was named alone: whatever keeps it from being corrected is told. */
static int take_named(struct rebind *rebind, struct json *record, const char *name)
{
	char last[ENTRY_ID_MAX];
	struct json *now = NULL;
	int error = 0, superseded = successor_last(rebind->reader, js_text_in(record, "id"), last, rebind->fault);
	if (superseded > 0)
		superseded = successor_read(rebind->reader, last, &now, rebind->fault);
	if (superseded < 0)
		error = superseded;
	else if (js_get_text(record, "event"))
		error = fault_set(
			rebind->fault, EINVAL, _("%s is an event; only results of samples are corrected"), name);
	else if (!record_is_sample(record))
		error = fault_set(rebind->fault, EINVAL, _("%s is no result of a sample (%s); it belongs to none"),
			name, js_text_in(record, "kind"));
	else if (now && !rebind_is_done(now, rebind->wish.to))
		error = fault_set(rebind->fault, EEXIST, _("%s was superseded; correct its successor: %s"), name, last);
	if (error) {
		js_free(record);
		js_free(now);
		return error;
	}
	if (!now)
		return take(rebind, record);
	js_free(record);
	return take(rebind, now);
}

/* One of several: what is no result of a sample there, or of another instrument, is not meant. */
static int take_among(struct rebind *rebind, struct json *record)
{
	char last[ENTRY_ID_MAX];
	const char *from = js_text_in(js_get(record, "instrument"), "id");
	bool meant = record_is_sample(record) && (!rebind->instrument || strcmp(from, rebind->instrument) == 0);
	int superseded = meant ? successor_last(rebind->reader, js_text_in(record, "id"), last, rebind->fault) : 0;
	if (meant && superseded == 0)
		return take(rebind, record);
	js_free(record);
	if (superseded > 0)
		superseded = successor_read(rebind->reader, last, &record, rebind->fault);
	return superseded > 0 ? take(rebind, record) : superseded;
}

/* ---- which records ---- */

struct run { /* read before anything is looked up: a look-up overwrites the reader's own */
	uint64_t to;
	struct json *list[RUN_MAX];
	size_t count;
	uint64_t through;
};

static int keep(void *context, const struct stored *stored)
{
	struct run *run = context;
	if (stored->seq > run->to)
		return 1;
	run->through = stored->seq;
	struct json *entry = stored->kind == ENTRY_EVENT ? NULL : js_parse(stored->payload, stored->length, NULL);
	if (entry)
		run->list[run->count++] = entry;
	return 0;
}

static int take_run(struct rebind *rebind, uint64_t from, uint64_t to)
{
	struct run run = { .to = to, .through = from - 1 };
	long given = 1;
	int error = 0;
	while (given > 0 && !error) {
		uint64_t before = run.through;
		run.count = 0;
		given = journal_read(rebind->reader, run.through + 1, RUN_MAX, keep, &run, rebind->fault);
		for (size_t i = 0; i < run.count; i++)
			if (error)
				js_free(run.list[i]);
			else
				error = take_among(rebind, run.list[i]);
		if (given < 0 || run.through == before)
			break;
	}
	return given < 0 ? (int)given : error;
}

static int keep_only(void *context, const struct stored *stored)
{
	struct run *run = context;
	if (stored->seq == run->to)
		run->list[run->count++] = js_parse(stored->payload, stored->length, NULL);
	return 1;
}

static int read_named(struct rebind *rebind, const char *word, uint64_t seq, struct json **ret)
{
	struct run run = { .to = seq };
	long found = seq ? journal_read(rebind->reader, seq, 1, keep_only, &run, rebind->fault)
	                 : successor_read(rebind->reader, word, ret, rebind->fault);
	if (seq && found >= 0)
		*ret = run.count ? run.list[0] : NULL;
	if (found >= 0 && !*ret)
		return fault_set(
			rebind->fault, ENOENT, _("there is no entry %s; `assayctl list` shows the last ones"), word);
	return found < 0 ? (int)found : 0;
}

/* "18231", "18240-18247" or an id. */
static int take_word(struct rebind *rebind, const char *word)
{
	unsigned long long from = 0, to = 0;
	int used = 0;
	struct json *record = NULL;
	bool digits = isdigit((unsigned char)*word);
	if (digits && sscanf(word, "%19llu-%19llu%n", &from, &to, &used) == 2 && !word[used]) {
		if (from == 0 || to < from)
			return fault_set(rebind->fault, EINVAL, _("%s is no run of entries; write it as 17-24"), word);
		return take_run(rebind, from, to);
	}
	bool number = digits && sscanf(word, "%19llu%n", &from, &used) == 1 && !word[used];
	int error = read_named(rebind, word, number ? from : 0, &record);
	return error ? error : take_named(rebind, record, word);
}

/* "2026-03-05 09:40", with seconds or without, or today's "09:40", by the station's clock. */
static int read_time(const char *text, int64_t *ret_ms, struct fault *fault)
{
	char whole[64];
	struct date_time today = clock_local();
	const char *clock = strlen(text) > 11 && (text[10] == ' ' || text[10] == 'T') ? text + 11 : text;
	size_t length = strlen(clock);
	const char *seconds = length == 5 ? ":00" : "";
	snprintf(whole, sizeof(whole), "%04d-%02d-%02dT%.8s%s", today.year, today.month, today.day, clock, seconds);
	if (clock != text)
		memcpy(whole, text, 10);
	*ret_ms = length == 5 || length == 8 ? clock_parse_local(whole) * 1000 : -1;
	if (*ret_ms >= 0)
		return 0;
	return fault_set(fault, EINVAL, _("'%s' is no time; write it as '2026-03-05 09:40', or 09:40 for today"), text);
}

static int take_time(struct rebind *rebind, const char *since, const char *until)
{
	int64_t since_ms, until_ms = INT64_MAX;
	uint64_t first, last;
	if (!rebind->instrument)
		return fault_set(
			rebind->fault, EINVAL, _("say which instrument's results of that time: --instrument ID"));
	int error = read_time(since, &since_ms, rebind->fault);
	if (!error && until)
		error = read_time(until, &until_ms, rebind->fault);
	if (error)
		return error;
	error = journal_between(rebind->reader, since_ms, until_ms, &first, &last, rebind->fault);
	return error || first == 0 ? error : take_run(rebind, first, last);
}

static int take_all(struct rebind *rebind, const struct json *request)
{
	const struct json *records = js_get(request, "records");
	const char *since = js_get_text(request, "since");
	size_t count = js_is_array(records) ? js_count(records) : 0;
	int error = 0;
	if ((count > 0) == (since != NULL))
		return fault_set(rebind->fault, EINVAL,
			_("name the results by id or number, or by --instrument ID --since TIME --until TIME"));
	if (since)
		error = take_time(rebind, since, js_get_text(request, "until"));
	for (size_t i = 0; i < count && !error; i++) {
		const char *word = js_text_of(js_at(records, i));
		error = take_word(rebind, word ? word : "");
	}
	if (!error && rebind->count + rebind->same == 0)
		error = fault_set(rebind->fault, ENOENT, _("there is no result of a sample among those"));
	return error;
}

/* ---- the answer ---- */

static struct json *sample_of(const struct json *record)
{
	const struct json *sample = js_get(record, "sample");
	return sample ? js_copy(sample) : js_new_object();
}

static int send(struct json *line, int (*each)(void *context, const char *line, size_t length), void *context)
{
	char *text = js_dump(line);
	int result = each(context, text, strlen(text));
	free(text);
	js_free(line);
	return result ? -ECANCELED : 0;
}

static int tell(const struct rebind *rebind, int (*each)(void *context, const char *line, size_t length), void *context)
{
	int error = 0;
	for (size_t i = 0; i < rebind->count && !error; i++) {
		const struct successor *one = &rebind->list[i];
		struct json *line = js_new_object();
		js_put_integer(line, "seq", js_get_integer(one->old, "seq", 0));
		js_put_text(line, "id", js_text_in(one->old, "id"));
		js_put_text(line, "instrument", js_text_in(js_get(one->old, "instrument"), "id"));
		js_put(line, "was", sample_of(one->old));
		js_put(line, "is", sample_of(one->record));
		js_put_text(line, "verdict_was", js_text_in(one->old, "verdict"));
		js_put_text(line, "verdict", js_text_in(one->record, "verdict"));
		js_put_text(line, "new_id", one->entry.id);
		error = send(line, each, context);
	}
	if (error)
		return error;
	struct json *line = js_new_object();
	js_put_integer(line, "corrected", (int64_t)rebind->count);
	js_put_integer(line, "same", (int64_t)rebind->same);
	return send(line, each, context);
}

int control_rebind(struct room *room, struct journal_reader *reader, const struct json *request,
	int (*each)(void *context, const char *line, size_t length), void *context, struct fault *fault)
{
	struct rebind *rebind = calloc(1, sizeof(*rebind));
	if (!rebind)
		return fault_set(fault, ENOMEM, _("out of memory"));
	rebind->config = room_config(room);
	rebind->reader = reader;
	rebind->fault = fault;
	int error = read_wish(rebind, room, request);
	if (!error)
		error = take_all(rebind, request);
	if (!error && rebind->count && !js_get_bool(request, "dry_run", false))
		error = intake_supersede(room_intake(room), rebind->list, rebind->count, fault);
	if (!error)
		error = tell(rebind, each, context);
	for (size_t i = 0; i < rebind->count; i++) {
		js_free((struct json *)(uintptr_t)rebind->list[i].old);
		js_free(rebind->list[i].record);
	}
	config_release(rebind->config);
	free(rebind);
	return error;
}
