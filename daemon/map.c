#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "map_parts.h"
#include "settings.h"
#include "settings_words.h"
#include "shelf.h"

/* What they are for says assayd-map(5). */
#define ROW(key, type, member, most, choices, standard, sample)                                                        \
	{                                                                                                              \
		key, type, offsetof(struct map_settings, member), 0, most, choices, standard, sample, NULL             \
	}
#define TEXT(key, member, sample)                                                                                      \
	ROW(key, SETTING_TEXT, member, (int64_t)sizeof(((struct map_settings *)0)->member) - 1, NULL, "", sample)

static const struct setting settings[] = {
	TEXT("title", title, "Shaoxing Yuecheng 2018"),
	TEXT("source", source, "interface document V1.104, 2016"),
	ROW("format", SETTING_CHOICE, format, 0, "json|jsonl|xml|csv", NULL, "json"),
	ROW("encoding", SETTING_CHOICE, encoding, 0, "utf-8|gb18030", "utf-8", NULL),
	ROW("batch", SETTING_INTEGER, batch, 100000, NULL, "0", "50"),
	ROW("superseded", SETTING_CHOICE, superseded, 0, "last|all", "last", NULL),
	TEXT("only-kinds", filter.kinds, "sample"),
	TEXT("only-items", filter.items, "PR-OPCB VD-*"),
	TEXT("only-verdicts", filter.verdicts, "negative positive"),
	TEXT("only-origins", filter.origins, "浙江省"),
	TEXT("only-tags", filter.tags, "summit-depot"),
	{ .name = NULL },
};

#define SECTIONS "map|envelope|field|table|tables|given"

int map_find(const char *config_directory, const char *name, char *out, size_t size, struct fault *fault)
{
	char known[320];
	if (strchr(name, '/')) {
		snprintf(out, size, "%s", name);
		return 0;
	}
	if (shelf_is_name(name) && shelf_find(config_directory, "maps", name, out, size))
		return 0;
	return fault_set(fault, ENOENT, _("there is no map '%s'; known are: %s; a file elsewhere is named with its /"),
		name, shelf_listed(config_directory, "maps", known, sizeof(known)));
}

/* ---- reading ---- */

struct reading_map {
	struct map *map;
	struct faults *faults;
};

static void complain(const struct reading_map *reading, int line, int column, const char *text)
{
	ini_fault(reading->map->ini, reading->faults, FAULTS_ERROR, line, column, "%s", text);
}

static const struct ini_section *find_section(const struct map *map, const char *word)
{
	for (size_t i = 0; i < map->ini->count; i++)
		if (strcmp(map->ini->sections[i].word, word) == 0 && !*map->ini->sections[i].name)
			return &map->ini->sections[i];
	return NULL;
}

static void check_sections(const struct reading_map *reading)
{
	for (size_t i = 0; i < reading->map->ini->count; i++) {
		const struct ini_section *section = &reading->map->ini->sections[i];
		char nearest[32], text[512], known[128];
		bool table = strcmp(section->word, "table") == 0;
		if (words_index(SECTIONS, section->word) < 0 &&
			words_nearest(section->word, SECTIONS, nearest, sizeof(nearest)))
			snprintf(text, sizeof(text), _("a map has no section [%s]; did you mean [%s]?"), section->word,
				nearest);
		else if (words_index(SECTIONS, section->word) < 0)
			snprintf(text, sizeof(text), _("a map has no section [%s]; it has %s"), section->word,
				words_listed(SECTIONS, known, sizeof(known)));
		else if (table && !*section->name)
			snprintf(text, sizeof(text), _("this table has no name; write [table NAME]"));
		else if (!table && *section->name)
			snprintf(text, sizeof(text), _("[%s] has no name; write [%s]"), section->word, section->word);
		else
			continue;
		complain(reading, section->line, section->column, text);
	}
}

static void read_settings(const struct reading_map *reading)
{
	struct map *map = reading->map;
	struct settings_table table = { settings, &map->settings };
	const struct ini_section *section = find_section(map, "map");
	if (section)
		settings_read(map->ini, section, &table, 1, false, reading->faults);
	else
		complain(reading, 0, 0, _("there is no [map] section; begin with [map] and format = json"));
	struct filter *filter = &map->settings.filter;
	if (!*filter->kinds)
		strcpy(filter->kinds, "sample");
}

static void check_words(const struct reading_map *reading, const char *key, const char *list, const char *known)
{
	const struct ini_section *section = find_section(reading->map, "map");
	const struct ini_entry *entry = section ? ini_find(section, key) : NULL;
	char word[80], all[160], text[400];
	for (const char *at = list + strspn(list, " "); entry && *at; at += strspn(at, " ")) {
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(at, " "), at);
		at += strcspn(at, " ");
		if (words_index(known, word) >= 0)
			continue;
		snprintf(text, sizeof(text), _("%s: '%s' is unknown; known are %s"), key, word,
			words_listed(known, all, sizeof(all)));
		complain(reading, entry->line, entry->value_column, text);
	}
}

static void read_given(const struct reading_map *reading)
{
	struct map *map = reading->map;
	const struct ini_section *section = find_section(map, "given");
	if (!section || !section->count)
		return;
	map->given = calloc(section->count, sizeof(*map->given));
	if (!map->given)
		abort();
	for (size_t i = 0; i < section->count; i++) {
		char *value = strdup(section->entries[i].value);
		if (!value)
			abort();
		map->given[map->given_count++] = (struct map_given){ section->entries[i].key, value };
	}
}

static void read_table_file(const struct reading_map *reading, struct map_table *table, const struct ini_entry *entry)
{
	char *path = NULL, text[512];
	table->name = entry->key;
	if (!*entry->value || strchr(entry->value, '/')) {
		snprintf(text, sizeof(text), _("'%s' is no file beside the map; write its name, such as items.csv"),
			entry->value);
		complain(reading, entry->line, entry->value_column, text);
		return;
	}
	if (asprintf(&path, "%s%s", reading->map->directory, entry->value) < 0)
		abort();
	map_table_file(table, path, reading->faults);
	free(path);
}

static void read_tables(const struct reading_map *reading)
{
	struct map *map = reading->map;
	const struct ini_section *files = find_section(map, "tables");
	size_t room = map->ini->count + (files ? files->count : 0);
	map->tables = calloc(room ? room : 1, sizeof(*map->tables));
	if (!map->tables)
		abort();
	for (size_t i = 0; i < map->ini->count; i++) {
		const struct ini_section *section = &map->ini->sections[i];
		if (strcmp(section->word, "table") != 0 || section->repeated)
			continue;
		struct map_table *table = &map->tables[map->table_count++];
		table->name = section->name;
		map_table_section(table, section);
		map_table_sort(table);
	}
	for (size_t i = 0; files && i < files->count; i++) {
		if (map_table_find(map, files->entries[i].key))
			complain(reading, files->entries[i].line, files->entries[i].key_column,
				_("this table stands in the map too, as [table ...]; keep one of the two"));
		else
			read_table_file(reading, &map->tables[map->table_count++], &files->entries[i]);
	}
}

/* ---- rows ---- */

static void read_rows(const struct reading_map *reading, const char *word, struct map_rows *rows)
{
	const struct ini_section *section = find_section(reading->map, word);
	if (!section || !section->count)
		return;
	rows->list = calloc(section->count, sizeof(*rows->list));
	if (!rows->list)
		abort();
	for (size_t i = 0; i < section->count; i++) {
		struct fault fault;
		struct map_row *row = &rows->list[rows->count++];
		if (!map_row_read(reading->map, &section->entries[i], strcmp(word, "envelope") == 0, row, &fault))
			complain(reading, row->line, row->value_column, fault.text);
	}
}

/* Whether both stand in the same object at this depth. */
static bool same_inside(const struct map_row *a, const struct map_row *b, size_t depth)
{
	if (a->depth < depth || b->depth < depth)
		return false;
	for (size_t i = 0; i < depth; i++)
		if (strcmp(a->parts[i], b->parts[i]) != 0)
			return false;
	return true;
}

/* An object is opened once, and is no text besides. */
static void check_order(const struct reading_map *reading, const struct map_rows *rows)
{
	char text[512];
	for (size_t i = 1; i < rows->count; i++) {
		const struct map_row *row = &rows->list[i];
		for (size_t k = 0; k < i; k++) {
			const struct map_row *other = &rows->list[k];
			size_t inside = other->depth < row->depth ? other->depth : row->depth;
			bool contains = other->depth != row->depth && same_inside(row, other, inside);
			bool apart = false;
			for (size_t depth = 1; depth < row->depth && depth < other->depth; depth++)
				apart = apart || (same_inside(row, other, depth) && !same_inside(row, row - 1, depth));
			if (!contains && !apart)
				continue;
			snprintf(text, sizeof(text),
				contains ? _("%s and %s: one would stand inside the other, which is a text itself")
					 : _("%s belongs to %s further up; put the rows of one object together"),
				row->name, other->name);
			complain(reading, row->line, row->name_column, text);
			break;
		}
	}
}

static void check_envelope(const struct reading_map *reading)
{
	const struct map *map = reading->map;
	const struct map_rows *rows = &map->envelope;
	const struct ini_section *section = find_section(map, "envelope");
	int line = section ? section->line : 0;
	size_t records = 0;
	for (size_t i = 0; i < rows->count; i++) {
		records += rows->list[i].records;
		if (map->settings.format == MAP_XML && !same_inside(&rows->list[i], &rows->list[0], 1))
			complain(reading, rows->list[i].line, rows->list[i].name_column,
				_("an XML document has one outermost element; let every name begin with the same one"));
	}
	if (section && (map->settings.format == MAP_CSV || map->settings.format == MAP_JSONL))
		complain(reading, line, 1, _("nothing stands around the records of jsonl and csv; delete [envelope]"));
	else if (!section && map->settings.format == MAP_XML)
		complain(reading, 0, 0,
			_("XML needs an [envelope] that says what stands around the records, such as: data.row = records"));
	else if (section && records != 1)
		complain(reading, line, 1,
			_("[envelope] needs one row that says where the records stand: NAME = records"));
	else if (section && map->settings.format == MAP_XML && rows->count && rows->list[0].depth == 1)
		complain(reading, line, 1,
			_("the outermost element cannot be the record itself; write data.row = records"));
}

static void read_parts(const struct reading_map *reading)
{
	struct map *map = reading->map;
	const struct filter *filter = &map->settings.filter;
	check_sections(reading);
	read_settings(reading);
	check_words(reading, "only-kinds", filter->kinds, "sample|blank|control|qc|calibration");
	check_words(reading, "only-verdicts", filter->verdicts, "negative|positive|suspect|invalid|none");
	read_given(reading);
	read_tables(reading);
	read_rows(reading, "envelope", &map->envelope);
	read_rows(reading, "field", &map->fields);
	if (!map->fields.count)
		complain(reading, 0, 0, _("there is no [field] with a row for each field of the platform's"));
	check_order(reading, &map->envelope);
	check_order(reading, &map->fields);
	check_envelope(reading);
}

int map_read(const char *path, struct map **ret, struct faults *faults)
{
	*ret = NULL;
	size_t before = faults->errors;
	struct map *map = calloc(1, sizeof(*map));
	if (!map)
		abort();
	int error = ini_read(path, &map->ini, faults);
	if (!map->ini) {
		free(map);
		return error;
	}
	const char *slash = strrchr(path, '/');
	map->directory = strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
	if (!map->directory)
		abort();
	read_parts(&(struct reading_map){ map, faults });
	if (faults->errors > before) {
		map_free(map);
		return -EINVAL;
	}
	*ret = map;
	return 0;
}

static void free_rows(struct map_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		map_row_free(&rows->list[i]);
	free(rows->list);
}

void map_free(struct map *map)
{
	if (!map)
		return;
	free_rows(&map->fields);
	free_rows(&map->envelope);
	for (size_t i = 0; i < map->table_count; i++)
		map_table_free(&map->tables[i]);
	free(map->tables);
	for (size_t i = 0; i < map->given_count; i++)
		free(map->given[i].value);
	free(map->given);
	free(map->directory);
	ini_free(map->ini);
	free(map);
}

/* ---- what is given ---- */

int map_give(struct map *map, const char *name, const char *value, struct fault *fault)
{
	char names[512] = "", known[512];
	for (size_t i = 0; i < map->given_count; i++) {
		if (strcmp(map->given[i].name, name) == 0) {
			free(map->given[i].value);
			map->given[i].value = strdup(value);
			return map->given[i].value ? 0 : -ENOMEM;
		}
		size_t used = strlen(names);
		snprintf(names + used, sizeof(names) - used, "%s%s", used ? "|" : "", map->given[i].name);
	}
	return fault_set(fault, EINVAL, _("this map takes no '%s'; it takes %s"), name,
		*names ? words_listed(names, known, sizeof(known)) : _("nothing"));
}

int map_ready(const struct map *map, struct fault *fault)
{
	for (size_t i = 0; i < map->given_count; i++)
		if (!*map->given[i].value)
			return fault_set(fault, EINVAL, _("this map needs --given %s=VALUE"), map->given[i].name);
	return 0;
}

size_t map_field_count(const struct map *map)
{
	return map->fields.count;
}

bool map_has_documents(const struct map *map)
{
	return map->settings.batch > 0;
}

bool map_wants_superseded(const struct map *map)
{
	return map->settings.superseded != 0;
}

const struct filter *map_filter(const struct map *map)
{
	return &map->settings.filter;
}
