#include "loop.h"

#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

static int epoll = -1;
static bool stopping;
static struct timer **heap; /* heap[0] is due first */
static size_t heap_count, heap_size;

int64_t loop_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void loop_open(void)
{
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		err(1, "epoll");
}

static void control(int operation, int fd, uint32_t events, struct watch *watch)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	if (epoll_ctl(epoll, operation, fd, &event) < 0)
		err(1, "epoll");
}

void loop_watch(int fd, uint32_t events, struct watch *watch)
{
	control(EPOLL_CTL_ADD, fd, events, watch);
}

void loop_change(int fd, uint32_t events, struct watch *watch)
{
	control(EPOLL_CTL_MOD, fd, events, watch);
}

void loop_forget(int fd)
{
	control(EPOLL_CTL_DEL, fd, 0, NULL);
}

static void put(size_t place, struct timer *timer)
{
	heap[place] = timer;
	timer->place = place + 1;
}

static void rise(size_t place)
{
	struct timer *timer = heap[place];

	while (place > 0 && heap[(place - 1) / 2]->due_ns > timer->due_ns) {
		put(place, heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	put(place, timer);
}

static void sink(size_t place)
{
	struct timer *timer = heap[place];

	for (;;) {
		size_t child = 2 * place + 1;
		if (child + 1 < heap_count && heap[child + 1]->due_ns < heap[child]->due_ns)
			child++;
		if (child >= heap_count || heap[child]->due_ns >= timer->due_ns)
			break;
		put(place, heap[child]);
		place = child;
	}
	put(place, timer);
}

void timer_clear(struct timer *timer)
{
	if (timer->place == 0)
		return;
	size_t place = timer->place - 1;
	timer->place = 0;
	if (place == --heap_count)
		return;
	put(place, heap[heap_count]);
	rise(place);
	sink(place);
}

void timer_set(struct timer *timer, int64_t due_ns)
{
	timer_clear(timer);
	if (heap_count == heap_size) {
		heap_size = heap_size ? 2 * heap_size : 64;
		heap = reallocarray(heap, heap_size, sizeof(struct timer *));
		if (!heap)
			err(1, "no memory for timers");
	}
	timer->due_ns = due_ns;
	put(heap_count, timer);
	rise(heap_count++);
}

/* Fires what is due; returns the milliseconds to the next, rounded up, or -1. */
static int fire_due(void)
{
	while (heap_count > 0 && !stopping) {
		int64_t wait_ns = heap[0]->due_ns - loop_now_ns();
		if (wait_ns > 0)
			return wait_ns > INT64_C(60000000000) ? 60000 : (int)((wait_ns + 999999) / 1000000);
		struct timer *timer = heap[0];
		timer_clear(timer);
		timer->fire(timer->context);
	}
	return -1;
}

void loop_run(void)
{
	struct epoll_event events[64];

	while (!stopping) {
		int wait_ms = fire_due();
		if (stopping)
			break;
		int count = epoll_wait(epoll, events, 64, wait_ms);
		if (count < 0 && errno != EINTR)
			err(1, "epoll");
		for (int i = 0; i < count; i++) {
			struct watch *watch = events[i].data.ptr;
			watch->ready(watch->context, events[i].events);
		}
	}
	for (size_t i = 0; i < heap_count; i++) /* whoever is taken apart now may still clear its timer */
		heap[i]->place = 0;
	free(heap);
	heap = NULL;
	heap_count = heap_size = 0;
}

void loop_stop(void)
{
	stopping = true;
}
