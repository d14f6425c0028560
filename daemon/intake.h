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
#include "quality.h"
#include "retests.h"
#include "samples.h"
#include "skew.h"

struct intake;

struct intake *intake_new(struct journal *journal, struct config *config); /* holds `config` */
void intake_free(struct intake *intake);
/* From now on results get the samples people register. Before any line starts; `samples` must outlive the intake. */
void intake_use_samples(struct intake *intake, struct samples *samples);
struct samples *intake_samples(const struct intake *intake);
/* From now on tests of one sample are told from its first, as samples. Also before any line starts. */
void intake_use_retests(struct intake *intake, struct retests *retests);
/* From now on samples are tied to the controls they were measured under. Also before any line starts. */
void intake_use_quality(struct intake *intake, struct quality *quality);
struct retests *intake_retests(const struct intake *intake);
void intake_reconfigure(struct intake *intake, struct config *config); /* any thread; holds the new, releases the old */

struct intake_result {
	unsigned stored; /* new records and scans; notices beside them are not counted */
	unsigned known;  /* readings that were in the journal already */
};

/* Readings, scans and notices as entries of the journal: judged once, so that ids and the time of reception stay what
 * they were however often storing has to be tried. After a failure the entries may be in the journal all the same.
 * Everything given must stay as it is until the batch is freed. */
struct intake_batch;
struct intake_batch *intake_judge(struct intake *intake, const struct instrument_config *config,
	const struct instrument *instrument, const struct readings *readings);
/* What is known of the instrument's clock; before the first intake_store(). */
void intake_batch_clock(struct intake_batch *batch, const struct skew *skew);
/* After intake_store(): whether the record of the reading of this index is new. */
bool intake_batch_is_new(const struct intake_batch *batch, size_t index);
void intake_batch_free(struct intake_batch *batch); /* NULL is fine */

/* Appends all of it and the instrument's new cursor in one transaction. */
int intake_store(
	struct intake *intake, struct intake_batch *batch, struct intake_result *ret_result, struct fault *fault);

struct intake_registration { /* what somebody says of a sample, and of whose next results it is the sample */
	const char *by;      /* "scanner", "register" */
	struct sample_facts facts;
	const char *source;        /* the instrument that said it; NULL: none did */
	const char *row, *station; /* NULL, or a row: known by what it says, and by the station */
	const char *instead; /* of a row that is known: the id of the registration it takes the place of, or NULL */
	const char *text;    /* all that was scanned; may be NULL */
	const char *names;   /* instruments, set apart by commas; "": by its number only */
	long results;        /* of each; 0: any number */
	int64_t lifetime_ms;
	bool queues; /* behind what is bound to the instruments already; else it ends that */
};

/* Registers all of them or none, durably, each as an event sample_registered. */
int intake_register(struct intake *intake, const struct intake_registration *list, size_t count, struct fault *fault);

/* A row may be known, and its number have become another sample since: 1, with the id of that one's registration; 0,
 * or -errno. What was registered on a later day than the row is of stands. */
int intake_row_overtaken(
	struct intake *intake, const struct scan *row, char ret_by[static ENTRY_ID_MAX], struct fault *fault);
/* Somebody wrote it into its table again: if it is overtaken, it is registered anew, and holds. Saying it twice
 * registers it once. */
int intake_register_again(
	struct intake *intake, const struct instrument_config *from, const struct scan *row, struct fault *fault);

/* From now on the next result of `group->instrument` for its item is a retest: durable, with event retest_expected.
 * -EBUSY while a result of some group is being stored. */
int intake_expect_retest(struct intake *intake, const struct retest_group *group, struct fault *fault);

struct successor {              /* a record that supersedes an entry */
	const struct json *old; /* the entry, whole */
	struct json *record;    /* without the journal's head; gets `test_seq` and `retest_of` where they change */
	struct entry entry;     /* its kind and ids; the body is made and freed within */
	const char *sample;     /* the registration whose sample it has become; "" or NULL: none */
};

/* Appends all of them or none, durably, with what that does to groups of retests. None may be in the journal already.
 * There must be samples and retests. -EBUSY while a result of some group is being stored. */
int intake_supersede(struct intake *intake, struct successor *list, size_t count, struct fault *fault);

/* Tells and ends bindings and groups of retests that are over; about once a second while intake_awaits(). One thread.
 */
int intake_sweep(struct intake *intake, struct fault *fault);
bool intake_awaits(const struct intake *intake);

/* Appends one event of the station: `details` (taken over; may be NULL) are members beside "event" and "instrument". */
int intake_event(
	struct intake *intake, const char *event, const char *instrument, struct json *details, struct fault *fault);
/* The same; in the same transaction `value` is written down under `name`, which is no instrument's: journal_cursor()
 * gives it back. Without an instrument ("") it is about the station itself, and gets through a full disk. */
int intake_event_kept(struct intake *intake, const char *event, const char *instrument, struct json *details,
	const char *name, const char *value, struct fault *fault);
/* An event about the station itself that must get through a full disk. */
int intake_alarm(struct intake *intake, const char *event, struct json *details, struct fault *fault);

#endif
