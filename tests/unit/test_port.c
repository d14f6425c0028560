/* Ports and serial settings: every spelling that is right, and what is said of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../daemon/port.h"

static struct port parsed(const char *text)
{
	struct port port = { 0 };
	struct fault fault = { "" };
	if (port_parse(text, &port, &fault) != 0)
		fail_msg("%s: %s", text, fault.text);
	return port;
}

static void refused(const char *text, const char *words)
{
	struct port port = { .number = 77 };
	struct fault fault = { "" };
	if (port_parse(text, &port, &fault) != -EINVAL)
		fail_msg("%s was taken", text);
	if (!strstr(fault.text, words) || !strchr(fault.text, ';'))
		fail_msg("%s: \"%s\" does not say \"%s\"", text, fault.text, words);
	assert_int_equal(port.number, 77); /* nothing is half-read */
}

static void serial_ports_have_a_usb_identity_or_a_path(void **state)
{
	(void)state;
	struct port port = parsed("usb:1A86:7523");
	assert_int_equal(port.kind, PORT_SERIAL);
	assert_string_equal(port.usb, "1a86:7523");
	assert_string_equal(port.text, "usb:1a86:7523");
	assert_string_equal(port.path, "");
	assert_string_equal(parsed("usb:1a86:7523:5A4F:42").usb, "1a86:7523:5A4F:42");
	port = parsed("/dev/serial/by-id/usb-1a86-if00-port0");
	assert_int_equal(port.kind, PORT_SERIAL);
	assert_string_equal(port.path, "/dev/serial/by-id/usb-1a86-if00-port0");
	port = parsed("modbus-rtu:/dev/ttyS0");
	assert_int_equal(port.kind, PORT_MODBUS_RTU);
	assert_string_equal(port.path, "/dev/ttyS0");
	assert_string_equal(port.text, "modbus-rtu:/dev/ttyS0");
	port = parsed("modbus-rtu:usb:1a86:7523");
	assert_string_equal(port.usb, "1a86:7523");
	assert_true(port_is_serial(&port) && port_is_modbus(&port));
	assert_string_equal(parsed("replay:/tmp/a.bin").path, "/tmp/a.bin");
	struct port replay = parsed("replay:/tmp/a?any,timed");
	assert_true(replay.any && replay.timed);
	assert_string_equal(replay.path, "/tmp/a");
	assert_string_equal(replay.text, "replay:/tmp/a?timed,any");
	struct port folder = parsed("folder:/srv/drop/");
	assert_int_equal(folder.kind, PORT_FOLDER);
	assert_string_equal(folder.path, "/srv/drop");
	assert_string_equal(folder.text, "folder:/srv/drop");
	assert_string_equal(folder.files, "");
	assert_int_equal(folder.settle_ms, 5000);
	assert_false(folder.move_done);
	folder = parsed("folder:/srv/drop?done,files=*.csv,settle=500ms");
	assert_string_equal(folder.path, "/srv/drop");
	assert_string_equal(folder.files, "*.csv");
	assert_int_equal(folder.settle_ms, 500);
	assert_true(folder.move_done);
}

static void tcp_ports_have_host_and_number(void **state)
{
	(void)state;
	struct port port = parsed("tcp:10.0.0.9:4001");
	assert_int_equal(port.kind, PORT_TCP);
	assert_string_equal(port.host, "10.0.0.9");
	assert_int_equal(port.number, 4001);
	port = parsed("tcp:[fd00::9]:4001");
	assert_string_equal(port.host, "fd00::9");
	assert_string_equal(port.text, "tcp:[fd00::9]:4001");
	port = parsed("tcp-listen:5000");
	assert_int_equal(port.kind, PORT_TCP_LISTEN);
	assert_string_equal(port.host, "0.0.0.0");
	assert_string_equal(port.text, "tcp-listen:0.0.0.0:5000");
	assert_string_equal(parsed("tcp-listen:127.0.0.1:5000").host, "127.0.0.1");
	port = parsed("modbus-tcp:reader.local");
	assert_int_equal(port.kind, PORT_MODBUS_TCP);
	assert_int_equal(port.number, 502);
	assert_string_equal(
		port.text, parsed("modbus-tcp:reader.local:502").text); /* one line, however it is written */
}

static void links_match_what_drivers_declare(void **state)
{
	(void)state;
	struct port port = parsed("/dev/ttyS0");
	assert_int_equal(port_link(&port), LINK_SERIAL);
	port = parsed("tcp:a:1");
	assert_int_equal(port_link(&port), LINK_TCP);
	port = parsed("tcp-listen:1");
	assert_int_equal(port_link(&port), LINK_TCP);
	port = parsed("modbus-tcp:a");
	assert_int_equal(port_link(&port), LINK_MODBUS);
	port = parsed("folder:/tmp/a");
	assert_int_equal(port_link(&port), LINK_FOLDER);
	port = parsed("replay:/tmp/a");
	assert_int_equal(port_link(&port), 0);
}

static void a_wrong_port_is_told_what_would_be_right(void **state)
{
	(void)state;
	refused("COM3", "Windows name");
	refused("replay:/tmp/a?slow", "takes timed and any");
	refused("folder:/tmp/a?moved", "files=*.csv, settle=5s");
	refused("folder:/tmp/a?settle=5", "files=*.csv, settle=5s");
	refused("folder:/tmp/a?settle=11min", "files=*.csv, settle=5s");
	refused("folder:/tmp/a?settle=601s", "files=*.csv, settle=5s");
	refused("folder:/tmp/a?files=", "files=*.csv, settle=5s");
	refused("folder:/tmp/a?files=b/*.csv", "files=*.csv, settle=5s");
	refused("folder:drop", "begin it with /");
	refused("ttyUSB0", "write /dev/ttyUSB0");
	refused("dev/ttyUSB0", "write /dev/ttyUSB0");
	refused("10.0.0.9:4001", "write tcp:10.0.0.9:4001");
	refused("tpc:10.0.0.9:4001", "did you mean tcp:10.0.0.9:4001?");
	refused("modbus-tpc:10.0.0.9", "did you mean modbus-tcp:10.0.0.9?");
	refused("somewhere", "is of no known kind");
	refused("1a86:7523", "write usb:1a86:7523");
	refused("ID 1a86:7523", "write usb:1a86:7523");
	refused("", "is of no known kind");
	refused("usb:1a86", "four hexadecimal digits");
	refused("usb:0x1a86:0x7523", "four hexadecimal digits");
	refused("usb:1a86:7523:", "four hexadecimal digits");
	refused("usb:1a86:75239", "four hexadecimal digits");
	refused("tcp:10.0.0.9", "such as tcp:10.0.0.9:4001");
	refused("tcp:10.0.0.900:4001", "not an IPv4 address");
	refused("tcp:10.0.0:4001", "not an IPv4 address");
	refused("tcp:10.0.0.9:70000", "outside 1..65535");
	refused("tcp:10.0.0.9:0", "outside 1..65535");
	refused("tcp:10.0.0.9:4oo1", "'4oo1' is not a port number");
	refused("tcp::4001", "names no host");
	refused("tcp:fd00::9:4001", "too many colons");
	refused("tcp:[fd00::9:4001", "lacks the ]");
	refused("tcp:[fd00]:4001", "not an IPv6 address");
	refused("tcp:a/b:4001", "'/b' cannot be in a host name");
	refused("tcp:嘉善:4001", "'嘉善' cannot be in a host name");
	refused("tcp-listen:", "not a port number");
	refused("modbus-rtu:ttyUSB0", "begin it with /");
	refused("/dev/", "is a directory");
	refused("tcp：10.0.0.9:4001", "full-width character '：'; type ':'");
	refused("tcp:10.0.0.9: 4001", "holds a blank");
	char longest[260] = "tcp:";
	memset(longest + 4, 'a', 250);
	strcpy(longest + 230, ":40011");
	refused(longest, "too long");
}

static void line_taken(const char *text, long baud, int bits, enum parity parity, int stop)
{
	struct port port = { 0 };
	struct fault fault = { "" };
	if (port_parse_line(text, &port, &fault) != 0)
		fail_msg("%s: %s", text, fault.text);
	assert_int_equal(port.baud, baud);
	assert_int_equal(port.data_bits, bits);
	assert_int_equal(port.parity, parity);
	assert_int_equal(port.stop_bits, stop);
}

static void line_refused(const char *text, const char *words)
{
	struct port port = { .baud = 1 };
	struct fault fault = { "" };
	assert_int_equal(port_parse_line(text, &port, &fault), -EINVAL);
	if (!strstr(fault.text, words) || !strchr(fault.text, ';'))
		fail_msg("%s: \"%s\" does not say \"%s\"", text, fault.text, words);
	assert_int_equal(port.baud, 1);
	assert_int_equal(port.data_bits, 0);
}

static void serial_settings_are_read_whole(void **state)
{
	(void)state;
	line_taken("9600/8n1", 9600, 8, PARITY_NONE, 1);
	line_taken("115200/8E1", 115200, 8, PARITY_EVEN, 1);
	line_taken("1200/7o2", 1200, 7, PARITY_ODD, 2);
	line_refused("9601/8n1", "baud 9601 is not a rate serial ports know; 9600 is the nearest");
	line_refused("1152000000/8n1", "4000000 is the nearest");
	line_refused("9600", "such as 9600/8n1");
	line_refused("9600,8,n,1", "such as 9600/8n1");
	line_refused("96oo/8n1", "baud '96oo' is not a number");
	line_refused("/8n1", "not understood");
	line_refused("9600/9n1", "'9n1' is no frame");
	line_refused("9600/8x1", "'8x1' is no frame");
	line_refused("9600/8n3", "is no frame");
	line_refused("9600/8n", "is no frame");
	line_refused("9600/8n1x", "is no frame");
	line_refused("9600/", "is no frame");
	line_refused("9600／8n1", "full-width character '／'; type '/'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serial_ports_have_a_usb_identity_or_a_path),
		cmocka_unit_test(tcp_ports_have_host_and_number),
		cmocka_unit_test(links_match_what_drivers_declare),
		cmocka_unit_test(a_wrong_port_is_told_what_would_be_right),
		cmocka_unit_test(serial_settings_are_read_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
