#include "skew.h"

#include <stdlib.h>
#include <string.h>

enum {
	STEP_MS = 1000,      /* our clock was set, not steered */
	TOGETHER_MS = 30000, /* results that follow each other so closely are one occasion */
	AGREE_MS = 60000,    /* occasions agree within this */
	MINUTE_MS = 60000,   /* the step of times without seconds */
	AGREEING = 3,        /* of SKEW_OCCASIONS */
	TOLD_WITHIN_S = 2,   /* a second of the clock's step, and the answer's way */
};
#define KEPT_MS (INT64_C(7) * 24 * 3600 * 1000) /* an occasion says nothing of a clock a week later */

static const char *const names[] = { "", "clock", "future", "results" };

const char *skew_by_name(enum skew_by by)
{
	return names[by];
}

enum skew_by skew_by_word(const char *word)
{
	for (size_t i = 1; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i], word) == 0)
			return (enum skew_by)i;
	return SKEW_UNKNOWN;
}

void skew_forget(struct skew *skew)
{
	skew->known = (struct skew_known){ .by = SKEW_UNKNOWN };
	skew->count = 0;
	skew->last_ms = 0;
}

/* False where there is nothing to compare with. */
static bool look_at_ours(struct skew *skew, const struct skew_moment *now)
{
	int64_t offset_ms = now->wall_ms - now->steady_ms;
	if (skew->looked && llabs(offset_ms - skew->offset_ms) > STEP_MS)
		skew_forget(skew);
	skew->offset_ms = offset_ms;
	skew->looked = true;
	return now->synced;
}

/* `since` stays while the same thing is known about as much: a second up or down is the clock's step. */
static void know(struct skew *skew, enum skew_by by, int64_t skew_ms, int64_t within_s, int64_t since_ms)
{
	const struct skew_known *known = &skew->known;
	bool same = known->by != SKEW_UNKNOWN && llabs(known->skew_s * 1000 - skew_ms) <= AGREE_MS + MINUTE_MS;
	skew->known = (struct skew_known){
		.by = by,
		.skew_s = skew_ms / 1000,
		.within_s = within_s,
		.since_ms = same ? known->since_ms : since_ms,
	};
}

void skew_told(struct skew *skew, int64_t there_ms, const struct skew_moment *now)
{
	if (look_at_ours(skew, now))
		know(skew, SKEW_BY_CLOCK, there_ms - now->wall_ms, TOLD_WITHIN_S, now->wall_ms);
}

/* ---- by results ---- */

static int64_t lead(const struct skew_occasion *occasion)
{
	return occasion->tested_ms - occasion->received_ms;
}

static void drop_first(struct skew *skew)
{
	skew->count--;
	memmove(skew->occasions, skew->occasions + 1, skew->count * sizeof(*skew->occasions));
}

static void add(struct skew *skew, const struct skew_occasion *result)
{
	struct skew_occasion *last = skew->count ? &skew->occasions[skew->count - 1] : NULL;
	bool together = last && (result->received_ms - skew->last_ms < TOGETHER_MS ||
					llabs(result->tested_ms - last->tested_ms) < TOGETHER_MS);
	skew->last_ms = result->received_ms;
	if (together) {
		if (lead(result) > lead(last))
			*last = *result;
		return;
	}
	while (skew->count &&
		(skew->count == SKEW_OCCASIONS || result->received_ms - skew->occasions[0].received_ms > KEPT_MS))
		drop_first(skew);
	skew->occasions[skew->count++] = *result;
}

static bool whole_minutes(const struct skew *skew)
{
	for (size_t i = 0; i < skew->count; i++)
		if (skew->occasions[i].tested_ms % MINUTE_MS != 0)
			return false;
	return true;
}

/* What the occasions agree about, if they do. */
static bool estimate(struct skew *skew)
{
	int64_t most_ms = INT64_MIN, agree_ms = AGREE_MS + (whole_minutes(skew) ? MINUTE_MS : 0), since_ms = 0;
	size_t agreeing = 0;
	for (size_t i = 0; i < skew->count; i++)
		most_ms = lead(&skew->occasions[i]) > most_ms ? lead(&skew->occasions[i]) : most_ms;
	for (size_t i = skew->count; i-- > 0;)
		if (most_ms - lead(&skew->occasions[i]) <= agree_ms) {
			agreeing++;
			since_ms = skew->occasions[i].received_ms;
		}
	if (agreeing < AGREEING)
		return false;
	know(skew, SKEW_BY_RESULTS, most_ms, agree_ms / 1000, since_ms);
	return true;
}

void skew_result(struct skew *skew, int64_t tested_ms, bool attended, const struct skew_moment *now)
{
	const struct skew_occasion result = { .tested_ms = tested_ms, .received_ms = now->wall_ms };
	if (!look_at_ours(skew, now) || skew->known.by == SKEW_BY_CLOCK)
		return;
	bool future = lead(&result) >= 1000;
	if (attended || future)
		add(skew, &result);
	if (!skew->count || estimate(skew))
		return;
	if (future)
		know(skew, SKEW_BY_FUTURE, lead(&result), 0, now->wall_ms);
	else if (attended) /* what was known is contradicted, or not borne out any more */
		skew->known = (struct skew_known){ .by = SKEW_UNKNOWN };
}

/* ---- what is said of it ---- */

struct skew_known skew_now(const struct skew *skew, bool synced)
{
	return synced ? skew->known : (struct skew_known){ .by = SKEW_UNKNOWN };
}

enum skew_change skew_change(const struct skew *skew, int64_t alarm_ms, bool synced)
{
	const struct skew_known known = skew_now(skew, synced);
	int64_t size_ms = llabs(known.skew_s) * 1000;
	if (alarm_ms == 0 || known.by == SKEW_UNKNOWN)
		return SKEW_SAME;
	if (!skew->alarmed)
		return size_ms >= alarm_ms ? SKEW_BEGAN : SKEW_SAME;
	/* a bound does not say that it is over: a slower clock keeps it as well */
	return known.by != SKEW_BY_FUTURE && size_ms < alarm_ms / 2 ? SKEW_OVER : SKEW_SAME;
}

void skew_announced(struct skew *skew, enum skew_change change)
{
	if (change == SKEW_SAME)
		return;
	skew->alarmed = change == SKEW_BEGAN;
	skew->alarmed_since_ms = skew->alarmed ? skew->known.since_ms : 0;
}
