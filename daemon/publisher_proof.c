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
	place_name(stream->place, publisher, what);
	snprintf(stream->topic, sizeof(stream->topic), "%s/%s", publisher->root, what);
	return journal_target(publisher->journal, stream->place, &stream->through, fault);
}

int proof_prepare(struct publisher *publisher, struct fault *fault)
{
	pace_init(&publisher->proof_pace, SEAL_RATE, clock_ms());
	int error = prepare(publisher, &publisher->seals, "seal", fault);
	return error ? error : prepare(publisher, &publisher->manifests, "manifest", fault);
}

/* What the damaged journal said of the target counts too, where it was readable. */
static int prepare_old(struct publisher *publisher, struct proof_stream *stream, const char *what, struct fault *fault)
{
	char place[64];
	uint64_t has, had;
	*stream = (struct proof_stream){ .old = true };
	place_name(place, publisher, what);
	snprintf(stream->topic, sizeof(stream->topic), "%s/%s", publisher->root, what);
	snprintf(stream->place, sizeof(stream->place), "%.50s/%s", publisher->old.place, what);
	int error = journal_target(publisher->journal, stream->place, &has, fault);
	if (!error)
		error = journal_reader_target(publisher->old.reader, place, &had, fault);
	if (!error)
		stream->through = has > had ? has : had;
	return error;
}

int proof_prepare_old(struct publisher *publisher, struct fault *fault)
{
	int error = prepare_old(publisher, &publisher->old.seals, "seal", fault);
	return error ? error : prepare_old(publisher, &publisher->old.manifests, "manifest", fault);
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

static bool send_seal(struct publisher *publisher, struct proof_stream *stream, const struct seal *seal, long now_ms)
{
	char payload[SEAL_PAYLOAD_MAX];
	seal_payload(payload, seal);
	pace_spend(&publisher->proof_pace);
	return send(publisher, stream, seal->seq, payload, now_ms);
}

static bool send_next_seal(struct publisher *publisher, long now_ms)
{
	struct proof_stream *stream = &publisher->seals;
	struct seal seal;
	struct fault fault;
	int found = journal_next_seal(publisher->reader, stream->through, &seal, &fault);
	if (found < 0)
		return unread(publisher, stream, &fault, now_ms);
	if (found == 0 && !journal_fresh_seal(publisher->journal, stream->through, &seal))
		return false; /* just being stored: the commit wakes us again */
	return send_seal(publisher, stream, &seal, now_ms);
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

static bool send_manifest(
	struct publisher *publisher, struct journal_reader *reader, struct proof_stream *stream, long now_ms)
{
	struct taken taken = { 0 };
	struct fault fault;
	if (journal_next_manifest(reader, stream->through, NULL, take_manifest, &taken, &fault) < 0)
		return unread(publisher, stream, &fault, now_ms);
	bool sent = taken.payload && send(publisher, stream, taken.last, taken.payload, now_ms);
	free(taken.payload);
	return sent;
}

static bool is_due(const struct proof_stream *stream, uint64_t newest, long now_ms)
{
	return !stream->token && newest > stream->through && now_ms >= stream->retry_ms;
}

/* The next seal of the old journal at hand that the target lacks; false: it has them all, or they cannot be read. */
static bool old_seal(const struct publisher *publisher, struct seal *ret)
{
	const struct old_journal *old = &publisher->old;
	return journal_next_seal(old->reader, old->seals.through, ret, NULL) == 1;
}

static int pass_over(void *context, const struct kept_manifest *manifest)
{
	(void)context;
	(void)manifest;
	return 0;
}

bool proof_of_old_is_left(struct publisher *publisher)
{
	struct seal seal;
	const struct old_journal *old = &publisher->old;
	return old_seal(publisher, &seal) ||
	       journal_next_manifest(old->reader, old->manifests.through, NULL, pass_over, NULL, NULL) == 1;
}

static bool send_of_old(struct publisher *publisher, long now_ms)
{
	struct old_journal *old = &publisher->old;
	struct seal seal;
	if (!old->reader || old->replay || pace_wait_ms(&publisher->proof_pace, now_ms) > 0)
		return false;
	if (!old->seals.token && now_ms >= old->seals.retry_ms && old_seal(publisher, &seal))
		return send_seal(publisher, &old->seals, &seal, now_ms);
	return !old->manifests.token && now_ms >= old->manifests.retry_ms &&
	       send_manifest(publisher, old->reader, &old->manifests, now_ms);
}

bool proof_send(struct publisher *publisher, long now_ms)
{
	struct journal *journal = publisher->journal;
	if (window_room(&publisher->outbox.window) == 0)
		return false;
	if (is_due(&publisher->manifests, journal_manifested(journal), now_ms) &&
		send_manifest(publisher, publisher->reader, &publisher->manifests, now_ms))
		return true;
	if (is_due(&publisher->seals, journal_sealed(journal), now_ms) &&
		pace_wait_ms(&publisher->proof_pace, now_ms) <= 0 && send_next_seal(publisher, now_ms))
		return true;
	return send_of_old(publisher, now_ms);
}

static bool answered(struct publisher *publisher, struct proof_stream *stream, int token, bool refused)
{
	if (!stream->token || stream->token != token)
		return false;
	stream->token = 0;
	if (refused && stream->old) {
		stream->through = INT64_MAX; /* until the next start: other old journals must not wait for it */
		return true;
	}
	if (refused) {
		stream->retry_ms = clock_ms() + REFUSED_PAUSE_MS;
		return true;
	}
	stream->through = stream->sent;
	journal_progress(publisher->journal, stream->place, stream->through);
	return true;
}

void proof_answered(struct publisher *publisher, int token, bool refused)
{
	struct proof_stream *const streams[] = { &publisher->seals, &publisher->manifests, &publisher->old.seals,
		&publisher->old.manifests };
	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
		if (answered(publisher, streams[i], token, refused))
			return;
}

void proof_reset(struct publisher *publisher)
{
	struct proof_stream *const streams[] = { &publisher->seals, &publisher->manifests, &publisher->old.seals,
		&publisher->old.manifests };
	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
		streams[i]->retry_ms = streams[i]->token = 0;
}
