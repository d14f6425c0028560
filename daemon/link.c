#include "link_kind.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

#define BEAT_MS  1000 /* no wait is longer without a sign of life */
#define WRITE_MS 5000 /* the kernel takes a request at once; a line that does not for this long is broken */

static const struct link_kind *const kinds[] = {
	[PORT_SERIAL] = &link_serial_kind,
	[PORT_TCP] = &link_tcp_kind,
	[PORT_TCP_LISTEN] = &link_listener_kind,
	[PORT_MODBUS_TCP] = &link_modbus_kind,
	[PORT_MODBUS_RTU] = &link_modbus_kind,
	[PORT_REPLAY] = &link_replay_kind,
	[PORT_FOLDER] = &link_folder_kind,
};

int link_new(const struct port *port, int stop_fd, struct link **ret, struct fault *fault)
{
	const struct link_kind *kind = kinds[port->kind];
	struct link *link = calloc(1, kind->size);
	if (!link)
		return fault_set(fault, ENOMEM, _("%s: out of memory"), port->text);
	link->kind = kind;
	link->port = port;
	link->stop_fd = stop_fd;
	pthread_mutex_init(&link->tap_lock, NULL);
	int error = kind->prepare ? kind->prepare(link, fault) : 0;
	if (error < 0) {
		link_free(link);
		return error;
	}
	*ret = link;
	return 0;
}

void link_free(struct link *link)
{
	if (!link)
		return;
	link_close(link);
	if (link->kind->discard)
		link->kind->discard(link);
	free(link->remark);
	if (link->tap)
		tap_end(link->tap);
	tap_release(link->tap);
	pthread_mutex_destroy(&link->tap_lock);
	free(link);
}

/* --- what passes, for whoever records it -------------------------------------------------------------------------- */

int link_tap(struct link *link, struct tap *tap, struct fault *fault)
{
	pthread_mutex_lock(&link->tap_lock);
	bool busy = link->tap && !tap_is_closed(link->tap);
	if (!busy) {
		tap_release(link->tap);
		link->tap = tap_hold(tap);
		link->tapped = true;
	}
	pthread_mutex_unlock(&link->tap_lock);
	return busy ? fault_set(fault, EBUSY, _("%s is being recorded already; end that first"), link->port->text) : 0;
}

/* The tap, locked, if this is for it; NULL and nothing locked otherwise. */
static struct tap *lock_tap(struct link *link, int unit)
{
	if (!atomic_load_explicit(&link->tapped, memory_order_relaxed)) /* nearly always */
		return NULL;
	pthread_mutex_lock(&link->tap_lock);
	if (link->tap && tap_is_closed(link->tap)) {
		tap_release(link->tap);
		link->tap = NULL;
		link->tapped = false;
	}
	if (link->tap && (!unit || !tap_unit(link->tap) || tap_unit(link->tap) == unit))
		return link->tap;
	pthread_mutex_unlock(&link->tap_lock);
	return NULL;
}

void link_tell(struct link *link, int unit, enum tap_kind kind, const void *bytes, size_t length)
{
	struct tap *tap = lock_tap(link, unit);
	if (!tap)
		return;
	tap_put(tap, kind, bytes, length);
	pthread_mutex_unlock(&link->tap_lock);
}

void link_tell_note(struct link *link, int unit, const char *format, ...)
{
	struct tap *tap = lock_tap(link, unit);
	if (!tap)
		return;
	char note[TAP_BYTES_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(note, sizeof(note), format, args);
	va_end(args);
	tap_put(tap, TAP_NOTE, note, strlen(note));
	pthread_mutex_unlock(&link->tap_lock);
}

void link_tell_results(struct link *link, unsigned long count)
{
	struct tap *tap = lock_tap(link, 0);
	if (!tap)
		return;
	tap_results(tap, count);
	pthread_mutex_unlock(&link->tap_lock);
}

/* --- opening, reading, writing -------------------------------------------------------------------------------------
 */

void link_set_beat(struct link *link, _Atomic unsigned long *beat)
{
	link->beat = beat;
}

int link_open(struct link *link, struct fault *fault)
{
	link_close(link);
	int error = link->kind->open(link, fault);
	link->open = error >= 0;
	link_tell_note(link, 0, "%s", link->open ? "opened" : "cannot be opened");
	return error < 0 ? error : 0;
}

void link_close(struct link *link)
{
	if (link->open)
		link->kind->close(link);
	link->open = false;
}

bool link_is_open(const struct link *link)
{
	return link->open;
}

bool link_is_connected(const struct link *link)
{
	return link->open && (!link->kind->connected || link->kind->connected(link));
}

size_t link_unasked(struct link *link)
{
	size_t unasked = link->unasked;
	link->unasked = 0;
	return unasked;
}

bool link_remark(struct link *link, struct fault *out)
{
	if (!link->remark)
		return false;
	fault_set(out, 0, "%s", link->remark);
	free(link->remark);
	link->remark = NULL;
	return true;
}

static int not_open(const struct link *link, struct fault *fault)
{
	return fault_set(fault, ENOTCONN, _("%s is not open"), link->port->text);
}

int link_read(struct link *link, uint8_t *data, size_t size, int timeout_ms, struct fault *fault)
{
	if (!link->open)
		return not_open(link, fault);
	if (!link->kind->read)
		return fault_set(fault, ENOTSUP, _("%s carries registers, not bytes"), link->port->text);
	int got = link->kind->read(link, data, size, clock_ms() + timeout_ms, fault);
	if (got > 0)
		link_tell(link, 0, TAP_RECEIVED, data, (size_t)got);
	else if (got < 0 && got != -ECANCELED)
		link_tell_note(link, 0, "lost");
	return got;
}

int link_write(struct link *link, const uint8_t *data, size_t length, struct fault *fault)
{
	if (!link->open)
		return not_open(link, fault);
	if (!link->kind->write)
		return fault_set(fault, ENOTSUP, _("%s carries registers, not bytes"), link->port->text);
	link_tell(link, 0, TAP_SENT, data, length); /* before: the answer must not stand above it */
	int error = link->kind->write(link, data, length, fault);
	if (error < 0 && error != -ECANCELED)
		link_tell_note(link, 0, "not sent");
	return error;
}

int link_exchange(struct link *link, int unit, const struct request *request, int timeout_ms, struct reply *reply,
	uint16_t *registers, uint8_t *bytes, struct fault *fault)
{
	if (!link->open)
		return not_open(link, fault);
	if (!link->kind->exchange)
		return fault_set(fault, ENOTSUP,
			_("%s carries bytes, not registers; a Modbus instrument needs modbus-rtu: or modbus-tcp:"),
			link->port->text);
	return link->kind->exchange(link, unit, request, timeout_ms, reply, registers, bytes, fault);
}

int link_quarantine(struct link *link, int lateness_ms, struct fault *fault)
{
	if (link->kind->quarantine)
		return link->kind->quarantine(link, lateness_ms, fault);
	link_close(link);
	int error = link_pause(link, lateness_ms);
	return error < 0 ? error : link_open(link, fault);
}

int link_pause(struct link *link, int ms)
{
	return link_wait(link, -1, 0, clock_ms() + ms);
}

int link_wait_any(struct link *link, struct pollfd *waits, nfds_t count, long until_ms)
{
	waits[0] = (struct pollfd){ .fd = link->stop_fd, .events = POLLIN };
	for (;;) {
		long left = until_ms - clock_ms();
		left = left < 0 ? 0 : left > BEAT_MS ? BEAT_MS : left;
		int ready = poll(waits, count, (int)left);
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (ready > 0 && waits[0].revents)
			return -ECANCELED;
		if (link->beat)
			atomic_fetch_add_explicit(link->beat, 1, memory_order_relaxed);
		if (ready > 0)
			return ready;
		if (clock_ms() >= until_ms)
			return 0;
	}
}

int link_wait(struct link *link, int fd, short events, long until_ms)
{
	struct pollfd waits[2] = { [1] = { .fd = fd, .events = events } };
	int ready = link_wait_any(link, waits, fd < 0 ? 1 : 2, until_ms);
	return ready > 0 ? waits[1].revents : ready;
}

int link_lost(const struct link *link, int error, struct fault *fault)
{
	if (error && error != EIO && error != ENOTCONN)
		return fault_set(fault, ENOTCONN, _("%s: connection lost: %s"), link->port->text, strerror(error));
	return fault_set(fault, ENOTCONN, _("%s: connection lost: unplugged, switched off or closed by the other side"),
		link->port->text);
}

int link_read_fd(struct link *link, int fd, uint8_t *data, size_t size, long until_ms, struct fault *fault)
{
	for (;;) {
		int events = link_wait(link, fd, POLLIN, until_ms);
		if (events == 0 || events == -ECANCELED)
			return events;
		if (events < 0)
			return fault_set(fault, -events, "%s: %s", link->port->text, strerror(-events));
		/* What came before a hang-up is read first. After it, read() gives 0 or EIO for ever: never ask twice.
		 */
		if (!(events & POLLIN))
			return link_lost(link, 0, fault);
		ssize_t got = read(fd, data, size);
		if (got > 0)
			return (int)got;
		if (got == 0)
			return link_lost(link, 0, fault);
		if (errno != EAGAIN && errno != EINTR)
			return link_lost(link, errno, fault);
	}
}

/* A socket whose peer is gone must give an error, not a signal; terminals know no send(). */
static ssize_t put(int fd, const uint8_t *data, size_t length)
{
	ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
	return sent < 0 && errno == ENOTSOCK ? write(fd, data, length) : sent;
}

int link_write_fd(struct link *link, int fd, const uint8_t *data, size_t length, struct fault *fault)
{
	long until_ms = clock_ms() + WRITE_MS;
	while (length > 0) {
		ssize_t sent = put(fd, data, length);
		if (sent > 0) {
			data += sent;
			length -= (size_t)sent;
			continue;
		}
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return link_lost(link, errno, fault);
		int events = link_wait(link, fd, POLLOUT, until_ms);
		if (events == -ECANCELED)
			return events;
		if (events <= 0)
			return fault_set(fault, ETIMEDOUT, _("%s takes no bytes; is flow control holding the line?"),
				link->port->text);
		if (!(events & POLLOUT))
			return link_lost(link, 0, fault);
	}
	return 0;
}
