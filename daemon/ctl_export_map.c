/* assayctl export --map: records in the shape of a platform's interface. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "corrections.h"
#include "ctl_export.h"
#include "map_write.h"
#include "program.h"

struct exporting_map {
	const struct ctl *ctl;
	const struct export_map *wanted;
	struct map *map;
	struct map_writer *writer;
	struct corrections *corrections;
	struct journal_reader *reader;
	uint64_t last; /* 0: to the end */
	uint64_t exported, left_out, superseded, refused;
	FILE *out;       /* of the document being written */
	char path[4096]; /* its name, "" for standard output */
	size_t document;
	int code; /* EXIT_DONE while all goes well */
};

/* ---- the map ---- */

static int give(struct map *map, const struct export_map *wanted)
{
	struct fault fault;
	for (size_t i = 0; i < wanted->given_count; i++) {
		char *equals = strchr(wanted->given[i], '=');
		if (!equals)
			return ctl_fail(EXIT_USAGE, _("'%s' has no =; write --given NAME=VALUE"), wanted->given[i]);
		char *name = strndup(wanted->given[i], (size_t)(equals - wanted->given[i]));
		if (!name)
			abort();
		int error = map_give(map, name, equals + 1, &fault);
		free(name);
		if (error)
			return ctl_fail(EXIT_USAGE, "%s", fault.text);
	}
	if (!wanted->check && map_ready(map, &fault) != 0)
		return ctl_fail(EXIT_USAGE, "%s", fault.text);
	return EXIT_DONE;
}

static void print_json(FILE *out, struct json *object)
{
	char *line = js_dump(object);
	fprintf(out, "%s\n", line);
	free(line);
	js_free(object);
}

static void tell_sound(const struct ctl *ctl, const char *path, const struct map *map)
{
	if (!ctl->json) {
		printf(_("%s: no faults; %zu fields\n"), path, map_field_count(map));
		return;
	}
	struct json *told = js_new_object();
	js_put_text(told, "map", path);
	js_put_integer(told, "fields", (int64_t)map_field_count(map));
	print_json(stdout, told);
}

int ctl_export_map_read(const struct ctl *ctl, const struct export_map *wanted, struct map **ret)
{
	char path[4096];
	struct fault fault;
	struct faults faults = { 0 };
	*ret = NULL;
	if (map_find(ctl->directory, wanted->map, path, sizeof(path), &fault) != 0)
		return ctl_fail(EXIT_USAGE, "%s", fault.text);
	int error = map_read(path, ret, &faults);
	faults_print(&faults, stderr);
	faults_free(&faults);
	if (error)
		return EXIT_CONFIG;
	int code = give(*ret, wanted);
	if (code != EXIT_DONE) {
		map_free(*ret);
		*ret = NULL;
	} else if (wanted->check) {
		tell_sound(ctl, path, *ret);
	}
	return code;
}

/* ---- documents ---- */

static int cannot_write(struct exporting_map *exporting, int error)
{
	exporting->code = ctl_fail(
		EXIT_FAILED, _("%s cannot be written: %s"), *exporting->path ? exporting->path : "-", strerror(error));
	return -1;
}

/* day.xml; in batches day-0001.xml, day-0002.xml ... */
static int name_document(struct exporting_map *exporting, size_t number)
{
	const char *file = exporting->wanted->file, *slash = strrchr(file, '/');
	const char *point = strrchr(slash ? slash : file, '.');
	size_t stem = point ? (size_t)(point - file) : strlen(file);
	int length = map_has_documents(exporting->map) ? snprintf(exporting->path, sizeof(exporting->path),
								 "%.*s-%04zu%s", (int)stem, file, number, file + stem)
	                                               : snprintf(exporting->path, sizeof(exporting->path), "%s", file);
	return length < (int)sizeof(exporting->path) - 6 ? 0 : cannot_write(exporting, ENAMETOOLONG);
}

static char *part_name(const struct exporting_map *exporting)
{
	char *part;
	if (asprintf(&part, "%s.part", exporting->path) < 0)
		abort();
	return part;
}

/* A file that has its name is whole. */
static int close_document(struct exporting_map *exporting)
{
	FILE *out = exporting->out;
	exporting->out = NULL;
	if (!out)
		return 0;
	int error = 0;
	if (fflush(out) != 0)
		error = errno;
	if (out == stdout)
		return error ? cannot_write(exporting, error) : 0;
	char *part = part_name(exporting);
	if (!error && fsync(fileno(out)) != 0)
		error = errno;
	fclose(out);
	if (!error && exporting->code == EXIT_DONE && rename(part, exporting->path) != 0)
		error = errno;
	if (error || exporting->code != EXIT_DONE)
		unlink(part);
	free(part);
	return error ? cannot_write(exporting, error) : 0;
}

static int open_document(struct exporting_map *exporting, size_t number)
{
	exporting->document = number;
	if (!exporting->wanted->file) {
		exporting->out = stdout;
		return 0;
	}
	if (name_document(exporting, number) != 0)
		return -1;
	char *part = part_name(exporting);
	exporting->out = fopen(part, "we");
	free(part);
	return exporting->out ? 0 : cannot_write(exporting, errno);
}

static int put(void *context, size_t number, const char *bytes, size_t length)
{
	struct exporting_map *exporting = context;
	if (number != exporting->document && (close_document(exporting) != 0 || open_document(exporting, number) != 0))
		return -1;
	if (fwrite(bytes, 1, length, exporting->out) == length)
		return 0;
	return cannot_write(exporting, errno);
}

/* A document with the next number is of an earlier export, and would pass for one of this. */
static void check_next(struct exporting_map *exporting)
{
	if (exporting->code != EXIT_DONE || !exporting->wanted->file || !map_has_documents(exporting->map))
		return;
	if (name_document(exporting, exporting->document + 1) == 0 && access(exporting->path, F_OK) == 0)
		exporting->code = ctl_fail(EXIT_FAILED,
			_("%s is there from an earlier export and is none of this; remove it, and what follows it"),
			exporting->path);
}

/* ---- records ---- */

static void tell_refusal(struct exporting_map *exporting, const struct json *record, const struct map_refusal *refusal)
{
	const char *id = js_get_text(record, "id");
	exporting->refused++;
	if (!exporting->ctl->json) {
		fprintf(stderr, _("assayctl: entry %" PRId64 " (%s) is not exported: %s: %s\n"),
			js_get_integer(record, "seq", 0), id ? id : "-", refusal->field, refusal->fault.text);
		return;
	}
	struct json *told = js_new_object();
	js_put_text(told, "refused", id ? id : "");
	js_put_integer(told, "seq", js_get_integer(record, "seq", 0));
	js_put_text(told, "field", refusal->field);
	js_put_text(told, "reason", refusal->fault.text);
	print_json(stderr, told);
}

/* Whoever has the record it corrects keeps that one. */
static void tell_left_out(struct exporting_map *exporting, const struct json *record)
{
	const char *id = js_get_text(record, "id"), *corrected = js_get_text(record, "supersedes");
	exporting->left_out++;
	if (!corrected)
		return;
	if (!exporting->ctl->json) {
		fprintf(stderr,
			_("assayctl: entry %" PRId64
			  " corrects %s and is left out by the map's filter; tell the platform if it "
			  "has that one\n"),
			js_get_integer(record, "seq", 0), corrected);
		return;
	}
	struct json *told = js_new_object();
	js_put_text(told, "left_out", id ? id : "");
	js_put_integer(told, "seq", js_get_integer(record, "seq", 0));
	js_put_text(told, "supersedes", corrected);
	print_json(stderr, told);
}

static bool wants(struct exporting_map *exporting, const struct json *record)
{
	const char *id = js_get_text(record, "id");
	if (!filter_passes_record(map_filter(exporting->map), record)) {
		tell_left_out(exporting, record);
		return false;
	}
	if (!map_wants_superseded(exporting->map) && id && corrections_superseded(exporting->corrections, id)) {
		exporting->superseded++;
		return false;
	}
	return true;
}

/* Non-zero when nothing can go on. */
static int take_record(struct exporting_map *exporting, const struct json *record)
{
	struct map_refusal refusal;
	if (!js_get_text(record, "kind") || !wants(exporting, record))
		return 0; /* an event, a seal, what closes an export */
	const char *original = corrections_original(exporting->corrections, record);
	int error = map_writer_add(exporting->writer, record, original, &refusal);
	if (error == 1)
		tell_refusal(exporting, record, &refusal);
	exporting->exported += error == 0;
	if (error == -EINVAL)
		exporting->code = ctl_fail(EXIT_FAILED, "%s: %s", refusal.field, refusal.fault.text);
	return error < 0;
}

/* ---- of the journal ---- */

static int feed_entry(void *context, const struct stored *stored)
{
	const struct exporting_map *exporting = context;
	corrections_feed(exporting->corrections, stored->payload, stored->length);
	return 0;
}

static int keep_entry(void *context, const struct stored *stored)
{
	*(struct json **)context = js_parse(stored->payload, stored->length, NULL);
	return 0;
}

static int earlier(void *context, const char *id, struct json **ret)
{
	const struct exporting_map *exporting = context;
	*ret = NULL;
	return exporting->reader && journal_find(exporting->reader, id, keep_entry, ret, NULL) == 1 && *ret ? 1 : 0;
}

static int take_entry(void *context, const struct stored *stored)
{
	struct exporting_map *exporting = context;
	if (exporting->last && stored->seq > exporting->last)
		return 1;
	if (stored->kind == ENTRY_EVENT)
		return 0;
	struct json *record = js_parse(stored->payload, stored->length, NULL);
	int stop = record ? take_record(exporting, record) : 0;
	js_free(record);
	return stop;
}

static void read_journal(struct exporting_map *exporting, uint64_t first)
{
	struct fault fault = { "" };
	long given = journal_read(exporting->reader, first, SIZE_MAX, feed_entry, exporting, &fault);
	if (given >= 0)
		given = journal_read(exporting->reader, first, SIZE_MAX, take_entry, exporting, &fault);
	if (given < 0)
		exporting->code = ctl_fail(EXIT_FAILED, "%s", fault.text);
}

/* ---- of lines ---- */

static int each_line(struct exporting_map *exporting, FILE *in, bool feeding)
{
	char *line = NULL;
	size_t room = 0, number = 0;
	ssize_t length;
	int stop = 0;
	while (!stop && (length = getline(&line, &room, in)) > 0) {
		number++;
		if (feeding) {
			corrections_feed(exporting->corrections, line, (size_t)length);
			continue;
		}
		struct fault fault;
		struct json *record =
			strspn(line, " \t\r\n") < (size_t)length ? js_parse(line, (size_t)length, &fault) : NULL;
		if (record && js_is_object(record))
			stop = take_record(exporting, record);
		else if (strspn(line, " \t\r\n") < (size_t)length)
			exporting->code = stop = ctl_fail(EXIT_FAILED, _("%s:%zu: this line is no record: %s"),
				exporting->wanted->lines, number, record ? _("no JSON object") : fault.text);
		js_free(record);
	}
	free(line);
	return stop || ferror(in);
}

/* Standard input can be read once only. */
static FILE *keep_input(void)
{
	FILE *kept = tmpfile();
	char block[65536];
	size_t length;
	while (kept && (length = fread(block, 1, sizeof(block), stdin)) > 0)
		fwrite(block, 1, length, kept);
	return kept && fflush(kept) == 0 && !ferror(kept) ? kept : NULL;
}

static void read_lines(struct exporting_map *exporting)
{
	const char *path = exporting->wanted->lines;
	FILE *in = strcmp(path, "-") == 0 ? keep_input() : fopen(path, "re");
	if (!in) {
		exporting->code = ctl_fail(EXIT_FAILED, _("%s cannot be read: %s"), path, strerror(errno));
		return;
	}
	rewind(in);
	each_line(exporting, in, true);
	rewind(in);
	each_line(exporting, in, false);
	if (ferror(in) && exporting->code == EXIT_DONE)
		exporting->code = ctl_fail(EXIT_FAILED, _("%s cannot be read: %s"), path, strerror(errno));
	fclose(in);
}

/* ---- the whole ---- */

static void tell(const struct exporting_map *exporting)
{
	if (exporting->ctl->json) {
		fprintf(exporting->wanted->file ? stdout : stderr,
			"{\"exported\":%" PRIu64 ",\"documents\":%zu,\"left_out\":%" PRIu64 ",\"superseded\":%" PRIu64
			",\"refused\":%" PRIu64 "}\n",
			exporting->exported, exporting->document, exporting->left_out, exporting->superseded,
			exporting->refused);
		return;
	}
	fprintf(stderr,
		_("assayctl: %" PRIu64 " records in %zu documents; %" PRIu64 " left out by the map's filter, %" PRIu64
		  " because another corrects them, %" PRIu64 " refused\n"),
		exporting->exported, exporting->document, exporting->left_out, exporting->superseded,
		exporting->refused);
}

static void export_records(struct exporting_map *exporting, uint64_t first)
{
	struct map_refusal refusal;
	if (exporting->wanted->lines)
		read_lines(exporting);
	else
		read_journal(exporting, first);
	int error = exporting->code == EXIT_DONE ? map_writer_end(exporting->writer, &refusal) : 0;
	if (error == -EINVAL)
		exporting->code = ctl_fail(EXIT_FAILED, "%s: %s", refusal.field, refusal.fault.text);
	close_document(exporting);
	if (exporting->code == EXIT_DONE)
		tell(exporting);
	check_next(exporting);
	if (exporting->code == EXIT_DONE && exporting->refused)
		exporting->code = EXIT_FAILED;
}

int ctl_export_map(const struct ctl *ctl, const struct export_map *wanted, struct map *map,
	struct journal_reader *reader, uint64_t first, uint64_t last)
{
	struct exporting_map exporting = { .ctl = ctl, .wanted = wanted, .map = map, .reader = reader, .last = last };
	exporting.writer = map_writer_new(map, put, &exporting);
	exporting.corrections = corrections_new(earlier, &exporting);
	export_records(&exporting, first);
	corrections_free(exporting.corrections);
	map_writer_free(exporting.writer);
	return exporting.code;
}
