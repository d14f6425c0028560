/* The tables people keep in a spreadsheet, read beside the sections, and what only shows when all are there. */
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "commodities.h"
#include "config_parts.h"
#include "items.h"
#include "lots.h"
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

static bool is_item(const struct config *config, const char *word)
{
	for (size_t i = 0; i < items_count(config->items); i++)
		if (items_means(config->items, word, items_at(config->items, i)))
			return true;
	return false;
}

static bool is_method(const struct config *config, const char *word)
{
	for (size_t i = 0; i < items_count(config->items); i++)
		if (spelling_same(items_at(config->items, i)->method, word))
			return true;
	return false;
}

/* A word nobody knows is no fault, it may be of an instrument to come; but it is usually a slip, and then every test of
 * this person would be flagged. */
static void check_training(const struct config *config, const char *path, struct faults *faults)
{
	char word[SPELLING_MAX];
	for (size_t i = 0; i < operators_count(config->operators); i++) {
		const struct operator* person = operators_at(config->operators, i);
		for (const char *at = person->trained; spelling_next(&at, word);)
			if (!is_item(config, word) && !is_method(config, word) && !is_instrument(config, word))
				faults_add(faults, FAULTS_WARNING, path, person->line, 0, NULL,
					_("trained_on \"%s\" is no item or method of items.csv and no instrument; write "
					  "one that is, separated by ;"),
					word);
	}
}

/* Of a lot that is still in use: what was used up may well have expired. */
static void check_expiry(const struct lot_table *lots, const struct lot *lot, const char *path, struct faults *faults)
{
	char today[CLOCK_TEXT_MAX];
	clock_text(today, clock_wall_ms());
	if (*lot->expires && day_difference(today, lot->expires) < 0 && !lots_replaced(lots, lot, today))
		faults_add(faults, FAULTS_WARNING, path, lot->line, 0, NULL,
			_("lot %s expired on %s, and no later one is written down: tests with it are flagged lot_expired; "
			  "add the row of the new lot"),
			lot->number, lot->expires);
}

static void check_lots(const struct config *config, const char *path, struct faults *faults)
{
	char word[SPELLING_MAX];
	for (size_t i = 0; i < lots_count(config->lots); i++) {
		const struct lot *lot = lots_at(config->lots, i);
		check_expiry(config->lots, lot, path, faults);
		for (const char *at = lot->instruments; spelling_next(&at, word);)
			if (!is_instrument(config, word))
				faults_add(faults, FAULTS_WARNING, path, lot->line, 0, NULL,
					_("there is no instrument '%s', so nothing is tested with this lot there; write the "
					  "name of its [instrument] section"),
					word);
		for (const char *at = lot->items; spelling_next(&at, word);)
			if (!is_item(config, word))
				faults_add(faults, FAULTS_WARNING, path, lot->line, 0, NULL,
					_("\"%s\" is no item of items.csv, so nothing is tested for it with this lot; write "
					  "a code or name that is there"),
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
	snprintf(path, sizeof(path), "%s/commodities.csv", directory);
	if (access(path, F_OK) == 0)
		commodities_load(path, &config->commodities, faults);
	snprintf(path, sizeof(path), "%s/lots.csv", directory);
	if (access(path, F_OK) == 0)
		lots_load(path, config->items, &config->lots, faults);
	if (config->lots && config->items)
		check_lots(config, path, faults);
}
