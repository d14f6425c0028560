/* What the daemon says to its operator: one line on standard error with the priority systemd reads ("<4>...").
 *
 * Only lines, publishers, the caretaker and the programs log; everything below returns a fault. A log line names the
 * instrument or target, what happened and what to do. Any thread may call; a line is written with one write(2).
 */
#ifndef ASSAYD_LOG_H
#define ASSAYD_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

void log_set_level(enum log_level level); /* the least urgent level still written; NOTICE + INFO by default */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Complaining with growing patience: true when a complaint that keeps coming should be made again (1st, then after 1,
 * 2, 4 ... 64 minutes); `complaint_over` is true once when it had been made and the cause is gone. One thread per
 * struct. */
struct complaint {
	unsigned made;
	long next_ms;
};
bool complaint_due(struct complaint *complaint);
bool complaint_over(struct complaint *complaint);

#endif
