/* What the control socket does about retests: saying that an instrument's next result is one, and listing the groups.
 *
 *     {"command":"retest","id":ID,"instrument":"pr-1","lifetime_ms":1800000}      or "seq" instead of "id"
 *     {"command":"retests","last":20}                                             one line each
 *
 * Without "instrument" it is the one that made the result ID. The answer is the group: see retest_told(). The control
 * thread calls.
 */
#ifndef ASSAYD_CONTROL_RETEST_H
#define ASSAYD_CONTROL_RETEST_H

#include "room.h"

/* The answer, or NULL and why. */
struct json *control_retest(
	struct room *room, struct journal_reader *reader, const struct json *request, struct fault *fault);
struct json *control_retests(struct room *room, const struct json *request, struct fault *fault); /* an array */

#endif
