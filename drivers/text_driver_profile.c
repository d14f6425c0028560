/* A text profile's sections and keys. config/profiles/README.md is their reference; this is their check. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "profile_words.h"
#include "text_driver.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

typedef int set_function(struct text_profile *profile, const char *value, struct fault *fault);

static int set_title(struct text_profile *profile, const char *value, struct fault *fault)
{
	return profile_text(profile->title, sizeof(profile->title), value, fault);
}

static int set_maker(struct text_profile *profile, const char *value, struct fault *fault)
{
	return profile_text(profile->maker, sizeof(profile->maker), value, fault);
}

static int set_model(struct text_profile *profile, const char *value, struct fault *fault)
{
	return profile_text(profile->model, sizeof(profile->model), value, fault);
}

static int set_source(struct text_profile *profile, const char *value, struct fault *fault)
{
	return profile_text(profile->source, sizeof(profile->source), value, fault);
}

static int set_long(long *ret, const char *value, long min, long max, struct fault *fault)
{
	if (!text_parse_long(value, strlen(value), min, max, ret))
		return fault_set(fault, EINVAL, _("'%s' is not a number from %ld to %ld"), value, min, max);
	return 0;
}

static int set_stars(struct text_profile *profile, const char *value, struct fault *fault)
{
	return set_long(&profile->stars, value, 1, 5, fault);
}

/* ---- [frame] ---- */

static int set_shape(struct text_profile *profile, const char *value, struct fault *fault)
{
	static const char *const shapes[] = { "", "lines", "blocks", "tickets", "json", "xml" };
	for (size_t i = 1; i < COUNT(shapes); i++)
		if (strcmp(value, shapes[i]) == 0)
			profile->shape = (enum text_shape)i;
	if (profile->shape == TEXT_SHAPE_UNSAID)
		return fault_set(fault, EINVAL,
			_("'%s' is no kind of frame; lines, blocks (all of one length), tickets (of a printer), json or xml would be"),
			value);
	return 0;
}

static int set_encoding(struct text_profile *profile, const char *value, struct fault *fault)
{
	static const struct {
		const char *name;
		enum text_encoding encoding;
	} encodings[] = { { "gb18030", TEXT_GB18030 }, { "gbk", TEXT_GB18030 }, { "gb2312", TEXT_GB18030 },
		{ "utf-8", TEXT_UTF8 }, { "utf8", TEXT_UTF8 }, { "ascii", TEXT_ASCII } };
	for (size_t i = 0; i < COUNT(encodings); i++) {
		if (strcmp(value, encodings[i].name) != 0)
			continue;
		profile->encoding = encodings[i].encoding;
		return 0;
	}
	return fault_set(fault, EINVAL, _("'%s' is no encoding; gb18030, utf-8 or ascii would be"), value);
}

/* Words between blanks, each bytes as they stand in the stream. */
static int set_literals(struct text_literals *literals, const char *value, struct fault *fault)
{
	char word[5 * TEXT_LITERAL_MAX];
	for (const char *at = value; *at; at += strspn(at, " ")) {
		size_t length = strcspn(at, " ");
		if (literals->count == TEXT_LITERALS_MAX || length >= sizeof(word))
			return fault_set(fault, E2BIG, _("'%s' is too much; at most %d words of %d bytes"), value,
				TEXT_LITERALS_MAX, TEXT_LITERAL_MAX);
		memcpy(word, at, length);
		word[length] = '\0';
		int error = text_literal_parse(&literals->list[literals->count], word, fault);
		if (error < 0)
			return error;
		literals->count++;
		at += length;
	}
	if (literals->count == 0)
		return fault_set(fault, EINVAL,
			_("nothing is given; the bytes would be right, in quotes where they are \"#\" or \";\""));
	return 0;
}

static int set_start(struct text_profile *profile, const char *value, struct fault *fault)
{
	return set_literals(&profile->starts, value, fault);
}

static int set_end(struct text_profile *profile, const char *value, struct fault *fault)
{
	return text_literal_parse(&profile->end, value, fault);
}

static int set_span(long *least, long *most, long max, const char *value, struct fault *fault)
{
	if (!text_parse_span(value, strlen(value), 1, max, least, most) || *most < *least)
		return fault_set(
			fault, EINVAL, _("'%s' is no number from 1 to %ld, nor a range such as 14..15"), value, max);
	return 0;
}

static int set_length(struct text_profile *profile, const char *value, struct fault *fault)
{
	return set_span(&profile->length_least, &profile->length_most, TEXT_LINE_LONGEST, value, fault);
}

static int set_idle_gap(struct text_profile *profile, const char *value, struct fault *fault)
{
	size_t digits = strspn(value, "0123456789");
	bool seconds = strcmp(value + digits, "s") == 0;
	if ((!seconds && strcmp(value + digits, "ms") != 0) ||
		!text_parse_long(value, digits, 1, seconds ? 60 : 60000, &profile->idle_gap_ms))
		return fault_set(fault, EINVAL, _("'%s' is no time up to 60s; 500ms or 2s would be"), value);
	profile->idle_gap_ms *= seconds ? 1000 : 1;
	return 0;
}

static int set_checksum(struct text_profile *profile, const char *value, struct fault *fault)
{
	static const char *const kinds[] = { "none", "sum8", "xor8", "crc16" };
	struct text_checksum *checksum = &profile->checksum;
	char kind[8], span[24], at[24], form[8] = "byte", rest;
	int count = sscanf(value, "%7s %23s at %23s %7s %c", kind, span, at, form, &rest);
	bool right = false;
	for (size_t i = 0; i < COUNT(kinds) && count > 0; i++) {
		if (strcmp(kind, kinds[i]) != 0)
			continue;
		checksum->kind = (enum text_checksum_kind)i;
		right = i == 0 ? count == 1
		               : (count == 3 || count == 4) &&
		                         text_parse_span(span, strlen(span), -FRAME_MAX, FRAME_MAX, &checksum->from,
						 &checksum->to) &&
		                         text_parse_long(at, strlen(at), -FRAME_MAX, FRAME_MAX, &checksum->at) &&
		                         (strcmp(form, "byte") == 0 || strcmp(form, "hex") == 0);
	}
	checksum->hex = strcmp(form, "hex") == 0;
	if (!right)
		return fault_set(fault, EINVAL,
			_("'%s' is no checksum; none, or sum8, xor8 or crc16 with its bytes and place, as sum8 3..53 at 54 or "
			  "xor8 1..-4 at -2 hex, would be"),
			value);
	return 0;
}

/* ---- [line] ---- */

static int set_separator(struct text_profile *profile, const char *value, struct fault *fault)
{
	static const struct {
		const char *name, *bytes;
	} names[] = { { "comma", "," }, { "semicolon", ";" }, { "tab", "\\t" }, { "pipe", "|" }, { "colon", ":" } };
	profile->separator_given = true;
	profile->blanks = strcmp(value, "blanks") == 0;
	if (profile->blanks)
		return 0;
	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(value, names[i].name) == 0)
			value = names[i].bytes;
	return text_literal_parse(&profile->separator, value, fault);
}

static int set_columns(struct text_profile *profile, const char *value, struct fault *fault)
{
	return set_span(&profile->columns_least, &profile->columns_most, TEXT_COLUMNS_MAX, value, fault);
}

static int set_last(struct text_profile *profile, const char *value, struct fault *fault)
{
	return set_long(&profile->last, value, 1, 64, fault);
}

static int yes_or_no(bool *ret, const char *value, struct fault *fault)
{
	*ret = strcmp(value, "yes") == 0;
	if (!*ret && strcmp(value, "no") != 0)
		return fault_set(fault, EINVAL, _("'%s' is neither yes nor no"), value);
	return 0;
}

static int set_quotes(struct text_profile *profile, const char *value, struct fault *fault)
{
	return yes_or_no(&profile->quotes, value, fault);
}

static int set_start_apart(struct text_profile *profile, const char *value, struct fault *fault)
{
	return yes_or_no(&profile->start_apart, value, fault);
}

static int set_decimal(struct text_profile *profile, const char *value, struct fault *fault)
{
	profile->decimal_comma = strcmp(value, "comma") == 0;
	if (!profile->decimal_comma && strcmp(value, "point") != 0)
		return fault_set(fault, EINVAL, _("'%s' is neither point (1.25) nor comma (1,25)"), value);
	return 0;
}

static int set_header(struct text_profile *profile, const char *value, struct fault *fault)
{
	return yes_or_no(&profile->header, value, fault);
}

static int set_ignored(struct text_profile *profile, const char *value, struct fault *fault)
{
	return set_literals(&profile->ignored, value, fault);
}

static int set_missing(struct text_profile *profile, const char *value, struct fault *fault)
{
	for (const char *at = value; *at; at += strspn(at, " ")) {
		size_t length = strcspn(at, " ");
		if (profile->missing_count == COUNT(profile->missing) || length >= sizeof(profile->missing[0]))
			return fault_set(fault, E2BIG, _("'%s' is too much; at most %d words of %d bytes"), value,
				(int)COUNT(profile->missing), (int)sizeof(profile->missing[0]) - 1);
		memcpy(profile->missing[profile->missing_count++], at, length);
		at += length;
	}
	return 0;
}

/* ---- [document] ---- */

static int set_records(struct text_profile *profile, const char *value, struct fault *fault)
{
	if (!*value || *value == '.' || strstr(value, "..") || value[strlen(value) - 1] == '.')
		return fault_set(fault, EINVAL,
			_("'%s' is not the way to an array; detail, or data.list for one inside data, would be"),
			value);
	return profile_text(profile->records, sizeof(profile->records), value, fault);
}

/* ---- [query] ---- */

/* The text between "{from:" and "}", or NULL when it is no date. */
static const char *end_of_date(const char *brace)
{
	const char *colon = strchr(brace, ':'), *end = strchr(brace, '}');
	if (!end || !colon || colon > end)
		return NULL;
	size_t name = (size_t)(colon - brace - 1);
	bool known = (name == 4 && strncmp(brace + 1, "from", 4) == 0) ||
	             (name == 2 && strncmp(brace + 1, "to", 2) == 0) ||
	             (name == 3 && strncmp(brace + 1, "day", 3) == 0);
	return known && strspn(colon + 1, "yMd-/.") == (size_t)(end - colon - 1) ? end : NULL;
}

static int set_ask(struct text_profile *profile, const char *value, struct fault *fault)
{
	struct text_literal literal;
	char plain[sizeof(profile->ask)];
	size_t used = 0;
	int error = 0;
	if (strlen(value) >= sizeof(plain))
		return fault_set(fault, EINVAL, _("the text is too long; at most %zu bytes"), sizeof(plain) - 1);
	for (const char *at = value; *at; at++) {
		const char *end = *at == '{' ? end_of_date(at) : NULL;
		if (*at == '{' && !end)
			return fault_set(fault, EINVAL,
				_("'%s' is no date; {day:yyyyMMdd}, or {from:yyyy-MM-dd} and {to:yyyy-MM-dd}, would be"),
				at);
		if (end)
			at = end;
		else if (*at != ' ')
			plain[used++] = *at;
	}
	plain[used] = '\0';
	/* what stands between the dates is checked piece by piece: a question may be longer than a literal */
	for (size_t at = 0; at < used && error == 0;) {
		char piece[5] = { plain[at] };
		size_t length = plain[at] == '\\' ? (plain[at + 1] == 'x' ? 4 : 2) : 1;
		snprintf(piece, sizeof(piece), "%.*s", (int)length, plain + at);
		error = text_literal_parse(&literal, piece, fault);
		at += strlen(piece);
	}
	return error < 0 ? error : profile_text(profile->ask, sizeof(profile->ask), value, fault);
}

static int set_done(struct text_profile *profile, const char *value, struct fault *fault)
{
	return text_literal_parse(&profile->done, value, fault);
}

static int set_repeatable(struct text_profile *profile, const char *value, struct fault *fault)
{
	profile->repeatable_given = true;
	return yes_or_no(&profile->repeatable, value, fault);
}

/* ---- tables ---- */

static const struct {
	const char *section, *key;
	set_function *set;
} keys[] = {
	{ "profile", "title", set_title },
	{ "profile", "maker", set_maker },
	{ "profile", "model", set_model },
	{ "profile", "source", set_source },
	{ "profile", "stars", set_stars },
	{ "frame", "kind", set_shape },
	{ "frame", "encoding", set_encoding },
	{ "frame", "start", set_start },
	{ "frame", "end", set_end },
	{ "frame", "length", set_length },
	{ "frame", "idle-gap", set_idle_gap },
	{ "frame", "checksum", set_checksum },
	{ "frame", "decimal", set_decimal },
	{ "line", "separator", set_separator },
	{ "line", "columns", set_columns },
	{ "line", "last", set_last },
	{ "line", "quotes", set_quotes },
	{ "line", "start-apart", set_start_apart },
	{ "line", "header", set_header },
	{ "line", "ignore", set_ignored },
	{ "line", "missing", set_missing },
	{ "document", "records", set_records },
	{ "query", "ask", set_ask },
	{ "query", "done", set_done },
	{ "query", "repeatable", set_repeatable },
};

#define WORD(member) TEXT_WORD, offsetof(struct reading, member), sizeof(((struct reading *)0)->member)

static const struct {
	const char *section, *key; /* key NULL: any name */
	enum text_role role;
	size_t offset, size;
} roles[] = {
	{ "field", "valid", TEXT_VALID, 0, 0 },
	{ "field", "sequence", WORD(instrument_seq) },
	{ "field", "channel", TEXT_CHANNEL, 0, 0 },
	{ "field", "kind", TEXT_KIND, 0, 0 },
	{ "field", "retest", TEXT_RETEST, 0, 0 },
	{ "field", "value", TEXT_VALUE, 0, 0 },
	{ "field", "verdict", TEXT_VERDICT, 0, 0 },
	{ "field", "qualifier", WORD(qualifier) },
	{ "field", "unit", WORD(unit) },
	{ "field", "time", TEXT_TIME, 0, 0 },
	{ "field", "limit", TEXT_LIMIT, 0, 0 },
	{ "field", "limit-source", WORD(limit_source) },
	{ "field", "item", WORD(item) },
	{ "field", "method", WORD(method) },
	{ "field", "basis", WORD(basis) },
	{ "field", "sample-no", WORD(sample_no) },
	{ "field", "sample-name", WORD(sample_name) },
	{ "field", "sample-category", WORD(sample_category) },
	{ "field", "party", WORD(party) },
	{ "field", "origin", WORD(origin) },
	{ "field", "operator", WORD(operator_name) },
	{ "field", "operator-id", WORD(operator_id) },
	{ "signals", NULL, TEXT_SIGNAL, 0, 0 },
	{ "said", NULL, TEXT_SAID, 0, 0 },
};

static int add_field(struct text_profile *profile, size_t role, const char *key, const char *value, struct fault *fault)
{
	struct text_field field = { .role = roles[role].role, .offset = roles[role].offset, .size = roles[role].size };
	int error = profile_text(field.name, sizeof(field.name), key, fault);
	if (error < 0)
		return error;
	for (size_t i = 0; i < profile->field_count; i++)
		if (profile->fields[i].role == field.role && strcmp(profile->fields[i].name, key) == 0)
			return fault_set(fault, EEXIST, _("'%s' is given twice; once would be right"), key);
	if (profile->field_count == TEXT_FIELDS_MAX)
		return fault_set(fault, E2BIG, _("more than %d fields; fewer would be right"), TEXT_FIELDS_MAX);
	if (field.role == TEXT_VALUE && strncmp(value, "is ", 3) == 0)
		return fault_set(fault, EINVAL, _("a profile cannot know the value; column 6, say, would be right"));
	error = text_field_parse(&field, value, fault);
	if (error == 0)
		profile->fields[profile->field_count++] = field;
	return error;
}

/* ---- [map FIELD] ---- */

bool text_kind_word(const char *word, enum kind *ret)
{
	for (enum kind kind = KIND_SAMPLE; kind <= KIND_CALIBRATION; kind++) {
		if (strcmp(word, kind_name(kind)) != 0)
			continue;
		*ret = kind;
		return true;
	}
	return false;
}

static int check_word(const char *field, const char *word, struct fault *fault)
{
	enum kind kind;
	enum verdict verdict;
	bool retest;
	if (strcmp(field, "retest") == 0 && !profile_retest_word(word, &retest))
		return fault_set(
			fault, EINVAL, _("'%s' does not tell a retest from a first test; retest or first would"), word);
	if (strcmp(field, "kind") == 0 && !text_kind_word(word, &kind))
		return fault_set(fault, EINVAL,
			_("'%s' is no kind of test; sample, blank, control, qc or calibration would be"), word);
	if (strcmp(field, "verdict") == 0 && !profile_verdict_word(word, &verdict))
		return fault_set(fault, EINVAL,
			_("'%s' is no verdict; negative, positive, suspect, invalid or none would be"), word);
	if (strcmp(field, "valid") == 0 && strcmp(word, "result") != 0 && strcmp(word, "none") != 0)
		return fault_set(fault, EINVAL,
			_("'%s' does not tell a result from none; result, or none (it is not a result), would be"),
			word);
	return 0;
}

static int add_map(
	struct text_profile *profile, const char *field, const char *code, const char *word, struct fault *fault)
{
	struct text_map *map = &profile->maps[profile->map_count];
	if (profile->map_count == TEXT_MAPS_MAX)
		return fault_set(fault, E2BIG, _("more than %d lines in [map ...] sections; fewer would be right"),
			TEXT_MAPS_MAX);
	int error = check_word(field, word, fault);
	if (error < 0)
		return error;
	if (strlen(field) >= sizeof(map->field) || strlen(code) >= sizeof(map->code) ||
		strlen(word) >= sizeof(map->word))
		return fault_set(fault, EINVAL, _("'%s = %s' is too long; a code has at most %zu bytes and a word %zu"),
			code, word, sizeof(map->code) - 1, sizeof(map->word) - 1);
	for (size_t i = 0; i < profile->map_count; i++)
		if (strcmp(profile->maps[i].field, field) == 0 && strcmp(profile->maps[i].code, code) == 0)
			return fault_set(fault, EEXIST, _("'%s' is given twice; once would be right"), code);
	memcpy(map->field, field, strlen(field) + 1);
	memcpy(map->code, code, strlen(code) + 1);
	memcpy(map->word, word, strlen(word) + 1);
	profile->map_count++;
	return 0;
}

const char *text_map_line(const struct text_profile *profile, const char *field, const char *code)
{
	for (size_t i = 0; i < profile->map_count; i++)
		if (strcmp(profile->maps[i].field, field) == 0 && strcmp(profile->maps[i].code, code) == 0)
			return profile->maps[i].word;
	return NULL;
}

const char *text_map_word(const struct text_profile *profile, const char *field, const char *code)
{
	const char *word = text_map_line(profile, field, code);
	return word ? word : text_map_line(profile, field, "*");
}

/* ---- reading ---- */

/* The sentence for a key nobody knows lists those the section does know. */
static int unknown_key(const char *section, const char *key, struct fault *fault)
{
	char known[320] = "";
	size_t used = 0;
	for (size_t i = 0; i < COUNT(keys) + COUNT(roles); i++) {
		const char *of = i < COUNT(keys) ? keys[i].section : roles[i - COUNT(keys)].section;
		const char *name = i < COUNT(keys) ? keys[i].key : roles[i - COUNT(keys)].key;
		if (name && strcmp(of, section) == 0 && used + strlen(name) + 2 < sizeof(known))
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", used ? " " : "", name);
	}
	if (used == 0)
		return fault_set(fault, EINVAL,
			_("there is no section [%s]; a text profile has [profile] [frame] [line] [document] [query] [field] [signals] "
			  "[said] and [map FIELD]"),
			section);
	return fault_set(fault, EINVAL, _("[%s] knows no '%s'; it knows %s"), section, key, known);
}

static int profile_entry(void *data, const char *section, const char *key, const char *value, struct fault *fault)
{
	struct text_profile *profile = data;
	if (strncmp(section, "map ", 4) == 0)
		return add_map(profile, section + 4 + strspn(section + 4, " "), key, value, fault);
	for (size_t i = 0; i < COUNT(keys); i++) {
		if (strcmp(keys[i].section, section) != 0 || strcmp(keys[i].key, key) != 0)
			continue;
		if (profile->given & UINT64_C(1) << i)
			return fault_set(fault, EEXIST, _("'%s' is given twice; once would be right"), key);
		profile->given |= UINT64_C(1) << i;
		return keys[i].set(profile, value, fault);
	}
	for (size_t i = 0; i < COUNT(roles); i++)
		if (strcmp(roles[i].section, section) == 0 && (!roles[i].key || strcmp(roles[i].key, key) == 0))
			return add_field(profile, i, key, value, fault);
	return unknown_key(section, key, fault);
}

static enum manner manner_of(const void *data)
{
	const struct text_profile *profile = data;
	return *profile->ask ? MANNER_ASKS : MANNER_LISTENS;
}

const struct profile_reader text_profiles = {
	.size = sizeof(struct text_profile),
	.manner = manner_of,
	.entry = profile_entry,
	.finish = text_profile_finish,
};
