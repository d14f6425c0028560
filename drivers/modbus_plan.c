/* Which registers are read together.
 *
 * An exchange costs far more than a register (at 9600 bit/s a request and its empty answer take 15 ms, one more
 * register 2 ms), so neighbours are read in one request although registers between them mean nothing to us. Some
 * instruments refuse a request that touches such a hole (exception 02): then that block, and only that, is read in
 * pieces without holes. The window of a profile is always read as it is given.
 */
#include "modbus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct span {
	uint32_t from, to; /* registers, `to` exclusive */
};

static int compare_spans(const void *left, const void *right)
{
	const struct span *a = left, *b = right;
	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return (a->to > b->to) - (a->to < b->to);
}

static bool in_window(const struct modbus_profile *profile, const struct modbus_field *field)
{
	return profile->window.given && field->address >= profile->window.address &&
	       field->address + field->count <= profile->window.address + profile->window.length;
}

/* The spans a group needs, in order of address; the window counts as one, cut where a request would be too long. */
static size_t collect(const struct modbus_profile *profile, enum modbus_group group, struct span *spans, size_t size)
{
	size_t count = 0;
	for (size_t i = 0; i < profile->field_count && count < size; i++) {
		const struct modbus_field *field = &profile->fields[i];
		if (field->form != MODBUS_CONSTANT && field->group == group &&
			!(group == MODBUS_RECORD && in_window(profile, field)))
			spans[count++] = (struct span){ field->address, (uint32_t)field->address + field->count };
	}
	uint32_t end = (uint32_t)profile->window.address + profile->window.length;
	for (uint32_t at = profile->window.address; group == MODBUS_RECORD && at < end && count < size;) {
		uint32_t to = at + (uint32_t)profile->max_read;
		spans[count++] = (struct span){ at, to < end ? to : end };
		at = spans[count - 1].to;
	}
	qsort(spans, count, sizeof(*spans), compare_spans);
	return count;
}

static int add_block(struct modbus_plan *plan, const struct span *span)
{
	uint32_t length = span->to - span->from;
	if (plan->count == MODBUS_BLOCKS_MAX || plan->registers + length > MODBUS_IMAGE_MAX)
		return -E2BIG;
	plan->blocks[plan->count++] = (struct modbus_block){
		.address = (uint16_t)span->from, .count = (uint16_t)length, .at = plan->registers
	};
	plan->registers = (uint16_t)(plan->registers + length);
	return 0;
}

/* Joins spans that lie at most `gap` apart into requests of at most max_read registers. */
static int join(const struct modbus_profile *profile, const struct span *spans, size_t count, uint32_t gap,
	struct modbus_plan *ret)
{
	struct span open = { 0, 0 };
	for (size_t i = 0; i < count; i++) {
		uint32_t to = spans[i].to > open.to ? spans[i].to : open.to;
		if (open.to > open.from && spans[i].from <= open.to + gap && to - open.from <= profile->max_read) {
			open.to = to;
			continue;
		}
		if (open.to > open.from && add_block(ret, &open) < 0)
			return -E2BIG;
		open = spans[i];
	}
	return open.to > open.from ? add_block(ret, &open) : 0;
}

/* Room for every field and for a window in pieces. */
#define SPANS_MAX (MODBUS_FIELDS_MAX + MODBUS_IMAGE_MAX)

int modbus_plan_make(const struct modbus_profile *profile, enum modbus_group group, struct modbus_plan *ret)
{
	struct span spans[SPANS_MAX];
	size_t count = collect(profile, group, spans, SPANS_MAX);
	*ret = (struct modbus_plan){ 0 };
	return join(profile, spans, count, (uint32_t)profile->max_gap, ret);
}

bool modbus_plan_split(
	const struct modbus_profile *profile, enum modbus_group group, struct modbus_plan *plan, size_t index)
{
	struct span spans[SPANS_MAX], inside[SPANS_MAX];
	size_t count = collect(profile, group, spans, SPANS_MAX), used = 0;
	struct modbus_block whole = plan->blocks[index];
	for (size_t i = 0; i < count; i++)
		if (spans[i].from >= whole.address && spans[i].to <= (uint32_t)whole.address + whole.count)
			inside[used++] = spans[i];
	struct modbus_plan pieces = { 0 };
	if (join(profile, inside, used, 0, &pieces) < 0 || pieces.count < 2 ||
		plan->count - 1 + pieces.count > MODBUS_BLOCKS_MAX)
		return false;
	/* A piece keeps its place in the image, so that what is read there stays where it is looked for. */
	for (size_t i = 0; i < pieces.count; i++)
		pieces.blocks[i].at = (uint16_t)(whole.at + (pieces.blocks[i].address - whole.address));
	memmove(&plan->blocks[index + pieces.count], &plan->blocks[index + 1],
		(plan->count - index - 1) * sizeof(plan->blocks[0]));
	memcpy(&plan->blocks[index], pieces.blocks, pieces.count * sizeof(plan->blocks[0]));
	plan->count += pieces.count - 1;
	return true;
}

int modbus_plan_place(const struct modbus_plan *plan, uint16_t address)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct modbus_block *block = &plan->blocks[i];
		if (address >= block->address && address < block->address + block->count)
			return block->at + (address - block->address);
	}
	return -1;
}
