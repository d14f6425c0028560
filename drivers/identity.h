/* Numbers of citizens' identity cards: found wherever they stand in a text, and masked.
 *
 * GB 11643-1999: 17 digits and a check character, six of them a region and eight a birthday; GB 11643-1989: 15 digits,
 * six a region and six a birthday of the twentieth century, without a check. They are personal and must be told apart
 * from what may be published with a result: credit codes, licences, and sample numbers that are made of a county, a
 * date and a running number. Pure; any thread may call.
 */
#ifndef ASSAYD_IDENTITY_H
#define ASSAYD_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>

/* What becomes of one that stands in the registration of a sample. */
enum identity_rule {
	IDENTITY_MASK,   /* only its first six digits, the region, are kept */
	IDENTITY_REFUSE, /* nothing of the registration is kept */
	IDENTITY_KEEP,   /* it stays as it is */
};

/* The last year in which anybody of interest was born: nobody younger than 14 sells vegetables. `year` is this one, 0
 * where nobody knows. */
int identity_latest_birth(int year);

/* The first identity number in `text`, with its length in bytes in `ret_length` (may be NULL): digits may be full
 * width, and set apart by single blanks or hyphens where there is a check character. Old ones count only with a
 * birthday that cannot be a day of this century so far. NULL when there is none. */
const char *identity_find(const char *text, int latest_birth, size_t *ret_length);

/* Puts * for all but the first six digits of every identity number in `text`; true when there was one. */
bool identity_mask(char *text, int latest_birth);
/* True where such a mask stands in it. */
bool identity_is_masked(const char *text);

#endif
