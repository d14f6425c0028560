/* Which entry goes next, and what its answer means.
 *
 * A short backlog is simply sent in order. Behind a long one the county would see today's results tomorrow: then what
 * was appended after connecting goes first, in order, and the backlog follows beside it, in order too.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "publisher_parts.h"

#define BACKLOG_LONG     10000 /* entries */
#define REPLAY_RATE      500   /* a second: what was asked for again must not delay what is new */
#define QUOTA_PAUSE_MS   5000
#define JOURNAL_PAUSE_MS 1000
#define SOURCE_MAX       64

enum { REFUSED_ID_IN_USE = 0x91, REFUSED_QUOTA = 0x97 };

size_t send_in_flight(const struct publisher *publisher)
{
	size_t open = publisher->outbox.window.open;
	for (int i = 0; i < STREAM_COUNT; i++)
		open += publisher->streams[i].window.open;
	return open;
}

static long earlier(long a, long b)
{
	return b < 0 || (a >= 0 && a < b) ? a : b;
}

long send_oldest_ms(const struct publisher *publisher)
{
	long oldest = window_oldest_ms(&publisher->outbox.window);
	for (int i = 0; i < STREAM_COUNT; i++)
		oldest = earlier(oldest, window_oldest_ms(&publisher->streams[i].window));
	return oldest;
}

void send_start(struct publisher *publisher)
{
	struct stream *ordered = &publisher->streams[STREAM_ORDERED], *live = &publisher->streams[STREAM_LIVE];
	uint64_t through = ordered->window.through, head = journal_head(publisher->journal);
	long now = clock_ms();
	bool is_long = head > through && head - through > BACKLOG_LONG;
	stream_begin(ordered, through, is_long ? head : STREAM_OPEN_ENDED);
	stream_begin(live, head, is_long ? STREAM_OPEN_ENDED : 0);
	pace_init(&publisher->backlog_pace, is_long ? publisher->target->backlog_rate : 0, now);
	pace_init(&publisher->replay_pace, REPLAY_RATE, now);
	pace_init(&publisher->old_pace, REPLAY_RATE, now);
	publisher->paused_until_ms = 0;
	if (is_long)
		log_notice(_("target %s: %llu entries are waiting; new ones go first"), publisher->target->name,
			(unsigned long long)(head - through));
}

void send_rewind(struct publisher *publisher)
{
	for (int i = 0; i < STREAM_COUNT; i++)
		stream_rewind(&publisher->streams[i]);
}

/* The backlog is worked off: what was live is now simply the next in order. */
static void join_streams(struct publisher *publisher)
{
	struct stream *ordered = &publisher->streams[STREAM_ORDERED], *live = &publisher->streams[STREAM_LIVE];
	if (ordered->last == STREAM_OPEN_ENDED || !stream_done(ordered))
		return;
	struct stream worked_off = *ordered;
	*ordered = *live;
	*live = worked_off;
	stream_begin(live, live->window.through, 0);
	pace_init(&publisher->backlog_pace, 0, clock_ms());
}

/* CloudEvents 1.0, MQTT protocol binding 1.0.2, binary mode: the attributes are user properties. */
static const char *const event_types[] = { "assay.v1.result", "assay.v1.qc", "assay.v1.event" };

static int publish_entry(struct publisher *publisher, const struct stored *stored, int *ret_token, struct fault *fault)
{
	char time[CLOCK_TEXT_MAX];
	const struct mqtt_pair pairs[] = {
		{ "specversion", "1.0" },
		{ "id", stored->id },
		{ "source", publisher->root },
		{ "type", event_types[stored->kind] },
		{ "time", clock_text(time, stored->received_ms) },
		{ "datacontenttype", "application/json" },
	};
	struct mqtt_message message = {
		.topic = publisher->entry_topics[stored->kind],
		.payload = stored->payload,
		.length = stored->length,
		.content_type = "application/json",
		.pairs = pairs,
		.pair_count = sizeof(pairs) / sizeof(pairs[0]),
	};
	return mqtt_publish(publisher->mqtt, &message, ret_token, fault);
}

static void pause_sending(struct publisher *publisher, long ms)
{
	publisher->paused_until_ms = clock_ms() + ms;
}

/* Where a stream reads, and up to which entry. */
static struct journal_reader *reader_of(
	const struct publisher *publisher, enum publisher_stream which, uint64_t *ret_head)
{
	const struct retry *retry = &publisher->retry;
	bool retried = which == STREAM_REPLAY && retry->seq && retry->reader;
	*ret_head = which == STREAM_OLD ? publisher->old.last : retried ? retry->seq : journal_head(publisher->journal);
	return which == STREAM_OLD ? publisher->old.reader : retried ? retry->reader : publisher->reader;
}

/* Sends one entry of a stream. False: nothing to send, or not now. */
static bool send_one(struct publisher *publisher, enum publisher_stream which)
{
	struct stream *stream = &publisher->streams[which];
	uint64_t head;
	struct journal_reader *reader = reader_of(publisher, which, &head);
	const struct stored *stored;
	struct fault fault;
	int token;
	if (!reader || window_room(&stream->window) == 0 || stream->window.failed)
		return false;
	int rc = stream_peek(stream, reader, head, &stored, &fault);
	if (rc < 0) {
		if (complaint_due(&publisher->unread))
			log_error(_("target %s: %s"), publisher->target->name, fault.text);
		pause_sending(publisher, JOURNAL_PAUSE_MS);
	}
	if (rc <= 0)
		return false;
	if (!filter_passes(&publisher->target->filter, stored)) {
		stream_skipped(stream);
		return true;
	}
	rc = publish_entry(publisher, stored, &token, &fault);
	if (rc == 0) {
		stream_sent(stream, token, clock_ms());
		publisher->stats.published++;
		complaint_over(&publisher->unread);
		return true;
	}
	bool replay = which == STREAM_REPLAY || refusal_passes_over(publisher, stream, stored->seq);
	if (rc == -EMSGSIZE && (replay || refusal_park(publisher, stream, stored->seq, fault.text))) {
		stream_skipped(stream);
		return true;
	}
	pause_sending(publisher, JOURNAL_PAUSE_MS); /* the link is going down and says so itself */
	return false;
}

static bool send_paced(struct publisher *publisher, enum publisher_stream which, struct pace *pace)
{
	if (pace_wait_ms(pace, clock_ms()) > 0 || !send_one(publisher, which))
		return false;
	pace_spend(pace);
	return true;
}

/* Streams with refused entries start again once everything else of theirs is answered and the pause is over. */
static void retry_failed(struct publisher *publisher)
{
	for (int i = 0; i < STREAM_COUNT; i++) {
		const struct window *window = &publisher->streams[i].window;
		if (window->failed && window->open == 0)
			stream_rewind(&publisher->streams[i]);
	}
}

void send_what_fits(struct publisher *publisher)
{
	while (!publisher->stop && send_in_flight(publisher) < doubt_limit(publisher)) {
		long now = clock_ms();
		publisher->beat++;
		if (platform_send(publisher, now) || proof_send(publisher, now))
			continue;
		if (now < publisher->paused_until_ms)
			return;
		retry_failed(publisher);
		join_streams(publisher);
		if (send_one(publisher, STREAM_LIVE))
			continue;
		if (send_paced(publisher, STREAM_ORDERED, &publisher->backlog_pace))
			continue;
		if (send_paced(publisher, STREAM_REPLAY, &publisher->replay_pace))
			continue;
		if (!send_paced(publisher, STREAM_OLD, &publisher->old_pace))
			return;
	}
}

static struct stream *stream_of(struct publisher *publisher, int token)
{
	for (int i = 0; i < STREAM_COUNT; i++)
		if (window_find(&publisher->streams[i].window, token))
			return &publisher->streams[i];
	return NULL;
}

static void refused(struct publisher *publisher, struct stream *stream, const struct mqtt_event *event)
{
	if (event->reason == REFUSED_QUOTA || event->reason == REFUSED_ID_IN_USE) {
		window_failed(&stream->window, event->token);
		pause_sending(publisher, QUOTA_PAUSE_MS);
	} else if (!refusal_set_aside(publisher, stream, event->token, mqtt_reason(event->reason))) {
		window_failed(&stream->window, event->token);
		pause_sending(publisher, JOURNAL_PAUSE_MS);
	}
}

void send_answered(struct publisher *publisher, const struct mqtt_event *event)
{
	struct stream *stream = stream_of(publisher, event->token);
	if (!stream)
		return;
	doubt_acknowledged(publisher);
	if (event->kind == MQTT_REFUSED) {
		refused(publisher, stream, event);
		return;
	}
	uint64_t seq = window_find(&stream->window, event->token);
	window_delivered(&stream->window, event->token);
	publisher->stats.acknowledged++;
	if (stream == &publisher->streams[STREAM_REPLAY] || stream == &publisher->streams[STREAM_OLD])
		refusal_over(publisher, stream, seq);
}

void send_report_progress(struct publisher *publisher)
{
	uint64_t through = publisher->streams[STREAM_ORDERED].window.through;
	old_report(publisher);
	if (publisher->target->receipts == TARGET_RECEIPTS_REQUIRED && publisher->receipts.covered < through)
		through = publisher->receipts.covered;
	if (through <= publisher->reported)
		return;
	publisher->reported = through;
	publisher->stats.through = through;
	journal_progress(publisher->journal, publisher->target->name, through);
}

int send_wait_ms(struct publisher *publisher, long now_ms, int most_ms)
{
	struct pace *paces[] = { &publisher->backlog_pace, &publisher->replay_pace, &publisher->proof_pace,
		&publisher->old_pace, &publisher->answer_pace };
	long wait = publisher->looks_left > 0 ? most_ms : 0; /* there is more to look at */
	if (publisher->paused_until_ms > now_ms)
		return (int)earlier(publisher->paused_until_ms - now_ms, wait);
	for (size_t i = 0; i < sizeof(paces) / sizeof(paces[0]); i++) {
		long next = pace_wait_ms(paces[i], now_ms);
		if (next > 0) /* else an answer or a commit is what we wait for, and both wake us */
			wait = earlier(next, wait);
	}
	return (int)wait;
}
