/*
 * oneshot.c - all lists about some subjects, once
 */
#include "watch/oneshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "watch/round.h"

struct work;

/* The questions to one list about one kind of subjects. */
struct task {
	struct work	*work;
	size_t		 place;		/* in result->lists */
	size_t		*subjects;
	size_t		 count;
	size_t		 server, tried;
};

/* The TXT record of one hit; found by its key, for hits move. */
struct text_task {
	struct work	*work;
	size_t		 subject, list;
};

struct work {
	const struct oneshot_conf *conf;
	struct event_base	*base;
	struct resolver		*resolver;
	struct oneshot_result	*result;
	size_t			 done, total;	/* lists */
	size_t			 texts;		/* TXT records to come */
};

static void	round_done(void *ctx, const struct round_result *);

static void
maybe_finished(struct work *w)
{
	if (w->done == w->total && w->texts == 0)
		event_base_loopbreak(w->base);
}

static void
run_task(struct task *t)
{
	const struct oneshot_conf *conf = t->work->conf;
	struct oneshot_list *l = &t->work->result->lists[t->place];
	const struct subject **subjects;
	size_t i;

	subjects = xcalloc(t->count, sizeof(*subjects));
	for (i = 0; i < t->count; i++)
		subjects[i] = &conf->subjects[t->subjects[i]];
	t->tried++;
	round_start(t->work->resolver, t->server, &conf->lists[l->list],
	    l->kind, subjects, t->count, true, round_done, t);
	free(subjects);
}

static void
text_cb(void *ctx, const struct reply *reply)
{
	struct text_task *t = ctx;
	struct work *w = t->work;
	size_t i;

	for (i = 0; i < w->result->hit_count; i++) {
		struct oneshot_hit *h = &w->result->hits[i];

		if (h->subject == t->subject && h->list == t->list &&
		    reply->status == REPLY_OK)
			text_copy(h->text, sizeof(h->text), reply->text);
		list_hide_key(&w->conf->lists[h->list], h->text);
	}
	w->texts--;
	free(t);
	maybe_finished(w);
}

static void
add_hit(struct task *t, size_t subject, const struct answer_seen *seen)
{
	struct work *w = t->work;
	struct oneshot_result *r = w->result;
	size_t list = r->lists[t->place].list;
	const struct list *l = &w->conf->lists[list];
	struct text_task *text;
	char name[256];

	r->hits = xreallocarray(r->hits, r->hit_count + 1, sizeof(*r->hits));
	r->hits[r->hit_count] = (struct oneshot_hit){ .subject = subject,
	    .list = list, .seen = *seen };
	r->hit_count++;
	if (round_query_name(l, &w->conf->subjects[subject], name) == NULL)
		return;
	text = xcalloc(1, sizeof(*text));
	*text = (struct text_task){ w, subject, list };
	w->texts++;
	resolver_ask(w->resolver, t->server, name, l->query_zone,
	    REPLY_TYPE_TXT, true, text_cb, text);
}

static void
take_answers(struct task *t, const struct round_result *r)
{
	struct oneshot_list *l = &t->work->result->lists[t->place];
	size_t i;

	for (i = 0; i < r->count; i++) {
		const struct answer_seen *a = &r->answers[i];

		if (a->kind == ANS_CLEAN)
			l->clean++;
		else if (a->kind >= ANS_REFUSED)
			l->failed++;
		else
			add_hit(t, t->subjects[i], a);
	}
}

static void
round_done(void *ctx, const struct round_result *r)
{
	struct task *t = ctx;
	struct work *w = t->work;
	struct oneshot_list *l = &w->result->lists[t->place];
	size_t servers = resolver_server_count(w->resolver);

	if (r->health != HEALTH_USABLE && t->tried < servers &&
	    !r->cancelled) {
		if (t->tried == 1) {
			l->health = r->health;
			text_copy(l->reason, sizeof(l->reason), r->reason);
		}
		t->server = (t->server + 1) % servers;
		run_task(t);
		return;
	}
	if (r->health == HEALTH_USABLE || t->tried == 1) {
		l->health = r->health;
		text_copy(l->reason, sizeof(l->reason), r->reason);
	}
	text_copy(l->resolver, sizeof(l->resolver),
	    resolver_server_name(w->resolver, t->server));
	if (r->health == HEALTH_USABLE)
		take_answers(t, r);
	else
		l->failed = t->count;
	w->done++;
	if (w->conf->progress != NULL)
		w->conf->progress(w->conf->ctx, w->done, w->total);
	free(t->subjects);
	free(t);
	maybe_finished(w);
}

static void
plan(struct work *w, size_t list, enum subject_kind kind)
{
	const struct oneshot_conf *conf = w->conf;
	struct oneshot_result *r = w->result;
	struct task *t;
	size_t i;

	if (!conf->lists[list].kinds[kind])
		return;
	t = xcalloc(1, sizeof(*t));
	t->work = w;
	t->subjects = xcalloc(conf->subject_count, sizeof(*t->subjects));
	for (i = 0; i < conf->subject_count; i++) {
		if (conf->subjects[i].kind == kind)
			t->subjects[t->count++] = i;
	}
	if (t->count == 0) {
		free(t->subjects);
		free(t);
		return;
	}
	t->place = r->list_count;
	r->lists[r->list_count++] = (struct oneshot_list){ .list = list,
	    .kind = kind };
	w->total++;
	run_task(t);
}

static int
compare_hits(const void *va, const void *vb)
{
	const struct oneshot_hit *a = va, *b = vb;

	if (a->seen.weight != b->seen.weight)
		return a->seen.weight > b->seen.weight ? -1 : 1;
	if (a->seen.kind != b->seen.kind)
		return a->seen.kind < b->seen.kind ? -1 : 1;
	return a->subject < b->subject ? -1 : a->subject > b->subject;
}

struct oneshot_result *
oneshot_run(const struct oneshot_conf *conf, const char **why)
{
	struct work w = { .conf = conf };
	int64_t start = clock_mono_ms();
	size_t i;
	int k;

	if ((w.base = event_base_new()) == NULL) {
		*why = "cannot set up an event loop";
		return NULL;
	}
	w.resolver = resolver_new(w.base, &conf->resolver, why);
	if (w.resolver == NULL) {
		event_base_free(w.base);
		return NULL;
	}
	w.result = xcalloc(1, sizeof(*w.result));
	w.result->lists = xcalloc(conf->list_count * SUBJECT_KINDS,
	    sizeof(*w.result->lists));
	for (i = 0; i < conf->list_count; i++) {
		for (k = 0; k < SUBJECT_KINDS; k++)
			plan(&w, i, (enum subject_kind)k);
	}
	if (w.total > 0)
		event_base_dispatch(w.base);
	w.result->asked = resolver_asked(w.resolver);
	resolver_free(w.resolver);
	event_base_free(w.base);
	if (w.result->hit_count > 0)
		qsort(w.result->hits, w.result->hit_count,
		    sizeof(*w.result->hits), compare_hits);
	w.result->took_ms = clock_mono_ms() - start;
	return w.result;
}

void
oneshot_free(struct oneshot_result *r)
{
	if (r == NULL)
		return;
	free(r->hits);
	free(r->lists);
	free(r);
}

int
oneshot_status(const struct oneshot_conf *conf,
    const struct oneshot_result *r)
{
	size_t i;

	for (i = 0; i < r->hit_count; i++) {
		if (r->hits[i].seen.kind == ANS_LISTED ||
		    r->hits[i].seen.weight > 0)
			return 1;
	}
	for (i = 0; i < r->list_count; i++) {
		if (r->lists[i].failed > 0 &&
		    conf->lists[r->lists[i].list].weight > 0)
			return 2;
	}
	return r->list_count > 0 ? 0 : 2;
}
