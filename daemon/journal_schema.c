/* The journal's tables.
 *
 * An entry is kept as its variable parts; the view `payload` composes the published bytes of each, so that the file
 * explains itself to any SQLite shell. Flash wears by what is written: each commit writes whole pages to the log, so
 * pages are small, and what changes at every commit (head, instruments' cursors, targets' progress) shares one table.
 * tests/bench/journal_wear.c has the figures.
 */
#include "journal_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT_OF(value) #value
#define TEXT(macro)    TEXT_OF(macro)

/* One row a version, the first for version 1: what makes that schema from the one before. Rows are never edited once
 * released. */
static const char *const migrations[JOURNAL_SCHEMA] = {
	"CREATE TABLE state(kind TEXT, name TEXT, number INTEGER NOT NULL, value ANY NOT NULL,"
	" PRIMARY KEY(kind, name)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE station(first_seq INTEGER PRIMARY KEY, code TEXT NOT NULL) STRICT;"
	"CREATE TABLE entry(seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, received_ms INTEGER NOT NULL,"
	" id BLOB NOT NULL CHECK(length(id) = 16), prev BLOB NOT NULL CHECK(length(prev) = 32),"
	" body TEXT NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX entry_id ON entry(id);"
	"CREATE TABLE parked(target TEXT NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
	" reason TEXT NOT NULL, PRIMARY KEY(target, seq)) STRICT, WITHOUT ROWID;"
	"CREATE VIEW payload(seq, bytes) AS WITH h AS (SELECT *, lower(hex(id)) AS i FROM entry)"
	" SELECT seq, '{\"v\":1,\"id\":\"' || substr(i, 1, 8) || '-' || substr(i, 9, 4) || '-' ||"
	" substr(i, 13, 4) || '-' || substr(i, 17, 4) || '-' || substr(i, 21) || '\",\"station\":\"' ||"
	" (SELECT code FROM station WHERE first_seq <= h.seq ORDER BY first_seq DESC LIMIT 1) ||"
	" '\",\"epoch\":\"' || (SELECT value FROM state WHERE kind = 'epoch') || '\",\"seq\":' || seq ||"
	" ',\"prev\":\"sha256:' || lower(hex(prev)) || '\",' || body FROM h;"
	"INSERT INTO state VALUES('head', '', 0, zeroblob(32));"
	"INSERT INTO state SELECT 'epoch', '', 0, lower(hex(randomblob(16)));",

	/* ids of results whose entries were removed, or stand in a salvaged journal (seq 0) */
	"CREATE TABLE known(id BLOB PRIMARY KEY CHECK(length(id) = 16), seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;",

	/* samples people registered, and the instruments whose next results they are bound to; see samples.h */
	"CREATE TABLE sample(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, no TEXT NOT NULL,"
	" at_ms INTEGER NOT NULL, by TEXT NOT NULL, used INTEGER NOT NULL, facts TEXT NOT NULL,"
	" text TEXT NOT NULL) STRICT;"
	"CREATE INDEX sample_no ON sample(no) WHERE no <> '';"
	"CREATE TABLE binding(id INTEGER PRIMARY KEY AUTOINCREMENT, sample TEXT NOT NULL, instrument TEXT NOT NULL,"
	" begun_ms INTEGER NOT NULL, lifetime_ms INTEGER NOT NULL, boot TEXT NOT NULL, boot_ms INTEGER NOT NULL,"
	" results INTEGER NOT NULL, used INTEGER NOT NULL, replaced INTEGER NOT NULL) STRICT;",
	/* what proves the entries. The epoch's number is its digest: 0 SHA-256, 1 SM3. */
	"CREATE TABLE sealing_key(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, algorithm TEXT NOT NULL,"
	" pem TEXT NOT NULL) STRICT;"
	"CREATE TABLE seal(seq INTEGER PRIMARY KEY, key INTEGER NOT NULL, at TEXT NOT NULL,"
	" hash BLOB NOT NULL CHECK(length(hash) = 32), signature BLOB NOT NULL) STRICT;"
	"CREATE TABLE manifest(last_seq INTEGER PRIMARY KEY, day TEXT NOT NULL, payload TEXT NOT NULL) STRICT;"
	"DROP VIEW payload;"
	"CREATE VIEW payload(seq, bytes) AS WITH h AS (SELECT *, lower(hex(id)) AS i FROM entry)"
	" SELECT seq, '{\"v\":1,\"id\":\"' || substr(i, 1, 8) || '-' || substr(i, 9, 4) || '-' ||"
	" substr(i, 13, 4) || '-' || substr(i, 17, 4) || '-' || substr(i, 21) || '\",\"station\":\"' ||"
	" (SELECT code FROM station WHERE first_seq <= h.seq ORDER BY first_seq DESC LIMIT 1) ||"
	" '\",\"epoch\":\"' || (SELECT value FROM state WHERE kind = 'epoch') || '\",\"seq\":' || seq || ',\"prev\":\"' ||"
	" (SELECT CASE number WHEN 1 THEN 'sm3:' ELSE 'sha256:' END FROM state WHERE kind = 'epoch') ||"
	" lower(hex(prev)) || '\",' || body FROM h;",

	/* the first 48 bits of the entry's own digest: to a salvage each entry proves itself. NULL: it is older */
	"ALTER TABLE entry ADD COLUMN digest48 INTEGER;",

	/* tests of one sample that belong together; see retests.h */
	"CREATE TABLE retest(first TEXT PRIMARY KEY, sample TEXT NOT NULL, item TEXT NOT NULL,"
	" opened_ms INTEGER NOT NULL, members TEXT NOT NULL, instrument TEXT NOT NULL,"
	" waits_from_ms INTEGER NOT NULL, waits_ms INTEGER NOT NULL, source TEXT NOT NULL) STRICT, WITHOUT ROWID;",

	/* each test looks for its group */
	"CREATE INDEX retest_sample ON retest(sample, item, source, opened_ms) WHERE sample <> '';"
	"CREATE INDEX retest_awaiting ON retest(instrument, waits_from_ms) WHERE instrument <> '';"
	"CREATE INDEX retest_opened ON retest(opened_ms);",
};

static int migrate(struct db *db, int64_t from, struct fault *fault)
{
	for (size_t done = (size_t)from; done < JOURNAL_SCHEMA; done++) {
		char stamp[200];
		snprintf(stamp, sizeof(stamp),
			"REPLACE INTO state VALUES('schema', '', %zu, ''); PRAGMA application_id = %d;"
			"PRAGMA user_version = %zu; COMMIT",
			done + 1, (int)JOURNAL_APPLICATION_ID, done + 1);
		int error = db_run(db, "BEGIN IMMEDIATE", fault);
		if (!error)
			error = db_run(db, migrations[done], fault);
		if (!error)
			error = db_run(db, stamp, fault);
		if (error) {
			if (db_in_transaction(db))
				db_run(db, "ROLLBACK", NULL);
			return error;
		}
	}
	return 0;
}

/* The header says a newer version; believed only when the table that says the same is there to be read. */
static int refuse_newer(struct db *db, const char *path, int64_t version, struct fault *fault)
{
	int64_t confirmed = 0;
	if (db_number(db, "SELECT number FROM state WHERE kind = 'schema'", &confirmed, NULL) != 0 ||
		confirmed != version)
		return fault_set(fault, EUCLEAN, _("%s: the file is damaged: its version is not what it was"), path);
	return fault_set(fault, ENOTSUP,
		_("%s: was written by a newer assayd (schema %" PRId64
		  ", this one knows %d); install that version again, or "
		  "move the file away to begin a new journal"),
		path, version, (int)JOURNAL_SCHEMA);
}

/* Sets `*ret_version`, 0 for a file in which nothing is yet. */
static int examine(struct db *db, const char *path, int64_t *ret_version, struct fault *fault)
{
	int64_t application, version, tables;
	int error = db_number(db, "PRAGMA application_id", &application, fault);
	if (!error)
		error = db_number(db, "PRAGMA user_version", &version, fault);
	if (!error)
		error = db_number(db, "SELECT count(*) FROM sqlite_schema", &tables, fault);
	if (error)
		return error;
	*ret_version = version;
	if (application == 0 && version == 0 && tables == 0)
		return 0;
	if (application != JOURNAL_APPLICATION_ID || version < 1)
		return fault_set(fault, EUCLEAN, _("%s: is a database, but not a journal of assayd"), path);
	if (version > JOURNAL_SCHEMA)
		return refuse_newer(db, path, version, fault);
	return 0;
}

int schema_prepare(struct db *db, const char *path, bool unsafe_sync, struct fault *fault)
{
	int64_t version = 0;
	db_tidy_at_close(db, false);
	int error = examine(db, path, &version, fault);
	if (!error && version == 0)
		error = db_run(db, "PRAGMA page_size = " TEXT(JOURNAL_PAGE) "; PRAGMA journal_mode = WAL", fault);
	if (!error)
		error = db_run(db,
			unsafe_sync ? "PRAGMA synchronous = NORMAL"
				    : "PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON",
			fault);
	if (!error)
		error = db_run(db,
			"PRAGMA journal_mode = WAL; PRAGMA cache_size = -500; PRAGMA temp_store = MEMORY;"
			"PRAGMA journal_size_limit = 16777216",
			fault);
	if (!error)
		error = migrate(db, version, fault);
	return error;
}

int schema_digest(struct db *db, enum digest_kind digest, struct fault *fault)
{
	struct db_query *set;
	int error = db_prepare(db,
		"UPDATE state SET number = ?1 WHERE kind = 'epoch' AND number <> ?1"
		" AND (SELECT number FROM state WHERE kind = 'head') = 0",
		&set, fault);
	if (error)
		return error;
	db_put_integer(set, 1, digest);
	return db_step(set, fault);
}

int schema_station(struct db *db, const char *station, struct fault *fault)
{
	struct db_query *set;
	int error = db_prepare(db,
		"REPLACE INTO station SELECT number + 1, ?1 FROM state WHERE kind = 'head' AND ?1 IS NOT"
		" (SELECT code FROM station ORDER BY first_seq DESC LIMIT 1)",
		&set, fault);
	if (error)
		return error;
	db_put_text(set, 1, station);
	return db_step(set, fault);
}

int schema_former(struct db *db, const char *station, struct former_codes *ret, struct fault *fault)
{
	struct db_query *query;
	int error = db_prepare(db,
		"SELECT code FROM station WHERE code <> ?1 GROUP BY code ORDER BY max(first_seq) DESC", &query, fault);
	if (error)
		return error;
	int row = 0;
	db_put_text(query, 1, station);
	for (ret->count = 0; ret->count < FORMER_MAX && (row = db_step(query, fault)) == 1; ret->count++)
		snprintf(ret->list[ret->count], STATION_MAX, "%s", db_text(query, 0, NULL));
	db_finish(query);
	return row < 0 ? row : 0;
}
