/* What the command line of assay-sim asks for. */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum archetype {
	ARCHETYPE_A2,
	ARCHETYPE_A2B,
	ARCHETYPE_A6B,
	ARCHETYPE_A1,
	ARCHETYPE_A5,
	ARCHETYPE_A3,
	ARCHETYPE_A4,
	ARCHETYPE_A6A,
	ARCHETYPE_A8, /* these write text: text_forms.h */
	ARCHETYPE_A9,
	ARCHETYPE_A10,
	ARCHETYPE_JSON,
	ARCHETYPE_FOLDER,
	ARCHETYPE_HL7,
	ARCHETYPE_A7,
	ARCHETYPE_SCANNER, /* it finishes nothing: scanner.h */
};
enum sim_layout { SIM_LAYOUT_8, SIM_LAYOUT_16, SIM_LAYOUT_MULTI, SIM_LAYOUT_Z24 }; /* A1 */

enum code_end { CODE_END_CR, CODE_END_LF, CODE_END_CRLF, CODE_END_TAB, CODE_END_NONE };

enum { UNITS_MAX = 32, OUTAGES_MAX = 32, PORTS_MAX = 10000 };

enum outage_kind { OUTAGE_POWER_CYCLE, OUTAGE_UNPLUG };

struct outage {
	enum outage_kind kind;
	int64_t at_ns, lasts_ns; /* since the start */
};

struct options {
	enum archetype archetype;
	const char *serial; /* the symlink to the pty, or NULL */
	const char *codes;  /* of ARCHETYPE_SCANNER, else NULL */
	enum code_end code_end;
	const char *folder;        /* of ARCHETYPE_FOLDER, else NULL */
	char host[128];            /* with --tcp or --dial */
	bool dial;                 /* call HOST:PORT instead of listening there */
	int port;                  /* 0: any */
	int ports;                 /* consecutive ports, each its own instrument */
	unsigned units[UNITS_MAX]; /* Modbus addresses on the line */
	size_t unit_count;
	bool dead[256]; /* units that never answer */
	const char *timezone;
	int64_t clock_offset_ms; /* the instrument's clock is this much ahead */

	const char *truth; /* file, or NULL */
	uint64_t seed;
	int64_t results; /* -1: without end */
	double rate;     /* per second and instrument */
	unsigned burst;
	int64_t start_delay_ns;
	uint32_t first_number;
	size_t capacity;              /* of the memory */
	double same;                  /* share of results that repeat the one before */
	double controls;              /* share of results that are controls, blanks and calibrations */
	double blank_wells;           /* A6b: share of places that hold nothing */
	double at_limit;              /* share of inhibitions of exactly 50.00 % */
	double suspects;              /* A3: share of suspect results */
	double app_offset;            /* A1, A6b: points at most that the app adds to an inhibition */
	double sentinels;             /* A2b, A3: share of results without a value */
	bool first_dummy;             /* A6b: the first place of the memory is all FF */
	bool low_word_first;          /* A6b: CDAB */
	bool oldest_first;            /* A6a: page 0 is the oldest result */
	double busy, torn;            /* A6b; A6a is busy too */
	bool overlap;                 /* A3: the last channel of a record is finished with the next record */
	bool gold;                    /* A3: strips instead of channels */
	bool signals;                 /* A4: lines with the raw signals */
	uint32_t without;             /* bit n: not the quirk Qn, which it has otherwise */
	bool one_frame, no_enq, lots; /* A7 */
	size_t frame_size;            /* A7: bytes of a record that a frame holds */
	double queries;               /* A7: share of messages with a question behind them */
	double retests;               /* HL7: share of samples that it tests once more */

	enum sim_layout layout; /* A1, as the next seven */
	bool mask_msb, sample_abs;
	int64_t press_ns, link_window_ns, group_gap_ns, reboot_ns;
	double cancel;

	unsigned mute_days; /* A2: so many questions about a day with results are left without an answer */
	int64_t late_ns;
	unsigned late_every;
	double noise, bad_crc, silence, cut_short;
	bool echo, split;
	struct outage outages[OUTAGES_MAX];
	size_t outage_count;
	bool power_cycle_clears;
};

static inline bool has_quirk(const struct options *options, unsigned quirk)
{
	return !(options->without >> quirk & 1);
}

/* Fills `options`. Returns -1 to go on, or the status to exit with (0 after --help, 64 after a complaint). */
int options_parse(int argc, char **argv, struct options *options);

#endif
