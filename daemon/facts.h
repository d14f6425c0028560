/* What is known about a sample, as JSON. Any thread may call. */
#ifndef ASSAYD_FACTS_H
#define ASSAYD_FACTS_H

#include "../drivers/sample_facts.h"
#include "json.h"

/* As fact_set_checked(), by today's date. */
int fact_set(struct sample_facts *facts, const struct fact *fact, const char *text, enum identity_rule rule,
	struct fault *fault);

void facts_put(struct json *object, const struct sample_facts *facts); /* those that were said */
/* The other way round, from what facts_put() wrote; other members are passed over. */
void facts_get(const struct json *object, struct sample_facts *facts);

#endif
