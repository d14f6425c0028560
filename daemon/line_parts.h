/* The parts of a line, for daemon/line*.c only. Everything belongs to the line's thread but what `lock` guards, the
 * counters, and the stop signal.
 */
#ifndef ASSAYD_LINE_PARTS_H
#define ASSAYD_LINE_PARTS_H

#include <pthread.h>
#include <stdbool.h>

#include "cutter.h"
#include "line.h"
#include "link.h"
#include "log.h"

struct unit { /* one instrument of the line */
	const struct instrument_config *config;
	struct instrument instrument;
	struct instrument_stats stats;
	bool ready;      /* set up from the last durable cursor, since the link was opened last */
	long due_ms;     /* ask then */
	long turn_ms;    /* when the poll that is under way was due: the next is one period later, whatever it took */
	long wait_ms;    /* between two attempts at a silent unit */
	unsigned silent; /* turns without an answer, in a row */
	bool lost;       /* nobody there, as far as we know ... */
	bool announced;  /* ... and as the journal knows */
	long lost_ms;
	struct complaint complaint;
	struct noise *noise; /* NULL: none was heard yet */
	struct skew skew;    /* of its clock against ours */
	bool skew_read;      /* what was announced of it before this start */
	struct {
		int64_t at_ms, before_s; /* its clock was set then, last; the skew until then; 0: never */
		bool untold;             /* that is not in the journal yet */
		bool taken;              /* the instrument said that it did */
		bool unwritten;          /* what the journal keeps of it is not as it is now */
	} set;
	bool attended;     /* asked to the end since it was away: what comes now did not wait for us */
	long clock_due_ms; /* what it says of its clock is looked at then */
	/* under the line's lock */
	struct fault fault;
	struct maker maker;
	struct clock_report clock;
};

struct line {
	struct config *config;
	struct intake *intake;
	struct journal *journal;
	struct link *link;
	int stop_fd;
	pthread_t thread;
	pthread_mutex_t lock;
	_Atomic unsigned long beat;
	bool modbus;
	struct cutter cutter; /* byte links */
	struct readings readings;
	struct rows *rows;     /* of a folder's files; NULL: none was read */
	unsigned failures;     /* of the link, since anybody was heard */
	long open_wait_ms;     /* before the link is looked for again */
	long suspect_until_ms; /* an answer of a unit that was silent may still arrive and spoil another's */
	bool opened;           /* at least once */
	bool ending;           /* these are its last words: it is to stop */
	struct complaint link_complaint, store_complaint, clock_complaint;
	size_t count;
	struct unit units[];
};

enum turn {
	TURN_IDLE,   /* the poll is done */
	TURN_RESTS,  /* no answer, and none was owed: it answers when its user lets it; what it has waits for that */
	TURN_AGAIN,  /* ask again at once */
	TURN_SILENT, /* no answer */
	TURN_BROKEN, /* the link is gone, or must be opened afresh */
	TURN_STOP,
};

/* line_turn.c: one question and everything that answers it, stored before it returns. */
enum turn line_turn(struct line *line, struct unit *unit, struct fault *fault);

/* line_folder.c: the same for a folder: one file that is ready. */
enum turn line_file(struct line *line, struct unit *unit, struct fault *fault);

/* line_rows.c: rows of registrations that a file says anew. The three are called with a file's beginning, with each of
 * its rows before they are stored, and at its end, when all of them are stored but the cursor is not: 0 or -errno. */
void line_rows_begin(struct line *line, const struct link_file *file);
int line_rows_take(struct line *line, const struct link_file *file, struct fault *fault);
int line_rows_end(struct line *line, const struct unit *unit, struct fault *fault);
void line_rows_free(struct line *line);

/* line_store.c: gives replies to the driver, and stores what it made of them in one transaction. What arrived together
 * is stored together; the replies' bytes must stay where they are until then. */
void line_begin(struct line *line, struct unit *unit);
enum next line_take(struct line *line, struct unit *unit, const struct reply *reply);
bool line_full(const struct line *line);               /* commit before the next take */
int line_commit(struct line *line, struct unit *unit); /* 0, or -ECANCELED when told to stop meanwhile */
int line_readings_new(struct readings *readings);
void line_readings_free(struct readings *readings);

/* line_clock.c: how far the instrument's clock is from ours, and an event when it is too far. */
struct skew_moment line_moment(void);
void line_clock_told(struct unit *unit); /* the driver heard what its clock says */
/* What was stored, received at `then`. */
void line_clock_results(
	struct line *line, struct unit *unit, const struct intake_batch *batch, const struct skew_moment *then);
/* Before ask(): whether it is to set the clock in this turn. */
void line_clock_wish(struct line *line, struct unit *unit);
void line_clock_announce(struct line *line, struct unit *unit);

/* line_noise.c: bytes that are no frame. True: a notice is in the open batch, to be stored before anything else. */
bool line_noise(struct line *line, struct unit *unit, const struct cut *cut);
bool line_noise_end(struct line *line, struct unit *unit); /* a frame or a pause ended the run */
bool line_refused(struct line *line, struct unit *unit, const struct reply *reply); /* by the driver, without a word */
/* True while a run is open; lowers `until_ms` to when a pause will have ended it. */
bool line_noise_waits(const struct unit *unit, long *until_ms);
/* Stores what a pause has ended and what patience held back. 0 or -ECANCELED. No batch may be open. */
int line_noise_look(struct line *line, struct unit *unit);
/* The line stops, and what was only counted would be forgotten: stores that, if it can be stored at once. */
void line_noise_last(struct line *line, struct unit *unit);
void line_noise_free(struct unit *unit);
/* Of the bytes since the instrument's last word: whether some came just now; whether they are all that comes, much and
 * lastingly: of one that is asked, just now; of one that speaks unasked, ever since. The fault says so. */
bool line_noise_now(const struct unit *unit, struct fault *fault);
bool line_noise_only(const struct unit *unit, struct fault *fault);
void line_noise_over(struct unit *unit); /* it spoke, or is connected anew */

/* line_health.c: who is there, told once per change. */
void line_heard(struct line *line, struct unit *unit);
/* nothing is asked: a connection without noise is all there can be */
void line_listening(struct line *line, struct unit *unit);
void line_lost(struct line *line, struct unit *unit, enum instrument_health health, const struct fault *fault);
void line_note(struct line *line, struct unit *unit, const struct fault *fault); /* "" or NULL: all is well */
void line_announce(struct line *line, struct unit *unit);

#endif
