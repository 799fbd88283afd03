/*
 * test_health.c - may this list be believed
 */
#include "unit.h"

#include <string.h>

#include "watch/health.h"

#define RESOLVER	"192.0.2.53"

static struct list_answer answers[] = {
	{ 0x7f000002, 0x7f000009, 0, ANS_LISTED, -1,
	    (char *)(uintptr_t)"listed" },
	{ 0x7f000001, 0x7f000001, 0, ANS_REFUSED, -1,
	    (char *)(uintptr_t)"blocked" },
	{ 0x7fffff00, 0x7fffffff, 0, ANS_REFUSED, -1,
	    (char *)(uintptr_t)"query refused" },
};

static struct list list = { .zone = (char *)(uintptr_t)"bl.example",
	.operator = (char *)(uintptr_t)"example", .weight = 100,
	.answers = answers, .answer_count = COUNT(answers) };

/* What a probe gave. */
enum gave {
	NOT_ASKED,
	LISTED, UNKNOWN, REFUSED_CODE, OWN_REFUSAL, FOREIGN, BOTH,
	NXDOMAIN, NODATA, SERVFAIL, REFUSED, TIMEOUT, UNREACHABLE, BAD,
	ALIASED_OUT,
};

static struct probe_result
result(enum gave gave)
{
	static const struct {
		enum reply_status	status;
		uint32_t		codes[2];
		bool			left_zone;
	} replies[] = {
		[LISTED] = { REPLY_OK, { 0x7f000002 }, false },
		[UNKNOWN] = { REPLY_OK, { 0x7f000063 }, false },
		[REFUSED_CODE] = { REPLY_OK, { 0x7ffffffe }, false },
		[OWN_REFUSAL] = { REPLY_OK, { 0x7f000001 }, false },
		[FOREIGN] = { REPLY_OK, { 0x5bc3f075 }, false },
		[BOTH] = { REPLY_OK, { 0x7f000002, 0x7ffffffe }, false },
		[NXDOMAIN] = { REPLY_NXDOMAIN, { 0 }, false },
		[NODATA] = { REPLY_NODATA, { 0 }, false },
		[SERVFAIL] = { REPLY_SERVFAIL, { 0 }, false },
		[REFUSED] = { REPLY_REFUSED, { 0 }, false },
		[TIMEOUT] = { REPLY_TIMEOUT, { 0 }, false },
		[UNREACHABLE] = { REPLY_NETWORK, { 0 }, false },
		[BAD] = { REPLY_BAD, { 0 }, false },
		[ALIASED_OUT] = { REPLY_OK, { 0x7f000002 }, true },
	};
	struct probe_result p = { .asked = gave != NOT_ASKED };
	size_t i;

	p.reply.status = replies[gave].status;
	p.reply.left_zone = replies[gave].left_zone;
	for (i = 0; i < 2 && replies[gave].codes[i] != 0; i++)
		p.reply.addrs[p.reply.addr_count++] = replies[gave].codes[i];
	return p;
}

static const struct row {
	const char	*claim;
	enum gave	 listed, clean, random;
	enum health	 health;
	const char	*says[3];	/* cause, and cure */
} rows[] = {
	/* The table of RFC 5782 section 5 and practice, row by row */
	{ "the test entries are right: usable", LISTED, NXDOMAIN, NXDOMAIN,
	    HEALTH_USABLE, { "" } },
	{ "the entry that must not be there is: lists the world",
	    LISTED, LISTED, NXDOMAIN, HEALTH_BROKEN,
	    { "lists the whole world", RESOLVER } },
	{ "everything is there: lists the world", LISTED, LISTED, LISTED,
	    HEALTH_BROKEN, { "lists the whole world", "random name" } },
	{ "a wildcard that spares 127.0.0.1: lists the world",
	    LISTED, NXDOMAIN, LISTED, HEALTH_BROKEN,
	    { "lists the whole world", "random name" } },
	{ "a refusal to all: blind", REFUSED_CODE, REFUSED_CODE,
	    REFUSED_CODE, HEALTH_BLIND,
	    { "refuses", RESOLVER, "own recursive resolver" } },
	{ "a refusal to the entry alone: blind", REFUSED_CODE, NXDOMAIN,
	    NXDOMAIN, HEALTH_BLIND, { "refuses", "query refused" } },
	{ "a refusal by the zone's own code to all: blind",
	    OWN_REFUSAL, OWN_REFUSAL, OWN_REFUSAL, HEALTH_BLIND,
	    { "refuses", "blocked" } },
	{ "nothing there at all: emptied, or silently refused: blind",
	    NXDOMAIN, NXDOMAIN, NXDOMAIN, HEALTH_BLIND,
	    { "does not list its own test entry", RESOLVER } },
	{ "the entry is stripped: blind", NODATA, NXDOMAIN, NXDOMAIN,
	    HEALTH_BLIND, { "strips 127.0.0.0/8", "rebinding protection",
	    RESOLVER } },
	{ "outside 127/8 for all: broken", FOREIGN, FOREIGN, FOREIGN,
	    HEALTH_BROKEN, { "91.195.240.117", "parked", RESOLVER } },
	{ "outside 127/8 for the entry: broken", FOREIGN, NXDOMAIN, NXDOMAIN,
	    HEALTH_BROKEN, { "91.195.240.117", "outside 127.0.0.0/8" } },
	{ "NXDOMAIN is rewritten: broken", LISTED, FOREIGN, FOREIGN,
	    HEALTH_BROKEN, { "91.195.240.117", "rewrites NXDOMAIN" } },
	{ "silence: blind", TIMEOUT, TIMEOUT, TIMEOUT, HEALTH_BLIND,
	    { "time-out", RESOLVER } },

	/* Mixtures: one probe that is not right is enough */
	{ "silence for one is not health", LISTED, NXDOMAIN, TIMEOUT,
	    HEALTH_BLIND, { "time-out" } },
	{ "silence for the clean entry is not health", LISTED, TIMEOUT,
	    NXDOMAIN, HEALTH_BLIND, { "time-out" } },
	{ "silence for the listed entry is not health", TIMEOUT, NXDOMAIN,
	    NXDOMAIN, HEALTH_BLIND, { "time-out" } },
	{ "SERVFAIL: blind", SERVFAIL, SERVFAIL, SERVFAIL, HEALTH_BLIND,
	    { "SERVFAIL", RESOLVER } },
	{ "REFUSED by the resolver: blind", REFUSED, REFUSED, REFUSED,
	    HEALTH_BLIND, { "REFUSED", RESOLVER } },
	{ "no server reached: blind", UNREACHABLE, UNREACHABLE, UNREACHABLE,
	    HEALTH_BLIND, { "no server reached" } },
	{ "answers to something else: blind", BAD, BAD, BAD, HEALTH_BLIND,
	    { "bad answer" } },
	{ "a listing beside a refusal is no health", BOTH, NXDOMAIN,
	    NXDOMAIN, HEALTH_BLIND, { "refuses" } },
	{ "no data for what is not there: blind", LISTED, NODATA, NODATA,
	    HEALTH_BLIND, { "empty answer" } },
	{ "an entry behind an alias out of the zone: blind", ALIASED_OUT,
	    NXDOMAIN, NXDOMAIN, HEALTH_BLIND, { RESOLVER } },
	{ "an unknown code for all is the world too", LISTED, UNKNOWN,
	    UNKNOWN, HEALTH_BROKEN, { "lists the whole world" } },
	{ "an unknown code for the entry is there, if not in our table",
	    UNKNOWN, NXDOMAIN, NXDOMAIN, HEALTH_USABLE, { "" } },

	/* Lists without one of the entries */
	{ "without an entry that must not be there", LISTED, NOT_ASKED,
	    NXDOMAIN, HEALTH_USABLE, { "" } },
	{ "the random name still shows the world", LISTED, NOT_ASKED, LISTED,
	    HEALTH_BROKEN, { "lists the whole world" } },
	{ "without an entry that must be there", NOT_ASKED, NXDOMAIN,
	    NXDOMAIN, HEALTH_USABLE, { "" } },
	{ "the random name still shows a refusal", NOT_ASKED, NOT_ASKED,
	    REFUSED_CODE, HEALTH_BLIND, { "refuses" } },
	{ "the random name still shows silence", NOT_ASKED, NOT_ASKED,
	    TIMEOUT, HEALTH_BLIND, { "time-out" } },
};

static void
test_row(void **state)
{
	const struct row *r = *state;
	struct probe_result probes[PROBE_KINDS];
	char reason[BOARD_REASON_MAX];
	size_t i;

	probes[PROBE_LISTED] = result(r->listed);
	probes[PROBE_CLEAN] = result(r->clean);
	probes[PROBE_RANDOM] = result(r->random);
	memset(reason, 'x', sizeof(reason));
	assert_string_equal(health_name(health_judge(&list, probes, RESOLVER,
	    reason)), health_name(r->health));
	if (r->health == HEALTH_USABLE)
		assert_string_equal(reason, "");
	for (i = 0; i < COUNT(r->says) && r->says[i] != NULL; i++)
		unit_says(reason, r->says[i]);
	/* There is a cause exactly when it is not usable. */
	assert_int_equal(health_cause(&list, probes) == CAUSE_NONE,
	    r->health == HEALTH_USABLE);
}

/* Every triple: nothing but an entry that is there and two that are not is
 * health. */
static void
test_all_triples(void **state)
{
	struct probe_result probes[PROBE_KINDS];
	char reason[BOARD_REASON_MAX];
	int l, c, r;
	bool good;

	(void)state;
	for (l = LISTED; l <= ALIASED_OUT; l++) {
		for (c = LISTED; c <= ALIASED_OUT; c++) {
			for (r = LISTED; r <= ALIASED_OUT; r++) {
				probes[PROBE_LISTED] = result((enum gave)l);
				probes[PROBE_CLEAN] = result((enum gave)c);
				probes[PROBE_RANDOM] = result((enum gave)r);
				good = (l == LISTED || l == UNKNOWN) &&
				    c == NXDOMAIN && r == NXDOMAIN;
				if ((health_judge(&list, probes, RESOLVER,
				    reason) == HEALTH_USABLE) != good)
					fail_msg("%d %d %d", l, c, r);
				if ((reason[0] == '\0') != good)
					fail_msg("%d %d %d: \"%s\"", l, c, r,
					    reason);
			}
		}
	}
}

static void
test_long_names(void **state)
{
	struct list l = list;
	struct probe_result probes[PROBE_KINDS];
	char reason[BOARD_REASON_MAX + 1], operator[400];

	(void)state;
	memset(operator, 'o', sizeof(operator) - 1);
	operator[sizeof(operator) - 1] = '\0';
	l.operator = operator;
	probes[0] = probes[1] = probes[2] = result(REFUSED_CODE);
	reason[BOARD_REASON_MAX] = '#';
	assert_int_equal(health_judge(&l, probes, RESOLVER, reason),
	    HEALTH_BLIND);
	assert_true(strlen(reason) < BOARD_REASON_MAX);
	assert_int_equal(reason[BOARD_REASON_MAX], '#');
}

/* --- whose fault it is -------------------------------------------------- */

static const struct cause_row {
	const char	*claim;
	enum gave	 listed, clean, random;
	enum cause	 cause;
	const char	*says;
} cause_rows[] = {
	{ "refusals", REFUSED_CODE, REFUSED_CODE, REFUSED_CODE,
	    CAUSE_REFUSED, "own recursive resolver" },
	{ "stripping", NODATA, NXDOMAIN, NXDOMAIN, CAUSE_STRIPPED,
	    "rebinding protection" },
	{ "rewriting", FOREIGN, FOREIGN, FOREIGN, CAUSE_FOREIGN,
	    "rewrites NXDOMAIN" },
	{ "answers for all", LISTED, LISTED, LISTED, CAUSE_WORLD,
	    "names that do not exist" },
	{ "emptiness", NXDOMAIN, NXDOMAIN, NXDOMAIN, CAUSE_EMPTY,
	    "nothing exists" },
	{ "time-outs", TIMEOUT, TIMEOUT, TIMEOUT, CAUSE_SILENT,
	    "does not answer" },
	{ "no way to it", UNREACHABLE, UNREACHABLE, UNREACHABLE,
	    CAUSE_SILENT, "does not answer" },
	{ "failures", SERVFAIL, SERVFAIL, SERVFAIL, CAUSE_FAILURE,
	    "cannot resolve" },
};

static void
test_cause(void **state)
{
	const struct cause_row *r = *state;
	struct probe_result probes[PROBE_KINDS];
	char reason[BOARD_REASON_MAX];

	probes[PROBE_LISTED] = result(r->listed);
	probes[PROBE_CLEAN] = result(r->clean);
	probes[PROBE_RANDOM] = result(r->random);
	assert_int_equal(health_cause(&list, probes), r->cause);
	health_blame(r->cause, RESOLVER, 42, reason);
	unit_says(reason, RESOLVER);
	unit_says(reason, "42");
	unit_says(reason, r->says);
}

int
main(void)
{
	unit_rows(rows, test_row);
	unit_claim("of all triples only the right ones are health",
	    test_all_triples);
	unit_claim("a long name is cut", test_long_names);
	unit_rows(cause_rows, test_cause);
	return unit_run("health");
}
