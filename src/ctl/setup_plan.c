/*
 * setup_plan.c - which changes to Postfix' configuration mailbrake needs
 */
#include "ctl/setup_plan.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define POLICY_MAPS	"smtp_tls_policy_maps"
#define ROUTE_MAPS	"sender_dependent_default_transport_maps"

struct planner {
	const struct wiring		*is, *raw;
	const struct wiring_want	*want;
	const struct plan_ask		*ask;
	struct plan			*out;
	const char			*map;	/* "unix:mailbrake/map.sock" */
	bool				 in_main;	/* see one_for_all() */
};

/* --- words ------------------------------------------------------------- */

static void
words_add(struct wiring_words *w, const char *word)
{
	w->v = xreallocarray(w->v, w->count + 1, sizeof(*w->v));
	w->v[w->count++] = xstrdup(word);
}

static char *
words_join(const struct wiring_words *w, const char *between)
{
	char *text = xstrdup(""), *more;
	size_t i;

	for (i = 0; i < w->count; i++) {
		more = xasprintf("%s%s%s", text, i > 0 ? between : "",
		    w->v[i]);
		free(text);
		text = more;
	}
	return text;
}

/* White space that stands beside a brace or comma means nothing. */
static char *
squeeze(const char *word)
{
	char *out = xcalloc(strlen(word) + 1, 1), *to = out;
	const char *p, *next;

	for (p = word; *p != '\0'; p++) {
		if (isspace((unsigned char)*p)) {
			next = p + strspn(p, " \t");
			if (to == out || strchr("{},", to[-1]) != NULL ||
			    *next == '\0' || strchr("{},", *next) != NULL)
				continue;
		}
		*to++ = *p;
	}
	return out;
}

char *
shell_quote(const char *text)
{
	char *out, *to;
	const char *p;

	if (*text != '\0' && strspn(text, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@%+") ==
	    strlen(text))
		return xstrdup(text);
	to = out = xcalloc(strlen(text) * 4 + 3, 1);
	*to++ = '\'';
	for (p = text; *p != '\0'; p++) {
		if (*p == '\'') {
			memcpy(to, "'\\''", 4);
			to += 4;
		} else {
			*to++ = *p;
		}
	}
	*to = '\'';
	return out;
}

/* --- the plan ---------------------------------------------------------- */

static void
change(struct planner *p, enum change_kind kind, const char *service,
    const char *name, const char *value, const char *fmt, ...)
    __attribute__((__format__(__printf__, 6, 7)));

static void
change(struct planner *p, enum change_kind kind, const char *service,
    const char *name, const char *value, const char *fmt, ...)
{
	struct change c = { kind, xstrdup(service), xstrdup(name),
	    xstrdup(value), NULL };
	char why[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	c.why = xstrdup(why);
	p->out->v = xreallocarray(p->out->v, p->out->count + 1,
	    sizeof(*p->out->v));
	p->out->v[p->out->count++] = c;
}

static void
say(char ***lines, size_t *count, const char *fmt, va_list ap)
{
	char text[1024];
	size_t i;

	vsnprintf(text, sizeof(text), fmt, ap);
	for (i = 0; i < *count; i++) {
		if (strcmp((*lines)[i], text) == 0)
			return;
	}
	*lines = xreallocarray(*lines, *count + 1, sizeof(**lines));
	(*lines)[(*count)++] = xstrdup(text);
}

#define SAYER(name, field)						\
static void								\
name(struct planner *p, const char *fmt, ...)				\
    __attribute__((__format__(__printf__, 2, 3)));			\
static void								\
name(struct planner *p, const char *fmt, ...)				\
{									\
	va_list ap;							\
									\
	va_start(ap, fmt);						\
	say(&p->out->field##s, &p->out->field##_count, fmt, ap);	\
	va_end(ap);							\
}

SAYER(note, note)
SAYER(block, block)

void
plan_free(struct plan *plan)
{
	size_t i;

	for (i = 0; i < plan->count; i++) {
		free(plan->v[i].service);
		free(plan->v[i].name);
		free(plan->v[i].value);
		free(plan->v[i].why);
	}
	for (i = 0; i < plan->note_count; i++)
		free(plan->notes[i]);
	for (i = 0; i < plan->block_count; i++)
		free(plan->blocks[i]);
	free(plan->v);
	free(plan->notes);
	free(plan->blocks);
	*plan = (struct plan){ 0 };
}

void
change_command(const struct change *c, const char **option, char **argument)
{
	switch (c->kind) {
	case CHANGE_SERVICE:
		*option = "-M";
		*argument = xasprintf("%s=%s", c->service, c->value);
		break;
	case CHANGE_MAIN:
		*option = "-e";
		*argument = xasprintf("%s=%s", c->name, c->value);
		break;
	case CHANGE_OVERRIDE:
		*option = "-P";
		*argument = xasprintf("%s/%s=%s", c->service, c->name,
		    c->value);
		break;
	}
}

/* What postconf -P takes has no white space; a value that needs some gets a
 * parameter of its own in main.cf. */
static void
override_words(struct planner *p, const char *service, const char *name,
    const struct wiring_words *words, const char *why)
{
	struct wiring_words tight = { 0 };
	char *value, *own, *word, *c;
	size_t i;

	for (i = 0; i < words->count; i++) {
		word = squeeze(words->v[i]);
		words_add(&tight, word);
		free(word);
	}
	value = words_join(&tight, ",");
	if (strpbrk(value, " \t") != NULL) {
		own = xasprintf("mailbrake_%.*s_%s",
		    (int)strcspn(service, "/"), service, name);
		for (c = own; *c != '\0'; c++) {
			if (!isalnum((unsigned char)*c))
				*c = '_';
		}
		free(value);
		value = words_join(words, ", ");
		change(p, CHANGE_MAIN, NULL, own, value, "a value with blanks "
		    "for %s, which cannot stand in master.cf", service);
		free(value);
		value = xasprintf("$%s", own);
		free(own);
	}
	change(p, CHANGE_OVERRIDE, service, name, value, "%s", why);
	free(value);
	wiring_words_free(&tight);
}

static void
main_words(struct planner *p, const char *name,
    const struct wiring_words *words, const char *why)
{
	char *value = words_join(words, ", ");

	change(p, CHANGE_MAIN, NULL, name, value, "%s", why);
	free(value);
}

/* A service's list as it is written, with the parameters that an earlier
 * setup has moved to main.cf put in. */
static void
raw_words(const struct planner *p, const char *service, const char *name,
    struct wiring_words *out)
{
	const char *v = service != NULL ? wiring_override(p->raw, service,
	    name) : NULL;

	if (v == NULL)
		v = wiring_main(p->raw, name);
	if (v != NULL && strncmp(v, "$mailbrake_", 11) == 0 &&
	    wiring_main(p->raw, v + 1) != NULL)
		v = wiring_main(p->raw, v + 1);
	wiring_split(v != NULL ? v : "", out);
}

static const char *
is_value(const struct planner *p, const char *service, const char *name)
{
	const char *v = service != NULL ? wiring_value(p->is, service, name) :
	    wiring_main(p->is, name);

	return v != NULL ? v : "";
}

/*
 * How Postfix writes the endpoint: relative to queue_directory where that
 * can be, which is right in a chroot and outside.  NULL if one of those who
 * ask is in a chroot that the socket is outside of.  The caller frees it.
 */
static char *
socket_for(const struct planner *p, const struct endpoint *e, bool chroot)
{
	const char *queue = is_value(p, NULL, "queue_directory");
	size_t len = strlen(queue);
	char text[ENDPOINT_TEXT_MAX];

	if (e->kind == ENDPOINT_UNIX && strncmp(e->path, queue, len) == 0 &&
	    e->path[len] == '/')
		return xasprintf("unix:%s", e->path + len + 1);
	if (e->kind == ENDPOINT_UNIX && chroot)
		return NULL;
	return xstrdup(endpoint_text(e, text));
}

static void
block_chroot(struct planner *p, const char *who, const char *setting,
    const struct endpoint *e, const char *file)
{
	block(p, "%s runs in a chroot and could not see listen.%s = "
	    "\"unix:%s\". Write %s = \"unix:%s/mailbrake/%s\" in "
	    "mailbrake.conf, and once: install -d -o mailbrake -g postfix "
	    "-m 2750 %s/mailbrake", who, setting, e->path, setting,
	    is_value(p, NULL, "queue_directory"), file,
	    is_value(p, NULL, "queue_directory"));
}

static bool
chrooted(const struct planner *p, const char *service)
{
	const struct wiring_service *s = wiring_service(p->is, service);

	return s != NULL && wiring_is_chrooted(p->is, s);
}

/* --- the gate ---------------------------------------------------------- */

static bool
gate_is_good(const struct planner *p, const char *service,
    const char *egress)
{
	const struct wiring_want *w = p->want;
	const char *list = is_value(p, service, POLICY_MAPS), *file;
	struct wiring_gate g;

	if (!wiring_find_gate(list, &g) || g.index > 0 ||
	    strcmp(g.egress, egress) != 0)
		return false;
	if (p->ask->gate != WIRING_GATE_NONE && p->ask->gate != g.form)
		return false;
	if (g.form == WIRING_GATE_SOCKETMAP)
		return wiring_reaches(p->is, service != NULL ?
		    wiring_service(p->is, service) : NULL, g.where,
		    &w->socketmap);
	file = w->gate_file != NULL ? strchr(w->gate_file, '/') : NULL;
	return file != NULL && strchr(g.where, '/') != NULL &&
	    strcmp(strchr(g.where, '/'), file) == 0;
}

/* False, and it has been said, where there cannot be one. */
static bool
gate_is_possible(struct planner *p, const char *service)
{
	const char *site = is_value(p, service, "smtp_tls_per_site");

	if (*site != '\0') {
		block(p, "smtp_tls_per_site = %s: Postfix no longer looks at "
		    "it once smtp_tls_policy_maps is set, which the gate "
		    "needs. Make it a policy table first (TLS_README, "
		    "\"smtp_tls_policy_maps\")", site);
		return false;
	}
	if (p->ask->gate != WIRING_GATE_SOCKETMAP) {
		if (p->want->gate_file != NULL &&
		    p->want->gate_file[0] != '\0')
			return true;
		block(p, "mailbrake.conf has no gate_file. Write gate_file = "
		    "\"/var/lib/mailbrake/gate\", or use --gate socketmap");
		return false;
	}
	if (p->want->socketmap.kind == ENDPOINT_NONE) {
		block(p, "--gate socketmap needs listen.socketmap in "
		    "mailbrake.conf");
		return false;
	}
	return p->map != NULL;
}

static char *
gate_word(const struct planner *p, const char *egress, bool tight)
{
	const char *file = p->want->gate_file;

	if (p->ask->gate == WIRING_GATE_SOCKETMAP)
		return xasprintf("socketmap:%s:gate-%s", p->map, egress);
	return xasprintf("pipemap:{static:%s,%s%s%s}", egress,
	    tight ? "" : " ", file[0] == '/' ? "hash:" : "", file);
}

/* The gate first, then what the site has of its own. */
static void
gate_words(const struct planner *p, const char *service, const char *egress,
    bool tight, struct wiring_words *out)
{
	struct wiring_words site;
	struct wiring_gate g = { 0 };
	char *word = gate_word(p, egress, tight);
	size_t i;

	*out = (struct wiring_words){ 0 };
	words_add(out, word);
	free(word);
	raw_words(p, service, POLICY_MAPS, &site);
	for (i = 0; i < site.count; i++) {
		if (!wiring_word_is_gate(site.v[i], &g))
			words_add(out, site.v[i]);
	}
	wiring_words_free(&site);
}

static void
plan_gate(struct planner *p, const char *service, const char *egress)
{
	struct wiring_words words;
	const char *form = p->ask->gate == WIRING_GATE_SOCKETMAP ?
	    "mailbraked" : "the gate file";
	char *why;

	if (gate_is_good(p, service, egress) ||
	    !gate_is_possible(p, service))
		return;
	gate_words(p, service, egress, service != NULL, &words);
	if (words.count > 1)
		why = xasprintf("%s asks %s before each delivery, then your "
		    "own TLS policy", service != NULL ? service : "smtp(8)",
		    form);
	else
		why = xasprintf("%s asks %s before each delivery", service !=
		    NULL ? service : "smtp(8)", form);
	if (service != NULL)
		override_words(p, service, POLICY_MAPS, &words, why);
	else
		main_words(p, POLICY_MAPS, &words, why);
	free(why);
	wiring_words_free(&words);
}

/* service NULL: in main.cf. */
static void
plan_cache(struct planner *p, const char *service)
{
	static const struct {
		const char	*name, *good;
	} rows[] = {
		{ "smtp_connection_cache_on_demand", "no" },
		{ "smtp_connection_cache_destinations", "" },
	};
	enum change_kind kind = service != NULL ? CHANGE_OVERRIDE :
	    CHANGE_MAIN;
	size_t i;

	for (i = 0; i < 2; i++) {
		if (!text_same(is_value(p, service, rows[i].name),
		    rows[i].good))
			change(p, kind, service, rows[i].name, rows[i].good,
			    "an open connection would go on past the gate");
	}
}

/* --- transports -------------------------------------------------------- */

static void
plan_override(struct planner *p, const char *service, const char *name,
    const char *good, const char *why)
{
	if (strcmp(is_value(p, service, name), good) != 0)
		change(p, CHANGE_OVERRIDE, service, name, good, "%s", why);
}

/* The one address of a family; NULL if there is none, or several. */
static const struct addr *
only_address(const struct egress *e, enum addr_family family, size_t *count)
{
	const struct addr *found = NULL;
	size_t i;

	*count = 0;
	for (i = 0; i < e->addr_count; i++) {
		if (e->addrs[i].family == family && (*count)++ == 0)
			found = &e->addrs[i];
	}
	return *count == 1 ? found : NULL;
}

/* True if the service has, or will have, an address of its own. */
static bool
plan_family(struct planner *p, const struct egress *e, const char *service,
    const char *name, enum addr_family family, size_t *count)
{
	const struct addr *a = only_address(e, family, count);
	char text[ADDR_TEXT_MAX];
	struct addr bound;
	size_t i;

	if (addr_parse(is_value(p, service, name), &bound)) {
		for (i = 0; i < e->addr_count; i++) {
			if (addr_cmp(&e->addrs[i], &bound) == 0)
				return true;
		}
		if (addr_scope(&bound) != ADDR_GLOBAL)
			return true;
	}
	if (*count > 1)
		note(p, "%s has several addresses of one kind, and one "
		    "transport sends from one: give each address an egress "
		    "and transport of its own, or set %s of %s by hand",
		    e->name, name, service);
	if (a == NULL)
		return false;
	if (p->ask->is_local != NULL && !p->ask->is_local(a)) {
		block(p, "%s of %s is not an address of this host. Behind NAT "
		    "set the inside one yourself: postconf -P "
		    "'%s/%s=ADDRESS'", addr_text(a, text), e->name, service,
		    name);
		return false;
	}
	change(p, CHANGE_OVERRIDE, service, name, addr_text(a, text),
	    "%s sends from its own address", e->name);
	return true;
}

static void
plan_address(struct planner *p, const struct egress *e, const char *service)
{
	size_t v4, v6;
	bool bound = plan_family(p, e, service, "smtp_bind_address",
	    ADDR_IPV4, &v4);
	bool bound6 = plan_family(p, e, service, "smtp_bind_address6",
	    ADDR_IPV6, &v6);

	if (v6 == 0 && !bound6 && v4 > 0 && strcmp(is_value(p, service,
	    "inet_protocols"), "ipv4") != 0) {
		/* With IPv6 addresses there, smtp(8) would not even start. */
		if (strchr(is_value(p, service, "inet_interfaces"), ':') ==
		    NULL)
			change(p, CHANGE_OVERRIDE, service, "inet_protocols",
			    "ipv4", "%s has no IPv6 address to send from",
			    e->name);
		else
			note(p, "%s has no IPv6 address, and inet_interfaces "
			    "names some, so that %s cannot be kept to IPv4: "
			    "give %s one in mailbrake.conf", e->name, service,
			    e->name);
	}
	if (!bound && !bound6)
		return;
	if (wiring_main(p->is, "smtp_bind_address_enforce") != NULL)
		plan_override(p, service, "smtp_bind_address_enforce", "yes",
		    "wait rather than send from another address");
	else
		note(p, "this Postfix has no smtp_bind_address_enforce "
		    "(3.7): while an address is gone from this host, mail "
		    "leaves by the default one");
}

static void
plan_transport(struct planner *p, const struct egress *e, const char *name)
{
	const struct wiring_service *s, *like;
	char key[WIRING_SERVICE_MAX], *line, *log;

	snprintf(key, sizeof(key), "%s/unix", name);
	s = wiring_service(p->is, key);
	if (s != NULL && !wiring_is_smtp(s)) {
		block(p, "transport %s of %s is %s(8), not smtp(8). Name the "
		    "one that sends to other hosts in mailbrake.conf", name,
		    e->name, s->command);
		return;
	}
	if (s == NULL) {
		like = wiring_service(p->is, "smtp/unix");
		line = xasprintf("%s unix - - %s - - smtp", name,
		    like != NULL ? like->chroot : "-");
		change(p, CHANGE_SERVICE, key, NULL, line, "the transport of "
		    "%s", e->name);
		free(line);
	}
	if (p->want->policy->egress_count > 1) {
		if (e->nexthop == NULL)
			plan_address(p, e, key);
		if (e->nexthop == NULL && e->hostname != NULL && !text_same(is_value(p, key,
		    "smtp_helo_name"), e->hostname))
			change(p, CHANGE_OVERRIDE, key, "smtp_helo_name",
			    e->hostname, "%s greets by its own name",
			    e->name);
		if (wiring_override(p->is, key, "syslog_name") == NULL) {
			log = xasprintf("postfix/%s", e->transport_count > 1 ?
			    name : e->name);
			change(p, CHANGE_OVERRIDE, key, "syslog_name", log,
			    "the log shows who sent");
			free(log);
		}
	}
	if (!p->in_main) {
		plan_gate(p, key, e->name);
		plan_cache(p, key);
	}
}

/* With one egress, and no service that sends from anywhere else, main.cf
 * does it for all of them, also for those that come later. */
static bool
one_for_all(const struct planner *p)
{
	const struct wiring_service *s;
	size_t i;

	if (p->want->policy->egress_count != 1)
		return false;
	for (i = 0; i < p->is->service_count; i++) {
		s = &p->is->services[i];
		if (wiring_is_smtp(s) &&
		    wiring_owner(p->is, p->want, s) != 0)
			return false;
	}
	return true;
}

static void
plan_services(struct planner *p)
{
	const struct policy *policy = p->want->policy;
	const struct wiring_service *s;
	size_t i, k;
	int owner;

	p->in_main = one_for_all(p);
	for (i = 0; i < policy->egress_count; i++) {
		for (k = 0; k < policy->egress[i].transport_count; k++)
			plan_transport(p, &policy->egress[i],
			    policy->egress[i].transports[k]);
	}
	if (p->in_main) {
		plan_gate(p, NULL, policy->egress[0].name);
		plan_cache(p, NULL);
	}
	for (i = 0; i < p->is->service_count; i++) {
		bool listed = false;

		s = &p->is->services[i];
		if (!wiring_is_smtp(s))
			continue;
		owner = wiring_owner(p->is, p->want, s);
		for (k = 0; owner >= 0 &&
		    k < policy->egress[owner].transport_count; k++)
			listed = listed || strcmp(s->name,
			    policy->egress[owner].transports[k]) == 0;
		if (owner == -2)
			note(p, "%s sends from the host's default address, "
			    "which no egress of mailbrake.conf has: it gets "
			    "no gate. Name it as a transport of its egress, "
			    "or give it an smtp_bind_address", s->name);
		if (owner < 0)
			continue;
		if (!p->in_main) {
			if (listed)
				continue;
			plan_gate(p, s->key, policy->egress[owner].name);
			plan_cache(p, s->key);
			continue;
		}
		/* What a service has of its own hides main.cf. */
		if (wiring_override(p->is, s->key, POLICY_MAPS) != NULL)
			plan_gate(p, s->key, policy->egress[owner].name);
		if (wiring_override(p->is, s->key,
		    "smtp_connection_cache_on_demand") != NULL ||
		    wiring_override(p->is, s->key,
		    "smtp_connection_cache_destinations") != NULL)
			plan_cache(p, s->key);
	}
}

/* --- routes ------------------------------------------------------------ */

/* "filter" behind each table of the site, or "route" where there is none. */
static void
plan_route(struct planner *p)
{
	struct wiring_words site, words = { 0 }, inner;
	char *word;
	const char *map;
	size_t i;

	raw_words(p, NULL, ROUTE_MAPS, &site);
	for (i = 0; i < site.count; i++) {
		if (site.v[i][0] == '$') {
			/* May stand for several tables. */
			wiring_words_free(&site);
			wiring_split(is_value(p, NULL, ROUTE_MAPS), &site);
			break;
		}
	}
	for (i = 0; i < site.count; i++) {
		map = wiring_word_map(site.v[i]);
		if (map != NULL && strcmp(map, "route") == 0)
			continue;
		if (strncmp(site.v[i], "pipemap:{", 9) == 0) {
			word = xstrdup(site.v[i] + 9);
			if (*word != '\0')
				word[strlen(word) - 1] = '\0';
			wiring_split(word, &inner);
			free(word);
			map = inner.count > 0 ?
			    wiring_word_map(inner.v[inner.count - 1]) : NULL;
			if (map != NULL && strcmp(map, "filter") == 0)
				free(inner.v[--inner.count]);
		} else {
			wiring_split("", &inner);
			words_add(&inner, site.v[i]);
		}
		word = xasprintf("socketmap:%s:filter", p->map);
		words_add(&inner, word);
		free(word);
		word = words_join(&inner, ", ");
		wiring_words_free(&inner);
		{
			char *pipe = xasprintf("pipemap:{%s}", word);

			words_add(&words, pipe);
			free(pipe);
		}
		free(word);
	}
	if (words.count == 0) {
		word = xasprintf("socketmap:%s:route", p->map);
		words_add(&words, word);
		free(word);
		main_words(p, ROUTE_MAPS, &words, "mail of a stopped egress "
		    "goes by another of its pool");
	} else {
		main_words(p, ROUTE_MAPS, &words, "your own table decides, "
		    "and mailbraked changes that only for what is stopped");
		note(p, "senders that are not in your own table of %s go by "
		    "default_transport: when its egress stops they wait "
		    "rather than go another way", ROUTE_MAPS);
	}
	wiring_words_free(&site);
	wiring_words_free(&words);
}

static void
plan_rcptroute(struct planner *p)
{
	struct wiring_words site, words = { 0 };
	const char *map;
	char *word;
	size_t i;

	word = xasprintf("socketmap:%s:rcptroute", p->map);
	words_add(&words, word);
	free(word);
	raw_words(p, NULL, "transport_maps", &site);
	for (i = 0; i < site.count; i++) {
		map = wiring_word_map(site.v[i]);
		if (map == NULL || strcmp(map, "rcptroute") != 0)
			words_add(&words, site.v[i]);
	}
	main_words(p, "transport_maps", &words, "routes by recipient, then "
	    "your own");
	wiring_words_free(&site);
	wiring_words_free(&words);
}

static bool
is_bad(const struct wiring_findings *f, enum wiring_point point)
{
	size_t i;

	for (i = 0; i < f->count; i++) {
		if (f->v[i].point == point &&
		    f->v[i].state != WIRING_OK &&
		    f->v[i].state != WIRING_UNUSED)
			return true;
	}
	return false;
}

static void
plan_routes(struct planner *p, const struct wiring_findings *found)
{
	const struct wiring_service *like;
	char *line;
	bool route = is_bad(found, WIRING_ROUTE);
	bool rcptroute = is_bad(found, WIRING_RCPTROUTE);

	if ((route || rcptroute) &&
	    p->want->socketmap.kind == ENDPOINT_NONE) {
		block(p, "pools and routes of mailbrake.conf need "
		    "listen.socketmap = \"unix:%s/mailbrake/map.sock\": "
		    "without it mail of a stopped egress waits",
		    is_value(p, NULL, "queue_directory"));
		return;
	}
	if ((route || rcptroute) && p->map == NULL)
		return;			/* has been said */
	if (wiring_override(p->is, "rewrite/unix", ROUTE_MAPS) != NULL ||
	    wiring_override(p->is, "rewrite/unix", "transport_maps") != NULL) {
		if (route || rcptroute)
			block(p, "the service rewrite of master.cf has tables "
			    "of its own: put the map in by hand, see "
			    "mailbraked(8)");
		return;
	}
	if (is_bad(found, WIRING_RETRY) &&
	    wiring_service(p->is, "retry/unix") == NULL) {
		like = wiring_service(p->is, "error/unix");
		line = xasprintf("retry unix - - %s - - error",
		    like != NULL ? like->chroot : "-");
		change(p, CHANGE_SERVICE, "retry/unix", NULL, line,
		    "where the route sends what has to wait");
		free(line);
	}
	if (route)
		plan_route(p);
	if (rcptroute)
		plan_rcptroute(p);
}

/* --- submission -------------------------------------------------------- */

/* "accept" of "{ unix:x, default_action=accept }", "" for none. */
static bool
action_is(const char *word, const char *action)
{
	const char *at = strstr(word, "default_action");

	if (at == NULL)
		return false;
	at += strlen("default_action");
	at += strspn(at, " =");
	return strncasecmp(at, action, strlen(action)) == 0;
}

/* What a list of milters or restrictions has to be; service NULL: in
 * main.cf.  first: the word to put in front, before it another, "", that
 * belongs to it. */
static void
put_first(struct planner *p, const char *service, const char *name,
    const char *before, const char *first, const char *old, const char *why)
{
	struct wiring_words site, words = { 0 };
	size_t i;

	if (before != NULL)
		words_add(&words, before);
	words_add(&words, first);
	raw_words(p, service, name, &site);
	for (i = 0; i < site.count; i++) {
		if (old != NULL && strcmp(site.v[i], old) == 0)
			continue;
		if (before != NULL && old != NULL && i + 1 < site.count &&
		    strcmp(site.v[i + 1], old) == 0)
			continue;
		words_add(&words, site.v[i]);
	}
	if (service != NULL)
		override_words(p, service, name, &words, why);
	else
		main_words(p, name, &words, why);
	wiring_words_free(&site);
	wiring_words_free(&words);
}

/* In main.cf and in each of the services that have a value of their own. */
static void
for_list(struct planner *p, const char *name, bool of_smtpd,
    void (*one)(struct planner *, const char *service, const char *name))
{
	const struct wiring_service *s;
	const char *own;
	size_t i;

	one(p, NULL, name);
	for (i = 0; i < p->is->service_count; i++) {
		s = &p->is->services[i];
		if (of_smtpd != wiring_is_smtpd(s) || (!of_smtpd &&
		    strcmp(s->command, "cleanup") != 0))
			continue;
		own = wiring_override(p->is, s->key, name);
		/* Empty: what comes back from a content filter. */
		if (own != NULL && *own != '\0')
			one(p, s->key, name);
	}
}

static bool
milter_in_chroot(const struct planner *p)
{
	size_t i;

	for (i = 0; i < p->is->service_count; i++) {
		const struct wiring_service *s = &p->is->services[i];

		if ((wiring_is_smtpd(s) || strcmp(s->command, "cleanup") == 0)
		    && wiring_is_chrooted(p->is, s))
			return true;
	}
	return false;
}

static void
plan_milter(struct planner *p, const char *service, const char *name)
{
	const struct endpoint *e = &p->want->milter;
	bool local = strcmp(name, "non_smtpd_milters") == 0;
	/* Postfix would try mail of sendmail(1) again and again. */
	const char *action = p->ask->fail_closed && !local ? "tempfail" :
	    "accept";
	char *address = socket_for(p, e, milter_in_chroot(p)), *word, *old;
	size_t before;

	old = wiring_find_milter(p->is, service != NULL ?
	    wiring_service(p->is, service) : NULL, is_value(p, service,
	    name), e, &before);
	if (address == NULL) {
		block_chroot(p, "smtpd", "milter", e, "milter.sock");
	} else if (old == NULL || ((p->ask->fail_open ||
	    p->ask->fail_closed) && !action_is(old, action))) {
		word = xasprintf("{ %s, connect_timeout=3s, "
		    "command_timeout=5s, content_timeout=10s, "
		    "default_action=%s }", address, action);
		put_first(p, service, name, NULL, word, old, local ?
		    "the milter holds mail of this host's programs" :
		    "the milter tells senders why their mail has to wait");
		free(word);
	}
	free(old);
	free(address);
}

static void
plan_policy(struct planner *p, const char *service, const char *name)
{
	const struct endpoint *e = &p->want->policy_service;
	char *address = socket_for(p, e, milter_in_chroot(p)), *word, *old;
	bool permit, closed = p->ask->fail_closed;

	old = wiring_find_policy(p->is, service != NULL ?
	    wiring_service(p->is, service) : NULL, is_value(p, service,
	    name), e, &permit);
	if (address == NULL) {
		block_chroot(p, "smtpd", "policy", e, "policy.sock");
	} else if (old == NULL || permit || ((p->ask->fail_open ||
	    closed) && !action_is(old, closed ? "451" : "DUNNO"))) {
		word = xasprintf("{ %s, timeout=5s, try_limit=1, %s }",
		    address, closed ?
		    "{ default_action = 451 4.7.1 Try again later }" :
		    "default_action=DUNNO");
		put_first(p, service, name, "check_policy_service", word,
		    old, "the policy service is asked before anything "
		    "permits");
		free(word);
	}
	free(old);
	free(address);
}

/* --- all of it --------------------------------------------------------- */

void
plan_make(const struct wiring *is, const struct wiring *raw,
    const struct wiring_want *want, const struct plan_ask *ask,
    struct plan *out)
{
	struct planner p = { is, raw, want, ask, out, NULL, false };
	struct wiring_findings found;
	bool routed, chroot;
	char *map = NULL;
	size_t i;

	*out = (struct plan){ 0 };
	wiring_check(is, want, &found);
	routed = is_bad(&found, WIRING_ROUTE) ||
	    is_bad(&found, WIRING_RCPTROUTE);
	if (want->socketmap.kind != ENDPOINT_NONE && (routed ||
	    ask->gate == WIRING_GATE_SOCKETMAP)) {
		chroot = chrooted(&p, "rewrite/unix");
		for (i = 0; i < is->service_count; i++)
			chroot = chroot || (wiring_is_smtp(&is->services[i]) &&
			    wiring_is_chrooted(is, &is->services[i]));
		map = socket_for(&p, &want->socketmap, chroot);
		if (map == NULL)
			block_chroot(&p, "Postfix", "socketmap",
			    &want->socketmap, "map.sock");
	}
	p.map = map;
	plan_services(&p);
	plan_routes(&p, &found);
	if (want->milter.kind != ENDPOINT_NONE) {
		for_list(&p, "smtpd_milters", true, plan_milter);
		for_list(&p, "non_smtpd_milters", false, plan_milter);
	} else if (want->policy_service.kind != ENDPOINT_NONE) {
		for_list(&p, "smtpd_recipient_restrictions", true,
		    plan_policy);
	}
	free(map);
	wiring_findings_free(&found);
}
