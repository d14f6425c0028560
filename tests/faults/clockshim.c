/* clockshim: what the kernel says of the clock's synchronisation, told by the environment: CLOCK_SYNCED=1 or 0, or the
 * path of a file whose first byte says it at each question. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

static char told(void)
{
	const char *synced = getenv("CLOCK_SYNCED");
	char first = synced ? *synced : '0';
	if (first != '/')
		return first;
	int fd = open(synced, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &first, 1) != 1)
		first = '0';
	if (fd >= 0)
		close(fd);
	return first;
}

int adjtimex(struct timex *state)
{
	memset(state, 0, sizeof(*state));
	state->status = told() == '1' ? 0 : STA_UNSYNC;
	return state->status & STA_UNSYNC ? TIME_ERROR : TIME_OK;
}
