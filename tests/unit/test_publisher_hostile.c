#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker_fixture.h"

#define ENTRIES 60

static bool all_delivered(struct stage *stage)
{
	return publisher_stats(stage->publisher)->through >= ENTRIES;
}

static bool is_lost(struct stage *stage)
{
	return publisher_stats(stage->publisher)->losses > 0;
}

static struct stage *hostile_stage(const char *mode)
{
	struct stage *stage = stage_new("");
	char port[8];
	snprintf(port, sizeof(port), "%d", stage->port);
	stage->broker = start_program(
		stage, "/usr/bin/python3", "tests/unit/hostile_broker.py", port, stage->heard, mode, NULL);
	assert_true(eventually(can_connect, stage, 5000));
	append(stage, 1, ENTRIES, false);
	return stage;
}

/* Everything is delivered although the broker behaves as `mode`; each entry was heard at least once. */
static struct stage *deliver(const char *mode, long ms)
{
	struct stage *stage = hostile_stage(mode);
	assert_true(stage_publish(stage));
	assert_true(eventually(all_delivered, stage, ms));
	for (unsigned number = 1; number <= ENTRIES; number++) {
		char what[40];
		snprintf(what, sizeof(what), "\"number\":%u,", number);
		if (count_of(stage, what) == 0)
			fail_msg("entry %u was not heard", number);
	}
	assert_int_equal(count_of(stage, "too many"), 0);
	return stage;
}

static void an_exceeded_quota_only_delays(void **state)
{
	(void)state;
	struct stage *stage = deliver("quota", 30000);
	assert_int_equal(publisher_stats(stage->publisher)->refused, 0);
	assert_int_equal(publisher_stats(stage->publisher)->losses, 0);
	stage_free(stage);
}

static void acknowledgements_may_come_in_any_order(void **state)
{
	(void)state;
	struct stage *stage = deliver("backwards", 15000);
	assert_int_equal(count_of(stage, "\"number\":"), ENTRIES);
	stage_free(stage);
}

static void doubled_and_invented_acknowledgements_deliver_nothing(void **state)
{
	(void)state;
	stage_free(deliver("twice", 15000));
}

static void what_was_never_acknowledged_is_sent_again(void **state)
{
	(void)state;
	struct stage *stage = hostile_stage("once-silent");
	stage->target.ack_timeout_ms = 1000;
	assert_true(stage_publish(stage));
	assert_true(eventually(is_lost, stage, 5000));
	assert_int_equal(publisher_stats(stage->publisher)->through, 0);
	assert_true(eventually(all_delivered, stage, 15000));
	assert_int_equal(count_of(stage, "\"number\":"), ENTRIES);
	stage_free(stage);
}

static void a_receive_maximum_of_three_is_never_exceeded(void **state)
{
	(void)state;
	stage_free(deliver("small-window", 20000));
}

static void bytes_that_are_no_mqtt_are_survived(void **state)
{
	(void)state;
	stage_free(deliver("garbage", 60000));
}

static void a_packet_of_256_megabytes_is_survived(void **state)
{
	(void)state;
	stage_free(deliver("huge", 60000));
}

static void acknowledgements_of_what_was_never_sent_deliver_nothing(void **state)
{
	(void)state;
	struct stage *stage = hostile_stage("wrong-ids");
	stage->target.ack_timeout_ms = 1000;
	assert_true(stage_publish(stage));
	assert_true(eventually(is_lost, stage, 5000));
	assert_int_equal(publisher_stats(stage->publisher)->through, 0);
	assert_true(eventually(all_delivered, stage, 15000));
	stage_free(stage);
}

static void a_connack_full_of_properties_is_survived(void **state)
{
	(void)state;
	stage_free(deliver("properties", 30000));
}

static bool is_past_all_codes(struct stage *stage)
{
	return publisher_stats(stage->publisher)->losses >= 8 && all_delivered(stage);
}

static void whatever_reason_the_broker_gives_nothing_is_set_aside(void **state)
{
	(void)state;
	struct stage *stage = hostile_stage("codes");
	stage->target.reconnect_max_ms = 200;
	assert_true(stage_publish(stage));
	assert_true(eventually(is_past_all_codes, stage, 60000));
	assert_int_equal(publisher_stats(stage->publisher)->refused, 0);
	stage_free(stage);
}

static void a_flood_from_the_broker_is_survived(void **state)
{
	(void)state;
	struct stage *stage = deliver("flood", 30000);
	assert_true(publisher_stats(stage->publisher)->requests_refused > 0);
	assert_int_equal(publisher_stats(stage->publisher)->refused, 0);
	stage_free(stage);
}

static bool is_taken_over(struct stage *stage)
{
	struct fault fault;
	publisher_fault(stage->publisher, &fault);
	return strstr(fault.text, "another client") != NULL;
}

static void a_takeover_is_named_and_answered_with_a_long_pause(void **state)
{
	(void)state;
	struct stage *stage = hostile_stage("takeover");
	assert_true(stage_publish(stage));
	/* the library may see the closed link before the broker's words: then the third link ended so is taken for it
	 */
	assert_true(eventually(is_taken_over, stage, 20000));
	unsigned long connects = publisher_stats(stage->publisher)->connects;
	usleep(2500000); /* the longest usual pause here is one second */
	assert_int_equal(publisher_stats(stage->publisher)->connects, connects);
	stage_free(stage);
}

static void an_entry_the_broker_dies_of_is_set_aside_and_the_rest_goes_on(void **state)
{
	(void)state;
	struct stage *stage = hostile_stage("poison");
	assert_true(stage_publish(stage));
	assert_true(eventually(all_delivered, stage, 60000));
	assert_int_equal(publisher_stats(stage->publisher)->refused, 1);
	assert_int_equal(count_of(stage, "\"number\":7,"), 0);
	for (unsigned number = 1; number <= ENTRIES; number++) {
		char what[40];
		snprintf(what, sizeof(what), "\"number\":%u,", number);
		if (number != 7 && count_of(stage, what) == 0)
			fail_msg("entry %u was not heard", number);
	}
	stage_free(stage);
}

static void no_entry_is_set_aside_for_a_network_that_comes_and_goes(void **state)
{
	(void)state;
	static const char *const modes[] = { "flapping", "weary" };
	for (size_t i = 0; i < 2; i++) {
		struct stage *stage = deliver(modes[i], 60000);
		assert_true(publisher_stats(stage->publisher)->losses >= 5);
		assert_int_equal(publisher_stats(stage->publisher)->refused, 0);
		stage_free(stage);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exceeded_quota_only_delays),
		cmocka_unit_test(acknowledgements_may_come_in_any_order),
		cmocka_unit_test(doubled_and_invented_acknowledgements_deliver_nothing),
		cmocka_unit_test(what_was_never_acknowledged_is_sent_again),
		cmocka_unit_test(a_receive_maximum_of_three_is_never_exceeded),
		cmocka_unit_test(bytes_that_are_no_mqtt_are_survived),
		cmocka_unit_test(a_packet_of_256_megabytes_is_survived),
		cmocka_unit_test(acknowledgements_of_what_was_never_sent_deliver_nothing),
		cmocka_unit_test(a_connack_full_of_properties_is_survived),
		cmocka_unit_test(whatever_reason_the_broker_gives_nothing_is_set_aside),
		cmocka_unit_test(a_flood_from_the_broker_is_survived),
		cmocka_unit_test(a_takeover_is_named_and_answered_with_a_long_pause),
		cmocka_unit_test(an_entry_the_broker_dies_of_is_set_aside_and_the_rest_goes_on),
		cmocka_unit_test(no_entry_is_set_aside_for_a_network_that_comes_and_goes),
	};
	cmocka_set_test_filter(getenv("TEST")); /* one of them alone */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
