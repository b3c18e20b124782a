/* args.c - the command line: flags of the command's table, key=value options, positional arguments.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define CLI_MAX_ARGS 65536

const char *cli_flag_value(const cli *c, const char *name)
{
    for (size_t i = 0; c->command->flags[i].name; i++)
        if (strcmp(c->command->flags[i].name, name) == 0) return c->flag[i];
    return NULL;
}

const char *cli_model_folder(const cli *c)
{
    const char *m = cli_flag_value(c, "model"), *env = getenv("GOPRO_MODEL");
    return m ? m : env && env[0] ? env : "models/small";
}

bool cli_subset(const cli *c, gopro_subset *s, gopro_subset fallback)
{
    static const char *const name[] = {"all", "base", "new"};
    const char *v = cli_flag_value(c, "subset");
    *s = fallback;
    if (!v) return true;
    for (int i = 0; i < 3; i++)
        if (strcmp(v, name[i]) == 0) {
            *s = (gopro_subset)i;
            return true;
        }
    return false;
}

bool cli_split(cli_list *l, const char *text)
{
    size_t n = 1;
    for (const char *p = text; *p; p++) n += *p == ',';
    *l = (cli_list){.text = strdup(text), .item = calloc(n, sizeof *l->item)};
    if (!l->text || !l->item) return false;
    for (char *p = l->text; p; l->n++) {
        l->item[l->n] = p;
        p = strchr(p, ',');
        if (p) *p++ = '\0';
    }
    return true;
}

void cli_list_free(cli_list *l)
{
    free(l->text);
    free(l->item);
    *l = (cli_list){0};
}

/* key=value: letters, digits, dots and underscores before the sign, so a path can always be written with a slash. */
static bool is_option(const char *s)
{
    const char *eq = strchr(s, '=');
    if (!eq || eq == s) return false;
    for (; s < eq; s++)
        if (!(*s == '.' || *s == '_' || (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z'))) return false;
    return true;
}

/* Values to try, name=v1,v2: an argument of the command, not an option. */
static bool is_list(const cli *c, const char *s)
{
    return c->command->run == cmd_ablate && strchr(s, ',') != NULL;
}

static int set_option(cli *c, const char *s)
{
    gopro_error err = {0};
    const char *eq = strchr(s, '=');
    char *name = strndup(s, (size_t)(eq - s));
    gopro_status st = name ? gopro_config_set(c->config, name, eq + 1, &err) : GOPRO_E_NOMEM;
    free(name);
    return st == GOPRO_OK ? 0 : cli_fail(c, st, &err);
}

static int unknown_flag(const cli *c, const char *name, size_t len)
{
    const char *names[CLI_MAX_FLAGS + 4];
    size_t n = 0;
    char *own = strndup(name, len);
    for (; c->command->flags[n].name; n++) names[n] = c->command->flags[n].name;
    names[n++] = "quiet";
    names[n++] = "json";
    names[n++] = "help";
    if (c->command->options) names[n++] = "config";
    const char *near = own ? cli_nearest(own, names, n) : NULL;
    int status =
        cli_usage(c, "unknown option '--%.*s'%s%s%s", (int)len, name, near ? "; did you mean '--" : "", near ? near : "", near ? "'?" : "");
    free(own);
    return status;
}

static int add_flag(cli *c, size_t i, const char *value)
{
    if (!c->flag[i]) {
        c->flag[i] = value;
        return 0;
    }
    size_t n = strlen(c->flag[i]) + strlen(value) + 2;
    char *both = malloc(n);
    if (!both) return 1;
    snprintf(both, n, "%s,%s", c->flag[i], value);
    free(c->joined[i]);
    c->flag[i] = c->joined[i] = both;
    return 0;
}

/* One --name, --name value or --name=value; *used: arguments taken. */
static int take_flag(cli *c, int argc, char **argv, int *used, const char **config)
{
    const char *name = argv[0] + 2, *eq = strchr(name, '=');
    size_t len = eq ? (size_t)(eq - name) : strlen(name);
    *used = 1;
    if (len == 5 && strncmp(name, "quiet", 5) == 0 && !eq) return c->quiet = true, 0;
    if (len == 4 && strncmp(name, "json", 4) == 0 && !eq) return c->json = true, 0;
    bool is_config = c->command->options && len == 6 && strncmp(name, "config", 6) == 0;
    size_t i = 0;
    while (!is_config && c->command->flags[i].name &&
           (strlen(c->command->flags[i].name) != len || strncmp(c->command->flags[i].name, name, len) != 0))
        i++;
    if (!is_config && !c->command->flags[i].name) return unknown_flag(c, name, len);
    if (!is_config && !c->command->flags[i].arg) {
        if (eq) return cli_usage(c, "option '--%.*s' takes no value", (int)len, name);
        c->flag[i] = "";
        return 0;
    }
    const char *value = eq ? eq + 1 : argc > 1 ? argv[1] : NULL;
    if (!value) return cli_usage(c, "option '--%.*s' needs a value", (int)len, name);
    if (!eq) *used = 2;
    if (is_config) {
        *config = value;
        return 0;
    }
    return add_flag(c, i, value);
}

/* Flags that are options under a shorter name. */
static int flags_to_options(cli *c)
{
    static const char *const pair[][2] = {{"root", "data.root"}, {"class-names", "data.class_names"}};
    gopro_error err = {0};
    for (size_t i = 0; i < sizeof pair / sizeof pair[0]; i++) {
        const char *v = cli_flag_value(c, pair[i][0]), *env = i == 0 ? getenv("GOPRO_ROOT") : NULL;
        char *have = gopro_config_get(c->config, pair[i][1]);
        if (!v && env && env[0] && have && !have[0]) v = env;
        free(have);
        gopro_status st = v ? gopro_config_set(c->config, pair[i][1], v, &err) : GOPRO_OK;
        if (st != GOPRO_OK) return cli_fail(c, st, &err);
    }
    return 0;
}

int cli_parse(cli *c, int argc, char **argv)
{
    gopro_error err = {0};
    const char *config = NULL;
    bool only_arguments = false;
    gopro_status st = gopro_config_create(&c->config, &err);
    c->arg = calloc((size_t)argc + 1, sizeof *c->arg);
    const char **option = calloc((size_t)argc + 1, sizeof *option);
    size_t n_option = 0;
    int status = st == GOPRO_OK && c->arg && option ? 0 : 1;
    for (int i = 0, used = 1; status == 0 && i < argc; i += used) {
        used = 1;
        if (!only_arguments && strcmp(argv[i], "--") == 0)
            only_arguments = true;
        else if (!only_arguments && strncmp(argv[i], "--", 2) == 0)
            status = take_flag(c, argc - i, argv + i, &used, &config);
        else if (!only_arguments && argv[i][0] == '-' && argv[i][1])
            status = cli_usage(c, "unknown option '%s'; options are written --name or key=value", argv[i]);
        else if (!only_arguments && c->command->options && is_option(argv[i]) && !is_list(c, argv[i]))
            option[n_option++] = argv[i];
        else
            c->arg[c->n_arg++] = argv[i];
    }
    if (status == 0 && config && (st = gopro_config_load(c->config, config, &err)) != GOPRO_OK) status = cli_fail(c, st, &err);
    for (size_t i = 0; status == 0 && i < n_option; i++) status = set_option(c, option[i]); /* arguments win over the file */
    free(option);
    return status == 0 ? flags_to_options(c) : status;
}

void cli_free(cli *c)
{
    for (size_t i = 0; i < CLI_MAX_FLAGS; i++) free(c->joined[i]);
    free(c->arg);
    gopro_config_free(&c->config);
    cli_ui_close(c);
}
