/* A folder in which an instrument's PC leaves files: a link that gives whole files instead of one stream.
 *
 * A file counts when it was closed or renamed in, as inotify tells; where that tells nothing (a network share, files
 * that were there before), when it has not changed for the settle time. Every few seconds the folder is looked through
 * anew, so that no event need arrive. A file that changes afterwards counts again, from its beginning: its rows have
 * ids made of what they say, and those that are known stay one.
 *
 * The cursor says up to which change of a file (its ctime, which neither a copy nor a rename keeps from before) all is
 * stored. After a restart files changed more than a day before are left alone; the rest is read again and found known.
 * Nothing in the folder is changed, unless the station says that what is stored goes to done/.
 */
#include "link_kind.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define RESCAN_MS 3000
#define BACK_NS                                                                                                        \
	INT64_C(86400000000000) /* a clock that was put right may have stamped what came later with an earlier time */
#define EVENTS                                                                                                         \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MODIFY | IN_CREATE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct seen { /* a file of the folder */
	char *name;
	struct stat stat;
	long quiet_ms;      /* monotonic: unchanged since then, as far as was looked */
	bool closed;        /* by its writer, or renamed in, after its last change */
	bool read;          /* as `stat` says it is, or it cannot be read */
	uint64_t read_size; /* of it were read, now or when it was shorter */
};

struct folder_link {
	struct link link;
	int inotify, directory;
	struct seen *files; /* by name */
	size_t count, room;
	long scan_ms; /* the next look */
	bool gone;
	bool begun;           /* and `stored_ns` is what the cursor said when it began */
	int64_t stored_ns;    /* -1: nothing */
	struct seen *current; /* being read from `file` */
	int file;
};

static struct folder_link *folder_of(struct link *link)
{
	return (struct folder_link *)link;
}

static void forget(struct seen *files, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(files[i].name);
	free(files);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct seen *)a)->name, ((const struct seen *)b)->name);
}

static int64_t changed_at(const struct stat *stat)
{
	return (int64_t)stat->st_ctim.tv_sec * 1000000000 + stat->st_ctim.tv_nsec;
}

/* The rest may change without the bytes: links, owner. */
static bool same_bytes(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* ---- open and close ---- */

static int folder_prepare(struct link *link, struct fault *fault)
{
	(void)fault;
	struct folder_link *folder = folder_of(link);
	folder->inotify = folder->directory = folder->file = -1;
	return 0;
}

static void folder_close(struct link *link)
{
	struct folder_link *folder = folder_of(link);
	int *const fds[] = { &folder->inotify, &folder->directory, &folder->file };
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	forget(folder->files, folder->count);
	folder->files = folder->current = NULL;
	folder->count = folder->room = 0;
}

static int folder_open(struct link *link, struct fault *fault)
{
	struct folder_link *folder = folder_of(link);
	const char *path = link->port->path;
	folder->gone = folder->begun = false;
	folder->scan_ms = 0;
	folder->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder->directory < 0)
		return fault_set(fault, errno, _("folder %s cannot be opened: %s"), path, strerror(errno));
	folder->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	/* without it (too many watches) looking through the folder does all, a little later */
	if (folder->inotify >= 0 && inotify_add_watch(folder->inotify, path, EVENTS) < 0) {
		close(folder->inotify);
		folder->inotify = -1;
	}
	return 0;
}

/* ---- what is there ---- */

/* Names that programs give to what is not finished; and what the station does not want. */
static bool wanted(const struct port *port, const char *name)
{
	static const char *const unfinished[] = { "*.tmp", "*.part", "*.partial", "*.crdownload", "~$*", "*~" };
	for (size_t i = 0; i < sizeof(unfinished) / sizeof(unfinished[0]); i++)
		if (fnmatch(unfinished[i], name, FNM_CASEFOLD) == 0)
			return false;
	return *name != '.' && (!*port->files || fnmatch(port->files, name, FNM_CASEFOLD) == 0);
}

static struct seen *find(struct seen *files, size_t count, const char *name)
{
	struct seen key = { .name = (char *)(uintptr_t)name };
	return count ? bsearch(&key, files, count, sizeof(*files), by_name) : NULL;
}

/* What was known of it: by its name, or by its bytes where it was renamed. */
static const struct seen *known_as(const struct folder_link *folder, const struct seen *file)
{
	const struct seen *known = find(folder->files, folder->count, file->name);
	if (known)
		return known;
	for (size_t i = 0; i < folder->count; i++)
		if (folder->files[i].read && same_bytes(&folder->files[i].stat, &file->stat))
			return &folder->files[i];
	return NULL;
}

static void carry_over(const struct folder_link *folder, struct seen *file)
{
	const struct seen *known = known_as(folder, file);
	long now = clock_ms();
	const struct timespec *written = &file->stat.st_mtim;
	int64_t age_ms = clock_wall_ms() - (int64_t)written->tv_sec * 1000 - written->tv_nsec / 1000000;
	file->quiet_ms = now;
	if (!known && age_ms > folder->link.port->settle_ms)
		file->quiet_ms = now - (long)folder->link.port->settle_ms;
	if (!known)
		return;
	bool same = same_bytes(&known->stat, &file->stat);
	file->closed = known->closed;
	file->read_size = known->read_size;
	if (!same)
		return;
	file->quiet_ms = known->quiet_ms;
	/* one that could not be opened may have been allowed meanwhile */
	file->read = known->read && (known->read_size > 0 || changed_at(&known->stat) == changed_at(&file->stat));
}

static int add(struct seen **files, size_t *count, size_t *room, const char *name, const struct stat *stat)
{
	if (*count == *room) {
		size_t more = *room ? 2 * *room : 32;
		struct seen *larger = reallocarray(*files, more, sizeof(**files));
		if (!larger)
			return -ENOMEM;
		*files = larger;
		*room = more;
	}
	struct seen file = { .name = strdup(name), .stat = *stat };
	if (!file.name)
		return -ENOMEM;
	(*files)[(*count)++] = file;
	return 0;
}

/* True while the folder is the one that was opened: a share that went away leaves an empty one in its place. */
static bool still_there(const struct folder_link *folder)
{
	struct stat there, opened;
	return !folder->gone && stat(folder->link.port->path, &there) == 0 && fstat(folder->directory, &opened) == 0 &&
	       there.st_ino == opened.st_ino && there.st_dev == opened.st_dev;
}

static int list(const struct folder_link *folder, struct seen **files, size_t *count, size_t *room)
{
	int error = 0, copy = openat(folder->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = copy < 0 ? NULL : fdopendir(copy);
	if (!directory) {
		error = -errno;
		if (copy >= 0)
			close(copy);
		return error;
	}
	errno = 0;
	for (struct dirent *entry; !error && (entry = readdir(directory)) != NULL; errno = 0) {
		struct stat stat;
		if (wanted(folder->link.port, entry->d_name) &&
			fstatat(folder->directory, entry->d_name, &stat, 0) == 0 && S_ISREG(stat.st_mode))
			error = add(files, count, room, entry->d_name, &stat);
	}
	error = error ? error : -errno;
	closedir(directory);
	return error;
}

static int scan(struct folder_link *folder, struct fault *fault)
{
	struct seen *files = NULL;
	size_t count = 0, room = 0;
	folder->scan_ms = clock_ms() + RESCAN_MS;
	int error = still_there(folder) ? list(folder, &files, &count, &room) : -ENOENT;
	if (error) {
		forget(files, count);
		return fault_set(
			fault, ENOTCONN, _("folder %s is gone: %s"), folder->link.port->path, strerror(-error));
	}
	if (count)
		qsort(files, count, sizeof(*files), by_name);
	for (size_t i = 0; i < count; i++)
		carry_over(folder, &files[i]);
	forget(folder->files, folder->count);
	folder->files = files;
	folder->count = count;
	folder->room = room;
	return 0;
}

static int take_event(struct folder_link *folder, const struct inotify_event *event, struct fault *fault)
{
	if (event->mask & IN_Q_OVERFLOW)
		for (size_t i = 0; i < folder->count; i++)
			folder->files[i].closed = false; /* nobody knows; the settle time will tell */
	folder->gone |= (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) != 0;
	if (event->len == 0 || !wanted(folder->link.port, event->name))
		return 0;
	struct seen *file = find(folder->files, folder->count, event->name);
	if (!file) {
		int error = scan(folder, fault); /* it is new */
		if (error < 0)
			return error;
		file = find(folder->files, folder->count, event->name);
	}
	if (file && (event->mask & (IN_MODIFY | IN_CREATE)))
		file->closed = false;
	if (file && (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)))
		file->closed = true;
	return 0;
}

/* 1 when there was something, 0, or -errno. */
static int take_events(struct folder_link *folder, struct fault *fault)
{
	_Alignas(struct inotify_event) char bytes[4096];
	ssize_t length = folder->inotify < 0 ? 0 : read(folder->inotify, bytes, sizeof(bytes));
	for (ssize_t at = 0; at < length;) {
		const struct inotify_event *event = (const void *)(bytes + at);
		int error = take_event(folder, event, fault);
		if (error < 0)
			return error;
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	return length > 0;
}

/* Looks until nothing has happened since the last look: then who was closed, and what is there, belong together. */
static int look(struct folder_link *folder, struct fault *fault)
{
	for (int rounds = 0; rounds < 20; rounds++) {
		int happened = take_events(folder, fault);
		if (happened < 0)
			return happened;
		if (!happened && !folder->gone && clock_ms() < folder->scan_ms)
			break;
		if (scan(folder, fault) < 0)
			return -ENOTCONN;
	}
	return 0;
}

/* ---- the next file ---- */

/* "files=1772675000123456789": changes up to this time are stored. One that is still to come was written while the
 * clock was wrong: then all is read again. */
static void begin(struct folder_link *folder, const char *cursor)
{
	long long stored;
	char rest;
	bool right = sscanf(cursor, "files=%lld%c", &stored, &rest) == 1 && stored / 1000000 <= clock_wall_ms();
	folder->stored_ns = right ? stored : -1;
	folder->begun = true;
}

static bool is_ready(const struct folder_link *folder, const struct seen *file, long now)
{
	return !file->read && (file->closed || now - file->quiet_ms >= folder->link.port->settle_ms);
}

/* The one that changed first of those that are ready; NULL when none is, with the time when one may be. */
static struct seen *first_ready(struct folder_link *folder, long *ret_at_ms)
{
	struct seen *first = NULL;
	long now = clock_ms();
	*ret_at_ms = folder->scan_ms;
	for (size_t i = 0; i < folder->count; i++) {
		struct seen *file = &folder->files[i];
		long ready_ms = file->quiet_ms + (long)folder->link.port->settle_ms;
		if (is_ready(folder, file, now)) {
			if (!first || changed_at(&file->stat) < changed_at(&first->stat))
				first = file;
		} else if (!file->read && ready_ms < *ret_at_ms) {
			*ret_at_ms = ready_ms;
		}
	}
	return first;
}

static struct date_time local_day(const struct stat *stat)
{
	struct tm local;
	localtime_r(&stat->st_mtime, &local);
	return (struct date_time){ .year = local.tm_year + 1900, .month = local.tm_mon + 1, .day = local.tm_mday };
}

/* 1, 0 when it went away meanwhile, -1 when it has changed again. What cannot be opened is told in ret->refused and not
 * tried again before it changes. */
static int open_file(struct folder_link *folder, struct seen *file, struct link_file *ret)
{
	folder->file = openat(folder->directory, file->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int error = folder->file < 0 ? errno : 0;
	if (error == ENOENT)
		return 0;
	struct stat now = file->stat;
	if (!error && (fstat(folder->file, &now) < 0 || !same_bytes(&now, &file->stat))) {
		close(folder->file);
		folder->file = -1;
		folder->scan_ms = 0;
		return -1;
	}
	*ret = (struct link_file){ .known = file->read_size, .changed = local_day(&file->stat) };
	if (folder->stored_ns >= changed_at(&file->stat))
		ret->known = UINT64_MAX;
	snprintf(ret->name, sizeof(ret->name), "%s", file->name);
	if (error)
		snprintf(ret->refused, sizeof(ret->refused), "%s", strerror(error));
	folder->current = file;
	return 1;
}

int link_file_next(struct link *link, const char *cursor, int timeout_ms, struct link_file *ret, struct fault *fault)
{
	struct folder_link *folder = folder_of(link);
	long until_ms = clock_ms() + timeout_ms;
	if (!folder->begun)
		begin(folder, cursor);
	for (;;) {
		long at_ms;
		if (look(folder, fault) < 0)
			return -ENOTCONN;
		struct seen *file;
		while ((file = first_ready(folder, &at_ms)) != NULL) {
			bool old = changed_at(&file->stat) < folder->stored_ns - BACK_NS;
			int opened = old ? 0 : open_file(folder, file, ret);
			if (opened > 0)
				return 1;
			if (opened < 0)
				break;
			file->read = true;
		}
		if (file)
			continue;
		if (clock_ms() >= until_ms)
			return 0;
		int events = link_wait(link, folder->inotify, POLLIN, at_ms < until_ms ? at_ms : until_ms);
		if (events < 0)
			return events == -ECANCELED ? events : fault_set(fault, -events, "%s", strerror(-events));
	}
}

static int folder_read(struct link *link, uint8_t *data, size_t size, long until_ms, struct fault *fault)
{
	(void)until_ms;
	struct folder_link *folder = folder_of(link);
	int events = link_wait(link, -1, 0, 0); /* nothing to wait for: a file may be long, and the thread is to live */
	if (events < 0)
		return events;
	ssize_t length = folder->file < 0 ? 0 : read(folder->file, data, size);
	if (length < 0)
		return fault_set(
			fault, ENOTCONN, "%s/%s: %s", link->port->path, folder->current->name, strerror(errno));
	return (int)length;
}

bool link_file_whole(struct link *link)
{
	struct folder_link *folder = folder_of(link);
	struct stat now;
	return folder->file < 0 || (fstat(folder->file, &now) == 0 && same_bytes(&now, &folder->current->stat));
}

/* All that is stored, as far as nothing earlier is not. */
void link_file_cursor(struct link *link, char *out, size_t size)
{
	struct folder_link *folder = folder_of(link);
	int64_t until = folder->stored_ns, open = INT64_MAX;
	for (size_t i = 0; i < folder->count; i++) {
		const struct seen *file = &folder->files[i];
		int64_t changed = changed_at(&file->stat);
		bool stored = file->read || file == folder->current;
		if (stored && changed > until)
			until = changed;
		if (!stored && changed < open)
			open = changed;
	}
	snprintf(out, size, "files=%lld", (long long)(until < open ? until : open - 1));
}

/* Another file of that name in done/ stays what it is. */
static void move_to_done(struct folder_link *folder, struct seen *file)
{
	char to[300];
	struct fault fault;
	if (mkdirat(folder->directory, "done", 0755) < 0 && errno != EEXIST)
		goto failed;
	for (int again = 0; again < 1000; again++) {
		snprintf(to, sizeof(to), again ? "done/%s.%d" : "done/%s", file->name, again);
		if (renameat2(folder->directory, file->name, folder->directory, to, RENAME_NOREPLACE) == 0)
			return;
		if (errno != EEXIST)
			break;
	}
failed:
	fault_set(&fault, errno, _("%s/%s is stored, but cannot be moved to done/: %s"), folder->link.port->path,
		file->name, strerror(errno));
	free(folder->link.remark);
	folder->link.remark = strdup(fault.text);
}

void link_file_over(struct link *link, bool whole)
{
	struct folder_link *folder = folder_of(link);
	struct seen *file = folder->current;
	bool refused = folder->file < 0;
	if (!refused)
		close(folder->file);
	folder->file = -1;
	folder->current = NULL;
	if (!file)
		return;
	file->read = whole;
	if (!whole)
		file->quiet_ms = clock_ms();
	file->closed = file->closed && whole;
	if (whole && !refused)
		file->read_size = (uint64_t)file->stat.st_size;
	if (whole && !refused && link->port->move_done && file->stat.st_size > 0)
		move_to_done(folder, file);
}

const struct link_kind link_folder_kind = {
	.size = sizeof(struct folder_link),
	.prepare = folder_prepare,
	.open = folder_open,
	.close = folder_close,
	.read = folder_read,
};
