/* A client of the control socket that records an instrument's line; for control.c only.
 *
 *     {"command":"capture","instrument":"pr-1"}
 *
 * is answered with the head of the capture, {"instrument":..,"driver":..,"wire":..}, then a line for everything that
 * passes: {"at_us":N,"dir":"<","hex":"7e11"}, {"at_us":N,"note":"opened"}, {"at_us":N,"results":1} for what was stored,
 * {"at_us":N,"dropped":2,"bytes":40} for what the client was too slow for. It ends when either side goes.
 *
 * Sending never waits: what the client does not take stays in the tap, and what finds no room there is counted.
 */
#ifndef ASSAYD_CONTROL_TAP_H
#define ASSAYD_CONTROL_TAP_H

#include "room.h"

struct recording { /* zeroed: none */
	struct tap *tap;
	char *line; /* being sent */
	size_t at, length;
};

int recording_start(struct room *room, const struct json *request, struct recording *recording, struct fault *fault);
void recording_stop(struct recording *recording); /* none is fine */

/* What to wait for on the client's socket, and whether on the tap. */
short recording_events(const struct recording *recording);
int recording_fd(const struct recording *recording); /* -1: nothing can be sent just now, or there is none */

/* Sends what there is as far as the socket takes it. 0, or -1 when one of both sides has gone. */
int recording_send(struct recording *recording, int fd);

#endif
