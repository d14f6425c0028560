/* Signals: what a test's raw signals say by themselves, beside what the instrument displays.
 *
 * An app may display what its sensor did not measure (vendor source of 2026-04 adds a random amount to the inhibition);
 * the signals tell. Inhibition is (dA0 - dA) / dA0 * 100 (GB/T 5009.199-2003), of delta_a_control (else abs_control)
 * and delta_a (else abs); the ratio of a strip is T / C. All by exact decimals. Pure; any thread may call.
 */
#ifndef ASSAYD_SIGNALS_H
#define ASSAYD_SIGNALS_H

#include <stdbool.h>

#include "../drivers/reading.h"

/* A raw signal as a valid decimal, or "" when it was not said or is none. */
const char *signals_of(const struct reading *reading, const char *name);

/* The inhibition in percent, rounded half up to two decimals as readers display it at most. False where the reading has
 * not both signals, or a control that is not above 0. */
bool signals_inhibition(const struct reading *reading, char out[static DECIMAL_MAX]);
/* True unless the signals make it more than 0.5 points another than `percent`, compared without rounding. That covers
 * the rounding of three-digit absorbances, not an added amount. */
bool signals_agree(const struct reading *reading, const char *percent);

/* T / C of a strip, rounded to three decimals. False where the reading has not both, or a C that is not above 0. */
bool signals_ratio(const struct reading *reading, char out[static DECIMAL_MAX]);
/* True unless T / C is more than 0.01, or one unit of its last digit, away from `ratio` as the instrument displays it.
 */
bool signals_ratio_agrees(const struct reading *reading, const char *ratio);

#endif
