#include "hl7.h"

#include <err.h>
#include <iconv.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "label.h"
#include "truth.h"

enum { START = 0x0B, END = 0x1C };

#define PATIENCE_NS INT64_C(1000000000) /* for an answer; and before a refused message is sent again */
#define BYTE_NS     INT64_C(1500000)    /* a slow line takes so long for each byte */

static const char *const units[] = { "", "%", "mg/kg", "ug/kg", "RLU", "mg/L" };
static const char *const flags[] = { "", "N", "A", "S", "X" };

/* ---- the message ---- */

struct text {
	uint8_t *bytes;
	size_t length;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text->length += (size_t)vsnprintf((char *)text->bytes + text->length, MLLP_RESULT_MAX, format, arguments);
	va_end(arguments);
}

/* As much of it as the other instruments' fields hold, in GB 18030. */
static void put_label(struct text *text, const char *utf8)
{
	uint8_t field[20];

	if (!utf8)
		return;
	label_field(utf8, field, sizeof field, NULL, 0);
	size_t length = strnlen((const char *)field, sizeof field);
	memcpy(text->bytes + text->length, field, length);
	text->length += length;
}

static const char *time_of(const struct result *result, char out[static 32])
{
	const struct moment *tested = &result->tested;

	snprintf(out, 32, "%04u%02u%02u%02u%02u%02u", tested->year, tested->month, tested->day, tested->hour,
		tested->minute, tested->second);
	return out;
}

static void put_result(struct text *text, const struct result *result, size_t place)
{
	char time[32], number[24];

	time_of(result, time);
	put(text, "OBR|%zu|%s|%u|%u|||%s||||%s||||^", place, result->sample_no, result->number, result->item, time,
		result->kind == RESULT_SAMPLE ? "" : "Q");
	put_label(text, result->name);
	put(text, "\rOBX|%u|NM|%u||%s%s|%s||%s|||F|||%s||", result->number, result->item, result->below ? "<" : "",
		truth_number(number, result->value, result->decimals, false), units[result->unit],
		flags[result->verdict], time);
	put_label(text, result->operator_name);
	put(text, "\r");
	if (result->retest)
		put(text, "TCD|%u|||||||R\r", result->item);
}

size_t mllp_message(const struct memory *memory, size_t count, uint8_t out[static MLLP_MESSAGE_MAX])
{
	struct text text = { out, 0 };
	const struct result *last = memory_at(memory, count - 1);
	char time[32];

	put(&text, "%cMSH|^~\\&|SIM|FIA-HL7|||%s||ORU^R01|%u|P|2.4||||||GB18030-2000\r", START, time_of(last, time),
		last->batch);
	for (size_t i = 0; i < count; i++)
		put_result(&text, memory_at(memory, i), i + 1);
	put(&text, "%c\r", END);
	return text.length;
}

/* ---- the dialogue ---- */

int mllp_frame(const uint8_t *data, size_t length)
{
	if (data[0] != START)
		return -1;
	const uint8_t *end = memchr(data, END, length);
	return end ? (int)(end - data) + 1 : 0;
}

static void patience_ends(void *context)
{
	mllp_again(context);
}

static void send(struct mllp_sender *sender)
{
	static uint8_t message[MLLP_MESSAGE_MAX];

	sender->timer.fire = patience_ends;
	sender->timer.context = sender;
	size_t length = mllp_message(sender->memory, sender->waiting, message);
	timer_set(&sender->timer, loop_now_ns() + PATIENCE_NS + (int64_t)length * BYTE_NS);
	sender->send(sender->context, message, length);
}

/* What was finished together goes together. */
static size_t next_batch(const struct memory *memory)
{
	size_t count = 0;

	while (count < memory->count && count < MLLP_RESULTS_MAX &&
		memory_at(memory, count)->batch == memory_at(memory, 0)->batch)
		count++;
	return count;
}

void mllp_go_on(struct mllp_sender *sender)
{
	if (sender->waiting > 0 || sender->memory->count == 0)
		return;
	sender->waiting = next_batch(sender->memory);
	send(sender);
}

void mllp_again(struct mllp_sender *sender)
{
	if (sender->waiting > 0)
		send(sender);
	else
		mllp_go_on(sender);
}

void mllp_answer(struct mllp_sender *sender, const uint8_t *answer, size_t length)
{
	char accepted[32];

	if (sender->waiting == 0)
		return;
	snprintf(accepted, sizeof accepted, "\rMSA|AA|%u|", memory_at(sender->memory, sender->waiting - 1)->batch);
	if (!memmem(answer, length, accepted, strlen(accepted)))
		return; /* refused, or of a message before: the patience decides */
	timer_clear(&sender->timer);
	memory_drop(sender->memory, sender->waiting);
	sender->waiting = 0;
	mllp_go_on(sender);
}

void mllp_stop(struct mllp_sender *sender)
{
	timer_clear(&sender->timer);
}
