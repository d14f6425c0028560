#include "request.h"

#include <errno.h>
#include <string.h>

#include "../drivers/text.h"
#include "json.h"

#define TOPIC_LENGTH_MAX 1024

static int parse_object(const char *payload, size_t length, struct json **ret, struct fault *fault)
{
	if (length > PLATFORM_PAYLOAD_MAX)
		return fault_set(fault, EMSGSIZE, _("%zu bytes are too many; at most %d are read"), length,
			PLATFORM_PAYLOAD_MAX);
	struct fault why = { 0 };
	struct json *object = js_parse(payload, length, &why);
	if (!object)
		return fault_set(fault, EINVAL, _("the payload is no JSON: %s"), why.text);
	if (!js_is_object(object)) {
		js_free(object);
		return fault_set(fault, EINVAL, _("the payload must be a JSON object"));
	}
	*ret = object;
	return 0;
}

static int take_epoch(const struct json *object, char *epoch, struct fault *fault)
{
	const char *text = js_get_text(object, "epoch");
	if (!text || !*text || strlen(text) > PLATFORM_EPOCH_MAX)
		return fault_set(fault, EINVAL, _("\"epoch\" must name the journal, as in every record"));
	strcpy(epoch, text); /* fits: measured above */
	return 0;
}

/* A sequence number: a JSON integer of at least `least`. */
static int take_seq(const struct json *value, const char *name, int64_t least, uint64_t *ret, struct fault *fault)
{
	if (!value || !js_is_integer(value) || js_integer_of(value) < least)
		return fault_set(fault, EINVAL, _("\"%s\" must be a whole number of at least %d"), name, (int)least);
	*ret = (uint64_t)js_integer_of(value);
	return 0;
}

static int parse_replay(const struct json *object, struct platform_request *request, struct fault *fault)
{
	struct platform_range *range = &request->range;
	int rc = take_epoch(object, request->epoch, fault);
	if (rc == 0)
		rc = take_seq(js_get(object, "from"), "from", 1, &range->first, fault);
	if (rc == 0)
		rc = take_seq(js_get(object, "to"), "to", 1, &range->last, fault);
	if (rc != 0)
		return rc;
	if (range->last < range->first)
		return fault_set(fault, EINVAL, _("\"to\" must not be less than \"from\""));
	if (range->last - range->first >= PLATFORM_REPLAY_MAX)
		return fault_set(fault, EINVAL, _("at most %d entries are replayed at once"), PLATFORM_REPLAY_MAX);
	return 0;
}

static bool is_day(const char *text)
{
	static const char form[] = "0000-00-00";
	for (size_t i = 0; i < sizeof(form); i++) /* the NUL too */
		if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	return true;
}

static int parse_manifest(const struct json *object, struct platform_request *request, struct fault *fault)
{
	const char *day = js_get_text(object, "day");
	if (!day || !is_day(day))
		return fault_set(
			fault, EINVAL, _("\"day\" must be a day of the station's calendar, such as 2026-03-05"));
	strcpy(request->day, day); /* fits: its form is checked */
	return 0;
}

int request_parse(
	const char *name, const char *payload, size_t length, struct platform_request *ret, struct fault *fault)
{
	struct platform_request request = { 0 };
	if (strcmp(name, "status") == 0)
		request.kind = PLATFORM_STATUS;
	else if (strcmp(name, "replay") == 0)
		request.kind = PLATFORM_REPLAY;
	else if (strcmp(name, "manifest") == 0)
		request.kind = PLATFORM_MANIFEST;
	else
		return fault_set(fault, ENOENT, _("unknown request; status, replay and manifest are known"));
	if (request.kind == PLATFORM_STATUS && length == 0) {
		*ret = request;
		return 0;
	}
	struct json *object = NULL;
	int rc = parse_object(payload, length, &object, fault);
	if (rc == 0 && request.kind == PLATFORM_REPLAY)
		rc = parse_replay(object, &request, fault);
	if (rc == 0 && request.kind == PLATFORM_MANIFEST)
		rc = parse_manifest(object, &request, fault);
	js_free(object);
	if (rc == 0)
		*ret = request;
	return rc;
}

static int parse_missing(const struct json *list, struct platform_receipt *receipt, struct fault *fault)
{
	if (!list)
		return 0;
	if (!js_is_array(list))
		return fault_set(fault, EINVAL, _("\"missing\" must be a list of [first, last]"));
	for (size_t i = 0; i < js_count(list); i++) {
		const struct json *pair = js_at(list, i);
		struct platform_range range = { 0 };
		if (!js_is_array(pair) || js_count(pair) != 2)
			return fault_set(fault, EINVAL, _("\"missing\" must be a list of [first, last]"));
		int rc = take_seq(js_at(pair, 0), "missing", 1, &range.first, fault);
		if (rc == 0)
			rc = take_seq(js_at(pair, 1), "missing", (int64_t)1, &range.last, fault);
		if (rc != 0)
			return rc;
		if (range.last < range.first || range.last > receipt->through)
			return fault_set(
				fault, EINVAL, _("a range in \"missing\" must rise and end at \"through\" or before"));
		if (receipt->missing_count && range.first <= receipt->missing[receipt->missing_count - 1].last)
			return fault_set(fault, EINVAL, _("the ranges in \"missing\" must rise and not overlap"));
		if (receipt->missing_count == PLATFORM_MISSING_MAX) {
			receipt->through = range.first - 1; /* believe only as much as we can remember */
			return 0;
		}
		receipt->missing[receipt->missing_count++] = range;
	}
	return 0;
}

int receipt_parse(const char *payload, size_t length, struct platform_receipt *ret, struct fault *fault)
{
	struct platform_receipt receipt = { 0 };
	struct json *object = NULL;
	int rc = parse_object(payload, length, &object, fault);
	if (rc != 0)
		return rc;
	rc = take_epoch(object, receipt.epoch, fault);
	if (rc == 0)
		rc = take_seq(js_get(object, "through"), "through", 0, &receipt.through, fault);
	if (rc == 0)
		rc = parse_missing(js_get(object, "missing"), &receipt, fault);
	js_free(object);
	if (rc == 0)
		*ret = receipt;
	return rc;
}

/* Whether a topic is one of a station's, ours or another's: assay/v1/<county>/<station>... What follows the station, or
 * NULL where it is none. */
static const char *behind_station(const char *topic)
{
	static const char contract[] = "assay/v1/";
	if (strncmp(topic, contract, sizeof(contract) - 1) != 0)
		return NULL;
	const char *station = strchr(topic + sizeof(contract) - 1, '/');
	return station ? station + 1 + strcspn(station + 1, "/") : NULL;
}

bool request_topic_allowed(const char *topic)
{
	size_t length = strlen(topic);
	if (length == 0 || length > TOPIC_LENGTH_MAX || topic[0] == '$' || strpbrk(topic, "+#"))
		return false;
	if (!text_is_utf8(topic, length))
		return false;
	const char *behind = behind_station(topic);
	return !behind || strncmp(behind, "/response/", 10) == 0;
}
