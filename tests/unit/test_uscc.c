#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "../../drivers/uscc.h"

/* Registration numbers that are public facts, as found in other programs' tests; GB 32100-2015. */
static const char *const right[] = { "91350100M000100Y43", "91110105771583283D", "91110000802100433B",
	"91110108740084270C", "112302070019030687", "91110108735106340Y", "911101077776591113", "51610700305332460K",
	"91440300359143307G", "11610923MB2900168E", "1134082855783407XL", "91341000MA2N0ABGXX", "91110228397176695A",
	"91110111567495091J", "51100000500019541K", "11330283002982634F", "92510100MA61WJ3204", "52610500MJU60350X1",
	"91510000779827684C", "1142092201131905X1", "91440300311906854A", "51140200MJ1693047P", "913101135696449862",
	"91460600MA5RC30P9Y", "11991000010647510A", "91110113766754543Y", "121526004609138637", "52440111MJK9980480",
	"91330200750364874C", "123456789012345678", "91440300708461136T", "91110108551385082Q" };
static const char *const wrong[] = { "91350200M000000510", "91350128M00000019A", "91350100M000100Y4!", "short" };

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static void every_public_code_is_proven(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(right); i++) {
		assert_true(uscc_valid(right[i]));
		assert_true(uscc_shaped(right[i]));
		assert_int_equal(uscc_check(right[i]), right[i][17]);
	}
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_false(uscc_valid(wrong[i]));
}

static void one_character_read_wrong_is_seen(void **state)
{
	(void)state;
	static const char alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXYIOSVZa -";
	for (size_t i = 0; i < COUNT(right); i++)
		for (size_t at = 0; at < 18; at++)
			for (const char *letter = alphabet; *letter; letter++) {
				char code[19];
				strcpy(code, right[i]);
				code[at] = *letter;
				assert_int_equal(uscc_valid(code), *letter == right[i][at]);
			}
}

static void two_neighbours_exchanged_are_seen(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(right); i++)
		for (size_t at = 0; at < 17; at++) {
			char code[19];
			strcpy(code, right[i]);
			code[at] = right[i][at + 1];
			code[at + 1] = right[i][at];
			assert_int_equal(uscc_valid(code), code[at] == code[at + 1]);
		}
}

static void a_number_of_another_length_is_none(void **state)
{
	(void)state;
	char code[20];
	strcpy(code, right[0]);
	code[17] = '\0';
	assert_false(uscc_valid(code));
	snprintf(code, sizeof(code), "%s0", right[0]);
	assert_false(uscc_valid(code));
	assert_false(uscc_valid(""));
	assert_false(uscc_shaped(""));
	assert_false(uscc_shaped("202603050000000017")); /* a sample number */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_public_code_is_proven),
		cmocka_unit_test(one_character_read_wrong_is_seen),
		cmocka_unit_test(two_neighbours_exchanged_are_seen),
		cmocka_unit_test(a_number_of_another_length_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
