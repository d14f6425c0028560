#include "digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ---- digests ---- */

static const EVP_MD *method(enum digest_kind kind)
{
	return kind == DIGEST_SM3 ? EVP_sm3() : EVP_sha256();
}

static const char *prefix(enum digest_kind kind)
{
	return kind == DIGEST_SM3 ? "sm3:" : "sha256:";
}

void digest_of(enum digest_kind kind, const void *data, size_t length, uint8_t out[static DIGEST_SIZE])
{
	if (EVP_Digest(data, length, out, NULL, method(kind), NULL) != 1)
		abort(); /* only without memory, or without the algorithm: neither can be survived */
}

void digest_sha256(const void *data, size_t length, uint8_t out[static DIGEST_SIZE])
{
	digest_of(DIGEST_SHA256, data, length, out);
}

char *digest_text(enum digest_kind kind, const uint8_t digest[static DIGEST_SIZE], char out[static DIGEST_TEXT_MAX])
{
	static const char hex[] = "0123456789abcdef";
	char *at = stpcpy(out, prefix(kind));
	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		*at++ = hex[digest[i] >> 4];
		*at++ = hex[digest[i] & 15];
	}
	*at = '\0';
	return out;
}

static int nibble(char character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	if (character >= 'a' && character <= 'f')
		return character - 'a' + 10;
	return -1;
}

size_t digest_parse(const char *text, size_t length, enum digest_kind *ret_kind, uint8_t out[static DIGEST_SIZE])
{
	static const enum digest_kind kinds[] = { DIGEST_SHA256, DIGEST_SM3 };
	size_t known = 0, named = 0;
	for (; known < 2; known++) {
		named = strlen(prefix(kinds[known]));
		if (length >= named + 2 * DIGEST_SIZE && memcmp(text, prefix(kinds[known]), named) == 0)
			break;
	}
	if (known == 2)
		return 0;
	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		int high = nibble(text[named + 2 * i]), low = nibble(text[named + 2 * i + 1]);
		if (high < 0 || low < 0)
			return 0;
		out[i] = (uint8_t)(high << 4 | low);
	}
	*ret_kind = kinds[known];
	return named + 2 * DIGEST_SIZE;
}

/* The library's own context under a name of ours. */
struct digest_run *digest_begin(enum digest_kind kind)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	if (!context || EVP_DigestInit_ex(context, method(kind), NULL) != 1)
		abort();
	return (struct digest_run *)context;
}

void digest_add(struct digest_run *run, const void *data, size_t length)
{
	if (EVP_DigestUpdate((EVP_MD_CTX *)run, data, length) != 1)
		abort();
}

void digest_end(struct digest_run *run, uint8_t out[static DIGEST_SIZE])
{
	if (EVP_DigestFinal_ex((EVP_MD_CTX *)run, out, NULL) != 1)
		abort();
	EVP_MD_CTX_free((EVP_MD_CTX *)run);
}

void digest_random(void *out, size_t length)
{
	if (getentropy(out, length) != 0)
		abort(); /* at most 256 bytes a call and a kernel that has entropy: anything else is a bug */
}

char *digest_base64(const void *data, size_t length, char *out)
{
	EVP_EncodeBlock((unsigned char *)out, data, (int)length);
	return out;
}

long digest_base64_read(const char *text, size_t length, uint8_t *out)
{
	/* the library skips white space around, and takes padding for bytes: both are told apart here */
	if (length == 0 || length % 4 != 0 || length > INT32_MAX || memchr(text, '\n', length) || text[0] == ' ' ||
		text[length - 1] == ' ')
		return -EINVAL;
	long got = EVP_DecodeBlock(out, (const unsigned char *)text, (int)length);
	if (got < 0)
		return -EINVAL;
	got -= (text[length - 1] == '=') + (text[length - 2] == '=');
	/* the bits that padding leaves over must be zero: one signature has one text */
	static const char zero_two[] = "AQgw", zero_four[] = "AEIMQUYcgkosw048";
	if (text[length - 2] == '=' && !strchr(zero_two, text[length - 3]))
		return -EINVAL;
	if (text[length - 2] != '=' && text[length - 1] == '=' && !strchr(zero_four, text[length - 2]))
		return -EINVAL;
	return got;
}

/* ---- signatures ---- */

#define SM2_IDENTIFIER "1234567812345678"

struct signature_key {
	EVP_PKEY *key;
	enum signature_kind kind;
	char id[DIGEST_TEXT_MAX];
};

const char *signature_name(enum signature_kind kind)
{
	return kind == SIGNATURE_SM2 ? "sm2-sm3" : "ed25519";
}

bool signature_named(const char *name, enum signature_kind *ret_kind)
{
	static const enum signature_kind kinds[] = { SIGNATURE_ED25519, SIGNATURE_SM2 };
	for (size_t i = 0; i < 2; i++)
		if (strcmp(name, signature_name(kinds[i])) == 0) {
			*ret_kind = kinds[i];
			return true;
		}
	return false;
}

static bool kind_of(const EVP_PKEY *key, enum signature_kind *ret)
{
	if (EVP_PKEY_is_a(key, "ED25519"))
		*ret = SIGNATURE_ED25519;
	else if (EVP_PKEY_is_a(key, "SM2"))
		*ret = SIGNATURE_SM2;
	else
		return false;
	return true;
}

/* Takes `key` over. */
static int wrap(EVP_PKEY *key, struct signature_key **ret, struct fault *fault)
{
	enum signature_kind kind;
	if (!kind_of(key, &kind)) {
		EVP_PKEY_free(key);
		return fault_set(fault, EINVAL, _("the key is neither an Ed25519 nor an SM2 key"));
	}
	struct signature_key *wrapped = calloc(1, sizeof(*wrapped));
	unsigned char *der = NULL;
	int length = i2d_PUBKEY(key, &der);
	if (!wrapped || length <= 0)
		abort(); /* no memory for some hundred bytes */
	uint8_t digest[DIGEST_SIZE];
	digest_sha256(der, (size_t)length, digest);
	OPENSSL_free(der);
	digest_text(DIGEST_SHA256, digest, wrapped->id);
	wrapped->key = key;
	wrapped->kind = kind;
	*ret = wrapped;
	return 0;
}

int signature_key_make(enum signature_kind kind, struct signature_key **ret, struct fault *fault)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, kind == SIGNATURE_SM2 ? "SM2" : "ED25519");
	if (!key)
		return fault_set(fault, ENOSYS, _("no %s key can be made on this system"), signature_name(kind));
	return wrap(key, ret, fault);
}

int signature_key_read(const char *pem, size_t length, bool private, struct signature_key **ret, struct fault *fault)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)length);
	if (!bio)
		abort();
	/* an empty passphrase, so that the library does not ask the terminal for one */
	EVP_PKEY *key = private ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"")
	                        : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (!key)
		return fault_set(fault, EINVAL,
			private ? _("it holds no private key (PEM, -----BEGIN PRIVATE KEY-----)")
				: _("it holds no public key (PEM, -----BEGIN PUBLIC KEY-----)"));
	return wrap(key, ret, fault);
}

void signature_key_free(struct signature_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->key);
	free(key);
}

char *signature_key_pem(const struct signature_key *key, bool private)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *data;
	if (!bio || (private ? PEM_write_bio_PKCS8PrivateKey(bio, key->key, NULL, NULL, 0, NULL, NULL)
			     : PEM_write_bio_PUBKEY(bio, key->key)) != 1)
		abort();
	long length = BIO_get_mem_data(bio, &data);
	char *text = strndup(data, (size_t)length);
	if (!text)
		abort();
	BIO_free(bio);
	return text;
}

enum signature_kind signature_key_kind(const struct signature_key *key)
{
	return key->kind;
}

const char *signature_key_id(const struct signature_key *key)
{
	return key->id;
}

/* A context that signs or verifies with `key`, SM2 with its identifier. */
static EVP_MD_CTX *begin(const struct signature_key *key, bool signing)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *options = EVP_PKEY_CTX_new(key->key, NULL);
	if (!context || !options)
		abort();
	const EVP_MD *digest = NULL; /* Ed25519 brings its own */
	if (key->kind == SIGNATURE_SM2) {
		digest = EVP_sm3();
		if (EVP_PKEY_CTX_set1_id(options, SM2_IDENTIFIER, sizeof(SM2_IDENTIFIER) - 1) != 1)
			abort();
	}
	EVP_MD_CTX_set_pkey_ctx(context, options);
	int done = signing ? EVP_DigestSignInit(context, NULL, digest, NULL, key->key)
	                   : EVP_DigestVerifyInit(context, NULL, digest, NULL, key->key);
	if (done != 1)
		abort(); /* the algorithm was there when the key was read */
	return context;
}

static void end(EVP_MD_CTX *context)
{
	EVP_PKEY_CTX *options = EVP_MD_CTX_get_pkey_ctx(context);
	EVP_MD_CTX_free(context); /* does not free what was set from outside */
	EVP_PKEY_CTX_free(options);
}

size_t signature_make(
	const struct signature_key *key, const void *message, size_t length, uint8_t out[static SIGNATURE_MAX])
{
	EVP_MD_CTX *context = begin(key, true);
	size_t size = SIGNATURE_MAX;
	if (EVP_DigestSign(context, out, &size, message, length) != 1)
		abort();
	end(context);
	return size;
}

bool signature_is_right(const struct signature_key *key, const void *message, size_t length, const uint8_t *signature,
	size_t signature_length)
{
	EVP_MD_CTX *context = begin(key, false);
	bool right = EVP_DigestVerify(context, signature, signature_length, message, length) == 1;
	end(context);
	return right;
}
