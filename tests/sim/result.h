/* One finished test as a simulated instrument keeps it in its memory. */
#ifndef SIM_RESULT_H
#define SIM_RESULT_H

#include <stdbool.h>
#include <stdint.h>

struct moment { /* what the instrument's own clock shows */
	uint16_t year;
	uint8_t month, day, hour, minute, second;
};

/* The codes are those of the A6b register map; the truth spells them out. */
enum result_kind { RESULT_SAMPLE, RESULT_BLANK, RESULT_NEGATIVE_CONTROL, RESULT_POSITIVE_CONTROL, RESULT_CALIBRATION };
enum result_verdict { RESULT_NONE, RESULT_NEGATIVE, RESULT_POSITIVE, RESULT_SUSPECT, RESULT_INVALID };

enum slot_use {
	SLOT_RESULT,
	SLOT_BLANK_WELL, /* takes a running number, holds no result */
	SLOT_DUMMY,      /* the erased first place of a memory that never wrapped: all FF */
};

enum {
	SENTINEL_NONE = 0,
	SENTINEL_WORD = 1 /* a verdict, no value */,
	SENTINEL_NOT_AVAILABLE = 0x7FFE,
	SENTINEL_INVALID = 0x7FFF
};

enum { CHANNEL_NONE = 255 };

struct result {
	enum slot_use use;
	uint32_t number; /* running number */
	uint32_t batch;  /* results finished together share it */
	struct moment tested;
	uint8_t channel;          /* A2b, A3: 0 is the control well; A2: not said */
	uint8_t kind;             /* enum result_kind */
	uint8_t verdict;          /* enum result_verdict */
	uint8_t standard;         /* A2b: 0 GB/T 5009.199, 1 NY/T 448 */
	uint8_t decimals;         /* of `value` */
	uint16_t sentinel;        /* A2b: sent instead of the value */
	uint16_t item, unit;      /* A6b codes; A3, A4: place in the item table */
	int32_t value;            /* displayed value * 10^decimals */
	int32_t app_offset;       /* how much of `value` the app added, in the same decimals */
	bool unfinished;          /* A3: still being measured */
	bool retest;              /* of the sample before, as the instrument says */
	bool below;               /* text instruments: displayed with "<" before it */
	uint16_t signal, control; /* absorbance or delta-A of sample and control, thousandths */
	const char *name;         /* of the sample, UTF-8, whole; NULL: none */
	const char *operator_name;
	char sample_no[16];
};

#endif
