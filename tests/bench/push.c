/* From the moment an instrument that speaks unasked has finished a result to the moment a subscriber has it: intake,
 * journal, publisher and broker are the real ones, and a subscriber in a process of its own notes the time. Between two
 * results one row is committed by SQLite alone in the same directory: the peer. Prints one JSON line.
 *
 *     push CONFIG_DIRECTORY COUNT [ROUNDS]
 *
 * The configuration names the journal, a target (its broker running) and one instrument. With ROUNDS (even) COUNT
 * results are pushed in each, in turn with that target alone and with all the others beside it, which may be dead.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../daemon/intake.h"
#include "../../daemon/program.h"
#include "../../daemon/publisher.h"

enum {
	COUNT_MAX = 20000,
	BEFORE = 50,
	PAUSE_US = 4000,
	PATIENCE_MS = 10000,
	ROW_BYTES = 950,
	TARGETS_MAX = 4,
	AMONG_MS = 300
};

static struct shared { /* with the subscriber */
	volatile int subscribed;
	volatile double arrived[COUNT_MAX]; /* by running number */
	volatile size_t bytes;              /* of the last record */
} * shared;
static int arrival_fd;

static double milliseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

__attribute__((noreturn)) static void fail(const char *what)
{
	fprintf(stderr, "push: %s\n", what);
	exit(1);
}

/* ---- the subscriber: nothing but MQTT 3.1.1 on a socket, so that what is measured is not its own ---- */

static int connect_to(const char *broker)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	address.sin_port = htons((uint16_t)atoi(strrchr(broker, ':') + 1));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		fail("no connection to the broker");
	return fd;
}

static void get(int fd, void *bytes, size_t length)
{
	if (recv(fd, bytes, length, MSG_WAITALL) != (ssize_t)length)
		_exit(0); /* the broker ended: so does the bench */
}

/* One packet: its first byte; the rest in `body`. */
static uint8_t get_packet(int fd, char *body, size_t room, size_t *ret_length)
{
	uint8_t first, digit;
	size_t length = 0;
	get(fd, &first, 1);
	for (unsigned shift = 0; shift < 28; shift += 7) {
		get(fd, &digit, 1);
		length |= (size_t)(digit & 0x7F) << shift;
		if (!(digit & 0x80))
			break;
	}
	if (length >= room)
		fail("a message longer than any record");
	get(fd, body, length);
	body[length] = '\0';
	*ret_length = length;
	return first;
}

static void note_arrival(const char *body, size_t length, double now)
{
	static const char key[] = "\"instrument_seq\":\"";
	const char *at = memmem(body, length, key, strlen(key)), *payload = memchr(body, '{', length);
	long number = at ? strtol(at + strlen(key), NULL, 10) : -1;
	if (number < 0 || number >= COUNT_MAX)
		return;
	shared->bytes = length - (size_t)(payload - body);
	shared->arrived[number] = now;
	eventfd_write(arrival_fd, 1);
}

static void subscribe(const char *broker)
{
	static const char hello[] = "\x10\x11\0\4MQTT\4\2\0\0\0\5bench", wish[] = "\x82\x18\0\1\0\x13"
										  "assay/v1/+/+/result\1";
	static char body[65536];
	int fd = connect_to(broker);
	if (send(fd, hello, sizeof(hello) - 1, 0) < 0 || send(fd, wish, sizeof(wish) - 1, 0) < 0)
		fail("the broker does not listen");
	for (;;) {
		size_t length;
		uint8_t first = get_packet(fd, body, sizeof(body), &length);
		double now = milliseconds();
		if (first >> 4 == 9)
			shared->subscribed = 1;
		if (first >> 4 != 3)
			continue;
		size_t id = 2 + (size_t)((uint8_t)body[0] << 8 | (uint8_t)body[1]);
		const char thanks[4] = { 0x40, 2, body[id], body[id + 1] };
		note_arrival(body, length, now);
		if (send(fd, thanks, sizeof(thanks), 0) < 0)
			_exit(0);
	}
}

/* ---- the instrument ---- */

/* One test as a reader reports it, with the name of the sample and two raw signals. */
static void finish_test(struct readings *readings, unsigned number, const uint8_t *raw, size_t length)
{
	struct reading *reading = readings_add(readings);
	snprintf(reading->instrument_seq, sizeof(reading->instrument_seq), "%u", number);
	snprintf(reading->sample_no, sizeof(reading->sample_no), "20260305-%05u", number);
	snprintf(reading->value, sizeof(reading->value), "%u.%02u", number % 60, number % 97);
	strcpy(reading->sample_name, "菠菜");
	strcpy(reading->item, "农药残留");
	strcpy(reading->unit, "%");
	strcpy(reading->verdict_as_sent, "1");
	strcpy(reading->tested_at, "2026-03-05T09:41:20");
	reading_signal(reading, "abs", "0.570");
	reading_signal(reading, "delta_a_control", "0.914");
	reading->verdict = VERDICT_NEGATIVE;
	reading->channel = (int)(number % 16);
	reading->repeatable = true;
	reading->raw = reading->identity = raw;
	reading->raw_length = reading->identity_length = length;
}

static double push(struct intake *intake, const struct config *config, struct readings *readings, unsigned number,
	double *ret_stored)
{
	static const uint8_t raw[64] = { 0x7E, 0x11, 0x0F };
	struct instrument instrument = { .driver = config->instruments[0].driver };
	struct intake_result result;
	struct fault fault;
	struct pollfd poller = { .fd = arrival_fd, .events = POLLIN };
	eventfd_t count;
	readings->count = 0;
	finish_test(readings, number, raw, sizeof(raw));
	double finished = milliseconds();
	struct intake_batch *batch = intake_judge(intake, &config->instruments[0], &instrument, readings);
	if (intake_store(intake, batch, &result, &fault) != 0)
		fail(fault.text);
	intake_batch_free(batch);
	*ret_stored = milliseconds() - finished;
	while (shared->arrived[number] == 0) {
		if (poll(&poller, 1, PATIENCE_MS) == 0)
			fail("a result did not arrive");
		eventfd_read(arrival_fd, &count);
	}
	return shared->arrived[number] - finished;
}

static sqlite3_stmt *open_bare(const char *directory)
{
	char path[512];
	sqlite3 *db;
	sqlite3_stmt *insert;
	snprintf(path, sizeof(path), "%s/bare.db", directory);
	if (sqlite3_open(path, &db) != SQLITE_OK ||
		sqlite3_exec(db,
			"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			"CREATE TABLE row(number INTEGER PRIMARY KEY, text TEXT)",
			NULL, NULL, NULL) != SQLITE_OK ||
		sqlite3_prepare_v2(db, "INSERT INTO row(text) VALUES(?1)", -1, &insert, NULL) != SQLITE_OK)
		fail(sqlite3_errmsg(db));
	return insert;
}

static double bare_commit(sqlite3_stmt *insert)
{
	static char row[ROW_BYTES];
	memset(row, 'x', sizeof(row));
	double before = milliseconds();
	sqlite3_bind_text(insert, 1, row, sizeof(row), SQLITE_STATIC);
	if (sqlite3_step(insert) != SQLITE_DONE)
		fail("a bare commit failed");
	sqlite3_reset(insert);
	return milliseconds() - before;
}

static int by_size(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

static char *status(void *context)
{
	(void)context;
	return strdup("{\"online\":true}");
}

static void measure(struct config *config, struct journal *journal, unsigned count)
{
	static struct reading list[1];
	static double pushed[COUNT_MAX], stored[COUNT_MAX], bare[COUNT_MAX];
	struct readings *readings = calloc(1, sizeof(*readings));
	struct intake *intake = intake_new(journal, config);
	sqlite3_stmt *insert = open_bare(config->journal.directory);
	readings->list = list;
	readings->room = 1;
	for (unsigned i = 0; i < BEFORE; i++) {
		push(intake, config, readings, i, &stored[0]);
		bare_commit(insert);
	}
	for (unsigned i = 0; i < count; i++) {
		usleep(PAUSE_US);
		pushed[i] = push(intake, config, readings, BEFORE + i, &stored[i]);
		usleep(PAUSE_US);
		bare[i] = bare_commit(insert);
	}
	qsort(pushed, count, sizeof(*pushed), by_size);
	qsort(stored, count, sizeof(*stored), by_size);
	qsort(bare, count, sizeof(*bare), by_size);
	printf("{\"bench\":\"push\",\"results\":%u,\"bytes\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,"
	       "\"stored_p50_ms\":%.3f,\"bare_p50_ms\":%.3f,\"bare_p99_ms\":%.3f,\"bare_max_ms\":%.3f}\n",
		count, shared->bytes, pushed[count / 2], pushed[count * 99 / 100], pushed[count - 1], stored[count / 2],
		bare[count / 2], bare[count * 99 / 100], bare[count - 1]);
	intake_free(intake);
	free(readings);
	sqlite3_close(sqlite3_db_handle(insert)); /* its statement keeps it; the process ends */
}

/* ---- one target, alone and beside others ---- */

static struct publisher *start(struct config *config, size_t target, struct journal *journal)
{
	struct publisher *publisher;
	struct fault fault;
	if (publisher_start(config, &config->targets[target], journal, status, NULL, &publisher, &fault) != 0)
		fail(fault.text);
	return publisher;
}

static void compare(struct config *config, struct journal *journal, unsigned count, unsigned rounds)
{
	static struct reading list[1];
	static double pushed[2][COUNT_MAX];
	struct readings *readings = calloc(1, sizeof(*readings));
	struct intake *intake = intake_new(journal, config);
	struct publisher *others[TARGETS_MAX];
	unsigned number = 0, done[2] = { 0 };
	double stored;
	readings->list = list;
	readings->room = 1;
	for (unsigned round = 0; round < rounds; round++) {
		unsigned beside = round % 2;
		for (size_t i = 1; beside && i < config->target_count; i++)
			others[i] = start(config, i, journal);
		usleep(AMONG_MS * 1000);
		for (unsigned i = 0; i < count; i++, usleep(2 * PAUSE_US))
			pushed[beside][done[beside]++] = push(intake, config, readings, number++, &stored);
		for (size_t i = 1; beside && i < config->target_count; i++)
			publisher_stop(others[i]);
	}
	for (unsigned i = 0; i < 2; i++)
		qsort(pushed[i], done[i], sizeof(*pushed[i]), by_size);
	printf("{\"bench\":\"push\",\"results\":%u,\"targets\":%zu,\"p50_ms\":%.4f,\"p99_ms\":%.4f,"
	       "\"beside_p50_ms\":%.4f,\"beside_p99_ms\":%.4f}\n",
		number, config->target_count, pushed[0][done[0] / 2], pushed[0][done[0] * 99 / 100],
		pushed[1][done[1] / 2], pushed[1][done[1] * 99 / 100]);
	intake_free(intake);
	free(readings);
}

int main(int argc, char **argv)
{
	struct config *config;
	struct faults faults = { 0 };
	struct journal *journal;
	struct fault fault;
	unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 0, rounds = argc > 3 ? (unsigned)atoi(argv[3]) : 0;
	if (argc > 4 || count < (rounds ? 1 : 100) || count * (rounds ? rounds : 1) > COUNT_MAX - BEFORE)
		return 64;
	program_language();
	if (config_load(argv[1], &config, &faults) != 0) {
		faults_print(&faults, stderr);
		return 78;
	}
	setenv("TZ", config->station.timezone, 1); /* as the daemon does */
	tzset();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	arrival_fd = eventfd(0, EFD_NONBLOCK);
	pid_t subscriber = fork(); /* before there are threads */
	if (subscriber == 0)
		subscribe(config->targets[0].broker);
	while (!shared->subscribed && waitpid(subscriber, NULL, WNOHANG) == 0)
		usleep(1000);
	struct journal_options options = { .directory = config->journal.directory, .station = config->station.code };
	if (config->target_count > TARGETS_MAX || journal_open(&options, &journal, NULL, &fault) != 0)
		fail("no journal, or too many targets");
	struct publisher *publisher = start(config, 0, journal);
	while (publisher_stats(publisher)->state != PUBLISHER_UP)
		usleep(1000);
	if (rounds)
		compare(config, journal, count, rounds);
	else
		measure(config, journal, count);
	publisher_stop(publisher);
	journal_close(journal);
	kill(subscriber, SIGTERM);
	waitpid(subscriber, NULL, 0);
	config_release(config);
	return 0;
}
