#include "dump8.h"

#include <stdio.h>
#include <string.h>

#include "instrument.h"
#include "label.h"

enum { ESCAPE = 0x1B, NEXT = 0x24, HELLO = 0xBF, DUMP = 0xB1, ERASE = 0xB9, UNLINK = 0xFF };

typedef void send_frame(void *context, const uint8_t *frame, size_t length);

int dump8_frame(const uint8_t *data, size_t length)
{
	if (data[0] == NEXT)
		return 1;
	if (data[0] != ESCAPE)
		return -1;
	return length < 2 ? 0 : 2;
}

/* ---- groups ---- */

static void put_float(uint8_t *at, int32_t value, double scale)
{
	float number = (float)(value / scale);
	uint32_t bits;

	memcpy(&bits, &number, sizeof bits);
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(bits >> (24 - 8 * i));
}

static size_t put_info(uint8_t *out, const struct options *options, const struct result *result, uint8_t mask)
{
	const struct moment *tested = &result->tested;
	const uint8_t time[] = { tested->second, tested->minute, tested->hour, tested->day, tested->month,
		(uint8_t)result->item, (uint8_t)(tested->year % 100) };
	uint8_t low = (uint8_t)result->number, high = (uint8_t)(result->number >> 8);
	bool eight = options->layout == SIM_LAYOUT_8, multi = options->layout == SIM_LAYOUT_MULTI;

	memcpy(out + (eight ? 1 : 0), time, sizeof time);
	if (eight)
		out[0] = low;
	else
		out[7] = multi ? mask : low;
	out[8] = multi ? low : high;
	return 9;
}

static size_t put_wells(const struct options *options, const struct result *const *results, size_t count, uint8_t *out)
{
	uint8_t mask = 0;

	memset(out, 0, 73);
	for (size_t i = 0; i < count; i++) {
		unsigned well = results[i]->channel - 1U;
		mask |= (uint8_t)(options->mask_msb ? 0x80U >> well : 1U << well);
		put_float(out + 9 + well * 8, options->sample_abs ? results[i]->control : results[i]->signal, 1000);
		if (options->sample_abs)
			put_float(out + 13 + well * 8, results[i]->signal, 1000);
		else
			put_float(out + 13 + well * 8, results[i]->value, 10);
	}
	put_info(out, options, results[0], mask);
	return 73;
}

static size_t put_z24(const struct result *const *results, size_t count, uint8_t *out)
{
	const struct moment *tested = &results[0]->tested;
	char text[32];

	memset(out, 0, DUMP8_GROUP_MAX);
	snprintf(text, sizeof text, "%04u", results[0]->number % 10000);
	memcpy(out, text, 5);
	snprintf(text, sizeof text, "%04u-%02u-%02u", tested->year, tested->month, tested->day);
	memcpy(out + 5, text, 11);
	label_field("张三", out + 16, 10, NULL, 0);
	for (size_t i = 0; i < count; i++) {
		uint8_t *at = out + 29 + (results[i]->channel - 1U) * 59U;
		at[0] = results[i]->channel;
		at[2] = results[i]->channel;
		label_field(results[i]->name, at + 3, 14, NULL, 0);
		label_field("长安镇", at + 18, 6, NULL, 0);
		put_float(at + 46, results[i]->signal, 1000);
		put_float(at + 50, results[i]->control - results[i]->signal, 1000);
		put_float(at + 54, results[i]->value, 1000); /* a fraction */
		at[58] = results[i]->verdict == RESULT_POSITIVE;
	}
	return DUMP8_GROUP_MAX;
}

size_t dump8_group(const struct options *options, const struct result *const *results, size_t count,
	uint8_t out[static DUMP8_GROUP_MAX])
{
	return options->layout == SIM_LAYOUT_Z24 ? put_z24(results, count, out)
	                                         : put_wells(options, results, count, out);
}

/* ---- link mode ---- */

static bool in_window(const struct instrument *instrument, int64_t now_ns)
{
	return now_ns - instrument->dump8.command_ns < instrument->options->link_window_ns;
}

bool dump8_busy(const struct instrument *instrument, int64_t now_ns)
{
	return instrument->dump8.linked && in_window(instrument, now_ns);
}

static void leave_link(struct instrument *instrument, int64_t now_ns)
{
	instrument->dump8.linked = instrument->dump8.dumping = false;
	instrument->dump8.pressed_ns = now_ns + instrument->options->press_ns;
}

/* The user presses the key some time after the last link ended, sees that nobody came within the window, and presses it
 * again. */
static bool enter_link(struct instrument *instrument, int64_t now_ns)
{
	struct dump8 *dump8 = &instrument->dump8;
	const struct options *options = instrument->options;

	if (dump8->linked && !in_window(instrument, now_ns))
		leave_link(instrument, dump8->command_ns + options->link_window_ns);
	if (!dump8->linked) {
		int64_t since_ns = now_ns - dump8->pressed_ns;
		if (since_ns < 0 || now_ns < dump8->ready_ns || instrument->memory.count == 0 ||
			since_ns % (options->link_window_ns + options->press_ns) >= options->link_window_ns)
			return false;
	}
	dump8->linked = true;
	dump8->command_ns = now_ns;
	return true;
}

static void erase(struct instrument *instrument)
{
	memory_drop(&instrument->memory, instrument->memory.count);
	instrument->next_number = 1;
}

/* The results of one batch from place `at` on. */
static size_t collect(const struct memory *memory, size_t at, const struct result *group[static DUMP8_WELLS_MAX])
{
	size_t count = 0;

	while (at + count < memory->count && count < DUMP8_WELLS_MAX &&
		memory_at(memory, at + count)->batch == memory_at(memory, at)->batch) {
		group[count] = memory_at(memory, at + count);
		count++;
	}
	return count;
}

static void send_group(struct instrument *instrument, int64_t now_ns, send_frame *send, void *context)
{
	const struct result *group[DUMP8_WELLS_MAX];
	uint8_t frame[DUMP8_GROUP_MAX];
	struct dump8 *dump8 = &instrument->dump8;

	if (dice_chance(&instrument->dice, instrument->options->cancel)) {
		send(context, (const uint8_t[]){ 0xB1, 0xFF }, 2);
		leave_link(instrument, now_ns);
		return;
	}
	dump8->sending = collect(&instrument->memory, dump8->sent, group);
	if (dump8->sending > 0) {
		send(context, frame, dump8_group(instrument->options, group, dump8->sending, frame));
		return;
	}
	send(context, (const uint8_t[]){ ESCAPE, 0xFE }, 2);
	dump8->dumping = false;
	if (dump8->sent > 0) {
		if (has_quirk(instrument->options, 1))
			erase(instrument);
		dump8->linked = false;
		dump8->ready_ns = now_ns + instrument->options->reboot_ns;
		dump8->pressed_ns = dump8->ready_ns + instrument->options->press_ns;
	}
}

static void begin_dump(struct instrument *instrument, int64_t now_ns, send_frame *send, void *context)
{
	instrument->dump8.dumping = true;
	instrument->dump8.sent = instrument->dump8.sending = 0;
	send(context, (const uint8_t[]){ ESCAPE, 0xC1 }, 2);
	send_group(instrument, now_ns, send, context);
}

int64_t dump8_answer(struct instrument *instrument, const uint8_t *request, size_t length, int64_t now_ns,
	send_frame *send, void *context)
{
	static const uint8_t models[] = { 0x01, 0x02, 0x11, 0x05 }; /* by layout */
	struct dump8 *dump8 = &instrument->dump8;

	if (!enter_link(instrument, now_ns))
		return 0;
	if (length == 1 && dump8->dumping) {
		dump8->sent += dump8->sending;
		send_group(instrument, now_ns, send, context);
		return instrument->options->group_gap_ns;
	}
	if (length == 1)
		return 0;
	if (request[1] == HELLO)
		send(context, (const uint8_t[]){ ESCAPE, models[instrument->options->layout] }, 2);
	else if (request[1] == DUMP)
		begin_dump(instrument, now_ns, send, context);
	else if (request[1] == ERASE)
		erase(instrument);
	else if (request[1] == UNLINK)
		leave_link(instrument, now_ns);
	return 0;
}
