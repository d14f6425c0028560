/* What the room tests: realistic results, all decided by the instrument's dice. */
#ifndef SIM_PRODUCE_H
#define SIM_PRODUCE_H

#include "instrument.h"

void produce(struct instrument *instrument, struct moment now, struct result *out);
void produce_blank_well(struct instrument *instrument, struct moment now, struct result *out);

#endif
