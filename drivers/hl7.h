/* The parts of the hl7 driver, for drivers/hl7*.c only; the transcript stands in hl7.c. */
#ifndef ASSAYD_HL7_H
#define ASSAYD_HL7_H

#include "delimited.h"
#include "driver.h"
#include "text.h"

enum hl7_control { HL7_START = 0x0B, HL7_END = 0x1C };

/* In the order of the settings' choices. */
enum hl7_sample { HL7_SAMPLE_AUTO, HL7_SAMPLE_PLACER, HL7_SAMPLE_FILLER, HL7_SAMPLE_SPECIMEN, HL7_SAMPLE_CONTAINER };
enum hl7_item { HL7_ITEM_CODE, HL7_ITEM_NAME };

#define HL7_FLAGS_MAX 128 /* of the setting `flags` */
#define HL7_SKIP_MAX  256 /* of the setting `skip` */

struct hl7_options {
	bool acknowledge;
	int encoding, sample, item;
	int about_run; /* 0: left out, 1: results like others */
	char flags[HL7_FLAGS_MAX + 1], skip[HL7_SKIP_MAX + 1];
};

/* A message up to HL7_WHOLE_MAX is taken when it is whole; a longer one from there on in pieces, of a segment or of
 * HL7_PIECE_MAX bytes, whichever is shorter. Its beginning is longer than HL7_PART_MIN: line ends behind it are left.
 */
#define HL7_WHOLE_MAX 61440
#define HL7_PART_MIN  (HL7_WHOLE_MAX - 64)
#define HL7_PIECE_MAX 4096
#define HL7_KEPT_MAX  65536 /* of one message, without pictures and persons */
#define HL7_RAW_MAX   65536 /* raw bytes of the readings that are stored together */
#define HL7_ALIKE_MAX 256

/* How much of a segment is kept. No value is nearly as long; a picture is told by its first bytes. */
#define HL7_HEADER_MAX  2048
#define HL7_RESULT_MAX  16384
#define HL7_SEGMENT_MAX 4096
#define HL7_PICTURE_MAX 256

struct hl7_delimiters {
	uint8_t field, component, repeat, escape, sub; /* 0: MSH names none */
};

struct hl7_message {
	uint8_t kept[HL7_KEPT_MAX]; /* its segments, each ended by CR; nothing of a person */
	size_t length;
	size_t start;    /* of the segment that is being gathered */
	size_t dropped;  /* bytes of it that were not kept */
	size_t left_out; /* bytes of persons' segments and of the comments on them */
	bool person;     /* a person's segment came last: comments on it are not kept either */
	bool overflow;   /* longer than `kept` */
	bool not_utf8;   /* somewhere, persons included */
	bool orders;     /* OBR came: SPM behind it belongs to it */
	bool specimens;  /* SPM or SAC came before the first OBR: each belongs to the OBR behind it */

	struct hl7_delimiters delimiters;
	enum text_encoding charset;
	bool guessed; /* it is GB 18030 because it is no UTF-8, and nothing says what it is */
	bool timed;   /* MSH says when it was made, or which it is */
	enum kind kind;
};

struct hl7_segment {
	struct field whole; /* without its CR; empty: there is none */
	const struct hl7_message *message;
	unsigned marks; /* enum reading_mark, of the texts taken from it */
};

/* Which answer is owed, and to what. */
struct hl7_answer {
	bool owed;
	char code; /* 'A' accepted, 'E' an error, 'R' rejected; the first letter depends on what the sender wants */
	const char *text;
	uint8_t header[HL7_HEADER_MAX]; /* the MSH answered; empty when there was none */
	size_t header_length;
};

struct hl7_state {
	bool inside;                       /* the rest of a long message follows */
	bool block;                        /* ... which began with a start block */
	bool broken;                       /* the last frame was a block without end */
	bool ended, unended;               /* the sender writes end blocks, or none */
	unsigned doubts;                   /* messages without end block of one that wrote end blocks, in a row */
	bool finishing;                    /* its results are being given out; the readings had no room for the rest */
	size_t at;                         /* ... of the segment whose turn it is */
	size_t order, specimen, container; /* ... of the segments that hold for it; HL7_NONE: there is none */
	bool any;                          /* a result or a segment of results was there */
	struct hl7_message message;

	uint8_t raw[HL7_RAW_MAX];
	size_t raw_length;
	uint64_t alike[HL7_ALIKE_MAX]; /* results of this message, to count those alike to the last bit */
	unsigned alike_at;
	struct hl7_answer answer;
};

#define HL7_NONE ((size_t)-1)

/* hl7_frames.c: where a frame ends. */
int hl7_frame(const struct hl7_state *state, bool idle, const uint8_t *data, size_t length);
/* Something that can be a delimiter: it is printed, and neither letter nor digit. */
bool hl7_is_delimiter(uint8_t byte);

/* hl7_persons.c: whose sample it is; nothing of it is needed, so nothing of it is kept. */
bool hl7_is_person(const uint8_t *segment, size_t length);
/* Of bytes that are no message, cut anywhere: overwrites with '*' what is a person's or may be. How many bytes. */
size_t hl7_hide(uint8_t *bytes, size_t length);

/* hl7_segments.c: a message's segments, their fields and texts. */
void hl7_message_reset(struct hl7_message *message);
/* Adds bytes of a message, cut anywhere; without start and end block. */
void hl7_gather(struct hl7_message *message, const uint8_t *data, size_t length);
/* The message is whole: finds its delimiters and its encoding. False when it does not begin with MSH. */
bool hl7_open(struct hl7_message *message, enum delimited_encoding encoding);

/* The segment at `at` of what was kept; `at` goes to the next. False at the end. */
bool hl7_next(const struct hl7_message *message, size_t *at, struct hl7_segment *ret);
struct hl7_segment hl7_segment_at(const struct hl7_message *message, size_t at); /* HL7_NONE: an empty one */
bool hl7_is(const struct hl7_segment *segment, const char *name);
/* Field `number` as the standard counts it; empty when there is none. */
struct field hl7_field(const struct hl7_segment *segment, unsigned number);
/* Component `number` of the first repetition, and of that the first subcomponent. */
struct field hl7_component(const struct hl7_segment *segment, struct field field, unsigned number);
/* The first component of the first repetition that says something. */
struct field hl7_first(const struct hl7_segment *segment, struct field field);
/* Decoded, unescaped, trimmed, cut at a whole character; "" for the null value `""`. */
void hl7_text(struct hl7_segment *segment, struct field field, char *out, size_t size);
/* The unit in this field: it is marked where it may be Latin-1. */
struct field hl7_unit(struct hl7_segment *segment, unsigned number);
bool hl7_says(struct field field, const char *word); /* is exactly this */
bool hl7_starts(struct field field, const char *text);

/* hl7_results.c: what the segments say. NEXT_MORE, or NEXT_ASK when all of the message is given out. */
enum next hl7_take_results(struct instrument *instrument, struct readings *readings);

/* hl7_identity.c: `raw` and what identifies the reading that was made of these parts. */
struct hl7_parts { /* what one reading is made of */
	struct hl7_segment header, specimen, container, order, result;
	size_t result_at, order_end, result_end; /* each with the comments behind it */
};
void hl7_identify(struct hl7_state *state, const struct hl7_parts *of, struct reading *reading);

/* hl7_about.c: whether an OBX says how the run was made, not what it found. */
bool hl7_about_run(const struct hl7_segment *result);

/* hl7_answer.c: the acknowledgement. */
void hl7_owe(struct hl7_state *state, char code, const char *text);
void hl7_answer(struct instrument *instrument, struct request *request);

#endif
