#include "ini.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../drivers/fault.h"
#include "textfile.h"

#define BLANKS       " \t"
#define SECTIONS_MAX 4096
#define ENTRIES_MAX  4096
#define FAULTS_MAX   100 /* in one file; behind that it is no configuration file */

struct file { /* what is behind a struct ini */
	struct ini ini;
	char *path;
	char *text;   /* as read; its lines are NUL-terminated, for excerpts */
	char **lines; /* into text */
	size_t line_count;
	char *cells; /* a second copy, cut into words, keys and values */
};

struct parser {
	struct file *file;
	struct faults *faults;
	size_t faults_before;
	int line;
	const char *start;        /* of the current line in cells, for columns */
	struct ini_section stray; /* takes what stands before the first section */
	struct ini_section *section;
};

static void *need(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static void add_fault(const struct ini *ini, struct faults *faults, enum faults_weight weight, int line, int column,
	const char *format, va_list args)
{
	const struct file *file = (const struct file *)ini;
	char *text;
	if (vasprintf(&text, format, args) < 0)
		abort();
	const char *excerpt = line > 0 && (size_t)line <= file->line_count ? file->lines[line - 1] : NULL;
	faults_add(faults, weight, ini->path, line, column, excerpt, "%s", text);
	free(text);
}

void ini_fault(const struct ini *ini, struct faults *faults, enum faults_weight weight, int line, int column,
	const char *format, ...)
{
	va_list args;
	va_start(args, format);
	add_fault(ini, faults, weight, line, column, format, args);
	va_end(args);
}

/* The column of `at`, counted in characters; cells are still uncut to the left of it, or cut by NULs of one byte. */
static int column_of(const struct parser *parser, const char *at)
{
	int column = 1;
	for (const char *each = parser->start; each < at; each++)
		column += ((unsigned char)*each & 0xC0) != 0x80;
	return column;
}

static void complain(const struct parser *parser, const char *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void complain(const struct parser *parser, const char *at, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	add_fault(&parser->file->ini, parser->faults, FAULTS_ERROR, parser->line, column_of(parser, at), format, args);
	va_end(args);
}

/* --- characters ---------------------------------------------------------------------------------------------- */

/* The character at `utf8` and its length. Only two and three bytes matter here; anything else counts byte by byte. */
static size_t decode(const char *utf8, unsigned *ret)
{
	const unsigned char *at = (const unsigned char *)utf8;
	*ret = at[0];
	if (at[0] < 0xC2 || at[0] >= 0xF0 || (at[1] & 0xC0) != 0x80)
		return 1;
	if (at[0] < 0xE0) {
		*ret = (at[0] & 0x1FU) << 6 | (at[1] & 0x3FU);
		return 2;
	}
	if ((at[2] & 0xC0) != 0x80)
		return 1;
	*ret = (at[0] & 0x0FU) << 12 | (at[1] & 0x3FU) << 6 | (at[2] & 0x3FU);
	return 3;
}

char ini_ascii_meant(const char *utf8)
{
	unsigned character;
	size_t length = decode(utf8, &character);
	if (length < 3)
		return length == 2 && character == 0xA0 ? ' ' : 0;
	if (character >= 0xFF01 && character <= 0xFF5E)
		return (char)(character - 0xFF01 + '!');
	switch (character) {
	case 0x3000: /* ideographic space */
		return ' ';
	case 0x201C: /* “ */
	case 0x201D: /* ” */
		return '"';
	case 0x2018: /* ‘ */
	case 0x2019: /* ’ */
		return '\'';
	case 0x3010: /* 【 */
		return '[';
	case 0x3011: /* 】 */
		return ']';
	case 0x3002: /* 。 */
		return '.';
	case 0x2010: /* hyphen */
	case 0x2011: /* non-breaking hyphen */
	case 0x2013: /* – */
	case 0x2014: /* — */
	case 0x2212: /* minus */
		return '-';
	default:
		return 0;
	}
}

char ini_find_lookalike(const char *utf8, char out[static 5])
{
	for (const char *at = utf8; *at;) {
		unsigned character;
		size_t length = decode(at, &character);
		char meant = ini_ascii_meant(at);
		if (meant) {
			snprintf(out, 5, "%.*s", (int)length, at);
			return meant;
		}
		at += length;
	}
	return 0;
}

static bool is_invisible(unsigned character)
{
	return (character >= 0x200B && character <= 0x200F) || (character >= 0x2028 && character <= 0x202E) ||
	       character == 0x2060 || character == 0xFEFF || character == 0xAD;
}

/* Control and invisible characters would make two keys or names that look the same and are not. */
static bool has_bad_character(const struct parser *parser, const char *line)
{
	for (const char *at = line; *at;) {
		unsigned character;
		size_t length = decode(at, &character);
		if (character == '\r') {
			complain(parser, at,
				_("a carriage return inside the line; save the file with LF or CRLF line ends"));
			return true;
		}
		if ((character < ' ' && character != '\t') || character == 0x7F) {
			complain(parser, at, _("a control character (0x%02x); delete it, or type the line again"),
				character);
			return true;
		}
		if (length > 1 && ((character >= 0x80 && character < 0xA0) || is_invisible(character))) {
			complain(parser, at,
				_("an invisible character (U+%04X), pasted from elsewhere; type the line again"),
				character);
			return true;
		}
		at += length;
	}
	return false;
}

static char *skip_blanks(char *at)
{
	return at + strspn(at, BLANKS);
}

static void cut_trailing_blanks(char *text)
{
	size_t length = strlen(text);
	while (length && strchr(BLANKS, text[length - 1]))
		length--;
	text[length] = '\0';
}

static bool ends_value(const char *rest)
{
	return !*rest || *rest == '#' || *rest == ';';
}

/* --- sections ------------------------------------------------------------------------------------------------- */

static void note_repeated(const struct parser *parser, struct ini_section *section)
{
	const struct ini *ini = &parser->file->ini;
	for (size_t i = 0; i + 1 < ini->count; i++) {
		const struct ini_section *other = &ini->sections[i];
		if (strcmp(other->word, section->word) != 0 || strcmp(other->name, section->name) != 0)
			continue;
		section->repeated = true;
		ini_fault(ini, parser->faults, FAULTS_ERROR, section->line, section->column,
			_("section [%s%s%s] is in this file twice, first at line %d; give it another name or join the two"),
			section->word, *section->name ? " " : "", section->name, other->line);
		return;
	}
}

/* Cuts "word name" at `inside`; a fault and the first two words when there are more. */
static void begin_section(struct parser *parser, char *inside)
{
	char *word = skip_blanks(inside);
	int column = column_of(parser, word);
	if (!*word)
		complain(parser, inside, _("this section has no name; write [station] or [instrument NAME]"));
	char *name = word + strcspn(word, BLANKS);
	if (*name) {
		*name++ = '\0';
		name = skip_blanks(name);
		char *rest = name + strcspn(name, BLANKS);
		if (*skip_blanks(rest))
			complain(parser, rest, _("a section's name is one word; join the words with -"));
		*rest = '\0';
	}
	struct ini *ini = &parser->file->ini;
	ini->sections = need(reallocarray(ini->sections, ini->count + 1, sizeof(*ini->sections)));
	parser->section = &ini->sections[ini->count++];
	*parser->section = (struct ini_section){ .word = word, .name = name, .line = parser->line, .column = column };
	note_repeated(parser, parser->section);
}

/* The closing bracket, also when it is a look-alike; `ret_after` is what follows it. NULL when there is none. */
static char *find_bracket(const struct parser *parser, char *at, char **ret_after)
{
	for (; *at; at++) {
		if (*at == ']') {
			*ret_after = at + 1;
			return at;
		}
		if ((unsigned char)*at >= 0xE0 && ini_ascii_meant(at) == ']') {
			complain(parser, at, _("'%.3s' is a full-width bracket; use ]"), at);
			*ret_after = at + 3;
			return at;
		}
	}
	return NULL;
}

static void take_section(struct parser *parser, char *bracket)
{
	char *inside = bracket + 1;
	if (*bracket != '[') {
		complain(parser, bracket, _("'%.3s' is a full-width bracket; use ["), bracket);
		inside = bracket + 3;
	}
	char *after, *end = find_bracket(parser, inside, &after);
	if (!end) {
		size_t length = strcspn(inside, "#;");
		inside[length] = '\0';
		cut_trailing_blanks(inside);
		complain(parser, inside + strlen(inside), _("the ] of this section is missing; write [%s]"), inside);
	} else {
		char *rest = skip_blanks(after);
		if (!ends_value(rest))
			complain(parser, rest, _("nothing may follow a section's ]; put '%s' on a line of its own"),
				rest);
		*end = '\0';
	}
	begin_section(parser, inside);
}

/* --- keys and values ------------------------------------------------------------------------------------------ */

const struct ini_entry *ini_find(const struct ini_section *section, const char *key)
{
	for (size_t i = 0; i < section->count; i++)
		if (!strcmp(section->entries[i].key, key))
			return &section->entries[i];
	return NULL;
}

/* Where key and value part; a look-alike of = is a fault, but parts them all the same so that reading can go on. */
static char *find_separator(const struct parser *parser, char *line, char **ret_after)
{
	char *equals = strchr(line, '=');
	if (equals) {
		*ret_after = equals + 1;
		return equals;
	}
	for (char *at = line; *at; at++) {
		char meant = ini_ascii_meant(at);
		if (meant == '=')
			complain(parser, at, _("'%.3s' is a full-width equals sign; use ="), at);
		else if (meant == ':' || *at == ':')
			complain(parser, at, _("key and value are parted by =, not by '%.*s'; write key = value"),
				meant ? 3 : 1, at);
		else
			continue;
		*ret_after = at + (meant ? 3 : 1);
		return at;
	}
	complain(parser, line, _("this line is neither [section] nor key = value; a comment starts with #"));
	return NULL;
}

static char *take_quoted(const struct parser *parser, char *value)
{
	char *inside = value + 1, *end = strchr(inside, '"');
	if (!end) {
		complain(parser, value, _("the closing \" is missing; write %s\""), value);
		return NULL;
	}
	char *rest = skip_blanks(end + 1);
	if (!ends_value(rest)) {
		complain(parser, rest,
			_("only a comment may follow the closing \"; leave the quotes out, or put them around the whole value"));
		return NULL;
	}
	*end = '\0';
	return inside;
}

/* The value without its comment, or NULL after a fault. */
static char *take_value(const struct parser *parser, char *value)
{
	char *at = skip_blanks(value);
	if (*at == '"')
		return take_quoted(parser, at);
	for (char *each = at; *each; each++)
		if ((*each == '#' || *each == ';') && each > value && strchr(BLANKS, each[-1])) {
			*each = '\0';
			break;
		}
	cut_trailing_blanks(at);
	char meant = ini_ascii_meant(at);
	if (meant == '"') {
		complain(parser, at, _("'%.3s' is a typographic quote; use \", or no quotes at all"), at);
		return NULL;
	}
	if (meant == ' ') {
		complain(parser, at, _("a full-width or no-break space before the value; use an ordinary space"));
		return NULL;
	}
	return at;
}

static void add_entry(struct parser *parser, const struct ini_entry *entry)
{
	struct ini_section *section = parser->section;
	const struct ini_entry *first = ini_find(section, entry->key);
	if (first) {
		ini_fault(&parser->file->ini, parser->faults, FAULTS_ERROR, entry->line, entry->key_column,
			_("'%s' is set twice in this section, first at line %d; keep one of the two"), entry->key,
			first->line);
		return;
	}
	if (section->count == ENTRIES_MAX) {
		complain(parser, parser->start, _("more than %d settings in one section; is this the right file?"),
			ENTRIES_MAX);
		return;
	}
	section->entries = need(reallocarray(section->entries, section->count + 1, sizeof(*section->entries)));
	section->entries[section->count++] = *entry;
}

static void take_entry(struct parser *parser, char *key)
{
	char meant = ini_ascii_meant(key);
	if (meant == '#' || meant == ';') {
		complain(parser, key, _("'%.3s' is a full-width character; a comment starts with # or ;"), key);
		return;
	}
	char *value, *separator = find_separator(parser, key, &value);
	if (!separator)
		return;
	struct ini_entry entry = { .line = parser->line, .key_column = column_of(parser, key) };
	int separator_column = column_of(parser, separator);
	if (separator == key) {
		complain(parser, separator, _("there is no key before the =; write key = value"));
		return;
	}
	if (parser->section == &parser->stray && !parser->stray.count)
		complain(parser, key,
			_("this setting stands before the first section; put a line such as [station] above it"));
	entry.value = take_value(parser, value);
	entry.value_column = entry.value ? column_of(parser, entry.value) : separator_column;
	*separator = '\0';
	cut_trailing_blanks(key);
	entry.key = key;
	if (!entry.value)
		entry.value =
			""; /* the fault is told; the key counts as given, so that it is not reported as missing */
	add_entry(parser, &entry);
}

/* --- files ---------------------------------------------------------------------------------------------------- */

static void take_line(struct parser *parser, char *line)
{
	parser->start = line;
	if (strlen(line) > INI_LINE_MAX) {
		complain(parser, line, _("this line is longer than %d bytes; shorten it, or is a line end missing?"),
			INI_LINE_MAX);
		return;
	}
	char *at = skip_blanks(line);
	if (ends_value(at) || has_bad_character(parser, line))
		return;
	cut_trailing_blanks(at);
	char meant = ini_ascii_meant(at);
	if (meant == ' ')
		complain(parser, at, _("a full-width or no-break space at the start of the line; use ordinary spaces"));
	else if (*at == '[' || meant == '[')
		take_section(parser, at);
	else
		take_entry(parser, at);
}

static void split_lines(struct file *file)
{
	char *at = file->text;
	size_t room = 1;
	for (const char *each = at; *each; each++)
		room += *each == '\n';
	file->lines = need(calloc(room, sizeof(char *)));
	while (at) {
		char *end = strchr(at, '\n');
		if (end)
			*end++ = '\0';
		file->lines[file->line_count++] = at;
		at = end;
	}
}

/* True when it makes no sense to go on with this file; says so once. */
static bool is_hopeless(const struct parser *parser)
{
	if (parser->file->ini.count < SECTIONS_MAX && parser->faults->count - parser->faults_before < FAULTS_MAX)
		return false;
	complain(parser, parser->start, _("too many sections or faults; nothing was read behind this line"));
	return true;
}

int ini_parse(const char *path, const char *text, struct ini **ret, struct faults *faults)
{
	struct file *file = need(calloc(1, sizeof(*file)));
	file->path = need(strdup(path));
	file->text = need(strdup(text));
	file->cells = need(strdup(text));
	file->ini.path = file->path;
	split_lines(file);
	size_t errors_before = faults->errors;
	struct parser parser = { .file = file, .faults = faults, .faults_before = faults->count };
	parser.section = &parser.stray;
	for (size_t i = 0; i < file->line_count; i++) {
		char *line = file->cells + (file->lines[i] - file->text);
		line[strlen(file->lines[i])] = '\0';
		parser.line = (int)i + 1;
		take_line(&parser, line);
		if (is_hopeless(&parser))
			break;
	}
	free(parser.stray.entries);
	*ret = &file->ini;
	return faults->errors > errors_before ? -EINVAL : 0;
}

int ini_read(const char *path, struct ini **ret, struct faults *faults)
{
	char *text;
	*ret = NULL;
	int result = textfile_read(path, &text, NULL, faults);
	if (result)
		return result;
	result = ini_parse(path, text, ret, faults);
	free(text);
	return result;
}

void ini_free(struct ini *ini)
{
	if (!ini)
		return;
	struct file *file = (struct file *)ini;
	for (size_t i = 0; i < ini->count; i++)
		free(ini->sections[i].entries);
	free(ini->sections);
	free(file->lines);
	free(file->cells);
	free(file->text);
	free(file->path);
	free(file);
}
