/* assayctl export: a run of the journal as JSON lines that prove themselves, as
 * a table, or as a bundle for one record.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "ctl_export.h"
#include "export.h"
#include "map.h"
#include "program.h"

struct wanted {
	int64_t from, to;
	const char *day, *since, *file, *bundle, *format, *journal;
	struct export_map map;
};

static bool number(const char *text, int64_t *ret)
{
	char *end;
	errno = 0;
	*ret = strtoll(text, &end, 10);
	return isdigit((unsigned char)text[0]) && !*end && errno == 0 && *ret > 0;
}

static int check_map_options(const struct wanted *wanted)
{
	const struct export_map *map = &wanted->map;
	bool range = wanted->from || wanted->to || wanted->day || wanted->since || wanted->journal;
	if (!map->map && (map->lines || map->given_count || map->check))
		return ctl_fail(EXIT_USAGE, _("--lines, --given and --check belong to --map"));
	if (map->map && (wanted->bundle || strcmp(wanted->format, "jsonl") != 0))
		return ctl_fail(EXIT_USAGE,
			_("a map says its format itself, and a bundle has none; leave --format and --bundle out"));
	if (map->lines && range)
		return ctl_fail(EXIT_USAGE,
			_("--lines takes every line of a file; leave --from, --to, --day, --since and --journal out"));
	return EXIT_DONE;
}

static int check_options(const struct wanted *wanted)
{
	if (strcmp(wanted->format, "jsonl") != 0 && strcmp(wanted->format, "csv") != 0)
		return ctl_fail(EXIT_USAGE, _("'%s' is no format; jsonl and csv are"), wanted->format);
	int ways = !!(wanted->from || wanted->to) + !!wanted->day + !!wanted->since + !!wanted->bundle;
	if (ways > 1)
		return ctl_fail(EXIT_USAGE, _("give one of --from/--to, --day, --since and --bundle"));
	if (wanted->bundle && strcmp(wanted->format, "csv") == 0)
		return ctl_fail(EXIT_USAGE, _("a bundle is evidence and has one format; leave --format out"));
	return check_map_options(wanted);
}

static int read_options(int argc, char **argv, struct ctl *ctl, struct wanted *wanted)
{
	static const struct option options[] = {
		{ "from", required_argument, NULL, 'f' },
		{ "to", required_argument, NULL, 't' },
		{ "day", required_argument, NULL, 'd' },
		{ "since", required_argument, NULL, 's' },
		{ "format", required_argument, NULL, 'm' },
		{ "bundle", required_argument, NULL, 'b' },
		{ "journal", required_argument, NULL, 'J' },
		{ "output", required_argument, NULL, 'o' },
		{ "map", required_argument, NULL, 'M' },
		{ "given", required_argument, NULL, 'g' },
		{ "lines", required_argument, NULL, 'l' },
		{ "check", no_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	const char **const texts[] = { ['d'] = &wanted->day,
		['s'] = &wanted->since,
		['m'] = &wanted->format,
		['b'] = &wanted->bundle,
		['J'] = &wanted->journal,
		['o'] = &wanted->file,
		['M'] = &wanted->map.map,
		['l'] = &wanted->map.lines };
	optind = 1;
	for (int option; (option = getopt_long(argc, argv, "o:", options, NULL)) != -1;) {
		if (option == '?')
			return EXIT_USAGE;
		if (option == 'j')
			ctl->json = true;
		else if (option == 'c')
			wanted->map.check = true;
		else if (option == 'g' && wanted->map.given_count < GIVEN_MAX)
			wanted->map.given[wanted->map.given_count++] = optarg;
		else if (option == 'g')
			return ctl_fail(EXIT_USAGE, _("more than %d --given"), GIVEN_MAX);
		else if (option != 'f' && option != 't')
			*texts[option] = optarg;
		else if (!number(optarg, option == 'f' ? &wanted->from : &wanted->to))
			return ctl_fail(EXIT_USAGE, _("'%s' is not a number from 1 on"), optarg);
	}
	if (optind < argc)
		return ctl_fail(EXIT_USAGE, _("export takes no '%s'; write to a file with -o FILE"), argv[optind]);
	return check_options(wanted);
}
/* Midnight of a day of the station's calendar, in milliseconds; -1 when it is
 * none. */
static int64_t midnight(const char *day, int later)
{
	char text[40];
	struct tm parts = { .tm_isdst = -1 };
	int used = 0;
	if (strlen(day) != 10 ||
		sscanf(day, "%4d-%2d-%2d%n", &parts.tm_year, &parts.tm_mon, &parts.tm_mday, &used) != 3 || used != 10)
		return -1;
	snprintf(text, sizeof(text), "%sT00:00:00", day);
	if (clock_parse_local(text) < 0)
		return -1;
	parts.tm_year -= 1900;
	parts.tm_mon -= 1;
	parts.tm_mday += later;
	return (int64_t)mktime(&parts) * 1000;
}

/* Days become the entries received on them. */
static int find_range(struct journal_reader *reader, const struct wanted *wanted, struct export_run *run)
{
	struct fault fault;
	const char *day = wanted->day ? wanted->day : wanted->since;
	*run = (struct export_run){
		.first = (uint64_t)wanted->from, .last = (uint64_t)wanted->to, .subject = wanted->bundle
	};
	if (!day)
		return EXIT_DONE;
	int64_t since = midnight(day, 0), until = wanted->day ? midnight(day, 1) : INT64_MAX;
	if (since < 0)
		return ctl_fail(EXIT_USAGE, _("'%s' is no day; write it as 2026-03-05"), day);
	if (journal_between(reader, since, until, &run->first, &run->last, &fault) != 0)
		return ctl_fail(EXIT_FAILED, "%s", fault.text);
	if (run->first == 0)
		return ctl_fail(EXIT_FAILED,
			wanted->day ? _("nothing was recorded on %s") : _("nothing was recorded since %s"), day);
	return EXIT_DONE;
}

static int write_line(void *context, const char *line, size_t length)
{
	FILE *out = context;
	return fwrite(line, 1, length, out) != length || fputc('\n', out) == EOF;
}

struct table {
	FILE *out;
	struct export_run *run;
	struct fault why; /* a row that there is not */
	uint64_t unread;  /* ... and its entry; 0: none */
};

static int write_row(void *context, const struct stored *stored)
{
	struct table *table = context;
	if (table->run->last && stored->seq > table->run->last)
		return 1;
	char *row = export_row(stored, &table->why);
	if (!row) {
		table->unread = stored->seq;
		return 1;
	}
	int failed = fprintf(table->out, "%s\r\n", row) < 0;
	free(row);
	table->run->entries++;
	return failed;
}

/* With a byte order mark, without which Excel takes UTF-8 for the system's own
 * encoding. */
static int export_table(struct journal_reader *reader, struct export_run *run, FILE *out, struct fault *fault)
{
	struct table table = { .out = out, .run = run };
	char *heads = export_row_heads();
	fprintf(out, "\xEF\xBB\xBF%s\r\n", heads);
	free(heads);
	long given = journal_read(reader, run->first, SIZE_MAX, write_row, &table, fault);
	if (table.unread)
		return fault_set(fault, EINVAL, "seq %" PRIu64 ": %s", table.unread, table.why.text);
	return given < 0 ? (int)given : 0;
}

static void tell(const struct ctl *ctl, const struct wanted *wanted, const struct export_run *run)
{
	if (ctl->json && wanted->file)
		printf("{\"entries\":%" PRIu64 ",\"seals\":%" PRIu64 ",\"manifests\":%" PRIu64 "}\n", run->entries,
			run->seals, run->manifests);
	else if (wanted->file && run->seals)
		printf(_("%s: %" PRIu64 " entries, %" PRIu64 " seals, %" PRIu64 " manifests\n"), wanted->file,
			run->entries, run->seals, run->manifests);
	else if (wanted->file)
		printf(_("%s: %" PRIu64 " entries\n"), wanted->file, run->entries);
	if (strcmp(wanted->format, "jsonl") == 0 && run->sealed < run->last)
		fprintf(stderr,
			_("assayctl: no seal covers entries %" PRIu64 " to %" PRIu64
			  " yet: nothing proves them; assayd seals them "
			  "when it runs\n"),
			run->sealed > run->first ? run->sealed + 1 : run->first, run->last);
}

/* Under another name first: a file that has its name is whole. */
static int write_all(
	struct journal_reader *reader, const struct ctl *ctl, const struct wanted *wanted, struct export_run *run)
{
	char fresh[4096];
	struct fault fault = { "" };
	FILE *out = stdout;
	if (wanted->file) {
		if (snprintf(fresh, sizeof(fresh), "%s.part", wanted->file) >= (int)sizeof(fresh) ||
			!(out = fopen(fresh, "we")))
			return ctl_fail(EXIT_FAILED, _("%s cannot be written: %s"), wanted->file, strerror(errno));
	}
	int error = strcmp(wanted->format, "csv") == 0 ? export_table(reader, run, out, &fault)
	                                               : export_lines(reader, run, write_line, out, &fault);
	bool written = !ferror(out) && fflush(out) == 0;
	int cause = errno;
	if (wanted->file) {
		written = written && fsync(fileno(out)) == 0;
		cause = written ? 0 : errno;
		fclose(out);
		if (error || !written)
			unlink(fresh);
		else if (rename(fresh, wanted->file) != 0) {
			written = false;
			cause = errno;
		}
	}
	if (error)
		return ctl_fail(EXIT_FAILED, "%s", fault.text);
	if (!written)
		return ctl_fail(
			EXIT_FAILED, _("%s cannot be written: %s"), wanted->file ? wanted->file : "-", strerror(cause));
	tell(ctl, wanted, run);
	return EXIT_DONE;
}

/* What was salvaged of an older epoch, or a backup. */
static int open_other(const char *path, struct journal_reader **ret)
{
	struct fault fault;
	return journal_reader_open(path, ret, &fault) == 0 ? EXIT_DONE : ctl_fail(EXIT_FAILED, "%s", fault.text);
}

static int export_journal(const struct ctl *ctl, const struct wanted *wanted, struct map *map)
{
	struct journal_reader *reader;
	struct export_run run;
	int code = wanted->journal ? open_other(wanted->journal, &reader) : ctl_open_journal(ctl, &reader);
	if (code != EXIT_DONE)
		return code;
	code = find_range(reader, wanted, &run);
	if (code == EXIT_DONE)
		code = map ? ctl_export_map(ctl, &wanted->map, map, reader, run.first, run.last)
		           : write_all(reader, ctl, wanted, &run);
	journal_reader_close(reader);
	return code;
}

int ctl_export(const struct ctl *ctl, int argc, char **argv)
{
	struct ctl given = *ctl;
	struct wanted wanted = { .format = "jsonl" };
	struct map *map = NULL;
	int code = read_options(argc, argv, &given, &wanted);
	wanted.map.file = wanted.file;
	if (code == EXIT_DONE && wanted.map.map)
		code = ctl_export_map_read(&given, &wanted.map, &map);
	if (code == EXIT_DONE && wanted.map.lines && !wanted.map.check)
		code = ctl_export_map(&given, &wanted.map, map, NULL, 0, 0);
	else if (code == EXIT_DONE && !wanted.map.check)
		code = export_journal(&given, &wanted, map);
	map_free(map);
	return code;
}
