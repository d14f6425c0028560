/* assayctl scan: the serial ports of this machine, who uses them, and what to write for those that are free. */
#include <dirent.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl.h"
#include "ctl_scan.h"
#include "link_serial.h"
#include "port.h"
#include "program.h"

#define PORTS_MAX 256

struct found_port {
	struct serial_port is;
	char by_id[PATH_MAX], by_path[PATH_MAX];
	char owner[40], group[40];
	unsigned mode;
	bool openable; /* by who asks */
	char instruments[512];
	struct tty_holder holder; /* pid 0: none is known */
	char write[300];          /* what to write as port = */
	struct scan_answers answers;
	bool asked;
};

struct scan_command {
	const struct ctl *ctl;
	const char *only; /* --port */
	bool ask, daemon_runs;
	struct config *config; /* NULL: it has faults */
	struct serial_port ports[PORTS_MAX];
	size_t count;
};

/* ---- what is there ---- */

static void add_port(void *context, const struct serial_port *port)
{
	struct scan_command *scan = context;
	if (scan->count < PORTS_MAX)
		scan->ports[scan->count++] = *port;
}

/* The name in /dev/serial/by-id or by-path that leads to this port; "" when there is none. */
static void name_of(const char *directory, const char *path, char *out)
{
	char link[PATH_MAX], real[PATH_MAX];
	DIR *names = opendir(directory);
	*out = '\0';
	for (struct dirent *name; names && !*out && (name = readdir(names));) {
		snprintf(link, sizeof(link), "%s/%s", directory, name->d_name);
		if (realpath(link, real) && strcmp(real, path) == 0)
			strcpy(out, link);
	}
	if (names)
		closedir(names);
}

static void look_at_access(struct found_port *port)
{
	struct stat about;
	if (stat(port->is.path, &about) != 0)
		return;
	const struct passwd *owner = getpwuid(about.st_uid);
	const struct group *group = getgrgid(about.st_gid);
	snprintf(port->owner, sizeof(port->owner), "%.39s", owner ? owner->pw_name : "?");
	snprintf(port->group, sizeof(port->group), "%.39s", group ? group->gr_name : "?");
	port->mode = about.st_mode & 0777;
	port->openable = access(port->is.path, R_OK | W_OK) == 0;
}

static void look_at_config(const struct scan_command *scan, struct found_port *port)
{
	char path[PATH_MAX];
	struct fault fault;
	for (size_t i = 0; scan->config && i < scan->config->instrument_count; i++) {
		const struct instrument_config *instrument = &scan->config->instruments[i];
		size_t used = strlen(port->instruments);
		if (port_is_serial(&instrument->port) &&
			link_serial_resolve(&instrument->port, path, sizeof(path), &fault) == 0 &&
			strcmp(path, port->is.path) == 0)
			snprintf(port->instruments + used, sizeof(port->instruments) - used, "%s%s", used ? ", " : "",
				instrument->id);
	}
}

/* How many of the ports have this USB identity, and this serial number if one is given. */
static size_t alike(const struct scan_command *scan, const char *usb, const char *serial)
{
	size_t count = 0;
	for (size_t i = 0; i < scan->count; i++)
		count +=
			strcmp(scan->ports[i].usb, usb) == 0 && (!serial || strcmp(scan->ports[i].serial, serial) == 0);
	return count;
}

/* The name that stays the same when the box starts anew: by USB identity where that is one port's only. */
static void choose_name(const struct scan_command *scan, struct found_port *port)
{
	const struct serial_port *is = &port->is;
	struct port parsed = { 0 };
	struct fault fault;
	size_t size = sizeof(port->write);
	snprintf(port->write, size, "usb:%s", is->usb);
	if (*is->usb && alike(scan, is->usb, NULL) == 1)
		return;
	snprintf(port->write, size, "usb:%s:%s", is->usb, is->serial);
	if (*is->usb && *is->serial && alike(scan, is->usb, is->serial) == 1 &&
		port_parse(port->write, &parsed, &fault) == 0)
		return;
	const char *path = *port->by_path ? port->by_path : scan->only ? scan->only : is->path;
	snprintf(port->write, size, "%.299s", path);
}

static void look_at_port(const struct scan_command *scan, const struct serial_port *is, struct found_port *ret)
{
	*ret = (struct found_port){ .is = *is };
	name_of("/dev/serial/by-id", is->path, ret->by_id);
	name_of("/dev/serial/by-path", is->path, ret->by_path);
	look_at_access(ret);
	look_at_config(scan, ret);
	if (link_tty_holder(is->path, &ret->holder) && ret->holder.owns)
		ret->holder.pid = 0;
	choose_name(scan, ret);
	ret->asked = scan->ask && ret->openable && !ret->holder.pid && !(*ret->instruments && scan->daemon_runs);
	if (ret->asked)
		scan_ask(scan->ctl->directory, is->path, &ret->answers);
}

/* ---- for machines ---- */

static void put_said(struct json *object, const char *key, const char *text)
{
	if (*text)
		js_put_text(object, key, text);
}

static struct json *found_json(const struct scan_found *found)
{
	char line[32];
	struct json *one = js_new_object();
	snprintf(line, sizeof(line), "%.*s", (int)found->line_length, found->line);
	js_put_text(one, "driver", found->driver->name);
	put_said(one, "profile", found->profile);
	js_put_text(one, "line", line);
	if (found->unit)
		js_put_integer(one, "unit", found->unit);
	put_said(one, "maker", found->maker.maker);
	put_said(one, "model", found->maker.model);
	put_said(one, "serial", found->maker.serial);
	put_said(one, "firmware", found->maker.firmware);
	return one;
}

static void put_answers(struct json *object, const struct scan_answers *answers)
{
	struct json *list = js_new_array();
	for (size_t i = 0; i < answers->count; i++)
		js_append(list, found_json(&answers->list[i]));
	js_put(object, "answers", list);
	js_put_bool(object, "speaks_unasked", answers->speaks);
	put_said(object, "fault", answers->fault.text);
}

static void print_json(const struct found_port *port)
{
	char mode[8];
	struct json *object = js_new_object();
	js_put_text(object, "port", port->is.path);
	put_said(object, "usb", port->is.usb);
	put_said(object, "usb_serial", port->is.serial);
	put_said(object, "usb_maker", port->is.maker);
	put_said(object, "usb_product", port->is.product);
	put_said(object, "by_id", port->by_id);
	put_said(object, "by_path", port->by_path);
	js_put_text(object, "owner", port->owner);
	js_put_text(object, "group", port->group);
	snprintf(mode, sizeof(mode), "%04o", port->mode);
	js_put_text(object, "mode", mode);
	js_put_bool(object, "openable", port->openable);
	put_said(object, "instruments", port->instruments);
	if (port->holder.pid) {
		js_put_text(object, "held_by", port->holder.command);
		js_put_integer(object, "held_by_process", port->holder.pid);
	}
	js_put_text(object, "write", port->write);
	js_put_bool(object, "asked", port->asked);
	if (port->asked)
		put_answers(object, &port->answers);
	char *text = js_dump(object);
	puts(text);
	free(text);
	js_free(object);
}

/* ---- for people ---- */

static void print_usage(const struct found_port *port)
{
	if (port->holder.pid)
		printf("  %s: %s (%d)\n", _("held by process"), port->holder.command, (int)port->holder.pid);
	if (*port->instruments)
		printf("  %s: %s\n", _("configured for"), port->instruments);
	if (!port->openable)
		printf(_("  you may not open it: sudo, or join the group %s (adduser NAME %s)\n"), port->group,
			port->group);
}

static void print_block(const struct found_port *port, const struct scan_found *found)
{
	bool modbus = found && found->unit;
	const struct maker *maker = found ? &found->maker : NULL;
	puts("");
	if (maker && (*maker->maker || *maker->model || *maker->serial))
		printf("# %s %s %s\n", maker->maker, maker->model, maker->serial);
	printf("# %s\n", _("a name of your choice; it goes into every record"));
	puts("[instrument NAME]");
	if (!found) {
		printf("# %s", _("which driver: the README's table tells; there are"));
		for (size_t i = 0; drivers[i]; i++)
			printf(" %s", drivers[i]->name);
		puts("");
	}
	printf("driver = %s\n", found ? found->driver->name : "");
	if (found && *found->profile)
		printf("profile = %s\n", found->profile);
	printf("port = %s%s\n", modbus ? "modbus-rtu:" : "", port->write);
	if (found)
		printf("line = %.*s\n", (int)found->line_length, found->line);
	if (modbus)
		printf("unit = %d\n", found->unit);
}

/* More than one profile of a family took the answer for its own. */
static bool is_ambiguous(const struct scan_answers *answers)
{
	for (size_t i = 1; i < answers->count; i++)
		if (answers->list[i].unit == answers->list[i - 1].unit)
			return true;
	return false;
}

static void print_answers(const struct found_port *port)
{
	const struct scan_answers *answers = &port->answers;
	if (*answers->fault.text)
		printf("  %s\n", answers->fault.text);
	else if (answers->speaks)
		printf("  %s\n", _("something speaks here unasked, so nothing was asked"));
	else if (answers->count == 0)
		printf("  %s\n",
			_("nobody answered whom a question recognises; other instruments are not recognised so"));
	for (size_t i = 0; i < answers->count; i++) {
		const struct scan_found *found = &answers->list[i];
		printf("  %s: %s %s, %.*s", _("answers"), found->driver->name, found->profile, (int)found->line_length,
			found->line);
		if (found->unit)
			printf(_(", unit %d"), found->unit);
		puts("");
	}
	if (is_ambiguous(answers))
		printf("  %s\n",
			_("several profiles fit: take one, and compare its first values with the instrument's display"));
}

static void print_port(const struct found_port *port)
{
	const struct serial_port *is = &port->is;
	printf("%s", is->path);
	if (*is->usb)
		printf("  usb:%s%s%s  %s %s", is->usb, *is->serial ? ":" : "", is->serial, is->maker, is->product);
	puts("");
	if (*port->by_id)
		printf("  %s\n", port->by_id);
	if (*port->by_path)
		printf("  %s\n", port->by_path);
	printf("  %s: %s, %s: %s, %04o\n", _("owner"), port->owner, _("group"), port->group, port->mode);
	print_usage(port);
	if (port->asked)
		print_answers(port);
	bool free_port = !port->holder.pid && !*port->instruments;
	for (size_t i = 0; free_port && i < port->answers.count; i++)
		print_block(port, &port->answers.list[i]);
	if (free_port && port->answers.count == 0)
		print_block(port, NULL);
	puts("");
}

/* ---- the command ---- */

static int read_arguments(struct scan_command *scan, struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "ask", no_argument, NULL, 'a' },
		{ "port", required_argument, NULL, 'p' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	optind = 1;
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option == 'a')
			scan->ask = true;
		else if (option == 'p')
			scan->only = optarg;
		else if (option == 'j')
			ctl->json = true;
		else
			return EXIT_USAGE;
	}
	if (scan->only && *scan->only != '/')
		return ctl_fail(EXIT_USAGE, _("--port takes an absolute path, such as /dev/ttyUSB0"));
	return optind == argc ? EXIT_DONE : ctl_fail(EXIT_USAGE, _("'%s' is one argument too many"), argv[optind]);
}

/* A station is scanned before it is configured: faults are no reason not to. */
static void load_config(struct scan_command *scan)
{
	struct faults faults = { 0 };
	if (config_load(scan->ctl->directory, &scan->config, &faults) != 0) {
		scan->config = NULL;
		fprintf(stderr,
			_("assayctl: the configuration in %s is not complete or has faults: which instrument uses which port is not "
			  "told\n"),
			scan->ctl->directory);
	}
	faults_free(&faults);
	scan->daemon_runs = scan->config && ctl_daemon_runs(scan->config);
}

/* A port given by name need not be among those the library lists: pseudo terminals are not. */
static int find_only(struct scan_command *scan, struct serial_port *ret)
{
	struct port port = { .kind = PORT_SERIAL };
	struct fault fault;
	*ret = (struct serial_port){ .usb = "" };
	snprintf(port.path, sizeof(port.path), "%s", scan->only);
	if (link_serial_resolve(&port, ret->path, sizeof(ret->path), &fault) != 0)
		return ctl_fail(EXIT_FAILED, "%s", fault.text);
	for (size_t i = 0; i < scan->count; i++)
		if (strcmp(scan->ports[i].path, ret->path) == 0)
			*ret = scan->ports[i];
	return EXIT_DONE;
}

static void show(const struct scan_command *scan, const struct serial_port *is)
{
	struct found_port *port = calloc(1, sizeof(*port));
	if (!port)
		abort();
	look_at_port(scan, is, port);
	if (scan->ctl->json)
		print_json(port);
	else
		print_port(port);
	fflush(stdout);
	free(port);
}

static int scan_ports(struct scan_command *scan)
{
	struct fault fault;
	struct serial_port only;
	if (link_serial_list(add_port, scan, &fault) != 0)
		return ctl_fail(EXIT_FAILED, "%s", fault.text);
	if (scan->only && find_only(scan, &only) != EXIT_DONE)
		return EXIT_FAILED;
	load_config(scan);
	if (scan->only)
		show(scan, &only);
	for (size_t i = 0; !scan->only && i < scan->count; i++)
		show(scan, &scan->ports[i]);
	if (!scan->only && scan->count == 0)
		fputs(_("assayctl: this machine has no serial port; plug the instrument or its adapter in\n"), stderr);
	config_release(scan->config);
	return EXIT_DONE;
}

int ctl_scan(const struct ctl *given, int argc, char **argv)
{
	struct ctl ctl = *given;
	struct scan_command *scan = calloc(1, sizeof(*scan));
	if (!scan)
		abort();
	scan->ctl = &ctl;
	int code = read_arguments(scan, &ctl, argc, argv);
	if (code == EXIT_DONE)
		code = scan_ports(scan);
	free(scan);
	return code;
}
