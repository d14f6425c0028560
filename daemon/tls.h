/* TLS as far as it is ours: the reason why a connection to a broker does not come about, in words a technician can act
 * on, and revocation lists. (The MQTT library makes the connections that carry records; of a failed one it says "TLS
 * connect failure", whatever the reason.)
 *
 * A check is one handshake of our own, with the same authorities, name, certificate and key; nothing is sent over it.
 * It runs in a thread of its own, because resolvers and handshakes take their time, and can be let go at any moment.
 *
 * Certificates and names: RFC 5280 section 6, RFC 6125; alerts: RFC 8446 section 6.
 */
#ifndef ASSAYD_TLS_H
#define ASSAYD_TLS_H

#include <stdbool.h>

#include "../drivers/fault.h"

struct tls_files { /* paths of PEM files, NULL or "" where there is none */
	const char *ca, *crl, *client_cert, *client_key;
};

struct tls_check;

/* Begins to check `broker`, "mqtts://host:port". `event_fd` is written to (as an eventfd) when it is done. */
int tls_check_start(
	const char *broker, const struct tls_files *files, int event_fd, struct tls_check **ret, struct fault *fault);
/* False while it goes on. What is wrong and what would be right, or "" where the handshake succeeded. */
bool tls_check_done(const struct tls_check *check, struct fault *ret_finding);
void tls_check_free(struct tls_check *check); /* done or not; NULL is fine */

/* Whether every TLS connection of this process demands that the authority's revocation list (in the file of authorities
 * given to the connection) does not name the broker's certificate. Call before connecting. */
void tls_demand_revocation_list(bool demand);

/* Where there is a revocation list: it and the authorities in one file that lives in memory, as the MQTT library wants
 * them. `*ret_fd` is to be closed when the connection ends; -1, with an empty path, where there is no list. */
int tls_join_files(const struct tls_files *files, int *ret_fd, char path[static 32], struct fault *fault);

#endif
