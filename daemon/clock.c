#include "clock.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>

long clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_up_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void clock_boot(char out[static CLOCK_BOOT_MAX])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	if (!file || fscanf(file, "%36s", out) != 1)
		snprintf(out, CLOCK_BOOT_MAX, "unknown");
	if (file)
		fclose(file);
}

bool clock_synced(void)
{
	struct timex state = { 0 };
	return adjtimex(&state) >= 0 && !(state.status & STA_UNSYNC);
}

bool clock_possible(int64_t wall_ms)
{
	return wall_ms >= CLOCK_POSSIBLE_MS;
}

char *clock_text(char out[static CLOCK_TEXT_MAX], int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm local;
	char zone[8];
	localtime_r(&seconds, &local);
	strftime(zone, sizeof(zone), "%z", &local); /* "+0800" */
	size_t used = strftime(out, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &local);
	snprintf(out + used, CLOCK_TEXT_MAX - used, ".%03d%.3s:%.2s", (int)(wall_ms % 1000), zone, zone + 3);
	return out;
}

struct date_time clock_date(int64_t wall_ms)
{
	struct tm local;
	time_t seconds = (time_t)(wall_ms / 1000);
	localtime_r(&seconds, &local);
	return (struct date_time){
		.year = local.tm_year + 1900,
		.month = local.tm_mon + 1,
		.day = local.tm_mday,
		.hour = local.tm_hour,
		.minute = local.tm_min,
		.second = local.tm_sec,
	};
}

/* glibc reads the zone's rule as text at every call, and each poll of each instrument asks: once a second will do. */
struct date_time clock_local(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static int64_t last_second;
	static struct date_time last;
	int64_t now = clock_wall_ms() / 1000;
	pthread_mutex_lock(&lock);
	if (now != last_second)
		last = clock_date(now * 1000);
	last_second = now;
	struct date_time copy = last;
	pthread_mutex_unlock(&lock);
	return copy;
}

/* mktime() and timegm() turn 31 February into 3 March: an instrument that says so has no valid time. */
static int64_t parse(const char *text, time_t (*make)(struct tm *))
{
	struct tm local = { .tm_isdst = -1 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &local);
	if (!end || *end)
		return -1;
	struct tm asked = local;
	time_t seconds = make(&local);
	if (seconds == -1 || local.tm_mday != asked.tm_mday || local.tm_mon != asked.tm_mon)
		return -1;
	return seconds;
}

int64_t clock_parse_local(const char *text)
{
	return parse(text, mktime);
}

int64_t clock_parse(const char *text, const char *zone)
{
	int hours = 0, minutes = 0;
	if (!*zone)
		return clock_parse_local(text);
	if (sscanf(zone + 1, "%2d:%2d", &hours, &minutes) != 2)
		return -1;
	int64_t seconds = parse(text, timegm), offset_s = hours * 3600 + minutes * 60;
	return seconds < 0 ? -1 : seconds - (*zone == '-' ? -offset_s : offset_s);
}
