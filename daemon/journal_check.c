#include "journal_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct walk {
	struct chain before; /* the entry last seen */
	bool anchored;       /* `before.hash` is known */
	uint64_t expected, to, bad;
	struct chain head; /* as the journal recorded it */
	const char *why;
};

/* The payload's own link, so that what is checked is what was published. */
static bool links_to(const struct stored *stored, enum digest_kind digest, const uint8_t hash[static DIGEST_SIZE])
{
	char link[DIGEST_TEXT_MAX + 10] = "\"prev\":\"", *at = link + 8;
	digest_text(digest, hash, at);
	strcat(at, "\"");
	return memmem(stored->payload, stored->length < HEAD_MAX ? stored->length : HEAD_MAX, link, strlen(link)) !=
	       NULL;
}

static int check_one(void *context, const struct stored *stored)
{
	struct walk *walk = context;
	if (stored->seq != walk->expected)
		walk->why = N_("is missing");
	else if (walk->anchored && !links_to(stored, walk->head.digest, walk->before.hash))
		walk->why = N_("does not carry the digest of the entry before it");
	walk->before.seq = stored->seq;
	digest_of(walk->head.digest, stored->payload, stored->length, walk->before.hash);
	walk->anchored = true;
	if (!walk->why && stored->seq == walk->head.seq && memcmp(walk->before.hash, walk->head.hash, DIGEST_SIZE) != 0)
		walk->why = N_("is not what the journal's head says");
	if (walk->why) {
		walk->bad = walk->expected;
		return 1;
	}
	walk->expected++;
	return walk->expected > walk->to;
}

int journal_check_chain(
	struct journal_reader *reader, uint64_t from, uint64_t to, uint64_t *ret_bad, struct fault *fault)
{
	struct walk walk = { .expected = from > 1 ? from - 1 : 1 };
	int error = reader_stored_head(reader, &walk.head, fault);
	if (error)
		return error;
	walk.to = to && to < walk.head.seq ? to : walk.head.seq;
	walk.anchored = walk.expected == 1; /* the first entry carries 64 zeros */
	uint64_t pruned;
	error = reader_pruned(reader, &pruned, fault);
	if (error)
		return error;
	if (walk.expected <= pruned) { /* that was removed after its time; the first that is kept tells its digest */
		walk.expected = pruned + 1;
		walk.anchored = false;
	}
	while (walk.expected <= walk.to) {
		long count = journal_read(reader, walk.expected, walk.to - walk.expected + 1, check_one, &walk, fault);
		if (count < 0)
			return (int)count;
		if (count == 0 && !walk.why) {
			walk.why = N_("is missing");
			walk.bad = walk.expected;
		}
		if (walk.why) {
			if (ret_bad)
				*ret_bad = walk.bad;
			return fault_set(
				fault, EUCLEAN, _("the chain is broken: entry %" PRIu64 " %s"), walk.bad, _(walk.why));
		}
	}
	return 0;
}
