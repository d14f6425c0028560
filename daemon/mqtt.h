/* One connection to one MQTT broker, the one place that knows which library does it (Paho MQTT C, asynchronous).
 *
 * The library is used as a pipe and nothing more, because each of its conveniences was measured to lose, stall or crash
 * (version 1.3.12): clean start, no persistence, no buffering, no reconnecting. A `struct mqtt` is one attempt: it
 * connects once, lives as long as that connection and is freed when it ends; the next attempt is a new one.
 *
 * One thread owns a `struct mqtt` and is the only one to call any of this. The library's own threads copy what they
 * have to say into a queue and write to `event_fd`; the owner collects it with mqtt_next().
 */
#ifndef ASSAYD_MQTT_H
#define ASSAYD_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../drivers/fault.h"
#include "mqtt_queue.h"
#include "tls.h"

struct mqtt;

struct mqtt_options {
	const char *broker; /* mqtt://host:port or mqtts://host:port; a name is resolved while all connections wait */
	const char *client_id;
	const char *username, *password; /* NULL or "": none */
	bool version5;                   /* else 3.1.1; never anything older */
	int keepalive_s, connect_timeout_s;
	const char *will_topic, *will_payload; /* retained */
	struct tls_files tls; /* none: the system's authorities; no revocation list; no client certificate */
};

struct mqtt_pair {
	const char *name, *value;
};

#define MQTT_PAIRS_MAX 8

struct mqtt_message { /* always QoS 1; properties are only sent with MQTT 5 */
	const char *topic;
	const void *payload;
	size_t length;
	bool retained;
	const char *content_type; /* may be NULL */
	const struct mqtt_pair *pairs;
	size_t pair_count;
	const void *correlation; /* may be NULL */
	size_t correlation_length;
};

struct mqtt_limits {        /* what the broker said when it accepted the connection */
	size_t in_flight;   /* Receive Maximum: QoS 1 messages without an answer; 65535 when it did not say */
	size_t packet_size; /* Maximum Packet Size; 0 when it did not say */
};

/* Begins to connect; the outcome is MQTT_UP or MQTT_DOWN. `event_fd` is an eventfd of the caller's. */
int mqtt_open(const struct mqtt_options *options, int event_fd, struct mqtt **ret, struct fault *fault);

/* Ends the connection at once, if there still is one; no event comes any more. NULL is fine. */
void mqtt_free(struct mqtt *mqtt);

/* The next event, false when there is none. A message is the caller's: mqtt_incoming_free(). */
bool mqtt_next(struct mqtt *mqtt, struct mqtt_event *ret);

struct mqtt_limits mqtt_limits(struct mqtt *mqtt);            /* after MQTT_UP */
void mqtt_failure(struct mqtt *mqtt, char *out, size_t size); /* after MQTT_DOWN: the library's words, or "" */

/* Sends one message; its answer is MQTT_DELIVERED or MQTT_REFUSED with this token. -EMSGSIZE when the packet would be
 * larger than the broker takes: it was not sent. */
int mqtt_publish(struct mqtt *mqtt, const struct mqtt_message *message, int *ret_token, struct fault *fault);

/* At QoS 1. The outcome only shows when it is refused: MQTT_NOT_SUBSCRIBED. */
int mqtt_subscribe(struct mqtt *mqtt, const char *topic, struct fault *fault);

/* Says goodbye, so that the broker keeps the Will to itself; MQTT_DOWN follows. */
void mqtt_disconnect(struct mqtt *mqtt);

/* "not authorised" for an MQTT 5 reason code, or an MQTT 3.1.1 refusal (1..5). */
const char *mqtt_reason(int reason);

#endif
