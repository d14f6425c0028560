/* What the files of the publisher share; nobody else includes this.
 *
 *     publisher.c          starting, stopping, the thread's loop, what others may ask
 *     publisher_broker.c   connecting, losing, backing off, and saying so
 *     publisher_send.c     which entry goes next, and what its answer means
 *     publisher_refusal.c  what the broker does not take, by refusing it or by ending the link
 *     publisher_proof.c    seals and manifests
 *     publisher_platform.c the status, the platform's requests and receipts
 *     publisher_replay.c   what is sent again because somebody asked for it
 *     publisher_old.c      what was salvaged of damaged journals
 *
 * Everything runs in the publisher's own thread unless it says otherwise.
 */
#ifndef ASSAYD_PUBLISHER_PARTS_H
#define ASSAYD_PUBLISHER_PARTS_H

#include <pthread.h>

#include "backoff.h"
#include "json.h"
#include "log.h"
#include "lookup.h"
#include "mqtt.h"
#include "publisher.h"
#include "request.h"
#include "stream.h"

#define OUTBOX_MAX   16
#define ANSWER_RATE  10 /* answers to the platform a second */
#define LOOKS_A_TURN 1000
#define WISHES_MAX   16

#define RECEIPT_PATIENCE_MS 60000
#define RECEIPT_LONGEST_MS  3600000
#define RECEIPT_RESEND      1000  /* entries sent again at once when no receipt covers them */
#define MISSING_PAUSE_MS    30000 /* the same gap is not filled twice while the platform catches up */
#define KNOWN_FOR_MS        1000  /* a receipt for an epoch nobody knows makes us look which there are, so often */

struct outgoing { /* a status or an answer to the platform, waiting for its turn */
	char *topic, *payload;
	void *correlation;
	size_t correlation_length;
};

struct outbox {
	struct outgoing list[OUTBOX_MAX];
	size_t first, count;
	struct flight ring[OUTBOX_MAX];
	struct window window; /* what is in flight of it, numbered by `sent` */
	uint64_t sent;
	int status_token;    /* the status in flight, 0: none */
	long status_next_ms; /* not before */
	long status_last_ms;
	unsigned status_losses; /* links in a row, lost with the status in flight and no entry */
	long abridged_until_ms; /* the whole status seems to be too large for the broker */
};

struct proof_stream { /* seals, or manifests */
	char topic[80];
	char place[64];         /* under which progress is kept */
	uint64_t through, sent; /* delivered up to there; the one in flight */
	int token;              /* of that, 0: none */
	long retry_ms;          /* not before */
	bool old;               /* of a salvaged journal */
};

/* What a platform says it has of one journal, held against what it should have: a part of it each turn. */
struct scrutiny {
	struct platform_receipt named; /* the newest one */
	size_t at;                     /* of what it names as missing */
	bool due;                      /* not looked through to its end */
	struct platform_range cleared; /* looked at before: none the platform should have */
	uint64_t awaited;              /* the first above what is covered that the platform should have; 0: not known */
};

struct receipts {
	struct scrutiny scrutiny;
	uint64_t covered;      /* the platform has everything up to here for good */
	long waiting_since_ms; /* since when nothing new was covered although something was acknowledged; 0: not waiting
	                        */
	long patience_ms;      /* how long until the next resend */
	struct platform_receipt missing; /* ranges still to be sent again */
	size_t missing_at;
	long missing_since_ms;
};

/* A broker may end the link over an entry it does not like, each time it is sent. */
struct doubt {
	unsigned links;    /* in a row, lost soon after entries were sent, before one of them was acknowledged */
	size_t one_by_one; /* so many entries more are sent alone, each when nothing else is in flight */
	uint64_t suspect;  /* the entry with which the link was last lost while it was alone in flight; 0: none */
	unsigned losses;   /* links lost with it */
	bool acknowledged; /* an entry was, or refused, on this link */
};

struct retry_wish {
	struct platform_range range;    /* 0, 0: none */
	char target[JOURNAL_PLACE_MAX]; /* its name, or TARGET/EPOCH where only that epoch is meant */
};

struct retry { /* of what was refused, one entry after the other: of the present journal, then of each old one */
	struct retry_wish wish;
	struct platform_range left;    /* of the journal at hand */
	char place[JOURNAL_PLACE_MAX]; /* under which what was refused of it is written down */
	struct journal_reader *reader; /* of an old one; NULL: it is the present one */
	size_t taken;                  /* of the old ones */
	uint64_t seq;                  /* the one that is sent again now; 0: none */
};

enum publisher_stream {
	STREAM_ORDERED, /* in order from the target's cursor; everything, unless there is a long backlog */
	STREAM_LIVE,    /* what was appended after connecting, while ORDERED works off a long backlog */
	STREAM_REPLAY,  /* what the platform, or somebody at the station, asked for again */
	STREAM_OLD,     /* what was salvaged of a damaged journal */
	STREAM_COUNT
};

struct old_journal {                   /* one at a time, until the target has it */
	struct journal_reader *reader; /* NULL: none */
	size_t taken;                  /* of the files that are there */
	char place[JOURNAL_PLACE_MAX]; /* under which progress is kept */
	uint64_t last, reported, covered;
	uint64_t sent;         /* the broker took everything up to here */
	long waiting_since_ms; /* since when nothing new was covered although all was sent; 0: not waiting */
	long patience_ms;      /* how long until the next resend */
	bool replay;           /* the platform has it, and asked for a part of it again */
	struct proof_stream seals, manifests;
	struct platform_receipt missing; /* of a journal that was settled: ranges still to be sent again */
	size_t missing_at;
	long missing_since_ms;
	struct platform_range missing_cleared; /* looked at before: none the platform should have */
	struct scrutiny scrutiny;              /* of the one at hand */
	struct json *known; /* epochs of all that are there, as it was at `known_ms`; NULL: not yet */
	long known_ms;
	struct complaint uncovered;
};

struct publisher {
	struct config *config; /* held */
	const struct target_config *target;
	struct journal *journal;
	struct journal_reader *reader;
	char *(*status)(void *context);
	void *context;

	pthread_t thread;
	int event_fd;
	_Atomic bool stop, status_due;
	_Atomic unsigned long beat;
	struct publisher_stats stats;
	pthread_mutex_t fault_lock;
	struct fault fault;

	char root[64]; /* assay/v1/<county>/<station> */
	char status_topic[80], entry_topics[3][80];

	struct lookup *lookup; /* of the broker's name, the first part of an attempt; NULL: none is under way */
	size_t addresses_tried;
	struct mqtt *mqtt; /* NULL: no connection, and no attempt beyond the name */
	bool up;
	long since_ms; /* of the present state */
	long retry_ms; /* when to try again */
	struct backoff backoff;
	char broker[BROKER_MAX];      /* the one that is connected or tried */
	char client_id[65];           /* ours there */
	size_t broker_index;          /* of the next to be tried */
	struct tls_check *check;      /* finds out why TLS fails; NULL: none is under way */
	struct fault found;           /* what the last one found */
	unsigned short_links;         /* in a row, ended without a reason soon after they came up */
	unsigned long refused_before; /* this link came up */
	bool taken_over;              /* by another client with our identifier, and said so */

	struct stream streams[STREAM_COUNT];
	size_t limit;         /* messages in flight on this connection */
	long paused_until_ms; /* the broker's quota was exceeded, or a refusal could not be written down */
	struct pace backlog_pace, replay_pace, old_pace;
	struct old_journal old;
	uint64_t reported; /* the `through` last given to the journal */
	struct outbox outbox;
	struct pace answer_pace;
	struct receipts receipts;
	struct proof_stream seals, manifests;
	struct pace proof_pace;
	size_t looks_left; /* entries that may still be looked at in this turn: the thread has other things to do */
	struct doubt doubt;
	struct retry retry;
	struct retry_wish wishes[WISHES_MAX]; /* of other threads, in order; under fault_lock */
	size_t wish_count;
	struct platform_range resend; /* not begun yet of what another thread asked for; likewise */

	struct complaint down, unexamined, refused, unread, odd, flooded, uncovered;
};

/* publisher_broker.c */
void broker_begin(struct publisher *publisher); /* one attempt to connect */
void broker_ended(struct publisher *publisher, const char *why, int reason);
void broker_came_up(struct publisher *publisher);
void broker_watch(struct publisher *publisher, long now_ms); /* time limits of connecting and acknowledging */
void broker_hang_up(struct publisher *publisher);            /* says goodbye and waits a little */

/* publisher_send.c */
void send_start(struct publisher *publisher);  /* a connection came up: what is to be sent in which order */
void send_rewind(struct publisher *publisher); /* a connection ended: what was in flight is to be sent again */
void send_what_fits(struct publisher *publisher);
void send_answered(struct publisher *publisher, const struct mqtt_event *event);
void send_report_progress(struct publisher *publisher);
size_t send_in_flight(const struct publisher *publisher);
long send_oldest_ms(const struct publisher *publisher);                  /* -1: nothing in flight */
int send_wait_ms(struct publisher *publisher, long now_ms, int most_ms); /* until something becomes due by itself */

/* publisher_refusal.c */
/* Written down as refused, so that it neither blocks the rest nor is forgotten. False when that failed. */
bool refusal_park(struct publisher *publisher, const struct stream *stream, uint64_t seq, const char *reason);
/* An entry of a replay, which is only passed over. */
bool refusal_passes_over(const struct publisher *publisher, const struct stream *stream, uint64_t seq);
/* Passes an entry in flight over, or parks it. */
bool refusal_set_aside(struct publisher *publisher, struct stream *stream, int token, const char *reason);
enum lacking {
	LACKING_NONE,   /* nothing: sending anything again would change nothing */
	LACKING_FOUND,  /* the range begins with it now */
	LACKING_UNKNOWN /* what may be looked at in a turn was; the range begins with where to go on */
};
/* Of a range the platform lacks, the first entry it should have: neither refused nor kept from it by the target's
 * filter, nor gone for good. `reader`: of the journal; `place`: under which what was refused of it is written down;
 * `cleared`: what was looked at before, kept up to date. */
enum lacking refusal_lacking(struct publisher *publisher, struct journal_reader *reader, const char *place,
	struct platform_range *cleared, struct platform_range *range);
/* How many of a short range it should have. */
uint64_t refusal_count(struct publisher *publisher, const struct platform_range *range);
void refusal_retry(struct publisher *publisher); /* sends the next one again that somebody wants retried */
/* An entry that was sent again was taken. */
void refusal_over(struct publisher *publisher, const struct stream *stream, uint64_t seq);
void refusal_free(struct publisher *publisher);
void doubt_link_up(struct publisher *publisher);
void doubt_acknowledged(struct publisher *publisher);  /* an entry was, or was refused */
size_t doubt_limit(const struct publisher *publisher); /* how much may be in flight now */
/* The link is lost, and what was in flight still known. True where an entry may be the reason. */
bool doubt_link_lost(struct publisher *publisher, const char *why, int reason, long now_ms);

/* publisher_platform.c */
void platform_message(struct publisher *publisher, const struct mqtt_incoming *message);
bool platform_send(struct publisher *publisher, long now_ms); /* true when it sent something */
void platform_answered(struct publisher *publisher, int token);
/* The link is lost, with no entry in flight and nobody's word why. True where the status may be the reason. */
bool platform_link_lost(struct publisher *publisher, long now_ms);
void platform_reset(struct publisher *publisher); /* a connection ended */
void platform_watch_receipts(struct publisher *publisher, long now_ms);
/* Goes on looking through the receipt at hand. Everything up to the result is with the platform, or is known never to
 * come there. `covered`: below it nothing is looked at. */
uint64_t platform_look(struct publisher *publisher, struct scrutiny *scrutiny, struct journal_reader *reader,
	const char *place, uint64_t covered);
/* Behind `covered` up to `sent`: moves it over what the platform never gets, which needs no receipt. */
void platform_pass_over(struct publisher *publisher, struct scrutiny *scrutiny, struct journal_reader *reader,
	const char *place, uint64_t *covered, uint64_t sent);
void platform_goodbye(struct publisher *publisher); /* the last status */
#define PLATFORM_OFFLINE "{\"online\":false}"

/* Any other message, through the outbox's window. */
bool platform_publish(struct publisher *publisher, const char *topic, const char *payload, int *ret_token);

/* publisher_replay.c */
/* Starts sending entries again; false while others are. */
bool replay_begin(struct publisher *publisher, uint64_t first, uint64_t last);
/* Does what the platform asks for as far as it can be done, and says how far; free() it. */
char *replay_answer(struct publisher *publisher, const struct platform_request *request);
void replay_resend(struct publisher *publisher); /* what somebody at the station wants sent again */

/* publisher_proof.c */
int proof_prepare(struct publisher *publisher, struct fault *fault);
bool proof_send(struct publisher *publisher, long now_ms); /* true when it sent something */
void proof_answered(struct publisher *publisher, int token, bool refused);
void proof_reset(struct publisher *publisher); /* a connection ended: what was in flight is sent again */
/* The same for what proves the old journal at hand. False when the target has it all. */
bool proof_of_old_is_left(struct publisher *publisher);
int proof_prepare_old(struct publisher *publisher, struct fault *fault);

/* publisher_platform.c */
/* Appends the manifests of `day`, up to `most` in the list; 0, or -errno. */
int platform_manifests(
	struct journal_reader *reader, const char *day, struct json *list, size_t most, struct fault *fault);

/* publisher_old.c */
void old_open(struct publisher *publisher); /* the first salvaged journal that the target lacks, if there is one */
void old_free(struct publisher *publisher);
void old_report(struct publisher *publisher); /* progress; the next one when the target has this one */
/* For an older epoch; false: for one of which there is nothing. */
bool old_receipt(struct publisher *publisher, const struct platform_receipt *receipt);
void old_watch_receipts(struct publisher *publisher, long now_ms);
/* One after the other of those that can be read: `*at` begins with 0; NULL: there are no more. Close it. */
struct journal_reader *old_next(const struct publisher *publisher, size_t *at);
/* What was salvaged of an epoch; NULL: nothing. Close it. */
struct journal_reader *old_reader(const struct publisher *publisher, const char *epoch);
void old_epochs(const struct publisher *publisher, struct json *list);
void old_manifests(const struct publisher *publisher, const char *day, struct json *list, size_t most);
/* Sends a part of it again, and takes the reader over. False while something else of old journals is sent. */
bool old_replay(struct publisher *publisher, struct journal_reader *reader, uint64_t first, uint64_t last);

/* publisher.c */
int publisher_collect(struct publisher *publisher); /* events of the link; how many */
void publisher_wait(struct publisher *publisher, int ms);

#endif
