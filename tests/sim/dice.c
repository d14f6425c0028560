#include "dice.h"

struct dice dice_of(uint64_t seed, uint64_t which)
{
	struct dice dice = { seed ^ (which * 0x9E3779B97F4A7C15U) };

	dice.state = dice_roll(&dice);
	return dice;
}

uint64_t dice_roll(struct dice *dice)
{
	uint64_t mixed = dice->state += 0x9E3779B97F4A7C15U;

	mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9U;
	mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBU;
	return mixed ^ (mixed >> 31);
}

uint32_t dice_below(struct dice *dice, uint32_t limit)
{
	return (uint32_t)(((dice_roll(dice) >> 32) * limit) >> 32);
}

int32_t dice_between(struct dice *dice, int32_t low, int32_t high)
{
	return low + (int32_t)dice_below(dice, (uint32_t)(high - low) + 1);
}

bool dice_chance(struct dice *dice, double probability)
{
	if (probability <= 0)
		return false;
	if (probability >= 1)
		return true;
	return (double)(dice_roll(dice) >> 11) * 0x1p-53 < probability;
}
