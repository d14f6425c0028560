/* Spelling: the folded form in which two ways to write the same word are equal.
 *
 * Full-width forms become half-width, capital letters small, blanks go, and the Greek mu becomes the micro sign. Pure;
 * any thread may call.
 */
#ifndef ASSAYD_SPELLING_H
#define ASSAYD_SPELLING_H

/* Folds `text` into `out`, which has room for strlen(text) + 1 bytes (folding never lengthens). Returns `out`. */
char *spelling_fold(char *out, const char *text);

#endif
