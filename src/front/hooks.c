/*
 * hooks.c - an operator's programs are told what has happened
 */
#include "front/hooks.h"

#include <sys/queue.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "conf/config.h"
#include "core/alert.h"
#include "core/pool.h"
#include "front/hook_dir.h"
#include "front/hook_line.h"
#include "front/json.h"

#define OUTPUT_MAX	16384		/* bytes of each stream */
#define LINES_MAX	20		/* of the output, in the log */
#define LINE_MAX_CHARS	300
#define VALUE_MAX	100000		/* of one variable: exec has a limit */

struct hook {
	char		*name, *path, *settings;
	struct hook_line line;
	bool		 gone;		/* no longer in the directory */
};

/* One process. */
struct run {
	LIST_ENTRY(run)	 entry;
	struct hooks	*all;
	struct hook	*hook;		/* NULL: a test */
	char		*name;
	size_t		 count;		/* alerts told */
};

LIST_HEAD(run_list, run);

struct hooks {
	struct event_base *base;
	struct board	*board;
	const struct config *conf;
	const char	*host;
	struct children	*children;
	struct event	*timer;
	struct alerts	*alerts;
	struct hook	*v[HOOKS_MAX];	/* by name */
	size_t		 count;
	struct run_list	 runs;
	char		**complaints;	/* told in the log already */
	size_t		 complaint_count;
	/* Since when alerts wait that nobody has looked at. */
	uint64_t	 window_first;
	int64_t		 window_ms;	/* monotonic; 0: there are none */
	int64_t		 incident;	/* the last one */
	uint64_t	 generation;	/* of the board, when looked at */
	int64_t		 looked_ms;
	bool		 events;	/* since then */
	/* A test that goes on. */
	hooks_said_fn	*said;
	void		*said_ctx;
	json_t		*greeting;
	size_t		 testing;
	struct event	*greeter;
};

static void	 run_end(void *, const struct child_result *);

/* --- the directory -------------------------------------------------------- */

static void
hook_free(struct hook *h)
{
	free(h->name);
	free(h->path);
	free(h->settings);
	free(h);
}

/* Its process may still run: then that frees it. */
static void
hook_drop(struct hook *h)
{
	h->gone = true;
	if (!h->line.running)
		hook_free(h);
}

static bool
is_among(const char *text, char *const *v, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (strcmp(v[i], text) == 0)
			return true;
	}
	return false;
}

/* Each once, until it is gone. */
static void
complain(struct hooks *hs, struct hook_dir *d)
{
	size_t i;

	for (i = 0; i < d->complaint_count; i++) {
		if (!is_among(d->complaints[i], hs->complaints,
		    hs->complaint_count))
			log_warnx("%s", d->complaints[i]);
	}
	for (i = 0; i < hs->complaint_count; i++)
		free(hs->complaints[i]);
	free(hs->complaints);
	hs->complaints = d->complaints;
	hs->complaint_count = d->complaint_count;
	d->complaints = NULL;
	d->complaint_count = 0;
}

static struct hook *
take_hook(struct hooks *hs, const char *name)
{
	struct hook *h;
	size_t i;

	for (i = 0; i < hs->count; i++) {
		if ((h = hs->v[i]) != NULL && strcmp(h->name, name) == 0) {
			hs->v[i] = NULL;
			return h;
		}
	}
	return NULL;
}

/* What is there now.  One that is new is told of what the others have not
 * been told either. */
static void
look_again(struct hooks *hs)
{
	uint64_t next = hs->window_ms != 0 ? hs->window_first :
	    alerts_end(hs->alerts);
	struct hook *now[HOOKS_MAX], *h;
	struct hook_dir d;
	size_t i;

	hook_dir_read(&d, hs->conf->hooks, hs->conf->hooks_given);
	for (i = 0; i < d.count; i++) {
		if ((h = take_hook(hs, d.files[i].name)) == NULL) {
			h = xcalloc(1, sizeof(*h));
			h->name = xstrdup(d.files[i].name);
			hook_line_open(&h->line, next, hs->window_ms);
			log_info("hook %s: is run from now on", h->name);
		}
		free(h->path);
		free(h->settings);
		h->path = xstrdup(d.files[i].path);
		h->settings = xstrdup(d.files[i].settings);
		now[i] = h;
	}
	for (i = 0; i < hs->count; i++) {
		if (hs->v[i] == NULL)
			continue;
		log_info("hook %s: is no longer run", hs->v[i]->name);
		hook_drop(hs->v[i]);
	}
	memcpy(hs->v, now, sizeof(*now) * d.count);
	hs->count = d.count;
	complain(hs, &d);
	hook_dir_free(&d);
}

/* --- what a hook is told -------------------------------------------------- */

/* What stands still, whichever alert it is about. */
struct facts {
	json_t	*stopped, *addresses, *resumed;
};

static json_t *
new_alert(const struct alert *a)
{
	json_t *o = json_object();

	put_text(o, "event", alert_kind_name(a->kind));
	put_time(o, "time", a->at_ms);
	put_filled(o, "egress", a->egress);
	put_filled(o, "from", a->from);
	put_filled(o, "to", a->to);
	put_filled(o, "address", a->subject);
	put_filled(o, "list", a->zone);
	put_text(o, "text", a->text);
	return o;
}

static void
append_addresses(json_t *array, const struct egress *e)
{
	char text[ADDR_TEXT_MAX];
	size_t i;

	for (i = 0; i < e->addr_count; i++)
		json_array_append_new(array,
		    new_text(addr_text(&e->addrs[i], text)));
}

/* What is stopped now, not when the alert came: who acts on it must not act
 * on what is over. */
static void
find_stopped(struct hooks *hs, int64_t now_ms, struct facts *out)
{
	const struct view *view = board_view_get(hs->board);
	const struct policy *p = view->policy;
	char name[BOARD_NAME_MAX];
	size_t i;

	for (i = 0; i < p->egress_count; i++) {
		if (pool_egress_state(view, i, now_ms, NULL) != STATE_STOPPED)
			continue;
		json_array_append_new(out->stopped,
		    new_text(p->egress[i].name));
		append_addresses(out->addresses, &p->egress[i]);
	}
	for (i = 0; i < p->domain_count; i++) {
		if (alert_domain_state(view, i, now_ms) != STATE_STOPPED)
			continue;
		snprintf(name, sizeof(name), "domain:%s", p->domains[i].name);
		json_array_append_new(out->stopped, new_text(name));
	}
	view_put(view);
}

static bool
has_text(const json_t *array, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach(array, i, item) {
		if (strcmp(json_string_value(item), text) == 0)
			return true;
	}
	return false;
}

/* "a b c", or NULL where that is more than a variable may hold. */
static char *
join(const json_t *array, const char *between)
{
	const json_t *item;
	size_t i, bytes = 1, len = 0;
	char *all;

	json_array_foreach(array, i, item)
		bytes += json_string_length(item) + strlen(between);
	if (bytes > VALUE_MAX)
		return NULL;
	all = xcalloc(bytes, 1);
	json_array_foreach(array, i, item)
		len += (size_t)snprintf(all + len, bytes - len, "%s%s",
		    i > 0 ? between : "", json_string_value(item));
	return all;
}

struct env {
	char	*v[40];
	size_t	 count;
};

/* Takes value over; NULL leaves the variable out. */
static void
env_take(struct env *env, const char *name, char *value)
{
	if (value != NULL && env->count < sizeof(env->v) /
	    sizeof(env->v[0]) - 1)
		env->v[env->count++] = xasprintf("MAILBRAKE_%s=%s", name,
		    value);
	free(value);
}

static void
env_put(struct env *env, const char *name, const char *value)
{
	env_take(env, name, xstrdup(value != NULL ? value : ""));
}

static void
env_number(struct env *env, const char *name, uint64_t n)
{
	env_take(env, name, xasprintf("%llu", (unsigned long long)n));
}

static void
env_free(struct env *env)
{
	size_t i;

	for (i = 0; i < env->count; i++)
		free(env->v[i]);
}

/* A string of the object as a variable. */
static void
env_from(struct env *env, const char *name, const json_t *o, const char *key)
{
	env_put(env, name, json_string_value(json_object_get(o, key)));
}

/* Of an alert that names no address: those of its egress. */
static void
put_address(struct hooks *hs, json_t *o, const struct alert *lead)
{
	const struct policy *p = board_policy(hs->board);
	int egress = policy_find_egress(p, lead->egress);
	json_t *array;
	char *all;

	if (lead->subject[0] != '\0' || egress == -1)
		return;
	array = json_array();
	append_addresses(array, &p->egress[egress]);
	all = join(array, " ");
	put_filled(o, "address", all);
	free(all);
	json_decref(array);
}

/*
 * Everything about a run: the leading alert's own fields, what is so now, and
 * the alerts.  events: an array of them, taken over.
 */
static json_t *
new_facts(struct hooks *hs, const struct hook *h, const char *name,
    const struct alert *lead, json_t *events, struct facts *f)
{
	json_t *o = new_alert(lead);
	bool observe = hs->conf->policy->mode == MODE_OBSERVE;

	put_address(hs, o, lead);
	put_int(o, "version", 1);
	put_text(o, "host", hs->host);
	put_text(o, "mode", observe ? "observe" : "enforce");
	put_text(o, "hook", name);
	put_int(o, "try", h != NULL ? h->line.tries : 1);
	put(o, "incident", hs->incident != 0 ? json_integer(hs->incident) :
	    json_null());
	put_int(o, "left_out", h != NULL ? (int64_t)h->line.lost : 0);
	put(o, "stopped", json_incref(f->stopped));
	put(o, "stopped_addresses", json_incref(f->addresses));
	put(o, "resumed", json_incref(f->resumed));
	put(o, "events", events);
	return o;
}

static void
fill_env(struct env *env, const struct hooks *hs, const char *settings,
    const json_t *o, const struct facts *f)
{
	const json_t *events = json_object_get(o, "events"), *e;
	json_t *lines = json_array();
	size_t i;

	env_from(env, "EVENT", o, "event");
	env_from(env, "TIME", o, "time");
	env_from(env, "HOST", o, "host");
	env_from(env, "MODE", o, "mode");
	env_from(env, "HOOK", o, "hook");
	env_from(env, "EGRESS", o, "egress");
	env_from(env, "FROM", o, "from");
	env_from(env, "TO", o, "to");
	env_from(env, "ADDRESS", o, "address");
	env_from(env, "LIST", o, "list");
	env_from(env, "TEXT", o, "text");
	if (hs->incident != 0)
		env_number(env, "INCIDENT", (uint64_t)hs->incident);
	else
		env_put(env, "INCIDENT", "");
	env_number(env, "TRY", (uint64_t)json_integer_value(
	    json_object_get(o, "try")));
	env_number(env, "LEFT_OUT", (uint64_t)json_integer_value(
	    json_object_get(o, "left_out")));
	env_number(env, "COUNT", json_array_size(events));
	env_put(env, "SETTINGS", settings);
	env_take(env, "STOPPED", join(f->stopped, " "));
	env_take(env, "STOPPED_ADDRESSES", join(f->addresses, " "));
	env_take(env, "RESUMED", join(f->resumed, " "));
	json_array_foreach(events, i, e)
		json_array_append(lines, json_object_get(e, "text"));
	env_take(env, "LINES", join(lines, "\n"));
	json_decref(lines);
}

/* --- running -------------------------------------------------------------- */

static void
start(struct hooks *hs, struct hook *h, const char *name, const char *path,
    const char *settings, const struct alert *lead, json_t *events,
    struct facts *f)
{
	const char *argv[] = { path, NULL };
	struct child_spec spec = { .argv = argv,
	    .timeout_ms = hs->conf->hooks_timeout_ms,
	    .output_max = OUTPUT_MAX };
	struct run *r = xcalloc(1, sizeof(*r));
	struct env env = { 0 };
	json_t *o;
	char *text, *line;

	find_stopped(hs, clock_wall_ms(), f);
	r->all = hs;
	r->hook = h;
	r->name = xstrdup(name);
	r->count = json_array_size(events);
	o = new_facts(hs, h, name, lead, events, f);
	fill_env(&env, hs, settings, o, f);
	if ((text = json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII)) == NULL)
		fatalx("out of memory");
	line = xasprintf("%s\n", text);
	spec.env = (const char *const *)env.v;
	spec.input = line;
	spec.input_bytes = strlen(line);
	LIST_INSERT_HEAD(&hs->runs, r, entry);
	child_run(hs->children, &spec, run_end, r);
	free(line);
	free(text);
	json_decref(o);
	json_decref(f->stopped);
	json_decref(f->addresses);
	json_decref(f->resumed);
	env_free(&env);
}

static struct facts
new_arrays(void)
{
	return (struct facts){ json_array(), json_array(), json_array() };
}

static void
run_hook(struct hooks *hs, struct hook *h, int64_t mono_ms)
{
	struct facts f = new_arrays();
	json_t *events = json_array();
	const struct alert *a;
	uint64_t n;

	hook_line_start(&h->line, alerts_first(hs->alerts),
	    alerts_end(hs->alerts), mono_ms);
	for (n = h->line.next; n < h->line.taken; n++) {
		a = alerts_get(hs->alerts, n);
		json_array_append_new(events, new_alert(a));
		if (alert_resumes(a) && !has_text(f.resumed, a->egress))
			json_array_append_new(f.resumed, new_text(a->egress));
	}
	log_debug("hook %s: run with %zu alerts", h->name,
	    json_array_size(events));
	start(hs, h, h->name, h->path, h->settings, alerts_lead(hs->alerts,
	    h->line.next, h->line.taken), events, &f);
}

static void
arm(struct hooks *hs)
{
	int64_t next = hs->window_ms, due, wait;
	uint64_t end = alerts_end(hs->alerts);
	struct timeval tv;
	size_t i;

	for (i = 0; i < hs->count; i++) {
		due = hook_line_due(&hs->v[i]->line, end);
		if (due != 0 && (next == 0 || due < next))
			next = due;
	}
	if (next == 0) {
		event_del(hs->timer);
		return;
	}
	wait = next - clock_mono_ms();
	wait = wait < 0 ? 0 : wait;
	tv = (struct timeval){ wait / 1000, (wait % 1000) * 1000 };
	event_add(hs->timer, &tv);
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct hooks *hs = arg;
	int64_t mono_ms = clock_mono_ms(), due;
	uint64_t end = alerts_end(hs->alerts);
	size_t i;

	(void)fd;
	(void)what;
	look_again(hs);
	if (hs->window_ms <= mono_ms)
		hs->window_ms = 0;
	for (i = 0; i < hs->count; i++) {
		due = hook_line_due(&hs->v[i]->line, end);
		if (due != 0 && due <= mono_ms)
			run_hook(hs, hs->v[i], mono_ms);
	}
	arm(hs);
}

/* --- its end -------------------------------------------------------------- */

typedef void line_fn(void *ctx, const char *line);

/* Each line of both streams, cleaned; true if some were left out. */
static bool
each_line(const struct child_result *r, line_fn *fn, void *ctx)
{
	const char *streams[] = { r->out, r->err };
	char clean[LINE_MAX_CHARS + 1];
	size_t i, len, lines = 0;
	const char *s;

	for (i = 0; i < 2; i++) {
		for (s = streams[i]; *s != '\0'; s += len + (s[len] == '\n')) {
			len = strcspn(s, "\n");
			text_clean(clean, sizeof(clean), s, len);
			if (clean[strspn(clean, " ")] == '\0')
				continue;
			if (lines++ == LINES_MAX)
				return true;
			fn(ctx, clean);
		}
	}
	return r->cut;
}

static void
log_line(void *ctx, const char *line)
{
	log_info("hook %s: %s", (const char *)ctx, line);
}

/* "status 1", without what it said. */
static const char *
end_text(const struct child_result *r, char buf[CHILD_TEXT_MAX])
{
	struct child_result silent = *r;
	char whole[CHILD_TEXT_MAX];
	size_t name = strlen(r->name);

	silent.out = silent.err = "";
	silent.out_bytes = silent.err_bytes = 0;
	child_text(&silent, whole);
	/* The name is the file's, which is not always the hook's. */
	text_copy(buf, CHILD_TEXT_MAX, strlen(whole) > name + 2 ?
	    whole + name + 2 : whole);
	return buf;
}

static enum hook_outcome
outcome_of(const struct child_result *r)
{
	return r->end == CHILD_EXITED ? hook_outcome(r->code) : HOOK_FAILED;
}

static const char *
alerts_text(uint64_t n, char buf[40])
{
	snprintf(buf, 40, "%llu alert%s", (unsigned long long)n,
	    n == 1 ? "" : "s");
	return buf;
}

static void
hook_end(struct hooks *hs, struct hook *h, const struct run *run,
    const struct child_result *r)
{
	enum hook_outcome outcome = outcome_of(r);
	char end[CHILD_TEXT_MAX], count[40], wait[DURATION_TEXT_MAX];
	uint64_t lost = h->line.lost;
	int64_t wait_ms;

	if (each_line(r, log_line, h->name))
		log_info("hook %s: more output is left out", h->name);
	wait_ms = hook_line_end(&h->line, outcome, clock_mono_ms());
	alerts_text(run->count, count);
	if (outcome == HOOK_WORKED)
		log_info("hook %s: told of %s", h->name, count);
	else if (h->gone)
		log_warnx("hook %s: %s; it is no longer run", h->name,
		    end_text(r, end));
	else if (wait_ms > 0)
		log_warnx("hook %s: %s; tried again in %s", h->name,
		    end_text(r, end), duration_text(wait_ms, wait));
	else
		log_warnx("hook %s: %s; given up: %s not told, which the "
		    "next run will say", h->name, end_text(r, end),
		    alerts_text(h->line.lost - lost, count));
	if (h->gone)
		hook_free(h);
	else
		arm(hs);
}

static void
append_line(void *ctx, const char *line)
{
	json_array_append_new(ctx, new_text(line));
}

static void
test_end(struct hooks *hs, const struct run *run,
    const struct child_result *r)
{
	json_t *o = json_object(), *output = json_array();
	char end[CHILD_TEXT_MAX];

	put_text(o, "hook", run->name);
	put(o, "worked", json_boolean(child_good(r)));
	put(o, "status", r->end == CHILD_EXITED ? json_integer(r->code) :
	    json_null());
	put_text(o, "end", end_text(r, end));
	put_int(o, "took_ms", r->took_ms);
	put(o, "cut", json_boolean(each_line(r, append_line, output)));
	put(o, "output", output);
	log_info("hook %s: test: %s", run->name, end);
	hs->said(hs->said_ctx, o, true);
	if (--hs->testing == 0)
		hs->said(hs->said_ctx, json_null(), false);
}

static void
run_free(struct run *run)
{
	LIST_REMOVE(run, entry);
	free(run->name);
	free(run);
}

static void
run_end(void *ctx, const struct child_result *r)
{
	struct run *run = ctx;

	if (run->hook != NULL)
		hook_end(run->all, run->hook, run, r);
	else
		test_end(run->all, run, r);
	run_free(run);
}

/* --- a test --------------------------------------------------------------- */

static void
greeter_cb(evutil_socket_t fd, short what, void *arg)
{
	struct hooks *hs = arg;
	json_t *greeting = hs->greeting;

	(void)fd;
	(void)what;
	hs->greeting = NULL;
	hs->said(hs->said_ctx, greeting, true);
}

static void
test_hook(struct hooks *hs, const struct hook *h)
{
	struct alert a = { .kind = ALERT_TEST, .at_ms = clock_wall_ms() };
	struct facts f = new_arrays();
	json_t *events = json_array();

	snprintf(a.text, sizeof(a.text), "this is a test of the hook %s on "
	    "%.200s: nothing has happened", h->name, hs->host);
	json_array_append_new(events, new_alert(&a));
	start(hs, NULL, h->name, h->path, h->settings, &a, events, &f);
}

const char *
hooks_test(struct hooks *hs, const char *name, hooks_said_fn *said, void *ctx)
{
	static char wrong[1024];
	json_t *names, *complaints;
	size_t i;

	if (hs->testing > 0)
		return "a test is being made already: wait for its end";
	look_again(hs);
	arm(hs);
	names = json_array();
	for (i = 0; i < hs->count; i++) {
		if (name == NULL || strcmp(hs->v[i]->name, name) == 0)
			json_array_append_new(names,
			    new_text(hs->v[i]->name));
	}
	if (json_array_size(names) == 0) {
		json_decref(names);
		if (hs->conf->hooks[0] == '\0')
			return "no hooks are configured: hooks = \"\"";
		snprintf(wrong, sizeof(wrong), "there is no hook %.64s%sin "
		    "%.200s that can be run: %.600s",
		    name != NULL ? name : "", name != NULL ? " " : "",
		    hs->conf->hooks, hs->complaint_count > 0 ?
		    hs->complaints[0] : "put one there, see HOOKS in "
		    "mailbraked(8)");
		return wrong;
	}
	complaints = json_array();
	for (i = 0; name == NULL && i < hs->complaint_count; i++)
		json_array_append_new(complaints,
		    new_text(hs->complaints[i]));
	hs->said = said;
	hs->said_ctx = ctx;
	hs->testing = json_array_size(names);
	hs->greeting = json_pack("{s:o, s:o, s:I}", "hooks", names,
	    "complaints", complaints, "limit_ms",
	    (json_int_t)hs->conf->hooks_timeout_ms);
	event_active(hs->greeter, 0, 0);
	for (i = 0; i < hs->count; i++) {
		if (name == NULL || strcmp(hs->v[i]->name, name) == 0)
			test_hook(hs, hs->v[i]);
	}
	return NULL;
}

/* --- what others call ----------------------------------------------------- */

struct hooks *
hooks_new(struct event_base *base, struct board *board,
    const struct config *c, const char *host)
{
	struct hooks *hs = xcalloc(1, sizeof(*hs));

	hs->base = base;
	hs->board = board;
	hs->conf = c;
	hs->host = host;
	hs->alerts = alerts_new();
	LIST_INIT(&hs->runs);
	/* One of each, and a test of each: none waits for another. */
	if ((hs->children = children_new(base, 2 * HOOKS_MAX)) == NULL ||
	    (hs->timer = evtimer_new(base, timer_cb, hs)) == NULL ||
	    (hs->greeter = event_new(base, -1, 0, greeter_cb, hs)) == NULL)
		fatalx("cannot set up the event loop");
	look_again(hs);
	return hs;
}

void
hooks_configure(struct hooks *hs, const struct config *c)
{
	hs->conf = c;
	look_again(hs);
	arm(hs);
}

void
hooks_free(struct hooks *hs)
{
	uint64_t end, missing;
	struct run *run;
	char count[40];
	size_t i;

	if (hs == NULL)
		return;
	end = alerts_end(hs->alerts);
	children_free(hs->children);
	while ((run = LIST_FIRST(&hs->runs)) != NULL) {
		if (run->hook != NULL && run->hook->gone)
			hook_free(run->hook);
		run_free(run);
	}
	for (i = 0; i < hs->count; i++) {
		missing = end - hs->v[i]->line.next;
		if (missing > 0)
			log_warnx("hook %s: the daemon stops before it is "
			    "told of %s", hs->v[i]->name,
			    alerts_text(missing, count));
		hook_free(hs->v[i]);
	}
	for (i = 0; i < hs->complaint_count; i++)
		free(hs->complaints[i]);
	free(hs->complaints);
	json_decref(hs->greeting);
	event_free(hs->greeter);
	event_free(hs->timer);
	alerts_free(hs->alerts);
	free(hs);
}

void
hooks_event(struct hooks *hs, const struct board_event *e)
{
	hs->events = true;
	alerts_event(hs->alerts, e);
}

void
hooks_update(struct hooks *hs, const struct incident *current, int64_t now_ms)
{
	uint64_t before = alerts_end(hs->alerts);
	const struct view *view;
	int64_t mono_ms;
	size_t i;
	bool news;

	/* Many answers change nothing. */
	if (!hs->events && hs->looked_ms != 0 && now_ms >= hs->looked_ms &&
	    now_ms - hs->looked_ms < BOARD_BEAT_MS &&
	    hs->generation == board_generation(hs->board))
		return;
	hs->events = false;
	hs->looked_ms = now_ms;
	hs->generation = board_generation(hs->board);
	if (current != NULL)
		hs->incident = current->id;
	view = board_view_get(hs->board);
	news = alerts_update(hs->alerts, hs->board, view, current, now_ms);
	view_put(view);
	if (!news)
		return;
	mono_ms = clock_mono_ms();
	if (hs->window_ms == 0) {
		hs->window_ms = mono_ms + HOOK_GATHER_MS;
		hs->window_first = before;
	}
	for (i = 0; i < hs->count; i++)
		hook_line_news(&hs->v[i]->line, before, mono_ms);
	arm(hs);
}
