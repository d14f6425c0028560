/* What the platform may send: any bytes as a request of any name, as a receipt, and as a response topic.
 *
 * The first byte chooses; the rest is what came over the wire. What is accepted must keep the promises of request.h.
 */
#include <stdlib.h>
#include <string.h>

#include "../../daemon/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_request(const char *name, const char *payload, size_t length)
{
	struct platform_request request;
	struct fault fault = { 0 };
	int rc = request_parse(name, payload, length, &request, &fault);
	must(rc == 0 || fault.text[0]);
	if (rc == 0 && request.kind == PLATFORM_REPLAY) {
		must(request.range.first >= 1 && request.range.last >= request.range.first);
		must(request.range.last - request.range.first < PLATFORM_REPLAY_MAX);
		must(request.epoch[0]);
	}
	if (rc == 0 && request.kind == PLATFORM_MANIFEST)
		must(strlen(request.day) == 10 && request.day[4] == '-' && request.day[7] == '-');
}

static void check_receipt(const char *payload, size_t length)
{
	struct platform_receipt receipt;
	struct fault fault = { 0 };
	if (receipt_parse(payload, length, &receipt, &fault) != 0) {
		must(fault.text[0]);
		return;
	}
	must(receipt.missing_count <= PLATFORM_MISSING_MAX);
	uint64_t last = 0;
	for (size_t i = 0; i < receipt.missing_count; i++) {
		must(receipt.missing[i].first > last && receipt.missing[i].last >= receipt.missing[i].first);
		last = receipt.missing[i].last;
	}
	must(last <= receipt.through);
}

static void check_topic(const char *topic)
{
	static const char contract[] = "assay/v1/";
	if (!request_topic_allowed(topic))
		return;
	must(*topic && !strpbrk(topic, "+#"));
	if (strncmp(topic, contract, sizeof(contract) - 1) != 0)
		return;
	const char *station = strchr(topic + sizeof(contract) - 1, '/');
	must(!station || strncmp(station + 1 + strcspn(station + 1, "/"), "/response/", 10) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "status", "replay", "other", "manifest" };
	if (size == 0)
		return 0;
	char *text = malloc(size); /* a copy of exactly this size: reading past the end is seen */
	size_t length = size - 1;
	memcpy(text, data + 1, length);
	text[length] = '\0';
	unsigned choice = (data[0] + 2u) % 5; /* "0" is 0: the seeds can be read */
	if (data[0] == 'm')
		choice = 5;
	if (choice == 5)
		check_request(names[3], text, length);
	else if (choice < 3)
		check_request(names[choice], text, length);
	else if (choice == 3)
		check_receipt(text, length);
	else
		check_topic(text);
	free(text);
	return 0;
}
