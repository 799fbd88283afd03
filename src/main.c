/*
 * main.c - mailbraked: start-up, reload, stop, and how the parts meet
 *
 * The main thread runs the event loop that owns all facts.  After each
 * change there is one order: states move, the view is published (from then
 * on mail is stopped), and only then log, Redis and disk are told.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/thread.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "conf/config_schema.h"
#include "daemon.h"
#include "front/maps.h"
#include "front/milter.h"
#include "store/incidents.h"
#include "watch/hostroute.h"

#define REDIS_GOODBYE_MS	500
#define NAMES_SHARE		8	/* one question in eight is for names */
#define STATE_GOODBYE_MS	10000

/* --- facts have changed ------------------------------------------------ */

static void
arm_tick(struct daemon *d, int64_t next_ms, int64_t now_ms)
{
	struct timeval tv;
	int64_t wait = next_ms - now_ms;

	if (next_ms == 0) {
		event_del(d->tick);
		return;
	}
	/* Not in one leap: the wall clock may be set meanwhile. */
	wait = wait < 1 ? 1 : wait > 60000 ? 60000 : wait;
	tv = (struct timeval){ wait / 1000, (wait % 1000) * 1000 };
	event_add(d->tick, &tv);
}

/* The time line, for all who look at it. */
void
daemon_show_event(struct daemon *d, const struct board_event *e)
{
	if (d->control != NULL)
		control_event(d->control, e);
	if (d->site != NULL)
		site_event(d->site, e);
}

static void
tell(struct daemon *d, const struct board_event *e)
{
	incidents_event(d->incidents, e);
	hooks_event(d->hooks, e);
	if (e->kind == EVENT_HEALTH || e->kind == EVENT_UNCONFIRMED)
		log_warnx("%s", e->text);
	else
		log_info("%s", e->text);
	daemon_show_event(d, e);
	if (d->redis != NULL)
		redis_put_event(d->redis, e);
}

/* What the state file keeps for the Redis store: while there is none, what
 * the last one said. */
static void
note_redis(struct daemon *d)
{
	if (d->redis != NULL) {
		free(d->redis_memory);
		d->redis_memory = redis_memory(d->redis);
	}
	statefile_keep(d->state, STATEFILE_STORE, d->redis_memory);
}

/* What became of new mail.  The maps are asked about each message more than
 * once, and about mail in the queue again and again: they do not count. */
static void
keep_incidents(struct daemon *d, int64_t now_ms, bool at_the_end)
{
	static const enum front_kind doors[] = { FRONT_MILTER, FRONT_POLICY };
	const struct policy *p = d->conf->policy;
	struct incident_counts counts = { 0 };
	char *text;
	size_t i;

	for (i = 0; i < sizeof(doors) / sizeof(doors[0]); i++) {
		struct front_stats *st = &front_stats[doors[i]];

		counts.refused += st->by_action[ACT_TEMPFAIL];
		counts.held += st->by_action[ACT_HOLD];
		counts.queued += st->by_action[ACT_QUEUE];
	}
	for (i = 0; i < p->egress_count; i++)
		counts.rerouted += p->egress[i].traffic->rerouted;
	if (!incidents_update(d->incidents, d->board, &counts, now_ms) &&
	    !at_the_end)
		return;
	text = incidents_write(d->incidents);
	statefile_keep(d->state, STATEFILE_INCIDENTS, text);
	free(text);
}

/* Somebody has set the clock: everything lasts as long as it would have. */
static void
follow_clock(struct daemon *d)
{
	int64_t step_ms = clock_step_ms();
	char text[DURATION_TEXT_MAX];

	if (step_ms == 0)
		return;
	clock_take(step_ms);
	board_clock_set(d->board, step_ms);
	if (d->redis != NULL)
		redis_clock_set(d->redis, step_ms);
	board_note(d->board, EVENT_NOTE, clock_wall_ms(), "the clock of this "
	    "host was set %s by %s: overrides and waits end as late as they "
	    "would have", step_ms > 0 ? "forward" : "back",
	    duration_text(llabs(step_ms), text));
}

void
daemon_settle(struct daemon *d)
{
	struct board_event e;
	int64_t now, next;

	/* Before all is put together, run() does it. */
	if (!d->whole)
		return;
	d->unsettled = false;
	follow_clock(d);
	now = clock_wall_ms();
	next = board_tick(d->board, now);
	board_publish(d->board);
	ways_update(d->ways, now);
	while (board_next_event(d->board, &e))
		tell(d, &e);
	keep_incidents(d, now, false);
	hooks_update(d->hooks, incidents_current(d->incidents), now);
	if (d->redis != NULL)
		redis_put_board(d->redis, d->board, now);
	note_redis(d);
	statefile_save(d->state, d->board);
	arm_tick(d, next, now);
}

/* For what comes in thousands: once, when all that is at hand is read. */
void
daemon_settle_soon(struct daemon *d)
{
	d->unsettled = true;
	event_active(d->soon, 0, 0);
}

static void
settle_cb(void *ctx)
{
	daemon_settle_soon(ctx);
}

static void
tick_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	daemon_settle(arg);
}

/* --- the ways out ------------------------------------------------------ */

static void
ways_cb(void *ctx, const char *text)
{
	struct daemon *d = ctx;

	if (text != NULL)
		board_note(d->board, EVENT_QUEUE, clock_wall_ms(), "%s",
		    text);
	daemon_settle_soon(d);
}

/* --- who watches ------------------------------------------------------- */

static void
start_watching(struct daemon *d)
{
	const struct config *c = d->conf;
	struct checker_conf cc = { .interval_ms = c->interval_ms,
	    .confirm_delay_ms = c->confirm_delay_ms,
	    .share = c->has_redis && c->redis_share ? d->share : NULL,
	    .resolver = { .servers = c->resolvers,
	    .server_count = c->resolver_count, .timeout_ms = c->timeout_ms,
	    .tries = c->tries, .parallel = c->parallel } };
	struct resolver_conf names = cc.resolver;
	const char *why;

	/* What may be in flight is meant for all questions together. */
	names.parallel = c->parallel < NAMES_SHARE ? 1 :
	    c->parallel / NAMES_SHARE;
	share_configure(d->share, d->board, c->interval_ms);
	if (cc.resolver.parallel > names.parallel)
		cc.resolver.parallel -= names.parallel;
	d->checker = checker_new(d->base, d->board, &cc, settle_cb, d, &why);
	if (d->checker == NULL) {
		log_warnx("nothing is checked: %s", why);
		return;
	}
	d->identity = identity_new(d->base, c->policy, &names,
	    settle_cb, d, &why);
}

static void
stop_watching(struct daemon *d)
{
	checker_free(d->checker);
	d->checker = NULL;
	identity_free(d->identity);
	d->identity = NULL;
}

/* --- configuration ----------------------------------------------------- */

/* The whole configuration, or NULL with everything that is wrong in errs. */
static struct config *
load(const char *path, const struct config *old, struct errors *errs)
{
	struct addr found[2 * HOSTROUTE_MAX];
	struct config *c = config_load(path, errs);
	const struct egress *was;
	size_t i, k, count, now;

	if (c != NULL && c->redis_tls && !redis_tls_available()) {
		struct position at = { c->file, 0 };

		errors_add(errs, &at, "redis.tls: this mailbraked was built "
		    "without TLS");
		config_free(c);
		return NULL;
	}
	if (c == NULL || c->egress_given)
		return c;
	now = count = hostroute_addresses(found);
	was = old != NULL && !old->egress_given ? old->policy->egress : NULL;
	/* A route that is away for a while takes no address, and with it no
	 * listing, from us: what was known of a family stays until another
	 * address of that family is found. */
	for (i = 0; was != NULL && i < was->addr_count &&
	    i < HOSTROUTE_MAX; i++) {
		for (k = 0; k < now; k++) {
			if (found[k].family == was->addrs[i].family)
				break;
		}
		if (k == now)
			found[count++] = was->addrs[i];
	}
	config_set_host_egress(c, found, count, errs);
	return c;
}

static void
log_errors(const struct errors *errs)
{
	size_t i;

	for (i = 0; i < errs->count; i++)
		log_warnx("%s", errs->lines[i]);
}

static void
warn_unchanged(const struct config *old, const struct config *new)
{
	if (!endpoint_same(&old->milter, &new->milter) ||
	    !endpoint_same(&old->policy_service, &new->policy_service) ||
	    !endpoint_same(&old->socketmap, &new->socketmap) ||
	    !endpoint_same(&old->control, &new->control) ||
	    !endpoint_same(&old->http, &new->http) ||
	    !text_same(old->socket_group, new->socket_group))
		log_warnx("listen has changed: that takes a restart");
	if (strcmp(old->state_file, new->state_file) != 0)
		log_warnx("state_file has changed: that takes a restart");
}

/* The old configuration stays until the new one is whole. */
bool
daemon_reload(struct daemon *d, char **said)
{
	struct errors errs = { 0 };
	struct config *new, *old = d->conf;
	bool redis_changed;
	size_t i;

	process_notify("RELOADING=1");
	new = load(old->file, old, &errs);
	log_errors(&errs);
	if (said != NULL) {
		*said = xstrdup("");
		for (i = 0; i < errs.count; i++) {
			char *more = xasprintf("%s%s%s", *said,
			    i > 0 ? "\n" : "", errs.lines[i]);

			free(*said);
			*said = more;
		}
	}
	if (new == NULL) {
		log_warnx("%s is not used, the old configuration goes on: "
		    "%zu error%s, see above", old->file, errs.error_count,
		    errs.error_count == 1 ? "" : "s");
		errors_free(&errs);
		process_notify("READY=1");
		return false;
	}
	errors_free(&errs);
	warn_unchanged(old, new);
	redis_changed = !daemon_same_redis(old, new);
	stop_watching(d);
	d->conf = new;
	board_set_policy(d->board, new->policy, clock_wall_ms());
	if (redis_changed && d->redis != NULL) {
		redis_finish(d->redis, REDIS_GOODBYE_MS);
		note_redis(d);
		redis_free(d->redis);
		misread_clear(&d->misreads);
		d->redis = NULL;
	}
	ways_configure(d->ways, new);
	hooks_configure(d->hooks, new);
	config_free(old);
	if (redis_changed)
		daemon_start_redis(d);
	else if (d->redis != NULL)
		redis_set_config(d->redis, policy_rules_hash(new->policy));
	start_watching(d);
	daemon_settle(d);
	log_info("%s read again: %zu egress%s, %zu lists", new->file,
	    new->policy->egress_count,
	    new->policy->egress_count == 1 ? "" : "es",
	    new->policy->list_count);
	process_notify("READY=1");
	return true;
}

/* At boot the network may come after us. */
static void
route_cb(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	struct addr found[HOSTROUTE_MAX];
	const struct egress *e = d->conf->policy->egress;
	size_t i, known = 0, count;

	(void)fd;
	(void)what;
	if (d->conf->egress_given)
		return;
	count = hostroute_addresses(found);
	for (i = 0; i < count; i++) {
		if (addr_scope(&found[i]) != ADDR_GLOBAL)
			known++;	/* not watched anyhow */
		else if (e->addr_count > 0 &&
		    (addr_cmp(&e->addrs[0], &found[i]) == 0 ||
		    (e->addr_count > 1 &&
		    addr_cmp(&e->addrs[1], &found[i]) == 0)))
			known++;
	}
	if (known == count)
		return;
	log_info("this host sends from another address now: reading the "
	    "configuration again");
	daemon_reload(d, NULL);
}

/* --- signals ----------------------------------------------------------- */

static void
stop_cb(evutil_socket_t sig, short what, void *arg)
{
	struct daemon *d = arg;

	(void)what;
	log_info("stopping: %s", sig == SIGTERM ? "SIGTERM" : "SIGINT");
	process_notify("STOPPING=1");
	event_base_loopbreak(d->base);
}

static void
reload_cb(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	log_info("SIGHUP: reading the configuration again");
	daemon_reload(arg, NULL);
}

/* Only this thread takes them, and only from here on: those that were
 * started before have them blocked, libmilter's too. */
static void
take_signals(struct daemon *d)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < 3; i++) {
		d->signals[i] = evsignal_new(d->base, numbers[i],
		    numbers[i] == SIGHUP ? reload_cb : stop_cb, d);
		if (d->signals[i] == NULL ||
		    event_add(d->signals[i], NULL) == -1)
			fatalx("cannot set up signals");
		sigaddset(&set, numbers[i]);
	}
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void
block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* --- start ------------------------------------------------------------- */

static void
libevent_log_cb(int severity, const char *text)
{
	if (severity >= EVENT_LOG_WARN)
		log_warnx("libevent: %s", text);
}

static size_t
map_cb(void *ctx, const char *name, const char *key, size_t key_len,
    char *answer, size_t size)
{
	return maps_answer(ctx, name, key, key_len, answer, size);
}

static void
start_fronts(struct daemon *d)
{
	const struct config *c = d->conf;
	struct control_ops mine = daemon_ops;

	mine.host = d->host;
	mine.started_ms = d->started_ms;
	mine.config_file = c->file;
	if (c->control.kind != ENDPOINT_NONE &&
	    (d->control = control_start(d->base, d->board, &c->control,
	    &mine, d)) == NULL)
		fatalx("not started: the control socket cannot be opened");
	if (c->policy_service.kind != ENDPOINT_NONE) {
		d->policy = policy_server_start(d->board, &c->policy_service,
		    c->socket_group);
		if (d->policy == NULL)
			fatalx("not started: the policy socket cannot be "
			    "opened");
		endpoint_text(&c->policy_service, d->where[FRONT_POLICY]);
	}
	if (c->socketmap.kind != ENDPOINT_NONE) {
		d->socketmap = socketmap_start(&c->socketmap,
		    c->socket_group, map_cb, d->board);
		if (d->socketmap == NULL)
			fatalx("not started: the socketmap socket cannot be "
			    "opened");
		endpoint_text(&c->socketmap, d->where[FRONT_SOCKETMAP]);
	}
	if (c->milter.kind != ENDPOINT_NONE) {
		if (!milter_start(d->board, &c->milter, c->socket_group))
			fatalx("not started: the milter socket cannot be "
			    "opened");
		d->milter_runs = true;
		endpoint_text(&c->milter, d->where[FRONT_MILTER]);
	}
	/* Mail is braked without it: no reason not to start. */
	if (c->http.kind != ENDPOINT_NONE && (d->site = site_start(d->base,
	    d->board, &c->http, &mine, d)) == NULL)
		log_warnx("there is no status page and there are no metrics");
}

/* A connection a mail; libmilter spins when there are no descriptors left. */
static void
raise_limits(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
			log_warn("cannot raise the number of descriptors");
	}
}

static void
make_directories(const struct config *c)
{
	const struct endpoint *e[] = { &c->milter, &c->policy_service,
	    &c->socketmap, &c->control, &c->http };
	size_t i;

	for (i = 0; i < sizeof(e) / sizeof(e[0]); i++) {
		if (e[i]->kind == ENDPOINT_UNIX && strncmp(e[i]->path,
		    DEFAULT_RUN_DIR "/", strlen(DEFAULT_RUN_DIR "/")) == 0)
			process_make_parent(e[i]->path, c->user, 0755);
	}
	if (c->state_file[0] != '\0')
		process_make_parent(c->state_file, c->user, 0750);
}

static void
start_store(struct daemon *d)
{
	const struct config *c = d->conf;
	char *parts[STATEFILE_PARTS] = { NULL };
	const char *why;

	if (c->state_file[0] != '\0') {
		if ((d->state = statefile_open(c->state_file, &why)) == NULL)
			fatalx("not started: %s: %s", c->state_file, why);
		statefile_load(c->state_file, d->board, clock_wall_ms(),
		    parts);
	}
	d->redis_memory = parts[STATEFILE_STORE];
	d->incidents = incidents_new();
	if (parts[STATEFILE_INCIDENTS] != NULL &&
	    !incidents_read(d->incidents, parts[STATEFILE_INCIDENTS]))
		log_warnx("state file %s: the incidents in it cannot be "
		    "used: the book begins anew", c->state_file);
	free(parts[STATEFILE_INCIDENTS]);
	daemon_start_redis(d);
}

static void
say_hello(const struct daemon *d)
{
	const struct policy *p = d->conf->policy;
	char text[ADDR_TEXT_MAX], line[400];
	size_t i, j, len;

	log_info("mailbraked %s: %s mode, %zu lists", PACKAGE_VERSION,
	    p->mode == MODE_OBSERVE ? "observe" : "enforce", p->list_count);
	for (i = 0; i < p->egress_count; i++) {
		const struct egress *e = &p->egress[i];

		line[0] = '\0';
		for (j = 0, len = 0; j < e->addr_count &&
		    len < sizeof(line) - ADDR_TEXT_MAX - 2; j++)
			len += (size_t)snprintf(line + len,
			    sizeof(line) - len, " %s",
			    addr_text(&e->addrs[j], text));
		log_info("egress %s:%s: %s", e->name, e->addr_count > 0 ?
		    line : " no address to watch",
		    state_name(board_standing(d->board, i)->state));
	}
}

static void
run(struct daemon *d)
{
	int64_t now = clock_wall_ms();

	d->started_ms = now;
	d->board = board_new(d->conf->policy, now);
	d->share = share_new(d->host);
	start_store(d);
	daemon_hear_redis(d);
	d->ways = ways_new(d->base, d->board, d->conf, ways_cb, d);
	d->hooks = hooks_new(d->base, d->board, d->conf, d->host);
	d->whole = true;
	daemon_settle(d);
	start_fronts(d);
	start_watching(d);
	take_signals(d);
	say_hello(d);
	log_started();
	process_ready();
	event_base_dispatch(d->base);
}

static void
finish(struct daemon *d)
{
	size_t i;

	if (d->milter_runs)
		milter_stop();
	if (d->policy != NULL)
		policy_server_stop(d->policy);
	socketmap_stop(d->socketmap);
	control_stop(d->control);
	d->control = NULL;
	site_stop(d->site);
	d->site = NULL;
	stop_watching(d);
	ways_free(d->ways);
	hooks_free(d->hooks);
	keep_incidents(d, clock_wall_ms(), true);
	statefile_save(d->state, d->board);
	if (d->redis != NULL)
		redis_finish(d->redis, REDIS_GOODBYE_MS);
	note_redis(d);
	statefile_save(d->state, d->board);
	redis_free(d->redis);
	share_free(d->share);
	misread_clear(&d->misreads);
	free(d->redis_memory);
	free(d->fleet);
	statefile_close(d->state, STATE_GOODBYE_MS);
	for (i = 0; i < 3; i++)
		event_free(d->signals[i]);
	event_free(d->tick);
	event_free(d->beat);
	event_free(d->soon);
	event_free(d->route);
	event_base_free(d->base);
	board_free(d->board);
	config_free(d->conf);
	log_info("stopped");
}

static void
usage(FILE *out)
{
	fprintf(out,
	    "usage: mailbraked [-ftv] [-c FILE]\n"
	    "\n"
	    "Stops outbound mail of an address that is on a blocklist.\n"
	    "\n"
	    "  -c FILE        configuration (default %s)\n"
	    "  -f             stay in the foreground, log to standard error\n"
	    "  -t             test the configuration and exit: 0 good, 1 not\n"
	    "  -v             log debug lines too\n"
	    "  -h, --help     this text\n"
	    "  -V, --version  the version\n"
	    "\n"
	    "See mailbraked(8) and mailbrake.conf(5).\n", DEFAULT_CONFIG);
}

static int
test_config(const char *path)
{
	struct errors errs = { 0 };
	struct config *c = load(path, NULL, &errs);
	size_t i;

	for (i = 0; i < errs.count; i++)
		fprintf(stderr, "%s%s\n", errs.warning[i] ? "warning: " : "",
		    errs.lines[i]);
	if (c == NULL)
		fprintf(stderr, "%s: %zu error%s\n", path, errs.error_count,
		    errs.error_count == 1 ? "" : "s");
	else
		printf("%s: the configuration is good: %zu egress%s, %zu "
		    "lists\n", path, c->policy->egress_count,
		    c->policy->egress_count == 1 ? "" : "es",
		    c->policy->list_count);
	errors_free(&errs);
	config_free(c);
	return c == NULL;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 }
	};
	static const struct timeval route_every = { 30, 0 };
	static const struct timeval beat_every = { BOARD_BEAT_MS / 1000, 0 };
	static struct daemon d;	/* outlived by libmilter's threads */
	struct errors errs = { 0 };
	bool foreground = false, test = false, verbose = false;
	const char *path = DEFAULT_CONFIG;
	char *absolute = NULL;
	int ch;

	while ((ch = getopt_long(argc, argv, "c:fhtvV", longs, NULL)) != -1) {
		switch (ch) {
		case 'c':
			path = optarg;
			break;
		case 'f':
			foreground = true;
			break;
		case 't':
			test = true;
			break;
		case 'v':
			verbose = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			printf("mailbraked %s\n", PACKAGE_VERSION);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind != argc) {
		usage(stderr);
		return 2;
	}
	if (test)
		return test_config(path);

	/* A reload must find the file from wherever it is done. */
	if (path[0] != '/' && (absolute = getcwd(NULL, 0)) != NULL) {
		char *whole = xasprintf("%s/%s", absolute, path);

		free(absolute);
		path = absolute = whole;
	}
	if ((d.conf = load(path, NULL, &errs)) == NULL) {
		size_t i;

		for (i = 0; i < errs.count; i++)
			fprintf(stderr, "mailbraked: %s\n", errs.lines[i]);
		fprintf(stderr, "mailbraked: not started: %zu error%s in the "
		    "configuration\n", errs.error_count,
		    errs.error_count == 1 ? "" : "s");
		errors_free(&errs);
		free(absolute);
		return 1;
	}
	if (!foreground)
		process_detach();
	log_init("mailbraked", foreground, verbose);
	log_errors(&errs);
	errors_free(&errs);
	if (gethostname(d.host, sizeof(d.host) - 1) == -1)
		strcpy(d.host, "localhost");
	umask(022);
	raise_limits();
	make_directories(d.conf);
	process_drop_privileges(d.conf->user, d.conf->user_given,
	    d.conf->socket_group != NULL ? d.conf->socket_group : "postfix");
	block_signals();
	event_set_log_callback(libevent_log_cb);
	if (evthread_use_pthreads() == -1 ||
	    (d.base = event_base_new()) == NULL ||
	    (d.tick = evtimer_new(d.base, tick_cb, &d)) == NULL ||
	    (d.soon = event_new(d.base, -1, 0, tick_cb, &d)) == NULL ||
	    (d.beat = event_new(d.base, -1, EV_PERSIST, tick_cb, &d)) ==
	    NULL || event_add(d.beat, &beat_every) == -1 ||
	    (d.route = event_new(d.base, -1, EV_PERSIST, route_cb, &d)) ==
	    NULL || event_add(d.route, &route_every) == -1)
		fatalx("cannot set up the event loop");
	run(&d);
	finish(&d);
	free(absolute);
	return 0;
}
