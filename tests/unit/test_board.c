/*
 * test_board.c - what we believe, and what follows from it
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "scene.h"

#define MX1	"203.0.113.7"
#define MX1_6	"2001:db8::7"
#define MX2	"203.0.113.8"
#define BAD	"127.0.0.2"

/* Two egresses, one with two addresses; three operators, one with two
 * lists. */
#define EGRESSES \
	"egress = ( { name = \"mx1\"; addresses = [\"" MX1 "\", \"" MX1_6 \
	"\"]; },\n" \
	"  { name = \"mx2\"; addresses = \"" MX2 "\"; } );\n"
#define LISTS \
	"lists = ( { zone = \"a.x.example\"; operator = \"x\"; weight = 60; " \
	"lists = [\"ipv4\", \"ipv6\"];\n" \
	"    answers = ( { code = \"127.0.0.2\"; means = \"listed\"; " \
	"name = \"spam\"; },\n" \
	"      { code = \"127.0.0.3\"; means = \"listed\"; weight = 10; },\n" \
	"      { code = \"127.0.0.10\"; means = \"policy\"; } ); },\n" \
	"  { zone = \"b.x.example\"; operator = \"x\"; weight = 50; " \
	"lists = [\"ipv4\", \"ipv6\"]; },\n" \
	"  { zone = \"c.y.example\"; operator = \"y\"; weight = 50; " \
	"lists = [\"ipv4\", \"ipv6\"]; },\n" \
	"  { zone = \"d.z.example\"; operator = \"z\"; weight = 0; },\n" \
	"  { zone = \"e.w.example\"; operator = \"w\"; weight = 100; } );\n"
#define CONF	EGRESSES LISTS

static struct scene s;

/* After every test, one that fails too. */
static int
close_scene(void **state)
{
	(void)state;
	if (s.board != NULL)
		scene_close(&s);
	return 0;
}

/* The domain of the greeting is a subject, and no list is one of domains. */
static void
test_checked_greeting(void **state)
{
	(void)state;
	scene_open(&s, "egress = ( { name = \"mx1\"; addresses = \"" MX1
	    "\"; hostname = \"mx1.example.org\"; } );\n" LISTS);
	assert_int_equal(board_subject_count(s.board), 2);
	assert_int_equal(board_checked_ms(s.board, 0), 0);
	scene_answer(&s, MX1, "a.x.example", NULL, false);
	assert_int_equal(board_checked_ms(s.board, 0), s.now_ms);
}

/* --- the score ---------------------------------------------------------- */

static const struct score_row {
	const char	*claim;
	struct {
		const char	*subject, *zone, *code;
	} listed[5];
	int		 mx1, mx2;
} score_rows[] = {
	{ "nothing listed is nothing", { { NULL, NULL, NULL } }, 0, 0 },
	{ "one listing is its weight", { { MX1, "a.x.example", BAD } }, 60,
	    0 },
	{ "of one operator the heaviest counts", { { MX1, "a.x.example",
	    BAD }, { MX1, "b.x.example", BAD } }, 60, 0 },
	{ "in any order", { { MX1, "b.x.example", BAD }, { MX1,
	    "a.x.example", BAD } }, 60, 0 },
	{ "of several operators all", { { MX1, "a.x.example", BAD }, { MX1,
	    "c.y.example", BAD } }, 110, 0 },
	{ "two addresses of one egress on one list count once",
	    { { MX1, "a.x.example", BAD }, { MX1_6, "a.x.example", BAD } },
	    60, 0 },
	{ "two addresses on two lists of one operator count once",
	    { { MX1, "b.x.example", BAD }, { MX1_6, "a.x.example", BAD } },
	    60, 0 },
	{ "two addresses on lists of two operators add up",
	    { { MX1, "a.x.example", BAD }, { MX1_6, "c.y.example", BAD } },
	    110, 0 },
	{ "two egresses do not add up", { { MX1, "a.x.example", BAD }, { MX2,
	    "a.x.example", BAD } }, 60, 60 },
	{ "a list without weight counts nothing", { { MX1, "d.z.example",
	    BAD } }, 0, 0 },
	{ "a policy counts nothing", { { MX1, "a.x.example",
	    "127.0.0.10" } }, 0, 0 },
	{ "an answer with its own weight counts that", { { MX1,
	    "a.x.example", "127.0.0.3" } }, 10, 0 },
	{ "the heavier of the operator's, whichever list it is on",
	    { { MX1, "a.x.example", "127.0.0.3" }, { MX1, "b.x.example",
	    BAD } }, 50, 0 },
	{ "a code that nobody knows counts nothing", { { MX1, "e.w.example",
	    "127.0.0.99" } }, 0, 0 },
};

static void
test_score(void **state)
{
	const struct score_row *r = *state;
	size_t i;

	scene_open(&s, CONF);
	for (i = 0; i < COUNT(r->listed) && r->listed[i].zone != NULL; i++)
		scene_list(&s, r->listed[i].subject, r->listed[i].zone,
		    r->listed[i].code);
	assert_int_equal(scene_score(&s, "mx1"), r->mx1);
	assert_int_equal(scene_score(&s, "mx2"), r->mx2);
	assert_int_equal(scene_state(&s, "mx1"), r->mx1 >= 100 ?
	    STATE_STOPPED : STATE_SENDING);
	assert_int_equal(scene_state(&s, "mx2"), STATE_SENDING);
}

static void
test_unconfirmed_counts_nothing(void **state)
{
	(void)state;
	scene_open(&s, CONF);
	assert_int_equal(scene_answer(&s, MX1, "e.w.example", BAD, false),
	    BOARD_LOOK_AGAIN);
	scene_tick(&s);
	assert_int_equal(scene_score(&s, "mx1"), 0);
	assert_int_equal(scene_state(&s, "mx1"), STATE_SENDING);
	unit_says(s.log, "not confirmed yet");
	assert_int_equal(scene_answer(&s, MX1, "e.w.example", BAD, true),
	    BOARD_ASK_TEXT);
	scene_tick(&s);
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
}

/* --- answers that prove nothing ----------------------------------------- */

static void
test_no_proof(void **state)
{
	static const enum answer kinds[] = {
		ANS_REFUSED, ANS_FOREIGN, ANS_ODD, ANS_FAILED
	};
	struct answer_seen a = { .weight = 100 };
	size_t i, mx2, subject;
	int64_t checked;

	(void)state;
	scene_open(&s, CONF);
	scene_sweep(&s);
	mx2 = scene_egress(&s, "mx2");
	subject = (size_t)board_find_subject(s.board, MX2);
	checked = board_checked_ms(s.board, mx2);
	assert_int_equal(checked, s.now_ms);
	s.now_ms += HOUR;
	for (i = 0; i < COUNT(kinds); i++) {
		a.kind = kinds[i];
		assert_int_equal(board_answer(s.board, subject, 0, &a, false,
		    s.now_ms), BOARD_NOTHING);
		assert_int_equal(board_answer(s.board, subject, 0, &a, true,
		    s.now_ms), BOARD_NOTHING);
	}
	assert_int_equal(board_listing_count(s.board), 0);
	/* Nor is it an answer that a release could wait for. */
	assert_int_equal(board_checked_ms(s.board, mx2), checked);
}

static void
test_no_proof_releases_nothing(void **state)
{
	struct answer_seen a = { .kind = ANS_FAILED };
	int i;

	(void)state;
	scene_open(&s, CONF);
	scene_list(&s, MX1, "e.w.example", BAD);
	for (i = 0; i < 1000; i++) {
		s.now_ms += HOUR;
		a.kind = ANS_REFUSED + i % 4;
		board_answer(s.board, (size_t)board_find_subject(s.board,
		    MX1), 4, &a, false, s.now_ms);
		scene_tick(&s);
	}
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
	assert_int_equal(scene_score(&s, "mx1"), 100);
}

/* --- a whole incident --------------------------------------------------- */

static void
test_incident(void **state)
{
	(void)state;
	scene_open(&s, CONF);
	scene_pass(&s, HOUR);
	scene_hush(&s);
	scene_list(&s, MX1, "e.w.example", BAD);
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
	assert_int_equal(scene_state(&s, "mx2"), STATE_SENDING);
	unit_says(s.log, MX1 ": listed by e.w.example (127.0.0.2: listed, "
	    "weight 100)");
	unit_says(s.log, "egress mx1: sending -> stopped: " MX1 " is listed "
	    "by e.w.example (127.0.0.2), score 100 of 100");
	unit_says(s.log, "resumes 15m after it is clean");
	scene_hush(&s);
	scene_pass(&s, 2 * DAY);
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
	assert_string_equal(s.log, "");		/* no news, no line */
	scene_delist(&s, MX1, "e.w.example");
	unit_says(s.log, "listed no longer");
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
	assert_int_equal(s.next_ms, s.now_ms + 15 * MINUTE);
	scene_pass(&s, 14 * MINUTE);
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
	scene_pass(&s, MINUTE);
	assert_int_equal(scene_state(&s, "mx1"), STATE_PROBATION);
	unit_says(s.log, "stopped -> probation: clean for 15m");
	scene_pass(&s, 2 * HOUR);
	assert_int_equal(scene_state(&s, "mx1"), STATE_SENDING);
	unit_says(s.log, "probation -> sending");
}

/* --- nothing is released by silence ------------------------------------- */

static void
test_silence_while_listed(void **state)
{
	(void)state;
	scene_open(&s, CONF);
	scene_list(&s, MX1, "e.w.example", BAD);
	scene_pass_silently(&s, 60 * DAY);
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
}

static void
test_silence_while_waiting(void **state)
{
	(void)state;
	scene_open(&s, CONF);
	scene_list(&s, MX1, "e.w.example", BAD);
	scene_delist(&s, MX1, "e.w.example");
	scene_pass(&s, 10 * MINUTE);
	scene_pass_silently(&s, 10 * DAY);
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
	/* Nor does it ask to be called again and again. */
	assert_int_equal(s.next_ms, 0);
	scene_sweep(&s);
	scene_tick(&s);
	assert_int_equal(scene_state(&s, "mx1"), STATE_PROBATION);
}

static void
test_one_address_silent(void **state)
{
	size_t i;

	(void)state;
	scene_open(&s, CONF);
	scene_list(&s, MX1, "e.w.example", BAD);
	scene_delist(&s, MX1, "e.w.example");
	/* The IPv4 address is answered for, the IPv6 one is not. */
	for (i = 0; i < 60; i++) {
		s.now_ms += MINUTE;
		scene_answer(&s, MX1, "a.x.example", NULL, false);
		scene_tick(&s);
	}
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
	scene_answer(&s, MX1_6, "a.x.example", NULL, false);
	scene_tick(&s);
	assert_int_equal(scene_state(&s, "mx1"), STATE_PROBATION);
}

/* A restart after a night: the wait is over by the clock, but nobody has
 * looked since. */
static void
test_restart_after_a_night(void **state)
{
	struct standing old = { .state = STATE_STOPPED,
	    .since_ms = SCENE_START - DAY,
	    .clean_since_ms = SCENE_START - 10 * HOUR };
	struct policy *p = unit_policy(CONF);
	size_t i;

	(void)state;
	s = (struct scene){ .now_ms = SCENE_START };
	s.board = board_new(p, s.now_ms);
	board_restore_standing(s.board, 0, &old);
	scene_tick(&s);
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
	/* The first lists answer that it is clean; one is yet to come. */
	for (i = 0; i < 4; i++) {
		board_health(s.board, i, SUBJECT_IPV4, HEALTH_USABLE, "",
		    s.now_ms);
		board_health(s.board, i, SUBJECT_IPV6, HEALTH_USABLE, "",
		    s.now_ms);
		scene_answer(&s, MX1, p->lists[i].zone, NULL, false);
		if (p->lists[i].kinds[SUBJECT_IPV6])
			scene_answer(&s, MX1_6, p->lists[i].zone, NULL,
			    false);
		scene_tick(&s);
		assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
	}
	/* It says that it is listed: a second look is to come. */
	board_health(s.board, 4, SUBJECT_IPV4, HEALTH_USABLE, "", s.now_ms);
	assert_int_equal(scene_answer(&s, MX1, "e.w.example", BAD, false),
	    BOARD_LOOK_AGAIN);
	scene_tick(&s);
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
	/* Which finds nothing. */
	scene_answer(&s, MX1, "e.w.example", NULL, true);
	scene_tick(&s);
	assert_int_equal(scene_state(&s, "mx1"), STATE_PROBATION);
	policy_unref(p);
}

static void
test_blind_list_does_not_hold_for_ever(void **state)
{
	size_t i;

	(void)state;
	scene_open(&s, CONF);
	scene_list(&s, MX1, "e.w.example", BAD);
	scene_delist(&s, MX1, "e.w.example");
	for (i = 0; i < 4; i++)
		board_health(s.board, i, SUBJECT_IPV4, HEALTH_BLIND, "silent",
		    s.now_ms);
	scene_pass(&s, HOUR);
	assert_int_equal(scene_state(&s, "mx1"), STATE_PROBATION);
}

static void
test_nothing_to_wait_for(void **state)
{
	(void)state;
	scene_open(&s, CONF);
	scene_list(&s, MX1, "e.w.example", BAD);
	/* The operator wants no list any more. */
	scene_reload(&s, EGRESSES);
	scene_pass_silently(&s, 15 * MINUTE);
	assert_int_equal(scene_state(&s, "mx1"), STATE_PROBATION);
}

/* --- overrides ---------------------------------------------------------- */

static const struct override_row {
	const char	*claim;
	bool		 listed;
	struct {
		const char	*target;
		enum word	 word;
	} set[3];
	enum state	 mx1, mx2;
	const char	*by;		/* for mx1; NULL: evidence */
} override_rows[] = {
	{ "without any word evidence decides", true, { { NULL, 0 } },
	    STATE_STOPPED, STATE_SENDING, NULL },
	{ "stop by name", false, { { "mx1", WORD_STOP } }, STATE_STOPPED,
	    STATE_SENDING, "mx1" },
	{ "stop by name in other letters", false, { { "MX1", WORD_STOP } },
	    STATE_STOPPED, STATE_SENDING, "MX1" },
	{ "stop by address", false, { { MX1, WORD_STOP } }, STATE_STOPPED,
	    STATE_SENDING, MX1 },
	{ "stop by its other address", false, { { MX1_6, WORD_STOP } },
	    STATE_STOPPED, STATE_SENDING, MX1_6 },
	{ "stop by an address in other letters", false,
	    { { "2001:0DB8:0:0::0007", WORD_STOP } }, STATE_STOPPED,
	    STATE_SENDING, MX1_6 },
	{ "stop by a mapped address", false, { { "::ffff:" MX1,
	    WORD_STOP } }, STATE_STOPPED, STATE_SENDING, MX1 },
	{ "stop all", false, { { "all", WORD_STOP } }, STATE_STOPPED,
	    STATE_STOPPED, "all" },
	{ "send by name lets out what is listed", true, { { "mx1",
	    WORD_SEND } }, STATE_SENDING, STATE_SENDING, "mx1" },
	{ "send all", true, { { "all", WORD_SEND } }, STATE_SENDING,
	    STATE_SENDING, "all" },
	{ "stop beats send: all against a name", false, { { "all",
	    WORD_SEND }, { "mx1", WORD_STOP } }, STATE_STOPPED,
	    STATE_SENDING, "mx1" },
	{ "stop beats send: a name against all", false, { { "mx1",
	    WORD_SEND }, { "all", WORD_STOP } }, STATE_STOPPED,
	    STATE_STOPPED, "all" },
	{ "stop beats send: an address against the name", false, { { "mx1",
	    WORD_SEND }, { MX1_6, WORD_STOP } }, STATE_STOPPED,
	    STATE_SENDING, MX1_6 },
	{ "a word for another egress is none for this", true, { { "mx2",
	    WORD_SEND } }, STATE_STOPPED, STATE_SENDING, NULL },
	{ "a word for an account moves no egress", false, { { "account:ann",
	    WORD_STOP } }, STATE_SENDING, STATE_SENDING, NULL },
	{ "a word for a domain moves no egress", false,
	    { { "domain:example.org", WORD_STOP } }, STATE_SENDING,
	    STATE_SENDING, NULL },
	{ "a word for somebody else's egress moves none", false,
	    { { "mx9", WORD_STOP } }, STATE_SENDING, STATE_SENDING, NULL },
	{ "a word that is taken back is none", true, { { "mx1",
	    WORD_SEND }, { "mx1", WORD_NONE } }, STATE_STOPPED,
	    STATE_SENDING, NULL },
	{ "of two words for one target the last counts", true, { { "mx1",
	    WORD_SEND }, { "MX1", WORD_STOP } }, STATE_STOPPED,
	    STATE_SENDING, "MX1" },
};

static void
test_override(void **state)
{
	const struct override_row *r = *state;
	const struct override *by;
	size_t i;

	scene_open(&s, CONF);
	if (r->listed)
		scene_list(&s, MX1, "e.w.example", BAD);
	for (i = 0; i < COUNT(r->set) && r->set[i].target != NULL; i++)
		scene_override(&s, r->set[i].target, r->set[i].word, 0, "");
	assert_int_equal(board_effective(s.board, 0, s.now_ms, &by), r->mx1);
	if (r->by == NULL)
		assert_null(by);
	else
		assert_string_equal(by != NULL ? by->target : "(none)",
		    r->by);
	assert_int_equal(board_effective(s.board, 1, s.now_ms, NULL),
	    r->mx2);
	/* Evidence is kept apart from words. */
	assert_int_equal(scene_state(&s, "mx1"), r->listed ? STATE_STOPPED :
	    STATE_SENDING);
}

static void
test_override_ends(void **state)
{
	(void)state;
	scene_open(&s, CONF);
	scene_override(&s, "mx1", WORD_STOP, HOUR, "test");
	unit_says(s.log, "mx1: override \"stop\" by control, ends in 1h "
	    "(test)");
	assert_int_equal(s.next_ms, s.now_ms + HOUR);
	s.now_ms += HOUR - 1;
	assert_int_equal(board_effective(s.board, 0, s.now_ms, NULL),
	    STATE_STOPPED);
	s.now_ms += 1;
	/* At that instant, even before anybody has ticked. */
	assert_int_equal(board_effective(s.board, 0, s.now_ms, NULL),
	    STATE_SENDING);
	scene_hush(&s);
	scene_tick(&s);
	assert_int_equal(board_override_count(s.board), 0);
	unit_says(s.log, "mx1: override \"stop\" ended, evidence decides "
	    "again");
}

/* Of two boards with the same course, one whose clock is set amid it by so
 * much does everything as late as the other. */
static const struct step_row {
	const char	*claim;
	int64_t		 step_ms;
} step_rows[] = {
	{ "the clock is set forward by an hour", HOUR },
	{ "the clock is set back by an hour", -HOUR },
	{ "the clock is set forward by a month", 30 * DAY },
	{ "the clock is set back by a month", -30 * DAY },
};

static void
set_clock(int64_t step_ms)
{
	board_clock_set(s.board, step_ms);
	s.now_ms += step_ms;
	scene_tick(&s);
}

static void
test_clock_set(void **state)
{
	const struct step_row *r = *state;
	const struct standing *st;
	int64_t until_ms, ms;

	scene_open(&s, CONF);
	scene_override(&s, "mx2", WORD_STOP, HOUR, "test");
	scene_list(&s, MX1, "e.w.example", BAD);
	scene_delist(&s, MX1, "e.w.example");
	scene_pass(&s, 5 * MINUTE);
	st = board_standing(s.board, 0);
	assert_int_equal(st->state, STATE_STOPPED);
	until_ms = st->until_ms;
	scene_hush(&s);
	set_clock(r->step_ms);
	assert_string_equal(s.log, "");
	assert_int_equal(st->until_ms, until_ms + r->step_ms);
	assert_int_equal(board_listing_count(s.board), 0);
	/* Neither earlier nor later. */
	for (ms = 0; st->state == STATE_STOPPED; ms += MINUTE) {
		assert_true(s.now_ms <= until_ms + r->step_ms + 2 * MINUTE);
		scene_pass(&s, MINUTE);
	}
	assert_true(s.now_ms >= until_ms + r->step_ms);
	assert_int_equal(st->state, STATE_PROBATION);
	/* Its ramp too. */
	until_ms = st->until_ms;
	set_clock(-r->step_ms);
	assert_int_equal(st->state, STATE_PROBATION);
	assert_int_equal(st->until_ms, until_ms - r->step_ms);
	/* And the word: it had 55 minutes, and those that have gone by. */
	assert_int_equal(board_override_count(s.board), 1);
	scene_pass(&s, 55 * MINUTE - ms - 2 * MINUTE);
	assert_int_equal(board_override_count(s.board), 1);
	scene_pass(&s, 4 * MINUTE);
	assert_int_equal(board_override_count(s.board), 0);
}

/* It is read from a file when the clock is still wrong. */
static void
test_clock_set_restored(void **state)
{
	struct override o = { .target = "mx1", .word = WORD_STOP,
	    .until_ms = SCENE_START + DAY, .source = "redis",
	    .restored = true };
	const char *why;

	(void)state;
	scene_open(&s, CONF);
	assert_true(board_override(s.board, &o, s.now_ms, &why));
	set_clock(DAY - HOUR);
	assert_int_equal(board_get_override(s.board, 0)->until_ms,
	    SCENE_START + DAY);
	/* Read again where its end is counted, it is as good as any. */
	o.restored = false;
	assert_true(board_override(s.board, &o, s.now_ms, &why));
	set_clock(DAY);
	assert_int_equal(board_get_override(s.board, 0)->until_ms,
	    SCENE_START + 2 * DAY);
}

/* Nobody has looked since: a time to come proves nothing. */
static void
test_clock_set_back_proves_nothing(void **state)
{
	(void)state;
	scene_open(&s, CONF);
	scene_list(&s, MX1, "e.w.example", BAD);
	scene_delist(&s, MX1, "e.w.example");
	scene_pass(&s, MINUTE);
	set_clock(-DAY);
	scene_pass_silently(&s, 2 * DAY);
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
}

/* A view goes with the clock of its times. */
static void
test_clock_of_view(void **state)
{
	const struct view *before, *after;

	(void)state;
	scene_open(&s, CONF);
	scene_tick(&s);
	before = board_view_get(s.board);
	set_clock(HOUR);
	after = board_view_get(s.board);
	assert_int_equal(before->clock_ms, 0);
	assert_int_equal(after->clock_ms, HOUR);
	view_put(before);
	view_put(after);
}

static void
test_override_already_over(void **state)
{
	struct override o = { .target = "mx1", .word = WORD_STOP,
	    .until_ms = SCENE_START - 1, .source = "redis" };
	const char *why;

	(void)state;
	scene_open(&s, CONF);
	assert_true(board_override(s.board, &o, s.now_ms, &why));
	assert_int_equal(board_override_count(s.board), 0);
}

static void
test_override_news(void **state)
{
	(void)state;
	scene_open(&s, CONF);
	scene_override(&s, "mx1", WORD_STOP, HOUR, "one");
	scene_hush(&s);
	/* Read once more, its end off by the time that takes: no news. */
	scene_override(&s, "mx1", WORD_STOP, HOUR + 900, "one");
	assert_string_equal(s.log, "");
	scene_override(&s, "mx1", WORD_STOP, HOUR, "two");
	unit_says(s.log, "(two)");
	scene_hush(&s);
	scene_override(&s, "mx1", WORD_STOP, 2 * HOUR, "two");
	unit_says(s.log, "ends in 2h");
	scene_hush(&s);
	scene_override(&s, "mx1", WORD_STOP, 0, "two");
	unit_says(s.log, "until it is removed");
	assert_int_equal(board_override_count(s.board), 1);
}

static void
test_override_reason_is_clean(void **state)
{
	(void)state;
	scene_open(&s, CONF);
	scene_override(&s, "mx1", WORD_STOP, 0, "a\r\nb\033[2J\xff");
	unit_says(s.log, "(a b?[2J?)");
}

static const struct target_row {
	const char	*claim;
	const char	*target;
	const char	*normal;	/* NULL: refused */
	const char	*why;		/* refused by board_target() */
} target_rows[] = {
	{ "an egress", "mx1", "mx1", NULL },
	{ "all", "all", "all", NULL },
	{ "an address", MX1, MX1, NULL },
	{ "an address in another form", "2001:DB8:0::7", MX1_6, NULL },
	{ "an account", "account:ann@example.org",
	    "account:ann@example.org", NULL },
	{ "an account with every printable character",
	    "account:a!#$%&'*+/=?^`{|}~", "account:a!#$%&'*+/=?^`{|}~",
	    NULL },
	{ "a domain", "domain:example.org", "domain:example.org", NULL },
	{ "a provider", "provider:gmail", "provider:gmail", NULL },
	{ "a provider that nobody knows", "provider:nobody",
	    "provider:nobody", "no provider of providers.conf" },
	{ "no provider", "provider:", NULL, "names no provider" },
	{ "a domain in capitals with a final dot", "domain:Example.ORG.",
	    "domain:example.org", NULL },
	{ "an egress that is not here", "mx9", "mx9",
	    "no egress or address of this host" },
	{ "an address that is not here", "192.0.2.1", "192.0.2.1",
	    "no egress or address of this host" },
	{ "a bare domain is no target, though it is watched",
	    "watched.example", "watched.example",
	    "no egress or address of this host" },
	{ "nothing", "", NULL, "empty" },
	{ "no account", "account:", NULL, "names no account" },
	{ "no domain", "domain:", NULL, "names no domain" },
	{ "a mailbox is no domain", "domain:a@example.org", NULL,
	    "names no domain" },
	{ "a space", "mx1 mx2", NULL, "does not belong" },
	{ "a line end", "mx1\n", NULL, "does not belong" },
	{ "a byte outside ASCII", "mx\xc3\xbc", NULL, "does not belong" },
	{ "an unknown kind", "user:ann", NULL, "is none of" },
	{ "a slash", "203.0.113.0/24", NULL, "is none of" },
};

static void
test_target(void **state)
{
	const struct target_row *r = *state;
	struct override o = { .word = WORD_STOP };
	char out[BOARD_NAME_MAX], *providers;
	const char *why;

	providers = xasprintf(CONF "domains = [\"watched.example\"];"
	    "providers = \"%s\";", unit_source("etc/providers.conf"));
	scene_open(&s, providers);
	free(providers);
	why = board_target(s.board, r->target, out);
	if (r->why == NULL)
		assert_null(why);
	else
		unit_says(why != NULL ? why : "(nothing)", r->why);
	snprintf(o.target, sizeof(o.target), "%s", r->target);
	assert_int_equal(board_override(s.board, &o, s.now_ms, &why),
	    r->normal != NULL);
	if (r->normal != NULL) {
		assert_string_equal(out, r->normal);
		assert_string_equal(board_get_override(s.board, 0)->target,
		    r->normal);
	}
	scene_tick(&s);
	/* What names nothing here is kept, and said to name nothing. */
	if (r->normal != NULL && r->why != NULL)
		unit_says(s.log, r->why);
}

/* Redis minds the case of its keys. */
static void
test_target_spelling(void **state)
{
	static const char *const spelt[][2] = {
		{ "MX1", "mx1" }, { "ALL", "all" },
		{ "provider:GMail", "provider:gmail" },
		{ "provider:T-Online", "provider:t-online" },
	};
	char out[BOARD_NAME_MAX], *conf;
	size_t i;

	(void)state;
	conf = xasprintf(CONF "providers = \"%s\";",
	    unit_source("etc/providers.conf"));
	scene_open(&s, conf);
	free(conf);
	for (i = 0; i < COUNT(spelt); i++) {
		assert_null(board_target(s.board, spelt[i][0], out));
		assert_string_equal(out, spelt[i][1]);
	}
}

static void
test_long_target(void **state)
{
	struct override o = { .word = WORD_STOP };
	const char *why;

	(void)state;
	scene_open(&s, CONF);
	memset(o.target, 'a', sizeof(o.target) - 1);
	memcpy(o.target, "account:", 8);
	assert_true(board_override(s.board, &o, s.now_ms, &why));
	assert_string_equal(board_get_override(s.board, 0)->target, o.target);
}

static void
test_many_overrides(void **state)
{
	struct override o = { .word = WORD_STOP };
	const char *why;
	int i, kept = 0;

	(void)state;
	scene_open(&s, CONF);
	/* In an order that is not the one in which they are kept. */
	for (i = 0; i < 12000; i++) {
		snprintf(o.target, sizeof(o.target), "account:%d",
		    i * 7919 % 12000);
		kept += board_override(s.board, &o, s.now_ms, &why);
	}
	assert_int_equal(kept, 10000);
	assert_int_equal(board_override_count(s.board), 10000);
	unit_says(why, "too many");
	for (i = 1; i < 10000; i++)
		assert_true(strcmp(board_get_override(s.board,
		    (size_t)i - 1)->target, board_get_override(s.board,
		    (size_t)i)->target) < 0);
	/* One that is there can still be changed, and removed. */
	snprintf(o.target, sizeof(o.target), "account:0");
	o.word = WORD_SEND;
	assert_true(board_override(s.board, &o, s.now_ms, &why));
	o.word = WORD_NONE;
	assert_true(board_override(s.board, &o, s.now_ms, &why));
	assert_int_equal(board_override_count(s.board), 9999);
}

/* --- health ------------------------------------------------------------- */

static void
test_blind(void **state)
{
	const char *reason;

	(void)state;
	scene_open(&s, CONF);
	assert_false(board_blind(s.board, 0));
	board_health(s.board, 0, SUBJECT_IPV6, HEALTH_BLIND, "time-out",
	    s.now_ms);
	scene_tick(&s);
	unit_says(s.log, "a.x.example (ipv6): blind: time-out; it neither "
	    "stops nor releases anything");
	assert_true(board_blind(s.board, 0));
	assert_false(board_blind(s.board, 1));	/* has no IPv6 address */
	assert_int_equal(board_list_health(s.board, 0, &reason, NULL),
	    HEALTH_BLIND);
	assert_string_equal(reason, "time-out");
	board_health(s.board, 0, SUBJECT_IPV6, HEALTH_USABLE, "", s.now_ms);
	scene_hush(&s);
	scene_tick(&s);
	unit_says(s.log, "usable again, was blind");
	assert_false(board_blind(s.board, 0));
	/* A list without weight hides nothing. */
	board_health(s.board, 3, SUBJECT_IPV4, HEALTH_BROKEN, "lists the "
	    "world", s.now_ms);
	assert_false(board_blind(s.board, 0));
}

static void
test_blindness_moves_nothing(void **state)
{
	size_t i;

	(void)state;
	scene_open(&s, CONF);
	scene_list(&s, MX1, "e.w.example", BAD);
	for (i = 0; i < 5; i++)
		board_health(s.board, i, SUBJECT_IPV4, HEALTH_BLIND, "x",
		    s.now_ms);
	scene_tick(&s);
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
	assert_int_equal(scene_state(&s, "mx2"), STATE_SENDING);
	for (i = 0; i < 5; i++)
		board_health(s.board, i, SUBJECT_IPV4, HEALTH_BROKEN, "x",
		    s.now_ms);
	scene_pass_silently(&s, 30 * DAY);
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
	assert_int_equal(scene_state(&s, "mx2"), STATE_SENDING);
}

static void
test_health_news(void **state)
{
	(void)state;
	scene_open(&s, CONF);
	scene_hush(&s);
	board_health(s.board, 0, SUBJECT_IPV4, HEALTH_BLIND, "time-out",
	    s.now_ms);
	board_health(s.board, 0, SUBJECT_IPV4, HEALTH_BLIND, "SERVFAIL",
	    s.now_ms);
	scene_tick(&s);
	unit_says(s.log, "time-out");
	unit_says_not(s.log, "SERVFAIL");	/* once is enough */
}

/* --- a new configuration ------------------------------------------------ */

static void
test_reload_keeps(void **state)
{
	const struct override *by;

	(void)state;
	scene_open(&s, CONF);
	scene_list(&s, MX1, "e.w.example", BAD);
	scene_list(&s, MX2, "c.y.example", BAD);
	scene_override(&s, MX2, WORD_STOP, 0, "");
	board_health(s.board, 0, SUBJECT_IPV4, HEALTH_BLIND, "x", s.now_ms);
	scene_tick(&s);
	scene_hush(&s);
	/* The other way round, and one list more before them. */
	scene_reload(&s, "lists = ( { zone = \"new.example\"; },\n"
	    "{ zone = \"e.w.example\"; operator = \"w\"; },\n"
	    "{ zone = \"c.y.example\"; operator = \"y\"; weight = 50; },\n"
	    "{ zone = \"a.x.example\"; } );\n"
	    "egress = ( { name = \"new\"; addresses = \"192.0.2.1\"; },\n"
	    "{ name = \"mx2\"; addresses = \"" MX2 "\"; },\n"
	    "{ name = \"mx1\"; addresses = [\"" MX1_6 "\", \"" MX1
	    "\"]; } );\n");
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
	assert_int_equal(scene_state(&s, "mx2"), STATE_SENDING);
	assert_int_equal(scene_state(&s, "new"), STATE_SENDING);
	assert_int_equal(scene_score(&s, "mx1"), 100);
	assert_int_equal(scene_score(&s, "mx2"), 50);
	assert_int_equal(scene_score(&s, "new"), 0);
	assert_int_equal(board_effective(s.board, scene_egress(&s, "mx2"),
	    s.now_ms, &by), STATE_STOPPED);
	assert_string_equal(by->target, MX2);
	assert_int_equal(board_list_health(s.board, 3, NULL, NULL),
	    HEALTH_BLIND);
	assert_string_equal(s.log, "");
	scene_pass_silently(&s, DAY);
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
}

static void
test_reload_forgets_lists(void **state)
{
	(void)state;
	scene_open(&s, CONF);
	scene_list(&s, MX1, "e.w.example", BAD);
	scene_reload(&s, EGRESSES
	    "lists = ( { zone = \"a.x.example\"; } );\n");
	assert_int_equal(board_listing_count(s.board), 0);
	assert_int_equal(scene_score(&s, "mx1"), 0);
	/* And then the usual wait. */
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
}

static void
test_reload_forgets_kinds(void **state)
{
	(void)state;
	scene_open(&s, CONF);
	scene_list(&s, MX1_6, "a.x.example", BAD);
	assert_int_equal(scene_score(&s, "mx1"), 60);
	/* Nobody would ever ask for IPv6 again. */
	scene_reload(&s, EGRESSES "lists = ( { zone = \"a.x.example\"; "
	    "lists = \"ipv4\"; } );\n");
	assert_int_equal(scene_score(&s, "mx1"), 0);
}

static void
test_reload_follows_address(void **state)
{
	(void)state;
	scene_open(&s, CONF);
	scene_list(&s, MX1, "e.w.example", BAD);
	/* The listed address goes over to the other egress. */
	scene_reload(&s, LISTS
	    "egress = ( { name = \"mx1\"; addresses = \"" MX1_6 "\"; },\n"
	    "{ name = \"mx2\"; addresses = [\"" MX2 "\", \"" MX1
	    "\"]; } );\n");
	assert_int_equal(scene_state(&s, "mx2"), STATE_STOPPED);
	assert_int_equal(scene_score(&s, "mx1"), 0);
}

static void
test_reload_renamed(void **state)
{
	(void)state;
	scene_open(&s, CONF);
	scene_list(&s, MX1, "e.w.example", BAD);
	/* A new name frees no listed address, not for a moment. */
	scene_reload(&s, LISTS
	    "egress = ( { name = \"out\"; addresses = \"" MX1 "\"; } );\n");
	assert_int_equal(scene_state(&s, "out"), STATE_STOPPED);
}

static void
test_reload_weight(void **state)
{
	(void)state;
	scene_open(&s, CONF);
	scene_list(&s, MX1, "e.w.example", BAD);
	scene_reload(&s, EGRESSES
	    "lists = ( { zone = \"e.w.example\"; weight = 30; } );\n");
	/* With the next answer, without waiting for three. */
	scene_sweep(&s);
	scene_answer(&s, MX1, "e.w.example", BAD, false);
	scene_tick(&s);
	assert_int_equal(scene_score(&s, "mx1"), 30);
}

/* --- sender domains and the greeting's ---------------------------------- */

#define DOMAINS \
	"egress = ( { name = \"mx1\"; addresses = \"" MX1 "\"; " \
	"hostname = \"mx1.host.example\"; } );\n" \
	"domains = [\"shop.example\", \"news.shop.example\"];\n" \
	"lists = ( { zone = \"dbl.example\"; lists = \"domains\"; } );\n"

static void
test_domain(void **state)
{
	(void)state;
	scene_open(&s, DOMAINS);
	scene_list(&s, "shop.example", "dbl.example", BAD);
	assert_int_equal(board_domain_standing(s.board, 0)->state,
	    STATE_STOPPED);
	/* Lists are asked about the registered domain, so both are. */
	assert_int_equal(board_domain_standing(s.board, 1)->state,
	    STATE_STOPPED);
	assert_int_equal(scene_state(&s, "mx1"), STATE_SENDING);
	unit_says(s.log, "domain shop.example: sending -> stopped");
}

static void
test_greeting(void **state)
{
	(void)state;
	scene_open(&s, DOMAINS);
	scene_list(&s, "host.example", "dbl.example", BAD);
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
	assert_int_equal(board_domain_standing(s.board, 0)->state,
	    STATE_SENDING);
}

static void
test_domain_reload(void **state)
{
	(void)state;
	scene_open(&s, DOMAINS);
	scene_list(&s, "shop.example", "dbl.example", BAD);
	scene_reload(&s, DOMAINS);
	assert_int_equal(board_domain_standing(s.board, 0)->state,
	    STATE_STOPPED);
	scene_pass(&s, DAY);
	assert_int_equal(board_domain_standing(s.board, 0)->state,
	    STATE_STOPPED);
}

/* --- text, events, subjects --------------------------------------------- */

static void
test_text(void **state)
{
	char text[2000];

	(void)state;
	scene_open(&s, CONF);
	scene_list(&s, MX1, "e.w.example", BAD);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "see\r\n\033[31m", 10);
	board_text(s.board, (size_t)board_find_subject(s.board, MX1), 4,
	    text);
	assert_memory_equal(board_listing(s.board, 0)->text, "see ?[31ma",
	    10);
	assert_int_equal(strlen(board_listing(s.board, 0)->text),
	    BOARD_TEXT_MAX - 1);
	/* For what is not listed it is dropped. */
	board_text(s.board, 0, 0, "x");
}

static void
test_undrained_events(void **state)
{
	struct board_event e;
	size_t n = 0;
	int i;

	(void)state;
	scene_open(&s, CONF);
	for (i = 0; i < 110000; i++)
		board_note(s.board, EVENT_NOTE, s.now_ms, "note %d", i);
	while (board_next_event(s.board, &e))
		n++;
	assert_in_range(n, 1000, 200000);
	board_note(s.board, EVENT_NOTE, s.now_ms, "again");
	assert_true(board_next_event(s.board, &e));
	assert_string_equal(e.text, "again");
	assert_false(board_next_event(s.board, &e));
}

static void
test_events_in_order(void **state)
{
	struct board_event e;
	int i, j;

	(void)state;
	scene_open(&s, CONF);
	/* Some are taken while others come. */
	for (i = 0, j = 0; i < 1000; i++) {
		board_note(s.board, EVENT_NOTE, s.now_ms + i, "%d", i);
		if (i % 3 == 0) {
			assert_true(board_next_event(s.board, &e));
			assert_int_equal(atoi(e.text), j++);
		}
	}
	while (board_next_event(s.board, &e))
		assert_int_equal(atoi(e.text), j++);
	assert_int_equal(j, 1000);
}

static void
test_subjects(void **state)
{
	(void)state;
	scene_open(&s, CONF);
	assert_int_equal(board_subject_count(s.board), 3);
	assert_int_not_equal(board_find_subject(s.board, MX1_6), -1);
	assert_int_equal(board_find_subject(s.board, "192.0.2.1"), -1);
	assert_int_equal(board_find_subject(s.board, "nonsense"), -1);
	assert_false(board_has_listing(s.board, 0, SUBJECT_IPV4));
	scene_answer(&s, MX1, "a.x.example", BAD, false);
	assert_true(board_has_listing(s.board, 0, SUBJECT_IPV4));
	assert_false(board_has_listing(s.board, 0, SUBJECT_IPV6));
	assert_false(board_has_listing(s.board, 1, SUBJECT_IPV4));
}

static void
test_observe(void **state)
{
	(void)state;
	scene_open(&s, "mode = \"observe\";\n" CONF);
	scene_list(&s, MX1, "e.w.example", BAD);
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
	unit_says(s.log, "observe mode");
}

static void
test_names(void **state)
{
	enum state st;
	int i;

	(void)state;
	for (i = 0; i < STATE_KINDS; i++) {
		assert_true(state_parse(state_name((enum state)i), &st));
		assert_int_equal(st, i);
	}
	assert_false(state_parse("halted", &st));
	for (i = 0; i < EVENT_KINDS; i++)
		assert_non_null(event_kind_name((enum event_kind)i));
	for (i = 0; i < HEALTH_KINDS; i++)
		assert_non_null(health_name((enum health)i));
}

/* --- pools and volumes --------------------------------------------------- */

#define POOL	EGRESSES "lists = ( { zone = \"e.w.example\"; } );\n"

static struct traffic *
counters(const char *egress)
{
	return board_policy(s.board)->egress[scene_egress(&s,
	    egress)].traffic;
}

/* What the front ends and the gate counted is not lost by a reload, and what
 * was let out of a probation stays let out. */
static void
test_volume_reload(void **state)
{
	const struct view *v;
	int i;

	(void)state;
	scene_open(&s, POOL);
	counters("mx1")->delivered = 7;
	scene_list(&s, MX1, "e.w.example", BAD);
	scene_delist(&s, MX1, "e.w.example");
	scene_pass(&s, 16 * MINUTE);
	assert_int_equal(scene_state(&s, "mx1"), STATE_PROBATION);
	counters("mx1")->passed = 3;
	counters("mx1")->delivered += 4;
	scene_pass(&s, MINUTE);
	assert_int_equal(board_volume(s.board, 0)->accepted, 4);
	/* Not looked at before the reload. */
	counters("mx1")->delivered += 5;
	for (i = 0; i < 3; i++) {
		scene_reload(&s, POOL);
		assert_int_equal(counters("mx1")->delivered, 0);
		assert_int_equal(board_volume(s.board, 0)->accepted, 9);
		assert_int_equal(board_volume(s.board, 0)->hour, 16);
		v = board_view_get(s.board);
		assert_int_equal(counters("mx1")->delivered -
		    v->egress[0].delivered_before, 9);
		assert_int_equal(v->egress[0].accepted, 9);
		view_put(v);
	}
	counters("mx1")->delivered = 1;
	scene_pass(&s, MINUTE);
	assert_int_equal(board_volume(s.board, 0)->accepted, 10);
	assert_int_equal(board_volume(s.board, 0)->hour, 17);
}

static void
test_volume_reload_order(void **state)
{
	struct standing st = { .usual = { .per_hour = 40, .hours = 24 },
	    .stopped_ms = SCENE_START - HOUR };

	(void)state;
	scene_open(&s, POOL);
	board_restore_standing(s.board, 1, &st);
	board_set_gated(s.board, 1, true);
	counters("mx2")->passed = 6;
	scene_reload(&s, "egress = ( { name = \"mx2\"; addresses = \"" MX2
	    "\"; }, { name = \"mx7\"; addresses = \"203.0.113.70\"; } );\n"
	    "lists = ( { zone = \"e.w.example\"; } );\n");
	assert_int_equal(board_volume(s.board, 0)->hour, 6);
	assert_int_equal(board_volume(s.board, 1)->hour, 0);
	assert_int_equal(board_standing(s.board, 0)->usual.hours, 24);
	assert_int_equal(board_standing(s.board, 0)->stopped_ms,
	    SCENE_START - HOUR);
	assert_false(board_standing(s.board, 0)->fresh);
	assert_true(board_standing(s.board, 1)->fresh);
}

/* An hour in which somebody was stopped says nothing, reload or not. */
static void
test_volume_reload_taint(void **state)
{
	(void)state;
	scene_open(&s, POOL);
	scene_override(&s, "mx2", WORD_STOP, 5 * MINUTE, "");
	scene_pass(&s, 10 * MINUTE);
	scene_reload(&s, POOL);
	scene_pass(&s, 55 * MINUTE);
	assert_int_equal(board_standing(s.board, 0)->usual.hours, 0);
	scene_pass(&s, HOUR);
	assert_int_equal(board_standing(s.board, 0)->usual.hours, 1);
	/* And one without is learned from. */
	scene_reload(&s, POOL);
	scene_pass(&s, HOUR);
	assert_int_equal(board_standing(s.board, 0)->usual.hours, 2);
}

static bool
is_full(const char *egress)
{
	const struct view *v = board_view_get(s.board);
	bool full = v->egress[scene_egress(&s, egress)].full;

	view_put(v);
	return full;
}

/* Only who has taken mail of others can have taken too much of it. */
static void
test_full(void **state)
{
	struct standing st = { .usual = { .per_hour = 200, .hours = 24 } };

	(void)state;
	scene_open(&s, POOL);
	board_restore_standing(s.board, 1, &st);
	/* A busy hour is its own business, and so is what the mail server
	 * sends by it of its own accord. */
	counters("mx2")->passed = 900;
	scene_pass(&s, MINUTE);
	assert_false(is_full("mx2"));
	counters("mx2")->rerouted = 1;
	scene_pass(&s, MINUTE);
	assert_false(is_full("mx2"));
	scene_pass(&s, HOUR);
	scene_list(&s, MX1, "e.w.example", BAD);
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
	counters("mx2")->passed += 900;
	scene_pass(&s, MINUTE);
	assert_false(is_full("mx2"));
	unit_says_not(s.log, "takes no more");
	counters("mx2")->rerouted++;
	scene_pass(&s, MINUTE);
	assert_true(is_full("mx2"));
	unit_says(s.log, "egress mx2: 901 messages in this hour, its usual "
	    "number is");
	scene_hush(&s);
	scene_pass(&s, 10 * MINUTE);
	unit_says_not(s.log, "takes no more");
	/* The next hour is another. */
	scene_pass(&s, HOUR);
	assert_false(is_full("mx2"));
}

static void
test_view_of_volumes(void **state)
{
	struct standing st = { .usual = { .per_hour = 40, .hours = 24 },
	    .fresh = true };
	const struct view *v;

	(void)state;
	scene_open(&s, POOL);
	v = board_view_get(s.board);
	assert_true(v->egress[0].usual == 0);
	assert_false(v->egress[0].fresh || v->egress[0].gated ||
	    v->egress[0].full);
	view_put(v);
	board_restore_standing(s.board, 0, &st);
	st.usual.hours = 23;	/* is not known yet */
	board_restore_standing(s.board, 1, &st);
	board_set_gated(s.board, 0, true);
	board_publish(s.board);
	v = board_view_get(s.board);
	assert_true(v->egress[0].usual == 40 && v->egress[1].usual == 0);
	assert_true(v->egress[0].fresh);
	assert_true(v->egress[0].gated && !v->egress[1].gated);
	view_put(v);
	board_set_gated(s.board, 0, false);
	board_publish(s.board);
	v = board_view_get(s.board);
	assert_false(v->egress[0].gated);
	view_put(v);
	/* The same again is no news. */
	board_set_gated(s.board, 0, false);
	v = board_view_get(s.board);
	board_publish(s.board);
	assert_int_equal(board_generation(s.board), v->generation);
	view_put(v);
}

/* The gate's next question must know what has been let out. */
static void
test_view_of_probation(void **state)
{
	const struct view *v;

	(void)state;
	scene_open(&s, POOL);
	scene_list(&s, MX1, "e.w.example", BAD);
	counters("mx1")->delivered = 20;
	scene_delist(&s, MX1, "e.w.example");
	scene_pass(&s, 16 * MINUTE);
	v = board_view_get(s.board);
	assert_int_equal(v->egress[0].state, STATE_PROBATION);
	assert_int_equal(v->egress[0].delivered_before, 20);
	assert_int_equal(v->egress[0].accepted, 0);
	view_put(v);
	counters("mx1")->passed = 2;
	scene_tick(&s);
	v = board_view_get(s.board);
	assert_int_equal(v->egress[0].accepted, 2);
	assert_int_equal(v->egress[0].delivered_before, 20);
	view_put(v);
}

static const struct usual_row {
	const char	*claim;
	double		 per_hour;
	int		 hours;
	bool		 known;
} usual_rows[] = {
	{ "what was usual is usual", 1234.5, 24, true },
	{ "nothing as well", 0, 24, true },
	{ "of an hour too", 5, 1, true },
	{ "no number is", 0.0 / 0.0, 24, false },
	{ "nor one without end", 1e308, 24, false },
	{ "nor less than nothing", -1, 24, false },
	{ "nor hours before the first", 5, -1, false },
	{ "nor more hours than are counted", 5, 1000000, false },
};

static void
test_usual(void **state)
{
	const struct usual_row *r = *state;
	struct standing st = { .state = STATE_STOPPED,
	    .usual = { .per_hour = r->per_hour, .hours = r->hours } };

	scene_open(&s, POOL);
	board_restore_standing(s.board, 0, &st);
	assert_int_equal(board_standing(s.board, 0)->usual.hours, r->known ?
	    r->hours : 0);
	assert_true(board_standing(s.board, 0)->usual.per_hour == (r->known ?
	    r->per_hour : 0));
	assert_int_equal(scene_state(&s, "mx1"), STATE_STOPPED);
	scene_pass(&s, 3 * HOUR);
}

/* The guard is of the pool, and goes with it. */
static void
test_guard_reload(void **state)
{
	(void)state;
	scene_open(&s, "egress = ( { name = \"mx1\"; addresses = \"" MX1
	    "\"; }, { name = \"mx2\"; addresses = \"" MX2 "\"; }, "
	    "{ name = \"mx3\"; addresses = \"203.0.113.9\"; } );\n"
	    "pools = ( { name = \"p\"; egress = [\"mx1\", \"mx2\", "
	    "\"mx3\"]; burn_limit = 1; } );\n"
	    "lists = ( { zone = \"e.w.example\"; } );\n");
	scene_list(&s, MX1, "e.w.example", BAD);
	scene_list(&s, MX2, "e.w.example", BAD);
	assert_true(board_pool(s.board, 0)->guarded);
	assert_int_equal(board_effective(s.board, 2, s.now_ms, NULL),
	    STATE_STOPPED);
	scene_hush(&s);
	/* A greater limit opens it with the reload, and says so. */
	scene_reload(&s, "egress = ( { name = \"mx1\"; addresses = \"" MX1
	    "\"; }, { name = \"mx2\"; addresses = \"" MX2 "\"; }, "
	    "{ name = \"mx3\"; addresses = \"203.0.113.9\"; }, "
	    "{ name = \"mx4\"; addresses = \"203.0.113.10\"; } );\n"
	    "pools = ( { name = \"q\"; egress = \"mx4\"; }, "
	    "{ name = \"p\"; egress = [\"mx1\", \"mx2\", \"mx3\"]; "
	    "burn_limit = 2; } );\n"
	    "lists = ( { zone = \"e.w.example\"; } );\n");
	assert_false(board_pool(s.board, 1)->guarded);
	unit_says(s.log, "pool p: no longer more than 2 egresses stopped");
	assert_int_equal(board_effective(s.board, 2, s.now_ms, NULL),
	    STATE_SENDING);
}

int
main(void)
{
	unit_around(NULL, close_scene);
	unit_rows(score_rows, test_score);
	unit_claim("what is not confirmed counts nothing",
	    test_unconfirmed_counts_nothing);
	unit_claim("an answer without proof changes nothing", test_no_proof);
	unit_claim("an answer without proof releases nothing",
	    test_no_proof_releases_nothing);
	unit_claim("an incident from the first listing to the return",
	    test_incident);
	unit_claim("silence releases nothing that is listed",
	    test_silence_while_listed);
	unit_claim("silence releases nothing that waits",
	    test_silence_while_waiting);
	unit_claim("silence for one address is silence",
	    test_one_address_silent);
	unit_claim("a restart releases nothing before all have been asked",
	    test_restart_after_a_night);
	unit_claim("a blind list does not keep it stopped",
	    test_blind_list_does_not_hold_for_ever);
	unit_claim("without lists there is no answer to wait for",
	    test_nothing_to_wait_for);
	unit_rows(override_rows, test_override);
	unit_claim("a word ends at its time", test_override_ends);
	unit_claim("a word that is over already is none",
	    test_override_already_over);
	unit_claim("the same word again is no news", test_override_news);
	unit_claim("a reason is one clean line",
	    test_override_reason_is_clean);
	unit_rows(target_rows, test_target);
	unit_claim("what is known is spelt in one way", test_target_spelling);
	unit_claim("the longest target is kept whole", test_long_target);
	unit_claim("there is an end to overrides, and they stay sorted",
	    test_many_overrides);
	unit_claim("blind is who cannot be seen by a list that counts",
	    test_blind);
	unit_claim("blindness neither stops nor releases",
	    test_blindness_moves_nothing);
	unit_claim("health is news when it changes", test_health_news);
	unit_rows(step_rows, test_clock_set);
	unit_claim("an end from a file is by the calendar",
	    test_clock_set_restored);
	unit_claim("what was answered before the clock was set back is no "
	    "proof after it", test_clock_set_back_proves_nothing);
	unit_claim("a view goes with the clock of its times",
	    test_clock_of_view);
	unit_claim("a reload keeps listings, states, words and health",
	    test_reload_keeps);
	unit_claim("a reload forgets what lists that are gone said",
	    test_reload_forgets_lists);
	unit_claim("a reload forgets what is not asked any more",
	    test_reload_forgets_kinds);
	unit_claim("a listing goes with its address",
	    test_reload_follows_address);
	unit_claim("a new name frees no listed address",
	    test_reload_renamed);
	unit_claim("a new weight counts with the next answer",
	    test_reload_weight);
	unit_claim("a listed sender domain stops itself alone", test_domain);
	unit_claim("the domain of the greeting stops its egress",
	    test_greeting);
	unit_claim("a reload keeps a domain stopped", test_domain_reload);
	unit_claim("a list's text is clean and bounded", test_text);
	unit_claim("events that nobody takes do not fill the memory",
	    test_undrained_events);
	unit_claim("events come in their order", test_events_in_order);
	unit_claim("every address is a subject, once", test_subjects);
	unit_claim("observe mode decides, and says that mail passes",
	    test_observe);
	unit_claim("every state, event and health has a name", test_names);
	unit_claim("a reload loses no count, and lets nothing out twice",
	    test_volume_reload);
	unit_claim("volumes go with the name of their egress",
	    test_volume_reload_order);
	unit_claim("a reload does not forget that an hour is void",
	    test_volume_reload_taint);
	unit_claim("what no list is asked about is not waited for",
	    test_checked_greeting);
	unit_claim("full is who has taken mail of others", test_full);
	unit_claim("front ends see what is usual when it is known",
	    test_view_of_volumes);
	unit_claim("they see where a probation stands",
	    test_view_of_probation);
	unit_rows(usual_rows, test_usual);
	unit_claim("a reload opens a guard that is none any more",
	    test_guard_reload);
	return unit_run("board");
}
