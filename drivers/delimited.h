/* What messages of delimited fields (astm, hl7) have in common: cutting them, and reading times, values and flags.
 * Pure; any thread may call. */
#ifndef ASSAYD_DELIMITED_H
#define ASSAYD_DELIMITED_H

#include "driver.h"
#include "text.h"

struct field { /* a part of a message; empty with `at` NULL where there is none */
	const uint8_t *at;
	size_t length;
};

/* The setting `encoding`: its choices, in their order, and what each means for a text that is UTF-8 or is not. */
#define DELIMITED_ENCODINGS "auto|gb18030|utf-8|latin-1"
enum delimited_encoding { DELIMITED_AUTO, DELIMITED_GB18030, DELIMITED_UTF8, DELIMITED_LATIN1 };
enum text_encoding delimited_encoding_of(enum delimited_encoding choice, bool utf8);

/* Bytes of the character at `at`, of which `left` are there, at least 1. */
size_t delimited_character(enum text_encoding encoding, const uint8_t *at, size_t left);
/* Part `number`, from 1, of what `delimiter` divides; the whole where the delimiter is 0. */
struct field delimited_part(enum text_encoding encoding, struct field whole, uint8_t delimiter, unsigned number);
/* The same where GB 18030 is a guess: in part `unit`, where a unit stands, a byte that is ° ² ³ or µ in Latin-1 makes
 * no character with the delimiter behind it. */
struct field delimited_part_of(
	enum text_encoding encoding, struct field whole, uint8_t delimiter, unsigned number, unsigned unit);
/* ... and whether the unit may be one in Latin-1: such a byte has no byte of GB 2312 behind it. */
bool delimited_unit_doubtful(struct field unit);
bool delimited_blank(struct field field);

/* As text_decode(), for a text that a delimiter ends: NULs at its end are padding, but one within ends nothing. It
 * becomes U+FFFD with TEXT_BAD, as any control character does. Writes into `bytes`. */
unsigned delimited_text(enum text_encoding encoding, uint8_t *bytes, size_t length, char *out, size_t size);

/* A time of at least the given number of digits (8: a day, 14: to the second); false when it is none. */
bool delimited_time(struct field field, size_t digits, struct date_time *ret);
/* The zone behind the time of a field for which delimited_time() is true, "+0800" or "Z", as "+08:00"; "" for none. */
void delimited_zone(struct field field, char out[static 8]);

/* Value and qualifier, and the verdict where a word stands in the value's place. */
void delimited_value(struct reading *reading, const char *sent);
bool delimited_is_number(const char *text);

/* A verdict for the instrument's flag by a setting, "A=positive H=positive"; -EINVAL for a setting that is none. */
int delimited_flags_check(const char *flags, struct fault *fault);
enum verdict delimited_flag_verdict(const char *flags, const char *flag);

#endif
