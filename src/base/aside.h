/*
 * aside.h - work that may hang, such as a disk's, beside the event loop
 *
 * Each job has a thread of its own for as long as it takes: for what is
 * rare.  The work sees only its own context, and the loop does not look at
 * that until the work is done, so nothing is shared.
 */
#ifndef MAILBRAKE_BASE_ASIDE_H
#define MAILBRAKE_BASE_ASIDE_H

struct aside;				/* opaque, see aside.c */
struct event_base;

typedef void aside_fn(void *job);

/*
 * Runs work(job) on a new thread, with all signals blocked, and then
 * done(job) on the loop; never before this returns.  NULL if there can be no thread now: nothing was
 * called then.
 */
struct aside	*aside_run(struct event_base *, aside_fn *work,
		    aside_fn *done, void *job);

/* done is not called any more; drop(job) is, on whatever thread, when the
 * work has ended.  Not from done. */
void		 aside_cancel(struct aside *, aside_fn *drop);

#endif
