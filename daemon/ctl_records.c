/* assayctl list, show, tail: what the journal holds, as a table for people or as the entries' own bytes for machines.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "program.h"

struct filter {
	const struct ctl *ctl;
	const char *instrument;
	bool headed;
	size_t shown;
};

static const char *verdict_word(const char *verdict)
{
	static const struct {
		const char *name, *word;
	} words[] = {
		{ "negative", N_("negative") },
		{ "positive", N_("POSITIVE") },
		{ "suspect", N_("SUSPECT") },
		{ "invalid", N_("INVALID") },
	};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].name, verdict) == 0)
			return _(words[i].word);
	return "-";
}

static const char *instrument_of(const struct json *entry)
{
	const struct json *instrument = js_get(entry, "instrument");
	return js_is_object(instrument) ? js_text_in(instrument, "id") : js_text_in(entry, "instrument");
}

static void print_head(void)
{
	ctl_column(_("SEQ"), 8);
	ctl_column(_("TESTED"), 19);
	ctl_column(_("INSTRUMENT"), 12);
	ctl_column(_("SAMPLE"), 14);
	ctl_column(_("NAME"), 12);
	ctl_column(_("ITEM"), 10);
	ctl_column(_("RESULT"), 16);
	printf("%s\n", _("VERDICT"));
}

/* A record in another's place. */
static const char *superseding_word(const struct json *entry)
{
	if (js_get(entry, "correction"))
		return _(", sample corrected");
	return js_get(entry, "supersedes") ? _(", decoded again") : "";
}

static void print_record(const struct json *entry)
{
	const struct json *sample = js_get(entry, "sample"), *item = js_get(entry, "item");
	const char *code = js_text_in(item, "code"), *kind = js_text_in(entry, "kind");
	char result[96], when[24];
	snprintf(result, sizeof(result), "%s%s %s", js_text_in(entry, "qualifier"), js_text_in(entry, "value"),
		js_text_in(entry, "unit"));
	snprintf(when, sizeof(when), "%.19s", js_text_in(entry, "tested_at"));
	char *separator = strchr(when, 'T');
	if (separator)
		*separator = ' ';
	ctl_column(when, 19);
	ctl_column(instrument_of(entry), 12);
	ctl_column(js_text_in(sample, "no"), 14);
	ctl_column(js_text_in(sample, "name"), 12);
	ctl_column(code[0] ? code : js_text_in(item, "as_sent"), 10);
	ctl_column(result, 16);
	printf("%s%s%s%s\n", verdict_word(js_text_in(entry, "verdict")), strcmp(kind, "sample") == 0 ? "" : " ",
		strcmp(kind, "sample") == 0 ? "" : kind, superseding_word(entry));
}

static void print_event(const struct json *entry)
{
	char when[24];
	snprintf(when, sizeof(when), "%.19s", js_text_in(entry, "at"));
	char *separator = strchr(when, 'T');
	if (separator)
		*separator = ' ';
	ctl_column(when, 19);
	ctl_column(instrument_of(entry), 12);
	const char *reason = js_text_in(entry, "reason");
	printf("* %s%s%s\n", js_text_in(entry, "event"), *reason ? ": " : "", reason);
}

static int print_entry(void *context, const char *line, size_t length)
{
	struct filter *filter = context;
	struct fault fault;
	struct json *entry = js_parse(line, length, &fault);
	if (!entry)
		return ctl_fail(1, _("an entry that is no JSON: %s"), fault.text);
	bool wanted = !filter->instrument || strcmp(instrument_of(entry), filter->instrument) == 0;
	if (wanted && filter->ctl->json) {
		printf("%.*s\n", (int)length, line);
	} else if (wanted) {
		char seq[24];
		if (!filter->headed)
			print_head();
		filter->headed = true;
		snprintf(seq, sizeof(seq), "%lld", (long long)js_get_integer(entry, "seq", 0));
		ctl_column(seq, 8);
		if (js_get_text(entry, "event"))
			print_event(entry);
		else
			print_record(entry);
	}
	filter->shown += wanted;
	js_free(entry);
	return fflush(stdout) != 0; /* nobody reads any more */
}

static bool number(const char *text, int64_t *ret)
{
	char *end;
	errno = 0;
	*ret = strtoll(text, &end, 10);
	return isdigit((unsigned char)text[0]) && !*end && errno == 0 && *ret > 0;
}

int ctl_list(const struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "last", required_argument, NULL, 'n' },
		{ "from", required_argument, NULL, 'f' },
		{ "limit", required_argument, NULL, 'l' },
		{ "instrument", required_argument, NULL, 'i' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct ctl given = *ctl;
	struct filter filter = { .ctl = &given };
	int64_t last = 20, from = 0, limit = 0;
	optind = 1;
	for (int option; (option = getopt_long(argc, argv, "n:", options, NULL)) != -1;) {
		bool fine = true;
		if (option == 'n')
			fine = number(optarg, &last);
		else if (option == 'f')
			fine = number(optarg, &from);
		else if (option == 'l')
			fine = number(optarg, &limit);
		else if (option == 'i')
			filter.instrument = optarg;
		else if (option == 'j')
			given.json = true;
		else
			return EXIT_USAGE;
		if (!fine)
			return ctl_fail(EXIT_USAGE, _("'%s' is not a number from 1 on"), optarg);
	}
	struct json *request = js_new_object();
	js_put_text(request, "command", "list");
	if (from) {
		js_put_integer(request, "from", from);
		if (limit)
			js_put_integer(request, "limit", limit);
	} else {
		js_put_integer(request, "last", limit ? limit : last);
	}
	return ctl_ask_or_read(&given, request, print_entry, &filter);
}

static int print_show(void *context, const char *line, size_t length)
{
	struct filter *filter = context;
	filter->shown++;
	if (filter->ctl->json) {
		printf("%.*s\n", (int)length, line);
		return 0;
	}
	struct json *entry = js_parse(line, length, NULL);
	if (!entry)
		return 1;
	char *text = js_dump_indented(entry);
	printf("%s\n", text);
	free(text);
	js_free(entry);
	return 0;
}

int ctl_show(const struct ctl *ctl, int argc, char **argv)
{
	struct ctl given = *ctl;
	struct filter filter = { .ctl = &given };
	const char *wanted = NULL;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			given.json = true;
		else if (!wanted)
			wanted = argv[i];
		else
			return ctl_fail(EXIT_USAGE, _("show takes one id or sequence number"));
	}
	if (!wanted)
		return ctl_fail(
			EXIT_USAGE, _("show needs a record's id or sequence number, as `assayctl list` prints them"));
	struct json *request = js_new_object();
	int64_t seq;
	js_put_text(request, "command", "show");
	if (number(wanted, &seq))
		js_put_integer(request, "seq", seq);
	else
		js_put_text(request, "id", wanted);
	int code = ctl_ask_or_read(&given, request, print_show, &filter);
	if (code == EXIT_DONE && filter.shown == 0)
		return ctl_fail(EXIT_FAILED, _("no entry %s in the journal"), wanted);
	return code;
}

int ctl_tail(const struct ctl *ctl, int argc, char **argv)
{
	struct ctl given = *ctl;
	struct filter filter = { .ctl = &given };
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			given.json = true;
		else if (strcmp(argv[i], "--instrument") == 0 && i + 1 < argc)
			filter.instrument = argv[++i];
		else
			return ctl_fail(
				EXIT_USAGE, _("tail takes no '%s'; --instrument ID and --json are known"), argv[i]);
	}
	struct json *request = js_new_object();
	js_put_text(request, "command", "tail");
	return ctl_ask(&given, request, print_entry, &filter);
}
