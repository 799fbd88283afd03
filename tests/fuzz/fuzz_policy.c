/*
 * fuzz_policy.c - bytes on a connection to the policy service
 *
 * The first byte says where the rest is cut in two: however the bytes
 * arrive, they must be understood alike.  What is understood is decided.
 */
#include "fuzz.h"

#include <string.h>

#include "base/mem.h"
#include "core/decide.h"
#include "front/policy_request.h"

struct outcome {
	enum policy_result	 result;
	size_t			 used;
	const char		*why;
	struct policy_request	 request;
	char			*buf;
};

static struct outcome
read_in_two(const uint8_t *data, size_t len, size_t first)
{
	struct policy_parser parser = { 0 };
	struct outcome o = { .buf = malloc(len != 0 ? len : 1) };

	CLAIM(o.buf != NULL);
	memcpy(o.buf, data, len);
	o.result = policy_request_read(&parser, o.buf, first, &o.request,
	    &o.used, &o.why);
	if (o.result == POLICY_MORE && first < len)
		o.result = policy_request_read(&parser, o.buf, len,
		    &o.request, &o.used, &o.why);
	return o;
}

static void
check_same(const struct outcome *a, const struct outcome *b)
{
	const char *x, *y;
	size_t i;

	CLAIM(a->result == b->result);
	CLAIM(a->result == POLICY_MORE || a->used == b->used);
	CLAIM((a->why == NULL) == (b->why == NULL));
	if (a->result == POLICY_MALFORMED)
		CLAIM(strcmp(a->why, b->why) == 0);
	if (a->result != POLICY_READY)
		return;
	for (i = 0; i < POLICY_ATTRIBUTES; i++) {
		x = a->request.value[i];
		y = b->request.value[i];
		CLAIM((x == NULL) == (y == NULL));
		CLAIM(x == NULL || strcmp(x, y) == 0);
	}
}

/* One egress on probation, a word, a local domain. */
static struct board *
a_board(void)
{
	struct policy *p = policy_new();
	struct override o = { .target = "account:ann", .word = WORD_STOP };
	struct standing s = { .state = STATE_PROBATION, .since_ms = 1 };
	struct board *b;
	const char *why;

	p->resume_ramp_ms = 1000;
	p->egress = xcalloc(1, sizeof(*p->egress));
	p->egress[0].name = xstrdup("mx1");
	p->egress[0].traffic = xcalloc(1, sizeof(*p->egress[0].traffic));
	p->egress_count = 1;
	p->pools = xcalloc(1, sizeof(*p->pools));
	p->pools[0].name = xstrdup("default");
	p->pools[0].egress = xcalloc(1, sizeof(size_t));
	p->pools[0].egress_count = 1;
	p->pool_count = 1;
	p->local_domains = xcalloc(1, sizeof(char *));
	p->local_domains[0] = xstrdup("intern.example");
	p->local_domain_count = 1;
	b = board_new(p, 1);
	policy_unref(p);
	board_restore_standing(b, 0, &s);
	CLAIM(board_override(b, &o, 1, &why));
	board_publish(b);
	return b;
}

static void
decide_it(const struct policy_request *req)
{
	static struct board *board;
	char text[VERDICT_TEXT_MAX], *p;
	struct envelope env = { .sender = req->value[POLICY_SENDER],
	    .recipient = req->value[POLICY_RECIPIENT],
	    .account = req->value[POLICY_SASL_USERNAME] };
	const struct view *v;
	struct verdict d;

	if (board == NULL)
		board = a_board();
	v = board_view_get(board);
	d = decide(v, &env, 500);
	verdict_text(v, &d, text);
	for (p = text; *p != '\0'; p++)
		CLAIM(*p >= ' ' && *p <= '~');
	view_put(v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct outcome whole, parts;
	size_t first;

	if (len == 0)
		return 0;
	first = (len - 1) * data[0] / 255;
	data++;
	len--;
	whole = read_in_two(data, len, len);
	parts = read_in_two(data, len, first);
	check_same(&whole, &parts);
	if (whole.result == POLICY_READY) {
		CLAIM(whole.used > 0 && whole.used <= len);
		decide_it(&whole.request);
	}
	free(whole.buf);
	free(parts.buf);
	return 0;
}
