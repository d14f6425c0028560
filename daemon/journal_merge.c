/* Two files of one epoch become one: publishers keep how far a target has an epoch, not a file (journal_old.c).
 *
 * A backup that was restored is whole up to its day, what was salvaged of the same journal goes on to a later one but
 * has holes. Of an entry that both have the first stays; numbers of keys differ from file to file; who changed the
 * station's code in between finds each entry under the code it was published with.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "journal_parts.h"
#include "progress.h"
#include "salvage.h"

#define CODE_OF(file)                                                                                                  \
	"SELECT seq, (SELECT code FROM " file ".station WHERE first_seq <= e.seq ORDER BY first_seq DESC LIMIT 1)"     \
	" FROM " file ".entry AS e"
#define SAME_ENTRY                                                                                                     \
	"EXISTS (SELECT 1 FROM main.entry AS e WHERE e.seq = f.seq AND e.id = f.id AND e.prev = f.prev"                \
	" AND e.body = f.body)"

static const char *const statements[] = {
	"BEGIN IMMEDIATE",

	/* entries, each under the station's code it was published with */
	"CREATE TEMP TABLE coded(seq INTEGER PRIMARY KEY, code TEXT)",
	"INSERT INTO coded " CODE_OF("main"),
	"INSERT OR IGNORE INTO coded " CODE_OF("more"),
	"INSERT OR IGNORE INTO main.entry(seq, kind, received_ms, id, prev, body, digest48)"
	" SELECT seq, kind, received_ms, id, prev, body, digest48 FROM more.entry ORDER BY seq",
	"DELETE FROM main.station",
	"INSERT INTO main.station SELECT seq, code FROM"
	" (SELECT seq, code, lag(code) OVER (ORDER BY seq) AS before FROM coded) WHERE code IS NOT before",

	/* what proves them; numbers of keys differ from file to file */
	"INSERT INTO main.sealing_key(number, id, algorithm, pem)"
	" SELECT number + (SELECT ifnull(max(number), 0) FROM main.sealing_key), id, algorithm, pem"
	" FROM more.sealing_key WHERE id NOT IN (SELECT id FROM main.sealing_key)",
	"INSERT OR IGNORE INTO main.seal(seq, key, at, hash, signature) SELECT s.seq, own.number, s.at, s.hash, s.signature"
	" FROM more.seal AS s JOIN more.sealing_key AS its ON its.number = s.key"
	" JOIN main.sealing_key AS own ON own.id = its.id"
	" WHERE EXISTS (SELECT 1 FROM more.entry AS f WHERE f.seq = s.seq AND " SAME_ENTRY ")",
	"INSERT OR IGNORE INTO main.manifest(last_seq, day, payload) SELECT last_seq, day, payload FROM more.manifest",

	"INSERT OR IGNORE INTO main.parked(target, seq, at_ms, reason) SELECT target, seq, at_ms, reason FROM more.parked",
	"INSERT OR IGNORE INTO main.known(id, seq) SELECT id, seq FROM more.known",

	/* the later end, the further progress, and as removed only what neither has */
	"UPDATE main.state SET (number, value) = (SELECT number, value FROM more.state WHERE kind = 'head')"
	" WHERE kind = 'head' AND number < (SELECT number FROM more.state WHERE kind = 'head')",
	"REPLACE INTO main.state(kind, name, number, value) SELECT kind, name, number, value FROM more.state AS t"
	" WHERE kind = 'target' AND NOT EXISTS"
	" (SELECT 1 FROM main.state WHERE kind = 'target' AND name = t.name AND number >= t.number)",
	"UPDATE main.state SET number = its.number, value = CAST(its.number AS TEXT)"
	" FROM (SELECT ifnull(max(number), 0) AS number FROM more.state WHERE kind = 'pruned') AS its"
	" WHERE kind = 'pruned' AND state.number > its.number",

	"COMMIT",
};

static int run_statements(struct db *db, struct fault *fault)
{
	int error = 0;
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]) && !error; i++) {
		error = db_run(db, statements[i], fault);
		progress(); /* ending and emptying the log have no steps to tell of */
	}
	return error;
}

static int attach(struct db *db, const char *path, struct fault *fault)
{
	struct db_query *query;
	int error = db_prepare(db, "ATTACH ?1 AS more", &query, fault);
	if (error)
		return error;
	db_put_text(query, 1, path);
	error = db_step(query, fault);
	db_finish(query);
	return error;
}

static int refuse_other_epoch(struct db *db, const char *path, struct fault *fault)
{
	int64_t same;
	int error = db_number(db,
		"SELECT count(*) FROM main.state AS a, more.state AS b"
		" WHERE a.kind = 'epoch' AND b.kind = 'epoch' AND a.value = b.value AND a.number = b.number",
		&same, fault);
	if (!error && !same)
		error = fault_set(fault, EEXIST,
			_("%s: holds another epoch than its name says; name it after its own, or move it away"), path);
	return error;
}

static int take_in(const char *path, const char *more, uint64_t *ret_differing, struct fault *fault)
{
	struct db *db = NULL;
	int64_t differing = 0;
	int error = db_open(path, DB_WRITE, &db, fault);
	if (!error)
		error = schema_prepare(db, path, false, fault); /* a backup may be of an older version */
	if (!error)
		error = attach(db, more, fault);
	if (!error)
		error = refuse_other_epoch(db, path, fault);
	if (!error)
		error = run_statements(db, fault);
	if (!error)
		error = db_number(db, "SELECT count(*) FROM more.entry AS f WHERE NOT " SAME_ENTRY, &differing, fault);
	if (!error)
		error = db_run(db, "DETACH more; PRAGMA main.journal_mode = DELETE", fault);
	db_close(db);
	*ret_differing = (uint64_t)differing;
	return error;
}

int salvage_merge(const char *path, const char *more, uint64_t *ret_differing, struct fault *fault)
{
	*ret_differing = 0;
	bool damaged = files_is_marked(path); /* and a power cut ended its being set aside */
	if (!damaged && access(path, F_OK) == 0) {
		int error = take_in(path, more, ret_differing, fault);
		if (!error)
			unlink(more);
		if (error != -EUCLEAN)
			return error;
		damaged = true;
	}
	/* it is salvaged in its turn, as a journal that was damaged would be */
	int error = damaged ? files_set_aside(path, FILE_LAST, NULL, fault) : 0;
	if (error)
		return error;
	return rename(more, path) == 0 ? 0 : fault_set(fault, errno, "%s: %s", path, strerror(errno));
}
