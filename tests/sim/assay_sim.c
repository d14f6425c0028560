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

static void stop(void *context, uint32_t events)
{
	(void)context;
	(void)events;
	loop_stop();
}

/* SIGTERM and SIGINT arrive as an event like any other. */
static int watch_signals(struct watch *watch)
{
	sigset_t ending;

	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGINT);
	sigprocmask(SIG_BLOCK, &ending, NULL);
	signal(SIGPIPE, SIG_IGN);
	int fd = signalfd(-1, &ending, SFD_CLOEXEC);
	if (fd < 0)
		err(1, "signalfd");
	*watch = (struct watch){ .ready = stop };
	loop_watch(fd, EPOLLIN, watch);
	return fd;
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
	struct watch signals;
	char name[256];
	int status = options_parse(argc, argv, &options);

	if (status >= 0)
		return status;
	setenv("TZ", options.timezone, 1);
	tzset();
	raise_descriptor_limit();
	loop_open();
	int signal_fd = watch_signals(&signals);
	struct room *room = room_open(&options);
	room_name(room, name, sizeof name);
	printf("ready %s\n", name);
	fflush(stdout);
	loop_run();
	room_close(room);
	close(signal_fd);
	return 0;
}
