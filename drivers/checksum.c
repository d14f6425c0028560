#include "checksum.h"

uint8_t checksum_crc8(const uint8_t *data, size_t length)
{
	unsigned crc = 0;
	for (size_t i = 0; i < length; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 0x80 ? (crc << 1 ^ 0x31) & 0xFF : crc << 1;
	}
	return (uint8_t)crc;
}

uint16_t checksum_crc16(const uint8_t *data, size_t length)
{
	unsigned crc = 0xFFFF;
	for (size_t i = 0; i < length; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xA001 : crc >> 1;
	}
	return (uint16_t)crc;
}

uint8_t checksum_xor8(const uint8_t *data, size_t length)
{
	unsigned sum = 0;
	for (size_t i = 0; i < length; i++)
		sum ^= data[i];
	return (uint8_t)sum;
}

uint8_t checksum_sum8(const uint8_t *data, size_t length)
{
	unsigned sum = 0;
	for (size_t i = 0; i < length; i++)
		sum += data[i];
	return (uint8_t)(sum & 0xFF);
}
