#include "region.h"

#include <string.h>

bool region_is_province(const char *digits)
{
	static const char provinces[] =
		" 11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 "
		"61 62 63 64 65 71 81 82 ";
	const char word[] = { ' ', digits[0], digits[1], ' ', '\0' };
	return strstr(provinces, word) != NULL;
}
