/* LD_PRELOAD shim: lets libserialport open a pty, so that tests can put a simulated instrument on a "serial port".
 *
 * libserialport 0.1.1 and 0.1.2 refuse a pty twice: sp_get_port_by_name() wants a link /sys/class/tty/NAME, which a pty
 * does not have, and opening asks for modem lines, which a pty answers with ENOTTY. The shim pretends the link for
 * names under "pts/", and modem lines that say "ready". Everything else goes to the C library untouched.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char pretended[] = "/sys/class/tty/pts/";
static const char target[] = "../../devices/virtual/tty/pty";

int __lxstat(int version, const char *path, struct stat *status); /* lstat() of programs built before glibc 2.33 */

static int is_pretended(const char *path)
{
	return strncmp(path, pretended, sizeof pretended - 1) == 0;
}

static int pretend_link(struct stat *status)
{
	memset(status, 0, sizeof *status);
	status->st_mode = S_IFLNK | 0777;
	status->st_size = (off_t)(sizeof target - 1);
	return 0;
}

int lstat(const char *path, struct stat *status)
{
	static int (*real)(const char *, struct stat *);

	if (is_pretended(path))
		return pretend_link(status);
	if (!real)
		real = (int (*)(const char *, struct stat *))dlsym(RTLD_NEXT, "lstat");
	return real(path, status);
}

int __lxstat(int version, const char *path, struct stat *status)
{
	static int (*real)(int, const char *, struct stat *);

	if (is_pretended(path))
		return pretend_link(status);
	if (!real)
		real = (int (*)(int, const char *, struct stat *))dlsym(RTLD_NEXT, "__lxstat");
	return real(version, path, status);
}

ssize_t readlink(const char *path, char *out, size_t size)
{
	static ssize_t (*real)(const char *, char *, size_t);

	if (is_pretended(path)) {
		size_t length = size < sizeof target - 1 ? size : sizeof target - 1;
		memcpy(out, target, length);
		return (ssize_t)length;
	}
	if (!real)
		real = (ssize_t(*)(const char *, char *, size_t))dlsym(RTLD_NEXT, "readlink");
	return real(path, out, size);
}

/* What a pty refuses and a serial port grants. */
static int pretend_modem(unsigned long request, void *argument, int error)
{
	switch (request) {
	case TIOCMGET:
		*(int *)argument = TIOCM_DTR | TIOCM_RTS | TIOCM_CTS | TIOCM_DSR | TIOCM_CD;
		return 0;
	case TIOCMSET:
	case TIOCMBIS:
	case TIOCMBIC:
		return 0;
	default:
		errno = error;
		return -1;
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	static int (*real)(int, unsigned long, ...);
	va_list arguments;

	va_start(arguments, request);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);
	if (!real)
		real = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
	int answer = real(fd, request, argument), error = errno;
	/* Only a terminal that lacks the request: a descriptor that is closed or hung up keeps its own error. */
	if (answer < 0 && (error == ENOTTY || error == EINVAL) && isatty(fd))
		return pretend_modem(request, argument, error);
	errno = error;
	return answer;
}
