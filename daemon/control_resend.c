#include "control_resend.h"

#include <errno.h>

static int pass_parked(void *context, const struct parked *parked)
{
	(void)context;
	(void)parked;
	return 0;
}

static int64_t count_parked(struct journal_reader *reader, const char *target, uint64_t seq)
{
	long given = journal_parked(reader, target, seq ? seq : 1, seq ? seq : UINT64_MAX, pass_parked, NULL, NULL);
	return given > 0 ? given : 0;
}

struct json *control_retry(
	struct room *room, struct journal_reader *reader, const struct json *request, struct fault *fault)
{
	const char *target = js_get_text(request, "target");
	int64_t seq = js_get_integer(request, "seq", 0), count = count_parked(reader, target, (uint64_t)seq);
	if (seq < 0 || count == 0) {
		fault_set(fault, ENOENT, _("nothing of that was refused; `assayctl parked` shows what was"));
		return NULL;
	}
	if (room_retry(room, target, seq ? (uint64_t)seq : 1, seq ? (uint64_t)seq : UINT64_MAX, fault) != 0)
		return NULL;
	struct json *told = js_new_object();
	js_put_integer(told, "retrying", count);
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
