#include "box_clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STEP_MS 1000 /* a clock that is steered gains half a millisecond in a look */

static int64_t offset_of(const struct clock_look *look)
{
	return look->wall_ms - look->up_ms;
}

static bool stepped(int64_t before_ms, int64_t after_ms)
{
	return after_ms - before_ms <= -STEP_MS || after_ms - before_ms >= STEP_MS;
}

void box_clock_text(const struct clock_span *span, char out[static CURSOR_MAX])
{
	if (!*span->boot)
		snprintf(out, CURSOR_MAX, "none");
	else
		snprintf(out, CURSOR_MAX, "boot=%.36s first=%" PRIu64 " offset=%" PRId64 "%s", span->boot, span->first,
			span->offset_ms, span->stepped ? " stepped" : "");
}

static bool read_span(const char *text, struct clock_span *ret)
{
	struct clock_span span = { 0 };
	char word[8] = "";
	int got = sscanf(text, "boot=%36s first=%" SCNu64 " offset=%" SCNd64 " %7s", span.boot, &span.first,
		&span.offset_ms, word);
	span.stepped = strcmp(word, "stepped") == 0;
	if (got >= 3)
		*ret = span;
	return got >= 3;
}

/* The entries behind the one before this look: what was received since may know of it already. */
static void begin(struct box_clock *clock, uint64_t after, const struct clock_look *now)
{
	clock->span = (struct clock_span){ .first = after + 1, .offset_ms = offset_of(now) };
	snprintf(clock->span.boot, sizeof(clock->span.boot), "%s", clock->boot);
	clock->unwritten = true;
}

/* The span is over: told, unless nothing was received in it. */
static void end(struct box_clock *clock, uint64_t last, struct clock_news news)
{
	news.span = clock->span;
	news.span.last = last;
	if (last >= clock->span.first)
		clock->news = news;
	clock->span = (struct clock_span){ 0 };
	clock->ending = false;
	clock->unwritten = true;
}

static void correct(struct box_clock *clock, uint64_t last, const struct clock_look *now)
{
	end(clock, last,
		(struct clock_news){
			.kind = CLOCK_CORRECTED,
			.by_ms = offset_of(now) - clock->span.offset_ms,
			.booted_ms = offset_of(now),
		});
}

void box_clock_init(struct box_clock *clock, const char *boot, const char *kept, const struct clock_look *now)
{
	*clock = (struct box_clock){ .last = *now };
	snprintf(clock->boot, sizeof(clock->boot), "%s", boot);
	bool open = read_span(kept, &clock->span);
	if (open && strcmp(clock->span.boot, clock->boot) != 0)
		end(clock, now->head, (struct clock_news){ .kind = CLOCK_UNCORRECTED });
	else if (open && now->synced)
		correct(clock, now->head, now);
	else if (open && stepped(clock->span.offset_ms, offset_of(now)))
		clock->span.stepped = clock->unwritten = true;
	if (!now->synced && !*clock->span.boot)
		begin(clock, now->head, now);
}

int64_t box_clock_look(struct box_clock *clock, const struct clock_look *now)
{
	const struct clock_look before = clock->last;
	bool open = *clock->span.boot, step = stepped(offset_of(&before), offset_of(now));
	clock->last = *now;
	if (now->synced && open && clock->ending && clock->news.kind == CLOCK_NOTHING) {
		correct(clock, now->head, now);
	} else if (now->synced) {
		clock->ending = open;
	} else if (!open) {
		begin(clock, before.head, now);
	} else if (step) {
		clock->span.stepped = clock->unwritten = true;
		clock->ending = false;
	}
	return step ? offset_of(now) - offset_of(&before) : 0;
}

void box_clock_told(struct box_clock *clock)
{
	clock->news.kind = CLOCK_NOTHING;
	clock->unwritten = false;
}
