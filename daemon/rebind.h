/* A result that was bound to the wrong sample, or to none: the record that corrects it.
 *
 * It `supersedes` the old one and is that record again but for the sample, which is one that people registered or none,
 * `bound_by` "corrected"; `correction` keeps who ordered it, why, when, and the sample as it was. When it was tested
 * and received stays what it was, and so do limit and verdict, unless the other sample makes a difference to them: then
 * they are those of the station's tables now, by the day of the test. The instrument's own words are never touched.
 *
 * Pure but for the time zone; any thread may call.
 */
#ifndef ASSAYD_REBIND_H
#define ASSAYD_REBIND_H

#include "config.h"
#include "json.h"
#include "samples.h"

struct rebinding {
	const struct registration *to; /* NULL: nobody's sample */
	const char *by, *why;
	int64_t at_ms; /* Unix time */
};

/* True where the record says that sample already, as people's word. */
bool rebind_is_done(const struct json *record, const struct registration *to);
/* The superseding record, without the journal's head. */
struct json *rebind_record(const struct config *config, const struct json *old, const struct rebinding *rebinding);

#endif
