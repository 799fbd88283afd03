/*
 * milter_signals.c - keeps libmilter's hands off the process's signals
 *
 * libmilter starts a thread that waits in sigwait() for SIGHUP, SIGTERM and
 * SIGINT, takes any of them for "stop the milter", and offers no way to
 * leave that out.  We want SIGHUP to mean "read the configuration again".
 * That the main thread has these signals unblocked does not settle who gets
 * one: while its handler runs, it has them blocked, and the next one goes to
 * the thread in sigwait().  A storm of SIGHUP ends the milter that way.
 *
 * So the program has a sigwait() of its own, which the linker finds before
 * the C library's for shared libraries as well, and which never returns:
 * libmilter's thread sleeps in it, with the signals blocked.  Nothing else
 * in this program may use sigwait(); milter.c makes sure at each start that
 * libmilter has really come here.
 */
#include "front/milter_signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_cond_t change;
static bool caught;

static void
begin(void)
{
	if (clock_cond_init(&change) != 0)
		fatalx("milter: cannot make a condition");
}

int
sigwait(const sigset_t *set, int *sig)
{
	(void)set;
	(void)sig;
	pthread_once(&once, begin);
	pthread_mutex_lock(&lock);
	caught = true;
	pthread_cond_broadcast(&change);
	pthread_mutex_unlock(&lock);
	for (;;)
		pause();
}

bool
milter_signals_caught(int timeout_ms)
{
	struct timespec until;
	int error = 0;
	bool done;

	pthread_once(&once, begin);
	clock_cond_until(&until, timeout_ms);
	pthread_mutex_lock(&lock);
	while (!caught && error != ETIMEDOUT)
		error = pthread_cond_timedwait(&change, &lock, &until);
	done = caught;
	pthread_mutex_unlock(&lock);
	return done;
}
