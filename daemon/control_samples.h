/* What the control socket does about samples: registering them, and listing those that are.
 *
 *     {"command":"register","samples":[{"no":"20260305-017","name":"..."}],"next":"pr-1","results":1,"lifetime_ms":1800000,
 *      "queue":true}                                 {"registered":1}
 *     {"command":"samples","last":20}                one line each
 *
 * The control thread calls.
 */
#ifndef ASSAYD_CONTROL_SAMPLES_H
#define ASSAYD_CONTROL_SAMPLES_H

#include "room.h"

/* The answer, to be freed; NULL and a fault. */
struct json *control_register(struct room *room, const struct json *request, struct fault *fault);
/* What the station does with identity numbers in what people write. */
enum identity_rule control_identity_rule(struct room *room);
struct json *control_samples(struct room *room, const struct json *request, struct fault *fault); /* an array */

/* Whether it is an instrument that has results. */
int control_check_instrument(const struct config *config, const char *id, struct fault *fault);

#endif
