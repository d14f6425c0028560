#include "tap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"

#define RING_SIZE (256 * 1024) /* a busy line of 115,200 baud for ten seconds */

struct tap {
	_Atomic int holders;
	atomic_bool closed;
	int unit, wake;
	int64_t opened_us;
	pthread_mutex_t lock; /* of what follows */
	bool ended;
	struct tap_item dropped; /* since there was room last */
	size_t at, used;
	uint8_t ring[RING_SIZE];
};

struct tap *tap_new(int unit)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	if (!tap)
		return NULL;
	tap->holders = 1;
	tap->unit = unit;
	tap->opened_us = clock_us();
	tap->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (tap->wake < 0) {
		free(tap);
		return NULL;
	}
	pthread_mutex_init(&tap->lock, NULL);
	return tap;
}

struct tap *tap_hold(struct tap *tap)
{
	atomic_fetch_add(&tap->holders, 1);
	return tap;
}

void tap_release(struct tap *tap)
{
	if (!tap || atomic_fetch_sub(&tap->holders, 1) > 1)
		return;
	pthread_mutex_destroy(&tap->lock);
	close(tap->wake);
	free(tap);
}

int tap_unit(const struct tap *tap)
{
	return tap->unit;
}

static void write_ring(struct tap *tap, const void *data, size_t length)
{
	size_t from = (tap->at + tap->used) % RING_SIZE, first = RING_SIZE - from;
	first = first < length ? first : length;
	memcpy(tap->ring + from, data, first);
	memcpy(tap->ring, (const uint8_t *)data + first, length - first);
	tap->used += length;
}

static void read_ring(struct tap *tap, void *data, size_t length)
{
	size_t first = RING_SIZE - tap->at;
	first = first < length ? first : length;
	memcpy(data, tap->ring + tap->at, first);
	memcpy((uint8_t *)data + first, tap->ring, length - first);
	tap->at = (tap->at + length) % RING_SIZE;
	tap->used -= length;
}

/* Room for this one and for the word that others had none. */
static bool has_room(const struct tap *tap, size_t length)
{
	return RING_SIZE - tap->used >= 2 * sizeof(struct tap_item) + length;
}

static void put(struct tap *tap, const struct tap_item *item, const void *bytes)
{
	pthread_mutex_lock(&tap->lock);
	if (!has_room(tap, item->length)) {
		tap->dropped.count++;
		tap->dropped.dropped_bytes += item->length;
	} else {
		if (tap->dropped.count) {
			tap->dropped.kind = TAP_DROPPED;
			tap->dropped.at_us = item->at_us;
			write_ring(tap, &tap->dropped, sizeof(tap->dropped));
			tap->dropped = (struct tap_item){ 0 };
		}
		write_ring(tap, item, sizeof(*item));
		write_ring(tap, bytes, item->length);
	}
	pthread_mutex_unlock(&tap->lock);
	eventfd_write(tap->wake, 1);
}

void tap_put(struct tap *tap, enum tap_kind kind, const void *bytes, size_t length)
{
	struct tap_item item = { .kind = kind, .at_us = clock_us() - tap->opened_us };
	for (size_t done = 0; done < length; done += item.length) {
		item.length = length - done < TAP_BYTES_MAX ? length - done : TAP_BYTES_MAX;
		put(tap, &item, (const uint8_t *)bytes + done);
	}
}

void tap_results(struct tap *tap, unsigned long count)
{
	struct tap_item item = { .kind = TAP_RESULTS, .at_us = clock_us() - tap->opened_us, .count = count };
	put(tap, &item, "");
}

void tap_end(struct tap *tap)
{
	pthread_mutex_lock(&tap->lock);
	tap->ended = true;
	pthread_mutex_unlock(&tap->lock);
	eventfd_write(tap->wake, 1);
}

bool tap_is_closed(const struct tap *tap)
{
	return tap->closed;
}

int tap_fd(const struct tap *tap)
{
	return tap->wake;
}

int tap_take(struct tap *tap, struct tap_item *item, uint8_t bytes[static TAP_BYTES_MAX])
{
	eventfd_t count;
	pthread_mutex_lock(&tap->lock);
	int taken = tap->used > 0 ? 1 : tap->ended ? -1 : 0;
	if (taken > 0) {
		read_ring(tap, item, sizeof(*item));
		read_ring(tap, bytes, item->length);
	} else if (tap->dropped.count) { /* the last that were left out, and nothing came after them */
		*item = tap->dropped;
		item->kind = TAP_DROPPED;
		item->at_us = clock_us() - tap->opened_us;
		tap->dropped = (struct tap_item){ 0 };
		taken = 1;
	}
	if (taken == 0)
		eventfd_read(tap->wake, &count); /* under the lock: what is put after this wakes again */
	pthread_mutex_unlock(&tap->lock);
	return taken;
}

void tap_close(struct tap *tap)
{
	tap->closed = true;
}
