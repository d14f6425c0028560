/* Events: what is no result and must not pass silently, as entries of the journal (config/contract/event.schema.json).
 * Pure but for the time zone; any thread may call. */
#ifndef ASSAYD_EVENT_H
#define ASSAYD_EVENT_H

#include "journal.h"
#include "json.h"

/* `"event":...,"instrument":...,"at":...` and the members of `details`, which is taken over and may be NULL; "" for an
 * instrument where it concerns none. `body` is the caller's to free. */
struct entry event_make(const char *event, const char *instrument, struct json *details, int64_t now_ms);

#endif
