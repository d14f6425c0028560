/* What the station keeps of its people and instruments, as far as it says something about a test. */
#include <stdio.h>
#include <string.h>

#include "../drivers/text.h"
#include "day.h"
#include "judge_parts.h"
#include "spellings.h"

static void flag(struct judgement *to, const char *name)
{
	judge_flag(to, name);
}

void judge_operator(const struct config *config, const struct instrument_config *instrument,
	const struct reading *reading, struct judgement *to)
{
	if (!config->operators || (!*reading->operator_id && !*reading->operator_name))
		return;
	to->person = operators_find(config->operators, reading->operator_id);
	if (!to->person)
		to->person = operators_find(config->operators, reading->operator_name);
	if (!to->person) {
		flag(to, "operator_unknown");
		return;
	}
	to->certified = operator_certified(to->person, to->day);
	if (!to->certified)
		flag(to, "operator_expired");
	const struct training test = { config->items, to->item, to->method, instrument->id };
	to->trained = operator_trained(to->person, &test);
	if (!to->trained)
		flag(to, "operator_untrained");
}

/* ---- lots ---- */

/* The number behind "LOT 26001", "lot: 26001" or "批号：26001"; false where the text says something else. */
static bool lot_in_comment(const char *comment, char *out, size_t size)
{
	static const char *const words[] = { "lot", "批号" };
	char start[8];
	comment += strspn(comment, " ");
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t length = strlen(words[i]);
		snprintf(start, sizeof(start), "%.*s", (int)length, comment);
		if (!spelling_same(start, words[i]))
			continue;
		const char *number = comment + length;
		for (size_t sign; (sign = strspn(number, " :=#.")) || strncmp(number, "：", 3) == 0;)
			number += sign ? sign : 3;
		text_copy(out, size, number);
		out[strcspn(out, " ;,")] = '\0';
		return out[strcspn(out, "0123456789")] != '\0'; /* "lot unknown" names none */
	}
	return false;
}

/* What the instrument says of the lot, in its own words; "" where it says nothing. */
static void said_lot(const struct reading *reading, char *out, size_t size)
{
	text_copy(out, size, reading_has_said(reading, "lot"));
	if (!*out && !lot_in_comment(reading_has_said(reading, "comment"), out, size))
		*out = '\0';
}

/* "20271231" or "2027-12-31", as instruments send it. */
static void said_expiry(const struct reading *reading, char out[static DAY_MAX])
{
	const char *text = reading_has_said(reading, "expires");
	char day[DAY_MAX];
	if (strspn(text, "0123456789") >= 8)
		snprintf(day, sizeof(day), "%.4s-%.2s-%.2s", text, text + 4, text + 6);
	else
		snprintf(day, sizeof(day), "%.10s", text);
	day_read(day, out);
}

static struct lot_used *add_lot(struct judgement *to, const struct lot *lot)
{
	struct lot_used *used = &to->lots[to->lot_count++];
	*used = (struct lot_used){ .lot = lot };
	if (lot) {
		text_copy(used->number, sizeof(used->number), lot->number);
		memcpy(used->expires, lot->expires, sizeof(used->expires));
	}
	return used;
}

static const struct lot *add_said(
	const struct config *config, const struct lot_test *test, const struct reading *reading, struct judgement *to)
{
	char number[64];
	said_lot(reading, number, sizeof(number));
	const char *code = reading_has_said(reading, "strip_code");
	const struct lot *lot = NULL;
	if (config->lots && *number)
		lot = lots_numbered(config->lots, test, number);
	else if (config->lots)
		lot = lots_in_code(config->lots, test, code);
	if (!*number && !lot) /* of a strip's code nobody knows which part is the lot */
		return NULL;
	struct lot_used *used = add_lot(to, lot);
	used->by_instrument = true;
	if (*number)
		text_copy(used->number, sizeof(used->number), number);
	said_expiry(reading, used->expires);
	return lot;
}

void judge_lots(const struct config *config, const struct instrument_config *instrument, const struct reading *reading,
	struct judgement *to)
{
	const struct lot_test test = {
		.items = config->items,
		.item = to->item,
		.instrument = instrument->id,
		.sample = reading->kind == KIND_SAMPLE,
		.day = to->day,
	};
	const struct lot *list[LOT_KINDS];
	const struct lot *said = add_said(config, &test, reading, to);
	size_t count = config->lots ? lots_in_use(config->lots, &test, list) : 0;
	for (size_t i = 0; i < count; i++)
		if (!said || said->kind != list[i]->kind) /* the instrument knows better */
			add_lot(to, list[i]);
	bool expired = false;
	for (size_t i = 0; i < to->lot_count; i++) {
		struct lot_used *used = &to->lots[i];
		used->good = !*used->expires || day_difference(to->day, used->expires) >= 0;
		expired |= !used->good;
	}
	if (expired)
		flag(to, "lot_expired");
}

/* ---- calibration ---- */

void judge_calibration(const struct instrument_config *instrument, struct judgement *to)
{
	const char *until = instrument->calibration.until;
	to->calibrated = !*until || day_difference(to->day, until) >= 0;
	if (!to->calibrated)
		flag(to, "calibration_expired");
}
