/* A turn of a folder: one file, from its first byte to its last, stored before the next.
 *
 * Its rows are stored as they come; the cursor moves with the last of them. Whoever is killed between reads the file
 * again, and finds what is stored already known.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "line_parts.h"

#define LOOK_MS   60000 /* how long to wait for a file in one turn */
#define BLOCK     16384
#define JUNK_KEPT 256 /* bytes of a file that is no text */

static int commit(struct line *line, struct unit *unit)
{
	int error = line_commit(line, unit);
	line_begin(line, unit);
	return error;
}

static int take(struct line *line, struct unit *unit, const struct link_file *file, const struct reply *reply,
	struct fault *fault)
{
	bool known = reply->offset + reply->length <= file->known;
	enum next next;
	do {
		size_t notices = line->readings.notice_count;
		next = line_take(line, unit, reply);
		int error = line_rows_take(line, file, fault);
		if (error)
			return error;
		if (known) /* what is wrong with these bytes was told when they were new */
			line->readings.notice_count = notices;
		if ((next == NEXT_MORE || line_full(line)) && commit(line, unit) < 0)
			return -ECANCELED;
	} while (next == NEXT_MORE);
	return 0;
}

static int take_frames(
	struct line *line, struct unit *unit, const struct link_file *file, bool final, struct fault *fault)
{
	struct cut cut;
	enum cut_kind kind;
	int error = 0;
	unit->instrument.idle = final;
	while (!error && (kind = cutter_next(&line->cutter, &unit->instrument, final, &cut)) != CUT_MORE) {
		if (kind == CUT_NOISE) {
			unit->stats.noise_bytes += cut.length;
			continue;
		}
		struct reply reply = {
			.kind = REPLY_FRAME, .bytes = cut.bytes, .length = cut.length, .offset = cut.offset
		};
		error = take(line, unit, file, &reply, fault);
	}
	/* Readings point into the cutter, which moves with the next bytes. The last ones are stored with the cursor. */
	return error || final ? error : commit(line, unit);
}

/* `bytes` must stay until it is stored. */
static int tell(struct line *line, const struct link_file *file, const char *what, const uint8_t *bytes, size_t length)
{
	struct notice *notice = file->known > 0 ? NULL : readings_notice(&line->readings, NOTICE_UNDECODABLE);
	if (!notice)
		return 1;
	snprintf(notice->reason, sizeof(notice->reason), _("file %.80s: %s"), file->name, what);
	notice->raw = bytes;
	notice->raw_length = length;
	return 1;
}

/* Rows of registrations may hold identity numbers, which are not kept with an event. */
static bool personal(const struct unit *unit)
{
	return unit->config->driver->scans && unit->config->identity != IDENTITY_KEEP;
}

/* 1 when all of it was taken, 0 when it changed meanwhile, -errno. */
static int read_file(struct line *line, struct unit *unit, const struct link_file *file, uint8_t bytes[static BLOCK],
	struct fault *fault)
{
	static const uint8_t mark[] = { 0xEF, 0xBB, 0xBF }; /* of UTF-8, which some programs write first */
	struct reply begins = { .kind = REPLY_FILE };
	bool first = true;
	if (unit->config->driver->scans)
		line_rows_begin(line, file);
	line_take(line, unit, &begins);
	for (int got; (got = link_read(line->link, bytes, BLOCK, 0, fault)) != 0; first = false) {
		if (got < 0)
			return got;
		size_t length = (size_t)got;
		bool marked = first && length >= sizeof(mark) && memcmp(bytes, mark, sizeof(mark)) == 0;
		size_t skip = marked ? sizeof(mark) : 0;
		size_t shown = length < JUNK_KEPT ? length : JUNK_KEPT;
		if (first && memchr(bytes, 0, length))
			return tell(line, file, _("no text, or UTF-16; UTF-8 or GB 18030 would be right"), bytes,
				personal(unit) ? 0 : shown);
		if (cutter_feed(&line->cutter, bytes + skip, length - skip) < 0)
			return fault_set(fault, ENOMEM, _("out of memory"));
		int error = take_frames(line, unit, file, false, fault);
		if (error)
			return error;
	}
	if (!link_file_whole(line->link))
		return 0;
	int error = take_frames(line, unit, file, true, fault);
	if (!error)
		error = line_rows_end(line, unit, fault);
	return error ? error : 1;
}

/* The file is done with. -ECANCELED when told to stop before its cursor was stored. */
static int finish(struct line *line, struct unit *unit, bool whole)
{
	struct fault remark;
	if (whole)
		link_file_cursor(line->link, line->readings.cursor, sizeof(line->readings.cursor));
	if (line_commit(line, unit) < 0)
		return -ECANCELED;
	link_file_over(line->link, whole);
	if (link_remark(line->link, &remark))
		log_warning("%s", remark.text);
	return 0;
}

enum turn line_file(struct line *line, struct unit *unit, struct fault *fault)
{
	struct link_file file;
	uint8_t bytes[BLOCK];
	int got = link_file_next(line->link, unit->instrument.cursor, LOOK_MS, &file, fault);
	if (got == -ECANCELED)
		return TURN_STOP;
	if (got < 0)
		return TURN_BROKEN;
	line_heard(line, unit);
	if (got == 0)
		return TURN_AGAIN;
	cutter_reset(&line->cutter);
	line_begin(line, unit);
	unit->instrument.file = file.name;
	unit->instrument.file_day = file.changed;
	unit->instrument.now = clock_local();
	int whole =
		*file.refused ? tell(line, &file, file.refused, NULL, 0) : read_file(line, unit, &file, bytes, fault);
	if (whole >= 0 && finish(line, unit, whole > 0) < 0)
		whole = -ECANCELED;
	unit->instrument.file = NULL;
	unit->instrument.idle = false;
	cutter_reset(&line->cutter);
	return whole == -ECANCELED ? TURN_STOP : whole < 0 ? TURN_BROKEN : TURN_AGAIN;
}
