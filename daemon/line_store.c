/* From reply to journal: nothing goes on before what was said is durable. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "clock.h"
#include "line_parts.h"

#define STORE_WAIT_MS     200 /* first wait after a failed store, doubled up to the next */
#define STORE_WAIT_MAX_MS 5000
#define LIST_ROOM         (2 * READINGS_AT_ONCE) /* a batch is stored before a frame more might not fit */
#define LIST_SIZE         (LIST_ROOM * sizeof(struct reading))
#define LIST_KEPT         4 /* readings whose pages are kept for the next reply */

/* Room for the most that one frame can hold, in pages that cost nothing before they are used: most instruments of a
 * thousand report one result at a time. */
int line_readings_new(struct readings *readings)
{
	void *list = mmap(NULL, LIST_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (list == MAP_FAILED)
		return -errno;
	readings->list = list;
	return 0;
}

void line_readings_free(struct readings *readings)
{
	if (readings->list)
		munmap(readings->list, LIST_SIZE);
}

static void clear(struct readings *readings, const char *cursor)
{
	if (readings->count > LIST_KEPT)
		madvise(readings->list, LIST_SIZE, MADV_DONTNEED);
	readings->count = readings->notice_count = readings->scan_count = 0;
	readings->blanks = readings->rejected = 0;
	memcpy(readings->cursor, cursor, sizeof(readings->cursor)); /* a driver writes it when it moves on */
}

/* What is no result and must not pass silently stands in the log too. */
static void tell_notices(const struct line *line, const struct unit *unit)
{
	for (size_t i = 0; i < line->readings.notice_count; i++) {
		const struct notice *notice = &line->readings.notices[i];
		log_warning("%s: %s%s%s", unit->config->id, notice_name(notice->kind), *notice->reason ? ": " : "",
			notice->reason);
	}
}

/* Tries until it is stored or the line is stopped: until then the instrument keeps its results, and nothing is asked.
 */
static int store_batch(struct line *line, struct unit *unit, struct intake_batch *batch)
{
	struct intake_result result = { 0 };
	struct fault fault = { "" };
	long wait_ms = STORE_WAIT_MS;
	while (intake_store(line->intake, batch, &result, &fault) != 0) {
		unit->stats.health = HEALTH_FAULTY;
		line_note(line, unit, &fault);
		if (complaint_due(&line->store_complaint))
			log_error(_("%s: %zu results wait at the instrument until they can be stored: %s"),
				unit->config->id, line->readings.count, fault.text);
		if (link_pause(line->link, (int)wait_ms) < 0)
			return -ECANCELED;
		wait_ms = wait_ms * 2 < STORE_WAIT_MAX_MS ? wait_ms * 2 : STORE_WAIT_MAX_MS;
	}
	unit->stats.stored += result.stored;
	unit->stats.known += result.known;
	if (result.stored) {
		unit->stats.last_result_ms = clock_ms();
		link_tell_results(line->link, result.stored);
	}
	return 0;
}

static int store(struct line *line, struct unit *unit)
{
	struct intake_batch *batch = intake_judge(line->intake, unit->config, &unit->instrument, &line->readings);
	const struct skew_moment then = line_moment();
	intake_batch_clock(batch, &unit->skew);
	int error = store_batch(line, unit, batch);
	if (!error)
		line_clock_results(line, unit, batch, &then);
	intake_batch_free(batch);
	if (error)
		return error;
	memcpy(unit->instrument.cursor, line->readings.cursor, sizeof(unit->instrument.cursor));
	if (complaint_over(&line->store_complaint))
		log_notice(_("%s: results are stored again"), unit->config->id);
	tell_notices(line, unit);
	if (unit->stats.health == HEALTH_FAULTY) {
		unit->stats.health = HEALTH_OK;
		line_note(line, unit, NULL);
	}
	return 0;
}

void line_begin(struct line *line, struct unit *unit)
{
	clear(&line->readings, unit->instrument.cursor);
}

/* Where in the stream stands what could not be read: the driver sees one frame. */
static void place_notices(struct readings *readings, size_t first, const struct reply *reply)
{
	for (size_t i = first; i < readings->notice_count; i++) {
		struct notice *notice = &readings->notices[i];
		if (notice->kind != NOTICE_UNDECODABLE || !notice->raw_length)
			continue;
		notice->placed = true;
		notice->offset = reply->offset;
		notice->length = notice->raw_length;
	}
}

enum next line_take(struct line *line, struct unit *unit, const struct reply *reply)
{
	struct readings *readings = &line->readings;
	readings->room = readings->count + READINGS_AT_ONCE;
	size_t notices = readings->notice_count;
	enum next next = unit->instrument.driver->take(&unit->instrument, reply, readings);
	line_clock_told(unit);
	if (!line->modbus)
		place_notices(readings, notices, reply);
	if (readings->rejected && readings->notice_count == notices && reply->kind == REPLY_FRAME)
		line_refused(line, unit, reply);
	if (memcmp(&unit->maker, &unit->instrument.maker, sizeof(unit->maker)) != 0) {
		pthread_mutex_lock(&line->lock);
		unit->maker = unit->instrument.maker;
		pthread_mutex_unlock(&line->lock);
	}
	unit->stats.blanks += readings->blanks;
	unit->stats.rejected += readings->rejected;
	readings->blanks = readings->rejected = 0;
	return next;
}

bool line_full(const struct line *line)
{
	return line->readings.count > LIST_ROOM - READINGS_AT_ONCE || line->readings.notice_count > 0 ||
	       line->readings.scan_count > 0;
}

int line_commit(struct line *line, struct unit *unit)
{
	const struct readings *readings = &line->readings;
	bool moved = strcmp(readings->cursor, unit->instrument.cursor) != 0;
	if (readings->count == 0 && readings->notice_count == 0 && readings->scan_count == 0 && !moved)
		return 0;
	return store(line, unit);
}
