/* What may be in a file that is to be verified: anything. Nothing of it may pass for proven: there is no key. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../daemon/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_fault(void *context, const struct verify_fault *fault)
{
	++*(uint64_t *)context;
	if (!fault->text[0])
		abort();
}

static void take_epoch(void *context, const struct verify_epoch *epoch)
{
	(void)context;
	if (epoch->entries && epoch->last < epoch->first)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	uint64_t faults = 0;
	struct fault fault;
	if (fd < 0)
		fd = memfd_create("input", MFD_CLOEXEC);
	if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		return 0;
	lseek(fd, 0, SEEK_SET);
	struct verify *verify = verify_new(NULL, take_fault, take_epoch, &faults);
	if (verify_read(verify, fd, "input", &fault) == 0 && verify_judge(verify) != (faults == 0))
		abort();
	verify_free(verify);
	return 0;
}
