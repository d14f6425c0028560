#include "control_resend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct refused { /* what is to be tried again */
	const char *journal, *target;
	int64_t here, away;            /* how many: the journal they stand in is there, or it is not */
	char place[JOURNAL_PLACE_MAX]; /* of the salvaged journal looked for last */
	bool found;
};

static bool is_beside(const char *journal, const char *epoch)
{
	struct journal_reader *reader;
	bool found = false;
	int opened;
	for (size_t at = 0; !found && (opened = journal_next_old(journal, &at, &reader, NULL)) != 0;) {
		if (opened < 0)
			continue;
		found = strncmp(journal_reader_epoch(reader, NULL), epoch, strlen(epoch)) == 0;
		journal_reader_close(reader);
	}
	return found;
}

static int count_refused(void *context, const struct parked *parked)
{
	struct refused *refused = context;
	const char *slash = strchr(parked->target, '/');
	if (refused->target && !journal_place_of(parked->target, refused->target))
		return 0;
	if (slash && strcmp(refused->place, parked->target) != 0) {
		snprintf(refused->place, sizeof(refused->place), "%s", parked->target);
		refused->found = is_beside(refused->journal, slash + 1);
	}
	++*(!slash || refused->found ? &refused->here : &refused->away);
	return 0;
}

struct json *control_retry(
	struct room *room, struct journal_reader *reader, const struct json *request, struct fault *fault)
{
	int64_t seq = js_get_integer(request, "seq", 0);
	uint64_t first = seq ? (uint64_t)seq : 1, last = seq ? (uint64_t)seq : UINT64_MAX;
	struct refused refused = { .journal = journal_path(room_journal(room)),
		.target = js_get_text(request, "target") };
	if (seq < 0 || journal_parked(reader, NULL, first, last, count_refused, &refused, NULL) <= 0 ||
		refused.here + refused.away == 0) {
		fault_set(fault, ENOENT, _("nothing of that was refused; `assayctl parked` shows what was"));
		return NULL;
	}
	if (refused.here == 0) {
		fault_set(fault, ENOENT,
			_("that stands in the journal salvaged-%s..., which is not beside the daemon's any more; put it back "
			  "there and try again"),
			strchr(refused.place, '/') + 1);
		return NULL;
	}
	if (room_retry(room, refused.target, first, last, fault) != 0)
		return NULL;
	struct json *told = js_new_object();
	js_put_integer(told, "retrying", refused.here);
	if (refused.away)
		js_put_integer(told, "away", refused.away);
	return told;
}

/* Only what is there can be sent: no entry before the oldest that is kept, none after the last. */
static int check_range(struct journal_reader *reader, int64_t from, int64_t *to, struct fault *fault)
{
	uint64_t first, head;
	int error = journal_reader_head(reader, &first, &head, fault);
	if (error)
		return error;
	if (head == 0)
		return fault_set(fault, ENOENT, _("nothing is stored yet"));
	if (*to == 0)
		*to = (int64_t)head;
	if (from < 1 || *to < 1)
		return fault_set(fault, EINVAL, _("from and to are sequence numbers; they count from 1"));
	if ((uint64_t)from > head || (uint64_t)*to > head)
		return fault_set(fault, ENOENT, _("the last entry is %llu"), (unsigned long long)head);
	if (from > *to)
		return fault_set(fault, EINVAL, _("entry %lld comes after %lld; the first one goes first"),
			(long long)from, (long long)*to);
	uint64_t end = (uint64_t)*to;
	struct journal_run gone;
	if ((uint64_t)from < first && journal_gaps(reader, (uint64_t)from, &end, &gone, 1, fault) != 0)
		return fault_set(fault, ENOENT, _("the oldest entry that is kept is %llu"), (unsigned long long)first);
	return 0;
}

struct json *control_resend(
	struct room *room, struct journal_reader *reader, const struct json *request, struct fault *fault)
{
	int64_t from = js_get_integer(request, "from", 0), to = js_get_integer(request, "to", 0);
	if (check_range(reader, from, &to, fault) != 0 ||
		room_resend(room, js_get_text(request, "target"), (uint64_t)from, (uint64_t)to, fault) != 0)
		return NULL;
	struct json *told = js_new_object();
	js_put_integer(told, "resending", to - from + 1);
	js_put_integer(told, "from", from);
	js_put_integer(told, "to", to);
	return told;
}
