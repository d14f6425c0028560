/* Who may use a terminal: locked against programs that ask (flock) and against those that do not (TIOCEXCL). */
#include "link_kind.h"
#include "link_serial.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/major.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* /proc/locks: "1: FLOCK  ADVISORY  WRITE 4711 00:18:5 0 EOF". Readable by everyone, unlike other people's
 * /proc/PID/fd. */
static pid_t flock_holder(const struct stat *tty)
{
	FILE *locks = fopen("/proc/locks", "re");
	char line[160];
	int pid = 0, found = 0;
	while (locks && !found && fgets(line, sizeof(line), locks)) {
		unsigned major, minor;
		unsigned long inode;
		if (sscanf(line, "%*s FLOCK %*s %*s %d %x:%x:%lu", &pid, &major, &minor, &inode) == 4)
			found = major == major(tty->st_dev) && minor == minor(tty->st_dev) && inode == tty->st_ino;
	}
	if (locks)
		fclose(locks);
	return found ? pid : 0;
}

#define LOOKS 3 /* at a list that loses a line now and then while others lock and unlock */

static bool has_open(const char *pid, const char *path)
{
	char name[PATH_MAX], target[PATH_MAX];
	snprintf(name, sizeof(name), "/proc/%s/fd", pid);
	DIR *files = opendir(name);
	bool found = false;
	for (struct dirent *file; files && !found && (file = readdir(files));) {
		ssize_t length = readlinkat(dirfd(files), file->d_name, target, sizeof(target) - 1);
		found = length == (ssize_t)strlen(path) && memcmp(target, path, (size_t)length) == 0;
	}
	if (files)
		closedir(files);
	return found;
}

static pid_t opener(const char *path)
{
	DIR *processes = opendir("/proc");
	pid_t found = 0;
	for (struct dirent *process; processes && !found && (process = readdir(processes));)
		if (isdigit((unsigned char)process->d_name[0]) && atoi(process->d_name) != getpid() &&
			has_open(process->d_name, path))
			found = atoi(process->d_name);
	if (processes)
		closedir(processes);
	return found;
}

static bool is_pseudo(const struct stat *tty)
{
	return major(tty->st_rdev) >= UNIX98_PTY_SLAVE_MAJOR &&
	       major(tty->st_rdev) < UNIX98_PTY_SLAVE_MAJOR + UNIX98_PTY_MAJOR_COUNT;
}

bool link_tty_holder(const char *path, struct tty_holder *ret)
{
	struct stat tty;
	char name[64];
	*ret = (struct tty_holder){ .command = "?" };
	bool there = stat(path, &tty) == 0;
	for (int tries = 0; there && !ret->pid && tries < LOOKS; tries++)
		ret->pid = flock_holder(&tty);
	ret->owns = !ret->pid && there && is_pseudo(&tty);
	if (!ret->pid)
		ret->pid = opener(path);
	if (!ret->pid)
		return false;
	snprintf(name, sizeof(name), "/proc/%d/comm", (int)ret->pid);
	FILE *file = fopen(name, "re");
	if (file && fgets(ret->command, sizeof(ret->command), file))
		ret->command[strcspn(ret->command, "\n")] = 0;
	if (file)
		fclose(file);
	return true;
}

/* -EBUSY with as much as can be known of the other program. */
static int busy(const char *path, struct fault *fault)
{
	struct tty_holder holder;
	if (!link_tty_holder(path, &holder))
		return fault_set(
			fault, EBUSY, _("%s is in use by another program; stop it, a line has one master"), path);
	return fault_set(fault, EBUSY, _("%s is in use by %s (process %d); stop it, a line has one master"), path,
		holder.command, (int)holder.pid);
}

int link_tty_lock(const char *path, struct fault *fault)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == EBUSY)
		return busy(path, fault);
	if (fd < 0 && errno == EACCES)
		return fault_set(fault, EACCES,
			_("%s: no permission; the user of this program must be in the group of the port"), path);
	if (fd < 0)
		return fault_set(fault, errno, _("%s: %s; is the instrument plugged in?"), path, strerror(errno));
	int error = 0;
	if (!isatty(fd))
		error = fault_set(fault, ENOTTY, _("%s is not a serial port"), path);
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		error = busy(path, fault);
	if (!error)
		return fd;
	close(fd);
	return error;
}

int link_tty_exclude(int fd, const char *path, struct fault *fault)
{
	if (ioctl(fd, TIOCEXCL) == 0)
		return 0;
	return fault_set(fault, errno, _("%s: cannot be kept from other programs: %s"), path, strerror(errno));
}

/* The mark stays with the terminal as long as anybody has it open: left set, it would shut ourselves out too. */
void link_tty_admit(int fd)
{
	ioctl(fd, TIOCNXCL);
}

enum parity link_tty_parity(int fd, const struct port *port)
{
	struct stat tty;
	return fstat(fd, &tty) == 0 && is_pseudo(&tty) ? PARITY_NONE : port->parity;
}
