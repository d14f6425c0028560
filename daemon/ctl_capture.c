/* assayctl capture: what passes on an instrument's line, into a file that people read and `replay:` plays.
 *
 * It goes through the daemon, which holds the port and goes on as if nobody watched. Without a daemon nothing is
 * recorded: somebody would have to ask the instrument, and what asks must also store before it acknowledges.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "ctl.h"
#include "program.h"

struct recorder {
	const char *instrument, *path;
	long seconds, results; /* 0: no end by itself */
	FILE *file;            /* opened when the daemon has agreed */
	uint64_t reads, writes, bytes, dropped;
	int64_t stored;
	int code;
};

static volatile sig_atomic_t ended;

/* Again each second: a signal that comes just before the wait for the next line would be lost otherwise. */
static void end(int number)
{
	(void)number;
	ended = 1;
	alarm(1);
}

static void catch_signals(long seconds)
{
	struct sigaction action = { .sa_handler = end }; /* without SA_RESTART: it ends a read */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	if (seconds > 0)
		alarm((unsigned)seconds);
}

/* An existing file may be the only recording of something: it is not written over. */
static FILE *create(const char *path)
{
	if (strcmp(path, "-") == 0)
		return stdout;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	return fd < 0 ? NULL : fdopen(fd, "w");
}

static void copy_text(const struct json *line, const char *key, char *into, size_t size)
{
	snprintf(into, size, "%s", js_text_in(line, key));
}

static int begin(struct recorder *recorder, const struct json *line)
{
	struct capture_head head = { .unit = (int)js_get_integer(line, "unit", 0) };
	const char *wire = js_get_text(line, "wire");
	copy_text(line, "instrument", head.instrument, sizeof(head.instrument));
	copy_text(line, "driver", head.driver, sizeof(head.driver));
	copy_text(line, "profile", head.profile, sizeof(head.profile));
	copy_text(line, "line", head.line, sizeof(head.line));
	while (wire && head.wire < CAPTURE_TCP && strcmp(capture_wire_name(head.wire), wire) != 0)
		head.wire++;
	recorder->file = create(recorder->path);
	if (!recorder->file)
		return recorder->code = ctl_fail(EXIT_FAILED, _("%s cannot be written: %s"), recorder->path,
			       errno == EEXIST ? _("it is there already; name another") : strerror(errno));
	capture_write_head(recorder->file, &head);
	fprintf(stderr, _("assayctl: recording %s; Ctrl-C ends it\n"), recorder->instrument);
	return 0;
}

static size_t bytes_of_hex(const char *hex, uint8_t *out, size_t room)
{
	size_t length = 0;
	unsigned byte;
	for (; length < room && sscanf(hex + 2 * length, "%2x", &byte) == 1; length++)
		out[length] = (uint8_t)byte;
	return length;
}

static void write_line(struct recorder *recorder, const struct json *line)
{
	uint8_t bytes[4096];
	char note[96];
	int64_t at_us = js_get_integer(line, "at_us", 0), dropped = js_get_integer(line, "dropped", 0);
	int64_t results = js_get_integer(line, "results", 0);
	const char *hex = js_get_text(line, "hex"), *direction = js_get_text(line, "dir");
	if (hex && direction) {
		size_t length = bytes_of_hex(hex, bytes, sizeof(bytes));
		capture_write_item(recorder->file, *direction == '>', at_us, bytes, length);
		*(*direction == '>' ? &recorder->writes : &recorder->reads) += 1;
		recorder->bytes += length;
	} else if (dropped) {
		snprintf(note, sizeof(note),
			"%" PRId64 " reads and writes of %" PRId64 " bytes are missing: writing was too slow", dropped,
			js_get_integer(line, "bytes", 0));
		capture_write_note(recorder->file, at_us, note);
		recorder->dropped += (uint64_t)dropped;
	} else if (results) {
		snprintf(note, sizeof(note), "%" PRId64 " stored", results);
		capture_write_note(recorder->file, at_us, note);
		recorder->stored += results;
	} else if (js_get_text(line, "note")) {
		capture_write_note(recorder->file, at_us, js_get_text(line, "note"));
	}
}

static int take_line(void *context, const char *text, size_t length)
{
	struct recorder *recorder = context;
	struct json *line = js_parse(text, length, NULL);
	if (!recorder->file)
		begin(recorder, line);
	else
		write_line(recorder, line);
	js_free(line);
	if (!recorder->file)
		return 1;
	bool full = ftell(recorder->file) > CAPTURE_FILE_MAX - 8192;
	if (full)
		capture_write_note(recorder->file, 0, "the largest a capture may be: the recording ends here");
	if (fflush(recorder->file) != 0 || ferror(recorder->file))
		recorder->code = ctl_fail(EXIT_FAILED, _("%s cannot be written: %s"), recorder->path, strerror(errno));
	return full || ended || recorder->code != EXIT_DONE ||
	       (recorder->results > 0 && recorder->stored >= recorder->results);
}

static void finish(struct recorder *recorder)
{
	if (!recorder->file)
		return;
	if (recorder->file != stdout && fclose(recorder->file) != 0 && recorder->code == EXIT_DONE)
		recorder->code = ctl_fail(EXIT_FAILED, _("%s cannot be written: %s"), recorder->path, strerror(errno));
	fprintf(stderr,
		_("assayctl: %" PRIu64 " reads, %" PRIu64 " writes, %" PRIu64 " bytes; %" PRId64
		  " results stored meanwhile\n"),
		recorder->reads, recorder->writes, recorder->bytes, recorder->stored);
	if (recorder->dropped)
		fprintf(stderr, _("assayctl: %" PRIu64 " reads and writes are missing; the file says where\n"),
			recorder->dropped);
}

/* A count of at least 1, or 0 when it is none. */
static long count_of(const char *text)
{
	char *end;
	long count = strtol(text, &end, 10);
	return *end || count < 1 || count > 31622400 ? 0 : count;
}

static int read_arguments(int argc, char **argv, struct recorder *recorder)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "results", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' }, /* nothing of it is for machines */
		{ NULL, 0, NULL, 0 },
	};
	optind = 1;
	for (int option; (option = getopt_long(argc, argv, "s:r:", options, NULL)) != -1;) {
		if (option == '?')
			return EXIT_USAGE;
		if (option == 'j')
			continue;
		long count = count_of(optarg);
		if (count == 0)
			return ctl_fail(EXIT_USAGE, _("'%s' is no number from 1 on"), optarg);
		*(option == 's' ? &recorder->seconds : &recorder->results) = count;
	}
	if (argc - optind != 2)
		return ctl_fail(EXIT_USAGE,
			_("capture takes an instrument and a file, and --seconds N or --results N before them"));
	recorder->instrument = argv[optind];
	recorder->path = argv[optind + 1];
	return EXIT_DONE;
}

int ctl_capture(const struct ctl *ctl, int argc, char **argv)
{
	struct recorder recorder = { .code = EXIT_DONE };
	int code = read_arguments(argc, argv, &recorder);
	if (code != EXIT_DONE)
		return code;
	struct json *request = js_new_object();
	js_put_text(request, "command", "capture");
	js_put_text(request, "instrument", recorder.instrument);
	catch_signals(recorder.seconds);
	code = ctl_ask(ctl, request, take_line, &recorder);
	if (code == EXIT_DONE && recorder.code == EXIT_DONE && !ended && recorder.file &&
		!(recorder.results && recorder.stored >= recorder.results))
		fprintf(stderr, _("assayctl: the line was stopped or set up anew: the recording ends here\n"));
	finish(&recorder);
	return code == EXIT_DONE ? recorder.code : code;
}
