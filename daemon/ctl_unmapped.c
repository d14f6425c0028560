/* assayctl unmapped: words of instruments that the station's tables do not know, and how many records wait for them.
 *
 * It reads the journal itself. A record that was superseded waits no more: once items.csv knows the word the daemon
 * appends records with item and verdict, of itself after a reload.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ident.h"
#include "journal.h"
#include "program.h"

#define AT_ONCE 64

struct word { /* what one instrument says and no table knows */
	char *text, *instrument;
	const char *what; /* "item", "unit", "basis", "sample" */
	unsigned long count;
	uint64_t first_seq, last_seq;
	char last_at[40];
};

struct waiting { /* a record with such a word */
	char id[ENTRY_ID_MAX];
	uint64_t seq;
	struct json *record;
};

struct list {
	struct word *words;
	size_t word_count, word_room;
	struct waiting batch[AT_ONCE]; /* looked up between two reads: a look-up overwrites the reader's own */
	size_t batch_count;
	uint64_t through;
};

static int keep_flagged(void *context, const struct stored *stored)
{
	struct list *list = context;
	list->through = stored->seq;
	if (stored->kind == ENTRY_EVENT ||
		!memmem(stored->payload, stored->length, "\"unmapped_", strlen("\"unmapped_")))
		return 0;
	struct waiting *waiting = &list->batch[list->batch_count];
	waiting->record = js_parse(stored->payload, stored->length, NULL);
	if (!waiting->record)
		return 0;
	waiting->seq = stored->seq;
	snprintf(waiting->id, sizeof(waiting->id), "%s", stored->id);
	list->batch_count++;
	return 0;
}

static struct word *word_for(struct list *list, const char *what, const char *text, const char *instrument)
{
	for (size_t i = 0; i < list->word_count; i++) {
		struct word *word = &list->words[i];
		if (word->what == what && strcmp(word->text, text) == 0 && strcmp(word->instrument, instrument) == 0)
			return word;
	}
	if (list->word_count == list->word_room) {
		list->word_room = list->word_room ? 2 * list->word_room : 32;
		list->words = realloc(list->words, list->word_room * sizeof(*list->words));
		if (!list->words)
			abort();
	}
	struct word *word = &list->words[list->word_count++];
	*word = (struct word){ .what = what, .text = strdup(text), .instrument = strdup(instrument) };
	if (!word->text || !word->instrument)
		abort();
	return word;
}

/* The item as the instrument said it, or as its section names it; "" when nobody said what was tested. */
static const char *item_text(const struct json *record)
{
	const char *sent = js_text_in(js_get(record, "item"), "as_sent");
	return *sent ? sent : js_text_in(js_get(record, "item"), "name");
}

static void count_word(struct list *list, const struct waiting *waiting, const char *what, const char *text)
{
	const struct json *record = waiting->record;
	struct word *word = word_for(list, what, text, js_text_in(js_get(record, "instrument"), "id"));
	if (word->count++ == 0)
		word->first_seq = waiting->seq;
	word->last_seq = waiting->seq;
	snprintf(word->last_at, sizeof(word->last_at), "%s", js_text_in(record, "received_at"));
}

static void count_record(struct list *list, const struct waiting *waiting)
{
	static const char item[] = "item", unit[] = "unit", basis[] = "basis", sample[] = "sample";
	const struct json *record = waiting->record, *flags = js_get(record, "flags");
	for (size_t i = 0; i < js_count(flags); i++) {
		const char *flag = js_text_of(js_at(flags, i));
		if (flag && strcmp(flag, "unmapped_item") == 0)
			count_word(list, waiting, item, item_text(record));
		else if (flag && strcmp(flag, "unmapped_unit") == 0)
			count_word(list, waiting, unit, js_text_in(record, "unit"));
		else if (flag && strcmp(flag, "unmapped_basis") == 0)
			count_word(list, waiting, basis, js_text_in(record, "basis"));
		else if (flag && strcmp(flag, "unmapped_sample") == 0)
			count_word(list, waiting, sample, js_text_in(js_get(record, "sample"), "name"));
	}
}

static int find_nothing(void *context, const struct stored *stored)
{
	(void)context;
	(void)stored;
	return 1;
}

static void count_batch(struct list *list, struct journal_reader *reader)
{
	for (size_t i = 0; i < list->batch_count; i++) {
		struct waiting *waiting = &list->batch[i];
		char successor[ENTRY_ID_MAX];
		ident_of_successor(successor, waiting->id, 0);
		if (journal_find(reader, successor, find_nothing, NULL, NULL) != 1)
			count_record(list, waiting);
		js_free(waiting->record);
	}
	list->batch_count = 0;
}

static void print_word(const struct ctl *ctl, const struct word *word)
{
	static const char *const names[][2] = { { "item", N_("item") }, { "unit", N_("unit") },
		{ "basis", N_("standard") }, { "sample", N_("sample") } };
	char count[24], when[24];
	if (ctl->json) {
		struct json *line = js_new_object();
		js_put_text(line, "what", word->what);
		js_put_text(line, "as_sent", word->text);
		js_put_text(line, "instrument", word->instrument);
		js_put_integer(line, "count", (int64_t)word->count);
		js_put_integer(line, "first_seq", (int64_t)word->first_seq);
		js_put_integer(line, "last_seq", (int64_t)word->last_seq);
		js_put_text(line, "last_at", word->last_at);
		char *text = js_dump(line);
		printf("%s\n", text);
		free(text);
		js_free(line);
		return;
	}
	snprintf(count, sizeof(count), "%lu", word->count);
	snprintf(when, sizeof(when), "%.19s", word->last_at);
	if (strlen(when) > 10)
		when[10] = ' ';
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i][0], word->what) == 0)
			ctl_column(_(names[i][1]), 10);
	ctl_column(word->instrument, 12);
	ctl_column(count, 8);
	ctl_column(when, 19);
	bool sample = strcmp(word->what, "sample") == 0;
	printf("%s\n", *word->text ? word->text
		       : sample    ? _("(nobody said what the sample is of)")
				   : _("(nobody said what was tested)"));
}

static void print_list(const struct ctl *ctl, const struct list *list)
{
	if (list->word_count > 0 && !ctl->json) {
		ctl_column(_("WHAT"), 10);
		ctl_column(_("INSTRUMENT"), 12);
		ctl_column(_("RECORDS"), 8);
		ctl_column(_("LAST"), 19);
		printf("%s\n", _("AS SENT"));
	}
	for (size_t i = 0; i < list->word_count; i++)
		print_word(ctl, &list->words[i]);
	bool samples = false, others = false;
	for (size_t i = 0; i < list->word_count; i++) {
		bool sample = strcmp(list->words[i].what, "sample") == 0;
		samples |= sample;
		others |= !sample;
	}
	if (others)
		fprintf(stderr,
			_("assayctl: add an item to /etc/assayd/items.csv, as an alias or as a new one, and a standard as an "
			  "item's basis, and reload assayd: records with item and verdict then supersede these; name a unit "
			  "in the instrument's profile\n"));
	if (samples)
		fprintf(stderr,
			_("assayctl: add what a sample is of to /etc/assayd/commodities.csv, as an alias or as a new row, and "
			  "reload assayd; name the sample of a result that has none with assayctl rebind\n"));
}

static void clear(struct list *list)
{
	for (size_t i = 0; i < list->word_count; i++) {
		free(list->words[i].text);
		free(list->words[i].instrument);
	}
	free(list->words);
}

int ctl_unmapped(const struct ctl *ctl, int argc, char **argv)
{
	struct ctl given = *ctl;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") != 0)
			return ctl_fail(EXIT_USAGE, _("unmapped takes no '%s'"), argv[i]);
		given.json = true;
	}
	struct journal_reader *reader;
	int code = ctl_open_journal(&given, &reader);
	if (code != EXIT_DONE)
		return code;
	struct list *list = calloc(1, sizeof(*list));
	struct fault fault = { "" };
	long got = list ? 1 : -1;
	while (got > 0) {
		got = journal_read(reader, list->through + 1, AT_ONCE, keep_flagged, list, &fault);
		count_batch(list, reader);
	}
	journal_reader_close(reader);
	if (got < 0)
		code = ctl_fail(EXIT_FAILED, "%s", fault.text);
	else
		print_list(&given, list);
	if (list)
		clear(list);
	free(list);
	return code;
}
