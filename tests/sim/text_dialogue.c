#include "text_dialogue.h"

#include <stdio.h>
#include <string.h>

#include "../../drivers/checksum.h"

enum { DATE = 10, QUESTION = 2 * (1 + DATE) };

bool text_pushes(enum archetype archetype)
{
	return archetype == ARCHETYPE_A8 || archetype == ARCHETYPE_A10 || archetype == ARCHETYPE_FOLDER;
}

/* Full-width ones become half-width ones. */
static size_t narrow_colons(uint8_t *text, size_t length)
{
	size_t to = 0;

	for (size_t from = 0; from < length; to++) {
		bool two = text[from] >= 0x81 && from + 1 < length;
		bool colon = two && text[from] == 0xA3 && text[from + 1] == 0xBA;
		text[to] = colon ? ':' : text[from];
		if (two && !colon)
			text[++to] = text[from + 1];
		from += two ? 2 : 1;
	}
	return to;
}

static size_t print_ticket(
	const struct options *options, const struct result *result, uint8_t out[static TEXT_FORM_MAX])
{
	size_t length = text_ticket(result, out);

	return has_quirk(options, 17) ? length : narrow_colons(out, length);
}

static size_t push_block(const struct options *options, const struct result *result, uint8_t out[static TEXT_FORM_MAX])
{
	size_t length = text_push(result, out);

	if (!has_quirk(options, 23))
		out[length - 3] = checksum_sum8(out, length - 3);
	return length;
}

size_t text_form(const struct options *options, const struct result *result, uint8_t out[static TEXT_FORM_MAX])
{
	switch (options->archetype) {
	case ARCHETYPE_A8:
		return print_ticket(options, result, out);
	case ARCHETYPE_A9:
		return text_line(result, out);
	case ARCHETYPE_A10:
		return push_block(options, result, out);
	case ARCHETYPE_JSON:
		return text_object(result, out);
	default:
		return text_row(result, out);
	}
}

/* 0 in the pattern stands for a digit. */
static int follows(const char *pattern, const uint8_t *data, size_t length)
{
	for (size_t i = 0; pattern[i]; i++) {
		if (i == length)
			return 0;
		if (pattern[i] == '0' ? data[i] < '0' || data[i] > '9' : data[i] != (uint8_t)pattern[i])
			return -1;
	}
	return (int)strlen(pattern);
}

int text_date_frame(const uint8_t *data, size_t length)
{
	return follows("D0000-00-00D0000-00-00", data, length);
}

int text_read_frame(const uint8_t *data, size_t length)
{
	return follows("READ", data, length);
}

int text_no_frame(const uint8_t *data, size_t length)
{
	(void)data;
	(void)length;
	return -1;
}

static bool is_asked_for(const struct result *result, const uint8_t *question)
{
	char day[24];

	snprintf(day, sizeof day, "%04u-%02u-%02u", result->tested.year, result->tested.month, result->tested.day);
	return memcmp(day, question + 1, DATE) >= 0 && memcmp(day, question + 2 + DATE, DATE) <= 0;
}

static void say(text_send *between, void *context, const char *text)
{
	between(context, (const uint8_t *)text, strlen(text));
}

void text_answer(const struct options *options, const struct memory *memory, const uint8_t *question, size_t length,
	text_send *send, text_send *between, void *context)
{
	bool json = options->archetype == ARCHETYPE_JSON;
	uint8_t form[TEXT_FORM_MAX];

	if (!json && length != QUESTION)
		return;
	if (json)
		say(between, context, "{\"detail\":[");
	for (size_t i = 0; i < memory->count; i++) {
		const struct result *result = memory_at(memory, i);
		if (!json && !is_asked_for(result, question))
			continue;
		if (json && i > 0)
			say(between, context, ",");
		send(context, form, text_form(options, result, form));
	}
	say(between, context, json ? "]}" : "FINISH");
}
