#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/filter.h"

static const char record[] =
	"{\"v\":1,\"kind\":\"sample\",\"sample\":{\"origin\":\"浙江省嘉善县魏塘街道\",\"event\":\"summit-depot\"},"
	"\"item\":{\"code\":\"VD-CAP\"},\"verdict\":\"positive\"}";

static bool passes(const struct filter *filter, const char *payload, enum entry_kind kind)
{
	struct stored stored = { .kind = kind, .payload = payload, .length = strlen(payload) };
	return filter_passes(filter, &stored);
}

#define SAYS(list, words) passes(&(struct filter){ .list = words }, record, ENTRY_RESULT)

static void an_empty_filter_lets_everything_pass(void **state)
{
	(void)state;
	struct filter filter = { 0 };
	assert_true(filter_is_open(&filter));
	assert_true(passes(&filter, record, ENTRY_RESULT));
	assert_true(passes(&filter, "{\"event\":\"overrun\"}", ENTRY_EVENT));
	assert_true(SAYS(items, "   "));
}

static void each_list_asks_its_own_member(void **state)
{
	(void)state;
	assert_true(SAYS(kinds, "qc sample"));
	assert_false(SAYS(kinds, "qc"));
	assert_true(SAYS(items, "PR-OPCB VD-CAP"));
	assert_true(SAYS(items, "VD-*"));
	assert_true(SAYS(items, "*"));
	assert_false(SAYS(items, "VD-"));
	assert_false(SAYS(items, "VD-CAPX VD"));
	assert_true(SAYS(verdicts, "suspect  positive"));
	assert_false(SAYS(verdicts, "negative"));
	assert_true(SAYS(origins, "上海市 浙江省嘉善县"));
	assert_false(SAYS(origins, "浙江省嘉善县魏塘街道东门村"));
	assert_true(SAYS(tags, "summit-depot"));
	assert_false(SAYS(tags, "summit"));
}

static void all_lists_must_agree(void **state)
{
	(void)state;
	struct filter filter = { .items = "VD-*", .verdicts = "positive" };
	assert_true(passes(&filter, record, ENTRY_RESULT));
	strcpy(filter.origins, "江苏省");
	assert_false(passes(&filter, record, ENTRY_RESULT));
}

static void what_a_record_does_not_say_is_in_no_list(void **state)
{
	(void)state;
	struct filter filter = { .origins = "浙江省" };
	assert_false(passes(&filter, "{\"kind\":\"sample\",\"verdict\":\"negative\"}", ENTRY_RESULT));
}

static void events_are_asked_for_by_kind_only(void **state)
{
	(void)state;
	struct filter filter = { .items = "PR-OPCB" };
	assert_true(passes(&filter, "{\"event\":\"overrun\"}", ENTRY_EVENT));
	strcpy(filter.kinds, "sample");
	assert_false(passes(&filter, "{\"event\":\"overrun\"}", ENTRY_EVENT));
	strcpy(filter.kinds, "sample event");
	assert_true(passes(&filter, "{\"event\":\"overrun\"}", ENTRY_EVENT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_filter_lets_everything_pass),
		cmocka_unit_test(each_list_asks_its_own_member),
		cmocka_unit_test(all_lists_must_agree),
		cmocka_unit_test(what_a_record_does_not_say_is_in_no_list),
		cmocka_unit_test(events_are_asked_for_by_kind_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
