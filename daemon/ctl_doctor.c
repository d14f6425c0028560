/* assayctl doctor: what about this station may one day lose, delay or discredit a result, each with what to do. */
#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "ctl.h"
#include "day.h"
#include "disk.h"
#include "journal.h"
#include "lots.h"
#include "operators.h"
#include "program.h"
#include "secrets.h"

#define LOOKED_BACK 2000 /* entries */

struct doctor {
	const struct ctl *ctl;
	const struct config *config;
	unsigned risks;
};

static void say(struct doctor *doctor, const char *check, bool risk, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void say(struct doctor *doctor, const char *check, bool risk, const char *format, ...)
{
	char text[600];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	doctor->risks += risk;
	if (!doctor->ctl->json) {
		printf("%s %s\n", risk ? "!" : "-", text);
		return;
	}
	struct json *line = js_new_object();
	js_put_text(line, "check", check);
	js_put_bool(line, "risk", risk);
	js_put_text(line, "text", text);
	char *dumped = js_dump(line);
	puts(dumped);
	free(dumped);
	js_free(line);
}

static void tell_secret(void *context, bool refused, const char *text)
{
	(void)refused;
	say(context, "secrets", true, "%s", text);
}

static void look_at_targets(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	if (config->target_count == 0)
		say(doctor, "targets", true,
			_("there is no target: results are only kept here; write a [target ...] section"));
	for (size_t i = 0; i < config->target_count; i++) {
		const struct target_config *target = &config->targets[i];
		if (target->receipts == TARGET_RECEIPTS_NONE)
			say(doctor, "receipts", true,
				_("target %s: receipts = none: a broker may acknowledge what nobody stores; agree on receipts "
				  "with the platform, then set receipts = required"),
				target->name);
		if (target->protocol == TARGET_MQTT311)
			say(doctor, "protocol", true,
				_("target %s: with MQTT 3.1.1 a broker acknowledges even what it refuses to pass on; use "
				  "protocol = 5, or receipts = required"),
				target->name);
		if (strncmp(target->broker, "mqtt://", 7) == 0)
			say(doctor, "tls", true,
				_("target %s: results travel in plain text, and the broker is not verified; use mqtts://"),
				target->name);
	}
}

static void look_at_clock(struct doctor *doctor)
{
	if (clock_synced())
		say(doctor, "clock", false, _("the clock is synchronised"));
	else
		say(doctor, "clock", true,
			_("the clock is not synchronised: records say so, and nothing is removed for its age; set up a time "
			  "service: timedatectl set-ntp true"));
}

static void look_at_disk(struct doctor *doctor)
{
	const char *directory = doctor->config->journal.directory;
	struct disk disk;
	struct fault fault;
	char pattern[CONFIG_PATH_MAX + 64];
	glob_t found = { 0 };
	if (disk_look(directory, &disk, &fault) != 0) {
		say(doctor, "disk", true, "%s", fault.text);
		return;
	}
	bool low = disk_level(DISK_FINE, disk.used_percent) != DISK_FINE;
	if (low)
		say(doctor, "disk", true, _("%s: the disk is %u%% full, %llu MiB are left; free space on it"),
			directory, disk.used_percent, (unsigned long long)disk.free >> 20);
	else
		say(doctor, "disk", false, _("%s: %llu MiB are free"), directory, (unsigned long long)disk.free >> 20);
	snprintf(pattern, sizeof(pattern), "%s/journal.db.corrupt-*Z", directory);
	if (glob(pattern, 0, NULL, &found) == 0)
		say(doctor, "damage", true,
			_("%s: a journal was damaged: the disk may be failing; look at `journalctl -k`, and have it replaced"),
			found.gl_pathv[0]);
	globfree(&found);
}

/* The udev rules give serial ports to the group dialout, of which assayd is a member. */
static void look_at_ports(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->config->instrument_count; i++) {
		const struct instrument_config *instrument = &doctor->config->instruments[i];
		const char *path = instrument->port.path;
		struct stat about;
		if (!*path || (instrument->port.kind != PORT_SERIAL && instrument->port.kind != PORT_MODBUS_RTU))
			continue;
		if (stat(path, &about) != 0)
			say(doctor, "ports", true, _("instrument %s: %s: %s; is it plugged in?"), instrument->id, path,
				strerror(errno));
		else if ((about.st_mode & 060) != 060 && (about.st_mode & 06) != 06)
			say(doctor, "ports", true,
				_("instrument %s: %s is for its owner only, so assayd cannot open it; chmod g+rw it, or "
				  "install assayd's udev rules"),
				instrument->id, path);
	}
}

/* What holds up to a day: told ahead, because an appointment takes weeks. `what` is a sentence's subject. */
static void look_at_day(struct doctor *doctor, const char *check, const char *what, const char *until)
{
	char today[CLOCK_TEXT_MAX];
	long days;
	if (!*until || !day_ends_soon(until, clock_text(today, clock_wall_ms()), &days))
		return;
	if (days < 0)
		say(doctor, check, true, _("%s ended on %s: what is tested since is flagged; renew it"), what, until);
	else
		say(doctor, check, true, _("%s ends on %s, in %ld days; renew it"), what, until, days);
}

static void look_at_certificates(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	char what[200];
	for (size_t i = 0; i < config->instrument_count; i++) {
		const struct instrument_config *instrument = &config->instruments[i];
		snprintf(what, sizeof(what), _("the calibration certificate of instrument %s"), instrument->id);
		look_at_day(doctor, "calibration", what, instrument->calibration.until);
	}
	for (size_t i = 0; config->operators && i < operators_count(config->operators); i++) {
		const struct operator* person = operators_at(config->operators, i);
		snprintf(what, sizeof(what), _("the certificate of %s"), *person->name ? person->name : person->id);
		look_at_day(doctor, "operators", what, person->until);
	}
}

/* Those in use: what was used up may well have expired. */
static void look_at_lots(struct doctor *doctor)
{
	const struct lot_table *lots = doctor->config->lots;
	char what[200], today[CLOCK_TEXT_MAX];
	clock_text(today, clock_wall_ms());
	for (size_t i = 0; lots && i < lots_count(lots); i++) {
		const struct lot *lot = lots_at(lots, i);
		snprintf(what, sizeof(what), _("lot %s (%s)"), lot->number, lot_kind_name(lot->kind));
		if (!lots_replaced(lots, lot, today))
			look_at_day(doctor, "lots", what, lot->expires);
	}
}

struct unmapped {
	unsigned count;
	char item[96];
};

static int look_for_unmapped(void *context, const struct stored *entry)
{
	struct unmapped *unmapped = context;
	if (!memmem(entry->payload, entry->length, "\"unmapped_item\"", 15))
		return 0;
	struct json *record = js_parse(entry->payload, entry->length, NULL);
	const struct json *item = js_get(record, "item");
	const char *as_sent = item ? js_get_text(item, "as_sent") : NULL;
	if (as_sent)
		snprintf(unmapped->item, sizeof(unmapped->item), "%s", as_sent);
	unmapped->count++;
	js_free(record);
	return 0;
}

static void look_at_journal(struct doctor *doctor)
{
	char path[CONFIG_PATH_MAX + 16];
	struct journal_reader *reader;
	struct fault fault;
	struct unmapped unmapped = { 0 };
	uint64_t first, last;
	snprintf(path, sizeof(path), "%s/journal.db", doctor->config->journal.directory);
	if (journal_reader_open(path, &reader, &fault) != 0) {
		say(doctor, "journal", true, "%s", fault.text);
		return;
	}
	int error = journal_reader_head(reader, &first, &last, &fault);
	uint64_t from = last > LOOKED_BACK ? last - LOOKED_BACK : 1;
	if (error || journal_read(reader, from, LOOKED_BACK, look_for_unmapped, &unmapped, &fault) < 0 ||
		journal_check_chain(reader, from, 0, NULL, &fault) != 0)
		say(doctor, "journal", true, "%s", fault.text);
	else
		say(doctor, "journal", false, _("the journal's last entries are whole, up to %llu"),
			(unsigned long long)last);
	if (unmapped.count)
		say(doctor, "items", true,
			_("%u of the last results have an item that items.csv does not know, such as '%s'; add it to "
			  "/etc/assayd/items.csv"),
			unmapped.count, unmapped.item);
	journal_reader_close(reader);
}

static int look_at_status(void *context, const char *line, size_t length)
{
	struct doctor *doctor = context;
	struct json *status = js_parse(line, length, NULL);
	const struct json *targets = js_get(status, "targets"), *instruments = js_get(status, "instruments");
	for (size_t i = 0; targets && i < js_count(targets); i++) {
		const char *name;
		const struct json *target = js_member(targets, i, &name);
		const char *fault = js_get_text(target, "fault");
		int64_t refused = js_get_integer(target, "refused", 0);
		int64_t unaccepted = js_get_integer(target, "requests_refused", 0);
		if (fault)
			say(doctor, "targets", true, _("target %s: %s"), name, fault);
		if (refused)
			say(doctor, "refused", true,
				_("target %s: the broker refused %lld entries; see `assayctl parked`"), name,
				(long long)refused);
		if (unaccepted)
			say(doctor, "requests", true,
				_("target %s: %lld requests and receipts were not accepted since the start; assayd's log says "
				  "why; if the platform did not send them, find out who else may write to its topics"),
				name, (long long)unaccepted);
	}
	for (size_t i = 0; instruments && i < js_count(instruments); i++) {
		const char *name;
		const struct json *instrument = js_member(instruments, i, &name);
		const char *fault = js_get_text(instrument, "fault");
		if (fault)
			say(doctor, "instruments", true, _("instrument %s: %s"), name, fault);
	}
	js_free(status);
	return 0;
}

int ctl_doctor(const struct ctl *ctl, int argc, char **argv)
{
	struct ctl given = *ctl;
	struct doctor doctor = { .ctl = &given };
	struct config *config;
	struct faults faults = { 0 };
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") != 0)
			return ctl_fail(EXIT_USAGE, _("doctor takes no '%s'; --json is known"), argv[i]);
		given.json = true;
	}
	if (config_load(ctl->directory, &config, &faults) != 0) {
		faults_print(&faults, stderr);
		faults_free(&faults);
		return EXIT_CONFIG;
	}
	faults_free(&faults);
	doctor.config = config;
	look_at_targets(&doctor);
	secrets_examine(config, false, tell_secret, &doctor);
	look_at_clock(&doctor);
	look_at_disk(&doctor);
	look_at_ports(&doctor);
	look_at_certificates(&doctor);
	look_at_lots(&doctor);
	look_at_journal(&doctor);
	struct json *request = js_new_object();
	js_put_text(request, "command", "status");
	if (ctl_ask(&given, request, look_at_status, &doctor) != EXIT_DONE)
		doctor.risks++; /* it has been said */
	if (!given.json)
		printf(_("risks: %u\n"), doctor.risks);
	config_release(config);
	return doctor.risks ? EXIT_FAILED : EXIT_DONE;
}
