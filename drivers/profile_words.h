/* What the profiles of several drivers have in common: texts, keys, and the words for kinds and verdicts. Pure; any
 * thread may call. */
#ifndef ASSAYD_PROFILE_WORDS_H
#define ASSAYD_PROFILE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "fault.h"
#include "reading.h"

/* Copies a value that must fit: 0, or -EINVAL and what would be right. */
int profile_text(char *out, size_t size, const char *value, struct fault *fault);

/* sample_no and sample-no are the same key; `key` is spelled with hyphens. */
bool profile_same_key(const char *key, const char *given);

/* "control negative": a kind, and what stands behind it ("" for nothing). */
bool profile_kind_word(const char *word, enum kind *ret_kind, const char **ret_more);

bool profile_verdict_word(const char *word, enum verdict *ret);
/* "retest", or "first" for what is none. */
bool profile_retest_word(const char *word, bool *ret);

#endif
