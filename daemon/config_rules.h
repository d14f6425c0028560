/* Rules between settings that each look right on their own. */
#ifndef ASSAYD_CONFIG_RULES_H
#define ASSAYD_CONFIG_RULES_H

#include "config_parts.h"

/* What is empty was refused already and is passed over. */
void config_check_station(const struct config_place *place, const struct station *station);

/* Two targets that log in to one broker under one name would throw each other out for ever. */
void config_check_client(
	const struct config_place *place, const struct config *config, const struct target_config *target);

/* Byte ports carry one instrument; Modbus lines several, with one unit address and one set of serial settings each. */
void config_check_shared_port(const struct config_place *place, const struct instrument_config *instrument,
	const struct config_place *other_place, const struct instrument_config *other);

/* A scanner names the samples of instruments that are there and have results. */
void config_check_naming(
	const struct config_place *place, const struct config *config, const struct instrument_config *scanner);

/* Warns of a calibration certificate that has ended or soon ends. */
void config_check_calibration(const struct config_place *place, const struct instrument_config *instrument);

/* A retest belongs to the sample its number was registered for. */
void config_check_holds(const struct config_place *samples, const struct config *config);

#endif
