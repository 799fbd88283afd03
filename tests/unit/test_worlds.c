/*
 * test_worlds.c - the decision in thousands of worlds, and the rules again
 *
 * Worlds are drawn at random, with a fixed seed: states, guards, words,
 * volumes, pools and what they want, whoever asks.  Every verdict is held
 * against the promises (nothing leaves by what is stopped) and against the
 * rules as they are written down, said here once more and as slowly as they
 * like.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/decide.h"
#include "core/pool.h"
#include "scene.h"

#define WORLDS	4000
#define ASKED	30		/* messages in each of them */
#define NOW	(SCENE_START + 10 * DAY)

static const char conf[] =
    "egress = ( { name = \"mx1\"; addresses = [\"203.0.113.7\", "
    "\"2001:db8::7\"]; },\n"
    "  { name = \"mx2\"; addresses = \"203.0.113.8\"; "
    "transport = [\"mx2\", \"slow2\"]; weight = 2; },\n"
    "  { name = \"mx3\"; addresses = \"203.0.113.9\"; weight = 3; },\n"
    "  { name = \"mx4\"; addresses = \"203.0.113.10\"; weight = 0; },\n"
    "  { name = \"bulk1\"; addresses = \"203.0.113.11\"; },\n"
    "  { name = \"bulk2\"; addresses = \"203.0.113.12\"; } );\n"
    "pools = ( { name = \"people\"; egress = [\"mx1\", \"mx2\", \"mx3\", "
    "\"mx4\"]; }, { name = \"bulk\"; egress = [\"bulk2\", \"bulk1\"]; } );\n"
    "routes = ( { sender = \"@news.example.org\"; pool = \"bulk\"; },\n"
    "  { recipient = \"@list.example\"; pool = \"bulk\"; },\n"
    "  { account = \"robot\"; pool = \"bulk\"; } );\n"
    "domains = [\"shop.example\"];\n"
    "local_domains = [\"intern.example\"];\n";

#define EGRESSES	6
#define POOLS		2

static struct policy *policy;
static struct party_view party[EGRESSES], domain[1];
static struct pool_view guard[POOLS];
static struct override word[16];
static struct view view;
static struct provider provider;

/* --- dice --------------------------------------------------------------- */

static uint64_t dice;

/* xorshift64*, Vigna 2014: below n. */
static unsigned int
any(unsigned int n)
{
	dice ^= dice >> 12;
	dice ^= dice << 25;
	dice ^= dice >> 27;
	return (unsigned int)((dice * 2685821657736338717ull) >> 33) % n;
}

static bool
one_in(unsigned int n)
{
	return any(n) == 0;
}

#define ANY_OF(array)	((array)[any(COUNT(array))])

/* --- a world ------------------------------------------------------------ */

static void
any_party(struct party_view *p)
{
	static const enum state states[] = { STATE_SENDING, STATE_SENDING,
	    STATE_STOPPED, STATE_PROBATION };

	*p = (struct party_view){ .state = ANY_OF(states),
	    .since_ms = NOW - any(4) * HOUR + (one_in(20) ? DAY : 0),
	    .until_ms = NOW + HOUR, .fresh = one_in(5), .full = one_in(5),
	    .gated = one_in(2), .usual = one_in(2) ? 0 : any(5000),
	    .accepted = any(3000) };
}

static void
any_pool(struct pool *p)
{
	static const enum action wishes[] = { ACT_REROUTE, ACT_TEMPFAIL,
	    ACT_HOLD };
	size_t i, k;

	p->choose = one_in(2) ? CHOOSE_SPREAD : CHOOSE_FAILOVER;
	p->submission = (enum submission)any(4);
	p->action_count = 0;
	for (i = any(3) + 1; i > 0; i--) {
		enum action a = ANY_OF(wishes);

		for (k = 0; k < p->action_count && p->actions[k] != a; k++)
			;
		if (k == p->action_count)
			p->actions[p->action_count++] = a;
	}
}

static int
by_target(const void *a, const void *b)
{
	return strcasecmp(((const struct override *)a)->target,
	    ((const struct override *)b)->target);
}

static void
any_words(void)
{
	static const char *const targets[] = {
		"all", "mx1", "mx2", "mx3", "bulk2", "2001:db8::7",
		"203.0.113.8", "account:ann", "account:robot",
		"domain:example.org", "domain:shop.example",
		"domain:news.example.org", "provider:big",
	};
	static const int64_t ends[] = { 0, 0, NOW + 1, NOW + DAY, NOW,
	    NOW - HOUR };
	unsigned int often = any(4) == 0 ? 2 : 9;
	size_t i;

	view.override_count = 0;
	for (i = 0; i < COUNT(targets); i++) {
		struct override *o = &word[view.override_count];

		if (!one_in(often))
			continue;
		view.override_count++;
		memset(o, 0, sizeof(*o));
		snprintf(o->target, sizeof(o->target), "%s", targets[i]);
		o->word = one_in(2) ? WORD_STOP : WORD_SEND;
		o->until_ms = ANY_OF(ends);
	}
	qsort(word, view.override_count, sizeof(*word), by_target);
}

static void
any_world(void)
{
	size_t i;

	policy->mode = one_in(4) ? MODE_OBSERVE : MODE_ENFORCE;
	policy->resume_canaries = (int)any(30) + 1;
	for (i = 0; i < EGRESSES; i++) {
		any_party(&party[i]);
		policy->egress[i].warm = one_in(3);
	}
	any_party(&domain[0]);
	for (i = 0; i < POOLS; i++) {
		any_pool(&policy->pools[i]);
		guard[i] = (struct pool_view){ .guarded = one_in(5),
		    .until_ms = NOW + HOUR };
	}
	any_words();
}

static struct envelope
any_envelope(void)
{
	static const char *const senders[] = { NULL, "", "<>",
	    "ann@example.org", "bob@example.org", "x@news.example.org",
	    "y@www.shop.example", "z@shop.example.", "Ann@Example.ORG" };
	static const char *const recipients[] = { NULL, "bob@example.net",
	    "bob@example.net", "carol@big.example", "dave@mail.big.example.",
	    "root", "eve@intern.example", "eve@Intern.Example.",
	    "f@list.example", "g%example.net@intern.example" };
	static const char *const accounts[] = { NULL, NULL, "ann", "robot" };
	static const char *const transports[] = { NULL, NULL, "smtp", "mx2",
	    "slow2", "mx3", "bulk1", "virtual", "unheard-of" };

	return (struct envelope){ .sender = ANY_OF(senders),
	    .recipient = ANY_OF(recipients), .account = ANY_OF(accounts),
	    .transport = ANY_OF(transports), .must_take = one_in(4),
	    .asker = (enum asker)any(3), .routed = one_in(2),
	    .let_out = any(200) };
}

/* --- the rules, again --------------------------------------------------- */

static bool
ends_in(const char *mailbox, const char *what)
{
	char copy[200];
	size_t l, w = strlen(what);

	if (mailbox == NULL)
		return false;
	snprintf(copy, sizeof(copy), "%s", mailbox);
	l = strlen(copy);
	if (l > 0 && copy[l - 1] == '.')
		copy[--l] = '\0';
	return l > w && strcasecmp(copy + l - w, what) == 0;
}

/* The mailbox is in that very domain, or (below) in one below it. */
static bool
is_in(const char *mailbox, const char *name, bool below)
{
	char text[200];

	snprintf(text, sizeof(text), "@%s", name);
	if (ends_in(mailbox, text))
		return true;
	text[0] = '.';
	return below && mailbox != NULL && strchr(mailbox, '@') != NULL &&
	    ends_in(mailbox, text);
}

static bool
is_local_mail(const struct envelope *env)
{
	const char *r = env->recipient;

	if (env->transport != NULL)
		return strcmp(env->transport, "virtual") == 0;
	if (r == NULL || strpbrk(r, "%!") != NULL)
		return false;
	return strchr(r, '@') == NULL || is_in(r, "intern.example", false);
}

enum about { NOBODY, THE_SENDER, THE_WAY, THE_ACCOUNT };

/* What a word is about, seen from this message on this egress. */
static enum about
about(const struct override *o, const struct envelope *env, int egress)
{
	const struct egress *e = &policy->egress[egress];
	const char *name = strchr(o->target, ':');
	char text[ADDR_TEXT_MAX];
	size_t i;

	if (o->until_ms != 0 && o->until_ms <= NOW)
		return NOBODY;
	if (strncmp(o->target, "account:", 8) == 0)
		return env->account != NULL &&
		    strcmp(env->account, name + 1) == 0 ? THE_ACCOUNT :
		    NOBODY;
	if (strncmp(o->target, "domain:", 7) == 0)
		return is_in(env->sender, name + 1, true) ? THE_SENDER :
		    NOBODY;
	if (strncmp(o->target, "provider:", 9) == 0)
		return is_in(env->recipient, "big.example", true) ?
		    THE_SENDER : NOBODY;
	if (strcmp(o->target, "all") == 0 || strcmp(o->target, e->name) == 0)
		return THE_WAY;
	for (i = 0; i < e->addr_count; i++) {
		if (strcmp(o->target, addr_text(&e->addrs[i], text)) == 0)
			return THE_WAY;
	}
	return NOBODY;
}

/* Is there such a word about that?  Of NULL: of anything but the way. */
static bool
is_said(enum word w, bool of_way, const struct envelope *env, int egress)
{
	size_t i;

	for (i = 0; i < view.override_count; i++) {
		enum about a = about(&word[i], env, egress);

		if (a != NOBODY && (a == THE_WAY) == of_way &&
		    word[i].word == w)
			return true;
	}
	return false;
}

static bool
account_stopped(const struct envelope *env)
{
	size_t i;

	for (i = 0; i < view.override_count; i++) {
		if (about(&word[i], env, 0) == THE_ACCOUNT &&
		    word[i].word == WORD_STOP)
			return true;
	}
	return false;
}

static bool
all_free(void)
{
	size_t i;

	for (i = 0; i < view.override_count; i++) {
		if (strcmp(word[i].target, "all") == 0 &&
		    word[i].word == WORD_SEND && (word[i].until_ms == 0 ||
		    word[i].until_ms > NOW))
			return true;
	}
	return false;
}

/* By word, evidence or guard; a word for this message may free it. */
static bool
is_stopped(int egress)
{
	struct envelope nobody = { NULL };

	if (is_said(WORD_STOP, true, &nobody, egress))
		return true;
	if (is_said(WORD_SEND, true, &nobody, egress))
		return false;
	return party[egress].state == STATE_STOPPED ||
	    (party[egress].state == STATE_SENDING &&
	    guard[policy->egress[egress].pool].guarded);
}

static bool
would_help(int egress)
{
	const struct party_view *p = &party[egress];

	return !is_stopped(egress) && p->state == STATE_SENDING &&
	    !p->full &&
	    (!p->fresh || policy->egress[egress].warm);
}

/* The pool's choice if it held nobody but those who would help. */
static int
helper(int egress, const char *sender_domain)
{
	struct pool *p = &policy->pools[policy->egress[egress].pool];
	size_t all[EGRESSES], i, n = p->egress_count, left = 0;
	int best;

	memcpy(all, p->egress, n * sizeof(all[0]));
	for (i = 0; i < n; i++) {
		if ((int)all[i] != egress && would_help((int)all[i]))
			p->egress[left++] = all[i];
	}
	p->egress_count = left;
	best = pool_home(&view, policy->egress[egress].pool, sender_domain);
	p->egress_count = n;
	memcpy(p->egress, all, n * sizeof(all[0]));
	return best;
}

static const char *
domain_of(const char *mailbox)
{
	static char copy[200];
	const char *at = mailbox != NULL ? strrchr(mailbox, '@') : NULL;

	if (at == NULL)
		return NULL;
	snprintf(copy, sizeof(copy), "%s", at + 1);
	if (copy[strlen(copy) - 1] == '.')
		copy[strlen(copy) - 1] = '\0';
	return copy;
}

static bool
wants(const struct pool *p, enum action a)
{
	size_t i;

	for (i = 0; i < p->action_count; i++) {
		if (p->actions[i] == a)
			return true;
	}
	return false;
}

/* mailbrake.conf(5), actions and submission.  gate: the mail server keeps in
 * its queue what is for this egress. */
static enum action
by_the_pool(const struct pool *p, bool gate, bool must_take)
{
	size_t i;
	enum action act = ACT_TEMPFAIL;

	switch (p->submission) {
	case SUBMISSION_HOLD:
		return ACT_HOLD;
	case SUBMISSION_ACCEPT:
		if (gate)
			return ACT_QUEUE;
		/* FALLTHROUGH */
	case SUBMISSION_UNSET:
		for (i = p->action_count; i-- > 0;) {
			if (p->actions[i] != ACT_REROUTE)
				act = p->actions[i];
		}
		break;
	case SUBMISSION_TEMPFAIL:
		break;
	}
	if (must_take && act == ACT_TEMPFAIL)
		act = gate ? ACT_QUEUE : ACT_HOLD;
	return act;
}

/* What may be answered: by a rule that draws lots both. */
struct wanted {
	bool		 pass, stop;
	enum action	 act;		/* if stopped */
	enum why	 why_pass, why_stop;
	int		 egress, to;	/* to: if stopped */
};

static int
way_of(const struct envelope *env)
{
	int pool = 0, home;
	size_t i, k;

	if (is_in(env->sender, "news.example.org", false) ||
	    is_in(env->recipient, "list.example", false) ||
	    (env->account != NULL && strcmp(env->account, "robot") == 0))
		pool = 1;
	home = pool_home(&view, (size_t)pool, domain_of(env->sender));
	for (i = 0; env->transport != NULL && i < EGRESSES; i++) {
		for (k = 0; k < policy->egress[i].transport_count; k++) {
			if (strcmp(policy->egress[i].transports[k],
			    env->transport) == 0)
				return (int)i;
		}
	}
	return home;
}

static void
sender_stop(struct wanted *w, const struct envelope *env)
{
	w->stop = true;
	w->to = -1;
	w->act = env->asker == ASK_NEW ? by_the_pool(&policy->pools[
	    policy->egress[w->egress].pool], false, env->must_take) :
	    ACT_TEMPFAIL;
}

/* Has the mail server said that it takes this way? */
static bool
goes_by(const struct envelope *env, int egress)
{
	return env->transport != NULL &&
	    policy_find_transport(policy, env->transport) == egress;
}

static void
way_stop(struct wanted *w, const struct envelope *env)
{
	const struct pool *p = &policy->pools[policy->egress[
	    w->egress].pool];
	bool gate = party[w->egress].gated;

	w->stop = true;
	w->to = -1;
	if (wants(p, ACT_REROUTE) && (env->asker == ASK_ROUTE ||
	    (env->asker == ASK_NEW && env->routed &&
	    (gate || !goes_by(env, w->egress)))))
		w->to = helper(w->egress, domain_of(env->sender));
	if (w->to != -1)
		w->act = ACT_REROUTE;
	else if (env->asker == ASK_GATE || (env->asker == ASK_ROUTE &&
	    !gate))
		w->act = ACT_TEMPFAIL;
	else
		w->act = by_the_pool(p, gate, env->must_take);
}

static struct wanted
rules(const struct envelope *env)
{
	struct wanted w = { .to = -1, .why_pass = WHY_CLEAN };
	const struct party_view *e;
	bool in_shop = is_in(env->sender, "shop.example", true);

	w.egress = way_of(env);
	e = &party[w.egress];
	/* Mail that stays, but for an account that is stopped. */
	if (is_local_mail(env) && !account_stopped(env)) {
		w.pass = true;
		w.why_pass = WHY_LOCAL;
		w.egress = -1;
		return w;
	}
	/* A stop for who sends, or who receives. */
	if (is_said(WORD_STOP, false, env, w.egress)) {
		w.why_stop = WHY_OPERATOR_STOP;
		sender_stop(&w, env);
		return w;
	}
	/* A stop for the way: others are open, but not to a domain that is
	 * stopped whichever way it goes. */
	if (is_said(WORD_STOP, true, env, w.egress)) {
		w.why_stop = WHY_OPERATOR_STOP;
		way_stop(&w, env);
		if (in_shop && !is_said(WORD_SEND, false, env, w.egress) &&
		    domain[0].state == STATE_STOPPED)
			sender_stop(&w, env);
		return w;
	}
	if (is_said(WORD_SEND, false, env, w.egress) || all_free()) {
		w.pass = true;
		w.why_pass = WHY_OPERATOR_SEND;
		return w;
	}
	/* Evidence against the domain, then against the way. */
	if (in_shop && domain[0].state == STATE_STOPPED) {
		w.why_stop = WHY_LISTED;
		sender_stop(&w, env);
		return w;
	}
	if (in_shop && domain[0].state == STATE_PROBATION)
		w.why_pass = WHY_PROBATION_PASS;
	if (is_said(WORD_SEND, true, env, w.egress)) {
		w.pass = true;
		w.why_pass = WHY_OPERATOR_SEND;
		return w;
	}
	if (e->state == STATE_STOPPED) {
		w.why_stop = WHY_LISTED;
		way_stop(&w, env);
	} else if (e->state == STATE_PROBATION) {
		w.why_pass = WHY_PROBATION_PASS;
		w.why_stop = WHY_PROBATION_WAIT;
		way_stop(&w, env);
		if (env->asker == ASK_GATE) {
			w.pass = env->let_out < decide_allowance(&view,
			    (size_t)w.egress, NOW);
			w.stop = !w.pass;
		} else if (w.to == -1 && env->asker == ASK_ROUTE &&
		    e->gated) {
			w.pass = true;
			w.stop = false;
		} else {
			w.pass = true;	/* by lot */
		}
	} else if (guard[policy->egress[w.egress].pool].guarded) {
		w.why_stop = WHY_GUARDED;
		way_stop(&w, env);
	} else {
		w.pass = true;
	}
	return w;
}

/* Lots that are drawn by domain as well make the answer too many-sided to be
 * foretold; the promises are held to all the same. */
static bool
foretold(const struct envelope *env)
{
	return !(domain[0].state == STATE_PROBATION &&
	    env->asker == ASK_NEW && is_in(env->sender, "shop.example",
	    true));
}

/* --- what is asserted --------------------------------------------------- */

static void
wrong(const struct envelope *env, const struct verdict *d, const char *what)
{
	size_t i;

	for (i = 0; i < EGRESSES; i++)
		print_error("%s: %s%s%s%s%s\n", policy->egress[i].name,
		    state_name(party[i].state), party[i].fresh ? " fresh" : "",
		    policy->egress[i].warm ? " warm" : "",
		    party[i].full ? " full" : "",
		    party[i].gated ? " gated" : "");
	print_error("domain %s, guards %d %d\n", state_name(domain[0].state),
	    guard[0].guarded, guard[1].guarded);
	for (i = 0; i < view.override_count; i++)
		print_error("%s %s until %lld\n", word[i].target,
		    word_name(word[i].word),
		    (long long)(word[i].until_ms == 0 ? 0 :
		    word[i].until_ms - NOW));
	fail_msg("%s: %s -> %s (%s by %s)%s, asker %d%s: %s %s egress %d "
	    "to %d", what, env->sender, env->recipient, env->account,
	    env->transport, env->must_take ? " must be taken" : "",
	    env->asker, env->routed ? " routed" : "", action_name(d->would),
	    why_name(d->why), d->egress, d->to);
}

#define HOLDS(what) \
	do { \
		if (!(what)) \
			wrong(env, d, #what); \
	} while (0)

/* The first promise, and what goes with it. */
static void
check_promises(const struct envelope *env, const struct verdict *d)
{
	bool freed;

	HOLDS(d->act == (policy->mode == MODE_OBSERVE ? ACT_PASS :
	    d->would));
	if (d->why == WHY_LOCAL) {
		HOLDS(d->would == ACT_PASS && is_local_mail(env));
		return;
	}
	freed = is_said(WORD_SEND, false, env, d->egress) || all_free();
	switch (d->would) {
	case ACT_PASS:
		HOLDS(d->to == d->egress && d->to != -1);
		HOLDS(!is_said(WORD_STOP, true, env, d->to));
		HOLDS(!is_said(WORD_STOP, false, env, d->to));
		HOLDS(!is_stopped(d->to) || freed);
		HOLDS(freed || domain[0].state != STATE_STOPPED ||
		    !is_in(env->sender, "shop.example", true));
		break;
	case ACT_REROUTE:
		HOLDS(d->to != d->egress && d->to != -1);
		HOLDS(policy->egress[d->to].pool ==
		    policy->egress[d->egress].pool);
		HOLDS(would_help(d->to));
		HOLDS(is_stopped(d->egress) ||
		    party[d->egress].state == STATE_PROBATION);
		HOLDS(env->asker != ASK_GATE);
		HOLDS(env->asker == ASK_ROUTE || env->routed);
		HOLDS(env->asker == ASK_ROUTE || party[d->egress].gated ||
		    !goes_by(env, d->egress));
		HOLDS(!is_said(WORD_STOP, false, env, d->egress));
		HOLDS(freed || domain[0].state != STATE_STOPPED ||
		    !is_in(env->sender, "shop.example", true));
		break;
	case ACT_QUEUE:
		HOLDS(party[d->egress].gated);
		/* FALLTHROUGH */
	case ACT_HOLD:
		HOLDS(env->asker != ASK_GATE);
		/* FALLTHROUGH */
	default:
		HOLDS(d->to == -1);
	}
	/* Nobody tells sendmail(1) to come again. */
	HOLDS(env->asker != ASK_NEW || !env->must_take ||
	    d->would != ACT_TEMPFAIL);
}

static void
check_rules(const struct envelope *env, const struct verdict *d)
{
	struct wanted w = rules(env);

	HOLDS(d->egress == w.egress);
	if (d->would == ACT_PASS) {
		HOLDS(w.pass);
		HOLDS(d->why == w.why_pass);
	} else {
		HOLDS(w.stop);
		HOLDS(d->would == w.act);
		HOLDS(d->why == w.why_stop);
		HOLDS(d->to == w.to);
	}
}

static void
check_texts(const struct envelope *env, const struct verdict *d)
{
	char text[VERDICT_TEXT_MAX];
	const char *p;

	verdict_text(&view, d, text);
	for (p = text; *p != '\0'; p++)
		HOLDS(*p >= ' ' && *p <= '~');
	HOLDS(d->why == WHY_LOCAL ||
	    strstr(text, policy->egress[d->egress].name) != NULL);
	HOLDS((d->why == WHY_OPERATOR_STOP || d->why == WHY_OPERATOR_SEND) ==
	    (d->override != NULL));
	HOLDS(d->override == NULL || (d->override->word == WORD_STOP) ==
	    (d->would != ACT_PASS));
}

static void
test_worlds(void **state)
{
	unsigned int seen[ACT_KINDS] = { 0 }, i, k;

	(void)state;
	dice = 20261122;
	for (i = 0; i < WORLDS; i++) {
		any_world();
		for (k = 0; k < ASKED; k++) {
			struct envelope env = any_envelope();
			struct verdict d = decide(&view, &env, NOW);

			check_promises(&env, &d);
			check_texts(&env, &d);
			if (foretold(&env))
				check_rules(&env, &d);
			seen[d.would]++;
		}
	}
	/* The dice are good for something. */
	for (i = 0; i < ACT_KINDS; i++)
		assert_in_range(seen[i], WORLDS * ASKED / 50,
		    WORLDS * ASKED);
}

/* What a front end lets in goes where it was said to go: it and the route
 * map, which knows the sender alone, say the same. */
static void
test_route_agrees(void **state)
{
	static const char *const senders[] = { "", "ann@example.org",
	    "Bob@Example.org", "x@news.example.org", "y@shop.example",
	    "c@a.example", "c@b.example", "c@d.example" };
	unsigned int i, k, both = 0;

	(void)state;
	dice = 4;
	for (i = 0; i < WORLDS; i++) {
		any_world();
		for (k = 0; k < COUNT(senders); k++) {
			struct envelope front = { .sender = senders[k],
			    .recipient = "bob@example.net",
			    .routed = true }, *env = &front;
			struct envelope map = { .sender = senders[k],
			    .asker = ASK_ROUTE };
			struct verdict v = decide(&view, &front, NOW);
			struct verdict *d = &v;
			struct verdict m = decide(&view, &map, NOW);

			HOLDS(v.egress == m.egress && v.home == m.home);
			if (v.would == ACT_PASS || v.would == ACT_REROUTE) {
				HOLDS(m.would == v.would && m.to == v.to);
				both += v.would == ACT_REROUTE;
			} else {
				/* Lots of new mail are drawn at the front. */
				HOLDS(m.would != ACT_REROUTE ||
				    (is_in(env->sender, "shop.example",
				    true) && domain[0].state ==
				    STATE_PROBATION));
				HOLDS(m.would != ACT_PASS ||
				    v.why == WHY_PROBATION_WAIT);
				/* Where no gate keeps it, by the map. */
				HOLDS(m.would != ACT_PASS || v.domain != -1 ||
				    party[m.egress].gated);
			}
			/* Without a gate the map keeps the queue. */
			HOLDS(m.would == ACT_PASS || m.would == ACT_REROUTE ||
			    m.would == ACT_TEMPFAIL ||
			    party[m.egress].gated);
		}
	}
	assert_true(both > WORLDS / 10);
}

/* In a probation with others to take the rest, or without a gate to keep it,
 * the same sender always goes the same way, and more and more of them their
 * own. */
static void
route_in_probation(enum action rest, enum action instead)
{
	bool before[500] = { false };
	char sender[48];
	int64_t t;
	int i, own = 0;

	memset(party, 0, sizeof(party));
	memset(domain, 0, sizeof(domain));
	memset(guard, 0, sizeof(guard));
	view.override_count = 0;
	policy->mode = MODE_ENFORCE;
	policy->pools[0].choose = CHOOSE_FAILOVER;
	policy->pools[0].actions[0] = rest;
	policy->pools[0].submission = SUBMISSION_UNSET;
	policy->pools[0].action_count = 1;
	party[0] = (struct party_view){ .state = STATE_PROBATION,
	    .since_ms = NOW };
	for (t = NOW; t <= NOW + 2 * HOUR; t += 5 * MINUTE) {
		for (i = 0, own = 0; i < 500; i++) {
			struct envelope env = { .sender = sender,
			    .asker = ASK_ROUTE };
			struct verdict d;

			snprintf(sender, sizeof(sender), "u%d@e%d.example",
			    i, i % 7);
			d = decide(&view, &env, t);
			assert_true(d.would == ACT_PASS ||
			    d.would == instead);
			env = (struct envelope){ .sender = sender,
			    .recipient = "bob@example.net", .routed = true };
			assert_int_equal(decide(&view, &env, t).would,
			    d.would);
			assert_true(d.would == ACT_PASS || !before[i]);
			before[i] = d.would == ACT_PASS;
			own += before[i];
		}
		if (t == NOW + HOUR)
			assert_in_range(own, 195, 305);
	}
	assert_int_equal(own, 500);
}

static void
test_route_in_probation(void **state)
{
	(void)state;
	route_in_probation(ACT_REROUTE, ACT_REROUTE);
	route_in_probation(ACT_TEMPFAIL, ACT_TEMPFAIL);
}

static int
open_worlds(void **state)
{
	static char *domains[] = { (char *)(uintptr_t)"big.example" };

	(void)state;
	policy = unit_policy(conf);
	assert_int_equal(policy->egress_count, EGRESSES);
	assert_int_equal(policy->pool_count, POOLS);
	provider = (struct provider){ .name = (char *)(uintptr_t)"big",
	    .domains = domains, .domain_count = 1 };
	policy->providers = &provider;
	policy->provider_count = 1;
	view = (struct view){ .policy = policy, .egress = party,
	    .domains = domain, .pools = guard, .overrides = word };
	return 0;
}

static int
close_worlds(void **state)
{
	(void)state;
	policy->providers = NULL;
	policy->provider_count = 0;
	policy_unref(policy);
	return 0;
}

int
main(void)
{
	unit_around(open_worlds, close_worlds);
	unit_claim("in no world does mail leave by what is stopped, and every "
	    "verdict is that of the rules", test_worlds);
	unit_claim("the route map and a front end say the same",
	    test_route_agrees);
	unit_claim("in probation a sender's mail is not torn apart",
	    test_route_in_probation);
	return unit_run("worlds");
}
