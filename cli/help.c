/* help.c - usage texts, generated from the command table and the option table.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <string.h>

#include "base/str.h"
#include "cli.h"

const char *cli_nearest(const char *s, const char *const *names, size_t n)
{
    return gp_nearest(s, names, n);
}

void cli_help_all(FILE *f)
{
    fprintf(f, "gopro %s - prompt learning on a frozen CLIP\n\nusage: gopro COMMAND [arguments] [--flags] [key=value ...]\n\n",
            gopro_version());
    for (size_t i = 0; i < cli_n_commands; i++) fprintf(f, "  %-10s %s\n", cli_commands[i].name, cli_commands[i].help);
    fprintf(f, "\n`gopro COMMAND --help` says more.  Results go to standard output, everything else to standard error.\n"
               "Exit status: 0 done, 1 failure, 2 usage, 3 data, 4 weights, 5 diverged, 130 interrupted.\n");
}

static void flag_line(FILE *f, const char *name, const char *arg, const char *help)
{
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", name, arg ? " " : "", arg ? arg : "");
    fprintf(f, "  %-26s %s\n", left, help);
}

static bool option_shown(const cli_command *k, const char *name)
{
    bool pretrain = strncmp(name, "pretrain.", 9) == 0;
    if (strcmp(k->name, "tsne") == 0)
        return strcmp(name, "seed") == 0 || strcmp(name, "threads") == 0 || strcmp(name, "precision") == 0 ||
               strncmp(name, "test.", 5) == 0 || strcmp(name, "data.skip_bad") == 0 || strcmp(name, "data.split_seed") == 0;
    if (strcmp(k->name, "import") == 0) return strncmp(name, "model.", 6) == 0;
    if (strcmp(k->name, "pretrain") == 0)
        return pretrain || strcmp(name, "seed") == 0 || strcmp(name, "threads") == 0 || strcmp(name, "precision") == 0;
    return !pretrain;
}

/* The methods' own defaults, and how settings of one method are given. */
static void methods_help(FILE *f)
{
    fprintf(f, "\nmethods, and their defaults where these differ from the above (when training on all classes):\n");
    for (size_t m = 0; m < gopro_method_count(); m++) {
        const char *base = "", *all = "", *option;
        const bool own = gopro_method_default(m, 0, &base, &all) != NULL;
        fprintf(f, "  %-13s %-*s", gopro_method_name(m), own ? 12 : 0, gopro_method_title(m));
        for (size_t i = 0; (option = gopro_method_default(m, i, &base, &all)); i++) {
            fprintf(f, " %s=%s", option, base);
            if (strcmp(base, all) != 0) fprintf(f, " (%s)", all);
        }
        fprintf(f, "\n");
    }
    fprintf(
        f, "\nfor.METHOD.OPTION=value sets an option for one method only: shots, M, ctx_init, template, ensemble, logit_scale, optim.*,\n"
           "views.* and the method's own.  The most specific setting holds: for.METHOD.OPTION, OPTION, the method's default, the default.\n"
           "Of each the argument wins over the file.\n");
}

void cli_help_command(FILE *f, const cli_command *k)
{
    fprintf(f, "usage: gopro %s %s%s\n\n%s\n\n", k->name, k->args, k->options ? " [key=value ...]" : "", k->help);
    for (size_t i = 0; k->flags[i].name; i++) flag_line(f, k->flags[i].name, k->flags[i].arg, k->flags[i].help);
    if (k->options) flag_line(f, "config", "FILE", "options from a YAML file; key=value arguments win");
    flag_line(f, "quiet", NULL, "warnings and results only");
    flag_line(f, "json", NULL, "results as JSON");
    flag_line(f, "help", NULL, "this text");
    if (!k->options) return;
    fprintf(f, "\noptions, key=value:\n");
    for (size_t i = 0; i < gopro_option_count(); i++) {
        const char *name = gopro_option_name(i), *choices = gopro_option_choices(i), *value = gopro_option_default(i);
        if (!option_shown(k, name)) continue;
        fprintf(f, "  %-26s %s%s%s%s [%s]\n", name, gopro_option_help(i), choices ? " (" : "", choices ? choices : "", choices ? ")" : "",
                value);
    }
    if (strcmp(k->name, "pretrain") != 0) methods_help(f);
}

int cli_usage(const cli *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("gopro: ", stderr);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    if (c && c->command)
        fprintf(stderr, "\nusage: gopro %s %s; see `gopro %s --help`\n", c->command->name, c->command->args, c->command->name);
    else
        fputs("\nsee `gopro --help`\n", stderr);
    return CLI_EXIT_USAGE;
}
