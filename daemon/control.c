#include "control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "control_rebind.h"
#include "control_redecode.h"
#include "control_resend.h"
#include "control_retest.h"
#include "control_samples.h"
#include "control_tap.h"
#include "intake.h"
#include "log.h"

#define CLIENTS_MAX   16
#define REQUEST_BYTES 16384
#define SWEEP_MS      1000 /* between two looks for scans whose time is over */

struct client {
	int fd;
	char request[REQUEST_BYTES];
	size_t used;
	uint64_t number; /* counts clients in the order they came */
	bool tailing;
	uint64_t seen; /* tailing: the last entry sent */
	struct recording recording;
};

struct control {
	struct room *room;
	struct journal_reader *reader;
	char path[108];
	int listener, wake, stop;
	pthread_t thread;
	uint64_t welcomed;
	long sweep_due_ms;
	struct complaint sweep_complaint;
	struct mapping mapping;
	struct client clients[CLIENTS_MAX];
};

struct relay { /* hands an entry's bytes on to `each` */
	int (*each)(void *context, const char *line, size_t length);
	void *context;
};

static int relay_entry(void *context, const struct stored *entry)
{
	struct relay *relay = context;
	return relay->each(relay->context, entry->payload, entry->length);
}

struct only { /* this entry, and not the next one that is there */
	uint64_t seq;
	struct relay *relay;
};

static int relay_only(void *context, const struct stored *entry)
{
	const struct only *only = context;
	return entry->seq == only->seq ? relay_entry(only->relay, entry) : 1;
}

static int answer_list(
	struct journal_reader *reader, const struct json *request, struct relay *relay, struct fault *fault)
{
	int64_t from = js_get_integer(request, "from", 1), limit = js_get_integer(request, "limit", CONTROL_LIST_MAX);
	int64_t last = js_get_integer(request, "last", 0);
	if (from < 1 || limit < 1 || last < 0)
		return fault_set(fault, EINVAL, _("from and limit count from 1"));
	uint64_t first, head;
	int error = journal_reader_head(reader, &first, &head, fault);
	if (error)
		return error;
	if (last > 0) {
		from = head > (uint64_t)last ? (int64_t)head - last + 1 : 1;
		limit = last;
	}
	long given = journal_read(reader, (uint64_t)from, (size_t)(limit < CONTROL_LIST_MAX ? limit : CONTROL_LIST_MAX),
		relay_entry, relay, fault);
	return given < 0 ? (int)given : 0;
}

struct parked_relay {
	struct relay *relay;
	const char *target; /* NULL: any */
};

static int relay_parked(void *context, const struct parked *parked)
{
	const struct parked_relay *those = context;
	const struct relay *relay = those->relay;
	if (those->target && !journal_place_of(parked->target, those->target))
		return 0;
	char at[CLOCK_TEXT_MAX];
	struct json *line = js_new_object();
	js_put_text(line, "target", parked->target);
	js_put_integer(line, "seq", (int64_t)parked->seq);
	js_put_text(line, "at", clock_text(at, parked->at_ms));
	js_put_text(line, "reason", parked->reason);
	char *text = js_dump(line);
	int stop = relay->each(relay->context, text, strlen(text));
	free(text);
	js_free(line);
	return stop;
}

static int answer_identity(struct journal_reader *reader, struct relay *relay, struct fault *fault)
{
	struct kept_key key;
	char station[32];
	enum digest_kind digest;
	const char *epoch = journal_reader_epoch(reader, &digest);
	int found = journal_read_key(reader, NULL, &key, fault);
	if (found <= 0)
		return found;
	int error = journal_reader_station(reader, INT64_MAX, station, fault);
	if (error)
		return error;
	struct json *identity = js_new_object();
	js_put_text(identity, "station", station);
	js_put_text(identity, "epoch", epoch);
	js_put_text(identity, "hash", digest == DIGEST_SM3 ? "sm3" : "sha256");
	js_put_text(identity, "alg", key.algorithm);
	js_put_text(identity, "key", key.id);
	js_put_text(identity, "pem", key.pem);
	char *line = js_dump(identity);
	relay->each(relay->context, line, strlen(line));
	free(line);
	js_free(identity);
	return 0;
}

int control_answer(struct journal_reader *reader, const struct json *request,
	int (*each)(void *context, const char *line, size_t), void *context, struct fault *fault)
{
	struct relay relay = { each, context };
	const char *command = js_get_text(request, "command");
	if (!command)
		return fault_set(fault, EINVAL, _("a request is an object with a \"command\""));
	if (strcmp(command, "list") == 0)
		return answer_list(reader, request, &relay, fault);
	if (strcmp(command, "identity") == 0)
		return answer_identity(reader, &relay, fault);
	if (strcmp(command, "show") == 0) {
		const char *id = js_get_text(request, "id");
		int64_t seq = js_get_integer(request, "seq", 0);
		if (!id && seq < 1)
			return fault_set(fault, EINVAL, _("show needs an \"id\" or a \"seq\""));
		struct only only = { (uint64_t)seq, &relay };
		long found = id ? journal_find(reader, id, relay_entry, &relay, fault)
		                : journal_read(reader, (uint64_t)seq, 1, relay_only, &only, fault);
		return found < 0 ? (int)found : 0;
	}
	if (strcmp(command, "parked") == 0) {
		struct parked_relay those = { &relay, js_get_text(request, "target") };
		long given = journal_parked(reader, NULL, 1, UINT64_MAX, relay_parked, &those, fault);
		return given < 0 ? (int)given : 0;
	}
	return fault_set(fault, EINVAL, _("unknown command '%s'; `assayctl --help` lists those there are"), command);
}

static int send_all(int fd, const char *data, size_t length)
{
	while (length) {
		ssize_t sent = send(fd, data, length, MSG_NOSIGNAL); /* waits at most SO_SNDTIMEO */
		if (sent <= 0)
			return -1;
		data += sent;
		length -= (size_t)sent;
	}
	return 0;
}

static int send_line(void *context, const char *line, size_t length)
{
	const struct client *client = context;
	return send_all(client->fd, line, length) || send_all(client->fd, "\n", 1);
}

static void drop(struct client *client)
{
	recording_stop(&client->recording);
	close(client->fd);
	client->fd = -1;
}

/* Stays, and has nothing more to say. */
static bool follows(const struct client *client)
{
	return client->tailing || client->recording.tap;
}

static void send_json(struct client *client, struct json *value)
{
	char *text = js_dump(value);
	send_line(client, text, strlen(text));
	free(text);
	js_free(value);
}

static void send_fault(struct client *client, const struct fault *fault)
{
	struct json *answer = js_new_object();
	js_put_text(answer, "error", fault->text);
	send_json(client, answer);
}

static int tail_entry(void *context, const struct stored *entry)
{
	struct client *client = context;
	if (send_line(client, entry->payload, entry->length) != 0)
		return 1;
	client->seen = entry->seq;
	return 0;
}

static void tail_on(struct control *control, struct client *client)
{
	uint64_t head = journal_head(room_journal(control->room));
	while (client->seen < head) {
		uint64_t before = client->seen;
		long given = journal_read(control->reader, client->seen + 1, 256, tail_entry, client, NULL);
		if (given <= 0 || client->seen == before) { /* a broken reader or a client that went away */
			drop(client);
			return;
		}
	}
}

/* One line each of an array, or why there is none. */
static void send_list(struct client *client, struct json *list, const struct fault *fault)
{
	if (!list)
		send_fault(client, fault);
	for (size_t i = 0; list && i < js_count(list); i++) {
		char *text = js_dump(js_at(list, i));
		bool sent = send_line(client, text, strlen(text)) == 0;
		free(text);
		if (!sent)
			break;
	}
	js_free(list);
}

/* Sends the answer, or why there is none. */
static void send_told(struct client *client, struct json *told, const struct fault *fault)
{
	if (told)
		send_json(client, told);
	else
		send_fault(client, fault);
}

static void send_sealed(struct control *control, struct client *client)
{
	struct json *answer = js_new_object();
	js_put_integer(answer, "sealed", (int64_t)room_seal(control->room));
	send_json(client, answer);
}

static void answer(struct control *control, struct client *client)
{
	struct fault fault = { "" };
	struct json *request = js_parse(client->request, client->used, &fault);
	const char *command = request ? js_get_text(request, "command") : NULL;
	if (command && strcmp(command, "tail") == 0) {
		client->tailing = true;
		client->seen = journal_head(room_journal(control->room));
	} else if (command && strcmp(command, "seal") == 0) {
		send_sealed(control, client);
	} else if (command && strcmp(command, "status") == 0) {
		send_json(client, room_status(control->room));
	} else if (command && strcmp(command, "capture") == 0) {
		if (recording_start(control->room, request, &client->recording, &fault) != 0)
			send_fault(client, &fault);
	} else if (command && strcmp(command, "redecode") == 0) {
		if (control_redecode(control->room, control->reader, request, send_line, client, &fault) != 0)
			send_fault(client, &fault);
	} else if (command && strcmp(command, "rebind") == 0) {
		if (control_rebind(control->room, control->reader, request, send_line, client, &fault) != 0)
			send_fault(client, &fault);
	} else if (command && strcmp(command, "register") == 0) {
		send_told(client, control_register(control->room, request, &fault), &fault);
	} else if (command && strcmp(command, "samples") == 0) {
		send_list(client, control_samples(control->room, request, &fault), &fault);
	} else if (command && strcmp(command, "retest") == 0) {
		send_told(client, control_retest(control->room, control->reader, request, &fault), &fault);
	} else if (command && strcmp(command, "retests") == 0) {
		send_list(client, control_retests(control->room, request, &fault), &fault);
	} else if (command && strcmp(command, "retry") == 0) {
		send_told(client, control_retry(control->room, control->reader, request, &fault), &fault);
	} else if (command && strcmp(command, "resend") == 0) {
		send_told(client, control_resend(control->room, control->reader, request, &fault), &fault);
	} else if (!request || control_answer(control->reader, request, send_line, client, &fault) != 0) {
		send_fault(client, &fault);
	}
	js_free(request);
	if (!follows(client))
		drop(client);
}

static void receive(struct control *control, struct client *client)
{
	ssize_t got = recv(client->fd, client->request + client->used, sizeof(client->request) - client->used, 0);
	if (got <= 0 || follows(client)) { /* gone; one that follows has nothing more to say */
		drop(client);
		return;
	}
	const char *end = memchr(client->request + client->used, '\n', (size_t)got);
	client->used += (size_t)got;
	if (end) {
		client->used = (size_t)(end - client->request);
		answer(control, client);
	} else if (client->used == sizeof(client->request)) {
		struct fault fault;
		fault_set(&fault, EMSGSIZE, _("a request is one line of at most %d bytes"), REQUEST_BYTES);
		send_fault(client, &fault);
		drop(client);
	}
}

static void send_too_many(struct client *client)
{
	struct fault fault;
	fault_set(&fault, EBUSY, _("%d clients are connected already; close one"), CLIENTS_MAX);
	send_fault(client, &fault);
}

/* Where all places are taken, who has waited longest without a whole request gives way: half a request must not keep
 * the technician out. Clients that follow the journal stay. */
static struct client *place_for_one(struct control *control)
{
	struct client *oldest = NULL;
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &control->clients[i];
		if (client->fd < 0)
			return client;
		if (!follows(client) && (!oldest || client->number < oldest->number))
			oldest = client;
	}
	if (oldest) {
		send_too_many(oldest);
		drop(oldest);
	}
	return oldest;
}

static void welcome(struct control *control)
{
	int fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0) {
		/* without descriptors the caller stays in the queue: do not ask the kernel again at once, for ever */
		poll(NULL, 0, 100);
		return;
	}
	/* A client that does not read must not hold up the others for long. */
	struct timeval patience = { .tv_sec = 1 };
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	struct client *place = place_for_one(control);
	if (place) {
		*place = (struct client){ .fd = fd, .number = ++control->welcomed };
		return;
	}
	struct client refused = { .fd = fd };
	send_too_many(&refused);
	close(fd);
}

static void serve_clients(struct control *control, const struct pollfd *polled)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &control->clients[i];
		if (polled[i].fd >= 0 && polled[i].revents & ~POLLOUT)
			receive(control, client);
		if (client->fd >= 0 && client->recording.tap && recording_send(&client->recording, client->fd) < 0)
			drop(client);
	}
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (control->clients[i].fd >= 0 && control->clients[i].tailing)
			tail_on(control, &control->clients[i]);
}

/* What is over waits for the disk when it must. Returns until when to sleep at most. */
static int sweep(struct control *control)
{
	struct intake *intake = room_intake(control->room);
	struct fault fault = { "" };
	long now = clock_ms();
	if (!intake_awaits(intake))
		return -1;
	if (now < control->sweep_due_ms)
		return (int)(control->sweep_due_ms - now);
	control->sweep_due_ms = now + SWEEP_MS;
	if (intake_sweep(intake, &fault) == 0)
		complaint_over(&control->sweep_complaint);
	else if (complaint_due(&control->sweep_complaint))
		log_warning(_("scans that nobody used cannot be told yet: %s"), fault.text);
	return SWEEP_MS;
}

/* What the thread does beside clients. Returns until when to sleep at most; -1: until something happens. */
static int look_after(struct control *control)
{
	int sweep_ms = sweep(control), mapping_ms = mapping_go_on(&control->mapping, control->room, control->reader);
	return sweep_ms < 0 || (mapping_ms >= 0 && mapping_ms < sweep_ms) ? mapping_ms : sweep_ms;
}

static void *serve(void *argument)
{
	struct control *control = argument;
	pthread_setname_np(pthread_self(), "control");
	enum { TAPS = CLIENTS_MAX, LISTENER = 2 * CLIENTS_MAX, WAKE, STOP, ALL };
	for (;;) {
		struct pollfd polled[ALL];
		for (size_t i = 0; i < CLIENTS_MAX; i++) {
			const struct client *client = &control->clients[i];
			polled[i] = (struct pollfd){ client->fd, recording_events(&client->recording), 0 };
			polled[TAPS + i] = (struct pollfd){ recording_fd(&client->recording), POLLIN, 0 };
		}
		polled[LISTENER] = (struct pollfd){ .fd = control->listener, .events = POLLIN };
		polled[WAKE] = (struct pollfd){ .fd = control->wake, .events = POLLIN };
		polled[STOP] = (struct pollfd){ .fd = control->stop, .events = POLLIN };
		if (poll(polled, ALL, look_after(control)) < 0) {
			if (errno != EINTR) /* fewer descriptors allowed than are watched: that lasts */
				poll(NULL, 0, 100);
			continue;
		}
		if (polled[STOP].revents)
			return NULL;
		if (polled[WAKE].revents) {
			uint64_t count;
			(void)!read(control->wake, &count, sizeof(count));
		}
		serve_clients(control, polled);
		if (polled[LISTENER].revents)
			welcome(control);
	}
}

/* A socket file left by a killed daemon is removed; the journal's lock has told already that no other daemon runs. */
static int listen_on(const char *path, int *ret, struct fault *fault)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address.sun_path))
		return fault_set(fault, ENAMETOOLONG,
			_("control socket %s: the path is longer than %zu bytes; choose a shorter one"), path,
			sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	struct stat there;
	if (lstat(path, &there) == 0 && S_ISSOCK(there.st_mode))
		unlink(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mode_t mask = umask(0117);
	int error = fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0
	                    ? errno
	                    : 0;
	umask(mask);
	if (error) {
		if (fd >= 0)
			close(fd);
		return fault_set(fault, error, _("control socket %s: %s; its directory must exist and be writable"),
			path, strerror(error));
	}
	*ret = fd;
	return 0;
}

int control_start(struct room *room, const char *path, struct control **ret, struct fault *fault)
{
	struct control *control = calloc(1, sizeof(*control));
	if (!control)
		return fault_set(fault, ENOMEM, _("out of memory"));
	control->room = room;
	control->listener = -1;
	control->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	control->stop = eventfd(0, EFD_CLOEXEC);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		control->clients[i].fd = -1;
	int error = listen_on(path, &control->listener, fault);
	if (error == 0) {
		strcpy(control->path, path);
		error = journal_reader_open(journal_path(room_journal(room)), &control->reader, fault);
	}
	if (error == 0)
		error = journal_watch(room_journal(room), control->wake);
	if (error == 0) {
		error = -pthread_create(&control->thread, NULL, serve, control);
		if (error) {
			fault_set(fault, -error, _("no thread for the control socket: %s"), strerror(-error));
			journal_unwatch(room_journal(room), control->wake);
		}
	}
	if (error) {
		control->room = NULL; /* nothing runs: only take apart what is there */
		control_stop(control);
		return error;
	}
	*ret = control;
	return 0;
}

void control_stop(struct control *control)
{
	if (!control)
		return;
	if (control->room) {
		uint64_t one = 1;
		(void)!write(control->stop, &one, sizeof(one));
		pthread_join(control->thread, NULL);
		journal_unwatch(room_journal(control->room), control->wake);
	}
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (control->clients[i].fd >= 0)
			drop(&control->clients[i]);
	mapping_end(&control->mapping);
	journal_reader_close(control->reader);
	if (control->listener >= 0) {
		close(control->listener);
		unlink(control->path);
	}
	close(control->wake);
	close(control->stop);
	free(control);
}
