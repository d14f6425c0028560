#include "journal_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	CHUNK_ENTRIES = 256,   /* read in one transaction, given when it is over */
	CHUNK_BYTES = 1 << 16, /* each reader keeps as much */
};

struct journal_reader {
	struct db *db;
	struct db_query *range, *by_id, *ends, *head, *pruned, *parked, *parked_by_any, *target, *numbers;
	struct journal_reader_proof *proof;
	char epoch[EPOCH_MAX];
	enum digest_kind digest;
	struct stored chunk[CHUNK_ENTRIES];
	size_t offsets[CHUNK_ENTRIES];
	char *buffer;
	size_t used, room;
	bool at_end; /* the last chunk came to the end of what there was */
};

#define COLUMNS                                                                                                        \
	"SELECT seq, kind, received_ms, id, prev, (SELECT code FROM station WHERE first_seq <= entry.seq"              \
	" ORDER BY first_seq DESC LIMIT 1), body FROM entry "

static int read_epoch(struct journal_reader *reader, const char *path, struct fault *fault)
{
	struct db_query *query;
	int error = db_prepare(reader->db, "SELECT value, number FROM state WHERE kind = 'epoch'", &query, fault);
	if (error)
		return error;
	int row = db_step(query, fault);
	if (row < 0)
		return row;
	size_t length = 0;
	const char *epoch = row ? db_text(query, 0, &length) : "";
	if (length != EPOCH_MAX - 1) {
		db_reset(query);
		return fault_set(fault, EUCLEAN, _("%s: the file is damaged: it has no epoch"), path);
	}
	memcpy(reader->epoch, epoch, EPOCH_MAX);
	reader->digest = db_integer(query, 1) == DIGEST_SM3 ? DIGEST_SM3 : DIGEST_SHA256;
	return db_reset(query);
}

static int prepare(struct journal_reader *reader, const char *path, struct fault *fault)
{
	int error = read_epoch(reader, path, fault);
	if (!error)
		error = db_prepare(reader->db, COLUMNS "WHERE seq >= ?1 ORDER BY seq LIMIT ?2", &reader->range, fault);
	if (!error)
		error = db_prepare(reader->db, COLUMNS "WHERE id = ?1", &reader->by_id, fault);
	if (!error)
		error = db_prepare(reader->db,
			"SELECT ifnull((SELECT min(seq) FROM entry WHERE seq >"
			" ifnull((SELECT number FROM state WHERE kind = 'pruned'), 0)), 0),"
			" ifnull((SELECT max(seq) FROM entry), 0)",
			&reader->ends, fault);
	if (!error)
		error = db_prepare(
			reader->db, "SELECT number, value FROM state WHERE kind = 'head'", &reader->head, fault);
	if (!error)
		error = db_prepare(
			reader->db, "SELECT number FROM state WHERE kind = 'pruned'", &reader->pruned, fault);
	if (!error)
		error = db_prepare(reader->db,
			"SELECT target, seq, at_ms, reason FROM parked WHERE target = ?3 AND seq BETWEEN ?1 AND ?2"
			" ORDER BY seq",
			&reader->parked, fault);
	if (!error) /* the key begins with the target: each of them is looked up in it */
		error = db_prepare(reader->db,
			"WITH RECURSIVE t(target) AS (SELECT min(target) FROM parked UNION ALL"
			" SELECT (SELECT min(target) FROM parked WHERE target > t.target) FROM t WHERE t.target IS NOT NULL)"
			" SELECT p.target, p.seq, p.at_ms, p.reason FROM t CROSS JOIN parked AS p"
			" ON p.target = t.target AND p.seq BETWEEN ?1 AND ?2 ORDER BY p.seq, p.target",
			&reader->parked_by_any, fault);
	if (!error)
		error = db_prepare(reader->db, "SELECT number FROM state WHERE kind = 'target' AND name = ?1",
			&reader->target, fault);
	if (!error)
		error = db_prepare(reader->db, "SELECT seq FROM entry WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq",
			&reader->numbers, fault);
	return error;
}

int journal_reader_open(const char *path, struct journal_reader **ret, struct fault *fault)
{
	struct journal_reader *reader = calloc(1, sizeof(*reader));
	if (!reader)
		return fault_set(fault, ENOMEM, _("%s: no memory left"), path);
	int error = db_open_reader(path, &reader->db, fault);
	if (!error)
		error = prepare(reader, path, fault);
	if (error) {
		journal_reader_close(reader);
		return error;
	}
	*ret = reader;
	return 0;
}

void journal_reader_close(struct journal_reader *reader)
{
	if (!reader)
		return;
	reader_proof_free(reader->proof);
	db_close(reader->db);
	free(reader->buffer);
	free(reader);
}

static int grow(struct journal_reader *reader, size_t need, struct fault *fault)
{
	if (reader->used + need <= reader->room)
		return 0;
	size_t room = reader->used + need + CHUNK_BYTES / 4;
	char *buffer = realloc(reader->buffer, room);
	if (!buffer)
		return fault_set(fault, ENOMEM, _("no memory left for %zu bytes of the journal"), room);
	reader->buffer = buffer;
	reader->room = room;
	return 0;
}

/* Copies the row at hand, composed as it is published. */
static int keep_row(struct journal_reader *reader, struct db_query *query, size_t index, struct fault *fault)
{
	struct stored *stored = &reader->chunk[index];
	size_t station_length, body_length;
	const uint8_t *id = db_bytes(query, 3, UUID_SIZE), *prev = db_bytes(query, 4, DIGEST_SIZE);
	const char *station = db_text(query, 5, &station_length), *body = db_text(query, 6, &body_length);
	int64_t seq = db_integer(query, 0), kind = db_integer(query, 1);
	if (!id || !prev || station_length >= STATION_MAX || kind < ENTRY_RESULT || kind > ENTRY_EVENT || seq < 1)
		return fault_set(fault, EUCLEAN, _("entry %lld of the journal is damaged"), (long long)seq);
	int error = grow(reader, HEAD_MAX + body_length, fault);
	if (error)
		return error;
	stored->seq = (uint64_t)seq;
	stored->kind = (enum entry_kind)kind;
	stored->received_ms = db_integer(query, 2);
	uuid_text(id, stored->id);
	struct head head = { stored->id, station, reader->epoch, stored->seq, reader->digest, prev };
	char *at = reader->buffer + reader->used;
	stored->length = chain_head(at, &head);
	memcpy(at + stored->length, body, body_length);
	stored->length += body_length;
	reader->offsets[index] = reader->used;
	reader->used += stored->length;
	return 0;
}

/* One transaction: as much as fits a chunk. Returns how many, or -errno. */
static long read_chunk(struct journal_reader *reader, struct db_query *query, size_t limit, struct fault *fault)
{
	size_t count = 0;
	int row = 0;
	reader->used = 0;
	while (count < limit && reader->used < CHUNK_BYTES && (row = db_step(query, fault)) == 1) {
		int error = keep_row(reader, query, count, fault);
		if (error) {
			row = error;
			break;
		}
		count++;
	}
	db_reset(query);
	if (row < 0)
		return row;
	reader->at_end = row == 0;         /* else the limit or the room ended it */
	for (size_t i = 0; i < count; i++) /* only now: the buffer may have moved while it grew */
		reader->chunk[i].payload = reader->buffer + reader->offsets[i];
	return (long)count;
}

long journal_read(struct journal_reader *reader, uint64_t from, size_t limit,
	int (*each)(void *context, const struct stored *), void *context, struct fault *fault)
{
	size_t given = 0;
	while (given < limit) {
		size_t wanted = limit - given < CHUNK_ENTRIES ? limit - given : CHUNK_ENTRIES;
		db_put_integer(reader->range, 1, from > INT64_MAX ? INT64_MAX : (int64_t)from);
		db_put_integer(reader->range, 2, (int64_t)wanted);
		long count = read_chunk(reader, reader->range, wanted, fault);
		if (count < 0)
			return count;
		if (count == 0)
			break;
		for (long i = 0; i < count; i++) {
			given++;
			if (each(context, &reader->chunk[i]))
				return (long)given;
		}
		if (reader->at_end)
			break;
		from = reader->chunk[count - 1].seq + 1;
	}
	return (long)given;
}

int journal_find(struct journal_reader *reader, const char *id, int (*each)(void *context, const struct stored *),
	void *context, struct fault *fault)
{
	uint8_t uuid[UUID_SIZE];
	if (!uuid_parse(id, uuid))
		return 0; /* no entry has such an id */
	db_put_bytes(reader->by_id, 1, uuid, sizeof(uuid));
	long count = read_chunk(reader, reader->by_id, 1, fault);
	if (count == 1)
		each(context, &reader->chunk[0]);
	return (int)count;
}

long journal_parked(struct journal_reader *reader, const char *target, uint64_t from, uint64_t to,
	int (*each)(void *context, const struct parked *), void *context, struct fault *fault)
{
	struct db_query *query = target ? reader->parked : reader->parked_by_any;
	long given = 0;
	int row;
	db_put_integer(query, 1, from > INT64_MAX ? INT64_MAX : (int64_t)from);
	db_put_integer(query, 2, to > INT64_MAX ? INT64_MAX : (int64_t)to);
	if (target)
		db_put_text(query, 3, target);
	while ((row = db_step(query, fault)) == 1) {
		struct parked parked = {
			.target = db_text(query, 0, NULL),
			.seq = (uint64_t)db_integer(query, 1),
			.at_ms = db_integer(query, 2),
			.reason = db_text(query, 3, NULL),
		};
		given++;
		if (each(context, &parked))
			break;
	}
	db_reset(query);
	return row < 0 ? row : given;
}

int journal_reader_head(struct journal_reader *reader, uint64_t *ret_first, uint64_t *ret_last, struct fault *fault)
{
	int row = db_step(reader->ends, fault);
	if (row < 0)
		return row;
	*ret_first = row ? (uint64_t)db_integer(reader->ends, 0) : 0;
	*ret_last = row ? (uint64_t)db_integer(reader->ends, 1) : 0;
	return db_reset(reader->ends);
}

int journal_reader_target(struct journal_reader *reader, const char *target, uint64_t *ret_through, struct fault *fault)
{
	db_put_text(reader->target, 1, target);
	int row = db_step(reader->target, fault);
	if (row < 0)
		return row;
	*ret_through = row ? (uint64_t)db_integer(reader->target, 0) : 0;
	return db_reset(reader->target);
}

long journal_gaps(struct journal_reader *reader, uint64_t from, uint64_t *to, struct journal_run *runs, size_t room,
	struct fault *fault)
{
	struct db_query *query = reader->numbers;
	uint64_t expected = from;
	size_t count = 0;
	int row = 1;
	db_put_integer(query, 1, from > INT64_MAX ? INT64_MAX : (int64_t)from);
	db_put_integer(query, 2, *to > INT64_MAX ? INT64_MAX : (int64_t)*to);
	while (count < room && expected <= *to && (row = db_step(query, fault)) >= 0) {
		uint64_t seq = row ? (uint64_t)db_integer(query, 0) : *to + 1;
		if (seq > expected)
			runs[count++] = (struct journal_run){ expected, seq - 1 };
		expected = seq + 1;
	}
	if (row == 1)
		db_reset(query);
	if (row < 0)
		return row;
	if (count == room && count)
		*to = runs[count - 1].last;
	return (long)count;
}

int reader_pruned(struct journal_reader *reader, uint64_t *ret, struct fault *fault)
{
	int row = db_step(reader->pruned, fault);
	if (row < 0)
		return row;
	*ret = row ? (uint64_t)db_integer(reader->pruned, 0) : 0;
	return db_reset(reader->pruned);
}

int reader_stored_head(struct journal_reader *reader, struct chain *ret, struct fault *fault)
{
	int row = db_step(reader->head, fault);
	if (row < 0)
		return row;
	const uint8_t *hash = row ? db_bytes(reader->head, 1, DIGEST_SIZE) : NULL;
	if (hash) {
		ret->digest = reader->digest;
		ret->seq = (uint64_t)db_integer(reader->head, 0);
		memcpy(ret->hash, hash, DIGEST_SIZE);
	}
	db_reset(reader->head);
	return hash ? 0 : fault_set(fault, EUCLEAN, _("the journal is damaged: its head cannot be read"));
}

const char *journal_reader_epoch(const struct journal_reader *reader, enum digest_kind *ret_digest)
{
	if (ret_digest)
		*ret_digest = reader->digest;
	return reader->epoch;
}

int journal_reader_former(
	struct journal_reader *reader, const char *code, struct former_codes *ret, struct fault *fault)
{
	return schema_former(reader->db, code, ret, fault);
}

struct db *reader_db(struct journal_reader *reader)
{
	return reader->db;
}

struct journal_reader_proof **reader_proof(struct journal_reader *reader)
{
	return &reader->proof;
}
