/* assayd: the gateway of a township rapid-test room. This file: the command line, start and stop, signals, watchdog. */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "control.h"
#include "log.h"
#include "notify.h"
#include "program.h"
#include "room.h"
#include "secrets.h"

enum { TRIM_MS = 10000 };

struct daemon {
	const char *directory;
	struct config *config;
	struct room *room;
	struct control *control;
	int signals;
};

static void usage(FILE *out)
{
	fprintf(out,
		_("usage: assayd [-c DIR]          run in the foreground (default DIR: %s)\n"
		  "       assayd --check [-c DIR]  check the whole configuration and say what is wrong\n"
		  "       assayd --version\n"),
		ASSAYD_CONFDIR);
}

static int load(const char *directory, struct config **ret)
{
	struct faults faults = { 0 };
	int error = config_load(directory, ret, &faults);
	faults_print(&faults, stderr);
	faults_free(&faults);
	return error;
}

static void tell_secret(void *context, bool refused, const char *text)
{
	fprintf(stderr, "%s%s\n", refused ? "" : _("warning: "), text);
	*(bool *)context |= refused;
}

static int check(const char *directory)
{
	struct config *config;
	bool refused = false;
	if (load(directory, &config) != 0)
		return EXIT_CONFIG;
	secrets_examine(config, true, tell_secret, &refused);
	if (refused) {
		config_release(config);
		return EXIT_CONFIG;
	}
	printf(_("%s: the configuration is fine: station %s, %zu instruments, %zu targets\n"), directory,
		config->station.code, config->instrument_count, config->target_count);
	config_release(config);
	return EXIT_DONE;
}

/* Signals are taken by signalfd in the main thread; every thread started later inherits the mask. */
static int block_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* What only a person can set right ends with 78, with which systemd waits for that person. A disk may mend itself or be
 * mended, and the other assayd may end: there it is tried again and again, so that no result waits longer than it must.
 */
static int exit_of(int error)
{
	switch (-error) {
	case EACCES:
	case EPERM:
	case ENOTDIR:
	case ENAMETOOLONG:
	case ENOTSUP: /* a journal of a newer version */
		return EXIT_CONFIG;
	default:
		return EXIT_FAILED;
	}
}

static int start(struct daemon *daemon)
{
	struct fault fault = { "" };
	log_set_level((enum log_level)daemon->config->log_level);
	setenv("TZ", daemon->config->station.timezone, 1);
	tzset();
	int error = room_start(daemon->config, &daemon->room, &fault);
	if (!error)
		error = control_start(daemon->room, daemon->config->control_socket, &daemon->control, &fault);
	if (!error)
		return EXIT_DONE;
	log_error("%s", fault.text);
	return exit_of(error);
}

static void stop(struct daemon *daemon)
{
	control_stop(daemon->control);
	room_stop(daemon->room);
	config_release(daemon->config);
	close(daemon->signals);
}

static void reload(struct daemon *daemon)
{
	struct fault fault;
	struct config *config;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	notify_send("RELOADING=1\nMONOTONIC_USEC=%lld%06ld", (long long)now.tv_sec, now.tv_nsec / 1000);
	if (load(daemon->directory, &config) != 0) {
		log_error(
			_("reload: the configuration has faults, the running one stays in force; see the lines above"));
	} else {
		if (room_reload(daemon->room, config, &fault) != 0) {
			log_error(_("reload: %s"), fault.text);
			config_release(config);
		} else {
			log_notice(_("reload: the new configuration is in force"));
			config_release(daemon->config);
			daemon->config = config;
			log_set_level((enum log_level)config->log_level);
		}
	}
	notify_send("READY=1");
}

/* The watchdog is fed only while every thread shows life, and looked after often enough to be seen. */
static void feed_watchdog(struct daemon *daemon)
{
	char name[64], summary[256];
	if (room_alive(daemon->room, name, sizeof(name)))
		notify_send("WATCHDOG=1");
	else
		log_warning(_("%s: its thread has not moved for a while; the watchdog is not fed"), name);
	room_summary(daemon->room, summary, sizeof(summary));
	notify_send("STATUS=%s", summary);
}

/* What a backlog or a new configuration took and gave back lies in pieces between what is in use: to the system it is
 * still ours. */
static void give_memory_back(long *due_ms)
{
	long now = clock_ms();
	if (now < *due_ms)
		return;
	malloc_trim(0);
	*due_ms = now + TRIM_MS;
}

/* True after a signal to stop, false when only a new start helps. */
static bool run(struct daemon *daemon)
{
	long period = notify_watchdog_ms(), trim_ms = clock_ms() + TRIM_MS;
	if (period == 0 || period > 5000)
		period = 5000;
	if (period < 2000)
		period = 2000; /* a thread may wait up to a second in one place */
	long next = clock_ms() + period;
	for (;;) {
		long wait = next - clock_ms();
		struct pollfd polled = { .fd = daemon->signals, .events = POLLIN };
		if (poll(&polled, 1, wait > 0 ? (int)wait : 0) == 0) {
			feed_watchdog(daemon);
			give_memory_back(&trim_ms);
			next += period;
			if (journal_is_damaged(room_journal(daemon->room)))
				return false;
			continue;
		}
		struct signalfd_siginfo info;
		if (read(daemon->signals, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo != SIGHUP)
			return true;
		reload(daemon);
	}
}

static int serve(const char *directory)
{
	struct daemon daemon = { .directory = directory };
	if (load(directory, &daemon.config) != 0)
		return EXIT_CONFIG;
	daemon.signals = block_signals();
	int code = start(&daemon);
	if (code == EXIT_DONE) {
		notify_send("READY=1\nSTATUS=started");
		log_notice(_("assayd %s is ready: station %s, %zu instruments, %zu targets"), ASSAYD_VERSION,
			daemon.config->station.code, daemon.config->instrument_count, daemon.config->target_count);
		code = run(&daemon) ? EXIT_DONE : EXIT_FAILED;
		if (code != EXIT_DONE)
			log_error(_(
				"the journal is damaged: ending, so that the next start sets it aside and begins a new one"));
		notify_send("STOPPING=1");
	}
	stop(&daemon);
	return code;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'k' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	program_language();
	/* What one heap has free another cannot use, and each thread may have its own: lines that are begun anew would
	 * fill ever more of them. A large piece gets pages of its own, which are given back with it, however many have
	 * been freed before: between the others it would leave a hole. */
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, 65536);

	const char *directory = ASSAYD_CONFDIR;
	bool checking = false;
	for (int option; (option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1;) {
		switch (option) {
		case 'c':
			directory = optarg;
			break;
		case 'k':
			checking = true;
			break;
		case 'V':
			puts("assayd " ASSAYD_VERSION);
			return EXIT_DONE;
		case 'h':
			usage(stdout);
			return EXIT_DONE;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	return checking ? check(directory) : serve(directory);
}
