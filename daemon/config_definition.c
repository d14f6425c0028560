#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_parts.h"
#include "digest.h"
#include "text_stream.h"

static int by_key(const void *a, const void *b)
{
	return strcmp((*(const struct ini_entry *const *)a)->key, (*(const struct ini_entry *const *)b)->key);
}

/* Writes "key=value" lines in the order of the keys, then the contents. */
static void write_section(const struct ini_section *section, const char *const *contents, size_t count, FILE *out)
{
	const struct ini_entry **sorted = config_need(calloc(section->count + 1, sizeof(const struct ini_entry *)));
	for (size_t i = 0; i < section->count; i++)
		sorted[i] = &section->entries[i];
	qsort(sorted, section->count, sizeof(const struct ini_entry *), by_key);
	fprintf(out, "%s\n%s\n", section->word, section->name);
	for (size_t i = 0; i < section->count; i++)
		fprintf(out, "%s=%s\n", sorted[i]->key, sorted[i]->value);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s\n", contents[i]);
	free(sorted);
}

void config_definition(
	const struct ini_section *section, const char *const *contents, size_t count, char out[static 40])
{
	char *text = NULL, hex[DIGEST_TEXT_MAX];
	size_t length = 0;
	FILE *stream = text_stream(&text, &length);
	write_section(section, contents, count, stream);
	fclose(stream);
	uint8_t digest[DIGEST_SIZE];
	digest_sha256(text, length, digest);
	snprintf(out, 40, "%.32s", strchr(digest_text(DIGEST_SHA256, digest, hex), ':') + 1);
	free(text);
}

char *config_file_digest(const char *path, char out[static 65])
{
	*out = '\0';
	FILE *file = *path ? fopen(path, "rbe") : NULL;
	if (!file)
		return out;
	size_t room = 65536, length = 0;
	char *data = config_need(malloc(room)), hex[DIGEST_TEXT_MAX];
	for (size_t got; (got = fread(data + length, 1, room - length, file)) > 0;) {
		length += got;
		if (length == room)
			data = config_need(realloc(data, room *= 2));
		if (room > (size_t)64 << 20)
			break; /* a device that never ends is no certificate */
	}
	fclose(file);
	uint8_t digest[DIGEST_SIZE];
	digest_sha256(data, length, digest);
	snprintf(out, 65, "%.64s", strchr(digest_text(DIGEST_SHA256, digest, hex), ':') + 1);
	free(data);
	return out;
}
