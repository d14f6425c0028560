/* What is sent again because somebody asked for it: the platform by a request, or a person at the station.
 *
 * A platform may ask for what is not there: removed after its time, lost with a damaged journal, never made, or of a
 * journal nobody knows. It is told so, in words for people and in members for programs, and gets what there is.
 */
#include <errno.h>
#include <string.h>

#include "publisher_parts.h"

#define RESEND_AT_ONCE 1000 /* of a long range: then others who want something sent again have their turn */
#define GONE_MAX       64   /* runs told in one answer; what lies above the last of them is to be asked for again */

bool replay_begin(struct publisher *publisher, uint64_t first, uint64_t last)
{
	struct stream *stream = &publisher->streams[STREAM_REPLAY];
	if (!stream_done(stream))
		return false;
	publisher->retry.seq = 0; /* what is sent now is no retry */
	stream_begin(stream, first - 1, last);
	return true;
}

/* ---- by a person ---- */

bool publisher_resends(struct publisher *publisher)
{
	pthread_mutex_lock(&publisher->fault_lock);
	bool resends = publisher->resend.last != 0;
	pthread_mutex_unlock(&publisher->fault_lock);
	return resends;
}

void publisher_resend(struct publisher *publisher, uint64_t first, uint64_t last)
{
	pthread_mutex_lock(&publisher->fault_lock);
	publisher->resend = (struct platform_range){ first, last };
	pthread_mutex_unlock(&publisher->fault_lock);
	publisher_status_changed(publisher); /* wakes it */
}

void replay_resend(struct publisher *publisher)
{
	struct platform_range *left = &publisher->resend;
	pthread_mutex_lock(&publisher->fault_lock);
	if (left->last) {
		uint64_t last =
			left->last - left->first < RESEND_AT_ONCE ? left->last : left->first + RESEND_AT_ONCE - 1;
		if (replay_begin(publisher, left->first, last))
			left->first = last + 1;
		if (left->first > left->last)
			*left = (struct platform_range){ 0 };
	}
	pthread_mutex_unlock(&publisher->fault_lock);
}

/* ---- by the platform ---- */

struct replay { /* a request being looked at */
	struct publisher *publisher;
	const struct platform_request *request;
	struct journal_reader *reader;
	bool old; /* of a salvaged journal, not the present one */
	uint64_t first, last, to;
	struct journal_run gone[GONE_MAX];
	size_t gone_count;
};

static void put_gone(struct json *answer, const struct replay *replay)
{
	if (replay->gone_count == 0)
		return;
	struct json *list = js_new_array();
	for (size_t i = 0; i < replay->gone_count; i++) {
		struct json *pair = js_new_array();
		js_append(pair, js_new_integer((int64_t)replay->gone[i].first));
		js_append(pair, js_new_integer((int64_t)replay->gone[i].last));
		js_append(list, pair);
	}
	js_put(answer, "gone", list);
}

static struct json *refuse(const struct replay *replay, const char *reason, const struct fault *fault)
{
	struct json *answer = js_new_object();
	replay->publisher->stats.requests_refused++;
	js_put_text(answer, "error", fault->text);
	js_put_text(answer, "reason", reason);
	if (!replay->reader)
		return answer;
	js_put_text(answer, "epoch", replay->request->epoch);
	if (replay->last) {
		js_put_integer(answer, "first", (int64_t)replay->first);
		js_put_integer(answer, "last", (int64_t)replay->last);
	}
	put_gone(answer, replay);
	return answer;
}

static struct json *refuse_epoch(const struct replay *replay)
{
	struct fault fault;
	struct publisher *publisher = replay->publisher;
	struct json *epochs = js_new_array();
	js_append(epochs, js_new_text(journal_epoch(publisher->journal)));
	old_epochs(publisher, epochs);
	fault_set(&fault, ENOENT, _("this station has no such journal; the present one is %s"),
		journal_epoch(publisher->journal));
	struct json *answer = refuse(replay, "unknown_epoch", &fault);
	js_put(answer, "epochs", epochs);
	return answer;
}

static struct json *accept(const struct replay *replay)
{
	struct json *answer = js_new_object();
	js_put_bool(answer, "accepted", true);
	js_put_text(answer, "epoch", replay->request->epoch);
	js_put_integer(answer, "from", (int64_t)replay->request->range.first);
	js_put_integer(answer, "to", (int64_t)replay->to);
	put_gone(answer, replay);
	return answer;
}

/* Whether another one is under way: asked first, because looking for what is gone takes time. */
static bool is_busy(const struct replay *replay)
{
	const struct publisher *publisher = replay->publisher;
	return replay->old ? publisher->old.reader != NULL : !stream_done(&publisher->streams[STREAM_REPLAY]);
}

/* Takes the reader over where it is needed. */
static void begin(struct replay *replay)
{
	const struct platform_range *range = &replay->request->range;
	if (!replay->old)
		replay_begin(replay->publisher, range->first, replay->to);
	else if (old_replay(replay->publisher, replay->reader, range->first, replay->to))
		replay->reader = NULL;
}

static struct json *answer_from(struct replay *replay)
{
	const struct platform_range *range = &replay->request->range;
	struct fault fault;
	if (journal_reader_head(replay->reader, &replay->first, &replay->last, &fault) != 0)
		return refuse(replay, "unreadable", &fault);
	replay->to = range->last;
	if (range->last > replay->last) {
		fault_set(&fault, ERANGE, _("the last entry is %llu"), (unsigned long long)replay->last);
		return refuse(replay, "not_yet", &fault);
	}
	if (is_busy(replay)) {
		fault_set(&fault, EBUSY, _("a replay is under way; ask again later"));
		return refuse(replay, "busy", &fault);
	}
	long gone = journal_gaps(replay->reader, range->first, &replay->to, replay->gone, GONE_MAX, &fault);
	if (gone < 0)
		return refuse(replay, "unreadable", &fault);
	replay->gone_count = (size_t)gone;
	if (gone == 1 && replay->gone[0].first == range->first && replay->gone[0].last == range->last) {
		fault_set(&fault, ENOENT,
			replay->old ? _("none of these entries could be salvaged of the damaged journal")
				    : _("none of these entries is kept any more: every target had them, and their "
					"time was over"));
		return refuse(replay, "gone", &fault);
	}
	begin(replay);
	return accept(replay);
}

char *replay_answer(struct publisher *publisher, const struct platform_request *request)
{
	struct replay replay = { .publisher = publisher, .request = request, .reader = publisher->reader };
	struct json *answer;
	replay.old = strcmp(request->epoch, journal_epoch(publisher->journal)) != 0;
	if (replay.old)
		replay.reader = old_reader(publisher, request->epoch);
	answer = replay.reader ? answer_from(&replay) : refuse_epoch(&replay);
	if (replay.old)
		journal_reader_close(replay.reader);
	char *text = js_dump(answer);
	js_free(answer);
	return text;
}
