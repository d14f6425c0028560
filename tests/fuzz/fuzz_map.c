/* Fuzz target: any bytes as a map, and three records through it.
 *
 * A map or faults, never both and never neither; every fault prints as clean text. What is written by a sound map is
 * UTF-8, and JSON parses again; a record is written or refused with a field and a reason.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../daemon/map_parts.h"
#include "../../daemon/map_write.h"
#include "../../drivers/text.h"

static const char *const records[] = {
	"{\"id\":\"00000000-0000-8000-8000-000000000001\",\"station\":\"330421103-01\",\"seq\":1,\"kind\":\"sample\","
	"\"test_seq\":1,\"channel\":3,\"instrument\":{\"id\":\"pr-1\",\"maker\":\"m\",\"model\":\"n\",\"serial\":\"s\"},"
	"\"sample\":{\"no\":\"1\",\"name\":\"菠菜\",\"party\":\"<&\\\"'>\\r\\n\",\"stall\":\"A\",\"uscc\":\"91330421MA2B0XQ85C\"},"
	"\"item\":{\"code\":\"PR-OPCB\",\"name\":\"农药残留\"},\"basis\":\"GB/T 5009.199-2003\",\"value\":\"12.30\","
	"\"unit\":\"%\",\"limit\":{\"op\":\"<=\",\"value\":\"50\",\"unit\":\"%\"},\"verdict\":\"negative\",\"operator\":{"
	"\"name\":\"李\",\"valid\":true},\"tested_at\":\"2026-03-05T09:41:20.118+08:00\",\"flags\":[\"late\"]}",
	"{\"id\":\"00000000-0000-8000-8000-000000000002\",\"kind\":\"sample\",\"verdict\":\"positive\",\"value\":"
	"\"-99999999999999999999999999.999\",\"retest_of\":\"x\",\"sample\":{\"name\":\"\\u0001\\ufffe\\ue78d\"}}",
	"{\"kind\":\"qc\",\"sample\":[],\"value\":7,\"flags\":[1,null],\"tested_at\":\"2026\",\"item\":{\"code\":{}}}",
};

static char directory[] = "/tmp/assay-fuzz-map-XXXXXX";
static char path[64];
static int file = -1;

static void clean_up(void)
{
	unlink(path);
	rmdir(directory);
}

/* DIR/it.conf is memory: no disk is worn. */
static void prepare(void)
{
	char target[32];
	if (!mkdtemp(directory))
		abort();
	snprintf(path, sizeof(path), "%s/it.conf", directory);
	file = memfd_create("it.conf", MFD_CLOEXEC);
	snprintf(target, sizeof(target), "/proc/self/fd/%d", file);
	if (file < 0 || symlink(target, path) != 0)
		abort();
	atexit(clean_up);
}

static void check_faults(const struct faults *faults)
{
	char *printed = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&printed, &length);
	faults_print(faults, out);
	fclose(out);
	assert(text_is_utf8(printed, length));
	free(printed);
}

static int check_document(void *context, size_t number, const char *bytes, size_t length)
{
	const struct map *map = context;
	assert(number > 0 && length > 0);
	if (map->settings.encoding == MAP_GB18030)
		return 0;
	assert(text_is_utf8(bytes, length));
	if (map->settings.format == MAP_JSON || map->settings.format == MAP_JSONL) {
		struct fault fault;
		struct json *again = js_parse(bytes, length, &fault);
		assert(again || strstr(fault.text, "duplicate"));
		js_free(again);
	}
	return 0;
}

static void write_records(struct map *map)
{
	struct map_writer *writer = map_writer_new(map, check_document, map);
	struct map_refusal refusal = { .field = NULL };
	int result = 0;
	for (size_t i = 0; i < sizeof(records) / sizeof(*records) && result >= 0; i++) {
		struct json *record = js_parse(records[i], strlen(records[i]), NULL);
		assert(record);
		result = map_writer_add(writer, record, "00000000-0000-8000-8000-000000000001", &refusal);
		assert(result != 1 || (refusal.field && *refusal.fault.text));
		js_free(record);
	}
	if (result >= 0)
		map_writer_end(writer, &refusal);
	map_writer_free(writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (file < 0)
		prepare();
	if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size)
		abort();
	struct faults faults = { 0 };
	struct fault fault;
	struct map *map;
	int result = map_read(path, &map, &faults);
	assert((result == 0) == (map != NULL) && (result == 0) == (faults.errors == 0));
	check_faults(&faults);
	faults_free(&faults);
	if (!map)
		return 0;
	for (size_t i = 0; i < map->given_count; i++)
		assert(map_give(map, map->given[i].name, "given", &fault) == 0);
	assert(map_ready(map, &fault) == 0);
	write_records(map);
	map_free(map);
	return 0;
}
