#include "shelf.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../drivers/fault.h"
#include "paths.h"

#define SUFFIX ".conf"

bool shelf_is_name(const char *name)
{
	return *name && !strchr(name, '/') && *name != '.';
}

bool shelf_find(const char *config_directory, const char *shelf, const char *name, char *out, size_t size)
{
	if (config_directory) {
		snprintf(out, size, "%s/%s/%s" SUFFIX, config_directory, shelf, name);
		if (access(out, F_OK) == 0)
			return true;
	}
	snprintf(out, size, "%s/%s/%s" SUFFIX, paths_data(), shelf, name);
	return access(out, F_OK) == 0;
}

static int is_on_shelf(const struct dirent *entry)
{
	const char *suffix = strrchr(entry->d_name, '.');
	return entry->d_name[0] != '.' && suffix && !strcmp(suffix, SUFFIX);
}

static void names_in(const char *directory, void (*each)(void *context, const char *name), void *context)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, is_on_shelf, alphasort);
	for (int i = 0; i < count; i++) {
		entries[i]->d_name[strlen(entries[i]->d_name) - strlen(SUFFIX)] = '\0';
		each(context, entries[i]->d_name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

void shelf_names(
	const char *config_directory, const char *shelf, void (*each)(void *context, const char *name), void *context)
{
	char directory[1024];
	if (config_directory) {
		snprintf(directory, sizeof(directory), "%s/%s", config_directory, shelf);
		names_in(directory, each, context);
	}
	snprintf(directory, sizeof(directory), "%s/%s", paths_data(), shelf);
	names_in(directory, each, context);
}

struct listed {
	char *out;
	size_t size;
};

/* As many names as there is room for. */
static void list_name(void *context, const char *name)
{
	const struct listed *listed = context;
	size_t used = strlen(listed->out);
	if (used + strlen(name) + 3 < listed->size)
		snprintf(listed->out + used, listed->size - used, "%s%s", used ? ", " : "", name);
}

char *shelf_listed(const char *config_directory, const char *shelf, char *out, size_t size)
{
	struct listed listed = { out, size };
	*out = '\0';
	shelf_names(config_directory, shelf, list_name, &listed);
	if (!*out)
		snprintf(out, size, "%s", _("none"));
	return out;
}
