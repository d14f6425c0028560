#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

int disk_look(const char *directory, struct disk *ret, struct fault *fault)
{
	struct statvfs about;
	if (statvfs(directory, &about) != 0)
		return fault_set(fault, errno, _("%s: its file system does not say how full it is (%s)"), directory,
			strerror(errno));
	uint64_t used = about.f_blocks - about.f_bfree, usable = used + about.f_bavail;
	*ret = (struct disk){
		.size = usable * about.f_frsize,
		.free = (uint64_t)about.f_bavail * about.f_frsize,
		.used_percent = usable ? (unsigned)((used * 100 + usable - 1) / usable) : 100,
	};
	return 0;
}

enum disk_level disk_level(enum disk_level before, unsigned used_percent)
{
	unsigned to_short = DISK_SHORT_PERCENT - (before >= DISK_SHORT ? DISK_BACK_PERCENT : 0);
	unsigned to_low = DISK_LOW_PERCENT - (before >= DISK_LOW ? DISK_BACK_PERCENT : 0);
	if (used_percent >= to_short)
		return DISK_SHORT;
	return used_percent >= to_low ? DISK_LOW : DISK_FINE;
}

uint64_t reserve_size(const char *path)
{
	struct stat about;
	return stat(path, &about) == 0 && S_ISREG(about.st_mode) ? (uint64_t)about.st_size : 0;
}

static uint64_t free_beside(const char *path)
{
	char copy[PATH_MAX];
	struct disk disk = { 0 };
	snprintf(copy, sizeof(copy), "%s", path);
	return disk_look(dirname(copy), &disk, NULL) == 0 ? disk.free : 0;
}

int reserve_make(const char *path, uint64_t size)
{
	if (size == 0 || reserve_size(path) >= size)
		return 0;
	if (free_beside(path) / 2 < size)
		return -ENOSPC;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int error = -posix_fallocate(fd, 0, (off_t)size);
	if (!error && fsync(fd) != 0)
		error = -errno;
	close(fd);
	if (error)
		unlink(path);
	return error;
}

uint64_t reserve_release(const char *path)
{
	uint64_t size = reserve_size(path);
	return size && unlink(path) == 0 ? size : 0;
}
