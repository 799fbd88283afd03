/*
 * watch.c - the status again and again, in one place
 */
#include "ctl/watch.h"

#include <sys/ioctl.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/ctl.h"
#include "ctl/layout.h"
#include "ctl/link.h"
#include "ctl/status.h"

#define SECONDS_DEFAULT	2
#define SECONDS_MAX	86400
#define ROWS_DEFAULT	24

/* Of ECMA-48 and the VT100, as every terminal of today has them. */
#define HOME		"\033[H"
#define NO_WRAP		"\033[?7l"	/* a long line stays one line */
#define WRAP		"\033[?7h"
#define ERASE_LINE	"\033[K"
#define ERASE_BELOW	"\033[J"
#define ERASE_ALL	"\033[2J"

struct watch {
	const struct args	*args;
	bool			 terminal;
	char			*last;		/* the last answer, as text */
	char			*trouble;	/* since then; NULL none */
	int64_t			 lost_ms;	/* wall clock */
	bool			 printed;	/* on a pipe: a block */
};

static volatile sig_atomic_t	ended;

static void
end_cb(int sig)
{
	(void)sig;
	ended = 1;
}

/* Only to end a wait: the window has another size. */
static void
resize_cb(int sig)
{
	(void)sig;
}

static void
take_signals(void)
{
	struct sigaction sa = { .sa_handler = end_cb };

	/* Without SA_RESTART: a wait for the daemon ends too. */
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sa.sa_handler = resize_cb;
	sa.sa_flags = SA_RESTART;	/* poll() ends all the same */
	sigaction(SIGWINCH, &sa, NULL);
}

void
watch_draw(FILE *out, const char *text, size_t rows)
{
	size_t lines = 0, row, len;
	const char *p;

	for (p = text; *p != '\0'; p++)
		lines += *p == '\n';
	fputs(HOME NO_WRAP, out);
	for (p = text, row = 0; *p != '\0' && row < rows; row++) {
		len = strcspn(p, "\n");
		if (row > 0)
			fputs("\r\n", out);
		if (row + 1 == rows && lines > rows) {
			fprintf(out, ERASE_LINE "... %zu more lines: make "
			    "the window higher", lines - row);
			row = rows;
			break;
		}
		/* Erased first: a line that fills its row leaves nowhere to
		 * erase from. */
		fprintf(out, ERASE_LINE "%.*s", (int)len, p);
		p += len + (p[len] == '\n');
	}
	/* Below, not from the cursor on: it may stand on the last column. */
	if (row < rows)
		fputs("\r\n" ERASE_BELOW, out);
	fputs(WRAP, out);
}

static size_t
terminal_rows(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1)
		return size.ws_row;
	return ROWS_DEFAULT;
}

/* A complaint as a part of a paragraph. */
static void
one_line(char *text)
{
	size_t len = strlen(text);

	while (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			*text = ' ';
	}
}

/* Asks; what went wrong is kept instead of told. */
static json_t *
ask(struct watch *w, int *status)
{
	size_t size;
	FILE *said;
	json_t *data;

	free(w->trouble);
	w->trouble = NULL;
	if ((said = open_memstream(&w->trouble, &size)) == NULL) {
		complain("%s", strerror(errno));
		*status = CTL_FAILED;
		return NULL;
	}
	complain_to(said);
	data = link_ask(w->args, json_pack("{s:s}", "command", "status"),
	    status);
	complain_to(NULL);
	fclose(said);
	if (data != NULL) {
		free(w->trouble);
		w->trouble = NULL;
	} else if (w->trouble != NULL) {
		one_line(w->trouble);
	}
	return data;
}

static void
keep(struct watch *w, const struct screen *look, const json_t *data)
{
	struct screen s = *look;
	size_t size;

	free(w->last);
	w->last = NULL;
	if ((s.out = open_memstream(&w->last, &size)) == NULL)
		return;
	status_print(&s, data, (w->args->given & OPT_ALL) != 0);
	fclose(s.out);
}

static void
write_page(struct watch *w, const struct screen *look, int64_t seconds,
    int64_t now_ms)
{
	char at[CLOCK_TEXT_MAX], lost[CLOCK_TEXT_MAX], *page = NULL;
	struct screen s = *look;
	size_t size;

	if ((s.out = open_memstream(&page, &size)) == NULL)
		return;
	screen_say(&s, 0, 0, PAINT_DIM, "%s, every %llds; ctrl-C ends it",
	    clock_text(now_ms, at), (long long)seconds);
	if (w->trouble != NULL) {
		screen_say(&s, 0, 0, PAINT_BAD, "No answer since %s: %s",
		    clock_text(w->lost_ms, lost), w->trouble);
		if (w->last != NULL)
			screen_say(&s, 0, 0, PAINT_WARN, "What was so then:");
	}
	fputc('\n', s.out);
	if (w->last != NULL)
		fputs(w->last, s.out);
	fclose(s.out);
	watch_draw(stdout, page, terminal_rows());
	free(page);
}

/* On a pipe: blocks, with the time above each. */
static void
write_block(struct watch *w, const json_t *data, int64_t now_ms)
{
	char at[CLOCK_TEXT_MAX];

	if (data != NULL && w->args->given & OPT_JSON) {
		json_dumpf(data, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		putchar('\n');
		return;
	}
	if (w->args->given & OPT_JSON) {
		fprintf(stderr, "%s\n", w->trouble);
		return;
	}
	printf("%s-- %s --\n", w->printed ? "\n" : "",
	    clock_text(now_ms, at));
	if (data != NULL)
		fputs(w->last, stdout);
	else
		puts(w->trouble);
	w->printed = true;
}

static void
pause_for(int64_t seconds)
{
	sigset_t wanted, before;
	struct timespec ts = { .tv_sec = seconds };

	/* A signal between the test and the wait must end the wait. */
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGTERM);
	sigprocmask(SIG_BLOCK, &wanted, &before);
	if (!ended)
		ppoll(NULL, 0, &ts, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

int
watch_status(const struct args *args)
{
	struct watch w = { .args = args };
	int64_t seconds = args->watch > 0 ? args->watch : SECONDS_DEFAULT;
	int64_t now_ms;
	struct screen screen;
	json_t *data;
	int status = CTL_OK;

	if (seconds > SECONDS_MAX) {
		complain("--watch: at most %d seconds", SECONDS_MAX);
		return CTL_USAGE;
	}
	w.terminal = isatty(STDOUT_FILENO) == 1 &&
	    !(args->given & OPT_JSON);
	take_signals();
	if (w.terminal)
		fputs(ERASE_ALL, stdout);
	while (!ended) {
		screen_open(&screen, stdout);
		data = ask(&w, &status);
		now_ms = clock_wall_ms();
		if (ended) {
			json_decref(data);
			break;
		}
		/* A socket that cannot be, not one that is away. */
		if (data == NULL && status != CTL_UNREACHABLE &&
		    w.lost_ms == 0 && w.last == NULL) {
			fprintf(stderr, "%s\n", w.trouble);
			break;
		}
		if (data != NULL)
			keep(&w, &screen, data);
		if (data == NULL && w.lost_ms == 0)
			w.lost_ms = now_ms;
		else if (data != NULL)
			w.lost_ms = 0;
		if (w.terminal)
			write_page(&w, &screen, seconds, now_ms);
		else
			write_block(&w, data, now_ms);
		json_decref(data);
		if (fflush(stdout) == EOF)
			break;
		pause_for(seconds);
	}
	if (w.terminal)
		putchar('\n');
	free(w.last);
	free(w.trouble);
	return ended ? CTL_OK : status;
}
