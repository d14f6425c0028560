#include "manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_stream.h"

struct member {
	const char *key;
	const struct json *value;
};

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

/* The members of an object in the order of their keys' bytes; free() it. */
static struct member *sorted_members(const struct json *object, size_t *ret_count)
{
	size_t count = js_count(object);
	struct member *members = calloc(count + 1, sizeof(*members));
	if (!members)
		abort();
	const char *key = NULL;
	for (size_t i = 0; i < count; i++) {
		members[i].value = js_next_member(object, &key);
		members[i].key = key;
	}
	qsort(members, count, sizeof(*members), by_key);
	*ret_count = count;
	return members;
}

static bool write_text(FILE *out, const struct json *manifest, const char *key)
{
	const char *text = js_get_text(manifest, key);
	if (!text || strpbrk(text, "\r\n"))
		return false;
	fprintf(out, "%s\n", text);
	return true;
}

static bool write_integer(FILE *out, const struct json *manifest, const char *key)
{
	const struct json *value = js_get(manifest, key);
	if (!value || !js_is_integer(value))
		return false;
	fprintf(out, "%" PRId64 "\n", js_integer_of(value));
	return true;
}

/* One without counts would add nothing to the text: it could be put in and taken out unseen. */
static bool write_instrument(FILE *out, const char *id, const struct json *instrument)
{
	if (!js_is_object(instrument))
		return false;
	size_t count;
	struct member *members = sorted_members(instrument, &count);
	bool fine = count > 0;
	for (size_t i = 0; i < count && fine; i++) {
		const char *text = js_text_of(members[i].value);
		fprintf(out, "%s %s ", id, members[i].key);
		if (js_is_integer(members[i].value))
			fprintf(out, "%" PRId64 "\n", js_integer_of(members[i].value));
		else if (text && !strpbrk(text, "\r\n"))
			fprintf(out, "%s\n", text);
		else
			fine = false;
	}
	free(members);
	return fine;
}

static bool write_instruments(FILE *out, const struct json *instruments)
{
	if (!js_is_object(instruments))
		return false;
	size_t count;
	bool fine = true;
	struct member *members = sorted_members(instruments, &count);
	for (size_t i = 0; i < count && fine; i++)
		fine = write_instrument(out, members[i].key, members[i].value);
	free(members);
	return fine;
}

static bool write_manifest(FILE *out, const struct json *manifest)
{
	fputs("assay/v1/manifest\n", out);
	return write_text(out, manifest, "station") && write_text(out, manifest, "epoch") &&
	       write_text(out, manifest, "day") && write_integer(out, manifest, "first") &&
	       write_integer(out, manifest, "last") && write_text(out, manifest, "hash") &&
	       write_text(out, manifest, "digest") && write_integer(out, manifest, "events") &&
	       write_instruments(out, js_get(manifest, "instruments")) && write_text(out, manifest, "at") &&
	       write_text(out, manifest, "alg") && write_text(out, manifest, "key");
}

char *manifest_text(const struct json *manifest)
{
	char *text = NULL;
	size_t length;
	FILE *out = text_stream(&text, &length);
	bool fine = write_manifest(out, manifest);
	fclose(out);
	if (fine)
		return text;
	free(text);
	return NULL;
}

void manifest_sign(struct json *manifest, const struct signature_key *key)
{
	uint8_t signature[SIGNATURE_MAX];
	char base64[SIGNATURE_BASE64_MAX];
	js_put_text(manifest, "alg", signature_name(signature_key_kind(key)));
	js_put_text(manifest, "key", signature_key_id(key));
	char *text = manifest_text(manifest);
	if (!text)
		abort(); /* we made it just now */
	size_t length = signature_make(key, text, strlen(text), signature);
	free(text);
	js_put_text(manifest, "sig", digest_base64(signature, length, base64));
}

bool manifest_is_right(const struct json *manifest, const struct signature_key *key)
{
	uint8_t signature[SIGNATURE_BASE64_MAX];
	const char *base64 = js_get_text(manifest, "sig"), *alg = js_get_text(manifest, "alg");
	if (!base64 || strlen(base64) >= SIGNATURE_BASE64_MAX || !alg ||
		strcmp(alg, signature_name(signature_key_kind(key))) != 0)
		return false;
	long length = digest_base64_read(base64, strlen(base64), signature);
	char *text = length > 0 ? manifest_text(manifest) : NULL;
	bool right = text && signature_is_right(key, text, strlen(text), signature, (size_t)length);
	free(text);
	return right;
}
