/* A stream: one run of journal entries on its way to a broker, read ahead in chunks, with its own in-flight window.
 *
 * The payloads read ahead lie in one block that is filled again and again, so that draining a million records asks the
 * heap for nothing. What was in flight when a link broke is read again: stream_rewind(). One thread per stream.
 */
#ifndef ASSAYD_STREAM_H
#define ASSAYD_STREAM_H

#include "journal.h"
#include "window.h"

#define STREAM_READ_ENTRIES 256
#define STREAM_READ_BYTES   262144 /* a single larger entry still passes */
#define STREAM_OPEN_ENDED   UINT64_MAX

struct stream_entry {
	struct stored stored;
	size_t offset; /* of its payload in `bytes` */
};

struct stream {
	uint64_t next, last; /* still to be sent, both inclusive; nothing when next > last */
	struct window window;
	char *bytes;
	size_t size, used;
	struct stream_entry *entries; /* STREAM_READ_ENTRIES */
	size_t count, at;
};

/* `size` is the most that may be in flight. */
int stream_init(struct stream *stream, size_t size, struct fault *fault);
void stream_free(struct stream *stream);

/* Everything after `through` up to `last` is to be sent; nothing is in flight. */
void stream_begin(struct stream *stream, uint64_t through, uint64_t last);
bool stream_done(const struct stream *stream); /* everything sent and answered */

/* The next entry to send, which stays next until stream_sent() or stream_skipped(): 1, 0 when there is none up to
 * `head`, or -errno. */
int stream_peek(struct stream *stream, struct journal_reader *reader, uint64_t head, const struct stored **ret,
	struct fault *fault);
void stream_sent(struct stream *stream, int token, long now_ms);
void stream_skipped(struct stream *stream);

/* Starts again behind what is delivered. */
void stream_rewind(struct stream *stream);

#endif
