/* Units: the UCUM code for each way instruments and spreadsheets spell one, and exact conversion between them.
 *
 * Source of the codes: The Unified Code for Units of Measure, version 2.1. `ppb` is `ug/kg` and `ppm` is `mg/kg`,
 * because in a food one part per billion is one microgram per kilogram. Any thread may call.
 */
#ifndef ASSAYD_UNITS_H
#define ASSAYD_UNITS_H

#include "../drivers/decimal.h"

/* The UCUM code of a unit as sent, whatever its case, width and script ("μg/kg", "ＵＧ／ＫＧ", "㎎/㎏", "微克/千克");
 * NULL when it is not known. */
const char *units_ucum(const char *as_sent);

/* `value` of the unit `from` told in the unit `to`, both UCUM codes: exact, by powers of ten only, so no digit is lost
 * or rounded. False, and `out` untouched, where no table says how: the two measure different things (mg/kg and mg/L
 * need a density, mmol/L and mg/L a molar mass, % of inhibition is no mass), or `value` is no decimal. `out` may be
 * `value`. */
bool units_convert(char out[static DECIMAL_MAX], const char *value, const char *from, const char *to);

#endif
