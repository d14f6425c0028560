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

/* `reader` may be NULL with `lines` or `check`. Entries `first` to `last` (0: to the end). A program_exit. */
int ctl_export_map(const struct ctl *ctl, const struct export_map *wanted, struct journal_reader *reader,
	uint64_t first, uint64_t last);

#endif
