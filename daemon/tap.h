/* A tap: a copy of what passes on a line, for whoever records it.
 *
 * The line's thread puts, one other thread takes. Putting never waits: what finds the ring full is counted and left
 * out, and the count stands in the ring where there is room again. Each side lets go on its own: whoever records closes
 * the tap, a line that ends ends it.
 */
#ifndef ASSAYD_TAP_H
#define ASSAYD_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAP_BYTES_MAX 1024 /* of one item; the longest read of a line */

enum tap_kind {
	TAP_RECEIVED, /* from the instrument */
	TAP_SENT,     /* to it */
	TAP_NOTE,     /* a text: connected, lost, unreadable */
	TAP_RESULTS,  /* `count` results were stored */
	TAP_DROPPED,  /* `count` reads and writes of `dropped_bytes` found no room */
};

struct tap_item {
	enum tap_kind kind;
	int64_t at_us; /* since the tap was opened */
	unsigned long count, dropped_bytes;
	size_t length;
};

struct tap;

/* `unit`: the only Modbus unit wanted, 0 for all there is. NULL without memory. Held once. */
struct tap *tap_new(int unit);
struct tap *tap_hold(struct tap *tap);
void tap_release(struct tap *tap); /* NULL is fine */

/* The line's thread. */
int tap_unit(const struct tap *tap);
void tap_put(struct tap *tap, enum tap_kind kind, const void *bytes, size_t length);
void tap_results(struct tap *tap, unsigned long count);
void tap_end(struct tap *tap);             /* nothing more will be put */
bool tap_is_closed(const struct tap *tap); /* nobody will take any more */

/* The recorder's thread. */
int tap_fd(const struct tap *tap); /* readable while there is something to take, or the end */
/* The oldest item and its bytes: 1, 0 when there is none now, -1 when there will be none. */
int tap_take(struct tap *tap, struct tap_item *item, uint8_t bytes[static TAP_BYTES_MAX]);
void tap_close(struct tap *tap);

#endif
