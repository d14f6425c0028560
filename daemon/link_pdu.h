/* Modbus messages apart from how they travel; for daemon/link_*.c only. A PDU is function code and data, without unit
 * address, checksum or MBAP header (MODBUS Application Protocol V1.1b3, 4.1). Pure.
 */
#ifndef ASSAYD_LINK_PDU_H
#define ASSAYD_LINK_PDU_H

#include "../drivers/driver.h"

#define MBAP_SIZE 7 /* transaction 2, protocol 2, length 2, unit 1: MODBUS Messaging on TCP/IP V1.0b, 3.1.3 */

/* Function code and data of a request, their length; 0 when it is longer than Modbus allows. */
size_t pdu_make(const struct request *request, uint8_t pdu[static PDU_MAX]);

/* What an answer says. `bytes` keeps it as long as `reply` is used. 0, or -EBADMSG when it answers something else. */
int pdu_take(const struct request *request, uint8_t function, const uint8_t *answer, size_t length, struct reply *reply,
	uint16_t *registers, uint8_t *bytes, struct fault *fault);

#endif
