/* Tables in memory: what was refused leaves no trace, and a spelling for two rows is told of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>

#include "../../daemon/rows.h"
#include "tables_fixture.h"

struct plant {
	char *code, *name;
	int line;
};

enum { CODE, NAME, ALIASES };
static const struct csv_column columns[] = { { "code", true }, { "name", true }, { "aliases", false },
	{ NULL, false } };

/* What tell_alike() was called with, as "spelling:line,line;" */
static char told[512];

static bool read_plant(struct rows *rows, const struct csv_row *given, void *ret_row)
{
	struct plant *plant = ret_row;
	assert_null(plant->code);
	assert_int_equal(plant->line, 0);
	plant->line = given->line;
	plant->code = rows_text(rows, given->field[CODE]);
	plant->name = rows_text(rows, given->field[NAME]);
	return csv_short(given, columns, NAME, 9);
}

static void tell_alike(const struct rows *rows, const struct spelling *one, const struct spelling *other,
	const char *path, struct faults *faults)
{
	size_t used = strlen(told);
	assert_true(one->meaning < other->meaning && other->meaning < rows->count);
	snprintf(told + used, sizeof(told) - used, "%s:%d,%d;", one->folded, one->line, other->line);
	faults_add(faults, FAULTS_WARNING, path, other->line, 0, NULL, "alike");
	if (*one->folded == 'x')
		faults_add(faults, FAULTS_ERROR, path, other->line, 0, NULL, "alike");
}

static const struct rows_kind plants = { columns, sizeof(struct plant), read_plant, tell_alike, CODE, NAME, ALIASES };

static int load(struct rows *rows, const struct rows_kind *kind, const char *text, struct faults *faults)
{
	const char *path = write_table(text, strlen(text));
	*rows = (struct rows){ 0 };
	*faults = (struct faults){ 0 };
	told[0] = '\0';
	int result = rows_load(rows, kind, path, faults);
	remove_table(path);
	return result;
}

static void many_rows_stand_in_the_order_of_the_file(void **state)
{
	(void)state;
	char text[8192] = "code,name,aliases\n", code[32];
	size_t used = strlen(text), count;
	for (int i = 0; i < 300; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "c%d,n%d,a%d;b%d\n", i, i, i, i);
	struct rows rows;
	struct faults faults;
	assert_int_equal(load(&rows, &plants, text, &faults), 0);
	assert_int_equal(rows.count, 300);
	assert_int_equal(rows.spellings.count, 1200);
	for (size_t i = 0; i < rows.count; i++) {
		const struct plant *plant = rows_at(&rows, i);
		snprintf(code, sizeof(code), "c%zu", i);
		assert_string_equal(plant->code, code);
		code[0] = 'B';
		const struct spelling *found = spellings_find(&rows.spellings, code, &count);
		assert_ptr_equal(rows_at(&rows, found->meaning), plant);
	}
	assert_null(rows_at(&rows, rows.count));
	rows_free(&rows);
	assert_null(rows_at(&rows, 0));
}

static void a_refused_row_takes_no_place_and_no_spelling(void **state)
{
	(void)state;
	struct rows rows;
	struct faults faults;
	size_t count;
	assert_int_equal(load(&rows, &plants, "code,name\nA,123456789\nB,1234567890\nC,c\n", &faults), -EINVAL);
	assert_int_equal(faults.errors, 1);
	assert_int_equal(faults.list[0].line, 3);
	assert_string_equal(faults.list[0].text, "name is longer than 9 bytes; is a comma missing before it?");
	assert_int_equal(rows.count, 2);
	assert_int_equal(((const struct plant *)rows_at(&rows, 1))->line, 4);
	assert_null(spellings_find(&rows.spellings, "B", &count));
	assert_int_equal(spellings_find(&rows.spellings, "C", &count)->meaning, 1);
	rows_free(&rows);
	faults_free(&faults);
}

static void a_spelling_for_two_rows_is_told_of(void **state)
{
	(void)state;
	static const struct {
		const char *text, *told;
		int result;
	} cases[] = {
		{ "code,name,aliases\na,a,Ａ;a\nb,c,d\n", "", 0 }, /* one row may say it twice */
		{ "code,name,aliases\na,b,c\nd,e,f;Ｂ\n", "b:2,3;", 0 },
		{ "code,name,aliases\na,b,\nc,b,\nd,e,b\n", "b:2,3;b:3,4;", 0 },
		{ "code,name,aliases\n,b,\n,c,\n", "", 0 }, /* no code is no spelling */
		{ "code,name,aliases\na,X,\nb,x,\n", "x:2,3;", -EINVAL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rows rows;
		struct faults faults;
		assert_int_equal(load(&rows, &plants, cases[i].text, &faults), cases[i].result);
		assert_string_equal(told, cases[i].told);
		rows_free(&rows);
		faults_free(&faults);
	}
}

static void rows_without_names_have_no_spellings(void **state)
{
	(void)state;
	static const struct rows_kind nameless = {
		.columns = columns, .size = sizeof(struct plant), .read = read_plant
	};
	struct rows rows;
	struct faults faults;
	assert_int_equal(load(&rows, &nameless, "code,name\na,b\na,b\n", &faults), 0);
	assert_int_equal(rows.count, 2);
	assert_int_equal(rows.spellings.count, 0);
	rows_free(&rows);
}

static void a_missing_file_is_a_fault_and_no_rows(void **state)
{
	(void)state;
	struct rows rows = { 0 };
	struct faults faults = { 0 };
	assert_int_equal(rows_load(&rows, &plants, "/nonexistent/plants.csv", &faults), -ENOENT);
	assert_int_equal(faults.errors, 1);
	assert_int_equal(rows.count, 0);
	assert_null(rows_at(&rows, 0));
	rows_free(&rows);
	faults_free(&faults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_rows_stand_in_the_order_of_the_file),
		cmocka_unit_test(a_refused_row_takes_no_place_and_no_spelling),
		cmocka_unit_test(a_spelling_for_two_rows_is_told_of),
		cmocka_unit_test(rows_without_names_have_no_spellings),
		cmocka_unit_test(a_missing_file_is_a_fault_and_no_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
