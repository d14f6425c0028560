/* An instrument PC that leaves its results in files, in every way such programs do it. */
#ifndef SIM_TEXT_FOLDER_H
#define SIM_TEXT_FOLDER_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "dice.h"
#include "loop.h"

struct text_folder {
	const char *path;
	char gone[1024]; /* where it is while it is away */
	struct dice dice;
	unsigned count;        /* of files so far */
	char last[32];         /* the file that may be appended to, or "" */
	int half;              /* a file of which a half is written, or -1 */
	uint8_t rest[1 << 16]; /* its other half */
	size_t rest_length;
	struct timer timer;
};

/* Makes the folder where it is not there. */
void text_folder_open(struct text_folder *folder, const char *path, struct dice dice);
void text_folder_close(struct text_folder *folder);

/* Leaves these rows: at once, half now and half later, under another name first, or behind those of the last file. */
void text_folder_leave(struct text_folder *folder, const uint8_t *rows, size_t length);

void text_folder_vanish(struct text_folder *folder); /* as a network share does, and comes back */
void text_folder_return(struct text_folder *folder);

#endif
