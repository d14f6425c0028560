/* Where things are when nothing is configured: the installed place, systemd's directories, or the build tree.
 *
 * Returned strings are static. Any thread may call after the first call from main().
 */
#ifndef ASSAYD_PATHS_H
#define ASSAYD_PATHS_H

const char *paths_data(
	void); /* profiles/, contract/, *.csv: $ASSAYD_DATADIR, else ../config beside a build, else installed */
const char *paths_locale(void);  /* message catalogues */
const char *paths_state(void);   /* $STATE_DIRECTORY or /var/lib/assayd */
const char *paths_runtime(void); /* $RUNTIME_DIRECTORY or /run/assayd */

#endif
