/* What assayctl export's two files share. */
#ifndef ASSAYD_CTL_EXPORT_H
#define ASSAYD_CTL_EXPORT_H

#include "ctl.h"

#define GIVEN_MAX 32

struct export_map {             /* how --map was asked for */
	const char *map;        /* a name, or a path with a / */
	const char *lines;      /* of these JSON lines instead of the journal; "-" is standard input */
	const char *file;       /* NULL: standard output */
	char *given[GIVEN_MAX]; /* "NAME=VALUE" */
	size_t given_count;
	bool check; /* only whether the map is right */
};

struct map;

/* Reads the map and gives it what it needs, or tells what is wrong with it. A program_exit, the map only with
 * EXIT_DONE; map_free() it. */
int ctl_export_map_read(const struct ctl *ctl, const struct export_map *wanted, struct map **ret);

/* `reader` may be NULL with `lines`. Entries `first` to `last` (0: to the end). A program_exit. */
int ctl_export_map(const struct ctl *ctl, const struct export_map *wanted, struct map *map,
	struct journal_reader *reader, uint64_t first, uint64_t last);

#endif
