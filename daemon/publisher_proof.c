/* What proves the entries, on its way to a broker: each second's seal and each day's manifest, in order, one of each at
 * a time and at a bounded rate, so that they take no place from the entries. Delivered at least once, as those: the
 * place reached is kept with the target's own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "publisher_parts.h"

#define SEAL_RATE        20     /* a second, after an outage; else there is one a second */
#define REFUSED_PAUSE_MS 600000 /* a broker that does not take them is asked again now and then */
#define TROUBLE_PAUSE_MS 5000

static void place_name(char out[static 64], const struct publisher *publisher, const char *what)
{
	snprintf(out, 64, "%s/%s", publisher->target->name, what); /* no target's name has a slash */
}

static int prepare(struct publisher *publisher, struct proof_stream *stream, const char *what, struct fault *fault)
{
	char place[64];
	place_name(place, publisher, what);
	snprintf(stream->topic, sizeof(stream->topic), "%s/%s", publisher->root, what);
	return journal_target(publisher->journal, place, &stream->through, fault);
}

int proof_prepare(struct publisher *publisher, struct fault *fault)
{
	pace_init(&publisher->proof_pace, SEAL_RATE, clock_ms());
	int error = prepare(publisher, &publisher->seals, "seal", fault);
	return error ? error : prepare(publisher, &publisher->manifests, "manifest", fault);
}

static bool send(
	struct publisher *publisher, struct proof_stream *stream, uint64_t seq, const char *payload, long now_ms)
{
	if (!platform_publish(publisher, stream->topic, payload, &stream->token)) {
		stream->token = 0;
		stream->retry_ms = now_ms + TROUBLE_PAUSE_MS;
		return false;
	}
	stream->sent = seq;
	return true;
}

static bool unread(struct publisher *publisher, struct proof_stream *stream, const struct fault *fault, long now_ms)
{
	if (complaint_due(&publisher->unread))
		log_error(_("target %s: %s"), publisher->target->name, fault->text);
	stream->retry_ms = now_ms + TROUBLE_PAUSE_MS;
	return false;
}

static bool send_seal(struct publisher *publisher, long now_ms)
{
	char payload[SEAL_PAYLOAD_MAX];
	struct proof_stream *stream = &publisher->seals;
	struct seal seal;
	struct fault fault;
	int found = journal_next_seal(publisher->reader, stream->through, &seal, &fault);
	if (found < 0)
		return unread(publisher, stream, &fault, now_ms);
	if (found == 0 && !journal_fresh_seal(publisher->journal, stream->through, &seal))
		return false; /* just being stored: the commit wakes us again */
	seal_payload(payload, &seal);
	pace_spend(&publisher->proof_pace);
	return send(publisher, stream, seal.seq, payload, now_ms);
}

struct taken {
	uint64_t last;
	char *payload;
};

static int take_manifest(void *context, const struct kept_manifest *manifest)
{
	struct taken *taken = context;
	taken->last = manifest->last;
	taken->payload = strdup(manifest->payload);
	return 0;
}

static bool send_manifest(struct publisher *publisher, long now_ms)
{
	struct proof_stream *stream = &publisher->manifests;
	struct taken taken = { 0 };
	struct fault fault;
	if (journal_next_manifest(publisher->reader, stream->through, NULL, take_manifest, &taken, &fault) < 0)
		return unread(publisher, stream, &fault, now_ms);
	bool sent = taken.payload && send(publisher, stream, taken.last, taken.payload, now_ms);
	free(taken.payload);
	return sent;
}

static bool is_due(const struct proof_stream *stream, uint64_t newest, long now_ms)
{
	return !stream->token && newest > stream->through && now_ms >= stream->retry_ms;
}

bool proof_send(struct publisher *publisher, long now_ms)
{
	struct journal *journal = publisher->journal;
	if (window_room(&publisher->outbox.window) == 0)
		return false;
	if (is_due(&publisher->manifests, journal_manifested(journal), now_ms) && send_manifest(publisher, now_ms))
		return true;
	return is_due(&publisher->seals, journal_sealed(journal), now_ms) &&
	       pace_wait_ms(&publisher->proof_pace, now_ms) <= 0 && send_seal(publisher, now_ms);
}

static bool answered(
	struct publisher *publisher, struct proof_stream *stream, const char *what, int token, bool refused)
{
	char place[64];
	if (!stream->token || stream->token != token)
		return false;
	stream->token = 0;
	if (refused) {
		stream->retry_ms = clock_ms() + REFUSED_PAUSE_MS;
		return true;
	}
	stream->through = stream->sent;
	place_name(place, publisher, what);
	journal_progress(publisher->journal, place, stream->through);
	return true;
}

void proof_answered(struct publisher *publisher, int token, bool refused)
{
	if (!answered(publisher, &publisher->seals, "seal", token, refused))
		answered(publisher, &publisher->manifests, "manifest", token, refused);
}

void proof_reset(struct publisher *publisher)
{
	publisher->seals.token = publisher->manifests.token = 0;
	publisher->seals.retry_ms = publisher->manifests.retry_ms = 0;
}
