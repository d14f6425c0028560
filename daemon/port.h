/* Ports: where an instrument is plugged in, as one line of text.
 *
 *     usb:1a86:7523            serial, by USB vendor and product, wherever it is plugged in
 *     usb:1a86:7523:5A4F0042   ... and by its USB serial number, where two of a kind are there
 *     /dev/serial/by-path/...  serial, by an absolute path
 *     tcp:10.0.0.9:4001        a serial device server or an instrument that listens
 *     tcp-listen:5000          an instrument that connects to us, on all addresses of this machine
 *     tcp-listen:127.0.0.1:5000                                     ... or on one
 *     modbus-tcp:10.0.0.20     port 502 unless said
 *     modbus-rtu:/dev/ttyS0    or modbus-rtu:usb:1a86:7523
 *     replay:/tmp/a.capture    a recorded line (capture.h), each question answered as it was then
 *     replay:/tmp/a.capture?timed      ... with the pauses there were
 *     replay:/tmp/a.capture?any        ... each question answered with what comes next, whatever was asked
 *     folder:/srv/reader       files that an instrument's PC leaves there
 *     folder:/srv/reader?files=*.csv,settle=10s,done   ... some of them, moved to done/ when stored
 *
 * An IPv6 address stands in brackets: tcp:[fd00::9]:4001. Pure; any thread may call.
 */
#ifndef ASSAYD_PORT_H
#define ASSAYD_PORT_H

#include <stdbool.h>

#include "../drivers/fault.h"
#include "config.h"

/* Reads a port. `port->text` becomes its canonical form, the same for every spelling of one port. 0 or -EINVAL. */
int port_parse(const char *text, struct port *port, struct fault *fault);

/* Reads serial settings, "9600/8n1", into baud, data_bits, parity and stop_bits. 0 or -EINVAL. */
int port_parse_line(const char *text, struct port *port, struct fault *fault);

bool port_is_serial(const struct port *port); /* a serial line, Modbus RTU included */
bool port_is_modbus(const struct port *port);

/* What it is, for messages: "a serial port", "Modbus TCP" ... */
const char *port_title(const struct port *port);

/* enum link_use bits of drivers that can talk through it; 0 for a replay, which every driver can read. */
unsigned port_link(const struct port *port);

#endif
