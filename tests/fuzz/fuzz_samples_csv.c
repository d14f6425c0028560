/* Fuzz target: any bytes as a file of registrations, through the cutter, into the driver. What comes out is text, has a
 * number, holds no identity number, and is the same however the file arrives.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"
#include "../../drivers/identity.h"
#include "../../drivers/text.h"

static uint64_t mix(uint64_t print, const char *text)
{
	for (; *text; text++)
		print = (print ^ (uint8_t)*text) * 0x100000001B3; /* FNV-1a */
	return print;
}

static uint64_t take(struct instrument *instrument, const struct reply *reply, uint64_t print)
{
	struct readings readings = { .count = 0 };
	enum next next = instrument->driver->take(instrument, reply, &readings);
	assert(next == NEXT_WAIT && readings.count == 0 && readings.scan_count <= 1);
	for (size_t i = 0; i < readings.scan_count; i++) {
		const struct scan *scan = &readings.scans[i];
		assert(*scan->facts.no && text_is_utf8(scan->text, strlen(scan->text)));
		assert(!*scan->facts.uscc || uscc_valid(scan->facts.uscc));
		assert(!identity_find(scan->facts.name, instrument->now.year - 14, NULL));
		print = mix(print, scan->text);
	}
	for (size_t i = 0; i < readings.notice_count; i++) {
		assert(text_is_utf8(readings.notices[i].reason, strlen(readings.notices[i].reason)));
		print = mix(print, readings.notices[i].reason);
	}
	return print;
}

static uint64_t read_file(const uint8_t *data, size_t size, size_t step)
{
	const struct driver *driver = driver_by_name("samples-csv");
	struct instrument instrument = { .driver = driver, .now = { 2026, 3, 5, 9, 0, 0 }, .file = "a.csv" };
	struct cutter cutter = { 0 };
	struct cut cut;
	instrument.state = calloc(1, driver->state_size);
	driver->setup(&instrument, NULL);
	uint64_t print = take(&instrument, &(struct reply){ .kind = REPLY_FILE }, 0xCBF29CE484222325);
	for (size_t at = 0; at < size; at += step) {
		size_t some = size - at < step ? size - at : step;
		instrument.idle = at + some == size;
		if (cutter_feed(&cutter, data + at, some) != 0)
			abort();
		while (cutter_next(&cutter, &instrument, instrument.idle, &cut) == CUT_FRAME)
			print = take(&instrument, &(struct reply){ .bytes = cut.bytes, .length = cut.length }, print);
	}
	cutter_reset(&cutter);
	free(instrument.state);
	return print;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 1)
		assert(read_file(data, size, size) == read_file(data, size, 1 + data[0] % 64));
	return 0;
}
