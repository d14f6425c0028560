/* sealing DIRECTORY [SECONDS]: what sealing adds to the cost of a record at 1,000 records a second.
 *
 * The same journal is filled at that rate in rounds, in turn with and without a sealer; what counts is the CPU time of
 * the whole process, in the cheapest round of each: whatever else the machine does only adds. Each round with a sealer
 * begins and goes on with a seal, so a round of one second has two. Prints one JSON line.
 */
#include "../../daemon/journal.h"
#include "../../daemon/sealer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 10, BATCH_MS = 10, ROUNDS = 8 };

static double cpu_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void fail(const struct fault *fault)
{
	fprintf(stderr, "%s\n", fault->text);
	exit(1);
}

static void append(struct journal *journal)
{
	static char body[689];
	static struct entry entries[BATCH];
	static unsigned number;
	struct fault fault;
	int used = snprintf(body, sizeof(body), "\"kind\":\"sample\",\"raw\":\"");
	memset(body + used, 'x', sizeof(body) - (size_t)used - 3);
	memcpy(body + sizeof(body) - 3, "\"}", 3);
	for (unsigned i = 0; i < BATCH; i++) {
		entries[i] = (struct entry){ .kind = ENTRY_RESULT, .body = body };
		snprintf(entries[i].id, sizeof(entries[i].id), "0195a3c4-%04x-7%03x-8000-%012x", number >> 8 & 0xffff,
			number & 0xfff, number);
		number++;
	}
	if (journal_append(journal, entries, BATCH, NULL, NULL, &fault) != 0)
		fail(&fault);
}

/* CPU microseconds a record. */
static double run(struct journal *journal, long seconds)
{
	struct timespec next;
	long batches = seconds * 1000 / BATCH_MS;
	double begun = cpu_us();
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (long i = 0; i < batches; i++) {
		append(journal);
		next.tv_nsec += BATCH_MS * 1000000L;
		next.tv_sec += next.tv_nsec / 1000000000;
		next.tv_nsec %= 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	return (cpu_us() - begun) / (double)(batches * BATCH);
}

static double sealed_run(struct journal *journal, long seconds)
{
	struct signature_key *key;
	struct sealer *sealer = NULL;
	struct fault fault;
	if (signature_key_make(SIGNATURE_ED25519, &key, &fault) != 0 || journal_key(journal, key, NULL, &fault) != 0 ||
		sealer_start(journal, key, &sealer, &fault) != 0)
		fail(&fault);
	double cost = run(journal, seconds);
	sealer_stop(sealer);
	return cost;
}

static double lower(double one, double other)
{
	return one < other ? one : other;
}

int main(int count, char **arguments)
{
	long seconds = count > 2 ? strtol(arguments[2], NULL, 10) : 3;
	double alone = 1e9, sealed = 1e9;
	if (count < 2 || seconds < 1)
		return 64;
	struct journal_options options = { .directory = arguments[1], .station = "330421103-01" };
	struct journal *journal;
	struct fault fault;
	if (journal_open(&options, &journal, NULL, &fault) != 0)
		fail(&fault);
	run(journal, 1); /* warm */
	for (int round = 0; round < ROUNDS; round++) {
		alone = lower(alone, run(journal, seconds));
		sealed = lower(sealed, sealed_run(journal, seconds));
	}
	journal_close(journal);
	printf("{\"bench\":\"sealing\",\"cpu_us_per_record\":%.2f,\"sealed_cpu_us_"
	       "per_record\":%.2f}\n",
		alone, sealed);
	return 0;
}
