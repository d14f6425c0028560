#include "caretaker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "box_clock.h"
#include "clock.h"
#include "log.h"

enum {
	LOOK_MS = 1000,
	WENT_BACK_MS = 60000, /* while the gateway was off: less is what a battery clock does */
	HOUR_MS = 3600000,    /* measured for less, a rate says nothing */
	ENTRIES_A_DAY = 500,  /* assumed before: a busy township room */
	ENTRY_BYTES = 2048,   /* assumed before: with index and slack */
	DAYS_MAX = 36500,
};
#define DAY_MS      86400000LL
#define CLOCK_PLACE "clock:" /* where the journal keeps what is open; no instrument is called so */

/* The first three are disk_level's. */
enum store_state { STORE_FINE, STORE_LOW, STORE_SHORT, STORE_FULL };
static const char *const state_names[] = { "fine", "low", "short", "full" };

struct caretaker {
	struct journal *journal;
	struct intake *intake;
	pthread_t thread;
	pthread_mutex_t lock; /* of the next four */
	pthread_cond_t wake;
	bool stop;
	struct config *config;
	struct caretaker_report report;
	_Atomic unsigned long beat;

	enum disk_level level;
	enum store_state said, told; /* in the log; as an event */
	enum store_state worst;      /* since it was told last: a full disk may have had no room to tell it */
	struct box_clock clock;
	int64_t jump_ms, before_ms; /* a jump that is still to be told; 0: none */
	int64_t first_received_ms;  /* of the oldest entry when we started */
	uint64_t started_seq;
	long started_ms;
	struct complaint mute, blind, failing;
	unsigned long failures_said, failures_told; /* in the log; as an event */
};

/* --- the clock */

static struct clock_look clock_now(const struct journal *journal)
{
	return (struct clock_look){ .wall_ms = clock_wall_ms(),
		.up_ms = clock_up_ms(),
		.synced = clock_synced(),
		.head = journal_head(journal) };
}

static void look_at_clock(struct caretaker *caretaker)
{
	const struct clock_look now = clock_now(caretaker->journal);
	int64_t by_ms = box_clock_look(&caretaker->clock, &now);
	if (!by_ms)
		return;
	if (!caretaker->jump_ms)
		caretaker->before_ms = now.wall_ms - by_ms;
	caretaker->jump_ms += by_ms;
	char before[CLOCK_TEXT_MAX], after[CLOCK_TEXT_MAX];
	log_warning(_("the clock jumped by %lld ms, from %s to %s"), (long long)by_ms,
		clock_text(before, now.wall_ms - by_ms), clock_text(after, now.wall_ms));
}

static struct json *correction(const struct clock_news *news)
{
	char text[CLOCK_TEXT_MAX];
	struct json *details = js_new_object();
	js_put_integer(details, "first", (int64_t)news->span.first);
	js_put_integer(details, "last", (int64_t)news->span.last);
	js_put_text(details, "boot", news->span.boot);
	if (news->kind == CLOCK_CORRECTED) {
		if (!news->span.stepped)
			js_put_integer(details, "by_ms", news->by_ms);
		js_put_text(details, "booted_at", clock_text(text, news->booted_ms));
	} else {
		js_put_text(details, "reason",
			_("the box was started anew before a time service had set its clock: by how much these entries' times "
			  "are off cannot be told"));
	}
	return details;
}

static void say_correction(const struct clock_news *news)
{
	unsigned long long first = news->span.first, last = news->span.last;
	if (news->kind == CLOCK_UNCORRECTED)
		log_warning(
			_("the box was started anew before a time service had set its clock: by how much the times of entries "
			  "%llu to %llu are off cannot be told"),
			first, last);
	else if (news->span.stepped)
		log_notice(_("a time service has set the clock; entries %llu to %llu were received without one"), first,
			last);
	else
		log_notice(
			_("a time service has set the clock; entries %llu to %llu were received without one, %lld ms behind "
			  "it"),
			first, last, (long long)news->by_ms);
}

/* The span is written down where it begins, and with the event that ends it. */
static void tell_correction(struct caretaker *caretaker)
{
	struct box_clock *clock = &caretaker->clock;
	const struct clock_news *news = &clock->news;
	const char *event = news->kind == CLOCK_CORRECTED ? "clock_correction" : "clock_uncorrected";
	char span[CURSOR_MAX];
	struct fault fault;
	if (news->kind == CLOCK_NOTHING && !clock->unwritten)
		return;
	box_clock_text(&clock->span, span);
	int error = news->kind == CLOCK_NOTHING ? journal_append(caretaker->journal, NULL, 0, CLOCK_PLACE, span, &fault)
	                                        : intake_event_kept(caretaker->intake, event, "", correction(news),
							  CLOCK_PLACE, span, &fault);
	if (error < 0) {
		if (news->kind != CLOCK_NOTHING && complaint_due(&caretaker->mute))
			log_error(_("the event %s cannot be stored: %s"), event, fault.text);
		return;
	}
	if (news->kind != CLOCK_NOTHING)
		say_correction(news);
	box_clock_told(clock);
}

static void tell_jump(struct caretaker *caretaker)
{
	char text[CLOCK_TEXT_MAX];
	struct fault fault;
	if (!caretaker->jump_ms)
		return;
	struct json *details = js_new_object();
	js_put_integer(details, "by_ms", caretaker->jump_ms);
	js_put_text(details, "before", clock_text(text, caretaker->before_ms));
	js_put_text(details, "after", clock_text(text, caretaker->before_ms + caretaker->jump_ms));
	js_put_bool(details, "synced", clock_synced());
	if (intake_alarm(caretaker->intake, "clock_jump", details, &fault) == 0)
		caretaker->jump_ms = 0;
	else if (complaint_due(&caretaker->mute))
		log_error(_("the event %s cannot be stored: %s"), "clock_jump", fault.text);
}

/* --- the disk */

/* Bytes an entry takes by what the journal holds, times entries a day: the larger of what was seen since the start and
 * over the whole journal. */
static uint64_t bytes_a_day(const struct caretaker *caretaker, const struct journal_space *space)
{
	uint64_t head = journal_head(caretaker->journal), count = head >= space->first ? head - space->first + 1 : 0;
	uint64_t used = space->bytes - space->free_bytes, each = ENTRY_BYTES, a_day = 0;
	if (count >= 100 && used >= count) /* the size was taken before the newest entries */
		each = used / count;
	int64_t up_ms = clock_ms() - caretaker->started_ms;
	int64_t span_ms = clock_wall_ms() - caretaker->first_received_ms;
	if (up_ms >= HOUR_MS)
		a_day = (head - caretaker->started_seq) * (uint64_t)DAY_MS / (uint64_t)up_ms;
	if (caretaker->first_received_ms && span_ms >= DAY_MS) {
		uint64_t over_all = count * (uint64_t)DAY_MS / (uint64_t)span_ms;
		a_day = over_all > a_day ? over_all : a_day;
	}
	if (a_day == 0 && up_ms < HOUR_MS)
		a_day = ENTRIES_A_DAY;
	return (a_day ? a_day : 1) * each;
}

static enum store_state state_now(const struct caretaker *caretaker)
{
	return journal_is_full(caretaker->journal) ? STORE_FULL : (enum store_state)caretaker->level;
}

static int look_at_disk(struct caretaker *caretaker, const struct config *config)
{
	struct caretaker_report report = { 0 };
	struct fault fault;
	int error = disk_look(config->journal.directory, &report.disk, &fault);
	if (error) {
		if (complaint_due(&caretaker->blind))
			log_error("%s", fault.text);
		return error;
	}
	journal_space(caretaker->journal, &report.space);
	caretaker->level = disk_level(caretaker->level, report.disk.used_percent);
	report.level = state_names[state_now(caretaker)];
	report.bytes_a_day = bytes_a_day(caretaker, &report.space);
	uint64_t days = (report.disk.free + report.space.free_bytes) / report.bytes_a_day;
	report.autonomy_days = days < DAYS_MAX ? (int64_t)days : DAYS_MAX;
	report.failures = journal_failures(caretaker->journal, &fault);
	pthread_mutex_lock(&caretaker->lock);
	caretaker->report = report;
	pthread_mutex_unlock(&caretaker->lock);
	return 0;
}

static int tell(struct caretaker *caretaker, const char *event, enum store_state state)
{
	const struct caretaker_report *report = &caretaker->report; /* only this thread writes it */
	struct fault fault;
	struct json *details = js_new_object();
	js_put_text(details, "level", state_names[state]);
	js_put_integer(details, "used_percent", report->disk.used_percent);
	js_put_integer(details, "size_bytes", (int64_t)report->disk.size);
	js_put_integer(details, "free_bytes", (int64_t)report->disk.free);
	js_put_integer(details, "journal_bytes", (int64_t)report->space.bytes);
	js_put_integer(details, "autonomy_days", report->autonomy_days);
	int error = intake_alarm(caretaker->intake, event, details, &fault);
	if (error && complaint_due(&caretaker->mute))
		log_error(_("the event %s cannot be stored: %s"), event, fault.text);
	return error;
}

static void say(const struct caretaker *caretaker, enum store_state now, const char *directory)
{
	const struct disk *disk = &caretaker->report.disk;
	unsigned long long left = disk->free >> 20;
	if (now == STORE_FULL)
		log_error(
			_("%s: the disk is full: results are refused and wait at their instruments; free space on it"),
			directory);
	else if (now > caretaker->said)
		log_warning(_("%s: the disk is %u%% full; %llu MiB are left, enough for %lld days: free space on it"),
			directory, disk->used_percent, left, (long long)caretaker->report.autonomy_days);
	else if (now == STORE_FINE || caretaker->said == STORE_FULL)
		log_notice(_("%s: the disk has room again, %llu MiB"), directory, left);
}

static void tell_disk(struct caretaker *caretaker, const char *directory)
{
	enum store_state now = state_now(caretaker);
	if (now != caretaker->said)
		say(caretaker, now, directory);
	caretaker->said = now;
	if (now > caretaker->worst)
		caretaker->worst = now;
	if (caretaker->worst > caretaker->told) {
		const char *event = caretaker->worst == STORE_FULL ? "store_full" : "store_low";
		if (tell(caretaker, event, caretaker->worst) == 0)
			caretaker->told = caretaker->worst;
	} else if (now < caretaker->told) {
		bool recovered = now == STORE_FINE || caretaker->told == STORE_FULL;
		if (!recovered || tell(caretaker, "store_recovered", now) == 0)
			caretaker->told = caretaker->worst = now;
	}
}

/* The failure is told even where nobody waited for its outcome, and when the retry went well: the next may not. */
static void tell_failures(struct caretaker *caretaker)
{
	struct fault last, fault;
	unsigned long count = journal_failures(caretaker->journal, &last);
	if (count != caretaker->failures_said && complaint_due(&caretaker->failing)) {
		log_error(_("the journal's disk failed, %lu times since this was last said: %s"),
			count - caretaker->failures_said, last.text);
		caretaker->failures_said = count;
	}
	if (caretaker->failures_told == caretaker->failures_said)
		return;
	struct json *details = js_new_object();
	js_put_integer(details, "times", (int64_t)(caretaker->failures_said - caretaker->failures_told));
	js_put_text(details, "reason", last.text);
	if (intake_alarm(caretaker->intake, "store_failed", details, &fault) == 0)
		caretaker->failures_told = caretaker->failures_said;
	else if (complaint_due(&caretaker->mute))
		log_error(_("the event %s cannot be stored: %s"), "store_failed", fault.text);
}

/* A clock that nobody set decides over no entry's end. */
static void tell_journal(struct caretaker *caretaker, const struct config *config)
{
	const char **targets = calloc(config->target_count + 1, sizeof(*targets));
	if (!targets)
		abort();
	for (size_t i = 0; i < config->target_count; i++)
		targets[i] = config->targets[i].name;
	struct journal_keep keep = {
		.targets = targets,
		.target_count = config->target_count,
		.before_ms = clock_synced() ? clock_wall_ms() - config->journal.retention_ms : 0,
		.short_of_space = caretaker->level == DISK_SHORT,
	};
	journal_keep(caretaker->journal, &keep);
	free(targets);
}

/* --- the thread */

static void look(struct caretaker *caretaker)
{
	pthread_mutex_lock(&caretaker->lock);
	struct config *config = config_hold(caretaker->config);
	pthread_mutex_unlock(&caretaker->lock);
	caretaker->beat++;
	look_at_clock(caretaker);
	tell_jump(caretaker);
	tell_correction(caretaker);
	tell_failures(caretaker);
	if (look_at_disk(caretaker, config) == 0)
		tell_disk(caretaker, config->journal.directory);
	tell_journal(caretaker, config);
	config_release(config);
}

static void *run(void *argument)
{
	struct caretaker *caretaker = argument;
	pthread_setname_np(pthread_self(), "caretaker");
	pthread_mutex_lock(&caretaker->lock);
	while (!caretaker->stop) {
		pthread_mutex_unlock(&caretaker->lock);
		look(caretaker);
		long next = clock_ms() + LOOK_MS;
		pthread_mutex_lock(&caretaker->lock);
		struct timespec due = { .tv_sec = next / 1000, .tv_nsec = next % 1000 * 1000000 };
		while (!caretaker->stop && pthread_cond_timedwait(&caretaker->wake, &caretaker->lock, &due) == 0)
			continue;
	}
	pthread_mutex_unlock(&caretaker->lock);
	return NULL;
}

struct ends { /* when the oldest and the newest entry were received */
	int64_t first_ms, last_ms;
};

static int take_time(void *context, const struct stored *entry)
{
	int64_t *latest_ms = context;
	if (entry->received_ms > *latest_ms)
		*latest_ms = entry->received_ms;
	return 0;
}

static void read_ends(const struct journal *journal, struct ends *ret)
{
	struct journal_reader *reader;
	uint64_t first, last;
	*ret = (struct ends){ 0 };
	if (journal_reader_open(journal_path(journal), &reader, NULL) != 0)
		return; /* it is said by those who cannot do without */
	if (journal_reader_head(reader, &first, &last, NULL) == 0 && last) {
		journal_read(reader, first, 1, take_time, &ret->first_ms, NULL);
		/* two, because the newest may be the one that says that we have just started */
		journal_read(reader, last > first ? last - 1 : last, 2, take_time, &ret->last_ms, NULL);
	}
	journal_reader_close(reader);
}

/* A clock that went back while nobody looked shows against the last entry; one that went ahead does not. */
static void compare_with_last_entry(struct caretaker *caretaker, int64_t last_ms)
{
	int64_t now_ms = clock_wall_ms();
	if (last_ms - now_ms < WENT_BACK_MS)
		return;
	caretaker->before_ms = last_ms;
	caretaker->jump_ms = now_ms - last_ms;
	char text[CLOCK_TEXT_MAX];
	log_warning(_("the clock stands before the last entry of the journal, of %s: set the box's clock"),
		clock_text(text, last_ms));
}

static void begin_clock(struct caretaker *caretaker)
{
	char boot[CLOCK_BOOT_MAX], kept[CURSOR_MAX] = "";
	const struct clock_look now = clock_now(caretaker->journal);
	clock_boot(boot);
	journal_cursor(caretaker->journal, CLOCK_PLACE, kept, NULL);
	box_clock_init(&caretaker->clock, boot, kept, &now);
}

int caretaker_start(struct config *config, struct journal *journal, struct intake *intake, struct caretaker **ret,
	struct fault *fault)
{
	struct caretaker *caretaker = calloc(1, sizeof(*caretaker));
	struct ends ends;
	if (!caretaker)
		return fault_set(fault, ENOMEM, _("out of memory"));
	caretaker->config = config_hold(config);
	caretaker->journal = journal;
	caretaker->intake = intake;
	caretaker->report.level = "fine";
	caretaker->started_ms = clock_ms();
	caretaker->started_seq = journal_head(journal);
	begin_clock(caretaker);
	pthread_mutex_init(&caretaker->lock, NULL);
	read_ends(journal, &ends);
	caretaker->first_received_ms = ends.first_ms;
	compare_with_last_entry(caretaker, ends.last_ms);
	look_at_disk(caretaker, config); /* so that the first status has figures */

	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&caretaker->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	int error = pthread_create(&caretaker->thread, NULL, run, caretaker);
	if (error) {
		config_release(caretaker->config);
		free(caretaker);
		return fault_set(
			fault, error, _("no thread for the caretaker of disk and clock (%s)"), strerror(error));
	}
	*ret = caretaker;
	return 0;
}

void caretaker_stop(struct caretaker *caretaker)
{
	if (!caretaker)
		return;
	pthread_mutex_lock(&caretaker->lock);
	caretaker->stop = true;
	pthread_cond_signal(&caretaker->wake);
	pthread_mutex_unlock(&caretaker->lock);
	pthread_join(caretaker->thread, NULL);
	pthread_cond_destroy(&caretaker->wake);
	pthread_mutex_destroy(&caretaker->lock);
	config_release(caretaker->config);
	free(caretaker);
}

void caretaker_reconfigure(struct caretaker *caretaker, struct config *config)
{
	pthread_mutex_lock(&caretaker->lock);
	struct config *old = caretaker->config;
	caretaker->config = config_hold(config);
	pthread_mutex_unlock(&caretaker->lock);
	config_release(old);
}

void caretaker_report(struct caretaker *caretaker, struct caretaker_report *ret)
{
	pthread_mutex_lock(&caretaker->lock);
	*ret = caretaker->report;
	pthread_mutex_unlock(&caretaker->lock);
}

unsigned long caretaker_beat(const struct caretaker *caretaker)
{
	return caretaker->beat;
}
