#include "control_tap.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void set_line(struct recording *recording, struct json *value)
{
	char *text = js_dump(value);
	js_free(value);
	size_t length = strlen(text);
	recording->line = realloc(text, length + 1);
	if (!recording->line)
		abort();
	recording->line[length] = '\n';
	recording->length = length + 1;
	recording->at = 0;
}

/* A recording holds the bytes as they came, and a scanned code may be anybody's identity number. */
static int check_personal(struct room *room, const char *instrument, struct fault *fault)
{
	struct config *config = room_config(room);
	int error = 0;
	for (size_t i = 0; i < config->instrument_count && !error; i++) {
		const struct instrument_config *one = &config->instruments[i];
		if (strcmp(one->id, instrument) == 0 && one->driver->scans && one->identity != IDENTITY_KEEP)
			error = fault_set(fault, EPERM,
				_("what %s reads may hold numbers of identity cards and is not recorded; write "
				  "identity-numbers = keep into [samples] while you record"),
				instrument);
	}
	config_release(config);
	return error;
}

int recording_start(struct room *room, const struct json *request, struct recording *recording, struct fault *fault)
{
	const char *instrument = js_get_text(request, "instrument");
	struct capture_head head = { 0 };
	if (!instrument)
		return fault_set(fault, EINVAL, _("capture needs an \"instrument\""));
	int error = check_personal(room, instrument, fault);
	if (!error)
		error = room_tap(room, instrument, &recording->tap, &head, fault);
	if (error < 0)
		return error;
	struct json *line = js_new_object();
	js_put_text(line, "instrument", head.instrument);
	js_put_text(line, "driver", head.driver);
	js_put_text_if(line, "profile", head.profile);
	js_put_text_if(line, "line", head.line);
	if (head.unit)
		js_put_integer(line, "unit", head.unit);
	js_put_text(line, "wire", capture_wire_name(head.wire));
	set_line(recording, line);
	return 0;
}

void recording_stop(struct recording *recording)
{
	if (recording->tap)
		tap_close(recording->tap);
	tap_release(recording->tap);
	free(recording->line);
	*recording = (struct recording){ 0 };
}

short recording_events(const struct recording *recording)
{
	return (short)(recording->line ? POLLIN | POLLOUT : POLLIN);
}

int recording_fd(const struct recording *recording)
{
	return recording->tap && !recording->line ? tap_fd(recording->tap) : -1;
}

static void put_hex(struct json *line, const uint8_t *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	char hex[2 * TAP_BYTES_MAX + 1];
	for (size_t i = 0; i < length; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[2 * length] = '\0';
	js_put_text(line, "hex", hex);
}

static void put_note(struct json *line, const uint8_t *bytes, size_t length)
{
	char note[TAP_BYTES_MAX + 1];
	memcpy(note, bytes, length);
	note[length] = '\0';
	js_put_text(line, "note", note);
}

static void set_item(struct recording *recording, const struct tap_item *item, const uint8_t *bytes)
{
	struct json *line = js_new_object();
	js_put_integer(line, "at_us", item->at_us);
	switch (item->kind) {
	case TAP_RECEIVED:
	case TAP_SENT:
		js_put_text(line, "dir", item->kind == TAP_SENT ? ">" : "<");
		put_hex(line, bytes, item->length);
		break;
	case TAP_NOTE:
		put_note(line, bytes, item->length);
		break;
	case TAP_RESULTS:
		js_put_integer(line, "results", (int64_t)item->count);
		break;
	case TAP_DROPPED:
		js_put_integer(line, "dropped", (int64_t)item->count);
		js_put_integer(line, "bytes", (int64_t)item->dropped_bytes);
		break;
	}
	set_line(recording, line);
}

/* 1 with the line sent, 0 when the socket takes no more now, -1. */
static int send_line(struct recording *recording, int fd)
{
	while (recording->at < recording->length) {
		ssize_t sent = send(fd, recording->line + recording->at, recording->length - recording->at,
			MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		recording->at += (size_t)sent;
	}
	free(recording->line);
	recording->line = NULL;
	return 1;
}

int recording_send(struct recording *recording, int fd)
{
	uint8_t bytes[TAP_BYTES_MAX];
	struct tap_item item;
	for (int lines = 0; lines < 256; lines++) { /* then the other clients */
		int sent = recording->line ? send_line(recording, fd) : 1;
		if (sent <= 0)
			return sent;
		int taken = tap_take(recording->tap, &item, bytes);
		if (taken <= 0)
			return taken;
		set_item(recording, &item, bytes);
	}
	return 0;
}
