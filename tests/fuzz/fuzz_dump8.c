/* Fuzz target: any bytes, through the cutter, into the dump8 driver, offline and in the middle of a dialogue.
 *
 * The first byte chooses the options and how the stream is cut. What comes out must hold its promises: whole UTF-8
 * texts, decimals, raw bytes that are the group's, a question after every answer that is none of those which erase, and
 * nothing let go before a group was given.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"
#include "../../daemon/settings.h"
#include "../../drivers/text.h"

static struct reading list[READINGS_AT_ONCE];

static void check_reading(const struct reading *reading, const struct reply *reply)
{
	assert(text_is_utf8(reading->sample_name, strlen(reading->sample_name)));
	assert(text_is_utf8(reading->origin, strlen(reading->origin)));
	assert(!*reading->value || decimal_valid(reading->value));
	assert(reading->raw == reply->bytes && reading->raw_length == reply->length);
	assert(reading->identity == reply->bytes && reading->repeatable);
	assert(strlen(reading->tested_at) == 0 || strlen(reading->tested_at) == 19);
}

/* `given`: a whole group was given and is stored. */
static void ask(struct instrument *instrument, bool given)
{
	struct request request = { 0 };
	instrument->driver->ask(instrument, &request);
	assert(request.kind == REQUEST_BYTES && request.length >= 1 && request.length <= 2);
	assert(request.length == 1 ? request.bytes[0] == 0x24 && given : request.bytes[0] == 0x1B);
	assert(request.length == 1 || request.bytes[1] != 0xB9);
}

static void take(struct instrument *instrument, const struct reply *reply)
{
	struct readings readings = { .list = list };
	enum next next = instrument->driver->take(instrument, reply, &readings);
	for (size_t i = 0; i < readings.count; i++)
		check_reading(&list[i], reply);
	assert(readings.count <= 8 && readings.notice_count <= 1);
	if (readings.notice_count)
		assert(readings.count == 0 && next == NEXT_IDLE && readings.notices[0].raw == reply->bytes);
	if (!reply->offline && next != NEXT_WAIT)
		ask(instrument, reply->kind == REPLY_FRAME && reply->length > 2 && readings.notice_count == 0);
}

static void begin(struct instrument *instrument, uint8_t choice, char *options)
{
	static const char *const layouts[] = { "auto", "8", "16", "multi", "z24", "auto", "auto", "auto" };
	static const char *const meanings[] = { "auto", "inhibition", "sample-abs", "conc" };
	const struct driver *driver = driver_by_name("dump8");
	settings_defaults(&(struct settings_table){ driver->options, options });
	settings_value(&driver->options[0], layouts[choice & 7], options, NULL);
	settings_value(&driver->options[2], meanings[choice >> 3 & 3], options, NULL);
	settings_value(&driver->options[3], choice & 32 ? "1" : "0", options, NULL);
	*instrument = (struct instrument){ .driver = driver, .options = options };
	instrument->state = calloc(1, driver->state_size);
	driver->setup(instrument, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char options[256];
	struct instrument instrument;
	if (size == 0)
		return 0;
	uint8_t choice = *data++;
	size--;
	begin(&instrument, choice, options);
	bool offline = !(choice & 64);
	if (!offline)
		ask(&instrument, false);

	struct cutter cutter = { 0 };
	struct cut cut;
	size_t step = choice & 128 ? 1000 : 7;
	for (size_t at = 0; at < size; at += step) {
		size_t length = size - at < step ? size - at : step;
		if (cutter_feed(&cutter, data + at, length) < 0)
			break;
		enum cut_kind kind;
		while ((kind = cutter_next(&cutter, &instrument, at + length == size, &cut)) != CUT_MORE)
			if (kind == CUT_FRAME)
				take(&instrument, &(struct reply){ .bytes = cut.bytes,
							  .length = cut.length,
							  .offset = cut.offset,
							  .offline = offline });
	}
	take(&instrument, &(struct reply){ .kind = REPLY_SILENCE, .bytes = data, .length = size, .offline = offline });
	cutter_reset(&cutter);
	free(instrument.state);
	return 0;
}
