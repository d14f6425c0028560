/* Fuzz target: any bytes, through the cutter, into the scanners' driver; the first byte chooses its settings. What
 * comes out must hold its promises: no result, text that is UTF-8, a credit code that is one, nobody's number.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"
#include "../../daemon/settings.h"
#include "../../drivers/identity.h"
#include "../../drivers/text.h"
#include "../../drivers/uscc.h"

static void check_text(const char *text, bool guarded)
{
	assert(text_is_utf8(text, strlen(text)));
	assert(!guarded || !identity_find(text, 2012, NULL));
}

static void take(struct instrument *instrument, const struct reply *reply, bool guarded)
{
	struct readings readings = { .room = 0 };
	assert(instrument->driver->take(instrument, reply, &readings) == NEXT_WAIT);
	assert(readings.count == 0);
	for (size_t i = 0; i < readings.scan_count; i++) {
		const struct sample_facts *facts = &readings.scans[i].facts;
		const char *const texts[] = { facts->no, facts->name, facts->category, facts->party, facts->uscc,
			facts->stall, facts->origin, facts->trace_code, facts->certificate, facts->event,
			readings.scans[i].text };
		bool said = false;
		for (size_t k = 0; k < sizeof(texts) / sizeof(*texts); k++) {
			check_text(texts[k], guarded);
			said = said || *texts[k];
		}
		assert(said && (!*facts->uscc || uscc_valid(facts->uscc)));
	}
	for (size_t i = 0; i < readings.notice_count; i++)
		check_text(readings.notices[i].reason, guarded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "encoding", "end", "identity-numbers" };
	static const char *const words[][3] = { { "auto", "gb18030", "utf-8" }, { "any", "line", "silence" },
		{ "refuse", "mask", "keep" } };
	static char options[64];
	const struct driver *driver = driver_by_name("scanner");
	if (size == 0)
		return 0;
	unsigned choice = data[0];
	settings_defaults(&(struct settings_table){ driver->options, options });
	for (size_t i = 0; i < 3; i++, choice /= 3)
		for (const struct setting *row = driver->options; row->name; row++)
			if (strcmp(row->name, names[i]) == 0)
				settings_value(row, words[i][choice % 3], options, NULL);
	bool guarded = data[0] / 9 % 3 != 2;
	struct instrument instrument = { .driver = driver, .options = options };
	instrument.state = calloc(1, driver->state_size);
	driver->setup(&instrument, NULL);
	struct cutter cutter = { 0 };
	struct cut cut;
	enum cut_kind kind;
	if (cutter_feed(&cutter, data + 1, size - 1) == 0)
		while ((kind = cutter_next(&cutter, &instrument, true, &cut)) != CUT_MORE) {
			assert(kind == CUT_FRAME);
			take(&instrument, &(struct reply){ .bytes = cut.bytes, .length = cut.length }, guarded);
		}
	take(&instrument, &(struct reply){ .kind = REPLY_SILENCE }, guarded);
	cutter_reset(&cutter);
	free(instrument.state);
	return 0;
}
