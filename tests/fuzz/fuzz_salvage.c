/* What may be left of a damaged journal: any pages, in the file and in its log. Whatever is salvaged of them is a
 * journal that can be read, with as many entries as were told.
 *
 * An input is two bytes that say how many of the rest are the file's (big-endian), those, and then the log's. The seeds
 * are pages of real journals: of schema 1 (tests/unit/journals), of the present one, and of its log. An epoch stands
 * beside the journal, as it does at a station. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../daemon/journal_carve.h"
#include "../../daemon/salvage.h"

#define IDENTITY "0123456789abcdef0123456789abcdef 330421103-01\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[64], journal[96], log_name[96], out[96];

static void write_file(const char *name, const void *data, size_t size)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
}

static void clean_up(void)
{
	char command[96];
	snprintf(command, sizeof(command), "rm -r %s", directory);
	if (system(command) != 0)
		abort();
}

static void prepare(void)
{
	char identity[112];
	strcpy(directory, access("/dev/shm", W_OK) == 0 ? "/dev/shm/salvage-XXXXXX" : "/tmp/salvage-XXXXXX");
	if (!mkdtemp(directory))
		abort();
	snprintf(journal, sizeof(journal), "%s/j", directory);
	snprintf(log_name, sizeof(log_name), "%s-wal", journal);
	snprintf(out, sizeof(out), "%s/out", directory);
	snprintf(identity, sizeof(identity), "%s-identity", journal);
	write_file(identity, IDENTITY, strlen(IDENTITY));
	atexit(clean_up);
}

static unsigned sum(const void *data, size_t length)
{
	unsigned total = 0;
	for (size_t i = 0; i < length; i++)
		total += ((const uint8_t *)data)[i];
	return total;
}

/* Every byte of every row is where it may be read. How many entries are whole. */
static size_t read_all(struct carve *carve)
{
	volatile unsigned total = 0;
	size_t whole = 0;
	struct carved_entry entry;
	struct carved_column row[CARVED_COLUMNS];
	for (size_t i = 0; i < 2 * carve->entries.count; i++)
		if (carve_entry(carve, &carve->entries.places[i / 2], i % 2 == 0, &entry)) {
			total += sum(entry.id, UUID_SIZE) + sum(entry.prev, DIGEST_SIZE) +
			         sum(entry.body, entry.body_length);
			whole++;
		}
	for (int table = 0; table < CARVED_TABLES; table++)
		for (size_t i = 0; i < 2 * carve->rows[table].count; i++)
			if (carve_row(carve, (enum carved_table)table, &carve->rows[table].places[i / 2], i % 2 == 0,
				    row))
				for (size_t column = 0; column < CARVED_COLUMNS; column++)
					total += row[column].text ? sum(row[column].text, row[column].length) : 0;
	return whole;
}

static int count(void *context, const struct stored *stored)
{
	++*(uint64_t *)context;
	return sum(stored->payload, stored->length) == 0;
}

static void read_salvaged(const struct salvage *found)
{
	struct journal_reader *reader;
	struct fault fault;
	struct seal seal = { 0 };
	uint64_t entries = 0, seals = 0;
	if (journal_reader_open(out, &reader, &fault) != 0)
		abort();
	if (journal_read(reader, 1, SIZE_MAX, count, &entries, &fault) < 0 || entries != found->count)
		abort();
	while (journal_next_seal(reader, seal.seq, &seal, &fault) == 1)
		seals++;
	if (seals != found->seals || found->unsealed > found->count)
		abort();
	journal_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct salvage_hints hints = { .station = "330421103-01" };
	struct carve carve;
	struct salvage found;
	struct fault fault;
	if (!*directory)
		prepare();
	if (size < 2)
		return 0;
	size_t split = (size_t)data[0] << 8 | data[1];
	size -= 2;
	split = split < size ? split : size;
	write_file(journal, data + 2, split);
	write_file(log_name, data + 2 + split, size - split);
	unlink(out);
	if (carve_open(&carve, journal, &fault) != 0)
		abort(); /* both files can be read */
	size_t whole = read_all(&carve);
	carve_close(&carve);
	if (whole && salvage_journal(journal, &hints, out, &found, &fault) == 0 && found.count)
		read_salvaged(&found);
	return 0;
}
