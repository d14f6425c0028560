/* What the broker refuses: the county is told, it counts as settled, and it can be tried again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker_fixture.h"

static unsigned wanted;

static bool all_delivered(struct stage *stage)
{
	return publisher_stats(stage->publisher)->through >= wanted;
}

static bool all_heard(struct stage *stage)
{
	return count_of(stage, "\\\"number\\\":") >= wanted;
}

/* A broker that takes everything but QC entries, until allow_all(). */
static void forbid_qc(struct stage *stage)
{
	char conf[1024];
	write_file(stage, "acl",
		"topic readwrite " ROOT_TOPIC "/result\ntopic readwrite " ROOT_TOPIC "/event\n"
		"topic readwrite " ROOT_TOPIC "/status\ntopic readwrite " ROOT_TOPIC "/receipt\ntopic read #\n");
	snprintf(conf, sizeof(conf), "user root\nlistener %d 127.0.0.1\nallow_anonymous true\nacl_file %s/acl\n",
		stage->port, stage->directory);
	write_file(stage, "mosquitto.conf", conf);
}

static void allow_all(struct stage *stage)
{
	write_file(stage, "acl", "topic readwrite #\n");
	kill(stage->broker, SIGHUP);
}

static int count(void *context, const struct parked *parked)
{
	(void)parked;
	++*(unsigned *)context;
	return 0;
}

static unsigned parked_count(struct stage *stage)
{
	struct journal_reader *reader;
	unsigned parked = 0;
	assert_int_equal(journal_reader_open(journal_path(stage->journal), &reader, &stage->fault), 0);
	assert_true(journal_parked(reader, "county", 1, UINT64_MAX, count, &parked, &stage->fault) >= 0);
	journal_reader_close(reader);
	return parked;
}

static bool none_parked(struct stage *stage)
{
	return parked_count(stage) == 0;
}

static bool events_heard(struct stage *stage)
{
	return count_of(stage, "entry_refused") >= wanted;
}

/* Entries 1, 2 and 3 in turn are QC, event and result: three of nine are refused. */
static struct stage *stage_with_three_refused(void)
{
	struct stage *stage = stage_new("");
	forbid_qc(stage);
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 9, true);
	assert_true(stage_publish(stage));
	wanted = 12; /* with an event about each */
	assert_true(eventually(all_delivered, stage, 10000));
	return stage;
}

static void the_county_is_told_of_each_refusal_once(void **state)
{
	(void)state;
	struct stage *stage = stage_with_three_refused();
	wanted = 3;
	assert_true(eventually(events_heard, stage, 5000));
	assert_int_equal(parked_count(stage), 3);
	assert_int_equal(journal_head(stage->journal), 12);
	char *event = strstr(stage->text, "entry_refused");
	assert_non_null(strstr(event, "\\\"target\\\":\\\"county\\\""));
	assert_non_null(strstr(event, "\\\"entry_seq\\\":1,"));
	publisher_retry(stage->publisher, NULL, 1,
		UINT64_MAX); /* nothing has changed: refused again, and told no second time */
	usleep(500000);
	assert_int_equal(parked_count(stage), 3);
	assert_int_equal(journal_head(stage->journal), 12);
	stage_free(stage);
}

static void a_refused_event_gives_no_event(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	forbid_qc(stage);
	write_file(stage, "acl", "topic readwrite " ROOT_TOPIC "/result\ntopic readwrite " ROOT_TOPIC "/status\n");
	assert_true(broker_start(stage));
	append(stage, 3, 3, true);
	assert_true(stage_publish(stage));
	wanted = 1;
	assert_true(eventually(all_delivered, stage, 10000));
	usleep(300000);
	assert_int_equal(journal_head(stage->journal), 1);
	stage_free(stage);
}

static void what_was_refused_is_delivered_when_tried_again(void **state)
{
	(void)state;
	struct stage *stage = stage_with_three_refused();
	wanted = 6;
	assert_true(eventually(all_heard, stage, 5000));
	allow_all(stage);
	usleep(200000);
	publisher_retry(stage->publisher, "county", 4, 4);
	wanted = 7;
	assert_true(eventually(all_heard, stage, 5000));
	publisher_retry(stage->publisher, NULL, 1, UINT64_MAX);
	wanted = 9;
	assert_true(eventually(all_heard, stage, 5000));
	assert_true(eventually(none_parked, stage, 5000));
	stage_free(stage);
}

/* Two wishes at once, the second before the first is done with; and entries taken when they were asked for in another
 * way. */
static void no_wish_replaces_another_and_what_is_sent_again_anyhow_is_settled(void **state)
{
	(void)state;
	struct stage *stage = stage_with_three_refused();
	wanted = 6;
	assert_true(eventually(all_heard, stage, 5000));
	allow_all(stage);
	usleep(200000);
	assert_true(publisher_retry(stage->publisher, NULL, 1, 1));
	assert_true(publisher_retry(stage->publisher, NULL, 7, 7));
	wanted = 8;
	assert_true(eventually(all_heard, stage, 5000));
	publisher_resend(stage->publisher, 4, 4);
	assert_true(eventually(none_parked, stage, 5000));
	stage_free(stage);
}

static void what_was_refused_needs_no_receipt(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	char receipt[200];
	stage->target.receipts = TARGET_RECEIPTS_REQUIRED;
	forbid_qc(stage);
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 9, true);
	assert_true(stage_publish(stage));
	wanted = 3;
	assert_true(eventually(events_heard, stage, 10000));
	snprintf(receipt, sizeof(receipt), "{\"epoch\":\"%s\",\"through\":12,\"missing\":[[1,1],[4,4],[7,9]]}",
		journal_epoch(stage->journal));
	say(stage, ROOT_TOPIC "/receipt", receipt, NULL);
	wanted = 7; /* 1, 4 and 7 were refused; 8 was not */
	assert_true(eventually(all_delivered, stage, 5000));
	assert_int_equal(publisher_stats(stage->publisher)->through, 7);
	snprintf(receipt, sizeof(receipt), "{\"epoch\":\"%s\",\"through\":12,\"missing\":[[1,1],[4,4],[7,7]]}",
		journal_epoch(stage->journal));
	say(stage, ROOT_TOPIC "/receipt", receipt, NULL);
	wanted = 12;
	assert_true(eventually(all_delivered, stage, 5000));
	stage_free(stage);
}

static void a_target_gets_only_what_it_is_for(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	char receipt[200], ask[200];
	stage->target.receipts = TARGET_RECEIPTS_REQUIRED;
	strcpy(stage->target.filter.kinds, "sample");
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 9, true);
	assert_true(stage_publish(stage));
	wanted = 3;
	assert_true(eventually(all_heard, stage, 5000));
	/* of all that the platform misses only 6 is for it */
	snprintf(receipt, sizeof(receipt), "{\"epoch\":\"%s\",\"through\":9,\"missing\":[[1,2],[4,8]]}",
		journal_epoch(stage->journal));
	say(stage, ROOT_TOPIC "/receipt", receipt, NULL);
	wanted = 5;
	assert_true(eventually(all_delivered, stage, 5000));
	wanted = 4;
	assert_true(eventually(all_heard, stage, 5000));
	snprintf(receipt, sizeof(receipt), "{\"epoch\":\"%s\",\"through\":9,\"missing\":[[1,2],[4,5],[7,8]]}",
		journal_epoch(stage->journal));
	say(stage, ROOT_TOPIC "/receipt", receipt, NULL);
	wanted = 9;
	assert_true(eventually(all_delivered, stage, 5000));
	/* nor does it get the rest by asking for it */
	snprintf(ask, sizeof(ask), "{\"epoch\":\"%s\",\"from\":1,\"to\":9}", journal_epoch(stage->journal));
	say(stage, ROOT_TOPIC "/request/replay", ask, NULL);
	wanted = 7;
	assert_true(eventually(all_heard, stage, 5000));
	usleep(300000);
	stage_hear(stage);
	assert_int_equal(count_of(stage, "\\\"number\\\":"), 7);
	stage_free(stage);
}

static char *large_status(void *context)
{
	static const char before[] = "{\"online\":true,\"seq\":9,\"instruments\":{\"reader-1\":{\"health\":\"";
	char *text = malloc(4000);
	(void)context;
	assert_non_null(text);
	snprintf(text, 4000, "%s%0*d\"}}}", before, 3000, 0);
	return text;
}

/* All that it cannot take of the station is the whole status: neither entries nor the status may wait for that. */
static void deliver_past_a_status_too_large(enum target_protocol protocol)
{
	struct stage *stage = stage_new("max_packet_size 1500");
	stage->target.protocol = (int)protocol;
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 9, true);
	assert_int_equal(publisher_start(&stage->config, &stage->target, stage->journal, large_status, stage,
				 &stage->publisher, &stage->fault),
		0);
	wanted = 9;
	assert_true(eventually(all_delivered, stage, 20000));
	assert_true(eventually(all_heard, stage, 5000));
	assert_int_equal(publisher_stats(stage->publisher)->refused, 0);
	assert_true(count_of(stage, "{\\\"online\\\":true,\\\"seq\\\":9,\\\"abridged\\\":true}") > 0);
	stage_free(stage);
}

static void a_status_too_large_is_abridged(void **state)
{
	(void)state;
	deliver_past_a_status_too_large(TARGET_MQTT5);
	deliver_past_a_status_too_large(TARGET_MQTT311);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_county_is_told_of_each_refusal_once),
		cmocka_unit_test(a_refused_event_gives_no_event),
		cmocka_unit_test(what_was_refused_is_delivered_when_tried_again),
		cmocka_unit_test(no_wish_replaces_another_and_what_is_sent_again_anyhow_is_settled),
		cmocka_unit_test(what_was_refused_needs_no_receipt),
		cmocka_unit_test(a_target_gets_only_what_it_is_for),
		cmocka_unit_test(a_status_too_large_is_abridged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
