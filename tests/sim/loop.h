/* One epoll loop with timers. */
#ifndef SIM_LOOP_H
#define SIM_LOOP_H

#include <stddef.h>
#include <stdint.h>

struct watch { /* who is told when a descriptor is ready */
	void (*ready)(void *context, uint32_t events);
	void *context;
};

struct timer {
	void (*fire)(void *context);
	void *context;
	int64_t due_ns; /* monotonic */
	size_t place;   /* 1 + place in the loop's heap; 0: not set */
};

int64_t loop_now_ns(void); /* the monotonic clock, read now */

void loop_open(void);
void loop_watch(int fd, uint32_t events, struct watch *watch);
void loop_change(int fd, uint32_t events, struct watch *watch);
void loop_forget(int fd);

void timer_set(struct timer *timer, int64_t due_ns); /* also moves one that is set */
void timer_clear(struct timer *timer);

void loop_run(void); /* until loop_stop() */
void loop_stop(void);

#endif
