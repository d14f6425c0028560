/* Files people keep in a spreadsheet, written where the tests can read them. */
#ifndef TESTS_TABLES_FIXTURE_H
#define TESTS_TABLES_FIXTURE_H

#include "../../daemon/faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Writes `text` into a file of its own and returns its name; remove_table() it. */
static inline const char *write_table(const void *text, size_t length)
{
	static char path[64];
	snprintf(path, sizeof(path), "/tmp/assayd-table-XXXXXX");
	int file = mkstemp(path);
	if (file < 0 || write(file, text, length) != (ssize_t)length || close(file) != 0)
		abort();
	return path;
}

static inline void remove_table(const char *path)
{
	unlink(path);
}

/* How many faults stand at this line and hold this text. */
static inline unsigned faults_at(const struct faults *faults, int line, const char *text)
{
	unsigned count = 0;
	for (size_t i = 0; i < faults->count; i++)
		count += faults->list[i].line == line && strstr(faults->list[i].text, text);
	return count;
}

#endif
