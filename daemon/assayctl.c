/* assayctl: the technician's tool. This file: the command line; each command lives in a ctl_*.c of its own. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "program.h"

static const struct command {
	const char *name;
	int (*run)(const struct ctl *ctl, int argc, char **argv);
	const char *arguments, *help;
} commands[] = {
	{ "status", ctl_status, "", N_("instruments, targets and how much waits to be sent") },
	{ "list", ctl_list, "[--last N | --from SEQ [--limit N]] [--instrument ID]", N_("entries of the journal") },
	{ "show", ctl_show, "ID|SEQ", N_("one entry, whole") },
	{ "tail", ctl_tail, "[--instrument ID]", N_("entries as they arrive, until interrupted") },
	{ "capture", ctl_capture, "[--seconds N] [--results N] INSTRUMENT FILE",
		N_("record what passes on an instrument's line, until interrupted") },
	{ "parked", ctl_parked, "[--target NAME]", N_("entries a target's broker refused, and why") },
	{ "retry", ctl_retry, "SEQ|all [--target NAME]", N_("send what was refused again") },
	{ "resend", ctl_resend, "FROM [TO] [--target NAME]", N_("send stored entries again, unchanged") },
	{ "export", ctl_export,
		"[--from SEQ] [--to SEQ] | --day DAY | --since DAY | --bundle ID [--format jsonl|csv] "
		"[--map MAP [--given NAME=VALUE]... [--lines FILE] [--check]] [--journal DB] [-o FILE]",
		N_("entries with the seals that prove them, a table, the evidence for one record, or a platform's own shape") },
	{ "verify", ctl_verify, "[--key FILE]... [--station CODE] FILE...",
		N_("whether an export or a platform's copy is whole and unaltered") },
	{ "identity", ctl_identity, "", N_("the station's public key, to be handed to the county") },
	{ "decode", ctl_decode, "DRIVER [--profile NAME] [--set KEY=VALUE] [--raw | --text] [FILE]",
		N_("run recorded bytes through a driver: one JSON line per result") },
	{ "register", ctl_register,
		"[--next INSTRUMENT [--results N] [--for TIME] [--queue]] (NO KEY=VALUE... | --file FILE)",
		N_("say what is known of a sample: by its number, or for an instrument's next results") },
	{ "samples", ctl_samples, "[--last N]", N_("registered samples, and the results they wait for") },
	{ "rebind", ctl_rebind,
		"NUMBER|none (RECORD... | --instrument ID --since TIME [--until TIME]) --by NAME --why TEXT [--dry-run]",
		N_("results of the wrong sample: new records with the right one supersede them") },
	{ "retest", ctl_retest, "[ID|SEQ [--instrument ID] [--for TIME]]",
		N_("samples tested again; with ID: the next result is a retest of that one") },
	{ "doctor", ctl_doctor, "", N_("what may one day lose or delay a result, and what to do about it") },
	{ "backup", ctl_backup, "FILE", N_("write the journal to a file, while assayd runs or not") },
	{ "restore", ctl_restore, "FILE [--force]", N_("bring a backup back, while assayd does not run") },
	{ "salvage", ctl_salvage, "FILE [-o OUT] [--station CODE]",
		N_("what can still be read of a damaged journal, as a journal again") },
	{ "scan", ctl_scan, "[--port PATH] [--ask]",
		N_("serial ports, who uses them, and what to write for a free one") },
	{ "probe", ctl_probe, "INSTRUMENT", N_("ask an instrument once; nothing is stored or acknowledged") },
	{ "unmapped", ctl_unmapped, "", N_("words that the tables do not know: items, units, standards, samples") },
	{ "redecode", ctl_redecode,
		"[--from SEQ] [--to SEQ] [--instrument ID] [--profile FILE] [--unmapped] [--dry-run]",
		N_("decode stored bytes again; new records supersede what was decoded wrongly") },
	{ "settings", ctl_settings, "[--example | --man | --keys]", N_("every setting of the configuration") },
};

static void usage(FILE *out)
{
	fprintf(out, _("usage: assayctl [-c DIR] [--json] COMMAND ...   (default DIR: %s)\n\n"), ASSAYD_CONFDIR);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %s%s%s\n      %s\n", commands[i].name, *commands[i].arguments ? " " : "",
			commands[i].arguments, _(commands[i].help));
	fprintf(out, _("\nExit: 0 done, 1 failed, 64 usage, 69 assayd does not run, 78 configuration.\n"));
}

/* What could not be written (a full disk behind `>`) must not pass for done. */
static int end(int code)
{
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == EXIT_DONE)
		return ctl_fail(EXIT_FAILED, _("the output cannot be written: %s"), strerror(errno));
	return code;
}

int main(int argc, char **argv)
{
	struct ctl ctl = { .directory = ASSAYD_CONFDIR };
	program_language();
	int at = 1;
	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "-c") == 0 && at + 1 < argc) {
			ctl.directory = argv[++at];
		} else if (strcmp(argv[at], "--json") == 0) {
			ctl.json = true;
		} else if (strcmp(argv[at], "--version") == 0) {
			puts("assayctl " ASSAYD_VERSION);
			return EXIT_DONE;
		} else if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
			usage(stdout);
			return EXIT_DONE;
		} else {
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (at == argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[at], commands[i].name) == 0)
			return end(commands[i].run(&ctl, argc - at, argv + at));
	ctl_fail(EXIT_USAGE, _("unknown command '%s'"), argv[at]);
	usage(stderr);
	return EXIT_USAGE;
}
