/* Seals: what is signed, and that the head of the chain always is, a second later at most. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "../../daemon/clock.h"
#include "../../daemon/journal_parts.h"
#include "../../daemon/sealer.h"
#include "../../daemon/sqlite.h"
#include "journal_fixture.h"

static struct signature_key *make_key(enum signature_kind kind)
{
	struct signature_key *key;
	struct fault fault;
	if (signature_key_make(kind, &key, &fault) != 0)
		fail_msg("%s", fault.text);
	return key;
}

static struct seal example(void)
{
	struct seal seal = {
		.station = "330421103-01", .epoch = "7f3a", .seq = 18231, .at = "2026-03-05T09:43:02.118+08:00"
	};
	memset(seal.hash, 0xab, DIGEST_SIZE);
	return seal;
}

static void the_signed_text_is_what_the_contract_says(void **state)
{
	(void)state;
	char text[SEAL_TEXT_MAX], expected[SEAL_TEXT_MAX];
	struct signature_key *key = make_key(SIGNATURE_ED25519);
	struct seal seal = example();
	seal_sign(&seal, key);
	snprintf(expected, sizeof(expected),
		"assay/v1/seal\n330421103-01\n7f3a\n18231\nsha256:"
		"abababababababababababababababababababababababababababababababab\n"
		"2026-03-05T09:43:02.118+08:00\ned25519\n%s\n",
		signature_key_id(key));
	assert_int_equal(seal_text(text, &seal), strlen(expected));
	assert_string_equal(text, expected);
	assert_int_equal(seal.signature_length, 64);
	signature_key_free(key);
}

static void whatever_is_changed_in_a_seal_is_seen(void **state)
{
	(void)state;
	static const enum signature_kind kinds[] = { SIGNATURE_ED25519, SIGNATURE_SM2 };
	for (size_t k = 0; k < 2; k++) {
		struct signature_key *key = make_key(kinds[k]), *other = make_key(kinds[k]),
				     *odd = make_key(kinds[1 - k]);
		struct seal seal = example(), changed;
		seal_sign(&seal, key);
		assert_true(seal_is_right(&seal, key));
		assert_false(seal_is_right(&seal, other));
		assert_false(seal_is_right(&seal, odd));
#define CHANGED(what)                                                                                                  \
	changed = seal;                                                                                                \
	what;                                                                                                          \
	assert_false(seal_is_right(&changed, key))
		CHANGED(changed.station[0] = '4');
		CHANGED(changed.epoch[3] = 'b');
		CHANGED(changed.seq++);
		CHANGED(changed.hash[31] ^= 1);
		CHANGED(changed.digest = DIGEST_SM3);
		CHANGED(changed.at[0] = '3');
		CHANGED(changed.key[10] ^= 1);
		CHANGED(changed.signature[10] ^= 1);
		CHANGED(changed.signature_length--);
		signature_key_free(key);
		signature_key_free(other);
		signature_key_free(odd);
	}
}

static void digests_and_base64_read_back_what_they_write_and_nothing_else(void **state)
{
	(void)state;
	uint8_t digest[DIGEST_SIZE], back[DIGEST_SIZE];
	char text[DIGEST_TEXT_MAX];
	enum digest_kind kind = DIGEST_SHA256;
	digest_of(DIGEST_SM3, "abc", 3, digest);
	digest_text(DIGEST_SM3, digest, text); /* GB/T 32905-2016, A.1 */
	assert_string_equal(text, "sm3:66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
	assert_int_equal(digest_parse(text, strlen(text), &kind, back), strlen(text));
	assert_int_equal(kind, DIGEST_SM3);
	assert_memory_equal(digest, back, DIGEST_SIZE);
	assert_int_equal(digest_parse(text, strlen(text) - 1, &kind, back), 0);
	text[20] = 'G';
	assert_int_equal(digest_parse(text, strlen(text), &kind, back), 0);
	assert_int_equal(digest_parse("md5:", 4, &kind, back), 0);

	uint8_t bytes[12];
	assert_int_equal(digest_base64_read("fhEP", 4, bytes), 3);
	assert_memory_equal(bytes, "\x7e\x11\x0f", 3);
	assert_int_equal(digest_base64_read("fg==", 4, bytes), 1);
	static const char *const wrong[] = { "", "fhE", "f$EP", " fhE", "fhE\n", "fhEPf", "fh==", "fhF=" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(digest_base64_read(wrong[i], strlen(wrong[i]), bytes), -EINVAL);
}

/* --- in the journal */

static void append(struct fixture *fixture, unsigned first, unsigned count)
{
	for (unsigned number = first; number < first + count; number++) {
		struct entry entry = entry_of(number);
		assert_int_equal(journal_append(fixture->journal, &entry, 1, NULL, NULL, &fixture->fault), 0);
	}
}

static int digest_last(void *context, const struct stored *stored)
{
	enum digest_kind kind;
	struct fixture *fixture = ((void **)context)[0];
	journal_reader_epoch(fixture->reader, &kind);
	digest_of(kind, stored->payload, stored->length, ((void **)context)[1]);
	return 0;
}

static void covers(struct fixture *fixture, const struct seal *seal, const struct signature_key *key, uint64_t seq)
{
	uint8_t hash[DIGEST_SIZE];
	void *context[] = { fixture, hash };
	assert_int_equal(seal->seq, seq);
	assert_string_equal(seal->station, "330421103-01");
	assert_string_equal(seal->epoch, journal_epoch(fixture->journal));
	assert_int_equal(journal_read(fixture->reader, seq, 1, digest_last, context, &fixture->fault), 1);
	assert_memory_equal(hash, seal->hash, DIGEST_SIZE);
	assert_true(seal_is_right(seal, key));
}

static void a_seal_is_read_at_once_and_stored_with_the_next_commit(void **state)
{
	struct fixture *fixture = *state;
	struct signature_key *key = make_key(SIGNATURE_ED25519);
	struct seal seal, back;
	bool changed = true;
	assert_int_equal(journal_key(fixture->journal, key, &changed, &fixture->fault), 0);
	assert_false(changed);
	assert_false(journal_unsealed(fixture->journal, &seal));
	append(fixture, 1, 3);
	assert_true(journal_unsealed(fixture->journal, &seal));
	seal_sign(&seal, key);
	journal_seal(fixture->journal, &seal);
	assert_false(journal_unsealed(fixture->journal, &back));
	assert_int_equal(journal_next_seal(fixture->reader, 0, &back, &fixture->fault), 0);
	assert_true(journal_fresh_seal(fixture->journal, 2, &back));
	covers(fixture, &back, key, 3);
	assert_false(journal_fresh_seal(fixture->journal, 3, &back));

	append(fixture, 4, 1);
	assert_false(journal_fresh_seal(fixture->journal, 0, &back));
	assert_int_equal(journal_next_seal(fixture->reader, 0, &back, &fixture->fault), 1);
	covers(fixture, &back, key, 3);
	assert_int_equal(journal_next_seal(fixture->reader, 3, &back, &fixture->fault), 0);
	signature_key_free(key);
}

static void a_seal_waiting_for_a_commit_outlives_the_close(void **state)
{
	struct fixture *fixture = *state;
	struct signature_key *key = make_key(SIGNATURE_SM2), *other = make_key(SIGNATURE_ED25519);
	struct seal seal, back;
	struct kept_key kept;
	bool changed;
	append(fixture, 1, 2);
	assert_int_equal(journal_key(fixture->journal, key, NULL, &fixture->fault), 0);
	assert_true(journal_unsealed(fixture->journal, &seal));
	seal_sign(&seal, key);
	journal_seal(fixture->journal, &seal);
	fixture_stop(fixture);
	assert_int_equal(fixture_start(fixture), 0);
	assert_int_equal(journal_sealed(fixture->journal), 2);
	assert_int_equal(journal_next_seal(fixture->reader, 0, &back, &fixture->fault), 1);
	covers(fixture, &back, key, 2);
	assert_int_equal(journal_key(fixture->journal, key, &changed, &fixture->fault), 0);
	assert_false(changed);
	assert_int_equal(journal_key(fixture->journal, other, &changed, &fixture->fault), 0);
	assert_true(changed);
	assert_int_equal(journal_read_key(fixture->reader, NULL, &kept, &fixture->fault), 1);
	assert_string_equal(kept.id, signature_key_id(other));
	assert_int_equal(journal_read_key(fixture->reader, signature_key_id(key), &kept, &fixture->fault), 1);
	assert_string_equal(kept.algorithm, "sm2-sm3");
	signature_key_free(key);
	signature_key_free(other);
}

static struct journal *late_journal;
static struct seal late; /* comes while the others are being stored */
int __real_store_commit(struct store *store, struct fault *fault);
int __wrap_store_commit(struct store *store, struct fault *fault);
int __wrap_store_commit(struct store *store, struct fault *fault)
{
	struct journal *journal = late_journal;
	late_journal = NULL;
	if (journal)
		journal_seal(journal, &late);
	return __real_store_commit(store, fault);
}

/* The disk was slow, as many wait as may, and a commit that stores them is under way. */
static void a_seal_that_comes_while_many_are_stored_is_not_taken_for_one_of_them(void **state)
{
	struct fixture *fixture = *state;
	struct signature_key *key = make_key(SIGNATURE_ED25519);
	struct seal seal, back;
	assert_int_equal(journal_key(fixture->journal, key, NULL, &fixture->fault), 0);
	append(fixture, 1, SEALS_MAX + 1);
	assert_true(journal_unsealed(fixture->journal, &seal));
	assert_int_equal(seal.seq, SEALS_MAX + 1);
	for (seal.seq = 1; seal.seq <= SEALS_MAX; seal.seq++) {
		seal_sign(&seal, key);
		journal_seal(fixture->journal, &seal);
	}
	seal_sign(&seal, key);
	late = seal;
	late_journal = fixture->journal;
	append(fixture, SEALS_MAX + 2, 1);
	assert_null(late_journal);
	assert_true(journal_fresh_seal(fixture->journal, SEALS_MAX, &back));
	fixture_stop(fixture);
	assert_int_equal(fixture_start(fixture), 0);
	for (uint64_t seq = 1; seq <= SEALS_MAX + 1; seq++) {
		assert_int_equal(journal_next_seal(fixture->reader, seq - 1, &back, &fixture->fault), 1);
		assert_int_equal(back.seq, seq);
	}
	signature_key_free(key);
}

static void an_epoch_of_sm3_is_chained_with_sm3_for_ever(void **state)
{
	struct fixture *fixture = fixture_directory();
	struct journal_options options = {
		.directory = fixture->directory, .station = fixture->station, .digest = DIGEST_SM3
	};
	struct reading_back back = { 0 };
	(void)state;
	assert_int_equal(journal_open(&options, &fixture->journal, NULL, &fixture->fault), 0);
	append(fixture, 1, 2);
	journal_close(fixture->journal);
	assert_int_equal(fixture_start(fixture), 0); /* with sha256 in the options */
	append(fixture, 3, 1);
	assert_int_equal(journal_digest(fixture->journal), DIGEST_SM3);
	assert_int_equal(read_back(fixture, 1, 10, &back), 3);
	for (size_t i = 0; i < 3; i++)
		assert_non_null(strstr(back.payload[i], "\"prev\":\"sm3:"));
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
	reading_back_free(&back);
	fixture_stop(fixture);
	fixture_remove(fixture);
}

static void the_view_of_the_file_shows_the_same_bytes(void **state)
{
	struct fixture *fixture = *state;
	struct reading_back back = { 0 };
	struct db *db;
	struct db_query *query;
	append(fixture, 1, 1);
	assert_int_equal(read_back(fixture, 1, 1, &back), 1);
	assert_int_equal(db_open(fixture->file, DB_READ, &db, &fixture->fault), 0);
	assert_int_equal(db_prepare(db, "SELECT bytes FROM payload", &query, &fixture->fault), 0);
	assert_int_equal(db_step(query, &fixture->fault), 1);
	assert_string_equal(db_text(query, 0, NULL), back.payload[0]);
	db_close(db);
	reading_back_free(&back);
}

/* As version 1 left it: without any of what the second brought. */
static void a_journal_of_the_first_schema_is_read_and_then_brought_up_to_date(void **state)
{
	struct fixture *fixture = *state;
	struct seal seal;
	struct kept_key kept;
	struct db *db;
	append(fixture, 1, 2);
	fixture_stop(fixture);
	assert_int_equal(db_open(fixture->file, DB_WRITE, &db, &fixture->fault), 0);
	assert_int_equal(
		db_run(db,
			"DROP TABLE seal; DROP TABLE sealing_key; DROP TABLE manifest; DROP TABLE known; DROP TABLE sample; DROP TABLE binding; DROP TABLE retest; DROP VIEW payload; ALTER TABLE entry DROP COLUMN digest48;"
			"CREATE VIEW payload(seq, bytes) AS SELECT seq, body FROM entry;"
			"UPDATE state SET number = 1 WHERE kind = 'schema'; PRAGMA user_version = 1",
			&fixture->fault),
		0);
	db_close(db);
	assert_int_equal(journal_reader_open(fixture->file, &fixture->reader, &fixture->fault), 0);
	assert_int_equal(journal_next_seal(fixture->reader, 0, &seal, &fixture->fault), 0);
	assert_int_equal(journal_read_key(fixture->reader, NULL, &kept, &fixture->fault), 0);
	journal_reader_close(fixture->reader);
	assert_int_equal(fixture_start(fixture), 0);
	assert_null(fixture->setaside);
	assert_int_equal(journal_head(fixture->journal), 2);
	assert_true(journal_unsealed(fixture->journal, &seal));
	assert_int_equal(seal.seq, 2);
}

/* --- the thread */

static bool sealed_within(struct fixture *fixture, uint64_t seq, long limit_ms)
{
	long until = clock_ms() + limit_ms;
	while (journal_sealed(fixture->journal) < seq && clock_ms() < until)
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	return journal_sealed(fixture->journal) >= seq;
}

static void the_head_is_sealed_within_a_second_and_at_the_stop(void **state)
{
	struct fixture *fixture = *state;
	struct signature_key *key = make_key(SIGNATURE_ED25519);
	char *pem = signature_key_pem(key, false);
	struct signature_key *public;
	struct sealer *sealer;
	struct seal seal;
	assert_int_equal(signature_key_read(pem, strlen(pem), false, &public, &fixture->fault), 0);
	free(pem);
	append(fixture, 1, 1);
	assert_int_equal(journal_key(fixture->journal, key, NULL, &fixture->fault), 0);
	assert_int_equal(sealer_start(fixture->journal, key, &sealer, &fixture->fault), 0);
	assert_true(sealed_within(fixture, 1, 5000)); /* what an earlier life left, at once */
	append(fixture, 2, 5);
	assert_true(sealed_within(fixture, 6, 5000));
	append(fixture, 7, 1);
	sealer_seal(sealer);
	assert_int_equal(journal_sealed(fixture->journal), 7);
	append(fixture, 8, 1);
	sealer_stop(sealer);
	assert_int_equal(journal_sealed(fixture->journal), 8);

	fixture_stop(fixture);
	assert_int_equal(fixture_start(fixture), 0);
	uint64_t after = 0;
	while (journal_next_seal(fixture->reader, after, &seal, &fixture->fault) == 1) {
		covers(fixture, &seal, public, seal.seq);
		after = seal.seq;
	}
	assert_int_equal(after, 8);
	signature_key_free(public);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define WITH_JOURNAL(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
		cmocka_unit_test(the_signed_text_is_what_the_contract_says),
		cmocka_unit_test(whatever_is_changed_in_a_seal_is_seen),
		cmocka_unit_test(digests_and_base64_read_back_what_they_write_and_nothing_else),
		WITH_JOURNAL(a_seal_is_read_at_once_and_stored_with_the_next_commit),
		WITH_JOURNAL(a_seal_waiting_for_a_commit_outlives_the_close),
		WITH_JOURNAL(a_seal_that_comes_while_many_are_stored_is_not_taken_for_one_of_them),
		cmocka_unit_test(an_epoch_of_sm3_is_chained_with_sm3_for_ever),
		WITH_JOURNAL(the_view_of_the_file_shows_the_same_bytes),
		WITH_JOURNAL(a_journal_of_the_first_schema_is_read_and_then_brought_up_to_date),
		WITH_JOURNAL(the_head_is_sealed_within_a_second_and_at_the_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
