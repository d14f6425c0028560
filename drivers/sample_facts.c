#include "sample_facts.h"

#include <errno.h>
#include <string.h>

#include "text.h"
#include "uscc.h"

#define FACT(member) #member, offsetof(struct sample_facts, member), sizeof(((struct sample_facts *)0)->member)

const struct fact facts_table[] = {
	{ FACT(no) },
	{ FACT(name) },
	{ FACT(category) },
	{ FACT(party) },
	{ FACT(uscc) },
	{ FACT(stall) },
	{ FACT(origin) },
	{ FACT(trace_code) },
	{ FACT(certificate) },
	{ FACT(event) },
	{ .name = NULL },
};

const struct fact *fact_find(const char *name)
{
	for (const struct fact *fact = facts_table; fact->name; fact++)
		if (strcmp(fact->name, name) == 0)
			return fact;
	return NULL;
}

const char *fact_of(const struct sample_facts *facts, const struct fact *fact)
{
	return (const char *)facts + fact->offset;
}

static bool has_controls(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7F)
			return true;
	return false;
}

static int check_uscc(const char *text, struct fault *fault)
{
	char check = strlen(text) == USCC_LENGTH ? uscc_check(text) : '\0';
	if (!*text || uscc_valid(text))
		return 0;
	if (check)
		return fault_set(fault, EINVAL,
			_("uscc: %s is no credit code: its last character would have to be %c; look it up again"), text,
			check);
	return fault_set(fault, EINVAL,
		_("uscc: '%s' is no credit code; write its 18 digits and capital letters, such as 91110108735106340Y"),
		text);
}

/* What may be kept of a text that holds one. */
static int guard(const struct fact *fact, char *text, enum identity_rule rule, int latest_birth, struct fault *fault)
{
	if (rule == IDENTITY_KEEP || !identity_find(text, latest_birth, NULL))
		return 0;
	if (rule == IDENTITY_REFUSE || fact->offset == offsetof(struct sample_facts, no))
		return fault_set(fault, EINVAL,
			_("%s: holds the number of a person's identity card, which is not kept; leave it out"),
			fact->name);
	identity_mask(text, latest_birth);
	if (fact->offset == offsetof(struct sample_facts, uscc))
		*text = '\0';
	return 0;
}

int fact_set_checked(struct sample_facts *facts, const struct fact *fact, const char *text, enum identity_rule rule,
	int latest_birth, struct fault *fault)
{
	char kept[sizeof(facts->certificate)]; /* the longest */
	if (strlen(text) >= fact->size)
		return fault_set(fault, EINVAL, _("%s: %zu bytes are too many; at most %zu"), fact->name, strlen(text),
			fact->size - 1);
	if (has_controls(text) || !text_is_utf8(text, strlen(text)))
		return fault_set(
			fault, EINVAL, _("%s: holds bytes that are no text; write UTF-8 on one line"), fact->name);
	strcpy(kept, text);
	int error = guard(fact, kept, rule, latest_birth, fault);
	if (!error && fact->offset == offsetof(struct sample_facts, uscc))
		error = check_uscc(kept, fault);
	if (!error)
		text_copy((char *)facts + fact->offset, fact->size, kept);
	return error;
}
