/*
 * text.c - strings from people and from the network
 */
#include "base/text.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX	64

char *
text_copy(char *dst, size_t dst_size, const char *src)
{
	size_t len = strlen(src);

	if (len >= dst_size)
		len = dst_size - 1;
	memmove(dst, src, len);
	dst[len] = '\0';
	return dst;
}

char *
text_clean(char *dst, size_t dst_size, const char *src, size_t len)
{
	size_t out = 0, i;
	bool space = false;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)src[i];

		if (c == ' ' || (c >= '\t' && c <= '\r')) {
			space = out > 0;
			continue;
		}
		if (out + (space ? 2 : 1) >= dst_size)
			break;
		if (space)
			dst[out++] = ' ';
		space = false;
		dst[out++] = c < ' ' || c > '~' ? '?' : (char)c;
	}
	dst[out] = '\0';
	if (i < len && out >= 3)
		memcpy(dst + out - 3, "...", 3);
	return dst;
}

/* Edit distance with neighbouring letters swapped counted as one
 * (restricted Damerau-Levenshtein). */
static unsigned int
distance(const char *a, const char *b)
{
	unsigned int row[3][WORD_MAX + 1];
	size_t la = strlen(a), lb = strlen(b), i, j;
	unsigned int best;

	if (la > WORD_MAX || lb > WORD_MAX)
		return UINT8_MAX;
	for (j = 0; j <= lb; j++)
		row[0][j] = (unsigned int)j;
	for (i = 1; i <= la; i++) {
		unsigned int *now = row[i % 3], *up = row[(i + 2) % 3];
		unsigned int *up2 = row[(i + 1) % 3];

		now[0] = (unsigned int)i;
		for (j = 1; j <= lb; j++) {
			best = up[j - 1] + (a[i - 1] != b[j - 1]);
			if (up[j] + 1 < best)
				best = up[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && up2[j - 2] + 1 < best)
				best = up2[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[la % 3][lb];
}

const char *
text_nearest(const char *word, const char *const *candidates, size_t count)
{
	const char *best = NULL;
	unsigned int d, limit = (unsigned int)(strlen(word) / 3) + 1;
	size_t i;

	for (i = 0; i < count; i++) {
		d = distance(word, candidates[i]);
		if (d <= limit) {
			best = candidates[i];
			if (d == 0)
				break;
			limit = d - 1;
		}
	}
	return best;
}

const char *
text_domain(const char *mailbox)
{
	const char *at = mailbox != NULL ? strrchr(mailbox, '@') : NULL;

	return at != NULL && at[1] != '\0' ? at + 1 : NULL;
}

bool
text_same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcasecmp(a, b) == 0);
}

bool
text_equal(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}
