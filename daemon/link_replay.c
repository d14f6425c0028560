/* Replay of a capture: the bytes an instrument once sent, played as fast as the line takes them, then silence.
 *
 * The file is for people: two hexadecimal digits a byte, blanks between them as one likes, `#` starts a comment. A line
 * may begin with a direction: `<` what the instrument sent (also the meaning of a line without one), `>` what was sent
 * to it, which is not played.
 */
#include "link_kind.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

struct replay_link {
	struct link link;
	uint8_t *bytes;
	size_t length, at;
	bool loaded;
};

static int digit(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
	                                    : -1;
}

/* Appends one line's bytes; false when it is no line of a capture. */
static bool play_line(struct replay_link *replay, const char *line)
{
	while (isspace((unsigned char)*line))
		line++;
	bool ours = *line == '>';
	if (*line == '<' || *line == '>')
		line++;
	for (; *line && *line != '#'; line++) {
		if (isspace((unsigned char)*line))
			continue;
		int high = digit(line[0]), low = high < 0 ? -1 : digit(line[1]);
		if (low < 0)
			return false;
		if (!ours)
			replay->bytes[replay->length++] = (uint8_t)(high << 4 | low);
		line++;
	}
	return true;
}

static int load(struct replay_link *replay, FILE *file, struct fault *fault)
{
	char *line = NULL;
	size_t room = 0, number = 0;
	ssize_t length;
	int error = 0;
	while (!error && (length = getline(&line, &room, file)) >= 0) {
		number++;
		uint8_t *more = realloc(replay->bytes, replay->length + (size_t)length / 2 + 1);
		if (!more) {
			error = fault_set(fault, ENOMEM, _("%s: out of memory"), replay->link.port->text);
			break;
		}
		replay->bytes = more;
		if (!play_line(replay, line))
			error = fault_set(fault, EINVAL,
				_("%s:%zu: not a capture: wanted pairs of hexadecimal digits, after < or > at most"),
				replay->link.port->path, number);
	}
	free(line);
	return error;
}

static int replay_open(struct link *link, struct fault *fault)
{
	struct replay_link *replay = (struct replay_link *)link;
	if (replay->loaded)
		return 0; /* opened again after a fault: go on where it was, as an instrument would */
	FILE *file = fopen(link->port->path, "re");
	if (!file)
		return fault_set(fault, errno, "%s: %s", link->port->path, strerror(errno));
	replay->length = replay->at = 0;
	int error = load(replay, file, fault);
	fclose(file);
	replay->loaded = error == 0;
	return error;
}

static void replay_close(struct link *link)
{
	(void)link;
}

static void replay_discard(struct link *link)
{
	free(((struct replay_link *)link)->bytes);
}

static int replay_read(struct link *link, uint8_t *data, size_t size, long until_ms, struct fault *fault)
{
	(void)fault;
	struct replay_link *replay = (struct replay_link *)link;
	size_t left = replay->length - replay->at;
	if (left == 0)
		return link_wait(link, -1, 0, until_ms);
	size_t length = left < size ? left : size;
	memcpy(data, replay->bytes + replay->at, length);
	replay->at += length;
	return (int)length;
}

static int replay_write(struct link *link, const uint8_t *data, size_t length, struct fault *fault)
{
	(void)link, (void)data, (void)length, (void)fault; /* what is asked changes nothing in a recording */
	return 0;
}

const struct link_kind link_replay_kind = {
	.size = sizeof(struct replay_link),
	.discard = replay_discard,
	.open = replay_open,
	.close = replay_close,
	.read = replay_read,
	.write = replay_write,
};
