#include "facts.h"

#include "../drivers/text.h"
#include "clock.h"

int fact_set(struct sample_facts *facts, const struct fact *fact, const char *text, enum identity_rule rule,
	struct fault *fault)
{
	return fact_set_checked(facts, fact, text, rule, identity_latest_birth(clock_local().year), fault);
}

void facts_put(struct json *object, const struct sample_facts *facts)
{
	for (const struct fact *fact = facts_table; fact->name; fact++)
		js_put_text_if(object, fact->name, fact_of(facts, fact));
}

void facts_get(const struct json *object, struct sample_facts *facts)
{
	for (const struct fact *fact = facts_table; fact->name; fact++)
		text_copy((char *)facts + fact->offset, fact->size, js_text_in(object, fact->name));
}
