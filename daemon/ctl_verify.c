/* assayctl verify: judges an export or a platform's copy; needs no daemon, no
 * configuration and no journal. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "program.h"
#include "verify.h"

enum { TOLD_OF_A_KIND = 20, KINDS = VERIFY_HEAD + 1, KEY_BYTES_MAX = 8192 };

struct report {
	bool json;
	uint64_t told[KINDS];
};

static void print_fault(void *context, const struct verify_fault *fault)
{
	struct report *report = context;
	if (++report->told[fault->kind] > TOLD_OF_A_KIND && !report->json)
		return;
	if (report->json) {
		struct json *object = js_new_object();
		js_put_text(object, "fault", verify_kind_name(fault->kind));
		js_put_text_if(object, "file", fault->file);
		if (fault->line)
			js_put_integer(object, "line", (int64_t)fault->line);
		if (fault->seq)
			js_put_integer(object, "seq", (int64_t)fault->seq);
		js_put_text(object, "text", fault->text);
		char *line = js_dump(object);
		puts(line);
		free(line);
		js_free(object);
		return;
	}
	if (fault->file)
		printf("%s:", fault->file);
	if (fault->line)
		printf("%" PRIu64 ":", fault->line);
	printf(" %s\n", fault->text);
}

static void print_epoch(void *context, const struct verify_epoch *epoch)
{
	const struct report *report = context;
	if (!report->json) {
		printf(_("epoch %s, station %s: entries %" PRIu64 " to %" PRIu64 " (%" PRIu64 ", %" PRIu64
			 " of them repeated), %" PRIu64 " seals, %" PRIu64 " manifests; proven up to %" PRIu64 "\n"),
			epoch->epoch, epoch->station, epoch->first, epoch->last, epoch->entries, epoch->repeated,
			epoch->seals, epoch->manifests, epoch->sealed);
		return;
	}
	struct json *object = js_new_object();
	js_put_text(object, "epoch", epoch->epoch);
	js_put_text(object, "station", epoch->station);
	js_put_integer(object, "first", (int64_t)epoch->first);
	js_put_integer(object, "last", (int64_t)epoch->last);
	js_put_integer(object, "entries", (int64_t)epoch->entries);
	js_put_integer(object, "repeated", (int64_t)epoch->repeated);
	js_put_integer(object, "seals", (int64_t)epoch->seals);
	js_put_integer(object, "manifests", (int64_t)epoch->manifests);
	js_put_integer(object, "proven", (int64_t)epoch->sealed);
	char *line = js_dump(object);
	puts(line);
	free(line);
	js_free(object);
}

static int read_key(struct verify *verify, const char *path)
{
	char pem[KEY_BYTES_MAX];
	struct signature_key *key;
	struct fault fault;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, pem, sizeof(pem));
	int error = errno;
	if (fd >= 0)
		close(fd);
	if (length < 0)
		return ctl_fail(EXIT_FAILED, _("%s cannot be read: %s"), path, strerror(error));
	if (signature_key_read(pem, (size_t)length, false, &key, &fault) != 0)
		return ctl_fail(EXIT_FAILED, "%s: %s", path, fault.text);
	verify_trust(verify, key);
	return EXIT_DONE;
}

static int read_file(struct verify *verify, const char *path)
{
	struct fault fault;
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ctl_fail(EXIT_FAILED, _("%s cannot be read: %s"), path, strerror(errno));
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	int error = verify_read(verify, fd, path, &fault);
	close(fd);
	return error ? ctl_fail(EXIT_FAILED, "%s", fault.text) : EXIT_DONE;
}

static void conclude(const struct report *report, const struct verify *verify, bool fine)
{
	if (report->json) {
		printf("{\"ok\":%s,\"faults\":%" PRIu64 "}\n", fine ? "true" : "false", verify_faults(verify));
		return;
	}
	for (size_t kind = 0; kind < KINDS; kind++)
		if (report->told[kind] > TOLD_OF_A_KIND)
			printf(_("... and %" PRIu64 " more of the kind \"%s\"\n"), report->told[kind] - TOLD_OF_A_KIND,
				verify_kind_name((enum verify_kind)kind));
	if (fine)
		puts(_("unaltered and complete: every entry is proven by a seal"));
	else
		printf(_("NOT proven: %" PRIu64 " faults\n"), verify_faults(verify));
	if (verify_believes_exports(verify))
		puts(_("No --key was given: the keys an export brings prove only that it "
		       "is of one piece. Compare their ids with what "
		       "the station handed over."));
}

static int verify_files(struct report *report, const char *station, char **keys, size_t key_count, char **files)
{
	struct verify *verify = verify_new(station, print_fault, print_epoch, report);
	int code = EXIT_DONE;
	for (size_t i = 0; i < key_count && code == EXIT_DONE; i++)
		code = read_key(verify, keys[i]);
	for (size_t i = 0; files[i] && code == EXIT_DONE; i++)
		code = read_file(verify, files[i]);
	if (code == EXIT_DONE) {
		bool fine = verify_judge(verify);
		conclude(report, verify, fine);
		code = fine ? EXIT_DONE : EXIT_FAILED;
	}
	verify_free(verify);
	return code;
}

int ctl_verify(const struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "key", required_argument, NULL, 'k' },
		{ "station", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct report report = { .json = ctl->json };
	const char *station = NULL;
	char **keys = calloc((size_t)argc + 1, sizeof(char *));
	size_t key_count = 0;
	int code = EXIT_DONE;
	optind = 1;
	for (int option; keys && (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option == 'k')
			keys[key_count++] = optarg;
		else if (option == 's')
			station = optarg;
		else if (option == 'j')
			report.json = true;
		else
			code = EXIT_USAGE;
	}
	if (code == EXIT_DONE && optind == argc)
		code = ctl_fail(EXIT_USAGE, _("verify needs a file: an export, or a copy "
					      "of what was published, a line each"));
	if (code == EXIT_DONE)
		code = verify_files(&report, station, keys, key_count, argv + optind);
	free(keys);
	return code;
}
