/* One line of a register table: ADDRESS TYPE [option ...], as makers print them.
 *
 *     0x10D f32 order=CDAB plausible=0.000001..1000000
 *     40018 u16 scale=/100 invalid=0x7FFE,0x7FFF
 *     0x116 ascii[16]
 *     0x12  bit7
 *     is OIL-TPM
 */
#include "modbus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct type {
	const char *name;
	enum modbus_form form;
	unsigned bits, bit; /* of a number */
	uint16_t count;     /* registers */
	uint16_t bytes;     /* twice as many, but for types that stand in the records of pages only */
} types[] = {
	{ "u16", MODBUS_UNSIGNED, 16, 0, 1, 2 },
	{ "s16", MODBUS_SIGNED, 16, 0, 1, 2 },
	{ "u32", MODBUS_UNSIGNED, 32, 0, 2, 4 },
	{ "s32", MODBUS_SIGNED, 32, 0, 2, 4 },
	{ "u64", MODBUS_UNSIGNED, 64, 0, 4, 8 },
	{ "s64", MODBUS_SIGNED, 64, 0, 4, 8 },
	{ "u8h", MODBUS_UNSIGNED, 8, 8, 1, 2 },
	{ "u8l", MODBUS_UNSIGNED, 8, 0, 1, 2 },
	{ "s8h", MODBUS_SIGNED, 8, 8, 1, 2 },
	{ "s8l", MODBUS_SIGNED, 8, 0, 1, 2 },
	{ "f16", MODBUS_FLOAT, 16, 0, 1, 2 },
	{ "f32", MODBUS_FLOAT, 32, 0, 2, 4 },
	{ "f64", MODBUS_FLOAT, 64, 0, 4, 8 },
	{ "bcd16", MODBUS_BCD, 16, 0, 1, 2 },
	{ "bcd32", MODBUS_BCD, 32, 0, 2, 4 },
	{ "ymdhms", MODBUS_YMDHMS, 0, 0, 6, 12 },
	{ "bcd-time", MODBUS_BCD_TIME, 0, 0, 3, 6 },
	{ "dos-time", MODBUS_DOS_TIME, 32, 0, 2, 4 },
	{ "seconds", MODBUS_SECONDS, 32, 0, 2, 4 },
	{ "u8", MODBUS_UNSIGNED, 8, 0, 1, 1 },
	{ "s8", MODBUS_SIGNED, 8, 0, 1, 1 },
	{ "ymdhm8", MODBUS_BYTE_TIME, 0, 0, 3, 5 },
	{ "ymdhms8", MODBUS_BYTE_TIME, 0, 0, 3, 6 },
};

static const struct {
	const char *name;
	enum text_encoding encoding;
} encodings[] = {
	{ "ascii", TEXT_ASCII },
	{ "gb18030", TEXT_GB18030 },
	{ "gbk", TEXT_GB18030 },
	{ "gb2312", TEXT_GB18030 },
	{ "utf8", TEXT_UTF8 },
};

static const struct {
	const char *name;
	enum modbus_order order;
} orders[] = {
	{ "ABCD", MODBUS_ABCD },
	{ "CDAB", MODBUS_CDAB },
	{ "BADC", MODBUS_BADC },
	{ "DCBA", MODBUS_DCBA },
	{ "ABCDEFGH", MODBUS_ABCD },
	{ "GHEFCDAB", MODBUS_CDAB },
	{ "BADCFEHG", MODBUS_BADC },
	{ "HGFEDCBA", MODBUS_DCBA },
	{ "AB", MODBUS_ABCD },
	{ "BA", MODBUS_BADC },
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static bool is_word(const char *text, size_t length, const char *word)
{
	return strlen(word) == length && strncmp(text, word, length) == 0;
}

int modbus_order_parse(const char *word, size_t length, enum modbus_order *ret, struct fault *fault)
{
	for (size_t i = 0; i < COUNT(orders); i++) {
		if (is_word(word, length, orders[i].name)) {
			*ret = orders[i].order;
			return 0;
		}
	}
	return fault_set(fault, EINVAL,
		_("'%.*s' is no order of registers and bytes; ABCD, CDAB, BADC or DCBA (ABCDEFGH, GHEFCDAB, BADCFEHG, "
		  "HGFEDCBA for 64 bits, AB or BA for 16) would be"),
		(int)length, word);
}

bool modbus_parse_bits(const char *text, size_t length, uint64_t *ret)
{
	char copy[MODBUS_NUMBER_MAX];
	if (length == 0 || length >= sizeof(copy))
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	const char *digits = copy + (*copy == '-');
	bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
	digits += hex ? 2 : 0;
	if (strlen(digits) == 0 || strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") != strlen(digits))
		return false;
	errno = 0;
	uint64_t number = strtoull(digits, NULL, hex ? 16 : 10);
	*ret = *copy == '-' ? -number : number;
	return errno == 0;
}

bool modbus_parse_long(const char *text, size_t length, long min, long max, long *ret)
{
	uint64_t bits;
	if (!modbus_parse_bits(text, length, &bits))
		return false;
	long number = (long)bits;
	if (number < min || number > max)
		return false;
	*ret = number;
	return true;
}

bool modbus_parse_range(const char *text, long min, long max, long *ret_first, long *ret_last)
{
	const char *dots = strstr(text, "..");
	long first, last;
	if (!dots || !modbus_parse_long(text, (size_t)(dots - text), min, max, &first) ||
		!modbus_parse_long(dots + 2, strlen(dots + 2), min, max, &last) || last < first)
		return false;
	*ret_first = first;
	*ret_last = last;
	return true;
}

bool modbus_form_is_time(enum modbus_form form)
{
	return form == MODBUS_YMDHMS || form == MODBUS_BCD_TIME || form == MODBUS_DOS_TIME || form == MODBUS_SECONDS ||
	       form == MODBUS_BYTE_TIME;
}

static int parse_text_type(struct modbus_field *field, const char *word, size_t length, struct fault *fault)
{
	const char *bracket = memchr(word, '[', length);
	size_t name = bracket ? (size_t)(bracket - word) : length;
	for (size_t i = 0; i < COUNT(encodings); i++) {
		if (!is_word(word, name, encodings[i].name))
			continue;
		long bytes = 0;
		if (!bracket || word[length - 1] != ']' ||
			!modbus_parse_long(bracket + 1, length - name - 2, 1, 250, &bytes))
			return fault_set(fault, EINVAL,
				_("'%.*s' does not say how long the text is; %s[16] for 16 bytes (8 registers) would be "
				  "right, at most 250"),
				(int)length, word, encodings[i].name);
		field->form = MODBUS_TEXT;
		field->encoding = encodings[i].encoding;
		field->text_length = (size_t)bytes;
		field->count = (uint16_t)((bytes + 1) / 2);
		return 0;
	}
	return fault_set(fault, EINVAL,
		_("'%.*s' is no type; u16 s16 u32 s32 u64 s64 u8h u8l s8h s8l f16 f32 f64 bcd16 bcd32 bit0..bit15 "
		  "ascii[N] gb18030[N] utf8[N] ymdhms bcd-time dos-time seconds are, and in the records of pages u8 s8 ymdhm8 "
		  "ymdhms8"),
		(int)length, word);
}

static int parse_type(struct modbus_field *field, const char *word, size_t length, struct fault *fault)
{
	long bit;
	for (size_t i = 0; i < COUNT(types); i++) {
		if (!is_word(word, length, types[i].name))
			continue;
		field->form = types[i].form;
		field->bits = types[i].bits;
		field->bit = types[i].bit;
		field->count = types[i].count;
		field->bytes = types[i].bytes;
		return 0;
	}
	if (length > 3 && strncmp(word, "bit", 3) == 0 && modbus_parse_long(word + 3, length - 3, 0, 15, &bit)) {
		field->form = MODBUS_BIT;
		field->bits = 1;
		field->bit = (unsigned)bit;
		field->count = 1;
		return 0;
	}
	return parse_text_type(field, word, length, fault);
}

static bool is_number(const struct modbus_field *field)
{
	return field->form != MODBUS_TEXT && !modbus_form_is_time(field->form);
}

/* "/100" is a shift of the decimal point and exact; so is any factor written as a decimal. */
static int set_scale(struct modbus_field *field, const char *value, size_t length, struct fault *fault)
{
	char text[DECIMAL_MAX] = "";
	size_t zeros = length > 1 ? length - 2 : 0;
	bool divides =
		length >= 2 && value[0] == '/' && value[1] == '1' && zeros <= 9 && strspn(value + 2, "0") >= zeros;
	if (divides)
		decimal_scaled(text, 1, (unsigned)zeros);
	else if (length < MODBUS_NUMBER_MAX)
		memcpy(text, value + (*value == '*'), length - (*value == '*'));
	if (!decimal_valid(text) || decimal_compare(text, "0") <= 0 || !is_number(field))
		return fault_set(fault, EINVAL,
			_("scale '%.*s' is no factor for a number; /10, /100, /1000 or a decimal such as 0.05 would be"),
			(int)length, value);
	memcpy(field->scale, text, strlen(text) + 1);
	return 0;
}

static int set_decimals(struct modbus_field *field, const char *value, size_t length, struct fault *fault)
{
	long decimals;
	if (field->form != MODBUS_FLOAT || !modbus_parse_long(value, length, 0, 9, &decimals))
		return fault_set(fault, EINVAL,
			_("decimals=%.*s does not fit; 0 to 9 rounds an f16, f32 or f64 to what the display shows, and an "
			  "integer 6350 that means 63.50 has scale=/100"),
			(int)length, value);
	field->decimals = (int)decimals;
	return 0;
}

static int set_plausible(struct modbus_field *field, const char *value, size_t length, struct fault *fault)
{
	char text[2 * MODBUS_NUMBER_MAX];
	char *dots = NULL;
	if (length < sizeof(text)) {
		memcpy(text, value, length);
		text[length] = '\0';
		dots = strstr(text, "..");
	}
	if (dots)
		*dots = '\0';
	if (!dots || field->form != MODBUS_FLOAT || !decimal_valid(text) || !decimal_valid(dots + 2) ||
		strlen(text) >= MODBUS_NUMBER_MAX || strlen(dots + 2) >= MODBUS_NUMBER_MAX ||
		decimal_compare(text, "0") <= 0 || decimal_compare(text, dots + 2) > 0)
		return fault_set(fault, EINVAL,
			_("plausible=%.*s is no range of magnitudes; least..most such as 0.000001..1000000 on an f16, f32 "
			  "or f64 would be"),
			(int)length, value);
	memcpy(field->least, text, strlen(text) + 1);
	memcpy(field->most, dots + 2, strlen(dots + 2) + 1);
	return 0;
}

static int set_order(struct modbus_field *field, const char *value, size_t length, struct fault *fault)
{
	field->own_order = true;
	return modbus_order_parse(value, length, &field->order, fault);
}

static int set_unit(struct modbus_field *field, const char *value, size_t length, struct fault *fault)
{
	if (field->role != MODBUS_VALUE || length >= sizeof(field->unit))
		return fault_set(fault, EINVAL,
			_("unit=%.*s does not fit; only the value of [field] has one, such as mg/kg"), (int)length,
			value);
	memcpy(field->unit, value, length);
	field->unit[length] = '\0';
	return 0;
}

static int set_equals(struct modbus_field *field, const char *value, size_t length, struct fault *fault)
{
	if (field->role != MODBUS_MAGIC || !is_number(field) || !modbus_parse_bits(value, length, &field->expected))
		return fault_set(fault, EINVAL,
			_("equals=%.*s does not fit; only the magic number of [identity] has one, such as 0xA55D"),
			(int)length, value);
	return 0;
}

static int add_sentinels(
	struct modbus_field *field, enum modbus_meaning meaning, const char *value, size_t length, struct fault *fault)
{
	uint64_t mask = field->bits < 64 ? (UINT64_C(1) << field->bits) - 1 : UINT64_MAX;
	for (size_t at = 0; at < length;) {
		size_t end = at;
		while (end < length && value[end] != ',')
			end++;
		uint64_t bits;
		if (!is_number(field) || !modbus_parse_bits(value + at, end - at, &bits))
			return fault_set(fault, EINVAL,
				_("'%.*s' is no code of a number; decimal or 0x hexadecimal, as 0x7FFE, would be"),
				(int)(end - at), value + at);
		if (field->sentinel_count == MODBUS_SENTINELS)
			return fault_set(fault, EINVAL, _("more than %d special codes in one line; %d is the most"),
				MODBUS_SENTINELS, MODBUS_SENTINELS);
		field->sentinels[field->sentinel_count].bits = bits & mask;
		field->sentinels[field->sentinel_count++].meaning = meaning;
		at = end + 1;
	}
	return 0;
}

static const struct {
	const char *name;
	int (*set)(struct modbus_field *, const char *, size_t, struct fault *);
	enum modbus_meaning meaning; /* where `set` is NULL: the codes mean this */
} options[] = {
	{ "order", set_order, 0 },
	{ "scale", set_scale, 0 },
	{ "decimals", set_decimals, 0 },
	{ "plausible", set_plausible, 0 },
	{ "equals", set_equals, 0 },
	{ "unit", set_unit, 0 },
	{ "invalid", NULL, MODBUS_MEANS_INVALID },
	{ "absent", NULL, MODBUS_MEANS_ABSENT },
	{ "blank", NULL, MODBUS_MEANS_ABSENT },
	{ "over", NULL, MODBUS_MEANS_OVER },
	{ "good", NULL, MODBUS_MEANS_GOOD },
};

static int parse_option(struct modbus_field *field, const char *word, size_t length, struct fault *fault)
{
	const char *equals = memchr(word, '=', length);
	size_t name = equals ? (size_t)(equals - word) : length;
	for (size_t i = 0; i < COUNT(options) && equals && name + 1 < length; i++) {
		if (!is_word(word, name, options[i].name))
			continue;
		if (options[i].set)
			return options[i].set(field, equals + 1, length - name - 1, fault);
		return add_sentinels(field, options[i].meaning, equals + 1, length - name - 1, fault);
	}
	return fault_set(fault, EINVAL,
		_("'%.*s' is no option of a register; order= scale= decimals= plausible= unit= invalid= absent= over= good= "
		  "blank= equals= are"),
		(int)length, word);
}

/* The next word of `*at`, and its length; 0 at the end. */
static size_t next_word(const char **at)
{
	*at += strspn(*at, " \t");
	return strcspn(*at, " \t");
}

static int parse_constant(struct modbus_field *field, const char *text, struct fault *fault)
{
	text += strspn(text, " \t");
	if (field->role != MODBUS_WORD || !*text || strlen(text) >= sizeof(field->constant))
		return fault_set(fault, EINVAL,
			_("'is %s' does not fit; item, method, unit or another text of [field] may be the same for every "
			  "result, in at most %zu bytes"),
			text, sizeof(field->constant) - 1);
	field->form = MODBUS_CONSTANT;
	memcpy(field->constant, text, strlen(text) + 1);
	return 0;
}

int modbus_field_parse(struct modbus_field *field, const char *value, struct fault *fault)
{
	const char *at = value;
	size_t length = next_word(&at);
	field->decimals = -1;
	if (is_word(at, length, "is"))
		return parse_constant(field, at + length, fault);
	if (!modbus_parse_long(at, length, 0, 999999, &field->documented))
		return fault_set(fault, EINVAL,
			_("'%.*s' is no register address; decimal or 0x hexadecimal as the maker prints it would be, then the "
			  "type: 0x10D f32"),
			(int)length, at);
	at += length;
	length = next_word(&at);
	if (length == 0)
		return fault_set(
			fault, EINVAL, _("'%s' lacks the type after the address; '%s u16' for one"), value, value);
	int error = parse_type(field, at, length, fault);
	if (field->bytes == 0) /* a text, or a bit */
		field->bytes = (uint16_t)MODBUS_BYTES(field->count);
	while (error == 0) {
		at += length;
		length = next_word(&at);
		if (length == 0)
			return 0;
		error = parse_option(field, at, length, fault);
	}
	return error;
}
