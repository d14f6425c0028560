/* Bytes that are no frame, and frames the driver refuses: kept as far as an event carries them, told once per run.
 *
 * A run is what stands between two frames, or before a pause. Its first bytes, its place in the stream and its length
 * become an event `undecodable`, with growing patience for each instrument: on a noisy line most runs are only counted,
 * and the next event says how many and how long they were. A run of nothing but blanks, line ends and zeros is what
 * instruments put between their messages; it is counted as noise and is no event. What of it may be a person's the
 * driver hides before anything is kept.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "line_parts.h"

#define NOISE_KEPT   512
#define RUN_MAX      65536   /* a run that does not end is told all the same */
#define RUN_PAUSE_MS 1000    /* nothing for so long ends a run */
#define FORGET_MS    3600000 /* a line without noise for so long is well again: the next run is told at once */

struct noise {
	uint64_t offset, length; /* of the run; length 0: none */
	uint8_t kept[NOISE_KEPT];
	bool filler, refused; /* nothing but blanks so far; a frame that the driver refused */
	long last_ms;
	struct complaint patience;
	unsigned long runs_not_kept; /* since the last event */
	uint64_t bytes_not_kept;
	/* since the last word of the instrument, fillers apart */
	uint64_t unheard;
	long unheard_since_ms;
};

/* ---- what it says of the instrument ---- */

#define MUCH       64    /* bytes: more than a plug or a switch makes */
#define LASTING_MS 3000  /* a frame may stand behind noise */
#define RECENT_MS  10000 /* what came so long ago says nothing of an answer now */

static void count_unheard(struct noise *noise, const struct cut *cut)
{
	if (noise->unheard == 0)
		noise->unheard_since_ms = clock_ms();
	noise->unheard += cut->length;
}

static bool blame(const struct noise *noise, struct fault *fault)
{
	fault_set(fault, ETIMEDOUT,
		_("%llu bytes came, and nothing that this instrument would say; check speed, parity and cable, and that "
		  "driver and profile are those of this model"),
		(unsigned long long)noise->unheard);
	return true;
}

bool line_noise_now(const struct unit *unit, struct fault *fault)
{
	const struct noise *noise = unit->noise;
	return noise && noise->unheard > 0 && clock_ms() - noise->last_ms < RECENT_MS && blame(noise, fault);
}

bool line_noise_only(const struct unit *unit, struct fault *fault)
{
	const struct noise *noise = unit->noise;
	if (!noise || noise->unheard < MUCH)
		return false;
	bool asked = driver_manner(unit->config->driver, unit->config->profile) == MANNER_ASKS;
	/* one burst, of one that has nothing to say, is no fault of its */
	bool lasts = (asked ? clock_ms() : noise->last_ms) - noise->unheard_since_ms >= LASTING_MS;
	return lasts && (!asked || clock_ms() - noise->last_ms < RECENT_MS) && blame(noise, fault);
}

void line_noise_over(struct unit *unit)
{
	if (unit->noise)
		unit->noise->unheard = 0;
}

/* ---- runs ---- */

void line_noise_free(struct unit *unit)
{
	free(unit->noise);
}

static bool is_filler(uint8_t byte)
{
	return byte == 0 || byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static bool all_filler(const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!is_filler(bytes[i]))
			return false;
	return true;
}

static void add(struct noise *noise, const struct cut *cut)
{
	if (noise->length == 0) {
		noise->offset = cut->offset;
		noise->filler = true;
		noise->refused = false;
	}
	if (noise->length < NOISE_KEPT) {
		size_t room = NOISE_KEPT - (size_t)noise->length;
		memcpy(noise->kept + noise->length, cut->bytes, cut->length < room ? cut->length : room);
	}
	noise->filler = noise->filler && all_filler(cut->bytes, cut->length);
	noise->length += cut->length;
	noise->last_ms = clock_ms();
}

static struct noise *noise_of(struct unit *unit)
{
	if (!unit->noise)
		unit->noise = calloc(1, sizeof(*unit->noise)); /* most lines never need it */
	struct noise *noise = unit->noise;
	if (noise && noise->last_ms && clock_ms() - noise->last_ms > FORGET_MS)
		complaint_over(&noise->patience);
	return noise;
}

static void fill_reason(const struct noise *noise, struct notice *notice)
{
	size_t size = sizeof(notice->reason);
	const char *what = !noise->length   ? _("more bytes that are no frame came and were only counted")
	                   : noise->refused ? _("a frame is refused: its checksum, length or content is wrong")
	                                    : _("bytes that are no frame of this instrument");
	if (noise->runs_not_kept)
		snprintf(notice->reason, size, _("%s; before them %lu runs of %llu bytes in all were not kept"), what,
			noise->runs_not_kept, (unsigned long long)noise->bytes_not_kept);
	else
		snprintf(notice->reason, size, "%s", what);
}

/* True when a notice was put into the open batch, or the run passed over. */
static bool tell(struct line *line, struct unit *unit)
{
	struct noise *noise = unit->noise;
	const struct driver *driver = unit->config->driver;
	struct notice *notice = readings_notice(&line->readings, NOTICE_UNDECODABLE);
	if (!notice)
		return false; /* the batch is full of others: the next time */
	fill_reason(noise, notice);
	notice->placed = noise->length > 0;
	notice->offset = noise->offset;
	notice->raw = noise->kept;
	notice->raw_length = noise->length < NOISE_KEPT ? (size_t)noise->length : NOISE_KEPT;
	notice->length = noise->length;
	if (driver->hide)
		notice->left_out = driver->hide(noise->kept, notice->raw_length);
	notice->runs_not_kept = noise->runs_not_kept;
	notice->bytes_not_kept = noise->bytes_not_kept;
	noise->runs_not_kept = 0;
	noise->bytes_not_kept = 0;
	return true;
}

bool line_noise_end(struct line *line, struct unit *unit)
{
	struct noise *noise = unit->noise;
	if (!noise || noise->length == 0)
		return false;
	bool told = false;
	bool last = line->ending; /* nothing comes behind it that could tell it */
	if (!noise->filler && (complaint_due(&noise->patience) || last)) {
		told = tell(line, unit);
	} else if (!noise->filler) {
		noise->runs_not_kept++;
		noise->bytes_not_kept += noise->length;
	}
	noise->length = 0;
	return told;
}

bool line_noise(struct line *line, struct unit *unit, const struct cut *cut)
{
	unit->stats.noise_bytes += cut->length;
	struct noise *noise = noise_of(unit);
	if (noise)
		add(noise, cut);
	if (noise && !all_filler(cut->bytes, cut->length))
		count_unheard(noise, cut);
	return noise && noise->length >= RUN_MAX && line_noise_end(line, unit);
}

bool line_refused(struct line *line, struct unit *unit, const struct reply *reply)
{
	struct noise *noise = noise_of(unit);
	if (!noise)
		return false;
	add(noise, &(struct cut){ reply->bytes, reply->length, reply->offset });
	noise->filler = false;
	noise->refused = true;
	return line_noise_end(line, unit);
}

bool line_noise_waits(const struct unit *unit, long *until_ms)
{
	const struct noise *noise = unit->noise;
	if (!noise || noise->length == 0)
		return false;
	if (noise->last_ms + RUN_PAUSE_MS < *until_ms)
		*until_ms = noise->last_ms + RUN_PAUSE_MS;
	return true;
}

void line_noise_last(struct line *line, struct unit *unit)
{
	struct noise *noise = unit->noise;
	if (!noise || (noise->length == 0 && noise->runs_not_kept == 0))
		return;
	line->ending = true;
	line_begin(line, unit);
	if (!line_noise_end(line, unit) && noise->runs_not_kept > 0)
		tell(line, unit);
	line_commit(line, unit);
}

int line_noise_look(struct line *line, struct unit *unit)
{
	struct noise *noise = unit->noise;
	if (!noise)
		return 0;
	bool paused = noise->length > 0 && clock_ms() - noise->last_ms >= RUN_PAUSE_MS;
	bool owed = noise->length == 0 && noise->runs_not_kept > 0 && clock_ms() >= noise->patience.next_ms;
	if (!paused && !owed)
		return 0;
	line_begin(line, unit);
	if (paused)
		line_noise_end(line, unit);
	else if (complaint_due(&noise->patience))
		tell(line, unit);
	return line_commit(line, unit);
}
