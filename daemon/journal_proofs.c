#include "journal_proofs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"
#include "seal.h"

enum {
	SEALS_ALL = 5000,   /* so many are kept each; they take less than a second to check */
	SEALS_SPACING = 64, /* of more one in so many entries */
};

/* --- the keys */

static void add_key(
	struct proofs *proofs, int64_t number, const char *pem, size_t length, const char *id, size_t id_length)
{
	struct signature_key *key;
	if (proofs->key_count == PROOF_KEYS || signature_key_read(pem, length, false, &key, NULL) != 0)
		return;
	const char *says = signature_key_id(key);
	bool known = id && (id_length != strlen(says) || memcmp(id, says, id_length) != 0);
	for (size_t i = 0; i < proofs->key_count; i++)
		known = known || strcmp(signature_key_id(proofs->keys[i].key), says) == 0;
	if (known)
		signature_key_free(key);
	else
		proofs->keys[proofs->key_count++] = (struct proof_key){ .number = number, .key = key };
}

static void gather_keys(struct proofs *proofs, const struct signature_key *given)
{
	const struct carved_list *list = &proofs->carve->rows[CARVED_KEY];
	struct carved_column row[CARVED_COLUMNS];
	for (size_t i = 0; i < 2 * list->count; i++)
		if (carve_row(proofs->carve, CARVED_KEY, &list->places[i / 2], i % 2 == 0, row) && row[0].text &&
			row[2].text)
			add_key(proofs, (int64_t)list->places[i / 2].seq, row[2].text, row[2].length, row[0].text,
				row[0].length);
	if (!given)
		return;
	char *pem = signature_key_pem(given, false);
	add_key(proofs, 0, pem, strlen(pem), NULL, 0);
	free(pem);
}

/* A key is written when something it made is. Its number there is its place here. */
static int use_key(struct proofs *proofs, size_t index, struct fault *fault)
{
	struct proof_key *key = &proofs->keys[index];
	if (key->used)
		return 0;
	char *pem = signature_key_pem(key->key, false);
	db_put_integer(proofs->put_key, 1, (int64_t)index + 1);
	db_put_text(proofs->put_key, 2, signature_key_id(key->key));
	db_put_text(proofs->put_key, 3, signature_name(signature_key_kind(key->key)));
	db_put_text(proofs->put_key, 4, pem);
	int error = db_step(proofs->put_key, fault);
	free(pem);
	key->used = !error;
	return error;
}

/* --- seals */

/* Whether what was carved is a right seal of the subject; by which key. */
static bool take_seal(const struct proofs *proofs, const struct carved_column row[static CARVED_COLUMNS],
	const struct proof_subject *subject, struct seal *ret, size_t *ret_key)
{
	if (row[0].text || !row[1].text || !row[2].text || !row[3].text || row[2].length != DIGEST_SIZE ||
		row[1].length >= sizeof(ret->at) || row[3].length > SIGNATURE_MAX ||
		memcmp(row[2].text, subject->hash, DIGEST_SIZE) != 0)
		return false;
	*ret = (struct seal){ .seq = subject->seq, .digest = subject->digest, .signature_length = row[3].length };
	snprintf(ret->station, sizeof(ret->station), "%s", subject->station);
	snprintf(ret->epoch, sizeof(ret->epoch), "%s", proofs->epoch);
	memcpy(ret->hash, subject->hash, DIGEST_SIZE);
	memcpy(ret->at, row[1].text, row[1].length);
	memcpy(ret->signature, row[3].text, row[3].length);
	for (size_t i = 0; i < proofs->key_count; i++) {
		const struct proof_key *key = &proofs->keys[i];
		if (key->number && key->number != row[0].integer)
			continue;
		ret->kind = signature_key_kind(key->key);
		snprintf(ret->key, sizeof(ret->key), "%s", signature_key_id(key->key));
		*ret_key = i;
		if (seal_is_right(ret, key->key))
			return true;
	}
	return false;
}

/* The first right one of all that claim to seal the subject. */
static bool find_seal(struct proofs *proofs, const struct proof_subject *subject, struct seal *ret, size_t *ret_key)
{
	const struct carved_list *list = &proofs->carve->rows[CARVED_SEAL];
	struct carved_column row[CARVED_COLUMNS];
	while (proofs->seal_at < list->count && list->places[proofs->seal_at].seq > subject->seq)
		proofs->seal_at++;
	for (size_t i = proofs->seal_at; i < list->count && list->places[i].seq == subject->seq; i++)
		for (int log_first = 1; log_first >= 0; log_first--)
			if (carve_row(proofs->carve, CARVED_SEAL, &list->places[i], log_first, row) &&
				take_seal(proofs, row, subject, ret, ret_key))
				return true;
	return false;
}

static int keep_seal(struct proofs *proofs, const struct seal *seal, size_t key, struct fault *fault)
{
	struct db_query *put = proofs->put_seal;
	int error = use_key(proofs, key, fault);
	if (error)
		return error;
	db_put_integer(put, 1, (int64_t)seal->seq);
	db_put_integer(put, 2, (int64_t)key + 1);
	db_put_text(put, 3, seal->at);
	db_put_bytes(put, 4, seal->hash, DIGEST_SIZE);
	db_put_bytes(put, 5, seal->signature, seal->signature_length);
	proofs->seal = seal->seq;
	proofs->result->seals++;
	return db_step(put, fault);
}

int proofs_entry(struct proofs *proofs, const struct proof_subject *subject, struct fault *fault)
{
	struct seal seal;
	size_t key;
	int error = 0;
	if (subject->seq + 1 != proofs->entry)
		proofs->covered = false; /* what was above is lost: its chain ends there */
	proofs->entry = subject->seq;
	bool enough = proofs->carve->rows[CARVED_SEAL].count > SEALS_ALL && proofs->covered &&
	              proofs->seal - subject->seq < SEALS_SPACING;
	if (!enough && find_seal(proofs, subject, &seal, &key)) {
		proofs->covered = true;
		error = keep_seal(proofs, &seal, key, fault);
	}
	if (!proofs->covered)
		proofs->result->unsealed++;
	return error;
}

/* --- manifests */

static bool take_manifest(const struct proofs *proofs, const struct carved_column row[static CARVED_COLUMNS],
	uint64_t last, size_t *ret_key)
{
	struct json *manifest = row[1].text ? js_parse(row[1].text, row[1].length, NULL) : NULL;
	const char *epoch = js_is_object(manifest) ? js_get_text(manifest, "epoch") : NULL;
	bool right = false;
	if (epoch && strcmp(epoch, proofs->epoch) == 0 && js_get_integer(manifest, "last", 0) == (int64_t)last)
		for (size_t i = 0; i < proofs->key_count && !right; i++) {
			right = manifest_is_right(manifest, proofs->keys[i].key);
			*ret_key = i;
		}
	js_free(manifest);
	return right;
}

static int keep_manifest(struct proofs *proofs, const struct carved_column row[static CARVED_COLUMNS], uint64_t last,
	size_t key, struct fault *fault)
{
	struct db_query *put = proofs->put_manifest;
	char *day = strndup(row[0].text, row[0].length), *payload = strndup(row[1].text, row[1].length);
	int error = day && payload ? use_key(proofs, key, fault) : fault_set(fault, ENOMEM, _("out of memory"));
	if (!error) {
		db_put_integer(put, 1, (int64_t)last);
		db_put_text(put, 2, day);
		db_put_text(put, 3, payload);
		error = db_step(put, fault);
	}
	proofs->manifest = last;
	proofs->result->manifests++;
	free(day);
	free(payload);
	return error;
}

static int keep_manifests(struct proofs *proofs, struct fault *fault)
{
	const struct carved_list *list = &proofs->carve->rows[CARVED_MANIFEST];
	struct carved_column row[CARVED_COLUMNS];
	size_t key;
	int error = 0;
	for (size_t i = 0; i < 2 * list->count && !error; i++) {
		const struct carved_place *place = &list->places[i / 2];
		if (place->seq != proofs->manifest &&
			carve_row(proofs->carve, CARVED_MANIFEST, place, i % 2 == 0, row) && row[0].text &&
			take_manifest(proofs, row, place->seq, &key))
			error = keep_manifest(proofs, row, place->seq, key, fault);
	}
	return error;
}

/* --- what targets refused */

bool proofs_hold(struct proofs *proofs, uint64_t seq)
{
	const struct carve *carve = proofs->carve;
	const struct carved_list *seals = &carve->rows[CARVED_SEAL];
	while (proofs->parked_at < carve->parked_count && carve->parked[proofs->parked_at].seq > seq) {
		proofs->parked_at++;
		proofs->held_to = 0;
	}
	if (proofs->parked_at == carve->parked_count)
		return false;
	if (proofs->held_to == 0) {
		proofs->held_to = carve->parked[proofs->parked_at].seq;
		for (size_t i = seals->count; i > 0; i--)
			if (seals->places[i - 1].seq >= proofs->held_to) {
				proofs->held_to = seals->places[i - 1].seq;
				break;
			}
	}
	return seq <= proofs->held_to;
}

void proofs_hold_anew(struct proofs *proofs)
{
	proofs->parked_at = 0;
	proofs->held_to = 0;
}

/* Also what was refused of journals that were salvaged before, TARGET/EPOCH: those are still there, and nothing else
 * tells of it. */
static int keep_parked(struct proofs *proofs, struct fault *fault)
{
	int error = 0;
	for (size_t i = 0; i < proofs->carve->parked_count && !error; i++) {
		const struct carved_parked *parked = &proofs->carve->parked[i];
		db_put_text(proofs->put_parked, 1, parked->target);
		db_put_integer(proofs->put_parked, 2, (int64_t)parked->seq);
		db_put_integer(proofs->put_parked, 3, parked->at_ms);
		db_put_text(proofs->put_parked, 4, parked->reason);
		error = db_step(proofs->put_parked, fault);
	}
	int64_t count = 0;
	if (!error)
		error = db_number(
			proofs->db, "SELECT count(*) FROM parked WHERE instr(target, '/') = 0", &count, fault);
	proofs->result->refused = (uint64_t)count;
	return error;
}

/* --- beginning and end */

int proofs_begin(struct proofs *proofs, struct carve *carve, const struct signature_key *key, struct db *db,
	struct salvage *result, struct fault *fault)
{
	*proofs = (struct proofs){ .carve = carve, .db = db, .result = result };
	const struct db_statement rows[] = {
		{ &proofs->put_seal, "REPLACE INTO seal(seq, key, at, hash, signature) VALUES(?1, ?2, ?3, ?4, ?5)" },
		{ &proofs->put_key, "REPLACE INTO sealing_key(number, id, algorithm, pem) VALUES(?1, ?2, ?3, ?4)" },
		{ &proofs->put_manifest, "REPLACE INTO manifest(last_seq, day, payload) VALUES(?1, ?2, ?3)" },
		{ &proofs->put_parked, "INSERT INTO parked(target, seq, at_ms, reason) SELECT ?1, ?2, ?3, ?4"
				       " WHERE instr(?1, '/') OR EXISTS (SELECT 1 FROM entry WHERE seq = ?2)" },
	};
	int error = db_prepare_all(db, rows, sizeof(rows) / sizeof(*rows), fault);
	if (error)
		return error;
	gather_keys(proofs, key);
	return 0;
}

int proofs_finish(struct proofs *proofs, struct fault *fault)
{
	int error = keep_manifests(proofs, fault);
	return error ? error : keep_parked(proofs, fault);
}

void proofs_end(struct proofs *proofs)
{
	for (size_t i = 0; i < proofs->key_count; i++)
		signature_key_free(proofs->keys[i].key);
	proofs->key_count = 0;
}
