/* assayctl settings: the reference, printed from the tables the checker uses. */
#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "program.h"
#include "reference.h"

int ctl_settings(const struct ctl *ctl, int argc, char **argv)
{
	(void)ctl;
	const char *what = argc > 1 ? argv[1] : "--keys";
	if (argc > 2 || strncmp(what, "--", 2) != 0 || reference_print(what + 2, stdout) != 0)
		return ctl_fail(EXIT_USAGE, _("settings takes one of --example, --man, --keys"));
	return EXIT_DONE;
}
