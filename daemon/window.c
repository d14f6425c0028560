#include "window.h"

void window_init(struct window *window, struct flight *ring, size_t size, uint64_t through)
{
	*window = (struct window){ .ring = ring, .size = size, .through = through };
}

size_t window_room(const struct window *window)
{
	return window->size - window->count;
}

static struct flight *flight_at(const struct window *window, size_t index)
{
	return &window->ring[(window->first + index) % window->size];
}

static void advance(struct window *window)
{
	while (window->count && flight_at(window, 0)->state == FLIGHT_DELIVERED) {
		window->through = flight_at(window, 0)->seq;
		window->first = (window->first + 1) % window->size;
		window->count--;
	}
}

static void add(struct window *window, const struct flight *flight)
{
	*flight_at(window, window->count++) = *flight;
}

void window_sent(struct window *window, uint64_t seq, int token, long now_ms)
{
	add(window, &(struct flight){ .seq = seq, .token = token, .state = FLIGHT_OPEN, .sent_ms = now_ms });
	window->open++;
}

void window_skipped(struct window *window, uint64_t seq)
{
	add(window, &(struct flight){ .seq = seq, .state = FLIGHT_DELIVERED });
	advance(window);
}

static struct flight *open_flight(const struct window *window, int token)
{
	for (size_t i = 0; i < window->count; i++) {
		struct flight *flight = flight_at(window, i);
		if (flight->state == FLIGHT_OPEN && flight->token == token)
			return flight;
	}
	return NULL;
}

uint64_t window_find(const struct window *window, int token)
{
	const struct flight *flight = open_flight(window, token);
	return flight ? flight->seq : 0;
}

bool window_delivered(struct window *window, int token)
{
	struct flight *flight = open_flight(window, token);
	if (!flight)
		return false;
	flight->state = FLIGHT_DELIVERED;
	window->open--;
	advance(window);
	return true;
}

bool window_failed(struct window *window, int token)
{
	struct flight *flight = open_flight(window, token);
	if (!flight)
		return false;
	flight->state = FLIGHT_FAILED;
	window->open--;
	window->failed++;
	return true;
}

const struct flight *window_oldest(const struct window *window)
{
	for (size_t i = 0; i < window->count; i++)
		if (flight_at(window, i)->state == FLIGHT_OPEN)
			return flight_at(window, i);
	return NULL;
}

long window_oldest_ms(const struct window *window)
{
	const struct flight *oldest = window_oldest(window);
	return oldest ? oldest->sent_ms : -1;
}

void window_clear(struct window *window)
{
	window->first = window->count = window->open = window->failed = 0;
}
