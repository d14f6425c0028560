#include "export.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"

struct exporting {
	struct journal_reader *reader;
	struct export_run *run;
	int (*write)(void *context, const char *line, size_t length);
	void *context;
	struct digest_run *digest;
	struct seal seal; /* the next to come */
	bool has_seal;
	uint64_t manifest_after;
	char *manifest; /* the next to come, NULL: none */
	uint64_t manifest_last;
	struct fault *fault;
	int error;
	bool stopped;
};

static void put_line(struct exporting *exporting, const char *line, size_t length)
{
	digest_add(exporting->digest, line, length);
	digest_add(exporting->digest, "\n", 1);
	if (!exporting->stopped)
		exporting->stopped = exporting->write(exporting->context, line, length) != 0;
}

static void put_object(struct exporting *exporting, struct json *object)
{
	char *line = js_dump(object);
	put_line(exporting, line, strlen(line));
	free(line);
	js_free(object);
}

/* ---- which entries ---- */

struct place {
	uint64_t seq;
};

static int take_place(void *context, const struct stored *stored)
{
	((struct place *)context)->seq = stored->seq;
	return 0;
}

/* Goes on to the next seal. */
static int settle_range(struct exporting *exporting)
{
	struct export_run *run = exporting->run;
	struct place subject = { 0 };
	struct seal seal;
	uint64_t first, last;
	int error = journal_reader_head(exporting->reader, &first, &last, exporting->fault);
	if (!error && run->subject) {
		error = journal_find(exporting->reader, run->subject, take_place, &subject, exporting->fault);
		if (error >= 0)
			error = error ? 0
			              : fault_set(exporting->fault, ENOENT, _("no entry %s in the journal"),
						run->subject);
		run->first = run->last = subject.seq;
	}
	if (error)
		return error;
	if (run->first < first && !run->subject) /* one that stays because a target refused it is proven, too */
		run->first = first;
	if (run->last == 0 || run->last > last)
		run->last = last;
	if (first == 0 || run->first > run->last)
		return fault_set(exporting->fault, ENOENT,
			_("no entries there; the journal holds %" PRIu64 " to %" PRIu64), first, last);
	int found = journal_next_seal(exporting->reader, run->last - 1, &seal, exporting->fault);
	if (found == 1 && seal.seq > last) /* of an entry that came since, or of one that is lost */
		error = journal_reader_head(exporting->reader, &first, &last, exporting->fault);
	if (!error && found == 1 && seal.seq <= last)
		run->last = seal.seq;
	return found < 0 ? found : error;
}

/* ---- the head ---- */

/* Every key that sealed something in the run. */
static int put_keys(struct exporting *exporting, struct json *head)
{
	struct json *keys = js_new_array();
	struct seal seal = { .seq = exporting->run->first - 1 };
	char known[DIGEST_TEXT_MAX] = "";
	int found;
	while ((found = journal_next_seal(exporting->reader, seal.seq, &seal, exporting->fault)) == 1 &&
		seal.seq <= exporting->run->last) {
		struct kept_key key;
		if (strcmp(seal.key, known) == 0)
			continue; /* a key changes once in years: one that comes back is told
			             again */
		strcpy(known, seal.key);
		found = journal_read_key(exporting->reader, seal.key, &key, exporting->fault);
		if (found != 1)
			break;
		struct json *object = js_new_object();
		js_put_text(object, "key", key.id);
		js_put_text(object, "alg", key.algorithm);
		js_put_text(object, "pem", key.pem);
		js_append(keys, object);
	}
	js_put(head, "keys", keys);
	return found < 0 ? found : 0;
}

static int put_head(struct exporting *exporting)
{
	const struct export_run *run = exporting->run;
	char station[32], at[CLOCK_TEXT_MAX];
	struct json *head = js_new_object();
	int error = journal_reader_station(exporting->reader, run->last, station, exporting->fault);
	js_put_text(head, "export", "assay/v1");
	js_put_text(head, "station", station);
	js_put_text(head, "epoch", journal_reader_epoch(exporting->reader, NULL));
	js_put_integer(head, "first", (int64_t)run->first);
	js_put_integer(head, "last", (int64_t)run->last);
	js_put_text_if(head, "subject", run->subject);
	js_put_text(head, "at", clock_text(at, clock_wall_ms()));
	if (!error)
		error = put_keys(exporting, head);
	if (error)
		js_free(head);
	else
		put_object(exporting, head);
	return error;
}

/* ---- the lines between ---- */

static int take_manifest(void *context, const struct kept_manifest *manifest)
{
	struct exporting *exporting = context;
	exporting->manifest_last = manifest->last;
	exporting->manifest = strdup(manifest->payload);
	return 0;
}

static int next_manifest(struct exporting *exporting, uint64_t after)
{
	free(exporting->manifest);
	exporting->manifest = NULL;
	int found = journal_next_manifest(exporting->reader, after, NULL, take_manifest, exporting, exporting->fault);
	return found < 0 ? found : 0;
}

static int next_seal(struct exporting *exporting, uint64_t after)
{
	int found = journal_next_seal(exporting->reader, after, &exporting->seal, exporting->fault);
	exporting->has_seal = found == 1;
	return found < 0 ? found : 0;
}

static int put_proof(struct exporting *exporting, uint64_t seq)
{
	struct export_run *run = exporting->run;
	int error = 0;
	while (!error && exporting->has_seal && exporting->seal.seq < seq) /* its entry is lost */
		error = next_seal(exporting, exporting->seal.seq);
	while (!error && exporting->manifest && exporting->manifest_last < seq)
		error = next_manifest(exporting, exporting->manifest_last);
	if (!error && exporting->has_seal && exporting->seal.seq == seq) {
		char payload[SEAL_PAYLOAD_MAX];
		put_line(exporting, payload, seal_payload(payload, &exporting->seal));
		run->seals++;
		run->sealed = seq;
		error = next_seal(exporting, seq);
	}
	if (!error && exporting->manifest && exporting->manifest_last == seq) {
		put_line(exporting, exporting->manifest, strlen(exporting->manifest));
		run->manifests++;
		error = next_manifest(exporting, seq);
	}
	return error;
}

static int put_entry(void *context, const struct stored *stored)
{
	struct exporting *exporting = context;
	struct export_run *run = exporting->run;
	if (stored->seq > run->last)
		return 1;
	put_line(exporting, stored->payload, stored->length);
	run->entries++;
	exporting->error = put_proof(exporting, stored->seq);
	return exporting->error || exporting->stopped;
}

/* The manifest of a bundle's day, whose last entry lies behind the segment. */
static void put_manifest_of_subject(struct exporting *exporting)
{
	if (!exporting->run->subject || exporting->run->manifests || !exporting->manifest)
		return;
	put_line(exporting, exporting->manifest, strlen(exporting->manifest));
	exporting->run->manifests++;
}

static void put_end(struct exporting *exporting)
{
	uint8_t digest[DIGEST_SIZE];
	char text[DIGEST_TEXT_MAX], line[128];
	digest_end(exporting->digest, digest);
	int length = snprintf(line, sizeof(line), "{\"end\":\"assay/v1\",\"digest\":\"%s\"}",
		digest_text(DIGEST_SHA256, digest, text));
	if (!exporting->stopped)
		exporting->write(exporting->context, line, (size_t)length);
}

static int put_lines(struct exporting *exporting)
{
	struct export_run *run = exporting->run;
	int error = put_head(exporting);
	if (!error)
		error = next_seal(exporting, run->first - 1);
	if (!error)
		error = next_manifest(exporting, run->first - 1);
	if (error)
		return error;
	long given = journal_read(
		exporting->reader, run->first, run->last - run->first + 1, put_entry, exporting, exporting->fault);
	if (given < 0 || exporting->error)
		return given < 0 ? (int)given : exporting->error;
	put_manifest_of_subject(exporting);
	return 0;
}

int export_lines(struct journal_reader *reader, struct export_run *run,
	int (*write)(void *context, const char *line, size_t length), void *context, struct fault *fault)
{
	struct exporting exporting = {
		.reader = reader, .run = run, .write = write, .context = context, .fault = fault
	};
	run->entries = run->seals = run->manifests = run->sealed = 0;
	int error = settle_range(&exporting);
	if (error)
		return error;
	exporting.digest = digest_begin(DIGEST_SHA256);
	error = put_lines(&exporting);
	if (error) {
		uint8_t nowhere[DIGEST_SIZE];
		digest_end(exporting.digest, nowhere);
	} else {
		put_end(&exporting);
	}
	free(exporting.manifest);
	return error;
}
