/* Records of "03-FF" strip readers that are lines of text; the transcript stands in zero3_ff.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calendar.h"
#include "text.h"
#include "zero3_ff.h"

enum { NUMBER = 3, LINE_TEXT_MAX = 512 };

/* GB 18030 has no control character inside a character, so CR always ends a line. Padding with NULs is borne. */
bool zero3_is_text(struct bytes data)
{
	const uint8_t *number = bytes_take(&data, NUMBER);
	if (!number || bytes_left(&data) == 0)
		return false;
	while (data.end > data.at && data.end[-1] == 0)
		data.end--;
	if (bytes_left(&data) == 0)
		return false;
	while (bytes_left(&data) > 0) {
		uint8_t byte = bytes_u8(&data);
		if (byte < 0x20 && byte != '\r' && byte != '\n' && byte != '\t')
			return false;
	}
	return true;
}

/* ---- the result's line: "0.00 μg/kg 阴性", a word, or a number ---- */

static const struct {
	const char *word;
	enum verdict verdict;
} words[] = {
	{ "阴性", VERDICT_NEGATIVE },
	{ "合格", VERDICT_NEGATIVE },
	{ "不携带", VERDICT_NEGATIVE },
	{ "未检出", VERDICT_NEGATIVE },
	{ "阳性", VERDICT_POSITIVE },
	{ "不合格", VERDICT_POSITIVE },
	{ "携带", VERDICT_POSITIVE },
	{ "检出", VERDICT_POSITIVE },
	{ "超标", VERDICT_POSITIVE },
	{ "可疑", VERDICT_SUSPECT },
	{ "疑似", VERDICT_SUSPECT },
	{ "无效", VERDICT_INVALID },
	{ "检测无效", VERDICT_INVALID },
};

static enum verdict word_verdict(const char *word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].word, word) == 0)
			return words[i].verdict;
	return VERDICT_NONE;
}

/* Takes a leading "<", ">", "<=", ">=", "≤" or "≥" off the number. */
static char *take_qualifier(char *number, struct reading *reading)
{
	static const char *const signs[] = { "<=", ">=", "≤", "≥", "<", ">" };
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		size_t length = strlen(signs[i]);
		if (strncmp(number, signs[i], length) != 0 || !decimal_valid(number + length))
			continue;
		text_copy(reading->qualifier, sizeof(reading->qualifier), signs[i]);
		return number + length;
	}
	return number;
}

static void take_last_word(struct reading *reading, const char *word)
{
	reading->verdict = word_verdict(word);
	text_copy(reading->verdict_as_sent, sizeof(reading->verdict_as_sent), word);
}

/* What stands between number and verdict is the unit; an unknown last word is a verdict unless it is written like a
 * unit ("1.20 mg KOH/g"). */
static void take_unit_and_verdict(struct reading *reading, char *rest)
{
	char *last = strrchr(rest, ' ');
	const char *word = last ? last + 1 : rest;
	bool verdict = word_verdict(word) != VERDICT_NONE || (last && !strpbrk(word, "/%"));
	if (!verdict) {
		text_copy(reading->unit, sizeof(reading->unit), rest);
		return;
	}
	take_last_word(reading, word);
	if (last) {
		*last = '\0';
		text_copy(reading->unit, sizeof(reading->unit), rest);
	}
}

/* Runs of blanks, also full-width ones, become one space. */
static void single_spaces(char *text)
{
	static const char wide[] = "\u3000";
	char *to = text;
	for (const char *from = text; *from; from++) {
		bool blank = strncmp(from, wide, sizeof(wide) - 1) == 0;
		from += blank ? sizeof(wide) - 2 : 0;
		if (!blank && *from != ' ')
			*to++ = *from;
		else if (to > text && to[-1] != ' ')
			*to++ = ' ';
	}
	*to = '\0';
}

static void take_result(struct reading *reading, const char *value)
{
	char text[LINE_TEXT_MAX];
	text_copy(reading->value_as_sent, sizeof(reading->value_as_sent), value);
	text_copy(text, sizeof(text), value);
	single_spaces(text);
	char *blank = strchr(text, ' ');
	if (blank)
		*blank++ = '\0';
	const char *number = take_qualifier(text, reading);
	if (decimal_valid(number)) {
		text_copy(reading->value, sizeof(reading->value), number);
		if (blank)
			take_unit_and_verdict(reading, blank);
	} else if (!blank && word_verdict(text) != VERDICT_NONE) {
		take_last_word(reading, text);
	} else {
		text_copy(reading->value, sizeof(reading->value), value); /* words in a value's place */
	}
}

/* ---- the other lines ---- */

static void take_time(struct reading *reading, const char *value)
{
	struct date_time time = { 0 };
	char rest;
	if (sscanf(value, "%4d%*1[-/]%2d%*1[-/]%2d %2d:%2d:%2d%c", &time.year, &time.month, &time.day, &time.hour,
		    &time.minute, &time.second, &rest) != 6 ||
		!calendar_text(&time, reading->tested_at))
		reading_said(reading, "impossible_time", value);
}

static void take_channel(struct reading *reading, const char *value)
{
	char *end;
	long channel = strtol(value, &end, 10);
	if (*value >= '0' && *value <= '9' && !*end && channel <= 255)
		reading->channel = (int)channel;
	else
		reading_said(reading, "channel", value);
}

/* One reader sends the limit itself where others name the standard: a bare number is not taken for a standard's name.
 */
static void take_basis(struct reading *reading, const char *value)
{
	if (decimal_valid(value))
		reading_said(reading, "standard", value);
	else
		text_copy(reading->basis, sizeof(reading->basis), value);
}

static void take_lot(struct reading *reading, const char *value)
{
	reading_said(reading, "lot", value);
}

static void take_testing_body(struct reading *reading, const char *value)
{
	reading_said(reading, "testing_body", value);
}

static void take_control_signal(struct reading *reading, const char *value)
{
	reading_signal(reading, "c", value);
}

static void take_test_signal(struct reading *reading, const char *value)
{
	reading_signal(reading, "t", value);
}

static const struct label {
	const char *name;
	void (*take)(struct reading *reading, const char *value); /* or */
	size_t offset, size;
} labels[] = {
#define FIELD(field) NULL, offsetof(struct reading, field), sizeof(((struct reading *)0)->field)
	{ "检测结果", take_result, 0, 0 },
	{ "检测项目", FIELD(item) },
	{ "样品编号", FIELD(sample_no) },
	{ "样品名称", FIELD(sample_name) },
	{ "样品类型", FIELD(sample_category) },
	{ "样品种类", FIELD(sample_category) },
	{ "送检单位", FIELD(party) },
	{ "被检单位", FIELD(party) },
	{ "样品产地", FIELD(origin) },
	{ "检测方法", FIELD(method) },
	{ "检测人员", FIELD(operator_name) },
	{ "检测员", FIELD(operator_name) },
	{ "检测单位", take_testing_body, 0, 0 },
	{ "检测标准", take_basis, 0, 0 },
	{ "检测时间", take_time, 0, 0 },
	{ "批号", take_lot, 0, 0 },
	{ "通道", take_channel, 0, 0 },
	{ "通道编号", take_channel, 0, 0 },
	{ "C", take_control_signal, 0, 0 },
	{ "T", take_test_signal, 0, 0 },
#undef FIELD
};

enum { LABELS = sizeof(labels) / sizeof(labels[0]) };

/* Parts label and value at the first colon, full-width or not. Returns the value, or NULL. */
static char *part_line(char *line)
{
	char *wide = strstr(line, "："), *narrow = strchr(line, ':');
	char *colon = !wide || (narrow && narrow < wide) ? narrow : wide;
	if (!colon)
		return NULL;
	char *value = colon + (colon == wide ? sizeof("：") - 1 : 1);
	while (colon > line && colon[-1] == ' ')
		colon--;
	*colon = '\0';
	return value + strspn(value, " ");
}

/* `seen` keeps a label that comes twice from overwriting what was said first. */
static void take_line(struct reading *reading, char *line, bool seen[static LABELS])
{
	char *value = part_line(line);
	if (!value) {
		reading_said(reading, "title", line);
		return;
	}
	for (size_t i = 0; i < LABELS; i++) {
		if (strcmp(labels[i].name, line) != 0 || seen[i])
			continue;
		seen[i] = true;
		if (!*value)
			return;
		if (labels[i].take)
			labels[i].take(reading, value);
		else
			text_copy((char *)reading + labels[i].offset, labels[i].size, value);
		return;
	}
	if (*value)
		reading_said(reading, line, value);
}

/* The next line's bytes without its end. */
static struct bytes next_line(struct bytes *data)
{
	struct bytes line = { .at = data->at, .end = data->at };
	while (bytes_left(data) > 0) {
		uint8_t byte = bytes_u8(data);
		if (byte == '\r' || byte == '\n')
			return line;
		line.end = data->at;
	}
	return line;
}

static bool has_result(struct bytes data)
{
	char text[LINE_TEXT_MAX];
	while (bytes_left(&data) > 0) {
		struct bytes line = next_line(&data);
		text_decode(TEXT_GB18030, line.at, bytes_left(&line), text, sizeof(text));
		if (part_line(text) && strcmp(text, labels[0].name) == 0)
			return true;
	}
	return false;
}

enum zero3_outcome zero3_take_text(
	const struct zero3_frame *frame, const struct reply *reply, struct readings *readings)
{
	bool seen[LABELS] = { false };
	char text[LINE_TEXT_MAX];
	struct bytes data = frame->data;
	bytes_take(&data, NUMBER);
	if (data.failed || !has_result(data))
		return ZERO3_SENSELESS;
	struct reading *reading = readings_add(readings);
	if (!reading)
		return ZERO3_RESULTS;
	snprintf(reading->instrument_seq, sizeof(reading->instrument_seq), "%u", frame->argument);
	reading->identity = data.at;
	reading->identity_length = bytes_left(&data);
	while (bytes_left(&data) > 0) {
		struct bytes line = next_line(&data);
		reading->marks |=
			zero3_marks(text_decode(TEXT_GB18030, line.at, bytes_left(&line), text, sizeof(text)));
		if (*text)
			take_line(reading, text, seen);
	}
	if (strcmp(reading->sample_name, "对照样") == 0)
		reading->kind = KIND_CONTROL;
	reading->repeatable = true;
	reading->repeat = 1000U * frame->family;
	reading->raw = reply->bytes;
	reading->raw_length = reply->length;
	return ZERO3_RESULTS;
}
