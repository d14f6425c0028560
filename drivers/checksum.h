/* Checksums of the instruments' protocols. Pure; any thread may call. */
#ifndef ASSAYD_CHECKSUM_H
#define ASSAYD_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* CRC-8, polynomial 0x31, initial value 0, most significant bit first, no reflection, no final xor (7E-AA readers). */
uint8_t checksum_crc8(const uint8_t *data, size_t length);

/* CRC-16/MODBUS: reflected polynomial 0xA001, initial value 0xFFFF; sent low byte first (Modbus over serial line
 * specification V1.02, section 6.2.2). */
uint16_t checksum_crc16(const uint8_t *data, size_t length);

/* All bytes xored, and all bytes added modulo 256. */
uint8_t checksum_xor8(const uint8_t *data, size_t length);
uint8_t checksum_sum8(const uint8_t *data, size_t length);

#endif
