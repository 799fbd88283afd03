/*
 * clock.h - the only place that asks what time it is
 *
 * Wall time is for what must survive a restart or be shown to people; the
 * monotonic clock is for waiting.  Both in milliseconds.  Any thread.
 *
 * The wall clock may be set, by a person or by ntpd, and what ends in an
 * hour must not end because of that.  So wall time is what the host's clock
 * said at first, what the monotonic one has counted since, and the steps
 * that were taken over; whoever takes one over moves the times that are
 * kept.  Other threads have times of before that for another moment, and
 * read the clock that belongs to them.
 */
#ifndef MAILBRAKE_BASE_CLOCK_H
#define MAILBRAKE_BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#define CLOCK_TEXT_MAX	32
#define CLOCK_STEP_MIN_MS 500	/* less is no step */

int64_t		 clock_wall_ms(void);
int64_t		 clock_mono_ms(void);

/* By how much the host's clock was set since, negative: back; 0 if not. */
int64_t		 clock_step_ms(void);
/* From now on clock_wall_ms() is by so much later. */
void		 clock_take(int64_t step_ms);
/* clock_wall_ms() as it is when taken_ms were taken over, all in all. */
int64_t		 clock_wall_when(int64_t taken_ms);

/* For pthread_cond_timedwait(): a condition, and the end of a wait for it,
 * that do not move when the wall clock is set. */
int		 clock_cond_init(pthread_cond_t *);
void		 clock_cond_until(struct timespec *, int64_t wait_ms);

/* "2026-11-22 06:18:02" in local time; returns buf.  "-" for 0. */
const char	*clock_text(int64_t wall_ms, char buf[CLOCK_TEXT_MAX]);

/* "2026-11-22T05:18:02Z", for machines; returns buf. */
const char	*clock_iso(int64_t wall_ms, char buf[CLOCK_TEXT_MAX]);

#endif
