#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/request.h"

#define ROOT "assay/v1/330421/330421103-01"

static struct platform_request request;
static struct platform_receipt receipt;
static struct fault fault;

static int ask(const char *name, const char *payload)
{
	memset(&fault, 0, sizeof(fault));
	return request_parse(name, payload, strlen(payload), &request, &fault);
}

static int receive(const char *payload)
{
	memset(&fault, 0, sizeof(fault));
	return receipt_parse(payload, strlen(payload), &receipt, &fault);
}

static void status_needs_no_payload(void **state)
{
	(void)state;
	assert_int_equal(ask("status", ""), 0);
	assert_int_equal(request.kind, PLATFORM_STATUS);
	assert_int_equal(ask("status", "{}"), 0);
	assert_int_equal(ask("status", "[]"), -EINVAL);
}

static void replay_names_journal_and_range(void **state)
{
	(void)state;
	assert_int_equal(ask("replay", "{\"epoch\":\"7f3a\",\"from\":18011,\"to\":18013,\"later\":1}"), 0);
	assert_int_equal(request.kind, PLATFORM_REPLAY);
	assert_string_equal(request.epoch, "7f3a");
	assert_int_equal(request.range.first, 18011);
	assert_int_equal(request.range.last, 18013);
}

static void a_manifest_is_asked_for_by_day(void **state)
{
	(void)state;
	assert_int_equal(ask("manifest", "{\"day\":\"2026-03-05\"}"), 0);
	assert_int_equal(request.kind, PLATFORM_MANIFEST);
	assert_string_equal(request.day, "2026-03-05");
	static const char *const wrong[] = { "{}", "{\"day\":20260305}", "{\"day\":\"2026-3-5\"}", "{\"day\":\"\"}",
		"{\"day\":\"2026-03-05T\"}", "{\"day\":\"2026/03/05\"}" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(ask("manifest", wrong[i]), -EINVAL);
		assert_non_null(strstr(fault.text, "such as 2026-03-05"));
	}
	assert_int_equal(ask("manifest", ""), -EINVAL);
}

static void a_wrong_replay_says_what_would_be_right(void **state)
{
	(void)state;
	static const struct {
		const char *payload, *says;
	} wrong[] = {
		{ "{\"from\":1,\"to\":2}", "epoch" },
		{ "{\"epoch\":\"\",\"from\":1,\"to\":2}", "epoch" },
		{ "{\"epoch\":7,\"from\":1,\"to\":2}", "epoch" },
		{ "{\"epoch\":\"e\",\"to\":2}", "from" },
		{ "{\"epoch\":\"e\",\"from\":0,\"to\":2}", "from" },
		{ "{\"epoch\":\"e\",\"from\":1.5,\"to\":2}", "from" },
		{ "{\"epoch\":\"e\",\"from\":\"1\",\"to\":2}", "from" },
		{ "{\"epoch\":\"e\",\"from\":-1,\"to\":2}", "from" },
		{ "{\"epoch\":\"e\",\"from\":1}", "to" },
		{ "{\"epoch\":\"e\",\"from\":3,\"to\":2}", "less" },
		{ "{\"epoch\":\"e\",\"from\":1,\"to\":100001}", "100000" },
		{ "{\"epoch\":\"e\",\"from\":1,\"to\":9223372036854775807}", "100000" },
		{ "{\"epoch\":\"e\",\"from\":1,\"to\":99999999999999999999}", "JSON" },
		{ "{\"epoch\":\"e\",\"from\":1,\"from\":2,\"to\":3}", "JSON" },
		{ "{\"epoch\":\"e\",\"from\":1,\"to\":2} more", "JSON" },
		{ "", "JSON" },
		{ "null", "JSON" },
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(ask("replay", wrong[i].payload), -EINVAL);
		if (!strstr(fault.text, wrong[i].says))
			fail_msg("%s: %s", wrong[i].payload, fault.text);
	}
	char payload[256] = "{\"epoch\":\"";
	memset(payload + 10, 'e', 65);
	strcpy(payload + 75, "\",\"from\":1,\"to\":2}");
	assert_int_equal(ask("replay", payload), -EINVAL);
}

static void unknown_requests_and_floods_are_refused(void **state)
{
	(void)state;
	assert_int_equal(ask("erase", "{}"), -ENOENT);
	assert_int_equal(ask("", "{}"), -ENOENT);
	size_t length = PLATFORM_PAYLOAD_MAX + 1;
	assert_int_equal(request_parse("status", NULL, length, &request, &fault), -EMSGSIZE); /* never looked at */
	char *deep = malloc(length);
	memset(deep, '[', length);
	assert_int_equal(request_parse("status", deep, PLATFORM_PAYLOAD_MAX, &request, &fault), -EINVAL);
	free(deep);
}

static void a_receipt_tells_how_far_and_what_is_missing(void **state)
{
	(void)state;
	assert_int_equal(receive("{\"epoch\":\"e\",\"through\":18200,\"missing\":[[18011,18013],[18020,18020]]}"), 0);
	assert_int_equal(receipt.through, 18200);
	assert_int_equal(receipt.missing_count, 2);
	assert_int_equal(receipt.missing[0].last, 18013);
	assert_int_equal(receipt.missing[1].first, 18020);
	assert_int_equal(receive("{\"epoch\":\"e\",\"through\":5}"), 0);
	assert_int_equal(receipt.through, 5);
	assert_int_equal(receipt.missing_count, 0);
	assert_int_equal(receive("{\"epoch\":\"e\",\"through\":0,\"missing\":[]}"), 0);
	assert_int_equal(receipt.through, 0);
}

static void a_receipt_that_contradicts_itself_is_not_believed(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"{\"through\":5}",
		"{\"epoch\":\"e\"}",
		"{\"epoch\":\"e\",\"through\":-1}",
		"{\"epoch\":\"e\",\"through\":5,\"missing\":{}}",
		"{\"epoch\":\"e\",\"through\":5,\"missing\":[1]}",
		"{\"epoch\":\"e\",\"through\":5,\"missing\":[[1]]}",
		"{\"epoch\":\"e\",\"through\":5,\"missing\":[[1,2,3]]}",
		"{\"epoch\":\"e\",\"through\":5,\"missing\":[[0,2]]}",
		"{\"epoch\":\"e\",\"through\":5,\"missing\":[[2,1]]}",
		"{\"epoch\":\"e\",\"through\":5,\"missing\":[[5,6]]}",
		"{\"epoch\":\"e\",\"through\":5,\"missing\":[[3,4],[4,5]]}",
		"{\"epoch\":\"e\",\"through\":5,\"missing\":[[3,4],[1,2]]}",
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (receive(wrong[i]) != -EINVAL)
			fail_msg("believed: %s", wrong[i]);
}

static void of_very_many_gaps_only_as_much_is_believed_as_is_kept(void **state)
{
	(void)state;
	char payload[4000] = "{\"epoch\":\"e\",\"through\":1000,\"missing\":[";
	for (int i = 0; i < PLATFORM_MISSING_MAX + 20; i++)
		sprintf(payload + strlen(payload), "%s[%d,%d]", i ? "," : "", 10 * i + 1, 10 * i + 2);
	strcat(payload, "]}");
	assert_int_equal(receive(payload), 0);
	assert_int_equal(receipt.missing_count, PLATFORM_MISSING_MAX);
	assert_int_equal(receipt.through, 10 * PLATFORM_MISSING_MAX);
}

static void answers_go_only_where_they_can_do_no_harm(void **state)
{
	(void)state;
	static const char *const fine[] = { ROOT "/response/status", "platform/answers/7", "a", "assay/v2/x",
		"assay/v1/330421/330421103-02/response/status" };
	static const char *const bad[] = { "", ROOT, ROOT "/result", ROOT "/status", ROOT "/request/replay",
		ROOT "x/result", "assay/v1/330421/330421103-02/receipt", "a/+/b", "a/#", "$SYS/x", "a\xff" };
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		assert_true(request_topic_allowed(fine[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (request_topic_allowed(bad[i]))
			fail_msg("allowed: %s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_needs_no_payload),
		cmocka_unit_test(replay_names_journal_and_range),
		cmocka_unit_test(a_manifest_is_asked_for_by_day),
		cmocka_unit_test(a_wrong_replay_says_what_would_be_right),
		cmocka_unit_test(unknown_requests_and_floods_are_refused),
		cmocka_unit_test(a_receipt_tells_how_far_and_what_is_missing),
		cmocka_unit_test(a_receipt_that_contradicts_itself_is_not_believed),
		cmocka_unit_test(of_very_many_gaps_only_as_much_is_believed_as_is_kept),
		cmocka_unit_test(answers_go_only_where_they_can_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
