/* A text in memory is whole, however long it grows and whenever it is looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../daemon/text_stream.h"

static void nothing_written_is_an_empty_text(void **state)
{
	(void)state;
	char *text;
	size_t length;
	fclose(text_stream(&text, &length));
	assert_string_equal(text, "");
	assert_int_equal(length, 0);
	free(text);
}

static void every_character_stands_in_its_place(void **state)
{
	(void)state;
	char *text;
	size_t length;
	FILE *out = text_stream(&text, &length);
	for (int i = 0; i < 100000; i++)
		fputc('a' + i % 26, out);
	assert_int_equal(fflush(out), 0);
	assert_int_equal(length, 100000);
	fprintf(out, "%s", "the end");
	fclose(out);
	assert_int_equal(length, 100007);
	assert_string_equal(text + 100000, "the end");
	for (int i = 0; i < 100000; i++)
		assert_int_equal(text[i], 'a' + i % 26);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_written_is_an_empty_text),
		cmocka_unit_test(every_character_stands_in_its_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
