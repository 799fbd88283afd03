/*
 * test_decide.c - what happens to one message
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/decide.h"
#include "scene.h"

#define MX1	"203.0.113.7"
#define MX2	"203.0.113.8"
#define MX3	"203.0.113.9"
#define BAD	"127.0.0.2"
#define ZONE	"bl.example"
#define DBL	"dbl.example"

#define CONF \
	"egress = ( { name = \"mx1\"; addresses = \"" MX1 "\"; },\n" \
	"  { name = \"mx2\"; addresses = \"" MX2 "\"; " \
	"transport = [\"mx2\", \"slow\"]; },\n" \
	"  { name = \"mx3\"; addresses = \"" MX3 "\"; } );\n" \
	"pools = ( { name = \"default\"; egress = \"mx1\"; },\n" \
	"  { name = \"held\"; egress = \"mx2\"; " \
	"actions = [\"reroute\", \"hold\", \"tempfail\"]; },\n" \
	"  { name = \"bulk\"; egress = \"mx3\"; submission = \"hold\"; } );\n" \
	"routes = ( { sender = \"@news.example.org\"; pool = \"bulk\"; },\n" \
	"  { sender = \"boss@example.org\"; recipient = \"@example.net\"; " \
	"pool = \"held\"; },\n" \
	"  { account = \"robot\"; pool = \"bulk\"; },\n" \
	"  { recipient = \"vip@example.com\"; pool = \"held\"; } );\n" \
	"domains = [\"shop.example\", \"eu.shop.example\"];\n" \
	"local_domains = [\"intern.example\"];\n" \
	"lists = ( { zone = \"" ZONE "\"; answers = (\n" \
	"    { code = \"127.0.0.2\"; means = \"listed\"; name = \"SBL\"; },\n" \
	"    { code = \"127.0.0.3\"; means = \"listed\"; " \
	"name = \"b\\xf6se\\r\\n250 ok\"; },\n" \
	"    { code = \"127.0.0.4\"; means = \"listed\"; } ); },\n" \
	"  { zone = \"" DBL "\"; lists = \"domains\"; } );\n"

static struct scene s;

static int
close_scene(void **state)
{
	(void)state;
	if (s.board != NULL)
		scene_close(&s);
	return 0;
}

static void
open_scene(bool observe)
{
	char *conf = xasprintf("%s%s", observe ? "mode = \"observe\";\n" : "",
	    CONF);

	scene_open(&s, conf);
	free(conf);
}

/* --- the order of the rules --------------------------------------------- */

#define ANN	"ann@example.org"
#define BOB	"bob@example.net"

static const struct row {
	const char	*claim;
	const char	*listed[3];	/* addresses and domains */
	struct {
		const char	*target;
		enum word	 word;
	} set[3];
	struct envelope	 env;
	enum action	 act;
	enum why	 why;
	const char	*egress;	/* NULL: of none */
	const char	*by;		/* the override, or NULL */
} rows[] = {
	/* Evidence */
	{ "nothing is known against it: it passes", { NULL }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = BOB }, ACT_PASS, WHY_CLEAN, "mx1",
	    NULL },
	{ "its way is listed: later", { MX1 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = BOB }, ACT_TEMPFAIL, WHY_LISTED,
	    "mx1", NULL },
	{ "another way is listed: it passes", { MX2, MX3 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = BOB }, ACT_PASS, WHY_CLEAN, "mx1",
	    NULL },
	{ "a bounce is mail like any other", { MX1 }, { { NULL, 0 } },
	    { .sender = "", .recipient = BOB }, ACT_TEMPFAIL, WHY_LISTED,
	    "mx1", NULL },
	{ "nothing known of the envelope: the first pool", { MX1 },
	    { { NULL, 0 } }, { .sender = NULL }, ACT_TEMPFAIL, WHY_LISTED,
	    "mx1", NULL },

	/* What to do */
	{ "what cannot wait is held", { MX1 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = BOB, .must_take = true }, ACT_HOLD,
	    WHY_LISTED, "mx1", NULL },
	{ "a pool that holds, holds", { MX2 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = "vip@example.com" }, ACT_HOLD,
	    WHY_LISTED, "mx2", NULL },
	{ "a pool whose submissions are held, holds", { MX3 },
	    { { NULL, 0 } }, { .sender = "x@news.example.org",
	    .recipient = BOB }, ACT_HOLD, WHY_LISTED, "mx3", NULL },
	{ "what cannot wait is held where all is held, gate or not",
	    { MX3 }, { { NULL, 0 } }, { .sender = "x@news.example.org",
	    .recipient = BOB, .must_take = true }, ACT_HOLD, WHY_LISTED,
	    "mx3", NULL },
	{ "what passes need not be held", { NULL }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = BOB, .must_take = true }, ACT_PASS,
	    WHY_CLEAN, "mx1", NULL },

	/* The way it goes */
	{ "the MTA's transport says which way", { MX2 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = BOB, .transport = "mx2" },
	    ACT_HOLD, WHY_LISTED, "mx2", NULL },
	{ "by any of its names", { MX2 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = BOB, .transport = "slow" },
	    ACT_HOLD, WHY_LISTED, "mx2", NULL },
	{ "it beats the routes", { MX3 }, { { NULL, 0 } },
	    { .sender = "x@news.example.org", .recipient = BOB,
	    .transport = "smtp" }, ACT_PASS, WHY_CLEAN, "mx1", NULL },
	{ "an unknown transport goes by the routes", { MX3 },
	    { { NULL, 0 } }, { .sender = "x@news.example.org",
	    .recipient = BOB, .transport = "esmtp" }, ACT_HOLD, WHY_LISTED,
	    "mx3", NULL },
	{ "an unknown transport is no way around", { MX1 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = BOB, .transport = "esmtp" },
	    ACT_TEMPFAIL, WHY_LISTED, "mx1", NULL },
	{ "a route by the sender's domain, in any letters", { MX3 },
	    { { NULL, 0 } }, { .sender = "x@News.Example.ORG",
	    .recipient = BOB }, ACT_HOLD, WHY_LISTED, "mx3", NULL },
	{ "which is not that of a domain below it", { MX3 }, { { NULL, 0 } },
	    { .sender = "x@de.news.example.org", .recipient = BOB },
	    ACT_PASS, WHY_CLEAN, "mx1", NULL },
	{ "a route by mailbox and domain together", { MX2 }, { { NULL, 0 } },
	    { .sender = "Boss@example.org", .recipient = BOB }, ACT_HOLD,
	    WHY_LISTED, "mx2", NULL },
	{ "which needs both", { MX2 }, { { NULL, 0 } },
	    { .sender = "boss@example.org", .recipient = "x@example.edu" },
	    ACT_PASS, WHY_CLEAN, "mx1", NULL },
	{ "a route by account", { MX3 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = BOB, .account = "robot" },
	    ACT_HOLD, WHY_LISTED, "mx3", NULL },
	{ "nobody is no account", { MX3 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = BOB, .account = NULL }, ACT_PASS,
	    WHY_CLEAN, "mx1", NULL },
	{ "the first route that matches", { MX3 }, { { NULL, 0 } },
	    { .sender = "x@news.example.org",
	    .recipient = "vip@example.com" }, ACT_HOLD, WHY_LISTED, "mx3",
	    NULL },

	/* Mail that stays here */
	{ "local mail is never stopped", { MX1, MX2, MX3 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = "bob@intern.example" }, ACT_PASS,
	    WHY_LOCAL, NULL, NULL },
	{ "in any letters", { MX1 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = "bob@Intern.Example" }, ACT_PASS,
	    WHY_LOCAL, NULL, NULL },
	{ "to localhost", { MX1 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = "root@localhost" }, ACT_PASS,
	    WHY_LOCAL, NULL, NULL },
	{ "to a bare name", { MX1 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = "root" }, ACT_PASS, WHY_LOCAL,
	    NULL, NULL },
	{ "by a local transport", { MX1 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = BOB, .transport = "virtual" },
	    ACT_PASS, WHY_LOCAL, NULL, NULL },
	{ "the MTA knows better than the domain", { MX1 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = "bob@intern.example",
	    .transport = "smtp" }, ACT_TEMPFAIL, WHY_LISTED, "mx1", NULL },
	{ "a dot at the end is no other domain", { MX1 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = "bob@Intern.example." }, ACT_PASS,
	    WHY_LOCAL, NULL, NULL },
	{ "nor for a route, of the sender or the recipient", { MX2 },
	    { { NULL, 0 } }, { .sender = "boss@example.org",
	    .recipient = "bob@example.net." }, ACT_HOLD, WHY_LISTED, "mx2",
	    NULL },
	{ "a sender's too", { MX3 }, { { NULL, 0 } },
	    { .sender = "x@news.example.org.", .recipient = BOB }, ACT_HOLD,
	    WHY_LISTED, "mx3", NULL },
	{ "a domain below a local one is not local", { MX1 },
	    { { NULL, 0 } }, { .sender = ANN,
	    .recipient = "bob@mail.intern.example" }, ACT_TEMPFAIL,
	    WHY_LISTED, "mx1", NULL },
	{ "nobody's address is not local", { MX1 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = "" }, ACT_TEMPFAIL, WHY_LISTED,
	    "mx1", NULL },
	{ "an address without its domain is not local", { MX1 },
	    { { NULL, 0 } }, { .sender = ANN, .recipient = "bob@" },
	    ACT_TEMPFAIL, WHY_LISTED, "mx1", NULL },
	{ "a route in a local address is no way out", { MX1 },
	    { { NULL, 0 } }, { .sender = ANN,
	    .recipient = "bob%example.net@localhost" }, ACT_TEMPFAIL,
	    WHY_LISTED, "mx1", NULL },
	{ "nor in a bare name", { MX1 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = "bob%example.net" }, ACT_TEMPFAIL,
	    WHY_LISTED, "mx1", NULL },
	{ "nor as a bang path", { MX1 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = "example.net!bob" }, ACT_TEMPFAIL,
	    WHY_LISTED, "mx1", NULL },
	{ "nor as an address in an address", { MX1 }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = "bob@example.net@localhost" },
	    ACT_TEMPFAIL, WHY_LISTED, "mx1", NULL },
	{ "local mail is not stopped with all", { NULL }, { { "all",
	    WORD_STOP } }, { .sender = ANN, .recipient = "root" }, ACT_PASS,
	    WHY_LOCAL, NULL, NULL },
	{ "nor with its sender's domain", { NULL }, { { "domain:example.org",
	    WORD_STOP } }, { .sender = ANN, .recipient = "root" }, ACT_PASS,
	    WHY_LOCAL, NULL, NULL },
	{ "nor with a listed sender's domain", { "shop.example" },
	    { { NULL, 0 } }, { .sender = "x@shop.example",
	    .recipient = "root" }, ACT_PASS, WHY_LOCAL, NULL, NULL },
	{ "but a stopped account sends nothing at all", { NULL },
	    { { "account:ann", WORD_STOP } }, { .sender = ANN,
	    .recipient = "root", .account = "ann" }, ACT_TEMPFAIL,
	    WHY_OPERATOR_STOP, "mx1", "account:ann" },

	/* Words */
	{ "stop by egress", { NULL }, { { "mx1", WORD_STOP } },
	    { .sender = ANN, .recipient = BOB }, ACT_TEMPFAIL,
	    WHY_OPERATOR_STOP, "mx1", "mx1" },
	{ "stop by address", { NULL }, { { MX1, WORD_STOP } },
	    { .sender = ANN, .recipient = BOB }, ACT_TEMPFAIL,
	    WHY_OPERATOR_STOP, "mx1", MX1 },
	{ "stop all", { NULL }, { { "all", WORD_STOP } },
	    { .sender = ANN, .recipient = BOB }, ACT_TEMPFAIL,
	    WHY_OPERATOR_STOP, "mx1", "all" },
	{ "stop by account", { NULL }, { { "account:ann", WORD_STOP } },
	    { .sender = ANN, .recipient = BOB, .account = "Ann" },
	    ACT_TEMPFAIL, WHY_OPERATOR_STOP, "mx1", "account:ann" },
	{ "... of somebody else", { NULL }, { { "account:ann", WORD_STOP } },
	    { .sender = ANN, .recipient = BOB, .account = "anna" }, ACT_PASS,
	    WHY_CLEAN, "mx1", NULL },
	{ "... is not by sender", { NULL }, { { "account:" ANN,
	    WORD_STOP } }, { .sender = ANN, .recipient = BOB }, ACT_PASS,
	    WHY_CLEAN, "mx1", NULL },
	{ "stop by the sender's domain", { NULL }, { { "domain:example.org",
	    WORD_STOP } }, { .sender = "x@EXAMPLE.org", .recipient = BOB },
	    ACT_TEMPFAIL, WHY_OPERATOR_STOP, "mx1", "domain:example.org" },
	{ "... and what is below it", { NULL }, { { "domain:example.org",
	    WORD_STOP } }, { .sender = "x@a.b.example.org",
	    .recipient = BOB }, ACT_TEMPFAIL, WHY_OPERATOR_STOP, "mx1",
	    "domain:example.org" },
	{ "... not what only ends alike", { NULL }, { { "domain:example.org",
	    WORD_STOP } }, { .sender = "x@myexample.org",
	    .recipient = BOB }, ACT_PASS, WHY_CLEAN, "mx1", NULL },
	{ "... nor the recipient's", { NULL }, { { "domain:example.net",
	    WORD_STOP } }, { .sender = ANN, .recipient = BOB }, ACT_PASS,
	    WHY_CLEAN, "mx1", NULL },
	{ "a word for another way is none", { NULL }, { { "mx2",
	    WORD_STOP } }, { .sender = ANN, .recipient = BOB }, ACT_PASS,
	    WHY_CLEAN, "mx1", NULL },
	{ "send by egress beats evidence", { MX1 }, { { "mx1", WORD_SEND } },
	    { .sender = ANN, .recipient = BOB }, ACT_PASS, WHY_OPERATOR_SEND,
	    "mx1", "mx1" },
	{ "send by address beats evidence", { MX1 }, { { MX1, WORD_SEND } },
	    { .sender = ANN, .recipient = BOB }, ACT_PASS, WHY_OPERATOR_SEND,
	    "mx1", MX1 },
	{ "send all beats evidence", { MX1 }, { { "all", WORD_SEND } },
	    { .sender = ANN, .recipient = BOB }, ACT_PASS, WHY_OPERATOR_SEND,
	    "mx1", "all" },
	{ "send by account beats evidence", { MX1 }, { { "account:ann",
	    WORD_SEND } }, { .sender = ANN, .recipient = BOB,
	    .account = "ann" }, ACT_PASS, WHY_OPERATOR_SEND, "mx1",
	    "account:ann" },
	{ "... of him alone", { MX1 }, { { "account:ann", WORD_SEND } },
	    { .sender = ANN, .recipient = BOB, .account = "eve" },
	    ACT_TEMPFAIL, WHY_LISTED, "mx1", NULL },
	{ "send by domain beats evidence", { MX1 }, { { "domain:example.org",
	    WORD_SEND } }, { .sender = ANN, .recipient = BOB }, ACT_PASS,
	    WHY_OPERATOR_SEND, "mx1", "domain:example.org" },
	{ "stop of the account beats send of the egress", { MX1 },
	    { { "mx1", WORD_SEND }, { "account:ann", WORD_STOP } },
	    { .sender = ANN, .recipient = BOB, .account = "ann" },
	    ACT_TEMPFAIL, WHY_OPERATOR_STOP, "mx1", "account:ann" },
	{ "stop of the egress beats send of the account", { NULL },
	    { { "mx1", WORD_STOP }, { "account:ann", WORD_SEND } },
	    { .sender = ANN, .recipient = BOB, .account = "ann" },
	    ACT_TEMPFAIL, WHY_OPERATOR_STOP, "mx1", "mx1" },
	{ "stop of the domain beats send of all", { NULL }, { { "all",
	    WORD_SEND }, { "domain:example.org", WORD_STOP } },
	    { .sender = ANN, .recipient = BOB }, ACT_TEMPFAIL,
	    WHY_OPERATOR_STOP, "mx1", "domain:example.org" },
	{ "stop of the greater domain beats send of the smaller", { NULL },
	    { { "domain:example.org", WORD_STOP }, { "domain:a.example.org",
	    WORD_SEND } }, { .sender = "x@a.example.org",
	    .recipient = BOB }, ACT_TEMPFAIL, WHY_OPERATOR_STOP, "mx1",
	    "domain:example.org" },
	{ "a word that stops holds what cannot wait", { NULL }, { { "all",
	    WORD_STOP } }, { .sender = ANN, .recipient = BOB,
	    .must_take = true }, ACT_HOLD, WHY_OPERATOR_STOP, "mx1",
	    "all" },

	/* Sender domains */
	{ "a listed sender domain stops its mail", { "shop.example" },
	    { { NULL, 0 } }, { .sender = "x@shop.example",
	    .recipient = BOB }, ACT_TEMPFAIL, WHY_LISTED, "mx1", NULL },
	{ "and that from below it", { "shop.example" }, { { NULL, 0 } },
	    { .sender = "x@www.Shop.example", .recipient = BOB },
	    ACT_TEMPFAIL, WHY_LISTED, "mx1", NULL },
	{ "and no other", { "shop.example" }, { { NULL, 0 } },
	    { .sender = ANN, .recipient = BOB }, ACT_PASS, WHY_CLEAN, "mx1",
	    NULL },
	{ "nor one that only ends alike", { "shop.example" },
	    { { NULL, 0 } }, { .sender = "x@workshop.example",
	    .recipient = BOB }, ACT_PASS, WHY_CLEAN, "mx1", NULL },
	{ "nor bounces", { "shop.example" }, { { NULL, 0 } },
	    { .sender = "", .recipient = "x@shop.example" }, ACT_PASS,
	    WHY_CLEAN, "mx1", NULL },
	{ "send of the egress does not free a listed domain",
	    { "shop.example" }, { { "mx1", WORD_SEND } },
	    { .sender = "x@shop.example", .recipient = BOB }, ACT_TEMPFAIL,
	    WHY_LISTED, "mx1", NULL },
	{ "send of the domain does", { "shop.example" },
	    { { "domain:shop.example", WORD_SEND } },
	    { .sender = "x@shop.example", .recipient = BOB }, ACT_PASS,
	    WHY_OPERATOR_SEND, "mx1", "domain:shop.example" },
	{ "send of all does", { "shop.example", MX1 }, { { "all",
	    WORD_SEND } }, { .sender = "x@shop.example", .recipient = BOB },
	    ACT_PASS, WHY_OPERATOR_SEND, "mx1", "all" },
	{ "send of the egress frees the egress", { MX1 }, { { "mx1",
	    WORD_SEND } }, { .sender = "x@shop.example", .recipient = BOB },
	    ACT_PASS, WHY_OPERATOR_SEND, "mx1", "mx1" },
};

static void
check_row(const struct row *r, bool observe)
{
	const struct view *v;
	struct verdict d;
	size_t i;

	open_scene(observe);
	for (i = 0; i < COUNT(r->listed) && r->listed[i] != NULL; i++)
		scene_list(&s, r->listed[i], r->listed[i][0] > '9' ? DBL :
		    ZONE, BAD);
	for (i = 0; i < COUNT(r->set) && r->set[i].target != NULL; i++)
		scene_override(&s, r->set[i].target, r->set[i].word, 0, "");
	v = board_view_get(s.board);
	d = decide(v, &r->env, s.now_ms);
	assert_string_equal(action_name(d.would), action_name(r->act));
	assert_string_equal(action_name(d.act), action_name(observe ?
	    ACT_PASS : r->act));
	assert_string_equal(why_name(d.why), why_name(r->why));
	assert_string_equal(d.egress >= 0 ? v->policy->egress[d.egress].name :
	    "(none)", r->egress != NULL ? r->egress : "(none)");
	assert_string_equal(d.override != NULL ? d.override->target :
	    "(none)", r->by != NULL ? r->by : "(none)");
	view_put(v);
}

static void
test_row(void **state)
{
	const struct row *r = *state;

	check_row(r, false);
	close_scene(NULL);
	/* Observe mode decides the same, and lets everything pass. */
	check_row(r, true);
}

static void
test_override_at_its_end(void **state)
{
	struct envelope env = { .sender = ANN, .recipient = BOB };
	const struct view *v;

	(void)state;
	open_scene(false);
	scene_override(&s, "mx1", WORD_STOP, HOUR, "");
	v = board_view_get(s.board);
	/* The view is an old one: it knows when the word ends. */
	assert_int_equal(decide(v, &env, s.now_ms + HOUR - 1).act,
	    ACT_TEMPFAIL);
	assert_int_equal(decide(v, &env, s.now_ms + HOUR - 1).until_ms,
	    s.now_ms + HOUR);
	assert_int_equal(decide(v, &env, s.now_ms + HOUR).act, ACT_PASS);
	view_put(v);
}

static void
test_many_overrides(void **state)
{
	struct override o = { .word = WORD_STOP };
	const struct view *v;
	const char *why;
	char name[32];
	int i;

	(void)state;
	open_scene(false);
	for (i = 0; i < 2000; i += 2) {
		snprintf(o.target, sizeof(o.target), "account:User%d", i);
		assert_true(board_override(s.board, &o, s.now_ms, &why));
	}
	scene_tick(&s);
	v = board_view_get(s.board);
	for (i = 0; i < 2000; i++) {
		struct envelope env = { .sender = ANN, .recipient = BOB,
		    .account = name };

		snprintf(name, sizeof(name), "uSER%d", i);
		assert_int_equal(decide(v, &env, s.now_ms).act,
		    i % 2 == 0 ? ACT_TEMPFAIL : ACT_PASS);
	}
	view_put(v);
}

static void
test_long_names(void **state)
{
	char *account = xcalloc(1, 70000), *sender = xcalloc(1, 70000);
	struct envelope env = { .sender = sender, .recipient = sender,
	    .account = account, .transport = account };
	const struct view *v;

	(void)state;
	memset(account, 'a', 69999);
	memset(sender, '.', 69999);
	sender[10] = '@';
	open_scene(false);
	scene_list(&s, MX1, ZONE, BAD);
	v = board_view_get(s.board);
	assert_int_equal(decide(v, &env, s.now_ms).act, ACT_TEMPFAIL);
	view_put(v);
	free(account);
	free(sender);
}

/* --- probation ---------------------------------------------------------- */

#define RAMP	(2 * HOUR)

/* mx1 on probation since `since`. */
static const struct view *
probation(int64_t since)
{
	struct standing st = { .state = STATE_PROBATION, .since_ms = since,
	    .until_ms = since + RAMP };

	open_scene(false);
	board_restore_standing(s.board, 0, &st);
	board_publish(s.board);
	return board_view_get(s.board);
}

static bool
passes(const struct view *v, int i, int64_t now)
{
	char sender[48], recipient[48];
	struct envelope env = { .sender = sender, .recipient = recipient };
	struct verdict d;

	snprintf(sender, sizeof(sender), "user%d@example.org", i % 100);
	snprintf(recipient, sizeof(recipient), "someone%d@example.net", i);
	d = decide(v, &env, now);
	assert_int_equal(d.why, d.act == ACT_PASS ? WHY_PROBATION_PASS :
	    WHY_PROBATION_WAIT);
	assert_int_equal(d.until_ms, v->egress[0].until_ms);
	return d.act == ACT_PASS;
}

static void
test_share(void **state)
{
	const struct view *v = probation(SCENE_START);

	(void)state;
	assert_true(decide_share(v, 0, SCENE_START) == 0.05);
	assert_true(decide_share(v, 0, SCENE_START - DAY) == 0.05);
	assert_true(decide_share(v, 0, SCENE_START + RAMP / 100) == 0.05);
	assert_true(decide_share(v, 0, SCENE_START + RAMP / 4) == 0.25);
	assert_true(decide_share(v, 0, SCENE_START + RAMP) == 1);
	assert_true(decide_share(v, 0, SCENE_START + DAY) == 1);
	view_put(v);
}

static void
test_share_is_right(void **state)
{
	static const double shares[] = {
		0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 1.0
	};
	const struct view *v = probation(SCENE_START);
	int i, n;
	size_t k;

	(void)state;
	for (k = 0; k < COUNT(shares); k++) {
		for (i = 0, n = 0; i < 20000; i++)
			n += passes(v, i, SCENE_START +
			    (int64_t)(shares[k] * (double)RAMP));
		/* Five standard deviations at most. */
		if (n < 20000 * shares[k] - 360 || n > 20000 * shares[k] +
		    360)
			fail_msg("%d of 20000 at %.2f", n, shares[k]);
	}
	view_put(v);
}

static void
test_share_only_grows(void **state)
{
	const struct view *v = probation(SCENE_START);
	int64_t t;
	bool before, now;
	int i;

	(void)state;
	for (i = 0; i < 500; i++) {
		before = false;
		for (t = 0; t <= RAMP; t += RAMP / 50) {
			now = passes(v, i, SCENE_START + t);
			/* What was let through is not refused later. */
			assert_true(now || !before);
			before = now;
		}
		assert_true(before);
	}
	view_put(v);
}

static void
test_share_by_message(void **state)
{
	static const struct envelope same[] = {
		{ .sender = "Ann@Example.org", .recipient = "bob@example.net" },
		{ .sender = "ann@example.org", .recipient = "BOB@example.net",
		    .account = "ann" },
		{ .sender = "ann@example.org", .recipient = "bob@example.net",
		    .transport = "smtp" },
	};
	const struct view *v = probation(SCENE_START);
	int64_t t;

	(void)state;
	for (t = 0; t < RAMP; t += RAMP / 100) {
		enum action act = decide(v, &same[0], SCENE_START + t).act;

		assert_int_equal(decide(v, &same[1], SCENE_START + t).act,
		    act);
		assert_int_equal(decide(v, &same[2], SCENE_START + t).act,
		    act);
	}
	view_put(v);
}

/* Another probation tries other messages first: nobody is always last. */
static void
test_share_takes_turns(void **state)
{
	const struct view *v = probation(SCENE_START);
	static bool first[4000];
	int i, both = 0, n = 0;

	(void)state;
	for (i = 0; i < 4000; i++) {
		first[i] = passes(v, i, SCENE_START + RAMP / 4);
		n += first[i];
	}
	view_put(v);
	close_scene(NULL);
	v = probation(SCENE_START + DAY);
	for (i = 0; i < 4000; i++)
		both += first[i] && passes(v, i, SCENE_START + DAY +
		    RAMP / 4);
	assert_in_range(n, 800, 1200);
	assert_in_range(both, 150, 350);
	view_put(v);
}

static void
test_probation_words(void **state)
{
	struct envelope env = { .sender = ANN, .recipient = BOB };
	const struct view *v = probation(SCENE_START);

	(void)state;
	view_put(v);
	scene_override(&s, "mx1", WORD_SEND, 0, "");
	v = board_view_get(s.board);
	assert_int_equal(decide(v, &env, s.now_ms).why, WHY_OPERATOR_SEND);
	view_put(v);
	scene_override(&s, "mx1", WORD_STOP, 0, "");
	v = board_view_get(s.board);
	assert_int_equal(decide(v, &env, s.now_ms + RAMP).why,
	    WHY_OPERATOR_STOP);
	view_put(v);
}

/* --- other ways --------------------------------------------------------- */

/* A pool of three, of which any part may be changed by hand. */
#define WAYS \
	"egress = ( { name = \"mx1\"; addresses = \"" MX1 "\"; },\n" \
	"  { name = \"mx2\"; addresses = \"" MX2 "\"; },\n" \
	"  { name = \"mx3\"; addresses = \"" MX3 "\"; } );\n" \
	"pools = ( { name = \"p\"; egress = [\"mx1\", \"mx2\", \"mx3\"]; " \
	"%s } );\n" \
	"domains = [\"shop.example\"];\n" \
	"providers = \"%s\";\n" \
	"lists = ( { zone = \"" ZONE "\"; },\n" \
	"  { zone = \"" DBL "\"; lists = \"domains\"; } );\n"

static void
open_ways(const char *pool)
{
	char *conf = xasprintf(WAYS, pool, unit_source("etc/providers.conf"));

	scene_open(&s, conf);
	free(conf);
}

#define KEEP	"submission = \"accept\";"

static const struct way_row {
	const char	*claim;
	const char	*pool;
	const char	*listed;	/* or NULL */
	struct {
		const char	*target;
		enum word	 word;
	} set[3];
	bool		 gated;		/* mx1 */
	struct envelope	 env;
	enum action	 act;
	enum why	 why;
	const char	*to;		/* NULL: none */
} way_rows[] = {
	/* Who may send it by another */
	{ "a front end lets it in for another way that the map will show",
	    "", MX1, { { NULL, 0 } }, false, { .sender = ANN,
	    .recipient = BOB, .routed = true }, ACT_REROUTE, WHY_LISTED,
	    "mx2" },
	{ "and not where nobody asks the map", "", MX1, { { NULL, 0 } },
	    false, { .sender = ANN, .recipient = BOB }, ACT_TEMPFAIL,
	    WHY_LISTED, NULL },
	{ "nor what the server sends by the stopped one, and no gate keeps",
	    "", MX1, { { NULL, 0 } }, false, { .sender = ANN,
	    .recipient = BOB, .transport = "smtp", .routed = true },
	    ACT_TEMPFAIL, WHY_LISTED, NULL },
	{ "which a gate keeps until the map is asked again", "", MX1,
	    { { NULL, 0 } }, true, { .sender = ANN, .recipient = BOB,
	    .transport = "smtp", .routed = true }, ACT_REROUTE, WHY_LISTED,
	    "mx2" },
	{ "the map shows it", "", MX1, { { NULL, 0 } }, false,
	    { .sender = ANN, .asker = ASK_ROUTE }, ACT_REROUTE, WHY_LISTED,
	    "mx2" },
	{ "the gate shows no way", "", MX1, { { NULL, 0 } }, false,
	    { .recipient = BOB, .transport = "smtp", .asker = ASK_GATE,
	    .routed = true }, ACT_TEMPFAIL, WHY_LISTED, NULL },
	{ "the gate of the other lets it go", "", MX1, { { NULL, 0 } },
	    false, { .recipient = BOB, .transport = "mx2",
	    .asker = ASK_GATE }, ACT_PASS, WHY_CLEAN, "mx2" },
	{ "a pool that wants none has none", "actions = [\"tempfail\"];",
	    MX1, { { NULL, 0 } }, false, { .sender = ANN,
	    .asker = ASK_ROUTE }, ACT_TEMPFAIL, WHY_LISTED, NULL },
	{ "wherever it stands among the actions",
	    "actions = [\"tempfail\", \"reroute\"];", MX1, { { NULL, 0 } },
	    false, { .sender = ANN, .asker = ASK_ROUTE }, ACT_REROUTE,
	    WHY_LISTED, "mx2" },
	{ "what an operator stopped goes by another too", "", NULL,
	    { { "mx1", WORD_STOP } }, false, { .sender = ANN,
	    .asker = ASK_ROUTE }, ACT_REROUTE, WHY_OPERATOR_STOP, "mx2" },
	{ "but by none where all are stopped", "", NULL, { { "all",
	    WORD_STOP } }, false, { .sender = ANN, .asker = ASK_ROUTE },
	    ACT_TEMPFAIL, WHY_OPERATOR_STOP, NULL },
	{ "nor by the next that is stopped", "", MX1, { { "mx2",
	    WORD_STOP } }, false, { .sender = ANN, .asker = ASK_ROUTE },
	    ACT_REROUTE, WHY_LISTED, "mx3" },
	{ "what cannot wait goes by another", "", MX1, { { NULL, 0 } },
	    false, { .sender = ANN, .recipient = BOB, .must_take = true,
	    .routed = true }, ACT_REROUTE, WHY_LISTED, "mx2" },

	/* Whom no other way helps */
	{ "a listed sender domain has no other way", "", "shop.example",
	    { { NULL, 0 } }, false, { .sender = "x@shop.example",
	    .asker = ASK_ROUTE }, ACT_TEMPFAIL, WHY_LISTED, NULL },
	{ "also when its own way is stopped by a word", "", "shop.example",
	    { { "mx1", WORD_STOP } }, false, { .sender = "x@shop.example",
	    .asker = ASK_ROUTE }, ACT_TEMPFAIL, WHY_OPERATOR_STOP, NULL },
	{ "and asked at the front", "", "shop.example", { { "mx1",
	    WORD_STOP } }, true, { .sender = "x@shop.example",
	    .recipient = BOB, .routed = true }, ACT_TEMPFAIL,
	    WHY_OPERATOR_STOP, NULL },
	{ "but where an operator frees it", "", "shop.example", { { "mx1",
	    WORD_STOP }, { "domain:shop.example", WORD_SEND } }, false,
	    { .sender = "x@shop.example", .asker = ASK_ROUTE }, ACT_REROUTE,
	    WHY_OPERATOR_STOP, "mx2" },
	{ "a stopped account has none", "", MX1, { { "account:ann",
	    WORD_STOP } }, true, { .sender = ANN, .recipient = BOB,
	    .account = "ann", .routed = true }, ACT_TEMPFAIL,
	    WHY_OPERATOR_STOP, NULL },
	{ "a stopped domain has none", "", MX1, { { "domain:example.org",
	    WORD_STOP } }, true, { .sender = ANN, .asker = ASK_ROUTE },
	    ACT_TEMPFAIL, WHY_OPERATOR_STOP, NULL },
	{ "nor does any gate keep it", KEEP, NULL, { { "domain:example.org",
	    WORD_STOP } }, true, { .sender = ANN, .recipient = BOB },
	    ACT_TEMPFAIL, WHY_OPERATOR_STOP, NULL },
	{ "nor what sendmail(1) brings", "", NULL, { { "domain:example.org",
	    WORD_STOP } }, true, { .sender = ANN, .recipient = BOB,
	    .must_take = true }, ACT_HOLD, WHY_OPERATOR_STOP, NULL },

	/* The queue */
	{ "accepted mail is kept by the gate", KEEP, MX1, { { "mx2",
	    WORD_STOP }, { "mx3", WORD_STOP } }, true, { .sender = ANN,
	    .recipient = BOB, .routed = true }, ACT_QUEUE, WHY_LISTED,
	    NULL },
	{ "or by another way, where there is one", KEEP, MX1,
	    { { NULL, 0 } }, true, { .sender = ANN, .recipient = BOB,
	    .routed = true }, ACT_REROUTE, WHY_LISTED, "mx2" },
	{ "without a gate it is not taken", KEEP, MX1, { { NULL, 0 } },
	    false, { .sender = ANN, .recipient = BOB }, ACT_TEMPFAIL,
	    WHY_LISTED, NULL },
	{ "... or what the actions say", KEEP " actions = [\"reroute\", "
	    "\"hold\"];", MX1, { { NULL, 0 } }, false, { .sender = ANN,
	    .recipient = BOB }, ACT_HOLD, WHY_LISTED, NULL },
	{ "what cannot wait is kept by the gate", "", MX1, { { NULL, 0 } },
	    true, { .sender = ANN, .recipient = BOB, .must_take = true },
	    ACT_QUEUE, WHY_LISTED, NULL },
	{ "not where all is held for somebody to look at",
	    "submission = \"hold\";", MX1, { { NULL, 0 } }, true,
	    { .sender = ANN, .recipient = BOB, .must_take = true },
	    ACT_HOLD, WHY_LISTED, NULL },
	{ "tempfail needs no gate", "submission = \"tempfail\"; "
	    "actions = \"hold\";", MX1, { { NULL, 0 } }, true,
	    { .sender = ANN, .recipient = BOB }, ACT_TEMPFAIL, WHY_LISTED,
	    NULL },
	{ "the map keeps the queue where no gate does", KEEP
	    "actions = \"hold\";", MX1, { { NULL, 0 } }, false,
	    { .sender = ANN, .asker = ASK_ROUTE }, ACT_TEMPFAIL, WHY_LISTED,
	    NULL },
	{ "and leaves it to the gate where one does", KEEP
	    "actions = \"hold\";", MX1, { { NULL, 0 } }, true,
	    { .sender = ANN, .asker = ASK_ROUTE }, ACT_QUEUE, WHY_LISTED,
	    NULL },

	/* Providers */
	{ "a stopped provider gets nothing", "", NULL, { { "provider:gmail",
	    WORD_STOP } }, true, { .sender = ANN,
	    .recipient = "bob@gmail.com", .routed = true }, ACT_TEMPFAIL,
	    WHY_OPERATOR_STOP, NULL },
	{ "however its domain is written", "", NULL, { { "provider:gmail",
	    WORD_STOP } }, false, { .sender = ANN,
	    .recipient = "bob@Mail.GoogleMail.COM." }, ACT_TEMPFAIL,
	    WHY_OPERATOR_STOP, NULL },
	{ "others do", "", NULL, { { "provider:gmail", WORD_STOP } }, false,
	    { .sender = ANN, .recipient = "bob@notgmail.com" }, ACT_PASS,
	    WHY_CLEAN, "mx1" },
	{ "the gate of every egress keeps its mail", "", NULL,
	    { { "provider:gmail", WORD_STOP } }, false,
	    { .recipient = "@gmail.com", .transport = "mx3",
	    .asker = ASK_GATE }, ACT_TEMPFAIL, WHY_OPERATOR_STOP, NULL },
	{ "the map too, where it knows the recipient", "", NULL,
	    { { "provider:gmail", WORD_STOP } }, false,
	    { .recipient = "bob@gmail.com", .asker = ASK_ROUTE },
	    ACT_TEMPFAIL, WHY_OPERATOR_STOP, NULL },
	{ "and passes what it does not know", "", NULL, { { "provider:gmail",
	    WORD_STOP } }, false, { .sender = ANN, .asker = ASK_ROUTE },
	    ACT_PASS, WHY_CLEAN, "mx1" },
	{ "a stop of the provider beats a send of the egress", "", NULL,
	    { { "provider:gmail", WORD_STOP }, { "mx1", WORD_SEND } },
	    false, { .sender = ANN, .recipient = "bob@gmail.com" },
	    ACT_TEMPFAIL, WHY_OPERATOR_STOP, NULL },
	{ "its own host's mail stays here", "", NULL, { { "provider:gmail",
	    WORD_STOP } }, false, { .sender = ANN,
	    .recipient = "root@localhost" }, ACT_PASS, WHY_LOCAL, NULL },
};

static void
test_way(void **state)
{
	const struct way_row *r = *state;
	const struct view *v;
	struct verdict d;
	size_t i;

	open_ways(r->pool);
	board_set_gated(s.board, 0, r->gated);
	if (r->listed != NULL)
		scene_list(&s, r->listed, r->listed[0] > '9' ? DBL : ZONE,
		    BAD);
	for (i = 0; i < COUNT(r->set) && r->set[i].target != NULL; i++)
		scene_override(&s, r->set[i].target, r->set[i].word, 0, "");
	board_publish(s.board);
	v = board_view_get(s.board);
	d = decide(v, &r->env, s.now_ms);
	assert_string_equal(action_name(d.would), action_name(r->act));
	assert_int_equal(d.act, d.would);
	assert_string_equal(why_name(d.why), why_name(r->why));
	assert_string_equal(d.to >= 0 ? v->policy->egress[d.to].name : "-",
	    r->to != NULL ? r->to : "-");
	view_put(v);
}

/* Of a pool that is spread the home of the domain counts. */
static void
test_spread(void **state)
{
	char sender[48];
	const struct view *v;
	int i, n[3] = { 0 };

	(void)state;
	open_ways("choose = \"spread\";");
	scene_list(&s, MX2, ZONE, BAD);
	v = board_view_get(s.board);
	for (i = 0; i < 3000; i++) {
		struct envelope env = { .sender = sender, .recipient = BOB,
		    .routed = true };
		struct verdict d;

		snprintf(sender, sizeof(sender), "x@d%d.example", i);
		d = decide(v, &env, s.now_ms);
		assert_int_equal(d.home, d.egress);
		assert_int_equal(d.act, d.home == 1 ? ACT_REROUTE :
		    ACT_PASS);
		assert_int_not_equal(d.to, 1);
		n[d.home]++;
		/* The mail server has looked already, and says where to: its
		 * home is what it was. */
		env.transport = d.to == 0 ? "smtp" : "mx3";
		assert_int_equal(decide(v, &env, s.now_ms).act, ACT_PASS);
		assert_int_equal(decide(v, &env, s.now_ms).home, d.home);
	}
	for (i = 0; i < 3; i++)
		assert_in_range(n[i], 870, 1130);
	view_put(v);
}

/* --- the gate in probation ----------------------------------------------- */

/* mx1 on probation since SCENE_START; usual is known if not 0. */
static void
on_probation(struct view *v, struct party_view *party, double usual,
    uint64_t accepted)
{
	v->egress = party;
	memset(party, 0, 3 * sizeof(*party));
	party[0] = (struct party_view){ .state = STATE_PROBATION,
	    .since_ms = SCENE_START, .until_ms = SCENE_START + RAMP,
	    .usual = usual, .accepted = accepted };
}

static const struct allowance_row {
	const char	*claim;
	double		 usual;
	uint64_t	 accepted;
	int64_t		 elapsed;
	double		 share;
	uint64_t	 allowance;
} allowance_rows[] = {
	/* Nothing is known of its mail: the floor is 100 an hour. */
	{ "at the beginning there are the canaries", 0, 0, 0, 0.05, 10 },
	{ "the share grows with time", 0, 0, RAMP / 4, 0.25, 10 + 12 },
	{ "half way", 0, 0, RAMP / 2, 0.5, 10 + 50 },
	{ "at the end", 0, 0, RAMP, 1, 10 + 200 },
	{ "a clock set back takes nothing away", 0, 0, -DAY, 0.05, 10 },
	/* 1000 an hour are usual. */
	{ "what is usual is the measure", 1000, 100000, RAMP / 2, 0.5,
	    10 + 500 },
	{ "... but not a trickle", 10, 100000, RAMP / 2, 0.5, 10 + 50 },
	{ "no faster than what has gone proves", 1000, 35, RAMP / 2, 0.2,
	    10 + 200 },
	{ "nor when more time goes by", 1000, 35, RAMP, 0.2, 10 + 400 },
	{ "nothing has gone: it stays with the canaries", 2000, 0, RAMP / 2,
	    0.05, 10 + 100 },
	{ "even at the end", 2000, 0, RAMP, 0.05, 10 + 200 },
	{ "enough has gone: by time alone", 1000, 245, RAMP / 2, 0.5,
	    10 + 500 },
};

static void
test_allowance(void **state)
{
	const struct allowance_row *r = *state;
	const struct view *real;
	struct party_view party[3];
	struct view v;
	double off;

	open_ways("");
	real = board_view_get(s.board);
	v = *real;
	on_probation(&v, party, r->usual, r->accepted);
	off = decide_share(&v, 0, SCENE_START + r->elapsed) - r->share;
	if (off > 0.0001 || off < -0.0001)
		fail_msg("a share of %g", decide_share(&v, 0, SCENE_START +
		    r->elapsed));
	assert_int_equal(decide_allowance(&v, 0, SCENE_START + r->elapsed),
	    r->allowance);
	view_put(real);
}

static void
test_gate_counts(void **state)
{
	const struct view *real;
	struct party_view party[3];
	struct view v;
	uint64_t n, last = 0;
	int64_t t;

	(void)state;
	open_ways("");
	real = board_view_get(s.board);
	v = *real;
	on_probation(&v, party, 0, 0);
	for (t = 0; t <= RAMP; t += RAMP / 60) {
		struct envelope env = { .recipient = "@example.net",
		    .transport = "smtp", .asker = ASK_GATE };

		n = decide_allowance(&v, 0, SCENE_START + t);
		assert_true(n >= last);
		last = n;
		env.let_out = n - 1;
		assert_int_equal(decide(&v, &env, SCENE_START + t).why,
		    WHY_PROBATION_PASS);
		env.let_out = n;
		assert_int_equal(decide(&v, &env, SCENE_START + t).why,
		    WHY_PROBATION_WAIT);
		assert_int_equal(decide(&v, &env, SCENE_START + t).act,
		    ACT_TEMPFAIL);
		/* That of another is none of its. */
		env.transport = "mx2";
		assert_int_equal(decide(&v, &env, SCENE_START + t).why,
		    WHY_CLEAN);
	}
	view_put(real);
}

/* --- what the sender sees ----------------------------------------------- */

static const struct text_row {
	const char	*claim;
	const char	*subject, *code;	/* listed; NULL: nothing */
	const char	*target, *reason;	/* stopped */
	const char	*sender;
	const char	*text;
} text_rows[] = {
	{ "a listing names address, list, name and egress", MX1, BAD, NULL,
	    NULL, ANN, "Outbound mail paused: " MX1 " is listed by " ZONE
	    " (SBL) [mailbrake mx1]" },
	{ "a listing without a name shows its code", MX1, "127.0.0.4", NULL,
	    NULL, ANN, "Outbound mail paused: " MX1 " is listed by " ZONE
	    " (127.0.0.4) [mailbrake mx1]" },
	{ "a name from the configuration is one line of ASCII", MX1,
	    "127.0.0.3", NULL, NULL, ANN, "Outbound mail paused: " MX1
	    " is listed by " ZONE " (b?se 250 ok) [mailbrake mx1]" },
	{ "a listed sender domain is named", "shop.example", BAD, NULL, NULL,
	    "x@shop.example", "Outbound mail paused: shop.example is listed "
	    "by " DBL " (127.0.0.2) [mailbrake mx1]" },
	{ "an operator's stop", NULL, NULL, "mx1", "", ANN,
	    "Outbound mail paused by the operator [mailbrake mx1]" },
	{ "an operator's reason", NULL, NULL, "all", "moving house", ANN,
	    "Outbound mail paused by the operator: moving house "
	    "[mailbrake mx1]" },
	{ "an operator's reason is one line of ASCII", NULL, NULL, "all",
	    "J\xc3\xbcrg\r\n250 ok\033[2J", ANN, "Outbound mail paused by "
	    "the operator: J??rg 250 ok?[2J [mailbrake mx1]" },
};

static void
check_text(const char *text)
{
	const char *p;

	assert_true(strlen(text) < VERDICT_TEXT_MAX);
	for (p = text; *p != '\0'; p++)
		assert_in_range(*p, ' ', '~');
}

static void
test_text(void **state)
{
	const struct text_row *r = *state;
	struct envelope env = { .sender = r->sender, .recipient = BOB };
	char text[VERDICT_TEXT_MAX];
	const struct view *v;
	struct verdict d;

	open_scene(false);
	if (r->subject != NULL)
		scene_list(&s, r->subject, r->subject[0] > '9' ? DBL : ZONE,
		    r->code);
	if (r->target != NULL)
		scene_override(&s, r->target, WORD_STOP, 0, r->reason);
	v = board_view_get(s.board);
	d = decide(v, &env, s.now_ms);
	assert_string_equal(verdict_text(v, &d, text), r->text);
	check_text(text);
	view_put(v);
}

/* Still stopped, though nothing is listed any more. */
static void
test_text_of_waiting(void **state)
{
	struct envelope env = { .sender = ANN, .recipient = BOB };
	char text[VERDICT_TEXT_MAX];
	const struct view *v;
	struct verdict d;

	(void)state;
	open_scene(false);
	scene_list(&s, MX1, ZONE, BAD);
	scene_delist(&s, MX1, ZONE);
	v = board_view_get(s.board);
	d = decide(v, &env, s.now_ms);
	assert_int_equal(d.why, WHY_LISTED);
	assert_int_equal(d.until_ms, s.now_ms + 15 * MINUTE);
	unit_says(verdict_text(v, &d, text), "paused: waiting until");
	unit_says(text, "[mailbrake mx1]");
	check_text(text);
	view_put(v);
}

static void
test_text_of_probation(void **state)
{
	const struct view *v = probation(SCENE_START);
	struct verdict d = { .act = ACT_TEMPFAIL, .egress = 0, .domain = -1,
	    .why = WHY_PROBATION_WAIT };
	char text[VERDICT_TEXT_MAX];

	(void)state;
	unit_says(verdict_text(v, &d, text), "step by step");
	unit_says(text, "[mailbrake mx1]");
	check_text(text);
	view_put(v);
}

static void
test_text_of_everything(void **state)
{
	struct override o = { .word = WORD_STOP };
	char text[VERDICT_TEXT_MAX + 1];
	const struct view *v;
	int why, egress;

	(void)state;
	memset(o.reason, 0xff, sizeof(o.reason) - 1);
	open_scene(false);
	v = board_view_get(s.board);
	for (why = 0; why < WHY_KINDS; why++) {
		for (egress = -1; egress < 3; egress++) {
			struct verdict d = { .why = (enum why)why,
			    .egress = egress, .domain = -1,
			    .override = &o };

			memset(text, '#', sizeof(text));
			verdict_text(v, &d, text);
			check_text(text);
			assert_int_equal(text[VERDICT_TEXT_MAX], '#');
		}
		assert_true(strlen(why_name((enum why)why)) > 0);
	}
	view_put(v);
}

static void
test_text_hides_the_key(void **state)
{
	struct envelope env = { .sender = ANN, .recipient = BOB };
	char text[VERDICT_TEXT_MAX];
	const struct view *v;
	struct verdict d;

	(void)state;
	scene_open(&s, "egress = ( { name = \"mx1\"; addresses = \"" MX1
	    "\"; } );\nlists = ( { zone = \"{key}.zen.example\"; "
	    "key = \"geheim\"; } );");
	scene_list(&s, MX1, "{key}.zen.example", BAD);
	v = board_view_get(s.board);
	d = decide(v, &env, s.now_ms);
	unit_says(verdict_text(v, &d, text), "{key}.zen.example");
	unit_says_not(text, "geheim");
	unit_says_not(s.log, "geheim");
	view_put(v);
}

int
main(void)
{
	unit_around(NULL, close_scene);
	unit_rows(rows, test_row);
	unit_claim("a word ends at its time, whatever the view's age",
	    test_override_at_its_end);
	unit_claim("of thousands of words the right one is found",
	    test_many_overrides);
	unit_claim("names of any length do no harm", test_long_names);
	unit_claim("the share grows from a twentieth to all", test_share);
	unit_claim("so much of the mail passes as the share says",
	    test_share_is_right);
	unit_claim("what was let through once is let through from then on",
	    test_share_only_grows);
	unit_claim("the same message is always decided alike",
	    test_share_by_message);
	unit_claim("another probation tries other messages first",
	    test_share_takes_turns);
	unit_claim("on probation too a word is a word",
	    test_probation_words);
	unit_rows(way_rows, test_way);
	unit_claim("of a spread pool only the lost share moves",
	    test_spread);
	unit_rows(allowance_rows, test_allowance);
	unit_claim("the gate lets out what is allowed and no more",
	    test_gate_counts);
	unit_rows(text_rows, test_text);
	unit_claim("the wait after a listing is explained",
	    test_text_of_waiting);
	unit_claim("probation is explained", test_text_of_probation);
	unit_claim("every reason has a text that is one line of ASCII",
	    test_text_of_everything);
	unit_claim("the key of a list is not shown",
	    test_text_hides_the_key);
	return unit_run("decide");
}
