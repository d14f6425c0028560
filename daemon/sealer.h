/* The sealer: one thread that signs the head of the chain at most a second after it moved, and closes each day with a
 * manifest. Records never wait for it.
 */
#ifndef ASSAYD_SEALER_H
#define ASSAYD_SEALER_H

#include "journal.h"

struct sealer;

/* Takes `key` over, also when it fails. `journal` must know it (journal_key). */
int sealer_start(struct journal *journal, struct signature_key *key, struct sealer **ret, struct fault *fault);
void sealer_stop(struct sealer *sealer); /* seals what is there, joins, frees; NULL is fine */

void sealer_seal(struct sealer *sealer); /* now, what is durable by now. Any thread */
const char *sealer_key_id(const struct sealer *sealer);
unsigned long sealer_beat(const struct sealer *sealer);

#endif
