/* How far the clock of one instrument is from the station's.
 *
 * A skew is the instrument's time minus ours at the same moment: negative where the instrument is slow. Three things
 * tell of it, and a reader of a record or an event is told which one did:
 *
 *     clock     The instrument told its clock when it was asked (registers of a Modbus profile). Known to the
 *               clock's own step and the answer's way, a second or two; to a minute where it has no seconds.
 *     future    A result was tested, by the instrument's clock, after it was received. No result is received
 *               before it was tested, so the clock is fast by at least that. A bound, and certain.
 *     results   Nothing is told and nothing lies in the future. The same law, skew >= tested - received, then
 *               only says how slow the clock can be at most: a result may have waited. It is an estimate once
 *               most of the last occasions agree: a wrong clock is wrong by the same each time, while what waits
 *               waits each time for another while. Then the largest of tested - received is the skew, less the
 *               time from the end of a test to the result's arrival.
 *
 * What the estimate leaves out:
 *   - Backlog. Results that a line finds when it meets an instrument anew (the start, a silence, a broken link) had
 *     waited; the line says so with each (`attended`). So has all that comes at the press of a key, from a reader that
 *     answers only then: of its clock only results from the future tell. What is in the journal already is not new, and
 *     not given.
 *   - What came together. Results that follow each other within half a minute, and those of one and the same time
 *     of test, are one occasion, the one that waited least: a memory sent on the press of a key, or a plate of 24
 *     wells, is one witness and not 24.
 *   - Lone witnesses. Three of the last four occasions must agree within a minute (two where the instrument's times
 *     have no seconds), and the largest must be one of them: a result that came later than the rest says nothing, one
 *     that came sooner says that the rest had waited.
 *   - A station clock that no time service set: then there is nothing to compare with. A step of our clock ends all
 * that was known.
 *
 * What it cannot tell: an instrument that stamps the beginning of a test of fifteen minutes looks fifteen minutes slow,
 * and so does one whose results are sent by hand exactly so much later each time. Hence the alarm's margin, and its
 * setting per instrument.
 *
 * Plain data, no clock, no thread: the line that owns the instrument owns this too.
 */
#ifndef ASSAYD_SKEW_H
#define ASSAYD_SKEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum skew_by { SKEW_UNKNOWN, SKEW_BY_CLOCK, SKEW_BY_FUTURE, SKEW_BY_RESULTS };

/* "clock", "future", "results" as in records and events; "" for SKEW_UNKNOWN. And back; SKEW_UNKNOWN for other words.
 */
const char *skew_by_name(enum skew_by by);
enum skew_by skew_by_word(const char *word);

struct skew_known {
	enum skew_by by;
	int64_t skew_s;
	int64_t within_s; /* it may be off by so much; of a bound: 0 */
	int64_t since_ms; /* Unix time: has been seen since */
};

struct skew_moment {       /* now, by the station */
	int64_t wall_ms;   /* Unix time */
	int64_t steady_ms; /* monotonic: shows when the wall clock was set */
	bool synced;       /* by a time service */
};

enum { SKEW_OCCASIONS = 4 };

struct skew_occasion {
	int64_t tested_ms, received_ms; /* of the one that waited least */
};

struct skew {
	struct skew_known known; /* `by` SKEW_UNKNOWN: nothing is */
	bool alarmed;            /* it was told that the clock is wrong; not yet that it is right again */
	int64_t alarmed_since_ms;
	/* the rest is skew.c's */
	struct skew_occasion occasions[SKEW_OCCASIONS]; /* the newest last */
	size_t count;
	int64_t last_ms; /* when the newest result came */
	bool looked;
	int64_t offset_ms; /* of our wall clock against the steady one, when it was last looked at */
};

/* The instrument has just said that its clock stands at `there_ms` (its calendar time as Unix time). */
void skew_told(struct skew *skew, int64_t there_ms, const struct skew_moment *now);

/* A new result: tested at `tested_ms` by the instrument's clock. */
void skew_result(struct skew *skew, int64_t tested_ms, bool attended, const struct skew_moment *now);

/* What may be said now: nothing while our own clock is not synchronised. */
struct skew_known skew_now(const struct skew *skew, bool synced);

/* Forgets what was seen of a clock that was just set; what was announced stays announced. */
void skew_forget(struct skew *skew);

/* Whether there is something to announce: once when the skew reaches `alarm_ms`, and once when it is under half of it
 * again. 0 turns it off. Nothing is changed: skew_announced() is, once it is told for good. */
enum skew_change { SKEW_SAME, SKEW_BEGAN, SKEW_OVER };
enum skew_change skew_change(const struct skew *skew, int64_t alarm_ms, bool synced);
void skew_announced(struct skew *skew, enum skew_change change);

#endif
