/* Quality control: which controls an instrument has measured, and which of them a sample was measured under.
 *
 * A control, blank, spike or calibration is a record of its own. A sample's record names the last of each that was
 * measured before it with the same instrument and item, as far back as the instrument's `control` says: on its day, or
 * within its series; and those of its own frame, whatever their order there. A control is valid or failed by what the
 * item's rule or the instrument says of it; where neither says anything it is unjudged, and nobody invents it.
 *
 * Where the instrument's `control` demands one, samples without a valid one are flagged and counted by day: an event
 * tells the first of them, another what came of it: a valid control came late, or the day was over. Records stay.
 *
 * The last controls of each instrument and item, and that count, stand in the journal's file and change in the
 * transaction of the records they belong to. A record that was in the journal already changes nothing, so that a retry
 * after a failed commit is safe. What a line has looked up stays so until it is written: each series is one
 * instrument's, and whoever tidies keeps out meanwhile.
 *
 * Any thread may call, but for quality_write(), which is the journal's writer's.
 */
#ifndef ASSAYD_QUALITY_H
#define ASSAYD_QUALITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "day.h"
#include "journal.h"
#include "json.h"

enum control_state { CONTROL_NONE, CONTROL_UNJUDGED, CONTROL_VALID, CONTROL_FAILED };

const char *control_state_name(enum control_state state); /* "none", "unjudged", "valid", "failed" */

#define CONTROLS_KEPT    32 /* of one instrument and item */
#define CONTROLS_TIED    8  /* to one sample */
#define QUALITY_ITEM_MAX 96

struct measured_control {
	char id[ENTRY_ID_MAX];
	enum kind kind;
	enum verdict expected; /* negative or positive; none where nobody says */
	enum control_state state;
	int64_t at_ms;     /* measured, Unix ms */
	const void *frame; /* in which it came; only while the batch is made */
};

struct series { /* of one instrument and item */
	char instrument[CONFIG_NAME_MAX];
	char item[QUALITY_ITEM_MAX];                 /* code, or as sent where it is unknown */
	struct measured_control list[CONTROLS_KEPT]; /* rising by time; of equal times the one that came later behind */
	size_t count;
	/* the samples of a day that were measured without a valid control; 0: none is waited for */
	long samples;
	char day[DAY_MAX], first[ENTRY_ID_MAX]; /* the first of them */
	int64_t counted_ms;                     /* when the last of them came, Unix ms */
};

/* Adds a control in its place; of too many the oldest goes. */
void series_add(struct series *series, const struct measured_control *control);

struct tied {                                        /* what a sample was measured under */
	struct measured_control list[CONTROLS_TIED]; /* in the order of time */
	size_t count;
	enum control_state sent;  /* of the delta A the instrument sends with the sample itself; NONE: it does not */
	enum control_state state; /* of all together */
	bool demanded;            /* by the instrument's `control` */
};

/* The last controls of each kind measured from `from_ms` to `at_ms`, and those of `frame` (may be NULL). */
void series_tie(const struct series *series, int64_t from_ms, int64_t at_ms, const void *frame, struct tied *tied);
/* Sets `state`: failed when any is, else valid when any is, else unjudged; none where there is no control. */
void tied_sum_up(struct tied *tied);
/* True where a valid control is demanded and there is none, or one failed. One that nobody can judge will do. */
bool tied_is_short(const struct tied *tied);
/* The record's `qc`; NULL where there is nothing to say. */
struct json *tied_told(const struct tied *tied);

struct quality;

int quality_open(struct journal *journal, struct quality **ret, struct fault *fault);
void quality_close(struct quality *quality); /* NULL is fine */

/* True when any control is known at all: else no question need be asked. */
bool quality_any(const struct quality *quality);
/* True while the samples of some day are counted. */
bool quality_waits(const struct quality *quality);

/* Between looking and writing: nobody tidies meanwhile. Leaves by the thread that entered. */
void quality_enter(struct quality *quality);
void quality_leave(struct quality *quality);
/* The same for whoever tidies: false while anybody is within. */
bool quality_enter_alone(struct quality *quality);

/* The series of an instrument and item; one without controls where none is known. 0 or -errno. */
int quality_find(
	struct quality *quality, const char *instrument, const char *item, struct series *ret, struct fault *fault);
/* Some series whose count is of a day before `today` and was last added to before `before_ms`: 1, 0, -errno. */
int quality_over(
	struct quality *quality, const char *today, int64_t before_ms, struct series *ret, struct fault *fault);

/* Calls `each` for every series whose samples are counted now. */
int quality_waiting(struct quality *quality, void (*each)(void *context, const struct series *series), void *context,
	struct fault *fault);

/* By the journal's writer, inside the transaction of the entries. */
int quality_write(const struct series *series, struct db *db, struct fault *fault);
/* After that transaction, whatever came of it. */
void quality_refresh(struct quality *quality);

#endif
