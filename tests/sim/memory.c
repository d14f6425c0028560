#include "memory.h"

#include <err.h>
#include <stdlib.h>

enum { FIRST_SLOTS = 16 };

void memory_free(struct memory *memory)
{
	free(memory->slots);
	memory->slots = NULL;
	memory->allocated = memory->count = memory->first = 0;
}

static void grow(struct memory *memory)
{
	size_t larger = memory->allocated ? memory->allocated * 2 : FIRST_SLOTS;
	if (larger > memory->capacity)
		larger = memory->capacity;
	struct result *slots = calloc(larger, sizeof *slots);
	if (!slots)
		err(1, "no memory for %zu results", larger);
	for (size_t i = 0; i < memory->count; i++)
		slots[i] = *memory_at(memory, i);
	free(memory->slots);
	memory->slots = slots;
	memory->allocated = larger;
	memory->first = 0;
}

bool memory_keep(struct memory *memory, const struct result *result)
{
	bool overrun = memory->count == memory->capacity;

	if (overrun)
		memory_drop(memory, 1);
	else if (memory->count == memory->allocated)
		grow(memory);
	memory->slots[(memory->first + memory->count++) % memory->allocated] = *result;
	return overrun;
}

const struct result *memory_at(const struct memory *memory, size_t index)
{
	return &memory->slots[(memory->first + index) % memory->allocated];
}

/* Numbers run without a hole except at a power cycle, so that the place is nearly always where counting says. */
static long guess(const struct memory *memory, size_t from, uint32_t number)
{
	uint32_t distance = number - memory_at(memory, from)->number;
	size_t place = from + distance;

	if (distance < memory->count && place < memory->count && memory_at(memory, place)->number == number)
		return (long)place;
	return -1;
}

long memory_find_oldest(const struct memory *memory, uint32_t number)
{
	if (memory->count == 0)
		return -1;
	long place = guess(memory, 0, number);
	for (size_t i = 0; place < 0 && i < memory->count; i++) {
		if (memory_at(memory, i)->number == number)
			place = (long)i;
	}
	return place;
}

long memory_find_newest(const struct memory *memory, uint32_t number)
{
	for (size_t i = memory->count; i-- > 0;) {
		if (memory_at(memory, i)->number == number)
			return (long)i;
	}
	return -1;
}

void memory_drop(struct memory *memory, size_t count)
{
	if (count > memory->count)
		count = memory->count;
	memory->count -= count;
	memory->first = memory->count ? (memory->first + count) % memory->allocated : 0;
}

void memory_finish(struct memory *memory)
{
	if (memory->count > 0)
		memory->slots[(memory->first + memory->count - 1) % memory->allocated].unfinished = false;
}
