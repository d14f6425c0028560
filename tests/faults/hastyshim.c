/* LD_PRELOAD: a gateway that acknowledges before it commits.
 *
 * What a socket brings that ends a frame (CR LF, as of ASTM) is acknowledged at once, before the program has even seen
 * it; the program's own acknowledgement of that frame, which comes after its commit, goes nowhere. All else passes: ENQ
 * is answered by the program, a refusal (NAK) comes after the hasty ACK, too late. It is what a defect in the order of
 * storing and acknowledging would be, and what the harness must find out as a loss.
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DESCRIPTORS 1024
#define ACK         0x06

static _Atomic int owed[DESCRIPTORS]; /* acknowledgements of the program that were said already */

static int is_socket(int fd)
{
	int type;
	socklen_t size = sizeof(type);
	return fd >= 0 && fd < DESCRIPTORS && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

ssize_t read(int fd, void *data, size_t size)
{
	static const unsigned char ack = ACK;
	ssize_t got = syscall(SYS_read, fd, data, size);
	if (got >= 2 && memcmp((const char *)data + got - 2, "\r\n", 2) == 0 && is_socket(fd) &&
		syscall(SYS_sendto, fd, &ack, 1, MSG_NOSIGNAL, NULL, 0) == 1)
		owed[fd]++;
	else if (got == 0 && fd >= 0 && fd < DESCRIPTORS)
		owed[fd] = 0; /* the peer is gone, and the number is another's soon */
	return got;
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
	if (size == 1 && *(const unsigned char *)data == ACK && fd >= 0 && fd < DESCRIPTORS && owed[fd] > 0) {
		owed[fd]--;
		return 1;
	}
	return syscall(SYS_sendto, fd, data, size, flags, NULL, 0);
}
