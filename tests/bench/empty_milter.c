/*
 * empty_milter.c - a filter that wants what mailbraked wants, and does
 * nothing with it
 *
 * The price of libmilter and of the MTA's side of the protocol; mailbraked
 * is measured against it.  Usage: empty_milter unix:PATH
 */
#include <sys/stat.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <libmilter/mfapi.h>

static sfsistat
envelope_cb(SMFICTX *ctx, char **argv)
{
	(void)ctx;
	(void)argv;
	return SMFIS_CONTINUE;
}

static sfsistat
message_cb(SMFICTX *ctx)
{
	(void)ctx;
	return SMFIS_CONTINUE;
}

int
main(int argc, char **argv)
{
	char name[] = "empty";
	struct smfiDesc desc = {
		.xxfi_name = name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_QUARANTINE,
		.xxfi_envfrom = envelope_cb,
		.xxfi_envrcpt = envelope_cb,
		.xxfi_eom = message_cb,
		.xxfi_abort = message_cb,
		.xxfi_close = message_cb,
	};

	if (argc != 2 || strncmp(argv[1], "unix:", 5) != 0) {
		fprintf(stderr, "usage: empty_milter unix:PATH\n");
		return 2;
	}
	umask(0);
	smfi_setbacklog(1024);
	if (smfi_register(desc) != MI_SUCCESS ||
	    smfi_setconn(argv[1]) != MI_SUCCESS ||
	    smfi_opensocket(true) != MI_SUCCESS) {
		fprintf(stderr, "empty_milter: cannot listen on %s\n",
		    argv[1]);
		return 1;
	}
	return smfi_main() == MI_SUCCESS ? 0 : 1;
}
