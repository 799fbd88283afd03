/*
 * test_standing.c - sending, stopped, probation, in simulated time
 */
#include "unit.h"

#include <string.h>

#include "core/standing.h"

#define T	1795300000000LL		/* ms since the epoch */
#define S	1000LL
#define M	(60 * S)
#define H	(60 * M)
#define D	(24 * H)

static struct policy
usual(void)
{
	return (struct policy){ .stop_score = 100, .resume_after_ms = 15 * M,
	    .resume_ramp_ms = 2 * H, .relapse_factor = 2,
	    .resume_max_wait_ms = 24 * H };
}

/* --- one move ----------------------------------------------------------- */

static const struct row {
	const char	*claim;
	enum state	 state;
	int64_t		 since, clean_since, resumed;	/* relative to T */
	int		 relapses, score;
	int64_t		 checked, now;
	enum state	 to;
	int		 relapses_after;
	int64_t		 until;		/* relative to T; 0: none */
} rows[] = {
	/* Out of sending */
	{ "nothing against it: it sends", STATE_SENDING, -D, 0, 0, 0, 0, 0, 0,
	    STATE_SENDING, 0, 0 },
	{ "a score below the limit stops nothing", STATE_SENDING, -D, 0, 0,
	    0, 99, 0, 0, STATE_SENDING, 0, 0 },
	{ "the limit itself stops", STATE_SENDING, -D, 0, 0, 0, 100, 0, 0,
	    STATE_STOPPED, 0, 0 },
	{ "more stops too", STATE_SENDING, -D, 0, 0, 0, 500, 0, 0,
	    STATE_STOPPED, 0, 0 },
	{ "the first stop is no relapse", STATE_SENDING, -H, 0, 0, 0, 100, 0,
	    0, STATE_STOPPED, 0, 0 },
	{ "a stop soon after sending again is one", STATE_SENDING, -H, 0, -H,
	    0, 100, 0, 0, STATE_STOPPED, 1, 0 },
	{ "... and again", STATE_SENDING, -H, 0, -H, 3, 100, 0, 0,
	    STATE_STOPPED, 4, 0 },
	{ "a stop long after is none, and what was is forgotten",
	    STATE_SENDING, -24 * H, 0, -24 * H, 3, 100, 0, 0, STATE_STOPPED,
	    0, 0 },
	{ "relapses are forgotten after as long", STATE_SENDING, -24 * H, 0,
	    -24 * H, 3, 0, 0, 0, STATE_SENDING, 0, 0 },
	{ "and not before", STATE_SENDING, -24 * H + 1, 0, -24 * H + 1, 3, 0,
	    0, 0, STATE_SENDING, 3, 0 },

	/* Out of a stop */
	{ "what is listed stays stopped", STATE_STOPPED, -30 * D, 0, 0, 0,
	    100, 0, 0, STATE_STOPPED, 0, 0 },
	{ "what is clean waits from now on", STATE_STOPPED, -30 * D, 0, 0, 0,
	    0, 0, 0, STATE_STOPPED, 0, 15 * M },
	{ "below the limit is clean enough to wait", STATE_STOPPED, -H, 0, 0,
	    0, 99, 0, 0, STATE_STOPPED, 0, 15 * M },
	{ "just before the end it still waits", STATE_STOPPED, -H,
	    -15 * M + 1, 0, 0, 0, 0, 0, STATE_STOPPED, 0, 1 },
	{ "then it is on probation", STATE_STOPPED, -H, -15 * M, 0, 0, 0, 0,
	    0, STATE_PROBATION, 0, 2 * H },
	{ "listed again, it waits anew", STATE_STOPPED, -H, -14 * M, 0, 0,
	    100, 0, 0, STATE_STOPPED, 0, 0 },
	{ "a relapse waits twice as long", STATE_STOPPED, -H, -29 * M, 0, 1,
	    0, 0, 0, STATE_STOPPED, 1, M },
	{ "... and is then on probation", STATE_STOPPED, -H, -30 * M, 0, 1,
	    0, 0, 0, STATE_PROBATION, 1, 2 * H },
	{ "time alone does not release: an answer must come after it",
	    STATE_STOPPED, -D, -H, 0, 0, 0, -50 * M, 0, STATE_STOPPED, 0,
	    -45 * M },
	{ "an answer at the end of the wait is one", STATE_STOPPED, -D, -H,
	    0, 0, 0, -45 * M, 0, STATE_PROBATION, 0, 2 * H },
	{ "nobody asked at all: it stays stopped", STATE_STOPPED, -D, -H, 0,
	    0, 0, -T, 0, STATE_STOPPED, 0, -45 * M },

	/* Out of probation */
	{ "on probation for the whole ramp", STATE_PROBATION, -2 * H + 1, 0,
	    0, 0, 0, 0, 0, STATE_PROBATION, 0, 1 },
	{ "then it sends", STATE_PROBATION, -2 * H, 0, 0, 2, 0, 0, 0,
	    STATE_SENDING, 2, 0 },
	{ "listed on probation is a relapse", STATE_PROBATION, -M, 0, 0, 0,
	    100, 0, 0, STATE_STOPPED, 1, 0 },
	{ "at its very end too", STATE_PROBATION, -2 * H, 0, 0, 1, 100, 0, 0,
	    STATE_STOPPED, 2, 0 },
	{ "a score below the limit does not end it", STATE_PROBATION, -M, 0,
	    0, 0, 99, 0, 0, STATE_PROBATION, 0, 2 * H - M },
};

static void
test_row(void **state)
{
	const struct row *r = *state;
	struct policy p = usual();
	struct standing s = { .state = r->state, .since_ms = T + r->since,
	    .clean_since_ms = r->clean_since != 0 ? T + r->clean_since : 0,
	    .resumed_ms = r->resumed != 0 ? T + r->resumed : 0,
	    .relapses = r->relapses };
	enum state from = STATE_KINDS;
	bool moved;

	moved = standing_step(&s, &p, r->score, T + r->checked, T + r->now,
	    &from);
	assert_string_equal(state_name(s.state), state_name(r->to));
	assert_int_equal(moved, r->state != r->to);
	if (moved) {
		assert_int_equal(from, r->state);
		assert_int_equal(s.since_ms, T + r->now);
	}
	assert_int_equal(s.score, r->score);
	assert_int_equal(s.relapses, r->relapses_after);
	assert_int_equal(s.until_ms, r->until != 0 ? T + r->until : 0);
}

/* Every state under every score and time: no move but the five. */
static void
test_moves(void **state)
{
	static const bool legal[STATE_KINDS][STATE_KINDS] = {
		[STATE_SENDING] = { [STATE_STOPPED] = true },
		[STATE_STOPPED] = { [STATE_PROBATION] = true,
		    [STATE_SENDING] = true },
		[STATE_PROBATION] = { [STATE_STOPPED] = true,
		    [STATE_SENDING] = true },
	};
	static const int64_t steps[] = { 0, 1, 15 * M, 2 * H, D, 90 * D };
	struct policy p = usual();
	enum state from;
	int state0, score, ramp;
	size_t i;

	(void)state;
	for (state0 = 0; state0 < STATE_KINDS; state0++) {
		for (score = 0; score <= 200; score += 50) {
			for (i = 0; i < COUNT(steps); i++) {
				for (ramp = 0; ramp < 2; ramp++) {
					struct standing s = {
					    .state = (enum state)state0,
					    .since_ms = T, .relapses = 1 };

					p.resume_ramp_ms = ramp * H;
					if (!standing_step(&s, &p, score,
					    T + steps[i], T + steps[i],
					    &from)) {
						assert_int_equal(s.state,
						    state0);
						continue;
					}
					assert_true(legal[from][s.state]);
					assert_int_equal(s.state ==
					    STATE_STOPPED, score >= 100);
				}
			}
		}
	}
}

/* --- the wait ----------------------------------------------------------- */

static const struct wait_row {
	const char	*claim;
	int64_t		 after, max;
	int		 factor, relapses;
	int64_t		 wait;
} wait_rows[] = {
	{ "the first time", 15 * M, D, 2, 0, 15 * M },
	{ "doubled", 15 * M, D, 2, 1, 30 * M },
	{ "doubled again", 15 * M, D, 2, 2, H },
	{ "as often as there were relapses", 15 * M, D, 2, 6, 16 * H },
	{ "up to the limit", 15 * M, D, 2, 7, D },
	{ "and no further", 15 * M, D, 2, 1000000, D },
	{ "by another factor", M, D, 10, 2, 100 * M },
	{ "a factor of 1 never grows", 15 * M, D, 1, 50, 15 * M },
	{ "a limit below the wait does not shorten it", 2 * H, H, 2, 0,
	    2 * H },
	{ "... nor does a relapse", 2 * H, H, 2, 5, 2 * H },
	{ "no limit set is no growth", 15 * M, 0, 2, 5, 15 * M },
	{ "no wait stays none", 0, D, 2, 5, 0 },
	{ "the longest there is does not overflow", 30 * D, 90 * D, 100, 99,
	    90 * D },
};

static void
test_wait(void **state)
{
	const struct wait_row *r = *state;
	struct policy p = { .resume_after_ms = r->after,
	    .resume_max_wait_ms = r->max, .relapse_factor = r->factor };

	assert_int_equal(standing_wait_ms(&p, r->relapses), r->wait);
}

/* --- courses of days ---------------------------------------------------- */

/* Lets time pass in steps of a minute, answers coming all the while, until
 * the state is that; returns when, or fails after a month. */
static int64_t
until_state(struct standing *s, const struct policy *p, int score,
    int64_t now, enum state wanted)
{
	int64_t end = now + 30 * D;
	enum state from;

	for (; now < end; now += M) {
		standing_step(s, p, score, now, now, &from);
		if (s->state == wanted)
			return now;
	}
	fail_msg("never %s", state_name(wanted));
	return 0;
}

static void
test_incident(void **state)
{
	struct policy p = usual();
	struct standing s = { .since_ms = T - 10 * D };
	int64_t now, then;

	(void)state;
	/* Listed for two days, delisted, quiet. */
	then = until_state(&s, &p, 100, T, STATE_STOPPED);
	assert_int_equal(then, T);
	for (now = T; now < T + 2 * D; now += M) {
		enum state from;

		assert_false(standing_step(&s, &p, 140, now, now, &from));
	}
	now = until_state(&s, &p, 0, now, STATE_PROBATION);
	assert_int_equal(now, T + 2 * D + 15 * M);
	then = until_state(&s, &p, 0, now, STATE_SENDING);
	assert_int_equal(then, now + 2 * H);
	assert_int_equal(s.relapses, 0);
}

/* Delisted and listed again each time, it waits longer and longer. */
static void
relapse_course(int64_t ramp)
{
	struct policy p = usual();
	struct standing s = { .since_ms = T - 10 * D };
	int64_t now = T, stopped, waited, last = 0;
	int i;

	p.resume_ramp_ms = ramp;
	for (i = 0; i < 12; i++) {
		now = until_state(&s, &p, 100, now, STATE_STOPPED);
		stopped = now;
		now = until_state(&s, &p, 0, now, ramp > 0 ?
		    STATE_PROBATION : STATE_SENDING);
		waited = now - stopped;
		assert_int_equal(waited, i < 7 ? 15 * M << i : D);
		assert_true(waited >= last);
		last = waited;
		now += 10 * M;
	}
	/* A quiet day after, all is forgiven. */
	now = until_state(&s, &p, 0, now, STATE_SENDING);
	for (last = now; now <= last + D; now += M) {
		enum state from;

		standing_step(&s, &p, 0, now, now, &from);
	}
	assert_int_equal(s.relapses, 0);
	now = until_state(&s, &p, 100, now, STATE_STOPPED);
	stopped = now;
	now = until_state(&s, &p, 0, now, ramp > 0 ? STATE_PROBATION :
	    STATE_SENDING);
	assert_int_equal(now - stopped, 15 * M);
}

static void
test_relapses(void **state)
{
	(void)state;
	relapse_course(2 * H);
}

static void
test_relapses_without_ramp(void **state)
{
	(void)state;
	relapse_course(0);
}

/* Clean for a moment only, again and again: it never gets out. */
static void
test_flapping(void **state)
{
	struct policy p = usual();
	struct standing s = { .since_ms = T };
	enum state from;
	int64_t now;

	(void)state;
	standing_step(&s, &p, 100, T, T, &from);
	for (now = T; now < T + 7 * D; now += M) {
		int score = (now / M) % 14 == 0 ? 100 : 0;

		standing_step(&s, &p, score, now, now, &from);
		assert_int_equal(s.state, STATE_STOPPED);
	}
}

/* The resolver dies during the wait, for a week. */
static void
test_silence(void **state)
{
	struct policy p = usual();
	struct standing s = { .since_ms = T };
	enum state from;
	int64_t now;

	(void)state;
	standing_step(&s, &p, 100, T, T, &from);
	standing_step(&s, &p, 0, T + M, T + M, &from);
	for (now = T + M; now < T + 7 * D; now += M) {
		standing_step(&s, &p, 0, T + 2 * M, now, &from);
		assert_int_equal(s.state, STATE_STOPPED);
	}
	assert_true(standing_step(&s, &p, 0, now, now, &from));
	assert_int_equal(s.state, STATE_PROBATION);
}

static void
test_clock_set_back(void **state)
{
	struct policy p = usual();
	struct standing s = { .state = STATE_STOPPED, .since_ms = T,
	    .clean_since_ms = T };
	enum state from;

	(void)state;
	/* An hour back: it waits longer, and is not lost. */
	assert_false(standing_step(&s, &p, 0, T - H, T - H, &from));
	assert_true(standing_step(&s, &p, 0, T + 15 * M, T + 15 * M, &from));
}

static void
test_changed_limit(void **state)
{
	struct policy p = usual();
	struct standing s = { .since_ms = T - D };
	enum state from;

	(void)state;
	assert_false(standing_step(&s, &p, 90, T, T, &from));
	p.stop_score = 80;
	assert_true(standing_step(&s, &p, 90, T, T, &from));
	p.stop_score = 100;
	assert_false(standing_step(&s, &p, 90, T + M, T + M, &from));
	assert_int_equal(s.until_ms, T + 16 * M);
}

/* The guard of a pool counts from it. */
static void
test_stopped_at(void **state)
{
	struct policy p = usual();
	struct standing s = { .since_ms = T - D };
	enum state from;
	int64_t now;

	(void)state;
	standing_step(&s, &p, 0, T, T, &from);
	assert_int_equal(s.stopped_ms, 0);
	standing_step(&s, &p, 100, T, T, &from);
	assert_int_equal(s.stopped_ms, T);
	/* Listed still, and by more: it was stopped then, not now. */
	standing_step(&s, &p, 200, T + H, T + H, &from);
	assert_int_equal(s.stopped_ms, T);
	now = until_state(&s, &p, 0, T + H, STATE_PROBATION);
	assert_int_equal(s.stopped_ms, T);
	/* A relapse is a stop. */
	standing_step(&s, &p, 100, now + M, now + M, &from);
	assert_int_equal(s.stopped_ms, now + M);
	now = until_state(&s, &p, 0, now + H, STATE_SENDING);
	assert_true(s.stopped_ms < now);
	/* The clock was set back: not ahead of it. */
	standing_step(&s, &p, 0, T - D, T - D, &from);
	assert_int_equal(s.stopped_ms, T - D);
}

int
main(void)
{
	unit_rows(rows, test_row);
	unit_claim("no move but the legal ones, and stopped means the score",
	    test_moves);
	unit_rows(wait_rows, test_wait);
	unit_claim("an incident of days: stopped, probation, sending",
	    test_incident);
	unit_claim("each relapse doubles the wait, and a quiet day forgives",
	    test_relapses);
	unit_claim("without a ramp as well", test_relapses_without_ramp);
	unit_claim("clean for a moment is not clean", test_flapping);
	unit_claim("silence releases nothing, however long", test_silence);
	unit_claim("a clock set back loses nothing", test_clock_set_back);
	unit_claim("a changed limit acts at once, both ways",
	    test_changed_limit);
	unit_claim("it is known when it was stopped last", test_stopped_at);
	return unit_run("standing");
}
