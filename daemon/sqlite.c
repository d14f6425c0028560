#include "sqlite.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"

enum {
	BUSY_WAIT_MS = 2000,
	QUERIES_MAX = 40,
	GROWS_BY = 64 << 10,
	STEPS_SILENT = 100000, /* of a statement, some thousand rows: seconds on a slow card */
};

struct db_query {
	sqlite3_stmt *statement;
	struct db *db;
};

struct db {
	sqlite3 *handle;
	int log_pages;
	bool uncertain;
	struct db_query queries[QUERIES_MAX];
	size_t query_count;
};

static int damage(const char *path, const char *said, struct fault *fault)
{
	return fault_set(fault, EUCLEAN, _("%s: the file is damaged or not a journal (%s)"), path, said);
}

static int cannot_open(sqlite3 *handle, const char *path, struct fault *fault)
{
	int error = handle ? sqlite3_system_errno(handle) : 0;
	if (error == 0)
		error = EACCES;
	return fault_set(fault, error, _("%s: cannot be opened (%s); it and its directory must be writable by assayd"),
		path, strerror(error));
}

static int disk_full(const char *path, struct fault *fault)
{
	return fault_set(fault, ENOSPC, _("%s: the disk is full; free space on its file system"), path);
}

/* `error` may be 0: the library looks for it only after its own clearing up. */
static int io_failed(const char *path, int error, struct fault *fault)
{
	return fault_set(fault, EIO, _("%s: reading or writing failed (%s); the kernel's log says more"), path,
		strerror(error ? error : EIO));
}

/* To be called at once after the failing call: the next call replaces the library's message. */
static int explain(sqlite3 *handle, int code, struct fault *fault)
{
	const char *path = handle ? sqlite3_db_filename(handle, "main") : NULL;
	int error = handle ? sqlite3_system_errno(handle) : 0;
	const char *said = handle ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
	if (!path)
		path = "journal";
	switch (code & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* our statements are constant: "no such table" or "unsupported format" is the file's doing
	                    */
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
	case SQLITE_FORMAT:
		return damage(path, said, fault);
	case SQLITE_FULL:
		return disk_full(path, fault);
	case SQLITE_IOERR:
		/* the index of the log beside it could not grow: the library keeps no errno for that */
		if (code == SQLITE_IOERR_SHMSIZE || error == ENOSPC)
			return disk_full(path, fault);
		return io_failed(path, error, fault);
	case SQLITE_READONLY:
		return fault_set(fault, EROFS, _("%s: is read-only; it and its file system must be writable"), path);
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return cannot_open(handle, path, fault);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return fault_set(fault, EBUSY, _("%s: another program holds it; end that program"), path);
	case SQLITE_NOMEM:
		return fault_set(fault, ENOMEM, _("%s: no memory left"), path);
	default:
		return fault_set(fault, EIO, "%s: %s", path, said);
	}
}

static int count_log_pages(void *context, sqlite3 *handle, const char *name, int pages)
{
	(void)handle;
	(void)name;
	((struct db *)context)->log_pages = pages;
	return SQLITE_OK;
}

static int goes_on(void *context)
{
	(void)context;
	progress();
	return 0;
}

int db_open(const char *path, enum db_use use, struct db **ret, struct fault *fault)
{
	struct db *db = calloc(1, sizeof(*db));
	if (!db)
		return fault_set(fault, ENOMEM, _("%s: no memory left"), path);
	int flags = use == DB_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	int code = sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (code != SQLITE_OK) {
		int error = (code & 0xff) == SQLITE_CANTOPEN ? cannot_open(db->handle, path, fault)
		                                             : explain(db->handle, code, fault);
		sqlite3_close(db->handle);
		free(db);
		return error;
	}
	sqlite3_extended_result_codes(db->handle, 1);
	sqlite3_busy_timeout(db->handle, BUSY_WAIT_MS);
	sqlite3_wal_autocheckpoint(db->handle, 0);
	sqlite3_progress_handler(db->handle, STEPS_SILENT, goes_on, NULL);
	if (use == DB_WRITE) {
		int chunk = GROWS_BY; /* without it room cannot be taken ahead */
		sqlite3_wal_hook(db->handle, count_log_pages, db);
		sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_CHUNK_SIZE, &chunk);
	}
	/* a file may come from anywhere: its schema gets no say in what is run */
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	*ret = db;
	return 0;
}

int db_open_reader(const char *path, struct db **ret, struct fault *fault)
{
	int error = db_open(path, DB_READ, ret, fault);
	/* KiB of pages: a chunk is read once, and the ways to it are few. What each may keep, each keeps one day. */
	return error ? error
	             : db_run(*ret, "PRAGMA query_only = 1; PRAGMA cache_size = -64; PRAGMA cell_size_check = ON",
			       fault);
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < db->query_count; i++)
		sqlite3_finalize(db->queries[i].statement);
	sqlite3_close(db->handle);
	free(db);
}

void db_tidy_at_close(struct db *db, bool tidy)
{
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, tidy ? 0 : 1, NULL);
}

int db_run(struct db *db, const char *statements, struct fault *fault)
{
	int code = sqlite3_exec(db->handle, statements, NULL, NULL, NULL);
	return code == SQLITE_OK ? 0 : explain(db->handle, code, fault);
}

int db_number(struct db *db, const char *statement, int64_t *ret, struct fault *fault)
{
	sqlite3_stmt *prepared;
	int code = sqlite3_prepare_v2(db->handle, statement, -1, &prepared, NULL);
	if (code != SQLITE_OK)
		return explain(db->handle, code, fault);
	code = sqlite3_step(prepared);
	int error = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : explain(db->handle, code, fault);
	if (!error)
		*ret = code == SQLITE_ROW ? sqlite3_column_int64(prepared, 0) : 0;
	sqlite3_finalize(prepared);
	return error;
}

int db_prepare(struct db *db, const char *statement, struct db_query **ret, struct fault *fault)
{
	if (db->query_count == QUERIES_MAX)
		abort(); /* a fixed number is prepared at open: only a programming fault comes here */
	struct db_query *query = &db->queries[db->query_count];
	int code = sqlite3_prepare_v3(db->handle, statement, -1, SQLITE_PREPARE_PERSISTENT, &query->statement, NULL);
	if (code != SQLITE_OK)
		return explain(db->handle, code, fault);
	query->db = db;
	db->query_count++;
	*ret = query;
	return 0;
}

int db_prepare_all(struct db *db, const struct db_statement *list, size_t count, struct fault *fault)
{
	int error = 0;
	for (size_t i = 0; i < count && !error; i++)
		error = db_prepare(db, list[i].statement, list[i].ret, fault);
	return error;
}

void db_put_integer(struct db_query *query, int parameter, int64_t value)
{
	sqlite3_bind_int64(query->statement, parameter, value);
}

void db_put_text(struct db_query *query, int parameter, const char *text)
{
	sqlite3_bind_text(query->statement, parameter, text, -1, SQLITE_STATIC);
}

void db_put_bytes(struct db_query *query, int parameter, const void *bytes, size_t length)
{
	sqlite3_bind_blob64(query->statement, parameter, bytes, length, SQLITE_STATIC);
}

int db_step(struct db_query *query, struct fault *fault)
{
	int code = sqlite3_step(query->statement);
	if (code == SQLITE_ROW)
		return 1;
	int error = code == SQLITE_DONE ? 0 : explain(query->db->handle, code, fault);
	query->db->uncertain |= error && (code & 0xff) != SQLITE_FULL;
	sqlite3_reset(query->statement);
	return error;
}

int db_reset(struct db_query *query)
{
	sqlite3_reset(query->statement);
	return 0;
}

void db_finish(struct db_query *query)
{
	if (!query)
		return;
	if (query != &query->db->queries[query->db->query_count - 1])
		abort(); /* another has been prepared since: only a programming fault comes here */
	sqlite3_finalize(query->statement);
	query->db->query_count--;
}

int64_t db_integer(struct db_query *query, int column)
{
	return sqlite3_column_int64(query->statement, column);
}

const char *db_text(struct db_query *query, int column, size_t *ret_length)
{
	const char *text = (const char *)sqlite3_column_text(query->statement, column);
	if (ret_length)
		*ret_length = text ? (size_t)sqlite3_column_bytes(query->statement, column) : 0;
	return text ? text : "";
}

const uint8_t *db_bytes(struct db_query *query, int column, size_t expected_length)
{
	const uint8_t *bytes = sqlite3_column_blob(query->statement, column);
	return (size_t)sqlite3_column_bytes(query->statement, column) == expected_length ? bytes : NULL;
}

const uint8_t *db_blob(struct db_query *query, int column, size_t *ret_length)
{
	const uint8_t *bytes = sqlite3_column_blob(query->statement, column);
	*ret_length = (size_t)sqlite3_column_bytes(query->statement, column);
	return bytes;
}

bool db_uncertain(const struct db *db)
{
	return db->uncertain;
}

bool db_in_transaction(struct db *db)
{
	return !sqlite3_get_autocommit(db->handle);
}

int db_take_room(struct db *db, int64_t bytes, struct fault *fault)
{
	const char *path = sqlite3_db_filename(db->handle, "main");
	int error = 0;
	sqlite3_int64 size = bytes;
	if (sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_SIZE_HINT, &size) == SQLITE_OK)
		return 0;
	sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_LAST_ERRNO, &error);
	return error == ENOSPC || error == EDQUOT ? disk_full(path, fault) : io_failed(path, error, fault);
}

int db_log_pages(const struct db *db)
{
	return db->log_pages;
}

int db_checkpoint(struct db *db, bool empty, struct fault *fault)
{
	int mode = empty ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
	int code = sqlite3_wal_checkpoint_v2(db->handle, "main", mode, NULL, NULL);
	if (code == SQLITE_OK && empty)
		db->log_pages = 0;
	return code == SQLITE_OK ? 0 : explain(db->handle, code, fault);
}
