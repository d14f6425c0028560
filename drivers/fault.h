/* A fault: one sentence a person can act on, filled by the lowest function that knows what went wrong.
 *
 * Functions that can fail return 0 or -errno and take a `struct fault *` as their last argument. The sentence names the
 * place, what is wrong and what would be right; it has no trailing full stop and no newline. A caller either passes the
 * fault up untouched or replaces it with one that says more; only lines, publishers and the programs print it.
 * Any thread may call; a fault belongs to its caller.
 */
#ifndef ASSAYD_FAULT_H
#define ASSAYD_FAULT_H

#include <libintl.h>

#define _(text)  gettext(text)
#define N_(text) text /* marks a text for the catalogue where gettext() cannot be called */

struct fault {
	char text[512];
};

/* Fills `fault` (which may be NULL) and returns -error, so that `return fault_set(fault, EINVAL, ...)` reads well. A
 * sentence too long is cut at a whole character. */
int fault_set(struct fault *fault, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
