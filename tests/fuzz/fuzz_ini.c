/* Fuzz target: any bytes as assayd.conf, through text file, INI reader, settings, ports and rules.
 *
 * Whatever the bytes: a configuration or a fault, never both and never neither; every fault stands in the file and
 * prints as clean UTF-8; what was taken is within the ranges the tables promise.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../daemon/config.h"
#include "../../daemon/ini.h"
#include "../../drivers/text.h"

static char directory[] = "/tmp/assay-fuzz-ini-XXXXXX";
static char path[64], items[64], profiles[64];
static int file = -1;

static void clean_up(void)
{
	unlink(path);
	unlink(items);
	unlink(profiles);
	rmdir(directory);
}

/* DIR/assayd.conf is memory: no disk is worn. One item is enough, the list is somebody else's to fuzz. */
static void prepare(void)
{
	char target[32], shipped[4096];
	if (!mkdtemp(directory) || !realpath("config/profiles", shipped))
		abort();
	snprintf(path, sizeof(path), "%s/assayd.conf", directory);
	snprintf(items, sizeof(items), "%s/items.csv", directory);
	snprintf(profiles, sizeof(profiles), "%s/profiles", directory);
	file = memfd_create("assayd.conf", MFD_CLOEXEC);
	snprintf(target, sizeof(target), "/proc/self/fd/%d", file);
	FILE *list = fopen(items, "w");
	if (file < 0 || !list || symlink(target, path) != 0 || symlink(shipped, profiles) != 0)
		abort();
	fputs("code,name\nPR-OPCB,农药残留\n", list);
	fclose(list);
	atexit(clean_up);
	setenv("ASSAYD_DATADIR", directory, 1);
}

static void check_faults(const struct faults *faults, size_t size)
{
	char *printed = NULL;
	size_t length = 0, errors = 0;
	FILE *out = open_memstream(&printed, &length);
	faults_print(faults, out);
	fclose(out);
	assert(text_is_utf8(printed, length));
	for (size_t i = 0; i < length; i++)
		assert(printed[i] == '\n' || ((unsigned char)printed[i] >= ' ' && printed[i] != 0x7F));
	free(printed);
	for (size_t i = 0; i < faults->count; i++) {
		errors += faults->list[i].weight == FAULTS_ERROR;
		assert(faults->list[i].line >= 0 && (size_t)faults->list[i].line <= size + 1);
		assert(faults->list[i].column >= 0 && *faults->list[i].text);
	}
	assert(errors == faults->errors);
}

static void check_config(const struct config *config)
{
	assert(*config->station.code && strlen(config->station.county) == 6 && *config->station.timezone);
	for (size_t i = 0; i < config->target_count; i++) {
		const struct target_config *target = &config->targets[i];
		assert(!strncmp(target->broker, "mqtt", 4) && target->window >= 1 && target->window <= 1000);
		assert(target->reconnect_min_ms <= target->reconnect_max_ms && strlen(target->definition) == 32);
	}
	for (size_t i = 0; i < config->instrument_count; i++) {
		const struct instrument_config *instrument = &config->instruments[i];
		assert(*instrument->id && instrument->driver && *instrument->port.text && instrument->port.baud > 0);
		assert(instrument->unit >= 1 && instrument->unit <= 247 && instrument->poll_ms >= 10);
		assert(!instrument->driver->profiles == !instrument->profile);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (file < 0)
		prepare();
	if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size)
		abort();
	struct faults faults = { 0 };
	struct config *config;
	int result = config_load(directory, &config, &faults);
	assert((result == 0) == (config != NULL) && (result == 0) == (faults.errors == 0));
	check_faults(&faults, size);
	if (config)
		check_config(config);
	config_release(config);
	faults_free(&faults);
	return 0;
}
