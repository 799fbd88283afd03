/*
 * test_endpoint.c - where a socket is
 */
#include "unit.h"

#include <sys/un.h>

#include <netinet/in.h>

#include <string.h>

#include "base/endpoint.h"

#define PATH_107 \
	"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* An endpoint as it is shown, or what is wrong with the text. */
static const struct row {
	const char	*claim;
	const char	*text;
	const char	*shown;
	const char	*wrong;
} rows[] = {
	{ "nothing is not offered", "", "none", NULL },
	{ "a path", "unix:/run/mailbrake/milter.sock",
	    "unix:/run/mailbrake/milter.sock", NULL },
	{ "an address and a port", "inet:127.0.0.1:10045",
	    "inet:127.0.0.1:10045", NULL },
	{ "IPv6 stands in brackets", "inet:[::1]:10045", "inet:[::1]:10045",
	    NULL },
	{ "IPv4 may", "inet:[127.0.0.1]:25", "inet:127.0.0.1:25", NULL },
	{ "the first port", "inet:127.0.0.1:1", "inet:127.0.0.1:1", NULL },
	{ "the last port", "inet:127.0.0.1:65535", "inet:127.0.0.1:65535",
	    NULL },
	{ "the longest path", "unix:" PATH_107, "unix:" PATH_107, NULL },
	{ "a longer one is refused", "unix:" PATH_107 "c", NULL,
	    "is too long" },
	{ "a path must be absolute", "unix:milter.sock", NULL,
	    "absolute path" },
	{ "a path needs its kind", "/run/mailbrake/milter.sock", NULL,
	    "must be \"unix:PATH\" or \"inet:ADDRESS:PORT\"" },
	{ "Sendmail's local: is not ours", "local:/run/x", NULL,
	    "must be \"unix:PATH\"" },
	{ "a name is no address", "inet:localhost:10045", NULL,
	    "is not an address" },
	{ "Sendmail's order is not ours", "inet:10045@127.0.0.1", NULL,
	    "is not an address" },
	{ "no port", "inet:127.0.0.1", NULL, "has no port" },
	{ "no port after the brackets", "inet:[::1]", NULL, "has no port" },
	{ "an empty port", "inet:127.0.0.1:", NULL, "has a bad port" },
	{ "port 0", "inet:127.0.0.1:0", NULL, "has a bad port" },
	{ "port 65536", "inet:127.0.0.1:65536", NULL, "has a bad port" },
	{ "a port that would wrap", "inet:127.0.0.1:4294967321", NULL,
	    "has a bad port" },
	{ "a port beyond every integer",
	    "inet:127.0.0.1:99999999999999999999", NULL, "has a bad port" },
	{ "a port with a sign", "inet:127.0.0.1:+25", NULL,
	    "has a bad port" },
	{ "a port with space", "inet:127.0.0.1: 25", NULL,
	    "has a bad port" },
	{ "a port with letters", "inet:127.0.0.1:25x", NULL,
	    "has a bad port" },
	{ "a port by name", "inet:127.0.0.1:smtp", NULL, "has a bad port" },
	{ "IPv6 without brackets", "inet:2001:db8::7:25", NULL,
	    "is not an address" },
	{ "an open bracket", "inet:[::1:25", NULL, "no closing bracket" },
	{ "words after the bracket", "inet:[::1]x:25", NULL,
	    "something after the address" },
	{ "an empty address", "inet::25", NULL, "is not an address" },
	{ "a very long address", "inet:11111111111111111111111111111111"
	    "11111111111111111111111111111111:25", NULL,
	    "is not an address" },
};

static void
check(const char *wrong, const char *expected, const struct endpoint *e,
    const char *shown)
{
	char buf[ENDPOINT_TEXT_MAX];

	if (expected != NULL) {
		assert_non_null(wrong);
		unit_says(wrong, expected);
		assert_int_equal(e->port, 4711);	/* untouched */
		return;
	}
	if (wrong != NULL)
		fail_msg("%s", wrong);
	assert_string_equal(endpoint_text(e, buf), shown);
}

static void
test_parse(void **state)
{
	const struct row *r = *state;
	struct endpoint e = { .port = 4711 };
	const char *wrong = endpoint_parse(r->text, &e);

	check(wrong, r->wrong, &e, r->shown);
}

/* Servers, with 53 as the port that may be left out. */
static const struct row server_rows[] = {
	{ "a bare address has the usual port", "127.0.0.1",
	    "inet:127.0.0.1:53", NULL },
	{ "a port of its own", "127.0.0.1:5353", "inet:127.0.0.1:5353",
	    NULL },
	{ "bare IPv6", "2001:db8::53", "inet:[2001:db8::53]:53", NULL },
	{ "bare IPv6 whose end looks like a port", "2001:db8::7:5353",
	    "inet:[2001:db8::7:5353]:53", NULL },
	{ "IPv6 with a port", "[2001:db8::53]:5353",
	    "inet:[2001:db8::53]:5353", NULL },
	{ "a mapped address is IPv4", "[::ffff:127.0.0.1]:5353",
	    "inet:127.0.0.1:5353", NULL },
	{ "a path", "/run/redis.sock", "unix:/run/redis.sock", NULL },
	{ "a path with its kind", "unix:/run/redis.sock",
	    "unix:/run/redis.sock", NULL },
	{ "a long path", PATH_107 "c", NULL, "is too long" },
	{ "a name", "dns.example.org", NULL, "is not an address" },
	{ "a name with a port", "localhost:6379", NULL,
	    "is not an address" },
	{ "nothing", "", NULL, "is not an address" },
	{ "a colon alone", ":", NULL, "is not an address" },
};

static void
test_server(void **state)
{
	const struct row *r = *state;
	struct endpoint e = { .port = 4711 };
	const char *wrong = endpoint_parse_server(r->text, 53, &e);

	check(wrong, r->wrong, &e, r->shown);
}

static void
test_sockaddr_inet(void **state)
{
	struct sockaddr_storage ss;
	struct sockaddr_in *in = (struct sockaddr_in *)&ss;
	struct endpoint e;

	(void)state;
	assert_null(endpoint_parse("inet:127.0.0.1:10045", &e));
	assert_int_equal(endpoint_sockaddr(&e, &ss), sizeof(*in));
	assert_int_equal(in->sin_family, AF_INET);
	assert_int_equal(ntohs(in->sin_port), 10045);
	assert_int_equal(ntohl(in->sin_addr.s_addr), 0x7f000001);
}

static void
test_sockaddr_inet6(void **state)
{
	struct sockaddr_storage ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;
	struct endpoint e;

	(void)state;
	assert_null(endpoint_parse("inet:[::1]:10045", &e));
	assert_int_equal(endpoint_sockaddr(&e, &ss), sizeof(*in6));
	assert_int_equal(in6->sin6_family, AF_INET6);
	assert_int_equal(ntohs(in6->sin6_port), 10045);
	assert_memory_equal(&in6->sin6_addr, &in6addr_loopback, 16);
}

static void
test_sockaddr_unix(void **state)
{
	struct sockaddr_storage ss;
	struct sockaddr_un *un = (struct sockaddr_un *)&ss;
	struct endpoint e;

	(void)state;
	assert_null(endpoint_parse("unix:" PATH_107, &e));
	assert_int_equal(endpoint_sockaddr(&e, &ss), sizeof(*un));
	assert_int_equal(un->sun_family, AF_UNIX);
	assert_string_equal(un->sun_path, PATH_107);
}

int
main(void)
{
	unit_rows(rows, test_parse);
	unit_rows(server_rows, test_server);
	unit_claim("a socket address of IPv4", test_sockaddr_inet);
	unit_claim("a socket address of IPv6", test_sockaddr_inet6);
	unit_claim("a socket address of the longest path",
	    test_sockaddr_unix);
	return unit_run("endpoint");
}
