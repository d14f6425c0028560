/* RTU frames of a capture: both directions as they passed on the wire.
 *
 *     01 03 0100 002E C42A              request: read 46 registers at 0100
 *     01 03 5C <92 bytes> C248          answer: 92 bytes follow; the question says which registers they are
 *     01 06 0022 0001 E800              write one register; the answer is the same again
 *     01 10 0020 0002 04 <4 bytes> CRC  write two registers; answer 01 10 0020 0002 CRC
 *     01 83 02 C0F1                     exception 02 to function 03
 *     01 65 0000 0001 8C02              a profile's own function with [pages]: request, as long as it says
 *     01 65 0A <10 bytes> F741          answer: so many bytes follow
 *
 * The frames carry no start mark and no direction (Modbus over serial line V1.02, section 2.5.1): a frame is what has
 * the length its function allows and the right CRC-16. An answer whose question is not in the capture is taken for the
 * result's window when it is exactly as long.
 */
#include "modbus.h"

#include <stdio.h>
#include <string.h>

#include "checksum.h"

enum {
	READ_COILS = 0x01,
	READ_CONTACTS = 0x02,
	READ_HOLDING = 0x03,
	READ_INPUT = 0x04,
	WRITE_COIL = 0x05,
	WRITE_ONE = 0x06,
	WRITE_COILS = 0x0F,
	WRITE_MANY = 0x10,
	EXCEPTION = 0x80,
};

#define UNIT_MAX 247

/* Other instruments on the same line may use functions that mean nothing to us; their frames are cut all the same. */
static bool is_known(unsigned function)
{
	return (function >= READ_COILS && function <= WRITE_ONE) || function == WRITE_COILS || function == WRITE_MANY;
}

static bool is_page(const struct instrument *instrument, unsigned function)
{
	const struct modbus_profile *profile = instrument->profile;
	return profile && profile->pages.given && function == (unsigned)profile->pages.function;
}

static void shortest_first(size_t lengths[static 2])
{
	size_t first = lengths[0];
	if (lengths[1] >= first)
		return;
	lengths[0] = lengths[1];
	lengths[1] = first;
}

/* The lengths a frame that begins like this may have, shortest first; 0 where there is none. */
static void possible_lengths(
	const struct instrument *instrument, const uint8_t *data, size_t length, size_t lengths[static 2])
{
	const struct modbus_profile *profile = instrument->profile;
	lengths[0] = lengths[1] = 0;
	unsigned function = data[1];
	if (function & EXCEPTION) {
		lengths[0] = 5;
		return;
	}
	if (is_page(instrument, function)) {
		lengths[0] = 4 + profile->pages.request_length;
		lengths[1] = length < 3 ? lengths[0] : 5U + data[2];
		shortest_first(lengths);
		return;
	}
	lengths[0] = 8; /* every request, and the answer to a write */
	if ((function == WRITE_MANY || function == WRITE_COILS) && length >= 7)
		lengths[1] = 9U + data[6];
	if (function > READ_INPUT || length < 3)
		return;
	bool registers = function == READ_HOLDING || function == READ_INPUT;
	if (data[2] == 0 || data[2] > 2 * REGISTERS_MAX || (registers && data[2] % 2 != 0))
		return;
	lengths[1] = 5U + data[2];
	shortest_first(lengths);
}

static bool crc_right(const uint8_t *frame, size_t length)
{
	struct bytes sent = bytes_of(frame + length - 2, 2);
	return bytes_u16le(&sent) == checksum_crc16(frame, length - 2);
}

int modbus_frame(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	size_t lengths[2];
	bool more = false;
	if (data[0] > UNIT_MAX)
		return FRAME_NONE;
	if (length < 2)
		return FRAME_MORE;
	unsigned function = data[1] & ~(unsigned)EXCEPTION;
	if (!is_known(function) && !is_page(instrument, function))
		return FRAME_NONE;
	possible_lengths(instrument, data, length, lengths);
	for (size_t i = 0; i < 2; i++) {
		if (lengths[i] > 0 && lengths[i] <= length && crc_right(data, lengths[i]))
			return (int)lengths[i];
		more |= lengths[i] > length;
	}
	return more ? FRAME_MORE : FRAME_NONE;
}

static bool covers(uint32_t address, size_t count, const struct modbus_block *block)
{
	return block->address >= address && (size_t)block->address + block->count <= address + count;
}

/* Copies what the registers hold of a group's blocks; the blocks that were there, as bits. */
static uint32_t copy_blocks(
	struct modbus_state *state, enum modbus_group group, uint16_t address, const uint8_t *bytes, size_t count)
{
	const struct modbus_plan *plan = &state->plans[group];
	uint32_t there = 0;
	for (size_t i = 0; i < plan->count; i++) {
		const struct modbus_block *block = &plan->blocks[i];
		if (!covers(address, count, block))
			continue;
		memcpy(state->image + MODBUS_BYTES(block->at), bytes + MODBUS_BYTES(block->address - address),
			MODBUS_BYTES(block->count));
		there |= UINT32_C(1) << i;
	}
	return there;
}

static bool has_whole(const struct modbus_state *state, enum modbus_group group, uint16_t address, size_t count)
{
	const struct modbus_plan *plan = &state->plans[group];
	for (size_t i = 0; i < plan->count; i++)
		if (!covers(address, count, &plan->blocks[i]))
			return false;
	return plan->count > 0;
}

static void take_record(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	char reason[MODBUS_SENTENCE_MAX] = "";
	state->tries = 1; /* erased memory is believed at once: it cannot be asked again */
	switch (modbus_record_read(instrument, NULL, readings, reason)) {
	case MODBUS_TAKEN:
		return;
	case MODBUS_BLANK:
		readings->blanks++;
		return;
	case MODBUS_TORN:
		readings->rejected++;
	}
	struct notice *notice = readings_notice(readings, NOTICE_UNDECODABLE);
	if (notice) {
		snprintf(notice->reason, sizeof(notice->reason), "%s", reason);
		notice->raw = reply->bytes;
		notice->raw_length = reply->length;
	}
}

/* The record's registers as they were kept, block after block, or its page; another profile may want others. */
void modbus_take_raw(struct instrument *instrument, const struct reading *before, const uint8_t *raw, size_t length,
	struct readings *readings)
{
	(void)before;
	const struct modbus_profile *profile = instrument->profile;
	struct modbus_state *state = instrument->state;
	char reason[MODBUS_SENTENCE_MAX] = "";
	size_t wanted = profile->pages.given ? (size_t)profile->pages.record
	                                     : MODBUS_BYTES(state->plans[MODBUS_RECORD].registers);
	if (length != wanted) {
		readings->rejected++;
		return;
	}
	memcpy(state->image, raw, length);
	state->tries = 1; /* believed at once: it cannot be asked again */
	if (modbus_record_read(instrument, NULL, readings, reason) != MODBUS_TAKEN)
		readings->rejected++;
}

static void take_registers(struct instrument *instrument, uint16_t address, const uint8_t *bytes, size_t count,
	const struct reply *reply, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	if (has_whole(state, MODBUS_IDENTITY, address, count)) {
		copy_blocks(state, MODBUS_IDENTITY, address, bytes, count);
		modbus_identity_take(instrument, readings);
		state->filled = 0;
	}
	if (has_whole(state, MODBUS_STATUS, address, count)) {
		copy_blocks(state, MODBUS_STATUS, address, bytes, count);
		modbus_status_take(instrument, readings);
		state->filled = 0; /* the image was overwritten: the record begins anew */
	}
	uint32_t there = copy_blocks(state, MODBUS_RECORD, address, bytes, count);
	state->filled |= there;
	uint32_t all = (UINT32_C(1) << state->plans[MODBUS_RECORD].count) - 1;
	if (there == 0 || state->filled != all)
		return;
	state->filled = 0;
	take_record(instrument, reply, readings);
}

/* Every record of an answer; they are read again by every capture of two polls. */
static void take_page(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	const struct modbus_profile *profile = instrument->profile;
	struct bytes bytes = bytes_of(reply->bytes + 2, reply->length - 4);
	size_t length = bytes_u8(&bytes), record = (size_t)profile->pages.record;
	if (length != bytes_left(&bytes) || length == (size_t)profile->pages.end)
		return; /* a question, or behind the last record */
	memcpy(state->image, bytes.at, length);
	for (state->record_at = 0; state->record_at + record <= length; state->record_at += record)
		modbus_page_record(instrument, readings);
	if (length % record == 0)
		return;
	struct notice *notice = readings_notice(readings, NOTICE_UNDECODABLE);
	readings->rejected++;
	if (notice) {
		snprintf(notice->reason, sizeof(notice->reason), _("an answer of %zu bytes, a record has %zu"), length,
			record);
		notice->raw = reply->bytes;
		notice->raw_length = reply->length;
	}
}

enum next modbus_take_offline(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct modbus_state *state = instrument->state;
	struct bytes bytes = bytes_of(reply->bytes, reply->length);
	bytes_u8(&bytes); /* unit address */
	unsigned function = bytes_u8(&bytes);
	if (is_page(instrument, function) && reply->length >= 5) {
		take_page(instrument, reply, readings);
		return NEXT_WAIT;
	}
	bool reads = function == READ_HOLDING || function == READ_INPUT;
	if (!reads || reply->length < 7) {
		state->asked.known = false;
		return NEXT_WAIT;
	}
	if (reply->length == 8) { /* an answer has an odd length */
		state->asked.address = bytes_u16be(&bytes);
		state->asked.count = bytes_u16be(&bytes);
		state->asked.known = true;
		return NEXT_WAIT;
	}
	size_t count = bytes_u8(&bytes) / 2U;
	const uint8_t *registers = bytes_take(&bytes, 2 * count);
	const struct modbus_block *window = &state->plans[MODBUS_RECORD].blocks[0];
	if (registers && state->asked.known && state->asked.count == count)
		take_registers(instrument, state->asked.address, registers, count, reply, readings);
	else if (registers && !state->asked.known && state->plans[MODBUS_RECORD].count == 1 && window->count == count)
		take_registers(instrument, window->address, registers, count, reply, readings);
	state->asked.known = false;
	return NEXT_WAIT;
}
