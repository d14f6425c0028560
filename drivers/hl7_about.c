/* OBX segments that say how a run was made, not what it found. Blood and urine analyzers of many makers send them among
 * their results, with the maker's own codes, which differ, and the same names, which do not:
 *     OBX|1|IS|08001^Take Mode^99MRC||O||||||F          how the tube was drawn, what was counted: codes of two makers
 *     OBX|3|IS|02003^Test Mode^99MRC||CBC+DIFF||||||F
 *     OBX|4|NM|30525-0^Age^LN||42|yr|||||F              a person's
 *     OBX|6|ST|01001^Remark^99MRC||..||||||F
 *     OBX|27|IS|12045^Multiple alerts^99MRC||T||||||F   true or false
 *     OBX|35|NM|15004^WBC Histogram. Meta Length^99MRC||1||||||F
 *     OBX|36|NM|15010^WBC Lym left line.^99MRC||42||||||F
 * Source: messages of these analyzers in public receivers. A word or a code as a result comes as ST, CE or CWE; of the
 * type IS are none but answers to the maker's own questions (?), unless they are words of a verdict.
 */
#include <stdio.h>
#include <string.h>

#include "hl7.h"

static const char *const names[] = { "Take Mode", "Blood Mode", "Test Mode", "Sample Mode", "Analysis Mode",
	"Ref Group", "Age", "Gender", "Remark", "Project Type", "Shelf No", "Tube No" };
static const char *const parts[] = { "histogram", "scattergram", "left line", "right line", "mid line", "meta len" };
static const char *const types[] = { "NA", "MA", "DT", "TM", "TS", "DTM" }; /* curves and times */

static bool has_part(const char *name)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strcasestr(name, parts[i]))
			return true;
	return false;
}

static bool is_name(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return has_part(name);
}

static bool is_yes_or_no(struct field value)
{
	static const char *const words[] = { "T", "F", "True", "False", "Y", "N" };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (hl7_says(value, words[i]))
			return true;
	return false;
}

/* "Negative", "阳性", "++": a finding, whatever its type. */
static bool is_finding(struct hl7_segment *result)
{
	struct reading reading = { .verdict = VERDICT_NONE };
	char words[64];
	hl7_text(result, hl7_field(result, 5), words, sizeof(words));
	delimited_value(&reading, words);
	bool signs = *words && words[strspn(words, "+-")] == '\0';
	return signs || (reading.verdict != VERDICT_NONE && reading.verdict != VERDICT_INVALID);
}

bool hl7_about_run(const struct hl7_segment *result)
{
	struct hl7_segment copy = *result; /* a name that does not fit is no mark of the result */
	struct field code = hl7_field(&copy, 3), type = hl7_field(&copy, 2);
	char name[64];
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (hl7_says(type, types[i]))
			return true;
	hl7_text(&copy, hl7_component(&copy, code, 2), name, sizeof(name));
	if (is_name(name) || hl7_says(hl7_component(&copy, code, 1), "30525-0"))
		return true;
	bool makers_own = hl7_starts(hl7_component(&copy, code, 3), "99");
	return hl7_says(type, "IS") && (makers_own || is_yes_or_no(hl7_field(&copy, 5))) && !is_finding(&copy);
}
