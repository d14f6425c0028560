/* A stream that becomes a text in memory. open_memstream() of glibc leaves out what it found no memory for, a character
 * or a row, and its error flag stays clear. */
#ifndef ASSAYD_TEXT_STREAM_H
#define ASSAYD_TEXT_STREAM_H

#include <stddef.h>
#include <stdio.h>

/* After fflush() and fclose() *text is what was written, with a NUL behind it that *length does not count; free() it.
 * Without memory the process ends (abort): a text is whole, or there is none. */
FILE *text_stream(char **text, size_t *length);

#endif
