/*
 * report.c - what the daemon knows, as JSON
 *
 * Facts only: how they are laid out and what to advise is the tool's
 * business.  The exception is explain, whose sentences are written where the
 * decision is made, so that they cannot tell another story.
 */
#include "front/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/domain.h"
#include "base/mem.h"
#include "base/text.h"
#include "conf/wiring.h"
#include "core/pool.h"
#include "front/json.h"
#include "front/maps.h"

#define CODE_TEXT_MAX	16

static const char *
code_text(uint32_t code, char buf[CODE_TEXT_MAX])
{
	snprintf(buf, CODE_TEXT_MAX, "%u.%u.%u.%u", code >> 24,
	    code >> 16 & 255, code >> 8 & 255, code & 255);
	return buf;
}

static const struct list *
listing_list(const struct board *board, const struct listing *l)
{
	return &board_policy(board)->lists[l->list];
}

static json_t *
new_listing(const struct board *board, const struct listing *l)
{
	const struct subject *subject = board_subject(board, l->subject);
	const struct list *list = listing_list(board, l);
	char buf[ADDR_TEXT_MAX], code[CODE_TEXT_MAX];
	const char *name = subject_text(subject, buf);
	json_t *o = json_object();

	put_text(o, subject->kind == SUBJECT_DOMAIN ? "domain" : "address",
	    name);
	put_text(o, "zone", list->zone);
	put_filled(o, "code", l->seen.code == 0 ? NULL :
	    code_text(l->seen.code, code));
	put_filled(o, "name", l->seen.name);
	put_text(o, "kind", answer_name(l->seen.kind));
	put_filled(o, "text", l->text);
	put_int(o, "weight", l->seen.weight);
	put(o, "confirmed", json_boolean(l->confirmed));
	put_time(o, "since", l->confirmed ? l->since_ms : l->first_ms);
	put_time(o, "seen", l->seen_ms);
	put_link(o, "lookup", list->lookup, name);
	put_link(o, "delist", list->delist, name);
	return o;
}

static bool
egress_has(const struct egress *e, const struct subject *subject)
{
	size_t i;

	if (subject->kind == SUBJECT_DOMAIN)
		return e->helo_domain != NULL &&
		    strcmp(e->helo_domain, subject->domain) == 0;
	for (i = 0; i < e->addr_count; i++) {
		if (addr_cmp(&e->addrs[i], &subject->addr) == 0)
			return true;
	}
	return false;
}

static bool
domain_has(const struct sender_domain *d, const struct subject *subject)
{
	return subject->kind == SUBJECT_DOMAIN &&
	    strcmp(d->asked, subject->domain) == 0;
}

/* Whoever can be stopped: one of both is given. */
struct party {
	const struct egress		*egress;
	const struct sender_domain	*domain;
};

static bool
party_has(const struct party *p, const struct subject *subject)
{
	return p->egress != NULL ? egress_has(p->egress, subject) :
	    domain_has(p->domain, subject);
}

static json_t *
new_listings(const struct board *board, const struct party *p)
{
	json_t *array = json_array();
	const struct listing *l;
	size_t i;

	for (i = 0; i < board_listing_count(board); i++) {
		l = board_listing(board, i);
		if (party_has(p, board_subject(board, l->subject)))
			json_array_append_new(array, new_listing(board, l));
	}
	return array;
}

static json_t *
new_override(const struct override *o)
{
	json_t *object = json_object();

	put_text(object, "target", o->target);
	put_text(object, "word", word_name(o->word));
	put_time(object, "since", o->since_ms);
	put_time(object, "until", o->until_ms);
	put_filled(object, "reason", o->reason);
	put_filled(object, "source", o->source);
	return object;
}

/* What egresses and sender domains have in common.  by: the override that
 * decides, or NULL. */
static void
put_standing(json_t *o, const struct standing *st, enum state state,
    const struct override *by)
{
	put_text(o, "state", state_name(state));
	put_text(o, "evidence_state", state_name(st->state));
	put_int(o, "score", st->score);
	/* Where an operator's word makes the state, it is as old as that. */
	put_time(o, "since", state == st->state || by == NULL ?
	    st->since_ms : by->since_ms);
	put_time(o, "until", by != NULL ? by->until_ms : st->until_ms);
	put_time(o, "clean_since", st->clean_since_ms);
	put_int(o, "relapses", st->relapses);
	put(o, "override", by != NULL ? new_override(by) : json_null());
}

/* One for each address. */
static json_t *
new_identities(const struct egress *e, size_t i,
    const struct control_ops *ops, void *ctx)
{
	json_t *array = json_array(), *o;
	char text[ADDR_TEXT_MAX];
	size_t a;

	for (a = 0; ops->identity != NULL && a < e->addr_count; a++) {
		struct control_identity id = { .state = "unknown" };

		ops->identity(ctx, i, a, &id);
		o = json_object();
		put_text(o, "address", addr_text(&e->addrs[a], text));
		put_text(o, "state", id.state);
		put_filled(o, "name", id.name);
		put_filled(o, "text", id.text);
		json_array_append_new(array, o);
	}
	return array;
}

static json_t *
new_gate(const struct control_ops *ops, void *ctx)
{
	struct control_gate gate = { 0 };
	json_t *o = json_object(), *shut = json_array();
	size_t i;

	if (ops->gate != NULL)
		ops->gate(ctx, &gate);
	for (i = 0; i < gate.shut_count; i++)
		json_array_append_new(shut, new_text(gate.shut[i]));
	put_filled(o, "file", gate.file);
	put_filled(o, "error", gate.error);
	put_filled(o, "queue_error", gate.queue_error);
	put(o, "settled", json_boolean(gate.settled));
	put(o, "shut", shut);
	return o;
}

static json_t *
new_finding(const struct wiring_finding *f)
{
	json_t *o = json_object();

	put_text(o, "point", wiring_point_name(f->point));
	put_text(o, "state", wiring_state_name(f->state));
	put_filled(o, "egress", f->egress);
	put_filled(o, "service", f->service);
	put_text(o, "text", f->text);
	put_filled(o, "mend", f->mend);
	return o;
}

static json_t *
new_postfix(const struct control_ops *ops, void *ctx)
{
	struct control_postfix postfix = { 0 };
	json_t *o = json_object(), *findings;
	size_t i;

	if (ops->postfix != NULL)
		ops->postfix(ctx, &postfix);
	findings = postfix.findings != NULL ? json_array() : json_null();
	for (i = 0; postfix.findings != NULL &&
	    i < postfix.findings->count; i++)
		json_array_append_new(findings,
		    new_finding(&postfix.findings->v[i]));
	put_filled(o, "error", postfix.error);
	put(o, "findings", findings);
	return o;
}

/* How much mail takes this way, and whether deliveries ask first. */
static void
put_traffic(json_t *o, const struct board *board, size_t i)
{
	const struct egress *e = &board_policy(board)->egress[i];
	const struct standing *st = board_standing(board, i);
	const struct volume *v = board_volume(board, i);
	json_t *transports = json_array();
	size_t k;

	for (k = 0; k < e->transport_count; k++)
		json_array_append_new(transports, new_text(e->transports[k]));
	put(o, "transports", transports);
	put(o, "fresh", json_boolean(st->fresh && !e->warm));
	put_int(o, "hour", (int64_t)v->hour);
	put_int(o, "hour_rerouted", (int64_t)v->hour_rerouted);
	put(o, "usual_per_hour", st->usual.hours < TRAFFIC_KNOWN_HOURS ?
	    json_null() : json_integer((json_int_t)st->usual.per_hour));
	put_time(o, "gate_asked", atomic_load(&e->traffic->gate_ms));
}

static json_t *
new_egress(const struct board *board, size_t i,
    const struct control_ops *ops, void *ctx, int64_t now_ms)
{
	const struct policy *policy = board_policy(board);
	const struct egress *e = &policy->egress[i];
	const struct party party = { .egress = e };
	const struct override *by = NULL;
	enum state state = board_effective(board, i, now_ms, &by);
	json_t *o = json_object(), *addresses = json_array();
	char text[ADDR_TEXT_MAX];
	int64_t waiting;
	size_t a;

	for (a = 0; a < e->addr_count; a++)
		json_array_append_new(addresses,
		    json_string(addr_text(&e->addrs[a], text)));
	put_text(o, "name", e->name);
	put_text(o, "pool", policy->pools[e->pool].name);
	put(o, "addresses", addresses);
	put_filled(o, "hostname", e->hostname);
	put(o, "watched", json_boolean(e->watched));
	put_standing(o, board_standing(board, i), state, by);
	put_time(o, "checked", board_checked_ms(board, i));
	put_time(o, "next_check", ops->next_check(ctx, (int)i));
	put(o, "blind", json_boolean(board_blind(board, i)));
	put_traffic(o, board, i);
	waiting = ops->waiting != NULL ? ops->waiting(ctx, e->name) : -1;
	put(o, "waiting", waiting < 0 ? json_null() : json_integer(waiting));
	put(o, "identity", new_identities(e, i, ops, ctx));
	put(o, "listings", new_listings(board, &party));
	return o;
}

/* The word about this sender domain or one above it; a stop goes before a
 * send, as in the decision. */
static const struct override *
domain_override(const struct board *board, const char *name, int64_t now_ms)
{
	static const char prefix[] = "domain:";
	const struct override *o, *best = NULL;
	size_t i;

	for (i = 0; i < board_override_count(board); i++) {
		o = board_get_override(board, i);
		if (strncmp(o->target, prefix, sizeof(prefix) - 1) != 0 ||
		    !domain_within(name, o->target + sizeof(prefix) - 1) ||
		    (o->until_ms != 0 && o->until_ms <= now_ms))
			continue;
		if (best == NULL || o->word == WORD_STOP)
			best = o;
	}
	return best;
}

static json_t *
new_domain(const struct board *board, size_t i, int64_t now_ms)
{
	const struct sender_domain *d = &board_policy(board)->domains[i];
	const struct standing *st = board_domain_standing(board, i);
	const struct override *by = domain_override(board, d->name, now_ms);
	const struct party party = { .domain = d };
	json_t *o = json_object();

	put_text(o, "name", d->name);
	put_text(o, "asked", d->asked);
	put_standing(o, st, by == NULL ? st->state : by->word == WORD_STOP ?
	    STATE_STOPPED : STATE_SENDING, by);
	put(o, "listings", new_listings(board, &party));
	return o;
}

static json_t *
new_list_health(const struct board *board, size_t i)
{
	const char *reason = NULL;
	int64_t checked_ms = 0;
	enum health health = board_list_health(board, i, &reason,
	    &checked_ms);
	const struct list *list = &board_policy(board)->lists[i];
	json_t *o = json_object();

	put_text(o, "zone", list->zone);
	put_text(o, "health", health_name(health));
	put_filled(o, "reason", reason);
	put_int(o, "weight", list->weight);
	put_time(o, "checked", checked_ms);
	return o;
}

static json_t *
new_front(const struct control_ops *ops, void *ctx, enum front_kind kind)
{
	struct front_stats *st = &front_stats[kind];
	json_t *o = json_object();

	put_text(o, "name", front_name(kind));
	put_filled(o, "where", ops->front_where(ctx, kind));
	put_int(o, "requests", (int64_t)atomic_load(&st->requests));
	put_int(o, "passed", (int64_t)atomic_load(&st->by_action[ACT_PASS]));
	put_int(o, "tempfailed",
	    (int64_t)atomic_load(&st->by_action[ACT_TEMPFAIL]));
	put_int(o, "held", (int64_t)atomic_load(&st->by_action[ACT_HOLD]));
	put_int(o, "rerouted",
	    (int64_t)atomic_load(&st->by_action[ACT_REROUTE]));
	put_int(o, "queued",
	    (int64_t)atomic_load(&st->by_action[ACT_QUEUE]));
	put_int(o, "would_reroute",
	    (int64_t)atomic_load(&st->would[ACT_REROUTE]));
	put_int(o, "would_queue", (int64_t)atomic_load(&st->would[ACT_QUEUE]));
	put_int(o, "would_tempfail",
	    (int64_t)atomic_load(&st->would[ACT_TEMPFAIL]));
	put_int(o, "would_hold", (int64_t)atomic_load(&st->would[ACT_HOLD]));
	put_int(o, "malformed", (int64_t)atomic_load(&st->malformed));
	put_int(o, "connections", (int64_t)atomic_load(&st->connections));
	put_time(o, "last", atomic_load(&st->last_ms));
	return o;
}

static json_t *
new_map(const char *name, const struct map_stats *st)
{
	json_t *o = json_object();

	put_text(o, "name", name);
	put_int(o, "requests", (int64_t)atomic_load(&st->requests));
	put_time(o, "last", atomic_load(&st->last_ms));
	return o;
}

/* The maps that a mail server asks, and under "unknown" what it asks for in
 * vain. */
static json_t *
new_maps(void)
{
	json_t *array = json_array();
	int i;

	for (i = 0; i < MAP_KINDS; i++)
		json_array_append_new(array, new_map(
		    map_name((enum map_kind)i), &map_stats[i]));
	json_array_append_new(array, new_map("unknown", &map_unknown));
	return array;
}

/* What each egress of a pool would do for the others now. */
static json_t *
new_pool(const struct board *board, const struct view *view, size_t i,
    int64_t now_ms)
{
	const struct pool *pool = &board_policy(board)->pools[i];
	const struct pool_view *g = board_pool(board, i);
	json_t *o = json_object(), *members = json_array(), *m;
	const char *refusal;
	char text[SENTENCE_MAX];
	size_t k;

	for (k = 0; k < pool->egress_count; k++) {
		refusal = pool_refusal(view, pool->egress[k], now_ms);
		m = json_object();
		put_text(m, "name",
		    view->policy->egress[pool->egress[k]].name);
		put(m, "stands_in", json_boolean(refusal == NULL));
		put_filled(m, "why_not", refusal);
		json_array_append_new(members, m);
	}
	put_text(o, "name", pool->name);
	put_text(o, "choose", pool->choose == CHOOSE_SPREAD ? "spread" :
	    "failover");
	put(o, "guarded", json_boolean(g->guarded));
	put_int(o, "stopped_lately", (int64_t)g->stopped);
	put_int(o, "burn_limit", pool->burn_limit);
	put_time(o, "until", g->until_ms);
	text[0] = '\0';
	if (g->guarded)
		snprintf(text, sizeof(text), "%zu egresses of this pool were "
		    "stopped lately, more than burn_limit = %d: the cause is "
		    "still at work, so the others stop too rather than be "
		    "the next", g->stopped, pool->burn_limit);
	put_filled(o, "text", text);
	put(o, "egress", members);
	return o;
}

static json_t *
new_pools(struct board *board, int64_t now_ms)
{
	const struct view *view = board_view_get(board);
	json_t *array = json_array();
	size_t i;

	/* Only a reload comes between, and then the next look tells. */
	for (i = 0; view->policy == board_policy(board) &&
	    i < view->policy->pool_count; i++)
		json_array_append_new(array, new_pool(board, view, i,
		    now_ms));
	view_put(view);
	return array;
}

static json_t *
new_misreads(const struct control_ops *ops, void *ctx)
{
	const struct misreads *m = ops->misreads != NULL ?
	    ops->misreads(ctx) : NULL;
	json_t *array = json_array(), *o;
	size_t i;

	for (i = 0; m != NULL && i < m->count; i++) {
		o = json_object();
		put_text(o, "target", m->v[i].target);
		put_text(o, "text", m->v[i].text);
		json_array_append_new(array, o);
	}
	return array;
}

static json_t *
new_store(const struct control_ops *ops, void *ctx)
{
	struct control_store store = { .redis = "off" };
	json_t *o = json_object();

	ops->store(ctx, &store);
	put_text(o, "redis", store.redis);
	put_filled(o, "why", store.why);
	put_filled(o, "way", store.way);
	put_int(o, "left_to_others", (int64_t)store.left);
	put_filled(o, "no_leases", store.no_leases);
	put_filled(o, "state_file", store.state_file);
	put_filled(o, "state_file_error", store.state_file_error);
	return o;
}

json_t *
report_status(struct board *board, const struct control_ops *ops,
    void *ctx, int64_t now_ms)
{
	const struct policy *policy = board_policy(board);
	json_t *o = json_object(), *egress = json_array();
	json_t *lists = json_array(), *overrides = json_array();
	json_t *fronts = json_array(), *domains = json_array();
	size_t i;

	for (i = 0; i < policy->egress_count; i++)
		json_array_append_new(egress, new_egress(board, i,
		    ops, ctx, now_ms));
	for (i = 0; i < policy->domain_count; i++)
		json_array_append_new(domains, new_domain(board, i, now_ms));
	for (i = 0; i < policy->list_count; i++)
		json_array_append_new(lists, new_list_health(board, i));
	for (i = 0; i < board_override_count(board); i++)
		json_array_append_new(overrides,
		    new_override(board_get_override(board, i)));
	for (i = 0; i < FRONT_KINDS; i++)
		json_array_append_new(fronts,
		    new_front(ops, ctx, (enum front_kind)i));

	put_text(o, "mode", policy->mode == MODE_OBSERVE ? "observe" :
	    "enforce");
	put_text(o, "version", ops->version);
	put_text(o, "host", ops->host);
	put_text(o, "config_file", ops->config_file);
	put_time(o, "started", ops->started_ms);
	put_time(o, "now", now_ms);
	put_time(o, "next_check", ops->next_check(ctx, -1));
	put_int(o, "stop_score", policy->stop_score);
	put_filled(o, "resolver_fault", ops->resolver_fault != NULL ?
	    ops->resolver_fault(ctx) : NULL);
	put(o, "egress", egress);
	put(o, "domains", domains);
	put(o, "lists", lists);
	put(o, "overrides", overrides);
	put(o, "not_understood", new_misreads(ops, ctx));
	put(o, "store", new_store(ops, ctx));
	put(o, "fronts", fronts);
	put(o, "maps", new_maps());
	put(o, "gate", new_gate(ops, ctx));
	put(o, "postfix", new_postfix(ops, ctx));
	put(o, "pools", new_pools(board, now_ms));
	return o;
}

/* How many of those that are there know it. */
static json_t *
new_seen(const struct override *override, const struct control_ops *ops,
    void *ctx, const struct control_fleet *fleet)
{
	json_t *o = json_object();
	size_t i, seen = 0, alive = 0;

	for (i = 0; i < fleet->count; i++) {
		if (!fleet->nodes[i].alive)
			continue;
		alive++;
		if (ops->fleet_knows(ctx, i, override))
			seen++;
	}
	put_text(o, "target", override->target);
	put_text(o, "word", word_name(override->word));
	put_int(o, "seen_by", (int64_t)seen);
	put_int(o, "of", (int64_t)alive);
	return o;
}

static json_t *
new_node(const struct control_node *node)
{
	json_t *o = json_object();

	put_text(o, "host", node->host);
	put(o, "alive", json_boolean(node->alive));
	put(o, "here", json_boolean(node->here));
	if (!node->alive)
		return o;
	put_text(o, "version", node->version);
	put_text(o, "mode", node->mode);
	put_time(o, "started", node->started_ms);
	put(o, "same_rules", json_boolean(node->same_rules));
	put_int(o, "overrides", (int64_t)node->overrides);
	put(o, "same_overrides", json_boolean(node->same_overrides));
	put_int(o, "leases", (int64_t)node->leases);
	return o;
}

json_t *
report_fleet(const struct board *board, const struct control_ops *ops,
    void *ctx, const char **why)
{
	struct control_fleet fleet = { 0 };
	json_t *o, *nodes, *overrides;
	size_t i;

	*why = "there is no fleet";
	if (ops->fleet == NULL || (*why = ops->fleet(ctx, &fleet)) != NULL)
		return NULL;
	o = json_object();
	nodes = json_array();
	overrides = json_array();
	for (i = 0; i < fleet.count; i++)
		json_array_append_new(nodes, new_node(&fleet.nodes[i]));
	for (i = 0; i < board_override_count(board); i++)
		json_array_append_new(overrides, new_seen(
		    board_get_override(board, i), ops, ctx, &fleet));
	put_int(o, "age_ms", fleet.age_ms);
	put(o, "store", new_store(ops, ctx));
	put(o, "hosts", nodes);
	put(o, "overrides", overrides);
	return o;
}

json_t *
report_lists(const struct board *board, const struct control_ops *ops,
    void *ctx)
{
	const struct policy *policy = board_policy(board);
	json_t *array = json_array(), *o, *kinds;
	const struct list *list;
	size_t i, kind;

	for (i = 0; i < policy->list_count; i++) {
		list = &policy->lists[i];
		kinds = json_array();
		for (kind = 0; kind < SUBJECT_KINDS; kind++) {
			if (list->kinds[kind])
				json_array_append_new(kinds,
				    new_text(subject_kind_name(
				    (enum subject_kind)kind)));
		}
		o = new_list_health(board, i);
		put_filled(o, "operator", list->operator);
		put(o, "kinds", kinds);
		put(o, "verified", json_boolean(list->verified));
		put(o, "daily", ops->daily == NULL ? json_null() :
		    json_integer(ops->daily(ctx, i)));
		put(o, "limit", list->limit == 0 ? json_null() :
		    json_integer(list->limit));
		put_filled(o, "influence", list->influence);
		put_filled(o, "lookup", list->lookup);
		put_filled(o, "delist", list->delist);
		put_filled(o, "note", list->note);
		json_array_append_new(array, o);
	}
	return array;
}

json_t *
report_event(const struct board_event *ev)
{
	json_t *o = json_object();

	put_time(o, "at", ev->at_ms);
	put_text(o, "kind", event_kind_name(ev->kind));
	put_filled(o, "egress", ev->egress);
	put_filled(o, "subject", ev->subject);
	put_filled(o, "zone", ev->zone);
	put_filled(o, "from", ev->from);
	put_filled(o, "to", ev->to);
	put_text(o, "text", ev->text);
	return o;
}

/* --- explain ----------------------------------------------------------- */

static void	 say(json_t *, const char *, ...)
		    __attribute__((__format__(__printf__, 2, 3)));

static void
say(json_t *reasons, const char *fmt, ...)
{
	char sentence[SENTENCE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	json_array_append_new(reasons, new_text(sentence));
}

static void
say_override(json_t *reasons, const struct override *o, const char *note)
{
	char until[CLOCK_TEXT_MAX];

	say(reasons, "an operator said \"%s\" for %s%s%s%s%s%s: %s",
	    word_name(o->word), o->target,
	    o->until_ms != 0 ? " until " : ", without an end",
	    o->until_ms != 0 ? clock_text(o->until_ms, until) : "",
	    o->reason[0] != '\0' ? " (" : "", o->reason,
	    o->reason[0] != '\0' ? ")" : "", note);
}

/* "12 %", or in words where the decision does not tell. */
static const char *
share_text(const struct view *view, const struct verdict *v, int64_t now_ms,
    char buf[32])
{
	if (v->domain >= 0 || v->egress < 0)
		return "a growing share";
	snprintf(buf, 32, "%d %%", (int)(100 * decide_share(view,
	    (size_t)v->egress, now_ms)));
	return buf;
}

static void
say_why(json_t *reasons, const struct view *view, const struct verdict *v,
    int64_t now_ms)
{
	const struct policy *policy = view->policy;
	const struct party_view *e = NULL;
	const char *name = "";
	char since[CLOCK_TEXT_MAX] = "", share[32];

	if (v->domain >= 0) {
		e = &view->domains[v->domain];
		name = policy->domains[v->domain].name;
	} else if (v->egress >= 0) {
		e = &view->egress[v->egress];
		name = policy->egress[v->egress].name;
	}
	if (e != NULL)
		clock_text(e->since_ms, since);
	switch (v->why) {
	case WHY_CLEAN:
		say(reasons, "nothing that counts is known against %s: score "
		    "%d, and %d would stop it", name,
		    e != NULL ? e->score : 0, policy->stop_score);
		break;
	case WHY_LOCAL:
		say(reasons, "it does not leave this host: its domain or its "
		    "transport is a local one (local_domains, "
		    "local_transports)");
		break;
	case WHY_OPERATOR_STOP:
	case WHY_OPERATOR_SEND:
		if (v->override != NULL)
			say_override(reasons, v->override,
			    v->why == WHY_OPERATOR_STOP ?
			    "a stop comes before everything else" :
			    "this comes before all evidence");
		break;
	case WHY_LISTED:
		say(reasons, "%s%s is stopped since %s: score %d, and %d "
		    "stops it", v->domain >= 0 ? "mail from " : "", name,
		    since, e != NULL ? e->score : 0, policy->stop_score);
		break;
	case WHY_PROBATION_PASS:
	case WHY_PROBATION_WAIT:
		say(reasons, "%s%s is in probation since %s: %s of the mail "
		    "may go already, and this message is %s",
		    v->domain >= 0 ? "mail from " : "", name, since,
		    share_text(view, v, now_ms, share),
		    v->why == WHY_PROBATION_PASS ? "within that share" :
		    "not, so far");
		break;
	case WHY_GUARDED:
		say(reasons, "nothing that counts is known against %s, but "
		    "more egresses of its pool than burn_limit allows were "
		    "stopped lately, so it stops too rather than be the "
		    "next", name);
		break;
	case WHY_NO_EGRESS:
		say(reasons, "no egress is known for the way it takes, so "
		    "nothing can be known against it");
		break;
	case WHY_KINDS:
		break;
	}
}

static const char *
count_text(const struct listing *l, char buf[32])
{
	if (!l->confirmed)
		return "not confirmed, so it does not count";
	if (l->seen.weight == 0)
		return "it weighs nothing";
	snprintf(buf, 32, "it weighs %d", l->seen.weight);
	return buf;
}

static void
say_listings(json_t *reasons, const struct board *board,
    const struct party *party)
{
	const struct subject *subject;
	const struct listing *l;
	char name[ADDR_TEXT_MAX], code[CODE_TEXT_MAX], since[CLOCK_TEXT_MAX];
	char weight[32];
	size_t i;

	for (i = 0; i < board_listing_count(board); i++) {
		l = board_listing(board, i);
		subject = board_subject(board, l->subject);
		if (!party_has(party, subject))
			continue;
		say(reasons, "%s is on %s (%s%s%s, \"%s\") since %s: %s",
		    subject_text(subject, name), listing_list(board, l)->zone,
		    l->seen.name, l->seen.name[0] != '\0' ? " " : "",
		    code_text(l->seen.code, code), answer_name(l->seen.kind),
		    clock_text(l->confirmed ? l->since_ms : l->first_ms,
		    since), count_text(l, weight));
	}
}

/* Which other way there is, or why there is none. */
static void
say_ways(json_t *reasons, const struct view *view, const struct verdict *v,
    const struct envelope *env, int64_t now_ms)
{
	const struct policy *policy = view->policy;
	const struct pool *pool;
	const char *refusal;
	size_t i;

	if (v->would == ACT_PASS || v->egress < 0 || v->domain >= 0)
		return;
	if (v->would == ACT_REROUTE && v->to >= 0) {
		say(reasons, "%s of the same pool sends it instead: the mail "
		    "server asks the route map", policy->egress[v->to].name);
		return;
	}
	if (v->would == ACT_QUEUE)
		say(reasons, "it is taken into the queue, where the gate "
		    "keeps it");
	pool = &policy->pools[policy->egress[v->egress].pool];
	for (i = 0; i < pool->egress_count; i++) {
		if (pool->egress[i] == (size_t)v->egress)
			continue;
		refusal = pool_refusal(view, pool->egress[i], now_ms);
		if (refusal != NULL)
			say(reasons, "%s cannot send it instead: it %s",
			    policy->egress[pool->egress[i]].name, refusal);
		else if (!env->routed)
			say(reasons, "%s could send it instead, but the mail "
			    "server does not ask the route map",
			    policy->egress[pool->egress[i]].name);
	}
}

static void
say_reply(json_t *o, const struct view *view, const struct verdict *v)
{
	char text[VERDICT_TEXT_MAX], reply[VERDICT_TEXT_MAX + 16];

	if (v->would != ACT_TEMPFAIL && v->would != ACT_HOLD) {
		put(o, "reply", json_null());
		return;
	}
	verdict_text(view, v, text);
	snprintf(reply, sizeof(reply), "%s%s",
	    v->would == ACT_TEMPFAIL ? "451 4.7.1 " : "", text);
	put_text(o, "reply", reply);
}

json_t *
report_explain(struct board *board, const struct envelope *asked,
    int64_t now_ms)
{
	const struct view *view = board_view_get(board);
	const struct policy *policy = view->policy;
	struct envelope copy = *asked;
	const struct envelope *env = &copy;
	struct verdict v;
	json_t *o = json_object(), *reasons = json_array();
	const struct egress *e;
	const struct sender_domain *d;
	struct party by_egress = { 0 }, by_domain = { 0 };

	copy.routed = maps_routed(now_ms);
	v = decide(view, env, now_ms);
	by_egress.egress = e = v.egress >= 0 ? &policy->egress[v.egress] :
	    NULL;
	by_domain.domain = d = v.domain >= 0 ? &policy->domains[v.domain] :
	    NULL;
	if (e != NULL)
		say(reasons, "it leaves through %s, of pool %s", e->name,
		    policy->pools[e->pool].name);
	say_why(reasons, view, &v, now_ms);
	/* The view was published from this board on this thread, and only
	 * a reload comes between: then the indexes are another policy's. */
	if (d != NULL && policy == board_policy(board))
		say_listings(reasons, board, &by_domain);
	if (e != NULL && policy == board_policy(board)) {
		say_listings(reasons, board, &by_egress);
		if (board_blind(board, (size_t)v.egress))
			say(reasons, "a list that should see %s cannot be "
			    "asked now: what was known before stands",
			    e->name);
	}
	say_ways(reasons, view, &v, env, now_ms);
	if (env->must_take && (v.would == ACT_HOLD || v.would == ACT_QUEUE))
		say(reasons, "it comes from sendmail(1), which cannot be "
		    "told \"later\"");
	if (v.act != v.would)
		say(reasons, "mode is \"observe\": it passes, where "
		    "\"enforce\" would %s it", action_name(v.would));

	put_text(o, "verdict", action_name(v.act));
	put_text(o, "would", action_name(v.would));
	put_text(o, "why", why_name(v.why));
	put_text(o, "egress", e != NULL ? e->name : NULL);
	put_filled(o, "to", v.to >= 0 ? policy->egress[v.to].name : NULL);
	put_text(o, "domain", d != NULL ? d->name : NULL);
	put(o, "override", v.override != NULL ? new_override(v.override) :
	    json_null());
	put_time(o, "until", v.until_ms);
	say_reply(o, view, &v);
	put(o, "reasons", reasons);
	view_put(view);
	return o;
}

/* --- override ---------------------------------------------------------- */

static bool
target_is(const char *target, const struct egress *e)
{
	struct addr addr;
	size_t i;

	if (text_same(target, "all") || text_same(target, e->name))
		return true;
	if (!addr_parse(target, &addr))
		return false;
	for (i = 0; i < e->addr_count; i++) {
		if (addr_cmp(&addr, &e->addrs[i]) == 0)
			return true;
	}
	return false;
}

json_t *
report_override(const struct board *board, const struct override *word,
    int64_t now_ms)
{
	const struct policy *policy = board_policy(board);
	json_t *o = new_override(word), *array = json_array(), *egress;
	const struct override *by;
	enum state state;
	size_t i;

	for (i = 0; i < policy->egress_count; i++) {
		if (!target_is(word->target, &policy->egress[i]))
			continue;
		by = NULL;
		state = board_effective(board, i, now_ms, &by);
		egress = json_object();
		put_text(egress, "name", policy->egress[i].name);
		put_text(egress, "state", state_name(state));
		put(egress, "override", by != NULL ? new_override(by) :
		    json_null());
		json_array_append_new(array, egress);
	}
	put(o, "egress", array);
	return o;
}
