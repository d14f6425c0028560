/* assayctl status: one look at the room. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../drivers/text.h"
#include "ctl.h"
#include "day.h"
#include "program.h"

static const char *health_word(const char *health)
{
	static const struct {
		const char *name, *word;
	} words[] = {
		{ "starting", N_("starting") },
		{ "ok", N_("ok") },
		{ "silent", N_("SILENT") },
		{ "no_link", N_("NO LINK") },
		{ "faulty", N_("FAULTY") },
		{ "down", N_("DOWN") },
		{ "connecting", N_("connecting") },
		{ "up", N_("up") },
	};
	for (size_t i = 0; health && i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].name, health) == 0)
			return _(words[i].word);
	return health ? health : "?";
}

static void age_text(char *out, size_t size, int64_t seconds)
{
	if (seconds < 0)
		snprintf(out, size, "-");
	else if (seconds < 120)
		snprintf(out, size, _("%lld s ago"), (long long)seconds);
	else if (seconds < 7200)
		snprintf(out, size, _("%lld min ago"), (long long)(seconds / 60));
	else
		snprintf(out, size, _("%lld h ago"), (long long)(seconds / 3600));
}

static void print_calibration(const struct json *calibration)
{
	const char *until = calibration ? js_get_text(calibration, "until") : NULL;
	long long left = calibration ? js_get_integer(calibration, "days_left", 0) : 0;
	if (until && left < 0)
		printf(_("    its calibration certificate ENDED on %s: tests are flagged calibration_expired\n"),
			until);
	else if (until && left <= DAY_SOON)
		printf(_("    its calibration certificate ends on %s, in %lld days\n"), until, left);
}

/* "-7 min", "+3 s": the instrument's clock against ours; "-" where nothing is known of it */
static void skew_text(char *out, size_t size, const struct json *clock)
{
	long long seconds = js_get_integer(clock, "skew_s", 0), size_s = llabs(seconds);
	const char *sign = seconds < 0 ? "-" : "+";
	if (!js_get(clock, "skew_s"))
		snprintf(out, size, "-");
	else if (size_s < 120)
		snprintf(out, size, _("%s%lld s"), sign, size_s);
	else if (size_s < 7200)
		snprintf(out, size, _("%s%lld min"), sign, size_s / 60);
	else if (size_s < 172800)
		snprintf(out, size, _("%s%lld h"), sign, size_s / 3600);
	else
		snprintf(out, size, _("%s%lld days"), sign, size_s / 86400);
}

static void print_missing(const struct json *list)
{
	for (size_t i = 0; list && i < js_count(list); i++) {
		const struct json *it = js_at(list, i);
		printf(_("    %lld samples of %s on %s without a valid control before them: measure one\n"),
			(long long)js_get_integer(it, "samples", 0), js_text_in(it, "item"), js_text_in(it, "day"));
	}
}

static void print_instrument(const char *id, const struct json *it, size_t width)
{
	char heard[48], result[48], stored[24], skew[48];
	age_text(heard, sizeof(heard), js_get_integer(it, "last_heard_s", -1));
	age_text(result, sizeof(result), js_get_integer(it, "last_result_s", -1));
	snprintf(stored, sizeof(stored), "%lld", (long long)js_get_integer(it, "stored", 0));
	ctl_column(id, width);
	ctl_column(health_word(js_get_text(it, "health")), 10);
	ctl_column(heard, 14);
	ctl_column(result, 14);
	ctl_column(stored, 8);
	skew_text(skew, sizeof(skew), js_get(it, "clock"));
	ctl_column(skew, 10);
	printf("%s %s\n", js_text_in(it, "port"), js_text_in(it, "serial"));
	if (js_get_text(it, "fault"))
		printf("    %s\n", js_get_text(it, "fault"));
	print_calibration(js_get(it, "calibration"));
	print_missing(js_get(it, "control_missing"));
	if (js_get_bool(js_get(it, "clock"), "alarm", false))
		printf(_("    its clock is wrong since %.16s: set it at the instrument\n"),
			js_text_in(js_get(it, "clock"), "since"));
	long long none = js_get_integer(it, "blanks", 0);
	if (none > 0)
		printf(_("    %lld times it said itself that there is no result: overload, empty places, what is no test\n"),
			none);
}

static void print_target(const char *name, const struct json *it, size_t width)
{
	char waiting[64];
	snprintf(waiting, sizeof(waiting), _("%lld waiting"), (long long)js_get_integer(it, "backlog", 0));
	ctl_column(name, width);
	ctl_column(health_word(js_get_text(it, "state")), 10);
	ctl_column(waiting, 14);
	printf("%s\n", js_text_in(it, "broker"));
	if (js_get_text(it, "fault"))
		printf("    %s\n", js_get_text(it, "fault"));
	if (strcmp(js_text_in(it, "receipts"), "none") == 0)
		printf("    %s\n",
			_("no receipts: a record counts as delivered when the broker has it, not when the platform has"));
	long long refused = js_get_integer(it, "requests_refused", 0);
	if (refused > 0)
		printf(_("    requests and receipts not accepted since the start: %lld; assayd's log says why\n"),
			refused);
}

/* The first column: as wide as the longest name, so that the others stay below each other. */
static size_t names_width(const struct json *object)
{
	size_t width = 16, count = js_count(object);
	for (size_t i = 0; i < count; i++) {
		const char *key;
		js_member(object, i, &key);
		if (text_width(key) > width)
			width = text_width(key);
	}
	return width;
}

static void each_member(
	const struct json *object, size_t width, void (*print)(const char *name, const struct json *it, size_t width))
{
	size_t count = js_count(object);
	for (size_t i = 0; i < count; i++) {
		const char *key;
		const struct json *value = js_member(object, i, &key);
		print(key, value, width);
	}
}

static void print_store(const struct json *status)
{
	const struct json *store = js_get(status, "store");
	const char *level = store ? js_get_text(store, "level") : NULL;
	if (!level || strcmp(level, "fine") == 0)
		return;
	if (strcmp(level, "full") == 0)
		printf("%s\n", _("the disk is FULL: results wait at their instruments; free space on it"));
	else
		printf(_("the disk is %lld%% full, %lld MiB are left: free space on it\n"),
			(long long)js_get_integer(store, "used_percent", 0),
			(long long)js_get_integer(store, "free_bytes", 0) >> 20);
}

static int print_status(void *context, const char *line, size_t length)
{
	const struct ctl *ctl = context;
	if (ctl->json) {
		printf("%.*s\n", (int)length, line);
		return 0;
	}
	struct fault fault;
	struct json *status = js_parse(line, length, &fault);
	if (!status)
		return ctl_fail(1, "%s", fault.text);
	printf(_("station %s %s, assayd %s, journal %.8s at %lld, %lld days of room\n"), js_text_in(status, "station"),
		js_text_in(status, "name"), js_text_in(status, "version"), js_text_in(status, "epoch"),
		(long long)js_get_integer(status, "seq", 0), (long long)js_get_integer(status, "autonomy_days", 0));
	if (!js_get_bool(status, "clock_synced", true))
		printf("%s\n", _("the clock is not synchronised: records say so; check the network time service"));
	print_store(status);
	printf("\n");
	const struct json *instruments = js_get(status, "instruments"), *targets = js_get(status, "targets");
	size_t width = names_width(instruments);
	ctl_column(_("INSTRUMENT"), width);
	ctl_column(_("STATE"), 10);
	ctl_column(_("HEARD"), 14);
	ctl_column(_("LAST RESULT"), 14);
	ctl_column(_("STORED"), 8);
	ctl_column(_("CLOCK"), 10);
	printf("%s\n", _("PORT"));
	each_member(instruments, width, print_instrument);
	printf("\n");
	width = names_width(targets);
	ctl_column(_("TARGET"), width);
	ctl_column(_("STATE"), 10);
	ctl_column(_("RECORDS"), 14);
	printf("%s\n", _("BROKER"));
	each_member(targets, width, print_target);
	js_free(status);
	return 0;
}

int ctl_status(const struct ctl *ctl, int argc, char **argv)
{
	struct ctl given = *ctl;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") != 0)
			return ctl_fail(EXIT_USAGE, _("status takes no '%s'; --json is known"), argv[i]);
		given.json = true;
	}
	struct json *request = js_new_object();
	js_put_text(request, "command", "status");
	return ctl_ask(&given, request, print_status, &given);
}
