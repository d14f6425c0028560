#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_parts.h"
#include "config_sections.h"
#include "port.h"
#include "profile.h"
#include "settings.h"
#include "settings_words.h"

#define MODBUS_LINE "9600/8n1" /* what nearly every RTU instrument here is shipped with */

/* --- driver and profile ----------------------------------------------------------------------------------------- */

static const struct driver *find_driver(const struct config_place *place)
{
	const struct ini_entry *entry = ini_find(place->section, "driver");
	if (!entry || !*entry->value)
		return NULL;
	const struct driver *driver = driver_by_name(entry->value);
	if (driver)
		return driver;
	char names[1024] = "", nearest[64], known[1024];
	for (size_t i = 0; drivers[i]; i++) {
		size_t used = strlen(names);
		snprintf(names + used, sizeof(names) - used, "%s%s", used ? "|" : "", drivers[i]->name);
	}
	if (words_nearest(entry->value, names, nearest, sizeof(nearest)))
		config_fault(place, FAULTS_ERROR, "driver", _("there is no driver '%s'; did you mean '%s'?"),
			entry->value, nearest);
	else
		config_fault(place, FAULTS_ERROR, "driver", _("there is no driver '%s'; there are %s"), entry->value,
			words_listed(names, known, sizeof(known)));
	return NULL;
}

static void missing_profile(const struct config_place *place, const struct config *config, const char *name)
{
	char path[4096];
	struct fault fault;
	if (profile_find(config->directory, name, path, sizeof(path), &fault) != 0)
		config_fault(place, FAULTS_ERROR, "profile", "%s", fault.text);
}

/* The profile, read at its first use and shared from then on; NULL when it has faults, which are told once. */
static const struct config_profile *use_profile(
	const struct config_place *place, struct config *config, const struct driver *driver, const char *name)
{
	for (size_t i = 0; i < config->profile_count; i++)
		if (config->profiles[i].driver == driver && !strcmp(config->profiles[i].name, name))
			return &config->profiles[i];
	char path[4096];
	if (profile_find(config->directory, name, path, sizeof(path), NULL) != 0) {
		missing_profile(place, config, name);
		return NULL;
	}
	config->profiles =
		config_need(reallocarray(config->profiles, config->profile_count + 1, sizeof(*config->profiles)));
	struct config_profile *profile = &config->profiles[config->profile_count++];
	*profile = (struct config_profile){ .driver = driver };
	snprintf(profile->name, sizeof(profile->name), "%s", name);
	config_file_digest(path, profile->content);
	profile_read(path, driver, &profile->profile, place->faults);
	return profile;
}

static const struct config_profile *read_profile(
	const struct config_place *place, struct config *config, const struct driver *driver, const char *name)
{
	if (!driver->profiles && *name)
		config_fault(place, FAULTS_ERROR, "profile", _("driver %s takes no profile; delete this line"),
			driver->name);
	else if (driver->profiles && !*name && !ini_find(place->section, "profile"))
		config_fault(place, FAULTS_ERROR, NULL,
			_("driver %s needs to know the model; add a line profile = NAME, named after a file in profiles/"),
			driver->name);
	else if (driver->profiles && !*name)
		config_fault(place, FAULTS_ERROR, "profile",
			_("profile has no value; write the name of a file in profiles/"));
	else if (driver->profiles)
		return use_profile(place, config, driver, name);
	return NULL;
}

/* --- port ----------------------------------------------------------------------------------------------------------
 */

static void check_link(const struct config_place *place, const struct driver *driver, const struct port *port)
{
	bool modbus_driver = driver->links == LINK_MODBUS;
	if (port->kind == PORT_REPLAY) {
		if (access(port->path, R_OK) != 0)
			config_fault(place, FAULTS_ERROR, "port", _("%s cannot be read; name a capture that exists"),
				port->path);
		return;
	}
	if (driver->links & port_link(port))
		return;
	if (modbus_driver && port_is_serial(port))
		config_fault(place, FAULTS_ERROR, "port", _("driver %s talks Modbus; write port = modbus-rtu:%s"),
			driver->name, port->text);
	else if (modbus_driver && port->kind == PORT_TCP)
		config_fault(place, FAULTS_ERROR, "port", _("driver %s talks Modbus; write port = modbus-%s"),
			driver->name, port->text);
	else
		config_fault(place, FAULTS_ERROR, "port", _("driver %s cannot talk through %s; it talks over %s%s%s"),
			driver->name, port_title(port), driver->links & LINK_SERIAL ? _("a serial port") : "",
			(driver->links & LINK_SERIAL) && (driver->links & ~(unsigned)LINK_SERIAL) ? _(" or ") : "",
			driver->links & LINK_MODBUS ? "Modbus"
			: driver->links & LINK_TCP  ? "TCP"
						    : "");
}

static void warn_of_numbers(const struct config_place *place, const struct port *port)
{
	if (port_is_serial(port) &&
		(!strncmp(port->path, "/dev/ttyUSB", 11) || !strncmp(port->path, "/dev/ttyACM", 11)))
		config_fault(place, FAULTS_WARNING, "port",
			_("%s may be another instrument after the next replug; usb:VENDOR:PRODUCT or /dev/serial/by-id/... stays"),
			port->path);
}

static void read_port(const struct config_place *place, const struct instrument_rows *rows, const struct driver *driver,
	struct port *port)
{
	struct fault fault;
	if (*rows->port) {
		if (port_parse(rows->port, port, &fault) != 0) {
			config_fault(place, FAULTS_ERROR, "port", "%s", fault.text);
		} else {
			warn_of_numbers(place, port);
			if (driver)
				check_link(place, driver, port);
		}
	}
	const char *line = *rows->line ? rows->line : driver && driver->line ? driver->line : MODBUS_LINE;
	if (port_parse_line(line, port, &fault) != 0)
		config_fault(place, FAULTS_ERROR, "line", "%s", fault.text);
	else if (*rows->line && *port->text && !port_is_serial(port))
		config_fault(place, FAULTS_ERROR, "line",
			_("line says how a serial port is set, and %s is none; delete this line"), port->text);
}

/* --- the whole -----------------------------------------------------------------------------------------------------
 */

static void check_modbus_settings(
	const struct config_place *place, const struct driver *driver, const struct instrument_rows *rows)
{
	static const char *const modbus_only[] = { "unit", "lateness" };
	for (size_t i = 0; i < 2 && driver && !(driver->links & LINK_MODBUS); i++)
		if (ini_find(place->section, modbus_only[i]))
			config_fault(place, FAULTS_ERROR, modbus_only[i],
				_("%s is for Modbus, which driver %s does not talk; delete this line"), modbus_only[i],
				rows->driver);
}

static void check_scanner_settings(
	const struct config_place *place, const struct driver *driver, const struct instrument_rows *rows)
{
	static const char *const scanner_only[] = { "names", "results", "lifetime", "next-scan" };
	for (size_t i = 0; i < sizeof(scanner_only) / sizeof(*scanner_only) && driver && !driver->scans; i++)
		if (ini_find(place->section, scanner_only[i]))
			config_fault(place, FAULTS_ERROR, scanner_only[i],
				_("%s is for scanners, and driver %s has results of its own; delete this line"),
				scanner_only[i], rows->driver);
	if (driver && driver->scans && driver->links != LINK_FOLDER && !*rows->naming.names)
		config_fault(place, FAULTS_ERROR, ini_find(place->section, "names") ? "names" : NULL,
			_("nobody says whose samples this scanner names; add a line names = INSTRUMENT"));
}

static void check_clock_setting(const struct config_place *place, const struct instrument_rows *rows,
	const struct driver *driver, const struct config_profile *profile)
{
	if (!rows->set_clock || !driver || (driver->profiles && (!profile || !profile->profile)) ||
		(driver->sets_clock && driver->sets_clock(profile ? profile->profile : NULL)))
		return;
	if (profile && driver->sets_clock)
		config_fault(place, FAULTS_ERROR, "set-clock",
			_("profile %s does not say how its clock is set; delete this line, or add clock = ADDRESS TYPE to its "
			  "[control]"),
			profile->name);
	else
		config_fault(place, FAULTS_ERROR, "set-clock",
			_("nobody knows how driver %s could set its instruments' clocks; delete this line, and set them by hand"),
			driver->name);
}

static void copy_rows(const struct instrument_rows *rows, struct instrument_config *instrument)
{
	strcpy(instrument->profile_name, rows->profile);
	instrument->unit = rows->unit;
	instrument->poll_ms = rows->poll_ms;
	instrument->timeout_ms = rows->timeout_ms;
	instrument->lateness_ms = rows->lateness_ms;
	instrument->maker = rows->maker;
	strcpy(instrument->item, rows->item);
	strcpy(instrument->basis, rows->basis);
	instrument->naming = rows->naming;
	instrument->calibration = rows->calibration;
	instrument->control = rows->control;
	instrument->skew_alarm_ms = rows->skew_alarm_ms;
	instrument->set_clock = rows->set_clock;
}

size_t config_read_instrument(
	const struct config_place *place, struct config *config, struct instrument_config *instrument)
{
	size_t before = place->faults->errors;
	const struct driver *driver = find_driver(place);
	struct instrument_rows rows = { 0 };
	struct settings_table tables[2] = { { config_section_find("instrument")->rows, &rows } };
	if (driver && driver->options) {
		instrument->options = config_need(calloc(1, driver->options_size));
		tables[1] = (struct settings_table){ driver->options, instrument->options };
	}
	snprintf(instrument->id, sizeof(instrument->id), "%s", place->section->name);
	instrument->driver = driver;
	settings_read(place->ini, place->section, tables, 2, !driver, place->faults);
	read_port(place, &rows, driver, &instrument->port);
	check_modbus_settings(place, driver, &rows);
	check_scanner_settings(place, driver, &rows);
	const struct config_profile *profile = driver ? read_profile(place, config, driver, rows.profile) : NULL;
	check_clock_setting(place, &rows, driver, profile);
	copy_rows(&rows, instrument);
	instrument->profile = profile ? profile->profile : NULL;
	if (place->faults->errors > before)
		return place->faults->errors - before;
	const char *contents[] = { profile ? profile->content : "" };
	config_definition(place->section, contents, 1, instrument->definition);
	return 0;
}
