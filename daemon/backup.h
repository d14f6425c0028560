/* Backup and restore of the journal: never by copying its file, of which the newest entries are not yet a part.
 *
 * A restored journal may be older than what was published meanwhile, and must not give the same numbers twice. So it
 * comes back as an old journal beside a new one (as a salvaged one does): its entries keep their epoch, numbers and
 * bytes, targets that lack some get them, its results stay known, and what comes next begins a new epoch.
 */
#ifndef ASSAYD_BACKUP_H
#define ASSAYD_BACKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "../drivers/fault.h"

/* A consistent copy of the journal as of now, while the daemon runs or not. `out` must not exist. */
int backup_journal(const char *directory, const char *out, struct fault *fault);

struct restored {
	char epoch[40];
	uint64_t first, last;
	char replaced[512]; /* the name of the journal that was set aside; "" when none was */
};

/* Checks `file` (whose it is, version, integrity, chain) and restores it into the journal's directory. -EBUSY while a
 * daemon runs there; -EEXIST when the journal that is there has more of the same epoch, unless `force` is given. A
 * journal of the same epoch is set aside, never removed; one of another epoch goes on. */
int restore_journal(const char *directory, const char *file, bool force, struct restored *ret, struct fault *fault);

#endif
