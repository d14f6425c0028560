/* The members of a record, version 1, that a map may name; tests/structure/test_map_page.py holds the list to
 * config/contract/record.schema.json. */
#include <string.h>

#include "map_parts.h"
#include "settings_words.h"

static const char members[] =
	"id|station|epoch|seq|prev|kind|test_seq|retest_of|supersedes|redecoded_at|"
	"correction.by|correction.why|correction.at|"
	"instrument.id|instrument.maker|instrument.model|instrument.serial|instrument.driver|instrument.profile|"
	"instrument_seq|channel|"
	"sample.no|sample.name|sample.category|sample.party|sample.uscc|sample.stall|sample.origin|sample.trace_code|"
	"sample.certificate|sample.event|sample.bound_by|sample.registered_by|"
	"commodity.code|commodity.name|commodity.category|"
	"item.code|item.name|item.as_sent|method|basis|value|qualifier|unit|unit_as_sent|value_as_sent|"
	"judged.value|judged.unit|recomputed.inhibition|recomputed.tc|recomputed.agrees|"
	"limit.op|limit.value|limit.unit|limit.source|limit.edition|"
	"verdict|verdict_by|verdict_as_sent|rule|"
	"operator.id|operator.name|operator.certificate|operator.valid|operator.trained|"
	"tested_at|received_at|clock.synced|clock.up_ms|clock.skew_s|clock.skew_by|"
	"qc.state|qc.delta_a_control|qc.expected|qc.rule|flags|decoder";

/* What an instrument says by names of its own. */
static bool is_open(const char *path)
{
	static const char *const objects[] = { "signals.", "said." };
	for (size_t i = 0; i < sizeof(objects) / sizeof(*objects); i++) {
		size_t length = strlen(objects[i]);
		if (strncmp(path, objects[i], length) == 0)
			return path[length] != '\0';
	}
	return false;
}

bool map_path_known(const char *path, char *nearest, size_t size)
{
	*nearest = '\0';
	if (words_index(members, path) >= 0 || is_open(path))
		return true;
	words_nearest(path, members, nearest, size);
	return false;
}
