#include "reference.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "../drivers/driver.h"
#include "../drivers/fault.h"
#include "../drivers/text.h"
#include "config_sections.h"
#include "reference_man.h"
#include "settings.h"

#define COMMENT_WIDTH 100

/* --- annotated example ------------------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 character at `at`. */
static size_t character_length(const char *at)
{
	size_t length = 1;
	while (((unsigned char)at[length] & 0xC0) == 0x80)
		length++;
	return length;
}

/* U+3001, U+3002 and the full-width ) , : ; ? and the closing quote, which never begin a line. */
static bool closes(const char *at)
{
	static const char *const closing[] = { "\u3001", "\u3002", "\uFF09", "\uFF0C", "\uFF1A", "\uFF1B", "\uFF1F",
		"\u201D" };
	for (size_t i = 0; i < sizeof(closing) / sizeof(*closing); i++)
		if (!strncmp(at, closing[i], strlen(closing[i])))
			return true;
	return false;
}

static bool is_wide(const char *at)
{
	char character[8];
	snprintf(character, sizeof(character), "%.*s", (int)character_length(at), at);
	return text_width(character) == 2;
}

/* The length of what must stay on one line: a word, or in Chinese a character and what closes behind it. */
static size_t piece_length(const char *text)
{
	const char *at = text;
	if (is_wide(at))
		at += character_length(at);
	else
		while (*at && *at != ' ' && !is_wide(at))
			at += character_length(at);
	while (*at && closes(at))
		at += character_length(at);
	return (size_t)(at - text);
}

/* Prints a text behind "# ", broken between words, or between characters that take two columns. */
static void print_comment(const char *text, FILE *out)
{
	size_t width = 1;
	fputc('#', out);
	bool blank = true;
	for (const char *at = text; *at;) {
		char piece[512];
		size_t length = piece_length(at);
		snprintf(piece, sizeof(piece), "%.*s", (int)length, at);
		if (width > 1 && width + blank + text_width(piece) > COMMENT_WIDTH) {
			fputs("\n#", out);
			width = 1;
			blank = true;
		}
		fprintf(out, "%s%s", blank ? " " : "", piece);
		width += blank + text_width(piece);
		at += length;
		blank = *at == ' ';
		at += strspn(at, " ");
	}
	fputc('\n', out);
}

/* A row as a line: live where the example shows a station's own value, else as a comment to be uncommented. */
static void print_row(const struct setting *row, bool live, FILE *out)
{
	char range[128];
	const char *value = row->example ? row->example : row->standard ? row->standard : "";
	print_comment(_(row->help), out);
	fprintf(out, "%s%s =%s%s", live ? "" : "#", row->name, *value ? " " : "", value);
	if (*settings_range(row, range, sizeof(range)))
		fprintf(out, "    ; %s", range);
	fputs("\n", out);
}

static void print_driver_options(FILE *out)
{
	for (size_t i = 0; drivers[i]; i++) {
		if (!drivers[i]->options || !drivers[i]->options->name)
			continue;
		char heading[256];
		snprintf(heading, sizeof(heading), _("Only with driver = %s:"), drivers[i]->name);
		fputc('\n', out);
		print_comment(heading, out);
		for (const struct setting *row = drivers[i]->options; row->name; row++)
			print_row(row, false, out);
	}
}

/* What a station writes itself: whatever has no default, and its name. */
static bool is_live(const struct config_section *section, const struct setting *row)
{
	return !row->standard || (!strcmp(section->word, "station") && !strcmp(row->name, "name"));
}

static void print_example(FILE *out)
{
	print_comment(
		_("assayd.conf: the configuration of assayd, the gateway of a rapid-test room. Every setting is here with "
		  "its meaning; what begins with # is a comment and shows the default or an example."),
		out);
	print_comment(
		_("Save it as UTF-8 or GB 18030. Check it with `assayd --check`; `systemctl reload assayd` takes it over."),
		out);
	for (const struct config_section *section = config_sections; section->word; section++) {
		fputc('\n', out);
		print_comment(_(section->purpose), out);
		fprintf(out, "[%s%s%s]\n", section->word, section->name ? " " : "", section->name ? section->name : "");
		for (const struct setting *row = section->rows; row->name; row++)
			print_row(row, is_live(section, row), out);
		if (!strcmp(section->word, "instrument"))
			print_driver_options(out);
	}
}

/* --- keys ------------------------------------------------------------------------------------------------------------
 */

static void print_keys_of(const char *word, const struct setting *rows, FILE *out)
{
	char range[128];
	for (const struct setting *row = rows; row && row->name; row++)
		fprintf(out, "%s\t%s\t%s\n", word, row->name, settings_range(row, range, sizeof(range)));
}

static void print_keys(FILE *out)
{
	for (const struct config_section *section = config_sections; section->word; section++)
		print_keys_of(section->word, section->rows, out);
	for (size_t i = 0; drivers[i]; i++)
		print_keys_of("instrument", drivers[i]->options, out);
}

int reference_print(const char *what, FILE *out)
{
	if (!strcmp(what, "example"))
		print_example(out);
	else if (!strcmp(what, "man"))
		reference_print_man(out);
	else if (!strcmp(what, "keys"))
		print_keys(out);
	else
		return -EINVAL;
	return 0;
}
