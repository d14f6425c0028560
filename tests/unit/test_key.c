/* The station's signing key: made once, guarded, never replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../daemon/key.h"

struct place {
	char directory[64], path[96];
	struct fault fault;
};

static int make_place(void **state)
{
	static struct place place;
	const char *temporary = getenv("TMPDIR");
	snprintf(place.directory, sizeof(place.directory), "%s/key-XXXXXX", temporary ? temporary : "/tmp");
	*state = &place;
	if (!mkdtemp(place.directory))
		return -1;
	snprintf(place.path, sizeof(place.path), "%s/seal-ed25519.key", place.directory);
	return unsetenv("CREDENTIALS_DIRECTORY");
}

static int remove_place(void **state)
{
	struct place *place = *state;
	char command[128];
	snprintf(command, sizeof(command), "rm -rf '%s'", place->directory);
	return system(command);
}

static char *id_of(struct place *place, const char *given, enum signature_kind kind)
{
	struct signature_key *key;
	if (key_open(place->directory, given, kind, &key, &place->fault) != 0)
		fail_msg("%s", place->fault.text);
	assert_int_equal(signature_key_kind(key), kind);
	char *id = strdup(signature_key_id(key));
	signature_key_free(key);
	return id;
}

static void is_refused(struct place *place, const char *given, int error, const char *says)
{
	struct signature_key *key;
	assert_int_equal(key_open(place->directory, given, SIGNATURE_ED25519, &key, &place->fault), error);
	if (!strstr(place->fault.text, says))
		fail_msg("%s", place->fault.text);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void it_is_made_at_the_first_start_for_its_owner_alone_and_then_kept(void **state)
{
	struct place *place = *state;
	mode_t mask = umask(0);
	char *first = id_of(place, "", SIGNATURE_ED25519), *again = id_of(place, "", SIGNATURE_ED25519);
	umask(mask);
	struct stat about;
	assert_int_equal(stat(place->path, &about), 0);
	assert_int_equal(about.st_mode & 07777, 0600);
	assert_string_equal(first, again);
	assert_int_equal(strlen(first), 71);
	free(first);
	free(again);
}

static void an_sm2_key_stands_beside_it(void **state)
{
	struct place *place = *state;
	char *one = id_of(place, "", SIGNATURE_ED25519), *other = id_of(place, "", SIGNATURE_SM2);
	char *again = id_of(place, "", SIGNATURE_SM2);
	assert_string_not_equal(one, other);
	assert_string_equal(other, again);
	free(one);
	free(other);
	free(again);
}

static void a_key_others_can_read_is_refused(void **state)
{
	struct place *place = *state;
	free(id_of(place, "", SIGNATURE_ED25519));
	static const mode_t loose[] = { 0640, 0604, 0620, 0602, 0610, 0601 };
	for (size_t i = 0; i < sizeof(loose) / sizeof(loose[0]); i++) {
		assert_int_equal(chmod(place->path, loose[i]), 0);
		is_refused(place, "", -EPERM, "chmod 600");
	}
	assert_int_equal(chmod(place->path, 0400), 0);
	free(id_of(place, "", SIGNATURE_ED25519));
}

static void a_check_tells_what_a_start_would_refuse_and_makes_nothing(void **state)
{
	struct place *place = *state;
	struct fault *fault = &place->fault;
	assert_int_equal(key_check(place->directory, "", SIGNATURE_ED25519, geteuid(), fault), 0);
	assert_int_equal(access(place->path, F_OK), -1);
	free(id_of(place, "", SIGNATURE_ED25519));
	assert_int_equal(key_check(place->directory, "", SIGNATURE_ED25519, geteuid(), fault), 0);
	assert_int_equal(key_check(place->directory, "", SIGNATURE_ED25519, geteuid() + 1, fault), -EPERM);
	assert_non_null(strstr(fault->text, "not to the user assayd runs as"));
	assert_int_equal(chmod(place->path, 0640), 0);
	assert_int_equal(key_check(place->directory, "", SIGNATURE_ED25519, geteuid(), fault), -EPERM);
	assert_non_null(strstr(fault->text, "chmod 600"));
	write_file(place->path, "-----BEGIN PRIVATE KEY-----\n", 0600);
	assert_int_equal(key_check(place->directory, "", SIGNATURE_ED25519, geteuid(), fault), -EINVAL);
	assert_int_equal(key_check(place->directory, "seal.key", SIGNATURE_ED25519, geteuid(), fault), 0);
}

static void a_key_of_another_user_is_refused(void **state)
{
	struct place *place = *state;
	if (geteuid() != 0)
		skip();
	free(id_of(place, "", SIGNATURE_ED25519));
	assert_int_equal(chown(place->path, 65534, 65534), 0);
	is_refused(place, "", -EPERM, "belongs to user 65534");
}

static void a_damaged_key_is_refused_and_stays(void **state)
{
	struct place *place = *state;
	static const char *const wrong[] = { "", "garbage",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char found[128] = "";
		write_file(place->path, wrong[i], 0600);
		is_refused(place, "", -EINVAL, "restore it from a backup");
		int fd = open(place->path, O_RDONLY);
		assert_int_equal(read(fd, found, sizeof(found) - 1), strlen(wrong[i]));
		close(fd);
		assert_string_equal(found, wrong[i]);
	}
	assert_int_equal(unlink(place->path), 0);
	assert_int_equal(mkdir(place->path, 0700), 0);
	is_refused(place, "", -EINVAL, "is no file");
}

static void a_start_that_was_cut_off_leaves_nothing_in_the_way(void **state)
{
	struct place *place = *state;
	char fresh[128];
	snprintf(fresh, sizeof(fresh), "%s.new", place->path);
	write_file(fresh, "half a k", 0600);
	free(id_of(place, "", SIGNATURE_ED25519));
	assert_int_equal(access(fresh, F_OK), -1);
}

static void a_given_key_is_used_and_none_is_made(void **state)
{
	struct place *place = *state;
	char elsewhere[96];
	char *made = id_of(place, "", SIGNATURE_ED25519);
	snprintf(elsewhere, sizeof(elsewhere), "%s/given.key", place->directory);
	assert_int_equal(rename(place->path, elsewhere), 0);
	char *given = id_of(place, elsewhere, SIGNATURE_ED25519);
	assert_string_equal(made, given);
	assert_int_equal(access(place->path, F_OK), -1);
	free(given);

	/* systemd's own directory is guarded by systemd, whatever the mode of the file in it */
	assert_int_equal(chmod(elsewhere, 0440), 0);
	is_refused(place, elsewhere, -EPERM, "chmod 600");
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", place->directory, 1), 0);
	given = id_of(place, "given.key", SIGNATURE_ED25519);
	assert_string_equal(made, given);
	free(given);
	is_refused(place, "missing.key", -ENOENT, "missing.key");
	free(made);
}

static void a_key_of_another_kind_is_told_apart(void **state)
{
	struct place *place = *state;
	char command[256], path[96];
	snprintf(path, sizeof(path), "%s/rsa.key", place->directory);
	snprintf(command, sizeof(command), "umask 077; openssl genrsa 2048 2>/dev/null >'%s'", path);
	assert_int_equal(system(command), 0);
	is_refused(place, path, -EINVAL, "neither an Ed25519 nor an SM2 key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)
		TEST(it_is_made_at_the_first_start_for_its_owner_alone_and_then_kept),
		TEST(an_sm2_key_stands_beside_it),
		TEST(a_key_others_can_read_is_refused),
		TEST(a_check_tells_what_a_start_would_refuse_and_makes_nothing),
		TEST(a_key_of_another_user_is_refused),
		TEST(a_damaged_key_is_refused_and_stays),
		TEST(a_start_that_was_cut_off_leaves_nothing_in_the_way),
		TEST(a_given_key_is_used_and_none_is_made),
		TEST(a_key_of_another_kind_is_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
