/* Telling systemd: READY, STATUS, WATCHDOG (sd_notify(3) protocol, one datagram each). Without $NOTIFY_SOCKET all of it
 * does nothing. Main thread only.
 */
#ifndef ASSAYD_NOTIFY_H
#define ASSAYD_NOTIFY_H

/* Sends one or more VARIABLE=value lines, as "READY=1\nSTATUS=...". */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Half of $WATCHDOG_USEC in milliseconds: how often to send WATCHDOG=1 at least; 0 when no watchdog is asked for. */
long notify_watchdog_ms(void);

#endif
