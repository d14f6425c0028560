/* What the station keeps of its people and instruments, as far as it says something about a test. */
#include <string.h>

#include "day.h"
#include "judge_parts.h"

static void flag(struct judgement *to, const char *name)
{
	judge_flag(to, name);
}

void judge_operator(const struct config *config, const struct instrument_config *instrument,
	const struct reading *reading, struct judgement *to)
{
	if (!config->operators || (!*reading->operator_id && !*reading->operator_name))
		return;
	to->person = operators_find(config->operators, reading->operator_id);
	if (!to->person)
		to->person = operators_find(config->operators, reading->operator_name);
	if (!to->person) {
		flag(to, "operator_unknown");
		return;
	}
	to->certified = operator_certified(to->person, to->day);
	if (!to->certified)
		flag(to, "operator_expired");
	const struct training test = { config->items, to->item, to->method, instrument->id };
	to->trained = operator_trained(to->person, &test);
	if (!to->trained)
		flag(to, "operator_untrained");
}

void judge_calibration(const struct instrument_config *instrument, struct judgement *to)
{
	const char *until = instrument->calibration.until;
	to->calibrated = !*until || day_difference(to->day, until) >= 0;
	if (!to->calibrated)
		flag(to, "calibration_expired");
}
