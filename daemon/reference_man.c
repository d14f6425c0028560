#include "reference_man.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../drivers/driver.h"
#include "../drivers/fault.h"
#include "config_sections.h"
#include "settings.h"

#define PAGE_WIDTH 78 /* mandoc asks for input lines of at most 80 bytes */

/* One word of running text: what roff would take for a request or an escape is made harmless. */
static void print_word(const char *word, size_t length, bool first, FILE *out)
{
	if (first && (*word == '.' || *word == '\''))
		fputs("\\&", out);
	for (size_t i = 0; i < length; i++)
		if (word[i] == '\\')
			fputs("\\e", out);
		else
			fputc(word[i], out);
}

/* Running text, broken into lines; a sentence ends its line, as mdoc(7) wants it. */
static void print_text(const char *text, FILE *out)
{
	size_t width = 0;
	for (const char *at = text; *at;) {
		size_t length = strcspn(at, " ");
		if (width && width + 1 + length > PAGE_WIDTH) {
			fputc('\n', out);
			width = 0;
		}
		if (width)
			fputc(' ', out);
		print_word(at, length, !width, out);
		width += length + 1;
		if (at[length - 1] == '.' && (length < 3 || at[length - 2] != '.')) {
			fputc('\n', out);
			width = 0;
		}
		at += length + strspn(at + length, " ");
	}
	if (width)
		fputc('\n', out);
}

static void print_textf(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void print_textf(FILE *out, const char *format, ...)
{
	char *text;
	va_list args;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	print_text(text, out);
	free(text);
}

/* A help text or title, which may lack its full stop. */
static void print_sentence(const char *text, FILE *out)
{
	static const char *const ends[] = { ".", "\u3002" };
	size_t length = strlen(text);
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (length >= strlen(ends[i]) && !strcmp(text + length - strlen(ends[i]), ends[i])) {
			print_text(text, out);
			return;
		}
	print_textf(out, _("%s."), text);
}

/* What a row takes, as the word behind the =. */
static const char *type_word(const struct setting *row)
{
	switch (row->type) {
	case SETTING_INTEGER:
		return "number";
	case SETTING_DURATION:
		return "duration";
	case SETTING_CHOICE:
		return row->choices;
	case SETTING_BOOLEAN:
		return "yes|no";
	case SETTING_DECIMAL:
		return "decimal";
	case SETTING_DAY:
		return "day";
	case SETTING_PATH:
		return "file";
	case SETTING_DIRECTORY:
		return "path";
	case SETTING_CREDENTIAL:
		return "file|credential";
	case SETTING_TEXT:
		break;
	}
	return "text";
}

static void print_row(const struct setting *row, FILE *out)
{
	char range[128];
	fprintf(out, ".It Cm %s No = Ar %s\n", row->name, type_word(row));
	print_sentence(_(row->help), out);
	if (row->type == SETTING_INTEGER || row->type == SETTING_DURATION)
		print_textf(out, _("Range: %s."), settings_range(row, range, sizeof(range)));
	if (!row->standard)
		print_text(_("Must be given."), out);
	else if (*row->standard)
		print_textf(out, _("Default: %s."), row->standard);
	if (row->example && *row->example)
		print_textf(out, _("Example: %s"), row->example);
}

static void print_rows(const struct setting *rows, FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (const struct setting *row = rows; row->name; row++)
		print_row(row, out);
	fputs(".El\n", out);
}

static void print_sections(FILE *out)
{
	fputs(".Sh SECTIONS\n", out);
	for (const struct config_section *section = config_sections; section->word; section++) {
		fprintf(out, ".Ss %s%s\n", section->word, section->name ? " NAME" : "");
		print_text(_(section->purpose), out);
		print_rows(section->rows, out);
	}
}

static void print_links(const struct driver *driver, FILE *out)
{
	const struct {
		unsigned link;
		const char *name;
	} links[] = { { LINK_SERIAL, _("a serial port") }, { LINK_TCP, "TCP" },
		{ LINK_MODBUS, "Modbus RTU, Modbus TCP" }, { LINK_FOLDER, _("files in a folder") } };
	char all[256] = "";
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		size_t used = strlen(all);
		if (driver->links & links[i].link)
			snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", links[i].name);
	}
	print_textf(out, _("Talks over %s."), all);
	if (driver->line)
		print_textf(out, _("Usual serial settings: %s."), driver->line);
	if (driver->profiles)
		print_text(_("Needs a profile."), out);
}

static void print_drivers(FILE *out)
{
	fputs(".Sh DRIVERS\n", out);
	print_text(_("A driver is named in an instrument's section; some add settings of their own to it."), out);
	for (size_t i = 0; drivers[i]; i++) {
		fprintf(out, ".Ss %s\n", drivers[i]->name);
		print_sentence(_(drivers[i]->title), out);
		print_links(drivers[i], out);
		if (drivers[i]->options && drivers[i]->options->name)
			print_rows(drivers[i]->options, out);
	}
}

static void print_description(FILE *out)
{
	fputs(".Dd November 23, 2026\n.Dt ASSAYD.CONF 5\n.Os\n.Sh NAME\n.Nm assayd.conf\n", out);
	fprintf(out, ".Nd %s\n.Sh DESCRIPTION\n", _("configuration of assayd, the gateway of a rapid-test room"));
	print_text(
		_("A file holds sections, [word] or [word name], and in them settings, key = value. A line that starts with # or "
		  "; is a comment, and so is what follows a # or ; after a blank. A value in double quotes keeps them. White space "
		  "at the start of a line means nothing, and a line is never continued on the next."),
		out);
	fputs(".Pp\n", out);
	print_text(
		_("Files may be UTF-8, with or without byte order mark, or GB 18030, with either line end. A value is read whole "
		  "or refused, and `assayd --check` tells all faults of all files in one run."),
		out);
	fputs(".Pp\n", out);
	print_text(
		_("A duration is a whole number with its unit: ms, s, min, h or d. A credential is the name of a file that "
		  "systemd put into the unit's credentials directory."),
		out);
	fputs(".Pp\n", out);
	print_text(
		_("The files a target names are read at every connection: a renewed password or certificate needs no restart. "
		  "systemd copies credentials when it starts the unit: after renewing one, `systemctl restart assayd`. Until then "
		  "a new client-cert does not fit the old copy of its client-key and is refused."),
		out);
}

static void print_files(FILE *out)
{
	static const struct {
		const char *path, *purpose;
	} files[] = {
		{ "/etc/assayd/assayd.conf", N_("The main file.") },
		{ "/etc/assayd/instruments.d/*.conf",
			N_("More instruments; each file holds [instrument NAME] sections and nothing else.") },
		{ "/etc/assayd/profiles/*.conf",
			N_("Profiles of the station's own; one of the same name goes before a shipped one.") },
		{ "/etc/assayd/items.csv",
			N_("The items tested, their limits and units; the shipped list is used without it.") },
		{ "/etc/assayd/limits.csv", N_("Limits for single kinds of samples.") },
		{ "/etc/assayd/commodities.csv", N_("What samples are of, and the groups that limits may name.") },
		{ "/etc/assayd/operators.csv", N_("The people who test.") },
		{ "/etc/assayd/lots.csv",
			N_("Reagents, strips and control materials in use, with the day they expire.") },
	};
	fputs(".Sh FILES\n.Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		fprintf(out, ".It Pa %s\n", files[i].path);
		print_text(_(files[i].purpose), out);
	}
	fputs(".El\n", out);
}

void reference_print_man(FILE *out)
{
	fprintf(out, ".\\\" %s\n",
		_("Printed by assayctl settings --man from the tables that read the settings; do not edit."));
	print_description(out);
	print_sections(out);
	print_drivers(out);
	print_files(out);
	fputs(".Sh SEE ALSO\n.Xr assayctl 1 ,\n.Xr assayd-profile 5 ,\n.Xr assayd-tables 5 ,\n.Xr assayd 8\n", out);
}
