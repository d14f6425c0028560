/* Seals, keys and manifests in the journal.
 *
 * A commit of its own for each second's seal would nearly double what a quiet room writes to its flash: so a seal waits
 * in memory for a commit to ride along with, where its readers find it meanwhile.
 */
#include "journal_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

enum { STORED_WITHIN_MS = 10000 };

/* ---- the writing side ---- */

static int load_station(struct journal *journal, struct fault *fault)
{
	struct db_query *query;
	int error = db_prepare(journal->store.db,
		"SELECT code FROM station WHERE first_seq <= ?1 ORDER BY first_seq DESC LIMIT 1", &query, fault);
	if (error)
		return error;
	db_put_integer(query, 1, (int64_t)journal->seals.head);
	int row = db_step(query, fault);
	if (row == 1)
		snprintf(journal->seals.station, sizeof(journal->seals.station), "%s", db_text(query, 0, NULL));
	db_finish(query);
	return row < 0 ? row : 0;
}

int seals_load(struct journal *journal, struct fault *fault)
{
	int64_t sealed;
	int error = db_number(journal->store.db, "SELECT max(seq) FROM seal", &sealed, fault);
	if (error)
		return error;
	journal->seals.digest = journal->store.chain.digest;
	journal->seals.sealed = (uint64_t)sealed;
	error = db_number(journal->store.db, "SELECT max(last_seq) FROM manifest", &sealed, fault);
	if (error)
		return error;
	journal->seals.manifested = (uint64_t)sealed;
	journal->seals.head = journal->store.chain.seq;
	memcpy(journal->seals.hash, journal->store.chain.hash, DIGEST_SIZE);
	return load_station(journal, fault);
}

static int store_one(struct journal *journal, const struct seal *seal, int64_t key, struct fault *fault)
{
	struct db_query *query = journal->store.seal;
	db_put_integer(query, 1, (int64_t)seal->seq);
	db_put_integer(query, 2, key);
	db_put_text(query, 3, seal->at);
	db_put_bytes(query, 4, seal->hash, DIGEST_SIZE);
	db_put_bytes(query, 5, seal->signature, seal->signature_length);
	return db_step(query, fault);
}

int seals_store(struct journal *journal, struct fault *fault)
{
	struct seals *seals = &journal->seals;
	struct seal waiting[SEALS_MAX];
	int error = 0;
	pthread_mutex_lock(&journal->lock);
	size_t count = seals->taken = seals->count;
	int64_t key = seals->key;
	memcpy(waiting, seals->list, count * sizeof(*waiting));
	pthread_mutex_unlock(&journal->lock);
	for (size_t i = 0; !error && i < count; i++)
		error = store_one(journal, &waiting[i], key, fault);
	return error;
}

void seals_finish(struct journal *journal, bool stored)
{
	struct seals *seals = &journal->seals;
	if (!stored)
		return;
	if (seals->head != journal->store.chain.seq)
		memcpy(seals->station, journal->station, sizeof(seals->station));
	seals->head = journal->store.chain.seq;
	memcpy(seals->hash, journal->store.chain.hash, DIGEST_SIZE);
	seals->count -= seals->taken;
	memmove(seals->list, seals->list + seals->taken, seals->count * sizeof(*seals->list));
	seals->taken = 0;
}

bool journal_unsealed(struct journal *journal, struct seal *ret)
{
	pthread_mutex_lock(&journal->lock);
	const struct seals *seals = &journal->seals;
	bool moved = seals->head > seals->sealed;
	if (moved) {
		*ret = (struct seal){ .seq = seals->head, .digest = seals->digest };
		memcpy(ret->hash, seals->hash, DIGEST_SIZE);
		snprintf(ret->station, sizeof(ret->station), "%s", seals->station);
		snprintf(ret->epoch, sizeof(ret->epoch), "%s", journal->epoch);
		clock_text(ret->at, clock_wall_ms());
	}
	pthread_mutex_unlock(&journal->lock);
	return moved;
}

/* With the lock held. */
static void tell_watchers(struct journal *journal)
{
	for (size_t i = 0; i < journal->watcher_count; i++)
		if (write(journal->watchers[i], &(uint64_t){ 1 }, sizeof(uint64_t)) < 0)
			continue; /* an eventfd that is full wakes its owner all the same */
}

void journal_seal(struct journal *journal, const struct seal *seal)
{
	struct seals *seals = &journal->seals;
	pthread_mutex_lock(&journal->lock);
	/* while nothing can be stored the newest is worth most: it covers what the others cover */
	size_t at = seals->count < SEALS_MAX ? seals->count++ : SEALS_MAX - 1;
	seals->list[at] = *seal;
	if (seals->taken > at)
		seals->taken = at; /* the one it replaced is being stored; this one waits */
	if (seals->sealed < seal->seq)
		seals->sealed = seal->seq;
	if (!journal->progress_due_ms) {
		journal->progress_due_ms = clock_ms() + STORED_WITHIN_MS;
		pthread_cond_signal(&journal->work);
	}
	tell_watchers(journal);
	pthread_mutex_unlock(&journal->lock);
}

bool journal_fresh_seal(struct journal *journal, uint64_t after, struct seal *ret)
{
	bool found = false;
	pthread_mutex_lock(&journal->lock);
	for (size_t i = 0; i < journal->seals.count && !found; i++) {
		found = journal->seals.list[i].seq > after;
		if (found)
			*ret = journal->seals.list[i];
	}
	pthread_mutex_unlock(&journal->lock);
	return found;
}

struct new_key {
	const struct signature_key *key;
	char *pem;
	int64_t before, number;
};

static int add_key(const struct new_key *new, struct db *db, struct fault *fault)
{
	struct db_query *add;
	int error =
		db_prepare(db, "INSERT OR IGNORE INTO sealing_key(id, algorithm, pem) VALUES(?1, ?2, ?3)", &add, fault);
	if (error)
		return error;
	db_put_text(add, 1, signature_key_id(new->key));
	db_put_text(add, 2, signature_name(signature_key_kind(new->key)));
	db_put_text(add, 3, new->pem);
	error = db_step(add, fault);
	db_finish(add);
	return error;
}

static int find_key(struct new_key *new, struct db *db, struct fault *fault)
{
	struct db_query *find;
	int error = db_prepare(db, "SELECT number FROM sealing_key WHERE id = ?1", &find, fault);
	if (error)
		return error;
	db_put_text(find, 1, signature_key_id(new->key));
	error = db_step(find, fault);
	if (error >= 0)
		new->number = db_integer(find, 0);
	db_reset(find);
	db_finish(find);
	return error < 0 ? error : 0;
}

static int store_key(void *context, struct db *db, struct fault *fault)
{
	struct new_key *new = context;
	int error = db_number(db, "SELECT key FROM seal ORDER BY seq DESC LIMIT 1", &new->before, fault);
	if (!error)
		error = add_key(new, db, fault);
	return error ? error : find_key(new, db, fault);
}

int journal_key(struct journal *journal, const struct signature_key *key, bool *ret_changed, struct fault *fault)
{
	struct new_key new = { .key = key, .pem = signature_key_pem(key, false) };
	struct caller caller = { .beside = store_key, .context = &new };
	int error = writer_ask(journal, &caller, fault);
	free(new.pem);
	if (error)
		return error;
	pthread_mutex_lock(&journal->lock);
	journal->seals.key = new.number;
	pthread_mutex_unlock(&journal->lock);
	if (ret_changed)
		*ret_changed = new.before &&new.before != new.number;
	return 0;
}

struct new_manifest {
	struct journal *journal;
	uint64_t last;
	const char *day, *payload;
};

static int store_manifest(void *context, struct db *db, struct fault *fault)
{
	const struct new_manifest *new = context;
	struct db_query *put = new->journal->store.manifest;
	(void)db; /* its query is ready */
	db_put_integer(put, 1, (int64_t) new->last);
	db_put_text(put, 2, new->day);
	db_put_text(put, 3, new->payload);
	return db_step(put, fault);
}

int journal_manifest(struct journal *journal, uint64_t last, const char *day, const char *payload, struct fault *fault)
{
	struct new_manifest new = { journal, last, day, payload };
	struct caller caller = { .beside = store_manifest, .context = &new };
	int error = writer_ask(journal, &caller, fault);
	if (error)
		return error;
	pthread_mutex_lock(&journal->lock);
	journal->seals.manifested = last;
	tell_watchers(journal);
	pthread_mutex_unlock(&journal->lock);
	return 0;
}

uint64_t journal_sealed(const struct journal *journal)
{
	return journal->seals.sealed;
}

uint64_t journal_manifested(const struct journal *journal)
{
	return journal->seals.manifested;
}

enum digest_kind journal_digest(const struct journal *journal)
{
	return journal->seals.digest;
}

/* ---- the reading side ---- */

struct journal_reader_proof {
	bool none; /* an older schema */
	struct db_query *seal, *manifest, *key, *station, *between;
};

void reader_proof_free(struct journal_reader_proof *proof)
{
	free(proof); /* the queries end with their connection */
}

static int prepare(struct db *db, struct journal_reader_proof *proof, struct fault *fault)
{
	const struct {
		struct db_query **query;
		const char *statement;
	} rows[] = {
		{ &proof->seal,
			"SELECT seal.seq, at, hash, signature, sealing_key.id, algorithm, (SELECT code FROM station"
			" WHERE first_seq <= seal.seq ORDER BY first_seq DESC LIMIT 1) FROM seal JOIN sealing_key"
			" ON number = key WHERE seal.seq > ?1 ORDER BY seal.seq LIMIT 1" },
		{ &proof->manifest, "SELECT last_seq, day, payload FROM manifest WHERE last_seq > ?1"
				    " AND (?2 = '' OR day = ?2) ORDER BY last_seq LIMIT 1" },
		{ &proof->key,
			"SELECT id, algorithm, pem FROM sealing_key WHERE ?1 = '' OR id = ?1 ORDER BY number DESC LIMIT 1" },
		{ &proof->station, "SELECT code FROM station WHERE first_seq <= ?1 ORDER BY first_seq DESC LIMIT 1" },
		{ &proof->between, "SELECT ifnull(min(seq), 0), ifnull(max(seq), 0) FROM entry"
				   " WHERE received_ms >= ?1 AND received_ms < ?2" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int error = *rows[i].query ? 0 : db_prepare(db, rows[i].statement, rows[i].query, fault);
		if (error)
			return error;
	}
	return 0;
}

/* Makes the queries when there is something to ask, which an older schema lacks. */
static int look(struct journal_reader *reader, struct journal_reader_proof *proof, struct fault *fault)
{
	int64_t version;
	int error = db_number(reader_db(reader), "PRAGMA user_version", &version, fault);
	if (error || version < 4)
		return error;
	error = prepare(reader_db(reader), proof, fault);
	proof->none = error != 0;
	return error;
}

/* NULL, and no error: an older assayd wrote the journal, and this one has not opened it yet. There is no proof in it.
 */
static struct journal_reader_proof *proof_of(struct journal_reader *reader, int *ret_error, struct fault *fault)
{
	struct journal_reader_proof **kept = reader_proof(reader), *proof = *kept;
	if (!proof) {
		proof = calloc(1, sizeof(*proof));
		if (!proof) {
			*ret_error = fault_set(fault, ENOMEM, _("no memory left"));
			return NULL;
		}
		proof->none = true;
		*kept = proof;
	}
	*ret_error = proof->none ? look(reader, proof, fault) : 0;
	return proof->none ? NULL : proof;
}

int journal_next_seal(struct journal_reader *reader, uint64_t after, struct seal *ret, struct fault *fault)
{
	int error;
	struct journal_reader_proof *proof = proof_of(reader, &error, fault);
	if (!proof)
		return error;
	db_put_integer(proof->seal, 1, after > INT64_MAX ? INT64_MAX : (int64_t)after);
	int row = db_step(proof->seal, fault);
	if (row != 1)
		return row;
	struct seal seal = { .seq = (uint64_t)db_integer(proof->seal, 0) };
	size_t length;
	const uint8_t *hash = db_bytes(proof->seal, 2, DIGEST_SIZE);
	const uint8_t *signature = db_blob(proof->seal, 3, &length);
	snprintf(seal.epoch, sizeof(seal.epoch), "%s", journal_reader_epoch(reader, &seal.digest));
	snprintf(seal.at, sizeof(seal.at), "%s", db_text(proof->seal, 1, NULL));
	snprintf(seal.key, sizeof(seal.key), "%s", db_text(proof->seal, 4, NULL));
	snprintf(seal.station, sizeof(seal.station), "%s", db_text(proof->seal, 6, NULL));
	if (!hash || length == 0 || length > SIGNATURE_MAX ||
		!signature_named(db_text(proof->seal, 5, NULL), &seal.kind)) {
		db_reset(proof->seal);
		return fault_set(fault, EUCLEAN, _("the seal of entry %llu in the journal is damaged"),
			(unsigned long long)seal.seq);
	}
	memcpy(seal.hash, hash, DIGEST_SIZE);
	memcpy(seal.signature, signature, length);
	seal.signature_length = length;
	*ret = seal;
	db_reset(proof->seal);
	return 1;
}

int journal_next_manifest(struct journal_reader *reader, uint64_t after, const char *day,
	int (*each)(void *context, const struct kept_manifest *), void *context, struct fault *fault)
{
	int error;
	struct journal_reader_proof *proof = proof_of(reader, &error, fault);
	if (!proof)
		return error;
	db_put_integer(proof->manifest, 1, after > INT64_MAX ? INT64_MAX : (int64_t)after);
	db_put_text(proof->manifest, 2, day ? day : "");
	int row = db_step(proof->manifest, fault);
	if (row != 1)
		return row;
	struct kept_manifest manifest = { (uint64_t)db_integer(proof->manifest, 0), db_text(proof->manifest, 1, NULL),
		db_text(proof->manifest, 2, NULL) };
	each(context, &manifest);
	db_reset(proof->manifest);
	return 1;
}

int journal_read_key(struct journal_reader *reader, const char *id, struct kept_key *ret, struct fault *fault)
{
	int error;
	struct journal_reader_proof *proof = proof_of(reader, &error, fault);
	if (!proof)
		return error;
	db_put_text(proof->key, 1, id ? id : "");
	int row = db_step(proof->key, fault);
	if (row != 1)
		return row;
	snprintf(ret->id, sizeof(ret->id), "%s", db_text(proof->key, 0, NULL));
	snprintf(ret->algorithm, sizeof(ret->algorithm), "%s", db_text(proof->key, 1, NULL));
	snprintf(ret->pem, sizeof(ret->pem), "%s", db_text(proof->key, 2, NULL));
	db_reset(proof->key);
	return 1;
}

int journal_reader_station(struct journal_reader *reader, uint64_t seq, char out[static 32], struct fault *fault)
{
	int error;
	struct journal_reader_proof *proof = proof_of(reader, &error, fault);
	*out = '\0';
	if (!proof)
		return error;
	db_put_integer(proof->station, 1, (int64_t)seq);
	int row = db_step(proof->station, fault);
	if (row != 1)
		return row;
	snprintf(out, 32, "%s", db_text(proof->station, 0, NULL));
	return db_reset(proof->station);
}

int journal_between(struct journal_reader *reader, int64_t since_ms, int64_t until_ms, uint64_t *ret_first,
	uint64_t *ret_last, struct fault *fault)
{
	int error;
	struct journal_reader_proof *proof = proof_of(reader, &error, fault);
	*ret_first = *ret_last = 0;
	if (!proof)
		return error;
	db_put_integer(proof->between, 1, since_ms);
	db_put_integer(proof->between, 2, until_ms);
	int row = db_step(proof->between, fault);
	if (row != 1)
		return row;
	*ret_first = (uint64_t)db_integer(proof->between, 0);
	*ret_last = (uint64_t)db_integer(proof->between, 1);
	return db_reset(proof->between);
}
