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
#include "cutter.h"
#include "decode.h"
#include "link.h"
#include "program.h"

#define ASKS_MAX  40
#define PROBE_MS  20000
#define LISTEN_MS 10000

struct probe {
	const struct instrument_config *config;
	struct instrument instrument;
	struct readings readings;
	struct link *link;
	struct cutter cutter;
	long until_ms;
	unsigned long heard, shown;
	bool listens; /* it speaks unasked */
};

static void show(struct probe *probe)
{
	for (size_t i = 0; i < probe->readings.count; i++, probe->shown++) {
		struct json *line = decode_line(&probe->readings.list[i]);
		char *text = js_dump(line);
		puts(text);
		free(text);
		js_free(line);
	}
	for (size_t i = 0; i < probe->readings.notice_count; i++)
		fprintf(stderr, "assayctl: %s: %s\n", notice_name(probe->readings.notices[i].kind),
			probe->readings.notices[i].reason);
}

static enum next take(struct probe *probe, const struct reply *reply)
{
	struct reading *list = probe->readings.list;
	probe->readings = (struct readings){ .list = list };
	enum next next = probe->instrument.driver->take(&probe->instrument, reply, &probe->readings);
	show(probe);
	return next == NEXT_MORE ? NEXT_IDLE : next;
}

static enum next take_frames(struct probe *probe, bool final)
{
	struct cut cut;
	enum cut_kind kind;
	enum next next = NEXT_WAIT;
	while (next == NEXT_WAIT && (kind = cutter_next(&probe->cutter, &probe->instrument, final, &cut)) != CUT_MORE) {
		struct reply reply = { .kind = REPLY_FRAME, .bytes = cut.bytes, .length = cut.length };
		reply.offset = cut.offset;
		probe->heard += cut.length;
		if (kind == CUT_FRAME)
			next = take(probe, &reply);
	}
	return next;
}

/* What the driver wants next, NEXT_IDLE when no more is to be had, or -errno. */
static int converse(struct probe *probe, const struct request *request, struct fault *fault)
{
	uint8_t bytes[1024];
	int timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : (int)probe->config->timeout_ms;
	int error =
		request->kind == REQUEST_BYTES ? link_write(probe->link, request->bytes, request->length, fault) : 0;
	if (probe->listens)
		timeout_ms = LISTEN_MS;
	while (error >= 0) {
		int got = link_read(probe->link, bytes, sizeof(bytes), timeout_ms, fault);
		if (got < 0)
			return got;
		if (got > 0 && cutter_feed(&probe->cutter, bytes, (size_t)got) < 0)
			return fault_set(fault, ENOMEM, _("out of memory"));
		enum next next = take_frames(probe, got == 0);
		if (next != NEXT_WAIT)
			return (int)next;
		if (got > 0)
			continue;
		struct reply silence = { .kind = REPLY_SILENCE };
		return probe->listens ? NEXT_IDLE : (int)take(probe, &silence) == NEXT_IDLE ? NEXT_IDLE : NEXT_ASK;
	}
	return error;
}

static int exchange(struct probe *probe, const struct request *request, struct fault *fault)
{
	uint16_t registers[REGISTERS_MAX];
	uint8_t bytes[PDU_MAX];
	struct reply reply = { .kind = REPLY_DONE };
	int timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : (int)probe->config->timeout_ms;
	if (request->kind != REQUEST_NONE) {
		int error = link_exchange(
			probe->link, (int)probe->config->unit, request, timeout_ms, &reply, registers, bytes, fault);
		if (error < 0)
			return error;
		probe->heard++;
	}
	return (int)take(probe, &reply);
}

/* 0 when it is over, or -errno. */
static int ask(struct probe *probe, struct fault *fault)
{
	bool modbus = probe->instrument.driver->links == LINK_MODBUS;
	for (int asks = 0; asks < ASKS_MAX && clock_ms() < probe->until_ms; asks++) {
		struct request request = { .kind = REQUEST_NONE };
		probe->instrument.now = clock_local();
		probe->instrument.driver->ask(&probe->instrument, &request);
		if (asks == 0)
			probe->listens = !modbus && request.kind == REQUEST_NONE;
		if (probe->shown > 0 || (probe->listens && request.kind != REQUEST_NONE))
			return 0;
		if (modbus && request.kind != REQUEST_READ && request.kind != REQUEST_NONE) {
			fputs(_("assayctl: the next step would write to the instrument; it is not done\n"), stderr);
			return 0;
		}
		if (request.pause_ms > 0)
			link_pause(probe->link, request.pause_ms);
		int next = modbus ? exchange(probe, &request, fault) : converse(probe, &request, fault);
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
	if (probe->heard == 0)
		return ctl_fail(EXIT_FAILED,
			probe->listens
				? _("nothing came; this instrument speaks when it has something to say: run a test or "
				    "send a result again at the instrument")
				: _("no answer; check cable, line settings and that the instrument is on"));
	fprintf(stderr, _("assayctl: it answers; %lu results shown, nothing stored, nothing acknowledged\n"),
		probe->shown);
	return EXIT_DONE;
}

static int probe_alone(const struct instrument_config *config)
{
	struct fault fault = { "" };
	struct probe probe = { .config = config, .until_ms = clock_ms() + PROBE_MS };
	int stop = eventfd(0, EFD_CLOEXEC);
	probe.instrument =
		(struct instrument){ .driver = config->driver, .options = config->options, .profile = config->profile };
	probe.instrument.state = calloc(1, driver_state_size(config->driver, config->profile));
	probe.readings.list = calloc(READINGS_AT_ONCE, sizeof(struct reading));
	if (!probe.instrument.state || !probe.readings.list)
		abort();
	struct reading *list = probe.readings.list;
	int error = config->driver->setup(&probe.instrument, &fault);
	if (!error)
		error = link_new(&config->port, stop, &probe.link, &fault);
	if (!error)
		error = link_open(probe.link, &fault);
	if (!error)
		error = ask(&probe, &fault);
	int code = finish(&probe, error, &fault);
	link_free(probe.link);
	cutter_reset(&probe.cutter);
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
