/* An instrument of the text driver on paper: bytes in, readings out. */
#ifndef TESTS_TEXT_FIXTURE_H
#define TESTS_TEXT_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/cutter.h"
#include "../../daemon/profile.h"
#include "../../drivers/text_driver.h"

extern const struct driver text_driver;

struct paper {
	struct instrument instrument;
	struct cutter cutter;
	struct reading list[READINGS_AT_ONCE];
	struct readings readings;
	size_t noise;
	enum next next;
	int64_t lookback_ms;
};

static inline struct text_profile *paper_profile(const char *path, char *complaints, size_t size)
{
	void *profile = NULL;
	struct faults faults = { 0 };
	profile_read(path, &text_driver, &profile, &faults);
	FILE *out = fmemopen(complaints, size, "w");
	faults_print(&faults, out);
	fclose(out);
	faults_free(&faults);
	return profile;
}

static inline struct paper *paper_new(const char *path, const char *cursor)
{
	char complaints[2048] = "";
	struct paper *paper = calloc(1, sizeof(*paper));
	paper->lookback_ms = 7 * INT64_C(86400000);
	paper->instrument = (struct instrument){ .driver = &text_driver, .options = &paper->lookback_ms };
	paper->instrument.profile = paper_profile(path, complaints, sizeof(complaints));
	if (!paper->instrument.profile) {
		fprintf(stderr, "%s", complaints);
		abort();
	}
	paper->instrument.now = (struct date_time){ 2026, 3, 5, 12, 0, 0 };
	paper->instrument.state = calloc(1, text_driver.state_size);
	snprintf(paper->instrument.cursor, sizeof(paper->instrument.cursor), "%s", cursor);
	if (text_driver.setup(&paper->instrument, NULL) != 0)
		abort();
	return paper;
}

static inline void paper_free(struct paper *paper)
{
	free((void *)paper->instrument.profile);
	free(paper->instrument.state);
	cutter_reset(&paper->cutter);
	free(paper);
}

/* What is held goes to the driver, as the line does it; `final`: silence. */
static inline void paper_drain(struct paper *paper, bool final)
{
	struct cut cut;
	enum cut_kind kind;
	while ((kind = cutter_next(&paper->cutter, &paper->instrument, final, &cut)) != CUT_MORE) {
		if (kind == CUT_NOISE) {
			paper->noise += cut.length;
			continue;
		}
		/* kept: readings point into it */
		struct reply reply = { .kind = REPLY_FRAME, .bytes = cut.bytes, .length = cut.length };
		paper->next = text_driver.take(&paper->instrument, &reply, &paper->readings);
	}
}

/* Forgets what was read before. */
static inline void paper_hear(struct paper *paper, const void *bytes, size_t length, bool final)
{
	paper->readings = (struct readings){ .list = paper->list };
	paper->next = NEXT_WAIT;
	paper->noise = 0;
	if (cutter_feed(&paper->cutter, bytes, length) != 0)
		abort();
	paper_drain(paper, final);
}

static inline void paper_hear_text(struct paper *paper, const char *text)
{
	paper_hear(paper, text, strlen(text), false);
}

static inline struct request paper_ask(struct paper *paper)
{
	struct request request = { 0 };
	text_driver.ask(&paper->instrument, &request);
	return request;
}

#endif
