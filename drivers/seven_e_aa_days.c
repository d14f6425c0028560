/* Which days a "7E-AA" reader of layout a2 is asked about, and how far they are read; the transcript stands in
 * seven_e_aa.c. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "calendar.h"
#include "seven_e_aa.h"

unsigned days_known(const struct days *days, long day)
{
	for (size_t i = 0; i < KNOWN_DAYS; i++)
		if (days->known[i].day == day)
			return days->known[i].count;
	return 0;
}

/* The day farthest from today is forgotten first, also where the box's clock went back. */
void days_know(struct days *days, long day, unsigned count)
{
	size_t at = 0;
	for (size_t i = 0; i < KNOWN_DAYS; i++) {
		if (days->known[i].day == day) {
			at = i;
			break;
		}
		if (labs(days->known[i].day - days->today) > labs(days->known[at].day - days->today))
			at = i;
	}
	days->known[at].day = day;
	days->known[at].count = count;
}

void days_read_cursor(struct days *days, const char *cursor)
{
	struct date_time date = { 0 };
	unsigned count;
	char rest;
	if (sscanf(cursor, "day=%4d-%2d-%2d count=%5u%c", &date.year, &date.month, &date.day, &count, &rest) != 4 ||
		!calendar_valid(&date))
		return;
	days->cursor_day = calendar_day(&date);
	days->cursor_count = count;
	days_know(days, days->cursor_day, count);
}

void days_write_cursor(struct days *days, struct readings *readings)
{
	unsigned count = days_known(days, days->day);
	bool passes = days->unread_day && days->day > days->unread_day;
	if (days->day < days->cursor_day || days->day > days->today || passes)
		return;
	if (days->day == days->cursor_day && count == days->cursor_count)
		return;
	days->cursor_day = days->day;
	days->cursor_count = count;
	struct date_time date = calendar_of_day(days->day);
	snprintf(readings->cursor, sizeof(readings->cursor), "day=%04d-%02d-%02d count=%u", date.year, date.month,
		date.day, count);
}

static long latest(long a, long b)
{
	return a > b ? a : b;
}

/* From a day on, and told of what lies between the last one that was asked for and the furthest. A day before the box
 * knew the date is none on which the reader was met last. */
static void look_back(struct days *days, long from, long asked, long furthest)
{
	days->day = latest(from, furthest);
	if (asked + 1 >= furthest || !calendar_known(asked))
		return;
	days->skipped_day = asked + 1;
	days->skipped_last = furthest - 1;
}

/* A sweep takes the days along that could not be read, but no day twice. */
static void take_unread_along(struct days *days, long furthest)
{
	long unread = days->unread_day ? latest(days->unread_day, furthest) : days->today;
	days->again_before = LONG_MIN;
	if (days->day != days->today && unread < days->day) {
		days->again_before = days->day;
		days->day = days->whole_from = unread;
	}
	if (days->day <= unread)
		days->unread_day = 0; /* asked for again now */
}

/* The reader's clock and ours need not agree about midnight: a quarter of an hour before and behind it a result may be
 * dated on the other side. Its day is looked at with each poll, as today is, so that it need not wait for a reconcile.
 */
static void look_beside(struct days *days, const struct date_time *now)
{
	int minute = now->hour * 60 + now->minute;
	days->beside = true;
	if (minute < MIDNIGHT_MARGIN_MIN)
		days->day--;
	else if (minute >= 24 * 60 - MIDNIGHT_MARGIN_MIN)
		days->last_day++;
}

bool days_plan(struct days *days, const struct date_time *now, long furthest, bool due)
{
	long before = days->today, today = calendar_day(now);
	bool cursor = days->cursor_day > 0 && days->cursor_day <= today, first = !days->started;
	days->day = days->last_day = days->today = today;
	days->whole_from = LONG_MAX;
	days->started = true;
	days->beside = false;
	if (first) {
		long since = cursor ? days->cursor_day - 1 : furthest;
		look_back(days, since, since, furthest);
		days->last_day = today + 1;
		days->whole_from = days->day; /* a memory that was cleared and filled meanwhile may count the same */
	} else if (before < today) {
		/* yesterday once more, however short the look back; the day before the last one too, which a reader
		 * that is slow may have added to before it went away; where our clock only now says the true date, all
		 * since the cursor */
		long asked = cursor && before < days->cursor_day ? days->cursor_day - 1 : before;
		look_back(days, asked - 1, asked, furthest < today ? furthest : today - 1);
		days->whole_from = days->day;
	} else if (due) {
		days->day = today - 1;
		days->last_day = today + 1;
		days->whole_from = days->day;
	}
	take_unread_along(days, furthest);
	bool everything = first || days->last_day > today;
	if (days->day == today && !everything)
		look_beside(days, now);
	return everything;
}

bool days_beside(const struct days *days)
{
	return days->beside && days->day != days->today;
}

void days_leave_unread(struct days *days)
{
	if (days->day <= days->today && (!days->unread_day || days->day < days->unread_day))
		days->unread_day = days->day;
}
