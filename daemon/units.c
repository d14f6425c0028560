#include "units.h"

#include <stddef.h>
#include <string.h>

#include "spellings.h"

/* Spellings are folded: small letters, half width, no blanks, the Greek mu as U+00B5. */
static const struct {
	const char *folded, *ucum;
} units[] = {
	{ "%", "%" },
	{ "%25", "%" }, /* sent URL-encoded by one collector */
	{ "%inh", "%" },
	{ "‰", "[ppth]" },
	{ "g/kg", "g/kg" },
	{ "mg/kg", "mg/kg" },
	{ "mgkg-1", "mg/kg" },
	{ "ppm", "mg/kg" },
	{ "毫克/千克", "mg/kg" },
	{ "毫克/公斤", "mg/kg" },
	{ "ug/kg", "ug/kg" },
	{ "\u00B5g/kg", "ug/kg" },
	{ "mcg/kg", "ug/kg" },
	{ "ppb", "ug/kg" },
	{ "微克/千克", "ug/kg" },
	{ "微克/公斤", "ug/kg" },
	{ "ng/kg", "ng/kg" },
	{ "ug/g", "ug/g" },
	{ "\u00B5g/g", "ug/g" },
	{ "ng/g", "ng/g" },
	{ "g/l", "g/L" },
	{ "mg/l", "mg/L" },
	{ "ug/l", "ug/L" },
	{ "\u00B5g/l", "ug/L" },
	{ "ng/l", "ng/L" },
	{ "mg/ml", "mg/mL" },
	{ "ug/ml", "ug/mL" },
	{ "\u00B5g/ml", "ug/mL" },
	{ "ng/ml", "ng/mL" },
	{ "g/100g", "g/(100.g)" },
	{ "mg/100g", "mg/(100.g)" },
	{ "mg/(100g)", "mg/(100.g)" },
	{ "mg/(100.g)", "mg/(100.g)" },
	{ "g/(100.g)", "g/(100.g)" },
	{ "mgkoh/g", "mg{KOH}/g" },
	{ "mg{koh}/g", "mg{KOH}/g" },
	{ "meq/kg", "meq/kg" },
	{ "mmol/kg", "mmol/kg" },
	{ "mmol/l", "mmol/L" },
	{ "rlu", "{RLU}" },
	{ "rlus", "{RLU}" },
	{ "{rlu}", "{RLU}" },
	{ "abs", "{Abs}" },
	{ "od", "{Abs}" },
	{ "{abs}", "{Abs}" },
	{ "abs/s", "{Abs}/s" },
	{ "abs/sec", "{Abs}/s" },
	{ "{abs}/s", "{Abs}/s" },
	{ "cfu/g", "{CFU}/g" },
	{ "cfu/ml", "{CFU}/mL" },
	{ "\u2103", "Cel" },
	{ "\u00B0c", "Cel" },
	{ "cel", "Cel" },
};

const char *units_ucum(const char *as_sent)
{
	char folded[64];
	if (strlen(as_sent) >= sizeof(folded))
		return NULL;
	spelling_fold(folded, as_sent);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (strcmp(units[i].folded, folded) == 0)
			return units[i].ucum;
	return NULL;
}
