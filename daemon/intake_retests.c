/* Which results belong together as tests of one sample, and what is told of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "event.h"
#include "ident.h"
#include "intake_parts.h"
#include "judge.h"
#include "record_read.h"

#define AWAITING_MAX 1000 /* groups looked through */

static bool within(int64_t from_ms, int64_t length_ms, int64_t now_ms)
{
	int64_t age_ms = now_ms - from_ms;
	return age_ms >= 0 && age_ms <= length_ms; /* of an age nobody knows: better no link than a wrong one */
}

/* The group as this batch has it, where it has changed it already. */
static void bring_up_to_date(const struct intake_batch *batch, struct retest_group *group)
{
	for (size_t i = 0; i < batch->retests.count; i++)
		if (strcmp(batch->retests.list[i].group.name, group->name) == 0)
			*group = batch->retests.list[i].group;
}

/* The group whose retest somebody said the next result of this instrument is. */
static int find_expected(
	const struct intake_batch *batch, const char *item, struct retest_group *ret, struct fault *fault)
{
	int found = retests_by_instrument(batch->intake->retests, batch->from->id, ret, fault);
	if (found != 1)
		return found;
	bring_up_to_date(batch, ret);
	return *ret->instrument && strcmp(ret->item, item) == 0 &&
	       within(ret->waits_from_ms, ret->waits_ms, batch->reception.received_ms);
}

/* What tells samples apart: a number the station registered, or one that only means something on its instrument. */
struct tested {
	const char *sample_no, *item, *source;
	bool said; /* the instrument says that it is a repeat */
};

static int find_by_sample(
	const struct intake_batch *batch, const struct tested *tested, struct retest_group *ret, struct fault *fault)
{
	for (size_t i = batch->retests.count; i-- > 0;) {
		*ret = batch->retests.list[i].group;
		if (strcmp(ret->sample_no, tested->sample_no) == 0 && strcmp(ret->item, tested->item) == 0 &&
			strcmp(ret->source, tested->source) == 0)
			return 1;
	}
	int found =
		retests_by_sample(batch->intake->retests, tested->sample_no, tested->item, tested->source, ret, fault);
	if (found != 1)
		return found;
	return within(ret->opened_ms, batch->config->station.retest_window_ms, batch->reception.received_ms);
}

/* ---- where the instrument itself says that it is a repeat ---- */

/* The first of its batch? Then its group is in no file yet. */
static bool opened_here(const struct intake_batch *batch, const char *name)
{
	for (size_t i = 0; i < batch->count; i++)
		if (strcmp(batch->entries[i].id, name) == 0)
			return true;
	return false;
}

struct awaiting { /* groups that may be meant by a result without a number */
	const struct intake_batch *batch;
	const struct tested *tested;
	struct retest_group *found;
	size_t count;
};

static int consider(void *context, const struct retest_group *group)
{
	struct awaiting *awaiting = context;
	const struct intake_batch *batch = awaiting->batch;
	struct retest_group now = *group;
	bring_up_to_date(batch, &now);
	bool ours = !*now.source || strcmp(now.source, batch->from->id) == 0;
	if (ours && strcmp(now.item, awaiting->tested->item) == 0 && retest_state(&now) == RETEST_REQUIRED &&
		within(now.opened_ms, batch->config->station.retest_window_ms, batch->reception.received_ms)) {
		*awaiting->found = now;
		awaiting->count++;
	}
	return 0;
}

/* Where more than one sample waits to be tested again nobody can tell which it is. */
static int find_awaiting(
	const struct intake_batch *batch, const struct tested *tested, struct retest_group *ret, struct fault *fault)
{
	struct awaiting awaiting = { batch, tested, ret, 0 };
	int error = retests_list(batch->intake->retests, AWAITING_MAX, consider, &awaiting, fault);
	for (size_t i = 0; i < batch->retests.count; i++) {
		const struct retest_group *group = &batch->retests.list[i].group;
		if (group->member_count == 1 && opened_here(batch, group->name))
			consider(&awaiting, group);
	}
	return error < 0 ? error : awaiting.count == 1;
}

struct earlier { /* the test before one that is said to be its repeat */
	const struct intake_batch *batch;
	const struct tested *tested;
	struct retest_group *found;
	bool is_there;
};

static bool same_test(const struct earlier *earlier, const struct json *record)
{
	struct record_test test = record_test(record);
	const struct tested *tested = earlier->tested;
	struct entry successor = { .kind = ENTRY_RESULT };
	ident_of_successor(successor.id, js_text_in(record, "id"), 0);
	return record_is_sample(record) && strcmp(test.sample_no, tested->sample_no) == 0 &&
	       strcmp(test.item, tested->item) == 0 && strcmp(test.source, tested->source) == 0 &&
	       samples_entry_known(earlier->batch->intake->samples, &successor, NULL) == 0;
}

static int take_earlier(void *context, const char *payload, size_t length)
{
	struct earlier *earlier = context;
	struct json *record = js_parse(payload, length, NULL);
	if (record && same_test(earlier, record)) {
		struct retest_group *group = earlier->found;
		const struct tested *tested = earlier->tested;
		*group = (struct retest_group){ .opened_ms = earlier->batch->reception.received_ms, .member_count = 1 };
		snprintf(group->name, sizeof(group->name), "%s", js_text_in(record, "id"));
		snprintf(group->sample_no, sizeof(group->sample_no), "%s", tested->sample_no);
		snprintf(group->item, sizeof(group->item), "%s", tested->item);
		snprintf(group->source, sizeof(group->source), "%s", tested->source);
		memcpy(group->members[0].id, group->name, sizeof(group->name));
		group->members[0].verdict = record_verdict(record);
		group->members[0].requires = record_has_flag(record, "retest_required");
		earlier->is_there = true;
	}
	js_free(record);
	return earlier->is_there;
}

/* Earlier in this batch, the newest first. */
static void look_here(struct earlier *earlier)
{
	const struct intake_batch *batch = earlier->batch;
	for (size_t i = batch->count; i-- > 0 && !earlier->is_there;) {
		const struct entry *entry = &batch->entries[i];
		char *text = NULL;
		if (!entry->body || asprintf(&text, "{\"id\":\"%s\",%s", entry->id, entry->body) < 0)
			continue;
		take_earlier(earlier, text, strlen(text));
		free(text);
	}
}

static int find_earlier(
	const struct intake_batch *batch, const struct tested *tested, struct retest_group *ret, struct fault *fault)
{
	struct earlier earlier = { batch, tested, ret, false };
	int64_t since_ms = batch->reception.received_ms - batch->config->station.retest_window_ms;
	look_here(&earlier);
	int error = earlier.is_there ? 0
	                             : retests_earlier(batch->intake->retests, tested->sample_no, since_ms,
					       take_earlier, &earlier, fault);
	return error < 0 ? error : earlier.is_there;
}

static int find_said(
	const struct intake_batch *batch, const struct tested *tested, struct retest_group *ret, struct fault *fault)
{
	return *tested->sample_no ? find_earlier(batch, tested, ret, fault) : find_awaiting(batch, tested, ret, fault);
}

static int find_group(
	const struct intake_batch *batch, const struct tested *tested, struct retest_group *ret, struct fault *fault)
{
	int found = find_expected(batch, tested->item, ret, fault);
	if (found == 0 && *tested->sample_no)
		found = find_by_sample(batch, tested, ret, fault);
	if (found == 0 && tested->said)
		found = find_said(batch, tested, ret, fault);
	return found == 1 && ret->member_count == RETEST_MEMBERS_MAX ? 0 : found;
}

static void add_member(struct retest_group *group, const struct entry *entry, const struct judgement *judgement)
{
	struct retest_member *member = &group->members[group->member_count++];
	memcpy(member->id, entry->id, sizeof(member->id));
	member->verdict = judgement->verdict;
	member->requires = judgement_has(judgement, "retest_required");
	group->instrument[0] = '\0'; /* it has come */
}

static void open_group(
	struct retest_group *group, const struct tested *tested, const struct entry *entry, int64_t now_ms)
{
	*group = (struct retest_group){ .opened_ms = now_ms };
	memcpy(group->name, entry->id, sizeof(group->name));
	snprintf(group->sample_no, sizeof(group->sample_no), "%s", tested->sample_no);
	snprintf(group->item, sizeof(group->item), "%s", tested->item);
	snprintf(group->source, sizeof(group->source), "%s", tested->source);
}

int intake_match_retest(struct intake_batch *batch, const struct draft *draft, const struct entry *entry,
	struct repeat *ret, struct fault *fault)
{
	struct retests *retests = batch->intake->retests;
	const struct judgement *judgement = record_judgement(draft);
	const struct reading *reading = record_reading(draft);
	const struct tested tested = {
		.sample_no = reading->sample_no,
		.item = judgement->item ? judgement->item->code : reading->item,
		.source = record_is_registered(draft) ? "" : batch->from->id,
		.said = reading->marks & READING_RETEST,
	};
	bool requires = judgement_has(judgement, "retest_required");
	*ret = (struct repeat){ .test_seq = 1 };
	if (!retests || reading->kind != KIND_SAMPLE || !*tested.item ||
		(!requires && !tested.said && !batch->retests.count && !retests_any(retests)))
		return 0;
	int known = intake_is_known(batch, reading, entry, fault);
	if (known)
		return known < 0 ? known : 0;
	if (!retests_wait(retests, batch))
		return fault_set(fault, EBUSY, _("another test of a sample tested before is being stored"));
	struct retest_group group;
	int found = find_group(batch, &tested, &group, fault);
	if (found < 0 || (!found && !requires))
		return found;
	if (!found)
		open_group(&group, &tested, entry, batch->reception.received_ms);
	else
		memcpy(ret->of, group.name, sizeof(ret->of));
	add_member(&group, entry, judgement);
	ret->test_seq = (int)group.member_count;
	retests_change(&batch->retests, entry, &group, false);
	return 0;
}

void intake_tell_retests(struct intake_batch *batch)
{
	for (size_t i = 0; i < batch->retests.count; i++)
		batch->entries[batch->count++] = event_make("retest_group", batch->from->id,
			retest_told(&batch->retests.list[i].group), batch->reception.received_ms);
}

/* ---- without a result ---- */

static int write_changes(void *context, struct db *db, struct fault *fault)
{
	return retests_write(context, db, fault);
}

/* Changes one group and tells of it; frees the event's body. */
static int change_one(
	struct intake *intake, const struct retest_group *group, bool remove, struct entry *event, struct fault *fault)
{
	struct retest_changes changes = { 0 };
	retests_change(&changes, NULL, group, remove);
	int error =
		journal_append_with(intake->journal, event, event ? 1 : 0, NULL, NULL, write_changes, &changes, fault);
	retests_refresh(intake->retests);
	retest_changes_free(&changes);
	if (event)
		free(event->body);
	return error < 0 ? error : 0;
}

int intake_expect_retest(struct intake *intake, const struct retest_group *group, struct fault *fault)
{
	if (!retests_wait(intake->retests, group))
		return fault_set(fault, EBUSY, _("another test of a sample tested before is being stored"));
	struct json *told = retest_told(group);
	js_put_integer(told, "lifetime_s", group->waits_ms / 1000);
	struct entry event = event_make("retest_expected", group->instrument, told, clock_wall_ms());
	int error = change_one(intake, group, false, &event, fault);
	retests_release(intake->retests, group);
	return error;
}

/* A group whose time is over, from the oldest; a positive that was not tested again is told. */
int intake_sweep_retests(struct intake *intake, struct fault *fault)
{
	struct retest_group group;
	int error = 0;
	while (!error && retests_hold(intake->retests, &group)) {
		int64_t now_ms = clock_wall_ms();
		int found = retests_oldest(intake->retests, &group, fault);
		bool over = found == 1 && now_ms - group.opened_ms > intake_retest_window(intake) &&
		            !(*group.instrument && within(group.waits_from_ms, group.waits_ms, now_ms));
		if (over && retest_state(&group) == RETEST_REQUIRED) {
			struct entry event = event_make("retest_missing", "", retest_told(&group), now_ms);
			error = change_one(intake, &group, true, &event, fault);
		} else if (over) {
			error = change_one(intake, &group, true, NULL, fault);
		}
		retests_release(intake->retests, &group);
		if (!over)
			return found < 0 ? found : 0;
	}
	return error;
}
