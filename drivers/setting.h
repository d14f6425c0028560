/* A setting is one row of one table. Checker, reference page, annotated example and shell completion all come from it.
 *
 * A table ends with a row whose name is NULL. Values are stored at `offset` in the owner's plain struct, in the C type
 * the setting type names. The reader itself lives in daemon/settings.c; drivers only declare rows.
 */
#ifndef ASSAYD_SETTING_H
#define ASSAYD_SETTING_H

#include <stddef.h>
#include <stdint.h>

enum setting_type {
	SETTING_TEXT,       /* char[max + 1]; UTF-8, no control characters; min..max bytes */
	SETTING_PATH,       /* char[max + 1]; absolute path of a file that must be readable when given */
	SETTING_INTEGER,    /* long; min..max; decimal or 0x hexadecimal */
	SETTING_DURATION,   /* int64_t, milliseconds; written "500ms", "1s", "5min", "2h", "400d"; min..max in ms */
	SETTING_CHOICE,     /* int: the index of the word in `choices`, written "first|second|third" */
	SETTING_BOOLEAN,    /* bool: yes/no, true/false, on/off, 1/0 */
	SETTING_DECIMAL,    /* char[max + 1]; a decimal number kept as text */
	SETTING_DIRECTORY,  /* char[max + 1]; absolute path, which may be created later: nothing is looked up */
	SETTING_DAY,        /* char[11]; a calendar day, "2026-03-05", also written 2026/3/5 */
	SETTING_CREDENTIAL, /* char[max + 1]; like SETTING_PATH, or the bare name of a systemd credential */
};

struct setting {
	const char *name;
	enum setting_type type;
	size_t offset;
	int64_t min, max;
	const char *choices;  /* SETTING_CHOICE only */
	const char *standard; /* the default, written as in the file; NULL: must be given; "": absent is fine */
	const char *example;  /* for the example file; NULL: the default */
	const char *help;     /* one sentence marked N_(), for reference page and example */
};

#endif
