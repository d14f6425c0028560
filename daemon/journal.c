#include "journal_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"

enum { CHECKED_AT_START = 1024, BODY_MAX = 1 << 20, NAME_MAX_BYTES = 63 };

static int check_options(const struct journal_options *options, struct fault *fault)
{
	if (strlen(options->directory) > PATH_ROOM - 80)
		return fault_set(fault, ENAMETOOLONG, _("%s: the path is too long; at most %d bytes"),
			options->directory, PATH_ROOM - 80);
	size_t length = strlen(options->station);
	if (length == 0 || length >= STATION_MAX || strcspn(options->station, "\"\\") != length)
		return fault_set(fault, EINVAL, _("\"%s\" is no station code"), options->station);
	return 0;
}

static int check_end(struct journal *journal, struct fault *fault)
{
	uint64_t last = journal->store.chain.seq;
	if (last == 0)
		return 0;
	struct journal_reader *reader;
	int error = journal_reader_open(journal->path, &reader, fault);
	if (error)
		return error;
	uint64_t from = last > CHECKED_AT_START ? last - CHECKED_AT_START + 1 : 1, bad;
	error = journal_check_chain(reader, from, last, &bad, fault);
	journal_reader_close(reader);
	return error;
}

static int open_sound(struct journal *journal, struct fault *fault)
{
	int error = files_suspect(journal->path, fault);
	if (!error)
		error = log_suspect(journal->path, fault);
	if (!error)
		error = store_open(journal, fault);
	if (!error) {
		error = check_end(journal, fault);
		if (!error)
			error = seals_load(journal, fault);
		if (error)
			store_close(&journal->store, false);
	}
	return error;
}

static int open_or_begin(struct journal *journal, char **ret_setaside, struct fault *fault)
{
	int error = open_sound(journal, fault);
	if (error != -EUCLEAN)
		return error;
	error = files_set_aside(journal->path, FILE_FIRST, ret_setaside, fault);
	if (error)
		return error;
	journal->epoch[0] = '\0';
	places_free(&journal->instruments); /* what the damaged file said of them is not to be believed */
	places_free(&journal->targets);
	return open_sound(journal, fault);
}

static int start_writer(struct journal *journal, struct fault *fault)
{
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&journal->work, &monotonic);
	pthread_condattr_destroy(&monotonic);
	int error = pthread_create(&journal->thread, NULL, writer_run, journal);
	if (error)
		return fault_set(fault, error, _("no thread for the journal (%s)"), strerror(error));
	journal->running = true;
	return 0;
}

int journal_open(const struct journal_options *options, struct journal **ret, char **ret_setaside, struct fault *fault)
{
	int error = check_options(options, fault);
	if (error)
		return error;
	struct journal *journal = calloc(1, sizeof(*journal));
	if (!journal)
		return fault_set(fault, ENOMEM, _("no memory left for the journal"));
	char *setaside = NULL;
	snprintf(journal->path, sizeof(journal->path), "%s/journal.db", options->directory);
	snprintf(journal->station, sizeof(journal->station), "%s", options->station);
	snprintf(journal->reserve, sizeof(journal->reserve), "%s/reserve", options->directory);
	journal->reserve_bytes = options->reserve_bytes;
	journal->unsafe_sync = options->unsafe_sync;
	journal->new_digest = options->digest;
	journal->lock_fd = -1;
	journal->last = &journal->first;
	pthread_mutex_init(&journal->lock, NULL);

	error = files_directory(options->directory, fault);
	if (!error)
		error = files_lock(options->directory, &journal->lock_fd, fault);
	if (!error)
		error = open_or_begin(journal, &setaside, fault);
	if (error == -ENOSPC && reserve_size(journal->reserve)) {
		space_full(journal);
		error = open_or_begin(journal, &setaside, fault);
	}
	if (!error)
		error = schema_former(journal->store.db, journal->station, &journal->former, fault);
	if (!error) {
		if (!journal->full)
			space_open(journal);
		files_identity(journal->path, journal->epoch, journal->station);
		atomic_store(&journal->head, journal->store.chain.seq);
		error = start_writer(journal, fault);
	}
	if (error) {
		journal_close(journal);
		free(setaside);
		return error;
	}
	if (ret_setaside)
		*ret_setaside = setaside;
	else
		free(setaside);
	*ret = journal;
	return 0;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	if (journal->running) {
		pthread_mutex_lock(&journal->lock);
		journal->stopping = true;
		pthread_cond_signal(&journal->work);
		pthread_mutex_unlock(&journal->lock);
		pthread_join(journal->thread, NULL);
		pthread_cond_destroy(&journal->work);
	}
	store_close(&journal->store, !journal->doubtful);
	places_free(&journal->instruments);
	places_free(&journal->targets);
	places_free(&journal->keep.targets);
	pthread_mutex_destroy(&journal->lock);
	if (journal->lock_fd >= 0)
		close(journal->lock_fd);
	free(journal);
}

static int check_entry(const struct entry *entry, struct fault *fault)
{
	uint8_t id[UUID_SIZE];
	if (!uuid_parse(entry->id, id))
		return fault_set(fault, EINVAL, _("entry id \"%s\" is not a UUID in lower case"), entry->id);
	for (size_t i = 0; i < OTHER_IDS_MAX && *entry->other_ids[i]; i++)
		if (!uuid_parse(entry->other_ids[i], id))
			return fault_set(
				fault, EINVAL, _("entry id \"%s\" is not a UUID in lower case"), entry->other_ids[i]);
	size_t length = strlen(entry->body);
	if (length < 2 || entry->body[0] != '"' || entry->body[length - 1] != '}')
		return fault_set(
			fault, EINVAL, _("entry %s: its body is not from a first key to a closing brace"), entry->id);
	if (length > BODY_MAX)
		return fault_set(fault, EMSGSIZE, _("entry %s: %zu bytes are more than the %d an entry may have"),
			entry->id, length, (int)BODY_MAX);
	return 0;
}

int journal_append(struct journal *journal, struct entry *entries, size_t count, const char *instrument,
	const char *cursor, struct fault *fault)
{
	return journal_append_with(journal, entries, count, instrument, cursor, NULL, NULL, fault);
}

int journal_append_with(struct journal *journal, struct entry *entries, size_t count, const char *instrument,
	const char *cursor, journal_beside *beside, void *context, struct fault *fault)
{
	for (size_t i = 0; i < count; i++) {
		int error = check_entry(&entries[i], fault);
		if (error)
			return error;
	}
	if (instrument && cursor && (strlen(instrument) > NAME_MAX_BYTES || strlen(cursor) >= CURSOR_MAX))
		return fault_set(fault, EMSGSIZE, _("%s: the cursor \"%s\" is too long"), instrument, cursor);
	struct caller caller = {
		.entries = entries,
		.count = count,
		.instrument = instrument,
		.cursor = cursor,
		.beside = beside,
		.context = context,
	};
	return writer_ask(journal, &caller, fault);
}

int journal_park(struct journal *journal, const char *target, uint64_t seq, const char *reason, struct entry *event,
	struct fault *fault)
{
	struct caller caller = {
		.entries = event, .count = event != NULL, .target = target, .seq = seq, .reason = reason
	};
	int error = event ? check_entry(event, fault) : 0;
	return error ? error : writer_ask(journal, &caller, fault);
}

int journal_unpark(struct journal *journal, const char *target, uint64_t seq, struct fault *fault)
{
	struct caller caller = { .target = target, .seq = seq };
	return writer_ask(journal, &caller, fault);
}

int journal_know(struct journal *journal, const char (*ids)[ENTRY_ID_MAX], size_t count, struct fault *fault)
{
	struct caller caller = { .ids = ids, .id_count = count };
	return writer_ask(journal, &caller, fault);
}

int journal_cursor(struct journal *journal, const char *instrument, char out[static CURSOR_MAX], struct fault *fault)
{
	(void)fault; /* every cursor was read at open */
	pthread_mutex_lock(&journal->lock);
	const struct place *place = place_find(&journal->instruments, instrument);
	snprintf(out, CURSOR_MAX, "%s", place ? place->cursor : "");
	pthread_mutex_unlock(&journal->lock);
	return 0;
}

int journal_target(struct journal *journal, const char *target, uint64_t *ret_through, struct fault *fault)
{
	if (strlen(target) > NAME_MAX_BYTES)
		return fault_set(
			fault, EMSGSIZE, _("target name \"%s\" is longer than %d bytes"), target, NAME_MAX_BYTES);
	pthread_mutex_lock(&journal->lock);
	*ret_through = place_add(&journal->targets, target)->through;
	pthread_mutex_unlock(&journal->lock);
	return 0;
}

static bool is_noted(const struct former_codes *former, const char *code)
{
	for (size_t i = 0; i < former->count; i++)
		if (strcmp(former->list[i], code) == 0)
			return true;
	return false;
}

int journal_note_former(struct journal *journal, struct journal_reader *reader, struct fault *fault)
{
	struct former_codes *former = &journal->former, older;
	int error = journal_reader_former(reader, journal->station, &older, fault);
	for (size_t i = 0; !error && i < older.count && former->count < FORMER_MAX; i++)
		if (!is_noted(former, older.list[i]))
			memcpy(former->list[former->count++], older.list[i], STATION_MAX);
	return error;
}

const struct former_codes *journal_former(const struct journal *journal)
{
	return &journal->former;
}

const char *journal_epoch(const struct journal *journal)
{
	return journal->epoch;
}

uint64_t journal_head(const struct journal *journal)
{
	return atomic_load(&journal->head);
}

const char *journal_path(const struct journal *journal)
{
	return journal->path;
}

unsigned long journal_failures(struct journal *journal, struct fault *ret_last)
{
	pthread_mutex_lock(&journal->lock);
	unsigned long count = journal->failures;
	*ret_last = journal->failure;
	pthread_mutex_unlock(&journal->lock);
	return count;
}

void journal_condemn(struct journal *journal)
{
	journal->damaged = true;
	files_mark_damaged(journal->path);
}

bool journal_is_damaged(const struct journal *journal)
{
	return journal->damaged;
}

int journal_watch(struct journal *journal, int event_fd)
{
	int error = 0;
	pthread_mutex_lock(&journal->lock);
	if (journal->watcher_count == WATCHERS_MAX)
		error = -ENOSPC;
	else
		journal->watchers[journal->watcher_count++] = event_fd;
	pthread_mutex_unlock(&journal->lock);
	return error;
}

void journal_unwatch(struct journal *journal, int event_fd)
{
	pthread_mutex_lock(&journal->lock);
	for (size_t i = 0; i < journal->watcher_count; i++)
		if (journal->watchers[i] == event_fd) {
			journal->watchers[i] = journal->watchers[--journal->watcher_count];
			break;
		}
	pthread_mutex_unlock(&journal->lock);
}
