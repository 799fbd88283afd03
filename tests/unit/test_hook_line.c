/*
 * test_hook_line.c - when a hook is to be run: gathering, tries, the pace
 */
#include "unit.h"

#include "front/hook_line.h"

#define T	5000000LL		/* monotonic, of some day */
#define S	1000LL
#define M	(60 * S)

static struct hook_line l;

static int
fresh(void **state)
{
	(void)state;
	hook_line_open(&l, 7, T - M);
	return 0;
}

/* Starts it when it wants to, with all up to end; returns when. */
static int64_t
start(uint64_t end)
{
	int64_t due = hook_line_due(&l, end);

	assert_int_not_equal(due, 0);
	hook_line_start(&l, 0, end, due);
	return due;
}

static void
test_nothing(void **state)
{
	(void)state;
	assert_int_equal(hook_line_due(&l, 7), 0);
}

static void
test_a_moment_is_one_run(void **state)
{
	(void)state;
	hook_line_news(&l, 7, T);
	assert_int_equal(hook_line_due(&l, 8), T + HOOK_GATHER_MS);
	hook_line_news(&l, 8, T + 1900);	/* does not put it off */
	hook_line_news(&l, 8, T + 2100);
	assert_int_equal(hook_line_due(&l, 9), T + HOOK_GATHER_MS);
	assert_int_equal(start(9), T + HOOK_GATHER_MS);
	assert_int_equal(l.next, 7);
	assert_int_equal(l.taken, 9);
	/* While it runs it is not run again. */
	hook_line_news(&l, 9, T + 3 * S);
	assert_int_equal(hook_line_due(&l, 10), 0);
	assert_int_equal(hook_line_end(&l, HOOK_WORKED, T + 4 * S), 0);
	assert_int_equal(l.next, 9);
	assert_int_equal(hook_line_due(&l, 10), T + 4 * S + HOOK_GATHER_MS);
	assert_int_equal(hook_line_due(&l, 9), 0);
}

static void
test_a_failure_is_tried_again(void **state)
{
	static const int64_t waits[] = { 10 * S, M, 5 * M, 15 * M };
	int64_t now;
	size_t i;

	(void)state;
	hook_line_news(&l, 7, T);
	now = start(9);
	for (i = 0; i < COUNT(waits); i++) {
		assert_int_equal(l.tries, i + 1);
		assert_int_equal(hook_line_end(&l, HOOK_FAILED, now),
		    waits[i]);
		assert_int_equal(hook_line_due(&l, 9), now + waits[i]);
		assert_int_equal(l.next, 7);	/* nothing is told yet */
		now = start(9);
	}
	assert_int_equal(l.tries, HOOK_TRIES);
	assert_int_equal(hook_line_end(&l, HOOK_FAILED, now), 0);
	assert_int_equal(l.lost, 2);
	assert_int_equal(hook_line_due(&l, 9), 0);
	/* What comes next begins anew, and says what is lost, once. */
	hook_line_news(&l, 9, now + M);
	start(10);
	assert_int_equal(l.tries, 1);
	assert_int_equal(l.lost, 2);
	hook_line_end(&l, HOOK_WORKED, now + 2 * M);
	assert_int_equal(l.lost, 0);
}

static void
test_news_bring_the_next_try_forward(void **state)
{
	int64_t now;
	int i;

	(void)state;
	hook_line_news(&l, 7, T);
	now = start(8);
	for (i = 0; i < 3; i++) {
		hook_line_end(&l, HOOK_FAILED, now);
		if (i < 2)
			now = start(8);
	}
	assert_int_equal(hook_line_due(&l, 8), now + 5 * M);
	hook_line_news(&l, 8, now + M);
	assert_int_equal(hook_line_due(&l, 9), now + M + 10 * S);
	/* And takes them along. */
	start(9);
	assert_int_equal(l.next, 7);
	assert_int_equal(l.taken, 9);
	hook_line_end(&l, HOOK_WORKED, now + 2 * M);
	assert_int_equal(hook_line_due(&l, 9), 0);
}

static void
test_later_is_a_day(void **state)
{
	int64_t now, first, wait;
	int runs = 1;

	(void)state;
	hook_line_news(&l, 7, T);
	first = now = start(8);
	while ((wait = hook_line_end(&l, HOOK_LATER, now)) != 0) {
		assert_true(wait <= 15 * M);
		now = start(8);
		runs++;
	}
	assert_true(now - first >= HOOK_LONGEST_MS);
	assert_true(now - first <= HOOK_LONGEST_MS + 15 * M);
	assert_in_range(runs, 90, 105);
	assert_int_equal(l.lost, 1);
}

static void
test_never_is_once(void **state)
{
	(void)state;
	hook_line_news(&l, 7, T);
	start(8);
	assert_int_equal(hook_line_end(&l, HOOK_NEVER, T + M), 0);
	assert_int_equal(hook_line_due(&l, 8), 0);
	assert_int_equal(l.lost, 1);
}

static void
test_the_pace(void **state)
{
	int64_t now = T, first = 0, due;
	uint64_t end = 7;
	int runs = 0;

	(void)state;
	/* One alert a second for a day. */
	while (now < T + 1440 * M) {
		hook_line_news(&l, end++, now);
		due = hook_line_due(&l, end);
		if (due != 0 && due <= now) {
			first = runs++ == 0 ? now : first;
			hook_line_start(&l, 0, end, now);
			hook_line_end(&l, HOOK_WORKED, now);
			if (runs == HOOK_BURST)
				assert_true(now - first < M);
		}
		now += S;
	}
	assert_in_range(runs, 288, 288 + HOOK_BURST);
	/* After an hour of silence there is none of it. */
	now = start(end) + 60 * M;
	hook_line_end(&l, HOOK_WORKED, now);
	hook_line_news(&l, end, now);
	assert_int_equal(hook_line_due(&l, end + 1), now + HOOK_GATHER_MS);
}

static void
test_what_is_too_old_is_counted(void **state)
{
	(void)state;
	hook_line_news(&l, 7, T);
	hook_line_start(&l, 100, 300, T);	/* 7 to 99 are gone */
	assert_int_equal(l.lost, 93);
	assert_int_equal(l.next, 100);
	/* Until somebody has heard of it. */
	hook_line_end(&l, HOOK_FAILED, T);
	hook_line_start(&l, 110, 310, T + M);
	assert_int_equal(l.lost, 103);
	hook_line_end(&l, HOOK_WORKED, T + M);
	assert_int_equal(l.lost, 0);
}

static void
test_outcomes(void **state)
{
	(void)state;
	assert_int_equal(hook_outcome(0), HOOK_WORKED);
	assert_int_equal(hook_outcome(1), HOOK_FAILED);
	assert_int_equal(hook_outcome(75), HOOK_LATER);
	assert_int_equal(hook_outcome(78), HOOK_NEVER);
	assert_int_equal(hook_outcome(127), HOOK_FAILED);
}

int
main(void)
{
	unit_around(fresh, NULL);
	unit_claim("nothing to tell, nothing to run", test_nothing);
	unit_claim("what belongs to one moment is one run",
	    test_a_moment_is_one_run);
	unit_claim("a failure is tried again, later each time, then given up",
	    test_a_failure_is_tried_again);
	unit_claim("news bring the next try forward",
	    test_news_bring_the_next_try_forward);
	unit_claim("\"later\" is tried for a day", test_later_is_a_day);
	unit_claim("\"never\" is not tried again", test_never_is_once);
	unit_claim("a host that flaps for a day makes few runs",
	    test_the_pace);
	unit_claim("what was not kept long enough is counted",
	    test_what_is_too_old_is_counted);
	unit_claim("exit statuses", test_outcomes);
	return unit_run("hook_line");
}
