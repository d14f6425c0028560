/* An instrument's own memory: results wait here until somebody asks, and the oldest goes when it is full. */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "result.h"

struct memory {
	struct result *slots; /* a ring; grows up to `capacity` as it is needed */
	size_t allocated, first, count, capacity;
};

void memory_free(struct memory *memory);

/* Keeps a copy; true when the oldest result had to go for it. */
bool memory_keep(struct memory *memory, const struct result *result);

const struct result *memory_at(const struct memory *memory, size_t index); /* 0 is the oldest */

void memory_finish(struct memory *memory); /* the newest result, which was `unfinished`, is it no more */

/* The place of the oldest (or newest) result with this running number, or -1. Numbers are not unique after a power
 * cycle that kept the memory. */
long memory_find_oldest(const struct memory *memory, uint32_t number);
long memory_find_newest(const struct memory *memory, uint32_t number);

void memory_drop(struct memory *memory, size_t count); /* the oldest `count` */

#endif
