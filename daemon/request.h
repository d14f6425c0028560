/* What the platform may say to a station: requests (R/request/<name>) and receipts (R/receipt).
 *
 * Payloads come from outside and are only believed as far as they parse: JSON objects of at most 64 KiB with the
 * members of config/contract/request-*.schema.json and receipt.schema.json. No request can make the station write to an
 * instrument. Pure; any thread may call.
 */
#ifndef ASSAYD_REQUEST_H
#define ASSAYD_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../drivers/fault.h"

#define PLATFORM_PAYLOAD_MAX 65536
#define PLATFORM_EPOCH_MAX   64
#define PLATFORM_REPLAY_MAX  100000 /* entries in one replay */
#define PLATFORM_MISSING_MAX 64     /* ranges kept of one receipt; the next receipt names the rest */

enum platform_request_kind { PLATFORM_STATUS, PLATFORM_REPLAY, PLATFORM_MANIFEST };

struct platform_range {
	uint64_t first, last; /* both inclusive */
};

struct platform_request {
	enum platform_request_kind kind;
	char epoch[PLATFORM_EPOCH_MAX + 1];
	struct platform_range range; /* replay */
	char day[11];                /* manifest: "2026-03-05" */
};

struct platform_receipt {
	char epoch[PLATFORM_EPOCH_MAX + 1];
	uint64_t through; /* stored for good up to here, apart from what is missing */
	struct platform_range missing[PLATFORM_MISSING_MAX];
	size_t missing_count;
};

/* `name` is what follows R/request/ in the topic. 0, -ENOENT for a name nobody knows, -EMSGSIZE, or -EINVAL. */
int request_parse(
	const char *name, const char *payload, size_t length, struct platform_request *ret, struct fault *fault);
int receipt_parse(const char *payload, size_t length, struct platform_receipt *ret, struct fault *fault);

/* True when an answer may be published there: a proper topic name that is none of a station's own, this one's or
 * another's, apart from assay/v1/<county>/<station>/response/... */
bool request_topic_allowed(const char *topic);

#endif
