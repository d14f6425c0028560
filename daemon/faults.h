/* All the faults of all the configuration files of one run, each with its place.
 *
 * A fault reads `file:line:column: what is wrong; what would be right`. Warnings do not stop a start. One thread at a
 * time.
 */
#ifndef ASSAYD_FAULTS_H
#define ASSAYD_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum faults_weight { FAULTS_ERROR, FAULTS_WARNING };

struct faults_entry {
	enum faults_weight weight;
	char *file;
	int line, column; /* 0: the file as a whole */
	char *text;
	char *excerpt; /* the line as it stands in the file, UTF-8, or NULL */
};

struct faults {
	struct faults_entry *list;
	size_t count, errors;
};

void faults_add(struct faults *faults, enum faults_weight weight, const char *file, int line, int column,
	const char *excerpt, const char *format, ...) __attribute__((format(printf, 7, 8)));
/* In order of file and line: `file:line:column: text`, then the excerpt with a caret under the column. */
void faults_print(const struct faults *faults, FILE *out);
void faults_free(struct faults *faults);

#endif
