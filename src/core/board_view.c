/*
 * board_view.c - what other threads see of the board
 */
#include "core/board_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void
fill_view(const struct board *b, const struct party *party,
    struct party_view *out)
{
	const struct standing *s = &party->standing;
	const struct listing *worst;
	char buf[ADDR_TEXT_MAX], label[48];
	size_t i;
	const struct entry *e;

	out->state = s->state;
	out->since_ms = s->since_ms;
	out->until_ms = s->until_ms;
	out->unseen_ms = s->unseen_ms;
	out->score = board_score(b, party, &worst);
	out->fresh = s->fresh;
	out->full = party->full;
	out->gated = party->gated;
	out->usual = s->usual.hours >= TRAFFIC_KNOWN_HOURS ?
	    s->usual.per_hour : 0;
	out->accepted = party->volume.accepted;
	out->delivered_before = party->volume.delivered_before;
	for (i = 0; i < party->subject_count; i++) {
		for (e = b->subjects[party->subjects[i]].listings; e != NULL;
		    e = e->next)
			out->listing_count += e->l.confirmed;
	}
	if (worst == NULL)
		return;
	out->subject = xstrdup(subject_text(
	    &b->subjects[worst->subject].subject, buf));
	out->zone = b->policy->lists[worst->list].zone;
	out->listing = xstrdup(board_listing_label(&worst->seen, label));
}

static void
free_parties(const struct party_view *v, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		free((char *)(uintptr_t)v[i].subject);
		free((char *)(uintptr_t)v[i].listing);
	}
	free((void *)(uintptr_t)v);
}

static void
free_view(struct counted_view *c)
{
	free_parties(c->view.egress, c->view.policy->egress_count);
	free_parties(c->view.domains, c->view.policy->domain_count);
	policy_unref((struct policy *)(uintptr_t)c->view.policy);
	free((void *)(uintptr_t)c->view.pools);
	free((void *)(uintptr_t)c->view.overrides);
	free(c);
}

void
board_publish(struct board *b)
{
	struct counted_view *c, *old;
	struct party_view *egress, *domains;
	struct pool_view *pools;
	struct override *overrides;
	size_t i;

	if (!b->dirty)
		return;
	b->dirty = false;
	egress = xcalloc(b->policy->egress_count, sizeof(*egress));
	for (i = 0; i < b->policy->egress_count; i++)
		fill_view(b, &b->egress[i], &egress[i]);
	domains = xcalloc(b->policy->domain_count, sizeof(*domains));
	for (i = 0; i < b->policy->domain_count; i++)
		fill_view(b, &b->domains[i], &domains[i]);
	pools = xcalloc(b->policy->pool_count, sizeof(*pools));
	for (i = 0; i < b->policy->pool_count; i++)
		pools[i] = b->pools[i];
	overrides = xcalloc(b->override_count, sizeof(*overrides));
	if (b->override_count > 0)
		memcpy(overrides, b->overrides,
		    b->override_count * sizeof(*overrides));
	c = xcalloc(1, sizeof(*c));
	c->references = 1;
	c->view = (struct view){ .policy = policy_ref(b->policy),
	    .egress = egress, .domains = domains,
	    .pools = pools, .overrides = overrides,
	    .override_count = b->override_count,
	    .clock_ms = b->clock_ms,
	    .generation = ++b->generation };
	pthread_mutex_lock(&b->lock);
	old = b->current;
	b->current = c;
	pthread_mutex_unlock(&b->lock);
	if (old != NULL)
		view_put(&old->view);
}

uint64_t
board_generation(const struct board *b)
{
	return b->generation;
}

const struct view *
board_view_get(struct board *b)
{
	struct counted_view *c;

	pthread_mutex_lock(&b->lock);
	c = b->current;
	__atomic_add_fetch(&c->references, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&b->lock);
	return &c->view;
}

void
view_put(const struct view *v)
{
	/* view is the first member of what counts it. */
	struct counted_view *c = (struct counted_view *)(uintptr_t)v;

	if (__atomic_sub_fetch(&c->references, 1, __ATOMIC_ACQ_REL) == 0)
		free_view(c);
}
