#include "publisher.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "digest.h"
#include "publisher_parts.h"
#include "secrets.h"

#define TURN_MS 500 /* the longest the thread sleeps: its sign of life */

/* ---- the thread ---- */

void publisher_wait(struct publisher *publisher, int ms)
{
	struct pollfd poller = { .fd = publisher->event_fd, .events = POLLIN };
	uint64_t count;
	if (poll(&poller, 1, ms) > 0 && read(publisher->event_fd, &count, sizeof(count)) < 0)
		return; /* another reader cannot be: nothing was there after all */
}

static void take_event(struct publisher *publisher, const struct mqtt_event *event)
{
	switch (event->kind) {
	case MQTT_UP:
		broker_came_up(publisher);
		break;
	case MQTT_DOWN:
		broker_ended(publisher, NULL, event->reason);
		break;
	case MQTT_DELIVERED:
	case MQTT_REFUSED:
		if (window_delivered(&publisher->outbox.window, event->token)) {
			if (event->kind == MQTT_REFUSED && complaint_due(&publisher->odd))
				log_warning(
					_("target %s: the broker does not take the status, a seal or an answer: %s"),
					publisher->target->name, mqtt_reason(event->reason));
			platform_answered(publisher, event->token);
			proof_answered(publisher, event->token, event->kind == MQTT_REFUSED);
		} else {
			send_answered(publisher, event);
		}
		break;
	case MQTT_NOT_SENT: /* the link is ending; should it not, the missing acknowledgement ends it */
		break;
	case MQTT_NOT_SUBSCRIBED:
		if (complaint_due(&publisher->odd))
			log_warning(
				_("target %s: the broker does not let us hear the platform's requests and receipts: %s"),
				publisher->target->name, mqtt_reason(event->reason));
		break;
	case MQTT_INCOMING:
		platform_message(publisher, event->message);
		break;
	}
}

int publisher_collect(struct publisher *publisher)
{
	struct mqtt_event event;
	int count = 0;
	while (publisher->mqtt && mqtt_next(publisher->mqtt, &event)) {
		take_event(publisher, &event);
		mqtt_incoming_free(event.message);
		count++;
	}
	return count;
}

static int turn(struct publisher *publisher)
{
	long now = clock_ms();
	publisher->beat++;
	publisher->looks_left = LOOKS_A_TURN;
	bool idle = !publisher->mqtt && !publisher->lookup;
	if (idle && now >= publisher->retry_ms)
		broker_begin(publisher);
	publisher_collect(publisher);
	if (publisher->up) {
		platform_watch_receipts(publisher, now);
		refusal_retry(publisher);
		replay_resend(publisher);
		send_what_fits(publisher);
	}
	send_report_progress(publisher);
	broker_watch(publisher, now);
	if (!publisher->mqtt && !publisher->lookup)
		return publisher->retry_ms - now < TURN_MS ? (int)(publisher->retry_ms - now) : TURN_MS;
	return publisher->up ? send_wait_ms(publisher, now, TURN_MS) : TURN_MS;
}

static void *run(void *argument)
{
	struct publisher *publisher = argument;
	pthread_setname_np(pthread_self(), "publisher");
	while (!publisher->stop) {
		int wait = turn(publisher);
		publisher_wait(publisher, wait > 0 ? wait : 0);
	}
	broker_hang_up(publisher);
	send_report_progress(publisher);
	return NULL;
}

/* ---- starting and stopping ---- */

static bool uses_tls(const struct target_config *target)
{
	return strncmp(target->broker, "mqtts://", 8) == 0;
}

static void warn(const struct config *config, const struct target_config *target)
{
	struct fault fault;
	const char *const secrets[] = { target->client_key, target->password_file };
	if (target->protocol == TARGET_MQTT311)
		log_warning(_("target %s: with MQTT 3.1.1 a broker acknowledges even what it refuses to pass on; "
			      "use protocol = 5, or receipts = required"),
			target->name);
	for (size_t i = 0; i < 2; i++)
		if (secrets_loose(config, secrets[i], &fault))
			log_warning(_("target %s: %s"), target->name, fault.text);
}

static void name_topics(struct publisher *publisher)
{
	static const char *const names[] = { "result", "qc", "event" };
	const struct station *station = &publisher->config->station;
	snprintf(publisher->root, sizeof(publisher->root), "assay/v1/%s/%s", station->county, station->code);
	snprintf(publisher->status_topic, sizeof(publisher->status_topic), "%s/status", publisher->root);
	for (size_t i = 0; i < 3; i++)
		snprintf(publisher->entry_topics[i], sizeof(publisher->entry_topics[i]), "%s/%s", publisher->root,
			names[i]);
}

static int prepare_streams(struct publisher *publisher, struct fault *fault)
{
	uint64_t through = 0;
	int rc = journal_target(publisher->journal, publisher->target->name, &through, fault);
	if (rc == 0)
		rc = journal_reader_open(journal_path(publisher->journal), &publisher->reader, fault);
	for (int i = 0; rc == 0 && i < STREAM_COUNT; i++) {
		rc = stream_init(&publisher->streams[i], (size_t)publisher->target->window, fault);
		if (rc == 0)
			stream_begin(&publisher->streams[i], through, 0);
	}
	if (rc == 0)
		rc = proof_prepare(publisher, fault);
	if (rc == 0)
		old_open(publisher);
	publisher->reported = publisher->receipts.covered = through;
	publisher->stats.through = through;
	window_init(&publisher->outbox.window, publisher->outbox.ring, OUTBOX_MAX, 0);
	pace_init(&publisher->answer_pace, ANSWER_RATE, clock_ms());
	return rc;
}

static void publisher_free(struct publisher *publisher)
{
	for (int i = 0; i < STREAM_COUNT; i++)
		stream_free(&publisher->streams[i]);
	platform_reset(publisher);
	tls_check_free(publisher->check);
	refusal_free(publisher);
	old_free(publisher);
	journal_reader_close(publisher->reader);
	if (publisher->event_fd >= 0) {
		journal_unwatch(publisher->journal, publisher->event_fd);
		close(publisher->event_fd);
	}
	pthread_mutex_destroy(&publisher->fault_lock);
	config_release(publisher->config);
	free(publisher);
}

static int prepare(struct publisher *publisher, struct fault *fault)
{
	uint64_t seed;
	digest_random(&seed, sizeof(seed));
	backoff_init(
		&publisher->backoff, publisher->target->reconnect_min_ms, publisher->target->reconnect_max_ms, seed);
	name_topics(publisher);
	publisher->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (publisher->event_fd < 0)
		return fault_set(fault, errno, _("target %s: %s"), publisher->target->name, strerror(errno));
	int rc = journal_watch(publisher->journal, publisher->event_fd);
	if (rc != 0)
		return fault_set(fault, -rc, _("target %s: the journal has too many readers"), publisher->target->name);
	return prepare_streams(publisher, fault);
}

int publisher_start(struct config *config, const struct target_config *target, struct journal *journal,
	char *(*status)(void *context), void *context, struct publisher **ret, struct fault *fault)
{
	struct publisher *publisher = calloc(1, sizeof(*publisher));
	if (!publisher)
		return fault_set(fault, ENOMEM, _("out of memory"));
	publisher->config = config_hold(config);
	publisher->target = target;
	publisher->journal = journal;
	publisher->status = status;
	publisher->context = context;
	publisher->event_fd = -1;
	pthread_mutex_init(&publisher->fault_lock, NULL);
	int rc = prepare(publisher, fault);
	if (rc == 0) {
		warn(config, target);
		if (uses_tls(target))
			tls_demand_revocation_list(*target->crl_file);
		rc = pthread_create(&publisher->thread, NULL, run, publisher);
		if (rc != 0)
			rc = fault_set(fault, rc, _("target %s: %s"), target->name, strerror(rc));
	}
	if (rc != 0) {
		publisher_free(publisher);
		return rc;
	}
	*ret = publisher;
	return 0;
}

static void wake(struct publisher *publisher)
{
	uint64_t one = 1;
	if (write(publisher->event_fd, &one, sizeof(one)) < 0)
		return; /* the counter is at its limit: the thread is awake */
}

void publisher_stop(struct publisher *publisher)
{
	if (!publisher)
		return;
	publisher->stop = true;
	wake(publisher);
	pthread_join(publisher->thread, NULL);
	publisher_free(publisher);
}

/* ---- what others may ask ---- */

const struct target_config *publisher_target(const struct publisher *publisher)
{
	return publisher->target;
}

const struct publisher_stats *publisher_stats(const struct publisher *publisher)
{
	return &publisher->stats;
}

void publisher_fault(struct publisher *publisher, struct fault *out)
{
	pthread_mutex_lock(&publisher->fault_lock);
	*out = publisher->fault;
	pthread_mutex_unlock(&publisher->fault_lock);
}

unsigned long publisher_beat(const struct publisher *publisher)
{
	return publisher->beat;
}

void publisher_status_changed(struct publisher *publisher)
{
	publisher->status_due = true;
	wake(publisher);
}
