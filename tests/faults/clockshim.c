/* clockshim: what the kernel says of the clock's synchronisation, told by the environment: CLOCK_SYNCED=1 or 0. */
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>

int adjtimex(struct timex *state)
{
	const char *synced = getenv("CLOCK_SYNCED");
	memset(state, 0, sizeof(*state));
	state->status = synced && *synced == '1' ? 0 : STA_UNSYNC;
	return state->status & STA_UNSYNC ? TIME_ERROR : TIME_OK;
}
