/* journal_wear DIRECTORY [RECORDS [BODY_BYTES]]: what the journal writes to the disk for each record, from
 * /proc/self/io, checkpoints included: alone (one commit each, a target's progress after each) and in bursts of 24.
 * Prints one JSON line.
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

/* Bytes written for each of `records`, appended `batch` at a time to a new journal, up to its orderly end. */
static double wear(const char *directory, unsigned records, unsigned batch)
{
	struct journal_options options = { .directory = directory, .station = "330421103-01" };
	struct journal *journal;
	struct fault fault;
	if (journal_open(&options, &journal, NULL, &fault) != 0) {
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
	char alone[300], burst[300];
	snprintf(alone, sizeof(alone), "%s/alone", arguments[1]);
	snprintf(burst, sizeof(burst), "%s/burst", arguments[1]);
	double single = wear(alone, records, 1), many = wear(burst, records, BURST);
	printf("{\"bench\":\"journal_wear\",\"records\":%u,\"body_bytes\":%zu,\"alone_bytes_per_record\":%.0f,"
	       "\"burst24_bytes_per_record\":%.0f}\n",
		records, size, single, many);
	return 0;
}
