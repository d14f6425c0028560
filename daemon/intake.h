/* Intake: what an instrument said becomes durable entries of the journal, or the line is told that it did not.
 *
 * Lines call intake_judge() with everything one take() produced, then intake_store() until it returns 0, and only then
 * ask the driver again: store, then acknowledge. Any line's thread may call.
 */
#ifndef ASSAYD_INTAKE_H
#define ASSAYD_INTAKE_H

#include "config.h"
#include "journal.h"
#include "json.h"

struct intake;

struct intake *intake_new(struct journal *journal, struct config *config); /* holds `config` */
void intake_free(struct intake *intake);
void intake_reconfigure(struct intake *intake, struct config *config); /* any thread; holds the new, releases the old */

struct intake_result {
	unsigned stored; /* new entries */
	unsigned known;  /* readings that were in the journal already */
};

/* Readings and notices as entries of the journal: judged once, so that ids and the time of reception stay what they
 * were however often storing has to be tried. After a failure the entries may be in the journal all the same. */
struct intake_batch;
struct intake_batch *intake_judge(struct intake *intake, const struct instrument_config *config,
	const struct instrument *instrument, const struct readings *readings);
void intake_batch_free(struct intake_batch *batch); /* NULL is fine */

/* Appends all of it and the instrument's new cursor in one transaction. */
int intake_store(
	struct intake *intake, struct intake_batch *batch, struct intake_result *ret_result, struct fault *fault);

/* Appends one event of the station: `details` (taken over; may be NULL) are members beside "event" and "instrument". */
int intake_event(
	struct intake *intake, const char *event, const char *instrument, struct json *details, struct fault *fault);
/* An event about the station itself that must get through a full disk. */
int intake_alarm(struct intake *intake, const char *event, struct json *details, struct fault *fault);

#endif
