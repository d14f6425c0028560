/* Instrument profiles: INI files that describe one model within a driver's family.
 *
 * Shipped in DATADIR/profiles, overridden by a file of the same name in CONFDIR/profiles. Every entry is checked by the
 * driver that owns its meaning; faults carry file, line and column.
 */
#ifndef ASSAYD_PROFILE_H
#define ASSAYD_PROFILE_H

#include "../drivers/driver.h"
#include "faults.h"

/* Reads one profile file for `driver`: driver->profiles->size bytes, free() them. 0 or -errno with the reasons added.
 */
int profile_read(const char *path, const struct driver *driver, void **ret, struct faults *faults);

/* Finds NAME.conf in CONFIG_DIRECTORY/profiles (may be NULL), then in the shipped ones. -ENOENT names the profiles
 * there are. */
int profile_find(const char *config_directory, const char *name, char *out, size_t size, struct fault *fault);

/* Calls `each` with the name of every profile that profile_find() would find, some twice. */
void profile_names(const char *config_directory, void (*each)(void *context, const char *name), void *context);

#endif
