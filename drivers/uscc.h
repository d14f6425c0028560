/* The unified social credit code of an organisation (GB 32100-2015), proven by its check character. A code may be
 * published with a result; the number of a person's identity card may not (identity.h). Pure; any thread may call.
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

#endif
