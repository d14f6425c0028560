/* Persons in an hl7 stream: which segments are theirs, and what may be kept of bytes that are no message.
 *
 * Such bytes begin and end anywhere: a line without its name may be the rest of PID, one whose line end was damaged may
 * hold it, a comment may be on it. So a line is kept only where its name says what it is, and that is nobody's.
 */
#include <string.h>

#include "hl7.h"

static bool is_one_of(const char (*names)[4], size_t count, const uint8_t *segment)
{
	for (size_t i = 0; i < count; i++)
		if (memcmp(segment, names[i], 3) == 0)
			return true;
	return false;
}

/* With kin, insurance and visit. */
bool hl7_is_person(const uint8_t *segment, size_t length)
{
	static const char names[][4] = { "PID", "PD1", "NK1", "PV1", "PV2", "GT1", "IN1", "IN2", "IN3", "ACC", "AL1",
		"DG1", "MRG", "ROL", "DSP", "QRD" };
	return length >= 3 && is_one_of(names, sizeof(names) / sizeof(names[0]), segment);
}

/* What this driver reads, or has seen between that. */
static bool is_nobodys(const uint8_t *segment, size_t length)
{
	static const char names[][4] = { "MSH", "MSA", "OBR", "OBX", "NTE", "SPM", "SAC", "SID", "ORC", "TCD", "INV",
		"EQU", "FHS", "BHS", "BTS", "FTS" };
	return length >= 3 && is_one_of(names, sizeof(names) / sizeof(names[0]), segment);
}

/* A word that only begins as a name does is none. */
static bool name_ends(const uint8_t *segment, size_t length)
{
	return length == 3 || hl7_is_delimiter(segment[3]);
}

/* The line end before it was damaged. Behind a segment's name stands the delimiter: the line's own or, where it is of
 * another message, the one nearly all use. */
static bool holds_person(const uint8_t *line, size_t length)
{
	for (size_t at = 1; at + 4 <= length; at++) {
		bool delimited = line[at + 3] == line[3] || line[at + 3] == '|';
		if (delimited && hl7_is_person(line + at, length - at))
			return true;
	}
	return false;
}

static bool may_be_kept(const uint8_t *line, size_t length, bool kept_before)
{
	if (!is_nobodys(line, length) || !name_ends(line, length) || holds_person(line, length))
		return false;
	return kept_before || memcmp(line, "NTE", 3) != 0; /* a comment is of what stands before it */
}

/* The name of a person's segment says nothing of the person. */
static size_t hide_line(uint8_t *line, size_t length)
{
	size_t name = hl7_is_person(line, length) && name_ends(line, length) ? 3 : 0;
	memset(line + name, '*', length - name);
	return length - name;
}

static bool ends_line(uint8_t byte)
{
	return byte == '\r' || byte == '\n' || byte == HL7_START || byte == HL7_END;
}

size_t hl7_hide(uint8_t *bytes, size_t length)
{
	size_t hidden = 0;
	bool kept = false; /* the line before */
	for (size_t at = 0, end; at < length; at = end) {
		while (at < length && (ends_line(bytes[at]) || bytes[at] == ' ' || bytes[at] == '\t'))
			at++;
		for (end = at; end < length && !ends_line(bytes[end]);)
			end++;
		kept = at < end && may_be_kept(bytes + at, end - at, kept);
		if (!kept && at < end)
			hidden += hide_line(bytes + at, end - at);
	}
	return hidden;
}
