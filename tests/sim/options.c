#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options_table.h"

enum { EXIT_USAGE = 64 };

static bool complained;

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...)
{
	va_list arguments;

	if (complained)
		return;
	complained = true;
	va_start(arguments, format);
	fputs("assay-sim: ", stderr);
	vfprintf(stderr, format, arguments);
	fputs("\n", stderr);
	va_end(arguments);
}

static double number(const char *option, const char *text, double least, double most)
{
	char *end;

	errno = 0;
	double value = strtod(text, &end);
	if (*text == '\0' || *end != '\0' || errno || !(value >= least && value <= most))
		complain("--%s %s: not a number from %.10g to %.10g", option, text, least, most);
	return value;
}

static long long whole(const char *option, const char *text, long long least, long long most)
{
	char *end;

	errno = 0;
	long long value = strtoll(text, &end, 0);
	if (*text == '\0' || *end != '\0' || errno || value < least || value > most) {
		complain("--%s %s: not a whole number from %lld to %lld", option, text, least, most);
		return least;
	}
	return value;
}

static int64_t seconds(const char *option, const char *text)
{
	return (int64_t)(number(option, text, 0, 1e8) * 1e9);
}

static void take_units(struct options *options, char *list)
{
	options->unit_count = 0;
	for (char *rest = list, *unit; (unit = strsep(&rest, ",")) != NULL;) {
		if (options->unit_count == UNITS_MAX) {
			complain("--units: more than %d units", UNITS_MAX);
			return;
		}
		options->units[options->unit_count++] = (unsigned)whole("units", unit, 1, 247);
	}
}

static const struct quirk_name *quirk_of(const char *name)
{
	char known[16];

	for (const struct quirk_name *quirk = options_quirks; quirk->quirk; quirk++) {
		snprintf(known, sizeof known, "Q%u", quirk->quirk);
		if (strcmp(known, name) == 0)
			return quirk;
	}
	return NULL;
}

static void take_without(struct options *options, char *list)
{
	for (char *rest = list, *name; (name = strsep(&rest, ",")) != NULL;) {
		const struct quirk_name *quirk = quirk_of(name);
		if (quirk)
			options->without |= UINT32_C(1) << quirk->quirk;
		else
			complain(
				"--without %s: not Q1, Q7, Q11, Q12, Q13, Q17, Q18, Q20 or Q23; tests/QUIRKS.md names the "
				"option of each other quirk",
				name);
	}
}

static void take_tcp(struct options *options, const char *option, const char *text)
{
	const char *colon = strrchr(text, ':');

	if (!colon || (size_t)(colon - text) >= sizeof options->host) {
		complain("--%s %s: not HOST:PORT, as in 127.0.0.1:5020", option, text);
		return;
	}
	memcpy(options->host, text, (size_t)(colon - text));
	options->host[colon - text] = '\0';
	options->port = (int)whole(option, colon + 1, options->dial, 65535);
}

static void take_outage(struct options *options, enum outage_kind kind, const char *option, char *text)
{
	char *lasts = kind == OUTAGE_UNPLUG ? strchr(text, ':') : NULL;

	if (options->outage_count == OUTAGES_MAX || (kind == OUTAGE_UNPLUG && !lasts)) {
		complain("--%s %s: %s", option, text,
			lasts ? "too many outages" : "not S:T, seconds until and seconds gone");
		return;
	}
	if (lasts)
		*lasts++ = '\0';
	options->outages[options->outage_count++] =
		(struct outage){ kind, seconds(option, text), lasts ? seconds(option, lasts) : INT64_C(2000000000) };
}

static void take_order(struct options *options, const char *text)
{
	if (strcmp(text, "ABCD") != 0 && strcmp(text, "CDAB") != 0)
		complain("--order %s: neither ABCD nor CDAB", text);
	options->low_word_first = strcmp(text, "CDAB") == 0;
}

static void take_layout(struct options *options, const char *text)
{
	static const char *const layouts[] = { "8", "16", "multi", "z24" };

	for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
		if (strcmp(text, layouts[i]) == 0) {
			options->layout = (enum sim_layout)i;
			return;
		}
	}
	complain("--layout %s: neither 8, 16, multi nor z24", text);
}

static void take_mask_order(struct options *options, const char *text)
{
	if (strcmp(text, "lsb") != 0 && strcmp(text, "msb") != 0)
		complain("--mask-order %s: neither lsb nor msb", text);
	options->mask_msb = strcmp(text, "msb") == 0;
}

static void take_float2(struct options *options, const char *text)
{
	if (strcmp(text, "inhibition") != 0 && strcmp(text, "sample-abs") != 0)
		complain("--float2 %s: neither inhibition nor sample-abs", text);
	options->sample_abs = strcmp(text, "sample-abs") == 0;
}

static void take_code_end(struct options *options, const char *text)
{
	static const char *const ends[] = { "cr", "lf", "crlf", "tab", "none" };

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		if (strcmp(text, ends[i]) == 0) {
			options->code_end = (enum code_end)i;
			return;
		}
	}
	complain("--code-end %s: neither cr, lf, crlf, tab nor none", text);
}

static double share(const char *option, const char *text)
{
	return number(option, text, 0, 1);
}

/* Options of place and results; false when the option is none of them. */
static bool take_result_option(struct options *options, int choice, const char *option, char *value)
{
	switch (choice) {
	case OPTION_SERIAL:
		options->serial = value;
		return true;
	case OPTION_TCP:
		take_tcp(options, option, value);
		return true;
	case OPTION_DIAL:
		options->dial = true;
		take_tcp(options, option, value);
		return true;
	case OPTION_FOLDER:
		options->folder = value;
		return true;
	case OPTION_CODES:
		options->codes = value;
		return true;
	case OPTION_CODE_END:
		take_code_end(options, value);
		return true;
	case OPTION_PORTS:
		options->ports = (int)whole(option, value, 1, PORTS_MAX);
		return true;
	case OPTION_UNIT:
	case OPTION_UNITS:
		take_units(options, value);
		return true;
	case OPTION_DEAD_UNIT:
		options->dead[whole(option, value, 1, 247)] = true;
		return true;
	case OPTION_RESULTS:
		options->results = whole(option, value, 0, INT64_MAX);
		return true;
	case OPTION_RATE:
		options->rate = number(option, value, 0, 1e6);
		return true;
	case OPTION_BURST:
		options->burst = (unsigned)whole(option, value, 1, 10000);
		return true;
	case OPTION_START_DELAY:
		options->start_delay_ns = seconds(option, value);
		return true;
	case OPTION_SEED:
		options->seed = (uint64_t)whole(option, value, 0, INT64_MAX);
		return true;
	case OPTION_TRUTH:
		options->truth = value;
		return true;
	case OPTION_FIRST_SEQ:
		options->first_number = (uint32_t)whole(option, value, 0, UINT32_MAX);
		return true;
	case OPTION_CAPACITY:
		options->capacity = (size_t)whole(option, value, 1, UINT16_MAX);
		return true;
	default:
		return false;
	}
}

/* Options of character; false when the option is none of them. */
static bool take_quirk_option(struct options *options, int choice, const char *option, char *value)
{
	switch (choice) {
	case OPTION_SAME:
		options->same = share(option, value);
		return true;
	case OPTION_CONTROLS:
		options->controls = share(option, value);
		return true;
	case OPTION_BLANK_WELLS:
		options->blank_wells = number(option, value, 0, 0.9);
		return true;
	case OPTION_SENTINELS:
		options->sentinels = share(option, value);
		return true;
	case OPTION_AT_LIMIT:
		options->at_limit = share(option, value);
		return true;
	case OPTION_SUSPECTS:
		options->suspects = share(option, value);
		return true;
	case OPTION_APP_OFFSET:
		options->app_offset = number(option, value, 0, 100);
		return true;
	case OPTION_FIRST_DUMMY:
		options->first_dummy = true;
		return true;
	case OPTION_OVERLAP:
		options->overlap = true;
		return true;
	case OPTION_GOLD:
		options->gold = true;
		return true;
	case OPTION_RETESTS:
		options->retests = share(option, value);
		return true;
	case OPTION_SIGNALS:
		options->signals = true;
		return true;
	case OPTION_ORDER:
		take_order(options, value);
		return true;
	case OPTION_OLDEST_FIRST:
		options->oldest_first = true;
		return true;
	case OPTION_WITHOUT:
		take_without(options, value);
		return true;
	case OPTION_CLOCK_OFFSET:
		options->clock_offset_ms = (int64_t)(number(option, value, -4e9, 4e9) * 1e3);
		return true;
	case OPTION_TIMEZONE:
		options->timezone = value;
		return true;
	default:
		return false;
	}
}

/* How an a7 tells what it has; false when the option is none of them. */
static bool take_a7_option(struct options *options, int choice, const char *option, char *value)
{
	switch (choice) {
	case OPTION_ONE_FRAME:
		options->one_frame = true;
		return true;
	case OPTION_NO_ENQ:
		options->no_enq = true;
		return true;
	case OPTION_FRAME_SIZE:
		options->frame_size = (size_t)whole(option, value, 8, 10000);
		return true;
	case OPTION_LOTS:
		options->lots = true;
		return true;
	case OPTION_QUERIES:
		options->queries = share(option, value);
		return true;
	default:
		return false;
	}
}

/* How a dump8 and its user behave; false when the option is none of them. */
static bool take_dump8_option(struct options *options, int choice, const char *option, char *value)
{
	switch (choice) {
	case OPTION_LAYOUT:
		take_layout(options, value);
		return true;
	case OPTION_MASK_ORDER:
		take_mask_order(options, value);
		return true;
	case OPTION_FLOAT2:
		take_float2(options, value);
		return true;
	case OPTION_PRESS:
		options->press_ns = seconds(option, value);
		return true;
	case OPTION_LINK_WINDOW:
		options->link_window_ns = seconds(option, value);
		return true;
	case OPTION_GROUP_GAP:
		options->group_gap_ns = seconds(option, value);
		return true;
	case OPTION_REBOOT:
		options->reboot_ns = seconds(option, value);
		return true;
	case OPTION_CANCEL:
		options->cancel = share(option, value);
		return true;
	default:
		return false;
	}
}

static void take_fault_option(struct options *options, int choice, const char *option, char *value)
{
	switch (choice) {
	case OPTION_LATE:
		options->late_ns = (int64_t)(number(option, value, 0, 1e8) * 1e6);
		break;
	case OPTION_LATE_EVERY:
		options->late_every = (unsigned)whole(option, value, 1, INT32_MAX);
		break;
	case OPTION_NOISE:
		options->noise = share(option, value);
		break;
	case OPTION_BAD_CRC:
		options->bad_crc = share(option, value);
		break;
	case OPTION_SILENCE:
		options->silence = share(option, value);
		break;
	case OPTION_MUTE_DAYS:
		options->mute_days = (unsigned)whole(option, value, 0, INT32_MAX);
		break;
	case OPTION_SHORT:
		options->cut_short = share(option, value);
		break;
	case OPTION_ECHO:
		options->echo = true;
		break;
	case OPTION_SPLIT:
		options->split = true;
		break;
	case OPTION_BUSY:
		options->busy = share(option, value);
		break;
	case OPTION_TORN:
		options->torn = share(option, value);
		break;
	case OPTION_POWER_CYCLE:
		take_outage(options, OUTAGE_POWER_CYCLE, option, value);
		break;
	case OPTION_POWER_CYCLE_CLEARS:
		options->power_cycle_clears = true;
		break;
	case OPTION_UNPLUG:
		take_outage(options, OUTAGE_UNPLUG, option, value);
		break;
	default:
		break;
	}
}

static void take_archetype(struct options *options, const char *name)
{
	for (const struct archetype_name *known = options_archetypes; known->name; known++) {
		if (strcmp(name, known->name) == 0) {
			options->archetype = known->archetype;
			if (options->capacity == 0)
				options->capacity = known->capacity;
			return;
		}
	}
	complain(
		"%s: no archetype of that name; there are a1, a2, a2b, a3, a4, a5, a6a, a6b, a7, a8, a9, a10, json, folder, "
		"hl7 and scanner",
		name);
}

static void check_quirks(const struct options *options)
{
	for (const struct quirk_name *quirk = options_quirks; quirk->quirk; quirk++) {
		if (!has_quirk(options, quirk->quirk) && !(quirk->archetypes >> options->archetype & 1))
			complain("--without Q%u: this archetype has not got it, or its frames know no other way; "
				 "assay-sim --help says which can do without",
				quirk->quirk);
	}
}

static void check_together(const struct options *options, bool with_tcp)
{
	if ((options->archetype == ARCHETYPE_FOLDER) != (options->folder != NULL))
		complain("--folder DIRECTORY goes with the folder, and only with it");
	else if (options->folder ? options->serial || with_tcp : !options->serial == !with_tcp)
		complain("give either --serial LINK, --tcp HOST:PORT or --dial HOST:PORT");
	else if ((options->archetype == ARCHETYPE_SCANNER) != (options->codes != NULL))
		complain("--codes FILE goes with the scanner, and only with it");
	else if (options->ports > 1 && (options->serial || options->dial))
		complain("--ports goes with --tcp only");
	else if (options->unit_count > 1 && options->archetype != ARCHETYPE_A6B && options->archetype != ARCHETYPE_A6A)
		complain("--units: only the a6a and the a6b share a line");
	else if (options->port + options->ports - 1 > 65535)
		complain("--ports %d: there are no %d ports from %d on", options->ports, options->ports, options->port);
	else if (options->bad_crc > 0 && options->archetype >= ARCHETYPE_A8 && options->archetype != ARCHETYPE_A10 &&
		 options->archetype != ARCHETYPE_A7)
		complain(
			"--bad-crc: of the text instruments only the a10 has a checksum that is known, and the hl7 has none");
	else if ((options->archetype == ARCHETYPE_HL7 || options->archetype == ARCHETYPE_A7) && options->burst > 100)
		complain("--burst %u: a message of the hl7 or the a7 has 100 results", options->burst);
	else if (options->retests > 0 && options->archetype != ARCHETYPE_HL7)
		complain("--retests: only the hl7 has a word for a test that was done once more");
	else if (options->overlap && (options->archetype != ARCHETYPE_A3 || options->gold || options->burst < 2))
		complain("--overlap: only records of several channels (a3 --burst 2) are half finished for a while");
	else if (options->mute_days > 0 && options->archetype != ARCHETYPE_A2)
		complain("--mute-days: only the a2 is asked for days");
	else if (options->archetype == ARCHETYPE_A1 && options->burst > 8)
		complain("--burst %u: a group of the a1 has 8 wells", options->burst);
	else if (options->archetype == ARCHETYPE_A3 && options->burst > 24)
		complain("--burst %u: a record of the a3 has 24 channels", options->burst);
	for (size_t i = 0; i < options->unit_count; i++) {
		for (size_t k = 0; k < i; k++) {
			if (options->units[i] == options->units[k])
				complain("--units: %u stands there twice", options->units[i]);
		}
	}
}

int options_parse(int argc, char **argv, struct options *options)
{
	int choice, index = 0;
	bool with_tcp = false;

	*options = (struct options){ .ports = 1,
		.units = { 1 },
		.unit_count = 1,
		.timezone = "CST-8",
		.seed = 1,
		.results = -1,
		.rate = 1,
		.burst = 1,
		.first_number = 1,
		.same = 0.05,
		.controls = 1.0 / 12,
		.blank_wells = -1,
		.sentinels = 0.05,
		.at_limit = 0.02,
		.suspects = 0.05,
		.press_ns = INT64_C(2000000000),
		.link_window_ns = INT64_C(10000000000),
		.group_gap_ns = -1,
		.reboot_ns = INT64_C(2000000000),
		.frame_size = 240,
		.late_every = 1 };
	complained = false;
	optind = 0; /* start afresh: tests call this more than once */
	while ((choice = getopt_long(argc, argv, "", options_names, &index)) != -1) {
		if (choice == OPTION_HELP) {
			fputs(options_help, stdout);
			return 0;
		}
		if (choice == '?')
			return EXIT_USAGE; /* getopt_long has said it */
		with_tcp |= choice == OPTION_TCP || choice == OPTION_DIAL;
		if (!take_result_option(options, choice, options_names[index].name, optarg) &&
			!take_quirk_option(options, choice, options_names[index].name, optarg) &&
			!take_a7_option(options, choice, options_names[index].name, optarg) &&
			!take_dump8_option(options, choice, options_names[index].name, optarg))
			take_fault_option(options, choice, options_names[index].name, optarg);
	}
	if (argc - optind != 1)
		complain("name one archetype, such as a1 or json (assay-sim --help)");
	else
		take_archetype(options, argv[optind]);
	check_together(options, with_tcp);
	check_quirks(options);
	if (options->blank_wells < 0)
		options->blank_wells = options->archetype == ARCHETYPE_A6B ? 0.03 : 0;
	if (options->group_gap_ns < 0)
		options->group_gap_ns = options->layout == SIM_LAYOUT_Z24 ? INT64_C(3000000000) : 0;
	return complained ? EXIT_USAGE : -1;
}
