/* JSON documents in the `text` driver: how they are cut into records, and which member is which field.
 *
 *     {"detail":[ {"样品编号":"S0017","检测结果":1.50} , {...} ]}
 *     ^ head ---^ ^ record ----------------------------^  ...  ^ tail
 *
 * A document is cut at its records, so that it may be of any length: its head up to the "[" of the array that the
 * profile names, each object of the array, and the tail behind them. Between them stand blanks and commas. Objects in a
 * line each have neither head nor tail.
 *
 * What is no JSON is cut by its brackets outside strings and told as undecodable; where another document begins inside
 * it, it was cut off, and ends there.
 */
#include <stdio.h>
#include <string.h>

#include "text_driver.h"

#define NAMES_MAX   256
#define FRAME_WHOLE 60000 /* bytes of one record; a longer one is none */

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* ---- frames ---- */

/* The names down to the array of records, "data.list": how many there are, and whether one of them is this. */
static unsigned path_length(const char *path)
{
	unsigned count = *path != '\0';
	for (; *path; path++)
		count += *path == '.';
	return count;
}

static bool is_part(const struct text_profile *profile, unsigned part, struct text_piece token)
{
	char name[128];
	const char *at = profile->records;
	for (; part > 0; part--)
		at = strchr(at, '.') + 1;
	size_t length = strcspn(at, ".");
	text_json_text(profile->encoding, token, name, sizeof(name));
	return strlen(name) == length && strncmp(name, at, length) == 0;
}

enum part { PART_BAD, PART_MORE, PART_HEAD, PART_RECORD, PART_EMPTY }; /* EMPTY: null instead of the array */

/* What begins at "{": the head of a document as far as its array, or an object that has no such array. */
static enum part scan_object(const struct text_profile *profile, const uint8_t *data, size_t length, size_t *ret_length)
{
	struct text_json json = text_json_of(profile->encoding, data, length);
	unsigned wanted = path_length(profile->records), found = 0;
	bool named = false, empty = false;
	for (;;) {
		enum text_json_event event = text_json_next(&json);
		*ret_length = json.at;
		if (event == JSON_BAD || event == JSON_MORE)
			return event == JSON_BAD ? PART_BAD : PART_MORE;
		if (event == JSON_END && json.depth == 0)
			return empty ? PART_EMPTY : PART_RECORD;
		empty = empty || (event == JSON_NULL && named && found + 1 == wanted);
		if (event == JSON_ARRAY && named && found + 1 == wanted)
			return PART_HEAD;
		if (event == JSON_OBJECT && named && found + 1 < wanted)
			found++;
		if (event == JSON_END && json.depth <= found)
			found = json.depth - 1;
		named = event == JSON_NAME && json.depth == found + 1 && found < wanted &&
		        is_part(profile, found, json.token);
	}
}

/* Where another document begins inside what is no JSON: behind a line's end, or with the way to an array of records. */
static size_t inner_start(const struct text_profile *profile, const uint8_t *data, size_t length)
{
	size_t whole;
	for (size_t at = 1; at < length; at++) {
		if (data[at] != '{')
			continue;
		if (data[at - 1] == '\n' ||
			(*profile->records && scan_object(profile, data + at, length - at, &whole) == PART_HEAD))
			return at;
	}
	return 0;
}

/* Where the brackets are closed, strings passed over; 0 when they are not. */
static size_t brackets_closed(const struct text_profile *profile, const uint8_t *data, size_t length)
{
	unsigned depth = 0;
	bool inside = false;
	for (size_t at = 0; at < length;) {
		uint8_t byte = data[at];
		size_t step = inside ? text_step(profile->encoding, data + at, length - at) : 1;
		if (inside && byte == '\\')
			step = 2;
		else if (byte == '"')
			inside = !inside;
		else if (!inside && (byte == '{' || byte == '['))
			depth++;
		else if (!inside && (byte == '}' || byte == ']') && --depth == 0)
			return at + 1;
		at += step ? step : 1;
	}
	return 0;
}

static int object_frame(const struct text_profile *profile, const uint8_t *data, size_t length, bool idle)
{
	size_t whole;
	enum part part = scan_object(profile, data, length, &whole);
	if (part != PART_BAD && part != PART_MORE)
		return (int)whole;
	bool over = idle || length >= FRAME_WHOLE;
	if (part == PART_MORE && !over)
		return FRAME_MORE;
	size_t most = length < FRAME_WHOLE ? length : FRAME_WHOLE;
	size_t inner = inner_start(profile, data, most), closed = brackets_closed(profile, data, most);
	if (inner > 0 && (closed == 0 || inner < closed))
		return (int)inner;
	if (closed > 0)
		return (int)closed;
	return over ? (int)most : FRAME_MORE;
}

static int tail_frame(const struct text_profile *profile, const uint8_t *data, size_t length)
{
	struct text_json json = text_json_of(profile->encoding, data, length);
	json.depth = path_length(profile->records);
	json.objects = UINT64_MAX;
	json.at = 1;
	if (json.depth == 0)
		return 1;
	json.wanted = JSON_WANT_COMMA;
	for (;;) {
		enum text_json_event event = text_json_next(&json);
		if (event == JSON_END && json.depth == 0)
			return (int)json.at;
		if (event == JSON_MORE && length < FRAME_WHOLE)
			return FRAME_MORE;
		if (event == JSON_BAD || event == JSON_MORE)
			return FRAME_NONE;
	}
}

int text_json_frame(const struct text_profile *profile, const uint8_t *data, size_t length, bool idle)
{
	static const uint8_t mark[] = { 0xEF, 0xBB, 0xBF }; /* of byte order, before UTF-8 */
	size_t between = 0, common = length < sizeof(mark) ? length : sizeof(mark);
	if (memcmp(data, mark, common) == 0)
		return common < sizeof(mark) ? FRAME_MORE : (int)sizeof(mark);
	while (between < length && (is_blank(data[between]) || data[between] == ','))
		between++;
	if (between > 0)
		return (int)between;
	if (data[0] == ']')
		return tail_frame(profile, data, length);
	if (data[0] == '[' && !*profile->records)
		return 1;
	return data[0] == '{' ? object_frame(profile, data, length, idle) : FRAME_NONE;
}

enum text_part text_json_part(const struct text_profile *profile, const uint8_t *data, size_t length)
{
	size_t whole;
	if (data[0] == '[')
		return TEXT_PART_HEAD;
	if (data[0] == ']')
		return TEXT_PART_TAIL;
	if (data[0] != '{')
		return TEXT_PART_NONE;
	enum part part = scan_object(profile, data, length, &whole);
	if (part == PART_EMPTY)
		return TEXT_PART_EMPTY;
	return part == PART_HEAD && whole == length ? TEXT_PART_HEAD : TEXT_PART_RECORD;
}

/* ---- records ---- */

struct opening { /* a record while it is opened */
	const struct text_profile *profile;
	struct text_record *record;
	char *reason;
	size_t size;
	char path[256];                              /* of the member at hand, "a.b" */
	size_t level_path[TEXT_JSON_DEPTH_MAX + 1];  /* how much of it belongs to the container at each level */
	unsigned container[TEXT_JSON_DEPTH_MAX + 1]; /* its number */
	unsigned containers;
	uint64_t names[NAMES_MAX]; /* prints of the members so far, each with its container */
	size_t name_count;
};

static uint64_t print_of(const char *text, unsigned container)
{
	uint64_t print = 0xCBF29CE484222325 ^ container * 0x9E3779B97F4A7C15; /* FNV-1a */
	for (; *text; text++)
		print = (print ^ (uint8_t)*text) * 0x100000001B3;
	return print;
}

static bool refuse(struct opening *opening, const char *format, const char *text)
{
	snprintf(opening->reason, opening->size, format, text);
	return false;
}

static bool take_name(struct opening *opening, const struct text_json *json)
{
	char name[160];
	size_t from = opening->level_path[json->depth];
	text_json_text(json->encoding, json->token, name, sizeof(name));
	uint64_t print = print_of(name, opening->container[json->depth]);
	for (size_t i = 0; i < opening->name_count; i++)
		if (opening->names[i] == print)
			return refuse(opening, _("'%s' is there twice"), name);
	if (opening->name_count == NAMES_MAX)
		return refuse(opening, _("too many members, from '%s' on"), name);
	opening->names[opening->name_count++] = print;
	snprintf(opening->path + from, sizeof(opening->path) - from, "%s%s", from ? "." : "", name);
	return true;
}

/* The next field that this member is, from `i` on; the count of fields when there is none. */
static size_t field_of(const struct opening *opening, size_t i)
{
	const struct text_profile *profile = opening->profile;
	while (i < profile->field_count &&
		(profile->fields[i].source != TEXT_FROM_MEMBER || !text_is_label(&profile->fields[i], opening->path)))
		i++;
	return i;
}

static bool take_container(struct opening *opening, const struct text_json *json, bool array)
{
	bool field = json->depth > 1 && field_of(opening, 0) < opening->profile->field_count;
	if (field)
		return refuse(opening, _("'%s' is an object or an array, no text"), opening->path);
	size_t used = strlen(opening->path);
	if (array) /* what stands in it has no name of its own */
		snprintf(opening->path + used, sizeof(opening->path) - used, "[]");
	opening->level_path[json->depth] = strlen(opening->path);
	opening->container[json->depth] = ++opening->containers;
	return true;
}

static bool take_scalar(struct opening *opening, const struct text_json *json, enum text_json_event event)
{
	char number[DECIMAL_MAX];
	size_t count = opening->profile->field_count;
	bool member = json->depth > 0 && (json->objects >> (json->depth - 1) & 1);
	for (size_t i = field_of(opening, 0); member && i < count; i = field_of(opening, i + 1)) {
		if (event == JSON_NUMBER && !text_json_number(json->token, number))
			return refuse(opening, _("the number '%s' has more than 30 digits"), opening->path);
		struct text_piece *column = &opening->record->columns[i];
		if (column->at && column->length > 0)
			continue; /* of several names for a field, the first that says something */
		*column = json->token;
		column->length = event == JSON_NULL ? 0 : column->length;
		opening->record->numbers[i] = event == JSON_NUMBER;
	}
	return true;
}

static bool take_event(struct opening *opening, const struct text_json *json, enum text_json_event event)
{
	switch (event) {
	case JSON_NAME:
		return take_name(opening, json);
	case JSON_OBJECT:
	case JSON_ARRAY:
		return take_container(opening, json, event == JSON_ARRAY);
	case JSON_STRING:
	case JSON_NUMBER:
	case JSON_WORD:
	case JSON_NULL:
		return take_scalar(opening, json, event);
	default:
		return true;
	}
}

bool text_json_open(const struct text_profile *profile, struct text_record *record, char *reason, size_t size)
{
	struct opening opening = { .profile = profile, .record = record, .reason = reason, .size = size };
	struct text_json json = text_json_of(profile->encoding, record->all.at, record->all.length);
	memset(record->columns, 0, sizeof(record->columns));
	for (;;) {
		enum text_json_event event = text_json_next(&json);
		if (event == JSON_END && json.depth == 0)
			return true;
		if (event == JSON_BAD || event == JSON_MORE) {
			if (event == JSON_BAD)
				snprintf(reason, size, _("no JSON from byte %zu on"), json.at);
			else
				snprintf(reason, size, "%s", _("cut off before its end"));
			return false;
		}
		if (!take_event(&opening, &json, event))
			return false;
	}
}

bool text_member_text(const struct text_profile *profile, size_t field, const struct text_record *record, char *out,
	size_t size, unsigned *marks)
{
	struct text_piece token = record->columns[field];
	char number[DECIMAL_MAX];
	if (!token.at)
		return false;
	if (profile->shape == TEXT_SHAPE_XML)
		*marks |= text_xml_text(profile->encoding, token, out, size);
	else if (record->numbers[field] && text_json_number(token, number))
		text_copy(out, size, number);
	else
		*marks |= text_json_text(profile->encoding, token, out, size);
	return true;
}
