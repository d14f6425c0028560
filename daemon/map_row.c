/* One row of a map:
 *
 *     NAME = TERM { + TERM } [when MEMBER TEXT] [required | empty] [number]
 *     TERM = SOURCE { STEP } { or SOURCE { STEP } }
 *
 * What is joined by + must all be there, or the row is missing; of what is joined by "or" the first that says
 * something counts. In NAME a point begins an object or element inside; a CSV has no inside.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "map_parts.h"
#include "settings_words.h"

#define TOKENS_MAX 64

struct token {
	const char *text;
	bool quoted;
};

struct reading_row {
	struct map *map;
	struct map_row *row;
	struct fault *fault;
	bool envelope;
	struct token tokens[TOKENS_MAX + 1]; /* the last one's text is NULL */
	size_t at;
};

static bool wrong(struct reading_row *reading, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool wrong(struct reading_row *reading, const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fault_set(reading->fault, EINVAL, "%s: %s", reading->row->name, text);
	return false;
}

/* ---- words ---- */

/* Cuts the value at blanks; '...' is one word, blanks and all. */
static bool cut_tokens(struct reading_row *reading, char *at)
{
	size_t count = 0;
	for (at += strspn(at, " \t"); *at; at += strspn(at, " \t")) {
		if (count == TOKENS_MAX)
			return wrong(reading, _("more than %d words; join fewer sources"), TOKENS_MAX);
		struct token *token = &reading->tokens[count++];
		token->quoted = *at == '\'';
		at += token->quoted;
		token->text = at;
		char *end = token->quoted ? strchr(at, '\'') : at + strcspn(at, " \t");
		if (!end)
			return wrong(reading, _("the closing ' is missing; write '%s'"), at);
		if (token->quoted && end[1] && !strchr(" \t", end[1]))
			return wrong(reading, _("a blank is missing after '%.*s'"), (int)(end - at), at);
		at = *end ? end + 1 : end;
		*end = '\0';
	}
	return true;
}

static bool next_is(const struct reading_row *reading, const char *word)
{
	const struct token *token = &reading->tokens[reading->at];
	return token->text && !token->quoted && strcmp(token->text, word) == 0;
}

static bool take_word(struct reading_row *reading, const char *word)
{
	bool is = next_is(reading, word);
	reading->at += is;
	return is;
}

/* The word behind `keyword`, or NULL after the fault. */
static const char *take_argument(struct reading_row *reading, const char *keyword, const char *example)
{
	const char *text = reading->tokens[reading->at].text;
	if (!text) {
		wrong(reading, _("something is missing after '%s'; write such as: %s %s"), keyword, keyword, example);
		return NULL;
	}
	reading->at++;
	return text;
}

/* ---- steps ---- */

static bool check_pattern(struct reading_row *reading, const char *pattern)
{
	static const char letters[] = "yMdHmsS";
	static const char *const known[] = { "yyyy", "yy", "MM", "dd", "HH", "mm", "ss", "SSS", NULL };
	for (const char *at = pattern; *at;) {
		size_t run = 1;
		while (at[run] == *at)
			run++;
		if ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z')) {
			size_t i = 0;
			while (known[i] && (strlen(known[i]) != run || *known[i] != *at))
				i++;
			if (!strchr(letters, *at) || !known[i])
				return wrong(reading,
					_("'%.*s' means nothing in a time; yyyy, yy, MM, dd, HH, mm, ss and SSS do"),
					(int)run, at);
		}
		at += run;
	}
	return true;
}

static bool read_decimals(struct reading_row *reading, struct map_step *step)
{
	const char *text = take_argument(reading, "decimals", "2");
	if (!text)
		return false;
	if (strspn(text, "0123456789") != strlen(text) || strlen(text) > 1)
		return wrong(reading, _("'%s' is no number of decimals; write one of 0 to 9"), text);
	step->decimals = (unsigned)(*text - '0');
	step->rounds = take_word(reading, "round");
	return true;
}

static bool read_table(struct reading_row *reading, struct map_step *step)
{
	char names[512] = "", nearest[64];
	const struct map *map = reading->map;
	const char *name = take_argument(reading, "table", "result");
	if (!name)
		return false;
	step->table = map_table_find(map, name);
	if (step->table)
		return true;
	for (size_t i = 0; i < map->table_count; i++) {
		size_t used = strlen(names);
		snprintf(names + used, sizeof(names) - used, "%s%s", used ? "|" : "", map->tables[i].name);
	}
	if (words_nearest(name, names, nearest, sizeof(nearest)))
		return wrong(reading, _("there is no [table %s]; did you mean '%s'?"), name, nearest);
	return wrong(reading, _("there is no [table %s]; write one, a line for each code"), name);
}

static bool read_step(struct reading_row *reading, struct map_step *step)
{
	switch (step->kind) {
	case MAP_TABLE:
		return read_table(reading, step);
	case MAP_TIME:
		step->text = take_argument(reading, "time", "'yyyy-MM-dd HH:mm:ss'");
		return step->text && check_pattern(reading, step->text);
	case MAP_DECIMALS:
		return read_decimals(reading, step);
	case MAP_IS:
		step->text = take_argument(reading, "is", "'1'");
		return step->text != NULL;
	case MAP_WITHOUT:
		step->text = take_argument(reading, "without", "'-'");
		return step->text != NULL;
	case MAP_SIGN:
		break;
	}
	return true;
}

#define STEPS "table|time|decimals|sign|is|without" /* in the order of enum map_step_kind */

static bool read_steps(struct reading_row *reading, struct map_term *term)
{
	for (;;) {
		const struct token *token = &reading->tokens[reading->at];
		int kind = token->text && !token->quoted ? words_index(STEPS, token->text) : -1;
		if (kind < 0)
			return true;
		if (term->step_count == MAP_STEPS_MAX)
			return wrong(reading, _("more than %d steps for one source"), MAP_STEPS_MAX);
		struct map_step *step = &term->steps[term->step_count++];
		step->kind = (enum map_step_kind)kind;
		reading->at++;
		if (!read_step(reading, step))
			return false;
	}
}

/* ---- sources ---- */

static bool read_given(struct reading_row *reading, struct map_term *term)
{
	const struct map *map = reading->map;
	term->source = MAP_GIVEN;
	term->text = take_argument(reading, "given", "marketCode");
	if (!term->text)
		return false;
	for (size_t i = 0; i < map->given_count; i++)
		if (strcmp(map->given[i].name, term->text) == 0)
			return true;
	return wrong(reading, _("[given] has no '%s'; add a line: %s ="), term->text, term->text);
}

static bool read_member(struct reading_row *reading, struct map_term *term, const char *path)
{
	char nearest[64];
	term->source = MAP_MEMBER;
	term->text = path;
	if (reading->envelope && reading->map->settings.batch != 1)
		return wrong(reading,
			_("'%s' is of one record, and [envelope] stands around several; write batch = 1, a text in '...', count "
			  "or given NAME"),
			path);
	if (map_path_known(path, nearest, sizeof(nearest)))
		return true;
	if (*nearest)
		return wrong(reading, _("a record has no '%s'; did you mean '%s'?"), path, nearest);
	return wrong(reading, _("a record has no '%s'; write a member such as sample.name, or a text in '...'"), path);
}

static bool read_source(struct reading_row *reading, struct map_term *term)
{
	const struct token *token = &reading->tokens[reading->at];
	if (!token->text)
		return wrong(reading, _("a source is missing; write a member such as sample.name, or a text in '...'"));
	reading->at++;
	if (token->quoted) {
		term->source = MAP_TEXT;
		term->text = token->text;
		return true;
	}
	if (strcmp(token->text, "given") == 0)
		return read_given(reading, term);
	if (strcmp(token->text, "original") == 0 && (!reading->envelope || reading->map->settings.batch == 1)) {
		term->source = MAP_ORIGINAL;
		return true;
	}
	if (strcmp(token->text, "count") == 0) {
		term->source = MAP_COUNT;
		return reading->envelope ||
		       wrong(reading, _("count is for [envelope]: of the records in one document"));
	}
	return read_member(reading, term, token->text);
}

static bool read_terms(struct reading_row *reading)
{
	struct map_row *row = reading->row;
	enum map_link link = MAP_FIRST;
	for (;;) {
		if (row->term_count == MAP_TERMS_MAX)
			return wrong(reading, _("more than %d sources; join fewer"), MAP_TERMS_MAX);
		struct map_term *term = &row->terms[row->term_count++];
		term->link = link;
		if (!read_source(reading, term) || !read_steps(reading, term))
			return false;
		if (take_word(reading, "or"))
			link = MAP_OR;
		else if (take_word(reading, "+"))
			link = MAP_PLUS;
		else
			return true;
	}
}

#define ENDINGS "when|required|empty|number"

/* `when unit '%'`: elsewhere the row is left out, also where it is required. */
static bool read_when(struct reading_row *reading)
{
	struct map_term term = { .link = MAP_FIRST };
	const char *path = take_argument(reading, "when", "unit '%'");
	if (!path || !read_member(reading, &term, path))
		return false;
	reading->row->when = path;
	reading->row->when_text = take_argument(reading, path, "'%'");
	return reading->row->when_text != NULL;
}

static bool take_ending(struct reading_row *reading)
{
	struct map_row *row = reading->row;
	if (take_word(reading, "number"))
		row->number = true;
	else if (row->missing == MAP_LEFT_OUT && take_word(reading, "required"))
		row->missing = MAP_REQUIRED;
	else if (row->missing == MAP_LEFT_OUT && take_word(reading, "empty"))
		row->missing = MAP_EMPTY;
	else if (!row->when && take_word(reading, "when"))
		return read_when(reading);
	else
		return false;
	return true;
}

static bool read_endings(struct reading_row *reading)
{
	char nearest[32], known[128];
	*reading->fault->text = '\0';
	while (reading->tokens[reading->at].text) {
		const char *word = reading->tokens[reading->at].text;
		if (take_ending(reading))
			continue;
		if (*reading->fault->text)
			return false;
		if (words_nearest(word, STEPS "|or|" ENDINGS, nearest, sizeof(nearest)) && strcmp(word, nearest) != 0)
			return wrong(reading, _("'%s' means nothing here; did you mean '%s'?"), word, nearest);
		return wrong(reading,
			_("'%s' means nothing here; behind a source stand %s, or and +, at the end when, required, empty and "
			  "number"),
			word, words_listed(STEPS, known, sizeof(known)));
	}
	return true;
}

/* ---- names ---- */

static bool is_xml_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	for (const char *at = name; *at; at++)
		if ((unsigned char)*at < 0x80 && !strchr(letters, *at) && (at == name || !strchr("0123456789-", *at)))
			return false;
	return *name != '\0';
}

static bool cut_name(struct reading_row *reading, char *name)
{
	struct map_row *row = reading->row;
	int format = reading->map->settings.format;
	for (char *at = name; at;) {
		char *end = format == MAP_CSV ? NULL : strchr(at, '.');
		if (end)
			*end++ = '\0';
		if (!*at)
			return wrong(reading, _("a name is missing beside a point"));
		if (format == MAP_XML && !is_xml_name(at))
			return wrong(reading,
				_("'%s' is no name of an XML element; letters, digits, - and _ are, a letter or _ first"),
				at);
		if (row->depth == MAP_DEPTH_MAX)
			return wrong(reading, _("more than %d names within each other"), MAP_DEPTH_MAX);
		row->parts[row->depth++] = at;
		at = end;
	}
	return true;
}

bool map_row_read(
	struct map *map, const struct ini_entry *entry, bool envelope, struct map_row *ret, struct fault *fault)
{
	size_t name_size = strlen(entry->key) + 1, value_size = strlen(entry->value) + 1;
	*ret = (struct map_row){ .name = entry->key,
		.line = entry->line,
		.name_column = entry->key_column,
		.value_column = entry->value_column,
		.cells = malloc(name_size + value_size) };
	if (!ret->cells)
		abort();
	memcpy(ret->cells, entry->key, name_size);
	memcpy(ret->cells + name_size, entry->value, value_size);
	struct reading_row reading = { .map = map, .row = ret, .fault = fault, .envelope = envelope };
	if (!cut_name(&reading, ret->cells) || !cut_tokens(&reading, ret->cells + name_size))
		return false;
	if (envelope && next_is(&reading, "records")) {
		ret->records = true;
		reading.at++;
		return !reading.tokens[1].text || wrong(&reading, _("nothing may follow 'records'"));
	}
	return read_terms(&reading) && read_endings(&reading);
}

void map_row_free(struct map_row *row)
{
	free(row->cells);
}
