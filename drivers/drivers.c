#include "driver.h"

#include <string.h>

/* One line per instrument family: `entry(modbus)` stands for the table `modbus_driver`, defined in its own file. */
#define DRIVERS(entry)                                                                                                 \
	entry(seven_e_aa) entry(dump8) entry(zero3_ff) entry(atp) entry(modbus) entry(astm) entry(hl7) entry(text)     \
		entry(scanner) entry(samples_csv)

#define DECLARE(name) extern const struct driver name##_driver;
#define LIST(name)    &name##_driver,

DRIVERS(DECLARE)

const struct driver *const drivers[] = { DRIVERS(LIST) NULL };

const struct driver *driver_by_name(const char *name)
{
	for (size_t i = 0; drivers[i]; i++)
		if (strcmp(drivers[i]->name, name) == 0)
			return drivers[i];
	return NULL;
}

enum manner driver_manner(const struct driver *driver, const void *profile)
{
	bool by_profile = profile && driver->profiles && driver->profiles->manner;
	return by_profile ? driver->profiles->manner(profile) : driver->manner;
}

size_t driver_state_size(const struct driver *driver, const void *profile)
{
	bool more = profile && driver->profiles && driver->profiles->more_state;
	return driver->state_size + (more ? driver->profiles->more_state(profile) : 0) + (driver->state_size == 0);
}
