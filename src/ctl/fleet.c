/*
 * fleet.c - mailbrake status --fleet: all hosts with this Redis
 */
#include "ctl/status.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/show.h"
#include "ctl/ctl.h"
#include "ctl/link.h"

#define FLEET_WAIT_MS	50
#define FLEET_TRIES	40
#define FLEET_FRESH_MS	300

static void
host_row(struct grid *t, const json_t *h, int64_t now_ms)
{
	bool alive = show_bool(h, "alive");
	char age[SHOW_TIME_MAX];

	grid_cell(t, PAINT_NONE, "%s%s", show_text(h, "host"),
	    show_bool(h, "here") ? " (this one)" : "");
	if (!alive) {
		grid_cell(t, PAINT_BAD, "not heard of");
		grid_cell(t, PAINT_NONE, "-");
		grid_cell(t, PAINT_NONE, "-");
		grid_cell(t, PAINT_NONE, "-");
		grid_cell(t, PAINT_NONE, "-");
		return;
	}
	grid_cell(t, strcmp(show_text(h, "mode"), "enforce") == 0 ?
	    PAINT_GOOD : PAINT_WARN, "%s", show_text(h, "mode"));
	grid_cell(t, PAINT_NONE, "%s", show_text(h, "version"));
	grid_cell(t, show_bool(h, "same_rules") ? PAINT_NONE : PAINT_WARN,
	    "%s", show_bool(h, "same_rules") ? "as here" : "OTHERS");
	grid_cell(t, PAINT_NONE, "%lld", (long long)show_int(h, "leases"));
	grid_cell(t, PAINT_NONE, "%s", show_age(show_ms(h, "started"),
	    now_ms, age));
}

void
fleet_print(const struct screen *screen, const json_t *fleet, int64_t now_ms)
{
	static const struct column hosts[] = { { "HOST", COLUMN_WRAP },
	    { "MODE", 0 }, { "VERSION", 0 }, { "RULES", 0 },
	    { "LEASES", 0 }, { "STARTED", 0 } };
	static const struct column words[] = { { "OVERRIDE", COLUMN_WRAP },
	    { "WORD", 0 }, { "SEEN BY", 0 } };
	struct grid *t = grid_new(hosts, 6);
	const json_t *h, *o, *store = json_object_get(fleet, "store");
	int64_t seen, of;
	size_t i;

	if (strcmp(show_text(store, "redis"), "connected") != 0)
		screen_say(screen, 0, 2, PAINT_BAD, "! Redis is not "
		    "connected here: %s.", show_text(store, "why"));
	json_array_foreach(json_object_get(fleet, "hosts"), i, h)
		host_row(t, h, now_ms);
	if (grid_rows(t) == 0)
		screen_say(screen, 0, 0, PAINT_WARN, "No host is known.");
	grid_print(t, screen, 0);
	grid_free(t);
	t = grid_new(words, 3);
	json_array_foreach(json_object_get(fleet, "overrides"), i, o) {
		seen = show_int(o, "seen_by");
		of = show_int(o, "of");
		grid_cell(t, PAINT_NONE, "%s", show_text(o, "target"));
		grid_cell(t, PAINT_NONE, "%s", show_text(o, "word"));
		grid_cell(t, seen < of ? PAINT_BAD : PAINT_GOOD,
		    "%lld of %lld", (long long)seen, (long long)of);
	}
	if (grid_rows(t) > 0)
		fputc('\n', screen->out);
	grid_print(t, screen, 0);
	grid_free(t);
}

/* The first answer may be an old one; it has the daemon look. */
static json_t *
ask_fleet(const struct args *args, int *status)
{
	const struct timespec wait = { 0, FLEET_WAIT_MS * 1000000L };
	json_t *data = NULL;
	int64_t age;
	int i;

	for (i = 0; i < FLEET_TRIES; i++) {
		json_decref(data);
		data = link_ask(args, json_pack("{s:s}", "command", "fleet"),
		    status);
		if (data == NULL)
			return NULL;
		age = show_int(data, "age_ms");
		if ((age >= 0 && age < FLEET_FRESH_MS) ||
		    strcmp(show_text(json_object_get(data, "store"),
		    "redis"), "connected") != 0)
			return data;
		nanosleep(&wait, NULL);
	}
	return data;
}

int
fleet_run(const struct args *args)
{
	struct screen screen;
	int status = CTL_OK;
	json_t *data = ask_fleet(args, &status);

	if (data == NULL)
		return status;
	screen_open(&screen, stdout);
	if (args->given & OPT_JSON)
		print_json(data);
	else
		fleet_print(&screen, data, clock_wall_ms());
	json_decref(data);
	return CTL_OK;
}
