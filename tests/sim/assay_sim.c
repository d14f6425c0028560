/* assay-sim: simulated instruments of a rapid-test room, for everyone without one. See `assay-sim --help`. */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"
#include "options.h"
#include "room.h"

struct signals {
	int fd;
	struct watch watch;
	struct room *room;
	struct timer timer; /* of the plug */
	bool out;
};

static void move_plug(void *context)
{
	struct signals *signals = context;

	room_unplug(signals->room, signals->out);
}

static void obey(void *context, uint32_t events)
{
	struct signals *signals = context;
	struct signalfd_siginfo got;

	(void)events;
	if (read(signals->fd, &got, sizeof got) != sizeof got)
		return;
	if (got.ssi_signo != SIGUSR1 && got.ssi_signo != SIGUSR2) {
		loop_stop();
		return;
	}
	/* not before what else came with it: a line that goes away may be in it */
	signals->out = got.ssi_signo == SIGUSR1;
	timer_set(&signals->timer, loop_now_ns());
}

/* Signals arrive as an event like any other. */
static void watch_signals(struct signals *signals)
{
	static const int obeyed[] = { SIGTERM, SIGINT, SIGUSR1, SIGUSR2 };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof obeyed / sizeof *obeyed; i++)
		sigaddset(&set, obeyed[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signals->fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals->fd < 0)
		err(1, "signalfd");
	signals->watch = (struct watch){ .ready = obey, .context = signals };
	signals->timer = (struct timer){ .fire = move_plug, .context = signals };
	loop_watch(signals->fd, EPOLLIN, &signals->watch);
}

/* A thousand instruments with a listener and a connection each need more descriptors than are given at first. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	struct options options;
	struct signals signals;
	char name[256];
	int status = options_parse(argc, argv, &options);

	if (status >= 0)
		return status;
	setenv("TZ", options.timezone, 1);
	tzset();
	raise_descriptor_limit();
	loop_open();
	watch_signals(&signals);
	signals.room = room_open(&options);
	room_name(signals.room, name, sizeof name);
	printf("ready %s\n", name);
	fflush(stdout);
	loop_run();
	room_close(signals.room);
	close(signals.fd);
	return 0;
}
