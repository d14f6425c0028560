/* assayctl decode: recorded bytes through a driver, offline.
 *
 * A capture (capture.h) is recognised by its first line, or, in a file, by being one from beginning to end and saying
 * with a mark or a comment that it is meant as text: no instrument's own bytes are that. Of a capture the driver gets
 * what the instrument sent; for Modbus both directions, since the question says which registers the answer holds.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../drivers/checksum.h"
#include "capture.h"
#include "ctl.h"
#include "decode.h"
#include "profile.h"
#include "program.h"
#include "settings.h"

struct decoding { /* what the command line asked for */
	const struct driver *driver;
	void *options, *profile;
	int in;
	enum { INPUT_UNSAID, INPUT_RAW, INPUT_TEXT } input;
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

/* An RTU frame of a message recorded with an MBAP header: what the driver's offline decoder cuts. */
static void put_rtu(FILE *out, const uint8_t *adu, size_t length)
{
	enum { UNIT_AT = 6 };
	uint8_t frame[260 + 2];
	if (length <= UNIT_AT || length - UNIT_AT > sizeof(frame) - 2)
		return;
	memcpy(frame, adu + UNIT_AT, length - UNIT_AT);
	uint16_t crc = checksum_crc16(frame, length - UNIT_AT);
	fwrite(frame, 1, length - UNIT_AT, out);
	fputc(crc & 0xFF, out);
	fputc(crc >> 8, out);
}

/* The bytes of a capture as a file of their own. */
static int unpack(const struct capture *capture, struct decoding *decoding)
{
	int fd = memfd_create("capture", MFD_CLOEXEC);
	FILE *out = fd < 0 ? NULL : fdopen(dup(fd), "w");
	if (!out)
		return ctl_fail(EXIT_FAILED, "%s", strerror(errno));
	bool both = decoding->driver->links == LINK_MODBUS;
	for (size_t i = 0; i < capture->count; i++) {
		const struct capture_item *item = &capture->items[i];
		if (item->sent && !both)
			continue;
		if (capture->head.wire == CAPTURE_TCP)
			put_rtu(out, capture->bytes + item->offset, item->length);
		else
			fwrite(capture->bytes + item->offset, 1, item->length, out);
	}
	if (fclose(out) != 0)
		return ctl_fail(EXIT_FAILED, "%s", strerror(errno));
	lseek(fd, 0, SEEK_SET);
	if (decoding->in > STDIN_FILENO)
		close(decoding->in);
	decoding->in = fd;
	return EXIT_DONE;
}

static bool meant_as_text(const char *text, size_t length)
{
	size_t blank = 0;
	while (blank < length && strchr(" \t\r\n", text[blank]))
		blank++;
	return blank < length && strchr("#<>", text[blank]);
}

enum recognised { NO_TEXT, PERHAPS_TEXT, SAID_TO_BE_TEXT };

/* A pipe is believed only when it is said to be a capture: nothing may be read ahead of the driver. */
static enum recognised recognise(const struct decoding *decoding)
{
	struct stat status;
	char start[256];
	if (decoding->input != INPUT_UNSAID)
		return decoding->input == INPUT_TEXT ? SAID_TO_BE_TEXT : NO_TEXT;
	if (fstat(decoding->in, &status) != 0 || !S_ISREG(status.st_mode))
		return NO_TEXT;
	ssize_t got = pread(decoding->in, start, sizeof(start), 0);
	if (got <= 0 || !meant_as_text(start, (size_t)got))
		return NO_TEXT;
	return capture_says_so(start, (size_t)got) ? SAID_TO_BE_TEXT : PERHAPS_TEXT;
}

static int read_capture(int fd, const char *name, struct capture *ret, struct fault *fault)
{
	FILE *in = fdopen(dup(fd), "r");
	if (!in)
		return fault_set(fault, errno, "%s: %s", name, strerror(errno));
	int error = capture_read(in, name, ret, fault);
	fclose(in);
	return error;
}

/* Looks whether the input is a capture in text and unpacks it. */
static int look_at_input(const char *name, struct decoding *decoding)
{
	struct capture capture = { 0 };
	struct fault fault = { "" };
	enum recognised recognised = recognise(decoding);
	if (recognised == NO_TEXT)
		return EXIT_DONE;
	int error = read_capture(decoding->in, name, &capture, &fault);
	if (error) {
		if (recognised == PERHAPS_TEXT && error != -ENOMEM && lseek(decoding->in, 0, SEEK_SET) == 0)
			return EXIT_DONE;
		return ctl_fail(EXIT_FAILED, "%s", fault.text);
	}
	if (decoding->input == INPUT_UNSAID)
		fprintf(stderr,
			_("assayctl: %s is a capture in text; with --raw its letters would be the instrument's bytes\n"),
			name);
	int code = unpack(&capture, decoding);
	capture_free(&capture);
	return code;
}

static int open_input(const char *path, struct decoding *decoding)
{
	decoding->in = path && strcmp(path, "-") != 0 ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	if (decoding->in < 0)
		return ctl_fail(EXIT_FAILED, "%s: %s", path, strerror(errno));
	return look_at_input(path ? path : "-", decoding);
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
		{ "raw", no_argument, NULL, 'r' },
		{ "text", no_argument, NULL, 't' },
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
		else if (option == 'r' || option == 't')
			decoding.input = option == 'r' ? INPUT_RAW : INPUT_TEXT;
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
