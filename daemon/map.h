/* Maps: what a platform calls the parts of a record, and which codes it has for them (assayd-map(5)).
 *
 * A map is an INI file: a row for each field of the platform's with where its text comes from, tables of codes, what is
 * around the records, and which records go out at all. Nothing is guessed: a code without a line, a field the platform
 * demands and the record does not have, a text that its format cannot carry: the record is refused, with the field and
 * the reason. Numbers stay decimal text.
 *
 * Read once, completed by map_give(), then constant; any thread may use it then.
 */
#ifndef ASSAYD_MAP_H
#define ASSAYD_MAP_H

#include <stddef.h>

#include "faults.h"
#include "filter.h"

struct map;

/* Finds NAME.conf in CONFIG_DIRECTORY/maps, then among the shipped ones; a name with a / is a path and stays itself. */
int map_find(const char *config_directory, const char *name, char *out, size_t size, struct fault *fault);

/* 0, or -errno with every fault of the file added to `faults`. */
int map_read(const char *path, struct map **ret, struct faults *faults);
void map_free(struct map *map); /* NULL is fine */

/* What changes with each station or session and stands in no file: the names of [given]. */
int map_give(struct map *map, const char *name, const char *value, struct fault *fault);
int map_ready(const struct map *map, struct fault *fault); /* -EINVAL: something must be given and was not */

size_t map_field_count(const struct map *map);
bool map_has_documents(const struct map *map);    /* in batches: several documents, a file each */
bool map_wants_superseded(const struct map *map); /* each record, also one that another corrects */
const struct filter *map_filter(const struct map *map);

#endif
