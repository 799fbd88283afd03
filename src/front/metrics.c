/*
 * metrics.c - what the daemon knows, for Prometheus
 *
 * Names by the rules of prometheus.io/docs/practices/naming: base units,
 * _total for what only grows, _timestamp_seconds for points in time (0 where
 * there is none yet).  What is 0 or 1 is named after what 1 means.
 */
#include "front/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "base/show.h"
#include "front/html.h"

struct page {
	struct evbuffer		*out;
	const json_t		*status;
	char			 name[80];	/* of the family */
};

/* One sample's label; name NULL for none. */
struct label {
	const char	*name, *value;
};

static const struct label NONE = { NULL, NULL };

static void
family(struct page *p, const char *name, const char *type, const char *help)
{
	snprintf(p->name, sizeof(p->name), "mailbrake_%s", name);
	evbuffer_add_printf(p->out, "# HELP %s %s\n# TYPE %s %s\n", p->name,
	    help, p->name, type);
}

static void
add_label(struct page *p, char before, const struct label *l)
{
	const char *s;

	evbuffer_add_printf(p->out, "%c%s=\"", before, l->name);
	for (s = l->value; *s != '\0'; s++) {
		if (*s == '\\' || *s == '"')
			evbuffer_add(p->out, "\\", 1);
		if (*s == '\n')
			evbuffer_add(p->out, "\\n", 2);
		else
			evbuffer_add(p->out, s, 1);
	}
	evbuffer_add(p->out, "\"", 1);
}

static void
sample2(struct page *p, struct label a, struct label b, double value)
{
	evbuffer_add(p->out, p->name, strlen(p->name));
	if (a.name != NULL) {
		add_label(p, '{', &a);
		if (b.name != NULL)
			add_label(p, ',', &b);
		evbuffer_add(p->out, "}", 1);
	}
	/* As many digits as a whole number of 53 bits has. */
	evbuffer_add_printf(p->out, " %.16g\n", value);
}

static void
sample(struct page *p, const char *label, const char *value, double number)
{
	sample2(p, (struct label){ label, value }, NONE, number);
}

static void
gauge(struct page *p, const char *name, const char *help, double value)
{
	family(p, name, "gauge", help);
	sample2(p, NONE, NONE, value);
}

static double
seconds(const json_t *o, const char *key)
{
	return (double)show_ms(o, key) / 1000;
}

static bool
is(const json_t *o, const char *key, const char *value)
{
	return strcmp(show_text(o, key), value) == 0;
}

static bool
is_filled(const json_t *o, const char *key)
{
	return *show_text(o, key) != '\0';
}

/* Confirmed, whatever it weighs. */
static size_t
confirmed(const json_t *listings)
{
	size_t i, count = 0;
	const json_t *l;

	json_array_foreach(listings, i, l)
		count += show_bool(l, "confirmed");
	return count;
}

/* --- one row of the status, one sample --------------------------------- */

typedef double value_fn(const json_t *);

static double
value_stopped(const json_t *o)
{
	return is(o, "state", "stopped");
}

static double
value_probation(const json_t *o)
{
	return is(o, "state", "probation");
}

static double
value_defied(const json_t *o)
{
	return is(o, "state", "sending") &&
	    !is(o, "evidence_state", "sending");
}

static double
value_since(const json_t *o)
{
	return seconds(o, "since");
}

static double
value_score(const json_t *o)
{
	return (double)show_int(o, "score");
}

static double
value_listings(const json_t *o)
{
	return (double)confirmed(json_object_get(o, "listings"));
}

static double
value_blind(const json_t *o)
{
	return show_bool(o, "blind");
}

static double
value_checked(const json_t *o)
{
	return seconds(o, "checked");
}

static double
value_hour(const json_t *o)
{
	return (double)show_int(o, "hour");
}

/* Not known: no sample. */
static double
value_waiting(const json_t *o)
{
	return json_is_integer(json_object_get(o, "waiting")) ?
	    (double)show_int(o, "waiting") : -1;
}

static double
value_usable(const json_t *o)
{
	return is(o, "health", "usable");
}

static double
value_requests(const json_t *o)
{
	return (double)show_int(o, "requests");
}

static double
value_malformed(const json_t *o)
{
	return (double)show_int(o, "malformed");
}

static double
value_connections(const json_t *o)
{
	return (double)show_int(o, "connections");
}

static double
value_last(const json_t *o)
{
	return seconds(o, "last");
}

static double
value_offered(const json_t *o)
{
	return is_filled(o, "where");
}

static double
value_guarded(const json_t *o)
{
	return show_bool(o, "guarded");
}

static double
value_standing_in(const json_t *o)
{
	size_t i, count = 0;
	const json_t *m;

	json_array_foreach(json_object_get(o, "egress"), i, m)
		count += show_bool(m, "stands_in");
	return (double)count;
}

/* For each element of an array of the status that has something to say. */
static const struct {
	const char	*array, *label, *key;	/* the label's value */
	const char	*name, *type, *help;
	value_fn	*value;
} rows[] = {
	{ "egress", "egress", "name", "egress_stopped", "gauge",
	    "1 if the egress is stopped, by evidence, its pool's guard or "
	    "an operator.", value_stopped },
	{ "egress", "egress", "name", "egress_probation", "gauge",
	    "1 if a growing share of the egress's mail goes again.",
	    value_probation },
	{ "egress", "egress", "name", "egress_defied", "gauge",
	    "1 if the egress sends by an operator's word, in spite of the "
	    "evidence.", value_defied },
	{ "egress", "egress", "name", "egress_since_timestamp_seconds",
	    "gauge", "When the egress's state began.", value_since },
	{ "egress", "egress", "name", "egress_score", "gauge",
	    "Sum of the weights of what counts against the egress.",
	    value_score },
	{ "egress", "egress", "name", "egress_listings", "gauge",
	    "Confirmed listings of the egress, whatever they weigh.",
	    value_listings },
	{ "egress", "egress", "name", "egress_blind", "gauge",
	    "1 if a list that should see the egress cannot be used.",
	    value_blind },
	{ "egress", "egress", "name", "egress_checked_timestamp_seconds",
	    "gauge", "When a list last answered for the egress.",
	    value_checked },
	{ "egress", "egress", "name", "egress_hour_messages", "gauge",
	    "Messages that took the egress in the running hour.",
	    value_hour },
	{ "egress", "egress", "name", "egress_waiting_messages", "gauge",
	    "Messages in the queue that wait because of the egress; absent "
	    "if not known.", value_waiting },
	{ "domains", "domain", "name", "domain_stopped", "gauge",
	    "1 if mail from the sender domain is stopped.", value_stopped },
	{ "domains", "domain", "name", "domain_listings", "gauge",
	    "Confirmed listings of the sender domain.", value_listings },
	{ "lists", "list", "zone", "list_usable", "gauge",
	    "1 if the list can be believed.", value_usable },
	{ "lists", "list", "zone", "list_checked_timestamp_seconds", "gauge",
	    "When the list's health was last looked at.", value_checked },
	{ "pools", "pool", "name", "pool_guarded", "gauge",
	    "1 if the pool is stopped lest its other egresses are the next.",
	    value_guarded },
	{ "pools", "pool", "name", "pool_standing_in_egresses", "gauge",
	    "Egresses of the pool that would stand in for another now.",
	    value_standing_in },
	{ "fronts", "front", "name", "front_offered", "gauge",
	    "1 if mail servers can ask this front end.", value_offered },
	{ "fronts", "front", "name", "front_requests_total", "counter",
	    "Questions about mail that mail servers asked.",
	    value_requests },
	{ "fronts", "front", "name", "front_malformed_total", "counter",
	    "Requests that were not understood.", value_malformed },
	{ "fronts", "front", "name", "front_connections", "gauge",
	    "Connections that are open now.", value_connections },
	{ "fronts", "front", "name", "front_last_request_timestamp_seconds",
	    "gauge", "When a mail server asked last; 0 is never.",
	    value_last },
	{ "maps", "map", "name", "map_requests_total", "counter",
	    "Look-ups in a map; \"unknown\": in one that there is not.",
	    value_requests },
};

static void
add_rows(struct page *p)
{
	const json_t *o;
	double value;
	size_t i, k;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		family(p, rows[i].name, rows[i].type, rows[i].help);
		json_array_foreach(json_object_get(p->status, rows[i].array),
		    k, o) {
			if ((value = rows[i].value(o)) >= 0)
				sample(p, rows[i].label, show_text(o,
				    rows[i].key), value);
		}
	}
}

/* --- sums -------------------------------------------------------------- */

static size_t
count_of(const struct page *p, const char *array, const char *key,
    const char *value)
{
	size_t i, count = 0;
	const json_t *o;

	json_array_foreach(json_object_get(p->status, array), i, o)
		count += is(o, key, value);
	return count;
}

static void
add_states(struct page *p, const char *array)
{
	int i;

	for (i = 0; i < STATE_KINDS; i++)
		sample(p, "state", state_name((enum state)i), (double)count_of(
		    p, array, "state", state_name((enum state)i)));
}

/* How many listings each list has, of whatever subject. */
static void
add_list_listings(struct page *p)
{
	const json_t *lists = json_object_get(p->status, "lists");
	const json_t *party, *l;
	static const char *const parties[] = { "egress", "domains" };
	json_t *counts = json_object(), *n;
	size_t i, k, m;

	for (m = 0; m < 2; m++) {
		json_array_foreach(json_object_get(p->status, parties[m]), i,
		    party) {
			json_array_foreach(json_object_get(party, "listings"),
			    k, l) {
				if (!show_bool(l, "confirmed"))
					continue;
				n = json_object_get(counts, show_text(l,
				    "zone"));
				json_object_set_new(counts, show_text(l,
				    "zone"), json_integer(
				    json_integer_value(n) + 1));
			}
		}
	}
	family(p, "list_listings", "gauge", "Confirmed listings by the list, "
	    "of all egresses and sender domains.");
	json_array_foreach(lists, i, l)
		sample(p, "list", show_text(l, "zone"),
		    (double)show_int(counts, show_text(l, "zone")));
	json_decref(counts);
}

static void
add_verdicts(struct page *p)
{
	static const struct {
		const char	*action, *done, *would;
	} actions[] = {
		{ "pass", "passed", NULL },
		{ "tempfail", "tempfailed", "would_tempfail" },
		{ "hold", "held", "would_hold" },
		{ "reroute", "rerouted", "would_reroute" },
		{ "queue", "queued", "would_queue" },
	};
	const json_t *fronts = json_object_get(p->status, "fronts"), *f;
	const char *key;
	size_t i, k;
	int would;

	for (would = 0; would < 2; would++) {
		if (would)
			family(p, "front_observed_verdicts_total", "counter",
			    "What enforce mode would have done with mail "
			    "that passed in observe mode.");
		else
			family(p, "front_verdicts_total", "counter",
			    "What mail servers were told to do with mail.");
		json_array_foreach(fronts, i, f) {
			for (k = 0; k < sizeof(actions) / sizeof(actions[0]);
			    k++) {
				key = would ? actions[k].would :
				    actions[k].done;
				if (key != NULL)
					sample2(p, (struct label){ "front",
					    show_text(f, "name") },
					    (struct label){ "action",
					    actions[k].action },
					    (double)show_int(f, key));
			}
		}
	}
}

static void
add_findings(struct page *p)
{
	static const char *const states[] = { "ok", "missing", "wrong" };
	const json_t *f, *findings = json_object_get(json_object_get(
	    p->status, "postfix"), "findings");
	size_t i, k, count;

	family(p, "postfix_findings", "gauge", "What Postfix's configuration "
	    "was compared with, by how it stands; absent if not known.");
	for (i = 0; json_is_array(findings) &&
	    i < sizeof(states) / sizeof(states[0]); i++) {
		count = 0;
		json_array_foreach(findings, k, f)
			count += is(f, "state", states[i]);
		sample(p, "state", states[i], (double)count);
	}
}

static void
add_counts(struct page *p, const struct metrics_facts *facts)
{
	static const char *const words[] = { "stop", "send" };
	int i;

	family(p, "egresses", "gauge", "Egresses by state.");
	add_states(p, "egress");
	family(p, "domains", "gauge", "Sender domains by state.");
	add_states(p, "domains");
	family(p, "lists", "gauge", "Lists by health.");
	for (i = 0; i < HEALTH_KINDS; i++)
		sample(p, "health", health_name((enum health)i),
		    (double)count_of(p, "lists", "health",
		    health_name((enum health)i)));
	family(p, "overrides", "gauge", "Operators' words in force.");
	for (i = 0; i < 2; i++)
		sample(p, "word", words[i], (double)count_of(p, "overrides",
		    "word", words[i]));
	family(p, "events_total", "counter", "Lines of the time line, by "
	    "kind.");
	for (i = 0; i < EVENT_KINDS; i++)
		sample(p, "kind", event_kind_name((enum event_kind)i),
		    (double)facts->events[i]);
}

static void
add_incident(struct page *p, const json_t *in)
{
	bool open = in != NULL && show_ms(in, "closed") == 0;
	size_t i, done = 0;
	const json_t *s;

	json_array_foreach(json_object_get(in, "steps"), i, s)
		done += is(s, "state", "done");
	gauge(p, "incident_open", "1 while an incident is open.", open);
	gauge(p, "incident_opened_timestamp_seconds", "When the open incident "
	    "began; 0 if there is none.", open ? seconds(in, "opened") : 0);
	gauge(p, "incident_steps_done", "Steps of the open incident that are "
	    "done, of 6.", open ? (double)done : 0);
}

static void
add_ways(struct page *p)
{
	const json_t *gate = json_object_get(p->status, "gate");
	const json_t *store = json_object_get(p->status, "store");
	bool redis = !is(store, "redis", "off");

	gauge(p, "gate_failed", "1 if the gate file cannot be brought up to "
	    "date.", is_filled(gate, "error"));
	gauge(p, "gate_settled", "1 if the gate's latest change is in force.",
	    show_bool(gate, "settled"));
	gauge(p, "gate_shut_egresses", "Egresses that the gate is shut for.",
	    (double)json_array_size(json_object_get(gate, "shut")));
	gauge(p, "queue_failed", "1 if the mail server's queue cannot be "
	    "flushed.", is_filled(gate, "queue_error"));
	gauge(p, "redis_used", "1 if Redis is configured.", redis);
	gauge(p, "redis_connected", "1 if Redis is connected.",
	    is(store, "redis", "connected"));
	gauge(p, "state_file_failed", "1 if the state cannot be saved.",
	    is_filled(store, "state_file_error"));
	gauge(p, "resolver_failed", "1 if all lists that fail have one cause "
	    "in common.", is_filled(p->status, "resolver_fault"));
}

char *
metrics_render(const struct metrics_facts *facts, size_t *len)
{
	struct page p = { .out = evbuffer_new(), .status = facts->status };

	family(&p, "build_info", "gauge", "Always 1; the version is its "
	    "label.");
	sample(&p, "version", show_text(p.status, "version"), 1);
	gauge(&p, "start_time_seconds", "When the daemon started.",
	    seconds(p.status, "started"));
	gauge(&p, "snapshot_timestamp_seconds", "When these numbers were "
	    "put together.", seconds(p.status, "now"));
	gauge(&p, "snapshot_duration_seconds", "How long that, and writing "
	    "the page, took the last time.", facts->took_s);
	gauge(&p, "observe_mode", "1 if all mail passes, whatever is decided.",
	    is(p.status, "mode", "observe"));
	gauge(&p, "stop_score", "The score that stops an egress.",
	    (double)show_int(p.status, "stop_score"));
	gauge(&p, "next_check_timestamp_seconds", "When the next round of "
	    "questions begins; 0 if not known.",
	    seconds(p.status, "next_check"));
	add_counts(&p, facts);
	add_rows(&p);
	add_list_listings(&p);
	add_verdicts(&p);
	add_findings(&p);
	add_incident(&p, facts->incident);
	add_ways(&p);
	return html_take(p.out, len);
}
