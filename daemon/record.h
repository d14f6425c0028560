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

struct reception {           /* when and how well we know it */
	int64_t received_ms; /* wall clock, Unix ms */
	bool clock_synced;
};

/* What somebody registered about the sample. Where instrument and registration say the same thing differently, the
 * record's sample is the instrument's alone, flagged sample_disagrees, and the registration stands beside it whole:
 * two samples are never mixed. */
struct registered {
	const char *by; /* "scanner", "register" */
	const struct sample_facts *facts;
};

/* The id and kind of the entry of one reading: a UUIDv8 derived from what the protocol gives as identity when
 * `reading->repeatable`, else a UUIDv7. */
void record_identify(const struct config *config, const struct instrument_config *instrument, const struct maker *maker,
	const struct reading *reading, const struct reception *reception, struct entry *ret);

/* Makes the body of an entry that was identified. It is the caller's to free. Whatever an instrument says can be
 * recorded. `registered` may be NULL. */
void record_make(const struct config *config, const struct instrument_config *instrument, const struct maker *maker,
	const struct reading *reading, const struct reception *reception, const struct registered *registered,
	struct entry *entry);

#endif
