/*
 * redis_tls.c - TLS on a connection to Redis, with OpenSSL
 */
#include "store/redis_tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/text.h"

bool
redis_tls_available(void)
{
	return true;
}

/* The newest error of this thread; clears the others. */
static const char *
last_error(void)
{
	unsigned long last = ERR_peek_last_error();
	const char *text = last != 0 ? ERR_reason_error_string(last) : NULL;

	ERR_clear_error();
	return text != NULL ? text : "no reason given";
}

/* False, with why written, if a file cannot be used. */
static bool
take_file(const char *path, int ok, char *why, size_t size)
{
	const char *error = last_error();

	if (ok == 1)
		return true;
	if (access(path, R_OK) == -1)
		error = strerror(errno);
	snprintf(why, size, "%s: %s", path, error);
	return false;
}

static bool
take_files(SSL_CTX *ctx, const struct redis_tls *t, char *why, size_t size)
{
	if (t->ca != NULL) {
		if (!take_file(t->ca, SSL_CTX_load_verify_locations(ctx,
		    t->ca, NULL), why, size))
			return false;
	} else if (t->verify) {
		SSL_CTX_set_default_verify_paths(ctx);
	}
	if (t->cert == NULL)
		return true;
	return take_file(t->cert, SSL_CTX_use_certificate_chain_file(ctx,
	    t->cert), why, size) && take_file(t->key,
	    SSL_CTX_use_PrivateKey_file(ctx, t->key, SSL_FILETYPE_PEM), why,
	    size) && take_file(t->key, SSL_CTX_check_private_key(ctx), why,
	    size);
}

/* Whose certificate it must be. */
static bool
set_peer(SSL *ssl, const struct redis_tls *t, const struct endpoint *server)
{
	char text[ADDR_TEXT_MAX];

	if (t->server_name != NULL)
		return SSL_set_tlsext_host_name(ssl, t->server_name) == 1 &&
		    SSL_set1_host(ssl, t->server_name) == 1;
	if (server->kind != ENDPOINT_INET)
		return true;
	return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl),
	    addr_text(&server->addr, text)) == 1;
}

struct bufferevent *
redis_tls_new(struct event_base *base, const struct redis_tls *t,
    const struct endpoint *server, char *why, size_t size)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct bufferevent *bev = NULL;
	SSL *ssl = NULL;

	snprintf(why, size, "out of memory");
	ERR_clear_error();
	if (ctx == NULL || !take_files(ctx, t, why, size))
		goto out;
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, t->verify ? SSL_VERIFY_PEER :
	    SSL_VERIFY_NONE, NULL);
	/* It holds a reference to ctx. */
	if ((ssl = SSL_new(ctx)) == NULL ||
	    (t->verify && !set_peer(ssl, t, server)))
		goto out;
	bev = bufferevent_openssl_socket_new(base, -1, ssl,
	    BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL)
		goto out;
	ssl = NULL;
	/* A server that dies sends no close_notify. */
	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
out:
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return bev;
}

const char *
redis_tls_trouble(struct bufferevent *bev, char *buf, size_t size)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	unsigned long error, last = 0;
	const char *text;
	long verify;

	buf[0] = '\0';
	while ((error = bufferevent_get_openssl_error(bev)) != 0)
		last = error;
	ERR_clear_error();
	verify = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;
	if (last == 0)
		return buf;
	text = verify != X509_V_OK ? X509_verify_cert_error_string(verify) :
	    ERR_reason_error_string(last);
	snprintf(buf, size, "TLS: %s%s", verify != X509_V_OK ?
	    "its certificate is not accepted: " : "", text != NULL ? text :
	    "failed");
	return buf;
}
