/* JSON as the `text` driver reads it (RFC 8259): a pull scanner and what its tokens say.
 *
 * It looks at each byte once, keeps a bit for each level and allocates nothing. Bytes may be UTF-8 or GB 18030, whose
 * second bytes can be "\\", "[" or "{". A number never becomes anything but text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_driver.h"

#define DEPTH_MAX TEXT_JSON_DEPTH_MAX

/* ---- the scanner ---- */

struct text_json text_json_of(enum text_encoding encoding, const uint8_t *data, size_t length)
{
	return (struct text_json){ .data = data, .length = length, .encoding = encoding, .wanted = JSON_WANT_VALUE };
}

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static bool in_object(const struct text_json *json)
{
	return json->objects >> (json->depth - 1) & 1;
}

static void value_over(struct text_json *json)
{
	json->wanted = json->depth > 0 ? JSON_WANT_COMMA : JSON_WANT_NOTHING;
}

static enum text_json_event open_level(struct text_json *json, bool object)
{
	if (json->depth == DEPTH_MAX)
		return JSON_BAD;
	json->objects = (json->objects & ~(UINT64_C(1) << json->depth)) | (uint64_t)object << json->depth;
	json->depth++;
	json->at++;
	json->wanted = object ? JSON_WANT_NAME_OR_END : JSON_WANT_VALUE_OR_END;
	return object ? JSON_OBJECT : JSON_ARRAY;
}

static enum text_json_event close_level(struct text_json *json)
{
	json->depth--;
	json->at++;
	value_over(json);
	return JSON_END;
}

/* Bytes of the escape at a backslash: 0 when `left` do not tell, -1 when it is none. */
static int escape_length(const uint8_t *at, size_t left)
{
	if (left < 2)
		return 0;
	if (at[1] != 'u')
		return at[1] != 0 && strchr("\"\\/bfnrt", at[1]) ? 2 : -1;
	for (size_t i = 2; i < 6; i++) {
		if (i >= left)
			return 0;
		if (!is_digit(at[i]) && ((at[i] | 0x20) < 'a' || (at[i] | 0x20) > 'f'))
			return -1;
	}
	return 6;
}

/* The token is what stands between the quotes. */
static enum text_json_event take_string(struct text_json *json, enum text_json_event event)
{
	size_t at = json->at + 1;
	while (at < json->length && json->data[at] != '"') {
		const uint8_t *byte = json->data + at;
		int step = *byte == '\\' ? escape_length(byte, json->length - at)
		           : *byte < ' ' ? -1
		                         : (int)text_step(json->encoding, byte, json->length - at);
		if (step < 0)
			return JSON_BAD;
		if (step == 0)
			return JSON_MORE;
		at += (size_t)step;
	}
	if (at >= json->length)
		return JSON_MORE;
	json->token = (struct text_piece){ json->data + json->at + 1, at - json->at - 1 };
	json->at = at + 1;
	return event;
}

static size_t digits(const struct text_json *json, size_t at)
{
	size_t count = 0;
	while (at + count < json->length && is_digit(json->data[at + count]))
		count++;
	return count;
}

/* JSON_MORE while another digit may follow. */
static enum text_json_event take_number(struct text_json *json)
{
	const uint8_t *data = json->data;
	size_t at = json->at + (data[json->at] == '-'), whole = digits(json, at), part = 1;
	bool zero = whole > 1 && data[at] == '0';
	at += whole;
	if (whole > 0 && at < json->length && data[at] == '.') {
		part = digits(json, at + 1);
		at += 1 + part;
	}
	if (whole > 0 && part > 0 && at < json->length && (data[at] | 0x20) == 'e') {
		at++;
		at += at < json->length && (data[at] == '+' || data[at] == '-');
		part = digits(json, at);
		at += part;
	}
	if (at >= json->length)
		return JSON_MORE;
	if (zero || whole == 0 || part == 0)
		return JSON_BAD;
	json->token = (struct text_piece){ data + json->at, at - json->at };
	json->at = at;
	value_over(json);
	return JSON_NUMBER;
}

static enum text_json_event take_word(struct text_json *json)
{
	static const char *const words[] = { "true", "false", "null" };
	const uint8_t *at = json->data + json->at;
	size_t left = json->length - json->at;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t length = strlen(words[i]);
		if (memcmp(at, words[i], left < length ? left : length) != 0)
			continue;
		if (left < length)
			return JSON_MORE;
		json->token = (struct text_piece){ at, length };
		json->at += length;
		value_over(json);
		return *at == 'n' ? JSON_NULL : JSON_WORD;
	}
	return JSON_BAD;
}

static enum text_json_event take_value(struct text_json *json)
{
	enum text_json_event event;
	switch (json->data[json->at]) {
	case '{':
		return open_level(json, true);
	case '[':
		return open_level(json, false);
	case '"':
		event = take_string(json, JSON_STRING);
		if (event == JSON_STRING)
			value_over(json);
		return event;
	default:
		break;
	}
	bool number = is_digit(json->data[json->at]) || json->data[json->at] == '-';
	return number ? take_number(json) : take_word(json);
}

static enum text_json_event take_name(struct text_json *json)
{
	enum text_json_event event = take_string(json, JSON_NAME);
	if (event == JSON_NAME)
		json->wanted = JSON_WANT_COLON;
	return event;
}

enum text_json_event text_json_next(struct text_json *json)
{
	while (json->wanted != JSON_WANT_NOTHING) {
		while (json->at < json->length && is_blank(json->data[json->at]))
			json->at++;
		if (json->at == json->length)
			return JSON_MORE;
		uint8_t byte = json->data[json->at];
		switch (json->wanted) {
		case JSON_WANT_VALUE_OR_END:
			return byte == ']' ? close_level(json) : take_value(json);
		case JSON_WANT_VALUE:
			return take_value(json);
		case JSON_WANT_NAME_OR_END:
		case JSON_WANT_NAME:
			if (byte == '}' && json->wanted == JSON_WANT_NAME_OR_END)
				return close_level(json);
			return byte == '"' ? take_name(json) : JSON_BAD;
		case JSON_WANT_COLON:
			if (byte != ':')
				return JSON_BAD;
			json->wanted = JSON_WANT_VALUE;
			break;
		case JSON_WANT_COMMA:
			if (byte == (in_object(json) ? '}' : ']'))
				return close_level(json);
			if (byte != ',')
				return JSON_BAD;
			json->wanted = in_object(json) ? JSON_WANT_NAME : JSON_WANT_VALUE;
			break;
		case JSON_WANT_NOTHING:
			break;
		}
		json->at++;
	}
	return JSON_BAD;
}

/* ---- texts ---- */

void text_plain_put(struct text_plain *plain, const char *utf8, size_t length)
{
	if (plain->used + length >= plain->size) {
		plain->size = plain->used + 1; /* nothing behind it either */
		return;
	}
	memcpy(plain->out + plain->used, utf8, length);
	plain->used += length;
}

void text_plain_point(struct text_plain *plain, unsigned long point)
{
	char utf8[4];
	size_t length = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
	static const uint8_t lead[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
	for (size_t i = length; i-- > 1; point >>= 6)
		utf8[i] = (char)(0x80 | (point & 0x3F));
	utf8[0] = (char)(lead[length] | point);
	text_plain_put(plain, utf8, length);
}

static unsigned long hex4(const uint8_t *at)
{
	char text[5] = { (char)at[0], (char)at[1], (char)at[2], (char)at[3] };
	return strtoul(text, NULL, 16);
}

/* Two halves of a surrogate pair are one character; a half alone is none. */
static size_t put_escape(struct text_plain *plain, const uint8_t *at, size_t left)
{
	static const char letters[] = "\"\\/bfnrt", means[] = "\"\\/\x01\x01   "; /* a line's end becomes a blank */
	if (at[1] != 'u') {
		text_plain_put(plain, &means[strchr(letters, at[1]) - letters], 1);
		return 2;
	}
	unsigned long point = hex4(at + 2);
	if (point >= 0xD800 && point < 0xDC00 && left >= 12 && at[6] == '\\' && at[7] == 'u') {
		unsigned long low = hex4(at + 8);
		if (low >= 0xDC00 && low < 0xE000) {
			text_plain_point(plain, 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00));
			return 12;
		}
	}
	bool none = point == 0 || (point >= 0xD800 && point < 0xE000);
	plain->marks |= none ? TEXT_BAD : 0;
	text_plain_point(plain, none ? 0xFFFD : point);
	return 6;
}

void text_plain_run(struct text_plain *plain, enum text_encoding encoding, const uint8_t *at, size_t length)
{
	char piece[512];
	for (size_t run; length > 0; at += run, length -= run) {
		if (*at < 0x80) { /* blanks at the ends of a piece must stay: text_decode() takes them off */
			text_plain_put(plain, (const char *)at, run = 1);
			continue;
		}
		for (run = 0; run < length && run < 128 && at[run] >= 0x80;) {
			size_t step = text_step(encoding, at + run, length - run);
			run += step && step <= length - run ? step : length - run;
		}
		plain->marks |= text_decode(encoding, at, run, piece, sizeof(piece));
		text_plain_put(plain, piece, strlen(piece));
	}
}

unsigned text_json_text(enum text_encoding encoding, struct text_piece token, char *out, size_t size)
{
	char buffer[1024];
	struct text_plain plain = { buffer, sizeof(buffer), 0, 0 };
	for (size_t at = 0; at < token.length;) {
		const uint8_t *from = token.at + at, *escape = memchr(from, '\\', token.length - at);
		if (encoding == TEXT_GB18030 && escape && escape > from) {
			escape = from; /* it may be the second byte of a character */
			while (escape < token.at + token.length && *escape != '\\') {
				size_t step = text_step(encoding, escape, (size_t)(token.at + token.length - escape));
				escape += step ? step : 1;
			}
		}
		size_t run = escape && escape < token.at + token.length ? (size_t)(escape - from) : token.length - at;
		if (run == 0)
			run = put_escape(&plain, from, token.length - at);
		else
			text_plain_run(&plain, encoding, from, run);
		at += run;
	}
	return plain.marks | text_decode(TEXT_UTF8, buffer, plain.used, out, size);
}

/* 1.5e-3 is 0.0015: the point is moved in the text. */
bool text_json_number(struct text_piece token, char out[static DECIMAL_MAX])
{
	char digit[32] = "";
	size_t count = 0, at = token.at[0] == '-', used = 0;
	long exponent = 0, point = -1;
	for (; at < token.length && (token.at[at] | 0x20) != 'e'; at++) {
		if (token.at[at] == '.')
			point = (long)count;
		else if (count < 30)
			digit[count++] = (char)token.at[at];
		else
			return false;
	}
	point = point < 0 ? (long)count : point;
	if (at < token.length &&
		!text_parse_long((const char *)token.at + at + 1, token.length - at - 1, -99, 99, &exponent))
		return false;
	point += exponent;
	long zeros = point < 1 ? 1 - point : 0, behind = point > (long)count ? point - (long)count : 0;
	if (zeros + behind + (long)count > 30)
		return false;
	if (token.at[0] == '-')
		out[used++] = '-';
	for (long i = -zeros; i < (long)count + behind; i++) {
		if (i == point)
			out[used++] = '.';
		out[used++] = i < 0 || i >= (long)count ? '0' : digit[i];
	}
	out[used] = '\0';
	return true;
}
