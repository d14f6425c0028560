#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"

static _Atomic int least_urgent = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	least_urgent = (int)level;
}

void log_line(enum log_level level, const char *format, ...)
{
	if ((int)level > least_urgent)
		return;
	char line[1024];
	int used = snprintf(line, sizeof(line), "<%d>", (int)level);
	va_list args;
	va_start(args, format);
	int more = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, format, args);
	va_end(args);
	used += more < (int)sizeof(line) - used - 2 ? more : (int)sizeof(line) - used - 2;
	for (int i = 0; i < used; i++)
		if ((unsigned char)line[i] < ' ')
			line[i] = ' '; /* a text from outside cannot start a line of its own */
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)used) < 0)
		return; /* nowhere left to complain to */
}

bool complaint_due(struct complaint *complaint)
{
	long now = clock_ms();
	if (complaint->made && now < complaint->next_ms)
		return false;
	unsigned doublings = complaint->made < 6 ? complaint->made : 6;
	complaint->next_ms = now + (60000L << doublings);
	complaint->made++;
	return true;
}

bool complaint_over(struct complaint *complaint)
{
	bool had = complaint->made > 0;
	*complaint = (struct complaint){ 0 };
	return had;
}
