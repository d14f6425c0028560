/* Salvage: what can still be read of a damaged journal becomes a journal again, under its own epoch and numbers, so
 * that what no target has can still be delivered.
 *
 * Each entry is proven by 48 bits of its digest that stand beside it, or by the next entry, which carries all of it.
 * One from a journal of before schema 5 that nothing proves is kept and counted as unverified; one that was altered
 * counts as lost. Seals and manifests are kept where they are whole, so that what they prove stays proven; what targets
 * refused is kept, too. The damaged file is only read.
 */
#ifndef ASSAYD_SALVAGE_H
#define ASSAYD_SALVAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../drivers/fault.h"

#define SALVAGE_RANGES 32

struct salvage_range {
	uint64_t first, last;
};

struct salvage_ranges { /* from the highest down; `total` counts entries of those left out too */
	struct salvage_range list[SALVAGE_RANGES];
	size_t count;
	uint64_t total;
};

struct salvage {
	char epoch[40];       /* "" when nothing tells it: then nothing could be salvaged */
	uint64_t first, last; /* that were salvaged */
	uint64_t count;
	bool end_known; /* whether the number of the last entry was read; else more than `last` may be lost */
	struct salvage_ranges unverified, lost;
	uint64_t seals, manifests; /* that were kept */
	uint64_t unsealed;         /* salvaged entries that no seal proves: it is lost, or there was none */
	uint64_t refused;          /* by targets; they are not sent again unless somebody asks for it */
};

struct signature_key;
struct salvage_hints {                   /* used where the file no longer tells */
	const char *station;             /* NULL: unknown */
	const struct signature_key *key; /* the station's; NULL: unknown */
};

/* Makes `out` (which must not exist) of the damaged journal `path`. 0 also when nothing was found: then there is no
 * `out`. */
int salvage_journal(
	const char *path, const struct salvage_hints *hints, const char *out, struct salvage *ret, struct fault *fault);

/* Puts the salvaged journal `more` to `path`, or into the one of the same epoch that is there, such as a restored
 * backup; then there is no `more` any more. `ret_differing` of its entries are not in `path`, which has others under
 * their numbers. A file at `path` that is damaged itself becomes a journal.db.corrupt-... beside it. */
int salvage_merge(const char *path, const char *more, uint64_t *ret_differing, struct fault *fault);

#endif
