#include "instrument.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "atp.h"
#include "produce.h"

static void begin_memory(struct instrument *instrument)
{
	struct result dummy = { .use = SLOT_DUMMY };

	if (!instrument->options->first_dummy)
		return;
	dummy.number = instrument->next_number++;
	memory_keep(&instrument->memory, &dummy);
}

void instrument_start(
	struct instrument *instrument, const struct options *options, unsigned index, unsigned unit, int port)
{
	memset(instrument, 0, sizeof *instrument);
	instrument->options = options;
	instrument->dice = dice_of(options->seed, index + 1);
	instrument->memory.capacity = options->capacity;
	instrument->next_number = options->first_number;
	instrument->clock_offset_ms = options->clock_offset_ms;
	instrument->powered = true;
	instrument->next_channel = 1;
	if (options->archetype == ARCHETYPE_A6B) {
		snprintf(instrument->serial, sizeof instrument->serial, "A6B%05u-%05u",
			(unsigned)(options->seed % 100000), index % 100000);
	}
	if (options->archetype == ARCHETYPE_A5)
		snprintf(instrument->serial, sizeof instrument->serial, "%u", ATP_SERIAL + index % 60000);
	if (options->archetype == ARCHETYPE_A7)
		snprintf(instrument->serial, sizeof instrument->serial, "SN%05u%05u",
			(unsigned)(options->seed % 100000), index % 100000);
	if (options->archetype == ARCHETYPE_A3 || options->archetype == ARCHETYPE_A4)
		snprintf(instrument->serial, sizeof instrument->serial, "Z%05u-%05u",
			(unsigned)(options->seed % 100000), index % 100000);
	instrument->place = (struct truth_place){ options->archetype, unit, port, instrument->serial };
	begin_memory(instrument);
	a6b_start(&instrument->a6b);
}

void instrument_free(struct instrument *instrument)
{
	memory_free(&instrument->memory);
}

static int64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

struct moment instrument_clock(const struct instrument *instrument)
{
	time_t seconds = (time_t)((wall_ms() + instrument->clock_offset_ms) / 1000);
	struct tm local;

	localtime_r(&seconds, &local);
	return (struct moment){ (uint16_t)(local.tm_year + 1900), (uint8_t)(local.tm_mon + 1), (uint8_t)local.tm_mday,
		(uint8_t)local.tm_hour, (uint8_t)local.tm_min, (uint8_t)local.tm_sec };
}

bool instrument_set_clock(struct instrument *instrument, const uint16_t fields[6])
{
	struct tm wanted = { .tm_year = fields[0] - 1900,
		.tm_mon = fields[1] - 1,
		.tm_mday = fields[2],
		.tm_hour = fields[3],
		.tm_min = fields[4],
		.tm_sec = fields[5],
		.tm_isdst = -1 };
	struct tm normal = wanted;

	if (fields[0] < 2000 || fields[0] > 2099)
		return false;
	time_t seconds = mktime(&normal);
	if (seconds == (time_t)-1 || normal.tm_mon != wanted.tm_mon || normal.tm_mday != wanted.tm_mday ||
		normal.tm_hour != wanted.tm_hour || normal.tm_min != wanted.tm_min || normal.tm_sec != wanted.tm_sec)
		return false;
	instrument->clock_offset_ms = seconds * INT64_C(1000) - wall_ms();
	return true;
}

static void keep(struct instrument *instrument, const struct result *result)
{
	if (memory_keep(&instrument->memory, result))
		instrument->a6b.overrun = true;
	instrument->a6b.new_data = true;
}

static void finish_one(struct instrument *instrument, struct moment now, bool unfinished, int truth_fd)
{
	struct result result;

	if (dice_chance(&instrument->dice, instrument->options->blank_wells)) {
		produce_blank_well(instrument, now, &result);
		keep(instrument, &result);
	}
	produce(instrument, now, &result);
	result.unfinished = unfinished;
	if (unfinished)
		instrument->under_way = result;
	else
		truth_write(truth_fd, &instrument->place, &result);
	keep(instrument, &result);
	instrument->previous = result;
	instrument->has_previous = true;
	instrument->finished++;
}

/* The test is finished even where its record was cleared meanwhile: nobody will know. */
static void finish_under_way(struct instrument *instrument, int truth_fd)
{
	struct result *result = &instrument->under_way;

	if (!result->unfinished)
		return;
	result->unfinished = false;
	memory_finish(&instrument->memory);
	truth_write(truth_fd, &instrument->place, result);
}

bool instrument_finish_batch(struct instrument *instrument, int truth_fd)
{
	const struct options *options = instrument->options;
	struct moment now = instrument_clock(instrument);

	finish_under_way(instrument, truth_fd);
	instrument->batch++;
	bool grouped = options->archetype == ARCHETYPE_A1 || (options->archetype == ARCHETYPE_A3 && !options->gold);
	if (grouped) { /* finished together: one group, its wells from the first on */
		instrument->group = instrument->next_number;
		instrument->next_channel = 1;
	}
	for (unsigned i = 0; i < options->burst; i++) {
		if (options->results >= 0 && instrument->finished >= options->results)
			return false;
		finish_one(instrument, now, options->overlap && i + 1 == options->burst, truth_fd);
	}
	if (grouped)
		instrument->next_number = instrument->group % 0xFFFF + 1;
	return options->results < 0 || instrument->finished < options->results || instrument->under_way.unfinished;
}

void instrument_power_up(struct instrument *instrument)
{
	instrument->powered = true;
	enum archetype archetype = instrument->options->archetype;
	bool by_place = archetype == ARCHETYPE_A3 || archetype == ARCHETYPE_A4; /* numbers are places in the memory */
	if (!by_place || instrument->options->power_cycle_clears)
		instrument->next_number = 1;
	if (instrument->options->power_cycle_clears) {
		memory_drop(&instrument->memory, instrument->memory.count);
		begin_memory(instrument);
	}
	instrument->dump8 = (struct dump8){ 0 };
	a6b_start(&instrument->a6b);
	instrument->a6b.new_data = instrument->memory.count > 0;
}
