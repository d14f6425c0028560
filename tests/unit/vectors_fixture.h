/* The vectors of tests/captures/vectors/vectors.txt, and the instruments they belong to, on paper. */
#ifndef TESTS_VECTORS_FIXTURE_H
#define TESTS_VECTORS_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"
#include "../../daemon/profile.h"
#include "../../daemon/settings.h"

#define VECTORS    52
#define VECTOR_MAX 512

/* ---- the file ---- */

struct vector {
	char title[192];
	uint8_t bytes[VECTOR_MAX];
	size_t length, promised;
};

static struct vector vectors[VECTORS + 1];
static size_t vector_count;

static inline void read_title(const char *line, struct vector *vector)
{
	const char *size = strstr(line, " [");
	assert_non_null(size);
	snprintf(vector->title, sizeof(vector->title), "%.*s", (int)(size - line), line);
	assert_int_equal(sscanf(size, " [%zu bytes]", &vector->promised), 1);
}

static inline int read_vectors(void **state)
{
	(void)state;
	static char line[4096];
	FILE *file = fopen("tests/captures/vectors/vectors.txt", "r");
	assert_non_null(file);
	vector_count = 0;
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "# ", 2) == 0) {
			assert_true(vector_count < sizeof(vectors) / sizeof(vectors[0]));
			read_title(line + 2, &vectors[vector_count++]);
			continue;
		}
		unsigned byte;
		for (int used = 0, at = 0; *line != '#' && sscanf(line + at, "%2x%n", &byte, &used) == 1; at += used) {
			struct vector *vector = &vectors[vector_count - 1];
			assert_true(vector->length < VECTOR_MAX);
			vector->bytes[vector->length++] = (uint8_t)byte;
		}
	}
	fclose(file);
	return 0;
}

static inline const struct vector *vector_of(const char *title)
{
	for (size_t i = 0; i < vector_count; i++)
		if (strcmp(vectors[i].title, title) == 0)
			return &vectors[i];
	fail_msg("no vector has the title %s", title);
	return NULL;
}

/* What the station would configure for each. */
static const struct configured {
	const char *instrument, *driver, *profile;
	const char *key, *value; /* a setting that is not the default; or NULL */
} configurations[] = {
	{ "A1", "dump8", NULL, "control-channel", "1" },
	{ "A2", "seven-e-aa", NULL, NULL, NULL },
	{ "A2b", "seven-e-aa", NULL, NULL, NULL },
	{ "A3", "zero3-ff", NULL, NULL, NULL },
	{ "A4", "zero3-ff", NULL, NULL, NULL },
	{ "A5", "atp", NULL, NULL, NULL },
	{ "A6a", "modbus", "oil-dy2620", NULL, NULL },
	{ "A6b", "modbus", "analyzer-a6b", NULL, NULL },
	{ "A6b-CDAB", "modbus", "analyzer-a6b-cdab", NULL, NULL },
	{ "A7", "astm", NULL, "flags", "N=negative" },
	{ "A8", "text", "ticket-a8", NULL, NULL },
	{ "A9", "text", "reader-a9", NULL, NULL },
	{ "A10", "text", "push-a10", NULL, NULL },
};
#define CONFIGURATIONS (sizeof(configurations) / sizeof(configurations[0]))

/* ---- an instrument on paper ---- */

struct paper {
	struct instrument instrument;
	char options[4096];
	struct cutter cutter;
	struct reading list[READINGS_AT_ONCE];
	char rows[2048];
	size_t row_count, noise;
	unsigned rejected;
	enum next next;
};

static inline void *profile_of(const struct driver *driver, const char *name)
{
	char path[128];
	void *profile = NULL;
	struct faults faults = { 0 };
	snprintf(path, sizeof(path), "config/profiles/%s.conf", name);
	assert_int_equal(profile_read(path, driver, &profile, &faults), 0);
	faults_free(&faults);
	return profile;
}

static inline void set_option(const struct driver *driver, const char *key, const char *value, void *into)
{
	const struct setting *row = driver->options;
	while (row->name && strcmp(row->name, key) != 0)
		row++;
	assert_non_null(row->name);
	assert_int_equal(settings_value(row, value, into, NULL), 0);
}

static inline struct paper *paper_new(const char *name, const char *key, const char *value, const char *cursor)
{
	const struct configured *configured = configurations;
	while (strcmp(configured->instrument, name) != 0)
		assert_true(++configured < configurations + CONFIGURATIONS);
	struct paper *paper = calloc(1, sizeof(*paper));
	const struct driver *driver = driver_by_name(configured->driver);
	assert_true(driver->options_size <= sizeof(paper->options));
	settings_defaults(&(struct settings_table){ driver->options, paper->options });
	if (configured->key)
		set_option(driver, configured->key, configured->value, paper->options);
	if (key)
		set_option(driver, key, value, paper->options);
	paper->instrument = (struct instrument){ .driver = driver,
		.options = paper->options,
		.profile = configured->profile ? profile_of(driver, configured->profile) : NULL,
		.now = { 2026, 3, 5, 9, 50, 0 } };
	paper->instrument.state = calloc(1, driver_state_size(driver, paper->instrument.profile));
	snprintf(paper->instrument.cursor, sizeof(paper->instrument.cursor), "%s", cursor);
	assert_int_equal(driver->setup(&paper->instrument, NULL), 0);
	return paper;
}

static inline void paper_free(struct paper *paper)
{
	if (!paper)
		return;
	free((void *)paper->instrument.profile);
	free(paper->instrument.state);
	cutter_reset(&paper->cutter);
	free(paper);
}

static inline void add_row(struct paper *paper, const struct reading *reading)
{
	size_t length = strlen(paper->rows);
	snprintf(paper->rows + length, sizeof(paper->rows) - length, "%s,%s|%s|%s%s|%s|%s|%s|%s|%s,%d\n",
		reading->sample_no, reading->sample_name, reading->item, reading->qualifier, reading->value,
		reading->unit, verdict_name(reading->verdict), reading->tested_at, kind_name(reading->kind),
		reading->instrument_seq, reading->channel);
	paper->row_count++;
}

static inline void take(struct paper *paper, const struct reply *reply)
{
	do {
		struct readings readings = { .list = paper->list };
		paper->next = paper->instrument.driver->take(&paper->instrument, reply, &readings);
		for (size_t i = 0; i < readings.count; i++)
			add_row(paper, &paper->list[i]);
		paper->rejected += readings.rejected;
	} while (paper->next == NEXT_MORE);
}

static inline void hear_piece(struct paper *paper, const uint8_t *bytes, size_t length, bool offline)
{
	struct cut cut;
	enum cut_kind kind;
	assert_int_equal(cutter_feed(&paper->cutter, bytes, length), 0);
	while ((kind = cutter_next(&paper->cutter, &paper->instrument, false, &cut)) != CUT_MORE) {
		if (kind == CUT_NOISE)
			paper->noise += cut.length;
		else
			take(paper, &(struct reply){ .kind = REPLY_FRAME,
					    .bytes = cut.bytes,
					    .length = cut.length,
					    .offset = cut.offset,
					    .offline = offline });
	}
}

static inline void hear(struct paper *paper, const uint8_t *bytes, size_t length, size_t step, bool offline)
{
	for (size_t at = 0; at < length; at += step)
		hear_piece(paper, bytes + at, step < length - at ? step : length - at, offline);
}

static inline void forget(struct paper *paper)
{
	paper->rows[0] = '\0';
	paper->row_count = paper->noise = paper->rejected = 0;
}

#endif
