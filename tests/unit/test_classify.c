/*
 * test_classify.c - what a list's answer means
 */
#include "unit.h"

#include <string.h>

#include "watch/classify.h"

#define CODE(a, b, c, d) \
	((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))
#define L(d)	CODE(127, 0, 0, d)

#define ROW(lo, hi, means, weight, name) \
	{ lo, hi, 0, means, weight, (char *)(uintptr_t)(name) }
#define BITS(bits, means, weight, name) \
	{ 0, 0, bits, means, weight, (char *)(uintptr_t)(name) }

/* A list by codes and ranges, as most are. */
static struct list_answer code_answers[] = {
	ROW(L(2), L(3), ANS_LISTED, -1, "spam source"),
	ROW(L(4), L(7), ANS_LISTED, 40, "exploited"),
	ROW(L(5), L(5), ANS_GOOD, -1, "never reached"),
	ROW(L(9), L(9), ANS_LISTED, 0, "for information"),
	ROW(L(10), L(11), ANS_POLICY, -1, "policy"),
	ROW(L(12), L(12), ANS_POLICY, 60, "policy that counts"),
	ROW(L(20), L(20), ANS_GREY, -1, "grey"),
	ROW(L(21), L(21), ANS_GOOD, -1, "good"),
	ROW(L(22), L(22), ANS_AGE, -1, "new"),
	ROW(L(23), L(23), ANS_INFO, -1, "info"),
	ROW(L(1), L(1), ANS_REFUSED, -1, "blocked"),
	ROW(CODE(127, 255, 255, 0), CODE(127, 255, 255, 255), ANS_REFUSED,
	    -1, "query refused"),
};

/* One by bits of the last octet, with codes before them. */
static struct list_answer bit_answers[] = {
	BITS(8, ANS_LISTED, -1, "phishing"),
	BITS(16, ANS_LISTED, 80, "malware"),
	BITS(64, ANS_GREY, -1, "abused"),
	ROW(L(1), L(1), ANS_REFUSED, -1, "blocked"),
	ROW(CODE(127, 255, 255, 0), CODE(127, 255, 255, 255), ANS_REFUSED,
	    -1, "query refused"),
};

static struct list by_code = { .weight = 100, .answers = code_answers,
	.answer_count = COUNT(code_answers) };
static struct list by_bits = { .weight = 30, .answers = bit_answers,
	.answer_count = COUNT(bit_answers) };

/* --- one code ----------------------------------------------------------- */

static const struct code_row {
	const char	*claim;
	const struct list *list;
	uint32_t	 code;
	enum answer	 kind;
	int		 weight;
	const char	*name;
} code_rows[] = {
	{ "a code of the table", &by_code, L(2), ANS_LISTED, 100,
	    "spam source" },
	{ "the end of a range", &by_code, L(3), ANS_LISTED, 100,
	    "spam source" },
	{ "a row's own weight", &by_code, L(4), ANS_LISTED, 40,
	    "exploited" },
	{ "of rows that match the first counts", &by_code, L(5), ANS_LISTED,
	    40, "exploited" },
	{ "a listing may weigh nothing", &by_code, L(9), ANS_LISTED, 0,
	    "for information" },
	{ "a policy weighs nothing", &by_code, L(10), ANS_POLICY, 0,
	    "policy" },
	{ "unless the operator says so", &by_code, L(12), ANS_POLICY, 60,
	    "policy that counts" },
	{ "grey weighs nothing", &by_code, L(20), ANS_GREY, 0, "grey" },
	{ "good weighs nothing", &by_code, L(21), ANS_GOOD, 0, "good" },
	{ "a new domain weighs nothing", &by_code, L(22), ANS_AGE, 0,
	    "new" },
	{ "information weighs nothing", &by_code, L(23), ANS_INFO, 0,
	    "info" },
	{ "127.0.0.1 is what the table says", &by_code, L(1), ANS_REFUSED, 0,
	    "blocked" },
	{ "a code that is not in the table is unknown", &by_code, L(8),
	    ANS_UNKNOWN, 0, "" },
	{ "so is one before the first", &by_code, L(0), ANS_UNKNOWN, 0, "" },
	{ "a code of another subnet is unknown", &by_code,
	    CODE(127, 0, 1, 2), ANS_UNKNOWN, 0, "" },
	{ "the first refusal", &by_code, CODE(127, 255, 255, 0),
	    ANS_REFUSED, 0, "query refused" },
	{ "the last refusal", &by_code, CODE(127, 255, 255, 255),
	    ANS_REFUSED, 0, "query refused" },
	{ "before the refusals", &by_code, CODE(127, 255, 254, 255),
	    ANS_UNKNOWN, 0, "" },
	{ "before 127/8 is foreign", &by_code, CODE(126, 255, 255, 255),
	    ANS_FOREIGN, 0, "" },
	{ "behind 127/8 is foreign", &by_code, CODE(128, 0, 0, 2),
	    ANS_FOREIGN, 0, "" },
	{ "a blocker's 0.0.0.0 is foreign", &by_code, 0, ANS_FOREIGN, 0,
	    "" },
	{ "a parking host is foreign", &by_code, CODE(91, 195, 240, 117),
	    ANS_FOREIGN, 0, "" },
	{ "a private address is foreign", &by_code, CODE(10, 0, 0, 2),
	    ANS_FOREIGN, 0, "" },

	{ "a bit", &by_bits, L(8), ANS_LISTED, 30, "phishing" },
	{ "of several bits the heaviest", &by_bits, L(8 | 16), ANS_LISTED,
	    80, "malware" },
	{ "a listing beats what only warns", &by_bits, L(8 | 64),
	    ANS_LISTED, 30, "phishing" },
	{ "what only warns alone", &by_bits, L(64), ANS_GREY, 0, "abused" },
	{ "a bit that nobody knows beside one that is", &by_bits, L(8 | 2),
	    ANS_LISTED, 30, "phishing" },
	{ "a bit that nobody knows", &by_bits, L(2), ANS_UNKNOWN, 0, "" },
	{ "no bit", &by_bits, L(0), ANS_UNKNOWN, 0, "" },
	{ "a refusal by code", &by_bits, L(1), ANS_REFUSED, 0, "blocked" },
	{ "a refusal is no bits", &by_bits, CODE(127, 255, 255, 254),
	    ANS_REFUSED, 0, "query refused" },
	{ "bits are those of the last octet in any subnet", &by_bits,
	    CODE(127, 0, 1, 8), ANS_LISTED, 30, "phishing" },
	{ "outside 127/8 there are no bits", &by_bits, CODE(10, 0, 0, 8),
	    ANS_FOREIGN, 0, "" },
};

static void
check(const struct answer_seen *a, enum answer kind, int weight,
    const char *name)
{
	assert_string_equal(answer_name(a->kind), answer_name(kind));
	assert_int_equal(a->weight, weight);
	assert_string_equal(a->name, name);
}

static void
test_code(void **state)
{
	const struct code_row *r = *state;
	struct answer_seen a = classify_code(r->list, r->code);

	check(&a, r->kind, r->weight, r->name);
	assert_int_equal(a.code, r->code);
}

/* 127.255.255.0/24 must never count, whatever the table says. */
static void
test_refusals_always(void **state)
{
	static struct list_answer greedy[] = {
		ROW(L(0), CODE(127, 255, 255, 255), ANS_LISTED, -1, "all"),
		BITS(255, ANS_LISTED, -1, "bits"),
	};
	struct list l = { .weight = 100, .answers = greedy,
	    .answer_count = COUNT(greedy) };
	struct answer_seen a;
	unsigned int i;

	(void)state;
	for (i = 0; i < 256; i++) {
		a = classify_code(&l, CODE(127, 255, 255, i));
		if (a.kind != ANS_REFUSED || a.weight != 0)
			fail_msg("127.255.255.%u is %s", i,
			    answer_name(a.kind));
	}
	a = classify_code(&l, CODE(127, 255, 254, 255));
	assert_int_equal(a.kind, ANS_LISTED);
}

static void
test_long_name(void **state)
{
	static struct list_answer row[] = {
		ROW(L(2), L(2), ANS_LISTED, -1,
		    "a name that is longer than anybody would want to read"),
	};
	struct list l = { .weight = 1, .answers = row, .answer_count = 1 };
	struct answer_seen a = classify_code(&l, L(2));

	(void)state;
	assert_int_equal(strlen(a.name), sizeof(a.name) - 1);
}

/* --- whole replies ------------------------------------------------------ */

static const struct reply_row {
	const char	*claim;
	const struct list *list;
	enum reply_status status;
	uint32_t	 codes[4];
	bool		 more, left_zone;
	enum answer	 kind;
	int		 weight;
} reply_rows[] = {
	{ "NXDOMAIN is clean", &by_code, REPLY_NXDOMAIN, { 0 }, false, false,
	    ANS_CLEAN, 0 },
	{ "NXDOMAIN behind an alias out of the zone is not", &by_code,
	    REPLY_NXDOMAIN, { 0 }, false, true, ANS_ODD, 0 },
	{ "no data is not clean", &by_code, REPLY_NODATA, { 0 }, false,
	    false, ANS_ODD, 0 },
	{ "SERVFAIL says nothing", &by_code, REPLY_SERVFAIL, { 0 }, false,
	    false, ANS_FAILED, 0 },
	{ "REFUSED says nothing", &by_code, REPLY_REFUSED, { 0 }, false,
	    false, ANS_FAILED, 0 },
	{ "NOTIMP says nothing", &by_code, REPLY_NOTIMP, { 0 }, false, false,
	    ANS_FAILED, 0 },
	{ "FORMERR says nothing", &by_code, REPLY_FORMERR, { 0 }, false,
	    false, ANS_FAILED, 0 },
	{ "a time-out says nothing", &by_code, REPLY_TIMEOUT, { 0 }, false,
	    false, ANS_FAILED, 0 },
	{ "no network says nothing", &by_code, REPLY_NETWORK, { 0 }, false,
	    false, ANS_FAILED, 0 },
	{ "a bad answer says nothing", &by_code, REPLY_BAD, { 0 }, false,
	    false, ANS_FAILED, 0 },
	{ "what could not be asked says nothing", &by_code, REPLY_BADNAME,
	    { 0 }, false, false, ANS_FAILED, 0 },
	{ "what was cancelled says nothing", &by_code, REPLY_CANCELLED,
	    { 0 }, false, false, ANS_FAILED, 0 },
	{ "a failure with addresses says nothing", &by_code, REPLY_SERVFAIL,
	    { L(2) }, false, false, ANS_FAILED, 0 },
	{ "one listing", &by_code, REPLY_OK, { L(2) }, false, false,
	    ANS_LISTED, 100 },
	{ "of several the heaviest", &by_code, REPLY_OK,
	    { L(4), L(2), L(10) }, false, false, ANS_LISTED, 100 },
	{ "in any order", &by_code, REPLY_OK, { L(10), L(2), L(4) }, false,
	    false, ANS_LISTED, 100 },
	{ "an unknown code beside a listing takes nothing away", &by_code,
	    REPLY_OK, { L(8), L(4) }, false, false, ANS_LISTED, 40 },
	{ "a good word beside a listing takes nothing away", &by_code,
	    REPLY_OK, { L(21), L(4) }, false, false, ANS_LISTED, 40 },
	{ "a listing without weight is still a listing", &by_code, REPLY_OK,
	    { L(10), L(9) }, false, false, ANS_LISTED, 0 },
	{ "a policy with weight beats a lighter listing", &by_code, REPLY_OK,
	    { L(4), L(12) }, false, false, ANS_POLICY, 60 },
	{ "a refusal beside a listing spoils it", &by_code, REPLY_OK,
	    { L(2), CODE(127, 255, 255, 254) }, false, false, ANS_REFUSED,
	    0 },
	{ "a refusal before a listing spoils it", &by_code, REPLY_OK,
	    { CODE(127, 255, 255, 254), L(2) }, false, false, ANS_REFUSED,
	    0 },
	{ "a refusal by the zone's own code spoils it", &by_code, REPLY_OK,
	    { L(2), L(1) }, false, false, ANS_REFUSED, 0 },
	{ "a foreign address beside a listing spoils it", &by_code,
	    REPLY_OK, { L(2), CODE(93, 184, 216, 34) }, false, false,
	    ANS_FOREIGN, 0 },
	{ "a foreign address beats a refusal", &by_code, REPLY_OK,
	    { CODE(127, 255, 255, 254), CODE(93, 184, 216, 34) }, false,
	    false, ANS_FOREIGN, 0 },
	{ "records without an address are odd", &by_code, REPLY_OK, { 0 },
	    false, false, ANS_ODD, 0 },
	{ "more addresses than can be looked at are odd", &by_code, REPLY_OK,
	    { L(2) }, true, false, ANS_ODD, 0 },
	{ "a listing behind an alias out of the zone is odd", &by_code,
	    REPLY_OK, { L(2) }, false, true, ANS_ODD, 0 },
	{ "a refusal behind one is odd too", &by_code, REPLY_OK,
	    { CODE(127, 255, 255, 254) }, false, true, ANS_ODD, 0 },
	{ "a foreign address behind one is foreign", &by_code, REPLY_OK,
	    { CODE(93, 184, 216, 34) }, false, true, ANS_FOREIGN, 0 },
	{ "bits of several records add up", &by_bits, REPLY_OK,
	    { L(64), L(16) }, false, false, ANS_LISTED, 80 },
};

static void
test_reply(void **state)
{
	const struct reply_row *r = *state;
	struct reply reply = { .status = r->status, .more_addrs = r->more,
	    .left_zone = r->left_zone };
	struct answer_seen a;
	size_t i;

	for (i = 0; i < COUNT(r->codes) && r->codes[i] != 0; i++)
		reply.addrs[reply.addr_count++] = r->codes[i];
	a = classify(r->list, &reply);
	assert_string_equal(answer_name(a.kind), answer_name(r->kind));
	assert_int_equal(a.weight, r->weight);
}

/* --- names -------------------------------------------------------------- */

static void
test_names(void **state)
{
	enum answer a;
	int i;

	(void)state;
	for (i = 0; i < ANS_KINDS; i++) {
		assert_true(answer_parse(answer_name((enum answer)i), &a));
		assert_int_equal(a, i);
	}
	assert_false(answer_parse("spam", &a));
	assert_false(answer_parse("", &a));
}

int
main(void)
{
	unit_rows(code_rows, test_code);
	unit_claim("no table makes a listing of a refusal",
	    test_refusals_always);
	unit_claim("a long name is cut", test_long_name);
	unit_rows(reply_rows, test_reply);
	unit_claim("every meaning has a name that is understood",
	    test_names);
	return unit_run("classify");
}
