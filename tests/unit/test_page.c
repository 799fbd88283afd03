/*
 * test_page.c - the status page, its time line, and the metrics
 *
 * Rendered from the real status of a board that is moved by hand; what a
 * board cannot be brought to is put into the JSON.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <jansson.h>

#include "base/mem.h"
#include "front/history.h"
#include "front/html.h"
#include "front/metrics.h"
#include "front/page.h"
#include "front/report.h"
#include "scene.h"

#define T	SCENE_START

/* --- the board behind it ----------------------------------------------- */

static struct scene scene;
static struct history *history;
static struct incidents *book;
static json_t *status, *events, *incident;
static char *text;
static uint64_t by_kind[EVENT_KINDS];

static const char conf[] =
    "egress = ({ name = \"mx1\"; addresses = [\"203.0.113.1\"]; },\n"
    "    { name = \"mx2\"; addresses = [\"203.0.113.2\"]; });\n"
    "domains = [\"news.example.org\"];\n"
    "lists = ({ zone = \"bl.test\"; operator = \"bl\"; weight = 100;\n"
    "    lists = [\"ipv4\"]; lookup = \"https://bl.test/?q={subject}\";\n"
    "    answers = ({ code = \"127.0.0.2\"; means = \"listed\";\n"
    "    name = \"SPAM\"; }); },\n"
    "    { zone = \"soft.test\"; operator = \"soft\"; weight = 40;\n"
    "    lists = [\"ipv4\"]; answers = ({ code = \"127.0.0.2\";\n"
    "    means = \"listed\"; }); });\n";

static int64_t
op_next_check(void *ctx, int egress)
{
	(void)ctx;
	(void)egress;
	return scene.now_ms + MINUTE;
}

static void
op_store(void *ctx, struct control_store *out)
{
	(void)ctx;
	out->state_file = "/state";
}

static const char *
op_front_where(void *ctx, enum front_kind kind)
{
	(void)ctx;
	return kind == FRONT_MILTER ? "unix:/m.sock" : NULL;
}

static const struct control_ops ops = { .version = "1.2", .host = "mail.test",
	.config_file = "/etc/mb.conf", .started_ms = T,
	.next_check = op_next_check, .store = op_store,
	.front_where = op_front_where };

static int
set_up(void **state)
{
	(void)state;
	scene_open(&scene, conf);
	history = history_new();
	events = json_array();
	memset(by_kind, 0, sizeof(by_kind));
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	json_decref(status);
	json_decref(events);
	json_decref(incident);
	status = events = incident = NULL;
	incidents_free(book);
	book = NULL;
	history_free(history);
	scene_close(&scene);
	return 0;
}

/* How things stand, as the daemon would look at them. */
static void
look(void)
{
	enum state state;
	json_t *e;
	size_t i;

	json_decref(status);
	status = report_status(scene.board, &ops, NULL, scene.now_ms);
	history_begin(history);
	json_array_foreach(json_object_get(status, "egress"), i, e) {
		assert_true(state_parse(json_string_value(json_object_get(e,
		    "state")), &state));
		history_see(history, json_string_value(json_object_get(e,
		    "name")), state, 0, scene.now_ms);
	}
	history_end(history, scene.now_ms);
}

/* The book as it is, if anything was ever wrong. */
static void
note_incident(void)
{
	struct incident_counts none = { 0 };

	if (book == NULL)
		book = incidents_new();
	incidents_update(book, scene.board, &none, scene.now_ms);
	json_decref(incident);
	incident = incidents_find(book, 0) == NULL ? NULL :
	    report_incident(incidents_find(book, 0),
	    board_policy(scene.board));
}

static size_t
page(void)
{
	struct page_facts facts = { .status = status, .events = events,
	    .incident = incident, .history = history };
	size_t len;

	free(text);
	text = page_render(&facts, &len);
	assert_int_equal(strlen(text), len);
	return len;
}

static size_t
metrics(void)
{
	struct metrics_facts facts = { .status = status,
	    .incident = incident, .took_s = 0.25 };
	size_t len;

	memcpy(facts.events, by_kind, sizeof(by_kind));
	free(text);
	text = metrics_render(&facts, &len);
	assert_int_equal(strlen(text), len);
	return len;
}

static void
look_and_render(void)
{
	look();
	note_incident();
	page();
}

static size_t
occurrences(const char *words)
{
	const char *s = text;
	size_t count = 0;

	while ((s = strstr(s, words)) != NULL) {
		count++;
		s += strlen(words);
	}
	return count;
}

static json_t *
first_egress(void)
{
	return json_array_get(json_object_get(status, "egress"), 0);
}

/* --- escaping ---------------------------------------------------------- */

static const struct escape_case {
	const char	*claim, *in, *out;
} escapes[] = {
	{ "plain text stays", "a b-c", "a b-c" },
	{ "markup becomes text", "<b>&", "&lt;b&gt;&amp;" },
	{ "no quote ends an attribute", "\"'", "&quot;&#39;" },
	{ "what stands before and after is kept", "1<2>3", "1&lt;2&gt;3" },
	{ "control characters are no markup", "a\nb\x01\x7f", "a?b??" },
	{ "bytes outside ASCII are no text", "\xc3\xbc", "??" },
	{ "a format is text", "%s%n", "%s%n" },
	{ "nothing stays nothing", "", "" },
};

static char *
text_of(const char *s)
{
	struct evbuffer *out = evbuffer_new();
	size_t len;

	html_text(out, "%s", s);
	return html_take(out, &len);
}

static void
test_escape(void **state)
{
	const struct escape_case *c = *state;
	char *is = text_of(c->in);

	assert_string_equal(is, c->out);
	free(is);
}

static void
test_long_text(void **state)
{
	char *in = xcalloc(1, 5001), *is;

	(void)state;
	memset(in, '<', 5000);
	is = text_of(in);
	assert_int_equal(strlen(is), 5000 * strlen("&lt;"));
	free(in);
	free(is);
}

static const struct escape_case links[] = {
	{ "an address of the web is a link", "https://x.test/?a=1&b=\"",
	    "<a rel=\"noreferrer noopener\" "
	    "href=\"https://x.test/?a=1&amp;b=&quot;\">"
	    "https://x.test/?a=1&amp;b=&quot;</a>" },
	{ "a script is none", "javascript:alert(1)", "javascript:alert(1)" },
	{ "data are none", "data:text/html,<b>", "data:text/html,&lt;b&gt;" },
};

static void
test_link(void **state)
{
	const struct escape_case *c = *state;
	struct evbuffer *out = evbuffer_new();
	size_t len;
	char *is;

	html_link(out, c->in);
	is = html_take(out, &len);
	assert_string_equal(is, c->out);
	free(is);
}

/* --- the first sentence ------------------------------------------------ */

static void
test_nothing_checked(void **state)
{
	(void)state;
	look_and_render();
	unit_says(text, "NOT CHECKED YET");
	unit_says_not(text, "STOPPED");
	unit_says_not(text, "Incident");
}

static void
test_all_well(void **state)
{
	(void)state;
	scene_sweep(&scene);
	look_and_render();
	unit_says(text, "<p class=\"big\">SENDING</p><p>Nothing is stopped, "
	    "and no listing counts. There is nothing to do.</p>");
	unit_says(text, "2 egresses were not seen to stop");
	unit_says(text, "<title>sending - mail.test - mailbrake</title>");
	unit_says_not(text, "class=\"observe\"");
}

static void
test_stopped(void **state)
{
	(void)state;
	scene_list(&scene, "203.0.113.1", "bl.test", "127.0.0.2");
	board_text(scene.board, 0, 0, "see <a href=\"x\">");
	look_and_render();
	unit_says(text, "<title>STOPPED - ");
	unit_says(text, "STOPPED: 1 of 2 egresses</p>"
	    "<p><b>mx1 is stopped</b> since ");
	unit_says(text, " because 203.0.113.1 is listed by bl.test (SPAM). "
	    "<b>Next:</b> it stays stopped until the lists let go of it; then "
	    "the mail comes back by itself, a small share first. "
	    "<b>Do now:</b> find what sends the spam");
	unit_says(text, "<code>mailbrake incident --cause &quot;what it was"
	    "&quot;</code>");
	unit_says(text, "<q>see &lt;a href=&quot;x&quot;&gt;</q>");
	unit_says(text, "href=\"https://bl.test/?q=203.0.113.1\"");
	unit_says(text, "<b>[done]</b> Stop sending.");
	unit_says(text, "<b>[NEXT]</b> Find the cause.");
	unit_says(text, "<b>[open]</b> Watch, and resume.");
	unit_says(text, "The other 1 egress was not seen to stop");
	assert_int_equal(occurrences("<svg "), 1);
}

static void
test_steps_lead_on(void **state)
{
	(void)state;
	scene_list(&scene, "203.0.113.1", "bl.test", "127.0.0.2");
	look_and_render();
	assert_null(incidents_tick(book, 0, STEP_CAUSE, NULL, "alice",
	    "<bob>", scene.now_ms));
	look_and_render();
	unit_says(text, "<b>Do now:</b> remove the cause");
	unit_says(text, "alice, ");
	unit_says(text, ": &lt;bob&gt;</li>");
	assert_null(incidents_tick(book, 0, STEP_REMOVED, NULL, "alice",
	    "done", scene.now_ms));
	look_and_render();
	unit_says(text, "<code>mailbrake delist bl.test</code>");
	assert_null(incidents_tick(book, 0, STEP_ASKED, "bl.test", "alice",
	    "", scene.now_ms));
	look_and_render();
	unit_says(text, "<code>mailbrake send mx1 --for 1h</code>");
	unit_says(text, "Asked for 1 of 1 listing.");
}

static void
test_too_light(void **state)
{
	(void)state;
	scene_list(&scene, "203.0.113.1", "soft.test", "127.0.0.2");
	look_and_render();
	unit_says(text, "what is listed weighs too little");
	unit_says(text, "<h2>Evidence</h2>");
	unit_says(text, ">soft.test</td>");
}

static void
test_operator_stop(void **state)
{
	(void)state;
	scene_sweep(&scene);
	scene_override(&scene, "mx2", WORD_STOP, HOUR, "<i>try</i>");
	look_and_render();
	unit_says(text, "<b>mx2 is stopped</b>");
	unit_says(text, "an operator said &quot;stop&quot;");
	unit_says(text, ": &lt;i&gt;try&lt;/i&gt;. <b>Next:</b> the "
	    "operator&#39;s word ends at ");
	unit_says(text, "<code>mailbrake auto mx2</code>");
	unit_says(text, "stopped (operator)");
}

static void
test_defied(void **state)
{
	(void)state;
	scene_list(&scene, "203.0.113.1", "bl.test", "127.0.0.2");
	scene_override(&scene, "mx1", WORD_SEND, 0, "");
	look_and_render();
	unit_says(text, "SENDING IN SPITE OF THE EVIDENCE: 1 of 2");
	unit_says(text, "<b>mx1 sends in spite of the evidence</b>");
	unit_says(text, "nothing, until somebody removes");
}

static void
test_probation(void **state)
{
	(void)state;
	scene_list(&scene, "203.0.113.1", "bl.test", "127.0.0.2");
	look();
	scene_delist(&scene, "203.0.113.1", "bl.test");
	look_and_render();
	unit_says(text, "if it stays clean, a first share of the mail goes "
	    "at ");
	while (scene_state(&scene, "mx1") == STATE_STOPPED)
		scene_pass(&scene, MINUTE);
	look_and_render();
	unit_says(text, "COMING BACK: 1 of 2 egresses");
	unit_says(text, "all of it goes at ");
	unit_says(text, "rect class=\"warn\"");
}

static void
test_observe(void **state)
{
	char observing[sizeof(conf) + 32];

	(void)state;
	snprintf(observing, sizeof(observing), "mode = \"observe\";\n%s",
	    conf);
	scene_reload(&scene, observing);
	scene_list(&scene, "203.0.113.1", "bl.test", "127.0.0.2");
	look_and_render();
	unit_says(text, "<p class=\"observe\">OBSERVE MODE: all mail passes, "
	    "nothing is stopped</p>");
	unit_says(text, "WOULD BE STOPPED: 1 of 2");
	unit_says(text, "<b>mx1 would be stopped</b>");
	unit_says_not(text, ">STOPPED");
}

/* --- what else needs a hand -------------------------------------------- */

static const struct hand {
	const char	*claim, *path, *value, *says;
} hands[] = {
	{ "nobody can ask", "fronts", "[]", "NO MAIL SERVER CAN ASK" },
	{ "nobody has asked", "fronts",
	    "[{\"name\": \"milter\", \"where\": \"x\", \"requests\": 0}]",
	    "NO MAIL SERVER HAS ASKED YET" },
	{ "the gate is behind", "gate", "{\"error\": \"disk <full>\"}",
	    "THE GATE FILE IS NOT UP TO DATE: disk &lt;full&gt;" },
	{ "the queue is out of reach", "gate",
	    "{\"queue_error\": \"not there\"}",
	    "The queue cannot be flushed: not there" },
	{ "Postfix cannot be read", "postfix", "{\"error\": \"oh\"}",
	    "configuration cannot be read: oh" },
	{ "Postfix asks for less", "postfix",
	    "{\"findings\": [{\"state\": \"missing\"}, {\"state\": \"ok\"}]}",
	    "not connected as it should be (1 point)" },
	{ "a map that there is not", "maps",
	    "[{\"name\": \"unknown\", \"requests\": 1}]",
	    "A mail server asks for a map" },
	{ "a pool is guarded", "pools", "[{\"name\": \"p\", \"guarded\": "
	    "true, \"text\": \"two\"}]", "POOL p IS GUARDED: two." },
	{ "no list", "lists", "[]", "NO LIST IS ENABLED" },
	{ "no list that can be used", "lists",
	    "[{\"zone\": \"z\", \"health\": \"blind\", \"reason\": \"r<\"}]",
	    "BLIND: no list can be used" },
	{ "the resolver", "resolver_fault", "\"all & all\"",
	    "<li>all &amp; all</li>" },
	{ "the state is not saved", "store",
	    "{\"state_file\": \"/s\", \"state_file_error\": \"full\"}",
	    "would forget it: /s: full" },
	{ "Redis is down", "store", "{\"redis\": \"down\"}",
	    "Redis is down" },
	{ "an egress without an address", "egress",
	    "[{\"name\": \"e<\", \"state\": \"sending\", \"evidence_state\": "
	    "\"sending\", \"watched\": false}]", "e&lt; IS NOT WATCHED" },
	{ "a name that does not fit", "egress",
	    "[{\"name\": \"e\", \"state\": \"sending\", \"evidence_state\": "
	    "\"sending\", \"identity\": [{\"address\": \"a\", \"state\": "
	    "\"bad\", \"text\": \"t\"}]}]", "Name of e (a): t" },
	{ "nothing to watch", "egress", "[]", "NO EGRESS" },
};

static void
test_hand(void **state)
{
	const struct hand *h = *state;

	scene_sweep(&scene);
	look();
	json_object_set_new(status, "fronts", json_loads("[{\"name\": "
	    "\"milter\", \"where\": \"x\", \"requests\": 1}]", 0, NULL));
	page();
	unit_says_not(text, "Needs a hand");
	unit_says_not(text, h->says);
	json_object_set_new(status, h->path, json_loads(h->value,
	    JSON_DECODE_ANY, NULL));
	page();
	unit_says(text, h->says);
}

/* --- its length -------------------------------------------------------- */

/* As many copies as there are egresses, with listings of every list. */
static void
grow(size_t egress_count, size_t list_count, size_t listed)
{
	json_t *array = json_array(), *lists = json_array(), *e, *l;
	json_t *listings;
	char name[300];
	size_t i, k;

	for (i = 0; i < egress_count; i++) {
		e = json_deep_copy(first_egress());
		snprintf(name, sizeof(name), "mx%04zu", i);
		json_object_set_new(e, "name", json_string(name));
		listings = json_object_get(e, "listings");
		l = json_array_get(listings, 0);
		for (k = 1; i < listed && k < list_count; k++)
			json_array_append_new(listings, json_deep_copy(l));
		if (i >= listed) {
			json_array_clear(listings);
			json_object_set_new(e, "state",
			    json_string("sending"));
			json_object_set_new(e, "evidence_state",
			    json_string("sending"));
		}
		json_array_append_new(array, e);
	}
	json_object_set_new(status, "egress", array);
	for (i = 0; i < list_count; i++) {
		l = json_deep_copy(json_array_get(json_object_get(status,
		    "lists"), 0));
		snprintf(name, sizeof(name), "list%03zu.test", i);
		json_object_set_new(l, "zone", json_string(name));
		json_object_set_new(l, "health", json_string("blind"));
		json_array_append_new(lists, l);
	}
	json_object_set_new(status, "lists", lists);
}

static void
test_page_size(void **state)
{
	(void)state;
	scene_list(&scene, "203.0.113.1", "bl.test", "127.0.0.2");
	look();
	grow(1000, 100, 1000);
	assert_in_range(page(), 10000, 70000);
	assert_int_equal(occurrences(">mx0029</td>"), 1);
	assert_int_equal(occurrences(">mx0030</td>"), 0);
	unit_says(text, "And 970 more; all of them: mailbrake status --all");
	unit_says(text, "1000 of 1000 egresses");
	unit_says(text, "And 997 more, see below.");
	unit_says(text, "And 70 more.");
}

static void
test_quiet_egresses_are_counted(void **state)
{
	(void)state;
	scene_list(&scene, "203.0.113.1", "bl.test", "127.0.0.2");
	look();
	grow(1000, 1, 1);
	page();
	assert_int_equal(occurrences(">mx0000</td>"), 1);
	assert_int_equal(occurrences(">mx0001</td>"), 0);
	unit_says(text, "And 999 more that send");
}

static void
test_metrics_size(void **state)
{
	size_t wide, narrow;

	(void)state;
	scene_list(&scene, "203.0.113.1", "bl.test", "127.0.0.2");
	look();
	grow(1000, 1, 1000);
	narrow = metrics();
	grow(1000, 100, 1000);
	wide = metrics();
	print_message("metrics of 1000 egresses: %zu bytes, with 100 lists "
	    "%zu\n", narrow, wide);
	/* 99 lists more are 99 rows more of each kind, not 99,000. */
	assert_in_range(wide - narrow, 99 * 3 * 40, 99 * 3 * 80);
	assert_in_range(wide, 200000, 500000);
}

/* --- the time line ----------------------------------------------------- */

struct seen {
	int64_t	at;
	int	mx1, mx2;		/* -1: not there */
	int64_t	since;
};

#define X	HISTORY_UNKNOWN

static const struct history_case {
	const char	*claim;
	struct seen	 seen[4];
	size_t		 seen_count;
	const char	*egress;
	int64_t		 from, to;
	struct history_span spans[5];
	size_t		 count;
} histories[] = {
	{ "what was never seen is not known", {{ 100, 0, 0, 0 }}, 1, "mx9",
	    0, 200, {{ 0, 200, X }}, 1 },
	{ "before the first look it is not known", {{ 100, 0, 0, 0 }}, 1,
	    "mx1", 0, 200, {{ 0, 100, X }, { 100, 200, 0 }}, 2 },
	{ "a state that lasted already did so", {{ 100, 1, 0, 40 }}, 1,
	    "mx1", 0, 200, {{ 0, 40, X }, { 40, 200, 1 }}, 2 },
	{ "a change ends what was before", {{ 10, 0, 0, 0 }, { 50, 1, 0, 0 },
	    { 90, 2, 0, 0 }}, 3, "mx1", 10, 100, {{ 10, 50, 0 },
	    { 50, 90, 1 }, { 90, 100, 2 }}, 3 },
	{ "a second look at the same is none", {{ 10, 1, 0, 0 },
	    { 50, 1, 0, 0 }}, 2, "mx1", 10, 100, {{ 10, 100, 1 }}, 1 },
	{ "each has its own", {{ 10, 1, 0, 0 }, { 50, 1, 1, 0 }}, 2, "mx2",
	    10, 100, {{ 10, 50, 0 }, { 50, 100, 1 }}, 2 },
	{ "what is gone is not known", {{ 10, 1, 0, 0 }, { 50, -1, 0, 0 }}, 2,
	    "mx1", 10, 100, {{ 10, 50, 1 }, { 50, 100, X }}, 2 },
	{ "and may come back", {{ 10, 1, 0, 0 }, { 50, -1, 0, 0 },
	    { 70, 0, 0, 0 }}, 3, "mx1", 10, 100, {{ 10, 50, 1 },
	    { 50, 70, X }, { 70, 100, 0 }}, 3 },
	{ "no state lasts longer than is known otherwise", {{ 10, 0, 0, 0 },
	    { 50, 1, 0, 5 }}, 2, "mx1", 10, 100, {{ 10, 50, 0 },
	    { 50, 100, 1 }}, 2 },
	{ "only what was asked for", {{ 10, 0, 0, 0 }, { 50, 1, 0, 0 },
	    { 90, 0, 0, 0 }}, 3, "mx1", 60, 80, {{ 60, 80, 1 }}, 1 },
};

static void
test_history(void **state)
{
	const struct history_case *c = *state;
	struct history_span spans[5];
	size_t i;

	for (i = 0; i < c->seen_count; i++) {
		const struct seen *s = &c->seen[i];

		history_begin(history);
		if (s->mx1 >= 0)
			history_see(history, "mx1", (enum state)s->mx1,
			    s->since, s->at);
		history_see(history, "mx2", (enum state)s->mx2, 0, s->at);
		history_end(history, s->at);
	}
	assert_int_equal(history_spans(history, c->egress, c->from, c->to,
	    spans, 5), c->count);
	for (i = 0; i < c->count; i++) {
		assert_int_equal(spans[i].from_ms, c->spans[i].from_ms);
		assert_int_equal(spans[i].to_ms, c->spans[i].to_ms);
		assert_int_equal(spans[i].state, c->spans[i].state);
	}
}

static void
see(const char *name, enum state s, int64_t at)
{
	history_see(history, name, s, 0, at);
}

static void
test_full_ring(void **state)
{
	struct history_span spans[3];
	int64_t i, last = 2 * HISTORY_CHANGES;

	(void)state;
	see("calm", STATE_STOPPED, 1);
	for (i = 2; i <= last; i++)
		see("busy", i % 2 ? STATE_STOPPED : STATE_SENDING, i);
	/* Its only change is lost, but none since is. */
	assert_int_equal(history_spans(history, "calm", 0, last + 1, spans,
	    3), 2);
	assert_int_equal(spans[0].state, HISTORY_UNKNOWN);
	assert_int_equal(spans[1].state, STATE_STOPPED);
	assert_int_equal(spans[1].from_ms, last - HISTORY_CHANGES + 1);
	/* More than there is room for: the latest. */
	assert_int_equal(history_spans(history, "busy", 0, last + 1, spans,
	    3), 3);
	assert_int_equal(spans[2].to_ms, last + 1);
	assert_int_equal(spans[0].from_ms, last - 2);
}

static void
test_copy(void **state)
{
	struct history_span spans[2];
	struct history *copy;

	(void)state;
	see("mx1", STATE_STOPPED, 10);
	copy = history_copy(history);
	see("mx1", STATE_SENDING, 20);
	see("mx2", STATE_SENDING, 20);
	assert_int_equal(history_spans(copy, "mx1", 10, 30, spans, 2), 1);
	assert_int_equal(spans[0].state, STATE_STOPPED);
	assert_int_equal(history_spans(copy, "mx2", 10, 30, spans, 2), 1);
	assert_int_equal(spans[0].state, HISTORY_UNKNOWN);
	history_free(copy);
	assert_int_equal(history_spans(history, "mx1", 10, 30, spans, 2), 2);
}

static void
test_drawing(void **state)
{
	(void)state;
	scene_sweep(&scene);
	history_see(history, "mx1", STATE_SENDING, scene.now_ms - 90 * HOUR,
	    scene.now_ms - 90 * HOUR);
	history_see(history, "mx1", STATE_STOPPED, 0,
	    scene.now_ms - 48 * HOUR);
	history_see(history, "mx1", STATE_SENDING, 0,
	    scene.now_ms - 24 * HOUR);
	look_and_render();
	unit_says(text, "<rect class=\"ok\" x=\"0\" y=\"18\" width=\"1440\" "
	    "height=\"4\"/><rect class=\"bad\" x=\"1440\" y=\"0\" "
	    "width=\"1440\" height=\"22\"/><rect class=\"ok\" x=\"2880\"");
	assert_int_equal(occurrences("class=\"day\""), 3);
}

/* --- metrics ----------------------------------------------------------- */

static void
test_metrics(void **state)
{
	(void)state;
	scene_list(&scene, "203.0.113.1", "bl.test", "127.0.0.2");
	scene_override(&scene, "mx2", WORD_STOP, 0, "");
	by_kind[EVENT_LISTED] = 3;
	look();
	note_incident();
	json_object_set_new(first_egress(), "waiting", json_integer(7));
	metrics();
	unit_says(text, "# HELP mailbrake_egress_stopped 1 if ");
	unit_says(text, "\n# TYPE mailbrake_egress_stopped gauge\n"
	    "mailbrake_egress_stopped{egress=\"mx1\"} 1\n"
	    "mailbrake_egress_stopped{egress=\"mx2\"} 1\n");
	unit_says(text, "\nmailbrake_egress_score{egress=\"mx1\"} 100\n"
	    "mailbrake_egress_score{egress=\"mx2\"} 0\n");
	unit_says(text, "\nmailbrake_egress_listings{egress=\"mx1\"} 1\n");
	unit_says(text, "\nmailbrake_list_listings{list=\"bl.test\"} 1\n"
	    "mailbrake_list_listings{list=\"soft.test\"} 0\n");
	unit_says(text, "\nmailbrake_egresses{state=\"stopped\"} 2\n");
	unit_says(text, "\nmailbrake_overrides{word=\"stop\"} 1\n");
	unit_says(text, "\nmailbrake_events_total{kind=\"listed\"} 3\n");
	unit_says(text, "\nmailbrake_incident_open 1\n");
	unit_says(text, "\nmailbrake_incident_steps_done 2\n");
	unit_says(text, "\nmailbrake_snapshot_duration_seconds 0.25\n");
	unit_says(text, "\nmailbrake_start_time_seconds 1795300000\n");
	unit_says(text, "\nmailbrake_egress_waiting_messages{egress=\"mx1\"} "
	    "7\n");
	/* What is not known has no number. */
	unit_says_not(text, "waiting_messages{egress=\"mx2\"}");
	unit_says_not(text, "postfix_findings{");
}

static void
test_metrics_labels(void **state)
{
	(void)state;
	look();
	json_object_set_new(first_egress(), "name",
	    json_string("a\\b\"c\nd"));
	metrics();
	unit_says(text, "\nmailbrake_egress_score{egress=\"a\\\\b\\\"c\\nd\"} "
	    "0\n");
}

static void
test_metrics_without_incident(void **state)
{
	(void)state;
	look();
	metrics();
	unit_says(text, "\nmailbrake_incident_open 0\n");
	unit_says(text, "\nmailbrake_incident_opened_timestamp_seconds 0\n");
}

int
main(void)
{
	unit_rows(escapes, test_escape);
	unit_claim("long text is not cut", test_long_text);
	unit_rows(links, test_link);
	unit_around(set_up, tear_down);
	unit_claim("before the first answer nothing is claimed",
	    test_nothing_checked);
	unit_claim("when all is well there is nothing to do", test_all_well);
	unit_claim("a stop says who, why, what next, what now", test_stopped);
	unit_claim("what to do now is the incident's next step",
	    test_steps_lead_on);
	unit_claim("a listing that weighs too little stops nothing",
	    test_too_light);
	unit_claim("an operator's stop says so", test_operator_stop);
	unit_claim("sending in spite of a listing is not called well",
	    test_defied);
	unit_claim("the way back says when", test_probation);
	unit_claim("observe mode cannot be overlooked", test_observe);
	unit_rows(hands, test_hand);
	unit_claim("a thousand stopped egresses fit a page", test_page_size);
	unit_claim("egresses that send are only counted",
	    test_quiet_egresses_are_counted);
	unit_claim("metrics grow with egresses plus lists",
	    test_metrics_size);
	unit_rows(histories, test_history);
	unit_claim("a full ring claims nothing that it does not know",
	    test_full_ring);
	unit_claim("a copy is its holder's own", test_copy);
	unit_claim("a day is a third of the drawing", test_drawing);
	unit_claim("what is known has a number", test_metrics);
	unit_claim("no name ends a label", test_metrics_labels);
	unit_claim("no incident is 0", test_metrics_without_incident);
	return unit_run("page");
}
