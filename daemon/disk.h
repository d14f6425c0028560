/* The disk the journal lies on: how full it is, when that is worth an alarm, and the reserve file.
 *
 * On a disk that is quite full not even a deletion can be committed (SQLite answers SQLITE_FULL). So a file of some
 * megabytes is laid down while there is room, and given back when there is none: then acknowledgements, the removal of
 * old entries and the alarm itself can still be written. Any thread may call.
 */
#ifndef ASSAYD_DISK_H
#define ASSAYD_DISK_H

#include <stdint.h>

#include "../drivers/fault.h"

struct disk { /* bytes, as an unprivileged program sees them */
	uint64_t size, free;
	unsigned used_percent; /* as df(1) counts: rounded up, without what is set aside for root */
};

int disk_look(const char *directory, struct disk *ret, struct fault *fault);

enum disk_level { DISK_FINE, DISK_LOW, DISK_SHORT };
#define DISK_LOW_PERCENT   80
#define DISK_SHORT_PERCENT 95
#define DISK_BACK_PERCENT  3 /* so far below a threshold an alarm is over: one that comes and goes says nothing */

enum disk_level disk_level(enum disk_level before, unsigned used_percent);

/* Lays the file down where twice its size is free; -ENOSPC where not. 0 also when it is there already. */
int reserve_make(const char *path, uint64_t size);
uint64_t reserve_release(const char *path); /* the bytes given back, 0 when there was none */
uint64_t reserve_size(const char *path);    /* 0: none */

#endif
