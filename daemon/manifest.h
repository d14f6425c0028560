/* The day's manifest: what a station recorded on one local day, counted, digested and signed.
 *
 * It covers a run of entries without a hole that were received on one day by the station's clock: on a day on which
 * that clock was set there may be several. What is signed is a text that does not depend on how the JSON is written;
 * config/contract/evidence.md describes it.
 */
#ifndef ASSAYD_MANIFEST_H
#define ASSAYD_MANIFEST_H

#include <stdatomic.h>

#include "journal.h"
#include "json.h"

/* --- the document; pure, any thread may call --- */

/* The signed text of a manifest, `alg` and `key` included; free() it. NULL: a member is missing or of another type. */
char *manifest_text(const struct json *manifest);
/* Puts alg, key and sig. */
void manifest_sign(struct json *manifest, const struct signature_key *key);
bool manifest_is_right(const struct json *manifest, const struct signature_key *key);

/* --- making them; one thread --- */

struct manifester;
int manifester_new(
	struct journal *journal, const struct signature_key *key, struct manifester **ret, struct fault *fault);
void manifester_free(struct manifester *manifester); /* NULL is fine */

/* Makes the manifest of every day that is over. Counts `beat` on, and gives up early when `stop` is set. */
int manifester_turn(
	struct manifester *manifester, const _Atomic bool *stop, _Atomic unsigned long *beat, struct fault *fault);

#endif
