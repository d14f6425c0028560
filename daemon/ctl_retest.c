/* assayctl retest: which results are tested again, and saying that an instrument's next result is such a test. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "program.h"

struct showing {
	struct ctl ctl;
	size_t shown;
};

static const char *state_words(const char *state)
{
	static const struct {
		const char *state, *words;
	} rows[] = {
		{ "first", N_("tested again on demand") },
		{ "retest_required", N_("to be tested again") },
		{ "confirmed_positive", N_("positive, confirmed") },
		{ "overturned", N_("not confirmed") },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (strcmp(rows[i].state, state) == 0)
			return _(rows[i].words);
	return state;
}

static void print_head(void)
{
	ctl_column(_("SINCE"), 19);
	ctl_column(_("SAMPLE"), 18);
	ctl_column(_("ITEM"), 12);
	ctl_column(_("TESTS"), 5);
	ctl_column(_("WAITS AT"), 12);
	printf("%s\n", _("STATE"));
}

static int print_group(void *context, const char *line, size_t length)
{
	struct showing *showing = context;
	if (showing->ctl.json) {
		printf("%.*s\n", (int)length, line);
		showing->shown++;
		return 0;
	}
	struct json *group = js_parse(line, length, NULL);
	if (!group)
		return 1;
	char when[24], tests[24];
	snprintf(when, sizeof(when), "%.10s %.8s", js_text_in(group, "opened_at"), js_text_in(group, "opened_at") + 11);
	snprintf(tests, sizeof(tests), "%zu", js_count(js_get(group, "members")));
	if (showing->shown++ == 0)
		print_head();
	ctl_column(when, 19);
	ctl_column(js_text_in(group, "sample_no"), 18);
	ctl_column(js_text_in(group, "item"), 12);
	ctl_column(tests, 5);
	ctl_column(js_text_in(group, "instrument"), 12);
	printf("%s\n", state_words(js_text_in(group, "state")));
	js_free(group);
	return 0;
}

static int print_expected(void *context, const char *line, size_t length)
{
	struct showing *showing = context;
	struct json *group = showing->ctl.json ? NULL : js_parse(line, length, NULL);
	if (group)
		printf(_("the next result of %s for %s, until %.19s, is a retest of %s\n"),
			js_text_in(group, "instrument"), js_text_in(group, "item"), js_text_in(group, "until"),
			js_text_in(group, "group"));
	else
		printf("%.*s\n", (int)length, line);
	js_free(group);
	return 0;
}

/* EXIT_DONE, or EXIT_USAGE after saying why. */
static int read_options(struct showing *showing, struct json *request, int argc, char **argv)
{
	static const struct option options[] = {
		{ "instrument", required_argument, NULL, 'i' },
		{ "for", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	int code = EXIT_DONE;
	optind = 1;
	for (int option; code == EXIT_DONE && (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option == 'i')
			js_put_text(request, "instrument", optarg);
		else if (option == 't')
			code = ctl_read_for(optarg, request);
		else if (option == 'j')
			showing->ctl.json = true;
		else
			code = EXIT_USAGE;
	}
	if (code == EXIT_DONE && argc - optind > 1)
		return ctl_fail(EXIT_USAGE, _("'%s' is one argument too many"), argv[optind + 1]);
	return code;
}

/* A number is a place in the journal; anything else an id. */
static void put_which(struct json *request, const char *word)
{
	char *end;
	long long seq = strtoll(word, &end, 10);
	if (seq > 0 && !*end)
		js_put_integer(request, "seq", seq);
	else
		js_put_text(request, "id", word);
}

int ctl_retest(const struct ctl *ctl, int argc, char **argv)
{
	struct showing showing = { .ctl = *ctl };
	struct json *request = js_new_object();
	int code = read_options(&showing, request, argc, argv);
	if (code != EXIT_DONE) {
		js_free(request);
		return code;
	}
	bool lists = optind == argc;
	js_put_text(request, "command", lists ? "retests" : "retest");
	if (!lists)
		put_which(request, argv[optind]);
	code = ctl_ask(&showing.ctl, request, lists ? print_group : print_expected, &showing);
	if (code == EXIT_DONE && lists && showing.shown == 0 && !showing.ctl.json)
		puts(_("no sample is tested again"));
	return code;
}
