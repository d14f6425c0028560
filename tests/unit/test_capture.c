/* Captures are read and written as daemon/capture.h says, and a replay link plays them as they were recorded. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/capture.h"
#include "../../daemon/clock.h"
#include "../../daemon/link.h"

static struct fault fault;
static int stop_fd;

static struct capture parsed(const char *text)
{
	struct capture capture;
	if (capture_parse(text, strlen(text), "a.capture", &capture, &fault) != 0)
		fail_msg("%s", fault.text);
	return capture;
}

static void expect_item(
	const struct capture *capture, size_t index, bool sent, int64_t at_us, const char *bytes, size_t length)
{
	assert_true(index < capture->count);
	const struct capture_item *item = &capture->items[index];
	assert_int_equal(item->sent, sent);
	assert_int_equal(item->at_us, at_us);
	assert_int_equal(item->length, length);
	assert_memory_equal(capture->bytes + item->offset, bytes, length);
}

static void a_capture_is_read_with_directions_times_and_boundaries(void **state)
{
	(void)state;
	struct capture capture =
		parsed("# assay capture 1\n# driver: astm\n# profile: a-b\n# unit: 3\n# line: 9600/8e1\r\n"
		       "# wire: modbus-tcp\n> +0.5 05\n< +1.000012 06 # .\n\n<+2 0a0B\r\n 41 # no direction\n"
		       "# driver: text\n");
	assert_string_equal(capture.head.driver, "astm");
	assert_string_equal(capture.head.profile, "a-b");
	assert_string_equal(capture.head.line, "9600/8e1");
	assert_int_equal(capture.head.unit, 3);
	assert_int_equal(capture.head.wire, CAPTURE_TCP);
	assert_int_equal(capture.count, 4);
	expect_item(&capture, 0, true, 500000, "\x05", 1);
	expect_item(&capture, 1, false, 1000012, "\x06", 1);
	expect_item(&capture, 2, false, 2000000, "\x0a\x0b", 2);
	expect_item(&capture, 3, false, -1, "A", 1);
	capture_free(&capture);
}

static void what_is_no_capture_says_which_line(void **state)
{
	(void)state;
	static const char *const wrong[] = { "7", "7g", "< 7e 1", "> +1.5x 00", "+1 00", "< + 00", "<> 00", "zz",
		"< +999999999999 00", "< +1.1234567 00" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		char text[64];
		struct capture capture;
		snprintf(text, sizeof(text), "00\n%s\n01\n", wrong[i]);
		if (capture_parse(text, strlen(text), "a.capture", &capture, &fault) != -EINVAL)
			fail_msg("taken: %s", wrong[i]);
		assert_non_null(strstr(fault.text, "a.capture:2: not a capture"));
	}
	struct capture nothing = parsed("");
	assert_int_equal(nothing.count, 0);
	capture_free(&nothing);
}

static void what_is_written_is_read_back_as_it_was(void **state)
{
	(void)state;
	char *text = NULL;
	size_t length;
	uint8_t all[256];
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	struct capture_head head = { .instrument = "pr-1", .driver = "modbus", .profile = "p", .line = "9600/8n1" };
	head.unit = 247;
	head.wire = CAPTURE_RTU;
	FILE *file = open_memstream(&text, &length);
	capture_write_head(file, &head);
	capture_write_item(file, true, 1234567, all, sizeof(all));
	capture_write_note(file, 1300000, "lost\n< 00 a line of its own?");
	capture_write_item(file, false, 90000000000, all + 35, 1);
	fclose(file);
	assert_true(capture_says_so(text, length));
	struct capture capture = parsed(text);
	assert_memory_equal(&capture.head, &head, sizeof(head));
	assert_int_equal(capture.count, 2);
	expect_item(&capture, 0, true, 1234567, (const char *)all, sizeof(all));
	expect_item(&capture, 1, false, 90000000000, "#", 1);
	capture_free(&capture);
	free(text);
}

/* ---- the replay of one ---- */

struct player {
	char name[32];
	struct port port;
	struct link *link;
};

static void play(struct player *player, const char *text, bool timed, bool any)
{
	strcpy(player->name, "/tmp/capture-XXXXXX");
	int file = mkstemp(player->name);
	assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
	close(file);
	player->port = (struct port){ .kind = PORT_REPLAY, .timed = timed, .any = any };
	snprintf(player->port.path, sizeof(player->port.path), "%s", player->name);
	assert_int_equal(link_new(&player->port, stop_fd, &player->link, &fault), 0);
	assert_int_equal(link_open(player->link, &fault), 0);
}

static void stop(struct player *player)
{
	link_free(player->link);
	unlink(player->name);
}

static void hears(struct player *player, const char *bytes, size_t length)
{
	uint8_t got[64];
	assert_int_equal(link_read(player->link, got, sizeof(got), length ? 1000 : 20, &fault), (int)length);
	assert_memory_equal(got, bytes, length);
}

static void says(struct player *player, const char *bytes, size_t length)
{
	assert_int_equal(link_write(player->link, (const uint8_t *)bytes, length, &fault), 0);
}

static void a_replay_keeps_the_boundaries_of_the_reads_and_goes_on_after_a_reopening(void **state)
{
	(void)state;
	struct player player;
	uint8_t bytes[8];
	play(&player, "# of one direction\n< 7e11 AA # answer\n\n  0102\n", false, false);
	says(&player, "anything", 8);
	assert_int_equal(link_read(player.link, bytes, 2, 100, &fault), 2);
	hears(&player, "\xaa", 1);
	assert_int_equal(link_open(player.link, &fault), 0); /* goes on, does not begin anew */
	hears(&player, "\x01\x02", 2);
	hears(&player, "", 0);
	stop(&player);
}

static void a_replay_answers_the_question_that_was_recorded(void **state)
{
	(void)state;
	struct player player;
	play(&player, "< 05\n> 06\n< 11\n> 51\n> 51\n< 22\n< 33\n> 06\n< 44\n", false, false);
	hears(&player, "\x05", 1); /* unasked, as it was */
	hears(&player, "", 0);
	says(&player, "\x06", 1);
	hears(&player, "\x11", 1);
	says(&player, "\x51", 1); /* the first time nobody answered then either */
	hears(&player, "", 0);
	says(&player, "\x51", 1);
	hears(&player, "\x22", 1);
	hears(&player, "\x33", 1);
	hears(&player, "", 0);
	says(&player, "\x77", 1); /* never asked: no answer, and it is remarked, once */
	hears(&player, "", 0);
	assert_true(link_remark(player.link, &fault));
	assert_non_null(strstr(fault.text, " 77"));
	says(&player, "\x78", 1);
	assert_false(link_remark(player.link, &fault));
	says(&player, "\x06", 1);
	hears(&player, "\x44", 1);
	stop(&player);

	play(&player, "> 51 01\n< 22\n> 51 02\n< 44\n", false, true);
	says(&player, "\x51\x07", 2);
	hears(&player, "\x22", 1);
	hears(&player, "", 0);
	says(&player, "\x51\x08", 2);
	hears(&player, "\x44", 1);
	stop(&player);
}

static void a_timed_replay_keeps_the_pauses(void **state)
{
	(void)state;
	struct player player;
	uint8_t got[8];
	play(&player, "< +0.0 11\n< +0.150 22\n> +9.0 06\n< +9.1 33\n", true, false);
	long begun = clock_ms();
	hears(&player, "\x11", 1);
	assert_int_equal(link_read(player.link, got, sizeof(got), 20, &fault), 0);
	hears(&player, "\x22", 1);
	assert_in_range(clock_ms() - begun, 145, 1100);
	begun = clock_ms();
	says(&player, "\x06", 1);
	hears(&player, "\x33", 1);
	assert_in_range(clock_ms() - begun, 95, 1100);
	stop(&player);
}

static int exchange(struct player *player, uint16_t address, uint16_t ret[static 1])
{
	struct request request = { .kind = REQUEST_READ, .address = address, .count = 1 };
	struct reply reply = { 0 };
	uint16_t registers[REGISTERS_MAX];
	uint8_t bytes[PDU_MAX];
	int error = link_exchange(player->link, 3, &request, 60, &reply, registers, bytes, &fault);
	if (error == 0)
		*ret = registers[0];
	return error;
}

static void a_modbus_replay_answers_the_same_question_in_both_wrappings(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"# wire: modbus-rtu\n> 03 03 01 00 00 01 84 14\n< 03 03 02 12 34 cc f3\n"
		"> 03 03 02 00 00 01 84 50\n> 03 03 01 00 00 01 84 14\n< 03 03 02 56 78 fe 06\n",
		"# wire: modbus-tcp\n> 0001 0000 0006 03 03 0100 0001\n< 0001 0000 0005 03 03 02 1234\n"
		"> 0002 0000 0006 03 03 0200 0001\n> 0003 0000 0006 03 03 0100 0001\n< 0003 0000 0005 03 03 02 5678\n",
	};
	for (size_t i = 0; i < 2; i++) {
		struct player player;
		uint16_t value = 0;
		play(&player, texts[i], false, false);
		assert_int_equal(exchange(&player, 0x100, &value), 0);
		assert_int_equal(value, 0x1234);
		assert_int_equal(exchange(&player, 0x200, &value), -ETIMEDOUT); /* nobody answered */
		assert_int_equal(exchange(&player, 0x300, &value), -ETIMEDOUT); /* nobody asked */
		assert_int_equal(exchange(&player, 0x100, &value), 0);
		assert_int_equal(value, 0x5678);
		assert_int_equal(exchange(&player, 0x100, &value), -ETIMEDOUT); /* the end */
		stop(&player);
	}
}

static void a_modbus_replay_holds_the_faults_that_were_recorded(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"# wire: modbus-rtu\n> 03 03 01 00 00 01 84 14\n< 03 03 02 12 35 cc f3\n"
		"> 03 03 01 00 00 01 84 14\n< 03 03 02 56 78 fe 06\n",
		"# wire: modbus-tcp\n> 0001 0000 0006 03 03 0100 0001\n< 0007 0000 0005 03 03 02 1234\n"
		"> 0002 0000 0006 03 03 0100 0001\n< 0002 0000 0005 03 03 02 5678\n",
	};
	for (size_t i = 0; i < 2; i++) {
		struct player player;
		uint16_t value = 0;
		play(&player, texts[i], false, false);
		assert_int_equal(exchange(&player, 0x100, &value), -EBADMSG);
		assert_int_equal(exchange(&player, 0x100, &value), 0);
		assert_int_equal(value, 0x5678);
		stop(&player);
	}
}

static void a_file_that_is_no_capture_is_refused_with_its_line(void **state)
{
	(void)state;
	struct player player;
	play(&player, "00\n", false, false);
	link_free(player.link);
	FILE *file = fopen(player.name, "w");
	fputs("00\n<! 01\n", file);
	fclose(file);
	assert_int_equal(link_new(&player.port, stop_fd, &player.link, &fault), 0);
	assert_int_equal(link_open(player.link, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, ":2:"));
	stop(&player);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_capture_is_read_with_directions_times_and_boundaries),
		cmocka_unit_test(what_is_no_capture_says_which_line),
		cmocka_unit_test(what_is_written_is_read_back_as_it_was),
		cmocka_unit_test(a_replay_keeps_the_boundaries_of_the_reads_and_goes_on_after_a_reopening),
		cmocka_unit_test(a_replay_answers_the_question_that_was_recorded),
		cmocka_unit_test(a_timed_replay_keeps_the_pauses),
		cmocka_unit_test(a_modbus_replay_answers_the_same_question_in_both_wrappings),
		cmocka_unit_test(a_modbus_replay_holds_the_faults_that_were_recorded),
		cmocka_unit_test(a_file_that_is_no_capture_is_refused_with_its_line),
	};
	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
