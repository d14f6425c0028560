/* The files that hold the station's secrets: its signing key, its TLS keys, its passwords. Each is for the user assayd
 * runs as alone, or is root's and for that user's group to read.
 *
 * That user is taken to be the owner of the journal's directory, so that root can ask too. Any thread may call.
 */
#ifndef ASSAYD_SECRETS_H
#define ASSAYD_SECRETS_H

#include <stdbool.h>

#include "config.h"

/* Whether others than assayd can read or change a file; what is not there or cannot be looked at is not said to be. */
bool secrets_loose(const struct config *config, const char *path, struct fault *ret);

/* Calls `each` for everything about them that is not as it should be; `refused`: assayd does not start like this.
 * `loaded`: the configuration was just loaded, which warned of files that everybody can read. */
void secrets_examine(const struct config *config, bool loaded,
	void (*each)(void *context, bool refused, const char *text), void *context);

#endif
