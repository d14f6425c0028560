/* The room of one process: its lines, its instruments, when they finish results, and the outages asked for. */
#ifndef SIM_ROOM_H
#define SIM_ROOM_H

#include <stdbool.h>

#include "options.h"

struct room;

struct room *room_open(const struct options *options); /* ends the program with a sentence when it cannot */
void room_close(struct room *room);

/* Pulls the plug of every line, or plugs it in again, as --unplug does; nothing where it is so already. */
void room_unplug(struct room *room, bool out);

/* Where the first line can be reached. */
void room_name(const struct room *room, char *out, size_t size);

#endif
