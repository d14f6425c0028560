/* A publisher: one thread per target that carries the journal to a broker and keeps the target's cursor.
 *
 * It is the only thread that calls the MQTT library for its target. Delivered means acknowledged by the broker (or,
 * where receipts are required, covered by the platform's receipt); what was in flight when a link broke is read from
 * the journal and sent again with the same bytes.
 */
#ifndef ASSAYD_PUBLISHER_H
#define ASSAYD_PUBLISHER_H

#include <stdatomic.h>

#include "config.h"
#include "journal.h"

enum publisher_state { PUBLISHER_DOWN, PUBLISHER_CONNECTING, PUBLISHER_UP };

struct publisher_stats {                    /* written by the publisher, read by anyone */
	_Atomic int state;                  /* enum publisher_state */
	_Atomic unsigned long long through; /* everything up to this sequence number is delivered */
	_Atomic unsigned long published, acknowledged, refused, connects, losses;
	_Atomic unsigned long requests, receipts; /* from the platform: all it asked, and what was believed */
	_Atomic unsigned long requests_refused;   /* of both */
};

struct publisher;

/* `status` makes the payload of the retained status topic (free()d by the publisher); it may be called from the
 * publisher's thread at any time. */
int publisher_start(struct config *config, const struct target_config *target, struct journal *journal,
	char *(*status)(void *context), void *context, struct publisher **ret, struct fault *fault);
/* Publishes status online:false, disconnects, joins, frees; within 3 s. NULL is fine. */
void publisher_stop(struct publisher *publisher);

const struct target_config *publisher_target(const struct publisher *publisher);
const struct publisher_stats *publisher_stats(const struct publisher *publisher);
void publisher_fault(struct publisher *publisher, struct fault *out); /* why it is down; "" when up. Any thread */
unsigned long publisher_beat(const struct publisher *publisher);
/* Sends again what of `first`..`last` was refused, of the present journal and of salvaged ones; of a single one of
 * those where `target` says "NAME/EPOCH" instead of the target's name or NULL. What was asked before is done first;
 * false: too much of that is left. Any thread */
bool publisher_retry(struct publisher *publisher, const char *target, uint64_t first, uint64_t last);
/* Sends the entries `first`..`last` again, some at a time, at the pace of a replay; replaces what it was asked before
 * and has not begun. Any thread */
void publisher_resend(struct publisher *publisher, uint64_t first, uint64_t last);
bool publisher_resends(struct publisher *publisher);        /* some are not begun yet. Any thread */
void publisher_status_changed(struct publisher *publisher); /* publish the status soon. Any thread */

#endif
