/* How one family of instruments talks: a const table of pure functions.
 *
 * A driver owns no socket, thread, clock or heap and prints nothing; it can be run on paper. The line that owns the
 * instrument calls, always from one thread and always in this order:
 *
 *     setup -> ask -> (the line sends, waits) -> (frame -> take)* -> *the journal stores what was taken* -> ask ...
 *
 * What acknowledges, erases or releases something on the instrument may therefore be asked only by the ask() that
 * follows the take() that delivered it: by then it is durable. Until storing succeeds nothing is asked; after a restart
 * or a broken link the instrument is set up afresh from the last durable cursor. The same table serves the daemon,
 * `assayctl decode` and `probe`, the fuzzers and the golden tests.
 */
#ifndef ASSAYD_DRIVER_H
#define ASSAYD_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"
#include "identity.h"
#include "reading.h"
#include "setting.h"

enum link_use { LINK_SERIAL = 1, LINK_TCP = 2, LINK_MODBUS = 4, LINK_FOLDER = 8 }; /* LINK_TCP: client and listener */

struct date_time { /* a calendar time without zone; month and day count from 1 */
	int year, month, day, hour, minute, second;
};

enum register_table { REGISTERS_HOLDING, REGISTERS_INPUT };

enum request_kind {
	REQUEST_NONE,  /* nothing to send: listen */
	REQUEST_BYTES, /* send `bytes` */
	REQUEST_READ,  /* Modbus 03/04: read `count` registers at `address` of `table` */
	REQUEST_WRITE, /* Modbus 06, or 16 when count > 1: write `registers` */
	REQUEST_RAW,   /* a Modbus request of any function: `bytes` without unit address and checksum */
};

#define REQUEST_MAX   1024 /* the longest is an HL7 acknowledgement */
#define REGISTERS_MAX 125
#define PDU_MAX       253 /* a Modbus message without address and checksum: MODBUS Application Protocol V1.1b3, 4.1 */

struct request {
	enum request_kind kind;
	int pause_ms;    /* rest this long before sending: "busy, ask again shortly" */
	int timeout_ms;  /* how long the answer may take; 0: the instrument's configured `timeout` */
	bool unanswered; /* REQUEST_BYTES of MANNER_ANSWERS: nothing need come in reply; listen, as after REQUEST_NONE
	                  */
	bool may_rest;   /* REQUEST_BYTES of MANNER_ASKS: it answers only when a person lets it; silence is no loss */
	uint8_t bytes[REQUEST_MAX];
	size_t length;
	enum register_table table;
	uint16_t address, count;
	uint16_t registers[REGISTERS_MAX];
};

enum reply_kind {
	REPLY_FRAME,     /* a frame cut out of the byte stream by frame(); also every frame of an offline decode */
	REPLY_REGISTERS, /* the registers asked for with REQUEST_READ */
	REPLY_DONE,      /* REQUEST_WRITE or REQUEST_NONE is done */
	REPLY_RAW,       /* the answer to REQUEST_RAW, without unit address and checksum */
	REPLY_FILE,      /* a file begins, instrument->file; only with LINK_FOLDER */
	REPLY_REFUSED,   /* Modbus exception `exception` */
	REPLY_SILENCE,   /* no (complete) answer in time; or the link came back: start the dialogue anew */
};

struct reply {
	enum reply_kind kind;
	/* FRAME and RAW: the whole frame. REGISTERS: the same registers as bytes, big-endian. SILENCE: what came and
	 * did not become whole, in `length` bytes. */
	const uint8_t *bytes;
	size_t length;
	const uint16_t *registers;
	size_t count;
	int exception;
	bool offline;    /* `assayctl decode` and golden tests: no request was sent, take what is there */
	uint64_t offset; /* of the frame in the stream, for messages */
};

enum next {
	NEXT_WAIT, /* more frames belong to this answer: keep reading */
	NEXT_ASK,  /* ask again at once (after storing) */
	NEXT_IDLE, /* this poll is done: ask again when the poll period has passed */
	NEXT_MORE, /* this frame holds more than there was room for: store what was taken, then give it to me again */
};

enum { FRAME_MORE = 0, FRAME_NONE = -1 };

/* Setting an instrument's clock: the line wishes it before ask(), take() tells what came of it. The driver asks for it
 * only between results: when all that the instrument lists was read and is stored. */
enum clock_setting {
	CLOCK_LEFT,    /* nothing is wished */
	CLOCK_WISHED,  /* set it to `now` */
	CLOCK_SET,     /* the instrument took it; what `clock` says next is the new one */
	CLOCK_REFUSED, /* it did not */
};

struct instrument {
	const struct driver *driver;
	const void *options; /* the driver's options struct, filled from `driver->options` */
	const void *profile; /* the driver's profile struct, or NULL */
	void *state; /* driver_state_size() bytes, zeroed when made; the first driver->state_size of them before setup()
	              */
	char cursor[CURSOR_MAX]; /* setup(): the last durable cursor, "" at the first contact */
	struct date_time now;    /* ask(): the station's local time */
	struct maker maker;      /* take() fills in what the instrument says of itself */
	char clock[32];          /* take(): what its clock says just now, as in tested_at, where the answer told it; who
	                            reads it clears it */
	enum clock_setting setting; /* of its clock; cleared by who reads what came of it */
	const char *file;           /* whose bytes frame() and take() see, its name; NULL where the link is no folder */
	struct date_time file_day;  /* of its last change */
	enum identity_rule identity; /* what becomes of identity numbers in what it registers */
	bool idle;                   /* frame(): nothing more comes, so that a frame may end here; set by the cutter */
};

/* Who begins. Declared once in the driver's table: whoever talks to an instrument goes by it (`assayctl probe` and
 * scan, which must not answer), and a test holds ask() to it. */
enum manner {
	MANNER_ASKS,    /* the instrument only answers: each ask() has a question (Modbus may rest) */
	MANNER_LISTENS, /* it speaks unasked and is told nothing: no ask() has anything to send */
	MANNER_ANSWERS, /* it speaks unasked and is answered: ask() sends what acknowledges, else nothing */
};

/* RECOGNISED_NEVER: with this profile there is no telling; nothing need be asked. */
enum recognition { RECOGNISED_NEVER, RECOGNISED_NOT_YET, RECOGNISED };

/* A profile describes one model within a family; it is an INI file read by daemon/profile.c. A driver that takes
 * profiles owns their meaning. */
struct profile_reader {
	size_t size; /* of the profile struct, zeroed before the first entry */
	int (*entry)(void *profile, const char *section, const char *key, const char *value, struct fault *fault);
	int (*finish)(void *profile, struct fault *fault); /* whole-profile checks, once, after the last entry */
	/* The manner of its instruments, where that is the profile's matter; NULL: the driver's. */
	enum manner (*manner)(const void *profile);
	/* What an instrument of this profile needs behind the driver's state_size, in bytes; NULL: nothing. */
	size_t (*more_state)(const void *profile);
};

struct driver {
	const char *name;  /* as in the configuration: "seven-e-aa" */
	const char *title; /* one line for people, marked N_() */
	const char *line;  /* usual serial settings, "9600/8n1"; NULL for Modbus, where the profile may say */
	const char
		*item; /* what its instruments measure when neither they nor the station say: an item code; or NULL */
	unsigned version;   /* of the decoder: goes into each record as name/version */
	unsigned links;     /* enum link_use, or-ed */
	enum manner manner; /* where its profiles do not say otherwise */
	bool scans;         /* it has no results: what it says names the samples of other instruments */

	const struct setting *options; /* rows for the instrument's section, ended by a NULL name; may be NULL */
	size_t options_size;
	const struct profile_reader *profiles; /* NULL: this driver takes no profile */
	size_t state_size;

	/* Prepares `state` from options, profile and cursor. 0 or -errno. Called again after every broken link. */
	int (*setup)(struct instrument *instrument, struct fault *fault);

	/* Fills `request` (cleared by the caller) with what to send now. */
	void (*ask)(struct instrument *instrument, struct request *request);

	/* The length of the complete frame at `data`; FRAME_MORE when it may become one; FRAME_NONE when no frame
	 * starts here (the line drops one byte, counts it, and tries again: a stream resynchronises at any byte). Never
	 * asked with length 0; never says more than `length`. NULL for drivers that only exchange registers. */
	int (*frame)(const struct instrument *instrument, const uint8_t *data, size_t length);

	/* Takes one reply, appends what it says to `readings`, and tells what comes next. NEXT_MORE only of a frame,
	 * and each time with a reading at least. A frame that is well formed
	 * but not meant for us (an echo, the host's own words in a capture) gives nothing. */
	enum next (*take)(struct instrument *instrument, const struct reply *reply, struct readings *readings);

	/* The first bytes of a run that is no frame are kept and published. This overwrites with '*' what of them must
	 * not be, because it is a person's or may be, and tells how many bytes that were. NULL: all may be kept. */
	size_t (*hide)(uint8_t *bytes, size_t length);

	/* Decoded offline, it is told REPLY_SILENCE behind the last byte: then it tells what did not become whole. */
	bool hears_end;

	/* Whether the clocks of its instruments (of this profile) can be set, and what they say of it can be seen;
	 * NULL: never. */
	bool (*sets_clock)(const void *profile);

	/* For `assayctl scan`: the lines at which instruments of the family are met, "9600/8n1 115200/8n1", where the
	 * first thing ask() asks after setup() changes nothing on any instrument and tells by its answer who is there;
	 * else NULL. Then recognised() says what take() made of it. */
	const char *scan_lines;
	enum recognition (*recognised)(const struct instrument *instrument);

	/* The raw bytes of a reading, cut and taken offline right after setup(), give that reading again; false where
	 * it takes what the instrument said before. Then nothing is decoded again: nothing is guessed. */
	bool raw_alone;
	/* ... or this decodes them, where they are no frames or may be refused. May be NULL. `before` is the reading
	 * they were kept with, of which only item, unit and `said` are filled in; NULL where they could not be read.
	 * What the bytes need to be read again and do not hold a driver keeps in `said`, by a name that begins with
	 * "raw_". */
	void (*take_raw)(struct instrument *instrument, const struct reading *before, const uint8_t *raw, size_t length,
		struct readings *readings);
};

#define FRAME_MAX 65536 /* the longest real frame seen is an ASTM message of 26 kB; longer ones are not frames */

/* The registry: NULL-terminated, in the order of drivers/README.md. One line per driver in drivers/drivers.c. */
extern const struct driver *const drivers[];
const struct driver *driver_by_name(const char *name); /* NULL when there is none */
enum manner driver_manner(const struct driver *driver, const void *profile);
size_t driver_state_size(const struct driver *driver, const void *profile); /* of a state, at least 1 */

#endif
