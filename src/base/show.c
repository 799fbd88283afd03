/*
 * show.c - how values of the daemon's answers look to people
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE			/* strptime, timegm */
#endif
#include "base/show.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/duration.h"

const char *
show_text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s != NULL ? s : "";
}

int64_t
show_int(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

bool
show_bool(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

int64_t
show_ms(const json_t *object, const char *key)
{
	struct tm tm = { 0 };
	const char *end;

	end = strptime(show_text(object, key), "%Y-%m-%dT%H:%M:%S", &tm);
	return end != NULL && strcmp(end, "Z") == 0 ?
	    (int64_t)timegm(&tm) * 1000 : 0;
}

const char *
show_age(int64_t ms, int64_t now_ms, char buf[SHOW_TIME_MAX])
{
	char text[DURATION_TEXT_MAX];
	int64_t ago_ms = now_ms - ms;

	/* Times come in whole seconds, cut off: an hour that was just set is
	 * to read "in 1h". */
	if (ms == 0)
		return strcpy(buf, "-");
	if (ago_ms >= 1000)
		snprintf(buf, SHOW_TIME_MAX, "%s ago",
		    duration_text(ago_ms / 1000 * 1000, text));
	else if (ago_ms < 0)
		snprintf(buf, SHOW_TIME_MAX, "in %s",
		    duration_text((999 - ago_ms) / 1000 * 1000, text));
	else
		strcpy(buf, "now");
	return buf;
}

const char *
show_time(int64_t ms, int64_t now_ms, char buf[SHOW_TIME_MAX])
{
	char when[CLOCK_TEXT_MAX], today[CLOCK_TEXT_MAX];
	char age[SHOW_TIME_MAX];
	const char *shown = when;

	if (ms == 0)
		return strcpy(buf, "-");
	clock_text(ms, when);
	clock_text(now_ms, today);
	if (strncmp(when, today, sizeof("2026-11-22 ") - 1) == 0)
		shown = when + sizeof("2026-11-22 ") - 1;
	snprintf(buf, SHOW_TIME_MAX, "%s (%.60s)", shown,
	    show_age(ms, now_ms, age));
	return buf;
}
