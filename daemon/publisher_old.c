/* Entries of journals that were damaged: what was salvaged of them (room_salvage.c) and the target lacks is sent under
 * its old epoch, numbers and bytes, at a bounded rate beside what is new.
 *
 * Each salvaged journal is a file beside the journal. How far a target has it is kept in the journal, under the
 * target's name and the epoch's beginning; what the damaged journal itself said of its targets counts too, where it was
 * readable.
 */
#include <string.h>

#include "clock.h"
#include "publisher_parts.h"

static void old_close(struct publisher *publisher)
{
	journal_reader_close(publisher->old.reader);
	publisher->old.reader = NULL;
}

/* What is sent again goes back behind what the broker took before. */
static uint64_t old_has(struct publisher *publisher)
{
	struct old_journal *old = &publisher->old;
	uint64_t through = publisher->streams[STREAM_OLD].window.through;
	if (through > old->sent)
		old->sent = through;
	return publisher->target->receipts == TARGET_RECEIPTS_REQUIRED && old->covered < old->sent ? old->covered
	                                                                                           : old->sent;
}

/* Of the journal that was just opened. False: the target has all of it, or it cannot be read; then it is closed. */
static bool old_take(struct publisher *publisher)
{
	struct old_journal *old = &publisher->old;
	struct fault fault;
	uint64_t first, has = 0, had = 0;
	journal_place(old->place, publisher->target->name, old->reader);
	if (journal_reader_head(old->reader, &first, &old->last, &fault) != 0 ||
		journal_target(publisher->journal, old->place, &has, &fault) != 0 ||
		journal_reader_target(old->reader, publisher->target->name, &had, &fault) != 0 ||
		proof_prepare_old(publisher, &fault) != 0)
		goto unreadable;
	old->covered = old->reported = old->sent = has > had ? has : had;
	old->waiting_since_ms = old->patience_ms = 0;
	old->scrutiny = (struct scrutiny){ 0 };
	if (old->reported < old->last) {
		stream_begin(&publisher->streams[STREAM_OLD], old->reported, old->last);
		log_notice(_("target %s: entries %llu to %llu of the salvaged journal %.8s are sent now"),
			publisher->target->name, (unsigned long long)old->reported + 1, (unsigned long long)old->last,
			journal_reader_epoch(old->reader, NULL));
		return true;
	}
	if (proof_of_old_is_left(publisher))
		return true;
	old_close(publisher);
	return false;
unreadable:
	log_error(_("target %s: %s"), publisher->target->name, fault.text);
	old_close(publisher);
	return false;
}

void old_open(struct publisher *publisher)
{
	struct old_journal *old = &publisher->old;
	struct fault fault;
	int found;
	while ((found = journal_next_old(journal_path(publisher->journal), &old->taken, &old->reader, &fault)) != 0) {
		if (found < 0)
			log_error(_("target %s: %s"), publisher->target->name, fault.text);
		else if (old_take(publisher))
			return;
	}
}

void old_free(struct publisher *publisher)
{
	old_close(publisher);
	js_free(publisher->old.known);
	publisher->old.known = NULL;
}

static bool is_listed(const struct json *epochs, const char *epoch)
{
	for (size_t i = 0; i < js_count(epochs); i++)
		if (strcmp(js_text_of(js_at(epochs, i)), epoch) == 0)
			return true;
	return false;
}

/* Whether something of that epoch is here. The files are opened again only now and then: whoever invents epochs must
 * not keep us busy with them. */
static bool is_known(struct publisher *publisher, const char *epoch, long now_ms)
{
	struct old_journal *old = &publisher->old;
	if (old->known && (is_listed(old->known, epoch) || now_ms - old->known_ms < KNOWN_FOR_MS))
		return is_listed(old->known, epoch);
	js_free(old->known);
	old->known = js_new_array();
	old->known_ms = now_ms;
	old_epochs(publisher, old->known);
	return is_listed(old->known, epoch);
}

static void replay_over(struct publisher *publisher)
{
	struct old_journal *old = &publisher->old;
	if (!stream_done(&publisher->streams[STREAM_OLD]))
		return;
	old->replay = false;
	old_close(publisher);
}

void old_report(struct publisher *publisher)
{
	struct old_journal *old = &publisher->old;
	if (!old->reader)
		return;
	if (old->replay) {
		replay_over(publisher);
		return;
	}
	uint64_t has = old_has(publisher);
	if (has > old->reported) {
		old->reported = has;
		journal_progress(publisher->journal, old->place, has);
	}
	if (has < old->last || proof_of_old_is_left(publisher))
		return;
	log_notice(_("target %s: it has all that was salvaged of the journal %.8s"), publisher->target->name,
		journal_reader_epoch(old->reader, NULL));
	old_close(publisher);
	stream_begin(&publisher->streams[STREAM_OLD], old->last, 0);
	old_open(publisher);
}

/* For a journal that is not at hand: what it names is sent again when that one, or a replay, is done with. */
static void note_missing(struct old_journal *old, const struct platform_receipt *receipt, long now_ms)
{
	bool pause = strcmp(old->missing.epoch, receipt->epoch) == 0 && old->missing_since_ms &&
	             now_ms - old->missing_since_ms <= MISSING_PAUSE_MS;
	if (receipt->missing_count == 0 || pause || old->missing_at < old->missing.missing_count)
		return;
	if (strcmp(old->missing.epoch, receipt->epoch) != 0)
		old->missing_cleared = (struct platform_range){ 0 };
	old->missing = *receipt;
	old->missing_at = 0;
	old->missing_since_ms = now_ms;
}

bool old_receipt(struct publisher *publisher, const struct platform_receipt *receipt)
{
	struct old_journal *old = &publisher->old;
	long now_ms = clock_ms();
	if (old->reader && !old->replay && strcmp(receipt->epoch, journal_reader_epoch(old->reader, NULL)) == 0) {
		old->scrutiny.named = *receipt;
		old->scrutiny.at = 0;
		old->scrutiny.due = true;
		return true;
	}
	if (!is_known(publisher, receipt->epoch, now_ms))
		return false;
	note_missing(old, receipt, now_ms);
	return true;
}

/* What the platform lacks and we cannot send counts as covered: it could not be salvaged, or was refused. */
static void look_through(struct publisher *publisher)
{
	struct old_journal *old = &publisher->old;
	struct stream *stream = &publisher->streams[STREAM_OLD];
	if (!old->scrutiny.due)
		return;
	uint64_t covered = platform_look(publisher, &old->scrutiny, old->reader, old->place, 0);
	if (covered > old->covered) {
		old->covered = covered < old->last ? covered : old->last;
		old->waiting_since_ms = old->patience_ms = 0;
		complaint_over(&old->uncovered);
	}
	if (!old->scrutiny.due && covered < old->scrutiny.named.through && stream_done(stream)) /* a gap to fill */
		stream_begin(stream, covered, old->last);
}

/* What no receipt covers is sent again, a part at a time and with growing pauses, as of the present journal. */
static void watch_covered(struct publisher *publisher, long now_ms)
{
	struct old_journal *old = &publisher->old;
	struct stream *stream = &publisher->streams[STREAM_OLD];
	platform_pass_over(publisher, &old->scrutiny, old->reader, old->place, &old->covered, old->sent);
	if (!stream_done(stream) || old->covered >= old->last) {
		old->waiting_since_ms = 0;
		return;
	}
	if (old->patience_ms == 0)
		old->patience_ms = RECEIPT_PATIENCE_MS;
	if (old->waiting_since_ms == 0)
		old->waiting_since_ms = now_ms;
	if (now_ms - old->waiting_since_ms < old->patience_ms)
		return;
	uint64_t left = old->last - old->covered;
	stream_begin(stream, old->covered, old->covered + (left > RECEIPT_RESEND ? RECEIPT_RESEND : left));
	old->waiting_since_ms = now_ms;
	old->patience_ms *= old->patience_ms < RECEIPT_LONGEST_MS ? 2 : 1;
	if (complaint_due(&old->uncovered))
		log_warning(
			_("target %s: the platform gave no receipt for entries %llu to %llu of the salvaged journal "
			  "%.8s; sending again"),
			publisher->target->name, (unsigned long long)old->covered + 1, (unsigned long long)old->last,
			journal_reader_epoch(old->reader, NULL));
}

/* The next range that a receipt named as missing of a journal that was settled. */
static void fill_settled(struct publisher *publisher)
{
	struct old_journal *old = &publisher->old;
	struct journal_reader *reader = old_reader(publisher, old->missing.epoch);
	struct platform_range *range = &old->missing.missing[old->missing_at];
	uint64_t first, last = 0;
	if (!reader || journal_reader_head(reader, &first, &last, NULL) != 0) {
		old->missing.missing_count = 0; /* of a journal of which nothing can be sent again */
		journal_reader_close(reader);
		return;
	}
	if (range->last > last)
		range->last = last;
	journal_place(old->place, publisher->target->name, reader);
	enum lacking found = refusal_lacking(publisher, reader, old->place, &old->missing_cleared, range);
	if (found != LACKING_UNKNOWN)
		old->missing_at++;
	if (found != LACKING_FOUND || !old_replay(publisher, reader, range->first, range->last))
		journal_reader_close(reader);
}

void old_watch_receipts(struct publisher *publisher, long now_ms)
{
	struct old_journal *old = &publisher->old;
	if (!old->reader) {
		if (old->missing_at < old->missing.missing_count && publisher->looks_left > 0)
			fill_settled(publisher);
	} else if (!old->replay) {
		look_through(publisher);
		if (publisher->target->receipts == TARGET_RECEIPTS_REQUIRED && !old->scrutiny.due)
			watch_covered(publisher, now_ms);
	}
}

/* ---- sending a part of one again ---- */

struct journal_reader *old_next(const struct publisher *publisher, size_t *at)
{
	struct journal_reader *reader;
	int found;
	while ((found = journal_next_old(journal_path(publisher->journal), at, &reader, NULL)) < 0)
		continue;
	return found ? reader : NULL;
}

/* The epoch is looked for in the files, not their name made of what the platform said. */
struct journal_reader *old_reader(const struct publisher *publisher, const char *epoch)
{
	struct journal_reader *reader;
	for (size_t at = 0; (reader = old_next(publisher, &at)); journal_reader_close(reader))
		if (strcmp(journal_reader_epoch(reader, NULL), epoch) == 0)
			break;
	return reader;
}

void old_epochs(const struct publisher *publisher, struct json *list)
{
	struct journal_reader *reader;
	for (size_t at = 0; (reader = old_next(publisher, &at)); journal_reader_close(reader))
		js_append(list, js_new_text(journal_reader_epoch(reader, NULL)));
}

void old_manifests(const struct publisher *publisher, const char *day, struct json *list, size_t most)
{
	struct journal_reader *reader;
	for (size_t at = 0; (reader = old_next(publisher, &at)); journal_reader_close(reader))
		platform_manifests(reader, day, list, most, NULL);
}

bool old_replay(struct publisher *publisher, struct journal_reader *reader, uint64_t first, uint64_t last)
{
	struct old_journal *old = &publisher->old;
	if (old->reader)
		return false;
	old->reader = reader;
	old->replay = true;
	old->last = last;
	old->seals.token = old->manifests.token = 0;
	stream_begin(&publisher->streams[STREAM_OLD], first - 1, last);
	return true;
}
