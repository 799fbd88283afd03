/*
 * fuzz_config.c - a file that claims to be mailbrake.conf
 */
#include "fuzz.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/config.h"

static char dir[] = "/tmp/mailbrake-fuzz.XXXXXX";
static char path[sizeof(dir) + 16];

static void
clean_up(void)
{
	unlink(path);
	rmdir(dir);
}

static void
check_errors(const struct errors *errs)
{
	const char *p;
	size_t i, n = 0;

	for (i = 0; i < errs->count; i++) {
		n += !errs->warning[i];
		for (p = errs->lines[i]; *p != '\0'; p++)
			CLAIM(*p >= ' ' && *p <= '~');
		CLAIM(p > errs->lines[i]);
	}
	CLAIM(n <= errs->error_count);
}

static void
check_config(const struct config *c)
{
	const struct policy *p = c->policy;
	size_t i, j;

	CLAIM(c->interval_ms >= 100 && c->timeout_ms >= 50);
	CLAIM(c->tries >= 1 && c->tries <= 10 && c->parallel >= 1);
	CLAIM(p->confirm >= 1 && p->resume_clean >= 1 && p->stop_score >= 1);
	CLAIM(p->resume_after_ms >= 0 && p->resume_max_wait_ms >= 0);
	for (i = 0; i < p->egress_count; i++) {
		CLAIM(p->egress[i].pool < p->pool_count);
		CLAIM(p->egress[i].addr_count > 0);
		CLAIM(policy_find_egress(p, p->egress[i].name) == (int)i);
	}
	for (i = 0; i < p->route_count; i++)
		CLAIM(p->routes[i].pool < p->pool_count);
	for (i = 0; i < p->list_count; i++) {
		const struct list *l = &p->lists[i];

		CLAIM(l->enabled && l->query_zone != NULL);
		CLAIM(strstr(l->query_zone, "{key}") == NULL);
		for (j = 0; j < l->answer_count; j++) {
			const struct list_answer *a = &l->answers[j];

			CLAIM(a->bits != 0 || a->lo >> 24 == 127);
			CLAIM(a->bits != 0 || a->hi >> 24 == 127);
			/* No refusal is ever a listing. */
			CLAIM(a->bits != 0 || a->hi < 0x7fffff00 ||
			    a->means == ANS_REFUSED);
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct errors errs = { 0 };
	struct config *c;
	FILE *f;

	if (path[0] == '\0') {
		CLAIM(mkdtemp(dir) != NULL);
		snprintf(path, sizeof(path), "%s/mailbrake.conf", dir);
		atexit(clean_up);
	}
	f = fopen(path, "w");
	CLAIM(f != NULL);
	CLAIM(fwrite(data, 1, len, f) == len && fclose(f) == 0);
	c = config_load(path, &errs);
	CLAIM((c == NULL) == (errs.error_count > 0));
	check_errors(&errs);
	if (c != NULL)
		check_config(c);
	config_free(c);
	errors_free(&errs);
	return 0;
}
