#include "room.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "line.h"
#include "scanner.h"

enum { PORT_TRIES = 50 };

struct bench { /* where one instrument works */
	struct room *room;
	struct instrument *instrument;
	struct line *line;
	struct timer timer;
	int64_t next_ns;
};

struct interruption {
	struct room *room;
	const struct outage *outage;
	struct timer timer;
	bool begun;
};

struct room {
	const struct options *options;
	int truth;
	int64_t interval_ns; /* between two batches of one instrument */
	struct line *lines;
	size_t line_count;
	struct instrument *instruments; /* line by line */
	struct bench *benches;
	size_t instrument_count;
	struct scanner scanner;
	struct interruption interruptions[OUTAGES_MAX];
	bool unplugged; /* by room_unplug() */
};

static void *list_of(size_t count, size_t size)
{
	void *list = calloc(count, size);

	if (!list)
		err(1, "no memory for %zu instruments", count);
	return list;
}

static void finish_due(void *context)
{
	struct bench *bench = context;
	int64_t now = loop_now_ns();
	bool more = true;

	while (more && bench->next_ns <= now) {
		bench->next_ns += bench->room->interval_ns;
		if (bench->instrument->powered && !dump8_busy(bench->instrument, now))
			more = instrument_finish_batch(bench->instrument, bench->room->truth);
		line_push(bench->line, bench->instrument);
	}
	bench->instrument->measuring = more;
	if (more)
		timer_set(&bench->timer, bench->next_ns);
}

/* The benches begin one after the other within one interval, so that a thousand of them load the room evenly. */
static void start_benches(struct room *room)
{
	const struct options *options = room->options;
	int64_t now = loop_now_ns() + options->start_delay_ns;

	if (options->rate <= 0 || options->results == 0 || options->archetype == ARCHETYPE_SCANNER)
		return;
	room->interval_ns = (int64_t)(1e9 * options->burst / options->rate);
	for (size_t i = 0; i < room->instrument_count; i++) {
		struct bench *bench = &room->benches[i];
		*bench = (struct bench){
			.room = room, .instrument = &room->instruments[i], .line = &room->lines[i / options->unit_count]
		};
		if (options->dead[bench->instrument->place.unit])
			continue;
		bench->timer = (struct timer){ .fire = finish_due, .context = bench };
		bench->next_ns = now + room->interval_ns / (int64_t)room->instrument_count * (int64_t)(i + 1);
		bench->instrument->measuring = true;
		timer_set(&bench->timer, bench->next_ns);
	}
}

static void begin_outage(struct room *room, const struct outage *outage)
{
	for (size_t i = 0; i < room->instrument_count && outage->kind == OUTAGE_POWER_CYCLE; i++)
		room->instruments[i].powered = false;
	/* A serial cable stays where it is when the instrument loses power; a TCP connection does not survive it. */
	for (size_t i = 0; i < room->line_count; i++) {
		if (outage->kind == OUTAGE_UNPLUG || !room->options->serial)
			line_pull(&room->lines[i]);
		else
			line_fall_silent(&room->lines[i]);
	}
}

static void end_outage(struct room *room, const struct outage *outage)
{
	for (size_t i = 0; i < room->line_count; i++) {
		if (outage->kind == OUTAGE_UNPLUG || !room->options->serial)
			line_plug_in(&room->lines[i]);
	}
	for (size_t i = 0; i < room->instrument_count && outage->kind == OUTAGE_POWER_CYCLE; i++)
		instrument_power_up(&room->instruments[i]);
}

void room_unplug(struct room *room, bool out)
{
	static const struct outage by_hand = { .kind = OUTAGE_UNPLUG };

	if (room->unplugged == out)
		return;
	room->unplugged = out;
	if (out)
		begin_outage(room, &by_hand);
	else
		end_outage(room, &by_hand);
}

static void interrupt(void *context)
{
	struct interruption *interruption = context;

	if (interruption->begun) {
		end_outage(interruption->room, interruption->outage);
		return;
	}
	interruption->begun = true;
	begin_outage(interruption->room, interruption->outage);
	timer_set(&interruption->timer, interruption->timer.due_ns + interruption->outage->lasts_ns);
}

static void plan_outages(struct room *room)
{
	int64_t now = loop_now_ns();

	for (size_t i = 0; i < room->options->outage_count; i++) {
		struct interruption *interruption = &room->interruptions[i];
		*interruption = (struct interruption){ .room = room,
			.outage = &room->options->outages[i],
			.timer = { .fire = interrupt, .context = interruption } };
		timer_set(&interruption->timer, now + interruption->outage->at_ns);
	}
}

/* Opens consecutive ports from `base`; 0, or -errno with all closed again. */
static int open_lines(struct room *room, int base)
{
	for (size_t i = 0; i < room->line_count; i++) {
		int port = base ? base + (int)i : 0;
		int failure = port > 65535 ? -ERANGE : line_open(&room->lines[i], room->options, (unsigned)i, port);
		if (failure < 0) {
			while (i-- > 0)
				line_close(&room->lines[i]);
			return failure;
		}
	}
	return 0;
}

static void find_ports(struct room *room)
{
	const struct options *options = room->options;
	struct dice dice = dice_of((uint64_t)loop_now_ns(), (uint64_t)getpid());
	bool any = options->port == 0 && options->ports > 1;
	int failure = -1;

	/* Below the ports which the kernel gives to clients, where a long free stretch is likely. */
	for (int tries = 0; failure < 0 && tries < (any ? PORT_TRIES : 1); tries++)
		failure = open_lines(room, any ? dice_between(&dice, 10000, 32000 - options->ports) : options->port);
	if (failure < 0 && options->ports > 1)
		errx(1, "%s: %d consecutive ports from %d are not free: %s", options->host, options->ports,
			options->port, strerror(-failure));
	if (failure < 0)
		errx(1, "%s:%d cannot be listened on: %s", options->host, options->port, strerror(-failure));
}

static void place_instruments(struct room *room)
{
	const struct options *options = room->options;
	unsigned index = 0;

	for (size_t i = 0; i < room->line_count; i++) {
		struct line *line = &room->lines[i];
		line->instruments = &room->instruments[index];
		line->instrument_count = options->unit_count;
		for (size_t unit = 0; unit < options->unit_count; unit++, index++)
			instrument_start(&room->instruments[index], options, index, options->units[unit], line->port);
	}
}

struct room *room_open(const struct options *options)
{
	struct room *room = list_of(1, sizeof *room);

	room->options = options;
	room->truth = options->truth ? truth_open(options->truth) : -1;
	room->line_count = options->serial || options->folder ? 1 : (size_t)options->ports;
	room->lines = list_of(room->line_count, sizeof *room->lines);
	room->instrument_count = room->line_count * options->unit_count;
	room->instruments = list_of(room->instrument_count, sizeof *room->instruments);
	room->benches = list_of(room->instrument_count, sizeof *room->benches);
	find_ports(room);
	place_instruments(room);
	start_benches(room);
	if (options->archetype == ARCHETYPE_SCANNER)
		scanner_start(&room->scanner, &room->lines[0], options, room->truth);
	plan_outages(room);
	return room;
}

void room_close(struct room *room)
{
	if (room->options->codes)
		scanner_free(&room->scanner);
	for (size_t i = 0; i < room->line_count; i++)
		line_close(&room->lines[i]);
	for (size_t i = 0; i < room->instrument_count; i++)
		instrument_free(&room->instruments[i]);
	if (room->truth >= 0)
		close(room->truth);
	free(room->benches);
	free(room->instruments);
	free(room->lines);
	free(room);
}

void room_name(const struct room *room, char *out, size_t size)
{
	line_name(&room->lines[0], out, size);
}
