/* Inside the `text` driver: how a profile describes delimited lines, fixed blocks, printed tickets, JSON.
 *
 * text_driver.c cuts and asks, text_driver_profile.c, _field.c and _finish.c read profiles, text_driver_record.c makes
 * a reading of a frame, text_driver_heading.c knows what columns are called, text_driver_value.c reads single texts,
 * text_driver_ticket.c knows the printer's commands, text_driver_json.c scans JSON, text_driver_document.c cuts its
 * documents, text_driver_xml.c does both for XML. The reference of profiles is config/profiles/README.md. Pure; any
 * thread may call.
 */
#ifndef ASSAYD_TEXT_DRIVER_H
#define ASSAYD_TEXT_DRIVER_H

#include "driver.h"
#include "text.h"

#define TEXT_FIELDS_MAX   48
#define TEXT_MAPS_MAX     96
#define TEXT_LITERAL_MAX  32
#define TEXT_LITERALS_MAX 4
#define TEXT_COLUMNS_MAX  64
#define TEXT_LABELS_MAX   48
#define TEXT_LINE_LONGEST 2048
#define TEXT_TICKET_MAX   60000

struct text_literal { /* bytes that stand in the stream as they are */
	uint8_t bytes[TEXT_LITERAL_MAX];
	size_t length;
};

struct text_literals {
	struct text_literal list[TEXT_LITERALS_MAX];
	size_t count;
};

enum text_shape {
	TEXT_SHAPE_UNSAID,
	TEXT_SHAPE_LINES,
	TEXT_SHAPE_BLOCKS,
	TEXT_SHAPE_TICKETS,
	TEXT_SHAPE_JSON,
	TEXT_SHAPE_XML
};

enum text_source {
	TEXT_FROM_COLUMN,
	TEXT_FROM_BYTES,
	TEXT_FROM_LABEL,
	TEXT_FROM_MEMBER,
	TEXT_FROM_FILE,    /* the name of the file it stands in */
	TEXT_FROM_PROFILE, /* "is": the same for each result */
};

enum text_type {
	TEXT_AS_WORD,
	TEXT_AS_DECIMAL,  /* a number, with "<" or ">" perhaps, and nothing else; of a value also reading_finding()'s */
	TEXT_AS_QUANTITY, /* a number with its unit perhaps, or a word */
	TEXT_AS_TIME,
	TEXT_AS_U8,
	TEXT_AS_U16LE,
	TEXT_AS_U16BE,
	TEXT_AS_U32LE,
	TEXT_AS_U32BE,
	TEXT_AS_F32LE,
	TEXT_AS_F32BE,
};

enum text_role {
	TEXT_VALID,
	TEXT_CHANNEL,
	TEXT_KIND,
	TEXT_RETEST,
	TEXT_VERDICT,
	TEXT_TIME,
	TEXT_VALUE,
	TEXT_LIMIT,
	TEXT_WORD, /* copied to `offset` of the reading */
	TEXT_SIGNAL,
	TEXT_SAID,
};

struct text_field {
	enum text_role role;
	enum text_source source;
	enum text_type type;
	char name[24];
	long columns[2];     /* from 1; the second is 0 where there is one only; both where `text` names them */
	long first, last;    /* bytes of the record, from 0; negative ones from its end, -1 the last */
	char text[96];       /* labels or headings separated by '|', or what `is` says */
	char format[40];     /* of a time */
	size_t offset, size; /* TEXT_WORD: where in struct reading */
};

struct text_map {
	char field[24], code[48], word[64];
};

enum text_checksum_kind { TEXT_CHECKSUM_NONE, TEXT_CHECKSUM_SUM8, TEXT_CHECKSUM_XOR8, TEXT_CHECKSUM_CRC16 };

struct text_checksum {
	enum text_checksum_kind kind;
	long from, to, at; /* as the bytes of a field */
	bool hex;          /* two or four hexadecimal digits instead of bytes */
};

struct text_profile {
	char title[96], maker[48], model[48], source[160];
	long stars;

	enum text_shape shape;
	enum text_encoding encoding;
	struct text_literals starts;
	struct text_literal end;
	long length_least, length_most; /* of a whole frame; 0: any */
	long idle_gap_ms;
	struct text_checksum checksum;
	bool decimal_comma; /* 1,25 is one and a quarter */

	struct text_literal separator;
	bool separator_given, blanks, quotes; /* blanks: one or more of them separate */
	bool start_apart;                     /* the start is no part of the first column */
	bool header;                          /* the first line of a file names the columns */
	bool named;                           /* ... and fields go by these names */
	long columns_least, columns_most;     /* 0: any */
	long last;                            /* bytes of the last column, where no `end` follows it */
	struct text_literals ignored;
	char missing[TEXT_LITERALS_MAX][24];
	size_t missing_count;

	char records[96]; /* JSON: the way to the array of records, "data.list"; "": a record in each line */

	char ask[128];
	struct text_literal done;
	bool repeatable, repeatable_given;

	struct text_field fields[TEXT_FIELDS_MAX];
	size_t field_count;
	struct text_map maps[TEXT_MAPS_MAX];
	size_t map_count;
	uint64_t given; /* which keys were there */
};

extern const struct profile_reader text_profiles;

/* ---- profiles ---- */

/* "R," or "\x1B@\r\n". 0 or -EINVAL. */
int text_literal_parse(struct text_literal *out, const char *value, struct fault *fault);
/* Role, name and target are set before: "column 6 decimal". */
int text_field_parse(struct text_field *field, const char *value, struct fault *fault);
/* A whole number in [min, max], nothing behind it. */
bool text_parse_long(const char *text, size_t length, long min, long max, long *ret);
/* "3..53" or "54", negative numbers too. */
bool text_parse_span(const char *text, size_t length, long min, long max, long *ret_first, long *ret_last);
/* The word for a code in [map FIELD], or NULL. */
const char *text_map_line(const struct text_profile *profile, const char *field, const char *code);
/* The same, or the word of its line "*". */
const char *text_map_word(const struct text_profile *profile, const char *field, const char *code);
bool text_kind_word(const char *word, enum kind *ret);
int text_profile_finish(void *data, struct fault *fault);

/* ---- times ---- */

/* True when a pattern can be read: yyyy or yy, MM, dd, HH, mm, perhaps ss, and what stands between. */
bool text_time_pattern(const char *pattern);
/* False when the text does not follow the pattern; the time itself may still be impossible. */
bool text_time_read(const char *pattern, const char *text, struct date_time *ret);
/* Writes a time; only the letters of dates are used. Returns the length, 0 when `out` is too small. */
size_t text_time_write(const char *pattern, size_t length, const struct date_time *time, char *out, size_t size);

/* ---- numbers ---- */

struct text_quantity {
	char qualifier[4], number[DECIMAL_MAX]; /* number: "" when the text is none, with a unit or words perhaps */
	const char *rest; /* inside the text, blanks skipped; all of it where there is no number */
};

/* `point` stands before the decimals: '.' or ','. "1.5E-3" is spelled out; "1,234.5", "5-10", "1:80", "3+" and
 * "0.05±0.01" are no numbers. */
void text_quantity_read(const char *text, char point, struct text_quantity *ret);

/* ---- frames and records ---- */

/* Bytes of the character at `at`, so that a separator is never found inside one; 0 when `left` bytes do not tell. */
size_t text_step(enum text_encoding encoding, const uint8_t *at, size_t left);

struct text_piece {
	const uint8_t *at;
	size_t length;
};

struct text_label { /* one line of a ticket, "label：value", as UTF-8 */
	char label[64], value[160];
	unsigned marks; /* enum text_mark */
	bool used;
};

struct text_heading {                     /* the first line of a file */
	bool read;                        /* all columns that the profile names are there, once each */
	enum text_encoding encoding;      /* that in which they were found; the whole file's */
	long columns[TEXT_FIELDS_MAX][2]; /* of each field of the profile, as in struct text_field */
	uint8_t bytes[TEXT_LINE_LONGEST]; /* as it stands there, its end too ... */
	size_t length;                    /* ... 0: there was none, or it is longer */
	char reason[160];                 /* not read: why */
};

struct text_record {           /* a frame opened up */
	struct text_piece all; /* without what ends it */
	/* of a line; of a JSON record the token of each field of the profile, `at` NULL where there is none */
	struct text_piece columns[TEXT_COLUMNS_MAX];
	size_t column_count;
	bool numbers[TEXT_FIELDS_MAX]; /* JSON: the token is a number */
	/* the caller's: */
	const struct text_heading *heading; /* NULL or not read: columns go by their numbers, and the encoding is the
	                                     * profile's */
	const char *file;                   /* the name of the file it stands in, or NULL */
	bool last;                          /* of a file: nothing need end it */
	struct date_time read_at;           /* for times without a year; year 0: not known */
	struct text_label labels[TEXT_LABELS_MAX];
	size_t label_count;
};

enum text_verdict_on_frame { TEXT_RESULT, TEXT_NOTHING, TEXT_FAULTY };

/* Reads the first line of a file. False with a reason when a column that the profile names is missing in it. */
bool text_heading_read(
	const struct text_profile *profile, const uint8_t *data, size_t length, struct text_heading *heading);
/* True when the first `length` bytes of "检测时间|读取时间" name this. */
bool text_is_one_of(const char *names, size_t length, const char *name);
/* True when the field's text names this label or member: "检测时间|读取时间" names two. */
bool text_is_label(const struct text_field *field, const char *label);
/* What the heading of the file was found to be in, else the profile's. */
enum text_encoding text_encoding_of(const struct text_profile *profile, const struct text_record *record);
/* The bytes that separate columns at `at`, or 0. */
size_t text_separation(const struct text_profile *profile, const uint8_t *at, size_t left);
bool text_stands(const struct text_literal *literal, const uint8_t *at, size_t left);
/* Splits what stands in record->all, never inside a character. */
void text_split(const struct text_profile *profile, struct text_record *record);
/* True as well where the profile has no checksum. Over a record: a frame without its end. */
bool text_checksum_right(const struct text_profile *profile, const uint8_t *data, size_t length);
/* Makes a reading of a frame. TEXT_FAULTY: `reason` tells why it is none. */
enum text_verdict_on_frame text_record_read(const struct text_profile *profile, const uint8_t *data, size_t length,
	struct text_record *record, struct reading *reading, char *reason, size_t size);

/* The bytes of the printer command at `at`; 0 when `left` bytes do not tell; *ret_cut: it ends the ticket. Only for
 * ESC, FS, GS and DLE. */
size_t text_printer_command(const uint8_t *at, size_t left, bool *ret_cut);
bool text_printer_lead(uint8_t byte);
/* As struct driver's frame(); `idle`: nothing more comes. */
int text_ticket_frame(const struct text_profile *profile, const uint8_t *data, size_t length, bool idle);
void text_ticket_open(
	const struct text_profile *profile, const uint8_t *data, size_t length, struct text_record *record);

/* ---- JSON ---- */

#define TEXT_JSON_DEPTH_MAX 32

enum text_json_event { /* JSON_END: of an object or an array */
	JSON_MORE,
	JSON_BAD,
	JSON_OBJECT,
	JSON_ARRAY,
	JSON_END,
	JSON_NAME,
	JSON_STRING,
	JSON_NUMBER,
	JSON_WORD,
	JSON_NULL,
};

struct text_json { /* where the scanner is; it may be copied */
	const uint8_t *data;
	size_t length, at;
	enum text_encoding encoding;
	unsigned depth;
	uint64_t objects; /* a bit for each level, set for an object */
	enum {
		JSON_WANT_VALUE,
		JSON_WANT_VALUE_OR_END,
		JSON_WANT_NAME,
		JSON_WANT_NAME_OR_END,
		JSON_WANT_COLON,
		JSON_WANT_COMMA,
		JSON_WANT_NOTHING,
	} wanted;
	struct text_piece token; /* of a name or string without its quotes, of a number, of true and false */
};

struct text_json text_json_of(enum text_encoding encoding, const uint8_t *data, size_t length);
/* JSON_MORE: the bytes end before the document does. JSON_BAD: at `at` is none. Not to be called again after either. */
enum text_json_event text_json_next(struct text_json *json);
/* A token as UTF-8, escapes resolved; the marks of text_decode(). A text over 1000 bytes is cut. */
unsigned text_json_text(enum text_encoding encoding, struct text_piece token, char *out, size_t size);
/* A number in plain digits, exact; false when it has more than 30. */
bool text_json_number(struct text_piece token, char out[static DECIMAL_MAX]);

/* NONE: between them. EMPTY: a document with null in place of its array. */
struct text_plain { /* UTF-8 under construction; a text that is too long is cut at its end */
	char *out;
	size_t size, used;
	unsigned marks;
};

void text_plain_put(struct text_plain *plain, const char *utf8, size_t length);
void text_plain_point(struct text_plain *plain, unsigned long point);
void text_plain_run(struct text_plain *plain, enum text_encoding encoding, const uint8_t *at, size_t length);

enum text_part { TEXT_PART_NONE, TEXT_PART_HEAD, TEXT_PART_RECORD, TEXT_PART_TAIL, TEXT_PART_EMPTY };

/* As struct driver's frame(); what it cuts is a part of a document. */
int text_json_frame(const struct text_profile *profile, const uint8_t *data, size_t length, bool idle);
enum text_part text_json_part(const struct text_profile *profile, const uint8_t *data, size_t length);
/* Finds the profile's members in record->all; false with a reason. */
bool text_json_open(const struct text_profile *profile, struct text_record *record, char *reason, size_t size);
/* False when the record has no such member; "" for null. */
bool text_member_text(const struct text_profile *profile, size_t field, const struct text_record *record, char *out,
	size_t size, unsigned *marks);

/* ---- XML ---- */

/* The same of XML; there are neither heads nor tails. */
int text_xml_frame(const struct text_profile *profile, const uint8_t *data, size_t length, bool idle);
enum text_part text_xml_part(const struct text_profile *profile, const uint8_t *data, size_t length);
bool text_xml_open(const struct text_profile *profile, struct text_record *record, char *reason, size_t size);
/* The text of an element or attribute as UTF-8, entities resolved; the marks of text_decode(). */
unsigned text_xml_text(enum text_encoding encoding, struct text_piece token, char *out, size_t size);

#endif
