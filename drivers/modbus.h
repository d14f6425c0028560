/* Modbus instruments, described by profiles: what the parts of the `modbus` driver share.
 *
 *   modbus.c          the turn machine: what is asked next, and what an answer leads to
 *   modbus_status.c   identity and status registers: which results there are to fetch
 *   modbus_trigger.c  when there is a result, on instruments that do not number them
 *   modbus_clock.c    setting the instrument's clock
 *   modbus_pages.c    instruments that list their memory page by page, by a function of their own
 *   modbus_record.c   the registers of one result -> reading
 *   modbus_value.c    registers -> number, text or time: types, orders, scales, sentinels
 *   modbus_plan.c     which registers are read together in one request
 *   modbus_profile.c  a profile's sections and keys; modbus_field.c: one line of a register table;
 *                     modbus_finish.c: the profile as a whole
 *   modbus_offline.c  RTU frames of a capture
 *
 * config/profiles/README.md tells how a profile is written. Pure; a profile is constant once finished.
 */
#ifndef ASSAYD_MODBUS_H
#define ASSAYD_MODBUS_H

#include "bytes.h"
#include "driver.h"
#include "text.h"

#define MODBUS_BYTES(registers) ((size_t)2 * (size_t)(registers))

#define MODBUS_FIELDS_MAX   64
#define MODBUS_MAPS_MAX     160
#define MODBUS_BLOCKS_MAX   16
#define MODBUS_IMAGE_MAX    512 /* registers of one result, all blocks together */
#define MODBUS_SENTINELS    4
#define MODBUS_NUMBER_MAX   32 /* a number in a profile, with its NUL */
#define MODBUS_AS_SENT_MAX  48
#define MODBUS_SENTENCE_MAX 160 /* as struct notice's reason */

/* How the bytes of a number lie in its registers. ABCD is what the Modbus specification shows: most significant
 * register first, most significant byte first. For 64 bits read ABCDEFGH, GHEFCDAB, BADCFEHG, HGFEDCBA; for 16 bits AB
 * and BA. The two bits are independent of each other. */
enum modbus_order { MODBUS_ABCD = 0, MODBUS_CDAB = 1, MODBUS_BADC = 2, MODBUS_DCBA = 3 };
enum { MODBUS_SWAP_REGISTERS = 1, MODBUS_SWAP_BYTES = 2 };

enum modbus_form {
	MODBUS_UNSIGNED,
	MODBUS_SIGNED,
	MODBUS_FLOAT,
	MODBUS_BCD,
	MODBUS_BIT,
	MODBUS_TEXT,
	MODBUS_YMDHMS,    /* six registers: year, month, day, hour, minute, second */
	MODBUS_BCD_TIME,  /* three registers of packed BCD: YYMM DDhh mmss */
	MODBUS_DOS_TIME,  /* two registers: MS-DOS date and time, steps of two seconds */
	MODBUS_SECONDS,   /* two registers: seconds since 1970-01-01 by the instrument's own local clock */
	MODBUS_BYTE_TIME, /* five or six bytes: year - 2000, month, day, hour, minute, perhaps second */
	MODBUS_CONSTANT,  /* nothing is read: the profile says it of every result */
};

/* What a field of a profile stands for. */
enum modbus_role {
	MODBUS_NO_ROLE,
	MODBUS_MAGIC,
	MODBUS_MAKER,
	MODBUS_MODEL,
	MODBUS_SERIAL,
	MODBUS_FIRMWARE,
	MODBUS_NEWEST,
	MODBUS_OLDEST,
	MODBUS_COUNT,
	MODBUS_OVERRUN,
	MODBUS_FAULT,
	MODBUS_CALIBRATION_DUE,
	MODBUS_CLOCK,
	MODBUS_READY,
	MODBUS_SELECT,
	MODBUS_NEW_CLOCK, /* where the time to set the clock to is written */
	MODBUS_VALID,
	MODBUS_SEQUENCE,
	MODBUS_CHANNEL,
	MODBUS_KIND,
	MODBUS_RETEST,
	MODBUS_VERDICT,
	MODBUS_TIME,
	MODBUS_VALUE,
	MODBUS_DECIMAL, /* another number of the reading, at `offset` */
	MODBUS_WORD,    /* a text of the reading, at `offset` */
	MODBUS_SIGNAL,
	MODBUS_SAID,
};

/* Fields that are read together: the registers of one question to the instrument. */
enum modbus_group { MODBUS_IDENTITY, MODBUS_STATUS, MODBUS_RECORD, MODBUS_GROUPS, MODBUS_WRITTEN = MODBUS_GROUPS };

enum modbus_meaning { MODBUS_MEANS_INVALID, MODBUS_MEANS_ABSENT, MODBUS_MEANS_OVER, MODBUS_MEANS_GOOD };

struct modbus_field {
	char name[24];
	enum modbus_role role;
	enum modbus_group group;
	size_t offset, size; /* MODBUS_WORD, MODBUS_DECIMAL: the member of struct reading */
	long documented;     /* address as the maker counts; of a page the byte, from 0 */
	uint16_t address;    /* on the wire; set when the profile is finished */
	uint16_t count;      /* registers */
	uint16_t bytes;      /* twice as many; of a page as many as the type has */
	enum modbus_form form;
	unsigned bits;      /* of a number */
	unsigned bit;       /* MODBUS_BIT, and the lowest bit of an 8-bit number */
	size_t text_length; /* MODBUS_TEXT: bytes */
	enum text_encoding encoding;
	enum modbus_order order;
	bool own_order;                /* said in this line: neither profile nor option changes it */
	int decimals;                  /* rounded to this many; -1: as they come */
	char scale[MODBUS_NUMBER_MAX]; /* factor, "" for 1 */
	char least[MODBUS_NUMBER_MAX], most[MODBUS_NUMBER_MAX]; /* plausible magnitudes, "" when not said */
	char unit[24];     /* MODBUS_VALUE: the unit the maker's document gives, where no register tells it */
	char constant[64]; /* MODBUS_CONSTANT */
	uint64_t expected; /* MODBUS_MAGIC */
	struct {
		uint64_t bits;
		enum modbus_meaning meaning;
	} sentinels[MODBUS_SENTINELS];
	size_t sentinel_count;
};

struct modbus_block {
	uint16_t address, count;
	uint16_t at; /* where it lies in the image, in registers */
};

struct modbus_plan {
	struct modbus_block blocks[MODBUS_BLOCKS_MAX];
	size_t count;
	uint16_t registers;
};

struct modbus_map {
	char field[24], code[32], word[64];
};

struct modbus_command {
	bool given;
	long documented;
	uint16_t address, value;
};

#define MODBUS_REQUEST_MAX 32

enum modbus_guard { MODBUS_GUARD_NONE, MODBUS_GUARD_CRC, MODBUS_GUARD_REREAD, MODBUS_GUARD_SEQUENCE };

struct modbus_profile {
	char title[96], maker[48], model[48], source[128];
	long stars;
	enum register_table table;
	long first; /* the number the maker gives the first register: 0, 1, 40001 ... */
	enum modbus_order order;
	long max_read, max_gap;
	struct modbus_field fields[MODBUS_FIELDS_MAX];
	size_t field_count;
	struct modbus_map maps[MODBUS_MAPS_MAX];
	size_t map_count;
	struct modbus_command latch, acknowledge, set_clock;
	bool write_multiple;
	bool wrap_given;
	uint32_t wrap_first, wrap_last; /* the running number's range */
	struct {
		bool given, crc_given, identity_given;
		long documented, documented_crc, identity_first, identity_last;
		uint16_t address, length, crc;        /* crc: the checksum's register, within the window */
		uint16_t identity_at, identity_count; /* identifying registers, from the window's first */
		enum modbus_guard guard;
	} window;
	struct {
		long function;
		uint8_t request[MODBUS_REQUEST_MAX]; /* behind the function code */
		size_t request_length, page_at;      /* page_at: where the page's number stands in it, 16 bits */
		long record, end;                    /* bytes of one record, and of the answer that says "no more" */
		bool given, end_given, oldest_first;
	} pages;
	long every_s; /* a reading is taken this often; 0: not by time */
	struct modbus_plan plans[MODBUS_GROUPS];
	uint64_t given; /* the plain keys given so far, as bits, to find what is given twice */
};

struct modbus_options {
	bool acknowledge;
	int order; /* 0: the profile's; else an order, plus one */
	int64_t reconcile_ms;
};

#define MODBUS_WALK_MAX 4096 /* records of a memory among which alike ones are counted */
#define MODBUS_SEGMENT  16   /* pages read before the beginning is looked at again */

/* The beginning of a memory: so many records alike, and then another. Records are known by a digest. */
struct modbus_head {
	uint32_t first, run, below;
	bool closed; /* there is another below */
};

/* Looks for a beginning among records as they come. */
struct modbus_finder {
	struct modbus_head head;
	uint32_t fed, same; /* same: so many of the first kind in a row, just now */
};

struct modbus_pages {
	enum { MODBUS_WALKING, MODBUS_GUARDING, MODBUS_ANCHORING } step;
	uint32_t page, begun;          /* to be asked for; the first of this segment */
	uint32_t *prints, walked;      /* the records of this walk, the last MODBUS_WALK_MAX of them */
	uint32_t held, segment;        /* the last ones, in the image; how many at once */
	bool resting;                  /* the next poll begins a walk */
	bool whole, over;              /* this walk: to the memory's end? has it come to its own? */
	bool met;                      /* it came upon what was read before */
	bool known, caught_up, listed; /* there is something read before; and since the start, this */
	struct modbus_head last;       /* it */
	struct modbus_head head;       /* of this walk */
	struct modbus_finder found, guard;
	unsigned failures;
	int64_t listed_s; /* when the whole memory was last read, by the station's clock */
};

enum modbus_step {
	MODBUS_ASK_IDENTITY = MODBUS_IDENTITY,
	MODBUS_ASK_STATUS = MODBUS_STATUS,
	MODBUS_ASK_RECORD = MODBUS_RECORD,
	MODBUS_WRITE_SELECT,
	MODBUS_WRITE_LATCH,
	MODBUS_WRITE_ACKNOWLEDGE,
	MODBUS_WRITE_CLOCK,
	MODBUS_WRITE_SET_CLOCK,
	MODBUS_ASK_PAGE,
	MODBUS_REST, /* not our instrument: look again rarely */
};

/* Complaints made once and not again until the cause has gone. */
enum {
	MODBUS_TOLD_OVERRUN = 1,
	MODBUS_TOLD_FAULT = 2,
	MODBUS_TOLD_FOREIGN = 4,
	MODBUS_TOLD_REFUSED = 8,
	MODBUS_TOLD_ORDER = 16,
	MODBUS_TOLD_ACKNOWLEDGE = 32,
	MODBUS_TOLD_CLOCK = 64
};

/* What the status registers say about the results. All but the first two change where reading goes on, and are
 * believed only when two polls in a row agree: a counter caught between its two registers must not cost a result. */
enum modbus_finding {
	MODBUS_NOTHING_NEW,
	MODBUS_NEXT_RESULT,
	MODBUS_LAST_RESULT, /* to be looked at again: is it still the one we know? */
	MODBUS_FIRST_CONTACT,
	MODBUS_RESTARTED,
	MODBUS_MISSED,
	MODBUS_EMPTIED,
};

struct modbus_state {
	enum modbus_step step;
	struct modbus_plan plans[MODBUS_GROUPS]; /* the profile's, or finer where the instrument refused a hole */
	size_t block;                            /* of the plan being read */
	bool again;                              /* second pass: the guard compares */
	size_t word;                             /* of the selection being written */
	unsigned busy, tries, rests;
	int pause_ms;
	bool have_last, have_mark, cannot_acknowledge;
	bool checking;   /* is the last result still the one we know? or did the numbers start again? */
	uint32_t last;   /* the last result that is stored for good */
	uint32_t rounds; /* how often the running numbers began anew: they wrapped, or were counted from the start */
	uint32_t next;   /* the result being fetched */
	uint32_t newest, oldest, count;
	bool erased;                 /* something was, since the last status */
	bool after_erasing;          /* `checking` because what was erased is still held */
	bool empty;                  /* the instrument holds no result */
	enum modbus_finding doubted; /* what the status before this one seemed to say, and its numbers */
	uint32_t doubted_newest, doubted_oldest;
	uint16_t mark; /* digest of the last result's words, to recognise it */
	unsigned told;
	bool calibration_due, overrun;
	char serial[48]; /* whose results `last` counts */
	char clock[32];
	uint16_t new_clock[6]; /* being written */
	struct {
		uint16_t address, count;
		bool known;
	} asked;                          /* offline: the last question seen in the capture */
	uint32_t filled;                  /* offline: blocks of the record seen, as bits */
	int64_t taken_s;                  /* `every`: when the last reading was taken, by the station's clock */
	bool taken;                       /* `every`: there was one */
	char trigger[MODBUS_AS_SENT_MAX]; /* what says that there is a result, for the record */
	size_t record_at;                 /* of a page: where the record lies in the image, in bytes */
	struct modbus_pages pages;
	uint8_t image[2 * MODBUS_IMAGE_MAX]; /* registers as they came, big-endian */
};

struct modbus_paged_state { /* of an instrument whose profile has pages */
	struct modbus_state state;
	uint32_t prints[MODBUS_WALK_MAX];
};

/* modbus_value.c */
enum modbus_saying { MODBUS_SAYS, MODBUS_SAYS_NOTHING, MODBUS_SAYS_INVALID, MODBUS_SAYS_OVER };
struct modbus_value {
	enum modbus_saying saying;
	uint64_t bits;                    /* the ordered raw number, not sign-extended */
	char text[128];                   /* number, text or time; "" unless MODBUS_SAYS or MODBUS_SAYS_OVER */
	char as_sent[MODBUS_AS_SENT_MAX]; /* the registers' own form */
	unsigned marks;                   /* enum text_mark */
	bool implausible;                 /* outside the profile's plausible magnitudes */
};
void modbus_value_read(
	const struct modbus_field *field, enum modbus_order order, struct bytes bytes, struct modbus_value *ret);
uint32_t modbus_number(const struct modbus_field *field, enum modbus_order order, struct bytes bytes);

/* modbus_clock.c */
int modbus_clock_check(const struct modbus_profile *profile, struct fault *fault);
bool modbus_sets_clock(const void *profile);
/* The time as the registers hold it, into state->new_clock: once, so that no midnight falls between two of them. */
void modbus_clock_encode(struct instrument *instrument);
void modbus_clock_ask(struct instrument *instrument, struct request *request); /* the word that is next */

/* modbus_plan.c */
int modbus_plan_make(const struct modbus_profile *profile, enum modbus_group group, struct modbus_plan *ret);
bool modbus_plan_split(
	const struct modbus_profile *profile, enum modbus_group group, struct modbus_plan *plan, size_t index);
/* Where a register lies in the image, or -1. */
int modbus_plan_place(const struct modbus_plan *plan, uint16_t address);

/* modbus_profile.c, modbus_finish.c, modbus_field.c */
extern const struct profile_reader modbus_profiles;
const struct modbus_field *modbus_field_of(const struct modbus_profile *profile, enum modbus_role role);
int modbus_field_parse(struct modbus_field *field, const char *value, struct fault *fault);
int modbus_order_parse(const char *word, size_t length, enum modbus_order *ret, struct fault *fault);
int modbus_profile_finish(void *data, struct fault *fault);
bool modbus_parse_long(const char *text, size_t length, long min, long max, long *ret);
bool modbus_parse_bits(const char *text, size_t length, uint64_t *ret);
bool modbus_parse_range(const char *text, long min, long max, long *ret_first, long *ret_last);
bool modbus_form_is_time(enum modbus_form form);
/* The word a profile's [map FIELD] has for what was sent, or NULL. */
const char *modbus_map_word(const struct modbus_profile *profile, const char *field, const struct modbus_value *value);

/* modbus_record.c */
enum modbus_outcome { MODBUS_TAKEN, MODBUS_BLANK, MODBUS_TORN };
enum modbus_outcome modbus_record_read(struct instrument *instrument, const uint32_t *expected,
	struct readings *readings, char reason[static MODBUS_SENTENCE_MAX]);
uint16_t modbus_record_mark(const struct reading *reading);
struct bytes modbus_registers(const struct instrument *instrument, const struct modbus_field *field);
enum modbus_order modbus_order_now(const struct instrument *instrument, const struct modbus_field *field);

/* modbus_status.c */
void modbus_cursor_read(struct modbus_state *state, const char *cursor);
void modbus_cursor_write(const struct modbus_state *state, char out[static CURSOR_MAX]);
bool modbus_identity_take(struct instrument *instrument, struct readings *readings);
void modbus_status_take(struct instrument *instrument, struct readings *readings);
/* True when there is a result to fetch (`next`) or the status must be read again (`step`) at once. */
bool modbus_status_decide(struct instrument *instrument, struct readings *readings);
uint32_t modbus_after(const struct modbus_profile *profile, uint32_t number);
/* Does the memory hold numbers of before and after a restart? Is `number` past the newest, as those of before are? */
bool modbus_numbers_mixed(const struct modbus_profile *profile, const struct modbus_state *state);
bool modbus_is_past(const struct modbus_profile *profile, const struct modbus_state *state, uint32_t number);
void modbus_restarted(struct instrument *instrument, struct readings *readings);
void modbus_tell(struct modbus_state *state, struct readings *readings, unsigned once, enum notice_kind kind,
	const char *format, ...) __attribute__((format(printf, 5, 6)));

/* modbus_trigger.c */
bool modbus_is_triggered(const struct modbus_profile *profile);
/* True when the registers are to be read now (`step`). */
bool modbus_trigger_decide(struct instrument *instrument, struct readings *readings);
/* The registers were read. True when the reading is a new one. */
bool modbus_trigger_take(struct instrument *instrument, const struct reading *reading, struct readings *readings);
int64_t modbus_now_s(const struct instrument *instrument);

/* modbus_pages.c */
void modbus_pages_begin(struct modbus_state *state);
void modbus_pages_ask(const struct instrument *instrument, struct request *request);
enum next modbus_pages_take(struct instrument *instrument, const struct reply *reply, struct readings *readings);
/* The record at `bytes` -> reading. */
void modbus_page_record(struct instrument *instrument, struct readings *readings);

/* modbus_offline.c */
int modbus_frame(const struct instrument *instrument, const uint8_t *data, size_t length);
void modbus_take_raw(struct instrument *instrument, const struct reading *before, const uint8_t *raw, size_t length,
	struct readings *readings);
enum next modbus_take_offline(struct instrument *instrument, const struct reply *reply, struct readings *readings);

#endif
