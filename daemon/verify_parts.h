/* What the files of verification share; nobody else includes this.
 *
 *     verify.c        reading files line by line, and what an export says about
 * itself verify_line.c   one line: an entry's head, a seal, a manifest
 *     verify_chain.c  judging an epoch: what the seals prove, and what they do
 * not
 *     verify_station.c  whose it is: what the seals tie to one station
 */
#ifndef ASSAYD_VERIFY_PARTS_H
#define ASSAYD_VERIFY_PARTS_H

#include "json.h"
#include "verify.h"

enum { ID_SIZE = 16, ID_TEXT_SIZE = 37, STATION_SIZE = 32, EPOCH_SIZE = 33 };

struct verify_place {
	uint32_t file;
	uint32_t line; /* counts from 1; a file of more than four thousand million
	                  lines is split before */
};

struct verify_entry {
	uint64_t seq;
	struct verify_place place;
	uint32_t station; /* of verify->stations */
	enum digest_kind digest;
	uint8_t hash[DIGEST_SIZE], prev[DIGEST_SIZE], id[ID_SIZE];
};

struct verify_seal {
	struct verify_place place;
	uint64_t seq;
	uint32_t station;
	uint32_t key; /* of verify->keys */
	uint8_t hash[DIGEST_SIZE];
};

struct verify_manifest {
	struct verify_place place;
	uint64_t first, last;
	uint32_t station;
	bool in_export;
	enum digest_kind digest_kind;
	uint8_t hash[DIGEST_SIZE], digest[DIGEST_SIZE];
};

struct verify_group { /* an epoch */
	char epoch[EPOCH_SIZE];
	struct verify_entry *entries;
	size_t entry_count, entry_room;
	struct verify_seal *seals; /* with the right signature */
	size_t seal_count, seal_room;
	struct verify_manifest *manifests;
	size_t manifest_count, manifest_room;
	bool sorted, signed_by_trusted, ours;
	uint64_t repeated;
};

struct verify_station {
	char code[STATION_SIZE];
	bool ours; /* as an epoch and a key may be: see verify_station.c */
};

struct verify_key {
	struct signature_key *key;
	bool ours;
};

struct verify_head { /* an export of another station than the one that is judged, as it says */
	uint32_t file;
	char station[STATION_SIZE], epoch[EPOCH_SIZE];
};

struct verify_export { /* of the file at hand */
	bool head, end;
	struct digest_run *digest;
	uint64_t first, last, entries, seq;
	uint64_t next_seal; /* the lowest of those that stand in it; 0: none yet */
	char station[STATION_SIZE], epoch[EPOCH_SIZE];
	char *subject; /* NULL: no bundle */
	bool told_epoch, told_range;
};

struct verify {
	char station[STATION_SIZE]; /* "": not known yet */
	bool named;                 /* by the reader */
	void (*fault)(void *context, const struct verify_fault *);
	void (*epoch)(void *context, const struct verify_epoch *);
	void *context;
	struct verify_key *keys;
	size_t key_count;
	bool trusting; /* keys of the reader's own */
	struct verify_station *stations;
	size_t station_count;
	struct verify_head *others;
	size_t other_count;
	const char **files;
	size_t file_count;
	struct verify_group *groups;
	size_t group_count, group_at;
	struct verify_export export;
	uint64_t faults;
	char *buffer;
	size_t buffer_room;
};

void *verify_grown(void *list, size_t count, size_t *room, size_t size);
struct verify_group *verify_group_of(struct verify *verify, const char *epoch, size_t length);
void verify_tell(struct verify *verify, enum verify_kind kind, const struct verify_place *place, uint64_t seq,
	const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Of verify->keys; -1: not given. */
long verify_key(const struct verify *verify, const char *id);

/* The group the entry now stands in, as its newest; NULL: the line is none. */
const struct verify_group *verify_take_entry(
	struct verify *verify, const char *line, size_t length, struct verify_place place);
bool verify_take_seal(struct verify *verify, const struct json *seal, struct verify_place place);
bool verify_take_manifest(struct verify *verify, const struct json *manifest, struct verify_place place);

/* Of verify->stations. */
uint32_t verify_station_of(struct verify *verify, const char *code, size_t length);
/* An export that says it is of another station than the one that is judged: whether it is turns out in the end. */
void verify_other_head(struct verify *verify);
void verify_judge_stations(struct verify *verify);

void verify_group_judge(struct verify *verify, struct verify_group *group);

#endif
