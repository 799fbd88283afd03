/*
 * clock.c - the only place that asks what time it is
 */
#include "base/clock.h"

#include <stdatomic.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int64_t ahead_ms;		/* the wall clock was at first */
static _Atomic int64_t all_taken_ms;

static int64_t
read_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
clock_mono_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

static void
begin(void)
{
	ahead_ms = read_ms(CLOCK_REALTIME) - clock_mono_ms();
}

int64_t
clock_wall_when(int64_t taken_ms)
{
	pthread_once(&once, begin);
	return clock_mono_ms() + ahead_ms + taken_ms;
}

int64_t
clock_wall_ms(void)
{
	return clock_wall_when(atomic_load(&all_taken_ms));
}

int64_t
clock_step_ms(void)
{
	int64_t mono_ms, step_ms, took_ms;

	pthread_once(&once, begin);
	/* Interrupted between the two it would prove nothing. */
	do {
		mono_ms = clock_mono_ms();
		step_ms = read_ms(CLOCK_REALTIME) - mono_ms - ahead_ms -
		    atomic_load(&all_taken_ms);
		took_ms = clock_mono_ms() - mono_ms;
	} while (took_ms > CLOCK_STEP_MIN_MS / 10);
	return step_ms > -CLOCK_STEP_MIN_MS && step_ms < CLOCK_STEP_MIN_MS ?
	    0 : step_ms;
}

void
clock_take(int64_t step_ms)
{
	atomic_fetch_add(&all_taken_ms, step_ms);
}

int
clock_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int error = pthread_condattr_init(&attr);

	if (error != 0)
		return error;
	error = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (error == 0)
		error = pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return error;
}

void
clock_cond_until(struct timespec *until, int64_t wait_ms)
{
	clock_gettime(CLOCK_MONOTONIC, until);
	until->tv_sec += wait_ms / 1000;
	until->tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (until->tv_nsec >= 1000000000) {
		until->tv_nsec -= 1000000000;
		until->tv_sec++;
	}
}

const char *
clock_text(int64_t wall_ms, char buf[CLOCK_TEXT_MAX])
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (wall_ms == 0 || localtime_r(&t, &tm) == NULL ||
	    strftime(buf, CLOCK_TEXT_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		strcpy(buf, "-");
	return buf;
}

const char *
clock_iso(int64_t wall_ms, char buf[CLOCK_TEXT_MAX])
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (wall_ms == 0 || gmtime_r(&t, &tm) == NULL ||
	    strftime(buf, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		strcpy(buf, "-");
	return buf;
}
