/*
 * test_maps.c - what the maps of the socketmap service answer
 */
#include "unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/decide.h"
#include "front/front.h"
#include "front/maps.h"
#include "scene.h"

#define MX1	"203.0.113.7"
#define MX2	"203.0.113.8"
#define MX3	"203.0.113.9"
#define BAD	"127.0.0.2"
#define ZONE	"bl.example"
#define DBL	"dbl.example"

#define LISTS \
	"lists = ( { zone = \"" ZONE "\"; }, { zone = \"" DBL "\"; " \
	"lists = \"domains\"; } );\n"
#define ONE \
	"egress = ( { name = \"mx1\"; addresses = \"" MX1 "\"; } );\n" LISTS
#define THREE \
	"egress = ( { name = \"mx1\"; addresses = \"" MX1 "\"; },\n" \
	"  { name = \"mx2\"; addresses = \"" MX2 "\"; " \
	"transport = [\"out2\", \"slow2\"]; },\n" \
	"  { name = \"mx3\"; addresses = \"" MX3 "\"; } );\n" \
	"pools = ( { name = \"p\"; egress = [\"mx1\", \"mx2\"]; },\n" \
	"  { name = \"q\"; egress = \"mx3\"; } );\n" \
	"routes = ( { sender = \"@news.example.org\"; pool = \"q\"; },\n" \
	"  { sender = \"ann@example.org\"; recipient = \"@both.example\"; " \
	"pool = \"q\"; },\n" \
	"  { recipient = \"@list.example\"; pool = \"q\"; },\n" \
	"  { recipient = \"vip@example.com\"; pool = \"q\"; },\n" \
	"  { recipient = \"@main.example\"; pool = \"p\"; },\n" \
	"  { recipient = \"@intern.example\"; pool = \"q\"; },\n" \
	"  { account = \"robot\"; pool = \"q\"; } );\n" \
	"domains = [\"shop.example\"];\n" \
	"local_domains = [\"intern.example\"];\n" \
	LISTS

#define ACCEPT \
	"egress = ( { name = \"mx1\"; addresses = \"" MX1 "\"; },\n" \
	"  { name = \"mx2\"; addresses = \"" MX2 "\"; } );\n" \
	"pools = ( { name = \"p\"; egress = \"mx1\"; " \
	"submission = \"accept\"; } );\n" LISTS

#define SIBLING \
	"egress = ( { name = \"mx1\"; addresses = \"" MX1 "\"; },\n" \
	"  { name = \"mx2\"; addresses = \"" MX2 "\"; transport = " \
	"\"out2\"; nexthop = \"[mx2.example]:26\"; } );\n" LISTS

#define ODD \
	"egress = ( { name = \"mx1\"; addresses = \"" MX1 "\"; " \
	"transport = \"odd\"; },\n" \
	"  { name = \"mx-2.b\"; addresses = \"" MX2 "\"; } );\n" LISTS

static struct scene s;
static char answer[MAPS_ANSWER_MAX];

static int
close_scene(void **state)
{
	(void)state;
	if (s.board != NULL)
		scene_close(&s);
	return 0;
}

/* The maps look at the clock themselves. */
static void
open_now(const char *text)
{
	char *conf = xasprintf("%s\nproviders = \"%s\";\n", text,
	    unit_source("etc/providers.conf"));

	scene_open(&s, conf);
	free(conf);
	s.now_ms = clock_wall_ms();
	scene_tick(&s);
}

/* What the loader refuses, and the maps do not trust it. */
static void
rename_transport(size_t egress, const char *name)
{
	char **transport = board_policy(s.board)->egress[egress].transports;

	free(transport[0]);
	transport[0] = xstrdup(name);
}

static const char *
ask(const char *map, const char *key)
{
	size_t len = maps_answer(s.board, map, key, strlen(key), answer,
	    sizeof(answer));

	assert_int_equal(len, strlen(answer));
	return answer;
}

/* --- one request --------------------------------------------------------- */

#define THREE_	THREE, NULL, { NULL, 0 }, 0
#define LISTED1	"Outbound mail paused: " MX1 " is listed by " ZONE \
	" (127.0.0.2) [mailbrake mx1]"
#define LISTED3	"Outbound mail paused: " MX3 " is listed by " ZONE \
	" (127.0.0.2) [mailbrake mx3]"
#define PAUSED(egress) \
	"Outbound mail paused by the operator [mailbrake " egress "]"

static const struct row {
	const char	*claim;
	const char	*conf;
	const char	*listed;	/* or NULL */
	struct {
		const char	*target;
		enum word	 word;
	} said;
	int		 gated;		/* a bit for each egress */
	const char	*map, *key, *answer;
} rows[] = {
	/* route */
	{ "the way on a good day", THREE_, "route", "ann@example.org",
	    "OK smtp:" },
	{ "by its route", THREE_, "route", "x@news.example.org", "OK mx3:" },
	{ "in any letters", THREE_, "route", "X@News.Example.ORG",
	    "OK mx3:" },
	{ "a route that asks for more than the sender is none", THREE_,
	    "route", "boss@example.org", "OK smtp:" },
	{ "bounces", THREE_, "route", "<>", "OK smtp:" },
	{ "bounces in quotes", THREE_, "route", "\"<>\"", "OK smtp:" },
	{ "with one way out the site knows it best", ONE, NULL, { NULL, 0 },
	    0, "route", "ann@example.org", "NOTFOUND " },
	{ "but a stop is a stop", ONE, MX1, { NULL, 0 }, 0, "route",
	    "ann@example.org", "OK retry:4.7.1 " LISTED1 },
	{ "which the gate sees to, where there is one and mail is held", ONE
	    "pools = ( { name = \"p\"; egress = \"mx1\"; "
	    "submission = \"hold\"; } );", MX1, { NULL, 0 }, 1, "route",
	    "ann@example.org", "NOTFOUND " },
	{ "listed: by another of the pool, under its first name", THREE,
	    MX1, { NULL, 0 }, 0, "route", "ann@example.org", "OK out2:" },
	{ "bounces too", THREE, MX1, { NULL, 0 }, 0, "route", "<>",
	    "OK out2:" },
	{ "by another host, which takes it there", SIBLING, MX1,
	    { NULL, 0 }, 0, "route", "ann@example.org",
	    "OK out2:[mx2.example]:26" },
	{ "which the site's own next hop is not for", SIBLING, MX1,
	    { NULL, 0 }, 0, "filter", "smtp:[hub.example]",
	    "OK out2:[mx2.example]:26" },
	{ "nobody stands in: later", THREE, MX3, { NULL, 0 }, 0, "route",
	    "x@news.example.org", "OK retry:4.7.1 " LISTED3 },
	{ "others go on", THREE, MX3, { NULL, 0 }, 0, "route",
	    "ann@example.org", "OK smtp:" },
	{ "a stopped sender domain", THREE, "shop.example", { NULL, 0 }, 0,
	    "route", "x@shop.example", "OK retry:4.7.1 Outbound mail "
	    "paused: shop.example is listed by " DBL " (127.0.0.2) "
	    "[mailbrake mx1]" },
	{ "an operator's stop for all", THREE, NULL, { "all", WORD_STOP },
	    0, "route", "ann@example.org", "OK retry:4.7.1 "
	    PAUSED("mx1") },
	{ "an operator's stop for one", THREE, NULL, { "mx1", WORD_STOP },
	    0, "route", "ann@example.org", "OK out2:" },
	{ "a stop for its domain", THREE, NULL, { "domain:example.org",
	    WORD_STOP }, 0, "route", "ann@example.org",
	    "OK retry:4.7.1 " PAUSED("mx1") },
	{ "where mail is accepted the gate keeps it", ACCEPT, MX1,
	    { NULL, 0 }, 1, "route", "ann@example.org", "OK smtp:" },
	{ "or the map, where there is no gate", ACCEPT, MX1, { NULL, 0 }, 2,
	    "route", "ann@example.org", "OK retry:4.7.1 " LISTED1 },
	{ "in observe mode all goes its own way", "mode = \"observe\";\n"
	    THREE, MX1, { NULL, 0 }, 0, "route", "ann@example.org",
	    "OK smtp:" },
	{ "a sender that cannot be read is a stranger", THREE_, "route",
	    "\"a\tb\"@news.example.org", "OK smtp:" },
	{ "who is stopped like any other", THREE, MX1, { NULL, 0 }, 0,
	    "route", "\"a\tb\"@example.org", "OK out2:" },
	{ "with one way out too", ONE, MX1, { NULL, 0 }, 0, "route",
	    "\"a\tb\"@example.org", "OK retry:4.7.1 " LISTED1 },

	/* filter */
	{ "what a table says stays", THREE_, "filter", "mx3:", "OK mx3:" },
	{ "with its next hop", THREE_, "filter", "slow2:[192.0.2.1]:25",
	    "OK slow2:[192.0.2.1]:25" },
	{ "without a colon", THREE_, "filter", "smtp", "OK smtp" },
	{ "and whatever is not ours", THREE_, "filter",
	    "uucp:[192.0.2.1]:2525", "OK uucp:[192.0.2.1]:2525" },
	{ "also what is no transport", THREE_, "filter", "DUNNO",
	    "OK DUNNO" },
	{ "listed: another, to the same next hop", THREE, MX1, { NULL, 0 },
	    0, "filter", "smtp:[192.0.2.1]:25", "OK out2:[192.0.2.1]:25" },
	{ "without a next hop", THREE, MX1, { NULL, 0 }, 0, "filter",
	    "smtp:", "OK out2:" },
	{ "without a colon it is a transport as well", THREE, MX1,
	    { NULL, 0 }, 0, "filter", "smtp", "OK out2:" },
	{ "by any of its names", THREE, MX2, { NULL, 0 }, 0, "filter",
	    "slow2:", "OK smtp:" },
	{ "nobody stands in: later", THREE, MX3, { NULL, 0 }, 0, "filter",
	    "mx3:[192.0.2.1]", "OK retry:4.7.1 " LISTED3 },
	{ "what is not ours goes on", THREE, NULL, { "all", WORD_STOP }, 0,
	    "filter", "uucp:", "OK uucp:" },
	{ "no transport before the colon would hang the mail server",
	    THREE_, "filter", ":[192.0.2.1]:25", "TEMP \":[192.0.2.1]:25\" "
	    "names no transport: write one before the colon" },
	{ "nor is there one in nothing", THREE_, "filter", "", "TEMP \":\" "
	    "names no transport: write one before the colon" },
	{ "nor in what cannot be read", THREE_, "filter", "mx3:\n", "TEMP "
	    "\":\" names no transport: write one before the colon" },
	{ "letters that no transport has are not passed on", THREE_,
	    "filter", "m\xc3\xbc:", "TEMP \"m??:\" has letters that no "
	    "transport has" },

	/* rcptroute */
	{ "a recipient's domain that a route names", THREE_, "rcptroute",
	    "bob@list.example", "OK mx3:" },
	{ "a mailbox that a route names", THREE_, "rcptroute",
	    "VIP@example.com", "OK mx3:" },
	{ "any other is not ours", THREE_, "rcptroute", "bob@example.net",
	    "NOTFOUND " },
	{ "nor what takes the sender besides", THREE_, "rcptroute",
	    "bob@both.example", "NOTFOUND " },
	{ "nor local mail, whatever the routes say", THREE_, "rcptroute",
	    "bob@intern.example", "NOTFOUND " },
	{ "nor what a local address sends on", THREE_, "rcptroute",
	    "bob%example.net@intern.example", "NOTFOUND " },
	{ "nor everything", THREE_, "rcptroute", "*", "NOTFOUND " },
	{ "nor what has no domain", THREE_, "rcptroute", "list.example",
	    "NOTFOUND " },
	{ "nor what cannot be read", THREE, NULL, { "all", WORD_STOP }, 0,
	    "rcptroute", "a\x01@list.example", "NOTFOUND " },
	{ "listed, with a stand-in", THREE, MX1, { NULL, 0 }, 0,
	    "rcptroute", "bob@main.example", "OK out2:" },
	{ "listed, without one", THREE, MX3, { NULL, 0 }, 0, "rcptroute",
	    "bob@list.example", "OK retry:4.7.1 " LISTED3 },
	{ "what is not ours is never stopped here", THREE, NULL, { "all",
	    WORD_STOP }, 0, "rcptroute", "bob@example.net", "NOTFOUND " },
	{ "with one way out the site knows it best here too", ONE
	    "routes = ( { recipient = \"@list.example\"; "
	    "pool = \"default\"; } );", NULL, { NULL, 0 }, 0, "rcptroute",
	    "bob@list.example", "NOTFOUND " },

	/* gate */
	{ "an open gate says nothing of TLS", THREE_, "gate-mx1",
	    "example.net", "NOTFOUND " },
	{ "nor for the domains above", THREE_, "gate-mx1", ".net",
	    "NOTFOUND " },
	{ "a shut one says why", THREE, MX1, { NULL, 0 }, 0, "gate-mx1",
	    "example.net", "OK stopped-by-mailbrake-listed" },
	{ "in any letters", THREE, MX1, { NULL, 0 }, 0, "gate-MX1",
	    "example.net", "OK stopped-by-mailbrake-listed" },
	{ "for a next hop by name", THREE, MX1, { NULL, 0 }, 0, "gate-mx1",
	    "[mail.example.net]:25", "OK stopped-by-mailbrake-listed" },
	{ "for what cannot be read", THREE, MX1, { NULL, 0 }, 0, "gate-mx1",
	    "\x01", "OK stopped-by-mailbrake-listed" },
	{ "for nothing", THREE, MX1, { NULL, 0 }, 0, "gate-mx1", "",
	    "OK stopped-by-mailbrake-listed" },
	{ "for a domain that is local elsewhere", THREE, MX1, { NULL, 0 },
	    0, "gate-mx1", "intern.example",
	    "OK stopped-by-mailbrake-listed" },
	{ "that of the others is open", THREE, MX1, { NULL, 0 }, 0,
	    "gate-mx2", "example.net", "NOTFOUND " },
	{ "an operator's stop", THREE, NULL, { "mx2", WORD_STOP }, 0,
	    "gate-mx2", "example.net",
	    "OK stopped-by-mailbrake-operator-stop" },
	{ "an operator's send", THREE, MX1, { "mx1", WORD_SEND }, 0,
	    "gate-mx1", "example.net", "NOTFOUND " },
	{ "a stopped provider", THREE, NULL, { "provider:gmail",
	    WORD_STOP }, 0, "gate-mx3", "gmail.com",
	    "OK stopped-by-mailbrake-operator-stop" },
	{ "not the others", THREE, NULL, { "provider:gmail", WORD_STOP }, 0,
	    "gate-mx3", "example.com", "NOTFOUND " },
	{ "an egress that there is none of", THREE_, "gate-mx9",
	    "example.net", "TEMP mailbrake.conf has no egress \"mx9\"" },
	{ "in observe mode every gate is open", "mode = \"observe\";\n"
	    THREE, MX1, { NULL, 0 }, 0, "gate-mx1", "example.net",
	    "NOTFOUND " },

	/* brake */
	{ "Sendmail's mail goes, which is said and never not found", THREE_,
	    "brake", "<bob@example.net>", "OK PASS" },
	{ "or it waits", THREE, MX1, { NULL, 0 }, 0, "brake",
	    "<bob@example.net>", "OK LISTED \"" LISTED1 "\"" },
	{ "with the sender before it", THREE, "shop.example", { NULL, 0 },
	    0, "brake", "<x@shop.example> <bob@example.net.>",
	    "OK LISTED \"Outbound mail paused: shop.example is listed by "
	    DBL " (127.0.0.2) [mailbrake mx1]\"" },
	{ "a bounce", THREE, MX1, { NULL, 0 }, 0, "brake",
	    "<> <bob@example.net>", "OK LISTED \"" LISTED1 "\"" },
	{ "a domain is enough", THREE, MX1, { NULL, 0 }, 0, "brake",
	    "<> <@example.net>", "OK LISTED \"" LISTED1 "\"" },
	{ "the sender of a bounce of Sendmail's own is none", THREE, NULL,
	    { "domain:mailer-daemon", WORD_STOP }, 0, "brake",
	    "<mailer-daemon> <@example.net>", "OK PASS" },
	{ "local mail goes", THREE, MX1, { NULL, 0 }, 0, "brake",
	    "<bob@intern.example>", "OK PASS" },
	{ "with its domain's dot", THREE, MX1, { NULL, 0 }, 0, "brake",
	    "<x@example.net> <bob@intern.example.>", "OK PASS" },
	{ "a sender cannot look like a local recipient", THREE, MX1,
	    { NULL, 0 }, 0, "brake",
	    "<x> <bob@intern.example> <bob@example.net>",
	    "OK LISTED \"" LISTED1 "\"" },
	{ "to a bare name too", THREE, NULL, { "all", WORD_STOP }, 0,
	    "brake", "<x@example.net> <root>", "OK PASS" },
	{ "of another egress", THREE, MX1, { NULL, 0 }, 0, "brake_mx2",
	    "<bob@example.net>", "OK PASS" },
	{ "for its own", THREE, MX2, { NULL, 0 }, 0, "brake_mx2",
	    "<bob@example.net>", "OK LISTED \"Outbound mail paused: " MX2
	    " is listed by " ZONE " (127.0.0.2) [mailbrake mx2]\"" },
	{ "an egress that there is none of", THREE_, "brake_mx9",
	    "<bob@example.net>",
	    "TEMP mailbrake.conf has no egress \"mx9\"" },
	{ "a letter stands for itself alone", THREE_, "brake__x1",
	    "<bob@example.net>",
	    "TEMP mailbrake.conf has no egress \"_x1\"" },
	{ "an address that cannot be read is no way around", THREE, MX1,
	    { NULL, 0 }, 0, "brake", "<\"a\tb\"@example.net>",
	    "OK LISTED \"" LISTED1 "\"" },
	{ "nor is none", THREE, MX1, { NULL, 0 }, 0, "brake", "",
	    "OK LISTED \"" LISTED1 "\"" },
	{ "a stopped provider", THREE, NULL, { "provider:gmail",
	    WORD_STOP }, 0, "brake", "<bob@gmail.com>", "OK LISTED \""
	    PAUSED("mx1") "\"" },

	/* reroute */
	{ "Sendmail's mail on a good day", THREE_, "reroute",
	    "<ann@example.org> <bob@example.net.>", "OK smtp" },
	{ "by its route", THREE_, "reroute",
	    "<x@news.example.org> <bob@example.net.>", "OK mx3" },
	{ "listed: by another", THREE, MX1, { NULL, 0 }, 0, "reroute",
	    "<ann@example.org> <bob@example.net.>", "OK out2" },
	{ "a bounce too", THREE, MX1, { NULL, 0 }, 0, "reroute",
	    "<mailer-daemon> <bob@example.net.>", "OK out2" },
	{ "with no way left the gate has the word", THREE, NULL,
	    { "all", WORD_STOP }, 0, "reroute",
	    "<ann@example.org> <bob@example.net.>", "NOTFOUND " },
	{ "local mail has none", THREE_, "reroute",
	    "<ann@example.org> <bob@intern.example.>", "NOTFOUND " },
	{ "with one way out nothing is to be said", ONE, NULL, { NULL, 0 },
	    0, "reroute", "<ann@example.org> <bob@example.net.>",
	    "NOTFOUND " },
	{ "what is no pair", THREE_, "reroute", "<bob@example.net>",
	    "NOTFOUND " },
	{ "what would break a rule of Sendmail's", ODD, NULL, { NULL, 0 }, 0,
	    "reroute", "<ann@example.org> <bob@example.net.>",
	    "NOTFOUND " },
	{ "nor its brake, whose name it cannot write as it is", ODD, NULL,
	    { "mx-2.b", WORD_STOP }, 0, "brake_mx_2_b", "<> <@example.net>",
	    "OK LISTED \"" PAUSED("mx-2.b") "\"" },

	/* Names */
	{ "a map that there is none of", THREE_, "routes", "ann@example.org",
	    "TEMP mailbrake has no map \"routes\"" },
	{ "a gate of nobody", THREE_, "gate-", "example.net",
	    "TEMP mailbrake has no map \"gate-\"" },
	{ "a gate of the gate", THREE_, "gate", "example.net",
	    "TEMP mailbrake has no map \"gate\"" },
	{ "a brake of nobody", THREE_, "brake_", "example.net",
	    "TEMP mailbrake has no map \"brake_\"" },
	{ "nothing", THREE_, "", "example.net",
	    "TEMP mailbrake has no map \"\"" },
	{ "a name is repeated in plain letters", THREE_, "a\nb\xff",
	    "example.net", "TEMP mailbrake has no map \"a?b?\"" },
	{ "that of an egress as well", THREE_, "gate-a\nb\xff",
	    "example.net", "TEMP mailbrake.conf has no egress \"a?b?\"" },
};

static void
test_row(void **state)
{
	const struct row *r = *state;
	size_t i;

	open_now(r->conf);
	if (strcmp(r->conf, ODD) == 0)
		rename_transport(0, "o<dd");
	for (i = 0; i < board_policy(s.board)->egress_count; i++)
		board_set_gated(s.board, i, (r->gated & 1 << i) != 0);
	if (r->listed != NULL)
		scene_list(&s, r->listed, r->listed[0] > '9' ? DBL : ZONE,
		    BAD);
	if (r->said.target != NULL)
		scene_override(&s, r->said.target, r->said.word, 0, "");
	board_publish(s.board);
	assert_string_equal(ask(r->map, r->key), r->answer);
}

/* Bounces go one way in a probation, however Postfix asks for them, and the
 * way that a front end lets them in for. */
static void
test_null_sender(void **state)
{
	int i, own = 0;

	(void)state;
	open_now(THREE);
	for (i = 0; i < 40; i++) {
		struct standing st = { .state = STATE_PROBATION,
		    .since_ms = s.now_ms - HOUR - i * 977 };
		struct envelope env = { .sender = "", .routed = true };
		const struct view *v;
		const char *way;

		board_restore_standing(s.board, 0, &st);
		board_publish(s.board);
		v = board_view_get(s.board);
		way = decide(v, &env, clock_wall_ms()).act == ACT_PASS ?
		    "OK smtp:" : "OK out2:";
		view_put(v);
		own += way[3] == 's';
		assert_string_equal(ask("route", "<>"), way);
		assert_string_equal(ask("route", "\"<>\""), way);
	}
	assert_in_range(own, 5, 35);
}

/* --- lengths ------------------------------------------------------------- */

static void
test_long_keys(void **state)
{
	static const char *const maps[] = { "route", "filter", "rcptroute",
	    "gate-mx1", "brake" };
	char *key = xcalloc(1, 100001);
	size_t i, len;

	(void)state;
	open_now(THREE);
	scene_override(&s, "all", WORD_STOP, 0, "");
	memset(key, 'a', 100000);
	memcpy(key + 20, "@example.net", 12);
	for (len = 80; len <= 100000; len = len < 1200 ? len + 1 :
	    len * 10) {
		for (i = 0; i < COUNT(maps); i++) {
			maps_answer(s.board, maps[i], key, len, answer,
			    sizeof(answer));
			unit_says(answer, i == 0 ? "OK retry:4.7.1 " :
			    i == 1 ? len > 90 ? "TEMP " : "OK aaa" :
			    i == 2 ? "NOTFOUND " : i == 3 ?
			    "OK stopped-" : "OK LISTED ");
		}
	}
	free(key);
}

/* Longer ones end Postfix' queue manager. */
static void
test_long_transports(void **state)
{
	char key[700], longest[] = "OK aaa";
	size_t len;

	(void)state;
	open_now(THREE);
	for (len = 1; len < sizeof(key) - 20; len++) {
		memset(key, 'a', len);
		strcpy(key + len, ":[192.0.2.1]:25");
		ask("filter", key);
		if (len <= 90)
			assert_string_equal(answer + 3, key);
		else
			unit_says(answer, "too long for a transport");
	}
	/* What does not fit is not cut. */
	memset(key, 'a', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	key[3] = ':';
	assert_string_equal(ask("filter", key), "TEMP answer too long");
	key[596] = '\0';
	assert_int_equal(strlen(ask("filter", key)), MAPS_ANSWER_MAX - 1);
	assert_memory_equal(answer, longest, strlen(longest));
}

/* What an operator wrote into mailbrake.conf that cannot be. */
static void
test_bad_transports(void **state)
{
	static const char *const bad[] = { "", "a b", "a:b", ":", "a\tb",
	    "m\xc3\xbc", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++) {
		open_now("egress = ( { name = \"mx1\"; addresses = \"" MX1
		    "\"; }, { name = \"mx2\"; addresses = \"" MX2 "\"; "
		    "} );\n" LISTS);
		rename_transport(1, bad[i]);
		assert_string_equal(ask("route", "ann@example.org"),
		    "OK smtp:");
		scene_list(&s, MX1, ZONE, BAD);
		/* By default it might leave by what is stopped. */
		unit_says(ask("route", "ann@example.org"), "TEMP egress "
		    "\"mx2\" of mailbrake.conf has no transport");
		unit_says(ask("filter", "smtp:"), "TEMP egress \"mx2\"");
		close_scene(NULL);
	}
}

/* --- anything at all ------------------------------------------------------ */

static uint64_t dice;

/* xorshift64*, Vigna 2014: below n. */
static unsigned int
any(unsigned int n)
{
	dice ^= dice >> 12;
	dice ^= dice << 25;
	dice ^= dice >> 27;
	return (unsigned int)((dice * 2685821657736338717ull) >> 33) % n;
}

static size_t
any_text(char *out, size_t size)
{
	static const char *const parts[] = { "smtp", "mx1", "mx3", "out2",
	    ":", ":", "@", "<>", "\"<>\"", "[192.0.2.1]", ".", "example.org",
	    "list.example", "shop.example", "gmail.com", "ann", "vip",
	    "\x91", "<", ">", " ", "%", "!", "\n", "\r\n", "OK ", "retry:",
	    "\xff\xfe", "\x7f", "*", "4.7.1" };
	size_t len = 0, i, n = any(8);

	for (i = 0; i < n; i++) {
		const char *part = parts[any(COUNT(parts))];
		unsigned int what = any(12);
		char byte[2] = { (char)any(256), '\0' };
		size_t times = what == 0 ? any(300) : 1;

		if (what == 1)
			part = byte;
		for (; times > 0 && len + strlen(part) < size; times--) {
			memcpy(out + len, part, strlen(part));
			len += strlen(part);
		}
	}
	out[len] = '\0';
	return len;
}

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* "mx3:" or "retry:4.7.1 why", and no other. */
static bool
is_way(const char *way, const char *rest_of)
{
	static const char *const ours[] = { "smtp:", "out2:", "mx3:" };
	size_t i;

	if (begins(way, "retry:4.7.1 Outbound mail paused"))
		return true;
	for (i = 0; i < COUNT(ours); i++) {
		if (begins(way, ours[i]) &&
		    strcmp(way + strlen(ours[i]), rest_of) == 0)
			return true;
	}
	return false;
}

static void
check_answer(const char *map, const char *key, size_t len)
{
	const char *value = answer + 3, *p, *colon;

	assert_true(len < sizeof(answer));
	assert_int_equal(len, strlen(answer));
	for (p = answer; *p != '\0'; p++)
		assert_in_range(*p, ' ', '~');
	if (strcmp(answer, "NOTFOUND ") == 0 || (begins(answer, "TEMP ") &&
	    len > 5))
		return;
	assert_true(begins(answer, "OK ") && *value != '\0');
	if (strcmp(map, "route") == 0 || strcmp(map, "rcptroute") == 0) {
		assert_true(is_way(value, ""));
	} else if (strcmp(map, "filter") == 0) {
		colon = strchr(key, ':');
		assert_true(strcmp(value, key) == 0 || is_way(value,
		    colon != NULL ? colon + 1 : ""));
		assert_in_range(strcspn(value, ":"), 1, 90);
	} else if (begins(map, "gate-")) {
		assert_true(begins(value, "stopped-by-mailbrake-"));
		assert_null(strpbrk(value, " :,;"));
	} else if (begins(map, "brake")) {
		if (strcmp(value, "PASS") == 0)
			return;
		assert_true(begins(value, "LISTED \"Outbound mail paused"));
		/* Between the quotes there is none. */
		value += strlen("LISTED \"");
		assert_ptr_equal(strpbrk(value, "\"\\"),
		    value + strlen(value) - 1);
	} else {
		fail_msg("%s: %s", map, answer);
	}
}

static void
any_world(void)
{
	static const char *const targets[] = { "all", "mx1", "mx3",
	    "domain:example.org", "provider:gmail" };
	size_t i;

	for (i = 0; i < 3; i++) {
		struct standing st = { .state = (enum state)any(3),
		    .since_ms = s.now_ms - any(2) * HOUR };

		board_restore_standing(s.board, i, &st);
		board_set_gated(s.board, i, any(2));
	}
	for (i = 0; i < COUNT(targets); i++)
		scene_override(&s, targets[i], (enum word)(any(6) < 4 ?
		    WORD_NONE : any(2) + 1), 0, any(2) ? "why\r\n\"OK\\ smtp:" :
		    "");
	board_publish(s.board);
}

static void
test_anything(void **state)
{
	static const char *const names[] = { "route", "filter", "rcptroute",
	    "gate-mx1", "gate-mx2", "gate-mx3", "brake", "brake_mx2" };
	char name[64], key[4000];
	int i, k;

	(void)state;
	open_now(THREE);
	dice = 97;
	for (i = 0; i < 400; i++) {
		any_world();
		s.log[0] = '\0';
		for (k = 0; k < 60; k++) {
			const char *map = name;
			size_t len = any_text(key, sizeof(key));

			if (any(10) > 0)
				map = names[any(COUNT(names))];
			else
				any_text(name, sizeof(name));
			memset(answer, '#', sizeof(answer));
			check_answer(map, key, maps_answer(s.board, map, key,
			    len, answer, sizeof(answer)));
		}
	}
}

/* A key is not terminated and may hold a NUL. */
static void
test_nul(void **state)
{
	(void)state;
	open_now(THREE);
	scene_list(&s, MX3, ZONE, BAD);
	maps_answer(s.board, "filter", "smtp:\0x", 7, answer,
	    sizeof(answer));
	unit_says(answer, "TEMP ");
	maps_answer(s.board, "filter", "smtp:garbage", 5, answer,
	    sizeof(answer));
	assert_string_equal(answer, "OK smtp:");
	maps_answer(s.board, "rcptroute", "x@list.example\0", 15, answer,
	    sizeof(answer));
	assert_string_equal(answer, "NOTFOUND ");
}

/* --- the gate in probation ------------------------------------------------ */

static struct traffic *
open_probation(const char *canaries, int64_t since)
{
	struct standing st = { .state = STATE_PROBATION };
	char *conf = xasprintf(ONE "resume = { canaries = %s; };\n",
	    canaries);

	open_now(conf);
	free(conf);
	st.since_ms = s.now_ms - since;
	board_restore_standing(s.board, 0, &st);
	board_publish(s.board);
	return board_policy(s.board)->egress[0].traffic;
}

static uint64_t
allowance(void)
{
	const struct view *v = board_view_get(s.board);
	uint64_t n = decide_allowance(v, 0, clock_wall_ms());

	view_put(v);
	return n;
}

/* A delivery as smtp(8) begins it: the domain, then those above. */
static bool
deliver(void)
{
	static const char *const keys[] = { "mail.example.net",
	    ".example.net", ".net" };
	char line[MAPS_ANSWER_MAX];
	size_t i;

	for (i = 0; i < COUNT(keys); i++) {
		maps_answer(s.board, "gate-mx1", keys[i], strlen(keys[i]),
		    line, sizeof(line));
		if (strcmp(line, "NOTFOUND ") == 0)
			continue;
		/* What was let pass once is not called back. */
		if (i > 0 || strcmp(line, "OK stopped-by-mailbrake-"
		    "probation-wait") != 0)
			fail_msg("%s: %s", keys[i], line);
		return false;
	}
	return true;
}

static void
test_gate_allowance(void **state)
{
	static const char *const canaries[] = { "1", "2", "10", "1000" };
	struct traffic *t;
	uint64_t before, n;
	size_t i;
	int k;

	(void)state;
	for (i = 0; i < COUNT(canaries); i++) {
		t = open_probation(canaries[i], 30 * MINUTE);
		before = allowance();
		for (n = 0, k = 0; k < 2000; k++)
			n += deliver();
		assert_in_range(n, before, allowance());
		assert_int_equal(t->delivered, n);
		assert_in_range(t->gate_ms, s.now_ms, clock_wall_ms());
		close_scene(NULL);
	}
}

/* One more is due: it goes, though many want to. */
static void
test_gate_one_more(void **state)
{
	struct traffic *t = open_probation("1", 30 * MINUTE);

	(void)state;
	t->delivered = allowance();
	assert_false(deliver());
	t->delivered--;
	assert_true(deliver());
	assert_false(deliver());
}

/* What was delivered before the probation is no part of it. */
static void
test_gate_before(void **state)
{
	struct traffic *t;
	uint64_t n;
	int k;

	(void)state;
	open_now(ONE "resume = { canaries = 3; after = \"0s\"; };\n");
	t = board_policy(s.board)->egress[0].traffic;
	for (k = 0; k < 500; k++)
		assert_true(deliver());
	scene_list(&s, MX1, ZONE, BAD);
	ask("gate-mx1", "example.net");
	assert_string_equal(answer, "OK stopped-by-mailbrake-listed");
	scene_delist(&s, MX1, ZONE);
	scene_pass(&s, MINUTE);
	assert_int_equal(scene_state(&s, "mx1"), STATE_PROBATION);
	assert_int_equal(t->delivered, 500);
	for (n = 0, k = 0; k < 100; k++)
		n += deliver();
	assert_in_range(n, 3, allowance());
}

#define THREADS	4

static void *
deliver_many(void *arg)
{
	uint64_t *n = arg;
	int k;

	for (k = 0; k < 3000; k++)
		*n += deliver();
	return NULL;
}

static void
test_gate_threads(void **state)
{
	pthread_t thread[THREADS];
	uint64_t n[THREADS] = { 0 }, sum = 0, before;
	struct traffic *t = open_probation("5000", 0);
	size_t i;

	(void)state;
	before = allowance();
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL,
		    deliver_many, &n[i]), 0);
	for (i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		sum += n[i];
	}
	assert_in_range(sum, before, allowance());
	assert_int_equal(t->delivered, sum);
}

static void
test_brake_allowance(void **state)
{
	struct traffic *t = open_probation("3", 0);
	int k, n = 0;

	(void)state;
	for (k = 0; k < 20; k++)
		n += strcmp(ask("brake", "<bob@example.net>"),
		    "OK PASS") == 0;
	assert_int_equal(n, 3);
	/* Mail that stays is none of it. */
	assert_string_equal(ask("brake", "<root>"), "OK PASS");
	assert_int_equal(t->delivered, 3);
}

/* --- what is counted ------------------------------------------------------ */

static void
test_counts(void **state)
{
	uint64_t before[MAP_KINDS], unknown = map_unknown.requests, all;
	struct front_stats *f = &front_stats[FRONT_SOCKETMAP];
	size_t i;

	(void)state;
	open_now(THREE);
	for (i = 0; i < MAP_KINDS; i++)
		before[i] = map_stats[i].requests;
	all = f->requests;
	ask("route", "a@example.org");
	ask("filter", "smtp:");
	ask("rcptroute", "a@example.org");
	ask("gate-mx1", "example.org");
	ask("brake_mx2", "a@example.org");
	ask("reroute", "<> <a@example.org>");
	for (i = 0; i < MAP_KINDS; i++) {
		assert_int_equal(map_stats[i].requests, before[i] + 1);
		assert_in_range(map_stats[i].last_ms, s.now_ms,
		    clock_wall_ms());
	}
	assert_int_equal(map_unknown.requests, unknown);
	ask("gate-mx9", "example.org");
	ask("nothing", "example.org");
	assert_int_equal(map_unknown.requests, unknown + 2);
	assert_int_equal(f->requests, all + 8);
	assert_int_equal(board_policy(s.board)->egress[0].traffic->delivered,
	    1);
	assert_int_equal(board_policy(s.board)->egress[1].traffic->delivered,
	    1);
	assert_int_equal(board_policy(s.board)->egress[2].traffic->gate_ms,
	    0);
}

static void
test_verdicts_count(void **state)
{
	struct front_stats *f = &front_stats[FRONT_SOCKETMAP];
	uint64_t pass = f->by_action[ACT_PASS];
	uint64_t away = f->by_action[ACT_REROUTE];
	uint64_t later = f->by_action[ACT_TEMPFAIL];

	(void)state;
	open_now(THREE);
	scene_list(&s, MX1, ZONE, BAD);
	ask("route", "a@example.org");
	ask("gate-mx1", "example.org");
	ask("gate-mx2", "example.org");
	assert_int_equal(f->by_action[ACT_REROUTE], away + 1);
	assert_int_equal(f->by_action[ACT_TEMPFAIL], later + 1);
	assert_int_equal(f->by_action[ACT_PASS], pass + 1);
}

static void
test_routed(void **state)
{
	static const struct {
		enum map_kind	 kind;
		int64_t		 ago;
		bool		 routed;
	} asked[] = {
		{ MAP_ROUTE, 0, true },
		{ MAP_REROUTE, 0, true },
		{ MAP_FILTER, 0, true },
		{ MAP_RCPTROUTE, 0, false },
		{ MAP_GATE, 0, false },
		{ MAP_BRAKE, 0, false },
		{ MAP_ROUTE, MAPS_LIVE_MS - 1, true },
		{ MAP_ROUTE, MAPS_LIVE_MS, false },
		/* The clock was set back: a little, and a day. */
		{ MAP_ROUTE, -2000, true },
		{ MAP_ROUTE, -DAY, false },
	};
	size_t i;
	int k;

	(void)state;
	for (i = 0; i < COUNT(asked); i++) {
		for (k = 0; k < MAP_KINDS; k++)
			map_stats[k].last_ms = 0;
		assert_false(maps_routed(SCENE_START));
		map_stats[asked[i].kind].last_ms = SCENE_START -
		    asked[i].ago;
		if (maps_routed(SCENE_START) != asked[i].routed)
			fail_msg("%s, %lld ms ago",
			    map_name(asked[i].kind),
			    (long long)asked[i].ago);
	}
}

static int
home(const char *sender, const char *recipient)
{
	const struct view *v = board_view_get(s.board);
	int e = maps_home(v, sender, recipient, s.now_ms);

	view_put(v);
	return e;
}

/* Whose a message in the queue is: as the maps would have it on a good day,
 * for a mail server that asks them and nothing else. */
static void
test_home(void **state)
{
	int k;

	(void)state;
	open_now(THREE);
	for (k = 0; k < MAP_KINDS; k++)
		map_stats[k].last_ms = 0;
	assert_int_equal(home("x@news.example.org", "bob@example.net"), -1);
	map_stats[MAP_ROUTE].last_ms = s.now_ms;
	scene_list(&s, MX1, ZONE, BAD);
	assert_int_equal(home("ann@example.org", "bob@example.net"), 0);
	assert_int_equal(home("X@News.example.org", "bob@example.net"), 2);
	assert_int_equal(home("MAILER-DAEMON", "ann@example.org"), 0);
	/* Only the map for recipients knows them. */
	assert_int_equal(home("ann@example.org", "bob@list.example"), 0);
	map_stats[MAP_RCPTROUTE].last_ms = s.now_ms;
	assert_int_equal(home("ann@example.org", "bob@list.example"), 2);
	assert_int_equal(home("ann@example.org", "bob@intern.example"), 0);
	assert_int_equal(home("x@news.example.org", "ann@main.example"), 0);
	/* A table of the site's own comes first: who knows. */
	map_stats[MAP_FILTER].last_ms = s.now_ms;
	assert_int_equal(home("ann@example.org", "bob@example.net"), -1);
	map_stats[MAP_FILTER].last_ms = 0;
	map_stats[MAP_ROUTE].last_ms = s.now_ms - MAPS_LIVE_MS;
	assert_int_equal(home("ann@example.org", "bob@example.net"), -1);
}

/* A front end lets in for another way what it would refuse, as soon as the
 * mail server asks which way; and it is counted where it will go. */
static void
test_front(void **state)
{
	struct envelope env = { .sender = "ann@example.org",
	    .recipient = "bob@example.net" };
	char text[VERDICT_TEXT_MAX];
	const struct policy *p;
	int k;

	(void)state;
	open_now(THREE);
	p = board_policy(s.board);
	for (k = 0; k < MAP_KINDS; k++)
		map_stats[k].last_ms = 0;
	assert_int_equal(front_ask(FRONT_POLICY, s.board, &env, text),
	    ACT_PASS);
	assert_int_equal(p->egress[0].traffic->passed, 1);
	scene_list(&s, MX1, ZONE, BAD);
	assert_int_equal(front_ask(FRONT_POLICY, s.board, &env, text),
	    ACT_TEMPFAIL);
	assert_string_equal(text, LISTED1);
	assert_int_equal(p->egress[0].traffic->passed, 1);
	ask("route", "ann@example.org");
	assert_int_equal(front_look(s.board, &env, text), ACT_REROUTE);
	assert_int_equal(p->egress[1].traffic->rerouted, 0);
	assert_int_equal(front_ask(FRONT_POLICY, s.board, &env, text),
	    ACT_REROUTE);
	assert_int_equal(p->egress[1].traffic->rerouted, 1);
	/* The mail server has looked, and says so. */
	env.transport = "out2";
	assert_int_equal(front_ask(FRONT_MILTER, s.board, &env, text),
	    ACT_PASS);
	assert_int_equal(p->egress[1].traffic->rerouted, 2);
	assert_int_equal(p->egress[1].traffic->passed, 0);
	/* Local mail leaves by nobody. */
	env = (struct envelope){ .recipient = "root" };
	assert_int_equal(front_ask(FRONT_MILTER, s.board, &env, text),
	    ACT_PASS);
	assert_int_equal(p->egress[0].traffic->passed, 1);
}

int
main(void)
{
	unit_around(NULL, close_scene);
	unit_rows(rows, test_row);
	unit_claim("bounces go one way", test_null_sender);
	unit_claim("a key of any length is answered", test_long_keys);
	unit_claim("no transport is too long for the mail server, and none "
	    "is cut", test_long_transports);
	unit_claim("a transport that cannot be is never named",
	    test_bad_transports);
	unit_claim("whatever is asked, the answer is a legal one",
	    test_anything);
	unit_claim("a key ends where its length says", test_nul);
	unit_claim("in probation the gate lets out what is allowed",
	    test_gate_allowance);
	unit_claim("where one more is due, one more goes",
	    test_gate_one_more);
	unit_claim("what went before a probation is no part of it",
	    test_gate_before);
	unit_claim("many at once get no more than one by one",
	    test_gate_threads);
	unit_claim("Sendmail's deliveries count as well",
	    test_brake_allowance);
	unit_claim("it is known which maps are asked", test_counts);
	unit_claim("and what they are told", test_verdicts_count);
	unit_claim("only who asks for ways is routed, and lately",
	    test_routed);
	unit_claim("whose a message is, if that is known", test_home);
	unit_claim("a front end lets in what the route map will move",
	    test_front);
	return unit_run("maps");
}
