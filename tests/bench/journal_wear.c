/* journal_wear DIRECTORY [RECORDS [BODY_BYTES]]: what the journal writes to the disk for each record, from
 * /proc/self/io, checkpoints included: alone (one commit each, a target's progress after each) and in bursts of 24; and
 * the same with a seal after each, as there is one when they are a second apart. Prints one JSON line.
 */
#include "../../daemon/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BURST = 24, BODY_MAX = 8000 };

static char body[BODY_MAX];

static long written(void)
{
	char line[80];
	long bytes = -1;
	FILE *io = fopen("/proc/self/io", "re");
	while (io && fgets(line, sizeof(line), io))
		if (sscanf(line, "write_bytes: %ld", &bytes) == 1)
			break;
	if (io)
		fclose(io);
	return bytes;
}

static void fill(struct entry *entry, unsigned number)
{
	*entry = (struct entry){ .kind = ENTRY_RESULT, .body = body };
	/* 48 bits of time first, as in UUIDv7 and ours of version 8 */
	snprintf(entry->id, sizeof(entry->id), "0195a3c4-%04x-7%03x-8%03x-%012lx", (number >> 4) & 0xffff,
		(unsigned)rand() & 0xfff, (unsigned)rand() & 0xfff, (long)rand() << 16 ^ (long)number);
}

static void seal(struct journal *journal, const struct signature_key *key)
{
	struct seal seal;
	if (!key || !journal_unsealed(journal, &seal))
		return;
	seal_sign(&seal, key);
	journal_seal(journal, &seal);
}

/* Bytes written for each of `records`, appended `batch` at a time to a new journal, up to its orderly end. */
static double wear(const char *parent, const struct signature_key *key, unsigned records, unsigned batch)
{
	char directory[300];
	snprintf(directory, sizeof(directory), "%s/%s%u", parent, key ? "sealed-" : "", batch);
	struct journal_options options = { .directory = directory, .station = "330421103-01" };
	struct journal *journal;
	struct fault fault;
	if (journal_open(&options, &journal, NULL, &fault) != 0 ||
		(key && journal_key(journal, key, NULL, &fault) != 0)) {
		fprintf(stderr, "%s\n", fault.text);
		exit(1);
	}
	long before = written();
	for (unsigned done = 0; done < records; done += batch) {
		struct entry entries[BURST];
		char cursor[40];
		for (unsigned i = 0; i < batch; i++)
			fill(&entries[i], done + i);
		snprintf(cursor, sizeof(cursor), "2026-03-05T09:41:20/%u", done);
		if (journal_append(journal, entries, batch, "pr-1", cursor, &fault) != 0) {
			fprintf(stderr, "%s\n", fault.text);
			exit(1);
		}
		journal_progress(journal, "county", done + batch);
		seal(journal, key);
	}
	journal_close(journal);
	return (double)(written() - before) / records;
}

int main(int count, char **arguments)
{
	if (count < 2)
		return 64;
	unsigned records = count > 2 ? (unsigned)atoi(arguments[2]) : 4800;
	size_t size = count > 3 ? (size_t)atoi(arguments[3]) : 690; /* with the head: 900 bytes as published */
	if (size >= BODY_MAX || records < BURST)
		return 64;
	int used = snprintf(body, sizeof(body), "\"kind\":\"sample\",\"raw\":\"");
	memset(body + used, 'x', size - (size_t)used - 2);
	memcpy(body + size - 2, "\"}", 3);
	struct signature_key *key;
	if (signature_key_make(SIGNATURE_ED25519, &key, NULL) != 0)
		return 1;
	const char *directory = arguments[1];
	printf("{\"bench\":\"journal_wear\",\"records\":%u,\"body_bytes\":%zu,\"alone_bytes_per_record\":%.0f,"
	       "\"burst24_bytes_per_record\":%.0f,",
		records, size, wear(directory, NULL, records, 1), wear(directory, NULL, records, BURST));
	printf("\"sealed_alone_bytes_per_record\":%.0f,\"sealed_burst24_bytes_per_record\":%.0f}\n",
		wear(directory, key, records, 1), wear(directory, key, records, BURST));
	signature_key_free(key);
	return 0;
}
