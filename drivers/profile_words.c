#include "profile_words.h"

#include <errno.h>
#include <string.h>

int profile_text(char *out, size_t size, const char *value, struct fault *fault)
{
	if (strlen(value) >= size)
		return fault_set(fault, EINVAL, _("the text is too long; at most %zu bytes"), size - 1);
	memcpy(out, value, strlen(value) + 1);
	return 0;
}

bool profile_same_key(const char *key, const char *given)
{
	for (; *key && *given; key++, given++)
		if (*key != (*given == '_' ? '-' : *given))
			return false;
	return *key == *given;
}

bool profile_kind_word(const char *word, enum kind *ret_kind, const char **ret_more)
{
	size_t length = strcspn(word, " ");
	for (enum kind kind = KIND_SAMPLE; kind <= KIND_CALIBRATION; kind++) {
		if (strlen(kind_name(kind)) != length || strncmp(word, kind_name(kind), length) != 0)
			continue;
		*ret_kind = kind;
		*ret_more = word + length + strspn(word + length, " ");
		return true;
	}
	return false;
}

bool profile_verdict_word(const char *word, enum verdict *ret)
{
	for (enum verdict verdict = VERDICT_NONE; verdict <= VERDICT_INVALID; verdict++) {
		if (strcmp(word, verdict_name(verdict)) == 0) {
			*ret = verdict;
			return true;
		}
	}
	return false;
}

bool profile_retest_word(const char *word, bool *ret)
{
	*ret = strcmp(word, "retest") == 0;
	return *ret || strcmp(word, "first") == 0;
}
