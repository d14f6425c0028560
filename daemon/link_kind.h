/* What the kinds of link share; for daemon/link*.c only. A kind fills the table, embeds `struct link` as its first
 * member and waits only through link_wait(), which watches the stop signal and keeps the beat.
 */
#ifndef ASSAYD_LINK_KIND_H
#define ASSAYD_LINK_KIND_H

#include <poll.h>
#include <pthread.h>

#include "link.h"

struct link_kind {
	size_t size;                                            /* of the struct that embeds `struct link` */
	int (*prepare)(struct link *link, struct fault *fault); /* these two may be NULL */
	void (*discard)(struct link *link);
	int (*open)(struct link *link, struct fault *fault);
	void (*close)(struct link *link);
	bool (*connected)(const struct link *link); /* NULL: open is connected */
	/* byte links */
	int (*read)(struct link *link, uint8_t *data, size_t size, long until_ms, struct fault *fault);
	int (*write)(struct link *link, const uint8_t *data, size_t length, struct fault *fault);
	/* Modbus links */
	int (*exchange)(struct link *link, int unit, const struct request *request, int timeout_ms, struct reply *reply,
		uint16_t *registers, uint8_t *bytes, struct fault *fault);
	int (*quarantine)(struct link *link, int lateness_ms, struct fault *fault);
};

struct link {
	const struct link_kind *kind;
	const struct port *port;
	int stop_fd;
	bool open;
	_Atomic unsigned long *beat;
	char *remark;   /* allocated, or NULL */
	size_t unasked; /* bytes of a Modbus line that answered no question, until link_unasked() is called */
	atomic_bool tapped;
	pthread_mutex_t tap_lock; /* of what follows */
	struct tap *tap;
};

extern const struct link_kind link_folder_kind;
extern const struct link_kind link_serial_kind, link_tcp_kind, link_listener_kind, link_replay_kind, link_modbus_kind;

/* For the tap, if there is one. Bytes and notes of Modbus links say whose they are; 0: of the whole line. */
void link_tell(struct link *link, int unit, enum tap_kind kind, const void *bytes, size_t length);
void link_tell_note(struct link *link, int unit, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Waits for `events` on `fd` (-1: for nothing) until the monotonic `until_ms`: revents, 0, or -errno (-ECANCELED). */
int link_wait(struct link *link, int fd, short events, long until_ms);
/* The same for several; `waits[0]` is left free for the stop signal, a negative descriptor is passed over. How many are
 * ready, with their revents. */
int link_wait_any(struct link *link, struct pollfd *waits, nfds_t count, long until_ms);

/* read() and write() on a non-blocking descriptor, as link_read() and link_write() promise them. */
int link_read_fd(struct link *link, int fd, uint8_t *data, size_t size, long until_ms, struct fault *fault);
int link_write_fd(struct link *link, int fd, const uint8_t *data, size_t length, struct fault *fault);

/* Both reasons to give up a link in one sentence: -ENOTCONN. */
int link_lost(const struct link *link, int error, struct fault *fault);

/* Connects to `port->host`:`port->number`, tuned for instruments: no delay, dead peers noticed within half a minute.
 * The descriptor (non-blocking, close-on-exec), or -errno. */
int link_connect(struct link *link, struct fault *fault);

/* Opens a terminal for the lock alone: flock(LOCK_EX), then TIOCEXCL once `link_tty_exclude()` is told which descriptor
 * does the work. The descriptor to close() for unlocking, or -errno with the holder named where it can be known. */
int link_tty_lock(const char *path, struct fault *fault);
int link_tty_exclude(int fd, const char *path, struct fault *fault);
void link_tty_admit(int fd); /* before closing: others may open again */
/* The parity to set up: none on a pseudo terminal, which has no bits on a wire and whose driver refuses one. */
enum parity link_tty_parity(int fd, const struct port *port);

#endif
