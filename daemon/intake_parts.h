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
	struct quality *quality; /* NULL: controls are nobody's; never without `samples` */
	pthread_mutex_t mutex;   /* of what follows */
	struct config *config;
};

struct intake_told {       /* an event control_missing to be made */
	const char *state; /* "first", "late", "day_over" */
	long samples;
	char item[QUALITY_ITEM_MAX], day[DAY_MAX], first[ENTRY_ID_MAX];
	char control[ENTRY_ID_MAX]; /* "late": which one */
	int64_t control_ms;
};

struct intake_quality { /* series as the batch has them */
	struct intake_series {
		struct series series;
		const struct entry *entry; /* changed last by it; NULL: not changed */
		size_t begun;              /* counting began with told[begun - 1]; 0: before this batch */
	} * list;
	size_t count;
	struct intake_told *told;
	size_t told_count;
	bool within, changed;
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
	struct intake_quality quality;
	size_t told; /* records and scans; what is told of them stands behind */
	size_t count;
	struct entry entries[];
};

/* intake.c */

struct config *intake_config(struct intake *intake); /* as it is now, held: config_release() */

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
int64_t intake_retest_window(struct intake *intake); /* of the configuration now */
int intake_sweep_retests(struct intake *intake, struct fault *fault);

/* intake_quality.c */

/* Which controls the record `index` of the batch was measured under; or it is one, and others will be. */
int intake_match_quality(struct intake_batch *batch, size_t index, const struct draft *draft, const struct entry *entry,
	struct tied *ret, struct fault *fault);
/* The events of what changed, behind everything else so far. */
void intake_tell_quality(struct intake_batch *batch);
int intake_write_quality(const struct intake_batch *batch, struct db *db, struct fault *fault);
void intake_quality_free(struct intake_batch *batch);
int intake_sweep_quality(struct intake *intake, struct fault *fault);

/* intake_samples.c, again */

/* Registers what was scanned and binds it to the instruments the scanner names. */
void intake_make_scans(struct intake_batch *batch);

#endif
