/* Files people choose by name: profiles and maps. Shipped in DATADIR/SHELF, overridden by a file of the same name in
 * CONFDIR/SHELF; each is named without directory and without .conf. Any thread may call.
 */
#ifndef ASSAYD_SHELF_H
#define ASSAYD_SHELF_H

#include <stdbool.h>
#include <stddef.h>

/* True for what can be a name at all: no directory, not hidden, not empty. */
bool shelf_is_name(const char *name);

/* Finds NAME.conf in CONFIG_DIRECTORY/SHELF (may be NULL), then among the shipped ones; false when it is in neither. */
bool shelf_find(const char *config_directory, const char *shelf, const char *name, char *out, size_t size);

/* Calls `each` with every name that shelf_find() would find, some twice. */
void shelf_names(
	const char *config_directory, const char *shelf, void (*each)(void *context, const char *name), void *context);

/* The same as one text with commas, "none" when there are none. Returns `out`. */
char *shelf_listed(const char *config_directory, const char *shelf, char *out, size_t size);

#endif
