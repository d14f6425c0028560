/* What is known about a sample (struct sample_facts), by the names it has in records, tables and commands.
 *
 * One row is all there is to say about a fact. Any thread may call.
 */
#ifndef ASSAYD_FACTS_H
#define ASSAYD_FACTS_H

#include <stdbool.h>

#include "../drivers/reading.h"
#include "json.h"

struct fact {
	const char *name; /* "no", "name", "party" ... */
	size_t offset, size;
};

extern const struct fact facts_table[];         /* ended by a NULL name */
const struct fact *fact_find(const char *name); /* NULL when there is none */

const char *fact_of(const struct sample_facts *facts, const struct fact *fact);
/* Sets one fact; a fault when the text is too long, holds control characters, is no credit code where one belongs, or
 * holds an identity number. */
int fact_set(struct sample_facts *facts, const struct fact *fact, const char *text, struct fault *fault);

void facts_put(struct json *object, const struct sample_facts *facts); /* those that were said */
/* The other way round, from what facts_put() wrote; other members are passed over. */
void facts_get(const struct json *object, struct sample_facts *facts);

#endif
