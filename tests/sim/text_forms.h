/* How text instruments write a result: the bytes of A8, A9, A10, of the A4 reader's JSON and of a row in a CSV file. */
#ifndef SIM_TEXT_FORMS_H
#define SIM_TEXT_FORMS_H

#include <stddef.h>
#include <stdint.h>

#include "result.h"

enum { TEXT_FORM_MAX = 1024, TEXT_PUSH = 57 };

/* Items of the text instruments beside the A6b's: what only they have. */
enum { TEXT_ITEM_FORMALDEHYDE = 401, TEXT_ITEM_AFLATOXIN = 501, TEXT_ITEM_CRP = 502 };

/* Each returns the length. GB 18030 but for JSON, which is UTF-8. */
size_t text_ticket(const struct result *result, uint8_t out[static TEXT_FORM_MAX]); /* A8, ESC @ to the cut */
size_t text_line(const struct result *result, uint8_t out[static TEXT_FORM_MAX]);   /* A9, "R," to its check */
size_t text_push(const struct result *result, uint8_t out[static TEXT_FORM_MAX]);   /* A10 */
size_t text_object(const struct result *result, uint8_t out[static TEXT_FORM_MAX]); /* JSON, without a comma */
size_t text_row(const struct result *result, uint8_t out[static TEXT_FORM_MAX]);    /* CSV, CR LF at its end */
size_t text_heading(uint8_t out[static TEXT_FORM_MAX]);                             /* of the CSV */

#endif
