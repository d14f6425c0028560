#include "control_retest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "control_samples.h"
#include "intake.h"
#include "record_read.h"
#include "successor.h"

#define LIFETIME_MAX_MS (7 * 86400000LL)
#define LIFETIME_MS     1800000
#define LISTED_MAX      10000

/* ---- the result that is tested again ---- */

static int parse_entry(void *context, const struct stored *entry)
{
	struct json **record = context;
	*record = js_parse(entry->payload, entry->length, NULL);
	return 0;
}

static struct json *find_record(struct journal_reader *reader, const struct json *request, struct fault *fault)
{
	const char *id = js_get_text(request, "id");
	int64_t seq = js_get_integer(request, "seq", 0);
	struct json *record = NULL;
	long found = id        ? journal_find(reader, id, parse_entry, &record, fault)
	             : seq > 0 ? journal_read(reader, (uint64_t)seq, 1, parse_entry, &record, fault)
	                       : 0;
	if (found < 0)
		return NULL;
	bool is_it = record && (id || js_get_integer(record, "seq", 0) == seq);
	char last[ENTRY_ID_MAX];
	int superseded = is_it ? successor_last(reader, js_text_in(record, "id"), last, fault) : 0;
	if (!is_it)
		fault_set(fault, ENOENT, _("there is no such entry; `assayctl list` shows the last ones"));
	else if (superseded > 0)
		fault_set(fault, EINVAL, _("that result was superseded; test its successor again: %s"), last);
	else if (!record_is_sample(record))
		fault_set(fault, EINVAL, _("that is no result of a sample; only those are tested again"));
	else if (superseded == 0)
		return record;
	js_free(record);
	return NULL;
}

static void copy_text(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text ? text : "");
}

/* The group a result belongs to, or one it begins. */
static int group_of(struct room *room, const struct json *record, struct retest_group *ret, struct fault *fault)
{
	const char *id = js_get_text(record, "id");
	const struct record_test test = record_test(record);
	int found = retests_by_member(intake_retests(room_intake(room)), id, ret, fault);
	if (found != 0)
		return found < 0 ? found : 0;
	*ret = (struct retest_group){ .opened_ms = clock_wall_ms(), .member_count = 1 };
	copy_text(ret->sample_no, sizeof(ret->sample_no), test.sample_no);
	copy_text(ret->item, sizeof(ret->item), test.item);
	copy_text(ret->source, sizeof(ret->source), test.source);
	copy_text(ret->name, sizeof(ret->name), id);
	copy_text(ret->members[0].id, sizeof(ret->members[0].id), id);
	ret->members[0].verdict = record_verdict(record);
	ret->members[0].requires = record_has_flag(record, "retest_required");
	return *ret->item ? 0 : fault_set(fault, EINVAL, _("nobody said what that result was tested for"));
}

static int expect(struct room *room, const struct json *request, const struct json *record, struct retest_group *group,
	struct fault *fault)
{
	const char *given = js_get_text(request, "instrument");
	const char *instrument = given ? given : js_get_text(js_get(record, "instrument"), "id");
	group->waits_ms = js_get_integer(request, "lifetime_ms", LIFETIME_MS);
	group->waits_from_ms = clock_wall_ms();
	if (group->waits_ms < 1000 || group->waits_ms > LIFETIME_MAX_MS)
		return fault_set(fault, EINVAL, _("a retest is waited for between one second and seven days"));
	if (group->member_count == RETEST_MEMBERS_MAX)
		return fault_set(fault, EINVAL, _("that sample has been tested %d times"), RETEST_MEMBERS_MAX);
	struct config *config = room_config(room);
	int error = control_check_instrument(config, instrument ? instrument : "", fault);
	config_release(config);
	if (error)
		return error;
	copy_text(group->instrument, sizeof(group->instrument), instrument);
	return intake_expect_retest(room_intake(room), group, fault);
}

static struct json *shown(const struct retest_group *group)
{
	char text[CLOCK_TEXT_MAX];
	struct json *told = retest_told(group);
	js_put_text(told, "opened_at", clock_text(text, group->opened_ms));
	if (*group->instrument) {
		js_put_text(told, "instrument", group->instrument);
		js_put_text(told, "until", clock_text(text, group->waits_from_ms + group->waits_ms));
	}
	return told;
}

struct json *control_retest(
	struct room *room, struct journal_reader *reader, const struct json *request, struct fault *fault)
{
	struct retest_group group;
	struct json *record = find_record(reader, request, fault);
	if (!record)
		return NULL;
	int error = group_of(room, record, &group, fault);
	if (!error)
		error = expect(room, request, record, &group, fault);
	js_free(record);
	return error ? NULL : shown(&group);
}

/* ---- the list ---- */

static int keep(void *context, const struct retest_group *group)
{
	js_append(context, shown(group));
	return 0;
}

struct json *control_retests(struct room *room, const struct json *request, struct fault *fault)
{
	int64_t last = js_get_integer(request, "last", 20);
	if (last < 1 || last > LISTED_MAX) {
		fault_set(fault, EINVAL, _("last counts from 1 to %d"), LISTED_MAX);
		return NULL;
	}
	struct json *list = js_new_array();
	if (retests_list(intake_retests(room_intake(room)), (long)last, keep, list, fault) == 0)
		return list;
	js_free(list);
	return NULL;
}
