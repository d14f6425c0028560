#include "program.h"

#include <libintl.h>
#include <locale.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../drivers/text.h"
#include "paths.h"

/* The locale the environment names for messages, "" when it names none: the order of setlocale(3). */
static const char *wanted_locale(void)
{
	static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *value = getenv(names[i]);
		if (value && *value)
			return value;
	}
	return "";
}

/* A small Debian has none of the locales that LANG may name, and in the locale "C", where a failed setlocale() leaves a
 * program, gettext translates nothing. In C.UTF-8, which is always there, it goes by LANGUAGE. All Chinese (zh_TW,
 * zh_SG
 * ...) is served by the one Chinese catalogue.
 */
static void choose_chinese(bool have_locale)
{
	static const char *const names[] = { "zh_CN.UTF-8", "zh_CN.utf8", "C.UTF-8" };
	const char *languages = getenv("LANGUAGE"), *wanted = wanted_locale();
	bool listed = languages && *languages;
	if (strncmp(listed ? languages : wanted, "zh", 2) != 0)
		return;
	if (!listed)
		setenv("LANGUAGE", "zh_CN", 1);
	bool found = have_locale && *wanted;
	for (size_t i = 0; !found && i < sizeof(names) / sizeof(*names); i++)
		found = setlocale(LC_ALL, names[i]) != NULL;
}

void program_language(void)
{
	choose_chinese(setlocale(LC_ALL, "") != NULL);
	setlocale(LC_NUMERIC, "C");
	bindtextdomain("assayd", paths_locale());
	bind_textdomain_codeset("assayd", "UTF-8");
	textdomain("assayd");
	text_prepare();
}
