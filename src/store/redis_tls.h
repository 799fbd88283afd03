/*
 * redis_tls.h - TLS on a connection to Redis
 *
 * OpenSSL stays behind this header.  The files are read for every
 * connection, so that certificates can be renewed at any time.  A build
 * without OpenSSL has redis_tls_none.c instead.  Event-loop thread.
 */
#ifndef MAILBRAKE_STORE_REDIS_TLS_H
#define MAILBRAKE_STORE_REDIS_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include <event2/bufferevent.h>

#include "base/endpoint.h"

struct redis_tls {
	char	*ca;		/* PEM file; NULL: those of the system */
	char	*cert, *key;	/* our own, PEM files; NULL: none */
	char	*server_name;	/* in the server's certificate; NULL: its
				 * address is */
	bool	 verify;
};

bool	redis_tls_available(void);

/* To be connected as any other.  Its event BEV_EVENT_CONNECTED comes after
 * the handshake.  NULL, and why[size] written, if it cannot be had. */
struct bufferevent *redis_tls_new(struct event_base *,
	    const struct redis_tls *, const struct endpoint *server,
	    char *why, size_t size);

/* What TLS says about the failure of such a bufferevent; "" for nothing.
 * Returns buf. */
const char *redis_tls_trouble(struct bufferevent *, char *buf, size_t size);

#endif
