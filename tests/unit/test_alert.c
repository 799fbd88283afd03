/*
 * test_alert.c - what is worth telling, of all that happens on a board
 */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "core/alert.h"
#include "core/incident.h"
#include "scene.h"

#define BAD	"127.0.0.2"
#define ZONE	"bl.example"
#define CONF(more) \
	"egress = ( { name = \"mx1\"; addresses = \"203.0.113.1\"; },\n" \
	"  { name = \"mx2\"; addresses = \"203.0.113.2\"; },\n" \
	"  { name = \"mx3\"; addresses = \"203.0.113.3\"; } );\n" \
	"domains = [\"example.org\"];\n" \
	"resume = { clean = 1; after = \"1m\"; ramp = \"10m\"; };\n" \
	"lists = ( { zone = \"" ZONE "\"; }, { zone = \"two.example\"; } );\n" \
	more

static struct scene s;
static struct alerts *alerts;
static struct incidents *book;
static uint64_t seen;			/* of the alerts, by the test */
static char said[16384];

static void
told_cb(const struct board_event *e)
{
	incidents_event(book, e);
	alerts_event(alerts, e);
}

/* As the daemon does after each change. */
static bool
update(void)
{
	static const struct incident_counts none;
	const struct view *view = board_view_get(s.board);
	bool news;

	incidents_update(book, s.board, &none, s.now_ms);
	news = alerts_update(alerts, s.board, view, incidents_current(book),
	    s.now_ms);
	view_put(view);
	return news;
}

/* What is new: "state mx1 sending stopped\n..." */
static const char *
news(void)
{
	size_t len = 0;

	update();
	said[0] = '\0';
	for (; seen < alerts_end(alerts); seen++) {
		const struct alert *a = alerts_get(alerts, seen);

		len += (size_t)snprintf(said + len, sizeof(said) - len,
		    "%s %s %s %s\n", alert_kind_name(a->kind),
		    a->kind == ALERT_LIST ? a->zone : a->egress, a->from,
		    a->to);
		assert_true(a->text[0] != '\0');
		assert_true(len < sizeof(said));
	}
	return said;
}

static void
open_with(const char *conf)
{
	scene_open(&s, conf);
	alerts = alerts_new();
	book = incidents_new();
	seen = 0;
	s.told = told_cb;
	assert_string_equal(news(), "");
}

static int
close_all(void **state)
{
	(void)state;
	scene_close(&s);
	alerts_free(alerts);
	incidents_free(book);
	return 0;
}

static void
test_a_listing_and_the_way_back(void **state)
{
	const struct alert *lead;

	(void)state;
	open_with(CONF(""));
	scene_list(&s, "203.0.113.1", ZONE, BAD);
	assert_string_equal(news(), "state mx1 sending stopped\n"
	    "incident  closed open\n"
	    "listing   \n");
	lead = alerts_lead(alerts, 0, seen);
	assert_string_equal(lead->egress, "mx1");
	assert_string_equal(lead->subject, "203.0.113.1");
	assert_string_equal(lead->zone, ZONE);
	assert_true(alert_stops(lead));
	assert_false(alert_resumes(lead));
	/* Checks go on: that is no news. */
	scene_pass(&s, HOUR);
	assert_string_equal(news(), "");
	/* Another list: it is stopped already. */
	scene_list(&s, "203.0.113.1", "two.example", BAD);
	assert_string_equal(news(), "");
	scene_delist(&s, "203.0.113.1", ZONE);
	scene_delist(&s, "203.0.113.1", "two.example");
	scene_pass(&s, 2 * MINUTE);
	assert_string_equal(news(), "state mx1 stopped probation\n"
	    "listing   \nlisting   \n");
	assert_true(alert_resumes(alerts_lead(alerts, seen - 3, seen)));
	scene_pass(&s, HOUR);
	assert_string_equal(news(), "state mx1 probation sending\n"
	    "incident  open closed\n");
}

static void
test_words(void **state)
{
	const struct alert *a;

	(void)state;
	open_with(CONF(""));
	scene_override(&s, "account:bob", WORD_STOP, 0, "");
	scene_override(&s, "mx1", WORD_SEND, 0, "");
	scene_override(&s, "domain:else.example", WORD_STOP, 0, "");
	assert_string_equal(news(), "");
	scene_override(&s, "203.0.113.2", WORD_STOP, HOUR, "why");
	assert_string_equal(news(), "override mx2 sending stopped\n");
	a = alerts_get(alerts, seen - 1);
	unit_says(a->text, "(why)");
	/* It ends by itself. */
	scene_pass(&s, 2 * HOUR);
	assert_string_equal(news(), "override mx2 stopped sending\n");
	/* About several: the target. */
	scene_override(&s, "mx1", WORD_NONE, 0, "");
	scene_override(&s, "all", WORD_STOP, 0, "");
	assert_string_equal(news(), "override all sending stopped\n");
	scene_override(&s, "all", WORD_NONE, 0, "");
	news();
	/* A domain, by itself and by what it is in. */
	scene_override(&s, "domain:example.org", WORD_STOP, 0, "");
	assert_string_equal(news(),
	    "override domain:example.org sending stopped\n");
	scene_override(&s, "domain:example.org", WORD_NONE, 0, "");
	scene_override(&s, "domain:org", WORD_STOP, 0, "");
	news();
	scene_override(&s, "domain:org", WORD_NONE, 0, "");
	assert_string_equal(news(),
	    "override domain:example.org stopped sending\n");
}

static void
test_evidence_under_a_word(void **state)
{
	(void)state;
	open_with(CONF(""));
	scene_override(&s, "mx1", WORD_SEND, 0, "");
	assert_string_equal(news(), "");
	/* Mail goes on, and somebody had better know. */
	scene_list(&s, "203.0.113.1", ZONE, BAD);
	unit_says(news(), "state mx1 sending stopped\n");
	scene_override(&s, "mx1", WORD_NONE, 0, "");
	assert_string_equal(news(), "override mx1 sending stopped\n");
}

static void
test_guard(void **state)
{
	(void)state;
	open_with(CONF("pools = ( { name = \"out\"; egress = [\"mx1\", "
	    "\"mx2\", \"mx3\"]; burn_limit = 1; } );\n"));
	scene_list(&s, "203.0.113.1", ZONE, BAD);
	news();
	scene_list(&s, "203.0.113.2", ZONE, BAD);
	unit_says(news(), "state mx2 sending stopped\n");
	unit_says(said, "guard pool:out open guarded\n");
	unit_says_not(said, "mx3");
	assert_int_equal(alerts_lead(alerts, 0, seen)->kind, ALERT_GUARD);
}

static void
test_a_stop_that_is_over_does_not_lead(void **state)
{
	(void)state;
	open_with(CONF(""));
	scene_override(&s, "mx1", WORD_STOP, 0, "");
	scene_override(&s, "mx1", WORD_NONE, 0, "");
	update();
	/* Both in one moment: nothing is different. */
	assert_string_equal(news(), "");
	scene_override(&s, "mx1", WORD_STOP, 0, "");
	update();
	scene_override(&s, "mx1", WORD_NONE, 0, "");
	update();
	assert_int_equal(alerts_end(alerts), 2);
	assert_string_equal(alerts_lead(alerts, 0, 2)->to, "sending");
	/* Another one's that stands goes before. */
	scene_override(&s, "mx2", WORD_STOP, 0, "");
	update();
	scene_override(&s, "mx1", WORD_STOP, 0, "");
	update();
	scene_override(&s, "mx1", WORD_NONE, 0, "");
	update();
	assert_string_equal(alerts_lead(alerts, 0, 5)->egress, "mx2");
	assert_null(alerts_lead(alerts, 5, 5));
}

static void
test_lists(void **state)
{
	int i;

	(void)state;
	open_with(CONF(""));
	board_health(s.board, 0, SUBJECT_IPV4, HEALTH_BLIND, "refused",
	    s.now_ms);
	for (i = 0; i < 359; i++) {
		scene_tick(&s);
		assert_string_equal(news(), "");
		s.now_ms += MINUTE;
	}
	s.now_ms += MINUTE;
	scene_tick(&s);
	assert_string_equal(news(), "list " ZONE " usable blind\n");
	unit_says(alerts_get(alerts, 0)->text, "refused");
	/* The other one too: nothing would be stopped. */
	board_health(s.board, 1, SUBJECT_IPV4, HEALTH_BROKEN, "lists all",
	    s.now_ms);
	assert_string_equal(news(), "");
	s.now_ms += ALL_LONG_MS - 1;
	assert_string_equal(news(), "");
	s.now_ms++;
	assert_string_equal(news(), "lists  usable blind\n");
	s.now_ms += DAY;
	assert_string_equal(news(), "");
	board_health(s.board, 1, SUBJECT_IPV4, HEALTH_USABLE, "", s.now_ms);
	assert_string_equal(news(), "lists  blind usable\n");
	board_health(s.board, 0, SUBJECT_IPV4, HEALTH_USABLE, "", s.now_ms);
	assert_string_equal(news(), "list " ZONE " blind usable\n");
	/* Short ones are none. */
	board_health(s.board, 0, SUBJECT_IPV4, HEALTH_BLIND, "", s.now_ms);
	news();
	s.now_ms += 5 * HOUR;
	board_health(s.board, 0, SUBJECT_IPV4, HEALTH_USABLE, "", s.now_ms);
	news();
	board_health(s.board, 0, SUBJECT_IPV4, HEALTH_BLIND, "", s.now_ms);
	news();
	s.now_ms += 5 * HOUR;
	assert_string_equal(news(), "");
}

static void
test_reload(void **state)
{
	(void)state;
	open_with(CONF(""));
	scene_list(&s, "203.0.113.2", ZONE, BAD);
	scene_override(&s, "mx3", WORD_STOP, 0, "");
	news();
	/* The same in another order, and one that is new. */
	scene_reload(&s,
	    "egress = ( { name = \"mx4\"; addresses = \"203.0.113.4\"; },\n"
	    "  { name = \"mx3\"; addresses = \"203.0.113.3\"; },\n"
	    "  { name = \"mx2\"; addresses = \"203.0.113.2\"; } );\n"
	    "lists = ( { zone = \"" ZONE "\"; } );\n");
	assert_string_equal(news(), "");
	scene_override(&s, "mx4", WORD_STOP, 0, "");
	assert_string_equal(news(), "override mx4 sending stopped\n");
}

static void
test_what_was_so_before_is_no_news(void **state)
{
	(void)state;
	open_with(CONF(""));
	scene_list(&s, "203.0.113.1", ZONE, BAD);
	update();
	alerts_free(alerts);		/* the daemon starts again */
	alerts = alerts_new();
	seen = 0;
	/* An operator's word that ended meanwhile. */
	scene_override(&s, "mx2", WORD_STOP, 0, "");
	scene_override(&s, "mx2", WORD_NONE, 0, "");
	scene_list(&s, "203.0.113.3", ZONE, BAD);
	assert_string_equal(news(), "");
	assert_int_equal(alerts_end(alerts), 0);
	scene_pass(&s, MINUTE);
	assert_string_equal(news(), "");
}

static void
test_many(void **state)
{
	int i;

	(void)state;
	open_with(CONF(""));
	for (i = 0; i < ALERTS_KEPT; i++) {
		scene_override(&s, "mx1", WORD_STOP, 0, "");
		update();
		scene_override(&s, "mx1", WORD_NONE, 0, "");
		update();
	}
	assert_int_equal(alerts_end(alerts), 2 * ALERTS_KEPT);
	assert_int_equal(alerts_first(alerts), ALERTS_KEPT);
	assert_string_equal(alerts_get(alerts, ALERTS_KEPT)->to, "stopped");
	assert_string_equal(alerts_lead(alerts, 0, 2 * ALERTS_KEPT)->to,
	    "sending");
}

/* More words in a moment than are looked at: still told, by what changed. */
static void
test_many_at_once(void **state)
{
	char target[BOARD_NAME_MAX];
	int i;

	(void)state;
	open_with(CONF(""));
	for (i = 0; i < 100; i++) {
		snprintf(target, sizeof(target), "account:u%d", i);
		scene_override(&s, target, WORD_STOP, 0, "");
	}
	scene_override(&s, "mx3", WORD_STOP, 0, "");
	assert_string_equal(news(), "state mx3 sending stopped\n");
}

int
main(void)
{
	unit_around(NULL, close_all);
	unit_claim("a listing and the way back are an alert each",
	    test_a_listing_and_the_way_back);
	unit_claim("a word is one if it changes what counts", test_words);
	unit_claim("evidence is one though a word goes before it",
	    test_evidence_under_a_word);
	unit_claim("the guard of a pool is one", test_guard);
	unit_claim("a stop that is over does not lead",
	    test_a_stop_that_is_over_does_not_lead);
	unit_claim("lists are when it takes long", test_lists);
	unit_claim("a reload is none", test_reload);
	unit_claim("nor what was so before the start",
	    test_what_was_so_before_is_no_news);
	unit_claim("the last ones are kept", test_many);
	unit_claim("many words at once hide no stop", test_many_at_once);
	return unit_run("alert");
}
