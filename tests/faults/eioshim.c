/* LD_PRELOAD: one sync of a file to the disk fails, as a dying flash makes it fail.
 *
 * EIO_AT=N        the N-th fsync or fdatasync (of a file whose name contains EIO_FILE, default "journal.db") fails with
 * EIO EIO_TIMES=M     and the M-1 after it (default 1)
 *
 * KILL_AT=N       the process is killed before the N-th of these calls, as by a power cut in the middle of a commit
 *
 * The data went to the page cache but not to the disk: what the kernel does after such a failure. The program under
 * test can ask eioshim_fired() how often it happened.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int eioshim_fired(void);
static _Atomic int calls, fired;

int eioshim_fired(void)
{
	return fired;
}

static int number(const char *name, int otherwise)
{
	const char *text = getenv(name);
	return text ? atoi(text) : otherwise;
}

static int fails(int fd)
{
	char link[40], path[512];
	const char *wanted = getenv("EIO_FILE");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = '\0';
	if (!strstr(path, wanted ? wanted : "journal.db"))
		return 0;
	int call = ++calls, at = number("EIO_AT", 0);
	if (call == number("KILL_AT", 0))
		raise(SIGKILL);
	if (at == 0 || call < at || call >= at + number("EIO_TIMES", 1))
		return 0;
	fired++;
	errno = EIO;
	return 1;
}

int fsync(int fd)
{
	return fails(fd) ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return fails(fd) ? -1 : (int)syscall(SYS_fdatasync, fd);
}
