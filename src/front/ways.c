/*
 * ways.c - the ways out, as Postfix on this host knows them
 */
#include "front/ways.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/decide.h"
#include "core/pool.h"
#include "front/maps.h"
#include "front/queue.h"
#include "front/wired.h"

#define CHILDREN_MAX	8	/* other programs at once */

struct ways {
	struct event_base	*base;
	struct board		*board;
	const struct config	*conf;
	ways_fn			*tell;
	void			*ctx;
	struct children		*children;
	struct queue		*queue;
	struct wired		*wired;
	bool			 gate_file;	/* there is one */
	const char		**shut;		/* what the queue was told */
	size_t			 shut_count;
	uint64_t		 generation;	/* of the board, then */
	int64_t			 updated_ms;
};

/* A gate that is asked, but cannot be shut, keeps nothing. */
static void
tell_gated(struct ways *w)
{
	const struct policy *p = w->conf->policy;
	bool by_file, gated;
	size_t i;

	for (i = 0; i < p->egress_count; i++) {
		gated = wired_gated(w->wired, p->egress[i].name, &by_file);
		board_set_gated(w->board, i, gated && (!by_file ||
		    queue_gate_works(w->queue)));
	}
	w->tell(w->ctx, NULL);
}

static void
queue_cb(void *ctx, const char *text)
{
	struct ways *w = ctx;

	if (text != NULL)
		w->tell(w->ctx, text);
	else
		tell_gated(w);
}

static enum mailq_whose
whose_cb(void *ctx, const char *egress, const char *sender,
    const char *recipient)
{
	const struct ways *w = ctx;
	const struct view *view = board_view_get(w->board);
	int home = maps_home(view, sender, recipient, clock_wall_ms());
	enum mailq_whose whose = home == -1 ? MAILQ_UNKNOWN :
	    text_same(view->policy->egress[home].name, egress) ?
	    MAILQ_MINE : MAILQ_OTHERS;

	view_put(view);
	return whose;
}

static void
wired_cb(void *ctx)
{
	tell_gated(ctx);
}

/* By default the gate file stands beside the state; who has none there may
 * have no Postfix either. */
static const char *
gate_table(const struct config *c)
{
	if (c->gate_file_given || access(DEFAULT_STATE_DIR, W_OK) == 0)
		return c->gate_file;
	if (c->gate_file[0] != '\0')
		log_debug("no gate file is written: there is no %s of ours",
		    DEFAULT_STATE_DIR);
	return "";
}

static void
start_queue(struct ways *w)
{
	const struct config *c = w->conf;
	const char *directory = c->postfix_config[0] != '\0' ?
	    c->postfix_config : NULL;
	struct queue_conf qc = {
		.gate = { .table = gate_table(c), .given = c->gate_file_given,
		    .config_directory = directory },
		.config_directory = directory,
		.whose = whose_cb,
		.canaries = (size_t)c->policy->resume_canaries,
		.observe = c->policy->mode == MODE_OBSERVE,
		.no_flush = !c->postfix_flush,
	};

	w->gate_file = qc.gate.table[0] != '\0';
	w->queue = queue_new(w->base, w->children, &qc, queue_cb, w);
	w->updated_ms = 0;
}

struct ways *
ways_new(struct event_base *base, struct board *board,
    const struct config *c, ways_fn *tell, void *ctx)
{
	struct ways *w = xcalloc(1, sizeof(*w));

	w->base = base;
	w->board = board;
	w->conf = c;
	w->tell = tell;
	w->ctx = ctx;
	if ((w->children = children_new(base, CHILDREN_MAX)) == NULL)
		fatalx("cannot set up the event loop");
	start_queue(w);
	w->wired = wired_new(base, w->children, wired_cb, w);
	wired_want(w->wired, c);
	return w;
}

void
ways_free(struct ways *w)
{
	if (w == NULL)
		return;
	wired_free(w->wired);
	queue_free(w->queue);
	children_free(w->children);
	free(w->shut);
	free(w);
}

static bool
same_queue(const struct config *a, const struct config *b)
{
	return strcmp(a->gate_file, b->gate_file) == 0 &&
	    strcmp(a->postfix_config, b->postfix_config) == 0 &&
	    a->postfix_flush == b->postfix_flush &&
	    a->policy->mode == b->policy->mode &&
	    a->policy->resume_canaries == b->policy->resume_canaries;
}

void
ways_configure(struct ways *w, const struct config *c)
{
	bool same = same_queue(w->conf, c);

	w->conf = c;
	w->shut_count = 0;		/* names of the old policy */
	w->updated_ms = 0;
	if (!same) {
		queue_free(w->queue);
		start_queue(w);
	}
	wired_want(w->wired, c);
}

/* --- what is to be so ----------------------------------------------------- */

/* Flushing helps only where the mail server asks the route map. */
static bool
is_routed(const struct ways *w, int64_t now_ms)
{
	const struct wiring_findings *f = wired_findings(w->wired);
	size_t i;

	if (maps_routed(now_ms))
		return true;
	for (i = 0; f != NULL && i < f->count; i++) {
		if (f->v[i].point == WIRING_ROUTE &&
		    f->v[i].state == WIRING_OK)
			return true;
	}
	return false;
}

static bool
can_reroute(const struct view *view, size_t i, int64_t now_ms)
{
	const struct pool *pool =
	    &view->policy->pools[view->policy->egress[i].pool];
	size_t k;

	for (k = 0; k < pool->action_count; k++) {
		if (pool->actions[k] == ACT_REROUTE)
			return pool_stand_in(view, i, NULL, now_ms) != -1;
	}
	return false;
}

static const char *
why_shut(const struct view *view, size_t i, const struct override *by)
{
	if (by != NULL)
		return "stopped by an operator";
	return view->egress[i].state == STATE_STOPPED ? "listed" :
	    "stopped by the guard of its pool";
}

static void
describe(struct ways *w, const struct view *view, size_t i, bool routed,
    int64_t now_ms, struct queue_egress *out)
{
	const struct override *by;

	*out = (struct queue_egress){ .name = view->policy->egress[i].name };
	out->state = pool_egress_state(view, i, now_ms, &by);
	if (out->state == STATE_PROBATION)
		out->ramp = decide_share(view, i, now_ms);
	if (out->state != STATE_STOPPED)
		return;
	out->shut = true;
	out->reason = why_shut(view, i, by);
	out->can_reroute = routed && can_reroute(view, i, now_ms);
	if (view->policy->mode == MODE_ENFORCE)
		w->shut[w->shut_count++] = out->name;
}

void
ways_update(struct ways *w, int64_t now_ms)
{
	const struct view *view;
	struct queue_egress *facts;
	bool routed;
	size_t i, count;

	/* Many answers change nothing. */
	if (w->updated_ms != 0 && now_ms >= w->updated_ms &&
	    now_ms - w->updated_ms < BOARD_BEAT_MS &&
	    w->generation == board_generation(w->board))
		return;
	w->updated_ms = now_ms;
	w->generation = board_generation(w->board);
	view = board_view_get(w->board);
	count = view->policy->egress_count;
	free(w->shut);
	w->shut = xcalloc(count, sizeof(*w->shut));
	w->shut_count = 0;
	facts = xcalloc(count, sizeof(*facts));
	routed = is_routed(w, now_ms);
	for (i = 0; i < count; i++)
		describe(w, view, i, routed, now_ms, &facts[i]);
	queue_update(w->queue, facts, count);
	free(facts);
	view_put(view);
}

/* --- for status ----------------------------------------------------------- */

void
ways_gate(const struct ways *w, struct control_gate *out)
{
	size_t i;

	*out = (struct control_gate){ .settled = true };
	if (!w->gate_file || w->queue == NULL)
		return;
	out->file = w->conf->gate_file;
	out->error = queue_gate_error(w->queue);
	out->queue_error = queue_error(w->queue);
	out->shut = w->shut;
	out->shut_count = w->shut_count;
	for (i = 0; i < w->conf->policy->egress_count; i++)
		out->settled = out->settled && queue_gate_in_force(w->queue,
		    w->conf->policy->egress[i].name);
}

void
ways_postfix(const struct ways *w, struct control_postfix *out)
{
	*out = (struct control_postfix){
	    .findings = wired_findings(w->wired),
	    .error = wired_error(w->wired) };
}

int64_t
ways_waiting(const struct ways *w, const char *egress)
{
	return w->queue != NULL ? queue_waiting(w->queue, egress) : -1;
}
