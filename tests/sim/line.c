#include "line.h"

#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "atp.h"
#include "modbus.h"
#include "seven.h"
#include "text_dialogue.h"
#include "zero3.h"

#define REDIAL_NS INT64_C(200000000)

static struct answer answer; /* under construction; one at a time */

static void add_peer(struct line *line, int fd)
{
	struct peer *peer = peer_open(fd, &line->owner);

	peer->next = line->peers;
	if (line->peers)
		line->peers->previous = peer;
	line->peers = peer;
}

static void remove_peer(void *context, struct peer *peer)
{
	struct line *line = context;

	if (peer->previous)
		peer->previous->next = peer->next;
	else
		line->peers = peer->next;
	if (peer->next)
		peer->next->previous = peer->previous;
	peer_close(peer);
}

static struct instrument *find_unit(const struct line *line, unsigned unit)
{
	for (size_t i = 0; i < line->instrument_count; i++) {
		if (line->instruments[i].place.unit == unit)
			return &line->instruments[i];
	}
	return NULL;
}

static bool answers(const struct line *line, const struct instrument *instrument)
{
	return instrument->powered && !line->options->dead[instrument->place.unit];
}

static void echo(const struct line *line, struct peer *peer, const uint8_t *data, size_t length)
{
	if (line->options->echo)
		peer_send(peer, data, length, 0);
}

static void send_answer(struct line *line, struct peer *peer)
{
	if (answer.length > 0)
		peer_send(peer, answer.bytes, answer.length, mischief_delay_ns(&line->mischief));
	answer.length = 0;
}

static void broadcast(struct line *line, const uint8_t *pdu, size_t length)
{
	uint8_t unheard[MODBUS_PDU_MAX];

	for (size_t i = 0; i < line->instrument_count; i++) {
		if (answers(line, &line->instruments[i]))
			modbus_answer(&line->instruments[i], pdu, length, unheard);
	}
}

static void request_rtu(void *context, struct peer *peer, const uint8_t *data, size_t length)
{
	struct line *line = context;
	uint8_t pdu[MODBUS_PDU_MAX], frame[MODBUS_RTU_MAX];

	echo(line, peer, data, length);
	if (data[0] == 0) {
		broadcast(line, data + 1, length - 3);
		return;
	}
	struct instrument *instrument = find_unit(line, data[0]);
	if (!instrument || !answers(line, instrument) || mischief_swallows(&line->mischief))
		return;
	size_t pdu_length = modbus_answer(instrument, data + 1, length - 3, pdu);
	size_t frame_length = modbus_rtu_wrap(data[0], pdu, pdu_length, frame);
	mischief_add(&line->mischief, &answer, frame, frame_length, frame_length - 1);
	send_answer(line, peer);
}

static void request_tcp(void *context, struct peer *peer, const uint8_t *data, size_t length)
{
	static const uint8_t no_such_unit = 0x0B; /* "gateway target device failed to respond" */
	struct line *line = context;
	uint8_t pdu[MODBUS_PDU_MAX], frame[MODBUS_TCP_MAX];
	size_t pdu_length = 2;

	echo(line, peer, data, length);
	/* 0 and 255 mean "the instrument at this address" over TCP. */
	struct instrument *instrument = data[6] == 0 || data[6] == 255 ? line->instruments : find_unit(line, data[6]);
	if (instrument) {
		if (!answers(line, instrument) || mischief_swallows(&line->mischief))
			return;
		pdu_length = modbus_answer(instrument, data + 7, length - 7, pdu);
	} else {
		pdu[0] = data[7] | 0x80;
		pdu[1] = no_such_unit;
	}
	size_t frame_length = modbus_tcp_wrap(data, pdu, pdu_length, frame);
	mischief_add(&line->mischief, &answer, frame, frame_length, 1);
	send_answer(line, peer);
}

static void add_seven_frame(void *context, const uint8_t *frame, size_t length)
{
	mischief_add(context, &answer, frame, length, length - 2);
}

static void request_seven(void *context, struct peer *peer, const uint8_t *data, size_t length)
{
	struct line *line = context;

	echo(line, peer, data, length);
	if (!answers(line, line->instruments) || mischief_swallows(&line->mischief))
		return;
	seven_answer(line->instruments, data, length, add_seven_frame, &line->mischief);
	send_answer(line, peer);
}

static void add_frame(void *context, const uint8_t *frame, size_t length)
{
	mischief_add(context, &answer, frame, length, length - 1);
}

static void request_dump8(void *context, struct peer *peer, const uint8_t *data, size_t length)
{
	struct line *line = context;

	echo(line, peer, data, length);
	if (!answers(line, line->instruments) || mischief_swallows(&line->mischief))
		return;
	int64_t takes_ns = dump8_answer(line->instruments, data, length, loop_now_ns(), add_frame, &line->mischief);
	if (answer.length > 0)
		peer_send(peer, answer.bytes, answer.length, mischief_delay_ns(&line->mischief) + takes_ns);
	answer.length = 0;
}

static void request_atp(void *context, struct peer *peer, const uint8_t *data, size_t length)
{
	struct line *line = context;

	echo(line, peer, data, length);
	if (!answers(line, line->instruments) || mischief_swallows(&line->mischief))
		return;
	atp_answer(line->instruments, data[0], add_frame, &line->mischief);
	send_answer(line, peer);
}

static void add_zero3_frame(void *context, const uint8_t *frame, size_t length)
{
	mischief_add(context, &answer, frame, length, 11);
}

static void request_zero3(void *context, struct peer *peer, const uint8_t *data, size_t length)
{
	struct line *line = context;

	echo(line, peer, data, length);
	if (!answers(line, line->instruments) || mischief_swallows(&line->mischief))
		return;
	zero3_sim_answer(line->instruments, data, length, add_zero3_frame, &line->mischief);
	send_answer(line, peer);
}

static void add_text(void *context, const uint8_t *bytes, size_t length)
{
	(void)context;
	answer_add(&answer, bytes, length);
}

static void request_text(void *context, struct peer *peer, const uint8_t *data, size_t length)
{
	struct line *line = context;

	echo(line, peer, data, length);
	if (!answers(line, line->instruments) || mischief_swallows(&line->mischief))
		return;
	text_answer(line->options, &line->instruments->memory, data, length, add_frame, add_text, &line->mischief);
	send_answer(line, peer);
}

/* Its answers come over the conversation that was begun last. */
static void send_mllp(void *context, const uint8_t *message, size_t length)
{
	struct line *line = context;

	if (!line->peers || !answers(line, line->instruments))
		return;
	mischief_add(&line->mischief, &answer, message, length, length - 1);
	send_answer(line, line->peers);
}

static void request_mllp(void *context, struct peer *peer, const uint8_t *data, size_t length)
{
	struct line *line = context;

	echo(line, peer, data, length);
	if (answers(line, line->instruments) && !mischief_swallows(&line->mischief))
		mllp_answer(&line->mllp, data, length);
}

static void push_mllp(struct line *line, struct instrument *instrument)
{
	line->mllp.memory = &instrument->memory;
	line->mllp.send = send_mllp;
	line->mllp.context = line;
	mllp_go_on(&line->mllp);
}

/* As an MLLP message; but only frames suffer, not the words of one byte. */
static void send_a7(void *context, const uint8_t *bytes, size_t length)
{
	struct line *line = context;

	if (!line->peers || !answers(line, line->instruments))
		return;
	if (length > 1)
		mischief_add(&line->mischief, &answer, bytes, length, length - 4);
	else
		answer_add(&answer, bytes, length);
	send_answer(line, line->peers);
}

static void request_a7(void *context, struct peer *peer, const uint8_t *data, size_t length)
{
	struct line *line = context;

	echo(line, peer, data, length);
	if (line->a7.memory && answers(line, line->instruments) && !mischief_swallows(&line->mischief))
		a7_hear(&line->a7, data, length);
}

static void push_a7(struct line *line, struct instrument *instrument)
{
	if (!line->a7.memory) {
		line->a7.options = line->options;
		line->a7.memory = &instrument->memory;
		line->a7.serial = instrument->serial;
		line->a7.dice = line->mischief.dice;
		line->a7.send = send_a7;
		line->a7.context = line;
	}
	a7_go_on(&line->a7);
}

void line_push(struct line *line, struct instrument *instrument)
{
	uint8_t form[TEXT_FORM_MAX];
	struct memory *memory = &instrument->memory;

	if (line->options->archetype == ARCHETYPE_HL7)
		push_mllp(line, instrument);
	if (line->options->archetype == ARCHETYPE_A7)
		push_a7(line, instrument);
	if (!text_pushes(line->options->archetype))
		return;
	for (size_t i = 0; i < memory->count; i++) {
		size_t length = text_form(line->options, memory_at(memory, i), form);
		mischief_add(&line->mischief, &answer, form, length, length - 3);
	}
	memory_drop(memory, memory->count);
	if (line->options->folder)
		text_folder_leave(&line->folder, answer.bytes, answer.length);
	for (struct peer *peer = line->peers; peer; peer = peer->next)
		peer_send(peer, answer.bytes, answer.length, 0);
	answer.length = 0;
}

/* Somebody is there: what nobody has accepted is told. */
static void greet(struct line *line)
{
	if (line->mllp.memory)
		mllp_again(&line->mllp);
	if (line->a7.memory)
		a7_again(&line->a7);
}

static void dial(void *context)
{
	struct line *line = context;
	int fd = endpoint_dial(line->options->host, line->port);

	if (fd < 0) {
		timer_set(&line->redial, loop_now_ns() + REDIAL_NS);
		return;
	}
	add_peer(line, fd);
	greet(line);
}

static void peer_gone(void *context, struct peer *peer)
{
	struct line *line = context;

	remove_peer(line, peer);
	if (line->options->dial)
		timer_set(&line->redial, loop_now_ns() + REDIAL_NS);
}

static void accept_peers(void *context, uint32_t events)
{
	struct line *line = context;
	int fd, on = 1;

	(void)events;
	while ((fd = accept4(line->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		add_peer(line, fd);
		greet(line);
	}
	if (errno == EMFILE || errno == ENFILE)
		err(1, "too many connections");
}

static int listen_again(struct line *line)
{
	line->listener = endpoint_listen(line->options->host, &line->port);
	if (line->listener < 0)
		return line->listener;
	line->watch = (struct watch){ accept_peers, line };
	loop_watch(line->listener, EPOLLIN, &line->watch);
	return 0;
}

static void choose_dialogue(struct line *line)
{
	line->owner = (struct peer_owner){ .gone = peer_gone, .context = line, .split = line->options->split };
	if (line->options->archetype == ARCHETYPE_HL7) {
		line->owner.frame = mllp_frame;
		line->owner.request = request_mllp;
	} else if (line->options->archetype == ARCHETYPE_A7) {
		line->owner.frame = a7_frame;
		line->owner.request = request_a7;
	} else if (line->options->archetype == ARCHETYPE_A1) {
		line->owner.frame = dump8_frame;
		line->owner.request = request_dump8;
	} else if (line->options->archetype == ARCHETYPE_A5) {
		line->owner.frame = atp_frame;
		line->owner.request = request_atp;
	} else if (line->options->archetype == ARCHETYPE_A3 || line->options->archetype == ARCHETYPE_A4) {
		line->owner.frame = zero3_sim_frame;
		line->owner.request = request_zero3;
	} else if (line->options->archetype >= ARCHETYPE_A8) {
		line->owner.frame = line->options->archetype == ARCHETYPE_A9     ? text_date_frame
		                    : line->options->archetype == ARCHETYPE_JSON ? text_read_frame
		                                                                 : text_no_frame;
		line->owner.request = request_text;
	} else if (line->options->archetype != ARCHETYPE_A6B && line->options->archetype != ARCHETYPE_A6A) {
		line->owner.frame = seven_frame;
		line->owner.request = request_seven;
	} else if (line->options->serial) {
		line->owner.frame = modbus_rtu_frame;
		line->owner.request = request_rtu;
	} else {
		line->owner.frame = modbus_tcp_frame;
		line->owner.request = request_tcp;
	}
}

int line_open(struct line *line, const struct options *options, unsigned index, int port)
{
	line->options = options;
	line->mischief = (struct mischief){ options, dice_of(options->seed, 1000000 + index), 0 };
	line->port = port;
	line->listener = -1;
	line->redial = (struct timer){ .fire = dial, .context = line };
	choose_dialogue(line);
	if (options->folder) {
		text_folder_open(&line->folder, options->folder, dice_of(options->seed, 2000000 + index));
		return 0;
	}
	if (options->dial)
		timer_set(&line->redial, loop_now_ns());
	else if (!options->serial)
		return listen_again(line);
	if (!options->serial)
		return 0;
	terminal_open(&line->terminal);
	add_peer(line, line->terminal.master);
	terminal_link(&line->terminal, options->serial);
	return 0;
}

static void close_peers(struct line *line)
{
	while (line->peers)
		remove_peer(line, line->peers);
}

static void stop_listening(struct line *line)
{
	if (line->listener < 0)
		return;
	loop_forget(line->listener);
	close(line->listener);
	line->listener = -1;
}

void line_close(struct line *line)
{
	mllp_stop(&line->mllp);
	a7_stop(&line->a7);
	timer_clear(&line->redial);
	close_peers(line);
	stop_listening(line);
	if (line->options->folder)
		text_folder_close(&line->folder);
	if (line->options->serial) {
		terminal_unlink(&line->terminal, line->options->serial);
		terminal_close(&line->terminal);
	}
}

void line_fall_silent(struct line *line)
{
	for (struct peer *peer = line->peers; peer; peer = peer->next)
		peer_fall_silent(peer);
}

void line_pull(struct line *line)
{
	struct terminal gone = line->terminal;

	if (line->options->folder)
		text_folder_vanish(&line->folder);
	if (line->options->serial) {
		terminal_open(&line->terminal); /* before the old one is closed: it gets another name */
		terminal_unlink(&gone, line->options->serial);
		terminal_close(&gone);
	}
	close_peers(line);
	timer_clear(&line->redial);
	stop_listening(line);
}

void line_plug_in(struct line *line)
{
	if (line->options->folder) {
		text_folder_return(&line->folder);
		return;
	}
	if (line->options->serial) {
		add_peer(line, line->terminal.master);
		terminal_link(&line->terminal, line->options->serial);
		return;
	}
	if (line->options->dial) {
		timer_set(&line->redial, loop_now_ns());
		return;
	}
	int failure = listen_again(line);
	if (failure < 0)
		errx(1, "port %d is taken: %s", line->port, strerror(-failure));
}

void line_name(const struct line *line, char *out, size_t size)
{
	if (line->options->folder)
		snprintf(out, size, "%s", line->options->folder);
	else if (line->options->serial)
		snprintf(out, size, "%s", line->terminal.path);
	else
		snprintf(out, size, "%s:%d", line->options->host, line->port);
}
