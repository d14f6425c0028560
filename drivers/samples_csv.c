/* Registrations of samples as tables people save: CSV files dropped into a folder.
 *
 *     样品编号,样品名称,受检单位,统一社会信用代码,摊位,产地,追溯码,合格证编号,环节
 *     20260305-017,菠菜,XX菜场,91110108735106340Y,A12,嘉善,...,...,market
 *
 * The first line names the columns, as records, `assayctl register` and the labels of scanned certificates call them
 * (facts_table, scanner_labels.c), in any order; a sample number there must be. Columns are set apart by what the first
 * line has of comma, semicolon and tab, and may be quoted; lines may be UTF-8 or GB 18030, each for itself. Empty lines
 * and those that begin with # are passed over. No fact has a line break: a quoted cell that goes on in the next line
 * costs its row, up to where it ends; so does a quote where none belongs. A column nobody knows is told, and its cells
 * are not used.
 *
 * Numbers of identity cards are masked, refused or kept as the station says. Each row is one registration, checked as
 * `assayctl register` checks it; a row with a fault is told with file and line and registers nothing, the others go on.
 * A row is known by what it says and by the day its file was last changed: read again, from a copy or a longer file
 * too, it is the same; another day the same number may be another sample. What a file said before and says again after
 * it said something else holds anew (daemon/line_rows.c).
 */
#include <stdio.h>
#include <string.h>

#include "sample_facts.h"
#include "scanner.h"
#include "text.h"

#define ROW_MAX     4096
#define TEXT_MAX    (ROW_MAX + ROW_MAX / 2 + 1)
#define COLUMNS_MAX 32

struct state {
	unsigned line;
	char apart;                              /* what stands between columns */
	const struct fact *columns[COLUMNS_MAX]; /* NULL: not used */
	size_t column_count;
	bool read;           /* the first line names a sample number */
	bool open;           /* a quoted cell of a line before has not ended */
	char text[TEXT_MAX]; /* the row as UTF-8, then cut up */
	char said[TEXT_MAX]; /* what the scan says */
};

/* Told as FILE:LINE: the sentence. */
static void refuse(const struct instrument *instrument, struct readings *readings, const char *reason)
{
	const struct state *state = instrument->state;
	scanner_refuse(readings, "%.60s:%u: %s", instrument->file ? instrument->file : "-", state->line, reason);
	readings->rejected++;
}

/* ---- cells ---- */

/* Behind the quote that ends a cell; NULL when none does. */
static const char *end_of_quoted(const char *at)
{
	while ((at = strchr(at, '"')) != NULL && at[1] == '"')
		at += 2;
	return at ? at + 1 : NULL;
}

/* What is wrong with a line's quotes, NULL when nothing is. In and out: whether a quoted cell goes on. */
static const char *check_quotes(const char *at, char apart, bool *open)
{
	const char *wrong = NULL, ends[] = { apart, '\0' };
	for (bool more = true; more;) {
		at += *open ? 0 : strspn(at, " ");
		bool quoted = *open || *at == '"';
		if (quoted && !(at = end_of_quoted(at + !*open))) {
			*open = true;
			return _(
				"a quote opens here and does not close on its line; up to its end nothing is used; close it, "
				"one line per row");
		}
		*open = false;
		at += quoted ? strspn(at, " ") : 0;
		size_t rest = strcspn(at, ends);
		if (quoted && rest)
			wrong = _(
				"text follows a closing quote; put the whole field in quotes and double the quotes inside it");
		else if (memchr(at, '"', rest))
			wrong = _(
				"a double quote stands inside a field that is not quoted; put the field in quotes and double "
				"the quote");
		at += rest;
		more = *at++ != '\0';
	}
	return wrong;
}

/* Ends the cell at `at`, without its quotes and the blanks around it; the next one, or NULL. */
static char *cut_cell(char *at, char apart, char **ret_cell)
{
	at += strspn(at, " ");
	char *to = at, *from = at;
	bool quoted = *from == '"';
	*ret_cell = at;
	for (from += quoted; *from && (quoted || *from != apart); from++) {
		if (quoted && from[0] == '"' && from[1] != '"')
			quoted = false;
		else
			*to++ = *(from += quoted && from[0] == '"');
	}
	bool more = *from != '\0';
	while (to > at && to[-1] == ' ')
		to--;
	*to = '\0';
	return more ? from + 1 : NULL;
}

/* ---- the first line ---- */

static const struct fact *fact_called(const char *name)
{
	size_t offset;
	const struct fact *fact = fact_find(name);
	if (fact || !scanner_label(name, strlen(name), &offset))
		return fact;
	for (fact = facts_table; fact->name && fact->offset != offset; fact++)
		;
	return fact->name ? fact : NULL;
}

static char separator(const char *line)
{
	return strchr(line, '\t') ? '\t' : strchr(line, ';') && !strchr(line, ',') ? ';' : ',';
}

static bool take_column(struct instrument *instrument, const char *name, unsigned *given, struct readings *readings)
{
	struct state *state = instrument->state;
	char reason[256];
	const struct fact *fact = fact_called(name);
	unsigned bit = fact ? 1U << (fact - facts_table) : 0;
	if (*given & bit) {
		snprintf(reason, sizeof(reason), _("two columns say the sample's %s; delete one, no row is used"),
			fact->name);
		refuse(instrument, readings, reason);
		return false;
	}
	*given |= bit;
	state->columns[state->column_count++] = fact;
	if (fact || !*name)
		return true;
	snprintf(reason, sizeof(reason),
		_("no fact of a sample is called '%s'; this column is not used (样品编号, 样品名称, 受检单位 ... are known)"),
		name);
	refuse(instrument, readings, reason);
	return true;
}

static void take_heading(struct instrument *instrument, struct readings *readings)
{
	struct state *state = instrument->state;
	unsigned given = 0;
	state->apart = separator(state->text);
	for (char *at = state->text, *cell; at && state->column_count < COLUMNS_MAX;) {
		at = cut_cell(at, state->apart, &cell);
		if (!take_column(instrument, cell, &given, readings))
			return;
	}
	state->read = given & 1; /* the first fact is the number */
	if (!state->read)
		refuse(instrument, readings,
			_("the first line names no sample number (样品编号 or no); no row is used"));
}

/* ---- rows ---- */

static void say(char *said, const char *name, const char *value)
{
	size_t used = strlen(said);
	snprintf(said + used, TEXT_MAX - used, "%s%s=%s", used ? "; " : "", name, value);
}

/* False with what is wrong with it. */
static bool read_row(struct instrument *instrument, struct sample_facts *facts, struct fault *fault)
{
	struct state *state = instrument->state;
	char *at = state->text, *cell;
	for (size_t i = 0; at && i < state->column_count; i++) {
		at = cut_cell(at, state->apart, &cell);
		if (state->columns[i] && fact_set_checked(facts, state->columns[i], cell, instrument->identity,
						 identity_latest_birth(instrument->now.year), fault) != 0)
			return false;
	}
	if (at && at[strspn(at, " ,;\t")]) {
		fault_set(
			fault, 0, _("more cells than the first line has columns; put cells with a comma into quotes"));
		return false;
	}
	if (!*facts->no)
		fault_set(fault, 0, _("a sample without a number belongs to no result; give its number"));
	return *facts->no != '\0';
}

static void take_row(struct instrument *instrument, struct readings *readings)
{
	struct state *state = instrument->state;
	struct sample_facts facts = { 0 };
	struct fault fault;
	if (!read_row(instrument, &facts, &fault)) {
		refuse(instrument, readings, fault.text);
		return;
	}
	struct scan *scan = readings_scan(readings, SCAN_ROW);
	if (!scan)
		return;
	state->said[0] = '\0';
	if (instrument->file_day.year > 0)
		snprintf(state->said, sizeof(state->said), "%04d-%02d-%02d", instrument->file_day.year,
			instrument->file_day.month, instrument->file_day.day);
	for (const struct fact *fact = facts_table; fact->name; fact++)
		if (*fact_of(&facts, fact))
			say(state->said, fact->name, fact_of(&facts, fact));
	scan->facts = facts;
	scan->text = state->said;
}

static bool is_empty(const char *text)
{
	return text[strspn(text, " ,;\t")] == '\0' || *text == '#';
}

/* Tabs separate, and text_decode() takes them for control characters. */
static unsigned decode(const struct reply *reply, char *out)
{
	unsigned marks = 0;
	size_t used = 0, length = reply->length;
	while (length > 0 && (reply->bytes[length - 1] == '\n' || reply->bytes[length - 1] == '\r'))
		length--;
	for (size_t from = 0; from <= length;) {
		const uint8_t *tab = memchr(reply->bytes + from, '\t', length - from);
		size_t end = tab ? (size_t)(tab - reply->bytes) : length;
		marks |= text_decode(TEXT_AUTO, reply->bytes + from, end - from, out + used, TEXT_MAX - used - 1);
		used += strlen(out + used);
		if (tab)
			out[used++] = '\t';
		from = end + 1;
	}
	out[used] = '\0';
	return marks;
}

/* False for a line whose quotes will not do. What went on from the line before belongs to what was told there. */
static bool take_quotes(struct instrument *instrument, struct readings *readings)
{
	struct state *state = instrument->state;
	bool went_on = state->open;
	char apart = state->column_count ? state->apart : separator(state->text);
	const char *wrong = check_quotes(state->text, apart, &state->open);
	if (!went_on && !wrong)
		return true;
	if (went_on)
		readings->rejected++;
	else
		refuse(instrument, readings, wrong);
	if (state->column_count == 0) { /* without its first line no row is used */
		state->apart = apart;
		state->column_count = 1;
	}
	return false;
}

static void take_line(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	struct state *state = instrument->state;
	state->line++;
	if (reply->length > ROW_MAX || decode(reply, state->text)) {
		refuse(instrument, readings,
			_("a line that is no text, or longer than any; save it as UTF-8 or GB 18030"));
		return;
	}
	if ((!state->open && is_empty(state->text)) || !take_quotes(instrument, readings))
		return;
	if (state->column_count == 0)
		take_heading(instrument, readings);
	else if (state->read)
		take_row(instrument, readings);
	else
		readings->rejected++; /* why was told of the first line */
}

/* ---- the driver's functions ---- */

static void begin(struct state *state)
{
	state->line = 0;
	state->column_count = 0;
	state->read = state->open = false;
}

static int setup(struct instrument *instrument, struct fault *fault)
{
	(void)fault;
	begin(instrument->state);
	return 0;
}

static void ask(struct instrument *instrument, struct request *request)
{
	(void)instrument;
	request->kind = REQUEST_NONE;
}

static int frame(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	const uint8_t *end = memchr(data, '\n', length);
	if (end)
		return (int)(end - data) + 1;
	if (length > ROW_MAX)
		return ROW_MAX + 1;
	return instrument->idle ? (int)length : FRAME_MORE;
}

static enum next take(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	if (reply->kind == REPLY_FILE)
		begin(instrument->state);
	if (reply->kind == REPLY_FRAME)
		take_line(instrument, reply, readings);
	return NEXT_WAIT;
}

const struct driver samples_csv_driver = {
	.name = "samples-csv",
	.title = N_("Registrations of samples: CSV files in a folder"),
	.version = 2,
	.links = LINK_FOLDER,
	.manner = MANNER_LISTENS,
	.scans = true,
	.state_size = sizeof(struct state),
	.setup = setup,
	.ask = ask,
	.frame = frame,
	.take = take,
};
