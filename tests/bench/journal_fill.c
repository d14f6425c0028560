/* journal_fill DIRECTORY [RECORDS [EVERY]]: fills a journal with records of 900 bytes, of which each EVERYth is sealed
 * (0: none), opens it again and reads it through. Prints one JSON line: how fast it fills, how long it takes to be
 * ready, how fast it reads, what a record takes on disk.
 */
#include "../../daemon/journal.h"
#include "../../daemon/seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { BATCH = 500 };

static double milliseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static struct journal *open_journal(const char *directory)
{
	struct journal_options options = { .directory = directory, .station = "330421103-01" };
	struct journal *journal;
	struct fault fault;
	if (journal_open(&options, &journal, NULL, &fault) != 0) {
		fprintf(stderr, "%s\n", fault.text);
		exit(1);
	}
	return journal;
}

/* With a key made for it. */
static struct signature_key *make_key(struct journal *journal)
{
	struct signature_key *key;
	struct fault fault;
	if (signature_key_make(SIGNATURE_ED25519, &key, &fault) != 0 || journal_key(journal, key, NULL, &fault) != 0) {
		fprintf(stderr, "%s\n", fault.text);
		exit(1);
	}
	return key;
}

static void seal_head(struct journal *journal, const struct signature_key *key)
{
	struct seal seal;
	if (!journal_unsealed(journal, &seal))
		return;
	seal_sign(&seal, key);
	journal_seal(journal, &seal);
}

static void fill(struct journal *journal, unsigned records, unsigned every)
{
	static char body[689];
	static struct entry entries[BATCH];
	struct signature_key *key = every ? make_key(journal) : NULL;
	unsigned batch = every && every < BATCH ? every : BATCH;
	int used = snprintf(body, sizeof(body), "\"kind\":\"sample\",\"raw\":\"");
	memset(body + used, 'x', sizeof(body) - (size_t)used - 3);
	memcpy(body + sizeof(body) - 3, "\"}", 3);
	for (unsigned done = 0; done < records; done += batch) {
		for (unsigned i = 0; i < batch; i++) {
			unsigned number = done + i;
			entries[i] = (struct entry){ .kind = ENTRY_RESULT, .body = body };
			snprintf(entries[i].id, sizeof(entries[i].id), "0195a3c4-%04x-7%03x-8000-%012x",
				number >> 8 & 0xffff, number & 0xfff, number);
		}
		if (journal_append(journal, entries, batch, NULL, NULL, NULL) != 0)
			exit(1);
		if (every && (done + batch) % every == 0)
			seal_head(journal, key);
	}
	signature_key_free(key);
}

static int count_bytes(void *context, const struct stored *stored)
{
	*(size_t *)context += stored->length;
	return 0;
}

int main(int count, char **arguments)
{
	if (count < 2)
		return 64;
	unsigned records = count > 2 ? (unsigned)atoi(arguments[2]) / BATCH * BATCH : 100000;
	unsigned every = count > 3 ? (unsigned)atoi(arguments[3]) : 0;
	double start = milliseconds();
	struct journal *journal = open_journal(arguments[1]);
	fill(journal, records, every);
	journal_close(journal);
	double filled = milliseconds();
	journal = open_journal(arguments[1]);
	double ready = milliseconds();
	struct stat status = { 0 };
	stat(journal_path(journal), &status);
	struct journal_reader *reader;
	size_t bytes = 0;
	if (journal_reader_open(journal_path(journal), &reader, NULL) != 0)
		return 1;
	double reading = milliseconds();
	journal_read(reader, 1, records, count_bytes, &bytes, NULL);
	double read = milliseconds();
	printf("{\"bench\":\"journal_fill\",\"records\":%u,\"appended_per_s\":%.0f,\"open_ms\":%.1f,\"read_per_s\":%.0f,"
	       "\"payload_bytes\":%.0f,\"file_bytes_per_record\":%.0f}\n",
		records, records / (filled - start) * 1e3, ready - filled, records / (read - reading) * 1e3,
		(double)bytes / records, (double)status.st_size / records);
	journal_reader_close(reader);
	journal_close(journal);
	return 0;
}
