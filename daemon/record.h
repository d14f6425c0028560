/* The record, version 1: one finished test of one item in one channel, in the county's vocabulary.
 *
 * A record is made of what the instrument said (struct reading), what the station configured, and what the judge
 * derives; nothing else, and what nobody said is absent. Its JSON members and their meaning are the contract of
 * config/contract/record.schema.json. The journal adds the head (v, id, station, epoch, seq, prev).
 */
#ifndef ASSAYD_RECORD_H
#define ASSAYD_RECORD_H

#include "config.h"
#include "journal.h"
#include "quality.h"
#include "skew.h"

struct reception {           /* when and how well we know it */
	int64_t received_ms; /* wall clock, Unix ms */
	bool clock_synced;
	int64_t up_ms;          /* since the box was started, where its clock was not synchronised; 0: not said */
	struct skew_known skew; /* of the instrument's clock, as known then */
};

/* What somebody registered about the sample. Where instrument and registration say the same thing differently, the
 * record's sample is the instrument's alone, flagged sample_disagrees, and the registration stands beside it whole:
 * two samples are never mixed. */
struct registered {
	const char *by; /* "scanner", "register" */
	const struct sample_facts *facts;
};

/* The ids and kind of the entry of one reading: a UUIDv8 derived from what the protocol gives as identity when
 * `reading->repeatable`, with those it may have got when less was known or the station had a `former` code (may be
 * NULL), else a UUIDv7. */
void record_identify(const struct config *config, const struct former_codes *former,
	const struct instrument_config *instrument, const struct maker *maker, const struct reading *reading,
	const struct reception *reception, struct entry *ret);

/* A record judged but not written yet: whether it is a retest depends on what it means. `registered` may be NULL.
 * Everything given must stay until it is written. */
struct draft;
struct judgement;
struct draft *record_draft(const struct config *config, const struct instrument_config *instrument,
	const struct maker *maker, const struct reading *reading, const struct reception *reception,
	const struct registered *registered);
const struct judgement *record_judgement(const struct draft *draft);
const struct reading *record_reading(const struct draft *draft); /* with what only the registration says */
bool record_is_registered(const struct draft *draft);            /* the sample is one somebody registered */

struct repeat { /* the how manyth test of its sample and item */
	int test_seq;
	char of[ENTRY_ID_MAX]; /* the first one's id; "" for the first */
};

/* Makes the body of an entry that was identified, and frees the draft. The body is the caller's to free. Whatever an
 * instrument says can be recorded. `repeat` may be NULL: the first. So may `tied`: nobody knows of controls. */
void record_write(struct draft *draft, const struct repeat *repeat, const struct tied *tied, struct entry *entry);
/* Both at once, for a first test. */
void record_make(const struct config *config, const struct instrument_config *instrument, const struct maker *maker,
	const struct reading *reading, const struct reception *reception, const struct registered *registered,
	struct entry *entry);

/* Writes limit, verdict and rule of a record anew; its flags are the caller's. */
struct json;
void record_put_judgement(struct json *record, const struct judgement *judgement);
/* The same for what the sample is of. */
void record_put_commodity(struct json *record, const struct judgement *judgement);

#endif
