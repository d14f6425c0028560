/* A reading: one finished test as the instrument said it, before anybody judges it.
 *
 * Every text is UTF-8 and empty when the instrument did not say it: nothing is invented, rounded, clamped or dropped.
 * Numbers are decimal text as the instrument displays them. Names use the field's terms; see daemon/record.h for the
 * county's record made of it.
 */
#ifndef ASSAYD_READING_H
#define ASSAYD_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decimal.h"

enum kind { KIND_SAMPLE, KIND_BLANK, KIND_CONTROL, KIND_QC, KIND_CALIBRATION };
enum verdict { VERDICT_NONE, VERDICT_NEGATIVE, VERDICT_POSITIVE, VERDICT_SUSPECT, VERDICT_INVALID };

const char *kind_name(enum kind kind);          /* "sample", "blank", ... as in the record */
const char *verdict_name(enum verdict verdict); /* "none", "negative", ... */

/* What a driver noticed while decoding; the judge turns each into a flag of the record. */
enum reading_mark {
	READING_TEXT_CUT = 1 << 0,        /* a text field was cut inside a character */
	READING_TEXT_BAD = 1 << 1,        /* a text field held bytes that are no character */
	READING_OUT_OF_RANGE = 1 << 2,    /* the instrument says the value is beyond its range */
	READING_CALIBRATION_DUE = 1 << 3, /* the instrument says its calibration is due */
	READING_OVERRUN = 1 << 4,         /* the instrument says its memory overflowed */
	READING_RETEST = 1 << 5,          /* the instrument says that it tested this before */
};

const char *reading_mark_name(enum reading_mark mark); /* "text_cut", ... as in the record's flags */

#define READING_NAMED_MAX 12

struct named { /* something said by name: a raw signal, or a word for which the record has no place */
	char name[24];
	char value[64];
};

struct reading {
	enum kind kind;
	enum verdict verdict;     /* polarity mapped by the driver or profile */
	char verdict_as_sent[48]; /* the instrument's own code or word */

	char instrument_seq[24]; /* the instrument's running number */
	int channel;             /* well or card slot, -1 when not said */

	char sample_no[64];
	char sample_name[96];
	char sample_category[64];
	char party[128]; /* inspected party */
	char origin[128];

	char item[96];       /* analyte, code or name as sent */
	bool item_looked_up; /* in a table of the instrument that may change: takes no part in the record's id */
	char method[64];     /* as sent */
	char basis[64];      /* test standard as sent */

	char value[96];         /* the displayed value, a decimal or the words in its place; empty when there is none */
	char qualifier[4];      /* "<", ">", "<=", ">=" as displayed before the value */
	char unit[24];          /* as sent */
	char value_as_sent[96]; /* the bytes' own form: "6350" for a displayed 63.50 */
	char limit_op[4], limit_value[DECIMAL_MAX], limit_unit[24], limit_source[64];

	struct named signals[READING_NAMED_MAX]; /* raw signals: abs, delta_a_control, c, t, rlu ... */
	size_t signal_count;
	struct named said[READING_NAMED_MAX]; /* whatever else the instrument said */
	size_t said_count;

	char operator_id[32], operator_name[64];

	char tested_at[32]; /* the instrument's clock, "2026-03-05T09:41:20", no zone; empty when unknown */

	char tested_zone[8]; /* the zone it said with that, "+00:00"; empty: none, and its clock is the station's */

	bool year_inferred; /* the instrument says none; its own digits, from the month on, are what a record's id goes
	                       by */

	unsigned marks; /* enum reading_mark */

	/* True where the instrument can be read twice: the record's id is then derived from serial, running number,
	 * time, channel, item, `repeat` and the identifying bytes, so that a second reading of the same test is
	 * recognised. False where each message is its own event. `repeat` counts readings that are alike to the last
	 * bit: earlier in the listing, or where running numbers began anew and no time tells old from new. */
	bool repeatable;
	unsigned repeat;
	const uint8_t
		*identity; /* identifying bytes inside `raw`: without counters that change when it is read again */
	size_t identity_length;

	const uint8_t *raw; /* the bytes it was decoded from; valid until the next frame */
	size_t raw_length;
	const uint8_t *raw_head; /* what stands before them and is needed to read them, a file's heading; kept with
	                            them. Valid until the next file; NULL where there is none */
	size_t raw_head_length;
};

/* Things that are not results but must not pass silently; each becomes an event of the same name. */
enum notice_kind {
	NOTICE_MISSED_RESULTS,    /* the counter jumped past what the instrument still holds */
	NOTICE_UNDECODABLE,       /* bytes that should have been a result and could not be read; `raw` keeps them */
	NOTICE_COUNTER_RESTARTED, /* the running number went back: power cycle or cleared memory */
	NOTICE_OVERRUN,           /* the instrument says its memory overflowed */
	NOTICE_INSTRUMENT_FAULT,  /* the instrument says it is faulty */
	NOTICE_SCAN_REFUSED,      /* a scanned code, or a part of it, that is not used */
};

const char *notice_name(enum notice_kind kind); /* "missed_results", ... the event's name */

struct notice {
	enum notice_kind kind;
	uint32_t first, last; /* running numbers, both inclusive, where they apply */
	char reason[160];
	const uint8_t *raw;
	size_t raw_length;
	size_t left_out; /* bytes of a person, or which may be: '*' stands in `raw` for them, or they are not there */
	/* filled in by the line, which knows */
	bool placed;
	uint64_t offset, length; /* placed: where the bytes began since the link was opened, and how many they were */
	unsigned long runs_not_kept; /* of undecodable bytes since the last such notice, only counted ... */
	uint64_t bytes_not_kept;     /* ... and how many they were */
};

/* What is known about a sample before it is tested; each empty when nobody said it. */
struct sample_facts {
	char no[64];
	char name[96];
	char category[64];
	char party[128]; /* inspected party */
	char uscc[20];   /* its unified social credit code, the check character being right */
	char stall[64];
	char origin[128];
	char trace_code[96];
	char certificate[256]; /* number of the conformity certificate, or the address its QR code holds */
	char event[32];        /* what it is tested for: a summit depot, market entry, origin exit ... */
};

enum scan_kind {
	SCAN_NUMBER,      /* the sample's number alone */
	SCAN_LABELLED,    /* facts with their names: a conformity certificate, a printed sample label */
	SCAN_LINK,        /* an address none of whose parts is labelled */
	SCAN_CREDIT_CODE, /* the party alone */
	SCAN_TRACE_CODE,
	SCAN_ROW, /* of a table people wrote: the same row again is the same registration */
};

const char *scan_kind_name(enum scan_kind kind); /* "number", "labelled", ... */

/* A code somebody scanned: no result, it names the sample of results to come. */
struct scan {
	enum scan_kind kind;
	struct sample_facts facts;
	const char *text; /* all of it, UTF-8; valid until the next frame */
};

struct maker { /* what the instrument says of itself */
	char maker[48], model[48], serial[48], firmware[32];
};

#define CURSOR_MAX       128
#define NOTICES_MAX      8
#define READINGS_AT_ONCE 64 /* the most readings one frame may hold */
#define SCANS_MAX        1  /* a code is a frame, and stored before the next is looked at */

/* What take() produced, from one frame or from several that arrived together. All of it is stored in one transaction
 * before the driver is asked again. */
struct readings {
	struct reading *list; /* the caller's, with room for `room` (0: READINGS_AT_ONCE) */
	size_t room, count;
	struct notice notices[NOTICES_MAX];
	size_t notice_count;
	struct scan scans[SCANS_MAX];
	size_t scan_count;
	char cursor[CURSOR_MAX]; /* the driver's place in the instrument's memory, plain text; stored with the readings
	                          */
	unsigned blanks;         /* wells and dummies the instrument marks as "nothing here" */
	unsigned rejected;       /* frames or blocks refused: checksum, length, identity */
};

/* The next free reading, cleared, with kind sample, channel -1 and verdict none; NULL when the room is taken.
 */
struct reading *readings_add(struct readings *readings);
/* The next free notice, cleared but for its kind; NULL when NOTICES_MAX are taken. */
struct notice *readings_notice(struct readings *readings, enum notice_kind kind);
/* The next free scan, cleared but for its kind; NULL when SCANS_MAX are taken. */
struct scan *readings_scan(struct readings *readings, enum scan_kind kind);
/* Adds a raw signal or another word; silently full after READING_NAMED_MAX, which no driver reaches. */
void reading_signal(struct reading *reading, const char *name, const char *value);
void reading_said(struct reading *reading, const char *name, const char *value);
/* What was said by that name; "" when nothing was, or there is no reading. */
const char *reading_has_said(const struct reading *reading, const char *name);

/* Words in a value's place that say whether anything was found: 未检出, ND, 检出, "not detected", however written. */
enum finding { FINDING_NONE, FINDING_NOT_DETECTED, FINDING_DETECTED };

enum finding reading_finding(const char *value);

#endif
