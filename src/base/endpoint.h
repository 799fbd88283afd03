/*
 * endpoint.h - where a socket is: "unix:PATH" or "inet:HOST:PORT"
 *
 * HOST is an address, never a name: nothing here asks the DNS.  An IPv6
 * address stands in brackets: "inet:[::1]:10045".
 */
#ifndef MAILBRAKE_BASE_ENDPOINT_H
#define MAILBRAKE_BASE_ENDPOINT_H

#include <sys/socket.h>

#include <stdint.h>

#include "base/addr.h"

#define ENDPOINT_TEXT_MAX	128

enum endpoint_kind {
	ENDPOINT_NONE = 0,	/* "": not offered */
	ENDPOINT_UNIX,
	ENDPOINT_INET,
};

struct endpoint {
	enum endpoint_kind	kind;
	char			path[108];	/* sun_path's size on Linux */
	struct addr		addr;
	uint16_t		port;
};

/* NULL and *out set, or what is wrong; *out is untouched then. */
const char	*endpoint_parse(const char *text, struct endpoint *out);

/* The same for "ADDRESS", "ADDRESS:PORT" or "[ADDRESS]:PORT", as for a DNS
 * or Redis server; port is the default one. */
const char	*endpoint_parse_server(const char *text, uint16_t port,
		    struct endpoint *out);
const char	*endpoint_text(const struct endpoint *,
		    char buf[ENDPOINT_TEXT_MAX]);
bool		 endpoint_same(const struct endpoint *,
		    const struct endpoint *);
socklen_t	 endpoint_sockaddr(const struct endpoint *,
		    struct sockaddr_storage *);

#endif
