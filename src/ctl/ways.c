/*
 * ways.c - the ways out in a status: gate, maps, pools
 */
#include "ctl/ways.h"

#include <stdio.h>
#include <string.h>

#include "base/show.h"

#define FINDINGS_SHOWN	4

static bool
is(const json_t *o, const char *key, const char *value)
{
	return strcmp(show_text(o, key), value) == 0;
}

static bool
is_bad(const json_t *finding)
{
	return is(finding, "state", "missing") ||
	    is(finding, "state", "wrong");
}

/* Postfix is here, and no transport asks the gate. */
static bool
no_gate(const json_t *findings)
{
	bool gate = false;
	const json_t *f;
	size_t i;

	json_array_foreach(findings, i, f) {
		if (!is(f, "point", "gate"))
			continue;
		gate = true;
		if (is(f, "state", "ok"))
			return false;
	}
	return gate;
}

static void
warn_findings(const struct screen *screen, const json_t *findings)
{
	size_t i, shown = 0, more = 0;
	const json_t *f;

	if (no_gate(findings)) {
		screen_say(screen, 0, 2, PAINT_WARN, "! THE QUEUE IS NOT "
		    "BRAKED: Postfix does not ask the gate before it "
		    "delivers, so what it has taken goes on leaving while an "
		    "egress is stopped. What to do here: mailbrake setup "
		    "postfix");
		return;
	}
	json_array_foreach(findings, i, f) {
		if (!is_bad(f))
			continue;
		if (shown >= FINDINGS_SHOWN) {
			more++;
			continue;
		}
		shown++;
		screen_say(screen, 0, 2, PAINT_BAD, "! Postfix: %s%s%s",
		    show_text(f, "text"), *show_text(f, "mend") != '\0' ?
		    "; to mend: " : "", show_text(f, "mend"));
	}
	if (more > 0)
		screen_say(screen, 0, 2, PAINT_BAD, "! Postfix: %zu more; all "
		    "of it: mailbrake setup postfix --verify", more);
}

void
ways_warn(const struct screen *screen, const json_t *status)
{
	const json_t *gate = json_object_get(status, "gate");
	const json_t *postfix = json_object_get(status, "postfix"), *o;
	size_t i;

	if (*show_text(gate, "error") != '\0')
		screen_say(screen, 0, 2, PAINT_BAD, "! THE GATE FILE IS NOT "
		    "UP TO DATE: %s", show_text(gate, "error"));
	if (*show_text(gate, "queue_error") != '\0')
		screen_say(screen, 0, 2, PAINT_BAD, "! The queue cannot be "
		    "flushed: %s", show_text(gate, "queue_error"));
	if (*show_text(postfix, "error") != '\0')
		screen_say(screen, 0, 2, PAINT_WARN, "! Postfix's "
		    "configuration cannot be read: %s",
		    show_text(postfix, "error"));
	warn_findings(screen, json_object_get(postfix, "findings"));
	json_array_foreach(json_object_get(status, "maps"), i, o) {
		if (is(o, "name", "unknown") && show_int(o, "requests") > 0)
			screen_say(screen, 0, 2, PAINT_BAD, "! A mail server "
			    "asks for a map, or for the gate of an egress, "
			    "that there is none of, and puts that mail off: "
			    "compare its configuration with the names of the "
			    "egresses.");
	}
	json_array_foreach(json_object_get(status, "pools"), i, o) {
		if (show_bool(o, "guarded"))
			screen_say(screen, 0, 2, PAINT_BAD, "! POOL %s IS "
			    "GUARDED: %s. Find the cause; then \"mailbrake "
			    "send NAME\" lets one go on.",
			    show_text(o, "name"), show_text(o, "text"));
	}
}

static void
heading(const struct screen *screen, const char *text)
{
	fputc('\n', screen->out);
	screen_say(screen, 0, 2, PAINT_BOLD, "%s", text);
}

static const json_t *
egress_of(const json_t *status, const char *name)
{
	const json_t *e;
	size_t i;

	json_array_foreach(json_object_get(status, "egress"), i, e) {
		if (is(e, "name", name))
			return e;
	}
	return NULL;
}

static void
volume_cell(struct grid *t, const json_t *e)
{
	long long hour = (long long)show_int(e, "hour");

	if (json_is_integer(json_object_get(e, "usual_per_hour")))
		grid_cell(t, PAINT_NONE, "%lld of %lld", hour,
		    (long long)show_int(e, "usual_per_hour"));
	else
		grid_cell(t, PAINT_NONE, "%lld", hour);
}

static void
pool_rows(const json_t *status, const json_t *pool, struct grid *t)
{
	const json_t *m;
	size_t i;

	json_array_foreach(json_object_get(pool, "egress"), i, m) {
		const json_t *e = egress_of(status, show_text(m, "name"));
		bool stands_in = show_bool(m, "stands_in");

		grid_cell(t, PAINT_NONE, "%s (%s)", show_text(pool, "name"),
		    show_text(pool, "choose"));
		grid_cell(t, PAINT_NONE, "%s", show_text(m, "name"));
		volume_cell(t, e);
		grid_cell(t, PAINT_NONE, "%lld",
		    (long long)show_int(e, "hour_rerouted"));
		grid_cell(t, stands_in ? PAINT_NONE : PAINT_WARN, "%s%s",
		    stands_in ? "yes" : "no: it ", stands_in ? "" :
		    show_text(m, "why_not"));
	}
}

static void
pool_table(const struct screen *screen, const json_t *status)
{
	static const struct column columns[] = {
		{ "POOL", COLUMN_WRAP },
		{ "EGRESS", COLUMN_WRAP },
		{ "THIS HOUR", COLUMN_RIGHT },
		{ "REROUTED", COLUMN_RIGHT },
		{ "STANDS IN", COLUMN_WRAP },
	};
	struct grid *t = grid_new(columns, 5);
	const json_t *pool;
	size_t i;

	json_array_foreach(json_object_get(status, "pools"), i, pool) {
		if (json_array_size(json_object_get(pool, "egress")) > 1)
			pool_rows(status, pool, t);
	}
	if (grid_rows(t) > 0)
		heading(screen, "Egresses that stand in for each other");
	grid_print(t, screen, 2);
	grid_free(t);
}

/* Only what is asked: most sites need one or two of them. */
static void
map_table(const struct screen *screen, const json_t *status, int64_t now_ms)
{
	static const struct column columns[] = {
		{ "MAP", 0 },
		{ "LAST", 0 },
		{ "ASKED", COLUMN_RIGHT },
	};
	struct grid *t = grid_new(columns, 3);
	char age[SHOW_TIME_MAX];
	const json_t *m;
	size_t i;

	json_array_foreach(json_object_get(status, "maps"), i, m) {
		if (show_int(m, "requests") == 0)
			continue;
		grid_cell(t, is(m, "name", "unknown") ? PAINT_BAD :
		    PAINT_NONE, "%s", show_text(m, "name"));
		grid_cell(t, PAINT_NONE, "%s", show_age(show_ms(m, "last"),
		    now_ms, age));
		grid_cell(t, PAINT_NONE, "%lld",
		    (long long)show_int(m, "requests"));
	}
	if (grid_rows(t) > 0)
		heading(screen, "Maps that mail servers ask");
	grid_print(t, screen, 2);
	grid_free(t);
}

static void
gate_lines(const struct screen *screen, const json_t *status)
{
	const json_t *gate = json_object_get(status, "gate"), *s;
	char names[400] = "";
	size_t i, len = 0;

	if (*show_text(gate, "file") == '\0')
		return;
	json_array_foreach(json_object_get(gate, "shut"), i, s) {
		if (len < sizeof(names) - 80)
			len += (size_t)snprintf(names + len,
			    sizeof(names) - len, "%s%.64s", i > 0 ? ", " : "",
			    json_string_value(s));
	}
	fputc('\n', screen->out);
	screen_say(screen, 0, 7, show_bool(gate, "settled") ? PAINT_NONE :
	    PAINT_WARN, "Gate:  %s, %s%s%s.", show_text(gate, "file"),
	    names[0] != '\0' ? "shut for " : "open", names,
	    show_bool(gate, "settled") ? "" :
	    "; a change is not in force yet");
}

void
ways_print(const struct screen *screen, const json_t *status, int64_t now_ms)
{
	pool_table(screen, status);
	map_table(screen, status, now_ms);
	gate_lines(screen, status);
}
