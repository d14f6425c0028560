#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../drivers/text.h"
#include "clock.h"
#include "digest.h"
#include "facts.h"
#include "ident.h"
#include "json.h"
#include "judge.h"

struct draft { /* everything one record is made of */
	const struct instrument_config *instrument;
	const struct maker *maker;
	const struct reading *reading;
	const struct reception *reception;
	const struct registered *registered; /* or NULL */
	bool disagrees;                      /* the registration with the instrument, about the sample */
	struct reading completed;            /* with what only the registration says */
	struct judgement judgement;
};

/* Puts an object that has members; an empty one says nothing. */
static void put_filled(struct json *record, const char *key, struct json *object)
{
	if (js_count(object))
		js_put(record, key, object);
	else
		js_free(object);
}

static const char *first_of(const char *one, const char *other)
{
	return *one ? one : other;
}

static const char *serial_of(const struct maker *maker, const struct instrument_config *instrument)
{
	return first_of(maker->serial, instrument->maker.serial);
}

static void put_instrument(struct json *record, const struct draft *draft)
{
	const struct maker *said = draft->maker, *given = &draft->instrument->maker;
	struct json *object = js_new_object();
	js_put_text_if(object, "id", draft->instrument->id);
	js_put_text_if(object, "maker", first_of(said->maker, given->maker));
	js_put_text_if(object, "model", first_of(said->model, given->model));
	js_put_text_if(object, "serial", serial_of(said, draft->instrument));
	js_put_text_if(object, "driver", draft->instrument->driver->name);
	js_put_text_if(object, "profile", draft->instrument->profile_name);
	struct json *calibration = js_new_object();
	js_put_text_if(calibration, "certificate", draft->instrument->calibration.certificate);
	js_put_text_if(calibration, "until", draft->instrument->calibration.until);
	if (*draft->instrument->calibration.until)
		js_put_bool(calibration, "valid", draft->judgement.calibrated);
	put_filled(object, "calibration", calibration);
	js_put(record, "instrument", object);
}

/* ---- the sample ---- */

/* What the instrument said of the sample, under the names of facts. */
static struct sample_facts said_of(const struct reading *reading)
{
	struct sample_facts facts = { 0 };
	text_copy(facts.no, sizeof(facts.no), reading->sample_no);
	text_copy(facts.name, sizeof(facts.name), reading->sample_name);
	text_copy(facts.category, sizeof(facts.category), reading->sample_category);
	text_copy(facts.party, sizeof(facts.party), reading->party);
	text_copy(facts.origin, sizeof(facts.origin), reading->origin);
	return facts;
}

static bool differ(const struct sample_facts *one, const struct sample_facts *other)
{
	for (const struct fact *fact = facts_table; fact->name; fact++) {
		const char *a = fact_of(one, fact), *b = fact_of(other, fact);
		if (*a && *b && strcmp(a, b) != 0)
			return true;
	}
	return false;
}

/* The reading as the judge is to see it: what only the registration says of the sample is said. */
static void complete(struct reading *reading, const struct sample_facts *facts)
{
	if (!*reading->sample_no)
		text_copy(reading->sample_no, sizeof(reading->sample_no), facts->no);
	if (!*reading->sample_name)
		text_copy(reading->sample_name, sizeof(reading->sample_name), facts->name);
	if (!*reading->sample_category)
		text_copy(reading->sample_category, sizeof(reading->sample_category), facts->category);
	if (!*reading->party)
		text_copy(reading->party, sizeof(reading->party), facts->party);
	if (!*reading->origin)
		text_copy(reading->origin, sizeof(reading->origin), facts->origin);
}

static void put_sample(struct json *record, const struct draft *draft)
{
	const struct registered *registered = draft->registered;
	struct sample_facts said = said_of(draft->reading);
	struct json *object = js_new_object();
	for (const struct fact *fact = facts_table; fact->name; fact++) {
		const char *text = fact_of(&said, fact);
		if (!*text && registered && !draft->disagrees)
			text = fact_of(registered->facts, fact);
		js_put_text_if(object, fact->name, text);
	}
	if (js_count(object))
		js_put_text(object, "bound_by",
			!registered || draft->disagrees || *said.no ? "instrument" : registered->by);
	if (registered && !draft->disagrees) {
		js_put_text(object, "registered_by", registered->by);
	} else if (registered) {
		struct json *other = js_new_object();
		facts_put(other, registered->facts);
		js_put_text(other, "registered_by", registered->by);
		js_put(object, "registered", other);
	}
	put_filled(record, "sample", object);
}

void record_put_commodity(struct json *record, const struct judgement *judgement)
{
	struct json *object = js_new_object();
	js_remove(record, "commodity");
	if (judgement->commodity) {
		js_put_text_if(object, "code", judgement->commodity->code);
		js_put_text_if(object, "name", judgement->commodity->name);
		js_put_text_if(object, "category", judgement->commodity->category);
	}
	put_filled(record, "commodity", object);
}

static void put_item(struct json *record, const struct draft *draft)
{
	const struct judgement *judgement = &draft->judgement;
	struct json *object = js_new_object();
	js_put_text_if(object, "code", judgement->item ? judgement->item->code : "");
	js_put_text_if(object, "name", judgement->item ? judgement->item->name : judgement->item_name);
	js_put_text_if(object, "as_sent", draft->reading->item);
	put_filled(record, "item", object);
	js_put_text_if(record, "method", judgement->method);
	js_put_text_if(record, "basis", judgement->basis);
}

/* What was compared, where that is not what was displayed. */
static void put_judged(struct json *record, const struct judgement *judgement)
{
	struct json *judged = js_new_object();
	js_put_text_if(judged, "value", *judgement->judged_unit ? judgement->judged_value : "");
	js_put_text_if(judged, "unit", judgement->judged_unit);
	put_filled(record, "judged", judged);
}

static void put_limit(struct json *record, const struct limit *limit)
{
	struct json *object = js_new_object();
	js_put_text_if(object, "op", limit->op);
	js_put_text_if(object, "value", limit->value);
	js_put_text_if(object, "unit", limit->unit);
	js_put_text_if(object, "source", limit->source);
	js_put_text_if(object, "edition", limit->edition);
	put_filled(record, "limit", object);
}

static void put_value(struct json *record, const struct draft *draft)
{
	const struct reading *reading = draft->reading;
	const struct judgement *judgement = &draft->judgement;
	bool rewritten = strcmp(judgement->value, reading->value) != 0; /* "+5" became "5", or it is no number */
	js_put_text_if(record, "value", judgement->value);
	js_put_text_if(record, "qualifier", judgement->qualifier);
	js_put_text_if(record, "unit", judgement->unit);
	js_put_text_if(record, "value_as_sent",
		!*reading->value_as_sent && rewritten ? reading->value : reading->value_as_sent);
	if (strcmp(judgement->unit, reading->unit) != 0)
		js_put_text_if(record, "unit_as_sent", reading->unit);
	put_judged(record, judgement);
	struct json *signals = js_new_object();
	for (size_t i = 0; i < reading->signal_count; i++)
		js_put_text_too(signals, reading->signals[i].name, reading->signals[i].value);
	put_filled(record, "signals", signals);
	struct json *recomputed = js_new_object();
	if (*judgement->recomputed_name)
		js_put_text(recomputed, judgement->recomputed_name, judgement->recomputed);
	if (judgement->compared)
		js_put_bool(recomputed, "agrees", judgement->agrees);
	put_filled(record, "recomputed", recomputed);
}

static void put_verdict(struct json *record, const struct draft *draft)
{
	const struct judgement *judgement = &draft->judgement;
	put_limit(record, &judgement->limit);
	js_put_text(record, "verdict", verdict_name(judgement->verdict));
	js_put_text_if(record, "verdict_by", judgement->verdict_by);
	js_put_text_if(record, "verdict_as_sent", draft->reading->verdict_as_sent);
	js_put_text_if(record, "rule", judgement->rule);
}

void record_put_judgement(struct json *record, const struct judgement *judgement)
{
	static const char *const keys[] = { "judged", "limit", "verdict_by", "rule" };
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		js_remove(record, keys[i]);
	put_judged(record, judgement);
	put_limit(record, &judgement->limit);
	js_put_text(record, "verdict", verdict_name(judgement->verdict));
	js_put_text_if(record, "verdict_by", judgement->verdict_by);
	js_put_text_if(record, "rule", judgement->rule);
}

static void put_operator(struct json *record, const struct draft *draft)
{
	const struct operator* person = draft->judgement.person;
	const struct reading *reading = draft->reading;
	struct json *object = js_new_object();
	js_put_text_if(object, "id", person ? person->id : reading->operator_id);
	js_put_text_if(object, "name", person ? person->name : reading->operator_name);
	js_put_text_if(object, "certificate", person ? person->certificate : "");
	if (person)
		js_put_bool(object, "valid", draft->judgement.certified);
	if (person && *person->trained)
		js_put_bool(object, "trained", draft->judgement.trained);
	put_filled(record, "operator", object);
}

static void put_lots(struct json *record, const struct draft *draft)
{
	const struct judgement *judgement = &draft->judgement;
	struct json *list = js_new_array();
	for (size_t i = 0; i < judgement->lot_count; i++) {
		const struct lot_used *used = &judgement->lots[i];
		struct json *object = js_new_object();
		js_put_text(object, "lot", used->number);
		js_put_text_if(object, "kind", used->lot ? lot_kind_name(used->lot->kind) : "");
		js_put_text_if(object, "expires", used->expires);
		if (*used->expires)
			js_put_bool(object, "valid", used->good);
		js_put_text(object, "by", used->by_instrument ? "instrument" : "station");
		js_append(list, object);
	}
	put_filled(record, "lots", list);
}

static void put_times(struct json *record, const struct draft *draft)
{
	const struct judgement *judgement = &draft->judgement;
	char text[CLOCK_TEXT_MAX], tested[CLOCK_TEXT_MAX];
	if (judgement->tested) {
		/* the instrument's own digits, and its zone, or the station's offset from UTC at that time */
		const char *zone = draft->reading->tested_zone;
		clock_text(text, judgement->tested_ms);
		snprintf(tested, sizeof(tested), "%.19s%.6s", draft->reading->tested_at,
			*zone ? zone : text + strlen(text) - 6);
		js_put_text(record, "tested_at", tested);
	}
	js_put_text(record, "received_at", clock_text(text, draft->reception->received_ms));
	struct json *object = js_new_object();
	js_put_bool(object, "synced", draft->reception->clock_synced);
	if (draft->reception->up_ms)
		js_put_integer(object, "up_ms", draft->reception->up_ms);
	if (judgement->skew_by != SKEW_UNKNOWN) {
		js_put_integer(object, "skew_s", judgement->skew_s);
		js_put_text(object, "skew_by", skew_by_name(judgement->skew_by));
	}
	js_put(record, "clock", object);
}

/* Of a sample, the controls it was measured under; of a control, whether it is valid. */
static void put_quality(struct json *record, const struct draft *draft, const struct tied *tied)
{
	const struct judgement *judgement = &draft->judgement;
	struct json *object = tied ? tied_told(tied) : NULL;
	if (judgement->control == CONTROL_VALID || judgement->control == CONTROL_FAILED) {
		object = js_new_object();
		js_put_text(object, "state", control_state_name(judgement->control));
		if (judgement->expected != VERDICT_NONE)
			js_put_text(object, "expected", verdict_name(judgement->expected));
		js_put_text_if(object, "rule", judgement->control_rule);
	}
	if (object)
		js_put(record, "qc", object);
}

static void put_flags(struct json *record, const struct draft *draft, const struct tied *tied)
{
	const struct judgement *judgement = &draft->judgement;
	struct json *flags = js_new_array();
	if (draft->disagrees)
		js_append(flags, js_new_text("sample_disagrees"));
	for (size_t i = 0; i < judgement->flag_count; i++)
		js_append(flags, js_new_text(judgement->flags[i]));
	if (tied && tied->state == CONTROL_FAILED)
		js_append(flags, js_new_text("control_failed"));
	if (tied && tied_is_short(tied))
		js_append(flags, js_new_text("no_valid_control"));
	js_put(record, "flags", flags);
}

static void put_raw(struct json *record, const struct draft *draft)
{
	const struct reading *reading = draft->reading;
	const struct driver *driver = draft->instrument->driver;
	char decoder[64];
	snprintf(decoder, sizeof(decoder), "%s/%u", driver->name, driver->version);
	js_put_text(record, "decoder", decoder);
	if (!reading->raw_length)
		return;
	size_t head = reading->raw_head_length, length = head + reading->raw_length;
	uint8_t *raw = malloc(length);
	char *base64 = malloc(4 * ((length + 2) / 3) + 1);
	if (!raw || !base64)
		abort();
	if (head > 0)
		memcpy(raw, reading->raw_head, head);
	memcpy(raw + head, reading->raw, reading->raw_length);
	js_put_text(record, "raw", digest_base64(raw, length, base64));
	free(base64);
	free(raw);
}

static bool shown(const char *said, const struct json *object)
{
	for (size_t i = 0; i < 2; i++) {
		const char *text = js_get_text(object, i ? "name" : "id");
		if (text && strcmp(text, said) == 0)
			return true;
	}
	return false;
}

/* "< 60 % GB 2763": the instrument's limit where the record's verdict goes by another, or where it is no limit. */
static void put_said_limit(struct json *said, const struct reading *reading)
{
	const char *const parts[] = { reading->limit_op, reading->limit_value, reading->limit_unit,
		reading->limit_source };
	char limit[160] = "";
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (*parts[i])
			snprintf(limit + strlen(limit), sizeof(limit) - strlen(limit), "%s%s", *limit ? " " : "",
				parts[i]);
	js_put_text_too(said, "limit", limit);
}

/* What the instrument said and no other member shows. */
static void put_said(struct json *record, const struct draft *draft)
{
	const struct reading *reading = draft->reading;
	const struct judgement *judgement = &draft->judgement;
	struct json *said = js_new_object(), *operator= js_get(record, "operator");
	for (size_t i = 0; i < reading->said_count; i++)
		js_put_text_too(said, reading->said[i].name, reading->said[i].value);
	if (*reading->operator_id && !shown(reading->operator_id, operator))
		js_put_text_too(said, "operator_id", reading->operator_id);
	if (*reading->operator_name && !shown(reading->operator_name, operator))
		js_put_text_too(said, "operator_name", reading->operator_name);
	if (!judgement->tested)
		js_put_text_too(said, "tested_at", reading->tested_at);
	if (!judgement->limit_said)
		put_said_limit(said, reading);
	if (!*judgement->value && *reading->value_as_sent)
		js_put_text_too(said, "value", reading->value);
	if (!*judgement->qualifier)
		js_put_text_too(said, "qualifier", reading->qualifier);
	js_put_text_too(said, "firmware", draft->maker->firmware);
	put_filled(record, "said", said);
}

static struct json *make_json(const struct draft *draft, const struct repeat *repeat, const struct tied *tied)
{
	const struct reading *reading = draft->reading;
	struct json *record = js_new_object();
	js_put_text(record, "kind", kind_name(reading->kind));
	js_put_integer(record, "test_seq", repeat->test_seq);
	js_put_text_if(record, "retest_of", repeat->of);
	put_instrument(record, draft);
	js_put_text_if(record, "instrument_seq", reading->instrument_seq);
	if (reading->channel >= 0)
		js_put_integer(record, "channel", reading->channel);
	put_sample(record, draft);
	record_put_commodity(record, &draft->judgement);
	put_item(record, draft);
	put_value(record, draft);
	put_verdict(record, draft);
	put_operator(record, draft);
	put_lots(record, draft);
	put_times(record, draft);
	put_quality(record, draft, tied);
	put_flags(record, draft, tied);
	put_raw(record, draft);
	put_said(record, draft);
	return record;
}

/* It may have been read before the serial number was written down, and before the station had its code. */
static void other_ids(struct entry *entry, const char *code, const struct former_codes *former,
	const struct instrument_config *instrument, const struct maker *maker, const struct reading *reading)
{
	bool written = !*maker->serial && *instrument->maker.serial;
	size_t count = 0;
	for (size_t i = 0; i <= (former ? former->count : 0); i++) {
		const char *then = i == 0 ? code : former->list[i - 1];
		if (i > 0)
			ident_of_reading(
				entry->other_ids[count++], then, serial_of(maker, instrument), instrument->id, reading);
		if (written)
			ident_of_reading(entry->other_ids[count++], then, "", instrument->id, reading);
	}
}

void record_identify(const struct config *config, const struct former_codes *former,
	const struct instrument_config *instrument, const struct maker *maker, const struct reading *reading,
	const struct reception *reception, struct entry *ret)
{
	struct entry entry = { .kind = reading->kind == KIND_SAMPLE ? ENTRY_RESULT : ENTRY_QC };
	const char *code = config->station.code;
	if (reading->repeatable) {
		ident_of_reading(entry.id, code, serial_of(maker, instrument), instrument->id, reading);
		other_ids(&entry, code, former, instrument, maker, reading);
	} else {
		ident_random(entry.id, reception->received_ms);
	}
	*ret = entry;
}

struct draft *record_draft(const struct config *config, const struct instrument_config *instrument,
	const struct maker *maker, const struct reading *reading, const struct reception *reception,
	const struct registered *registered)
{
	struct draft *draft = malloc(sizeof(*draft));
	if (!draft)
		abort();
	*draft = (struct draft){
		.instrument = instrument,
		.maker = maker,
		.reading = reading,
		.reception = reception,
		.registered = registered,
		.completed = *reading,
	};
	if (registered) {
		struct sample_facts said = said_of(reading);
		draft->disagrees = differ(&said, registered->facts);
		if (!draft->disagrees)
			complete(&draft->completed, registered->facts);
	}
	struct judgement judgement;
	judge(config, instrument, &draft->completed, reception, &judgement);
	draft->judgement = judgement;
	return draft;
}

const struct judgement *record_judgement(const struct draft *draft)
{
	return &draft->judgement;
}

bool record_is_registered(const struct draft *draft)
{
	return draft->registered && !draft->disagrees;
}

const struct reading *record_reading(const struct draft *draft)
{
	return &draft->completed;
}

void record_write(struct draft *draft, const struct repeat *repeat, const struct tied *tied, struct entry *entry)
{
	static const struct repeat first = { .test_seq = 1 };
	struct json *record = make_json(draft, repeat ? repeat : &first, tied);
	entry->body = js_dump(record);
	js_free(record);
	memmove(entry->body, entry->body + 1,
		strlen(entry->body)); /* the journal writes the head, with the opening brace */
	free(draft);
}

void record_make(const struct config *config, const struct instrument_config *instrument, const struct maker *maker,
	const struct reading *reading, const struct reception *reception, const struct registered *registered,
	struct entry *entry)
{
	record_write(record_draft(config, instrument, maker, reading, reception, registered), NULL, NULL, entry);
}
