#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../drivers/text.h"
#include "config.h"
#include "control.h"
#include "ctl.h"
#include "program.h"

int ctl_fail(int code, const char *format, ...)
{
	va_list args;
	fputs("assayctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

void ctl_column(const char *text, size_t width)
{
	size_t used = text_width(text);
	printf("%s%*s", text, (int)(used < width ? width - used : 0) + 1, "");
}

int ctl_config(const struct ctl *ctl, struct config **ret)
{
	struct faults faults = { 0 };
	int error = config_load(ctl->directory, ret, &faults);
	if (error)
		ctl_fail(EXIT_CONFIG, _("the configuration in %s has %zu faults; assayd --check -c %s shows them"),
			ctl->directory, faults.errors, ctl->directory);
	faults_free(&faults);
	return error ? EXIT_CONFIG : EXIT_DONE;
}

int ctl_identity_rule(const struct ctl *ctl, enum identity_rule *ret)
{
	struct config *config;
	int code = ctl_config(ctl, &config);
	if (code != EXIT_DONE)
		return code;
	*ret = (enum identity_rule)config->samples.identity;
	config_release(config);
	return EXIT_DONE;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static int hand_on(
	const char *line, size_t length, int (*each)(void *context, const char *line, size_t length), void *context)
{
	struct json *value = js_parse(line, length, NULL);
	const char *error = js_is_object(value) && js_count(value) == 1 ? js_get_text(value, "error") : NULL;
	int code = -1;
	if (error)
		code = ctl_fail(EXIT_FAILED, "%s", error);
	else if (each(context, line, length) != 0)
		code = EXIT_DONE;
	js_free(value);
	return code;
}

static int read_answer(int fd, int (*each)(void *context, const char *line, size_t length), void *context)
{
	FILE *answer = fdopen(fd, "r");
	char *line = NULL;
	size_t room = 0;
	int code = -1;
	for (ssize_t length; code < 0 && (length = getline(&line, &room, answer)) > 0;) {
		if (line[length - 1] == '\n')
			line[--length] = '\0';
		code = hand_on(line, (size_t)length, each, context);
	}
	free(line);
	fclose(answer);
	return code < 0 ? EXIT_DONE : code;
}

static int ask(const struct config *config, const struct json *request,
	int (*each)(void *context, const char *line, size_t length), void *context)
{
	int fd = connect_to(config->control_socket);
	if (fd < 0 && errno == EACCES)
		return ctl_fail(EXIT_FAILED, _("%s: permission denied; run as root or as a member of the group assayd"),
			config->control_socket);
	if (fd < 0)
		return EXIT_NO_DAEMON;
	char *text = js_dump(request);
	dprintf(fd, "%s\n", text);
	free(text);
	return read_answer(fd, each, context);
}

bool ctl_daemon_runs(const struct config *config)
{
	int fd = connect_to(config->control_socket);
	if (fd < 0)
		return errno == EACCES; /* somebody's, whom we may not ask */
	close(fd);
	return true;
}

int ctl_ask(const struct ctl *ctl, struct json *request, int (*each)(void *context, const char *line, size_t length),
	void *context)
{
	struct config *config;
	int code = ctl_config(ctl, &config);
	if (code == EXIT_DONE) {
		code = ask(config, request, each, context);
		if (code == EXIT_NO_DAEMON)
			ctl_fail(code,
				_("assayd does not run (nothing answers at %s); start it: systemctl start assayd"),
				config->control_socket);
		config_release(config);
	}
	js_free(request);
	return code;
}

static int read_journal(const struct config *config, const struct json *request,
	int (*each)(void *context, const char *line, size_t length), void *context)
{
	char path[CONFIG_PATH_MAX + 16];
	struct journal_reader *reader;
	struct fault fault;
	snprintf(path, sizeof(path), "%s/journal.db", config->journal.directory);
	fprintf(stderr, _("assayctl: assayd does not run; reading %s\n"), path);
	if (journal_reader_open(path, &reader, &fault) != 0)
		return ctl_fail(EXIT_FAILED, "%s", fault.text);
	int error = control_answer(reader, request, each, context, &fault);
	journal_reader_close(reader);
	return error ? ctl_fail(EXIT_FAILED, "%s", fault.text) : EXIT_DONE;
}

int ctl_ask_or_read(const struct ctl *ctl, struct json *request,
	int (*each)(void *context, const char *line, size_t length), void *context)
{
	struct config *config;
	int code = ctl_config(ctl, &config);
	if (code == EXIT_DONE) {
		code = ask(config, request, each, context);
		if (code == EXIT_NO_DAEMON)
			code = read_journal(config, request, each, context);
		config_release(config);
	}
	js_free(request);
	return code;
}

static int ignore(void *context, const char *line, size_t length)
{
	(void)context;
	(void)line;
	(void)length;
	return 0;
}

/* The last second of a running daemon's entries is not sealed yet, and its last
 * seals may not be in the file. */
static int ask_for_seal(const struct config *config)
{
	struct json *request = js_new_object();
	js_put_text(request, "command", "seal");
	int code = ask(config, request, ignore, NULL);
	js_free(request);
	return code == EXIT_NO_DAEMON ? EXIT_DONE : code;
}

int ctl_open_journal(const struct ctl *ctl, struct journal_reader **ret)
{
	char path[CONFIG_PATH_MAX + 16];
	struct config *config;
	struct fault fault;
	int code = ctl_config(ctl, &config);
	if (code != EXIT_DONE)
		return code;
	setenv("TZ", config->station.timezone, 1);
	tzset();
	snprintf(path, sizeof(path), "%s/journal.db", config->journal.directory);
	code = ask_for_seal(config);
	if (code == EXIT_DONE && journal_reader_open(path, ret, &fault) != 0)
		code = ctl_fail(EXIT_FAILED, "%s", fault.text);
	config_release(config);
	return code;
}
