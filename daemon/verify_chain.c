/* What the seals of an epoch prove.
 *
 * A seal proves the bytes of its entry, that entry's `prev` those of the one
 * before, and so on down: so the entries are walked from the last to the first.
 * Where one was changed or is missing the proof ends, until the next seal
 * below.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verify_parts.h"

typedef unsigned long long number; /* for %llu */

struct walk {
	struct verify *verify;
	struct verify_group *group;
	size_t seal;                      /* so many of the seals are still below */
	const uint8_t *expected;          /* the digest the entry below must have; NULL: nothing says */
	const struct verify_entry *above; /* the entry last seen; NULL: none yet */
	uint64_t unproven_to;             /* a run of entries nothing proves ends there; 0: there
	                                     is none */
	struct verify_place unproven_place;
	bool unproven_below_seal;
	bool was_sealed; /* a seal stands above */
	uint64_t proven; /* the highest */
};

static int by_seq(const void *a, const void *b)
{
	const struct verify_entry *one = a, *other = b;
	if (one->seq != other->seq)
		return one->seq < other->seq ? -1 : 1;
	int hashes = memcmp(one->hash, other->hash, DIGEST_SIZE);
	if (hashes)
		return hashes;
	if (one->place.file != other->place.file)
		return one->place.file < other->place.file ? -1 : 1;
	return one->place.line < other->place.line ? -1 : one->place.line > other->place.line;
}

static int by_seal(const void *a, const void *b)
{
	const struct verify_seal *one = a, *other = b;
	return one->seq < other->seq ? -1 : one->seq > other->seq;
}

/* In order, each once. */
static void tidy(struct verify_group *group)
{
	if (!group->sorted)
		qsort(group->entries, group->entry_count, sizeof(*group->entries), by_seq);
	size_t kept = 0;
	for (size_t i = 0; i < group->entry_count; i++) {
		const struct verify_entry *last = kept ? &group->entries[kept - 1] : NULL;
		if (last && last->seq == group->entries[i].seq &&
			memcmp(last->hash, group->entries[i].hash, DIGEST_SIZE) == 0)
			group->repeated++;
		else
			group->entries[kept++] = group->entries[i];
	}
	group->entry_count = kept;
	if (group->seal_count)
		qsort(group->seals, group->seal_count, sizeof(*group->seals), by_seal);
}

/* ---- one number ---- */

/* Ends the run of entries nothing proves; it began right above `seq`. */
static void end_unproven(struct walk *walk, uint64_t seq)
{
	uint64_t from = seq + 1, to = walk->unproven_to;
	walk->unproven_to = 0;
	if (to == 0)
		return;
	const char *why =
		walk->unproven_below_seal ? _("what would prove it is changed or missing") : _("nothing proves it yet");
	if (from == to)
		verify_tell(walk->verify, VERIFY_UNSEALED, &walk->unproven_place, from,
			_("entry %llu is not covered by a seal: %s"), (number)from, why);
	else
		verify_tell(walk->verify, VERIFY_UNSEALED, &walk->unproven_place, from,
			_("entries %llu to %llu are not covered by a seal: %s"), (number)from, (number)to, why);
}

static void tell_hole(struct walk *walk, uint64_t seq)
{
	if (!walk->above || walk->above->seq == seq + 1)
		return;
	uint64_t to = walk->above->seq - 1;
	end_unproven(walk, to);
	if (to == seq + 1)
		verify_tell(
			walk->verify, VERIFY_MISSING, &walk->above->place, to, _("entry %llu is missing"), (number)to);
	else
		verify_tell(walk->verify, VERIFY_MISSING, &walk->above->place, seq + 1,
			_("entries %llu to %llu are missing"), (number)seq + 1, (number)to);
	walk->expected = NULL;
}

/* What was sealed or counted above the last entry here, or where there is no entry at all, is gone. A bundle's manifest
 * may count entries behind the bundle: an export says itself where it ends. */
static void tell_lost_end(struct walk *walk)
{
	const struct verify_group *group = walk->group;
	const struct verify_seal *seal = group->seal_count ? &group->seals[group->seal_count - 1] : NULL;
	uint64_t last = group->entry_count ? group->entries[group->entry_count - 1].seq : 0, highest = last;
	const struct verify_place *place = NULL;
	if (seal && seal->seq > highest) {
		highest = seal->seq;
		place = &seal->place;
		walk->was_sealed = true;
	}
	for (size_t i = 0; i < group->manifest_count; i++)
		if (group->manifests[i].last > highest && (last == 0 || !group->manifests[i].in_export)) {
			highest = group->manifests[i].last;
			place = &group->manifests[i].place;
		}
	if (place && last)
		verify_tell(walk->verify, VERIFY_TRUNCATED, place, highest,
			_("entry %llu was sealed, but the last one here is %llu"), (number)highest, (number)last);
	else if (place)
		verify_tell(walk->verify, VERIFY_TRUNCATED, place, highest,
			_("entry %llu of epoch %s was sealed, but no entry of that epoch is here"), (number)highest,
			group->epoch);
}

/* Seals above `seq` have no entry here: told as a lost end, or with the hole they are in. */
static void pass_seals(struct walk *walk, uint64_t seq)
{
	struct verify_group *group = walk->group;
	while (walk->seal && group->seals[walk->seal - 1].seq > seq)
		walk->seal--;
}

static void meet_seals(struct walk *walk, uint64_t seq)
{
	struct verify_group *group = walk->group;
	while (walk->seal && group->seals[walk->seal - 1].seq == seq) {
		const struct verify_seal *seal = &group->seals[--walk->seal];
		if (walk->expected && memcmp(walk->expected, seal->hash, DIGEST_SIZE) != 0)
			verify_tell(walk->verify, VERIFY_FORKED, &seal->place, seq,
				_("the station sealed two different histories up to entry %llu"), (number)seq);
		walk->expected = seal->hash;
		walk->was_sealed = true;
	}
}

static const struct verify_entry *with_hash(
	const struct verify_entry *entries, size_t count, const uint8_t hash[static DIGEST_SIZE])
{
	for (size_t i = 0; i < count; i++)
		if (memcmp(entries[i].hash, hash, DIGEST_SIZE) == 0)
			return &entries[i];
	return NULL;
}

static void compare_station(
	struct verify *verify, const struct verify_entry *entry, uint32_t station, const struct verify_place *place)
{
	if (station != entry->station)
		verify_tell(verify, VERIFY_FOREIGN, place, entry->seq,
			_("what was signed of entry %llu is of station %s; the entry is of %s"), (number)entry->seq,
			verify->stations[station].code, verify->stations[entry->station].code);
}

static void compare_seals(const struct walk *walk, const struct verify_entry *right)
{
	const struct verify_group *group = walk->group;
	for (size_t i = walk->seal; i < group->seal_count && group->seals[i].seq == right->seq; i++)
		compare_station(walk->verify, right, group->seals[i].station, &group->seals[i].place);
}

/* Something says which bytes entry N must have. */
static void judge_provable(struct walk *walk, const struct verify_entry *entries, size_t count)
{
	const struct verify_entry *right = with_hash(entries, count, walk->expected);
	uint64_t seq = entries[0].seq;
	if (right)
		end_unproven(walk, seq);
	for (size_t i = 0; i < count; i++)
		if (!right)
			verify_tell(walk->verify, VERIFY_EDITED, &entries[i].place, seq,
				_("entry %llu was changed: it is not the bytes that were sealed"), (number)seq);
		else if (&entries[i] != right)
			verify_tell(walk->verify, VERIFY_INSERTED, &entries[i].place, seq,
				_("this is not entry %llu: another one was sealed"), (number)seq);
	if (!right)
		end_unproven(walk, seq);
	if (right && walk->proven < seq)
		walk->proven = seq;
	if (right)
		compare_seals(walk, right);
	walk->above = right ? right : &entries[0];
	walk->expected = right ? right->prev : NULL;
}

static void judge_unprovable(struct walk *walk, const struct verify_entry *entries, size_t count)
{
	const struct verify_entry *linked = &entries[0], *above = walk->above;
	uint64_t seq = entries[0].seq;
	for (size_t i = 1; i < count; i++)
		verify_tell(walk->verify, VERIFY_INSERTED, &entries[i].place, seq,
			_("there are two different entries %llu, and nothing proves either"), (number)seq);
	if (above && above->seq == seq + 1 && !(linked = with_hash(entries, count, above->prev))) {
		linked = &entries[0];
		verify_tell(walk->verify, VERIFY_EDITED, &linked->place, seq,
			_("entry %llu does not fit to entry %llu: one of them was changed"), (number)seq,
			(number)seq + 1);
	}
	const struct verify_station *station = &walk->verify->stations[linked->station];
	if (walk->group->signed_by_trusted && !station->ours)
		verify_tell(walk->verify, VERIFY_FOREIGN, &linked->place, seq,
			_("entry %llu is of station %s, not of %s"), (number)seq, station->code, walk->verify->station);
	if (!walk->unproven_to) {
		walk->unproven_to = seq;
		walk->unproven_below_seal = walk->was_sealed;
	}
	walk->unproven_place = linked->place;
	walk->above = linked;
}

/* Below the first entry, seals have nothing to prove; what they say of one number must agree, and with its `prev`. */
static void meet_seals_below(struct walk *walk)
{
	while (walk->seal) {
		uint64_t seq = walk->group->seals[walk->seal - 1].seq;
		if (!walk->above || walk->above->seq != seq + 1)
			walk->expected = NULL;
		meet_seals(walk, seq);
	}
}

static void walk_down(struct walk *walk)
{
	const struct verify_entry *entries = walk->group->entries;
	size_t end = walk->group->entry_count;
	tell_lost_end(walk);
	while (end > 0) {
		size_t start = end - 1;
		uint64_t seq = entries[start].seq;
		while (start > 0 && entries[start - 1].seq == seq)
			start--;
		tell_hole(walk, seq);
		pass_seals(walk, seq);
		meet_seals(walk, seq);
		if (walk->expected)
			judge_provable(walk, entries + start, end - start);
		else
			judge_unprovable(walk, entries + start, end - start);
		end = start;
	}
	if (walk->above)
		end_unproven(walk, walk->above->seq - 1);
	meet_seals_below(walk);
	static const uint8_t zeros[DIGEST_SIZE];
	if (walk->above && walk->above->seq == 1 && memcmp(walk->above->prev, zeros, DIGEST_SIZE) != 0)
		verify_tell(walk->verify, VERIFY_EDITED, &walk->above->place, 1, _("entry 1 names one before it"));
}

/* ---- identities and manifests ---- */

static int by_id(const void *a, const void *b)
{
	return memcmp(
		(*(const struct verify_entry *const *)a)->id, (*(const struct verify_entry *const *)b)->id, ID_SIZE);
}

static void check_ids(struct verify *verify, const struct verify_group *group)
{
	const struct verify_entry **sorted = calloc(group->entry_count + 1, sizeof(const struct verify_entry *));
	if (!sorted)
		abort();
	for (size_t i = 0; i < group->entry_count; i++)
		sorted[i] = &group->entries[i];
	qsort(sorted, group->entry_count, sizeof(const struct verify_entry *), by_id);
	for (size_t i = 1; i < group->entry_count; i++)
		if (memcmp(sorted[i - 1]->id, sorted[i]->id, ID_SIZE) == 0 && sorted[i - 1]->seq != sorted[i]->seq)
			verify_tell(verify, VERIFY_INSERTED, &sorted[i]->place, sorted[i]->seq,
				_("entries %llu and %llu have one id"), (number)sorted[i - 1]->seq,
				(number)sorted[i]->seq);
	free(sorted);
}

/* The index of the first entry from `seq` on. */
static size_t find(const struct verify_group *group, uint64_t seq)
{
	size_t low = 0, high = group->entry_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (group->entries[middle].seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void tell_manifest(struct verify *verify, const struct verify_manifest *manifest)
{
	verify_tell(verify, VERIFY_EDITED, &manifest->place, manifest->last,
		_("entries %llu to %llu are not those the day's manifest was made of"), (number)manifest->first,
		(number)manifest->last);
}

/* Of the entry it names itself; false where that is told, or is not here. */
static bool check_last(struct verify *verify, const struct verify_group *group, const struct verify_manifest *manifest)
{
	size_t last = find(group, manifest->last), count = find(group, manifest->last + 1) - last;
	const struct verify_entry *right = count ? with_hash(&group->entries[last], count, manifest->hash) : NULL;
	if (right)
		compare_station(verify, right, manifest->station, &manifest->place);
	else if (count)
		tell_manifest(verify, manifest);
	return right;
}

static void check_manifest(
	struct verify *verify, const struct verify_group *group, const struct verify_manifest *manifest)
{
	if (!check_last(verify, group, manifest))
		return;
	size_t first = find(group, manifest->first), count = (size_t)(manifest->last - manifest->first) + 1;
	if (group->entry_count - first < count || group->entries[first + count - 1].seq != manifest->last ||
		group->entries[first].seq != manifest->first)
		return; /* not all of the day is here: the seals judge what is */
	struct digest_run *run = digest_begin(manifest->digest_kind);
	uint8_t digest[DIGEST_SIZE];
	for (size_t i = first; i < first + count; i++) {
		char text[DIGEST_TEXT_MAX];
		digest_text(group->entries[i].digest, group->entries[i].hash, text);
		digest_add(run, text, strlen(text));
		digest_add(run, "\n", 1);
	}
	digest_end(run, digest);
	if (memcmp(digest, manifest->digest, DIGEST_SIZE) != 0)
		tell_manifest(verify, manifest);
}

static void tell_epoch(const struct walk *walk)
{
	const struct verify *verify = walk->verify;
	const struct verify_group *group = walk->group;
	struct verify_epoch epoch = {
		.epoch = group->epoch,
		.station = group->entry_count ? verify->stations[group->entries[group->entry_count - 1].station].code
		                              : verify->station,
		.first = group->entry_count ? group->entries[0].seq : 0,
		.last = group->entry_count ? group->entries[group->entry_count - 1].seq : 0,
		.entries = group->entry_count,
		.repeated = group->repeated,
		.seals = group->seal_count,
		.manifests = group->manifest_count,
		.sealed = walk->proven,
	};
	verify->epoch(verify->context, &epoch);
}

/* Where nothing signs it, what it says of itself is all there is. What another station's key signed is that station's,
 * and foreign where the reader named ours: a copy that nobody named a station for may be of several. */
static void check_station(struct verify *verify, const struct verify_group *group)
{
	const struct verify_entry *first = &group->entries[0];
	const struct verify_station *station = &verify->stations[first->station];
	if (group->signed_by_trusted ? verify->named && !group->ours : *verify->station && !station->ours)
		verify_tell(verify, VERIFY_FOREIGN, &first->place, first->seq,
			_("%zu entries are of station %s, not of %s"), group->entry_count, station->code,
			verify->station);
}

void verify_group_judge(struct verify *verify, struct verify_group *group)
{
	tidy(group);
	struct walk walk = { .verify = verify, .group = group, .seal = group->seal_count };
	if (group->entry_count)
		check_station(verify, group);
	walk_down(&walk);
	check_ids(verify, group);
	for (size_t i = 0; i < group->manifest_count; i++)
		check_manifest(verify, group, &group->manifests[i]);
	tell_epoch(&walk);
}
