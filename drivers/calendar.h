/* Days and times as instruments write them: without a zone, often with two digits for the year. Pure; any thread may
 * call.
 */
#ifndef ASSAYD_CALENDAR_H
#define ASSAYD_CALENDAR_H

#include <stdbool.h>

#include "driver.h"

/* True for a day that exists and a time of that day (second 0..59; years 1..9999). */
bool calendar_valid(const struct date_time *time);

/* "2026-03-05T09:41:20" into `out`, or "" and false for an impossible time: an instrument's nonsense is not repaired.
 */
#define CALENDAR_TEXT_MAX 32
bool calendar_text(const struct date_time *time, char out[static CALENDAR_TEXT_MAX]);

/* Fills in the year of a time that was written without one: the latest by which it lies no more than a day behind
 * `now`, for a clock that is fast; 31 December read on 1 January is last year's. False where `now` is not known (before
 * 2015), or there is no such day in any year. */
bool calendar_complete(struct date_time *time, const struct date_time *now);

/* False for a day before 2015, which only a clock shows that was never set: a box without a battery begins in 1970. */
bool calendar_known(long day);

/* Days since 0000-03-01 of the proleptic Gregorian calendar, and back (at midnight); for counting days. */
long calendar_day(const struct date_time *time);
struct date_time calendar_of_day(long day);

/* Days that stay unread must not pass silently: tells that those from `*first_day` to `last_day` were not asked for,
 * and makes `*first_day` 0, which is none. Where there is no room for the notice it stays, for the next time. */
void calendar_tell_skipped(long *first_day, long last_day, struct readings *readings);

#endif
