/*
 * aside.c - work that may hang, such as a disk's, beside the event loop
 *
 * The end of the work is one byte in a pipe, so that the loop needs no
 * locks for it.
 */
#include "base/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/log.h"
#include "base/mem.h"

struct aside {
	aside_fn	*work, *done;
	aside_fn	*drop;		/* set: cancelled */
	void		*job;
	struct event	*event;
	int		 fds[2];
	pthread_mutex_t	 mutex;		/* guards drop and worked */
	bool		 worked;
};

static void
aside_free(struct aside *a)
{
	close(a->fds[0]);
	close(a->fds[1]);
	pthread_mutex_destroy(&a->mutex);
	free(a);
}

static void *
thread_main(void *arg)
{
	struct aside *a = arg;
	bool dropped;

	a->work(a->job);
	pthread_mutex_lock(&a->mutex);
	a->worked = true;
	dropped = a->drop != NULL;
	if (!dropped && write(a->fds[1], "", 1) == -1)
		log_warn("cannot wake the event loop");
	pthread_mutex_unlock(&a->mutex);
	/* Otherwise it is the loop's again. */
	if (dropped) {
		a->drop(a->job);
		aside_free(a);
	}
	return NULL;
}

static void
done_cb(evutil_socket_t fd, short what, void *arg)
{
	struct aside *a = arg;
	aside_fn *done = a->done;
	void *job = a->job;

	(void)fd;
	(void)what;
	/* The thread may still be about to let go. */
	pthread_mutex_lock(&a->mutex);
	pthread_mutex_unlock(&a->mutex);
	event_free(a->event);
	aside_free(a);
	done(job);
}

static bool
start_thread(struct aside *a)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;
	int rv;

	if (pthread_attr_init(&attr) != 0)
		return false;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rv = pthread_create(&thread, &attr, thread_main, a);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	errno = rv;
	return rv == 0;
}

struct aside *
aside_run(struct event_base *base, aside_fn *work, aside_fn *done, void *job)
{
	struct aside *a = xcalloc(1, sizeof(*a));
	int saved;

	*a = (struct aside){ .work = work, .done = done, .job = job };
	if (pipe2(a->fds, O_CLOEXEC) == -1) {
		free(a);
		return NULL;
	}
	pthread_mutex_init(&a->mutex, NULL);
	a->event = event_new(base, a->fds[0], EV_READ, done_cb, a);
	if (a->event != NULL && event_add(a->event, NULL) == 0 &&
	    start_thread(a))
		return a;
	saved = errno;
	if (a->event != NULL)
		event_free(a->event);
	aside_free(a);
	errno = saved;
	return NULL;
}

void
aside_cancel(struct aside *a, aside_fn *drop)
{
	bool worked;

	event_free(a->event);
	a->event = NULL;
	pthread_mutex_lock(&a->mutex);
	if (!(worked = a->worked))
		a->drop = drop;
	pthread_mutex_unlock(&a->mutex);
	if (worked) {
		drop(a->job);
		aside_free(a);
	}
}
