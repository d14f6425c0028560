/* One simulated instrument: its clock, memory, running number and what it finishes. */
#ifndef SIM_INSTRUMENT_H
#define SIM_INSTRUMENT_H

#include "a6b.h"
#include "dice.h"
#include "dump8.h"
#include "memory.h"
#include "options.h"
#include "truth.h"

struct instrument {
	const struct options *options;
	struct truth_place place;
	char serial[17];
	struct dice dice;
	struct memory memory;
	uint32_t next_number;
	uint32_t batch;
	int64_t finished;     /* results so far, of --results */
	double controls_owed; /* controls are spread evenly: one is due when this reaches 1 */
	unsigned control_turn;
	unsigned next_channel;
	struct result under_way; /* A3 with --overlap: the channel that is being measured, `unfinished` */
	struct result previous;
	bool has_previous;
	int64_t clock_offset_ms; /* of the instrument's clock */
	bool measuring;
	bool powered;
	struct a6b a6b;
	struct dump8 dump8;
	unsigned muted; /* A2: questions left without an answer, of --mute-days */
	uint32_t group; /* A1, A3: number of the group that is being measured */
};

/* `index` tells the instruments of one process apart: it decides dice and serial number. */
void instrument_start(
	struct instrument *instrument, const struct options *options, unsigned index, unsigned unit, int port);
void instrument_free(struct instrument *instrument);

/* Finishes the next batch (--burst results) and writes each into the truth. False when --results are done. */
bool instrument_finish_batch(struct instrument *instrument, int truth_fd);

/* What the instrument's own clock shows now. */
struct moment instrument_clock(const struct instrument *instrument);
/* Sets it, within the years 2000..2099; false when it is no time. */
bool instrument_set_clock(struct instrument *instrument, const uint16_t fields[6]);

/* After the power came back: the running number starts again, the memory is kept unless asked otherwise. */
void instrument_power_up(struct instrument *instrument);

#endif
