/* Samples people registered, and which results they belong to.
 *
 * A registration says what is known of a sample. It belongs to every result whose instrument says its number, and may
 * be bound to the next results of an instrument: an instrument without a keyboard says no number. Both live in tables
 * of the journal's file and change in the transaction of the entries they belong to: a scan is durable before the
 * scanner is forgotten, and a binding is used up with the record that used it, or not at all. An entry that was in the
 * journal already changes nothing, so that a retry after a failed commit is safe.
 *
 * A binding ends when its results have come, when its time is over, or when the next scan takes its place. Time is
 * counted by the monotonic clock within one boot of the box, by the wall clock across boots.
 *
 * Any thread may call, but for samples_write(), which is the journal's writer's.
 */
#ifndef ASSAYD_SAMPLES_H
#define ASSAYD_SAMPLES_H

#include "config.h"
#include "facts.h"
#include "journal.h"

struct samples;
struct db;

/* Forgets registrations older than `keep_ms` that no binding needs. */
int samples_open(struct journal *journal, int64_t keep_ms, struct samples **ret, struct fault *fault);
void samples_close(struct samples *samples); /* NULL is fine */

#define SAMPLE_BY_MAX 12 /* "scanner", "register" */

struct registration {
	char id[ENTRY_ID_MAX]; /* of its event in the journal */
	char by[SAMPLE_BY_MAX];
	struct sample_facts facts;
	int64_t at_ms; /* of samples_by_number() and samples_of_test() only: when it was registered */
};

struct binding { /* to results an instrument has still to give */
	int64_t row;
	struct registration sample;
	long results; /* at most so many; 0: any number */
	long used;
};

/* True when anything is registered at all, or bound to anything: else no question need be asked. */
bool samples_any(const struct samples *samples);
bool samples_bound(const struct samples *samples);

/* The bindings of an instrument that are neither used up nor over, in the order they were made. Returns how many, at
 * most `room`, or -errno. */
long samples_pending(
	struct samples *samples, const char *instrument, struct binding *list, size_t room, struct fault *fault);
/* What was registered last under a number: 1, 0 nothing, -errno. */
int samples_by_number(struct samples *samples, const char *no, struct registration *ret, struct fault *fault);
/* Rooms use numbers again, many of them each day. What was registered under a number for a test of that time: the last
 * registration up to the end of the test's day, else the last one; none that is further from the test than
 * `holds_ms`, before or after. What was registered before our clock was set counts by the next that was not;
 * `tested_ms` 0: now, and our clock does not know when that is. 1, 0 nothing, -errno. */
int samples_of_test(struct samples *samples, const char *no, int64_t tested_ms, int64_t holds_ms,
	struct registration *ret, struct fault *fault);
/* Whether the journal has an entry under either id: 1, 0, -errno. */
int samples_entry_known(struct samples *samples, const struct entry *entry, struct fault *fault);

/* ---- changes ---- */

enum sample_change_kind {
	SAMPLE_REGISTER, /* `facts`, `by`, `text` under the entry's id */
	SAMPLE_BIND,     /* the sample `id` to `instrument` */
	SAMPLE_USED,     /* the entry's record used `id`; with `row`, as the binding's use number `used` of `results` */
	SAMPLE_END,      /* the binding `row` is over, and told */
};

struct sample_change {
	enum sample_change_kind kind;
	const struct entry *entry; /* nothing is changed when it was known already */
	char id[ENTRY_ID_MAX];
	/* SAMPLE_REGISTER */
	char by[SAMPLE_BY_MAX];
	struct sample_facts facts;
	char *text;    /* all that was scanned; may be NULL */
	int64_t at_ms; /* when it was registered */
	bool old;      /* in a journal before this one: all that is registered in this one is later */
	bool inferred; /* `at_ms` of an old one, from its journal: as it is told last, else as it was first */
	/* SAMPLE_BIND */
	char instrument[CONFIG_NAME_MAX];
	int64_t lifetime_ms;
	bool replaces; /* what is bound to the instrument and not used up ends with it */
	/* SAMPLE_BIND, SAMPLE_USED, SAMPLE_END */
	int64_t row;
	long results, used;
};

struct sample_changes {
	struct sample_change *list;
	size_t count;
	journal_beside *also; /* NULL, or what else is written in the same transaction, with its context */
	void *also_context;
};

/* The next change, cleared. Memory or the end. */
struct sample_change *samples_change(
	struct sample_changes *changes, enum sample_change_kind kind, const struct entry *entry, const char *id);
void sample_changes_free(struct sample_changes *changes);

/* Appends entries and changes in one transaction, as journal_append(). */
int samples_append(struct samples *samples, struct entry *entries, size_t count, const char *instrument,
	const char *cursor, const struct sample_changes *changes, struct fault *fault);

/* ---- what nobody used ---- */

/* While held, bindings may be in use by a record that is not stored yet: what is over is not told. */
void samples_hold(struct samples *samples);
void samples_release(struct samples *samples);

struct sample_over { /* a binding that is over */
	int64_t row;
	char instrument[CONFIG_NAME_MAX];
	struct registration sample;
	bool replaced; /* by the next scan; else its time is over */
	bool last;     /* of its sample */
	bool unused;   /* no result used that sample, by number or as the next */
};

/* The first binding that is over: 1, 0 none (or held), -errno. */
int samples_over(struct samples *samples, struct sample_over *ret, struct fault *fault);

/* ---- for people ---- */

/* Calls `each` with an object {"no",...,"by","at","used","next":[{"instrument","used","results"}]} for the last
 * `limit` registrations, oldest first; it takes the object over. */
int samples_list(struct samples *samples, long limit, int (*each)(void *context, struct json *sample), void *context,
	struct fault *fault);

#endif
