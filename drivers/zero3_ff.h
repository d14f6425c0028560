/* What the parts of the 03-FF driver share: zero3_ff.c holds transcript and dialogue, zero3_ff_frames.c the frames,
 * zero3_ff_records.c numeric and gold-strip records and the item table, zero3_ff_text.c records made of text,
 * zero3_ff_progress.c how far the instrument was read. */
#ifndef ASSAYD_ZERO3_FF_H
#define ASSAYD_ZERO3_FF_H

#include "bytes.h"
#include "driver.h"

enum zero3_part { /* the low half of a command; the high half is 2 for identify and else says the family */
	ZERO3_IDENTIFY = 0,
	ZERO3_TABLE = 2,
	ZERO3_RANGE = 3,
	ZERO3_RECORD = 5,
	ZERO3_CLEAR = 6,
	ZERO3_UNKNOWN = -1,
};

enum zero3_family { ZERO3_4X, ZERO3_6X, ZERO3_7X, ZERO3_FAMILIES };

/* In the order of the settings' choices. */
enum zero3_layout { ZERO3_AUTO, ZERO3_NUMERIC, ZERO3_GOLD, ZERO3_TEXT };
enum zero3_value { ZERO3_VALUE_AUTO, ZERO3_INHIBITION, ZERO3_CONCENTRATION };

struct zero3_options {
	int family, records, value, year_base;
	long first_item;
	bool identify, clear;
	int64_t clear_after_ms, reconcile_ms, lookback_ms;
};

/* ---- frames ---- */

struct zero3_frame {
	bool from_instrument;
	bool whole; /* as long as it says, and its data have the right checksum */
	enum zero3_part part;
	enum zero3_family family; /* of all parts but identify */
	uint32_t argument;
	struct bytes data;
};

int zero3_frame(const struct instrument *instrument, const uint8_t *data, size_t length);
struct zero3_frame zero3_open(const uint8_t *data, size_t length);
void zero3_send(struct request *request, enum zero3_family family, enum zero3_part part, uint32_t argument,
	const uint8_t *data, size_t length);

/* ---- items ---- */

#define ZERO3_ITEMS_MAX 256 /* a record names its item with one byte */

struct zero3_item { /* as sent */
	uint8_t name[16], unit[8], method;
};

struct zero3_table {
	unsigned count;
	struct zero3_item items[ZERO3_ITEMS_MAX];
};

/* False when it is no item table; then the table stays as it was. */
bool zero3_take_table(struct zero3_table *table, const struct zero3_frame *frame);

/* ---- records ---- */

enum zero3_outcome {
	ZERO3_RESULTS,
	ZERO3_NOTHING,   /* a record the instrument marks as not valid, or without a finished channel */
	ZERO3_SENSELESS, /* not to be decoded */
};

/* The row of the table that named the reading's item, as the reading keeps it: alone in the `table`. False where it
 * keeps none: then its record cannot be read again, unless it is text. */
bool zero3_row_said(const struct zero3_options *options, const struct reading *reading, struct zero3_table *table);

enum zero3_outcome zero3_take_record(const struct zero3_options *options, const struct zero3_table *table,
	const struct zero3_frame *frame, const struct reply *reply, struct readings *readings);

/* True when the data are lines of text behind a number of three bytes. */
bool zero3_is_text(struct bytes data);
enum zero3_outcome zero3_take_text(
	const struct zero3_frame *frame, const struct reply *reply, struct readings *readings);

/* Marks of text_decode() as marks of a reading. */
unsigned zero3_marks(unsigned text_marks);

/* ---- how far the instrument was read ---- */

enum zero3_phase {
	ZERO3_PHASE_IDLE,
	ZERO3_PHASE_TABLE,
	ZERO3_PHASE_MEMORY,
	ZERO3_PHASE_RANGE,
	ZERO3_PHASE_RECORD,
	ZERO3_PHASE_CHECK,
	ZERO3_PHASE_CLEAR
};

#define ZERO3_TRIES_MAX 3 /* questions without a whole answer before one thing is given up for now */
#define ZERO3_TOLD_MAX  16

struct zero3_progress {           /* of one module: each counts its records for itself */
	bool known, memory_known; /* the two below say something */
	bool memory_empty;        /* when it was last looked at, or a restart was seen: all that follows is new */
	uint16_t through;         /* in polls all of the last days were read up to this index */
	uint16_t memory_through;  /* in sweeps all of the memory was read up to this index; also in the cursor */
};

struct zero3_state {
	struct zero3_table tables[ZERO3_FAMILIES]; /* a capture may show several, a dialogue fills one */
	enum zero3_phase phase;                    /* what was asked last, or is to be asked next */
	bool met;                                  /* it answered; cleared by silence */
	unsigned tries, given_up;

	/* days are counted by calendar_day() */
	long cursor_day, today, since, skipped_day, skipped_last;
	bool started, sweeping; /* a sweep reads everything since `since`, a poll what is new */
	bool clearing, lacking; /* in this sweep: the memory may be cleared afterwards; a record was not read */
	bool unreached;         /* in this sweep: a module did not say which records it holds */
	bool of_memory;         /* the records being read are those behind the cursor's index */
	int64_t reconciled_s;   /* when the last sweep began, by the station's clock */

	bool clear_due;           /* the memory is to be cleared as soon as it stands still */
	unsigned alike;           /* so many readings of the whole memory said the same */
	uint64_t print, alike_to; /* what the memory says in this sweep, and said in the one before */
	int64_t read_whole_s;     /* when that began, by the station's clock */

	unsigned families;        /* to be asked, a bit each */
	enum zero3_family family; /* that is being asked */
	struct zero3_progress progress[ZERO3_FAMILIES];
	uint16_t index, first, last;
	unsigned left; /* records from `index` on */

	uint64_t told[ZERO3_TOLD_MAX]; /* what was complained of already */
	unsigned told_at;
};

void zero3_read_cursor(struct zero3_state *state, const char *cursor);

/* Another instrument answers: nothing that was known of the old one holds. */
void zero3_forget(struct zero3_state *state);

/* Decides what this poll looks at. */
void zero3_begin_poll(struct instrument *instrument);

/* The answer to the question for a range: which records are to be read. */
enum next zero3_take_range(struct zero3_state *state, const struct zero3_frame *frame, struct readings *readings);

/* The record asked for came whole. */
void zero3_seen(struct zero3_state *state, const struct reply *reply);

/* The record asked for is done with. `read`: false where the instrument holds nothing (yet) at this index. */
enum next zero3_next_record(struct zero3_state *state, bool read, struct readings *readings);
enum next zero3_give_up_record(struct zero3_state *state, struct readings *readings);

/* The module does not say which records it holds. */
enum next zero3_give_up_range(struct zero3_state *state, struct readings *readings);

/* A notice with the reply's bytes; NULL where they were told before. */
struct notice *zero3_undecodable(struct zero3_state *state, const struct reply *reply, struct readings *readings);

#endif
