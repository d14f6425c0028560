/* The journal: an append-only, hash-chained log of records and events in one SQLite file, with a cursor per target.
 *
 * journal_append() blocks until what it was given is durable (WAL, synchronous=FULL); one writer thread groups what
 * arrives together into one commit, and one transaction holds records, sequence, hash and the instrument's cursor.
 * Nothing in it is ever edited. Any thread may append; each reader belongs to one thread.
 *
 * The bytes stored are the bytes published: {"v":1,"id":ID,"station":S,"epoch":E,"seq":N,"prev":"sha256:HEX",BODY
 * where BODY is the caller's, from its first key to the closing brace, and HEX the digest of the previous entry's bytes
 * (64 zeros before the first), by SHA-256 or by the epoch's other algorithm. Sequence numbers count 1, 2, 3 ... without
 * a hole within an epoch. Beside the entries stand what proves them: seals (seal.h) and daily manifests.
 */
#ifndef ASSAYD_JOURNAL_H
#define ASSAYD_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../drivers/fault.h"
#include "../drivers/reading.h"
#include "seal.h"

#define ENTRY_ID_MAX 37 /* a UUID as text, with its NUL */

#define STATION_MAX 32 /* bytes of a station's code, with its NUL */

enum {
	FORMER_MAX = 2, /* codes the station had before, which are looked at */
	OTHER_IDS_MAX = 1 + 2 * FORMER_MAX,
};

enum entry_kind { ENTRY_RESULT, ENTRY_QC, ENTRY_EVENT }; /* the topics result, qc, event */

struct entry { /* to be appended */
	enum entry_kind kind;
	char id[ENTRY_ID_MAX];
	char other_ids[OTHER_IDS_MAX][ENTRY_ID_MAX]; /* under which it may be in the journal already; "": no more */
	char *body;                                  /* UTF-8, `"kind":"sample",...}` */
	/* out */
	uint64_t seq;
	bool known; /* it is in the journal already, or was: nothing was appended, `seq` is where it stands */
	/* in */
	bool alarm; /* tells that the disk is full: may use what was kept back for that */
};

struct stored { /* as read back; `payload` is good until `each` returns */
	uint64_t seq;
	enum entry_kind kind;
	char id[ENTRY_ID_MAX];
	const char *payload;
	size_t length;
	int64_t received_ms;
};

#define UUID_SIZE 16
bool uuid_parse(const char *text, uint8_t out[static UUID_SIZE]); /* lower case, with hyphens, nothing else */

struct journal;
struct journal_reader;
struct db;

struct journal_options {
	const char *directory;   /* holds journal.db; created 0700 when missing */
	const char *station;     /* station code, for the entries' head */
	uint64_t reserve_bytes;  /* of the file laid down against a full disk, more than the log takes; 0: none */
	enum digest_kind digest; /* of a new epoch; one with entries keeps its own */
	bool unsafe_sync;        /* tests' negative control only: synchronous=NORMAL */
};

/* Opens or creates DIR/journal.db, migrates an older schema, refuses a newer one untouched, checks integrity of the
 * file's head and of the chain's end. A journal too damaged to use is set aside as journal.db.corrupt-TIME and a new
 * epoch begins; `*ret_setaside` (may be NULL) then holds the new name, free() it. Takes DIR/lock: a second daemon on
 * the same journal is refused with -EBUSY. */
int journal_open(const struct journal_options *options, struct journal **ret, char **ret_setaside, struct fault *fault);
void journal_close(struct journal *journal); /* appends nothing more; NULL is fine */

/* Appends all entries or none, with `instrument`'s new cursor (NULL: leave it). Blocks until durable. On a fault the
 * fate of the entries is unknown until the next successful append: their ids make the retry safe. */
int journal_append(struct journal *journal, struct entry *entries, size_t count, const char *instrument,
	const char *cursor, struct fault *fault);

/* As journal_append(), and writes to other tables of the file in the same transaction: `beside` is called by the writer
 * thread behind the entries, whose `seq` and `known` are set; it may be called again with a later attempt. */
typedef int journal_beside(void *context, struct db *db, struct fault *fault);
int journal_append_with(struct journal *journal, struct entry *entries, size_t count, const char *instrument,
	const char *cursor, journal_beside *beside, void *context, struct fault *fault);

/* The last durable cursor of an instrument, "" when there is none. */
int journal_cursor(struct journal *journal, const char *instrument, char out[static CURSOR_MAX], struct fault *fault);

/* The codes the station had before the one it has, the newest first: in this journal, and behind them what was noted.
 */
struct former_codes {
	char list[FORMER_MAX][STATION_MAX];
	size_t count;
};
const struct former_codes *journal_former(const struct journal *journal);
/* Those of an older journal. Before other threads ask for them. 0 or -errno. */
int journal_note_former(struct journal *journal, struct journal_reader *reader, struct fault *fault);
/* As a reader sees them, of a station that has this code now. 0 or -errno. */
int journal_reader_former(
	struct journal_reader *reader, const char *code, struct former_codes *ret, struct fault *fault);

const char *journal_epoch(const struct journal *journal);
uint64_t journal_head(const struct journal *journal); /* the last durable sequence number */
const char *journal_path(const struct journal *journal);
enum digest_kind journal_digest(const struct journal *journal); /* of its epoch */

/* True once an append met damage in the file: nothing more can be stored, and only a new start sets the file aside. */
bool journal_is_damaged(const struct journal *journal);

/* Somebody else met damage in the file (-EUCLEAN): the same, so that the next start sets it aside. */
void journal_condemn(struct journal *journal);

/* True while the disk is full: appending answers -ENOSPC at once, but for alarms, until there is room again. */
bool journal_is_full(const struct journal *journal);

/* How often the disk failed the journal since it was opened (not for want of room); fills in the last failure's text.
 * What waited then is not stored; what was stored is safe. */
unsigned long journal_failures(struct journal *journal, struct fault *ret_last);

struct journal_space {
	uint64_t first;         /* the oldest entry that is kept, but for such as a target refused */
	uint64_t bytes;         /* of the file, as of the last look within 10 s */
	uint64_t free_bytes;    /* within it: new entries go there first */
	uint64_t reserve_bytes; /* 0: none is laid down */
};
void journal_space(const struct journal *journal, struct journal_space *ret);

/* What may be removed while nothing is appended; nothing is before the first call. See journal_prune.c. */
struct journal_keep {
	const char *const *targets; /* who must have an entry before it goes; without any, none goes */
	size_t target_count;
	int64_t before_ms;   /* it was received before this (Unix time); 0: its age lets none go */
	bool short_of_space; /* the oldest go whatever their age */
};
void journal_keep(struct journal *journal, const struct journal_keep *keep);

/* `event_fd` is written to (as an eventfd) after each commit. At most 16 watchers. */
int journal_watch(struct journal *journal, int event_fd);
void journal_unwatch(struct journal *journal, int event_fd);

/* How far a target has everything, and what it refused. Progress is kept in memory and stored with the next commit or
 * within 10 s: losing some of it only sends records twice, with the same id and bytes. */
int journal_target(struct journal *journal, const char *target, uint64_t *ret_through, struct fault *fault);
void journal_progress(struct journal *journal, const char *target, uint64_t through);
/* Writes down that the target refused an entry, with `event` about it (may be NULL) in the same transaction. */
int journal_park(struct journal *journal, const char *target, uint64_t seq, const char *reason, struct entry *event,
	struct fault *fault);
int journal_unpark(
	struct journal *journal, const char *target, uint64_t seq, struct fault *fault); /* it took it after all */

/* Proof. The key is remembered with its public part; the seals given later are made with it. `ret_changed` (may be
 * NULL): it is not the one of the seal before. */
int journal_key(struct journal *journal, const struct signature_key *key, bool *ret_changed, struct fault *fault);
/* Fills in everything but the signature: the last durable entry, now. False: it is sealed already, or there is none. */
bool journal_unsealed(struct journal *journal, struct seal *ret);
/* A seal is there for its readers at once; stored with the next commit or within 10 s: one that a power cut takes is
 * made anew over the same entries at the next start. */
void journal_seal(struct journal *journal, const struct seal *seal);
/* A seal that may not be in the file yet: the first over more than `after`. */
bool journal_fresh_seal(struct journal *journal, uint64_t after, struct seal *ret);
uint64_t journal_sealed(const struct journal *journal);     /* the last sealed entry */
uint64_t journal_manifested(const struct journal *journal); /* the last entry with a manifest, */
/* Blocks until durable. */
int journal_manifest(struct journal *journal, uint64_t last, const char *day, const char *payload, struct fault *fault);

/* Ids of results that stand in another journal: from now on they are known. */
int journal_know(struct journal *journal, const char (*ids)[ENTRY_ID_MAX], size_t count, struct fault *fault);

/* Readers: a connection of their own, short transactions, never in the writer's way. */
int journal_reader_open(const char *path, struct journal_reader **ret, struct fault *fault);
void journal_reader_close(struct journal_reader *reader);
/* The salvaged journals beside the one at `path`, one after the other: `*at` begins with 0. 1: opened, close it; 0:
 * there are no more; -errno: this one cannot be read, go on. */
int journal_next_old(const char *path, size_t *at, struct journal_reader **ret, struct fault *fault);
/* The next ids of results that the journal of a reader knows without holding them, behind `after` ("": the first).
 * Returns how many, at most `room`. */
long journal_known(
	struct journal_reader *reader, const char *after, char (*ids)[ENTRY_ID_MAX], size_t room, struct fault *fault);
/* Under which the journal keeps what concerns a target and a salvaged epoch: TARGET/ and the epoch's beginning. */
#define JOURNAL_PLACE_MAX 64
void journal_place(char out[static JOURNAL_PLACE_MAX], const char *target, const struct journal_reader *reader);
/* The salvaged journal of this reader is another file than before, or holds more: what targets have of it counts from
 * its beginning again, for an entry may have come below what was delivered. Durable on return; before they are sent. */
int journal_old_changed(struct journal *journal, const struct journal_reader *reader, struct fault *fault);
/* Whether it is the target's own place or, of any salvaged epoch, one of its others; of "TARGET/EPOCH": that one. */
bool journal_place_of(const char *place, const char *target);
/* Calls `each` for at most `limit` entries from `seq` on in order; a non-zero answer stops. Returns how many were
 * given, or -errno. */
long journal_read(struct journal_reader *reader, uint64_t from, size_t limit,
	int (*each)(void *context, const struct stored *), void *context, struct fault *fault);
/* One entry by id: 1 found and given to `each`, 0 not found, -errno. */
int journal_find(struct journal_reader *reader, const char *id, int (*each)(void *context, const struct stored *),
	void *context, struct fault *fault);
struct parked { /* an entry that a target refused, or TARGET/EPOCH; texts are good until `each` returns */
	const char *target, *reason;
	uint64_t seq;
	int64_t at_ms;
};
/* What `target` (NULL: any) has refused of the entries `from`..`to`, in order; a non-zero answer of `each` stops.
 * Returns how many were given, or -errno. */
long journal_parked(struct journal_reader *reader, const char *target, uint64_t from, uint64_t to,
	int (*each)(void *context, const struct parked *), void *context, struct fault *fault);
/* How far a target had everything when that was last stored; 0: nothing is known of it. */
int journal_reader_target(
	struct journal_reader *reader, const char *target, uint64_t *ret_through, struct fault *fault);
/* The first and the last entry of the run without a hole. Older ones that a target refused may stand alone before it.
 */
int journal_reader_head(struct journal_reader *reader, uint64_t *ret_first, uint64_t *ret_last, struct fault *fault);

/* The runs of `from`..`*to` that are not in the journal, in order: they were removed after their time, or lost with a
 * damaged file. Where there are more than `room`, `*to` becomes the end of the last one given. Returns how many, or
 * -errno. */
struct journal_run {
	uint64_t first, last;
};
long journal_gaps(struct journal_reader *reader, uint64_t from, uint64_t *to, struct journal_run *runs, size_t room,
	struct fault *fault);

struct kept_manifest { /* good until `each` returns */
	uint64_t last;
	const char *day, *payload;
};
struct kept_key {
	char id[DIGEST_TEXT_MAX], algorithm[16], pem[512];
};
/* The first seal over more than `after`, 1; 0: none; -errno. */
int journal_next_seal(struct journal_reader *reader, uint64_t after, struct seal *ret, struct fault *fault);
/* The first manifest, of `day` (NULL: of any), whose last entry is behind `after`; as above. */
int journal_next_manifest(struct journal_reader *reader, uint64_t after, const char *day,
	int (*each)(void *context, const struct kept_manifest *), void *context, struct fault *fault);
/* The newest key; as above. With `id` that one. */
int journal_read_key(struct journal_reader *reader, const char *id, struct kept_key *ret, struct fault *fault);
/* The station's code as of entry `seq`, and the epoch. */
const char *journal_reader_epoch(const struct journal_reader *reader, enum digest_kind *ret_digest);
int journal_reader_station(struct journal_reader *reader, uint64_t seq, char out[static 32], struct fault *fault);
/* The first and the last entry received within [since_ms, until_ms); 0 and 0: none. */
int journal_between(struct journal_reader *reader, int64_t since_ms, int64_t until_ms, uint64_t *ret_first,
	uint64_t *ret_last, struct fault *fault);

/* Whether entries `from`..`to` (0: the last) are all there and each carries the digest of the one before, the last one
 * being what the journal recorded as its head. 0, or -EUCLEAN with the first bad one in `ret_bad` (may be NULL). */
int journal_check_chain(
	struct journal_reader *reader, uint64_t from, uint64_t to, uint64_t *ret_bad, struct fault *fault);

#endif
