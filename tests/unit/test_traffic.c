/*
 * test_traffic.c - how much mail takes a way out, and what is usual
 */
#include "unit.h"

#include <math.h>

#include "core/traffic.h"

#define T	1795300000000LL		/* ms since the epoch */
#define MINUTE	60000LL
#define H	TRAFFIC_HOUR_MS

static struct traffic t;
static struct volume v;
static struct usual u;

static int
begin(void **state)
{
	(void)state;
	t = (struct traffic){ 0 };
	u = (struct usual){ 0 };
	volume_begin(&v, &t, T);
	return 0;
}

/* One read at now. */
static bool
look(int64_t now)
{
	return volume_read(&v, &t, &u, true, now);
}

static void
assert_near(double is, double wanted)
{
	if (fabs(is - wanted) > wanted / 1000)
		fail_msg("%g, not %g", is, wanted);
}

/* --- counting ----------------------------------------------------------- */

static void
test_front_counts(void **state)
{
	(void)state;
	t.passed = 3;
	t.rerouted = 4;
	assert_false(look(T + MINUTE));
	assert_int_equal(v.hour, 7);
	assert_int_equal(v.hour_rerouted, 4);
	assert_int_equal(v.accepted, 7);
	/* Nothing new is nothing more. */
	assert_false(look(T + 2 * MINUTE));
	assert_int_equal(v.hour, 7);
	assert_int_equal(v.hour_rerouted, 4);
	t.passed = 13;
	t.rerouted = 5;
	look(T + 3 * MINUTE);
	assert_int_equal(v.hour, 18);
	assert_int_equal(v.hour_rerouted, 5);
	assert_int_equal(v.accepted, 18);
}

static void
test_gate_counts(void **state)
{
	(void)state;
	t.delivered = 5;
	look(T + MINUTE);
	assert_int_equal(v.hour, 5);
	assert_int_equal(v.hour_rerouted, 0);
	assert_int_equal(v.accepted, 5);
}

static void
test_greater_counts(void **state)
{
	(void)state;
	t.passed = 10;
	t.delivered = 4;
	look(T + MINUTE);
	assert_int_equal(v.hour, 10);
	t.passed = 11;
	t.delivered = 24;
	look(T + 2 * MINUTE);
	assert_int_equal(v.hour, 30);
}

/* What the counters hold at the start was counted before. */
static void
test_begin(void **state)
{
	(void)state;
	t.passed = 100;
	t.rerouted = 50;
	t.delivered = 70;
	volume_begin(&v, &t, T + H);
	assert_int_equal(v.delivered_before, 70);
	look(T + H + MINUTE);
	assert_int_equal(v.hour, 0);
	assert_int_equal(v.hour_rerouted, 0);
	assert_int_equal(v.accepted, 0);
	t.delivered = 71;
	look(T + H + 2 * MINUTE);
	assert_int_equal(v.hour, 1);
}

static void
test_restart(void **state)
{
	(void)state;
	t.passed = 20;
	t.delivered = 15;
	look(T + MINUTE);
	/* Since the last look, and before the standing changed. */
	t.passed = 27;
	t.rerouted = 2;
	t.delivered = 25;
	volume_restart(&v, &t);
	assert_int_equal(v.accepted, 0);
	assert_int_equal(v.delivered_before, 25);
	look(T + 2 * MINUTE);
	assert_int_equal(v.accepted, 0);
	/* The hour has it all the same. */
	assert_int_equal(v.hour, 30);
	assert_int_equal(v.hour_rerouted, 2);
	t.passed = 28;
	look(T + 3 * MINUTE);
	assert_int_equal(v.accepted, 1);
	assert_int_equal(v.hour, 31);
}

/* --- hours -------------------------------------------------------------- */

/* Lets an hour pass in steps of a minute, with so many messages in it. */
static bool
hour(int64_t from, uint64_t messages, bool usual_times)
{
	bool learned = false;
	int i;

	for (i = 1; i <= 60; i++) {
		if (i == 30)
			t.passed += messages;
		learned |= volume_read(&v, &t, &u, usual_times,
		    from + i * MINUTE);
	}
	return learned;
}

static void
test_hour(void **state)
{
	(void)state;
	t.passed = 60;
	assert_false(look(T + H - 1));
	assert_int_equal(u.hours, 0);
	assert_true(look(T + H));
	assert_int_equal(u.hours, 1);
	assert_near(u.per_hour, 60);
	/* The next begins with nothing. */
	assert_int_equal(v.hour, 0);
	assert_int_equal(v.hour_rerouted, 0);
	assert_int_equal(v.hour_ms, T + H);
	/* accepted is not of the hour. */
	assert_int_equal(v.accepted, 60);
	assert_false(look(T + H + 1));
	assert_int_equal(u.hours, 1);
}

static void
test_first_day_is_a_mean(void **state)
{
	int i, sum = 0;

	(void)state;
	for (i = 0; i < TRAFFIC_KNOWN_HOURS; i++) {
		assert_true(hour(T + i * H, (uint64_t)(i * i), true));
		sum += i * i;
		assert_int_equal(u.hours, i + 1);
		assert_near(u.per_hour + 1, (double)sum / (i + 1) + 1);
	}
}

/* Days later it has forgotten, and one hour is not a habit. */
static void
test_forgets(void **state)
{
	int64_t now = T;
	int i;

	(void)state;
	for (i = 0; i < 24; i++, now += H)
		hour(now, 100, true);
	assert_near(u.per_hour, 100);
	hour(now, 7300, true);
	now += H;
	assert_near(u.per_hour, 200);
	assert_int_equal(u.hours, TRAFFIC_KNOWN_HOURS);
	for (i = 0; i < 14 * 24; i++, now += H)
		hour(now, 500, true);
	if (u.per_hour < 480 || u.per_hour > 500)
		fail_msg("%g an hour after two weeks of 500", u.per_hour);
	assert_int_equal(u.hours, TRAFFIC_KNOWN_HOURS);
}

static const struct taint_row {
	const char	*claim;
	bool		 first, middle, last;	/* are times usual then */
	bool		 learned, next_learned;
} taint_rows[] = {
	{ "an hour of usual times is learned from", true, true, true, true,
	    true },
	{ "an hour that begins otherwise is not", false, true, true, false,
	    true },
	{ "nor one with a minute of it", true, false, true, false, true },
	{ "nor one that ends so, nor the next, which begins so", true, true,
	    false, false, false },
};

static void
test_taint(void **state)
{
	const struct taint_row *r = *state;

	begin(NULL);
	t.passed = 10;
	volume_read(&v, &t, &u, r->first, T + MINUTE);
	volume_read(&v, &t, &u, r->middle, T + 30 * MINUTE);
	assert_int_equal(volume_read(&v, &t, &u, r->last, T + H),
	    r->learned);
	assert_int_equal(u.hours, r->learned);
	t.passed = 20;
	assert_int_equal(volume_read(&v, &t, &u, true, T + 2 * H),
	    r->next_learned);
}

static void
test_clock_set_back(void **state)
{
	(void)state;
	t.passed = 10;
	look(T + 30 * MINUTE);
	t.passed = 20;
	/* Void; and a new hour begins where the clock is now. */
	assert_false(look(T - 24 * H));
	assert_int_equal(u.hours, 0);
	assert_int_equal(v.hour, 0);
	t.passed = 27;
	assert_false(look(T - 24 * H + H - 1));
	assert_true(look(T - 24 * H + H));
	assert_near(u.per_hour, 7);
	/* What is accepted was accepted, whatever the clock says. */
	assert_int_equal(v.accepted, 27);
}

static void
test_clock_set_forward(void **state)
{
	(void)state;
	t.passed = 10;
	look(T + 30 * MINUTE);
	assert_false(look(T + 1000 * H));
	assert_int_equal(u.hours, 0);
	t.passed = 15;
	assert_true(look(T + 1001 * H));
	assert_near(u.per_hour, 5);
}

static void
test_slept(void **state)
{
	(void)state;
	t.passed = 10;
	look(T + 10 * MINUTE);
	/* Exactly two hours later is two hours, not one. */
	assert_false(look(T + 2 * H));
	assert_int_equal(u.hours, 0);
	t.passed = 12;
	/* A late look at the end of an hour is the end of it. */
	assert_true(look(T + 3 * H + 10000));
	assert_near(u.per_hour, 2);
	assert_int_equal(v.hour_ms, T + 3 * H + 10000);
}

/* --- the limit ---------------------------------------------------------- */

static const struct limit_row {
	const char	*claim;
	double		 per_hour;
	int		 hours, factor;
	double		 limit;
} limit_rows[] = {
	{ "so many times what is usual", 1000, 24, 3, 3000 },
	{ "before a day is over nothing is usual", 1000, 23, 3, 0 },
	{ "0 is no limit", 1000, 24, 0, 0 },
	{ "a hundred an hour are no flood", 20, 24, 3, 100 },
	{ "nor where nothing is usual", 0, 24, 3, 100 },
	{ "just above the floor", 101, 24, 1, 101 },
	{ "at the floor", 100, 24, 1, 100 },
};

static void
test_limit(void **state)
{
	const struct limit_row *r = *state;
	struct usual known = { .per_hour = r->per_hour, .hours = r->hours };

	assert_true(usual_limit(&known, r->factor) == r->limit);
}

int
main(void)
{
	unit_around(begin, NULL);
	unit_claim("front ends count new mail", test_front_counts);
	unit_claim("the gate counts where no front end does",
	    test_gate_counts);
	unit_claim("mail that both see is counted once",
	    test_greater_counts);
	unit_claim("what was counted before the start is no news",
	    test_begin);
	unit_claim("what was accepted counts from a change of the standing",
	    test_restart);
	unit_claim("an hour is learned from when it is over", test_hour);
	unit_claim("the usual is the mean of the first day",
	    test_first_day_is_a_mean);
	unit_claim("later it follows within days, and no hour is a habit",
	    test_forgets);
	unit_rows(taint_rows, test_taint);
	unit_claim("a clock set back makes the hour void",
	    test_clock_set_back);
	unit_claim("a clock set forward as well", test_clock_set_forward);
	unit_claim("two hours are not one", test_slept);
	unit_rows(limit_rows, test_limit);
	return unit_run("traffic");
}
