/* TLS: what is refused, and that the reason is told in words a technician can act on. Real certificates, real brokers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "broker_fixture.h"

bool __wrap_clock_synced(void);

static unsigned wanted;
static _Atomic bool synced = true;

bool __wrap_clock_synced(void)
{
	return synced;
}

static bool all_delivered(struct stage *stage)
{
	return publisher_stats(stage->publisher)->through >= wanted;
}

static bool has_fault(struct stage *stage)
{
	struct fault fault;
	publisher_fault(stage->publisher, &fault);
	return *fault.text;
}

/* A stage with all the certificates of pki.sh in its directory. */
static struct stage *pki_stage(void)
{
	struct stage *stage = stage_new("");
	char command[200];
	snprintf(command, sizeof(command), "tests/unit/pki.sh %s", stage->directory);
	if (system(command) != 0)
		fail_msg("%s", command);
	snprintf(stage->target.broker, sizeof(stage->target.broker), "mqtts://127.0.0.1:%d", stage->port);
	return stage;
}

static void name_file(struct stage *stage, char *out, size_t size, const char *name)
{
	snprintf(out, size, "%s/%s", stage->directory, name);
}

#define NAME_FILE(stage, member, name) name_file(stage, (stage)->target.member, sizeof((stage)->target.member), name)

/* mosquitto with the certificate `name`; `more` are lines of its configuration. */
static struct stage *tls_stage(const char *name, const char *more)
{
	struct stage *stage = pki_stage();
	char conf[1024], *at = stage->directory;
	snprintf(conf, sizeof(conf),
		"user root\nlistener %d 127.0.0.1\ncertfile %s/%s.crt\nkeyfile %s/%s.key\nallow_anonymous true\n%s",
		stage->port, at, name, at, name, more);
	write_file(stage, "mosquitto.conf", conf);
	NAME_FILE(stage, ca_file, "ca.crt");
	assert_true(broker_start(stage));
	return stage;
}

/* The same, asking stations for certificates. */
static struct stage *asking_stage(const char *station)
{
	char more[200];
	struct stage *stage = tls_stage("good", "");
	end_program(&stage->broker, SIGKILL);
	snprintf(more, sizeof(more), "cafile %s/ca.crt\nrequire_certificate true\n", stage->directory);
	char conf[1024], *at = stage->directory;
	snprintf(conf, sizeof(conf),
		"user root\nlistener %d 127.0.0.1\ncertfile %s/good.crt\nkeyfile %s/good.key\nallow_anonymous true\n%s",
		stage->port, at, at, more);
	write_file(stage, "mosquitto.conf", conf);
	assert_true(broker_start(stage));
	if (station) {
		char name[40];
		snprintf(name, sizeof(name), "%s.crt", station);
		NAME_FILE(stage, client_cert, name);
		snprintf(name, sizeof(name), "%s.key", station);
		NAME_FILE(stage, client_key, name);
	}
	return stage;
}

static void assert_works(struct stage *stage)
{
	append(stage, 1, 50, false);
	assert_true(stage_publish(stage));
	wanted = 50;
	if (!eventually(all_delivered, stage, 15000)) {
		struct fault fault;
		publisher_fault(stage->publisher, &fault);
		fail_msg("not delivered: %s", fault.text);
	}
	stage_free(stage);
}

static void assert_refused(struct stage *stage, const char *says)
{
	struct fault fault;
	assert_true(stage_publish(stage));
	assert_true(eventually(has_fault, stage, 20000));
	publisher_fault(stage->publisher, &fault);
	if (!strstr(fault.text, says))
		fail_msg("%s is not in: %s", says, fault.text);
	assert_int_equal(publisher_stats(stage->publisher)->connects, 0);
	stage_free(stage);
}

static void the_right_certificate_works(void **state)
{
	(void)state;
	assert_works(tls_stage("good", ""));
}

static void an_unknown_issuer_is_named(void **state)
{
	(void)state;
	struct stage *stage = tls_stage("good", "");
	NAME_FILE(stage, ca_file, "other-ca.crt");
	assert_refused(stage, "is signed by \"County CA\"");
	stage = tls_stage("good", "");
	stage->target.ca_file[0] = '\0'; /* the system's authorities did not sign it either */
	assert_refused(stage, "/etc/ssl/certs does not hold that authority");
}

static void a_certificate_signed_by_itself_is_refused(void **state)
{
	(void)state;
	assert_refused(tls_stage("self-signed", ""), "signed by nobody but itself");
}

static void a_wrong_host_name_is_told_with_the_right_one(void **state)
{
	(void)state;
	assert_refused(tls_stage("wrong-name", ""), "for the name other.example 127.0.0.2, not for 127.0.0.1");
}

static void an_expired_certificate_is_told_with_its_date(void **state)
{
	(void)state;
	assert_refused(tls_stage("expired", ""), "expired on 2020-02-01 00:00 UTC and this box's clock says 2");
}

static void a_clock_that_nobody_set_is_suspected_before_the_certificate(void **state)
{
	(void)state;
	synced = false;
	assert_refused(tls_stage("expired", ""), "and was set by no time service: see whether the clock is right");
	synced = true;
}

static void a_certificate_of_the_future_points_at_the_clock(void **state)
{
	(void)state;
	assert_refused(tls_stage("future", ""), "only from 2090-01-01 00:00 UTC on and this box's clock says 2");
}

static void a_revoked_certificate_is_refused(void **state)
{
	(void)state;
	struct stage *stage = tls_stage("revoked", "");
	NAME_FILE(stage, crl_file, "ca.crl");
	assert_refused(stage, "is revoked");
}

static void with_a_revocation_list_the_others_still_work(void **state)
{
	(void)state;
	struct stage *stage = tls_stage("good", "");
	NAME_FILE(stage, crl_file, "ca.crl");
	assert_works(stage);
}

/* The negative control: without the list nobody knows that it is revoked. */
static void without_a_revocation_list_nothing_is_revoked(void **state)
{
	(void)state;
	assert_works(tls_stage("revoked", ""));
}

static void an_old_revocation_list_is_refused(void **state)
{
	(void)state;
	struct stage *stage = tls_stage("good", "");
	NAME_FILE(stage, crl_file, "old.crl");
	assert_refused(stage, "no valid revocation list");
}

static void there_is_no_fallback_to_plain_text(void **state)
{
	(void)state;
	struct stage *stage = stage_new("");
	assert_true(broker_start(stage));
	snprintf(stage->target.broker, sizeof(stage->target.broker), "mqtts://127.0.0.1:%d", stage->port);
	assert_refused(stage, "");
}

static void tls_older_than_1_2_is_refused(void **state)
{
	(void)state;
	struct stage *stage = pki_stage();
	char port[8], certificate[80], key[80];
	NAME_FILE(stage, ca_file, "ca.crt");
	snprintf(port, sizeof(port), "%d", stage->port);
	name_file(stage, certificate, sizeof(certificate), "good.crt");
	name_file(stage, key, sizeof(key), "good.key");
	stage->broker = start_program(stage, "openssl", "s_server", "-quiet", "-accept", port, "-cert", certificate,
		"-key", key, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", NULL);
	assert_true(eventually(can_connect, stage, 5000));
	assert_refused(stage, "older than 1.2");
}

static void a_station_with_its_certificate_is_let_in(void **state)
{
	(void)state;
	assert_works(asking_stage("station"));
}

static void a_missing_client_certificate_is_told(void **state)
{
	(void)state;
	assert_refused(asking_stage(NULL), "wants a certificate from this station");
}

static void a_client_certificate_of_another_authority_is_told(void **state)
{
	(void)state;
	assert_refused(asking_stage("station-unknown"), "does not know the authority");
}

static void an_expired_client_certificate_is_told(void **state)
{
	(void)state;
	assert_refused(asking_stage("station-expired"), "client-cert has expired");
}

static void a_key_of_another_certificate_is_told(void **state)
{
	(void)state;
	struct stage *stage = asking_stage("station");
	NAME_FILE(stage, client_key, "good.key");
	assert_refused(stage, "is not the key of client-cert");
}

static void a_renewed_certificate_is_used_without_a_restart(void **state)
{
	(void)state;
	struct stage *stage = asking_stage("station-expired");
	stage->target.reconnect_max_ms = 500;
	append(stage, 1, 20, false);
	assert_true(stage_publish(stage));
	assert_true(eventually(has_fault, stage, 20000));
	char command[300];
	snprintf(command, sizeof(command),
		"cd %s && cp station.key station-expired.key && cp station.crt station-expired.crt", stage->directory);
	assert_int_equal(system(command), 0);
	wanted = 20;
	assert_true(eventually(all_delivered, stage, 15000));
	stage_free(stage);
}

static void nothing_listening_is_told_apart(void **state)
{
	(void)state;
	assert_refused(pki_stage(), "Connection refused");
}

static void the_next_broker_of_the_list_is_used(void **state)
{
	(void)state;
	struct stage *stage = tls_stage("good", "");
	snprintf(stage->target.broker, sizeof(stage->target.broker), "mqtts://127.0.0.1:%d mqtts://127.0.0.1:%d",
		free_port(), stage->port);
	stage->target.reconnect_min_ms = stage->target.reconnect_max_ms = 60000; /* no pause between the two */
	assert_works(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_certificate_works),
		cmocka_unit_test(an_unknown_issuer_is_named),
		cmocka_unit_test(a_certificate_signed_by_itself_is_refused),
		cmocka_unit_test(a_wrong_host_name_is_told_with_the_right_one),
		cmocka_unit_test(an_expired_certificate_is_told_with_its_date),
		cmocka_unit_test(a_clock_that_nobody_set_is_suspected_before_the_certificate),
		cmocka_unit_test(a_certificate_of_the_future_points_at_the_clock),
		cmocka_unit_test(a_revoked_certificate_is_refused),
		cmocka_unit_test(with_a_revocation_list_the_others_still_work),
		cmocka_unit_test(without_a_revocation_list_nothing_is_revoked),
		cmocka_unit_test(an_old_revocation_list_is_refused),
		cmocka_unit_test(there_is_no_fallback_to_plain_text),
		cmocka_unit_test(tls_older_than_1_2_is_refused),
		cmocka_unit_test(a_station_with_its_certificate_is_let_in),
		cmocka_unit_test(a_missing_client_certificate_is_told),
		cmocka_unit_test(a_client_certificate_of_another_authority_is_told),
		cmocka_unit_test(an_expired_client_certificate_is_told),
		cmocka_unit_test(a_key_of_another_certificate_is_told),
		cmocka_unit_test(a_renewed_certificate_is_used_without_a_restart),
		cmocka_unit_test(nothing_listening_is_told_apart),
		cmocka_unit_test(the_next_broker_of_the_list_is_used),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
