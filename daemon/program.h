/* What assayd and assayctl share as programs: exit codes and the language of their messages. Main thread only. */
#ifndef ASSAYD_PROGRAM_H
#define ASSAYD_PROGRAM_H

enum program_exit { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 64, EXIT_NO_DAEMON = 69, EXIT_CONFIG = 78 };

/* Messages in the person's language, numbers always with a point, text conversion at hand. Call first in main(). */
void program_language(void);

#endif
