#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 64 };

static const char help[] =
	"assay-sim ARCHETYPE (--serial LINK | --tcp HOST:PORT | --dial HOST:PORT | --folder DIRECTORY) [OPTION...]\n"
	"\n"
	"Behaves like one instrument of a rapid-test room, or like many of a kind, quirks included.\n"
	"Prints \"ready PTY\" or \"ready HOST:PORT\" when it can be asked; SIGTERM ends it.\n"
	"\n"
	"ARCHETYPE\n"
	"  a2   (seven-e-aa)        enzyme reader, 7E-AA frames, polled by date\n"
	"  a2b  (tl-310)            the same maker's 24-well reader: well, standard, verdict, absent values\n"
	"  a1   (dump8)             enzyme reader that dumps its memory when the user wants it, and then clears it\n"
	"  a3   (zero3-ff)          multi-parameter analyzer with item table, 03-FF frames\n"
	"  a4   (gold-text)         strip reader: text in the same frames\n"
	"  a5   (atp)               ATP luminometer\n"
	"  a6a  (oil-dy2620)        oil tester, pages by Modbus function 0x65: RTU over --serial, TCP over --tcp\n"
	"  a8   (ticket)            analyzer with a printer: one ESC/POS ticket for each result, GBK\n"
	"  a9   (reader-a9)         reader asked by date, delimited text\n"
	"  a10  (push)              reader that pushes 57 bytes for each result\n"
	"  json (reader-dy6260)     reader that answers READ with a JSON document\n"
	"  scanner                  barcode scanner: says the codes of --codes\n"
	"  folder                   instrument PC that leaves CSV files in the folder of --folder\n"
	"  a7   (astm)              fluorescence reader, ASTM E1381/E1394: each batch until its frames are acknowledged\n"
	"  hl7                      analyzer that sends HL7 version 2 over MLLP, each batch until it is accepted\n"
	"  a6b  (analyzer-a6b, modbus)  analyzer with latch, window and acknowledge: Modbus RTU over --serial,\n"
	"                           Modbus TCP over --tcp\n"
	"\n"
	"Where\n"
	"  --serial LINK            make a pty and the symbolic link LINK to it (replaced when stale)\n"
	"  --tcp HOST:PORT          listen; port 0 takes a free one\n"
	"  --dial HOST:PORT         call whoever listens there, again and again\n"
	"  --codes FILE             scanner: lines of seconds since the start, a blank, and a code\n"
	"  --code-end END           scanner: cr, lf, crlf, tab or none (default cr)\n"
	"  --folder DIRECTORY       folder: leave files here: written at once, in halves, renamed in, or appended to\n"
	"  --ports N                listen on N consecutive ports, each its own instrument (default 1)\n"
	"  --unit N                 Modbus unit address, 1..247 (default 1)\n"
	"  --units N,N,...          several instruments on one line, at most 32 (a6a, a6b)\n"
	"  --dead-unit N            this unit never answers (may be repeated)\n"
	"\n"
	"Results\n"
	"  --results N              each instrument finishes N results and then only answers (default: without end)\n"
	"  --rate R                 results a second and instrument, evenly spaced, fractions allowed (default 1)\n"
	"  --burst K                finish K at once, every K/R seconds (default 1)\n"
	"  --start-delay S          first wait S seconds (default 0)\n"
	"  --seed S                 decides everything left to chance (default 1)\n"
	"  --truth FILE             append one JSON line for every result, at the moment it is finished\n"
	"  --first-seq N            the first running number (default 1; 4294967290 shows the wrap)\n"
	"  --capacity N             results the memory holds before the oldest goes (default a2 5000, a2b 3000, a6b 500,\n"
	"                           a1 4000, a3 and a4 3000, a5 1000, a6a 500)\n"
	"  --same P                 share of results that repeat the one before to the last digit (default 0.05)\n"
	"  --controls P             share of controls (a6b: blanks and calibrations too; default 0.0833)\n"
	"  --blank-wells P          a6b: share of places that hold nothing (default 0.03)\n"
	"  --sentinels P            a2b, a3: share of results without a value, 7FFE or 7FFF (default 0.05)\n"
	"  --at-limit P             a1, a2, a2b, a3, a6b: share of inhibitions of exactly 50.00 % (default 0.02)\n"
	"  --suspects P             a3: share of suspect results, which have a value all the same (default 0.05)\n"
	"  --gold                   a3: gold strips instead of channels with numbers\n"
	"  --one-frame              a7: a message is one frame, not one for each record\n"
	"  --no-enq                 a7: it begins without ENQ\n"
	"  --frame-size N           a7: a record longer than N bytes goes on in the next frame (default 240)\n"
	"  --lots                   a7: a comment with the lot behind each order\n"
	"  --queries P              a7: after a message it asks the host what to test\n"
	"  --signals                a4: lines with the raw signals of C and T\n"
	"  --memory-first-dummy     a6b: the memory's first place is all FF until it is erased or overwritten\n"
	"  --order ABCD|CDAB        a6b: order of the two registers of a float (default ABCD)\n"
	"  --oldest-first           a6a: page 0 is the oldest result, not the newest\n"
	"  --layout NAME            a1: 8, 16, multi or z24 (default 8)\n"
	"  --mask-order lsb|msb     a1: which bit of the mask is well 1 (default lsb)\n"
	"  --float2 WHAT            a1: a well's second number, inhibition or sample-abs (default inhibition)\n"
	"  --press S                a1: the user presses \"transfer\" S seconds after the last one (default 2)\n"
	"  --link-window S          a1: link mode ends S seconds after the last command (default 10)\n"
	"  --group-gap S            a1: seconds before the next group (default 3 with z24, else 0)\n"
	"  --reboot S               a1: seconds of silence after the memory was cleared (default 2)\n"
	"  --cancel P               a1: the user cancels instead of a group\n"
	"  --clock-offset S         the instrument's clock is S seconds ahead (negative: behind)\n"
	"  --timezone TZ            of the instrument's clock, as in tzset(3) (default CST-8, China)\n"
	"\n"
	"Faults; P is a probability from 0 to 1, for each answer or frame\n"
	"  --late MS                answer MS milliseconds late, also when the next request is there already\n"
	"  --late-every K           only every K-th answer (default 1)\n"
	"  --noise P                random bytes before a frame\n"
	"  --bad-crc P              a wrong checksum (Modbus TCP: a wrong transaction number)\n"
	"  --silence P              swallow the request (a7, hl7: the answer)\n"
	"  --short P                the end of a frame is missing\n"
	"  --echo                   the line echoes requests\n"
	"  --split                  send one byte a millisecond\n"
	"  --busy P                 a6a, a6b: refuse a command with exception 06\n"
	"  --torn P                 a6b: the window read holds new data without the checksum for it\n"
	"  --power-cycle S          no power for 2 s, S seconds after the start; numbers start at 1 again (may be repeated;\n"
	"                           a3, a4: only with the next)\n"
	"  --power-cycle-clears     and the memory is empty then\n"
	"  --unplug S:T             after S seconds the pty (or port) is gone for T seconds; a pty comes back under another\n"
	"                           name with the link made anew (may be repeated)\n"
	"\n"
	"A truth line has the keys at, at_ns (CLOCK_MONOTONIC), archetype, unit, port (with --tcp), serial, instrument_seq,\n"
	"channel, sample_no, sample_name, item, value, unit_text, verdict (the instrument's own), tested_at, kind, operator.\n";

enum choice {
	OPTION_HELP = 1,
	OPTION_SERIAL,
	OPTION_TCP,
	OPTION_DIAL,
	OPTION_FOLDER,
	OPTION_CODES,
	OPTION_CODE_END,
	OPTION_PORTS,
	OPTION_UNIT,
	OPTION_UNITS,
	OPTION_DEAD_UNIT,
	OPTION_RESULTS,
	OPTION_RATE,
	OPTION_BURST,
	OPTION_START_DELAY,
	OPTION_SEED,
	OPTION_TRUTH,
	OPTION_FIRST_SEQ,
	OPTION_CAPACITY,
	OPTION_SAME,
	OPTION_CONTROLS,
	OPTION_BLANK_WELLS,
	OPTION_SENTINELS,
	OPTION_FIRST_DUMMY,
	OPTION_AT_LIMIT,
	OPTION_SUSPECTS,
	OPTION_GOLD,
	OPTION_SIGNALS,
	OPTION_ONE_FRAME,
	OPTION_NO_ENQ,
	OPTION_FRAME_SIZE,
	OPTION_LOTS,
	OPTION_QUERIES,
	OPTION_ORDER,
	OPTION_OLDEST_FIRST,
	OPTION_LAYOUT,
	OPTION_MASK_ORDER,
	OPTION_FLOAT2,
	OPTION_PRESS,
	OPTION_LINK_WINDOW,
	OPTION_GROUP_GAP,
	OPTION_REBOOT,
	OPTION_CANCEL,
	OPTION_CLOCK_OFFSET,
	OPTION_TIMEZONE,
	OPTION_LATE,
	OPTION_LATE_EVERY,
	OPTION_NOISE,
	OPTION_BAD_CRC,
	OPTION_SILENCE,
	OPTION_SHORT,
	OPTION_ECHO,
	OPTION_SPLIT,
	OPTION_BUSY,
	OPTION_TORN,
	OPTION_POWER_CYCLE,
	OPTION_POWER_CYCLE_CLEARS,
	OPTION_UNPLUG,
};

static const struct option names[] = {
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "serial", required_argument, NULL, OPTION_SERIAL },
	{ "tcp", required_argument, NULL, OPTION_TCP },
	{ "dial", required_argument, NULL, OPTION_DIAL },
	{ "folder", required_argument, NULL, OPTION_FOLDER },
	{ "codes", required_argument, NULL, OPTION_CODES },
	{ "code-end", required_argument, NULL, OPTION_CODE_END },
	{ "ports", required_argument, NULL, OPTION_PORTS },
	{ "unit", required_argument, NULL, OPTION_UNIT },
	{ "units", required_argument, NULL, OPTION_UNITS },
	{ "dead-unit", required_argument, NULL, OPTION_DEAD_UNIT },
	{ "results", required_argument, NULL, OPTION_RESULTS },
	{ "rate", required_argument, NULL, OPTION_RATE },
	{ "burst", required_argument, NULL, OPTION_BURST },
	{ "start-delay", required_argument, NULL, OPTION_START_DELAY },
	{ "seed", required_argument, NULL, OPTION_SEED },
	{ "truth", required_argument, NULL, OPTION_TRUTH },
	{ "first-seq", required_argument, NULL, OPTION_FIRST_SEQ },
	{ "capacity", required_argument, NULL, OPTION_CAPACITY },
	{ "same", required_argument, NULL, OPTION_SAME },
	{ "controls", required_argument, NULL, OPTION_CONTROLS },
	{ "blank-wells", required_argument, NULL, OPTION_BLANK_WELLS },
	{ "sentinels", required_argument, NULL, OPTION_SENTINELS },
	{ "memory-first-dummy", no_argument, NULL, OPTION_FIRST_DUMMY },
	{ "at-limit", required_argument, NULL, OPTION_AT_LIMIT },
	{ "suspects", required_argument, NULL, OPTION_SUSPECTS },
	{ "gold", no_argument, NULL, OPTION_GOLD },
	{ "signals", no_argument, NULL, OPTION_SIGNALS },
	{ "one-frame", no_argument, NULL, OPTION_ONE_FRAME },
	{ "no-enq", no_argument, NULL, OPTION_NO_ENQ },
	{ "frame-size", required_argument, NULL, OPTION_FRAME_SIZE },
	{ "lots", no_argument, NULL, OPTION_LOTS },
	{ "queries", required_argument, NULL, OPTION_QUERIES },
	{ "order", required_argument, NULL, OPTION_ORDER },
	{ "oldest-first", no_argument, NULL, OPTION_OLDEST_FIRST },
	{ "layout", required_argument, NULL, OPTION_LAYOUT },
	{ "mask-order", required_argument, NULL, OPTION_MASK_ORDER },
	{ "float2", required_argument, NULL, OPTION_FLOAT2 },
	{ "press", required_argument, NULL, OPTION_PRESS },
	{ "link-window", required_argument, NULL, OPTION_LINK_WINDOW },
	{ "group-gap", required_argument, NULL, OPTION_GROUP_GAP },
	{ "reboot", required_argument, NULL, OPTION_REBOOT },
	{ "cancel", required_argument, NULL, OPTION_CANCEL },
	{ "clock-offset", required_argument, NULL, OPTION_CLOCK_OFFSET },
	{ "timezone", required_argument, NULL, OPTION_TIMEZONE },
	{ "late", required_argument, NULL, OPTION_LATE },
	{ "late-every", required_argument, NULL, OPTION_LATE_EVERY },
	{ "noise", required_argument, NULL, OPTION_NOISE },
	{ "bad-crc", required_argument, NULL, OPTION_BAD_CRC },
	{ "silence", required_argument, NULL, OPTION_SILENCE },
	{ "short", required_argument, NULL, OPTION_SHORT },
	{ "echo", no_argument, NULL, OPTION_ECHO },
	{ "split", no_argument, NULL, OPTION_SPLIT },
	{ "busy", required_argument, NULL, OPTION_BUSY },
	{ "torn", required_argument, NULL, OPTION_TORN },
	{ "power-cycle", required_argument, NULL, OPTION_POWER_CYCLE },
	{ "power-cycle-clears", no_argument, NULL, OPTION_POWER_CYCLE_CLEARS },
	{ "unplug", required_argument, NULL, OPTION_UNPLUG },
	{ NULL, 0, NULL, 0 },
};

static const struct {
	const char *name;
	enum archetype archetype;
	size_t capacity;
} archetypes[] = {
	{ "a2", ARCHETYPE_A2, 5000 },
	{ "seven-e-aa", ARCHETYPE_A2, 5000 },
	{ "a2b", ARCHETYPE_A2B, 3000 },
	{ "tl-310", ARCHETYPE_A2B, 3000 },
	{ "a6b", ARCHETYPE_A6B, 500 },
	{ "analyzer-a6b", ARCHETYPE_A6B, 500 },
	{ "modbus", ARCHETYPE_A6B, 500 },
	{ "a1", ARCHETYPE_A1, 4000 },
	{ "dump8", ARCHETYPE_A1, 4000 },
	{ "a3", ARCHETYPE_A3, 3000 },
	{ "zero3-ff", ARCHETYPE_A3, 3000 },
	{ "a4", ARCHETYPE_A4, 3000 },
	{ "gold-text", ARCHETYPE_A4, 3000 },
	{ "a5", ARCHETYPE_A5, 1000 },
	{ "atp", ARCHETYPE_A5, 1000 },
	{ "a6a", ARCHETYPE_A6A, 500 },
	{ "oil-dy2620", ARCHETYPE_A6A, 500 },
	{ "a8", ARCHETYPE_A8, 1000 },
	{ "ticket", ARCHETYPE_A8, 1000 },
	{ "a9", ARCHETYPE_A9, 5000 },
	{ "reader-a9", ARCHETYPE_A9, 5000 },
	{ "a10", ARCHETYPE_A10, 1000 },
	{ "push", ARCHETYPE_A10, 1000 },
	{ "json", ARCHETYPE_JSON, 5000 },
	{ "reader-dy6260", ARCHETYPE_JSON, 5000 },
	{ "folder", ARCHETYPE_FOLDER, 1000 },
	{ "hl7", ARCHETYPE_HL7, 5000 },
	{ "a7", ARCHETYPE_A7, 5000 },
	{ "astm", ARCHETYPE_A7, 5000 },
	{ "scanner", ARCHETYPE_SCANNER, 1 },
};

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
	case OPTION_FIRST_DUMMY:
		options->first_dummy = true;
		return true;
	case OPTION_GOLD:
		options->gold = true;
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
	for (size_t i = 0; i < sizeof archetypes / sizeof *archetypes; i++) {
		if (strcmp(name, archetypes[i].name) == 0) {
			options->archetype = archetypes[i].archetype;
			if (options->capacity == 0)
				options->capacity = archetypes[i].capacity;
			return;
		}
	}
	complain(
		"%s: no archetype of that name; there are a1, a2, a2b, a3, a4, a5, a6a, a6b, a7, a8, a9, a10, json, folder, "
		"hl7 and scanner",
		name);
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
	while ((choice = getopt_long(argc, argv, "", names, &index)) != -1) {
		if (choice == OPTION_HELP) {
			fputs(help, stdout);
			return 0;
		}
		if (choice == '?')
			return EXIT_USAGE; /* getopt_long has said it */
		with_tcp |= choice == OPTION_TCP || choice == OPTION_DIAL;
		if (!take_result_option(options, choice, names[index].name, optarg) &&
			!take_quirk_option(options, choice, names[index].name, optarg) &&
			!take_a7_option(options, choice, names[index].name, optarg) &&
			!take_dump8_option(options, choice, names[index].name, optarg))
			take_fault_option(options, choice, names[index].name, optarg);
	}
	if (argc - optind != 1)
		complain("name one archetype, such as a1 or json (assay-sim --help)");
	else
		take_archetype(options, argv[optind]);
	check_together(options, with_tcp);
	if (options->blank_wells < 0)
		options->blank_wells = options->archetype == ARCHETYPE_A6B ? 0.03 : 0;
	if (options->group_gap_ns < 0)
		options->group_gap_ns = options->layout == SIM_LAYOUT_Z24 ? INT64_C(3000000000) : 0;
	return complained ? EXIT_USAGE : -1;
}
