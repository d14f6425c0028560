#include "control_redecode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "redecode.h"

static int send_counts(const struct redecode_counts *counts,
	int (*each)(void *context, const char *line, size_t length), void *context)
{
	struct json *line = js_new_object();
	js_put_integer(line, "through", (int64_t)counts->through);
	js_put_integer(line, "looked", (int64_t)counts->looked);
	js_put_integer(line, "same", (int64_t)counts->same);
	js_put_integer(line, "changed", (int64_t)counts->changed);
	js_put_integer(line, "superseded", (int64_t)counts->superseded);
	js_put_integer(line, "unreadable", (int64_t)counts->unreadable);
	js_put_integer(line, "foreign", (int64_t)counts->foreign);
	char *text = js_dump(line);
	int result = each(context, text, strlen(text));
	free(text);
	js_free(line);
	return result ? -ECANCELED : 0;
}

int control_redecode(struct room *room, struct journal_reader *reader, const struct json *request,
	int (*each)(void *context, const char *line, size_t length), void *context, struct fault *fault)
{
	int64_t from = js_get_integer(request, "from", 1), to = js_get_integer(request, "to", INT64_MAX);
	const char *path = js_get_text(request, "profile");
	if (from < 1 || to < 1)
		return fault_set(fault, EINVAL, _("from and to count from 1"));
	struct config *config = room_config(room);
	struct redecode wish = { .config = config, .reader = reader, .intake = room_intake(room) };
	wish.from = (uint64_t)from;
	wish.to = (uint64_t)to;
	wish.limit = REDECODE_LIMIT;
	wish.instrument = js_get_text(request, "instrument");
	wish.unmapped = js_get_bool(request, "unmapped", false);
	char name[CONFIG_NAME_MAX];
	void *profile = NULL;
	struct redecode_counts counts;
	int error = path ? redecode_read_profile(config, path, wish.instrument, &wish, name, &profile, fault) : 0;
	if (error >= 0)
		error = redecode_run(&wish, each, context, &counts, fault);
	if (error >= 0)
		error = send_counts(&counts, each, context);
	free(profile);
	config_release(config);
	return error;
}

/* ---- of itself, when the tables changed ---- */

#define PAUSE_MS 10    /* between two slices: clients go first */
#define RETRY_MS 60000 /* after a failure: the disk may be full */

static int nobody(void *context, const char *line, size_t length)
{
	(void)context;
	(void)line;
	(void)length;
	return 0;
}

static void begin(struct mapping *mapping, struct config *config)
{
	config_release(mapping->config);
	*mapping = (struct mapping){ .config = config, .next = 1 };
}

int mapping_go_on(struct mapping *mapping, struct room *room, struct journal_reader *reader)
{
	struct config *config = room_config(room);
	if (config != mapping->config)
		begin(mapping, config);
	else
		config_release(config);
	if (mapping->done)
		return -1;
	long now = clock_ms();
	if (now < mapping->due_ms)
		return (int)(mapping->due_ms - now);
	struct redecode wish = { .config = mapping->config, .reader = reader, .intake = room_intake(room) };
	struct redecode_counts counts;
	struct fault fault = { "" };
	wish.unmapped = true;
	wish.from = mapping->next;
	wish.to = INT64_MAX;
	wish.limit = REDECODE_LIMIT;
	int error = redecode_run(&wish, nobody, NULL, &counts, &fault);
	if (error < 0)
		log_warning(_("records that the tables know now cannot be superseded yet: %s"), fault.text);
	mapping->changed += counts.changed;
	mapping->done = error >= 0 && counts.through < mapping->next;
	if (mapping->done && mapping->changed)
		log_notice(
			_("%lu records whose words the tables did not know are superseded by records with item and verdict"),
			mapping->changed);
	if (error >= 0)
		mapping->next = counts.through + 1;
	mapping->due_ms = clock_ms() + (error < 0 ? RETRY_MS : PAUSE_MS);
	return mapping->done ? -1 : (int)(mapping->due_ms - clock_ms());
}

void mapping_end(struct mapping *mapping)
{
	config_release(mapping->config);
	*mapping = (struct mapping){ 0 };
}
