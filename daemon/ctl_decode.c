/* assayctl decode: recorded bytes through a driver, offline. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "decode.h"
#include "profile.h"
#include "program.h"
#include "settings.h"

struct decoding { /* what the command line asked for */
	const struct driver *driver;
	void *options, *profile;
	int in;
};

static int find_driver(const char *name, struct decoding *decoding)
{
	decoding->driver = driver_by_name(name);
	if (decoding->driver)
		return EXIT_DONE;
	char known[256] = "";
	for (size_t i = 0, used = 0; drivers[i]; i++)
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "", drivers[i]->name);
	return ctl_fail(EXIT_USAGE, _("no driver '%s'; there are: %s"), name, known);
}

static int read_profile(const struct ctl *ctl, const char *name, struct decoding *decoding)
{
	char path[512];
	struct fault fault;
	if (!decoding->driver->profiles)
		return name ? ctl_fail(EXIT_USAGE, _("driver %s takes no profile"), decoding->driver->name) : EXIT_DONE;
	if (!name)
		return ctl_fail(EXIT_USAGE, _("driver %s needs --profile NAME"), decoding->driver->name);
	if (strchr(name, '/'))
		snprintf(path, sizeof(path), "%s", name); /* a profile being written */
	else if (profile_find(ctl->directory, name, path, sizeof(path), &fault) != 0)
		return ctl_fail(EXIT_CONFIG, "%s", fault.text);
	struct faults faults = { 0 };
	int error = profile_read(path, decoding->driver, &decoding->profile, &faults);
	faults_print(&faults, stderr);
	faults_free(&faults);
	return error ? EXIT_CONFIG : EXIT_DONE;
}

/* KEY=VALUE of --set, by the driver's own table. */
static int set_option(struct decoding *decoding, char *assignment)
{
	char *value = strchr(assignment, '=');
	struct fault fault;
	if (!value)
		return ctl_fail(EXIT_USAGE, _("--set takes KEY=VALUE, not '%s'"), assignment);
	*value++ = '\0';
	for (const struct setting *row = decoding->driver->options; row && row->name; row++) {
		if (strcmp(row->name, assignment) != 0)
			continue;
		if (settings_value(row, value, decoding->options, &fault) != 0)
			return ctl_fail(EXIT_USAGE, "%s: %s", assignment, fault.text);
		return EXIT_DONE;
	}
	return ctl_fail(EXIT_USAGE, _("driver %s has no setting '%s'"), decoding->driver->name, assignment);
}

static int open_input(const char *path, struct decoding *decoding)
{
	decoding->in = path && strcmp(path, "-") != 0 ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	if (decoding->in < 0)
		return ctl_fail(EXIT_FAILED, "%s: %s", path, strerror(errno));
	return EXIT_DONE;
}

static int prepare(const struct ctl *ctl, char **words, size_t count, const char *profile, char **sets,
	size_t set_count, struct decoding *decoding)
{
	if (count < 1 || count > 2)
		return ctl_fail(EXIT_USAGE, _("decode takes a driver and at most one file"));
	int code = find_driver(words[0], decoding);
	if (code == EXIT_DONE)
		code = read_profile(ctl, profile, decoding);
	if (code != EXIT_DONE)
		return code;
	decoding->options = calloc(1, decoding->driver->options_size + 1);
	if (!decoding->options)
		return ctl_fail(EXIT_FAILED, _("out of memory"));
	settings_defaults(&(struct settings_table){ decoding->driver->options, decoding->options });
	for (size_t i = 0; code == EXIT_DONE && i < set_count; i++)
		code = set_option(decoding, sets[i]);
	return code == EXIT_DONE ? open_input(count > 1 ? words[1] : NULL, decoding) : code;
}

int ctl_decode(const struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "profile", required_argument, NULL, 'p' },
		{ "set", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' }, /* it always is */
		{ NULL, 0, NULL, 0 },
	};
	const char *profile = NULL;
	char **sets = calloc((size_t)argc, sizeof(*sets));
	size_t set_count = 0;
	struct decoding decoding = { .in = -1 };
	int code = EXIT_DONE;
	if (!sets)
		return ctl_fail(EXIT_FAILED, _("out of memory"));
	optind = 1;
	for (int option; code == EXIT_DONE && (option = getopt_long(argc, argv, "p:s:", options, NULL)) != -1;) {
		if (option == 'p')
			profile = optarg;
		else if (option == 's')
			sets[set_count++] = optarg;
		else if (option != 'j')
			code = EXIT_USAGE;
	}
	if (code == EXIT_DONE)
		code = prepare(ctl, argv + optind, (size_t)(argc - optind), profile, sets, set_count, &decoding);
	struct fault fault;
	if (code == EXIT_DONE && decode_stream(decoding.driver, decoding.options, decoding.profile, decoding.in, stdout,
					 stderr, &fault) != 0)
		code = ctl_fail(EXIT_FAILED, "%s", fault.text);
	if (decoding.in > STDIN_FILENO)
		close(decoding.in);
	free(decoding.options);
	free(decoding.profile);
	free(sets);
	return code;
}
