/* What the two halves of the dump8 driver share: dump8.c holds transcript and dialogue, dump8_group.c says what is a
 * group and turns one into readings. */
#ifndef ASSAYD_DUMP8_H
#define ASSAYD_DUMP8_H

#include "driver.h"

enum dump8_layout { DUMP8_AUTO, DUMP8_8, DUMP8_16, DUMP8_MULTI, DUMP8_Z24 }; /* as the setting's choices */
enum dump8_order { ORDER_AUTO, ORDER_LSB, ORDER_MSB };
enum dump8_float2 { FLOAT2_AUTO, FLOAT2_INHIBITION, FLOAT2_SAMPLE_ABS, FLOAT2_CONC };

struct dump8_options {
	int layout, mask_order, float2, hold;
	long control_channel;
};

#define DUMP8_GROUP     73 /* bytes of a group, layouts 8, 16 and multi */
#define DUMP8_Z24_GROUP 501
#define DUMP8_WELLS     8 /* of one group */

/* Whether these bytes can be a group of this layout. Fewer than a group has are looked at as far as they go. */
bool dump8_group_possible(enum dump8_layout layout, const uint8_t *data, size_t length);
/* The layout in which these bytes make sense as a group, the model's before others (DUMP8_AUTO: the model is not
 * known); DUMP8_AUTO when there is none. */
enum dump8_layout dump8_group_layout(enum dump8_layout model, const uint8_t *data, size_t length);

size_t dump8_group_size(enum dump8_layout layout);

/* The layout in which a reading was taken, by its own word; DUMP8_AUTO when it has none. */
enum dump8_layout dump8_group_said(const struct reading *reading);

/* The layout of the model byte with which the reader answers a hello; DUMP8_AUTO when nobody knows it. */
enum dump8_layout dump8_model_layout(uint8_t model);

/* Takes a whole group into the readings; `repeat` tells how many groups alike to the last bit came before it. */
void dump8_group_take(const struct dump8_options *options, enum dump8_layout layout, unsigned repeat,
	const uint8_t *data, size_t length, struct readings *readings);

#endif
