/* The running room: journal, intake, lines and publishers of one configuration, started and stopped as mirror images.
 *
 * room_start, room_stop and room_reload belong to the main thread; the others may be called by any thread.
 */
#ifndef ASSAYD_ROOM_H
#define ASSAYD_ROOM_H

#include "capture.h"
#include "config.h"
#include "journal.h"
#include "json.h"
#include "tap.h"

struct room;
struct intake;

/* Takes its own hold on `config`. */
int room_start(struct config *config, struct room **ret, struct fault *fault);
void room_stop(struct room *room); /* NULL is fine */

/* Replaces the configuration: restarts only the lines and publishers whose definition changed. What cannot change under
 * a running daemon (station, journal directory, control socket) is refused with -EBUSY and nothing is touched. */
int room_reload(struct room *room, struct config *config, struct fault *fault);

/* The payload of the status topic and of `assayctl status`. */
struct json *room_status(struct room *room);

/* True when every line and publisher has shown life since the last call; else the name of one that has not. */
bool room_alive(struct room *room, char *name, size_t size);

/* Records what passes on an instrument's line: `head` says what it is, tap_close() and tap_release() the tap. -ENOENT
 * when there is no such instrument, -EBUSY while somebody records it already. */
int room_tap(
	struct room *room, const char *instrument, struct tap **ret, struct capture_head *head, struct fault *fault);

/* One line for `systemctl status`: instruments heard, records waiting. */
void room_summary(struct room *room, char *out, size_t size);

struct intake *room_intake(struct room *room);
/* Has `target` (NULL: every one; "NAME/EPOCH": of that salvaged epoch alone) send again what it refused of the entries
 * `first`..`last`. -ENOENT: no such target. */
int room_retry(struct room *room, const char *target, uint64_t first, uint64_t last, struct fault *fault);
/* Has `target` (NULL: every one) send the entries `first`..`last` again. The control thread alone calls. -ENOENT: no
 * such target; -EBUSY, and none does: one is still at it. */
int room_resend(struct room *room, const char *target, uint64_t first, uint64_t last, struct fault *fault);

uint64_t room_seal(struct room *room); /* seals what is durable by now; the last sealed entry. Any thread */

struct journal *room_journal(struct room *room);
struct config *room_config(struct room *room); /* held for the caller: config_release() it */

#endif
