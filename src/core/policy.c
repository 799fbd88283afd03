/*
 * policy.c - what the operator wants, as the core sees it
 */
#include "core/policy.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/domain.h"
#include "base/mem.h"
#include "base/text.h"

static const char *const action_names[] = {
	"pass", "reroute", "tempfail", "hold", "queue",
};

static_assert(sizeof(action_names) / sizeof(action_names[0]) == ACT_KINDS,
    "a name for every action");

const char *
action_name(enum action a)
{
	return action_names[a];
}

struct policy *
policy_new(void)
{
	struct policy *p = xcalloc(1, sizeof(*p));

	p->references = 1;
	return p;
}

struct policy *
policy_ref(struct policy *p)
{
	__atomic_add_fetch(&p->references, 1, __ATOMIC_RELAXED);
	return p;
}

static void
free_strings(char **v, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		free(v[i]);
	free(v);
}

void
policy_unref(struct policy *p)
{
	size_t i;

	if (p == NULL ||
	    __atomic_sub_fetch(&p->references, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (i = 0; i < p->egress_count; i++) {
		free(p->egress[i].name);
		free(p->egress[i].addrs);
		free(p->egress[i].nexthop);
		free(p->egress[i].hostname);
		free(p->egress[i].helo_domain);
		free(p->egress[i].traffic);
		free_strings(p->egress[i].transports,
		    p->egress[i].transport_count);
	}
	for (i = 0; i < p->pool_count; i++) {
		free(p->pools[i].name);
		free(p->pools[i].egress);
	}
	for (i = 0; i < p->route_count; i++) {
		free(p->routes[i].sender);
		free(p->routes[i].recipient);
		free(p->routes[i].account);
	}
	for (i = 0; i < p->list_count; i++)
		list_clear(&p->lists[i]);
	free(p->egress);
	free(p->pools);
	free(p->routes);
	free(p->lists);
	for (i = 0; i < p->domain_count; i++) {
		free(p->domains[i].name);
		free(p->domains[i].asked);
	}
	free(p->domains);
	for (i = 0; i < p->provider_count; i++) {
		free(p->providers[i].name);
		free_strings(p->providers[i].domains,
		    p->providers[i].domain_count);
	}
	free(p->providers);
	free_strings(p->local_domains, p->local_domain_count);
	free_strings(p->local_transports, p->local_transport_count);
	free(p);
}

int
policy_find_egress(const struct policy *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->egress_count; i++) {
		if (text_same(p->egress[i].name, name))
			return (int)i;
	}
	return -1;
}

int
policy_find_transport(const struct policy *p, const char *transport)
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

int
policy_find_provider(const struct policy *p, const char *domain)
{
	size_t i, j;

	if (domain == NULL)
		return -1;
	for (i = 0; i < p->provider_count; i++) {
		for (j = 0; j < p->providers[i].domain_count; j++) {
			if (domain_within(domain, p->providers[i].domains[j]))
				return (int)i;
		}
	}
	return -1;
}

int
policy_find_domain(const struct policy *p, const char *sender_domain)
{
	int best = -1;
	size_t i;

	if (sender_domain == NULL)
		return -1;
	for (i = 0; i < p->domain_count; i++) {
		if (domain_within(sender_domain, p->domains[i].name) &&
		    (best == -1 || strlen(p->domains[i].name) >
		    strlen(p->domains[best].name)))
			best = (int)i;
	}
	return best;
}

int
policy_find_list(const struct policy *p, const char *zone)
{
	size_t i;

	for (i = 0; i < p->list_count; i++) {
		if (text_same(p->lists[i].zone, zone))
			return (int)i;
	}
	return -1;
}

/* FNV-1a. */
static uint64_t
mix(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len-- > 0)
		hash = (hash ^ *p++) * 1099511628211U;
	return hash;
}

static uint64_t
mix_text(uint64_t hash, const char *text)
{
	return text == NULL ? mix(hash, "", 1) :
	    mix(hash, text, strlen(text) + 1);
}

static uint64_t
mix_list(uint64_t hash, const struct list *l)
{
	int64_t numbers[] = { l->kinds[SUBJECT_IPV4], l->kinds[SUBJECT_IPV6],
	    l->kinds[SUBJECT_DOMAIN], l->weight };
	size_t i;

	hash = mix_text(mix_text(hash, l->zone), l->operator);
	hash = mix(hash, numbers, sizeof(numbers));
	for (i = 0; i < l->answer_count; i++) {
		const struct list_answer *a = &l->answers[i];
		int64_t row[] = { a->lo, a->hi, a->bits, (int64_t)a->means,
		    a->weight };

		hash = mix(hash, row, sizeof(row));
	}
	return hash;
}

uint64_t
policy_rules_hash(const struct policy *p)
{
	int64_t numbers[] = { (int64_t)p->mode, p->confirm, p->stop_score,
	    p->resume_clean, p->resume_after_ms, p->resume_ramp_ms,
	    p->relapse_factor, p->resume_max_wait_ms, p->flap_window_ms };
	uint64_t hash = mix(14695981039346656037U, numbers, sizeof(numbers));
	size_t i;

	for (i = 0; i < p->list_count; i++)
		hash = mix_list(hash, &p->lists[i]);
	return hash;
}
