/* JSON, the one place that knows which library does it (jansson).
 *
 * Names start with js_ because the library's own start with json_. Objects keep the order in which keys were put;
 * dumping adds no white space. Numbers that were measured are put as text and stay text. A `struct json` belongs to its
 * creator until it is put into another, which then owns it. One thread at a time per value. Allocation failure ends the
 * process: a gateway without memory restarts from its journal.
 */
#ifndef ASSAYD_JSON_H
#define ASSAYD_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../drivers/fault.h"

struct json; /* any JSON value */

struct json *js_new_object(void);
struct json *js_new_array(void);
struct json *js_new_text(const char *utf8);
struct json *js_new_integer(int64_t value);
struct json *js_copy(const struct json *value); /* whole */
void js_free(struct json *value);               /* NULL is fine */

/* Put a member. Invalid UTF-8 is put with U+FFFD for each bad byte: a text never vanishes. */
void js_put(struct json *object, const char *key, struct json *value); /* takes `value` over */
void js_put_text(struct json *object, const char *key, const char *utf8);
void js_put_text_if(struct json *object, const char *key, const char *utf8); /* nothing when NULL or empty */
/* As js_put_text_if, under `key`, or key_2, key_3 ... when that is taken: nothing said twice vanishes. */
void js_put_text_too(struct json *object, const char *key, const char *text);
void js_put_integer(struct json *object, const char *key, int64_t value);
void js_put_bool(struct json *object, const char *key, bool value);
void js_put_null(struct json *object, const char *key);
void js_remove(struct json *object, const char *key);   /* nothing when it is not there */
void js_append(struct json *array, struct json *value); /* takes `value` over */

/* Read. Getters give NULL, the fallback, or 0 when the member is missing or of another type. */
struct json *js_get(const struct json *object, const char *key); /* borrowed */
const char *js_get_text(const struct json *object, const char *key);
const char *js_text_in(const struct json *object, const char *key); /* "" instead of NULL, also without an object */
int64_t js_get_integer(const struct json *object, const char *key, int64_t fallback);
bool js_get_bool(const struct json *object, const char *key, bool fallback);
bool js_is_object(const struct json *value);
bool js_is_array(const struct json *value);
bool js_is_integer(const struct json *value);
bool js_is_bool(const struct json *value);
bool js_bool_of(const struct json *value);        /* false when it is none */
int64_t js_integer_of(const struct json *value);  /* 0 when it is no integer */
const char *js_text_of(const struct json *value); /* NULL when it is no text */
size_t js_count(const struct json *array_or_object);
struct json *js_at(const struct json *array, size_t index); /* borrowed */
/* The member at `index` in the order put, with its key; NULL past the end. Borrowed. */
struct json *js_member(const struct json *object, size_t index, const char **ret_key);
/* The member behind that of `*key`, which was given before (NULL: the first), with its key; NULL behind the last. For
 * objects of strangers: js_member() counts from the first each time. Borrowed. */
struct json *js_next_member(const struct json *object, const char **key);

/* The value as text without insignificant white space, UTF-8, `/` not escaped; free() it. */
char *js_dump(const struct json *value);
char *js_dump_indented(const struct json *value); /* the same for people's eyes */

/* Parses one value out of `length` bytes; duplicate keys and anything after the value are faults, which name line and
 * column. NULL on a fault. Depth is limited by the library (2048). */
struct json *js_parse(const char *text, size_t length, struct fault *fault);

#endif
