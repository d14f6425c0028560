/* Rules: how a verdict follows from a value or from a strip's lines; the text in the `rule` column of items.csv.
 *
 *   inhibition>=50               positive from this inhibition on, else negative (GB/T 5009.199-2003: 50,
 *                                NY/T 448-2001: 70); inhibition>50: 50 itself is negative
 *   limit                        negative when the value keeps the item's limit, else positive
 *   not-detected                 positive when anything was found, negative at 0, below 0 or "<" a detection limit
 *   detected>=0.3                positive from this value (the limit of detection) on, else negative
 *   elimination c=100 t=200..400 strip by its T line: C of at most 100 is invalid; T over 400 negative, under 200
 *                                positive, between suspect (a competitive strip: the stronger T, the cleaner)
 *   ratio c=100 tc=0.4..0.8      the same by T/C
 *   two-limits 10..30            up to 10 negative (pass), over 30 positive (fail), between suspect (caution)
 *   two-limits                   the same by the two limits that the instrument sends with each result
 *
 * Everything is compared as exact decimals; a value with a qualifier ("<0.3") is judged only where every number it may
 * stand for gives the same answer. Pure; any thread may call.
 */
#ifndef ASSAYD_RULE_H
#define ASSAYD_RULE_H

#include "../drivers/fault.h"
#include "../drivers/reading.h"

enum rule_kind {
	RULE_NONE,
	RULE_INHIBITION,
	RULE_LIMIT,
	RULE_NOT_DETECTED,
	RULE_DETECTED,
	RULE_ELIMINATION,
	RULE_RATIO,
	RULE_TWO_LIMITS,
};

struct rule {
	enum rule_kind kind;
	char text[160];          /* as it goes into the record */
	char op[4];              /* INHIBITION, DETECTED: ">" or ">=" */
	char low[DECIMAL_MAX];   /* the bound, or the lower of two */
	char high[DECIMAL_MAX];  /* the upper of two */
	char least[DECIMAL_MAX]; /* strips: a C line of at most this is no C line */
};

struct limit { /* what is allowed: "<" "50" "%" "GB/T 5009.199-2003" */
	char op[4], value[DECIMAL_MAX], unit[24], source[64];
	char edition[32];         /* of the source, where its name does not tell: "2022 No. 1" */
	char from[11], until[11]; /* first and last day it is in force; "" for no bound */
};

/* Reads a rule. "" is RULE_NONE. */
int rule_parse(const char *text, struct rule *ret, struct fault *fault);

/* Gives a rule of two limits these. */
void rule_between(struct rule *rule, const char *low, const char *high);

/* Reads a comparison sign, also as one character or in full width ("≤", "＜"), into "<", "<=", ">" or ">="; NULL when
 * it is none. */
const char *rule_sign(const char *text);

enum holds { HOLDS_NO, HOLDS_YES, HOLDS_UNKNOWN };

/* Does `value`, displayed with `qualifier` ("" or "<" ...), stand in relation `op` to `bound`? */
enum holds rule_holds(const char *qualifier, const char *value, const char *op, const char *bound);

/* The verdict of a value; NONE when the rule cannot tell. `limit` matters to RULE_LIMIT only. */
enum verdict rule_value(const struct rule *rule, const char *qualifier, const char *value, const struct limit *limit);

/* The verdict of a strip: `c` and `t` as decimals, `tc` their quotient as the instrument gives it; "" when not said. */
enum verdict rule_strip(const struct rule *rule, const char *c, const char *t, const char *tc);

#endif
