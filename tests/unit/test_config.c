/* The whole configuration: what is loaded, shared and compared. Wrong ones are in tests/config-faults/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../daemon/clock.h"
#include "../../daemon/config.h"
#include "../../daemon/log.h"
#include "tables_fixture.h"

static char directory[] = "/tmp/assay-config-XXXXXX";

static const char station[] = "[station]\ncode = 330421103-01\ncounty = 330421\n";
static const char target[] = "[target county]\nbroker = mqtt://127.0.0.1\n";
static const char reader[] = "[instrument pr-1]\ndriver = seven-e-aa\nport = usb:1a86:7523\n";

static void write_file(const char *name, const char *first, const char *second, const char *third)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "%s%s%s", first, second, third);
	fclose(file);
}

static void remove_file(const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	unlink(path);
}

static int make_directory(void **state)
{
	(void)state;
	char path[64];
	if (!mkdtemp(directory))
		return -1;
	setenv("ASSAYD_DATADIR", "config", 1);
	unsetenv("STATE_DIRECTORY");
	unsetenv("RUNTIME_DIRECTORY");
	snprintf(path, sizeof(path), "%s/instruments.d", directory);
	return mkdir(path, 0700);
}

static int remove_directory(void **state)
{
	(void)state;
	char command[64];
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command);
}

static struct config *loaded(void)
{
	struct faults faults = { 0 };
	struct config *config;
	int result = config_load(directory, &config, &faults);
	if (faults.count)
		faults_print(&faults, stderr);
	assert_int_equal(result, 0);
	assert_int_equal(faults.count, 0);
	return config;
}

/* Loads what is there and expects `errors` errors and `warnings` warnings, one of which says `words`. */
static void said(size_t errors, size_t warnings, const char *words)
{
	struct faults faults = { 0 };
	struct config *config;
	int result = config_load(directory, &config, &faults);
	bool found = false;
	for (size_t i = 0; i < faults.count; i++)
		found |= strstr(faults.list[i].text, words) != NULL;
	if (!found || faults.errors != errors || faults.count != errors + warnings) {
		faults_print(&faults, stderr);
		fail_msg("expected %zu errors, %zu warnings and \"%s\"", errors, warnings, words);
	}
	assert_int_equal(result, errors ? -EINVAL : 0);
	assert_true(errors ? !config : !!config);
	config_release(config);
	faults_free(&faults);
}

static void a_small_configuration_has_every_default(void **state)
{
	(void)state;
	write_file("assayd.conf", station, target, reader);
	struct config *config = loaded();
	assert_string_equal(config->directory, directory);
	assert_string_equal(config->station.code, "330421103-01");
	assert_string_equal(config->station.timezone, "Asia/Shanghai");
	assert_string_equal(config->journal.directory, "/var/lib/assayd");
	assert_int_equal(config->journal.retention_ms, 400LL * 86400000);
	assert_string_equal(config->control_socket, "/run/assayd/control");
	assert_int_equal(config->log_level, LOG_LEVEL_INFO);
	assert_int_equal(config->target_count, 1);
	const struct target_config *county = &config->targets[0];
	assert_string_equal(county->name, "county");
	assert_string_equal(county->broker, "mqtt://127.0.0.1:1883");
	assert_int_equal(county->protocol, TARGET_MQTT5);
	assert_int_equal(county->receipts, TARGET_RECEIPTS_NONE);
	assert_int_equal(county->keepalive_ms, 30000);
	assert_int_equal(county->ack_timeout_ms, 15000);
	assert_int_equal(county->reconnect_min_ms, 1000);
	assert_int_equal(county->reconnect_max_ms, 60000);
	assert_int_equal(county->window, 20);
	assert_int_equal(county->backlog_rate, 0);
	assert_int_equal(config->instrument_count, 1);
	const struct instrument_config *pr_1 = &config->instruments[0];
	assert_string_equal(pr_1->id, "pr-1");
	assert_string_equal(pr_1->driver->name, "seven-e-aa");
	assert_int_equal(pr_1->poll_ms, 1000);
	assert_int_equal(pr_1->timeout_ms, 1000);
	assert_int_equal(pr_1->lateness_ms, 3000);
	assert_int_equal(pr_1->port.kind, PORT_SERIAL);
	assert_int_equal(pr_1->port.baud, 115200); /* the driver's usual line */
	assert_non_null(config->items);
	assert_null(config->operators);
	config_release(config);
}

static void everything_given_is_taken(void **state)
{
	(void)state;
	write_file("assayd.conf", station,
		"[journal]\ndirectory = /srv/assayd\nretention = 500d\n[control]\nsocket = /tmp/s\n[log]\nlevel = debug\n"
		"[target county]\nbroker = mqtts://[fd00::9]\nprotocol = 3.1.1\nreceipts = required\nwindow = 5\n",
		"[instrument pr-1]\ndriver = seven-e-aa\nport = tcp-listen:5000\nmaker = 某厂\nitem = PR-OPCB\n");
	write_file("instruments.d/b.conf",
		"[instrument pr-2]\ndriver = seven-e-aa\nport = /dev/ttyS1\nline = 9600/8e1\n", "", "");
	write_file("instruments.d/a.conf", "[instrument pr-3]\ndriver = seven-e-aa\nport = /dev/ttyS2\npoll = 5s\n", "",
		"");
	struct config *config = loaded();
	assert_string_equal(config->journal.directory, "/srv/assayd");
	assert_int_equal(config->journal.retention_ms, 500LL * 86400000);
	assert_string_equal(config->control_socket, "/tmp/s");
	assert_int_equal(config->log_level, LOG_LEVEL_DEBUG);
	assert_string_equal(config->targets[0].broker, "mqtts://[fd00::9]:8883");
	assert_int_equal(config->targets[0].protocol, TARGET_MQTT311);
	assert_int_equal(config->targets[0].receipts, TARGET_RECEIPTS_REQUIRED);
	assert_int_equal(config->instrument_count, 3);
	assert_string_equal(config->instruments[0].maker.maker, "某厂");
	assert_string_equal(config->instruments[1].id, "pr-3"); /* drop-ins in the order of their names */
	assert_int_equal(config->instruments[1].poll_ms, 5000);
	assert_string_equal(config->instruments[2].id, "pr-2");
	assert_int_equal(config->instruments[2].port.parity, PARITY_EVEN);
	config_release(config);
	remove_file("instruments.d/a.conf");
	remove_file("instruments.d/b.conf");
}

static void a_definition_changes_with_what_it_defines_and_with_nothing_else(void **state)
{
	(void)state;
	write_file("assayd.conf", station, target, reader);
	struct config *first = loaded();
	write_file("assayd.conf",
		"# a comment more\n[instrument pr-1]\n  port = usb:1a86:7523 ; there\n  driver = seven-e-aa\n", station,
		target);
	struct config *second = loaded();
	assert_int_equal(strlen(first->instruments[0].definition), 32);
	assert_string_equal(first->instruments[0].definition, second->instruments[0].definition);
	assert_string_equal(first->targets[0].definition, second->targets[0].definition);
	write_file("assayd.conf", station, target,
		"[instrument pr-1]\ndriver = seven-e-aa\nport = usb:1a86:7523\npoll = 2s\n");
	struct config *third = loaded();
	assert_string_not_equal(first->instruments[0].definition, third->instruments[0].definition);
	assert_string_equal(first->targets[0].definition, third->targets[0].definition);
	config_release(first);
	config_release(second);
	config_release(third);
}

static void a_calibration_that_ends_is_told_ahead(void **state)
{
	(void)state;
	static const struct {
		long days;
		const char *says; /* NULL: nothing */
	} cases[] = { { -1, "flagged calibration_expired; have" }, { 0, "in 0 days; have" }, { 30, "in 30 days; have" },
		{ 31, NULL } };
	char section[256], day[CLOCK_TEXT_MAX];
	setenv("TZ", "Asia/Shanghai", 1);
	tzset();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		clock_text(day, clock_wall_ms() + cases[i].days * 86400000);
		snprintf(section, sizeof(section), "%scalibration-until = %.10s\n", reader, day);
		write_file("assayd.conf", station, target, section);
		if (cases[i].says)
			said(0, 1, cases[i].says);
		else
			config_release(loaded());
	}
}

static void a_word_nobody_can_be_trained_on_is_told(void **state)
{
	(void)state;
	write_file("assayd.conf", station, target, reader);
	write_file("operators.csv", "id,name,trained_on\n", "01,张三,PR-OPCB；克百威;colloidal-gold;PR-1;VD-*\n", "");
	config_release(loaded());
	write_file("operators.csv", "id,name,trained_on\n", "01,张三,PR-OPCB\n02,李四,PR-OPCD\n", "");
	said(0, 1, "trained_on \"PR-OPCD\" is no item");
	remove_file("operators.csv");
}

static void a_lot_in_use_that_expired_is_told(void **state)
{
	(void)state;
	write_file("assayd.conf", station, target, reader);
	write_file("lots.csv", "kind,lot,instruments,opened,expires\n",
		"reagent,R-1,pr-1,2024-01-01,2024-12-31\nreagent,R-2,pr-1,2025-01-01,2999-12-31\n", "");
	config_release(loaded());
	write_file("lots.csv", "kind,lot,instruments,items,opened,expires\n",
		"reagent,R-1,pr-1,,2024-01-01,2024-12-31\nstrip,S-1,pr-7,,2025-01-01,\n", "strip,S-2,pr-1,PR-OPCD,,\n");
	struct faults faults = { 0 };
	struct config *config;
	assert_int_equal(config_load(directory, &config, &faults), 0);
	assert_int_equal(faults_at(&faults, 2, "lot R-1 expired on 2024-12-31"), 1);
	assert_int_equal(faults_at(&faults, 3, "there is no instrument 'pr-7'"), 1);
	assert_int_equal(faults_at(&faults, 4, "\"PR-OPCD\" is no item"), 1);
	assert_int_equal(faults.count, 3);
	config_release(config);
	faults_free(&faults);
	remove_file("lots.csv");
}

static void a_changed_password_changes_the_target(void **state)
{
	(void)state;
	char section[256];
	write_file("password", "one\n", "", "");
	snprintf(section, sizeof(section),
		"[target county]\nbroker = mqtts://127.0.0.1\nusername = a\npassword-file = %s/password\n", directory);
	char path[128];
	snprintf(path, sizeof(path), "%s/password", directory);
	chmod(path, 0600);
	write_file("assayd.conf", station, section, reader);
	struct config *first = loaded();
	assert_string_equal(first->targets[0].password_file, path);
	write_file("password", "two\n", "", "");
	struct config *second = loaded();
	assert_string_not_equal(first->targets[0].definition, second->targets[0].definition);
	config_release(first);
	config_release(second);
	chmod(path, 0644);
	said(0, 1, "can be read by everybody");
	remove_file("password");
}

/* The station's own profile, the shipped one with a line more. */
static void write_profile(const char *line)
{
	char *text = calloc(1, 1 << 16);
	assert_non_null(text);
	FILE *shipped = fopen("config/profiles/analyzer-a6b.conf", "r");
	assert_non_null(shipped);
	assert_true(fread(text, 1, (1 << 16) - 1, shipped) > 0);
	fclose(shipped);
	write_file("profiles/own.conf", text, line, "");
	free(text);
}

static void instruments_share_a_profile_and_change_with_it(void **state)
{
	(void)state;
	char path[64];
	snprintf(path, sizeof(path), "%s/profiles", directory);
	assert_int_equal(mkdir(path, 0700), 0);
	write_profile("");
	write_file("assayd.conf", station, target,
		"[instrument an-1]\ndriver = modbus\nprofile = own\nport = modbus-tcp:10.0.0.20\nunit = 3\n"
		"[instrument an-2]\ndriver = modbus\nprofile = own\nport = modbus-tcp:10.0.0.20\nunit = 4\n");
	struct config *first = loaded();
	assert_int_equal(first->profile_count, 1);
	assert_non_null(first->instruments[0].profile);
	assert_ptr_equal(first->instruments[0].profile, first->instruments[1].profile);
	assert_string_equal(first->instruments[0].port.text, first->instruments[1].port.text);
	assert_string_not_equal(first->instruments[0].definition, first->instruments[1].definition);
	write_profile("5 = calibration two\n");
	struct config *second = loaded();
	assert_string_not_equal(first->instruments[0].definition, second->instruments[0].definition);
	config_release(first);
	config_release(second);
	remove_file("profiles/own.conf");
	assert_int_equal(rmdir(path), 0);
}

static void what_is_legal_but_unwise_gets_a_warning(void **state)
{
	(void)state;
	write_file("assayd.conf", station, target, "");
	said(0, 1, "no instrument is configured");
	write_file("assayd.conf", station, reader, "");
	said(0, 1, "no target is configured");
	write_file("assayd.conf", "[station]\ncode = 330421103-01\ncounty = 330424\n", target, reader);
	said(0, 1, "code 330421103-01 does not begin with the county 330424");
	write_file("assayd.conf", station, target,
		"[instrument pr-1]\ndriver = seven-e-aa\nport = /dev/ttyUSB0\nitem = PR-NONE\n");
	said(0, 2, "may be another instrument after the next replug");
	said(0, 2, "item PR-NONE is not in items.csv");
	write_file("assayd.conf", station, "[target county]\nbroker = mqtt://127.0.0.1\nprotocol = 3.1.1\n", reader);
	said(0, 1, "may drop a record and acknowledge it");
	write_file("assayd.conf", station,
		"[target county]\nbroker = mqtts://127.0.0.1\nclient-cert = a\nclient-key = b\n", reader);
	said(0, 2, "names a systemd credential, which cannot be looked up here");
	write_file("assayd.conf", station, target, reader);
	write_file("instruments.d/x.conf.txt", "", "", "");
	said(0, 1, "its name does not end in .conf");
	remove_file("instruments.d/x.conf.txt");
}

static void a_configuration_lives_as_long_as_it_is_held(void **state)
{
	(void)state;
	write_file("assayd.conf", station, target, reader);
	struct config *config = loaded();
	assert_ptr_equal(config_hold(config), config);
	config_release(config);
	assert_string_equal(config->station.code, "330421103-01"); /* the sanitizer would tell */
	config_release(config);
	config_release(NULL);
}

static void *hold_and_release(void *config)
{
	for (int i = 0; i < 10000; i++)
		config_release(config_hold(config));
	config_release(config);
	return NULL;
}

static void holders_may_be_on_any_thread(void **state)
{
	(void)state;
	pthread_t threads[4];
	write_file("assayd.conf", station, target, reader);
	struct config *config = loaded();
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hold_and_release, config_hold(config)), 0);
	config_release(config);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static void a_missing_directory_is_one_fault(void **state)
{
	(void)state;
	struct faults faults = { 0 };
	struct config *config;
	assert_int_equal(config_load("/nonexistent", &config, &faults), -EINVAL);
	assert_int_equal(faults.count, 1);
	assert_string_equal(faults.list[0].file, "/nonexistent/assayd.conf");
	faults_free(&faults);
	char longest[400];
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[399] = '\0';
	assert_int_equal(config_load(longest, &config, &faults), -EINVAL);
	faults_free(&faults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_configuration_has_every_default),
		cmocka_unit_test(everything_given_is_taken),
		cmocka_unit_test(a_definition_changes_with_what_it_defines_and_with_nothing_else),
		cmocka_unit_test(a_calibration_that_ends_is_told_ahead),
		cmocka_unit_test(a_word_nobody_can_be_trained_on_is_told),
		cmocka_unit_test(a_lot_in_use_that_expired_is_told),
		cmocka_unit_test(a_changed_password_changes_the_target),
		cmocka_unit_test(instruments_share_a_profile_and_change_with_it),
		cmocka_unit_test(what_is_legal_but_unwise_gets_a_warning),
		cmocka_unit_test(a_configuration_lives_as_long_as_it_is_held),
		cmocka_unit_test(holders_may_be_on_any_thread),
		cmocka_unit_test(a_missing_directory_is_one_fault),
	};
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
