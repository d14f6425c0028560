/* One turn: what the driver asks, what the instrument answers, and what becomes of it. */
#include <errno.h>
#include <string.h>

#include "clock.h"
#include "line_parts.h"

#define LISTEN_MS 60000 /* a driver that only listens is asked again this often, though nothing came */
#define PAUSE_MS  500   /* after a pause like this it was not interrupted while it spoke */

static enum turn told(enum next next)
{
	return next == NEXT_ASK ? TURN_AGAIN : TURN_IDLE;
}

static enum turn take(struct line *line, struct unit *unit, const struct reply *reply)
{
	line_begin(line, unit);
	enum next next = line_take(line, unit, reply);
	return line_commit(line, unit) < 0 ? TURN_STOP : told(next);
}

/* `broken` is what came instead of a whole answer. */
static enum turn silence(struct line *line, struct unit *unit, const struct cut *broken)
{
	struct reply reply = {
		.kind = REPLY_SILENCE, .bytes = broken->bytes, .length = broken->length, .offset = broken->offset
	};
	return take(line, unit, &reply) == TURN_STOP ? TURN_STOP : TURN_SILENT;
}

static int answer_ms(const struct unit *unit, const struct request *request)
{
	return request->timeout_ms > 0 ? request->timeout_ms : (int)unit->config->timeout_ms;
}

/* After a negative answer nothing on the line can be believed until every late answer has come: the line rests.
 *
 * One case need not rest it. Where several units share an RTU line and one was silent to the last bit, its late answer
 * carries its own address and cannot pass for another's; so only that unit is left alone (longer than the lateness),
 * and the others go on. Should the late answer spoil one of theirs, the line does rest, and the spoilt one is not
 * blamed. */
static enum turn quarantine(struct line *line, struct unit *unit, int error, struct fault *fault)
{
	long now = clock_ms(), lateness_ms = unit->config->lateness_ms;
	bool spoilt = now < line->suspect_until_ms;
	if (error == -ETIMEDOUT && line->count > 1 && unit->config->port.kind == PORT_MODBUS_RTU && !spoilt) {
		line->suspect_until_ms = now + lateness_ms;
		return TURN_SILENT;
	}
	unit->stats.quarantines++;
	struct fault after = { "" };
	error = link_quarantine(line->link, (int)lateness_ms, &after);
	if (error == -ECANCELED)
		return TURN_STOP;
	if (error < 0) {
		*fault = after;
		return TURN_BROKEN;
	}
	return spoilt ? TURN_IDLE : TURN_SILENT;
}

static enum turn exchange(struct line *line, struct unit *unit, const struct request *request, struct fault *fault)
{
	uint16_t registers[REGISTERS_MAX];
	uint8_t bytes[PDU_MAX];
	static const struct cut nothing;
	struct reply reply = { .kind = REPLY_DONE };
	if (request->kind == REQUEST_NONE)
		return take(line, unit, &reply);
	int error = link_exchange(line->link, (int)unit->config->unit, request, answer_ms(unit, request), &reply,
		registers, bytes, fault);
	unit->stats.noise_bytes += link_unasked(line->link);
	if (error == -ECANCELED)
		return TURN_STOP;
	if (error == -ENOTCONN)
		return TURN_BROKEN;
	if (error == 0) {
		if (reply.kind == REPLY_REFUSED)
			unit->stats.refusals++;
		line_heard(line, unit);
		return take(line, unit, &reply);
	}
	if (error == -ETIMEDOUT)
		unit->stats.timeouts++;
	else
		unit->stats.rejected++;
	return silence(line, unit, &nothing) == TURN_STOP ? TURN_STOP : quarantine(line, unit, error, fault);
}

/* Gives every whole frame to the driver until it has what it wants: that, or NEXT_WAIT when it wants more, or
 * -ECANCELED. A burst that arrived together becomes one commit. */
static int commit_and_begin(struct line *line, struct unit *unit)
{
	int error = line_commit(line, unit);
	line_begin(line, unit);
	return error;
}

/* Whether the instrument is there: where it only answers, a frame that neither says nor ends anything may be our own
 * question, come back on a line of two wires. */
static bool is_word_of_it(const struct line *line, const struct unit *unit, enum next next, unsigned long empty_before)
{
	const struct readings *readings = &line->readings;
	unsigned long empty = unit->stats.blanks + unit->stats.rejected;
	return next != NEXT_WAIT || readings->count > 0 || readings->notice_count > 0 || empty > empty_before ||
	       driver_manner(unit->config->driver, unit->config->profile) != MANNER_ASKS;
}

static int take_frames(struct line *line, struct unit *unit, bool final, bool *ret_any)
{
	struct cut cut;
	enum cut_kind kind;
	enum next next = NEXT_WAIT;
	line_begin(line, unit);
	while (next == NEXT_WAIT && (kind = cutter_next(&line->cutter, &unit->instrument, final, &cut)) != CUT_MORE) {
		bool noise = kind == CUT_NOISE;
		if ((noise ? line_noise(line, unit, &cut) : line_noise_end(line, unit)) &&
			commit_and_begin(line, unit) < 0)
			return -ECANCELED;
		if (noise)
			continue;
		struct reply reply = {
			.kind = REPLY_FRAME, .bytes = cut.bytes, .length = cut.length, .offset = cut.offset
		};
		*ret_any = true;
		do {
			unsigned long empty = unit->stats.blanks + unit->stats.rejected;
			next = line_take(line, unit, &reply);
			if (is_word_of_it(line, unit, next, empty))
				line_heard(line, unit);
			if ((next == NEXT_MORE || line_full(line)) && commit_and_begin(line, unit) < 0)
				return -ECANCELED;
		} while (next == NEXT_MORE);
	}
	if (final)
		line_noise_end(line, unit);
	return line_commit(line, unit) < 0 ? -ECANCELED : (int)next;
}

/* Until when to wait for the next byte: an answer that is owed or begun has its time; without one we listen, but not
 * past the turn of another unit. */
static long patience(const struct line *line, const struct unit *unit, bool owed, long since_ms, int timeout_ms)
{
	if (owed)
		return since_ms + timeout_ms;
	long until_ms = clock_ms() + LISTEN_MS;
	for (size_t i = 0; i < line->count; i++)
		if (&line->units[i] != unit && line->units[i].due_ms < until_ms)
			until_ms = line->units[i].due_ms;
	return until_ms;
}

/* Reads once. 1 with bytes in the cutter, 0 when the time is up, -errno. A pause that ends a run of noise is no end of
 * the time: the run is stored, and reading goes on. */
static int hear(struct line *line, struct unit *unit, long until_ms, struct fault *fault)
{
	uint8_t bytes[1024];
	int got;
	for (;;) {
		long end_ms = until_ms;
		bool noisy = line_noise_waits(unit, &end_ms);
		long left = end_ms - clock_ms();
		got = link_read(line->link, bytes, sizeof(bytes), left > 0 ? (int)left : 0, fault);
		struct fault remark;
		if (link_remark(line->link, &remark))
			log_notice("%s", remark.text);
		if (got != 0 || !noisy || end_ms >= until_ms)
			break;
		if (line_noise_look(line, unit) < 0)
			return -ECANCELED;
	}
	if (got <= 0)
		return got;
	return cutter_feed(&line->cutter, bytes, (size_t)got) < 0 ? fault_set(fault, ENOMEM, _("out of memory")) : 1;
}

static bool listens(const struct request *request)
{
	return request->kind == REQUEST_NONE || request->unanswered;
}

static enum turn unanswered(struct line *line, struct unit *unit, const struct request *request,
	const struct cut *broken, struct fault *fault)
{
	bool listening = listens(request);
	if (request->may_rest) { /* no answer was owed: what began like one may be a stray byte */
		line_listening(line, unit);
		return silence(line, unit, broken) == TURN_STOP ? TURN_STOP : TURN_RESTS;
	}
	if (!line_noise_now(unit, fault))
		fault_set(fault, ETIMEDOUT,
			_("no whole answer in time; check cable, line settings and that the instrument is on"));
	if (!listening)
		unit->stats.timeouts++;
	enum turn turn = silence(line, unit, broken);
	return turn == TURN_SILENT && listening ? TURN_AGAIN : turn;
}

/* May a frame that only silence ends be whole? Not when we leave while it comes, nor when it is unplugged meanwhile:
 * half a ticket is no result. But who hangs up has said all. What was asked for is asked for again, and needs no guess.
 */
static bool said_all(const struct line *line, const struct unit *unit, bool left, long since_ms)
{
	const struct instrument_config *config = unit->config;
	if (driver_manner(config->driver, config->profile) == MANNER_ASKS)
		return false;
	bool hung_up = left && config->port.kind != PORT_SERIAL;
	return cutter_held(&line->cutter) == 0 || hung_up || clock_ms() - since_ms >= PAUSE_MS;
}

/* The connection is gone, or we are: what is held is stored first, or told, as after a silence. It cannot be
 * acknowledged; the driver is asked all the same where frames follow, as it knows no other order. */
static enum turn last_words(struct line *line, struct unit *unit, bool left, long since_ms)
{
	struct cut held;
	bool any;
	int next;
	line->cutter.torn = !said_all(line, unit, left, since_ms);
	line->ending = !left;
	cutter_peek(&line->cutter, &held);
	do {
		next = take_frames(line, unit, true, &any);
		if (next > NEXT_WAIT)
			unit->instrument.driver->ask(&unit->instrument, &(struct request){ .kind = REQUEST_NONE });
	} while (next > NEXT_WAIT && cutter_held(&line->cutter) > 0);
	if (next == -ECANCELED || (next == NEXT_WAIT && held.length > 0 && silence(line, unit, &held) == TURN_STOP))
		return TURN_STOP;
	return left ? TURN_BROKEN : TURN_STOP;
}

static enum turn listen_for_frames(
	struct line *line, struct unit *unit, const struct request *request, struct fault *fault)
{
	bool listening = listens(request), owed = !listening, final = false;
	struct cut broken = { 0 };
	long since_ms = clock_ms(), read_ms = since_ms;
	for (;;) {
		bool framed = false;
		unsigned long noise = unit->stats.noise_bytes;
		int next = take_frames(line, unit, final, &framed);
		if (next == -ECANCELED)
			return TURN_STOP;
		if (next != NEXT_WAIT)
			return listening ? TURN_AGAIN : told((enum next)next);
		/* noise gives an answer no more time, for it may never end; what nobody owed begins with this read */
		if (framed || !owed || (cutter_held(&line->cutter) > 0 && unit->stats.noise_bytes == noise))
			since_ms = read_ms;
		owed = owed || framed || cutter_held(&line->cutter) > 0;
		if (final)
			return owed ? unanswered(line, unit, request, &broken, fault) : TURN_AGAIN;
		if (listening) {
			line_listening(line, unit);
			line_clock_announce(line, unit);
		}
		int got = hear(line, unit, patience(line, unit, owed, since_ms, answer_ms(unit, request)), fault);
		if (got < 0)
			return last_words(line, unit, got != -ECANCELED, read_ms);
		final = got == 0; /* what is held will not become whole: what stands behind its first byte may be */
		cutter_peek(&line->cutter, &broken);
		read_ms = clock_ms();
	}
}

static enum turn converse(struct line *line, struct unit *unit, const struct request *request, struct fault *fault)
{
	if (request->kind == REQUEST_BYTES) {
		int error = link_write(line->link, request->bytes, request->length, fault);
		if (error < 0)
			return last_words(line, unit, error != -ECANCELED, clock_ms());
	}
	return listen_for_frames(line, unit, request, fault);
}

enum turn line_turn(struct line *line, struct unit *unit, struct fault *fault)
{
	if (unit->config->port.kind == PORT_FOLDER)
		return line_file(line, unit, fault);
	struct request request = { .kind = REQUEST_NONE };
	if (line_noise_look(line, unit) < 0)
		return TURN_STOP;
	unit->instrument.now = clock_local();
	line_clock_wish(line, unit);
	unit->instrument.driver->ask(&unit->instrument, &request);
	if (request.pause_ms > 0 && link_pause(line->link, request.pause_ms) < 0)
		return TURN_STOP;
	if (request.kind != REQUEST_NONE)
		unit->stats.polls++;
	return line->modbus ? exchange(line, unit, &request, fault) : converse(line, unit, &request, fault);
}
