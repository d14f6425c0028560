/* The serial ports of this machine, and who has one open. Any thread may call.
 */
#ifndef ASSAYD_LINK_SERIAL_H
#define ASSAYD_LINK_SERIAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "../drivers/fault.h"
#include "config.h"

struct serial_port {
	char path[256];
	char usb[10];    /* "1a86:7523"; "" where it is no USB port, and then the rest is, too */
	char serial[72]; /* what the adapter says of itself; "" where it says nothing */
	char maker[96], product[96];
};

/* Calls `each` for every port there is. 0 or -errno. */
int link_serial_list(void (*each)(void *context, const struct serial_port *port), void *context, struct fault *fault);

/* The real device path of a serial port as it is now: by-id links followed, USB identity looked up. */
int link_serial_resolve(const struct port *port, char *out, size_t size, struct fault *fault);

struct tty_holder {
	pid_t pid;
	bool owns; /* a pseudo terminal, open without a lock: perhaps by the one who made it, who keeps it so */
	char command[32];
};

/* True when another program holds the terminal, as far as this user may know. `path` is the real device's. */
bool link_tty_holder(const char *path, struct tty_holder *ret);

#endif
