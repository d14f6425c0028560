#include "filter.h"

#include <string.h>

#include "json.h"

bool filter_is_open(const struct filter *filter)
{
	return !*filter->kinds && !*filter->items && !*filter->verdicts && !*filter->origins && !*filter->tags;
}

/* Whether `text` is a word of the list, or begins with one (`prefixes`) or with one that ends in *. An empty list lets
 * everything pass. */
static bool listed(const char *list, const char *text, bool prefixes)
{
	const char *word = list + strspn(list, " ");
	if (!*word)
		return true;
	for (; *word; word += strspn(word, " ")) {
		size_t length = strcspn(word, " ");
		bool open = prefixes || word[length - 1] == '*';
		size_t fixed = length - (word[length - 1] == '*');
		if (strncmp(word, text, fixed) == 0 && (open || text[fixed] == '\0'))
			return true;
		word += length;
	}
	return false;
}

static const char *text_in(const struct json *record, const char *object, const char *key)
{
	return js_text_in(object ? js_get(record, object) : record, key);
}

static bool sample_passes(const struct filter *filter, const struct json *sample)
{
	const char *origin = js_get_text(sample, "origin"), *tag = js_get_text(sample, "event");
	return listed(filter->origins, origin ? origin : "", true) && listed(filter->tags, tag ? tag : "", false);
}

/* A correction goes also to who got what it corrects. */
bool filter_passes_record(const struct filter *filter, const struct json *record)
{
	return listed(filter->kinds, text_in(record, NULL, "kind"), false) &&
	       listed(filter->items, text_in(record, "item", "code"), false) &&
	       listed(filter->verdicts, text_in(record, NULL, "verdict"), false) &&
	       (sample_passes(filter, js_get(record, "sample")) ||
		       sample_passes(filter, js_get(js_get(record, "correction"), "was")));
}

bool filter_passes(const struct filter *filter, const struct stored *stored)
{
	if (filter_is_open(filter))
		return true;
	if (stored->kind == ENTRY_EVENT)
		return listed(filter->kinds, "event", false);
	struct json *record = js_parse(stored->payload, stored->length, NULL);
	if (!record)
		return true; /* whatever it is, it must not vanish */
	bool passes = filter_passes_record(filter, record);
	js_free(record);
	return passes;
}
