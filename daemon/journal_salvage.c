#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal_proofs.h"
#include "json.h"
#include "progress.h"
#include "salvage.h"

enum { STATIONS_MAX = CARVE_WORDS + 2, EPOCHS_MAX = CARVE_WORDS + 1, AT_ONCE = 512, BELIEVED_AHEAD = 1000000 };

struct next {         /* the entry above the one at hand */
	uint64_t seq; /* 0: not known */
	uint8_t prev[DIGEST_SIZE];
	bool proven;
};

struct work {
	struct carve carve;
	const struct signature_key *key; /* may be NULL */
	struct proofs proofs;
	const char *epochs[EPOCHS_MAX], *stations[STATIONS_MAX];
	size_t epoch_count, station_count;
	size_t epoch, station; /* that proved an entry last */
	enum digest_kind digest;
	bool settled; /* one did */
	char identity[EPOCH_MAX + STATION_MAX + 2];

	struct db *db;
	struct db_query *insert, *set_station;
	size_t uncommitted;
	uint64_t expected, station_from;
	size_t station_written;
	struct next next;
	char *text; /* the entry as it was published */
	size_t length, room;
	struct chain last;
	struct salvage *result;
};

enum outcome { PROVEN, UNPROVEN, DISPROVEN };

/* --- what names and places an entry */

static void add_word(const char **list, size_t *count, size_t room, const char *word)
{
	for (size_t i = 0; i < *count; i++)
		if (strcmp(list[i], word) == 0)
			return;
	if (word[0] && *count < room)
		list[(*count)++] = word;
}

/* "EPOCH STATION" beside the journal: a second place for what no entry can do without. */
static void read_identity(struct work *work, const char *path)
{
	char name[PATH_ROOM];
	snprintf(name, sizeof(name), "%s-identity", path);
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd >= 0 ? read(fd, work->identity, sizeof(work->identity) - 1) : 0;
	if (fd >= 0)
		close(fd);
	work->identity[length > 0 ? length : 0] = '\0';
	work->identity[strcspn(work->identity, "\n")] = '\0';
	char *blank = strchr(work->identity, ' ');
	if (!blank || blank - work->identity != EPOCH_MAX - 1)
		return;
	*blank = '\0';
	add_word(work->epochs, &work->epoch_count, EPOCHS_MAX, work->identity);
	add_word(work->stations, &work->station_count, STATIONS_MAX, blank + 1);
}

static void gather_words(struct work *work, const char *path, const char *station)
{
	for (unsigned most = 1; most;) { /* what was read most often first */
		most = 0;
		struct carved_word *best = NULL;
		for (size_t i = 0; i < CARVE_WORDS; i++)
			if (work->carve.epochs[i].votes > most) {
				best = &work->carve.epochs[i];
				most = best->votes;
			}
		if (best) {
			add_word(work->epochs, &work->epoch_count, CARVE_WORDS, best->text);
			best->votes = 0;
		}
	}
	for (size_t i = 0; i < CARVE_WORDS; i++)
		if (work->carve.stations[i].votes)
			add_word(work->stations, &work->station_count, CARVE_WORDS, work->carve.stations[i].text);
	read_identity(work, path);
	if (station)
		add_word(work->stations, &work->station_count, STATIONS_MAX, station);
}

/* --- is it the entry? */

static bool compose(struct work *work, const struct carved_entry *entry, size_t epoch, size_t station)
{
	char id[ENTRY_ID_MAX];
	size_t need = HEAD_MAX + entry->body_length;
	if (work->room < need) {
		char *grown = realloc(work->text, need);
		if (!grown)
			return false;
		work->text = grown;
		work->room = need;
	}
	uuid_text(entry->id, id);
	struct head head = { id, work->stations[station], work->epochs[epoch], entry->seq, work->digest, entry->prev };
	work->length = chain_head(work->text, &head);
	memcpy(work->text + work->length, entry->body, entry->body_length);
	work->length += entry->body_length;
	return true;
}

static bool proves(struct work *work, const struct carved_entry *entry, size_t epoch, size_t station)
{
	uint8_t hash[DIGEST_SIZE];
	if (!compose(work, entry, epoch, station))
		return false;
	digest_of(work->digest, work->text, work->length, hash);
	return chain_digest48(hash) == entry->digest48 ||
	       (work->next.seq == entry->seq + 1 && memcmp(hash, work->next.prev, DIGEST_SIZE) == 0);
}

static bool proves_by_sm3(struct work *work, const struct carved_entry *entry, size_t epoch, size_t station)
{
	work->digest = DIGEST_SM3;
	if (proves(work, entry, epoch, station))
		return true;
	work->digest = DIGEST_SHA256;
	return false;
}

/* Whether it is what it says of itself, or what the entry above says of it. */
static bool is_proven(struct work *work, const struct carved_entry *entry)
{
	if (work->settled && proves(work, entry, work->epoch, work->station))
		return true;
	for (size_t epoch = 0; epoch < work->epoch_count; epoch++) {
		if (work->settled && epoch != work->epoch)
			continue; /* a journal has one, and one digest */
		for (size_t station = 0; station < work->station_count; station++)
			if (proves(work, entry, epoch, station) ||
				(!work->settled && proves_by_sm3(work, entry, epoch, station))) {
				work->epoch = epoch;
				work->station = station;
				work->settled = true;
				return true;
			}
	}
	return false;
}

static bool is_json(struct work *work, const struct carved_entry *entry)
{
	if (!compose(work, entry, work->epoch, work->station))
		return false;
	struct json *value = js_parse(work->text, work->length, NULL);
	bool whole = js_is_object(value);
	js_free(value);
	return whole;
}

/* The best of the places `from`..`to`, which all claim to be one entry. False: none is whole. */
static bool choose(struct work *work, size_t from, size_t to, struct carved_entry *ret, enum outcome *ret_outcome)
{
	const struct carved_place *fallback = NULL;
	bool fallback_log = false;
	for (size_t i = from; i < to; i++) {
		for (int log_first = 1; log_first >= 0; log_first--) {
			if (!carve_entry(&work->carve, &work->carve.entries.places[i], log_first, ret))
				continue;
			if (is_proven(work, ret)) {
				*ret_outcome = PROVEN;
				return true;
			}
			if (!fallback && ret->digest48 < 0 && is_json(work, ret)) {
				fallback = &work->carve.entries.places[i];
				fallback_log = log_first;
			}
		}
	}
	*ret_outcome =
		work->next.proven && work->next.seq == work->carve.entries.places[from].seq + 1 ? DISPROVEN : UNPROVEN;
	return fallback && carve_entry(&work->carve, fallback, fallback_log, ret);
}

/* --- writing */

static void add_range(struct salvage_ranges *ranges, uint64_t first, uint64_t last)
{
	ranges->total += last - first + 1;
	struct salvage_range *lowest = ranges->count ? &ranges->list[ranges->count - 1] : NULL;
	if (lowest && lowest->first == last + 1)
		lowest->first = first;
	else if (ranges->count < SALVAGE_RANGES)
		ranges->list[ranges->count++] = (struct salvage_range){ first, last };
}

static int begin_out(struct work *work, const char *out, struct fault *fault)
{
	int error = db_open(out, DB_WRITE, &work->db, fault);
	if (!error)
		error = schema_prepare(work->db, out, true, fault);
	if (!error)
		error = db_prepare(work->db,
			"REPLACE INTO entry(seq, kind, received_ms, id, prev, body, digest48)"
			" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
			&work->insert, fault);
	if (!error)
		error = db_prepare(work->db, "REPLACE INTO station VALUES(?1, ?2)", &work->set_station, fault);
	return error ? error : db_run(work->db, "BEGIN", fault);
}

/* The station's code stands once for all entries that carry it, at the first of them. */
static int write_station(struct work *work, struct fault *fault)
{
	if (!work->station_from)
		return 0;
	db_put_integer(work->set_station, 1, (int64_t)work->station_from);
	db_put_text(work->set_station, 2, work->stations[work->station_written]);
	return db_step(work->set_station, fault);
}

static bool begins(const struct carved_entry *entry, const char *text)
{
	size_t length = strlen(text);
	return entry->body_length >= length && memcmp(entry->body, text, length) == 0;
}

/* Nothing proves the column, and the body does: as records (record.h) and events (event.h) begin. */
static enum entry_kind kind_of(const struct carved_entry *entry)
{
	if (begins(entry, "\"kind\":"))
		return begins(entry, "\"kind\":\"sample\"") ? ENTRY_RESULT : ENTRY_QC;
	bool possible = entry->kind >= ENTRY_RESULT && entry->kind <= ENTRY_EVENT;
	return begins(entry, "\"event\":") || !possible ? ENTRY_EVENT : (enum entry_kind)entry->kind;
}

static int write_entry(struct work *work, const struct carved_entry *entry, const uint8_t hash[static DIGEST_SIZE],
	struct fault *fault)
{
	int64_t digest48 = chain_digest48(hash);
	char *body = strndup(entry->body, entry->body_length);
	if (!body)
		return fault_set(fault, ENOMEM, _("no memory left for an entry of %zu bytes"), entry->body_length);
	db_put_integer(work->insert, 1, (int64_t)entry->seq);
	db_put_integer(work->insert, 2, (int64_t)kind_of(entry));
	db_put_integer(work->insert, 3, entry->received_ms > 0 ? entry->received_ms : 0);
	db_put_bytes(work->insert, 4, entry->id, UUID_SIZE);
	db_put_bytes(work->insert, 5, entry->prev, DIGEST_SIZE);
	db_put_text(work->insert, 6, body);
	db_put_integer(work->insert, 7, digest48);
	int error = db_step(work->insert, fault);
	free(body);
	if (!error && work->station != work->station_written)
		error = write_station(work, fault);
	work->station_from = entry->seq;
	work->station_written = work->station;
	if (!error && ++work->uncommitted % AT_ONCE == 0)
		error = db_run(work->db, "COMMIT; BEGIN", fault);
	if (work->uncommitted % AT_ONCE == 0)
		progress();
	return error;
}

static int keep_entry(struct work *work, const struct carved_entry *entry, enum outcome outcome, struct fault *fault)
{
	struct salvage *result = work->result;
	uint8_t hash[DIGEST_SIZE];
	if (!compose(work, entry, work->epoch, work->station))
		return fault_set(fault, ENOMEM, _("no memory left for an entry of %zu bytes"), entry->body_length);
	digest_of(work->digest, work->text, work->length, hash);
	if (result->count == 0) {
		result->last = work->last.seq = entry->seq;
		memcpy(work->last.hash, hash, DIGEST_SIZE);
	}
	uint64_t below = entry->seq > work->carve.pruned ? entry->seq : work->carve.pruned;
	if (work->expected > below)
		add_range(&result->lost, below + 1, work->expected);
	if (outcome == UNPROVEN)
		add_range(&result->unverified, entry->seq, entry->seq);
	work->expected = entry->seq - 1;
	if (entry->seq > work->carve.pruned || result->count == 0)
		result->first = entry->seq;
	result->count++;
	struct proof_subject subject = { entry->seq, work->stations[work->station], work->digest, hash };
	int error = write_entry(work, entry, hash, fault);
	work->proofs.epoch = work->epochs[work->epoch];
	return error ? error : proofs_entry(&work->proofs, &subject, fault);
}

/* A number far above all others with nothing beside it is a damaged number. */
static bool is_stray(const struct work *work, size_t to, uint64_t seq)
{
	bool alone = to == work->carve.entries.count || work->carve.entries.places[to].seq != seq - 1;
	return alone && work->next.seq != seq + 1 && seq > work->carve.head.seq && work->carve.entries.count > 1;
}

static int take_all(struct work *work, struct fault *fault)
{
	const struct carve *carve = &work->carve;
	work->next = (struct next){ .seq = carve->head.seq ? carve->head.seq + 1 : 0 };
	memcpy(work->next.prev, carve->head.hash, DIGEST_SIZE);
	if (carve->entries.count && carve->head.seq > carve->entries.places[0].seq + BELIEVED_AHEAD)
		work->next.seq = 0; /* a damaged number */
	else
		work->expected = carve->head.seq;
	work->result->end_known = work->expected > 0;
	for (size_t from = 0, to; from < carve->entries.count; from = to) {
		uint64_t seq = carve->entries.places[from].seq;
		struct carved_entry entry;
		enum outcome outcome = UNPROVEN;
		for (to = from; to < carve->entries.count && carve->entries.places[to].seq == seq;)
			to++;
		if (seq <= carve->pruned && !carve->parked_count)
			break;
		if (seq <= carve->pruned && !proofs_hold(&work->proofs, seq)) {
			work->next.seq = 0;
			continue;
		}
		bool whole = choose(work, from, to, &entry, &outcome);
		if (!whole || outcome == DISPROVEN || (outcome == UNPROVEN && is_stray(work, to, seq))) {
			work->next.seq = 0;
			continue;
		}
		struct next next = { .seq = seq, .proven = outcome == PROVEN };
		memcpy(next.prev, entry.prev, DIGEST_SIZE);
		int error = keep_entry(work, &entry, outcome, fault);
		if (error)
			return error;
		work->next = next;
	}
	if (work->result->count && work->expected > carve->pruned)
		add_range(&work->result->lost, carve->pruned + 1, work->expected);
	return 0;
}

/* Ids of results that were removed after their time, or stand in another journal. The index of the entries has rows of
 * the same form: what an entry that is lost had there is not known, its instrument may give it once more. */
static int keep_known(struct work *work, struct fault *fault)
{
	const struct carve *carve = &work->carve;
	struct db_query *put;
	int error = db_prepare(work->db, "INSERT OR IGNORE INTO known(id, seq) VALUES(?1, ?2)", &put, fault);
	proofs_hold_anew(&work->proofs);
	for (size_t i = 0; i < carve->known_count && !error; i++) {
		const struct carved_known *known = &carve->known[i];
		if (known->seq > carve->pruned || (known->seq && proofs_hold(&work->proofs, known->seq)))
			continue;
		db_put_bytes(put, 1, known->id, UUID_SIZE);
		db_put_integer(put, 2, (int64_t)known->seq);
		error = db_step(put, fault);
	}
	return error;
}

static int finish_out(struct work *work, struct fault *fault)
{
	struct db_query *epoch, *head, *target, *pruned;
	int error = write_station(work, fault);
	if (!error)
		error = db_prepare(
			work->db, "UPDATE state SET value = ?1, number = ?2 WHERE kind = 'epoch'", &epoch, fault);
	if (!error)
		error = db_prepare(
			work->db, "UPDATE state SET number = ?1, value = ?2 WHERE kind = 'head'", &head, fault);
	if (!error)
		error = db_prepare(
			work->db, "REPLACE INTO state VALUES('target', ?1, ?2, CAST(?2 AS TEXT))", &target, fault);
	if (!error)
		error = db_prepare(work->db, "INSERT INTO state SELECT 'pruned', '', ?1, CAST(?1 AS TEXT) WHERE ?1 > 0",
			&pruned, fault);
	if (error)
		return error;
	db_put_text(epoch, 1, work->epochs[work->epoch]);
	db_put_integer(epoch, 2, work->digest);
	error = db_step(epoch, fault);
	db_put_integer(head, 1, (int64_t)work->last.seq);
	db_put_bytes(head, 2, work->last.hash, DIGEST_SIZE);
	if (!error)
		error = db_step(head, fault);
	for (size_t i = 0; !error && i < work->carve.target_count; i++) {
		db_put_text(target, 1, work->carve.targets[i].name);
		db_put_integer(target, 2, (int64_t)work->carve.targets[i].through);
		error = db_step(target, fault);
	}
	db_put_integer(pruned, 1, (int64_t)work->carve.pruned);
	if (!error)
		error = db_step(pruned, fault);
	if (!error)
		error = db_run(work->db, "COMMIT; PRAGMA synchronous = FULL; PRAGMA journal_mode = DELETE", fault);
	return error;
}

static int make_out(struct work *work, const char *out, struct fault *fault)
{
	int error = begin_out(work, out, fault);
	if (!error)
		error = proofs_begin(&work->proofs, &work->carve, work->key, work->db, work->result, fault);
	if (!error)
		error = take_all(work, fault);
	if (!error && work->result->count)
		error = proofs_finish(&work->proofs, fault);
	if (!error && work->result->count)
		error = keep_known(work, fault);
	if (!error && work->result->count)
		error = finish_out(work, fault);
	proofs_end(&work->proofs);
	db_close(work->db);
	if (error || work->result->count == 0)
		unlink(out);
	return error;
}

int salvage_journal(
	const char *path, const struct salvage_hints *hints, const char *out, struct salvage *ret, struct fault *fault)
{
	if (access(out, F_OK) == 0)
		return fault_set(fault, EEXIST, _("%s: is there already; name another file or move it away"), out);
	struct work *work = calloc(1, sizeof(*work));
	if (!work)
		return fault_set(fault, ENOMEM, _("out of memory"));
	*ret = (struct salvage){ 0 };
	work->result = ret;
	work->key = hints->key;
	int error = carve_open(&work->carve, path, fault);
	if (!error) {
		gather_words(work, path, hints->station);
		if (work->epoch_count && work->station_count && work->carve.entries.count)
			error = make_out(work, out, fault);
		if (!error && ret->count)
			snprintf(ret->epoch, sizeof(ret->epoch), "%s", work->epochs[work->epoch]);
		carve_close(&work->carve);
	}
	free(work->text);
	free(work);
	return error;
}
