/* Rows read out of a damaged journal, page by page, without trusting what holds the pages together.
 *
 * SQLite's file format (sqlite.org/fileformat2.html): the file is a row of pages of 512 bytes. A leaf of a table begins
 * with 0d, a leaf of a table without rowid with 0a:
 *
 *   leaf     type u8, first free block u16, cells u16, content u16, fragments u8, then a u16 for each cell: its place
 *   0d cell  payload length varint, rowid varint, payload, and where it does not fit u32: the first overflow page
 *   0a cell  payload length varint, payload, ...; 02, an inner page of such a table: header of 12 bytes, u32 before
 * each payload  header length varint, a type varint for each column, then their values overflow u32: the next page or
 * 0, then 508 bytes
 *
 * Big-endian. In the write-ahead log a frame of 24 bytes stands before each page: its number, and salts that tell which
 * frames belong together. An entry is never changed, so wherever one is found whole it is the entry: a page that is in
 * the file, in the log, or in one that was long reused. Whether it is the true one is told by the chain.
 *
 * Used by journal_salvage.c; one thread at a time.
 */
#ifndef ASSAYD_JOURNAL_CARVE_H
#define ASSAYD_JOURNAL_CARVE_H

#include "journal_parts.h"

#define CARVE_WORDS  8
#define CARVE_PLACES 16

struct carved_place { /* of an entry's cell */
	uint64_t seq;
	uint32_t index; /* of the page in the file, of the frame in the log; from 0 */
	uint16_t cell;  /* offset in the page */
	bool in_log;
};

struct carved_word { /* read somewhere; how often */
	char text[STATION_MAX > EPOCH_MAX ? STATION_MAX : EPOCH_MAX];
	unsigned votes;
};

struct carved_target {
	char name[64];
	uint64_t through;
};

enum carved_table { CARVED_SEAL, CARVED_KEY, CARVED_MANIFEST, CARVED_TABLES };
enum { CARVED_COLUMNS = 5 };

struct carved_list { /* where rows of one table are; ordered by seq, the highest first */
	struct carved_place *places;
	size_t count, room;
};

struct carved_parked {
	char target[64], reason[200]; /* the reason as far as it was there */
	uint64_t seq;
	int64_t at_ms;
};

struct carved_known { /* the id of a result that is known, and the number it had; 0: in another journal */
	uint8_t id[UUID_SIZE];
	uint64_t seq;
};

struct carved_frame { /* which page a frame has */
	uint32_t page, frame;
	bool present; /* not of an earlier round of the log */
};

struct carve {
	int file, log;                /* -1: none */
	uint32_t frames;              /* in the log */
	struct carved_frame *numbers; /* ordered; of two of one page the later one last */
	struct carved_list entries;
	struct carved_word epochs[CARVE_WORDS], stations[CARVE_WORDS];
	struct carved_target targets[CARVE_PLACES]; /* only progress that was stored twice and says the same */
	size_t target_count;
	struct carved_list rows[CARVED_TABLES]; /* `seq` is the row's own number */
	struct carved_parked *parked;           /* the highest first, no row twice; some may be gone since */
	size_t parked_count;
	struct carved_known
		*known; /* the highest first, some twice; entries' ids among them, whose numbers tell them */
	size_t known_count, known_room;
	struct chain head; /* the highest that was read; 0: none */
	uint64_t pruned;
	uint8_t *payload; /* of the row read last */
	size_t payload_room;
};

struct carved_entry { /* good until the next one is read */
	uint64_t seq;
	int64_t kind, received_ms;
	const uint8_t *id, *prev;
	const char *body;
	size_t body_length;
	int64_t digest48; /* what it says of itself; -1: nothing */
};

/* Reads all there is to find. -errno only where nothing can be read at all; a page that cannot is as if it were empty.
 */
int carve_open(struct carve *carve, const char *path, struct fault *fault);
void carve_close(struct carve *carve);

/* The entry at a place; false when it is not whole. What does not fit its page is looked for in the log first, or only
 * in the file. */
bool carve_entry(struct carve *carve, const struct carved_place *place, bool log_first, struct carved_entry *ret);

/* A row of another table: its columns behind the first, which is its own number. False when it is not whole. */
struct carved_column {
	const char *text; /* NULL: an integer */
	size_t length;
	int64_t integer;
};
bool carve_row(struct carve *carve, enum carved_table table, const struct carved_place *place, bool log_first,
	struct carved_column ret[static CARVED_COLUMNS]);

#endif
