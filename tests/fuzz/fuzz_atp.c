/* Fuzz target: any bytes, through the cutter, into the luminometers' driver; the first byte chooses offline or a
 * dialogue. What comes out must hold its promises: decimals, identity inside the frame, a question after every answer.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"
#include "../../daemon/settings.h"

static struct reading list[READINGS_AT_ONCE];

static void ask(struct instrument *instrument)
{
	struct request request = { 0 };
	instrument->driver->ask(instrument, &request);
	assert(request.kind == REQUEST_BYTES && request.length == 1 && strchr("NGE", request.bytes[0]));
}

static void take(struct instrument *instrument, const struct reply *reply)
{
	struct readings readings = { .list = list };
	enum next next = instrument->driver->take(instrument, reply, &readings);
	for (size_t i = 0; i < readings.count; i++) {
		assert(decimal_valid(list[i].value) && decimal_valid(list[i].limit_value));
		assert(list[i].raw == reply->bytes && list[i].identity == reply->bytes + 1);
		assert(list[i].identity_length + 2 == reply->length);
		assert(strlen(list[i].tested_at) == 0 || strlen(list[i].tested_at) == 19);
	}
	if (!reply->offline && next != NEXT_WAIT)
		ask(instrument);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char options[64];
	const struct driver *driver = driver_by_name("atp");
	if (size == 0)
		return 0;
	bool offline = !(data[0] & 1);
	settings_defaults(&(struct settings_table){ driver->options, options });
	struct instrument instrument = { .driver = driver, .options = options, .now = { 2026, 3, 5, 9, 0, 0 } };
	instrument.state = calloc(1, driver->state_size);
	driver->setup(&instrument, NULL);
	if (!offline)
		ask(&instrument);
	struct cutter cutter = { 0 };
	struct cut cut;
	enum cut_kind kind;
	if (cutter_feed(&cutter, data + 1, size - 1) == 0)
		while ((kind = cutter_next(&cutter, &instrument, true, &cut)) != CUT_MORE)
			if (kind == CUT_FRAME)
				take(&instrument,
					&(struct reply){
						.bytes = cut.bytes, .length = cut.length, .offline = offline });
	take(&instrument, &(struct reply){ .kind = REPLY_SILENCE, .offline = offline });
	cutter_reset(&cutter);
	free(instrument.state);
	return 0;
}
