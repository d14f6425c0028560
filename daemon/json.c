#include "json.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* struct json is jansson's json_t under a name of our own, so that one file knows the library. */
static json_t *lib(const struct json *value)
{
	union {
		const struct json *ours;
		json_t *theirs;
	} cast = { .ours = value };
	return cast.theirs;
}

static struct json *own(json_t *value)
{
	if (!value)
		abort(); /* out of memory: see json.h */
	return (struct json *)value;
}

/* jansson's reader does not look whether the text it collects could grow: without memory a character was left out of
 * it, and nothing said so. */
static void *memory(size_t size)
{
	void *given = malloc(size);
	if (!given)
		abort();
	return given;
}

__attribute__((constructor)) static void never_without_memory(void)
{
	json_set_alloc_funcs(memory, free);
}

static size_t utf8_length(const unsigned char *at)
{
	size_t length = at[0] < 0x80                    ? 1
	                : at[0] >= 0xC2 && at[0] < 0xE0 ? 2
	                : (at[0] & 0xF0) == 0xE0        ? 3
	                : at[0] >= 0xF0 && at[0] < 0xF5 ? 4
	                                                : 0;
	for (size_t i = 1; i < length; i++)
		if ((at[i] & 0xC0) != 0x80)
			return 0;
	if (length == 3 && ((at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] >= 0xA0)))
		return 0;
	if (length == 4 && ((at[0] == 0xF0 && at[1] < 0x90) || (at[0] == 0xF4 && at[1] >= 0x90)))
		return 0;
	return length;
}

static json_t *text_value(const char *utf8)
{
	json_t *value = json_string(utf8);
	if (value)
		return value;
	/* Not UTF-8: keep every good character, U+FFFD for each bad byte. */
	size_t length = strlen(utf8);
	char *mended = malloc(3 * length + 1);
	if (!mended)
		abort();
	char *out = mended;
	for (const unsigned char *at = (const unsigned char *)utf8; *at;) {
		size_t good = utf8_length(at);
		if (good) {
			memcpy(out, at, good);
			out += good;
			at += good;
		} else {
			memcpy(out, "\xEF\xBF\xBD", 3);
			out += 3;
			at++;
		}
	}
	*out = '\0';
	value = json_string(mended);
	free(mended);
	return value;
}

struct json *js_new_object(void)
{
	return own(json_object());
}

struct json *js_new_array(void)
{
	return own(json_array());
}

struct json *js_new_text(const char *utf8)
{
	return own(text_value(utf8));
}

struct json *js_new_integer(int64_t value)
{
	return own(json_integer(value));
}

struct json *js_copy(const struct json *value)
{
	json_t *copy = json_deep_copy((const json_t *)value);
	if (!copy)
		abort();
	return (struct json *)copy;
}

void js_free(struct json *value)
{
	json_decref(lib(value));
}

void js_put(struct json *object, const char *key, struct json *value)
{
	if (json_object_set_new(lib(object), key, lib(value)) != 0)
		abort();
}

void js_put_text(struct json *object, const char *key, const char *utf8)
{
	js_put(object, key, js_new_text(utf8));
}

void js_put_text_if(struct json *object, const char *key, const char *utf8)
{
	if (utf8 && utf8[0])
		js_put_text(object, key, utf8);
}

void js_put_text_too(struct json *object, const char *key, const char *text)
{
	char numbered[64];
	snprintf(numbered, sizeof(numbered), "%s", key);
	for (unsigned n = 2; js_get(object, numbered); n++)
		snprintf(numbered, sizeof(numbered), "%s_%u", key, n);
	js_put_text_if(object, numbered, text);
}

void js_put_integer(struct json *object, const char *key, int64_t value)
{
	js_put(object, key, own(json_integer(value)));
}

void js_put_bool(struct json *object, const char *key, bool value)
{
	js_put(object, key, own(json_boolean(value)));
}

void js_put_null(struct json *object, const char *key)
{
	js_put(object, key, own(json_null()));
}

void js_remove(struct json *object, const char *key)
{
	json_object_del(lib(object), key);
}

void js_append(struct json *array, struct json *value)
{
	if (json_array_append_new(lib(array), lib(value)) != 0)
		abort();
}

struct json *js_get(const struct json *object, const char *key)
{
	return (struct json *)json_object_get(lib(object), key);
}

const char *js_get_text(const struct json *object, const char *key)
{
	return js_text_of(js_get(object, key));
}

const char *js_text_in(const struct json *object, const char *key)
{
	const char *text = js_get_text(object, key);
	return text ? text : "";
}

int64_t js_get_integer(const struct json *object, const char *key, int64_t fallback)
{
	const struct json *value = js_get(object, key);
	return js_is_integer(value) ? js_integer_of(value) : fallback;
}

bool js_get_bool(const struct json *object, const char *key, bool fallback)
{
	const json_t *value = lib(js_get(object, key));
	return json_is_boolean(value) ? json_is_true(value) : fallback;
}

bool js_is_bool(const struct json *value)
{
	return json_is_boolean(lib(value));
}

bool js_bool_of(const struct json *value)
{
	return json_is_true(lib(value));
}

bool js_is_object(const struct json *value)
{
	const json_t *it = lib(value);
	return it && json_typeof(it) == JSON_OBJECT;
}

bool js_is_array(const struct json *value)
{
	const json_t *it = lib(value);
	return it && json_typeof(it) == JSON_ARRAY;
}

bool js_is_integer(const struct json *value)
{
	const json_t *it = lib(value);
	return it && json_typeof(it) == JSON_INTEGER;
}

int64_t js_integer_of(const struct json *value)
{
	return json_integer_value(lib(value));
}

const char *js_text_of(const struct json *value)
{
	return json_string_value(lib(value));
}

size_t js_count(const struct json *value)
{
	return js_is_object(value) ? json_object_size(lib(value)) : json_array_size(lib(value));
}

struct json *js_at(const struct json *array, size_t index)
{
	return (struct json *)json_array_get(lib(array), index);
}

struct json *js_member(const struct json *object, size_t index, const char **ret_key)
{
	void *at = json_object_iter(lib(object));
	while (at && index--)
		at = json_object_iter_next(lib(object), at);
	*ret_key = at ? json_object_iter_key(at) : NULL;
	return at ? (struct json *)json_object_iter_value(at) : NULL;
}

struct json *js_next_member(const struct json *object, const char **key)
{
	void *at = *key ? json_object_iter_next(lib(object), json_object_key_to_iter(*key))
	                : json_object_iter(lib(object));
	*key = at ? json_object_iter_key(at) : NULL;
	return at ? (struct json *)json_object_iter_value(at) : NULL;
}

/* Measured first, then written where there is room for all: json_dumps() leaves out a key, and says nothing, when
 * memory ends while it grows (jansson 2.14). */
static char *dump(const struct json *value, size_t flags)
{
	flags |= JSON_ENCODE_ANY;
	size_t size = json_dumpb(lib(value), NULL, 0, flags);
	char *text = size ? malloc(size + 1) : NULL;
	if (!text || json_dumpb(lib(value), text, size, flags) != size)
		abort();
	text[size] = '\0';
	return text;
}

char *js_dump(const struct json *value)
{
	return dump(value, JSON_COMPACT);
}

char *js_dump_indented(const struct json *value)
{
	return dump(value, JSON_INDENT(2));
}

struct json *js_parse(const char *text, size_t length, struct fault *fault)
{
	json_error_t error;
	json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!value)
		fault_set(fault, EINVAL, _("not JSON: line %d, column %d: %s"), error.line, error.column, error.text);
	return (struct json *)value;
}
