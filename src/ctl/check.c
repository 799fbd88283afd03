/*
 * check.c - mailbrake check: all lists, once, without a daemon
 *
 * Exit status 0: not listed; 1: listed; 2: could not tell.  One look only:
 * the daemon would look twice before it stops anything.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/domain.h"
#include "base/duration.h"
#include "base/mem.h"
#include "base/text.h"
#include "conf/config.h"
#include "conf/config_schema.h"
#include "ctl/ctl.h"
#include "ctl/layout.h"
#include "watch/hostroute.h"
#include "watch/oneshot.h"

#define CHECK_UNKNOWN	2
#define BAR_WIDTH	40
#define RANGE_MAX	1024
#define SUBJECTS_SHOWN	16
#define ZONES_SHOWN	3

struct check {
	struct config		*config;
	struct subject		*subjects;
	size_t			 subject_count;
	struct oneshot_conf	 conf;
	struct oneshot_result	*result;
};

/* --- what to ask, and about what --------------------------------------- */

static void
complain_errors(const struct errors *errs)
{
	size_t i;

	for (i = 0; i < errs->count; i++)
		complain("%s%s", errs->warning[i] ? "warning: " : "",
		    errs->lines[i]);
}

/* An empty file is a valid configuration; this makes one.  Its name is
 * freed by the caller, who removes the file. */
static char *
empty_file(void)
{
	const char *dir = getenv("TMPDIR");
	char *path = xasprintf("%s/mailbrake.XXXXXX", dir != NULL &&
	    dir[0] == '/' ? dir : "/tmp");
	int fd = mkstemp(path);

	if (fd == -1) {
		complain("%s: %s", path, strerror(errno));
		free(path);
		return NULL;
	}
	close(fd);
	return path;
}

/*
 * Without a configuration, or without the right to read it, the shipped
 * lists and the host's resolvers do, so that anybody can check anything.
 */
static struct config *
load(const struct args *args)
{
	const char *path = args->config != NULL ? args->config :
	    DEFAULT_CONFIG;
	struct errors errs = { 0 };
	struct config *config;
	char *empty = NULL;

	if (args->config == NULL && access(path, R_OK) == -1) {
		if (errno != ENOENT)
			complain("%s: %s: going on with the shipped lists",
			    path, strerror(errno));
		if ((empty = empty_file()) == NULL)
			return NULL;
		path = empty;
	}
	if ((config = config_load(path, &errs)) == NULL)
		complain_errors(&errs);
	errors_free(&errs);
	if (empty != NULL)
		unlink(empty);
	free(empty);
	return config;
}

static void
add_subject(struct check *c, const struct subject *s)
{
	char a[256], b[256];
	size_t i;

	for (i = 0; i < c->subject_count; i++) {
		if (strcmp(subject_text(s, a), subject_text(&c->subjects[i],
		    b)) == 0)
			return;
	}
	c->subjects = xreallocarray(c->subjects, c->subject_count + 1,
	    sizeof(*c->subjects));
	c->subjects[c->subject_count] = *s;
	c->subjects[c->subject_count++].domain = xstrdup(s->domain);
}

static void
add_address(struct check *c, const struct addr *addr)
{
	struct subject s = { .addr = *addr };

	s.kind = addr->family == ADDR_IPV6 ? SUBJECT_IPV6 : SUBJECT_IPV4;
	add_subject(c, &s);
}

/* A mistyped address is no domain, although it has the form of one. */
static const char *
number_at_end(const char *domain)
{
	const char *last = strrchr(domain, '.');

	if (last == NULL)
		return "has no dot";
	return last[1 + strspn(last + 1, "0123456789")] == '\0' ?
	    "ends in a number" : NULL;
}

static bool
add_range(struct check *c, const char *word)
{
	struct addr first, addr;
	char shown[80];
	const char *why;
	size_t i, count;

	if ((why = addr_parse_range(word, RANGE_MAX, &first, &count)) !=
	    NULL) {
		text_clean(shown, sizeof(shown), word, strlen(word));
		complain("\"%s\" %s (at most %d addresses)", shown, why,
		    RANGE_MAX);
		return false;
	}
	for (i = 0; i < count; i++) {
		addr = addr_after(&first, i);
		add_address(c, &addr);
	}
	return true;
}

static bool
add_word(struct check *c, const char *word)
{
	struct subject s = { .kind = SUBJECT_DOMAIN };
	char domain[DOMAIN_MAX], shown[80];
	struct addr addr;
	const char *why;

	if (strchr(word, '/') != NULL)
		return add_range(c, word);
	if (addr_parse(word, &addr)) {
		if (addr_scope(&addr) == ADDR_PRIVATE ||
		    addr_scope(&addr) == ADDR_LINK_LOCAL)
			complain("%s is not a public address: no public list "
			    "can know it", word);
		add_address(c, &addr);
		return true;
	}
	if ((why = domain_normal(word, domain)) == NULL)
		why = number_at_end(domain);
	if (why != NULL) {
		text_clean(shown, sizeof(shown), word, strlen(word));
		complain("\"%s\" is no address, and as a domain it %s",
		    shown, why);
		return false;
	}
	/* What lists know is the registered domain. */
	s.domain = (char *)(uintptr_t)domain_registered(domain);
	add_subject(c, &s);
	return true;
}

/* What the daemon would watch. */
static void
add_configured(struct check *c)
{
	struct subject s = { .kind = SUBJECT_DOMAIN };
	struct addr found[HOSTROUTE_MAX];
	struct errors errs = { 0 };
	const struct policy *p;
	size_t i, j;

	if (!c->config->egress_given)
		config_set_host_egress(c->config, found,
		    hostroute_addresses(found), &errs);
	complain_errors(&errs);
	errors_free(&errs);
	p = c->config->policy;
	for (i = 0; i < p->egress_count; i++) {
		for (j = 0; j < p->egress[i].addr_count; j++)
			add_address(c, &p->egress[i].addrs[j]);
		s.domain = p->egress[i].helo_domain;
		if (s.domain != NULL)
			add_subject(c, &s);
	}
	for (i = 0; i < p->domain_count; i++) {
		s.domain = p->domains[i].asked;
		add_subject(c, &s);
	}
}

/* --- progress ---------------------------------------------------------- */

static void
progress_cb(void *ctx, size_t done, size_t total)
{
	size_t full = total > 0 ? done * BAR_WIDTH / total : BAR_WIDTH;
	char bar[BAR_WIDTH + 1];

	(void)ctx;
	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', full < BAR_WIDTH ? full : BAR_WIDTH);
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r[%s] %zu of %zu lists", bar, done, total);
	fflush(stderr);
}

static void
progress_clear(void)
{
	fprintf(stderr, "\r%*s\r", BAR_WIDTH + 30, "");
	fflush(stderr);
}

/* --- what came of it --------------------------------------------------- */

static bool
counts(const struct oneshot_hit *h)
{
	return h->seen.kind == ANS_LISTED || h->seen.weight > 0;
}

/* Lists of the subject's kind, and how many of them can be believed. */
static size_t
lists_about(const struct check *c, size_t subject, size_t *usable)
{
	const struct oneshot_list *l;
	size_t i, all = 0;

	*usable = 0;
	for (i = 0; i < c->result->list_count; i++) {
		l = &c->result->lists[i];
		if (l->kind != c->subjects[subject].kind)
			continue;
		all++;
		*usable += l->health == HEALTH_USABLE && l->failed == 0;
	}
	return all;
}

/* "listed", "noted" (on a list, but that counts for nothing), "clean", or
 * "unknown" if not one list could tell. */
static const char *
subject_state(const struct check *c, size_t subject)
{
	const struct oneshot_result *r = c->result;
	bool noted = false;
	size_t i, usable;

	for (i = 0; i < r->hit_count; i++) {
		if (r->hits[i].subject != subject)
			continue;
		if (counts(&r->hits[i]))
			return "listed";
		noted = true;
	}
	lists_about(c, subject, &usable);
	return noted ? "noted" : usable > 0 ? "clean" : "unknown";
}

/* Of all lists of one operator the heaviest counts; hits are sorted so. */
static int
subject_score(const struct check *c, size_t subject)
{
	const struct oneshot_result *r = c->result;
	const struct list *lists = c->conf.lists;
	size_t i, j;
	int score = 0;

	for (i = 0; i < r->hit_count; i++) {
		if (r->hits[i].subject != subject)
			continue;
		for (j = 0; j < i; j++) {
			if (r->hits[j].subject == subject &&
			    text_same(lists[r->hits[j].list].operator,
			    lists[r->hits[i].list].operator))
				break;
		}
		if (j == i)
			score += r->hits[i].seen.weight;
	}
	return score;
}

static const char *
code_text(const struct oneshot_hit *h, char buf[ADDR_TEXT_MAX])
{
	struct addr addr = addr_from_ipv4(h->seen.code);

	return h->seen.code != 0 ? addr_text(&addr, buf) : "";
}

/* A page's address with "{subject}" filled in; freed by the caller. */
static char *
fill_link(const char *link, const char *subject)
{
	static const char mark[] = "{subject}";
	const char *at = strstr(link, mark);

	if (at == NULL)
		return xstrdup(link);
	return xasprintf("%.*s%s%s", (int)(at - link), link, subject,
	    at + sizeof(mark) - 1);
}

/* Where to look and ask for removal; NULL if nobody knows. */
static char *
hit_link(const struct check *c, const struct oneshot_hit *h)
{
	const struct list *l = &c->conf.lists[h->list];
	const char *link = l->delist != NULL && *l->delist != '\0' ?
	    l->delist : l->lookup;
	char name[256];

	if (link == NULL || *link == '\0')
		return NULL;
	return fill_link(link, subject_text(&c->subjects[h->subject], name));
}

/* --- for people -------------------------------------------------------- */

static void
print_hits(const struct check *c, const struct screen *s, size_t subject)
{
	static const struct column columns[] = {
		{ "LIST", COLUMN_WRAP },
		{ "AS", COLUMN_WRAP },
		{ "MEANS", 0 },
		{ "WEIGHT", COLUMN_RIGHT },
	};
	const struct oneshot_result *r = c->result;
	struct grid *t = grid_new(columns, 4);
	const struct oneshot_hit *h;
	char code[ADDR_TEXT_MAX], expires[DURATION_TEXT_MAX], *link;
	const char *zone;
	size_t i;

	for (i = 0; i < r->hit_count; i++) {
		h = &r->hits[i];
		if (h->subject != subject)
			continue;
		grid_cell(t, counts(h) ? PAINT_BAD : PAINT_NONE, "%s",
		    c->conf.lists[h->list].zone);
		grid_cell(t, PAINT_NONE, "%s%s%s", h->seen.name,
		    h->seen.name[0] != '\0' ? " " : "", code_text(h, code));
		grid_cell(t, PAINT_NONE, "%s", answer_name(h->seen.kind));
		grid_cell(t, PAINT_NONE, "%d", h->seen.weight);
	}
	grid_print(t, s, 2);
	grid_free(t);
	for (i = 0; i < r->hit_count; i++) {
		h = &r->hits[i];
		zone = c->conf.lists[h->list].zone;
		if (h->subject != subject)
			continue;
		if (h->text[0] != '\0')
			screen_say(s, 2, 4, PAINT_NONE, "%s says: \"%s\"",
			    zone, h->text);
		if (c->conf.lists[h->list].expires_ms != 0 && counts(h))
			screen_say(s, 2, 4, PAINT_NONE, "%s: an entry ends by "
			    "itself %s after the last offence", zone,
			    duration_text(c->conf.lists[h->list].expires_ms,
			    expires));
		if (counts(h) && (link = hit_link(c, h)) != NULL) {
			screen_say(s, 2, 4, PAINT_NONE, "%s: %s", zone, link);
			free(link);
		}
	}
}

static void
print_subject(const struct check *c, const struct screen *s, size_t subject)
{
	const char *state = subject_state(c, subject);
	size_t usable, all = lists_about(c, subject, &usable);
	char buf[ADDR_TEXT_MAX], on[80];
	const char *name = subject_text(&c->subjects[subject], buf);

	if (usable == all)
		snprintf(on, sizeof(on), "all %zu lists", all);
	else
		snprintf(on, sizeof(on), "the %zu of %zu lists that could "
		    "tell", usable, all);
	if (strcmp(state, "listed") == 0)
		screen_say(s, 0, 2, PAINT_BAD, "%s is LISTED, score %d (%d "
		    "stops); %zu of %zu lists could tell", name,
		    subject_score(c, subject),
		    c->config->policy->stop_score, usable, all);
	else if (strcmp(state, "noted") == 0)
		screen_say(s, 0, 2, PAINT_WARN, "%s is clean but for what "
		    "does not count, on %s", name, on);
	else if (strcmp(state, "clean") == 0)
		screen_say(s, 0, 2, usable == all ? PAINT_GOOD : PAINT_WARN,
		    "%s is clean on %s", name, on);
	else if (all == 0)
		screen_say(s, 0, 2, PAINT_WARN, "%s: no list that is enabled "
		    "is about %s", name,
		    subject_kind_name(c->subjects[subject].kind));
	else
		screen_say(s, 0, 2, PAINT_WARN, "%s: not one of %zu lists "
		    "could tell", name, all);
	print_hits(c, s, subject);
}

/* Why a list could not tell; buf is for what has no reason. */
static const char *
list_reason(const struct oneshot_list *l, char buf[64])
{
	if (l->health != HEALTH_USABLE || l->failed == 0)
		return l->reason;
	snprintf(buf, 64, "%zu question%s without an answer", l->failed,
	    l->failed == 1 ? "" : "s");
	return buf;
}

static bool
list_fine(const struct oneshot_list *l)
{
	return l->health == HEALTH_USABLE && l->failed == 0;
}

/* Lists that fail alike fail for one reason, most often the resolver's. */
static void
print_list_group(const struct check *c, struct grid *t, size_t from)
{
	const struct oneshot_list *head = &c->result->lists[from], *l;
	char reason[64], other[64], zones[512] = "";
	size_t i, len = 0, count = 0, last = SIZE_MAX;

	for (i = 0; i < c->result->list_count; i++) {
		l = &c->result->lists[i];
		if (list_fine(l) || l->health != head->health ||
		    strcmp(list_reason(l, other), list_reason(head,
		    reason)) != 0)
			continue;
		if (i < from)
			return;		/* stands in an earlier group */
		if (l->list == last)
			continue;	/* of another kind of subjects */
		last = l->list;
		if (count++ < ZONES_SHOWN)
			len += (size_t)snprintf(zones + len,
			    sizeof(zones) - len, "%s%.120s",
			    count > 1 ? ", " : "",
			    c->conf.lists[l->list].zone);
	}
	if (count > ZONES_SHOWN)
		snprintf(zones + len, sizeof(zones) - len, " and %zu more",
		    count - ZONES_SHOWN);
	grid_cell(t, PAINT_NONE, "%s", zones);
	grid_cell(t, PAINT_WARN, "%s", head->health == HEALTH_USABLE ?
	    "silent" : health_name(head->health));
	grid_cell(t, PAINT_NONE, "%s", list_reason(head, reason));
}

static void
print_lists(const struct check *c, const struct screen *s)
{
	static const struct column columns[] = {
		{ "LIST", COLUMN_WRAP },
		{ "HEALTH", 0 },
		{ "REASON", COLUMN_WRAP },
	};
	struct grid *t = grid_new(columns, 3);
	size_t i;

	for (i = 0; i < c->result->list_count; i++) {
		if (!list_fine(&c->result->lists[i]))
			print_list_group(c, t, i);
	}
	if (grid_rows(t) > 0)
		screen_say(s, 0, 0, PAINT_BOLD, "%s",
		    "Lists that could not tell");
	grid_print(t, s, 2);
	grid_free(t);
}

static void
print_page(const struct check *c)
{
	struct screen s;
	size_t i, clean = 0;

	screen_open(&s, stdout);
	for (i = 0; i < c->subject_count; i++) {
		/* Of a range, what is worth a line. */
		if (c->subject_count > SUBJECTS_SHOWN &&
		    strcmp(subject_state(c, i), "clean") == 0)
			clean++;
		else
			print_subject(c, &s, i);
	}
	if (clean > 0)
		screen_say(&s, 0, 2, PAINT_GOOD, "%zu of %zu are clean",
		    clean, c->subject_count);
	print_lists(c, &s);
	screen_say(&s, 0, 0, PAINT_DIM, "%llu questions in %lld.%lld s, one "
	    "look, not confirmed",
	    (unsigned long long)c->result->asked,
	    (long long)c->result->took_ms / 1000,
	    (long long)c->result->took_ms % 1000 / 100);
}

/* --- for machines ------------------------------------------------------ */

static json_t *
new_text(const char *s)
{
	char clean[512];

	return s == NULL || *s == '\0' ? json_null() :
	    json_string(text_clean(clean, sizeof(clean), s, strlen(s)));
}

static json_t *
new_hit(const struct check *c, const struct oneshot_hit *h)
{
	const struct list *l = &c->conf.lists[h->list];
	char code[ADDR_TEXT_MAX], *link = hit_link(c, h);
	json_t *o;

	o = json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:i, s:o}",
	    "zone", new_text(l->zone), "operator", new_text(l->operator),
	    "code", new_text(code_text(h, code)),
	    "name", new_text(h->seen.name),
	    "kind", answer_name(h->seen.kind), "text", new_text(h->text),
	    "weight", h->seen.weight, "delist", new_text(link));
	if (l->expires_ms != 0)
		json_object_set_new(o, "expires_s",
		    json_integer(l->expires_ms / 1000));
	free(link);
	return o;
}

static json_t *
new_subject(const struct check *c, size_t subject)
{
	const struct oneshot_result *r = c->result;
	json_t *hits = json_array();
	char name[256];
	size_t i;

	for (i = 0; i < r->hit_count; i++) {
		if (r->hits[i].subject == subject)
			json_array_append_new(hits, new_hit(c, &r->hits[i]));
	}
	return json_pack("{s:s, s:s, s:s, s:i, s:o}", "subject",
	    subject_text(&c->subjects[subject], name), "about",
	    subject_kind_name(c->subjects[subject].kind), "state",
	    subject_state(c, subject), "score", subject_score(c, subject),
	    "listings", hits);
}

static void
print_object(const struct check *c, int status)
{
	static const char *const words[] = { "clean", "listed", "unknown" };
	json_t *subjects = json_array(), *lists = json_array(), *o;
	const struct oneshot_list *l;
	size_t i;

	for (i = 0; i < c->subject_count; i++)
		json_array_append_new(subjects, new_subject(c, i));
	for (i = 0; i < c->result->list_count; i++) {
		l = &c->result->lists[i];
		json_array_append_new(lists, json_pack("{s:o, s:s, s:s, s:o, "
		    "s:o, s:i, s:I, s:I}",
		    "zone", new_text(c->conf.lists[l->list].zone),
		    "about", subject_kind_name(l->kind),
		    "health", health_name(l->health),
		    "reason", new_text(l->reason),
		    "resolver", new_text(l->resolver),
		    "weight", c->conf.lists[l->list].weight,
		    "clean", (json_int_t)l->clean,
		    "failed", (json_int_t)l->failed));
	}
	o = json_pack("{s:s, s:I, s:I, s:o, s:o}", "result", words[status],
	    "questions", (json_int_t)c->result->asked,
	    "took_ms", (json_int_t)c->result->took_ms,
	    "subjects", subjects, "lists", lists);
	print_json(o);
	json_decref(o);
}

/* --- the command ------------------------------------------------------- */

static int
check(struct check *c, const struct args *args)
{
	const struct config *config = c->config;
	const char *why = NULL;
	int status;
	size_t i;

	c->conf = (struct oneshot_conf){
		.resolver = {
			.servers = config->resolvers,
			.server_count = config->resolver_count,
			.timeout_ms = config->timeout_ms,
			.tries = config->tries,
			.parallel = config->parallel,
		},
		.lists = config->policy->lists,
		.list_count = config->policy->list_count,
		.subjects = c->subjects,
		.subject_count = c->subject_count,
		.progress = isatty(STDERR_FILENO) ? progress_cb : NULL,
	};
	c->result = oneshot_run(&c->conf, &why);
	if (c->conf.progress != NULL)
		progress_clear();
	if (c->result == NULL) {
		complain("nothing can be asked: %s", why);
		return CHECK_UNKNOWN;
	}
	status = oneshot_status(&c->conf, c->result);
	/* Nothing known about one of them is not "none is listed". */
	for (i = 0; i < c->subject_count && status == 0; i++) {
		if (strcmp(subject_state(c, i), "unknown") == 0)
			status = CHECK_UNKNOWN;
	}
	if (args->given & OPT_JSON)
		print_object(c, status);
	else
		print_page(c);
	return status;
}

static int
run_check(const struct args *args)
{
	struct check c = { 0 };
	int status = CHECK_UNKNOWN;
	bool good = true;
	size_t i;

	if ((c.config = load(args)) == NULL)
		return CHECK_UNKNOWN;
	for (i = 0; i < args->word_count; i++)
		good = add_word(&c, args->words[i]) && good;
	if (args->word_count == 0)
		add_configured(&c);
	if (good && c.subject_count == 0)
		complain("no address is known to check: name one");
	else if (good)
		status = check(&c, args);
	oneshot_free(c.result);
	for (i = 0; i < c.subject_count; i++)
		free(c.subjects[i].domain);
	free(c.subjects);
	config_free(c.config);
	return status;
}

const struct command command_check = {
	"check", "[ADDRESS|RANGE|DOMAIN ...] [--json]",
	"ask all lists about addresses or domains, now",
	"Asks all lists about addresses, ranges or domains, once, and shows "
	"what they say.\nWithout one: about those of the configuration. It needs "
	"no daemon and no rights.\n"
	"Exit status: 0 not listed, 1 listed, 2 could not tell.\n"
	"\n"
	"  -j, --json  one JSON object\n"
	"\n"
	"  mailbrake check 203.0.113.7 2001:db8::7 example.org\n"
	"  mailbrake check 203.0.113.0/28\n",
	OPT_JSON, 0, 1000, run_check
};
