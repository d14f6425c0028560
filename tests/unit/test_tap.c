/* A tap never makes the line wait, and says how much it left out. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/clock.h"
#include "../../daemon/tap.h"

static bool readable(const struct tap *tap, int ms)
{
	struct pollfd wait = { .fd = tap_fd(tap), .events = POLLIN };
	return poll(&wait, 1, ms) == 1;
}

static void what_is_put_is_taken_in_order_with_its_time(void **state)
{
	(void)state;
	struct tap *tap = tap_new(3);
	struct tap_item item;
	uint8_t bytes[TAP_BYTES_MAX], many[TAP_BYTES_MAX + 5] = { 7 };
	assert_int_equal(tap_unit(tap), 3);
	assert_false(readable(tap, 0));
	tap_put(tap, TAP_SENT, "ab", 2);
	tap_put(tap, TAP_RECEIVED, many, sizeof(many));
	tap_results(tap, 4);
	assert_true(readable(tap, 0));
	assert_int_equal(tap_take(tap, &item, bytes), 1);
	assert_true(item.kind == TAP_SENT && item.length == 2 && item.at_us >= 0);
	assert_memory_equal(bytes, "ab", 2);
	assert_int_equal(tap_take(tap, &item, bytes), 1);
	assert_true(item.kind == TAP_RECEIVED && item.length == TAP_BYTES_MAX);
	assert_memory_equal(bytes, many, TAP_BYTES_MAX);
	assert_int_equal(tap_take(tap, &item, bytes), 1);
	assert_true(item.kind == TAP_RECEIVED && item.length == 5);
	assert_int_equal(tap_take(tap, &item, bytes), 1);
	assert_true(item.kind == TAP_RESULTS && item.count == 4);
	assert_int_equal(tap_take(tap, &item, bytes), 0);
	assert_false(readable(tap, 0));
	tap_end(tap);
	assert_true(readable(tap, 0));
	assert_int_equal(tap_take(tap, &item, bytes), -1);
	tap_release(tap);
}

static void what_finds_no_room_is_counted_and_told_where_it_is_missing(void **state)
{
	(void)state;
	struct tap *tap = tap_new(0);
	struct tap_item item;
	uint8_t bytes[TAP_BYTES_MAX] = { 0 };
	unsigned long put = 0, taken = 0, dropped = 0;
	long begun = clock_ms();
	for (; put < 2000; put++)
		tap_put(tap, TAP_RECEIVED, bytes, sizeof(bytes));
	assert_in_range(clock_ms() - begun, 0, 2000); /* nobody takes, and nobody waits */
	for (int i = 0; i < 10; i++, taken++)
		assert_int_equal(tap_take(tap, &item, bytes), 1);
	tap_put(tap, TAP_SENT, "x", 1);
	while (tap_take(tap, &item, bytes) == 1 && item.kind == TAP_RECEIVED)
		taken++;
	assert_int_equal(item.kind, TAP_DROPPED); /* stands where they are missing */
	dropped += item.count;
	assert_int_equal(item.dropped_bytes, item.count * TAP_BYTES_MAX);
	assert_int_equal(taken + dropped, put);
	assert_true(taken > 100 && dropped > 100);
	assert_int_equal(tap_take(tap, &item, bytes), 1);
	assert_int_equal(item.kind, TAP_SENT);
	for (unsigned i = 0; i < 1000; i++)
		tap_put(tap, TAP_RECEIVED, bytes, sizeof(bytes));
	while (tap_take(tap, &item, bytes) == 1 && item.kind == TAP_RECEIVED)
		;
	assert_int_equal(item.kind, TAP_DROPPED); /* also when nothing comes after them */
	assert_int_equal(tap_take(tap, &item, bytes), 0);
	tap_release(tap);
}

enum { MANY = 200000 };

static void *put_many(void *context)
{
	for (uint32_t i = 0; i < MANY; i++)
		tap_put(context, TAP_RECEIVED, &i, sizeof(i));
	tap_end(context);
	tap_release(context);
	return NULL;
}

static void two_threads_lose_nothing_unsaid(void **state)
{
	(void)state;
	struct tap *tap = tap_new(0);
	pthread_t line;
	struct tap_item item;
	uint8_t bytes[TAP_BYTES_MAX];
	uint32_t next = 0, got;
	assert_int_equal(pthread_create(&line, NULL, put_many, tap_hold(tap)), 0);
	for (int taken; (taken = tap_take(tap, &item, bytes)) >= 0;) {
		if (taken == 0) {
			assert_true(readable(tap, 10000));
			continue;
		}
		if (item.kind == TAP_DROPPED) {
			next += (uint32_t)item.count;
			continue;
		}
		memcpy(&got, bytes, sizeof(got));
		assert_int_equal(got, next);
		next++;
	}
	assert_int_equal(next, MANY);
	tap_close(tap);
	assert_true(tap_is_closed(tap));
	pthread_join(line, NULL);
	tap_release(tap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_taken_in_order_with_its_time),
		cmocka_unit_test(what_finds_no_room_is_counted_and_told_where_it_is_missing),
		cmocka_unit_test(two_threads_lose_nothing_unsaid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
