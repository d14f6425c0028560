#include "settings_words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ini.h"

#define WORD_MAX 48 /* longer words are nobody's slip of the finger */

int words_index(const char *list, const char *word)
{
	size_t length = strlen(word);
	int index = 0;
	for (const char *at = list;; index++) {
		size_t each = strcspn(at, "|");
		if (each == length && length && !memcmp(at, word, length))
			return index;
		if (!at[each])
			return -1;
		at += each + 1;
	}
}

char *words_listed(const char *list, char *out, size_t size)
{
	size_t used = 0;
	*out = '\0';
	for (const char *at = list; *at && used < size;) {
		size_t length = strcspn(at, "|");
		used += (size_t)snprintf(out + used, size - used, "%s%.*s", used ? ", " : "", (int)length, at);
		at += length + (at[length] == '|');
	}
	return out;
}

/* What fingers and input methods make of a word is one word: lower case, - for _, ASCII for full-width. */
static size_t fold(const char *word, size_t length, char out[static WORD_MAX])
{
	size_t used = 0;
	for (size_t i = 0; i < length && used < WORD_MAX - 1;) {
		char meant = ini_ascii_meant(word + i);
		char character = word[i];
		if (meant)
			character = meant;
		if (character >= 'A' && character <= 'Z')
			character = (char)(character - 'A' + 'a');
		if (character == '_')
			character = '-';
		out[used++] = character;
		i += meant && meant != ' ' ? 3 : 1;
	}
	out[used] = '\0';
	return used;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours between two folded words (optimal string alignment). */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t rows[3][WORD_MAX];
	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t *now = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
		now[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			now[j] = least(least(above[j], now[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
	}
	return rows[a_length % 3][b_length];
}

bool words_nearest(const char *word, const char *list, char *out, size_t size)
{
	char given[WORD_MAX], known[WORD_MAX];
	size_t given_length = fold(word, strlen(word), given), best = WORD_MAX;
	for (const char *at = list; *at;) {
		size_t length = strcspn(at, "|");
		size_t known_length = fold(at, length, known);
		size_t away = distance(given, given_length, known, known_length);
		size_t longer = known_length > given_length ? known_length : given_length;
		if (away < best && away <= (longer < 6 ? longer / 2 : longer / 3) && away < known_length) {
			best = away;
			snprintf(out, size, "%.*s", (int)length, at);
		}
		at += length + (at[length] == '|');
	}
	return best < WORD_MAX;
}

char *words_credential(const char *value, char *out, size_t size)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	if (*value == '/' || !*value || !directory)
		snprintf(out, size, "%s", value);
	else
		snprintf(out, size, "%s/%s", directory, value);
	return out;
}

static int check_readable(const struct setting *row, const char *path, struct fault *fault)
{
	struct stat about;
	if (stat(path, &about) != 0)
		return fault_set(fault, EINVAL, _("%s %s cannot be found: %s; name a file that exists"), row->name,
			path, strerror(errno));
	if (S_ISDIR(about.st_mode))
		return fault_set(fault, EINVAL, _("%s %s is a directory; name a file"), row->name, path);
	if (!S_ISREG(about.st_mode))
		return fault_set(fault, EINVAL, _("%s %s is no ordinary file; name one"), row->name, path);
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (descriptor < 0)
		return fault_set(fault, EINVAL, _("%s %s cannot be read: %s; let the user that runs assayd read it"),
			row->name, path, strerror(errno));
	close(descriptor);
	return 0;
}

int words_check_path(const struct setting *row, const char *path, struct fault *fault)
{
	char where[4096];
	bool credential = row->type == SETTING_CREDENTIAL && !strchr(path, '/');
	if (credential && !getenv("CREDENTIALS_DIRECTORY"))
		return 0; /* outside the unit nobody can look; config.c warns */
	if (!credential && *path != '/')
		return fault_set(fault, EINVAL, _("%s '%s' is not an absolute path; begin it with /"), row->name, path);
	if (row->type == SETTING_DIRECTORY)
		return 0;
	return check_readable(row, words_credential(path, where, sizeof(where)), fault);
}
