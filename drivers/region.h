/* Regions of the country by their code (GB/T 2260). Pure; any thread may call.
 */
#ifndef ASSAYD_REGION_H
#define ASSAYD_REGION_H

#include <stdbool.h>

/* Whether the first two of these digits are a province's. */
bool region_is_province(const char *digits);

#endif
