/*
 * duration.h - "15m" and back
 *
 * A duration in a file is a string of numbers with units: "90s", "1h30m",
 * "250ms".  Units: ms s m h d w.  Inside the program it is milliseconds.
 */
#ifndef MAILBRAKE_BASE_DURATION_H
#define MAILBRAKE_BASE_DURATION_H

#include <stdint.h>

#define DURATION_TEXT_MAX	32

/* NULL and *ms set, or what is wrong ("has no unit: write \"15m\", ...");
 * *ms is untouched then. */
const char	*duration_parse(const char *text, int64_t *ms);

/* The two largest units: "2h 5m", "45s", "250ms"; negative reads as "0s".
 * Returns buf. */
const char	*duration_text(int64_t ms, char buf[DURATION_TEXT_MAX]);

#endif
