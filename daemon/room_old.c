/* Journals that were salvaged now, put beside ours by hand, or restored from a backup: what of each still matters is
 * taken over once by each epoch; a file NAME.known says by which it was last. What one took over is not salvaged with
 * it: when it is damaged in its turn the next takes all of them over anew.
 *
 * - results: an instrument that still holds one must not give a second record, also of those that were removed after
 * their time
 * - samples: what was registered is still known by its number; what it was bound to is not: whether its results came
 * the damaged file no longer tells for sure, and a wrong sample is worse than none. Of two journals the dates of their
 * entries tell which was later. Where the clock was never set in one nothing does: it goes behind what is dated
 * - controls: samples of the same day or series were measured under them
 * - deliveries: are not taken over. What a target had of the file that was there before does not tell what it has of
 * this one: entries that were lost then may be in it. All is sent once more that the damaged journal did not deliver
 * - refusals: stay listed, under TARGET/EPOCH, those of journals that were salvaged before as well. What was sent since
 * may be listed and sent once more, under the same id: left out, a test might never come
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "record_read.h"
#include "room_parts.h"

enum { IDS_AT_ONCE = 256, PATH_ROOM = CONFIG_PATH_MAX + 128, UUID_VERSION_AT = 14 };

/* From here on no time can be written. Nothing proves when an entry was stored: a damaged page may say anything. */
#define YEAR_10000_MS (253402300800 * INT64_C(1000))

struct dated { /* an entry that was stored while the clock was set; where there is none `ms` is 0 */
	uint64_t seq;
	int64_t ms;
};

struct old {
	struct room *room;
	struct journal_reader *reader, *again; /* two: the second looks things up while the first reads on */
	char ids[IDS_AT_ONCE][ENTRY_ID_MAX];
	size_t count;
	uint64_t last;
	struct dated before, next; /* the last that is, and the first from the registration looked at last on */
	struct series *series;     /* the controls of each instrument and item */
	size_t series_count;
	int error;
	struct fault *fault;
};

static bool may_be_read_again(const struct stored *entry)
{
	return entry->id[UUID_VERSION_AT] == '8'; /* others cannot be: ident.h */
}

/* --- samples */

static bool is_dated(const struct stored *entry)
{
	return clock_possible(entry->received_ms) && entry->received_ms < YEAR_10000_MS;
}

static int look_at(void *context, const struct stored *entry)
{
	struct dated *next = context;
	*next = (struct dated){ entry->seq, is_dated(entry) ? entry->received_ms : 0 };
	return next->ms != 0;
}

/* Each entry is looked at once: for what lies before `next` it is known already. */
static void find_next(struct old *old, uint64_t from)
{
	long given = IDS_AT_ONCE;
	for (old->next.ms = 0; given == IDS_AT_ONCE && !old->next.ms; from = old->next.seq + 1) {
		given = journal_read(old->again, from, IDS_AT_ONCE, look_at, &old->next, old->fault);
		room_starting();
	}
	if (given < 0)
		old->error = (int)given;
}

/* A thousandth for each entry keeps their order, in whatever order and however often journals are taken over. */
static int64_t apart(uint64_t first, uint64_t last)
{
	return last - first < INT32_MAX ? (int64_t)(last - first) : INT32_MAX;
}

/* When it was registered. What was while the clock stood at 1970 was before the next entry of its journal that is
 * dated; behind the last that is, later than that one; where none is, all that is known is the order. */
static int64_t time_of(struct old *old, const struct stored *entry, int64_t at_ms)
{
	if (clock_possible(at_ms)) /* and was stored a moment later: not before what is dated by an entry before it */
		return at_ms < old->next.ms && old->next.ms <= entry->received_ms ? old->next.ms : at_ms;
	if (old->next.seq < entry->seq)
		find_next(old, entry->seq);
	return old->next.ms ? old->next.ms - apart(entry->seq, old->next.seq)
	                    : old->before.ms + apart(old->before.seq, entry->seq);
}

static void take_registration(struct old *old, const struct stored *entry, const struct json *event)
{
	struct sample_changes changes = { 0 };
	struct entry told = { .kind = ENTRY_EVENT }; /* it stands in the old journal */
	const struct json *facts = js_get(event, "sample");
	const char *by = js_get_text(event, "by");
	struct sample_change *change = samples_change(&changes, SAMPLE_REGISTER, &told, entry->id);
	if (js_is_object(facts))
		facts_get(facts, &change->facts);
	snprintf(change->by, sizeof(change->by), "%s", by ? by : "");
	int64_t at_ms = record_time(js_text_in(event, "at"));
	change->at_ms = time_of(old, entry, at_ms);
	change->old = true;
	change->inferred = change->at_ms != at_ms && !may_be_read_again(entry); /* no other journal holds it */
	if (*change->facts.no && !old->error)
		old->error = samples_append(old->room->samples, NULL, 0, NULL, NULL, &changes, old->fault);
	sample_changes_free(&changes);
}

static void take_event(struct old *old, const struct stored *entry)
{
	struct json *event = js_parse(entry->payload, entry->length, NULL);
	const char *name = js_is_object(event) ? js_get_text(event, "event") : NULL;
	if (name && strcmp(name, "sample_registered") == 0)
		take_registration(old, entry, event);
	js_free(event);
}

/* --- controls */

static struct series *series_of(struct old *old, const struct json *record)
{
	const char *instrument = js_text_in(js_get(record, "instrument"), "id"), *item = record_test(record).item;
	for (size_t i = 0; i < old->series_count; i++)
		if (strcmp(old->series[i].instrument, instrument) == 0 && strcmp(old->series[i].item, item) == 0)
			return &old->series[i];
	struct series *list = realloc(old->series, (old->series_count + 1) * sizeof(*list));
	if (!list)
		abort();
	old->series = list;
	struct series *place = &list[old->series_count];
	if (!*item || (old->error = quality_find(old->room->quality, instrument, item, place, old->fault)) < 0)
		return NULL;
	old->series_count++;
	return place;
}

static void take_control(struct old *old, const struct stored *entry)
{
	struct json *record = js_parse(entry->payload, entry->length, NULL);
	struct measured_control control;
	struct series *series = NULL;
	if (js_is_object(record) && record_control(record, &control))
		series = series_of(old, record);
	if (series)
		series_add(series, &control);
	js_free(record);
}

static int write_series(void *context, struct db *db, struct fault *fault)
{
	const struct old *old = context;
	int error = 0;
	for (size_t i = 0; i < old->series_count && !error; i++)
		error = quality_write(&old->series[i], db, fault);
	return error;
}

static int keep_controls(struct old *old)
{
	int error = 0;
	if (old->series_count)
		error = journal_append_with(old->room->journal, NULL, 0, NULL, NULL, write_series, old, old->fault);
	quality_refresh(old->room->quality);
	free(old->series);
	return error < 0 ? error : 0;
}

/* --- all of one journal */

static int take_entry(void *context, const struct stored *entry)
{
	struct old *old = context;
	old->last = entry->seq;
	if (entry->kind == ENTRY_EVENT)
		take_event(old, entry);
	if (entry->kind == ENTRY_QC)
		take_control(old, entry);
	if (is_dated(entry))
		old->before = (struct dated){ entry->seq, entry->received_ms };
	if (entry->kind != ENTRY_EVENT && may_be_read_again(entry))
		memcpy(old->ids[old->count++], entry->id, ENTRY_ID_MAX);
	return old->error != 0;
}

static int take_entries(struct old *old)
{
	long given;
	while ((given = journal_read(old->reader, old->last + 1, IDS_AT_ONCE, take_entry, old, old->fault)) > 0 &&
		!old->error) {
		old->error = journal_know(old->room->journal, old->ids, old->count, old->fault);
		old->count = 0;
		room_starting();
	}
	return given < 0 ? (int)given : old->error;
}

static int take_known(struct old *old)
{
	char after[ENTRY_ID_MAX] = "";
	long count;
	while ((count = journal_known(old->reader, after, old->ids, IDS_AT_ONCE, old->fault)) > 0) {
		memcpy(after, old->ids[count - 1], sizeof(after));
		int error = journal_know(old->room->journal, old->ids, (size_t)count, old->fault);
		if (error)
			return error;
		room_starting();
	}
	return (int)count;
}

static int take_refusal(void *context, const struct parked *parked)
{
	struct old *old = context;
	char place[JOURNAL_PLACE_MAX];
	if (strchr(parked->target, '/'))
		snprintf(place, sizeof(place), "%s", parked->target); /* of a journal that was old by then */
	else
		journal_place(place, parked->target, old->reader);
	old->error = journal_park(old->room->journal, place, parked->seq, parked->reason, NULL, old->fault);
	return old->error != 0;
}

static int take_over(struct old *old, const char *path)
{
	int error = journal_reader_open(path, &old->reader, old->fault);
	if (!error)
		error = journal_reader_open(path, &old->again, old->fault);
	if (!error)
		error = take_entries(old);
	if (!error)
		error = take_known(old);
	int kept = keep_controls(old);
	error = error ? error : kept;
	if (!error && journal_parked(old->again, NULL, 1, UINT64_MAX, take_refusal, old, old->fault) < 0)
		error = -EIO;
	if (!error && !old->error)
		error = journal_old_changed(old->room->journal, old->reader, old->fault);
	journal_reader_close(old->reader);
	journal_reader_close(old->again);
	return error ? error : old->error;
}

/* The epoch that took it over last; "" when none did, or one of before such files said it. */
static void read_mark(const char *path, char epoch[static ENTRY_ID_MAX])
{
	FILE *file = fopen(path, "re");
	if (!file || !fgets(epoch, ENTRY_ID_MAX, file))
		*epoch = '\0';
	if (file)
		fclose(file);
}

/* Where it cannot be written all is taken over, and sent, once more: that changes nothing. */
static void write_mark(const char *path, const char *epoch)
{
	char fresh[PATH_ROOM + 8];
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	FILE *file = fopen(fresh, "we");
	if (!file)
		return;
	bool whole = fputs(epoch, file) >= 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
	if (fclose(file) != 0 || !whole || rename(fresh, path) != 0)
		unlink(fresh);
}

/* What it was written under: instruments may still hold tests of then. At each start, for our journal does not say it.
 */
static void note_codes(struct room *room, const char *path)
{
	struct journal_reader *reader;
	struct fault fault;
	if (journal_reader_open(path, &reader, &fault) < 0)
		return; /* take_over() said why, when it was met first */
	if (journal_note_former(room->journal, reader, &fault) < 0)
		log_error("%s", fault.text);
	journal_reader_close(reader);
}

static void know(struct room *room, const char *path)
{
	char mark[PATH_ROOM], epoch[ENTRY_ID_MAX];
	struct fault fault;
	note_codes(room, path);
	snprintf(mark, sizeof(mark), "%s.known", path);
	read_mark(mark, epoch);
	if (strcmp(epoch, journal_epoch(room->journal)) == 0)
		return;
	struct old *old = calloc(1, sizeof(*old));
	if (!old)
		abort();
	old->room = room;
	old->fault = &fault;
	if (take_over(old, path) != 0)
		log_error("%s", fault.text);
	else
		write_mark(mark, journal_epoch(room->journal));
	free(old);
}

void room_know_old(struct room *room)
{
	char pattern[PATH_ROOM];
	glob_t found = { 0 };
	snprintf(pattern, sizeof(pattern), "%s/salvaged-*.db", room->config->journal.directory);
	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		know(room, found.gl_pathv[i]);
	globfree(&found);
}
