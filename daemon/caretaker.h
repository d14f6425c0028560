/* The caretaker: one thread that looks once a second at the disk and at the clock, says in events and in the log what
 * is the matter, and tells the journal what it may remove.
 *
 *     store_low        the disk is 80 or 95 percent full: `level`, and the figures below
 *     store_full       results are refused, and wait at their instruments, until there is room
 *     store_recovered  none of these any more
 *     store_failed     reading or writing failed `times` since it was told last: the disk may be dying
 *     clock_jump       the wall clock was set: `by_ms` (negative: back), `before`, `after`, `synced`
 *     clock_correction, clock_uncorrected   entries were received before a time service had set it: see box_clock.h
 *
 * Each is told once, and again when it comes again (a failing disk ever more rarely, at last once in an hour); what
 * could not be stored is tried every second.
 */
#ifndef ASSAYD_CARETAKER_H
#define ASSAYD_CARETAKER_H

#include "config.h"
#include "disk.h"
#include "intake.h"

struct caretaker;

struct caretaker_report {
	struct disk disk;
	struct journal_space space;
	const char *level;      /* "fine", "low", "short", "full" */
	uint64_t bytes_a_day;   /* measured, or assumed until there is something to measure */
	int64_t autonomy_days;  /* until the disk is full if nothing could be sent */
	unsigned long failures; /* of the disk, since the start */
};

/* Holds `config`. */
int caretaker_start(struct config *config, struct journal *journal, struct intake *intake, struct caretaker **ret,
	struct fault *fault);
void caretaker_stop(struct caretaker *caretaker);                                 /* NULL is fine */
void caretaker_reconfigure(struct caretaker *caretaker, struct config *config);   /* any thread */
void caretaker_report(struct caretaker *caretaker, struct caretaker_report *ret); /* any thread */
unsigned long caretaker_beat(const struct caretaker *caretaker);

#endif
