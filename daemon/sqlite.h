/* SQLite, the one place that knows it. Names start with db_ because the library's own start with sqlite3_.
 *
 * A connection and its queries belong to one thread at a time; a long statement says progress() to it. Errors come back
 * as -errno with a sentence that names the file: -EUCLEAN damaged or no database, -ENOSPC disk full, -EIO reading or
 * writing failed, -EROFS or -EACCES not writable, -EBUSY held by another program.
 */
#ifndef ASSAYD_SQLITE_H
#define ASSAYD_SQLITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../drivers/fault.h"

struct db;
struct db_query;

enum db_use { DB_READ, DB_WRITE }; /* DB_WRITE creates the file when it is missing */

int db_open(const char *path, enum db_use use, struct db **ret, struct fault *fault);
/* For one of the dozen that read the journal while the daemon runs: it writes nothing and keeps few pages. */
int db_open_reader(const char *path, struct db **ret, struct fault *fault);
void db_close(struct db *db); /* finishes every query of it; NULL is fine */
/* Whether closing the last connection moves the write-ahead log into the file: not before the file is known as ours. */
void db_tidy_at_close(struct db *db, bool tidy);

int db_run(struct db *db, const char *statements, struct fault *fault);
/* The first column of the first row as an integer, 0 when there is no row. */
int db_number(struct db *db, const char *statement, int64_t *ret, struct fault *fault);

int db_prepare(struct db *db, const char *statement, struct db_query **ret, struct fault *fault);

struct db_statement {
	struct db_query **ret;
	const char *statement;
};

/* Prepares each of `count` statements; none behind the first that fails. */
int db_prepare_all(struct db *db, const struct db_statement *list, size_t count, struct fault *fault);

/* Parameters count from 1; memory given must stay until the query is reset. */
void db_put_integer(struct db_query *query, int parameter, int64_t value);
void db_put_text(struct db_query *query, int parameter, const char *text);
void db_put_bytes(struct db_query *query, int parameter, const void *bytes, size_t length);
/* 1: there is a row; 0: done and reset; -errno: failed and reset. */
int db_step(struct db_query *query, struct fault *fault);
int db_reset(struct db_query *query); /* always 0 */
/* Ends the query prepared last, where it is not kept until the connection is closed. NULL is fine. */
void db_finish(struct db_query *query);
int64_t db_integer(struct db_query *query, int column);
const char *db_text(struct db_query *query, int column, size_t *ret_length);         /* never NULL */
const uint8_t *db_bytes(struct db_query *query, int column, size_t expected_length); /* NULL: another length */

const uint8_t *db_blob(struct db_query *query, int column, size_t *ret_length); /* may be NULL when it is empty */

bool db_in_transaction(struct db *db);
/* A step failed otherwise than for want of room before anything was synced: what the file holds is not known. */
bool db_uncertain(const struct db *db);
/* Makes the file take room for so many bytes from the disk now, where it would only do so when the log is moved into
 * it. In a transaction, so that what is committed has its room. */
int db_take_room(struct db *db, int64_t bytes, struct fault *fault);
/* Pages in the write-ahead log after the last commit; the connection never checkpoints by itself. */
int db_log_pages(const struct db *db);
/* Moves what it can from the write-ahead log into the file, waiting for nobody. `empty`: waits for readers, and leaves
 * the log empty; -EBUSY when a reader would not end. */
int db_checkpoint(struct db *db, bool empty, struct fault *fault);

#endif
