#include "journal_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

static int sync_directory_of(const char *path)
{
	char directory[PATH_ROOM];
	snprintf(directory, sizeof(directory), "%s", path);
	char *slash = strrchr(directory, '/');
	if (!slash)
		snprintf(directory, sizeof(directory), ".");
	else if (slash == directory)
		slash[1] = '\0';
	else
		*slash = '\0';
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = fsync(fd) ? -errno : 0;
	close(fd);
	return error;
}

int files_directory(const char *directory, struct fault *fault)
{
	if (mkdir(directory, 0700) == 0) {
		sync_directory_of(directory);
		return 0;
	}
	struct stat status;
	if (errno != EEXIST)
		return fault_set(fault, errno,
			_("%s: the journal's directory cannot be created (%s); create it, owned by assayd's user"),
			directory, strerror(errno));
	if (stat(directory, &status) != 0)
		return fault_set(fault, errno, "%s: %s", directory, strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return fault_set(
			fault, ENOTDIR, _("%s: is not a directory; name a directory for the journal"), directory);
	return 0;
}

static int lock_is_taken(int fd, const char *path, struct fault *fault)
{
	char holder[24] = "";
	ssize_t length = pread(fd, holder, sizeof(holder) - 1, 0);
	holder[length > 0 ? length : 0] = '\0';
	holder[strcspn(holder, "\n")] = '\0';
	return fault_set(fault, EBUSY,
		_("%s: process %s holds this journal; stop that assayd first, or give this one another directory"),
		path, holder[0] ? holder : "?");
}

int files_lock(const char *directory, int *ret_fd, struct fault *fault)
{
	char path[PATH_ROOM];
	snprintf(path, sizeof(path), "%s/lock", directory);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return fault_set(fault, errno, _("%s: cannot be opened (%s); the directory must be writable by assayd"),
			path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int error = errno == EWOULDBLOCK ? lock_is_taken(fd, path, fault)
		                                 : fault_set(fault, errno, "%s: %s", path, strerror(errno));
		close(fd);
		return error;
	}
	char mine[24];
	int length = snprintf(mine, sizeof(mine), "%ld\n", (long)getpid());
	/* only a courtesy to whoever is refused: on a full disk the lock holds without the number */
	if (ftruncate(fd, 0) != 0 || pwrite(fd, mine, (size_t)length, 0) != length)
		errno = 0;
	*ret_fd = fd;
	return 0;
}

/* The mark says that the journal is damaged and, once that is chosen, under which name its files are kept. */
static void mark_path(char out[static PATH_ROOM], const char *path)
{
	snprintf(out, PATH_ROOM, "%s.damaged", path);
}

int files_mark_damaged(const char *path)
{
	char mark[PATH_ROOM];
	mark_path(mark, path);
	int fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	fsync(fd);
	close(fd);
	return sync_directory_of(path);
}

bool files_is_marked(const char *path)
{
	char mark[PATH_ROOM];
	mark_path(mark, path);
	return access(mark, F_OK) == 0;
}

static int unmark(const char *path)
{
	char mark[PATH_ROOM];
	mark_path(mark, path);
	if (unlink(mark) != 0)
		return errno == ENOENT ? 0 : -errno;
	return sync_directory_of(path);
}

/* The header's bytes 18 and 19, write and read version, are 1 or 2; SQLite takes a file with a higher one for
 * read-only. */
static bool has_odd_version(const char *path)
{
	uint8_t versions[2];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool odd = pread(fd, versions, sizeof(versions), 18) == sizeof(versions) &&
	           (versions[0] < 1 || versions[0] > 2 || versions[1] < 1 || versions[1] > 2);
	close(fd);
	return odd;
}

int files_suspect(const char *path, struct fault *fault)
{
	char other[PATH_ROOM];
	struct stat file, log;
	if (files_is_marked(path))
		return fault_set(fault, EUCLEAN, _("%s: was found damaged while in use"), path);
	bool there = stat(path, &file) == 0;
	if (!there)
		file.st_size = 0;
	snprintf(other, sizeof(other), "%s-wal", path);
	if (file.st_size == 0 && stat(other, &log) == 0 && log.st_size > 0)
		/* SQLite would delete the log of an empty file, and with it perhaps the only copy of records */
		return fault_set(fault, EUCLEAN, _("%s: is empty, but its write-ahead log is not"), path);
	snprintf(other, sizeof(other), "%s-identity", path);
	if (there && file.st_size == 0 && access(other, F_OK) == 0)
		/* who empties a journal is told, and so is the county: it would pass for a new one */
		return fault_set(fault, EUCLEAN, _("%s: is empty, but was not"), path);
	if (has_odd_version(path))
		return fault_set(fault, EUCLEAN, _("%s: the file is damaged: its version is not what it was"), path);
	return 0;
}

/* Zeros behind what is there: no frame, so SQLite reads them as the log's end. Never more than half of what is free:
 * the station's key and the journal itself want to be written too. */
static int extend(int fd, off_t size)
{
	static const char zeros[4096];
	struct stat status;
	struct statvfs about;
	if (fstat(fd, &status) != 0 || fstatvfs(fd, &about) != 0)
		return -errno;
	if (size > status.st_size && (uint64_t)(size - status.st_size) > (uint64_t)about.f_bavail * about.f_frsize / 2)
		return 0;
	for (off_t at = status.st_size; at < size; at += (off_t)sizeof(zeros))
		if (pwrite(fd, zeros, sizeof(zeros), at) != (ssize_t)sizeof(zeros))
			return 0; /* no room: the log grows as it can, and a full disk is said when it is met */
	return 0;
}

int files_settle_log(const char *path, off_t size, struct fault *fault)
{
	char log[PATH_ROOM];
	snprintf(log, sizeof(log), "%s-wal", path);
	int fd = open(log, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : fault_set(fault, errno, "%s: %s", log, strerror(errno));
	int error = extend(fd, size);
	if (!error && fdatasync(fd) != 0)
		error = -errno;
	close(fd);
	return error ? fault_set(fault, -error, _("%s: writing to the disk failed (%s); the kernel's log says more"),
			       log, strerror(-error))
	             : 0;
}

void files_identity(const char *path, const char *epoch, const char *station)
{
	char name[PATH_ROOM], temporary[PATH_ROOM + 8], is[128], there[128];
	snprintf(name, sizeof(name), "%s-identity", path);
	snprintf(temporary, sizeof(temporary), "%s.new", name);
	ssize_t wanted = snprintf(is, sizeof(is), "%s %s\n", epoch, station), length = 0;
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		length = read(fd, there, sizeof(there));
		close(fd);
	}
	if (length == wanted && memcmp(is, there, (size_t)wanted) == 0)
		return;
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return; /* a second place for what the journal says itself: the next start tries again */
	bool written = write(fd, is, (size_t)wanted) == wanted && fsync(fd) == 0;
	close(fd);
	if (!written || rename(temporary, name) != 0)
		unlink(temporary);
}

/* --- a damaged journal is set aside, whole: a file that a power cut parted from its log is a shorter journal */

#define ASIDE "journal.db.corrupt-"

static const char *const parts[] = { "", "-wal", "-shm", "-identity" };
enum { PARTS = sizeof(parts) / sizeof(parts[0]) };

static void part_path(char out[static PATH_ROOM], const char *path, size_t part)
{
	snprintf(out, PATH_ROOM, "%s%s", path, parts[part]);
}

static bool is_there(const char *path, size_t part)
{
	char name[PATH_ROOM];
	part_path(name, path, part);
	return access(name, F_OK) == 0;
}

static int directory_length(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? (int)(slash - path) + 1 : 0;
}

/* Whether the mark tells it: then somebody began, and a power cut ended it. */
static bool read_name(const char *path, char out[static PATH_ROOM])
{
	char mark[PATH_ROOM], said[64] = "";
	mark_path(mark, path);
	FILE *file = fopen(mark, "re");
	if (!file)
		return false;
	char *end = fgets(said, sizeof(said), file) ? strchr(said, '\n') : NULL;
	fclose(file);
	if (!end || strncmp(said, ASIDE, strlen(ASIDE)) != 0 || strchr(said, '/'))
		return false;
	*end = '\0';
	snprintf(out, PATH_ROOM, "%.*s%s", directory_length(path), path, said);
	return true;
}

static int write_name(const char *path, const char *name)
{
	char mark[PATH_ROOM], fresh[PATH_ROOM + 8];
	mark_path(mark, path);
	snprintf(fresh, sizeof(fresh), "%s.new", mark);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int error = dprintf(fd, "%s\n", name + directory_length(name)) < 0 || fsync(fd) != 0 ? -errno : 0;
	close(fd);
	if (!error && rename(fresh, mark) != 0)
		error = -errno;
	if (error)
		unlink(fresh);
	return error ? error : sync_directory_of(path);
}

static bool is_taken(const char *name)
{
	char done[PATH_ROOM + 16];
	snprintf(done, sizeof(done), "%s.salvaged", name); /* of a file that somebody removed: this one is not done */
	bool taken = access(done, F_OK) == 0;
	for (size_t i = 0; i < PARTS; i++)
		taken = taken || is_there(name, i);
	return taken;
}

static void choose_name(const char *path, char out[static PATH_ROOM])
{
	char utc[20];
	int directory = directory_length(path);
	time_t now = time(NULL);
	struct tm broken_down;
	gmtime_r(&now, &broken_down);
	strftime(utc, sizeof(utc), "%Y%m%dT%H%M%SZ", &broken_down);
	snprintf(out, PATH_ROOM, "%.*s" ASIDE "%s", directory, path, utc);
	for (int i = 2; is_taken(out); i++)
		snprintf(out, PATH_ROOM, "%.*s" ASIDE "%s-%d", directory, path, utc, i);
}

/* What is there under both names was put there by somebody since: it waits for a name of its own. */
static int move_parts(const char *path, const char *name, enum files_order order, bool *ret_left)
{
	char from[PATH_ROOM], to[PATH_ROOM];
	*ret_left = false;
	for (size_t i = 0; i < PARTS; i++) {
		size_t part = order == FILE_FIRST ? i : (i + 1) % PARTS;
		part_path(from, path, part);
		part_path(to, name, part);
		if (access(from, F_OK) != 0)
			continue;
		if (access(to, F_OK) == 0)
			*ret_left = true;
		else if (rename(from, to) != 0)
			return -errno;
	}
	/* of a file that is gone the log may be there: what looks for damaged journals looks for files */
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return sync_directory_of(path);
}

int files_set_aside(const char *path, enum files_order order, char **ret_name, struct fault *fault)
{
	char name[PATH_ROOM] = "";
	bool chosen = read_name(path, name), left = chosen || is_there(path, 0) || is_there(path, 1);
	int error = 0;
	while (left && !error) {
		if (!chosen) {
			choose_name(path, name);
			error = write_name(path, name); /* first: a start after a power cut goes on with this name */
		}
		if (!error)
			error = move_parts(path, name, order, &left);
		chosen = false;
	}
	if (!error)
		error = unmark(path);
	if (error)
		return fault_set(fault, -error, _("%s: is damaged and cannot be set aside as %s (%s)"), path, name,
			strerror(-error));
	if (ret_name && *name)
		*ret_name = strdup(name);
	return 0;
}
