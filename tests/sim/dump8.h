/* A1: an enzyme reader that dumps its memory once and then clears it. Nothing has a checksum.
 *
 *   the user presses "transfer" now and then while there is something to transfer: the reader is in link mode until no
 *   command came for the link window
 *   1B BF -> 1B mm        model: 01 layout 8, 02 layout 16, 11 layout multi, 05 layout z24
 *   1B B1 -> 1B C1, group 1; or 1B FE without results
 *   24    -> the next group after the group gap; or 1B FE: the memory is cleared that moment, and the reader starts
 * anew 1B FF    the link is over        1B B9    erases everything        B1 FF from the reader: the user cancelled
 *
 * A group is what was finished together (--burst, at most 8), 73 bytes: info[9], 8 x {float32BE, float32BE}; z24: 501.
 * A dump that broke off begins anew with 1B B1. In link mode nothing is measured.
 */
#ifndef SIM_DUMP8_H
#define SIM_DUMP8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"
#include "result.h"

struct instrument;

enum { DUMP8_WELLS_MAX = 8, DUMP8_GROUP_MAX = 501 };

struct dump8 { /* what the reader remembers of its link */
	bool linked, dumping;
	int64_t pressed_ns, command_ns, ready_ns;
	size_t sent, sending; /* results of the memory: already let go, and in the group that is out */
};

/* Length of the request at `data`, 0 while it may become one, -1 when none starts here. */
int dump8_frame(const uint8_t *data, size_t length);

/* `count` results of one batch as one group. Returns its length. */
size_t dump8_group(const struct options *options, const struct result *const *results, size_t count,
	uint8_t out[static DUMP8_GROUP_MAX]);

/* True while the reader is in link mode: it measures nothing then. */
bool dump8_busy(const struct instrument *instrument, int64_t now_ns);

/* Answers one request: calls `send` for every frame. Returns how long the answer takes, in nanoseconds. */
int64_t dump8_answer(struct instrument *instrument, const uint8_t *request, size_t length, int64_t now_ns,
	void (*send)(void *context, const uint8_t *frame, size_t length), void *context);

#endif
