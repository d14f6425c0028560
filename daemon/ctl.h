/* The commands of assayctl. Each gets its own arguments, argv[0] being the command's name, and returns a program_exit.
 */
#ifndef ASSAYD_CTL_H
#define ASSAYD_CTL_H

#include <stdbool.h>
#include <stddef.h>

#include "../drivers/identity.h"
#include "journal.h"
#include "json.h"

struct config;

struct ctl {                   /* what stands before the command */
	const char *directory; /* of the configuration */
	bool json;             /* machine output: one JSON value a line */
};

int ctl_status(const struct ctl *ctl, int argc, char **argv);
int ctl_list(const struct ctl *ctl, int argc, char **argv);
int ctl_show(const struct ctl *ctl, int argc, char **argv);
int ctl_tail(const struct ctl *ctl, int argc, char **argv);
int ctl_capture(const struct ctl *ctl, int argc, char **argv);
int ctl_parked(const struct ctl *ctl, int argc, char **argv);
int ctl_retry(const struct ctl *ctl, int argc, char **argv);
int ctl_resend(const struct ctl *ctl, int argc, char **argv);
int ctl_export(const struct ctl *ctl, int argc, char **argv);
int ctl_verify(const struct ctl *ctl, int argc, char **argv);
int ctl_identity(const struct ctl *ctl, int argc, char **argv);
int ctl_decode(const struct ctl *ctl, int argc, char **argv);
int ctl_register(const struct ctl *ctl, int argc, char **argv);
int ctl_samples(const struct ctl *ctl, int argc, char **argv);
int ctl_rebind(const struct ctl *ctl, int argc, char **argv);
int ctl_retest(const struct ctl *ctl, int argc, char **argv);
int ctl_doctor(const struct ctl *ctl, int argc, char **argv);
int ctl_backup(const struct ctl *ctl, int argc, char **argv);
int ctl_restore(const struct ctl *ctl, int argc, char **argv);
int ctl_salvage(const struct ctl *ctl, int argc, char **argv);
int ctl_scan(const struct ctl *ctl, int argc, char **argv);
int ctl_probe(const struct ctl *ctl, int argc, char **argv);
int ctl_unmapped(const struct ctl *ctl, int argc, char **argv);
int ctl_redecode(const struct ctl *ctl, int argc, char **argv);
int ctl_settings(const struct ctl *ctl, int argc, char **argv);

/* Prints the fault after the program's name and returns `code`. */
int ctl_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* `--for TIME`, up to seven days, as the request's lifetime_ms. EXIT_DONE, or EXIT_USAGE after saying why. */
int ctl_read_for(const char *text, struct json *request);

/* The configuration, which tells where socket and journal are: config_release() it. EXIT_DONE, or EXIT_CONFIG after
 * saying that it has faults; which, is `assayd --check`'s to print. */
int ctl_config(const struct ctl *ctl, struct config **ret);

/* What the station does with identity numbers. EXIT_DONE, or EXIT_CONFIG after saying why. */
int ctl_identity_rule(const struct ctl *ctl, enum identity_rule *ret);

/* Sends one request to the running daemon; `each` gets its answer line by line, a non-zero answer ends it. EXIT_DONE,
 * EXIT_NO_DAEMON (nothing printed yet), or EXIT_FAILED after printing. Takes `request` over. */
int ctl_ask(const struct ctl *ctl, struct json *request, int (*each)(void *context, const char *line, size_t length),
	void *context);

/* As ctl_ask, but reads the journal file itself, and says so, when no daemon runs. */
int ctl_ask_or_read(const struct ctl *ctl, struct json *request,
	int (*each)(void *context, const char *line, size_t length), void *context);

/* Opens the journal's file itself, sealed by the running daemon if there is one, and sets the station's time zone. */
int ctl_open_journal(const struct ctl *ctl, struct journal_reader **ret);

/* True when a daemon answers at this configuration's control socket. */
bool ctl_daemon_runs(const struct config *config);

/* A text padded with blanks to `width` terminal columns (wide characters count two). */
void ctl_column(const char *text, size_t width);

#endif
