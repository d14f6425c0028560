/* assayctl probe: asks an instrument once and shows what it says; stores nothing and acknowledges nothing.
 *
 * The driver is asked what to send as the daemon would be, but after the first result, and before anything that writes
 * to the instrument, it is over: what acknowledges, erases or releases is only ever asked after a result was taken
 * (driver.h). An instrument that speaks unasked is only listened to: there even a first answer acknowledges.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "ctl.h"
#include "ctl_dialogue.h"
#include "decode.h"
#include "program.h"

#define ASKS_MAX  40
#define PROBE_MS  20000
#define LISTEN_MS 10000

struct probe {
	const struct instrument_config *config;
	struct instrument instrument;
	struct dialogue dialogue;
	unsigned long shown;
	bool listens; /* it speaks unasked */
};

static bool show(void *context)
{
	struct probe *probe = context;
	const struct readings *readings = &probe->dialogue.readings;
	for (size_t i = 0; i < readings->count; i++, probe->shown++) {
		struct json *line = decode_line(&readings->list[i]);
		char *text = js_dump(line);
		puts(text);
		free(text);
		js_free(line);
	}
	for (size_t i = 0; i < readings->notice_count; i++)
		fprintf(stderr, "assayctl: %s: %s\n", notice_name(readings->notices[i].kind),
			readings->notices[i].reason);
	return false;
}

/* 0 when it is over, or -errno. */
static int ask(struct probe *probe, struct fault *fault)
{
	bool modbus = probe->instrument.driver->links == LINK_MODBUS;
	for (int asks = 0; asks < ASKS_MAX && clock_ms() < probe->dialogue.until_ms; asks++) {
		struct request request = { .kind = REQUEST_NONE };
		probe->instrument.now = clock_local();
		probe->instrument.driver->ask(&probe->instrument, &request);
		if (probe->shown > 0 || (probe->listens && request.kind != REQUEST_NONE))
			return 0;
		if (modbus && request.kind != REQUEST_READ && request.kind != REQUEST_NONE) {
			fputs(_("assayctl: the next step would write to the instrument; it is not done\n"), stderr);
			return 0;
		}
		if (request.pause_ms > 0)
			link_pause(probe->dialogue.link, request.pause_ms);
		int next = dialogue_turn(&probe->dialogue, &request, fault);
		if (next < 0)
			return next;
		if (next == NEXT_IDLE)
			return 0;
	}
	return 0;
}

static void show_maker(const struct maker *maker)
{
	const struct {
		const char *name, *text;
	} lines[] = { { _("maker"), maker->maker }, { _("model"), maker->model }, { _("serial number"), maker->serial },
		{ _("firmware"), maker->firmware } };
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (*lines[i].text)
			fprintf(stderr, "%s: %s\n", lines[i].name, lines[i].text);
}

static int finish(struct probe *probe, int error, const struct fault *fault)
{
	show_maker(&probe->instrument.maker);
	if (error < 0)
		return ctl_fail(EXIT_FAILED, "%s", fault->text);
	if (probe->dialogue.heard == 0)
		return ctl_fail(EXIT_FAILED,
			probe->listens
				? _("nothing came; this instrument speaks when it has something to say: run a test or "
				    "send a result again at the instrument")
				: _("no answer; check cable, line settings and that the instrument is on"));
	fprintf(stderr, _("assayctl: it answers; %lu results shown, nothing stored, nothing acknowledged\n"),
		probe->shown);
	return EXIT_DONE;
}

/* Asks it, or listens, as its driver declares. */
static int probe_with(struct probe *probe, int stop, struct fault *fault)
{
	const struct instrument_config *config = probe->config;
	probe->listens = driver_manner(config->driver, config->profile) != MANNER_ASKS;
	probe->dialogue.timeout_ms = probe->listens ? LISTEN_MS : (int)config->timeout_ms;
	int error = config->driver->setup(&probe->instrument, fault);
	if (!error)
		error = link_new(&config->port, stop, &probe->dialogue.link, fault);
	if (!error)
		error = link_open(probe->dialogue.link, fault);
	return error ? error : ask(probe, fault);
}

static int probe_alone(const struct instrument_config *config)
{
	struct fault fault = { "" };
	struct probe probe = { .config = config };
	int stop = eventfd(0, EFD_CLOEXEC);
	probe.instrument = (struct instrument){ .driver = config->driver,
		.options = config->options,
		.profile = config->profile,
		.identity = config->identity };
	probe.instrument.state = calloc(1, driver_state_size(config->driver, config->profile));
	struct reading *list = calloc(READINGS_AT_ONCE, sizeof(*list));
	if (!probe.instrument.state || !list)
		abort();
	probe.dialogue = (struct dialogue){ .instrument = &probe.instrument,
		.readings.list = list,
		.unit = (int)config->unit,
		.until_ms = clock_ms() + PROBE_MS,
		.took = show,
		.context = &probe };
	int error = probe_with(&probe, stop, &fault);
	int code = finish(&probe, error, &fault);
	link_free(probe.dialogue.link);
	cutter_reset(&probe.dialogue.cutter);
	free(list);
	free(probe.instrument.state);
	close(stop);
	return code;
}

struct known { /* what the daemon knows of the instrument */
	const char *id;
	bool found, well;
};

static int show_known(void *context, const char *text, size_t length)
{
	struct known *known = context;
	struct json *status = js_parse(text, length, NULL);
	struct json *it = js_get(js_get(status, "instruments"), known->id);
	known->found = it != NULL;
	known->well = it && js_get_text(it, "health") && strcmp(js_get_text(it, "health"), "ok") == 0;
	if (it) {
		char *shown = js_dump(it);
		puts(shown);
		free(shown);
	}
	js_free(status);
	return 1;
}

/* The daemon holds the port: what it knows is shown, and the instrument is left to it. */
static int probe_through_daemon(const struct ctl *ctl, const char *id)
{
	struct known known = { .id = id };
	struct json *request = js_new_object();
	js_put_text(request, "command", "status");
	fputs(_("assayctl: assayd runs and holds the port; this is what it knows (to ask the instrument alone: systemctl stop assayd)\n"),
		stderr);
	int code = ctl_ask(ctl, request, show_known, &known);
	return code == EXIT_DONE && !known.well ? EXIT_FAILED : code;
}

int ctl_probe(const struct ctl *ctl, int argc, char **argv)
{
	if (argc != 2)
		return ctl_fail(EXIT_USAGE, _("probe takes the name of one instrument"));
	struct config *config;
	struct faults faults = { 0 };
	int error = config_load(ctl->directory, &config, &faults);
	faults_free(&faults);
	if (error)
		return ctl_fail(EXIT_CONFIG, _("the configuration in %s has faults; assayd --check -c %s shows them"),
			ctl->directory, ctl->directory);
	int code = -1;
	for (size_t i = 0; code < 0 && i < config->instrument_count; i++)
		if (strcmp(config->instruments[i].id, argv[1]) == 0)
			code = ctl_daemon_runs(config) ? probe_through_daemon(ctl, argv[1])
			                               : probe_alone(&config->instruments[i]);
	config_release(config);
	return code < 0 ? ctl_fail(EXIT_FAILED, _("there is no instrument '%s'; assayctl status lists them"), argv[1])
	                : code;
}
