#include "event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "ident.h"

struct entry event_make(const char *event, const char *instrument, struct json *details, int64_t now_ms)
{
	struct entry entry = { .kind = ENTRY_EVENT };
	char at[CLOCK_TEXT_MAX];
	struct json *head = js_new_object();
	js_put_text(head, "event", event);
	js_put_text_if(head, "instrument", instrument);
	js_put_text(head, "at", clock_text(at, now_ms));
	char *first = js_dump(head), *rest = details && js_count(details) ? js_dump(details) : NULL;
	size_t room = strlen(first) + (rest ? strlen(rest) : 0) + 1;
	entry.body = malloc(room);
	if (!entry.body)
		abort();
	if (rest) /* {"event":..} and {"first":..} become "event":..,"first":..} */
		snprintf(entry.body, room, "%.*s,%s", (int)strlen(first) - 2, first + 1, rest + 1);
	else
		snprintf(entry.body, room, "%s", first + 1);
	free(first);
	free(rest);
	js_free(head);
	js_free(details);
	ident_random(entry.id, now_ms);
	return entry;
}
