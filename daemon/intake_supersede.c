/* Records that supersede others, and what that does to the tests of one sample.
 *
 * A superseding record takes the old one's place in its group of retests as long as it is a test of the same sample and
 * item; else it leaves that group for the one of its own sample, or opens one. Each group is looked at again, and told
 * (event retest_group) with the members it has now and those that were superseded. A group that asked for retests and
 * has nothing left that does is closed. Records that name a group in `retest_of` stay as they are: its name does too.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "event.h"
#include "intake_parts.h"
#include "record_read.h"

struct change { /* a group as it will be */
	struct retest_group group;
	bool asked; /* for retests, before */
	const struct entry *entry;
	const char *instrument;
	struct json *superseded; /* ids of what left it, or was replaced */
};

struct supersession {
	struct intake *intake;
	int64_t now_ms, window_ms;
	struct change *list; /* each group at most once */
	size_t count;
};

/* ---- which groups ---- */

static struct change *find_name(const struct supersession *all, const char *name)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->list[i].group.name, name) == 0)
			return &all->list[i];
	return NULL;
}

static struct change *add_change(struct supersession *all, const struct retest_group *group)
{
	struct change *change = &all->list[all->count++];
	change->group = *group;
	change->asked = group->member_count && retest_state(group) != RETEST_FIRST;
	change->superseded = js_new_array();
	return change;
}

static struct retest_member *find_member(struct retest_group *group, const char *id)
{
	for (size_t i = 0; i < group->member_count; i++)
		if (strcmp(group->members[i].id, id) == 0)
			return &group->members[i];
	return NULL;
}

/* The group an entry is a member of; NULL in `*ret` for none. */
static int group_with(struct supersession *all, const char *id, struct change **ret, struct fault *fault)
{
	struct retest_group group;
	*ret = NULL;
	for (size_t i = 0; i < all->count && !*ret; i++)
		if (find_member(&all->list[i].group, id))
			*ret = &all->list[i];
	if (*ret)
		return 0;
	int found = retests_by_member(all->intake->retests, id, &group, fault);
	if (found == 1 && !find_name(all, group.name)) /* one that was changed already has it no more */
		*ret = add_change(all, &group);
	return found < 0 ? found : 0;
}

/* The group of the new record's sample, if it was tested about then. */
static int group_for(struct supersession *all, const struct record_test *test, int64_t received_ms, struct change **ret,
	struct fault *fault)
{
	struct retest_group group;
	*ret = NULL;
	if (!*test->sample_no)
		return 0;
	for (size_t i = 0; i < all->count; i++) {
		const struct retest_group *one = &all->list[i].group;
		if (one->member_count && strcmp(one->sample_no, test->sample_no) == 0 &&
			strcmp(one->item, test->item) == 0 && strcmp(one->source, test->source) == 0)
			*ret = &all->list[i];
	}
	if (*ret)
		return 0;
	int found = retests_by_sample(all->intake->retests, test->sample_no, test->item, test->source, &group, fault);
	if (found == 1 && llabs(group.opened_ms - received_ms) <= all->window_ms && !find_name(all, group.name))
		*ret = add_change(all, &group);
	return found < 0 ? found : 0;
}

static struct change *open_group(struct supersession *all, const struct entry *entry, const struct record_test *test)
{
	struct retest_group group = { .opened_ms = all->now_ms }; /* from now on it can be tested again */
	memcpy(group.name, entry->id, sizeof(group.name));
	snprintf(group.sample_no, sizeof(group.sample_no), "%s", test->sample_no);
	snprintf(group.item, sizeof(group.item), "%s", test->item);
	snprintf(group.source, sizeof(group.source), "%s", test->source);
	return add_change(all, &group);
}

/* ---- one record ---- */

static void fill_member(struct retest_member *member, const struct successor *one)
{
	memcpy(member->id, one->entry.id, sizeof(member->id));
	member->verdict = record_verdict(one->record);
	member->requires = record_has_flag(one->record, "retest_required");
}

static void note(struct change *change, const struct successor *one, bool replaced)
{
	change->entry = &one->entry;
	change->instrument = js_text_in(js_get(one->record, "instrument"), "id");
	if (replaced)
		js_append(change->superseded, js_new_text(js_text_in(one->old, "id")));
}

static void leave(struct change *change, const struct successor *one)
{
	struct retest_group *group = &change->group;
	struct retest_member *member = find_member(group, js_text_in(one->old, "id"));
	size_t behind = (size_t)(&group->members[group->member_count] - (member + 1));
	memmove(member, member + 1, behind * sizeof(*member));
	group->member_count--;
	note(change, one, true);
}

/* The same sample tested for the same; what the instrument called the item may have got another code. */
static bool same_test(const struct successor *one)
{
	struct record_test old = record_test(one->old), new = record_test(one->record);
	const char *sent = js_text_in(js_get(one->old, "item"), "as_sent");
	return record_is_sample(one->old) && record_is_sample(one->record) &&
	       strcmp(old.sample_no, new.sample_no) == 0 && strcmp(old.source, new.source) == 0 &&
	       (strcmp(old.item, new.item) == 0 ||
		       (*sent && strcmp(sent, js_text_in(js_get(one->record, "item"), "as_sent")) == 0));
}

static void stay(struct change *change, const struct successor *one)
{
	fill_member(find_member(&change->group, js_text_in(one->old, "id")), one);
	snprintf(change->group.item, sizeof(change->group.item), "%s", record_test(one->record).item);
	note(change, one, true);
}

/* The group of its own sample, which may be a new one, takes it. */
static int join(struct supersession *all, struct successor *one, bool moved, struct fault *fault)
{
	struct record_test test = record_test(one->record);
	bool requires = record_has_flag(one->record, "retest_required");
	struct change *change = NULL;
	if (!record_is_sample(one->record) || !*test.item || (!moved && !requires))
		return 0;
	js_remove(one->record, "retest_of");
	js_put_integer(one->record, "test_seq", 1);
	int error = group_for(all, &test, record_time(js_text_in(one->record, "received_at")), &change, fault);
	if (error)
		return error;
	if (change && change->group.member_count == RETEST_MEMBERS_MAX)
		change = NULL;
	if (!change && !requires)
		return 0;
	if (change)
		js_put_text(one->record, "retest_of", change->group.name);
	else
		change = open_group(all, &one->entry, &test);
	fill_member(&change->group.members[change->group.member_count++], one);
	js_put_integer(one->record, "test_seq", (int64_t)change->group.member_count);
	note(change, one, false);
	return 0;
}

static int take_place(struct supersession *all, struct successor *one, struct fault *fault)
{
	struct change *old;
	bool same = same_test(one);
	int error = group_with(all, js_text_in(one->old, "id"), &old, fault);
	if (error)
		return error;
	if (old && same) {
		stay(old, one);
		return 0;
	}
	if (old)
		leave(old, one);
	return join(all, one, !same, fault);
}

/* ---- all of them ---- */

/* Nothing in it asks for a retest any more. */
static bool is_closed(const struct change *change)
{
	return change->group.member_count == 0 || (change->asked && retest_state(&change->group) == RETEST_FIRST);
}

/* An event for each group, and its row. */
static void tell(struct supersession *all, struct entry *events, struct retest_changes *changes)
{
	for (size_t i = 0; i < all->count; i++) {
		struct change *change = &all->list[i];
		struct json *told = retest_told(&change->group);
		if (js_count(change->superseded))
			js_put(told, "superseded", js_copy(change->superseded));
		if (is_closed(change))
			js_put_bool(told, "closed", true);
		events[i] = event_make("retest_group", change->instrument, told, all->now_ms);
		retests_change(changes, change->entry, &change->group, is_closed(change));
	}
}

static int write_retests(void *context, struct db *db, struct fault *fault)
{
	return retests_write(context, db, fault);
}

static int append(struct supersession *all, struct successor *list, size_t count, struct fault *fault)
{
	struct retest_changes retests = { 0 };
	struct sample_changes changes = { .also = write_retests, .also_context = &retests };
	struct entry *entries = calloc(count + all->count + 1, sizeof(*entries));
	if (!entries)
		return fault_set(fault, ENOMEM, _("out of memory"));
	for (size_t i = 0; i < count; i++) {
		char *text = js_dump(list[i].record);
		memmove(text, text + 1, strlen(text)); /* the journal writes the head, with the opening brace */
		list[i].entry.body = text;
		entries[i] = list[i].entry;
		if (list[i].sample && *list[i].sample)
			samples_change(&changes, SAMPLE_USED, &entries[i], list[i].sample);
	}
	for (size_t i = 0; i < all->count; i++) /* whether it was known is said of what is appended */
		for (size_t j = 0; j < count; j++)
			if (all->list[i].entry == &list[j].entry)
				all->list[i].entry = &entries[j];
	tell(all, entries + count, &retests);
	int error = samples_append(all->intake->samples, entries, count + all->count, NULL, NULL, &changes, fault);
	for (size_t i = 0; i < count + all->count; i++)
		free(entries[i].body);
	free(entries);
	sample_changes_free(&changes);
	retest_changes_free(&retests);
	retests_refresh(all->intake->retests);
	return error < 0 ? error : 0;
}

int intake_supersede(struct intake *intake, struct successor *list, size_t count, struct fault *fault)
{
	struct supersession all = {
		.intake = intake, .now_ms = clock_wall_ms(), .window_ms = intake_retest_window(intake)
	};
	int error = 0;
	if (!retests_wait(intake->retests, &all))
		return fault_set(fault, EBUSY, _("another test of a sample tested before is being stored"));
	all.list = calloc(2 * count + 1, sizeof(*all.list)); /* each leaves one and joins one */
	if (!all.list)
		abort(); /* a gateway without memory restarts from its journal */
	for (size_t i = 0; i < count && !error; i++)
		error = take_place(&all, &list[i], fault);
	if (!error)
		error = append(&all, list, count, fault);
	for (size_t i = 0; i < all.count; i++)
		js_free(all.list[i].superseded);
	free(all.list);
	retests_release(intake->retests, &all);
	return error;
}
