/* What proves the entries of a damaged journal, kept with those that are salvaged.
 *
 * A seal is kept when it names the digest of an entry that is kept, and its signature is right: one that was damaged
 * would look like a forgery. Where there are very many, as many as it takes for the evidence of one record to stay
 * short. Manifests are kept when their signature is right. Nothing is sealed anew: what no seal covered when the file
 * was damaged nobody can vouch for, and it is counted.
 *
 * Used by journal_salvage.c; one thread at a time.
 */
#ifndef ASSAYD_JOURNAL_PROOFS_H
#define ASSAYD_JOURNAL_PROOFS_H

#include "journal_carve.h"
#include "salvage.h"

enum { PROOF_KEYS = 8 };

struct proof_key {
	int64_t number; /* in the damaged file; 0: given by the caller */
	struct signature_key *key;
	bool used;
};

struct proofs {
	struct carve *carve;
	struct salvage *result;
	const char *epoch;
	struct db *db;
	struct db_query *put_seal, *put_key, *put_manifest, *put_parked;
	struct proof_key keys[PROOF_KEYS];
	size_t key_count;
	size_t seal_at;    /* the first place of a seal not above the entry at hand */
	size_t parked_at;  /* likewise */
	uint64_t held_to;  /* where the island of that parked entry ends */
	uint64_t entry;    /* the one kept last; they come from the highest down */
	bool covered;      /* by a seal above it in the same run */
	uint64_t seal;     /* kept last; 0: none */
	uint64_t manifest; /* likewise */
};

struct proof_subject { /* an entry that is kept */
	uint64_t seq;
	const char *station;
	enum digest_kind digest;
	const uint8_t *hash;
};

/* `key` may be NULL: the station's, where the damaged file lost it. Everything is written to `db`. */
int proofs_begin(struct proofs *proofs, struct carve *carve, const struct signature_key *key, struct db *db,
	struct salvage *result, struct fault *fault);
void proofs_end(struct proofs *proofs);

/* Whether a target refused an entry, so that it was kept below those that were removed, or it proves such a one. Asked
 * from the highest down. */
bool proofs_hold(struct proofs *proofs, uint64_t seq);
void proofs_hold_anew(struct proofs *proofs); /* from the highest down again */
/* An entry is kept, the next below the one before. What was carved last is overwritten. */
int proofs_entry(struct proofs *proofs, const struct proof_subject *subject, struct fault *fault);
/* When all are: manifests, keys, and what was refused. */
int proofs_finish(struct proofs *proofs, struct fault *fault);

#endif
