/* Replay of a capture (capture.h): the line as an instrument once held its end of it.
 *
 * What the instrument sent comes read by read as it came then, as fast as the line takes it, or (`timed`) with the
 * pauses there were. What was sent to it is a gate: the bytes behind it come once the line has sent the same, so that a
 * driver that asks gets the answer to its question. Questions the recording holds before that one and the line never
 * asked are passed over with it; their answers are not withheld. With `any` every question opens the next gate,
 * whatever it says: for drivers that ask by date. A capture without anything sent to the instrument is played from
 * beginning to end. A Modbus exchange takes the next recorded question that is the same, and the answer behind it; one
 * with a wrong checksum, or of another question (Modbus TCP), is the fault that it was.
 *
 * At its end the recording is silent. A question that stands nowhere in the rest of it is remarked once.
 */
#include "link_kind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../drivers/bytes.h"
#include "../drivers/checksum.h"
#include "capture.h"
#include "clock.h"
#include "link_pdu.h"

struct replay_link {
	struct link link;
	struct capture capture;
	bool loaded, remarked;
	bool asked;     /* the capture holds questions */
	size_t at;      /* the next item */
	size_t taken;   /* bytes of it that were read already */
	size_t open;    /* gates before this item are open */
	long played_ms; /* when the item before `at` was played, or the gate was opened */
};

static int load(struct replay_link *replay, FILE *file, struct fault *fault)
{
	int error = capture_read(file, replay->link.port->path, &replay->capture, fault);
	if (error < 0)
		return error;
	for (size_t i = 0; i < replay->capture.count; i++)
		replay->asked |= replay->capture.items[i].sent;
	replay->loaded = true;
	return 0;
}

static int replay_open(struct link *link, struct fault *fault)
{
	struct replay_link *replay = (struct replay_link *)link;
	replay->played_ms = clock_ms();
	if (replay->loaded)
		return 0; /* opened again after a fault: go on where it was, as an instrument would */
	FILE *file = fopen(link->port->path, "re");
	if (!file)
		return fault_set(fault, errno, "%s: %s", link->port->path, strerror(errno));
	int error = load(replay, file, fault);
	fclose(file);
	return error;
}

static void replay_close(struct link *link)
{
	(void)link;
}

static void replay_discard(struct link *link)
{
	capture_free(&((struct replay_link *)link)->capture);
}

/* When an item is due by its pause after the one before it; at once where nobody asked for pauses or none is known. */
static long due_ms(const struct replay_link *replay, size_t index)
{
	const struct capture_item *items = replay->capture.items;
	if (!replay->link.port->timed || index == 0 || items[index].at_us < 0 || items[index - 1].at_us < 0)
		return 0;
	return replay->played_ms + (long)((items[index].at_us - items[index - 1].at_us) / 1000);
}

/* Waits until the item may come: 1, 0 when the time is up before, or -errno. */
static int wait_for(struct replay_link *replay, size_t index, long until_ms)
{
	long due = due_ms(replay, index);
	if (due <= clock_ms())
		return 1;
	int events = link_wait(&replay->link, -1, 0, due < until_ms ? due : until_ms);
	return events < 0 ? events : due <= until_ms;
}

static int replay_read(struct link *link, uint8_t *data, size_t size, long until_ms, struct fault *fault)
{
	(void)fault;
	struct replay_link *replay = (struct replay_link *)link;
	const struct capture *capture = &replay->capture;
	while (replay->at < replay->open && capture->items[replay->at].sent)
		replay->at++;
	if (replay->at == capture->count || capture->items[replay->at].sent)
		return link_wait(link, -1, 0, until_ms);
	const struct capture_item *item = &capture->items[replay->at];
	int ready = replay->taken ? 1 : wait_for(replay, replay->at, until_ms);
	if (ready <= 0)
		return ready;
	size_t left = item->length - replay->taken, length = left < size ? left : size;
	memcpy(data, capture->bytes + item->offset + replay->taken, length);
	replay->taken += length;
	if (length == left) {
		replay->at++;
		replay->taken = 0;
		replay->played_ms = clock_ms();
	}
	return (int)length;
}

static void remark(struct replay_link *replay, const uint8_t *data, size_t length)
{
	if (replay->remarked || replay->link.remark)
		return;
	replay->remarked = true;
	char shown[3 * 16 + 1] = "";
	for (size_t i = 0; i < length && i < 16; i++)
		snprintf(shown + 3 * i, sizeof(shown) - 3 * i, " %02x", data[i]);
	if (asprintf(&replay->link.remark,
		    _("%s: from here on the recording does not hold the question%s%s, so nothing answers it; ?any would "
		      "answer each question with what comes next"),
		    replay->link.port->text, shown, length > 16 ? " ..." : "") < 0)
		replay->link.remark = NULL;
}

static int replay_write(struct link *link, const uint8_t *data, size_t length, struct fault *fault)
{
	(void)fault;
	struct replay_link *replay = (struct replay_link *)link;
	const struct capture *capture = &replay->capture;
	if (!replay->asked)
		return 0; /* what is asked changes nothing in a recording of one direction */
	for (size_t i = replay->at > replay->open ? replay->at : replay->open; i < capture->count; i++) {
		const struct capture_item *item = &capture->items[i];
		if (!item->sent || (!link->port->any && (item->length != length || memcmp(capture->bytes + item->offset,
											   data, length) != 0)))
			continue;
		replay->open = i + 1;
		replay->played_ms = clock_ms();
		return 0;
	}
	remark(replay, data, length);
	return 0;
}

static bool spoiled(const struct replay_link *replay, size_t index)
{
	const struct capture_item *item = &replay->capture.items[index];
	return replay->capture.head.wire != CAPTURE_TCP &&
	       checksum_crc16(replay->capture.bytes + item->offset, item->length) != 0;
}

/* Modbus TCP: question and answer have the same number. */
static bool belongs_to(const struct replay_link *replay, size_t question, size_t answer)
{
	const struct capture *capture = &replay->capture;
	return capture->head.wire != CAPTURE_TCP || memcmp(capture->bytes + capture->items[question].offset,
							    capture->bytes + capture->items[answer].offset, 2) == 0;
}

/* The PDU of a recorded Modbus message and its unit; false where it is none, or its checksum is wrong. */
static bool unwrap(const struct replay_link *replay, size_t index, int *ret_unit, struct bytes *ret_pdu)
{
	const struct capture_item *item = &replay->capture.items[index];
	const uint8_t *adu = replay->capture.bytes + item->offset;
	bool tcp = replay->capture.head.wire == CAPTURE_TCP;
	size_t head = tcp ? MBAP_SIZE : 1, tail = tcp ? 0 : 2;
	if (item->length < head + 2 + tail || item->length - head - tail > PDU_MAX)
		return false;
	if (spoiled(replay, index))
		return false;
	*ret_unit = adu[head - 1];
	*ret_pdu = bytes_of(adu + head, item->length - head - tail);
	return true;
}

static size_t find_question(const struct replay_link *replay, int unit, const uint8_t *pdu, size_t length)
{
	for (size_t i = replay->at; i < replay->capture.count; i++) {
		int from;
		struct bytes asked;
		if (replay->capture.items[i].sent && unwrap(replay, i, &from, &asked) && from == unit &&
			bytes_left(&asked) == length && memcmp(asked.at, pdu, length) == 0)
			return i;
	}
	return replay->capture.count;
}

static int silent(struct replay_link *replay, long until_ms, struct fault *fault)
{
	int events = link_wait(&replay->link, -1, 0, until_ms);
	return events < 0 ? events : fault_set(fault, ETIMEDOUT, _("the recording holds no answer to this question"));
}

static int replay_exchange(struct link *link, int unit, const struct request *request, int timeout_ms,
	struct reply *reply, uint16_t *registers, uint8_t *bytes, struct fault *fault)
{
	struct replay_link *replay = (struct replay_link *)link;
	const struct capture *capture = &replay->capture;
	long until_ms = clock_ms() + timeout_ms;
	uint8_t pdu[PDU_MAX];
	size_t length = pdu_make(request, pdu), question = find_question(replay, unit, pdu, length);
	if (question == capture->count) {
		remark(replay, pdu, length);
		return silent(replay, until_ms, fault);
	}
	replay->at = question + 1;
	replay->played_ms = clock_ms();
	while (replay->at < capture->count && !capture->items[replay->at].sent) {
		int from, ready = wait_for(replay, replay->at, until_ms);
		if (ready < 0)
			return ready;
		struct bytes answer;
		size_t index = replay->at++;
		replay->played_ms = clock_ms();
		if (ready && spoiled(replay, index))
			return fault_set(
				fault, EBADMSG, _("answer with a wrong checksum; check wiring and line settings"));
		if (!ready || !unwrap(replay, index, &from, &answer) || from != unit)
			continue;
		if (!belongs_to(replay, question, index))
			return fault_set(fault, EBADMSG, _("the recording holds the answer to another question here"));
		return pdu_take(request, pdu[0], answer.at, bytes_left(&answer), reply, registers, bytes, fault);
	}
	return silent(replay, until_ms, fault);
}

const struct link_kind link_replay_kind = {
	.size = sizeof(struct replay_link),
	.discard = replay_discard,
	.open = replay_open,
	.close = replay_close,
	.read = replay_read,
	.write = replay_write,
	.exchange = replay_exchange,
};
