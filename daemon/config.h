/* The configuration as the rest of the daemon sees it: checked, complete and constant.
 *
 * Loaded as a whole; a configuration with a fault is never half used. It is shared read-only between threads and lives
 * as long as anyone holds it (config_hold / config_release), so that a reload can replace it under running lines.
 */
#ifndef ASSAYD_CONFIG_H
#define ASSAYD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../drivers/driver.h"
#include "faults.h"
#include "filter.h"

#define CONFIG_NAME_MAX 48
#define CONFIG_PATH_MAX 255

struct station {
	char code[16]; /* station code, e.g. 330421103-01: township (GB/T 10114, 9 digits) and running number */
	char name[97];
	char county[7]; /* GB/T 2260, 6 digits */
	char timezone[49];
	int64_t retest_window_ms; /* later results of a sample belong to its first positive for so long */
};

enum port_kind { PORT_SERIAL, PORT_TCP, PORT_TCP_LISTEN, PORT_MODBUS_TCP, PORT_MODBUS_RTU, PORT_REPLAY, PORT_FOLDER };
enum parity { PARITY_NONE, PARITY_EVEN, PARITY_ODD };

struct port {
	enum port_kind kind;
	/* In canonical form; also the name of the physical line that shares it. */
	char text[CONFIG_PATH_MAX + 1];
	char path[CONFIG_PATH_MAX + 1]; /* SERIAL, MODBUS_RTU, REPLAY: a path, or "" when named by USB identity */
	char usb[80];                   /* "1a86:7523" or "1a86:7523:SERIAL" */
	char host[128];                 /* TCP, TCP_LISTEN (all addresses, 0.0.0.0, unless said), MODBUS_TCP */
	int number;                     /* TCP port */
	char files[48];                 /* FOLDER: which of them, "*.csv"; "": all */
	long settle_ms;                 /* FOLDER: unchanged for so long, a file is finished */
	bool move_done;                 /* FOLDER: what is stored goes to done/ */
	bool timed, any;                /* REPLAY: with the pauses there were; any question gets the next answer */
	long baud;
	int data_bits, stop_bits;
	enum parity parity;
};

struct naming_config {       /* a scanner: whose samples it names */
	char names[256];     /* ids of instruments, set apart by commas */
	long results;        /* how many results of each a scan names; 0: all until the next scan */
	int64_t lifetime_ms; /* a scan that named nothing by then is told, and names nothing any more */
	int order;           /* enum naming_order */
};

enum naming_order { NAMING_REPLACE, NAMING_QUEUE }; /* the next scan ends the one before, or waits behind it */

enum control_demand { CONTROL_DEMAND_NONE, CONTROL_DEMAND_DAILY, CONTROL_DEMAND_SERIES };

struct control_config {    /* under which controls samples are to be measured */
	int demand;        /* enum control_demand */
	int64_t window_ms; /* SERIES: a control counts for so long */
};

struct calibration_config { /* what the station keeps of an instrument's calibration; "": nothing */
	char certificate[64];
	char until[11]; /* its last day, "2027-03-01" */
};

struct instrument_config {
	char id[CONFIG_NAME_MAX];
	const struct driver *driver;
	void *options; /* driver->options_size bytes, or NULL */
	char profile_name[CONFIG_NAME_MAX];
	void *profile; /* driver->profiles->size bytes, or NULL; shared by instruments of the same profile */
	struct port port;
	long unit;           /* Modbus unit address, 1..247 */
	int64_t poll_ms;     /* between two polls */
	int64_t timeout_ms;  /* for an answer */
	int64_t lateness_ms; /* Modbus: the longest a late answer may still arrive, waited out after a fault */
	struct maker maker;  /* given by the station; what the instrument says itself goes first */
	char item[96];       /* what it measures when it does not say */
	char basis[64];      /* test standard when it does not say */
	struct naming_config naming;
	struct calibration_config calibration;
	struct control_config control;
	int64_t skew_alarm_ms;       /* how wrong its clock may be before that is announced; 0: it never is */
	bool set_clock;              /* where it is off and can be */
	enum identity_rule identity; /* of what it registers: the station's */
	char definition[40];         /* digest of everything above: differs when a reload changed this instrument */
};

enum target_protocol { TARGET_MQTT5, TARGET_MQTT311 };
enum target_receipts { TARGET_RECEIPTS_NONE, TARGET_RECEIPTS_REQUIRED };

#define BROKER_MAX  256
#define BROKERS_MAX 4

struct target_config {
	char name[CONFIG_NAME_MAX];
	/* mqtt://host:port or mqtts://host:port, the port always there, IPv6 in brackets; several with a blank between,
	 * in the order in which they are tried */
	char broker[BROKERS_MAX * BROKER_MAX];
	int protocol; /* enum target_protocol */
	int receipts; /* enum target_receipts */
	char client_id[65], username[129];
	char client_id_file[CONFIG_PATH_MAX + 1], username_file[CONFIG_PATH_MAX + 1];
	char password_file[CONFIG_PATH_MAX +
			   1]; /* one line; readable by the daemon only; or a systemd credential's name */
	char ca_file[CONFIG_PATH_MAX + 1], crl_file[CONFIG_PATH_MAX + 1];
	char client_cert[CONFIG_PATH_MAX + 1], client_key[CONFIG_PATH_MAX + 1];
	int64_t keepalive_ms, ack_timeout_ms, reconnect_min_ms, reconnect_max_ms;
	struct filter filter;
	long window;       /* messages in flight, at most; the broker's Receive Maximum may lower it */
	long backlog_rate; /* records a second while catching up on a long backlog; 0: as fast as acknowledged */
	char definition[40];
};

struct journal_config {
	char directory[CONFIG_PATH_MAX + 1];
	int64_t retention_ms;
	long reserve_mib; /* laid down against a full disk */
};

struct evidence_config {
	char key[CONFIG_PATH_MAX + 1]; /* "": in the journal's directory, made when missing; or a credential's name */
	int signature;                 /* enum signature_kind of digest.h, of a key that is made */
	int hash;                      /* enum digest_kind, of a new epoch */
};

struct samples_config {
	int identity;            /* enum identity_rule */
	int64_t number_holds_ms; /* a registration is of tests this long before or after it */
};

struct config_profile { /* a profile in use; instruments point to `profile` */
	char name[CONFIG_NAME_MAX];
	const struct driver *driver;
	void *profile;    /* NULL: its faults are told */
	char content[65]; /* digest of its file */
};

struct item_table;      /* judge's: items.csv, see items.h */
struct operator_table;  /* operators.csv */
struct commodity_table; /* commodities.csv */
struct lot_table;       /* lots.csv */

struct config {
	char directory[CONFIG_PATH_MAX + 1];
	struct station station;
	struct journal_config journal;
	struct evidence_config evidence;
	struct samples_config samples;
	char control_socket[108];
	int log_level; /* enum log_level of log.h */
	struct target_config *targets;
	size_t target_count;
	struct instrument_config *instruments;
	size_t instrument_count;
	struct config_profile *profiles;
	size_t profile_count;
	struct item_table *items;
	struct operator_table *operators;
	struct commodity_table *commodities; /* NULL: the station keeps none */
	struct lot_table *lots;
	int holders;
};

/* Loads DIR/assayd.conf, DIR/instruments.d/ *.conf, the profiles they name and the CSV files of DIR. Returns 0 and a
 * configuration held once, or -EINVAL with every fault of every file in `faults`; warnings may be there in both cases.
 */
int config_load(const char *directory, struct config **ret, struct faults *faults);
struct config *config_hold(struct config *config); /* any thread */
void config_release(struct config *config);        /* any thread; NULL is fine */

/* The target's broker number `index` from 0; false when there are not so many. */
bool target_broker(const struct target_config *target, size_t index, char out[static BROKER_MAX]);

/* The next of names set apart by commas or blanks, cut at CONFIG_NAME_MAX; false at the end. */
bool config_next_name(const char **list, char out[static CONFIG_NAME_MAX]);

#endif
