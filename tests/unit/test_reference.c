/* The reference: example and manual page in the tree are what the tables say. ASSAYD_REGENERATE=1 writes them anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../daemon/config.h"
#include "../../daemon/reference.h"

static char *printed(const char *what)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	assert_int_equal(reference_print(what, out), 0);
	fclose(out);
	return text;
}

static void is_what_stands_in(const char *path, const char *what)
{
	char *text = printed(what);
	if (getenv("ASSAYD_REGENERATE")) {
		FILE *file = fopen(path, "w");
		assert_non_null(file);
		fputs(text, file);
		fclose(file);
	}
	char *found = calloc(1, 1 << 20);
	assert_non_null(found);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	size_t length = fread(found, 1, (1 << 20) - 1, file);
	fclose(file);
	if (length != strlen(text) || strcmp(found, text))
		fail_msg("%s differs from the tables; ASSAYD_REGENERATE=1 %s writes it anew", path, "test_reference");
	free(found);
	free(text);
}

static void the_example_is_what_the_tables_say(void **state)
{
	(void)state;
	is_what_stands_in("config/assayd.conf.example", "example");
}

static void the_manual_page_is_what_the_tables_say(void **state)
{
	(void)state;
	is_what_stands_in("config/man/assayd.conf.5", "man");
}

static void the_manual_page_pleases_mandoc(void **state)
{
	(void)state;
	if (system("command -v mandoc >/dev/null") != 0)
		skip();
	/* whether the pages it refers to are installed is not this page's matter */
	FILE *lint = popen("mandoc -Tlint config/man/assayd.conf.5 2>&1 | grep -v 'referenced manual not found'", "r");
	assert_non_null(lint);
	char line[256] = "";
	if (!fgets(line, sizeof(line), lint))
		*line = '\0';
	pclose(lint);
	assert_string_equal(line, "");
}

static void the_example_is_a_right_configuration(void **state)
{
	(void)state;
	char directory[] = "/tmp/assay-reference-XXXXXX", path[64];
	assert_non_null(mkdtemp(directory));
	setenv("ASSAYD_DATADIR", "config", 1);
	snprintf(path, sizeof(path), "%s/assayd.conf", directory);
	char *text = printed("example");
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	free(text);
	struct faults faults = { 0 };
	struct config *config;
	int result = config_load(directory, &config, &faults);
	faults_print(&faults, stderr);
	assert_int_equal(result, 0);
	assert_int_equal(faults.count, 0);
	config_release(config);
	unlink(path);
	rmdir(directory);
}

static void completion_knows_section_key_and_choices(void **state)
{
	(void)state;
	char *text = printed("keys");
	assert_non_null(strstr(text, "station\tcode\t\n"));
	assert_non_null(strstr(text, "target\treceipts\tnone|required\n"));
	assert_non_null(strstr(text, "instrument\tpoll\t10ms..1h\n"));
	free(text);
	assert_int_equal(reference_print("nothing", stdout), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_is_what_the_tables_say),
		cmocka_unit_test(the_manual_page_is_what_the_tables_say),
		cmocka_unit_test(the_manual_page_pleases_mandoc),
		cmocka_unit_test(the_example_is_a_right_configuration),
		cmocka_unit_test(completion_knows_section_key_and_choices),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
