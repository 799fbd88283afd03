/*
 * clock.h - the only place that asks what time it is
 *
 * Wall time is for what must survive a restart or be shown to people; the
 * monotonic clock is for waiting.  Both in milliseconds.  Any thread.
 */
#ifndef MAILBRAKE_BASE_CLOCK_H
#define MAILBRAKE_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_TEXT_MAX	32

int64_t		 clock_wall_ms(void);
int64_t		 clock_mono_ms(void);

/* "2026-11-22 06:18:02" in local time; returns buf.  "-" for 0. */
const char	*clock_text(int64_t wall_ms, char buf[CLOCK_TEXT_MAX]);

/* "2026-11-22T05:18:02Z", for machines; returns buf. */
const char	*clock_iso(int64_t wall_ms, char buf[CLOCK_TEXT_MAX]);

#endif
