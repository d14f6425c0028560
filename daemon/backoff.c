#include "backoff.h"

void backoff_init(struct backoff *backoff, int64_t min_ms, int64_t max_ms, uint64_t seed)
{
	*backoff = (struct backoff){ .min_ms = min_ms, .max_ms = max_ms, .random = seed };
}

/* splitmix64 (Steele, Lea, Flood 2014): any seed will do, also 0. */
static uint64_t draw(struct backoff *backoff)
{
	uint64_t z = backoff->random += 0x9E3779B97F4A7C15u;
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

int64_t backoff_between(struct backoff *backoff, int64_t low, int64_t high)
{
	return low + (int64_t)(draw(backoff) % (uint64_t)(high - low + 1));
}

int64_t backoff_next(struct backoff *backoff)
{
	int64_t ceiling = backoff->min_ms;
	for (unsigned i = 0; i < backoff->attempts && ceiling < backoff->max_ms; i++)
		ceiling *= 2;
	if (ceiling > backoff->max_ms)
		ceiling = backoff->max_ms;
	if (backoff->attempts < 62)
		backoff->attempts++;
	return backoff_between(backoff, 0, ceiling);
}

void backoff_reset(struct backoff *backoff)
{
	backoff->attempts = 0;
}

void pace_init(struct pace *pace, long per_second, long now_ms)
{
	*pace = (struct pace){ .per_second = per_second, .credit = 1000, .at_ms = now_ms };
}

long pace_wait_ms(struct pace *pace, long now_ms)
{
	if (pace->per_second <= 0)
		return 0;
	int64_t most = pace->per_second * 100 > 1000 ? pace->per_second * 100 : 1000;
	int64_t passed = now_ms - pace->at_ms < 10000 ? now_ms - pace->at_ms : 10000;
	if (passed > 0) { /* who asks may have looked at the clock before who asked last */
		pace->credit += passed * pace->per_second;
		pace->at_ms = now_ms;
	}
	if (pace->credit > most)
		pace->credit = most;
	if (pace->credit >= 1000)
		return 0;
	return (long)((1000 - pace->credit + pace->per_second - 1) / pace->per_second);
}

void pace_spend(struct pace *pace)
{
	if (pace->per_second > 0)
		pace->credit -= 1000;
}
