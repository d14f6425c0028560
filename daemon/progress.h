/* Long work tells whoever waits for it that it goes on.
 *
 * A start may read, salvage and merge journals of a gigabyte before it is done, in statements of the database, loops
 * and modules that know nothing of a start: each calls progress() now and then, and who waits says so to none of them.
 */
#ifndef ASSAYD_PROGRESS_H
#define ASSAYD_PROGRESS_H

/* `told` is called whenever work of this thread says that it goes on; NULL: nobody waits (any more). */
void progress_to(void (*told)(void));
void progress(void); /* cheap; some seconds of work may pass between two calls */

#endif
