/* assayctl rebind: results that were bound to the wrong sample, or to none, get the right one by superseding records.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "program.h"

struct rebinding {
	struct ctl ctl;
	bool dry_run;
	long long corrected, same;
};

static void print_sample(const struct json *sample)
{
	const char *no = js_text_in(sample, "no"), *name = js_text_in(sample, "name");
	printf("%s%s%s", *no || *name ? no : _("no sample"), *no && *name ? " " : "", name);
	if (*js_text_in(sample, "party"))
		printf(" (%s)", js_text_in(sample, "party"));
}

static void print_corrected(const struct json *line)
{
	printf("%lld %s: ", (long long)js_get_integer(line, "seq", 0), js_text_in(line, "instrument"));
	print_sample(js_get(line, "was"));
	fputs(" -> ", stdout);
	print_sample(js_get(line, "is"));
	if (strcmp(js_text_in(line, "verdict_was"), js_text_in(line, "verdict")) != 0)
		printf(_("; verdict %s -> %s"), js_text_in(line, "verdict_was"), js_text_in(line, "verdict"));
	putchar('\n');
}

static int take_line(void *context, const char *text, size_t length)
{
	struct rebinding *rebinding = context;
	struct json *line = js_parse(text, length, NULL);
	bool counts = line && js_get(line, "corrected");
	if (counts) {
		rebinding->corrected = (long long)js_get_integer(line, "corrected", 0);
		rebinding->same = (long long)js_get_integer(line, "same", 0);
	} else if (rebinding->ctl.json) {
		printf("%.*s\n", (int)length, text);
	} else {
		print_corrected(line);
	}
	js_free(line);
	return 0;
}

static int read_options(struct rebinding *rebinding, struct json *request, int argc, char **argv)
{
	static const struct option options[] = {
		{ "by", required_argument, NULL, 'b' },
		{ "why", required_argument, NULL, 'w' },
		{ "instrument", required_argument, NULL, 'i' },
		{ "since", required_argument, NULL, 's' },
		{ "until", required_argument, NULL, 'u' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	int code = EXIT_DONE;
	optind = 1;
	for (int option; code == EXIT_DONE && (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option == 'b' || option == 'w' || option == 'i')
			js_put_text(request, option == 'b' ? "by" : option == 'w' ? "why" : "instrument", optarg);
		else if (option == 's' || option == 'u')
			js_put_text(request, option == 's' ? "since" : "until", optarg);
		else if (option == 'n')
			rebinding->dry_run = true;
		else if (option == 'j')
			rebinding->ctl.json = true;
		else
			code = EXIT_USAGE;
	}
	js_put_bool(request, "dry_run", rebinding->dry_run);
	return code;
}

static int read_records(struct json *request, int argc, char **argv)
{
	struct json *records = js_new_array();
	for (int i = optind + 1; i < argc; i++)
		js_append(records, js_new_text(argv[i]));
	js_put(request, "records", records);
	if (optind == argc)
		return ctl_fail(EXIT_USAGE,
			_("rebind takes the right sample's number, or none, and then the results: rebind NUMBER|none RECORD..."));
	if (strcmp(argv[optind], "none") != 0)
		js_put_text(request, "to", argv[optind]);
	return EXIT_DONE;
}

static void print_counts(const struct rebinding *rebinding)
{
	if (rebinding->ctl.json) {
		printf("{\"corrected\":%lld,\"same\":%lld}\n", rebinding->dry_run ? 0 : rebinding->corrected,
			rebinding->same);
		return;
	}
	if (rebinding->dry_run)
		printf(_("%lld would be corrected; nothing was changed\n"), rebinding->corrected);
	else
		printf(_("%lld corrected: new records supersede these, which stay as they are\n"),
			rebinding->corrected);
	if (rebinding->same)
		printf(_("%lld have that sample already\n"), rebinding->same);
}

int ctl_rebind(const struct ctl *ctl, int argc, char **argv)
{
	struct rebinding rebinding = { .ctl = *ctl };
	struct json *request = js_new_object();
	js_put_text(request, "command", "rebind");
	int code = read_options(&rebinding, request, argc, argv);
	if (code == EXIT_DONE)
		code = read_records(request, argc, argv);
	if (code != EXIT_DONE) {
		js_free(request);
		return code;
	}
	code = ctl_ask(&rebinding.ctl, request, take_line, &rebinding);
	if (code == EXIT_DONE)
		print_counts(&rebinding);
	return code;
}
