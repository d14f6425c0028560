/* Exports: lines that prove themselves, rows a spreadsheet shows as they stand,
 * and the judge of the former. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>

#include "../../daemon/export.h"
#include "../../daemon/verify.h"
#include "journal_fixture.h"

static struct signature_key *key;

static void append(struct fixture *fixture, unsigned first, unsigned count)
{
	for (unsigned number = first; number < first + count; number++) {
		struct entry entry = entry_of(number);
		assert_int_equal(journal_append(fixture->journal, &entry, 1, NULL, NULL, &fixture->fault), 0);
	}
}

static void seal(struct fixture *fixture)
{
	struct seal seal;
	assert_true(journal_unsealed(fixture->journal, &seal));
	seal_sign(&seal, key);
	journal_seal(fixture->journal, &seal);
	assert_int_equal(journal_append(fixture->journal, NULL, 0, NULL, NULL, &fixture->fault), 0);
}

/* Entries 1 to 9, sealed at 3 and 7. */
static int open_sealed(void **state)
{
	if (fixture_open(state) != 0)
		return -1;
	struct fixture *fixture = *state;
	assert_int_equal(signature_key_make(SIGNATURE_ED25519, &key, NULL), 0);
	assert_int_equal(journal_key(fixture->journal, key, NULL, &fixture->fault), 0);
	append(fixture, 1, 3);
	seal(fixture);
	append(fixture, 4, 4);
	seal(fixture);
	append(fixture, 8, 2);
	return 0;
}

static int close_sealed(void **state)
{
	signature_key_free(key);
	return fixture_close(state);
}

/* ---- exports and their judge ---- */

struct exported {
	char text[65536];
	size_t length, lines;
};

static int keep_line(void *context, const char *line, size_t length)
{
	struct exported *exported = context;
	assert_true(exported->length + length + 1 < sizeof(exported->text));
	memcpy(exported->text + exported->length, line, length);
	exported->length += length;
	exported->text[exported->length++] = '\n';
	exported->lines++;
	return 0;
}

static struct exported *export(struct fixture *fixture, uint64_t first, uint64_t last, struct export_run *run)
{
	static struct exported exported;
	exported = (struct exported){ .length = 0 };
	*run = (struct export_run){ .first = first, .last = last };
	if (export_lines(fixture->reader, run, keep_line, &exported, &fixture->fault) != 0)
		fail_msg("%s", fixture->fault.text);
	return &exported;
}

struct judged {
	unsigned faults, kinds;
	uint64_t proven, seq;
};

static void take_fault(void *context, const struct verify_fault *fault)
{
	struct judged *judged = context;
	judged->faults++;
	judged->kinds |= 1u << fault->kind;
	judged->seq = fault->seq;
}

static void take_epoch(void *context, const struct verify_epoch *epoch)
{
	((struct judged *)context)->proven = epoch->sealed;
}

static struct verify *verifier(struct judged *judged, bool with_key)
{
	struct verify *verify = verify_new(NULL, take_fault, take_epoch, judged);
	struct signature_key *public;
	if (!with_key)
		return verify; /* believes what an export brings */
	char *pem = signature_key_pem(key, false);
	assert_int_equal(signature_key_read(pem, strlen(pem), false, &public, NULL), 0);
	verify_trust(verify, public);
	free(pem);
	return verify;
}

static void read_text(struct verify *verify, const char *text, size_t length)
{
	struct fault fault;
	int fd = memfd_create("export", MFD_CLOEXEC);
	assert_int_equal(write(fd, text, length), length);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(verify_read(verify, fd, "x", &fault), 0);
	close(fd);
}

static struct judged judge_by(const char *text, size_t length, bool with_key)
{
	struct judged judged = { 0 };
	struct verify *verify = verifier(&judged, with_key);
	read_text(verify, text, length);
	bool fine = verify_judge(verify);
	assert_int_equal(fine, judged.faults == 0);
	verify_free(verify);
	return judged;
}

static struct judged judge(const char *text, size_t length)
{
	return judge_by(text, length, false);
}

/* Of an export's lines those that `kept` lets through, as a platform keeps them: without the first and the last. */
static struct judged judge_copy(const struct exported *exported, bool (*kept)(const char *line))
{
	char copy[sizeof(exported->text)];
	size_t length = 0, number = 0;
	for (const char *line = exported->text, *end; number < exported->lines; line = end + 1, number++) {
		end = memchr(line, '\n', exported->length - (size_t)(line - exported->text));
		if (number == 0 || number == exported->lines - 1 || !kept(line))
			continue;
		memcpy(copy + length, line, (size_t)(end - line) + 1);
		length += (size_t)(end - line) + 1;
	}
	return judge_by(copy, length, true);
}

static bool is_proof(const char *line)
{
	return strncmp(line, "{\"v\":1,\"id\":", 12) != 0;
}

static bool is_anything(const char *line)
{
	return line[0] == '{';
}

static bool is_nothing(const char *line)
{
	return line[0] == '\0';
}

static void an_export_goes_on_to_the_next_seal_and_proves_itself(void **state)
{
	struct export_run run;
	struct exported *exported = export(*state, 2, 5, &run);
	assert_int_equal(run.last, 7);
	assert_int_equal(run.entries, 6);
	assert_int_equal(run.seals, 2);
	assert_int_equal(exported->lines, 1 + 6 + 2 + 1);
	struct judged judged = judge(exported->text, exported->length);
	assert_int_equal(judged.faults, 0);
	assert_int_equal(judged.proven, 7);
}

/* A gateway that was killed before it sealed, and comes back with another code: entry 10 is of that, and sealed. */
static void change_code(struct fixture *fixture)
{
	fixture_stop(fixture);
	fixture->station = "330421103-02";
	assert_int_equal(fixture_start(fixture), 0);
	assert_int_equal(journal_key(fixture->journal, key, NULL, &fixture->fault), 0);
	seal(fixture);
	append(fixture, 10, 1);
	seal(fixture);
}

static void a_seal_names_the_station_its_entry_was_made_under(void **state)
{
	struct fixture *fixture = *state;
	struct export_run run;
	change_code(fixture);
	struct exported *exported = export(fixture, 1, 10, &run);
	assert_int_equal(run.seals, 4);
	assert_int_equal(judge(exported->text, exported->length).faults, 0);
}

/* The exports of these runs, before one judge who has the key. */
static struct judged judge_runs(struct fixture *fixture, const uint64_t (*runs)[2], size_t count)
{
	struct judged judged = { 0 };
	struct verify *verify = verifier(&judged, true);
	for (size_t i = 0; i < count; i++) {
		struct export_run run;
		const struct exported *exported = export(fixture, runs[i][0], runs[i][1], &run);
		read_text(verify, exported->text, exported->length);
	}
	verify_judge(verify);
	verify_free(verify);
	return judged;
}

static void exports_from_before_and_after_a_change_of_the_code_are_of_one_station(void **state)
{
	struct fixture *fixture = *state;
	static const uint64_t apart[][2] = { { 1, 7 }, { 8, 10 } }, back[][2] = { { 8, 10 }, { 1, 7 } },
			      over[][2] = { { 1, 3 }, { 2, 10 }, { 4, 7 } };
	change_code(fixture);
	assert_int_equal(judge_runs(fixture, apart, 2).faults, 0);
	assert_int_equal(judge_runs(fixture, back, 2).faults, 0);
	assert_int_equal(judge_runs(fixture, over, 3).faults, 0);
	append(fixture, 11, 1); /* what no seal covers yet is that, and no other station's */
	struct judged judged = judge_runs(fixture, (const uint64_t[][2]){ { 1, 7 }, { 8, 11 } }, 2);
	assert_int_equal(judged.kinds, 1u << VERIFY_UNSEALED);
	assert_int_equal(judged.seq, 11);
}

/* The epoch's next entry, its code and its first line made up: no seal says that the station was given that code. */
static void what_no_seal_ties_to_the_station_is_foreign(void **state)
{
	static const char code[] = "330421103-01", other[] = "330421104-01";
	struct fixture *fixture = *state;
	struct judged judged = { 0 };
	struct export_run run;
	struct verify *verify = verifier(&judged, true);
	const struct exported *exported = export(fixture, 1, 7, &run);
	read_text(verify, exported->text, exported->length);
	append(fixture, 10, 1);
	struct exported *tail = export(fixture, 8, 10, &run);
	for (char *at = tail->text; (at = strstr(at, code)) != NULL;)
		memcpy(at, other, strlen(other));
	read_text(verify, tail->text, tail->length);
	assert_false(verify_judge(verify));
	assert_true(judged.kinds & 1u << VERIFY_FOREIGN);
	verify_free(verify);
}

static struct fixture *goes_on; /* records and seals as soon as an export has seen where the journal ends */

int __real_journal_reader_head(
	struct journal_reader *reader, uint64_t *ret_first, uint64_t *ret_last, struct fault *fault);
int __wrap_journal_reader_head(
	struct journal_reader *reader, uint64_t *ret_first, uint64_t *ret_last, struct fault *fault);

int __wrap_journal_reader_head(
	struct journal_reader *reader, uint64_t *ret_first, uint64_t *ret_last, struct fault *fault)
{
	int error = __real_journal_reader_head(reader, ret_first, ret_last, fault);
	struct fixture *fixture = goes_on;
	goes_on = NULL;
	if (fixture) {
		append(fixture, 10, 2);
		seal(fixture);
	}
	return error;
}

static void a_seal_that_comes_while_the_export_begins_proves_it(void **state)
{
	struct fixture *fixture = *state;
	struct exported exported = { .length = 0 };
	struct entry last = entry_of(9);
	struct export_run bundle = { .subject = last.id };
	goes_on = fixture;
	assert_int_equal(export_lines(fixture->reader, &bundle, keep_line, &exported, &fixture->fault), 0);
	assert_int_equal(bundle.sealed, 11);
	assert_int_equal(judge(exported.text, exported.length).faults, 0);
}

static void what_no_seal_covers_is_exported_and_said(void **state)
{
	struct export_run run;
	struct exported *exported = export(*state, 0, 0, &run);
	assert_int_equal(run.last, 9);
	assert_int_equal(run.sealed, 7);
	struct judged judged = judge(exported->text, exported->length);
	assert_int_equal(judged.faults, 1);
	assert_int_equal(judged.kinds, 1u << VERIFY_UNSEALED);
	assert_int_equal(judged.seq, 8);
	assert_int_equal(judged.proven, 7);
}

static void nothing_there_is_said(void **state)
{
	struct fixture *fixture = *state;
	struct exported exported = { .length = 0 };
	struct export_run beyond = { .first = 10 }, nobody = { .subject = "00000000-0000-7000-8000-000000000000" };
	assert_int_equal(export_lines(fixture->reader, &beyond, keep_line, &exported, &fixture->fault), -ENOENT);
	assert_non_null(strstr(fixture->fault.text, "1 to 9"));
	assert_int_equal(export_lines(fixture->reader, &nobody, keep_line, &exported, &fixture->fault), -ENOENT);
	assert_int_equal(exported.length, 0);
}

static void each_byte_of_an_export_counts(void **state)
{
	struct export_run run;
	struct exported *exported = export(*state, 1, 7, &run);
	for (size_t at = 0; at < exported->length; at += 7) {
		char kept = exported->text[at];
		exported->text[at] = kept == 'x' ? 'y' : 'x';
		if (judge(exported->text, exported->length).faults == 0)
			fail_msg("byte %zu, '%c', can be changed unseen", at, kept);
		exported->text[at] = kept;
	}
	for (size_t length = 0; length < exported->length; length += 101)
		if (judge(exported->text, length).faults == 0)
			fail_msg("cut at byte %zu unseen", length);
	assert_int_equal(judge(exported->text, exported->length).faults, 0);
}

/* Seals without what they sealed prove that it was taken away, and nothing proves nothing. */
static void a_copy_without_entries_is_not_complete(void **state)
{
	struct export_run run;
	struct exported *exported = export(*state, 1, 7, &run);
	assert_int_equal(judge_copy(exported, is_anything).faults, 0);
	struct judged judged = judge_copy(exported, is_proof);
	assert_int_equal(judged.kinds, 1u << VERIFY_TRUNCATED | 1u << VERIFY_EMPTY);
	assert_int_equal(judged.faults, 2);
	assert_int_equal(judged.proven, 0);
	judged = judge_copy(exported, is_nothing);
	assert_int_equal(judged.kinds, 1u << VERIFY_EMPTY);
	assert_int_equal(judged.faults, 1);
}

static void an_export_has_no_empty_lines(void **state)
{
	struct export_run run;
	struct exported *exported = export(*state, 1, 7, &run);
	const char *second = strchr(exported->text, '\n') + 1;
	char put_in[sizeof(exported->text)];
	size_t before = (size_t)(second - exported->text);
	memcpy(put_in, exported->text, before);
	put_in[before] = '\n';
	memcpy(put_in + before + 1, second, exported->length - before);
	assert_true(judge(put_in, exported->length + 1).kinds & 1u << VERIFY_UNKNOWN);
}

/* ---- rows ---- */

static void row_is(const char *body, const char *expected)
{
	char payload[1024];
	snprintf(payload, sizeof(payload), "{\"seq\":1,%s", body);
	struct stored stored = { .payload = payload, .length = strlen(payload) };
	struct fault fault;
	char *row = export_row(&stored, &fault), *at = row;
	assert_non_null(row);
	for (int column = 0; column < 11; column++) /* up to the sample's name */
		at = strchr(at, ',') + 1;
	if (strncmp(at, expected, strlen(expected)) != 0 || at[strlen(expected)] != ',')
		fail_msg("%s: %s", body, at);
	free(row);
}

static void an_entry_that_cannot_be_read_is_no_row_of_empty_cells(void **state)
{
	(void)state;
	struct fault fault = { "" };
	struct stored stored = { .payload = "{\"seq\":1,", .length = 9 };
	assert_null(export_row(&stored, &fault));
	assert_non_null(strstr(fault.text, "not JSON"));
}

static void a_spreadsheet_computes_and_rounds_nothing(void **state)
{
	(void)state;
	row_is("\"sample\":{\"name\":\"菠菜\"}}", "菠菜");
	row_is("\"sample\":{\"name\":\"=1+1\"}}", "\"'=1+1\"");
	row_is("\"sample\":{\"name\":\"@SUM(A1)\"}}", "\"'@SUM(A1)\"");
	row_is("\"sample\":{\"name\":\"-cmd|' /C calc'!A0\"}}", "\"'-cmd|' /C calc'!A0\"");
	row_is("\"sample\":{\"name\":\"+86\"}}", "\"'+86\"");
	row_is("\"sample\":{\"name\":\"\\tx\"}}", "\"'\tx\"");
	row_is("\"sample\":{\"name\":\"-0.5\"}}", "-0.5");
	row_is("\"sample\":{\"name\":\"12.50\"}}", "12.50");
	row_is("\"sample\":{\"name\":\"007\"}}", "\"'007\"");
	row_is("\"sample\":{\"name\":\"0.5\"}}", "0.5");
	row_is("\"sample\":{\"name\":\"913304007038742345\"}}", "\"'913304007038742345\"");
	row_is("\"sample\":{\"name\":\"a,\\\"b\\\"\"}}", "\"a,\"\"b\"\"\"");
	row_is("\"sample\":{\"name\":\"a\\nb\"}}", "\"a\nb\"");
	row_is("\"event\":\"x\"}", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define SEALED(name) cmocka_unit_test_setup_teardown(name, open_sealed, close_sealed)
		SEALED(an_export_goes_on_to_the_next_seal_and_proves_itself),
		SEALED(a_seal_names_the_station_its_entry_was_made_under),
		SEALED(exports_from_before_and_after_a_change_of_the_code_are_of_one_station),
		SEALED(what_no_seal_ties_to_the_station_is_foreign),
		SEALED(a_seal_that_comes_while_the_export_begins_proves_it),
		SEALED(what_no_seal_covers_is_exported_and_said),
		SEALED(nothing_there_is_said),
		SEALED(each_byte_of_an_export_counts),
		SEALED(a_copy_without_entries_is_not_complete),
		SEALED(an_export_has_no_empty_lines),
		cmocka_unit_test(an_entry_that_cannot_be_read_is_no_row_of_empty_cells),
		cmocka_unit_test(a_spreadsheet_computes_and_rounds_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
