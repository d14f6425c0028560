/* Retests: tests of one sample and item that belong together.
 *
 * A vegetable positive by inhibition is tested twice more, and counts as positive when all are (GB/T 5009.199-2003):
 * the first such result opens a group, and every later result of the same sample number and item within the station's
 * retest-window belongs to it: of the same instrument, because instruments count their own samples, or of any where the
 * number was registered. A result of which the instrument itself says that it is a repeat joins the group of its
 * sample, or opens one with the test before it; without a number the only group that waits for such a test. `assayctl
 * retest ID` opens a group by hand, for instruments that say no numbers. A record is never changed: a retest is a
 * record of its own with `retest_of`, and what the group has come to is told by events with the ids of all its members.
 *
 * Groups live in a table of the journal's file and change in the transaction of the entries they belong to. An entry
 * that was in the journal already changes nothing, so that a retry after a failed commit is safe. Between looking and
 * writing a group is held: two lines that test the same sample at once wait for each other.
 *
 * Any thread may call, but for retests_write(), which is the journal's writer's.
 */
#ifndef ASSAYD_RETESTS_H
#define ASSAYD_RETESTS_H

#include "config.h"
#include "journal.h"
#include "json.h"

#define RETESTS_NEEDED     2  /* behind the first positive: GB/T 5009.199-2003 */
#define RETEST_MEMBERS_MAX 32 /* a sample tested more often than that begins a new group */
#define RETEST_SAMPLE_MAX  64
#define RETEST_ITEM_MAX    96

enum retest_state {
	RETEST_FIRST,     /* opened by hand, and nothing in it asks for a retest */
	RETEST_REQUIRED,  /* a positive has not been tested twice more */
	RETEST_CONFIRMED, /* both were positive */
	RETEST_OVERTURNED,
};

const char *retest_state_name(enum retest_state state); /* "first", "retest_required", ... as in the event */

struct retest_member {
	char id[ENTRY_ID_MAX];
	enum verdict verdict;
	bool requires; /* positive by inhibition */
};

struct retest_group {
	char name[ENTRY_ID_MAX];           /* of the record that opened it, also when that one was superseded or left */
	char sample_no[RETEST_SAMPLE_MAX]; /* "": only by hand */
	char item[RETEST_ITEM_MAX];
	char source[CONFIG_NAME_MAX]; /* the instrument whose number it is; "": the number was registered */
	int64_t opened_ms;            /* Unix ms */
	struct retest_member members[RETEST_MEMBERS_MAX];
	size_t member_count;
	/* whose next result of the item belongs to it; "": nobody's */
	char instrument[CONFIG_NAME_MAX];
	int64_t waits_from_ms, waits_ms;
};

enum retest_state retest_state(const struct retest_group *group);
/* How many retests count so far: those behind the first positive that are positive or negative. */
size_t retest_counted(const struct retest_group *group);
/* Members of an event about it: group, state, sample_no, item, members, needed, counted. */
struct json *retest_told(const struct retest_group *group);

struct retests;

int retests_open(struct journal *journal, struct retests **ret, struct fault *fault);
void retests_close(struct retests *retests); /* NULL is fine */

/* False as long as there is no group: then no question need be asked. */
bool retests_any(const struct retests *retests);

/* Until it is released nobody else holds them. The same holder (any address) may again. False when somebody else does,
 * or waits: at once, or when it was not over in 2 s. Whoever waits has their turn in the order they came. */
bool retests_hold(struct retests *retests, const void *holder);
bool retests_wait(struct retests *retests, const void *holder);
void retests_release(struct retests *retests, const void *holder); /* nothing where another holds them */

/* 1 with the group, 0, -errno. */
int retests_by_sample(struct retests *retests, const char *sample_no, const char *item, const char *source,
	struct retest_group *ret, struct fault *fault); /* opened last */
int retests_by_instrument(struct retests *retests, const char *instrument, struct retest_group *ret,
	struct fault *fault); /* that waits for its next result, whether or not its time is over */
int retests_by_member(struct retests *retests, const char *id, struct retest_group *ret, struct fault *fault);
int retests_oldest(struct retests *retests, struct retest_group *ret, struct fault *fault);
/* The last `limit` groups, oldest first; `each` returns other than 0 to end it. */
int retests_list(struct retests *retests, long limit, int (*each)(void *context, const struct retest_group *group),
	void *context, struct fault *fault);

/* Results received since `since_ms` whose bytes hold `sample_no`, of the last 5,000 entries, newest first; `each` gets
 * each as it was published and returns other than 0 to end it. */
int retests_earlier(struct retests *retests, const char *sample_no, int64_t since_ms,
	int (*each)(void *context, const char *payload, size_t length), void *context, struct fault *fault);

struct retest_change {
	const struct entry *entry; /* nothing is changed when it was known already; may be NULL */
	bool remove;
	struct retest_group group;
};

struct retest_changes {
	struct retest_change *list;
	size_t count;
};

/* The next change, to the group given. Memory or the end. */
void retests_change(
	struct retest_changes *changes, const struct entry *entry, const struct retest_group *group, bool remove);
void retest_changes_free(struct retest_changes *changes);

/* By the journal's writer, inside the transaction of the entries. */
int retests_write(const struct retest_changes *changes, struct db *db, struct fault *fault);
/* After that transaction, whatever came of it. */
void retests_refresh(struct retests *retests);

#endif
