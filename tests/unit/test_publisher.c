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

static bool is_up(struct stage *stage)
{
	return publisher_stats(stage->publisher)->state == PUBLISHER_UP;
}

static bool is_lost(struct stage *stage)
{
	return publisher_stats(stage->publisher)->losses > 0;
}

static bool has_fault(struct stage *stage)
{
	struct fault fault;
	publisher_fault(stage->publisher, &fault);
	return *fault.text;
}

/* The number in the `index`-th entry heard. */
static long number_of(struct stage *stage, const char *suffix, unsigned index)
{
	struct json *message = heard(stage, suffix, index);
	const char *payload = message ? js_get_text(message, "payload") : NULL;
	const char *number = payload ? strstr(payload, "\"number\":") : NULL;
	long value = number ? atol(number + 9) : -1;
	js_free(message);
	return value;
}

/* Every number from 1 to `last` was heard; returns how many were heard more than once. */
static unsigned assert_all_heard(struct stage *stage, unsigned last)
{
	unsigned *times = calloc(last + 1, sizeof(*times)), more = 0;
	stage_hear(stage);
	for (const char *at = stage->text; (at = strstr(at, "\\\"number\\\":")); at++) {
		long number = atol(at + 11);
		assert_in_range(number, 1, last);
		times[number]++;
	}
	for (unsigned number = 1; number <= last; number++) {
		if (!times[number])
			fail_msg("entry %u was not heard", number);
		more += times[number] > 1;
	}
	free(times);
	return more;
}

static void everything_arrives_once_and_in_order(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 150, false);
	assert_true(stage_publish(stage));
	append(stage, 151, 300, false);
	wanted = 300;
	assert_true(eventually(all_heard, stage, 10000));
	assert_true(eventually(all_delivered, stage, 2000));
	assert_int_equal(assert_all_heard(stage, 300), 0);
	for (unsigned i = 0; i < 300; i += 7)
		assert_int_equal(number_of(stage, "/result", i), i + 1);
	assert_int_equal(publisher_stats(stage->publisher)->losses, 0);
	stage_free(stage);
}

static void each_kind_has_its_topic_and_cloud_event_attributes(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	assert_true(broker_start(stage) && ear_start(stage));
	assert_true(stage_publish(stage));
	append(stage, 1, 3, true);
	wanted = 3;
	assert_true(eventually(all_heard, stage, 10000));
	static const char *const topics[] = { "event", "result", "qc" }; /* of number 3, 1, 2 */
	for (unsigned i = 0; i < 3; i++) {
		char suffix[20], type[30];
		snprintf(suffix, sizeof(suffix), "/%s", topics[i]);
		snprintf(type, sizeof(type), "assay.v1.%s", topics[i]);
		struct json *message = heard(stage, suffix, 0);
		assert_non_null(message);
		const struct json *said = js_get(message, "properties");
		assert_string_equal(js_get_text(said, "specversion"), "1.0");
		assert_string_equal(js_get_text(said, "source"), ROOT_TOPIC);
		assert_string_equal(js_get_text(said, "type"), type);
		assert_string_equal(js_get_text(said, "datacontenttype"), "application/json");
		assert_string_equal(js_get_text(said, "content-type"), "application/json");
		assert_int_equal(strlen(js_get_text(said, "id")), 36);
		assert_non_null(strchr(js_get_text(said, "time"), 'T'));
		assert_non_null(strstr(js_get_text(message, "payload"), js_get_text(said, "id")));
		assert_false(js_get_bool(message, "retain", true));
		assert_int_equal(js_get_integer(message, "qos", 0), 1);
		js_free(message);
	}
	stage_free(stage);
}

static void a_killed_broker_costs_nothing(void **state)
{
	(void)state;
	struct stage *stage = stage_new("persistence true\nautosave_interval 1\nautosave_on_changes true");
	assert_true(broker_start(stage) && ear_start(stage));
	assert_true(stage_publish(stage));
	append(stage, 1, 200, false);
	wanted = 200;
	assert_true(eventually(all_heard, stage, 10000));
	/* Stopped, the broker acknowledges nothing that it could forget: what is in flight when it dies is ours to
	 * repeat. */
	kill(stage->broker, SIGSTOP);
	append(stage, 201, 250, false);
	usleep(200000);
	end_program(&stage->broker, SIGKILL);
	append(stage, 251, 400, false);
	assert_true(eventually(is_lost, stage, 5000));
	assert_true(eventually(has_fault, stage, 5000));
	assert_true(broker_start(stage));
	append(stage, 401, 500, false);
	wanted = 500;
	assert_true(eventually(all_delivered, stage, 20000));
	assert_true(eventually(all_heard, stage, 20000));
	usleep(1000000);
	/* only what was in flight may come twice, to the broker or from it */
	assert_in_range(assert_all_heard(stage, 500), 0, 100);
	assert_true(publisher_stats(stage->publisher)->connects >= 2);
	stage_free(stage);
}

static void what_was_delivered_is_not_sent_again_after_a_restart(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	assert_true(broker_start(stage) && ear_start(stage));
	assert_true(stage_publish(stage));
	append(stage, 1, 50, false);
	wanted = 50;
	assert_true(eventually(all_delivered, stage, 10000));
	publisher_stop(stage->publisher);
	append(stage, 51, 60, false);
	assert_true(stage_publish(stage));
	wanted = 60;
	assert_true(eventually(all_heard, stage, 10000));
	assert_int_equal(assert_all_heard(stage, 60), 0);
	stage_free(stage);
}

static void the_brokers_receive_maximum_is_honoured_without_stalling(void **state)
{
	(void)state;
	struct stage *stage = stage_new("max_inflight_messages 5");
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 1000, false);
	long start = clock_ms();
	assert_true(stage_publish(stage));
	wanted = 1000;
	assert_true(eventually(all_delivered, stage, 10000));
	assert_in_range(clock_ms() - start, 0, 5000); /* the library's own window would let 25 a second through */
	assert_int_equal(publisher_stats(stage->publisher)->losses, 0);
	stage_free(stage);
}

static void a_packet_too_large_for_the_broker_is_set_aside(void **state)
{
	(void)state;
	struct stage *stage = stage_new("max_packet_size 2000");
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 5, false);
	static char body[4000];
	snprintf(body, sizeof(body), "\"kind\":\"sample\",\"raw\":\"%03000d\"}", 0);
	struct entry entry = { .kind = ENTRY_RESULT, .id = "0195a3c4-0000-7000-8000-ffffffffffff", .body = body };
	assert_int_equal(journal_append(stage->journal, &entry, 1, NULL, NULL, &stage->fault), 0);
	append(stage, 6, 10, false);
	assert_true(stage_publish(stage));
	wanted = 11;
	assert_true(eventually(all_delivered, stage, 10000));
	wanted = 10;
	assert_true(eventually(all_heard, stage, 5000));
	assert_int_equal(assert_all_heard(stage, 10), 0);
	assert_int_equal(publisher_stats(stage->publisher)->refused, 1);
	assert_int_equal(publisher_stats(stage->publisher)->connects, 1);
	stage_free(stage);
}

static void what_the_broker_does_not_authorise_is_set_aside(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	char conf[1024];
	write_file(stage, "acl",
		"topic readwrite " ROOT_TOPIC "/result\ntopic readwrite " ROOT_TOPIC "/status\n"
		"topic read #\n");
	snprintf(conf, sizeof(conf), "user root\nlistener %d 127.0.0.1\nallow_anonymous true\nacl_file %s/acl\n",
		stage->port, stage->directory);
	write_file(stage, "mosquitto.conf", conf);
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 9, true);
	assert_true(stage_publish(stage));
	wanted = 12; /* with an event about each QC entry, refused as all events */
	assert_true(eventually(all_delivered, stage, 10000));
	wanted = 3;
	assert_true(eventually(all_heard, stage, 5000));
	assert_int_equal(publisher_stats(stage->publisher)->refused, 9);
	assert_int_equal(publisher_stats(stage->publisher)->connects, 1);
	stage_free(stage);
}

static bool hears_online(struct stage *stage)
{
	return count_of(stage, "online\\\":true") > 0;
}

static bool hears_offline(struct stage *stage)
{
	return count_of(stage, "online\\\":false") > 0;
}

static void the_status_is_retained_and_ends_as_offline(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	assert_true(broker_start(stage));
	assert_true(stage_publish(stage));
	assert_true(eventually(is_up, stage, 5000));
	usleep(300000);
	assert_true(ear_start(stage));
	assert_true(eventually(hears_online, stage, 5000));
	struct json *message = heard(stage, "/status", 0);
	assert_true(js_get_bool(message, "retain", false)); /* it was published before anybody listened */
	js_free(message);
	long start = clock_ms();
	publisher_stop(stage->publisher);
	stage->publisher = NULL;
	assert_in_range(clock_ms() - start, 0, 3000);
	assert_true(eventually(hears_offline, stage, 2000));
	stage_free(stage);
}

static void the_will_says_offline_when_the_program_dies(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	assert_true(broker_start(stage) && ear_start(stage));
	journal_close(stage->journal);
	stage->journal = NULL;
	pid_t child = fork();
	if (child == 0) {
		struct journal_options options = { .directory = stage->directory, .station = "330421103-01" };
		if (journal_open(&options, &stage->journal, NULL, &stage->fault) != 0 || !stage_publish(stage))
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(eventually(hears_online, stage, 10000));
	assert_false(hears_offline(stage));
	end_program(&child, SIGKILL);
	assert_true(eventually(hears_offline, stage, 5000));
	stage_free(stage);
}

static void mqtt_3_1_1_works_too(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	stage->target.protocol = TARGET_MQTT311;
	snprintf(stage->target.broker, sizeof(stage->target.broker), "mqtt://localhost:%d", stage->port); /* by name */
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 100, true);
	assert_true(stage_publish(stage));
	wanted = 100;
	assert_true(eventually(all_heard, stage, 10000));
	assert_true(eventually(all_delivered, stage, 2000));
	assert_int_equal(assert_all_heard(stage, 100), 0);
	stage_free(stage);
}

static void a_broker_that_falls_silent_is_left(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	stage->target.ack_timeout_ms = 1000;
	assert_true(broker_start(stage) && ear_start(stage));
	assert_true(stage_publish(stage));
	append(stage, 1, 10, false);
	wanted = 10;
	assert_true(eventually(all_delivered, stage, 5000));
	kill(stage->broker, SIGSTOP);
	append(stage, 11, 20, false);
	assert_true(eventually(is_lost, stage, 5000));
	kill(stage->broker, SIGCONT);
	wanted = 20;
	assert_true(eventually(all_delivered, stage, 15000));
	assert_true(eventually(all_heard, stage, 5000));
	assert_all_heard(stage, 20);
	stage_free(stage);
}

static bool answered(struct stage *stage)
{
	return publisher_stats(stage->publisher)->requests + publisher_stats(stage->publisher)->receipts >= wanted &&
	       count_of(stage, "/response/") >= wanted;
}

static void assert_answer(struct stage *stage, unsigned index, const char *what)
{
	struct json *message = heard(stage, "/response/replay", index);
	assert_non_null(message);
	if (!strstr(js_get_text(message, "payload"), what))
		fail_msg("%s is not in %s", what, js_get_text(message, "payload"));
	js_free(message);
}

static void the_platforms_requests_are_answered_and_nonsense_is_survived(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	char ask[200];
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 30, false);
	assert_true(stage_publish(stage));
	wanted = 30;
	assert_true(eventually(all_delivered, stage, 5000));

	say(stage, ROOT_TOPIC "/request/status", "", NULL);
	wanted = 1;
	assert_true(eventually(answered, stage, 5000));
	struct json *message = heard(stage, "/response/status", 0);
	assert_non_null(strstr(js_get_text(message, "payload"), "\"online\":true"));
	js_free(message);

	snprintf(ask, sizeof(ask), "{\"epoch\":\"%s\",\"from\":11,\"to\":13}", journal_epoch(stage->journal));
	say(stage, ROOT_TOPIC "/request/replay", ask, NULL);
	say(stage, ROOT_TOPIC "/request/replay", "{\"epoch\":\"other\",\"from\":1,\"to\":2}", NULL);
	snprintf(ask, sizeof(ask), "{\"epoch\":\"%s\",\"from\":30,\"to\":31}", journal_epoch(stage->journal));
	say(stage, ROOT_TOPIC "/request/replay", ask, NULL);
	say(stage, ROOT_TOPIC "/request/replay", "{", NULL);
	wanted = 5;
	assert_true(eventually(answered, stage, 5000));
	assert_answer(stage, 0, "\"accepted\":true");
	assert_answer(stage, 1, "\"reason\":\"unknown_epoch");
	assert_answer(stage, 2, "\"error\":\"the last entry is 30");
	assert_answer(stage, 3, "\"error\":\"the payload is no JSON");
	wanted = 33;
	assert_true(eventually(all_heard, stage, 5000));
	assert_int_equal(assert_all_heard(stage, 30), 3);
	assert_int_equal(number_of(stage, "/result", 30), 11);
	assert_int_equal(number_of(stage, "/result", 32), 13);

	say(stage, ROOT_TOPIC "/request/erase", "{}", NULL);                  /* answered with an error */
	say(stage, ROOT_TOPIC "/request/status", "{}", ROOT_TOPIC "/result"); /* must not be answered there */
	say(stage, ROOT_TOPIC "/receipt", "nonsense", NULL);
	say(stage, ROOT_TOPIC "/request/status", "{}", "platform/response/7");
	wanted = 7;
	assert_true(eventually(answered, stage, 5000));
	message = heard(stage, "platform/response/7", 0);
	assert_non_null(message);
	js_free(message);
	assert_null(heard(stage, "/result", 33));
	assert_int_equal(publisher_stats(stage->publisher)->requests, 8);
	assert_int_equal(publisher_stats(stage->publisher)->requests_refused, 6);
	assert_int_equal(publisher_stats(stage->publisher)->losses, 0);
	stage_free(stage);
}

static void a_flood_of_requests_delays_no_record(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	char path[100], port[8];
	assert_true(broker_start(stage) && ear_start(stage));
	assert_true(stage_publish(stage));
	append(stage, 1, 1, false);
	wanted = 1;
	assert_true(eventually(all_delivered, stage, 5000)); /* subscribed by then, too */
	snprintf(path, sizeof(path), "%s/large", stage->directory);
	snprintf(port, sizeof(port), "%d", stage->port);
	FILE *file = fopen(path, "w");
	for (int i = 0; i < 70000; i++)
		fputc('[', file);
	fclose(file);
	pid_t large = start_program(stage, "mosquitto_pub", "-V", "5", "-q", "1", "-p", port, "-t",
		ROOT_TOPIC "/request/replay", "-f", path, "--repeat", "200", NULL);
	append(stage, 2, 100, false);
	wanted = 100;
	assert_true(eventually(all_delivered, stage, 3000));
	waitpid(large, NULL, 0);
	assert_true(eventually(all_heard, stage, 5000));
	wanted = 1;
	assert_true(eventually(answered, stage, 5000));
	assert_answer(stage, 0, "are too many");
	assert_int_equal(publisher_stats(stage->publisher)->losses, 0);
	stage_free(stage);
}

static bool ask_for_status_a_thousand_times(struct stage *stage)
{
	char port[8];
	snprintf(port, sizeof(port), "%d", stage->port);
	pid_t asker = start_program(stage, "mosquitto_pub", "-V", "5", "-q", "1", "-p", port, "-t",
		ROOT_TOPIC "/request/status", "-m", "{}", "--repeat", "1000", NULL);
	int status;
	return waitpid(asker, &status, 0) == asker && status == 0;
}

static bool some_are_refused(struct stage *stage)
{
	return publisher_stats(stage->publisher)->requests_refused > 100;
}

static void answers_have_a_rate(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	assert_true(broker_start(stage) && ear_start(stage));
	assert_true(stage_publish(stage));
	append(stage, 1, 1, false);
	wanted = 1;
	assert_true(eventually(all_delivered, stage, 5000)); /* subscribed by then, too */
	long begun_ms = clock_ms();
	assert_true(ask_for_status_a_thousand_times(stage));
	assert_true(eventually(some_are_refused, stage, 30000));
	unsigned most = 16 + 10 * (unsigned)(clock_ms() - begun_ms + 999) / 1000; /* those that wait, and 10 a second */
	unsigned answers = count_of(stage, "/response/status");
	if (answers > most)
		fail_msg("%u answers, at most %u were due", answers, most);
	wanted = 1;
	assert_true(eventually(answered, stage, 5000));
	stage_free(stage);
}

static bool has_receipt(struct stage *stage)
{
	return publisher_stats(stage->publisher)->receipts >= wanted;
}

static void a_record_counts_as_delivered_when_a_receipt_covers_it(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	char receipt[200];
	stage->target.receipts = TARGET_RECEIPTS_REQUIRED;
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 20, false);
	assert_true(stage_publish(stage));
	wanted = 20;
	assert_true(eventually(all_heard, stage, 5000));
	assert_int_equal(publisher_stats(stage->publisher)->through, 0);
	snprintf(receipt, sizeof(receipt), "{\"epoch\":\"%s\",\"through\":20,\"missing\":[[8,9],[15,15]]}",
		journal_epoch(stage->journal));
	say(stage, ROOT_TOPIC "/receipt", receipt, NULL);
	wanted = 7;
	assert_true(eventually(all_delivered, stage, 5000));
	assert_int_equal(publisher_stats(stage->publisher)->through, 7);
	wanted = 23; /* what it lacks comes again */
	assert_true(eventually(all_heard, stage, 5000));
	assert_int_equal(assert_all_heard(stage, 20), 3);
	snprintf(receipt, sizeof(receipt), "{\"epoch\":\"%s\",\"through\":21}", journal_epoch(stage->journal));
	say(stage, ROOT_TOPIC "/receipt", receipt, NULL); /* 21 was never made: not believed */
	say(stage, ROOT_TOPIC "/receipt", "{\"epoch\":\"older\",\"through\":20}", NULL);
	snprintf(receipt, sizeof(receipt), "{\"epoch\":\"%s\",\"through\":19}", journal_epoch(stage->journal));
	say(stage, ROOT_TOPIC "/receipt", receipt, NULL);
	wanted = 2;
	assert_true(eventually(has_receipt, stage, 5000));
	wanted = 19;
	assert_true(eventually(all_delivered, stage, 2000));
	assert_int_equal(publisher_stats(stage->publisher)->through, 19);
	assert_int_equal(publisher_stats(stage->publisher)->receipts, 2);
	assert_int_equal(publisher_stats(stage->publisher)->requests_refused, 1);
	stage_free(stage);
}

static void behind_a_long_backlog_new_entries_go_first(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	stage->target.backlog_rate = 2000;
	assert_true(broker_start(stage) && ear_start(stage));
	append(stage, 1, 10500, false);
	assert_true(stage_publish(stage));
	assert_true(eventually(is_up, stage, 5000));
	usleep(500000);
	append(stage, 10501, 10510, false);
	wanted = 10510;
	assert_true(eventually(all_delivered, stage, 30000));
	assert_true(eventually(all_heard, stage, 10000));
	assert_int_equal(assert_all_heard(stage, 10510), 0);
	long last_old = 0, last_new = 10500, at = 0, new_at = 0;
	stage_hear(stage);
	for (const char *line = stage->text; (line = strstr(line, "\\\"number\\\":")); at++) {
		line += 11;
		long number = atol(line);
		long *last = number > 10500 ? &last_new : &last_old;
		assert_int_equal(number, *last + 1); /* each of the two in its own order */
		*last = number;
		if (number == 10501)
			new_at = at;
	}
	assert_in_range(new_at, 1, 5000);
	publisher_stop(stage->publisher);
	uint64_t through = 0;
	assert_int_equal(journal_target(stage->journal, "county", &through, &stage->fault), 0);
	assert_int_equal(through, 10510);
	stage->publisher = NULL;
	stage_free(stage);
}

static bool is_taken_over(struct stage *stage)
{
	struct fault fault;
	publisher_fault(stage->publisher, &fault);
	return strstr(fault.text, "another client") && journal_head(stage->journal) > 0;
}

static int copy_payload(void *context, const struct stored *stored)
{
	snprintf(context, 1000, "%.*s", (int)stored->length, stored->payload);
	return 0;
}

static void another_client_with_our_name_is_not_fought(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	char port[8];
	assert_true(broker_start(stage));
	assert_true(stage_publish(stage));
	assert_true(eventually(is_up, stage, 5000));
	snprintf(port, sizeof(port), "%d", stage->port);
	/* it comes back after each of our returns, as any client would */
	pid_t other = start_program(
		stage, "mosquitto_sub", "-V", "5", "-i", "330421103-01", "-t", "nothing", "-p", port, NULL);
	assert_true(eventually(is_taken_over, stage, 20000));
	usleep(3000000); /* the longest usual pause here is one second */
	assert_int_equal(publisher_stats(stage->publisher)->connects, 3);
	end_program(&other, SIGKILL);

	struct journal_reader *reader;
	char event[1000] = "";
	assert_int_equal(journal_head(stage->journal), 1); /* told once, for other targets too */
	assert_int_equal(journal_reader_open(journal_path(stage->journal), &reader, &stage->fault), 0);
	assert_int_equal(journal_read(reader, 1, 1, copy_payload, event, &stage->fault), 1);
	journal_reader_close(reader);
	assert_non_null(strstr(event, "\"event\":\"taken_over\""));
	assert_non_null(strstr(event, "\"target\":\"county\""));
	assert_non_null(strstr(event, "\"client_id\":\"330421103-01\""));
	stage_free(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* first: it forks, and the library's threads do not survive that */
		cmocka_unit_test(the_will_says_offline_when_the_program_dies),
		cmocka_unit_test(everything_arrives_once_and_in_order),
		cmocka_unit_test(each_kind_has_its_topic_and_cloud_event_attributes),
		cmocka_unit_test(a_killed_broker_costs_nothing),
		cmocka_unit_test(what_was_delivered_is_not_sent_again_after_a_restart),
		cmocka_unit_test(the_brokers_receive_maximum_is_honoured_without_stalling),
		cmocka_unit_test(a_packet_too_large_for_the_broker_is_set_aside),
		cmocka_unit_test(what_the_broker_does_not_authorise_is_set_aside),
		cmocka_unit_test(the_status_is_retained_and_ends_as_offline),
		cmocka_unit_test(mqtt_3_1_1_works_too),
		cmocka_unit_test(a_broker_that_falls_silent_is_left),
		cmocka_unit_test(the_platforms_requests_are_answered_and_nonsense_is_survived),
		cmocka_unit_test(a_flood_of_requests_delays_no_record),
		cmocka_unit_test(answers_have_a_rate),
		cmocka_unit_test(a_record_counts_as_delivered_when_a_receipt_covers_it),
		cmocka_unit_test(behind_a_long_backlog_new_entries_go_first),
		cmocka_unit_test(another_client_with_our_name_is_not_fought),
	};
	cmocka_set_test_filter(getenv("TEST")); /* one of them alone */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
