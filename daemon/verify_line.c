#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"
#include "verify_parts.h"

/* ---- an entry's head:
 * {"v":1,"id":"…","station":"…","epoch":"…","seq":N,"prev":"ALG:…", as
 * journal.h lays it out ---- */

struct head_text {
	const char *at, *end;
};

static bool skip(struct head_text *scan, const char *text, size_t length)
{
	if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, text, length) != 0)
		return false;
	scan->at += length;
	return true;
}
#define SKIP(scan, text) skip(scan, text, sizeof(text) - 1)

static int nibble(char character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	if (character >= 'a' && character <= 'f')
		return character - 'a' + 10;
	return -1;
}

static bool scan_id(struct head_text *scan, uint8_t out[static ID_SIZE])
{
	static const char form[] = "00000000-0000-0000-0000-000000000000";
	size_t digits = 0;
	if ((size_t)(scan->end - scan->at) < sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		int value = nibble(scan->at[i]);
		if (form[i] == '-' ? scan->at[i] != '-' : value < 0)
			return false;
		if (form[i] == '-')
			continue;
		out[digits / 2] = (uint8_t)(digits % 2 ? out[digits / 2] | value : value << 4);
		digits++;
	}
	scan->at += sizeof(form) - 1;
	return true;
}

/* A text without escapes, which codes and epochs never need. */
static bool scan_text(struct head_text *scan, const char **ret, size_t *ret_length, size_t most)
{
	const char *quote = memchr(scan->at, '"', (size_t)(scan->end - scan->at));
	if (!quote || quote == scan->at || (size_t)(quote - scan->at) > most ||
		memchr(scan->at, '\\', (size_t)(quote - scan->at)))
		return false;
	*ret = scan->at;
	*ret_length = (size_t)(quote - scan->at);
	scan->at = quote;
	return true;
}

static bool scan_seq(struct head_text *scan, uint64_t *ret)
{
	uint64_t value = 0;
	const char *from = scan->at;
	if (from < scan->end && *from == '0')
		return false;
	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9' && scan->at - from < 18)
		value = value * 10 + (uint64_t)(*scan->at++ - '0');
	*ret = value;
	return scan->at > from;
}

const struct verify_group *verify_take_entry(
	struct verify *verify, const char *line, size_t length, struct verify_place place)
{
	struct head_text scan = { line, line + length };
	struct verify_entry entry = { .place = place };
	const char *station, *epoch;
	size_t station_length, epoch_length;
	if (!SKIP(&scan, "{\"v\":1,\"id\":\"") || !scan_id(&scan, entry.id) || !SKIP(&scan, "\",\"station\":\"") ||
		!scan_text(&scan, &station, &station_length, STATION_SIZE - 1) || !SKIP(&scan, "\",\"epoch\":\"") ||
		!scan_text(&scan, &epoch, &epoch_length, EPOCH_SIZE - 1) || !SKIP(&scan, "\",\"seq\":") ||
		!scan_seq(&scan, &entry.seq) || !SKIP(&scan, ",\"prev\":\""))
		return NULL;
	size_t digest = digest_parse(scan.at, (size_t)(scan.end - scan.at), &entry.digest, entry.prev);
	scan.at += digest;
	if (!digest || !SKIP(&scan, "\",\"") || line[length - 1] != '}')
		return NULL;
	digest_of(entry.digest, line, length, entry.hash);
	entry.station = verify_station_of(verify, station, station_length);
	struct verify_group *group = verify_group_of(verify, epoch, epoch_length);
	if (group->entry_count && entry.seq < group->entries[group->entry_count - 1].seq)
		group->sorted = false;
	group->entries = verify_grown(group->entries, group->entry_count, &group->entry_room, sizeof(*group->entries));
	group->entries[group->entry_count++] = entry;
	return group;
}

/* ---- seals and manifests: JSON however it is written ---- */

static bool copy_text(const struct json *object, const char *key, char *out, size_t size)
{
	const char *text = js_get_text(object, key);
	if (!text || strlen(text) >= size || strpbrk(text, "\r\n"))
		return false;
	strcpy(out, text); /* fits: measured above */
	return true;
}

static bool read_digest(
	const struct json *object, const char *key, enum digest_kind *ret_kind, uint8_t out[static DIGEST_SIZE])
{
	const char *text = js_get_text(object, key);
	return text && digest_parse(text, strlen(text), ret_kind, out) == strlen(text);
}

static bool read_seal(const struct json *object, struct seal *seal)
{
	uint8_t signature[SIGNATURE_BASE64_MAX];
	const char *base64 = js_get_text(object, "sig"), *alg = js_get_text(object, "alg");
	int64_t seq = js_get_integer(object, "seq", 0);
	if (!copy_text(object, "station", seal->station, sizeof(seal->station)) ||
		!copy_text(object, "epoch", seal->epoch, sizeof(seal->epoch)) ||
		!copy_text(object, "at", seal->at, sizeof(seal->at)) ||
		!copy_text(object, "key", seal->key, sizeof(seal->key)) ||
		!read_digest(object, "hash", &seal->digest, seal->hash) || seq < 1 || !alg ||
		!signature_named(alg, &seal->kind) || !base64 || strlen(base64) >= SIGNATURE_BASE64_MAX)
		return false;
	long length = digest_base64_read(base64, strlen(base64), signature);
	if (length < 1 || length > SIGNATURE_MAX)
		return false;
	seal->seq = (uint64_t)seq;
	seal->signature_length = (size_t)length;
	memcpy(seal->signature, signature, (size_t)length);
	return true;
}

static void remember_station(struct verify *verify, const char *station)
{
	if (!*verify->station)
		snprintf(verify->station, sizeof(verify->station), "%s", station);
}

bool verify_take_seal(struct verify *verify, const struct json *object, struct verify_place place)
{
	struct seal seal = { .seq = 0 };
	if (!read_seal(object, &seal))
		return false;
	long key = verify_key(verify, seal.key);
	if (key < 0) {
		verify_tell(verify, VERIFY_SEAL, &place, seal.seq,
			_("the seal of entry %llu of station %s was made with a key "
			  "that was not given (%s)"),
			(unsigned long long)seal.seq, seal.station, seal.key);
		return true;
	}
	if (!seal_is_right(&seal, verify->keys[key].key)) {
		verify_tell(verify, VERIFY_SEAL, &place, seal.seq,
			_("the signature of the seal of entry %llu is wrong: the seal "
			  "was changed"),
			(unsigned long long)seal.seq);
		return true;
	}
	remember_station(verify, seal.station);
	struct verify_group *group = verify_group_of(verify, seal.epoch, strlen(seal.epoch));
	group->signed_by_trusted = true;
	group->seals = verify_grown(group->seals, group->seal_count, &group->seal_room, sizeof(*group->seals));
	struct verify_seal *kept = &group->seals[group->seal_count++];
	*kept = (struct verify_seal){ .place = place,
		.seq = seal.seq,
		.station = verify_station_of(verify, seal.station, strlen(seal.station)),
		.key = (uint32_t)key };
	memcpy(kept->hash, seal.hash, DIGEST_SIZE);
	if (verify->export.next_seal == 0 || seal.seq < verify->export.next_seal)
		verify->export.next_seal = seal.seq;
	return true;
}

/* A line break or space in the name of an instrument or of a count would make the text that was signed of other
 * members. */
static bool names_are_words(const struct json *object, int depth)
{
	const char *name = NULL;
	const struct json *value;
	while ((value = js_next_member(object, &name)))
		if (strpbrk(name, " \r\n") || (depth > 0 && !names_are_words(value, depth - 1)))
			return false;
	return true;
}

bool verify_take_manifest(struct verify *verify, const struct json *object, struct verify_place place)
{
	struct verify_manifest manifest = { .place = place, .in_export = verify->export.head };
	char key_id[DIGEST_TEXT_MAX], epoch[EPOCH_SIZE], station[STATION_SIZE];
	int64_t first = js_get_integer(object, "first", 0), last = js_get_integer(object, "last", 0);
	enum digest_kind kind;
	char *text = manifest_text(object);
	bool whole = text && names_are_words(js_get(object, "instruments"), 1) && first >= 1 && last >= first &&
	             copy_text(object, "key", key_id, sizeof(key_id)) &&
	             copy_text(object, "epoch", epoch, sizeof(epoch)) &&
	             copy_text(object, "station", station, sizeof(station)) &&
	             read_digest(object, "digest", &manifest.digest_kind, manifest.digest) &&
	             read_digest(object, "hash", &kind, manifest.hash);
	free(text);
	if (!whole)
		return false;
	long key = verify_key(verify, key_id);
	if (key < 0 || !manifest_is_right(object, verify->keys[key].key)) {
		verify_tell(verify, VERIFY_SEAL, &place, (uint64_t)last,
			key >= 0 ? _("the signature of the manifest of %s is wrong: the manifest "
				     "was changed")
				 : _("the manifest of %s was made with a key that was not given"),
			js_get_text(object, "day"));
		return true;
	}
	manifest.first = (uint64_t)first;
	manifest.last = (uint64_t)last;
	manifest.station = verify_station_of(verify, station, strlen(station));
	struct verify_group *group = verify_group_of(verify, epoch, strlen(epoch));
	group->manifests =
		verify_grown(group->manifests, group->manifest_count, &group->manifest_room, sizeof(*group->manifests));
	group->manifests[group->manifest_count++] = manifest;
	return true;
}
