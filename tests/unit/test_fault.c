#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../drivers/fault.h"
#include "../../drivers/text.h"

static void the_error_comes_back_negative_even_where_nobody_wants_the_sentence(void **state)
{
	(void)state;
	struct fault fault;
	assert_int_equal(fault_set(&fault, EINVAL, "rate %d; %d is near", 9601, 9600), -EINVAL);
	assert_string_equal(fault.text, "rate 9601; 9600 is near");
	assert_int_equal(fault_set(NULL, EIO, "nobody reads this"), -EIO);
}

static void a_sentence_too_long_ends_at_a_whole_character(void **state)
{
	(void)state;
	struct fault fault;
	char name[2 * sizeof(fault.text)] = "";
	while (strlen(name) + 4 < sizeof(name))
		strcat(name, "\u83DC");
	for (const char *before = "xyz"; *before; before++) {
		fault_set(&fault, EINVAL, "%s%s", before, name);
		size_t length = strlen(fault.text);
		assert_true(length < sizeof(fault.text) && length + 3 >= sizeof(fault.text));
		assert_true(text_is_utf8(fault.text, length));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_error_comes_back_negative_even_where_nobody_wants_the_sentence),
		cmocka_unit_test(a_sentence_too_long_ends_at_a_whole_character),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
