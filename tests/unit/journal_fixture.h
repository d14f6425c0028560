/* A real journal in a private directory, for the tests of the journal. */
#ifndef TESTS_JOURNAL_FIXTURE_H
#define TESTS_JOURNAL_FIXTURE_H

#include "../../daemon/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
	char directory[64], file[96];
	const char *station;
	uint64_t reserve_bytes;
	struct journal *journal;
	struct journal_reader *reader;
	struct fault fault;
	char *setaside;
};

static char entry_body[16][700];

/* Bodies are constant texts: nobody frees them. To be called once before threads make entries. */
static inline void entry_bodies(void)
{
	for (int i = 0; i < 16; i++)
		snprintf(entry_body[i], sizeof(entry_body[i]),
			"\"kind\":\"sample\",\"value\":\"%d.50\",\"raw\":\"%0600d\"}", i, i);
}

static inline struct entry entry_of(unsigned number)
{
	struct entry entry = { .kind = ENTRY_RESULT, .body = entry_body[number % 16] };
	snprintf(entry.id, sizeof(entry.id), "0195a3c4-%04x-7000-8000-%012x", number >> 16, number);
	if (!entry.body[0])
		entry_bodies();
	return entry;
}

static inline int fixture_start(struct fixture *fixture)
{
	struct journal_options options = {
		.directory = fixture->directory, .station = fixture->station, .reserve_bytes = fixture->reserve_bytes
	};
	int error = journal_open(&options, &fixture->journal, &fixture->setaside, &fixture->fault);
	if (!error)
		error = journal_reader_open(journal_path(fixture->journal), &fixture->reader, &fixture->fault);
	return error;
}

static inline void fixture_stop(struct fixture *fixture)
{
	journal_reader_close(fixture->reader);
	journal_close(fixture->journal);
	free(fixture->setaside);
	fixture->reader = NULL;
	fixture->journal = NULL;
	fixture->setaside = NULL;
}

static inline struct fixture *fixture_directory(void)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	fixture->station = "330421103-01";
	const char *temporary = getenv("TMPDIR");
	snprintf(fixture->directory, sizeof(fixture->directory), "%s/journal-XXXXXX", temporary ? temporary : "/tmp");
	if (!mkdtemp(fixture->directory))
		abort();
	snprintf(fixture->file, sizeof(fixture->file), "%s/journal.db", fixture->directory);
	return fixture;
}

static inline void fixture_empty(struct fixture *fixture)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -f '%s'/*", fixture->directory);
	if (system(command) != 0)
		abort();
}

static inline void fixture_remove(struct fixture *fixture)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf '%s'", fixture->directory);
	if (system(command) != 0)
		fprintf(stderr, "%s stays behind\n", fixture->directory);
	free(fixture);
}

static inline int fixture_open(void **state)
{
	struct fixture *fixture = fixture_directory();
	*state = fixture;
	int error = fixture_start(fixture);
	if (error)
		fprintf(stderr, "%s\n", fixture->fault.text);
	return error;
}

static inline int fixture_close(void **state)
{
	struct fixture *fixture = *state;
	fixture_stop(fixture);
	fixture_remove(fixture);
	return 0;
}

/* For journals that are opened and closed by the test itself. */
static inline int fixture_empty_directory(void **state)
{
	*state = fixture_directory();
	return 0;
}

#define IN_A_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, fixture_empty_directory, fixture_close)

/* Entries as they were published, by number: what is left of a journal is compared with them. */
enum { PUBLISHED_MAX = 80 };
static char *published[PUBLISHED_MAX + 1];

static inline int keep_published(void *context, const struct stored *stored)
{
	(void)context;
	free(published[stored->seq]);
	published[stored->seq] = strndup(stored->payload, stored->length);
	return 0;
}

static inline bool is_as_published(const struct stored *stored)
{
	return stored->seq <= PUBLISHED_MAX && published[stored->seq] &&
	       strlen(published[stored->seq]) == stored->length &&
	       memcmp(published[stored->seq], stored->payload, stored->length) == 0;
}

static inline int forget_published(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= PUBLISHED_MAX; i++)
		free(published[i]);
	return 0;
}

struct reading_back {
	size_t count;
	char *payload[64];
	enum entry_kind kind[64];
	uint64_t seq[64];
};

static inline int take_back(void *context, const struct stored *stored)
{
	struct reading_back *back = context;
	if (back->count == 64)
		return 1;
	back->payload[back->count] = strndup(stored->payload, stored->length);
	back->kind[back->count] = stored->kind;
	back->seq[back->count] = stored->seq;
	back->count++;
	return 0;
}

static inline long read_back(struct fixture *fixture, uint64_t from, size_t limit, struct reading_back *back)
{
	return journal_read(fixture->reader, from, limit, take_back, back, &fixture->fault);
}

static inline void reading_back_free(struct reading_back *back)
{
	for (size_t i = 0; i < back->count; i++)
		free(back->payload[i]);
	back->count = 0;
}

#endif
