/* assayctl backup, restore: the journal as a file to keep, and back again. */
#include <stdio.h>
#include <string.h>

#include "backup.h"
#include "config.h"
#include "ctl.h"
#include "program.h"

int ctl_backup(const struct ctl *ctl, int argc, char **argv)
{
	struct config *config;
	struct fault fault;
	if (argc != 2 || argv[1][0] == '-')
		return ctl_fail(EXIT_USAGE, _("backup needs the name of a file that is not there yet"));
	int code = ctl_config(ctl, &config);
	if (code != EXIT_DONE)
		return code;
	if (backup_journal(config->journal.directory, argv[1], &fault) != 0)
		code = ctl_fail(EXIT_FAILED, "%s", fault.text);
	else if (!ctl->json)
		printf(_("the journal was written to %s; keep it on another disk\n"), argv[1]);
	config_release(config);
	return code;
}

int ctl_restore(const struct ctl *ctl, int argc, char **argv)
{
	struct config *config;
	struct restored restored;
	struct fault fault;
	const char *file = NULL;
	bool force = false;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--force") == 0)
			force = true;
		else if (!file && argv[i][0] != '-')
			file = argv[i];
		else
			return ctl_fail(
				EXIT_USAGE, _("restore takes no '%s'; a backup's file and --force are known"), argv[i]);
	}
	if (!file)
		return ctl_fail(EXIT_USAGE, _("restore needs a file that `assayctl backup` has written"));
	int code = ctl_config(ctl, &config);
	if (code != EXIT_DONE)
		return code;
	if (restore_journal(config->journal.directory, file, force, &restored, &fault) != 0) {
		code = ctl_fail(EXIT_FAILED, "%s", fault.text);
	} else if (!ctl->json) {
		printf(_("entries %llu to %llu of journal %s are restored; assayd sends what targets lack of them, and begins a "
			 "new journal\n"),
			(unsigned long long)restored.first, (unsigned long long)restored.last, restored.epoch);
		if (*restored.replaced)
			printf(_("the journal that was there is kept as %s\n"), restored.replaced);
	}
	config_release(config);
	return code;
}
