/* Time. Timers use the monotonic clock; the wall clock is only ever written down, never trusted for order or identity.
 * Any thread may call.
 */
#ifndef ASSAYD_CLOCK_H
#define ASSAYD_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "../drivers/driver.h"

long clock_ms(void);         /* monotonic milliseconds */
int64_t clock_us(void);      /* monotonic microseconds */
int64_t clock_wall_ms(void); /* Unix time in milliseconds by the box's clock */

int64_t clock_up_ms(void); /* since the box was started, whatever the wall clock does; sleep counts */

/* The identity of this boot, a UUID as the kernel made it; "unknown" where there is none. */
#define CLOCK_BOOT_MAX 37
void clock_boot(char out[static CLOCK_BOOT_MAX]);

/* True when the kernel says a time service has the clock synchronised (adjtimex: not STA_UNSYNC). */
bool clock_synced(void);

/* False before the program was written: no box that runs it can honestly have such a date. */
#define CLOCK_POSSIBLE_MS (1772323200 * INT64_C(1000)) /* 2026-03-01 */
bool clock_possible(int64_t wall_ms);

/* "2026-03-05T09:43:02.118+08:00", in the process' time zone (TZ is set once from station.timezone). */
#define CLOCK_TEXT_MAX 40
char *clock_text(char out[static CLOCK_TEXT_MAX], int64_t wall_ms);

/* The station's local calendar time now, for drivers that ask by date. */
struct date_time clock_local(void);

struct date_time clock_date(int64_t wall_ms); /* the same of any time */

/* Unix seconds of a local "2026-03-05T09:41:20", or -1 when it is no such time; for skew and lateness. */
int64_t clock_parse_local(const char *text);
/* The same of a time with its zone, "+08:00" or "" for the station's. */
int64_t clock_parse(const char *text, const char *zone);

#endif
