/*
 * front.c - what all front ends have in common
 */
#include "front/front.h"

#include <assert.h>

#include "base/clock.h"
#include "front/maps.h"

/* The counters are for people: no order between them is promised. */
#define COUNT(c)	atomic_fetch_add_explicit(&(c), 1, \
			    memory_order_relaxed)

static const char *const front_names[] = {
	"milter", "policy", "socketmap",
};

static_assert(sizeof(front_names) / sizeof(front_names[0]) == FRONT_KINDS,
    "a name for every front end");

struct front_stats front_stats[FRONT_KINDS];

const char *
front_name(enum front_kind kind)
{
	return front_names[kind];
}

/* A message that will go counts for the egress that it goes by; in observe
 * mode that is its own. */
static void
count_volume(const struct view *view, const struct verdict *v)
{
	int to = v->act == ACT_PASS ? v->egress :
	    v->act == ACT_REROUTE ? v->to : -1;
	struct traffic *t;

	if (to == -1)
		return;
	t = view->policy->egress[to].traffic;
	if (to == v->home)
		COUNT(t->passed);
	else
		COUNT(t->rerouted);
}

static struct verdict
look(struct board *board, const struct envelope *asked, char *text,
    bool counted)
{
	const struct view *view = board_view_get(board);
	int64_t now_ms = clock_wall_when(view->clock_ms);
	struct envelope env = *asked;
	struct verdict v;

	env.routed = maps_routed(now_ms);
	v = decide(view, &env, now_ms);
	if (v.act != ACT_PASS)
		verdict_text(view, &v, text);
	if (counted)
		count_volume(view, &v);
	view_put(view);
	v.override = NULL;		/* was the view's */
	return v;
}

enum action
front_ask(enum front_kind kind, struct board *board,
    const struct envelope *env, char *text)
{
	struct front_stats *st = &front_stats[kind];
	int64_t now_ms = clock_wall_ms();
	struct verdict v = look(board, env, text, true);

	COUNT(st->requests);
	COUNT(st->by_action[v.act]);
	if (v.would != v.act)
		COUNT(st->would[v.would]);
	atomic_store_explicit(&st->last_ms, now_ms, memory_order_relaxed);
	return v.act;
}

enum action
front_look(struct board *board, const struct envelope *env, char *text)
{
	return look(board, env, text, false).act;
}
