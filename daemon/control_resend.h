/* What the control socket does about sending again what is stored: what a target refused, and anything else.
 *
 *     {"command":"retry","seq":17,"target":"county"}              without "seq": all that was refused
 *     {"command":"resend","from":3,"to":7,"target":"county"}      without "to": to the last entry
 *
 * Without "target" every one is meant. What was refused of a salvaged epoch is tried again as well, that alone with
 * "county/EPOCH", as `parked` lists it. The answers: {"retrying":1} and {"resending":5,"from":3,"to":7}; "away":2 where
 * of so many more the salvaged journal is not beside ours. The control thread calls.
 */
#ifndef ASSAYD_CONTROL_RESEND_H
#define ASSAYD_CONTROL_RESEND_H

#include "room.h"

/* The answer, or NULL and why. */
struct json *control_retry(
	struct room *room, struct journal_reader *reader, const struct json *request, struct fault *fault);
struct json *control_resend(
	struct room *room, struct journal_reader *reader, const struct json *request, struct fault *fault);

#endif
