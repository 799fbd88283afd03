/*
 * checker.c - asks all lists about all egress addresses, again and again
 */
#include "watch/checker.h"

#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <event2/util.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/listing.h"
#include "watch/classify.h"
#include "watch/round.h"

#define FIRST_SPREAD_MS	1000	/* the first sweep is done within that */
#define JITTER_PERCENT	5
#define PATIENCE_MS	10000	/* for the rest of the lists to be heard */
#define WAITING_MAX	1000	/* questions, before another list begins */
#define HURRY_MAX	100	/* subjects that may be asked out of turn */
#define WAIT_MS		200
#define FRUITLESS_MAX	5	/* second looks in a row, see look_on() */
#define PREFER_AGAIN	10	/* rounds, until the first resolver is tried */
#define OWN_LOOK	10	/* rounds, until nothing is left to others */
#define DAY_MS		86400000LL
#define RATE_MIN	200	/* questions a second that nobody minds */

/* One list and one kind of subjects: has its own beat. */
struct beat {
	struct checker	*checker;
	size_t		 list;
	enum subject_kind kind;
	struct event	*due;		/* the next round of the sweep */
	struct event	*again;		/* the second look */
	int64_t		 next_ms;	/* wall clock, for people */
	int64_t		 every_ms;
	size_t		*doubtful;	/* subjects that want a second look */
	size_t		 doubtful_count;
	size_t		 doubtful_server;	/* that gave the first look */
	int		 fruitless;	/* second looks before the next one */
	bool		 busy;		/* a round of the sweep is under way */
	bool		 hurried;	/* ... or about to begin out of turn */
	bool		 looking;	/* ... or a second look */
	uint64_t	 rounds;
	size_t		 server;	/* that was of use the last time */
	enum cause	*causes;	/* by each resolver, as far as it was */
	bool		*heard;		/* asked */
	/* What the last round of the sweep found, told to the board when the
	 * other lists have been heard too: see tell_health(). */
	enum health	 health;
	char		 reason[BOARD_REASON_MAX];
	size_t		 blamed;	/* the resolver that was asked first */
	bool		 untold;
	bool		 silenced;	/* told as the resolver's fault */
};

/* One round under way, or its repetition by the next resolver. */
struct errand {
	struct beat	*beat;
	size_t		*subjects;
	size_t		 count;
	size_t		 server;
	size_t		 tried;		/* resolvers asked so far */
	int64_t		 began_ms;	/* monotonic */
	bool		 second_look;
	int		 fruitless;	/* of the beat */
	enum health	 first_health;	/* of the resolver asked first */
	size_t		 first_server;
	char		 first_reason[BOARD_REASON_MAX];
};

/* A TXT record that was asked for. */
struct text_wanted {
	struct checker	*checker;
	size_t		 subject, list;
};

struct checker {
	struct event_base	*base;
	struct board		*board;
	struct policy		*policy;
	struct resolver		*resolver;
	struct share		*share;
	int64_t			 confirm_delay_ms;
	struct beat		*beats;
	size_t			 beat_count;
	void			(*changed)(void *);
	void			*ctx;
	struct event		*patience;	/* see tell_health() */
	char			 (*faults)[BOARD_REASON_MAX];	/* of resolvers */
	bool			 said_hello;
	bool			 alarmed;	/* see found_unusable() */
	bool			 closing;
};

static void
after_ms(struct event *ev, int64_t ms)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	event_add(ev, &tv);
}

/* Within JITTER_PERCENT of ms, so that many hosts do not ask in step. */
static int64_t
jittered(int64_t ms)
{
	uint32_t random;
	int64_t span = ms * 2 * JITTER_PERCENT / 100;

	if (span == 0)
		return ms;
	evutil_secure_rng_get_bytes(&random, sizeof(random));
	return ms - span / 2 + random % span;
}

static void
schedule(struct beat *b, int64_t in_ms)
{
	b->next_ms = clock_wall_ms() + in_ms;
	after_ms(b->due, in_ms);
}

static void
hurry(struct beat *b, int64_t in_ms)
{
	b->hurried = true;
	schedule(b, in_ms);
}

/* --- rounds ------------------------------------------------------------ */

static void	round_done(void *ctx, const struct round_result *);

static void
run(struct errand *e)
{
	struct beat *b = e->beat;
	struct checker *c = b->checker;
	const struct subject **subjects;
	size_t i;

	subjects = xcalloc(e->count, sizeof(*subjects));
	for (i = 0; i < e->count; i++)
		subjects[i] = board_subject(c->board, e->subjects[i]);
	e->tried++;
	round_start(c->resolver, e->server, &c->policy->lists[b->list],
	    b->kind, subjects, e->count, e->second_look, round_done, e);
	free(subjects);
}

static void
free_errand(struct errand *e)
{
	free(e->subjects);
	free(e);
}

static void
want_look(struct beat *b, size_t subject, size_t server, int64_t in_ms)
{
	size_t i;

	for (i = 0; i < b->doubtful_count; i++) {
		if (b->doubtful[i] == subject)
			return;
	}
	b->doubtful = xreallocarray(b->doubtful, b->doubtful_count + 1,
	    sizeof(*b->doubtful));
	b->doubtful[b->doubtful_count++] = subject;
	b->doubtful_server = server;
	if (!b->looking && !evtimer_pending(b->again, NULL))
		after_ms(b->again, in_ms);
}

static void
text_cb(void *ctx, const struct reply *reply)
{
	struct text_wanted *t = ctx;
	struct checker *c = t->checker;

	if (!c->closing && reply->status == REPLY_OK) {
		board_text(c->board, t->subject, t->list, reply->text);
		c->changed(c->ctx);
	}
	free(t);
}

/* Why the list has it: for people, never for a decision (RFC 5782 2.1). */
static void
ask_text(struct beat *b, size_t subject, size_t server)
{
	struct checker *c = b->checker;
	const struct list *l = &c->policy->lists[b->list];
	struct text_wanted *t;
	char name[256];

	if (round_query_name(l, board_subject(c->board, subject), name) ==
	    NULL)
		return;
	t = xcalloc(1, sizeof(*t));
	*t = (struct text_wanted){ c, subject, b->list };
	resolver_ask(c->resolver, server, name, l->query_zone,
	    REPLY_TYPE_TXT, true, text_cb, t);
}

/* What was found, for hosts that do not ask this themselves. */
static void
tell_others(const struct beat *b, size_t subject, const struct answer_seen *a)
{
	const struct checker *c = b->checker;
	const struct listing *l;

	if (c->share == NULL || answer_proves_nothing(a->kind))
		return;
	l = board_known(c->board, subject, b->list);
	share_answer(c->share, subject, b->list, answer_present(a->kind),
	    a->code, l != NULL && l->confirmed, clock_mono_ms());
}

static void
tell_round(const struct errand *e, bool usable)
{
	const struct beat *b = e->beat;
	struct checker *c = b->checker;
	size_t i;

	if (c->share == NULL || e->second_look)
		return;
	share_round(c->share, b->list, b->kind, usable, clock_wall_ms(),
	    e->began_ms, clock_mono_ms());
	for (i = 0; i < c->beat_count; i++) {
		if (c->beats[i].health == HEALTH_USABLE)
			break;
	}
	share_sees(c->share, i < c->beat_count);
}

static void
report(struct errand *e, const struct round_result *r)
{
	struct beat *b = e->beat;
	struct checker *c = b->checker;
	int64_t now = clock_wall_ms();
	size_t i;

	for (i = 0; i < r->count; i++) {
		switch (board_answer(c->board, e->subjects[i], b->list,
		    &r->answers[i], e->second_look, now)) {
		case BOARD_NOTHING:
			break;
		case BOARD_LOOK_AGAIN:
			want_look(b, e->subjects[i], e->server,
			    c->confirm_delay_ms);
			break;
		case BOARD_ASK_TEXT:
			ask_text(b, e->subjects[i], e->server);
			break;
		}
		tell_others(b, e->subjects[i], &r->answers[i]);
	}
}

/* A second look that got no answer, as when a datagram was lost, is made once
 * more after the same delay: in an interval's time would be late. */
static void
look_on(struct errand *e, const struct round_result *r)
{
	struct beat *b = e->beat;
	size_t i;

	if (!e->second_look || e->fruitless >= FRUITLESS_MAX)
		return;
	for (i = 0; i < r->count; i++) {
		if (r->health == HEALTH_USABLE &&
		    r->answers[i].kind != ANS_FAILED)
			continue;
		want_look(b, e->subjects[i], b->doubtful_server,
		    b->checker->confirm_delay_ms);
		b->fruitless = e->fruitless + 1;
	}
}

/* The first sweep asks all lists at once, for nobody wants to wait at the
 * start; the second is spread over the interval, and so are all that
 * follow. */
static int64_t
first_pause_ms(const struct beat *b)
{
	const struct checker *c = b->checker;

	return b->every_ms * (b - c->beats + 1) / (int64_t)c->beat_count;
}

static void
errand_done(struct errand *e)
{
	struct beat *b = e->beat;

	if (e->second_look) {
		b->looking = false;
		if (b->doubtful_count > 0)
			after_ms(b->again, b->checker->confirm_delay_ms);
	} else {
		b->busy = false;
		b->hurried = false;
		schedule(b, jittered(b->rounds > 1 ? b->every_ms :
		    first_pause_ms(b)));
	}
	free_errand(e);
}

/* --- whose fault it is ------------------------------------------------- */

/* The cause that all lists have in common as seen through one resolver, if
 * there are two zones at least; *zones is how many there are. */
static enum cause
common_cause(const struct checker *c, size_t server, size_t *zones)
{
	enum cause cause = CAUSE_NONE;
	size_t i, last = SIZE_MAX;

	*zones = 0;
	for (i = 0; i < c->beat_count; i++) {
		const struct beat *b = &c->beats[i];

		if (!b->heard[server])
			continue;
		if (b->causes[server] == CAUSE_NONE ||
		    (cause != CAUSE_NONE && b->causes[server] != cause))
			return CAUSE_NONE;
		cause = b->causes[server];
		*zones += b->list != last;
		last = b->list;
	}
	return *zones >= 2 ? cause : CAUSE_NONE;
}

/* Says once which resolver is at fault, and for what. */
static void
find_faults(struct checker *c, int64_t now_ms)
{
	char fault[BOARD_REASON_MAX];
	enum cause cause;
	size_t i, zones;

	for (i = 0; i < resolver_server_count(c->resolver); i++) {
		if ((cause = common_cause(c, i, &zones)) == CAUSE_NONE)
			continue;
		health_blame(cause, resolver_server_name(c->resolver, i),
		    zones, fault);
		if (strcmp(fault, c->faults[i]) == 0)
			continue;
		memcpy(c->faults[i], fault, sizeof(fault));
		board_note(c->board, EVENT_HEALTH, now_ms, "%s; nothing is "
		    "stopped or released by what it says", fault);
	}
}

/* The self-test at the start, in a line. */
static void
say_hello(struct checker *c, int64_t now_ms)
{
	size_t i, usable = 0;

	if (c->said_hello || c->beat_count == 0)
		return;
	c->said_hello = true;
	for (i = 0; i < c->beat_count; i++)
		usable += c->beats[i].health == HEALTH_USABLE;
	board_note(c->board, EVENT_NOTE, now_ms, "first look: %zu of %zu "
	    "lists can be seen%s", usable, c->beat_count,
	    usable < c->beat_count ? "; see mailbrake lists" : "");
}

/*
 * Tells the board about lists that are not usable.  That waits until all
 * that were being asked have been heard, since what they all have in
 * common is not their fault; but not for ever.
 */
static void
tell_health(struct checker *c)
{
	int64_t now = clock_wall_ms();
	size_t i;

	event_del(c->patience);
	c->alarmed = false;
	find_faults(c, now);
	say_hello(c, now);
	for (i = 0; i < c->beat_count; i++) {
		struct beat *b = &c->beats[i];
		const char *fault = c->faults[b->blamed];

		if (!b->untold)
			continue;
		b->untold = false;
		b->silenced = fault[0] != '\0';
		if (b->silenced)
			board_health_silent(c->board, b->list, b->kind,
			    b->health, fault, now);
		else
			board_health(c->board, b->list, b->kind, b->health,
			    b->reason, now);
	}
}

static bool
any_busy(const struct checker *c)
{
	size_t i;

	for (i = 0; i < c->beat_count; i++) {
		if (c->beats[i].busy || c->beats[i].hurried)
			return true;
	}
	return false;
}

static void
patience_cb(evutil_socket_t fd, short what, void *arg)
{
	struct checker *c = arg;

	(void)fd;
	(void)what;
	tell_health(c);
	c->changed(c->ctx);
}

static void
found_unusable(struct errand *e)
{
	struct beat *b = e->beat;
	struct checker *c = b->checker;

	/* It could be seen before: is it the list, or the resolver?  The
	 * others tell, so they are asked now and not in their turn. */
	if (b->health == HEALTH_USABLE && !c->alarmed &&
	    board_subject_count(c->board) <= HURRY_MAX) {
		c->alarmed = true;
		checker_hurry(c);
	}
	b->health = e->first_health;
	b->blamed = e->first_server;
	memcpy(b->reason, e->first_reason, sizeof(b->reason));
	b->untold = true;
	if (!evtimer_pending(c->patience, NULL))
		after_ms(c->patience, PATIENCE_MS);
}

static void
found_usable(struct errand *e)
{
	struct beat *b = e->beat;
	struct checker *c = b->checker;
	size_t server = e->server;
	int64_t now = clock_wall_ms();

	b->health = HEALTH_USABLE;
	b->untold = false;
	/* Another one is preferred only where it had to stand in. */
	if (!e->second_look && (e->tried > 1 || server == 0))
		b->server = server;
	if (c->faults[server][0] != '\0') {
		board_note(c->board, EVENT_HEALTH, now, "resolver %s: lists "
		    "can be seen by it again, %s is the first",
		    resolver_server_name(c->resolver, server),
		    c->policy->lists[b->list].zone);
		c->faults[server][0] = '\0';
	}
	if (b->silenced)
		board_health_silent(c->board, b->list, b->kind,
		    HEALTH_USABLE, "", now);
	else
		board_health(c->board, b->list, b->kind, HEALTH_USABLE, "",
		    now);
	b->silenced = false;
}

static void
round_done(void *ctx, const struct round_result *r)
{
	struct errand *e = ctx;
	struct beat *b = e->beat;
	struct checker *c = b->checker;
	size_t servers = resolver_server_count(c->resolver);

	if (r->cancelled || c->closing) {
		free_errand(e);
		return;
	}
	log_debug("%s by %s: %s%s%s", c->policy->lists[b->list].zone,
	    resolver_server_name(c->resolver, e->server),
	    health_name(r->health), r->reason[0] != '\0' ? ": " : "",
	    r->reason);
	b->heard[e->server] = true;
	b->causes[e->server] = r->cause;
	if (r->health == HEALTH_USABLE) {
		found_usable(e);
		tell_round(e, true);
		report(e, r);
		look_on(e, r);
		errand_done(e);
		if (!any_busy(c))
			tell_health(c);
		c->changed(c->ctx);
		return;
	}
	if (e->tried == 1) {
		e->first_health = r->health;
		e->first_server = e->server;
		memcpy(e->first_reason, r->reason, strlen(r->reason) + 1);
	}
	if (e->tried < servers) {
		e->server = (e->server + 1) % servers;
		run(e);
		return;
	}
	/* A second look that nobody answers says nothing of the list. */
	if (!e->second_look) {
		found_unusable(e);
		tell_round(e, false);
	}
	look_on(e, r);
	errand_done(e);
	if (!any_busy(c))
		tell_health(c);
	c->changed(c->ctx);
}

/* What is known here is looked at here, whoever else does, and now and then
 * everything is: another host may be shown what is not true. */
static bool
leaves(const struct beat *b, size_t subject, int64_t now_ms)
{
	const struct checker *c = b->checker;

	return c->share != NULL && b->rounds % OWN_LOOK != 0 &&
	    board_known(c->board, subject, b->list) == NULL &&
	    share_leaves(c->share, subject, b->list, b->every_ms, now_ms);
}

static void
due_cb(evutil_socket_t fd, short what, void *arg)
{
	struct beat *b = arg;
	struct checker *c = b->checker;
	size_t i, n = board_subject_count(c->board);
	struct errand *e;

	(void)fd;
	(void)what;
	if (b->busy)
		return;
	/* Thousands of addresses: one list after the other, or all their
	 * questions would wait in memory at the same time. */
	if (resolver_waiting(c->resolver) > WAITING_MAX) {
		schedule(b, WAIT_MS);
		return;
	}
	b->busy = true;
	e = xcalloc(1, sizeof(*e));
	e->beat = b;
	e->began_ms = clock_mono_ms();
	e->subjects = xcalloc(n, sizeof(*e->subjects));
	for (i = 0; i < n; i++) {
		if (board_subject(c->board, i)->kind == b->kind &&
		    !leaves(b, i, e->began_ms))
			e->subjects[e->count++] = i;
	}
	/* Where something is listed the resolvers take turns, so that one
	 * alone cannot release it.  Else the first, or the one that was of
	 * use instead, until the first gets another chance. */
	if (board_has_listing(c->board, b->list, b->kind))
		e->server = b->rounds % resolver_server_count(c->resolver);
	else if (b->rounds % PREFER_AGAIN != 0)
		e->server = b->server;
	b->rounds++;
	run(e);
}

static void
again_cb(evutil_socket_t fd, short what, void *arg)
{
	struct beat *b = arg;
	struct errand *e = xcalloc(1, sizeof(*e));

	(void)fd;
	(void)what;
	b->looking = true;
	e->beat = b;
	e->began_ms = clock_mono_ms();
	e->second_look = true;
	e->subjects = b->doubtful;
	e->count = b->doubtful_count;
	b->doubtful = NULL;
	b->doubtful_count = 0;
	e->fruitless = b->fruitless;
	b->fruitless = 0;
	/* Another resolver first; its own again only when none answers. */
	e->server = (b->doubtful_server + 1) %
	    resolver_server_count(b->checker->resolver);
	run(e);
}

/* --- what other hosts found -------------------------------------------- */

static struct beat *
find_beat(const struct checker *c, size_t list, enum subject_kind kind)
{
	size_t i;

	for (i = 0; i < c->beat_count; i++) {
		if (c->beats[i].list == list && c->beats[i].kind == kind)
			return &c->beats[i];
	}
	return NULL;
}

/* As if it had been seen here, where nothing can be.  The second look is
 * that host's, too. */
static void
take(struct beat *b, const struct share_told *t, const struct answer_seen *a)
{
	struct checker *c = b->checker;
	int64_t now = clock_wall_ms();
	enum board_wish wish;

	wish = board_answer(c->board, t->subject, t->list, a, false, now);
	while (wish == BOARD_LOOK_AGAIN && t->confirmed)
		wish = board_answer(c->board, t->subject, t->list, a, true,
		    now);
	if (wish == BOARD_ASK_TEXT)
		ask_text(b, t->subject, b->server);
}

static void
told_cb(void *ctx, const struct share_told *t)
{
	static const struct answer_seen clean = { .kind = ANS_CLEAN };
	struct checker *c = ctx;
	struct beat *b = find_beat(c, t->list,
	    board_subject(c->board, t->subject)->kind);
	size_t servers = resolver_server_count(c->resolver);
	struct answer_seen a = clean;

	if (b == NULL)
		return;
	if (t->present)
		a = classify_code(&c->policy->lists[t->list], t->code);
	if (answer_proves_nothing(a.kind))
		return;
	switch (share_use(b->health, board_known(c->board, t->subject,
	    t->list) != NULL, answer_present(a.kind))) {
	case SHARE_NOTHING:
		break;
	case SHARE_CLEAN:
		board_answer(c->board, t->subject, t->list, &a, false,
		    clock_wall_ms());
		break;
	case SHARE_LOOK:
		want_look(b, t->subject, (b->server + servers - 1) % servers,
		    0);
		break;
	case SHARE_TAKE:
		take(b, t, &a);
		break;
	}
}

/* --- life -------------------------------------------------------------- */

static bool
has_subjects(const struct board *board, enum subject_kind kind)
{
	size_t i;

	for (i = 0; i < board_subject_count(board); i++) {
		if (board_subject(board, i)->kind == kind)
			return true;
	}
	return false;
}

static void
add_beat(struct checker *c, size_t list, enum subject_kind kind,
    int64_t interval_ms)
{
	const struct list *l = &c->policy->lists[list];
	struct beat *b = &c->beats[c->beat_count++];

	*b = (struct beat){ .checker = c, .list = list, .kind = kind };
	b->every_ms = l->interval_ms > interval_ms ? l->interval_ms :
	    interval_ms;
	b->causes = xcalloc(resolver_server_count(c->resolver),
	    sizeof(*b->causes));
	b->heard = xcalloc(resolver_server_count(c->resolver),
	    sizeof(*b->heard));
	b->due = evtimer_new(c->base, due_cb, b);
	b->again = evtimer_new(c->base, again_cb, b);
	if (b->due == NULL || b->again == NULL)
		fatalx("cannot set up a timer");
}

/* Twice what is needed to ask everything once an interval. */
static int
rate_for(const struct board *board, int64_t interval_ms)
{
	const struct policy *p = board_policy(board);
	int64_t questions = (int64_t)p->list_count *
	    (int64_t)(board_subject_count(board) + PROBE_KINDS);
	int64_t rate = 2 * questions * 1000 / interval_ms;

	return rate < RATE_MIN ? RATE_MIN : rate > 1000000 ? 1000000 :
	    (int)rate;
}

/* Free use has limits that a short interval breaks. */
static void
warn_volume(const struct checker *c)
{
	int64_t daily;
	size_t i;

	for (i = 0; i < c->policy->list_count; i++) {
		const struct list *l = &c->policy->lists[i];

		daily = checker_daily(c, i);
		if (l->limit != 0 && daily > l->limit)
			log_warnx("%s: about %lld questions a day, its "
			    "operator publishes %lld as free: raise "
			    "check.interval, or lists = ( { zone = \"%s\"; "
			    "interval = \"1h\"; } )", l->zone,
			    (long long)daily, (long long)l->limit, l->zone);
	}
}

struct checker *
checker_new(struct event_base *base, struct board *board,
    const struct checker_conf *conf, void (*changed)(void *), void *ctx,
    const char **why)
{
	struct policy *p = board_policy(board);
	struct checker *c = xcalloc(1, sizeof(*c));
	struct resolver_conf rc = conf->resolver;
	size_t i, spread;
	int k;

	rc.rate = rate_for(board, conf->interval_ms);
	c->resolver = resolver_new(base, &rc, why);
	if (c->resolver == NULL) {
		free(c);
		return NULL;
	}
	c->base = base;
	if ((c->patience = evtimer_new(base, patience_cb, c)) == NULL)
		fatalx("cannot set up a timer");
	c->board = board;
	c->policy = policy_ref(p);
	c->confirm_delay_ms = conf->confirm_delay_ms;
	if ((c->share = conf->share) != NULL)
		share_listen(c->share, told_cb, c);
	c->changed = changed;
	c->ctx = ctx;
	c->faults = xcalloc(resolver_server_count(c->resolver),
	    sizeof(*c->faults));
	/* Beats are pointed to, so the array never moves. */
	c->beats = xcalloc(p->list_count * SUBJECT_KINDS, sizeof(*c->beats));
	for (i = 0; i < p->list_count; i++) {
		for (k = 0; k < SUBJECT_KINDS; k++) {
			if (p->lists[i].kinds[k] &&
			    has_subjects(board, (enum subject_kind)k))
				add_beat(c, i, (enum subject_kind)k,
				    conf->interval_ms);
		}
	}
	warn_volume(c);
	spread = c->beat_count > 0 ? FIRST_SPREAD_MS / c->beat_count : 0;
	for (i = 0; i < c->beat_count; i++)
		hurry(&c->beats[i], (int64_t)(i * (spread < 20 ? spread :
		    20)));
	return c;
}

void
checker_free(struct checker *c)
{
	size_t i;

	if (c == NULL)
		return;
	c->closing = true;
	if (c->share != NULL)
		share_listen(c->share, NULL, NULL);
	resolver_free(c->resolver);	/* cancels the rounds under way */
	for (i = 0; i < c->beat_count; i++) {
		event_free(c->beats[i].due);
		event_free(c->beats[i].again);
		free(c->beats[i].doubtful);
		free(c->beats[i].causes);
		free(c->beats[i].heard);
	}
	event_free(c->patience);
	free(c->faults);
	free(c->beats);
	policy_unref(c->policy);
	free(c);
}

static size_t
subjects_of(const struct board *board, enum subject_kind kind)
{
	size_t i, count = 0;

	for (i = 0; i < board_subject_count(board); i++)
		count += board_subject(board, i)->kind == kind;
	return count;
}

int64_t
checker_daily(const struct checker *c, size_t list)
{
	int64_t daily = 0;
	size_t i;

	for (i = 0; i < c->beat_count; i++) {
		const struct beat *b = &c->beats[i];

		if (b->list == list)
			daily += (int64_t)(subjects_of(c->board, b->kind) +
			    PROBE_KINDS) * DAY_MS / b->every_ms;
	}
	return daily;
}

const char *
checker_resolver_fault(const struct checker *c)
{
	size_t i;

	for (i = 0; i < resolver_server_count(c->resolver); i++) {
		if (c->faults[i][0] != '\0')
			return c->faults[i];
	}
	return NULL;
}

int64_t
checker_next_ms(const struct checker *c)
{
	int64_t next = 0;
	size_t i;

	for (i = 0; i < c->beat_count; i++) {
		if (next == 0 || c->beats[i].next_ms < next)
			next = c->beats[i].next_ms;
	}
	return next;
}

void
checker_hurry(struct checker *c)
{
	size_t i;

	for (i = 0; i < c->beat_count; i++) {
		/* What a list's operator allows is kept all the same. */
		if (!c->beats[i].busy &&
		    c->policy->lists[c->beats[i].list].interval_ms == 0)
			hurry(&c->beats[i], 0);
	}
}
