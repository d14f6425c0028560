/* The hl7 driver with an instrument on paper: answers, loss, repetition, odd frames and segments. */
#include <errno.h>

#include "../../drivers/hl7.h"
#include "listener_fixture.h"

extern const struct driver hl7_driver;

#define VT "\x0b"
#define FS "\x1c\r"

static struct paper *paper_new(void)
{
	return paper_of(&hl7_driver);
}

/* The answer to a message of ours holds this. */
static void answered(struct paper *paper, const char *part)
{
	assert_true(paper->unanswered);
	paper->sent[paper->sent_length] = '\0';
	if (!strstr(paper->sent, part))
		print_error("%s\nlacks %s\n", paper->sent, part);
	assert_non_null(strstr(paper->sent, part));
	paper->sent_length = 0;
}

#define HEADER(id)  "MSH|^~\\&|FIA|R1|LIS|H|20260305094120||ORU^R01|" id "|P|2.4\r"
#define ORDER       "OBR|1|S1|7|P\r"
#define RESULT1     "OBX|1|NM|A||0.1|mg/kg|||||F|||20260305094001\r"
#define RESULT2     "OBX|2|NM|B||0.2|mg/kg|||||F|||20260305094002\r"
#define MESSAGE(id) VT HEADER(id) "PID|1||77||Nobody^Known\r" ORDER RESULT1 RESULT2 FS
#define ACCEPTED(id)                                                                                                   \
	VT "MSH|^~\\&|LIS|H|FIA|R1|20260305094120||ACK^R01|" id "|P|2.4\rMSA|AA|" id "|message accepted\r" FS

/* ---- the dialogue ---- */

static void a_message_is_answered_in_its_own_shape(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, MESSAGE("17"));
	said(paper, ACCEPTED("17"));
	assert_true(paper->unanswered);
	assert_int_equal(paper->count, 2);
	assert_string_equal(paper->stored[0].line, "S1 A 0.1 mg/kg 2026-03-05T09:40:01");
	assert_string_equal(paper->instrument.maker.model, "FIA R1");
	hear_text(paper, VT "MSH#*!?+#a#b###20260305##ORU*R30*ORU_R30#x+1#T#2.5######GB18030\rOBX#1#NM#A*b##1#%\r" FS);
	said(paper, VT "MSH#*!?+###a#b#20260305094120##ACK*R30*ACK#x+1#T#2.5######GB18030\rMSA#AA#x+1#message "
		       "accepted\r" FS);
	hear_text(paper, VT "MSH|^~\\&|a||||20260305||ORU^R01|1|P|2.2\rOBX|1|NM|A||1\r" FS);
	said(paper, VT "MSH|^~\\&|||a||20260305094120||ACK|1|P|2.2\rMSA|AA|1|message accepted\r" FS);
	hear_text(paper, VT "MSH|^~\\&|Mindray|BS|||20260305||ORU^R01|5|P|2.3.1||||0||ASCII|||\rOBX|1|NM|A||1\r" FS);
	said(paper, VT "MSH|^~\\&|||Mindray|BS|20260305094120||ACK^R01|5|P|2.3.1||||0||ASCII\rMSA|AA|5|message "
		       "accepted|||0|\r" FS);
	paper_free(paper);
}

static void results_are_stored_before_the_message_is_acknowledged(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	struct readings readings = { .list = paper->list };
	struct request request = { 0 };
	static const char message[] = MESSAGE("1");
	struct reply reply = { .kind = REPLY_FRAME, .bytes = (const uint8_t *)message };
	reply.length = (size_t)hl7_driver.frame(&paper->instrument, reply.bytes, strlen(message));
	assert_int_equal(hl7_driver.take(&paper->instrument, &reply, &readings), NEXT_ASK);
	assert_int_equal(readings.count, 2);
	hl7_driver.ask(&paper->instrument, &request);
	assert_int_equal(request.kind, REQUEST_BYTES);
	request = (struct request){ 0 };
	hl7_driver.ask(&paper->instrument, &request);
	assert_int_equal(request.kind, REQUEST_NONE);
	paper_free(paper);
}

static void a_message_that_comes_again_after_a_crash_is_stored_once(void **state)
{
	(void)state;
	for (size_t crash = 1; crash <= 2; crash++) {
		struct paper *paper = paper_new();
		paper->crash_after = crash;
		hear_text(paper, MESSAGE("1"));
		assert_true(paper->dead);
		said(paper, "");
		start(paper);
		hear_text(paper, MESSAGE("1"));
		said(paper, ACCEPTED("1"));
		assert_int_equal(paper->count, 2);
		assert_int_equal(paper->known, crash);
		paper_free(paper);
	}
}

static void equal_results_are_two_in_one_message_and_in_two(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	for (int i = 0; i < 2; i++) {
		hear_text(paper, VT HEADER("1") ORDER "OBX|1|NM|A||0.1\rOBX|1|NM|A||0.1\r" FS);
		assert_int_equal(paper->count, 2);
	}
	hear_text(paper, VT HEADER("2") ORDER "OBX|1|NM|A||0.1\r" FS);
	assert_int_equal(paper->count, 3);
	paper_free(paper);
}

/* From an instrument's memory the results come again under another header. */
static void a_result_that_tells_sample_and_second_is_known_under_another_header(void **state)
{
	(void)state;
	static const struct {
		const char *segments;
		size_t count; /* after the same in two messages */
	} cases[] = {
		{ ORDER RESULT1, 1 },
		{ "SPM|1|S1\r" RESULT1, 1 },
		{ ORDER "OBX|1|NM|A||0.1||||||||||||||20260305094001+0800\r", 1 },
		{ ORDER RESULT1 RESULT1, 2 },
		{ "OBR|1\r" RESULT1, 2 },                              /* no sample */
		{ ORDER "OBX|1|NM|A||0.1|||||||||202603050940\r", 2 }, /* no second */
		{ "OBR|1|S1||P|||20260305094001\rOBX|1|NM|A||0.1\r", 2 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct paper *paper = paper_new();
		char message[512];
		snprintf(message, sizeof(message), VT HEADER("1") "%s" FS VT HEADER("2") "%s" FS, cases[i].segments,
			cases[i].segments);
		hear_text(paper, message);
		said(paper, ACCEPTED("1") ACCEPTED("2"));
		assert_int_equal(paper->count, cases[i].count);
		paper_free(paper);
	}
}

static void results_that_nothing_tells_apart_are_never_taken_for_old_ones(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	for (size_t i = 1; i <= 2; i++) {
		hear_text(paper, VT "MSH|^~\\&|||||||ORU^R01||P|2.4\rOBX|1|NM|A||1\r" FS);
		assert_int_equal(paper->count, i);
	}
	paper_free(paper);
}

static void two_messages_in_one_read_are_answered_one_after_the_other(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, MESSAGE("1") MESSAGE("2"));
	said(paper, ACCEPTED("1") ACCEPTED("2"));
	assert_int_equal(paper->count, 2); /* the same results */
	assert_int_equal(paper->known, 2);
	paper_free(paper);
}

static void a_batch_in_one_block_is_answered_message_by_message(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, VT "FHS|^~\\&\rBHS|^~\\&\r" HEADER("1") RESULT1 HEADER("2") RESULT1 "BTS|2\rFTS|1\r" FS);
	said(paper, ACCEPTED("1") ACCEPTED("2"));
	assert_int_equal(paper->count, 2);
	paper_free(paper);
}

static void an_answer_that_crosses_the_next_message_changes_nothing(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, MESSAGE("1") VT HEADER("2") ORDER);
	said(paper, ACCEPTED("1"));
	hear_text(paper, VT "MSH|^~\\&|||||||ACK^R01|9|P|2.4\rMSA|AA|9\r" FS);
	answered(paper, "MSA|AE|2|message broken off"); /* the half message; the acknowledgement is not acknowledged */
	assert_int_equal(paper->notices, 1);
	hear_text(paper, VT "MSH|^~\\&|||||||ACK^R01|9|P|2.4\rMSA|AA|9\r" FS);
	said(paper, "");
	paper_free(paper);
}

static void a_tap_says_nothing(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	set(paper, "acknowledge", "no");
	hear_text(paper, MESSAGE("1") VT "nonsense\r" FS);
	said(paper, "");
	assert_int_equal(paper->count, 2);
	paper_free(paper);
}

static const char *answer_to(struct paper *paper, const char *accept, const char *application, const char *type)
{
	char message[256];
	snprintf(message, sizeof(message), VT "MSH|^~\\&|a||||2026||%s|1|P|2.5|||%s|%s\rOBX|1|NM|A||1\r" FS, type,
		accept, application);
	paper->sent_length = 0;
	hear_text(paper, message);
	paper->sent[paper->sent_length] = '\0';
	paper->sent_length = 0;
	static char code[3];
	const char *at = strstr(paper->sent, "MSA|");
	snprintf(code, sizeof(code), "%s", at ? at + 4 : "");
	return code;
}

static void the_sender_decides_which_answer_it_gets(void **state)
{
	(void)state;
	static const struct {
		const char *accept, *application, *good, *bad;
	} cases[] = { { "", "", "AA", "AR" }, { "AL", "NE", "CA", "CR" }, { "NE", "AL", "AA", "AR" },
		{ "NE", "NE", "", "" }, { "AL", "", "CA", "CR" }, { "ER", "AL", "AA", "AR" },
		{ "AL", "AL", "AA", "AR" }, { "NE", "ER", "", "AR" }, { "SU", "ER", "CA", "AR" },
		{ "ER", "SU", "AA", "CR" }, { "ER", "NE", "", "CR" }, { "NE", "UTF-8", "AA", "AR" },
		{ "\"\"", "", "AA", "AR" } };
	struct paper *paper = paper_new();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(answer_to(paper, cases[i].accept, cases[i].application, "ORU^R01"), cases[i].good);
		assert_string_equal(answer_to(paper, cases[i].accept, cases[i].application, "QRY^Q02"), cases[i].bad);
	}
	paper_free(paper);
}

static void what_is_no_result_message_is_rejected_and_gives_nothing(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, VT "MSH|^~\\&|BS|||||QRY^Q02|QRY^Q02|5|P|2.3.1\rQRD|1|R|D|1|||RD|34567743|OTH\r" FS);
	answered(paper, "ACK^Q02|5|P|2.3.1\rMSA|AR|5|message type not handled|||200|\r");
	assert_int_equal(paper->count, 0);
	assert_int_equal(paper->notices, 0);
	hear_text(paper, VT "MSH|^~\\&|c||||||OPU^R25^OPU_R25|5|P|2.5\rOBR|1|S1\rOBX|1|NM|A||1\r" FS);
	answered(paper, "MSA|AR|");
	assert_int_equal(paper->count, 0);
	assert_int_equal(paper->notices, 1);
	assert_non_null(strstr(paper->raw, "OBX|1|NM|A||1"));
	hear_text(paper, VT "MSH|^~\\&|||||||ORU^R01|6|P|2.4\rOBR|1|S1\r" FS); /* nothing in it is nothing wrong */
	answered(paper, "MSA|AA|6|");
	hear_text(paper, VT "MSH|^~\\&||||||||6|P|2.4\rOBX|1|NM|A||1\r" FS);
	answered(paper, "ACK|6|P|2.4\rMSA|AA|6|");
	assert_int_equal(paper->count, 1);
	paper_free(paper);
}

static void what_cannot_be_read_is_answered_and_kept_without_persons(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, VT "PID|1||77||Nobody^Known\rNTE|1||of Nobody\rOBX|1|NM|A||1\r" FS);
	answered(paper, "MSH|^~\\&|||||20260305094120||ACK||P|2.3.1\rMSA|AE||no MSH segment|||100|\r");
	assert_string_equal(paper->reason, "the message does not begin with MSH");
	assert_string_equal(paper->raw, "OBX|1|NM|A||1\r");
	assert_int_equal(paper->left_out, strlen("PID|1||77||Nobody^KnownNTE|1||of Nobody"));
	hear_text(paper, VT "MSH|^\r" FS);
	answered(paper, "MSA|AE||");
	hear_text(paper, VT FS);
	answered(paper, "MSA|AE||");
	assert_int_equal(paper->notices, 3);
	assert_int_equal(paper->rejected, 3);
	paper_free(paper);
}

/* In blocks, too, a line may be the rest of a person's, and what no name tells may be anything. */
static void a_block_that_is_no_message_keeps_only_lines_known_to_be_nobody_s(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper,
		VT "NTE|1||of whom?\rody^Known\rOBX|1|NM|A||1\rZPI|Nobody\rNTE|1||of Nobody\rOBX|2|NM|B||2\r" FS);
	assert_string_equal(paper->reason, "the message does not begin with MSH");
	assert_string_equal(
		paper->raw, "***************\r*********\rOBX|1|NM|A||1\r**********\r****************\rOBX|2|NM|B||2\r");
	assert_int_equal(paper->left_out, 15 + 9 + 10 + 16);
	hear_text(paper,
		VT "MSH|^~\\&|A||||||ADT^A01|7|P|2.4\rPID|1||Nobody\rZPI|Nobody\r" ORDER "PID|2||Other\r" RESULT1 FS);
	answered(paper, "MSA|AR|7|message type not handled");
	assert_string_equal(paper->raw, "MSH|^~\\&|A||||||ADT^A01|7|P|2.4\r**********\r" ORDER "PID\r" RESULT1);
	assert_int_equal(paper->left_out, strlen("PID|1||NobodyZPI|Nobody|2||Other"));
	hear_text(paper, VT "MSH|^~\\&|A||||||ORU^R01|8|P|2.4PID|1||Nobody"); /* a line end that was lost */
	silence(paper);
	answered(paper, "|8|message broken off");
	assert_int_equal(strspn(paper->raw, "*"), strlen(paper->raw) - 1);
	paper_free(paper);
}

static void check_hidden(const char *bytes, const char *expected, size_t count)
{
	char kept[512];
	size_t length = strlen(bytes);
	memcpy(kept, bytes, length + 1);
	assert_int_equal(hl7_driver.hide((uint8_t *)kept, length), count);
	assert_string_equal(kept, expected);
	assert_int_equal(hl7_driver.hide((uint8_t *)kept, length), count);
	assert_string_equal(kept, expected);
}

static void bytes_that_are_no_message_are_kept_without_persons(void **state)
{
	(void)state;
	check_hidden("", "", 0);
	check_hidden("\r\n \t", "\r\n \t", 0);
	check_hidden(HEADER("1") ORDER RESULT1, HEADER("1") ORDER RESULT1, 0);
	check_hidden(VT "MSH|^~\\&|\rPID|1||77\rOBR|1" FS, VT "MSH|^~\\&|\rPID******\rOBR|1" FS, 6);
	check_hidden("MSH|^~\\&|\nNK1|1\nOBR|1\n", "MSH|^~\\&|\nNK1**\nOBR|1\n", 2);
	check_hidden("MSH|^~\\&|\r\nIN1|1\r\nOBR|1\r\n", "MSH|^~\\&|\r\nIN1**\r\nOBR|1\r\n", 2);
	check_hidden("MSH#^~\\&#\r PID#1\r\tOBR#1\r", "MSH#^~\\&#\r PID**\r\tOBR#1\r", 2);
	/* who can tell what the first line was the rest of */
	check_hidden("|77||Nobody\rOBX|1|NM|A||1\r", "***********\rOBX|1|NM|A||1\r", 11);
	check_hidden("PIDGEON^OBRIAN", "**************", 14);
	check_hidden("MSHAW^Joe\rOBX|1", "*********\rOBX|1", 9);
	/* a name cut off at the end, and the segment behind it */
	check_hidden("OBX|1\rPI", "OBX|1\r**", 2);
	check_hidden("OBX|1\rPID", "OBX|1\rPID", 0);
	check_hidden("OBX|1\rPID|", "OBX|1\rPID*", 1);
	/* a comment is of what stands before it */
	check_hidden("NTE|1||who\rNTE|2||who\rOBR|1\rNTE|1||what\rNTE|2||what\r",
		"**********\r**********\rOBR|1\rNTE|1||what\rNTE|2||what\r", 20);
	check_hidden("OBR|1\rPV1|1\rNTE|1||who\r", "OBR|1\rPV1**\r**********\r", 12);
	/* a line end that was damaged, or lost */
	check_hidden("OBX|1|NM|A||1\x8dPID|1||77\rOBX|2\r", "***********************\rOBX|2\r", 23);
	check_hidden("MSH|^~\\&|AGT1|1||77\r", "*******************\r", 19);
	/* of two messages with two delimiters */
	check_hidden("MSH#^~\\&#A#PID|1||77\rOBX#1\r", "********************\rOBX#1\r", 20);
}

/* Every run of bytes of a stream; '$' and '%' stand only where a person is spoken of. */
static void no_run_of_bytes_holds_anything_of_a_person(void **state)
{
	(void)state;
	static const char stream[] =
		VT HEADER("1") "PID|1||$||%$^$$\rNK1|$%\rNTE|1||%$\rNTE|2||$$\rPV1||$\r" ORDER "NTE|1||good\r" RESULT1
			       "ZPI|%%$\rPID|$%\nNTE||$\n\nGT1|$\r\n" RESULT2 FS;
	char kept[sizeof(stream)];
	for (size_t from = 0; from < sizeof(stream); from++)
		for (size_t to = from; to < sizeof(stream); to++) {
			memcpy(kept, stream + from, to - from);
			hl7_driver.hide((uint8_t *)kept, to - from);
			kept[to - from] = '\0';
			assert_null(strpbrk(kept, "$%"));
		}
	memcpy(kept, stream, sizeof(stream));
	hl7_driver.hide((uint8_t *)kept, sizeof(stream) - 1);
	assert_non_null(strstr(kept, ORDER "NTE|1||good\r" RESULT1));
}

static void a_message_cut_anywhere_gives_nothing_and_comes_again_whole(void **state)
{
	(void)state;
	static const char message[] = MESSAGE("1");
	for (size_t at = 2; at + 3 <= strlen(message); at++) {
		struct paper *paper = paper_new();
		hear(paper, message, at);
		silence(paper);
		assert_int_equal(paper->count, 0);
		assert_int_equal(paper->notices, 1);
		assert_string_equal(paper->reason, "the message was broken off");
		assert_null(strstr(paper->raw, "Nobody"));
		answered(paper, "MSA|AE|");
		hear_text(paper, MESSAGE("1"));
		said(paper, ACCEPTED("1"));
		assert_int_equal(paper->count, 2);
		paper_free(paper);
	}
}

static void a_message_cut_by_the_next_start_block_is_told(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, VT HEADER("1") RESULT1 MESSAGE("2"));
	assert_int_equal(paper->notices, 1);
	assert_int_equal(paper->count, 2);
	answered(paper, "MSA|AA|2");
	paper_free(paper);
}

#define UNENDED(id, result)                                                                                            \
	VT HEADER(id)                                                                                                  \
	ORDER result

/* Told and refused once; from then on each ends with the next start block or with silence, and is stored before its
 * answer goes out. */
static void a_sender_that_never_writes_an_end_block_is_known_after_one_message(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, UNENDED("1", RESULT1) UNENDED("2", RESULT1) UNENDED("3", RESULT2));
	answered(paper, "MSA|AE|1|message broken off");
	assert_int_equal(paper->notices, 1);
	assert_string_equal(paper->raw, HEADER("1") ORDER "OBX|1|NM|A||0.1|mg/kg|||||F|||20260305094001\r");
	assert_int_equal(paper->count, 1);
	silence(paper);
	said(paper, ACCEPTED("3"));
	assert_int_equal(paper->count, 2);
	assert_int_equal(paper->notices, 1);
	hear_text(paper, VT HEADER("4") ORDER "OBX|1|NM|A||0."); /* in a line nothing ends */
	silence(paper);
	answered(paper, "MSA|AE|4|message broken off");
	assert_int_equal(paper->count, 2);
	assert_int_equal(paper->notices, 2);
	start(paper); /* it is remembered */
	hear_text(paper, UNENDED("5", RESULT2) "\n");
	silence(paper);
	said(paper, ACCEPTED("5"));
	paper_free(paper);
}

/* Refused, it sends the same again. */
static void a_message_without_end_block_is_taken_when_it_comes_again(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, UNENDED("1", RESULT1));
	silence(paper);
	answered(paper, "MSA|AE|1|");
	assert_int_equal(paper->count, 0);
	paper->crash_after = 1; /* nothing is said before it is stored */
	hear_text(paper, UNENDED("1", RESULT1));
	silence(paper);
	assert_true(paper->dead);
	said(paper, "");
	assert_int_equal(paper->count, 1);
	start(paper);
	hear_text(paper, UNENDED("1", RESULT1));
	silence(paper);
	said(paper, ACCEPTED("1"));
	assert_int_equal(paper->count, 1);
	paper_free(paper);
}

/* A message that stands still between two lines, and goes on when it is given up, is no proof. */
static void one_end_block_proves_that_a_message_without_is_half_a_one(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	for (int turn = 0; turn < 2; turn++) {
		hear_text(paper, UNENDED("1", RESULT1));
		silence(paper);
		answered(paper, "MSA|AE|1|");
		hear_text(paper, RESULT2 FS);
		said(paper, "");
		assert_int_equal(paper->count, 0);
		if (turn == 1)
			start(paper);
	}
	hear_text(paper, MESSAGE("1"));
	said(paper, ACCEPTED("1"));
	assert_int_equal(paper->count, 2);
	paper_free(paper);
}

/* Of two messages that break off between lines the second is half a one as well. Who never writes one again is another.
 */
static void who_wrote_an_end_block_writes_them(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	for (int round = 0; round < 2; round++) {
		hear_text(paper, MESSAGE("1"));
		said(paper, ACCEPTED("1"));
		for (int turn = 0; turn < 2; turn++) {
			hear_text(paper, UNENDED("2", RESULT2));
			silence(paper);
			answered(paper, "MSA|AE|2|");
			start(paper); /* connected anew for each */
		}
	}
	hear_text(paper, UNENDED("2", RESULT2));
	silence(paper);
	answered(paper, "MSA|AE|2|");
	start(paper);
	hear_text(paper, UNENDED("2", RESULT2));
	silence(paper);
	said(paper, ACCEPTED("2"));
	hear_text(paper, UNENDED("3", RESULT2)); /* stored, and the rest of it comes: it does write them */
	silence(paper);
	answered(paper, "MSA|AA|3");
	hear_text(paper, RESULT1 FS);
	hear_text(paper, UNENDED("4", RESULT2));
	silence(paper);
	answered(paper, "MSA|AE|4");
	paper_free(paper);
}

static void hear_picture(struct paper *paper, size_t length);

static void long_messages_without_end_block_are_taken_as_well(void **state)
{
	(void)state;
	for (int by_silence = 0; by_silence < 2; by_silence++) {
		struct paper *paper = paper_new();
		for (int turn = 0; turn < 3; turn++) {
			hear_text(paper, turn == 0 || by_silence ? VT : "");
			hear_text(paper, HEADER("1") ORDER RESULT1);
			hear_picture(paper, 100000);
			hear_text(paper, RESULT2);
			if (by_silence)
				silence(paper);
			else
				hear_text(paper, VT); /* of the next, or once more */
			answered(paper, turn == 0 ? "MSA|AE|1|" : "MSA|AA|1|");
		}
		assert_int_equal(paper->count, 2);
		assert_int_equal(paper->notices, 1);
		paper_free(paper);
	}
}

static void without_blocks_a_message_ends_with_silence_behind_a_line_end(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, "\n" HEADER("1") RESULT1);
	assert_int_equal(paper->count, 0);
	silence(paper);
	said(paper, ACCEPTED("1"));
	hear_text(paper,
		HEADER("2") RESULT1 "noise" HEADER("3") "\n" RESULT2 FS); /* ended by the next, by its end block */
	said(paper, ACCEPTED("2") ACCEPTED("3"));
	assert_int_equal(paper->count, 3);
	assert_int_equal(paper->noise, 5);
	hear_text(paper, HEADER("4") "OBX|1|NM|A||5");
	silence(paper);
	answered(paper, "MSA|AE|4|message broken off");
	assert_int_equal(paper->count, 3);
	silence(paper);
	said(paper, "");
	paper_free(paper);
}

static void noise_is_passed_over_byte_by_byte(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, "MSHx MSH|| MSA|^~ MS\x06" MESSAGE("1"));
	assert_int_equal(paper->count, 2);
	assert_true(paper->noise > 10);
	paper_free(paper);
}

/* ---- long messages ---- */

static void hear_picture(struct paper *paper, size_t length)
{
	static char block[1000];
	memset(block, 'Q', sizeof(block));
	hear_text(paper, "OBX|9|ED|P||^Image^BMP^Base64^");
	for (; length >= sizeof(block); length -= sizeof(block))
		hear(paper, block, sizeof(block));
	hear_text(paper, "||||||F\r");
}

static void pictures_of_any_length_are_passed_over(void **state)
{
	(void)state;
	for (size_t length = 1000; length < 1000000; length *= 7) {
		struct paper *paper = paper_new();
		hear_text(paper, VT HEADER("1") ORDER RESULT1);
		hear_picture(paper, length);
		hear_picture(paper, length);
		hear_text(paper, RESULT2 FS);
		said(paper, ACCEPTED("1"));
		assert_int_equal(paper->count, 2);
		assert_int_equal(paper->blanks, 2);
		assert_string_equal(paper->stored[1].line, "S1 B 0.2 mg/kg 2026-03-05T09:40:02");
		paper_free(paper);
	}
}

/* With CR, LF or both behind each line, however the pieces fall: the end is the next message, or silence. */
static void long_messages_without_blocks_end_before_the_next_or_with_silence(void **state)
{
	(void)state;
	static const char *const ends[] = { "\r", "\n", "\r\n", "\r\n\r\n" };
	for (size_t shift = 0; shift < 4 * 70; shift++) {
		struct paper *paper = paper_new();
		const char *end = ends[shift % 4];
		for (int id = 1; id <= 2; id++) {
			char text[512];
			snprintf(text, sizeof(text), "MSH|^~\\&|A||||20260305094120||ORU^R01|%d|P|2.4%sOBR|1|S%d%s%s%s",
				id, end, id, end, "OBX|1|NM|A||1|mg/kg|||||F", end);
			hear_text(paper, text);
			hear_picture(paper, 61200 + shift / 4);
			hear_text(paper, "OBX|3|NM|B||2|mg/kg|||||F");
			hear_text(paper, end);
		}
		answered(paper, "MSA|AA|1|");
		silence(paper);
		answered(paper, "MSA|AA|2|");
		assert_int_equal(paper->count, 4);
		assert_int_equal(paper->notices, 0);
		assert_int_equal(paper->noise, 0);
		assert_string_equal(paper->stored[1].line, "S1 B 2 mg/kg ");
		assert_string_equal(paper->stored[3].line, "S2 B 2 mg/kg ");
		paper_free(paper);
	}
}

/* The broken line is told as noise; in a block it is all of the message that is nothing. */
static void a_long_message_without_blocks_that_breaks_off_is_told(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, HEADER("1") ORDER RESULT1);
	hear_picture(paper, 100000);
	hear_text(paper, "OBX|3|NM|A");
	silence(paper);
	answered(paper, "MSA|AE|1|message broken off");
	assert_int_equal(paper->count, 0);
	hear_text(paper, HEADER("2") ORDER RESULT1);
	hear_picture(paper, 100000);
	hear_text(paper, "OBX|3|NM|A" HEADER("3") RESULT2);
	silence(paper);
	said(paper, ACCEPTED("2") ACCEPTED("3"));
	assert_int_equal(paper->noise, strlen("OBX|3|NM|A"));
	assert_int_equal(paper->count, 2);
	hear_text(paper, VT HEADER("4") ORDER RESULT1);
	hear_picture(paper, 100000);
	hear_text(paper, HEADER("5") RESULT1 FS);
	said(paper, ACCEPTED("4") ACCEPTED("5"));
	assert_int_equal(paper->count + paper->known, 4);
	paper_free(paper);
}

static void many_results_are_stored_in_parts_and_acknowledged_once(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	for (size_t crash = 100; crash <= 1000; crash += 900) {
		paper->crash_after = crash;
		hear_text(paper, VT HEADER("1") ORDER);
		for (int i = 0; i < 700; i++) {
			char line[128];
			snprintf(line, sizeof(line), "OBX|%d|NM|A%d||%d|mg/kg|||||F|||20260305094001|%040d\r", i, i, i,
				i);
			hear_text(paper, line);
		}
		hear_text(paper, FS);
		if (crash == 100) {
			said(paper, "");
			start(paper);
		}
	}
	said(paper, ACCEPTED("1"));
	assert_int_equal(paper->count, 700);
	assert_int_equal(paper->known, 100);
	paper_free(paper);
}

static void a_message_longer_than_any_is_refused_as_a_whole(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, VT HEADER("1") ORDER);
	for (int i = 0; i < 2000; i++)
		hear_text(paper, RESULT1);
	hear_text(paper, FS);
	answered(paper, "MSA|AE|1|message too long");
	assert_int_equal(paper->count, 0);
	assert_int_equal(paper->notices, 1);
	hear_text(paper, MESSAGE("2"));
	said(paper, ACCEPTED("2"));
	paper_free(paper);
}

static void a_long_message_that_breaks_off_gives_nothing(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, VT HEADER("1") ORDER RESULT1);
	hear_picture(paper, 100000);
	silence(paper);
	answered(paper, "MSA|AE|1|message broken off");
	hear_text(paper, VT HEADER("2") ORDER RESULT1);
	hear_picture(paper, 100000);
	hear_text(paper, "OBX|3|NM|A" MESSAGE("3"));
	answered(paper, "MSA|AA|3");
	assert_int_equal(paper->notices, 2);
	assert_int_equal(paper->count, 2);
	paper_free(paper);
}

static void a_long_line_is_a_result_cut_and_marked(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper, VT HEADER("1") "OBX|1|TX|A||");
	for (int i = 0; i < 3000; i++)
		hear_text(paper, "0123456789");
	hear_text(paper, "|mg\r" RESULT2 FS);
	assert_int_equal(paper->count, 2);
	said(paper, ACCEPTED("1"));
	paper_free(paper);
}

/* ---- segments ---- */

/* The only result of a message with these segments behind its header. */
static struct reading decode_one(struct paper *paper, const char *segments, bool offline)
{
	static char message[8192];
	struct readings readings = { .list = paper->list };
	start(paper);
	if (strncmp(segments, "MSH", 3) == 0)
		snprintf(message, sizeof(message), VT "%s" FS, segments);
	else
		snprintf(message, sizeof(message), VT HEADER("1") "%s" FS, segments);
	struct reply reply = { .kind = REPLY_FRAME, .bytes = (const uint8_t *)message, .offline = offline };
	reply.length = (size_t)hl7_driver.frame(&paper->instrument, reply.bytes, strlen(message));
	hl7_driver.take(&paper->instrument, &reply, &readings);
	if (readings.count == 0)
		return (struct reading){ .item = "none" };
	return paper->list[0];
}

static void values_keep_their_form(void **state)
{
	(void)state;
	static const struct {
		const char *type, *sent, *qualifier, *value, *as_sent;
		enum verdict verdict;
	} cases[] = { { "NM", "<3.00", "<", "3.00", "<3.00", VERDICT_NONE },
		{ "NM", "7,41", "", "7,41", "", VERDICT_NONE }, { "NM", "-----", "", "-----", "", VERDICT_INVALID },
		{ "NM", "***", "", "***", "", VERDICT_INVALID }, { "NM", "", "", "", "", VERDICT_INVALID },
		{ "NM", "\"\"", "", "", "", VERDICT_INVALID }, { "NM", "-0.3", "", "-0.3", "", VERDICT_NONE },
		{ "ST", "Negative", "", "Negative", "", VERDICT_NEGATIVE }, { "ST", "-", "", "-", "", VERDICT_NONE },
		{ "NM", "-", "", "-", "", VERDICT_INVALID }, { "ST", "-1^0.325", "", "-1^0.325", "", VERDICT_NONE },
		{ "SN", ">=^100", ">=", "100", ">=^100", VERDICT_NONE },
		{ "SN", "^100", "", "100", "^100", VERDICT_NONE }, { "SN", "=^100", "", "100", "=^100", VERDICT_NONE },
		{ "SN", "^1^+", "", "1+", "^1^+", VERDICT_NONE }, { "SN", "^0^-^1", "", "0-1", "^0^-^1", VERDICT_NONE },
		{ "ST", "<^0.008", "<", "0.008", "<^0.008", VERDICT_NONE },
		{ "ST", "<^low", "", "<^low", "", VERDICT_NONE },
		{ "CE", "P^Positive^L", "", "Positive", "P^Positive^L", VERDICT_POSITIVE },
		{ "CWE", "neg", "", "neg", "", VERDICT_NEGATIVE },
		{ "CE", "^^^a^b^y", "", "b", "^^^a^b^y", VERDICT_NONE }, { "", "5", "", "5", "", VERDICT_NONE },
		{ "FT", "a\\.br\\b", "", "a b", "", VERDICT_NONE } };
	struct paper *paper = paper_new();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[256];
		snprintf(line, sizeof(line), "OBX|1|%s|A||%s\r", cases[i].type, cases[i].sent);
		struct reading reading = decode_one(paper, line, false);
		assert_string_equal(reading.value, cases[i].value);
		assert_string_equal(reading.qualifier, cases[i].qualifier);
		assert_string_equal(reading.value_as_sent, cases[i].as_sent);
		assert_int_equal(reading.verdict, cases[i].verdict);
	}
	paper_free(paper);
}

static void escapes_stand_for_what_they_hide(void **state)
{
	(void)state;
	static const struct {
		const char *sent, *value;
	} cases[] = { { "a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f", "a|b^c&d~e\\f" }, { "\\X4142\\\\X0D0A\\c", "AB  c" },
		{ "\\H\\hot\\N\\", "hot" }, { "\\Q\\x", "\\Q\\x" }, { "\\X4\\", "\\X4\\" }, { "\\X4G\\", "\\X4G\\" },
		{ "a\\", "a\\" }, { "\\\\", "\\\\" }, { "\\ZZ\\", "\\ZZ\\" }, { "\\Xc2B5\\g", "µg" } };
	struct paper *paper = paper_new();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[256];
		snprintf(line, sizeof(line), "OBX|1|ST|A||%s\r", cases[i].sent);
		assert_string_equal(decode_one(paper, line, true).value, cases[i].value);
	}
	/* \T\ stands for nothing where MSH names no such delimiter */
	assert_string_equal(
		decode_one(paper, "MSH|^~\\|||||||ORU|1|P|2.1\rOBX|1|ST|A||x\\T\\y\r", true).value, "x\\T\\y");
	paper_free(paper);
}

static void the_status_says_what_is_no_result(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	assert_string_equal(decode_one(paper, "OBX|1|IS|A||||||||F\r", false).item, "none");
	assert_string_equal(decode_one(paper, "OBX|1|CE|A||^^99ROC||||||F\r", false).item, "none");
	assert_int_equal(decode_one(paper, "OBX|1|CE|A||||||||X\r", false).verdict, VERDICT_INVALID);
	assert_int_equal(decode_one(paper, "OBX|1|ST|A||||||||F\r", false).verdict, VERDICT_INVALID);
	static const char *const none[] = { "5||||||W", "5||||||D", "||||||N", "||||||I", "||||||O" };
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		char line[128];
		snprintf(line, sizeof(line), "OBX|1|NM|A||%s\r", none[i]);
		assert_string_equal(decode_one(paper, line, false).item, "none");
	}
	struct reading reading = decode_one(paper, "OBX|1|NM|A||5||||||X\r", false);
	assert_string_equal(reading.value, "");
	assert_int_equal(reading.verdict, VERDICT_INVALID);
	assert_string_equal(reading.said[0].value, "5");
	reading = decode_one(paper, "OBX|1|NM|A||5||||||C\r", false);
	assert_string_equal(reading.said[0].value, "C corrected");
	assert_string_equal(decode_one(paper, "OBX|1|NM|A||5||||||I\r", false).value, "5");
	assert_string_equal(decode_one(paper, "OBX|1|ED|A||^x||||||F\r", false).item, "none");
	assert_string_equal(decode_one(paper, "OBX|1|RP|A||x||||||F\r", false).item, "none");
	paper_free(paper);
}

static void settings_choose_sample_item_and_what_is_skipped(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	static const char segments[] = "SPM|1|P1&x^F1\rSAC|||C1\rOBR|1|O2|O3\rOBX|1|NM|6690-2^WBC^LN||5\r";
	static const char *const choices[][2] = { { "auto", "P1" }, { "spm-2", "P1" }, { "sac-3", "C1" },
		{ "obr-2", "O2" }, { "obr-3", "O3" } };
	for (size_t i = 0; i < 5; i++) {
		set(paper, "sample", choices[i][0]);
		assert_string_equal(decode_one(paper, segments, false).sample_no, choices[i][1]);
	}
	assert_string_equal(decode_one(paper, segments, false).item, "6690-2");
	set(paper, "item", "name");
	assert_string_equal(decode_one(paper, segments, false).item, "WBC");
	assert_string_equal(decode_one(paper, "OBX|1|NM|2|TBil|5\r", false).item, "TBil");
	assert_string_equal(decode_one(paper, "OBX|1|NM|2||5\r", false).item, "2");
	set(paper, "item", "code");
	assert_string_equal(decode_one(paper, "OBX|1|NM|2|TBil|5\r", false).item, "2");
	assert_string_equal(decode_one(paper, "OBX|1|NM||TBil|5\r", false).item, "TBil");
	assert_string_equal(decode_one(paper, "OBR|1|||^Panel\rOBX|1|NM|||5\r", false).item, "Panel");
	set(paper, "skip", "08001, SPEED");
	assert_string_equal(decode_one(paper, "OBX|1|ST|08001||O\r", false).item, "none");
	assert_string_equal(decode_one(paper, "OBX|1|NM|SPEED^Speed^LN||1\r", false).item, "none");
	assert_string_equal(decode_one(paper, "OBX|1|NM|0800||1\r", false).item, "0800");
	paper_free(paper);
}

static void another_person_s_results_are_not_of_the_order_before(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper,
		VT HEADER("1") "PID|1||77||Nobody^Known\rSPM|1|S1\r" ORDER RESULT1
			       "PID|2||78||Other^Known\rNTE|1||of Other\rPV1|1\r" RESULT2 "OBR|2|S2\r" RESULT1 FS);
	assert_int_equal(paper->count, 3);
	assert_string_equal(paper->stored[0].line, "S1 A 0.1 mg/kg 2026-03-05T09:40:01");
	assert_string_equal(paper->stored[1].line, " B 0.2 mg/kg 2026-03-05T09:40:02");
	assert_string_equal(paper->stored[2].line, "S2 A 0.1 mg/kg 2026-03-05T09:40:01");
	hear_text(paper, VT HEADER("2") ORDER RESULT1 "PID|2||78||Other^Known\rNTE|1||of Other\rOBX");
	silence(paper);
	assert_string_equal(paper->reason, "the message was broken off");
	assert_null(strstr(paper->raw, "Other"));
	paper_free(paper);
}

/* As blood analyzers of several makers send it; nothing of it is configured. */
static void what_says_how_a_run_was_made_is_no_result_unless_that_is_wished(void **state)
{
	static const char *const about[] = { "OBX|1|IS|08001^Take Mode^99MRC||O||||||F\r",
		"OBX|2|IS|02002^Blood Mode^99MRC||W||||||F\r", "OBX|3|ST|X3^test mode||CBC+DIFF||||||F\r",
		"OBX|4|IS|01002^Ref Group^99MRC||General||||||F\r", "OBX|5|NM|30525-0^Age^LN||42|yr|||||F\r",
		"OBX|6|ST|01001^Remark^99MRC||x||||||F\r", "OBX|27|IS|12045^Multiple alerts^99MRC||T||||||F\r",
		"OBX|28|IS|15192-8^Atypical Lymphs?^LN||F||||||F\r",
		"OBX|35|NM|15004^WBC Histogram. Meta Length^99MRC||1||||||F\r",
		"OBX|36|NM|15010^WBC Lym left line.^99MRC||42||||||F\r", "OBX|37|NA|C1^Curve||1^2^3||||||F\r",
		"OBX|38|TS|T1^Mixed at||20260305094120||||||F\r" };
	static const char *const results[] = { "OBX|1|NM|6690-2^WBC^LN||9.55|10*9/L||N|||F\r",
		"OBX|1|NM|10002^PCT^99MRC||3.10|mL/L|||||F\r", "OBX|1|IS|COV^Antigen^LN||positive||||||F\r",
		"OBX|1|IS|C1^CBF^99MRC||阳性||||||F\r", "OBX|1|IS|C1^CBF^99MRC||Negative||||||F\r",
		"OBX|1|IS|C1^GLU^99MRC||++||||||F\r", "OBX|1|ST|GLU^Glucose||Negative||||||F\r",
		"OBX|1|CWE|BLD||1^Trace^L||||||P\r", "OBX|1|NM|AGEN^Agent||5||||||F\r",
		"OBX|1|TX|C^Colour||yellow||||||F\r" };
	struct paper *paper = paper_new();
	(void)state;
	for (size_t i = 0; i < sizeof(about) / sizeof(about[0]); i++) {
		set(paper, "about-run", "skip");
		if (strcmp(decode_one(paper, about[i], false).item, "none") != 0)
			fail_msg("a result came of %s", about[i]);
		set(paper, "about-run", "record");
		if (strcmp(decode_one(paper, about[i], false).item, "none") == 0)
			fail_msg("no result came of %s", about[i]);
	}
	set(paper, "about-run", "skip");
	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
		if (strcmp(decode_one(paper, results[i], false).item, "none") == 0)
			fail_msg("no result came of %s", results[i]);
	paper_free(paper);
}

static void controls_are_told_by_header_order_and_specimen(void **state)
{
	(void)state;
	static const struct {
		const char *segments;
		enum kind kind;
	} cases[] = { { "OBX|1|NM|A||1\r", KIND_SAMPLE }, { "SPM|1|x||s|||||||Q\rOBX|1|NM|A||1\r", KIND_QC },
		{ "SPM|1|x||s|||||||C\rOBX|1|NM|A||1\r", KIND_CALIBRATION },
		{ "OBR|1||||||||||Q\rOBX|1|NM|A||1\r", KIND_QC }, { "OBR|1|||||||||||Q\rOBX|1|NM|A||1\r", KIND_SAMPLE },
		{ "OBR|1|a|b|c|||||||Q\rOBX|1|NM|A||1\r", KIND_QC },
		{ "OBR|1|a|b|c|||||||||||U^^^^^^Q\rOBX|1|NM|A||1\r", KIND_QC },
		{ "OBR|1|a|b|c|||||||||||U^^^^^^C\rOBX|1|NM|A||1\r", KIND_CALIBRATION },
		{ "MSH|^~\\&|||||||ORU|1|D|2.4\rOBX|1|NM|A||1\r", KIND_QC },
		{ "MSH|^~\\&|||||||ORU|1|T|2.4\rOBX|1|NM|A||1\r", KIND_QC },
		{ "MSH|^~\\&|||||||ORU|1|Q|2.4\rOBX|1|NM|A||1\r", KIND_QC },
		{ "MSH|^~\\&|||||||ORU|1|P|2.3||||1\rOBX|1|NM|A||1\r", KIND_CALIBRATION },
		{ "MSH|^~\\&|||||||ORU|1|P|2.3||||2\rOBX|1|NM|A||1\r", KIND_QC },
		{ "MSH|^~\\&|||||||ORU|1|P|2.3||||2\rOBR|1|1|GLU|||20260305|||||||L1|lot|||M|5|1|5.2|g\r", KIND_QC } };
	struct paper *paper = paper_new();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(decode_one(paper, cases[i].segments, false).kind, cases[i].kind);
	struct reading reading = decode_one(paper, cases[13].segments, false);
	assert_string_equal(reading.value, "5.2");
	assert_string_equal(reading.sample_no, "L1");
	assert_string_equal(decode_one(paper, "OBR|1|1|GLU|||||||||||||||||5.2|g\r", false).item, "none");
	paper_free(paper);
}

static void times_limits_flags_and_operators_are_said_not_guessed(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	set(paper, "flags", "H=positive N=negative");
	struct reading reading = decode_one(paper,
		"OBR|1|||||202603050800|20260305\rOBX|1|NM|A||5|%^percent|<=10|A~H|||F|||20260399|||||20260305094001.5+0800\r",
		false);
	assert_string_equal(reading.tested_at, "2026-03-05T09:40:01");
	assert_string_equal(reading.tested_zone, "+08:00");
	assert_string_equal(reading.limit_op, "<=");
	assert_string_equal(reading.limit_value, "10");
	assert_string_equal(reading.limit_unit, "%");
	assert_string_equal(reading.verdict_as_sent, "A~H");
	assert_int_equal(reading.verdict, VERDICT_POSITIVE);
	reading = decode_one(paper, "OBR|1||||||20260305\rOBX|1|NM|A||5|||N|||F||||Lab|7^Li^Si\r", false);
	assert_string_equal(reading.tested_at, "");
	assert_string_equal(reading.said[0].name, "time");
	assert_string_equal(reading.said[0].value, "20260305");
	assert_string_equal(reading.operator_id, "7");
	assert_string_equal(reading.operator_name, "Li");
	assert_int_equal(reading.verdict, VERDICT_NEGATIVE);
	reading = decode_one(paper, "OBR|1|||||||||||||||||||||||||||||||||9&Wang\rOBX|1|NM|A||5|||N|||X\r", false);
	assert_string_equal(reading.operator_id, "9");
	assert_int_equal(reading.verdict, VERDICT_INVALID);
	paper_free(paper);
}

static void comments_belong_to_what_stands_before_them(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	hear_text(paper,
		VT HEADER("1") "PID|1||1\rNTE|1||a person's\rOBR|1|S1\rNTE|1||of order\rNTE|2||\rNTE|3||two\r" RESULT1
			       "NTE|1||one\r" RESULT2 FS);
	assert_string_equal(paper->stored[0].said, "comment=one|order_comment=of order; two|");
	assert_string_equal(paper->stored[1].said, "order_comment=of order; two|");
	char long_comment[5000];
	memset(long_comment, 'x', sizeof(long_comment));
	hear_text(paper, VT HEADER("2") ORDER RESULT1);
	for (int i = 0; i < 4; i++) {
		hear_text(paper, "NTE|1||");
		hear(paper, long_comment, sizeof(long_comment));
		hear_text(paper, "\r");
	}
	hear_text(paper, RESULT2 FS);
	assert_int_equal(paper->count, 4);
	paper_free(paper);
}

/* HL7 table 0389, in the segment behind the result it speaks of. */
static void what_a_result_repeats_is_said_behind_it(void **state)
{
	static const struct {
		const char *segments, *said;
		bool retest;
	} cases[] = {
		{ "TCD|A|||||||R\r", "R repeated", true },
		{ "TCD|A^a|||||||D^diluted^HL70389\rSID||1\rNTE|1||one\r", "D repeated with dilution", true },
		{ "NTE|1||one\rTCD|A|||||||R\r", "R repeated", true },
		{ "TCD|A|||||||O\r", "", false },
		{ "TCD|A|||||||F\r", "F reflex test", false },
		{ "TCD|A|||||R|R\r", "", false },
		{ "", "", false },
	};
	(void)state;
	struct paper *paper = paper_new();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char segments[256];
		snprintf(segments, sizeof(segments), "OBR|1|S1\rOBX|1|NM|A||1|mg|||||F\r%sOBX|2|NM|B||2|mg|||||F\r",
			cases[i].segments);
		struct reading reading = decode_one(paper, segments, false);
		assert_string_equal(reading.item, "A");
		assert_string_equal(reading_has_said(&reading, "retest"), cases[i].said);
		assert_int_equal(reading.marks, cases[i].retest ? READING_RETEST : 0);
		assert_string_equal(reading_has_said(&reading, "comment"), strstr(segments, "NTE") ? "one" : "");
		assert_int_equal(paper->list[1].marks, 0);
		assert_string_equal(reading_has_said(&paper->list[1], "retest"), "");
	}
	paper_free(paper);
}

static void encodings_come_from_msh_18_the_setting_or_the_bytes(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
#define NAMED(charset, name)                                                                                           \
	"MSH|^~\\&|||||||ORU|1|P|2.4||||||" charset "\rOBR|1|" name "|"                                                \
	"\rOBX|1|NM|A||1\r"
	assert_string_equal(decode_one(paper, NAMED("", "\xb6\xb9"), false).sample_no, "豆");
	assert_string_equal(decode_one(paper, NAMED("ASCII", "\xb6\xb9"), false).sample_no, "豆");
	assert_string_equal(decode_one(paper, NAMED("UNICODE", "\xb6\xb9"), false).sample_no, "豆"); /* a lie */
	assert_string_equal(decode_one(paper, NAMED("UNICODE UTF-8", "豆"), false).sample_no, "豆");
	assert_string_equal(decode_one(paper, NAMED("", "豆"), false).sample_no, "豆");
	assert_string_equal(decode_one(paper, NAMED("GB 18030-2000", "\xc2\xb5"), false).sample_no, "碌");
	assert_string_equal(decode_one(paper, NAMED("8859/1", "\xb5 \xe9"), false).sample_no, "µ é");
	assert_string_equal(decode_one(paper, NAMED("gbk", "\xc2\xb5"), false).sample_no, "碌");
	assert_string_equal(decode_one(paper, NAMED("ASCII~ gb2312 ", "\xc2\xb5"), false).sample_no, "碌");
	assert_string_equal(decode_one(paper, NAMED("GBX", "\xc2\xb5"), false).sample_no, "µ");
	static const char country[] = "MSH|^~\\&|||||||ORU|1|P|2.3.1|||||GBR\rOBR|1|\xc2\xb5\rOBX|1|NM|A||1\r";
	assert_string_equal(decode_one(paper, country, false).sample_no, "µ");
	set(paper, "encoding", "gb18030");
	assert_string_equal(decode_one(paper, NAMED("", "\xc2\xb5"), false).sample_no, "碌");
	set(paper, "encoding", "utf-8");
	struct reading reading = decode_one(paper, NAMED("", "\xb6\xb9x"), false);
	assert_true(reading.marks & READING_TEXT_BAD);
	set(paper, "encoding", "auto");
	/* the second byte of each is a delimiter, or R, or the byte that would end the segment's escape */
	reading = decode_one(paper,
		"OBR|1|\x81|\x82^\x83~\x84\\\x94R|7|\rOBX|1|ST|\x92|^\x93^||\x94\\\x81\x30\x84\x36|\xa6\xccg||H|||F|||20260305094001\r",
		false);
	assert_string_equal(reading.sample_no, "亅俕儈刓擱");
	assert_string_equal(reading.item, "抾");
	assert_string_equal(reading.value, "擻¥");
	assert_string_equal(reading.unit, "μg");
	assert_string_equal(reading.tested_at, "2026-03-05T09:40:01");
	reading = decode_one(paper, "OBR|1|ok\xb6\rOBX|1|NM|A||1\r", false); /* cut inside a character */
	assert_true(reading.marks & READING_TEXT_CUT);
	paper_free(paper);
}

/* ° ² ³ µ of Latin-1 make characters of GB 18030 with what stands behind them, a delimiter too. */
static void a_unit_that_may_be_latin_1_is_marked_and_swallows_nothing(void **state)
{
	(void)state;
	static const char *const units[][2] = { { "\xb5mol/L", "µmol/L" },
		{ "\xb0"
		  "C",
			"°C" },
		{ "mL/min/1.73m\xb2", "mL/min/1.73m²" }, { "10\xb3/\xb5L", "10³/µL" } };
	struct paper *paper = paper_new();
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		char line[128];
		snprintf(line, sizeof(line), "OBX|1|NM|A||5|%s|<60|H|||F|||20260305094001\r", units[i][0]);
		struct reading reading = decode_one(paper, line, false);
		assert_true(reading.marks & READING_TEXT_BAD);
		assert_string_equal(reading.limit_value, "60");
		assert_string_equal(reading.verdict_as_sent, "H");
		assert_string_equal(reading.tested_at, "2026-03-05T09:40:01");
		set(paper, "encoding", "latin-1");
		reading = decode_one(paper, line, false);
		assert_int_equal(reading.marks, 0);
		assert_string_equal(reading.unit, units[i][1]);
		assert_string_equal(reading.limit_value, "60");
		set(paper, "encoding", "gb18030");
		if (i == 0) /* a character, if a rare one */
			assert_string_equal(decode_one(paper, line, false).unit, "祄ol/L");
		set(paper, "encoding", "auto");
	}
	/* a unit of GB 2312, and a name with the same pair, are what they are */
	struct reading reading = decode_one(paper,
		"OBR|1|\xb2|\r"
		"OBX|1|NM|A||5|\xb8\xf6/g\xb5\xb5|<60\r",
		false);
	assert_string_equal(reading.sample_no, "瞸");
	assert_string_equal(reading.unit, "个/g档");
	assert_int_equal(reading.marks, 0);
	paper_free(paper);
}

static void the_raw_bytes_decode_to_the_same_again(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	struct reading first = decode_one(paper,
		"PID|1||Nobody\rORC|RE\rSPM|1|S9\rSAC|||C\rOBR|1||7\rNTE|1||o\rOBX|1|ST|\x92|^x||\x94\\|mg|<5|N|||F\rNTE|1||r\r",
		true);
	uint8_t raw[1024];
	size_t length = first.raw_length;
	memcpy(raw, first.raw, length);
	assert_null(memmem(raw, length, "Nobody", 6));
	start(paper);
	struct readings readings = { .list = paper->list };
	struct reply reply = { .kind = REPLY_FRAME, .bytes = raw, .length = length, .offline = true };
	struct instrument idle = paper->instrument;
	idle.idle = true;
	assert_int_equal(hl7_driver.frame(&idle, raw, length), (int)length);
	hl7_driver.take(&paper->instrument, &reply, &readings);
	assert_int_equal(readings.count, 1);
	struct reading again = paper->list[0];
	assert_int_equal(again.raw_length, length);
	assert_memory_equal(again.raw, raw, length);
	first.raw = first.identity = again.raw = again.identity = NULL;
	assert_memory_equal(&first, &again, sizeof(first));
	paper_free(paper);
}

static void registers_and_flags_that_are_none_are_refused(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	struct fault fault = { "" };
	struct reply reply = { .kind = REPLY_DONE };
	struct readings readings = { .list = paper->list };
	assert_int_equal(hl7_driver.take(&paper->instrument, &reply, &readings), NEXT_WAIT);
	set(paper, "flags", "A=bad");
	assert_int_equal(hl7_driver.setup(&paper->instrument, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "A=bad"));
	paper_free(paper);
}

static void an_answer_never_outgrows_its_request(void **state)
{
	(void)state;
	struct paper *paper = paper_new();
	char name[401], message[4096];
	memset(name, 'n', 400);
	name[400] = '\0';
	snprintf(message, sizeof(message),
		VT "MSH|^~\\&|%s|%s|%s|%s|2026||ORU^%s^x|%s|%s|%s||||||%s\rOBX|1|NM|A||1\r" FS, name, name, name, name,
		name, name, name, name, name);
	hear_text(paper, message);
	assert_true(paper->sent_length > 500 && paper->sent_length <= REQUEST_MAX);
	assert_memory_equal(paper->sent + paper->sent_length - 2, FS, 2);
	paper_free(paper);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_answered_in_its_own_shape),
		cmocka_unit_test(results_are_stored_before_the_message_is_acknowledged),
		cmocka_unit_test(a_message_that_comes_again_after_a_crash_is_stored_once),
		cmocka_unit_test(equal_results_are_two_in_one_message_and_in_two),
		cmocka_unit_test(a_result_that_tells_sample_and_second_is_known_under_another_header),
		cmocka_unit_test(results_that_nothing_tells_apart_are_never_taken_for_old_ones),
		cmocka_unit_test(two_messages_in_one_read_are_answered_one_after_the_other),
		cmocka_unit_test(a_batch_in_one_block_is_answered_message_by_message),
		cmocka_unit_test(an_answer_that_crosses_the_next_message_changes_nothing),
		cmocka_unit_test(a_tap_says_nothing),
		cmocka_unit_test(the_sender_decides_which_answer_it_gets),
		cmocka_unit_test(what_is_no_result_message_is_rejected_and_gives_nothing),
		cmocka_unit_test(what_cannot_be_read_is_answered_and_kept_without_persons),
		cmocka_unit_test(a_block_that_is_no_message_keeps_only_lines_known_to_be_nobody_s),
		cmocka_unit_test(bytes_that_are_no_message_are_kept_without_persons),
		cmocka_unit_test(no_run_of_bytes_holds_anything_of_a_person),
		cmocka_unit_test(a_message_cut_anywhere_gives_nothing_and_comes_again_whole),
		cmocka_unit_test(a_message_cut_by_the_next_start_block_is_told),
		cmocka_unit_test(a_sender_that_never_writes_an_end_block_is_known_after_one_message),
		cmocka_unit_test(a_message_without_end_block_is_taken_when_it_comes_again),
		cmocka_unit_test(one_end_block_proves_that_a_message_without_is_half_a_one),
		cmocka_unit_test(who_wrote_an_end_block_writes_them),
		cmocka_unit_test(long_messages_without_end_block_are_taken_as_well),
		cmocka_unit_test(without_blocks_a_message_ends_with_silence_behind_a_line_end),
		cmocka_unit_test(noise_is_passed_over_byte_by_byte),
		cmocka_unit_test(pictures_of_any_length_are_passed_over),
		cmocka_unit_test(long_messages_without_blocks_end_before_the_next_or_with_silence),
		cmocka_unit_test(a_long_message_without_blocks_that_breaks_off_is_told),
		cmocka_unit_test(many_results_are_stored_in_parts_and_acknowledged_once),
		cmocka_unit_test(a_message_longer_than_any_is_refused_as_a_whole),
		cmocka_unit_test(a_long_message_that_breaks_off_gives_nothing),
		cmocka_unit_test(a_long_line_is_a_result_cut_and_marked),
		cmocka_unit_test(values_keep_their_form),
		cmocka_unit_test(escapes_stand_for_what_they_hide),
		cmocka_unit_test(the_status_says_what_is_no_result),
		cmocka_unit_test(another_person_s_results_are_not_of_the_order_before),
		cmocka_unit_test(what_says_how_a_run_was_made_is_no_result_unless_that_is_wished),
		cmocka_unit_test(settings_choose_sample_item_and_what_is_skipped),
		cmocka_unit_test(controls_are_told_by_header_order_and_specimen),
		cmocka_unit_test(times_limits_flags_and_operators_are_said_not_guessed),
		cmocka_unit_test(comments_belong_to_what_stands_before_them),
		cmocka_unit_test(what_a_result_repeats_is_said_behind_it),
		cmocka_unit_test(encodings_come_from_msh_18_the_setting_or_the_bytes),
		cmocka_unit_test(a_unit_that_may_be_latin_1_is_marked_and_swallows_nothing),
		cmocka_unit_test(the_raw_bytes_decode_to_the_same_again),
		cmocka_unit_test(registers_and_flags_that_are_none_are_refused),
		cmocka_unit_test(an_answer_never_outgrows_its_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
