/* Lines with a real journal, intake and links, and instruments that a thread plays on pseudo terminals.
 *
 * The driver here is a small one of the test's own: it reads one register as the running number of a result and stores
 * it with the number as cursor, which makes every step of the line visible.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/clock.h"
#include "../../daemon/line.h"
#include "../../daemon/log.h"
#include "../../drivers/checksum.h"
#include "journal_fixture.h"

long __real_clock_ms(void);
long __wrap_clock_ms(void);

static _Atomic long forward_ms;

long __wrap_clock_ms(void)
{
	return __real_clock_ms() + forward_ms;
}

/* ---- the drivers ---- */

struct counter_state {
	unsigned asked, answered, silences, setups;
	char first_cursor[CURSOR_MAX];
};

static int counter_setup(struct instrument *instrument, struct fault *fault)
{
	(void)fault;
	struct counter_state *state = instrument->state;
	state->setups++;
	snprintf(state->first_cursor, sizeof(state->first_cursor), "%s", instrument->cursor);
	return 0;
}

static void counter_ask(struct instrument *instrument, struct request *request)
{
	((struct counter_state *)instrument->state)->asked++;
	request->kind = REQUEST_READ;
	request->address = 1;
	request->count = 1;
}

static void add_result(struct readings *readings, const char *number, const uint8_t *raw, size_t length)
{
	struct reading *reading = readings_add(readings);
	snprintf(reading->instrument_seq, sizeof(reading->instrument_seq), "%s", number);
	snprintf(reading->value, sizeof(reading->value), "%s", number);
	snprintf(reading->item, sizeof(reading->item), "test");
	reading->repeatable = true;
	reading->raw = reading->identity = raw;
	reading->raw_length = reading->identity_length = length;
	snprintf(readings->cursor, sizeof(readings->cursor), "%s", number);
}

static enum next counter_take(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct counter_state *state = instrument->state;
	if (reply->kind == REPLY_SILENCE)
		state->silences++;
	if (reply->kind != REPLY_REGISTERS)
		return NEXT_IDLE;
	state->answered++;
	char number[8];
	snprintf(number, sizeof(number), "%u", (unsigned)reply->registers[0]);
	if (strcmp(number, instrument->cursor) != 0)
		add_result(readings, number, reply->bytes, reply->length);
	return NEXT_IDLE;
}

static const struct driver counter = {
	.name = "counter",
	.version = 1,
	.links = LINK_MODBUS,
	.state_size = sizeof(struct counter_state),
	.setup = counter_setup,
	.ask = counter_ask,
	.take = counter_take,
};

/* A printer: speaks unasked, "<12>" is result 12. */
static int ticket_setup(struct instrument *instrument, struct fault *fault)
{
	(void)instrument, (void)fault;
	return 0;
}

static void ticket_ask(struct instrument *instrument, struct request *request)
{
	(void)instrument, (void)request;
}

static int ticket_frame(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	(void)instrument;
	if (data[0] != '<')
		return FRAME_NONE;
	const uint8_t *end = memchr(data, '>', length);
	return end ? (int)(end - data) + 1 : length > 8 ? FRAME_NONE : FRAME_MORE;
}

static enum next ticket_take(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	(void)instrument;
	char number[12];
	if (reply->kind == REPLY_FRAME && reply->bytes[1] == 'X') {
		readings->rejected++;
	} else if (reply->kind == REPLY_FRAME) {
		snprintf(number, sizeof(number), "%.*s", (int)reply->length - 2, (const char *)reply->bytes + 1);
		add_result(readings, number, reply->bytes, reply->length);
	}
	return NEXT_IDLE;
}

static const struct driver ticket = {
	.name = "ticket",
	.version = 1,
	.links = LINK_SERIAL | LINK_TCP,
	.manner = MANNER_LISTENS,
	.setup = ticket_setup,
	.ask = ticket_ask,
	.frame = ticket_frame,
	.take = ticket_take,
};

/* A printer whose tickets only silence ends: "#12" is result 12. */
static int slip_frame(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	return data[0] != '#' ? FRAME_NONE : instrument->idle ? (int)length : FRAME_MORE;
}

static enum next slip_take(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	(void)instrument;
	char number[12];
	if (reply->kind == REPLY_FRAME) {
		snprintf(number, sizeof(number), "%.*s", (int)reply->length - 1, (const char *)reply->bytes + 1);
		add_result(readings, number, reply->bytes, reply->length);
	}
	return NEXT_WAIT;
}

static const struct driver slip = {
	.name = "slip",
	.version = 1,
	.links = LINK_SERIAL | LINK_TCP,
	.manner = MANNER_LISTENS,
	.setup = ticket_setup,
	.ask = ticket_ask,
	.frame = slip_frame,
	.take = slip_take,
};

/* A reader that answers "?" with a ticket, on two wires: it may hear itself. */
static void asker_ask(struct instrument *instrument, struct request *request)
{
	(void)instrument;
	request->kind = REQUEST_BYTES;
	request->bytes[0] = '?';
	request->length = 1;
}

static int asker_frame(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	return data[0] == '?' ? 1 : ticket_frame(instrument, data, length);
}

static enum next asker_take(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	bool echo = reply->kind == REPLY_FRAME && reply->length == 1;
	return echo ? NEXT_WAIT : ticket_take(instrument, reply, readings);
}

static const struct driver asker = {
	.name = "asker",
	.version = 1,
	.links = LINK_SERIAL,
	.manner = MANNER_ASKS,
	.setup = ticket_setup,
	.ask = asker_ask,
	.frame = asker_frame,
	.take = asker_take,
};

/* One that answers only when its user lets it. */
static void rester_ask(struct instrument *instrument, struct request *request)
{
	asker_ask(instrument, request);
	request->may_rest = true;
}

static const struct driver rester = {
	.name = "rester",
	.version = 1,
	.links = LINK_SERIAL,
	.manner = MANNER_ASKS,
	.setup = ticket_setup,
	.ask = rester_ask,
	.frame = asker_frame,
	.take = asker_take,
};

/* ---- the instruments ---- */

struct bus { /* Modbus units 1..4 on a pty; each answers its own running number */
	int fd, tty;
	char name[64];
	pthread_t thread;
	_Atomic bool stop;
	_Atomic unsigned dead;      /* bit of each unit that says nothing */
	_Atomic unsigned number[5]; /* what it answers; 0: counts up by itself */
	_Atomic unsigned asked[5];
};

static void *play_bus(void *context)
{
	struct bus *bus = context;
	uint8_t ask[8], out[7];
	size_t have = 0;
	while (!bus->stop) {
		struct pollfd wait = { .fd = bus->fd, .events = POLLIN };
		if (poll(&wait, 1, 20) <= 0 || !(wait.revents & POLLIN))
			continue;
		ssize_t got = read(bus->fd, ask + have, sizeof(ask) - have);
		if (got <= 0)
			continue;
		have += (size_t)got;
		if (have < sizeof(ask))
			continue;
		have = 0;
		unsigned unit = ask[0];
		if (unit < 1 || unit > 4)
			continue;
		unsigned count = ++bus->asked[unit], number = bus->number[unit] ? bus->number[unit] : count;
		if (bus->dead & 1u << unit)
			continue;
		memcpy(out, (const uint8_t[]){ ask[0], ask[1], 2, (uint8_t)(number >> 8), (uint8_t)number }, 5);
		uint16_t sum = checksum_crc16(out, 5);
		out[5] = (uint8_t)sum;
		out[6] = (uint8_t)(sum >> 8);
		if (write(bus->fd, out, sizeof(out)) < 0)
			break;
	}
	return NULL;
}

static void open_pty(int *fd, int *tty, char *name)
{
	struct termios raw;
	assert_int_equal(openpty(fd, tty, name, NULL, NULL), 0);
	tcgetattr(*tty, &raw);
	cfmakeraw(&raw);
	tcsetattr(*tty, TCSANOW, &raw);
}

static void bus_start(struct bus *bus)
{
	memset(bus, 0, sizeof(*bus));
	open_pty(&bus->fd, &bus->tty, bus->name);
	assert_int_equal(pthread_create(&bus->thread, NULL, play_bus, bus), 0);
}

static void bus_stop(struct bus *bus)
{
	bus->stop = true;
	pthread_join(bus->thread, NULL);
	close(bus->fd);
	close(bus->tty);
}

/* ---- the room ---- */

struct stage {
	struct fixture *fixture;
	struct config *config;
	struct intake *intake;
	struct instrument_config instruments[4], *list[4];
	size_t count;
	struct line *line;
};

static int stage_setup(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	*state = stage;
	log_set_level(LOG_LEVEL_ERROR);
	stage->fixture = fixture_directory();
	if (fixture_start(stage->fixture))
		return -1;
	stage->config = calloc(1, sizeof(*stage->config));
	stage->config->holders = 1;
	snprintf(stage->config->station.code, sizeof(stage->config->station.code), "330421103-01");
	stage->intake = intake_new(stage->fixture->journal, stage->config);
	return 0;
}

static int stage_teardown(void **state)
{
	struct stage *stage = *state;
	line_stop(stage->line);
	intake_free(stage->intake);
	fixture_stop(stage->fixture);
	char command[128];
	snprintf(command, sizeof(command), "rm -rf '%s'", stage->fixture->directory);
	if (system(command))
		return -1;
	free(stage->fixture);
	config_release(stage->config);
	free(stage);
	return 0;
}

static struct instrument_config *add_instrument(
	struct stage *stage, const struct driver *driver, enum port_kind kind, const char *path)
{
	struct instrument_config *config = &stage->instruments[stage->count];
	stage->list[stage->count++] = config;
	snprintf(config->id, sizeof(config->id), "in-%zu", stage->count);
	config->driver = driver;
	config->port = (struct port){ .kind = kind, .baud = 115200, .data_bits = 8, .stop_bits = 1 };
	snprintf(config->port.path, sizeof(config->port.path), "%s", path);
	snprintf(config->port.text, sizeof(config->port.text), "%s", path);
	config->unit = (long)stage->count;
	config->poll_ms = 100;
	config->timeout_ms = 300;
	config->lateness_ms = 500;
	return config;
}

static void start(struct stage *stage)
{
	struct fault fault;
	if (line_start(stage->config, stage->list, stage->count, stage->intake, stage->fixture->journal, &stage->line,
		    &fault))
		fail_msg("%s", fault.text);
}

static const struct instrument_stats *stats(const struct stage *stage, size_t index)
{
	return line_stats(stage->line, index);
}

struct search {
	const char *text;
	unsigned found;
};

static int look(void *context, const struct stored *stored)
{
	struct search *search = context;
	search->found += memmem(stored->payload, stored->length, search->text, strlen(search->text)) != NULL;
	return 0;
}

/* Entries of the journal that hold this text. */
static unsigned entries_with(const struct stage *stage, const char *text)
{
	struct search search = { .text = text };
	struct fault fault;
	assert_true(journal_read(stage->fixture->reader, 1, 100000, look, &search, &fault) >= 0);
	return search.found;
}

#define WAIT_FOR(condition, seconds)                                                                                   \
	do {                                                                                                           \
		long until_ = clock_ms() + (seconds)*1000;                                                             \
		while (!(condition) && clock_ms() < until_)                                                            \
			usleep(5000);                                                                                  \
		assert_true(condition);                                                                                \
	} while (0)

static double cpu_seconds(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* ---- the promises ---- */

static void every_result_is_stored_once_and_the_period_is_kept(void **state)
{
	struct stage *stage = *state;
	struct bus bus;
	bus_start(&bus);
	add_instrument(stage, &counter, PORT_MODBUS_RTU, bus.name);
	start(stage);
	WAIT_FOR(stats(stage, 0)->stored >= 1, 3);
	long begun = clock_ms();
	unsigned long polls = stats(stage, 0)->polls;
	while (clock_ms() < begun + 2000)
		usleep(1000);
	assert_in_range(stats(stage, 0)->polls - polls, 5, 21); /* how well a period is kept is the bench's figure */
	assert_int_equal(stats(stage, 0)->health, HEALTH_OK);
	bus.number[1] = 7000; /* the same result again and again: stored once */
	WAIT_FOR(entries_with(stage, "\"instrument_seq\":\"7000\"") == 1, 2);
	usleep(400000);
	assert_int_equal(entries_with(stage, "\"instrument_seq\":\"7000\""), 1);
	line_stop(stage->line);
	stage->line = NULL;
	assert_int_equal(entries_with(stage, "instrument_lost"), 0);
	/* a line started again goes on from the durable cursor */
	start(stage);
	WAIT_FOR(stats(stage, 0)->polls > 3, 3);
	assert_int_equal(entries_with(stage, "\"instrument_seq\":\"7000\""), 1);
	bus_stop(&bus);
}

static void one_dead_unit_leaves_the_others_95_percent_of_their_rate(void **state)
{
	struct stage *stage = *state;
	struct bus bus;
	bus_start(&bus);
	bus.dead = 1u << 4;
	for (int i = 0; i < 4; i++)
		add_instrument(stage, &counter, PORT_MODBUS_RTU, bus.name)->poll_ms = 200;
	for (unsigned unit = 1; unit <= 4; unit++)
		bus.number[unit] = 1;
	start(stage);
	long begun = clock_ms();
	WAIT_FOR(stats(stage, 3)->health == HEALTH_SILENT, 5);
	while (clock_ms() < begun + 12000)
		usleep(1000);
	for (size_t i = 0; i < 3; i++) {
		print_message("unit %zu: %lu polls of 60\n", i + 1, stats(stage, i)->polls);
		assert_in_range(stats(stage, i)->polls, 57, 62);
		assert_int_equal(stats(stage, i)->health, HEALTH_OK);
	}
	assert_in_range(stats(stage, 3)->timeouts, 1, 3);
	assert_int_equal(entries_with(stage, "\"instrument_lost\""), 1);
	assert_int_equal(entries_with(stage, "\"instrument_back\""), 0);
	struct fault fault;
	line_fault(stage->line, 3, &fault);
	assert_non_null(strstr(fault.text, "no answer"));
	line_fault(stage->line, 0, &fault);
	assert_string_equal(fault.text, "");
	bus_stop(&bus);
}

static void a_silent_instrument_is_announced_once_and_so_is_its_return(void **state)
{
	struct stage *stage = *state;
	struct bus bus;
	bus_start(&bus);
	bus.number[1] = 5;
	add_instrument(stage, &counter, PORT_MODBUS_RTU, bus.name)->lateness_ms = 100;
	start(stage);
	WAIT_FOR(stats(stage, 0)->stored == 1, 3);
	bus.dead = 1u << 1;
	WAIT_FOR(stats(stage, 0)->health == HEALTH_SILENT, 5);
	WAIT_FOR(stats(stage, 0)->timeouts >= 4, 10);
	assert_int_equal(entries_with(stage, "\"instrument_lost\""), 1);
	bus.dead = 0;
	WAIT_FOR(stats(stage, 0)->health == HEALTH_OK, 6);
	WAIT_FOR(entries_with(stage, "\"instrument_back\"") == 1, 2);
	usleep(500000);
	assert_int_equal(entries_with(stage, "\"instrument_lost\""), 1);
	assert_int_equal(entries_with(stage, "\"instrument_back\""), 1);
	assert_int_equal(entries_with(stage, "\"instrument_seq\":\"5\""), 1);
	bus_stop(&bus);
}

/* Pushes "<n>" on a pty; unplugs and plugs it in again. */
static void a_pushing_instrument_is_heard_at_once_and_found_again_after_replugging(void **state)
{
	struct stage *stage = *state;
	int fd, tty, other, other_tty;
	char name[64], other_name[64], by_id[128];
	open_pty(&fd, &tty, name);
	snprintf(by_id, sizeof(by_id), "%s/usb-printer", stage->fixture->directory);
	assert_int_equal(symlink(name, by_id), 0);
	add_instrument(stage, &ticket, PORT_SERIAL, by_id);
	start(stage);
	WAIT_FOR(stats(stage, 0)->health == HEALTH_OK, 2);
	long begun = clock_ms();
	assert_int_equal(write(fd, "?!<1", 4), 4);
	usleep(20000);
	assert_int_equal(write(fd, "><2>", 4), 4);
	WAIT_FOR(stats(stage, 0)->stored == 2, 2);
	assert_in_range(clock_ms() - begun, 0, 500);
	assert_int_equal(stats(stage, 0)->noise_bytes, 2);

	close(fd);
	close(tty);
	unlink(by_id);
	WAIT_FOR(stats(stage, 0)->health == HEALTH_NO_LINK, 2);
	double spent = cpu_seconds();
	unsigned long beat = line_beat(stage->line);
	usleep(3000000);
	double share = (cpu_seconds() - spent) / 3.0;
	print_message("%.2f %% of a core while unplugged\n", share * 100);
	assert_true(share < 0.02);
	assert_true(line_beat(stage->line) > beat);
	assert_int_equal(entries_with(stage, "\"instrument_lost\""), 1);

	open_pty(&fd, &tty, name);
	open_pty(&other, &other_tty, other_name);
	assert_int_equal(symlink(other_name, by_id), 0);
	begun = clock_ms();
	WAIT_FOR(stats(stage, 0)->health == HEALTH_OK, 15);
	print_message(
		"back %ld ms after replugging\n", clock_ms() - begun); /* 5 s are promised: row I1 of the campaign */
	assert_int_equal(write(other, "<3>", 3), 3);
	WAIT_FOR(stats(stage, 0)->stored == 3, 2);
	WAIT_FOR(entries_with(stage, "\"instrument_back\"") == 1, 2);
	assert_int_equal(entries_with(stage, "\"instrument_lost\""), 1);
	line_stop(stage->line);
	stage->line = NULL;
	unlink(by_id);
	close(fd);
	close(tty);
	close(other);
	close(other_tty);
}

static int dial(int number)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)number) };
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static int free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	getsockname(fd, (struct sockaddr *)&at, &size);
	close(fd);
	return ntohs(at.sin_port);
}

/* An instrument that dials in for each result is not lost whenever it hangs up. */
static void an_instrument_that_dials_in_is_heard_each_time(void **state)
{
	struct stage *stage = *state;
	struct instrument_config *config = add_instrument(stage, &ticket, PORT_TCP_LISTEN, "");
	config->port.number = free_port();
	snprintf(config->port.host, sizeof(config->port.host), "127.0.0.1");
	start(stage);
	WAIT_FOR(stats(stage, 0)->health == HEALTH_NO_LINK, 2);
	for (unsigned result = 1; result <= 3; result++) {
		int fd = dial(config->port.number);
		char text[8];
		int length = snprintf(text, sizeof(text), "<%u>", result);
		assert_int_equal(write(fd, text, (size_t)length), length);
		WAIT_FOR(stats(stage, 0)->stored == result, 3);
		assert_int_equal(stats(stage, 0)->health, HEALTH_OK);
		close(fd);
		WAIT_FOR(stats(stage, 0)->health == HEALTH_NO_LINK, 3);
	}
	assert_int_equal(entries_with(stage, "\"instrument_lost\""), 0);
}

static struct instrument_config *add_listener(struct stage *stage, const struct driver *driver)
{
	struct instrument_config *config = add_instrument(stage, driver, PORT_TCP_LISTEN, "");
	config->port.number = free_port();
	snprintf(config->port.host, sizeof(config->port.host), "127.0.0.1");
	config->timeout_ms = 5000;
	return config;
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void who_hangs_up_has_said_all(void **state)
{
	struct stage *stage = *state;
	int number = add_listener(stage, &slip)->port.number;
	start(stage);
	WAIT_FOR(stats(stage, 0)->health == HEALTH_NO_LINK, 2);
	int fd = dial(number);
	say(fd, "?!#17");
	close(fd);
	WAIT_FOR(stats(stage, 0)->stored == 1, 3);
	WAIT_FOR(entries_with(stage, "\"instrument_seq\":\"17\"") == 1, 2);
	assert_int_equal(entries_with(stage, "\"raw\":\"PyE=\""), 1);
}

static void half_a_frame_before_a_hang_up_is_told(void **state)
{
	struct stage *stage = *state;
	int number = add_listener(stage, &ticket)->port.number;
	start(stage);
	WAIT_FOR(stats(stage, 0)->health == HEALTH_NO_LINK, 2);
	int fd = dial(number);
	say(fd, "<4><5><6");
	close(fd);
	WAIT_FOR(entries_with(stage, "\"raw\":\"PDY=\",\"offset\":6") == 1, 3);
	assert_int_equal(stats(stage, 0)->stored, 2);
	assert_int_equal(stats(stage, 0)->noise_bytes, 2);
}

/* What came whole before we are stopped is stored; what was coming is kept as what it is. */
static void what_is_held_when_the_line_stops_is_not_forgotten(void **state)
{
	struct stage *stage = *state;
	int number = add_listener(stage, &slip)->port.number;
	start(stage);
	WAIT_FOR(stats(stage, 0)->health == HEALTH_NO_LINK, 2);
	int fd = dial(number);
	say(fd, "#18");
	WAIT_FOR(stats(stage, 0)->health == HEALTH_OK, 2); /* it has been read */
	usleep(700000);
	assert_int_equal(stats(stage, 0)->stored, 0);
	line_stop(stage->line);
	assert_int_equal(entries_with(stage, "\"instrument_seq\":\"18\""), 1);
	close(fd);

	start(stage);
	WAIT_FOR(stats(stage, 0)->health == HEALTH_NO_LINK, 2);
	fd = dial(number);
	say(fd, "zz"); /* told; the next would only be counted */
	WAIT_FOR(entries_with(stage, "\"raw\":\"eno=\"") == 1, 4);
	say(fd, "#1");
	usleep(100000);
	line_stop(stage->line);
	stage->line = NULL;
	close(fd);
	assert_int_equal(entries_with(stage, "\"instrument_seq\":\"1\""), 0);
	assert_int_equal(entries_with(stage, "\"raw\":\"IzE=\""), 1);
}

/* A serial plug is pulled at any moment: half a ticket is no result. */
static void what_is_unplugged_while_it_speaks_has_not_said_all(void **state)
{
	struct stage *stage = *state;
	int fd, tty;
	char name[64];
	open_pty(&fd, &tty, name);
	add_instrument(stage, &slip, PORT_SERIAL, name)->timeout_ms = 5000;
	start(stage);
	WAIT_FOR(stats(stage, 0)->health == HEALTH_OK, 2);
	say(fd, "#1");
	usleep(50000);
	close(fd);
	close(tty);
	WAIT_FOR(entries_with(stage, "\"raw\":\"IzE=\"") == 1, 3);
	assert_int_equal(stats(stage, 0)->stored, 0);
}

static void give_back(int fd, const char *answer)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char question[8];
	ssize_t got = poll(&wait, 1, 20) > 0 ? read(fd, question, sizeof(question)) : 0;
	if (got > 0) {
		assert_int_equal(write(fd, question, (size_t)got), got);
		say(fd, answer);
	}
}

static void our_own_question_given_back_is_no_answer(void **state)
{
	struct stage *stage = *state;
	int fd, tty;
	char name[64];
	open_pty(&fd, &tty, name);
	add_instrument(stage, &asker, PORT_SERIAL, name)->timeout_ms = 100;
	start(stage);
	for (long end_ms = clock_ms() + 10000; stats(stage, 0)->health != HEALTH_SILENT && clock_ms() < end_ms;)
		give_back(fd, "");
	assert_int_equal(stats(stage, 0)->health, HEALTH_SILENT);
	for (long end_ms = clock_ms() + 10000; stats(stage, 0)->health != HEALTH_OK && clock_ms() < end_ms;)
		give_back(fd, "<5>");
	WAIT_FOR(stats(stage, 0)->stored == 1, 3);
	assert_int_equal(stats(stage, 0)->health, HEALTH_OK);
	line_stop(stage->line);
	stage->line = NULL;
	close(fd);
	close(tty);
}

/* "": none. */
static bool says(const struct stage *stage, const char *words)
{
	struct fault fault;
	line_fault(stage->line, 0, &fault);
	return *words ? strstr(fault.text, words) != NULL : !*fault.text;
}

static void expect_fault(const struct stage *stage, const char *words)
{
	struct fault fault;
	line_fault(stage->line, 0, &fault);
	if (!says(stage, words))
		fail_msg("'%s' does not say '%s'", fault.text, words);
}

/* Drips noise until the instrument is in this state of health. */
static void drip_until(const struct stage *stage, int fd, int health)
{
	for (long end_ms = clock_ms() + 15000; stats(stage, 0)->health != health && clock_ms() < end_ms;) {
		say(fd, "UUU");
		usleep(50000);
	}
	assert_int_equal(stats(stage, 0)->health, health);
}

/* It drips faster than an answer may take: the question must not wait for ever. */
static void noise_is_no_answer_and_is_said_to_be_noise(void **state)
{
	struct stage *stage = *state;
	int fd, tty;
	char name[64];
	open_pty(&fd, &tty, name);
	add_instrument(stage, &asker, PORT_SERIAL, name)->timeout_ms = 200;
	start(stage);
	for (long end_ms = clock_ms() + 10000; !stats(stage, 0)->stored && clock_ms() < end_ms;)
		give_back(fd, "<5>");
	WAIT_FOR(stats(stage, 0)->health == HEALTH_OK, 2);
	drip_until(stage, fd, HEALTH_SILENT);
	expect_fault(stage, "check speed, parity and cable");
	WAIT_FOR(entries_with(stage, "\"event\":\"instrument_lost\"") == 1, 2);
	for (long end_ms = clock_ms() + 10000; stats(stage, 0)->health != HEALTH_OK && clock_ms() < end_ms;)
		give_back(fd, "<6>");
	WAIT_FOR(stats(stage, 0)->stored == 2, 3);
	expect_fault(stage, "");
	line_stop(stage->line);
	stage->line = NULL;
	close(fd);
	close(tty);
}

/* Of one that speaks unasked no answer is owed: it is not lost, but what comes is none of its words. */
static void of_one_that_only_makes_noise_who_looks_is_told(void **state)
{
	struct stage *stage = *state;
	int fd, tty;
	char name[64], blanks[100];
	open_pty(&fd, &tty, name);
	add_instrument(stage, &ticket, PORT_SERIAL, name);
	start(stage);
	WAIT_FOR(stats(stage, 0)->health == HEALTH_OK, 2);
	memset(blanks, '\r', sizeof(blanks));
	assert_int_equal(write(fd, blanks, sizeof(blanks)), sizeof(blanks));
	say(fd, "a plug, a switch");
	WAIT_FOR(entries_with(stage, "\"event\":\"undecodable\"") == 1, 4);
	assert_int_equal(stats(stage, 0)->health, HEALTH_OK);
	for (long end_ms = clock_ms() + 15000; !says(stage, "driver and profile are") && clock_ms() < end_ms;) {
		say(fd, "UUU");
		usleep(50000);
	}
	expect_fault(stage, "driver and profile are those of this model");
	assert_int_equal(stats(stage, 0)->health, HEALTH_OK);
	say(fd, "<1>");
	WAIT_FOR(stats(stage, 0)->stored == 1, 3);
	WAIT_FOR(says(stage, ""), 3);
	assert_int_equal(entries_with(stage, "\"event\":\"instrument_lost\""), 0);
	line_stop(stage->line);
	stage->line = NULL;
	close(fd);
	close(tty);
}

/* It was never heard yet, and owes no answer: what could begin one and goes no further is a stray byte. */
static void a_stray_byte_loses_nobody_who_rests(void **state)
{
	struct stage *stage = *state;
	int fd, tty;
	char name[64];
	open_pty(&fd, &tty, name);
	add_instrument(stage, &rester, PORT_SERIAL, name)->timeout_ms = 100;
	start(stage);
	WAIT_FOR(stats(stage, 0)->health == HEALTH_OK, 3);
	for (unsigned long stray = 1; stray <= 2; stray++) {
		say(fd, "<");
		WAIT_FOR(stats(stage, 0)->noise_bytes == stray, 3);
		unsigned long polls = stats(stage, 0)->polls;
		WAIT_FOR(stats(stage, 0)->polls > polls, 7); /* one that is lost is asked more rarely */
		assert_int_equal(stats(stage, 0)->health, HEALTH_OK);
	}
	expect_fault(stage, "");
	assert_int_equal(entries_with(stage, "\"event\":\"instrument_lost\""), 0);
	WAIT_FOR(entries_with(stage, "\"raw\":\"PA==\"") == 1, 3); /* as noise it is told all the same */
	say(fd, "<5>");
	WAIT_FOR(stats(stage, 0)->stored == 1, 3);
	line_stop(stage->line);
	stage->line = NULL;
	close(fd);
	close(tty);
}

/* What it says when it is switched on is no word of its language, and nothing of its cable once it is over. */
static void a_banner_is_not_held_against_one_who_rests(void **state)
{
	struct stage *stage = *state;
	int fd, tty;
	char name[64], banner[80];
	open_pty(&fd, &tty, name);
	add_instrument(stage, &rester, PORT_SERIAL, name)->timeout_ms = 100;
	start(stage);
	WAIT_FOR(stats(stage, 0)->health == HEALTH_OK, 3);
	memset(banner, '*', sizeof(banner));
	assert_int_equal(write(fd, banner, sizeof(banner)), sizeof(banner));
	WAIT_FOR(stats(stage, 0)->noise_bytes == sizeof(banner), 3);
	forward_ms += 4000;
	WAIT_FOR(says(stage, "check speed, parity and cable"), 3); /* for all we know it still comes */
	forward_ms += 10000;
	WAIT_FOR(says(stage, ""), 3);
	assert_int_equal(stats(stage, 0)->health, HEALTH_OK);
	line_stop(stage->line);
	stage->line = NULL;
	close(fd);
	close(tty);
}

/* A line listens for a minute: what comes late in it has as much time as what comes at its beginning. */
static void what_begins_behind_a_blank_has_its_time(void **state)
{
	struct stage *stage = *state;
	int fd, tty;
	char name[64];
	open_pty(&fd, &tty, name);
	add_instrument(stage, &ticket, PORT_SERIAL, name)->timeout_ms = 300;
	start(stage);
	WAIT_FOR(stats(stage, 0)->health == HEALTH_OK, 2);
	usleep(500000);
	say(fd, "\r\n<1");
	usleep(100000);
	say(fd, "2>");
	WAIT_FOR(stats(stage, 0)->stored == 1, 3);
	assert_int_equal(entries_with(stage, "undecodable"), 0);
	line_stop(stage->line);
	stage->line = NULL;
	close(fd);
	close(tty);
}

/* A noisy line: the first run is told at once with its bytes, the next are only counted, and neither costs a result. */
static void what_is_no_frame_is_told_once_with_its_bytes_and_then_counted(void **state)
{
	struct stage *stage = *state;
	int fd, tty;
	char name[64], noise[700];
	open_pty(&fd, &tty, name);
	add_instrument(stage, &ticket, PORT_SERIAL, name);
	start(stage);
	WAIT_FOR(stats(stage, 0)->health == HEALTH_OK, 2);
	assert_int_equal(write(fd, "<1>\r\n <2>", 9), 9); /* what stands between messages is no event */
	WAIT_FOR(stats(stage, 0)->stored == 2 && stats(stage, 0)->noise_bytes == 3, 2);
	assert_int_equal(entries_with(stage, "undecodable"), 0);
	memset(noise, '?', sizeof(noise));
	assert_int_equal(write(fd, noise, sizeof(noise)), sizeof(noise));
	WAIT_FOR(entries_with(stage, "\"event\":\"undecodable\"") == 1, 4); /* a pause ends the run */
	assert_int_equal(entries_with(stage, "\"raw\":\"Pz8/"), 1);
	assert_int_equal(entries_with(stage, "\"offset\":9"), 1);
	assert_int_equal(entries_with(stage, "\"raw_length\":700"), 1);
	for (int i = 0; i < 50; i++)
		assert_true(dprintf(fd, "?!<%d>", i + 3) > 0);
	WAIT_FOR(stats(stage, 0)->stored == 52 && stats(stage, 0)->noise_bytes == 803, 4);
	assert_int_equal(entries_with(stage, "undecodable"), 1);
	line_stop(stage->line);
	stage->line = NULL;
	close(fd);
	close(tty);
}

/* Between two polls nothing is held that could take the counted runs along. */
static void runs_that_were_only_counted_are_told_when_the_line_stops(void **state)
{
	struct stage *stage = *state;
	int fd, tty;
	char name[64];
	open_pty(&fd, &tty, name);
	add_instrument(stage, &asker, PORT_SERIAL, name)->poll_ms = 500;
	start(stage);
	const char *const answers[] = { "zz<1>", "!<2>", "\r\n<3>", "yyy<4>" };
	for (unsigned long i = 0; i < 4; i++) {
		WAIT_FOR(stats(stage, 0)->polls > i, 5);
		say(fd, answers[i]);
		WAIT_FOR(stats(stage, 0)->stored == i + 1, 3);
	}
	assert_int_equal(entries_with(stage, "undecodable"), 1);
	assert_int_equal(entries_with(stage, "runs_not_kept"), 0);
	line_stop(stage->line);
	stage->line = NULL;
	assert_int_equal(entries_with(stage, "undecodable"), 2);
	assert_int_equal(entries_with(stage, "\"runs_not_kept\":2,\"bytes_not_kept\":4"), 1);
	start(stage); /* once: one that heard nothing has nothing to tell */
	WAIT_FOR(stats(stage, 0)->polls > 0, 3);
	line_stop(stage->line);
	stage->line = NULL;
	assert_int_equal(entries_with(stage, "undecodable"), 2);
	close(fd);
	close(tty);
}

static void a_frame_the_driver_refuses_keeps_its_bytes(void **state)
{
	struct stage *stage = *state;
	int fd, tty;
	char name[64];
	open_pty(&fd, &tty, name);
	add_instrument(stage, &ticket, PORT_SERIAL, name);
	start(stage);
	WAIT_FOR(stats(stage, 0)->health == HEALTH_OK, 2);
	assert_int_equal(write(fd, "<1><X><2>", 9), 9);
	WAIT_FOR(stats(stage, 0)->stored == 2 && stats(stage, 0)->rejected == 1, 2);
	WAIT_FOR(entries_with(stage, "\"raw\":\"PFg+\",\"offset\":3") == 1, 2);
	assert_int_equal(entries_with(stage, "a frame is refused"), 1);
	line_stop(stage->line);
	stage->line = NULL;
	close(fd);
	close(tty);
}

static void half_a_ticket_is_noise_once_its_time_is_over(void **state)
{
	struct stage *stage = *state;
	int fd, tty;
	char name[64];
	open_pty(&fd, &tty, name);
	add_instrument(stage, &ticket, PORT_SERIAL, name)->timeout_ms = 200;
	start(stage);
	assert_int_equal(write(fd, "<9", 2), 2);
	WAIT_FOR(stats(stage, 0)->noise_bytes == 2, 2);
	assert_int_equal(write(fd, "<10>", 4), 4);
	WAIT_FOR(stats(stage, 0)->stored == 1, 2);
	assert_int_equal(stats(stage, 0)->timeouts, 0); /* nothing was owed */
	line_stop(stage->line);
	stage->line = NULL;
	close(fd);
	close(tty);
}

static void a_line_stops_within_a_second_whatever_it_waits_for(void **state)
{
	struct stage *stage = *state;
	struct bus bus;
	bus_start(&bus);
	bus.dead = ~0u;
	struct instrument_config *config = add_instrument(stage, &counter, PORT_MODBUS_RTU, bus.name);
	config->timeout_ms = 60000;
	start(stage);
	WAIT_FOR(bus.asked[1] == 1, 2);
	unsigned long beat = line_beat(stage->line);
	usleep(2200000);
	assert_in_range(line_beat(stage->line) - beat, 2, 10); /* a sign of life each second */
	long begun = clock_ms();
	line_stop(stage->line);
	assert_in_range(clock_ms() - begun, 0, 1000);
	config->timeout_ms = 100; /* and in the quarantine that follows */
	config->lateness_ms = 60000;
	start(stage);
	WAIT_FOR(stats(stage, 0)->quarantines == 1, 2);
	begun = clock_ms();
	line_stop(stage->line);
	stage->line = NULL;
	assert_in_range(clock_ms() - begun, 0, 1000);
	bus_stop(&bus);
}

/* The journal's file may grow no more: the real store fails as on a full disk, and recovers. */
static void what_cannot_be_stored_waits_at_the_instrument_and_nothing_more_is_asked(void **state)
{
	struct stage *stage = *state;
	struct bus bus;
	struct rlimit limit, full;
	struct fault fault;
	bus_start(&bus);
	bus.number[1] = 10;
	add_instrument(stage, &counter, PORT_MODBUS_RTU, bus.name);
	start(stage);
	WAIT_FOR(stats(stage, 0)->stored == 1, 3);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	full = limit;
	full.rlim_cur = 1;
	log_set_level(0);
	setrlimit(RLIMIT_FSIZE, &full);
	bus.number[1] = 11;
	WAIT_FOR(stats(stage, 0)->health == HEALTH_FAULTY, 10);
	line_fault(stage->line, 0, &fault);
	assert_true(strlen(fault.text) > 0);
	unsigned asked = bus.asked[1];
	usleep(1000000);
	assert_int_equal(bus.asked[1], asked);
	setrlimit(RLIMIT_FSIZE, &limit);
	WAIT_FOR(stats(stage, 0)->health == HEALTH_OK, 10);
	WAIT_FOR(bus.asked[1] > asked, 2);
	log_set_level(LOG_LEVEL_ERROR);
	assert_int_equal(entries_with(stage, "\"instrument_seq\":\"11\""), 1);
	line_fault(stage->line, 0, &fault);
	assert_string_equal(fault.text, "");
	bus_stop(&bus);
}

static void a_line_stops_while_it_waits_for_the_store(void **state)
{
	struct stage *stage = *state;
	struct bus bus;
	struct rlimit limit, full;
	bus_start(&bus);
	bus.number[1] = 10;
	add_instrument(stage, &counter, PORT_MODBUS_RTU, bus.name);
	start(stage);
	WAIT_FOR(stats(stage, 0)->stored == 1, 3);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	full = limit;
	full.rlim_cur = 1;
	log_set_level(0);
	setrlimit(RLIMIT_FSIZE, &full);
	bus.number[1] = 11;
	WAIT_FOR(stats(stage, 0)->health == HEALTH_FAULTY, 10);
	long begun = clock_ms();
	line_stop(stage->line);
	stage->line = NULL;
	assert_in_range(clock_ms() - begun, 0, 1000);
	setrlimit(RLIMIT_FSIZE, &limit);
	log_set_level(LOG_LEVEL_ERROR);
	start(stage); /* the instrument still holds it */
	WAIT_FOR(entries_with(stage, "\"instrument_seq\":\"11\"") == 1, 5);
	bus_stop(&bus);
}

/* A Modbus TCP gateway: each unit answers 7. It hangs up when it is told to. */
struct gateway {
	int listener, number;
	pthread_t thread;
	_Atomic bool stop, hang_up;
};

static bool answer_once(int fd)
{
	uint8_t ask[12];
	if (recv(fd, ask, sizeof(ask), MSG_WAITALL) != sizeof(ask))
		return false;
	uint8_t out[] = { ask[0], ask[1], 0, 0, 0, 5, ask[6], ask[7], 2, 0, 7 };
	return send(fd, out, sizeof(out), MSG_NOSIGNAL) == sizeof(out);
}

static void *play_gateway(void *context)
{
	struct gateway *gateway = context;
	int fd = -1;
	while (!gateway->stop) {
		struct pollfd wait = { .fd = fd < 0 ? gateway->listener : fd, .events = POLLIN };
		bool asked = poll(&wait, 1, 20) > 0, over = fd >= 0 && gateway->hang_up;
		if (over)
			gateway->hang_up = false;
		else if (asked && fd < 0)
			fd = accept(gateway->listener, NULL, NULL);
		else if (asked)
			over = !answer_once(fd);
		if (over) {
			close(fd);
			fd = -1;
		}
	}
	close(fd);
	return NULL;
}

static void gateway_start(struct gateway *gateway)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	*gateway = (struct gateway){ .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	assert_int_equal(bind(gateway->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(gateway->listener, 1), 0);
	getsockname(gateway->listener, (struct sockaddr *)&at, &size);
	gateway->number = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&gateway->thread, NULL, play_gateway, gateway), 0);
}

static void whose_connection_is_back_is_well_each_of_them(void **state)
{
	struct stage *stage = *state;
	struct gateway gateway;
	gateway_start(&gateway);
	for (int i = 0; i < 3; i++) {
		struct instrument_config *config = add_instrument(stage, &counter, PORT_MODBUS_TCP, "");
		config->port.number = gateway.number;
		snprintf(config->port.host, sizeof(config->port.host), "127.0.0.1");
	}
	start(stage);
	for (size_t i = 0; i < 3; i++)
		WAIT_FOR(stats(stage, i)->stored == 1, 3);
	gateway.hang_up = true;
	for (size_t i = 0; i < 3; i++) {
		WAIT_FOR(stats(stage, i)->reopens == 1, 3);
		unsigned long polls = stats(stage, i)->polls;
		WAIT_FOR(stats(stage, i)->polls > polls + 2, 3);
	}
	for (size_t i = 0; i < 3; i++) {
		struct fault fault;
		line_fault(stage->line, i, &fault);
		assert_string_equal(fault.text, "");
		assert_int_equal(stats(stage, i)->health, HEALTH_OK);
	}
	assert_int_equal(entries_with(stage, "\"instrument_lost\""), 0);
	line_stop(stage->line);
	stage->line = NULL;
	gateway.stop = true;
	pthread_join(gateway.thread, NULL);
	close(gateway.listener);
}

static void a_port_that_is_not_there_is_announced_and_costs_nothing(void **state)
{
	struct stage *stage = *state;
	struct fault fault;
	add_instrument(stage, &counter, PORT_MODBUS_RTU, "/dev/serial/by-id/nothing");
	add_instrument(stage, &counter, PORT_MODBUS_RTU, "/dev/serial/by-id/nothing");
	start(stage);
	WAIT_FOR(stats(stage, 1)->health == HEALTH_NO_LINK, 3);
	double spent = cpu_seconds();
	usleep(2000000);
	assert_true((cpu_seconds() - spent) / 2.0 < 0.02);
	line_fault(stage->line, 1, &fault);
	assert_non_null(strstr(fault.text, "plugged in"));
	assert_int_equal(entries_with(stage, "\"instrument_lost\""), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define STAGED(test) cmocka_unit_test_setup_teardown(test, stage_setup, stage_teardown)
		STAGED(every_result_is_stored_once_and_the_period_is_kept),
		STAGED(one_dead_unit_leaves_the_others_95_percent_of_their_rate),
		STAGED(a_silent_instrument_is_announced_once_and_so_is_its_return),
		STAGED(a_pushing_instrument_is_heard_at_once_and_found_again_after_replugging),
		STAGED(an_instrument_that_dials_in_is_heard_each_time),
		STAGED(who_hangs_up_has_said_all),
		STAGED(half_a_frame_before_a_hang_up_is_told),
		STAGED(what_is_held_when_the_line_stops_is_not_forgotten),
		STAGED(what_is_unplugged_while_it_speaks_has_not_said_all),
		STAGED(our_own_question_given_back_is_no_answer),
		STAGED(noise_is_no_answer_and_is_said_to_be_noise),
		STAGED(of_one_that_only_makes_noise_who_looks_is_told),
		STAGED(a_stray_byte_loses_nobody_who_rests),
		STAGED(a_banner_is_not_held_against_one_who_rests),
		STAGED(what_begins_behind_a_blank_has_its_time),
		STAGED(what_is_no_frame_is_told_once_with_its_bytes_and_then_counted),
		STAGED(runs_that_were_only_counted_are_told_when_the_line_stops),
		STAGED(a_frame_the_driver_refuses_keeps_its_bytes),
		STAGED(half_a_ticket_is_noise_once_its_time_is_over),
		STAGED(a_line_stops_within_a_second_whatever_it_waits_for),
		STAGED(what_cannot_be_stored_waits_at_the_instrument_and_nothing_more_is_asked),
		STAGED(a_line_stops_while_it_waits_for_the_store),
		STAGED(whose_connection_is_back_is_well_each_of_them),
		STAGED(a_port_that_is_not_there_is_announced_and_costs_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
