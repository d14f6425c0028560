/* tables ITEMS LIMITS [ROUNDS]: how long the station's tables take to load, checks included. Prints one JSON line. */
#include "../../daemon/items.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS_MAX = 1000 };

static long now_us(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static long load_us(const char *items, const char *limits, size_t *ret_count, long *cpu_us)
{
	struct faults faults = { 0 };
	struct item_table *table = NULL;
	long begun = now_us(CLOCK_MONOTONIC), cpu_begun = now_us(CLOCK_PROCESS_CPUTIME_ID);
	if (items_load(items, &table, &faults) < 0 || items_load_limits(limits, table, &faults) < 0) {
		faults_print(&faults, stderr);
		exit(1);
	}
	long took = now_us(CLOCK_MONOTONIC) - begun;
	*cpu_us += now_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_begun;
	*ret_count = items_count(table);
	items_free(table);
	return took;
}

static int by_size(const void *one, const void *other)
{
	const long *a = one, *b = other;
	return (*a > *b) - (*a < *b);
}

int main(int argc, char **argv)
{
	static long took[ROUNDS_MAX];
	long rounds = argc > 3 ? strtol(argv[3], NULL, 10) : 20;
	size_t count = 0;
	long cpu_us = 0;
	if (argc < 3 || rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: tables ITEMS LIMITS [ROUNDS]\n");
		return 64;
	}
	for (long i = 0; i < rounds; i++)
		took[i] = load_us(argv[1], argv[2], &count, &cpu_us);
	qsort(took, (size_t)rounds, sizeof(*took), by_size);
	printf("{\"bench\":\"tables\",\"items\":%zu,\"rounds\":%ld,\"p50_us\":%ld,\"max_us\":%ld,\"cpu_us\":%ld}\n",
		count, rounds, took[rounds / 2], took[rounds - 1], cpu_us / rounds);
	return 0;
}
