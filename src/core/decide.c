/*
 * decide.c - what happens to one message
 */
#include "core/decide.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/domain.h"
#include "base/text.h"

#define SHARE_FLOOR	0.05	/* the canaries of a probation */

static const char *const why_names[] = {
	"clean", "local", "operator-stop", "operator-send", "listed",
	"probation-pass", "probation-wait", "no-egress",
};

static_assert(sizeof(why_names) / sizeof(why_names[0]) == WHY_KINDS,
    "a name for every reason");

const char *
why_name(enum why w)
{
	return why_names[w];
}

/* --- overrides --------------------------------------------------------- */

static int
compare_target(const void *key, const void *item)
{
	return strcasecmp(key, ((const struct override *)item)->target);
}

static const struct override *
find_override(const struct view *v, const char *target, int64_t now_ms)
{
	const struct override *o;

	o = bsearch(target, v->overrides, v->override_count,
	    sizeof(*v->overrides), compare_target);
	if (o != NULL && o->until_ms != 0 && o->until_ms <= now_ms)
		return NULL;
	return o;
}

static const struct override *
find_named(const struct view *v, const char *kind, const char *name,
    int64_t now_ms)
{
	char target[BOARD_NAME_MAX];

	if (v->override_count == 0 || name == NULL || name[0] == '\0' ||
	    (size_t)snprintf(target, sizeof(target), "%s%s", kind, name) >=
	    sizeof(target))
		return NULL;
	return find_override(v, target, now_ms);
}

/* A stop beats every send: who stops an account does not want it let out by
 * a send that was meant for the address. */
static void
weigh(const struct override **best, const struct override *o)
{
	if (o != NULL && (*best == NULL || ((*best)->word == WORD_SEND &&
	    o->word == WORD_STOP)))
		*best = o;
}

/* With SMTPUTF8 (RFC 6531) a sender's domain may come as it is written, and
 * some leave a dot at its end; what we know of domains is in A-labels and
 * without. */
static const char *
sender_domain(const struct envelope *env, char normal[DOMAIN_MAX])
{
	const char *domain = text_domain(env->sender), *p;

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
		weigh(best, find_named(v, "domain:", domain, now_ms));
		if ((domain = strchr(domain, '.')) != NULL)
			domain++;
	}
}

static const struct override *
egress_override(const struct view *v, int egress, int64_t now_ms)
{
	const struct egress *e = &v->policy->egress[egress];
	const struct override *best = NULL;
	char text[ADDR_TEXT_MAX];
	size_t i;

	if (v->override_count == 0)
		return NULL;
	weigh(&best, find_override(v, "all", now_ms));
	weigh(&best, find_override(v, e->name, now_ms));
	for (i = 0; i < e->addr_count; i++)
		weigh(&best, find_override(v, addr_text(&e->addrs[i], text),
		    now_ms));
	return best;
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

static int
egress_by_transport(const struct policy *p, const char *transport)
{
	size_t i, j;

	for (i = 0; i < p->egress_count; i++) {
		const struct egress *e = &p->egress[i];

		for (j = 0; j < e->transport_count; j++) {
			if (strcmp(e->transports[j], transport) == 0)
				return (int)i;
		}
	}
	return -1;
}

/* A transport that an egress names leads out, whatever else it is called:
 * Sendmail gives all mail for a smart host to "relay". */
static bool
is_local(const struct policy *p, const struct envelope *env)
{
	const char *domain, *sign;

	if (env->transport != NULL)
		return egress_by_transport(p, env->transport) == -1 &&
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
	return any_same(p->local_domains, p->local_domain_count, domain);
}

static bool
matches(const char *pattern, const char *mailbox)
{
	if (pattern == NULL)
		return true;
	if (mailbox == NULL)
		return false;
	if (pattern[0] == '@')
		return text_same(pattern + 1, text_domain(mailbox));
	return text_same(pattern, mailbox);
}

/* The MTA's own word counts most; else the routes; else the first pool's
 * preferred egress. */
static int
find_egress(const struct policy *p, const struct envelope *env)
{
	size_t i, pool = 0;
	int named;

	if (env->transport != NULL &&
	    (named = egress_by_transport(p, env->transport)) != -1)
		return named;
	for (i = 0; i < p->route_count; i++) {
		const struct route *r = &p->routes[i];

		if (matches(r->sender, env->sender) &&
		    matches(r->recipient, env->recipient) &&
		    (r->account == NULL ||
		    text_same(r->account, env->account))) {
			pool = r->pool;
			break;
		}
	}
	if (pool < p->pool_count && p->pools[pool].egress_count > 0)
		return (int)p->pools[pool].egress[0];
	return p->egress_count > 0 ? 0 : -1;
}

/* --- the verdict ------------------------------------------------------- */

static enum action
stop_action(const struct policy *p, int egress, const struct envelope *env)
{
	const struct pool *pool = &p->pools[p->egress[egress].pool];
	size_t i;

	if (env->must_take)
		return ACT_HOLD;
	if (pool->submission == SUBMISSION_HOLD)
		return ACT_HOLD;
	if (pool->submission == SUBMISSION_TEMPFAIL)
		return ACT_TEMPFAIL;
	for (i = 0; i < pool->action_count; i++) {
		if (pool->actions[i] == ACT_TEMPFAIL ||
		    pool->actions[i] == ACT_HOLD)
			return pool->actions[i];
	}
	return ACT_TEMPFAIL;
}

static void
stop(struct verdict *d, const struct view *v, const struct envelope *env,
    enum why why)
{
	d->why = why;
	d->would = stop_action(v->policy, d->egress, env);
	d->act = v->policy->mode == MODE_OBSERVE ? ACT_PASS : d->would;
}

static double
share_of(const struct policy *p, const struct party_view *e, int64_t now_ms)
{
	double share;

	if (p->resume_ramp_ms <= 0)
		return 1;
	share = (double)(now_ms - e->since_ms) / (double)p->resume_ramp_ms;
	return share < SHARE_FLOOR ? SHARE_FLOOR : share > 1 ? 1 : share;
}

double
decide_share(const struct view *v, size_t egress, int64_t now_ms)
{
	return share_of(v->policy, &v->egress[egress], now_ms);
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
    const struct envelope *env)
{
	uint32_t h = 2166136261u;

	h = mix(h, name);
	h = mix(h, env->sender);
	h = mix(h, env->recipient);
	h ^= (uint32_t)e->since_ms;
	h ^= h >> 16;		/* the last characters reach the top bits */
	h *= 0x85ebca6bu;
	h ^= h >> 13;
	h *= 0xc2b2ae35u;
	h ^= h >> 16;
	return (double)h / 4294967296.0;
}

/* False if the evidence against this party stops the message. */
static bool
evidence_lets(struct verdict *d, const struct view *v,
    const struct party_view *e, const char *name, const struct envelope *env,
    int64_t now_ms)
{
	switch (e->state) {
	case STATE_STOPPED:
		d->until_ms = e->until_ms;
		stop(d, v, env, WHY_LISTED);
		return false;
	case STATE_PROBATION:
		d->until_ms = e->until_ms;
		if (message_point(name, e, env) >=
		    share_of(v->policy, e, now_ms)) {
			stop(d, v, env, WHY_PROBATION_WAIT);
			return false;
		}
		d->why = WHY_PROBATION_PASS;
		return true;
	case STATE_SENDING:
	case STATE_KINDS:
		break;
	}
	return true;
}

/* The sender's domain first: it is stopped whichever way the mail goes.
 * egress_free: an operator's "send" for the egress. */
static void
by_evidence(struct verdict *d, const struct view *v,
    const struct envelope *env, const struct override *egress_free,
    int64_t now_ms)
{
	const struct policy *p = v->policy;
	char normal[DOMAIN_MAX];
	int domain = policy_find_domain(p, sender_domain(env, normal));

	if (domain != -1) {
		d->domain = domain;
		if (!evidence_lets(d, v, &v->domains[domain],
		    p->domains[domain].name, env, now_ms))
			return;
		d->domain = -1;
	}
	if (egress_free != NULL) {
		d->override = egress_free;
		d->until_ms = egress_free->until_ms;
		d->why = WHY_OPERATOR_SEND;
		return;
	}
	evidence_lets(d, v, &v->egress[d->egress],
	    p->egress[d->egress].name, env, now_ms);
}

struct verdict
decide(const struct view *v, const struct envelope *env, int64_t now_ms)
{
	struct verdict d = { .act = ACT_PASS, .would = ACT_PASS,
	    .why = WHY_CLEAN, .egress = -1, .domain = -1 };
	const struct override *account, *way, *o = NULL;
	char normal[DOMAIN_MAX];

	if ((d.egress = find_egress(v->policy, env)) == -1) {
		d.why = WHY_NO_EGRESS;
		return d;
	}
	/* A stopped account sends nothing at all, not even to colleagues. */
	account = find_named(v, "account:", env->account, now_ms);
	weigh(&o, account);
	if (is_local(v->policy, env) &&
	    (account == NULL || account->word != WORD_STOP)) {
		d.why = WHY_LOCAL;
		d.egress = -1;
		return d;
	}
	weigh_domains(&o, v, sender_domain(env, normal), now_ms);
	way = egress_override(v, d.egress, now_ms);
	/* A send for the egress says nothing of the sender's domain; one for
	 * all does. */
	if (way != NULL && (way->word == WORD_STOP ||
	    strcasecmp(way->target, "all") == 0))
		weigh(&o, way);
	if (o == NULL) {
		by_evidence(&d, v, env, way, now_ms);
		return d;
	}
	d.override = o;
	d.until_ms = o->until_ms;
	if (o->word == WORD_STOP)
		stop(&d, v, env, WHY_OPERATOR_STOP);
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
		if (e != NULL && e->zone[0] != '\0')
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
