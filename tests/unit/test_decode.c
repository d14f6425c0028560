/* Every capture of tests/captures gives the same lines however its bytes arrive.
 *
 * test_decode --write makes the golden files anew from what the drivers say now: read the difference before keeping it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../daemon/cutter.h"
#include "../../daemon/decode.h"
#include "../../daemon/profile.h"
#include "../../daemon/settings.h"

#define CAPTURE_MAX 262144

struct capture {
	const struct driver *driver;
	char options[4096];
	void *profile;
	uint8_t bytes[CAPTURE_MAX];
	size_t length;
	char *golden;
	bool no_noise; /* between its frames noise would be part of them */
};

static char *slurp(const char *path)
{
	FILE *file = fopen(path, "r");
	if (!file)
		return NULL;
	char *text = calloc(1, 1 << 20);
	size_t length = fread(text, 1, (1 << 20) - 1, file);
	text[length] = '\0';
	fclose(file);
	return text;
}

static void read_hex(const char *text, struct capture *capture)
{
	for (const char *at = text; *at;) {
		char *end;
		if (*at == '#') {
			at += strcspn(at, "\n");
			continue;
		}
		if (strchr(" \t\r\n", *at)) {
			at++;
			continue;
		}
		char pair[3] = { at[0], at[1], '\0' };
		long byte = strtol(pair, &end, 16);
		assert_true(end == pair + 2 && capture->length < CAPTURE_MAX);
		capture->bytes[capture->length++] = (uint8_t)byte;
		at += 2;
	}
}

static void read_profile(const char *text, struct capture *capture)
{
	char name[64], path[256];
	if (sscanf(text, "# profile: %63s", name) != 1)
		return;
	snprintf(path, sizeof(path), "config/profiles/%s.conf", name);
	struct faults faults = { 0 };
	int error = profile_read(path, capture->driver, &capture->profile, &faults);
	faults_print(&faults, stderr);
	faults_free(&faults);
	assert_int_equal(error, 0);
}

/* tests/captures/DRIVER/NAME.hex and .golden */
static struct capture *capture_read(const char *path, bool writing)
{
	char copy[512], golden[520];
	snprintf(copy, sizeof(copy), "%s", path);
	struct capture *capture = calloc(1, sizeof(*capture));
	capture->driver = driver_by_name(basename(dirname(copy)));
	assert_non_null(capture->driver);
	assert_true(capture->driver->options_size <= sizeof(capture->options));
	settings_defaults(&(struct settings_table){ capture->driver->options, capture->options });
	snprintf(golden, sizeof(golden), "%.*s.golden", (int)(strlen(path) - 4), path);
	capture->golden = slurp(golden);
	char *text = slurp(path);
	assert_non_null(text);
	if (capture->golden || writing) {
		capture->no_noise = strstr(text, "# no noise: ");
		read_profile(text, capture);
		read_hex(text, capture);
	}
	free(text);
	return capture;
}

static void capture_free(struct capture *capture)
{
	free(capture->profile);
	free(capture->golden);
	free(capture);
}

/* Bytes that go through a pipe in given pieces. */
struct feed {
	int fd;
	const uint8_t *bytes;
	size_t length, step; /* 0: pieces of random size */
	unsigned seed;
	const size_t *lengths; /* or these, one after the other */
};

static void *feed(void *context)
{
	struct feed *feed = context;
	for (size_t at = 0; at < feed->length;) {
		size_t step = feed->step ? feed->step : (size_t)rand_r(&feed->seed) % 40 + 1;
		if (feed->lengths)
			step = *feed->lengths++;
		if (step > feed->length - at)
			step = feed->length - at;
		if (write(feed->fd, feed->bytes + at, step) != (ssize_t)step)
			break;
		at += step;
	}
	close(feed->fd);
	return NULL;
}

/* The lines; free() them. `ret_complaints` may be NULL. */
static char *decode_fed(const struct capture *capture, struct feed context, char **ret_complaints)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_DIRECT), 0); /* packets: each read gets one write */
	context.fd = ends[1];
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, feed, &context), 0);
	char *lines = NULL, *complaints = NULL;
	size_t lines_length, complaints_length;
	FILE *out = open_memstream(&lines, &lines_length), *err = open_memstream(&complaints, &complaints_length);
	int error = decode_stream(capture->driver, capture->options, capture->profile, ends[0], out, err, NULL);
	fclose(out);
	fclose(err);
	pthread_join(thread, NULL);
	close(ends[0]);
	assert_int_equal(error, 0);
	if (ret_complaints)
		*ret_complaints = complaints;
	else
		free(complaints);
	return lines;
}

static char *decode(const struct capture *capture, const uint8_t *bytes, size_t length, size_t step, unsigned seed,
	char **ret_complaints)
{
	return decode_fed(capture, (struct feed){ -1, bytes, length, step, seed, NULL }, ret_complaints);
}

static void expect(const struct capture *capture, const uint8_t *bytes, size_t length, size_t step, unsigned seed,
	const char *path)
{
	char *lines = decode(capture, bytes, length, step, seed, NULL);
	if (strcmp(lines, capture->golden) != 0)
		print_error("%s, in pieces of %zu, seed %u\n", path, step, seed);
	assert_string_equal(lines, capture->golden);
	free(lines);
}

/* The bytes each read of the recorder returned: lines of {"read":N,"hex":"..."}. */
static size_t read_chunks(const char *path, struct capture *capture, size_t *lengths, size_t room)
{
	char chunks[520], line[8192], hex[8192];
	snprintf(chunks, sizeof(chunks), "%.*s.chunks.jsonl", (int)(strlen(path) - 4), path);
	FILE *file = fopen(chunks, "r");
	size_t count = 0;
	if (!file)
		return 0;
	capture->length = 0;
	while (fgets(line, sizeof(line), file)) {
		size_t before = capture->length;
		assert_int_equal(sscanf(line, "{\"read\": %*d, \"hex\": \"%8191[0-9a-f]", hex), 1);
		read_hex(hex, capture);
		assert_true(count < room);
		lengths[count++] = capture->length - before;
	}
	fclose(file);
	return count;
}

/* Copies the capture with noise before, between and behind its frames: bytes with which no frame begins. */
static size_t add_noise(const struct capture *capture, uint8_t *out, size_t room, unsigned seed)
{
	struct instrument instrument = {
		.driver = capture->driver, .options = capture->options, .profile = capture->profile
	};
	instrument.state = calloc(1, driver_state_size(capture->driver, capture->profile));
	assert_int_equal(capture->driver->setup(&instrument, NULL), 0);
	struct cutter cutter = { 0 };
	struct cut cut;
	enum cut_kind kind;
	struct readings readings = { .list = calloc(READINGS_AT_ONCE, sizeof(struct reading)) };
	size_t length = 0;
	assert_int_equal(cutter_feed(&cutter, capture->bytes, capture->length), 0);
	while ((kind = cutter_next(&cutter, &instrument, true, &cut)) != CUT_MORE) {
		for (int i = rand_r(&seed) % 6; kind == CUT_FRAME && i > 0; i--) {
			uint8_t noise = (uint8_t)rand_r(&seed);
			if (capture->driver->frame(&instrument, &noise, 1) == FRAME_NONE && length < room)
				out[length++] = noise;
		}
		assert_true(length + cut.length <= room);
		memcpy(out + length, cut.bytes, cut.length);
		length += cut.length;
		if (kind == CUT_FRAME) { /* a driver that takes a long frame in pieces wants no noise between them */
			struct reply reply = {
				.kind = REPLY_FRAME, .bytes = cut.bytes, .length = cut.length, .offline = true
			};
			do
				readings = (struct readings){ .list = readings.list };
			while (capture->driver->take(&instrument, &reply, &readings) == NEXT_MORE);
		}
	}
	free(readings.list);
	cutter_reset(&cutter);
	free(instrument.state);
	return length;
}

static void each_capture(void (*check)(struct capture *, const char *path))
{
	glob_t paths;
	assert_int_equal(glob("tests/captures/*/*.hex", 0, NULL, &paths), 0);
	size_t checked = 0;
	for (size_t i = 0; i < paths.gl_pathc; i++) {
		struct capture *capture = capture_read(paths.gl_pathv[i], false);
		if (capture->golden) { /* without one it is another test's */
			check(capture, paths.gl_pathv[i]);
			checked++;
		}
		capture_free(capture);
	}
	globfree(&paths);
	assert_true(checked >= 6);
}

static void each_driver_has_a_capture_that_must_decode_to_something(void **state)
{
	(void)state;
	for (size_t i = 0; drivers[i]; i++) {
		char pattern[128];
		glob_t paths;
		snprintf(pattern, sizeof(pattern), "tests/captures/%s/*.golden", drivers[i]->name);
		if (glob(pattern, 0, NULL, &paths) != 0)
			fail_msg("no capture of driver %s has its lines beside it", drivers[i]->name);
		for (size_t k = 0; k < paths.gl_pathc; k++) { /* and each takes part in the tests below */
			char hex[512];
			snprintf(hex, sizeof(hex), "%.*s.hex", (int)(strlen(paths.gl_pathv[k]) - 7), paths.gl_pathv[k]);
			assert_int_equal(access(hex, R_OK), 0);
		}
		globfree(&paths);
	}
}

static void check_whole(struct capture *capture, const char *path)
{
	expect(capture, capture->bytes, capture->length, 4096, 0, path);
	assert_true(strlen(capture->golden) > 0);
}

static void check_bytes(struct capture *capture, const char *path)
{
	expect(capture, capture->bytes, capture->length, 1, 0, path);
}

static void check_cuts(struct capture *capture, const char *path)
{
	for (unsigned seed = 1; seed <= 25; seed++)
		expect(capture, capture->bytes, capture->length, 0, seed, path);
}

static void check_noise(struct capture *capture, const char *path)
{
	static uint8_t noisy[2 * CAPTURE_MAX];
	for (unsigned seed = 1; seed <= 25 && !capture->no_noise; seed++) {
		size_t length = add_noise(capture, noisy, sizeof(noisy), seed);
		expect(capture, noisy, length, 0, seed, path);
	}
}

/* In two at every place, or at every CUT_EVERY-th: prime, so that the places differ from capture to capture. */
static size_t cut_every = 211, cuts;

static void check_cut_in_two(struct capture *capture, const char *path)
{
	for (size_t at = 1; at < capture->length; at += cut_every, cuts++) {
		size_t lengths[] = { at, capture->length - at };
		struct feed feed = { -1, capture->bytes, capture->length, 0, 0, lengths };
		char *lines = decode_fed(capture, feed, NULL);
		if (strcmp(lines, capture->golden) != 0)
			print_error("%s, cut at %zu\n", path, at);
		assert_string_equal(lines, capture->golden);
		free(lines);
	}
}

static void a_capture_decoded_whole_gives_its_golden_lines(void **state)
{
	(void)state;
	each_capture(check_whole);
}

static void a_capture_decoded_byte_by_byte_gives_the_same_lines(void **state)
{
	(void)state;
	each_capture(check_bytes);
}

static void a_capture_cut_at_random_gives_the_same_lines(void **state)
{
	(void)state;
	each_capture(check_cuts);
}

static void a_capture_cut_in_two_gives_the_same_lines(void **state)
{
	(void)state;
	const char *every = getenv("CUT_EVERY");
	if (every)
		cut_every = strtoul(every, NULL, 10);
	each_capture(check_cut_in_two);
	print_message("cut in two at %zu places, every %zu bytes\n", cuts, cut_every);
}

static void check_chunks(struct capture *capture, const char *path)
{
	static size_t lengths[CAPTURE_MAX];
	if (read_chunks(path, capture, lengths, CAPTURE_MAX) == 0)
		return;
	struct feed feed = { -1, capture->bytes, capture->length, 0, 0, lengths };
	char *lines = decode_fed(capture, feed, NULL);
	assert_string_equal(lines, capture->golden);
	free(lines);
}

static void the_reads_of_the_recorder_give_the_same_lines(void **state)
{
	(void)state;
	each_capture(check_chunks);
}

static void noise_between_frames_changes_nothing(void **state)
{
	(void)state;
	each_capture(check_noise);
}

static void what_is_no_frame_is_told_with_its_offset_and_however_it_was_cut(void **state)
{
	(void)state;
	struct capture *capture = capture_read("tests/captures/seven-e-aa/a2-noise.hex", false);
	char *whole, *pieces, *lines = decode(capture, capture->bytes, capture->length, 4096, 0, &whole);
	free(lines);
	lines = decode(capture, capture->bytes, capture->length, 1, 0, &pieces);
	free(lines);
	assert_string_equal(whole, pieces);
	assert_string_equal(whole,
		"offset 0: 6 bytes are no frame of this instrument: aa 7e 7e 11 00 ff\n"
		"offset 32: 26 bytes are no frame of this instrument: 7e 11 14 00 02 00 02 00 12 00 be c2 b2 cb 00 00 ...\n"
		"offset 84: 15 bytes are no frame of this instrument: 7e 11 14 00 02 00 02 00 12 00 be c2 b2 cb 00\n"
		"offset 177: 25 bytes are no frame of this instrument: 7e 11 14 00 09 00 02 00 12 00 be c2 b2 cb 00 00 ...\n");
	free(whole);
	free(pieces);
	capture_free(capture);
}

/* An hl7 message without blocks of which so many bytes are a picture, in pieces of `step`: the results in `ret_count`.
 */
static char *decode_picture(size_t picture, const char *last, size_t step, size_t *ret_count)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	capture->driver = driver_by_name("hl7");
	settings_defaults(&(struct settings_table){ capture->driver->options, capture->options });
	char *text = (char *)capture->bytes, *complaints;
	size_t at =
		(size_t)sprintf(text, "MSH|^~\\&|A||||20260305094120||ORU^R01|1|P|2.4\rOBX|1|NM|A||1\rOBX|2|ED|P||^");
	memset(text + at, 'Q', picture);
	capture->length = at + picture + (size_t)sprintf(text + at + picture, "\r%s", last);
	char *lines = decode(capture, capture->bytes, capture->length, step, 0, &complaints);
	*ret_count = 0;
	for (const char *line = lines; (line = strchr(line, '\n')); line++)
		++*ret_count;
	free(lines);
	capture_free(capture);
	return complaints;
}

static void the_end_of_a_file_ends_a_long_message_or_tells_that_it_is_broken(void **state)
{
	(void)state;
	static const struct {
		const char *last;
		size_t count;
		const char *complaint;
	} cases[] = {
		{ "OBX|3|NM|B||2\r", 2, "" },
		{ "OBX|3|NM|B||2\r\n\r\n", 2, "" },
		{ "OBX|3|NM|B||2\r\x1c\r", 2, "" },
		{ "OBX|3|NM|B||2", 0, "offset 90087: undecodable: the message was broken off\n" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (size_t step = 1000; step <= 4096; step += 3096) {
			size_t count;
			char *complaints = decode_picture(90000, cases[i].last, step, &count);
			assert_string_equal(complaints, cases[i].complaint);
			assert_int_equal(count, cases[i].count);
			free(complaints);
		}
}

/* ---- a driver made for this test, which says everything a reading can hold ---- */

static int talk_setup(struct instrument *instrument, struct fault *fault)
{
	return instrument->profile ? fault_set(fault, EINVAL, "no profile, please") : 0;
}

static int talk_frame(const struct instrument *instrument, const uint8_t *data, size_t length)
{
	(void)instrument;
	(void)length;
	return data[0] == '!' || data[0] == '?' ? 1 : FRAME_NONE;
}

static void talk_everything(struct reading *reading)
{
	*reading = (struct reading){
		.kind = KIND_QC,
		.verdict = VERDICT_SUSPECT,
		.verdict_as_sent = "可疑",
		.instrument_seq = "7",
		.channel = 0,
		.sample_no = "S1",
		.sample_name = "鱼",
		.sample_category = "水产",
		.party = "甲",
		.origin = "长安镇",
		.item = "孔雀石绿",
		.method = "T/C",
		.basis = "KJ",
		.value = "0.50",
		.qualifier = "<",
		.unit = "ug/kg",
		.value_as_sent = "<0.50",
		.limit_op = "<=",
		.limit_value = "1",
		.limit_unit = "ug/kg",
		.limit_source = "GB",
		.operator_id = "3",
		.operator_name = "张三",
		.tested_at = "2026-03-05T09:41:20",
		.marks = READING_TEXT_CUT | READING_OVERRUN,
		.raw = (const uint8_t *)"\x00\xff!",
		.raw_length = 3,
	};
	reading_signal(reading, "c", "1200");
	reading_signal(reading, "t", "300");
	reading_said(reading, "lot", "A1");
	reading_said(reading, "lot", "A2"); /* twice under one name: both are kept */
}

static enum next talk_take(struct instrument *instrument, const struct reply *reply, struct readings *readings)
{
	(void)instrument;
	if (reply->bytes[0] == '!') {
		talk_everything(readings_add(readings));
		readings_add(readings);
	} else {
		readings->rejected++;
		snprintf(readings_notice(readings, NOTICE_OVERRUN)->reason, 160, "full");
	}
	return NEXT_WAIT;
}

static const struct driver talkative = {
	.name = "talkative", .setup = talk_setup, .frame = talk_frame, .take = talk_take
};

static void lines_hold_the_promised_keys_in_the_promised_order(void **state)
{
	(void)state;
	struct capture *capture = calloc(1, sizeof(*capture));
	capture->driver = &talkative;
	char *complaints, *lines = decode(capture, (const uint8_t *)"x!??", 4, 1, 0, &complaints);
	assert_string_equal(lines,
		"{\"sample_no\":\"S1\",\"item\":\"孔雀石绿\",\"value\":\"0.50\",\"qualifier\":\"<\",\"unit\":\"ug/kg\","
		"\"verdict\":\"suspect\",\"tested_at\":\"2026-03-05T09:41:20\",\"kind\":\"qc\",\"instrument_seq\":\"7\","
		"\"channel\":0,\"sample_name\":\"鱼\",\"sample_category\":\"水产\",\"party\":\"甲\",\"origin\":\"长安镇\","
		"\"method\":\"T/C\",\"basis\":\"KJ\",\"verdict_as_sent\":\"可疑\",\"value_as_sent\":\"<0.50\","
		"\"limit\":{\"op\":\"<=\",\"value\":\"1\",\"unit\":\"ug/kg\",\"source\":\"GB\"},"
		"\"signals\":{\"c\":\"1200\",\"t\":\"300\"},\"operator\":{\"id\":\"3\",\"name\":\"张三\"},"
		"\"said\":{\"lot\":\"A1\",\"lot_2\":\"A2\"},\"marks\":[\"text_cut\",\"overrun\"],\"raw\":\"00ff21\"}\n"
		"{\"sample_no\":\"\",\"item\":\"\",\"value\":\"\",\"qualifier\":\"\",\"unit\":\"\",\"verdict\":\"none\","
		"\"tested_at\":\"\",\"kind\":\"sample\",\"instrument_seq\":\"\"}\n");
	assert_string_equal(complaints,
		"offset 0: 1 bytes are no frame of this instrument: 78\n"
		"offset 2: overrun: full\noffset 2: the driver rejects this frame of 1 bytes\n"
		"offset 3: overrun: full\noffset 3: the driver rejects this frame of 1 bytes\n");
	free(lines);
	free(complaints);
	free(capture);
}

static void what_cannot_be_decoded_says_why(void **state)
{
	(void)state;
	struct fault fault;
	static const struct driver registers = { .name = "registers" };
	assert_int_equal(decode_stream(&registers, NULL, NULL, 0, stdout, stderr, &fault), -ENOTSUP);
	assert_non_null(strstr(fault.text, "registers"));
	assert_int_equal(decode_stream(&talkative, NULL, "profile", 0, stdout, stderr, &fault), -EINVAL);
	assert_int_equal(decode_stream(&talkative, NULL, NULL, -1, stdout, stderr, &fault), -EBADF);
	assert_non_null(strstr(fault.text, "cannot read"));
	FILE *full = fopen("/dev/full", "w");
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "!", 1), 1);
	close(ends[1]);
	assert_int_equal(decode_stream(&talkative, NULL, NULL, ends[0], full, stderr, &fault), -EIO);
	close(ends[0]);
	fclose(full);
}

static int write_golden_files(void)
{
	glob_t paths;
	if (glob("tests/captures/*/*.hex", 0, NULL, &paths) != 0)
		return 1;
	for (size_t i = 0; i < paths.gl_pathc; i++) {
		char golden[512];
		const char *path = paths.gl_pathv[i];
		snprintf(golden, sizeof(golden), "%.*s.golden", (int)(strlen(path) - 4), path);
		if (access(golden, F_OK) != 0)
			continue; /* an empty file asks for its lines */
		struct capture *capture = capture_read(path, true);
		char *lines = decode(capture, capture->bytes, capture->length, 4096, 0, NULL);
		FILE *file = fopen(golden, "w");
		fputs(lines, file);
		fclose(file);
		free(lines);
		capture_free(capture);
	}
	globfree(&paths);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--write") == 0)
		return write_golden_files();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_driver_has_a_capture_that_must_decode_to_something),
		cmocka_unit_test(a_capture_decoded_whole_gives_its_golden_lines),
		cmocka_unit_test(a_capture_decoded_byte_by_byte_gives_the_same_lines),
		cmocka_unit_test(a_capture_cut_at_random_gives_the_same_lines),
		cmocka_unit_test(a_capture_cut_in_two_gives_the_same_lines),
		cmocka_unit_test(the_reads_of_the_recorder_give_the_same_lines),
		cmocka_unit_test(noise_between_frames_changes_nothing),
		cmocka_unit_test(what_is_no_frame_is_told_with_its_offset_and_however_it_was_cut),
		cmocka_unit_test(the_end_of_a_file_ends_a_long_message_or_tells_that_it_is_broken),
		cmocka_unit_test(lines_hold_the_promised_keys_in_the_promised_order),
		cmocka_unit_test(what_cannot_be_decoded_says_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
