/* "SP-4" strip readers: send one frame for each finished test, unasked. 9600 8N1, or a serial server.
 *
 * Source: none, there is no such instrument: the example of drivers/README.md, added to a copy of the tree by its test.
 *
 *     0    1    2     3..              3+len
 *     02   len  type  data[len]        xor      XOR of bytes 1 .. 2+len
 *
 *     type 52 'R', len 23, by offset in the frame:
 *          3..8   yymmddhhmmss packed BCD        9..10  running number, u16 big-endian
 *          11     item code                      12..15 value x 1000, s32 big-endian, 7FFFFFFF: none
 *          16     unit 1 mg/kg, 2 ug/kg          17     verdict 'N' within, 'P' over, 'X' invalid
 *          18..25 sample number, ASCII, NUL-padded
 *     type 48 'H', len 0: heartbeat
 *
 * It keeps nothing and is asked nothing: what it sends while nobody listens is lost, and each frame is its own event.
 */
#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "calendar.h"
#include "checksum.h"
#include "driver.h"
#include "text.h"

#define RESULT_SIZE 23

static int strip_setup(struct instrument *instrument, struct fault *fault)
{
	(void)instrument;
	(void)fault;
	return 0;
}

static void strip_ask(struct instrument *instrument, struct request *request)
{
	(void)instrument;
	request->kind = REQUEST_NONE;
}

static int strip_frame(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	(void)instrument;
	struct bytes bytes = bytes_of(data, length);
	if (bytes_u8(&bytes) != 0x02)
		return FRAME_NONE;
	size_t size = bytes_u8(&bytes);
	if (bytes.failed)
		return FRAME_MORE;
	uint8_t type = bytes_u8(&bytes);
	if (bytes.failed)
		return FRAME_MORE;
	if (!(type == 'R' && size == RESULT_SIZE) && !(type == 'H' && size == 0))
		return FRAME_NONE;
	bytes_take(&bytes, size);
	uint8_t sum = bytes_u8(&bytes);
	if (bytes.failed)
		return FRAME_MORE;
	return sum == checksum_xor8(data + 1, size + 2) ? (int)size + 4 : FRAME_NONE;
}

static void take_verdict(struct reading *reading, uint8_t code)
{
	bool known = code == 'N' || code == 'P' || code == 'X';
	reading->verdict = code == 'N'   ? VERDICT_NEGATIVE
	                   : code == 'P' ? VERDICT_POSITIVE
	                   : code == 'X' ? VERDICT_INVALID
	                                 : VERDICT_NONE;
	snprintf(reading->verdict_as_sent, sizeof(reading->verdict_as_sent), known ? "%c" : "0x%02X", code);
}

static enum next strip_take(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	(void)instrument;
	if (reply->kind != REPLY_FRAME || reply->bytes[2] != 'R')
		return NEXT_WAIT;
	struct reading *reading = readings_add(readings);
	if (!reading)
		return NEXT_WAIT;
	reading->raw = reply->bytes;
	reading->raw_length = reply->length;
	struct bytes bytes = bytes_of(reply->bytes, reply->length);
	bytes_take(&bytes, 3);
	struct date_time time = { 0 };
	time.year = 2000 + (int)bytes_bcd(&bytes);
	time.month = (int)bytes_bcd(&bytes);
	time.day = (int)bytes_bcd(&bytes);
	time.hour = (int)bytes_bcd(&bytes);
	time.minute = (int)bytes_bcd(&bytes);
	time.second = (int)bytes_bcd(&bytes);
	if (!bytes.failed) /* else no time: nonsense is not repaired */
		calendar_text(&time, reading->tested_at);
	bytes = bytes_of(reply->bytes + 9, reply->length - 9);
	snprintf(reading->instrument_seq, sizeof(reading->instrument_seq), "%u", bytes_u16be(&bytes));
	snprintf(reading->item, sizeof(reading->item), "%u", bytes_u8(&bytes));
	int32_t value = (int32_t)bytes_u32be(&bytes);
	snprintf(reading->value_as_sent, sizeof(reading->value_as_sent), "%d", value);
	uint8_t unit = bytes_u8(&bytes);
	static const char *const units[] = { "0", "mg/kg", "ug/kg" };
	if (unit < sizeof(units) / sizeof(units[0]))
		text_copy(reading->unit, sizeof(reading->unit), units[unit]);
	else
		snprintf(reading->unit, sizeof(reading->unit), "%u", unit);
	take_verdict(reading, bytes_u8(&bytes));
	if (value == INT32_MAX)
		reading->verdict = VERDICT_INVALID;
	else
		decimal_scaled(reading->value, value, 3);
	text_decode(TEXT_ASCII, bytes_take(&bytes, 8), 8, reading->sample_no, sizeof(reading->sample_no));
	return NEXT_WAIT;
}

const struct driver strip_push_driver = {
	.name = "strip-push",
	.title = N_("SP-4 strip readers"),
	.line = "9600/8n1",
	.version = 1,
	.links = LINK_SERIAL | LINK_TCP,
	.manner = MANNER_LISTENS,
	.setup = strip_setup,
	.ask = strip_ask,
	.frame = strip_frame,
	.take = strip_take,
};
