#include "quality.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "sqlite.h"

#define NAME_MAX_BYTES (CONFIG_NAME_MAX + QUALITY_ITEM_MAX + 1)

struct quality {
	_Atomic bool any, waits;
	pthread_rwlock_t within;
	pthread_mutex_t mutex; /* of the reading connection */
	struct db *db;
	struct db_query *find, *over, *count;
};

const char *control_state_name(enum control_state state)
{
	static const char *const names[] = { "none", "unjudged", "valid", "failed" };
	return names[state];
}

/* ---- which controls belong to a sample ---- */

void series_add(struct series *series, const struct measured_control *control)
{
	size_t place = series->count;
	for (size_t i = 0; i < series->count; i++)
		if (strcmp(series->list[i].id, control->id) == 0) {
			series->list[i].frame = control->frame;
			return;
		}
	while (place > 0 && series->list[place - 1].at_ms > control->at_ms)
		place--;
	if (series->count == CONTROLS_KEPT && place == 0)
		return; /* older than all that are kept */
	if (series->count == CONTROLS_KEPT) {
		memmove(series->list, series->list + 1, (CONTROLS_KEPT - 1) * sizeof(*series->list));
		series->count--;
		place--;
	}
	memmove(series->list + place + 1, series->list + place, (series->count - place) * sizeof(*series->list));
	series->list[place] = *control;
	series->count++;
}

static bool alike(const struct measured_control *one, const struct measured_control *other)
{
	return one->kind == other->kind && one->expected == other->expected;
}

static bool in_frame(const struct series *series, const struct measured_control *like, const void *frame)
{
	for (size_t i = 0; i < series->count; i++)
		if (frame && series->list[i].frame == frame && alike(&series->list[i], like))
			return true;
	return false;
}

static bool has_like(const struct tied *tied, const struct measured_control *control)
{
	for (size_t i = 0; i < tied->count; i++)
		if (alike(&tied->list[i], control))
			return true;
	return false;
}

void series_tie(const struct series *series, int64_t from_ms, int64_t at_ms, const void *frame, struct tied *tied)
{
	tied->count = 0;
	for (size_t i = series->count; i-- > 0 && tied->count < CONTROLS_TIED;) { /* the last first */
		const struct measured_control *control = &series->list[i];
		bool same_frame = frame && control->frame == frame;
		if (!same_frame && (control->at_ms < from_ms || control->at_ms > at_ms))
			continue;
		if (!same_frame && (has_like(tied, control) || in_frame(series, control, frame)))
			continue;
		memmove(tied->list + 1, tied->list, tied->count * sizeof(*tied->list));
		tied->list[0] = *control;
		tied->count++;
	}
}

void tied_sum_up(struct tied *tied)
{
	tied->state = tied->sent;
	for (size_t i = 0; i < tied->count; i++)
		if (tied->list[i].kind != KIND_CALIBRATION && tied->list[i].state > tied->state)
			tied->state = tied->list[i].state;
}

bool tied_is_short(const struct tied *tied)
{
	return tied->demanded && (tied->state == CONTROL_NONE || tied->state == CONTROL_FAILED);
}

static struct json *control_told(const struct measured_control *control)
{
	char at[CLOCK_TEXT_MAX];
	struct json *told = js_new_object();
	js_put_text(told, "id", control->id);
	js_put_text(told, "kind", kind_name(control->kind));
	if (control->expected != VERDICT_NONE)
		js_put_text(told, "expected", verdict_name(control->expected));
	if (control->state != CONTROL_NONE)
		js_put_text(told, "state", control_state_name(control->state));
	js_put_text(told, "at", clock_text(at, control->at_ms));
	return told;
}

struct json *tied_told(const struct tied *tied)
{
	if (!tied->demanded && tied->count == 0)
		return NULL;
	struct json *told = js_new_object(), *list = js_new_array();
	js_put_text(told, "state", control_state_name(tied->state));
	if (tied->sent != CONTROL_NONE)
		js_put_text(told, "delta_a_control", control_state_name(tied->sent));
	for (size_t i = 0; i < tied->count; i++)
		js_append(list, control_told(&tied->list[i]));
	js_put(told, "controls", list);
	return told;
}

/* ---- reading ---- */

/* A row of the journal's table of what changes: kind 'control', the instrument and the item by name, 1 while samples
 * are counted, and the rest as JSON. */
#define ROWS "FROM state WHERE kind = 'control'"

static int prepare(struct quality *quality, struct fault *fault)
{
	const struct db_statement rows[] = {
		{ &quality->find, "SELECT name, value " ROWS " AND name = ?1" },
		{ &quality->over, "SELECT name, value " ROWS " AND number > 0" },
		{ &quality->count, "SELECT EXISTS(SELECT 1 " ROWS "), EXISTS(SELECT 1 " ROWS " AND number > 0)" },
	};
	return db_prepare_all(quality->db, rows, sizeof(rows) / sizeof(*rows), fault);
}

static int refresh(struct quality *quality, struct fault *fault)
{
	int row = db_step(quality->count, fault);
	if (row < 0)
		return row;
	quality->any = row && db_integer(quality->count, 0);
	quality->waits = row && db_integer(quality->count, 1);
	return db_reset(quality->count);
}

int quality_open(struct journal *journal, struct quality **ret, struct fault *fault)
{
	struct quality *quality = calloc(1, sizeof(*quality));
	if (!quality)
		return fault_set(fault, ENOMEM, _("out of memory"));
	pthread_mutex_init(&quality->mutex, NULL);
	pthread_rwlock_init(&quality->within, NULL);
	int error = db_open_reader(journal_path(journal), &quality->db, fault);
	if (!error)
		error = prepare(quality, fault);
	if (!error)
		error = refresh(quality, fault);
	if (error) {
		quality_close(quality);
		return error;
	}
	*ret = quality;
	return 0;
}

void quality_close(struct quality *quality)
{
	if (!quality)
		return;
	db_close(quality->db);
	pthread_rwlock_destroy(&quality->within);
	pthread_mutex_destroy(&quality->mutex);
	free(quality);
}

bool quality_any(const struct quality *quality)
{
	return quality->any;
}

bool quality_waits(const struct quality *quality)
{
	return quality->waits;
}

void quality_refresh(struct quality *quality)
{
	pthread_mutex_lock(&quality->mutex);
	if (refresh(quality, NULL) < 0) /* then every question is asked */
		quality->any = quality->waits = true;
	pthread_mutex_unlock(&quality->mutex);
}

void quality_enter(struct quality *quality)
{
	pthread_rwlock_rdlock(&quality->within);
}

bool quality_enter_alone(struct quality *quality)
{
	return pthread_rwlock_trywrlock(&quality->within) == 0;
}

void quality_leave(struct quality *quality)
{
	pthread_rwlock_unlock(&quality->within);
}

static void read_control(const struct json *told, struct measured_control *ret)
{
	*ret = (struct measured_control){ .at_ms = js_get_integer(told, "at_ms", 0) };
	snprintf(ret->id, sizeof(ret->id), "%s", js_text_in(told, "id"));
	for (enum kind kind = KIND_SAMPLE; kind <= KIND_CALIBRATION; kind++)
		if (strcmp(kind_name(kind), js_text_in(told, "kind")) == 0)
			ret->kind = kind;
	for (enum verdict verdict = VERDICT_NONE; verdict <= VERDICT_INVALID; verdict++)
		if (strcmp(verdict_name(verdict), js_text_in(told, "expected")) == 0)
			ret->expected = verdict;
	for (enum control_state state = CONTROL_NONE; state <= CONTROL_FAILED; state++)
		if (strcmp(control_state_name(state), js_text_in(told, "state")) == 0)
			ret->state = state;
}

static void read_series(struct db_query *row, struct series *ret)
{
	size_t length;
	*ret = (struct series){ 0 };
	const char *name = db_text(row, 0, NULL), *blank = strchr(name, ' ');
	snprintf(ret->instrument, sizeof(ret->instrument), "%.*s", blank ? (int)(blank - name) : 0, name);
	snprintf(ret->item, sizeof(ret->item), "%s", blank ? blank + 1 : "");
	const char *text = db_text(row, 1, &length);
	struct json *kept = js_parse(text, length, NULL);
	const struct json *list = js_get(kept, "controls");
	for (size_t i = 0; list && i < js_count(list) && ret->count < CONTROLS_KEPT; i++)
		read_control(js_at(list, i), &ret->list[ret->count++]);
	ret->samples = (long)js_get_integer(kept, "samples", 0);
	ret->counted_ms = js_get_integer(kept, "counted_ms", 0);
	snprintf(ret->day, sizeof(ret->day), "%s", js_text_in(kept, "day"));
	snprintf(ret->first, sizeof(ret->first), "%s", js_text_in(kept, "first"));
	js_free(kept);
}

int quality_find(
	struct quality *quality, const char *instrument, const char *item, struct series *ret, struct fault *fault)
{
	char name[NAME_MAX_BYTES];
	snprintf(name, sizeof(name), "%s %s", instrument, item);
	*ret = (struct series){ 0 };
	snprintf(ret->instrument, sizeof(ret->instrument), "%s", instrument);
	snprintf(ret->item, sizeof(ret->item), "%s", item);
	pthread_mutex_lock(&quality->mutex);
	db_put_text(quality->find, 1, name);
	int row = db_step(quality->find, fault);
	if (row == 1)
		read_series(quality->find, ret);
	db_reset(quality->find);
	pthread_mutex_unlock(&quality->mutex);
	return row < 0 ? row : 0;
}

int quality_over(struct quality *quality, const char *today, int64_t before_ms, struct series *ret, struct fault *fault)
{
	int row;
	pthread_mutex_lock(&quality->mutex);
	while ((row = db_step(quality->over, fault)) == 1) {
		read_series(quality->over, ret);
		if (strncmp(ret->day, today, DAY_MAX - 1) < 0 && ret->counted_ms < before_ms)
			break;
	}
	db_reset(quality->over);
	pthread_mutex_unlock(&quality->mutex);
	return row;
}

int quality_waiting(struct quality *quality, void (*each)(void *context, const struct series *series), void *context,
	struct fault *fault)
{
	struct series series;
	int row;
	pthread_mutex_lock(&quality->mutex);
	while ((row = db_step(quality->over, fault)) == 1) {
		read_series(quality->over, &series);
		each(context, &series);
	}
	pthread_mutex_unlock(&quality->mutex);
	return row;
}

/* ---- writing ---- */

static char *kept_of(const struct series *series)
{
	struct json *kept = js_new_object(), *list = js_new_array();
	for (size_t i = 0; i < series->count; i++) {
		const struct measured_control *control = &series->list[i];
		struct json *told = js_new_object();
		js_put_text(told, "id", control->id);
		js_put_text(told, "kind", kind_name(control->kind));
		js_put_text(told, "expected", verdict_name(control->expected));
		js_put_text(told, "state", control_state_name(control->state));
		js_put_integer(told, "at_ms", control->at_ms);
		js_append(list, told);
	}
	js_put(kept, "controls", list);
	if (series->samples) {
		js_put_integer(kept, "samples", series->samples);
		js_put_integer(kept, "counted_ms", series->counted_ms);
		js_put_text(kept, "day", series->day);
		js_put_text(kept, "first", series->first);
	}
	char *text = js_dump(kept);
	js_free(kept);
	return text;
}

int quality_write(const struct series *series, struct db *db, struct fault *fault)
{
	char name[NAME_MAX_BYTES];
	struct db_query *write;
	int error = db_prepare(db, "REPLACE INTO state VALUES('control', ?1, ?2, ?3)", &write, fault);
	if (error)
		return error;
	char *text = kept_of(series);
	snprintf(name, sizeof(name), "%s %s", series->instrument, series->item);
	db_put_text(write, 1, name);
	db_put_integer(write, 2, series->samples > 0);
	db_put_text(write, 3, text);
	int row = db_step(write, fault);
	db_finish(write);
	free(text);
	return row < 0 ? row : 0;
}
