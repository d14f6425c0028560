#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../drivers/text.h"
#include "clock.h"
#include "lookup.h"

#define CONNECT_MS   4000
#define HANDSHAKE_MS 6000
#define ALERT_MS     700 /* with TLS 1.3 a server refuses our certificate only after the handshake */
#define CIPHERS      "HIGH:!aNULL:!eNULL:!PSK:@SECLEVEL=2"
#define SYSTEM_CA    "/etc/ssl/certs"

struct tls_check { /* belongs to its owner and to its thread; freed by whoever lets go last */
	_Atomic int holders;
	_Atomic bool done;
	char host[256], service[8];
	char ca[256], crl[256], client_cert[256], client_key[256];
	int event_fd;
	struct fault finding; /* the thread's, until `done` */
};

/* ---- what OpenSSL says, in words ---- */

static void put_time(const ASN1_TIME *time, char *out, size_t size)
{
	struct tm when;
	if (ASN1_TIME_to_tm(time, &when) == 1)
		strftime(out, size, "%Y-%m-%d %H:%M UTC", &when);
	else
		snprintf(out, size, "?");
}

static void put_name(const X509_NAME *name, char *out, size_t size)
{
	if (X509_NAME_get_text_by_NID(name, NID_commonName, out, (int)size) < 0)
		X509_NAME_oneline(name, out, (int)size);
}

/* The names a certificate is for, with blanks between. */
static void put_hosts(const X509 *certificate, char *out, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	size_t used = 0;
	*out = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		char text[64] = "";
		const unsigned char *at = name->type == GEN_IPADD ? name->d.iPAddress->data : NULL;
		if (name->type == GEN_DNS)
			snprintf(text, sizeof(text), "%.*s", name->d.dNSName->length, name->d.dNSName->data);
		else if (at && name->d.iPAddress->length == 4)
			snprintf(text, sizeof(text), "%d.%d.%d.%d", at[0], at[1], at[2], at[3]);
		if (*text && used + strlen(text) + 2 < size)
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? " " : "", text);
	}
	GENERAL_NAMES_free(names);
	if (!used)
		put_name(X509_get_subject_name(certificate), out, size);
}

static void say_time(struct tls_check *check, const X509 *certificate, bool expired)
{
	char limit[32], now[CLOCK_TEXT_MAX];
	put_time(expired ? X509_get0_notAfter(certificate) : X509_get0_notBefore(certificate), limit, sizeof(limit));
	clock_text(now, clock_wall_ms());
	if (expired && !clock_synced())
		fault_set(&check->finding, 0,
			_("the broker's certificate expired on %s by this box's clock, which says %s and was set by no time "
			  "service: see whether the clock is right; if it is, the platform must renew the certificate"),
			limit, now);
	else if (expired)
		fault_set(&check->finding, 0,
			_("the broker's certificate expired on %s and this box's clock says %s; the platform must renew it, "
			  "or the clock is wrong: set it"),
			limit, now);
	else
		fault_set(&check->finding, 0,
			_("the broker's certificate is valid only from %s on and this box's clock says %s; set the clock"),
			limit, now);
}

static void say_issuer(struct tls_check *check, const X509 *certificate)
{
	char issuer[120];
	put_name(X509_get_issuer_name(certificate), issuer, sizeof(issuer));
	fault_set(&check->finding, 0,
		_("the broker's certificate is signed by \"%s\", and %s does not hold that authority; ask the platform for its "
		  "certificate authority and name it as ca-file"),
		issuer, *check->ca ? check->ca : SYSTEM_CA);
}

static void say_host(struct tls_check *check, const X509 *certificate)
{
	char hosts[160];
	put_hosts(certificate, hosts, sizeof(hosts));
	fault_set(&check->finding, 0,
		_("the broker's certificate is for the name %s, not for %s; write that name in broker = ..., or ask the platform"),
		hosts, check->host);
}

/* Why the certificate was not believed: X509_verify_cert_error_string(3). */
static void say_verification(struct tls_check *check, SSL *ssl, X509 *offending, long why)
{
	X509 *leaf = SSL_get0_peer_certificate(ssl);
	const X509 *about = offending ? offending : leaf;
	if (!about) {
		fault_set(&check->finding, 0, "%s", X509_verify_cert_error_string(why));
		return;
	}
	switch (why) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		say_time(check, about, why == X509_V_ERR_CERT_HAS_EXPIRED);
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		say_host(check, leaf ? leaf : about);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		fault_set(&check->finding, 0,
			_("the broker's certificate is signed by nobody but itself; if the platform confirms that it is theirs, save it "
			  "and name it as ca-file"));
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		say_issuer(check, about);
		break;
	case X509_V_ERR_CERT_REVOKED:
		fault_set(&check->finding, 0,
			_("the broker's certificate is revoked (%s names it); do not trust it, ask the platform"),
			check->crl);
		break;
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
		fault_set(&check->finding, 0,
			_("%s is no valid revocation list of the broker's authority (%s); fetch the present one from the platform"),
			check->crl, X509_verify_cert_error_string(why));
		break;
	default:
		fault_set(&check->finding, 0, _("the broker's certificate is not believed: %s"),
			X509_verify_cert_error_string(why));
	}
}

static const struct {
	int reason;
	const char *text;
} alerts[] = {
	{ SSL_R_WRONG_VERSION_NUMBER,
		N_("what answers at this port speaks no TLS; is the port right, or is the broker reached by mqtt:// only?") },
	{ SSL_R_UNSUPPORTED_PROTOCOL,
		N_("the broker speaks only TLS older than 1.2, which is not safe; the platform must allow 1.2") },
	{ SSL_R_TLSV1_ALERT_PROTOCOL_VERSION,
		N_("the broker speaks only TLS older than 1.2, which is not safe; the platform must allow 1.2") },
	{ SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED,
		N_("the broker wants a certificate from this station; set client-cert and client-key") },
	{ SSL_R_TLSV1_ALERT_UNKNOWN_CA,
		N_("the broker does not know the authority that signed this station's client-cert; ask the platform for another") },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
		N_("this station's client-cert has expired; ask the platform for a new one") },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, N_("this station's client-cert is revoked; ask the platform") },
	{ SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
		N_("the broker does not take this station's client-cert; ask the platform") },
	{ SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE,
		N_("broker and station have no way of encrypting in common, or the broker wants a client-cert") },
};

/* The newest error of this thread's queue. */
static void say_error(struct tls_check *check, const char *otherwise)
{
	unsigned long error = ERR_peek_last_error();
	for (size_t i = 0; error && i < sizeof(alerts) / sizeof(alerts[0]); i++)
		if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == alerts[i].reason) {
			fault_set(&check->finding, 0, "%s", _(alerts[i].text));
			return;
		}
	const char *reason = error ? ERR_reason_error_string(error) : NULL;
	if (reason)
		fault_set(&check->finding, 0, _("no TLS connection: %s"), reason);
	else
		fault_set(&check->finding, 0, "%s", otherwise);
}

/* ---- the connection ---- */

static bool wait_for(int fd, short events, long until_ms)
{
	struct pollfd poller = { .fd = fd, .events = events };
	long left = until_ms - clock_ms();
	return left > 0 && poll(&poller, 1, (int)left) > 0;
}

static int connect_one(const struct addrinfo *address)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int error = connect(fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
	socklen_t size = sizeof(error);
	if (error == EINPROGRESS && !wait_for(fd, POLLOUT, clock_ms() + CONNECT_MS))
		error = ETIMEDOUT;
	else if (error == EINPROGRESS && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (!error)
		return fd;
	close(fd);
	return -error;
}

/* A connected socket, or -1 with the finding. */
static int reach(struct tls_check *check)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	int error = getaddrinfo(check->host, check->service, &hints, &found);
	if (error) {
		fault_set(&check->finding, 0,
			_("the host name %s is not known here: %s; is the network up, and the name right?"),
			check->host, gai_strerror(error));
		return -1;
	}
	int fd = -EHOSTUNREACH;
	for (const struct addrinfo *at = found; at && fd < 0; at = at->ai_next)
		fd = connect_one(at);
	freeaddrinfo(found);
	if (fd >= 0)
		return fd;
	fault_set(&check->finding, 0,
		_("no connection to %s port %s: %s; is the broker running, and are its address and port right?"),
		check->host, check->service, strerror(-fd));
	return -1;
}

static bool load_own(struct tls_check *check, SSL_CTX *context)
{
	if (!*check->client_cert)
		return true;
	if (SSL_CTX_use_certificate_chain_file(context, check->client_cert) != 1) {
		fault_set(&check->finding, 0, _("client-cert %s is no certificate in PEM form"), check->client_cert);
		return false;
	}
	if (SSL_CTX_use_PrivateKey_file(context, check->client_key, SSL_FILETYPE_PEM) == 1)
		return true;
	unsigned long error = ERR_peek_last_error();
	bool other = ERR_GET_LIB(error) == ERR_LIB_X509 && ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH;
	fault_set(&check->finding, 0,
		other ? _("client-key %s is not the key of client-cert %s; they were not made together")
		      : _("client-key %s (of client-cert %s) is no private key in PEM form, or is locked by a password"),
		check->client_key, check->client_cert);
	return false;
}

static bool load_authorities(struct tls_check *check, SSL_CTX *context)
{
	const char *ca = *check->ca ? check->ca : NULL;
	if (SSL_CTX_load_verify_locations(context, ca, ca ? NULL : SYSTEM_CA) != 1) {
		fault_set(&check->finding, 0, _("ca-file %s holds no certificate in PEM form"), check->ca);
		return false;
	}
	if (!*check->crl)
		return true;
	X509_LOOKUP *lookup = X509_STORE_add_lookup(SSL_CTX_get_cert_store(context), X509_LOOKUP_file());
	if (!lookup || X509_load_crl_file(lookup, check->crl, X509_FILETYPE_PEM) < 1) {
		fault_set(&check->finding, 0, _("crl-file %s holds no revocation list in PEM form"), check->crl);
		return false;
	}
	X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_CRL_CHECK);
	return true;
}

static bool expect_host(struct tls_check *check, SSL *ssl)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, check->host) == 1)
		return true;
	SSL_set_tlsext_host_name(ssl, check->host);
	return X509_VERIFY_PARAM_set1_host(param, check->host, 0) == 1;
}

/* The certificate that the last verification in this thread stumbled over; the SSL keeps only the number. */
static _Thread_local X509 *stumbled;

static int verified(int well, X509_STORE_CTX *store)
{
	if (!well && !stumbled && (stumbled = X509_STORE_CTX_get_current_cert(store)))
		X509_up_ref(stumbled);
	return well;
}

/* 1 done, 0 time is up, -1 failed. */
static int step(SSL *ssl, int fd, int (*action)(SSL *), long until_ms)
{
	for (;;) {
		ERR_clear_error();
		int rc = action(ssl);
		if (rc == 1)
			return 1;
		int want = SSL_get_error(ssl, rc);
		if (want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE)
			return -1;
		if (!wait_for(fd, want == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, until_ms))
			return 0;
	}
}

static int hear_one(SSL *ssl)
{
	char byte;
	return SSL_read(ssl, &byte, 1);
}

static void shake_hands(struct tls_check *check, SSL *ssl, int fd)
{
	int rc = step(ssl, fd, SSL_connect, clock_ms() + HANDSHAKE_MS);
	long why = SSL_get_verify_result(ssl);
	if (rc < 0 && why != X509_V_OK)
		say_verification(check, ssl, stumbled, why);
	else if (rc < 0)
		say_error(check,
			_("the other side ended the connection instead of speaking TLS; is the port right, or is the broker "
			  "reached by mqtt:// only?"));
	else if (rc == 0)
		fault_set(&check->finding, 0, _("what answers at this port begins no TLS; is the port right?"));
	else if (step(ssl, fd, hear_one, clock_ms() + ALERT_MS) < 0 && ERR_peek_last_error())
		say_error(check, "");
}

static void examine(struct tls_check *check, int fd)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	if (!context)
		abort();
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(context, CIPHERS);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, verified);
	if (load_authorities(check, context) && load_own(check, context)) {
		SSL *ssl = SSL_new(context);
		if (!ssl)
			abort();
		if (expect_host(check, ssl) && SSL_set_fd(ssl, fd) == 1)
			shake_hands(check, ssl, fd);
		SSL_free(ssl);
	}
	SSL_CTX_free(context);
	X509_free(stumbled);
	stumbled = NULL;
	ERR_clear_error();
}

/* ---- the check and its thread ---- */

void tls_check_free(struct tls_check *check)
{
	if (!check || atomic_fetch_sub(&check->holders, 1) > 1)
		return;
	if (check->event_fd >= 0)
		close(check->event_fd);
	free(check);
}

static void *run(void *context)
{
	struct tls_check *check = context;
	int fd = reach(check);
	if (fd >= 0) {
		examine(check, fd);
		close(fd);
	}
	check->done = true;
	eventfd_write(check->event_fd, 1);
	tls_check_free(check);
	return NULL;
}

static void copy(char *out, size_t size, const char *text)
{
	text_copy(out, size, text ? text : "");
}

int tls_check_start(
	const char *broker, const struct tls_files *files, int event_fd, struct tls_check **ret, struct fault *fault)
{
	struct tls_check *check = calloc(1, sizeof(*check));
	if (!check)
		return fault_set(fault, ENOMEM, _("out of memory"));
	lookup_split(broker, check->host, sizeof(check->host), check->service);
	copy(check->ca, sizeof(check->ca), files->ca);
	copy(check->crl, sizeof(check->crl), files->crl);
	copy(check->client_cert, sizeof(check->client_cert), files->client_cert);
	copy(check->client_key, sizeof(check->client_key), files->client_key);
	check->holders = 2;
	check->event_fd = fcntl(event_fd, F_DUPFD_CLOEXEC, 0); /* its owner may be gone before the thread */
	pthread_t thread;
	int error = check->event_fd < 0 ? EMFILE : pthread_create(&thread, NULL, run, check);
	if (error) {
		check->holders = 1;
		tls_check_free(check);
		return fault_set(fault, error, "%s", strerror(error));
	}
	pthread_detach(thread);
	*ret = check;
	return 0;
}

bool tls_check_done(const struct tls_check *check, struct fault *ret_finding)
{
	if (!check->done)
		return false;
	*ret_finding = check->finding;
	return true;
}

/* ---- revocation ---- */

/* The MQTT library has no place for it, but each new connection takes over the parameters of this name from OpenSSL's
 * table (X509_VERIFY_PARAM_lookup(3)); ours stands in it from the first demand on, and only its flag changes. */
void tls_demand_revocation_list(bool demand)
{
	static X509_VERIFY_PARAM *ours;
	if (!ours && !demand)
		return;
	if (!ours) {
		ours = X509_VERIFY_PARAM_new();
		if (!ours || X509_VERIFY_PARAM_inherit(ours, X509_VERIFY_PARAM_lookup("ssl_server")) != 1 ||
			X509_VERIFY_PARAM_set1_name(ours, "ssl_server") != 1 || X509_VERIFY_PARAM_add0_table(ours) != 1)
			abort();
	}
	if (demand)
		X509_VERIFY_PARAM_set_flags(ours, X509_V_FLAG_CRL_CHECK);
	else
		X509_VERIFY_PARAM_clear_flags(ours, X509_V_FLAG_CRL_CHECK);
}

static int append_file(int to, const char *path, struct fault *fault)
{
	char buffer[4096];
	ssize_t got = -1;
	int from = open(path, O_RDONLY | O_CLOEXEC);
	while (from >= 0 && (got = read(from, buffer, sizeof(buffer))) > 0)
		if (write(to, buffer, (size_t)got) != got)
			break;
	int error = errno;
	if (from >= 0)
		close(from);
	if (got != 0)
		return fault_set(fault, error, _("%s cannot be read: %s"), path, strerror(error));
	return write(to, "\n", 1) == 1 ? 0 : fault_set(fault, errno, "%s", strerror(errno));
}

int tls_join_files(const struct tls_files *files, int *ret_fd, char path[static 32], struct fault *fault)
{
	*ret_fd = -1;
	*path = '\0';
	if (!files->crl || !*files->crl)
		return 0;
	int fd = memfd_create("authorities", MFD_CLOEXEC);
	if (fd < 0)
		return fault_set(fault, errno, "%s", strerror(errno));
	int error = files->ca && *files->ca ? append_file(fd, files->ca, fault) : 0;
	if (!error)
		error = append_file(fd, files->crl, fault);
	if (error) {
		close(fd);
		return error;
	}
	snprintf(path, 32, "/proc/self/fd/%d", fd);
	*ret_fd = fd;
	return 0;
}
