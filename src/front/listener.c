/*
 * listener.c - sockets that the front ends listen on
 *
 * Most of this file is about saying what is wrong: a daemon that cannot
 * open its socket at boot is met by somebody in a hurry.
 */
#include "front/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define BACKLOG		1024
#define SAY_EVERY_MS	60000

/* Out of descriptors, another try is due this much later. */
static const struct timeval REST = { 0, 500000 };

struct listener {
	struct evconnlistener	*lev;
	struct event		*wake;
	evconnlistener_cb	 cb;
	void			*ctx;
	bool			 paused;
	bool			 resting;
	int64_t			 said_ms;	/* monotonic; 0 never */
};

/* The part of a path before the last slash, for messages. */
static char *
directory(const char *path)
{
	char *dir = xstrdup(path), *slash = strrchr(dir, '/');

	if (slash != NULL)
		slash[slash == dir ? 1 : 0] = '\0';
	return dir;
}

/* Why bind() failed, and what to do about it. */
static void
log_bind_failure(const struct endpoint *e, const char *what)
{
	char text[ENDPOINT_TEXT_MAX], *dir;
	int saved = errno;

	endpoint_text(e, text);
	dir = directory(e->path);
	if (e->kind == ENDPOINT_UNIX && saved == ENOENT)
		log_warnx("%s socket %s: directory %s does not exist: "
		    "create it or change listen.%s", what, text, dir, what);
	else if (e->kind == ENDPOINT_UNIX && saved == ENOTDIR)
		log_warnx("%s socket %s: %s is not a directory: "
		    "change listen.%s", what, text, dir, what);
	else if (e->kind == ENDPOINT_UNIX && saved == EACCES)
		log_warnx("%s socket %s: user id %d may not create files in "
		    "%s: make it that user's or change listen.%s",
		    what, text, (int)geteuid(), dir, what);
	else if (e->kind == ENDPOINT_UNIX && saved == EROFS)
		log_warnx("%s socket %s: %s is on a read-only file system: "
		    "change listen.%s", what, text, dir, what);
	else if (saved == EADDRINUSE)
		log_warnx("%s socket %s: another program listens there: stop "
		    "it (a second mailbraked?) or change listen.%s",
		    what, text, what);
	else if (saved == EADDRNOTAVAIL)
		log_warnx("%s socket %s: this host does not have that "
		    "address: change listen.%s", what, text, what);
	else if (e->kind == ENDPOINT_INET && saved == EACCES)
		log_warnx("%s socket %s: ports below 1024 need root: "
		    "change listen.%s", what, text, what);
	else
		log_warn("%s socket %s: cannot listen", what, text);
	free(dir);
	errno = saved;
}

/*
 * Removes a socket file that was left behind.  False, and a line logged,
 * if the path is taken: only a refused connection proves that nobody
 * listens there any more.
 */
static bool
clear_path(const struct endpoint *e, const char *what)
{
	char text[ENDPOINT_TEXT_MAX];
	struct sockaddr_storage ss;
	struct stat st;
	socklen_t len;
	int fd, error;

	/* What else may be wrong with the path, bind() tells better. */
	if (lstat(e->path, &st) == -1)
		return true;
	endpoint_text(e, text);
	if (!S_ISSOCK(st.st_mode)) {
		log_warnx("%s socket %s: there is a file of that name that is "
		    "no socket: remove it or change listen.%s",
		    what, text, what);
		errno = EEXIST;
		return false;
	}
	len = endpoint_sockaddr(e, &ss);
	if ((fd = socket(AF_UNIX, SOCK_STREAM, 0)) == -1) {
		log_warn("%s socket %s: no socket", what, text);
		return false;
	}
	/* A full backlog must not make us wait; it is an answer too. */
	fcntl(fd, F_SETFL, O_NONBLOCK);
	error = connect(fd, (struct sockaddr *)&ss, len) == -1 ? errno : 0;
	close(fd);
	if (error == ECONNREFUSED) {
		if (unlink(e->path) == -1 && errno != ENOENT) {
			log_warn("%s socket %s: an old socket that nobody "
			    "listens on cannot be removed", what, text);
			return false;
		}
		return true;
	}
	if (error == ENOENT)
		return true;
	if (error == 0 || error == EAGAIN || error == EINPROGRESS) {
		log_warnx("%s socket %s: another program listens there: stop "
		    "it (a second mailbraked?) or change listen.%s",
		    what, text, what);
		errno = EADDRINUSE;
		return false;
	}
	errno = error;
	log_warn("%s socket %s: cannot tell whether another program listens "
	    "there: remove the file if not, or change listen.%s",
	    what, text, what);
	return false;
}

int
listener_socket(const struct endpoint *e, const char *what)
{
	char text[ENDPOINT_TEXT_MAX];
	struct sockaddr_storage ss;
	socklen_t len;
	int fd, saved, on = 1;

	if (e->kind == ENDPOINT_UNIX && !clear_path(e, what))
		return -1;
	len = endpoint_sockaddr(e, &ss);
	if ((fd = socket(ss.ss_family, SOCK_STREAM, 0)) == -1) {
		saved = errno;
		log_warn("%s socket %s: no socket", what,
		    endpoint_text(e, text));
		errno = saved;
		return -1;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (e->kind == ENDPOINT_INET)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* "::" is to mean the same whatever the system's default is. */
	if (ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&ss, len) == -1 ||
	    listen(fd, BACKLOG) == -1) {
		log_bind_failure(e, what);
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

void
listener_permit(const struct endpoint *e, const char *group, const char *what)
{
	char text[ENDPOINT_TEXT_MAX];
	const char *name = group != NULL ? group : "postfix";
	struct group *gr;

	if (e->kind != ENDPOINT_UNIX)
		return;
	endpoint_text(e, text);
	errno = 0;
	if ((gr = getgrnam(name)) == NULL)
		log_warnx("%s socket %s: there is no group %s: any local user "
		    "may connect; set listen.group", what, text, name);
	else if (chown(e->path, (uid_t)-1, gr->gr_gid) == -1)
		log_warn("%s socket %s: any local user may connect, for it "
		    "cannot be given to group %s", what, text, name);
	else if (chmod(e->path, 0660) == -1)
		log_warn("%s socket %s: cannot set its mode", what, text);
	else
		return;
	if (chmod(e->path, 0666) == -1)
		log_warn("%s socket %s: cannot set its mode", what, text);
}

static void
settle(struct listener *l)
{
	if (l->paused || l->resting)
		evconnlistener_disable(l->lev);
	else
		evconnlistener_enable(l->lev);
}

static void
accept_cb(struct evconnlistener *lev, evutil_socket_t fd,
    struct sockaddr *sa, int len, void *ctx)
{
	struct listener *l = ctx;

	l->cb(lev, fd, sa, len, l->ctx);	/* may free l */
}

static void
wake_cb(evutil_socket_t fd, short events, void *ctx)
{
	struct listener *l = ctx;

	(void)fd;
	(void)events;
	l->resting = false;
	settle(l);
}

/* Without this, libevent reports the failure as fast as it can, for the
 * connection that could not be taken goes on being announced. */
static void
error_cb(struct evconnlistener *lev, void *ctx)
{
	struct listener *l = ctx;
	int64_t now_ms = clock_mono_ms();

	(void)lev;
	if (l->said_ms == 0 || now_ms - l->said_ms >= SAY_EVERY_MS) {
		l->said_ms = now_ms;
		log_warn("new connections have to wait");
	}
	l->resting = true;
	settle(l);
	evtimer_add(l->wake, &REST);
}

struct listener *
listener_new(struct event_base *base, int fd, evconnlistener_cb cb, void *ctx)
{
	struct listener *l = xcalloc(1, sizeof(*l));

	l->cb = cb;
	l->ctx = ctx;
	l->wake = evtimer_new(base, wake_cb, l);
	l->lev = evconnlistener_new(base, accept_cb, l,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (l->wake == NULL || l->lev == NULL) {
		if (l->lev == NULL)
			close(fd);
		listener_free(l);
		return NULL;
	}
	evconnlistener_set_error_cb(l->lev, error_cb);
	return l;
}

void
listener_free(struct listener *l)
{
	if (l == NULL)
		return;
	if (l->lev != NULL)
		evconnlistener_free(l->lev);
	if (l->wake != NULL)
		event_free(l->wake);
	free(l);
}

void
listener_pause(struct listener *l)
{
	l->paused = true;
	settle(l);
}

void
listener_resume(struct listener *l)
{
	l->paused = false;
	settle(l);
}
