/* The command line of assay-sim as tables: its help, its options, and what it can be. */
#ifndef SIM_OPTIONS_TABLE_H
#define SIM_OPTIONS_TABLE_H

#include <getopt.h>

#include "options.h"

enum choice {
	OPTION_HELP = 256, /* '?' is getopt_long's own */
	OPTION_SERIAL,
	OPTION_TCP,
	OPTION_DIAL,
	OPTION_FOLDER,
	OPTION_CODES,
	OPTION_CODE_END,
	OPTION_PORTS,
	OPTION_UNIT,
	OPTION_UNITS,
	OPTION_DEAD_UNIT,
	OPTION_RESULTS,
	OPTION_RATE,
	OPTION_BURST,
	OPTION_START_DELAY,
	OPTION_SEED,
	OPTION_TRUTH,
	OPTION_FIRST_SEQ,
	OPTION_CAPACITY,
	OPTION_SAME,
	OPTION_CONTROLS,
	OPTION_BLANK_WELLS,
	OPTION_SENTINELS,
	OPTION_FIRST_DUMMY,
	OPTION_AT_LIMIT,
	OPTION_SUSPECTS,
	OPTION_APP_OFFSET,
	OPTION_GOLD,
	OPTION_RETESTS,
	OPTION_SIGNALS,
	OPTION_ONE_FRAME,
	OPTION_NO_ENQ,
	OPTION_FRAME_SIZE,
	OPTION_LOTS,
	OPTION_QUERIES,
	OPTION_ORDER,
	OPTION_OLDEST_FIRST,
	OPTION_LAYOUT,
	OPTION_MASK_ORDER,
	OPTION_FLOAT2,
	OPTION_PRESS,
	OPTION_LINK_WINDOW,
	OPTION_GROUP_GAP,
	OPTION_REBOOT,
	OPTION_CANCEL,
	OPTION_WITHOUT,
	OPTION_CLOCK_OFFSET,
	OPTION_TIMEZONE,
	OPTION_LATE,
	OPTION_LATE_EVERY,
	OPTION_NOISE,
	OPTION_BAD_CRC,
	OPTION_SILENCE,
	OPTION_OVERLAP,
	OPTION_MUTE_DAYS,
	OPTION_SHORT,
	OPTION_ECHO,
	OPTION_SPLIT,
	OPTION_BUSY,
	OPTION_TORN,
	OPTION_POWER_CYCLE,
	OPTION_POWER_CYCLE_CLEARS,
	OPTION_UNPLUG,
};

struct archetype_name {
	const char *name; /* of several for one archetype the first is the short one */
	enum archetype archetype;
	size_t capacity;
};

/* A quirk some instruments can do without, and which those are. */
struct quirk_name {
	unsigned quirk;
	uint32_t archetypes; /* one bit for each */
};

extern const char options_help[];
extern const struct option options_names[];              /* ended by a NULL name */
extern const struct archetype_name options_archetypes[]; /* ended by a NULL name */
extern const struct quirk_name options_quirks[];         /* ended by quirk 0 */

#endif
