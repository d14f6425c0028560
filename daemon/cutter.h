/* The cutter: the one loop that cuts an instrument's byte stream into frames, for lines and for offline decoding.
 *
 * Feed it what arrived, cut anywhere; then take cuts until it says CUT_MORE. A driver's frame() decides; where it says
 * FRAME_NONE one byte is dropped and the next is tried, so a stream resynchronises at any byte. It holds no memory
 * until the first byte comes and gives a large buffer back when it has run empty. One thread at a time.
 *
 *     cutter_feed(&cutter, data, length);
 *     while ((kind = cutter_next(&cutter, &instrument, false, &cut)) != CUT_MORE)
 *             ... CUT_FRAME: give cut to driver->take(); CUT_NOISE: count cut.length bytes
 */
#ifndef ASSAYD_CUTTER_H
#define ASSAYD_CUTTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../drivers/driver.h"

struct cutter { /* zeroed before the first use: { 0 } */
	uint8_t *data;
	size_t start, end, room; /* what is held: data[start..end) */
	uint64_t offset;         /* of data[start] in the stream */
	bool torn;               /* the stream broke off: no frame ends here because nothing more comes */
};

enum cut_kind { CUT_MORE, CUT_FRAME, CUT_NOISE };

struct cut { /* a frame, or a run of bytes that are none; good until the next cutter_feed() */
	const uint8_t *bytes;
	size_t length;
	uint64_t offset; /* in the stream since the cutter was zeroed or reset */
};

/* 0, or -ENOMEM when the bytes could not be kept. */
int cutter_feed(struct cutter *cutter, const uint8_t *data, size_t length);

/* The next cut. With `final` (the stream has ended, or nothing came for so long that nothing more will) an incomplete
 * frame is noise too, and what stands behind its first byte is tried. One run of noise may come in several cuts. */
enum cut_kind cutter_next(struct cutter *cutter, const struct instrument *instrument, bool final, struct cut *ret);

/* Bytes held: more than 0 after CUT_MORE means that a frame has begun. */
size_t cutter_held(const struct cutter *cutter);

/* All that is held, as one cut. */
void cutter_peek(const struct cutter *cutter, struct cut *ret);

void cutter_reset(struct cutter *cutter); /* forgets everything held and frees it; the cutter can be used again */

#endif
