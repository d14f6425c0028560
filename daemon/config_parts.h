/* The parts of config_load(): what reads a target or an instrument, and how they say where a fault is. */
#ifndef ASSAYD_CONFIG_PARTS_H
#define ASSAYD_CONFIG_PARTS_H

#include "config.h"
#include "ini.h"

struct config_place { /* a section in a file, and where its faults go */
	const struct ini *ini;
	const struct ini_section *section;
	struct faults *faults;
};

/* Adds a fault at the value of `key`, or at the section when the key is not given (or NULL). */
void config_fault(const struct config_place *place, enum faults_weight weight, const char *key, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Fills in a target; what it names is looked up. Returns the number of faults added. */
size_t config_read_target(const struct config_place *place, struct target_config *target);

/* Fills in an instrument and, at its first use, the profile it names. Returns the number of faults added. */
size_t config_read_instrument(
	const struct config_place *place, struct config *config, struct instrument_config *instrument);

/* Reads items.csv, limits.csv, operators.csv and lots.csv; the sections must be there already. */
void config_load_tables(struct config *config, const char *directory, struct faults *faults);

/* What differs when a reload changed the section or the content of one of the files: 32 hexadecimal digits. The place a
 * setting stands at, its comments and blanks do not count. */
void config_definition(
	const struct ini_section *section, const char *const *contents, size_t count, char out[static 40]);

/* The SHA-256 of a file as hexadecimal digits, "" when it cannot be read. */
char *config_file_digest(const char *path, char out[static 65]);

/* Memory or the end: a configuration that cannot be held cannot be checked. */
void *config_need(void *memory);

#endif
