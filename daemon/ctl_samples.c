/* assayctl register, samples: what people know of a sample, before or beside its tests. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "ctl.h"
#include "facts.h"
#include "program.h"
#include "settings.h"

#define ROWS_AT_ONCE 12 /* a request is one line of bounded length */

struct registering { /* what the command line asks for */
	const struct ctl *ctl;
	struct json *request; /* with everything but the samples */
	struct json *samples;
	const char *path;
	enum identity_rule rule; /* of the station, for rows of a file */
	size_t registered;
};

static int take_answer(void *context, const char *line, size_t length)
{
	struct registering *registering = context;
	struct json *answer = js_parse(line, length, NULL);
	registering->registered += (size_t)js_get_integer(answer, "registered", 0);
	js_free(answer);
	return 0;
}

/* Sends samples `from` on, as many as one request takes. */
static int send_some(struct registering *registering, size_t from, size_t count)
{
	char *common = js_dump(registering->request);
	struct json *request = js_parse(common, strlen(common), NULL), *some = js_new_array();
	free(common);
	for (size_t i = from; i < from + count; i++) {
		char *text = js_dump(js_at(registering->samples, i));
		js_append(some, js_parse(text, strlen(text), NULL));
		free(text);
	}
	js_put(request, "samples", some);
	return ctl_ask(registering->ctl, request, take_answer, registering);
}

static int send_all(struct registering *registering)
{
	size_t count = js_count(registering->samples);
	int code = EXIT_DONE;
	for (size_t from = 0; from < count && code == EXIT_DONE; from += ROWS_AT_ONCE)
		code = send_some(registering, from, count - from < ROWS_AT_ONCE ? count - from : ROWS_AT_ONCE);
	if (code != EXIT_DONE && registering->registered > 0)
		fprintf(stderr, _("assayctl: the first %zu samples are registered\n"), registering->registered);
	if (code == EXIT_DONE && registering->ctl->json)
		printf("{\"registered\":%zu}\n", registering->registered);
	else if (code == EXIT_DONE)
		printf(_("%zu registered\n"), registering->registered);
	return code;
}

/* ---- from a spreadsheet ---- */

static void take_row(void *context, const struct csv_row *row)
{
	struct registering *registering = context;
	struct json *sample = js_new_object();
	struct sample_facts facts = { 0 };
	size_t column = 0;
	for (const struct fact *fact = facts_table; fact->name; fact++, column++) {
		struct fault fault;
		if (fact_set(&facts, fact, row->field[column], registering->rule, &fault) != 0)
			csv_fault(row, "%s", fault.text);
		js_put_text_if(sample, fact->name, row->field[column]);
	}
	if (!*row->field[0] && !js_get_text(registering->request, "next"))
		csv_fault(row, _("a sample without a number belongs to no result; give its number"));
	if (js_count(sample))
		js_append(registering->samples, sample);
	else
		js_free(sample);
}

/* Nothing is registered while any row has a fault. */
static int read_file(struct registering *registering)
{
	int code = ctl_identity_rule(registering->ctl, &registering->rule);
	if (code != EXIT_DONE)
		return code;
	struct csv_column columns[CSV_COLUMNS_MAX] = { { NULL, false } };
	struct faults faults = { 0 };
	size_t count = 0;
	for (const struct fact *fact = facts_table; fact->name; fact++)
		columns[count++] = (struct csv_column){ fact->name, strcmp(fact->name, "no") == 0 };
	int error = csv_read(registering->path, columns, take_row, registering, &faults);
	faults_print(&faults, stderr);
	faults_free(&faults);
	if (error)
		return ctl_fail(EXIT_FAILED, _("nothing of %s was registered"), registering->path);
	if (js_count(registering->samples) == 0)
		return ctl_fail(EXIT_FAILED, _("%s has no samples"), registering->path);
	return EXIT_DONE;
}

/* ---- from the command line ---- */

/* NO KEY=VALUE ...; what a key may be, and what a value, is the daemon's to say. */
static int read_words(struct registering *registering, char **words, size_t count)
{
	struct json *sample = js_new_object();
	js_append(registering->samples, sample);
	for (size_t i = 0; i < count; i++) {
		char *value = strchr(words[i], '=');
		if (!value && i == 0) {
			js_put_text(sample, "no", words[0]);
			continue;
		}
		if (!value)
			return ctl_fail(EXIT_USAGE, _("'%s' is no KEY=VALUE, such as name=菠菜"), words[i]);
		*value++ = '\0';
		js_put_text(sample, words[i], value);
	}
	return EXIT_DONE;
}

static int read_results(const char *text, struct json *request)
{
	char *end;
	errno = 0;
	long results = strtol(text, &end, 10);
	if (!*text || *end || errno)
		return ctl_fail(EXIT_USAGE, _("'%s' is not a number of results"), text);
	js_put_integer(request, "results", results);
	return EXIT_DONE;
}

int ctl_read_for(const char *text, struct json *request)
{
	static const struct setting row = { .name = "--for", .type = SETTING_DURATION, .min = 1000, .max = 604800000 };
	int64_t lifetime_ms;
	struct fault fault;
	if (settings_value(&row, text, &lifetime_ms, &fault) != 0)
		return ctl_fail(EXIT_USAGE, "--for: %s", fault.text);
	js_put_integer(request, "lifetime_ms", lifetime_ms);
	return EXIT_DONE;
}

static int read_options(struct registering *registering, struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "next", required_argument, NULL, 'n' },
		{ "results", required_argument, NULL, 'r' },
		{ "for", required_argument, NULL, 't' },
		{ "queue", no_argument, NULL, 'q' },
		{ "file", required_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	int code = EXIT_DONE;
	optind = 1;
	for (int option; code == EXIT_DONE && (option = getopt_long(argc, argv, "n:f:", options, NULL)) != -1;) {
		if (option == 'n')
			js_put_text(registering->request, "next", optarg);
		else if (option == 'r')
			code = read_results(optarg, registering->request);
		else if (option == 't')
			code = ctl_read_for(optarg, registering->request);
		else if (option == 'q')
			js_put_bool(registering->request, "queue", true);
		else if (option == 'f')
			registering->path = optarg;
		else if (option == 'j')
			ctl->json = true;
		else
			code = EXIT_USAGE;
	}
	return code;
}

int ctl_register(const struct ctl *ctl, int argc, char **argv)
{
	struct ctl given = *ctl;
	struct registering registering = { .ctl = &given, .request = js_new_object(), .samples = js_new_array() };
	js_put_text(registering.request, "command", "register");
	int code = read_options(&registering, &given, argc, argv);
	size_t words = (size_t)(argc - optind);
	if (code == EXIT_DONE && (words > 0) == (registering.path != NULL))
		code = ctl_fail(EXIT_USAGE, _("register takes NO KEY=VALUE ..., or --file FILE"));
	if (code == EXIT_DONE)
		code = registering.path ? read_file(&registering) : read_words(&registering, argv + optind, words);
	if (code == EXIT_DONE)
		code = send_all(&registering);
	js_free(registering.request);
	js_free(registering.samples);
	return code;
}

/* ---- the list ---- */

struct listing {
	const struct ctl *ctl;
	size_t shown;
};

/* "pr-1 0/1": waits there, so many of so many results have come. */
static void print_next(const struct json *next)
{
	for (size_t i = 0; next && i < js_count(next); i++) {
		const struct json *binding = js_at(next, i);
		int64_t results = js_get_integer(binding, "results", 0);
		printf("%s%s %lld/", i ? ", " : "", js_text_in(binding, "instrument"),
			(long long)js_get_integer(binding, "used", 0));
		if (results)
			printf("%lld", (long long)results);
		else
			putchar('*');
	}
}

static void print_head(void)
{
	ctl_column(_("REGISTERED"), 19);
	ctl_column(_("HOLDS UNTIL"), 16);
	ctl_column(_("BY"), 9);
	ctl_column(_("SAMPLE"), 18);
	ctl_column(_("NAME"), 12);
	ctl_column(_("PARTY"), 20);
	ctl_column(_("USED"), 5);
	printf("%s\n", _("WAITS AT"));
}

static int print_sample(void *context, const char *line, size_t length)
{
	struct listing *listing = context;
	if (listing->ctl->json) {
		printf("%.*s\n", (int)length, line);
		listing->shown++;
		return 0;
	}
	struct json *sample = js_parse(line, length, NULL);
	if (!sample)
		return 1;
	char when[24], until[24], used[24];
	snprintf(when, sizeof(when), "%.10s %.8s", js_text_in(sample, "at"), js_text_in(sample, "at") + 11);
	snprintf(until, sizeof(until), "%.10s %.5s", js_text_in(sample, "until"),
		*js_text_in(sample, "until") ? js_text_in(sample, "until") + 11 : "");
	snprintf(used, sizeof(used), "%lld", (long long)js_get_integer(sample, "used", 0));
	if (listing->shown++ == 0)
		print_head();
	ctl_column(when, 19);
	ctl_column(until, 16);
	ctl_column(js_text_in(sample, "by"), 9);
	ctl_column(js_text_in(sample, "no"), 18);
	ctl_column(js_text_in(sample, "name"), 12);
	ctl_column(*js_text_in(sample, "party") ? js_text_in(sample, "party") : js_text_in(sample, "uscc"), 20);
	ctl_column(used, 5);
	print_next(js_get(sample, "next"));
	putchar('\n');
	js_free(sample);
	return 0;
}

int ctl_samples(const struct ctl *ctl, int argc, char **argv)
{
	struct ctl given = *ctl;
	struct listing listing = { .ctl = &given };
	struct json *request = js_new_object();
	js_put_text(request, "command", "samples");
	for (int i = 1; i < argc; i++) {
		char *end = NULL;
		if (strcmp(argv[i], "--json") == 0) {
			given.json = true;
		} else if (strcmp(argv[i], "--last") == 0 && i + 1 < argc && strtol(argv[i + 1], &end, 10) > 0 &&
			   !*end) {
			js_put_integer(request, "last", strtol(argv[++i], NULL, 10));
		} else {
			js_free(request);
			return ctl_fail(EXIT_USAGE, _("samples takes --last N and --json, not '%s'"), argv[i]);
		}
	}
	int code = ctl_ask(&given, request, print_sample, &listing);
	if (code == EXIT_DONE && listing.shown == 0 && !given.json)
		puts(_("no sample is registered"));
	return code;
}
