/* A barcode and QR scanner: somebody scans codes at given times, and the scanner says them to whoever listens.
 *
 * `--codes FILE` has a line for each: the seconds since the start, a blank, and the code, whose bytes are sent as they
 * stand there. Behind each comes what --code-end says.
 */
#ifndef SIM_SCANNER_H
#define SIM_SCANNER_H

#include "line.h"
#include "loop.h"

struct scanner_code {
	int64_t at_ns; /* since the start */
	char *bytes;
	size_t length;
};

struct scanner {
	struct line *line;
	int truth; /* a descriptor, or -1 */
	int64_t started_ns;
	struct scanner_code *codes; /* in the order of their times */
	size_t count, next;
	struct timer timer;
};

/* Ends the program with a sentence when the file cannot be read. */
void scanner_start(struct scanner *scanner, struct line *line, const struct options *options, int truth);
void scanner_free(struct scanner *scanner);

/* One line of the file; false when it is none. The bytes are the caller's to free. */
bool scanner_line(const char *line, struct scanner_code *ret);

#endif
