/* What the parts of the journal share; only daemon/journal*.c include it.
 *
 * Who touches what: `lock` guards queue, places and watchers; `store` (the writing connection) belongs to the thread
 * that opens the journal until the writer thread starts, then to the writer thread alone.
 */
#ifndef ASSAYD_JOURNAL_PARTS_H
#define ASSAYD_JOURNAL_PARTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "digest.h"
#include "journal.h"
#include "sqlite.h"

#define JOURNAL_PAGE 512 /* bytes; see journal_schema.c */

enum {
	JOURNAL_APPLICATION_ID = 0x41535359, /* "ASSY" */
	JOURNAL_SCHEMA = 7,
	EPOCH_MAX = 33, /* 16 random bytes as hexadecimal */
	WATCHERS_MAX = 16,
	PATH_ROOM = 512,
	SEALS_MAX = 8,        /* not stored yet */
	LOG_PAGES_MAX = 4000, /* 2 MiB: then the log is moved into the file and begins anew */
};

/* --- journal_chain.c: the entry's head, and the digest that links it to the one before */

struct chain {
	enum digest_kind digest; /* of the epoch */
	uint64_t seq;            /* of the last entry, 0 before the first */
	uint8_t hash[DIGEST_SIZE];
};

struct head {
	const char *id; /* as text */
	const char *station, *epoch;
	uint64_t seq;
	enum digest_kind digest;
	const uint8_t *prev;
};

enum { HEAD_MAX = 256 + STATION_MAX };
size_t chain_head(char out[static HEAD_MAX], const struct head *head); /* the length */
int64_t chain_digest48(const uint8_t hash[static DIGEST_SIZE]);        /* the first 48 bits */
void uuid_text(const uint8_t uuid[static UUID_SIZE], char out[static ENTRY_ID_MAX]);

/* --- journal_store.c: the writing connection */

struct store {
	struct db *db;
	struct db_query *begin, *commit, *rollback, *pages;
	struct db_query *find, *insert, *head, *instrument, *target, *park, *unpark, *seal, *manifest, *know;
	/* of journal_prune.c */
	struct db_query *figures, *times, *sealed, *left, *again, *remove, *forget_parked, *forget_seals, *pruned;
	uint64_t swept;     /* islands up to there have been looked at */
	struct chain chain; /* as of the open transaction */
	char *buffer;       /* for one payload */
	size_t room;
};

/* A name with its place: an instrument's cursor, a target's progress. */
struct place {
	char *name;
	char cursor[CURSOR_MAX];
	uint64_t through;
	bool unsaved;
};
struct places {
	struct place *list;
	size_t count;
};
struct place *place_find(const struct places *places, const char *name); /* NULL: not there */
struct place *place_add(struct places *places, const char *name);        /* cleared, or the one that is there */
void places_free(struct places *places);

/* -EUCLEAN: damaged, to be set aside. Others: as they are. Fills `epoch`, instruments and targets (only forwards). */
int store_open(struct journal *journal, struct fault *fault);
/* The file takes room for all that is committed; -ENOSPC when it cannot. So moving the log into the file never wants
 * for room: on a full disk that is what makes the log begin anew, without which nothing could be removed. */
int store_commit(struct store *store, struct fault *fault);
void store_close(struct store *store, bool tidy);
/* Inside a transaction: appends one entry, or finds that it is known. */
int store_entry(struct journal *journal, struct entry *entry, int64_t received_ms, struct fault *fault);

/* --- journal_prune.c: what is removed, and a full disk */

void space_open(struct journal *journal);
void space_full(struct journal *journal);  /* gives the reserve back */
bool space_again(struct journal *journal); /* whether there is room, and then appending goes on */
bool space_kept(struct journal *journal);  /* whether one more append leaves room to remove entries */
int space_figures(struct journal *journal, struct fault *fault);
/* Removes a few entries if any may go, and says when to look again. In the writer's thread. */
int prune_step(struct journal *journal, long *ret_due_ms, struct fault *fault);

/* --- journal_reader.c */

int reader_pruned(struct journal_reader *reader, uint64_t *ret, struct fault *fault); /* up to here; 0: nothing */
int reader_stored_head(struct journal_reader *reader, struct chain *ret, struct fault *fault);

struct journal_reader_proof; /* the queries of journal_seals.c, made when first asked */
struct db *reader_db(struct journal_reader *reader);
struct journal_reader_proof **reader_proof(struct journal_reader *reader);
void reader_proof_free(struct journal_reader_proof *proof);

/* --- journal_seals.c: what proves the entries */

struct seals {                               /* guarded by the journal's lock */
	enum digest_kind digest;             /* of the epoch; never changes */
	uint64_t head;                       /* the last durable entry */
	uint8_t hash[DIGEST_SIZE];           /* and its digest */
	char station[STATION_MAX];           /* the code it was made under; the station may have got another since */
	_Atomic uint64_t sealed, manifested; /* up to there; written with the lock held */
	struct seal list[SEALS_MAX];
	size_t count, taken; /* by the commit at hand */
	int64_t key;         /* its number in the file */
};

int seals_load(struct journal *journal, struct fault *fault);
int seals_store(struct journal *journal, struct fault *fault); /* within the commit at hand */
void seals_finish(struct journal *journal, bool stored);       /* with the lock held */

/* --- journal_schema.c */

/* A new or known file becomes the present schema; a newer one is refused with -ENOTSUP. */
int schema_prepare(struct db *db, const char *path, bool unsafe_sync, struct fault *fault);
int schema_digest(struct db *db, enum digest_kind digest, struct fault *fault); /* of an epoch without entries */
int schema_station(struct db *db, const char *station, struct fault *fault);
int schema_former(struct db *db, const char *station, struct former_codes *ret, struct fault *fault);

/* --- journal_log.c */

int log_suspect(const char *path, struct fault *fault); /* 0, or -EUCLEAN: damaged in a way SQLite passes over */

/* --- journal_files.c: directory, lock and what is set aside */

int files_directory(const char *directory, struct fault *fault);
int files_lock(const char *directory, int *ret_fd, struct fault *fault);
int files_suspect(const char *path, struct fault *fault); /* 0, or -EUCLEAN where SQLite would not see the damage */
/* Syncs the write-ahead log, and gives it its full size where there is room: a sync that need not also write a longer
 * file is several times as fast. */
int files_settle_log(const char *path, off_t size, struct fault *fault);
int files_mark_damaged(const char *path); /* so that the next start sets it aside */
bool files_is_marked(const char *path);
/* Writes epoch and station beside the journal, where they differ from what is there: salvage can do without the file's
 * own word then. */
void files_identity(const char *path, const char *epoch, const char *station);
/* Moves the file with its log to journal.db.corrupt-TIME beside it, or goes on where a power cut ended that. No name:
 * there was nothing but the mark. Of the journal the file goes first: nobody shall open it without its log. Of a
 * salvaged one it goes last: who looks for damaged journals shall find it with its log. */
enum files_order { FILE_FIRST, FILE_LAST };
int files_set_aside(const char *path, enum files_order order, char **ret_name, struct fault *fault);

/* --- journal_writer.c */

struct caller { /* one blocked caller; lives on its stack */
	struct entry *entries;
	size_t count;
	const char *instrument, *cursor;
	const char *target, *reason; /* to park; or, without a reason, to unpark */
	journal_beside *beside;      /* and its context */
	void *context;
	const char (*ids)[ENTRY_ID_MAX]; /* to be known */
	size_t id_count;
	uint64_t seq;
	int error;
	struct fault fault;
	bool done;
	pthread_cond_t finished;
	struct caller *next;
};

void *writer_run(void *journal);
int writer_ask(struct journal *journal, struct caller *caller, struct fault *fault); /* blocks */
int store_progress(struct journal *journal, struct fault *fault);                    /* within a transaction */

struct keep {                  /* as journal_keep() said it */
	struct places targets; /* their names */
	int64_t before_ms;
	bool short_of_space;
	bool others; /* than before: what they refused is to be looked through */
};

struct journal {
	char path[PATH_ROOM];
	char station[STATION_MAX], epoch[EPOCH_MAX];
	struct former_codes former;
	bool unsafe_sync;
	enum digest_kind new_digest; /* of an epoch that has no entries yet */
	bool doubtful;               /* a commit failed: what the log holds may not be on the disk */
	_Atomic bool damaged;        /* found while in use: only a new start helps */
	unsigned long failures;      /* of the disk, since it was opened; guarded by the lock */
	struct fault failure;        /* the last of them; guarded by the lock */
	int lock_fd;
	struct store store;

	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_t thread;
	bool running, stopping;
	struct caller *first, **last;
	struct places instruments, targets;
	struct seals seals;
	long progress_due_ms; /* monotonic; 0: nothing unsaved */
	long prune_due_ms;    /* monotonic */
	struct keep keep;
	int watchers[WATCHERS_MAX];
	size_t watcher_count;
	_Atomic uint64_t head; /* last durable */

	char reserve[PATH_ROOM];
	uint64_t reserve_bytes;
	uint64_t released; /* bytes given back and not laid down again */
	_Atomic bool full;
	_Atomic uint64_t first_kept, pages, free_pages;
};

#endif
