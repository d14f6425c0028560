/* The page assayd.conf(5), printed from the tables as mdoc(7). Use reference_print(). */
#ifndef ASSAYD_REFERENCE_MAN_H
#define ASSAYD_REFERENCE_MAN_H

#include <stdio.h>

void reference_print_man(FILE *out);

#endif
