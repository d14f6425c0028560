/* A fluorescence reader that speaks ASTM E1381/E1394: what it finished together is one message, told again until its
 * last frame is acknowledged.
 *
 *     05                                                        <- 06, or 15: not now; or 05: both began, we go first
 *     02 1 H|\^&|||FIA-8^1.02^serial|||||||P||time CR 03 sum    <- 06, or 15: once more, six times at most
 *        2 P|1
 *        3 O|1|sample||^^^item|||||||Q||||name                  Q: a control; name in GB 18030
 *        4 R|number|^^^item|value|unit|limit|flag||F||operator||time
 *          O.. R.. for each result                              flag N, A, S or X
 *        5 L|1|N
 *     04                                                        silence of the host: 04, and from the beginning
 *
 * A record is a frame; one longer than --frame-size goes on in the next, 17 for 03. With --one-frame all is in one
 * frame, with --no-enq it begins without 05, with --lots an order has a comment, and with --queries it asks the host
 * what to test now and then, so that both have something to say. A message told again is the same to the last byte.
 */
#ifndef SIM_A7_H
#define SIM_A7_H

#include "dice.h"
#include "loop.h"
#include "memory.h"
#include "options.h"

enum {
	A7_RESULTS_MAX = 100,
	A7_RESULT_MAX = 512,
	A7_MESSAGE_MAX = 256 + A7_RESULTS_MAX * A7_RESULT_MAX,
	A7_FRAME_MAX = A7_MESSAGE_MAX + 8,
};

enum { A7_CHLORPYRIFOS = 401, A7_AFLATOXIN, A7_MALACHITE_GREEN }; /* what it tests: result.item */

enum a7_phase { A7_IDLE, A7_ENQUIRES, A7_SENDS, A7_RESTS, A7_LISTENS };

struct a7_sender { /* zeroed at first, then filled with the first six */
	const struct options *options;
	struct memory *memory;
	const char *serial;
	struct dice dice;
	void (*send)(void *context, const uint8_t *bytes, size_t length);
	void *context;

	enum a7_phase phase;
	size_t waiting; /* results of the message under way; 0: none, or a question */
	uint8_t message[A7_MESSAGE_MAX];
	size_t length, at, next; /* of the message, of the frame under way and of the one behind it */
	unsigned number, refused;
	struct timer timer;
};

/* A length for one thing the host says at `data`, 0 for more, -1 where none begins. */
int a7_frame(const uint8_t *data, size_t length);

/* The first `count` results as one message, or a question about the first; without frames. Its length. */
size_t a7_message(const struct a7_sender *sender, size_t count, uint8_t out[static A7_MESSAGE_MAX]);
size_t a7_question(const struct a7_sender *sender, uint8_t out[static A7_MESSAGE_MAX]);

void a7_go_on(struct a7_sender *sender); /* something may be there to send */
void a7_again(struct a7_sender *sender); /* another link: from the beginning */
void a7_hear(struct a7_sender *sender, const uint8_t *said, size_t length);
void a7_stop(struct a7_sender *sender);

#endif
