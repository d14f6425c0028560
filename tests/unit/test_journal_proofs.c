/* What proves the entries of a damaged journal: kept where it is whole, never where it was changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <fcntl.h>

#include "../../daemon/clock.h"
#include "../../daemon/export.h"
#include "../../daemon/manifest.h"
#include "../../daemon/salvage.h"
#include "../../daemon/sqlite.h"
#include "../../daemon/verify.h"
#include "journal_fixture.h"

enum { ENTRIES = 120, EACH = 6, PAGE = 512 };

static struct signature_key *key;

static void seal(struct fixture *fixture)
{
	struct seal seal;
	assert_true(journal_unsealed(fixture->journal, &seal));
	seal_sign(&seal, key);
	journal_seal(fixture->journal, &seal);
	assert_int_equal(journal_append(fixture->journal, NULL, 0, NULL, NULL, &fixture->fault), 0);
}

static void append_run(struct fixture *fixture, unsigned first, unsigned last)
{
	for (unsigned number = first; number <= last; number++) {
		struct entry entry = entry_of(number);
		assert_int_equal(journal_append(fixture->journal, &entry, 1, "pr-1", "17", &fixture->fault), 0);
		if (number % EACH == 0)
			seal(fixture);
	}
}

static void close_days(struct fixture *fixture)
{
	struct manifester *manifester;
	_Atomic bool stop = false;
	_Atomic unsigned long beat = 0;
	struct db *db;
	assert_int_equal(db_open(fixture->file, DB_WRITE, &db, &fixture->fault), 0);
	assert_int_equal(
		db_run(db, "UPDATE entry SET received_ms = received_ms - 172800000 WHERE seq <= 60", &fixture->fault),
		0);
	db_close(db);
	assert_int_equal(manifester_new(fixture->journal, key, &manifester, &fixture->fault), 0);
	assert_int_equal(manifester_turn(manifester, &stop, &beat, &fixture->fault), 0);
	manifester_free(manifester);
}

/* Entries 1 to 120 and two more, each sixth sealed, the first sixty of a day that has a manifest. */
static int open_sealed(void **state)
{
	if (fixture_open(state) != 0)
		return -1;
	struct fixture *fixture = *state;
	assert_int_equal(signature_key_make(SIGNATURE_ED25519, &key, NULL), 0);
	assert_int_equal(journal_key(fixture->journal, key, NULL, &fixture->fault), 0);
	append_run(fixture, 1, ENTRIES);
	close_days(fixture);
	append_run(fixture, ENTRIES + 1, ENTRIES + 2);
	return 0;
}

static int close_sealed(void **state)
{
	signature_key_free(key);
	return fixture_close(state);
}

/* --- what is left, judged */

struct judgement {
	FILE *copy;
	struct fixture *fixture;
	unsigned faults, holes, unsealed;
	uint64_t proven;
};

static int put_entry(void *context, const struct stored *stored)
{
	const struct judgement *judgement = context;
	return fprintf(judgement->copy, "%.*s\n", (int)stored->length, stored->payload) < 0;
}

static int put_manifest(void *context, const struct kept_manifest *manifest)
{
	const struct judgement *judgement = context;
	return fprintf(judgement->copy, "%s\n", manifest->payload) < 0;
}

static void take_fault(void *context, const struct verify_fault *fault)
{
	struct judgement *judgement = context;
	judgement->holes += fault->kind == VERIFY_MISSING;
	judgement->unsealed += fault->kind == VERIFY_UNSEALED;
	if (fault->kind == VERIFY_MISSING || fault->kind == VERIFY_UNSEALED)
		return;
	if (fault->kind == VERIFY_EDITED && strstr(fault->text, "manifest"))
		return; /* of a day of which entries are lost */
	judgement->faults++;
	print_message("%s %llu: %s\n", verify_kind_name(fault->kind), (unsigned long long)fault->seq, fault->text);
}

static void take_epoch(void *context, const struct verify_epoch *epoch)
{
	((struct judgement *)context)->proven = epoch->sealed;
}

static struct verify *verifier(struct judgement *judgement)
{
	struct signature_key *public;
	struct verify *verify = verify_new("330421103-01", take_fault, take_epoch, judgement);
	char *pem = signature_key_pem(key, false);
	assert_int_equal(signature_key_read(pem, strlen(pem), false, &public, NULL), 0);
	verify_trust(verify, public);
	free(pem);
	return verify;
}

/* Everything of a salvaged journal, as a platform would keep it. */
static struct judgement judge(struct fixture *fixture, const char *path)
{
	struct judgement judgement = { .fixture = fixture };
	int fd = memfd_create("copy", MFD_CLOEXEC), found;
	struct journal_reader *reader;
	struct seal seal = { 0 };
	char payload[SEAL_PAYLOAD_MAX];
	judgement.copy = fdopen(dup(fd), "w");
	assert_int_equal(journal_reader_open(path, &reader, &fixture->fault), 0);
	assert_true(journal_read(reader, 1, SIZE_MAX, put_entry, &judgement, &fixture->fault) > 0);
	while ((found = journal_next_seal(reader, seal.seq, &seal, &fixture->fault)) == 1)
		fprintf(judgement.copy, "%.*s\n", (int)seal_payload(payload, &seal), payload);
	assert_int_equal(found, 0);
	assert_true(journal_next_manifest(reader, 0, NULL, put_manifest, &judgement, &fixture->fault) >= 0);
	fclose(judgement.copy);
	journal_reader_close(reader);
	lseek(fd, 0, SEEK_SET);
	struct verify *verify = verifier(&judgement);
	assert_int_equal(verify_read(verify, fd, "copy", &fixture->fault), 0);
	verify_judge(verify);
	verify_free(verify);
	close(fd);
	return judgement;
}

static struct salvage salvage(struct fixture *fixture, const struct signature_key *hint)
{
	char out[128];
	struct salvage found;
	const struct salvage_hints hints = { .station = "330421103-01", .key = hint };
	snprintf(out, sizeof(out), "%s/out.db", fixture->directory);
	unlink(out);
	if (salvage_journal(fixture->file, &hints, out, &found, &fixture->fault) != 0)
		fail_msg("%s", fixture->fault.text);
	return found;
}

static struct judgement judge_salvaged(struct fixture *fixture)
{
	char out[128];
	snprintf(out, sizeof(out), "%s/out.db", fixture->directory);
	return judge(fixture, out);
}

/* Everything in the file, nothing in the log. */
static void settle(struct fixture *fixture)
{
	fixture_stop(fixture);
	char log[128];
	snprintf(log, sizeof(log), "%s-wal", fixture->file);
	assert_int_not_equal(access(log, F_OK), 0);
}

static void a_damaged_head_costs_no_proof(void **state)
{
	struct fixture *fixture = *state;
	settle(fixture);
	int fd = open(fixture->file, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "no journal any more, to SQLite", 30, 0), 30);
	close(fd);
	struct salvage found = salvage(fixture, NULL);
	assert_int_equal(found.count, ENTRIES + 2);
	assert_int_equal(found.seals, ENTRIES / EACH);
	assert_int_equal(found.manifests, 1);
	assert_int_equal(found.unsealed, 2);
	struct judgement judgement = judge_salvaged(fixture);
	assert_int_equal(judgement.faults, 0);
	assert_int_equal(judgement.holes, 0);
	assert_int_equal(judgement.proven, ENTRIES);
}

static void forget_keys(struct fixture *fixture)
{
	struct db *db;
	assert_int_equal(db_open(fixture->file, DB_WRITE, &db, &fixture->fault), 0);
	assert_int_equal(db_run(db, "PRAGMA secure_delete = ON; DELETE FROM sealing_key; VACUUM", &fixture->fault), 0);
	db_close(db);
}

static void a_lost_key_is_made_good_by_the_stations_own(void **state)
{
	struct fixture *fixture = *state;
	settle(fixture);
	forget_keys(fixture);
	struct salvage found = salvage(fixture, NULL);
	assert_int_equal(found.count, ENTRIES + 2);
	assert_int_equal(found.seals, 0);
	assert_int_equal(found.unsealed, ENTRIES + 2);
	found = salvage(fixture, key);
	assert_int_equal(found.seals, ENTRIES / EACH);
	assert_int_equal(found.manifests, 1);
	assert_int_equal(judge_salvaged(fixture).faults, 0);
}

static void edit(struct fixture *fixture, const char *statements)
{
	struct db *db;
	assert_int_equal(db_open(fixture->file, DB_WRITE, &db, &fixture->fault), 0);
	if (db_run(db, statements, &fixture->fault) != 0)
		fail_msg("%s", fixture->fault.text);
	db_close(db);
}

static void what_was_changed_in_a_seal_or_manifest_is_not_kept(void **state)
{
	struct fixture *fixture = *state;
	settle(fixture);
	edit(fixture, "UPDATE seal SET at = replace(at, '20', '21') WHERE seq = 6;"
		      "UPDATE seal SET hash = zeroblob(32) WHERE seq = 12;"
		      "UPDATE seal SET signature = zeroblob(64) WHERE seq = 18;"
		      "UPDATE seal SET seq = 25 WHERE seq = 24;"
		      "UPDATE manifest SET payload = replace(payload, '\"events\":', '\"events\":1');"
		      "PRAGMA secure_delete = ON; VACUUM");
	struct salvage found = salvage(fixture, NULL);
	assert_int_equal(found.seals, ENTRIES / EACH - 4);
	assert_int_equal(found.manifests, 0);
	struct judgement judgement = judge_salvaged(fixture);
	assert_int_equal(judgement.faults, 0);
	assert_int_equal(judgement.proven, ENTRIES);
}

/* A lost entry breaks the chain: what is below is proven from the next seal below on, what is between by nothing. */
static void below_a_lost_entry_the_next_seal_proves(void **state)
{
	struct fixture *fixture = *state;
	settle(fixture);
	edit(fixture, "PRAGMA secure_delete = ON; DELETE FROM entry WHERE seq = 40; VACUUM");
	struct salvage found = salvage(fixture, NULL);
	assert_int_equal(found.lost.total, 1);
	assert_int_equal(found.unsealed, 2 + 3); /* 37 to 39: the seal of 36 does not reach them */
	struct judgement judgement = judge_salvaged(fixture);
	assert_int_equal(judgement.faults, 0);
	assert_int_equal(judgement.holes, 1);
}

static void random_damage_leaves_no_false_proof(void **state)
{
	struct fixture *fixture = *state;
	static uint8_t whole[1 << 20], broken[1 << 20];
	settle(fixture);
	FILE *file = fopen(fixture->file, "rbe");
	size_t length = fread(whole, 1, sizeof(whole), file), kept = 0, unsealed = 0;
	fclose(file);
	for (unsigned seed = 1; seed <= 25; seed++) {
		srand(seed);
		memcpy(broken, whole, length);
		for (unsigned i = 0; i < 12; i++) {
			size_t at = (size_t)rand() % length;
			if (seed % 2)
				broken[at] ^= (uint8_t)(1 + rand() % 255);
			else
				memset(broken + at / PAGE * PAGE, rand(), PAGE);
		}
		file = fopen(fixture->file, "wbe");
		assert_int_equal(fwrite(broken, 1, length, file), length);
		fclose(file);
		struct salvage found = salvage(fixture, key);
		if (!found.count)
			continue;
		kept += found.seals;
		unsealed += found.unsealed;
		if (judge_salvaged(fixture).faults)
			fail_msg("seed %u: something that was damaged was kept as proof", seed);
	}
	print_message("%zu seals kept; %zu salvaged entries have none left\n", kept, unsealed);
	assert_true(kept > 25 * ENTRIES / EACH / 2);
}

/* --- what targets refused */

static void wait_for_first(struct fixture *fixture, uint64_t first)
{
	struct journal_space space = { 0 };
	for (long end = clock_ms() + 20000; space.first < first && clock_ms() < end; usleep(2000))
		journal_space(fixture->journal, &space);
	assert_int_equal(space.first, first);
}

static int count_parked(void *context, const struct parked *parked)
{
	assert_string_equal(parked->target, "county");
	assert_int_equal(parked->seq, 40);
	assert_string_equal(parked->reason, "too large");
	++*(unsigned *)context;
	return 0;
}

static int take_number(void *context, const struct stored *stored)
{
	uint64_t *numbers = context;
	numbers[++numbers[0]] = stored->seq;
	return numbers[0] == 9;
}

static void what_was_refused_is_salvaged_with_what_proves_it(void **state)
{
	static const char *const county[] = { "county" };
	struct fixture *fixture = *state;
	uint64_t numbers[10] = { 0 }, first, last;
	unsigned parked = 0;
	char out[128];
	struct journal_keep keep = { county, 1, clock_wall_ms() + 60000, false };
	assert_int_equal(journal_park(fixture->journal, "county", 40, "too large", NULL, &fixture->fault), 0);
	journal_progress(fixture->journal, "county", 100);
	journal_keep(fixture->journal, &keep);
	wait_for_first(fixture, 101);
	settle(fixture);
	struct salvage found = salvage(fixture, NULL);
	assert_int_equal(found.count, 3 + 22);
	assert_int_equal(found.first, 101);
	assert_int_equal(found.lost.total, 0);
	assert_int_equal(found.refused, 1);
	assert_int_equal(found.unsealed, 2);
	snprintf(out, sizeof(out), "%s/out.db", fixture->directory);
	assert_int_equal(journal_reader_open(out, &fixture->reader, &fixture->fault), 0);
	assert_int_equal(journal_reader_head(fixture->reader, &first, &last, &fixture->fault), 0);
	assert_int_equal(first, 101);
	assert_int_equal(journal_read(fixture->reader, 1, 4, take_number, numbers, &fixture->fault), 4);
	assert_int_equal(numbers[1], 40);
	assert_int_equal(numbers[3], 42); /* with its seal */
	assert_int_equal(numbers[4], 101);
	assert_int_equal(journal_parked(fixture->reader, NULL, 1, 1000, count_parked, &parked, &fixture->fault), 1);
	assert_int_equal(parked, 1);
	assert_int_equal(journal_check_chain(fixture->reader, 1, 0, NULL, &fixture->fault), 0);
}

static int write_line(void *context, const char *line, size_t length)
{
	return fprintf(context, "%.*s\n", (int)length, line) < 0;
}

/* An export of what is left around a hole does not lose the seals behind it. */
static void an_export_of_what_was_salvaged_has_the_seals_that_are_left(void **state)
{
	struct fixture *fixture = *state;
	char out[128], *text = NULL;
	size_t length = 0;
	settle(fixture);
	edit(fixture, "PRAGMA secure_delete = ON; DELETE FROM entry WHERE seq IN (60, 66); VACUUM");
	salvage(fixture, NULL);
	snprintf(out, sizeof(out), "%s/out.db", fixture->directory);
	edit(fixture, "SELECT 1");
	assert_int_equal(journal_reader_open(out, &fixture->reader, &fixture->fault), 0);
	FILE *stream = open_memstream(&text, &length);
	struct export_run run = { .first = 50, .last = 90 };
	assert_int_equal(export_lines(fixture->reader, &run, write_line, stream, &fixture->fault), 0);
	fclose(stream);
	assert_int_equal(run.entries, 41 - 2);
	assert_int_equal(run.seals, 5); /* 54, 72, 78, 84, 90 */
	free(text);
}

int main(void)
{
#define ON_A_JOURNAL(test) cmocka_unit_test_setup_teardown(test, open_sealed, close_sealed)
	const struct CMUnitTest tests[] = {
		ON_A_JOURNAL(a_damaged_head_costs_no_proof),
		ON_A_JOURNAL(a_lost_key_is_made_good_by_the_stations_own),
		ON_A_JOURNAL(what_was_changed_in_a_seal_or_manifest_is_not_kept),
		ON_A_JOURNAL(below_a_lost_entry_the_next_seal_proves),
		ON_A_JOURNAL(random_damage_leaves_no_false_proof),
		ON_A_JOURNAL(what_was_refused_is_salvaged_with_what_proves_it),
		ON_A_JOURNAL(an_export_of_what_was_salvaged_has_the_seals_that_are_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
