#include "ctl_dialogue.h"

#include <errno.h>

#include "clock.h"

/* There is room for one frame's readings, and no more is asked for: NEXT_MORE has been enough too. */
static enum next take(struct dialogue *dialogue, const struct reply *reply)
{
	struct reading *list = dialogue->readings.list;
	dialogue->readings = (struct readings){ .list = list };
	enum next next = dialogue->instrument->driver->take(dialogue->instrument, reply, &dialogue->readings);
	return dialogue->took(dialogue->context) || next == NEXT_MORE ? NEXT_IDLE : next;
}

static enum next take_frames(struct dialogue *dialogue, bool final)
{
	struct cut cut;
	enum cut_kind kind;
	enum next next = NEXT_WAIT;
	while (next == NEXT_WAIT &&
		(kind = cutter_next(&dialogue->cutter, dialogue->instrument, final, &cut)) != CUT_MORE) {
		struct reply reply = { .kind = REPLY_FRAME, .bytes = cut.bytes, .length = cut.length };
		reply.offset = cut.offset;
		dialogue->heard += cut.length;
		if (kind == CUT_FRAME)
			next = take(dialogue, &reply);
	}
	return next;
}

/* Some bytes. How many, 0 when the time is up, or -errno. */
static int hear(struct dialogue *dialogue, int timeout_ms, struct fault *fault)
{
	uint8_t bytes[1024];
	long left_ms = dialogue->until_ms - clock_ms();
	int wait_ms = left_ms < 0 ? 0 : left_ms < timeout_ms ? (int)left_ms : timeout_ms;
	int got = link_read(dialogue->link, bytes, sizeof(bytes), wait_ms, fault);
	if (got > 0 && cutter_feed(&dialogue->cutter, bytes, (size_t)got) < 0)
		return fault_set(fault, ENOMEM, _("out of memory"));
	return got;
}

static int converse(struct dialogue *dialogue, const struct request *request, int timeout_ms, struct fault *fault)
{
	bool speaks = request->kind == REQUEST_BYTES;
	int error = speaks ? link_write(dialogue->link, request->bytes, request->length, fault) : 0;
	while (error >= 0) {
		int got = hear(dialogue, timeout_ms, fault);
		if (got < 0)
			return got;
		enum next next = take_frames(dialogue, got == 0);
		if (next != NEXT_WAIT)
			return (int)next;
		if (got > 0)
			continue;
		struct reply silence = { .kind = REPLY_SILENCE };
		bool over = take(dialogue, &silence) == NEXT_IDLE || !speaks;
		return over ? NEXT_IDLE : NEXT_ASK;
	}
	return error;
}

static int exchange(struct dialogue *dialogue, const struct request *request, int timeout_ms, struct fault *fault)
{
	uint16_t registers[REGISTERS_MAX];
	uint8_t bytes[PDU_MAX];
	struct reply reply = { .kind = REPLY_DONE };
	if (request->kind != REQUEST_NONE) {
		int error = link_exchange(
			dialogue->link, dialogue->unit, request, timeout_ms, &reply, registers, bytes, fault);
		if (error < 0)
			return error;
		dialogue->heard++;
	}
	return (int)take(dialogue, &reply);
}

int dialogue_turn(struct dialogue *dialogue, const struct request *request, struct fault *fault)
{
	int timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : dialogue->timeout_ms;
	return (dialogue->instrument->driver->links == LINK_MODBUS ? exchange : converse)(
		dialogue, request, timeout_ms, fault);
}
