/* TCP links, client and listener, over real sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/clock.h"
#include "../../daemon/link.h"

static struct fault fault;
static int stop_fd;

static struct link *link_to(struct port *port, enum port_kind kind, const char *host, int number)
{
	struct link *link = NULL;
	*port = (struct port){ .kind = kind, .number = number };
	snprintf(port->host, sizeof(port->host), "%s", host);
	snprintf(port->text, sizeof(port->text), "tcp:%s:%d", host, number);
	assert_int_equal(link_new(port, stop_fd, &link, &fault), 0);
	return link;
}

static int listening_socket(int *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 2), 0);
	getsockname(fd, (struct sockaddr *)&at, &size);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static int free_port(void)
{
	int port;
	close(listening_socket(&port));
	return port;
}

static int dial(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static int group_setup(void **state)
{
	(void)state;
	stop_fd = eventfd(0, EFD_CLOEXEC);
	return 0;
}

static void a_client_carries_bytes_both_ways_and_finds_its_host_by_name(void **state)
{
	(void)state;
	int number, server = listening_socket(&number);
	struct port port;
	struct link *link = link_to(&port, PORT_TCP, "localhost", number);
	uint8_t bytes[64];
	assert_int_equal(link_open(link, &fault), 0);
	int peer = accept(server, NULL, NULL);
	assert_int_equal(link_write(link, (const uint8_t *)"N?", 2, &fault), 0);
	assert_int_equal(read(peer, bytes, sizeof(bytes)), 2);
	assert_int_equal(write(peer, "abc", 3), 3);
	assert_int_equal(link_read(link, bytes, sizeof(bytes), 1000, &fault), 3);
	assert_memory_equal(bytes, "abc", 3);
	long begun = clock_ms();
	assert_int_equal(link_read(link, bytes, sizeof(bytes), 100, &fault), 0);
	assert_in_range(clock_ms() - begun, 99, 400);
	link_free(link);
	close(peer);
	close(server);
}

static void what_came_before_a_close_is_read_and_then_the_loss_is_told_at_once(void **state)
{
	(void)state;
	int number, server = listening_socket(&number);
	struct port port;
	struct link *link = link_to(&port, PORT_TCP, "127.0.0.1", number);
	uint8_t bytes[64];
	assert_int_equal(link_open(link, &fault), 0);
	int peer = accept(server, NULL, NULL);
	assert_int_equal(write(peer, "last", 4), 4);
	close(peer);
	assert_int_equal(link_read(link, bytes, sizeof(bytes), 1000, &fault), 4);
	long begun = clock_ms();
	assert_int_equal(link_read(link, bytes, sizeof(bytes), 60000, &fault), -ENOTCONN);
	assert_in_range(clock_ms() - begun, 0, 100);
	assert_non_null(strstr(fault.text, port.text));
	/* writing to it is an error and no signal */
	int error = 0;
	for (int i = 0; i < 50 && !error; i++, usleep(2000))
		error = link_write(link, (const uint8_t *)"x", 1, &fault);
	assert_int_equal(error, -ENOTCONN);
	link_free(link);
	close(server);
}

static void a_host_that_is_not_there_is_a_sentence(void **state)
{
	(void)state;
	struct port port;
	struct link *link = link_to(&port, PORT_TCP, "127.0.0.1", free_port());
	assert_int_equal(link_open(link, &fault), -ECONNREFUSED);
	assert_non_null(strstr(fault.text, "127.0.0.1"));
	link_free(link);
	link = link_to(&port, PORT_TCP, "no-such-host.invalid", 4001);
	assert_true(link_open(link, &fault) < 0);
	assert_non_null(strstr(fault.text, "no-such-host.invalid"));
	link_free(link);
}

/* 10.255.255.1 or whatever does not answer: the listener's backlog is full, so the kernel drops the SYN. */
static void a_host_that_does_not_answer_costs_three_seconds_and_a_stop_ends_it(void **state)
{
	(void)state;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), full[4];
	assert_int_equal(bind(server, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(server, 0), 0);
	getsockname(server, (struct sockaddr *)&at, &size);
	for (int i = 0; i < 4; i++) {
		full[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(full[i], (struct sockaddr *)&at, sizeof(at));
	}
	struct port port;
	struct link *link = link_to(&port, PORT_TCP, "127.0.0.1", ntohs(at.sin_port));
	_Atomic unsigned long beat = 0;
	link_set_beat(link, &beat);
	long begun = clock_ms();
	assert_int_equal(link_open(link, &fault), -ETIMEDOUT);
	assert_in_range(clock_ms() - begun, 2500, 4000);
	assert_in_range(beat, 3, 10); /* a sign of life each second */
	eventfd_write(stop_fd, 1);
	begun = clock_ms();
	assert_int_equal(link_open(link, &fault), -ECANCELED);
	assert_in_range(clock_ms() - begun, 0, 200);
	eventfd_t told;
	eventfd_read(stop_fd, &told);
	link_free(link);
	for (int i = 0; i < 4; i++)
		close(full[i]);
	close(server);
}

static void a_dead_peer_is_noticed_by_keepalive(void **state)
{
	(void)state;
	int number, server = listening_socket(&number);
	struct port port;
	struct link *link = link_to(&port, PORT_TCP, "127.0.0.1", number);
	assert_int_equal(link_open(link, &fault), 0);
	int found = 0;
	for (int fd = 3; fd < 64; fd++) {
		struct sockaddr_in peer;
		socklen_t size = sizeof(peer);
		int on = 0, idle = 0, delay = 0;
		socklen_t length = sizeof(on);
		if (getpeername(fd, (struct sockaddr *)&peer, &size) < 0 || ntohs(peer.sin_port) != number)
			continue;
		getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &length);
		getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &length);
		getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &delay, &length);
		assert_true(on && delay);
		assert_in_range(idle, 1, 30);
		found++;
	}
	assert_int_equal(found, 1);
	link_free(link);
	close(server);
}

static void a_listener_takes_one_instrument_at_a_time(void **state)
{
	(void)state;
	int number = free_port();
	struct port port;
	struct link *link = link_to(&port, PORT_TCP_LISTEN, "127.0.0.1", number);
	uint8_t bytes[64];
	assert_int_equal(link_open(link, &fault), 0);
	assert_false(link_is_connected(link));
	assert_int_equal(link_write(link, (const uint8_t *)"x", 1, &fault), -ENOTCONN);
	int first = dial(number);
	assert_int_equal(write(first, "one", 3), 3);
	assert_int_equal(link_read(link, bytes, sizeof(bytes), 1000, &fault), 3);
	assert_true(link_is_connected(link));

	int second = dial(number);
	assert_int_equal(link_read(link, bytes, sizeof(bytes), 100, &fault), 0);
	assert_int_equal(read(second, bytes, sizeof(bytes)), 0); /* refused: closed by us */
	struct fault remark;
	assert_true(link_remark(link, &remark));
	assert_non_null(strstr(remark.text, "127.0.0.1"));
	int third = dial(number);
	assert_int_equal(link_read(link, bytes, sizeof(bytes), 100, &fault), 0);
	assert_false(link_remark(link, &remark)); /* told once */
	assert_int_equal(write(first, "still", 5), 5);
	assert_int_equal(link_read(link, bytes, sizeof(bytes), 1000, &fault), 5);

	close(first);
	assert_int_equal(link_read(link, bytes, sizeof(bytes), 1000, &fault), -ENOTCONN);
	assert_int_equal(link_open(link, &fault), 0); /* still bound: the next is let in */
	int fourth = dial(number);
	assert_int_equal(write(fourth, "four", 4), 4);
	assert_int_equal(link_read(link, bytes, sizeof(bytes), 1000, &fault), 4);
	assert_int_equal(link_write(link, (const uint8_t *)"ok", 2, &fault), 0);
	assert_int_equal(read(fourth, bytes, sizeof(bytes)), 2);
	close(second);
	close(third);
	close(fourth);
	link_free(link);
}

/* The lowest number that is free is out of bounds: nothing can be opened. */
static void leave_no_descriptor(struct rlimit *ret_usual)
{
	int lowest = dup(0);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, ret_usual), 0);
	struct rlimit none = { .rlim_cur = (rlim_t)lowest, .rlim_max = ret_usual->rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
}

static void without_descriptors_a_listener_waits_idle_and_says_why(void **state)
{
	(void)state;
	struct port port;
	struct rlimit usual;
	struct link *link = link_to(&port, PORT_TCP_LISTEN, "127.0.0.1", free_port());
	uint8_t bytes[4];
	assert_int_equal(link_open(link, &fault), 0);
	int caller = dial(port.number);
	leave_no_descriptor(&usual);
	clock_t before = clock();
	int got = link_read(link, bytes, sizeof(bytes), 400, &fault);
	clock_t used = clock() - before;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	assert_int_equal(got, 0);
	assert_in_range(used, 0, CLOCKS_PER_SEC / 20);
	assert_true(link_remark(link, &fault));
	assert_non_null(strstr(fault.text, "Too many open files"));
	assert_int_equal(write(caller, "7", 1), 1);
	assert_int_equal(link_read(link, bytes, sizeof(bytes), 2000, &fault), 1);
	assert_false(link_remark(link, &fault));
	close(caller);
	link_free(link);
}

static void a_port_that_is_taken_is_a_sentence(void **state)
{
	(void)state;
	int number, server = listening_socket(&number);
	struct port port;
	struct link *link = link_to(&port, PORT_TCP_LISTEN, "127.0.0.1", number);
	assert_int_equal(link_open(link, &fault), -EADDRINUSE);
	assert_non_null(strstr(fault.text, "another program"));
	link_free(link);
	close(server);
}

static void registers_are_not_asked_of_a_byte_link_nor_bytes_of_a_closed_one(void **state)
{
	(void)state;
	int number, server = listening_socket(&number);
	struct port port;
	struct link *link = link_to(&port, PORT_TCP, "127.0.0.1", number);
	struct request request = { .kind = REQUEST_READ, .count = 1 };
	struct reply reply;
	uint16_t registers[REGISTERS_MAX];
	uint8_t bytes[PDU_MAX];
	assert_int_equal(link_read(link, bytes, sizeof(bytes), 10, &fault), -ENOTCONN);
	assert_int_equal(link_write(link, bytes, 1, &fault), -ENOTCONN);
	assert_int_equal(link_open(link, &fault), 0);
	assert_int_equal(link_exchange(link, 1, &request, 10, &reply, registers, bytes, &fault), -ENOTSUP);
	assert_int_equal(link_quarantine(link, 20, &fault), 0); /* a byte link is closed, rested and opened */
	assert_true(link_is_open(link));
	link_free(link);
	close(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_carries_bytes_both_ways_and_finds_its_host_by_name),
		cmocka_unit_test(what_came_before_a_close_is_read_and_then_the_loss_is_told_at_once),
		cmocka_unit_test(a_host_that_is_not_there_is_a_sentence),
		cmocka_unit_test(a_host_that_does_not_answer_costs_three_seconds_and_a_stop_ends_it),
		cmocka_unit_test(a_dead_peer_is_noticed_by_keepalive),
		cmocka_unit_test(a_listener_takes_one_instrument_at_a_time),
		cmocka_unit_test(without_descriptors_a_listener_waits_idle_and_says_why),
		cmocka_unit_test(a_port_that_is_taken_is_a_sentence),
		cmocka_unit_test(registers_are_not_asked_of_a_byte_link_nor_bytes_of_a_closed_one),
	};
	return cmocka_run_group_tests(tests, group_setup, NULL);
}
