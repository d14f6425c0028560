/* journal_commit DIRECTORY [COMMITS [RECORDS]]: how long an append takes: alone and beside a reader that never rests,
 * by turns, so that both meet the same disk; then from 8 threads at once. The reader scans RECORDS written before.
 * Prints one JSON line for each; bare_commit is the peer.
 */
#include "../../daemon/journal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { APPENDERS = 8, TURN = 100, BATCH = 500 };

static struct journal *journal;
static char body[700];
static _Atomic unsigned numbers;
static _Atomic bool reading, ended;
static _Atomic unsigned long scanned;

static double milliseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int by_size(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

struct run {
	unsigned count;
	double *took;
};

static void append_one(double *ret_took)
{
	unsigned number = ++numbers;
	struct entry entry = { .kind = ENTRY_RESULT, .body = body };
	struct fault fault;
	snprintf(entry.id, sizeof(entry.id), "0195a3c4-%04x-7000-8000-%012x", number >> 8 & 0xffff, number);
	double before = milliseconds();
	if (journal_append(journal, &entry, 1, NULL, NULL, &fault) != 0) {
		fprintf(stderr, "%s\n", fault.text);
		exit(1);
	}
	*ret_took = milliseconds() - before;
}

static void fill(unsigned records)
{
	static struct entry entries[BATCH];
	for (unsigned done = 0; done < records; done += BATCH) {
		for (unsigned i = 0; i < BATCH; i++) {
			unsigned number = ++numbers;
			entries[i] = (struct entry){ .kind = ENTRY_RESULT, .body = body };
			snprintf(entries[i].id, sizeof(entries[i].id), "0195a3c4-%04x-7000-8000-%012x",
				number >> 8 & 0xffff, number);
		}
		if (journal_append(journal, entries, BATCH, NULL, NULL, NULL) != 0)
			exit(1);
	}
}

static void *append(void *argument)
{
	struct run *run = argument;
	for (unsigned i = 0; i < run->count; i++)
		append_one(&run->took[i]);
	return NULL;
}

static void report(const char *name, double *took, unsigned count, double seconds)
{
	qsort(took, count, sizeof(*took), by_size);
	printf("{\"bench\":\"%s\",\"commits\":%u,\"appends_per_s\":%.0f,\"p50_ms\":%.3f,\"p90_ms\":%.3f,"
	       "\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"max_ms\":%.3f,\"scanned\":%lu}\n",
		name, count, count / seconds, took[count / 2], took[count * 9 / 10], took[count * 99 / 100],
		took[count * 999 / 1000], took[count - 1], scanned);
}

static void measure_together(unsigned count)
{
	pthread_t running[APPENDERS];
	struct run runs[APPENDERS];
	double *took = calloc(count, sizeof(*took)), start = milliseconds();
	for (unsigned i = 0; i < APPENDERS; i++) {
		runs[i] = (struct run){ count / APPENDERS, took + count / APPENDERS * i };
		pthread_create(&running[i], NULL, append, &runs[i]);
	}
	for (unsigned i = 0; i < APPENDERS; i++)
		pthread_join(running[i], NULL);
	report("journal_from_8_threads", took, count / APPENDERS * APPENDERS, (milliseconds() - start) / 1e3);
	free(took);
}

/* Turns of TURN commits each, with and without the reader. */
static void measure_by_turns(unsigned count)
{
	double *took[2] = { calloc(count, sizeof(double)), calloc(count, sizeof(double)) }, seconds[2] = { 0 };
	for (unsigned done = 0; done < count; done += TURN)
		for (int beside = 0; beside < 2; beside++) {
			reading = beside;
			nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
			double start = milliseconds();
			for (unsigned i = 0; i < TURN; i++)
				append_one(&took[beside][done + i]);
			seconds[beside] += (milliseconds() - start) / 1e3;
		}
	reading = false;
	report("journal_alone", took[0], count, seconds[0]);
	report("journal_beside_a_reader", took[1], count, seconds[1]);
	free(took[0]);
	free(took[1]);
}

static int look(void *context, const struct stored *stored)
{
	*(size_t *)context += stored->length;
	scanned++;
	return reading ? 0 : 1;
}

static void *read_for_ever(void *argument)
{
	struct journal_reader *reader;
	size_t bytes = 0;
	(void)argument;
	if (journal_reader_open(journal_path(journal), &reader, NULL) != 0)
		exit(1);
	while (!ended) {
		if (reading)
			journal_read(reader, 1, 1000000, look, &bytes, NULL);
		else
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	journal_reader_close(reader);
	return NULL;
}

int main(int count, char **arguments)
{
	if (count < 2)
		return 64;
	unsigned commits = count > 2 ? (unsigned)atoi(arguments[2]) / TURN * TURN : 2000;
	struct journal_options options = { .directory = arguments[1], .station = "330421103-01" };
	struct fault fault;
	int used = snprintf(body, sizeof(body), "\"kind\":\"sample\",\"raw\":\"");
	memset(body + used, 'x', sizeof(body) - (size_t)used - 3);
	memcpy(body + sizeof(body) - 3, "\"}", 3);
	if (commits < TURN || journal_open(&options, &journal, NULL, &fault) != 0)
		return 64;
	fill(count > 3 ? (unsigned)atoi(arguments[3]) : 0);
	pthread_t reader;
	pthread_create(&reader, NULL, read_for_ever, NULL);
	measure_by_turns(commits);
	ended = true;
	pthread_join(reader, NULL);
	measure_together(commits * 4);
	journal_close(journal);
	return 0;
}
