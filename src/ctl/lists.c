/*
 * lists.c - mailbrake lists
 */
#include "ctl/status.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/show.h"
#include "ctl/ctl.h"
#include "ctl/link.h"

#define NAMES_SHOWN	3

bool
lists_alike(const json_t *lists, size_t from, char *zones, size_t size)
{
	const json_t *head = json_array_get(lists, from), *l;
	size_t i, len = 0, count = 0;

	for (i = 0; i < json_array_size(lists); i++) {
		l = json_array_get(lists, i);
		if (strcmp(show_text(l, "health"),
		    show_text(head, "health")) != 0 ||
		    strcmp(show_text(l, "reason"),
		    show_text(head, "reason")) != 0)
			continue;
		if (i < from)
			return false;	/* stands in an earlier group */
		if (count++ < NAMES_SHOWN)
			len += (size_t)snprintf(zones + len, size - len,
			    "%s%.254s", count > 1 ? ", " : "",
			    show_text(l, "zone"));
	}
	if (count > NAMES_SHOWN)
		snprintf(zones + len, size - len, " and %zu more",
		    count - NAMES_SHOWN);
	return true;
}

static const char *
joined(const json_t *array, char *buf, size_t size)
{
	const json_t *item;
	size_t i, len = 0;

	buf[0] = '\0';
	json_array_foreach(array, i, item) {
		if (len < size)
			len += (size_t)snprintf(buf + len, size - len, "%s%s",
			    i > 0 ? " " : "", json_string_value(item));
	}
	return buf;
}

static bool
over_limit(const json_t *list)
{
	return show_int(list, "limit") > 0 &&
	    show_int(list, "daily") > show_int(list, "limit");
}

void
lists_print(const struct screen *screen, const json_t *lists, int64_t now_ms)
{
	static const struct column columns[] = {
		{ "LIST", COLUMN_WRAP },
		{ "HEALTH", 0 },
		{ "WEIGHT", COLUMN_RIGHT },
		{ "A DAY", COLUMN_RIGHT },
		{ "ABOUT", COLUMN_WRAP },
		{ "CHECKED", 0 },
	};
	struct grid *t = grid_new(columns, 6);
	char kinds[64], age[SHOW_TIME_MAX], zones[LISTS_ALIKE_MAX];
	const json_t *l;
	size_t i;

	json_array_foreach(lists, i, l) {
		grid_cell(t, PAINT_NONE, "%s", show_text(l, "zone"));
		grid_cell(t, strcmp(show_text(l, "health"), "usable") == 0 ?
		    PAINT_GOOD : PAINT_WARN, "%s", show_text(l, "health"));
		grid_cell(t, PAINT_NONE, "%lld",
		    (long long)show_int(l, "weight"));
		grid_cell(t, over_limit(l) ? PAINT_BAD : PAINT_NONE,
		    json_is_integer(json_object_get(l, "daily")) ? "%lld" :
		    "-", (long long)show_int(l, "daily"));
		grid_cell(t, PAINT_NONE, "%s", joined(json_object_get(l,
		    "kinds"), kinds, sizeof(kinds)));
		grid_cell(t, PAINT_NONE, "%s", show_age(show_ms(l,
		    "checked"), now_ms, age));
	}
	grid_print(t, screen, 0);
	grid_free(t);
	json_array_foreach(lists, i, l) {
		if (*show_text(l, "reason") != '\0' &&
		    lists_alike(lists, i, zones, sizeof(zones)))
			screen_say(screen, 0, 2, PAINT_WARN, "%s: %s: %s",
			    zones, show_text(l, "health"),
			    show_text(l, "reason"));
		if (over_limit(l))
			screen_say(screen, 0, 2, PAINT_BAD, "%s: %lld "
			    "questions a day are more than the %lld that are "
			    "free: make check.interval longer, or register "
			    "with it", show_text(l, "zone"),
			    (long long)show_int(l, "daily"),
			    (long long)show_int(l, "limit"));
	}
	if (json_array_size(lists) == 0)
		screen_say(screen, 0, 0, PAINT_WARN, "No list is enabled.");
}

static int
run_lists(const struct args *args)
{
	struct screen screen;
	json_t *data;
	int status;

	data = link_ask(args, json_pack("{s:s}", "command", "lists"),
	    &status);
	if (data == NULL)
		return status;
	screen_open(&screen, stdout);
	if (args->given & OPT_JSON)
		print_json(data);
	else
		lists_print(&screen, data, clock_wall_ms());
	json_decref(data);
	return CTL_OK;
}

const struct command command_lists = {
	"lists", "[--json]",
	"the lists that are asked, and whether they can be believed",
	"Shows every list that is enabled, what it weighs, what it is asked "
	"about, and\nwhether it can be believed: \"usable\", \"blind\" (it "
	"cannot be seen what it says),\n\"broken\" (what it says is not "
	"true) or \"unknown\" (not asked yet).\n"
	"\n"
	"  -j, --json  an array; with look-up and delisting addresses\n",
	OPT_JSON, 0, 0, run_lists
};
