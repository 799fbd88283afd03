/*
 * test_addr.c - IP addresses as values
 */
#include "unit.h"

#include <string.h>

#include "base/addr.h"

/* --- text in and out ---------------------------------------------------- */

static const struct parse_row {
	const char	*claim;
	const char	*text;
	enum addr_family family;	/* ADDR_NONE: is refused */
	const char	*canonical;
} parse_rows[] = {
	{ "IPv4 is itself", "203.0.113.7", ADDR_IPV4, "203.0.113.7" },
	{ "all ones", "255.255.255.255", ADDR_IPV4, "255.255.255.255" },
	{ "IPv6 is written by RFC 5952", "2001:0DB8:0:0:0:0:0:0007",
	    ADDR_IPV6, "2001:db8::7" },
	{ "the longest run of zeros is shortened",
	    "2001:db8:0:0:1:0:0:0", ADDR_IPV6, "2001:db8:0:0:1::" },
	{ "mapped, dotted, is IPv4", "::ffff:203.0.113.7", ADDR_IPV4,
	    "203.0.113.7" },
	{ "mapped, in hex, is IPv4", "::FFFF:CB00:7107", ADDR_IPV4,
	    "203.0.113.7" },
	{ "IPv4-compatible is not mapped", "::203.0.113.7", ADDR_IPV6,
	    "::203.0.113.7" },
	{ "nearly mapped is IPv6", "::fffe:cb00:7107", ADDR_IPV6,
	    "::fffe:cb00:7107" },
	{ "unspecified", "::", ADDR_IPV6, "::" },
	{ "empty is none", "", ADDR_NONE, NULL },
	{ "a name is none", "mx1.example.org", ADDR_NONE, NULL },
	{ "three octets are none", "203.0.113", ADDR_NONE, NULL },
	{ "256 is no octet", "203.0.113.256", ADDR_NONE, NULL },
	{ "an octet with a zero before is none", "203.0.113.007", ADDR_NONE,
	    NULL },
	{ "hex octets are none", "0xcb.0.113.7", ADDR_NONE, NULL },
	{ "a prefix length does not belong", "203.0.113.0/24", ADDR_NONE,
	    NULL },
	{ "space does not belong", " 203.0.113.7", ADDR_NONE, NULL },
	{ "space after does not belong", "203.0.113.7 ", ADDR_NONE, NULL },
	{ "brackets do not belong", "[2001:db8::7]", ADDR_NONE, NULL },
	{ "a zone index does not belong", "fe80::1%eth0", ADDR_NONE, NULL },
	{ "two runs of zeros are none", "2001::1::2", ADDR_NONE, NULL },
};

static void
test_parse(void **state)
{
	const struct parse_row *r = *state;
	struct addr a = { .family = 99 };
	char buf[ADDR_TEXT_MAX];

	assert_int_equal(addr_parse(r->text, &a), r->family != ADDR_NONE);
	if (r->family == ADDR_NONE) {
		assert_int_equal(a.family, 99);		/* untouched */
		return;
	}
	assert_int_equal(a.family, r->family);
	assert_string_equal(addr_text(&a, buf), r->canonical);
}

static void
test_unmapped(void **state)
{
	struct addr a;

	(void)state;
	assert_true(addr_parse_unmapped("::ffff:127.0.0.2", &a));
	assert_int_equal(a.family, ADDR_IPV6);
	assert_true(addr_parse_unmapped("127.0.0.2", &a));
	assert_int_equal(a.family, ADDR_IPV4);
}

static void
test_none(void **state)
{
	struct addr none = { 0 };
	char buf[ADDR_TEXT_MAX];

	(void)state;
	assert_string_equal(addr_text(&none, buf), "-");
	assert_int_equal(addr_scope(&none), ADDR_UNUSABLE);
}

static void
test_host_order(void **state)
{
	struct addr a = addr_from_ipv4(0x7f000102), b;
	char buf[ADDR_TEXT_MAX];

	(void)state;
	assert_string_equal(addr_text(&a, buf), "127.0.1.2");
	assert_true(addr_parse("127.0.1.2", &b));
	assert_int_equal(addr_cmp(&a, &b), 0);
}

/* --- the labels of a query ---------------------------------------------- */

/* The examples of RFC 5782 sections 2.1, 2.4 and 5, and the ends. */
static const struct reversed_row {
	const char	*claim;
	const char	*text;
	const char	*labels;
} reversed_rows[] = {
	{ "section 2.1: octets in reverse", "192.0.2.99", "99.2.0.192" },
	{ "section 2.4: nibbles in reverse, none left out",
	    "2001:db8:1:2:3:4:567:89ab",
	    "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0."
	    "2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2" },
	{ "section 5: the IPv4 entry that is listed", "127.0.0.2",
	    "2.0.0.127" },
	{ "section 5: the IPv4 entry that is not", "127.0.0.1",
	    "1.0.0.127" },
	{ "section 5: the IPv6 entry that is listed", "::FFFF:7F00:2",
	    "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0."
	    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0" },
	{ "section 5: the IPv6 entry that is not", "::FFFF:7F00:1",
	    "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0."
	    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0" },
	{ "the longest IPv4", "255.255.255.255", "255.255.255.255" },
	{ "every nibble has its place",
	    "0123:4567:89ab:cdef:0123:4567:89ab:cdef",
	    "f.e.d.c.b.a.9.8.7.6.5.4.3.2.1.0."
	    "f.e.d.c.b.a.9.8.7.6.5.4.3.2.1.0" },
};

static void
test_reversed(void **state)
{
	const struct reversed_row *r = *state;
	char buf[ADDR_REVERSED_MAX];
	struct addr a;

	assert_true(addr_parse_unmapped(r->text, &a));
	assert_string_equal(addr_reversed(&a, buf), r->labels);
}

static void
test_mapped_is_asked_as_ipv4(void **state)
{
	char buf[ADDR_REVERSED_MAX];
	struct addr a;

	(void)state;
	assert_true(addr_parse("::ffff:192.0.2.99", &a));
	assert_string_equal(addr_reversed(&a, buf), "99.2.0.192");
}

/* --- order -------------------------------------------------------------- */

static void
test_order(void **state)
{
	static const char *const sorted[] = {
		"0.0.0.0", "9.255.255.255", "10.0.0.0", "203.0.113.7",
		"203.0.113.8", "::", "2001:db8::", "2001:db8::1", "ff02::1",
	};
	struct addr a, b;
	size_t i, j;
	int c;

	(void)state;
	for (i = 0; i < COUNT(sorted); i++) {
		for (j = 0; j < COUNT(sorted); j++) {
			assert_true(addr_parse(sorted[i], &a));
			assert_true(addr_parse(sorted[j], &b));
			c = addr_cmp(&a, &b);
			assert_true(i < j ? c < 0 : i > j ? c > 0 : c == 0);
		}
	}
}

/* --- scope: both ends of every range, and their neighbours -------------- */

static const struct scope_row {
	const char	*claim;
	const char	*text;
	enum addr_scope	 scope;
} scope_rows[] = {
	{ "0/8 begins", "0.0.0.0", ADDR_UNUSABLE },
	{ "0/8 ends", "0.255.255.255", ADDR_UNUSABLE },
	{ "1/8 is global", "1.0.0.0", ADDR_GLOBAL },
	{ "before 10/8", "9.255.255.255", ADDR_GLOBAL },
	{ "10/8 begins", "10.0.0.0", ADDR_PRIVATE },
	{ "10/8 ends", "10.255.255.255", ADDR_PRIVATE },
	{ "after 10/8", "11.0.0.0", ADDR_GLOBAL },
	{ "before 100.64/10", "100.63.255.255", ADDR_GLOBAL },
	{ "100.64/10 begins: carrier NAT", "100.64.0.0", ADDR_PRIVATE },
	{ "100.64/10 ends", "100.127.255.255", ADDR_PRIVATE },
	{ "after 100.64/10", "100.128.0.0", ADDR_GLOBAL },
	{ "loopback begins", "127.0.0.0", ADDR_LOOPBACK },
	{ "loopback ends", "127.255.255.255", ADDR_LOOPBACK },
	{ "after loopback", "128.0.0.0", ADDR_GLOBAL },
	{ "link local", "169.254.1.1", ADDR_LINK_LOCAL },
	{ "after link local", "169.255.0.0", ADDR_GLOBAL },
	{ "before 172.16/12", "172.15.255.255", ADDR_GLOBAL },
	{ "172.16/12 begins", "172.16.0.0", ADDR_PRIVATE },
	{ "172.16/12 ends", "172.31.255.255", ADDR_PRIVATE },
	{ "after 172.16/12", "172.32.0.0", ADDR_GLOBAL },
	{ "before 192.168/16", "192.167.255.255", ADDR_GLOBAL },
	{ "192.168/16", "192.168.0.1", ADDR_PRIVATE },
	{ "after 192.168/16", "192.169.0.0", ADDR_GLOBAL },
	{ "documentation stands for public addresses", "203.0.113.7",
	    ADDR_GLOBAL },
	{ "the last before multicast", "223.255.255.255", ADDR_GLOBAL },
	{ "multicast", "224.0.0.1", ADDR_UNUSABLE },
	{ "reserved", "240.0.0.1", ADDR_UNUSABLE },
	{ "broadcast", "255.255.255.255", ADDR_UNUSABLE },
	{ "IPv6 unspecified", "::", ADDR_UNUSABLE },
	{ "IPv6 loopback", "::1", ADDR_LOOPBACK },
	{ "IPv6 global", "2a00:1450::1", ADDR_GLOBAL },
	{ "IPv6 documentation stands for public addresses", "2001:db8::7",
	    ADDR_GLOBAL },
	{ "before unique local", "fbff:ffff::1", ADDR_GLOBAL },
	{ "unique local begins", "fc00::1", ADDR_PRIVATE },
	{ "unique local ends", "fdff:ffff::1", ADDR_PRIVATE },
	{ "link local begins", "fe80::1", ADDR_LINK_LOCAL },
	{ "link local ends", "febf:ffff::1", ADDR_LINK_LOCAL },
	{ "after link local of IPv6", "fec0::1", ADDR_GLOBAL },
	{ "IPv6 multicast", "ff02::1", ADDR_UNUSABLE },
	{ "a mapped private address is private", "::ffff:10.1.2.3",
	    ADDR_PRIVATE },
};

static void
test_scope(void **state)
{
	const struct scope_row *r = *state;
	struct addr a;

	assert_true(addr_parse(r->text, &a));
	assert_int_equal(addr_scope(&a), r->scope);
}

int
main(void)
{
	unit_rows(parse_rows, test_parse);
	unit_claim("unmapped parsing keeps the family", test_unmapped);
	unit_claim("no address has a text and no use", test_none);
	unit_claim("host order comes out right", test_host_order);
	unit_rows(reversed_rows, test_reversed);
	unit_claim("a mapped address is asked as IPv4",
	    test_mapped_is_asked_as_ipv4);
	unit_claim("the order is total, IPv4 before IPv6", test_order);
	unit_rows(scope_rows, test_scope);
	return unit_run("addr");
}
