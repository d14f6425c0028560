/* What the parts of the 7E-AA driver share: seven_e_aa.c holds transcript, frames and dialogue, seven_e_aa_days.c
 * chooses the days that are asked for, seven_e_aa_records.c turns result frames into readings and keeps count of them.
 */
#ifndef ASSAYD_SEVEN_E_AA_H
#define ASSAYD_SEVEN_E_AA_H

#include "driver.h"

enum seven_command {
	ASK_HELLO = 0x00,
	HELLO_A2 = 0x01,
	HELLO_A2B = 0x02,
	ASK_DAY = 0x10,
	RECORD_A2 = 0x11,
	ASK_COUNT = 0x12,
	COUNT = 0x13,
	ASK_BATCH = 0x15,
	RECORD_A2B = 0x16,
};

#define KNOWN_DAYS          4
#define MIDNIGHT_MARGIN_MIN 15 /* by which the reader's clock may be off before its results of then wait */

struct days { /* layout a2; days are counted by calendar_day() */
	long today, cursor_day;
	long day, last_day;             /* this to that are still to be looked at in this sweep */
	long whole_from;                /* in this sweep days from here on are read whole, the others where they grew */
	long again_before;              /* in this sweep days before this one were asked for in vain before */
	long unread_day;                /* the earliest that could not be read; 0: none */
	long skipped_day, skipped_last; /* not asked about, because the absence was longer than `lookback` */
	unsigned cursor_count;
	bool started;
	bool beside; /* this sweep is today's, with the day behind the midnight that is near */
	struct {
		long day;
		unsigned count;
	} known[KNOWN_DAYS];
};

/* How many results of a day were read; 0 where that is not known. */
unsigned days_known(const struct days *days, long day);
void days_know(struct days *days, long day, unsigned count);

/* "day=2026-03-05 count=12"; anything else, and a day to come, is no cursor. */
void days_read_cursor(struct days *days, const char *cursor);

/* The cursor moves forward only, so that a box that starts without knowing the date loses nothing: a cursor on a day to
 * come is none until that day. It does not pass a day that could not be read. Today's count is written as it stands. */
void days_write_cursor(struct days *days, struct readings *readings);

/* Decides which days a poll looks at, `furthest` at most. `due`: it is time to reconcile. True where it does. */
bool days_plan(struct days *days, const struct date_time *now, long furthest, bool due);

/* Whether the day under way is only looked at because midnight is near: the next reconcile reads it whole. */
bool days_beside(const struct days *days);

/* The day cannot be read now: it is asked for again when next the day is not today's alone, and after a restart. */
void days_leave_unread(struct days *days);

#define ALIKE_MAX 64   /* how far apart two bit-identical results of one listing may stand */
#define INDEX_MAX 4096 /* indices up to here are ticked off one by one */

struct listing { /* the frames that answer one question */
	unsigned total, last_index, received, distinct;
	uint64_t fingerprint, last;
	uint64_t alike[ALIKE_MAX];
	unsigned alike_at;
	uint8_t seen[INDEX_MAX / 8]; /* by index; kept over repeated readings of the same day */
	unsigned doubts;             /* frames that are only believed when they are read again */
	uint8_t doubted[128];        /* bits, by what they say; the last member: kept over questions too */
};

/* Forgets everything but what was doubted; for a new question. */
void listing_forget(struct listing *listing);

/* Now and then, so that not everything was doubted once. */
void listing_doubt_anew(struct listing *listing);

/* The same question is asked again: what was seen stays seen. */
void listing_restart(struct listing *listing);

/* True when every result of the listing was seen, or as many came in one go as it should have. */
bool listing_complete(const struct listing *listing);

/* Takes one result frame (RECORD_A2 or RECORD_A2B) into listing and readings. */
void listing_take(struct listing *listing, const struct reply *reply, struct readings *readings);

#endif
