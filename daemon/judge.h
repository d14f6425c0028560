/* The judge: what a reading means in the county's vocabulary, and what is to be said about it.
 *
 * The instrument's verdict is never overridden: it is the record's verdict wherever the instrument gave one, and the
 * flag verdict_disagrees says that the item's rule gives another. Where the instrument gave none the item's rule
 * decides, on exact decimals; where the rule cannot tell (no value, no unit, a unit that is not told in the limit's, a
 * basis the table does not know, a value beyond the instrument's range) there is no verdict. A value in another unit
 * than the rule's is converted by table (units.h) for judging; the record keeps it as the instrument said it, and shows
 * what was compared beside it. Only samples are judged: controls,
 * blanks, quality control and calibration keep what the instrument said.
 *
 * The item is what the instrument says, else the instrument's configured `item`, else what its driver can only mean: an
 * inhibition reader (seven-e-aa) measures PR-OPCB, or PR-OPCB-NY where it names NY/T 448.
 *
 * Limits: the item's rule uses the station's limit (limits.csv by sample, or a group it belongs to, and the day of the
 * test, else items.csv), and the instrument's own where the station has none. The record shows the limit that belongs
 * to its verdict.
 *
 * Flags, each with its only cause (those marked + extend the contract's list):
 * - inhibition_disagrees: inhibition recomputed from the signals (signals.h) differs from the value by over 0.5 points
 * - ratio_disagrees +: the T/C an instrument displays is not that of the C and T it sends
 * - value_recomputed +: no inhibition was displayed: the rule was applied to the one recomputed from the signals
 * - control_low: delta A of the control is below the item's control_min
 * - control_failed +: a control is low, invalid, or not what it is made to show; or a sample was measured under such
 * - no_valid_control +: the instrument's `control` demands a control, and the sample was measured without a valid one
 * - verdict_disagrees +: the instrument's verdict is not the rule's
 * - limit_disagrees +: the instrument's limit, or one of its two, is not the station's
 * - limit_ended +: the station's limit for this sample was no longer in force when it was tested, and none follows it:
 *   the rule was not applied by another
 * - unmapped_item: no item of items.csv has this code, name or alias; or nobody said what was tested
 * - unmapped_sample +: what the sample is of is not in commodities.csv, or nobody said it (only where the station keeps
 *   that file)
 * - unmapped_unit: the unit has no UCUM code here; it is kept as sent
 * - unmapped_basis +: an inhibition tested by a standard for which items.csv has no item: no rule applies
 * - unmapped_value +: the value is no decimal number nor a word for (not) detected, or its qualifier no sign; it is
 * kept as sent only
 * - unit_missing +: a value without a unit: the rule was not applied
 * - unit_differs +: the value's unit cannot be told in the limit's without guessing: the rule was not applied
 * - operator_unknown: the operator is not in operators.csv (only where the station keeps that file)
 * - operator_expired: the certificate does not cover the day of the test
 * - operator_untrained +: the test is of nothing that operators.csv says this person is trained on
 * - lot_expired +: a reagent, strip or control material was used behind its last day
 * - calibration_expired +: the instrument's certificate had ended by the day of the test
 * - calibration_due: the instrument says so
 * - clock_suspect: the instrument's time is no time, before 2015, or, by a clock of ours that can be right, over 10 min
 *   askew
 * - clock_unsynced: the box's clock was not synchronised
 * - late: received over 24 h after a test whose time is not suspect
 * - retest_required: positive by inhibition: the standard wants it repeated
 * - matrix_interference: the same for a sample known to give false positives
 * - out_of_range: the instrument says the value is beyond its range
 * - text_cut +: a text field ended inside a character
 * - text_bad +: a text field held bytes that are no character
 * - overrun +: the instrument says its memory overflowed
 * - retest_said +: the instrument says that it tested this before
 * - year_inferred +: the instrument says no year: the one in which it was received, or the one before
 *
 * Pure but for the time zone; any thread may call.
 */
#ifndef ASSAYD_JUDGE_H
#define ASSAYD_JUDGE_H

#include <stdbool.h>
#include <stddef.h>

#include "clock.h"
#include "commodities.h"
#include "config.h"
#include "items.h"
#include "lots.h"
#include "operators.h"
#include "quality.h"
#include "record.h"

#define JUDGE_FLAGS_MAX 32

#define JUDGE_LOTS_MAX (LOT_KINDS + 1) /* and the one the instrument says */

struct lot_used {
	const struct lot *lot; /* NULL: the station keeps none of that number */
	char number[64];
	bool by_instrument;    /* who says that it was used */
	char expires[DAY_MAX]; /* "": nobody knows */
	bool good;             /* on that day */
};

struct judgement {                         /* pointers are into the configuration, the reading, or static */
	const struct item *item;           /* NULL: unknown */
	const struct commodity *commodity; /* what the sample is of; NULL: unknown, or no sample */
	const char *item_name;             /* configured for the instrument but unknown; "" otherwise */
	const char *method, *basis;
	const char *unit;      /* UCUM, or as sent when unknown */
	const char *value;     /* a decimal, or "" when there is none or it cannot be read */
	const char *qualifier; /* "<", ">", "<=", ">=" or "" */
	enum finding finding;
	/* the value in the rule's unit, where that is another; "" where it is the same or no rule was applied */
	char judged_value[DECIMAL_MAX], judged_unit[24];
	struct limit limit; /* op and value "" for none */
	bool limit_said;    /* `limit` is the instrument's own */
	enum verdict verdict;
	const char *verdict_by;                      /* "instrument", "gateway", or "" */
	char rule[sizeof(((struct rule *)0)->text)]; /* as it was applied; "" when it was not */
	const char *recomputed_name;                 /* what the signals make: "inhibition", "tc" or "" */
	char recomputed[DECIMAL_MAX];
	/* of a control, blank or spike; NONE of anything else */
	enum control_state control;
	enum verdict expected; /* what it is made to show; none where nobody says */
	char control_rule[sizeof(
		((struct rule *)0)->text)]; /* by which it is valid or failed; "": the instrument's word */
	enum control_state sent;            /* of the control's delta A that comes with a sample */
	bool compared, agrees;              /* with what the instrument displays */
	const struct operator* person;      /* NULL: unknown, or not said */
	bool certified, trained;            /* where a person is known */
	struct lot_used lots[JUDGE_LOTS_MAX];
	size_t lot_count;
	bool calibrated;          /* the certificate had not ended, where its end is known */
	char day[CLOCK_TEXT_MAX]; /* when it was tested, or received where the instrument's time is not to be trusted */
	bool clock_suspect;
	bool tested;          /* tested_at is a time that exists */
	int64_t tested_ms;    /* Unix ms, where `tested` */
	enum skew_by skew_by; /* what told how far the instrument's clock is from ours; SKEW_UNKNOWN: nothing */
	int64_t skew_s;       /* its clock minus ours; where it tested in our future, at least that */
	const char *flags[JUDGE_FLAGS_MAX];
	size_t flag_count;
};

/* When it was tested, as well as is known: by the instrument's clock where it can be believed, else when it was
 * received; 0 where neither clock is of use. */
int64_t judge_tested_ms(const struct reading *reading, const struct reception *reception);

void judge(const struct config *config, const struct instrument_config *instrument, const struct reading *reading,
	const struct reception *reception, struct judgement *ret);

/* True when the judgement has this flag. */
bool judgement_has(const struct judgement *judgement, const char *flag);

#endif
