#include "journal_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct place *place_find(const struct places *places, const char *name)
{
	for (size_t i = 0; i < places->count; i++)
		if (strcmp(places->list[i].name, name) == 0)
			return &places->list[i];
	return NULL;
}

struct place *place_add(struct places *places, const char *name)
{
	struct place *place = place_find(places, name);
	if (place)
		return place;
	struct place *list = realloc(places->list, (places->count + 1) * sizeof(*list));
	char *copy = strdup(name);
	if (!list || !copy)
		abort(); /* a gateway without memory restarts from its journal */
	places->list = list;
	place = &list[places->count++];
	*place = (struct place){ .name = copy };
	return place;
}

void places_free(struct places *places)
{
	for (size_t i = 0; i < places->count; i++)
		free(places->list[i].name);
	free(places->list);
	*places = (struct places){ 0 };
}

/* The entry is one that a target of those in ?3 refused, or stands between such a one and the next seal. */
#define IS_ISLAND                                                                                                      \
	"EXISTS (SELECT 1 FROM (SELECT (SELECT max(parked.seq) FROM parked WHERE target = name.value"                  \
	" AND parked.seq <= entry.seq) AS refused FROM json_each(?3) AS name) WHERE entry.seq <= ifnull("              \
	"(SELECT min(seal.seq) FROM seal WHERE seal.seq >= refused), refused))"

static int prepare_queries(struct store *store, struct fault *fault)
{
	const struct db_statement rows[] = {
		{ &store->begin, "BEGIN IMMEDIATE" },
		{ &store->commit, "COMMIT" },
		{ &store->rollback, "ROLLBACK" },
		{ &store->pages, "PRAGMA page_count" },
		{ &store->find,
			"SELECT seq FROM entry WHERE id = ?1 UNION ALL SELECT seq FROM known WHERE id = ?1 LIMIT 1" },
		{ &store->insert, "INSERT INTO entry(seq, kind, received_ms, id, prev, body, digest48)"
				  " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)" },
		{ &store->head, "UPDATE state SET number = ?1, value = ?2 WHERE kind = 'head'" },
		{ &store->instrument, "REPLACE INTO state VALUES('instrument', ?1, 0, ?2)" },
		{ &store->target, "REPLACE INTO state VALUES('target', ?1, ?2, CAST(?2 AS TEXT))" },
		{ &store->park, "REPLACE INTO parked(target, seq, at_ms, reason) VALUES(?1, ?2, ?3, ?4)" },
		{ &store->know, "INSERT OR IGNORE INTO known VALUES(?1, ?2)" },
		{ &store->figures,
			"SELECT (SELECT page_count FROM pragma_page_count),"
			" (SELECT freelist_count FROM pragma_freelist_count), (SELECT min(seq) FROM entry WHERE seq >"
			" ifnull((SELECT number FROM state WHERE kind = 'pruned'), 0))" },
		{ &store->times,
			"SELECT seq, received_ms FROM entry WHERE seq BETWEEN ?3 AND ?1 ORDER BY seq LIMIT ?2" },
		{ &store->sealed, "SELECT ifnull(max(seq), 0) FROM seal" },
		{ &store->left, "SELECT seq FROM entry WHERE seq > ?1 AND seq < ?2 ORDER BY seq LIMIT ?3" },
		{ &store->again, /* what can be read again: UUIDv8 */
			"SELECT id, seq FROM entry WHERE seq > ?1 AND seq <= ?2 AND kind <> 2"
			" AND substr(id, 7, 1) BETWEEN x'80' AND x'8f' AND NOT " IS_ISLAND },
		{ &store->remove, "DELETE FROM entry WHERE seq > ?1 AND seq <= ?2 AND NOT " IS_ISLAND },
		{ &store->forget_parked, /* by targets that are no more; each name is looked up in the index */
			"WITH RECURSIVE t(target) AS (SELECT min(target) FROM parked UNION ALL"
			" SELECT (SELECT min(target) FROM parked WHERE target > t.target) FROM t WHERE t.target IS NOT NULL)"
			" DELETE FROM parked WHERE target IN (SELECT target FROM t WHERE instr(target, '/') = 0"
			" AND target NOT IN (SELECT value FROM json_each(?3))) AND seq > ?1 AND seq <= ?2"
			" AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.seq = parked.seq)" },
		{ &store->forget_seals, /* a later one covers what they did */
			"DELETE FROM seal WHERE seq > ?1 AND seq <= ?2"
			" AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.seq = seal.seq)" },
		{ &store->pruned, "REPLACE INTO state VALUES('pruned', '', ?1, CAST(?1 AS TEXT))" },
		{ &store->unpark, "DELETE FROM parked WHERE target = ?1 AND seq = ?2" },
		{ &store->manifest, "REPLACE INTO manifest(last_seq, day, payload) VALUES(?1, ?2, ?3)" },
		{ &store->seal, "REPLACE INTO seal(seq, key, at, hash, signature) VALUES(?1, ?2, ?3, ?4, ?5)" },
	};
	return db_prepare_all(store->db, rows, sizeof(rows) / sizeof(*rows), fault);
}

int store_commit(struct store *store, struct fault *fault)
{
	int row = db_step(store->pages, fault);
	if (row < 0)
		return row;
	int64_t bytes = db_integer(store->pages, 0) * JOURNAL_PAGE;
	db_reset(store->pages);
	int error = db_take_room(store->db, bytes, fault);
	return error ? error : db_step(store->commit, fault);
}

static int load_head(struct journal *journal, struct fault *fault)
{
	struct store *store = &journal->store;
	struct db_query *query;
	int error = db_prepare(store->db,
		"SELECT number, value, ifnull((SELECT max(seq) FROM entry), 0),"
		" (SELECT value FROM state WHERE kind = 'epoch'), (SELECT number FROM state WHERE kind = 'epoch')"
		" FROM state WHERE kind = 'head'",
		&query, fault);
	if (error)
		return error;
	int row = db_step(query, fault);
	if (row < 0)
		return row;
	size_t length = 0;
	const uint8_t *hash = row ? db_bytes(query, 1, DIGEST_SIZE) : NULL;
	const char *epoch = row ? db_text(query, 3, &length) : "";
	if (!hash || length != EPOCH_MAX - 1 || db_integer(query, 0) != db_integer(query, 2)) {
		db_reset(query);
		return fault_set(
			fault, EUCLEAN, _("%s: the file is damaged: its head is not its last entry"), journal->path);
	}
	store->chain.seq = (uint64_t)db_integer(query, 0);
	store->chain.digest = db_integer(query, 4) == DIGEST_SM3 ? DIGEST_SM3 : DIGEST_SHA256;
	memcpy(store->chain.hash, hash, DIGEST_SIZE);
	if (!journal->epoch[0])
		memcpy(journal->epoch, epoch, EPOCH_MAX);
	db_reset(query);
	return 0;
}

static int load_places(struct journal *journal, struct fault *fault)
{
	struct db_query *instruments, *targets;
	int row, error = db_prepare(journal->store.db, "SELECT name, value FROM state WHERE kind = 'instrument'",
			 &instruments, fault);
	if (!error)
		error = db_prepare(
			journal->store.db, "SELECT name, number FROM state WHERE kind = 'target'", &targets, fault);
	if (error)
		return error;
	while ((row = db_step(instruments, fault)) == 1) {
		size_t length;
		const char *cursor = db_text(instruments, 1, &length);
		struct place *place = place_add(&journal->instruments, db_text(instruments, 0, NULL));
		if (length >= sizeof(place->cursor))
			length = sizeof(place->cursor) - 1;
		memcpy(place->cursor, cursor, length);
		place->cursor[length] = '\0';
	}
	while (row == 0 && (row = db_step(targets, fault)) == 1) {
		struct place *place = place_add(&journal->targets, db_text(targets, 0, NULL));
		uint64_t through = (uint64_t)db_integer(targets, 1);
		if (place->through < through)
			place->through = through;
		row = 0;
	}
	return row;
}

/* What an earlier life wrote and did not sync stands in the log and would be answered as "known": it becomes durable
 * before anything is said about it. Where a sync failed the kernel holds such pages for clean, and another sync would
 * not write them: then they are written anew, into the file, and the log begins anew. */
static int settle(struct journal *journal, struct fault *fault)
{
	if (journal->unsafe_sync)
		return 0;
	int error = db_checkpoint(journal->store.db, journal->doubtful, fault);
	if (!journal->doubtful && (error == -EBUSY || error == -ENOSPC))
		error = 0; /* a reader, or no room: the log has everything meanwhile */
	if (!error)
		error = files_settle_log(journal->path, LOG_PAGES_MAX * (JOURNAL_PAGE + 24L) + 65536, fault);
	if (!error)
		journal->doubtful = false;
	return error;
}

int store_open(struct journal *journal, struct fault *fault)
{
	struct store *store = &journal->store;
	int error = db_open(journal->path, DB_WRITE, &store->db, fault);
	if (error)
		return error;
	error = schema_prepare(store->db, journal->path, journal->unsafe_sync, fault);
	if (!error)
		error = schema_station(store->db, journal->station, fault);
	if (!error)
		error = schema_digest(store->db, journal->new_digest, fault);
	if (!error)
		error = prepare_queries(store, fault);
	if (!error)
		error = load_head(journal, fault);
	if (!error)
		error = load_places(journal, fault);
	if (!error)
		error = space_figures(journal, fault);
	if (!error)
		error = settle(journal, fault);
	if (error)
		store_close(store, false);
	return error;
}

void store_close(struct store *store, bool tidy)
{
	if (store->db)
		db_tidy_at_close(store->db, tidy);
	db_close(store->db);
	free(store->buffer);
	*store = (struct store){ 0 };
}

static int reserve(struct store *store, size_t size, struct fault *fault)
{
	if (store->room >= size)
		return 0;
	char *buffer = realloc(store->buffer, size);
	if (!buffer)
		return fault_set(fault, ENOMEM, _("no memory left for an entry of %zu bytes"), size);
	store->buffer = buffer;
	store->room = size;
	return 0;
}

/* The digest of the entry as it is published. */
static int digest_entry(
	struct journal *journal, const struct entry *entry, uint8_t hash[static DIGEST_SIZE], struct fault *fault)
{
	struct store *store = &journal->store;
	size_t body = strlen(entry->body);
	int error = reserve(store, HEAD_MAX + body, fault);
	if (error)
		return error;
	struct head head = { entry->id, journal->station, journal->epoch, store->chain.seq + 1, store->chain.digest,
		store->chain.hash };
	size_t length = chain_head(store->buffer, &head);
	memcpy(store->buffer + length, entry->body, body);
	digest_of(store->chain.digest, store->buffer, length + body, hash);
	return 0;
}

/* 1 and sets `entry->seq` when an entry with this id is there, 0, or -errno. */
static int find(struct store *store, const uint8_t id[static UUID_SIZE], struct entry *entry, struct fault *fault)
{
	db_put_bytes(store->find, 1, id, UUID_SIZE);
	int row = db_step(store->find, fault);
	if (row != 1)
		return row;
	entry->seq = (uint64_t)db_integer(store->find, 0);
	int error = db_reset(store->find);
	return error ? error : 1;
}

int store_entry(struct journal *journal, struct entry *entry, int64_t received_ms, struct fault *fault)
{
	struct store *store = &journal->store;
	uint8_t id[UUID_SIZE], other[UUID_SIZE], hash[DIGEST_SIZE];
	if (!uuid_parse(entry->id, id))
		return fault_set(fault, EINVAL, _("entry id %s is not a UUID in lower case"), entry->id);
	int found = find(store, id, entry, fault);
	for (size_t i = 0; found == 0 && i < OTHER_IDS_MAX && uuid_parse(entry->other_ids[i], other); i++)
		found = find(store, other, entry, fault);
	entry->known = found == 1;
	if (found != 0)
		return found < 0 ? found : 0;
	int error = digest_entry(journal, entry, hash, fault);
	if (error)
		return error;
	entry->seq = store->chain.seq + 1;
	db_put_integer(store->insert, 1, (int64_t)entry->seq);
	db_put_integer(store->insert, 2, entry->kind);
	db_put_integer(store->insert, 3, received_ms);
	db_put_bytes(store->insert, 4, id, sizeof(id));
	db_put_bytes(store->insert, 5, store->chain.hash, DIGEST_SIZE);
	db_put_text(store->insert, 6, entry->body);
	db_put_integer(store->insert, 7, chain_digest48(hash));
	error = db_step(store->insert, fault);
	if (error)
		return error;
	store->chain.seq = entry->seq;
	memcpy(store->chain.hash, hash, DIGEST_SIZE);
	return 0;
}
