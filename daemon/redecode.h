/* Decoding again what the journal keeps as raw bytes, with the driver, profile and tables of today.
 *
 * Where the instrument now says something else than the record shows, a new record is appended that `supersedes` the
 * old one: `received_at` and `clock` stay the old one's, `redecoded_at` says when this was done, `decoder` and
 * `instrument.profile` with what, and the item and verdict rules of the running configuration apply. A difference in
 * the rules alone is none: what was judged by the limits of its day stays so. The sample stays the old one's where
 * people registered it. Bytes that were kept because they could not be read (event undecodable) and now can become
 * records that supersede the event.
 *
 * Records that were flagged unmapped_item, unmapped_unit, unmapped_basis or unmapped_sample are the exception that
 * `unmapped` is for: once the tables know the word, and the instrument's own words are the same as ever, a record with
 * item, limit and verdict supersedes the flagged one.
 *
 * Nothing is edited. The id of a superseding record follows from the id it supersedes (ident_of_successor), so that an
 * entry has at most one, however often and by however many this is asked: what has a successor is passed over, and the
 * successor is decoded again when its turn comes. One thread at a time per reader.
 */
#ifndef ASSAYD_REDECODE_H
#define ASSAYD_REDECODE_H

#include "config.h"
#include "journal.h"
#include "json.h"

#define REDECODE_LIMIT 500 /* entries looked at in one call, where the caller has others to serve */

struct intake;

struct redecode {
	struct config *config;
	struct journal_reader *reader;
	struct intake *intake;    /* NULL: only look */
	uint64_t from, to, limit; /* entries; `limit` 0: no limit */
	const char *instrument;   /* NULL: all */
	bool unmapped;            /* only records whose item, unit or basis had no row in the tables, and has one now */
	const char *profile_name; /* NULL: each instrument's own; else for instruments of `profile_driver` ... */
	const void *profile;      /* ... this one */
	const struct driver *profile_driver;
};

struct redecode_counts {
	uint64_t through;     /* the last entry looked at */
	unsigned long looked; /* records, and events with bytes, of these instruments */
	unsigned long same, changed, superseded;
	unsigned long unreadable; /* nothing, or not one reading that is this one, comes of the bytes */
	unsigned long foreign;    /* the instrument is not configured, or with another driver */
};

/* `each` gets a line for every change: {"seq":17,"id":"..","instrument":"..","was":{..},"is":{..},"new_id":".."}, with
 * only the members that differ. 0 or -errno. */
int redecode_run(const struct redecode *redecode, int (*each)(void *context, const char *line, size_t length),
	void *context, struct redecode_counts *counts, struct fault *fault);

/* The profile in a file, for the driver of the instruments that use one; free() it. Its name is the file's. 0 or
 * -errno.
 */
int redecode_read_profile(const struct config *config, const char *path, const char *instrument,
	struct redecode *redecode, char name[static CONFIG_NAME_MAX], void **ret_profile, struct fault *fault);

#endif
