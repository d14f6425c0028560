/* Files people edit: read whole, as UTF-8, whatever WPS, Excel or Notepad saved.
 *
 * UTF-8 with or without byte order mark, or GB 18030; CRLF or LF. UTF-16, NUL bytes, characters cut in half and files
 * over 16 MiB are faults with line and column. Any thread may call.
 */
#ifndef ASSAYD_TEXTFILE_H
#define ASSAYD_TEXTFILE_H

#include <stddef.h>

#include "faults.h"

/* 0 and the text with LF line ends, NUL-terminated, free() it; or -errno with the reason added to `faults`. */
int textfile_read(const char *path, char **ret_text, size_t *ret_length, struct faults *faults);

#endif
