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

/* The station's tables of these tests. Thresholds of strips and lights are their instruments', the rest the standards'.
 */
static const char items_text[] =
	"code,name,aliases,method,basis,unit,rule,limit_op,limit_value,limit_unit,limit_source,control_min,interfering\n"
	"PR-OPCB,有机磷和氨基甲酸酯类农药残留,农药残留,enzyme-inhibition,GB/T 5009.199-2003,%,inhibition>=50,<,50,%,GB/T "
	"5009.199-2003,0.3,韭菜;葱\n"
	"PR-OPCB-NY,有机磷和氨基甲酸酯类农药残留,农药残留,enzyme-inhibition,NY/T 448-2001,%,inhibition>=70,<,70,%,NY/T "
	"448-2001,0.3,\n"
	"CBF,克百威,,colloidal-gold,,mg/kg,limit,<=,0.02,mg/kg,GB 2763-2016,,\n"
	"TET,四环素类,,colloidal-gold,,ug/kg,limit,,,,,,\n"
	"PCM,腐霉利,,colloidal-gold,,mg/kg,limit,,,,,,\n"
	"FIP,氟虫腈,,colloidal-gold,,ug/kg,limit,<,50,ug/kg,vendor,,\n"
	"CLB,盐酸克伦特罗,,colloidal-gold,,ug/kg,not-detected,,,,,,\n"
	"FOR,甲醛,,standard-curve,,mg/kg,detected>=0.5,,,,,,\n"
	"IMI,吡虫啉,,colloidal-gold,,mg/kg,,,,,,,\n"
	"STRIP,消线,,colloidal-gold,,,elimination c=100 t=200..400,,,,,,\n"
	"RATIO,比色,,colloidal-gold,,,ratio c=100 tc=0.4..0.8,,,,,,\n"
	"ATP,洁净度,,luminometry,,RLU,two-limits 10..30,,,,,,\n";
static const char limits_text[] = "item,samples,op,value,unit,source,valid_from,valid_until\n"
				  "TET,鸡蛋;蛋,<=,200,ug/kg,GB 31650-2019\nTET,肉,<=,100,ug/kg,GB 31650-2019\n"
				  "TET,奶,<=,100,ug/kg,GB 31650,2020-04-01,2026-03-04\n"
				  "TET,奶,<=,50,ug/kg,GB 31650,2026-03-05,\n"
				  "TET,虾,<=,100,ug/kg,GB 31650,,2026-03-04\n";
static const char operators_text[] = "id,name,aliases,certificate,valid_from,valid_until\n"
				     "01,张三,ZS,A-1,2024-03-01,2027-02-28\n02,李四,,A-2,2024-03-01,2026-03-04\n";

static const struct driver reader = { .name = "seven-e-aa", .item = "PR-OPCB", .version = 1 };
static const struct driver modbus = { .name = "modbus", .version = 1 };
static struct config station;

struct one {
	const char *promise; /* and the clause or source it follows */
	/* the reading; what is not written was not said */
	enum kind kind;
	enum verdict said;
	const char *item, *basis, *value, *qualifier, *unit, *signals, *limit, *sample, *tested, *person;
	unsigned marks;
	bool unsynced, unset, is_reader; /* unset: our clock stands at 1970 */
	/* what the judge makes of it */
	enum verdict verdict;
	const char *by, *rule, *flags, *judged; /* `judged`: value and unit, where converted */
};

#define PERCENT(text) .value = (text), .unit = "%"
#define GATEWAY       .by = "gateway"
#define INSTRUMENT    .by = "instrument"
#define POSITIVE      .verdict = VERDICT_POSITIVE
#define NEGATIVE      .verdict = VERDICT_NEGATIVE
#define SUSPECT       .verdict = VERDICT_SUSPECT
#define INVALID       .verdict = VERDICT_INVALID
#define GB50          .rule = "inhibition>=50"
#define NY70          .rule = "inhibition>=70"

static const struct one inhibition_cases[] = {
	{ "GB/T 5009.199-2003: under 50 % is negative", .item = "PR-OPCB", PERCENT("12.34"), NEGATIVE, GATEWAY, GB50 },
	{ "GB/T 5009.199-2003: 50 % and over is positive, to be repeated", .item = "PR-OPCB", PERCENT("63.50"),
		POSITIVE, GATEWAY, GB50, .flags = "retest_required" },
	{ "exactly 50.00 % is positive (collectors disagree here)", .item = "PR-OPCB", PERCENT("50.00"), POSITIVE,
		GATEWAY, GB50, .flags = "retest_required" },
	{ "49.99 % is negative: nothing is rounded", .item = "PR-OPCB", PERCENT("49.99"), NEGATIVE, GATEWAY, GB50 },
	{ "50 without decimals is 50", .item = "PR-OPCB", PERCENT("50"), POSITIVE, GATEWAY, GB50,
		.flags = "retest_required" },
	{ "negative inhibition happens and is negative", .item = "PR-OPCB", PERCENT("-4.80"), NEGATIVE, GATEWAY, GB50 },
	{ "NY/T 448-2001: 69.9 % is negative", .item = "PR-OPCB-NY", PERCENT("69.9"), NEGATIVE, GATEWAY, NY70 },
	{ "NY/T 448-2001: 70 % is positive", .item = "PR-OPCB-NY", PERCENT("70.0"), POSITIVE, GATEWAY, NY70,
		.flags = "retest_required" },
	{ "the basis chooses the standard: 60 % by NY/T 448", .item = "农药残留", .basis = "NY/T 448-2001",
		PERCENT("60.0"), NEGATIVE, GATEWAY, NY70 },
	{ "the basis chooses the standard: 60 % by GB/T 5009.199", .item = "农药残留", .basis = "GB/T 5009.199-2003",
		PERCENT("60.0"), POSITIVE, GATEWAY, GB50, .flags = "retest_required" },
	{ "a basis without its year is the standard", .item = "农药残留", .basis = "NY/T448", PERCENT("71.0"), POSITIVE,
		GATEWAY, NY70, .flags = "retest_required" },
	{ "a basis nobody knows has no threshold here", .item = "农药残留", .basis = "DB33/T 1-2020", PERCENT("60.0"),
		.flags = "unmapped_basis" },
	{ "an inhibition reader measures PR-OPCB when it says nothing (A2)", .is_reader = true, PERCENT("63.50"),
		POSITIVE, GATEWAY, GB50, .flags = "retest_required" },
	{ "an inhibition reader that names NY/T 448 measures PR-OPCB-NY (A2b, standard 01)", .is_reader = true,
		.basis = "NY/T 448-2001", PERCENT("63.5"), NEGATIVE, GATEWAY, NY70 },
	{ "other drivers' instruments measure what they say, or nobody knows", PERCENT("63.50"),
		.flags = "unmapped_item" },
	{ "an inhibition in mg/kg is none", .item = "PR-OPCB", .value = "63.50", .unit = "mg/kg",
		.flags = "unit_differs" },
	{ "a value without a unit is not judged", .item = "PR-OPCB", .value = "63.50", .flags = "unit_missing" },
	{ "no value, no verdict", .item = "PR-OPCB", .unit = "%" },
	{ "a value that is no number is not judged", .item = "PR-OPCB", PERCENT("6E1"), .flags = "unmapped_value" },
	{ "over 70 is over 50", .item = "PR-OPCB", PERCENT("70"), .qualifier = ">", POSITIVE, GATEWAY, GB50,
		.flags = "retest_required" },
	{ "over 40 may be under 50", .item = "PR-OPCB", PERCENT("40"), .qualifier = ">" },
	{ "under 50 is negative", .item = "PR-OPCB", PERCENT("50"), .qualifier = "<", NEGATIVE, GATEWAY, GB50 },
	{ "at most 50 may be 50", .item = "PR-OPCB", PERCENT("50"), .qualifier = "<=" },
	{ "at least 50 is positive", .item = "PR-OPCB", PERCENT("50"), .qualifier = ">=", POSITIVE, GATEWAY, GB50,
		.flags = "retest_required" },
	{ "under 60 may be over 50", .item = "PR-OPCB", PERCENT("60"), .qualifier = "<" },
	{ "leek gives false positives (whole-plant extraction)", .item = "PR-OPCB", PERCENT("63.50"), .sample = "韭菜",
		POSITIVE, GATEWAY, GB50, .flags = "retest_required,matrix_interference" },
	{ "a spring onion is an onion", .item = "PR-OPCB", PERCENT("63.50"), .sample = "小葱", POSITIVE, GATEWAY, GB50,
		.flags = "retest_required,matrix_interference" },
	{ "leek that is negative interferes with nothing", .item = "PR-OPCB", PERCENT("12.00"), .sample = "韭菜",
		NEGATIVE, GATEWAY, GB50 },
};

static const struct one instrument_cases[] = {
	{ "the instrument's verdict is the record's (TL-310: 02 ok)", .item = "PR-OPCB", .said = VERDICT_NEGATIVE,
		PERCENT("12.4"), NEGATIVE, INSTRUMENT, GB50 },
	{ "the instrument's positive is to be repeated too", .item = "PR-OPCB", .said = VERDICT_POSITIVE,
		PERCENT("71.0"), POSITIVE, INSTRUMENT, GB50, .flags = "retest_required" },
	{ "an instrument is not overridden, but contradicted: 63.5 % told negative", .item = "PR-OPCB",
		.said = VERDICT_NEGATIVE, PERCENT("63.5"), NEGATIVE, INSTRUMENT, GB50, .flags = "verdict_disagrees" },
	{ "60 % told positive by NY/T 448", .is_reader = true, .basis = "NY/T 448-2001", .said = VERDICT_POSITIVE,
		PERCENT("60.0"), POSITIVE, INSTRUMENT, NY70, .flags = "verdict_disagrees,retest_required" },
	{ "suspect is a verdict of its own and still carries a value", .item = "PR-OPCB", .said = VERDICT_SUSPECT,
		PERCENT("48.0"), SUSPECT, INSTRUMENT, GB50, .flags = "verdict_disagrees" },
	{ "NA (0x7FFE) stays invalid", .is_reader = true, .said = VERDICT_INVALID, .unit = "%", INVALID, INSTRUMENT },
	{ "invalid stays invalid whatever the value", .item = "PR-OPCB", .said = VERDICT_INVALID, PERCENT("63.5"),
		INVALID, INSTRUMENT },
	{ "an unknown item keeps the instrument's verdict", .item = "奥秘", .said = VERDICT_POSITIVE, PERCENT("63.5"),
		POSITIVE, INSTRUMENT, .flags = "unmapped_item" },
	{ "an unknown item without a verdict has none", .item = "奥秘", PERCENT("63.5"), .flags = "unmapped_item" },
	{ "a control well is not judged", .kind = KIND_CONTROL, .item = "PR-OPCB", PERCENT("63.5"),
		.flags = "control_failed" },
	{ "a blank is not judged", .kind = KIND_BLANK, .item = "PR-OPCB", PERCENT("0.1") },
	{ "a positive control keeps the instrument's verdict and needs no retest", .kind = KIND_QC, .item = "PR-OPCB",
		.said = VERDICT_POSITIVE, PERCENT("95.0"), POSITIVE, INSTRUMENT },
	{ "calibration is not judged", .kind = KIND_CALIBRATION, .item = "CBF", .value = "1", .unit = "mg/kg" },
};

static const struct one signal_cases[] = {
	{ "GB/T 5009.199-2003 formula: (0.914 - 0.570) / 0.914 = 37.6 %", .item = "PR-OPCB", PERCENT("37.6"),
		.signals = "delta_a_control=0.914;delta_a=0.570", NEGATIVE, GATEWAY, GB50 },
	{ "an added random amount shows (vendor source of 2026-04)", .item = "PR-OPCB", PERCENT("39.1"),
		.signals = "delta_a_control=0.914;delta_a=0.570", NEGATIVE, GATEWAY, GB50,
		.flags = "inhibition_disagrees" },
	{ "exactly 0.5 points is still agreement", .item = "PR-OPCB", PERCENT("50.5"),
		.signals = "delta_a_control=0.800;delta_a=0.400", POSITIVE, GATEWAY, GB50, .flags = "retest_required" },
	{ "0.51 points is not", .item = "PR-OPCB", PERCENT("49.49"), .signals = "delta_a_control=0.800;delta_a=0.400",
		NEGATIVE, GATEWAY, GB50, .flags = "inhibition_disagrees" },
	{ "from the sample's absorbance where it stands beside the control's (A6b window)", .item = "PR-OPCB",
		PERCENT("12.34"), .signals = "abs=0.801;delta_a_control=0.914", NEGATIVE, GATEWAY, GB50 },
	{ "from two absorbances", .item = "PR-OPCB", PERCENT("12.34"), .signals = "abs=0.801;abs_control=0.700",
		NEGATIVE, GATEWAY, GB50, .flags = "inhibition_disagrees" },
	{ "an absorbance alone says nothing (A2b)", .is_reader = true, PERCENT("12.4"), .signals = "abs=0.570",
		NEGATIVE, GATEWAY, GB50 },
	{ "a control of 0 divides nothing", .item = "CBF", .value = "0.01", .unit = "mg/kg",
		.signals = "delta_a_control=0;delta_a=0.1", NEGATIVE, GATEWAY, .rule = "limit" },
	{ "GB/T 5009.199-2003: a control under 0.3 is low", .item = "PR-OPCB", PERCENT("12.3"),
		.signals = "delta_a_control=0.299", NEGATIVE, GATEWAY, GB50, .flags = "control_low" },
	{ "a control of 0.3 is not", .item = "PR-OPCB", PERCENT("12.3"), .signals = "delta_a_control=0.300", NEGATIVE,
		GATEWAY, GB50 },
	{ "a control well tells its own delta A", .kind = KIND_CONTROL, .item = "PR-OPCB", .signals = "delta_a=0.15",
		.flags = "control_low,control_failed" },
	{ "strip, elimination: C at most 100 is invalid, asked first", .item = "STRIP", .signals = "c=100;t=500",
		INVALID, GATEWAY, .rule = "elimination c=100 t=200..400" },
	{ "strip, elimination: T over the maximum is negative", .item = "STRIP", .signals = "c=900;t=400.1", NEGATIVE,
		GATEWAY, .rule = "elimination c=100 t=200..400" },
	{ "strip, elimination: T under the minimum is positive (competitive)", .item = "STRIP",
		.signals = "c=900;t=199.9", POSITIVE, GATEWAY, .rule = "elimination c=100 t=200..400" },
	{ "strip, elimination: between is suspect", .item = "STRIP", .signals = "c=900;t=200", SUSPECT, GATEWAY,
		.rule = "elimination c=100 t=200..400" },
	{ "strip, elimination: without T there is no verdict", .item = "STRIP", .signals = "c=900" },
	{ "strip, elimination: without C there is no verdict", .item = "STRIP", .signals = "t=100" },
	{ "strip, T/C under the minimum is positive (vendor note of 2017-12-14)", .item = "RATIO",
		.signals = "c=1000;t=399", POSITIVE, GATEWAY, .rule = "ratio c=100 tc=0.4..0.8" },
	{ "strip, T/C at the minimum is suspect", .item = "RATIO", .signals = "c=1000;t=400", SUSPECT, GATEWAY,
		.rule = "ratio c=100 tc=0.4..0.8" },
	{ "strip, T/C over the maximum is negative", .item = "RATIO", .signals = "c=1000;t=801", NEGATIVE, GATEWAY,
		.rule = "ratio c=100 tc=0.4..0.8" },
	{ "strip, T/C is compared exactly: 1/3 of 3 is not over 0.8", .item = "RATIO", .signals = "c=300;t=240",
		SUSPECT, GATEWAY, .rule = "ratio c=100 tc=0.4..0.8" },
	{ "strip, T/C as the instrument computed it", .item = "RATIO", .signals = "c=1000;tc=0.81", NEGATIVE, GATEWAY,
		.rule = "ratio c=100 tc=0.4..0.8" },
	{ "strip, a missing C line is invalid", .item = "RATIO", .signals = "c=20;t=900", INVALID, GATEWAY,
		.rule = "ratio c=100 tc=0.4..0.8" },
};

static const struct one value_cases[] = {
	{ "at the limit of <= is negative (GB 2763)", .item = "CBF", .value = "0.02", .unit = "mg/kg", NEGATIVE,
		GATEWAY, .rule = "limit" },
	{ "over the limit is positive, without retest", .item = "CBF", .value = "0.0201", .unit = "mg/kg", POSITIVE,
		GATEWAY, .rule = "limit" },
	{ "at the limit of < is positive", .item = "FIP", .value = "50.0", .unit = "ppb", POSITIVE, GATEWAY,
		.rule = "limit" },
	{ "ppb is ug/kg by name", .item = "FIP", .value = "49.9", .unit = "ppb", NEGATIVE, GATEWAY, .rule = "limit" },
	{ "another unit of the same measure is converted exactly: 20 ug/kg is 0.020 mg/kg", .item = "CBF",
		.value = "20", .unit = "ug/kg", NEGATIVE, GATEWAY, .rule = "limit", .judged = "0.020 mg/kg" },
	{ "and a thousandth of a microgram more is over", .item = "CBF", .value = "20.001", .unit = "μg/Kg", POSITIVE,
		GATEWAY, .rule = "limit", .judged = "0.020001 mg/kg" },
	{ "a milligram per litre of milk needs a density that nobody sent", .item = "CBF", .value = "0.01",
		.unit = "mg/L", .flags = "unit_differs" },
	{ "an inhibition told as a fraction", .item = "PR-OPCB", .value = "0.5", .unit = "fraction", POSITIVE, GATEWAY,
		GB50, .flags = "retest_required", .judged = "50 %" },
	{ "a limit told in another unit is the same limit", .item = "CBF", .value = "0.01", .unit = "mg/kg",
		.limit = "<=20 ppb", NEGATIVE, GATEWAY, .rule = "limit" },
	{ "a limit told in another unit is another limit", .item = "CBF", .value = "0.01", .unit = "mg/kg",
		.limit = "<=50 ppb", NEGATIVE, GATEWAY, .rule = "limit", .flags = "limit_disagrees" },
	{ "an unknown unit is kept, flagged and not judged", .item = "CBF", .value = "0.01", .unit = "mg/dag",
		.flags = "unmapped_unit,unit_differs" },
	{ "under the limit of detection keeps the limit", .item = "CBF", .value = "0.01", .qualifier = "<",
		.unit = "mg/kg", NEGATIVE, GATEWAY, .rule = "limit" },
	{ "a limit of detection over the limit says nothing", .item = "CBF", .value = "0.05", .qualifier = "<",
		.unit = "mg/kg" },
	{ "beyond the range and unqualified is not judged", .item = "CBF", .value = "0.01", .unit = "mg/kg",
		.marks = READING_OUT_OF_RANGE, .flags = "out_of_range" },
	{ "over the range is over the limit", .item = "CBF", .value = "5", .qualifier = ">", .unit = "mg/kg",
		.marks = READING_OUT_OF_RANGE, POSITIVE, GATEWAY, .rule = "limit", .flags = "out_of_range" },
	{ "the limit of eggs (GB 31650)", .item = "TET", .value = "150", .unit = "ug/kg", .sample = "鸡蛋", NEGATIVE,
		GATEWAY, .rule = "limit" },
	{ "the limit of meat (GB 31650)", .item = "TET", .value = "150", .unit = "ug/kg", .sample = "肉", POSITIVE,
		GATEWAY, .rule = "limit" },
	{ "an edition's last day", .item = "TET", .value = "75", .unit = "ug/kg", .sample = "奶",
		.tested = "2026-03-04T23:59:59", NEGATIVE, GATEWAY, .rule = "limit" },
	{ "the next edition's first day", .item = "TET", .value = "75", .unit = "ug/kg", .sample = "奶",
		.tested = "2026-03-05T00:00:00", POSITIVE, GATEWAY, .rule = "limit" },
	{ "a suspect clock does not choose the edition: the day of receipt does", .item = "TET", .value = "75",
		.unit = "ug/kg", .sample = "奶", .tested = "2012-01-01T00:00:00", POSITIVE, GATEWAY, .rule = "limit",
		.flags = "clock_suspect" },
	{ "a limit that ended and has no successor judges nothing", .item = "TET", .value = "1", .unit = "ug/kg",
		.sample = "虾", .flags = "limit_ended" },
	{ "no limit, no verdict", .item = "TET", .value = "150", .unit = "ug/kg" },
	{ "the instrument's own limit where the station has none", .item = "PCM", .value = "6", .unit = "mg/kg",
		.limit = "<=5 mg/kg", POSITIVE, GATEWAY, .rule = "limit" },
	{ "the station's limit goes first and says that they differ", .item = "CBF", .value = "4", .unit = "mg/kg",
		.limit = "<=5 mg/kg", POSITIVE, GATEWAY, .rule = "limit", .flags = "limit_disagrees" },
	{ "Q21: a maker's limit a thousandfold too high is contradicted, not followed", .item = "CBF", .value = "4",
		.unit = "mg/kg", .limit = "<=5000 mg/kg", POSITIVE, GATEWAY, .rule = "limit",
		.flags = "limit_disagrees" },
	{ "the same limit written otherwise does not disagree", .item = "CBF", .value = "0.01", .unit = "mg/Kg",
		.limit = "≤0.020 mg/Kg", NEGATIVE, GATEWAY, .rule = "limit" },
	{ "not detected: 0", .item = "CLB", .value = "0.00", .unit = "ug/kg", NEGATIVE, GATEWAY,
		.rule = "not-detected" },
	{ "not detected: under the limit of detection (MARA 250)", .item = "CLB", .value = "0.3", .qualifier = "<",
		.unit = "ug/kg", NEGATIVE, GATEWAY, .rule = "not-detected" },
	{ "detected", .item = "CLB", .value = "0.3", .unit = "ug/kg", POSITIVE, GATEWAY, .rule = "not-detected" },
	{ "not detected: without a unit a number may be anything", .item = "CLB", .value = "0.3",
		.flags = "unit_missing" },
	{ "from the limit of detection on", .item = "FOR", .value = "0.5", .unit = "mg/kg", POSITIVE, GATEWAY,
		.rule = "detected>=0.5" },
	{ "below the limit of detection", .item = "FOR", .value = "0.49", .unit = "mg/kg", NEGATIVE, GATEWAY,
		.rule = "detected>=0.5" },
	{ "ATP: up to the lower limit is pass", .item = "ATP", .value = "10", .unit = "RLU", NEGATIVE, GATEWAY,
		.rule = "two-limits 10..30" },
	{ "ATP: between is caution (one vendor warns below instead)", .item = "ATP", .value = "11", .unit = "RLU",
		SUSPECT, GATEWAY, .rule = "two-limits 10..30" },
	{ "ATP: the upper limit itself is caution", .item = "ATP", .value = "30", .unit = "RLU", SUSPECT, GATEWAY,
		.rule = "two-limits 10..30" },
	{ "ATP: over the upper limit is fail", .item = "ATP", .value = "31", .unit = "RLU", POSITIVE, GATEWAY,
		.rule = "two-limits 10..30" },
	{ "ATP: over the range", .item = "ATP", .value = "9999", .qualifier = ">", .unit = "RLU", POSITIVE, GATEWAY,
		.rule = "two-limits 10..30" },
	{ "an item without a rule is the instrument's to judge", .item = "IMI", .value = "9", .unit = "mg/kg" },
};

static const struct one time_cases[] = {
	{ "24 h after the test is in time (Gansu counts later ones invalid)", .item = "IMI",
		.tested = "2026-03-04T09:43:02" },
	{ "a second more is late", .item = "IMI", .tested = "2026-03-04T09:43:01", .flags = "late" },
	{ "a few seconds ahead is skew, not suspicion", .item = "IMI", .tested = "2026-03-05T09:45:02" },
	{ "over ten minutes ahead is", .item = "IMI", .tested = "2026-03-05T09:53:03", .flags = "clock_suspect" },
	{ "over a day ahead is", .item = "IMI", .tested = "2026-03-06T09:43:03", .flags = "clock_suspect" },
	{ "2011-01-02 in a document of 2018", .item = "IMI", .tested = "2011-01-02T00:00:00",
		.flags = "clock_suspect" },
	{ "31 February", .item = "IMI", .tested = "2026-02-31T09:41:20", .flags = "clock_suspect" },
	{ "a time in another shape", .item = "IMI", .tested = "2026-3-5 9:41", .flags = "clock_suspect" },
	{ "no time is no suspicion", .item = "IMI" },
	{ "digits that are no date, as the driver keeps them", .item = "IMI", .signals = "!impossible_time=0",
		.flags = "clock_suspect" },
	{ "the instrument's clock, told with the reading, is 20 min slow", .item = "IMI",
		.signals = "!clock=2026-03-05T09:23:02", .tested = "2026-03-05T09:21:00", .flags = "clock_suspect" },
	{ "the instrument's clock is right, the test waited an hour", .item = "IMI",
		.signals = "!clock=2026-03-05T09:43:00", .tested = "2026-03-05T08:43:00" },
	{ "a box that does not know the time says so", .item = "IMI", .tested = "2026-03-05T09:41:20", .unsynced = true,
		.flags = "clock_unsynced" },
	{ "a box that stands at 1970 suspects no instrument of being ahead", .item = "IMI",
		.tested = "2026-03-05T09:41:20", .unset = true, .flags = "clock_unsynced" },
	{ "nor one whose clock it was told", .item = "IMI", .signals = "!clock=2026-03-05T09:23:02",
		.tested = "2026-03-05T09:21:00", .unset = true, .flags = "clock_unsynced" },
	{ "a box that is not synchronised, but may be right, does", .item = "IMI", .tested = "2027-03-05T09:41:20",
		.unsynced = true, .flags = "clock_suspect,clock_unsynced" },
	{ "a time before there were such instruments is none whoever compares", .item = "IMI",
		.tested = "2011-01-02T00:00:00", .unsynced = true, .flags = "clock_suspect,clock_unsynced" },
	{ "a certificate is looked at on the day of the test, where the box stands at 1970", .item = "IMI",
		.tested = "2026-03-05T00:00:00", .unset = true, .person = "李四",
		.flags = "clock_unsynced,operator_expired" },
	{ "calibration due, as the instrument says", .item = "IMI", .marks = READING_CALIBRATION_DUE,
		.flags = "calibration_due" },
	{ "texts cut and bad, memory overflowed", .item = "IMI",
		.marks = READING_TEXT_CUT | READING_TEXT_BAD | READING_OVERRUN, .flags = "text_cut,text_bad,overrun" },
	{ "a known operator", .item = "IMI", .tested = "2026-03-05T09:41:20", .person = "张三" },
	{ "an operator by alias", .item = "IMI", .tested = "2026-03-05T09:41:20", .person = "ｚｓ" },
	{ "an operator nobody knows", .item = "IMI", .tested = "2026-03-05T09:41:20", .person = "赵六",
		.flags = "operator_unknown" },
	{ "a certificate on its last day", .item = "IMI", .tested = "2026-03-04T23:59:59", .person = "李四" },
	{ "a certificate on the day after", .item = "IMI", .tested = "2026-03-05T00:00:00", .person = "李四",
		.flags = "operator_expired" },
	{ "a suspect clock does not renew a certificate", .item = "IMI", .tested = "2012-01-01T00:00:00",
		.person = "李四", .flags = "clock_suspect,operator_expired" },
};

static void split(const char *pairs, struct reading *reading)
{
	char copy[256], *rest = NULL;
	snprintf(copy, sizeof(copy), "%s", pairs ? pairs : "");
	for (char *at = strtok_r(copy, ";", &rest); at; at = strtok_r(NULL, ";", &rest)) {
		char *value = strchr(at, '=');
		*value++ = '\0';
		if (*at == '!')
			reading_said(reading, at + 1, value);
		else
			reading_signal(reading, at, value);
	}
}

#define SET(field, text) text_copy(reading.field, sizeof(reading.field), (text) ? (text) : "")

static struct reading reading_of(const struct one *one)
{
	struct reading reading = { .kind = one->kind, .verdict = one->said, .channel = -1, .marks = one->marks };
	SET(item, one->item);
	SET(basis, one->basis);
	SET(value, one->value);
	SET(qualifier, one->qualifier);
	SET(unit, one->unit);
	SET(sample_name, one->sample);
	SET(tested_at, one->tested);
	SET(operator_name, one->person);
	split(one->signals, &reading);
	if (one->limit) {
		char copy[64];
		snprintf(copy, sizeof(copy), "%s", one->limit);
		char *number = copy + strcspn(copy, "0123456789"), *unit = strchr(copy, ' ');
		*unit++ = '\0';
		text_copy(reading.limit_value, sizeof(reading.limit_value), number);
		text_copy(reading.limit_unit, sizeof(reading.limit_unit), unit);
		*number = '\0';
		text_copy(reading.limit_op, sizeof(reading.limit_op), copy);
	}
	return reading;
}

static void check(const struct one *cases, size_t count)
{
	int64_t received = clock_parse_local("2026-03-05T09:43:02") * 1000;
	for (size_t i = 0; i < count; i++) {
		const struct one *one = &cases[i];
		struct reading reading = reading_of(one);
		struct reception reception = { .received_ms = one->unset ? 118000 : received,
			.clock_synced = !one->unsynced && !one->unset };
		struct instrument_config instrument = { .id = "x", .driver = one->is_reader ? &reader : &modbus };
		struct judgement judgement;
		char flags[256] = "", got[512], wanted[512];
		judge(&station, &instrument, &reading, &reception, &judgement);
		for (size_t f = 0; f < judgement.flag_count; f++)
			snprintf(flags + strlen(flags), sizeof(flags) - strlen(flags), "%s%s", f ? "," : "",
				judgement.flags[f]);
		bool converted = *judgement.judged_unit;
		snprintf(got, sizeof(got), "%s: %s by %s, rule %s, flags %s, judged %s%s%s", one->promise,
			verdict_name(judgement.verdict), judgement.verdict_by, judgement.rule, flags,
			converted ? judgement.judged_value : "", converted ? " " : "", judgement.judged_unit);
		snprintf(wanted, sizeof(wanted), "%s: %s by %s, rule %s, flags %s, judged %s", one->promise,
			verdict_name(one->verdict), one->by ? one->by : "", one->rule ? one->rule : "",
			one->flags ? one->flags : "", one->judged ? one->judged : "");
		assert_string_equal(got, wanted);
	}
}

#define CHECK(cases) check((cases), sizeof(cases) / sizeof(*(cases)))

static void inhibition_is_judged_by_its_standard(void **state)
{
	(void)state;
	CHECK(inhibition_cases);
}

static void the_instruments_verdict_stands(void **state)
{
	(void)state;
	CHECK(instrument_cases);
}

static void signals_are_checked_and_strips_judged(void **state)
{
	(void)state;
	CHECK(signal_cases);
}

static void values_are_judged_by_limits(void **state)
{
	(void)state;
	CHECK(value_cases);
}

static void times_marks_and_people_are_flagged_for_cause(void **state)
{
	(void)state;
	CHECK(time_cases);
	assert_true(sizeof(inhibition_cases) + sizeof(instrument_cases) + sizeof(signal_cases) + sizeof(value_cases) +
			    sizeof(time_cases) >=
		    60 * sizeof(struct one));
}

/* The limit of the record belongs to the record's verdict. */
static void the_limit_shown_is_the_verdicts(void **state)
{
	(void)state;
	static const struct {
		struct one one;
		const char *limit;
	} cases[] = {
		{ { .item = "PR-OPCB", PERCENT("1") }, "< 50 % GB/T 5009.199-2003" },
		{ { .item = "农药残留", .basis = "NY/T 448", PERCENT("1") }, "< 70 % NY/T 448-2001" },
		{ { .item = "CBF", .value = "4", .unit = "mg/kg", .limit = "<=5 mg/kg" },
			"<= 0.02 mg/kg GB 2763-2016" },
		{ { .item = "CBF", .value = "4", .unit = "mg/kg", .limit = "<=5 mg/kg", .said = VERDICT_NEGATIVE },
			"<= 5 mg/kg " },
		{ { .item = "CBF", .value = "4", .unit = "mg/kg", .said = VERDICT_NEGATIVE },
			"<= 0.02 mg/kg GB 2763-2016" },
		{ { .item = "奥秘", .limit = "≤5 μg/Kg" }, "<= 5 ug/kg " },
		{ { .item = "IMI" }, "   " },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct reading reading = reading_of(&cases[i].one);
		struct instrument_config instrument = { .id = "x", .driver = &modbus };
		struct reception reception = { .received_ms = 1772674982000 };
		struct judgement judgement;
		char limit[160];
		judge(&station, &instrument, &reading, &reception, &judgement);
		snprintf(limit, sizeof(limit), "%s %s %s %s", judgement.limit.op, judgement.limit.value,
			judgement.limit.unit, judgement.limit.source);
		assert_string_equal(limit, cases[i].limit);
	}
}

static void skew_is_told_where_it_can_be_known(void **state)
{
	(void)state;
	static const struct {
		const char *tested, *clock;
		bool known;
		int64_t skew_s;
	} cases[] = {
		{ "2026-03-05T09:41:20", NULL, false, 0 }, /* it may have waited */
		{ "2026-03-05T09:43:14", NULL, true, 12 }, /* tested in our future */
		{ "2026-03-05T09:41:20", "!clock=2026-03-05T09:42:50", true, -12 },
		{ "2026-03-05T09:41:20", "!clock=2026-13-05T09:42:50", false, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct one one = { .item = "IMI", .tested = cases[i].tested, .signals = cases[i].clock };
		struct reading reading = reading_of(&one);
		struct instrument_config instrument = { .id = "x", .driver = &modbus };
		struct reception reception = { .received_ms = clock_parse_local("2026-03-05T09:43:02") * 1000 };
		struct judgement judgement;
		judge(&station, &instrument, &reading, &reception, &judgement);
		assert_int_equal(judgement.skew_by != SKEW_UNKNOWN, cases[i].known);
		assert_int_equal(judgement.skew_s, cases[i].skew_s);
	}
}

static void the_stations_words_fill_in_what_the_instrument_leaves_out(void **state)
{
	(void)state;
	struct instrument_config instrument = { .id = "x", .driver = &modbus, .item = "农药残留", .basis = "NY/T 448" };
	struct reception reception = { .received_ms = 1772674982000 };
	struct reading reading = { .channel = -1, .value = "60", .unit = "%" };
	struct judgement judgement;
	judge(&station, &instrument, &reading, &reception, &judgement);
	assert_string_equal(judgement.item->code, "PR-OPCB-NY");
	assert_string_equal(judgement.basis, "NY/T 448");
	assert_string_equal(judgement.method, "enzyme-inhibition");
	assert_int_equal(judgement.verdict, VERDICT_NEGATIVE);
	text_copy(reading.item, sizeof(reading.item), "克百威"); /* the instrument's own word goes first */
	judge(&station, &instrument, &reading, &reception, &judgement);
	assert_string_equal(judgement.item->code, "CBF");
	text_copy(instrument.item, sizeof(instrument.item), "奥秘");
	reading.item[0] = '\0';
	judge(&station, &instrument, &reading, &reception, &judgement);
	assert_null(judgement.item);
	assert_string_equal(judgement.item_name, "奥秘");
}

static void a_station_without_an_operators_file_checks_nobody(void **state)
{
	(void)state;
	struct config open = station;
	open.operators = NULL;
	struct instrument_config instrument = { .id = "x", .driver = &modbus };
	struct reception reception = { .received_ms = 1772674982000, .clock_synced = true };
	struct reading reading = { .channel = -1, .item = "IMI", .operator_name = "赵六" };
	struct judgement judgement;
	judge(&open, &instrument, &reading, &reception, &judgement);
	assert_int_equal(judgement.flag_count, 0);
	assert_null(judgement.person);
}

static void check_source(const char *path, const char *text)
{
	static const char *const forbidden[] = { "double", "float", "strtod", "strtof", "atof", "<math.h>" };
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(*forbidden); i++)
		if (strstr(text, forbidden[i]))
			fail_msg("%s says %s", path, forbidden[i]);
}

/* Measured values are text from the wire to the county: no source on their way knows binary floating point. The one
 * exception reads what is IEEE 754 on the wire already, decimal_from_f32() and decimal_from_f64(). */
static void no_measured_value_passes_through_binary_floating_point(void **state)
{
	(void)state;
	static const char *const sources[] = { "daemon/judge.c", "daemon/units.c", "daemon/record.c", "daemon/items.c",
		"daemon/rule.c", "daemon/intake.c", "drivers/decimal.c" };
	static char text[65536];
	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		FILE *file = fopen(sources[i], "r");
		assert_non_null(file);
		text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
		fclose(file);
		char *wire = strstr(text, "bool decimal_from_f32("), *rest = strstr(text, "bool decimal_valid(");
		if (wire && rest) {
			check_source(sources[i], rest);
			*wire = '\0';
		}
		check_source(sources[i], text);
	}
}

static int prepare(void **state)
{
	(void)state;
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	struct faults faults = { 0 };
	const char *path = write_table(items_text, strlen(items_text));
	int result = items_load(path, &station.items, &faults);
	remove_table(path);
	path = write_table(limits_text, strlen(limits_text));
	if (!result)
		result = items_load_limits(path, station.items, &faults);
	remove_table(path);
	path = write_table(operators_text, strlen(operators_text));
	if (!result)
		result = operators_load(path, &station.operators, &faults);
	remove_table(path);
	faults_print(&faults, stderr);
	return result;
}

static int clean(void **state)
{
	(void)state;
	items_free(station.items);
	operators_free(station.operators);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inhibition_is_judged_by_its_standard),
		cmocka_unit_test(the_instruments_verdict_stands),
		cmocka_unit_test(signals_are_checked_and_strips_judged),
		cmocka_unit_test(values_are_judged_by_limits),
		cmocka_unit_test(times_marks_and_people_are_flagged_for_cause),
		cmocka_unit_test(the_limit_shown_is_the_verdicts),
		cmocka_unit_test(skew_is_told_where_it_can_be_known),
		cmocka_unit_test(the_stations_words_fill_in_what_the_instrument_leaves_out),
		cmocka_unit_test(a_station_without_an_operators_file_checks_nobody),
		cmocka_unit_test(no_measured_value_passes_through_binary_floating_point),
	};
	return cmocka_run_group_tests(tests, prepare, clean);
}
