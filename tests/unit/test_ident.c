#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../daemon/ident.h"

static const uint8_t identity[] = { 0x16, 0x00, 0xAA, 0x7E };

static struct reading reading_of_test(void)
{
	return (struct reading){
		.instrument_seq = "17",
		.tested_at = "2026-03-05T09:41:20",
		.channel = 3,
		.item = "农药残留",
		.repeatable = true,
		.identity = identity,
		.identity_length = sizeof(identity),
	};
}

static const char *id_of(const char *serial, const struct reading *reading)
{
	static char id[4][ENTRY_ID_MAX];
	static unsigned turn;
	ident_of_reading(id[turn % 4], "330421103-01", serial, "pr-1", reading);
	return id[turn++ % 4];
}

/* The expected ids were computed from the description in ident.h by ten lines of Python. */
static void an_id_can_be_computed_by_any_program(void **state)
{
	(void)state;
	struct reading reading = reading_of_test();
	assert_string_equal(id_of("SN2024007", &reading), "019cbba8-1200-825e-b34a-d61023d84fe2");
	assert_string_equal(id_of("", &reading), "019cbba8-1200-8b34-aae7-326349584b23");
	struct reading bare = { .channel = -1 };
	assert_string_equal(id_of("", &bare), "00000000-0000-89af-b225-adf986f1487c");
}

static void reading_the_same_test_again_gives_the_same_id(void **state)
{
	(void)state;
	struct reading reading = reading_of_test(), again = reading_of_test();
	uint8_t copy[sizeof(identity)];
	memcpy(copy, identity, sizeof(copy));
	again.identity = copy;
	/* what is no part of the identity may change between two readings */
	again.raw = copy;
	again.raw_length = sizeof(copy);
	strcpy(again.value, "12.5");
	strcpy(again.operator_name, "张三");
	assert_string_equal(id_of("S", &reading), id_of("S", &again));
}

static void a_name_from_a_table_that_people_may_change_is_no_part_of_the_id(void **state)
{
	(void)state;
	struct reading reading = reading_of_test(), renamed = reading_of_test();
	strcpy(renamed.item, "农药");
	reading.item_looked_up = renamed.item_looked_up = true;
	assert_string_equal(id_of("S", &reading), id_of("S", &renamed));
	reading.item[0] = '\0';
	reading.item_looked_up = false;
	assert_string_equal(id_of("S", &reading), id_of("S", &renamed));
}

static void whatever_tells_two_tests_apart_tells_their_ids_apart(void **state)
{
	(void)state;
	enum { CHANGES = 8 };
	char ids[CHANGES + 1][ENTRY_ID_MAX];
	for (int change = 0; change <= CHANGES; change++) {
		struct reading reading = reading_of_test();
		const char *serial = "S";
		switch (change) {
		case 1:
			strcpy(reading.instrument_seq, "18");
			break;
		case 2:
			strcpy(reading.tested_at, "2026-03-05T09:41:21");
			break;
		case 3:
			reading.channel = 4;
			break;
		case 4:
			strcpy(reading.item, "农药");
			break;
		case 5:
			reading.repeat = 1; /* alike to the last bit, and yet a second test */
			break;
		case 6:
			reading.identity_length--;
			break;
		case 7:
			serial = "";
			break;
		case 8: /* the lengths keep neighbours apart */
			strcpy(reading.instrument_seq, "172026");
			strcpy(reading.tested_at, "-03-05T09:41:20");
			break;
		default:
			break;
		}
		strcpy(ids[change], id_of(serial, &reading));
		for (int before = 0; before < change; before++)
			assert_string_not_equal(ids[before], ids[change]);
	}
	struct reading reading = reading_of_test();
	/* a serial number that reads like somebody's id is another thing */
	assert_string_not_equal(id_of("pr-1", &reading), id_of("", &reading));
}

static void ids_are_uuids_of_their_version(void **state)
{
	(void)state;
	struct reading reading = reading_of_test();
	for (unsigned i = 0; i < 1000; i++) {
		char id[ENTRY_ID_MAX];
		reading.repeat = i;
		ident_of_reading(id, "330421103-01", "", "pr-1", &reading);
		assert_int_equal(strlen(id), 36);
		assert_memory_equal(id, "019cbba8-1200-8", 15); /* 2026-03-05T09:41:20+08:00 in ms, version 8 */
		assert_non_null(strchr("89ab", id[19]));
		assert_int_equal(strspn(id, "0123456789abcdef-"), 36);
		ident_random(id, 0x019CBBA81200);
		assert_memory_equal(id, "019cbba8-1200-7", 15);
		assert_non_null(strchr("89ab", id[19]));
	}
}

static void every_event_has_an_id_of_its_own(void **state)
{
	(void)state;
	char one[ENTRY_ID_MAX], other[ENTRY_ID_MAX];
	for (int i = 0; i < 1000; i++) {
		ident_random(one, 1772674982000);
		ident_random(other, 1772674982000);
		assert_string_not_equal(one, other);
	}
	ident_random(one, -1); /* a clock before 1970 */
	assert_memory_equal(one, "00000000-0000-7", 15);
}

static int set_zone(void **state)
{
	(void)state;
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_can_be_computed_by_any_program),
		cmocka_unit_test(reading_the_same_test_again_gives_the_same_id),
		cmocka_unit_test(a_name_from_a_table_that_people_may_change_is_no_part_of_the_id),
		cmocka_unit_test(whatever_tells_two_tests_apart_tells_their_ids_apart),
		cmocka_unit_test(ids_are_uuids_of_their_version),
		cmocka_unit_test(every_event_has_an_id_of_its_own),
	};
	return cmocka_run_group_tests(tests, set_zone, NULL);
}
