/* What text instruments are asked, and what they answer.
 *
 *   A8, A10, folder: nothing; what they finish goes out at once
 *   A9    D2026-03-05D2026-03-05 -> every line of these days, FINISH
 *   JSON  READ -> {"detail":[...]} with all the memory holds
 */
#ifndef SIM_TEXT_DIALOGUE_H
#define SIM_TEXT_DIALOGUE_H

#include "memory.h"
#include "options.h"
#include "text_forms.h"

bool text_pushes(enum archetype archetype);
/* The result in the form in which this archetype says it; its length. */
size_t text_form(const struct options *options, const struct result *result, uint8_t out[static TEXT_FORM_MAX]);

/* Length of the question at `data`, 0 for more, -1 when none starts here. */
int text_date_frame(const uint8_t *data, size_t length);
int text_read_frame(const uint8_t *data, size_t length);
int text_no_frame(const uint8_t *data, size_t length);

typedef void text_send(void *context, const uint8_t *bytes, size_t length);

/* Answers one question: each result through `send`, what stands between them through `between`. */
void text_answer(const struct options *options, const struct memory *memory, const uint8_t *question, size_t length,
	text_send *send, text_send *between, void *context);

#endif
