/* INI files: what technicians know from systemd, NUT and Windows.
 *
 *     # comment                     a line that starts with # or ;
 *     [instrument pr-1]             a section: one word, or a word and a name
 *     port = usb:1a86:7523          ; a comment behind a value, after a blank
 *     name = "#1 reader; left"      quotes keep what would start a comment
 *
 * White space at the start of a line means nothing, a line is never continued on the next, and ":" separates nothing.
 * Every fault of a file is reported in one run, with line and column, and reading goes on behind it. The packaged
 * libinih is not used: it cuts lines at 200 bytes, joins an indented line to the value above it, knows no columns, and
 * reports the first fault only.
 *
 * Keys and values are UTF-8 and live as long as the file they came from. Any thread may call.
 */
#ifndef ASSAYD_INI_H
#define ASSAYD_INI_H

#include <stdbool.h>
#include <stddef.h>

#include "faults.h"

#define INI_LINE_MAX 4000 /* bytes; a longer line is a fault, never cut */

struct ini_entry {
	const char *key, *value;
	int line, key_column, value_column; /* columns count characters from 1 */
};

struct ini_section {
	const char *word, *name; /* name: "" when the section has only a word */
	int line, column;        /* where the word begins */
	bool repeated;           /* a fault was reported: the same section stands further up */
	struct ini_entry *entries;
	size_t count;
};

struct ini {
	const char *path;
	struct ini_section *sections;
	size_t count;
};

/* Reads a file. 0; or -EINVAL with the faults added and, in *ret all the same, whatever could be understood, so that
 * the meaning of the rest can be checked in the same run; or another -errno and NULL when the file cannot be read. */
int ini_read(const char *path, struct ini **ret, struct faults *faults);
/* The same for a text already in memory; `text` is not kept. */
int ini_parse(const char *path, const char *text, struct ini **ret, struct faults *faults);
void ini_free(struct ini *ini); /* NULL is fine */

const struct ini_entry *ini_find(const struct ini_section *section, const char *key); /* NULL when absent */

/* Adds a fault with the line as it stands in the file. */
void ini_fault(const struct ini *ini, struct faults *faults, enum faults_weight weight, int line, int column,
	const char *format, ...) __attribute__((format(printf, 6, 7)));

/* The ASCII character that the full-width or typographic character at `utf8` is typed for ("＝" for "=", "“" for '"'),
 * or 0. Input methods produce them, and on a screen they look alike. */
char ini_ascii_meant(const char *utf8);

/* Copies the first character that has an ASCII look-alike to `out` and returns what is meant, or returns 0. */
char ini_find_lookalike(const char *utf8, char out[static 5]);

#endif
