#include "calendar.h"

#include <stdio.h>

static int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap);
}

static bool within(int value, int low, int high)
{
	return value >= low && value <= high;
}

bool calendar_valid(const struct date_time *time)
{
	return within(time->year, 1, 9999) && within(time->month, 1, 12) &&
	       within(time->day, 1, days_in_month(time->year, time->month)) && within(time->hour, 0, 23) &&
	       within(time->minute, 0, 59) && within(time->second, 0, 59);
}

bool calendar_text(const struct date_time *time, char out[static CALENDAR_TEXT_MAX])
{
	*out = '\0';
	if (!calendar_valid(time))
		return false;
	snprintf(out, CALENDAR_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02u", (unsigned)time->year % 10000,
		(unsigned)time->month % 100, (unsigned)time->day % 100, (unsigned)time->hour % 100,
		(unsigned)time->minute % 100, (unsigned)time->second % 100);
	return true;
}

enum { KNOWN_FROM = 2015 };

bool calendar_known(long day)
{
	return day >= calendar_day(&(struct date_time){ .year = KNOWN_FROM, .month = 1, .day = 1 });
}

bool calendar_complete(struct date_time *time, const struct date_time *now)
{
	enum { YEARS = 9 }; /* 29 February is eight years from the next where a century falls between */
	for (int back = -1; now->year >= KNOWN_FROM && back < YEARS; back++) {
		time->year = now->year - back;
		if (calendar_valid(time) && calendar_day(time) <= calendar_day(now) + 1)
			return true;
	}
	time->year = 0;
	return false;
}

/* Counting from March puts the leap day at the end of the year: the months before it have a fixed pattern of
 * 153 days in five. */
long calendar_day(const struct date_time *time)
{
	long month = (time->month + 9) % 12;
	long year = time->year - month / 10;
	return 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + time->day - 1;
}

struct date_time calendar_of_day(long day)
{
	long year = (day * 10000 + 14780) / 3652425;
	long rest = day - (365 * year + year / 4 - year / 100 + year / 400);
	if (rest < 0) {
		year--;
		rest = day - (365 * year + year / 4 - year / 100 + year / 400);
	}
	long month = (100 * rest + 52) / 3060;
	return (struct date_time){
		.year = (int)(year + (month + 2) / 12),
		.month = (int)((month + 2) % 12 + 1),
		.day = (int)(rest - (153 * month + 2) / 5 + 1),
	};
}

void calendar_tell_skipped(long *first_day, long last_day, struct readings *readings)
{
	struct notice *notice = *first_day ? readings_notice(readings, NOTICE_MISSED_RESULTS) : NULL;
	if (!notice)
		return;
	struct date_time first = calendar_of_day(*first_day), last = calendar_of_day(last_day);
	snprintf(notice->reason, sizeof(notice->reason),
		_("the days %04d-%02d-%02d to %04d-%02d-%02d were not asked for: the absence was longer than lookback"),
		first.year, first.month, first.day, last.year, last.month, last.day);
	*first_day = 0;
}
