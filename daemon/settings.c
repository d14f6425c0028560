#include "settings.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../drivers/decimal.h"
#include "day.h"
#include "settings_words.h"

static const struct {
	const char *name;
	int64_t ms;
} units[] = { { "d", 86400000 }, { "h", 3600000 }, { "min", 60000 }, { "s", 1000 }, { "ms", 1 } };
#define UNITS (sizeof(units) / sizeof(*units))

char *settings_duration(int64_t ms, char *out, size_t size)
{
	size_t unit = 0;
	while (unit + 1 < UNITS && (ms == 0 || ms % units[unit].ms))
		unit++;
	if (ms == 0)
		unit = UNITS - 2; /* "0s" reads better than "0ms" */
	snprintf(out, size, "%" PRId64 "%s", ms / units[unit].ms, units[unit].name);
	return out;
}

char *settings_range(const struct setting *row, char *out, size_t size)
{
	char least[32], most[32];
	*out = '\0';
	if (row->type == SETTING_INTEGER)
		snprintf(out, size, "%" PRId64 "..%" PRId64, row->min, row->max);
	else if (row->type == SETTING_DURATION)
		snprintf(out, size, "%s..%s", settings_duration(row->min, least, sizeof(least)),
			settings_duration(row->max, most, sizeof(most)));
	else if (row->type == SETTING_CHOICE)
		snprintf(out, size, "%s", row->choices);
	else if (row->type == SETTING_BOOLEAN)
		snprintf(out, size, "yes|no");
	return out;
}

/* --- numbers --------------------------------------------------------------------------------------------------- */

/* The whole text as a number; false when anything else is in it or it does not fit. */
static bool whole_number(const char *text, int64_t *ret)
{
	const char *digits = text + (*text == '-' || *text == '+');
	bool hexadecimal = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
	digits += hexadecimal ? 2 : 0;
	size_t count = strspn(digits, hexadecimal ? "0123456789abcdefABCDEF" : "0123456789");
	if (!count || digits[count])
		return false;
	errno = 0;
	*ret = strtoll(text, NULL, hexadecimal ? 16 : 10);
	return errno == 0;
}

/* "96oo" -> "9600": letters that look like digits, typed for them. False when there are none. */
static bool digits_meant(const char *text, char *out, size_t size)
{
	static const char letters[] = "oOlI|", digits[] = "00111";
	snprintf(out, size, "%s", text);
	for (char *at = out; *at; at++) {
		const char *letter = strchr(letters, *at);
		if (letter)
			*at = digits[letter - letters];
	}
	return strlen(text) < size && strcmp(out, text) != 0;
}

static int out_of_range(const struct setting *row, const char *value, bool below, struct fault *fault)
{
	char range[80], nearest[40];
	int64_t limit = below ? row->min : row->max;
	settings_range(row, range, sizeof(range));
	if (row->type == SETTING_DURATION)
		settings_duration(limit, nearest, sizeof(nearest));
	else
		snprintf(nearest, sizeof(nearest), "%" PRId64, limit);
	return fault_set(fault, EINVAL, _("%s %s is outside %s; %s is the nearest"), row->name, value, range, nearest);
}

static int read_integer(const struct setting *row, const char *value, void *into, struct fault *fault)
{
	int64_t number;
	char meant[64], range[80];
	settings_range(row, range, sizeof(range));
	if (!whole_number(value, &number)) {
		if (digits_meant(value, meant, sizeof(meant)) && whole_number(meant, &number) && number >= row->min &&
			number <= row->max)
			return fault_set(fault, EINVAL,
				_("%s '%s' holds a letter where a digit belongs; %s may be meant"), row->name, value,
				meant);
		size_t digits = strspn(value, "0123456789");
		if (digits && isalpha((unsigned char)value[digits]) && !strchr("xoOlI", value[digits]))
			return fault_set(fault, EINVAL, _("%s '%s' is not a whole number; write %.*s, without '%s'"),
				row->name, value, (int)digits, value, value + digits);
		return fault_set(
			fault, EINVAL, _("%s '%s' is not a whole number; write one of %s"), row->name, value, range);
	}
	if (number < row->min || number > row->max)
		return out_of_range(row, value, number < row->min, fault);
	*(long *)into = (long)number;
	return 0;
}

/* The unit a person means by "sec", "m", "minutes", "秒"; NULL when it cannot be told. */
static const char *unit_meant(const char *word)
{
	static const struct {
		const char *word, *unit;
	} meant[] = { { "sec", "s" }, { "second", "s" }, { "seconds", "s" }, { "S", "s" }, { "秒", "s" },
		{ "m", "min" }, { "mins", "min" }, { "minute", "min" }, { "minutes", "min" }, { "分", "min" },
		{ "分钟", "min" }, { "hour", "h" }, { "hours", "h" }, { "hr", "h" }, { "H", "h" }, { "小时", "h" },
		{ "day", "d" }, { "days", "d" }, { "D", "d" }, { "天", "d" }, { "日", "d" }, { "msec", "ms" },
		{ "MS", "ms" }, { "毫秒", "ms" } };
	for (size_t i = 0; i < sizeof(meant) / sizeof(*meant); i++)
		if (!strcmp(word, meant[i].word))
			return meant[i].unit;
	return NULL;
}

static int unit_fault(
	const struct setting *row, const char *value, const char *digits, const char *word, struct fault *fault)
{
	const char *meant = unit_meant(word);
	char letters[64], range[80];
	if (!*word)
		return fault_set(fault, EINVAL, _("%s '%s' has no unit; write %ss, %sms, %smin, %sh or %sd"), row->name,
			value, digits, digits, digits, digits, digits);
	if (meant)
		return fault_set(fault, EINVAL, _("%s '%s' has the unit '%s'; write %s%s"), row->name, value, word,
			digits, meant);
	size_t unit_at = strcspn(value, "dhms"); /* "1Os": a letter among the digits */
	snprintf(letters, sizeof(letters), "%.*s", (int)unit_at, value);
	char number[64];
	int64_t whole;
	if (value[unit_at] && digits_meant(letters, number, sizeof(number)) && whole_number(number, &whole))
		return fault_set(fault, EINVAL, _("%s '%s' holds a letter where a digit belongs; %s%s may be meant"),
			row->name, value, number, value + unit_at);
	return fault_set(fault, EINVAL,
		_("%s '%s' is not a length of time; write a whole number and ms, s, min, h or d, within %s"), row->name,
		value, settings_range(row, range, sizeof(range)));
}

static int read_duration(const struct setting *row, const char *value, void *into, struct fault *fault)
{
	size_t count = strspn(value, "0123456789");
	const char *word = value + count + strspn(value + count, " ");
	char digits[24], range[80];
	if (!count || count >= sizeof(digits) || *word == '.')
		return fault_set(fault, EINVAL,
			_("%s '%s' is not a length of time; write a whole number and ms, s, min, h or d, within %s"),
			row->name, value, settings_range(row, range, sizeof(range)));
	snprintf(digits, sizeof(digits), "%.*s", (int)count, value);
	size_t unit = 0;
	while (unit < UNITS && strcmp(word, units[unit].name) != 0)
		unit++;
	if (unit == UNITS)
		return unit_fault(row, value, digits, word, fault);
	int64_t number;
	if (!whole_number(digits, &number) || number > row->max / units[unit].ms)
		return out_of_range(row, value, false, fault);
	if (number * units[unit].ms < row->min)
		return out_of_range(row, value, true, fault);
	*(int64_t *)into = number * units[unit].ms;
	return 0;
}

/* --- words and texts ------------------------------------------------------------------------------------------ */

static int read_choice(const struct setting *row, const char *value, void *into, struct fault *fault)
{
	int index = words_index(row->choices, value);
	if (index >= 0) {
		*(int *)into = index;
		return 0;
	}
	char nearest[64], known[256];
	words_listed(row->choices, known, sizeof(known));
	if (words_nearest(value, row->choices, nearest, sizeof(nearest)))
		return fault_set(fault, EINVAL, _("%s knows no '%s'; did you mean '%s'? It takes %s"), row->name, value,
			nearest, known);
	return fault_set(fault, EINVAL, _("%s knows no '%s'; it takes %s"), row->name, value, known);
}

static int read_boolean(const struct setting *row, const char *value, void *into, struct fault *fault)
{
	int index = words_index("no|yes|false|true|off|on|0|1", value);
	if (index < 0)
		return fault_set(fault, EINVAL, _("%s '%s' is neither yes nor no; write yes or no"), row->name, value);
	*(bool *)into = index % 2;
	return 0;
}

static int read_text(const struct setting *row, const char *value, void *into, struct fault *fault)
{
	int64_t length = (int64_t)strlen(value);
	if (length < row->min && length == 0)
		return fault_set(fault, EINVAL, _("%s has no value; write one after the ="), row->name);
	if (length < row->min)
		return fault_set(fault, EINVAL, _("%s '%s' is too short; it has at least %" PRId64 " bytes"), row->name,
			value, row->min);
	if (length > row->max)
		return fault_set(fault, EINVAL,
			row->example ? _("%s is %" PRId64 " bytes long; shorten it to %" PRId64 ", such as %s")
				     : _("%s is %" PRId64 " bytes long; shorten it to %" PRId64
					 " (a Chinese character takes three)"),
			row->name, length, row->max, row->example);
	memcpy(into, value, (size_t)length + 1);
	return 0;
}

static int read_decimal(const struct setting *row, const char *value, void *into, struct fault *fault)
{
	char meant[64];
	if (!decimal_valid(value)) {
		if (digits_meant(value, meant, sizeof(meant)) && decimal_valid(meant))
			return fault_set(fault, EINVAL,
				_("%s '%s' holds a letter where a digit belongs; %s may be meant"), row->name, value,
				meant);
		return fault_set(fault, EINVAL, _("%s '%s' is not a number; write one such as 0.50"), row->name, value);
	}
	return read_text(row, value, into, fault);
}

static int read_day(const struct setting *row, const char *value, void *into, struct fault *fault)
{
	if (day_read(value, into))
		return 0;
	return fault_set(fault, EINVAL, _("%s '%s' is no day; write it like 2026-03-05"), row->name, value);
}

/* A value whose punctuation came out of an input method looks right on the screen, so the character is named. */
static int lookalike_fault(const struct setting *row, const char *value, struct fault *fault)
{
	char character[5];
	char meant = ini_find_lookalike(value, character);
	if (!meant)
		return 0;
	return fault_set(fault, EINVAL, _("%s '%s' holds the full-width character '%s'; type '%c'"), row->name, value,
		character, meant);
}

int settings_value(const struct setting *row, const char *value, void *into, struct fault *fault)
{
	void *field = (char *)into + row->offset;
	if (row->type == SETTING_TEXT)
		return read_text(row, value, field, fault);
	int result = lookalike_fault(row, value, fault);
	if (result)
		return result;
	if (!*value)
		return fault_set(
			fault, EINVAL, _("%s has no value; write one after the =, or delete the line"), row->name);
	switch (row->type) {
	case SETTING_INTEGER:
		return read_integer(row, value, field, fault);
	case SETTING_DURATION:
		return read_duration(row, value, field, fault);
	case SETTING_CHOICE:
		return read_choice(row, value, field, fault);
	case SETTING_BOOLEAN:
		return read_boolean(row, value, field, fault);
	case SETTING_DECIMAL:
		return read_decimal(row, value, field, fault);
	case SETTING_DAY:
		return read_day(row, value, field, fault);
	case SETTING_TEXT:
	case SETTING_PATH:
	case SETTING_DIRECTORY:
	case SETTING_CREDENTIAL:
		break;
	}
	result = words_check_path(row, value, fault);
	return result ? result : read_text(row, value, field, fault);
}

/* --- tables --------------------------------------------------------------------------------------------------- */

void settings_defaults(const struct settings_table *table)
{
	for (const struct setting *row = table->rows; row && row->name; row++)
		if (row->standard && *row->standard)
			settings_value(row, row->standard, table->into, NULL);
}

static const struct setting *find_row(
	const struct settings_table *tables, size_t count, const char *key, void **ret_into)
{
	for (size_t i = 0; i < count; i++)
		for (const struct setting *row = tables[i].rows; row && row->name; row++)
			if (!strcmp(row->name, key)) {
				*ret_into = tables[i].into;
				return row;
			}
	return NULL;
}

/* What other programs call it. */
static const struct {
	const char *given, *meant;
} other_names[] = {
	{ "address", "unit" },
	{ "baud", "line" },
	{ "baudrate", "line" },
	{ "baud-rate", "line" },
	{ "com", "port" },
	{ "device", "port" },
	{ "host", "broker" },
	{ "id", "code" },
	{ "interval", "poll" },
	{ "password", "password-file" },
	{ "period", "poll" },
	{ "rate", "line" },
	{ "server", "broker" },
	{ "slave", "unit" },
	{ "speed", "line" },
	{ "tty", "port" },
	{ "type", "driver" },
	{ "url", "broker" },
	{ "user", "username" },
};

static bool other_name(const char *key, const char *names, char *out, size_t size)
{
	for (size_t i = 0; i < sizeof(other_names) / sizeof(other_names[0]); i++) {
		const char *meant = other_names[i].meant;
		if (strcasecmp(key, other_names[i].given) != 0)
			continue;
		snprintf(out, size, "%s", meant);
		for (const char *at = names; at; at = (at = strchr(at, '|')) ? at + 1 : NULL)
			if (strcspn(at, "|") == strlen(meant) && !strncmp(at, meant, strlen(meant)))
				return true;
	}
	return false;
}

static void unknown_key(const struct ini *ini, const struct ini_section *section, const struct ini_entry *entry,
	const struct settings_table *tables, size_t count, struct faults *faults)
{
	char names[2048] = "", nearest[64], known[2048];
	for (size_t i = 0; i < count; i++)
		for (const struct setting *row = tables[i].rows; row && row->name; row++) {
			size_t used = strlen(names);
			snprintf(names + used, sizeof(names) - used, "%s%s", used ? "|" : "", row->name);
		}
	if (other_name(entry->key, names, nearest, sizeof(nearest)) ||
		words_nearest(entry->key, names, nearest, sizeof(nearest)))
		ini_fault(ini, faults, FAULTS_ERROR, entry->line, entry->key_column,
			_("[%s] has no setting '%s'; did you mean '%s'?"), section->word, entry->key, nearest);
	else
		ini_fault(ini, faults, FAULTS_ERROR, entry->line, entry->key_column,
			_("[%s] has no setting '%s'; it has %s"), section->word, entry->key,
			words_listed(names, known, sizeof(known)));
}

static void read_entry(const struct ini *ini, const struct ini_section *section, const struct ini_entry *entry,
	const struct settings_table *tables, size_t count, bool open, struct faults *faults)
{
	void *into;
	const struct setting *row = find_row(tables, count, entry->key, &into);
	struct fault fault;
	if (row && settings_value(row, entry->value, into, &fault) != 0)
		ini_fault(ini, faults, FAULTS_ERROR, entry->line, entry->value_column, "%s", fault.text);
	else if (!row && !open)
		unknown_key(ini, section, entry, tables, count, faults);
}

size_t settings_read(const struct ini *ini, const struct ini_section *section, const struct settings_table *tables,
	size_t count, bool open, struct faults *faults)
{
	size_t before = faults->errors;
	for (size_t i = 0; i < count; i++)
		settings_defaults(&tables[i]);
	for (size_t i = 0; i < section->count; i++)
		read_entry(ini, section, &section->entries[i], tables, count, open, faults);
	for (size_t i = 0; i < count && !section->repeated; i++)
		for (const struct setting *row = tables[i].rows; row && row->name; row++)
			if (!row->standard && !ini_find(section, row->name))
				ini_fault(ini, faults, FAULTS_ERROR, section->line, section->column,
					_("[%s%s%s] lacks '%s'; add a line such as: %s = %s"), section->word,
					*section->name ? " " : "", section->name, row->name, row->name,
					row->example ? row->example : "...");
	return faults->errors - before;
}
