/* A growing text behind a stdio stream. */
#include "text_stream.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

struct text_stream {
	char **text;
	size_t *length, room;
	char buffer[4096]; /* the stream's: the one it would ask for itself may fail */
};

static ssize_t put(void *cookie, const char *data, size_t size)
{
	struct text_stream *stream = cookie;
	if (stream->room - *stream->length <= size) {
		stream->room = 2 * stream->room + size;
		*stream->text = realloc(*stream->text, stream->room);
		if (!*stream->text)
			abort();
	}
	memcpy(*stream->text + *stream->length, data, size);
	*stream->length += size;
	(*stream->text)[*stream->length] = '\0';
	return (ssize_t)size;
}

static int finish(void *cookie)
{
	free(cookie);
	return 0;
}

FILE *text_stream(char **text, size_t *length)
{
	static const cookie_io_functions_t how = { .write = put, .close = finish };
	struct text_stream *stream = malloc(sizeof(*stream));
	*text = calloc(1, 1);
	*length = 0;
	if (!stream || !*text)
		abort();
	stream->text = text;
	stream->length = length;
	stream->room = 1;
	FILE *out = fopencookie(stream, "w", how);
	if (!out || setvbuf(out, stream->buffer, _IOFBF, sizeof(stream->buffer)) != 0)
		abort();
	return out;
}
