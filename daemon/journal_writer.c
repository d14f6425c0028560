/* The writer thread: takes what is queued, commits it once, tells everyone who waits, then tidies the log. */
#include "journal_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

enum {
	BATCH_ENTRIES_MAX = 512,  /* a commit stays short: some milliseconds on slow flash */
	PROGRESS_WAIT_MS = 10000, /* targets' progress waits this long for a commit to ride along with */
	LOG_PAGES_RETRY = 400,    /* a reader was in the way: try again after so many pages */
};

static struct caller *take_batch(struct journal *journal)
{
	size_t entries = 0;
	struct caller *batch = journal->first, **link = &journal->first;
	while (*link && (link == &journal->first || entries + (*link)->count <= BATCH_ENTRIES_MAX)) {
		entries += (*link)->count;
		link = &(*link)->next;
	}
	journal->first = *link;
	if (!journal->first)
		journal->last = &journal->first;
	*link = NULL;
	return batch;
}

static int store_cursor(struct journal *journal, const struct caller *caller, struct fault *fault)
{
	struct store *store = &journal->store;
	if (!caller->instrument || !caller->cursor)
		return 0;
	/* only this thread changes the places, so it may look without the lock */
	const struct place *place = place_find(&journal->instruments, caller->instrument);
	if (place && strcmp(place->cursor, caller->cursor) == 0)
		return 0; /* where it was: nothing to write */
	db_put_text(store->instrument, 1, caller->instrument);
	db_put_text(store->instrument, 2, caller->cursor);
	return db_step(store->instrument, fault);
}

static int store_parked(struct journal *journal, const struct caller *caller, struct fault *fault)
{
	struct store *store = &journal->store;
	if (!caller->target)
		return 0;
	struct db_query *query = caller->reason ? store->park : store->unpark;
	db_put_text(query, 1, caller->target);
	db_put_integer(query, 2, (int64_t)caller->seq);
	if (!caller->reason) {
		if (store->swept >= caller->seq)
			store->swept = caller->seq - 1; /* it need not stay for this target any more */
		return db_step(query, fault);
	}
	db_put_integer(store->park, 3, clock_wall_ms());
	db_put_text(store->park, 4, caller->reason);
	return db_step(store->park, fault);
}

static int store_ids(struct journal *journal, const struct caller *caller, struct fault *fault)
{
	int error = 0;
	for (size_t i = 0; !error && i < caller->id_count; i++) {
		uint8_t id[UUID_SIZE];
		if (!uuid_parse(caller->ids[i], id))
			continue; /* no entry of ours has such an id */
		db_put_bytes(journal->store.know, 1, id, sizeof(id));
		db_put_integer(journal->store.know, 2, 0);
		error = db_step(journal->store.know, fault);
	}
	return error;
}

static int store_caller(struct journal *journal, struct caller *caller, struct fault *fault)
{
	int error = 0;
	int64_t now_ms = clock_wall_ms();
	for (size_t i = 0; !error && i < caller->count; i++)
		error = store_entry(journal, &caller->entries[i], now_ms, fault);
	if (!error)
		error = store_cursor(journal, caller, fault);
	if (!error && caller->beside)
		error = caller->beside(caller->context, journal->store.db, fault);
	if (!error)
		error = store_parked(journal, caller, fault);
	if (!error)
		error = store_ids(journal, caller, fault);
	return error;
}

/* What targets have reported since the last commit rides along. */
int store_progress(struct journal *journal, struct fault *fault)
{
	struct store *store = &journal->store;
	int error = 0;
	for (size_t i = 0; !error; i++) {
		char name[64];
		uint64_t through = 0;
		bool unsaved = false;
		pthread_mutex_lock(&journal->lock);
		if (i < journal->targets.count) {
			struct place *place = &journal->targets.list[i];
			snprintf(name, sizeof(name), "%s", place->name);
			through = place->through;
			unsaved = place->unsaved;
			place->unsaved = false; /* set again should this commit fail */
		}
		bool end = i >= journal->targets.count;
		pthread_mutex_unlock(&journal->lock);
		if (end)
			break;
		if (!unsaved)
			continue;
		db_put_text(store->target, 1, name);
		db_put_integer(store->target, 2, (int64_t)through);
		error = db_step(store->target, fault);
	}
	return error;
}

static int commit(struct journal *journal, struct caller *batch, struct fault *fault)
{
	struct store *store = &journal->store;
	uint64_t before = store->chain.seq;
	int error = db_step(store->begin, fault);
	for (struct caller *caller = batch; !error && caller; caller = caller->next)
		error = store_caller(journal, caller, fault);
	if (!error)
		error = store_progress(journal, fault);
	if (!error)
		error = seals_store(journal, fault);
	if (!error && store->chain.seq != before) {
		db_put_integer(store->head, 1, (int64_t)store->chain.seq);
		db_put_bytes(store->head, 2, store->chain.hash, DIGEST_SIZE);
		error = db_step(store->head, fault);
	}
	return error ? error : store_commit(store, fault);
}

static void nothing_saved(struct journal *journal)
{
	pthread_mutex_lock(&journal->lock);
	for (size_t i = 0; i < journal->targets.count; i++)
		journal->targets.list[i].unsaved = true;
	pthread_mutex_unlock(&journal->lock);
}

/* Counted, so that it is told even where nobody waits for the outcome. What passes by itself is no failure of the disk,
 * and damage is told by the end of the daemon. */
static void note_failure(struct journal *journal, int error, const struct fault *fault)
{
	if (error == -ENOSPC || error == -EBUSY || error == -EUCLEAN)
		return;
	pthread_mutex_lock(&journal->lock);
	journal->failures++;
	journal->failure = *fault;
	pthread_mutex_unlock(&journal->lock);
}

/* After a failed commit nothing in memory is trusted: the connection is opened anew before the next one, which reads
 * from the file how far the chain really is. */
static void give_up(struct journal *journal, int error)
{
	struct store *store = &journal->store;
	if (store->db && db_in_transaction(store->db))
		db_step(store->rollback, NULL);
	store_close(store, false);
	journal->doubtful = true;
	if (error == -EUCLEAN) {
		journal->damaged = true;
		files_mark_damaged(journal->path);
	}
	nothing_saved(journal);
}

/* A transaction failed. For want of room before anything was synced, it is as if it had not been begun. */
static void step_back(struct journal *journal, const struct chain *before, int error)
{
	struct store *store = &journal->store;
	if (error == -ENOSPC && !db_uncertain(store->db) &&
		(!db_in_transaction(store->db) || db_step(store->rollback, NULL) == 0)) {
		store->chain = *before;
		nothing_saved(journal);
	} else {
		give_up(journal, error);
	}
	if (error == -ENOSPC)
		space_full(journal);
}

static int reopen(struct journal *journal, struct fault *fault)
{
	if (journal->damaged)
		return fault_set(fault, EUCLEAN,
			_("%s: the file is damaged; restart assayd, which sets it aside and begins a new one"),
			journal->path);
	int error = store_open(journal, fault);
	if (error == -EUCLEAN)
		give_up(journal, error);
	if (error == -ENOSPC)
		space_full(journal);
	return error;
}

static int write_batch(struct journal *journal, struct caller *batch, struct fault *fault)
{
	int error = journal->store.db ? 0 : reopen(journal, fault);
	if (!error) {
		struct chain before = journal->store.chain;
		error = commit(journal, batch, fault);
		if (error)
			step_back(journal, &before, error);
	}
	if (error)
		note_failure(journal, error, fault);
	return error;
}

static void prune(struct journal *journal)
{
	struct fault fault;
	long due_ms;
	struct chain before = journal->store.chain;
	int error = prune_step(journal, &due_ms, &fault);
	if (error && error != -EBUSY) {
		step_back(journal, &before, error);
		note_failure(journal, error, &fault);
	}
	pthread_mutex_lock(&journal->lock);
	journal->prune_due_ms = due_ms;
	pthread_mutex_unlock(&journal->lock);
}

/* With the lock held. */
static void remember_cursor(struct journal *journal, const struct caller *caller)
{
	if (!caller->instrument || !caller->cursor)
		return;
	struct place *place = place_add(&journal->instruments, caller->instrument);
	snprintf(place->cursor, sizeof(place->cursor), "%s", caller->cursor);
}

/* With the lock held. */
static void finish(struct journal *journal, struct caller *batch, int error, const struct fault *fault)
{
	seals_finish(journal, !error);
	if (!error) {
		atomic_store(&journal->head, journal->store.chain.seq);
		for (size_t i = 0; i < journal->watcher_count; i++)
			if (write(journal->watchers[i], &(uint64_t){ 1 }, sizeof(uint64_t)) < 0)
				continue; /* an eventfd that is full wakes its owner all the same */
	}
	while (batch) {
		struct caller *caller = batch;
		batch = batch->next; /* once done, the caller is its caller's again */
		caller->error = error;
		if (error)
			caller->fault = *fault;
		else
			remember_cursor(journal, caller);
		caller->done = true;
		pthread_cond_signal(&caller->finished);
	}
}

static bool is_ordinary(const struct caller *caller)
{
	for (size_t i = 0; i < caller->count; i++)
		if (!caller->entries[i].alarm)
			return true;
	return caller->instrument != NULL;
}

/* While the disk is full what was kept back is for alarms, progress and removals: the others are refused at once, so
 * that their instruments keep them. What is left of the batch. */
static struct caller *refuse_ordinary(struct journal *journal, struct caller *batch)
{
	struct caller *left = NULL, **left_end = &left, *refused = NULL, **refused_end = &refused;
	struct fault fault;
	for (; batch; batch = batch->next) {
		struct caller ***end = is_ordinary(batch) ? &refused_end : &left_end;
		**end = batch;
		*end = &batch->next;
	}
	*left_end = *refused_end = NULL;
	fault_set(&fault, ENOSPC, _("%s: the disk is full; free space on its file system"), journal->path);
	pthread_mutex_lock(&journal->lock);
	finish(journal, refused, -ENOSPC, &fault);
	pthread_mutex_unlock(&journal->lock);
	return left;
}

static void tidy_log(struct journal *journal, int *limit)
{
	struct store *store = &journal->store;
	int pages = store->db ? db_log_pages(store->db) : 0;
	if (pages < LOG_PAGES_MAX)
		*limit = LOG_PAGES_MAX; /* the log began anew */
	if (pages < *limit)
		return;
	struct fault fault;
	int error = db_checkpoint(store->db, false, &fault);
	*limit = pages + LOG_PAGES_RETRY;
	if (!error || error == -ENOSPC || error == -EBUSY) /* those pass, and the log has them all meanwhile */
		return;
	give_up(journal, error);
	note_failure(journal, error, &fault);
}

/* With the lock held; returns with it. True when the writer is to go on. */
static bool wait_for_work(struct journal *journal)
{
	while (!journal->first && !journal->stopping) {
		long due_ms = journal->prune_due_ms;
		if (journal->progress_due_ms && journal->progress_due_ms < due_ms)
			due_ms = journal->progress_due_ms;
		struct timespec due = { .tv_sec = due_ms / 1000, .tv_nsec = due_ms % 1000 * 1000000 };
		if (pthread_cond_timedwait(&journal->work, &journal->lock, &due) == ETIMEDOUT)
			break;
	}
	return journal->first || !journal->stopping || journal->progress_due_ms;
}

/* With the lock held; returns with it. */
static void store_what_waits(struct journal *journal)
{
	struct fault fault;
	struct caller *batch = take_batch(journal);
	journal->progress_due_ms = 0;
	pthread_mutex_unlock(&journal->lock);

	bool refuses = batch && (journal->full ? !space_again(journal) : !space_kept(journal));
	if (refuses)
		batch = refuse_ordinary(journal, batch);
	int error = write_batch(journal, batch, &fault);

	pthread_mutex_lock(&journal->lock);
	if (error && !journal->stopping)
		journal->progress_due_ms = clock_ms() + PROGRESS_WAIT_MS;
	if (error == -ENOSPC || refuses)
		journal->prune_due_ms = clock_ms();
	finish(journal, batch, error, &fault);
}

void *writer_run(void *argument)
{
	struct journal *journal = argument;
	pthread_setname_np(pthread_self(), "journal");
	int limit = LOG_PAGES_MAX;
	pthread_mutex_lock(&journal->lock);
	while (wait_for_work(journal)) {
		long now_ms = clock_ms();
		bool store = journal->first || (journal->progress_due_ms && journal->progress_due_ms <= now_ms) ||
		             journal->stopping;
		if (store)
			store_what_waits(journal);
		pthread_mutex_unlock(&journal->lock);
		if (!store)
			prune(journal);
		tidy_log(journal, &limit);
		pthread_mutex_lock(&journal->lock);
	}
	pthread_mutex_unlock(&journal->lock);
	return NULL;
}

int writer_ask(struct journal *journal, struct caller *caller, struct fault *fault)
{
	pthread_cond_init(&caller->finished, NULL);
	pthread_mutex_lock(&journal->lock);
	if (journal->stopping) {
		caller->error = fault_set(&caller->fault, ESHUTDOWN, _("%s: is being closed"), journal->path);
	} else {
		*journal->last = caller;
		journal->last = &caller->next;
		pthread_cond_signal(&journal->work);
		while (!caller->done)
			pthread_cond_wait(&caller->finished, &journal->lock);
	}
	pthread_mutex_unlock(&journal->lock);
	pthread_cond_destroy(&caller->finished);
	if (caller->error && fault)
		*fault = caller->fault;
	return caller->error;
}

void journal_progress(struct journal *journal, const char *target, uint64_t through)
{
	pthread_mutex_lock(&journal->lock);
	struct place *place = place_add(&journal->targets, target);
	if (place->through < through) {
		place->through = through;
		place->unsaved = true;
		if (!journal->progress_due_ms) {
			journal->progress_due_ms = clock_ms() + PROGRESS_WAIT_MS;
			pthread_cond_signal(&journal->work); /* which until now waits without an end */
		}
	}
	pthread_mutex_unlock(&journal->lock);
}
