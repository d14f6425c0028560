/* A private mosquitto, an independent subscriber and a real journal, for the tests of the publisher. */
#ifndef TESTS_BROKER_FIXTURE_H
#define TESTS_BROKER_FIXTURE_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../daemon/clock.h"
#include "../../daemon/json.h"
#include "../../daemon/publisher.h"

#define ROOT_TOPIC "assay/v1/330421/330421103-01"

struct stage {
	char directory[64], heard[96];
	int port;
	pid_t broker, ear;
	struct journal *journal;
	struct config config;
	struct target_config target;
	struct publisher *publisher;
	struct fault fault;
	char *text; /* what the subscriber wrote, read by stage_hear() */
};

/* A busy machine gets four times as long: only a test that fails waits for it. */
static inline bool eventually(bool (*holds)(struct stage *), struct stage *stage, long ms)
{
	long until = clock_ms() + 4 * ms;
	while (!holds(stage)) {
		if (clock_ms() > until)
			return false;
		usleep(20000);
	}
	return true;
}

/* From below the range the kernel dials from: out of that range somebody's connection could take it while the broker is
 * down, even the publisher's own, joined to itself. */
static inline int free_port(void)
{
	const int one = 1;
	for (;;) {
		uint16_t port;
		if (getrandom(&port, sizeof(port), 0) != sizeof(port))
			abort();
		port = (uint16_t)(10240 + port % (32768 - 10240));
		struct sockaddr_in address = {
			.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY)
		};
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		int taken = bind(fd, (struct sockaddr *)&address, sizeof(address));
		close(fd);
		if (!taken)
			return port;
	}
}

static inline bool can_connect(struct stage *stage)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)stage->port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return rc == 0;
}

/* Starts a program with its output in DIRECTORY/log; the last argument is NULL. */
static inline pid_t start_program(struct stage *stage, const char *program, ...)
{
	char *arguments[24] = { (char *)program };
	char log[96];
	va_list list;
	va_start(list, program);
	for (size_t i = 1; i < 23 && (arguments[i] = va_arg(list, char *)); i++)
		continue;
	va_end(list);
	snprintf(log, sizeof(log), "%s/log", stage->directory);
	pid_t child = fork();
	if (child == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(fd, 1);
		dup2(fd, 2);
		execvp(program, arguments);
		_exit(127);
	}
	return child;
}

static inline void end_program(pid_t *child, int how)
{
	if (*child <= 0)
		return;
	kill(*child, how);
	waitpid(*child, NULL, 0);
	*child = 0;
}

static inline void write_file(struct stage *stage, const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", stage->directory, name);
	FILE *file = fopen(path, "w");
	if (!file || fputs(text, file) < 0 || fclose(file) != 0)
		abort();
}

static inline bool broker_start(struct stage *stage)
{
	char conf[96];
	snprintf(conf, sizeof(conf), "%s/mosquitto.conf", stage->directory);
	setenv("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin", 1);
	stage->broker = start_program(stage, "mosquitto", "-c", conf, NULL);
	return eventually(can_connect, stage, 5000);
}

static inline void stage_hear(struct stage *stage)
{
	free(stage->text);
	stage->text = calloc(1, 1);
	size_t length = 0;
	FILE *file = fopen(stage->heard, "r");
	if (!file)
		return;
	size_t got;
	char chunk[65536];
	while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0) {
		stage->text = realloc(stage->text, length + got + 1);
		memcpy(stage->text + length, chunk, got);
		length += got;
		stage->text[length] = '\0';
	}
	fclose(file);
}

static inline unsigned count_of(struct stage *stage, const char *what)
{
	unsigned count = 0;
	stage_hear(stage);
	for (const char *at = stage->text; (at = strstr(at, what)); at += strlen(what))
		count++;
	return count;
}

static inline bool ear_is_ready(struct stage *stage)
{
	return count_of(stage, "\"ready\"") > 0;
}

static inline bool ear_start(struct stage *stage)
{
	char port[8];
	snprintf(port, sizeof(port), "%d", stage->port);
	stage->ear = start_program(
		stage, "/usr/bin/python3", "tests/unit/subscriber.py", port, stage->heard, "--persistent", "ear", NULL);
	return eventually(ear_is_ready, stage, 10000);
}

/* The `index`-th message heard on topics that end in `suffix` ("" for all), parsed; NULL when there are fewer. */
static inline struct json *heard(struct stage *stage, const char *suffix, unsigned index)
{
	stage_hear(stage);
	for (char *line = stage->text; *line;) {
		char *end = strchr(line, '\n');
		if (!end)
			return NULL;
		struct json *message = js_parse(line, (size_t)(end - line), NULL);
		const char *topic = message ? js_get_text(message, "topic") : NULL;
		size_t length = topic ? strlen(topic) : 0, wanted = strlen(suffix);
		if (topic && strcmp(topic, "ready") != 0 && length >= wanted &&
			strcmp(topic + length - wanted, suffix) == 0 && index-- == 0)
			return message;
		js_free(message);
		line = end + 1;
	}
	return NULL;
}

static inline char *stage_status(void *context)
{
	(void)context;
	return strdup("{\"online\":true,\"version\":\"test\"}");
}

static inline struct stage *stage_new(const char *broker_settings)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	char conf[1024];
	strcpy(stage->directory, "/tmp/publisher-XXXXXX");
	if (!mkdtemp(stage->directory))
		abort();
	snprintf(stage->heard, sizeof(stage->heard), "%s/heard", stage->directory);
	stage->port = free_port();
	snprintf(conf, sizeof(conf),
		"user root\nlistener %d 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
		"persistence_location %s/\n%s\n",
		stage->port, stage->directory, broker_settings);
	write_file(stage, "mosquitto.conf", conf);
	struct journal_options options = { .directory = stage->directory, .station = "330421103-01" };
	if (journal_open(&options, &stage->journal, NULL, &stage->fault) != 0) {
		fprintf(stderr, "%s\n", stage->fault.text);
		abort();
	}
	stage->config.holders = 1000;
	strcpy(stage->config.station.code, "330421103-01");
	strcpy(stage->config.station.county, "330421");
	stage->config.targets = &stage->target;
	stage->config.target_count = 1;
	stage->target = (struct target_config){ .name = "county",
		.protocol = TARGET_MQTT5,
		.keepalive_ms = 10000,
		.ack_timeout_ms = 15000,
		.reconnect_min_ms = 100,
		.reconnect_max_ms = 1000,
		.window = 50 };
	snprintf(stage->target.broker, sizeof(stage->target.broker), "mqtt://127.0.0.1:%d", stage->port);
	return stage;
}

/* Publishes as the platform would, with the broker's own client. */
static inline void say(struct stage *stage, const char *topic, const char *payload, const char *response_topic)
{
	char port[8];
	snprintf(port, sizeof(port), "%d", stage->port);
	pid_t child = response_topic
	                      ? start_program(stage, "mosquitto_pub", "-V", "5", "-q", "1", "-p", port, "-t", topic,
					"-m", payload, "-D", "publish", "response-topic", response_topic, NULL)
	                      : start_program(stage, "mosquitto_pub", "-V", "5", "-q", "1", "-p", port, "-t", topic,
					"-m", payload, NULL);
	waitpid(child, NULL, 0);
}

static inline bool stage_publish(struct stage *stage)
{
	return publisher_start(&stage->config, &stage->target, stage->journal, stage_status, stage, &stage->publisher,
		       &stage->fault) == 0;
}

static inline void stage_free(struct stage *stage)
{
	char command[128];
	publisher_stop(stage->publisher);
	journal_close(stage->journal);
	end_program(&stage->ear, SIGKILL);
	end_program(&stage->broker, SIGKILL);
	free(stage->text);
	snprintf(command, sizeof(command), "rm -r %s", stage->directory);
	if (!getenv("KEEP") && system(command) != 0)
		abort();
	free(stage);
}

/* Appends entries `from`..`to`, kinds in turn when `mixed`; the number is in each body. */
static inline void append(struct stage *stage, unsigned from, unsigned to, bool mixed)
{
	struct entry entries[100];
	static char bodies[100][200];
	for (unsigned number = from; number <= to;) {
		size_t count = 0;
		for (; count < 100 && number <= to; count++, number++) {
			struct entry *entry = &entries[count];
			*entry = (struct entry){ .kind = mixed ? (enum entry_kind)(number % 3) : ENTRY_RESULT };
			snprintf(entry->id, sizeof(entry->id), "0195a3c4-0000-7000-8000-%012x", number);
			snprintf(bodies[count], sizeof(bodies[count]),
				"\"kind\":\"%s\",\"number\":%u,\"name\":\"菠菜\"}",
				entry->kind == ENTRY_QC ? "qc" : "sample", number);
			entry->body = bodies[count];
		}
		if (journal_append(stage->journal, entries, count, NULL, NULL, &stage->fault) != 0) {
			fprintf(stderr, "%s\n", stage->fault.text);
			abort();
		}
	}
}

static inline void write_old_entries(struct journal *journal, unsigned last)
{
	struct entry entry = { .kind = ENTRY_RESULT };
	char body[64];
	struct fault fault;
	for (unsigned number = 1; number <= last; number++) {
		snprintf(entry.id, sizeof(entry.id), "0195a3c4-0000-7000-8000-1%011x", number);
		snprintf(body, sizeof(body), "\"kind\":\"sample\",\"number\":%u}", number);
		entry.body = body;
		if (journal_append(journal, &entry, 1, NULL, NULL, &fault) != 0)
			abort();
	}
}

/* What a salvage would leave of a journal of `last` entries, of which the target had `has`, and those that `lost`
 * selects could not be read. */
static inline void add_salvaged(
	struct stage *stage, unsigned last, unsigned has, const char *lost, char epoch[static 40])
{
	char directory[96], command[600];
	struct journal *journal;
	snprintf(directory, sizeof(directory), "%s/old", stage->directory);
	struct journal_options options = { .directory = directory, .station = "330421103-01" };
	if (journal_open(&options, &journal, NULL, &stage->fault) != 0)
		abort();
	write_old_entries(journal, last);
	if (has)
		journal_progress(journal, "county", has);
	snprintf(epoch, 40, "%s", journal_epoch(journal));
	journal_close(journal);
	snprintf(command, sizeof(command),
		"/usr/bin/python3 -c 'import sqlite3; db = sqlite3.connect(\"%s/journal.db\");"
		"db.execute(\"DELETE FROM entry WHERE %s\"); db.commit();"
		"db.execute(\"PRAGMA journal_mode = DELETE\")' && mv %s/journal.db %s/salvaged-%s.db",
		directory, lost, directory, stage->directory, epoch);
	if (system(command) != 0)
		abort();
}

#endif
