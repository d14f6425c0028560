/* The parts of samples, for daemon/samples*.c only. */
#ifndef ASSAYD_SAMPLES_PARTS_H
#define ASSAYD_SAMPLES_PARTS_H

#include "samples.h"
#include "sqlite.h"

#define SAMPLES_BOOT_MAX 40

/* samples_write.c: by the journal's writer, inside its transaction. */
int samples_write(const struct sample_changes *changes, const char *boot, struct db *db, struct fault *fault);
int samples_forget(struct db *db, int64_t oldest_ms, struct fault *fault);

/* Which boot of the box this is, and the milliseconds since; suspended or not. */
void samples_boot(char out[static SAMPLES_BOOT_MAX]);
int64_t samples_boot_ms(void);

/* SQL: when the sample was registered. Of what was registered while our clock stood at 1970 is known that it was before
 * the next that was not, which has a higher number; of what comes from a journal before ours (numbers below 0) in which
 * no entry has a date, that it was before the first of ours. */
#define SAMPLE_KNOWN_MS(possible, unknown)                                                                             \
	"iif(sample.at_ms >= " possible ", sample.at_ms, ifnull((SELECT n.at_ms FROM sample n"                         \
	" WHERE n.number > max(sample.number, 0) AND n.at_ms >= " possible " ORDER BY n.number LIMIT 1), " unknown     \
	"))"

#endif
