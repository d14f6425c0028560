/* Draining a backlog: a journal of COUNT entries on its way to a broker; prints one JSON line. Its peer is
 * `bare_publisher`. DIRECTORY keeps the journal, so that a second run drains the same one to another target.
 *
 *     drain mqtt://HOST:PORT DIRECTORY COUNT WINDOW BYTES
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../daemon/clock.h"
#include "../../daemon/publisher.h"

#define AT_ONCE 500

static char *status(void *context)
{
	(void)context;
	return strdup("{\"online\":true}");
}

static void fill(struct journal *journal, unsigned count, unsigned bytes)
{
	static struct entry entries[AT_ONCE];
	struct fault fault;
	char *body = malloc(bytes + 64);
	snprintf(body, bytes + 64, "\"kind\":\"sample\",\"raw\":\"%0*d\"}", (int)bytes - 230, 0);
	for (unsigned number = (unsigned)journal_head(journal) + 1; number <= count;) {
		size_t some = 0;
		for (; some < AT_ONCE && number <= count; some++, number++) {
			entries[some] = (struct entry){ .kind = ENTRY_RESULT, .body = body };
			snprintf(entries[some].id, ENTRY_ID_MAX, "0195a3c4-0000-7000-8000-%012x", number);
		}
		if (journal_append(journal, entries, some, NULL, NULL, &fault) != 0) {
			fprintf(stderr, "%s\n", fault.text);
			exit(1);
		}
	}
	free(body);
}

/* What is resident now, in KiB; VmHWM would keep what filling took. */
static long resident_kib(void)
{
	char line[128];
	long kib = -1;
	FILE *about = fopen("/proc/self/status", "re");
	while (about && fgets(line, sizeof(line), about))
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	if (about)
		fclose(about);
	return kib;
}

static void report(unsigned count, const struct target_config *target, unsigned bytes, long ms, const long *rss_kib)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"bench\":\"drain\",\"messages\":%u,\"window\":%ld,\"bytes\":%u,\"seconds\":%.3f,\"per_second\":%.0f,"
	       "\"cpu_s\":%.2f,\"rss_kib\":%ld,\"rss_tenth_kib\":%ld,\"rss_end_kib\":%ld}\n",
		count, target->window, bytes, (double)ms / 1e3, (double)count * 1e3 / (double)ms,
		(double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
			(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
		usage.ru_maxrss, rss_kib[0], rss_kib[1]);
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		fprintf(stderr, "usage: drain mqtt://HOST:PORT DIRECTORY COUNT WINDOW BYTES\n");
		return 64;
	}
	unsigned count = (unsigned)atol(argv[3]), bytes = (unsigned)atol(argv[5]);
	static struct config config = { .holders = 1, .station = { .code = "330421103-01", .county = "330421" } };
	struct target_config target = { .keepalive_ms = 10000,
		.ack_timeout_ms = 15000,
		.reconnect_min_ms = 100,
		.reconnect_max_ms = 1000,
		.window = atol(argv[4]) };
	struct journal_options options = { .directory = argv[2], .station = config.station.code };
	struct journal *journal;
	struct publisher *publisher;
	struct fault fault;
	if (journal_open(&options, &journal, NULL, &fault) != 0) {
		fprintf(stderr, "%s\n", fault.text);
		return 1;
	}
	fill(journal, count, bytes);
	snprintf(target.name, sizeof(target.name), "drain-%d", (int)getpid());
	snprintf(target.broker, sizeof(target.broker), "%s", argv[1]);
	if (publisher_start(&config, &target, journal, status, NULL, &publisher, &fault) != 0) {
		fprintf(stderr, "%s\n", fault.text);
		return 1;
	}
	while (publisher_stats(publisher)->state != PUBLISHER_UP)
		usleep(200);
	long start = clock_ms(), rss_kib[2] = { 0 };
	while (publisher_stats(publisher)->through < count) {
		usleep(1000);
		if (!rss_kib[0] && publisher_stats(publisher)->through >= count / 10)
			rss_kib[0] = resident_kib();
	}
	long ms = clock_ms() - start;
	rss_kib[1] = resident_kib();
	report(count, &target, bytes, ms, rss_kib);
	publisher_stop(publisher);
	journal_close(journal);
	return 0;
}
