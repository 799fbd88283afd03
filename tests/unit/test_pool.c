/*
 * test_pool.c - which way out, and who stands in for whom
 */
#include "unit.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/pool.h"
#include "scene.h"

#define NOW	SCENE_START
#define DOMAINS	10000

#define EGRESS(name, number, more) \
	"{ name = \"" name "\"; addresses = \"203.0.113." number "\"; " \
	more " }"
#define POOL(egress, more) \
	"pools = ( { name = \"p\"; egress = [" egress "]; " more " } );\n"

#define FOUR \
	"egress = ( " EGRESS("mx1", "7", "") ", " EGRESS("mx2", "8", "") \
	", " EGRESS("mx3", "9", "") ", " EGRESS("mx4", "10", "") " );\n"
#define ORDER		POOL("\"mx2\", \"mx4\", \"mx1\", \"mx3\"", "")
#define SPREAD		POOL("\"mx1\", \"mx2\", \"mx3\", \"mx4\"", \
	"choose = \"spread\";")
#define WEIGHTS(a, b, c, d) \
	"egress = ( " EGRESS("mx1", "7", "weight = " a ";") ", " \
	EGRESS("mx2", "8", "weight = " b ";") ", " \
	EGRESS("mx3", "9", "weight = " c ";") ", " \
	EGRESS("mx4", "10", "weight = " d ";") " );\n" SPREAD

/* A view whose every part may be changed. */
static struct policy *policy;
static struct party_view party[8];
static struct pool_view pool[4];
static struct override word[4];
static struct view view;

static void
open_view(const char *conf)
{
	policy = unit_policy(conf);
	memset(party, 0, sizeof(party));
	memset(pool, 0, sizeof(pool));
	memset(word, 0, sizeof(word));
	view = (struct view){ .policy = policy, .egress = party,
	    .pools = pool, .overrides = word };
}

static int
close_view(void **state)
{
	(void)state;
	policy_unref(policy);
	policy = NULL;
	return 0;
}

static void
say(const char *target, enum word w, int64_t until_ms)
{
	struct override *o = &word[view.override_count++];

	assert_true(view.override_count <= COUNT(word));
	*o = (struct override){ .word = w, .until_ms = until_ms };
	snprintf(o->target, sizeof(o->target), "%s", target);
}

static const char *
name_of(int egress)
{
	return egress == -1 ? "nobody" : policy->egress[egress].name;
}

static size_t
number(const char *name)
{
	int i = policy_find_egress(policy, name);

	assert_true(i >= 0);
	return (size_t)i;
}

static const char *
domain_name(char *buf, size_t size, int i)
{
	snprintf(buf, size, "sender%d.example", i);
	return buf;
}

/* --- the order of a pool ------------------------------------------------ */

static void
test_failover_home(void **state)
{
	char domain[64];
	int i;

	(void)state;
	open_view(FOUR ORDER);
	for (i = 0; i < 100; i++)
		assert_string_equal(name_of(pool_home(&view, 0,
		    domain_name(domain, sizeof(domain), i))), "mx2");
	assert_string_equal(name_of(pool_home(&view, 0, NULL)), "mx2");
	/* Whatever its state: it is where mail is at home. */
	party[number("mx2")].state = STATE_STOPPED;
	pool[0].guarded = true;
	assert_string_equal(name_of(pool_home(&view, 0, NULL)), "mx2");
	assert_int_equal(pool_home(&view, 1, NULL), -1);
}

static void
test_failover_order(void **state)
{
	static const char *const order[] = { "mx4", "mx1", "mx3", "nobody" };
	size_t i;

	(void)state;
	open_view(FOUR ORDER);
	party[number("mx2")].state = STATE_STOPPED;
	for (i = 0; i < COUNT(order); i++) {
		assert_string_equal(name_of(pool_stand_in(&view,
		    number("mx2"), "example.org", NOW)), order[i]);
		if (i + 1 < COUNT(order))
			party[number(order[i])].state = STATE_STOPPED;
	}
	/* The first of the pool stands in for those behind it. */
	party[number("mx2")].state = STATE_SENDING;
	assert_string_equal(name_of(pool_stand_in(&view, number("mx3"), NULL,
	    NOW)), "mx2");
}

static void
test_pools_apart(void **state)
{
	(void)state;
	open_view(FOUR "pools = ( { name = \"p\"; egress = [\"mx1\", "
	    "\"mx2\"]; }, { name = \"q\"; egress = [\"mx3\"]; } );");
	assert_string_equal(name_of(pool_stand_in(&view, number("mx1"), NULL,
	    NOW)), "mx2");
	party[number("mx2")].state = STATE_STOPPED;
	assert_string_equal(name_of(pool_stand_in(&view, number("mx1"), NULL,
	    NOW)), "nobody");
	assert_string_equal(name_of(pool_stand_in(&view, number("mx3"), NULL,
	    NOW)), "nobody");
	/* mx4 is in no pool that was named, and so alone. */
	assert_string_equal(name_of(pool_stand_in(&view, number("mx4"), NULL,
	    NOW)), "nobody");
	assert_string_equal(name_of(pool_home(&view,
	    policy->egress[number("mx4")].pool, NULL)), "mx4");
}

/* --- spread ------------------------------------------------------------- */

static const struct share_row {
	const char	*claim;
	const char	*conf;
	int		 weights[4];
} share_rows[] = {
	{ "equal weights, equal shares", FOUR SPREAD, { 1, 1, 1, 1 } },
	{ "weights of 1 to 4", WEIGHTS("1", "2", "3", "4"),
	    { 1, 2, 3, 4 } },
	{ "weights are relative", WEIGHTS("250", "500", "750", "1000"),
	    { 1, 2, 3, 4 } },
	{ "one that is much heavier", WEIGHTS("1", "1", "1", "97"),
	    { 1, 1, 1, 97 } },
	{ "a weight of 0 takes nothing", WEIGHTS("1", "0", "1", "2"),
	    { 1, 0, 1, 2 } },
	{ "also where it stands first", WEIGHTS("0", "0", "0", "5"),
	    { 0, 0, 0, 5 } },
};

/* Five standard deviations at most. */
static void
assert_share(int n, int of, int weight, int sum)
{
	double p = (double)weight / sum, off = n - of * p;

	if (off * off > 25 * of * p * (1 - p))
		fail_msg("%d of %d where %d of %d are due", n, of, weight,
		    sum);
}

static void
test_share(void **state)
{
	const struct share_row *r = *state;
	int n[4] = { 0 }, i, sum = 0;
	char domain[64];
	size_t k;

	open_view(r->conf);
	for (i = 0; i < DOMAINS; i++)
		n[pool_home(&view, 0, domain_name(domain, sizeof(domain),
		    i))]++;
	for (k = 0; k < 4; k++)
		sum += r->weights[k];
	for (k = 0; k < 4; k++)
		assert_share(n[k], DOMAINS, r->weights[k], sum);
}

static void
test_no_weight_at_all(void **state)
{
	(void)state;
	open_view(WEIGHTS("0", "0", "0", "0"));
	assert_string_equal(name_of(pool_home(&view, 0, "example.org")),
	    "mx1");
	assert_string_equal(name_of(pool_stand_in(&view, 0, "example.org",
	    NOW)), "mx2");
}

/* Nobody else is left: a weight of 0 is no refusal. */
static void
test_no_weight_stands_in(void **state)
{
	(void)state;
	open_view(WEIGHTS("1", "0", "1", "1"));
	assert_string_not_equal(name_of(pool_stand_in(&view, 0,
	    "example.org", NOW)), "mx2");
	party[2].state = party[3].state = STATE_STOPPED;
	assert_string_equal(name_of(pool_stand_in(&view, 0, "example.org",
	    NOW)), "mx2");
}

/* Names that differ in their last letter alone fall apart as well. */
static void
test_names_alike(void **state)
{
	int n[4] = { 0 }, i;
	char domain[64];

	(void)state;
	open_view(FOUR SPREAD);
	for (i = 0; i < 26 * 26 * 26; i++) {
		snprintf(domain, sizeof(domain), "%c%c%c.example",
		    'a' + i / 676, 'a' + i / 26 % 26, 'a' + i % 26);
		n[pool_home(&view, 0, domain)]++;
	}
	for (i = 0; i < 4; i++)
		assert_share(n[i], 26 * 26 * 26, 1, 4);
}

static void
test_same_domain(void **state)
{
	char domain[64], loud[64];
	int i;
	size_t k;

	(void)state;
	open_view(WEIGHTS("1", "2", "3", "4"));
	for (i = 0; i < 500; i++) {
		domain_name(domain, sizeof(domain), i);
		for (k = 0; k <= strlen(domain); k++)
			loud[k] = (char)toupper((unsigned char)domain[k]);
		assert_int_equal(pool_home(&view, 0, domain),
		    pool_home(&view, 0, loud));
	}
	/* Bounces have no domain, and a home of their own. */
	assert_int_equal(pool_home(&view, 0, NULL), pool_home(&view, 0, ""));
	assert_in_range(pool_home(&view, 0, NULL), 0, 3);
}

/* An egress of the pool is gone from the configuration, or comes: nobody
 * moves but to or from it. */
static void
test_smaller_pool(void **state)
{
	static int home[DOMAINS];
	char domain[64];
	const char *was;
	int i, moved = 0;

	(void)state;
	open_view(WEIGHTS("1", "2", "3", "4"));
	for (i = 0; i < DOMAINS; i++)
		home[i] = pool_home(&view, 0, domain_name(domain,
		    sizeof(domain), i));
	close_view(NULL);
	open_view("egress = ( " EGRESS("mx4", "10", "weight = 4;") ", "
	    EGRESS("mx1", "7", "weight = 1;") ", "
	    EGRESS("mx3", "9", "weight = 3;") " );\n"
	    POOL("\"mx4\", \"mx1\", \"mx3\"", "choose = \"spread\";"));
	for (i = 0; i < DOMAINS; i++) {
		const char *now = name_of(pool_home(&view, 0,
		    domain_name(domain, sizeof(domain), i)));

		was = ((const char *const[]){ "mx1", "mx2", "mx3",
		    "mx4" })[home[i]];
		if (strcmp(was, "mx2") == 0)
			moved++;
		else
			assert_string_equal(now, was);
	}
	assert_share(moved, DOMAINS, 2, 10);
}

/* One is stopped: each of its domains goes where it would be at home if
 * that egress did not exist, so the rest share it by their weights. */
static void
test_lost_share(void **state)
{
	int n[4] = { 0 }, i, lost = 0, to;
	char domain[64];

	(void)state;
	open_view(WEIGHTS("1", "4", "2", "3"));
	party[1].state = STATE_STOPPED;
	for (i = 0; i < 4 * DOMAINS; i++) {
		domain_name(domain, sizeof(domain), i);
		if (pool_home(&view, 0, domain) != 1)
			continue;
		lost++;
		to = pool_stand_in(&view, 1, domain, NOW);
		assert_true(to != 1 && to != -1);
		n[to]++;
	}
	assert_share(lost, 4 * DOMAINS, 4, 10);
	assert_share(n[0], lost, 1, 6);
	assert_share(n[2], lost, 2, 6);
	assert_share(n[3], lost, 3, 6);
}

/* A second one falls out: what it had not taken stays where it went. */
static void
test_lost_twice(void **state)
{
	char domain[64];
	int i, first, then, moved = 0;

	(void)state;
	open_view(FOUR SPREAD);
	party[1].state = STATE_STOPPED;
	for (i = 0; i < DOMAINS; i++) {
		domain_name(domain, sizeof(domain), i);
		if (pool_home(&view, 0, domain) != 1)
			continue;
		party[2].state = STATE_SENDING;
		first = pool_stand_in(&view, 1, domain, NOW);
		party[2].state = STATE_STOPPED;
		then = pool_stand_in(&view, 1, domain, NOW);
		assert_true(then == 0 || then == 3);
		if (first == 2)
			moved++;
		else
			assert_int_equal(first, then);
	}
	assert_true(moved > 0);
}

/* --- who would, and who would not --------------------------------------- */

static const struct refusal_row {
	const char	*claim;
	struct party_view mx2;
	bool		 guarded, warm;
	struct {
		const char	*target;
		enum word	 word;
		int64_t		 until_ms;
	} said[2];
	enum state	 state;		/* that counts for its own mail */
	const char	*refusal;	/* NULL: it stands in */
} refusal_rows[] = {
	{ "who sends stands in", { .state = STATE_SENDING }, false, false,
	    { { NULL, 0, 0 } }, STATE_SENDING, NULL },
	{ "who is listed does not", { .state = STATE_STOPPED }, false, false,
	    { { NULL, 0, 0 } }, STATE_STOPPED, "is stopped" },
	{ "nor who is in probation", { .state = STATE_PROBATION }, false,
	    false, { { NULL, 0, 0 } }, STATE_PROBATION, "is in probation" },
	{ "nor who was never used", { .fresh = true }, false, false,
	    { { NULL, 0, 0 } }, STATE_SENDING, "was never used before" },
	{ "... but for an operator who vouches for it", { .fresh = true },
	    false, true, { { NULL, 0, 0 } }, STATE_SENDING, NULL },
	{ "nor who is full", { .full = true }, false, false,
	    { { NULL, 0, 0 } }, STATE_SENDING,
	    "has taken as much as it should in this hour" },
	{ "nobody vouches for who is full", { .full = true }, false, true,
	    { { NULL, 0, 0 } }, STATE_SENDING,
	    "has taken as much as it should in this hour" },
	{ "nor for who is listed", { .state = STATE_STOPPED }, false, true,
	    { { NULL, 0, 0 } }, STATE_STOPPED, "is stopped" },
	{ "the guard keeps who would be the next", { .state =
	    STATE_SENDING }, true, false, { { NULL, 0, 0 } }, STATE_STOPPED,
	    "is kept from being the next" },
	{ "the guard stops no probation", { .state = STATE_PROBATION }, true,
	    false, { { NULL, 0, 0 } }, STATE_PROBATION, "is in probation" },
	{ "an operator's stop", { .state = STATE_SENDING }, false, false,
	    { { "mx2", WORD_STOP, 0 } }, STATE_STOPPED, "is stopped" },
	{ "... of its address", { .state = STATE_SENDING }, false, false,
	    { { "203.0.113.8", WORD_STOP, 0 } }, STATE_STOPPED,
	    "is stopped" },
	{ "... of all", { .state = STATE_SENDING }, false, false,
	    { { "all", WORD_STOP, 0 } }, STATE_STOPPED, "is stopped" },
	{ "... that is over", { .state = STATE_SENDING }, false, false,
	    { { "mx2", WORD_STOP, NOW } }, STATE_SENDING, NULL },
	{ "... that is not over yet", { .state = STATE_SENDING }, false,
	    false, { { "mx2", WORD_STOP, NOW + 1 } }, STATE_STOPPED,
	    "is stopped" },
	{ "... of another", { .state = STATE_SENDING }, false, false,
	    { { "mx1", WORD_STOP, 0 } }, STATE_SENDING, NULL },
	{ "an operator's send lets out its own mail, not that of others",
	    { .state = STATE_STOPPED }, false, false, { { "mx2", WORD_SEND,
	    0 } }, STATE_SENDING, "is listed" },
	{ "... in probation too", { .state = STATE_PROBATION }, false, false,
	    { { "mx2", WORD_SEND, 0 } }, STATE_SENDING, "is in probation" },
	{ "... but for who was guarded and nothing else, it goes on",
	    { .state = STATE_SENDING }, true, false, { { "mx2", WORD_SEND,
	    0 } }, STATE_SENDING, NULL },
	{ "... which all of them may have", { .state = STATE_STOPPED },
	    false, false, { { "all", WORD_SEND, 0 } }, STATE_SENDING,
	    "is listed" },
	{ "a stop beats a send", { .state = STATE_SENDING }, false, false,
	    { { "all", WORD_SEND, 0 }, { "mx2", WORD_STOP, 0 } },
	    STATE_STOPPED, "is stopped" },
};

static void
test_refusal(void **state)
{
	const struct refusal_row *r = *state;
	const struct override *by;
	const char *refusal;
	size_t i;

	open_view(FOUR POOL("\"mx1\", \"mx2\"", ""));
	party[1] = r->mx2;
	pool[0].guarded = r->guarded;
	policy->egress[1].warm = r->warm;
	for (i = 0; i < COUNT(r->said) && r->said[i].target != NULL; i++)
		say(r->said[i].target, r->said[i].word,
		    r->said[i].until_ms);
	assert_string_equal(state_name(pool_egress_state(&view, 1, NOW,
	    &by)), state_name(r->state));
	/* Without a word there is none, and one that ended is none. */
	assert_int_equal(by != NULL, r->said[0].target != NULL &&
	    strcmp(r->said[0].target, "mx1") != 0 &&
	    r->said[0].until_ms != NOW);
	refusal = pool_refusal(&view, 1, NOW);
	if (r->refusal == NULL) {
		assert_null(refusal);
	} else {
		assert_non_null(refusal);
		unit_says(refusal, r->refusal);
	}
	assert_string_equal(name_of(pool_stand_in(&view, 0, "example.org",
	    NOW)), r->refusal == NULL ? "mx2" : "nobody");
}

/* What an operator stopped is said to be stopped, guard or not. */
static void
test_refusal_names_the_word(void **state)
{
	(void)state;
	open_view(FOUR SPREAD);
	pool[0].guarded = true;
	say("mx2", WORD_STOP, 0);
	assert_string_equal(pool_refusal(&view, 1, NOW), "is stopped");
	assert_string_equal(pool_refusal(&view, 2, NOW),
	    "is kept from being the next");
}

int
main(void)
{
	unit_around(NULL, close_view);
	unit_claim("in failover the first of the pool is at home for all",
	    test_failover_home);
	unit_claim("the others stand in, in the pool's order",
	    test_failover_order);
	unit_claim("nobody stands in for another pool", test_pools_apart);
	unit_rows(share_rows, test_share);
	unit_claim("no weight at all is no reason to lose mail",
	    test_no_weight_at_all);
	unit_claim("who has no weight stands in when nobody else can",
	    test_no_weight_stands_in);
	unit_claim("names that are much alike are spread as well",
	    test_names_alike);
	unit_claim("a domain has one home, however it is written",
	    test_same_domain);
	unit_claim("an egress less moves its own domains and no others",
	    test_smaller_pool);
	unit_claim("a lost share goes to the others by their weights",
	    test_lost_share);
	unit_claim("the next to be lost moves what it had taken, no more",
	    test_lost_twice);
	unit_rows(refusal_rows, test_refusal);
	unit_claim("who was stopped by a word is not called guarded",
	    test_refusal_names_the_word);
	return unit_run("pool");
}
