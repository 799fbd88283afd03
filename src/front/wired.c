/*
 * wired.c - does Postfix on this host ask what it should ask?
 */
#include "front/wired.h"

#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <event2/event.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "watch/hostroute.h"

#define LOOK_EVERY_S	5	/* whether the files have changed */
#define READ_EVERY_MS	600000LL	/* in any case: they include others */
#define TIMEOUT_MS	20000
#define OUTPUT_MAX	(1 << 20)

/* What is asked of postconf(1), one after the other. */
enum part {
	PART_SERVICES,
	PART_OVERRIDES,
	PART_SETTINGS,
	PARTS
};

static const char *const options[PARTS] = { "-M", "-Px", "-x" };

struct wired {
	struct children		*children;
	struct event		*timer;
	wired_fn		*changed;
	void			*ctx;
	char			 postconf[256];
	char			*config_directory;	/* "" the default */

	struct child		*child;		/* the one that runs */
	enum part		 part;
	char			*output[PARTS];

	char			*files;		/* where main.cf is; NULL: not
						 * known yet */
	struct timespec		 main_time, master_time;	/* last read */
	int64_t			 read_ms;	/* monotonic */

	struct policy		*policy;	/* of want and of what was
						 * found; referenced */
	struct wiring_want	 want;
	char			*gate_file;
	struct wiring_findings	 found;
	bool			 looked;
	char			 error[CHILD_TEXT_MAX];
};

static void	 look(struct wired *);

static void
forget_output(struct wired *w)
{
	int i;

	for (i = 0; i < PARTS; i++) {
		free(w->output[i]);
		w->output[i] = NULL;
	}
}

static bool
same_findings(const struct wiring_findings *a,
    const struct wiring_findings *b)
{
	size_t i;

	if (a->count != b->count)
		return false;
	for (i = 0; i < a->count; i++) {
		if (a->v[i].state != b->v[i].state ||
		    strcmp(a->v[i].text, b->v[i].text) != 0)
			return false;
	}
	return true;
}

/* What is wrong is said once in the log, and stays in status. */
static void
say_bad(const struct wiring_findings *now)
{
	size_t i;

	for (i = 0; i < now->count; i++) {
		if (now->v[i].state == WIRING_MISSING ||
		    now->v[i].state == WIRING_WRONG)
			log_warnx("Postfix: %s%s%s", now->v[i].text,
			    now->v[i].mend != NULL ? " " : "",
			    now->v[i].mend != NULL ? now->v[i].mend : "");
	}
}

/* No gate anywhere is a choice, and one line of status is enough for it. */
static bool
any_gate(const struct wiring_findings *f)
{
	size_t i;

	for (i = 0; i < f->count; i++) {
		if (f->v[i].point == WIRING_GATE &&
		    f->v[i].state == WIRING_OK)
			return true;
	}
	return false;
}

static void
take(struct wired *w)
{
	struct wiring *wiring = wiring_parse(w->output[PART_SERVICES],
	    w->output[PART_OVERRIDES], w->output[PART_SETTINGS]);
	struct wiring_findings now = { 0 };
	bool changed;

	wiring_check(wiring, &w->want, &now);
	free(w->files);
	w->files = xstrdup(wiring_main(wiring, "config_directory"));
	wiring_free(wiring);
	changed = !w->looked || !same_findings(&now, &w->found);
	if (changed && any_gate(&now))
		say_bad(&now);
	wiring_findings_free(&w->found);
	w->found = now;
	w->looked = true;
	w->error[0] = '\0';
	if (changed)
		w->changed(w->ctx);
}

static void
next(struct wired *w)
{
	static const struct timeval every = { LOOK_EVERY_S, 0 };

	forget_output(w);
	evtimer_add(w->timer, &every);
}

static void
failed(struct wired *w, const struct child_result *r)
{
	bool news = w->error[0] == '\0';

	child_text(r, w->error);
	if (news) {
		log_warnx("Postfix's configuration cannot be read: %s",
		    w->error);
		w->changed(w->ctx);
	}
	next(w);
}

static void
done_cb(void *ctx, const struct child_result *r)
{
	struct wired *w = ctx;

	w->child = NULL;
	if (!child_good(r) || r->cut) {
		failed(w, r);
		return;
	}
	w->output[w->part] = xstrdup(r->out);
	if (++w->part < PARTS) {
		look(w);
		return;
	}
	take(w);
	next(w);
}

/* When a file was changed last; all zero if that cannot be told. */
static struct timespec
file_time(const struct wired *w, const char *name)
{
	struct timespec none = { 0 };
	struct stat st;
	char path[512];

	if (w->files == NULL || (size_t)snprintf(path, sizeof(path), "%s/%s",
	    w->files, name) >= sizeof(path) || stat(path, &st) == -1)
		return none;
	return st.st_mtim;
}

static bool
same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* True if there may be something new to read. */
static bool
has_changed(struct wired *w)
{
	struct timespec main_time = file_time(w, "main.cf");
	struct timespec master_time = file_time(w, "master.cf");
	int64_t now_ms = clock_mono_ms();

	if (w->files != NULL && same_time(main_time, w->main_time) &&
	    same_time(master_time, w->master_time) &&
	    now_ms - w->read_ms < READ_EVERY_MS)
		return false;
	w->main_time = main_time;
	w->master_time = master_time;
	w->read_ms = now_ms;
	return true;
}

/* Runs postconf for the part that is due. */
static void
look(struct wired *w)
{
	const char *argv[5], **arg = argv;
	struct child_spec spec = { .argv = argv, .timeout_ms = TIMEOUT_MS,
	    .output_max = OUTPUT_MAX };

	*arg++ = w->postconf;
	if (w->config_directory[0] != '\0') {
		*arg++ = "-c";
		*arg++ = w->config_directory;
	}
	*arg++ = options[w->part];
	*arg = NULL;
	w->child = child_run(w->children, &spec, done_cb, w);
}

static void
timer_cb(evutil_socket_t fd, short what, void *ctx)
{
	struct wired *w = ctx;

	(void)fd;
	(void)what;
	if (!has_changed(w)) {
		next(w);
		return;
	}
	w->part = PART_SERVICES;
	look(w);
}

struct wired *
wired_new(struct event_base *base, struct children *children,
    wired_fn *changed, void *ctx)
{
	struct wired *w = xcalloc(1, sizeof(*w));

	w->children = children;
	w->changed = changed;
	w->ctx = ctx;
	w->config_directory = xstrdup("");
	if (!child_find("postconf", w->postconf, sizeof(w->postconf)) ||
	    (w->timer = evtimer_new(base, timer_cb, w)) == NULL) {
		wired_free(w);
		return NULL;
	}
	return w;
}

static void
forget_want(struct wired *w)
{
	/* What was found points into the policy. */
	wiring_findings_free(&w->found);
	w->found = (struct wiring_findings){ 0 };
	w->looked = false;
	policy_unref(w->policy);
	w->policy = NULL;
	free(w->gate_file);
	w->gate_file = NULL;
	free((void *)(uintptr_t)w->want.host_addrs);
	w->want = (struct wiring_want){ 0 };
}

void
wired_free(struct wired *w)
{
	if (w == NULL)
		return;
	if (w->child != NULL)
		child_cancel(w->child);
	if (w->timer != NULL)
		event_free(w->timer);
	forget_output(w);
	forget_want(w);
	free(w->config_directory);
	free(w->files);
	free(w);
}

void
wired_want(struct wired *w, const struct config *c)
{
	struct addr *addrs;

	if (w == NULL)
		return;
	if (w->child != NULL)
		child_cancel(w->child);
	w->child = NULL;
	evtimer_del(w->timer);
	forget_output(w);
	forget_want(w);
	w->policy = policy_ref(c->policy);
	w->gate_file = xstrdup(c->gate_file);
	addrs = xcalloc(HOSTROUTE_MAX, sizeof(*addrs));
	w->want = (struct wiring_want){ .policy = w->policy,
	    .gate_file = w->gate_file, .milter = c->milter,
	    .policy_service = c->policy_service, .socketmap = c->socketmap,
	    .host_addrs = addrs,
	    .host_addr_count = hostroute_addresses(addrs) };
	free(w->config_directory);
	w->config_directory = xstrdup(c->postfix_config);
	w->part = PART_SERVICES;
	look(w);
}

const struct wiring_findings *
wired_findings(const struct wired *w)
{
	return w != NULL && w->looked ? &w->found : NULL;
}

const char *
wired_error(const struct wired *w)
{
	return w != NULL ? w->error : "";
}

bool
wired_gated(const struct wired *w, const char *egress, bool *by_file)
{
	bool asked = false;
	size_t i;

	*by_file = false;
	if (w == NULL || !w->looked)
		return false;
	for (i = 0; i < w->found.count; i++) {
		const struct wiring_finding *f = &w->found.v[i];

		if (f->egress == NULL || !text_same(f->egress, egress) ||
		    (f->point != WIRING_GATE && f->point != WIRING_OTHERS))
			continue;
		if (f->state == WIRING_MISSING || f->state == WIRING_WRONG)
			return false;
		if (f->by_file)
			*by_file = true;
		if (f->point == WIRING_GATE && f->state == WIRING_OK)
			asked = true;
	}
	return asked;
}
