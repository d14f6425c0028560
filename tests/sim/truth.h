/* The truth: one JSON line for every result, written at the moment the instrument finished it. */
#ifndef SIM_TRUTH_H
#define SIM_TRUTH_H

#include "options.h"
#include "result.h"

struct truth_place { /* which of the simulated instruments it was */
	enum archetype archetype;
	unsigned unit;
	int port;           /* 0 on a serial line */
	const char *serial; /* the instrument's serial number, or "" where the protocol has none */
};

int truth_open(const char *path); /* the descriptor, appended to; ends the program with a sentence when it cannot */

/* The line as it will be written, with its newline. Returns its length. */
enum { TRUTH_MAX = 1024 };
size_t truth_line(char out[static TRUTH_MAX], const struct truth_place *place, const struct result *result);

/* One write(2); a descriptor of -1 writes nothing. */
void truth_write(int fd, const struct truth_place *place, const struct result *result);

/* A displayed number: (6350, 2) -> "63.50"; with `shortest` "63.5". */
char *truth_number(char out[static 24], int32_t value, unsigned decimals, bool shortest);

#endif
