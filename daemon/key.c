#include "key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_BYTES_MAX = 8192, KEY_PATH_MAX = 600 };

/* systemd guards the credentials' directory itself and may give the file to the daemon by an access list. */
static int check_guarded(const char *path, const struct stat *about, bool credential, uid_t user, struct fault *fault)
{
	if (!S_ISREG(about->st_mode))
		return fault_set(fault, EINVAL, _("%s: is no file; it must be the station's signing key"), path);
	if (credential)
		return 0;
	if (about->st_mode & 077)
		return fault_set(fault, EPERM,
			_("%s: the station's signing key can be read by others (mode %03o); whoever read it can forge seals: "
			  "chmod 600 it if nobody did, else move it away so that a new one is made, and tell the county"),
			path, (unsigned)(about->st_mode & 0777));
	if (about->st_uid != user)
		return fault_set(fault, EPERM,
			_("%s: the station's signing key belongs to user %u, not to the user assayd runs as (%u); chown it"),
			path, (unsigned)about->st_uid, (unsigned)user);
	return 0;
}

static int read_pem(int fd, const char *path, struct signature_key **ret, struct fault *fault)
{
	char pem[KEY_BYTES_MAX];
	struct fault why = { "" };
	size_t used = 0;
	ssize_t got = 1;
	while (used < sizeof(pem) && (got = read(fd, pem + used, sizeof(pem) - used)) > 0)
		used += (size_t)got;
	int error = got < 0 ? -errno : signature_key_read(pem, used, true, ret, &why);
	explicit_bzero(pem, sizeof(pem));
	if (got < 0)
		return fault_set(
			fault, -error, _("%s: the station's signing key cannot be read (%s)"), path, strerror(-error));
	if (error)
		return fault_set(fault, -error,
			_("%s: is no signing key: %s; restore it from a backup, or move it away so that a new one is made, and "
			  "tell the county"),
			path, why.text);
	return 0;
}

static int load(const char *path, bool credential, uid_t user, struct signature_key **ret, struct fault *fault)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		int error = errno;
		return fault_set(
			fault, error, _("%s: the station's signing key cannot be opened (%s)"), path, strerror(error));
	}
	struct stat about;
	int error = fstat(fd, &about) ? fault_set(fault, errno, "%s: %s", path, strerror(errno))
	                              : check_guarded(path, &about, credential, user, fault);
	if (!error)
		error = read_pem(fd, path, ret, fault);
	close(fd);
	return error;
}

static int write_all(int fd, const char *data, size_t length)
{
	while (length) {
		ssize_t written = write(fd, data, length);
		if (written < 0)
			return -errno;
		data += written;
		length -= (size_t)written;
	}
	return fsync(fd) ? -errno : 0;
}

static int sync_directory(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int error = fsync(fd) ? -errno : 0;
	close(fd);
	return error;
}

/* Whole and synced under another name before it gets its own: a power cut leaves a key or none. */
static int save(const char *directory, const char *path, const struct signature_key *key, struct fault *fault)
{
	char fresh[KEY_PATH_MAX + 8];
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	unlink(fresh); /* of a start that was cut off: nothing was signed with it */
	int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int error = fd < 0 ? -errno : 0;
	if (fd >= 0) {
		char *pem = signature_key_pem(key, true);
		error = write_all(fd, pem, strlen(pem));
		explicit_bzero(pem, strlen(pem));
		free(pem);
		close(fd);
	}
	if (!error && rename(fresh, path) != 0)
		error = -errno;
	if (!error)
		error = sync_directory(directory);
	return error ? fault_set(fault, -error, _("%s: the station's signing key cannot be written (%s)"), path,
			       strerror(-error))
	             : 0;
}

static int make(const char *directory, const char *path, enum signature_kind kind, struct signature_key **ret,
	struct fault *fault)
{
	struct signature_key *key;
	int error = signature_key_make(kind, &key, fault);
	if (error)
		return error;
	error = save(directory, path, key, fault);
	if (error) {
		signature_key_free(key);
		return error;
	}
	*ret = key;
	return 0;
}

struct place {
	char path[KEY_PATH_MAX];
	bool credential, given;
};

static struct place place_of(const char *directory, const char *given, enum signature_kind kind)
{
	struct place place = { .given = *given };
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");
	if (*given && !strchr(given, '/') && credentials)
		snprintf(place.path, sizeof(place.path), "%s/%s", credentials, given);
	else if (*given)
		snprintf(place.path, sizeof(place.path), "%s", given);
	else
		snprintf(place.path, sizeof(place.path), "%s/seal-%s.key", directory,
			kind == SIGNATURE_SM2 ? "sm2" : "ed25519");
	place.credential = *given && credentials && strncmp(place.path, credentials, strlen(credentials)) == 0;
	return place;
}

int key_open(const char *directory, const char *given, enum signature_kind kind, struct signature_key **ret,
	struct fault *fault)
{
	struct place place = place_of(directory, given, kind);
	if (!place.given && access(place.path, F_OK) != 0 && errno == ENOENT)
		return make(directory, place.path, kind, ret, fault);
	return load(place.path, place.credential, geteuid(), ret, fault);
}

int key_check(const char *directory, const char *given, enum signature_kind kind, uid_t user, struct fault *fault)
{
	struct place place = place_of(directory, given, kind);
	struct signature_key *key = NULL;
	struct stat about;
	if (stat(place.path, &about) != 0 || (place.given && !strchr(place.path, '/')))
		return 0; /* it is to be made, or a credential, or what is wrong with it the setting's own check says */
	int error = check_guarded(place.path, &about, place.credential, user, fault);
	if (error || access(place.path, R_OK) != 0)
		return error;
	error = load(place.path, place.credential, user, &key, fault);
	if (!error)
		signature_key_free(key);
	return error;
}
