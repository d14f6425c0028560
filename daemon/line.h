/* A line: one physical connection, one thread, and the instruments that share it.
 *
 * The thread opens the link, asks each instrument when it is due, cuts frames, hands them to the driver, stores what
 * came of it and only then goes on. A silent unit on a shared line is asked ever more rarely while healthy ones keep
 * their rate; a lost link is announced once (event instrument_lost / instrument_back) and looked for at growing
 * intervals of at most 3 s.
 */
#ifndef ASSAYD_LINE_H
#define ASSAYD_LINE_H

#include <stdatomic.h>

#include "config.h"
#include "intake.h"
#include "skew.h"
#include "tap.h"

enum instrument_health { HEALTH_STARTING, HEALTH_OK, HEALTH_SILENT, HEALTH_NO_LINK, HEALTH_FAULTY };

struct instrument_stats {   /* written by the line, read by anyone */
	_Atomic int health; /* enum instrument_health */
	_Atomic unsigned long polls, stored, known, blanks, rejected, noise_bytes, timeouts, refusals, quarantines,
		reopens;
	_Atomic long last_heard_ms;  /* monotonic; 0: never */
	_Atomic long last_result_ms; /* monotonic; 0: never */
};

struct line;

/* Starts a line for `count` instruments of `config` (held while it runs) that share one port. */
int line_start(struct config *config, struct instrument_config *const *instruments, size_t count, struct intake *intake,
	struct journal *journal, struct line **ret, struct fault *fault);
void line_stop(struct line *line); /* ends the thread within a second, joins, frees; NULL is fine */

size_t line_count(const struct line *line);
const struct instrument_config *line_instrument(const struct line *line, size_t index);
const struct instrument_stats *line_stats(const struct line *line, size_t index);
/* The last fault sentence of an instrument, copied; "" when all is well. Any thread. */
void line_fault(struct line *line, size_t index, struct fault *out);
/* What is known of the instrument's clock. Any thread. */
struct clock_report {
	struct skew_known known; /* `by` SKEW_UNKNOWN: nothing */
	bool alarmed;            /* announced as wrong, and not yet as right again */
	int64_t alarmed_since_ms;
};
void line_clock(struct line *line, size_t index, struct clock_report *out);
/* What the instrument said of itself. Any thread. */
void line_maker(struct line *line, size_t index, struct maker *out);
/* Records what passes on the line of an instrument: see tap.h and link_tap(). Any thread. */
int line_tap(struct line *line, struct tap *tap, struct fault *fault);
/* Changes at every turn of the thread, at least once a second: the watchdog's sign of life. */
unsigned long line_beat(const struct line *line);

#endif
