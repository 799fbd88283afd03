/*
 * test_catalog.c - the shipped lists, row by row, and lists of one's own
 *
 * catalogue.tsv says by hand what every answer means; the catalogue must
 * agree with each row of it, and have nothing that no row looks at.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/mem.h"
#include "conf/catalog.h"
#include "conf/config.h"
#include "watch/classify.h"

#define FIELDS	5

/* --- the shipped catalogue ---------------------------------------------- */

static struct catalog	shipped;

struct tsv_row {
	const char	*claim;
	char		*zone, *kind, *addr, *means, *name;
};

static struct tsv_row	*tsv;
static size_t		 tsv_count;
static char		*tsv_text;

/* Cuts at tabs in place; false unless there are exactly FIELDS parts. */
static bool
cut(char *line, char *parts[FIELDS])
{
	size_t n;

	for (n = 0; n < FIELDS && line != NULL; n++)
		parts[n] = strsep(&line, "\t");
	return n == FIELDS && line == NULL;
}

static void
read_tsv(void)
{
	char *rest, *line, *parts[FIELDS];
	struct tsv_row *r;

	tsv_text = rest = unit_read(unit_source("tests/unit/catalogue.tsv"));
	if (rest == NULL)
		abort();
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (line[0] == '#' || line[0] == '\0')
			continue;
		tsv = xreallocarray(tsv, tsv_count + 1, sizeof(*tsv));
		r = &tsv[tsv_count++];
		*r = (struct tsv_row){ 0 };
		if (!cut(line, parts)) {
			r->claim = xasprintf("%s: a row has %d columns", line,
			    FIELDS);
			continue;
		}
		r->zone = parts[0];
		r->kind = parts[1];
		r->addr = parts[2];
		r->means = parts[3];
		r->name = parts[4];
		r->claim = xasprintf("%s (%s) %s is %s", r->zone, r->kind,
		    r->addr, r->means);
	}
}

static uint32_t
code_of(const char *text)
{
	struct addr a;

	if (!addr_parse(text, &a) || a.family != ADDR_IPV4)
		fail_msg("\"%s\" is no answer", text);
	return (uint32_t)a.bytes[0] << 24 | (uint32_t)a.bytes[1] << 16 |
	    (uint32_t)a.bytes[2] << 8 | a.bytes[3];
}

static struct list *
find(struct list *lists, size_t count, const char *zone)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (strcmp(lists[i].zone, zone) == 0)
			return &lists[i];
	}
	return NULL;
}

static bool
has_kind(const struct list *l, const char *kind)
{
	return (strcmp(kind, "ipv4") == 0 && l->kinds[SUBJECT_IPV4]) ||
	    (strcmp(kind, "ipv6") == 0 && l->kinds[SUBJECT_IPV6]) ||
	    (strcmp(kind, "domain") == 0 && l->kinds[SUBJECT_DOMAIN]);
}

static void
test_tsv_row(void **state)
{
	const struct tsv_row *r = *state;
	struct answer_seen a;
	struct list *l;

	assert_non_null(r->zone);
	if ((l = find(shipped.lists, shipped.count, r->zone)) == NULL)
		fail_msg("%s is not in the catalogue", r->zone);
	if (!has_kind(l, r->kind))
		fail_msg("%s does not list %s", r->zone, r->kind);
	a = classify_code(l, code_of(r->addr));
	assert_string_equal(answer_name(a.kind), r->means);
	assert_int_equal(a.code, code_of(r->addr));
	if (strcmp(r->name, "-") != 0)
		assert_string_equal(a.name, r->name);
	/* Nothing but a listing has a weight of its own. */
	if (a.kind != ANS_LISTED)
		assert_int_equal(a.weight, 0);
}

/* Is there a row that this answer of the list decides? */
static bool
looked_at(const struct list *l, const struct list_answer *answer)
{
	size_t i;

	for (i = 0; i < tsv_count; i++) {
		uint32_t code;

		if (tsv[i].zone == NULL || strcmp(tsv[i].zone, l->zone) != 0)
			continue;
		code = code_of(tsv[i].addr);
		if (answer->bits != 0 ? code >> 24 == 127 &&
		    (code & answer->bits) != 0 :
		    code >= answer->lo && code <= answer->hi)
			return true;
	}
	return false;
}

static void
test_every_answer_is_looked_at(void **state)
{
	size_t i, j;

	(void)state;
	for (i = 0; i < shipped.count; i++) {
		const struct list *l = &shipped.lists[i];

		/* The last one is the refusal that all have. */
		for (j = 0; j + 1 < l->answer_count; j++) {
			if (!looked_at(l, &l->answers[j]))
				fail_msg("no row for answer %zu (%s) of %s",
				    j, l->answers[j].name != NULL ?
				    l->answers[j].name : "-", l->zone);
		}
	}
}

static void
test_rows_are_whole(void **state)
{
	size_t i, k;

	(void)state;
	assert_in_range(shipped.count, 50, 1000);
	for (i = 0; i < shipped.count; i++) {
		const struct list *l = &shipped.lists[i];
		bool any = false;

		for (k = 0; k < SUBJECT_KINDS; k++)
			any = any || l->kinds[k];
		if (!any || l->note == NULL || l->influence == NULL ||
		    l->answer_count < 2)
			fail_msg("%s: lacks what it lists, its note, its "
			    "influence or its answers", l->zone);
		assert_in_range(l->weight, 0, 1000);
	}
}

/* What is on without being asked for must be safe for everybody. */
static void
test_what_is_on(void **state)
{
	size_t i, k;

	(void)state;
	for (i = 0; i < shipped.count; i++) {
		const struct list *l = &shipped.lists[i];

		if (!l->enabled)
			continue;
		if (strstr(l->zone, "{key}") != NULL)
			fail_msg("%s is on and needs a key", l->zone);
		if (!l->verified && l->weight > 0)
			fail_msg("%s is on, counts, and rests on one weak "
			    "source", l->zone);
		for (k = 0; k < SUBJECT_KINDS; k++) {
			if (l->kinds[k] && l->weight > 0 &&
			    (l->tests[k].listed == NULL ||
			    l->tests[k].clean == NULL))
				fail_msg("%s is on, counts, and cannot be "
				    "tested", l->zone);
		}
	}
}

static const struct weight_row {
	const char	*claim;
	const char	*zone;
	int		 weight;
	bool		 on;
} weight_rows[] = {
	{ "Spamhaus stops alone", "zen.spamhaus.org", 100, true },
	{ "an old part of Spamhaus is off", "sbl.spamhaus.org", 100, false },
	{ "the PBL stops nothing", "pbl.spamhaus.org", 0, false },
	{ "a listed network stops nothing", "dnsbl-2.uceprotect.net", 0,
	    true },
	{ "a listed provider stops nothing", "dnsbl-3.uceprotect.net", 0,
	    true },
};

static void
test_weight(void **state)
{
	const struct weight_row *r = *state;
	struct list *l = find(shipped.lists, shipped.count, r->zone);

	assert_non_null(l);
	assert_int_equal(l->weight, r->weight);
	if (r->on != l->enabled)
		fail_msg("%s is %s", r->zone, l->enabled ? "on" : "off");
}

static void
test_one_listing_of_middling_lists(void **state)
{
	size_t i, j;

	(void)state;
	/* Of the lists that are on only Spamhaus' may stop alone. */
	for (i = 0; i < shipped.count; i++) {
		const struct list *l = &shipped.lists[i];

		if (!l->enabled || strcmp(l->operator, "spamhaus") == 0)
			continue;
		for (j = 0; j < l->answer_count; j++) {
			if (list_row_weight(l, &l->answers[j]) >= 100 &&
			    strcmp(l->influence, "high") != 0)
				fail_msg("%s stops alone, of influence %s",
				    l->zone, l->influence);
		}
	}
}

static void
test_test_points(void **state)
{
	struct list *l = find(shipped.lists, shipped.count,
	    "zen.spamhaus.org");

	(void)state;
	assert_non_null(l);
	assert_string_equal(l->tests[SUBJECT_IPV4].listed, "2.0.0.127");
	assert_string_equal(l->tests[SUBJECT_IPV4].clean, "1.0.0.127");
	assert_string_equal(l->tests[SUBJECT_IPV6].listed,
	    "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0."
	    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0");
	assert_string_equal(l->tests[SUBJECT_IPV6].clean,
	    "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0."
	    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0");
	l = find(shipped.lists, shipped.count, "dbl.spamhaus.org");
	assert_non_null(l);
	assert_string_equal(l->tests[SUBJECT_DOMAIN].listed, "TEST");
	assert_string_equal(l->tests[SUBJECT_DOMAIN].clean, "INVALID");
	/* 127.0.0.1 is on it on purpose. */
	l = find(shipped.lists, shipped.count,
	    "hostkarma.junkemailfilter.com");
	assert_non_null(l);
	assert_null(l->tests[SUBJECT_IPV4].clean);
}

/* --- mailbrake.conf over it --------------------------------------------- */

static struct config	*conf;
static struct errors	 errs;

static void
forget(void)
{
	config_free(conf);
	conf = NULL;
	errors_free(&errs);
}

static void
load(const char *text)
{
	char *all = xasprintf("catalogue = \"%s\";\n%s",
	    unit_source("etc/lists.conf"), text);

	forget();
	conf = config_load(unit_file("mailbrake.conf", all), &errs);
	free(all);
}

static struct list *
load_list(const char *text, const char *zone)
{
	load(text);
	if (conf == NULL)
		fail_msg("%s", errs.lines[0]);
	return find(conf->policy->lists, conf->policy->list_count, zone);
}

static void
test_private_list(void **state)
{
	struct list *l = load_list(
	    "lists = ( { zone = \"bl.example.net\"; } );", "bl.example.net");

	(void)state;
	assert_non_null(l);
	assert_string_equal(l->query_zone, "bl.example.net");
	assert_string_equal(l->operator, "bl.example.net");
	assert_int_equal(l->weight, 100);
	assert_true(l->kinds[SUBJECT_IPV4]);
	assert_false(l->kinds[SUBJECT_IPV6]);
	assert_false(l->kinds[SUBJECT_DOMAIN]);
	assert_int_equal(classify_code(l, 0x7f000002).kind, ANS_LISTED);
	assert_int_equal(classify_code(l, 0x7f000002).weight, 100);
	assert_int_equal(classify_code(l, 0x7f000003).kind, ANS_UNKNOWN);
	assert_int_equal(classify_code(l, 0x7fffffff).kind, ANS_REFUSED);
	assert_string_equal(l->tests[SUBJECT_IPV4].listed, "2.0.0.127");
	assert_string_equal(l->tests[SUBJECT_IPV4].clean, "1.0.0.127");
	/* The catalogue is there as well. */
	assert_non_null(find(conf->policy->lists, conf->policy->list_count,
	    "zen.spamhaus.org"));
}

static void
test_change_of_weight(void **state)
{
	struct list *l = load_list("lists = ( { zone = "
	    "\"zen.spamhaus.org\"; weight = 60; } );", "zen.spamhaus.org");

	(void)state;
	assert_non_null(l);
	assert_int_equal(classify_code(l, 0x7f000002).weight, 60);
	assert_string_equal(classify_code(l, 0x7f000002).name, "SBL");
	assert_int_equal(classify_code(l, 0x7f00000a).kind, ANS_POLICY);
	assert_string_equal(l->operator, "spamhaus");
	assert_true(l->kinds[SUBJECT_IPV6]);
}

static void
test_zone_in_other_letters(void **state)
{
	struct list *l = load_list("lists = ( { zone = "
	    "\"ZEN.Spamhaus.ORG.\"; weight = 60; } );", "zen.spamhaus.org");

	(void)state;
	assert_non_null(l);
	assert_int_equal(l->weight, 60);
}

static void
test_off(void **state)
{
	(void)state;
	assert_null(load_list("lists = ( { zone = \"zen.spamhaus.org\"; "
	    "enabled = false; } );", "zen.spamhaus.org"));
}

static void
test_named_is_on(void **state)
{
	(void)state;
	assert_null(load_list("", "sbl.spamhaus.org"));
	assert_non_null(load_list(
	    "lists = ( { zone = \"sbl.spamhaus.org\"; } );",
	    "sbl.spamhaus.org"));
}

static void
test_answers_of_ones_own(void **state)
{
	struct list *l = load_list("lists = ( { zone = \"bl.example.net\"; "
	    "lists = [\"ipv4\", \"ipv6\", \"domains\"]; weight = 30;\n"
	    "answers = ( { code = \"127.0.0.4-127.0.0.7\"; "
	    "means = \"listed\"; name = \"J\\xe4ger\\n2\"; weight = 70; },\n"
	    " { bits = 64; means = \"listed\"; },\n"
	    " { code = \"127.0.0.9\"; means = \"policy\"; weight = 5; } );\n"
	    "test = { listed = \"127.0.0.4\"; clean = \"\"; "
	    "listed6 = \"2001:db8::2\"; domain = \"test.example\"; };\n"
	    "expires = \"2d\"; interval = \"1h\"; limit = 5000; } );",
	    "bl.example.net");

	(void)state;
	assert_non_null(l);
	assert_true(l->kinds[SUBJECT_IPV4] && l->kinds[SUBJECT_IPV6] &&
	    l->kinds[SUBJECT_DOMAIN]);
	assert_int_equal(classify_code(l, 0x7f000007).weight, 70);
	assert_int_equal(classify_code(l, 0x7f000040).weight, 30);
	assert_int_equal(classify_code(l, 0x7f000009).kind, ANS_POLICY);
	assert_int_equal(classify_code(l, 0x7f000009).weight, 5);
	assert_int_equal(classify_code(l, 0x7f000002).kind, ANS_UNKNOWN);
	/* A name goes into replies, and so is one line of ASCII. */
	assert_string_equal(classify_code(l, 0x7f000004).name, "J?ger 2");
	assert_string_equal(l->tests[SUBJECT_IPV4].listed, "4.0.0.127");
	assert_null(l->tests[SUBJECT_IPV4].clean);
	assert_string_equal(l->tests[SUBJECT_IPV6].listed,
	    "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
	    "0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2");
	assert_non_null(l->tests[SUBJECT_IPV6].clean);
	assert_string_equal(l->tests[SUBJECT_DOMAIN].listed, "test.example");
	assert_int_equal(l->expires_ms, 2 * 86400000LL);
	assert_int_equal(l->interval_ms, 3600000);
	assert_int_equal(l->limit, 5000);
}

static void
test_key(void **state)
{
	struct list *l = load_list("lists = ( { zone = "
	    "\"{key}.zen.dq.spamhaus.net\"; key = \"geheim7\"; } );",
	    "{key}.zen.dq.spamhaus.net");

	(void)state;
	assert_non_null(l);
	assert_string_equal(l->query_zone, "geheim7.zen.dq.spamhaus.net");
	assert_string_equal(classify_code(l, 0x7f000002).name, "SBL");
}

/* Who pastes the zone with his key in it must not see it in the log. */
static void
test_key_typed_into_the_zone(void **state)
{
	struct list *l = load_list("lists = ( { zone = "
	    "\"geheim7.zen.dq.spamhaus.net\"; } );",
	    "{key}.zen.dq.spamhaus.net");
	size_t i;

	(void)state;
	assert_non_null(l);
	assert_string_equal(l->query_zone, "geheim7.zen.dq.spamhaus.net");
	assert_string_equal(classify_code(l, 0x7f000002).name, "SBL");
	for (i = 0; i < conf->policy->list_count; i++) {
		unit_says_not(conf->policy->lists[i].zone, "geheim7");
		unit_says_not(conf->policy->lists[i].operator, "geheim7");
	}
}

static void
test_denied_and_off(void **state)
{
	(void)state;
	load("lists = ( { zone = \"dnsbl.sorbs.net\"; enabled = false; } );");
	assert_non_null(conf);
}

static void
test_not_denied(void **state)
{
	/* "sorbs.net" is denied, and this only ends in the same letters. */
	(void)state;
	assert_non_null(load_list("lists = ( { zone = \"absorbs.net\"; } );",
	    "absorbs.net"));
}

/* Each one error with all of says; the line is that of the row's brace, the
 * second of the file where nothing else is said. */
static const struct bad_row {
	const char	*claim;
	const char	*row;		/* what stands in lists */
	const char	*says[4];
} bad_rows[] = {
	{ "a dead zone is refused with reason and date",
	    "{ zone = \"dnsbl.ahbl.org\"; }",
	    { "zone \"dnsbl.ahbl.org\" is refused",
	    "answered for the whole world", "since 2015-01" } },
	{ "a zone of a closed operator, in any letters",
	    "{ zone = \"DNSBL.Sorbs.net\"; weight = 40; }",
	    { "zone \"dnsbl.sorbs.net\" is refused", "switched off",
	    "2024-06" } },
	{ "an allow list is no block list", "{ zone = \"list.dnswl.org\"; }",
	    { "zone \"list.dnswl.org\" is refused", "allow list" } },
	{ "a typing error of a zone", "{ zone = \"zin.spamhaus.org\"; }",
	    { "zone \"zin.spamhaus.org\" is refused", "zen.spamhaus.org" } },
	{ "a top-level domain is no list", "{ zone = \"org\"; }",
	    { "zone \"org\"", "like \"bl.example.net\"" } },
	{ "an empty label", "{ zone = \"bl..example.net\"; }",
	    { "zone \"bl..example.net\"", "no name of a DNS zone" } },
	{ "an empty zone", "{ zone = \"\"; }",
	    { "zone \"\"", "no name of a DNS zone" } },
	{ "a zone with a space", "{ zone = \"bl example.net\"; }",
	    { "zone \"bl example.net\"", "no name of a DNS zone" } },
	{ "a zone with its address", "{ zone = \"https://bl.example.net\"; }",
	    { "no name of a DNS zone" } },
	{ "a label that is too long", "{ zone = \"aaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.net\"; }",
	    { "no name of a DNS zone" } },
	{ "a zone too long for an IPv6 address before it",
	    "{ zone = \"a23456789.b23456789.c23456789.d23456789.e23456789."
	    "f23456789.g23456789.h23456789.i23456789.j23456789.k23456789."
	    "l23456789.m23456789.n23456789.o23456789.p23456789.q23456789."
	    "r23456789.s23456789.net\"; }", { "no name of a DNS zone" } },
	{ "a kind that is none", "{ zone = \"bl.example.net\"; lists = "
	    "[\"ipv5\"]; }", { "lists[0].lists", "\"ipv5\"", "\"ipv4\"" } },
	{ "a list of nothing", "{ zone = \"bl.example.net\"; lists = []; }",
	    { "bl.example.net: lists = []", "\"domains\"" } },
	{ "a negative weight", "{ zone = \"bl.example.net\"; weight = -1; }",
	    { "lists[0].weight = -1", "from 0 to 1000" } },
	{ "an answer that is no address", "{ zone = \"bl.example.net\"; "
	    "answers = ( { code = \"127.0.0.300\"; means = \"listed\"; } ); }",
	    { "bl.example.net: code \"127.0.0.300\"",
	    "an address like \"127.0.0.2\"" } },
	{ "an answer outside 127/8", "{ zone = \"bl.example.net\"; "
	    "answers = ( { code = \"10.0.0.2\"; means = \"listed\"; } ); }",
	    { "code \"10.0.0.2\"", "127.0.0.0/8" } },
	{ "a range from 127/8 to outside", "{ zone = \"bl.example.net\"; "
	    "answers = ( { code = \"127.0.0.2-128.0.0.1\"; "
	    "means = \"listed\"; } ); }",
	    { "code \"127.0.0.2-128.0.0.1\"", "127.0.0.0/8" } },
	{ "a range that runs backwards", "{ zone = \"bl.example.net\"; "
	    "answers = ( { code = \"127.0.0.7-127.0.0.4\"; "
	    "means = \"listed\"; } ); }",
	    { "code \"127.0.0.7-127.0.0.4\"", "a range like" } },
	{ "a range without its end", "{ zone = \"bl.example.net\"; "
	    "answers = ( { code = \"127.0.0.7-\"; means = \"listed\"; } ); }",
	    { "code \"127.0.0.7-\"", "a range like" } },
	{ "everything as a listing would take refusals for listings",
	    "{ zone = \"bl.example.net\"; answers = ( { "
	    "code = \"127.0.0.0-127.255.255.255\"; means = \"listed\"; } ); }",
	    { "127.255.255.0/24 is a refusal on every list" } },
	{ "neither code nor bits", "{ zone = \"bl.example.net\"; "
	    "answers = ( { means = \"listed\"; } ); }",
	    { "bl.example.net", "either code = ", "or bits = 64" } },
	{ "both code and bits", "{ zone = \"bl.example.net\"; answers = ( "
	    "{ code = \"127.0.0.2\"; bits = 2; means = \"listed\"; } ); }",
	    { "bl.example.net", "either code = ", "or bits = 64" } },
	{ "bits of more than an octet", "{ zone = \"bl.example.net\"; "
	    "answers = ( { code = \"127.0.0.2\"; bits = 256; "
	    "means = \"listed\"; } ); }",
	    { "answers[0].bits = 256", "from 1 to 255" } },
	{ "an answer without a meaning", "{ zone = \"bl.example.net\"; "
	    "answers = ( { code = \"127.0.0.2\"; } ); }",
	    { "bl.example.net", "means = \"listed\"" } },
	{ "a test entry that is no address", "{ zone = \"bl.example.net\"; "
	    "test = { listed = \"TEST\"; }; }",
	    { "bl.example.net: test point \"TEST\"", "no ipv4 address" } },
	{ "a test entry of the other family", "{ zone = \"bl.example.net\"; "
	    "test = { clean6 = \"127.0.0.1\"; }; }",
	    { "test point \"127.0.0.1\"", "no ipv6 address" } },
	{ "an influence that is none", "{ zone = \"bl.example.net\"; "
	    "influence = \"hgih\"; }",
	    { "influence \"hgih\"", "\"high\", \"medium\", \"low\"" } },
	{ "a key where the zone has no place for it",
	    "{ zone = \"bl.example.net\"; key = \"k\"; }",
	    { "bl.example.net: takes no key", "{key}" } },
	{ "a zone that wants a key and has none",
	    "{ zone = \"{key}.zen.dq.spamhaus.net\"; }",
	    { "{key}.zen.dq.spamhaus.net", "add key = " } },
	{ "a key that would be several labels",
	    "{ zone = \"{key}.zen.dq.spamhaus.net\"; key = \"a.b\"; }",
	    { "{key}.zen.dq.spamhaus.net", "not one label" } },
	{ "an empty key",
	    "{ zone = \"{key}.zen.dq.spamhaus.net\"; key = \"\"; }",
	    { "{key}.zen.dq.spamhaus.net", "not one label" } },
	{ "an expiry without a unit",
	    "{ zone = \"bl.example.net\"; expires = \"7\"; }",
	    { "lists[0].expires", "\"7\"", "has no unit" } },
	{ "one zone twice", "{ zone = \"bl.example.net\"; weight = 1; }, "
	    "{ zone = \"bl.example.net\"; weight = 2; }",
	    { "zone \"bl.example.net\" stands twice" } },
	{ "one zone twice in other letters", "{ zone = \"bl.example.net\"; }, "
	    "{ zone = \"BL.example.net.\"; }",
	    { "zone \"bl.example.net\" stands twice" } },
	{ "one key zone twice, without showing the key",
	    "{ zone = \"{key}.zen.dq.spamhaus.net\"; key = \"geheim\"; }, "
	    "{ zone = \"geheim.zen.dq.spamhaus.net\"; }",
	    { "zone \"{key}.zen.dq.spamhaus.net\" stands twice" } },
};

static void
test_bad(void **state)
{
	const struct bad_row *r = *state;
	char *text = xasprintf("lists = ( %s );", r->row);
	size_t i, j;

	load(text);
	free(text);
	assert_null(conf);
	for (i = 0; i < errs.count; i++) {
		unit_says_not(errs.lines[i], "geheim");
		if (strstr(errs.lines[i], r->says[0]) != NULL)
			break;
	}
	if (i == errs.count)
		fail_msg("\"%s\"", errs.lines[0]);
	unit_says(errs.lines[i], "mailbrake.conf:2: ");
	for (j = 0; j < COUNT(r->says) && r->says[j] != NULL; j++)
		unit_says(errs.lines[i], r->says[j]);
}

/* --- a catalogue with mistakes ------------------------------------------ */

static const struct file_row {
	const char	*claim;
	const char	*text;
	const char	*says;
} file_rows[] = {
	{ "a zone that stands twice",
	    "lists = ( { zone = \"a.example\"; },\n"
	    " { zone = \"A.example\"; } );",
	    "lists.conf:2: zone \"a.example\" stands twice" },
	{ "a zone that is denied as well",
	    "lists = ( { zone = \"bl.a.example\"; } );\n"
	    "deny = ( { zone = \"a.example\"; reason = \"dead\"; } );",
	    "lists.conf:1: zone \"bl.a.example\" is also denied" },
	{ "a denial without a reason",
	    "\ndeny = ( { zone = \"a.example\"; } );",
	    "lists.conf:2: an entry of deny needs a zone and a reason" },
	{ "a denial of no zone",
	    "deny = ( { zone = \"example\"; reason = \"dead\"; } );",
	    "an entry of deny needs" },
	{ "a setting of mailbrake.conf", "stop = { score = 1; };",
	    "unknown setting \"stop\"" },
};

static void
test_bad_file(void **state)
{
	const struct file_row *r = *state;
	struct errors e = { 0 };
	struct catalog cat = { 0 };

	catalog_load(unit_file("lists.conf", r->text), &cat, &e);
	catalog_free(&cat);
	assert_int_equal(e.error_count, 1);
	unit_says(e.lines[0], r->says);
	errors_free(&e);
}

int
main(void)
{
	struct errors load_errs = { 0 };
	size_t i;
	int failed;

	catalog_load(unit_source("etc/lists.conf"), &shipped, &load_errs);
	for (i = 0; i < load_errs.count; i++)
		print_error("%s\n", load_errs.lines[i]);
	if (load_errs.count > 0)
		return 1;
	read_tsv();
	unit_add_rows(tsv, tsv_count, sizeof(*tsv), test_tsv_row);
	unit_claim("no answer of the catalogue is without such a row",
	    test_every_answer_is_looked_at);
	unit_claim("every list says what it lists and why it weighs so",
	    test_rows_are_whole);
	unit_claim("what is on by default is safe for everybody",
	    test_what_is_on);
	unit_rows(weight_rows, test_weight);
	unit_claim("of the rest nothing stops alone without influence",
	    test_one_listing_of_middling_lists);
	unit_claim("test points are those of RFC 5782 but for exceptions",
	    test_test_points);
	unit_claim("a private list is one line", test_private_list);
	unit_claim("a changed weight changes nothing else",
	    test_change_of_weight);
	unit_claim("zones are the same in any letters",
	    test_zone_in_other_letters);
	unit_claim("a list can be switched off", test_off);
	unit_claim("a list that is named is on", test_named_is_on);
	unit_claim("everything of a list can be said",
	    test_answers_of_ones_own);
	unit_claim("a key goes into the query and nowhere else", test_key);
	unit_claim("a key typed into the zone is known to be one",
	    test_key_typed_into_the_zone);
	unit_claim("a denied zone may be named to be off",
	    test_denied_and_off);
	unit_claim("a zone is denied by labels and not by letters",
	    test_not_denied);
	unit_rows(bad_rows, test_bad);
	unit_rows(file_rows, test_bad_file);
	failed = unit_run("catalog");
	for (i = 0; i < tsv_count; i++)
		free((char *)(uintptr_t)tsv[i].claim);
	free(tsv);
	free(tsv_text);
	catalog_free(&shipped);
	forget();
	return failed;
}
