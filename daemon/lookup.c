#include "lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct lookup { /* belongs to its owner and to the thread that looks up; freed by whoever lets go last */
	_Atomic int holders;
	_Atomic bool done; /* written last: what was found is there */
	char host[256], service[8];
	struct addrinfo hints, *found;
	int error; /* getaddrinfo()'s */
	int event_fd;
};

void lookup_free(struct lookup *lookup)
{
	if (!lookup || atomic_fetch_sub(&lookup->holders, 1) > 1)
		return;
	if (lookup->found)
		freeaddrinfo(lookup->found);
	if (lookup->event_fd >= 0)
		close(lookup->event_fd);
	free(lookup);
}

static void resolve(struct lookup *lookup)
{
	lookup->error = getaddrinfo(lookup->host, lookup->service, &lookup->hints, &lookup->found);
	if (lookup->error)
		lookup->found = NULL;
	lookup->done = true;
}

static void *run(void *context)
{
	struct lookup *lookup = context;
	resolve(lookup);
	eventfd_write(lookup->event_fd, 1);
	lookup_free(lookup);
	return NULL;
}

static int resolve_aside(struct lookup *lookup, int event_fd)
{
	pthread_t thread;
	lookup->done = false;
	lookup->event_fd = fcntl(event_fd, F_DUPFD_CLOEXEC, 0); /* its owner may be gone before the thread */
	if (lookup->event_fd < 0)
		return errno;
	lookup->holders = 2;
	int error = pthread_create(&thread, NULL, run, lookup);
	if (error)
		lookup->holders = 1;
	else
		pthread_detach(thread);
	return error;
}

int lookup_start(
	const char *host, const char *service, int flags, int event_fd, struct lookup **ret, struct fault *fault)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));
	if (!lookup)
		return fault_set(fault, ENOMEM, _("out of memory"));
	lookup->holders = 1;
	lookup->event_fd = -1;
	lookup->hints = (struct addrinfo){ .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICHOST };
	snprintf(lookup->host, sizeof(lookup->host), "%s", host);
	snprintf(lookup->service, sizeof(lookup->service), "%s", service);
	resolve(lookup);
	int error = 0;
	if (lookup->error == EAI_NONAME) { /* it is no address */
		lookup->hints.ai_flags = flags;
		error = resolve_aside(lookup, event_fd);
	}
	if (error) {
		lookup_free(lookup);
		return fault_set(fault, error, "%s", strerror(error));
	}
	*ret = lookup;
	return 0;
}

bool lookup_done(const struct lookup *lookup)
{
	return lookup->done;
}

const struct addrinfo *lookup_found(const struct lookup *lookup)
{
	return lookup->found;
}

const char *lookup_error(const struct lookup *lookup)
{
	return gai_strerror(lookup->error);
}

static size_t count(const struct addrinfo *list, int family)
{
	size_t number = 0;
	for (; list; list = list->ai_next)
		number += list->ai_family == family;
	return number;
}

bool lookup_address(const struct lookup *lookup, size_t turn, char *out, size_t size)
{
	char text[64];
	size_t four = count(lookup->found, AF_INET), six = count(lookup->found, AF_INET6);
	if (four + six == 0)
		return false;
	turn %= four + six;
	int family = turn < four ? AF_INET : AF_INET6;
	size_t wanted = turn < four ? turn : turn - four;
	const struct addrinfo *at = lookup->found;
	while (at->ai_family != family || wanted-- > 0)
		at = at->ai_next;
	if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) != 0)
		return false;
	snprintf(out, size, family == AF_INET6 ? "[%s]" : "%s", text);
	return true;
}

void lookup_split(const char *url, char *host, size_t size, char service[static 8])
{
	const char *place = strstr(url, "://") + 3, *colon = strrchr(place, ':');
	snprintf(service, 8, "%s", colon + 1);
	size_t length = (size_t)(colon - place);
	if (*place == '[' && length > 2) {
		place++;
		length -= 2;
	}
	snprintf(host, size, "%.*s", (int)length, place);
}
