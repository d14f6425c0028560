/* Which entries of the journal a target gets: a neighbouring county its own origins, an event's depot its items.
 *
 * A filter is a handful of word lists from the configuration; a list that is empty lets everything pass, and an entry
 * must pass every list that says something about its kind. Lists of items, verdicts and origins say nothing about
 * events. Pure; any thread may call.
 */
#ifndef ASSAYD_FILTER_H
#define ASSAYD_FILTER_H

#include <stdbool.h>

#include "journal.h"

#define FILTER_LIST_MAX 256

struct filter {                        /* words with blanks between; "" lets all pass */
	char kinds[80];                /* sample, blank, control, qc, calibration, event */
	char items[FILTER_LIST_MAX];   /* item codes; PR-* is every code that begins so */
	char verdicts[64];             /* negative, positive, suspect, invalid, none */
	char origins[FILTER_LIST_MAX]; /* how sample.origin begins */
	char tags[80];                 /* what samples were registered for: sample.event */
};

bool filter_is_open(const struct filter *filter); /* everything passes */
bool filter_passes(const struct filter *filter, const struct stored *stored);
struct json;
bool filter_passes_record(const struct filter *filter, const struct json *record);

#endif
