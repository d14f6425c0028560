/* A driver that listens, with its line, a journal and an instrument's cable on paper. */
#ifndef TESTS_LISTENER_FIXTURE_H
#define TESTS_LISTENER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"
#include "../../daemon/ident.h"
#include "../../daemon/settings.h"

#define STORED_MAX 4096

struct paper {
	struct instrument instrument;
	void *options;
	struct cutter cutter;
	struct reading list[READINGS_AT_ONCE];
	struct {
		char id[ENTRY_ID_MAX], line[384], said[512];
		enum kind kind;
		enum verdict verdict;
	} stored[STORED_MAX];
	size_t count, known, notices, rejected, blanks, noise;
	char reason[160], raw[8192]; /* of the last notice */
	size_t left_out;             /* ... and how many bytes are not among them */
	char told[8192];             /* reason and bytes of each since the last look */
	char sent[16384];            /* what we said since the last look */
	size_t sent_length;
	bool unanswered;    /* nothing need come in reply to the last of it */
	size_t crash_after; /* stored so many, the daemon dies before it says so */
	bool dead;
};

static inline void set(struct paper *paper, const char *name, const char *value)
{
	for (const struct setting *row = paper->instrument.driver->options; row->name; row++)
		if (strcmp(row->name, name) == 0)
			settings_value(row, value, paper->options, NULL);
}

static inline void start(struct paper *paper)
{
	cutter_reset(&paper->cutter);
	paper->sent_length = 0;
	paper->dead = false;
	paper->crash_after = STORED_MAX;
	paper->instrument.maker = (struct maker){ 0 };
	assert_int_equal(paper->instrument.driver->setup(&paper->instrument, NULL), 0);
}

static inline struct paper *paper_of(const struct driver *driver)
{
	struct paper *paper = calloc(1, sizeof(*paper));
	paper->options = calloc(1, driver->options_size);
	settings_defaults(&(struct settings_table){ driver->options, paper->options });
	paper->instrument = (struct instrument){ .driver = driver, .options = paper->options };
	paper->instrument.now = (struct date_time){ 2026, 3, 5, 9, 41, 20 };
	paper->instrument.state = calloc(1, driver->state_size);
	start(paper);
	return paper;
}

static inline void paper_free(struct paper *paper)
{
	cutter_reset(&paper->cutter);
	free(paper->instrument.state);
	free(paper->options);
	free(paper);
}

static inline void store_one(struct paper *paper, const struct reading *reading)
{
	char id[ENTRY_ID_MAX];
	static unsigned events;
	if (reading->repeatable)
		ident_of_reading(id, "S", paper->instrument.maker.serial, "i", reading);
	else
		snprintf(id, sizeof(id), "event-%u", ++events);
	for (size_t i = 0; i < paper->count; i++)
		if (strcmp(paper->stored[i].id, id) == 0) {
			paper->known++;
			return;
		}
	assert_true(paper->count < STORED_MAX);
	size_t at = paper->count++;
	strcpy(paper->stored[at].id, id);
	paper->stored[at].kind = reading->kind;
	paper->stored[at].verdict = reading->verdict;
	snprintf(paper->stored[at].line, sizeof(paper->stored[0].line), "%s %s %s%s %s %s", reading->sample_no,
		reading->item, reading->qualifier, reading->value, reading->unit, reading->tested_at);
	for (size_t i = 0, length = 0; i < reading->said_count; i++)
		length += (size_t)snprintf(paper->stored[at].said + length, sizeof(paper->stored[0].said) - length,
			"%s=%s|", reading->said[i].name, reading->said[i].value);
}

static inline void store(struct paper *paper, const struct readings *readings)
{
	if (!paper->dead)
		memcpy(paper->instrument.cursor, readings->cursor, sizeof(readings->cursor));
	for (size_t i = 0; i < readings->count && !paper->dead; i++) {
		store_one(paper, &readings->list[i]);
		paper->dead = paper->count >= paper->crash_after;
	}
	for (size_t i = 0; i < readings->notice_count; i++) {
		const struct notice *notice = &readings->notices[i];
		size_t length = strlen(paper->told);
		snprintf(paper->reason, sizeof(paper->reason), "%s", notice->reason);
		snprintf(paper->raw, sizeof(paper->raw), "%.*s", (int)notice->raw_length, (const char *)notice->raw);
		paper->left_out = notice->left_out;
		snprintf(paper->told + length, sizeof(paper->told) - length, "%s: %s\n", paper->reason, paper->raw);
	}
	paper->notices += readings->notice_count;
	paper->rejected += readings->rejected;
	paper->blanks += readings->blanks;
}

static inline void ask(struct paper *paper)
{
	struct request request = { 0 };
	paper->instrument.driver->ask(&paper->instrument, &request);
	if (request.kind == REQUEST_NONE)
		return;
	assert_int_equal(request.kind, REQUEST_BYTES);
	assert_true(request.length <= REQUEST_MAX);
	assert_true(paper->sent_length + request.length < sizeof(paper->sent));
	memcpy(paper->sent + paper->sent_length, request.bytes, request.length);
	paper->sent_length += request.length;
	paper->unanswered = request.unanswered;
}

static inline enum next take(struct paper *paper, const struct reply *reply)
{
	enum next next;
	do {
		struct readings readings = { .list = paper->list };
		memcpy(readings.cursor, paper->instrument.cursor, sizeof(readings.cursor));
		next = paper->instrument.driver->take(&paper->instrument, reply, &readings);
		store(paper, &readings);
	} while (next == NEXT_MORE && !paper->dead);
	if (next == NEXT_ASK && !paper->dead)
		ask(paper);
	return next;
}

static inline void cut(struct paper *paper, bool final)
{
	struct cut cut;
	enum cut_kind kind;
	while (!paper->dead && (kind = cutter_next(&paper->cutter, &paper->instrument, final, &cut)) != CUT_MORE) {
		if (kind == CUT_NOISE) {
			paper->noise += cut.length;
			continue;
		}
		struct reply reply = { .kind = REPLY_FRAME, .bytes = cut.bytes, .length = cut.length };
		take(paper, &reply);
	}
}

static inline void hear(struct paper *paper, const void *bytes, size_t length)
{
	assert_int_equal(cutter_feed(&paper->cutter, bytes, length), 0);
	cut(paper, false);
}

static inline void hear_text(struct paper *paper, const char *text)
{
	hear(paper, text, strlen(text));
}

/* Nothing comes for so long that nothing will. */
static inline void silence(struct paper *paper)
{
	static uint8_t bytes[65536]; /* what did not become whole */
	struct cut held;
	cutter_peek(&paper->cutter, &held);
	assert_true(held.length <= sizeof(bytes));
	memcpy(bytes, held.bytes ? held.bytes : bytes, held.length);
	cut(paper, true);
	if (paper->dead)
		return;
	struct reply reply = { .kind = REPLY_SILENCE, .bytes = bytes, .length = held.length };
	take(paper, &reply);
	ask(paper);
}

/* What we said since the last look is this. */
static inline void said(struct paper *paper, const char *expected)
{
	paper->sent[paper->sent_length] = '\0';
	assert_string_equal(paper->sent, expected);
	paper->sent_length = 0;
}

/* Among what was told is this. */
static inline void told(const struct paper *paper, const char *text)
{
	if (!strstr(paper->told, text))
		print_error("%s\nlacks %s\n", paper->told, text);
	assert_non_null(strstr(paper->told, text));
}

#endif
