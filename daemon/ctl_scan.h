/* What the two halves of `assayctl scan` share: ctl_scan.c lists ports, ctl_scan_ask.c asks at one who is there.
 */
#ifndef ASSAYD_CTL_SCAN_H
#define ASSAYD_CTL_SCAN_H

#include "../drivers/driver.h"
#include "config.h"

#define SCAN_FOUND_MAX 16

struct scan_found { /* an instrument that answered */
	const struct driver *driver;
	char profile[CONFIG_NAME_MAX]; /* "" where the driver takes none */
	const char *line;              /* "9600/8n1", of the driver's scan_lines */
	size_t line_length;
	int unit; /* Modbus; else 0 */
	struct maker maker;
};

struct scan_answers {
	struct scan_found list[SCAN_FOUND_MAX];
	size_t count;
	bool speaks;        /* something came unasked: nothing was asked */
	struct fault fault; /* the port cannot be used; "" when it can */
};

/* Asks at a free port what the drivers with scan_lines begin with. Takes some ten seconds where nothing answers. */
void scan_ask(const char *config_directory, const char *path, struct scan_answers *ret);

#endif
