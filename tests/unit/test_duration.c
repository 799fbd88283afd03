/*
 * test_duration.c - "15m" and back
 */
#include "unit.h"

#include <string.h>

#include "base/duration.h"

#define S	1000LL
#define M	(60 * S)
#define H	(60 * M)
#define D	(24 * H)

static const struct good_row {
	const char	*claim;
	const char	*text;
	int64_t		 ms;
} good_rows[] = {
	{ "milliseconds", "250ms", 250 },
	{ "seconds", "90s", 90 * S },
	{ "minutes are m and not ms", "5m", 5 * M },
	{ "hours", "24h", 24 * H },
	{ "days", "30d", 30 * D },
	{ "weeks", "2w", 14 * D },
	{ "several units add up", "1h30m", H + 30 * M },
	{ "units in any order", "30m1h", H + 30 * M },
	{ "nothing at all, with a unit", "0s", 0 },
	{ "leading zeros are decimal", "010s", 10 * S },
	{ "ten years fit", "3660d", 3660 * D },
	{ "the largest in milliseconds fits", "316224000000ms", 3660 * D },
};

static void
test_good(void **state)
{
	const struct good_row *r = *state;
	int64_t ms = -1;
	const char *wrong = duration_parse(r->text, &ms);

	if (wrong != NULL)
		fail_msg("\"%s\" %s", r->text, wrong);
	assert_int_equal(ms, r->ms);
}

static const struct bad_row {
	const char	*claim;
	const char	*text;
	const char	*why;
} bad_rows[] = {
	{ "empty", "", "is empty" },
	{ "a number alone has no unit", "15", "has no unit" },
	{ "the last number lacks its unit", "1h30", "has no unit" },
	{ "an unknown unit", "15x", "has an unknown unit" },
	{ "a unit in full", "15min", "has an unknown unit" },
	{ "months are no unit", "1mo", "has an unknown unit" },
	{ "units are lower case", "15M", "is not a duration" },
	{ "a sign", "-15m", "is not a duration" },
	{ "plus", "+15m", "is not a duration" },
	{ "a fraction", "1.5h", "is not a duration" },
	{ "space between", "15 m", "is not a duration" },
	{ "space before", " 15m", "is not a duration" },
	{ "space after", "15m ", "is not a duration" },
	{ "a unit alone", "m", "is not a duration" },
	{ "words", "soon", "is not a duration" },
	{ "more than ten years", "3661d", "is too long" },
	{ "more than ten years in pieces", "3660d1ms", "is too long" },
	{ "a number that would wrap", "999999999999w", "is too long" },
	{ "more digits than any duration has", "18446744073709551617ms",
	    "is too long" },
};

static void
test_bad(void **state)
{
	const struct bad_row *r = *state;
	int64_t ms = 77;
	const char *wrong = duration_parse(r->text, &ms);

	assert_non_null(wrong);
	unit_says(wrong, r->why);
	assert_int_equal(ms, 77);	/* untouched */
}

static const struct text_row {
	const char	*claim;
	int64_t		 ms;
	const char	*text;
} text_rows[] = {
	{ "nothing is 0s", 0, "0s" },
	{ "the past is 0s", -5000, "0s" },
	{ "short is in milliseconds", 250, "250ms" },
	{ "seconds drop what is less", 1999, "1s" },
	{ "one unit", 45 * S, "45s" },
	{ "two units", 2 * H + 5 * M, "2h 5m" },
	{ "never three", 2 * H + 5 * M + 9 * S, "2h 5m" },
	{ "a unit that is 0 ends it", D + 5 * M, "1d" },
	{ "weeks are days", 14 * D, "14d" },
	{ "ten years", 3660 * D, "3660d" },
};

static void
test_text(void **state)
{
	const struct text_row *r = *state;
	char buf[DURATION_TEXT_MAX];

	assert_string_equal(duration_text(r->ms, buf), r->text);
}

static void
test_longest(void **state)
{
	char buf[DURATION_TEXT_MAX];

	(void)state;
	assert_true(strlen(duration_text(INT64_MAX, buf)) <
	    DURATION_TEXT_MAX);
	assert_string_equal(duration_text(INT64_MIN, buf), "0s");
}

int
main(void)
{
	unit_rows(good_rows, test_good);
	unit_rows(bad_rows, test_bad);
	unit_rows(text_rows, test_text);
	unit_claim("the longest and the shortest fit", test_longest);
	return unit_run("duration");
}
