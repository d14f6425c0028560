#include "mischief.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

enum { NOISE_MAX = 8 };

void answer_add(struct answer *answer, const uint8_t *bytes, size_t length)
{
	if (answer->length + length > answer->size) {
		answer->size = 2 * (answer->length + length) + 512;
		answer->bytes = realloc(answer->bytes, answer->size);
		if (!answer->bytes)
			err(1, "no memory for an answer of %zu bytes", answer->size);
	}
	memcpy(answer->bytes + answer->length, bytes, length);
	answer->length += length;
}

bool mischief_swallows(struct mischief *mischief)
{
	return dice_chance(&mischief->dice, mischief->options->silence);
}

static void add_noise(struct mischief *mischief, struct answer *answer)
{
	uint8_t noise[NOISE_MAX];
	size_t length = 1 + dice_below(&mischief->dice, NOISE_MAX);

	for (size_t i = 0; i < length; i++)
		noise[i] = (uint8_t)dice_roll(&mischief->dice);
	answer_add(answer, noise, length);
}

void mischief_add(
	struct mischief *mischief, struct answer *answer, const uint8_t *frame, size_t length, size_t checksum_at)
{
	const struct options *options = mischief->options;

	if (dice_chance(&mischief->dice, options->noise))
		add_noise(mischief, answer);
	size_t start = answer->length;
	answer_add(answer, frame, length);
	if (dice_chance(&mischief->dice, options->bad_crc))
		answer->bytes[start + checksum_at] ^= (uint8_t)(1U << dice_below(&mischief->dice, 8));
	if (dice_chance(&mischief->dice, options->cut_short))
		answer->length -= 1 + dice_below(&mischief->dice, (uint32_t)length - 1);
}

int64_t mischief_delay_ns(struct mischief *mischief)
{
	const struct options *options = mischief->options;

	return ++mischief->answers % options->late_every == 0 ? options->late_ns : 0;
}
