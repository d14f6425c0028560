/* The parts of the judge, for daemon/judge*.c only. */
#ifndef ASSAYD_JUDGE_PARTS_H
#define ASSAYD_JUDGE_PARTS_H

#include "judge.h"

void judge_flag(struct judgement *to, const char *name);

/* The verdict of the item's rule, with its flags and text; NONE when it cannot tell. */
enum verdict judge_rule(const struct reading *reading, const struct limit *limit, struct judgement *to);

/* judge_quality.c: whether a control is valid, by itself or as it comes with a sample. */

void judge_quality(const struct config *config, const struct reading *reading, struct judgement *to);

/* judge_station.c: who tested, and with what. All go by the judgement's day. */

void judge_operator(const struct config *config, const struct instrument_config *instrument,
	const struct reading *reading, struct judgement *to);
void judge_lots(const struct config *config, const struct instrument_config *instrument, const struct reading *reading,
	struct judgement *to);
void judge_calibration(const struct instrument_config *instrument, struct judgement *to);

#endif
