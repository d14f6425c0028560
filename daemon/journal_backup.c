#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backup.h"
#include "journal_parts.h"

static int refuse_existing(const char *out, struct fault *fault)
{
	if (access(out, F_OK) != 0)
		return 0;
	return fault_set(fault, EEXIST, _("%s: is there already; name another file or move it away"), out);
}

/* One statement, one snapshot: a writer goes on meanwhile. */
static int copy_into(const char *path, const char *out, struct fault *fault)
{
	struct db *db;
	struct db_query *copy;
	int error = db_open(path, DB_READ, &db, fault);
	if (error)
		return error;
	error = db_prepare(db, "VACUUM INTO ?1", &copy, fault);
	if (!error) {
		mode_t mask = umask(077);
		db_put_text(copy, 1, out);
		error = db_step(copy, fault);
		umask(mask);
	}
	db_close(db);
	if (error)
		unlink(out);
	return error;
}

/* Ours, of a version we know, and whole. */
static int check_file(const char *path, struct restored *ret, struct fault *fault)
{
	struct db *db;
	struct journal_reader *reader;
	int64_t application = 0, version = 0, faults = 0;
	int error = db_open(path, DB_READ, &db, fault);
	if (error)
		return error;
	error = db_number(db, "PRAGMA application_id", &application, fault);
	if (!error)
		error = db_number(db, "PRAGMA user_version", &version, fault);
	if (!error && (application != JOURNAL_APPLICATION_ID || version < 1))
		error = fault_set(fault, EINVAL, _("%s: is no journal of assayd"), path);
	if (!error && version > JOURNAL_SCHEMA)
		error = fault_set(fault, ENOTSUP,
			_("%s: was written by a newer assayd (schema %" PRId64
			  ", this one knows %d); install that version"),
			path, version, (int)JOURNAL_SCHEMA);
	if (!error)
		error = db_number(db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
			&faults, fault);
	if (!error && faults)
		error = fault_set(fault, EUCLEAN, _("%s: is damaged; assayctl salvage reads what can be read"), path);
	db_close(db);
	if (error)
		return error;
	error = journal_reader_open(path, &reader, fault);
	if (error)
		return error;
	error = journal_reader_head(reader, &ret->first, &ret->last, fault);
	if (!error)
		error = journal_check_chain(reader, 1, 0, NULL, fault);
	snprintf(ret->epoch, sizeof(ret->epoch), "%s", journal_reader_epoch(reader, NULL));
	journal_reader_close(reader);
	return error;
}

int backup_journal(const char *directory, const char *out, struct fault *fault)
{
	char path[PATH_ROOM];
	snprintf(path, sizeof(path), "%s/journal.db", directory);
	int error = refuse_existing(out, fault);
	return error ? error : copy_into(path, out, fault);
}

/* Whether the journal that is there has the epoch of the backup: then one of both must give way. With another epoch
 * they stand beside each other; one that cannot be read is set aside by the daemon. */
static bool is_same_journal(const char *path, const struct restored *what, uint64_t *ret_last)
{
	struct journal_reader *reader;
	uint64_t first;
	bool same = false;
	if (journal_reader_open(path, &reader, NULL) != 0)
		return false;
	if (journal_reader_head(reader, &first, ret_last, NULL) == 0)
		same = strcmp(journal_reader_epoch(reader, NULL), what->epoch) == 0;
	journal_reader_close(reader);
	return same;
}

static int move_away(const char *path, char name[static PATH_ROOM], struct fault *fault)
{
	static const char *const parts[] = { "", "-wal", "-shm", "-identity" };
	char utc[20], from[PATH_ROOM + 16], to[PATH_ROOM + 16];
	time_t now = time(NULL);
	struct tm broken_down;
	gmtime_r(&now, &broken_down);
	strftime(utc, sizeof(utc), "%Y%m%dT%H%M%SZ", &broken_down);
	snprintf(name, PATH_ROOM, "%.400s.replaced-%s", path, utc);
	int error = refuse_existing(name, fault);
	for (size_t i = 0; !error && i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(from, sizeof(from), "%s%s", path, parts[i]);
		snprintf(to, sizeof(to), "%s%s", name, parts[i]);
		if (rename(from, to) != 0 && errno != ENOENT)
			error = fault_set(fault, errno, "%s: %s", from, strerror(errno));
	}
	return error;
}

/* Restoring is root's work; the files are the daemon's. */
static void give_to_owner(const char *directory, const char *path)
{
	struct stat owner;
	if (stat(directory, &owner) == 0 && chown(path, owner.st_uid, owner.st_gid) != 0)
		errno = 0; /* not root: then it is the daemon's user already */
}

static int put_in_place(const char *directory, const char *file, bool force, struct restored *ret, struct fault *fault)
{
	char path[PATH_ROOM], kept[PATH_ROOM], name[PATH_ROOM] = "", known[PATH_ROOM + 8];
	snprintf(path, sizeof(path), "%s/journal.db", directory);
	snprintf(kept, sizeof(kept), "%s/salvaged-%s.db", directory, ret->epoch);
	snprintf(known, sizeof(known), "%s.known", kept);
	uint64_t last = 0;
	int error = refuse_existing(kept, fault);
	/* one that is known to be damaged stays: the next start salvages it and puts both together */
	bool same = !error && !files_is_marked(path) && is_same_journal(path, ret, &last);
	if (same && last > ret->last && !force)
		error = fault_set(fault, EEXIST,
			_("%s: the journal that is there goes on to entry %" PRIu64 ", the backup to %" PRIu64
			  "; with --force it is set aside, and the rest is not sent any more"),
			path, last, ret->last);
	if (!error)
		unlink(known); /* of a file that was there before; first, or this one would count as taken over */
	if (!error)
		error = copy_into(file, kept, fault);
	if (!error && same)
		error = move_away(path, name, fault);
	if (error)
		return error;
	give_to_owner(directory, kept);
	snprintf(ret->replaced, sizeof(ret->replaced), "%s", name);
	return 0;
}

int restore_journal(const char *directory, const char *file, bool force, struct restored *ret, struct fault *fault)
{
	char lock[PATH_ROOM];
	int lock_fd;
	*ret = (struct restored){ 0 };
	if (strlen(directory) > PATH_ROOM - 120)
		return fault_set(fault, ENAMETOOLONG, _("%s: the path is too long; at most %d bytes"), directory,
			PATH_ROOM - 120);
	int error = check_file(file, ret, fault);
	if (!error)
		error = files_directory(directory, fault);
	if (!error)
		error = files_lock(directory, &lock_fd, fault);
	if (error)
		return error;
	snprintf(lock, sizeof(lock), "%s/lock", directory);
	give_to_owner(directory, lock);
	error = put_in_place(directory, file, force, ret, fault);
	close(lock_fd);
	return error;
}
