/* All 52 vectors of the field, each through the driver it belongs to, and what it must give.
 *
 * The vectors of one instrument follow each other as on its line, so that an answer finds its question and a result its
 * order. A vector more or less, or another title, fails here. That our questions are these: test_vector_dialogues.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../drivers/checksum.h"
#include "vectors_fixture.h"

/* ---- what each vector must give ---- */

enum outcome {
	QUESTION, /* the host's words: understood as such, no row */
	FOREIGN,  /* the host's words, which are no line of the profile's: passed over as noise, no row */
	ANSWER,   /* the instrument's words, but no result: no row */
	ROWS,
	REFUSED,   /* a wrong checksum: that frame is noise, no row */
	NO_DRIVER, /* a USB-HID variant; there is no HID link. Only the checksum is looked at. */
};

/* A row: sample number, sample name | item | qualifier and value | unit | verdict | time | kind | running number,
 * channel. Rows are parted by line ends. */
static const struct expected {
	const char *instrument, *title;
	enum outcome outcome;
	const char *rows;
} table[] = {
	{ "A1", "A1 host hello", QUESTION, "" },
	{ "A1", "A1 device model ack (0x11 = 8-ch 10-in-1)", ANSWER, "" },
	{ "A1", "A1 host download", QUESTION, "" },
	{ "A1", "A1 device ack", ANSWER, "" },
	{ "A1", "A1 group 8-ch layout: idx 1, 2026-03-05 09:41:20 kind 1; ch1 control 0.914, ch2 abs 0.570 inhib 37.6",
		ROWS,
		",||0|%|none|2026-03-05T09:41:20|control|1,1\n"
		",||37.6|%|none|2026-03-05T09:41:20|sample|1,2\n" },
	{ "A1",
		"A1 group 16/24/32-ch layout: kind 2 mask 0x80 with slot 8 filled (as in the published example, LSB=ch1) grp 0x10; "
		"abs 1.932 conc 1010.9",
		ROWS, ",|2|1010.9||none|2026-03-05T09:41:20|sample|16,8\n" },
	{ "A1", "A1 host next", QUESTION, "" },
	{ "A1", "A1 device end", ANSWER, "" },

	{ "A2", "A2 host comm test", QUESTION, "" },
	{ "A2", "A2 host count 2026-03-05", QUESTION, "" },
	{ "A2", "A2 host read 2026-03-05", QUESTION, "" },
	{ "A2", "A2 record 1/2: no 17 菠菜 12.34%", ROWS, "17,菠菜||12.34|%|none|2026-03-05T09:41:20|sample|17,-1\n" },
	{ "A2", "A2 record 2/2: no 18 韭菜 63.50%", ROWS, "18,韭菜||63.50|%|none|2026-03-05T09:41:20|sample|18,-1\n" },
	{ "A2", "A2 record with flipped bit (must be rejected)", REFUSED, "" },

	{ "A2b", "A2b host read all", QUESTION, "" },
	{ "A2b", "A2b host read last batch", QUESTION, "" },
	{ "A2b", "A2b record 1/3 ch1 GB 12.4% pass", ROWS, ",||12.4|%|negative|2026-03-05T09:41:20|sample|17,1\n" },
	{ "A2b", "A2b record 2/3 ch2 NY 71.0% over", ROWS, ",||71.0|%|positive|2026-03-05T09:41:20|sample|18,2\n" },
	{ "A2b", "A2b record 3/3 ch3 0x7FFE = NA (keep, report invalid)", ROWS,
		",|||%|invalid|2026-03-05T09:41:20|sample|19,3\n" },

	{ "A3", "A3 host identify", QUESTION, "" },
	{ "A3", "A3 host count 2026-03-05", QUESTION, "" },
	{ "A3", "A3 device range reply first=4 last=6", ANSWER, "" },
	{ "A3", "A3 host read record 4", QUESTION, "" },
	{ "A3", "A3 device record 4: ch0 control, ch1 12.4%, ch2 63.5% suspect, ch3 invalid", ROWS,
		",|0|0.0|%|none|2026-03-05T09:41:20|control|4,0\n"
		",|0|12.4|%|none|2026-03-05T09:41:20|sample|4,1\n"
		",|0|63.5|%|suspect|2026-03-05T09:41:20|sample|4,2\n"
		",|0||%|invalid|2026-03-05T09:41:20|sample|4,3\n" },
	{ "A4", "A4 device text record (GBK, 0x0D separated)", ROWS,
		"S0017,|孔雀石绿|0.00|μg/kg|negative|2026-03-05T09:58:00|sample|1,-1\n" },

	{ "A5", "A5 host count/serial/end", QUESTION, "" },
	{ "A5", "A5 device n=3 g=1042", ANSWER, "" },
	/* the meter says limits and no verdict: pass, caution and fail are the judge's (tests/unit/test_judge.c) */
	{ "A5", "A5 rec 12: 8 RLU pass", ROWS, ",||8|RLU|none|2026-03-05T09:41:20|sample|12,-1\n" },
	{ "A5", "A5 rec 13: 24 RLU caution", ROWS, ",||24|RLU|none|2026-03-05T09:41:50|sample|13,-1\n" },
	{ "A5", "A5 rec 14: 412 RLU fail", ROWS, ",||412|RLU|none|2026-03-05T09:42:20|sample|14,-1\n" },
	{ "A5b", "A5b HID count request", NO_DRIVER, "" },
	{ "A5b", "A5b HID read from index 3", NO_DRIVER, "" },

	{ "A6a", "A6a FC 0x65 page 0 count 1", QUESTION, "" },
	{ "A6a", "A6a reply 175.5C 23.5%", ROWS, ",|OIL-TPM|23.5|%|none|2026-03-05T09:41:00|sample|,-1\n" },

	{ "A6b", "A6b read status 0x12..0x1F", QUESTION, "" },
	{ "A6b", "A6b status reply NEW_DATA 12ch cap500 count3 seq40..42 RTC 2026-03-05 09:45:02", ANSWER, "" },
	{ "A6b", "A6b select seq 41", QUESTION, "" },
	{ "A6b", "A6b command 1 latch", QUESTION, "" },
	{ "A6b", "A6b read window 0x100..0x12D", QUESTION, "" },
	{ "A6b", "A6b window reply ABCD", ROWS, "S0017,菠菜|101|12.34|%|negative|2026-03-05T09:41:20|sample|41,3\n" },
	{ "A6b-CDAB", "A6b window reply CDAB", ROWS,
		"S0017,菠菜|101|12.34|%|negative|2026-03-05T09:41:20|sample|41,3\n" },
	{ "A6b", "A6b exception illegal address", ANSWER, "" },

	{ "A7", "A7 ASTM frame 1", ANSWER, "" },
	{ "A7", "A7 ASTM frame 2", ANSWER, "" },
	{ "A7", "A7 ASTM frame 3", ANSWER, "" },
	/* flag N is the verdict as sent; what it means is said by the setting `flags` */
	{ "A7", "A7 ASTM frame 4", ROWS, "S0017,|CHLORPYRIFOS|0.012|mg/kg|negative|2026-03-05T09:41:20|sample|1,-1\n" },
	{ "A7", "A7 ASTM frame 5", ANSWER, "" },

	/* the ticket prints no unit behind its result */
	{ "A8", "A8 thermal ticket (GBK)", ROWS,
		"S0017,菠菜|农药残留|12.34||negative|2026-03-05T09:41:20|sample|00017,3\n" },

	{ "A9", "A9 host query", FOREIGN, "" },
	{ "A9", "A9 reply", ROWS,
		"S0017,|甲醛|2.30|mg/kg|negative|2026-03-05T09:41:20|sample|,-1\n"
		"S0018,|甲醛|12.90|mg/kg|positive|2026-03-05T09:41:20|sample|,-1\n" },

	{ "A10", "A10 57-byte push (published example, checksum 0x59)", ROWS,
		"102,|hs-CRP|<0.5|mg/L|none||sample|102,-1\n" },
	{ "A10", "A10 57-byte push AFB1 3.2 ug/kg", ROWS, "S0017,|AFB1|3.2|ug/kg|none||sample|17,-1\n" },
};

/* ---- each vector, decoded ---- */

static void there_are_52_vectors_and_each_has_its_row_in_the_table(void **state)
{
	(void)state;
	assert_int_equal(vector_count, VECTORS);
	assert_int_equal(sizeof(table) / sizeof(table[0]), VECTORS);
	for (size_t i = 0; i < VECTORS; i++) {
		assert_string_equal(vectors[i].title, table[i].title);
		assert_int_equal(vectors[i].length, vectors[i].promised);
	}
}

static bool is_as_expected(
	struct paper *paper, const struct expected *expected, const struct vector *vector, size_t step)
{
	forget(paper);
	hear(paper, vector->bytes, vector->length, step, true);
	bool noise = expected->outcome == REFUSED || expected->outcome == FOREIGN;
	bool right = strcmp(paper->rows, expected->rows) == 0 &&
	             (paper->row_count > 0) == (expected->outcome == ROWS) &&
	             paper->noise == (noise ? vector->length : 0) && paper->rejected == 0;
	if (!right)
		print_error("%s: %zu bytes of noise, %u rejected\n%s", vector->title, paper->noise, paper->rejected,
			paper->rows);
	return right;
}

/* 08 command a b c sum: the sum of the five bytes before it. */
static void check_hid(const struct vector *vector)
{
	assert_int_equal(vector->bytes[6], checksum_sum8(vector->bytes + 1, 5));
}

static void check_all(size_t step)
{
	struct paper *papers[CONFIGURATIONS] = { NULL };
	size_t wrong = 0;
	for (size_t i = 0; i < VECTORS; i++) {
		if (table[i].outcome == NO_DRIVER) {
			check_hid(&vectors[i]);
			continue;
		}
		size_t which = 0;
		while (strcmp(configurations[which].instrument, table[i].instrument) != 0)
			assert_true(++which < CONFIGURATIONS);
		if (!papers[which])
			papers[which] = paper_new(table[i].instrument, NULL, NULL, "");
		wrong += !is_as_expected(papers[which], &table[i], &vectors[i], step);
	}
	for (size_t i = 0; i < CONFIGURATIONS; i++) {
		assert_int_equal(cutter_held(&papers[i]->cutter), 0); /* nothing was left over */
		paper_free(papers[i]);
	}
	assert_int_equal(wrong, 0);
}

static void each_vector_gives_what_the_table_says(void **state)
{
	(void)state;
	check_all(VECTOR_MAX);
}

static void each_vector_gives_the_same_byte_by_byte(void **state)
{
	(void)state;
	check_all(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_are_52_vectors_and_each_has_its_row_in_the_table),
		cmocka_unit_test(each_vector_gives_what_the_table_says),
		cmocka_unit_test(each_vector_gives_the_same_byte_by_byte),
	};
	return cmocka_run_group_tests_name("vectors", tests, read_vectors, NULL);
}
