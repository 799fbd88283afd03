/*
 * standalone.c - runs a fuzz target on files, for compilers without libFuzzer
 *
 * Without arguments: on the target's seeds, which is what `make check` does.
 */
#include "fuzz.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static int
run_file(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t room = 1 << 20, len;
	uint8_t *data = malloc(room), *exact;

	if (f == NULL || data == NULL) {
		perror(path);
		return 1;
	}
	len = fread(data, 1, room, f);
	fclose(f);
	/* Of its own size, so that the sanitizer sees its end. */
	exact = malloc(len != 0 ? len : 1);
	if (exact == NULL)
		return 1;
	memcpy(exact, data, len);
	free(data);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	return 0;
}

static int
run_seeds(const char *program)
{
	const char *top = getenv("srcdir"), *name = strrchr(program, '/');
	char dir[PATH_MAX], path[PATH_MAX];
	struct dirent *e;
	int count = 0, failed = 0;
	DIR *d;

	name = name != NULL ? name + 1 : program;
	if (strncmp(name, "fuzz_", 5) == 0)
		name += 5;
	snprintf(dir, sizeof(dir), "%s/tests/fuzz/seeds/%s",
	    top != NULL ? top : ".", name);
	if ((d = opendir(dir)) == NULL) {
		perror(dir);
		return 1;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || (size_t)snprintf(path,
		    sizeof(path), "%s/%s", dir, e->d_name) >= sizeof(path))
			continue;
		failed |= run_file(path);
		count++;
	}
	closedir(d);
	printf("%s: %d seeds\n", name, count);
	return failed || count == 0;
}

int
main(int argc, char **argv)
{
	int i, failed = 0;

	if (argc < 2)
		return run_seeds(argv[0]);
	for (i = 1; i < argc; i++)
		failed |= run_file(argv[i]);
	return failed;
}
