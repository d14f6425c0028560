/* Journals that were set aside as damaged: at the next start what can be read of each becomes a journal beside ours
 * (salvage.h), from which the publishers send what their targets lack, and an event tells the platform what there is
 * and what is lost. Once for each: a file NAME.salvaged says that it was done.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "notify.h"
#include "room_parts.h"
#include "salvage.h"

enum { PATH_ROOM = CONFIG_PATH_MAX + 128 };

/* More takes longer than a start may: then it is left to `assayctl salvage`. */
#define SIZE_MOST (1LL << 30)

/* systemd ends a start of more than a minute, and the next would begin anew: each step says that it goes on. */
#define STEP_SECONDS 300
#define ASK_EACH_MS  1000

static long asked_ms; /* monotonic, by the one thread that starts */

void room_starting(void)
{
	asked_ms = clock_ms();
	notify_send("EXTEND_TIMEOUT_USEC=%lld", STEP_SECONDS * 1000000LL);
}

void room_goes_on(void)
{
	if (clock_ms() - asked_ms >= ASK_EACH_MS)
		room_starting();
}

static void put_ranges(struct json *details, const char *key, const struct salvage_ranges *ranges)
{
	if (ranges->count == 0)
		return;
	struct json *list = js_new_array();
	for (size_t i = ranges->count; i > 0; i--) { /* rising */
		struct json *pair = js_new_object();
		js_put_integer(pair, "first", (int64_t)ranges->list[i - 1].first);
		js_put_integer(pair, "last", (int64_t)ranges->list[i - 1].last);
		js_append(list, pair);
	}
	js_put(details, key, list);
}

static int announce(struct room *room, const char *name, const struct salvage *found, const char *why)
{
	struct fault fault;
	struct json *details = js_new_object();
	js_put_text(details, "file", name);
	js_put_text_if(details, "old_epoch", found->epoch);
	js_put_integer(details, "salvaged", (int64_t)found->count);
	if (found->count) {
		js_put_integer(details, "first", (int64_t)found->first);
		js_put_integer(details, "last", (int64_t)found->last);
		if (found->end_known)
			js_put_integer(details, "lost", (int64_t)found->lost.total);
		js_put_integer(details, "unverified", (int64_t)found->unverified.total);
		js_put_integer(details, "seals", (int64_t)found->seals);
		js_put_integer(details, "manifests", (int64_t)found->manifests);
		js_put_integer(details, "unsealed", (int64_t)found->unsealed);
		js_put_integer(details, "refused", (int64_t)found->refused);
		put_ranges(details, "lost_ranges", &found->lost);
		put_ranges(details, "unverified_ranges", &found->unverified);
	}
	js_put_text_if(details, "reason", why);
	int error = intake_alarm(room->intake, "journal_set_aside", details, &fault);
	if (error)
		log_error(_("the event %s cannot be stored: %s"), "journal_set_aside", fault.text);
	return error;
}

static void mark_done(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}

static int salvage_into(struct room *room, const char *path, const struct signature_key *key, struct salvage *found,
	struct fault *fault)
{
	const char *directory = room->config->journal.directory;
	const struct salvage_hints hints = { .station = room->config->station.code, .key = key };
	char out[PATH_ROOM], kept[PATH_ROOM], known[PATH_ROOM + 8];
	struct stat about;
	if (stat(path, &about) == 0 && about.st_size > SIZE_MOST)
		return fault_set(fault, EFBIG, _("%s: takes long to salvage; run assayctl salvage %s"), path, path);
	snprintf(out, sizeof(out), "%s/salvaging.db", directory);
	unlink(out); /* of a start that was cut short */
	room_starting();
	int error = salvage_journal(path, &hints, out, found, fault);
	if (error || found->count == 0)
		return error;
	snprintf(kept, sizeof(kept), "%s/salvaged-%s.db", directory, found->epoch);
	snprintf(known, sizeof(known), "%s.known", kept);
	uint64_t differing;
	room_starting();
	error = salvage_merge(kept, out, &differing, fault);
	if (!error)
		unlink(known); /* there is more to know; a start that is cut short here does it all again */
	if (!error && differing)
		log_error(_("%llu entries of it are not sent: %s has others under their numbers; assayctl salvage %s "
			    "shows them"),
			(unsigned long long)differing, kept, path);
	return error;
}

static void salvage_one(struct room *room, const char *path, const struct signature_key *key)
{
	char done[PATH_ROOM];
	struct salvage found = { 0 };
	struct fault fault = { "" };
	snprintf(done, sizeof(done), "%s.salvaged", path);
	if (access(done, F_OK) == 0)
		return;
	log_error(_("the journal was damaged and is kept as %s; a new one was begun"), path);
	int error = salvage_into(room, path, key, &found, &fault);
	if (error)
		log_error("%s", fault.text);
	else
		log_notice(
			_("%llu entries of it were salvaged and are sent to targets that lack them; %llu are lost, %llu "
			  "could not be verified"),
			(unsigned long long)found.count, (unsigned long long)found.lost.total,
			(unsigned long long)found.unverified.total);
	if (!error && found.count && !found.end_known)
		log_warning(_("nothing tells how many entries came after %llu"), (unsigned long long)found.last);
	const char *slash = strrchr(path, '/');
	/* for want of room or of a working disk the next start tries again; whatever else is final */
	bool final = !error || error == -EFBIG || error == -EUCLEAN;
	if (final && announce(room, slash ? slash + 1 : path, &found, fault.text) == 0)
		mark_done(done);
}

static void salvage_all(struct room *room, const struct signature_key *key)
{
	char pattern[PATH_ROOM];
	glob_t found = { 0 };
	snprintf(pattern, sizeof(pattern), "%s/journal.db.corrupt-*", room->config->journal.directory);
	int error = glob(pattern, 0, NULL, &found);
	for (size_t i = 0; error == 0 && i < found.gl_pathc; i++) {
		const char *name = strstr(found.gl_pathv[i], ".corrupt-"), *at = name + 9;
		at += strcspn(at, "Z"); /* 20260305T094120Z or 20260305T094120Z-2 */
		if (*at == 'Z' && strspn(at + 1, "-0123456789") == strlen(at + 1))
			salvage_one(room, found.gl_pathv[i], key);
	}
	globfree(&found);
}

void room_salvage(struct room *room, const struct signature_key *key)
{
	salvage_all(room, key);
	salvage_all(room, key); /* a restored backup that was to take some in was damaged as well */
	room_know_old(room);
}
