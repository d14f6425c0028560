#include "sealer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "manifest.h"

enum { SEAL_EVERY_MS = 900 }; /* a second, less what signing and waking may take */

struct sealer {
	struct journal *journal;
	struct signature_key *key;
	struct manifester *manifester;
	pthread_t thread;
	pthread_mutex_t lock; /* guards `stop`; held while sealing, so that two never seal the same */
	pthread_cond_t stopping;
	_Atomic bool stop;
	_Atomic unsigned long beat;
	struct complaint unclosed;
};

/* With the lock held. */
static void seal_head(struct sealer *sealer)
{
	struct seal seal;
	if (!journal_unsealed(sealer->journal, &seal))
		return;
	seal_sign(&seal, sealer->key);
	journal_seal(sealer->journal, &seal);
}

void sealer_seal(struct sealer *sealer)
{
	pthread_mutex_lock(&sealer->lock);
	seal_head(sealer);
	pthread_mutex_unlock(&sealer->lock);
}

/* With the lock held. */
static void wait_a_second(struct sealer *sealer)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += SEAL_EVERY_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (!sealer->stop && pthread_cond_timedwait(&sealer->stopping, &sealer->lock, &until) == 0)
		continue;
}

static void close_days(struct sealer *sealer)
{
	struct fault fault;
	if (manifester_turn(sealer->manifester, &sealer->stop, &sealer->beat, &fault) == 0)
		complaint_over(&sealer->unclosed);
	else if (complaint_due(&sealer->unclosed))
		log_warning(_("the day's manifest was not made: %s; it is tried again"), fault.text);
}

static void *run(void *argument)
{
	struct sealer *sealer = argument;
	pthread_setname_np(pthread_self(), "sealer");
	pthread_mutex_lock(&sealer->lock);
	while (!sealer->stop) {
		sealer->beat++;
		seal_head(sealer);
		pthread_mutex_unlock(&sealer->lock);
		close_days(sealer);
		pthread_mutex_lock(&sealer->lock);
		wait_a_second(sealer);
	}
	seal_head(sealer);
	pthread_mutex_unlock(&sealer->lock);
	return NULL;
}

static void sealer_free(struct sealer *sealer)
{
	manifester_free(sealer->manifester);
	signature_key_free(sealer->key);
	pthread_cond_destroy(&sealer->stopping);
	pthread_mutex_destroy(&sealer->lock);
	free(sealer);
}

int sealer_start(struct journal *journal, struct signature_key *key, struct sealer **ret, struct fault *fault)
{
	struct sealer *sealer = calloc(1, sizeof(*sealer));
	if (!sealer) {
		signature_key_free(key);
		return fault_set(fault, ENOMEM, _("out of memory"));
	}
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&sealer->stopping, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&sealer->lock, NULL);
	sealer->journal = journal;
	sealer->key = key;
	int error = manifester_new(journal, key, &sealer->manifester, fault);
	if (!error) {
		error = -pthread_create(&sealer->thread, NULL, run, sealer);
		if (error)
			fault_set(fault, -error, _("no thread for the seals (%s)"), strerror(-error));
	}
	if (error) {
		sealer_free(sealer);
		return error;
	}
	*ret = sealer;
	return 0;
}

void sealer_stop(struct sealer *sealer)
{
	if (!sealer)
		return;
	pthread_mutex_lock(&sealer->lock);
	sealer->stop = true;
	pthread_cond_signal(&sealer->stopping);
	pthread_mutex_unlock(&sealer->lock);
	pthread_join(sealer->thread, NULL);
	sealer_free(sealer);
}

const char *sealer_key_id(const struct sealer *sealer)
{
	return signature_key_id(sealer->key);
}

unsigned long sealer_beat(const struct sealer *sealer)
{
	return sealer->beat;
}
