/* The peer of the poll budget: nothing but libmodbus reading the same registers as fast as it can, or at a rate.
 *
 *     bare_modbus HOST PORT [REGISTERS [SECONDS [READS_PER_SECOND [ADDRESS [UNIT]]]]]
 *
 * Prints one JSON line: reads, reads_per_s, and the processor time of this process per read.
 */
#include <errno.h>
#include <modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double monotonic(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double processor(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void sleep_until(double when)
{
	struct timespec at = { .tv_sec = (time_t)when };
	at.tv_nsec = (long)((when - (double)at.tv_sec) * 1e9);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static long argument(int argc, char **argv, int index, long otherwise)
{
	return argc > index ? strtol(argv[index], NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
	uint16_t registers[MODBUS_MAX_READ_REGISTERS];
	if (argc < 3) {
		fprintf(stderr,
			"usage: bare_modbus HOST PORT [REGISTERS [SECONDS [READS_PER_SECOND [ADDRESS [UNIT]]]]]\n");
		return 64;
	}
	int count = (int)argument(argc, argv, 3, 40), address = (int)argument(argc, argv, 6, 0);
	double seconds = (double)argument(argc, argv, 4, 5), rate = (double)argument(argc, argv, 5, 0);
	modbus_t *modbus = modbus_new_tcp_pi(argv[1], argv[2]);
	if (!modbus || modbus_set_slave(modbus, (int)argument(argc, argv, 7, 1)) < 0 || modbus_connect(modbus) < 0) {
		fprintf(stderr, "bare_modbus: %s\n", modbus_strerror(errno));
		return 1;
	}
	double begun = monotonic(), spent = processor(), now = begun;
	long reads = 0;
	while (now < begun + seconds) {
		if (modbus_read_registers(modbus, address, count, registers) != count) {
			fprintf(stderr, "bare_modbus: %s\n", modbus_strerror(errno));
			return 1;
		}
		reads++;
		if (rate > 0)
			sleep_until(begun + (double)reads / rate);
		now = monotonic();
	}
	spent = processor() - spent;
	printf("{\"bench\":\"bare_modbus\",\"registers\":%d,\"reads\":%ld,\"reads_per_s\":%.1f,\"cpu_us_per_read\":%.2f}\n",
		count, reads, (double)reads / (now - begun), spent * 1e6 / (double)reads);
	modbus_close(modbus);
	modbus_free(modbus);
	return 0;
}
