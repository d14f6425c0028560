/* Serial links on pseudo terminals: through real libserialport where the test shim lets it open them (the program runs
 * itself again under LD_PRELOAD), and through the plain terminal back-end without it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/clock.h"
#include "../../daemon/link.h"

static struct fault fault;
static int stop_fd;
static char directory[] = "/tmp/serial-XXXXXX";

struct adapter { /* a pseudo terminal and the stable name that points to it, as udev's by-id links do */
	int master;
	char name[64], by_id[128];
	struct port port;
	struct link *link;
};

static void plug(struct adapter *adapter)
{
	int tty;
	assert_int_equal(openpty(&adapter->master, &tty, adapter->name, NULL, NULL), 0);
	close(tty);
	unlink(adapter->by_id);
	assert_int_equal(symlink(adapter->name, adapter->by_id), 0);
}

static void unplug(struct adapter *adapter)
{
	close(adapter->master);
	unlink(adapter->by_id);
}

static void adapter_new(struct adapter *adapter, long baud, int data_bits, enum parity parity, int stop_bits)
{
	*adapter = (struct adapter){ .master = -1 };
	snprintf(adapter->by_id, sizeof(adapter->by_id), "%s/usb-reader-if00", directory);
	plug(adapter);
	adapter->port = (struct port){ .kind = PORT_SERIAL };
	adapter->port.baud = baud;
	adapter->port.data_bits = data_bits;
	adapter->port.parity = parity;
	adapter->port.stop_bits = stop_bits;
	snprintf(adapter->port.path, sizeof(adapter->port.path), "%s", adapter->by_id);
	snprintf(adapter->port.text, sizeof(adapter->port.text), "%s", adapter->by_id);
	assert_int_equal(link_new(&adapter->port, stop_fd, &adapter->link, &fault), 0);
	if (link_open(adapter->link, &fault))
		fail_msg("%s", fault.text);
}

static void adapter_free(struct adapter *adapter)
{
	link_free(adapter->link);
	unplug(adapter);
}

static int group_setup(void **state)
{
	(void)state;
	stop_fd = eventfd(0, EFD_CLOEXEC);
	return mkdtemp(directory) ? 0 : -1;
}

static int group_teardown(void **state)
{
	(void)state;
	return rmdir(directory);
}

/* Descriptors of this process on the port: the lock, and the library's own where the library does the work. */
static int descriptors_on(const char *name)
{
	int count = 0;
	for (int fd = 0; fd < 256; fd++) {
		char link[64], target[PATH_MAX];
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		ssize_t length = readlink(link, target, sizeof(target) - 1);
		count += length == (ssize_t)strlen(name) && memcmp(target, name, (size_t)length) == 0;
	}
	return count;
}

static void the_library_opens_what_it_knows_and_the_terminal_back_end_the_rest(void **state)
{
	(void)state;
	struct adapter adapter;
	adapter_new(&adapter, 115200, 8, PARITY_NONE, 1);
	assert_int_equal(descriptors_on(adapter.name), getenv("LD_PRELOAD") ? 2 : 1);
	link_close(adapter.link);
	assert_int_equal(descriptors_on(adapter.name), 0);
	adapter_free(&adapter);
}

static void every_byte_passes_unchanged_both_ways(void **state)
{
	(void)state;
	struct adapter adapter;
	uint8_t all[256], got[256];
	adapter_new(&adapter, 115200, 8, PARITY_NONE, 1);
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	assert_int_equal(link_write(adapter.link, all, sizeof(all), &fault), 0);
	for (size_t have = 0; have < sizeof(got);) {
		ssize_t more = read(adapter.master, got + have, sizeof(got) - have);
		assert_true(more > 0);
		have += (size_t)more;
	}
	assert_memory_equal(got, all, sizeof(all));
	assert_int_equal(write(adapter.master, all, sizeof(all)), sizeof(all));
	for (size_t have = 0; have < sizeof(got);) {
		int more = link_read(adapter.link, got + have, sizeof(got) - have, 1000, &fault);
		assert_true(more > 0);
		have += (size_t)more;
	}
	assert_memory_equal(got, all, sizeof(all));
	adapter_free(&adapter);
}

static void the_line_settings_are_the_configured_ones(void **state)
{
	(void)state;
	struct adapter adapter;
	struct termios settings;
	adapter_new(&adapter, 9600, 8, PARITY_EVEN, 1);
	assert_int_equal(tcgetattr(adapter.master, &settings), 0);
	assert_int_equal(cfgetospeed(&settings), B9600);
	assert_int_equal(settings.c_lflag & (ICANON | ECHO), 0);
	assert_int_equal(settings.c_cflag & CSTOPB, 0);
	adapter_free(&adapter);
	adapter_new(&adapter, 19200, 8, PARITY_NONE, 2);
	assert_int_equal(tcgetattr(adapter.master, &settings), 0);
	assert_int_equal(cfgetospeed(&settings), B19200);
	assert_int_equal(settings.c_cflag & CSTOPB, CSTOPB);
	adapter_free(&adapter);
}

static void a_rate_that_no_port_knows_is_a_sentence(void **state)
{
	(void)state;
	struct adapter adapter;
	adapter_new(&adapter, 9600, 8, PARITY_NONE, 1);
	link_close(adapter.link);
	adapter.port.data_bits = 3;
	assert_int_equal(link_open(adapter.link, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "9600/3n1"));
	adapter_free(&adapter);
}

static double cpu_seconds(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void an_unplug_is_told_at_once_and_replugging_under_another_name_works(void **state)
{
	(void)state;
	struct adapter adapter;
	char before[64];
	uint8_t bytes[16];
	adapter_new(&adapter, 115200, 8, PARITY_NONE, 1);
	strcpy(before, adapter.name);
	assert_int_equal(write(adapter.master, "tail", 4), 4);
	assert_int_equal(link_read(adapter.link, bytes, sizeof(bytes), 1000, &fault), 4);
	unplug(&adapter);
	double spent = cpu_seconds();
	long begun = clock_ms();
	assert_int_equal(link_read(adapter.link, bytes, sizeof(bytes), 60000, &fault), -ENOTCONN);
	assert_in_range(clock_ms() - begun, 0, 200);
	for (int i = 0; i < 20; i++, usleep(100000))
		assert_int_equal(link_open(adapter.link, &fault), -ENOENT);
	assert_non_null(strstr(fault.text, "plugged in"));
	assert_true((cpu_seconds() - spent) / 2.0 < 0.02);
	plug(&adapter);
	int other = -1; /* has the old number, as another adapter would */
	if (strcmp(before, adapter.name) == 0) {
		other = adapter.master;
		plug(&adapter);
	}
	assert_string_not_equal(before, adapter.name);
	if (link_open(adapter.link, &fault))
		fail_msg("%s", fault.text);
	assert_int_equal(write(adapter.master, "back", 4), 4);
	assert_int_equal(link_read(adapter.link, bytes, sizeof(bytes), 1000, &fault), 4);
	if (other >= 0)
		close(other);
	adapter_free(&adapter);
}

static void a_port_has_one_master_and_the_fault_names_it(void **state)
{
	(void)state;
	struct adapter adapter;
	struct link *second = NULL;
	char me[32];
	snprintf(me, sizeof(me), "process %d", (int)getpid());
	adapter_new(&adapter, 115200, 8, PARITY_NONE, 1);
	assert_int_equal(link_new(&adapter.port, stop_fd, &second, &fault), 0);
	assert_int_equal(link_open(second, &fault), -EBUSY);
	assert_non_null(strstr(fault.text, me));
	link_close(adapter.link);
	assert_int_equal(link_open(second, &fault), 0);
	link_free(second);
	adapter_free(&adapter);
}

/* TIOCEXCL keeps out programs that know no locks, but for root: tried as nobody. */
static void a_program_that_asks_for_no_lock_is_kept_out(void **state)
{
	(void)state;
	struct adapter adapter;
	adapter_new(&adapter, 115200, 8, PARITY_NONE, 1);
	pid_t child = geteuid() == 0 ? fork() : -1;
	if (child < 0) {
		adapter_free(&adapter);
		skip();
	}
	if (child == 0) {
		if (chmod(adapter.name, 0666) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
			_exit(2);
		_exit(open(adapter.name, O_RDWR | O_NOCTTY) < 0 && errno == EBUSY ? 0 : 1);
	}
	int status;
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	link_close(adapter.link);
	child = fork();
	if (child == 0) /* given back: anybody may */
		_exit(setuid(65534) < 0 || open(adapter.name, O_RDWR | O_NOCTTY) < 0);
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	adapter_free(&adapter);
}

static void what_is_no_terminal_is_refused(void **state)
{
	(void)state;
	struct port port = { .kind = PORT_SERIAL, .path = "/dev/null", .baud = 9600, .data_bits = 8, .stop_bits = 1 };
	struct link *link = NULL;
	assert_int_equal(link_new(&port, stop_fd, &link, &fault), 0);
	assert_int_equal(link_open(link, &fault), -ENOTTY);
	assert_non_null(strstr(fault.text, "/dev/null"));
	link_free(link);
}

static void a_usb_identity_that_is_not_there_is_a_sentence(void **state)
{
	(void)state;
	struct port port = { .kind = PORT_SERIAL, .usb = "1a86:7523", .text = "usb:1a86:7523", .baud = 9600 };
	struct link *link = NULL;
	assert_int_equal(link_new(&port, stop_fd, &link, &fault), 0);
	assert_int_equal(link_open(link, &fault), -ENOENT);
	assert_non_null(strstr(fault.text, "usb:1a86:7523"));
	link_free(link);
}

static void *tell_stop(void *context)
{
	(void)context;
	usleep(100000);
	eventfd_write(stop_fd, 1);
	return NULL;
}

static void a_stop_ends_a_long_wait(void **state)
{
	(void)state;
	struct adapter adapter;
	uint8_t bytes[16];
	pthread_t thread;
	eventfd_t told;
	adapter_new(&adapter, 115200, 8, PARITY_NONE, 1);
	pthread_create(&thread, NULL, tell_stop, NULL);
	long begun = clock_ms();
	assert_int_equal(link_read(adapter.link, bytes, sizeof(bytes), 60000, &fault), -ECANCELED);
	assert_in_range(clock_ms() - begun, 50, 500);
	pthread_join(thread, NULL);
	eventfd_read(stop_fd, &told);
	adapter_free(&adapter);
}

/* A sanitizer's runtime insists on being the first library of a process: it goes before the shim. */
static int note_runtime(struct dl_phdr_info *info, size_t size, void *preload)
{
	(void)size;
	if (strstr(info->dlpi_name, "/libasan.so") || strstr(info->dlpi_name, "/libtsan.so"))
		snprintf(preload, PATH_MAX, "%s ", info->dlpi_name);
	return 0;
}

/* build/tests/unit/test_link_serial -> build/tests/faults/ptyshim.so */
static int run_again_with_shim(char **argv)
{
	char self[PATH_MAX], shim[PATH_MAX], preload[2 * PATH_MAX] = "";
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (length <= 0 || getenv("LD_PRELOAD"))
		return 0;
	self[length] = 0;
	char *slash = strstr(self, "/unit/");
	if (!slash || (size_t)snprintf(shim, sizeof(shim), "%.*s/faults/ptyshim.so", (int)(slash - self), self) >=
			      sizeof(shim))
		return 0;
	if (access(shim, R_OK) < 0) {
		fprintf(stderr, "%s is not built (make shims): the library's own way is not tested\n", shim);
		return 0;
	}
	dl_iterate_phdr(note_runtime, preload);
	strcat(preload, shim);
	pid_t child = fork();
	if (child == 0) {
		setenv("LD_PRELOAD", preload, 1);
		execv(self, argv);
		_exit(127);
	}
	int status = 0;
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	(void)argc;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_library_opens_what_it_knows_and_the_terminal_back_end_the_rest),
		cmocka_unit_test(every_byte_passes_unchanged_both_ways),
		cmocka_unit_test(the_line_settings_are_the_configured_ones),
		cmocka_unit_test(a_rate_that_no_port_knows_is_a_sentence),
		cmocka_unit_test(an_unplug_is_told_at_once_and_replugging_under_another_name_works),
		cmocka_unit_test(a_port_has_one_master_and_the_fault_names_it),
		cmocka_unit_test(a_program_that_asks_for_no_lock_is_kept_out),
		cmocka_unit_test(what_is_no_terminal_is_refused),
		cmocka_unit_test(a_usb_identity_that_is_not_there_is_a_sentence),
		cmocka_unit_test(a_stop_ends_a_long_wait),
	};
	int failed = cmocka_run_group_tests(tests, group_setup, group_teardown);
	return run_again_with_shim(argv) + failed;
}
