/* TCP: to an instrument or serial server (client), or from an instrument that dials us (listener). */
#include "link_kind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "lookup.h"

#define CONNECT_MS 3000
#define RESOLVE_MS 30000
#define UNABLE_MS  100

struct tcp_link {
	struct link link;
	int fd;        /* the instrument's connection, -1: none */
	int listener;  /* bound once, kept over link_close() */
	bool refusing; /* a second instrument was refused and told of */
	bool unable;   /* no connection could be taken, and that was told */
};

/* An instrument switched off sends no FIN: keepalive notices within 10 + 3 * 5 s, and data not acknowledged as fast. */
static void tune(int fd)
{
	int yes = 1, idle = 10, interval = 5, count = 3;
	unsigned unacknowledged_ms = 25000;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof(unacknowledged_ms));
}

/* Aside, so that the line can be stopped and shows life. -ECANCELED when it was; the caller frees what it gets. */
static int look_up(struct link *link, int flags, struct lookup **ret, struct fault *fault)
{
	const struct port *port = link->port;
	char service[8];
	snprintf(service, sizeof(service), "%d", port->number);
	int done_fd = eventfd(0, EFD_CLOEXEC);
	if (done_fd < 0)
		return fault_set(fault, errno, "%s: %s", port->text, strerror(errno));
	struct lookup *lookup = NULL;
	int result = lookup_start(port->host, service, flags, done_fd, &lookup, fault);
	if (result == 0 && !lookup_done(lookup) &&
		link_wait(link, done_fd, POLLIN, clock_ms() + RESOLVE_MS) == -ECANCELED)
		result = -ECANCELED;
	close(done_fd);
	if (result == 0 && (!lookup_done(lookup) || !lookup_found(lookup)))
		result = fault_set(fault, EHOSTUNREACH, _("%s: host name %s: %s; check the name or write its address"),
			port->text, port->host, lookup_done(lookup) ? lookup_error(lookup) : _("no answer in time"));
	if (result == 0)
		*ret = lookup;
	else
		lookup_free(lookup);
	return result;
}

static int connect_to(struct link *link, const struct addrinfo *address)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	tune(fd);
	int error = connect(fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
	if (error == EINPROGRESS) {
		int events = link_wait(link, fd, POLLOUT, clock_ms() + CONNECT_MS);
		socklen_t size = sizeof(error);
		error = events < 0 ? -events : events == 0 ? ETIMEDOUT : 0;
		if (!error && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
			error = errno;
	}
	if (!error)
		return fd;
	close(fd);
	return -error;
}

int link_connect(struct link *link, struct fault *fault)
{
	struct lookup *lookup = NULL;
	int result = look_up(link, 0, &lookup, fault);
	if (result < 0)
		return result;
	result = -EHOSTUNREACH;
	for (const struct addrinfo *address = lookup_found(lookup); address; address = address->ai_next) {
		result = connect_to(link, address);
		if (result >= 0 || result == -ECANCELED)
			break;
	}
	lookup_free(lookup);
	if (result < 0 && result != -ECANCELED)
		fault_set(fault, -result,
			_("%s: no connection to %s port %d: %s; is the instrument on and the address right?"),
			link->port->text, link->port->host, link->port->number, strerror(-result));
	return result;
}

static int tcp_prepare(struct link *link, struct fault *fault)
{
	(void)fault;
	struct tcp_link *tcp = (struct tcp_link *)link;
	tcp->fd = tcp->listener = -1;
	return 0;
}

static int tcp_open(struct link *link, struct fault *fault)
{
	struct tcp_link *tcp = (struct tcp_link *)link;
	int fd = link_connect(link, fault);
	if (fd >= 0)
		tcp->fd = fd;
	return fd;
}

static void tcp_close(struct link *link)
{
	struct tcp_link *tcp = (struct tcp_link *)link;
	if (tcp->fd >= 0)
		close(tcp->fd);
	tcp->fd = -1;
}

static int tcp_read(struct link *link, uint8_t *data, size_t size, long until_ms, struct fault *fault)
{
	return link_read_fd(link, ((struct tcp_link *)link)->fd, data, size, until_ms, fault);
}

static int tcp_write(struct link *link, const uint8_t *data, size_t length, struct fault *fault)
{
	return link_write_fd(link, ((struct tcp_link *)link)->fd, data, length, fault);
}

static int bind_to(const struct addrinfo *address)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int yes = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, 4) == 0)
		return fd;
	int error = errno;
	close(fd);
	return -error;
}

static int listener_open(struct link *link, struct fault *fault)
{
	struct tcp_link *tcp = (struct tcp_link *)link;
	if (tcp->listener >= 0)
		return 0;
	struct lookup *lookup = NULL;
	int fd = look_up(link, AI_PASSIVE, &lookup, fault);
	if (fd < 0)
		return fd;
	fd = bind_to(lookup_found(lookup));
	lookup_free(lookup);
	if (fd < 0)
		return fault_set(fault, -fd,
			_("%s: cannot listen on %s port %d: %s; another program may hold the port"), link->port->text,
			link->port->host, link->port->number, strerror(-fd));
	tcp->listener = fd;
	return 0;
}

static void listener_discard(struct link *link)
{
	struct tcp_link *tcp = (struct tcp_link *)link;
	if (tcp->listener >= 0)
		close(tcp->listener);
}

/* True while the kernel believes in the connection: the peer has neither closed nor reset it, nor missed its
 * keepalives. Bytes still to be read count as life. */
static bool alive(int fd)
{
	if (fd < 0)
		return false;
	uint8_t byte;
	ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Without descriptors or memory the caller stays in the queue: the kernel is not to be asked at once again, for ever.
 */
static void cannot_take(struct tcp_link *tcp, int error)
{
	if (error == EAGAIN || error == EINTR || error == ECONNABORTED)
		return;
	if (!tcp->unable && !tcp->link.remark &&
		asprintf(&tcp->link.remark, _("%s: the instrument's connection cannot be taken: %s"),
			tcp->link.port->text, strerror(error)) < 0)
		tcp->link.remark = NULL;
	tcp->unable = true;
	link_pause(&tcp->link, UNABLE_MS);
}

/* One instrument at a time: results of two on one line could not be told apart. */
static void welcome(struct tcp_link *tcp)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t size = sizeof(peer);
	int fd = accept4(tcp->listener, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		cannot_take(tcp, errno);
		return;
	}
	tcp->unable = false;
	if (!alive(tcp->fd)) {
		if (tcp->fd >= 0)
			close(tcp->fd);
		tune(fd);
		tcp->fd = fd;
		tcp->refusing = false;
		return;
	}
	close(fd);
	if (tcp->refusing)
		return;
	tcp->refusing = true;
	char host[64] = "?";
	getnameinfo((struct sockaddr *)&peer, size, host, sizeof(host), NULL, 0, NI_NUMERICHOST);
	if (!tcp->link.remark &&
		asprintf(&tcp->link.remark,
			_("%s: refused a second connection, from %s, while an instrument is connected; give each "
			  "instrument a port of its own"),
			tcp->link.port->text, host) < 0)
		tcp->link.remark = NULL;
}

static int listener_read(struct link *link, uint8_t *data, size_t size, long until_ms, struct fault *fault)
{
	struct tcp_link *tcp = (struct tcp_link *)link;
	for (;;) {
		struct pollfd waits[] = { { 0 }, { .fd = tcp->listener, .events = POLLIN },
			{ .fd = tcp->fd, .events = POLLIN } };
		int ready = link_wait_any(link, waits, 3, until_ms);
		if (ready <= 0)
			return ready;
		if (waits[2].revents)
			return link_read_fd(link, tcp->fd, data, size, until_ms, fault);
		welcome(tcp);
		if (tcp->unable && clock_ms() >= until_ms)
			return 0;
	}
}

static int listener_write(struct link *link, const uint8_t *data, size_t length, struct fault *fault)
{
	struct tcp_link *tcp = (struct tcp_link *)link;
	if (tcp->fd < 0)
		welcome(tcp);
	if (tcp->fd < 0)
		return fault_set(fault, ENOTCONN,
			_("%s: no instrument has connected; it must dial this box on port %d"), link->port->text,
			link->port->number);
	return link_write_fd(link, tcp->fd, data, length, fault);
}

static bool listener_connected(const struct link *link)
{
	return ((const struct tcp_link *)link)->fd >= 0;
}

const struct link_kind link_tcp_kind = {
	.size = sizeof(struct tcp_link),
	.prepare = tcp_prepare,
	.open = tcp_open,
	.close = tcp_close,
	.read = tcp_read,
	.write = tcp_write,
};

const struct link_kind link_listener_kind = {
	.size = sizeof(struct tcp_link),
	.prepare = tcp_prepare,
	.discard = listener_discard,
	.open = listener_open,
	.close = tcp_close,
	.connected = listener_connected,
	.read = listener_read,
	.write = listener_write,
};
