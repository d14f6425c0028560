/* The in-flight window: which entries were sent, in which order, and how far everything before is delivered.
 *
 * A broker may acknowledge in any order; `through` only moves over an unbroken run of delivered entries, so that what
 * it has passed need never be sent again. Pure: memory is the caller's, time is an argument. One thread at a time.
 */
#ifndef ASSAYD_WINDOW_H
#define ASSAYD_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum flight_state {
	FLIGHT_OPEN,      /* sent, not answered */
	FLIGHT_DELIVERED, /* acknowledged, or not to be delivered at all */
	FLIGHT_FAILED     /* refused for now: to be sent again after window_clear() */
};

struct flight {
	uint64_t seq;
	int token; /* the MQTT packet identifier: unique among the open flights of one connection */
	enum flight_state state;
	long sent_ms;
};

struct window {
	struct flight *ring;
	size_t size, first, count;
	size_t open; /* flights in FLIGHT_OPEN */
	size_t failed;
	uint64_t through;
};

void window_init(struct window *window, struct flight *ring, size_t size, uint64_t through);

/* How many more may be sent before the oldest is answered. */
size_t window_room(const struct window *window);

/* Entries must be added in rising order of `seq`, and only while there is room. */
void window_sent(struct window *window, uint64_t seq, int token, long now_ms);
void window_skipped(struct window *window, uint64_t seq); /* will not be delivered and needs no answer */

/* The seq of the open flight with this token, 0 when there is none. */
uint64_t window_find(const struct window *window, int token);

/* Answers to an open flight; false when no open flight has this token (a late or doubled answer). */
bool window_delivered(struct window *window, int token);
bool window_failed(struct window *window, int token);

/* The oldest open flight, NULL when none is open; and when it was sent, -1. */
const struct flight *window_oldest(const struct window *window);
long window_oldest_ms(const struct window *window);

/* Forgets all flights; `through` stays: everything after it is to be sent again. */
void window_clear(struct window *window);

#endif
