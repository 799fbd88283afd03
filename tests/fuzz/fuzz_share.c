/*
 * fuzz_share.c - what lies in Redis as another host's lease and findings
 *
 * The input is a lease, a line's end, and the text of its holder, which is
 * read twice: as it is, and with another beginning.
 */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "core/share.h"

#define EVERY	60000

static char zone[] = "bl.example";
static size_t present;

static struct board *
make_board(void)
{
	struct policy *p = policy_new();
	struct board *b;

	p->egress_count = 1;
	p->egress = xcalloc(1, sizeof(*p->egress));
	p->egress[0].name = xstrdup("mx1");
	p->egress[0].traffic = xcalloc(1, sizeof(*p->egress[0].traffic));
	p->egress[0].addr_count = 2;
	p->egress[0].addrs = xcalloc(2, sizeof(*p->egress[0].addrs));
	addr_parse("203.0.113.7", &p->egress[0].addrs[0]);
	addr_parse("203.0.113.8", &p->egress[0].addrs[1]);
	p->pool_count = 1;
	p->pools = xcalloc(1, sizeof(*p->pools));
	p->pools[0].name = xstrdup("p");
	p->pools[0].egress_count = 1;
	p->pools[0].egress = xcalloc(1, sizeof(*p->pools[0].egress));
	p->list_count = 1;
	p->lists = xcalloc(1, sizeof(*p->lists));
	p->lists[0].zone = xstrdup(zone);
	p->lists[0].query_zone = xstrdup(zone);
	p->lists[0].operator = xstrdup("o");
	p->lists[0].kinds[SUBJECT_IPV4] = true;
	b = board_new(p, 1);
	policy_unref(p);
	return b;
}

static void
told_cb(void *ctx, const struct share_told *t)
{
	struct share *s = ctx;

	CLAIM(t->subject < share_subject_count(s));
	CLAIM(t->list == 0);
	CLAIM(t->present || (t->code == 0 && !t->confirmed));
	present += t->present;
}

static void
read_text(struct share *s, const char *text, int64_t now_ms)
{
	size_t i;

	for (i = 0; i < share_peer_count(s); i++)
		share_read(s, share_peer(s, i), text, now_ms);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct board *board;
	char *input = xcalloc(len + 1, 1), *text, *again, *own;
	struct share *s = share_new("me");
	size_t i, held, left;

	if (board == NULL)
		board = make_board();
	memcpy(input, data, len);
	text = input + strcspn(input, "\n");
	if (*text == '\n')
		*text++ = '\0';
	share_configure(s, board, EVERY);
	share_listen(s, told_cb, s);
	share_sees(s, true);
	share_tick(s, 1000);
	for (i = 0; i < share_subject_count(s); i++)
		share_lease(s, i, input, 1000);
	share_count(s, 1000, &held, &left);
	CLAIM(held + left <= share_subject_count(s));
	CLAIM(share_peer_count(s) <= 2);
	/* What was there before is not told. */
	present = 0;
	read_text(s, text, 1000);
	CLAIM(present == 0);
	for (i = 0; i < share_subject_count(s); i++)
		CLAIM(!share_leaves(s, i, 0, EVERY, 1000));
	again = xasprintf("at 2%s", text);
	read_text(s, again, 2000);
	for (i = 0; i < share_subject_count(s); i++)
		CLAIM(left > 0 || !share_leaves(s, i, 0, EVERY, 2000));
	own = share_write(s, 2000);
	free(own);
	free(again);
	free(input);
	share_free(s);
	return 0;
}
