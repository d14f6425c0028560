/* The station's signing key: a file of the journal's directory that is made at the first start, or one that is given.
 *
 * The private part never leaves the file (mode 0600, the daemon's user); a file others could read is refused, because
 * what it signs would prove nothing. A damaged one is refused too, never replaced: seals made with another key would
 * look like another station's.
 */
#ifndef ASSAYD_KEY_H
#define ASSAYD_KEY_H

#include <sys/types.h>

#include "digest.h"

/* Reads `given` (a path, or the name of a systemd credential) or, where that is "", DIRECTORY/seal-ed25519.key or
 * seal-sm2.key by `kind`, which is made when it is missing. */
int key_open(const char *directory, const char *given, enum signature_kind kind, struct signature_key **ret,
	struct fault *fault);

/* Whether key_open() would take it, run as `user`: nothing is made. 0 where there is none yet, or where whoever asks
 * may not look. */
int key_check(const char *directory, const char *given, enum signature_kind kind, uid_t user, struct fault *fault);

#endif
