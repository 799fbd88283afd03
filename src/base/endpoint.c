/*
 * endpoint.c - where a socket is
 */
#include "base/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Splits "HOST:PORT", "[HOST]:PORT" or, with port set, a bare "HOST". */
static const char *
parse_host_port(const char *text, uint16_t port, struct endpoint *out)
{
	struct endpoint e = { .kind = ENDPOINT_INET, .port = port };
	char host[ADDR_TEXT_MAX + 2];
	const char *colon, *end;
	size_t len;
	char *rest;
	long n;

	if (text[0] == '[') {
		text++;
		if ((end = strchr(text, ']')) == NULL)
			return "has no closing bracket after the address";
		colon = end + 1;
	} else {
		colon = end = strchr(text, ':');
		/* A bare IPv6 address has more than one colon. */
		if (colon == NULL || (port != 0 &&
		    strchr(colon + 1, ':') != NULL))
			colon = end = text + strlen(text);
	}
	len = (size_t)(end - text);
	if (len >= sizeof(host))
		return "is not an address: write it in digits, not as a name";
	memcpy(host, text, len);
	host[len] = '\0';
	if (!addr_parse(host, &e.addr))
		return "is not an address: write it in digits, not as a name";
	if (*colon == ':') {
		n = strtol(colon + 1, &rest, 10);
		if (colon[1] < '0' || colon[1] > '9' || *rest != '\0' ||
		    n < 1 || n > 65535)
			return "has a bad port: it must be 1 to 65535";
		e.port = (uint16_t)n;
	} else if (*colon != '\0') {
		return "has something after the address that is no port";
	}
	if (e.port == 0)
		return "has no port: write inet:ADDRESS:PORT";
	*out = e;
	return NULL;
}

const char *
endpoint_parse(const char *text, struct endpoint *out)
{
	struct endpoint e = { .kind = ENDPOINT_UNIX };

	if (text[0] == '\0') {
		e.kind = ENDPOINT_NONE;
		*out = e;
		return NULL;
	}
	if (strncmp(text, "inet:", 5) == 0)
		return parse_host_port(text + 5, 0, out);
	if (strncmp(text, "unix:", 5) != 0)
		return "must be \"unix:PATH\" or \"inet:ADDRESS:PORT\"";
	text += 5;
	if (text[0] != '/')
		return "must name an absolute path after \"unix:\"";
	if (strlen(text) >= sizeof(e.path))
		return "is too long for the path of a socket";
	strcpy(e.path, text);
	*out = e;
	return NULL;
}

const char *
endpoint_parse_server(const char *text, uint16_t port, struct endpoint *out)
{
	if (strncmp(text, "unix:", 5) == 0)
		return endpoint_parse(text, out);
	if (text[0] == '/') {
		struct endpoint e = { .kind = ENDPOINT_UNIX };

		if (strlen(text) >= sizeof(e.path))
			return "is too long for the path of a socket";
		strcpy(e.path, text);
		*out = e;
		return NULL;
	}
	return parse_host_port(text, port, out);
}

const char *
endpoint_text(const struct endpoint *e, char buf[ENDPOINT_TEXT_MAX])
{
	char host[ADDR_TEXT_MAX];

	if (e->kind == ENDPOINT_UNIX)
		snprintf(buf, ENDPOINT_TEXT_MAX, "unix:%s", e->path);
	else if (e->kind == ENDPOINT_INET)
		snprintf(buf, ENDPOINT_TEXT_MAX, e->addr.family == ADDR_IPV6 ?
		    "inet:[%s]:%u" : "inet:%s:%u",
		    addr_text(&e->addr, host), e->port);
	else
		strcpy(buf, "none");
	return buf;
}

socklen_t
endpoint_sockaddr(const struct endpoint *e, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (e->kind == ENDPOINT_UNIX) {
		struct sockaddr_un *un = (struct sockaddr_un *)ss;

		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, e->path, sizeof(un->sun_path) - 1);
		return sizeof(*un);
	}
	if (e->addr.family == ADDR_IPV6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(e->port);
		memcpy(&in6->sin6_addr, e->addr.bytes, 16);
		return sizeof(*in6);
	}
	{
		struct sockaddr_in *in = (struct sockaddr_in *)ss;

		in->sin_family = AF_INET;
		in->sin_port = htons(e->port);
		memcpy(&in->sin_addr, e->addr.bytes, 4);
		return sizeof(*in);
	}
}

bool
endpoint_same(const struct endpoint *a, const struct endpoint *b)
{
	char ta[ENDPOINT_TEXT_MAX], tb[ENDPOINT_TEXT_MAX];

	return strcmp(endpoint_text(a, ta), endpoint_text(b, tb)) == 0;
}
