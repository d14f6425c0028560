/* LD_PRELOAD shim: a process whose clocks are told by a file, so that a month passes in seconds.
 *
 * STEPPED_CLOCK names a file of three 64-bit numbers, read anew at every look: nanoseconds to add to the monotonic and
 * the boot clock, nanoseconds to add to the wall clock, and 1 while the kernel is to call the wall clock synchronised.
 * Whoever adds the same to the first two lets time pass: to the process it is an ordinary hour, not a clock that
 * jumped. What the program waits for with a limit (poll(), pthread_cond_timedwait()) it waits for by these clocks, and
 * wakes a moment after they were put beyond the limit. What counts real time is left alone: a library's poll(),
 * select() of libmodbus, usleep(), the kernel's own timers and the times of files. Without STEPPED_CLOCK nothing is
 * changed.
 *
 * Behind them stand three numbers for each thread, by which whoever steps the clock sees that the process has nothing
 * to do: what the thread is at (0: no thread, 1: it runs, 2: it waits until a time, 3: it waits for somebody), up to
 * which step of the monotonic clock it has looked while it waited, and how many descriptors it waits for: a line that
 * rests waits for one, a line that wants an answer for more.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)
#define SLICE_MS  2                       /* how soon a wait notices that the clock was stepped */
#define WALL_NS   (900000000 * SECOND_NS) /* later than that is no time since a boot */

#define THREADS 125

enum { THREAD_NONE, THREAD_RUNS, THREAD_WAITS, THREAD_WAITS_FOR_SOMEBODY };

struct stepped_clock {
	_Atomic int64_t boot_ns, wall_ns, synced;
	struct stepped_thread {
		_Atomic int64_t at, seen_ns, descriptors;
	} threads[THREADS];
};

static struct stepped_clock *stepped;
static int (*real_gettime)(clockid_t, struct timespec *);
static int (*real_poll)(struct pollfd *, nfds_t, int);
static pthread_key_t thread_end;
static _Thread_local struct stepped_thread *thread;
static int (*real_clockwait)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);

static void forget_thread(void *ended)
{
	((struct stepped_thread *)ended)->at = THREAD_NONE;
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("STEPPED_CLOCK");

	real_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	real_poll = (int (*)(struct pollfd *, nfds_t, int))dlsym(RTLD_NEXT, "poll");
	real_clockwait = (int (*)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *))dlsym(
		RTLD_NEXT, "pthread_cond_clockwait");
	int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (file < 0)
		return;
	void *map = mmap(NULL, sizeof(*stepped), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (map == MAP_FAILED || pthread_key_create(&thread_end, forget_thread) != 0)
		return;
	stepped = map;
	memset(stepped->threads, 0, sizeof(stepped->threads)); /* of a process before */
}

static void now_at(int64_t what, nfds_t descriptors)
{
	for (int i = 0; !thread && i < THREADS; i++) {
		int64_t none = THREAD_NONE;
		if (atomic_compare_exchange_strong(&stepped->threads[i].at, &none, THREAD_RUNS)) {
			thread = &stepped->threads[i];
			pthread_setspecific(thread_end, thread);
		}
	}
	if (!thread)
		abort(); /* more threads than there is room for */
	thread->descriptors = (int64_t)descriptors;
	thread->seen_ns = stepped->boot_ns;
	thread->at = what;
}

static int64_t nanoseconds(const struct timespec *time)
{
	return time->tv_sec * SECOND_NS + time->tv_nsec;
}

static struct timespec timespec_of(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / SECOND_NS, .tv_nsec = ns % SECOND_NS };
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	if (!real_gettime) /* a constructor that runs before ours */
		begin();
	int result = real_gettime(clock, now);
	if (result != 0 || !stepped)
		return result;
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		*now = timespec_of(nanoseconds(now) + stepped->wall_ns);
	else if (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME)
		*now = timespec_of(nanoseconds(now) + stepped->boot_ns);
	return result;
}

time_t time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	*ret = (struct timeval){ .tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000 };
	return 0;
}

int adjtimex(struct timex *state)
{
	memset(state, 0, sizeof(*state));
	state->status = stepped && stepped->synced ? 0 : STA_UNSYNC;
	return state->status & STA_UNSYNC ? TIME_ERROR : TIME_OK;
}

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return nanoseconds(&now);
}

/* A library that rests after a poll in vain (Paho, 100 ms) would do so after every step. */
static bool called_by_program(const void *from)
{
	Dl_info program, caller;

	return dladdr((void *)getauxval(AT_ENTRY), &program) && dladdr(from, &caller) &&
	       program.dli_fbase == caller.dli_fbase;
}

static int poll_stepped(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	int64_t due_ns = now_ns(CLOCK_MONOTONIC) + timeout_ms * (SECOND_NS / 1000);

	for (;;) {
		int64_t left_ms = (due_ns - now_ns(CLOCK_MONOTONIC)) / (SECOND_NS / 1000) + 1;
		now_at(THREAD_WAITS, count);
		int ready = real_poll(fds, count, left_ms < SLICE_MS ? (int)(left_ms < 0 ? 0 : left_ms) : SLICE_MS);
		if (ready != 0 || now_ns(CLOCK_MONOTONIC) >= due_ns)
			return ready;
	}
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	if (!stepped || timeout_ms == 0 || !called_by_program(__builtin_return_address(0)))
		return real_poll(fds, count, timeout_ms);
	if (timeout_ms < 0)
		now_at(THREAD_WAITS_FOR_SOMEBODY, count);
	int ready = timeout_ms < 0 ? real_poll(fds, count, -1) : poll_stepped(fds, count, timeout_ms);
	int error = errno;
	now_at(THREAD_RUNS, 0);
	errno = error;
	return ready;
}

/* A condition's clock cannot be asked for; the size of the time tells it. */
int pthread_cond_timedwait(
	pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, const struct timespec *restrict until)
{
	int64_t due_ns = nanoseconds(until);
	clockid_t clock = due_ns > WALL_NS ? CLOCK_REALTIME : CLOCK_MONOTONIC;
	int result = stepped ? ETIMEDOUT : real_clockwait(condition, mutex, clock, until);

	while (stepped && result == ETIMEDOUT) {
		struct timespec slice;
		int64_t left_ns = due_ns - now_ns(clock), most_ns = SLICE_MS * (SECOND_NS / 1000);
		now_at(THREAD_WAITS, 0);
		real_gettime(CLOCK_MONOTONIC, &slice);
		slice = timespec_of(nanoseconds(&slice) + (left_ns < 0 ? 0 : left_ns < most_ns ? left_ns : most_ns));
		result = real_clockwait(condition, mutex, CLOCK_MONOTONIC, &slice);
		if (now_ns(clock) >= due_ns)
			break;
	}
	if (stepped)
		now_at(THREAD_RUNS, 0);
	return result;
}

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	static const struct timespec never = { .tv_sec = INT32_MAX };

	if (stepped)
		now_at(THREAD_WAITS_FOR_SOMEBODY, 0);
	int result = real_clockwait(condition, mutex, CLOCK_MONOTONIC, &never);
	if (stepped)
		now_at(THREAD_RUNS, 0);
	return result;
}
