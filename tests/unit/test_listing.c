/*
 * test_listing.c - when an answer becomes a listing, and when it is gone
 */
#include "unit.h"

#include <string.h>

#include "core/listing.h"

#define T	1795300000000LL		/* ms since the epoch */

/*
 * A script is one letter per answer; capital: in a sweep, small: as a second
 * look that was asked for.
 */
static const struct {
	char			letter;
	struct answer_seen	seen;
} answers[] = {
	{ 'L', { ANS_LISTED, 0x7f000002, 100, "spam" } },
	{ 'H', { ANS_LISTED, 0x7f000004, 200, "worse" } },
	{ 'X', { ANS_LISTED, 0x7f000005, 300, "worst" } },
	{ 'M', { ANS_LISTED, 0x7f000003, 40, "less" } },
	{ 'E', { ANS_LISTED, 0x7f000006, 100, "equal" } },
	{ 'W', { ANS_LISTED, 0x7f000002, 60, "other weight" } },
	{ 'Z', { ANS_LISTED, 0x7f000009, 0, "weightless" } },
	{ 'P', { ANS_POLICY, 0x7f00000a, 0, "policy" } },
	{ 'Q', { ANS_POLICY, 0x7f00000b, 50, "policy that counts" } },
	{ 'U', { ANS_UNKNOWN, 0x7f000063, 0, "" } },
	{ 'C', { ANS_CLEAN, 0, 0, "" } },
	{ 'R', { ANS_REFUSED, 0x7fffffff, 0, "" } },
	{ 'F', { ANS_FAILED, 0, 0, "" } },
	{ 'O', { ANS_ODD, 0, 0, "" } },
	{ 'N', { ANS_FOREIGN, 0x5bc3f075, 0, "" } },
};

/* The steps that it must give, one letter each. */
static char
step_letter(enum listing_step s)
{
	switch (s) {
	case LISTING_SAME:
		return '=';
	case LISTING_SUSPECTED:
		return 's';
	case LISTING_AGAIN:
		return 'a';
	case LISTING_CONFIRMED:
		return '!';
	case LISTING_DISPUTED:
		return 'd';
	case LISTING_DROPPED:
		return 'D';
	case LISTING_GONE:
		return 'G';
	case LISTING_FADED:
		return 'F';
	case LISTING_LIGHTER:
		return '<';
	}
	return '?';
}

static const struct row {
	const char	*claim;
	const char	*script;
	const char	*steps;
	int		 counts;	/* at the end; -1: is forgotten */
	int		 confirm, clean;	/* 0: 2 and 3 */
	int		 returns;
} rows[] = {
	/* Confirmation */
	{ "one look counts nothing", "L", "s", 0, 0, 0, 0 },
	{ "a second look that agrees confirms", "Ll", "s!", 100, 0, 0, 0 },
	{ "a sweep is no second look", "LLLL", "saaa", 0, 0, 0, 0 },
	{ "but asks for it again, in case it was lost", "LLl", "sa!", 100, 0,
	    0, 0 },
	{ "with confirm = 1 one look is enough", "L", "!", 100, 1, 0, 0 },
	{ "with confirm = 3 two are not", "Ll", "sa", 0, 3, 0, 0 },
	{ "with confirm = 3 three are", "Lll", "sa!", 100, 3, 0, 0 },
	{ "a confirmed one is no more news", "LlLLl", "s!===", 100, 0, 0, 0 },

	/* Disagreement */
	{ "a second look that is clean confirms nothing", "Lc", "sd", 0, 0, 0,
	    0 },
	{ "then it takes two looks again", "LcLl", "sda!", 100, 0, 0, 0 },
	{ "two resolvers that never agree never confirm", "LcLcLcLcLc",
	    "sda=a=a=a=", 0, 0, 0, 0 },
	{ "a sweep that is clean is a disagreement too", "LC", "sd", 0, 0, 0,
	    0 },
	{ "what is no more seen is forgotten", "LcCC", "sd=D", -1, 0, 0, 0 },
	{ "with confirm = 3 one clean look starts anew", "LlcLll",
	    "sadaa!", 100, 3, 0, 0 },

	/* What proves nothing */
	{ "a refusal neither confirms nor disputes", "Lrl", "s=!", 100, 0, 0,
	    0 },
	{ "a time-out neither confirms nor disputes", "Lfl", "s=!", 100, 0,
	    0, 0 },
	{ "an odd answer neither confirms nor disputes", "Lol", "s=!", 100,
	    0, 0, 0 },
	{ "a foreign answer neither confirms nor disputes", "Lnl", "s=!",
	    100, 0, 0, 0 },
	{ "nothing of the kind is a first look", "RFONrfon", "========", 0,
	    0, 0, 0 },
	{ "nothing of the kind is clean",
	    "LlRRRRFFFFOOOONNNN", "s!================", 100, 0, 0, 0 },
	{ "it does not break a run of clean answers either", "LlCRCFC",
	    "s!====G", -1, 0, 0, 0 },

	/* Release */
	{ "one clean answer releases nothing", "LlC", "s!=", 100, 0, 0, 0 },
	{ "two clean answers release nothing", "LlCC", "s!==", 100, 0, 0, 0 },
	{ "three clean answers do", "LlCCC", "s!==G", -1, 0, 0, 0 },
	{ "only if they follow each other", "LlCCLCCLCC", "s!========", 100,
	    0, 0, 0 },
	{ "with clean = 1 one is enough", "LlC", "s!G", -1, 0, 1, 0 },
	{ "second looks count as well", "Llccc", "s!==G", -1, 0, 0, 0 },
	{ "one that came back is asked for twice as many", "LlCCCCCC",
	    "s!=====G", -1, 0, 0, 1 },
	{ "... and one that comes and goes, four times at most",
	    "LlCCCCCCCCCCCC", "s!===========G", -1, 0, 0, 50 },

	/* Listed, and not so badly */
	{ "a policy is noted and counts nothing", "Pp", "s!", 0, 0, 0, 0 },
	{ "from a listing to a policy takes three answers", "LlPPP",
	    "s!==F", 0, 0, 0, 0 },
	{ "... that follow each other", "LlPPLPP", "s!=====", 100, 0, 0, 0 },
	{ "from a policy to a listing takes a second look", "PpLl", "s!s!",
	    100, 0, 0, 0 },
	{ "a policy seen first confirms no listing", "Pl", "ss", 0, 0, 0, 0 },
	{ "... until that is seen again", "Pll", "ss!", 100, 0, 0, 0 },
	{ "a listing seen first is no policy confirmed", "Lp", "ss", 0, 0, 0,
	    0 },
	{ "a policy with a weight of its own counts", "Qq", "s!", 50, 0, 0,
	    0 },
	{ "a code that nobody knows confirms nothing that counts", "Lu",
	    "ss", 0, 0, 0, 0 },
	{ "a code that nobody knows releases nothing", "LlUUUUUUUU",
	    "s!========", 100, 0, 0, 0 },
	{ "... and breaks the run of clean answers", "LlCCUC", "s!====", 100,
	    0, 0, 0 },

	/* Another code of the same list */
	{ "a lighter first look does not confirm a heavier one", "Ml", "ss",
	    0, 0, 0, 0 },
	{ "... until that is seen again", "Mll", "ss!", 100, 0, 0, 0 },
	{ "a heavier first look confirms a lighter one", "Lm", "s!", 40, 0, 0,
	    0 },
	{ "one look does not make a listing heavier", "MmL", "s!a", 40, 0, 0,
	    0 },
	{ "nor do many sweeps", "MmLLLL", "s!aaaa", 40, 0, 0, 0 },
	{ "a second look does", "MmLl", "s!a!", 100, 0, 0, 0 },
	{ "a second look that is not as heavy does not", "MmLm", "s!a=", 40,
	    0, 0, 0 },
	{ "... and the looks begin anew", "MmLmLl", "s!a=a!", 100, 0, 0, 0 },
	{ "a clean second look neither", "MmLcLl", "s!a=a!", 100, 0, 0, 0 },
	{ "one look at the worst is one look", "MmHx", "s!aa", 40, 0, 0, 0 },
	{ "... and two are two", "MmHxx", "s!aa!", 300, 0, 0, 0 },
	{ "the worst and then the worse confirm the worse", "MmXh", "s!a!",
	    200, 0, 0, 0 },
	{ "with confirm = 1 it is heavier at once", "ML", "!!", 100, 1, 0,
	    0 },
	{ "what weighs nothing confirms nothing that does", "ZzL", "s!a", 0,
	    0, 0, 0 },
	{ "one answer does not make a listing lighter", "LlM", "s!=", 100, 0,
	    0, 0 },
	{ "three do", "LlMMM", "s!==<", 40, 0, 0, 0 },
	{ "only if they follow each other", "LlMMLMM", "s!=====", 100, 0, 0,
	    0 },
	{ "clean ones between do not make it gone", "LlMMC", "s!===", 100, 0,
	    0, 0 },
	{ "but lighter once it is seen again", "LlMMCM", "s!===<", 40, 0, 0,
	    0 },
	{ "after lighter ones it still takes three to be gone", "LlMCCC",
	    "s!===G", -1, 0, 0, 0 },
	{ "nothing is heavier for being light in between", "LlMHC", "s!=a=",
	    100, 0, 0, 0 },
	{ "another code of the same weight is the same listing", "LlEC",
	    "s!==", 100, 0, 0, 0 },
	{ "the same code with another weight is a changed configuration",
	    "LlW", "s!=", 60, 0, 0, 0 },
	{ "... in both directions", "WwL", "s!=", 100, 0, 0, 0 },
};

static void
answer(char letter, struct answer_seen *a, bool *second_look)
{
	size_t i;

	*second_look = letter >= 'a';
	if (*second_look)
		letter = (char)(letter - 'a' + 'A');
	for (i = 0; i < COUNT(answers); i++) {
		if (answers[i].letter == letter) {
			*a = answers[i].seen;
			return;
		}
	}
	fail_msg("no answer %c", letter);
}

static void
test_row(void **state)
{
	const struct row *r = *state;
	struct policy p = { .confirm = r->confirm != 0 ? r->confirm : 2,
	    .resume_clean = r->clean != 0 ? r->clean : 3 };
	struct listing l = { .returns = r->returns };
	char steps[64] = "";
	struct answer_seen a;
	bool second_look, forgotten = false;
	size_t i;

	assert_int_equal(strlen(r->script), strlen(r->steps));
	for (i = 0; r->script[i] != '\0'; i++) {
		assert_false(forgotten);
		answer(r->script[i], &a, &second_look);
		steps[i] = step_letter(listing_step(&l, &a, second_look, &p,
		    T + (int64_t)i * 60000));
		forgotten = steps[i] == 'G' || steps[i] == 'D';
	}
	assert_string_equal(steps, r->steps);
	assert_int_equal(forgotten, r->counts == -1);
	if (!forgotten)
		assert_int_equal(l.confirmed ? l.seen.weight : 0, r->counts);
}

/* --- times -------------------------------------------------------------- */

static void
test_times(void **state)
{
	struct policy p = { .confirm = 2, .resume_clean = 3 };
	struct listing l = { 0 };
	struct answer_seen a;
	bool second_look;

	(void)state;
	answer('L', &a, &second_look);
	listing_step(&l, &a, false, &p, T);
	assert_int_equal(l.first_ms, T);
	assert_int_equal(l.since_ms, 0);
	listing_step(&l, &a, true, &p, T + 10);
	assert_int_equal(l.first_ms, T);
	assert_int_equal(l.since_ms, T + 10);
	listing_step(&l, &a, false, &p, T + 20);
	assert_int_equal(l.since_ms, T + 10);
	assert_int_equal(l.seen_ms, T + 20);
	answer('C', &a, &second_look);
	listing_step(&l, &a, false, &p, T + 30);
	assert_int_equal(l.seen_ms, T + 20);
	assert_int_equal(l.cleans, 1);
}

/* --- kinds of answers --------------------------------------------------- */

static void
test_kinds(void **state)
{
	int i;

	(void)state;
	/* Every answer is exactly one of: there, away, no proof. */
	for (i = 0; i < ANS_KINDS; i++) {
		enum answer a = (enum answer)i;

		assert_int_equal((a == ANS_CLEAN) + answer_present(a) +
		    answer_proves_nothing(a), 1);
	}
	assert_true(answer_present(ANS_LISTED));
	assert_true(answer_present(ANS_UNKNOWN));
	assert_true(answer_proves_nothing(ANS_REFUSED));
	assert_true(answer_proves_nothing(ANS_FOREIGN));
	assert_true(answer_proves_nothing(ANS_ODD));
	assert_true(answer_proves_nothing(ANS_FAILED));
}

/* Any run of answers, by a small generator: what counts has been seen often
 * enough, and is gone only after as many clean ones. */
static void
test_any_run(void **state)
{
	static const char letters[] = "LHMEZPQUCRFONlhmezpqucrfon";
	struct policy p = { .confirm = 2, .resume_clean = 3 };
	uint32_t random = 1;
	int run, i;

	(void)state;
	for (run = 0; run < 5000; run++) {
		struct listing l = { 0 };
		int best[2] = { 0, 0 }, weight = 0, cleans = 0;

		for (i = 0; i < 40; i++) {
			struct answer_seen a;
			enum listing_step s;
			bool second_look;
			int now;

			random = random * 1664525u + 1013904223u;
			answer(letters[(random >> 16) %
			    (sizeof(letters) - 1)], &a, &second_look);
			/* The two heaviest looks ever. */
			if (a.weight > best[0]) {
				best[1] = best[0];
				best[0] = a.weight;
			} else if (a.weight > best[1]) {
				best[1] = a.weight;
			}
			cleans = answer_proves_nothing(a.kind) ? cleans :
			    a.weight >= weight && a.weight > 0 ? 0 :
			    a.kind == ANS_UNKNOWN ? 0 : cleans + 1;
			s = listing_step(&l, &a, second_look, &p, T + i);
			now = l.confirmed ? l.seen.weight : 0;
			if (s == LISTING_GONE || s == LISTING_DROPPED)
				now = 0;
			if (now > best[1])
				fail_msg("weight %d, seen once", now);
			if (now < weight && cleans < p.resume_clean)
				fail_msg("from %d to %d after %d answers",
				    weight, now, cleans);
			if (now != weight)
				cleans = 0;
			weight = now;
			if (s == LISTING_GONE || s == LISTING_DROPPED)
				memset(&l, 0, sizeof(l));
		}
	}
}

int
main(void)
{
	unit_rows(rows, test_row);
	unit_claim("each time is kept: first seen, since, last seen",
	    test_times);
	unit_claim("an answer is there, away, or no proof", test_kinds);
	unit_claim("no run of answers counts early or releases early",
	    test_any_run);
	return unit_run("listing");
}
