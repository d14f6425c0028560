/* Spellings: how people and instruments write the same name, and what each spelling stands for.
 *
 * Two spellings are the same when they are equal after folding (drivers/spelling.h). Loaded once and then constant; any
 * thread may look up.
 */
#ifndef ASSAYD_SPELLINGS_H
#define ASSAYD_SPELLINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../drivers/spelling.h"

/* True when both fold to the same text. */
bool spelling_same(const char *a, const char *b);

/* True when folded `text` holds folded `part` somewhere. */
bool spelling_holds(const char *text, const char *part);

#define SPELLING_MAX 128

/* The next of a list separated by `;` (half or full width), cut at SPELLING_MAX; false at the end. */
bool spelling_next(const char **list, char out[static SPELLING_MAX]);

struct spelling {
	uint64_t begins; /* its first eight bytes as one number: most comparisons need no more */
	char *folded;
	size_t meaning; /* the row this spelling stands for */
	int line;       /* where it was written, for faults */
};

struct spellings {
	struct spelling *list;
	size_t count, room;
};

/* Adds one spelling; empty ones are skipped. */
void spellings_add(struct spellings *spellings, const char *text, size_t meaning, int line);
/* Adds each of the spellings in a list separated by `;` (half or full width), with `prefix` before it ("" for none). */
void spellings_add_list(struct spellings *spellings, const char *prefix, const char *list, size_t meaning, int line);
/* To be called once after the last add: by folded text, then in the order of meanings. */
void spellings_sort(struct spellings *spellings);
/* The spellings equal to `text`, next to each other; NULL and 0 when there is none. */
const struct spelling *spellings_find(const struct spellings *spellings, const char *text, size_t *ret_count);
void spellings_free(struct spellings *spellings);

#endif
