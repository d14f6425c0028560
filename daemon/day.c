#include "day.h"

#include <stdio.h>

/* Cuts at most so many digits off *at; 0 when there is none. */
static unsigned cut_number(const char **at, unsigned digits)
{
	unsigned number = 0;
	for (; digits > 0 && **at >= '0' && **at <= '9'; digits--)
		number = number * 10 + (unsigned)(*(*at)++ - '0');
	return number;
}

static bool leap(unsigned year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

bool day_read(const char *text, char out[static DAY_MAX])
{
	static const unsigned days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned year = cut_number(&text, 4);
	char sign = *text;
	if ((sign != '-' && sign != '/') || year < 1900)
		return false;
	text++;
	unsigned month = cut_number(&text, 2);
	if (*text++ != sign || month < 1 || month > 12)
		return false;
	unsigned day = cut_number(&text, 2);
	if (*text || day < 1 || day > days[month - 1] || (month == 2 && day == 29 && !leap(year)))
		return false;
	snprintf(out, DAY_MAX, "%04u-%02u-%02u", year % 10000, month % 100, day % 100);
	return true;
}

/* Days since the 1st of March of the year 0, by a year that begins in March: its leap day is its last. */
static long number_of(const char *text)
{
	long year = (long)cut_number(&text, 4);
	text++;
	long month = (long)cut_number(&text, 2);
	text++;
	long day = (long)cut_number(&text, 2);
	long since_march = (month + 9) % 12;
	year -= month < 3;
	return 365 * year + year / 4 - year / 100 + year / 400 + (153 * since_march + 2) / 5 + day;
}

long day_difference(const char *from, const char *to)
{
	return number_of(to) - number_of(from);
}

bool day_ends_soon(const char *until, const char *today, long *ret_days)
{
	*ret_days = day_difference(today, until);
	return *ret_days <= DAY_SOON;
}
