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

/* Makes the entry (id, kind, body) of one reading. `body` is the caller's to free. The id is a UUIDv8 derived from what
 * the protocol gives as identity when `reading->repeatable`, else a UUIDv7. Whatever an instrument says can be
 * recorded. */
void record_make(const struct config *config, const struct instrument_config *instrument, const struct maker *maker,
	const struct reading *reading, const struct reception *reception, struct entry *ret);

#endif
