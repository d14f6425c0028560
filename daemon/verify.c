#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verify_parts.h"

enum {
	READ_AT_ONCE = 1 << 20,
	LINE_MAX_BYTES = 1 << 23 /* eight times the largest entry */
};

void *verify_grown(void *list, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return list;
	*room = *room ? *room + *room / 2 : 64;
	void *grown = reallocarray(list, *room, size);
	if (!grown)
		abort();
	return grown;
}

const char *verify_kind_name(enum verify_kind kind)
{
	static const char *const names[] = { "edited", "missing", "inserted", "reordered", "truncated", "unsealed",
		"seal", "foreign", "unknown", "forked", "empty", "head" };
	return names[kind];
}

void verify_tell(struct verify *verify, enum verify_kind kind, const struct verify_place *place, uint64_t seq,
	const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	struct verify_fault fault = { .kind = kind,
		.file = place ? verify->files[place->file] : NULL,
		.line = place ? place->line : 0,
		.seq = seq,
		.text = text };
	verify->faults++;
	verify->fault(verify->context, &fault);
}

struct verify_group *verify_group_of(struct verify *verify, const char *epoch, size_t length)
{
	for (size_t i = verify->group_count; i-- > 0;)
		if (strncmp(verify->groups[i].epoch, epoch, length) == 0 && !verify->groups[i].epoch[length])
			return &verify->groups[i];
	verify->groups = reallocarray(verify->groups, verify->group_count + 1, sizeof(*verify->groups));
	if (!verify->groups)
		abort();
	struct verify_group *group = &verify->groups[verify->group_count++];
	*group = (struct verify_group){ .sorted = true };
	snprintf(group->epoch, sizeof(group->epoch), "%.*s", (int)length, epoch);
	return group;
}

long verify_key(const struct verify *verify, const char *id)
{
	for (size_t i = 0; i < verify->key_count; i++)
		if (strcmp(signature_key_id(verify->keys[i].key), id) == 0)
			return (long)i;
	return -1;
}

static void add_key(struct verify *verify, struct signature_key *key)
{
	verify->keys = reallocarray(verify->keys, verify->key_count + 1, sizeof(*verify->keys));
	if (!verify->keys)
		abort();
	verify->keys[verify->key_count++] = (struct verify_key){ .key = key };
}

void verify_trust(struct verify *verify, struct signature_key *key)
{
	verify->trusting = true;
	add_key(verify, key);
}

bool verify_believes_exports(const struct verify *verify)
{
	return !verify->trusting;
}

/* ---- what an export says about itself ---- */

static void believe_keys(struct verify *verify, const struct json *keys)
{
	for (size_t i = 0; i < js_count(keys); i++) {
		const char *pem = js_get_text(js_at(keys, i), "pem");
		struct signature_key *key;
		if (!pem || signature_key_read(pem, strlen(pem), false, &key, NULL) != 0)
			continue; /* its seals will lack it */
		if (verify_key(verify, signature_key_id(key)) >= 0)
			signature_key_free(key);
		else
			add_key(verify, key);
	}
}

/* Nothing signs it: what the entries must say, too, is kept. */
static bool read_head(struct verify_export *export, const struct json *head)
{
	const char *station = js_get_text(head, "station"), *epoch = js_get_text(head, "epoch"),
		   *kind = js_get_text(head, "export"), *subject = js_get_text(head, "subject");
	int64_t first = js_get_integer(head, "first", 0), last = js_get_integer(head, "last", 0);
	if (!kind || strcmp(kind, "assay/v1") != 0 || first < 1 || last < first || !station ||
		strlen(station) >= STATION_SIZE || !epoch || strlen(epoch) >= EPOCH_SIZE ||
		(js_get(head, "subject") && !subject))
		return false;
	export->head = true;
	export->first = (uint64_t)first;
	export->last = (uint64_t)last;
	strcpy(export->station, station); /* these fit: measured above */
	strcpy(export->epoch, epoch);
	if (subject && !(export->subject = strdup(subject)))
		abort();
	return true;
}

static bool take_head(struct verify *verify, const struct json *head, const struct verify_place *place)
{
	if (place->line != 1 || !read_head(&verify->export, head))
		return false;
	const char *station = verify->export.station;
	if (!verify->trusting)
		believe_keys(verify, js_get(head, "keys"));
	if (!*verify->station)
		snprintf(verify->station, sizeof(verify->station), "%s", station);
	else if (strcmp(verify->station, station) != 0)
		verify_other_head(verify);
	return true;
}

static bool take_end(struct verify *verify, const char *line, size_t length, const struct verify_place *place)
{
	static const char start[] = "{\"end\":\"assay/v1\"";
	struct verify_export *export = &verify->export;
	uint8_t hash[DIGEST_SIZE];
	char text[DIGEST_TEXT_MAX], expected[128];
	if (length < sizeof(start) - 1 || memcmp(line, start, sizeof(start) - 1) != 0 || export->end)
		return false;
	export->end = true;
	if (!export->head) {
		verify_tell(verify, VERIFY_MISSING, place, 0, _("the export's first line is missing"));
		return true;
	}
	digest_end(export->digest, hash);
	export->digest = NULL;
	snprintf(expected, sizeof(expected), "%s,\"digest\":\"%s\"}", start, digest_text(DIGEST_SHA256, hash, text));
	if (length != strlen(expected) || memcmp(line, expected, length) != 0)
		verify_tell(verify, VERIFY_EDITED, place, 0,
			_("the lines above are not those the export was made of: "
			  "something was changed, taken out or put in"));
	return true;
}

/* Each is told once, of the first entry it is wrong of: it may be wrong of all. */
static void check_range(struct verify *verify, const char *epoch, uint64_t seq, const struct verify_place *head)
{
	struct verify_export *export = &verify->export;
	if (!export->told_epoch && strcmp(export->epoch, epoch) != 0) {
		export->told_epoch = true;
		verify_tell(verify, VERIFY_HEAD, head, seq,
			_("the first line says that this is of epoch %s, but entry %llu is of epoch %s"), export->epoch,
			(unsigned long long)seq, epoch);
	}
	if (!export->told_range && (seq < export->first || seq > export->last)) {
		export->told_range = true;
		verify_tell(verify, VERIFY_HEAD, head, seq,
			_("the first line says that this is entries %llu to %llu, but entry %llu is here, too"),
			(unsigned long long)export->first, (unsigned long long)export->last, (unsigned long long)seq);
	}
}

static const char *id_text(const uint8_t id[static ID_SIZE], char out[static ID_TEXT_SIZE])
{
	char *at = out;
	for (size_t i = 0; i < ID_SIZE; i++)
		at += sprintf(at, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", id[i]);
	return out;
}

/* What the first line says must be what the entries say. A station may get another code, and from then on its entries
 * name that: the export is of the code of its last entry. */
static void check_head(struct verify *verify, const char *epoch, const struct verify_entry *entry)
{
	const struct verify_export *export = &verify->export;
	const struct verify_place head = { entry->place.file, 1 };
	const char *station = verify->stations[entry->station].code;
	char id[ID_TEXT_SIZE];
	check_range(verify, epoch, entry->seq, &head);
	if (entry->seq == export->last && strcmp(export->station, station) != 0)
		verify_tell(verify, VERIFY_HEAD, &head, entry->seq,
			_("the first line says that this is of station %s, but entry %llu is of station %s"),
			export->station, (unsigned long long)entry->seq, station);
	if (entry->seq == export->first && export->subject && strcmp(export->subject, id_text(entry->id, id)) != 0)
		verify_tell(verify, VERIFY_HEAD, &head, entry->seq,
			_("the first line says that this is the evidence of record %s, but entry %llu, with which it "
			  "begins, is %s"),
			export->subject, (unsigned long long)entry->seq, id);
}

/* A bundle ends with the next seal. */
static void check_bundle(struct verify *verify)
{
	const struct verify_export *export = &verify->export;
	const struct verify_place head = { (uint32_t)(verify->file_count - 1), 1 };
	if (export->subject && export->next_seal && export->next_seal != export->last)
		verify_tell(verify, VERIFY_HEAD, &head, export->last,
			_("the first line says that this is the evidence of record %s up to entry %llu, but it ends "
			  "with the next seal, that of entry %llu"),
			export->subject, (unsigned long long)export->last, (unsigned long long)export->next_seal);
}

static void check_order(struct verify *verify, uint64_t seq, const struct verify_place *place)
{
	struct verify_export *export = &verify->export;
	if (export->entries == 0 && seq > export->first)
		verify_tell(verify, VERIFY_MISSING, place, seq,
			_("entries %llu to %llu are missing at the beginning of the export"),
			(unsigned long long)export->first, (unsigned long long)seq - 1);
	if (export->entries && seq <= export->seq)
		verify_tell(verify, VERIFY_REORDERED, place, seq, _("entry %llu stands behind entry %llu"),
			(unsigned long long)seq, (unsigned long long)export->seq);
	else
		export->seq = seq;
	export->entries++;
}

static void finish_file(struct verify *verify)
{
	struct verify_export *export = &verify->export;
	struct verify_place place = { (uint32_t)(verify->file_count - 1), 0 };
	if (export->head && export->seq < export->last)
		verify_tell(verify, VERIFY_TRUNCATED, &place, export->last,
			_("the export ends at entry %llu; it was made with all up to %llu"),
			(unsigned long long)export->seq, (unsigned long long)export->last);
	if (export->head && !export->end)
		verify_tell(verify, VERIFY_TRUNCATED, &place, 0, _("the export's last line is missing"));
	check_bundle(verify);
	free(export->subject);
	if (export->digest) {
		uint8_t nowhere[DIGEST_SIZE];
		digest_end(export->digest, nowhere);
	}
	*export = (struct verify_export){ 0 };
}

/* ---- lines ---- */

/* A seal, a manifest, or what an export says about itself. */
static bool take_object(struct verify *verify, const char *line, size_t length, struct verify_place place)
{
	struct json *object = js_parse(line, length, NULL);
	bool known = false;
	if (!js_is_object(object)) {
		js_free(object);
		return false;
	}
	if (js_get(object, "export"))
		known = take_head(verify, object, &place);
	else if (js_get(object, "sig") && js_get(object, "day"))
		known = verify_take_manifest(verify, object, place);
	else if (js_get(object, "sig"))
		known = verify_take_seal(verify, object, place);
	else if (js_get(object, "prev")) {
		verify_tell(verify, VERIFY_EDITED, &place, (uint64_t)js_get_integer(object, "seq", 0),
			_("this entry is not the bytes that were published: it was "
			  "written anew"));
		known = true;
	}
	js_free(object);
	return known;
}

static void take_line(struct verify *verify, const char *line, size_t length, struct verify_place place)
{
	struct verify_export *export = &verify->export;
	bool was_over = export->end;
	size_t whole = length;
	if (length && line[length - 1] == '\r')
		length--;                          /* a copy that went through Windows */
	bool known = length == 0 && !export->head; /* nobody makes an export with an empty line */
	const struct verify_group *group = known ? NULL : verify_take_entry(verify, line, length, place);
	if (group && export->head) {
		const struct verify_entry *entry = &group->entries[group->entry_count - 1];
		check_head(verify, group->epoch, entry);
		check_order(verify, entry->seq, &place);
	}
	known = known || group || take_end(verify, line, length, &place) || take_object(verify, line, length, place);
	if (export->head && !export->digest && !export->end)
		export->digest = digest_begin(DIGEST_SHA256); /* the line at hand was the head */
	if (export->digest) {
		digest_add(export->digest, line, whole);
		digest_add(export->digest, "\n", 1);
	}
	if (!known)
		verify_tell(verify, VERIFY_UNKNOWN, &place, 0,
			_("the line is no entry, seal or manifest as they are published"));
	else if (was_over)
		verify_tell(verify, VERIFY_INSERTED, &place, 0, _("the line stands behind the end of the export"));
}

/* Takes the whole lines of what is there; how much that was. */
static size_t take_lines(struct verify *verify, size_t used, struct verify_place *place)
{
	size_t at = 0;
	for (;;) {
		const char *line = verify->buffer + at;
		const char *end = memchr(line, '\n', used - at);
		if (!end)
			return at;
		place->line++;
		take_line(verify, line, (size_t)(end - line), *place);
		at = (size_t)(end - verify->buffer) + 1;
	}
}

static void take_rest(struct verify *verify, size_t used, struct verify_place *place)
{
	if (used == 0)
		return;
	bool cut = verify->export.head;
	place->line++;
	take_line(verify, verify->buffer, used, *place);
	if (cut)
		verify_tell(verify, VERIFY_TRUNCATED, place, 0, _("the last line is cut off"));
}

int verify_read(struct verify *verify, int fd, const char *name, struct fault *fault)
{
	verify->files = reallocarray(verify->files, verify->file_count + 1, sizeof(*verify->files));
	if (!verify->files || (!verify->buffer && !(verify->buffer = malloc(verify->buffer_room = READ_AT_ONCE))))
		abort();
	struct verify_place place = { (uint32_t)verify->file_count, 0 };
	verify->files[verify->file_count++] = name;
	size_t used = 0;
	ssize_t got;
	while ((got = read(fd, verify->buffer + used, verify->buffer_room - used)) > 0) {
		used += (size_t)got;
		size_t taken = take_lines(verify, used, &place);
		used -= taken;
		memmove(verify->buffer, verify->buffer + taken, used);
		if (used < verify->buffer_room)
			continue;
		if (used >= LINE_MAX_BYTES)
			return fault_set(fault, EMSGSIZE, _("%s: line %u is longer than any that was published"), name,
				place.line + 1);
		verify->buffer = realloc(verify->buffer, verify->buffer_room *= 2);
		if (!verify->buffer)
			abort();
	}
	if (got < 0)
		return fault_set(fault, errno, _("%s cannot be read: %s"), name, strerror(errno));
	take_rest(verify, used, &place);
	finish_file(verify);
	return 0;
}

/* ---- all of it ---- */

bool verify_judge(struct verify *verify)
{
	uint64_t entries = 0;
	verify_judge_stations(verify);
	for (size_t i = 0; i < verify->group_count; i++) {
		verify_group_judge(verify, &verify->groups[i]);
		entries += verify->groups[i].entry_count;
	}
	if (entries == 0)
		verify_tell(verify, VERIFY_EMPTY, verify->file_count == 1 ? &(struct verify_place){ 0 } : NULL, 0,
			_("there is no entry here as it was published: nothing to judge"));
	return verify->faults == 0;
}

uint64_t verify_faults(const struct verify *verify)
{
	return verify->faults;
}

struct verify *verify_new(const char *station, void (*fault)(void *context, const struct verify_fault *),
	void (*epoch)(void *context, const struct verify_epoch *), void *context)
{
	struct verify *verify = calloc(1, sizeof(*verify));
	if (!verify)
		abort();
	snprintf(verify->station, sizeof(verify->station), "%s", station ? station : "");
	verify->named = station && *station;
	verify->fault = fault;
	verify->epoch = epoch;
	verify->context = context;
	return verify;
}

void verify_free(struct verify *verify)
{
	if (!verify)
		return;
	for (size_t i = 0; i < verify->key_count; i++)
		signature_key_free(verify->keys[i].key);
	for (size_t i = 0; i < verify->group_count; i++) {
		free(verify->groups[i].entries);
		free(verify->groups[i].seals);
		free(verify->groups[i].manifests);
	}
	if (verify->export.digest) {
		uint8_t nowhere[DIGEST_SIZE];
		digest_end(verify->export.digest, nowhere);
	}
	free(verify->export.subject);
	free(verify->keys);
	free(verify->groups);
	free(verify->stations);
	free(verify->others);
	free(verify->files);
	free(verify->buffer);
	free(verify);
}
