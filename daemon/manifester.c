/* Closes the days that are over. An entry belongs to the local day on which it was received; a manifest covers the run
 * of entries up to the first of another day, so that its numbers have no hole whatever the clock did.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "manifest.h"

enum {
	DAY_TEXT = 11,           /* "2026-03-05" */
	AFTER_MIDNIGHT_MS = 2000 /* what was received before midnight is in the journal by then */
};

struct manifester {
	struct journal *journal;
	const struct signature_key *key;
	struct journal_reader *reader;
	uint64_t next;           /* the first entry without a manifest */
	char open_day[DAY_TEXT]; /* its day, "": not looked at */
};

struct day { /* being counted */
	const struct manifester *manifester;
	const _Atomic bool *stop;
	_Atomic unsigned long *beat;
	char day[DAY_TEXT];
	char station[32];
	uint64_t first, last;
	enum digest_kind kind;
	uint8_t hash[DIGEST_SIZE];
	struct digest_run *digest;
	int64_t events;
	struct json *instruments;
	bool over, given_up;
};

static void day_of(char out[static DAY_TEXT], int64_t wall_ms)
{
	char text[CLOCK_TEXT_MAX];
	snprintf(out, DAY_TEXT, "%.10s", clock_text(text, wall_ms));
}

static void count_one(struct json *instrument, const char *what)
{
	js_put_integer(instrument, what, js_get_integer(instrument, what, 0) + 1);
}

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			return false;
	return true;
}

static void count_record(struct day *day, const struct json *entry)
{
	const struct json *about = js_get(entry, "instrument");
	const char *id = js_is_object(about) ? js_get_text(about, "id") : NULL;
	const char *kind = js_get_text(entry, "kind"), *counter = js_get_text(entry, "instrument_seq");
	if (!id || !kind)
		return;
	struct json *instrument = js_get(day->instruments, id);
	if (!instrument) {
		js_put(day->instruments, id, js_new_object());
		instrument = js_get(day->instruments, id);
	}
	count_one(instrument, kind);
	if (!counter || !is_plain(counter))
		return;
	if (!js_get_text(instrument, "counter_first"))
		js_put_text(instrument, "counter_first", counter);
	js_put_text(instrument, "counter_last", counter);
}

static int take_entry(void *context, const struct stored *stored)
{
	struct day *day = context;
	char received[DAY_TEXT], hash[DIGEST_TEXT_MAX];
	++*day->beat;
	if (*day->stop)
		day->given_up = true;
	day_of(received, stored->received_ms);
	if (!*day->day)
		strcpy(day->day, received);
	day->over = strcmp(received, day->day) != 0;
	if (day->over || day->given_up)
		return 1;
	if (!day->first)
		day->first = stored->seq;
	day->last = stored->seq;
	digest_of(day->kind, stored->payload, stored->length, day->hash);
	digest_text(day->kind, day->hash, hash);
	digest_add(day->digest, hash, strlen(hash));
	digest_add(day->digest, "\n", 1);
	struct json *entry = stored->kind == ENTRY_EVENT ? NULL : js_parse(stored->payload, stored->length, NULL);
	if (entry)
		count_record(day, entry);
	else
		day->events++;
	js_free(entry);
	return 0;
}

/* Takes the instruments over. */
static char *document(struct day *day, const uint8_t digest[static DIGEST_SIZE])
{
	char text[DIGEST_TEXT_MAX], at[CLOCK_TEXT_MAX];
	struct json *manifest = js_new_object();
	js_put_integer(manifest, "v", 1);
	js_put_text(manifest, "station", day->station);
	js_put_text(manifest, "epoch", journal_epoch(day->manifester->journal));
	js_put_text(manifest, "day", day->day);
	js_put_integer(manifest, "first", (int64_t)day->first);
	js_put_integer(manifest, "last", (int64_t)day->last);
	js_put_text(manifest, "hash", digest_text(day->kind, day->hash, text));
	js_put_text(manifest, "digest", digest_text(day->kind, digest, text));
	js_put_integer(manifest, "events", day->events);
	js_put(manifest, "instruments", day->instruments);
	js_put_text(manifest, "at", clock_text(at, clock_wall_ms()));
	manifest_sign(manifest, day->manifester->key);
	char *payload = js_dump(manifest);
	js_free(manifest);
	day->instruments = NULL;
	return payload;
}

static int keep(
	struct manifester *manifester, struct day *day, const uint8_t digest[static DIGEST_SIZE], struct fault *fault)
{
	int error = journal_reader_station(manifester->reader, day->last, day->station, fault);
	if (error)
		return error;
	char *payload = document(day, digest);
	error = journal_manifest(manifester->journal, day->last, day->day, payload, fault);
	free(payload);
	if (!error)
		manifester->next = day->last + 1;
	return error;
}

/* Two seconds long two days are open. */
static bool is_open(const char *day)
{
	char today[DAY_TEXT], before[DAY_TEXT];
	int64_t now_ms = clock_wall_ms();
	day_of(today, now_ms);
	day_of(before, now_ms - AFTER_MIDNIGHT_MS);
	return strcmp(day, today) == 0 || strcmp(day, before) == 0;
}

/* The manifest of the run that begins at `next`. 1: made, 0: there was no end to it, or the thread is to stop. */
static int close_day(
	struct manifester *manifester, const _Atomic bool *stop, _Atomic unsigned long *beat, struct fault *fault)
{
	struct day day = { .manifester = manifester, .stop = stop, .beat = beat, .instruments = js_new_object() };
	uint8_t digest[DIGEST_SIZE];
	day.kind = journal_digest(manifester->journal);
	day.digest = digest_begin(day.kind);
	long given = journal_read(manifester->reader, manifester->next, SIZE_MAX, take_entry, &day, fault);
	digest_end(day.digest, digest);
	int error = given < 0 ? (int)given : 0;
	bool made = !error && day.last && !day.given_up && (day.over || !is_open(day.day));
	if (made)
		error = keep(manifester, &day, digest, fault);
	js_free(day.instruments);
	return error ? error : made;
}

static int take_day(void *context, const struct stored *stored)
{
	struct manifester *manifester = context;
	day_of(manifester->open_day, stored->received_ms);
	manifester->next = stored->seq; /* what was removed after its time needs no manifest any more */
	return 1;
}

int manifester_turn(
	struct manifester *manifester, const _Atomic bool *stop, _Atomic unsigned long *beat, struct fault *fault)
{
	while (!*stop && journal_head(manifester->journal) >= manifester->next) {
		if (!*manifester->open_day) {
			uint64_t first, last;
			int error = journal_reader_head(manifester->reader, &first, &last, fault);
			if (error)
				return error;
			if (manifester->next < first) /* what is left before it is no run */
				manifester->next = first;
			long given = journal_read(manifester->reader, manifester->next, 1, take_day, manifester, fault);
			if (given <= 0)
				return (int)given;
		}
		if (is_open(manifester->open_day))
			return 0;
		int made = close_day(manifester, stop, beat, fault);
		if (made <= 0)
			return made;
		manifester->open_day[0] = '\0';
	}
	return 0;
}

static int take_last(void *context, const struct kept_manifest *manifest)
{
	struct manifester *manifester = context;
	manifester->next = manifest->last + 1;
	return 0;
}

int manifester_new(
	struct journal *journal, const struct signature_key *key, struct manifester **ret, struct fault *fault)
{
	struct manifester *manifester = calloc(1, sizeof(*manifester));
	if (!manifester)
		return fault_set(fault, ENOMEM, _("out of memory"));
	manifester->journal = journal;
	manifester->key = key;
	manifester->next = 1;
	int error = journal_reader_open(journal_path(journal), &manifester->reader, fault);
	int row = 1;
	while (!error && row == 1) {
		row = journal_next_manifest(
			manifester->reader, manifester->next - 1, NULL, take_last, manifester, fault);
		if (row < 0)
			error = row;
	}
	if (error) {
		manifester_free(manifester);
		return error;
	}
	*ret = manifester;
	return 0;
}

void manifester_free(struct manifester *manifester)
{
	if (!manifester)
		return;
	journal_reader_close(manifester->reader);
	free(manifester);
}
