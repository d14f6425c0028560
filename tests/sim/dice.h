/* The simulator's only source of chance: splitmix64, so that one seed gives one run on every machine. */
#ifndef SIM_DICE_H
#define SIM_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

/* Dice of their own for each instrument and each line, all determined by one seed. */
struct dice dice_of(uint64_t seed, uint64_t which);

uint64_t dice_roll(struct dice *dice);
uint32_t dice_below(struct dice *dice, uint32_t limit);             /* 0 .. limit-1; 0 when limit is 0 */
int32_t dice_between(struct dice *dice, int32_t low, int32_t high); /* both inclusive */

/* True with this probability. Rolls only when the outcome is open, so that a fault not asked for costs no chance. */
bool dice_chance(struct dice *dice, double probability);

#endif
