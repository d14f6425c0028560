/* The sections of the configuration, each with its table of settings: one row is all there is to say about a setting.
 *
 * Reader, reference page, annotated example and shell completion come from here. Drivers add rows of their own to
 * [instrument]. The tables are constant.
 */
#ifndef ASSAYD_CONFIG_SECTIONS_H
#define ASSAYD_CONFIG_SECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "../drivers/setting.h"
#include "config.h"

struct config_section {
	const char *word;
	const char *name;    /* what its name is called in examples ("county"); NULL: it has none */
	const char *purpose; /* marked N_() */
	const struct setting *rows;
};

/* station, journal, evidence, samples, control, log, target, instrument; ended by a NULL word. */
extern const struct config_section config_sections[];
const struct config_section *config_section_find(const char *word); /* NULL when there is none */

struct journal_rows {
	char directory[CONFIG_PATH_MAX + 1];
	int64_t retention_ms;
	long reserve_mib;
};

struct control_rows {
	char socket[108];
};

struct log_rows {
	int level; /* 0: error ... 4: debug */
};

struct instrument_rows { /* as written; config_instrument.c makes a struct instrument_config of it */
	char driver[CONFIG_NAME_MAX];
	char profile[CONFIG_NAME_MAX];
	char port[CONFIG_PATH_MAX + 1];
	char line[24];
	long unit;
	int64_t poll_ms, timeout_ms, lateness_ms;
	struct maker maker;
	char item[96], basis[64];
	struct naming_config naming;
	struct calibration_config calibration;
	struct control_config control;
	int64_t skew_alarm_ms;
	bool set_clock;
};

#endif
