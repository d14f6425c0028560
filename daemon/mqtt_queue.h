/* What the MQTT library's threads hand over to the thread that owns a connection.
 *
 * They only append here and write to an eventfd: they run inside the library's lock and must neither wait nor call
 * back. Answers cannot outnumber what is in flight; waiting messages from the platform are bounded, more are dropped
 * and counted. Any thread may push; one thread takes.
 */
#ifndef ASSAYD_MQTT_QUEUE_H
#define ASSAYD_MQTT_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum mqtt_event_kind {
	MQTT_UP,        /* the broker accepted the connection */
	MQTT_DOWN,      /* it did not, or the connection ended; `reason` when the broker gave one */
	MQTT_DELIVERED, /* `token` is acknowledged */
	MQTT_REFUSED,   /* the broker refused `token` for `reason` (0x80 or above) */
	MQTT_NOT_SENT,  /* the library gave `token` up: the connection is ending */
	MQTT_NOT_SUBSCRIBED /* the broker refused a subscription for `reason` */,
	MQTT_INCOMING /* a message */
};

struct mqtt_incoming {
	char *topic;
	char *payload; /* NULL when it was over the limit */
	size_t length;
	char *response_topic; /* NULL: none */
	void *correlation;
	size_t correlation_length;
	bool retained;
};

struct mqtt_event {
	enum mqtt_event_kind kind;
	int token, reason;
	struct mqtt_incoming *message;
};

struct mqtt_queue {
	pthread_mutex_t lock;
	struct mqtt_event *filling, *taking; /* swapped when `taking` is used up */
	size_t filled, filling_size, taken, taking_count, taking_size;
	size_t messages, dropped;
	int event_fd;
};

#define MQTT_QUEUE_MESSAGES_MAX 64

void mqtt_queue_init(struct mqtt_queue *queue, int event_fd);
void mqtt_queue_destroy(struct mqtt_queue *queue);                              /* frees what nobody took */
void mqtt_queue_push(struct mqtt_queue *queue, const struct mqtt_event *event); /* owns event->message */
bool mqtt_queue_take(struct mqtt_queue *queue, struct mqtt_event *ret);
void mqtt_incoming_free(struct mqtt_incoming *message); /* NULL is fine */

#endif
