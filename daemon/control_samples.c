#include "control_samples.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "intake.h"
#include "record_read.h"
#include "settings_words.h"

#define SAMPLES_AT_ONCE 1000
#define RESULTS_MAX     1000
#define LIFETIME_MAX_MS (7 * 86400000LL)
#define LIFETIME_MS     1800000
#define LISTED_MAX      10000

enum identity_rule control_identity_rule(struct room *room)
{
	struct config *config = room_config(room);
	enum identity_rule rule = (enum identity_rule)config->samples.identity;
	config_release(config);
	return rule;
}

static int unknown_fact(const char *name, struct fault *fault)
{
	char words[256] = "", nearest[64], known[256];
	for (const struct fact *fact = facts_table; fact->name; fact++) {
		size_t used = strlen(words);
		snprintf(words + used, sizeof(words) - used, "%s%s", used ? "|" : "", fact->name);
	}
	if (words_nearest(name, words, nearest, sizeof(nearest)))
		return fault_set(fault, EINVAL, _("a sample has no '%s'; did you mean '%s'?"), name, nearest);
	return fault_set(
		fault, EINVAL, _("a sample has no '%s'; it has %s"), name, words_listed(words, known, sizeof(known)));
}

static int read_sample(
	const struct json *object, bool bound, enum identity_rule rule, struct sample_facts *facts, struct fault *fault)
{
	const char *name;
	const struct json *value;
	bool said = false;
	for (size_t i = 0; (value = js_member(object, i, &name)); i++) {
		const struct fact *fact = fact_find(name);
		const char *text = js_text_of(value);
		if (!fact)
			return unknown_fact(name, fault);
		if (!text)
			return fault_set(fault, EINVAL, _("%s is no text"), name);
		int error = fact_set(facts, fact, text, rule, fault);
		if (error)
			return error;
		said = said || *fact_of(facts, fact);
	}
	if (!said)
		return fault_set(
			fault, EINVAL, _("nothing is said of the sample; give its number, or what is known of it"));
	if (!bound && !*facts->no)
		return fault_set(fault, EINVAL,
			_("a sample without a number belongs to no result; give its number, or --next INSTRUMENT"));
	return 0;
}

int control_check_instrument(const struct config *config, const char *id, struct fault *fault)
{
	char list[4096] = "", nearest[64], known[4096];
	for (size_t i = 0; i < config->instrument_count; i++) {
		const struct instrument_config *instrument = &config->instruments[i];
		size_t used = strlen(list);
		if (instrument->driver->scans)
			continue;
		if (strcmp(instrument->id, id) == 0)
			return 0;
		snprintf(list + used, sizeof(list) - used, "%s%s", used ? "|" : "", instrument->id);
	}
	if (words_nearest(id, list, nearest, sizeof(nearest)))
		return fault_set(fault, EINVAL, _("there is no instrument '%s'; did you mean '%s'?"), id, nearest);
	return fault_set(fault, EINVAL, _("there is no instrument '%s'; there are %s"), id,
		words_listed(list, known, sizeof(known)));
}

/* What is the same for every sample of a request. */
static int read_binding(
	struct room *room, const struct json *request, struct intake_registration *ret, struct fault *fault)
{
	const char *next = js_get_text(request, "next");
	*ret = (struct intake_registration){
		.by = "register",
		.names = next ? next : "",
		.results = (long)js_get_integer(request, "results", 1),
		.lifetime_ms = js_get_integer(request, "lifetime_ms", LIFETIME_MS),
		.queues = js_get_bool(request, "queue", false),
	};
	if (ret->results < 0 || ret->results > RESULTS_MAX)
		return fault_set(fault, EINVAL, _("results counts from 0 (until the next sample) to %d"), RESULTS_MAX);
	if (ret->lifetime_ms < 1000 || ret->lifetime_ms > LIFETIME_MAX_MS)
		return fault_set(fault, EINVAL, _("a sample waits between one second and seven days for its results"));
	if (!next)
		return 0;
	struct config *config = room_config(room);
	int error = control_check_instrument(config, next, fault);
	config_release(config);
	return error;
}

/* The sentence of one sample among several says which. */
static int name_row(size_t row, size_t count, int error, struct fault *fault)
{
	struct fault told = *fault;
	return count == 1 ? error : fault_set(fault, -error, _("sample %zu: %s"), row + 1, told.text);
}

static int read_samples(const struct json *samples, const struct intake_registration *binding, enum identity_rule rule,
	struct intake_registration *list, size_t count, struct fault *fault)
{
	for (size_t i = 0; i < count; i++) {
		list[i] = *binding;
		int error = read_sample(js_at(samples, i), *binding->names != '\0', rule, &list[i].facts, fault);
		if (error)
			return name_row(i, count, error, fault);
	}
	return 0;
}

static int register_all(struct room *room, const struct json *request, size_t count, struct fault *fault)
{
	struct intake_registration binding;
	int error = read_binding(room, request, &binding, fault);
	if (error)
		return error;
	if (count > 1 && *binding.names && !binding.queues)
		return fault_set(
			fault, EINVAL, _("only one sample can be the next; with --queue they wait in their order"));
	struct intake_registration *list = calloc(count, sizeof(*list));
	if (!list)
		return fault_set(fault, ENOMEM, _("out of memory"));
	error = read_samples(js_get(request, "samples"), &binding, control_identity_rule(room), list, count, fault);
	if (!error)
		error = intake_register(room_intake(room), list, count, fault);
	free(list);
	return error;
}

struct json *control_register(struct room *room, const struct json *request, struct fault *fault)
{
	const struct json *samples = js_get(request, "samples");
	size_t count = js_is_array(samples) ? js_count(samples) : 0;
	if (count == 0 || count > SAMPLES_AT_ONCE) {
		fault_set(fault, EINVAL, _("register takes 1 to %d samples"), SAMPLES_AT_ONCE);
		return NULL;
	}
	if (register_all(room, request, count, fault) != 0)
		return NULL;
	struct json *answer = js_new_object();
	js_put_integer(answer, "registered", (int64_t)count);
	return answer;
}

struct listing {
	struct json *list;
	int64_t holds_ms; /* of a number */
};

static int keep(void *context, struct json *sample)
{
	struct listing *listing = context;
	char until[CLOCK_TEXT_MAX];
	int64_t at_ms = record_time(js_text_in(sample, "at"));
	if (*js_text_in(sample, "no") && clock_possible(at_ms))
		js_put_text(sample, "until", clock_text(until, at_ms + listing->holds_ms));
	js_append(listing->list, sample);
	return 0;
}

struct json *control_samples(struct room *room, const struct json *request, struct fault *fault)
{
	int64_t last = js_get_integer(request, "last", 20);
	if (last < 1 || last > LISTED_MAX) {
		fault_set(fault, EINVAL, _("last counts from 1 to %d"), LISTED_MAX);
		return NULL;
	}
	struct config *config = room_config(room);
	struct listing listing = { js_new_array(), config->samples.number_holds_ms };
	config_release(config);
	if (samples_list(intake_samples(room_intake(room)), (long)last, keep, &listing, fault) == 0)
		return listing.list;
	js_free(listing.list);
	return NULL;
}
