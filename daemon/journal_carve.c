#include "journal_carve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../drivers/bytes.h"
#include "progress.h"

enum {
	LOG_HEADER = 32,
	FRAME_HEADER = 24,
	FRAME = FRAME_HEADER + JOURNAL_PAGE,
	PAGES_SILENT = 65536, /* 32 MiB */
	LEAF_HEADER = 8,
	INNER_HEADER = 12,
	TABLE_LEAF = 0x0d,
	INDEX_LEAF = 0x0a,
	INDEX_INNER = 0x02,
	LOCAL_MOST_TABLE = JOURNAL_PAGE - 35,
	LOCAL_MOST_INDEX = (JOURNAL_PAGE - 12) * 64 / 255 - 23,
	LOCAL_LEAST = (JOURNAL_PAGE - 12) * 32 / 255 - 23,
	OVERFLOW = JOURNAL_PAGE - 4,
	PAYLOAD_MAX = (1 << 20) + 4096,
	COLUMNS_MAX = 7,
	COLUMNS_FIRST = 6, /* before schema 5 */
};

/* --- pages */

static bool read_at(int fd, void *out, size_t length, off_t at)
{
	return fd >= 0 && pread(fd, out, length, at) == (ssize_t)length;
}

static bool read_page(const struct carve *carve, bool in_log, uint32_t index, uint8_t out[static JOURNAL_PAGE])
{
	off_t at = in_log ? LOG_HEADER + (off_t)index * FRAME + FRAME_HEADER : (off_t)index * JOURNAL_PAGE;
	return read_at(in_log ? carve->log : carve->file, out, JOURNAL_PAGE, at);
}

/* The last frame that has a page; NULL: none has. */
static const struct carved_frame *frame_of(const struct carve *carve, uint32_t page)
{
	size_t first = 0, end = carve->frames;
	while (first < end) {
		size_t middle = first + (end - first) / 2;
		if (carve->numbers[middle].page <= page)
			first = middle + 1;
		else
			end = middle;
	}
	return first > 0 && carve->numbers[first - 1].page == page ? &carve->numbers[first - 1] : NULL;
}

static bool read_numbered(const struct carve *carve, uint32_t number, bool log_first, uint8_t out[static JOURNAL_PAGE])
{
	if (number == 0)
		return false;
	const struct carved_frame *frame = log_first ? frame_of(carve, number) : NULL;
	return frame ? read_page(carve, true, frame->frame, out) : read_page(carve, false, number - 1, out);
}

static int by_page(const void *a, const void *b)
{
	const struct carved_frame *one = a, *other = b;
	if (one->page != other->page)
		return one->page < other->page ? -1 : 1;
	if (one->present != other->present)
		return one->present ? 1 : -1;
	return one->frame < other->frame ? -1 : one->frame > other->frame;
}

/* Frames of an earlier round of the log stand behind those of the present one, and say less. A damaged frame may name
 * any page: only as much memory is taken as there are frames. */
static void read_log(struct carve *carve)
{
	uint8_t header[LOG_HEADER] = { 0 }, frame[FRAME_HEADER];
	read_at(carve->log, header, sizeof(header), 0);
	off_t size = carve->log >= 0 ? lseek(carve->log, 0, SEEK_END) : 0;
	size_t count = size > LOG_HEADER ? (size_t)(size - LOG_HEADER) / FRAME : 0;
	carve->numbers = calloc(count + 1, sizeof(*carve->numbers));
	if (!carve->numbers)
		abort(); /* a gateway without memory restarts from its journal */
	for (uint32_t i = 0; i < count; i++) {
		if (!read_at(carve->log, frame, sizeof(frame), LOG_HEADER + (off_t)i * FRAME))
			memset(frame, 0, sizeof(frame)); /* a sector that cannot be read */
		struct bytes bytes = bytes_of(frame, sizeof(frame));
		bool present = memcmp(frame + 8, header + 16, 8) == 0;
		carve->numbers[i] = (struct carved_frame){ bytes_u32be(&bytes), i, present };
	}
	carve->frames = (uint32_t)count;
	qsort(carve->numbers, count, sizeof(*carve->numbers), by_page);
}

/* --- records */

static uint64_t take_varint(struct bytes *bytes)
{
	uint64_t value = 0;
	for (int i = 0; i < 8; i++) {
		uint8_t byte = bytes_u8(bytes);
		value = value << 7 | (byte & 0x7f);
		if (!(byte & 0x80))
			return value;
	}
	return value << 8 | bytes_u8(bytes);
}

struct column {
	uint64_t type;
	const uint8_t *at; /* NULL: outside of what was given */
	size_t length;
};

static size_t length_of(uint64_t type)
{
	static const uint8_t fixed[] = { 0, 1, 2, 3, 4, 6, 8, 8, 0, 0 };
	if (type < 10)
		return fixed[type];
	return type < 12 || type / 2 > PAYLOAD_MAX ? SIZE_MAX / 4 : (size_t)(type - 12) / 2;
}

/* The columns of a record, of which perhaps only the beginning is there. False when it has not `count` of them. */
static bool take_columns(const uint8_t *data, size_t length, struct column *columns, size_t count)
{
	struct bytes bytes = bytes_of(data, length);
	uint64_t header = take_varint(&bytes);
	if (bytes.failed || header > length || header < count + 1)
		return false;
	struct bytes types = bytes_of(data, (size_t)header);
	take_varint(&types);
	size_t at = (size_t)header;
	for (size_t i = 0; i < count; i++) {
		columns[i].type = take_varint(&types);
		columns[i].length = length_of(columns[i].type);
		bool there = at <= length && columns[i].length <= length - at;
		columns[i].at = there ? data + at : NULL;
		if (columns[i].length > PAYLOAD_MAX)
			return false;
		at += columns[i].length;
	}
	return !types.failed && bytes_left(&types) == 0;
}

static bool take_integer(const struct column *column, int64_t *ret)
{
	if (column->type == 8 || column->type == 9) {
		*ret = (int64_t)column->type - 8;
		return true;
	}
	if (column->type < 1 || column->type > 6 || !column->at)
		return false;
	uint64_t value = column->at[0] & 0x80 ? UINT64_MAX : 0;
	for (size_t i = 0; i < column->length; i++)
		value = value << 8 | column->at[i];
	*ret = (int64_t)value;
	return true;
}

static bool is_text(const struct column *column)
{
	return column->type >= 13 && column->type % 2 == 1;
}

static bool says(const struct column *column, const char *text)
{
	return is_text(column) && column->at && column->length == strlen(text) &&
	       memcmp(column->at, text, column->length) == 0;
}

/* seq (the rowid, so NULL), kind, received_ms, id, prev, body; since schema 5 also digest48 */
static bool take_entry(const uint8_t *data, size_t length, struct column columns[static COLUMNS_MAX])
{
	columns[6] = (struct column){ .type = 0 };
	if (!take_columns(data, length, columns, COLUMNS_MAX) && !take_columns(data, length, columns, COLUMNS_FIRST))
		return false;
	return columns[0].type == 0 && (columns[1].type == 1 || columns[1].type == 8 || columns[1].type == 9) &&
	       columns[2].type <= 9 && columns[3].type == 12 + 2 * UUID_SIZE &&
	       columns[4].type == 12 + 2 * DIGEST_SIZE && is_text(&columns[5]);
}

static size_t local_part(uint64_t payload, size_t most)
{
	if (payload <= most)
		return (size_t)payload;
	size_t part = LOCAL_LEAST + (size_t)((payload - LOCAL_LEAST) % OVERFLOW);
	return part <= most ? part : LOCAL_LEAST;
}

/* --- looking through the pages */

static void vote(struct carved_word *words, const char *text, size_t length)
{
	for (size_t i = 0; i < CARVE_WORDS; i++) {
		if (words[i].votes && (strlen(words[i].text) != length || memcmp(words[i].text, text, length) != 0))
			continue;
		memcpy(words[i].text, text, length);
		words[i].text[length] = '\0';
		words[i].votes++;
		return;
	}
}

static void note_place(struct carved_list *list, uint64_t seq, bool in_log, uint32_t index, size_t cell)
{
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 1024;
		struct carved_place *grown = realloc(list->places, room * sizeof(*grown));
		if (!grown)
			abort(); /* a gateway without memory restarts from its journal */
		list->places = grown;
		list->room = room;
	}
	list->places[list->count++] =
		(struct carved_place){ .seq = seq, .index = index, .cell = (uint16_t)cell, .in_log = in_log };
}

static void note_target(struct carve *carve, const struct column *name, uint64_t through)
{
	size_t i = 0;
	while (i < carve->target_count && !says(name, carve->targets[i].name))
		i++;
	if (i == CARVE_PLACES || name->length >= sizeof(carve->targets[0].name))
		return;
	struct carved_target *target = &carve->targets[i];
	if (i == carve->target_count) {
		memcpy(target->name, name->at, name->length);
		target->name[name->length] = '\0';
		carve->target_count++;
	}
	if (target->through < through)
		target->through = through;
}

/* 32 digits, as the schema makes them; a damaged page may hold anything, a NUL among them. */
static bool is_epoch(const struct column *value)
{
	if (value->length != EPOCH_MAX - 1)
		return false;
	for (size_t i = 0; i < value->length; i++) {
		uint8_t digit = value->at[i];
		if ((digit < '0' || digit > '9') && (digit < 'a' || digit > 'f'))
			return false;
	}
	return true;
}

/* A row of `state`: kind, name, number, value. */
static void take_state(struct carve *carve, const struct column columns[static 4])
{
	const struct column *value = &columns[3];
	int64_t number;
	char again[24];
	if (!value->at || !columns[1].at || !take_integer(&columns[2], &number) || number < 0)
		return;
	snprintf(again, sizeof(again), "%lld", (long long)number);
	if (says(&columns[0], "epoch") && is_text(value) && is_epoch(value)) {
		vote(carve->epochs, (const char *)value->at, value->length);
	} else if (says(&columns[0], "head") && value->length == DIGEST_SIZE && (uint64_t)number > carve->head.seq) {
		carve->head.seq = (uint64_t)number;
		memcpy(carve->head.hash, value->at, DIGEST_SIZE);
	} else if (says(&columns[0], "target") && says(value, again)) {
		note_target(carve, &columns[1], (uint64_t)number);
	} else if (says(&columns[0], "pruned") && says(value, again) && (uint64_t)number > carve->pruned) {
		carve->pruned = (uint64_t)number;
	}
}

static bool looks_like_station(const struct column *code)
{
	if (!is_text(code) || !code->at || code->length < 2 || code->length >= STATION_MAX)
		return false;
	for (size_t i = 0; i < code->length; i++)
		if (code->at[i] < '-' || code->at[i] > 'z' || code->at[i] == '"' || code->at[i] == '\\')
			return false;
	return true;
}

/* What proves the entries; each begins with its own number, which stands elsewhere. */
static bool looks_like_proof(const uint8_t *data, size_t length, enum carved_table *ret)
{
	struct column columns[CARVED_COLUMNS];
	if (take_columns(data, length, columns, 5)) { /* number, key, at, hash, signature */
		*ret = CARVED_SEAL;
		return columns[0].type == 0 && columns[1].type <= 9 && is_text(&columns[2]) &&
		       columns[3].type == 12 + 2 * DIGEST_SIZE && columns[4].type >= 12 && columns[4].type % 2 == 0;
	}
	if (take_columns(data, length, columns, 4)) { /* number, id, algorithm, pem */
		*ret = CARVED_KEY;
		return columns[0].type == 0 && is_text(&columns[1]) && is_text(&columns[2]) && is_text(&columns[3]);
	}
	*ret = CARVED_MANIFEST; /* last entry, day, payload */
	return take_columns(data, length, columns, 3) && columns[0].type == 0 && is_text(&columns[1]) &&
	       columns[1].length == 10 && is_text(&columns[2]);
}

static void copy_text(char *out, size_t room, const struct column *column)
{
	const uint8_t *from = column->at ? column->at : (const uint8_t *)"";
	size_t length = column->at ? column->length : 0;
	if (length >= room)
		length = room - 1;
	memcpy(out, from, length);
	out[length] = '\0';
}

/* A row of `parked`: target, seq, at_ms, reason. */
static void take_parked(struct carve *carve, const struct column columns[static 4])
{
	struct carved_parked parked = { 0 };
	int64_t seq;
	if (!columns[0].at || columns[0].length >= sizeof(parked.target) || !is_text(&columns[3]) ||
		!take_integer(&columns[1], &seq) || seq < 1 || !take_integer(&columns[2], &parked.at_ms))
		return;
	parked.seq = (uint64_t)seq;
	copy_text(parked.target, sizeof(parked.target), &columns[0]);
	copy_text(parked.reason, sizeof(parked.reason), &columns[3]);
	for (size_t i = 0; i < carve->parked_count; i++)
		if (carve->parked[i].seq == parked.seq && strcmp(carve->parked[i].target, parked.target) == 0)
			return;
	struct carved_parked *grown = realloc(carve->parked, (carve->parked_count + 1) * sizeof(*grown));
	if (!grown)
		abort();
	carve->parked = grown;
	grown[carve->parked_count++] = parked;
}

/* A row of `known`, id and number, or of the index of the entries' ids: what can be read again has a UUIDv8. */
static void take_known(struct carve *carve, const struct column columns[static 2])
{
	int64_t seq;
	if (columns[0].type != 12 + 2 * UUID_SIZE || !columns[0].at || columns[0].at[6] >> 4 != 8 ||
		!take_integer(&columns[1], &seq) || seq < 0 || (seq == 0 && columns[1].type != 8))
		return;
	if (carve->known_count == carve->known_room) {
		size_t room = carve->known_room ? carve->known_room * 2 : 1024;
		struct carved_known *grown = realloc(carve->known, room * sizeof(*grown));
		if (!grown)
			abort();
		carve->known = grown;
		carve->known_room = room;
	}
	struct carved_known *known = &carve->known[carve->known_count++];
	memcpy(known->id, columns[0].at, UUID_SIZE);
	known->seq = (uint64_t)seq;
}

static void take_table_cell(struct carve *carve, const uint8_t *page, size_t cell, bool in_log, uint32_t index)
{
	struct bytes bytes = bytes_of(page + cell, JOURNAL_PAGE - cell);
	uint64_t payload = take_varint(&bytes), rowid = take_varint(&bytes);
	size_t local = local_part(payload, LOCAL_MOST_TABLE);
	const uint8_t *data = payload <= PAYLOAD_MAX ? bytes_take(&bytes, local) : NULL;
	struct column columns[COLUMNS_MAX];
	if (!data || rowid == 0 || rowid > INT64_MAX)
		return;
	enum carved_table table;
	if (take_entry(data, local, columns))
		note_place(&carve->entries, rowid, in_log, index, cell);
	else if (looks_like_proof(data, local, &table))
		note_place(&carve->rows[table], rowid, in_log, index, cell);
	else if (take_columns(data, local, columns, 2) && columns[0].type == 0 && looks_like_station(&columns[1]))
		vote(carve->stations, (const char *)columns[1].at, columns[1].length);
}

static void take_index_cell(struct carve *carve, const uint8_t *page, size_t cell)
{
	struct bytes bytes = bytes_of(page + cell, JOURNAL_PAGE - cell);
	uint64_t payload = take_varint(&bytes);
	size_t local = local_part(payload, LOCAL_MOST_INDEX); /* what lies elsewhere of a long reason is left there */
	const uint8_t *data = payload <= PAYLOAD_MAX ? bytes_take(&bytes, local) : NULL;
	struct column columns[4];
	if (data && take_columns(data, local, columns, 2))
		take_known(carve, columns);
	if (!data || !take_columns(data, local, columns, 4) || !is_text(&columns[0]))
		return;
	if (is_text(&columns[1]))
		take_state(carve, columns);
	else
		take_parked(carve, columns);
}

static void take_page(struct carve *carve, const uint8_t *page, bool in_log, uint32_t index)
{
	if (page[0] != TABLE_LEAF && page[0] != INDEX_LEAF && page[0] != INDEX_INNER)
		return;
	size_t header = page[0] == INDEX_INNER ? INNER_HEADER : LEAF_HEADER, child = header - LEAF_HEADER;
	struct bytes pointers = bytes_of(page + 3, JOURNAL_PAGE - 3);
	unsigned cells = bytes_u16be(&pointers);
	bytes_take(&pointers, header - 5);
	for (unsigned i = 0; i < cells; i++) {
		size_t cell = bytes_u16be(&pointers);
		if (pointers.failed)
			return;
		if (cell < header || cell + child >= JOURNAL_PAGE)
			continue;
		if (page[0] == TABLE_LEAF)
			take_table_cell(carve, page, cell, in_log, index);
		else
			take_index_cell(carve, page, cell + child);
	}
}

static uint32_t page_count(int fd)
{
	off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
	return size > 0 && size / JOURNAL_PAGE < UINT32_MAX ? (uint32_t)(size / JOURNAL_PAGE) : 0;
}

static int by_seq_descending(const void *a, const void *b)
{
	const struct carved_place *one = a, *other = b;
	if (one->seq != other->seq)
		return one->seq < other->seq ? 1 : -1;
	return (int)other->in_log - (int)one->in_log; /* the log has the later page */
}

static int by_parked_descending(const void *a, const void *b)
{
	const struct carved_parked *one = a, *other = b;
	return one->seq == other->seq ? 0 : one->seq < other->seq ? 1 : -1;
}

static int by_known_descending(const void *a, const void *b)
{
	const struct carved_known *one = a, *other = b;
	return one->seq == other->seq ? 0 : one->seq < other->seq ? 1 : -1;
}

static void sort(struct carved_list *list)
{
	if (list->count)
		qsort(list->places, list->count, sizeof(*list->places), by_seq_descending);
}

static void take_pages(struct carve *carve, bool in_log, uint32_t count)
{
	uint8_t page[JOURNAL_PAGE];
	for (uint32_t i = 0; i < count; i++) {
		if (read_page(carve, in_log, i, page))
			take_page(carve, page, in_log, i);
		if ((i + 1) % PAGES_SILENT == 0)
			progress();
	}
}

int carve_open(struct carve *carve, const char *path, struct fault *fault)
{
	char log[PATH_ROOM];
	*carve = (struct carve){ 0 };
	snprintf(log, sizeof(log), "%s-wal", path);
	carve->file = open(path, O_RDONLY | O_CLOEXEC);
	int error = carve->file < 0 ? errno : 0;
	carve->log = open(log, O_RDONLY | O_CLOEXEC);
	if (carve->file < 0 && carve->log < 0)
		return fault_set(fault, error, _("%s: cannot be read (%s)"), path, strerror(error));
	read_log(carve);
	take_pages(carve, false, page_count(carve->file));
	take_pages(carve, true, carve->frames);
	sort(&carve->entries);
	if (carve->parked_count)
		qsort(carve->parked, carve->parked_count, sizeof(*carve->parked), by_parked_descending);
	if (carve->known_count)
		qsort(carve->known, carve->known_count, sizeof(*carve->known), by_known_descending);
	for (int table = 0; table < CARVED_TABLES; table++)
		sort(&carve->rows[table]);
	return 0;
}

void carve_close(struct carve *carve)
{
	if (carve->file >= 0)
		close(carve->file);
	if (carve->log >= 0)
		close(carve->log);
	free(carve->numbers);
	free(carve->entries.places);
	for (int table = 0; table < CARVED_TABLES; table++)
		free(carve->rows[table].places);
	free(carve->parked);
	free(carve->known);
	free(carve->payload);
}

/* --- one row */

static bool collect(struct carve *carve, const struct carved_place *place, bool log_first, size_t *ret_length)
{
	uint8_t page[JOURNAL_PAGE];
	if (!read_page(carve, place->in_log, place->index, page))
		return false;
	struct bytes bytes = bytes_of(page + place->cell, (size_t)JOURNAL_PAGE - place->cell);
	uint64_t payload = take_varint(&bytes);
	take_varint(&bytes);
	if (bytes.failed || payload > PAYLOAD_MAX)
		return false;
	size_t length = (size_t)payload, got = local_part(payload, LOCAL_MOST_TABLE);
	const uint8_t *local = bytes_take(&bytes, got);
	uint32_t next = got < length ? bytes_u32be(&bytes) : 0;
	if (!local || bytes.failed)
		return false;
	if (carve->payload_room < length) {
		uint8_t *grown = realloc(carve->payload, length);
		if (!grown)
			return false;
		carve->payload = grown;
		carve->payload_room = length;
	}
	memcpy(carve->payload, local, got);
	while (got < length) { /* ends: each turn takes more than nothing */
		if (!read_numbered(carve, next, log_first, page))
			return false;
		struct bytes overflow = bytes_of(page, sizeof(page));
		next = bytes_u32be(&overflow);
		size_t part = length - got < OVERFLOW ? length - got : OVERFLOW;
		memcpy(carve->payload + got, bytes_take(&overflow, part), part);
		got += part;
	}
	*ret_length = length;
	return true;
}

bool carve_entry(struct carve *carve, const struct carved_place *place, bool log_first, struct carved_entry *ret)
{
	struct column columns[COLUMNS_MAX];
	size_t length;
	if (!collect(carve, place, log_first, &length) || !take_entry(carve->payload, length, columns) ||
		!columns[5].at)
		return false;
	*ret = (struct carved_entry){
		.seq = place->seq,
		.id = columns[3].at,
		.prev = columns[4].at,
		.body = (const char *)columns[5].at,
		.body_length = columns[5].length,
		.digest48 = -1,
	};
	take_integer(&columns[6], &ret->digest48);
	return take_integer(&columns[1], &ret->kind) && take_integer(&columns[2], &ret->received_ms);
}

bool carve_row(struct carve *carve, enum carved_table table, const struct carved_place *place, bool log_first,
	struct carved_column ret[static CARVED_COLUMNS])
{
	static const size_t counts[] = { [CARVED_SEAL] = 5, [CARVED_KEY] = 4, [CARVED_MANIFEST] = 3 };
	struct column columns[CARVED_COLUMNS] = { { 0 } };
	size_t length;
	if (!collect(carve, place, log_first, &length) || !take_columns(carve->payload, length, columns, counts[table]))
		return false;
	memset(ret, 0, CARVED_COLUMNS * sizeof(*ret));
	for (size_t i = 1; i < counts[table]; i++) {
		if (columns[i].type >= 12 && columns[i].at) {
			ret[i - 1].text = (const char *)columns[i].at;
			ret[i - 1].length = columns[i].length;
		} else if (!take_integer(&columns[i], &ret[i - 1].integer)) {
			return false;
		}
	}
	return true;
}
