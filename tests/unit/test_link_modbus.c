/* Modbus links against misbehaving slaves on pseudo terminals, and against libmodbus' own server over TCP. */
#include <errno.h>
#include <fcntl.h>
#include <modbus.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
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
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/clock.h"
#include "../../daemon/link.h"
#include "../../drivers/checksum.h"

enum conduct { OBEY, LATE, BAD_CHECKSUM, SHORT, LONG, NOISE, OTHER_UNIT, OTHER_LENGTH, REPEAT, REFUSE, DRIP, SILENT };

struct slave {
	int fd;
	char name[64];
	pthread_t thread;
	_Atomic int manner; /* of the next answer; then it obeys again, but for REFUSE, SILENT and REPEAT */
	_Atomic int late_ms;
	_Atomic bool stop;
	int tty; /* kept open as a serial adapter is: closing our side is no hang-up */
};

static size_t answer_to(const uint8_t *ask, uint8_t *out)
{
	size_t length = 3;
	unsigned address = (unsigned)(ask[2] << 8 | ask[3]), count = (unsigned)(ask[4] << 8 | ask[5]);
	out[0] = ask[0];
	out[1] = ask[1];
	if (ask[1] == 0x65) { /* the oil tester: a byte count, then records */
		out[2] = 20;
		for (; length < 23; length++)
			out[length] = (uint8_t)length;
	} else if (ask[1] == 6) {
		memcpy(out, ask, 6);
		length = 6;
	} else {
		out[2] = (uint8_t)(2 * count);
		for (unsigned i = 0; i < count; i++) {
			out[length++] = (uint8_t)((1000 * address + i) >> 8);
			out[length++] = (uint8_t)(1000 * address + i);
		}
	}
	return length;
}

static size_t seal(uint8_t *frame, size_t length)
{
	uint16_t sum = checksum_crc16(frame, length);
	frame[length++] = (uint8_t)sum;
	frame[length++] = (uint8_t)(sum >> 8);
	return length;
}

static void put(const struct slave *slave, const uint8_t *bytes, size_t length)
{
	assert_int_equal(write(slave->fd, bytes, length), (ssize_t)length);
}

static void misbehave(struct slave *slave, int manner, const uint8_t *ask)
{
	uint8_t out[300];
	size_t length = seal(out, answer_to(ask, out));
	switch (manner) {
	case LATE:
		usleep((useconds_t)slave->late_ms * 1000);
		break;
	case BAD_CHECKSUM:
		out[length - 1] ^= 0xFF;
		break;
	case SHORT:
		length = 5;
		break;
	case LONG:
		memset(out + length, 0xAA, 20);
		length += 20;
		break;
	case NOISE:
		put(slave, (const uint8_t[]){ 0xFF, 0x00 }, 2);
		break;
	case OTHER_UNIT:
		out[0] = 9;
		seal(out, length - 2);
		break;
	case OTHER_LENGTH:
		out[2] = (uint8_t)(out[2] - 2);
		length = seal(out, length - 4);
		break;
	case REPEAT:
		put(slave, ask, 8);
		break;
	case REFUSE:
		out[1] |= 0x80;
		out[2] = 6;
		length = seal(out, 3);
		break;
	case SILENT:
		return;
	case DRIP:
		for (size_t i = 0; i < length && !slave->stop; i++, usleep(200000))
			put(slave, out + i, 1);
		return;
	default:
		break;
	}
	put(slave, out, length);
}

static void *serve(void *context)
{
	struct slave *slave = context;
	uint8_t ask[8];
	size_t have = 0;
	while (!slave->stop) {
		struct pollfd wait = { .fd = slave->fd, .events = POLLIN };
		if (poll(&wait, 1, 20) <= 0)
			continue;
		ssize_t got = read(slave->fd, ask + have, sizeof(ask) - have);
		if (got <= 0)
			break;
		have += (size_t)got;
		if (have < sizeof(ask))
			continue;
		have = 0;
		int manner = slave->manner;
		if (manner != REFUSE && manner != SILENT && manner != REPEAT)
			slave->manner = OBEY;
		misbehave(slave, manner, ask);
	}
	return NULL;
}

static void slave_start(struct slave *slave)
{
	struct termios raw;
	*slave = (struct slave){ 0 };
	assert_int_equal(openpty(&slave->fd, &slave->tty, slave->name, NULL, NULL), 0);
	tcgetattr(slave->tty, &raw);
	cfmakeraw(&raw);
	tcsetattr(slave->tty, TCSANOW, &raw);
	assert_int_equal(pthread_create(&slave->thread, NULL, serve, slave), 0);
}

static void slave_stop(struct slave *slave)
{
	slave->stop = true;
	pthread_join(slave->thread, NULL);
	close(slave->fd);
	close(slave->tty);
}

struct bench {
	struct slave slave;
	struct port port;
	int stop_fd;
	struct link *link;
	struct reply reply;
	struct fault fault;
	uint16_t registers[REGISTERS_MAX];
	uint8_t bytes[PDU_MAX];
};

static struct bench *bench_new(void)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	slave_start(&bench->slave);
	bench->port = (struct port){
		.kind = PORT_MODBUS_RTU, .baud = 9600, .parity = PARITY_EVEN, .data_bits = 8, .stop_bits = 1
	};
	snprintf(bench->port.text, sizeof(bench->port.text), "modbus-rtu:%s", bench->slave.name);
	snprintf(bench->port.path, sizeof(bench->port.path), "%s", bench->slave.name);
	bench->stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(link_new(&bench->port, bench->stop_fd, &bench->link, &bench->fault), 0);
	if (link_open(bench->link, &bench->fault))
		fail_msg("%s", bench->fault.text);
	return bench;
}

static void bench_free(struct bench *bench)
{
	link_free(bench->link);
	slave_stop(&bench->slave);
	close(bench->stop_fd);
	free(bench);
}

static int ask(struct bench *bench, unsigned address, unsigned count, int timeout_ms)
{
	struct request request = { .kind = REQUEST_READ, .address = (uint16_t)address, .count = (uint16_t)count };
	memset(&bench->reply, 0, sizeof(bench->reply));
	return link_exchange(
		bench->link, 1, &request, timeout_ms, &bench->reply, bench->registers, bench->bytes, &bench->fault);
}

static void a_read_gives_the_registers_and_their_bytes(void **state)
{
	(void)state;
	struct bench *bench = bench_new();
	assert_int_equal(ask(bench, 7, 3, 500), 0);
	assert_int_equal(bench->reply.kind, REPLY_REGISTERS);
	assert_int_equal(bench->reply.count, 3);
	assert_int_equal(bench->reply.registers[2], 7002);
	assert_int_equal(bench->reply.length, 6);
	assert_int_equal(bench->reply.bytes[5] | bench->reply.bytes[4] << 8, 7002);
	bench_free(bench);
}

static void a_write_is_confirmed(void **state)
{
	(void)state;
	struct bench *bench = bench_new();
	struct request request = { .kind = REQUEST_WRITE, .address = 0x22, .count = 1, .registers = { 1 } };
	assert_int_equal(link_exchange(bench->link, 1, &request, 500, &bench->reply, bench->registers, bench->bytes,
				 &bench->fault),
		0);
	assert_int_equal(bench->reply.kind, REPLY_DONE);
	bench_free(bench);
}

static void a_user_function_is_answered_whole(void **state)
{
	(void)state;
	struct bench *bench = bench_new();
	struct request request = { .kind = REQUEST_RAW, .bytes = { 0x65, 0, 0, 0, 1 }, .length = 5 };
	int error = link_exchange(
		bench->link, 1, &request, 500, &bench->reply, bench->registers, bench->bytes, &bench->fault);
	if (error)
		fail_msg("%s", bench->fault.text);
	assert_int_equal(bench->reply.kind, REPLY_RAW);
	assert_int_equal(bench->reply.length, 22); /* function, count, 20 bytes: no unit, no checksum */
	assert_int_equal(bench->reply.bytes[0], 0x65);
	assert_int_equal(bench->reply.bytes[21], 22);
	bench_free(bench);
}

static void a_refusal_is_an_answer(void **state)
{
	(void)state;
	struct bench *bench = bench_new();
	bench->slave.manner = REFUSE;
	assert_int_equal(ask(bench, 7, 3, 500), 0);
	assert_int_equal(bench->reply.kind, REPLY_REFUSED);
	assert_int_equal(bench->reply.exception, 6);
	bench->slave.manner = OBEY;
	assert_int_equal(ask(bench, 8, 3, 500), 0);
	assert_int_equal(bench->registers[0], 8000);
	bench_free(bench);
}

/* After each fault: quarantine, and then right values. */
static void no_fault_on_the_wire_becomes_a_value(void **state)
{
	(void)state;
	static const int faults[] = { BAD_CHECKSUM, SHORT, LONG, NOISE, OTHER_UNIT, OTHER_LENGTH, REPEAT, SILENT };
	struct bench *bench = bench_new();
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		bench->slave.manner = faults[i];
		int error = ask(bench, 3, 4, 200);
		if (faults[i] ==
			LONG) /* a right answer, and then noise: the answer stands, the noise is not an answer */
			assert_int_equal(bench->registers[3], 3003);
		else if (error == 0)
			fail_msg("fault %d passed for an answer", faults[i]);
		bench->slave.manner = OBEY;
		usleep(20000);
		if (error)
			assert_int_equal(link_quarantine(bench->link, 300, &bench->fault), 0);
		for (unsigned address = 10; address < 14; address++) {
			if (ask(bench, address, 4, 500))
				fail_msg("after fault %d: %s", faults[i], bench->fault.text);
			assert_int_equal(bench->registers[0], 1000 * address);
		}
		assert_int_equal(link_unasked(bench->link), faults[i] == LONG ? 20 : 0);
	}
	bench_free(bench);
}

static void a_dripping_slave_does_not_hold_the_line(void **state)
{
	(void)state;
	struct bench *bench = bench_new();
	bench->slave.manner = DRIP;
	long begun = clock_ms();
	assert_true(ask(bench, 3, 100, 300) < 0);
	assert_in_range(clock_ms() - begun, 0, 1500);
	bench_free(bench);
}

static void *tell_stop(void *context)
{
	usleep(200000);
	eventfd_write(*(int *)context, 1);
	return NULL;
}

static void a_stop_ends_every_wait(void **state)
{
	(void)state;
	struct bench *bench = bench_new();
	pthread_t thread;
	bench->slave.manner = SILENT;
	pthread_create(&thread, NULL, tell_stop, &bench->stop_fd);
	long begun = clock_ms();
	assert_int_equal(ask(bench, 3, 4, 60000), -ECANCELED);
	assert_int_equal(link_quarantine(bench->link, 60000, &bench->fault), -ECANCELED);
	assert_in_range(clock_ms() - begun, 150, 900);
	pthread_join(thread, NULL);
	bench_free(bench);
}

static void a_second_master_is_refused_by_name(void **state)
{
	(void)state;
	struct bench *bench = bench_new();
	struct link *second = NULL;
	char me[32];
	snprintf(me, sizeof(me), "process %d", (int)getpid());
	assert_int_equal(link_new(&bench->port, bench->stop_fd, &second, &bench->fault), 0);
	assert_int_equal(link_open(second, &bench->fault), -EBUSY);
	assert_non_null(strstr(bench->fault.text, me));
	/* in quarantine the line is still ours */
	link_close(bench->link);
	assert_int_equal(link_open(second, &bench->fault), 0);
	link_free(second);
	bench_free(bench);
}

static void an_unplugged_adapter_is_seen_at_once(void **state)
{
	(void)state;
	struct bench *bench = bench_new();
	slave_stop(&bench->slave);
	long begun = clock_ms();
	int error = ask(bench, 3, 4, 5000);
	assert_int_equal(error, -ENOTCONN);
	assert_in_range(clock_ms() - begun, 0, 200);
	assert_true(link_quarantine(bench->link, 100, &bench->fault) < 0);
	assert_false(link_is_open(bench->link));
	link_free(bench->link);
	close(bench->stop_fd);
	free(bench);
}

static void a_quarantine_ends_with_the_answer_it_waits_for(void **state)
{
	(void)state;
	struct bench *bench = bench_new();
	bench->slave.late_ms = 600;
	bench->slave.manner = LATE;
	assert_int_equal(ask(bench, 3, 4, 300), -ETIMEDOUT);
	long begun = clock_ms();
	assert_int_equal(link_quarantine(bench->link, 3000, &bench->fault), 0);
	assert_in_range(clock_ms() - begun, 250, 1000);
	assert_int_equal(ask(bench, 4, 4, 300), 0);
	assert_int_equal(bench->registers[0], 4000);
	struct request write = { .kind = REQUEST_WRITE, .address = 0x22, .count = 1, .registers = { 1 } };
	bench->slave.manner = LATE;
	assert_int_equal(link_exchange(bench->link, 1, &write, 300, &bench->reply, bench->registers, bench->bytes,
				 &bench->fault),
		-ETIMEDOUT);
	begun = clock_ms();
	assert_int_equal(link_quarantine(bench->link, 3000, &bench->fault), 0);
	assert_in_range(clock_ms() - begun, 250, 1000);
	bench->slave.manner = SILENT; /* nothing comes: all the time is waited out */
	assert_int_equal(ask(bench, 5, 4, 300), -ETIMEDOUT);
	begun = clock_ms();
	assert_int_equal(link_quarantine(bench->link, 1000, &bench->fault), 0);
	assert_in_range(clock_ms() - begun, 1000, 1500);
	bench_free(bench);
}

struct campaign {
	int late_ms, lateness_ms;
	unsigned wrong, right;
	pthread_t thread;
};

/* One late answer, then ten more questions, each of another register but of equal length. */
static void *ask_after_late_answer(void *context)
{
	struct campaign *campaign = context;
	struct bench *bench = bench_new();
	bench->slave.late_ms = campaign->late_ms;
	bench->slave.manner = LATE;
	for (unsigned address = 1; address <= 10; address++) {
		int error = ask(bench, address, 2, 300);
		if (error < 0)
			link_quarantine(bench->link, campaign->lateness_ms, &bench->fault);
		else if (bench->registers[0] == 1000 * address)
			campaign->right++;
		else
			campaign->wrong++;
		if (!link_is_open(bench->link))
			link_open(bench->link, &bench->fault);
	}
	bench_free(bench);
	return NULL;
}

static unsigned run_campaign(int lateness_ms, unsigned *ret_right)
{
	struct campaign campaigns[59];
	unsigned wrong = 0;
	*ret_right = 0;
	for (int i = 0; i < 59; i++) {
		campaigns[i] = (struct campaign){ .late_ms = 100 + 50 * i, .lateness_ms = lateness_ms };
		assert_int_equal(pthread_create(&campaigns[i].thread, NULL, ask_after_late_answer, &campaigns[i]), 0);
	}
	for (int i = 0; i < 59; i++) {
		pthread_join(campaigns[i].thread, NULL);
		wrong += campaigns[i].wrong;
		*ret_right += campaigns[i].right;
	}
	return wrong;
}

static void an_answer_0_1_to_3_s_late_never_becomes_a_value(void **state)
{
	(void)state;
	unsigned right;
	unsigned wrong = run_campaign(3000, &right);
	print_message("late by 0.1..3 s in steps of 0.05 s: %u right, %u wrong\n", right, wrong);
	assert_int_equal(wrong, 0);
	assert_in_range(right, 59 * 7, 59 * 10); /* a busy machine misses some in their 0.3 s */
}

/* The same without the quarantine: shows that the campaign above would see wrong values. */
static void without_quarantine_late_answers_do_become_values(void **state)
{
	(void)state;
	unsigned right;
	unsigned wrong = run_campaign(0, &right);
	print_message("the same without waiting: %u right, %u wrong\n", right, wrong);
	assert_in_range(wrong, 1, 590);
}

struct server {
	modbus_t *modbus;
	modbus_mapping_t *map;
	int listener, port;
	_Atomic int manner;
	pthread_t thread;
};

enum { TCP_OBEY, TCP_OTHER_UNIT, TCP_TWICE, TCP_RESET };

/* libmodbus' own server; the faults are made by changing the query it answers, and by answering twice. */
static void *serve_tcp(void *context)
{
	struct server *server = context;
	uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
	for (int fd; (fd = modbus_tcp_accept(server->modbus, &server->listener)) >= 0;) {
		while (fd < FD_SETSIZE) { /* the library cannot wait for others, here as there */
			int length = modbus_receive(server->modbus, query);
			if (length < 0 || server->manner == TCP_RESET)
				break;
			if (server->manner == TCP_OTHER_UNIT)
				query[6] ^= 0x60;
			modbus_reply(server->modbus, query, length, server->map);
			if (server->manner == TCP_TWICE)
				modbus_reply(server->modbus, query, length, server->map);
		}
		modbus_close(server->modbus);
	}
	return NULL;
}

static struct bench *tcp_bench(struct server *server)
{
	struct sockaddr_storage at;
	socklen_t size = sizeof(at);
	struct bench *bench = calloc(1, sizeof(*bench));
	*server =
		(struct server){ .modbus = modbus_new_tcp("127.0.0.1", 0), .map = modbus_mapping_new(0, 0, 100, 100) };
	for (uint16_t i = 0; i < 100; i++)
		server->map->tab_registers[i] = (uint16_t)(100 * i), server->map->tab_input_registers[i] = i;
	server->listener = modbus_tcp_listen(server->modbus, 4);
	assert_true(server->listener >= 0);
	getsockname(server->listener, (struct sockaddr *)&at, &size);
	bench->port = (struct port){ .kind = PORT_MODBUS_TCP, .host = "localhost" };
	bench->port.number = ntohs(((struct sockaddr_in *)&at)->sin_port);
	snprintf(bench->port.text, sizeof(bench->port.text), "modbus-tcp:localhost:%d", bench->port.number);
	assert_int_equal(pthread_create(&server->thread, NULL, serve_tcp, server), 0);
	bench->stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(link_new(&bench->port, bench->stop_fd, &bench->link, &bench->fault), 0);
	if (link_open(bench->link, &bench->fault))
		fail_msg("%s", bench->fault.text);
	return bench;
}

static void tcp_bench_free(struct bench *bench, struct server *server)
{
	link_free(bench->link);
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->listener);
	modbus_mapping_free(server->map);
	modbus_free(server->modbus);
	close(bench->stop_fd);
	free(bench);
}

static void tcp_reads_writes_and_refusals_work_by_host_name(void **state)
{
	(void)state;
	struct server server;
	struct bench *bench = tcp_bench(&server);
	assert_int_equal(ask(bench, 5, 40, 1000), 0);
	assert_int_equal(bench->registers[39], 4400);
	struct request request = { .kind = REQUEST_WRITE, .address = 50, .count = 2, .registers = { 11, 22 } };
	assert_int_equal(link_exchange(bench->link, 1, &request, 1000, &bench->reply, bench->registers, bench->bytes,
				 &bench->fault),
		0);
	assert_int_equal(bench->reply.kind, REPLY_DONE);
	assert_int_equal(ask(bench, 50, 2, 1000), 0);
	assert_int_equal(bench->registers[1], 22);
	assert_int_equal(ask(bench, 99, 2, 1000), 0);
	assert_int_equal(bench->reply.kind, REPLY_REFUSED);
	assert_int_equal(bench->reply.exception, 2);
	struct request input = { .kind = REQUEST_READ, .table = REGISTERS_INPUT, .address = 9, .count = 1 };
	assert_int_equal(link_exchange(bench->link, 1, &input, 1000, &bench->reply, bench->registers, bench->bytes,
				 &bench->fault),
		0);
	assert_int_equal(bench->registers[0], 9);
	tcp_bench_free(bench, &server);
}

static void tcp_answers_of_another_unit_or_question_are_refused(void **state)
{
	(void)state;
	struct server server;
	struct bench *bench = tcp_bench(&server);
	server.manner = TCP_OTHER_UNIT;
	assert_int_equal(ask(bench, 5, 4, 1000), -EBADMSG);
	assert_non_null(strstr(bench->fault.text, "unit"));
	server.manner = TCP_TWICE;
	assert_int_equal(link_quarantine(bench->link, 3000, &bench->fault), 0);
	assert_int_equal(ask(bench, 6, 4, 1000), 0);
	assert_int_equal(ask(bench, 7, 4, 1000), -EBADMSG); /* meets the doubled answer to 6 */
	server.manner = TCP_OBEY;
	long begun = clock_ms();
	assert_int_equal(link_quarantine(bench->link, 3000, &bench->fault), 0);
	assert_in_range(clock_ms() - begun, 0, 500); /* a new connection carries no old answers: nothing to wait for */
	assert_int_equal(ask(bench, 8, 4, 1000), 0);
	assert_int_equal(bench->registers[0], 800);
	server.manner = TCP_RESET;
	assert_int_equal(ask(bench, 9, 4, 1000), -ENOTCONN);
	tcp_bench_free(bench, &server);
}

static void a_connection_libmodbus_could_not_wait_for_is_refused(void **state)
{
	(void)state;
	struct rlimit limit, more;
	getrlimit(RLIMIT_NOFILE, &limit);
	more = limit;
	more.rlim_cur = more.rlim_max < 4096 ? more.rlim_max : 4096;
	if (more.rlim_cur <= 1100 || setrlimit(RLIMIT_NOFILE, &more) < 0)
		skip();
	struct server server;
	struct bench *bench = tcp_bench(&server);
	link_close(bench->link);
	static int held[2048];
	int count = 0;
	do
		held[count] = dup(bench->stop_fd);
	while (held[count] >= 0 && held[count++] < 1024);
	assert_int_equal(link_open(bench->link, &bench->fault), -EMFILE);
	assert_non_null(strstr(bench->fault.text, "1023"));
	while (count > 0)
		close(held[--count]);
	assert_int_equal(link_open(bench->link, &bench->fault), 0);
	tcp_bench_free(bench, &server);
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_gives_the_registers_and_their_bytes),
		cmocka_unit_test(a_write_is_confirmed),
		cmocka_unit_test(a_user_function_is_answered_whole),
		cmocka_unit_test(a_refusal_is_an_answer),
		cmocka_unit_test(no_fault_on_the_wire_becomes_a_value),
		cmocka_unit_test(a_dripping_slave_does_not_hold_the_line),
		cmocka_unit_test(a_stop_ends_every_wait),
		cmocka_unit_test(a_second_master_is_refused_by_name),
		cmocka_unit_test(an_unplugged_adapter_is_seen_at_once),
		cmocka_unit_test(a_quarantine_ends_with_the_answer_it_waits_for),
		cmocka_unit_test(an_answer_0_1_to_3_s_late_never_becomes_a_value),
		cmocka_unit_test(without_quarantine_late_answers_do_become_values),
		cmocka_unit_test(tcp_reads_writes_and_refusals_work_by_host_name),
		cmocka_unit_test(tcp_answers_of_another_unit_or_question_are_refused),
		cmocka_unit_test(a_connection_libmodbus_could_not_wait_for_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
