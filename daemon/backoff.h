/* Waiting: how long before the next attempt, and how many messages a second.
 *
 * A county's stations lose their broker together and must not return together: the pause before each attempt is drawn
 * anew between nothing and a ceiling that doubles ("full jitter"), from a random seed. Pure; one thread at a time.
 */
#ifndef ASSAYD_BACKOFF_H
#define ASSAYD_BACKOFF_H

#include <stdint.h>

struct backoff {
	int64_t min_ms, max_ms; /* the first ceiling and the last */
	unsigned attempts;      /* since the last success */
	uint64_t random;
};

void backoff_init(struct backoff *backoff, int64_t min_ms, int64_t max_ms, uint64_t seed);
int64_t backoff_next(struct backoff *backoff); /* the pause before the next attempt, in ms */
int64_t backoff_between(struct backoff *backoff, int64_t low, int64_t high); /* uniform, both ends included */
void backoff_reset(struct backoff *backoff);

/* A steady rate with a burst of at most a tenth of a second's worth (and at least one). */
struct pace {
	long per_second; /* 0: no limit */
	int64_t credit;  /* thousandths of a message */
	long at_ms;
};

void pace_init(struct pace *pace, long per_second, long now_ms);
long pace_wait_ms(struct pace *pace, long now_ms); /* 0: one may go now; else how long until one may */
void pace_spend(struct pace *pace);                /* one went */

#endif
