/* Words and names in settings: lists written "first|second|third", what was meant by a wrong one, and paths.
 *
 * Any thread may call.
 */
#ifndef ASSAYD_SETTINGS_WORDS_H
#define ASSAYD_SETTINGS_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "../drivers/fault.h"
#include "../drivers/setting.h"

int words_index(const char *list, const char *word);          /* -1 when it is not in the list */
char *words_listed(const char *list, char *out, size_t size); /* "first, second, third" */

/* The word of the list that was most likely meant, copied to `out`; false when none is near. */
bool words_nearest(const char *word, const char *list, char *out, size_t size);

/* An absolute path; for SETTING_PATH and SETTING_CREDENTIAL also one of a file that can be read. */
int words_check_path(const struct setting *row, const char *path, struct fault *fault);

/* Where a SETTING_CREDENTIAL lies: the path itself, or the name inside $CREDENTIALS_DIRECTORY. */
char *words_credential(const char *value, char *out, size_t size);

#endif
