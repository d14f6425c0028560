/* Between station and platform: the retained status, the platform's requests with their answers, and its receipts. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "publisher_parts.h"

#define STATUS_EVERY_MS    30000
#define STATUS_PAUSE_MS    1000 /* changes that come together are told together */
#define STATUS_SOON_MS     3000 /* a link lost later than that after the status was sent has other reasons */
#define STATUS_LOSSES      3    /* links in a row, before an abridged status is tried */
#define STATUS_ABRIDGED_MS 3600000
#define MANIFESTS_ANSWERED 32 /* of one day: there is one, unless the clock was set on it */

/* ---- the outbox ---- */

static void outgoing_free(struct outgoing *outgoing)
{
	free(outgoing->topic);
	free(outgoing->payload);
	free(outgoing->correlation);
	*outgoing = (struct outgoing){ 0 };
}

/* Takes `payload` over. There is room: take_request() has seen to it. */
static void answer(struct publisher *publisher, const struct mqtt_incoming *message, const char *name, char *payload)
{
	struct outbox *outbox = &publisher->outbox;
	char topic[160];
	struct outgoing *outgoing = &outbox->list[(outbox->first + outbox->count++) % OUTBOX_MAX];
	snprintf(topic, sizeof(topic), "%s/response/%s", publisher->root, name);
	outgoing->payload = payload;
	outgoing->topic = strdup(message->response_topic ? message->response_topic : topic);
	if (message->correlation && (outgoing->correlation = malloc(message->correlation_length + 1))) {
		memcpy(outgoing->correlation, message->correlation, message->correlation_length);
		outgoing->correlation_length = message->correlation_length;
	}
}

static bool publish(struct publisher *publisher, const struct outgoing *outgoing, bool retained, int *ret_token)
{
	struct outbox *outbox = &publisher->outbox;
	struct fault fault;
	struct mqtt_message message = {
		.topic = outgoing->topic,
		.payload = outgoing->payload,
		.length = strlen(outgoing->payload),
		.retained = retained,
		.content_type = "application/json",
		.correlation = outgoing->correlation,
		.correlation_length = outgoing->correlation_length,
	};
	if (mqtt_publish(publisher->mqtt, &message, ret_token, &fault) == 0) {
		window_sent(&outbox->window, ++outbox->sent, *ret_token, clock_ms());
		return true;
	}
	if (complaint_due(&publisher->odd))
		log_warning(_("target %s: %s was not sent: %s"), publisher->target->name, outgoing->topic, fault.text);
	return false;
}

bool platform_publish(struct publisher *publisher, const char *topic, const char *payload, int *ret_token)
{
	struct outgoing outgoing = { .topic = (char *)topic, .payload = (char *)payload };
	return publish(publisher, &outgoing, false, ret_token);
}

/* Without what grows with the room: for a broker that does not take the whole. Memory or the end. */
static char *abridge(const char *whole)
{
	struct json *status = js_parse(whole, strlen(whole), NULL), *brief = js_new_object();
	const char *key;
	struct json *value;
	for (size_t i = 0; (value = js_member(status, i, &key)); i++)
		if (!js_is_object(value))
			js_put(brief, key, js_copy(value));
	js_put_bool(brief, "abridged", true);
	char *text = js_dump(brief);
	js_free(brief);
	js_free(status);
	return text;
}

static bool send_status(struct publisher *publisher, const char *payload, long now_ms)
{
	struct outbox *outbox = &publisher->outbox;
	struct outgoing status = { .topic = publisher->status_topic, .payload = (char *)payload };
	publisher->status_due = false;
	outbox->status_last_ms = now_ms;
	outbox->status_next_ms = now_ms + STATUS_PAUSE_MS;
	return publish(publisher, &status, true, &outbox->status_token);
}

/* The whole status, or what the broker takes of it. */
static bool send_present_status(struct publisher *publisher, long now_ms)
{
	struct outbox *outbox = &publisher->outbox;
	char *whole = publisher->status(publisher->context);
	if (!whole)
		return false;
	bool sent = now_ms >= outbox->abridged_until_ms && send_status(publisher, whole, now_ms);
	if (!sent) {
		char *brief = abridge(whole);
		sent = send_status(publisher, brief, now_ms);
		free(brief);
	}
	free(whole);
	return sent;
}

void platform_answered(struct publisher *publisher, int token)
{
	if (token == publisher->outbox.status_token)
		publisher->outbox.status_losses = 0;
}

bool platform_link_lost(struct publisher *publisher, long now_ms)
{
	struct outbox *outbox = &publisher->outbox;
	if (!window_find(&outbox->window, outbox->status_token) || now_ms - outbox->status_last_ms > STATUS_SOON_MS ||
		now_ms < outbox->abridged_until_ms)
		return false;
	if (++outbox->status_losses >= STATUS_LOSSES) {
		outbox->abridged_until_ms = now_ms + STATUS_ABRIDGED_MS;
		log_warning(
			_("target %s: the broker ended the link each of the %u times it was sent the status alone; it "
			  "gets an abridged one for an hour"),
			publisher->target->name, outbox->status_losses);
		outbox->status_losses = 0;
	}
	return true;
}

static bool status_is_due(const struct publisher *publisher, long now_ms)
{
	const struct outbox *outbox = &publisher->outbox;
	if (window_find(&outbox->window, outbox->status_token) || now_ms < outbox->status_next_ms)
		return false;
	return publisher->status_due || now_ms - outbox->status_last_ms >= STATUS_EVERY_MS;
}

bool platform_send(struct publisher *publisher, long now_ms)
{
	struct outbox *outbox = &publisher->outbox;
	int token;
	if (window_room(&outbox->window) == 0)
		return false;
	if (status_is_due(publisher, now_ms) && send_present_status(publisher, now_ms))
		return true;
	if (outbox->count == 0 || pace_wait_ms(&publisher->answer_pace, now_ms) > 0)
		return false;
	pace_spend(&publisher->answer_pace);
	struct outgoing *outgoing = &outbox->list[outbox->first];
	bool sent = outgoing->topic && publish(publisher, outgoing, false, &token);
	outgoing_free(outgoing);
	outbox->first = (outbox->first + 1) % OUTBOX_MAX;
	outbox->count--;
	return sent;
}

void platform_goodbye(struct publisher *publisher)
{
	if (publisher->up && window_room(&publisher->outbox.window))
		send_status(publisher, PLATFORM_OFFLINE, clock_ms());
}

void platform_reset(struct publisher *publisher)
{
	struct outbox *outbox = &publisher->outbox;
	for (size_t i = 0; i < OUTBOX_MAX; i++)
		outgoing_free(&outbox->list[i]);
	outbox->first = outbox->count = 0;
	outbox->status_next_ms = 0;
	proof_reset(publisher);
	window_clear(&outbox->window);
}

/* ---- requests ---- */

static char *dump_and_free(struct json *object)
{
	char *text = js_dump(object);
	js_free(object);
	return text;
}

static char *error_text(const char *error)
{
	struct json *object = js_new_object();
	js_put_text(object, "error", error);
	return dump_and_free(object);
}

struct found_manifests {
	struct json *list;
	uint64_t last;
};

static int take_manifest(void *context, const struct kept_manifest *manifest)
{
	struct found_manifests *found = context;
	struct json *document = js_parse(manifest->payload, strlen(manifest->payload), NULL);
	found->last = manifest->last;
	if (document)
		js_append(found->list, document);
	return 0;
}

int platform_manifests(
	struct journal_reader *reader, const char *day, struct json *list, size_t most, struct fault *fault)
{
	struct found_manifests found = { .list = list };
	int row = 1;
	while (row == 1 && js_count(list) < most)
		row = journal_next_manifest(reader, found.last, day, take_manifest, &found, fault);
	return row < 0 ? row : 0;
}

static char *answer_manifest(struct publisher *publisher, const char *day)
{
	struct json *list = js_new_array();
	struct fault fault;
	old_manifests(publisher, day, list, MANIFESTS_ANSWERED);
	int error = platform_manifests(publisher->reader, day, list, MANIFESTS_ANSWERED, &fault);
	if (!error && js_count(list) == 0)
		error = fault_set(&fault, ENOENT,
			_("there is no manifest of %s: nothing was recorded then, or the day is not over"), day);
	if (error) {
		js_free(list);
		publisher->stats.requests_refused++;
		return error_text(fault.text);
	}
	struct json *object = js_new_object();
	js_put_text(object, "day", day);
	js_put(object, "manifests", list);
	return dump_and_free(object);
}

static void complain(struct publisher *publisher, const char *topic, const char *why)
{
	publisher->stats.requests_refused++;
	if (complaint_due(&publisher->odd))
		log_warning(_("target %s: %s was not understood: %s"), publisher->target->name, topic, why);
}

static void take_request(struct publisher *publisher, const char *name, const struct mqtt_incoming *message)
{
	struct platform_request request;
	struct fault fault;
	publisher->stats.requests++;
	if (publisher->outbox.count == OUTBOX_MAX) { /* whoever asks this often may do without an answer */
		publisher->stats.requests_refused++;
		if (complaint_due(&publisher->flooded))
			log_warning(_("target %s: requests come faster than %d a second; those beyond get no answer"),
				publisher->target->name, ANSWER_RATE);
		return;
	}
	if (message->retained) {
		complain(publisher, message->topic, _("a request must not be retained"));
		return;
	}
	if (message->response_topic && !request_topic_allowed(message->response_topic)) {
		complain(publisher, message->topic, _("no answer may be sent to its response topic"));
		return;
	}
	int rc = request_parse(name, message->payload, message->length, &request, &fault);
	if (rc != 0) {
		complain(publisher, message->topic, fault.text);
		answer(publisher, message, name, error_text(fault.text));
	} else if (request.kind == PLATFORM_STATUS) {
		answer(publisher, message, name, publisher->status(publisher->context));
	} else if (request.kind == PLATFORM_MANIFEST) {
		answer(publisher, message, name, answer_manifest(publisher, request.day));
	} else {
		answer(publisher, message, name, replay_answer(publisher, &request));
	}
}

/* ---- receipts ---- */

uint64_t platform_look(struct publisher *publisher, struct scrutiny *scrutiny, struct journal_reader *reader,
	const char *place, uint64_t covered)
{
	struct platform_receipt *named = &scrutiny->named;
	for (; scrutiny->at < named->missing_count; scrutiny->at++) {
		struct platform_range *range = &named->missing[scrutiny->at];
		if (range->first <= covered)
			range->first = covered + 1; /* looked at before */
		enum lacking found = refusal_lacking(publisher, reader, place, &scrutiny->cleared, range);
		scrutiny->due = found == LACKING_UNKNOWN;
		if (found != LACKING_NONE)
			return range->first - 1;
	}
	scrutiny->due = false;
	return named->through;
}

void platform_pass_over(struct publisher *publisher, struct scrutiny *scrutiny, struct journal_reader *reader,
	const char *place, uint64_t *covered, uint64_t sent)
{
	struct platform_range range = { *covered + 1, sent };
	if (*covered >= sent || scrutiny->awaited == range.first)
		return;
	if (refusal_lacking(publisher, reader, place, &scrutiny->cleared, &range) == LACKING_FOUND)
		scrutiny->awaited = range.first;
	*covered = range.first - 1;
}

static void take_receipt(struct publisher *publisher, const struct mqtt_incoming *message)
{
	struct receipts *receipts = &publisher->receipts;
	struct platform_receipt receipt;
	struct fault fault;
	if (receipt_parse(message->payload, message->length, &receipt, &fault) != 0) {
		complain(publisher, message->topic, fault.text);
		return;
	}
	if (strcmp(receipt.epoch, journal_epoch(publisher->journal)) != 0) {
		if (old_receipt(publisher, &receipt))
			publisher->stats.receipts++;
		else if (receipt.missing_count) /* that it has all of a journal we lost is as it should be */
			complain(publisher, message->topic,
				_("it is for another journal, of which this station has nothing"));
		return;
	}
	if (receipt.through > journal_head(publisher->journal)) {
		complain(publisher, message->topic, _("it covers entries that were never made"));
		return;
	}
	publisher->stats.receipts++;
	receipts->scrutiny.named = receipt;
	receipts->scrutiny.at = 0;
	receipts->scrutiny.due = true;
	long now = clock_ms();
	if (receipt.missing_count &&
		(!receipts->missing_since_ms || now - receipts->missing_since_ms > MISSING_PAUSE_MS)) {
		receipts->missing = receipt;
		receipts->missing_at = 0;
		receipts->missing_since_ms = now;
	}
}

static void look_through(struct publisher *publisher)
{
	struct receipts *receipts = &publisher->receipts;
	if (!receipts->scrutiny.due)
		return;
	uint64_t covered = platform_look(
		publisher, &receipts->scrutiny, publisher->reader, publisher->target->name, receipts->covered);
	if (covered <= receipts->covered)
		return;
	receipts->covered = covered;
	receipts->waiting_since_ms = 0;
	receipts->patience_ms = RECEIPT_PATIENCE_MS;
	complaint_over(&publisher->uncovered);
}

/* Fills the gaps a receipt named, one after the other. What was never sent is on its way anyhow. */
static void fill_gaps(struct publisher *publisher)
{
	struct receipts *receipts = &publisher->receipts;
	uint64_t sent = publisher->streams[STREAM_ORDERED].window.through;
	for (; receipts->missing_at < receipts->missing.missing_count; receipts->missing_at++) {
		struct platform_range *range = &receipts->missing.missing[receipts->missing_at];
		if (!stream_done(&publisher->streams[STREAM_REPLAY]))
			return;
		if (range->last > sent)
			range->last = sent;
		enum lacking found = refusal_lacking(
			publisher, publisher->reader, publisher->target->name, &receipts->scrutiny.cleared, range);
		if (found == LACKING_UNKNOWN)
			return;
		if (found == LACKING_FOUND)
			replay_begin(publisher, range->first, range->last);
	}
}

static void resend_uncovered(struct publisher *publisher, uint64_t sent, long now_ms)
{
	struct receipts *receipts = &publisher->receipts;
	uint64_t last = sent - receipts->covered > RECEIPT_RESEND ? receipts->covered + RECEIPT_RESEND : sent;
	struct platform_range range = { receipts->covered + 1, last };
	if (!replay_begin(publisher, range.first, range.last))
		return;
	receipts->waiting_since_ms = now_ms;
	receipts->patience_ms *= receipts->patience_ms < RECEIPT_LONGEST_MS ? 2 : 1;
	if (complaint_due(&publisher->uncovered))
		log_warning(
			_("target %s: the platform gave no receipt for %llu entries the broker took; sending again"),
			publisher->target->name, (unsigned long long)refusal_count(publisher, &range));
}

void platform_watch_receipts(struct publisher *publisher, long now_ms)
{
	struct receipts *receipts = &publisher->receipts;
	uint64_t sent = publisher->streams[STREAM_ORDERED].window.through;
	look_through(publisher);
	if (publisher->target->receipts == TARGET_RECEIPTS_REQUIRED && !receipts->scrutiny.due)
		platform_pass_over(publisher, &receipts->scrutiny, publisher->reader, publisher->target->name,
			&receipts->covered, sent);
	fill_gaps(publisher);
	old_watch_receipts(publisher, now_ms);
	if (publisher->target->receipts != TARGET_RECEIPTS_REQUIRED || receipts->covered >= sent) {
		receipts->waiting_since_ms = 0;
		return;
	}
	if (receipts->patience_ms == 0)
		receipts->patience_ms = RECEIPT_PATIENCE_MS;
	if (receipts->waiting_since_ms == 0)
		receipts->waiting_since_ms = now_ms;
	if (now_ms - receipts->waiting_since_ms >= receipts->patience_ms)
		resend_uncovered(publisher, sent, now_ms);
}

void platform_message(struct publisher *publisher, const struct mqtt_incoming *message)
{
	size_t root = strlen(publisher->root);
	if (strncmp(message->topic, publisher->root, root) != 0)
		return;
	if (strcmp(message->topic + root, "/receipt") == 0)
		take_receipt(publisher, message);
	else if (strncmp(message->topic + root, "/request/", 9) == 0)
		take_request(publisher, message->topic + root + 9, message);
}
