#include "a6b.h"

#include <string.h>

#include "../../drivers/checksum.h"
#include "instrument.h"
#include "label.h"

enum {
	STATUS_LAST = 0x22, /* identity, status, select and command are one block; 0023-0027 do not exist */
	CLOCK_FIRST = 0x28,
	CLOCK_LAST = 0x2D,
	SELECT_LOW = 0x20,
	SELECT_HIGH = 0x21,
	COMMAND = 0x22,
	WINDOW_CRC = A6B_WINDOW_LENGTH - 1,
};

enum { STATUS_RUN = 1, STATUS_MEASURING = 2, STATUS_NEW_DATA = 4, STATUS_OVERRUN = 0x80 };
enum { COMMAND_LATCH = 1, COMMAND_ACKNOWLEDGE = 2, COMMAND_SET_CLOCK = 3 };
enum { RESULT_TYPE_NUMBER = 1 };

static void put_number(uint16_t *registers, uint32_t number)
{
	registers[0] = (uint16_t)(number >> 16);
	registers[1] = (uint16_t)number;
}

static void put_bytes(uint16_t *registers, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		registers[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
}

static void put_ascii(uint16_t *registers, const char *text, size_t count)
{
	uint8_t bytes[32] = { 0 };

	memcpy(bytes, text, strnlen(text, 2 * count));
	put_bytes(registers, bytes, count);
}

static void put_label(uint16_t *registers, const char *utf8, size_t count)
{
	uint8_t bytes[32];

	label_field(utf8, bytes, 2 * count, NULL, 0);
	put_bytes(registers, bytes, count);
}

static void put_float(uint16_t *registers, int32_t value, unsigned decimals, bool low_word_first)
{
	double scale = 1;
	for (unsigned i = 0; i < decimals; i++)
		scale *= 10;
	float single = (float)(value / scale);
	uint32_t bits;

	memcpy(&bits, &single, sizeof bits);
	if (low_word_first)
		bits = bits << 16 | bits >> 16;
	put_number(registers, bits);
}

static void put_moment(uint16_t *registers, const struct moment *moment)
{
	registers[0] = moment->year;
	registers[1] = moment->month;
	registers[2] = moment->day;
	registers[3] = moment->hour;
	registers[4] = moment->minute;
	registers[5] = moment->second;
}

static uint16_t window_crc(const uint16_t *window)
{
	uint8_t bytes[2 * WINDOW_CRC];

	for (size_t i = 0; i < WINDOW_CRC; i++) {
		bytes[2 * i] = (uint8_t)(window[i] >> 8);
		bytes[2 * i + 1] = (uint8_t)window[i];
	}
	uint16_t crc = checksum_crc16(bytes, sizeof bytes);
	return (uint16_t)(crc << 8 | crc >> 8); /* low byte first, as on the wire */
}

void a6b_fill_window(const struct result *result, bool low_word_first, uint16_t window[static A6B_WINDOW_LENGTH])
{
	if (result->use == SLOT_DUMMY) {
		memset(window, 0xFF, A6B_WINDOW_LENGTH * sizeof *window);
		return;
	}
	memset(window, 0, A6B_WINDOW_LENGTH * sizeof *window);
	window[0x00] = result->use == SLOT_BLANK_WELL ? 0xFFFF : 1;
	put_number(&window[0x01], result->number);
	window[0x03] = result->channel;
	put_moment(&window[0x06], &result->tested);
	if (result->use == SLOT_RESULT) {
		window[0x04] = result->item;
		window[0x0C] = RESULT_TYPE_NUMBER;
		put_float(&window[0x0D], result->value, result->decimals, low_word_first);
		window[0x0F] = result->unit;
		window[0x10] = result->verdict;
		put_float(&window[0x11], result->signal, 3, low_word_first);
		put_float(&window[0x13], result->control, 3, low_word_first);
		window[0x15] = result->kind;
		put_ascii(&window[0x16], result->sample_no, 8);
		put_label(&window[0x1E], result->name, 10);
		put_label(&window[0x28], result->operator_name, 4);
	}
	window[WINDOW_CRC] = window_crc(window);
}

void a6b_start(struct a6b *a6b)
{
	memset(a6b, 0, sizeof *a6b);
	memset(a6b->window, 0xFF, sizeof a6b->window);
}

static uint16_t status_bits(const struct instrument *instrument)
{
	return (uint16_t)((instrument->measuring ? STATUS_RUN | STATUS_MEASURING : 0) |
			  (instrument->a6b.new_data ? STATUS_NEW_DATA : 0) |
			  (instrument->a6b.overrun ? STATUS_OVERRUN : 0));
}

/* Registers 0000-0022. Without results the oldest is the number that comes next, the newest the one before. */
static void fill_status(const struct instrument *instrument, uint16_t registers[static STATUS_LAST + 1])
{
	const struct memory *memory = &instrument->memory;
	struct moment now = instrument_clock(instrument);

	registers[0x00] = 0xA55D;
	registers[0x01] = 1;
	put_ascii(&registers[0x02], "FSA-12", 8);
	put_ascii(&registers[0x0A], instrument->serial, 8);
	registers[0x12] = status_bits(instrument);
	registers[0x13] = A6B_CHANNELS;
	registers[0x14] = (uint16_t)memory->capacity;
	registers[0x15] = (uint16_t)memory->count;
	put_number(&registers[0x16], memory->count ? memory_at(memory, 0)->number : instrument->next_number);
	put_number(&registers[0x18],
		memory->count ? memory_at(memory, memory->count - 1)->number : instrument->next_number - 1);
	put_moment(&registers[0x1A], &now);
	registers[SELECT_LOW] = (uint16_t)instrument->a6b.selected;
	registers[SELECT_HIGH] = (uint16_t)(instrument->a6b.selected >> 16);
	registers[COMMAND] = 0;
}

/* The window while the instrument rewrites it: the data of another result, the checksum of the old one. */
static void tear(struct instrument *instrument, uint16_t window[static A6B_WINDOW_LENGTH])
{
	uint16_t crc = window[WINDOW_CRC];

	if (instrument->memory.count > 0) {
		const struct result *newest = memory_at(&instrument->memory, instrument->memory.count - 1);
		a6b_fill_window(newest, instrument->options->low_word_first, window);
	}
	if (window[WINDOW_CRC] == crc)
		window[0x0E] ^= 0x0100;
	window[WINDOW_CRC] = crc;
}

static void read_window(struct instrument *instrument, unsigned first, unsigned count, uint16_t *out)
{
	uint16_t window[A6B_WINDOW_LENGTH];

	memcpy(window, instrument->a6b.window, sizeof window);
	if (dice_chance(&instrument->dice, instrument->options->torn))
		tear(instrument, window);
	memcpy(out, window + first, count * sizeof *out);
	if (first == 0)
		instrument->a6b.new_data = false;
}

enum modbus_exception a6b_read(struct instrument *instrument, unsigned address, unsigned count, uint16_t *out)
{
	unsigned last = address + count - 1;

	if (count < 1 || count > 125)
		return MODBUS_ILLEGAL_VALUE;
	if (last <= STATUS_LAST) {
		uint16_t registers[STATUS_LAST + 1];
		fill_status(instrument, registers);
		memcpy(out, registers + address, count * sizeof *out);
	} else if (address >= CLOCK_FIRST && last <= CLOCK_LAST) {
		memcpy(out, instrument->a6b.clock_to_set + (address - CLOCK_FIRST), count * sizeof *out);
	} else if (address >= A6B_WINDOW && last < A6B_WINDOW + A6B_WINDOW_LENGTH) {
		read_window(instrument, address - A6B_WINDOW, count, out);
	} else {
		return MODBUS_ILLEGAL_ADDRESS;
	}
	return MODBUS_FINE;
}

/* A number names one result until the power fails: then numbers start again while old results may wait in the memory.
 * A host that erases walks from the oldest end, one that does not follows the newest: each finds its own. */
static long find_selected(const struct instrument *instrument)
{
	if (instrument->a6b.host_erases)
		return memory_find_oldest(&instrument->memory, instrument->a6b.selected);
	return memory_find_newest(&instrument->memory, instrument->a6b.selected);
}

static enum modbus_exception latch(struct instrument *instrument)
{
	if (dice_chance(&instrument->dice, instrument->options->busy))
		return MODBUS_BUSY;
	long place = find_selected(instrument);
	if (place < 0)
		return MODBUS_ILLEGAL_VALUE;
	a6b_fill_window(memory_at(&instrument->memory, (size_t)place), instrument->options->low_word_first,
		instrument->a6b.window);
	return MODBUS_FINE;
}

static enum modbus_exception acknowledge(struct instrument *instrument)
{
	if (dice_chance(&instrument->dice, instrument->options->busy))
		return MODBUS_BUSY;
	instrument->a6b.host_erases = true;
	long place = find_selected(instrument);
	if (place >= 0) /* else it was erased before: a host may say it twice */
		memory_drop(&instrument->memory, (size_t)place + 1);
	instrument->a6b.overrun = false;
	return MODBUS_FINE;
}

static enum modbus_exception command(struct instrument *instrument, uint16_t value)
{
	switch (value) {
	case COMMAND_LATCH:
		return latch(instrument);
	case COMMAND_ACKNOWLEDGE:
		return acknowledge(instrument);
	case COMMAND_SET_CLOCK:
		return instrument_set_clock(instrument, instrument->a6b.clock_to_set) ? MODBUS_FINE
		                                                                      : MODBUS_ILLEGAL_VALUE;
	default:
		return MODBUS_ILLEGAL_VALUE;
	}
}

static enum modbus_exception write_one(struct instrument *instrument, unsigned address, uint16_t value)
{
	struct a6b *a6b = &instrument->a6b;

	if (address == SELECT_LOW)
		a6b->selected = (a6b->selected & 0xFFFF0000) | value;
	else if (address == SELECT_HIGH)
		a6b->selected = (a6b->selected & 0xFFFF) | (uint32_t)value << 16;
	else if (address == COMMAND)
		return command(instrument, value);
	else
		a6b->clock_to_set[address - CLOCK_FIRST] = value;
	return MODBUS_FINE;
}

enum modbus_exception a6b_write(struct instrument *instrument, unsigned address, unsigned count, const uint16_t *values)
{
	unsigned last = address + count - 1;
	enum modbus_exception exception = MODBUS_FINE;

	if (count < 1 || count > 123)
		return MODBUS_ILLEGAL_VALUE;
	if (!(address >= SELECT_LOW && last <= COMMAND) && !(address >= CLOCK_FIRST && last <= CLOCK_LAST))
		return MODBUS_ILLEGAL_ADDRESS;
	for (unsigned i = 0; i < count && exception == MODBUS_FINE; i++)
		exception = write_one(instrument, address + i, values[i]);
	return exception;
}
