/* Profiles: what is refused and how, and instruments that are nothing like the shipped one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <glob.h>
#include <unistd.h>

#include "modbus_fixture.h"

struct line {
	const char *section, *key, *value;
};

#define END                                                                                                            \
	{                                                                                                              \
		NULL, NULL, NULL                                                                                       \
	}

/* Fails the test on a faulty line; the result of finishing otherwise. */
static int build(struct modbus_profile *profile, const struct line *lines, struct fault *fault)
{
	memset(profile, 0, sizeof(*profile));
	for (; lines->section; lines++)
		if (modbus_profiles.entry(profile, lines->section, lines->key, lines->value, fault) != 0)
			fail_msg("[%s] %s = %s: %s", lines->section, lines->key, lines->value, fault->text);
	return modbus_profiles.finish(profile, fault);
}

static void every_shipped_profile_is_accepted(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		long stars;
	} shipped[] = { { "analyzer-a6b", 2 }, { "analyzer-a6b-cdab", 2 }, { "charger-tristar", 3 },
		{ "climate-xy-md02", 3 }, { "flow-redy-smart", 4 }, { "inverter-sun2000", 3 }, { "labjack-t", 3 },
		{ "meter-p2000", 3 }, { "meter-sdm120m", 3 }, { "meter-sdm72d-m", 3 }, { "meter-smartlogger", 3 },
		{ "oil-dy2620", 3 } };
	for (size_t i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++) {
		char path[128];
		snprintf(path, sizeof(path), "config/profiles/%s.conf", shipped[i].name);
		struct modbus_profile *profile = bench_profile(path);
		assert_int_equal(profile->stars, shipped[i].stars);
		assert_string_not_equal(profile->title, "");
		assert_string_not_equal(profile->source, "");
		free(profile);
	}
}

/* Writes the profile at `path` with the value of line `spoilt` replaced; false when that line has none to spoil. */
static bool spoil_line(const char *path, int spoilt, const char *out_path)
{
	static const char *const free_words[] = { "title", "maker", "model", "source", "item" };
	FILE *in = fopen(path, "r"), *out = fopen(out_path, "w");
	char line[512], section[32] = "";
	bool done = false;
	assert_true(in && out);
	for (int number = 1; fgets(line, sizeof(line), in); number++) {
		sscanf(line, "[%31[^]]", section);
		char *equals = strchr(line, '=');
		bool has_value = equals && *line != ';' && strncmp(section, "map ", 4) != 0;
		for (size_t i = 0; i < sizeof(free_words) / sizeof(free_words[0]); i++)
			has_value &= strncmp(line, free_words[i], strlen(free_words[i])) != 0;
		if (number == spoilt && has_value) {
			snprintf(equals + 1, sizeof(line) - (size_t)(equals + 1 - line), " 1 spoilt\n");
			done = true;
		}
		fputs(line, out);
	}
	fclose(in);
	fclose(out);
	return done;
}

/* A slip in any line of any shipped profile is told with its line. */
static void each_line_of_each_shipped_profile_is_checked_with_its_number(void **state)
{
	(void)state;
	glob_t found;
	char out_path[] = "/tmp/assayd-profile-XXXXXX";
	unsigned spoilt = 0;
	close(mkstemp(out_path));
	assert_int_equal(glob("config/profiles/*.conf", 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		void *profile = NULL;
		struct faults faults = { 0 };
		int error = profile_read(found.gl_pathv[i], &modbus_driver, &profile, &faults);
		free(profile);
		faults_free(&faults);
		for (int line = 1; error == 0 && line < 120; line++) { /* else it is one of another driver */
			if (!spoil_line(found.gl_pathv[i], line, out_path))
				continue;
			faults = (struct faults){ 0 };
			profile = NULL;
			spoilt++;
			if (profile_read(out_path, &modbus_driver, &profile, &faults) == 0)
				fail_msg("%s:%d: a slip is not noticed", found.gl_pathv[i], line);
			assert_int_equal(faults.list[0].line, line);
			assert_non_null(strstr(faults.list[0].excerpt, "1 spoilt"));
			faults_free(&faults);
		}
	}
	globfree(&found);
	unlink(out_path);
	assert_true(spoilt > 150);
}

static void the_shipped_window_and_status_are_one_request_each(void **state)
{
	(void)state;
	struct modbus_profile *profile = bench_profile("config/profiles/analyzer-a6b.conf");
	static const struct modbus_block expected[] = { { 0x00, 18, 0 }, { 0x12, 14, 0 }, { 0x100, 46, 0 } };
	for (size_t i = 0; i < MODBUS_GROUPS; i++) {
		assert_int_equal(profile->plans[i].count, 1);
		assert_int_equal(profile->plans[i].blocks[0].address, expected[i].address);
		assert_int_equal(profile->plans[i].blocks[0].count, expected[i].count);
	}
	free(profile);
}

/* The two shipped word orders must not drift apart. */
static void both_word_orders_are_the_same_profile_otherwise(void **state)
{
	(void)state;
	struct modbus_profile *abcd = bench_profile("config/profiles/analyzer-a6b.conf");
	struct modbus_profile *cdab = bench_profile("config/profiles/analyzer-a6b-cdab.conf");
	assert_int_equal(abcd->order, MODBUS_ABCD);
	assert_int_equal(cdab->order, MODBUS_CDAB);
	cdab->order = MODBUS_ABCD;
	memcpy(cdab->title, abcd->title, sizeof(abcd->title));
	assert_memory_equal(abcd, cdab, sizeof(*abcd));
	free(abcd);
	free(cdab);
}

/* What is written to set a clock reads as the time it was set to, in every form and order, one by one or together. */
static void a_clock_is_written_as_it_is_read(void **state)
{
	(void)state;
	static const struct {
		const char *form, *order, *write;
		uint16_t words[6];
	} forms[] = {
		{ "ymdhms", "ABCD", "single", { 2027, 12, 31, 23, 59, 58 } },
		{ "ymdhms", "CDAB", "multiple", { 2027, 12, 31, 23, 59, 58 } },
		{ "bcd-time", "ABCD", "multiple", { 0x2712, 0x3123, 0x5958 } },
		{ "seconds", "ABCD", "multiple", { 0x6D18, 0x1FFE } },
		{ "seconds", "CDAB", "single", { 0x1FFE, 0x6D18 } },
		{ "seconds", "DCBA", "multiple", { 0xFE1F, 0x186D } },
	};
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct modbus_profile profile;
		struct modbus_state memory = { 0 };
		struct fault fault = { "" };
		char field[32];
		snprintf(field, sizeof(field), "9 %s", forms[i].form);
		const struct line lines[] = { { "status", "newest", "0 u16" }, { "field", "value", "1 u16" },
			{ "registers", "order", forms[i].order }, { "control", "write", forms[i].write },
			{ "status", "clock", field }, { "control", "clock", field }, END };
		assert_int_equal(build(&profile, lines, &fault), 0);
		struct instrument instrument = { .driver = &modbus_driver,
			.profile = &profile,
			.state = &memory,
			.now = { 2027, 12, 31, 23, 59, 58 } };
		const struct modbus_field *clock = modbus_field_of(&profile, MODBUS_CLOCK);
		uint8_t bytes[12];
		struct modbus_value value;
		assert_true(modbus_sets_clock(&profile));
		modbus_clock_encode(&instrument);
		for (memory.word = 0; memory.word < clock->count;) {
			struct request request = { 0 };
			modbus_clock_ask(&instrument, &request);
			assert_int_equal(request.address, 9 + memory.word);
			assert_int_equal(request.count, strcmp(forms[i].write, "single") == 0 ? 1 : clock->count);
			for (size_t k = 0; k < request.count; k++, memory.word++) {
				assert_int_equal(request.registers[k], forms[i].words[memory.word]);
				bytes[2 * memory.word] = (uint8_t)(request.registers[k] >> 8);
				bytes[2 * memory.word + 1] = (uint8_t)request.registers[k];
			}
		}
		modbus_value_read(clock, modbus_order_now(&instrument, clock),
			bytes_of(bytes, MODBUS_BYTES(clock->count)), &value);
		assert_string_equal(value.text, "2027-12-31T23:59:58");
	}
}

static const struct {
	struct line line;
	const char *says; /* what the fault must hold: what would be right */
} wrong_lines[] = {
	{ { "nonsense", "a", "1" }, "[profile]" },
	{ { "registers", "tabel", "holding" }, "table" },
	{ { "field", "vale", "0 u16" }, "value" },
	{ { "registers", "table", "coils" }, "holding" },
	{ { "registers", "first", "one" }, "400001" },
	{ { "registers", "order", "ABDC" }, "CDAB" },
	{ { "registers", "max-read", "126" }, "125" },
	{ { "registers", "max-read", "0" }, "1 to 125" },
	{ { "registers", "max-gap", "-1" }, "0 to 125" },
	{ { "profile", "stars", "6" }, "1 to 5" },
	{ { "profile", "model", "a name far too long for any instrument in any room of any county" }, "47" },
	{ { "profile", "maker", "a name far too long for any instrument in any room of any county" }, "47" },
	{ { "status", "wrap", "9999" }, "1..9999" },
	{ { "status", "wrap", "9..1" }, "1..9999" },
	{ { "control", "latch", "0x22" }, "0x22 1" },
	{ { "control", "acknowledge", "0x22 x" }, "0x22 1" },
	{ { "control", "write", "both" }, "multiple" },
	{ { "window", "at", "start" }, "number" },
	{ { "window", "length", "0" }, "1 to 512" },
	{ { "window", "identity", "0x100" }, "0x100..0x12B" },
	{ { "window", "guard", "none" }, "reread" },
	{ { "field", "value", "0x10D" }, "lacks the type" },
	{ { "field", "value", "" }, "no register address" },
	{ { "field", "value", "10x u16" }, "no register address" },
	{ { "field", "value", "0x u16" }, "no register address" },
	{ { "field", "value", "0x10D float" }, "f32" },
	{ { "field", "value", "0x10D bit16" }, "bit15" },
	{ { "field", "value", "0x10D ascii" }, "ascii[16]" },
	{ { "field", "value", "0x10D gb18030[0]" }, "gb18030[16]" },
	{ { "field", "value", "0x10D ascii[16" }, "ascii[16]" },
	{ { "field", "value", "0x10D u16 scale=/7" }, "/100" },
	{ { "field", "value", "0x10D u16 scale=0" }, "/100" },
	{ { "field", "value", "0x10D u16 scale=-1" }, "/100" },
	{ { "field", "value", "0x10D u16 scale=1.0000000000000000000000000000000000001" }, "/100" },
	{ { "field", "value", "0x10D ascii[4] scale=/10" }, "/100" },
	{ { "field", "value", "0x10D u16 decimals=2" }, "scale=/100" },
	{ { "field", "value", "0x10D f32 decimals=x" }, "0 to 9" },
	{ { "field", "value", "0x10D f32 plausible=5" }, "least..most" },
	{ { "field", "value", "0x10D f32 plausible=5..1" }, "least..most" },
	{ { "field", "value", "0x10D u16 plausible=1..5" }, "least..most" },
	{ { "field", "value", "0x10D f32 order=DABC" }, "DCBA" },
	{ { "field", "value", "0x10D u16 invalid=abc" }, "0x7FFE" },
	{ { "field", "value", "0x10D u16 invalid=1,2,3,4,5" }, "4" },
	{ { "field", "value", "0x10D ascii[4] absent=1" }, "0x7FFE" },
	{ { "field", "value", "0x10D u16 equals=1" }, "magic" },
	{ { "field", "value", "0x10D u16 factor=1" }, "scale=" },
	{ { "field", "value", "0x10D u16 scale" }, "scale=" },
	{ { "field", "value", "0x10D u16 scale=" }, "scale=" },
	{ { "signals", "a_name_much_too_long_for_a_signal", "0 u16" }, "23" },
	{ { "field", "value", "is 5" }, "does not fit" },
	{ { "field", "item", "is" }, "does not fit" },
	{ { "field", "item", "is a text that is longer than what a profile may say of every result of its" }, "63" },
	{ { "trigger", "every", "60" }, "10min" },
	{ { "trigger", "every", "0s" }, "10min" },
	{ { "trigger", "every", "25h" }, "10min" },
	{ { "trigger", "at", "5s" }, "ready" },
	{ { "pages", "function", "3" }, "0x65" },
	{ { "pages", "function", "0x80" }, "0x65" },
	{ { "pages", "request", "00 01" }, "page 00 01" },
	{ { "pages", "request", "page page" }, "page 00 01" },
	{ { "pages", "request", "page 0x1" }, "page 00 01" },
	{ { "pages", "request",
		  "page 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
		  "00 00" },
		"page 00 01" },
	{ { "pages", "record", "0" }, "1 to 64" },
	{ { "pages", "end", "x" }, "0 to 250" },
	{ { "pages", "order", "newest" }, "oldest-first" },
	{ { "map kind", "1", "probe" }, "control" },
	{ { "map retest", "1", "yes" }, "retest or first" },
	{ { "map verdict", "1", "ok" }, "negative" },
	{ { "map item", "an item code as long as no instrument has any", "x" }, "31" },
};

static void a_wrong_line_is_refused_with_what_would_be_right(void **state)
{
	(void)state;
	static struct modbus_profile profile;
	for (size_t i = 0; i < sizeof(wrong_lines) / sizeof(wrong_lines[0]); i++) {
		struct fault fault = { "" };
		const struct line *line = &wrong_lines[i].line;
		memset(&profile, 0, sizeof(profile));
		if (modbus_profiles.entry(&profile, line->section, line->key, line->value, &fault) == 0)
			fail_msg("[%s] %s = %s is accepted", line->section, line->key, line->value);
		if (!strstr(fault.text, wrong_lines[i].says))
			fail_msg("[%s] %s = %s: '%s' does not say '%s'", line->section, line->key, line->value,
				fault.text, wrong_lines[i].says);
	}
}

static void what_is_given_twice_is_refused(void **state)
{
	(void)state;
	static const struct line lines[] = { { "profile", "title", "x" }, { "profile", "maker", "x" },
		{ "profile", "source", "x" }, { "field", "sample_no", "0 ascii[4]" }, { "map item", "1", "x" },
		{ "signals", "abs", "4 u16" } };
	static struct modbus_profile profile;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct fault fault = { "" };
		memset(&profile, 0, sizeof(profile));
		assert_int_equal(
			modbus_profiles.entry(&profile, lines[i].section, lines[i].key, lines[i].value, &fault), 0);
		assert_true(
			modbus_profiles.entry(&profile, lines[i].section, lines[i].key, lines[i].value, &fault) < 0);
		assert_non_null(strstr(fault.text, "twice"));
	}
	struct fault fault = { "" };
	memset(&profile, 0, sizeof(profile));
	assert_int_equal(modbus_profiles.entry(&profile, "field", "sample-no", "0 ascii[4]", &fault), 0);
	assert_true(modbus_profiles.entry(&profile, "field", "sample_no", "0 ascii[4]", &fault) < 0);
}

static void too_much_is_refused(void **state)
{
	(void)state;
	static struct modbus_profile profile;
	struct fault fault = { "" };
	char name[16];
	int error = 0;
	memset(&profile, 0, sizeof(profile));
	for (unsigned i = 0; i < MODBUS_FIELDS_MAX + 1 && error == 0; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		error = modbus_profiles.entry(&profile, "signals", name, "0 u16", &fault);
	}
	assert_true(error < 0);
	error = 0;
	for (unsigned i = 0; i < MODBUS_MAPS_MAX + 1 && error == 0; i++) {
		snprintf(name, sizeof(name), "%u", i);
		error = modbus_profiles.entry(&profile, "map item", name, "x", &fault);
	}
	assert_true(error < 0);
}

#define NEWEST                                                                                                         \
	{                                                                                                              \
		"status", "newest", "10 u16"                                                                           \
	}
#define VALUE                                                                                                          \
	{                                                                                                              \
		"field", "value", "20 u16"                                                                             \
	}

#define PAGES                                                                                                          \
	{ "pages", "function", "0x65" }, { "pages", "request", "page 00 01" },                                         \
	{                                                                                                              \
		"pages", "record", "10"                                                                                \
	}

struct wrong_profile {
	struct line lines[8];
	const char *says;
};

static void refuse(const struct wrong_profile *wrong, size_t count)
{
	static struct modbus_profile profile;
	for (size_t i = 0; i < count; i++) {
		struct fault fault = { "" };
		if (build(&profile, wrong[i].lines, &fault) == 0)
			fail_msg("profile %zu is accepted (%s)", i, wrong[i].says);
		if (!strstr(fault.text, wrong[i].says))
			fail_msg("profile %zu: '%s' does not say '%s'", i, fault.text, wrong[i].says);
	}
}

static void a_profile_that_does_not_fit_together_is_refused(void **state)
{
	(void)state;
	static const struct wrong_profile wrong[] = {
		{ { VALUE, END }, "newest" },
		{ { NEWEST, END }, "value nor verdict" },
		{ { NEWEST, VALUE, { "registers", "first", "40001" }, END }, "40001" },
		{ { NEWEST, { "field", "value", "65536 u16" }, END }, "65535" },
		{ { NEWEST, { "field", "value", "65535 u32" }, END }, "65534" },
		{ { NEWEST, VALUE, { "control", "latch", "65536 1" }, END }, "latch" },
		{ { NEWEST, VALUE, { "control", "acknowledge", "1 1" }, END }, "select" },
		{ { NEWEST, VALUE, { "control", "select", "1 u16" }, END }, "oldest" },
		{ { { "status", "newest", "10 f32" }, VALUE, END }, "counter" },
		{ { { "status", "newest", "10 u16 scale=/10" }, VALUE, END }, "counter" },
		{ { NEWEST, VALUE, { "window", "length", "4" }, END }, "at =" },
		{ { NEWEST, VALUE, { "window", "at", "20" }, END }, "length" },
		{ { NEWEST, VALUE, { "window", "at", "65530" }, { "window", "length", "10" }, END }, "window" },
		{ { NEWEST, VALUE, { "window", "at", "20" }, { "window", "length", "4" }, { "window", "crc", "24" },
			  END },
			"crc" },
		{ { NEWEST, VALUE, { "window", "at", "20" }, { "window", "length", "4" }, { "window", "crc", "70000" },
			  END },
			"crc" },
		{ { NEWEST, VALUE, { "window", "at", "20" }, { "window", "length", "4" },
			  { "window", "identity", "19..22" }, END },
			"identity" },
		{ { NEWEST, VALUE, { "window", "at", "20" }, { "window", "length", "4" }, { "window", "guard", "crc" },
			  END },
			"crc = ADDRESS" },
		{ { NEWEST, VALUE, { "window", "guard", "sequence" }, END }, "sequence =" },
		{ { NEWEST, VALUE, { "map unit", "1", "%" }, END }, "[map unit] maps nothing" },
		{ { NEWEST, VALUE, { "field", "kind", "21 u16" }, END }, "[map kind]" },
		{ { NEWEST, VALUE, { "field", "retest", "21 bit3" }, END }, "[map retest]" },
		{ { NEWEST, VALUE, { "field", "verdict", "21 u16" }, END }, "[map verdict]" },
		{ { NEWEST, VALUE, { "field", "qualifier", "21 u16" }, END }, "[map qualifier]" },
		{ { NEWEST, VALUE, { "field", "time", "21 u16" }, END }, "ymdhms" },
		{ { NEWEST, { "field", "value", "20 ymdhms" }, END }, "cannot be a time" },
		{ { NEWEST, VALUE, { "field", "valid", "21 u16" }, END }, "good=1" },
		{ { NEWEST, VALUE, { "identity", "magic", "1 u16" }, END }, "equals=" },
		{ { NEWEST, VALUE, { "registers", "max-read", "1" }, { "said", "x", "30 u32" }, END }, "max-read" },
		{ { NEWEST, VALUE, { "status", "wrap", "0..99999" }, END }, "over 65535" },
		{ { NEWEST, VALUE, { "window", "at", "20" }, { "window", "length", "4" },
			  { "field", "sample-no", "22 ascii[8]" }, END },
			"sample-no: its registers 22 to 25" },
		{ { NEWEST, { "field", "value", "19 u32" }, { "window", "at", "20" }, { "window", "length", "4" },
			  END },
			"half outside" },
		{ { NEWEST, VALUE, { "field", "channel", "21 u16 good=1" }, END }, "valid only" },
		{ { NEWEST, { "field", "value", "21 u8" }, END }, "u8h" },
		{ { NEWEST, VALUE, { "trigger", "every", "60s" }, END }, "more than one sign" },
		{ { NEWEST, VALUE, { "trigger", "ready", "3 bit2 good=1" }, END }, "more than one sign" },
		{ { VALUE, { "trigger", "ready", "3 bit2" }, END }, "ready does not say which code is good" },
		{ { VALUE, { "trigger", "every", "1h" }, { "control", "select", "1 u16" },
			  { "status", "oldest", "2 u16" }, END },
			"what is there to select" },
		{ { PAGES, { "pages", "end", "10" }, { "field", "value", "0 u16" }, END }, "as long as a record" },
		{ { { "pages", "record", "10" }, { "field", "value", "0 u16" }, END }, "lacks one of" },
		{ { PAGES, { "pages", "end", "2" }, { "field", "value", "9 u16" }, END },
			"its bytes 9 to 10 lie outside" },
		{ { PAGES, { "pages", "end", "2" }, VALUE, { "window", "at", "1" }, END }, "neither [window]" },
		{ { PAGES, { "pages", "end", "2" }, { "field", "value", "0 u16" }, NEWEST, END },
			"by its own function only" },
		{ { PAGES, { "pages", "end", "2" }, { "said", "x", "0 u16" }, END }, "value nor verdict" },
		{ { PAGES, { "pages", "end", "2" }, { "field", "value", "0 u16" }, { "map unit", "1", "x" }, END },
			"maps nothing" },
	};
	refuse(wrong, sizeof(wrong) / sizeof(wrong[0]));
}

static void a_clock_that_could_not_be_set_well_is_refused(void **state)
{
	(void)state;
	static const struct wrong_profile wrong[] = {
		{ { NEWEST, VALUE, { "control", "set-clock", "1 3" }, END }, "clock = ADDRESS TYPE in [control]" },
		{ { NEWEST, VALUE, { "control", "clock", "1 ymdhms" }, END }, "in [status]" },
		{ { NEWEST, VALUE, { "control", "clock", "1 u16" }, END }, "is no time" },
		{ { NEWEST, VALUE, { "status", "clock", "9 ymdhms" }, { "control", "clock", "1 dos-time" }, END },
			"ymdhms, bcd-time or seconds" },
		{ { { "trigger", "every", "60s" }, VALUE, { "status", "clock", "9 ymdhms" },
			  { "control", "clock", "1 ymdhms" }, END },
			"running numbers" },
	};
	refuse(wrong, sizeof(wrong) / sizeof(wrong[0]));
}

static void fields_too_far_apart_are_refused(void **state)
{
	(void)state;
	static struct modbus_profile profile;
	struct fault fault = { "" };
	static const struct line lines[] = { NEWEST, VALUE, END };
	assert_int_equal(build(&profile, lines, &fault), 0);
	memset(&profile, 0, sizeof(profile));
	modbus_profiles.entry(&profile, "status", "newest", "1 u16", &fault);
	modbus_profiles.entry(&profile, "field", "value", "20 u16", &fault);
	for (unsigned i = 0; i < MODBUS_BLOCKS_MAX; i++) {
		char name[16], value[16];
		snprintf(name, sizeof(name), "s%u", i);
		snprintf(value, sizeof(value), "%u u16", 1000 + 100 * i);
		assert_int_equal(modbus_profiles.entry(&profile, "said", name, value, &fault), 0);
	}
	assert_true(modbus_profiles.finish(&profile, &fault) < 0);
	assert_non_null(strstr(fault.text, "far apart"));
}

static void neighbours_are_read_together_up_to_the_gap_and_the_longest_request(void **state)
{
	(void)state;
	static struct modbus_profile profile;
	struct fault fault = { "" };
	static const struct line lines[] = { { "registers", "first", "1" }, { "registers", "max-gap", "2" },
		{ "registers", "max-read", "10" }, { "status", "newest", "1 u32" }, { "status", "count", "5 u16" },
		{ "status", "fault", "9 bit0" }, { "field", "value", "101 f32" }, { "field", "unit", "103 u16" },
		{ "field", "sample-no", "104 ascii[12]" }, { "field", "item", "110 u16" },
		{ "field", "channel", "101 u16" }, END };
	assert_int_equal(build(&profile, lines, &fault), 0);
	const struct modbus_plan *plan = &profile.plans[MODBUS_STATUS];
	assert_int_equal(plan->count, 2); /* 0..4 over a gap of two; 8 is three away */
	assert_int_equal(plan->blocks[0].address, 0);
	assert_int_equal(plan->blocks[0].count, 5);
	assert_int_equal(plan->blocks[1].address, 8);
	plan = &profile.plans[MODBUS_RECORD];
	assert_int_equal(plan->count, 1);
	assert_int_equal(plan->blocks[0].address, 100);
	assert_int_equal(plan->blocks[0].count, 10);
	assert_int_equal(modbus_plan_place(plan, 103), 3);
	assert_int_equal(modbus_plan_place(plan, 99), -1);
	assert_int_equal(profile.plans[MODBUS_IDENTITY].count, 0);
}

static void a_window_longer_than_a_request_is_read_in_pieces(void **state)
{
	(void)state;
	static struct modbus_profile profile;
	struct fault fault = { "" };
	static const struct line lines[] = { NEWEST, { "field", "value", "150 f32" }, { "field", "unit", "255 u16" },
		{ "window", "at", "100" }, { "window", "length", "150" }, END };
	assert_int_equal(build(&profile, lines, &fault), 0);
	const struct modbus_plan *plan = &profile.plans[MODBUS_RECORD];
	assert_int_equal(plan->count, 2);
	assert_int_equal(plan->blocks[0].count, 125);
	assert_int_equal(plan->blocks[1].address, 225);
	assert_int_equal(plan->blocks[1].count, 31); /* with the field behind it */
	assert_int_equal(modbus_plan_place(plan, 225), 125);
}

/* A flat memory of registers that does as the profile says, for instruments without a window. */
struct flat {
	uint16_t registers[1024];
	uint16_t hole;   /* reading over it is refused; 0: none */
	uint16_t moving; /* this register; 0: 100 */
	unsigned moves;  /* after so many reads it has changed */
	unsigned reads, writes, longest_write;
	uint16_t written[4], written_at;
	enum register_table table;
};

static struct instrument instrument;
static struct modbus_state turn_state;
static struct reading list[READINGS_AT_ONCE];
static struct readings readings;

static void begin(struct modbus_profile *profile, const char *cursor)
{
	memset(&turn_state, 0, sizeof(turn_state));
	instrument = (struct instrument){ .profile = profile, .state = &turn_state };
	snprintf(instrument.cursor, sizeof(instrument.cursor), "%s", cursor);
	assert_int_equal(modbus_driver.setup(&instrument, NULL), 0);
	readings = (struct readings){ .list = list };
}

static void answer(struct flat *flat, const struct request *request, struct reply *reply, uint8_t *bytes)
{
	*reply = (struct reply){ .kind = REPLY_DONE };
	if (request->kind == REQUEST_WRITE) {
		flat->writes++;
		flat->written_at = request->address;
		memcpy(flat->written, request->registers, sizeof(flat->written));
		if (request->count > flat->longest_write)
			flat->longest_write = request->count;
		return;
	}
	flat->reads++;
	flat->table = request->table;
	if (flat->hole && request->address <= flat->hole && request->address + request->count > flat->hole) {
		*reply = (struct reply){ .kind = REPLY_REFUSED, .exception = 2 };
		return;
	}
	for (size_t i = 0; i < request->count; i++) {
		bytes[2 * i] = (uint8_t)(flat->registers[request->address + i] >> 8);
		bytes[2 * i + 1] = (uint8_t)flat->registers[request->address + i];
	}
	*reply = (struct reply){
		.kind = REPLY_REGISTERS, .bytes = bytes, .length = 2U * request->count, .count = request->count
	};
	uint16_t moving = flat->moving ? flat->moving : 100;
	if (flat->moves > 0 && request->address <= moving && request->address + request->count > moving) {
		flat->moves--;
		flat->registers[moving]++;
	}
}

static void poll(struct flat *flat)
{
	uint8_t bytes[2 * REGISTERS_MAX];
	for (int turns = 0; turns < 500; turns++) {
		struct request request = { 0 };
		struct reply reply;
		modbus_driver.ask(&instrument, &request);
		answer(flat, &request, &reply, bytes);
		if (modbus_driver.take(&instrument, &reply, &readings) == NEXT_IDLE)
			return;
	}
	fail_msg("the poll does not end");
}

static const struct line scattered[] = { { "profile", "maker", "Someone" }, { "profile", "model", "Something" },
	{ "registers", "table", "input" }, { "status", "newest", "10 u16" }, { "status", "wrap", "1..9999" },
	{ "field", "sequence", "100 u16" }, { "field", "value", "101 ascii[8]" }, { "field", "unit", "107 ascii[4]" },
	{ "field", "qualifier", "106 u16" }, { "field", "limit-value", "110 u16 scale=/10" },
	{ "field", "limit-op", "111 u16" }, { "field", "verdict", "300 utf8[8]" }, { "field", "channel", "301 bcd16" },
	{ "map verdict", "合格", "negative" }, { "map verdict", "不合格", "positive" }, { "map qualifier", "1", "<" },
	{ "map limit-op", "0x0002", "<=" }, END };

static void fill_scattered(struct flat *flat)
{
	memset(flat, 0, sizeof(*flat));
	flat->registers[10] = flat->registers[100] = 7;
	device_text(flat->registers + 101, "12.50", 4);
	device_text(flat->registers + 107, "ppm", 2);
	flat->registers[110] = 500;
	flat->registers[111] = 2;
	device_text(flat->registers + 300, "\xE5\x90\x88\xE6\xA0\xBC", 4); /* passes */
}

static void a_unit_that_no_register_tells_stands_in_the_profile(void **state)
{
	(void)state;
	static struct modbus_profile profile;
	static struct flat flat;
	struct fault fault = { "" };
	static struct line lines[] = { NEWEST, { "field", "value", "20 u16 scale=/100 unit=mg/kg" }, END };
	assert_int_equal(build(&profile, lines, &fault), 0);
	flat.registers[10] = 7;
	flat.registers[20] = 635;
	begin(&profile, "");
	poll(&flat);
	assert_int_equal(readings.count, 1);
	assert_string_equal(list[0].value, "6.35");
	assert_string_equal(list[0].unit, "mg/kg");
	memset(&profile, 0, sizeof(profile));
	assert_true(modbus_profiles.entry(&profile, "field", "channel", "20 u16 unit=mg/kg", &fault) < 0);
	assert_non_null(strstr(fault.text, "only the value"));
	assert_true(
		modbus_profiles.entry(&profile, "field", "value", "20 u16 unit=aaaaaaaaaabbbbbbbbbbcccc", &fault) < 0);
}

static void scattered_fields_are_read_twice_and_must_agree(void **state)
{
	(void)state;
	static struct modbus_profile profile;
	static struct flat flat;
	struct fault fault = { "" };
	static struct line lines[sizeof(scattered) / sizeof(scattered[0])];
	memcpy(lines, scattered, sizeof(scattered));
	lines[12].value = "305 bcd16"; /* clear of the verdict */
	assert_int_equal(build(&profile, lines, &fault), 0);
	fill_scattered(&flat);
	flat.registers[305] = 0x0012;
	begin(&profile, "");
	poll(&flat);
	assert_int_equal(readings.count, 1);
	assert_string_equal(list[0].instrument_seq, "7");
	assert_string_equal(list[0].value, "12.50");
	assert_string_equal(list[0].unit, "ppm");
	assert_string_equal(list[0].qualifier, "");
	assert_string_equal(list[0].limit_value, "50.0");
	assert_string_equal(list[0].limit_op, "<=");
	assert_int_equal(list[0].verdict, VERDICT_NEGATIVE);
	assert_string_equal(list[0].verdict_as_sent, "合格");
	assert_int_equal(list[0].channel, 12);
	assert_int_equal(list[0].identity_length, list[0].raw_length);
	assert_int_equal(flat.table, REGISTERS_INPUT);
	assert_int_equal(flat.reads, 2 + 2 * 2);
	assert_string_equal(instrument.maker.maker, "Someone");
	assert_non_null(strstr(readings.cursor, " last=7"));
	flat.registers[10] = flat.registers[100] = 8;
	flat.registers[106] = 9; /* no sign we know */
	memset(flat.registers + 101, 0, 8);
	device_text(flat.registers + 101, "<0.5", 4);
	flat.moves = 3;
	poll(&flat);
	assert_int_equal(readings.count, 1); /* the window had moved on: 8 is no longer shown */
	assert_true(readings.rejected > 0);
	flat.registers[10] = flat.registers[100];
	poll(&flat);
	assert_int_equal(readings.count, 2);
	assert_string_equal(list[1].value, "0.5");
	assert_string_equal(list[1].qualifier, "<");
}

static void a_value_that_changes_while_it_is_read_is_read_again(void **state)
{
	(void)state;
	static struct modbus_profile profile;
	static struct flat flat;
	struct fault fault = { "" };
	assert_int_equal(build(&profile, scattered, &fault), 0);
	fill_scattered(&flat);
	flat.moving = 102; /* 12.50 becomes 12.60: ".5" is one register */
	flat.registers[102] = '.' << 8 | '5';
	flat.moves = 1;
	begin(&profile, "");
	poll(&flat);
	poll(&flat);
	assert_int_equal(readings.count, 1);
	assert_string_equal(list[0].value, "12.60");
	assert_int_equal(readings.rejected, 1);
}

static void what_only_shows_the_newest_tells_what_it_passed_over(void **state)
{
	(void)state;
	static struct modbus_profile profile;
	static struct flat flat;
	struct fault fault = { "" };
	static const struct line lines[] = { NEWEST, { "status", "wrap", "1..9999" },
		{ "field", "sequence", "100 u16" }, { "field", "value", "101 u16 scale=/10" },
		{ "window", "guard", "sequence" }, END };
	assert_int_equal(build(&profile, lines, &fault), 0);
	memset(&flat, 0, sizeof(flat));
	begin(&profile, "serial= last=9997");
	poll(&flat);
	assert_int_equal(readings.count + readings.notice_count, 0); /* 0 is no number of 1..9999: nothing there */
	flat.registers[10] = flat.registers[100] = 2;
	flat.registers[101] = 125;
	poll(&flat);
	assert_int_equal(readings.count, 1);
	assert_string_equal(list[0].value, "12.5");
	assert_int_equal(readings.notice_count, 1);
	assert_int_equal(readings.notices[0].kind, NOTICE_MISSED_RESULTS);
	assert_int_equal(readings.notices[0].first, 9998);
	assert_int_equal(readings.notices[0].last, 1);
	flat.registers[10] = flat.registers[100] = 3;
	flat.moves = 1; /* while it is read the first time */
	poll(&flat);
	assert_int_equal(readings.count, 1);
	flat.registers[10] = flat.registers[100];
	poll(&flat);
	assert_int_equal(readings.count, 2);
	assert_string_equal(list[1].instrument_seq, "4");
}

static void a_refused_hole_between_fields_is_read_around(void **state)
{
	(void)state;
	static struct modbus_profile profile;
	static struct flat flat;
	struct fault fault = { "" };
	assert_int_equal(build(&profile, scattered, &fault), 0);
	fill_scattered(&flat);
	flat.hole = 105;
	begin(&profile, "");
	poll(&flat);
	poll(&flat);
	assert_int_equal(readings.count, 1);
	assert_string_equal(list[0].value, "12.50");
	assert_string_equal(list[0].unit, "ppm");
	assert_string_equal(list[0].limit_value, "50.0");
	unsigned before = flat.reads;
	flat.registers[10] = flat.registers[100] = 8;
	poll(&flat);
	assert_int_equal(readings.count, 2);
	assert_int_equal(flat.reads - before, 1 + 2 * 4); /* 100..104, 106..108, 110..111, 300..303: remembered */
}

static void selections_are_written_as_the_profile_says(void **state)
{
	(void)state;
	static const struct {
		const char *select, *write;
		unsigned writes, longest;
		uint16_t words[2];
	} forms[] = {
		{ "20 u32", "multiple", 1, 2, { 0x0001, 0x86A1 } },
		{ "20 u32 order=CDAB", "multiple", 1, 2, { 0x86A1, 0x0001 } },
		{ "20 u32 order=DCBA", "multiple", 1, 2, { 0xA186, 0x0100 } },
		{ "20 u32", "single", 2, 1, { 0x86A1, 0 } },
		{ "20 u16", "single", 1, 1, { 0x86A1, 0 } },
		{ "20 bcd32", "multiple", 1, 2, { 0x0010, 0x0001 } },
	};
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		static struct modbus_profile profile;
		static struct flat flat;
		struct fault fault = { "" };
		const struct line lines[] = { { "status", "newest", "10 u32" }, { "status", "oldest", "12 u32" },
			{ "control", "select", forms[i].select }, { "control", "write", forms[i].write },
			{ "field", "verdict", "100 u16" }, { "map verdict", "0", "none" }, END };
		assert_int_equal(build(&profile, lines, &fault), 0);
		memset(&flat, 0, sizeof(flat));
		flat.registers[10] = flat.registers[12] = 1;
		flat.registers[11] = flat.registers[13] = 0x86A1; /* 100001 */
		begin(&profile, "");
		poll(&flat);
		assert_int_equal(readings.count, 1);
		assert_string_equal(list[0].instrument_seq, "100001");
		assert_int_equal(list[0].verdict, VERDICT_NONE); /* no value is expected here, so none is missing */
		assert_int_equal(flat.writes, forms[i].writes);
		assert_int_equal(flat.longest_write, forms[i].longest);
		assert_memory_equal(flat.written, forms[i].words, 2U * forms[i].longest);
	}
}

static void odd_words_of_a_result_are_kept_as_sent(void **state)
{
	(void)state;
	static struct modbus_profile profile;
	static struct flat flat;
	struct fault fault = { "" };
	static const struct line lines[] = { NEWEST, { "field", "value", "100 u16 over=0xFFFF scale=/10" },
		{ "field", "kind", "101 u16" }, { "map kind", "1", "sample" }, { "field", "channel", "102 ascii[4]" },
		{ "field", "limit-op", "104 u16" }, { "field", "limit-value", "105 ascii[4]" },
		{ "field", "sample-name", "107 gb18030[3]" }, { "field", "operator", "109 ascii[2]" },
		{ "said", "lot", "110 u16" }, { "map lot", "0x07", "L-7" }, { "field", "time", "111 bcd-time" }, END };
	assert_int_equal(build(&profile, lines, &fault), 0);
	memset(&flat, 0, sizeof(flat));
	const uint16_t words[] = { 0xFFFF, 9, 'A' << 8 | '3', 0, 7, '?' << 8, 0, 0xB2A4, 0xB200, 0x41B2, 7, 0x2613, 1,
		1 };
	memcpy(flat.registers + 100, words, sizeof(words));
	flat.registers[10] = 1;
	begin(&profile, "");
	poll(&flat);
	assert_int_equal(readings.count, 1);
	assert_string_equal(list[0].value, "");
	assert_string_equal(list[0].value_as_sent, "65535");
	assert_int_equal(list[0].marks, READING_OUT_OF_RANGE | READING_TEXT_CUT | READING_TEXT_BAD);
	assert_int_equal(list[0].kind, KIND_QC);
	assert_int_equal(list[0].channel, -1);
	assert_string_equal(list[0].limit_op, "");
	assert_string_equal(list[0].limit_value, "");
	static const struct named said[] = { { "kind", "9" }, { "channel", "A3" }, { "limit-op", "7" },
		{ "lot", "L-7" }, { "time", "261300010001" } };
	assert_int_equal(list[0].said_count, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_string_equal(list[0].said[i].name, said[i].name);
		assert_string_equal(list[0].said[i].value, said[i].value);
	}
}

static void a_bit_may_say_that_it_is_a_retest(void **state)
{
	(void)state;
	static struct modbus_profile profile;
	static struct flat flat;
	struct fault fault = { "" };
	static const struct line lines[] = { NEWEST, { "field", "value", "100 u16" }, { "field", "retest", "101 bit3" },
		{ "map retest", "0", "first" }, { "map retest", "1", "retest" }, END };
	assert_int_equal(build(&profile, lines, &fault), 0);
	for (unsigned retest = 0; retest < 2; retest++) {
		memset(&flat, 0, sizeof(flat));
		flat.registers[100] = 7;
		flat.registers[101] = (uint16_t)(0xF7 | retest << 3);
		flat.registers[10] = 1;
		begin(&profile, "");
		poll(&flat);
		assert_int_equal(readings.count, 1);
		assert_int_equal(list[0].marks, retest ? READING_RETEST : 0);
		assert_int_equal(list[0].said_count, retest);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shipped_profile_is_accepted),
		cmocka_unit_test(each_line_of_each_shipped_profile_is_checked_with_its_number),
		cmocka_unit_test(the_shipped_window_and_status_are_one_request_each),
		cmocka_unit_test(both_word_orders_are_the_same_profile_otherwise),
		cmocka_unit_test(a_clock_is_written_as_it_is_read),
		cmocka_unit_test(a_wrong_line_is_refused_with_what_would_be_right),
		cmocka_unit_test(what_is_given_twice_is_refused),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(a_profile_that_does_not_fit_together_is_refused),
		cmocka_unit_test(a_clock_that_could_not_be_set_well_is_refused),
		cmocka_unit_test(fields_too_far_apart_are_refused),
		cmocka_unit_test(neighbours_are_read_together_up_to_the_gap_and_the_longest_request),
		cmocka_unit_test(a_window_longer_than_a_request_is_read_in_pieces),
		cmocka_unit_test(a_unit_that_no_register_tells_stands_in_the_profile),
		cmocka_unit_test(scattered_fields_are_read_twice_and_must_agree),
		cmocka_unit_test(a_value_that_changes_while_it_is_read_is_read_again),
		cmocka_unit_test(what_only_shows_the_newest_tells_what_it_passed_over),
		cmocka_unit_test(a_refused_hole_between_fields_is_read_around),
		cmocka_unit_test(selections_are_written_as_the_profile_says),
		cmocka_unit_test(odd_words_of_a_result_are_kept_as_sent),
		cmocka_unit_test(a_bit_may_say_that_it_is_a_retest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
