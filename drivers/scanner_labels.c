/* Facts that stand in a code with their names. A name that is not in the table labels nothing. */
#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "scanner.h"
#include "text.h"

#define VALUE_MAX 512
#define NAME_MAX  64
#define DEPTH_MAX 8

#define FACT(member) offsetof(struct sample_facts, member), sizeof(((struct sample_facts *)0)->member)

/* Names without blanks, hyphens and underlines, in small letters; "name" alone may be anybody's. */
static const struct {
	size_t offset, size;
	const char *names;
} labels_table[] = {
	{ FACT(no), "|sampleno|samplenumber|样品编号|样品号|样品编码|检样编号|抽样编号|" },
	{ FACT(name),
		"|product|productname|samplename|goodsname|品名|产品名称|产品品名|样品名称|食用农产品名称|农产品名称|商品名称|" },
	{ FACT(category), "|category|productcategory|samplecategory|类别|产品类别|样品种类|产品种类|" },
	{ FACT(party),
		"|subject|subjectname|party|producer|producername|主体|主体名称|承诺主体|承诺主体名称|生产者|生产者名称|"
		"生产主体|生产单位|经营者|经营户|被检单位|受检单位|" },
	{ FACT(uscc), "|uscc|creditcode|socialcreditcode|统一社会信用代码|社会信用代码|信用代码|" },
	{ FACT(stall), "|stall|stallno|booth|摊位|摊位号|" },
	{ FACT(origin), "|origin|placeoforigin|producingarea|产地|产品产地|样品产地|" },
	{ FACT(trace_code), "|tracecode|traceabilitycode|追溯码|产品追溯码|溯源码|" },
	{ FACT(certificate),
		"|certificate|certificateno|certificatenumber|合格证编号|合格证号|合格证编码|承诺达标合格证编号|" },
	{ FACT(event), "|event|环节|检测环节|" },
};

static bool same_name(const char *name, size_t length, char *out)
{
	size_t used = 0;
	out[used++] = '|';
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)name[i];
		if (byte == ' ' || byte == '-' || byte == '_' || byte == '"')
			continue;
		if (used + 2 >= NAME_MAX || byte == '|')
			return false;
		out[used++] = (char)(byte < 0x80 ? tolower(byte) : byte);
	}
	out[used++] = '|';
	out[used] = '\0';
	return used > 2;
}

bool scanner_label(const char *name, size_t length, size_t *ret_offset)
{
	char wanted[NAME_MAX];
	if (!same_name(name, length, wanted))
		return false;
	for (size_t i = 0; i < sizeof(labels_table) / sizeof(*labels_table); i++) {
		*ret_offset = labels_table[i].offset;
		if (strstr(labels_table[i].names, wanted))
			return true;
	}
	return false;
}

static bool has_controls(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7F)
			return true;
	return false;
}

static void look_for_person(struct scanner_code *code, char *value)
{
	if (code->rule == IDENTITY_KEEP || !identity_find(value, code->latest_birth, NULL))
		return;
	code->personal = true;
	identity_mask(value, code->latest_birth);
}

static void refuse_number(struct scanner_code *code)
{
	code->found--;
	scanner_refuse(code->readings, _("the number of a person's identity card is no sample number; it is not used"));
}

/* `value` is a text of its own. */
static void take_pair(struct scanner_code *code, const char *name, size_t length, char *value)
{
	char wanted[NAME_MAX];
	look_for_person(code, value);
	if (!*value || has_controls(value) || !same_name(name, length, wanted))
		return;
	for (size_t i = 0; i < sizeof(labels_table) / sizeof(*labels_table); i++) {
		if (!strstr(labels_table[i].names, wanted))
			continue;
		char *fact = (char *)&code->facts + labels_table[i].offset;
		code->found++;
		if (*fact && strcmp(fact, value) != 0)
			code->contradicts = true;
		else if (labels_table[i].offset == offsetof(struct sample_facts, no) && identity_is_masked(value))
			refuse_number(code);
		else if (labels_table[i].offset == offsetof(struct sample_facts, uscc))
			scanner_take_uscc(code, value);
		else if (strlen(value) < labels_table[i].size)
			text_copy(fact, labels_table[i].size, value);
		else
			scanner_refuse(code->readings,
				_("%.*s: %zu bytes are more than a record takes; it is not used"), (int)length, name,
				strlen(value));
		return;
	}
}

/* ---- name: value ---- */

/* The first of `:`, full-width `：` or `=`; its length in `ret_length`. */
static const char *find_colon(const char *text, size_t length, size_t *ret_length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == ':' || text[i] == '=') {
			*ret_length = 1;
			return text + i;
		}
		if (length - i >= 3 && memcmp(text + i, "：", 3) == 0) {
			*ret_length = 3;
			return text + i;
		}
	}
	return NULL;
}

static void trim(const char **text, size_t *length)
{
	while (*length && **text == ' ') {
		++*text;
		--*length;
	}
	while (*length && (*text)[*length - 1] == ' ')
		--*length;
}

/* A value with a further colon may be two facts between which nothing stands: nobody can tell. */
static void take_piece(struct scanner_code *code, const char *piece, size_t length)
{
	char text[VALUE_MAX];
	size_t colon = 0, other;
	const char *at = find_colon(piece, length, &colon);
	if (!at)
		return;
	const char *value = at + colon;
	size_t value_length = length - (size_t)(value - piece), name_length = (size_t)(at - piece);
	trim(&value, &value_length);
	trim(&piece, &name_length);
	if (value_length >= sizeof(text) || find_colon(value, value_length, &other))
		return;
	memcpy(text, value, value_length);
	text[value_length] = '\0';
	take_pair(code, piece, name_length, text);
}

/* The first kind of separator that is there cuts the text; the others may stand in a value. */
static const char *const separators[][2] = { { "\n", NULL }, { ";", "；" }, { "|", NULL }, { "&", NULL },
	{ ",", "，" } };

static size_t piece_length(const char *text, const char *const separator[2])
{
	size_t least = strlen(text);
	for (size_t i = 0; i < 2; i++) {
		const char *at = separator[i] ? strstr(text, separator[i]) : NULL;
		if (at && (size_t)(at - text) < least)
			least = (size_t)(at - text);
	}
	return least;
}

static size_t separator_length(const char *at, const char *const separator[2])
{
	return separator[1] && strncmp(at, separator[1], strlen(separator[1])) == 0 ? strlen(separator[1]) : 1;
}

static bool has(const char *text, const char *const separator[2])
{
	return text[piece_length(text, separator)] != '\0';
}

void scanner_read_pairs(struct scanner_code *code)
{
	static const char *const none[2] = { NULL, NULL };
	const char *const *separator = none;
	for (size_t i = 0; i < sizeof(separators) / sizeof(*separators) && separator == none; i++)
		if (has(code->text, separators[i]))
			separator = separators[i];
	for (const char *at = code->text;;) {
		size_t length = piece_length(at, separator);
		take_piece(code, at, length);
		at += length;
		if (*at == '\0')
			return;
		at += separator_length(at, separator);
	}
}

/* ---- addresses ---- */

static int hex(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit = (char)tolower((unsigned char)digit);
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Percent encoding, of UTF-8 or GB 18030. False when it is too long or no text. */
static bool unescape(const char *text, size_t length, char *out, size_t size)
{
	char bytes[VALUE_MAX];
	size_t used = 0;
	for (size_t i = 0; i < length; i++) {
		if (used == sizeof(bytes))
			return false;
		char byte = text[i] == '+' ? ' ' : text[i];
		if (byte == '%') {
			int high = i + 2 < length ? hex(text[i + 1]) : -1;
			int low = i + 2 < length ? hex(text[i + 2]) : -1;
			if (high < 0 || low < 0)
				return false;
			byte = (char)(high * 16 + low);
			i += 2;
		}
		bytes[used++] = byte;
	}
	return !memchr(bytes, '\0', used) && text_decode(TEXT_AUTO, bytes, used, out, size) == 0;
}

bool scanner_address_is_personal(const struct scanner_code *code)
{
	char plain[SCANNER_CODE_MAX];
	size_t used = 0;
	for (const char *at = code->text; *at && used < sizeof(plain) - 1; at++) {
		int high = *at == '%' ? hex(at[1]) : -1, low = high < 0 ? -1 : hex(at[2]);
		plain[used++] = (char)(low < 0 ? *at : high * 16 + low);
		at += low < 0 ? 0 : 2;
	}
	plain[used] = '\0';
	return code->rule != IDENTITY_KEEP && identity_find(plain, code->latest_birth, NULL);
}

void scanner_read_address(struct scanner_code *code)
{
	const char *at = strchr(code->text, '?');
	while (at && *++at) {
		char name[NAME_MAX], value[VALUE_MAX];
		size_t length = strcspn(at, "&;#"), equals = strcspn(at, "=");
		if (equals < length && unescape(at, equals, name, sizeof(name)) &&
			unescape(at + equals + 1, length - equals - 1, value, sizeof(value)))
			take_pair(code, name, strlen(name), value);
		at += length;
		if (*at == '#')
			return;
	}
}

/* ---- JSON ---- */

struct json_text {
	struct scanner_code *code;
	const char *at;
	unsigned depth;
};

static void skip_blanks(struct json_text *json)
{
	json->at += strspn(json->at, " \n\r\t");
}

static bool take_char(struct json_text *json, char wanted)
{
	skip_blanks(json);
	if (*json->at != wanted)
		return false;
	json->at++;
	return true;
}

static bool hex4(struct json_text *json, unsigned *ret)
{
	*ret = 0;
	for (int i = 0; i < 4; i++) {
		int digit = hex(*json->at);
		if (digit < 0)
			return false;
		*ret = *ret * 16 + (unsigned)digit;
		json->at++;
	}
	return true;
}

static size_t put_utf8(char *out, unsigned letter)
{
	if (letter < 0x80) {
		out[0] = (char)letter;
		return 1;
	}
	size_t length = letter < 0x800 ? 2 : letter < 0x10000 ? 3 : 4;
	for (size_t i = length - 1; i > 0; i--, letter >>= 6)
		out[i] = (char)(0x80 | (letter & 0x3F));
	out[0] = (char)((0xF00 >> length & 0xFF) | letter);
	return length;
}

/* Behind the backslash. The length of what it stands for, 0 when it stands for nothing. */
static size_t escape(struct json_text *json, char out[static 4])
{
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	char letter = *json->at++;
	const char *at = letter ? strchr(letters, letter) : NULL;
	if (at) {
		out[0] = meant[at - letters];
		return 1;
	}
	unsigned unit, second;
	if (letter != 'u' || !hex4(json, &unit) || unit == 0)
		return 0;
	if (unit >= 0xD800 && unit < 0xE000) {
		if (unit >= 0xDC00 || *json->at++ != '\\' || *json->at++ != 'u' || !hex4(json, &second) ||
			second < 0xDC00 || second >= 0xE000)
			return 0;
		unit = 0x10000 + ((unit & 0x3FF) << 10 | (second & 0x3FF));
	}
	return put_utf8(out, unit);
}

/* Behind the opening quote. A text too long is read on and given as a length over `size`. */
static bool read_string(struct json_text *json, char *out, size_t size)
{
	size_t used = 0;
	while (*json->at != '"') {
		char bytes[4];
		size_t length = 1;
		if (*json->at == '\0')
			return false;
		if (*json->at != '\\')
			bytes[0] = *json->at++;
		else if (json->at++, (length = escape(json, bytes)) == 0)
			return false;
		if (used + length < size)
			memcpy(out + used, bytes, length);
		used += length;
	}
	json->at++;
	out[used < size ? used : 0] = '\0'; /* cut it would be another text */
	return true;
}

static bool read_value(struct json_text *json, const char *name);

static bool read_member(struct json_text *json)
{
	char name[NAME_MAX];
	return take_char(json, '"') && read_string(json, name, sizeof(name)) && take_char(json, ':') &&
	       read_value(json, name);
}

static bool read_list(struct json_text *json, const char *name, char end)
{
	if (++json->depth > DEPTH_MAX)
		return false;
	bool fine = true;
	if (!take_char(json, end)) {
		do
			fine = end == '}' ? read_member(json) : read_value(json, name);
		while (fine && take_char(json, ','));
		fine = fine && take_char(json, end);
	}
	json->depth--;
	return fine;
}

static bool read_value(struct json_text *json, const char *name)
{
	char value[VALUE_MAX];
	if (take_char(json, '{'))
		return read_list(json, name, '}');
	if (take_char(json, '['))
		return read_list(json, name, ']');
	if (take_char(json, '"')) {
		if (!read_string(json, value, sizeof(value)))
			return false;
	} else {
		size_t length = strspn(json->at, "+-.0123456789abcdefghijklmnopqrstuvwxyzE");
		if (length == 0 || length >= sizeof(value))
			return false;
		memcpy(value, json->at, length);
		value[length] = '\0';
		json->at += length;
		if (strcmp(value, "null") == 0)
			return true;
	}
	take_pair(json->code, name, strlen(name), value);
	return true;
}

bool scanner_read_json(struct scanner_code *code)
{
	struct json_text json = { .code = code, .at = code->text };
	if (!read_value(&json, ""))
		return false;
	skip_blanks(&json);
	return *json.at == '\0';
}
