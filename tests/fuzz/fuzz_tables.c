/* Fuzz target: any bytes as operators.csv, lots.csv or items.csv; the first byte chooses.
 *
 * Whatever the bytes: a table or a fault, never both and never neither; every fault stands on a line of the file and
 * prints as clean UTF-8; what was taken can be looked up.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../daemon/lots.h"
#include "../../daemon/operators.h"
#include "../../drivers/text.h"

static char path[32];
static int file = -1;
static struct item_table *items;

static void prepare(void)
{
	struct faults faults = { 0 };
	file = memfd_create("table.csv", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (file < 0 || items_load("config/items.csv", &items, &faults) != 0)
		abort();
}

static void write_file(const uint8_t *data, size_t size)
{
	if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size)
		abort();
}

static void look_at_operators(const struct operator_table *table)
{
	for (size_t i = 0; i < operators_count(table); i++) {
		const struct operator* person = operators_at(table, i);
		const struct item *item = items_at(items, i % items_count(items));
		const struct training test = { items, item, item->method, "pr-1" };
		assert(*person->id || *person->name);
		assert(text_is_utf8(person->trained, strlen(person->trained)));
		bool trained = operator_trained(person, &test);
		assert(trained || *person->trained);
		operators_find(table, person->name);
	}
}

static void look_at_lots(const struct lot_table *table)
{
	for (size_t i = 0; i < lots_count(table); i++) {
		const struct lot *lot = lots_at(table, i), *list[LOT_KINDS];
		const struct lot_test test = { .items = items,
			.item = items_at(items, i % items_count(items)),
			.instrument = "pr-1",
			.day = "2026-03-05" };
		size_t count = lots_in_use(table, &test, list);
		for (size_t k = 0; k < count; k++)
			assert(strcmp(list[k]->opened, test.day) <= 0);
		assert(*lot->number && (*lot->instruments || *lot->items));
		const struct lot *found = lots_numbered(table, &test, lot->number);
		const struct lot *within = lots_in_code(table, &test, lot->number);
		assert(!within || found);
		lots_replaced(table, lot, test.day);
	}
}

static void check_faults(const struct faults *faults, int result, size_t size)
{
	char *printed = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&printed, &length);
	faults_print(faults, out);
	fclose(out);
	assert(text_is_utf8(printed, length));
	free(printed);
	assert((result == 0) == (faults->errors == 0));
	for (size_t i = 0; i < faults->count; i++)
		assert(faults->list[i].line >= 0 && (size_t)faults->list[i].line <= size + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct faults faults = { 0 };
	struct operator_table *people = NULL;
	struct lot_table *lots = NULL;
	struct item_table *others = NULL;
	int result;
	if (file < 0)
		prepare();
	if (size < 1)
		return 0;
	write_file(data + 1, size - 1);
	switch (data[0] % 3) {
	case 0:
		result = operators_load(path, &people, &faults);
		assert((result == 0) == (people != NULL));
		if (people)
			look_at_operators(people);
		break;
	case 1:
		result = lots_load(path, items, &lots, &faults);
		assert((result == 0) == (lots != NULL));
		if (lots)
			look_at_lots(lots);
		break;
	default:
		result = items_load(path, &others, &faults);
		assert((result == 0) == (others != NULL));
	}
	check_faults(&faults, result, size);
	operators_free(people);
	lots_free(lots);
	items_free(others);
	faults_free(&faults);
	return 0;
}
