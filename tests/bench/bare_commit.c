/* bare_commit DIRECTORY [COMMITS [ROW_BYTES]]: the peer of the journal: one row a commit by SQLite alone, WAL,
 * synchronous=FULL, as its documentation has it. Prints one JSON line.
 */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

static void must(sqlite3 *db, int code)
{
	if (code != SQLITE_OK && code != SQLITE_DONE) {
		fprintf(stderr, "bare_commit: %s\n", sqlite3_errmsg(db));
		exit(1);
	}
}

int main(int count, char **arguments)
{
	if (count < 2)
		return 64;
	int commits = count > 2 ? atoi(arguments[2]) : 2000, size = count > 3 ? atoi(arguments[3]) : 900;
	char path[512], *row = calloc(1, (size_t)size + 1);
	double *took = calloc((size_t)commits, sizeof(*took));
	if (!row || !took || commits < 100)
		return 64;
	memset(row, 'x', (size_t)size);
	snprintf(path, sizeof(path), "%s/bare.db", arguments[1]);
	sqlite3 *db;
	sqlite3_stmt *insert;
	must(NULL, sqlite3_open(path, &db));
	must(db, sqlite3_exec(db,
			 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			 "CREATE TABLE row(number INTEGER PRIMARY KEY, text TEXT)",
			 NULL, NULL, NULL));
	must(db, sqlite3_prepare_v2(db, "INSERT INTO row(text) VALUES(?1)", -1, &insert, NULL));
	double start = milliseconds();
	for (int i = 0; i < commits; i++) {
		double before = milliseconds();
		sqlite3_bind_text(insert, 1, row, size, SQLITE_STATIC);
		must(db, sqlite3_step(insert));
		must(db, sqlite3_reset(insert));
		took[i] = milliseconds() - before;
	}
	double seconds = (milliseconds() - start) / 1e3;
	qsort(took, (size_t)commits, sizeof(*took), by_size);
	printf("{\"bench\":\"bare_commit\",\"commits\":%d,\"row_bytes\":%d,\"commits_per_s\":%.0f,\"p50_ms\":%.3f,"
	       "\"p90_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n",
		commits, size, commits / seconds, took[commits / 2], took[commits * 9 / 10], took[commits * 99 / 100],
		took[commits - 1]);
	sqlite3_finalize(insert);
	sqlite3_close(db);
	free(row);
	free(took);
	return 0;
}
