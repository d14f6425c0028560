/* LD_PRELOAD: one sync of a file to the disk fails, as a dying flash makes it fail.
 *
 * EIO_AT=N        the N-th fsync or fdatasync (of a file whose name contains EIO_FILE, default "journal.db") fails with
 * EIO EIO_TIMES=M     and the M-1 after it (default 1)
 *
 * KILL_AT=N       the process is killed before the N-th of these calls, as by a power cut in the middle of a commit
 *
 * KILL_AT_WRITE=N the process is killed before the N-th write of such a file
 *
 * EIO_LIE=1       what fails says that it was done: a disk that lies
 * EIO_UNTIL=PATH  nothing fails any more once there is a file of this name: the disk has healed
 * EIO_TRACE=PATH  each of these calls appends a line to this file as it ends: "NANOSECONDS ok|EIO FILE", of the
 * monotonic clock
 *
 * The data went to the page cache but not to the disk: what the kernel does after such a failure. The program under
 * test can ask eioshim_fired() how often it happened.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int eioshim_fired(void);
static _Atomic int calls, fired, writes;

int eioshim_fired(void)
{
	return fired;
}

static int number(const char *name, int otherwise)
{
	const char *text = getenv(name);
	return text ? atoi(text) : otherwise;
}

static void name_of(int fd, char out[static 512])
{
	char link[40];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, out, 511);
	out[length > 0 ? length : 0] = '\0';
}

static int is_meant(const char *path)
{
	const char *wanted = getenv("EIO_FILE");
	return strstr(path, wanted ? wanted : "journal.db") != NULL;
}

static int fails(const char *path)
{
	const char *healed = getenv("EIO_UNTIL");
	if (!is_meant(path))
		return 0;
	int call = ++calls, at = number("EIO_AT", 0);
	if (call == number("KILL_AT", 0))
		raise(SIGKILL);
	if (at == 0 || call < at || call >= at + number("EIO_TIMES", 1) || (healed && access(healed, F_OK) == 0))
		return 0;
	fired++;
	return 1;
}

static void trace(const char *path, int failed)
{
	const char *to = getenv("EIO_TRACE");
	struct timespec now;
	char line[600];
	int fd = to ? open(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	if (fd < 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	long long nanoseconds = (long long)now.tv_sec * 1000000000 + now.tv_nsec;
	int length = snprintf(line, sizeof(line), "%lld %s %s\n", nanoseconds, failed ? "EIO" : "ok", path);
	if (write(fd, line, (size_t)length) != length)
		abort(); /* a trace with a hole would judge wrongly */
	close(fd);
}

static int sync_or_fail(long how, int fd)
{
	char path[512];
	name_of(fd, path);
	int failed = fails(path), result = failed ? -1 : (int)syscall(how, fd);
	int error = failed ? EIO : errno;
	trace(path, failed);
	errno = error;
	return failed && getenv("EIO_LIE") ? 0 : result;
}

int fsync(int fd)
{
	return sync_or_fail(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return sync_or_fail(SYS_fdatasync, fd);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
	int last = number("KILL_AT_WRITE", 0);
	if (last) {
		char path[512];
		name_of(fd, path);
		if (is_meant(path) && ++writes == last)
			raise(SIGKILL);
	}
	return syscall(SYS_pwrite64, fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	return pwrite64(fd, data, size, at);
}
