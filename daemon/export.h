/* An export: a run of the journal as JSON lines that prove themselves
 * (config/contract/evidence.md).
 *
 * A line that says what is in it, with the public keys; the entries' own bytes
 * in order; each seal behind the entry it seals and each manifest behind the
 * last it counts; a line that closes it with a digest over all before. The run
 * goes on to the next seal, so that every entry in it is provable. Read in
 * short transactions, in constant memory.
 */
#ifndef ASSAYD_EXPORT_H
#define ASSAYD_EXPORT_H

#include "journal.h"

struct export_run {
	uint64_t first, last; /* wanted; last 0: to the end */
	const char *subject;  /* the id of the record a bundle is made for, NULL: none */
	/* out */
	uint64_t entries, seals, manifests;
	uint64_t sealed; /* up to there; less than the last entry when no seal covers
	                    it yet */
};

/* Calls `write` for each line without its newline; a non-zero answer stops. 0,
 * -ENOENT when there is no such entry. */
int export_lines(struct journal_reader *reader, struct export_run *run,
	int (*write)(void *context, const char *line, size_t length), void *context, struct fault *fault);

/* One entry as a row of a table for spreadsheets (CSV by RFC 4180, without line
 * end): free() it. Text that such a program would take for a formula, or digits
 * it would round, gets an apostrophe in front. NULL for one that cannot be read
 * (damage, or no memory): a row of empty cells would pass for an entry. */
char *export_row(const struct stored *stored, struct fault *fault);
char *export_row_heads(void);

#endif
