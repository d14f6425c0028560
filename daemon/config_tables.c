/* The tables people keep in a spreadsheet, read beside the sections, and what only shows when all are there. */
#include <stdio.h>
#include <unistd.h>

#include "config_parts.h"
#include "items.h"
#include "operators.h"
#include "paths.h"
#include "spellings.h"

/* The station's own tables; without them the shipped ones. Shipped limits only belong to shipped items. */
static void load_items(struct config *config, const char *directory, struct faults *faults)
{
	char path[CONFIG_PATH_MAX + 4096];
	snprintf(path, sizeof(path), "%s/items.csv", directory);
	bool own_items = access(path, F_OK) == 0;
	if (!own_items)
		snprintf(path, sizeof(path), "%s/items.csv", paths_data());
	items_load(path, &config->items, faults);
	snprintf(path, sizeof(path), "%s/limits.csv", directory);
	if (!own_items && access(path, F_OK) != 0)
		snprintf(path, sizeof(path), "%s/limits.csv", paths_data());
	if (config->items)
		items_load_limits(path, config->items, faults);
}

static bool is_instrument(const struct config *config, const char *word)
{
	for (size_t i = 0; i < config->instrument_count; i++)
		if (spelling_same(config->instruments[i].id, word))
			return true;
	return false;
}

static bool is_tested(const struct config *config, const struct operator* person, const char *word)
{
	struct operator alone = * person;
	alone.trained = (char *)(uintptr_t)word;
	for (size_t i = 0; i < items_count(config->items); i++) {
		const struct item *item = items_at(config->items, i);
		const struct training test = { config->items, item, item->method, "" };
		if (operator_trained(&alone, &test))
			return true;
	}
	return is_instrument(config, word);
}

/* A word nobody knows is no fault, it may be of an instrument to come; but it is usually a slip, and then every test of
 * this person would be flagged. */
static void check_training(const struct config *config, const char *path, struct faults *faults)
{
	char word[SPELLING_MAX];
	for (size_t i = 0; i < operators_count(config->operators); i++) {
		const struct operator* person = operators_at(config->operators, i);
		for (const char *at = person->trained; spelling_next(&at, word);)
			if (!is_tested(config, person, word))
				faults_add(faults, FAULTS_WARNING, path, person->line, 0, NULL,
					_("trained_on \"%s\" is no item or method of items.csv and no instrument; write "
					  "one that is, separated by ;"),
					word);
	}
}

void config_load_tables(struct config *config, const char *directory, struct faults *faults)
{
	char path[CONFIG_PATH_MAX + 64];
	load_items(config, directory, faults);
	snprintf(path, sizeof(path), "%s/operators.csv", directory);
	if (access(path, F_OK) == 0)
		operators_load(path, &config->operators, faults);
	if (config->operators && config->items)
		check_training(config, path, faults);
}
