/* Decimal numbers as text: measured values never pass through binary floating point.
 *
 * A decimal is an optional sign, digits, and optionally a point with digits ("63.50", "-0.3"); the number of decimals
 * is part of what the instrument displayed and is kept. Pure; any thread may call.
 */
#ifndef ASSAYD_DECIMAL_H
#define ASSAYD_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECIMAL_MAX 40 /* room for any decimal this program writes, with its NUL */

/* `value` * 10^-decimals, with exactly that many decimals: (6350, 2) -> "63.50", (-5, 1) -> "-0.5". Returns `out`;
 * over 29 decimals give "". */
char *decimal_scaled(char out[static DECIMAL_MAX], int64_t value, unsigned decimals);

/* The shortest decimal that reads back as this IEEE 754 single, given by its 32 bits, and never in exponent form:
 * 0x414570A4 -> "12.34". NaN, infinities and numbers that need more than 30 digits give "" and false. Zero has no sign.
 */
bool decimal_from_f32(char out[static DECIMAL_MAX], uint32_t bits);
bool decimal_from_f64(char out[static DECIMAL_MAX], uint64_t bits);

/* True when the text is a decimal of at most 30 digits, leading zeros counted. */
bool decimal_valid(const char *text);

/* -1, 0 or 1 as a is less than, equal to or greater than b, as numbers ("50" equals "50.00"). Both must be valid. */
int decimal_compare(const char *a, const char *b);

/* `value` * 10^places, exact: only the point moves, and the digits after it that were displayed stay ("20", -3) ->
 * "0.020". False when that needs more than 30 digits. `out` may be `value`. */
bool decimal_shift(char out[static DECIMAL_MAX], const char *value, int places);

/* a - b and a * b, exact; a / b rounded half away from zero to `decimals`. False on overflow (more than 30 digits) or a
 * zero divisor. `out` may be a or b. */
bool decimal_subtract(char out[static DECIMAL_MAX], const char *a, const char *b);
bool decimal_multiply(char out[static DECIMAL_MAX], const char *a, const char *b);
bool decimal_divide(char out[static DECIMAL_MAX], const char *a, const char *b, unsigned decimals);

#endif
