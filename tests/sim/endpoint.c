#include "endpoint.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

void terminal_open(struct terminal *terminal)
{
	struct termios raw;

	terminal->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (terminal->master < 0 || grantpt(terminal->master) < 0 || unlockpt(terminal->master) < 0 ||
		ptsname_r(terminal->master, terminal->path, sizeof terminal->path) != 0)
		err(1, "no pty can be had");
	terminal->keeper = open(terminal->path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (terminal->keeper < 0 || tcgetattr(terminal->keeper, &raw) < 0)
		err(1, "%s", terminal->path);
	cfmakeraw(&raw);
	if (tcsetattr(terminal->keeper, TCSANOW, &raw) < 0)
		err(1, "%s", terminal->path);
}

void terminal_close(struct terminal *terminal)
{
	close(terminal->keeper);
	terminal->keeper = -1;
}

void terminal_link(const struct terminal *terminal, const char *link)
{
	char fresh[PATH_MAX];
	struct stat there;

	if (lstat(link, &there) == 0 && !S_ISLNK(there.st_mode))
		errx(1, "%s: exists and is no symbolic link; give a name that is free", link);
	snprintf(fresh, sizeof fresh, "%s.%d", link, (int)getpid());
	unlink(fresh);
	if (symlink(terminal->path, fresh) < 0 || rename(fresh, link) < 0)
		err(1, "%s: the link to %s cannot be made", link, terminal->path);
}

void terminal_unlink(const struct terminal *terminal, const char *link)
{
	char target[sizeof terminal->path];
	ssize_t length = readlink(link, target, sizeof target);

	if (length == (ssize_t)strlen(terminal->path) && memcmp(target, terminal->path, (size_t)length) == 0)
		unlink(link);
}

static int bound_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof address;

	if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		return 0;
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

int endpoint_listen(const char *host, int *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found;
	char service[8];
	int on = 1;

	snprintf(service, sizeof service, "%d", *port);
	int failure = getaddrinfo(*host ? host : NULL, service, &hints, &found);
	if (failure)
		errx(1, "%s: %s", host, gai_strerror(failure));
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, 128) < 0) {
		int error = errno;
		if (fd >= 0)
			close(fd);
		freeaddrinfo(found);
		return -error;
	}
	freeaddrinfo(found);
	*port = bound_port(fd);
	return fd;
}

int endpoint_dial(const char *host, int port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *found;
	char service[8];

	snprintf(service, sizeof service, "%d", port);
	int failure = getaddrinfo(host, service, &hints, &found);
	if (failure)
		errx(1, "%s: %s", host, gai_strerror(failure));
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || (connect(fd, found->ai_addr, found->ai_addrlen) < 0 && errno != EINPROGRESS)) {
		int error = errno;
		if (fd >= 0)
			close(fd);
		fd = -error;
	}
	freeaddrinfo(found);
	return fd;
}
