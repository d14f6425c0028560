#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commodities.h"
#include "config_parts.h"
#include "config_rules.h"
#include "config_sections.h"
#include "items.h"
#include "log.h"
#include "lots.h"
#include "operators.h"
#include "paths.h"
#include "settings.h"
#include "settings_words.h"

struct origin { /* where a section was read */
	const struct ini *ini;
	const struct ini_section *section;
};

struct loader {
	struct config *config;
	struct faults *faults;
	struct ini **files;
	size_t file_count;
	struct origin *origins; /* of sections taken */
	size_t origin_count;
	struct config_place *instruments; /* places of config->instruments, in the same order */
	struct config_place station;      /* ini NULL: not there yet */
	struct config_place samples;      /* the same */
};

void *config_need(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

void config_fault(const struct config_place *place, enum faults_weight weight, const char *key, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text;
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	const struct ini_entry *entry = key ? ini_find(place->section, key) : NULL;
	ini_fault(place->ini, place->faults, weight, entry ? entry->line : place->section->line,
		entry ? entry->value_column : place->section->column, "%s", text);
	free(text);
}

/* --- sections ---------------------------------------------------------------------------------------------------- */

/* The same section in two files; twice in one file is the INI reader's to tell. */
static bool is_second(struct loader *loader, const struct config_place *place)
{
	const struct ini_section *section = place->section;
	for (size_t i = 0; i < loader->origin_count; i++) {
		const struct origin *other = &loader->origins[i];
		if (strcmp(other->section->word, section->word) != 0 ||
			strcmp(other->section->name, section->name) != 0)
			continue;
		if (other->ini != place->ini)
			config_fault(place, FAULTS_ERROR, NULL,
				_("section [%s%s%s] stands also at %s:%d; give one of the two another name"),
				section->word, *section->name ? " " : "", section->name, other->ini->path,
				other->section->line);
		return true;
	}
	loader->origins =
		config_need(reallocarray(loader->origins, loader->origin_count + 1, sizeof(*loader->origins)));
	loader->origins[loader->origin_count++] = (struct origin){ place->ini, section };
	return false;
}

static size_t read_simple(const struct config_place *place, const char *word, void *into)
{
	struct settings_table table = { config_section_find(word)->rows, into };
	return settings_read(place->ini, place->section, &table, 1, false, place->faults);
}

static void take_station(struct loader *loader, const struct config_place *place)
{
	loader->station = *place;
	read_simple(place, "station", &loader->config->station);
	config_check_station(place, &loader->config->station);
}

static void take_samples(struct loader *loader, const struct config_place *place)
{
	loader->samples = *place;
	read_simple(place, "samples", &loader->config->samples);
}

static void take_journal(struct loader *loader, const struct config_place *place)
{
	struct journal_rows rows = { 0 };
	read_simple(place, "journal", &rows);
	if (*rows.directory)
		strcpy(loader->config->journal.directory, rows.directory);
	loader->config->journal.retention_ms = rows.retention_ms;
	loader->config->journal.reserve_mib = rows.reserve_mib;
}

static void take_target(struct loader *loader, const struct config_place *place)
{
	struct config *config = loader->config;
	config->targets =
		config_need(reallocarray(config->targets, config->target_count + 1, sizeof(*config->targets)));
	struct target_config *target = &config->targets[config->target_count];
	*target = (struct target_config){ 0 };
	if (config_read_target(place, target) == 0) {
		config_check_client(place, config, target);
		config->target_count++;
	}
}

static void take_instrument(struct loader *loader, const struct config_place *place)
{
	struct config *config = loader->config;
	size_t count = config->instrument_count;
	config->instruments = config_need(reallocarray(config->instruments, count + 1, sizeof(*config->instruments)));
	loader->instruments = config_need(reallocarray(loader->instruments, count + 1, sizeof(*loader->instruments)));
	struct instrument_config *instrument = &config->instruments[count];
	*instrument = (struct instrument_config){ 0 };
	if (config_read_instrument(place, config, instrument) == 0) {
		loader->instruments[count] = *place;
		config->instrument_count++;
	} else {
		free(instrument->options);
	}
}

static void take_known(struct loader *loader, const struct config_place *place)
{
	const char *word = place->section->word;
	if (!strcmp(word, "station"))
		take_station(loader, place);
	else if (!strcmp(word, "journal"))
		take_journal(loader, place);
	else if (!strcmp(word, "evidence"))
		read_simple(place, word, &loader->config->evidence);
	else if (!strcmp(word, "samples"))
		take_samples(loader, place);
	else if (!strcmp(word, "target"))
		take_target(loader, place);
	else if (!strcmp(word, "instrument"))
		take_instrument(loader, place);
	else if (!strcmp(word, "control")) {
		struct control_rows rows = { "" };
		if (read_simple(place, word, &rows) == 0 && *rows.socket)
			strcpy(loader->config->control_socket, rows.socket);
	} else if (!strcmp(word, "log")) {
		struct log_rows rows = { 0 };
		read_simple(place, word, &rows);
		loader->config->log_level = (int)LOG_LEVEL_ERROR + rows.level;
	}
}

static void unknown_section(const struct config_place *place)
{
	char words[256] = "", nearest[64], known[256];
	for (const struct config_section *section = config_sections; section->word; section++) {
		size_t used = strlen(words);
		snprintf(words + used, sizeof(words) - used, "%s%s", used ? "|" : "", section->word);
	}
	if (words_nearest(place->section->word, words, nearest, sizeof(nearest)))
		config_fault(place, FAULTS_ERROR, NULL, _("there is no section [%s]; did you mean [%s]?"),
			place->section->word, nearest);
	else
		config_fault(place, FAULTS_ERROR, NULL, _("there is no section [%s]; there are %s"),
			place->section->word, words_listed(words, known, sizeof(known)));
}

static bool name_is_right(const struct config_place *place, const struct config_section *known)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	const char *name = place->section->name;
	if (!known->name && *name)
		config_fault(
			place, FAULTS_ERROR, NULL, _("section [%s] takes no name; leave '%s' out"), known->word, name);
	else if (known->name && !*name)
		config_fault(place, FAULTS_ERROR, NULL, _("this [%s] has no name; write one, such as [%s %s]"),
			known->word, known->word, known->name);
	else if (name[strspn(name, letters)])
		config_fault(place, FAULTS_ERROR, NULL,
			_("the name '%s' holds something else than letters A-Z, digits, . _ and -; names go into topics: write one such "
			  "as %s"),
			name, known->name);
	else if (strlen(name) >= CONFIG_NAME_MAX)
		config_fault(place, FAULTS_ERROR, NULL, _("the name '%s' is too long; shorten it to %d letters"), name,
			CONFIG_NAME_MAX - 1);
	else
		return true;
	return false;
}

static void take_section(struct loader *loader, const struct config_place *place, bool drop_in)
{
	const struct config_section *known = config_section_find(place->section->word);
	if (!known) {
		if (*place->section->word)
			unknown_section(place);
		return;
	}
	if (drop_in && strcmp(known->word, "instrument") != 0) {
		config_fault(place, FAULTS_ERROR, NULL,
			_("a file in instruments.d holds [instrument ...] sections only; move [%s] to assayd.conf"),
			known->word);
		return;
	}
	name_is_right(place, known); /* the settings are checked all the same, so that one run tells everything */
	if (!is_second(loader, place) || known->name)
		take_known(loader, place);
}

/* --- files ----------------------------------------------------------------------------------------------------------
 */

static void load_file(struct loader *loader, const char *path, bool drop_in)
{
	struct ini *ini;
	ini_read(path, &ini, loader->faults);
	if (!ini)
		return;
	loader->files = config_need(reallocarray(loader->files, loader->file_count + 1, sizeof(struct ini *)));
	loader->files[loader->file_count++] = ini;
	for (size_t i = 0; i < ini->count; i++) {
		struct config_place place = { ini, &ini->sections[i], loader->faults };
		take_section(loader, &place, drop_in);
	}
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && !strchr(entry->d_name, '~');
}

static void load_drop_ins(struct loader *loader, const char *directory)
{
	char folder[CONFIG_PATH_MAX + 32], path[2 * CONFIG_PATH_MAX + 64];
	snprintf(folder, sizeof(folder), "%s/instruments.d", directory);
	struct dirent **entries;
	int count = scandir(folder, &entries, is_visible, alphasort);
	if (count < 0 && errno != ENOENT)
		faults_add(loader->faults, FAULTS_ERROR, folder, 0, 0, NULL,
			_("this folder cannot be read: %s; make it a folder that assayd may read"), strerror(errno));
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		const char *suffix = strrchr(entries[i]->d_name, '.');
		if (suffix && !strcmp(suffix, ".conf"))
			load_file(loader, path, true);
		else
			faults_add(loader->faults, FAULTS_WARNING, path, 0, 0, NULL,
				_("this file is not read, because its name does not end in .conf; rename or remove it"));
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

/* --- the whole -------------------------------------------------------------------------------------------------------
 */

/* A socket's name has 108 bytes, whatever directory it lies in: cut, it would be another socket. */
static void default_socket(struct config *config, struct faults *faults)
{
	int length = snprintf(config->control_socket, sizeof(config->control_socket), "%s/control", paths_runtime());
	if (length >= (int)sizeof(config->control_socket))
		faults_add(faults, FAULTS_ERROR, paths_runtime(), 0, 0, NULL,
			_("the runtime directory's path is too long for a socket; use one of %zu bytes at most"),
			sizeof(config->control_socket) - sizeof("/control"));
}

static struct config *new_config(const char *directory)
{
	struct config *config = config_need(calloc(1, sizeof(*config)));
	config->holders = 1;
	snprintf(config->directory, sizeof(config->directory), "%s", directory);
	snprintf(config->journal.directory, sizeof(config->journal.directory), "%s", paths_state());
	struct journal_rows journal = { 0 };
	settings_defaults(&(struct settings_table){ config_section_find("journal")->rows, &journal });
	config->journal.retention_ms = journal.retention_ms;
	config->journal.reserve_mib = journal.reserve_mib;
	struct log_rows logging = { 0 };
	settings_defaults(&(struct settings_table){ config_section_find("log")->rows, &logging });
	settings_defaults(&(struct settings_table){ config_section_find("samples")->rows, &config->samples });
	config->log_level = (int)LOG_LEVEL_ERROR + logging.level;
	return config;
}

/* An item nobody knows is no fault, its results are published flagged; but it is usually a slip. */
static void check_item(const struct loader *loader, size_t index)
{
	const struct instrument_config *instrument = &loader->config->instruments[index];
	const char *const scopes[] = { instrument->profile_name, NULL };
	if (*instrument->item && loader->config->items &&
		!items_find(loader->config->items, instrument->item, instrument->basis, scopes))
		config_fault(&loader->instruments[index], FAULTS_WARNING, "item",
			_("item %s is not in items.csv, its results will be flagged unmapped_item; write a code that is there"),
			instrument->item);
}

/* The sections may stand in any order. */
static void spread_identity(struct config *config)
{
	static const char *const words[] = { "mask", "refuse", "keep" };
	for (size_t i = 0; i < config->instrument_count; i++) {
		struct instrument_config *instrument = &config->instruments[i];
		instrument->identity = (enum identity_rule)config->samples.identity;
		size_t used = strlen(instrument->definition);
		if (instrument->driver && instrument->driver->scans)
			snprintf(instrument->definition + used, sizeof(instrument->definition) - used, "-%s",
				words[instrument->identity]);
	}
}

static void check_whole(struct loader *loader, const char *main_path)
{
	const struct config *config = loader->config;
	for (size_t i = 0; i < config->instrument_count; i++) {
		check_item(loader, i);
		config_check_naming(&loader->instruments[i], config, &config->instruments[i]);
		config_check_calibration(&loader->instruments[i], &config->instruments[i]);
		for (size_t k = 0; k < i; k++)
			config_check_shared_port(&loader->instruments[i], &config->instruments[i],
				&loader->instruments[k], &config->instruments[k]);
	}
	if (loader->samples.ini)
		config_check_holds(&loader->samples, config);
	bool read_main = loader->file_count > 0 && !strcmp(loader->files[0]->path, main_path);
	if (read_main && !loader->station.ini)
		faults_add(loader->faults, FAULTS_ERROR, main_path, 0, 0, NULL,
			_("there is no [station] section; add one with the lines code = ... and county = ..."));
	if (loader->faults->errors)
		return; /* what is missing may only be misspelt */
	if (!config->instrument_count)
		faults_add(loader->faults, FAULTS_WARNING, main_path, 0, 0, NULL,
			_("no instrument is configured; add an [instrument ...] section with its driver and port"));
	if (!config->target_count)
		faults_add(loader->faults, FAULTS_WARNING, main_path, 0, 0, NULL,
			_("no target is configured, records are only kept; add a [target ...] section to send them"));
}

static void free_loader(struct loader *loader)
{
	for (size_t i = 0; i < loader->file_count; i++)
		ini_free(loader->files[i]);
	free(loader->files);
	free(loader->origins);
	free(loader->instruments);
}

int config_load(const char *directory, struct config **ret, struct faults *faults)
{
	*ret = NULL;
	if (strlen(directory) > CONFIG_PATH_MAX - 16) {
		faults_add(faults, FAULTS_ERROR, directory, 0, 0, NULL,
			_("this path is too long; use one of 239 bytes at most"));
		return -EINVAL;
	}
	size_t before = faults->errors;
	struct loader loader = { .config = new_config(directory), .faults = faults };
	char path[CONFIG_PATH_MAX + 32];
	snprintf(path, sizeof(path), "%s/assayd.conf", directory);
	load_file(&loader, path, false);
	load_drop_ins(&loader, directory);
	config_load_tables(loader.config, directory, faults);
	if (!*loader.config->control_socket)
		default_socket(loader.config, faults);
	spread_identity(loader.config);
	check_whole(&loader, path);
	free_loader(&loader);
	if (faults->errors > before) {
		config_release(loader.config);
		return -EINVAL;
	}
	*ret = loader.config;
	return 0;
}

bool config_next_name(const char **list, char out[static CONFIG_NAME_MAX])
{
	const char *at = *list + strspn(*list, ", ");
	size_t length = strcspn(at, ", ");
	snprintf(out, CONFIG_NAME_MAX, "%.*s", (int)length, at);
	*list = at + length;
	return length > 0;
}

struct config *config_hold(struct config *config)
{
	__atomic_add_fetch(&config->holders, 1, __ATOMIC_RELAXED);
	return config;
}

void config_release(struct config *config)
{
	if (!config || __atomic_sub_fetch(&config->holders, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < config->instrument_count; i++)
		free(config->instruments[i].options);
	for (size_t i = 0; i < config->profile_count; i++)
		free(config->profiles[i].profile);
	free(config->profiles);
	free(config->instruments);
	free(config->targets);
	items_free(config->items);
	operators_free(config->operators);
	commodities_free(config->commodities);
	lots_free(config->lots);
	free(config);
}
