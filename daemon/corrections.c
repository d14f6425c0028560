#include "corrections.h"

#include <stdlib.h>
#include <string.h>

struct correction {
	char id[ENTRY_ID_MAX], of[ENTRY_ID_MAX]; /* `of` "": an event that records may supersede */
};

struct corrections {
	struct correction *list; /* by id once it was asked for */
	size_t count, room;
	char (*superseded)[ENTRY_ID_MAX]; /* sorted, the same way */
	bool sorted;
	int (*earlier)(void *context, const char *id, struct json **ret);
	void *context;
	char original[ENTRY_ID_MAX];
};

struct corrections *corrections_new(int (*earlier)(void *context, const char *id, struct json **ret), void *context)
{
	struct corrections *corrections = calloc(1, sizeof(*corrections));
	if (!corrections)
		abort();
	corrections->earlier = earlier;
	corrections->context = context;
	return corrections;
}

void corrections_free(struct corrections *corrections)
{
	if (!corrections)
		return;
	free(corrections->list);
	free(corrections->superseded);
	free(corrections);
}

static bool holds(const char *payload, size_t length, const char *part)
{
	return memmem(payload, length, part, strlen(part)) != NULL;
}

static void note(struct corrections *corrections, const char *id, const char *of)
{
	if (strlen(id) >= ENTRY_ID_MAX || strlen(of) >= ENTRY_ID_MAX)
		return; /* nothing else has such a name */
	if (corrections->count == corrections->room) {
		corrections->room = corrections->room ? 2 * corrections->room : 64;
		corrections->list = reallocarray(corrections->list, corrections->room, sizeof(*corrections->list));
		if (!corrections->list)
			abort();
	}
	struct correction *correction = &corrections->list[corrections->count++];
	strcpy(correction->id, id);
	strcpy(correction->of, of);
	corrections->sorted = false;
}

void corrections_feed(struct corrections *corrections, const char *payload, size_t length)
{
	bool supersedes = holds(payload, length, "\"supersedes\""), event = holds(payload, length, "\"undecodable\"");
	if (!supersedes && !event)
		return; /* nearly every entry; parsing them all would cost more than all the rest */
	struct json *entry = js_parse(payload, length, NULL);
	if (!entry)
		return;
	if (*js_text_in(entry, "supersedes") && !*js_text_in(entry, "event"))
		note(corrections, js_text_in(entry, "id"), js_text_in(entry, "supersedes"));
	else if (*js_text_in(entry, "event"))
		note(corrections, js_text_in(entry, "id"), "");
	js_free(entry);
}

static int by_id(const void *left, const void *right)
{
	return strcmp(((const struct correction *)left)->id, ((const struct correction *)right)->id);
}

static int by_text(const void *left, const void *right)
{
	return strcmp(left, right);
}

static void sort(struct corrections *corrections)
{
	if (corrections->sorted || !corrections->count)
		return;
	free(corrections->superseded);
	corrections->superseded = calloc(corrections->count, sizeof(*corrections->superseded));
	if (!corrections->superseded)
		abort();
	for (size_t i = 0; i < corrections->count; i++)
		strcpy(corrections->superseded[i], corrections->list[i].of);
	qsort(corrections->superseded, corrections->count, sizeof(*corrections->superseded), by_text);
	qsort(corrections->list, corrections->count, sizeof(*corrections->list), by_id);
	corrections->sorted = true;
}

bool corrections_superseded(struct corrections *corrections, const char *id)
{
	sort(corrections);
	return corrections->count &&
	       bsearch(id, corrections->superseded, corrections->count, sizeof(*corrections->superseded), by_text);
}

enum entry_is { IS_UNKNOWN, IS_RECORD, IS_EVENT };

/* What is known of an entry, and in `of` what it corrects. */
static enum entry_is look(struct corrections *corrections, const char *id, char of[static ENTRY_ID_MAX])
{
	struct correction wanted;
	struct json *entry;
	*of = '\0';
	if (strlen(id) >= ENTRY_ID_MAX)
		return IS_UNKNOWN;
	strcpy(wanted.id, id);
	const struct correction *found =
		corrections->count ? bsearch(&wanted, corrections->list, corrections->count, sizeof(wanted), by_id)
				   : NULL;
	if (found) {
		strcpy(of, found->of);
		return *of ? IS_RECORD : IS_EVENT;
	}
	if (!corrections->earlier || corrections->earlier(corrections->context, id, &entry) != 1)
		return IS_UNKNOWN;
	bool event = *js_text_in(entry, "event");
	if (!event && strlen(js_text_in(entry, "supersedes")) < ENTRY_ID_MAX)
		strcpy(of, js_text_in(entry, "supersedes"));
	js_free(entry);
	return event ? IS_EVENT : IS_RECORD;
}

const char *corrections_original(struct corrections *corrections, const struct json *record)
{
	char of[ENTRY_ID_MAX];
	const char *id = js_text_in(record, "id"), *supersedes = js_text_in(record, "supersedes");
	sort(corrections);
	strncpy(corrections->original, id, ENTRY_ID_MAX - 1);
	strncpy(of, supersedes, ENTRY_ID_MAX - 1);
	of[ENTRY_ID_MAX - 1] = '\0';
	/* as many steps as there are corrections at most, should somebody have made a circle of them */
	for (size_t steps = 0; *of && steps <= corrections->count + 1; steps++) {
		char next[ENTRY_ID_MAX];
		if (look(corrections, of, next) == IS_EVENT)
			break;
		strcpy(corrections->original, of);
		strcpy(of, next);
	}
	return corrections->original;
}
