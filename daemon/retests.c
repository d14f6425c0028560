#include "retests.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sqlite.h"

#define TURN_WAIT_S 2 /* a commit on a slow disk, of some lines that came before */

struct waiter {
	struct waiter *next;
	const void *who;
	pthread_cond_t turn;
};

struct retests {
	_Atomic bool any;
	pthread_mutex_t turns; /* of the three below */
	const void *holder;
	struct waiter *first, **last; /* who waits for it, in the order they came */
	pthread_mutex_t mutex;        /* of the reading connection */
	struct db *db;
	struct db_query *by_sample, *by_instrument, *by_member, *oldest, *list, *count, *earlier;
};

/* ---- what a group has come to ---- */

const char *retest_state_name(enum retest_state state)
{
	static const char *const names[] = { "first", "retest_required", "confirmed_positive", "overturned" };
	return names[state];
}

static size_t first_positive(const struct retest_group *group)
{
	size_t i = 0;
	while (i < group->member_count && !group->members[i].requires)
		i++;
	return i;
}

/* Of the retests that count, at most as many as are needed: what they decided is not decided again. */
static size_t counted(const struct retest_group *group, size_t *ret_positive)
{
	size_t count = 0;
	*ret_positive = 0;
	for (size_t i = first_positive(group) + 1; i < group->member_count && count < RETESTS_NEEDED; i++) {
		bool positive = group->members[i].verdict == VERDICT_POSITIVE;
		*ret_positive += positive;
		count += positive || group->members[i].verdict == VERDICT_NEGATIVE;
	}
	return count;
}

size_t retest_counted(const struct retest_group *group)
{
	size_t positive;
	return counted(group, &positive);
}

enum retest_state retest_state(const struct retest_group *group)
{
	size_t positive;
	if (first_positive(group) == group->member_count)
		return RETEST_FIRST;
	if (counted(group, &positive) < RETESTS_NEEDED)
		return RETEST_REQUIRED;
	return positive == RETESTS_NEEDED ? RETEST_CONFIRMED : RETEST_OVERTURNED;
}

static struct json *members_of(const struct retest_group *group)
{
	struct json *list = js_new_array();
	for (size_t i = 0; i < group->member_count; i++) {
		struct json *member = js_new_object();
		js_put_text(member, "id", group->members[i].id);
		js_put_text(member, "verdict", verdict_name(group->members[i].verdict));
		js_append(list, member);
	}
	return list;
}

struct json *retest_told(const struct retest_group *group)
{
	struct json *told = js_new_object();
	enum retest_state state = retest_state(group);
	js_put_text(told, "group", group->name);
	js_put_text(told, "state", retest_state_name(state));
	js_put_text_if(told, "sample_no", group->sample_no);
	js_put_text(told, "item", group->item);
	js_put(told, "members", members_of(group));
	if (state != RETEST_FIRST) {
		js_put_integer(told, "needed", RETESTS_NEEDED);
		js_put_integer(told, "counted", (int64_t)retest_counted(group));
	}
	return told;
}

/* ---- reading ---- */

#define COLUMNS "first, sample, item, opened_ms, members, instrument, waits_from_ms, waits_ms, source"

static int prepare(struct retests *retests, struct fault *fault)
{
	const struct db_statement rows[] = {
		{ &retests->by_sample, "SELECT " COLUMNS
				       " FROM retest WHERE sample = ?1 AND item = ?2 AND source = ?3 AND sample <> ''"
				       " ORDER BY opened_ms DESC LIMIT 1" },
		{ &retests->by_instrument, "SELECT " COLUMNS " FROM retest WHERE instrument = ?1 AND instrument <> ''"
					   " ORDER BY waits_from_ms DESC LIMIT 1" },
		{ &retests->by_member, "SELECT " COLUMNS " FROM retest WHERE instr(members, ?1) > 0 LIMIT 1" },
		{ &retests->oldest, "SELECT " COLUMNS " FROM retest ORDER BY opened_ms LIMIT 1" },
		{ &retests->list, "SELECT " COLUMNS " FROM (SELECT * FROM retest ORDER BY opened_ms DESC LIMIT ?1)"
				  " ORDER BY opened_ms" },
		{ &retests->earlier,
			"SELECT (SELECT bytes FROM payload WHERE payload.seq = entry.seq) FROM entry"
			" WHERE seq > (SELECT max(seq) FROM entry) - 5000 AND kind = 0 AND received_ms >= ?2"
			" AND instr(body, ?1) > 0 ORDER BY seq DESC" },
		{ &retests->count, "SELECT EXISTS(SELECT 1 FROM retest)" },
	};
	return db_prepare_all(retests->db, rows, sizeof(rows) / sizeof(*rows), fault);
}

static int refresh(struct retests *retests, struct fault *fault)
{
	int row = db_step(retests->count, fault);
	if (row < 0)
		return row;
	retests->any = row && db_integer(retests->count, 0);
	return db_reset(retests->count);
}

int retests_open(struct journal *journal, struct retests **ret, struct fault *fault)
{
	struct retests *retests = calloc(1, sizeof(*retests));
	if (!retests)
		return fault_set(fault, ENOMEM, _("out of memory"));
	pthread_mutex_init(&retests->mutex, NULL);
	pthread_mutex_init(&retests->turns, NULL);
	retests->last = &retests->first;
	int error = db_open_reader(journal_path(journal), &retests->db, fault);
	if (!error)
		error = prepare(retests, fault);
	if (!error)
		error = refresh(retests, fault);
	if (error) {
		retests_close(retests);
		return error;
	}
	*ret = retests;
	return 0;
}

void retests_close(struct retests *retests)
{
	if (!retests)
		return;
	db_close(retests->db);
	pthread_mutex_destroy(&retests->mutex);
	pthread_mutex_destroy(&retests->turns);
	free(retests);
}

bool retests_any(const struct retests *retests)
{
	return retests->any;
}

void retests_refresh(struct retests *retests)
{
	pthread_mutex_lock(&retests->mutex);
	if (refresh(retests, NULL) < 0) /* then every question is asked */
		retests->any = true;
	pthread_mutex_unlock(&retests->mutex);
}

/* With `turns` locked. Nobody overtakes those that wait. */
static bool take_turn(struct retests *retests, const void *holder)
{
	if (!retests->holder && !retests->first)
		retests->holder = holder;
	return retests->holder == holder;
}

bool retests_hold(struct retests *retests, const void *holder)
{
	pthread_mutex_lock(&retests->turns);
	bool held = take_turn(retests, holder);
	pthread_mutex_unlock(&retests->turns);
	return held;
}

static void leave_queue(struct retests *retests, const struct waiter *waiter)
{
	struct waiter **place = &retests->first;
	while (*place != waiter)
		place = &(*place)->next;
	*place = waiter->next;
	if (!*place)
		retests->last = place;
}

/* With `turns` locked: waits until release hands it over. */
static bool queue_up(struct retests *retests, const void *holder)
{
	struct waiter waiter = { .who = holder };
	struct timespec until;
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&waiter.turn, &monotonic);
	pthread_condattr_destroy(&monotonic);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += TURN_WAIT_S;
	*retests->last = &waiter;
	retests->last = &waiter.next;
	while (retests->holder != holder && pthread_cond_timedwait(&waiter.turn, &retests->turns, &until) == 0)
		continue;
	bool held = retests->holder == holder;
	if (!held)
		leave_queue(retests, &waiter);
	pthread_cond_destroy(&waiter.turn);
	return held;
}

bool retests_wait(struct retests *retests, const void *holder)
{
	pthread_mutex_lock(&retests->turns);
	bool held = take_turn(retests, holder) || queue_up(retests, holder);
	pthread_mutex_unlock(&retests->turns);
	return held;
}

void retests_release(struct retests *retests, const void *holder)
{
	pthread_mutex_lock(&retests->turns);
	struct waiter *next = retests->first;
	if (retests->holder == holder) {
		retests->holder = next ? next->who : NULL;
		if (next) {
			leave_queue(retests, next);
			pthread_cond_signal(&next->turn);
		}
	}
	pthread_mutex_unlock(&retests->turns);
}

/* "ID V" of each member, one behind the other: V is the verdict's number, with R behind it where it asks for more. */
static void read_members(const char *text, struct retest_group *group)
{
	while (group->member_count < RETEST_MEMBERS_MAX && strlen(text) >= ENTRY_ID_MAX + 1) {
		struct retest_member *member = &group->members[group->member_count++];
		memcpy(member->id, text, ENTRY_ID_MAX - 1);
		int verdict = text[ENTRY_ID_MAX] - '0';
		member->verdict = verdict >= 0 && verdict <= VERDICT_INVALID ? (enum verdict)verdict : VERDICT_NONE;
		text += ENTRY_ID_MAX + 1;
		member->requires = *text == 'R';
		text += member->requires;
		text += strspn(text, " ");
	}
}

static void read_group(struct db_query *query, struct retest_group *ret)
{
	*ret = (struct retest_group){ 0 };
	snprintf(ret->name, sizeof(ret->name), "%s", db_text(query, 0, NULL));
	snprintf(ret->sample_no, sizeof(ret->sample_no), "%s", db_text(query, 1, NULL));
	snprintf(ret->item, sizeof(ret->item), "%s", db_text(query, 2, NULL));
	ret->opened_ms = db_integer(query, 3);
	read_members(db_text(query, 4, NULL), ret);
	snprintf(ret->instrument, sizeof(ret->instrument), "%s", db_text(query, 5, NULL));
	ret->waits_from_ms = db_integer(query, 6);
	ret->waits_ms = db_integer(query, 7);
	snprintf(ret->source, sizeof(ret->source), "%s", db_text(query, 8, NULL));
}

static int find(struct retests *retests, struct db_query *query, const char *const *texts, int count,
	struct retest_group *ret, struct fault *fault)
{
	pthread_mutex_lock(&retests->mutex);
	for (int i = 0; i < count; i++)
		db_put_text(query, i + 1, texts[i]);
	int row = db_step(query, fault);
	if (row == 1)
		read_group(query, ret);
	db_reset(query);
	pthread_mutex_unlock(&retests->mutex);
	return row;
}

int retests_by_sample(struct retests *retests, const char *sample_no, const char *item, const char *source,
	struct retest_group *ret, struct fault *fault)
{
	const char *const texts[] = { sample_no, item, source };
	return find(retests, retests->by_sample, texts, 3, ret, fault);
}

int retests_by_instrument(
	struct retests *retests, const char *instrument, struct retest_group *ret, struct fault *fault)
{
	return find(retests, retests->by_instrument, &instrument, 1, ret, fault);
}

int retests_by_member(struct retests *retests, const char *id, struct retest_group *ret, struct fault *fault)
{
	return find(retests, retests->by_member, &id, 1, ret, fault);
}

int retests_oldest(struct retests *retests, struct retest_group *ret, struct fault *fault)
{
	return find(retests, retests->oldest, NULL, 0, ret, fault);
}

int retests_list(struct retests *retests, long limit, int (*each)(void *context, const struct retest_group *group),
	void *context, struct fault *fault)
{
	struct retest_group group;
	int row;
	pthread_mutex_lock(&retests->mutex);
	db_put_integer(retests->list, 1, limit);
	while ((row = db_step(retests->list, fault)) == 1) {
		read_group(retests->list, &group);
		if (each(context, &group) != 0)
			break;
	}
	db_reset(retests->list);
	pthread_mutex_unlock(&retests->mutex);
	return row < 0 ? row : 0;
}

int retests_earlier(struct retests *retests, const char *sample_no, int64_t since_ms,
	int (*each)(void *context, const char *payload, size_t length), void *context, struct fault *fault)
{
	int row;
	pthread_mutex_lock(&retests->mutex);
	db_put_text(retests->earlier, 1, sample_no);
	db_put_integer(retests->earlier, 2, since_ms);
	while ((row = db_step(retests->earlier, fault)) == 1) {
		size_t length;
		const char *payload = db_text(retests->earlier, 0, &length);
		if (each(context, payload, length) != 0)
			break;
	}
	db_reset(retests->earlier);
	pthread_mutex_unlock(&retests->mutex);
	return row < 0 ? row : 0;
}

/* ---- writing ---- */

void retests_change(
	struct retest_changes *changes, const struct entry *entry, const struct retest_group *group, bool remove)
{
	struct retest_change *list = realloc(changes->list, (changes->count + 1) * sizeof(*list));
	if (!list)
		abort(); /* a gateway without memory restarts from its journal */
	changes->list = list;
	list[changes->count++] = (struct retest_change){ .entry = entry, .remove = remove, .group = *group };
}

void retest_changes_free(struct retest_changes *changes)
{
	free(changes->list);
	*changes = (struct retest_changes){ 0 };
}

static void write_members(const struct retest_group *group, char *out, size_t size)
{
	size_t length = 0;
	for (size_t i = 0; i < group->member_count; i++) {
		const struct retest_member *member = &group->members[i];
		length += (size_t)snprintf(out + length, size - length, "%s%s %d%s", i ? " " : "", member->id,
			(int)member->verdict, member->requires ? "R" : "");
	}
}

static int write_group(const struct retest_group *group, struct db *db, struct fault *fault)
{
	char members[RETEST_MEMBERS_MAX * (ENTRY_ID_MAX + 4)];
	struct db_query *write;
	int error = db_prepare(
		db, "REPLACE INTO retest(" COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", &write, fault);
	if (error)
		return error;
	write_members(group, members, sizeof(members));
	db_put_text(write, 1, group->name);
	db_put_text(write, 2, group->sample_no);
	db_put_text(write, 3, group->item);
	db_put_integer(write, 4, group->opened_ms);
	db_put_text(write, 5, members);
	db_put_text(write, 6, group->instrument);
	db_put_integer(write, 7, group->waits_from_ms);
	db_put_integer(write, 8, group->waits_ms);
	db_put_text(write, 9, group->source);
	int row = db_step(write, fault);
	db_finish(write);
	return row < 0 ? row : 0;
}

static int remove_group(const struct retest_group *group, struct db *db, struct fault *fault)
{
	struct db_query *remove;
	int error = db_prepare(db, "DELETE FROM retest WHERE first = ?1", &remove, fault);
	if (error)
		return error;
	db_put_text(remove, 1, group->name);
	int row = db_step(remove, fault);
	db_finish(remove);
	return row < 0 ? row : 0;
}

int retests_write(const struct retest_changes *changes, struct db *db, struct fault *fault)
{
	int error = 0;
	for (size_t i = 0; i < changes->count && !error; i++) {
		const struct retest_change *change = &changes->list[i];
		if (change->entry && change->entry->known)
			continue;
		error = change->remove ? remove_group(&change->group, db, fault)
		                       : write_group(&change->group, db, fault);
	}
	return error;
}
