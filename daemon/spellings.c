#include "spellings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *folded(const char *text)
{
	char *room = malloc(strlen(text) + 1);
	if (!room)
		abort();
	return spelling_fold(room, text);
}

bool spelling_same(const char *a, const char *b)
{
	char *one = folded(a), *other = folded(b);
	bool same = strcmp(one, other) == 0;
	free(one);
	free(other);
	return same;
}

bool spelling_holds(const char *text, const char *part)
{
	char *whole = folded(text), *wanted = folded(part);
	bool holds = *wanted && strstr(whole, wanted);
	free(whole);
	free(wanted);
	return holds;
}

/* Where the first of a list ends, and how long the sign behind it is; 0 where the list ends. */
static const char *list_end(const char *list, size_t *ret_sign)
{
	const char *half = strchr(list, ';'), *full = strstr(list, "；");
	const char *end = half && (!full || half < full) ? half : full;
	*ret_sign = !end ? 0 : end == half ? 1 : strlen("；");
	return end ? end : list + strlen(list);
}

bool spelling_next(const char **list, char out[static SPELLING_MAX])
{
	size_t sign;
	if (!**list)
		return false;
	const char *end = list_end(*list, &sign);
	snprintf(out, SPELLING_MAX, "%.*s", (int)(end - *list), *list);
	*list = end + sign;
	return true;
}

/* In the order of the bytes. */
static uint64_t beginning(const char *folded)
{
	uint64_t begins = 0;
	for (size_t i = 0; i < 8; i++) {
		begins = begins << 8 | (unsigned char)*folded;
		folded += *folded != '\0';
	}
	return begins;
}

/* Takes `key` over. */
static void add_folded(struct spellings *spellings, char *key, size_t meaning, int line)
{
	if (spellings->count == spellings->room) {
		size_t room = spellings->room ? 2 * spellings->room : 64;
		struct spelling *list = realloc(spellings->list, room * sizeof(*list));
		if (!list)
			abort();
		spellings->list = list;
		spellings->room = room;
	}
	spellings->list[spellings->count++] =
		(struct spelling){ .begins = beginning(key), .folded = key, .meaning = meaning, .line = line };
}

void spellings_add(struct spellings *spellings, const char *text, size_t meaning, int line)
{
	char *key = folded(text);
	if (*key)
		add_folded(spellings, key, meaning, line);
	else
		free(key);
}

static void add_prefixed(struct spellings *spellings, const char *prefix, const char *text, size_t meaning, int line)
{
	char *key = malloc(strlen(prefix) + strlen(text) + 1);
	if (!key)
		abort();
	spelling_fold(key, prefix);
	if (*spelling_fold(key + strlen(key), text))
		add_folded(spellings, key, meaning, line);
	else
		free(key);
}

void spellings_add_list(struct spellings *spellings, const char *prefix, const char *list, size_t meaning, int line)
{
	char *copy = strdup(list);
	if (!copy)
		abort();
	for (char *at = copy; *at;) {
		size_t sign, length = (size_t)(list_end(at, &sign) - at);
		at[length] = '\0';
		add_prefixed(spellings, prefix, at, meaning, line);
		at += length + sign;
	}
	free(copy);
}

static int order(const void *one, const void *other)
{
	const struct spelling *a = one, *b = other;
	if (a->begins != b->begins)
		return a->begins < b->begins ? -1 : 1;
	int text = strcmp(a->folded, b->folded);
	return text ? text : (a->meaning > b->meaning) - (a->meaning < b->meaning);
}

void spellings_sort(struct spellings *spellings)
{
	if (spellings->count)
		qsort(spellings->list, spellings->count, sizeof(*spellings->list), order);
}

const struct spelling *spellings_find(const struct spellings *spellings, const char *text, size_t *ret_count)
{
	char *key = folded(text);
	size_t low = 0, high = spellings->count;
	uint64_t begins = beginning(key);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct spelling *one = &spellings->list[middle];
		if (one->begins < begins || (one->begins == begins && strcmp(one->folded, key) < 0))
			low = middle + 1;
		else
			high = middle;
	}
	size_t end = low;
	while (end < spellings->count && strcmp(spellings->list[end].folded, key) == 0)
		end++;
	free(key);
	*ret_count = end - low;
	return end > low ? &spellings->list[low] : NULL;
}

void spellings_free(struct spellings *spellings)
{
	for (size_t i = 0; i < spellings->count; i++)
		free(spellings->list[i].folded);
	free(spellings->list);
	*spellings = (struct spellings){ 0 };
}
