/* assayctl parked, retry, resend: what a target's broker does not take, trying again once somebody has changed that,
 * and sending anything stored once more. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "program.h"

struct wish { /* what these commands are told */
	struct ctl ctl;
	const char *target, *what, *until;
	size_t shown;
};

/* EXIT_DONE, or EXIT_USAGE after saying why. */
static int read_wish(struct wish *wish, int argc, char **argv)
{
	static const struct option options[] = {
		{ "target", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	optind = 1;
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option == 't')
			wish->target = optarg;
		else if (option == 'j')
			wish->ctl.json = true;
		else
			return EXIT_USAGE;
	}
	if (optind < argc)
		wish->what = argv[optind++];
	if (optind < argc && strcmp(argv[0], "resend") == 0)
		wish->until = argv[optind++];
	return optind == argc ? EXIT_DONE : ctl_fail(EXIT_USAGE, _("'%s' is one argument too many"), argv[optind]);
}

static struct json *request_of(const struct wish *wish, const char *command)
{
	struct json *request = js_new_object();
	js_put_text(request, "command", command);
	if (wish->target)
		js_put_text(request, "target", wish->target);
	return request;
}

static int print_parked(void *context, const char *line, size_t length)
{
	struct wish *wish = context;
	struct json *parked = js_parse(line, length, NULL);
	char seq[24], when[24];
	if (wish->ctl.json) {
		printf("%.*s\n", (int)length, line);
	} else if (parked) {
		if (!wish->shown++) {
			ctl_column(_("SEQ"), 8);
			ctl_column(_("TARGET"), 16);
			ctl_column(_("REFUSED"), 19);
			printf("%s\n", _("REASON"));
		}
		snprintf(seq, sizeof(seq), "%lld", (long long)js_get_integer(parked, "seq", 0));
		snprintf(when, sizeof(when), "%.19s", js_get_text(parked, "at"));
		ctl_column(seq, 8);
		ctl_column(js_get_text(parked, "target"), 16);
		ctl_column(when, 19);
		printf("%s\n", js_get_text(parked, "reason"));
	}
	js_free(parked);
	return fflush(stdout) != 0; /* nobody reads any more */
}

int ctl_parked(const struct ctl *ctl, int argc, char **argv)
{
	struct wish wish = { .ctl = *ctl };
	int code = read_wish(&wish, argc, argv);
	if (code == EXIT_DONE && wish.what)
		code = ctl_fail(EXIT_USAGE, _("'%s' is one argument too many"), wish.what);
	if (code != EXIT_DONE)
		return code;
	code = ctl_ask_or_read(&wish.ctl, request_of(&wish, "parked"), print_parked, &wish);
	if (code == EXIT_DONE && !wish.ctl.json && !wish.shown)
		printf("%s\n", _("Nothing was refused."));
	return code;
}

static int print_retry(void *context, const char *line, size_t length)
{
	struct wish *wish = context;
	struct json *told = js_parse(line, length, NULL);
	long long away = js_get_integer(told, "away", 0);
	if (wish->ctl.json)
		printf("%.*s\n", (int)length, line);
	else
		printf(_("%lld entries are sent again; `assayctl parked` shows what is refused once more\n"),
			(long long)js_get_integer(told, "retrying", 0));
	if (!wish->ctl.json && away)
		printf(_("%lld more stand in salvaged journals that are not beside the daemon's any more; put those back "
			 "there and try again\n"),
			away);
	js_free(told);
	return 0;
}

static bool read_sequence(const char *text, long long *ret)
{
	char *end = NULL;
	errno = 0;
	*ret = text ? strtoll(text, &end, 10) : 0;
	return text && !*end && !errno && *ret > 0;
}

int ctl_retry(const struct ctl *ctl, int argc, char **argv)
{
	struct wish wish = { .ctl = *ctl };
	int code = read_wish(&wish, argc, argv);
	if (code != EXIT_DONE)
		return code;
	long long seq = 0;
	bool all = wish.what && strcmp(wish.what, "all") == 0;
	if (!all && !read_sequence(wish.what, &seq))
		return ctl_fail(EXIT_USAGE,
			_("retry needs a sequence number, as `assayctl parked` prints them, or the word all"));
	struct json *request = request_of(&wish, "retry");
	if (!all)
		js_put_integer(request, "seq", seq);
	return ctl_ask(&wish.ctl, request, print_retry, &wish);
}

static int print_resend(void *context, const char *line, size_t length)
{
	struct wish *wish = context;
	struct json *told = js_parse(line, length, NULL);
	if (wish->ctl.json)
		printf("%.*s\n", (int)length, line);
	else
		printf(_("entries %lld to %lld are sent again, unchanged; the platform knows them by their ids\n"),
			(long long)js_get_integer(told, "from", 0), (long long)js_get_integer(told, "to", 0));
	js_free(told);
	return 0;
}

int ctl_resend(const struct ctl *ctl, int argc, char **argv)
{
	struct wish wish = { .ctl = *ctl };
	int code = read_wish(&wish, argc, argv);
	if (code != EXIT_DONE)
		return code;
	long long from, to = 0;
	if (!read_sequence(wish.what, &from) || (wish.until && !read_sequence(wish.until, &to)))
		return ctl_fail(EXIT_USAGE,
			_("resend needs the sequence number of the first entry, and may have that of the last, as `assayctl list` "
			  "prints them"));
	struct json *request = request_of(&wish, "resend");
	js_put_integer(request, "from", from);
	if (to)
		js_put_integer(request, "to", to);
	return ctl_ask(&wish.ctl, request, print_resend, &wish);
}
