/* Asking at a port who is there, with questions that change nothing on any instrument.
 *
 * Each driver with scan_lines is set up as the daemon does it, asked for its first question, and given the answer; it
 * says itself whether it has recognised its instrument (driver.h). What acknowledges, erases or releases comes only
 * after a result was taken, and so far no driver gets here; Modbus requests that are no reading are not sent at all. A
 * port on which something speaks unasked is left alone: a byte of a question might be taken for an acknowledgement.
 */
#include "ctl_scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "ctl_dialogue.h"
#include "port.h"
#include "profile.h"
#include "settings.h"

#define LISTEN_MS  500  /* for something that speaks unasked */
#define ANSWER_MS  1000 /* for the answer to a question */
#define UNIT_MS    400  /* the same on Modbus, where every unit is asked */
#define LATE_MS    200  /* Modbus: how much later than that an answer may come */
#define UNITS      3    /* the addresses instruments are shipped with */
#define READS_MAX  4    /* Modbus: until the profile's identity is read whole */
#define MODELS_MAX 64

struct model { /* of a driver that takes profiles */
	char name[CONFIG_NAME_MAX];
	void *profile;
};

struct asking {
	const char *path, *config_directory;
	struct scan_answers *answers;
	const struct driver *driver; /* that asks now */
	void *options;
	struct model models[MODELS_MAX]; /* of it; the first is none where it takes none */
	size_t model_count;
	const char *line;
	size_t line_length;
	struct port port;
	struct link *link;
	int stop;
	struct reading *list;
};

struct trial { /* of one driver with one profile at one line and unit */
	struct instrument instrument;
	int unit;
	bool silent;
};

static bool set_up(const struct asking *scan, const struct model *model, struct trial *trial)
{
	struct fault fault;
	trial->instrument =
		(struct instrument){ .driver = scan->driver, .options = scan->options, .profile = model->profile };
	trial->instrument.state = calloc(1, driver_state_size(scan->driver, model->profile));
	if (!trial->instrument.state)
		abort();
	trial->instrument.now = clock_local();
	return scan->driver->setup(&trial->instrument, &fault) == 0 &&
	       scan->driver->recognised(&trial->instrument) == RECOGNISED_NOT_YET;
}

static bool is_recognised(const struct trial *trial)
{
	return trial->instrument.driver->recognised(&trial->instrument) == RECOGNISED;
}

static bool enough(void *context)
{
	return is_recognised(context);
}

/* A driver that talks in bytes asks once; a Modbus driver reads the registers that say who is there, which may take
 * several reads. 0 or -errno. */
static int ask_as(struct asking *scan, struct trial *trial, struct fault *fault)
{
	bool modbus = trial->unit > 0;
	struct fault why;
	struct dialogue dialogue = { .link = scan->link,
		.instrument = &trial->instrument,
		.readings.list = scan->list,
		.unit = trial->unit,
		.timeout_ms = modbus ? UNIT_MS : ANSWER_MS,
		.until_ms = clock_ms() + (modbus ? READS_MAX * UNIT_MS : ANSWER_MS),
		.took = enough,
		.context = trial };
	int error = 0;
	for (int asks = 0; asks < (modbus ? READS_MAX : 1) && error >= 0 && !is_recognised(trial); asks++) {
		struct request request = { .kind = REQUEST_NONE };
		scan->driver->ask(&trial->instrument, &request);
		if (request.kind != (modbus ? REQUEST_READ : REQUEST_BYTES))
			break;
		request.timeout_ms = 0; /* nobody may wait that long here */
		error = dialogue_turn(&dialogue, &request, modbus ? &why : fault);
	}
	cutter_reset(&dialogue.cutter);
	if (!modbus || error >= 0)
		return error < 0 ? error : 0;
	trial->silent = error == -ETIMEDOUT;
	return link_quarantine(scan->link, LATE_MS, fault);
}

static void note(struct asking *scan, const struct model *model, const struct trial *trial)
{
	struct scan_answers *answers = scan->answers;
	if (answers->count == SCAN_FOUND_MAX)
		return;
	struct scan_found *found = &answers->list[answers->count++];
	*found = (struct scan_found){ .driver = scan->driver,
		.line = scan->line,
		.line_length = scan->line_length,
		.unit = trial->unit,
		.maker = trial->instrument.maker };
	snprintf(found->profile, sizeof(found->profile), "%s", model->name);
}

/* Asks as each model of the driver. Where nobody answers the first, nobody would answer the others. */
static int ask_unit(struct asking *scan, int unit, struct fault *fault)
{
	int error = 0;
	bool silent = false;
	for (size_t i = 0; i < scan->model_count && !error && !silent; i++) {
		struct trial trial = { .unit = unit };
		if (set_up(scan, &scan->models[i], &trial))
			error = ask_as(scan, &trial, fault);
		if (!error && is_recognised(&trial))
			note(scan, &scan->models[i], &trial);
		silent = trial.silent;
		free(trial.instrument.state);
	}
	return error;
}

static int open_line(struct asking *scan, enum port_kind kind, struct fault *fault)
{
	char line[32];
	scan->port = (struct port){ .kind = kind };
	snprintf(scan->port.path, sizeof(scan->port.path), "%s", scan->path);
	snprintf(scan->port.text, sizeof(scan->port.text), "%s", scan->path);
	snprintf(line, sizeof(line), "%.*s", (int)scan->line_length, scan->line);
	int error = port_parse_line(line, &scan->port, fault);
	if (!error)
		error = link_new(&scan->port, scan->stop, &scan->link, fault);
	return error ? error : link_open(scan->link, fault);
}

static void close_line(struct asking *scan)
{
	link_free(scan->link);
	scan->link = NULL;
}

/* At each line of the driver's until somebody answers; on Modbus there may be several at that line. */
static int ask_lines(struct asking *scan, struct fault *fault)
{
	bool modbus = scan->driver->links == LINK_MODBUS;
	size_t before = scan->answers->count;
	int error = 0;
	for (scan->line = scan->driver->scan_lines; *scan->line && !error && scan->answers->count == before;
		scan->line += scan->line_length) {
		scan->line += strspn(scan->line, " ");
		scan->line_length = strcspn(scan->line, " ");
		error = open_line(scan, modbus ? PORT_MODBUS_RTU : PORT_SERIAL, fault);
		if (!error && !modbus)
			error = ask_unit(scan, 0, fault);
		for (int unit = 1; modbus && !error && unit <= UNITS; unit++)
			error = ask_unit(scan, unit, fault);
		close_line(scan);
	}
	return error;
}

/* Profiles of other drivers have faults for this one, and are passed over. */
static void add_model(void *context, const char *name)
{
	struct asking *scan = context;
	char path[4096];
	struct faults faults = { 0 };
	for (size_t i = 0; i < scan->model_count; i++)
		if (strcmp(scan->models[i].name, name) == 0)
			return;
	struct model *model = &scan->models[scan->model_count];
	if (scan->model_count == MODELS_MAX || strlen(name) >= sizeof(model->name) ||
		profile_find(scan->config_directory, name, path, sizeof(path), NULL) != 0)
		return;
	if (profile_read(path, scan->driver, &model->profile, &faults) == 0) {
		strcpy(model->name, name);
		scan->model_count++;
	}
	faults_free(&faults);
}

static int ask_driver(struct asking *scan, const struct driver *driver, struct fault *fault)
{
	scan->driver = driver;
	scan->options = calloc(1, driver->options_size + 1);
	if (!scan->options)
		abort();
	settings_defaults(&(struct settings_table){ driver->options, scan->options });
	memset(scan->models, 0, sizeof(scan->models));
	scan->model_count = driver->profiles ? 0 : 1;
	if (driver->profiles)
		profile_names(scan->config_directory, add_model, scan);
	int error = ask_lines(scan, fault);
	for (size_t i = 0; i < scan->model_count; i++)
		free(scan->models[i].profile);
	free(scan->options);
	return error;
}

/* True when nothing speaks here unasked. Any rate will do: bytes at another one are bytes too. */
static int listen_first(struct asking *scan, struct fault *fault)
{
	uint8_t bytes[64];
	scan->line = "9600/8n1";
	scan->line_length = strlen(scan->line);
	int got = open_line(scan, PORT_SERIAL, fault);
	if (!got)
		got = link_read(scan->link, bytes, sizeof(bytes), LISTEN_MS, fault);
	close_line(scan);
	scan->answers->speaks = got > 0;
	return got < 0 ? got : 0;
}

void scan_ask(const char *config_directory, const char *path, struct scan_answers *ret)
{
	*ret = (struct scan_answers){ .count = 0 };
	struct asking *scan = calloc(1, sizeof(*scan));
	struct reading *list = calloc(READINGS_AT_ONCE, sizeof(*list));
	if (!scan || !list)
		abort();
	*scan = (struct asking){ .path = path, .config_directory = config_directory, .answers = ret };
	scan->list = list;
	scan->stop = eventfd(0, EFD_CLOEXEC);
	int error = listen_first(scan, &ret->fault);
	for (size_t i = 0; drivers[i] && !error && !ret->speaks && !ret->count; i++)
		if (drivers[i]->scan_lines)
			error = ask_driver(scan, drivers[i], &ret->fault);
	if (!error)
		ret->fault = (struct fault){ "" };
	close(scan->stop);
	free(list);
	free(scan);
}
