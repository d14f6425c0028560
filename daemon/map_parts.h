/* What the parts of a map share: map.c reads the sections, map_row.c the rows, map_table.c the codes, map_value.c finds
 * a row's text in a record, map_text.c writes texts in the platform's format, map_write.c the documents.
 */
#ifndef ASSAYD_MAP_PARTS_H
#define ASSAYD_MAP_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "ini.h"
#include "json.h"
#include "map.h"

enum map_format { MAP_JSON, MAP_JSONL, MAP_XML, MAP_CSV };
enum map_encoding { MAP_UTF8, MAP_GB18030 };

struct map_settings { /* [map] */
	char title[200], source[1000];
	int format, encoding, superseded;
	long batch;
	struct filter filter;
};

struct map_code {
	const char *code, *to;
	int line;
};

struct map_table { /* codes in order; `others` "*": what has no line stands for itself, NULL: it is refused */
	const char *name, *others;
	struct map_code *codes;
	size_t count;
	bool owned; /* from a file: its texts are its own, else the map's */
};

enum map_source { MAP_MEMBER, MAP_TEXT, MAP_GIVEN, MAP_COUNT, MAP_ORIGINAL };
enum map_link { MAP_FIRST, MAP_OR, MAP_PLUS };
enum map_step_kind { MAP_TABLE, MAP_TIME, MAP_DECIMALS, MAP_SIGN, MAP_IS, MAP_WITHOUT };
enum map_missing { MAP_LEFT_OUT, MAP_EMPTY, MAP_REQUIRED };

struct map_step {
	enum map_step_kind kind;
	const char *text; /* the pattern, the text, the characters */
	const struct map_table *table;
	unsigned decimals;
	bool rounds;
};

#define MAP_STEPS_MAX 4
#define MAP_TERMS_MAX 12
#define MAP_DEPTH_MAX 8

struct map_term {
	enum map_link link;
	enum map_source source;
	const char *text; /* the member's path, the text, the name given */
	struct map_step steps[MAP_STEPS_MAX];
	size_t step_count;
};

struct map_row {
	const char *name; /* as in the file */
	char *cells;      /* the copies that `parts` and `terms` point into */
	const char *parts[MAP_DEPTH_MAX];
	size_t depth;
	struct map_term terms[MAP_TERMS_MAX];
	size_t term_count;
	enum map_missing missing;
	const char *when, *when_text; /* only where this member says this; NULL: always */
	bool number;                  /* written without quotes where the format knows numbers */
	bool records;                 /* of [envelope]: here stand the records */
	int line, name_column, value_column;
};

struct map_rows {
	struct map_row *list;
	size_t count;
};

struct map_given {
	const char *name;
	char *value; /* "": not given yet */
};

struct map {
	struct ini *ini;
	char *directory; /* the map's own, for tables in files */
	struct map_settings settings;
	struct map_rows fields, envelope;
	struct map_table *tables;
	size_t table_count;
	struct map_given *given;
	size_t given_count;
};

/* Reads one row. False after its fault, which names what would be right. */
bool map_row_read(
	struct map *map, const struct ini_entry *entry, bool envelope, struct map_row *ret, struct fault *fault);
void map_row_free(struct map_row *row);

/* True for a member a record of the contract may have; else the nearest one in `nearest`, or "". */
bool map_path_known(const char *path, char *nearest, size_t size);

void map_table_section(struct map_table *table, const struct ini_section *section);
int map_table_file(struct map_table *table, const char *path, struct faults *faults);
void map_table_sort(struct map_table *table);
void map_table_free(struct map_table *table);
struct map_table *map_table_find(const struct map *map, const char *name);
/* What the table has for a code; "" for nothing, NULL when there is no line. */
const char *map_table_look(const struct map_table *table, const char *code);

struct map_record {              /* what a row may draw on */
	const struct json *json; /* NULL: none, in an envelope around several */
	const char *original;
	size_t count;
};

/* The text of one row: free() it; NULL when the row is left out. -EINVAL: the record is refused. */
int map_value(const struct map *map, const struct map_row *row, const struct map_record *record, char **ret,
	struct fault *fault);

/* Whether the format can carry the text. */
int map_text_fits(const struct map *map, const struct map_row *row, const char *text, struct fault *fault);
void map_text_put(FILE *out, enum map_format format, const char *text);
/* UTF-8 into GB 18030; NULL when a character has no place there. free() it. */
char *map_text_gb18030(const char *text, size_t length, size_t *ret_length);

#endif
