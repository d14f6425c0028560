/* The parts of intake, for daemon/intake*.c only. */
#ifndef ASSAYD_INTAKE_PARTS_H
#define ASSAYD_INTAKE_PARTS_H

#include <pthread.h>

#include "intake.h"
#include "record.h"
#include "samples.h"

struct intake {
	struct journal *journal;
	struct samples *samples; /* NULL: nothing is registered */
	struct retests *retests; /* NULL: each test stands alone; never without `samples` */
	pthread_mutex_t mutex;   /* of what follows */
	struct config *config;
};

struct intake_batch {
	struct intake *intake;
	struct config *config; /* held */
	const struct instrument_config *from;
	const struct instrument *instrument;
	const struct readings *readings;
	struct reception reception;
	bool made; /* the entries and what goes with them */
	bool holds;
	struct sample_changes changes;
	struct retest_changes retests;
	size_t told; /* records and scans; what is told of them stands behind */
	size_t count;
	struct entry entries[];
};

/* intake_samples.c */

/* Makes the records of a batch, each with the sample that is registered for it. */
int intake_make_records(struct intake_batch *batch, struct fault *fault);
/* Whether the record is in the journal, or stands earlier in the batch: 1, 0, -errno. */
int intake_is_known(const struct intake_batch *batch, const struct reading *reading, const struct entry *entry,
	struct fault *fault);

/* intake_retests.c */

/* Which test of its sample the record is, and what that changes. */
int intake_match_retest(struct intake_batch *batch, const struct draft *draft, const struct entry *entry,
	struct repeat *ret, struct fault *fault);
/* An event for each group that has changed, behind everything else so far. */
void intake_tell_retests(struct intake_batch *batch);
/* A journal_beside: writes the batch's changes. */
int intake_write_retests(void *batch, struct db *db, struct fault *fault);
int64_t intake_retest_window(struct intake *intake); /* of the configuration now */
int intake_sweep_retests(struct intake *intake, struct fault *fault);

/* intake_samples.c, again */

/* Registers what was scanned and binds it to the instruments the scanner names. */
void intake_make_scans(struct intake_batch *batch);

#endif
