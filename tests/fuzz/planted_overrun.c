/* No target of its own: a fault planted behind three bytes, which a fuzzing run that works finds at once. */
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	volatile uint8_t answer[8];
	if (size > 3 && data[0] == 0x7E && data[1] == 0x11 && data[2] == 0xAA)
		for (size_t i = 3; i < size; i++)
			answer[i - 3] = data[i];
	return 0;
}
