/* Where a line can be reached: a pty with a symlink to it, or a listening TCP socket. */
#ifndef SIM_ENDPOINT_H
#define SIM_ENDPOINT_H

struct terminal {
	int master; /* ours, non-blocking */
	int keeper; /* an open slave side, so that the pty outlives each of its users */
	char path[64];
};

void terminal_open(struct terminal *terminal);  /* raw, no echo; ends the program when no pty can be had */
void terminal_close(struct terminal *terminal); /* the keeper; the master belongs to its peer */

/* Points `link` at the terminal, replacing a stale link; a file of another kind ends the program. */
void terminal_link(const struct terminal *terminal, const char *link);
void terminal_unlink(const struct terminal *terminal, const char *link); /* only while it is ours */

/* A non-blocking listening socket, or -errno. `*port` 0 is any, and then set to the one it got. */
int endpoint_listen(const char *host, int *port);

/* A non-blocking socket that is being connected, or -errno. That nobody is there is seen when it is read. */
int endpoint_dial(const char *host, int port);

#endif
