#include "line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <unistd.h>

#include "clock.h"
#include "line_parts.h"

#define OPEN_WAIT_MS      200 /* a lost link is looked for again after this long, doubled up to the next */
#define OPEN_WAIT_MAX_MS  3000
#define ALONE_WAIT_MAX_MS 5000   /* between attempts at a silent instrument that has its line for itself */
#define SHARED_COST       25     /* on a shared line: a silent unit takes at most one part in so many of its time */
#define SHARED_WAIT_MS    60000  /* attempts at it become rarer up to this ... */
#define SHARED_MAX_MS     300000 /* ... or, where one attempt costs very much, up to this */
#define SETUP_WAIT_MS     5000
#define MAKE_UP_MS        2000 /* polls later than this are dropped */
#define SPREAD_MS         1000 /* the first polls of a thousand lines are spread over this */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_SIZE (2 * 1024 * 1024)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STACK_SIZE (2 * 1024 * 1024)
#endif
#endif
#ifndef STACK_SIZE
#define STACK_SIZE (128 * 1024)
#endif

static long least(long a, long b)
{
	return a < b ? a : b;
}

static long most(long a, long b)
{
	return a > b ? a : b;
}

static int set_up(struct line *line, struct unit *unit, struct fault *fault)
{
	struct instrument *instrument = &unit->instrument;
	int error = journal_cursor(line->journal, unit->config->id, instrument->cursor, fault);
	if (error < 0)
		return error;
	memset(instrument->state, 0, instrument->driver->state_size);
	error = instrument->driver->setup(instrument, fault);
	unit->ready = error == 0;
	return error;
}

/* After a broken link every dialogue starts anew from what is durable. */
static void link_broken(struct line *line, const struct fault *fault)
{
	link_close(line->link);
	line->failures++;
	for (size_t i = 0; i < line->count; i++) {
		struct unit *unit = &line->units[i];
		unit->ready = unit->attended = false;
		line_noise_over(unit);
		/* once is no loss: peers close idle connections */
		if (line->failures > 1)
			line_lost(line, unit, HEALTH_NO_LINK, fault);
		else
			line_note(line, unit, fault);
	}
	if (line->failures > 1 && complaint_due(&line->link_complaint))
		log_warning("%s: %s", line->units[0].config->id, fault->text);
}

/* 0 with the link open, or -ECANCELED; a failure has been waited out. */
static int connect_line(struct line *line)
{
	struct fault fault = { "" };
	if (line->open_wait_ms > 0 && link_pause(line->link, (int)line->open_wait_ms) < 0)
		return -ECANCELED;
	line->open_wait_ms = most(OPEN_WAIT_MS, least(2 * line->open_wait_ms, OPEN_WAIT_MAX_MS));
	int error = link_open(line->link, &fault);
	if (error == -ECANCELED)
		return error;
	if (error < 0) {
		link_broken(line, &fault);
		return 0;
	}
	cutter_reset(&line->cutter);
	for (size_t i = 0; i < line->count; i++) {
		if (line->opened) {
			line->units[i].stats.reopens++;
			line->units[i].due_ms = clock_ms();
		}
	}
	line->opened = true;
	return 0;
}

/* How long to leave a silent unit alone. One that was well has one attempt more at its usual time. */
static long silent_wait(const struct line *line, const struct unit *unit, long cost_ms)
{
	long poll_ms = (long)unit->config->poll_ms, wait_ms = 2 * unit->wait_ms;
	if (line->count == 1)
		return most(poll_ms, least(wait_ms, ALONE_WAIT_MAX_MS));
	long lateness_ms = (long)unit->config->lateness_ms;
	if (unit->silent == 1 && unit->stats.last_heard_ms)
		return most(poll_ms, lateness_ms);
	long share_ms = least(SHARED_COST * cost_ms, SHARED_MAX_MS);
	return most(most(poll_ms, lateness_ms), most(share_ms, least(wait_ms, SHARED_WAIT_MS)));
}

static void silent(struct line *line, struct unit *unit, long cost_ms, const struct fault *fault)
{
	unit->silent++;
	unit->attended = false;
	unit->wait_ms = silent_wait(line, unit, cost_ms);
	unit->due_ms = clock_ms() + unit->wait_ms;
	if (unit->silent < 2 && unit->stats.last_heard_ms) {
		line_note(line, unit, fault);
		return;
	}
	line_lost(line, unit, HEALTH_SILENT, fault);
	if (complaint_due(&unit->complaint))
		log_warning("%s: %s", unit->config->id, fault->text);
}

/* The next poll is due one period after this one was: the period is kept, and what a neighbour's silence delayed a
 * little is made up for at once. What is long missed is not. */
static void next_poll(struct unit *unit)
{
	long now = clock_ms(), period_ms = most((long)unit->config->poll_ms, 1);
	unit->turn_ms += period_ms;
	if (unit->turn_ms + MAKE_UP_MS <= now)
		unit->turn_ms += ((now - unit->turn_ms) / period_ms + 1) * period_ms;
	unit->due_ms = unit->turn_ms;
}

static struct unit *first_due(struct line *line)
{
	struct unit *first = &line->units[0];
	for (size_t i = 1; i < line->count; i++)
		if (line->units[i].due_ms < first->due_ms)
			first = &line->units[i];
	return first;
}

/* -ECANCELED, else 0. */
static int serve(struct line *line, struct unit *unit)
{
	struct fault fault = { "" };
	if (!unit->ready && set_up(line, unit, &fault) < 0) {
		unit->due_ms = clock_ms() + SETUP_WAIT_MS;
		unit->stats.health = HEALTH_FAULTY;
		line_note(line, unit, &fault);
		if (complaint_due(&unit->complaint))
			log_error("%s: %s", unit->config->id, fault.text);
		return 0;
	}
	long begun_ms = clock_ms();
	switch (line_turn(line, unit, &fault)) {
	case TURN_IDLE:
		unit->attended = true;
		next_poll(unit);
		break;
	case TURN_RESTS:
		unit->attended = false;
		next_poll(unit);
		break;
	case TURN_AGAIN:
		unit->due_ms = clock_ms();
		break;
	case TURN_SILENT:
		silent(line, unit, clock_ms() - begun_ms, &fault);
		break;
	case TURN_BROKEN:
		link_broken(line, &fault);
		break;
	case TURN_STOP:
		return -ECANCELED;
	}
	line_announce(line, unit);
	line_clock_announce(line, unit);
	return 0;
}

static void *run(void *context)
{
	struct line *line = context;
	int error = 0;
	while (error >= 0) {
		struct unit *unit = first_due(line);
		long left = unit->due_ms - clock_ms();
		if (left > 0 && link_is_open(line->link))
			error = link_pause(line->link, (int)least(left, 3600000));
		else if (!link_is_open(line->link))
			error = connect_line(line);
		else
			error = serve(line, unit);
		atomic_fetch_add_explicit(&line->beat, 1, memory_order_relaxed);
	}
	for (size_t i = 0; i < line->count; i++)
		line_noise_last(line, &line->units[i]);
	return NULL;
}

/* Libraries that wait with select(2) need the low descriptors; a thousand stop signals must not use them up. */
static int new_stop_fd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FD_SETSIZE);
	if (high >= 0)
		close(fd);
	return high >= 0 ? high : fd;
}

static uint32_t hash(const char *text)
{
	uint32_t value = 2166136261u; /* FNV-1a */
	for (; *text; text++)
		value = (value ^ (uint8_t)*text) * 16777619u;
	return value;
}

static int unit_init(struct line *line, struct unit *unit, const struct instrument_config *config)
{
	unit->config = config;
	unit->stats.health = HEALTH_STARTING;
	unit->instrument = (struct instrument){
		.driver = config->driver,
		.options = config->options,
		.profile = config->profile,
		.identity = config->identity,
	};
	long spread_ms = line->modbus ? least((long)config->poll_ms, SPREAD_MS) : 0;
	unit->due_ms = unit->turn_ms =
		clock_ms() + (spread_ms > 0 ? (long)(hash(config->id) % (uint32_t)spread_ms) : 0);
	if (!(unit->instrument.state = calloc(1, driver_state_size(config->driver, config->profile))))
		return -ENOMEM;
	return 0;
}

static void unit_free(struct unit *unit)
{
	free(unit->instrument.state);
	line_noise_free(unit);
}

static void line_free(struct line *line)
{
	link_free(line->link);
	for (size_t i = 0; i < line->count; i++)
		unit_free(&line->units[i]);
	cutter_reset(&line->cutter);
	line_readings_free(&line->readings);
	line_rows_free(line);
	if (line->stop_fd >= 0)
		close(line->stop_fd);
	pthread_mutex_destroy(&line->lock);
	config_release(line->config);
	free(line);
}

static int start_thread(struct line *line)
{
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	int error = pthread_create(&line->thread, &attributes, run, line);
	pthread_attr_destroy(&attributes);
	if (!error)
		pthread_setname_np(line->thread, "line");
	return -error;
}

static int line_prepare(
	struct line *line, struct instrument_config *const *instruments, size_t count, struct fault *fault)
{
	const struct port *port = &instruments[0]->port;
	int error = line->stop_fd < 0 ? -errno : line_readings_new(&line->readings);
	line->modbus = instruments[0]->driver->links == LINK_MODBUS; /* also a recorded one */
	while (!error && line->count < count) {
		line->count++; /* so that line_free() sees a unit half made */
		error = unit_init(line, &line->units[line->count - 1], instruments[line->count - 1]);
	}
	if (error)
		return fault_set(fault, -error, "%s: %s", instruments[0]->id, strerror(-error));
	error = link_new(port, line->stop_fd, &line->link, fault);
	if (!error)
		link_set_beat(line->link, &line->beat);
	return error;
}

int line_start(struct config *config, struct instrument_config *const *instruments, size_t count, struct intake *intake,
	struct journal *journal, struct line **ret, struct fault *fault)
{
	struct line *line = calloc(1, sizeof(*line) + count * sizeof(line->units[0]));
	if (!line)
		return fault_set(fault, ENOMEM, _("%s: out of memory"), instruments[0]->id);
	line->config = config_hold(config);
	line->intake = intake;
	line->journal = journal;
	line->stop_fd = new_stop_fd();
	pthread_mutex_init(&line->lock, NULL);
	int error = line_prepare(line, instruments, count, fault);
	if (!error && (error = start_thread(line)) < 0)
		fault_set(fault, -error, _("%s: no thread for its line: %s"), instruments[0]->id, strerror(-error));
	if (error < 0) {
		line_free(line);
		return error;
	}
	*ret = line;
	return 0;
}

void line_stop(struct line *line)
{
	if (!line)
		return;
	eventfd_write(line->stop_fd, 1);
	pthread_join(line->thread, NULL);
	line_free(line);
}

size_t line_count(const struct line *line)
{
	return line->count;
}

const struct instrument_config *line_instrument(const struct line *line, size_t index)
{
	return line->units[index].config;
}

const struct instrument_stats *line_stats(const struct line *line, size_t index)
{
	return &line->units[index].stats;
}

void line_fault(struct line *line, size_t index, struct fault *out)
{
	pthread_mutex_lock(&line->lock);
	*out = line->units[index].fault;
	pthread_mutex_unlock(&line->lock);
}

void line_maker(struct line *line, size_t index, struct maker *out)
{
	pthread_mutex_lock(&line->lock);
	*out = line->units[index].maker;
	pthread_mutex_unlock(&line->lock);
}

void line_clock(struct line *line, size_t index, struct clock_report *out)
{
	pthread_mutex_lock(&line->lock);
	*out = line->units[index].clock;
	pthread_mutex_unlock(&line->lock);
}

unsigned long line_beat(const struct line *line)
{
	return line->beat;
}

int line_tap(struct line *line, struct tap *tap, struct fault *fault)
{
	return link_tap(line->link, tap, fault);
}
