/*
 * process.c - being a daemon: detaching, privileges, telling the manager
 */
#include "base/process.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define GROUPS_MAX	64

static int ready_fd = -1;		/* a parent waits at the other end */

void
process_detach(void)
{
	int fds[2], null;
	pid_t pid;
	char c = 0;

	if (pipe(fds) == -1 || (pid = fork()) == -1)
		fatal("cannot go into the background");
	if (pid > 0) {
		close(fds[1]);
		while (read(fds[0], &c, 1) == -1) {
			if (errno != EINTR)
				_exit(1);
		}
		/* End of file leaves c alone: the child has ended. */
		_exit(c == '+' ? 0 : 1);
	}
	close(fds[0]);
	ready_fd = fds[1];
	(void)fcntl(ready_fd, F_SETFD, FD_CLOEXEC);
	setsid();
	if (chdir("/") == -1)
		log_warn("cannot change to /");
	if ((null = open("/dev/null", O_RDWR)) != -1) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		/* Standard error stays until all is well. */
		if (null > STDERR_FILENO)
			close(null);
	}
}

void
process_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len;
	int fd;

	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
	    (len = strlen(path)) >= sizeof(un.sun_path))
		return;
	memcpy(un.sun_path, path, len);
	if (path[0] == '@')
		un.sun_path[0] = '\0';	/* Linux's abstract name space */
	if ((fd = socket(AF_UNIX, SOCK_DGRAM, 0)) == -1)
		return;
	if (sendto(fd, state, strlen(state), MSG_DONTWAIT,
	    (struct sockaddr *)&un, (socklen_t)(offsetof(struct sockaddr_un,
	    sun_path) + len)) == -1)
		log_debug("cannot notify %s: %s", path, strerror(errno));
	close(fd);
}

void
process_ready(void)
{
	int null;

	process_notify("READY=1");
	if (ready_fd == -1)
		return;
	if (write(ready_fd, "+", 1) == -1)
		log_debug("nobody waits: %s", strerror(errno));
	close(ready_fd);
	ready_fd = -1;
	if ((null = open("/dev/null", O_RDWR)) != -1) {
		dup2(null, STDERR_FILENO);
		close(null);
	}
}

void
process_make_parent(const char *path, const char *user, unsigned int mode)
{
	char *copy = xstrdup(path), *dir = dirname(copy);
	struct passwd *pw = user != NULL ? getpwnam(user) : NULL;

	if (mkdir(dir, (mode_t)mode) == 0) {
		if (geteuid() == 0 && pw != NULL &&
		    chown(dir, pw->pw_uid, pw->pw_gid) == -1)
			log_warn("cannot give %s to %s", dir, user);
	} else if (errno != EEXIST) {
		log_warn("cannot create the directory %s", dir);
	}
	free(copy);
}

/* The groups that the user database gives, and one more. */
static bool
set_groups(const struct passwd *pw, const char *group)
{
	struct group *gr = getgrnam(group);
	gid_t groups[GROUPS_MAX];
	int count = GROUPS_MAX - 1;

	if (gr == NULL)
		return initgroups(pw->pw_name, pw->pw_gid) == 0;
	if (getgrouplist(pw->pw_name, pw->pw_gid, groups, &count) == -1)
		return false;
	groups[count++] = gr->gr_gid;
	return setgroups((size_t)count, groups) == 0;
}

void
process_drop_privileges(const char *user, bool must_exist, const char *group)
{
	struct passwd *pw;

	if (geteuid() != 0 || user[0] == '\0' || strcmp(user, "root") == 0)
		return;
	if ((pw = getpwnam(user)) == NULL && must_exist)
		fatalx("not started: there is no user \"%s\": create it "
		    "(useradd -r %s) or change user", user, user);
	if (pw == NULL) {
		log_warnx("there is no user \"%s\", so this goes on as root: "
		    "create it (useradd -r %s) or set user = \"...\"", user,
		    user);
		return;
	}
	if (!set_groups(pw, group) || setgid(pw->pw_gid) == -1 ||
	    setuid(pw->pw_uid) == -1)
		fatal("cannot become user %s", user);
	if (pw->pw_uid != 0 && setuid(0) != -1)
		fatalx("user %s could become root again", user);
}
