/*
 * show.h - how values of the daemon's answers look to people
 *
 * Readers of JSON that never fail: what is absent or of another type reads
 * as "", 0 or false, so that a newer or older daemon can be looked at.
 */
#ifndef MAILBRAKE_BASE_SHOW_H
#define MAILBRAKE_BASE_SHOW_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define SHOW_TIME_MAX	96

const char	*show_text(const json_t *object, const char *key);
int64_t		 show_int(const json_t *object, const char *key);
bool		 show_bool(const json_t *object, const char *key);
/* Wall-clock milliseconds of an ISO 8601 time; 0 for null. */
int64_t		 show_ms(const json_t *object, const char *key);

/* "2026-11-22 03:02:11 (2h 5m ago)", without the date if it is today's;
 * "-" for 0.  Returns buf. */
const char	*show_time(int64_t ms, int64_t now_ms,
		    char buf[SHOW_TIME_MAX]);
/* "2h 5m ago", "in 10m", "now", "-" for 0. */
const char	*show_age(int64_t ms, int64_t now_ms,
		    char buf[SHOW_TIME_MAX]);

#endif
