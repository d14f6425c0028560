/* Modbus RTU and TCP through libmodbus, with its error recovery off.
 *
 * libmodbus takes a late reply for the answer to the next question, so this file allows one question at a time and
 * believes only an answer that names the same unit, function and length, and on TCP the same transaction. Anything else
 * is a negative answer, after which the line is quarantined: what may still arrive cannot meet a newer question.
 *
 * What libmodbus does: opening a serial line, framing and checksum of RTU, receiving on both transports. What it cannot
 * is done here: it waits deaf to a stop (so the wait for the first byte is ours), connects deaf to it (link_connect),
 * does not look at the unit of a TCP reply, sends raw TCP requests with transaction 0, and cannot know where the reply
 * to a user function ends.
 */
#include "link_kind.h"

#include <errno.h>
#include <limits.h>
#include <modbus.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <termios.h>
#include <unistd.h>

#include "../drivers/bytes.h"
#include "../drivers/checksum.h"
#include "clock.h"
#include "link_pdu.h"
#include "link_serial.h"

#define FRAME_GAP_MS 500 /* USB adapters and serial servers pause inside a frame: a pause this long ends it */
#define QUIET_MS     60  /* a line that said nothing for this long is quiet: over 3.5 characters at 1,200 baud */
#define END_MS       30  /* a frame of unknown length whose checksum is right ends with this pause */

struct modbus_link {
	struct link link;
	modbus_t *modbus;
	int fd, lock; /* lock: RTU only */
	uint16_t transaction;
	uint8_t asked_unit, asked_function; /* what an answer, late or not, must name */
};

struct adu { /* a whole message as on the wire, and where its function code and its last byte are */
	uint8_t bytes[MODBUS_MAX_ADU_LENGTH];
	size_t length, head, tail;
};

static bool is_tcp(const struct link *link)
{
	return link->port->kind == PORT_MODBUS_TCP;
}

static int open_tcp(struct modbus_link *modbus, struct fault *fault)
{
	const struct port *port = modbus->link.port;
	char service[8];
	snprintf(service, sizeof(service), "%d", port->number);
	modbus->fd = link_connect(&modbus->link, fault);
	if (modbus->fd < 0)
		return modbus->fd;
	if (modbus->fd >= FD_SETSIZE) { /* libmodbus waits with select(2): beyond this it writes over its own stack */
		close(modbus->fd);
		return fault_set(fault, EMFILE,
			_("%s: file descriptor %d is over the %d that Modbus can use; run fewer connections or split the "
			  "station over two daemons"),
			port->text, modbus->fd, FD_SETSIZE - 1);
	}
	modbus->modbus = modbus_new_tcp_pi(port->host, service);
	if (!modbus->modbus) {
		close(modbus->fd);
		return fault_set(fault, EINVAL, _("%s: %s"), port->text, modbus_strerror(errno));
	}
	modbus_set_socket(modbus->modbus, modbus->fd);
	return 0;
}

static int open_rtu(struct modbus_link *modbus, struct fault *fault)
{
	const struct port *port = modbus->link.port;
	char path[PATH_MAX];
	int error = link_serial_resolve(port, path, sizeof(path), fault);
	if (error < 0)
		return error;
	if (modbus->lock < 0)
		modbus->lock = link_tty_lock(path, fault);
	if (modbus->lock < 0)
		return modbus->lock;
	modbus->modbus =
		modbus_new_rtu(path, (int)port->baud, "NEO"[port->parity], port -> data_bits, port -> stop_bits);
	if (!modbus->modbus)
		return fault_set(fault, EINVAL, _("%s: this line cannot be: %s"), port->text, modbus_strerror(errno));
	if (modbus_connect(modbus->modbus) < 0)
		return fault_set(fault, errno, _("%s: cannot be opened: %s"), path, modbus_strerror(errno));
	modbus->fd = modbus_get_socket(modbus->modbus);
	if (modbus->fd >= FD_SETSIZE)
		return fault_set(fault, EMFILE, _("%s: file descriptor %d is over the %d that Modbus can use"), path,
			modbus->fd, FD_SETSIZE - 1);
	return link_tty_exclude(modbus->fd, path, fault);
}

/* With no byte timeout the response timeout bounds the whole rest of a message whose first byte is there: the longest
 * at this speed, and a pause. A line that drips cannot hold us. */
static void set_timeouts(const struct modbus_link *modbus)
{
	const struct port *port = modbus->link.port;
	uint32_t rest_ms = FRAME_GAP_MS;
	if (!is_tcp(&modbus->link) && port->baud > 0)
		rest_ms += (uint32_t)(MODBUS_MAX_ADU_LENGTH * 11 * 1000L / port->baud);
	modbus_set_byte_timeout(modbus->modbus, 0, 0);
	modbus_set_response_timeout(modbus->modbus, rest_ms / 1000, rest_ms % 1000 * 1000);
	modbus_set_error_recovery(modbus->modbus, MODBUS_ERROR_RECOVERY_NONE);
}

static void disconnect(struct modbus_link *modbus)
{
	if (!modbus->modbus)
		return;
	if (!is_tcp(&modbus->link) && modbus->fd >= 0)
		link_tty_admit(modbus->fd);
	modbus_close(modbus->modbus);
	modbus_free(modbus->modbus);
	modbus->modbus = NULL;
	modbus->fd = -1;
}

static void modbus_link_close(struct link *link)
{
	struct modbus_link *modbus = (struct modbus_link *)link;
	disconnect(modbus);
	if (modbus->lock >= 0)
		close(modbus->lock);
	modbus->lock = -1;
}

static int modbus_link_prepare(struct link *link, struct fault *fault)
{
	(void)fault;
	struct modbus_link *modbus = (struct modbus_link *)link;
	modbus->fd = modbus->lock = -1;
	return 0;
}

static int modbus_link_open(struct link *link, struct fault *fault)
{
	struct modbus_link *modbus = (struct modbus_link *)link;
	int error = is_tcp(link) ? open_tcp(modbus, fault) : open_rtu(modbus, fault);
	if (error < 0) {
		modbus_link_close(link);
		return error;
	}
	set_timeouts(modbus);
	return 0;
}

/* With the checksum that libmodbus will append. */
static void tell_rtu_question(struct modbus_link *modbus, int unit, const uint8_t *bytes, size_t length)
{
	uint8_t adu[MBAP_SIZE + PDU_MAX + 2];
	uint16_t crc = checksum_crc16(bytes, length);
	memcpy(adu, bytes, length);
	adu[length] = (uint8_t)(crc & 0xFF);
	adu[length + 1] = (uint8_t)(crc >> 8);
	link_tell(&modbus->link, unit, TAP_SENT, adu, length + 2);
}

/* Noise, or the tail of a frame too long: it must not meet the answer to what is asked now. */
static void discard(struct modbus_link *modbus, int unit)
{
	uint8_t stale[256];
	size_t length = 0;
	for (ssize_t got = 1; got > 0 && length<4096; length += got> 0 ? (size_t)got : 0)
		got = read(modbus->fd, stale, sizeof(stale));
	modbus_flush(modbus->modbus); /* what a line that babbles has sent meanwhile */
	modbus->link.unasked += length;
	if (length > 0)
		link_tell_note(&modbus->link, unit, "%zu bytes nobody had asked for were thrown away", length);
}

static int send_request(struct modbus_link *modbus, int unit, const uint8_t *pdu, size_t length, struct fault *fault)
{
	uint8_t adu[MBAP_SIZE + PDU_MAX];
	if (is_tcp(&modbus->link)) {
		uint16_t transaction = ++modbus->transaction;
		size_t rest = length + 1;
		const uint8_t head[MBAP_SIZE] = { (uint8_t)(transaction >> 8), (uint8_t)transaction, 0, 0,
			(uint8_t)(rest >> 8), (uint8_t)rest, (uint8_t)unit };
		memcpy(adu, head, sizeof(head));
		memcpy(adu + sizeof(head), pdu, length);
		link_tell(&modbus->link, unit, TAP_SENT, adu, sizeof(head) + length);
		return link_write_fd(&modbus->link, modbus->fd, adu, sizeof(head) + length, fault);
	}
	adu[0] = (uint8_t)unit;
	memcpy(adu + 1, pdu, length);
	tell_rtu_question(modbus, unit, adu, length + 1);
	modbus_set_slave(modbus->modbus, unit);
	discard(modbus, unit);
	if (modbus_send_raw_request(modbus->modbus, adu, (int)length + 1) < 0)
		return link_lost(&modbus->link, errno, fault);
	return 0;
}

/* Reads until `length` bytes are there, or (length 0, RTU) until a pause after a frame with a right checksum. */
static int receive_own(struct modbus_link *modbus, struct adu *adu, size_t length, struct fault *fault)
{
	long until_ms = clock_ms() + 2 * FRAME_GAP_MS;
	size_t limit = length ? length : sizeof(adu->bytes);
	while (adu->length < limit && clock_ms() < until_ms) {
		bool whole = !length && adu->length >= 4 && checksum_crc16(adu->bytes, adu->length) == 0;
		long pause_ms = clock_ms() + (whole ? END_MS : FRAME_GAP_MS);
		int got = link_read_fd(
			&modbus->link, modbus->fd, adu->bytes + adu->length, limit - adu->length, pause_ms, fault);
		if (got < 0)
			return got;
		if (got == 0)
			break;
		adu->length += (size_t)got;
	}
	return 0;
}

static int receive_user_function(struct modbus_link *modbus, struct adu *adu, struct fault *fault)
{
	if (!is_tcp(&modbus->link))
		return receive_own(modbus, adu, 0, fault);
	int error = receive_own(modbus, adu, MBAP_SIZE, fault);
	if (error < 0 || adu->length < MBAP_SIZE)
		return error;
	size_t rest = (size_t)(adu->bytes[4] << 8 | adu->bytes[5]);
	if (rest < 2 || rest + MBAP_SIZE - 1 > sizeof(adu->bytes))
		return 0;
	return receive_own(modbus, adu, rest + MBAP_SIZE - 1, fault);
}

static bool libmodbus_knows(uint8_t function)
{
	switch (function) {
	case MODBUS_FC_READ_HOLDING_REGISTERS:
	case MODBUS_FC_READ_INPUT_REGISTERS:
	case MODBUS_FC_WRITE_SINGLE_REGISTER:
	case MODBUS_FC_WRITE_MULTIPLE_REGISTERS:
		return true;
	default:
		return false;
	}
}

/* How much libmodbus read before it looked at checksum and unit, which it does not say. */
static size_t read_by_libmodbus(const uint8_t *answer)
{
	switch (answer[1]) {
	case MODBUS_FC_READ_COILS:
	case MODBUS_FC_READ_DISCRETE_INPUTS:
	case MODBUS_FC_READ_HOLDING_REGISTERS:
	case MODBUS_FC_READ_INPUT_REGISTERS:
	case MODBUS_FC_REPORT_SLAVE_ID:
	case MODBUS_FC_WRITE_AND_READ_REGISTERS:
		return 5u + answer[2]; /* MODBUS_MAX_ADU_LENGTH at most */
	case MODBUS_FC_WRITE_SINGLE_COIL:
	case MODBUS_FC_WRITE_SINGLE_REGISTER:
	case MODBUS_FC_WRITE_MULTIPLE_COILS:
	case MODBUS_FC_WRITE_MULTIPLE_REGISTERS:
		return 8;
	case MODBUS_FC_MASK_WRITE_REGISTER:
		return 10;
	default:
		return 5; /* a refusal, or a function code that the line spoiled */
	}
}

/* The first byte of the answer is waited for here, so that a stop is heard; the rest is libmodbus' within its bound. */
static int receive(struct modbus_link *modbus, uint8_t function, long until_ms, struct adu *adu, struct fault *fault)
{
	int events = link_wait(&modbus->link, modbus->fd, POLLIN, until_ms);
	if (events == -ECANCELED)
		return events;
	if (events < 0)
		return link_lost(&modbus->link, -events, fault);
	if (events == 0)
		return fault_set(
			fault, ETIMEDOUT, _("no answer in time; check address, wiring and that the instrument is on"));
	if (!(events & POLLIN))
		return link_lost(&modbus->link, 0, fault);
	if (!libmodbus_knows(function))
		return receive_user_function(modbus, adu, fault);
	int got = modbus_receive_confirmation(modbus->modbus, adu->bytes);
	int cause = errno;
	bool ignored = got == 0 || (got < 0 && cause == EMBBADCRC); /* whole, but for another unit, or spoiled */
	if (ignored && !is_tcp(&modbus->link))
		adu->length = read_by_libmodbus(adu->bytes);
	if (got > 0)
		adu->length = (size_t)got;
	if (got > 0 || (ignored && adu->length > 0))
		return 0; /* check_frame() says what is wrong with it */
	errno = cause;
	if (errno == ECONNRESET || errno == EIO || errno == EBADF || errno == EPIPE || errno == ENOTCONN)
		return link_lost(&modbus->link, errno, fault);
	return fault_set(fault, errno == ETIMEDOUT ? EBADMSG : errno,
		_("unreadable answer: %s; check wiring and line settings"),
		errno == ETIMEDOUT ? _("it broke off") : modbus_strerror(errno));
}

/* Frames of both transports: what they say of themselves must be what was asked. Sets head and tail. */
static int check_frame(struct modbus_link *modbus, int unit, struct adu *adu, struct fault *fault)
{
	bool tcp = is_tcp(&modbus->link);
	adu->head = tcp ? MBAP_SIZE : 1;
	adu->tail = tcp ? 0 : 2;
	if (adu->length < adu->head + 2 + adu->tail)
		return fault_set(fault, EBADMSG, _("answer of %zu bytes, too short for any"), adu->length);
	struct bytes head = bytes_of(adu->bytes, adu->head);
	if (tcp) {
		unsigned transaction = bytes_u16be(&head), protocol = bytes_u16be(&head), rest = bytes_u16be(&head);
		if (transaction != modbus->transaction)
			return fault_set(fault, EBADMSG, _("answer to question %u, asked was %u: late or doubled"),
				transaction, (unsigned)modbus->transaction);
		if (protocol != 0 || rest + MBAP_SIZE - 1 != adu->length)
			return fault_set(fault, EBADMSG, _("answer with a header that is not its own"));
	} else if (checksum_crc16(adu->bytes, adu->length) != 0) {
		return fault_set(fault, EBADMSG, _("answer with a wrong checksum; check wiring and line settings"));
	}
	int from = bytes_u8(&head);
	if (from != unit)
		return fault_set(fault, EBADMSG, _("answer of unit %d, asked was %d; do two units share an address?"),
			from, unit);
	return 0;
}

static int modbus_link_exchange(struct link *link, int unit, const struct request *request, int timeout_ms,
	struct reply *reply, uint16_t *registers, uint8_t *bytes, struct fault *fault)
{
	struct modbus_link *modbus = (struct modbus_link *)link;
	uint8_t pdu[PDU_MAX];
	size_t length = pdu_make(request, pdu);
	if (length == 0)
		return fault_set(fault, EINVAL, _("a request longer than Modbus allows"));
	modbus->asked_unit = (uint8_t)unit;
	modbus->asked_function = pdu[0];
	int error = send_request(modbus, unit, pdu, length, fault);
	if (error < 0)
		return error;
	struct adu adu = { .length = 0 };
	error = receive(modbus, pdu[0], clock_ms() + timeout_ms, &adu, fault);
	if (adu.length > 0)
		link_tell(link, unit, TAP_RECEIVED, adu.bytes, adu.length);
	if (error < 0 && error != -ECANCELED)
		link_tell_note(link, unit, "%s", error == -ETIMEDOUT ? "no answer in time" : "no readable answer");
	if (error < 0)
		return error;
	error = check_frame(modbus, unit, &adu, fault);
	if (error < 0)
		return error;
	return pdu_take(request, pdu[0], adu.bytes + adu.head, adu.length - adu.head - adu.tail, reply, registers,
		bytes, fault);
}

/* Whatever still comes is the answer to an older question, or noise. */
static int drain(struct modbus_link *modbus, int at_most_ms, struct fault *fault)
{
	uint8_t stale[256];
	long until_ms = clock_ms() + at_most_ms;
	while (clock_ms() < until_ms) {
		int got = link_read_fd(&modbus->link, modbus->fd, stale, sizeof(stale), clock_ms() + QUIET_MS, fault);
		if (got <= 0)
			return got;
		link_tell_note(&modbus->link, 0, "%d bytes nobody had asked for were thrown away", got);
	}
	return fault_set(fault, EBUSY, _("%s: the line never falls silent; a second master or a unit that babbles"),
		modbus->link.port->text);
}

/* True for the whole answer that is owed: an echo of the question, which names the same, has another length. */
static bool is_owed(const struct modbus_link *modbus, const struct adu *late)
{
	const uint8_t *bytes = late->bytes;
	if (late->length < 5 || bytes[0] != modbus->asked_unit || (bytes[1] & 0x7F) != modbus->asked_function ||
		checksum_crc16(bytes, late->length) != 0)
		return false;
	switch (bytes[1]) {
	case MODBUS_FC_READ_HOLDING_REGISTERS:
	case MODBUS_FC_READ_INPUT_REGISTERS:
		return late->length == 5u + bytes[2];
	case MODBUS_FC_WRITE_SINGLE_REGISTER:
	case MODBUS_FC_WRITE_MULTIPLE_REGISTERS:
		return late->length == 8;
	default:
		return bytes[1] & 0x80 && late->length == 5;
	}
}

/* One question is open, so one answer is owed. When it comes, late and whole, nothing else can; else all the time it
 * may take is waited out. What arrives is thrown away. */
static int wait_out(struct modbus_link *modbus, int lateness_ms, struct fault *fault)
{
	struct adu late = { .length = 0 };
	long until_ms = clock_ms() + lateness_ms;
	while (clock_ms() < until_ms) {
		long pause_ms = late.length > 0 ? clock_ms() + QUIET_MS : until_ms;
		int got = link_read_fd(&modbus->link, modbus->fd, late.bytes + late.length,
			sizeof(late.bytes) - late.length, pause_ms < until_ms ? pause_ms : until_ms, fault);
		if (got < 0)
			return got;
		late.length += (size_t)got;
		if (got > 0)
			link_tell_note(
				&modbus->link, modbus->asked_unit, "%d bytes came late and were thrown away", got);
		if (got > 0 && late.length < sizeof(late.bytes))
			continue;
		if (is_owed(modbus, &late))
			return 0;
		late.length = 0;
	}
	return 0;
}

static int modbus_link_quarantine(struct link *link, int lateness_ms, struct fault *fault)
{
	struct modbus_link *modbus = (struct modbus_link *)link;
	if (is_tcp(link)) {
		link_close(link);
		return link_open(link, fault);
	}
	int error = link->open ? wait_out(modbus, lateness_ms, fault) : link_pause(link, lateness_ms);
	disconnect(modbus); /* the lock stays ours: nobody else may ask into the wait */
	if (!error)
		error = modbus_link_open(link, fault);
	link->open = !error;
	if (!error)
		error = drain(modbus, lateness_ms + 1000, fault);
	if (error < 0)
		link_close(link);
	return error;
}

const struct link_kind link_modbus_kind = {
	.size = sizeof(struct modbus_link),
	.prepare = modbus_link_prepare,
	.discard = modbus_link_close,
	.open = modbus_link_open,
	.close = modbus_link_close,
	.exchange = modbus_link_exchange,
	.quarantine = modbus_link_quarantine,
};
