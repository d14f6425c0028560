/* The day's manifest: every day that is over, a run without a hole, signed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "../../daemon/clock.h"
#include "../../daemon/manifest.h"
#include "../../daemon/sqlite.h"
#include "journal_fixture.h"

static void append(struct fixture *fixture, unsigned number, enum entry_kind kind, const char *body)
{
	struct entry entry = entry_of(number);
	entry.kind = kind;
	entry.body = (char *)body;
	if (journal_append(fixture->journal, &entry, 1, NULL, NULL, &fixture->fault) != 0)
		fail_msg("%s", fixture->fault.text);
}

static void append_eight(struct fixture *fixture)
{
	append(fixture, 1, ENTRY_EVENT, "\"event\":\"gateway_started\"}");
	append(fixture, 2, ENTRY_RESULT,
		"\"kind\":\"sample\",\"instrument\":{\"id\":\"pr-1\"},\"instrument_seq\":\"17\"}");
	append(fixture, 3, ENTRY_RESULT,
		"\"kind\":\"sample\",\"instrument\":{\"id\":\"pr-1\"},\"instrument_seq\":\"18\"}");
	append(fixture, 4, ENTRY_QC, "\"kind\":\"qc\",\"instrument\":{\"id\":\"an-1\"}}");
	append(fixture, 5, ENTRY_RESULT,
		"\"kind\":\"sample\",\"instrument\":{\"id\":\"pr-1\"},\"instrument_seq\":\"19\"}");
	append(fixture, 6, ENTRY_EVENT, "\"event\":\"instrument_lost\"}");
	append(fixture, 7, ENTRY_RESULT,
		"\"kind\":\"sample\",\"instrument\":{\"id\":\"pr-1\"},\"instrument_seq\":\"20\"}");
	append(fixture, 8, ENTRY_RESULT,
		"\"kind\":\"sample\",\"instrument\":{\"id\":\"pr-1\"},\"instrument_seq\":\"21\"}");
}

/* What the clock said when an entry came is not part of its bytes. */
static void received(struct fixture *fixture, const char *statements)
{
	struct db *db;
	fixture_stop(fixture);
	assert_int_equal(db_open(fixture->file, DB_WRITE, &db, &fixture->fault), 0);
	if (db_run(db, statements, &fixture->fault) != 0)
		fail_msg("%s", fixture->fault.text);
	db_close(db);
	assert_int_equal(fixture_start(fixture), 0);
}

static void make_manifests(struct fixture *fixture, const struct signature_key *key)
{
	static const _Atomic bool stop = false;
	static _Atomic unsigned long beat;
	struct manifester *manifester;
	assert_int_equal(manifester_new(fixture->journal, key, &manifester, &fixture->fault), 0);
	if (manifester_turn(manifester, &stop, &beat, &fixture->fault) != 0)
		fail_msg("%s", fixture->fault.text);
	assert_int_equal(manifester_turn(manifester, &stop, &beat, &fixture->fault), 0); /* and nothing more */
	manifester_free(manifester);
}

struct made {
	size_t count;
	uint64_t last;
	struct json *manifests[8];
};

static int take(void *context, const struct kept_manifest *manifest)
{
	struct made *made = context;
	made->last = manifest->last;
	made->manifests[made->count++] = js_parse(manifest->payload, strlen(manifest->payload), NULL);
	return 0;
}

static struct made all_made(struct fixture *fixture, const char *day)
{
	struct made made = { 0 };
	while (journal_next_manifest(fixture->reader, made.last, day, take, &made, &fixture->fault) == 1)
		continue;
	return made;
}

static void free_made(struct made *made)
{
	for (size_t i = 0; i < made->count; i++)
		js_free(made->manifests[i]);
}

static void has_range(const struct json *manifest, const char *day, int64_t first, int64_t last)
{
	assert_string_equal(js_get_text(manifest, "day"), day);
	assert_int_equal(js_get_integer(manifest, "first", 0), first);
	assert_int_equal(js_get_integer(manifest, "last", 0), last);
}

static const struct signature_key *station_key(void)
{
	static struct signature_key *key;
	if (!key)
		assert_int_equal(signature_key_make(SIGNATURE_ED25519, &key, NULL), 0);
	return key;
}

/* 2026-03-05T12:00+08:00 and the days after */
#define NOON "1772683200000"

static void each_day_that_is_over_gets_one_and_today_none(void **state)
{
	struct fixture *fixture = *state;
	append_eight(fixture);
	received(fixture, "UPDATE entry SET received_ms = " NOON " WHERE seq <= 4;"
			  "UPDATE entry SET received_ms = " NOON " + 3 * 86400000 WHERE seq IN (5, 6)");
	make_manifests(fixture, station_key());
	struct made made = all_made(fixture, NULL);
	assert_int_equal(made.count, 2); /* entries 7 and 8 came just now */
	has_range(made.manifests[0], "2026-03-05", 1, 4);
	has_range(made.manifests[1], "2026-03-08", 5, 6);
	assert_int_equal(js_get_integer(made.manifests[0], "events", 0), 1);
	char *instruments = js_dump(js_get(made.manifests[0], "instruments"));
	assert_string_equal(instruments,
		"{\"pr-1\":{\"sample\":2,\"counter_first\":\"17\",\"counter_last\":\"18\"},\"an-1\":{\"qc\":1}}");
	free(instruments);
	assert_true(manifest_is_right(made.manifests[0], station_key()));
	free_made(&made);

	make_manifests(fixture, station_key()); /* another start makes none twice */
	made = all_made(fixture, NULL);
	assert_int_equal(made.count, 2);
	free_made(&made);
	made = all_made(fixture, "2026-03-08");
	assert_int_equal(made.count, 1);
	free_made(&made);
	assert_int_equal(all_made(fixture, "2026-03-06").count, 0);
	assert_int_equal(journal_manifested(fixture->journal), 6);
}

static void a_clock_that_was_set_parts_a_day_but_leaves_no_hole(void **state)
{
	struct fixture *fixture = *state;
	append_eight(fixture);
	received(fixture, "UPDATE entry SET received_ms = 1000;"
			  "UPDATE entry SET received_ms = " NOON " WHERE seq IN (3, 4, 7, 8);");
	make_manifests(fixture, station_key());
	struct made made = all_made(fixture, NULL);
	assert_int_equal(made.count, 4);
	has_range(made.manifests[0], "1970-01-01", 1, 2);
	has_range(made.manifests[1], "2026-03-05", 3, 4);
	has_range(made.manifests[2], "1970-01-01", 5, 6);
	has_range(made.manifests[3], "2026-03-05", 7, 8);
	free_made(&made);
}

static void whatever_is_changed_in_a_manifest_is_seen_but_not_how_it_is_written(void **state)
{
	(void)state;
	static const char text[] =
		"{\"v\":1,\"station\":\"330421103-01\",\"epoch\":\"7f3a\",\"day\":\"2026-03-05\",\"first\":1,"
		"\"last\":9,\"hash\":\"sha256:00\",\"digest\":\"sha256:11\",\"events\":2,\"instruments\":"
		"{\"pr-1\":{\"sample\":5,\"counter_first\":\"1 7\"},\"an-1\":{\"qc\":1}},\"at\":\"2026\"}";
	struct json *manifest = js_parse(text, strlen(text), NULL);
	manifest_sign(manifest, station_key());
	char *signed_text = manifest_text(manifest), expected[600];
	snprintf(expected, sizeof(expected),
		"assay/v1/manifest\n330421103-01\n7f3a\n2026-03-05\n1\n9\nsha256:00\nsha256:11\n2\nan-1 qc 1\n"
		"pr-1 counter_first 1 7\npr-1 sample 5\n2026\ned25519\n%s\n",
		signature_key_id(station_key()));
	assert_string_equal(signed_text, expected);
	free(signed_text);
	assert_true(manifest_is_right(manifest, station_key()));
	char *indented = js_dump_indented(manifest);
	struct json *again = js_parse(indented, strlen(indented), NULL);
	assert_true(manifest_is_right(again, station_key()));
	js_put_integer(again, "last", 8);
	assert_false(manifest_is_right(again, station_key()));
	js_put_integer(again, "last", 9);
	assert_true(manifest_is_right(again, station_key()));
	js_put_integer(js_get(js_get(again, "instruments"), "pr-1"), "sample", 4);
	assert_false(manifest_is_right(again, station_key()));
	js_put_text(again, "day", "2026-03-05\nx");
	assert_null(manifest_text(again));
	assert_false(manifest_is_right(again, station_key()));
	free(indented);
	js_free(again);
	js_free(manifest);
}

static void instruments_that_count_nothing_are_no_manifest(void **state)
{
	(void)state;
	static const char *const instruments[] = { "[]", "[1,2]", "[{},{}]", "{\"a\":[1,2]}", "{\"a\":[]}",
		"{\"a\":{}}", "1", "null" };
	for (size_t i = 0; i < sizeof(instruments) / sizeof(*instruments); i++) {
		char text[300];
		snprintf(text, sizeof(text),
			"{\"station\":\"1\",\"epoch\":\"7\",\"day\":\"d\",\"first\":1,\"last\":9,\"hash\":\"h\",\"digest\":\"h\","
			"\"events\":2,\"instruments\":%s,\"at\":\"a\",\"alg\":\"ed25519\",\"key\":\"k\"}",
			instruments[i]);
		struct json *manifest = js_parse(text, strlen(text), NULL);
		assert_non_null(manifest);
		assert_null(manifest_text(manifest));
		js_put(manifest, "instruments", js_new_object());
		char *right = manifest_text(manifest);
		assert_non_null(right);
		free(right);
		js_free(manifest);
	}
}

int main(void)
{
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			each_day_that_is_over_gets_one_and_today_none, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(
			a_clock_that_was_set_parts_a_day_but_leaves_no_hole, fixture_open, fixture_close),
		cmocka_unit_test(whatever_is_changed_in_a_manifest_is_seen_but_not_how_it_is_written),
		cmocka_unit_test(instruments_that_count_nothing_are_no_manifest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
