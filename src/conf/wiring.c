/*
 * wiring.c - what Postfix' own configuration says about mailbrake
 *
 * Values are read as Postfix reads them: lists are split at commas and white
 * space outside of braces, "{ name, option=value }" is a name with options.
 */
#include "conf/wiring.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"

#define SPACE		" \t\r\n"
#define SEPARATORS	", \t\r\n"

/* --- text of postconf -> struct ---------------------------------------- */

static char *
copy(const char *from, size_t len)
{
	char *s = xcalloc(len + 1, 1);

	memcpy(s, from, len);
	return s;
}

/* The next line, and *text moves past it; NULL at the end. */
static char *
next_line(const char **text)
{
	const char *start = *text, *end;

	if (*start == '\0')
		return NULL;
	end = strchr(start, '\n');
	*text = end != NULL ? end + 1 : start + strlen(start);
	return copy(start, end != NULL ? (size_t)(end - start) :
	    strlen(start));
}

/* "smtp inet n - y - - smtpd -o ..." */
static void
add_service(struct wiring *w, char *line)
{
	struct wiring_service s = { 0 };
	char *word, *rest = line;
	int column;

	for (column = 0; column < 8; column++) {
		if ((word = strtok_r(rest, SPACE, &rest)) == NULL)
			break;
		switch (column) {
		case 0:
			s.name = xstrdup(word);
			break;
		case 1:
			s.type = xstrdup(word);
			break;
		case 4:
			s.chroot = xstrdup(word);
			break;
		case 7:
			s.command = xstrdup(word);
			break;
		}
	}
	if (s.command == NULL) {
		free(s.name);
		free(s.type);
		free(s.chroot);
		return;
	}
	s.key = xasprintf("%s/%s", s.name, s.type);
	w->services = xreallocarray(w->services, w->service_count + 1,
	    sizeof(*w->services));
	w->services[w->service_count++] = s;
}

static void
add_setting(struct wiring_setting **v, size_t *count, char *line,
    bool of_service)
{
	struct wiring_setting s = { 0 };
	char *equals = strchr(line, '='), *name = line, *slash, *end;

	if (equals == NULL)
		return;
	for (end = equals; end > line && isspace((unsigned char)end[-1]); )
		end--;
	*end = '\0';
	if (of_service) {
		/* The name of an inet service may be "[::1]:25", but never
		 * has a parameter a slash. */
		if ((slash = strrchr(line, '/')) == NULL)
			return;
		*slash = '\0';
		s.service = xstrdup(line);
		name = slash + 1;
	}
	s.name = xstrdup(name);
	for (equals++; isspace((unsigned char)*equals); )
		equals++;
	s.value = xstrdup(equals);
	for (end = s.value + strlen(s.value);
	    end > s.value && isspace((unsigned char)end[-1]); )
		*--end = '\0';
	*v = xreallocarray(*v, *count + 1, sizeof(**v));
	(*v)[(*count)++] = s;
}

struct wiring *
wiring_parse(const char *services, const char *overrides,
    const char *settings)
{
	struct wiring *w = xcalloc(1, sizeof(*w));
	char *line;

	while ((line = next_line(&services)) != NULL) {
		add_service(w, line);
		free(line);
	}
	while ((line = next_line(&overrides)) != NULL) {
		add_setting(&w->overrides, &w->override_count, line, true);
		free(line);
	}
	while ((line = next_line(&settings)) != NULL) {
		add_setting(&w->settings, &w->setting_count, line, false);
		free(line);
	}
	return w;
}

static void
free_settings(struct wiring_setting *v, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		free(v[i].service);
		free(v[i].name);
		free(v[i].value);
	}
	free(v);
}

void
wiring_free(struct wiring *w)
{
	size_t i;

	if (w == NULL)
		return;
	for (i = 0; i < w->service_count; i++) {
		free(w->services[i].name);
		free(w->services[i].type);
		free(w->services[i].key);
		free(w->services[i].chroot);
		free(w->services[i].command);
	}
	free(w->services);
	free_settings(w->overrides, w->override_count);
	free_settings(w->settings, w->setting_count);
	free(w);
}

const struct wiring_service *
wiring_service(const struct wiring *w, const char *key)
{
	size_t i;

	for (i = 0; i < w->service_count; i++) {
		if (strcmp(w->services[i].key, key) == 0)
			return &w->services[i];
	}
	return NULL;
}

const char *
wiring_main(const struct wiring *w, const char *name)
{
	size_t i;

	for (i = 0; i < w->setting_count; i++) {
		if (strcmp(w->settings[i].name, name) == 0)
			return w->settings[i].value;
	}
	return NULL;
}

/* Of several -o for one parameter, the last counts. */
const char *
wiring_override(const struct wiring *w, const char *key, const char *name)
{
	size_t i;

	for (i = w->override_count; i-- > 0; ) {
		if (strcmp(w->overrides[i].service, key) == 0 &&
		    strcmp(w->overrides[i].name, name) == 0)
			return w->overrides[i].value;
	}
	return NULL;
}

const char *
wiring_value(const struct wiring *w, const char *key, const char *name)
{
	const char *own = wiring_override(w, key, name);

	return own != NULL ? own : wiring_main(w, name);
}

/* "" for what is not there, or not known to this Postfix. */
static const char *
value(const struct wiring *w, const struct wiring_service *s,
    const char *name)
{
	const char *v = s != NULL ? wiring_value(w, s->key, name) :
	    wiring_main(w, name);

	return v != NULL ? v : "";
}

static bool
is_yes(const char *value)
{
	return strcasecmp(value, "yes") == 0;
}

bool
wiring_is_smtp(const struct wiring_service *s)
{
	return strcmp(s->type, "unix") == 0 && strcmp(s->command, "smtp") == 0;
}

bool
wiring_is_smtpd(const struct wiring_service *s)
{
	return strcmp(s->command, "smtpd") == 0;
}

bool
wiring_is_chrooted(const struct wiring *w, const struct wiring_service *s)
{
	if (s->chroot[0] != '-')
		return s->chroot[0] == 'y';
	return atof(value(w, NULL, "compatibility_level")) < 1;
}

void
wiring_split(const char *value, struct wiring_words *out)
{
	const char *p = value, *start;
	int depth;

	*out = (struct wiring_words){ 0 };
	for (;;) {
		p += strspn(p, SEPARATORS);
		if (*p == '\0')
			return;
		for (start = p, depth = 0; *p != '\0' &&
		    (depth > 0 || strchr(SEPARATORS, *p) == NULL); p++) {
			if (*p == '{')
				depth++;
			else if (*p == '}' && depth > 0)
				depth--;
		}
		out->v = xreallocarray(out->v, out->count + 1,
		    sizeof(*out->v));
		out->v[out->count++] = copy(start, (size_t)(p - start));
	}
}

void
wiring_words_free(struct wiring_words *words)
{
	size_t i;

	for (i = 0; i < words->count; i++)
		free(words->v[i]);
	free(words->v);
	*words = (struct wiring_words){ 0 };
}

/* What stands in "{ ... }", or the word itself; the caller frees it. */
static char *
unbrace(const char *word)
{
	size_t len = strlen(word);

	if (len < 2 || word[0] != '{' || word[len - 1] != '}')
		return xstrdup(word);
	for (word++, len -= 2; len > 0 && isspace((unsigned char)*word); len--)
		word++;
	while (len > 0 && isspace((unsigned char)word[len - 1]))
		len--;
	return copy(word, len);
}

/* --- sockets ----------------------------------------------------------- */

/* "127.0.0.1:10045", "[::1]:10045", "localhost:10045" */
static bool
same_inet(const char *address, const struct endpoint *e)
{
	struct endpoint other;
	char *text;
	bool same;

	if (strncmp(address, "localhost:", 10) == 0)
		text = xasprintf("inet:127.0.0.1:%s", address + 10);
	else
		text = xasprintf("inet:%s", address);
	same = endpoint_parse(text, &other) == NULL &&
	    addr_cmp(&other.addr, &e->addr) == 0 && other.port == e->port;
	free(text);
	return same;
}

/* Doubled slashes count once. */
static bool
same_path(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		if (*a == '/') {
			a += strspn(a, "/");
			b += strspn(b, "/");
		} else {
			a++;
			b++;
		}
	}
	return *a == *b;
}

/* As if the service were in a chroot or not. */
static bool
reaches(const struct wiring *w, bool chrooted, const char *address,
    const struct endpoint *e)
{
	const char *queue = value(w, NULL, "queue_directory");
	char *path;
	bool same;

	if (e->kind == ENDPOINT_INET)
		return strncmp(address, "inet:", 5) == 0 &&
		    same_inet(address + 5, e);
	if (e->kind != ENDPOINT_UNIX)
		return false;
	if (strncmp(address, "unix:", 5) == 0)
		address += 5;
	else if (strncmp(address, "local:", 6) == 0)
		address += 6;
	else
		return false;
	path = address[0] != '/' || chrooted ?
	    xasprintf("%s/%s", queue, address) : xstrdup(address);
	same = same_path(path, e->path);
	free(path);
	return same;
}

bool
wiring_reaches(const struct wiring *w, const struct wiring_service *s,
    const char *address, const struct endpoint *e)
{
	return reaches(w, s != NULL && wiring_is_chrooted(w, s), address, e);
}

/* The service means this endpoint, but its chroot keeps it away. */
static bool
shut_in(const struct wiring *w, const struct wiring_service *s,
    const char *address, const struct endpoint *e)
{
	return s != NULL && !wiring_reaches(w, s, address, e) &&
	    reaches(w, !wiring_is_chrooted(w, s), address, e);
}

/* "{ unix:x, timeout=3s }" is "unix:x". */
static char *
address_of(const char *word)
{
	struct wiring_words words;
	char *inner = unbrace(word), *address;

	wiring_split(inner, &words);
	address = xstrdup(words.count > 0 ? words.v[0] : "");
	wiring_words_free(&words);
	free(inner);
	return address;
}

char *
wiring_find_milter(const struct wiring *w, const struct wiring_service *s,
    const char *list, const struct endpoint *e, size_t *before)
{
	struct wiring_words words;
	char *found = NULL, *address;
	size_t i;

	wiring_split(list, &words);
	for (i = 0; i < words.count && found == NULL; i++) {
		address = address_of(words.v[i]);
		if (wiring_reaches(w, s, address, e) ||
		    shut_in(w, s, address, e)) {
			found = xstrdup(words.v[i]);
			*before = i;
		}
		free(address);
	}
	wiring_words_free(&words);
	return found;
}

char *
wiring_find_policy(const struct wiring *w, const struct wiring_service *s,
    const char *list, const struct endpoint *e, bool *permit)
{
	struct wiring_words words;
	char *found = NULL, *address;
	size_t i;

	*permit = false;
	wiring_split(list, &words);
	for (i = 0; i < words.count && found == NULL; i++) {
		if (strcasecmp(words.v[i], "check_policy_service") == 0 &&
		    i + 1 < words.count) {
			address = address_of(words.v[++i]);
			if (wiring_reaches(w, s, address, e) ||
			    shut_in(w, s, address, e))
				found = xstrdup(words.v[i]);
			free(address);
		} else if (strncasecmp(words.v[i], "permit", 6) == 0) {
			*permit = true;
		}
	}
	wiring_words_free(&words);
	return found;
}

/* --- the gate ---------------------------------------------------------- */

const char *
wiring_word_map(const char *word)
{
	const char *colon;

	if (strncmp(word, "socketmap:", 10) != 0 ||
	    (colon = strrchr(word, ':')) == word + 9)
		return NULL;
	return colon + 1;
}

/* Of "socketmap:ADDRESS:MAP". */
static char *
map_address(const char *word)
{
	const char *map = wiring_word_map(word);

	return copy(word + 10, (size_t)(map - word) - 11);
}

bool
wiring_word_is_gate(const char *word, struct wiring_gate *out)
{
	struct wiring_gate g = { 0 };
	struct wiring_words words = { 0 };
	const char *map = wiring_word_map(word);
	char *inner;

	if (map != NULL && strncmp(map, "gate-", 5) == 0) {
		g.form = WIRING_GATE_SOCKETMAP;
		text_copy(g.egress, sizeof(g.egress), map + 5);
		inner = map_address(word);
		text_copy(g.where, sizeof(g.where), inner);
		free(inner);
	} else if (strncmp(word, "pipemap:{", 9) == 0) {
		inner = unbrace(word + 8);
		wiring_split(inner, &words);
		free(inner);
		if (words.count == 2 && strncmp(words.v[0], "static:", 7) == 0 &&
		    strchr(words.v[1], '/') != NULL &&
		    strncmp(words.v[1], "socketmap:", 10) != 0) {
			g.form = WIRING_GATE_FILE;
			inner = unbrace(words.v[0] + 7);
			text_copy(g.egress, sizeof(g.egress), inner);
			free(inner);
			text_copy(g.where, sizeof(g.where), words.v[1]);
		}
		wiring_words_free(&words);
	}
	if (g.form == WIRING_GATE_NONE)
		return false;
	g.index = out->index;
	*out = g;
	return true;
}

bool
wiring_find_gate(const char *list, struct wiring_gate *out)
{
	struct wiring_words words;
	bool found = false;
	size_t i;

	*out = (struct wiring_gate){ 0 };
	wiring_split(list, &words);
	for (i = 0; i < words.count && !found; i++) {
		out->index = i;
		found = wiring_word_is_gate(words.v[i], out);
	}
	wiring_words_free(&words);
	return found;
}

/* --- findings ---------------------------------------------------------- */

const char *
wiring_point_name(enum wiring_point point)
{
	static const char *const names[] = {
		[WIRING_TRANSPORT] = "transport",
		[WIRING_GATE] = "gate",
		[WIRING_CACHE] = "cache",
		[WIRING_BIND] = "address",
		[WIRING_HELO] = "helo",
		[WIRING_OTHERS] = "others",
		[WIRING_ROUTE] = "route",
		[WIRING_RCPTROUTE] = "rcptroute",
		[WIRING_RETRY] = "retry",
		[WIRING_MILTER] = "milter",
		[WIRING_MILTER_LOCAL] = "milter-local",
		[WIRING_POLICY] = "policy",
	};

	_Static_assert(sizeof(names) / sizeof(names[0]) == WIRING_POINTS,
	    "a point has no name");
	return names[point];
}

const char *
wiring_state_name(enum wiring_state state)
{
	static const char *const names[] = {
		[WIRING_OK] = "ok",
		[WIRING_UNUSED] = "unused",
		[WIRING_MISSING] = "missing",
		[WIRING_WRONG] = "wrong",
	};

	_Static_assert(sizeof(names) / sizeof(names[0]) == WIRING_STATES,
	    "a state has no name");
	return names[state];
}

/* One check at work. */
struct check {
	const struct wiring		*w;
	const struct wiring_want	*want;
	struct wiring_findings		*out;
	const char			*egress;	/* that it is about */
	const struct wiring_service	*service;
};

#define SETUP	"mailbrake setup postfix --apply"

static void
add(struct check *c, enum wiring_point point, enum wiring_state state,
    const char *mend, const char *fmt, ...)
    __attribute__((__format__(__printf__, 5, 6)));

static void
add(struct check *c, enum wiring_point point, enum wiring_state state,
    const char *mend, const char *fmt, ...)
{
	struct wiring_finding f = { .point = point, .state = state,
	    .egress = c->egress };
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	f.text = xstrdup(text);
	f.mend = xstrdup(mend);
	f.service = xstrdup(c->service != NULL ? c->service->key : NULL);
	c->out->v = xreallocarray(c->out->v, c->out->count + 1,
	    sizeof(*c->out->v));
	c->out->v[c->out->count++] = f;
	if (state == WIRING_MISSING || state == WIRING_WRONG)
		c->out->bad++;
}

void
wiring_findings_free(struct wiring_findings *f)
{
	size_t i;

	for (i = 0; i < f->count; i++) {
		free(f->v[i].service);
		free(f->v[i].text);
		free(f->v[i].mend);
	}
	free(f->v);
	*f = (struct wiring_findings){ 0 };
}

static bool
has_addr(const struct egress *e, const struct addr *a)
{
	size_t i;

	for (i = 0; i < e->addr_count; i++) {
		if (addr_cmp(&e->addrs[i], a) == 0)
			return true;
	}
	return false;
}

static int
egress_with(const struct policy *p, const struct addr *a)
{
	size_t i;

	for (i = 0; i < p->egress_count; i++) {
		if (has_addr(&p->egress[i], a))
			return (int)i;
	}
	return -1;
}

static int
egress_of_transport(const struct policy *p, const char *name)
{
	size_t i, k;

	for (i = 0; i < p->egress_count; i++) {
		for (k = 0; k < p->egress[i].transport_count; k++) {
			if (strcmp(p->egress[i].transports[k], name) == 0)
				return (int)i;
		}
	}
	return -1;
}

int
wiring_owner(const struct wiring *w, const struct wiring_want *want,
    const struct wiring_service *s)
{
	static const char *const binds[] = {
		"smtp_bind_address", "smtp_bind_address6"
	};
	const struct policy *p = want->policy;
	int owner = egress_of_transport(p, s->name);
	bool bound = false;
	struct addr a;
	size_t i;

	if (owner != -1)
		return owner;
	for (i = 0; i < 2; i++) {
		const char *text = value(w, s, binds[i]);

		if (*text == '\0')
			continue;
		if (!addr_parse(text, &a))
			return -2;
		bound = true;
		if ((owner = egress_with(p, &a)) != -1)
			return owner;
	}
	if (bound && p->egress_count == 1 && addr_scope(&a) != ADDR_GLOBAL)
		return 0;		/* the inside of the NAT */
	if (bound)
		return -1;
	for (i = 0; i < want->host_addr_count; i++) {
		owner = egress_with(p, &want->host_addrs[i]);
		if (owner != -1)
			return owner;
	}
	return p->egress_count == 1 ? 0 : -2;
}

static const char *
path_of(const char *table)
{
	const char *slash = strchr(table, '/');

	return slash != NULL ? slash : table;
}

static void
check_gate(struct check *c, enum wiring_point point, const char *name)
{
	const struct wiring_want *want = c->want;
	const char *list = value(c->w, c->service, "smtp_tls_policy_maps");
	const char *service = c->service->name;
	struct wiring_gate g;
	struct wiring_words words;

	if (!wiring_find_gate(list, &g)) {
		if (point == WIRING_OTHERS)
			add(c, point, WIRING_MISSING, SETUP, "%s sends from "
			    "the address of %s too, and does not ask its "
			    "gate: what goes by %s leaves in spite of a stop",
			    service, name, service);
		else
			add(c, point, WIRING_MISSING, SETUP, "%s does not "
			    "ask the gate of %s: queued mail leaves in spite "
			    "of a stop", service, name);
		return;
	}
	if (strcmp(g.egress, name) != 0) {
		add(c, point, WIRING_WRONG, SETUP, "%s asks the gate of %s, "
		    "but sends from the address of %s", service, g.egress,
		    name);
		return;
	}
	if (g.index > 0) {
		wiring_split(list, &words);
		add(c, point, WIRING_WRONG, SETUP, "%s asks %s before the "
		    "gate, and the first that answers decides: the gate has "
		    "to stand first in smtp_tls_policy_maps", service,
		    words.v[0]);
		wiring_words_free(&words);
		return;
	}
	if (g.form == WIRING_GATE_SOCKETMAP) {
		if (want->socketmap.kind == ENDPOINT_NONE)
			add(c, point, WIRING_WRONG, "set listen.socketmap in "
			    "mailbrake.conf, or " SETUP " --gate file",
			    "%s asks the gate by a socketmap, which "
			    "mailbraked does not offer: its mail waits",
			    service);
		else if (wiring_reaches(c->w, c->service, g.where,
		    &want->socketmap))
			add(c, point, WIRING_OK, NULL, "%s asks the gate of "
			    "%s by the socketmap", service, name);
		else
			add(c, point, WIRING_WRONG, SETUP, "%s asks the gate "
			    "at %s, where mailbraked does not listen%s: its "
			    "mail waits", service, g.where,
			    shut_in(c->w, c->service, g.where,
			    &want->socketmap) ? ", as seen from a chroot" :
			    "");
		return;
	}
	if (want->gate_file == NULL || want->gate_file[0] == '\0')
		add(c, point, WIRING_WRONG, "set gate_file in mailbrake.conf",
		    "%s asks the gate file %s, which mailbraked does not "
		    "write", service, g.where);
	else if (!same_path(path_of(g.where), path_of(want->gate_file)))
		add(c, point, WIRING_WRONG, SETUP, "%s asks the gate file "
		    "%s, but mailbraked writes %s", service, g.where,
		    want->gate_file);
	else {
		add(c, point, WIRING_OK, NULL, "%s asks the gate of %s in %s",
		    service, name, g.where);
		c->out->v[c->out->count - 1].by_file = true;
	}
}

static void
check_cache(struct check *c)
{
	const char *fixed = value(c->w, c->service,
	    "smtp_connection_cache_destinations");

	if (is_yes(value(c->w, c->service,
	    "smtp_connection_cache_on_demand")))
		add(c, WIRING_CACHE, WIRING_WRONG, SETUP, "%s keeps "
		    "connections open, and what goes through an open one "
		    "asks no gate: smtp_connection_cache_on_demand has to be "
		    "no", c->service->name);
	else if (*fixed != '\0')
		add(c, WIRING_CACHE, WIRING_WRONG, SETUP, "%s keeps "
		    "connections to %s open, and what goes through an open "
		    "one asks no gate: smtp_connection_cache_destinations "
		    "has to be empty", c->service->name, fixed);
	else
		add(c, WIRING_CACHE, WIRING_OK, NULL, "%s opens a connection "
		    "for each message", c->service->name);
}

/* One family.  True if there is nothing to complain about. */
static bool
check_bound(struct check *c, const struct egress *e, const char *parameter,
    enum addr_family family)
{
	const char *bound = value(c->w, c->service, parameter);
	const char *service = c->service->name;
	bool several = c->want->policy->egress_count > 1, any = false;
	struct addr a;
	size_t i;

	for (i = 0; i < e->addr_count; i++)
		any = any || e->addrs[i].family == family;
	if (*bound == '\0') {
		if (!several)
			return true;
		if (any) {
			add(c, WIRING_BIND, WIRING_MISSING, SETUP, "%s has no "
			    "%s and sends from the host's default address, "
			    "not surely from that of %s", service, parameter,
			    e->name);
			return false;
		}
		if (family == ADDR_IPV6 && strstr(value(c->w, c->service,
		    "inet_protocols"), "ipv4") != NULL)
			return true;
		if (family == ADDR_IPV6) {
			add(c, WIRING_BIND, WIRING_MISSING, strchr(value(c->w,
			    NULL, "inet_interfaces"), ':') == NULL ? SETUP :
			    "give it an IPv6 address in mailbrake.conf, or "
			    "take those out of inet_interfaces", "%s may "
			    "send by IPv6, and %s has no such address: "
			    "inet_protocols has to be ipv4", service,
			    e->name);
			return false;
		}
		return true;
	}
	if (!addr_parse(bound, &a)) {
		add(c, WIRING_BIND, WIRING_WRONG, "give it an address",
		    "%s: %s = %s is no address", service, parameter, bound);
		return false;
	}
	if (has_addr(e, &a) || addr_scope(&a) != ADDR_GLOBAL)
		return true;		/* private: behind NAT */
	add(c, WIRING_BIND, WIRING_WRONG, "give the right address to one of "
	    "them", "%s sends from %s, which mailbrake.conf does not have as "
	    "an address of %s", service, bound, e->name);
	return false;
}

static void
check_bind(struct check *c, const struct egress *e)
{
	bool v4 = check_bound(c, e, "smtp_bind_address", ADDR_IPV4);
	bool v6 = check_bound(c, e, "smtp_bind_address6", ADDR_IPV6);
	const char *enforce = wiring_value(c->w, c->service->key,
	    "smtp_bind_address_enforce");
	bool bound = *value(c->w, c->service, "smtp_bind_address") != '\0' ||
	    *value(c->w, c->service, "smtp_bind_address6") != '\0';

	if (!v4 || !v6)
		return;
	if (bound && enforce == NULL)
		add(c, WIRING_BIND, WIRING_OK, NULL, "%s sends from the "
		    "address of %s; before version 3.7 Postfix takes the "
		    "host's default address when that is gone",
		    c->service->name, e->name);
	else if (bound && !is_yes(enforce))
		add(c, WIRING_BIND, WIRING_WRONG, SETUP, "%s sends from the "
		    "host's default address when its own is gone: "
		    "smtp_bind_address_enforce has to be yes",
		    c->service->name);
	else
		add(c, WIRING_BIND, WIRING_OK, NULL, bound ?
		    "%s sends from the address of %s only" :
		    "%s sends from the host's own address, %s",
		    c->service->name, e->name);
}

static void
check_helo(struct check *c, const struct egress *e)
{
	const char *name = value(c->w, c->service, "smtp_helo_name");

	if (e->hostname == NULL)
		return;
	if (text_same(name, e->hostname))
		add(c, WIRING_HELO, WIRING_OK, NULL, "%s greets as %s",
		    c->service->name, name);
	else
		add(c, WIRING_HELO, WIRING_WRONG, "set smtp_helo_name, or "
		    "correct hostname in mailbrake.conf", "%s greets as %s, "
		    "but the hostname of %s is %s", c->service->name, name,
		    e->name, e->hostname);
}

static void
check_transport(struct check *c, const struct egress *e, const char *name)
{
	char key[WIRING_SERVICE_MAX];

	snprintf(key, sizeof(key), "%s/unix", name);
	c->egress = e->name;
	c->service = wiring_service(c->w, key);
	if (c->service == NULL) {
		add(c, WIRING_TRANSPORT, WIRING_MISSING, SETUP, "master.cf "
		    "has no transport %s, which mailbrake.conf names for %s",
		    name, e->name);
	} else if (!wiring_is_smtp(c->service)) {
		add(c, WIRING_TRANSPORT, WIRING_WRONG, "name the transport "
		    "that sends to other hosts in mailbrake.conf", "transport "
		    "%s of %s is %s(8), not smtp(8): it has no gate", name,
		    e->name, c->service->command);
	} else {
		add(c, WIRING_TRANSPORT, WIRING_OK, NULL, "%s is a transport "
		    "of %s", name, e->name);
		check_gate(c, WIRING_GATE, e->name);
		check_cache(c);
		/* What another host sends it sends as it likes. */
		if (e->nexthop == NULL) {
			check_bind(c, e);
			check_helo(c, e);
		}
	}
	c->service = NULL;
	c->egress = NULL;
}

/* What sends from an egress's address without being named for it. */
static void
check_others(struct check *c)
{
	const struct policy *p = c->want->policy;
	struct wiring_gate g;
	size_t i;
	int owner;

	for (i = 0; i < c->w->service_count; i++) {
		c->service = &c->w->services[i];
		if (!wiring_is_smtp(c->service) ||
		    egress_of_transport(p, c->service->name) != -1)
			continue;
		owner = wiring_owner(c->w, c->want, c->service);
		if (owner == -1)
			continue;
		if (owner >= 0) {
			c->egress = p->egress[owner].name;
			check_gate(c, WIRING_OTHERS, c->egress);
			check_cache(c);
			c->egress = NULL;
		} else if (!wiring_find_gate(value(c->w, c->service,
		    "smtp_tls_policy_maps"), &g)) {
			add(c, WIRING_OTHERS, WIRING_MISSING, "name it as a "
			    "transport of its egress in mailbrake.conf, or "
			    "give it an smtp_bind_address", "%s sends from "
			    "the host's default address, which no egress of "
			    "mailbrake.conf has: if it is one of them after "
			    "all, %s leaves in spite of a stop",
			    c->service->name, "its mail");
		}
	}
	c->service = NULL;
}

/* --- routes ------------------------------------------------------------ */

bool
wiring_needs_route(const struct policy *p)
{
	size_t i, k;

	for (i = 0; i < p->pool_count; i++) {
		for (k = 0; k < p->pools[i].action_count; k++) {
			if (p->pools[i].egress_count > 1 &&
			    p->pools[i].actions[k] == ACT_REROUTE)
				return true;
		}
	}
	return p->route_count > 0;
}

bool
wiring_needs_rcptroute(const struct policy *p)
{
	size_t i;

	for (i = 0; i < p->route_count; i++) {
		if (p->routes[i].recipient != NULL)
			return true;
	}
	return false;
}

/* The word of a table that asks mailbraked's map, also as the last of a
 * pipemap; the caller frees it. */
static char *
find_map(const char *list, const char *map, size_t *index)
{
	struct wiring_words words, inner;
	char *found = NULL, *text;
	const char *name;
	size_t i;

	wiring_split(list, &words);
	for (i = 0; i < words.count && found == NULL; i++) {
		*index = i;
		name = wiring_word_map(words.v[i]);
		if (name != NULL && strcmp(name, map) == 0)
			found = xstrdup(words.v[i]);
		if (strncmp(words.v[i], "pipemap:{", 9) != 0)
			continue;
		text = unbrace(words.v[i] + 8);
		wiring_split(text, &inner);
		free(text);
		name = inner.count > 0 ?
		    wiring_word_map(inner.v[inner.count - 1]) : NULL;
		if (name != NULL && strcmp(name, map) == 0)
			found = xstrdup(inner.v[inner.count - 1]);
		wiring_words_free(&inner);
	}
	wiring_words_free(&words);
	return found;
}

static void
check_map(struct check *c, enum wiring_point point, const char *parameter,
    const char *map, const char *other, bool needed)
{
	const char *list;
	char *word, *address;
	size_t index;

	c->service = wiring_service(c->w, "rewrite/unix");
	list = value(c->w, c->service, parameter);
	word = find_map(list, map, &index);
	if (word == NULL && other != NULL)
		word = find_map(list, other, &index);
	if (word == NULL) {
		if (needed)
			add(c, point, WIRING_MISSING, SETUP, "Postfix does "
			    "not ask for the %s: mail of a stopped egress "
			    "waits instead of going another way", map);
		else
			add(c, point, WIRING_UNUSED, NULL, "Postfix does not "
			    "ask for the %s, and need not with this "
			    "mailbrake.conf", map);
		return;
	}
	address = map_address(word);
	if (c->want->socketmap.kind == ENDPOINT_NONE)
		add(c, point, WIRING_WRONG, "set listen.socketmap in "
		    "mailbrake.conf", "%s asks mailbraked, which offers no "
		    "socketmap: all mail waits", parameter);
	else if (!wiring_reaches(c->w, c->service, address,
	    &c->want->socketmap))
		add(c, point, WIRING_WRONG, SETUP, "%s asks at %s, where "
		    "mailbraked does not listen%s: all mail waits", parameter,
		    address, shut_in(c->w, c->service, address,
		    &c->want->socketmap) ? ", as seen from a chroot" : "");
	else if (index > 0 && strcmp(wiring_word_map(word), map) == 0)
		add(c, point, WIRING_WRONG, SETUP, "%s asks other tables "
		    "before mailbraked, and the first that answers decides",
		    parameter);
	else
		add(c, point, WIRING_OK, NULL, "%s asks mailbraked",
		    parameter);
	free(address);
	free(word);
}

static void
check_retry(struct check *c)
{
	c->service = wiring_service(c->w, "retry/unix");
	if (c->service == NULL)
		add(c, WIRING_RETRY, WIRING_MISSING, SETUP, "master.cf has "
		    "no service retry, to which the route sends mail that "
		    "has to wait");
	else if (strcmp(c->service->command, "error") != 0)
		add(c, WIRING_RETRY, WIRING_WRONG, "let it be error(8)",
		    "the service retry of master.cf is %s(8), not error(8)",
		    c->service->command);
	else
		add(c, WIRING_RETRY, WIRING_OK, NULL, "master.cf has the "
		    "service retry");
}

/* --- submission -------------------------------------------------------- */

/* Mail that comes back from a content filter has been asked about before;
 * such a listener switches milters and restrictions off for itself. */
static bool
comes_back(const struct wiring *w, const struct wiring_service *s,
    const char *parameter)
{
	const char *own = wiring_override(w, s->key, parameter);

	return (own != NULL && *own == '\0') || strstr(value(w, s,
	    "receive_override_options"), "no_milters") != NULL;
}

/* True if the service asks our milter, or says itself that it asks none. */
static bool
check_milter(struct check *c, enum wiring_point point, const char *parameter)
{
	const struct endpoint *e = &c->want->milter;
	const char *list = value(c->w, c->service, parameter), *who;
	char *word, *address;
	bool good = true;
	size_t before;

	who = point == WIRING_MILTER ? c->service->name : "sendmail(1)";
	if ((word = wiring_find_milter(c->w, c->service, list, e,
	    &before)) == NULL) {
		if (comes_back(c->w, c->service, parameter)) {
			add(c, point, WIRING_UNUSED, NULL, "%s asks no "
			    "milter, as its own settings in master.cf say",
			    who);
			return true;
		}
		add(c, point, WIRING_MISSING, SETUP, "%s does not ask the "
		    "milter: %s", who, point == WIRING_MILTER ? "what it "
		    "takes in during a stop stays in the queue, and its "
		    "sender is not told" : "mail of this host's programs is "
		    "not held before the queue");
		return false;
	}
	address = address_of(word);
	if (!wiring_reaches(c->w, c->service, address, e)) {
		add(c, point, WIRING_WRONG, "put listen.milter into a "
		    "directory below queue_directory, see mailbraked(8), "
		    "and then " SETUP, "%s runs in a chroot and cannot see "
		    "the milter at %s", who, address);
		good = false;
	} else {
		add(c, point, WIRING_OK, NULL, "%s asks the milter", who);
	}
	free(address);
	free(word);
	return good;
}

static const char *const restrictions[] = {
	"smtpd_client_restrictions", "smtpd_helo_restrictions",
	"smtpd_sender_restrictions", "smtpd_relay_restrictions",
	"smtpd_recipient_restrictions",
};

static void
check_policy(struct check *c, bool needed)
{
	const struct endpoint *e = &c->want->policy_service;
	const char *late = NULL;
	char *word = NULL, *address;
	bool permit;
	size_t i;

	for (i = 0; i < 5 && word == NULL; i++) {
		word = wiring_find_policy(c->w, c->service, value(c->w,
		    c->service, restrictions[i]), e, &permit);
		if (word != NULL && permit) {
			late = restrictions[i];
			free(word);
			word = NULL;
		}
	}
	if (word != NULL) {
		address = address_of(word);
		if (wiring_reaches(c->w, c->service, address, e))
			add(c, WIRING_POLICY, WIRING_OK, NULL, "%s asks the "
			    "policy service", c->service->name);
		else
			add(c, WIRING_POLICY, WIRING_WRONG, "use "
			    "inet:127.0.0.1:10045 for listen.policy", "%s "
			    "runs in a chroot and cannot see the policy "
			    "service at %s", c->service->name, address);
		free(address);
		free(word);
	} else if (late != NULL) {
		add(c, WIRING_POLICY, WIRING_WRONG, "let it stand first",
		    "%s asks the policy service in %s only after something "
		    "that permits: your own users' mail is not asked about",
		    c->service->name, late);
	} else if (needed && !comes_back(c->w, c->service,
	    "smtpd_recipient_restrictions")) {
		add(c, WIRING_POLICY, WIRING_MISSING, SETUP, "%s asks neither "
		    "milter nor policy service: what it takes in during a "
		    "stop stays in the queue, and its sender is not told",
		    c->service->name);
	} else {
		add(c, WIRING_POLICY, WIRING_UNUSED, NULL, "%s does not ask "
		    "the policy service, and need not", c->service->name);
	}
}

static void
check_fronts(struct check *c)
{
	const struct wiring_want *want = c->want;
	bool asked;
	size_t i;

	for (i = 0; i < c->w->service_count; i++) {
		c->service = &c->w->services[i];
		if (!wiring_is_smtpd(c->service))
			continue;
		asked = false;
		if (want->milter.kind != ENDPOINT_NONE)
			asked = check_milter(c, WIRING_MILTER,
			    "smtpd_milters");
		if (want->policy_service.kind != ENDPOINT_NONE)
			check_policy(c, !asked &&
			    want->milter.kind == ENDPOINT_NONE);
	}
	c->service = wiring_service(c->w, "cleanup/unix");
	if (c->service != NULL && want->milter.kind != ENDPOINT_NONE)
		check_milter(c, WIRING_MILTER_LOCAL, "non_smtpd_milters");
	c->service = NULL;
}

void
wiring_check(const struct wiring *w, const struct wiring_want *want,
    struct wiring_findings *out)
{
	struct check c = { .w = w, .want = want, .out = out };
	const struct policy *p = want->policy;
	bool route = want->route || wiring_needs_route(p);
	bool rcptroute = wiring_needs_rcptroute(p);
	size_t i, k;

	*out = (struct wiring_findings){ 0 };
	for (i = 0; i < p->egress_count; i++) {
		for (k = 0; k < p->egress[i].transport_count; k++)
			check_transport(&c, &p->egress[i],
			    p->egress[i].transports[k]);
	}
	check_others(&c);
	check_map(&c, WIRING_ROUTE, "sender_dependent_default_transport_maps",
	    "route", "filter", route);
	check_map(&c, WIRING_RCPTROUTE, "transport_maps", "rcptroute", NULL,
	    rcptroute);
	if (route || rcptroute)
		check_retry(&c);
	check_fronts(&c);
}
