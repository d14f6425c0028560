/* Serial ports through libserialport, which finds them, opens them and sets them up.
 *
 * Reading and waiting is done here: after an unplug the library's blocking read answers "nothing came" at once and for
 * ever, at full processor load, while poll(2) on the descriptor says POLLHUP.
 *
 * libserialport 0.1.1 knows only ports listed in /sys/class/tty and insists on modem lines. Terminals without either
 * (pseudo terminals: the virtual ports of serial servers, socat, simulators) are set up with termios instead, to the
 * same settings.
 */
#include "link_serial.h"
#include "link_kind.h"

#include <errno.h>
#include <libserialport.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

struct serial_link {
	struct link link;
	int lock; /* holds flock; also does the work of a terminal that the library refuses */
	int fd;
	struct sp_port *port; /* NULL: a plain terminal */
};

static void copy(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text ? text : "");
}

static void describe(const struct sp_port *sp, struct serial_port *ret)
{
	int vendor, product;
	*ret = (struct serial_port){ .usb = "" };
	copy(ret->path, sizeof(ret->path), sp_get_port_name(sp));
	if (sp_get_port_transport(sp) != SP_TRANSPORT_USB || sp_get_port_usb_vid_pid(sp, &vendor, &product) != SP_OK)
		return;
	snprintf(ret->usb, sizeof(ret->usb), "%04x:%04x", (unsigned)vendor & 0xFFFF, (unsigned)product & 0xFFFF);
	copy(ret->serial, sizeof(ret->serial), sp_get_port_usb_serial(sp));
	copy(ret->maker, sizeof(ret->maker), sp_get_port_usb_manufacturer(sp));
	copy(ret->product, sizeof(ret->product), sp_get_port_usb_product(sp));
}

int link_serial_list(void (*each)(void *context, const struct serial_port *port), void *context, struct fault *fault)
{
	struct sp_port **ports = NULL;
	if (sp_list_ports(&ports) != SP_OK)
		return fault_set(fault, EIO, _("the serial ports of this box cannot be listed"));
	for (size_t i = 0; ports[i]; i++) {
		struct serial_port port;
		describe(ports[i], &port);
		each(context, &port);
	}
	sp_free_port_list(ports);
	return 0;
}

static bool usb_matches(const char *wanted, const struct sp_port *port)
{
	int vendor, product;
	if (sp_get_port_transport(port) != SP_TRANSPORT_USB ||
		sp_get_port_usb_vid_pid(port, &vendor, &product) != SP_OK)
		return false;
	char identity[80];
	int length = snprintf(identity, sizeof(identity), "%04x:%04x", (unsigned)vendor, (unsigned)product);
	if (strncasecmp(wanted, identity, (size_t)length) != 0)
		return false;
	const char *serial = sp_get_port_usb_serial(port);
	return !wanted[length] || (wanted[length] == ':' && serial && strcmp(wanted + length + 1, serial) == 0);
}

static int resolve_usb(const struct port *port, char *out, size_t size, struct fault *fault)
{
	struct sp_port **ports = NULL;
	if (sp_list_ports(&ports) != SP_OK)
		return fault_set(fault, EIO, _("%s: the serial ports of this box cannot be listed"), port->text);
	char found[256] = "";
	unsigned matches = 0;
	for (size_t i = 0; ports[i]; i++) {
		if (!usb_matches(port->usb, ports[i]))
			continue;
		size_t used = strlen(found);
		snprintf(found + used, sizeof(found) - used, "%s%s", used ? ", " : "", sp_get_port_name(ports[i]));
		matches++;
	}
	sp_free_port_list(ports);
	if (matches == 0)
		return fault_set(fault, ENOENT, _("%s: no such USB device; is the instrument plugged in?"), port->text);
	if (matches > 1)
		return fault_set(fault, ENOTUNIQ,
			_("%s: %u ports have this USB identity: %s; add the serial number (usb:VID:PID:SERIAL) or "
			  "use a /dev/serial/by-path name"),
			port->text, matches, found);
	snprintf(out, size, "%s", found);
	return 0;
}

int link_serial_resolve(const struct port *port, char *out, size_t size, struct fault *fault)
{
	if (!port->path[0])
		return resolve_usb(port, out, size, fault);
	char real[PATH_MAX];
	if (!realpath(port->path, real))
		return fault_set(fault, errno, _("%s: %s; is the instrument plugged in?"), port->path, strerror(errno));
	if ((size_t)snprintf(out, size, "%s", real) >= size)
		return fault_set(fault, ENAMETOOLONG, _("%s: the name of the port is too long"), port->path);
	return 0;
}

static int bad_settings(const struct port *port, const char *path, struct fault *fault)
{
	return fault_set(fault, EINVAL, _("%s: this port does not know %ld/%d%c%d; give the instrument's own `line`"),
		path, port->baud, port->data_bits, "neo"[port->parity], port -> stop_bits);
}

static int set_up_library(const struct port *port, int fd, struct sp_port *sp, const char *path, struct fault *fault)
{
	static const enum sp_parity parities[] = { SP_PARITY_NONE, SP_PARITY_EVEN, SP_PARITY_ODD };
	if (sp_set_baudrate(sp, (int)port->baud) != SP_OK || sp_set_bits(sp, port->data_bits) != SP_OK ||
		sp_set_parity(sp, parities[link_tty_parity(fd, port)]) != SP_OK ||
		sp_set_stopbits(sp, port->stop_bits) != SP_OK || sp_set_flowcontrol(sp, SP_FLOWCONTROL_NONE) != SP_OK)
		return bad_settings(port, path, fault);
	return 0;
}

static int set_up_terminal(const struct port *port, int fd, const char *path, struct fault *fault)
{
	static const tcflag_t sizes[] = { [5] = CS5, [6] = CS6, [7] = CS7, [8] = CS8 };
	static const tcflag_t parities[] = { 0, PARENB, PARENB | PARODD };
	struct termios settings;
	if (port->data_bits < 5 || port->data_bits > 8)
		return bad_settings(port, path, fault);
	if (tcgetattr(fd, &settings) < 0)
		return fault_set(fault, errno, "%s: %s", path, strerror(errno));
	cfmakeraw(&settings);
	settings.c_cflag &= ~(tcflag_t)(CSIZE | PARENB | PARODD | CSTOPB | CRTSCTS);
	settings.c_cflag |= CLOCAL | CREAD | sizes[port->data_bits] | parities[link_tty_parity(fd, port)];
	if (port->stop_bits == 2)
		settings.c_cflag |= CSTOPB;
	settings.c_iflag &= ~(tcflag_t)(IXON | IXOFF | IXANY);
	settings.c_cc[VMIN] = 1; /* so that 0 bytes mean a hang-up and nothing else */
	settings.c_cc[VTIME] = 0;
	if (cfsetspeed(&settings, (speed_t)port->baud) < 0 || tcsetattr(fd, TCSANOW, &settings) < 0)
		return bad_settings(port, path, fault);
	return 0;
}

/* The library's own handle of the port, or NULL when it refuses this terminal. */
static struct sp_port *open_library(const char *path)
{
	struct sp_port *sp = NULL;
	if (sp_get_port_by_name(path, &sp) != SP_OK)
		return NULL;
	if (sp_open(sp, SP_MODE_READ_WRITE) == SP_OK)
		return sp;
	sp_free_port(sp);
	return NULL;
}

static int serial_open(struct link *link, struct fault *fault)
{
	struct serial_link *serial = (struct serial_link *)link;
	char path[PATH_MAX];
	int error = link_serial_resolve(link->port, path, sizeof(path), fault);
	if (error < 0)
		return error;
	serial->lock = link_tty_lock(path, fault);
	if (serial->lock < 0)
		return serial->lock;
	serial->fd = serial->lock;
	serial->port = open_library(path);
	if (serial->port)
		sp_get_port_handle(serial->port, &serial->fd);
	error = link_tty_exclude(serial->fd, path, fault);
	if (!error)
		error = serial->port ? set_up_library(link->port, serial->fd, serial->port, path, fault)
		                     : set_up_terminal(link->port, serial->fd, path, fault);
	if (error)
		link->kind->close(link);
	return error;
}

static void serial_close(struct link *link)
{
	struct serial_link *serial = (struct serial_link *)link;
	link_tty_admit(serial->fd);
	if (serial->port) {
		sp_close(serial->port);
		sp_free_port(serial->port);
		serial->port = NULL;
	}
	close(serial->lock);
}

static int serial_read(struct link *link, uint8_t *data, size_t size, long until_ms, struct fault *fault)
{
	return link_read_fd(link, ((struct serial_link *)link)->fd, data, size, until_ms, fault);
}

static int serial_write(struct link *link, const uint8_t *data, size_t length, struct fault *fault)
{
	return link_write_fd(link, ((struct serial_link *)link)->fd, data, length, fault);
}

const struct link_kind link_serial_kind = {
	.size = sizeof(struct serial_link),
	.open = serial_open,
	.close = serial_close,
	.read = serial_read,
	.write = serial_write,
};
