/* Settings: the one reader of values, driven by the tables of drivers/setting.h.
 *
 * A value is understood whole or refused with the range and the nearest right one: "96oo" is no number, not 96. Pure
 * but for SETTING_PATH and SETTING_CREDENTIAL, which look whether the file can be read. Any thread may call.
 */
#ifndef ASSAYD_SETTINGS_H
#define ASSAYD_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "../drivers/fault.h"
#include "../drivers/setting.h"
#include "faults.h"
#include "ini.h"

struct settings_table { /* rows, and the plain struct they fill; rows may be NULL */
	const struct setting *rows;
	void *into;
};

/* Reads one value into the struct. 0 or -EINVAL and the struct untouched. */
int settings_value(const struct setting *row, const char *value, void *into, struct fault *fault);

/* Fills in every default. */
void settings_defaults(const struct settings_table *table);

/* Defaults, then every entry of the section, then what must be given and is not. With `open` an unknown key is no
 * fault: the table that would know it is not known itself. Returns the number of faults added. */
size_t settings_read(const struct ini *ini, const struct ini_section *section, const struct settings_table *tables,
	size_t count, bool open, struct faults *faults);

/* "1..247", "500ms..60s", "none|required": what a row takes, for messages and the reference page; "" when anything. */
char *settings_range(const struct setting *row, char *out, size_t size);

/* "1500ms", "5min": milliseconds in the largest unit that says them exactly. */
char *settings_duration(int64_t ms, char *out, size_t size);

#endif
