/* A record read back: what its JSON says in the words of the code. Pure; any thread may call.
 */
#ifndef ASSAYD_RECORD_READ_H
#define ASSAYD_RECORD_READ_H

#include "../drivers/reading.h"
#include "json.h"
#include "record.h"

bool record_has_flag(const struct json *record, const char *flag);
enum verdict record_verdict(const struct json *record); /* NONE where it says none */
bool record_is_sample(const struct json *record);       /* its kind; false for an event */

/* "2026-03-05T09:43:02.118+08:00", or without thousandths, as Unix ms; 0 when it is none. */
int64_t record_time(const char *text);

/* When it was received, and what was known of the clocks then; of an event only when it was told. */
struct reception record_reception(const struct json *entry);

/* What tells tests of one sample from others: its number, what it was tested for, and the instrument whose number that
 * is, "" where the number was registered. Borrowed from the record; "" for what it does not say. */
struct record_test {
	const char *sample_no, *item, *source;
};
struct record_test record_test(const struct json *record);

/* A control, blank, spike or calibration as samples are tied to it; false for anything else. */
bool record_control(const struct json *record, struct measured_control *ret);

/* True when somebody said whose sample the record is: then it is not the decoder's to change. */
bool record_people_named_it(const struct json *record);

/* What the instrument said, as far as it takes part in a verdict; its words as they are in the record. The sample is
 * the record's, `limit` of the record is taken for the instrument's where `limit_said`. */
void record_as_reading(const struct json *record, bool limit_said, struct reading *ret);

#endif
