#include "cutter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 256
#define ROOM_KEPT  4096 /* an empty buffer larger than this is given back */

size_t cutter_held(const struct cutter *cutter)
{
	return cutter->end - cutter->start;
}

void cutter_peek(const struct cutter *cutter, struct cut *ret)
{
	*ret = (struct cut){ cutter->data ? cutter->data + cutter->start : NULL, cutter_held(cutter), cutter->offset };
}

static int make_room(struct cutter *cutter, size_t length)
{
	size_t held = cutter_held(cutter);
	if (cutter->start > 0) {
		memmove(cutter->data, cutter->data + cutter->start, held);
		cutter->start = 0;
		cutter->end = held;
	}
	if (cutter->room - held >= length)
		return 0;
	size_t room = cutter->room ? cutter->room : ROOM_FIRST;
	while (room - held < length)
		room *= 2;
	uint8_t *data = realloc(cutter->data, room);
	if (!data)
		return -ENOMEM;
	cutter->data = data;
	cutter->room = room;
	return 0;
}

int cutter_feed(struct cutter *cutter, const uint8_t *data, size_t length)
{
	if (length == 0)
		return 0;
	if (cutter_held(cutter) == 0 && cutter->room > ROOM_KEPT) {
		free(cutter->data);
		cutter->data = NULL;
		cutter->start = cutter->end = cutter->room = 0;
	}
	if (cutter->room - cutter->end < length && make_room(cutter, length) < 0)
		return -ENOMEM;
	memcpy(cutter->data + cutter->end, data, length);
	cutter->end += length;
	return 0;
}

static void give(struct cutter *cutter, size_t length, struct cut *ret)
{
	*ret = (struct cut){ .bytes = cutter->data + cutter->start, .length = length, .offset = cutter->offset };
	cutter->start += length;
	cutter->offset += length;
}

enum cut_kind cutter_next(struct cutter *cutter, const struct instrument *instrument, bool final, struct cut *ret)
{
	size_t held = cutter_held(cutter), dropped = 0;
	int length = FRAME_MORE;
	struct instrument idle;
	if (final) { /* a frame that only silence ends may be whole now */
		idle = *instrument;
		idle.idle = !cutter->torn;
		instrument = &idle;
	}
	for (; dropped < held; dropped++) {
		size_t left = held - dropped;
		length = instrument->driver->frame(instrument, cutter->data + cutter->start + dropped, left);
		if (length > 0 && (size_t)length <= left)
			break;
		if (length == FRAME_MORE && !final && left < FRAME_MAX)
			break;
	}
	if (dropped > 0) {
		give(cutter, dropped, ret);
		return CUT_NOISE;
	}
	if (held == 0 || length <= 0)
		return CUT_MORE;
	give(cutter, (size_t)length, ret);
	return CUT_FRAME;
}

void cutter_reset(struct cutter *cutter)
{
	free(cutter->data);
	*cutter = (struct cutter){ 0 };
}
