/* Identifiers of records: UUIDs as of RFC 9562, in small letters.
 *
 * A test that can be read twice gets an id that any program can compute again (UUID version 8):
 *
 *   1. Write these texts one after the other, each as a length (4 bytes, big-endian) followed by its bytes in UTF-8:
 *        "assayd-id-1"
 *        the station's code                                 330421103-01
 *        "serial:" and the instrument's serial number, or   serial:SN2024007
 *        "id:" and its configured id when it has no serial  id:pr-1
 *        the instrument's running number as sent            17
 *        the instrument's time, as it says it, no zone      2026-03-05T09:41:20
 *        the channel in decimal digits                      3
 *        the item as sent                                   农药残留   (zero3-ff records with an item_no: nothing,
 *                                                           its name comes from a table that people may change)
 *        `repeat` of reading.h in decimal digits            0
 *        the identifying bytes, as they were on the wire
 *      What the instrument did not say is a length of 0.
 *   2. Take the SHA-256 of that. The UUID's 16 bytes are: bytes 0-5 the instrument's time read in the station's time
 *      zone, as milliseconds since 1970 in 48 bits, big-endian (0 when it says none, or none that exists); bytes 6-15
 *      the digest's bytes 0-9.
 *   3. Set the upper four bits of byte 6 to 8 (version), the upper two bits of byte 8 to binary 10 (variant).
 *
 * A test that was stored under "id:" before somebody wrote the serial number into the configuration keeps that id, and
 * so does one that was stored before the station got another code: the journal looks for all of them (of the codes for
 * the last two).
 *
 * A record that supersedes an entry gets an id that follows from the entry's (UUID version 8), so that there is one at
 * most: bytes 0-5 are the entry's own, bytes 6-15 the first of the SHA-256 of "assayd-successor-1", the entry's id in
 * small letters and, of several records that supersede one event, which of them (0, 1 ...) in decimal digits, each with
 * its length as above.
 *
 * Where each message is its own event the id is a UUID version 7 of the time of reception. Any thread may call.
 */
#ifndef ASSAYD_IDENT_H
#define ASSAYD_IDENT_H

#include <stdint.h>

#include "../drivers/reading.h"
#include "journal.h"

/* `serial` is "" when nobody knows it; then `instrument`, the configured id, stands for it. A driver that learns the
 * serial number from the instrument must learn it before it gives its first reading. */
void ident_of_reading(char out[static ENTRY_ID_MAX], const char *station, const char *serial, const char *instrument,
	const struct reading *reading);

/* Of the event that registers a row of a table: the row again is the same event. One that is said anew when something
 * else holds has an id that follows from the row and from `instead`, the id of what it takes the place of; else "". */
void ident_of_row(char out[static ENTRY_ID_MAX], const char *station, const char *row, const char *instead);

void ident_of_successor(char out[static ENTRY_ID_MAX], const char id[static ENTRY_ID_MAX], unsigned index);

/* A UUID version 7: 48 bits of Unix milliseconds, the rest random. */
void ident_random(char out[static ENTRY_ID_MAX], int64_t wall_ms);

#endif
