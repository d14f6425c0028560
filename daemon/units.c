#include "units.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "spellings.h"

/* What units measure. Only those of one kind are told in each other. */
enum measure {
	ALONE,           /* converts into nothing: what it counts has no other unit here */
	SHARE,           /* of a whole that the number does not name: inhibition, polar compounds */
	MASS_PER_MASS,   /* in powers of ten of g/g */
	MASS_PER_VOLUME, /* in powers of ten of g/L; into MASS_PER_MASS only with a density, which nobody sent */
	AMOUNT_PER_MASS, /* mol/kg */
	AMOUNT_PER_VOLUME,
};

static const struct {
	const char *ucum;
	enum measure measure;
	int places; /* one of this unit is 10^places of the measure's own */
} codes[] = {
	{ "%", SHARE, -2 },
	{ "[ppth]", SHARE, -3 },
	{ "{fraction}", SHARE, 0 },
	{ "g/kg", MASS_PER_MASS, -3 },
	{ "mg/kg", MASS_PER_MASS, -6 },
	{ "ug/kg", MASS_PER_MASS, -9 },
	{ "ng/kg", MASS_PER_MASS, -12 },
	{ "mg/g", MASS_PER_MASS, -3 },
	{ "ug/g", MASS_PER_MASS, -6 },
	{ "ng/g", MASS_PER_MASS, -9 },
	{ "pg/g", MASS_PER_MASS, -12 },
	{ "g/(100.g)", MASS_PER_MASS, -2 },
	{ "mg/(100.g)", MASS_PER_MASS, -5 },
	{ "ug/(100.g)", MASS_PER_MASS, -8 },
	{ "g/L", MASS_PER_VOLUME, 0 },
	{ "mg/L", MASS_PER_VOLUME, -3 },
	{ "ug/L", MASS_PER_VOLUME, -6 },
	{ "ng/L", MASS_PER_VOLUME, -9 },
	{ "mg/mL", MASS_PER_VOLUME, 0 },
	{ "ug/mL", MASS_PER_VOLUME, -3 },
	{ "ng/mL", MASS_PER_VOLUME, -6 },
	{ "pg/mL", MASS_PER_VOLUME, -9 },
	{ "g/(100.mL)", MASS_PER_VOLUME, 1 },
	{ "mg/(100.mL)", MASS_PER_VOLUME, -2 },
	{ "mmol/kg", AMOUNT_PER_MASS, -3 },
	{ "umol/kg", AMOUNT_PER_MASS, -6 },
	{ "mmol/L", AMOUNT_PER_VOLUME, -3 },
	{ "umol/L", AMOUNT_PER_VOLUME, -6 },
	{ "mg{KOH}/g", ALONE, 0 },
	{ "meq/kg", ALONE, 0 },
	{ "{RLU}", ALONE, 0 },
	{ "{Abs}", ALONE, 0 },
	{ "{Abs}/s", ALONE, 0 },
	{ "{CFU}/g", ALONE, 0 },
	{ "{CFU}/mL", ALONE, 0 },
	{ "Cel", ALONE, 0 },
};

#define CODE_COUNT (sizeof(codes) / sizeof(*codes))

/* Spellings that are no code in other letters; simplified as simplify() leaves them. */
static const struct {
	const char *simple, *ucum;
} spellings[] = {
	{ "%25", "%" }, /* sent URL-encoded by one collector */
	{ "%inh", "%" },
	{ "‰", "[ppth]" },
	{ "fraction", "{fraction}" },
	{ "ppm", "mg/kg" },
	{ "ppb", "ug/kg" },
	{ "g/100g", "g/(100.g)" },
	{ "mg/100g", "mg/(100.g)" },
	{ "mg/(100g)", "mg/(100.g)" },
	{ "ug/100g", "ug/(100.g)" },
	{ "g/100ml", "g/(100.mL)" },
	{ "mg/100ml", "mg/(100.mL)" },
	{ "mgkoh/g", "mg{KOH}/g" },
	{ "rlu", "{RLU}" },
	{ "rlus", "{RLU}" },
	{ "abs", "{Abs}" },
	{ "od", "{Abs}" },
	{ "abs/s", "{Abs}/s" },
	{ "abs/sec", "{Abs}/s" },
	{ "cfu/g", "{CFU}/g" },
	{ "cfu/ml", "{CFU}/mL" },
	{ "℃", "Cel" },
	{ "\u00B0c", "Cel" },
};

/* Parts of units in other scripts and in the square characters of GBK ("㎎/㎏"). */
static const struct {
	const char *written, *simple;
} parts[] = {
	{ "\u00B5", "u" }, /* folding made one of the micro sign and the Greek mu */
	{ "mcg", "ug" },
	{ "㎏", "kg" },
	{ "㎎", "mg" },
	{ "㎍", "ug" },
	{ "㎖", "ml" },
	{ "ℓ", "l" },
	{ "毫克", "mg" },
	{ "微克", "ug" },
	{ "纳克", "ng" },
	{ "毫摩尔", "mmol" },
	{ "千克", "kg" },
	{ "公斤", "kg" },
	{ "毫升", "ml" },
	{ "克", "g" },
	{ "升", "l" },
	{ "每", "/" },
	{ "∕", "/" },
	{ "⁻¹", "-1" },
	{ "\u2212", "-" },
	{ "·", "" },
	{ "•", "" },
};

#define UNIT_MAX 64 /* bytes of a unit's spelling; no instrument has room for more */

/* Folds `text` and writes its parts in small Latin letters: "㎎/㎏", "毫克／千克" and "mg·kg⁻¹" become "mg/kg". */
static bool simplify(char out[static UNIT_MAX], const char *text)
{
	char folded[UNIT_MAX];
	size_t count = sizeof(parts) / sizeof(*parts), length = 0;
	if (strlen(text) >= sizeof(folded))
		return false;
	spelling_fold(folded, text);
	for (const char *at = folded; *at;) {
		size_t part = 0;
		while (part < count && strncmp(at, parts[part].written, strlen(parts[part].written)) != 0)
			part++;
		if (part == count) {
			out[length++] = *at++; /* no part is longer than what it is written for */
			continue;
		}
		length += (size_t)snprintf(out + length, UNIT_MAX - length, "%s", parts[part].simple);
		at += strlen(parts[part].written);
	}
	out[length] = '\0';
	static const char *const per[] = { "kg-1", "g-1", "ml-1", "l-1" };
	for (size_t i = 0; i < sizeof(per) / sizeof(*per); i++) {
		size_t tail = strlen(per[i]);
		if (length <= tail || strcmp(out + length - tail, per[i]) != 0)
			continue;
		memmove(out + length - tail + 1, out + length - tail, tail - 2); /* "mgkg-1" -> "mg/kg" */
		out[length - tail] = '/';
		out[length - 1] = '\0';
		break;
	}
	return true;
}

static size_t code_of(const char *ucum)
{
	size_t at = 0;
	while (at < CODE_COUNT && strcmp(codes[at].ucum, ucum) != 0)
		at++;
	return at;
}

const char *units_ucum(const char *as_sent)
{
	char simple[UNIT_MAX];
	size_t code = code_of(as_sent);
	if (code < CODE_COUNT)
		return codes[code].ucum;
	if (!simplify(simple, as_sent))
		return NULL;
	for (size_t i = 0; i < sizeof(spellings) / sizeof(*spellings); i++)
		if (strcmp(spellings[i].simple, simple) == 0)
			return spellings[i].ucum;
	for (size_t i = 0; i < CODE_COUNT; i++)
		if (strcasecmp(codes[i].ucum, simple) == 0)
			return codes[i].ucum;
	return NULL;
}

bool units_convert(char out[static DECIMAL_MAX], const char *value, const char *from, const char *to)
{
	size_t one = code_of(from), other = code_of(to);
	if (one == CODE_COUNT || other == CODE_COUNT)
		return false;
	if (one != other && (codes[one].measure == ALONE || codes[one].measure != codes[other].measure))
		return false;
	return decimal_shift(out, value, codes[one].places - codes[other].places);
}
