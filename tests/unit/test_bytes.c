#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../drivers/bytes.h"

static const uint8_t sample[] = { 0x01, 0x02, 0x03, 0x84, 0x05, 0x06, 0x07, 0x88 };

static void both_byte_orders_read_as_written(void **state)
{
	(void)state;
	struct bytes bytes = bytes_of(sample, sizeof(sample));
	assert_int_equal(bytes_u8(&bytes), 0x01);
	assert_int_equal(bytes_u16le(&bytes), 0x0302);
	assert_int_equal(bytes_u16be(&bytes), 0x8405);
	assert_int_equal(bytes_left(&bytes), 3);
	bytes = bytes_of(sample, sizeof(sample));
	assert_true(bytes_u32le(&bytes) == 0x84030201U);
	assert_true(bytes_u32be(&bytes) == 0x05060788U);
	assert_int_equal(bytes_left(&bytes), 0);
	assert_false(bytes.failed);
}

static void reading_past_the_end_gives_nothing_and_is_remembered(void **state)
{
	(void)state;
	for (size_t length = 0; length < 4; length++) {
		struct bytes bytes = bytes_of(sample, length);
		assert_true(bytes_u32le(&bytes) == 0);
		assert_true(bytes.failed);
		bytes = bytes_of(sample, length);
		assert_true(bytes_u32be(&bytes) == 0);
		assert_true(bytes.failed);
		/* even what would still fit is not given after a failure */
		assert_int_equal(bytes_u8(&bytes), 0);
		assert_null(bytes_take(&bytes, 0));
	}
	struct bytes one = bytes_of(sample, 1);
	assert_int_equal(bytes_u16le(&one), 0);
	assert_true(one.failed);
	one = bytes_of(sample, 1);
	assert_int_equal(bytes_u16be(&one), 0);
	assert_true(one.failed);
}

static void an_empty_window_is_harmless(void **state)
{
	(void)state;
	struct bytes bytes = bytes_of(NULL, 0);
	assert_int_equal(bytes_left(&bytes), 0);
	assert_null(bytes_take(&bytes, 0));
	assert_false(bytes.failed);
	assert_int_equal(bytes_u8(&bytes), 0);
	assert_true(bytes.failed);
}

static void taking_gives_the_bytes_themselves(void **state)
{
	(void)state;
	struct bytes bytes = bytes_of(sample, sizeof(sample));
	assert_ptr_equal(bytes_take(&bytes, 3), sample);
	assert_ptr_equal(bytes_take(&bytes, 5), sample + 3);
	assert_null(bytes_take(&bytes, 1));
	assert_true(bytes.failed);
}

static void bcd_accepts_digits_only(void **state)
{
	(void)state;
	for (unsigned value = 0; value < 256; value++) {
		uint8_t byte = (uint8_t)value;
		struct bytes bytes = bytes_of(&byte, 1);
		unsigned number = bytes_bcd(&bytes);
		if (value % 16 > 9 || value / 16 > 9) {
			assert_true(bytes.failed);
			assert_int_equal(number, 0);
		} else {
			assert_false(bytes.failed);
			assert_int_equal(number, value / 16 * 10 + value % 16);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_byte_orders_read_as_written),
		cmocka_unit_test(reading_past_the_end_gives_nothing_and_is_remembered),
		cmocka_unit_test(an_empty_window_is_harmless),
		cmocka_unit_test(taking_gives_the_bytes_themselves),
		cmocka_unit_test(bcd_accepts_digits_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
