/* The clock of the box itself: that it jumped, and by how much entries are off that were received before a time service
 * had set it.
 *
 *     clock_jump         the wall clock was set, by whomever: any step of more than a second
 *     clock_correction   a time service has set the clock for the first time since entries were received without one
 *     clock_uncorrected  the box was started anew before that happened: nobody can tell any more
 *
 * A box without a battery clock starts at some time of the past. Records received then say so (`clock.synced` false,
 * flag clock_unsynced) and stay as they are; each says how long the box had been running (`clock.up_ms`), which no step
 * of the clock changes. Once the clock is set, clock_correction names them, `first` to `last`, and when the box was
 * started, `booted_at`: a record was received at booted_at + up_ms. `by_ms` is the same for who would rather add: what
 * the clocks of those records are behind. It is absent where the clock was set by hand in between, because then it is
 * not the same for all. The first step that makes a clock right is told as both, a jump and a correction.
 *
 * What is open is written down in the journal, by the identity of the boot: the gateway may be started anew between.
 * What follows is the state alone, without a clock or a journal; the caretaker looks once a second.
 */
#ifndef ASSAYD_BOX_CLOCK_H
#define ASSAYD_BOX_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "../drivers/reading.h"
#include "clock.h"

struct clock_look {      /* at one moment */
	int64_t wall_ms; /* Unix time by the box's clock */
	int64_t up_ms;   /* since the box was started */
	bool synced;     /* by a time service */
	uint64_t head;   /* the journal's last entry */
};

struct clock_span {                /* of entries received while nothing had set the clock */
	char boot[CLOCK_BOOT_MAX]; /* "": there is none */
	uint64_t first, last;      /* `last`: 0 while it goes on */
	int64_t offset_ms;         /* of the wall clock against the time since the start */
	bool stepped;              /* the clock was set in between, and still not by a time service */
};

struct clock_news { /* to be told; cleared by box_clock_told() */
	enum { CLOCK_NOTHING, CLOCK_CORRECTED, CLOCK_UNCORRECTED } kind;
	struct clock_span span;
	int64_t by_ms, booted_ms; /* CLOCK_CORRECTED */
};

struct box_clock {
	char boot[CLOCK_BOOT_MAX];
	struct clock_look last;
	struct clock_span span;
	bool ending;    /* synchronised since the last look: what was received just before may still be on its way */
	bool unwritten; /* the span is not in the journal as it is now */
	struct clock_news news;
};

/* `kept` is what box_clock_text() said of the span when the gateway last ran; "" for nothing. */
void box_clock_init(struct box_clock *clock, const char *boot, const char *kept, const struct clock_look *now);

/* By how much the wall clock was set since the last look, in ms: 0 for less than a second. */
int64_t box_clock_look(struct box_clock *clock, const struct clock_look *now);

/* The span in a cursor's form, "none" without one. */
void box_clock_text(const struct clock_span *span, char out[static CURSOR_MAX]);

/* The news are in the journal, and with them what box_clock_text() makes of `span`. */
void box_clock_told(struct box_clock *clock);

#endif
