/* Which records correct which: `supersedes`, followed in both directions.
 *
 * Fed with entries in the order of the journal, then asked. Only what corrects something is kept, and the events whose
 * bytes may yet be read. One thread at a time.
 */
#ifndef ASSAYD_CORRECTIONS_H
#define ASSAYD_CORRECTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "journal.h"
#include "json.h"

struct corrections;

/* `earlier` (may be NULL) tells of an entry before those that were fed: 1 and its JSON, which js_free() is called on; 0
 * where there is none. */
struct corrections *corrections_new(int (*earlier)(void *context, const char *id, struct json **ret), void *context);
void corrections_free(struct corrections *corrections); /* NULL is fine */

void corrections_feed(struct corrections *corrections, const char *payload, size_t length);

/* Another record corrects this one. */
bool corrections_superseded(struct corrections *corrections, const char *id);
/* The id of the first of the records that `record` corrects, or its own; good until the next call. Of one that was
 * removed after its time the id is still known, what it corrected itself is not. */
const char *corrections_original(struct corrections *corrections, const struct json *record);

#endif
