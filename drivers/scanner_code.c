/* What a scanned code says. Nothing is guessed: a code is one of these, or it is not used.
 *
 *     {"..."}                       facts by name in JSON, at any depth
 *     http://...?name=value&...     an address; what its query labels, else the address itself
 *     name: value; name=value ...   facts by name, one a line or set apart by ; | & or commas
 *     1.2.156.326.8.1.A.C.F.S...    the national platform's older code; S is the 18 characters of a subject
 *     C.S.00000                     its newer code of a subject: class 0..3, subject, user
 *     T.C.S.PPPPPPPP.YYYYMMDDhhmmss.NNN   its long trace code: type 1..3, class, subject, product, time, number
 *     20 digits from 1, 2 or 3      its short trace code, where the station says so
 *     18 characters                 a unified social credit code, the check character being right
 *     anything with a digit         the sample's number
 *
 * Sources: what is known of the national traceability platform's codes (a subject without credit code is padded with
 * zeros on the left, or is an identity number), GB 32100, and the fields of conformity certificates.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "sample_facts.h"
#include "scanner.h"
#include "text.h"
#include "uscc.h"

#define SHOWN 60 /* bytes of a code that a refusal shows */

/* Its beginning. Cut short, a longer row of digits may read as somebody's number. */
static const char *show(const struct scanner_code *code, const char *text, char shown[static SHOWN])
{
	text_copy(shown, SHOWN, text);
	if (code->rule != IDENTITY_KEEP)
		identity_mask(shown, code->latest_birth);
	return shown;
}

bool scanner_take_uscc(struct scanner_code *code, const char *uscc)
{
	char check;
	if (uscc_valid(uscc)) {
		text_copy(code->facts.uscc, sizeof(code->facts.uscc), uscc);
		return true;
	}
	char shown[SHOWN];
	if (strlen(uscc) == USCC_LENGTH && (check = uscc_check(uscc)) != '\0')
		scanner_refuse(code->readings,
			_("%s is no credit code and is not used: its last character would have to be %c"),
			show(code, uscc, shown), check);
	else
		scanner_refuse(code->readings,
			_("'%s' is no credit code and is not used: one has 18 digits and capital letters"),
			show(code, uscc, shown));
	return false;
}

/* ---- the national platform's codes ---- */

#define PARTS_MAX 14

struct parts { /* a code cut at its full stops; `length` of the first, second ... */
	const char *at[PARTS_MAX];
	size_t length[PARTS_MAX], count;
};

static bool cut(const char *text, struct parts *parts)
{
	parts->count = 0;
	for (;;) {
		if (parts->count == PARTS_MAX)
			return false;
		size_t length = strcspn(text, ".");
		parts->at[parts->count] = text;
		parts->length[parts->count++] = length;
		if (text[length] == '\0')
			return true;
		text += length + 1;
	}
}

static bool digits(const struct parts *parts, size_t index, size_t length)
{
	return index < parts->count && parts->length[index] == length &&
	       strspn(parts->at[index], "0123456789") >= length;
}

static bool digit_within(const struct parts *parts, size_t index, char first, char last)
{
	return digits(parts, index, 1) && *parts->at[index] >= first && *parts->at[index] <= last;
}

static bool subject(const struct parts *parts, size_t index)
{
	if (index >= parts->count || parts->length[index] != USCC_LENGTH)
		return false;
	for (size_t i = 0; i < USCC_LENGTH; i++)
		if (!isupper((unsigned char)parts->at[index][i]) && !isdigit((unsigned char)parts->at[index][i]) &&
			parts->at[index][i] != '*') /* a masked identity number */
			return false;
	return true;
}

/* A licence of another kind stands there padded, a person's number as it is: only what must be a credit code is one. */
static void take_subject(struct scanner_code *code, const struct parts *parts, size_t index)
{
	char uscc[USCC_LENGTH + 1];
	snprintf(uscc, sizeof(uscc), "%.*s", USCC_LENGTH, parts->at[index]);
	if (uscc_shaped(uscc))
		scanner_take_uscc(code, uscc);
}

static bool is_long_trace(const struct parts *parts)
{
	return parts->count == 6 && digit_within(parts, 0, '1', '3') && digit_within(parts, 1, '0', '3') &&
	       subject(parts, 2) && digits(parts, 3, 8) && digits(parts, 4, 14) && digits(parts, 5, 3);
}

/* The older code; whether it names a product too (then it is a trace code) in `ret_product`. */
static bool is_old_code(const char *text, const struct parts *parts, bool *ret_product)
{
	static const char root[] = "1.2.156.326.8.1.";
	if (strncmp(text, root, sizeof(root) - 1) != 0 || parts->count < 10 || !digit_within(parts, 6, '0', '6') ||
		!digit_within(parts, 7, '0', '3') || !digit_within(parts, 8, '0', '3') || !subject(parts, 9))
		return false;
	size_t rest = parts->count - 10;
	*ret_product = rest >= 2 && digits(parts, parts->count - 2, 8) && digits(parts, parts->count - 1, 14);
	return rest <= 1 || (rest <= 3 && *ret_product);
}

static bool read_platform_code(struct scanner_code *code)
{
	struct parts parts = { .count = 0 };
	bool product = false;
	size_t at = 0;
	if (!cut(code->text, &parts))
		return false;
	if (is_long_trace(&parts)) {
		product = true;
		at = 2;
	} else if (is_old_code(code->text, &parts, &product)) {
		at = 9;
	} else if (parts.count == 3 && digit_within(&parts, 0, '0', '3') && subject(&parts, 1) &&
		   digits(&parts, 2, 5)) {
		at = 1;
	} else {
		return false;
	}
	take_subject(code, &parts, at);
	code->kind = product ? SCAN_TRACE_CODE : SCAN_CREDIT_CODE;
	if (product)
		text_copy(code->facts.trace_code, sizeof(code->facts.trace_code), code->text);
	return true;
}

/* ---- one word ---- */

static bool is_short_trace(const char *text)
{
	return strlen(text) == 20 && strspn(text, "0123456789") == 20 && *text >= '1' && *text <= '3';
}

/* Letters, digits, Hanzi and what stands between them; a digit at least. */
static bool is_number(const char *text)
{
	bool digit = false;
	for (const char *at = text; *at; at++) {
		unsigned char byte = (unsigned char)*at;
		if (byte < 0x80 && !isalnum(byte) && !strchr("-_./#()+", byte))
			return false;
		digit = digit || isdigit(byte);
	}
	return digit && !strstr(text, "：") && !strstr(text, "；") && !strstr(text, "，");
}

static bool read_word(struct scanner_code *code)
{
	struct sample_facts *facts = &code->facts;
	if (code->short_trace && is_short_trace(code->text)) {
		code->kind = SCAN_TRACE_CODE;
		text_copy(facts->trace_code, sizeof(facts->trace_code), code->text);
		return true;
	}
	if (uscc_shaped(code->text)) {
		code->kind = SCAN_CREDIT_CODE;
		return scanner_take_uscc(code, code->text);
	}
	char shown[SHOWN];
	if (strlen(code->text) >= sizeof(facts->no) || !is_number(code->text)) {
		scanner_refuse(code->readings,
			_("'%s' is neither a sample number, nor a credit or trace code, nor labelled; it is not used"),
			show(code, code->text, shown));
		return false;
	}
	code->kind = SCAN_NUMBER;
	text_copy(facts->no, sizeof(facts->no), code->text);
	return true;
}

/* ---- the whole ---- */

static bool begins(const char *text, const char *word)
{
	for (; *word; text++, word++)
		if (tolower((unsigned char)*text) != *word)
			return false;
	return true;
}

static bool is_address(const char *text)
{
	return begins(text, "http://") || begins(text, "https://");
}

/* Labels were found, or not; either way nothing else is looked for in a text of this form. */
static bool labelled(struct scanner_code *code, const char *complaint)
{
	code->kind = SCAN_LABELLED;
	if (code->found > 0 && !code->contradicts)
		return true;
	if (code->contradicts)
		complaint = _("the code says one thing twice and differently; it is not used");
	scanner_refuse(code->readings, "%s", complaint);
	return false;
}

static bool read_address(struct scanner_code *code)
{
	code->personal = scanner_address_is_personal(code);
	scanner_read_address(code);
	if (!code->personal && strlen(code->text) < sizeof(code->facts.certificate) && !*code->facts.certificate &&
		!code->contradicts) {
		text_copy(code->facts.certificate, sizeof(code->facts.certificate), code->text);
		code->kind = code->found ? SCAN_LABELLED : SCAN_LINK;
		return true;
	}
	if (code->personal && !code->found)
		return false; /* which is told */
	return labelled(code, _("the address is too long, and nothing in it is labelled; it is not used"));
}

static bool read_any(struct scanner_code *code)
{
	if (*code->text == '{') {
		if (!scanner_read_json(code)) {
			scanner_refuse(code->readings, _("the code begins like JSON and is none; it is not used"));
			return false;
		}
		return labelled(code, _("nothing in the code is labelled with a name known here; it is not used"));
	}
	if (is_address(code->text))
		return read_address(code);
	if (read_platform_code(code))
		return code->kind == SCAN_TRACE_CODE || *code->facts.uscc;
	scanner_read_pairs(code);
	if (code->found || code->contradicts)
		return labelled(code, "");
	return read_word(code);
}

void scanner_refuse_person(struct readings *readings)
{
	scanner_refuse(readings,
		_("the code holds the number of a person's identity card; it is not used: scan a code without one"));
}

static bool says_anything(const struct sample_facts *facts)
{
	const struct fact *fact = facts_table;
	while (fact->name && !*fact_of(facts, fact))
		fact++;
	return fact->name != NULL;
}

bool scanner_read(struct scanner_code *code)
{
	bool usable = read_any(code);
	if (!code->personal || (usable && code->rule == IDENTITY_MASK && says_anything(&code->facts)))
		return usable;
	scanner_refuse_person(code->readings);
	return false;
}
