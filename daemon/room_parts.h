/* The parts of a running room, for room.c and room_status.c only. */
#ifndef ASSAYD_ROOM_PARTS_H
#define ASSAYD_ROOM_PARTS_H

#include <pthread.h>

#include "caretaker.h"
#include "intake.h"
#include "line.h"
#include "publisher.h"
#include "room.h"
#include "sealer.h"

struct watched { /* a line or a publisher, and the beat it showed last */
	void *thread;
	unsigned long beat;
};

struct watched_list {
	struct watched *list;
	size_t count;
};

struct room {
	/* The lock guards the two lists, `config` and `reader`. It is never held while a thread is started or joined:
	 * those threads ask for the status themselves. */
	pthread_mutex_t lock;
	struct config *config;
	struct journal *journal;
	struct journal_reader *reader;
	struct samples *samples;
	struct retests *retests;
	struct quality *quality;
	struct intake *intake;
	struct sealer *sealer;
	unsigned long sealer_beat;      /* it showed last */
	struct watched_list lines;      /* of struct line */
	struct watched_list publishers; /* of struct publisher */
	struct caretaker *caretaker;
	unsigned long caretaker_beat;
	long started_ms;
};

/* room_salvage.c: before lines and publishers start */
void room_salvage(struct room *room, const struct signature_key *key);
/* The manager waits on, for a start that takes long; see room_salvage.c. */
void room_starting(void);
void room_goes_on(void); /* the same, by whatever takes long; see progress.h */
/* room_old.c: what of older journals still matters */
void room_know_old(struct room *room);

#endif
