/* What the control socket does about results that were bound to the wrong sample.
 *
 *     {"command":"rebind","to":"20260305-018","records":["18231","18240-18247","0b9c5f4e-..."],
 *      "instrument":"pr-1","since":"2026-03-05 09:40","until":"10:15","by":"李四","why":"扫错样","dry_run":false}
 *
 * "to" is a registered number; without it the results are nobody's. Records are named by id, by number, or as a run of
 * numbers; or they are those of an instrument that were received in a time. All are corrected or none (rebind.h), and
 * the answer is a line each, {"seq":17,"id":"..","instrument":"..","was":{..},"is":{..},"verdict_was":"..",
 * "verdict":"..","new_id":".."}, then {"corrected":8,"same":0}. What stands between in a run or a time and is no result
 * of a sample is passed over, and what was superseded there is corrected where it stands now; a record named alone must
 * be one that can be corrected. What says that sample already counts as "same": asking again does no harm. With
 * "dry_run" nothing is stored. The control thread calls.
 */
#ifndef ASSAYD_CONTROL_REBIND_H
#define ASSAYD_CONTROL_REBIND_H

#include "room.h"

#define REBIND_MAX 500 /* results at once */

int control_rebind(struct room *room, struct journal_reader *reader, const struct json *request,
	int (*each)(void *context, const char *line, size_t length), void *context, struct fault *fault);

#endif
