#include "reading.h"

#include <string.h>

#include "spelling.h"
#include "text.h"

const char *kind_name(enum kind kind)
{
	switch (kind) {
	case KIND_SAMPLE:
		return "sample";
	case KIND_BLANK:
		return "blank";
	case KIND_CONTROL:
		return "control";
	case KIND_QC:
		return "qc";
	case KIND_CALIBRATION:
		return "calibration";
	}
	return "";
}

const char *verdict_name(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_NONE:
		return "none";
	case VERDICT_NEGATIVE:
		return "negative";
	case VERDICT_POSITIVE:
		return "positive";
	case VERDICT_SUSPECT:
		return "suspect";
	case VERDICT_INVALID:
		return "invalid";
	}
	return "";
}

const char *reading_mark_name(enum reading_mark mark)
{
	switch (mark) {
	case READING_TEXT_CUT:
		return "text_cut";
	case READING_TEXT_BAD:
		return "text_bad";
	case READING_OUT_OF_RANGE:
		return "out_of_range";
	case READING_CALIBRATION_DUE:
		return "calibration_due";
	case READING_RETEST:
		return "retest_said";
	case READING_OVERRUN:
		return "overrun";
	}
	return "";
}

const char *notice_name(enum notice_kind kind)
{
	switch (kind) {
	case NOTICE_MISSED_RESULTS:
		return "missed_results";
	case NOTICE_UNDECODABLE:
		return "undecodable";
	case NOTICE_COUNTER_RESTARTED:
		return "counter_restarted";
	case NOTICE_OVERRUN:
		return "overrun";
	case NOTICE_INSTRUMENT_FAULT:
		return "instrument_fault";
	case NOTICE_SCAN_REFUSED:
		return "scan_refused";
	}
	return "";
}

const char *scan_kind_name(enum scan_kind kind)
{
	switch (kind) {
	case SCAN_ROW:
		return "row";
	case SCAN_NUMBER:
		return "number";
	case SCAN_LABELLED:
		return "labelled";
	case SCAN_LINK:
		return "link";
	case SCAN_CREDIT_CODE:
		return "credit_code";
	case SCAN_TRACE_CODE:
		return "trace_code";
	}
	return "";
}

struct reading *readings_add(struct readings *readings)
{
	if (readings->count == (readings->room ? readings->room : READINGS_AT_ONCE))
		return NULL;
	struct reading *reading = &readings->list[readings->count++];
	memset(reading, 0, sizeof(*reading));
	reading->kind = KIND_SAMPLE;
	reading->verdict = VERDICT_NONE;
	reading->channel = -1;
	return reading;
}

struct notice *readings_notice(struct readings *readings, enum notice_kind kind)
{
	if (readings->notice_count == NOTICES_MAX)
		return NULL;
	struct notice *notice = &readings->notices[readings->notice_count++];
	*notice = (struct notice){ .kind = kind };
	return notice;
}

struct scan *readings_scan(struct readings *readings, enum scan_kind kind)
{
	if (readings->scan_count == SCANS_MAX)
		return NULL;
	struct scan *scan = &readings->scans[readings->scan_count++];
	*scan = (struct scan){ .kind = kind, .text = "" };
	return scan;
}

static void add_named(struct named *list, size_t *count, const char *name, const char *value)
{
	if (*count == READING_NAMED_MAX)
		return;
	struct named *named = &list[(*count)++];
	text_copy(named->name, sizeof(named->name), name);
	text_copy(named->value, sizeof(named->value), value);
}

void reading_signal(struct reading *reading, const char *name, const char *value)
{
	add_named(reading->signals, &reading->signal_count, name, value);
}

void reading_said(struct reading *reading, const char *name, const char *value)
{
	add_named(reading->said, &reading->said_count, name, value);
}

const char *reading_has_said(const struct reading *reading, const char *name)
{
	for (size_t i = 0; reading && i < reading->said_count; i++)
		if (strcmp(reading->said[i].name, name) == 0)
			return reading->said[i].value;
	return "";
}

enum finding reading_finding(const char *value)
{
	static const struct {
		const char *folded;
		enum finding finding;
	} words[] = {
		{ "未检出", FINDING_NOT_DETECTED },
		{ "未檢出", FINDING_NOT_DETECTED },
		{ "低于检出限", FINDING_NOT_DETECTED },
		{ "notdetected", FINDING_NOT_DETECTED },
		{ "nd", FINDING_NOT_DETECTED },
		{ "n.d.", FINDING_NOT_DETECTED },
		{ "检出", FINDING_DETECTED },
		{ "檢出", FINDING_DETECTED },
		{ "detected", FINDING_DETECTED },
	};
	char folded[sizeof(((struct reading *)NULL)->value)];
	if (strlen(value) >= sizeof(folded))
		return FINDING_NONE;
	spelling_fold(folded, value);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(words[i].folded, folded) == 0)
			return words[i].finding;
	return FINDING_NONE;
}
