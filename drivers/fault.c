#include "fault.h"

#include <stdarg.h>
#include <stdio.h>

#include "text.h"

int fault_set(struct fault *fault, int error, const char *format, ...)
{
	if (fault) {
		char whole[2 * sizeof(fault->text)];
		va_list args;
		va_start(args, format);
		vsnprintf(whole, sizeof(whole), format, args);
		va_end(args);
		text_copy(fault->text, sizeof(fault->text), whole);
	}
	return -error;
}
