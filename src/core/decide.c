/*
 * decide.c - what happens to one message
 */
#include "core/decide.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/domain.h"
#include "base/text.h"
#include "core/pool.h"
#include "core/words.h"

#define SHARE_FLOOR	0.05	/* the canaries of a probation */

static const char *const why_names[] = {
	"clean", "local", "operator-stop", "operator-send", "listed",
	"probation-pass", "probation-wait", "no-egress", "guarded",
};

static_assert(sizeof(why_names) / sizeof(why_names[0]) == WHY_KINDS,
    "a name for every reason");

const char *
why_name(enum why w)
{
	return why_names[w];
}

/* --- overrides --------------------------------------------------------- */

static const struct override *
find_named(const struct view *v, const char *kind, const char *name,
    int64_t now_ms)
{
	return words_find_named(v->overrides, v->override_count, kind, name,
	    now_ms);
}

/* With SMTPUTF8 (RFC 6531) a mailbox' domain may come as it is written, and
 * some leave a dot at its end; what we know of domains is in A-labels and
 * without. */
static const char *
mail_domain(const char *mailbox, char normal[DOMAIN_MAX])
{
	const char *domain = text_domain(mailbox), *p;

	for (p = domain; p != NULL && *p != '\0'; p++) {
		if ((unsigned char)*p >= 0x80 || (*p == '.' && p[1] == '\0'))
			return domain_normal(domain, normal) == NULL ?
			    normal : domain;
	}
	return domain;
}

/* A word for a domain is one for everything below it too. */
static void
weigh_domains(const struct override **best, const struct view *v,
    const char *domain, int64_t now_ms)
{
	while (domain != NULL) {
		words_weigh(best, find_named(v, "domain:", domain, now_ms));
		if ((domain = strchr(domain, '.')) != NULL)
			domain++;
	}
}

/* A word for mail to a provider, whoever sends it. */
static const struct override *
provider_word(const struct view *v, const struct envelope *env,
    int64_t now_ms)
{
	char normal[DOMAIN_MAX];
	int provider;

	if (v->override_count == 0 || env->recipient == NULL)
		return NULL;
	provider = policy_find_provider(v->policy,
	    mail_domain(env->recipient, normal));
	return provider == -1 ? NULL : find_named(v, "provider:",
	    v->policy->providers[provider].name, now_ms);
}

/* --- the way out ------------------------------------------------------- */

static bool
any_same(char *const *v, size_t count, const char *text)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (text_same(v[i], text))
			return true;
	}
	return false;
}

/* A transport that an egress names leads out, whatever else it is called:
 * Sendmail gives all mail for a smart host to "relay". */
static bool
is_local(const struct policy *p, const struct envelope *env)
{
	char normal[DOMAIN_MAX];
	const char *domain, *sign;

	if (env->transport != NULL)
		return policy_find_transport(p, env->transport) == -1 &&
		    any_same(p->local_transports, p->local_transport_count,
		    env->transport);
	if (env->recipient == NULL || env->recipient[0] == '\0')
		return false;
	/* MTAs take "ann%example.net" and "example.net!ann" of their own
	 * domain for mail to example.net. */
	sign = strrchr(env->recipient, '@');
	if (strcspn(env->recipient, "%!@") < (sign != NULL ?
	    (size_t)(sign - env->recipient) : strlen(env->recipient)))
		return false;
	/* A bare name is completed with the host's own domain. */
	if ((domain = text_domain(env->recipient)) == NULL)
		return sign == NULL;
	return any_same(p->local_domains, p->local_domain_count, domain) ||
	    any_same(p->local_domains, p->local_domain_count,
	    mail_domain(env->recipient, normal));
}

/* domain: that of mailbox, as it is known. */
static bool
matches(const char *pattern, const char *mailbox, const char *domain)
{
	if (pattern == NULL)
		return true;
	if (mailbox == NULL)
		return false;
	if (pattern[0] == '@')
		return text_same(pattern + 1, text_domain(mailbox)) ||
		    text_same(pattern + 1, domain);
	return text_same(pattern, mailbox);
}

static size_t
find_pool(const struct policy *p, const struct envelope *env,
    const char *sender)
{
	char normal[DOMAIN_MAX];
	const char *recipient;
	size_t i;

	if (p->route_count == 0)
		return 0;
	recipient = mail_domain(env->recipient, normal);
	for (i = 0; i < p->route_count; i++) {
		const struct route *r = &p->routes[i];

		if (matches(r->sender, env->sender, sender) &&
		    matches(r->recipient, env->recipient, recipient) &&
		    (r->account == NULL ||
		    text_same(r->account, env->account)))
			return r->pool;
	}
	return 0;
}

/* The way on a good day by the routes, and the one that it is about: the
 * MTA's own word counts most. */
static void
find_way(struct verdict *d, const struct view *v, const struct envelope *env,
    const char *domain)
{
	const struct policy *p = v->policy;

	d->home = pool_home(v, find_pool(p, env, domain), domain);
	if (d->home == -1 && p->egress_count > 0)
		d->home = 0;
	d->egress = env->transport != NULL ?
	    policy_find_transport(p, env->transport) : -1;
	if (d->egress == -1)
		d->egress = d->home;
	else if (d->home == -1 ||
	    p->egress[d->home].pool != p->egress[d->egress].pool)
		d->home = d->egress;
	d->to = d->egress;
}

/* --- the verdict ------------------------------------------------------- */

static bool
pool_wants(const struct pool *pool, enum action a)
{
	size_t i;

	for (i = 0; i < pool->action_count; i++) {
		if (pool->actions[i] == a)
			return true;
	}
	return false;
}

/* What a front end does with new mail that cannot go now.  The gate keeps
 * what is in the queue, where the MTA asks it. */
static enum action
new_mail_action(const struct pool *pool, bool gated,
    const struct envelope *env)
{
	enum action act = ACT_TEMPFAIL;
	size_t i = 0;

	if (pool->submission == SUBMISSION_HOLD)
		return ACT_HOLD;
	if (pool->submission == SUBMISSION_ACCEPT && gated)
		return ACT_QUEUE;
	if (pool->submission != SUBMISSION_TEMPFAIL) {
		while (i < pool->action_count &&
		    pool->actions[i] == ACT_REROUTE)
			i++;
		if (i < pool->action_count)
			act = pool->actions[i];
	}
	if (act == ACT_TEMPFAIL && env->must_take)
		return gated ? ACT_QUEUE : ACT_HOLD;
	return act;
}

static void
stop(struct verdict *d, const struct view *v, enum why why, enum action act)
{
	d->why = why;
	d->would = act;
	d->act = v->policy->mode == MODE_OBSERVE ? ACT_PASS : act;
	if (act != ACT_REROUTE)
		d->to = -1;
}

/* The sender is stopped, or the receiver: no other way helps, and no gate
 * knows of it. */
static void
stop_sender(struct verdict *d, const struct view *v,
    const struct envelope *env, enum why why)
{
	const struct pool *pool =
	    &v->policy->pools[v->policy->egress[d->egress].pool];

	stop(d, v, why, env->asker == ASK_NEW ?
	    new_mail_action(pool, false, env) : ACT_TEMPFAIL);
}

/* Who would take this message in place of its egress, or -1. */
static int
stand_in(const struct verdict *d, const struct view *v,
    const struct envelope *env, const char *domain, int64_t now_ms)
{
	const struct pool *pool =
	    &v->policy->pools[v->policy->egress[d->egress].pool];

	/* Only the route map moves mail; what a front end lets in without one
	 * would leave by the address that is stopped. */
	if (env->asker == ASK_GATE || !pool_wants(pool, ACT_REROUTE) ||
	    (env->asker == ASK_NEW && !env->routed))
		return -1;
	/* So would what the MTA itself sends by that transport: an old answer
	 * of the map, or a table of the site's own that comes before it.  Then
	 * there has to be a gate. */
	if (env->asker == ASK_NEW && !v->egress[d->egress].gated &&
	    env->transport != NULL &&
	    policy_find_transport(v->policy, env->transport) == d->egress)
		return -1;
	return pool_stand_in(v, (size_t)d->egress, domain, now_ms);
}

/* The way out is stopped. */
static void
stop_egress(struct verdict *d, const struct view *v,
    const struct envelope *env, const char *domain, enum why why,
    int64_t now_ms)
{
	const struct egress *e = &v->policy->egress[d->egress];
	const struct pool *pool = &v->policy->pools[e->pool];
	bool gated = v->egress[d->egress].gated;
	enum action act;

	if ((d->to = stand_in(d, v, env, domain, now_ms)) != -1) {
		stop(d, v, why, ACT_REROUTE);
		return;
	}
	if (env->asker == ASK_GATE) {
		stop(d, v, why, ACT_TEMPFAIL);
		return;
	}
	act = new_mail_action(pool, gated, env);
	/* Without a gate the route map must keep the queue itself, though it
	 * then refuses what should be held. */
	if (env->asker == ASK_ROUTE && !gated)
		act = ACT_TEMPFAIL;
	stop(d, v, why, act);
}

/* How much of the ramp has gone by: what nobody can see proves nothing. */
static double
elapsed_of(const struct party_view *e, int64_t now_ms)
{
	if (e->unseen_ms != 0 && e->unseen_ms < now_ms)
		now_ms = e->unseen_ms;
	return (double)(now_ms - e->since_ms);
}

static double
share_of(const struct policy *p, const struct party_view *e, int64_t now_ms)
{
	double share, good, elapsed = elapsed_of(e, now_ms);

	if (p->resume_ramp_ms <= 0)
		return 1;
	share = elapsed / (double)p->resume_ramp_ms;
	/* No more than what has gone proves, where we know how much there
	 * could have been.  While the usual mail comes, twice what has gone is
	 * the square of the time's share of the whole ramp's; with less of it
	 * the share grows more slowly, and never shrinks: who was let out once
	 * is not refused later. */
	if (e->usual > 0) {
		good = sqrt(((double)p->resume_canaries +
		    2 * (double)e->accepted) / (e->usual *
		    (double)p->resume_ramp_ms / TRAFFIC_HOUR_MS));
		if (share > good)
			share = good;
	}
	return share < SHARE_FLOOR ? SHARE_FLOOR : share > 1 ? 1 : share;
}

double
decide_share(const struct view *v, size_t egress, int64_t now_ms)
{
	return share_of(v->policy, &v->egress[egress], now_ms);
}

/* The canaries, and twice the share of what is usual since the beginning:
 * half of it for new mail, half for the queue. */
uint64_t
decide_allowance(const struct view *v, size_t egress, int64_t now_ms)
{
	const struct policy *p = v->policy;
	const struct party_view *e = &v->egress[egress];
	double usual = e->usual > TRAFFIC_FLOOR ? e->usual : TRAFFIC_FLOOR;
	double hours = elapsed_of(e, now_ms) / TRAFFIC_HOUR_MS;

	if (hours < 0)
		hours = 0;
	return (uint64_t)p->resume_canaries +
	    (uint64_t)(hours * usual * share_of(p, e, now_ms));
}

/* FNV-1a, case folded: the same message always falls on the same point of
 * 0 to 1, so one that was let through is not refused by a repetition. */
static uint32_t
mix(uint32_t h, const char *s)
{
	for (; s != NULL && *s != '\0'; s++) {
		h ^= (uint32_t)tolower((unsigned char)*s);
		h *= 16777619u;
	}
	return (h ^ '|') * 16777619u;
}

static double
message_point(const char *name, const struct party_view *e,
    const char *sender, const char *recipient)
{
	uint32_t h = 2166136261u;

	h = mix(h, name);
	h = mix(h, sender);
	h = mix(h, recipient);
	h ^= (uint32_t)e->since_ms;
	h ^= h >> 16;		/* the last characters reach the top bits */
	h *= 0x85ebca6bu;
	h ^= h >> 13;
	h *= 0xc2b2ae35u;
	h ^= h >> 16;
	return (double)h / 4294967296.0;
}

/* Does the evidence against the sender's domain let the message go?  In
 * probation new mail is sampled where it comes in, and only there. */
static bool
domain_goes(const struct view *v, const struct envelope *env, int domain,
    int64_t now_ms)
{
	const struct party_view *e;

	if (domain == -1)
		return true;
	e = &v->domains[domain];
	if (e->state != STATE_PROBATION)
		return e->state == STATE_SENDING;
	return env->asker != ASK_NEW || message_point(
	    v->policy->domains[domain].name, e, env->sender,
	    env->recipient) < share_of(v->policy, e, now_ms);
}

/* False if it does not; that is the verdict then. */
static bool
domain_lets(struct verdict *d, const struct view *v,
    const struct envelope *env, int domain, int64_t now_ms)
{
	const struct party_view *e = &v->domains[domain];

	if (!domain_goes(v, env, domain, now_ms)) {
		d->domain = domain;
		d->until_ms = e->until_ms;
		stop_sender(d, v, env, e->state == STATE_STOPPED ?
		    WHY_LISTED : WHY_PROBATION_WAIT);
		return false;
	}
	if (e->state == STATE_PROBATION) {
		d->why = WHY_PROBATION_PASS;
		d->until_ms = e->until_ms;
	}
	return true;
}

/*
 * A growing share goes by its own way again.  The rest is sampled where
 * nothing is remembered: the gate counts deliveries, a front end draws by
 * sender and recipient.  Where another egress takes the rest, or no gate
 * keeps it, the route map has to draw, and to say the same for all mail of a
 * sender, for the MTA keeps its answer for a while; then the sender alone
 * decides, at the front as well.
 */
static void
probation(struct verdict *d, const struct view *v,
    const struct envelope *env, const char *domain, int64_t now_ms)
{
	const struct party_view *e = &v->egress[d->egress];
	const char *name = v->policy->egress[d->egress].name;
	double share = share_of(v->policy, e, now_ms);
	bool goes;

	d->until_ms = e->until_ms;
	if (env->asker == ASK_GATE)
		goes = env->let_out <
		    decide_allowance(v, (size_t)d->egress, now_ms);
	else if (stand_in(d, v, env, domain, now_ms) != -1 ||
	    (!e->gated && (env->asker == ASK_ROUTE || env->routed)))
		goes = message_point(name, e, env->sender, NULL) < share;
	else if (env->asker == ASK_ROUTE)
		goes = true;
	else
		goes = message_point(name, e, env->sender,
		    env->recipient) < share;
	if (goes)
		d->why = WHY_PROBATION_PASS;
	else
		stop_egress(d, v, env, domain, WHY_PROBATION_WAIT, now_ms);
}

/* The sender's domain first: it is stopped whichever way the mail goes.
 * egress_free: an operator's "send" for the egress. */
static void
by_evidence(struct verdict *d, const struct view *v,
    const struct envelope *env, const char *sender,
    const struct override *egress_free, int64_t now_ms)
{
	const struct party_view *e = &v->egress[d->egress];
	int domain = policy_find_domain(v->policy, sender);

	if (domain != -1 && !domain_lets(d, v, env, domain, now_ms))
		return;
	if (egress_free != NULL) {
		d->override = egress_free;
		d->until_ms = egress_free->until_ms;
		d->why = WHY_OPERATOR_SEND;
		return;
	}
	switch (e->state) {
	case STATE_STOPPED:
		d->until_ms = e->until_ms;
		stop_egress(d, v, env, sender, WHY_LISTED, now_ms);
		break;
	case STATE_PROBATION:
		probation(d, v, env, sender, now_ms);
		break;
	case STATE_SENDING:
		if (v->pools[v->policy->egress[d->egress].pool].guarded) {
			d->until_ms = v->pools[v->policy->egress[
			    d->egress].pool].until_ms;
			stop_egress(d, v, env, sender, WHY_GUARDED, now_ms);
		}
		break;
	case STATE_KINDS:
		break;
	}
}

struct verdict
decide(const struct view *v, const struct envelope *env, int64_t now_ms)
{
	struct verdict d = { .act = ACT_PASS, .would = ACT_PASS,
	    .why = WHY_CLEAN, .egress = -1, .home = -1, .to = -1,
	    .domain = -1 };
	const struct override *account, *way, *o = NULL;
	char normal[DOMAIN_MAX];
	const char *sender = mail_domain(env->sender, normal);

	find_way(&d, v, env, sender);
	if (d.egress == -1) {
		d.why = WHY_NO_EGRESS;
		return d;
	}
	/* A stopped account sends nothing at all, not even to colleagues. */
	account = find_named(v, "account:", env->account, now_ms);
	words_weigh(&o, account);
	if (is_local(v->policy, env) &&
	    (account == NULL || account->word != WORD_STOP)) {
		d.why = WHY_LOCAL;
		d.egress = d.home = d.to = -1;
		return d;
	}
	weigh_domains(&o, v, sender, now_ms);
	words_weigh(&o, provider_word(v, env, now_ms));
	way = words_for_egress(v->overrides, v->override_count,
	    &v->policy->egress[d.egress], now_ms);
	/* A stop of the way alone leaves other ways; a send for it says
	 * nothing of the sender's domain, but one for all does. */
	if (way != NULL && way->word == WORD_STOP &&
	    (o == NULL || o->word == WORD_SEND)) {
		d.override = way;
		d.until_ms = way->until_ms;
		/* A domain that is stopped itself has no other way. */
		if (o == NULL && !domain_goes(v, env, policy_find_domain(
		    v->policy, sender), now_ms))
			stop_sender(&d, v, env, WHY_OPERATOR_STOP);
		else
			stop_egress(&d, v, env, sender, WHY_OPERATOR_STOP,
			    now_ms);
		return d;
	}
	if (way != NULL && strcasecmp(way->target, "all") == 0)
		words_weigh(&o, way);
	if (o == NULL) {
		by_evidence(&d, v, env, sender, way, now_ms);
		return d;
	}
	d.override = o;
	d.until_ms = o->until_ms;
	if (o->word == WORD_STOP)
		stop_sender(&d, v, env, WHY_OPERATOR_STOP);
	else
		d.why = WHY_OPERATOR_SEND;
	return d;
}

const char *
verdict_text(const struct view *v, const struct verdict *d,
    char buf[VERDICT_TEXT_MAX])
{
	const char *name = d->egress >= 0 ?
	    v->policy->egress[d->egress].name : "-";
	const struct party_view *e = d->domain >= 0 ?
	    &v->domains[d->domain] : d->egress >= 0 ?
	    &v->egress[d->egress] : NULL;
	char reason[160];

	switch (d->why) {
	case WHY_OPERATOR_STOP:
		text_clean(reason, sizeof(reason), d->override->reason,
		    strlen(d->override->reason));
		snprintf(buf, VERDICT_TEXT_MAX, "Outbound mail paused by the "
		    "operator%s%s [mailbrake %s]", reason[0] != '\0' ?
		    ": " : "", reason, name);
		break;
	case WHY_LISTED:
		if (e != NULL && e->zone != NULL)
			snprintf(buf, VERDICT_TEXT_MAX, "Outbound mail "
			    "paused: %s is listed by %s (%s) [mailbrake %s]",
			    e->subject, e->zone, e->listing, name);
		else
			snprintf(buf, VERDICT_TEXT_MAX, "Outbound mail "
			    "paused: waiting until a listing is gone for "
			    "good [mailbrake %s]", name);
		break;
	case WHY_PROBATION_WAIT:
		snprintf(buf, VERDICT_TEXT_MAX, "Outbound mail paused: "
		    "resuming step by step, please try again later "
		    "[mailbrake %s]", name);
		break;
	case WHY_GUARDED:
		snprintf(buf, VERDICT_TEXT_MAX, "Outbound mail paused: "
		    "other addresses of this service were listed, this one "
		    "is kept from being the next [mailbrake %s]", name);
		break;
	case WHY_LOCAL:
		snprintf(buf, VERDICT_TEXT_MAX, "Local mail, never stopped "
		    "[mailbrake]");
		break;
	case WHY_CLEAN:
	case WHY_OPERATOR_SEND:
	case WHY_PROBATION_PASS:
	case WHY_NO_EGRESS:
	case WHY_KINDS:
		snprintf(buf, VERDICT_TEXT_MAX, "Outbound mail passes "
		    "[mailbrake %s]", name);
		break;
	}
	return buf;
}
