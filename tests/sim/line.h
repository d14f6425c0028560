/* A line: one pty or one TCP port, the instruments on it, and whoever talks to them. */
#ifndef SIM_LINE_H
#define SIM_LINE_H

#include "a7.h"
#include "endpoint.h"
#include "hl7.h"
#include "instrument.h"
#include "mischief.h"
#include "peer.h"
#include "text_folder.h"

struct line {
	const struct options *options;
	struct instrument *instruments; /* the caller's */
	size_t instrument_count;
	struct mischief mischief;
	struct peer_owner owner;
	struct peer *peers;
	int port;                 /* TCP; 0 on a serial line */
	int listener;             /* TCP; -1 while unplugged */
	struct watch watch;       /* of the listener */
	struct terminal terminal; /* serial */
	struct text_folder folder;
	struct mllp_sender mllp;
	struct a7_sender a7;
	struct timer redial;
};

/* Opens the pty, or TCP port `port` (0: any). 0 or -errno. The line must stay where it is. */
int line_open(struct line *line, const struct options *options, unsigned index, int port);
void line_close(struct line *line);

/* What was finished goes to whoever listens, where the instrument waits for no question, and is forgotten. */
void line_push(struct line *line, struct instrument *instrument);

/* The plug is out: the pty and its link are gone, the TCP port is closed. And in again: under another pts, or on the
 * same TCP port. */
void line_fall_silent(struct line *line); /* the power is gone: what was not yet sent never will be */
void line_pull(struct line *line);
void line_plug_in(struct line *line);

/* What the gateway connects to: the pty's path, or host:port. */
void line_name(const struct line *line, char *out, size_t size);

#endif
