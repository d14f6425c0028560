/* The control socket: how assayctl asks the running daemon.
 *
 * A Unix stream socket, mode 0660. The client sends one JSON object and a newline; the daemon answers JSON objects, one
 * a line, and closes (`tail` and `capture` go on until the client closes):
 *
 *     {"command":"status"}                                  one line, as the status topic
 *     {"command":"list","last":20} or {"from":1,"limit":20}   the entries' own bytes, one a line
 *     {"command":"show","id":"0b9c..."} or {"seq":17}         one line or none
 *     {"command":"parked","target":"county"}                what targets refused; all of them without "target", one
 *                                                           salvaged epoch alone with "county/EPOCH"
 *     {"command":"retry"} and {"command":"resend","from":3}   what was refused, or stored, is sent again:
 * control_resend.h
 *     {"command":"seal"}                                    seals what is durable by now: {"sealed":SEQ}
 *     {"command":"identity"}                                station, epoch and public key: one line, or none
 *     {"command":"tail"}                                    every entry from now on
 *     {"command":"capture","instrument":"pr-1"}             what passes on its line from now on: see control_tap.h
 *     {"command":"redecode","from":1}                       stored bytes decoded again: see control_redecode.h
 *     {"command":"register",...} and {"command":"samples"}    see control_samples.h
 *     {"command":"retest",...} and {"command":"retests"}      see control_retest.h
 *
 * A request that cannot be answered gives {"error":"..."}. At most 16 clients. Nothing that is stored can be changed
 * through it; samples can be registered. Its thread also tells of scans that nobody used.
 */
#ifndef ASSAYD_CONTROL_H
#define ASSAYD_CONTROL_H

#include "room.h"

struct control;

int control_start(struct room *room, const char *path, struct control **ret, struct fault *fault);
void control_stop(struct control *control); /* joins the thread, removes the socket; NULL is fine */

/* Answers one request other than `tail` out of a journal; shared with assayctl, which reads the file itself when no
 * daemon runs. Lines go to `each`, a non-zero answer stops. */
#define CONTROL_LIST_MAX 100000
int control_answer(struct journal_reader *reader, const struct json *request,
	int (*each)(void *context, const char *line, size_t), void *context, struct fault *fault);

#endif
