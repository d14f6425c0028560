/* What a row says of one record. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../drivers/decimal.h"
#include "map_parts.h"
#include "text_stream.h"

static char *copy(const char *text)
{
	char *made = strdup(text);
	if (!made)
		abort();
	return made;
}

/* ---- sources ---- */

static char *list_of(const struct json *array)
{
	char *text = NULL;
	size_t length;
	FILE *out = text_stream(&text, &length);
	for (size_t i = 0; i < js_count(array); i++) {
		const char *word = js_text_of(js_at(array, i));
		fprintf(out, "%s%s", i ? " " : "", word ? word : "");
	}
	fclose(out);
	return text;
}

/* The member's text; NULL when the record says nothing there. */
static char *member_text(const struct json *record, const char *path)
{
	char object[64], number[24];
	const char *point = strchr(path, '.');
	const struct json *value = record;
	if (point) {
		snprintf(object, sizeof(object), "%.*s", (int)(point - path), path);
		value = js_get(record, object);
		path = point + 1;
	}
	value = js_is_object(value) ? js_get(value, path) : NULL;
	if (js_is_integer(value)) {
		snprintf(number, sizeof(number), "%" PRId64, js_integer_of(value));
		return copy(number);
	}
	if (js_is_array(value))
		return js_count(value) ? list_of(value) : NULL;
	if (js_is_bool(value))
		return copy(js_bool_of(value) ? "true" : "false");
	const char *text = js_text_of(value);
	return text && *text ? copy(text) : NULL;
}

static char *source_text(const struct map *map, const struct map_term *term, const struct map_record *record)
{
	char number[24];
	switch (term->source) {
	case MAP_MEMBER:
		return record->json ? member_text(record->json, term->text) : NULL;
	case MAP_TEXT:
		return copy(term->text);
	case MAP_GIVEN:
		for (size_t i = 0; i < map->given_count; i++)
			if (strcmp(map->given[i].name, term->text) == 0)
				return copy(map->given[i].value);
		break;
	case MAP_COUNT:
		snprintf(number, sizeof(number), "%zu", record->count);
		return copy(number);
	case MAP_ORIGINAL:
		return record->original ? copy(record->original) : NULL;
	}
	return NULL;
}

/* ---- steps ---- */

/* "2026-03-05T09:41:20.118+08:00" by a pattern; the zone is not told, the digits stay as they are. */
static char *time_text(const char *time, const char *pattern)
{
	static const struct {
		const char *word;
		size_t at, length;
	} parts[] = { { "yyyy", 0, 4 }, { "yy", 2, 2 }, { "MM", 5, 2 }, { "dd", 8, 2 }, { "HH", 11, 2 },
		{ "mm", 14, 2 }, { "ss", 17, 2 }, { "SSS", 20, 3 } };
	char whole[32] = "";
	size_t fraction = 0, used = 0;
	if (strlen(time) < 19 || time[4] != '-' || time[7] != '-' || time[10] != 'T' || time[13] != ':' ||
		time[16] != ':')
		return NULL;
	if (time[19] == '.')
		fraction = strspn(time + 20, "0123456789");
	snprintf(whole, sizeof(whole), "%.19s.%.*s000", time, (int)(fraction < 3 ? fraction : 3),
		fraction ? time + 20 : "");
	char *out = malloc(strlen(pattern) + 1);
	if (!out)
		abort();
	while (*pattern) {
		size_t i = 0, count = sizeof(parts) / sizeof(*parts);
		while (i < count && strncmp(pattern, parts[i].word, strlen(parts[i].word)) != 0)
			i++;
		if (i < count) {
			memcpy(out + used, whole + parts[i].at, parts[i].length);
			used += parts[i].length;
			pattern += parts[i].length;
		} else {
			out[used++] = *pattern++;
		}
	}
	out[used] = '\0';
	return out;
}

/* With so many decimals. Digits that say something go only where the map says `round`. */
static int decimals_text(const struct map_step *step, char **text, struct fault *fault)
{
	char rounded[DECIMAL_MAX];
	if (!decimal_valid(*text))
		return fault_set(fault, EINVAL, _("'%s' is no number, and this field takes one"), *text);
	if (!decimal_divide(rounded, *text, "1", step->decimals))
		return fault_set(fault, EINVAL, _("%s has too many digits"), *text);
	if (!step->rounds && decimal_compare(rounded, *text) != 0)
		return fault_set(fault, EINVAL,
			_("%s has more than %u decimals; nothing is rounded unless the map says round"), *text,
			step->decimals);
	free(*text);
	*text = copy(rounded);
	return 0;
}

/* How long the UTF-8 character at `at` is. */
static size_t character(const char *at)
{
	size_t length = 1;
	while (((unsigned char)at[length] & 0xC0) == 0x80)
		length++;
	return length;
}

static char *without(const char *text, const char *characters)
{
	char *out = copy(text), *to = out;
	for (size_t length; *text; text += length) {
		length = character(text);
		if (memmem(characters, strlen(characters), text, length))
			continue;
		memcpy(to, text, length);
		to += length;
	}
	*to = '\0';
	return out;
}

static const char *sign_of(const char *text)
{
	return strcmp(text, "<=") == 0 ? "≤" : strcmp(text, ">=") == 0 ? "≥" : text;
}

/* Replaces *text; NULL then means that nothing is said. */
static int apply(const struct map_step *step, char **text, struct fault *fault)
{
	const char *found;
	char *made = NULL;
	switch (step->kind) {
	case MAP_TABLE:
		found = map_table_look(step->table, *text);
		if (!found)
			return fault_set(fault, EINVAL, _("'%s' has no line in table %s"), *text, step->table->name);
		made = *found ? copy(found) : NULL;
		break;
	case MAP_TIME:
		made = time_text(*text, step->text);
		if (!made)
			return fault_set(fault, EINVAL, _("'%s' is no time"), *text);
		break;
	case MAP_DECIMALS:
		return decimals_text(step, text, fault);
	case MAP_SIGN:
		made = copy(sign_of(*text));
		break;
	case MAP_IS:
		made = copy(step->text);
		break;
	case MAP_WITHOUT:
		made = without(*text, step->text);
		break;
	}
	free(*text);
	*text = made;
	return 0;
}

static int term_text(const struct map *map, const struct map_term *term, const struct map_record *record, char **ret,
	struct fault *fault)
{
	char *text = source_text(map, term, record);
	int error = 0;
	for (size_t i = 0; text && !error && i < term->step_count; i++)
		error = apply(&term->steps[i], &text, fault);
	if (error) {
		free(text);
		text = NULL;
	}
	*ret = text;
	return error;
}

/* ---- rows ---- */

/* `-?` digits without leading zeros, perhaps with decimals: what JSON calls a number. */
static bool is_number(const char *text)
{
	text += *text == '-';
	size_t digits = strspn(text, "0123456789");
	if (!digits || (*text == '0' && digits > 1))
		return false;
	text += digits;
	if (*text != '.')
		return !*text;
	digits = strspn(text + 1, "0123456789");
	return digits && !text[1 + digits];
}

/* The text of the sources joined by "or" from `*at` on, which is left behind them; NULL when none says anything. */
static int choice_text(const struct map *map, const struct map_row *row, size_t *at, const struct map_record *record,
	char **ret, struct fault *fault)
{
	int error = 0;
	*ret = NULL;
	do {
		if (!*ret && !error)
			error = term_text(map, &row->terms[*at], record, ret, fault);
		++*at;
	} while (*at < row->term_count && row->terms[*at].link == MAP_OR);
	return error;
}

static int missing(const struct map_row *row, const struct map_term *term, char **ret, struct fault *fault)
{
	if (row->missing == MAP_REQUIRED)
		return fault_set(fault, EINVAL, _("the platform demands it, and the record says no %s"),
			term->source == MAP_MEMBER ? term->text : row->name);
	if (row->missing == MAP_EMPTY)
		*ret = copy("");
	return 0;
}

static bool applies(const struct map_row *row, const struct map_record *record)
{
	if (!row->when)
		return true;
	char *text = record->json ? member_text(record->json, row->when) : NULL;
	bool same = text && strcmp(text, row->when_text) == 0;
	free(text);
	return same;
}

int map_value(const struct map *map, const struct map_row *row, const struct map_record *record, char **ret,
	struct fault *fault)
{
	*ret = NULL;
	if (!applies(row, record))
		return 0;
	char *whole = copy("");
	for (size_t at = 0; at < row->term_count;) {
		const struct map_term *term = &row->terms[at];
		char *text, *longer;
		int error = choice_text(map, row, &at, record, &text, fault);
		if (error || !text) {
			free(whole);
			return error ? error : missing(row, term, ret, fault);
		}
		if (asprintf(&longer, "%s%s", whole, text) < 0)
			abort();
		free(whole);
		free(text);
		whole = longer;
	}
	int error = map_text_fits(map, row, whole, fault);
	if (!error && row->number && !is_number(whole))
		error = fault_set(fault, EINVAL, _("'%s' is no number, and this field takes one"), whole);
	if (error)
		free(whole);
	else
		*ret = whole;
	return error;
}
