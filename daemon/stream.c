#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int stream_init(struct stream *stream, size_t size, struct fault *fault)
{
	struct flight *ring = calloc(size, sizeof(*ring));
	*stream = (struct stream){ .next = 1 };
	stream->entries = calloc(STREAM_READ_ENTRIES, sizeof(*stream->entries));
	if (!ring || !stream->entries) {
		free(ring);
		free(stream->entries);
		stream->entries = NULL;
		return fault_set(fault, ENOMEM, _("out of memory"));
	}
	window_init(&stream->window, ring, size, 0);
	return 0;
}

void stream_free(struct stream *stream)
{
	free(stream->window.ring);
	free(stream->entries);
	free(stream->bytes);
	*stream = (struct stream){ 0 };
}

void stream_begin(struct stream *stream, uint64_t through, uint64_t last)
{
	stream->last = last;
	stream->window.through = through;
	stream_rewind(stream);
}

bool stream_done(const struct stream *stream)
{
	return stream->next > stream->last && stream->window.count == 0;
}

void stream_rewind(struct stream *stream)
{
	window_clear(&stream->window);
	stream->next = stream->window.through + 1;
	stream->count = stream->at = 0;
}

static void make_room(struct stream *stream, size_t length)
{
	if (stream->used + length <= stream->size)
		return;
	size_t size = stream->size ? stream->size : 4096;
	while (size < stream->used + length)
		size *= 2;
	char *grown = realloc(stream->bytes, size);
	if (!grown)
		abort(); /* a run cut short here would be taken for a hole in the journal, and passed over */
	stream->bytes = grown;
	stream->size = size;
}

static int keep(void *context, const struct stored *stored)
{
	struct stream *stream = context;
	if (stored->seq > stream->last || stream->count == STREAM_READ_ENTRIES)
		return 1;
	if (stream->count && stream->used + stored->length > STREAM_READ_BYTES)
		return 1;
	make_room(stream, stored->length);
	struct stream_entry *entry = &stream->entries[stream->count++];
	entry->stored = *stored;
	entry->offset = stream->used;
	memcpy(stream->bytes + stream->used, stored->payload, stored->length);
	stream->used += stored->length;
	return 0;
}

int stream_peek(struct stream *stream, struct journal_reader *reader, uint64_t head, const struct stored **ret,
	struct fault *fault)
{
	if (stream->at == stream->count) {
		if (stream->next > stream->last || stream->next > head)
			return 0;
		stream->at = stream->count = stream->used = 0;
		long rc = journal_read(reader, stream->next, STREAM_READ_ENTRIES, keep, stream, fault);
		if (rc < 0)
			return (int)rc;
		if (stream->count == 0) {
			stream->next = stream->last < STREAM_OPEN_ENDED ? stream->last + 1 : stream->next;
			return 0; /* a bounded run may end in a hole that a salvage left */
		}
	}
	struct stream_entry *entry = &stream->entries[stream->at];
	entry->stored.payload = stream->bytes + entry->offset;
	*ret = &entry->stored;
	return 1;
}

static uint64_t take(struct stream *stream)
{
	uint64_t seq = stream->entries[stream->at++].stored.seq;
	stream->next = seq + 1;
	return seq;
}

void stream_sent(struct stream *stream, int token, long now_ms)
{
	window_sent(&stream->window, take(stream), token, now_ms);
}

void stream_skipped(struct stream *stream)
{
	window_skipped(&stream->window, take(stream));
}
