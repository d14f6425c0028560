/* The parts of the astm driver, for drivers/astm*.c only; the transcript stands in astm.c. */
#ifndef ASSAYD_ASTM_H
#define ASSAYD_ASTM_H

#include "delimited.h"
#include "driver.h"
#include "text.h"

enum astm_control {
	ASTM_STX = 0x02,
	ASTM_ETX = 0x03,
	ASTM_EOT = 0x04,
	ASTM_ENQ = 0x05,
	ASTM_ACK = 0x06,
	ASTM_NAK = 0x15,
	ASTM_ETB = 0x17,
};

/* In the order of the settings' choices. */
enum astm_framing { ASTM_FRAMING_AUTO, ASTM_FRAMED, ASTM_BARE };
enum astm_checksum { ASTM_CHECKSUM_AUTO, ASTM_CHECKSUM_STRICT, ASTM_CHECKSUM_NONE };
enum astm_sample { ASTM_SAMPLE_AUTO, ASTM_SAMPLE_SPECIMEN, ASTM_SAMPLE_INSTRUMENT }; /* O-3, O-4 */

#define ASTM_FLAGS_MAX 128 /* of the setting `flags` */

struct astm_options {
	bool acknowledge;
	int framing, checksum, encoding, sample;
	int item; /* the component of the test id that is the item; 0: the maker's code, else the first */
	char flags[ASTM_FLAGS_MAX + 1];
};

#define ASTM_HEADER_KEPT 1024  /* of an H record, as much as goes into the raw bytes of each result */
#define ASTM_ORDER_KEPT  4096  /* of an O record */
#define ASTM_RECORD_MAX  16384 /* the longest record that is put together; no result comes near it */
#define ASTM_PIECE       16384 /* a long frame is taken in pieces of this many bytes or ... */
#define ASTM_PIECE_ENDS  10    /* ... this many records */
#define ASTM_ALIKE_MAX   256
#define ASTM_BAD_KEPT    1024 /* of a frame that is not whole, to know it again and to tell of it */
#define ASTM_TOLD_KEPT   4096 /* of other bytes that are told of */
#define ASTM_RESULTS_MAX (ASTM_PIECE + ASTM_PIECE_ENDS * (ASTM_HEADER_KEPT + ASTM_ORDER_KEPT + 4) + ASTM_RECORD_MAX)
#define ASTM_KEPT_MAX    (ASTM_RESULTS_MAX + NOTICES_MAX * ASTM_TOLD_KEPT)

struct astm_delimiters {
	uint8_t field, repeat, component, escape; /* 0: the header names none */
};

/* What of H, P, O and C is needed to understand an R. */
struct astm_message {
	struct astm_delimiters delimiters;
	bool open, timed; /* H came; it says when the message was made */
	enum kind kind;
	uint8_t header[ASTM_HEADER_KEPT];
	size_t header_length;

	uint8_t order[ASTM_ORDER_KEPT];
	size_t order_length;
	bool ordered, order_qc, order_timed;
	unsigned order_marks;
	char sample_no[64], specimen[64], position[64], sample_name[96], item[96], comment[64];

	uint64_t alike[ASTM_ALIKE_MAX]; /* results of this message, to count those alike to the last bit */
	unsigned alike_at;
	bool asked; /* a Q record came */
	bool ended; /* L came */
};

enum astm_sending { ASTM_SILENT, ASTM_SEND_ENQ, ASTM_SEND_HEADER, ASTM_SEND_END, ASTM_SEND_EOT };

struct astm_state {
	/* the link, receiving */
	bool framed;               /* ENQ or a frame was seen: bare records are noise from then on */
	bool session;              /* between ENQ (or a frame with H) and EOT */
	bool inside, inside_known; /* the rest of a long frame follows; it is a retransmission */
	uint8_t answer;            /* ASTM_ACK or ASTM_NAK, to be sent next; 0: nothing */
	unsigned refused;          /* frames in a row */
	int number, bad_number;    /* of the last good frame, and of a bad one behind it; -1: none */
	bool cuts;                 /* frames of this instrument end inside records */
	bool sums;                 /* ... and have checksums */
	unsigned in_step;          /* frame numbers that followed the one before, up to ASTM_IN_STEP */
	bool strayed;              /* one did not, and no bad frame explained it */
	bool zero, zero_missing;   /* a frame had the number 0; 1 followed 7 */
	bool bad, bad_open;        /* a bad frame was the last, and it ended inside a record */
	bool bad_doubt, bad_told;  /* it may have held an order; its bytes were announced */
	unsigned bad_frames;       /* how many since the last good one, those sent again not counted */
	char bad_reason[80];
	uint8_t bad_frame[ASTM_BAD_KEPT];
	size_t bad_length; /* the whole of it */
	bool skip;         /* the beginning of this record is lost: up to its end it is nothing */
	uint64_t last;     /* the last good frame */
	uint8_t part[ASTM_RECORD_MAX];
	size_t part_length;
	bool part_long;      /* longer than `part` */
	size_t count_before; /* readings that were there before this frame */
	unsigned told;       /* texts of this message that are no records, announced */
	bool result_before;  /* the record before was a result, or a comment on one */

	/* the link, sending the answer to a query */
	enum astm_sending sending;
	bool owed; /* a query waits for its answer */
	unsigned tries;
	struct astm_delimiters answer_delimiters;

	struct astm_message message;
	uint8_t kept[ASTM_KEPT_MAX]; /* H, O and R of the readings not yet stored, and what is told */
	size_t kept_length;
};

/* astm_frames.c: where a frame ends, and whether it is one. */
int astm_frame(const struct astm_state *state, const struct astm_options *options, const uint8_t *data, size_t length,
	bool idle);

struct astm_text { /* what a frame carries */
	const uint8_t *bytes;
	size_t length;
	int number;    /* 0..7, -1 when there is none */
	bool complete; /* the frame ends here */
	bool open;     /* ... with ETB: its last record goes on in the next */
	bool summed;   /* it has a checksum */
	bool good;
	char reason[80];
};

struct astm_text astm_open_frame(
	const struct astm_state *state, const struct astm_options *options, const uint8_t *data, size_t length);
struct astm_text astm_open_rest(const uint8_t *data, size_t length); /* a later piece of a long frame */
uint64_t astm_hash(uint64_t start, const uint8_t *data, size_t length);
#define ASTM_HASH_START 0xCBF29CE484222325

/* astm_fields.c: a record's fields and components, and their texts. */
struct astm_record {
	const struct astm_delimiters *delimiters;
	enum text_encoding encoding;
	unsigned unit; /* the field of a unit that may be Latin-1, where GB 18030 is a guess; 0: none */
	struct field whole;
	unsigned marks; /* enum reading_mark, of the texts taken from it */
};

struct astm_record astm_record_of(
	const struct astm_delimiters *delimiters, int encoding, const uint8_t *data, size_t length);
/* Field `number`, counted from 1 as the standard does; empty when there is none. */
struct field astm_field(const struct astm_record *record, unsigned number);
/* The first repetition of a field; component `number` of it; the first that is not empty. */
struct field astm_first_repeat(const struct astm_record *record, struct field field);
struct field astm_component(const struct astm_record *record, struct field field, unsigned number);
struct field astm_first_component(const struct astm_record *record, struct field field);
/* Decoded, unescaped, trimmed, cut at a whole character. */
void astm_text(struct astm_record *record, struct field field, char *out, size_t size);

/* astm_loss.c: frames that never came whole, and what they took with them. */
/* An event about these bytes, of which the first are kept with it; NULL where there is no room, then it is counted. */
struct notice *astm_tell(struct astm_state *state, struct readings *readings, const uint8_t *data, size_t length);
/* The rest of a record whose beginning is lost; it may be a whole one, and an order. */
void astm_tell_rest(struct astm_state *state, const uint8_t *data, size_t length, struct readings *readings);
/* The message ends here: tells the bad frame that did not come again, and the record that did not become whole. */
void astm_tell_broken(struct astm_state *state, struct readings *readings);
#define ASTM_IN_STEP 2 /* an instrument whose frame numbers did so often what they should is believed to count */
void astm_note_bad(struct astm_state *state, const struct reply *reply, const struct astm_text *text, bool told,
	struct readings *readings);
/* Before the text of a good frame is taken: what was between it and the last good one is not joined, and an order that
 * may not be the last is forgotten. */
void astm_mend(
	struct astm_state *state, const struct reply *reply, const struct astm_text *text, struct readings *readings);

/* astm_records.c: what the records say. */
/* The letter of a record, which some write small or behind blanks, and where it stands; 0: none. */
uint8_t astm_letter(const uint8_t *data, size_t length, size_t *ret_at);
void astm_message_reset(struct astm_message *message);
void astm_forget_order(struct astm_message *message);
void astm_take_record(
	struct instrument *instrument, const uint8_t *data, size_t length, bool bare, struct readings *readings);

#endif
