/*
 * addr.h - IP addresses as values
 *
 * An address is compared, printed and reversed for a DNS list here and
 * nowhere else.  IPv4-mapped IPv6 addresses (::ffff:a.b.c.d) become IPv4
 * when they are parsed: that is how lists are asked about them.
 * Everything is pure and may be called from any thread.
 */
#ifndef MAILBRAKE_BASE_ADDR_H
#define MAILBRAKE_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDR_TEXT_MAX		46	/* INET6_ADDRSTRLEN */
#define ADDR_REVERSED_MAX	64	/* 32 nibbles with dots, and NUL */

enum addr_family {
	ADDR_NONE = 0,
	ADDR_IPV4 = 4,
	ADDR_IPV6 = 6,
};

/* Where an address has meaning, by the IANA special-purpose registries.
 * Documentation ranges count as global: they stand for public addresses. */
enum addr_scope {
	ADDR_GLOBAL,
	ADDR_PRIVATE,		/* RFC 1918, RFC 6598, RFC 4193 */
	ADDR_LOOPBACK,
	ADDR_LINK_LOCAL,
	ADDR_UNUSABLE,		/* unspecified, multicast, reserved */
};

struct addr {
	uint8_t	family;		/* enum addr_family */
	uint8_t	bytes[16];	/* network order; IPv4 uses the first four */
};

/* False, and *out untouched, if text is not an IPv4 or IPv6 address. */
bool		 addr_parse(const char *text, struct addr *out);

/* The same, but an IPv4-mapped address stays IPv6, as the test entries of
 * IPv6 lists want it (RFC 5782 section 5). */
bool		 addr_parse_unmapped(const char *text, struct addr *out);

/*
 * "203.0.113.0/28" and the like: the first address and how many there are.
 * NULL, or what is wrong; the range may hold at most most addresses.
 */
const char	*addr_parse_range(const char *text, size_t most,
		    struct addr *first, size_t *count);

/* The address that many after this one, within its family. */
struct addr	 addr_after(const struct addr *, size_t offset);
struct addr	 addr_from_ipv4(uint32_t host_order);

/* Writes the canonical text (RFC 5952 for IPv6) and returns buf. */
const char	*addr_text(const struct addr *, char buf[ADDR_TEXT_MAX]);

/* The labels that stand before the zone in a query: "7.113.0.203", or 32
 * nibbles for IPv6 (RFC 5782 sections 2.1 and 2.4).  Returns buf. */
const char	*addr_reversed(const struct addr *,
		    char buf[ADDR_REVERSED_MAX]);

/* Total order: family first.  0 when equal. */
int		 addr_cmp(const struct addr *, const struct addr *);
enum addr_scope	 addr_scope(const struct addr *);

#endif
