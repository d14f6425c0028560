#include "successor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ident.h"

#define ROW_MAX 1000 /* longer ones do not come from people */

static int parse(void *context, const struct stored *stored)
{
	struct json **entry = context;
	*entry = js_parse(stored->payload, stored->length, NULL);
	return 0;
}

int successor_read(struct journal_reader *reader, const char *id, struct json **ret, struct fault *fault)
{
	*ret = NULL;
	int found = journal_find(reader, id, parse, ret, fault);
	return found == 1 && !*ret ? fault_set(fault, EIO, _("entry %s cannot be read"), id) : found;
}

static int find_nothing(void *context, const struct stored *stored)
{
	(void)context;
	(void)stored;
	return 1;
}

int successor_last(struct journal_reader *reader, const char *id, char out[static ENTRY_ID_MAX], struct fault *fault)
{
	char next[ENTRY_ID_MAX];
	int count = 0, found = 1;
	snprintf(out, ENTRY_ID_MAX, "%s", id);
	while (found == 1 && count < ROW_MAX) {
		ident_of_successor(next, out, 0);
		found = journal_find(reader, next, find_nothing, NULL, fault);
		if (found == 1) {
			memcpy(out, next, ENTRY_ID_MAX);
			count++;
		}
	}
	return found < 0 ? found : count;
}
