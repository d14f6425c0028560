/* powercut append DIRECTORY: appends for ever from 4 threads; prints "ID NANOSECONDS" after each durable entry
 * powercut cut DIRECTORY:    the power fails: the file system holding DIRECTORY drops what it has not written (ext4,
 *                            xfs: the shutdown ioctl without flushing its log); prints the nanoseconds just before
 * powercut check DIRECTORY:  reads IDs from standard input; prints "ENTRIES LOST DAMAGED"
 *
 * With -u before the word the journal is opened with synchronous=NORMAL: the control that must lose entries.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "../../daemon/journal.h"

#define IOC_SHUTDOWN         _IOR('X', 125, uint32_t)
#define SHUTDOWN_NO_LOGFLUSH 2u

enum { APPENDERS = 4 };

static struct journal *journal;
static unsigned life; /* differs from one run to the next: the journal survives several cuts */

static int64_t nanoseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int open_journal(const char *directory, bool unsafe, char **setaside)
{
	struct journal_options options = { .directory = directory, .station = "330421103-01", .unsafe_sync = unsafe };
	struct fault fault;
	int error = journal_open(&options, &journal, setaside, &fault);
	if (error)
		fprintf(stderr, "%s\n", fault.text);
	return error;
}

static void *append_for_ever(void *argument)
{
	unsigned thread = *(unsigned *)argument;
	static char body[720];
	if (thread == 0)
		snprintf(body, sizeof(body), "\"kind\":\"sample\",\"raw\":\"%0660d\"}", 0);
	for (unsigned number = 1;; number++) {
		struct entry entry = { .kind = ENTRY_RESULT, .body = thread ? (char[]){ "\"kind\":\"qc\"}" } : body };
		snprintf(entry.id, sizeof(entry.id), "0195a3c4-%04x-7%03x-8000-%012x", life, thread, number);
		if (journal_append(journal, &entry, 1, NULL, NULL, NULL) != 0)
			return NULL; /* the power is gone */
		char line[80];
		int length = snprintf(line, sizeof(line), "%s %" PRId64 "\n", entry.id, nanoseconds());
		if (write(STDOUT_FILENO, line, (size_t)length) != length)
			return NULL;
	}
}

static int append(const char *directory, bool unsafe)
{
	pthread_t threads[APPENDERS];
	unsigned numbers[APPENDERS];
	life = (unsigned)(nanoseconds() >> 26) & 0xffff;
	if (open_journal(directory, unsafe, NULL) != 0)
		return 1;
	for (unsigned i = 0; i < APPENDERS; i++) {
		numbers[i] = i;
		if (pthread_create(&threads[i], NULL, append_for_ever, &numbers[i]) != 0)
			return 1;
	}
	for (unsigned i = 0; i < APPENDERS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

static int cut(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint32_t how = SHUTDOWN_NO_LOGFLUSH;
	int64_t before = nanoseconds();
	if (fd < 0 || ioctl(fd, IOC_SHUTDOWN, &how) != 0) {
		fprintf(stderr, "%s: %s; ext4 or xfs, and root, would do\n", directory, strerror(errno));
		return 1;
	}
	printf("%" PRId64 "\n", before);
	return 0;
}

static int seen(void *context, const struct stored *stored)
{
	(void)stored;
	(void)context;
	return 0;
}

static int check(const char *directory)
{
	char id[ENTRY_ID_MAX + 1], *setaside = NULL;
	struct journal_reader *reader;
	unsigned lost = 0;
	if (open_journal(directory, false, &setaside) != 0 ||
		journal_reader_open(journal_path(journal), &reader, NULL) != 0)
		return 1;
	while (scanf("%37s", id) == 1)
		lost += journal_find(reader, id, seen, NULL, NULL) != 1;
	int broken = journal_check_chain(reader, 1, 0, NULL, NULL) != 0 || setaside;
	printf("%" PRIu64 " %u %d\n", journal_head(journal), lost, broken);
	journal_reader_close(reader);
	journal_close(journal);
	free(setaside);
	return 0;
}

int main(int count, char **arguments)
{
	bool unsafe = count == 4 && strcmp(arguments[1], "-u") == 0;
	arguments += unsafe;
	if (count - unsafe != 3)
		return 64;
	if (strcmp(arguments[1], "append") == 0)
		return append(arguments[2], unsafe);
	if (strcmp(arguments[1], "cut") == 0)
		return cut(arguments[2]);
	if (strcmp(arguments[1], "check") == 0)
		return check(arguments[2]);
	return 64;
}
