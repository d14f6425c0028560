/* What is known about a sample (struct sample_facts), by the names it has in records, tables and commands.
 *
 * One row is all there is to say about a fact. Pure; any thread may call.
 */
#ifndef ASSAYD_SAMPLE_FACTS_H
#define ASSAYD_SAMPLE_FACTS_H

#include <stdbool.h>

#include "fault.h"
#include "identity.h"
#include "reading.h"

struct fact {
	const char *name; /* "no", "name", "party" ... */
	size_t offset, size;
};

extern const struct fact facts_table[];         /* ended by a NULL name */
const struct fact *fact_find(const char *name); /* NULL when there is none */

const char *fact_of(const struct sample_facts *facts, const struct fact *fact);
/* Sets one fact; a fault when the text is too long, holds control characters, or is no credit code where one belongs.
 * Where it holds the identity number of somebody born up to `latest_birth`, `rule` says what becomes of it: refused, or
 * masked; then a credit code is left out, and a sample's number refused all the same, because what is left of it names
 * no sample. */
int fact_set_checked(struct sample_facts *facts, const struct fact *fact, const char *text, enum identity_rule rule,
	int latest_birth, struct fault *fault);

#endif
