#include "a7.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../drivers/checksum.h"
#include "label.h"
#include "truth.h"

enum { STX = 0x02, ETX = 0x03, EOT = 0x04, ENQ = 0x05, ACK = 0x06, NAK = 0x15, ETB = 0x17 };
enum { REFUSALS_MAX = 6 };

#define PATIENCE_NS INT64_C(1000000000) /* for an answer, 15 s in the standard; and before anything is tried anew */
#define BYTE_NS     INT64_C(1500000)    /* a slow line takes so long for each byte */

static const struct {
	uint16_t code;
	const char *name, *limit;
} items[] = {
	{ A7_CHLORPYRIFOS, "CHLORPYRIFOS", "0.02" },
	{ A7_AFLATOXIN, "AFB1", "5.0" },
	{ A7_MALACHITE_GREEN, "孔雀石绿", "1.00" },
};
static const char *const units[] = { "", "%", "mg/kg", "ug/kg", "RLU", "mg/L" };
static const char *const flags[] = { "", "N", "A", "S", "X" };

/* ---- the records ---- */

struct text {
	uint8_t *bytes;
	size_t length;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text->length += (size_t)vsnprintf((char *)text->bytes + text->length, A7_RESULT_MAX, format, arguments);
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

static size_t item_of(const struct result *result)
{
	for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
		if (items[i].code == result->item)
			return i;
	}
	return 0;
}

static const char *time_of(const struct result *result, char out[static 32])
{
	const struct moment *tested = &result->tested;

	snprintf(out, 32, "%04u%02u%02u%02u%02u%02u", tested->year, tested->month, tested->day, tested->hour,
		tested->minute, tested->second);
	return out;
}

static void put_header(const struct a7_sender *sender, const struct result *last, struct text *text)
{
	char time[32];

	put(text, "H|\\^&|||FIA-8^1.02^%s|||||||P||%s\r", sender->serial, time_of(last, time));
}

static void put_order(const struct a7_sender *sender, const struct result *result, size_t place, struct text *text)
{
	bool control = result->kind != RESULT_SAMPLE;

	put(text, "O|%zu|%s||^^^", place, result->sample_no);
	put_label(text, items[item_of(result)].name);
	if (control || result->name)
		put(text, "|||||||%s", control ? "Q" : "");
	if (result->name)
		put(text, "||||");
	put_label(text, result->name);
	put(text, "\r");
	if (sender->options->lots)
		put(text, "C|1|I|LOT %u|G\r", 26000 + result->batch % 1000);
}

static void put_result(const struct result *result, struct text *text)
{
	size_t item = item_of(result);
	char time[32], number[24];

	put(text, "R|%u|^^^", result->number);
	put_label(text, items[item].name);
	put(text, "|%s%s|%s|%s|%s||F||", result->below ? "<" : "",
		truth_number(number, result->value, result->decimals, false), units[result->unit], items[item].limit,
		flags[result->verdict]);
	put_label(text, result->operator_name);
	put(text, "||%s\r", time_of(result, time));
}

size_t a7_message(const struct a7_sender *sender, size_t count, uint8_t out[static A7_MESSAGE_MAX])
{
	struct text text = { out, 0 };

	put_header(sender, memory_at(sender->memory, count - 1), &text);
	put(&text, "P|1\r");
	for (size_t i = 0; i < count; i++) {
		put_order(sender, memory_at(sender->memory, i), i + 1, &text);
		put_result(memory_at(sender->memory, i), &text);
	}
	put(&text, "L|1|N\r");
	return text.length;
}

size_t a7_question(const struct a7_sender *sender, uint8_t out[static A7_MESSAGE_MAX])
{
	struct text text = { out, 0 };
	const struct result *first = memory_at(sender->memory, 0);

	put_header(sender, first, &text);
	put(&text, "Q|1|^%s||^^^ALL\rL|1|N\r", first->sample_no);
	return text.length;
}

/* ---- the link ---- */

int a7_frame(const uint8_t *data, size_t length)
{
	if (data[0] == ENQ || data[0] == ACK || data[0] == NAK || data[0] == EOT)
		return 1;
	if (data[0] != STX)
		return -1;
	const uint8_t *end = memchr(data, '\n', length);
	return end ? (int)(end - data) + 1 : 0;
}

static void say(struct a7_sender *sender, uint8_t control)
{
	sender->send(sender->context, &control, 1);
}

static void time_out(void *context);

static void wait_for(struct a7_sender *sender, enum a7_phase phase, int64_t ns)
{
	sender->phase = phase;
	sender->timer.fire = time_out;
	sender->timer.context = sender;
	timer_set(&sender->timer, loop_now_ns() + ns);
}

/* A record as it is, or what of it a frame holds; or everything. */
static void send_frame(struct a7_sender *sender)
{
	static uint8_t frame[A7_FRAME_MAX];
	const uint8_t *from = sender->message + sender->at;
	size_t left = sender->length - sender->at, length = left;
	const uint8_t *end = sender->options->one_frame ? NULL : memchr(from, '\r', left);
	char sum[5];

	if (end)
		length = (size_t)(end - from) + 1;
	bool open = !sender->options->one_frame && length > sender->options->frame_size;
	if (open)
		length = sender->options->frame_size;
	sender->next = sender->at + length;
	frame[0] = STX;
	frame[1] = (uint8_t)('0' + sender->number % 8);
	memcpy(frame + 2, from, length);
	frame[2 + length] = open ? ETB : ETX;
	snprintf(sum, sizeof sum, "%02X\r\n", checksum_sum8(frame + 1, length + 2));
	memcpy(frame + 3 + length, sum, 4);
	wait_for(sender, A7_SENDS, PATIENCE_NS + (int64_t)length * BYTE_NS);
	sender->send(sender->context, frame, length + 7);
}

static void begin_message(struct a7_sender *sender)
{
	sender->at = 0;
	sender->number = 1;
	sender->refused = 0;
	if (sender->options->no_enq) {
		send_frame(sender);
		return;
	}
	wait_for(sender, A7_ENQUIRES, PATIENCE_NS);
	say(sender, ENQ);
}

/* What was finished together goes together. */
static size_t next_batch(const struct memory *memory)
{
	size_t count = 0;

	while (count < memory->count && count < A7_RESULTS_MAX &&
		memory_at(memory, count)->batch == memory_at(memory, 0)->batch)
		count++;
	return count;
}

void a7_go_on(struct a7_sender *sender)
{
	if (sender->phase != A7_IDLE || sender->memory->count == 0)
		return;
	sender->waiting = next_batch(sender->memory);
	sender->length = a7_message(sender, sender->waiting, sender->message);
	begin_message(sender);
}

void a7_again(struct a7_sender *sender)
{
	a7_stop(sender);
	a7_go_on(sender);
}

static void give_up(struct a7_sender *sender)
{
	say(sender, EOT);
	wait_for(sender, A7_RESTS, PATIENCE_NS / 2);
}

static void time_out(void *context)
{
	struct a7_sender *sender = context;

	if (sender->phase == A7_ENQUIRES || sender->phase == A7_SENDS) {
		give_up(sender);
		return;
	}
	sender->phase = A7_IDLE;
	a7_go_on(sender);
}

/* The results are the host's now. Sometimes the reader asks for something next, and half the time it does not wait for
 * the answer: then both begin at once. */
static void end_message(struct a7_sender *sender)
{
	bool question = sender->waiting == 0;

	say(sender, EOT);
	timer_clear(&sender->timer);
	sender->phase = A7_IDLE;
	if (!question && dice_chance(&sender->dice, sender->options->queries)) {
		sender->length = a7_question(sender, sender->message);
		memory_drop(sender->memory, sender->waiting);
		sender->waiting = 0;
		begin_message(sender);
		return;
	}
	memory_drop(sender->memory, sender->waiting);
	sender->waiting = 0;
	if (question && dice_chance(&sender->dice, 0.5))
		wait_for(sender, A7_RESTS, PATIENCE_NS);
	else
		a7_go_on(sender);
}

static void be_refused(struct a7_sender *sender)
{
	if (sender->phase == A7_SENDS && ++sender->refused < REFUSALS_MAX)
		send_frame(sender);
	else
		give_up(sender);
}

static void be_accepted(struct a7_sender *sender)
{
	if (sender->phase == A7_SENDS) {
		sender->at = sender->next;
		sender->number++;
		sender->refused = 0;
	}
	if (sender->at < sender->length)
		send_frame(sender);
	else
		end_message(sender);
}

static void go_on_sending(struct a7_sender *sender, uint8_t control)
{
	if (control == ACK)
		be_accepted(sender);
	else if (control == NAK)
		be_refused(sender);
	else if (control == ENQ && sender->phase == A7_ENQUIRES) /* both began: the host waits longer than we do */
		wait_for(sender, A7_RESTS, PATIENCE_NS);
}

static bool is_whole(const uint8_t *frame, size_t length)
{
	char sum[3];

	if (length < 7)
		return false;
	snprintf(sum, sizeof sum, "%02X", checksum_sum8(frame + 1, length - 5));
	return memcmp(frame + length - 4, sum, 2) == 0;
}

static void listen_to(struct a7_sender *sender, const uint8_t *said, size_t length)
{
	if (said[0] == EOT) {
		timer_clear(&sender->timer);
		sender->phase = A7_IDLE;
		a7_go_on(sender);
		return;
	}
	if (said[0] != ENQ && said[0] != STX)
		return;
	wait_for(sender, A7_LISTENS, PATIENCE_NS);
	say(sender, said[0] == ENQ || is_whole(said, length) ? ACK : NAK);
}

void a7_hear(struct a7_sender *sender, const uint8_t *said, size_t length)
{
	if (sender->phase == A7_ENQUIRES || sender->phase == A7_SENDS)
		go_on_sending(sender, said[0]);
	else if (said[0] == ENQ || sender->phase == A7_LISTENS)
		listen_to(sender, said, length);
}

void a7_stop(struct a7_sender *sender)
{
	timer_clear(&sender->timer);
	sender->phase = A7_IDLE;
	sender->waiting = 0;
}
