/*
 * identity.c - does an egress have the name that it greets with
 *
 * Per address: its PTR names, then the addresses of the first of them that
 * is fit to be asked, then the comparison with the greeting.
 */
#include "watch/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define EVERY_S		3600
#define TEXT_MAX	240

/* One address of one egress. */
struct known {
	struct identity	*identity;
	const struct egress *egress;
	struct addr	 addr;
	enum identity_state state;
	char		*ptr, *text;	/* NULL: "" */
	bool		 busy;
};

struct identity {
	struct policy	*policy;
	struct resolver	*resolver;
	struct event	*again;
	struct known	*known;
	size_t		*first;		/* of each egress, in known */
	size_t		 count;
	void		(*changed)(void *);
	void		*ctx;
	bool		 closing;
};

static const char *
or_empty(const char *s)
{
	return s != NULL ? s : "";
}

/* Thousands of addresses: nothing is kept for what is empty. */
static void
set(char **to, const char *text)
{
	if (strcmp(or_empty(*to), text) == 0)
		return;
	free(*to);
	*to = text[0] != '\0' ? xstrdup(text) : NULL;
}

static void
conclude(struct known *k, enum identity_state state, const char *text)
{
	bool news = state != k->state || strcmp(text, or_empty(k->text)) != 0;
	char addr[ADDR_TEXT_MAX];

	k->busy = false;
	k->state = state;
	set(&k->text, text);
	if (!news || k->identity->closing)
		return;
	if (state == IDENTITY_BAD)
		log_warnx("egress %s: %s: %s", k->egress->name,
		    addr_text(&k->addr, addr), text);
	k->identity->changed(k->identity->ctx);
}

/* No answer proves nothing: what was known stands. */
static void
no_knowledge(struct known *k)
{
	k->busy = false;
}

static bool
has_address(const struct reply *r, const struct addr *a)
{
	size_t i;

	if (a->family == ADDR_IPV6) {
		for (i = 0; i < r->addr6_count; i++) {
			if (memcmp(r->addrs6[i], a->bytes, 16) == 0)
				return true;
		}
		return false;
	}
	for (i = 0; i < r->addr_count; i++) {
		struct addr have = addr_from_ipv4(r->addrs[i]);

		if (addr_cmp(&have, a) == 0)
			return true;
	}
	return false;
}

static void
forward_cb(void *ctx, const struct reply *r)
{
	struct known *k = ctx;
	const char *greeting = k->egress->hostname;
	char text[TEXT_MAX];

	if (r->status != REPLY_OK && r->status != REPLY_NXDOMAIN &&
	    r->status != REPLY_NODATA) {
		no_knowledge(k);
		return;
	}
	if (!has_address(r, &k->addr)) {
		snprintf(text, sizeof(text), "its name %.100s has not this "
		    "address: add %s record for it", or_empty(k->ptr),
		    k->addr.family == ADDR_IPV6 ? "an AAAA" : "an A");
		conclude(k, IDENTITY_BAD, text);
	} else if (greeting != NULL && !text_same(greeting,
	    or_empty(k->ptr))) {
		snprintf(text, sizeof(text), "it is called %.80s, but greets "
		    "as %.80s: make smtp_helo_name and the PTR record agree",
		    or_empty(k->ptr), greeting);
		conclude(k, IDENTITY_BAD, text);
	} else {
		conclude(k, IDENTITY_GOOD, "");
	}
}

/* The name that the greeting has, if it is among them; else the first. */
static void
choose_name(struct known *k, const struct reply *r)
{
	const char *found = r->names[0];
	char name[REPLY_NAME_MAX];
	size_t i, len;

	for (i = 0; i < r->name_count; i++) {
		if (text_same(r->names[i], k->egress->hostname))
			found = r->names[i];
	}
	text_copy(name, sizeof(name), found);
	len = strlen(name);
	if (len > 0 && name[len - 1] == '.')
		name[len - 1] = '\0';
	set(&k->ptr, name);
}

static void
ptr_cb(void *ctx, const struct reply *r)
{
	struct known *k = ctx;

	if (r->status == REPLY_NXDOMAIN || r->status == REPLY_NODATA ||
	    (r->status == REPLY_OK && r->name_count == 0)) {
		set(&k->ptr, "");
		conclude(k, IDENTITY_BAD, "it has no name (PTR record): ask "
		    "whoever the address is from to set one; many receivers "
		    "refuse without");
		return;
	}
	if (r->status != REPLY_OK) {
		no_knowledge(k);
		return;
	}
	choose_name(k, r);
	resolver_ask(k->identity->resolver, 0, or_empty(k->ptr),
	    or_empty(k->ptr),
	    k->addr.family == ADDR_IPV6 ? REPLY_TYPE_AAAA : REPLY_TYPE_A,
	    false, forward_cb, k);
}

static void
again_cb(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval every = { EVERY_S, 0 };
	struct identity *id = arg;
	char reversed[ADDR_REVERSED_MAX], name[128];
	size_t i;

	(void)fd;
	(void)what;
	for (i = 0; i < id->count; i++) {
		struct known *k = &id->known[i];

		if (k->busy)
			continue;
		k->busy = true;
		snprintf(name, sizeof(name), "%s.%s",
		    addr_reversed(&k->addr, reversed),
		    k->addr.family == ADDR_IPV6 ? "ip6.arpa" :
		    "in-addr.arpa");
		resolver_ask(id->resolver, 0, name, name, REPLY_TYPE_PTR,
		    false, ptr_cb, k);
	}
	event_add(id->again, &every);
}

struct identity *
identity_new(struct event_base *base, struct policy *p,
    const struct resolver_conf *conf, void (*changed)(void *), void *ctx,
    const char **why)
{
	static const struct timeval soon = { 1, 0 };
	struct identity *id = xcalloc(1, sizeof(*id));
	size_t i, j, total = 0;

	if ((id->resolver = resolver_new(base, conf, why)) == NULL) {
		free(id);
		return NULL;
	}
	id->policy = policy_ref(p);
	id->changed = changed;
	id->ctx = ctx;
	for (i = 0; i < p->egress_count; i++)
		total += p->egress[i].addr_count;
	id->known = xcalloc(total, sizeof(*id->known));
	id->first = xcalloc(p->egress_count, sizeof(*id->first));
	for (i = 0; i < p->egress_count; i++) {
		id->first[i] = id->count;
		for (j = 0; j < p->egress[i].addr_count; j++)
			id->known[id->count++] = (struct known){
			    .identity = id, .egress = &p->egress[i],
			    .addr = p->egress[i].addrs[j] };
	}
	if ((id->again = evtimer_new(base, again_cb, id)) == NULL)
		fatalx("cannot set up a timer");
	event_add(id->again, &soon);
	return id;
}

void
identity_free(struct identity *id)
{
	size_t i;

	if (id == NULL)
		return;
	id->closing = true;
	resolver_free(id->resolver);
	event_free(id->again);
	policy_unref(id->policy);
	for (i = 0; i < id->count; i++) {
		free(id->known[i].ptr);
		free(id->known[i].text);
	}
	free(id->known);
	free(id->first);
	free(id);
}

enum identity_state
identity_get(const struct identity *id, size_t egress, size_t addr,
    const char **ptr, const char **text)
{
	const struct known *k = &id->known[id->first[egress] + addr];

	*ptr = or_empty(k->ptr);
	*text = or_empty(k->text);
	return k->state;
}
