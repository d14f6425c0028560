/* An analyzer that sends HL7 version 2 over MLLP: what it finished together is one message, sent again until it is told
 * AA.
 *
 *     0B MSH|^~\&|SIM|FIA-HL7|||time||ORU^R01|batch|P|2.4||||||GB18030-2000
 *        OBR|1|sample|number|item|||time||||Q||||^name      Q: a control
 *        OBX|number|NM|item||value|unit|||flag..            flag N, A, S or X; GB 18030
 *        TCD|item|||||||R 1C 0D                             only where it tested the sample before once more
 *     <- 0B MSH.. MSA|AA|batch 1C 0D
 *
 * The results stay in its memory until then; a message sent again is the same to the last byte.
 */
#ifndef SIM_HL7_H
#define SIM_HL7_H

#include "loop.h"
#include "memory.h"

enum { MLLP_RESULTS_MAX = 100, MLLP_RESULT_MAX = 512, MLLP_MESSAGE_MAX = 256 + MLLP_RESULTS_MAX * MLLP_RESULT_MAX };

struct mllp_sender { /* zeroed at first */
	struct memory *memory;
	void (*send)(void *context, const uint8_t *message, size_t length);
	void *context;
	size_t waiting; /* results of the message that is not yet accepted; 0: none */
	struct timer timer;
};

/* A length for a whole acknowledgement at `data`, 0 for more, -1 where none begins. */
int mllp_frame(const uint8_t *data, size_t length);

/* The first `count` results as one message; its length. */
size_t mllp_message(const struct memory *memory, size_t count, uint8_t out[static MLLP_MESSAGE_MAX]);

void mllp_go_on(struct mllp_sender *sender); /* something may be there to send */
void mllp_again(struct mllp_sender *sender); /* another link: what is not accepted is sent again */
void mllp_answer(struct mllp_sender *sender, const uint8_t *answer, size_t length);
void mllp_stop(struct mllp_sender *sender);

#endif
