#include "port.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ini.h"
#include "settings_words.h"

#define MODBUS_PORT "502"
#define SETTLE_MS   5000
#define SCHEMES     "usb|tcp|tcp-listen|modbus-tcp|modbus-rtu|replay|folder"

/* --- hosts and TCP ports ---------------------------------------------------------------------------------------- */

static int parse_number(const char *text, const char *whole, int *ret, struct fault *fault)
{
	size_t digits = strspn(text, "0123456789");
	long number = digits && digits < 6 ? strtol(text, NULL, 10) : 0;
	if (!digits || text[digits])
		return fault_set(
			fault, EINVAL, _("port %s: '%s' is not a port number; write digits, 1..65535"), whole, text);
	if (number < 1 || number > 65535)
		return fault_set(fault, EINVAL, _("port %s: %s is outside 1..65535; look the port number up again"),
			whole, text);
	*ret = (int)number;
	return 0;
}

static int check_host(const char *host, bool bracketed, const char *whole, struct fault *fault)
{
	unsigned char address[sizeof(struct in6_addr)];
	if (bracketed)
		return inet_pton(AF_INET6, host, address) == 1
		               ? 0
		               : fault_set(fault, EINVAL,
					 _("port %s: '%s' is not an IPv6 address; write one such as [fd00::9]"), whole,
					 host);
	if (!*host)
		return fault_set(fault, EINVAL, _("port %s names no host; write one such as 10.0.0.9"), whole);
	if (!host[strspn(host, "0123456789.")] && inet_pton(AF_INET, host, address) != 1)
		return fault_set(fault, EINVAL,
			_("port %s: '%s' is not an IPv4 address; it has four numbers, 0..255, such as 10.0.0.9"), whole,
			host);
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
	size_t right = strspn(host, letters);
	if (host[right])
		return fault_set(fault, EINVAL,
			_("port %s: '%s' cannot be in a host name; letters A-Z, digits, - and . can"), whole,
			host + right);
	return 0;
}

/* Cuts "HOST:NUMBER" or "[IPV6]:NUMBER"; `standard` is the number when none is said, or NULL. */
static int parse_host(const char *text, const char *standard, const char *whole, struct port *port, struct fault *fault)
{
	char host[sizeof(port->host) + 64];
	if (strlen(text) >= sizeof(host))
		return fault_set(fault, EINVAL, _("port %s: the host name is too long; 127 bytes at most"), whole);
	strcpy(host, text);
	char *number, *start = host;
	bool bracketed = *host == '[';
	if (bracketed) {
		char *end = strchr(host, ']');
		if (!end)
			return fault_set(fault, EINVAL, _("port %s lacks the ] of its IPv6 address; add it"), whole);
		*end = '\0';
		number = end + 1;
		start = host + 1;
	} else {
		number = strchr(host, ':');
		if (number && strchr(number + 1, ':'))
			return fault_set(fault, EINVAL,
				_("port %s has too many colons; write HOST:PORT, an IPv6 address as [fd00::9]:4001"),
				whole);
		if (!number)
			number = host + strlen(host);
	}
	bool said = *number == ':';
	if ((*number && !said) || (!said && !standard))
		return fault_set(fault, EINVAL,
			_("port %s lacks the port number; write it behind a colon, such as %s:4001"), whole, whole);
	if (said)
		*number++ = '\0';
	if (strlen(start) >= sizeof(port->host))
		return fault_set(fault, EINVAL, _("port %s: the host name is too long; 127 bytes at most"), whole);
	int result = check_host(start, bracketed, whole, fault);
	if (!result)
		result = parse_number(said ? number : standard, whole, &port->number, fault);
	strcpy(port->host, start);
	return result;
}

static void write_address(struct port *port, const char *scheme)
{
	bool six = strchr(port->host, ':');
	snprintf(port->text, sizeof(port->text), "%s:%s%s%s:%d", scheme, six ? "[" : "", port->host, six ? "]" : "",
		port->number);
}

/* --- USB and paths ---------------------------------------------------------------------------------------------- */

static int parse_usb(const char *text, const char *whole, struct port *port, struct fault *fault)
{
	static const char hex[] = "0123456789abcdefABCDEF";
	const char *serial = NULL;
	bool right = strspn(text, hex) == 4 && text[4] == ':' && strspn(text + 5, hex) == 4;
	if (right && text[9] == ':')
		serial = text + 10;
	else if (right && text[9])
		right = false;
	if (!right || (serial && !*serial))
		return fault_set(fault, EINVAL,
			_("port %s is no USB identity; write usb:VENDOR:PRODUCT in four hexadecimal digits each, such as usb:1a86:7523, "
			  "and :SERIAL where two of a kind are there"),
			whole);
	if (strlen(text) >= sizeof(port->usb))
		return fault_set(
			fault, EINVAL, _("port %s is too long; a USB serial number has at most 69 bytes"), whole);
	for (size_t i = 0; i < strlen(text); i++)
		port->usb[i] = (char)(i < 9 ? tolower((unsigned char)text[i]) : text[i]);
	return 0;
}

static int parse_path(const char *text, const char *whole, struct port *port, struct fault *fault)
{
	if (*text != '/')
		return fault_set(
			fault, EINVAL, _("port %s: '%s' is not an absolute path; begin it with /"), whole, text);
	if (text[strlen(text) - 1] == '/')
		return fault_set(fault, EINVAL, _("port %s is a directory; name the device or file in it"), whole);
	if (strlen(text) >= sizeof(port->path) - 16)
		return fault_set(fault, EINVAL, _("port %s is too long; 239 bytes at most"), whole);
	strcpy(port->path, text);
	return 0;
}

/* "500ms" or "10s". */
static bool parse_settle(const char *text, long *ret)
{
	char *end;
	long number = strtol(text, &end, 10);
	bool seconds = strcmp(end, "s") == 0;
	*ret = number * (seconds ? 1000 : 1);
	return *text >= '0' && *text <= '9' && (seconds || strcmp(end, "ms") == 0) && number >= 0 && number <= 600000 &&
	       *ret <= 600000;
}

static int parse_folder_option(char *word, const char *whole, struct port *port, struct fault *fault)
{
	if (strcmp(word, "done") == 0) {
		port->move_done = true;
		return 0;
	}
	if (strncmp(word, "files=", 6) == 0 && word[6] && strlen(word + 6) < sizeof(port->files) &&
		!strchr(word, '/')) {
		strcpy(port->files, word + 6);
		return 0;
	}
	if (strncmp(word, "settle=", 7) == 0 && parse_settle(word + 7, &port->settle_ms))
		return 0;
	return fault_set(fault, EINVAL,
		_("port %s: '%s' says nothing of a folder; behind the ? it takes files=*.csv, settle=5s (at most 10 minutes) and "
		  "done"),
		whole, word);
}

/* "DIRECTORY?files=*.csv,settle=10s,done". */
static int parse_folder(const char *text, const char *whole, struct port *port, struct fault *fault)
{
	char path[sizeof(port->path)];
	snprintf(path, sizeof(path), "%s", text);
	char *rest = strrchr(path, '?');
	if (rest)
		*rest++ = '\0';
	for (size_t length = strlen(path); length > 1 && path[length - 1] == '/'; length--)
		path[length - 1] = '\0';
	port->settle_ms = SETTLE_MS;
	for (char *word; rest && (word = strsep(&rest, ","));) {
		int result = parse_folder_option(word, whole, port, fault);
		if (result)
			return result;
	}
	snprintf(port->text, sizeof(port->text), "folder:%.190s%s%s", path, *port->files ? "?files=" : "", port->files);
	return parse_path(path, whole, port, fault);
}

static int parse_serial(const char *text, const char *scheme, const char *whole, struct port *port, struct fault *fault)
{
	int result = strncmp(text, "usb:", 4) ? parse_path(text, whole, port, fault)
	                                      : parse_usb(text + 4, whole, port, fault);
	snprintf(port->text, sizeof(port->text), "%s%s%.239s", scheme, *port->usb ? "usb:" : "",
		*port->usb ? port->usb : port->path);
	return result;
}

/* "FILE?timed,any": what stands behind the last ? is how it is played. */
static int parse_replay(const char *text, const char *whole, struct port *port, struct fault *fault)
{
	char path[sizeof(port->path)];
	snprintf(path, sizeof(path), "%s", text);
	char *rest = strrchr(path, '?');
	if (rest)
		*rest++ = '\0';
	for (char *word; rest && (word = strsep(&rest, ","));) {
		port->timed |= strcmp(word, "timed") == 0;
		port->any |= strcmp(word, "any") == 0;
		if (strcmp(word, "timed") != 0 && strcmp(word, "any") != 0)
			return fault_set(fault, EINVAL,
				_("port %s: a replay knows no '%s'; behind the ? it takes timed and any"), whole, word);
	}
	int result = parse_path(path, whole, port, fault);
	static const char *const options[] = { "", "?timed", "?any", "?timed,any" };
	snprintf(port->text, sizeof(port->text), "replay:%.230s%s", port->path, options[port->timed + 2 * port->any]);
	return result;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

/* What lsusb prints, with or without the "ID " before it: VENDOR:PRODUCT. */
static const char *usb_identity(const char *text)
{
	text += strncmp(text, "ID ", 3) ? 0 : 3;
	return strspn(text, "0123456789abcdefABCDEF") == 4 && text[4] == ':' &&
	                       strspn(text + 5, "0123456789abcdefABCDEF") == 4 && !text[9]
	               ? text
	               : NULL;
}

/* A text that names no kind of port: what it looks like decides what is proposed. */
static int unknown_scheme(const char *text, struct fault *fault)
{
	char scheme[64], nearest[32];
	size_t length = strcspn(text, ":");
	snprintf(scheme, sizeof(scheme), "%.*s", (int)length, text);
	if (!strncasecmp(text, "COM", 3) && isdigit((unsigned char)text[3]))
		return fault_set(fault, EINVAL,
			_("port %s is a Windows name; here it is usb:VENDOR:PRODUCT or a path such as /dev/ttyUSB0"),
			text);
	if (!strncmp(text, "tty", 3) || !strncmp(text, "dev/", 4) || !strncmp(text, "serial/", 7))
		return fault_set(fault, EINVAL, _("port %s lacks its directory; write /dev/%s"), text,
			strncmp(text, "dev/", 4) ? text : text + 4);
	if (text[length] && words_nearest(scheme, SCHEMES, nearest, sizeof(nearest)))
		return fault_set(fault, EINVAL, _("port %s: there is no kind '%s'; did you mean %s%s?"), text, scheme,
			nearest, text + length);
	if (isdigit((unsigned char)*text) && strchr(text, '.'))
		return fault_set(fault, EINVAL, _("port %s does not say its kind; write tcp:%s or modbus-tcp:%s"), text,
			text, text);
	return fault_set(fault, EINVAL,
		_("port %s is of no known kind; write usb:VENDOR:PRODUCT, /dev/..., tcp:HOST:PORT, tcp-listen:PORT, "
		  "modbus-tcp:HOST, modbus-rtu:/dev/..., replay:FILE or folder:DIRECTORY"),
		text);
}

static const char *after(const char *text, const char *prefix)
{
	size_t length = strlen(prefix);
	return strncmp(text, prefix, length) ? NULL : text + length;
}

static int parse_listener(const char *rest, const char *whole, struct port *port, struct fault *fault)
{
	int result;
	if (strchr(rest, ':')) {
		result = parse_host(rest, NULL, whole, port, fault);
	} else {
		strcpy(port->host, "0.0.0.0"); /* instruments push from the room's network */
		result = parse_number(rest, whole, &port->number, fault);
	}
	write_address(port, "tcp-listen");
	return result;
}

static int parse_kind(const char *text, struct port *port, struct fault *fault)
{
	const char *rest;
	if (*text == '/' || after(text, "usb:")) {
		port->kind = PORT_SERIAL;
		return parse_serial(text, "", text, port, fault);
	}
	if ((rest = after(text, "tcp-listen:"))) {
		port->kind = PORT_TCP_LISTEN;
		return parse_listener(rest, text, port, fault);
	}
	if ((rest = after(text, "modbus-rtu:"))) {
		port->kind = PORT_MODBUS_RTU;
		return parse_serial(rest, "modbus-rtu:", text, port, fault);
	}
	if ((rest = after(text, "replay:"))) {
		port->kind = PORT_REPLAY;
		return parse_replay(rest, text, port, fault);
	}
	if ((rest = after(text, "folder:"))) {
		port->kind = PORT_FOLDER;
		return parse_folder(rest, text, port, fault);
	}
	bool modbus = (rest = after(text, "modbus-tcp:"));
	if (!rest && !(rest = after(text, "tcp:")))
		return unknown_scheme(text, fault);
	port->kind = modbus ? PORT_MODBUS_TCP : PORT_TCP;
	int result = parse_host(rest, modbus ? MODBUS_PORT : NULL, text, port, fault);
	write_address(port, modbus ? "modbus-tcp" : "tcp");
	return result;
}

int port_parse(const char *text, struct port *port, struct fault *fault)
{
	struct port read = {
		.baud = port->baud, .data_bits = port->data_bits, .stop_bits = port->stop_bits, .parity = port->parity
	};
	char character[5];
	char meant = ini_find_lookalike(text, character);
	if (meant)
		return fault_set(fault, EINVAL, _("port %s holds the full-width character '%s'; type '%c'"), text,
			character, meant);
	if (usb_identity(text))
		return fault_set(
			fault, EINVAL, _("port %s does not say its kind; write usb:%s"), text, usb_identity(text));
	if (strpbrk(text, " \t"))
		return fault_set(fault, EINVAL, _("port %s holds a blank; write it without"), text);
	int result = parse_kind(text, &read, fault);
	if (!result)
		*port = read;
	return result;
}

static const long rates[] = { 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800,
	500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000 };

static int parse_rate(const char *text, size_t digits, long *ret, struct fault *fault)
{
	long rate = digits < 9 ? strtol(text, NULL, 10) : 999999999, nearest = rates[0];
	for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++)
		if (labs(rates[i] - rate) < labs(nearest - rate))
			nearest = rates[i];
	if (nearest != rate)
		return fault_set(fault, EINVAL, _("baud %.*s is not a rate serial ports know; %ld is the nearest"),
			(int)digits, text, nearest);
	*ret = rate;
	return 0;
}

int port_parse_line(const char *text, struct port *port, struct fault *fault)
{
	char character[5];
	char meant = ini_find_lookalike(text, character);
	if (meant)
		return fault_set(fault, EINVAL, _("line %s holds the full-width character '%s'; type '%c'"), text,
			character, meant);
	size_t digits = strspn(text, "0123456789");
	const char *frame = text + digits;
	const char *slash = strchr(text, '/');
	if (slash && slash != frame)
		return fault_set(fault, EINVAL, _("baud '%.*s' is not a number; write a rate such as 9600"),
			(int)(slash - text), text);
	if (!digits || !slash)
		return fault_set(fault, EINVAL,
			_("line '%s' is not understood; write rate/data bits, parity, stop bits, such as 9600/8n1"),
			text);
	frame++;
	int parity = *frame ? tolower((unsigned char)frame[1]) : 0;
	if (strlen(frame) != 3 || !strchr("78", frame[0]) || !strchr("neo", parity) || !strchr("12", frame[2]))
		return fault_set(fault, EINVAL,
			_("line '%s': '%s' is no frame; write 7 or 8 data bits, n, e or o for parity, 1 or 2 stop bits, such as 8n1"),
			text, frame);
	int result = parse_rate(text, digits, &port->baud, fault);
	if (result)
		return result;
	port->data_bits = frame[0] - '0';
	port->parity = parity == 'e' ? PARITY_EVEN : parity == 'o' ? PARITY_ODD : PARITY_NONE;
	port->stop_bits = frame[2] - '0';
	return 0;
}

bool port_is_serial(const struct port *port)
{
	return port->kind == PORT_SERIAL || port->kind == PORT_MODBUS_RTU;
}

bool port_is_modbus(const struct port *port)
{
	return port->kind == PORT_MODBUS_TCP || port->kind == PORT_MODBUS_RTU;
}

const char *port_title(const struct port *port)
{
	switch (port->kind) {
	case PORT_SERIAL:
		return _("a serial port");
	case PORT_TCP:
	case PORT_TCP_LISTEN:
		return _("TCP");
	case PORT_MODBUS_TCP:
		return _("Modbus TCP");
	case PORT_MODBUS_RTU:
		return _("Modbus RTU");
	case PORT_FOLDER:
		return _("a folder");
	case PORT_REPLAY:
		break;
	}
	return _("a replay");
}

unsigned port_link(const struct port *port)
{
	switch (port->kind) {
	case PORT_SERIAL:
		return LINK_SERIAL;
	case PORT_TCP:
	case PORT_TCP_LISTEN:
		return LINK_TCP;
	case PORT_MODBUS_TCP:
	case PORT_MODBUS_RTU:
		return LINK_MODBUS;
	case PORT_FOLDER:
		return LINK_FOLDER;
	case PORT_REPLAY:
		break;
	}
	return 0;
}
