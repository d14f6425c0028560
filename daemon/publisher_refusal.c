/* Entries the broker does not take: they are written down and set aside, so that the rest goes on. And which entry
 * makes the broker end the link.
 *
 * MQTT lets a broker refuse an entry in its acknowledgement; some end the connection instead, each time they are sent
 * it, and everything behind it would wait for ever. So when several links in a row were lost over entries none of which
 * was acknowledged, entries go one at a time: then it shows with which one the link is lost, and after some losses with
 * the very same it is set aside.
 *
 * A network that comes and goes must not cost a healthy entry its place. A loss therefore counts only when it follows
 * the sending closely and nobody gave another reason for it; and one by one, an entry is only sent when the broker has
 * acknowledged the status, which is the first on every link: the network carries, both ways.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "event.h"
#include "publisher_parts.h"

#define SOON_MS     3000 /* after sending: later losses have other reasons */
#define LINKS_LOST  3    /* in a row, before entries are sent one by one */
#define LOSSES_EACH 3    /* with the same entry alone in flight, before it is set aside */

static int take_id(void *context, const struct stored *stored)
{
	if (stored->kind != ENTRY_EVENT)
		memcpy(context, stored->id, ENTRY_ID_MAX);
	return 0;
}

static int stop_at_first(void *context, const struct parked *parked)
{
	*(uint64_t *)context = parked->seq;
	return 1;
}

/* The first of the entries `from`..`to` that this target refused, of the journal with this place; 0: none. */
static uint64_t first_parked(struct publisher *publisher, const char *place, uint64_t from, uint64_t to)
{
	uint64_t seq = 0;
	struct fault fault;
	if (journal_parked(publisher->reader, place, from, to, stop_at_first, &seq, &fault) < 0 &&
		complaint_due(&publisher->unread))
		log_error(_("target %s: %s"), publisher->target->name, fault.text);
	return seq;
}

#define REFUSED_AT_ONCE 256 /* looked up */

struct search {
	struct publisher *publisher;
	const char *place;
	uint64_t last;
	uint64_t refused[REFUSED_AT_ONCE]; /* the next ones, in order */
	size_t refused_count, refused_at;
	uint64_t lacking; /* the first that the platform should have; 0: none */
	uint64_t count;   /* of those, where all are counted */
	uint64_t seen;    /* the last that was looked at */
};

static int keep_refused(void *context, const struct parked *parked)
{
	struct search *search = context;
	search->refused[search->refused_count++] = parked->seq;
	return search->refused_count == REFUSED_AT_ONCE;
}

static void look_up_refused(struct search *search, uint64_t from)
{
	struct publisher *publisher = search->publisher;
	struct fault fault;
	search->refused_count = search->refused_at = 0;
	if (journal_parked(publisher->reader, search->place, from, search->last, keep_refused, search, &fault) < 0 &&
		complaint_due(&publisher->unread))
		log_error(_("target %s: %s"), publisher->target->name, fault.text);
}

static bool was_refused(struct search *search, uint64_t seq)
{
	while (search->refused_at < search->refused_count && search->refused[search->refused_at] < seq)
		search->refused_at++;
	if (search->refused_at == REFUSED_AT_ONCE)
		look_up_refused(search, seq);
	return search->refused_at < search->refused_count && search->refused[search->refused_at] == seq;
}

static bool is_for_platform(struct search *search, const struct stored *stored)
{
	return !was_refused(search, stored->seq) && filter_passes(&search->publisher->target->filter, stored);
}

static int look_for_lacking(void *context, const struct stored *stored)
{
	struct search *search = context;
	search->seen = stored->seq;
	if (stored->seq > search->last)
		return 1;
	if (!is_for_platform(search, stored))
		return 0;
	search->lacking = stored->seq;
	return 1;
}

static int count_lacking(void *context, const struct stored *stored)
{
	struct search *search = context;
	if (stored->seq > search->last)
		return 1;
	search->count += is_for_platform(search, stored);
	return 0;
}

/* Up to which entry none was found. */
static uint64_t cleared_to(const struct search *search, bool more)
{
	if (search->lacking)
		return search->lacking - 1;
	return more && search->seen < search->last ? search->seen : search->last;
}

enum lacking refusal_lacking(struct publisher *publisher, struct journal_reader *reader, const char *place,
	struct platform_range *cleared, struct platform_range *range)
{
	if (range->first >= cleared->first && range->first <= cleared->last)
		range->first = cleared->last + 1;
	if (range->first > range->last)
		return LACKING_NONE;
	size_t limit = publisher->looks_left;
	if (limit == 0)
		return LACKING_UNKNOWN;
	struct search search = { .publisher = publisher, .place = place, .last = range->last };
	look_up_refused(&search, range->first);
	long looked = journal_read(reader, range->first, limit, look_for_lacking, &search, NULL);
	if (looked < 0)
		return LACKING_FOUND; /* what cannot be looked up is not covered */
	publisher->looks_left -= (size_t)looked;
	uint64_t first = range->first;
	range->first = cleared_to(&search, (size_t)looked == limit) + 1;
	if (first < cleared->first || first > cleared->last + 1)
		cleared->first = first;
	cleared->last = range->first - 1;
	if (search.lacking)
		return LACKING_FOUND;
	return range->first > range->last ? LACKING_NONE : LACKING_UNKNOWN;
}

uint64_t refusal_count(struct publisher *publisher, const struct platform_range *range)
{
	struct search search = { .publisher = publisher, .place = publisher->target->name, .last = range->last };
	look_up_refused(&search, range->first);
	journal_read(publisher->reader, range->first, range->last - range->first + 1, count_lacking, &search, NULL);
	return search.count;
}

static const char *place_of(const struct publisher *publisher, const struct stream *stream)
{
	if (stream == &publisher->streams[STREAM_OLD])
		return publisher->old.place;
	return stream == &publisher->streams[STREAM_REPLAY] ? publisher->retry.place : publisher->target->name;
}

static struct journal_reader *journal_of(const struct publisher *publisher, const struct stream *stream)
{
	if (stream == &publisher->streams[STREAM_OLD])
		return publisher->old.reader;
	bool retried = stream == &publisher->streams[STREAM_REPLAY] && publisher->retry.reader;
	return retried ? publisher->retry.reader : publisher->reader;
}

/* Other targets take what this one does not: the county learns that a record did not reach it. Of an event nobody is
 * told by another one, which would be refused in its turn; nor is anybody told twice. */
static bool make_event(
	struct publisher *publisher, const struct stream *stream, uint64_t seq, const char *reason, struct entry *ret)
{
	char id[ENTRY_ID_MAX] = "";
	struct journal_reader *reader = journal_of(publisher, stream);
	if (first_parked(publisher, place_of(publisher, stream), seq, seq) == seq ||
		journal_read(reader, seq, 1, take_id, id, NULL) < 0 || !*id)
		return false;
	struct json *details = js_new_object();
	js_put_text(details, "target", publisher->target->name);
	js_put_text(details, "entry", id);
	js_put_integer(details, "entry_seq", (int64_t)seq);
	if (reader != publisher->reader)
		js_put_text(details, "entry_epoch", journal_reader_epoch(reader, NULL));
	js_put_text(details, "reason", reason);
	*ret = event_make("entry_refused", "", details, clock_wall_ms());
	return true;
}

bool refusal_park(struct publisher *publisher, const struct stream *stream, uint64_t seq, const char *reason)
{
	struct fault fault;
	struct entry event = { 0 };
	const char *name = publisher->target->name, *place = place_of(publisher, stream);
	bool told = make_event(publisher, stream, seq, reason, &event);
	int error = journal_park(publisher->journal, place, seq, reason, told ? &event : NULL, &fault);
	free(event.body);
	if (error) {
		if (complaint_due(&publisher->unread))
			log_error(_("target %s: a refusal cannot be written down: %s"), name, fault.text);
		return false;
	}
	publisher->stats.refused++;
	if (complaint_due(&publisher->refused))
		log_warning(_("target %s: the broker does not take entry %llu: %s; it is set aside, the rest goes on"),
			name, (unsigned long long)seq, reason);
	return true;
}

bool refusal_passes_over(const struct publisher *publisher, const struct stream *stream, uint64_t seq)
{
	if (stream == &publisher->streams[STREAM_OLD])
		return publisher->old.replay;
	return stream == &publisher->streams[STREAM_REPLAY] && seq != publisher->retry.seq;
}

bool refusal_set_aside(struct publisher *publisher, struct stream *stream, int token, const char *reason)
{
	uint64_t seq = window_find(&stream->window, token);
	return (refusal_passes_over(publisher, stream, seq) || refusal_park(publisher, stream, seq, reason)) &&
	       window_delivered(&stream->window, token);
}

/* ---- trying again, when somebody who changed something at the broker says so ---- */

static bool is_wished(const struct publisher *publisher, const struct retry_wish *wish)
{
	for (size_t i = 0; i < publisher->wish_count; i++) {
		const struct retry_wish *other = &publisher->wishes[i];
		if (strcmp(other->target, wish->target) == 0 && other->range.first == wish->range.first &&
			other->range.last == wish->range.last)
			return true;
	}
	return false;
}

bool publisher_retry(struct publisher *publisher, const char *target, uint64_t first, uint64_t last)
{
	struct retry_wish wish = { .range = { first, last } };
	snprintf(wish.target, sizeof(wish.target), "%s", target ? target : publisher->target->name);
	pthread_mutex_lock(&publisher->fault_lock);
	bool known = is_wished(publisher, &wish), taken = known || publisher->wish_count < WISHES_MAX;
	if (taken && !known)
		publisher->wishes[publisher->wish_count++] = wish;
	pthread_mutex_unlock(&publisher->fault_lock);
	publisher_status_changed(publisher); /* wakes it */
	return taken;
}

void refusal_free(struct publisher *publisher)
{
	journal_reader_close(publisher->retry.reader);
	publisher->retry = (struct retry){ 0 };
}

/* The next one, when the one before is done. */
static void take_wish(struct publisher *publisher)
{
	struct retry *retry = &publisher->retry;
	struct retry_wish wish = { 0 };
	if (retry->wish.range.last)
		return;
	pthread_mutex_lock(&publisher->fault_lock);
	if (publisher->wish_count > 0) {
		wish = publisher->wishes[0];
		memmove(publisher->wishes, publisher->wishes + 1, --publisher->wish_count * sizeof(wish));
	}
	pthread_mutex_unlock(&publisher->fault_lock);
	if (!wish.range.last)
		return;
	retry->wish = wish;
	retry->left = strchr(wish.target, '/') ? (struct platform_range){ 1, 0 } : wish.range;
	snprintf(retry->place, sizeof(retry->place), "%s", publisher->target->name);
}

/* Turns to the next old journal of which something is to be tried again. False: there is none. */
static bool next_journal(struct publisher *publisher)
{
	struct retry *retry = &publisher->retry;
	do {
		journal_reader_close(retry->reader);
		retry->reader = old_next(publisher, &retry->taken);
		if (!retry->reader)
			return false;
		journal_place(retry->place, publisher->target->name, retry->reader);
	} while (!journal_place_of(retry->place, retry->wish.target));
	retry->left = retry->wish.range;
	return true;
}

void refusal_retry(struct publisher *publisher)
{
	struct retry *retry = &publisher->retry;
	struct stream *stream = &publisher->streams[STREAM_REPLAY];
	if (!stream_done(stream))
		return;
	take_wish(publisher);
	if (!retry->wish.range.last)
		return;
	do {
		retry->seq = first_parked(publisher, retry->place, retry->left.first, retry->left.last);
	} while (!retry->seq && next_journal(publisher));
	if (!retry->seq) {
		refusal_free(publisher);
		return;
	}
	retry->left.first = retry->seq + 1;
	stream_begin(stream, retry->seq - 1, retry->seq);
}

void refusal_over(struct publisher *publisher, const struct stream *stream, uint64_t seq)
{
	const struct retry *retry = &publisher->retry;
	bool replay = stream == &publisher->streams[STREAM_REPLAY] && seq != retry->seq;
	const char *place = replay ? publisher->target->name : place_of(publisher, stream);
	struct fault fault;
	if (first_parked(publisher, place, seq, seq) != seq)
		return;
	/* should the broker forget it, it is lacking */
	publisher->receipts.scrutiny.cleared = publisher->old.scrutiny.cleared = publisher->old.missing_cleared =
		(struct platform_range){ 0 };
	if (journal_unpark(publisher->journal, place, seq, &fault) != 0)
		log_error(_("target %s: %s"), publisher->target->name, fault.text); /* it only looks refused still */
	else
		log_notice(_("target %s: the broker took entry %llu now"), place, (unsigned long long)seq);
}

void doubt_link_up(struct publisher *publisher)
{
	publisher->doubt.acknowledged = false;
}

void doubt_acknowledged(struct publisher *publisher)
{
	struct doubt *doubt = &publisher->doubt;
	doubt->acknowledged = true;
	doubt->links = 0;
	doubt->suspect = 0;
	if (doubt->one_by_one > 0)
		doubt->one_by_one--;
}

size_t doubt_limit(const struct publisher *publisher)
{
	return publisher->doubt.one_by_one > 0 ? 1 : publisher->limit;
}

/* A broker that says why it ends the link means the message, or something else. */
static bool may_mean_a_message(int reason)
{
	static const int others[] = { 0x88, 0x89, 0x8A, 0x8B, 0x8D, 0x8E, 0x93, 0x96, 0x97, 0x98, 0x9C, 0x9D, 0x9F };
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (reason == others[i])
			return false;
	return true;
}

/* The stream whose oldest entry in flight was sent before that of any other; NULL when none is in flight. */
static struct stream *oldest_stream(struct publisher *publisher)
{
	struct stream *oldest = NULL;
	for (int i = 0; i < STREAM_COUNT; i++) {
		struct stream *stream = &publisher->streams[i];
		long sent_ms = window_oldest_ms(&stream->window);
		if (sent_ms >= 0 && (!oldest || sent_ms < window_oldest_ms(&oldest->window)))
			oldest = stream;
	}
	return oldest;
}

/* The link was lost with this entry alone in flight. */
static void suspect(struct publisher *publisher, struct stream *stream, int reason)
{
	struct doubt *doubt = &publisher->doubt;
	const struct flight *flight = window_oldest(&stream->window);
	char text[200];
	if (doubt->suspect != flight->seq)
		doubt->losses = 0;
	doubt->suspect = flight->seq;
	if (++doubt->losses < LOSSES_EACH)
		return;
	snprintf(text, sizeof(text), _("the broker ended the link each of the %u times it was sent alone: %s"),
		doubt->losses, reason ? mqtt_reason(reason) : _("it said no reason"));
	if (refusal_set_aside(publisher, stream, flight->token, text))
		*doubt = (struct doubt){ 0 };
}

bool doubt_link_lost(struct publisher *publisher, const char *why, int reason, long now_ms)
{
	struct doubt *doubt = &publisher->doubt;
	struct stream *stream = oldest_stream(publisher);
	bool message = !why && may_mean_a_message(reason);
	if (!message || !stream || now_ms - window_oldest_ms(&stream->window) > SOON_MS) {
		doubt->links = 0;
		return message && !stream && platform_link_lost(publisher, now_ms);
	}
	if (doubt->one_by_one > 0) {
		suspect(publisher, stream, reason);
		return true;
	}
	if (doubt->acknowledged)
		return false;
	if (++doubt->links >= LINKS_LOST) {
		doubt->one_by_one = publisher->limit;
		doubt->suspect = 0;
		log_notice(
			_("target %s: %u links in a row were lost while entries were sent; they go one at a time now, "
			  "to find out whether one of them is the reason"),
			publisher->target->name, doubt->links);
	}
	return true;
}
