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

/* Whether a control is valid, and by what. */
static const char items_text[] =
	"code,name,aliases,method,basis,unit,rule,limit_op,limit_value,limit_unit,limit_source,control_min\n"
	"INH,抑制率,,enzyme-inhibition,GB/T 5009.199-2003,%,inhibition>=50,<,50,%,GB/T 5009.199-2003,0.3\n"
	"LIM,克百威,,colloidal-gold,,mg/kg,limit,<=,0.02,mg/kg,GB 2763-2016,\n"
	"STRIP,消线,,colloidal-gold,,,elimination c=100 t=200..400,,,,,\n"
	"BARE,吡虫啉,,colloidal-gold,,mg/kg,,,,,,\n";

static struct config station;

struct one {
	const char *promise; /* and where it comes from */
	enum kind kind;
	const char *item, *expects; /* what the instrument says the control is */
	const char *name;           /* of the sample, as sent */
	enum verdict said;
	const char *value, *unit, *no_value;
	const char *signal, *amount, *other, *other_amount;
	enum control_state state;
	const char *rule; /* NULL: it is the instrument's word, or there is none */
};

static const struct one cases[] = {
	/* delta A: GB/T 5009.199-2003 wants the control at 0.3 or more */
	{ "delta A at the least is valid", KIND_CONTROL, "INH", .signal = "delta_a", .amount = "0.30",
		.state = CONTROL_VALID, .rule = "delta_a>=0.3" },
	{ "delta A below the least has failed", KIND_CONTROL, "INH", .signal = "delta_a", .amount = "0.2999",
		.state = CONTROL_FAILED, .rule = "delta_a>=0.3" },
	{ "a blank is measured like a control", KIND_BLANK, "INH", .signal = "delta_a_control", .amount = "0.914",
		.state = CONTROL_VALID, .rule = "delta_a>=0.3" },
	{ "no least, no judgement", KIND_CONTROL, "LIM", .signal = "delta_a", .amount = "0.1",
		.state = CONTROL_UNJUDGED },
	{ "no delta A, no judgement", KIND_CONTROL, "INH", .state = CONTROL_UNJUDGED },
	{ "a control's inhibition of 0 proves nothing of the enzyme", KIND_CONTROL, "INH", .value = "0.0", .unit = "%",
		.state = CONTROL_UNJUDGED },
	{ "nor does the instrument's verdict on it", KIND_CONTROL, "INH", .said = VERDICT_NEGATIVE, .value = "0.0",
		.unit = "%", .state = CONTROL_UNJUDGED },
	{ "a control that inhibits has failed", KIND_CONTROL, "INH", .value = "63.5", .unit = "%",
		.state = CONTROL_FAILED, .rule = "inhibition>=50" },
	{ "a low delta A fails whatever the verdict", KIND_CONTROL, "INH", .said = VERDICT_NEGATIVE,
		.signal = "delta_a", .amount = "0.1", .state = CONTROL_FAILED, .rule = "delta_a>=0.3" },
	{ "an enzyme control that its instrument calls invalid has failed", KIND_CONTROL, "INH",
		.said = VERDICT_INVALID, .signal = "delta_a", .amount = "0.9", .state = CONTROL_FAILED },
	{ "what is not available for a control is no fault of it", KIND_CONTROL, "INH", .said = VERDICT_INVALID,
		.no_value = "7FFE: not available", .state = CONTROL_UNJUDGED },
	{ "what the reader calls invalid is", KIND_CONTROL, "INH", .said = VERDICT_INVALID, .no_value = "7FFF: invalid",
		.state = CONTROL_FAILED },
	/* what it is made to show */
	{ "a negative control below the limit is valid", KIND_CONTROL, "LIM", "negative", .value = "0.01",
		.unit = "mg/kg", .state = CONTROL_VALID, .rule = "limit" },
	{ "a plain control shows nothing: above the limit it has failed", KIND_CONTROL, "LIM", .value = "0.05",
		.unit = "mg/kg", .state = CONTROL_FAILED, .rule = "limit" },
	{ "in another unit of the same measure too", KIND_CONTROL, "LIM", .value = "50", .unit = "ug/kg",
		.state = CONTROL_FAILED, .rule = "limit" },
	{ "a positive control must be positive", KIND_CONTROL, "LIM", "positive", .value = "0.05", .unit = "mg/kg",
		.state = CONTROL_VALID, .rule = "limit" },
	{ "a positive control that is not has failed", KIND_CONTROL, "LIM", "positive", .value = "0.01",
		.unit = "mg/kg", .state = CONTROL_FAILED, .rule = "limit" },
	{ "a spike is named by the one who measures it", KIND_QC, "LIM", .name = "加标菠菜", .value = "0.01",
		.unit = "mg/kg", .state = CONTROL_FAILED, .rule = "limit" },
	{ "as is a positive control", KIND_QC, "LIM", .name = "阳性对照", .value = "0.05", .unit = "mg/kg",
		.state = CONTROL_VALID, .rule = "limit" },
	{ "a spike by inhibition", KIND_QC, "INH", "spike", .value = "82.1", .unit = "%", .state = CONTROL_VALID,
		.rule = "inhibition>=50" },
	{ "a spike by inhibition that is weak", KIND_QC, "INH", "spike", .value = "12.1", .unit = "%",
		.state = CONTROL_FAILED, .rule = "inhibition>=50" },
	{ "a spike needs no delta A of a control", KIND_QC, "INH", "spike", .value = "82.1", .unit = "%",
		.signal = "delta_a", .amount = "0.1", .state = CONTROL_VALID, .rule = "inhibition>=50" },
	{ "quality control that nobody explains is not judged", KIND_QC, "LIM", .value = "0.05", .unit = "mg/kg",
		.state = CONTROL_UNJUDGED },
	{ "but invalid it is invalid", KIND_QC, "LIM", .said = VERDICT_INVALID, .state = CONTROL_FAILED },
	{ "suspect is not what it is made to show", KIND_CONTROL, "STRIP", .signal = "c", .amount = "500", .other = "t",
		.other_amount = "300", .state = CONTROL_FAILED, .rule = "elimination c=100 t=200..400" },
	{ "a strip without its own line is invalid", KIND_CONTROL, "STRIP", .signal = "c", .amount = "50", .other = "t",
		.other_amount = "500", .state = CONTROL_FAILED, .rule = "elimination c=100 t=200..400" },
	{ "a strip with both is a negative", KIND_CONTROL, "STRIP", .signal = "c", .amount = "500", .other = "t",
		.other_amount = "500", .state = CONTROL_VALID, .rule = "elimination c=100 t=200..400" },
	{ "the instrument's verdict goes before the rule", KIND_CONTROL, "LIM", .said = VERDICT_POSITIVE,
		.value = "0.01", .unit = "mg/kg", .state = CONTROL_FAILED },
	{ "the instrument's word where no item is known", KIND_CONTROL, "奥秘", .said = VERDICT_NEGATIVE,
		.state = CONTROL_VALID },
	{ "an item without a rule judges nothing", KIND_CONTROL, "BARE", .value = "1", .unit = "mg/kg",
		.state = CONTROL_UNJUDGED },
	{ "another unit judges nothing", KIND_CONTROL, "LIM", .value = "0.05", .unit = "mg/L",
		.state = CONTROL_UNJUDGED },
	{ "a calibration is no control", KIND_CALIBRATION, "INH", .value = "90", .unit = "%", .signal = "delta_a",
		.amount = "0.1", .state = CONTROL_NONE },
	{ "a sample is none either", KIND_SAMPLE, "LIM", .value = "1", .unit = "mg/kg", .state = CONTROL_NONE },
};

static struct judgement judged(const struct one *one)
{
	static const struct driver modbus = { .name = "modbus", .version = 1 };
	const struct instrument_config instrument = { .id = "an-1", .driver = &modbus };
	const struct reception reception = { .received_ms = 1772674982000, .clock_synced = true };
	struct reading reading = { .channel = -1, .kind = one->kind, .verdict = one->said };
	struct judgement judgement;
	text_copy(reading.item, sizeof(reading.item), one->item);
	if (one->expects)
		reading_said(&reading, kind_name(one->kind), one->expects);
	if (one->no_value)
		reading_said(&reading, "no_value", one->no_value);
	if (one->name)
		text_copy(reading.sample_name, sizeof(reading.sample_name), one->name);
	if (one->value)
		text_copy(reading.value, sizeof(reading.value), one->value);
	if (one->unit)
		text_copy(reading.unit, sizeof(reading.unit), one->unit);
	if (one->signal)
		reading_signal(&reading, one->signal, one->amount);
	if (one->other)
		reading_signal(&reading, one->other, one->other_amount);
	judge(&station, &instrument, &reading, &reception, &judgement);
	return judgement;
}

static void a_control_is_valid_by_what_is_known_of_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct one *one = &cases[i];
		const struct judgement judgement = judged(one);
		const char *rule = one->rule ? one->rule : "";
		if (judgement.control != one->state || strcmp(judgement.control_rule, rule) != 0)
			fail_msg("%s: %s by \"%s\"", one->promise, control_state_name(judgement.control),
				judgement.control_rule);
		if (judgement_has(&judgement, "control_failed") != (one->state == CONTROL_FAILED))
			fail_msg("%s: the flag", one->promise);
	}
}

/* The judge keeps what an instrument says of a control: its verdict, no limit, none of a sample's flags. */
static void a_control_is_still_no_sample(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct judgement judgement = judged(&cases[i]);
		if (cases[i].kind == KIND_SAMPLE)
			continue;
		assert_int_equal(judgement.verdict, cases[i].said);
		assert_string_equal(judgement.rule, "");
		assert_string_equal(judgement.limit.op, "");
		assert_string_equal(judgement.judged_unit, "");
		assert_false(judgement_has(&judgement, "unit_differs"));
		assert_false(judgement_has(&judgement, "retest_required"));
	}
}

static int enter(void **state)
{
	(void)state;
	struct faults faults = { 0 };
	const char *path = write_table(items_text, strlen(items_text));
	assert_int_equal(items_load(path, &station.items, &faults), 0);
	remove_table(path);
	assert_int_equal(faults.count, 0);
	return 0;
}

static int leave(void **state)
{
	(void)state;
	items_free(station.items);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_control_is_valid_by_what_is_known_of_it),
		cmocka_unit_test(a_control_is_still_no_sample),
	};
	return cmocka_run_group_tests(tests, enter, leave);
}
