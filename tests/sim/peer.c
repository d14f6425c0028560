#include "peer.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* A request whose bytes stop for this long is not continued; a queue this long belongs to a reader who is gone. */
#define STALE_NS    INT64_C(200000000)
#define QUEUE_MAX   (8U << 20)
#define BYTE_GAP_NS INT64_C(1000000)

static void peer_ready(void *context, uint32_t events);
static void peer_flush_timer(void *context);

struct peer *peer_open(int fd, const struct peer_owner *owner)
{
	struct peer *peer = calloc(1, sizeof *peer);

	if (!peer)
		err(1, "no memory for a connection");
	peer->fd = fd;
	peer->owner = owner;
	peer->watch = (struct watch){ peer_ready, peer };
	peer->timer = (struct timer){ .fire = peer_flush_timer, .context = peer };
	loop_watch(fd, EPOLLIN, &peer->watch);
	return peer;
}

static void drop_queue(struct peer *peer)
{
	while (peer->first) {
		struct chunk *chunk = peer->first;
		peer->first = chunk->next;
		free(chunk);
	}
	peer->last = NULL;
	peer->queued = 0;
}

void peer_fall_silent(struct peer *peer)
{
	timer_clear(&peer->timer);
	drop_queue(peer);
	peer->in_length = 0;
}

void peer_close(struct peer *peer)
{
	timer_clear(&peer->timer);
	loop_forget(peer->fd);
	close(peer->fd);
	drop_queue(peer);
	free(peer);
}

static void want_room(struct peer *peer, bool wanted)
{
	if (peer->wants_room == wanted)
		return;
	peer->wants_room = wanted;
	loop_change(peer->fd, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN, &peer->watch);
}

/* How many bytes were taken; what cannot be delivered any more counts as taken, the hang-up is seen when reading. */
static size_t write_some(struct peer *peer, const uint8_t *bytes, size_t length)
{
	ssize_t written = write(peer->fd, bytes, length);

	if (written >= 0)
		return (size_t)written;
	return errno == EAGAIN || errno == EINTR ? 0 : length;
}

static void flush(struct peer *peer)
{
	int64_t now = loop_now_ns();

	while (peer->first) {
		struct chunk *chunk = peer->first;
		int64_t due = chunk->due_ns > peer->next_write_ns ? chunk->due_ns : peer->next_write_ns;
		if (due > now) {
			want_room(peer, false);
			timer_set(&peer->timer, due);
			return;
		}
		size_t wanted = peer->owner->split ? 1 : chunk->length - chunk->sent;
		size_t written = write_some(peer, chunk->bytes + chunk->sent, wanted);
		chunk->sent += written;
		if (written < wanted) {
			want_room(peer, true);
			return;
		}
		if (peer->owner->split)
			peer->next_write_ns = now + BYTE_GAP_NS;
		if (chunk->sent == chunk->length) {
			peer->first = chunk->next;
			peer->queued -= chunk->length;
			free(chunk);
		}
	}
	peer->last = NULL;
	want_room(peer, false);
}

static void peer_flush_timer(void *context)
{
	flush(context);
}

static void queue(struct peer *peer, const uint8_t *bytes, size_t length, int64_t due_ns)
{
	if (peer->queued + length > QUEUE_MAX)
		return;
	struct chunk *chunk = malloc(sizeof *chunk + length);
	if (!chunk)
		err(1, "no memory for an answer of %zu bytes", length);
	*chunk = (struct chunk){ .due_ns = due_ns, .length = length };
	memcpy(chunk->bytes, bytes, length);
	if (peer->last)
		peer->last->next = chunk;
	else
		peer->first = chunk;
	peer->last = chunk;
	peer->queued += length;
}

void peer_send(struct peer *peer, const uint8_t *bytes, size_t length, int64_t delay_ns)
{
	if (length == 0)
		return;
	if (!peer->first && delay_ns == 0 && !peer->owner->split) { /* the usual case, without a copy */
		size_t written = write_some(peer, bytes, length);
		bytes += written;
		length -= written;
		if (length == 0)
			return;
	}
	/* An instrument does one thing after the other: a late answer makes those after it late. */
	int64_t due = loop_now_ns() + delay_ns;
	if (peer->first && due < peer->last_due_ns)
		due = peer->last_due_ns;
	peer->last_due_ns = due;
	queue(peer, bytes, length, due);
	flush(peer);
}

/* Hands over every whole request; drops one byte where none starts. */
static void take_requests(struct peer *peer)
{
	size_t at = 0;

	while (at < peer->in_length) {
		int length = peer->owner->frame(peer->in + at, peer->in_length - at);
		if (length == 0)
			break;
		if (length > 0)
			peer->owner->request(peer->owner->context, peer, peer->in + at, (size_t)length);
		at += length > 0 ? (size_t)length : 1;
	}
	peer->in_length -= at;
	memmove(peer->in, peer->in + at, peer->in_length);
}

static void peer_ready(void *context, uint32_t events)
{
	struct peer *peer = context;

	if (events & EPOLLOUT)
		flush(peer);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	int64_t now = loop_now_ns();
	if (now - peer->last_received_ns > STALE_NS || peer->in_length == PEER_IN_MAX)
		peer->in_length = 0;
	ssize_t length = read(peer->fd, peer->in + peer->in_length, PEER_IN_MAX - peer->in_length);
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (length <= 0) {
		peer->owner->gone(peer->owner->context, peer);
		return;
	}
	peer->last_received_ns = now;
	peer->in_length += (size_t)length;
	take_requests(peer);
}
