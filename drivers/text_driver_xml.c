/* XML in the `text` driver: elements that are records, in a document of any length; UTF-8 or GB 18030.
 *
 *     <?xml version="1.0"?><results><result no="17"><sample>S0017</sample><value unit="mg/kg">2.30</value></result>...
 *                                   ^ record --------------------------------------------------------------^
 *
 * A record is the element that the profile names; what stands between records says nothing of them. Its members are
 * elements and attributes: sample, value, value.@unit, @no. Entities are those of XML itself and numbers of characters;
 * there is no DTD. No byte inside a character of GB 18030 is < > & or a quote.
 *
 * A record that is not well formed is told as undecodable, and ends at the latest where the next one begins.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_driver.h"

#define DEPTH_MAX   32
#define FRAME_WHOLE 60000 /* bytes of one record; a longer one is none */

/* ---- tags ---- */

enum tag_kind { TAG_MORE, TAG_BAD, TAG_OTHER, TAG_START, TAG_EMPTY, TAG_END }; /* OTHER: comment, CDATA, instruction */

struct tag {
	enum tag_kind kind;
	size_t length;
	struct text_piece name, attributes;
};

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static const char *const others[][2] = { { "<!--", "-->" }, { "<![CDATA[", "]]>" }, { "<?", "?>" } };

static struct tag read_other(const uint8_t *at, size_t left)
{
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		size_t head = strlen(others[i][0]), tail = strlen(others[i][1]);
		if (memcmp(at, others[i][0], left < head ? left : head) != 0)
			continue;
		const uint8_t *end = left < head ? NULL : memmem(at + head, left - head, others[i][1], tail);
		if (!end)
			return (struct tag){ .kind = TAG_MORE };
		return (struct tag){ .kind = TAG_OTHER, .length = (size_t)(end - at) + tail };
	}
	return (struct tag){ .kind = TAG_BAD, .length = 1 }; /* a DTD among them */
}

/* What stands at "<". */
static struct tag read_tag(const uint8_t *at, size_t left)
{
	if (left < 2)
		return (struct tag){ .kind = TAG_MORE };
	if (at[1] == '!' || at[1] == '?')
		return read_other(at, left);
	size_t from = at[1] == '/' ? 2 : 1, to = from, end;
	while (to < left && !is_blank(at[to]) && !strchr("<>/=\"'", at[to]) && at[to] != 0)
		to++;
	uint8_t quote = 0;
	for (end = to; end < left && (quote || at[end] != '>') && at[end] != '<'; end++)
		if (quote ? at[end] == quote : at[end] == '"' || at[end] == '\'')
			quote = quote ? 0 : at[end];
	if (end == left)
		return (struct tag){ .kind = TAG_MORE };
	bool empty = at[end - 1] == '/', closing = from == 2;
	if (at[end] == '<' || to == from || (closing && (empty || to < end)))
		return (struct tag){ .kind = TAG_BAD, .length = end };
	struct tag tag = { .kind = closing ? TAG_END : empty ? TAG_EMPTY : TAG_START, .length = end + 1 };
	tag.name = (struct text_piece){ at + from, to - from };
	tag.attributes = (struct text_piece){ at + to, end - to - empty };
	return tag;
}

/* ---- texts ---- */

static const struct {
	const char *name;
	char means;
} entities[] = { { "&lt;", '<' }, { "&gt;", '>' }, { "&amp;", '&' }, { "&quot;", '"' }, { "&apos;", '\'' } };

/* The bytes of the entity at "&". */
static size_t put_entity(struct text_plain *plain, const uint8_t *at, size_t left)
{
	for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
		size_t length = strlen(entities[i].name);
		if (left < length || memcmp(at, entities[i].name, length) != 0)
			continue;
		text_plain_put(plain, &entities[i].means, 1);
		return length;
	}
	char digits[12] = "", *end = digits;
	size_t length = left > 2 && at[1] == '#' ? 2 : left;
	bool hex = length < left && at[length] == 'x';
	for (length += hex; length < left && at[length] != ';' && end < digits + sizeof(digits) - 1; length++)
		*end++ = (char)at[length];
	unsigned long point = length < left && *digits ? strtoul(digits, &end, hex ? 16 : 10) : 0;
	bool none = point == 0 || *end || *digits == '-' || *digits == '+' || point > 0x10FFFF ||
	            (point >= 0xD800 && point < 0xE000);
	plain->marks |= none ? TEXT_BAD : 0;
	text_plain_point(plain, none ? 0xFFFD : point);
	return none && length == left ? 1 : length + 1;
}

unsigned text_xml_text(enum text_encoding encoding, struct text_piece token, char *out, size_t size)
{
	char buffer[1024];
	struct text_plain plain = { buffer, sizeof(buffer), 0, 0 };
	for (size_t at = 0; at < token.length;) {
		const uint8_t *from = token.at + at;
		size_t left = token.length - at;
		struct tag tag = { .kind = TAG_BAD };
		if (*from == '<')
			tag = read_tag(from, left);
		if (tag.kind == TAG_OTHER) {
			size_t head = strlen(others[1][0]), tail = strlen(others[1][1]);
			if (from[1] == '!' && from[2] == '[')
				text_plain_run(&plain, encoding, from + head, tag.length - head - tail);
			at += tag.length;
		} else if (*from == '&') {
			at += put_entity(&plain, from, left);
		} else {
			size_t run = 1;
			while (run < left && from[run] != '<' && from[run] != '&')
				run++;
			text_plain_run(&plain, encoding, from, run);
			at += run;
		}
	}
	return plain.marks | text_decode(TEXT_UTF8, buffer, plain.used, out, size);
}

/* ---- frames ---- */

static bool is_record(const struct text_profile *profile, const struct tag *tag)
{
	char name[96];
	if (tag->kind != TAG_START && tag->kind != TAG_EMPTY)
		return false;
	text_decode(profile->encoding, tag->name.at, tag->name.length, name, sizeof(name));
	return strcmp(name, profile->records) == 0;
}

/* A record from its start tag to its end tag; where that is missing, to the next record, or to the end. */
static int record_frame(const struct text_profile *profile, const uint8_t *data, size_t length, bool idle)
{
	unsigned depth = 0;
	for (size_t at = 0; at < length && at < FRAME_WHOLE;) {
		if (data[at] != '<') {
			at++;
			continue;
		}
		struct tag tag = read_tag(data + at, length - at);
		if (tag.kind == TAG_MORE)
			break;
		if (at > 0 && is_record(profile, &tag))
			return (int)at;
		at += tag.length;
		depth += tag.kind == TAG_START;
		if (tag.kind == TAG_EMPTY && depth == 0)
			return (int)at;
		if (tag.kind == TAG_END && --depth == 0)
			return (int)at;
	}
	if (!idle && length < FRAME_WHOLE)
		return FRAME_MORE;
	return (int)(length < FRAME_WHOLE ? length : FRAME_WHOLE);
}

int text_xml_frame(const struct text_profile *profile, const uint8_t *data, size_t length, bool idle)
{
	if (data[0] != '<') {
		const uint8_t *next = memchr(data, '<', length);
		return next ? (int)(next - data) : (int)length;
	}
	struct tag tag = read_tag(data, length);
	if (tag.kind == TAG_MORE)
		return idle || length >= FRAME_WHOLE ? FRAME_NONE : FRAME_MORE;
	if (tag.kind == TAG_BAD)
		return FRAME_NONE;
	return is_record(profile, &tag) ? record_frame(profile, data, length, idle) : (int)tag.length;
}

enum text_part text_xml_part(const struct text_profile *profile, const uint8_t *data, size_t length)
{
	struct tag tag = { .kind = TAG_BAD };
	if (data[0] == '<')
		tag = read_tag(data, length);
	return is_record(profile, &tag) ? TEXT_PART_RECORD : TEXT_PART_NONE;
}

/* ---- records ---- */

struct opening { /* a record while it is opened */
	const struct text_profile *profile;
	struct text_record *record;
	char *reason;
	size_t size;
	char path[256]; /* of the element at hand, below the record itself */
	unsigned depth;
	struct level {
		struct text_piece name;
		size_t path;         /* how much of it belongs to the element around */
		const uint8_t *from; /* what stands in it */
		bool parent;
	} levels[DEPTH_MAX];
};

static bool refuse(struct opening *opening, const char *format, const char *text)
{
	snprintf(opening->reason, opening->size, format, text);
	return false;
}

/* `inside` is NULL for an element that has others in it. */
static bool keep(struct opening *opening, const char *path, const uint8_t *inside, size_t length)
{
	const struct text_profile *profile = opening->profile;
	for (size_t i = 0; i < profile->field_count; i++) {
		struct text_piece *column = &opening->record->columns[i];
		if (profile->fields[i].source != TEXT_FROM_MEMBER || !text_is_label(&profile->fields[i], path))
			continue;
		if (!inside)
			return refuse(opening, _("'%s' has elements in it, no text"), path);
		if (column->at && !strchr(profile->fields[i].text, '|'))
			return refuse(opening, _("'%s' is there twice"), path);
		if (!column->at || column->length == 0)
			*column = (struct text_piece){ inside, length };
	}
	return true;
}

static size_t blanks(const uint8_t *at, size_t left)
{
	size_t count = 0;
	while (count < left && is_blank(at[count]))
		count++;
	return count;
}

/* name="value" and name='value', each "path.@name". */
static bool take_attributes(struct opening *opening, struct text_piece rest)
{
	while (true) {
		char path[400], name[96];
		size_t skip = blanks(rest.at, rest.length), used = 0;
		rest = (struct text_piece){ rest.at + skip, rest.length - skip };
		if (rest.length == 0)
			return true;
		while (used < rest.length && rest.at[used] != '=' && !is_blank(rest.at[used]))
			used++;
		text_decode(opening->profile->encoding, rest.at, used, name, sizeof(name));
		used += blanks(rest.at + used, rest.length - used);
		bool right = skip > 0 && used < rest.length && rest.at[used] == '=';
		used += right;
		used += blanks(rest.at + used, rest.length - used);
		uint8_t quote = used < rest.length ? rest.at[used] : 0;
		const uint8_t *from = rest.at + used + 1, *end = NULL;
		if (right && (quote == '"' || quote == '\''))
			end = memchr(from, quote, rest.length - used - 1);
		if (!end)
			return refuse(opening, _("the attribute '%s' is not well formed"), name);
		snprintf(path, sizeof(path), "%s%s@%s", opening->path, *opening->path ? "." : "", name);
		if (!keep(opening, path, from, (size_t)(end - from)))
			return false;
		size_t over = (size_t)(end + 1 - rest.at);
		rest = (struct text_piece){ rest.at + over, rest.length - over };
	}
}

static bool take_start(struct opening *opening, const struct tag *tag, const uint8_t *behind)
{
	char name[96];
	size_t used = strlen(opening->path);
	if (opening->depth == DEPTH_MAX)
		return refuse(opening, "%s", _("more levels than a record can have"));
	text_decode(opening->profile->encoding, tag->name.at, tag->name.length, name, sizeof(name));
	opening->levels[opening->depth] = (struct level){ tag->name, used, behind, false };
	if (opening->depth > 0) {
		opening->levels[opening->depth - 1].parent = true;
		snprintf(opening->path + used, sizeof(opening->path) - used, "%s%s", used ? "." : "", name);
	}
	opening->depth++;
	return take_attributes(opening, tag->attributes);
}

static bool take_end(struct opening *opening, struct text_piece name, const uint8_t *to)
{
	const struct level *level = &opening->levels[--opening->depth];
	if (!name.at || !level->name.at || name.length != level->name.length ||
		memcmp(name.at, level->name.at, name.length) != 0)
		return refuse(opening, _("the element '%s' is ended by another"), opening->path);
	const uint8_t *from = level->parent ? NULL : level->from;
	if (opening->depth > 0 && !keep(opening, opening->path, from, (size_t)(to - level->from)))
		return false;
	opening->path[level->path] = '\0';
	return true;
}

bool text_xml_open(const struct text_profile *profile, struct text_record *record, char *reason, size_t size)
{
	struct opening opening = { .profile = profile, .record = record, .reason = reason, .size = size };
	const struct text_piece *all = &record->all;
	memset(record->columns, 0, sizeof(record->columns));
	memset(record->numbers, 0, sizeof(record->numbers));
	for (size_t at = 0; at < all->length;) {
		const uint8_t *from = all->at + at;
		if (*from != '<') {
			at++;
			continue;
		}
		struct tag tag = read_tag(from, all->length - at);
		at += tag.length;
		if (tag.kind == TAG_BAD)
			return refuse(&opening, "%s", _("no XML"));
		if (tag.kind == TAG_MORE)
			break;
		if ((tag.kind == TAG_START || tag.kind == TAG_EMPTY) && !take_start(&opening, &tag, from + tag.length))
			return false;
		struct text_piece name = tag.name;
		if ((tag.kind == TAG_END || tag.kind == TAG_EMPTY) &&
			!take_end(&opening, name, tag.kind == TAG_END ? from : from + tag.length))
			return false;
		if (opening.depth == 0)
			return true;
	}
	return refuse(&opening, "%s", _("cut off before its end"));
}
