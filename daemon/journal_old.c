/* What was salvaged of damaged journals lies beside the journal, a file for each epoch (salvage.h, room_salvage.c). */
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "journal_parts.h"

#define EPOCH_SHOWN 8 /* of its digits: enough to tell a station's epochs apart */

int journal_next_old(const char *path, size_t *at, struct journal_reader **ret, struct fault *fault)
{
	char pattern[600];
	const char *slash = strrchr(path, '/');
	glob_t found;
	int error = 0;
	snprintf(pattern, sizeof(pattern), "%.*s/salvaged-*.db", (int)(slash - path), path);
	if (glob(pattern, 0, NULL, &found) != 0)
		return 0;
	bool another = *at < found.gl_pathc;
	if (another)
		error = journal_reader_open(found.gl_pathv[(*at)++], ret, fault);
	globfree(&found);
	return error ? error : another;
}

void journal_place(char out[static JOURNAL_PLACE_MAX], const char *target, const struct journal_reader *reader)
{
	int most = JOURNAL_PLACE_MAX - 1 - 1 - EPOCH_SHOWN;
	snprintf(out, JOURNAL_PLACE_MAX, "%.*s/%.*s", most, target, EPOCH_SHOWN, journal_reader_epoch(reader, NULL));
}

bool journal_place_of(const char *place, const char *target)
{
	size_t length = strlen(target);
	return strncmp(place, target, length) == 0 && (place[length] == '\0' || place[length] == '/');
}
