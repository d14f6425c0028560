/* Calendar days as text, "2026-03-05": in tables and settings, and what lies between two of them. Pure. */
#ifndef ASSAYD_DAY_H
#define ASSAYD_DAY_H

#include <stdbool.h>

#define DAY_MAX 11

/* Reads "2026-03-05", or as spreadsheets rewrite it: "2026/3/5". False, and `out` untouched, when it is no day. */
bool day_read(const char *text, char out[static DAY_MAX]);

/* How many days `to` lies after `from`, negative: before. Both as day_read() leaves them; more may follow, which does
 * not count. */
long day_difference(const char *from, const char *to);

#define DAY_SOON 30

/* True when something that holds up to and with the day `until` has ended by today, or ends within DAY_SOON days:
 * `*ret_days` are left then, 0 on its last day, negative behind it. */
bool day_ends_soon(const char *until, const char *today, long *ret_days);

#endif
