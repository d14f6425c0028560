#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/json.h"

static void dumped(struct json *value, const char *expected)
{
	char *text = js_dump(value);
	assert_string_equal(text, expected);
	free(text);
	js_free(value);
}

static void members_keep_their_order_and_take_no_white_space(void **state)
{
	(void)state;
	struct json *object = js_new_object(), *array = js_new_array();
	js_put_text(object, "z", "菠菜/1");
	js_put_text_if(object, "absent", "");
	js_put_text_if(object, "absent", NULL);
	js_put_integer(object, "a", INT64_MAX);
	js_put_bool(object, "m", false);
	js_append(array, js_new_text("x"));
	js_put(object, "list", array);
	dumped(object, "{\"z\":\"菠菜/1\",\"a\":9223372036854775807,\"m\":false,\"list\":[\"x\"]}");
}

static void bytes_that_are_no_utf8_become_visible_and_do_not_vanish(void **state)
{
	(void)state;
	static const struct {
		const char *bytes, *text;
	} cases[] = {
		{ "a\xB2\xA4z", "[\"a��z\"]" },
		{ "\xE8\x8F", "[\"��\"]" },
		{ "\xED\xA0\x80", "[\"���\"]" },
		{ "\xF0\x9F\x8D\x83", "[\"🍃\"]" },
		{ "\xC0\xAF", "[\"��\"]" },
		{ "\xF5\x80\x80\x80", "[\"����\"]" },
		{ "\xE8\x8F\xA0\xFF", "[\"菠�\"]" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json *array = js_new_array();
		js_append(array, js_new_text(cases[i].bytes));
		dumped(array, cases[i].text);
	}
}

static void a_parse_fault_names_line_and_column(void **state)
{
	(void)state;
	struct fault fault;
	assert_null(js_parse("{\"a\":1,\n \"a\":2}", 15, &fault));
	assert_non_null(strstr(fault.text, "line 2"));
	assert_null(js_parse("{\"a\":1} x", 9, &fault));
	assert_null(js_parse("", 0, &fault));
}

static void getters_answer_for_missing_and_mistyped_members(void **state)
{
	(void)state;
	static const char text[] = "{\"n\":7,\"t\":\"x\",\"b\":true,\"l\":[1,2],\"o\":{\"k\":1}}";
	struct json *object = js_parse(text, strlen(text), NULL);
	assert_int_equal(js_get_integer(object, "n", -1), 7);
	assert_int_equal(js_get_integer(object, "t", -1), -1);
	assert_int_equal(js_get_integer(object, "missing", -1), -1);
	assert_null(js_get_text(object, "n"));
	assert_true(js_get_bool(object, "b", false));
	assert_true(js_get_bool(object, "n", true));
	assert_int_equal(js_count(js_get(object, "l")), 2);
	assert_int_equal(js_integer_of(js_at(js_get(object, "l"), 1)), 2);
	const char *key;
	assert_non_null(js_member(object, 4, &key));
	assert_string_equal(key, "o");
	assert_null(js_member(object, 5, &key));
	assert_null(key);
	const struct json *member;
	size_t count = 0;
	while ((member = js_next_member(object, &key))) {
		const char *name;
		assert_ptr_equal(member, js_member(object, count++, &name));
		assert_ptr_equal(key, name);
	}
	assert_int_equal(count, js_count(object));
	assert_null(key);
	assert_null(js_next_member(js_get(object, "l"), &key)); /* a list has no members, nor has nothing */
	assert_null(js_next_member(NULL, &key));
	js_free(object);
	js_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_keep_their_order_and_take_no_white_space),
		cmocka_unit_test(bytes_that_are_no_utf8_become_visible_and_do_not_vanish),
		cmocka_unit_test(a_parse_fault_names_line_and_column),
		cmocka_unit_test(getters_answer_for_missing_and_mistyped_members),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
