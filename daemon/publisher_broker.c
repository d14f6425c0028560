/* Connecting, losing, backing off. A story is told once when it begins and once when it ends. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "event.h"
#include "publisher_parts.h"
#include "settings_words.h"

#define CONNECT_TIMEOUT_S   10
#define CONNECT_LIMIT_MS    30000 /* name resolution included, whatever the library thinks */
#define STEADY_MS           30000 /* a link that lived this long starts its back-off anew */
#define SHORT_MS            5000
#define SHORT_LINKS         3 /* in a row: not every broker says that another client took our place */
#define TAKEN_OVER_MIN_MS   60000
#define TAKEN_OVER_MAX_MS   120000
#define GOODBYE_ANSWERED_MS 1000
#define GOODBYE_STATUS_MS   500
#define GOODBYE_CLOSED_MS   700

enum { REFUSED_TAKEN_OVER = 0x8E };

static const char *broker_place(const struct publisher *publisher)
{
	return strstr(publisher->broker, "://") + 3;
}

static bool uses_tls(const struct publisher *publisher)
{
	return strncmp(publisher->broker, "mqtts://", 8) == 0;
}

static void set_fault(struct publisher *publisher, const char *text)
{
	pthread_mutex_lock(&publisher->fault_lock);
	snprintf(publisher->fault.text, sizeof(publisher->fault.text), "%s", text);
	pthread_mutex_unlock(&publisher->fault_lock);
}

/* The first line of a file, or of the systemd credential of that name. Read at each attempt: it may have been renewed.
 */
static int read_line(const char *setting, const char *name, char *out, size_t size, struct fault *fault)
{
	char path[4096];
	words_credential(name, path, sizeof(path));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, out, size - 1);
	int error = errno;
	if (fd >= 0)
		close(fd);
	out[got > 0 ? got : 0] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	if (got < 0)
		return fault_set(fault, error, _("%s %s cannot be read: %s"), setting, path, strerror(error));
	if (!*out)
		return fault_set(fault, EINVAL, _("%s %s has no first line; write there what %s is to be"), setting,
			path, setting);
	return 0;
}

struct login {
	char username[256], password[512];
};

/* Who we are to the broker. */
static int read_login(struct publisher *publisher, struct login *login, struct fault *fault)
{
	const struct target_config *target = publisher->target;
	const char *own = *target->client_id ? target->client_id : publisher->config->station.code;
	int error = 0;
	snprintf(publisher->client_id, sizeof(publisher->client_id), "%s", own);
	snprintf(login->username, sizeof(login->username), "%s", target->username);
	login->password[0] = '\0';
	if (*target->client_id_file)
		error = read_line("client-id-file", target->client_id_file, publisher->client_id,
			sizeof(publisher->client_id), fault);
	if (!error && *target->username_file)
		error = read_line(
			"username-file", target->username_file, login->username, sizeof(login->username), fault);
	if (!error && *target->password_file)
		error = read_line(
			"password-file", target->password_file, login->password, sizeof(login->password), fault);
	return error;
}

static struct tls_files tls_files(const struct target_config *target)
{
	return (struct tls_files){
		.ca = target->ca_file,
		.crl = target->crl_file,
		.client_cert = target->client_cert,
		.client_key = target->client_key,
	};
}

/* The next broker of the list, from the first again behind the last. */
static void choose_broker(struct publisher *publisher)
{
	char next[BROKER_MAX];
	if (!target_broker(publisher->target, publisher->broker_index, next)) {
		publisher->broker_index = 0;
		target_broker(publisher->target, 0, next);
	}
	publisher->broker_index++;
	if (strcmp(next, publisher->broker) != 0)
		publisher->found.text[0] = '\0'; /* it was about another */
	strcpy(publisher->broker, next);
}

/* `broker` is the one that was chosen, by its address where that will do. */
static void open_link(struct publisher *publisher, const char *broker)
{
	const struct target_config *target = publisher->target;
	struct login login;
	struct fault fault = { 0 };
	int rc = read_login(publisher, &login, &fault);
	if (rc == 0) {
		struct mqtt_options options = {
			.broker = broker,
			.client_id = publisher->client_id,
			.username = login.username,
			.password = login.password,
			.version5 = target->protocol == TARGET_MQTT5,
			.keepalive_s = target->keepalive_ms >= 1000 ? (int)(target->keepalive_ms / 1000) : 1,
			.connect_timeout_s = CONNECT_TIMEOUT_S,
			.will_topic = publisher->status_topic,
			.will_payload = PLATFORM_OFFLINE,
			.tls = tls_files(target),
		};
		rc = mqtt_open(&options, publisher->event_fd, &publisher->mqtt, &fault);
	}
	explicit_bzero(&login, sizeof(login));
	if (rc != 0)
		broker_ended(publisher, fault.text, 0);
}

static void unknown_name(struct publisher *publisher, const char *why)
{
	char host[BROKER_MAX], service[8];
	struct fault fault;
	lookup_split(publisher->broker, host, sizeof(host), service);
	fault_set(&fault, 0, _("the host name %s is not known here: %s; is the network up, and the name right?"), host,
		why);
	broker_ended(publisher, fault.text, 0);
}

/* The library would look a name up itself, and hold the lock of all its clients while it waits for the answer. So it
 * gets an address; with TLS the name, which it must hold against the certificate, now that the resolver answers. */
static void take_address(struct publisher *publisher)
{
	char host[BROKER_MAX], service[8], address[80], broker[BROKER_MAX];
	struct lookup *lookup = publisher->lookup;
	if (!lookup_address(lookup, publisher->addresses_tried++, address, sizeof(address))) {
		unknown_name(publisher, lookup_error(lookup));
		return;
	}
	publisher->lookup = NULL;
	lookup_free(lookup);
	lookup_split(publisher->broker, host, sizeof(host), service);
	snprintf(broker, sizeof(broker), "mqtt://%s:%s", address, service);
	open_link(publisher, uses_tls(publisher) ? publisher->broker : broker);
}

void broker_begin(struct publisher *publisher)
{
	char host[BROKER_MAX], service[8];
	struct fault fault;
	choose_broker(publisher);
	publisher->since_ms = clock_ms();
	publisher->stats.state = PUBLISHER_CONNECTING;
	lookup_split(publisher->broker, host, sizeof(host), service);
	if (lookup_start(host, service, 0, publisher->event_fd, &publisher->lookup, &fault) != 0)
		broker_ended(publisher, fault.text, 0);
}

/* The library's own words for a connection that did not come about say too little. */
static const char *plain_words(const char *words)
{
	return strncmp(words, "TCP", 3) != 0
	               ? words
	               : _("no connection; is the broker running, and are its address and port right?");
}

/* Why it failed, as far as the broker, the library and the clock let us know. */
static void explain(struct publisher *publisher, const char *why, int reason, char *out, size_t size)
{
	char words[256] = "";
	if (publisher->mqtt)
		mqtt_failure(publisher->mqtt, words, sizeof(words));
	if (reason)
		snprintf(out, size, "%s", mqtt_reason(reason));
	else if (why)
		snprintf(out, size, "%s", why);
	else if (publisher->up)
		snprintf(out, size, "%s", *words ? words : _("the connection ended"));
	else if (uses_tls(publisher) && *publisher->found.text)
		snprintf(out, size, "%s", publisher->found.text);
	else
		snprintf(out, size, "%s", plain_words(*words ? words : "TCP"));
	size_t used = strlen(out);
	char now[CLOCK_TEXT_MAX];
	if (uses_tls(publisher) && !publisher->up && !clock_possible(clock_wall_ms()))
		snprintf(out + used, size - used, _("; this box's clock says %s, which cannot be: set the clock first"),
			clock_text(now, clock_wall_ms()));
}

static void tell_down(struct publisher *publisher, const char *text, int reason)
{
	const char *name = publisher->target->name, *place = broker_place(publisher);
	struct fault line;
	if (reason == REFUSED_TAKEN_OVER)
		fault_set(&line, 0,
			_("target %s: another client seems to use our client identifier at %s: two stations with one "
			  "code? Trying again after a minute or more"),
			name, place);
	else if (publisher->up)
		fault_set(&line, 0, _("target %s: link to broker %s lost: %s; records are kept and sent later"), name,
			place, text);
	else
		fault_set(&line, 0, _("target %s: broker %s not reachable: %s; records are kept and sent later"), name,
			place, text);
	if (complaint_due(&publisher->down) || reason == REFUSED_TAKEN_OVER)
		log_warning("%s", line.text);
}

/* Somebody must find out which station has the wrong code, and other targets are still reached: told once, until a link
 * lives for a while again. */
static void announce_takeover(struct publisher *publisher)
{
	const char *name = publisher->target->name;
	struct fault fault;
	if (publisher->taken_over)
		return;
	publisher->taken_over = true;
	struct json *details = js_new_object();
	js_put_text(details, "target", name);
	js_put_text(details, "broker", broker_place(publisher));
	js_put_text(details, "client_id", publisher->client_id);
	struct entry event = event_make("taken_over", "", details, clock_wall_ms());
	if (journal_append(publisher->journal, &event, 1, NULL, NULL, &fault) < 0 && complaint_due(&publisher->unread))
		log_error(_("target %s: %s"), name, fault.text);
	free(event.body);
}

/* How long the link lived tells whether to be patient, and whether someone else keeps taking our place. */
static int judge_link(struct publisher *publisher, const char *why, int reason, long now_ms)
{
	long lived_ms = now_ms - publisher->since_ms;
	publisher->stats.losses++;
	/* mosquitto 2.0.11 with max_queued_messages 0 ends the link after each refusal: that is nobody else's doing */
	bool explained = why || reason || publisher->stats.refused != publisher->refused_before;
	explained = doubt_link_lost(publisher, why, reason, now_ms) || explained;
	publisher->short_links = !explained && lived_ms < SHORT_MS ? publisher->short_links + 1 : 0;
	if (lived_ms >= STEADY_MS) {
		backoff_reset(&publisher->backoff);
		publisher->taken_over = false;
	}
	if (reason || publisher->short_links < SHORT_LINKS)
		return reason;
	publisher->short_links = 0;
	return REFUSED_TAKEN_OVER;
}

/* Why TLS failed takes a handshake of our own to find out: the failure is told when that is over. False where there is
 * nothing to find out, or it was found out a short while ago. */
static bool examine(struct publisher *publisher, const char *why, int reason)
{
	const struct tls_files files = tls_files(publisher->target);
	struct fault fault;
	if (publisher->up || why || reason || !uses_tls(publisher))
		return false;
	if (publisher->check)
		return true;
	return complaint_due(&publisher->unexamined) &&
	       tls_check_start(publisher->broker, &files, publisher->event_fd, &publisher->check, &fault) == 0;
}

/* Takes what a check has found. It may have met a broker that is well by now. */
static void take_finding(struct publisher *publisher)
{
	char text[sizeof(publisher->fault.text)];
	if (!publisher->check || !tls_check_done(publisher->check, &publisher->found))
		return;
	tls_check_free(publisher->check);
	publisher->check = NULL;
	if (publisher->up)
		return;
	explain(publisher, NULL, 0, text, sizeof(text));
	set_fault(publisher, text);
	tell_down(publisher, text, 0);
}

/* Another broker of the list is tried at once; when all were, after a pause. */
static int64_t pause_after(struct publisher *publisher, int reason)
{
	char next[BROKER_MAX];
	if (reason == REFUSED_TAKEN_OVER) {
		publisher->broker_index = 0;
		return backoff_between(&publisher->backoff, TAKEN_OVER_MIN_MS, TAKEN_OVER_MAX_MS);
	}
	if (publisher->up)
		publisher->broker_index = 0;
	else if (target_broker(publisher->target, publisher->broker_index, next))
		return 0;
	else
		publisher->short_links = 0; /* no broker is there: whoever takes our place leaves it up */
	return backoff_next(&publisher->backoff);
}

static void let_go(struct publisher *publisher)
{
	lookup_free(publisher->lookup);
	publisher->lookup = NULL;
	mqtt_free(publisher->mqtt);
	publisher->mqtt = NULL;
}

void broker_ended(struct publisher *publisher, const char *why, int reason)
{
	char text[sizeof(publisher->fault.text)];
	long now = clock_ms();
	if (publisher->up)
		reason = judge_link(publisher, why, reason, now);
	if (!examine(publisher, why, reason)) {
		explain(publisher, why, reason, text, sizeof(text));
		set_fault(publisher, text);
		tell_down(publisher, text, reason);
	}
	if (reason == REFUSED_TAKEN_OVER)
		announce_takeover(publisher);
	let_go(publisher);
	publisher->retry_ms = now + (long)pause_after(publisher, reason);
	publisher->since_ms = now;
	publisher->up = false;
	publisher->stats.state = PUBLISHER_DOWN;
	send_rewind(publisher);
	platform_reset(publisher);
}

static void subscribe(struct publisher *publisher)
{
	char topic[100];
	struct fault fault;
	static const char *const names[] = { "receipt", "request/+" };
	for (size_t i = 0; i < 2; i++) {
		snprintf(topic, sizeof(topic), "%s/%s", publisher->root, names[i]);
		if (mqtt_subscribe(publisher->mqtt, topic, &fault) != 0)
			return; /* the link is going down and says so itself */
	}
}

void broker_came_up(struct publisher *publisher)
{
	const struct target_config *target = publisher->target;
	struct mqtt_limits limits = mqtt_limits(publisher->mqtt);
	publisher->up = true;
	publisher->since_ms = clock_ms();
	publisher->limit = (size_t)target->window < limits.in_flight ? (size_t)target->window : limits.in_flight;
	publisher->limit += publisher->limit == 0; /* no broker may mean none at all */
	publisher->stats.state = PUBLISHER_UP;
	publisher->stats.connects++;
	publisher->refused_before = publisher->stats.refused;
	set_fault(publisher, "");
	publisher->found.text[0] = '\0';
	complaint_over(&publisher->unexamined);
	bool again = complaint_over(&publisher->down);
	if (again || publisher->stats.connects == 1)
		log_notice(_("target %s: connected to broker %s (MQTT %s, at most %zu messages in flight)"),
			target->name, broker_place(publisher), target->protocol == TARGET_MQTT5 ? "5" : "3.1.1",
			publisher->limit);
	publisher->status_due = true;
	subscribe(publisher);
	doubt_link_up(publisher);
	send_start(publisher);
}

void broker_watch(struct publisher *publisher, long now_ms)
{
	char text[120];
	take_finding(publisher);
	if (publisher->lookup && lookup_done(publisher->lookup))
		take_address(publisher);
	else if (publisher->lookup && now_ms - publisher->since_ms > CONNECT_LIMIT_MS)
		unknown_name(publisher, _("no answer in time"));
	if (!publisher->mqtt)
		return;
	if (!publisher->up && now_ms - publisher->since_ms > CONNECT_LIMIT_MS) {
		broker_ended(publisher, _("no answer in time"), 0);
		return;
	}
	long oldest = send_oldest_ms(publisher);
	if (!publisher->up || oldest < 0 || now_ms - oldest <= publisher->target->ack_timeout_ms)
		return;
	snprintf(text, sizeof(text), _("no acknowledgement for %ld s"), (now_ms - oldest) / 1000);
	broker_ended(publisher, text, 0);
}

static void collect_until(struct publisher *publisher, long limit_ms, bool closing)
{
	long until = clock_ms() + limit_ms;
	while (publisher->mqtt && (closing || send_in_flight(publisher))) {
		long left = until - clock_ms();
		if (left <= 0)
			return;
		publisher_wait(publisher, (int)left);
		publisher_collect(publisher);
	}
}

void broker_hang_up(struct publisher *publisher)
{
	if (publisher->up) {
		proof_send(publisher, clock_ms()); /* the last seal, most likely */
		collect_until(publisher, GOODBYE_ANSWERED_MS, false);
		platform_goodbye(publisher);
		collect_until(publisher, GOODBYE_STATUS_MS, false);
	}
	if (publisher->up) {
		mqtt_disconnect(publisher->mqtt);
		complaint_due(&publisher->down); /* our own goodbye is no loss to tell of */
		collect_until(publisher, GOODBYE_CLOSED_MS, true);
	}
	let_go(publisher);
	publisher->up = false;
	publisher->stats.state = PUBLISHER_DOWN;
}
