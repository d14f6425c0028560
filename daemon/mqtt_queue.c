#include "mqtt_queue.h"

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

void mqtt_queue_init(struct mqtt_queue *queue, int event_fd)
{
	*queue = (struct mqtt_queue){ .event_fd = event_fd };
	pthread_mutex_init(&queue->lock, NULL);
}

void mqtt_incoming_free(struct mqtt_incoming *message)
{
	if (!message)
		return;
	free(message->topic);
	free(message->payload);
	free(message->response_topic);
	free(message->correlation);
	free(message);
}

void mqtt_queue_destroy(struct mqtt_queue *queue)
{
	struct mqtt_event event;
	while (mqtt_queue_take(queue, &event))
		mqtt_incoming_free(event.message);
	free(queue->filling);
	free(queue->taking);
	pthread_mutex_destroy(&queue->lock);
}

static void wake(const struct mqtt_queue *queue)
{
	uint64_t one = 1;
	if (write(queue->event_fd, &one, sizeof(one)) < 0)
		return; /* the counter is at its limit: the reader is awake */
}

static void make_room(struct mqtt_queue *queue)
{
	if (queue->filled < queue->filling_size)
		return;
	size_t size = queue->filling_size ? 2 * queue->filling_size : 64;
	struct mqtt_event *grown = realloc(queue->filling, size * sizeof(*grown));
	if (!grown)
		abort(); /* without memory the process restarts from its journal, as in json.h */
	queue->filling = grown;
	queue->filling_size = size;
}

void mqtt_queue_push(struct mqtt_queue *queue, const struct mqtt_event *event)
{
	struct mqtt_incoming *dropped = NULL;
	pthread_mutex_lock(&queue->lock);
	bool was_empty = queue->filled == 0;
	if (event->message && queue->messages >= MQTT_QUEUE_MESSAGES_MAX) {
		dropped = event->message;
		queue->dropped++;
	} else {
		make_room(queue);
		queue->filling[queue->filled++] = *event;
		queue->messages += event->message != NULL;
	}
	pthread_mutex_unlock(&queue->lock);
	mqtt_incoming_free(dropped);
	if (was_empty)
		wake(queue);
}

static void swap(struct mqtt_queue *queue)
{
	struct mqtt_event *list = queue->taking;
	size_t size = queue->taking_size;
	pthread_mutex_lock(&queue->lock);
	queue->taking = queue->filling;
	queue->taking_count = queue->filled;
	queue->taking_size = queue->filling_size;
	queue->filling = list;
	queue->filling_size = size;
	queue->filled = 0;
	queue->messages = 0;
	pthread_mutex_unlock(&queue->lock);
	queue->taken = 0;
}

bool mqtt_queue_take(struct mqtt_queue *queue, struct mqtt_event *ret)
{
	if (queue->taken == queue->taking_count)
		swap(queue);
	if (queue->taken == queue->taking_count)
		return false;
	*ret = queue->taking[queue->taken++];
	return true;
}
