/* What samples are of: spelled anyhow, with the limits of its groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../daemon/commodities.h"
#include "../../daemon/items.h"
#include "../../daemon/judge.h"
#include "../../daemon/rebind.h"
#include "../../daemon/record_read.h"
#include "../../drivers/text.h"
#include "tables_fixture.h"

static struct config config = { .station = { .code = "330421103-01" } };
static const struct driver driver = { .name = "any", .version = 1 };
static const struct maker maker;

static void load_commodities(const char *text, struct faults *faults)
{
	const char *path = write_table(text, strlen(text));
	commodities_free(config.commodities);
	config.commodities = NULL;
	commodities_load(path, &config.commodities, faults);
	remove_table(path);
}

static int enter(void **state)
{
	static const char limits[] = "item,samples,op,value,unit,source\n"
				     "PR-CBF,韭菜,<=,0.05,mg/kg,name\n"
				     "PR-CBF,叶菜类,<=,0.03,mg/kg,group\n"
				     "PR-CBF,葱蒜类,<=,0.09,mg/kg,wider group\n"
				     "PR-CBF,水果,<=,0.04,mg/kg,category\n";
	struct faults faults = { 0 };
	(void)state;
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	assert_int_equal(items_load("config/items.csv", &config.items, &faults), 0);
	const char *path = write_table(limits, strlen(limits));
	assert_int_equal(items_load_limits(path, config.items, &faults), 0);
	remove_table(path);
	load_commodities("code,name,aliases,category,groups\nFD-7,菠菜,波菜;ＢＯ,蔬菜,叶菜类;绿叶\n"
			 ",韭菜,,蔬菜,鳞茎类;葱蒜类\n,蒜苗,,蔬菜,鳞茎类;葱蒜类\n,苹果,,水果,\n",
		&faults);
	assert_int_equal(faults.count, 0);
	return 0;
}

static int leave(void **state)
{
	(void)state;
	items_free(config.items);
	commodities_free(config.commodities);
	config.items = NULL;
	config.commodities = NULL;
	return 0;
}

static struct json *record_of(const char *name, const char *category)
{
	struct instrument_config instrument = { .id = "x", .driver = &driver };
	struct reception reception = { .received_ms = 1772674982000, .clock_synced = true };
	struct reading reading = { .channel = -1, .value = "0.03", .unit = "mg/kg", .item = "PR-CBF" };
	struct entry entry;
	text_copy(reading.sample_name, sizeof(reading.sample_name), name);
	text_copy(reading.sample_category, sizeof(reading.sample_category), category);
	record_identify(&config, NULL, &instrument, &maker, &reading, &reception, &entry);
	record_make(&config, &instrument, &maker, &reading, &reception, NULL, &entry);
	char *text = malloc(strlen(entry.body) + 2);
	sprintf(text, "{%s", entry.body);
	struct json *record = js_parse(text, strlen(text), NULL);
	free(entry.body);
	free(text);
	assert_non_null(record);
	return record;
}

static void a_limit_of_a_group_is_the_limit_of_its_members(void **state)
{
	static const struct {
		const char *name, *category, *commodity, *source;
		bool unmapped;
	} rows[] = {
		{ "菠菜", "", "菠菜", "group", false },
		{ "波菜", "", "菠菜", "group", false },
		{ "bo", "", "菠菜", "group", false },
		{ "FD-7", "", "菠菜", "group", false },
		{ "韭菜", "", "韭菜", "name", false }, /* its own goes before its groups' */
		{ "蒜苗", "", "蒜苗", "wider group", false },
		{ "苹果", "", "苹果", "category", false },
		{ "野菜", "", "", "", true },
		{ "野菜", "叶菜类", "", "group", true }, /* what was said of it still counts */
		{ "", "", "", "", true },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct json *record = record_of(rows[i].name, rows[i].category);
		assert_string_equal(js_text_in(js_get(record, "commodity"), "name"), rows[i].commodity);
		assert_int_equal(record_has_flag(record, "unmapped_sample"), rows[i].unmapped);
		if (*rows[i].source)
			assert_string_equal(js_text_in(js_get(record, "limit"), "source"), rows[i].source);
		assert_string_equal(js_text_in(js_get(record, "sample"), "name"), rows[i].name); /* as it was said */
		js_free(record);
	}
	struct json *record = record_of("波菜", "");
	assert_string_equal(js_text_in(js_get(record, "commodity"), "code"), "FD-7");
	assert_string_equal(js_text_in(js_get(record, "commodity"), "category"), "蔬菜");
	js_free(record);
}

static void without_a_table_nothing_is_flagged(void **state)
{
	(void)state;
	commodities_free(config.commodities);
	config.commodities = NULL;
	struct json *record = record_of("", "");
	assert_false(record_has_flag(record, "unmapped_sample"));
	assert_null(js_get(record, "commodity"));
	js_free(record);
}

static void a_corrected_sample_brings_its_commodity(void **state)
{
	struct registration right = { .by = "register", .facts = { .no = "S-2", .name = "波菜" } };
	struct rebinding rebinding = { .to = &right, .by = "x", .why = "y" };
	(void)state;
	struct json *old = record_of("", ""), *new = rebind_record(&config, old, &rebinding);
	assert_string_equal(js_text_in(js_get(new, "commodity"), "code"), "FD-7");
	assert_false(record_has_flag(new, "unmapped_sample"));
	assert_string_equal(js_text_in(js_get(new, "limit"), "source"), "group");
	rebinding.to = NULL;
	struct json *nobodys = rebind_record(&config, new, &rebinding);
	assert_null(js_get(nobodys, "commodity"));
	assert_true(record_has_flag(nobodys, "unmapped_sample"));
	js_free(old);
	js_free(new);
	js_free(nobodys);
}

static void faults_are_told_with_their_lines(void **state)
{
	struct faults faults = { 0 };
	(void)state;
	load_commodities("name,aliases\n菠菜,波菜\n,x\n小白菜,波菜\n", &faults);
	assert_null(config.commodities);
	assert_int_equal(faults_at(&faults, 3, "name is empty"), 1);
	assert_int_equal(faults_at(&faults, 4, "also stands for the commodity on line 2"), 1);
	assert_int_equal(faults.count, 2);
	faults_free(&faults);
}

static void the_example_is_a_table(void **state)
{
	struct faults faults = { 0 };
	(void)state;
	commodities_free(config.commodities);
	assert_int_equal(commodities_load("config/commodities.csv.example", &config.commodities, &faults), 0);
	assert_true(commodities_count(config.commodities) >= 10);
	assert_string_equal(commodities_find(config.commodities, "西红柿")->name, "番茄");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
		TEST(a_limit_of_a_group_is_the_limit_of_its_members),
		TEST(without_a_table_nothing_is_flagged),
		TEST(a_corrected_sample_brings_its_commodity),
		TEST(faults_are_told_with_their_lines),
		TEST(the_example_is_a_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
