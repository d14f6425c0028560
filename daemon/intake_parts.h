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
	size_t count;
	struct entry entries[];
};

/* intake_samples.c */

/* Makes the records of a batch, each with the sample that is registered for it. */
int intake_make_records(struct intake_batch *batch, struct fault *fault);
/* Registers what was scanned and binds it to the instruments the scanner names. */
void intake_make_scans(struct intake_batch *batch);

#endif
