#include "paths.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The directory of the running program when it was started from a build tree (config/ lies beside it), else "".
 */
static const char *build_directory(void)
{
	static char directory[PATH_MAX - 64];
	static int known;
	if (known++)
		return directory;
	ssize_t length = readlink("/proc/self/exe", directory, sizeof(directory) - 1);
	directory[length > 0 ? length : 0] = '\0';
	char *slash = strrchr(directory, '/');
	if (slash)
		*slash = '\0';
	char probe[PATH_MAX];
	snprintf(probe, sizeof(probe), "%s/../config/items.csv", directory);
	if (access(probe, R_OK) != 0)
		directory[0] = '\0';
	return directory;
}

static const char *first_of(const char *list)
{
	static char first[2][PATH_MAX];
	static int next;
	char *out = first[next++ % 2]; /* systemd separates several directories by colons */
	snprintf(out, PATH_MAX, "%.*s", (int)strcspn(list, ":"), list);
	return out;
}

const char *paths_data(void)
{
	static char path[PATH_MAX];
	const char *given = getenv("ASSAYD_DATADIR");
	if (given)
		return given;
	if (!build_directory()[0])
		return ASSAYD_DATADIR;
	snprintf(path, sizeof(path), "%s/../config", build_directory());
	return path;
}

const char *paths_locale(void)
{
	static char path[PATH_MAX];
	if (!build_directory()[0])
		return ASSAYD_LOCALEDIR;
	snprintf(path, sizeof(path), "%s/locale", build_directory());
	return path;
}

const char *paths_state(void)
{
	static const char *path;
	const char *given = getenv("STATE_DIRECTORY");
	if (!path)
		path = given ? first_of(given) : "/var/lib/assayd";
	return path;
}

const char *paths_runtime(void)
{
	static const char *path;
	const char *given = getenv("RUNTIME_DIRECTORY");
	if (!path)
		path = given ? first_of(given) : "/run/assayd";
	return path;
}
