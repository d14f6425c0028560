/* What assayd and assayctl share as programs: exit codes and the language of their messages. Main thread only. */
#ifndef ASSAYD_PROGRAM_H
#define ASSAYD_PROGRAM_H

enum program_exit { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 64, EXIT_NO_DAEMON = 69, EXIT_CONFIG = 78 };

/* Messages in the person's language, numbers always with a point, text conversion at hand. Call first in main().
 *
 * LANG, LC_ALL, LC_MESSAGES and LANGUAGE mean what gettext says they mean; where one asks for Chinese and the system
 * has no such locale, the messages are Chinese all the same (then LANGUAGE is set for this process).
 */
void program_language(void);

#endif
