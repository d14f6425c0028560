/* A link carries bytes or registers between a line and its instruments; it knows nothing of what they mean.
 *
 * Byte links: serial (libserialport), TCP client, TCP listener, a folder of files. Modbus links: RTU and TCP through
 * libmodbus. A replay of a capture is either. A link belongs to the one thread of its line. Every call returns within
 * its timeout; a broken link says so at once (-ENOTCONN, -EIO ...) and stays broken until it is opened again.
 */
#ifndef ASSAYD_LINK_H
#define ASSAYD_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../drivers/driver.h"
#include "config.h"
#include "tap.h"

struct link;

/* Prepares a link for this port; opens nothing yet. `stop_fd` (an eventfd) becoming readable ends every wait at once
 * with -ECANCELED. `port` must outlive the link. */
int link_new(const struct port *port, int stop_fd, struct link **ret, struct fault *fault);
void link_free(struct link *link); /* closes; NULL is fine */

/* `beat` counts up at least once a second while a call waits: the sign of life of the thread that called. */
void link_set_beat(struct link *link, _Atomic unsigned long *beat);

/* From now on everything that passes is put into the tap too (Modbus: the exchanges of the tap's unit). Any thread,
 * also while the line's works. -EBUSY while another records. The link holds the tap until it is closed, and ends it
 * when it goes itself. */
int link_tap(struct link *link, struct tap *tap, struct fault *fault);
void link_tell_results(struct link *link, unsigned long count); /* for the tap: so many were stored */

/* Opens or reopens. Serial names are resolved afresh each time; the port is locked (flock and TIOCEXCL); the fault says
 * who or what is in the way. A listener opens once and then waits for its instrument inside link_read(). */
int link_open(struct link *link, struct fault *fault);
void link_close(struct link *link);
bool link_is_open(const struct link *link);

/* False while a listener, open, still waits for its instrument to connect; else as link_is_open(). */
bool link_is_connected(const struct link *link);

/* True once after something happened on an open link that breaks nothing but that its operator should read. */
bool link_remark(struct link *link, struct fault *out);

/* Byte links. Reads what is there, waiting at most `timeout_ms` for the first byte: the number of bytes, 0 after the
 * timeout, or -errno (hang-up, reset, end of file: -ENOTCONN). */
int link_read(struct link *link, uint8_t *data, size_t size, int timeout_ms, struct fault *fault);
int link_write(struct link *link, const uint8_t *data, size_t length, struct fault *fault);

/* Folder links: whole files, one after the other. link_file_next() opens the next one that is ready, waiting at most so
 * long: 1, 0, or -errno; `cursor` says what is stored. Then link_read() gives its bytes, and 0 at their end. When they
 * are stored, or cannot be, comes link_file_over(). */
struct link_file {
	char name[256];
	struct date_time changed; /* by the station's clock */
	uint64_t known;   /* so many of its first bytes were read before: what is wrong with them has been told */
	char refused[96]; /* why it cannot be read; "" when it can */
};
int link_file_next(struct link *link, const char *cursor, int timeout_ms, struct link_file *ret, struct fault *fault);
bool link_file_whole(struct link *link); /* at its end: nothing has changed in it since it was opened */
void link_file_cursor(struct link *link, char *out, size_t size); /* to be stored with its last rows */
void link_file_over(struct link *link, bool whole);               /* false: read it again when it has settled */

/* Modbus links: one exchange. 0 and the reply filled in (REGISTERS, DONE, RAW, REFUSED), or -ETIMEDOUT for silence, or
 * another -errno for anything that makes the line suspect (checksum, wrong unit, unexpected length, broken link). After
 * any negative answer no value may be used and link_quarantine() must follow. `registers` has room for REGISTERS_MAX,
 * `bytes` for PDU_MAX.
 */
int link_exchange(struct link *link, int unit, const struct request *request, int timeout_ms, struct reply *reply,
	uint16_t *registers, uint8_t *bytes, struct fault *fault);

/* Modbus RTU: how many bytes that nobody had asked for were thrown away since this was asked last. */
size_t link_unasked(struct link *link);

/* The next exchange cannot meet an answer to an older question. RTU: waits until the one answer that is owed has come,
 * late and whole, or `lateness_ms` are over; opens afresh and drains until quiet. TCP: a new connection carries no old
 * answers. On a fault the link is closed. */
int link_quarantine(struct link *link, int lateness_ms, struct fault *fault);

/* Waits without reading; for the line's own pauses. -ECANCELED when the line is told to stop. */
int link_pause(struct link *link, int ms);

#endif
