/* Names and addresses. What a resolver does that says nothing is row B3 of the campaign. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../daemon/lookup.h"

static struct lookup *start(const char *host, int event_fd)
{
	struct lookup *lookup = NULL;
	struct fault fault;
	assert_int_equal(lookup_start(host, "1883", 0, event_fd, &lookup, &fault), 0);
	return lookup;
}

static void an_address_is_there_at_once(void **state)
{
	(void)state;
	char text[80];
	struct lookup *lookup = start("127.0.0.1", -1);
	assert_true(lookup_done(lookup) && lookup_found(lookup));
	assert_true(lookup_address(lookup, 0, text, sizeof(text)));
	assert_string_equal(text, "127.0.0.1");
	lookup_free(lookup);
	lookup = start("::1", -1);
	assert_true(lookup_address(lookup, 7, text, sizeof(text)));
	assert_string_equal(text, "[::1]");
	lookup_free(lookup);
}

static void a_name_is_looked_up_aside_and_ipv4_comes_first(void **state)
{
	(void)state;
	char text[80];
	int event_fd = eventfd(0, EFD_CLOEXEC);
	struct lookup *lookup = start("localhost", event_fd);
	struct pollfd poller = { .fd = event_fd, .events = POLLIN };
	assert_int_equal(poll(&poller, 1, 30000), 1);
	assert_true(lookup_done(lookup));
	assert_true(lookup_address(lookup, 0, text, sizeof(text)));
	assert_string_equal(text, "127.0.0.1");
	lookup_free(lookup);
	close(event_fd);
}

static void a_name_nobody_has_is_told_in_the_resolvers_words(void **state)
{
	(void)state;
	char text[80];
	int event_fd = eventfd(0, EFD_CLOEXEC);
	struct lookup *lookup = start("broker.invalid", event_fd);
	struct pollfd poller = { .fd = event_fd, .events = POLLIN };
	assert_int_equal(poll(&poller, 1, 60000), 1);
	assert_true(lookup_done(lookup));
	assert_null(lookup_found(lookup));
	assert_false(lookup_address(lookup, 0, text, sizeof(text)));
	assert_true(strlen(lookup_error(lookup)) > 0);
	lookup_free(lookup);
	close(event_fd);
}

static void a_look_up_can_be_let_go_at_any_moment(void **state)
{
	(void)state;
	int event_fd = eventfd(0, EFD_CLOEXEC);
	for (int i = 0; i < 50; i++)
		lookup_free(start("localhost", event_fd));
	close(event_fd); /* the threads have their own */
	usleep(100000);
	lookup_free(NULL);
}

static void a_broker_is_split_into_host_and_service(void **state)
{
	(void)state;
	char host[64], service[8];
	lookup_split("mqtts://broker.example:8883", host, sizeof(host), service);
	assert_string_equal(host, "broker.example");
	assert_string_equal(service, "8883");
	lookup_split("mqtt://[::1]:1883", host, sizeof(host), service);
	assert_string_equal(host, "::1");
	assert_string_equal(service, "1883");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_there_at_once),
		cmocka_unit_test(a_name_is_looked_up_aside_and_ipv4_comes_first),
		cmocka_unit_test(a_name_nobody_has_is_told_in_the_resolvers_words),
		cmocka_unit_test(a_look_up_can_be_let_go_at_any_moment),
		cmocka_unit_test(a_broker_is_split_into_host_and_service),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
