/* Entries as rows for people with a spreadsheet. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "export.h"
#include "json.h"
#include "text_stream.h"

static const struct column {
	const char *head;
	const char *object, *member; /* object NULL: the entry itself */
} columns[] = {
	{ N_("Seq"), NULL, "seq" },
	{ N_("Received"), NULL, "received_at" },
	{ N_("Tested"), NULL, "tested_at" },
	{ N_("Kind"), NULL, "kind" },
	{ N_("Event"), NULL, "event" },
	{ N_("Instrument"), "instrument", "id" },
	{ N_("Model"), "instrument", "model" },
	{ N_("Serial no."), "instrument", "serial" },
	{ N_("Running no."), NULL, "instrument_seq" },
	{ N_("Channel"), NULL, "channel" },
	{ N_("Sample no."), "sample", "no" },
	{ N_("Sample"), "sample", "name" },
	{ N_("Category"), "sample", "category" },
	{ N_("Commodity code"), "commodity", "code" },
	{ N_("Party"), "sample", "party" },
	{ N_("Credit code"), "sample", "uscc" },
	{ N_("Stall"), "sample", "stall" },
	{ N_("Origin"), "sample", "origin" },
	{ N_("Trace code"), "sample", "trace_code" },
	{ N_("Item code"), "item", "code" },
	{ N_("Item"), "item", "name" },
	{ N_("Item as sent"), "item", "as_sent" },
	{ N_("Method"), NULL, "method" },
	{ N_("Basis"), NULL, "basis" },
	{ N_("Qualifier"), NULL, "qualifier" },
	{ N_("Value"), NULL, "value" },
	{ N_("Unit"), NULL, "unit" },
	{ N_("Limit"), "limit", "op" },
	{ N_("Limit value"), "limit", "value" },
	{ N_("Limit unit"), "limit", "unit" },
	{ N_("Verdict"), NULL, "verdict" },
	{ N_("Verdict by"), NULL, "verdict_by" },
	{ N_("Operator no."), "operator", "id" },
	{ N_("Operator"), "operator", "name" },
	{ N_("Flags"), NULL, "flags" },
	{ N_("Reason"), NULL, "reason" },
	{ N_("Retest of"), NULL, "retest_of" },
	{ N_("Record id"), NULL, "id" },
	{ N_("Supersedes"), NULL, "supersedes" },
	{ N_("Sample corrected by"), "correction", "by" },
	{ N_("Why"), "correction", "why" },
	{ N_("Control"), "qc", "state" },
};
enum {
	COLUMNS = sizeof(columns) / sizeof(columns[0]),
	DIGITS_KEPT = 11 /* longer ones are shown rounded */
};

static bool is_number(const char *text)
{
	text += *text == '-' || *text == '+';
	size_t digits = strspn(text, "0123456789");
	if (digits == 0)
		return false;
	text += digits;
	if (*text == '.')
		text += 1 + strspn(text + 1, "0123456789");
	return !*text;
}

/* What a spreadsheet would not show as it stands: a formula, or more digits
 * than it keeps. */
static bool needs_guard(const char *text)
{
	if (is_number(text))
		return strlen(text) > DIGITS_KEPT || (text[0] == '0' && text[1] >= '0' && text[1] <= '9') ||
		       text[0] == '+';
	return *text && strchr("=+-@\t\r", *text) != NULL;
}

static void write_cell(FILE *out, const char *text)
{
	if (needs_guard(text))
		csv_put_quoted(out, "'", text);
	else if (*text == ' ')
		csv_put_quoted(out, "", text);
	else
		csv_put(out, text);
}

static void write_flags(FILE *out, const struct json *flags)
{
	for (size_t i = 0; i < js_count(flags); i++)
		fprintf(out, "%s%s", i ? " " : "", js_text_of(js_at(flags, i)));
}

static void write_member(FILE *out, const struct json *entry, const struct column *column)
{
	const struct json *from = column->object ? js_get(entry, column->object) : entry;
	const struct json *value = js_is_object(from) ? js_get(from, column->member) : NULL;
	if (!value && !column->object && strcmp(column->member, "received_at") == 0)
		value = js_get(entry, "at"); /* an event's */
	if (!value && column->object && strcmp(column->member, "id") == 0 && js_text_of(from))
		value = from; /* an event names its instrument plainly */
	if (!value)
		return;
	if (js_is_array(value))
		write_flags(out, value);
	else if (js_is_integer(value))
		fprintf(out, "%lld", (long long)js_integer_of(value));
	else if (js_text_of(value))
		write_cell(out, js_text_of(value));
}

static char *row(
	void (*write)(FILE *out, const struct json *entry, const struct column *column), const struct json *entry)
{
	char *text = NULL;
	size_t length;
	FILE *out = text_stream(&text, &length);
	for (size_t i = 0; i < COLUMNS; i++) {
		if (i)
			fputc(',', out);
		write(out, entry, &columns[i]);
	}
	fclose(out);
	return text;
}

char *export_row(const struct stored *stored, struct fault *fault)
{
	struct json *entry = js_parse(stored->payload, stored->length, fault);
	if (!entry)
		return NULL;
	char *text = row(write_member, entry);
	js_free(entry);
	return text;
}

static void write_head(FILE *out, const struct json *entry, const struct column *column)
{
	(void)entry;
	write_cell(out, _(column->head));
}

char *export_row_heads(void)
{
	return row(write_head, NULL);
}
