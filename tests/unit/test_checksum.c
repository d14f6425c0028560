#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <string.h>

#include "../../drivers/checksum.h"

static void crc8_matches_the_readers_published_frames(void **state)
{
	(void)state;
	/* 7E cmd .. data crc AA, as published for 7E-AA readers: the checksum covers everything between 7E and itself
	 */
	static const uint8_t read_all[] = { 0x15, 0x04, 0x00, 0xFF, 0xFF, 0xFF, 0xFF };
	static const uint8_t last_batch[] = { 0x15, 0x04, 0x00, 0xFF, 0x00, 0x00, 0x00 };
	static const uint8_t hello[] = { 0x02, 0x04, 0x00, 0xFF, 0x02, 0x10, 0x10 };
	assert_int_equal(checksum_crc8(read_all, sizeof(read_all)), 0x4D);
	assert_int_equal(checksum_crc8(last_batch, sizeof(last_batch)), 0x2B);
	assert_int_equal(checksum_crc8(hello, sizeof(hello)), 0xF8);
	assert_int_equal(checksum_crc8(NULL, 0), 0);
}

static void crc16_matches_the_modbus_check_value_and_real_frames(void **state)
{
	(void)state;
	/* check value of CRC-16/MODBUS in the catalogue of parametrised CRC algorithms */
	assert_int_equal(checksum_crc16((const uint8_t *)"123456789", 9), 0x4B37);
	/* request of a gas flow meter's capture, sigrok-dumps uart/modbus_rtu/flowmeter (public domain): f7030000000
	 * 2d09d */
	static const uint8_t request[] = { 0xF7, 0x03, 0x00, 0x00, 0x00, 0x02 };
	assert_int_equal(checksum_crc16(request, sizeof(request)), 0x9DD0);
	/* published request of an oil tester: 01 65 00 00 00 01 8C 02 */
	static const uint8_t oil[] = { 0x01, 0x65, 0x00, 0x00, 0x00, 0x01 };
	assert_int_equal(checksum_crc16(oil, sizeof(oil)), 0x028C);
}

static void xor_and_sum_wrap_at_a_byte(void **state)
{
	(void)state;
	static const uint8_t header[] = { 0x03, 0xFF, 0x43, 0x00, 0x00, 0x00, 0x00, 0x00, 0x08, 0x00 };
	assert_int_equal(checksum_xor8(header, sizeof(header)), 0xB7);
	static const uint8_t report[] = { 0x08, 0x31, 0x01, 0x00, 0x00 };
	assert_int_equal(checksum_sum8(report, sizeof(report)), 0x3A);
	static const uint8_t full[] = { 0xFF, 0xFF, 0x03 };
	assert_int_equal(checksum_sum8(full, sizeof(full)), 0x01);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc8_matches_the_readers_published_frames),
		cmocka_unit_test(crc16_matches_the_modbus_check_value_and_real_frames),
		cmocka_unit_test(xor_and_sum_wrap_at_a_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
