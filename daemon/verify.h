/* Verifying an export or a platform's copy: what was changed, is missing, was
 * put in, or is proven by nothing.
 *
 * Lines are the bytes as published (config/contract/evidence.md), from any
 * number of files, in any order and more than once unless the file says that it
 * is an export. Entries are not parsed beyond their head: their digest proves
 * the rest. Each takes about a hundred bytes of memory, whatever its length.
 * One thread.
 */
#ifndef ASSAYD_VERIFY_H
#define ASSAYD_VERIFY_H

#include "seal.h"

enum verify_kind {
	VERIFY_EDITED,    /* the bytes are not what was sealed */
	VERIFY_MISSING,   /* a hole */
	VERIFY_INSERTED,  /* another entry of the same number or identity */
	VERIFY_REORDERED, /* an export is in order */
	VERIFY_TRUNCATED, /* the end of what was said to be there */
	VERIFY_UNSEALED,  /* no seal covers it: nothing proves it */
	VERIFY_SEAL,      /* a seal or a manifest that is not the station's */
	VERIFY_FOREIGN,   /* another station's */
	VERIFY_UNKNOWN,   /* a line that is none of ours */
	VERIFY_FORKED,    /* the station signed two histories */
	VERIFY_EMPTY,     /* no entry at all: nothing to judge */
	VERIFY_HEAD,      /* an export's first line says what its entries do not */
};

const char *verify_kind_name(enum verify_kind kind); /* "edited" ..., for machines */

struct verify_fault {
	enum verify_kind kind;
	const char *file; /* NULL: none in particular */
	uint64_t line;    /* 0: none */
	uint64_t seq;     /* 0: none */
	const char *text;
};

struct verify_epoch { /* what there is of one journal */
	const char *epoch, *station;
	uint64_t first, last, entries, repeated, seals, manifests;
	uint64_t sealed; /* proven up to there; 0: nothing is */
};

struct verify;
/* `station` may be NULL. The callbacks come in the order in which things are
 * found. */
struct verify *verify_new(const char *station, void (*fault)(void *context, const struct verify_fault *),
	void (*epoch)(void *context, const struct verify_epoch *), void *context);
void verify_free(struct verify *verify);

/* A public key seals are checked with; takes it over. */
void verify_trust(struct verify *verify, struct signature_key *key);
/* Without a key of yours: what an export says its station's keys are is
 * believed. */
bool verify_believes_exports(const struct verify *verify);

int verify_read(struct verify *verify, int fd, const char *name, struct fault *fault);
/* When everything is read: true when there are entries, nothing is wrong, and every entry is
 * proven. */
bool verify_judge(struct verify *verify);
uint64_t verify_faults(const struct verify *verify);

#endif
