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

#include "publisher_parts.h"

#define SOON_MS     3000 /* after sending: later losses have other reasons */
#define LINKS_LOST  3    /* in a row, before entries are sent one by one */
#define LOSSES_EACH 3    /* with the same entry alone in flight, before it is set aside */

bool refusal_park(struct publisher *publisher, uint64_t seq, const char *reason)
{
	struct fault fault;
	const char *name = publisher->target->name;
	if (journal_park(publisher->journal, name, seq, reason, &fault) != 0) {
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

bool refusal_set_aside(struct publisher *publisher, struct stream *stream, int token, const char *reason)
{
	bool replay = stream == &publisher->streams[STREAM_REPLAY];
	return (replay || refusal_park(publisher, window_find(&stream->window, token), reason)) &&
	       window_delivered(&stream->window, token);
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
	if (why || !stream || !may_mean_a_message(reason) || now_ms - window_oldest_ms(&stream->window) > SOON_MS) {
		doubt->links = 0;
		return false;
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
