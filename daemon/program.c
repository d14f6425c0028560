#include "program.h"

#include <libintl.h>
#include <locale.h>

#include "../drivers/text.h"
#include "paths.h"

void program_language(void)
{
	setlocale(LC_ALL, "");
	setlocale(LC_NUMERIC, "C");
	bindtextdomain("assayd", paths_locale());
	bind_textdomain_codeset("assayd", "UTF-8");
	textdomain("assayd");
	text_prepare();
}
