#include "secrets.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "key.h"

struct owner {
	uid_t user;
	gid_t group;
};

static struct owner owner_of(const struct config *config)
{
	struct stat about;
	if (stat(config->journal.directory, &about) == 0)
		return (struct owner){ about.st_uid, about.st_gid };
	return (struct owner){ geteuid(), getegid() };
}

bool secrets_loose(const struct config *config, const char *path, struct fault *ret)
{
	struct owner owner = owner_of(config);
	struct stat about;
	if (!*path || stat(path, &about) != 0)
		return false;
	if (about.st_uid != 0 && about.st_uid != owner.user) {
		fault_set(ret, EPERM,
			_("%s belongs to user %u, who can read and change it; chown it to root, or to the user assayd runs as (%u)"),
			path, (unsigned)about.st_uid, (unsigned)owner.user);
		return true;
	}
	mode_t others = about.st_gid == owner.group ? 027 : 077; /* assayd's own group may read */
	if (!(about.st_mode & others))
		return false;
	fault_set(ret, EPERM, _("%s can be read by others, or changed by them (mode %03o); chmod 600 it"), path,
		(unsigned)(about.st_mode & 0777));
	return true;
}

static bool is_everybodys(const char *path)
{
	struct stat about;
	return stat(path, &about) == 0 && (about.st_mode & (S_IROTH | S_IWOTH));
}

void secrets_examine(const struct config *config, bool loaded,
	void (*each)(void *context, bool refused, const char *text), void *context)
{
	const struct evidence_config *evidence = &config->evidence;
	struct fault fault, told;
	if (key_check(config->journal.directory, evidence->key, (enum signature_kind)evidence->signature,
		    owner_of(config).user, &fault) != 0)
		each(context, true, fault.text);
	for (size_t i = 0; i < config->target_count; i++) {
		const struct target_config *target = &config->targets[i];
		const char *const paths[] = { target->client_key, target->password_file };
		for (size_t k = 0; k < 2; k++)
			if (!(loaded && is_everybodys(paths[k])) && secrets_loose(config, paths[k], &fault)) {
				fault_set(&told, EPERM, _("target %s: %s"), target->name, fault.text);
				each(context, false, told.text);
			}
	}
}
