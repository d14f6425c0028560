/* journal_commit DIRECTORY [COMMITS]: how long an append takes: alone, alone beside a reader that never rests, and from
 * 8 threads at once. Prints one JSON line for each; bare_commit is the peer.
 */
#include "../../daemon/journal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { APPENDERS = 8 };

static struct journal *journal;
static char body[700];
static _Atomic unsigned numbers;
static _Atomic bool reading;

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

static void *append(void *argument)
{
	struct run *run = argument;
	for (unsigned i = 0; i < run->count; i++) {
		unsigned number = ++numbers;
		struct entry entry = { .kind = ENTRY_RESULT, .body = body };
		struct fault fault;
		snprintf(entry.id, sizeof(entry.id), "0195a3c4-%04x-7000-8000-%012x", number >> 8 & 0xffff, number);
		double before = milliseconds();
		if (journal_append(journal, &entry, 1, NULL, NULL, &fault) != 0) {
			fprintf(stderr, "%s\n", fault.text);
			exit(1);
		}
		run->took[i] = milliseconds() - before;
	}
	return NULL;
}

static void report(const char *name, double *took, unsigned count, double seconds)
{
	qsort(took, count, sizeof(*took), by_size);
	printf("{\"bench\":\"%s\",\"commits\":%u,\"appends_per_s\":%.0f,\"p50_ms\":%.3f,\"p90_ms\":%.3f,"
	       "\"p99_ms\":%.3f,\"max_ms\":%.3f}\n",
		name, count, count / seconds, took[count / 2], took[count * 9 / 10], took[count * 99 / 100],
		took[count - 1]);
}

static void measure(const char *name, unsigned count, unsigned threads)
{
	pthread_t running[APPENDERS];
	struct run runs[APPENDERS];
	double *took = calloc(count, sizeof(*took)), start = milliseconds();
	for (unsigned i = 0; i < threads; i++) {
		runs[i] = (struct run){ count / threads, took + count / threads * i };
		pthread_create(&running[i], NULL, append, &runs[i]);
	}
	for (unsigned i = 0; i < threads; i++)
		pthread_join(running[i], NULL);
	report(name, took, count / threads * threads, (milliseconds() - start) / 1e3);
	free(took);
}

static int look(void *context, const struct stored *stored)
{
	*(size_t *)context += stored->length;
	return 0;
}

static void *read_for_ever(void *argument)
{
	struct journal_reader *reader;
	size_t bytes = 0;
	(void)argument;
	if (journal_reader_open(journal_path(journal), &reader, NULL) != 0)
		exit(1);
	while (reading)
		journal_read(reader, 1, 1000000, look, &bytes, NULL);
	journal_reader_close(reader);
	return NULL;
}

int main(int count, char **arguments)
{
	if (count < 2)
		return 64;
	unsigned commits = count > 2 ? (unsigned)atoi(arguments[2]) : 2000;
	struct journal_options options = { .directory = arguments[1], .station = "330421103-01" };
	struct fault fault;
	int used = snprintf(body, sizeof(body), "\"kind\":\"sample\",\"raw\":\"");
	memset(body + used, 'x', sizeof(body) - (size_t)used - 3);
	memcpy(body + sizeof(body) - 3, "\"}", 3);
	if (commits < 100 || journal_open(&options, &journal, NULL, &fault) != 0)
		return 64;
	measure("journal_alone", commits, 1);
	pthread_t reader;
	reading = true;
	pthread_create(&reader, NULL, read_for_ever, NULL);
	measure("journal_beside_a_reader", commits, 1);
	reading = false;
	pthread_join(reader, NULL);
	measure("journal_from_8_threads", commits * 4, APPENDERS);
	journal_close(journal);
	return 0;
}
