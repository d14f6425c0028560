/* What the control socket does about decoding again.
 *
 *     {"command":"redecode","from":1,"to":900,"instrument":"pr-1","profile":"/etc/assayd/profiles/reader-a9.conf"}
 *
 * All but the command may be missing. It looks at REDECODE_LIMIT entries at most and is answered with a line for each
 * change (redecode.h), then
 * {"through":500,"looked":..,"same":..,"changed":..,"superseded":..,"unreadable":..,"foreign":..}: who asked goes on
 * behind `through`, so that other clients are served in between. The control thread calls.
 */
#ifndef ASSAYD_CONTROL_REDECODE_H
#define ASSAYD_CONTROL_REDECODE_H

#include "room.h"

int control_redecode(struct room *room, struct journal_reader *reader, const struct json *request,
	int (*each)(void *context, const char *line, size_t length), void *context, struct fault *fault);

#endif
