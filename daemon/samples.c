#include "samples.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "samples_parts.h"

struct samples {
	struct journal *journal;
	_Atomic bool any, bound;
	_Atomic long held, holds; /* now, and ever */
	char boot[SAMPLES_BOOT_MAX];
	pthread_mutex_t mutex; /* of the reading connection */
	struct db *db;
	struct db_query *pending, *by_number, *of_test, *newest, *entry, *count, *over, *used, *list, *next;
};

static int prepare(struct samples *samples, struct fault *fault)
{
#define SAMPLE "s.id, s.by, s.facts"
/* As they came, whatever the clock said; those of journals before this one (numbers below 0) by when it was: room_old.c
 * takes care that it tells their order. Of one moment the later has the lower number. */
#define LAST "number > 0 DESC, iif(number > 0, number, at_ms) DESC, number"
	const struct db_statement rows[] = {
		{ &samples->pending,
			"SELECT " SAMPLE ", b.id, b.results, b.used, b.begun_ms, b.lifetime_ms, b.boot, b.boot_ms"
			" FROM binding b JOIN sample s ON s.id = b.sample"
			" WHERE b.instrument = ?1 AND NOT b.replaced ORDER BY b.id" },
		{ &samples->by_number,
			"SELECT id, by, facts, at_ms FROM sample WHERE no = ?1 AND no <> '' ORDER BY " LAST
			" LIMIT 1" },
		{ &samples->of_test,
			"SELECT id, by, facts, at_ms FROM (SELECT sample.*, " SAMPLE_KNOWN_MS(
				"?5", "?6") " AS known_ms FROM sample WHERE no = ?1 AND no <> '')"
					    " WHERE known_ms BETWEEN ?2 AND ?3 ORDER BY known_ms < ?4 DESC, " LAST
					    " LIMIT 1" },
		{ &samples->newest, "SELECT at_ms FROM sample WHERE at_ms >= ?1 ORDER BY " LAST " LIMIT 1" },
		{ &samples->entry, "SELECT 1 FROM entry WHERE id = ?1 UNION ALL SELECT 1 FROM known WHERE id = ?1" },
		{ &samples->count, "SELECT EXISTS(SELECT 1 FROM sample), EXISTS(SELECT 1 FROM binding)" },
		{ &samples->over,
			"SELECT " SAMPLE ", b.id, b.replaced, b.instrument, b.begun_ms, b.lifetime_ms, b.boot,"
			" b.boot_ms, s.used, (SELECT count(*) FROM binding o WHERE o.sample = s.id)"
			" FROM binding b JOIN sample s ON s.id = b.sample ORDER BY b.id" },
		{ &samples->list,
			"SELECT " SAMPLE ", s.at_ms, s.used, s.text FROM (SELECT * FROM sample ORDER BY " LAST
			" LIMIT ?1) s ORDER BY s.number > 0, iif(s.number > 0, s.number, s.at_ms), s.number DESC" },
		{ &samples->next, "SELECT instrument, results, used FROM binding WHERE sample = ?1 AND NOT replaced"
				  " ORDER BY id" },
	};
#undef LAST
#undef SAMPLE
	return db_prepare_all(samples->db, rows, sizeof(rows) / sizeof(*rows), fault);
}

/* With the mutex held, or before there is another thread. */
static int refresh(struct samples *samples, struct fault *fault)
{
	int row = db_step(samples->count, fault);
	if (row < 0)
		return row;
	samples->any = row && db_integer(samples->count, 0);
	samples->bound = row && db_integer(samples->count, 1);
	return db_reset(samples->count);
}

static int forget(void *context, struct db *db, struct fault *fault)
{
	return samples_forget(db, *(const int64_t *)context, fault);
}

int samples_open(struct journal *journal, int64_t keep_ms, struct samples **ret, struct fault *fault)
{
	struct samples *samples = calloc(1, sizeof(*samples));
	if (!samples)
		return fault_set(fault, ENOMEM, _("out of memory"));
	samples->journal = journal;
	pthread_mutex_init(&samples->mutex, NULL);
	samples_boot(samples->boot);
	int64_t oldest_ms = clock_wall_ms() - keep_ms;
	int error = db_open_reader(journal_path(journal), &samples->db, fault);
	if (!error)
		error = prepare(samples, fault);
	if (!error)
		error = refresh(samples, fault);
	if (!error && samples->any && clock_synced()) /* by a clock that may be years ahead nothing is old */
		error = journal_append_with(journal, NULL, 0, NULL, NULL, forget, &oldest_ms, fault);
	if (error) {
		samples_close(samples);
		return error;
	}
	*ret = samples;
	return 0;
}

void samples_close(struct samples *samples)
{
	if (!samples)
		return;
	db_close(samples->db);
	pthread_mutex_destroy(&samples->mutex);
	free(samples);
}

bool samples_any(const struct samples *samples)
{
	return samples->any;
}

bool samples_bound(const struct samples *samples)
{
	return samples->bound;
}

/* Of a row that begins with id, by, facts. */
static void read_registration(struct db_query *query, struct registration *ret)
{
	size_t length;
	*ret = (struct registration){ 0 };
	snprintf(ret->id, sizeof(ret->id), "%s", db_text(query, 0, NULL));
	snprintf(ret->by, sizeof(ret->by), "%s", db_text(query, 1, NULL));
	const char *text = db_text(query, 2, &length);
	struct json *facts = js_parse(text, length, NULL);
	facts_get(facts, &ret->facts);
	js_free(facts);
}

/* Of the columns from `column` on: begun_ms, lifetime_ms, boot, boot_ms. */
static bool is_over(const struct samples *samples, struct db_query *query, int column)
{
	int64_t lifetime_ms = db_integer(query, column + 1);
	bool same_boot = strcmp(db_text(query, column + 2, NULL), samples->boot) == 0;
	int64_t age_ms = same_boot ? samples_boot_ms() - db_integer(query, column + 3)
	                           : clock_wall_ms() - db_integer(query, column);
	return age_ms < 0 || age_ms >= lifetime_ms; /* of an age nobody knows: better no sample than a wrong one */
}

long samples_pending(
	struct samples *samples, const char *instrument, struct binding *list, size_t room, struct fault *fault)
{
	size_t count = 0;
	int row = 0;
	pthread_mutex_lock(&samples->mutex);
	db_put_text(samples->pending, 1, instrument);
	while (count < room && (row = db_step(samples->pending, fault)) == 1) {
		if (is_over(samples, samples->pending, 6))
			continue;
		struct binding *binding = &list[count++];
		read_registration(samples->pending, &binding->sample);
		binding->row = db_integer(samples->pending, 3);
		binding->results = (long)db_integer(samples->pending, 4);
		binding->used = (long)db_integer(samples->pending, 5);
	}
	db_reset(samples->pending);
	pthread_mutex_unlock(&samples->mutex);
	return row < 0 ? row : (long)count;
}

/* With the mutex held, and the query's parameters put. */
static int read_one(struct db_query *query, struct registration *ret, struct fault *fault)
{
	int row = db_step(query, fault);
	if (row == 1) {
		read_registration(query, ret);
		ret->at_ms = db_integer(query, 3);
	}
	db_reset(query);
	return row;
}

int samples_by_number(struct samples *samples, const char *no, struct registration *ret, struct fault *fault)
{
	pthread_mutex_lock(&samples->mutex);
	db_put_text(samples->by_number, 1, no);
	int row = read_one(samples->by_number, ret, fault);
	pthread_mutex_unlock(&samples->mutex);
	return row;
}

static int64_t end_of_day(int64_t at_ms)
{
	char at[CLOCK_TEXT_MAX], last[32];
	snprintf(last, sizeof(last), "%.10sT23:59:59", clock_text(at, at_ms));
	return (clock_parse_local(last) + 1) * 1000;
}

/* With the mutex held. What comes now is no older than the last registration of which the time is known. */
static int time_of_now(struct samples *samples, int64_t *tested_ms, struct fault *fault)
{
	db_put_integer(samples->newest, 1, CLOCK_POSSIBLE_MS);
	int row = db_step(samples->newest, fault);
	if (row == 1)
		*tested_ms = db_integer(samples->newest, 0);
	db_reset(samples->newest);
	return row < 0 ? row : 0;
}

int samples_of_test(struct samples *samples, const char *no, int64_t tested_ms, int64_t holds_ms,
	struct registration *ret, struct fault *fault)
{
	pthread_mutex_lock(&samples->mutex);
	int row = tested_ms ? 0 : time_of_now(samples, &tested_ms, fault);
	if (row == 0) {
		db_put_text(samples->of_test, 1, no);
		db_put_integer(samples->of_test, 2, tested_ms - holds_ms);
		db_put_integer(samples->of_test, 3, tested_ms + holds_ms);
		db_put_integer(samples->of_test, 4, end_of_day(tested_ms));
		db_put_integer(samples->of_test, 5, CLOCK_POSSIBLE_MS);
		db_put_integer(samples->of_test, 6, tested_ms);
		row = read_one(samples->of_test, ret, fault);
	}
	pthread_mutex_unlock(&samples->mutex);
	return row;
}

int samples_entry_known(struct samples *samples, const struct entry *entry, struct fault *fault)
{
	uint8_t id[UUID_SIZE];
	int row = 0;
	pthread_mutex_lock(&samples->mutex);
	for (size_t i = 0; i <= OTHER_IDS_MAX && row == 0; i++) {
		if (!uuid_parse(i == 0 ? entry->id : entry->other_ids[i - 1], id))
			break;
		db_put_bytes(samples->entry, 1, id, sizeof(id));
		row = db_step(samples->entry, fault);
		db_reset(samples->entry);
	}
	pthread_mutex_unlock(&samples->mutex);
	return row;
}

/* ---- changes ---- */

struct writing {
	const struct sample_changes *changes;
	const char *boot;
};

static int write_changes(void *context, struct db *db, struct fault *fault)
{
	const struct writing *writing = context;
	const struct sample_changes *changes = writing->changes;
	int error = samples_write(changes, writing->boot, db, fault);
	return error || !changes->also ? error : changes->also(changes->also_context, db, fault);
}

int samples_append(struct samples *samples, struct entry *entries, size_t count, const char *instrument,
	const char *cursor, const struct sample_changes *changes, struct fault *fault)
{
	struct writing writing = { changes, samples->boot };
	if (changes->count == 0 && !changes->also)
		return journal_append(samples->journal, entries, count, instrument, cursor, fault);
	for (size_t i = 0; i < changes->count; i++) /* before it is durable: whoever asks meanwhile must ask the file */
		if (changes->list[i].kind == SAMPLE_REGISTER || changes->list[i].kind == SAMPLE_BIND)
			samples->any = samples->bound = true;
	int error = journal_append_with(
		samples->journal, entries, count, instrument, cursor, write_changes, &writing, fault);
	pthread_mutex_lock(&samples->mutex);
	if (refresh(samples, NULL) < 0) /* then every question is asked */
		samples->any = samples->bound = true;
	pthread_mutex_unlock(&samples->mutex);
	return error;
}

/* ---- what nobody used ---- */

void samples_hold(struct samples *samples)
{
	samples->held++;
	samples->holds++;
}

void samples_release(struct samples *samples)
{
	samples->held--;
}

int samples_over(struct samples *samples, struct sample_over *ret, struct fault *fault)
{
	int row = 0;
	long holds = samples->holds;
	if (samples->held > 0)
		return 0;
	pthread_mutex_lock(&samples->mutex);
	while ((row = db_step(samples->over, fault)) == 1) {
		bool replaced = db_integer(samples->over, 4) != 0;
		if (!replaced && !is_over(samples, samples->over, 6))
			continue;
		*ret = (struct sample_over){
			.row = db_integer(samples->over, 3),
			.replaced = replaced,
			.unused = db_integer(samples->over, 10) == 0,
			.last = db_integer(samples->over, 11) == 1,
		};
		snprintf(ret->instrument, sizeof(ret->instrument), "%s", db_text(samples->over, 5, NULL));
		read_registration(samples->over, &ret->sample);
		break;
	}
	db_reset(samples->over);
	if (row == 1 && samples->holds != holds) /* a record that used it may have come behind the answer */
		row = 0;
	pthread_mutex_unlock(&samples->mutex);
	return row;
}

/* ---- for people ---- */

static struct json *list_next(struct samples *samples, const char *id)
{
	struct json *list = js_new_array();
	db_put_text(samples->next, 1, id);
	while (db_step(samples->next, NULL) == 1) {
		struct json *next = js_new_object();
		js_put_text(next, "instrument", db_text(samples->next, 0, NULL));
		js_put_integer(next, "results", db_integer(samples->next, 1));
		js_put_integer(next, "used", db_integer(samples->next, 2));
		js_append(list, next);
	}
	db_reset(samples->next);
	return list;
}

int samples_list(struct samples *samples, long limit, int (*each)(void *context, struct json *sample), void *context,
	struct fault *fault)
{
	int row;
	pthread_mutex_lock(&samples->mutex);
	db_put_integer(samples->list, 1, limit);
	while ((row = db_step(samples->list, fault)) == 1) {
		struct registration sample;
		char at[CLOCK_TEXT_MAX];
		struct json *object = js_new_object();
		read_registration(samples->list, &sample);
		facts_put(object, &sample.facts);
		js_put_text(object, "by", sample.by);
		js_put_text(object, "at", clock_text(at, db_integer(samples->list, 3)));
		js_put_integer(object, "used", db_integer(samples->list, 4));
		js_put_text_if(object, "text", db_text(samples->list, 5, NULL));
		struct json *next = list_next(samples, sample.id);
		if (js_count(next))
			js_put(object, "next", next);
		else
			js_free(next);
		if (each(context, object) != 0)
			break;
	}
	db_reset(samples->list);
	pthread_mutex_unlock(&samples->mutex);
	return row < 0 ? row : 0;
}
