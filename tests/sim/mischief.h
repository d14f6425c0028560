/* Faults on request: what happens to an answer between the instrument and the wire. */
#ifndef SIM_MISCHIEF_H
#define SIM_MISCHIEF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dice.h"
#include "options.h"

struct answer { /* the bytes of one answer, a frame or many */
	uint8_t *bytes;
	size_t length, size;
};

struct mischief { /* of one line */
	const struct options *options;
	struct dice dice;
	unsigned answers;
};

void answer_add(struct answer *answer, const uint8_t *bytes, size_t length);

/* True when this request is to be swallowed. */
bool mischief_swallows(struct mischief *mischief);

/* Adds a frame to the answer, perhaps with noise before it, a wrong byte at `checksum_at`, or its end missing. */
void mischief_add(
	struct mischief *mischief, struct answer *answer, const uint8_t *frame, size_t length, size_t checksum_at);

/* How late this answer goes out. */
int64_t mischief_delay_ns(struct mischief *mischief);

#endif
