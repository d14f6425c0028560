/* One question to an instrument and what the driver makes of the answer, for `assayctl probe` and `scan --ask`. Nothing
 * is stored: what would acknowledge, erase or release is asked only after a result was taken (driver.h), and whoever
 * calls ends before that. */
#ifndef ASSAYD_CTL_DIALOGUE_H
#define ASSAYD_CTL_DIALOGUE_H

#include "../drivers/driver.h"
#include "cutter.h"
#include "link.h"

struct dialogue {
	struct link *link;
	struct instrument *instrument;
	struct readings readings; /* of the last frame; `list` has room for READINGS_AT_ONCE */
	int unit;                 /* Modbus */
	int timeout_ms;           /* of each answer, and after each part of one */
	long until_ms;            /* of all, by clock_ms() */
	unsigned long heard;      /* bytes, or answers of Modbus */
	/* After each frame, answer and silence; true: this is enough. */
	bool (*took)(void *context);
	void *context;
	struct cutter cutter; /* cutter_reset() it at the end */
};

/* What the driver wants next (NEXT_ASK, NEXT_IDLE), or -errno. A Modbus fault leaves the line in doubt: quarantine it
 * before the next question. */
int dialogue_turn(struct dialogue *dialogue, const struct request *request, struct fault *fault);

#endif
