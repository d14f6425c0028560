/* Host names, looked up aside: a resolver that gets no answer gives up after half a minute and cannot be interrupted,
 * so it works in a thread of its own that can be let go at any moment. Addresses need no resolver and are there at
 * once.
 *
 * One thread owns a `struct lookup`.
 */
#ifndef ASSAYD_LOOKUP_H
#define ASSAYD_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>

#include "../drivers/fault.h"

struct addrinfo;
struct lookup;

/* `flags` are getaddrinfo()'s. `event_fd` is written to (as an eventfd) when it is done, unless it is done on return.
 */
int lookup_start(
	const char *host, const char *service, int flags, int event_fd, struct lookup **ret, struct fault *fault);
bool lookup_done(const struct lookup *lookup);
/* When it is done: stream addresses, the lookup's own; NULL where there are none. */
const struct addrinfo *lookup_found(const struct lookup *lookup);
const char *lookup_error(const struct lookup *lookup); /* why there are none, in the resolver's words */
void lookup_free(struct lookup *lookup);               /* done or not; NULL is fine */

/* Of the addresses found the one numbered `turn`, from the first again behind the last, those of IPv4 first, as text:
 * with brackets where it needs them before a port. False where there are none. */
bool lookup_address(const struct lookup *lookup, size_t turn, char *out, size_t size);

/* Host and service of "scheme://host:service", without the brackets of an IPv6 address. */
void lookup_split(const char *url, char *host, size_t size, char service[static 8]);

#endif
