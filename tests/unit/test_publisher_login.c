/* Who a station is to its broker: client identifier, user name and password, also out of systemd's credentials. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "broker_fixture.h"

static unsigned wanted;
static const char *expected;

static bool all_delivered(struct stage *stage)
{
	return publisher_stats(stage->publisher)->through >= wanted;
}

static bool says_fault(struct stage *stage)
{
	struct fault fault;
	publisher_fault(stage->publisher, &fault);
	return strstr(fault.text, expected) != NULL;
}

/* What the broker wrote to its log; free() it. */
static char *broker_log(struct stage *stage)
{
	char path[96], *text = calloc(1, 1 << 16);
	snprintf(path, sizeof(path), "%s/broker.log", stage->directory);
	FILE *file = fopen(path, "r");
	if (file) {
		text[fread(text, 1, (1 << 16) - 1, file)] = '\0';
		fclose(file);
	}
	return text;
}

static bool broker_says(struct stage *stage)
{
	char *log = broker_log(stage);
	bool says = strstr(log, expected) != NULL;
	free(log);
	return says;
}

/* A broker that lets in only station-7 with the password "right"; what it needs lies where systemd would put it. */
static struct stage *stage_with_credentials(void)
{
	struct stage *stage = stage_new("");
	char text[1024], directory[96];
	snprintf(directory, sizeof(directory), "%s/credentials", stage->directory);
	assert_int_equal(mkdir(directory, 0700), 0);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", directory, 1), 0);
	write_file(stage, "credentials/id", "gateway-7\n");
	write_file(stage, "credentials/user", "station-7\r\n");
	write_file(stage, "credentials/password", "right\n");
	snprintf(text, sizeof(text), "mosquitto_passwd -b -c %s/passwords station-7 right", stage->directory);
	assert_int_equal(system(text), 0);
	snprintf(text, sizeof(text),
		"user root\nlistener %d 127.0.0.1\nallow_anonymous false\npassword_file %s/passwords\n"
		"log_dest file %s/broker.log\nlog_type notice\n",
		stage->port, stage->directory, stage->directory);
	write_file(stage, "mosquitto.conf", text);
	strcpy(stage->target.client_id_file, "id");
	strcpy(stage->target.username_file, "user");
	strcpy(stage->target.password_file, "password");
	stage->target.reconnect_max_ms = 300;
	append(stage, 1, 5, false);
	wanted = 5;
	return stage;
}

static void name_user_and_password_come_out_of_credentials(void **state)
{
	(void)state;
	struct stage *stage = stage_with_credentials();
	assert_true(broker_start(stage) && stage_publish(stage));
	assert_true(eventually(all_delivered, stage, 5000));
	expected = "as gateway-7 (";
	assert_true(eventually(broker_says, stage, 2000));
	expected = "u'station-7'";
	assert_true(eventually(broker_says, stage, 2000));
	stage_free(stage);
}

static void a_renewed_password_is_used_without_a_restart(void **state)
{
	(void)state;
	struct stage *stage = stage_with_credentials();
	write_file(stage, "credentials/password", "of last year\n");
	assert_true(broker_start(stage) && stage_publish(stage));
	expected = "not authorised";
	assert_true(eventually(says_fault, stage, 5000));
	assert_int_equal(publisher_stats(stage->publisher)->through, 0);
	write_file(stage, "credentials/password", "right\n");
	assert_true(eventually(all_delivered, stage, 5000));
	stage_free(stage);
}

static void a_file_without_a_name_is_told_and_nobody_is_guessed(void **state)
{
	(void)state;
	struct stage *stage = stage_with_credentials();
	write_file(stage, "credentials/user", "\nstation-7\n");
	assert_true(broker_start(stage) && stage_publish(stage));
	expected = "has no first line";
	assert_true(eventually(says_fault, stage, 5000));
	write_file(stage, "credentials/user", "station-7");
	strcpy(stage->target.client_id_file, "missing");
	expected = "client-id-file";
	assert_true(eventually(says_fault, stage, 5000));
	assert_int_equal(publisher_stats(stage->publisher)->connects, 0);
	stage_free(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_user_and_password_come_out_of_credentials),
		cmocka_unit_test(a_renewed_password_is_used_without_a_restart),
		cmocka_unit_test(a_file_without_a_name_is_told_and_nobody_is_guessed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
