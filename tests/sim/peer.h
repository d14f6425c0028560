/* A peer: one open conversation, over the pty or an accepted TCP connection. Bytes wait here until a request is whole,
 * and answers until they are due and the other side takes them. */
#ifndef SIM_PEER_H
#define SIM_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"

struct peer;

struct peer_owner { /* what the line does for its peers */
	/* Length of the request at `data`, 0 for more, -1 to drop a byte. */
	int (*frame)(const uint8_t *data, size_t length);
	void (*request)(void *context, struct peer *peer, const uint8_t *data, size_t length);
	void (*gone)(void *context, struct peer *peer); /* hung up; the owner closes it */
	void *context;
	bool split; /* send one byte a millisecond */
};

enum { PEER_IN_MAX = 1024 };

struct chunk {
	struct chunk *next;
	int64_t due_ns;
	size_t length, sent;
	uint8_t bytes[];
};

struct peer {
	int fd;
	const struct peer_owner *owner;
	struct peer *next, *previous; /* the owner's list */
	struct watch watch;
	struct timer timer; /* the next write that has to wait */
	bool wants_room;    /* EPOLLOUT is on */
	int64_t last_received_ns, last_due_ns, next_write_ns;
	struct chunk *first, *last;
	size_t queued;
	size_t in_length;
	uint8_t in[PEER_IN_MAX];
};

struct peer *peer_open(int fd, const struct peer_owner *owner); /* takes the descriptor over */
void peer_close(struct peer *peer);

/* Nothing that waits is sent, and a request begun is not continued: the instrument lost its power. */
void peer_fall_silent(struct peer *peer);

/* Sends no earlier than after `delay_ns`, and never before what was given earlier. */
void peer_send(struct peer *peer, const uint8_t *bytes, size_t length, int64_t delay_ns);

#endif
