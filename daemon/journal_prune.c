/* What is removed from the journal, and what happens when the disk is full.
 *
 * An entry goes when every target has it and it is older than the retention age; when the disk runs short the oldest
 * delivered ones go before their age. Never one that a target lacks or refused, and never the last: from the first that
 * is kept, whose `prev` stays, the chain is verifiable. Entries go from the oldest on, a few in one transaction, while
 * nobody waits to append. The file does not shrink: its free pages are used again, and nobody else can take them.
 *
 * What a target refused stays where it is while those around it go, for years perhaps: an island, from the refused
 * entry up to the next one with a seal, so that it can still be proven. It goes when the target has taken it, or is no
 * target any more. `pruned` in the file, and the first entry that is kept, are those of the run without islands.
 *
 * An instrument may hold a result longer than we do. The ids of removed results that can be read again (UUIDv8, see
 * ident.h) stay in the table `known`, 16 bytes each: such a result is known for ever, and gives no second record.
 */
#include "journal_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "disk.h"
#include "json.h"

enum {
	REMOVED_AT_ONCE = 32,  /* entries: some milliseconds, the longest an append waits for it */
	LOOKED_AT_ONCE = 4096, /* entries, where their times cannot be believed */
	PAUSE_MS = 20,
	IDLE_MS = 10000,
	FULL_MS = 1000,
	PAGES_WANTED = 16384, /* 8 MiB within the file: so much is made free when the disk is short */
	PAGES_ENOUGH = 256,   /* with so much within the file appending goes on */
	ROOM_ENOUGH = 512 << 10,
	NAME_ROOM = 64,
};

/* Before this the box's clock had not been set: assayd did not exist. */
#define PLAUSIBLE_MS 1735689600000 /* 2025-01-01 */

/* --- a full disk */

void space_open(struct journal *journal)
{
	reserve_make(journal->reserve, journal->reserve_bytes);
}

void space_full(struct journal *journal)
{
	uint64_t released = reserve_release(journal->reserve);
	if (released)
		journal->released = released;
	atomic_store(&journal->full, true);
}

/* In a small file the half of it: one that could never grow never has more. */
static bool enough_within(const struct journal *journal)
{
	return journal->free_pages >= PAGES_ENOUGH || journal->free_pages >= journal->pages / 2;
}

bool space_again(struct journal *journal)
{
	char directory[PATH_ROOM];
	struct disk disk;
	strcpy(directory, journal->path);
	*strrchr(directory, '/') = '\0';
	bool within = journal->store.db && enough_within(journal);
	bool outside = disk_look(directory, &disk, NULL) == 0 && disk.free >= journal->released + ROOM_ENOUGH;
	if (!within && !outside)
		return false;
	atomic_store(&journal->full, false);
	if (outside && reserve_make(journal->reserve, journal->reserve_bytes) == 0)
		journal->released = 0;
	return true;
}

/* As long as the reserve is given back the disk may fill again, and then nothing would help: removing entries needs
 * room in the log, which only begins anew when the file has taken in what the log holds, and for that the file may have
 * to grow. So the log's pages go into the file before each append, and appending stops while there is room for that. */
bool space_kept(struct journal *journal)
{
	if (!journal->released || !journal->store.db)
		return true;
	int error = db_log_pages(journal->store.db) > 0 ? db_checkpoint(journal->store.db, false, NULL) : 0;
	if (error != -ENOSPC && (space_figures(journal, NULL) != 0 || enough_within(journal)))
		return true; /* what is wrong otherwise the append will find */
	char directory[PATH_ROOM];
	struct disk disk;
	strcpy(directory, journal->path);
	*strrchr(directory, '/') = '\0';
	if (error != -ENOSPC && (disk_look(directory, &disk, NULL) != 0 || disk.free >= ROOM_ENOUGH))
		return true;
	atomic_store(&journal->full, true);
	return false;
}

bool journal_is_full(const struct journal *journal)
{
	return journal->full;
}

void journal_space(const struct journal *journal, struct journal_space *ret)
{
	*ret = (struct journal_space){
		.first = journal->first_kept,
		.bytes = journal->pages * JOURNAL_PAGE,
		.free_bytes = journal->free_pages * JOURNAL_PAGE,
		.reserve_bytes = reserve_size(journal->reserve),
	};
}

/* --- what may go */

static bool same_names(const struct places *one, const struct places *other)
{
	for (size_t i = 0; i < one->count; i++)
		if (!place_find(other, one->list[i].name))
			return false;
	return one->count == other->count;
}

void journal_keep(struct journal *journal, const struct journal_keep *keep)
{
	struct places targets = { 0 };
	for (size_t i = 0; i < keep->target_count; i++)
		place_add(&targets, keep->targets[i]);
	pthread_mutex_lock(&journal->lock);
	bool others = !same_names(&targets, &journal->keep.targets); /* some may have held what they refused */
	bool news = others || (keep->before_ms && !journal->keep.before_ms) ||
	            (keep->short_of_space && !journal->keep.short_of_space);
	places_free(&journal->keep.targets);
	journal->keep = (struct keep){ targets, keep->before_ms, keep->short_of_space, others || journal->keep.others };
	if (news && journal->running) {
		journal->prune_due_ms = clock_ms();
		pthread_cond_signal(&journal->work);
	}
	pthread_mutex_unlock(&journal->lock);
}

/* The `index`-th target of those that must have an entry, and how far it has everything. */
static bool target_at(struct journal *journal, size_t index, char name[static NAME_ROOM], uint64_t *ret_through)
{
	pthread_mutex_lock(&journal->lock);
	bool there = index < journal->keep.targets.count;
	if (there) {
		snprintf(name, NAME_ROOM, "%s", journal->keep.targets.list[index].name);
		const struct place *place = place_find(&journal->targets, name);
		*ret_through = place ? place->through : 0;
	}
	pthread_mutex_unlock(&journal->lock);
	return there;
}

/* Up to where every target has everything, or refused it. Without a target nobody has anything. The chain's end stays,
 * and so does what the newest seal in the file does not cover: one that is refused needs the next. */
static int delivered(struct journal *journal, uint64_t *ret, struct fault *fault)
{
	char name[NAME_ROOM];
	uint64_t through = 0, has, most = journal->store.chain.seq;
	int row = db_step(journal->store.sealed, fault);
	if (row < 0)
		return row;
	if (row && db_integer(journal->store.sealed, 0) > 0) /* no seal: an older assayd's journal */
		most = (uint64_t)db_integer(journal->store.sealed, 0);
	db_reset(journal->store.sealed);
	for (size_t i = 0; target_at(journal, i, name, &has); i++)
		through = i == 0 || has < through ? has : through;
	*ret = through < most || through == 0 ? through : most - 1;
	return 0;
}

/* The last of the oldest entries that are older than `before_ms`. A clock that was not set says nothing of an entry's
 * age; one that follows and was stamped by a clock that was does: what came before it is older still. */
static int old_enough(struct journal *journal, uint64_t through, int64_t before_ms, uint64_t *ret, struct fault *fault)
{
	struct db_query *times = journal->store.times;
	int64_t now_ms = clock_wall_ms();
	int row;
	*ret = 0;
	db_put_integer(times, 1, (int64_t)through);
	db_put_integer(times, 2, LOOKED_AT_ONCE);
	db_put_integer(times, 3, (int64_t)journal->first_kept);
	for (uint64_t seen = 0; (row = db_step(times, fault)) == 1; seen++) {
		int64_t received_ms = db_integer(times, 1);
		bool believed = received_ms >= PLAUSIBLE_MS && received_ms <= now_ms;
		if (believed && received_ms >= before_ms)
			break;
		if (believed)
			*ret = (uint64_t)db_integer(times, 0);
		if (*ret && seen + 1 >= REMOVED_AT_ONCE)
			break;
	}
	if (row == 1)
		db_reset(times);
	return row < 0 ? row : 0;
}

static bool pressed(const struct journal *journal, bool short_of_space)
{
	uint64_t wanted = journal->pages / 4;
	if (wanted > PAGES_WANTED)
		wanted = PAGES_WANTED;
	if (wanted < 2 * PAGES_ENOUGH)
		wanted = 2 * PAGES_ENOUGH;
	return (short_of_space || journal->full) && journal->free_pages < wanted;
}

/* The last entry to go now; 0: none. */
static int choose(struct journal *journal, bool *ret_pressed, uint64_t *ret, struct fault *fault)
{
	uint64_t through, old = 0, first = journal->first_kept;
	pthread_mutex_lock(&journal->lock);
	int64_t before_ms = journal->keep.before_ms;
	bool short_of_space = journal->keep.short_of_space;
	if (journal->keep.others)
		journal->store.swept = 0;
	journal->keep.others = false;
	pthread_mutex_unlock(&journal->lock);
	*ret = 0;
	int error = delivered(journal, &through, fault);
	if (error || through < first)
		return error;
	*ret_pressed = pressed(journal, short_of_space);
	if (*ret_pressed)
		old = through;
	else if (before_ms > 0)
		error = old_enough(journal, through, before_ms, &old, fault);
	*ret = old >= first + REMOVED_AT_ONCE ? first + REMOVED_AT_ONCE - 1 : old;
	return error;
}

/* --- removing */

int space_figures(struct journal *journal, struct fault *fault)
{
	struct db_query *figures = journal->store.figures;
	int row = db_step(figures, fault);
	if (row < 0)
		return row;
	journal->pages = (uint64_t)db_integer(figures, 0);
	journal->free_pages = (uint64_t)db_integer(figures, 1);
	int64_t first = db_integer(figures, 2);
	journal->first_kept = first > 0 ? (uint64_t)first : 1;
	return db_reset(figures);
}

/* The names of the targets whose refused entries stay, as the queries want them; free() it. */
static char *holders(struct journal *journal)
{
	struct json *names = js_new_array();
	char name[NAME_ROOM];
	uint64_t has;
	for (size_t i = 0; target_at(journal, i, name, &has); i++)
		js_append(names, js_new_text(name));
	char *text = js_dump(names);
	js_free(names);
	return text;
}

struct removed { /* ids to be kept */
	uint8_t id[REMOVED_AT_ONCE][16];
	int64_t seq[REMOVED_AT_ONCE];
	size_t count;
};

static void put_run(struct db_query *query, uint64_t after, uint64_t last, const char *names)
{
	db_put_integer(query, 1, (int64_t)after);
	db_put_integer(query, 2, (int64_t)last);
	db_put_text(query, 3, names);
}

static int look_for_ids(struct db_query *again, struct removed *removed, struct fault *fault)
{
	int row = 0;
	while (removed->count < REMOVED_AT_ONCE && (row = db_step(again, fault)) == 1) {
		const uint8_t *id = db_bytes(again, 0, sizeof(removed->id[0]));
		if (!id)
			continue; /* the file allows no other length */
		memcpy(removed->id[removed->count], id, sizeof(removed->id[0]));
		removed->seq[removed->count++] = db_integer(again, 1);
	}
	return row == 1 ? db_reset(again) : row;
}

/* Removes what is no island of the entries behind `after` up to `last`, at most REMOVED_AT_ONCE, with what was said of
 * them. First that, then their ids are written down: in the room that became free, for a full disk has no other. */
static int remove_run(struct journal *journal, uint64_t after, uint64_t last, struct fault *fault)
{
	struct store *store = &journal->store;
	struct db_query *const steps[] = { store->remove, store->forget_parked, store->forget_seals };
	struct removed removed = { .count = 0 };
	char *names = holders(journal);
	put_run(store->again, after, last, names);
	int error = look_for_ids(store->again, &removed, fault);
	for (size_t i = 0; !error && i < sizeof(steps) / sizeof(steps[0]); i++) {
		put_run(steps[i], after, last, names);
		error = db_step(steps[i], fault);
	}
	for (size_t i = 0; !error && i < removed.count; i++) {
		db_put_bytes(store->know, 1, removed.id[i], sizeof(removed.id[i]));
		db_put_integer(store->know, 2, removed.seq[i]);
		error = db_step(store->know, fault);
	}
	free(names);
	return error;
}

static int remove_through(struct journal *journal, uint64_t last, struct fault *fault)
{
	struct store *store = &journal->store;
	int error = db_step(store->begin, fault);
	if (!error)
		error = store_progress(journal, fault); /* what is removed is delivered on paper too */
	if (!error)
		error = remove_run(journal, journal->first_kept - 1, last, fault);
	db_put_integer(store->pruned, 1, (int64_t)last);
	if (!error)
		error = db_step(store->pruned, fault);
	return error ? error : store_commit(store, fault);
}

/* The last of the next few entries left behind `after`, below the first that is kept; 0: there are none. */
static int next_left(struct journal *journal, uint64_t after, uint64_t *ret, struct fault *fault)
{
	struct db_query *left = journal->store.left;
	int row;
	*ret = 0;
	db_put_integer(left, 1, (int64_t)after);
	db_put_integer(left, 2, (int64_t)journal->first_kept);
	db_put_integer(left, 3, REMOVED_AT_ONCE);
	while ((row = db_step(left, fault)) == 1)
		*ret = (uint64_t)db_integer(left, 0);
	return row;
}

/* Looks through a part of the islands for entries that nobody refuses any more. */
static int sweep(struct journal *journal, long *ret_due_ms, struct fault *fault)
{
	struct store *store = &journal->store;
	uint64_t last, has;
	char name[NAME_ROOM];
	if (!target_at(journal, 0, name,
		    &has)) /* as long as nobody said who the targets are, none is no target any more */
		return 0;
	int error = next_left(journal, store->swept, &last, fault);
	if (error || last == 0) {
		store->swept = UINT64_MAX;
		return error;
	}
	error = db_step(store->begin, fault);
	if (!error)
		error = remove_run(journal, store->swept, last, fault);
	if (!error)
		error = store_commit(store, fault);
	if (error)
		return error;
	store->swept = last;
	*ret_due_ms = clock_ms() + PAUSE_MS;
	return space_figures(journal, fault);
}

/* What can be done without more room on the disk: the log's pages go into the file, and the log begins anew. */
static int make_log_reusable(struct journal *journal, struct fault *fault)
{
	if (!journal->full || db_log_pages(journal->store.db) == 0)
		return 0;
	int error = db_checkpoint(journal->store.db, false, fault);
	return error == -EBUSY || error == -ENOSPC ? 0 : error;
}

int prune_step(struct journal *journal, long *ret_due_ms, struct fault *fault)
{
	uint64_t last = 0;
	bool hurry = false;
	if (journal->full || journal->released)
		space_again(journal);
	*ret_due_ms = clock_ms() + (journal->full ? FULL_MS : IDLE_MS);
	if (!journal->store.db)
		return 0; /* the next append opens it anew */
	int error = make_log_reusable(journal, fault);
	if (!error)
		error = space_figures(journal, fault);
	if (!error)
		error = choose(journal, &hurry, &last, fault);
	if (!error && last == 0 && journal->store.swept < journal->first_kept)
		return sweep(journal, ret_due_ms, fault);
	if (error || last == 0)
		return error;
	error = remove_through(journal, last, fault);
	if (error)
		return error;
	*ret_due_ms = clock_ms() + (hurry ? 0 : PAUSE_MS);
	return space_figures(journal, fault);
}
