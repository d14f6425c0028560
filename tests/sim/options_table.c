#include "options_table.h"

const char options_help[] =
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
	"  --app-offset P           a1, a6b: the app displays up to P points more or less inhibition than was measured,\n"
	"                           at random; the truth says by how much (app_offset)\n"
	"  --gold                   a3: gold strips instead of channels with numbers\n"
	"  --one-frame              a7: a message is one frame, not one for each record\n"
	"  --no-enq                 a7: it begins without ENQ\n"
	"  --frame-size N           a7: a record longer than N bytes goes on in the next frame (default 240)\n"
	"  --lots                   a7: a comment with the lot behind each order\n"
	"  --queries P              a7: after a message it asks the host what to test\n"
	"  --retests P              hl7: share of samples that it tests once more, and says so (TCD-8; default 0)\n"
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
	"  --without Qn,Qn,...      without these quirks of tests/QUIRKS.md: Q1 (a1: the memory stays after a dump),\n"
	"                           Q7 (a1, a2, a2b, a3: only whole numbers, whose scale cannot be mistaken), Q11 (a3, a4:\n"
	"                           packed dates from 1980, as MS-DOS has them), Q12 (a2: no name is cut), Q13 (a7: no second\n"
	"                           byte equals a delimiter), Q17 (a4, a8: half-width colons), Q18 (a2b, a6b, a7, a8, a9,\n"
	"                           json, folder, hl7: no verdict, so none to be misread), Q20 (a4: ug/kg for μg/kg),\n"
	"                           Q23 (a10: the sum begins at the first byte)\n"
	"  --clock-offset S         the instrument's clock is S seconds ahead (negative: behind)\n"
	"  --timezone TZ            of the instrument's clock, as in tzset(3) (default CST-8, China)\n"
	"\n"
	"Faults; P is a probability from 0 to 1, for each answer or frame\n"
	"  --late MS                answer MS milliseconds late, also when the next request is there already\n"
	"  --late-every K           only every K-th answer (default 1)\n"
	"  --noise P                random bytes before a frame\n"
	"  --bad-crc P              a wrong checksum (Modbus TCP: a wrong transaction number)\n"
	"  --silence P              swallow the request (a7, hl7: the answer)\n"
	"  --overlap                a3: the last channel of a record is measured until the next record begins\n"
	"  --mute-days N            a2: leave the first N questions about a day that has results without an answer\n"
	"  --short P                the end of a frame is missing\n"
	"  --echo                   the line echoes requests\n"
	"  --split                  send one byte a millisecond\n"
	"  --busy P                 a6a, a6b: refuse a command with exception 06\n"
	"  --torn P                 a6b: the window read holds new data without the checksum for it\n"
	"  --power-cycle S          no power for 2 s, S seconds after the start; numbers start at 1 again (may be repeated;\n"
	"                           a3, a4: only with the next)\n"
	"  --power-cycle-clears     and the memory is empty then\n"
	"  --unplug S:T             after S seconds the pty (or port) is gone for T seconds; a pty comes back under another\n"
	"                           name with the link made anew (may be repeated); SIGUSR1 pulls it, SIGUSR2 plugs it in\n"
	"\n"
	"A truth line has the keys at, at_ns (CLOCK_MONOTONIC), archetype, unit, port (with --tcp), serial, instrument_seq,\n"
	"channel, sample_no, sample_name, item, value, unit_text, verdict (the instrument's own), tested_at, kind, operator;\n"
	"retest where the instrument says that it is one.\n";

const struct option options_names[] = {
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
	{ "app-offset", required_argument, NULL, OPTION_APP_OFFSET },
	{ "gold", no_argument, NULL, OPTION_GOLD },
	{ "retests", required_argument, NULL, OPTION_RETESTS },
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
	{ "without", required_argument, NULL, OPTION_WITHOUT },
	{ "clock-offset", required_argument, NULL, OPTION_CLOCK_OFFSET },
	{ "timezone", required_argument, NULL, OPTION_TIMEZONE },
	{ "late", required_argument, NULL, OPTION_LATE },
	{ "late-every", required_argument, NULL, OPTION_LATE_EVERY },
	{ "noise", required_argument, NULL, OPTION_NOISE },
	{ "bad-crc", required_argument, NULL, OPTION_BAD_CRC },
	{ "silence", required_argument, NULL, OPTION_SILENCE },
	{ "overlap", no_argument, NULL, OPTION_OVERLAP },
	{ "mute-days", required_argument, NULL, OPTION_MUTE_DAYS },
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

const struct archetype_name options_archetypes[] = {
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
	{ NULL, ARCHETYPE_SCANNER, 0 },
};

#define OF(name) (UINT32_C(1) << ARCHETYPE_##name)

/* What each does instead stands in tests/QUIRKS.md. */
const struct quirk_name options_quirks[] = {
	{ 1, OF(A1) },
	{ 7, OF(A1) | OF(A2) | OF(A2B) | OF(A3) },
	{ 11, OF(A3) | OF(A4) },
	{ 12, OF(A2) },
	{ 13, OF(A7) },
	{ 17, OF(A4) | OF(A8) },
	{ 18, OF(A2B) | OF(A6B) | OF(A7) | OF(A8) | OF(A9) | OF(JSON) | OF(FOLDER) | OF(HL7) },
	{ 20, OF(A4) },
	{ 23, OF(A10) },
	{ 0, 0 },
};
