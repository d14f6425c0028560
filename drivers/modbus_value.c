/* Registers -> number, text or time.
 *
 * A register is 16 bits, most significant byte first on the wire (Modbus Application Protocol V1.1b3, section 4.2).
 * How larger numbers lie in several registers is every maker's own choice; the four orders seen, for 12 34 56 78:
 *
 *     ABCD  1234 5678      CDAB  5678 1234      BADC  3412 7856      DCBA  7856 3412
 *
 * What is sent is not rounded, clamped or repaired: a number that says "no number" (NaN, a sentinel) gives no text.
 */
#include "modbus.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calendar.h"

static uint64_t ordered(const struct modbus_field *field, enum modbus_order order, struct bytes bytes)
{
	if (field->bytes == 1)
		return bytes_u8(&bytes);
	uint16_t registers[4] = { 0 };
	size_t count = field->count < 4 ? field->count : 4;
	for (size_t i = 0; i < count; i++) {
		uint16_t word = order & MODBUS_SWAP_BYTES ? bytes_u16le(&bytes) : bytes_u16be(&bytes);
		registers[order & MODBUS_SWAP_REGISTERS ? count - 1 - i : i] = word;
	}
	uint64_t bits = 0;
	for (size_t i = 0; i < count; i++)
		bits = bits << 16 | registers[i];
	bits >>= field->bit;
	return field->bits < 64 ? bits & ((UINT64_C(1) << field->bits) - 1) : bits;
}

static int64_t sign_extended(uint64_t bits, unsigned width)
{
	uint64_t sign = UINT64_C(1) << (width - 1);
	return (int64_t)((bits ^ sign) - sign);
}

/* IEEE 754 half to double: every half is exactly a double. */
static uint64_t widened(uint64_t half)
{
	uint64_t sign = half >> 15 << 63, exponent = half >> 10 & 0x1F, fraction = half & 0x3FF;
	if (exponent == 0x1F)
		return sign | UINT64_C(0x7FF) << 52 | fraction << 42;
	if (exponent == 0 && fraction == 0)
		return sign;
	if (exponent == 0)
		for (exponent = 1; !(fraction & 0x400); exponent--)
			fraction <<= 1;
	return sign | (exponent + 1023 - 15) << 52 | (fraction & 0x3FF) << 42;
}

static bool float_text(const struct modbus_field *field, uint64_t bits, char out[static DECIMAL_MAX])
{
	if (field->bits == 16)
		return decimal_from_f64(out, widened(bits));
	if (field->bits == 32)
		return decimal_from_f32(out, (uint32_t)bits);
	return decimal_from_f64(out, bits);
}

static bool is_finite(const struct modbus_field *field, uint64_t bits)
{
	unsigned fraction = field->bits == 16 ? 10 : field->bits == 32 ? 23 : 52;
	uint64_t exponents = (UINT64_C(1) << (field->bits - 1 - fraction)) - 1;
	return (bits >> fraction & exponents) != exponents;
}

static bool bcd_number(uint64_t bits, unsigned width, uint64_t *ret)
{
	uint64_t number = 0;
	for (unsigned shift = width; shift > 0; shift -= 4) {
		unsigned digit = bits >> (shift - 4) & 0xF;
		if (digit > 9)
			return false;
		number = number * 10 + digit;
	}
	*ret = number;
	return true;
}

/* The number as the registers hold it, before any scale. */
static bool plain_text(const struct modbus_field *field, uint64_t bits, char out[static DECIMAL_MAX])
{
	uint64_t number = bits;
	*out = '\0';
	switch (field->form) {
	case MODBUS_SIGNED:
		snprintf(out, DECIMAL_MAX, "%" PRId64, sign_extended(bits, field->bits));
		return true;
	case MODBUS_FLOAT:
		return float_text(field, bits, out);
	case MODBUS_BCD:
		if (!bcd_number(bits, field->bits, &number))
			return false;
		break;
	default:
		break;
	}
	snprintf(out, DECIMAL_MAX, "%" PRIu64, number);
	return true;
}

static void registers_text(const struct modbus_field *field, struct bytes bytes, char out[static MODBUS_AS_SENT_MAX])
{
	for (size_t i = 0; i < field->bytes && 2 * i + 3 <= MODBUS_AS_SENT_MAX; i++)
		snprintf(out + 2 * i, 3, "%02X", bytes_u8(&bytes));
}

/* A swapped float is not random: it is absurdly large or small (12.34 read in the wrong order is 4E29, 12.5 is 2E-41).
 */
static bool implausible(const struct modbus_field *field, const char *number)
{
	if (!*field->least)
		return false;
	const char *magnitude = *number == '-' ? number + 1 : number;
	if (!decimal_valid(magnitude))
		return true;
	return decimal_compare(magnitude, "0") != 0 &&
	       (decimal_compare(magnitude, field->least) < 0 || decimal_compare(magnitude, field->most) > 0);
}

static void read_number(const struct modbus_field *field, struct bytes bytes, struct modbus_value *value)
{
	char number[DECIMAL_MAX];
	bool said = plain_text(field, value->bits, number);
	if (field->form == MODBUS_FLOAT || !said)
		registers_text(field, bytes, value->as_sent);
	else
		snprintf(value->as_sent, sizeof(value->as_sent), "%s", number);
	for (size_t i = 0; i < field->sentinel_count; i++) {
		if (field->sentinels[i].bits != value->bits || field->sentinels[i].meaning == MODBUS_MEANS_GOOD)
			continue;
		value->saying = field->sentinels[i].meaning == MODBUS_MEANS_ABSENT ? MODBUS_SAYS_NOTHING
		                : field->sentinels[i].meaning == MODBUS_MEANS_OVER ? MODBUS_SAYS_OVER
		                                                                   : MODBUS_SAYS_INVALID;
		return;
	}
	/* NaN and infinities are no numbers; neither is what has more digits than any instrument displays. */
	if (said && *field->scale)
		said = decimal_multiply(number, number, field->scale);
	if (said && field->decimals >= 0)
		said = decimal_divide(number, number, "1", (unsigned)field->decimals);
	value->saying = said ? MODBUS_SAYS : MODBUS_SAYS_INVALID;
	if (said)
		snprintf(value->text, sizeof(value->text), "%s", number);
	value->implausible =
		field->form == MODBUS_FLOAT && is_finite(field, value->bits) && implausible(field, said ? number : "");
}

static void read_text(
	const struct modbus_field *field, enum modbus_order order, struct bytes bytes, struct modbus_value *value)
{
	uint8_t raw[256];
	size_t length = field->text_length < sizeof(raw) ? field->text_length : sizeof(raw);
	for (size_t i = 0; i < length; i += 2) {
		uint8_t first = bytes_u8(&bytes), second = bytes_left(&bytes) > 0 ? bytes_u8(&bytes) : 0;
		raw[i] = order & MODBUS_SWAP_BYTES ? second : first;
		if (i + 1 < length)
			raw[i + 1] = order & MODBUS_SWAP_BYTES ? first : second;
	}
	while (length > 0 && raw[length - 1] == 0xFF) /* unwritten memory; a character in no encoding read here */
		length--;
	value->marks = text_decode(field->encoding, raw, length, value->text, sizeof(value->text));
	value->saying = *value->text ? MODBUS_SAYS : MODBUS_SAYS_NOTHING;
	text_copy(value->as_sent, sizeof(value->as_sent), value->text);
}

static struct date_time seconds_time(uint32_t seconds)
{
	long epoch = calendar_day(&(struct date_time){ .year = 1970, .month = 1, .day = 1 });
	struct date_time time = calendar_of_day(epoch + (long)(seconds / 86400));
	time.hour = (int)(seconds / 3600 % 24);
	time.minute = (int)(seconds / 60 % 60);
	time.second = (int)(seconds % 60);
	return time;
}

static struct date_time dos_time(uint32_t bits)
{
	return (struct date_time){
		.year = (int)(bits >> 25) + 1980,
		.month = (int)(bits >> 21 & 0xF),
		.day = (int)(bits >> 16 & 0x1F),
		.hour = (int)(bits >> 11 & 0x1F),
		.minute = (int)(bits >> 5 & 0x3F),
		.second = (int)(bits & 0x1F) * 2,
	};
}

static int one_part(const struct modbus_field *field, struct bytes *bytes)
{
	if (field->form == MODBUS_BYTE_TIME) /* without seconds there are five */
		return bytes_left(bytes) > 0 ? bytes_u8(bytes) : 0;
	return (int)(field->form == MODBUS_BCD_TIME ? bytes_bcd(bytes) : bytes_u16be(bytes));
}

static struct date_time parts_time(const struct modbus_field *field, struct bytes *bytes)
{
	struct date_time time = { 0 };
	int *parts[] = { &time.year, &time.month, &time.day, &time.hour, &time.minute, &time.second };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		*parts[i] = one_part(field, bytes);
	if (time.year < 100)
		time.year += 2000; /* no instrument of this kind was made before 2000 */
	return time;
}

static void read_time(
	const struct modbus_field *field, enum modbus_order order, struct bytes bytes, struct modbus_value *value)
{
	registers_text(field, bytes, value->as_sent);
	size_t digits = strlen(value->as_sent);
	if (strspn(value->as_sent, "0") == digits || strspn(value->as_sent, "F") == digits)
		return; /* a clock that was never set */
	struct date_time time;
	uint32_t bits = field->count == 2 ? (uint32_t)ordered(field, order, bytes) : 0;
	if (field->form == MODBUS_SECONDS)
		time = seconds_time(bits);
	else if (field->form == MODBUS_DOS_TIME)
		time = dos_time(bits);
	else
		time = parts_time(field, &bytes);
	char text[CALENDAR_TEXT_MAX];
	bool said = !bytes.failed && calendar_text(&time, text);
	value->saying = said ? MODBUS_SAYS : MODBUS_SAYS_INVALID;
	if (said)
		snprintf(value->text, sizeof(value->text), "%s", text);
}

void modbus_value_read(
	const struct modbus_field *field, enum modbus_order order, struct bytes bytes, struct modbus_value *ret)
{
	*ret = (struct modbus_value){ .saying = MODBUS_SAYS_NOTHING };
	if (field->form == MODBUS_CONSTANT) {
		ret->saying = MODBUS_SAYS;
		text_copy(ret->text, sizeof(ret->text), field->constant);
		return;
	}
	if (bytes_left(&bytes) < field->bytes)
		return;
	switch (field->form) {
	case MODBUS_TEXT:
		read_text(field, order, bytes, ret);
		return;
	case MODBUS_YMDHMS:
	case MODBUS_BCD_TIME:
	case MODBUS_DOS_TIME:
	case MODBUS_SECONDS:
	case MODBUS_BYTE_TIME:
		read_time(field, order, bytes, ret);
		return;
	default:
		ret->bits = ordered(field, order, bytes);
		read_number(field, bytes, ret);
	}
}

uint32_t modbus_number(const struct modbus_field *field, enum modbus_order order, struct bytes bytes)
{
	uint64_t bits = ordered(field, order, bytes), number = bits;
	if (field->form == MODBUS_BCD && !bcd_number(bits, field->bits, &number))
		return 0;
	return (uint32_t)number;
}
