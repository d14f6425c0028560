/* Capture files come from anywhere: any bytes are read or refused with a sentence that names the line, and what was
 * read is written and read back as the same. */
#include <stdlib.h>
#include <string.h>

#include "../../daemon/capture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_same(const struct capture *one, const struct capture *other)
{
	must(one->count == other->count && one->head.wire == other->head.wire && one->head.unit == other->head.unit);
	must(strcmp(one->head.driver, other->head.driver) == 0 && strcmp(one->head.line, other->head.line) == 0);
	for (size_t i = 0; i < one->count; i++) {
		const struct capture_item *a = &one->items[i], *b = &other->items[i];
		must(a->sent == b->sent && a->length == b->length && a->length > 0);
		must(b->at_us == (a->at_us < 0 ? 0 : a->at_us));
		must(memcmp(one->bytes + a->offset, other->bytes + b->offset, a->length) == 0);
	}
}

static void check_rewritten(const struct capture *capture)
{
	char *text = NULL;
	size_t length = 0;
	struct capture again;
	FILE *file = open_memstream(&text, &length);
	must(file != NULL);
	capture_write_head(file, &capture->head);
	capture_write_note(file, 1, capture->head.profile);
	for (size_t i = 0; i < capture->count; i++) {
		const struct capture_item *item = &capture->items[i];
		capture_write_item(file, item->sent, item->at_us < 0 ? 0 : item->at_us, capture->bytes + item->offset,
			item->length);
	}
	fclose(file);
	must(capture_says_so(text, length));
	must(capture_parse(text, length, "again", &again, NULL) == 0);
	check_same(capture, &again);
	capture_free(&again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct capture capture;
	struct fault fault = { 0 };
	char *exact = malloc(size ? size : 1); /* of exactly this size: reading past the end is seen */
	must(exact != NULL);
	memcpy(exact, data, size);
	int error = capture_parse(exact, size, "a", &capture, &fault);
	if (error < 0) {
		must(strncmp(fault.text, "a:", 2) == 0);
	} else {
		check_rewritten(&capture);
		capture_free(&capture);
	}
	free(exact);
	return 0;
}
