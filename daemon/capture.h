/* Captures: what passed on an instrument's line, in a text that people read and diff.
 *
 *     # assay capture 1
 *     # instrument: pr-1
 *     # driver: seven-e-aa
 *     # line: 115200/8n1
 *     # wire: bytes
 *     > +0.000000 7e 11 01 00                 # ~...
 *     < +0.012431 7e 11 14 00 02 00           # ~.....
 *     < +0.015900 02 00 12 00
 *     # +2.000000 the link was lost
 *
 * One line per read or write: `<` what the instrument sent, `>` what was sent to it, then when that was in seconds
 * since the capture began, then two hexadecimal digits a byte. `#` starts a comment. Direction and time may be missing:
 * a line without a direction is the instrument's, so that bytes typed off a document are a capture too. The lines at
 * the start are for machines as well: `# profile: NAME` is what the driver needs to decode it, `# wire:` says how the
 * bytes are framed (`bytes`, `modbus-rtu` with unit and checksum, `modbus-tcp` with the MBAP header). A capture names
 * neither the station nor a host. Pure but for the files it is told to read or write; any thread may call.
 */
#ifndef ASSAYD_CAPTURE_H
#define ASSAYD_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../drivers/fault.h"

#define CAPTURE_MAGIC    "# assay capture "
#define CAPTURE_FILE_MAX (64 * 1024 * 1024)

enum capture_wire { CAPTURE_BYTES, CAPTURE_RTU, CAPTURE_TCP };

const char *capture_wire_name(enum capture_wire wire); /* "bytes", "modbus-rtu", "modbus-tcp" */

struct capture_head { /* "" and 0 are left out */
	char instrument[48], driver[48], profile[48];
	char line[24]; /* serial settings */
	int unit;      /* Modbus unit address: only its exchanges are there */
	enum capture_wire wire;
};

struct capture_item {          /* one read or write */
	bool sent;             /* to the instrument */
	int64_t at_us;         /* since the capture began, -1: not said */
	size_t offset, length; /* of its bytes in `bytes` */
};

struct capture {
	struct capture_head head;
	uint8_t *bytes;
	struct capture_item *items;
	size_t count;
};

/* Reads a capture; `name` is for the fault, which says FILE:LINE. 0, -EINVAL, -EFBIG, -ENOMEM or what reading gave. On
 * success capture_free() it. */
int capture_parse(const char *text, size_t length, const char *name, struct capture *ret, struct fault *fault);
int capture_read(FILE *file, const char *name, struct capture *ret, struct fault *fault);
void capture_free(struct capture *capture);

/* True when a text says of itself that it is a capture: no instrument begins like this. */
bool capture_says_so(const char *text, size_t length);

/* Writing, one line each; the FILE keeps the error. Notes become comments. */
void capture_write_head(FILE *file, const struct capture_head *head);
void capture_write_item(FILE *file, bool sent, int64_t at_us, const uint8_t *bytes, size_t length);
void capture_write_note(FILE *file, int64_t at_us, const char *note);

#endif
