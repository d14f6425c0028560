/* The reference of all settings, printed from the tables that read them: it cannot say anything else than the reader
 * does.
 *
 * Printed in the language of the caller. Any thread may call.
 */
#ifndef ASSAYD_REFERENCE_H
#define ASSAYD_REFERENCE_H

#include <stdio.h>

/* `what`: "example", the annotated assayd.conf; "man", the page assayd.conf(5) as mdoc(7); "keys", one line per setting
 * for shell completion: section, key and what it takes, parted by tabs. 0, or -EINVAL for another word. */
int reference_print(const char *what, FILE *out);

#endif
