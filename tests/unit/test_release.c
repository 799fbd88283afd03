/*
 * test_release.c - what to do with the queue of an egress after a change
 *
 * A queue of numbers stands for Postfix: what is flushed or released while
 * the egress may send is gone, or a part of it.  Time is simulated.
 */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "core/release.h"

#define S	INT64_C(1000)
#define MINUTE	(60 * S)
#define HOUR	(60 * MINUTE)

static struct release plan;
static int64_t now, began;
static size_t waiting, flushes, lists, portions, portion_sizes[500];
static int64_t portion_at[500], flush_at[500], list_at[500];
static bool broken;		/* the command fails */
static bool stuck;		/* what is tried comes back */
static char said[200][RELEASE_TEXT_MAX];
static size_t said_count;

static int
begin(void **state)
{
	(void)state;
	now = began = 1000 * S;
	waiting = flushes = lists = portions = said_count = 0;
	broken = stuck = false;
	release_init(&plan, "mx1", 0);
	return 0;
}

static void
facts(enum state state, bool can_reroute, bool gate_known, double ramp)
{
	struct release_facts f = { state, can_reroute, gate_known, ramp };

	release_update(&plan, &f, now);
}

static void
say(const struct release_step *s)
{
	if (s->text[0] == '\0')
		return;
	assert_true(said_count < COUNT(said));
	strcpy(said[said_count++], s->text);
}

static void
carry_out(struct release_step *s)
{
	assert_true(flushes < COUNT(flush_at) && portions < COUNT(portion_at));
	if (s->what == RELEASE_NOTHING)
		return;
	if (broken) {
		release_failed(&plan, s, now);
		return;
	}
	if (s->what == RELEASE_FLUSH) {
		flush_at[flushes++] = now - began;
		if (!stuck)
			waiting = 0;
	} else {
		portion_at[portions] = now - began;
		portion_sizes[portions++] = s->count;
		assert_in_range(s->count, 1, waiting);
		if (!stuck)
			waiting -= s->count;
	}
	release_done(&plan, s, now);
}

/* Until a moment, counted from the beginning. */
static void
go_to(int64_t at)
{
	struct release_step s;

	for (;;) {
		int64_t next = release_next_ms(&plan);

		if (next == 0 || next > began + at)
			break;
		now = next > now ? next : now;
		s = release_due(&plan, now);
		assert_int_not_equal(s.what, RELEASE_NOTHING);
		say(&s);
		if (s.what == RELEASE_LIST && broken) {
			release_failed(&plan, &s, now);
		} else if (s.what == RELEASE_LIST) {
			list_at[lists++ % COUNT(list_at)] = now - began;
			s = release_listed(&plan, &s, waiting, now);
			say(&s);
			carry_out(&s);
		} else
			carry_out(&s);
	}
	now = began + at;
}

static void
must_flush_at(size_t i, int64_t at)
{
	assert_true(flushes > i);
	assert_int_equal(flush_at[i], at);
}

/* --- a stop ---------------------------------------------------------------- */

static void
flushes_when_there_is_another_way(void **state)
{
	(void)state;
	waiting = 88;
	facts(STATE_STOPPED, true, false, 0);
	go_to(10 * S);
	assert_int_equal(flushes, 0);		/* the gate is not shut yet */
	facts(STATE_STOPPED, true, true, 0);
	go_to(12 * S - 1);
	assert_int_equal(flushes, 0);
	go_to(HOUR);
	must_flush_at(0, 12 * S);
	must_flush_at(1, 47 * S);
	assert_int_equal(flushes, 2);
	/* Two looks, nothing left, and it is over. */
	assert_int_equal(lists, 2);
	assert_int_equal(list_at[0], 20 * S);
	assert_int_equal(list_at[1], 107 * S);
	assert_int_equal(release_next_ms(&plan), 0);
	assert_int_equal(said_count, 3);
	assert_string_equal(said[0], "mx1: its gate is shut and its mail has "
	    "another way out: flushing the queue");
	unit_says(said[1], "flushing the queue again");
	unit_says(said[2], "no message waits for it any more");
}

static void
flushes_while_messages_wait(void **state)
{
	size_t i;

	(void)state;
	waiting = 5;
	stuck = true;
	facts(STATE_STOPPED, true, true, 0);
	go_to(HOUR);
	/* 2, 10, 37, then 60, 120, 240 s and every five minutes. */
	must_flush_at(0, 2 * S);
	must_flush_at(1, 10 * S);
	must_flush_at(2, 37 * S);
	must_flush_at(3, 97 * S);
	must_flush_at(4, 217 * S);
	must_flush_at(5, 457 * S);
	must_flush_at(6, 757 * S);
	must_flush_at(7, 1057 * S);
	for (i = 6; i < flushes; i++)
		assert_int_equal(flush_at[i] - flush_at[i - 1], 5 * MINUTE);
	assert_string_equal(said[1],
	    "mx1: 5 messages still wait for it: flushing the queue again");
	stuck = false;
	waiting = 1;
	go_to(HOUR + 10 * MINUTE);
	assert_string_equal(said[said_count - 2],
	    "mx1: 1 message still waits for it: flushing the queue again");
	assert_int_equal(release_next_ms(&plan), 0);
}

static void
leaves_it_alone_without_a_way_out(void **state)
{
	(void)state;
	waiting = 500;
	facts(STATE_STOPPED, false, true, 0);
	go_to(24 * HOUR);
	assert_int_equal(flushes + lists + portions, 0);
	/* Another egress of the pool is back. */
	facts(STATE_STOPPED, true, true, 0);
	go_to(25 * HOUR);
	must_flush_at(0, 24 * HOUR + 2 * S);
	/* And gone again, in the middle. */
	facts(STATE_STOPPED, true, true, 0);
	facts(STATE_STOPPED, false, true, 0);
	assert_int_equal(release_next_ms(&plan), 0);
}

/* --- the way back ------------------------------------------------------------ */

static void
comes_back_in_portions(void **state)
{
	size_t i;

	(void)state;
	waiting = 5000;
	facts(STATE_STOPPED, false, true, 0);
	go_to(HOUR);
	facts(STATE_SENDING, false, false, 0);
	go_to(HOUR + S);
	assert_int_equal(lists, 0);		/* the gate is still shut */
	facts(STATE_SENDING, false, true, 0);
	go_to(2 * HOUR);
	assert_int_equal(portion_sizes[0], 100);
	assert_int_equal(portion_at[0], HOUR + S);
	for (i = 1; i < portions; i++) {
		assert_int_equal(portion_at[i] - portion_at[i - 1], 15 * S);
		assert_int_equal(portion_sizes[i], 2 * portion_sizes[i - 1]);
	}
	/* 100, 200, 400, 800, 1600; the last 1900 fit into one. */
	assert_int_equal(portions, 5);
	must_flush_at(0, HOUR + 76 * S);
	must_flush_at(1, HOUR + 111 * S);
	assert_int_equal(flushes, 2);
	assert_int_equal(release_next_ms(&plan), 0);
	assert_string_equal(said[0], "mx1: letting 100 of 5000 waiting "
	    "messages go, the oldest first");
	assert_string_equal(said[5],
	    "mx1: the last 1900 waiting messages: flushing the queue");
	unit_says(said[6], "flushing the queue once more");
}

static void
has_a_largest_portion(void **state)
{
	(void)state;
	waiting = 100000;
	facts(STATE_STOPPED, false, true, 0);
	facts(STATE_SENDING, false, true, 0);
	go_to(2 * HOUR);
	assert_int_equal(portion_sizes[5], 2000);
	assert_int_equal(portion_sizes[20], 2000);
	assert_int_equal(waiting, 0);
}

static void
is_quiet_where_nothing_was(void **state)
{
	(void)state;
	facts(STATE_SENDING, false, true, 0);
	go_to(24 * HOUR);
	assert_int_equal(lists, 1);
	assert_int_equal(flushes + portions + said_count, 0);
}

static void
goes_on_after_a_restart(void **state)
{
	(void)state;
	waiting = 250;
	facts(STATE_SENDING, false, true, 0);
	go_to(HOUR);
	assert_int_equal(portions, 1);
	assert_int_equal(portion_sizes[0], 100);
	assert_int_equal(waiting, 0);
	assert_int_equal(flushes, 2);
}

static void
flushes_though_nothing_waits_for_it(void **state)
{
	(void)state;
	facts(STATE_STOPPED, false, true, 0);
	go_to(MINUTE);
	facts(STATE_SENDING, false, true, 0);
	go_to(HOUR);
	assert_int_equal(portions, 0);
	must_flush_at(0, MINUTE);
	must_flush_at(1, MINUTE + 35 * S);
	assert_int_equal(flushes, 2);
}

static void
sends_canaries_first(void **state)
{
	int64_t t;
	size_t i;

	(void)state;
	waiting = 10000;
	facts(STATE_STOPPED, false, true, 0);
	go_to(HOUR);
	/* A ramp of two hours. */
	for (t = 0; t < 2 * HOUR; t += 10 * S) {
		go_to(HOUR + t);
		facts(STATE_PROBATION, false, true,
		    (double)t / (double)(2 * HOUR));
		go_to(HOUR + t);
	}
	assert_int_equal(portion_sizes[0], 10);
	assert_int_equal(portion_at[0], HOUR);
	/* 30 s: 0.4 % of 9990 are 41, but twice as many is the limit. */
	assert_int_equal(portion_sizes[1], 20);
	assert_int_equal(portion_sizes[2], 40);
	for (i = 1; i < portions && portion_sizes[i] > 10; i++) {
		assert_true(portion_at[i] - portion_at[i - 1] >= 30 * S);
		assert_true(portion_sizes[i] <= 2 * portion_sizes[i - 1]);
	}
	assert_int_equal(flushes, 0);
	assert_string_equal(said[0], "mx1: probation: letting 10 of 10000 "
	    "waiting messages go, the oldest first");
	/* The share of the ramp: after a quarter of it at least as much. */
	assert_true(waiting < 100);
	facts(STATE_SENDING, false, true, 0);
	go_to(4 * HOUR);
	assert_int_equal(waiting, 0);
	assert_int_equal(flushes, 2);
}

static void
looks_rarely_when_nothing_waits(void **state)
{
	(void)state;
	facts(STATE_STOPPED, false, true, 0);
	facts(STATE_PROBATION, false, true, 0.1);
	go_to(10 * MINUTE);
	assert_int_equal(lists, 11);
	assert_int_equal(said_count, 0);
	/* Some come: there was no portion yet, so this is the first. */
	waiting = 300;
	go_to(11 * MINUTE);
	assert_int_equal(portion_sizes[0], 10);
	assert_int_equal(portions, 1);
}

static void
goes_on_where_probation_was(void **state)
{
	(void)state;
	waiting = 1000;
	facts(STATE_STOPPED, false, true, 0);
	facts(STATE_PROBATION, false, true, 1.0);
	go_to(30 * S);				/* 10, 20 */
	assert_int_equal(portions, 2);
	facts(STATE_SENDING, false, true, 0);
	go_to(HOUR);
	assert_int_equal(portion_sizes[2], 40);
	assert_int_equal(portion_at[2], 45 * S);
	assert_int_equal(portion_sizes[3], 80);
}

static void
stops_at_once(void **state)
{
	struct release_step s, p;

	(void)state;
	waiting = 1000;
	facts(STATE_STOPPED, false, true, 0);
	facts(STATE_PROBATION, false, true, 0.5);
	go_to(0);
	now += 30 * S;
	s = release_due(&plan, now);
	assert_int_equal(s.what, RELEASE_LIST);
	p = release_listed(&plan, &s, waiting, now);
	assert_int_equal(p.what, RELEASE_PORTION);
	assert_int_equal(p.count, 20);
	/* Listed again, while the portion is being released. */
	facts(STATE_STOPPED, false, true, 0);
	assert_int_equal(release_next_ms(&plan), 0);
	release_done(&plan, &p, now);
	release_failed(&plan, &p, now);
	assert_int_equal(release_next_ms(&plan), 0);
	facts(STATE_PROBATION, false, true, 0);
	release_done(&plan, &p, now);
	assert_int_equal(release_next_ms(&plan), now);
	facts(STATE_STOPPED, false, true, 0);
	/* A listing that comes too late starts nothing. */
	facts(STATE_PROBATION, false, true, 0);
	s = release_due(&plan, now);
	assert_int_equal(s.what, RELEASE_LIST);
	facts(STATE_STOPPED, false, true, 0);
	p = release_listed(&plan, &s, waiting, now);
	assert_int_equal(p.what, RELEASE_NOTHING);
	assert_string_equal(p.text, "");
	/* And the next time it begins with canaries again. */
	facts(STATE_PROBATION, false, true, 0.9);
	s = release_due(&plan, now);
	p = release_listed(&plan, &s, waiting, now);
	assert_int_equal(p.count, 10);
}

static void
one_step_at_a_time(void **state)
{
	struct release_step s;

	(void)state;
	facts(STATE_STOPPED, false, true, 0);
	facts(STATE_SENDING, false, true, 0);
	s = release_due(&plan, now);
	assert_int_equal(s.what, RELEASE_LIST);
	assert_int_equal(release_due(&plan, now + HOUR).what,
	    RELEASE_NOTHING);
	/* The same facts again do not begin anew. */
	facts(STATE_SENDING, true, true, 0);
	facts(STATE_SENDING, false, true, 0);
	assert_int_equal(release_due(&plan, now + HOUR).what,
	    RELEASE_NOTHING);
	s = release_listed(&plan, &s, 0, now);
	assert_int_equal(s.what, RELEASE_FLUSH);
}

static void
tries_again_after_a_failure(void **state)
{
	(void)state;
	waiting = 1000;
	broken = true;
	facts(STATE_STOPPED, false, true, 0);
	facts(STATE_SENDING, false, true, 0);
	go_to(69 * S);			/* 0, 10, 30; then 70 */
	assert_int_equal(release_next_ms(&plan) - began, 70 * S);
	go_to(HOUR);
	assert_true(release_next_ms(&plan) - now <= 5 * MINUTE);
	broken = false;
	go_to(2 * HOUR);
	assert_int_equal(portion_sizes[0], 100);
	assert_int_equal(portion_at[1] - portion_at[0], 15 * S);
	assert_int_equal(waiting, 0);
	assert_int_equal(flushes, 2);
}

static void
may_have_other_canaries(void **state)
{
	(void)state;
	release_init(&plan, "mx1", 3);
	waiting = 100;
	facts(STATE_STOPPED, false, true, 0);
	facts(STATE_PROBATION, false, true, 0);
	go_to(MINUTE);
	assert_int_equal(portion_sizes[0], 3);
	assert_int_equal(portion_sizes[1], 3);	/* the ramp is at 0 */
}

int
main(void)
{
	unit_around(begin, NULL);
	unit_claim("stopped with another way out: flush 2 s after the gate, "
	    "and 35 s after that", flushes_when_there_is_another_way);
	unit_claim("... and on, ever more rarely, while messages wait",
	    flushes_while_messages_wait);
	unit_claim("stopped without a way out: nothing, until there is one",
	    leaves_it_alone_without_a_way_out);
	unit_claim("back without probation: 100, doubling, then a flush and "
	    "one more", comes_back_in_portions);
	unit_claim("no portion is over 2000", has_a_largest_portion);
	unit_claim("a start where nothing waits: one look, not a word",
	    is_quiet_where_nothing_was);
	unit_claim("a start in the middle of a release goes on",
	    goes_on_after_a_restart);
	unit_claim("back with nothing waiting: a flush all the same",
	    flushes_though_nothing_waits_for_it);
	unit_claim("probation: canaries, then the share of the ramp, at most "
	    "doubling", sends_canaries_first);
	unit_claim("probation with nothing waiting looks once a minute",
	    looks_rarely_when_nothing_waits);
	unit_claim("after probation the portions double from where they were",
	    goes_on_where_probation_was);
	unit_claim("stopped again: at once, and late results are void",
	    stops_at_once);
	unit_claim("a step at a time, and the same facts change nothing",
	    one_step_at_a_time);
	unit_claim("a failure: again in 10 s, doubling to five minutes",
	    tries_again_after_a_failure);
	unit_claim("the number of canaries can be set",
	    may_have_other_canaries);
	return unit_run("release");
}
