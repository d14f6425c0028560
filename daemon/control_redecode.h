/* What the control socket does about decoding again.
 *
 *     {"command":"redecode","from":1,"to":900,"instrument":"pr-1","profile":"/etc/assayd/profiles/reader-a9.conf"}
 *
 * All but the command may be missing. It looks at REDECODE_LIMIT entries at most and is answered with a line for each
 * change (redecode.h), then
 * {"through":500,"looked":..,"same":..,"changed":..,"superseded":..,"unreadable":..,"foreign":..}: who asked goes on
 * behind `through`, so that other clients are served in between. With "unmapped":true only records are looked at whose
 * words the tables did not know, and superseded where they know them now.
 *
 * The daemon does the latter of itself, after each start and reload, some entries at a time. The control thread calls.
 */
#ifndef ASSAYD_CONTROL_REDECODE_H
#define ASSAYD_CONTROL_REDECODE_H

#include "room.h"

int control_redecode(struct room *room, struct journal_reader *reader, const struct json *request,
	int (*each)(void *context, const char *line, size_t length), void *context, struct fault *fault);

struct mapping {               /* how far it has come; zeroed before the first call */
	struct config *config; /* held: the one whose tables are tried */
	uint64_t next;
	long due_ms;
	unsigned long changed;
	bool done;
};

/* The next entries, when it is time for them. Returns after how many ms to call again, -1: when something happened. */
int mapping_go_on(struct mapping *mapping, struct room *room, struct journal_reader *reader);
void mapping_end(struct mapping *mapping);

#endif
