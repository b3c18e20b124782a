/* cmd_import.c - gopro import: any checkpoint to one folder that loads at once; and loading a model with what it has to say.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli.h"

gopro_status cli_model_load(cli *c, gopro_model **m, const char *folder, gopro_error *err)
{
    gopro_status st = gopro_model_load(m, folder, c->config, err);
    const char *warning = st == GOPRO_OK ? gopro_model_warning(*m) : NULL;
    if (warning) cli_warn(c, warning);
    return st;
}

static int verify(cli *c, const char *folder)
{
    gopro_error err = {0};
    if (c->n_arg > 0) return cli_usage(c, "--verify takes no other folder than its own");
    gopro_status st = gopro_import_verify(folder, &err);
    if (st != GOPRO_OK) return cli_fail(c, st, &err);
    cli_text(c, "the contents are those that were imported\n");
    return 0;
}

int cmd_import(cli *c)
{
    gopro_error err = {0};
    char *report = NULL, *warning = NULL;
    const char *dtype = cli_flag_value(c, "dtype"), *check = cli_flag_value(c, "verify");
    if (check) return verify(c, check);
    if (c->n_arg != 2) return cli_usage(c, "a checkpoint and a new folder are needed");
    if (dtype && strcmp(dtype, "f32") != 0 && strcmp(dtype, "f16") != 0 && strcmp(dtype, "bf16") != 0)
        return cli_usage(c, "--dtype is 'f32', 'f16' or 'bf16', not '%s'", dtype);
    gopro_status st = gopro_import(&report, &warning, c->context, c->json, c->arg[0], c->arg[1], dtype, c->config, &err);
    if (warning) cli_warn(c, warning);
    if (st == GOPRO_OK) cli_text(c, report);
    gopro_string_free(report);
    gopro_string_free(warning);
    return st == GOPRO_OK ? 0 : cli_fail(c, st, &err);
}
