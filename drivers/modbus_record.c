/* The registers of one result -> reading.
 *
 * First whether they are one result at all: checksum of the window, running number as selected, mark of validity. A
 * window caught while the instrument was writing it fails one of them and is refused whole; nothing is taken from it.
 */
#include "modbus.h"

#include <stdio.h>
#include <string.h>

#include "checksum.h"
#include "profile_words.h"

enum modbus_order modbus_order_now(const struct instrument *instrument, const struct modbus_field *field)
{
	const struct modbus_options *options = instrument->options;
	const struct modbus_profile *profile = instrument->profile;
	if (field->own_order)
		return field->order;
	if (field->count == 1 || field->form == MODBUS_TEXT)
		return MODBUS_ABCD; /* an order of registers says nothing about one register, nor about text */
	return options && options->order > 0 ? (enum modbus_order)(options->order - 1) : profile->order;
}

struct bytes modbus_registers(const struct instrument *instrument, const struct modbus_field *field)
{
	const struct modbus_profile *profile = instrument->profile;
	const struct modbus_state *state = instrument->state;
	if (profile->pages.given)
		return bytes_of(state->image + state->record_at + field->address, field->bytes);
	int place = modbus_plan_place(&state->plans[field->group], field->address);
	if (place < 0 || place + field->count > MODBUS_IMAGE_MAX)
		return bytes_of(NULL, 0);
	return bytes_of(state->image + MODBUS_BYTES(place), field->bytes);
}

static struct modbus_value value_of(const struct instrument *instrument, const struct modbus_field *field)
{
	struct modbus_value value;
	modbus_value_read(field, modbus_order_now(instrument, field), modbus_registers(instrument, field), &value);
	return value;
}

static const uint8_t *window_bytes(const struct modbus_profile *profile, const struct modbus_state *state)
{
	return state->image + MODBUS_BYTES(modbus_plan_place(&state->plans[MODBUS_RECORD], profile->window.address));
}

static bool crc_holds(const struct modbus_profile *profile, const struct modbus_state *state)
{
	if (!profile->window.crc_given)
		return true;
	const uint8_t *window = window_bytes(profile, state);
	size_t covered = MODBUS_BYTES(profile->window.crc - profile->window.address);
	struct bytes sent = bytes_of(window + covered, 2);
	/* CRC-16 of Modbus, its low byte first as at the end of every RTU frame. */
	return bytes_u16le(&sent) == checksum_crc16(window, covered);
}

/* Memory that was never written. */
static bool is_erased(const struct modbus_state *state)
{
	size_t length = MODBUS_BYTES(state->plans[MODBUS_RECORD].registers);
	for (size_t i = 0; i < length; i++)
		if (state->image[i] != 0xFF)
			return false;
	return true;
}

static bool means(const struct modbus_field *field, uint64_t bits, enum modbus_meaning meaning)
{
	for (size_t i = 0; i < field->sentinel_count; i++)
		if (field->sentinels[i].bits == bits && field->sentinels[i].meaning == meaning)
			return true;
	return false;
}

static enum modbus_outcome check_record(
	const struct instrument *instrument, const uint32_t *expected, char reason[static MODBUS_SENTENCE_MAX])
{
	const struct modbus_profile *profile = instrument->profile;
	const struct modbus_state *state = instrument->state;
	const struct modbus_field *valid = modbus_field_of(profile, MODBUS_VALID);
	const struct modbus_field *sequence = modbus_field_of(profile, MODBUS_SEQUENCE);
	/* A transfer gone wrong can look like erased memory once, not twice. */
	if (valid && means(valid, 0xFFFF, MODBUS_MEANS_ABSENT) && state->tries > 0 && is_erased(state))
		return MODBUS_BLANK;
	if (!crc_holds(profile, state)) {
		snprintf(reason, MODBUS_SENTENCE_MAX, _("the checksum of the window is wrong"));
		return MODBUS_TORN;
	}
	uint32_t number = sequence ? modbus_number(sequence, modbus_order_now(instrument, sequence),
					     modbus_registers(instrument, sequence))
	                           : 0;
	if (expected && sequence && number != *expected) {
		snprintf(reason, MODBUS_SENTENCE_MAX, _("the window shows result %u, asked for %u"), number, *expected);
		return MODBUS_TORN;
	}
	uint64_t code = valid ? value_of(instrument, valid).bits : 0;
	if (!valid || means(valid, code, MODBUS_MEANS_GOOD))
		return MODBUS_TAKEN;
	if (means(valid, code, MODBUS_MEANS_ABSENT))
		return MODBUS_BLANK;
	snprintf(reason, MODBUS_SENTENCE_MAX, _("the window is not marked valid (0x%04X)"), (unsigned)code);
	return MODBUS_TORN;
}

static void take_word(const struct modbus_profile *profile, const struct modbus_field *field,
	const struct modbus_value *value, struct reading *reading)
{
	if (value->saying != MODBUS_SAYS)
		return;
	const char *word = modbus_map_word(profile, field->name, value);
	bool is_sign = field->size == sizeof(reading->qualifier); /* "<" or ">=": a bare code would be no sign */
	if (is_sign && !word && field->form != MODBUS_TEXT)
		reading_said(reading, field->name, value->text);
	else
		text_copy((char *)reading + field->offset, field->size, word ? word : value->text);
}

static void take_kind(const struct modbus_profile *profile, const struct modbus_value *value, struct reading *reading)
{
	const char *word = modbus_map_word(profile, "kind", value), *more = "";
	if (!word || !profile_kind_word(word, &reading->kind, &more)) {
		/* Not known to be a sample: it must not pass for one, and must not vanish. */
		reading->kind = KIND_QC;
		reading_said(reading, "kind", value->as_sent);
	}
	if (*more)
		reading_said(reading, kind_name(reading->kind), more);
}

static void take_retest(const struct modbus_profile *profile, const struct modbus_value *value, struct reading *reading)
{
	const char *word = modbus_map_word(profile, "retest", value);
	bool retest = false, known = word && profile_retest_word(word, &retest);
	if (retest)
		reading->marks |= READING_RETEST;
	if (retest || !known)
		reading_said(reading, "retest", value->as_sent);
}

static void take_verdict(
	const struct modbus_profile *profile, const struct modbus_value *value, struct reading *reading)
{
	const char *word = modbus_map_word(profile, "verdict", value);
	text_copy(reading->verdict_as_sent, sizeof(reading->verdict_as_sent), value->as_sent);
	if (word)
		profile_verdict_word(word, &reading->verdict);
}

/* A value sent as text may carry its qualifier: "<0.5". */
static void take_value_text(const struct modbus_value *value, struct reading *reading)
{
	size_t sign = strspn(value->text, "<>=");
	const char *number = value->text + sign + strspn(value->text + sign, " ");
	if (sign >= sizeof(reading->qualifier) || !decimal_valid(number) || strlen(number) >= sizeof(reading->value))
		return;
	memcpy(reading->qualifier, value->text, sign);
	reading->qualifier[sign] = '\0';
	memcpy(reading->value, number, strlen(number) + 1);
}

static void take_value(struct instrument *instrument, const struct modbus_field *field, struct modbus_value *value,
	struct reading *reading)
{
	static const char *const names[] = { "ABCD", "CDAB", "BADC", "DCBA" };
	text_copy(reading->value_as_sent, sizeof(reading->value_as_sent), value->as_sent);
	if (!*reading->unit)
		text_copy(reading->unit, sizeof(reading->unit), field->unit);
	if (value->saying == MODBUS_SAYS_OVER)
		reading->marks |= READING_OUT_OF_RANGE;
	if (field->form == MODBUS_TEXT)
		take_value_text(value, reading);
	else if (value->saying == MODBUS_SAYS && !value->implausible)
		text_copy(reading->value, sizeof(reading->value), value->text);
	if (!value->implausible)
		return;
	/* Another order would give a sensible number: ours is probably wrong, and it is not for us to guess. */
	enum modbus_order order = modbus_order_now(instrument, field);
	for (enum modbus_order other = MODBUS_ABCD; other <= MODBUS_DCBA; other++) {
		struct modbus_value guess;
		modbus_value_read(field, other, modbus_registers(instrument, field), &guess);
		if (other != order && guess.saying == MODBUS_SAYS && !guess.implausible) {
			char said[64];
			snprintf(said, sizeof(said), "%s: %.40s", names[other], guess.text);
			reading_said(reading, "other_order", said);
		}
	}
	reading_said(reading, "implausible", *value->text ? value->text : value->as_sent);
}

static void take_channel(const struct modbus_value *value, struct reading *reading)
{
	long channel;
	if (value->saying == MODBUS_SAYS && modbus_parse_long(value->text, strlen(value->text), 0, 65535, &channel))
		reading->channel = (int)channel;
	else if (*value->text)
		reading_said(reading, "channel", value->text);
}

static void take_field(struct instrument *instrument, const struct modbus_field *field, struct reading *reading)
{
	const struct modbus_profile *profile = instrument->profile;
	struct modbus_value value = value_of(instrument, field);
	const char *word = modbus_map_word(profile, field->name, &value);
	if (value.marks & TEXT_CUT)
		reading->marks |= READING_TEXT_CUT;
	if (value.marks & TEXT_BAD)
		reading->marks |= READING_TEXT_BAD;
	switch (field->role) {
	case MODBUS_SEQUENCE:
		text_copy(reading->instrument_seq, sizeof(reading->instrument_seq), value.text);
		break;
	case MODBUS_CHANNEL:
		take_channel(&value, reading);
		break;
	case MODBUS_KIND:
		take_kind(profile, &value, reading);
		break;
	case MODBUS_RETEST:
		take_retest(profile, &value, reading);
		break;
	case MODBUS_VERDICT:
		take_verdict(profile, &value, reading);
		break;
	case MODBUS_TIME:
		text_copy(reading->tested_at, sizeof(reading->tested_at), value.text);
		if (value.saying == MODBUS_SAYS_INVALID)
			reading_said(reading, "time", value.as_sent); /* no such day or hour: kept as it came */
		break;
	case MODBUS_VALUE:
		take_value(instrument, field, &value, reading);
		break;
	case MODBUS_DECIMAL:
		if (value.saying == MODBUS_SAYS && decimal_valid(value.text))
			text_copy((char *)reading + field->offset, field->size, value.text);
		break;
	case MODBUS_WORD:
		take_word(profile, field, &value, reading);
		break;
	case MODBUS_SIGNAL:
		if (value.implausible)
			reading_said(reading, "implausible", value.as_sent);
		else if (value.saying == MODBUS_SAYS)
			reading_signal(reading, field->name, value.text);
		break;
	case MODBUS_SAID:
		if (value.saying == MODBUS_SAYS)
			reading_said(reading, field->name, word ? word : value.text);
		break;
	default:
		break;
	}
}

static void take_bytes(const struct modbus_profile *profile, const struct modbus_state *state, struct reading *reading)
{
	reading->raw = state->image + (profile->pages.given ? state->record_at : 0);
	reading->raw_length = profile->pages.given ? (size_t)profile->pages.record
	                                           : MODBUS_BYTES(state->plans[MODBUS_RECORD].registers);
	/* Where nothing but the trigger tells one result from the next, each reading is its own. */
	reading->repeatable = !modbus_is_triggered(profile) || modbus_field_of(profile, MODBUS_TIME);
	reading->repeat = *reading->tested_at ? 0 : state->rounds;
	reading->identity = reading->raw;
	reading->identity_length = reading->raw_length;
	if (profile->window.given) {
		reading->identity = window_bytes(profile, state) + MODBUS_BYTES(profile->window.identity_at);
		reading->identity_length = MODBUS_BYTES(profile->window.identity_count);
	}
}

enum modbus_outcome modbus_record_read(struct instrument *instrument, const uint32_t *expected,
	struct readings *readings, char reason[static MODBUS_SENTENCE_MAX])
{
	const struct modbus_profile *profile = instrument->profile;
	struct modbus_state *state = instrument->state;
	enum modbus_outcome outcome = check_record(instrument, expected, reason);
	struct reading *reading = outcome == MODBUS_TAKEN ? readings_add(readings) : NULL;
	if (!reading)
		return outcome;
	for (size_t i = 0; i < profile->field_count; i++)
		if (profile->fields[i].group == MODBUS_RECORD)
			take_field(instrument, &profile->fields[i], reading);
	if (expected && !*reading->instrument_seq)
		snprintf(reading->instrument_seq, sizeof(reading->instrument_seq), "%u", *expected);
	bool implausible = false;
	for (size_t i = 0; i < reading->said_count; i++) {
		if (strcmp(reading->said[i].name, "implausible") != 0)
			continue;
		implausible = true;
		modbus_tell(instrument->state, readings, MODBUS_TOLD_ORDER, NOTICE_INSTRUMENT_FAULT,
			_("%s is no plausible measurement: the word order is probably wrong; set order (ABCD, CDAB, BADC, "
			  "DCBA) as on the instrument"),
			reading->said[i].value);
	}
	if (!implausible)
		state->told &= ~(unsigned)MODBUS_TOLD_ORDER;
	/* No number where one belongs, and no word of the instrument about it: the test gave no result. */
	if (modbus_field_of(profile, MODBUS_VALUE) && !*reading->value && reading->verdict == VERDICT_NONE)
		reading->verdict = VERDICT_INVALID;
	if (state->calibration_due)
		reading->marks |= READING_CALIBRATION_DUE;
	if (*state->clock)
		reading_said(reading, "clock", state->clock);
	if (*state->trigger)
		reading_said(reading, "trigger", state->trigger);
	take_bytes(profile, state, reading);
	return outcome;
}

uint16_t modbus_record_mark(const struct reading *reading)
{
	char words[256];
	int length = snprintf(words, sizeof(words), "%s|%d|%.90s|%s", reading->tested_at, reading->channel,
		reading->item, reading->value_as_sent);
	return checksum_crc16((const uint8_t *)words, (size_t)length);
}
