/* The parts of the driver scanner, for drivers/scanner*.c; samples_csv.c uses its labels. */
#ifndef ASSAYD_SCANNER_H
#define ASSAYD_SCANNER_H

#include "driver.h"

/* A QR code holds 2,953 bytes at most. */
#define SCANNER_CODE_MAX 4096
#define SCANNER_TEXT_MAX (SCANNER_CODE_MAX + SCANNER_CODE_MAX / 2 + 1) /* two bytes of GB 18030 are three of UTF-8 */

struct scanner_code {            /* one code that is being read */
	const char *text;        /* all of it, UTF-8 */
	bool short_trace;        /* 20 digits that begin with 1, 2 or 3 are a trace code */
	enum identity_rule rule; /* for identity numbers of people born up to `latest_birth` */
	int latest_birth;
	struct readings *readings; /* where notices go */

	enum scan_kind kind;
	struct sample_facts facts;
	unsigned found;   /* labels that were known */
	bool contradicts; /* it says one thing twice, differently */
	bool personal;    /* an identity number came out of its escapes */
};

/* scanner.c: a notice scan_refused. */
void scanner_refuse(struct readings *readings, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* scanner_code.c: fills in `kind` and `facts`; false when nothing of it can be used, which is told. */
bool scanner_read(struct scanner_code *code);
void scanner_refuse_person(struct readings *readings);
/* Takes a credit code, or tells what is wrong with it. */
bool scanner_take_uscc(struct scanner_code *code, const char *uscc);

/* Which fact a label names, as offset in struct sample_facts; false for a name that is not known. */
bool scanner_label(const char *name, size_t length, size_t *ret_offset);

/* scanner_labels.c: true where an identity number stands in the escapes of an address. */
bool scanner_address_is_personal(const struct scanner_code *code);
/* Whatever is labelled by a name that is known. What is no text of its kind gives false. */
bool scanner_read_json(struct scanner_code *code);
void scanner_read_address(struct scanner_code *code);
void scanner_read_pairs(struct scanner_code *code);

#endif
