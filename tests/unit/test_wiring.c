/*
 * test_wiring.c - what Postfix' configuration says about mailbrake
 *
 * The text is that of postconf(1) of Postfix 3.7.11, cut down to the lines
 * that are looked at; a row adds lines of its own.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/config.h"
#include "conf/wiring.h"

#define GATE	"/var/lib/mailbrake/gate"
#define SPOOL	"/var/spool/postfix"

/* "postconf -M", as Debian installs it. */
#define SERVICES \
	"smtp       inet  n       -       y       -       -       smtpd\n" \
	"submission inet  n       -       y       -       -       smtpd " \
	"-o syslog_name=postfix/submission -o smtpd_sasl_auth_enable=yes\n" \
	"127.0.0.1:10025 inet n   -       n       -       -       smtpd " \
	"-o smtpd_milters=\n" \
	"cleanup    unix  n       -       y       -       0       cleanup\n" \
	"rewrite    unix  -       -       y       -       -       " \
	"trivial-rewrite\n" \
	"smtp       unix  -       -       y       -       -       smtp\n" \
	"relay      unix  -       -       y       -       -       smtp " \
	"-o syslog_name=postfix/$service_name\n" \
	"retry      unix  -       -       y       -       -       error\n" \
	"error      unix  -       -       y       -       -       error\n" \
	"lmtp       unix  -       -       y       -       -       lmtp\n"

/* "postconf -Px" */
#define OVERRIDES \
	"submission/inet/syslog_name = postfix/submission\n" \
	"submission/inet/smtpd_sasl_auth_enable = yes\n" \
	"127.0.0.1:10025/inet/smtpd_milters = \n" \
	"relay/unix/syslog_name = postfix/relay\n"

/* "postconf -x" */
#define SETTINGS \
	"compatibility_level = 3.6\n" \
	"inet_interfaces = all\n" \
	"inet_protocols = all\n" \
	"non_smtpd_milters = \n" \
	"queue_directory = " SPOOL "\n" \
	"receive_override_options = \n" \
	"sender_dependent_default_transport_maps = \n" \
	"smtp_bind_address = \n" \
	"smtp_bind_address6 = \n" \
	"smtp_bind_address_enforce = no\n" \
	"smtp_connection_cache_destinations = \n" \
	"smtp_connection_cache_on_demand = yes\n" \
	"smtp_helo_name = mx1.example.org\n" \
	"smtp_tls_policy_maps = \n" \
	"smtpd_client_restrictions = \n" \
	"smtpd_helo_restrictions = \n" \
	"smtpd_milters = \n" \
	"smtpd_recipient_restrictions = \n" \
	"smtpd_relay_restrictions = permit_mynetworks, " \
	"permit_sasl_authenticated, defer_unauth_destination\n" \
	"smtpd_sender_restrictions = \n" \
	"transport_maps = \n"

#define LISTEN	"gate_file = \"" GATE "\";\n" \
	"listen = { milter = \"unix:" SPOOL "/mailbrake/milter.sock\";\n" \
	"  policy = \"inet:127.0.0.1:10045\";\n" \
	"  socketmap = \"unix:" SPOOL "/mailbrake/map.sock\"; };\n"
#define ONE	"egress = ( { name = \"mx1\"; addresses = [\"203.0.113.7\"]; " \
	"} );\n" LISTEN
#define TWO	"egress = ( { name = \"mx1\"; addresses = [\"203.0.113.7\"]; " \
	"hostname = \"mx1.example.org\"; },\n" \
	"  { name = \"mx2\"; addresses = [\"203.0.113.8\"]; " \
	"hostname = \"mx2.example.org\"; } );\n" LISTEN
#define MX2	"mx2 unix - - n - - smtp -o ...\n"
#define FILE1	"smtp_tls_policy_maps = pipemap:{static:mx1, hash:" GATE "}\n"
#define MAP	"socketmap:unix:mailbrake/map.sock:"
#define TO2	"mx2/unix/smtp_bind_address = 203.0.113.8\n"

static const struct row {
	const char	*claim;
	const char	*conf;
	/* What stands before the usual lines, and so comes first. */
	const char	*services, *overrides, *settings;
	enum wiring_point point;
	const char	*service;	/* name/type, or NULL: any */
	enum wiring_state state;
	const char	*words;		/* of the sentence */
} rows[] = {
	{ "a host that knows nothing of mailbrake has no gate", ONE,
	    .point = WIRING_GATE, .service = "smtp/unix",
	    .state = WIRING_MISSING, .words = "in spite of a stop" },
	{ "the gate file in main.cf is the gate of smtp", ONE,
	    .settings = FILE1, .point = WIRING_GATE, .service = "smtp/unix",
	    .state = WIRING_OK, .words = "the gate of mx1 in hash:" GATE },
	{ "and of relay, which sends from the same address", ONE,
	    .settings = FILE1, .point = WIRING_OTHERS,
	    .service = "relay/unix", .state = WIRING_OK },
	{ "relay without a gate is a hole", ONE,
	    .overrides = "relay/unix/smtp_tls_policy_maps = hash:/etc/tls\n",
	    .settings = FILE1, .point = WIRING_OTHERS,
	    .service = "relay/unix", .state = WIRING_MISSING,
	    .words = "what goes by relay leaves" },
	{ "a site's own policy may stand behind the gate", ONE,
	    .settings = "smtp_tls_policy_maps = pipemap:{static:mx1, hash:"
	    GATE "}, hash:/etc/postfix/tls\n", .point = WIRING_GATE,
	    .state = WIRING_OK },
	{ "but not before it", ONE, .settings = "smtp_tls_policy_maps = "
	    "hash:/etc/postfix/tls, pipemap:{static:mx1,hash:" GATE "}\n",
	    .point = WIRING_GATE, .state = WIRING_WRONG,
	    .words = "asks hash:/etc/postfix/tls before the gate" },
	{ "braces keep a site's inline table in one word", ONE,
	    .settings = "smtp_tls_policy_maps = inline:{ {a = b}, {c = d} }, "
	    "pipemap:{static:mx1, hash:" GATE "}\n",
	    .point = WIRING_GATE, .state = WIRING_WRONG,
	    .words = "asks inline:{ {a = b}, {c = d} } before" },
	{ "a static name may stand in braces", ONE,
	    .settings = "smtp_tls_policy_maps = pipemap:{static:{mx1}, hash:"
	    GATE "}\n", .point = WIRING_GATE, .state = WIRING_OK },
	{ "another's gate is wrong", TWO, .services = MX2,
	    .overrides = "mx2/unix/smtp_tls_policy_maps = "
	    "pipemap:{static:mx1,hash:" GATE "}\n", .point = WIRING_GATE,
	    .service = "mx2/unix", .state = WIRING_WRONG,
	    .words = "asks the gate of mx1, but sends" },
	{ "another file is wrong", ONE, .settings = "smtp_tls_policy_maps = "
	    "pipemap:{static:mx1, hash:/tmp/gate}\n", .point = WIRING_GATE,
	    .state = WIRING_WRONG, .words = "but mailbraked writes" },
	{ "the gate may be a socketmap", ONE,
	    .settings = "smtp_tls_policy_maps = " MAP "gate-mx1\n",
	    .point = WIRING_GATE, .state = WIRING_OK,
	    .words = "by the socketmap" },
	{ "of the right egress", ONE,
	    .settings = "smtp_tls_policy_maps = " MAP "gate-mx2\n",
	    .point = WIRING_GATE, .state = WIRING_WRONG,
	    .words = "the gate of mx2" },
	{ "where mailbraked listens", ONE, .settings =
	    "smtp_tls_policy_maps = socketmap:unix:x/map.sock:gate-mx1\n",
	    .point = WIRING_GATE, .state = WIRING_WRONG,
	    .words = "unix:x/map.sock, where mailbraked does not listen" },
	{ "an absolute path is not seen from a chroot", ONE,
	    .settings = "smtp_tls_policy_maps = socketmap:unix:" SPOOL
	    "/mailbrake/map.sock:gate-mx1\n", .point = WIRING_GATE,
	    .service = "smtp/unix", .state = WIRING_WRONG,
	    .words = "as seen from a chroot" },
	{ "and is outside", TWO, .services = MX2, .overrides =
	    "mx2/unix/smtp_tls_policy_maps = socketmap:unix:" SPOOL
	    "/mailbrake/map.sock:gate-mx2\n", .point = WIRING_GATE,
	    .service = "mx2/unix", .state = WIRING_OK },
	{ "open connections go past the gate", ONE, .settings = FILE1,
	    .point = WIRING_CACHE, .state = WIRING_WRONG,
	    .words = "smtp_connection_cache_on_demand has to be no" },
	{ "also to some destinations only", ONE, .settings =
	    "smtp_connection_cache_on_demand = no\n"
	    "smtp_connection_cache_destinations = big.test\n",
	    .point = WIRING_CACHE, .state = WIRING_WRONG,
	    .words = "connections to big.test open" },
	{ "no cache is right", ONE, .settings =
	    "smtp_connection_cache_on_demand = no\n", .point = WIRING_CACHE,
	    .state = WIRING_OK },
	{ "a transport that is not there is told", TWO,
	    .point = WIRING_TRANSPORT, .state = WIRING_MISSING,
	    .words = "no transport mx2" },
	{ "one that is not smtp(8) too", TWO,
	    .services = "mx2 unix - - n - - lmtp\n",
	    .point = WIRING_TRANSPORT, .service = "mx2/unix",
	    .state = WIRING_WRONG, .words = "is lmtp(8), not smtp(8)" },
	{ "one egress needs no bound address", ONE, .point = WIRING_BIND,
	    .state = WIRING_OK, .words = "the host's own address" },
	{ "two need one each", TWO, .services = MX2, .point = WIRING_BIND,
	    .service = "mx2/unix", .state = WIRING_MISSING,
	    .words = "the host's default address" },
	{ "bound and enforced is right", TWO, .services = MX2,
	    .overrides = TO2 "mx2/unix/smtp_bind_address_enforce = yes\n"
	    "mx2/unix/inet_protocols = ipv4\n", .point = WIRING_BIND,
	    .service = "mx2/unix", .state = WIRING_OK,
	    .words = "the address of mx2 only" },
	{ "bound and not enforced is not", TWO, .services = MX2,
	    .overrides = TO2 "mx2/unix/inet_protocols = ipv4\n",
	    .point = WIRING_BIND, .service = "mx2/unix",
	    .state = WIRING_WRONG, .words = "has to be yes" },
	{ "IPv6 is a way out too", TWO, .services = MX2, .overrides = TO2
	    "mx2/unix/smtp_bind_address_enforce = yes\n",
	    .point = WIRING_BIND, .service = "mx2/unix",
	    .state = WIRING_MISSING, .words = "may send by IPv6" },
	{ "another egress's address is wrong", TWO, .services = MX2,
	    .overrides = "mx2/unix/smtp_bind_address = 203.0.113.7\n",
	    .point = WIRING_BIND, .service = "mx2/unix",
	    .state = WIRING_WRONG, .words = "sends from 203.0.113.7" },
	{ "a private one is the inside of a NAT", TWO, .services = MX2,
	    .overrides = "mx2/unix/smtp_bind_address = 10.0.0.8\n"
	    "mx2/unix/smtp_bind_address_enforce = yes\n"
	    "mx2/unix/inet_protocols = ipv4\n", .point = WIRING_BIND,
	    .service = "mx2/unix", .state = WIRING_OK },
	{ "the greeting is that of the egress", TWO, .services = MX2,
	    .point = WIRING_HELO, .service = "mx2/unix",
	    .state = WIRING_WRONG, .words = "greets as mx1.example.org" },
	{ "the right one is right", TWO, .point = WIRING_HELO,
	    .service = "smtp/unix", .state = WIRING_OK },
	{ "a further service with an egress's address is a hole", TWO,
	    .services = "bulk unix - - n - - smtp\n" MX2, .overrides =
	    "bulk/unix/smtp_bind_address = 203.0.113.8\n",
	    .point = WIRING_OTHERS, .service = "bulk/unix",
	    .state = WIRING_MISSING, .words = "the address of mx2 too" },
	{ "one that might have it is told", TWO, .services = MX2,
	    .point = WIRING_OTHERS, .service = "relay/unix",
	    .state = WIRING_MISSING, .words = "if it is one of them" },
	{ "one egress needs no route", ONE, .point = WIRING_ROUTE,
	    .state = WIRING_UNUSED },
	{ "two that stand in for each other do", TWO, .point = WIRING_ROUTE,
	    .state = WIRING_MISSING, .words = "another way" },
	{ "the route is a socketmap", TWO, .settings =
	    "sender_dependent_default_transport_maps = " MAP "route\n",
	    .point = WIRING_ROUTE, .state = WIRING_OK },
	{ "or a filter behind the site's own table", TWO, .settings =
	    "sender_dependent_default_transport_maps = "
	    "pipemap:{hash:/etc/senders, " MAP "filter}\n",
	    .point = WIRING_ROUTE, .state = WIRING_OK },
	{ "a route behind another table is not asked", TWO, .settings =
	    "sender_dependent_default_transport_maps = hash:/etc/senders, "
	    MAP "route\n", .point = WIRING_ROUTE, .state = WIRING_WRONG,
	    .words = "other tables before" },
	{ "a route that nobody answers stops all mail", ONE, .settings =
	    "sender_dependent_default_transport_maps = "
	    "socketmap:inet:127.0.0.1:1:route\n", .point = WIRING_ROUTE,
	    .state = WIRING_WRONG, .words = "all mail waits" },
	{ "routes by recipient need rcptroute",
	    TWO "pools = ( { name = \"a\"; egress = [\"mx1\"]; }, "
	    "{ name = \"b\"; egress = [\"mx2\"]; } );\n"
	    "routes = ( { recipient = \"@big.test\"; pool = \"b\"; } );\n",
	    .point = WIRING_RCPTROUTE, .state = WIRING_MISSING },
	{ "and have it in transport_maps",
	    TWO "pools = ( { name = \"a\"; egress = [\"mx1\"]; }, "
	    "{ name = \"b\"; egress = [\"mx2\"]; } );\n"
	    "routes = ( { recipient = \"@big.test\"; pool = \"b\"; } );\n",
	    .settings = "transport_maps = " MAP "rcptroute, hash:/etc/t\n",
	    .point = WIRING_RCPTROUTE, .state = WIRING_OK },
	{ "what has to wait needs the service retry", TWO,
	    .point = WIRING_RETRY, .service = "retry/unix",
	    .state = WIRING_OK },
	{ "no listener asks", ONE, .point = WIRING_MILTER,
	    .service = "smtp/inet", .state = WIRING_MISSING,
	    .words = "its sender is not told" },
	{ "all listeners ask by main.cf", ONE, .settings = "smtpd_milters = "
	    "{ unix:mailbrake/milter.sock, default_action=accept }\n",
	    .point = WIRING_MILTER, .service = "submission/inet",
	    .state = WIRING_OK },
	{ "but not one with milters of its own", ONE,
	    .overrides = "submission/inet/smtpd_milters = inet:[::1]:8891\n",
	    .settings = "smtpd_milters = unix:mailbrake/milter.sock\n",
	    .point = WIRING_MILTER, .service = "submission/inet",
	    .state = WIRING_MISSING },
	{ "what comes back from a filter need not ask", ONE,
	    .point = WIRING_MILTER, .service = "127.0.0.1:10025/inet",
	    .state = WIRING_UNUSED },
	{ "a milter may stand behind others", ONE, .settings =
	    "smtpd_milters = inet:127.0.0.1:8891 unix:mailbrake/milter.sock\n",
	    .point = WIRING_MILTER, .service = "smtp/inet",
	    .state = WIRING_OK },
	{ "a chroot cannot see an absolute path", ONE, .settings =
	    "smtpd_milters = unix:" SPOOL "/mailbrake/milter.sock\n",
	    .point = WIRING_MILTER, .service = "smtp/inet",
	    .state = WIRING_WRONG, .words = "runs in a chroot" },
	{ "mail of sendmail(1) has a list of its own", ONE, .settings =
	    "non_smtpd_milters = unix:mailbrake/milter.sock\n",
	    .point = WIRING_MILTER_LOCAL, .state = WIRING_OK },
	{ "the policy service need not be asked beside the milter", ONE,
	    .point = WIRING_POLICY, .service = "smtp/inet",
	    .state = WIRING_UNUSED },
	{ "behind what permits it is not asked", ONE, .settings =
	    "smtpd_recipient_restrictions = permit_mynetworks, "
	    "check_policy_service inet:127.0.0.1:10045\n",
	    .point = WIRING_POLICY, .service = "smtp/inet",
	    .state = WIRING_WRONG, .words = "only after something" },
	{ "before it is", ONE, .settings = "smtpd_recipient_restrictions = "
	    "check_policy_service { inet:localhost:10045, timeout=5s }, "
	    "permit_mynetworks\n", .point = WIRING_POLICY,
	    .service = "smtp/inet", .state = WIRING_OK },
};

/* Adds what a row has to the usual text. */
static struct wiring *
parse(const char *services, const char *overrides, const char *settings)
{
	char *s = xasprintf("%s" SERVICES, services != NULL ? services : "");
	/* Of an option, the last counts. */
	char *o = xasprintf(OVERRIDES "%s", overrides != NULL ? overrides :
	    "");
	char *m = xasprintf("%s" SETTINGS, settings != NULL ? settings : "");
	struct wiring *w = wiring_parse(s, o, m);

	free(s);
	free(o);
	free(m);
	return w;
}

static struct wiring_want
want_of(const struct config *c)
{
	return (struct wiring_want){ .policy = c->policy,
	    .gate_file = c->gate_file, .milter = c->milter,
	    .policy_service = c->policy_service,
	    .socketmap = c->socketmap };
}

static void
test_row(void **state)
{
	const struct row *r = *state;
	size_t i;
	struct config *c = unit_config(r->conf);
	struct wiring_want want = want_of(c);
	struct wiring *w = parse(r->services, r->overrides,
	    r->settings);
	const struct wiring_finding *f = NULL;
	struct wiring_findings found;

	wiring_check(w, &want, &found);
	for (i = 0; i < found.count && f == NULL; i++) {
		const struct wiring_finding *o = &found.v[i];

		/* Of several, the first that is as bad as expected. */
		if (o->point == r->point && (r->service != NULL ?
		    o->service != NULL && strcmp(o->service,
		    r->service) == 0 : o->state == r->state))
			f = o;
	}
	assert_non_null(f);
	if (f->state != r->state)
		fail_msg("%s: %s", wiring_state_name(f->state), f->text);
	if (r->words != NULL)
		unit_says(f->text, r->words);
	assert_int_equal(f->mend != NULL, f->state == WIRING_MISSING ||
	    f->state == WIRING_WRONG);
	wiring_findings_free(&found);
	wiring_free(w);
	config_free(c);
}

static void
test_host_address(void **state)
{
	struct config *c = unit_config(TWO);
	struct wiring_want want = want_of(c);
	struct wiring *w = parse(MX2, NULL, NULL);
	struct addr host;

	(void)state;
	assert_int_equal(wiring_owner(w, &want, wiring_service(w,
	    "relay/unix")), -2);
	assert_true(addr_parse("203.0.113.8", &host));
	want.host_addrs = &host;
	want.host_addr_count = 1;
	assert_int_equal(wiring_owner(w, &want, wiring_service(w,
	    "relay/unix")), 1);
	wiring_free(w);
	config_free(c);
}

static void
test_default_chroot(void **state)
{
	struct wiring *old = wiring_parse("smtp unix - - - - - smtp\n", "",
	    "compatibility_level = 0\n");
	struct wiring *new = wiring_parse("smtp unix - - - - - smtp\n", "",
	    "compatibility_level = 2\n");

	(void)state;
	assert_true(wiring_is_chrooted(old, wiring_service(old,
	    "smtp/unix")));
	assert_false(wiring_is_chrooted(new, wiring_service(new,
	    "smtp/unix")));
	wiring_free(old);
	wiring_free(new);
}

static void
test_odd_text(void **state)
{
	struct wiring *w = wiring_parse("smtp unix\n\n = \n", "a\na/b\n"
	    "[::1]:25/inet/smtpd_milters = x", "no equals\n=\nlast = 1");
	struct wiring_words words;
	struct wiring_gate g;

	(void)state;
	assert_int_equal(w->service_count, 0);
	assert_string_equal(wiring_override(w, "[::1]:25/inet",
	    "smtpd_milters"), "x");
	assert_string_equal(wiring_main(w, "last"), "1");
	assert_null(wiring_main(w, "first"));
	wiring_free(w);
	wiring_split("{ a, b }, c}d {e", &words);
	assert_int_equal(words.count, 3);
	assert_string_equal(words.v[0], "{ a, b }");
	assert_string_equal(words.v[1], "c}d");
	assert_string_equal(words.v[2], "{e");
	wiring_words_free(&words);
	assert_false(wiring_find_gate("socketmap:gate-x, pipemap:{, "
	    "pipemap:{static:a}, socketmap:", &g));
	assert_null(wiring_word_map("socketmap:"));
}

int
main(void)
{
	unit_rows(rows, test_row);
	unit_claim("an unbound service is of whom the host's address is",
	    test_host_address);
	unit_claim("a dash is a chroot where Postfix is old",
	    test_default_chroot);
	unit_claim("odd text is left out", test_odd_text);
	return unit_run("wiring");
}
