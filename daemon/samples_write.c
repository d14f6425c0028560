/* What changes about samples, written in the transaction of the entries it belongs to. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "samples_parts.h"

struct sample_change *samples_change(
	struct sample_changes *changes, enum sample_change_kind kind, const struct entry *entry, const char *id)
{
	struct sample_change *list = realloc(changes->list, (changes->count + 1) * sizeof(*list));
	if (!list)
		abort(); /* a gateway without memory restarts from its journal */
	changes->list = list;
	struct sample_change *change = &list[changes->count++];
	*change = (struct sample_change){ .kind = kind, .entry = entry };
	snprintf(change->id, sizeof(change->id), "%s", id);
	return change;
}

void sample_changes_free(struct sample_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		free(changes->list[i].text);
	free(changes->list);
	*changes = (struct sample_changes){ 0 };
}

void samples_boot(char out[static SAMPLES_BOOT_MAX])
{
	*out = '\0';
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	if (!file)
		return;
	if (!fgets(out, SAMPLES_BOOT_MAX, file))
		*out = '\0';
	out[strcspn(out, "\n")] = '\0';
	fclose(file);
}

int64_t samples_boot_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One statement with its parameters; prepared each time, because samples are few. */
struct statement {
	struct db_query *query;
	int error;
};

static struct statement prepare(struct db *db, const char *text, struct fault *fault)
{
	struct statement statement = { NULL, 0 };
	statement.error = db_prepare(db, text, &statement.query, fault);
	return statement;
}

static int finish(struct statement *statement, struct fault *fault)
{
	int row = statement->error ? statement->error : db_step(statement->query, fault);
	db_finish(statement->query);
	return row < 0 ? row : 0;
}

static int write_registration(const struct sample_change *change, struct db *db, struct fault *fault)
{
	struct json *facts = js_new_object();
	facts_put(facts, &change->facts);
	char *text = js_dump(facts);
	/* those of journals before this one come in any order, and get numbers below 0: see samples.c. What comes once
	 * more is as old as the first of it, unless its time was inferred from less than the journal holds by now. */
	struct statement insert = prepare(db,
		change->old ? "INSERT INTO sample(number, id, no, at_ms, by, used, facts, text)"
			      " SELECT min(0, ifnull(min(number), 0)) - 1, ?1, ?2, ?3, ?4, 0, ?5, ?6 FROM sample"
			      " WHERE true ON CONFLICT(id) DO UPDATE SET"
			      " at_ms = excluded.at_ms WHERE number < 0"
			      " AND (?7 OR at_ms < ?8 OR excluded.at_ms BETWEEN ?8 AND at_ms)"
			    : "INSERT OR IGNORE INTO sample(number, id, no, at_ms, by, used, facts, text)"
			      " SELECT max(0, ifnull(max(number), 0)) + 1, ?1, ?2, ?3, ?4, 0, ?5, ?6 FROM sample",
		fault);
	if (!insert.error) {
		db_put_text(insert.query, 1, change->id);
		db_put_text(insert.query, 2, change->facts.no);
		db_put_integer(insert.query, 3, change->at_ms);
		db_put_text(insert.query, 4, change->by);
		db_put_text(insert.query, 5, text);
		db_put_text(insert.query, 6, change->text ? change->text : "");
		if (change->old) {
			db_put_integer(insert.query, 7, change->inferred);
			db_put_integer(insert.query, 8, CLOCK_POSSIBLE_MS);
		}
	}
	int error = finish(&insert, fault);
	free(text);
	js_free(facts);
	return error;
}

static int write_binding(const struct sample_change *change, const char *boot, struct db *db, struct fault *fault)
{
	if (change->replaces) {
		struct statement end = prepare(db, "UPDATE binding SET replaced = 1 WHERE instrument = ?1", fault);
		if (!end.error)
			db_put_text(end.query, 1, change->instrument);
		int error = finish(&end, fault);
		if (error)
			return error;
	}
	struct statement insert = prepare(db,
		"INSERT INTO binding(sample, instrument, begun_ms, lifetime_ms, boot, boot_ms, results, used, replaced)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0)",
		fault);
	if (!insert.error) {
		db_put_text(insert.query, 1, change->id);
		db_put_text(insert.query, 2, change->instrument);
		db_put_integer(insert.query, 3, clock_wall_ms());
		db_put_integer(insert.query, 4, change->lifetime_ms);
		db_put_text(insert.query, 5, boot);
		db_put_integer(insert.query, 6, samples_boot_ms());
		db_put_integer(insert.query, 7, change->results);
	}
	return finish(&insert, fault);
}

static int write_use(const struct sample_change *change, struct db *db, struct fault *fault)
{
	struct statement count = prepare(db, "UPDATE sample SET used = used + 1 WHERE id = ?1", fault);
	if (!count.error)
		db_put_text(count.query, 1, change->id);
	int error = finish(&count, fault);
	if (error || !change->row)
		return error;
	bool done = change->results && change->used >= change->results;
	struct statement use = prepare(
		db, done ? "DELETE FROM binding WHERE id = ?1" : "UPDATE binding SET used = ?2 WHERE id = ?1", fault);
	if (!use.error) {
		db_put_integer(use.query, 1, change->row);
		if (!done)
			db_put_integer(use.query, 2, change->used);
	}
	return finish(&use, fault);
}

static int write_end(const struct sample_change *change, struct db *db, struct fault *fault)
{
	struct statement end = prepare(db, "DELETE FROM binding WHERE id = ?1", fault);
	if (!end.error)
		db_put_integer(end.query, 1, change->row);
	return finish(&end, fault);
}

static int write_one(const struct sample_change *change, const char *boot, struct db *db, struct fault *fault)
{
	if (change->entry && change->entry->known)
		return 0;
	switch (change->kind) {
	case SAMPLE_REGISTER:
		return write_registration(change, db, fault);
	case SAMPLE_BIND:
		return write_binding(change, boot, db, fault);
	case SAMPLE_USED:
		return write_use(change, db, fault);
	case SAMPLE_END:
		return write_end(change, db, fault);
	}
	return 0;
}

int samples_write(const struct sample_changes *changes, const char *boot, struct db *db, struct fault *fault)
{
	for (size_t i = 0; i < changes->count; i++) {
		int error = write_one(&changes->list[i], boot, db, fault);
		if (error)
			return error;
	}
	return 0;
}

int samples_forget(struct db *db, int64_t oldest_ms, struct fault *fault)
{
	struct statement old = prepare(db,
		"DELETE FROM sample WHERE " SAMPLE_KNOWN_MS("?2", "NULL") " < ?1"
									  " AND id NOT IN (SELECT sample FROM binding)",
		fault);
	if (!old.error) {
		db_put_integer(old.query, 1, oldest_ms);
		db_put_integer(old.query, 2, CLOCK_POSSIBLE_MS);
	}
	return finish(&old, fault);
}
