/*
 * addr.c - IP addresses as values
 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
};

bool
addr_parse_unmapped(const char *text, struct addr *out)
{
	struct addr a = { 0 };

	if (inet_pton(AF_INET, text, a.bytes) == 1)
		a.family = ADDR_IPV4;
	else if (inet_pton(AF_INET6, text, a.bytes) == 1)
		a.family = ADDR_IPV6;
	else
		return false;
	*out = a;
	return true;
}

bool
addr_parse(const char *text, struct addr *out)
{
	struct addr a;

	if (!addr_parse_unmapped(text, &a))
		return false;
	if (a.family == ADDR_IPV6 &&
	    memcmp(a.bytes, mapped_prefix, sizeof(mapped_prefix)) == 0) {
		memmove(a.bytes, a.bytes + 12, 4);
		memset(a.bytes + 4, 0, 12);
		a.family = ADDR_IPV4;
	}
	*out = a;
	return true;
}

const char *
addr_parse_range(const char *text, size_t most, struct addr *first,
    size_t *count)
{
	const char *slash = strchr(text, '/');
	char host[ADDR_TEXT_MAX];
	struct addr a;
	char *end;
	long bits;
	int width, i;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(host))
		return "is no range like 203.0.113.0/28";
	memcpy(host, text, (size_t)(slash - text));
	host[slash - text] = '\0';
	if (!addr_parse_unmapped(host, &a))
		return "is no range like 203.0.113.0/28";
	width = a.family == ADDR_IPV4 ? 32 : 128;
	bits = strtol(slash + 1, &end, 10);
	if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || bits > width)
		return "has no prefix length that fits after the slash";
	if (width - bits > 30 || ((size_t)1 << (width - bits)) > most)
		return "is too large a range";
	for (i = (int)bits; i < width; i++) {
		if (a.bytes[i / 8] & (0x80 >> (i % 8)))
			return "does not begin at the start of its range";
	}
	*first = a;
	*count = (size_t)1 << (width - bits);
	return NULL;
}

struct addr
addr_after(const struct addr *first, size_t offset)
{
	struct addr a = *first;
	int i = a.family == ADDR_IPV4 ? 3 : 15;

	for (; i >= 0 && offset > 0; i--) {
		offset += a.bytes[i];
		a.bytes[i] = offset & 0xff;
		offset >>= 8;
	}
	return a;
}

struct addr
addr_from_ipv4(uint32_t host_order)
{
	struct addr a = { .family = ADDR_IPV4 };
	uint32_t net = htonl(host_order);

	memcpy(a.bytes, &net, sizeof(net));
	return a;
}

const char *
addr_text(const struct addr *a, char buf[ADDR_TEXT_MAX])
{
	int af = a->family == ADDR_IPV6 ? AF_INET6 : AF_INET;

	if (a->family == ADDR_NONE ||
	    inet_ntop(af, a->bytes, buf, ADDR_TEXT_MAX) == NULL)
		strcpy(buf, "-");
	return buf;
}

const char *
addr_reversed(const struct addr *a, char buf[ADDR_REVERSED_MAX])
{
	static const char hex[] = "0123456789abcdef";
	char *p = buf;
	int i;

	if (a->family == ADDR_IPV4) {
		snprintf(buf, ADDR_REVERSED_MAX, "%u.%u.%u.%u", a->bytes[3],
		    a->bytes[2], a->bytes[1], a->bytes[0]);
		return buf;
	}
	for (i = 15; i >= 0; i--) {
		*p++ = hex[a->bytes[i] & 0x0f];
		*p++ = '.';
		*p++ = hex[a->bytes[i] >> 4];
		*p++ = '.';
	}
	p[-1] = '\0';
	return buf;
}

int
addr_cmp(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* Special ranges, IANA registries (RFC 6890 and its updates).  The first
 * match wins; what no row names is global. */
static const struct {
	const char	*prefix;
	int		 bits;
	enum addr_scope	 scope;
} special[] = {
	{ "0.0.0.0",		8,	ADDR_UNUSABLE },
	{ "10.0.0.0",		8,	ADDR_PRIVATE },
	{ "100.64.0.0",		10,	ADDR_PRIVATE },
	{ "127.0.0.0",		8,	ADDR_LOOPBACK },
	{ "169.254.0.0",	16,	ADDR_LINK_LOCAL },
	{ "172.16.0.0",		12,	ADDR_PRIVATE },
	{ "192.168.0.0",	16,	ADDR_PRIVATE },
	{ "224.0.0.0",		3,	ADDR_UNUSABLE },
	{ "::1",		128,	ADDR_LOOPBACK },
	{ "::",			128,	ADDR_UNUSABLE },
	{ "fc00::",		7,	ADDR_PRIVATE },
	{ "fe80::",		10,	ADDR_LINK_LOCAL },
	{ "ff00::",		8,	ADDR_UNUSABLE },
};

static bool
has_prefix(const struct addr *a, const struct addr *prefix, int bits)
{
	int bytes = bits / 8, rest = bits % 8;

	if (a->family != prefix->family ||
	    memcmp(a->bytes, prefix->bytes, (size_t)bytes) != 0)
		return false;
	return rest == 0 || (a->bytes[bytes] >> (8 - rest)) ==
	    (prefix->bytes[bytes] >> (8 - rest));
}

enum addr_scope
addr_scope(const struct addr *a)
{
	struct addr prefix;
	size_t i;

	for (i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		if (addr_parse(special[i].prefix, &prefix) &&
		    has_prefix(a, &prefix, special[i].bits))
			return special[i].scope;
	}
	return a->family == ADDR_NONE ? ADDR_UNUSABLE : ADDR_GLOBAL;
}
