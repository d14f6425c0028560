#include "config_rules.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "day.h"
#include "port.h"
#include "settings_words.h"

#define ZONES "/usr/share/zoneinfo"

/* --- station ---------------------------------------------------------------------------------------------------- */

static void check_county(const struct config_place *place, const struct station *station, bool code_is_right)
{
	static const char provinces[] =
		" 11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 "
		"63 64 65 71 81 82 ";
	const char *county = station->county;
	char province[5];
	snprintf(province, sizeof(province), " %.2s ", county);
	if (strlen(county) != 6 || county[strspn(county, "0123456789")])
		config_fault(place, FAULTS_ERROR, "county",
			_("county '%s' is no code of GB/T 2260; write its six digits, such as 330421"), county);
	else if (!strstr(provinces, province))
		config_fault(place, FAULTS_ERROR, "county",
			_("county %s begins with %.2s, which is no province; look the code up in GB/T 2260, such as 330421"),
			county, county);
	else if (code_is_right && *station->code && strncmp(station->code, county, 6) != 0)
		config_fault(place, FAULTS_WARNING, "code",
			_("code %s does not begin with the county %s; look both up again"), station->code, county);
}

static bool check_code(const struct config_place *place, const struct station *station)
{
	for (const char *at = station->code; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("-._", *at)) {
			config_fault(place, FAULTS_ERROR, "code",
				_("code '%s' holds something else than letters A-Z, digits, . _ and -; it goes into topics: write one such as "
				  "330421103-01"),
				station->code);
			return false;
		}
	return true;
}

static bool zone_exists(const char *name)
{
	char path[128], magic[4] = "";
	if (*name == '/' || strstr(name, ".."))
		return false;
	snprintf(path, sizeof(path), ZONES "/%s", name);
	FILE *file = fopen(path, "rbe");
	if (!file)
		return false;
	bool is_zone = fread(magic, 1, sizeof(magic), file) == sizeof(magic) && !memcmp(magic, "TZif", 4);
	fclose(file);
	return is_zone;
}

static void check_zone(const struct config_place *place, const struct station *station)
{
	static const char likely[] =
		"Asia/Shanghai|Asia/Urumqi|Asia/Chongqing|Asia/Harbin|Asia/Hong_Kong|Asia/Macau|Asia/Taipei|"
		"Asia/Singapore|Asia/Tokyo|Europe/London";
	char nearest[64] = "Asia/Shanghai";
	if (zone_exists(station->timezone))
		return;
	if (access(ZONES, F_OK) != 0) {
		config_fault(place, FAULTS_ERROR, "timezone",
			_("time zone %s cannot be looked up, because there is no %s; install the package tzdata"),
			station->timezone, ZONES);
		return;
	}
	words_nearest(station->timezone, likely, nearest, sizeof(nearest));
	config_fault(place, FAULTS_ERROR, "timezone", _("there is no time zone '%s'; write a name from %s, such as %s"),
		station->timezone, ZONES, nearest);
}

void config_check_station(const struct config_place *place, const struct station *station)
{
	bool code_is_right = check_code(place, station);
	if (*station->county)
		check_county(place, station, code_is_right);
	check_zone(place, station);
}

/* --- targets ----------------------------------------------------------------------------------------------------- */

static bool share_a_broker(const struct target_config *a, const struct target_config *b)
{
	char one[BROKER_MAX], other[BROKER_MAX];
	for (size_t i = 0; target_broker(a, i, one); i++)
		for (size_t k = 0; target_broker(b, k, other); k++)
			if (strcmp(one, other) == 0)
				return true;
	return false;
}

/* OpenSSL asks for revocation lists in all connections of a process or in none (daemon/tls.c). */
static void check_revocation(
	const struct config_place *place, const struct target_config *other, const struct target_config *target)
{
	bool both_tls = !strncmp(other->broker, "mqtts", 5) && !strncmp(target->broker, "mqtts", 5);
	if (both_tls && !*other->crl_file != !*target->crl_file)
		config_fault(place, FAULTS_ERROR, *target->crl_file ? "crl-file" : "broker",
			_("targets %s and %s: with crl-file for one target every mqtts:// target needs one; add a line crl-file = ..."),
			other->name, target->name);
}

void config_check_client(
	const struct config_place *place, const struct config *config, const struct target_config *target)
{
	for (size_t i = 0; i < config->target_count; i++) {
		const struct target_config *other = &config->targets[i];
		check_revocation(place, other, target);
		if (!share_a_broker(other, target) || strcmp(other->client_id, target->client_id) != 0 ||
			strcmp(other->client_id_file, target->client_id_file) != 0)
			continue;
		config_fault(place, FAULTS_ERROR, *target->client_id ? "client-id" : "broker",
			_("target %s logs in to this broker under the same name; give one of the two another client-id"),
			other->name);
		return;
	}
}

/* --- ports ------------------------------------------------------------------------------------------------------- */

/* An identity without serial number fits every device of its kind, so also the other instrument's. */
static bool same_usb(const char *a, const char *b)
{
	size_t kind = strlen("1a86:7523");
	return !strcmp(a, b) || (!strncmp(a, b, kind) && (!a[kind] || !b[kind]));
}

static bool same_device(const struct port *a, const struct port *b)
{
	return port_is_serial(a) && port_is_serial(b) && !strcmp(a->path, b->path) && !*a->usb == !*b->usb &&
	       (!*a->usb || same_usb(a->usb, b->usb));
}

static bool same_listener(const struct port *a, const struct port *b)
{
	return a->kind == PORT_TCP_LISTEN && b->kind == PORT_TCP_LISTEN && a->number == b->number &&
	       (!strcmp(a->host, b->host) || !strcmp(a->host, "0.0.0.0") || !strcmp(b->host, "0.0.0.0"));
}

/* Instruments on one Modbus line. */
static void check_shared_line(const struct config_place *place, const struct instrument_config *instrument,
	const struct config_place *other_place, const struct instrument_config *other)
{
	const struct port *port = &instrument->port, *shared = &other->port;
	if (instrument->unit == other->unit)
		config_fault(place, FAULTS_ERROR, "unit",
			_("unit %ld on this line is instrument %s already (%s:%d); set each instrument and its unit to an address of "
			  "its own"),
			instrument->unit, other->id, other_place->ini->path, other_place->section->line);
	if (port->kind == PORT_MODBUS_RTU &&
		(port->baud != shared->baud || port->data_bits != shared->data_bits || port->parity != shared->parity ||
			port->stop_bits != shared->stop_bits))
		config_fault(place, FAULTS_ERROR, "line",
			_("instrument %s on the same line has other serial settings (%s:%d); give both the same line = ..."),
			other->id, other_place->ini->path, other_place->section->line);
}

void config_check_shared_port(const struct config_place *place, const struct instrument_config *instrument,
	const struct config_place *other_place, const struct instrument_config *other)
{
	const struct port *port = &instrument->port, *shared = &other->port;
	bool same = !strcmp(port->text, shared->text);
	if (same && port_is_modbus(port))
		check_shared_line(place, instrument, other_place, other);
	else if (same_device(port, shared) && *port->usb)
		config_fault(place, FAULTS_ERROR, "port",
			_("port %s is instrument %s already (%s:%d); tell two of a kind apart by :SERIAL or by /dev/serial/by-path/..."),
			port->text, other->id, other_place->ini->path, other_place->section->line);
	else if (same || same_device(port, shared) || same_listener(port, shared))
		config_fault(place, FAULTS_ERROR, "port",
			_("port %s is instrument %s already (%s:%d); one port carries one instrument, name this one's own port"),
			port->text, other->id, other_place->ini->path, other_place->section->line);
}

/* --- scanners ---------------------------------------------------------------------------------------------------- */

static void check_named(const struct config_place *place, const struct config *config, const char *id)
{
	char list[4096] = "", nearest[64], known[4096];
	for (size_t i = 0; i < config->instrument_count; i++) {
		const struct instrument_config *instrument = &config->instruments[i];
		size_t used = strlen(list);
		if (strcmp(instrument->id, id) == 0 && instrument->driver && instrument->driver->scans)
			config_fault(place, FAULTS_ERROR, "names",
				_("%s is a scanner and has no results; name an instrument that has"), id);
		if (strcmp(instrument->id, id) == 0)
			return;
		if (!instrument->driver || !instrument->driver->scans)
			snprintf(list + used, sizeof(list) - used, "%s%s", used ? "|" : "", instrument->id);
	}
	if (words_nearest(id, list, nearest, sizeof(nearest)))
		config_fault(place, FAULTS_ERROR, "names", _("there is no instrument '%s'; did you mean '%s'?"), id,
			nearest);
	else if (*list)
		config_fault(place, FAULTS_ERROR, "names", _("there is no instrument '%s'; there are %s"), id,
			words_listed(list, known, sizeof(known)));
	else
		config_fault(place, FAULTS_ERROR, "names",
			_("there is no instrument '%s'; add a section [instrument %s]"), id, id);
}

void config_check_naming(
	const struct config_place *place, const struct config *config, const struct instrument_config *scanner)
{
	char id[CONFIG_NAME_MAX];
	for (const char *at = scanner->naming.names; config_next_name(&at, id);)
		check_named(place, config, id);
}

/* --- samples ----------------------------------------------------------------------------------------------------- */

void config_check_holds(const struct config_place *samples, const struct config *config)
{
	if (config->samples.number_holds_ms < config->station.retest_window_ms)
		config_fault(samples, FAULTS_ERROR, "number-holds",
			_("number-holds is shorter than retest-window of [station]: a retest would not find its sample; make it "
			  "as long at least"));
}

/* --- calibration ------------------------------------------------------------------------------------------------- */

void config_check_calibration(const struct config_place *place, const struct instrument_config *instrument)
{
	const char *until = instrument->calibration.until;
	char today[CLOCK_TEXT_MAX];
	long days;
	if (!*until || !day_ends_soon(until, clock_text(today, clock_wall_ms()), &days))
		return;
	if (days < 0)
		config_fault(place, FAULTS_WARNING, "calibration-until",
			_("the calibration certificate ended on %s, tests are flagged calibration_expired; have the instrument "
			  "calibrated, then write the new certificate's last day"),
			until);
	else
		config_fault(place, FAULTS_WARNING, "calibration-until",
			_("the calibration certificate ends on %s, in %ld days; have the instrument calibrated"), until,
			days);
}
