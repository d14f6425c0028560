/* Decoding a byte stream offline: the same cutter and driver as the daemon's lines, without an instrument.
 *
 * One compact JSON line per reading, in the order of the stream, always with the keys sample_no, item, value,
 * qualifier, unit, verdict, tested_at, kind, instrument_seq ("" when not said), then only what was said: channel,
 * sample_name, sample_category, party, origin, method, basis, verdict_as_sent, value_as_sent, limit {op, value, unit,
 * source}, signals {}, operator {id, name}, said {}, marks [] and raw (hexadecimal). However the stream is cut by its
 * reads, the lines are the same. A scanner has no readings: a line per code has scan (its kind), the facts of facts.h
 * that it says, and text, all of it.
 */
#ifndef ASSAYD_DECODE_H
#define ASSAYD_DECODE_H

#include <stdio.h>

#include "../drivers/driver.h"
#include "json.h"

/* Reads `in` to its end. What is no frame, what the driver rejects and its notices go to `err`, each with the byte
 * offset. 0, or -errno: -ENOTSUP for a driver that only exchanges registers, -EIO and others when `in` cannot be read
 * or `out` not written. Any thread. */
int decode_stream(const struct driver *driver, const void *options, const void *profile, int in, FILE *out, FILE *err,
	struct fault *fault);

/* The line of one reading; js_free() it. */
struct json *decode_line(const struct reading *reading);

#endif
