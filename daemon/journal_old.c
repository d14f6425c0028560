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

int journal_old_changed(struct journal *journal, const struct journal_reader *reader, struct fault *fault)
{
	const char *epoch = journal_reader_epoch(reader, NULL);
	bool any = false;
	pthread_mutex_lock(&journal->lock);
	for (size_t i = 0; i < journal->targets.count; i++) {
		struct place *place = &journal->targets.list[i];
		const char *slash = strchr(place->name, '/');
		if (!slash || strncmp(slash + 1, epoch, EPOCH_SHOWN) != 0 || place->through == 0)
			continue;
		place->through = 0;
		place->unsaved = any = true;
	}
	pthread_mutex_unlock(&journal->lock);
	return any ? journal_append(journal, NULL, 0, NULL, NULL, fault) : 0; /* which stores progress */
}

static long read_ids(struct db_query *next, char (*ids)[ENTRY_ID_MAX], struct fault *fault)
{
	long count = 0;
	int row;
	while ((row = db_step(next, fault)) == 1) {
		const uint8_t *id = db_bytes(next, 0, UUID_SIZE);
		if (id)
			uuid_text(id, ids[count++]);
	}
	return row < 0 ? row : count;
}

long journal_known(
	struct journal_reader *reader, const char *after, char (*ids)[ENTRY_ID_MAX], size_t room, struct fault *fault)
{
	struct db_query *next;
	uint8_t uuid[UUID_SIZE];
	int64_t there;
	int error =
		db_number(reader_db(reader), "SELECT count(*) FROM sqlite_schema WHERE name = 'known'", &there, fault);
	if (error || !there) /* a backup of before schema 2 */
		return error;
	error = db_prepare(reader_db(reader), "SELECT id FROM known WHERE id > ?1 ORDER BY id LIMIT ?2", &next, fault);
	if (error)
		return error;
	db_put_bytes(next, 1, uuid, uuid_parse(after, uuid) ? sizeof(uuid) : 0);
	db_put_integer(next, 2, (int64_t)room);
	long count = read_ids(next, ids, fault);
	db_finish(next);
	return count;
}
