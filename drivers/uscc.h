/* Numbers that end in a check character: the unified social credit code of an organisation (GB 32100-2015) and the
 * number of a citizen's identity card (GB 11643-1999).
 *
 * A credit code may be published with a result. An identity number is personal and must be told apart from it, also
 * where it stands inside a longer text. Pure; any thread may call.
 */
#ifndef ASSAYD_USCC_H
#define ASSAYD_USCC_H

#include <stdbool.h>
#include <stddef.h>

#define USCC_LENGTH 18

/* 18 characters of 0-9 and A-Z without I O S V Z, the last one being the check character of the others. */
bool uscc_valid(const char *code);
/* The check character that belongs to the first 17 characters; '\0' when they are no beginning of a credit code. */
char uscc_check(const char *code);
/* Whether it can hardly be meant for anything else: 18 characters, an authority (1, 5, 9, Y) and a kind that GB 32100
 * lists, and the six digits of a region. The check character may be wrong. */
bool uscc_shaped(const char *code);

#define IDENTITY_LENGTH 18

/* The first identity number in `text`: 17 digits and a check character with no digit before or behind, a province, and
 * a birthday from 1900 to the end of `latest_year` (a sample number made of county, today's date and a running number
 * must not pass for a grown-up). NULL when there is none. */
const char *identity_find(const char *text, int latest_year);

#endif
