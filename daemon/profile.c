#include "profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ini.h"
#include "shelf.h"

static void section_name(const struct ini_section *section, char *out, size_t size)
{
	snprintf(out, size, "%s%s%s", section->word, *section->name ? " " : "", section->name);
}

/* Gives one entry to the driver; its fault gets the place of the value. */
static void give_entry(const struct ini *ini, const struct ini_section *section, const struct ini_entry *entry,
	const struct driver *driver, void *profile, struct fault *before, struct faults *faults)
{
	char name[256];
	section_name(section, name, sizeof(name));
	struct fault fault = { "" };
	if (driver->profiles->entry(profile, name, entry->key, entry->value, &fault) == 0)
		return;
	if (!strcmp(before->text, fault.text)) /* a misspelt section is one fault, not one for each of its lines */
		return;
	*before = fault;
	ini_fault(ini, faults, FAULTS_ERROR, entry->line, entry->value_column, "%s", fault.text);
}

/* The one entry with whose key the sentence begins ("channel: ..."), or NULL. */
static const struct ini_entry *named_entry(const struct ini *ini, const char *text)
{
	const struct ini_entry *found = NULL;
	size_t length = strcspn(text, ": ");
	for (size_t i = 0; i < ini->count; i++)
		for (size_t k = 0; k < ini->sections[i].count; k++) {
			const struct ini_entry *entry = &ini->sections[i].entries[k];
			if (text[length] != ':' || strlen(entry->key) != length ||
				strncmp(entry->key, text, length) != 0)
				continue;
			if (found)
				return NULL;
			found = entry;
		}
	return found;
}

/* What is wrong with the whole stands at the entry that its sentence begins with, else at the first [section] of those
 * it names that there is. */
static void whole_fault(const struct ini *ini, const char *text, struct faults *faults)
{
	const struct ini_entry *entry = named_entry(ini, text);
	if (entry) {
		ini_fault(ini, faults, FAULTS_ERROR, entry->line, entry->value_column, "%s", text);
		return;
	}
	char name[256];
	const struct ini_section *section = NULL;
	for (const char *at = strchr(text, '['); at && !section; at = strchr(at + 1, '['))
		for (size_t i = 0; i < ini->count && !section; i++) {
			section_name(&ini->sections[i], name, sizeof(name));
			size_t length = strlen(name);
			if (length && !strncmp(at + 1, name, length) && at[1 + length] == ']')
				section = &ini->sections[i];
		}
	ini_fault(ini, faults, FAULTS_ERROR, section ? section->line : 0, section ? section->column : 0, "%s", text);
}

int profile_read(const char *path, const struct driver *driver, void **ret, struct faults *faults)
{
	*ret = NULL;
	size_t errors_before = faults->errors;
	if (!driver->profiles) {
		faults_add(faults, FAULTS_ERROR, path, 0, 0, NULL,
			_("driver %s takes no profile; leave the profile out"), driver->name);
		return -EINVAL;
	}
	struct ini *ini;
	int result = ini_read(path, &ini, faults);
	if (!ini)
		return result;
	void *profile = calloc(1, driver->profiles->size);
	if (!profile)
		abort();
	for (size_t i = 0; i < ini->count; i++) {
		struct fault before = { "" };
		for (size_t k = 0; k < ini->sections[i].count; k++)
			give_entry(
				ini, &ini->sections[i], &ini->sections[i].entries[k], driver, profile, &before, faults);
	}
	struct fault fault = { "" };
	if (faults->errors == errors_before && driver->profiles->finish &&
		driver->profiles->finish(profile, &fault) != 0)
		whole_fault(ini, fault.text, faults);
	ini_free(ini);
	if (faults->errors > errors_before) {
		free(profile);
		return -EINVAL;
	}
	*ret = profile;
	return 0;
}

int profile_find(const char *config_directory, const char *name, char *out, size_t size, struct fault *fault)
{
	if (!shelf_is_name(name))
		return fault_set(fault, EINVAL,
			_("'%s' is no profile's name; a profile is named without directory and without .conf"), name);
	if (shelf_find(config_directory, "profiles", name, out, size))
		return 0;
	char known[320];
	return fault_set(fault, ENOENT, _("there is no profile '%s'; known are: %s"), name,
		shelf_listed(config_directory, "profiles", known, sizeof(known)));
}

void profile_names(const char *config_directory, void (*each)(void *context, const char *name), void *context)
{
	shelf_names(config_directory, "profiles", each, context);
}
