/* Text as instruments and spreadsheets write it, turned into UTF-8.
 *
 * Instruments send GB 2312/GBK/GB 18030 or ASCII in fixed fields that may cut a character in half; people save files as
 * UTF-8 or GB 18030. Nothing is lost silently: what cannot be decoded becomes U+FFFD and is reported in the marks, and
 * the caller keeps the original bytes. Uses iconv(3) of libc; any thread may call.
 */
#ifndef ASSAYD_TEXT_H
#define ASSAYD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum text_encoding {
	TEXT_GB18030, /* a superset of ASCII, GB 2312 and GBK */
	TEXT_UTF8,
	TEXT_LATIN1, /* ISO 8859-1; what Windows has in the place of its control characters is a fault */
	TEXT_ASCII,  /* a byte over 0x7F is a fault */
	TEXT_AUTO,   /* UTF-8 when the bytes are valid UTF-8, else GB 18030; for people's files, not for instruments */
};

enum text_mark {
	TEXT_CUT = 1,       /* the last character was cut in half; U+FFFD stands for it */
	TEXT_BAD = 2,       /* some bytes are no character of this encoding; U+FFFD stands for each */
	TEXT_TRUNCATED = 4, /* `out` was too small; it ends at a whole character */
};

/* Keeps libc's converter loaded, so that opening one costs next to nothing. Once, by main(), before any thread. */
void text_prepare(void);

/* Decodes `length` bytes into `out` (always terminated, at most size-1 bytes). Stops at the first NUL byte: fixed
 * fields are padded with NULs. Leading and trailing blanks are removed; control characters become U+FFFD with TEXT_BAD.
 * Returns the marks, 0 when all is well. */
unsigned text_decode(enum text_encoding encoding, const void *data, size_t length, char *out, size_t size);

/* True when the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). */
bool text_is_utf8(const void *data, size_t length);

/* Columns a text takes on a terminal: CJK and full-width characters count two. Invalid bytes count one. */
size_t text_width(const char *utf8);

/* Copies a text, cut at a whole character when it does not fit. Returns `out`. */
char *text_copy(char *out, size_t size, const char *utf8);

#endif
