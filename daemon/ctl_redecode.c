/* assayctl redecode: what the present driver and profile make of the bytes stored.
 *
 * With --dry-run it reads the journal itself and only shows. Otherwise the daemon does it, and appends superseding
 * records, with the configuration it runs with; a --profile FILE must be one that the daemon can read.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "program.h"
#include "redecode.h"

struct command {
	const struct ctl *ctl;
	uint64_t from, to;
	const char *instrument;
	char *profile; /* resolved */
	bool dry_run, unmapped;
	struct redecode_counts counts, last; /* all, and the last answer's */
};

static void print_members(const struct json *object)
{
	const char *key;
	for (size_t i = 0; js_member(object, i, &key); i++) {
		char *text = js_dump(js_get(object, key));
		printf(" %s=%s", key, text);
		free(text);
	}
}

static int print_change(void *context, const char *text, size_t length)
{
	struct command *command = context;
	struct json *line = js_parse(text, length, NULL);
	if (!line || !js_get(line, "new_id")) {
		js_free(line);
		return 1;
	}
	if (command->ctl->json) {
		printf("%.*s\n", (int)length, text);
	} else {
		printf("%" PRId64 " %s", js_get_integer(line, "seq", 0), js_get_text(line, "instrument"));
		print_members(js_get(line, "was"));
		fputs(" ->", stdout);
		print_members(js_get(line, "is"));
		fputc('\n', stdout);
	}
	js_free(line);
	return 0;
}

static void add(struct redecode_counts *all, const struct redecode_counts *some)
{
	all->looked += some->looked;
	all->same += some->same;
	all->changed += some->changed;
	all->superseded += some->superseded;
	all->unreadable += some->unreadable;
	all->foreign += some->foreign;
	all->through = some->through;
}

static int take_line(void *context, const char *text, size_t length)
{
	struct command *command = context;
	struct json *line = js_parse(text, length, NULL);
	bool counts = line && js_get(line, "through");
	if (counts) {
		command->last = (struct redecode_counts){ .through = (uint64_t)js_get_integer(line, "through", 0) };
		command->last.looked = (unsigned long)js_get_integer(line, "looked", 0);
		command->last.same = (unsigned long)js_get_integer(line, "same", 0);
		command->last.changed = (unsigned long)js_get_integer(line, "changed", 0);
		command->last.superseded = (unsigned long)js_get_integer(line, "superseded", 0);
		command->last.unreadable = (unsigned long)js_get_integer(line, "unreadable", 0);
		command->last.foreign = (unsigned long)js_get_integer(line, "foreign", 0);
	}
	js_free(line);
	return counts ? 0 : print_change(context, text, length);
}

static int through_the_daemon(struct command *command)
{
	uint64_t from = command->from;
	for (;;) {
		struct json *request = js_new_object();
		js_put_text(request, "command", "redecode");
		js_put_integer(request, "from", (int64_t)from);
		js_put_integer(request, "to", (int64_t)command->to);
		js_put_text_if(request, "instrument", command->instrument);
		js_put_text_if(request, "profile", command->profile);
		js_put_bool(request, "unmapped", command->unmapped);
		command->last.through = 0;
		int code = ctl_ask(command->ctl, request, take_line, command);
		if (code != EXIT_DONE)
			return code;
		if (command->last.through < from) /* nothing was left to look at */
			return EXIT_DONE;
		add(&command->counts, &command->last);
		from = command->last.through + 1;
	}
}

static int look_only(struct command *command)
{
	struct config *config;
	struct faults faults = { 0 };
	struct fault fault = { "" };
	int error = config_load(command->ctl->directory, &config, &faults);
	faults_free(&faults);
	if (error)
		return ctl_fail(EXIT_CONFIG, _("the configuration in %s has faults; assayd --check -c %s shows them"),
			command->ctl->directory, command->ctl->directory);
	char path[CONFIG_PATH_MAX + 16], name[CONFIG_NAME_MAX];
	void *profile = NULL;
	struct redecode wish = { .config = config, .from = command->from, .to = command->to };
	wish.instrument = command->instrument;
	wish.unmapped = command->unmapped;
	snprintf(path, sizeof(path), "%s/journal.db", config->journal.directory);
	error = command->profile ? redecode_read_profile(
					   config, command->profile, wish.instrument, &wish, name, &profile, &fault)
	                         : 0;
	if (!error)
		error = journal_reader_open(path, &wish.reader, &fault);
	if (!error)
		error = redecode_run(&wish, print_change, command, &command->counts, &fault);
	journal_reader_close(wish.reader);
	free(profile);
	config_release(config);
	return error ? ctl_fail(EXIT_FAILED, "%s", fault.text) : EXIT_DONE;
}

static int read_number(const char *text, uint64_t *ret)
{
	char *end;
	errno = 0;
	long long number = strtoll(text, &end, 10);
	if (*end || errno || number < 1)
		return ctl_fail(EXIT_USAGE, _("'%s' is no number from 1 on"), text);
	*ret = (uint64_t)number;
	return EXIT_DONE;
}

static int read_arguments(int argc, char **argv, struct command *command)
{
	static const struct option options[] = {
		{ "from", required_argument, NULL, 'f' },
		{ "to", required_argument, NULL, 't' },
		{ "instrument", required_argument, NULL, 'i' },
		{ "profile", required_argument, NULL, 'p' },
		{ "unmapped", no_argument, NULL, 'u' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	int code = EXIT_DONE;
	optind = 1;
	for (int option; code == EXIT_DONE && (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option == 'f' || option == 't')
			code = read_number(optarg, option == 'f' ? &command->from : &command->to);
		else if (option == 'i')
			command->instrument = optarg;
		else if (option == 'n')
			command->dry_run = true;
		else if (option == 'u')
			command->unmapped = true;
		else if (option == 'p' && !(command->profile = realpath(optarg, NULL)))
			code = ctl_fail(EXIT_FAILED, "%s: %s", optarg, strerror(errno));
		else if (option != 'p')
			code = EXIT_USAGE;
	}
	if (code == EXIT_DONE && optind < argc)
		code = ctl_fail(EXIT_USAGE, _("redecode takes no '%s'"), argv[optind]);
	return code;
}

int ctl_redecode(const struct ctl *ctl, int argc, char **argv)
{
	struct command command = { .ctl = ctl, .from = 1, .to = INT64_MAX };
	int code = read_arguments(argc, argv, &command);
	if (code == EXIT_DONE)
		code = command.dry_run ? look_only(&command) : through_the_daemon(&command);
	const struct redecode_counts *counts = &command.counts;
	if (code == EXIT_DONE)
		fprintf(stderr,
			_("assayctl: %lu looked at: %lu say the same, %lu something else, %lu are superseded already; "
			  "%lu cannot be read again, %lu are of instruments that are not configured so\n"),
			counts->looked, counts->same, counts->changed, counts->superseded, counts->unreadable,
			counts->foreign);
	if (code == EXIT_DONE && command.dry_run && counts->changed)
		fprintf(stderr, _("assayctl: nothing was changed; without --dry-run new records supersede these\n"));
	free(command.profile);
	return code;
}
