#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../daemon/items.h"
#include "tables_fixture.h"

#define HEADER "code,name,aliases,method,basis,unit,rule,limit_op,limit_value,limit_unit,limit_source,control_min\n"

static int load(const char *text, struct item_table **ret, struct faults *faults)
{
	*faults = (struct faults){ 0 };
	*ret = NULL;
	const char *path = write_table(text, strlen(text));
	int result = items_load(path, ret, faults);
	remove_table(path);
	return result;
}

static struct item_table *shipped(void)
{
	struct faults faults = { 0 };
	struct item_table *table = NULL;
	int result = items_load("config/items.csv", &table, &faults);
	if (result == 0)
		result = items_load_limits("config/limits.csv", table, &faults);
	faults_print(&faults, stderr);
	assert_int_equal(result, 0);
	assert_int_equal(faults.count, 0);
	return table;
}

static const char *code_of(const struct item_table *table, const char *text, const char *basis)
{
	const struct item *item = items_find(table, text, basis, NULL);
	return item ? item->code : "";
}

static void the_shipped_items_are_the_counties(void **state)
{
	(void)state;
	static const char *const codes[] = { "PR-OPCB", "PR-OPCB-NY", "PR-TEA", "PR-PYR", "PR-CPF", "PR-CBF", "PR-TRZ",
		"PR-ICP", "PR-FIP", "PR-CBZ", "PR-ACE", "PR-IMI", "PR-THX", "PR-PCM", "PR-CTL", "PR-ABM", "PR-CYP",
		"PR-LCH", "PR-DDV", "PR-PQT", "VD-CLB", "VD-RAC", "VD-SAL", "VD-CAP", "VD-FF", "VD-ENR", "VD-SUL",
		"VD-TET", "VD-MG", "VD-AOZ", "VD-AMOZ", "VD-SEM", "VD-AHD", "VD-OFL", "MT-AFB1", "MT-AFM1", "MT-DON",
		"MT-ZEN", "AD-NIT", "AD-SO2", "IL-FOR", "IL-ROG", "IL-BOR", "IL-MEL", "HM-PB", "HM-CD", "HM-CR",
		"HM-HG", "FR-TVBN", "FR-HIS", "OIL-TPM", "HYG-ATP" };
	struct item_table *table = shipped();
	assert_int_equal(items_count(table), sizeof(codes) / sizeof(*codes));
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		assert_string_equal(items_at(table, i)->code, codes[i]);
		assert_string_equal(code_of(table, codes[i], ""), codes[i]);
	}
	assert_null(items_at(table, items_count(table)));
	items_free(table);
}

static void an_item_is_found_however_it_is_written(void **state)
{
	(void)state;
	static const char *const cases[][3] = {
		{ "农药残留", "", "PR-OPCB" },
		{ "农药残留", "GB/T 5009.199-2003", "PR-OPCB" },
		{ "农药残留", "NY/T 448-2001", "PR-OPCB-NY" },
		{ "农药残留", "NY/T448", "PR-OPCB-NY" },
		{ "有机磷和氨基甲酸酯类农药残留", "NY/T 448", "PR-OPCB-NY" },
		{ "PR-OPCB", "NY/T 448-2001", "PR-OPCB-NY" },
		{ "PR-OPCB", "GB/T 9999-2030", "PR-OPCB" },
		{ "PR-OPCB-NY", "", "PR-OPCB-NY" },
		{ "PR-OPCB-NY", "GB/T 5009.199-2003", "PR-OPCB" },
		{ "pr-opcb", "", "PR-OPCB" },
		{ "ＰＲ－ＯＰＣＢ", "", "PR-OPCB" },
		{ "农标", "", "PR-OPCB-NY" },
		{ "chlorpyrifos", "", "PR-CPF" },
		{ "CHLORPYRIFOS ", "", "PR-CPF" },
		{ "ａｆｂ１", "", "MT-AFB1" },
		{ "瘦肉精", "", "VD-CLB" },
		{ "盐酸克仑特罗", "", "VD-CLB" },
		{ "有机磷和氨基甲酸脂", "", "PR-OPCB" }, /* the wrong ester of many panels */
		{ "有机磷和氨基甲酸脂", "NY/T 448-2001", "PR-OPCB-NY" },
		{ "ＯＰ＋carbamates", "", "PR-OPCB" },
		{ "農藥殘留", "", "PR-OPCB" },
		{ "菊脂类农药", "", "PR-PYR" },
		{ "三聚氰氨", "", "IL-MEL" },
		{ "克百威（呋喃丹）", "", "PR-CBF" },
		{ "黄曲霉毒素B₁", "", "MT-AFB1" },
		{ "黄曲霉毒素 Ｂ１", "", "MT-AFB1" },
		{ "亚硝酸盐（以亚硝酸钠计）", "", "AD-NIT" },
		{ "ＳＯ₂", "", "AD-SO2" },
		{ "鉛", "", "HM-PB" },
		{ "铅（Ｐｂ）", "", "HM-PB" },
		{ "TVB－N", "", "FR-TVBN" },
		{ "呋喃他酮代谢物", "", "VD-AMOZ" },
		{ "", "", "" },
		{ "不存在", "", "" },
	};
	struct item_table *table = shipped();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(code_of(table, cases[i][0], cases[i][1]), cases[i][2]);
	items_free(table);
}

static void a_number_means_what_its_instrument_means(void **state)
{
	(void)state;
	struct item_table *table = shipped();
	const char *const analyzer[] = { "an-1", "analyzer-a6b", "modbus", NULL }, *const other[] = { "x", "", NULL };
	assert_string_equal(items_find(table, "101", "", analyzer)->code, "PR-OPCB");
	assert_string_equal(items_find(table, "201", "", analyzer)->code, "AD-NIT");
	assert_null(items_find(table, "101", "", other));
	assert_null(items_find(table, "101", "", NULL));
	items_free(table);
}

static const char *limit_of(
	const struct item_table *table, const char *item, const char *sample, const char *category, const char *day)
{
	bool ended;
	const char *const samples[] = { sample, category, NULL };
	const struct limit *limit = items_limit(table, items_find(table, item, "", NULL), samples, day, &ended);
	assert_false(limit && ended);
	return limit ? limit->value : ended ? "ended" : "none";
}

static void limits_follow_the_sample(void **state)
{
	(void)state;
	struct item_table *table = shipped();
	assert_string_equal(limit_of(table, "VD-TET", "鸡蛋", "", "2026-03-05"), "200");
	assert_string_equal(limit_of(table, "VD-TET", "土鸡", "畜禽肉", "2026-03-05"), "100");
	assert_string_equal(limit_of(table, "VD-TET", "牛奶", "", "2026-03-05"), "none");
	assert_string_equal(limit_of(table, "铅", "菠菜", "", "2026-03-05"), "0.3");
	assert_string_equal(limit_of(table, "铅", " 菠 菜", "", "2026-03-05"), "0.3");
	assert_string_equal(limit_of(table, "铅", "萝卜", "", "2026-03-05"), "0.1");
	assert_string_equal(limit_of(table, "铅", "", "", "2026-03-05"), "0.1");
	items_free(table);
}

/* A standard's new edition holds from a day on; what was tested before is judged by the old one, also when it comes
 * late. */
static void limits_follow_the_day_of_the_test(void **state)
{
	(void)state;
	static const char text[] = "item,samples,op,value,unit,source,edition,valid_from,valid_until\n"
				   "PR-CBF,菠菜,<=,0.03,mg/kg,GB 2763,2019,2020/2/15,2021-09-02\n"
				   "PR-CBF,菠菜,<=,0.02,mg/kg,GB 2763,2021,2021-09-03,\n"
				   "PR-CBF,叶菜类,<=,0.05,mg/kg,GB 2763,2021,2021-09-03,\n"
				   "PR-CBF,韭菜,<=,0.04,mg/kg,GB 2763,2019,,2021-09-02\n"
				   "PR-CBF,葱,<=,0.06,mg/kg,GB 2763,2030,2030-01-01,\n"
				   "PR-CBF,*,<=,0.01,mg/kg,GB 2763,2021,2021-09-03,\n";
	static const struct {
		const char *sample, *category, *day, *value;
	} cases[] = {
		{ "菠菜", "", "2020-02-15", "0.03" },
		{ "菠菜", "", "2021-09-02T23:59:59.000+08:00", "0.03" },
		{ "菠菜", "", "2021-09-03T00:00:00.000+08:00", "0.02" },
		{ "菠菜", "", "2020-02-14", "0.02" },       /* not yet in force: the item's own, as before that row */
		{ "菠菜", "叶菜类", "2026-03-05", "0.02" }, /* the name goes before the category */
		{ "油菜", "叶菜类", "2026-03-05", "0.05" },
		{ "油菜", "", "2026-03-05", "0.01" }, /* every sample */
		{ "油菜", "", "2021-09-02", "0.02" }, /* the item's own in items.csv */
		{ "韭菜", "", "2021-09-02", "0.04" },
		{ "韭菜", "叶菜类", "2021-09-03", "ended" }, /* by none of another: nobody says which would follow */
		{ "葱", "", "2026-03-05", "0.01" },
		{ "葱", "", "2030-01-01", "0.06" },
	};
	struct faults faults = { 0 };
	struct item_table *table = NULL;
	assert_int_equal(items_load("config/items.csv", &table, &faults), 0);
	const char *path = write_table(text, strlen(text));
	int result = items_load_limits(path, table, &faults);
	faults_print(&faults, stderr);
	assert_int_equal(result, 0);
	remove_table(path);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(
			limit_of(table, "PR-CBF", cases[i].sample, cases[i].category, cases[i].day), cases[i].value);
	bool ended;
	static const char *const spinach[] = { "菠菜", NULL };
	const struct limit *limit =
		items_limit(table, items_find(table, "PR-CBF", "", NULL), spinach, "2021-09-03", &ended);
	assert_string_equal(limit->source, "GB 2763");
	assert_string_equal(limit->edition, "2021");
	items_free(table);
}

static void every_faulty_line_is_reported_with_what_would_be_right(void **state)
{
	(void)state;
	static const struct {
		const char *row, *says;
	} cases[] = {
		{ ",name,,,,%,,,,,,\n", "code is empty" },
		{ "A,,,,,%,,,,,,\n", "name is empty" },
		{ "A,n,,,,furlongs,,,,,,\n", "unit \"furlongs\" is not known" },
		{ "A,n,,,,%,inhibition50,,,,,\n", "is no rule" },
		{ "A,n,,,,%,inhibition>=5O,,,,,\n", "is no rule" },
		{ "A,n,,,,%,two-limits 30..10,,,,,\n", "is no rule" },
		{ "A,n,,,,%,elimination c=100,,,,,\n", "is no rule" },
		{ "A,n,,,,%,limits,,,,,\n", "is no rule" },
		{ "A,n,,,,%,limit,about,5,,,\n", "is no sign" },
		{ "A,n,,,,%,limit,,5,,,\n", "is no sign" },
		{ "A,n,,,,%,limit,<,,,,\n", "a sign and no value" },
		{ "A,n,,,,%,limit,<,\"0,05\",,,\n", "is no number" },
		{ "A,n,,,,%,limit,<,1e3,,,\n", "is no number" },
		{ "A,n,,,,,limit,<,5,,,\n", "limit's unit" },
		{ "A,n,,,,%,,,,,,0.3x\n", "is no number" },
		{ "A,n,,,,%,inhibition>=50,<=,50,,,\n", "contradicts the rule" },
		{ "A,n,,,,%,inhibition>=50,<,70,,,\n", "contradicts the rule" },
		{ "A,n,,,,%,inhibition>=50,<,50,mg/kg,,\n", "contradicts the rule" },
		{ "O,n,,,,%,,,,,,\n", "line 2 already" },
		{ "A,n,other,,,%,,,,,,\n", "stands for O (line 2) already" },
		{ "A,other,,,,%,,,,,,\n", "must tell them apart" },
		{ "A,other,,,B 1-2003,%,,,,,,\n", "must tell them apart" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[2048];
		struct faults faults;
		struct item_table *table;
		snprintf(text, sizeof(text), HEADER "O,other,,,,%%,,,,,,\n%s", cases[i].row);
		assert_true(load(text, &table, &faults) < 0);
		if (faults_at(&faults, 3, cases[i].says) != 1)
			faults_print(&faults, stderr);
		assert_int_equal(faults_at(&faults, 3, cases[i].says), 1);
		assert_int_equal(faults.errors, 1);
		assert_null(table);
		faults_free(&faults);
	}
}

/* A spreadsheet saved it as GB 18030: names are found, and a faulty line is told by its number and in its own words. */
static void a_table_in_gb18030_is_read_and_told_line_by_line(void **state)
{
	(void)state;
	static const char good[] =
		"code,name,aliases,unit\r\nA,\xBF\xCB\xB0\xD9\xCD\xFE,\xDF\xBB\xE0\xAB\xB5\xA4\xA3\xBB\xA3\xC3\xA3\xC2\xA3\xC6,"
		"\xA6\xCCg/kg\r\n";
	static const char bad[] = "B,\xC7\xA6,Pb,\xBD\xEF\r\n";
	char text[256];
	struct faults faults;
	struct item_table *table;
	assert_int_equal(load(good, &table, &faults), 0);
	assert_string_equal(code_of(table, "克百威", ""), "A");
	assert_string_equal(code_of(table, "呋喃丹", ""), "A");
	assert_string_equal(code_of(table, "cbf", ""), "A");
	assert_string_equal(items_at(table, 0)->unit, "ug/kg");
	items_free(table);
	snprintf(text, sizeof(text), "%s%s", good, bad);
	assert_true(load(text, &table, &faults) < 0);
	assert_int_equal(faults.errors, 1);
	assert_int_equal(faults_at(&faults, 3, "the unit \"斤\" is not known"), 1);
	faults_free(&faults);
}

static void signs_and_units_may_be_written_as_people_write_them(void **state)
{
	(void)state;
	struct faults faults;
	struct item_table *table;
	assert_int_equal(
		load(HEADER "A,甲,,,,μg/Kg,Limit,≤,20,,GB 1,\nB,乙,,,,ppb,elimination C＝100 T＝200..400,,,,,\n"
			    "C,丙,,,,%,INHIBITION >= 50,＜,50.0,,GB 1,0.30\n",
			&table, &faults),
		0);
	const struct item *item = items_find(table, "a", "", NULL);
	assert_string_equal(item->unit, "ug/kg");
	assert_string_equal(item->limit.op, "<=");
	assert_string_equal(item->limit.unit, "ug/kg");
	assert_string_equal(items_at(table, 1)->rule.text, "elimination c=100 t=200..400");
	assert_string_equal(items_at(table, 2)->rule.text, "inhibition>=50");
	items_free(table);
}

static void faulty_limits_are_reported(void **state)
{
	(void)state;
	static const struct {
		const char *row, *says;
	} cases[] = {
		{ "XX,鸡蛋,<=,5,ug/kg\n", "there is no item" },
		{ "VD-TET,,<=,5,ug/kg\n", "samples or op is empty" },
		{ "VD-TET,鸡蛋,about,5,ug/kg\n", "is no sign" },
		{ "VD-TET,鸡蛋,<=,five,ug/kg\n", "is no number" },
		{ "VD-TET,鸡蛋,<=,5,\n", "unit" },
		{ "VD-TET,蛋;鸭蛋,<=,5,ug/kg\n", "for the same days on line 2 already" },
		{ "VD-TET,鸭　蛋,<=,5,ug/kg,2030-01-01\n", "for the same days on line 2 already" },
		{ "VD-TET,蛋,<=,5,ug/kg,yesterday\n", "valid_from \"yesterday\" is no day" },
		{ "VD-TET,蛋,<=,5,ug/kg,,2026-02-29\n", "valid_until \"2026-02-29\" is no day" },
		{ "VD-TET,蛋,<=,5,ug/kg,2026-03-05,2026-03-04\n", "is before valid_from" },
		{ "VD-TET,蛋,<=,5,ug/kg,,,the second edition of the year 2026\n", "edition is longer" },
		{ "MT-AFB1,稻谷,<=,10,ug/kg,2020-01-01,2021-01-01\nMT-AFB1,稻谷,<=,10,ug/kg,2022-01-01\n"
		  "MT-AFB1,稻谷,<=,5,ug/kg,2021-01-01,2021-12-31\n",
			"for the same days on line 3 already" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[512];
		const size_t last = sizeof(cases) / sizeof(*cases) - 1; /* found on its third row */
		struct faults faults = { 0 };
		struct item_table *table = NULL;
		assert_int_equal(items_load("config/items.csv", &table, &faults), 0);
		snprintf(text, sizeof(text),
			"item,samples,op,value,unit,valid_from,valid_until,edition\nVD-TET,鸭蛋,<=,9,ug/kg\n%s",
			cases[i].row);
		const char *path = write_table(text, strlen(text));
		assert_true(items_load_limits(path, table, &faults) < 0);
		if (faults_at(&faults, i == last ? 5 : 3, cases[i].says) != 1)
			faults_print(&faults, stderr);
		assert_int_equal(faults_at(&faults, i == last ? 5 : 3, cases[i].says), 1);
		assert_int_equal(faults.errors, 1);
		remove_table(path);
		faults_free(&faults);
		items_free(table);
	}
}

static void without_limits_of_samples_the_table_is_whole(void **state)
{
	(void)state;
	struct faults faults = { 0 };
	struct item_table *table = NULL;
	assert_int_equal(items_load("config/items.csv", &table, &faults), 0);
	assert_int_equal(items_load_limits("/nonexistent/limits.csv", table, &faults), 0);
	items_free(table);
	items_free(NULL);
}

static void a_basis_is_known_with_and_without_its_year(void **state)
{
	(void)state;
	assert_true(basis_same("GB/T 5009.199-2003", "GB/T5009.199"));
	assert_true(basis_same("gb／t 5009.199", "GB/T 5009.199-2003"));
	assert_true(basis_same("NY/T 448-2001", "NY/T 448-2001"));
	assert_false(basis_same("GB/T 5009.199-2003", "GB/T 5009.199-2030"));
	assert_false(basis_same("GB/T 5009.199", "GB/T 5009.19"));
	assert_false(basis_same("SN-T 1", "SN"));
	assert_false(basis_same("", "GB/T 5009.199"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_shipped_items_are_the_counties),
		cmocka_unit_test(an_item_is_found_however_it_is_written),
		cmocka_unit_test(a_number_means_what_its_instrument_means),
		cmocka_unit_test(limits_follow_the_sample),
		cmocka_unit_test(limits_follow_the_day_of_the_test),
		cmocka_unit_test(every_faulty_line_is_reported_with_what_would_be_right),
		cmocka_unit_test(a_table_in_gb18030_is_read_and_told_line_by_line),
		cmocka_unit_test(signs_and_units_may_be_written_as_people_write_them),
		cmocka_unit_test(faulty_limits_are_reported),
		cmocka_unit_test(without_limits_of_samples_the_table_is_whole),
		cmocka_unit_test(a_basis_is_known_with_and_without_its_year),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
