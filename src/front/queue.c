/*
 * queue.c - what mailbraked does to Postfix from outside the mail path
 */
#include "front/queue.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/release.h"
#include "front/mailq.h"

#define EVENT_MAX	1200
#define QUIET_FAILURES	3	/* about a minute */

struct egress_queue {
	char		*name, *reason;
	enum state	 state;
	bool		 shut, can_reroute;
	double		 ramp;
	bool		 in_force;	/* its gate stands as it should */
	struct release	 plan;
	int64_t		 waiting;
};

struct queue {
	struct event_base *base;
	struct gate_file *gate;		/* NULL: none */
	struct mailq	*mailq;		/* NULL: none */
	size_t		 canaries;
	bool		 observe;
	queue_event_fn	*event;
	void		*ctx;
	struct egress_queue **v;	/* pointers: steps keep one */
	size_t		 count;
	size_t		 guess;		/* who is asked for next: see find() */
	struct event	*timer;
	bool		 known;		/* the gate has been in force */
	char		**gate_names;	/* then; sorted */
	size_t		 gate_count;

	struct egress_queue *working;	/* whose step is under way */
	int		 failures;	/* in a row */
	struct release_step step;
	char		 error[EVENT_MAX];
};

static void say(const struct queue *, const char *, ...)
    __attribute__((__format__(__printf__, 2, 3)));

static void
say(const struct queue *q, const char *fmt, ...)
{
	char text[EVENT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	q->event(q->ctx, text);
}

/* --- steps ---------------------------------------------------------------- */

static void work(struct queue *);

static void
arm(struct queue *q)
{
	int64_t next = 0, at, wait;
	struct timeval tv;
	size_t i;

	for (i = 0; i < q->count; i++) {
		at = release_next_ms(&q->v[i]->plan);
		if (at != 0 && (next == 0 || at < next))
			next = at;
	}
	if (next == 0 || q->working != NULL || q->mailq == NULL ||
	    q->observe) {
		event_del(q->timer);
		return;
	}
	wait = next - clock_mono_ms();
	wait = wait < 1 ? 1 : wait;
	tv = (struct timeval){ wait / 1000, (wait % 1000) * 1000 };
	event_add(q->timer, &tv);
}

/* At boot Postfix comes after us, and it may be restarted. */
static bool
is_away(const char *error)
{
	return strstr(error, "mail system is down") != NULL &&
	    strstr(error, "Permission denied") == NULL;
}

static void
failed(struct queue *q, const char *error)
{
	struct egress_queue *e = q->working;

	q->working = NULL;
	if (++q->failures <= QUIET_FAILURES && is_away(error)) {
		log_debug("queue of %s: %s", e->name, error);
	} else if (strcmp(q->error, error) != 0) {
		text_copy(q->error, sizeof(q->error), error);
		say(q, "%s: the queue cannot be worked on, which is tried "
		    "again: %s", e->name, error);
	}
	release_failed(&e->plan, &q->step, clock_mono_ms());
	arm(q);
}

static void
succeeded(struct queue *q)
{
	if (q->error[0] != '\0')
		say(q, "%s: the queue can be worked on again",
		    q->working->name);
	q->error[0] = '\0';
	q->failures = 0;
}

/* A flush is for everybody: who else was about to has it now. */
static void
flush_done(void *ctx, size_t count, const char *error)
{
	struct queue *q = ctx;
	int64_t now = clock_mono_ms();
	struct release_step s;
	size_t i;

	(void)count;
	if (error != NULL) {
		failed(q, error);
		return;
	}
	succeeded(q);
	release_done(&q->working->plan, &q->step, now);
	for (i = 0; i < q->count; i++) {
		if (q->v[i] == q->working ||
		    !release_flush_is_due(&q->v[i]->plan, now))
			continue;
		s = release_due(&q->v[i]->plan, now);
		say(q, "%s", s.text);
		release_done(&q->v[i]->plan, &s, now);
	}
	q->working = NULL;
	work(q);
}

static void
portion_done(void *ctx, size_t count, const char *error)
{
	struct queue *q = ctx;

	if (error != NULL) {
		failed(q, error);
		return;
	}
	succeeded(q);
	q->step.count = count;
	if (q->working->waiting >= (int64_t)count)
		q->working->waiting -= (int64_t)count;
	release_done(&q->working->plan, &q->step, clock_mono_ms());
	q->working = NULL;
	work(q);
}

static void
release(struct queue *q, const struct mailq_list *l)
{
	const char **ids = xcalloc(l->count + 1, sizeof(*ids));
	size_t i, n = 0;

	for (i = 0; i < l->count && n < q->step.count; i++)
		ids[n++] = l->messages[i].id;
	mailq_release(q->mailq, ids, n, portion_done, q);
	free(ids);
}

/* A flush would let go what another egress is still to release bit by bit. */
static bool
others_in_portions(const struct queue *q, const struct egress_queue *e)
{
	size_t i;

	for (i = 0; i < q->count; i++) {
		if (q->v[i] != e && q->v[i]->plan.phase == PHASE_PORTIONS &&
		    (q->v[i]->waiting != 0 || q->v[i]->plan.portion == 0))
			return true;
	}
	return false;
}

/* The same, of those that come back from a stop.  What waits for one that
 * was never stopped may as well go at once. */
static bool
others_come_back(const struct queue *q, const struct egress_queue *e)
{
	size_t i;

	for (i = 0; i < q->count; i++) {
		if (q->v[i] != e && q->v[i]->plan.phase == PHASE_PORTIONS &&
		    (q->v[i]->plan.resumed ||
		    q->v[i]->state == STATE_PROBATION) &&
		    (q->v[i]->waiting != 0 || q->v[i]->plan.portion == 0))
			return true;
	}
	return false;
}

/* What the gate has put off does not say whose it is, and often nobody knows:
 * who has nothing to come back from leaves that to those who have. */
static bool
others_own_it(const struct queue *q, const struct egress_queue *e)
{
	size_t i;

	if (e->plan.resumed || e->state != STATE_SENDING)
		return false;
	for (i = 0; i < q->count; i++) {
		if (q->v[i] != e && (q->v[i]->state != STATE_SENDING ||
		    q->v[i]->plan.resumed))
			return true;
	}
	return false;
}

/* As if it had been done. */
static void
leave_it(struct queue *q)
{
	release_done(&q->working->plan, &q->step, clock_mono_ms());
	q->working = NULL;
	work(q);
}

static void
list_done(void *ctx, const struct mailq_list *l)
{
	struct queue *q = ctx;
	struct egress_queue *e = q->working;
	struct release_step listed = q->step;

	if (l->error != NULL) {
		failed(q, l->error);
		return;
	}
	succeeded(q);
	e->waiting = (int64_t)l->waiting;
	q->step = release_listed(&e->plan, &listed, (size_t)e->waiting,
	    clock_mono_ms());
	if (q->step.what == RELEASE_FLUSH && others_in_portions(q, e)) {
		q->step.count = l->count;
		if (l->count == 0) {
			leave_it(q);
			return;
		}
		say(q, "%s: letting the last %zu waiting messages go",
		    e->name, l->count);
		release(q, l);
		return;
	}
	if (q->step.text[0] != '\0')
		say(q, "%s", q->step.text);
	if (q->step.what == RELEASE_PORTION && l->count > 0) {
		release(q, l);
	} else if (q->step.what == RELEASE_FLUSH) {
		mailq_flush(q->mailq, flush_done, q);
	} else {
		q->working = NULL;
		work(q);
	}
}

/* In place of a flush: what is known to be its own. */
static void
own_done(void *ctx, const struct mailq_list *l)
{
	struct queue *q = ctx;

	if (l->error != NULL) {
		failed(q, l->error);
		return;
	}
	succeeded(q);
	q->working->waiting = (int64_t)l->waiting;
	if (l->count == 0) {
		leave_it(q);
		return;
	}
	q->step.count = l->count;
	say(q, "%s: its mail has another way out: letting %zu of %zu waiting "
	    "messages go, and none of those that others release in portions",
	    q->working->name, l->count, l->waiting);
	release(q, l);
}

static bool
begin_step(struct queue *q, struct egress_queue *e)
{
	bool reroutes = e->plan.phase == PHASE_REROUTE;
	bool portions = reroutes ? others_come_back(q, e) :
	    others_in_portions(q, e);

	q->step = release_due(&e->plan, clock_mono_ms());
	if (q->step.what == RELEASE_NOTHING)
		return false;
	q->working = e;
	if (q->step.what == RELEASE_FLUSH && portions) {
		if (reroutes)
			mailq_list(q->mailq, e->name, RELEASE_MAX, true,
			    own_done, q);
		else
			leave_it(q);
		return true;
	}
	if (q->step.text[0] != '\0')
		say(q, "%s", q->step.text);
	if (q->step.what == RELEASE_FLUSH)
		mailq_flush(q->mailq, flush_done, q);
	else
		mailq_list(q->mailq, e->name, reroutes && portions ?
		    RELEASE_MAX : q->step.count, others_own_it(q, e) ||
		    (reroutes && portions), list_done, q);
	return true;
}

/* Whose step is due goes; of several, the one that has waited longest. */
static void
work(struct queue *q)
{
	struct egress_queue *first = NULL;
	int64_t at, least = 0;
	size_t i;

	if (q->mailq == NULL || q->observe || q->working != NULL)
		return;
	for (i = 0; i < q->count; i++) {
		at = release_next_ms(&q->v[i]->plan);
		if (at != 0 && (first == NULL || at < least)) {
			first = q->v[i];
			least = at;
		}
	}
	if (first == NULL || !begin_step(q, first))
		arm(q);
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	work(arg);
}

/* --- the gate --------------------------------------------------------------- */

static int
compare_names(const void *a, const void *b)
{
	return strcasecmp(*(char *const *)a, *(char *const *)b);
}

/* In names that are sorted. */
static bool
listed(char *const *names, size_t count, const char *name)
{
	return count > 0 && bsearch(&name, names, count, sizeof(*names),
	    compare_names) != NULL;
}

static void
plan(struct queue *q, struct egress_queue *e)
{
	struct release_facts f = { .state = e->state,
	    .can_reroute = e->can_reroute, .ramp = e->ramp };

	e->in_force = q->gate == NULL || (q->known && listed(q->gate_names,
	    q->gate_count, e->name) == (e->shut && !q->observe));
	f.gate_known = e->in_force;
	release_update(&e->plan, &f, clock_mono_ms());
}

/* What is under way for one that may not send any more is broken off. */
static void
drop_void_step(struct queue *q)
{
	if (q->working == NULL ||
	    q->step.serial == q->working->plan.serial)
		return;
	mailq_cancel(q->mailq);
	q->working = NULL;
}

static void
plan_all(struct queue *q)
{
	size_t i;

	for (i = 0; i < q->count; i++)
		plan(q, q->v[i]);
	drop_void_step(q);
	work(q);
}

static void
forget_gate(struct queue *q)
{
	size_t i;

	for (i = 0; i < q->gate_count; i++)
		free(q->gate_names[i]);
	free(q->gate_names);
	q->gate_names = NULL;
	q->gate_count = 0;
}

static void
say_gate(const struct queue *q, const struct gate_file_news *n,
    char *const *now)
{
	char took[DURATION_TEXT_MAX];
	size_t i;

	duration_text(n->took_ms, took);
	for (i = 0; i < n->count; i++) {
		if (!listed(q->gate_names, q->gate_count, n->names[i]))
			say(q, n->found ? "%s: its gate is shut, as it was "
			    "found" : "%s: its gate is shut, after %s",
			    n->names[i], took);
	}
	for (i = 0; i < q->gate_count; i++) {
		if (!listed(now, n->count, q->gate_names[i]))
			say(q, "%s: its gate is open, after %s",
			    q->gate_names[i], took);
	}
}

static void
in_force_cb(void *ctx, const struct gate_file_news *n)
{
	struct queue *q = ctx;
	char **now = xcalloc(n->count + 1, sizeof(*now));
	size_t i;

	for (i = 0; i < n->count; i++)
		now[i] = xstrdup(n->names[i]);
	qsort(now, n->count, sizeof(*now), compare_names);
	say_gate(q, n, now);
	forget_gate(q);
	q->gate_names = now;
	q->gate_count = n->count;
	q->known = true;
	plan_all(q);
}

static void
doubt_cb(void *ctx)
{
	struct queue *q = ctx;

	q->event(q->ctx, NULL);
}

static void
set_gate(struct queue *q)
{
	const char **names = xcalloc(q->count + 1, sizeof(*names));
	const char **reasons = xcalloc(q->count + 1, sizeof(*reasons));
	size_t i, n = 0;

	for (i = 0; i < q->count; i++) {
		if (!q->v[i]->shut || q->observe)
			continue;
		names[n] = q->v[i]->name;
		reasons[n++] = q->v[i]->reason;
	}
	gate_file_set(q->gate, names, reasons, n);
	free(names);
	free(reasons);
}

/* --- what others call -------------------------------------------------------- */

static bool
is_at(const struct queue *q, size_t i, const char *name)
{
	return i < q->count && q->v[i] != NULL &&
	    strcmp(q->v[i]->name, name) == 0;
}

/* Its place, or q->count.  Most who ask do so in the order in which they
 * are kept. */
static size_t
find(struct queue *q, const char *name)
{
	size_t i = q->guess;

	if (!is_at(q, i, name)) {
		for (i = 0; i < q->count && !is_at(q, i, name); i++)
			;
	}
	q->guess = i < q->count ? i + 1 : 0;
	return i;
}

static void
egress_free(struct egress_queue *e)
{
	free(e->name);
	free(e->reason);
	free(e);
}

static void
forget(struct queue *q, struct egress_queue *e)
{
	if (q->working == e) {
		mailq_cancel(q->mailq);
		q->working = NULL;
	}
	egress_free(e);
}

/* What would be done now, once for each change. */
static void
say_observed(const struct queue *q, const struct egress_queue *e,
    const struct queue_egress *f, bool new)
{
	if (!q->observe)
		return;
	if (f->shut && (new || !e->shut))
		say(q, "%s: observe mode: its gate would be shut now%s",
		    f->name, f->can_reroute ? " and the queue flushed" : "");
	else if (!new && e->shut && !f->shut)
		say(q, "%s: observe mode: its gate would be opened now and "
		    "what waits let go in portions", f->name);
}

/* e is NULL for one that is new. */
static struct egress_queue *
take(struct queue *q, struct egress_queue *e, const struct queue_egress *f)
{
	bool new = e == NULL;

	if (new) {
		e = xcalloc(1, sizeof(*e));
		e->name = xstrdup(f->name);
		e->waiting = -1;
		release_init(&e->plan, e->name, q->canaries);
	}
	say_observed(q, e, f, new);
	e->state = f->state;
	e->shut = f->shut;
	e->can_reroute = f->can_reroute;
	e->ramp = f->ramp;
	if (!text_equal(e->reason, f->reason)) {
		free(e->reason);
		e->reason = xstrdup(f->reason);
	}
	return e;
}

void
queue_update(struct queue *q, const struct queue_egress *v, size_t count)
{
	struct egress_queue **now = xcalloc(count + 1, sizeof(*now)), *e;
	size_t i, k;

	q->guess = 0;
	for (i = 0; i < count; i++) {
		k = find(q, v[i].name);
		e = k < q->count ? q->v[k] : NULL;
		now[i] = take(q, e, &v[i]);
		if (e != NULL)
			q->v[k] = NULL;
	}
	for (k = 0; k < q->count; k++) {
		if (q->v[k] != NULL)
			forget(q, q->v[k]);
	}
	free(q->v);
	q->v = now;
	q->count = count;
	set_gate(q);
	plan_all(q);
}

static struct mailq *
open_mailq(struct children *children, const struct queue_conf *conf,
    void *ctx)
{
	const struct mailq_conf mc = {
	    .config_directory = conf->config_directory,
	    .whose = conf->whose, .whose_ctx = ctx };

	return mailq_new(children, &mc);
}

struct queue *
queue_new(struct event_base *base, struct children *children,
    const struct queue_conf *conf, queue_event_fn *event, void *ctx)
{
	struct queue *q = xcalloc(1, sizeof(*q));
	struct gate_file_conf gc = conf->gate;

	gc.config_directory = conf->config_directory;
	q->base = base;
	q->canaries = conf->canaries;
	q->observe = conf->observe;
	q->event = event;
	q->ctx = ctx;
	q->gate = gate_file_new(base, children, &gc, in_force_cb, q);
	gate_file_on_doubt(q->gate, doubt_cb, q);
	q->mailq = conf->no_flush ? NULL : open_mailq(children, conf, ctx);
	if ((q->timer = evtimer_new(base, timer_cb, q)) == NULL)
		fatalx("out of memory for events");
	return q;
}

void
queue_free(struct queue *q)
{
	size_t i;

	if (q == NULL)
		return;
	mailq_free(q->mailq);
	gate_file_free(q->gate);
	forget_gate(q);
	for (i = 0; i < q->count; i++)
		egress_free(q->v[i]);
	free(q->v);
	event_free(q->timer);
	free(q);
}

bool
queue_gate_in_force(struct queue *q, const char *egress)
{
	size_t i = find(q, egress);

	return i < q->count ? q->v[i]->in_force : q->gate == NULL;
}

bool
queue_gate_works(const struct queue *q)
{
	return q->gate != NULL && !gate_file_doubtful(q->gate);
}

const char *
queue_gate_error(const struct queue *q)
{
	return gate_file_error(q->gate);
}

const char *
queue_error(const struct queue *q)
{
	return q->error;
}

int64_t
queue_waiting(struct queue *q, const char *egress)
{
	size_t i = find(q, egress);

	return i < q->count ? q->v[i]->waiting : -1;
}
