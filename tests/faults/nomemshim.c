/* LD_PRELOAD: one allocation fails, as on a box without memory.
 *
 * NOMEM_AT=N           the N-th malloc, calloc or realloc of the process fails (strdup and the like call them), and
 * NOMEM_TIMES=M        the M-1 after it (default 1)
 * NOMEM_NOT=NAME,NAME  what libraries of these names ask for themselves never fails and is not counted
 * NOMEM_COUNT=PATH     at its end the process writes there how many there were, and how many failed
 *
 * The shim's own work allocates nothing: it runs inside of malloc.
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The C library's own; what a process calls before this shim is set up comes here too. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static _Atomic long calls, failed;
static long at, times;

/* Where the code of the libraries of NOMEM_NOT lies. */
enum { SPARED_MAX = 16 };
static struct {
	uintptr_t from, to;
} spared[SPARED_MAX];
static size_t spared_count;

static long number(const char *name, long otherwise)
{
	const char *text = getenv(name);
	return text ? atol(text) : otherwise;
}

static int is_named(const char *path, const char *names)
{
	while (*names) {
		char name[64] = "";
		size_t length = strcspn(names, ",");
		if (length && length < sizeof(name) && strstr(path, memcpy(name, names, length)))
			return 1;
		names += length + (names[length] == ',');
	}
	return 0;
}

static int spare(struct dl_phdr_info *library, size_t size, void *names)
{
	(void)size;
	for (int i = 0; is_named(library->dlpi_name, names) && i < library->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &library->dlpi_phdr[i];
		if (part->p_type != PT_LOAD || !(part->p_flags & PF_X) || spared_count == SPARED_MAX)
			continue;
		spared[spared_count].from = library->dlpi_addr + part->p_vaddr;
		spared[spared_count].to = spared[spared_count].from + part->p_memsz;
		spared_count++;
	}
	return 0;
}

__attribute__((constructor)) static void set_up(void)
{
	at = number("NOMEM_AT", 0);
	times = number("NOMEM_TIMES", 1);
	char *names = getenv("NOMEM_NOT");
	if (names)
		dl_iterate_phdr(spare, names);
	calls = 0;
}

static int fails(const void *asked_from)
{
	for (size_t i = 0; i < spared_count; i++)
		if ((uintptr_t)asked_from >= spared[i].from && (uintptr_t)asked_from < spared[i].to)
			return 0;
	long call = ++calls;
	if (at == 0 || call < at || call >= at + times)
		return 0;
	failed++;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}

static void put(int fd, long value)
{
	char text[24];
	size_t used = sizeof(text);
	text[--used] = '\n';
	do
		text[--used] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	if (write(fd, text + used, sizeof(text) - used) < 0)
		return; /* whoever reads it misses a line */
}

__attribute__((destructor)) static void tell(void)
{
	const char *path = getenv("NOMEM_COUNT");
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	if (fd < 0)
		return;
	put(fd, calls);
	put(fd, failed);
	close(fd);
}
