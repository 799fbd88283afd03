/*
 * test_share.c - who asks the lists about what several hosts send by
 *
 * Hosts meet here at a Redis of a few lines, in a time of its own.
 */
#include "unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/board.h"
#include "core/share.h"

#define INTERVAL	60000
#define TICK		5000
#define LEASE		30000
#define HOSTS		3
#define SUBJECTS	4
#define LISTS		2

static const char CONF[] =
    "egress = ( { name = \"mx1\"; addresses = [\"203.0.113.7\", "
    "\"203.0.113.8\", \"203.0.113.9\"]; } );\n"
    "domains = [\"example.org\"];\n"
    "lists = ( { zone = \"bl.example\"; operator = \"o\"; weight = 100; "
    "lists = [\"ipv4\", \"domains\"]; answers = ( { code = \"127.0.0.2\"; "
    "means = \"listed\"; } ); }, "
    "{ zone = \"other.example\"; operator = \"p\"; weight = 50; "
    "lists = [\"ipv4\"]; answers = ( { code = \"127.0.0.2\"; means = "
    "\"listed\"; } ); } );\n";

/* What the real one keeps. */
static struct {
	char	 host[64];
	uint64_t fence;
	int64_t	 until_ms;
	char	 asker[64];
} lease[SUBJECTS];
static uint64_t fence;
static char *sweep[HOSTS];

static struct policy *policy;
static struct board *board;
static struct share *host[HOSTS];
static int64_t now, stamp;

static struct {
	int		 count;
	struct share_told last;
	int		 present, confirmed;
} told[HOSTS];

static void
told_cb(void *ctx, const struct share_told *t)
{
	size_t n = (size_t)(intptr_t)ctx;

	told[n].count++;
	told[n].present += t->present;
	told[n].confirmed += t->confirmed;
	told[n].last = *t;
}

static int
open_world(void **state)
{
	char name[16];
	size_t i;

	(void)state;
	policy = unit_policy(CONF);
	board = board_new(policy, 1);
	assert_int_equal(board_subject_count(board), SUBJECTS);
	memset(lease, 0, sizeof(lease));
	memset(told, 0, sizeof(told));
	fence = 0;
	now = 1000000;
	for (i = 0; i < HOSTS; i++) {
		snprintf(name, sizeof(name), "h%zu", i);
		host[i] = share_new(name);
		share_configure(host[i], board, INTERVAL);
		share_listen(host[i], told_cb, (void *)(intptr_t)i);
		share_sees(host[i], true);
		sweep[i] = NULL;
	}
	assert_int_equal(share_tick_ms(host[0]), TICK);
	assert_int_equal(share_lease_ms(host[0]), LEASE);
	return 0;
}

static int
close_world(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < HOSTS; i++) {
		share_free(host[i]);
		free(sweep[i]);
	}
	board_free(board);
	policy_unref(policy);
	return 0;
}

static size_t
subject(const char *text)
{
	int i = board_find_subject(board, text);

	assert_true(i >= 0);
	return (size_t)i;
}

static size_t
number(const char *name)
{
	assert_int_equal(name[0], 'h');
	return (size_t)(name[1] - '0');
}

/* What the script of the Redis store does for one lease. */
static void
renew(size_t n, size_t i, char value[200])
{
	const char *me = share_host(host[n]);

	if (now >= lease[i].until_ms)
		lease[i].host[0] = lease[i].asker[0] = '\0';
	if (lease[i].host[0] == '\0' && share_wants(host[n])) {
		snprintf(lease[i].host, sizeof(lease[i].host), "%s", me);
		lease[i].fence = ++fence;
	}
	if (lease[i].host[0] == '\0') {
		value[0] = '\0';
		return;
	}
	snprintf(value, 200, "%s %" PRIu64 " %s", lease[i].host,
	    lease[i].fence, lease[i].asker);
	if (strcmp(lease[i].host, me) != 0) {
		if (lease[i].asker[0] == '\0')
			snprintf(lease[i].asker, sizeof(lease[i].asker), "%s",
			    me);
		return;
	}
	lease[i].asker[0] = '\0';
	lease[i].until_ms = share_wants(host[n]) ? now + LEASE : 0;
	if (!share_wants(host[n]))
		value[0] = '\0';
}

static void
tick(size_t n)
{
	char value[200], head[SHARE_AT_MAX], *text;
	size_t i, from;

	share_tick(host[n], now);
	for (i = 0; i < SUBJECTS; i++) {
		renew(n, i, value);
		share_lease(host[n], i, value, now);
	}
	if ((text = share_write(host[n], now)) != NULL) {
		free(sweep[n]);
		sweep[n] = text;
	}
	for (i = 0; i < share_peer_count(host[n]); i++) {
		from = number(share_peer(host[n], i));
		text = sweep[from] != NULL ? sweep[from] : "";
		snprintf(head, sizeof(head), "%.*s",
		    (int)strcspn(text, "\n"), text);
		if (strcmp(head, share_peer_at(host[n],
		    share_peer(host[n], i))) == 0)
			share_read_same(host[n], share_peer(host[n], i), now);
		else
			share_read(host[n], share_peer(host[n], i), text,
			    now);
	}
}

static void
tick_all(int times)
{
	size_t n;

	for (; times > 0; times--) {
		now += TICK;
		for (n = 0; n < HOSTS; n++)
			tick(n);
	}
}

/* A round of host n about all addresses on a list: those are clean but
 * listed, which may be NULL. */
static void
round_of(size_t n, size_t list, const char *listed, bool confirmed)
{
	size_t i;

	share_round(host[n], list, SUBJECT_IPV4, true, ++stamp, now - 100,
	    now);
	for (i = 0; i < SUBJECTS; i++) {
		if (board_subject(board, i)->kind != SUBJECT_IPV4)
			continue;
		share_answer(host[n], i, list, listed != NULL &&
		    subject(listed) == i, 0x7f000002, confirmed, now);
	}
}

static bool
leaves(size_t n, const char *text, size_t list)
{
	return share_leaves(host[n], subject(text), list, INTERVAL, now);
}

/* h0 has all leases, and the others have heard a round of it. */
static void
settle_world(void)
{
	tick_all(2);
	round_of(0, 0, NULL, false);
	tick_all(2);
	round_of(0, 0, NULL, false);
	tick_all(1);
}

/* --- who asks ----------------------------------------------------------- */

static void
test_first_has_it(void **state)
{
	size_t held, left;

	(void)state;
	tick_all(1);
	share_count(host[0], now, &held, &left);
	assert_int_equal(held, SUBJECTS);
	assert_int_equal(left, 0);
	share_count(host[2], now, &held, &left);
	assert_int_equal(held, 0);
	assert_int_equal(left, SUBJECTS);
}

static void
test_left_when_heard(void **state)
{
	(void)state;
	tick_all(2);
	assert_false(leaves(1, "203.0.113.7", 0));
	settle_world();
	assert_true(leaves(1, "203.0.113.7", 0));
	assert_true(leaves(2, "203.0.113.9", 0));
	/* Never the holder, and never what it did not ask. */
	assert_false(leaves(0, "203.0.113.7", 0));
	assert_false(leaves(1, "203.0.113.7", 1));
	assert_false(leaves(1, "example.org", 0));
}

/* What lies there when a host comes may be of any age. */
static void
test_not_left_for_what_lay_there(void **state)
{
	(void)state;
	settle_world();
	share_configure(host[1], board, INTERVAL);
	share_listen(host[1], told_cb, (void *)1);
	told[1].count = 0;
	tick_all(4);
	assert_int_equal(told[1].count, 0);
	assert_false(leaves(1, "203.0.113.7", 0));
	round_of(0, 0, NULL, false);
	tick_all(2);
	assert_int_equal(told[1].count, 3);
	assert_true(leaves(1, "203.0.113.7", 0));
}

static void
test_asked_again_when_silent(void **state)
{
	int64_t began;

	(void)state;
	settle_world();
	began = now;
	while (leaves(1, "203.0.113.7", 0) && now - began < 10 * INTERVAL)
		tick_all(1);
	assert_in_range(now - began, INTERVAL, 2 * INTERVAL);
}

static void
test_lease_runs_out(void **state)
{
	int64_t began;
	size_t held, left;

	(void)state;
	settle_world();
	/* Neither h0 nor Redis is heard of any more: by its own clock. */
	began = now;
	while (leaves(1, "203.0.113.7", 0) && now - began < 10 * LEASE)
		now += 1000;
	assert_in_range(now - began, 1000, LEASE);
	share_count(host[0], now, &held, &left);
	assert_int_equal(held, 0);
}

static void
test_another_takes_over(void **state)
{
	size_t held, left;
	int i;

	(void)state;
	settle_world();
	for (i = 0; i < LEASE / TICK + 1; i++) {
		now += TICK;
		tick(1);
		tick(2);
	}
	share_count(host[1], now, &held, &left);
	assert_int_equal(held, SUBJECTS);
	round_of(1, 0, NULL, false);
	tick(1);
	tick(2);
	now += TICK;
	round_of(1, 0, NULL, false);
	tick(1);
	tick(2);
	assert_true(leaves(2, "203.0.113.7", 0));
}

/* h0 was stopped for a while, and comes back with what it had found. */
static void
test_frozen_holder(void **state)
{
	int64_t began;
	int i;

	(void)state;
	settle_world();
	began = now;
	for (i = 0; i < LEASE / TICK + 1; i++) {
		now += TICK;
		tick(1);
		tick(2);
	}
	memset(told, 0, sizeof(told));
	/* It wakes in the middle of a round, before it reads its leases. */
	share_round(host[0], 0, SUBJECT_IPV4, true, ++stamp, began, now);
	share_answer(host[0], subject("203.0.113.7"), 0, false, 0, false,
	    now);
	tick_all(3);
	assert_int_equal(told[1].count, 0);
	assert_int_equal(told[2].count, 0);
	/* The same when the round ends after that. */
	share_round(host[0], 0, SUBJECT_IPV4, true, ++stamp, began, now);
	share_answer(host[0], subject("203.0.113.7"), 0, false, 0, false,
	    now);
	tick_all(3);
	assert_int_equal(told[1].count, 0);
	assert_int_equal(told[2].count, 0);
}

static void
test_fence(void **state)
{
	char *old;

	(void)state;
	settle_world();
	round_of(0, 0, NULL, false);
	now += TICK;
	tick(0);
	old = strdup(sweep[0]);
	/* The leases went to h2 and came back: under other numbers. */
	for (size_t i = 0; i < SUBJECTS; i++)
		lease[i].fence = ++fence;
	memset(told, 0, sizeof(told));
	for (size_t i = 0; i < SUBJECTS; i++) {
		char value[64];

		snprintf(value, sizeof(value), "h0 %" PRIu64,
		    lease[i].fence);
		share_lease(host[1], i, value, now);
	}
	share_read(host[1], "h0", old, now);
	assert_int_equal(told[1].count, 0);
	assert_false(leaves(1, "203.0.113.7", 0));
	free(old);
}

static void
test_redis_lost(void **state)
{
	size_t held, left;

	(void)state;
	settle_world();
	share_lost(host[1]);
	assert_false(leaves(1, "203.0.113.7", 0));
	share_lost(host[0]);
	share_count(host[0], now, &held, &left);
	assert_int_equal(held + left, 0);
}

static void
test_blind_host_gives_them_back(void **state)
{
	size_t held, left;

	(void)state;
	settle_world();
	share_sees(host[0], false);
	tick_all(2);
	share_count(host[0], now, &held, &left);
	assert_int_equal(held, 0);
	assert_int_equal(left, SUBJECTS);
	share_count(host[1], now, &held, &left);
	assert_int_equal(held, SUBJECTS);
}

/* The holder sees one list and not the other. */
static void
test_list_that_the_holder_cannot_see(void **state)
{
	(void)state;
	settle_world();
	round_of(0, 1, NULL, false);
	tick_all(2);
	round_of(0, 1, NULL, false);
	tick_all(2);
	assert_true(leaves(1, "203.0.113.7", 0));
	assert_true(leaves(1, "203.0.113.7", 1));
	share_round(host[0], 1, SUBJECT_IPV4, false, ++stamp, now - 100, now);
	tick_all(2);
	assert_true(leaves(1, "203.0.113.7", 0));
	assert_false(leaves(1, "203.0.113.7", 1));
}

/* --- what is told ------------------------------------------------------- */

static void
test_told_once(void **state)
{
	(void)state;
	settle_world();
	memset(told, 0, sizeof(told));
	round_of(0, 0, NULL, false);
	tick_all(3);
	assert_int_equal(told[0].count, 0);
	assert_int_equal(told[1].count, 3);
	assert_int_equal(told[2].count, 3);
	assert_int_equal(told[1].present, 0);
}

static void
test_told_listed(void **state)
{
	(void)state;
	settle_world();
	memset(told, 0, sizeof(told));
	round_of(0, 0, "203.0.113.8", false);
	tick_all(2);
	assert_int_equal(told[1].count, 3);
	assert_int_equal(told[1].present, 1);
	assert_int_equal(told[1].confirmed, 0);
	memset(told, 0, sizeof(told));
	/* The second look, in the same round. */
	share_answer(host[0], subject("203.0.113.8"), 0, true, 0x7f000002,
	    true, now);
	tick_all(2);
	assert_int_equal(told[1].count, 1);
	assert_int_equal(told[1].confirmed, 1);
	assert_int_equal(told[1].last.subject, subject("203.0.113.8"));
	assert_int_equal(told[1].last.list, 0);
	assert_int_equal(told[1].last.code, 0x7f000002);
	/* A second look that does not agree: clean from the next round on. */
	memset(told, 0, sizeof(told));
	share_answer(host[0], subject("203.0.113.8"), 0, false, 0, false,
	    now);
	tick_all(2);
	assert_int_equal(told[1].count, 0);
}

/* The holder is blind for a list, and another asks itself. */
static void
test_holder_hears_others(void **state)
{
	(void)state;
	settle_world();
	memset(told, 0, sizeof(told));
	round_of(1, 1, "203.0.113.7", true);
	tick_all(3);
	round_of(1, 1, "203.0.113.7", true);
	tick_all(3);
	assert_true(told[0].count > 0);
	assert_true(told[0].confirmed > 0);
	assert_int_equal(told[0].last.list, 1);
	/* Nobody else's word is of interest to h2 but the holder's. */
	assert_int_equal(told[2].count, 0);
}

static void
test_nothing_for_nobody(void **state)
{
	(void)state;
	now += TICK;
	tick(0);
	round_of(0, 0, NULL, false);
	now += TICK;
	tick(0);
	assert_null(sweep[0]);
}

static void
test_all_kinds_and_ranges(void **state)
{
	size_t i;

	(void)state;
	settle_world();
	share_round(host[0], 0, SUBJECT_IPV4, true, 77, now - 1, now);
	share_answer(host[0], subject("203.0.113.7"), 0, true, 0x7f000002,
	    true, now);
	share_answer(host[0], subject("203.0.113.9"), 0, false, 0, false,
	    now);
	share_round(host[0], 0, SUBJECT_DOMAIN, true, 78, now - 1, now);
	share_answer(host[0], subject("example.org"), 0, false, 0, false,
	    now);
	memset(told, 0, sizeof(told));
	tick_all(1);
	unit_says(sweep[0], "subjects 203.0.113.7/1 203.0.113.8/2 "
	    "203.0.113.9/3 example.org/4\n");
	unit_says(sweep[0], "\nipv4 bl.example 77 0,2 0=127.0.0.2!\n");
	unit_says(sweep[0], "\ndomains bl.example 78 3\n");
	/* The domain was heard of for the first time now. */
	assert_int_equal(told[1].count, 3);
	assert_true(leaves(1, "203.0.113.7", 0));
	assert_false(leaves(1, "203.0.113.8", 0));
	for (i = 0; i < 2; i++) {
		share_round(host[0], 0, SUBJECT_DOMAIN, true, 80 + (int)i,
		    now - 1, now);
		share_answer(host[0], subject("example.org"), 0, false, 0,
		    false, now);
		tick_all(1);
	}
	assert_true(leaves(1, "example.org", 0));
}

/* --- what others may write ---------------------------------------------- */

struct garbage {
	const char	*claim, *text;
	int		 told;
};

static const struct garbage texts[] = {
	{ "nothing", "", 0 },
	{ "one line", "at 9", 0 },
	{ "no subjects", "at 9\nipv4 bl.example 9 0\n", 0 },
	{ "no subject of ours", "at 9\nsubjects 192.0.2.1/1\n"
	    "ipv4 bl.example 9 0\n", 0 },
	{ "a place that is not there", "at 9\nsubjects 203.0.113.7/1\n"
	    "ipv4 bl.example 9 0-1\n", 0 },
	{ "a range the wrong way round", "at 9\nsubjects 203.0.113.7/1 "
	    "203.0.113.8/2\nipv4 bl.example 9 1-0\n", 0 },
	{ "half a range", "at 9\nsubjects 203.0.113.7/1\n"
	    "ipv4 bl.example 9 0-\n", 0 },
	{ "a huge place", "at 9\nsubjects 203.0.113.7/1\n"
	    "ipv4 bl.example 9 0-99999999999999999999\n", 0 },
	{ "a negative place", "at 9\nsubjects 203.0.113.7/1\n"
	    "ipv4 bl.example 9 -1\n", 0 },
	{ "no places", "at 9\nsubjects 203.0.113.7/1\n"
	    "ipv4 bl.example 9\n", 0 },
	{ "no stamp", "at 9\nsubjects 203.0.113.7/1\nipv4 bl.example\n", 0 },
	{ "no fence", "at 9\nsubjects 203.0.113.7\n"
	    "ipv4 bl.example 9 0\n", 0 },
	{ "another fence", "at 9\nsubjects 203.0.113.7/2\n"
	    "ipv4 bl.example 9 0\n", 0 },
	{ "another list", "at 9\nsubjects 203.0.113.7/1\n"
	    "ipv4 world.example 9 0\n", 0 },
	{ "another kind", "at 9\nsubjects 203.0.113.7/1\n"
	    "ipv5 bl.example 9 0\n", 0 },
	{ "good", "at 9\nsubjects 203.0.113.7/1\n"
	    "ipv4 bl.example 9 0\n", 1 },
	{ "good, and what is no code", "at 9\nsubjects 203.0.113.7/1\n"
	    "ipv4 bl.example 9 0 0=127.0.0 0= 0 =127.0.0.2 x=1 7=127.0.0.2 "
	    "0=::1\n", 1 },
	{ "good, twice", "at 9\nsubjects 203.0.113.7/1 203.0.113.7/1\n"
	    "ipv4 bl.example 9 0-1\n", 2 },
	{ "an open end", "at 9\nsubjects 203.0.113.7/1\n"
	    "ipv4 bl.example 9 0", 1 },
};

static void
test_garbage(void **state)
{
	const struct garbage *g = *state;

	settle_world();
	told[1].count = told[1].present = 0;
	share_read(host[1], "h0", g->text, now);
	assert_int_equal(told[1].count, g->told);
	assert_int_equal(told[1].present, 0);
	if (g->told == 0)
		assert_false(leaves(1, "203.0.113.7", 0));
	share_read(host[1], "nobody", g->text, now);
}

static const struct garbage values[] = {
	{ "no lease", "", 0 },
	{ "a word", "h9", 0 },
	{ "no number", "h9 x", 0 },
	{ "a long one", "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh"
	    "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh"
	    "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh"
	    "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh"
	    "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh 1", 0 },
};

static void
test_strange_lease(void **state)
{
	const struct garbage *g = *state;
	size_t held, left;

	settle_world();
	share_lease(host[1], 0, g->text, now);
	share_count(host[1], now, &held, &left);
	assert_int_equal(held, 0);
	assert_int_equal(left, SUBJECTS - 1);
}

static void
test_many_peers(void **state)
{
	char value[32];
	int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		snprintf(value, sizeof(value), "x%d 1", i);
		share_lease(host[0], 0, value, now);
	}
	assert_in_range(share_peer_count(host[0]), 1, 64);
	share_lease(host[0], 0, "", now);
	now += 2 * LEASE;
	share_tick(host[0], now);
	assert_int_equal(share_peer_count(host[0]), 0);
}

/* --- what follows ------------------------------------------------------- */

struct use {
	const char	*claim;
	enum health	 own;
	bool		 known, present;
	enum share_use	 use;
};

static const struct use uses[] = {
	{ "still clean", HEALTH_USABLE, false, false, SHARE_CLEAN },
	{ "seen there: look", HEALTH_USABLE, false, true, SHARE_LOOK },
	{ "nobody releases but we", HEALTH_USABLE, true, false,
	    SHARE_NOTHING },
	{ "known already", HEALTH_USABLE, true, true, SHARE_NOTHING },
	{ "blind, too, is not released", HEALTH_BLIND, true, false,
	    SHARE_NOTHING },
	{ "blind: clean as before", HEALTH_BLIND, false, false,
	    SHARE_NOTHING },
	{ "blind: seen there", HEALTH_BLIND, false, true, SHARE_TAKE },
	{ "lying: seen there", HEALTH_BROKEN, false, true, SHARE_TAKE },
	{ "not asked yet", HEALTH_UNKNOWN, false, true, SHARE_NOTHING },
};

static void
test_use(void **state)
{
	const struct use *u = *state;

	assert_int_equal(share_use(u->own, u->known, u->present), u->use);
}

int
main(void)
{
	unit_around(open_world, close_world);
	unit_claim("who comes first has the leases", test_first_has_it);
	unit_claim("a question is left when its answers are heard",
	    test_left_when_heard);
	unit_claim("what lay there is not taken",
	    test_not_left_for_what_lay_there);
	unit_claim("a holder that does not ask is not waited for",
	    test_asked_again_when_silent);
	unit_claim("a lease runs out by this host's own clock",
	    test_lease_runs_out);
	unit_claim("when the holder is gone another takes over",
	    test_another_takes_over);
	unit_claim("a host that was frozen is not believed",
	    test_frozen_holder);
	unit_claim("results under another fence are not taken", test_fence);
	unit_claim("without Redis nobody is relied upon", test_redis_lost);
	unit_claim("a blind host gives its leases back",
	    test_blind_host_gives_them_back);
	unit_claim("what the holder cannot see the others ask",
	    test_list_that_the_holder_cannot_see);
	unit_claim("a round is told once", test_told_once);
	unit_claim("a listing is told, and its second look",
	    test_told_listed);
	unit_claim("a holder hears of what it did not ask",
	    test_holder_hears_others);
	unit_claim("a host that is alone writes nothing",
	    test_nothing_for_nobody);
	unit_claim("subjects of all kinds, some of them",
	    test_all_kinds_and_ranges);
	unit_rows(texts, test_garbage);
	unit_rows(values, test_strange_lease);
	unit_claim("no end of hosts", test_many_peers);
	unit_rows(uses, test_use);
	return unit_run("share");
}
