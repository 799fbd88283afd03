/*
 * test_course.c - courses of days: a pool, listings, mail, and the way back
 *
 * A mail server is played: each message is asked for at the front, then its
 * way, then at the gate of the egress that it leaves by.  Clocks run in
 * steps of a minute, with a look of every list at each.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/decide.h"
#include "scene.h"
#include "store/statefile.h"

#define BAD	"127.0.0.2"
#define ZONE	"bl.example"
#define EGRESSES 4

#define CONF(mode, pool, resume) \
	mode "egress = ( { name = \"mx1\"; addresses = \"203.0.113.1\"; },\n" \
	"  { name = \"mx2\"; addresses = \"203.0.113.2\"; },\n" \
	"  { name = \"mx3\"; addresses = \"203.0.113.3\"; },\n" \
	"  { name = \"mx4\"; addresses = \"203.0.113.4\"; } );\n" \
	"pools = ( { name = \"out\"; egress = [\"mx1\", \"mx2\", \"mx3\", " \
	"\"mx4\"]; " pool " } );\n" \
	"resume = { clean = 1; " resume " };\n" \
	"lists = ( { zone = \"" ZONE "\"; } );\n"
#define SPREAD	"choose = \"spread\"; "
#define OPEN	"burn_limit = 1000; "	/* no guard */

/* What became of the mail of a while. */
struct tally {
	uint64_t	 by[EGRESSES];	/* left by this one */
	uint64_t	 refused;	/* at the front: later */
	uint64_t	 kept;		/* let in, and then kept at the gate */
};

static struct scene s;
static struct tally t;
static unsigned int serial;

static int
close_scene(void **state)
{
	(void)state;
	if (s.board != NULL)
		scene_close(&s);
	memset(&t, 0, sizeof(t));
	serial = 0;
	return 0;
}

static const char *
address(const char *egress)
{
	static char text[16];

	snprintf(text, sizeof(text), "203.0.113.%c", egress[2]);
	return text;
}

static void
list(const char *egress)
{
	scene_list(&s, address(egress), ZONE, BAD);
}

static void
delist(const char *egress)
{
	scene_delist(&s, address(egress), ZONE);
}

static void
assert_state(const char *egress, enum state state)
{
	assert_string_equal(state_name(scene_state(&s, egress)),
	    state_name(state));
}

/* --- the mail server ---------------------------------------------- */

/* A delivery that is about to begin. */
static bool
gate(const struct view *v, int egress)
{
	struct traffic *c = v->policy->egress[egress].traffic;
	struct envelope env = { .recipient = "@example.net",
	    .transport = v->policy->egress[egress].transports[0],
	    .asker = ASK_GATE };

	env.let_out = c->delivered - v->egress[egress].delivered_before;
	if (decide(v, &env, s.now_ms).act != ACT_PASS)
		return false;
	c->delivered++;
	return true;
}

/* Out by the way that the map says; the queue waits otherwise. */
static void
send(const struct view *v, const char *sender)
{
	struct envelope env = { .sender = sender, .asker = ASK_ROUTE };
	struct verdict d = decide(v, &env, s.now_ms);
	int egress = d.act == ACT_REROUTE ? d.to : d.egress;

	if (d.act == ACT_TEMPFAIL || !gate(v, egress))
		t.kept++;
	else
		t.by[egress]++;
}

/* What a front end does and counts. */
static void
submit(const char *sender, const char *recipient)
{
	struct envelope env = { .sender = sender, .recipient = recipient,
	    .routed = true };
	const struct view *v = board_view_get(s.board);
	struct verdict d = decide(v, &env, s.now_ms);

	if (d.act == ACT_TEMPFAIL || d.act == ACT_HOLD) {
		t.refused++;
	} else {
		if (d.to != -1 && d.to == d.home)
			v->policy->egress[d.to].traffic->passed++;
		else if (d.to != -1)
			v->policy->egress[d.to].traffic->rerouted++;
		send(v, sender);
	}
	view_put(v);
}

/* Lets time go by with so many new messages in each minute. */
static void
mail(int64_t ms, int a_minute)
{
	char sender[48], recipient[48];
	int64_t end = s.now_ms + ms;
	int i;

	while (s.now_ms < end) {
		for (i = 0; i < a_minute; i++, serial++) {
			snprintf(sender, sizeof(sender), "u%u@d%u.example",
			    serial % 7, serial % 400);
			snprintf(recipient, sizeof(recipient),
			    "r%u@example.net", serial);
			submit(sender, recipient);
		}
		scene_pass(&s, MINUTE);
	}
}

/* The same, and what became of it alone. */
static void
mail_anew(int64_t ms, int a_minute)
{
	memset(&t, 0, sizeof(t));
	mail(ms, a_minute);
}

/* All went by these, a letter of its share each: '.' none, 'x' some. */
static void
assert_ways(const char *ways)
{
	size_t i;

	for (i = 0; i < EGRESSES; i++) {
		if ((t.by[i] > 0) != (ways[i] == 'x'))
			fail_msg("mx%zu: %llu messages, where %s was due",
			    i + 1, (unsigned long long)t.by[i], ways);
	}
}

static uint64_t
all_out(void)
{
	return t.by[0] + t.by[1] + t.by[2] + t.by[3];
}

/* --- one after the other ---------------------------------------------- */

static void
test_failover(void **state)
{
	(void)state;
	scene_open(&s, CONF("", OPEN, ""));
	mail_anew(HOUR, 10);
	assert_ways("x...");
	list("mx1");
	unit_says(s.log, "egress mx1: sending -> stopped");
	mail_anew(HOUR, 10);
	assert_ways(".x..");
	assert_int_equal(t.by[1], 600);
	list("mx2");
	mail_anew(HOUR, 10);
	assert_ways("..x.");
	list("mx3");
	mail_anew(HOUR, 10);
	assert_ways("...x");
	assert_int_equal(t.refused + t.kept, 0);
	list("mx4");
	mail_anew(HOUR, 10);
	assert_ways("....");
	assert_int_equal(t.refused, 600);
	unit_says_not(s.log, "pool out");
}

static void
test_spread(void **state)
{
	uint64_t before[EGRESSES];
	size_t i;

	(void)state;
	scene_open(&s, CONF("", SPREAD OPEN, ""));
	mail_anew(10 * HOUR, 10);
	memcpy(before, t.by, sizeof(before));
	for (i = 0; i < EGRESSES; i++)
		assert_in_range(before[i], 1000, 2000);
	list("mx3");
	mail_anew(10 * HOUR, 10);
	assert_ways("xx.x");
	/* Nobody has less than before: only the lost share moved. */
	for (i = 0; i < EGRESSES; i++) {
		if (i != 2)
			assert_in_range(t.by[i], before[i] + 100,
			    before[i] + 1100);
	}
	assert_int_equal(all_out(), 6000);
	/* Back, and as before. */
	delist("mx3");
	scene_pass(&s, 3 * HOUR);
	assert_state("mx3", STATE_SENDING);
	mail_anew(10 * HOUR, 10);
	assert_memory_equal(t.by, before, sizeof(before));
}

/* --- the guard ---------------------------------------------- */

static void
test_guard(void **state)
{
	const struct pool_view *g;
	int64_t first;

	(void)state;
	scene_open(&s, CONF("", SPREAD, ""));
	first = s.now_ms;
	list("mx1");
	mail(HOUR, 10);
	list("mx2");
	mail_anew(HOUR, 10);
	assert_ways("..xx");
	g = board_pool(s.board, 0);
	assert_int_equal(g->stopped, 2);
	assert_false(g->guarded);
	scene_hush(&s);
	list("mx3");
	assert_true(g->guarded);
	assert_int_equal(g->stopped, 3);
	/* Two of them may be within the window: the first is the one. */
	assert_int_equal(g->until_ms, first + DAY);
	unit_says(s.log, "pool out: 3 of its egresses were stopped within "
	    "1d, more than burn_limit = 2: the cause is still at work, so "
	    "the others stop too rather than be the next; find the cause, "
	    "then \"mailbrake send NAME\" lets one go on");
	mail_anew(HOUR, 10);
	assert_ways("....");
	assert_int_equal(t.refused, 600);
	assert_state("mx4", STATE_SENDING);
	assert_int_equal(board_effective(s.board, 3, s.now_ms, NULL),
	    STATE_STOPPED);

	/* An operator lets one go on: with its own mail, and that of those
	 * that are listed. */
	scene_override(&s, "mx4", WORD_SEND, HOUR, "");
	mail_anew(HOUR, 10);
	assert_ways("...x");
	mail_anew(HOUR, 10);
	assert_ways("....");

	/* Time alone ends it: nothing else has happened. */
	scene_hush(&s);
	scene_pass(&s, first + DAY - MINUTE - s.now_ms);
	assert_true(g->guarded);
	assert_int_equal(s.next_ms, first + DAY);
	unit_says_not(s.log, "pool out");
	scene_pass(&s, MINUTE);
	assert_false(g->guarded);
	assert_int_equal(g->until_ms, 0);
	unit_says(s.log, "pool out: no longer more than 2 egresses stopped "
	    "within 1d: the others go on");
	mail_anew(HOUR, 10);
	assert_ways("...x");
}

/* More than one too many: it ends when few enough are left. */
static void
test_guard_of_many(void **state)
{
	const struct pool_view *g;
	int64_t second;

	(void)state;
	scene_open(&s, CONF("", "burn_limit = 1; burn_window = \"6h\";",
	    ""));
	g = board_pool(s.board, 0);
	list("mx1");
	scene_pass(&s, HOUR);
	second = s.now_ms;
	list("mx2");
	scene_pass(&s, HOUR);
	list("mx3");
	assert_int_equal(g->stopped, 3);
	assert_int_equal(g->until_ms, second + 6 * HOUR);
	scene_pass(&s, second + 6 * HOUR - MINUTE - s.now_ms);
	assert_int_equal(g->stopped, 2);
	assert_true(g->guarded);
	scene_pass(&s, MINUTE);
	assert_int_equal(g->stopped, 1);
	assert_false(g->guarded);
}

/* One is back: the others go on, before the time has passed. */
static void
test_guard_one_back(void **state)
{
	(void)state;
	scene_open(&s, CONF("", "", "ramp = \"1h\";"));
	list("mx1");
	list("mx2");
	list("mx3");
	assert_true(board_pool(s.board, 0)->guarded);
	delist("mx2");
	scene_pass(&s, 30 * MINUTE);
	/* In probation it is not back yet. */
	assert_state("mx2", STATE_PROBATION);
	assert_true(board_pool(s.board, 0)->guarded);
	scene_pass(&s, HOUR);
	assert_state("mx2", STATE_SENDING);
	assert_false(board_pool(s.board, 0)->guarded);
	mail_anew(HOUR, 10);
	assert_ways(".x..");
}

/* The last one is listed in spite of all: nobody goes on, and nobody says
 * so. */
static void
test_guard_nobody_left(void **state)
{
	(void)state;
	scene_open(&s, CONF("", "", ""));
	list("mx1");
	list("mx2");
	list("mx3");
	scene_hush(&s);
	list("mx4");
	assert_false(board_pool(s.board, 0)->guarded);
	unit_says_not(s.log, "go on");
	unit_says(s.log, "pool out: none of its egresses is left to be kept "
	    "from being the next");
	mail_anew(HOUR, 10);
	assert_ways("....");
}

/* Stops by an operator burn nobody. */
static void
test_guard_words(void **state)
{
	(void)state;
	scene_open(&s, CONF("", "", ""));
	scene_override(&s, "mx1", WORD_STOP, 0, "");
	scene_override(&s, "mx2", WORD_STOP, 0, "");
	scene_override(&s, "mx3", WORD_STOP, 0, "");
	assert_false(board_pool(s.board, 0)->guarded);
	mail_anew(HOUR, 10);
	assert_ways("...x");
	/* What is listed counts, also when an operator lets it send. */
	scene_override(&s, "all", WORD_SEND, 0, "");
	list("mx1");
	list("mx2");
	list("mx3");
	assert_true(board_pool(s.board, 0)->guarded);
}

/* Every pool for itself. */
static void
test_guard_of_one_pool(void **state)
{
	(void)state;
	scene_open(&s, "egress = ( { name = \"mx1\"; addresses = "
	    "\"203.0.113.1\"; }, { name = \"mx2\"; addresses = "
	    "\"203.0.113.2\"; }, { name = \"mx3\"; addresses = "
	    "\"203.0.113.3\"; }, { name = \"mx4\"; addresses = "
	    "\"203.0.113.4\"; } );\n"
	    "pools = ( { name = \"a\"; egress = [\"mx1\", \"mx2\", "
	    "\"mx3\"]; burn_limit = 1; }, { name = \"b\"; "
	    "egress = \"mx4\"; burn_limit = 1; } );\n"
	    "lists = ( { zone = \"" ZONE "\"; } );\n");
	list("mx1");
	list("mx2");
	assert_true(board_pool(s.board, 0)->guarded);
	assert_int_equal(board_effective(s.board, 2, s.now_ms, NULL),
	    STATE_STOPPED);
	assert_false(board_pool(s.board, 1)->guarded);
	assert_int_equal(board_effective(s.board, 3, s.now_ms, NULL),
	    STATE_SENDING);
}

/* --- survivors ---------------------------------------------- */

/* Half of the mail is at home at one that is lost: the rest takes no more
 * than a multiple of what is usual for it. */
static void
test_reroute_limit(void **state)
{
	uint64_t most = 0;
	int h;

	(void)state;
	scene_open(&s, CONF("", OPEN "reroute_limit = 2;", ""));
	/* mx1 takes all, so mx2's own has to be shown to it. */
	for (h = 0; h < 30 * 60; h++) {
		board_policy(s.board)->egress[1].traffic->passed += 5;
		mail(MINUTE, 40);
	}
	assert_int_equal(board_standing(s.board, 1)->usual.hours,
	    TRAFFIC_KNOWN_HOURS);
	assert_in_range((int)board_standing(s.board, 1)->usual.per_hour,
	    298, 302);
	assert_in_range((int)board_standing(s.board, 0)->usual.per_hour,
	    2390, 2410);
	scene_hush(&s);
	list("mx1");
	memset(&t, 0, sizeof(t));
	for (h = 0; h < 3 * 60; h++) {
		uint64_t before = board_volume(s.board, 1)->hour;

		mail(MINUTE, 40);
		if (board_volume(s.board, 1)->hour > most)
			most = board_volume(s.board, 1)->hour;
		assert_true(board_volume(s.board, 1)->hour <= before + 40);
	}
	/* 600 an hour, and what a minute brings until it is seen. */
	assert_in_range(most, 600, 640);
	unit_says(s.log, "egress mx2: 600 messages in this hour, its usual "
	    "number is 300: it takes no more rerouted mail until the next");
	/* mx3 and mx4 were never of use, but from the start: the floor. */
	assert_in_range(t.by[2], 100, 3 * 140);
	assert_in_range(t.by[3], 100, 3 * 140);
	assert_true(t.refused > 0);
	/* It was learned in usual times only. */
	assert_in_range((int)board_standing(s.board, 1)->usual.per_hour,
	    298, 302);
}

static void
test_no_reroute_limit(void **state)
{
	(void)state;
	scene_open(&s, CONF("", OPEN "reroute_limit = 0;", ""));
	mail(30 * HOUR, 40);
	list("mx1");
	mail_anew(3 * HOUR, 40);
	assert_ways(".x..");
	assert_int_equal(t.refused, 0);
}

/* Added by a reload: it takes nothing of others before its own was seen. */
static void
test_fresh(void **state)
{
	static const char conf[] = "egress = ( { name = \"mx1\"; addresses = "
	    "\"203.0.113.1\"; }, { name = \"mx9\"; addresses = "
	    "\"203.0.113.9\"; } );\nlists = ( { zone = \"" ZONE
	    "\"; } );\n";
	struct traffic *c;

	(void)state;
	scene_open(&s, "egress = ( { name = \"mx1\"; addresses = "
	    "\"203.0.113.1\"; } );\nlists = ( { zone = \"" ZONE
	    "\"; } );\n");
	assert_false(board_standing(s.board, 0)->fresh);
	scene_reload(&s, conf);
	assert_false(board_standing(s.board, 0)->fresh);
	assert_true(board_standing(s.board, 1)->fresh);
	list("mx1");
	mail_anew(HOUR, 1);
	assert_ways("....");
	/* It stays so over another reload. */
	scene_reload(&s, conf);
	assert_true(board_standing(s.board, 1)->fresh);
	/* The mail server lets a delivery of its own begin. */
	c = board_policy(s.board)->egress[1].traffic;
	c->delivered++;
	scene_pass(&s, MINUTE);
	assert_false(board_standing(s.board, 1)->fresh);
	mail_anew(HOUR, 1);
	assert_ways(".x..");
}

/* --- the way back ---------------------------------------------- */

/* More than a day of this is usual then. */
static void
learn(int a_minute)
{
	mail(30 * HOUR, a_minute);
	assert_int_equal(board_standing(s.board, 0)->usual.hours,
	    TRAFFIC_KNOWN_HOURS);
}

static double
share(void)
{
	const struct view *v = board_view_get(s.board);
	double now = decide_share(v, 0, s.now_ms);

	view_put(v);
	return now;
}

/* Canaries, a growing share, all of it; the queue in portions. */
static void
test_probation(void **state)
{
	uint64_t last = 0;
	int i;

	(void)state;
	scene_open(&s, CONF("", OPEN "actions = \"tempfail\";",
	    "canaries = 5;"));
	learn(20);
	list("mx1");
	mail_anew(HOUR, 20);
	assert_ways("....");
	delist("mx1");
	scene_hush(&s);
	mail_anew(14 * MINUTE, 20);
	assert_ways("....");
	mail_anew(MINUTE, 0);
	assert_state("mx1", STATE_PROBATION);
	unit_says(s.log, "egress mx1: stopped -> probation: clean for 15m; a "
	    "growing share of the mail goes, all of it in 2h");
	for (i = 0; i < 8; i++) {
		mail_anew(15 * MINUTE, 20);
		/* The share of this quarter of an hour, and nothing is let
		 * in that the gate then keeps. */
		assert_in_range(t.by[0], (uint64_t)(300 * i / 8),
		    (uint64_t)(300 * (i + 1) / 8 + 15));
		assert_int_equal(t.kept, 0);
		assert_true(t.by[0] > last);
		last = t.by[0];
	}
	assert_state("mx1", STATE_SENDING);
	assert_int_equal(board_volume(s.board, 0)->accepted, 0);
	mail_anew(HOUR, 20);
	assert_int_equal(t.by[0], 1200);
	unit_says(s.log, "egress mx1: probation -> sending");
}

/* A thousand wait in the queue, and nothing new comes. */
static void
test_queue_in_portions(void **state)
{
	const struct view *v;
	uint64_t out = 0, before;
	int i, waiting = 5000, minutes;

	(void)state;
	scene_open(&s, CONF("", OPEN "actions = \"tempfail\";",
	    "canaries = 5;"));
	list("mx1");
	delist("mx1");
	scene_pass(&s, 15 * MINUTE);
	assert_state("mx1", STATE_PROBATION);
	for (minutes = 0; scene_state(&s, "mx1") == STATE_PROBATION;
	    minutes++) {
		before = out;
		v = board_view_get(s.board);
		for (i = 0; i < waiting; i++)
			out += gate(v, 0);
		/* Never more than is allowed, and all that is. */
		assert_int_equal(out, decide_allowance(v, 0, s.now_ms));
		view_put(v);
		assert_true(minutes == 0 ? out == 5 : out - before < 6);
		scene_pass(&s, MINUTE);
	}
	assert_int_equal(minutes, 120);
	assert_in_range(out, 195, 205);
	v = board_view_get(s.board);
	for (i = 0; i < waiting; i++)
		assert_true(gate(v, 0));
	view_put(v);
}

static void
health(enum health now)
{
	board_health(s.board, 0, SUBJECT_IPV4, now, "", s.now_ms);
	scene_tick(&s);
}

/* No list answers in the middle of a ramp, for longer than that takes. */
static void
test_probation_unseen(void **state)
{
	double seen;

	(void)state;
	scene_open(&s, CONF("", OPEN "actions = \"tempfail\";", ""));
	list("mx1");
	delist("mx1");
	scene_pass(&s, 15 * MINUTE);
	assert_state("mx1", STATE_PROBATION);
	scene_pass(&s, 30 * MINUTE);
	seen = share();
	assert_true(seen > 0.2 && seen < 0.3);
	health(HEALTH_BLIND);
	scene_pass_silently(&s, DAY);
	assert_state("mx1", STATE_PROBATION);
	assert_true(share() == seen);
	/* Nor do a reload and a clock that is set change that. */
	scene_reload(&s, CONF("", OPEN "actions = \"tempfail\";", ""));
	board_clock_set(s.board, -DAY);
	s.now_ms -= DAY;
	scene_pass_silently(&s, HOUR);
	assert_true(share() == seen);
	assert_state("mx1", STATE_PROBATION);
	/* They answer again. */
	health(HEALTH_USABLE);
	assert_true(share() == 1);
	scene_pass(&s, MINUTE);
	assert_state("mx1", STATE_SENDING);
}

/* Where it is known how much mail there is, nothing grows on time alone. */
static void
test_probation_needs_mail(void **state)
{
	int64_t since;

	(void)state;
	scene_open(&s, CONF("", OPEN "actions = \"tempfail\";", ""));
	learn(20);
	list("mx1");
	delist("mx1");
	scene_pass(&s, 15 * MINUTE);
	assert_state("mx1", STATE_PROBATION);
	since = s.now_ms;
	/* The night: nobody writes, so nothing is proved. */
	scene_pass(&s, 2 * HOUR);
	assert_state("mx1", STATE_PROBATION);
	assert_true(share() < 0.07);
	assert_int_equal(board_volume(s.board, 0)->accepted, 0);
	/* The morning.  Ten canaries are enough for the end of it. */
	mail_anew(20 * MINUTE, 20);
	assert_true(t.by[0] >= 10);
	assert_state("mx1", STATE_SENDING);
	assert_true(s.now_ms - since < 3 * HOUR);

	/* Nobody writes at all: four times the ramp, and no longer. */
	list("mx1");
	delist("mx1");
	scene_pass(&s, 30 * MINUTE);	/* a relapse: twice as long */
	assert_state("mx1", STATE_PROBATION);
	scene_pass(&s, 8 * HOUR - MINUTE);
	assert_state("mx1", STATE_PROBATION);
	scene_pass(&s, MINUTE);
	assert_state("mx1", STATE_SENDING);
}

/* Where hardly any mail is usual its absence says nothing. */
static void
test_probation_of_a_trickle(void **state)
{
	int h;

	(void)state;
	scene_open(&s, CONF("", OPEN "actions = \"tempfail\";", ""));
	for (h = 0; h < 30; h++) {
		mail(MINUTE, 3);
		scene_pass(&s, 59 * MINUTE);
	}
	assert_in_range((int)board_standing(s.board, 0)->usual.per_hour, 2,
	    3);
	assert_int_equal(board_standing(s.board, 0)->usual.hours,
	    TRAFFIC_KNOWN_HOURS);
	list("mx1");
	delist("mx1");
	scene_pass(&s, 15 * MINUTE);
	assert_state("mx1", STATE_PROBATION);
	scene_pass(&s, 2 * HOUR - MINUTE);
	assert_state("mx1", STATE_PROBATION);
	scene_pass(&s, MINUTE);
	assert_state("mx1", STATE_SENDING);
}

/* The usual mail keeps up with the time; a tenth of it does not, and what was
 * let out is not taken back. */
static void
test_probation_with_mail(void **state)
{
	double last = 0;
	int i;

	(void)state;
	scene_open(&s, CONF("", OPEN "actions = \"tempfail\";", ""));
	learn(20);
	list("mx1");
	delist("mx1");
	scene_pass(&s, 15 * MINUTE);
	for (i = 1; i <= 6; i++) {
		assert_state("mx1", STATE_PROBATION);
		mail_anew(20 * MINUTE, 20);
		if (i == 6)
			break;
		assert_true(share() >= 0.85 * i / 6);
		assert_true(share() <= (double)i / 6 + 0.01);
	}
	assert_state("mx1", STATE_SENDING);
	list("mx1");
	delist("mx1");
	scene_pass(&s, 30 * MINUTE);
	for (i = 1; i <= 5; i++) {
		assert_state("mx1", STATE_PROBATION);
		assert_true(share() >= last);
		last = share();
		mail_anew(20 * MINUTE, 2);
	}
	assert_true(last > 0.08 && last < 0.25);
}

/* Others take what is not its share, sender by sender. */
static void
test_probation_with_others(void **state)
{
	(void)state;
	scene_open(&s, CONF("", OPEN "reroute_limit = 0;", ""));
	learn(20);
	list("mx1");
	delist("mx1");
	scene_pass(&s, 15 * MINUTE);
	mail_anew(HOUR, 20);
	assert_ways("xx..");
	assert_int_equal(t.refused, 0);
	assert_int_equal(t.kept, 0);
	assert_in_range(t.by[0], 200, 400);
	mail_anew(HOUR, 20);
	assert_int_equal(t.kept, 0);
	assert_in_range(t.by[0], 750, 1050);
	assert_state("mx1", STATE_SENDING);
	mail_anew(HOUR, 20);
	assert_ways("x...");
	/* What is in probation takes nothing of others. */
	list("mx2");
	delist("mx2");
	scene_pass(&s, 15 * MINUTE);
	assert_state("mx2", STATE_PROBATION);
	list("mx1");
	mail_anew(HOUR, 20);
	assert_ways("..x.");
}

/* Listed again in probation: at once, and for longer. */
static void
test_relapse(void **state)
{
	int64_t wait = 15 * MINUTE;
	int i;

	(void)state;
	scene_open(&s, CONF("", OPEN "actions = \"tempfail\";",
	    "flap_window = \"0s\";"));
	list("mx1");
	for (i = 0; i < 5; i++) {
		delist("mx1");
		scene_pass(&s, wait - MINUTE);
		assert_state("mx1", STATE_STOPPED);
		scene_pass(&s, MINUTE);
		assert_state("mx1", STATE_PROBATION);
		mail_anew(30 * MINUTE, 20);
		assert_ways("x...");
		list("mx1");
		assert_state("mx1", STATE_STOPPED);
		assert_int_equal(board_standing(s.board, 0)->stopped_ms,
		    s.now_ms);
		mail_anew(30 * MINUTE, 20);
		assert_ways("....");
		wait *= 2;
	}
}

/* --- a restart ---------------------------------------------- */

static void
restart(const char *conf)
{
	static int times;
	struct statefile *f;
	struct scene after;
	char *parts[STATEFILE_PARTS], name[32];
	const char *path, *why;

	snprintf(name, sizeof(name), "state%d", ++times);
	path = unit_file(name, NULL);
	f = statefile_open(path, &why);
	assert_non_null(f);
	statefile_save(f, s.board);
	statefile_close(f, 5000);
	scene_open(&after, conf);
	after.now_ms = s.now_ms + MINUTE;
	assert_true(statefile_load(path, after.board, after.now_ms, parts));
	scene_close(&s);
	s = after;
	scene_tick(&s);
}

/* The whole course, once as it is and once with a restart at each step. */
static void
course(bool restarts)
{
	static const char conf[] = CONF("", SPREAD, "flap_window = \"0s\";");
	const struct standing *st;
	struct standing before;
	int64_t stopped;

#define STEP() \
	do { \
		if (restarts) \
			restart(conf); \
	} while (0)

	scene_open(&s, conf);
	mail(30 * HOUR, 40);
	before = *board_standing(s.board, 0);
	assert_int_equal(before.usual.hours, TRAFFIC_KNOWN_HOURS);
	STEP();
	st = board_standing(s.board, 0);
	assert_int_equal(st->usual.hours, before.usual.hours);
	assert_true(st->usual.per_hour - before.usual.per_hour < 0.001 &&
	    before.usual.per_hour - st->usual.per_hour < 0.001);
	assert_false(st->fresh);

	list("mx1");
	stopped = board_standing(s.board, 0)->stopped_ms;
	STEP();
	assert_int_equal(board_standing(s.board, 0)->stopped_ms, stopped);
	mail_anew(HOUR, 40);
	assert_ways(".xxx");
	list("mx2");
	STEP();
	mail_anew(HOUR, 40);
	assert_ways("..xx");
	list("mx3");
	STEP();
	assert_true(board_pool(s.board, 0)->guarded);
	assert_int_equal(board_pool(s.board, 0)->until_ms, stopped + DAY);
	mail_anew(HOUR, 40);
	assert_ways("....");

	/* The cause is found; one after the other is delisted. */
	delist("mx1");
	STEP();
	scene_pass(&s, 15 * MINUTE);
	assert_state("mx1", STATE_PROBATION);
	STEP();
	mail_anew(30 * MINUTE, 40);
	assert_ways("x...");

	/* Too early: listed again. */
	list("mx1");
	STEP();
	assert_state("mx1", STATE_STOPPED);
	assert_int_equal(board_standing(s.board, 0)->relapses, 1);
	delist("mx1");
	STEP();
	scene_pass(&s, 28 * MINUTE);
	assert_state("mx1", STATE_STOPPED);
	scene_pass(&s, 2 * MINUTE);
	assert_state("mx1", STATE_PROBATION);
	delist("mx2");
	delist("mx3");
	scene_pass(&s, 20 * MINUTE);
	assert_state("mx3", STATE_PROBATION);
	STEP();
	assert_state("mx3", STATE_PROBATION);
	assert_true(board_pool(s.board, 0)->guarded);
	mail_anew(4 * HOUR, 40);
	STEP();
	assert_state("mx1", STATE_SENDING);
	assert_state("mx2", STATE_SENDING);
	assert_state("mx3", STATE_SENDING);
	assert_false(board_pool(s.board, 0)->guarded);
	mail_anew(HOUR, 40);
	assert_ways("xxxx");
	assert_int_equal(t.refused + t.kept, 0);

	/* A quiet day later the relapse is forgotten. */
	scene_pass(&s, DAY + HOUR);
	assert_int_equal(board_standing(s.board, 0)->relapses, 0);
}

static void
test_course(void **state)
{
	(void)state;
	course(false);
}

static void
test_course_with_restarts(void **state)
{
	(void)state;
	course(true);
}

/* An egress that came while the daemon was away is new to it. */
static void
test_restart_with_more(void **state)
{
	static const char two[] = "egress = ( { name = \"mx1\"; addresses = "
	    "\"203.0.113.1\"; }, { name = \"mx2\"; addresses = "
	    "\"203.0.113.2\"; } );\nlists = ( { zone = \"" ZONE
	    "\"; } );\n";

	(void)state;
	scene_open(&s, "egress = ( { name = \"mx1\"; addresses = "
	    "\"203.0.113.1\"; } );\nlists = ( { zone = \"" ZONE
	    "\"; } );\n");
	restart(two);
	assert_false(board_standing(s.board, 0)->fresh);
	assert_true(board_standing(s.board, 1)->fresh);
	restart(two);
	assert_true(board_standing(s.board, 1)->fresh);
	list("mx1");
	mail_anew(HOUR, 1);
	assert_ways("....");
	scene_reload(&s, "egress = ( { name = \"mx1\"; addresses = "
	    "\"203.0.113.1\"; }, { name = \"mx2\"; addresses = "
	    "\"203.0.113.2\"; warm = true; } );\nlists = ( { zone = \"" ZONE
	    "\"; } );\n");
	mail_anew(HOUR, 1);
	assert_ways(".x..");
}

/* --- observe mode ---------------------------------------------- */

/* The same days, and all mail goes its own way; what would be is told. */
static void
test_observe(void **state)
{
	struct envelope env = { .sender = "u@d1.example",
	    .recipient = "r@example.net", .routed = true };
	const struct view *v;
	struct verdict d;

	(void)state;
	scene_open(&s, CONF("mode = \"observe\";\n", "", ""));
	list("mx1");
	unit_says(s.log, "observe mode: mail passes all the same");
	v = board_view_get(s.board);
	d = decide(v, &env, s.now_ms);
	assert_int_equal(d.act, ACT_PASS);
	assert_int_equal(d.would, ACT_REROUTE);
	assert_int_equal(d.to, 1);
	view_put(v);
	list("mx2");
	list("mx3");
	list("mx4");
	v = board_view_get(s.board);
	d = decide(v, &env, s.now_ms);
	assert_int_equal(d.act, ACT_PASS);
	assert_int_equal(d.would, ACT_TEMPFAIL);
	view_put(v);
	mail_anew(HOUR, 20);
	assert_ways("x...");
	assert_int_equal(t.by[0], 1200);
	delist("mx1");
	scene_pass(&s, 15 * MINUTE);
	assert_state("mx1", STATE_PROBATION);
	mail_anew(HOUR, 20);
	assert_int_equal(t.by[0], 1200);
}

int
main(void)
{
	unit_around(NULL, close_scene);
	unit_claim("one after the other is listed, the next takes over",
	    test_failover);
	unit_claim("where mail is spread only the lost share moves, and it "
	    "comes back", test_spread);
	unit_claim("too many stops within the window stop the pool",
	    test_guard);
	unit_claim("more than too many: it ends when few enough are left",
	    test_guard_of_many);
	unit_claim("one that is back lets the others go on",
	    test_guard_one_back);
	unit_claim("where nobody is left nobody is said to go on",
	    test_guard_nobody_left);
	unit_claim("stops by word burn nobody, sends hide nobody",
	    test_guard_words);
	unit_claim("pools are guarded one by one", test_guard_of_one_pool);
	unit_claim("survivors take a multiple of their usual mail",
	    test_reroute_limit);
	unit_claim("or any, where an operator says so",
	    test_no_reroute_limit);
	unit_claim("what was added takes nothing of others at first",
	    test_fresh);
	unit_claim("canaries, a growing share, all of it", test_probation);
	unit_claim("the queue is let out in portions",
	    test_queue_in_portions);
	unit_claim("a probation lets no more out while nothing can be seen",
	    test_probation_unseen);
	unit_claim("time alone proves nothing where much mail is usual",
	    test_probation_needs_mail);
	unit_claim("where hardly any is usual time alone does",
	    test_probation_of_a_trickle);
	unit_claim("with the usual mail the share grows with the time",
	    test_probation_with_mail);
	unit_claim("others take the rest meanwhile",
	    test_probation_with_others);
	unit_claim("each relapse stops at once, and for twice as long",
	    test_relapse);
	unit_claim("a course of days", test_course);
	unit_claim("with a restart at every step", test_course_with_restarts);
	unit_claim("what came while the daemon was away is new to it",
	    test_restart_with_more);
	unit_claim("observe mode tells it all and stops nothing",
	    test_observe);
	return unit_run("course");
}
