#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../daemon/clock.h"
#include "../../daemon/judge.h"
#include "../../drivers/text.h"
#include "tables_fixture.h"

#include <time.h>

/* What the station keeps of its people and instruments. */
static const char items_text[] =
	"code,name,aliases,method,basis,unit,rule,limit_op,limit_value,limit_unit,limit_source,control_min\n"
	"PR-OPCB,有机磷,农药残留,enzyme-inhibition,GB/T 5009.199-2003,%,inhibition>=50,<,50,%,GB/T 5009.199-2003,0.3\n"
	"PR-OPCB-NY,有机磷,农药残留,enzyme-inhibition,NY/T 448-2001,%,inhibition>=70,<,70,%,NY/T 448-2001,0.3\n"
	"CBF,克百威,,colloidal-gold,,mg/kg,limit,<=,0.02,mg/kg,GB 2763-2016,\n"
	"IMI,吡虫啉,IMI-2,colloidal-gold,,mg/kg,,,,,,\n";
static const char operators_text[] = "id,name,certificate,valid_from,valid_until,trained_on\n"
				     "01,张三,A-1,,,\n"
				     "02,李四,A-2,,,ｐｒ-opcb；克百威\n"
				     "03,王五,A-3,,,Colloidal-Gold\n"
				     "04,赵六,A-4,,,an-1\n"
				     "05,孙七,A-5,,,PR-*\n"
				     "06,周八,A-6,,,农药残留\n"
				     "07,吴九,A-7,,,IMI-2\n"
				     "08,郑十,A-8,,, ; ;CBF\n";

static const char lots_text[] = "kind,lot,instruments,items,opened,expires\n"
				"strip,S-0,,CBF,2025-09-01,2026-01-31\n"
				"strip,KB2511,,CBF,2025-10-01,\n"
				"strip,S-1,,CBF,2026-02-01,2026-06-30\n"
				"reagent,R-1,pr-1,,2026-01-01,\n"
				"control,Q-1,pr-1,,2026-01-01,\n";

static const struct driver modbus = { .name = "modbus", .version = 1 };
static struct config station;

static struct judgement judged(const struct instrument_config *instrument, struct reading *reading)
{
	struct reception reception = {
		.received_ms = clock_parse_local("2026-08-01T09:43:02") * 1000,
		.clock_synced = true,
	};
	struct judgement judgement;
	if (!*reading->tested_at)
		text_copy(reading->tested_at, sizeof(reading->tested_at), "2026-03-05T09:41:20");
	judge(&station, instrument, reading, &reception, &judgement);
	return judgement;
}

static void a_test_of_something_else_than_learnt_is_flagged(void **state)
{
	(void)state;
	static const struct {
		const char *person, *item, *basis, *instrument;
		bool trained;
	} cases[] = {
		{ "01", "CBF", "", "pr-1", true },               /* nobody said: nothing is flagged */
		{ "02", "PR-OPCB", "", "pr-1", true },           /* by code, full width */
		{ "02", "农药残留", "NY/T 448", "pr-1", false }, /* another standard is another item */
		{ "02", "克百威", "", "pr-1", true }, { "02", "IMI", "", "pr-1", false },
		{ "03", "IMI", "", "pr-1", true },                                         /* by method */
		{ "03", "PR-OPCB", "", "pr-1", false }, { "04", "IMI", "", "an-1", true }, /* by instrument */
		{ "04", "IMI", "", "an-2", false }, { "05", "农药残留", "NY/T 448", "pr-1", true },
		{ "05", "CBF", "", "pr-1", false },
		{ "06", "PR-OPCB", "", "pr-1", true }, /* a name that two standards share means both */
		{ "06", "PR-OPCB-NY", "", "pr-1", true },
		{ "07", "吡虫啉", "", "pr-1", true }, /* by an alias of the item */
		{ "08", "IMI", "", "pr-1", false },   /* empty words of a list are no word */
		{ "08", "CBF", "", "pr-1", true }, { "02", "奥秘", "", "pr-1", true }, /* nobody knows what that is */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct instrument_config instrument = { .driver = &modbus };
		struct reading reading = { .channel = -1 };
		text_copy(instrument.id, sizeof(instrument.id), cases[i].instrument);
		text_copy(reading.item, sizeof(reading.item), cases[i].item);
		text_copy(reading.basis, sizeof(reading.basis), cases[i].basis);
		text_copy(reading.operator_id, sizeof(reading.operator_id), cases[i].person);
		const struct judgement judgement = judged(&instrument, &reading);
		if (judgement_has(&judgement, "operator_untrained") == cases[i].trained)
			fail_msg("%s, %s on %s", cases[i].person, cases[i].item, cases[i].instrument);
	}
}

static void a_certificate_of_calibration_holds_up_to_its_last_day(void **state)
{
	(void)state;
	static const struct {
		const char *until, *tested;
		bool expired;
	} cases[] = {
		{ "", "2026-03-05T09:00:00", false }, { "2026-03-05", "2026-03-05T09:00:00", false },
		{ "2026-03-04", "2026-03-05T09:00:00", true },
		{ "2026-03-04", "2026-03-04T23:59:59", false }, /* read on the day behind, tested before */
		{ "2026-07-31", "2011-01-01T00:00:00", true },  /* such a clock says no day: that of reception counts */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct instrument_config instrument = { .id = "pr-1", .driver = &modbus };
		struct reading reading = { .channel = -1, .item = "IMI" };
		text_copy(instrument.calibration.until, sizeof(instrument.calibration.until), cases[i].until);
		text_copy(reading.tested_at, sizeof(reading.tested_at), cases[i].tested);
		const struct judgement judgement = judged(&instrument, &reading);
		if (judgement_has(&judgement, "calibration_expired") != cases[i].expired)
			fail_msg("until %s, tested %s", cases[i].until, cases[i].tested);
	}
}

/* "strip S-1 station 2026-06-30 good; ..." */
static const char *lots_of(const struct judgement *judgement)
{
	static char text[400];
	*text = '\0';
	for (size_t i = 0; i < judgement->lot_count; i++) {
		const struct lot_used *used = &judgement->lots[i];
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s %s %s %s %s", i ? "; " : "",
			used->lot ? lot_kind_name(used->lot->kind) : "?", used->number,
			used->by_instrument ? "instrument" : "station", *used->expires ? used->expires : "-",
			used->good ? "good" : "expired");
	}
	return text;
}

static void a_test_names_its_lots_and_whose_word_that_is(void **state)
{
	(void)state;
	static const struct {
		const char *item, *instrument, *tested;
		enum kind kind;
		const char *word, *said; /* what else the instrument says */
		const char *expires, *lots;
	} cases[] = {
		/* by the station's table, and the day of the test */
		{ "CBF", "gold-1", "2026-06-30T23:59:59", .lots = "strip S-1 station 2026-06-30 good" },
		{ "CBF", "gold-1", "2026-07-01T00:00:00", .lots = "strip S-1 station 2026-06-30 expired" },
		{ "IMI", "gold-1", "2026-03-05T09:00:00", .lots = "" },
		{ "PR-OPCB", "pr-1", "2026-03-05T09:00:00", .lots = "reagent R-1 station - good" },
		{ "PR-OPCB", "pr-1", "2026-03-05T09:00:00", KIND_CONTROL,
			.lots = "reagent R-1 station - good; control Q-1 station - good" },
		/* the instrument knows better which strip it was; of other kinds it said nothing */
		{ "CBF", "gold-1", "2026-03-05T09:00:00", .word = "lot", .said = "S-0",
			.lots = "strip S-0 instrument 2026-01-31 expired" },
		{ "CBF", "gold-1", "2026-03-05T09:00:00", .word = "lot", .said = "X-9",
			.lots = "? X-9 instrument - good; strip S-1 station 2026-06-30 good" },
		{ "CBF", "gold-1", "2026-03-05T09:00:00", .word = "lot", .said = "S-0", .expires = "20270131",
			.lots = "strip S-0 instrument 2027-01-31 good" },
		{ "CBF", "gold-1", "2026-03-05T09:00:00", .word = "lot", .said = "X-9", .expires = "2026-03-04T00:00",
			.lots = "? X-9 instrument 2026-03-04 expired; strip S-1 station 2026-06-30 good" },
		{ "CBF", "gold-1", "2026-03-05T09:00:00", .word = "lot", .said = "X-9", .expires = "soon",
			.lots = "? X-9 instrument - good; strip S-1 station 2026-06-30 good" },
		/* in a comment, as ASTM readers send it */
		{ "IMI", "gold-1", "2026-03-05T09:00:00", .word = "comment", .said = "LOT 26001",
			.lots = "? 26001 instrument - good" },
		{ "IMI", "gold-1", "2026-03-05T09:00:00", .word = "comment", .said = "批号：26001;二号柜",
			.lots = "? 26001 instrument - good" },
		{ "IMI", "gold-1", "2026-03-05T09:00:00", .word = "comment", .said = "Lot#: A-7",
			.lots = "? A-7 instrument - good" },
		{ "IMI", "gold-1", "2026-03-05T09:00:00", .word = "comment", .said = "lot unknown", .lots = "" },
		{ "IMI", "gold-1", "2026-03-05T09:00:00", .word = "comment", .said = "a lot of 26001", .lots = "" },
		{ "IMI", "gold-1", "2026-03-05T09:00:00", .word = "comment", .said = "LOT", .lots = "" },
		/* in a strip's code, only what the table knows */
		{ "CBF", "gold-1", "2026-03-05T09:00:00", .word = "strip_code", .said = "CBF|KB2511|7",
			.lots = "strip KB2511 instrument - good" },
		{ "CBF", "gold-1", "2026-03-05T09:00:00", .word = "strip_code", .said = "CBF|ZZ2511|7",
			.lots = "strip S-1 station 2026-06-30 good" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct instrument_config instrument = { .driver = &modbus };
		struct reading reading = { .channel = -1, .kind = cases[i].kind };
		text_copy(instrument.id, sizeof(instrument.id), cases[i].instrument);
		text_copy(reading.item, sizeof(reading.item), cases[i].item);
		text_copy(reading.tested_at, sizeof(reading.tested_at), cases[i].tested);
		if (cases[i].word)
			reading_said(&reading, cases[i].word, cases[i].said);
		if (cases[i].expires)
			reading_said(&reading, "expires", cases[i].expires);
		const struct judgement judgement = judged(&instrument, &reading);
		if (strcmp(lots_of(&judgement), cases[i].lots) != 0)
			fail_msg("%s %s %s: \"%s\", not \"%s\"", cases[i].item, cases[i].tested,
				cases[i].said ? cases[i].said : "", lots_of(&judgement), cases[i].lots);
		if (judgement_has(&judgement, "lot_expired") != (strstr(cases[i].lots, "expired") != NULL))
			fail_msg("%s: the flag", cases[i].lots);
	}
}

static int enter(void **state)
{
	(void)state;
	struct faults faults = { 0 };
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	const char *path = write_table(items_text, strlen(items_text));
	assert_int_equal(items_load(path, &station.items, &faults), 0);
	remove_table(path);
	path = write_table(operators_text, strlen(operators_text));
	assert_int_equal(operators_load(path, &station.operators, &faults), 0);
	remove_table(path);
	path = write_table(lots_text, strlen(lots_text));
	assert_int_equal(lots_load(path, station.items, &station.lots, &faults), 0);
	remove_table(path);
	assert_int_equal(faults.count, 0);
	return 0;
}

static int leave(void **state)
{
	(void)state;
	items_free(station.items);
	operators_free(station.operators);
	lots_free(station.lots);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_test_of_something_else_than_learnt_is_flagged),
		cmocka_unit_test(a_test_names_its_lots_and_whose_word_that_is),
		cmocka_unit_test(a_certificate_of_calibration_holds_up_to_its_last_day),
	};
	return cmocka_run_group_tests(tests, enter, leave);
}
