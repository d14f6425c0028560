/* What superseded an entry. One thread at a time per reader.
 */
#ifndef ASSAYD_SUCCESSOR_H
#define ASSAYD_SUCCESSOR_H

#include "journal.h"
#include "json.h"

/* The entry under an id, parsed, in `*ret`: 1, 0 for none, -errno. */
int successor_read(struct journal_reader *reader, const char *id, struct json **ret, struct fault *fault);
/* The id of the last record in the row of those that supersede `id` one after the other, `id` itself where none does:
 * how many there are, or -errno. Of an event that became several records the first is followed. */
int successor_last(struct journal_reader *reader, const char *id, char out[static ENTRY_ID_MAX], struct fault *fault);

#endif
