/* cli.h - what the commands share: the command table, parsed arguments, output.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_CLI_H
#define GP_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "gopro/gopro.h"

#define CLI_MAX_FLAGS  16
#define CLI_EXIT_USAGE 2

typedef struct cli_flag {
    const char *name; /* "model": --model */
    const char *arg;  /* "FOLDER"; NULL: no argument */
    const char *help;
} cli_flag;

typedef struct cli cli;

typedef struct cli_command {
    const char *name, *args, *help;
    bool options; /* takes key=value and --config */
    int (*run)(cli *c);
    const cli_flag *flags; /* ends with a NULL name */
} cli_command;

struct cli {
    const cli_command *command;
    const char *flag[CLI_MAX_FLAGS]; /* as in command->flags; "" for a flag without argument; NULL: absent.  Repeated: joined by ',' */
    char *joined[CLI_MAX_FLAGS];     /* storage of repeated flags */
    const char **arg;                /* positional */
    size_t n_arg;
    gopro_config *config;
    gopro_context *context;
    bool quiet, json;
    struct cli_ui *ui;
};

extern const cli_command cli_commands[];
extern const size_t cli_n_commands;

int cmd_zeroshot(cli *c);
int cmd_train(cli *c);
int cmd_eval(cli *c);
int cmd_protocol(cli *c);
int cmd_ablate(cli *c);
int cmd_report(cli *c);
int cmd_predict(cli *c);
int cmd_step(cli *c);
int cmd_tokenize(cli *c);
int cmd_data(cli *c);
int cmd_doctor(cli *c);
int cmd_pretrain(cli *c);
int cmd_bench(cli *c);
int cmd_tsne(cli *c);
int cmd_explain(cli *c);
int cmd_curves(cli *c);
int cmd_import(cli *c);

/* cmd_import.c */
gopro_status cli_model_load(cli *c, gopro_model **m, const char *folder, gopro_error *err); /* prints the model's warning */

/* args.c */
int cli_parse(cli *c, int argc, char **argv); /* 0 or an exit status; *c is then freed by cli_free all the same */
void cli_free(cli *c);
const char *cli_flag_value(const cli *c, const char *name); /* NULL if absent */
const char *cli_model_folder(const cli *c);                 /* --model, else $GOPRO_MODEL, else models/small */
bool cli_subset(const cli *c, gopro_subset *s, gopro_subset fallback);
/* "a,b,c" -> list; storage owned by the list */
typedef struct cli_list {
    char *text;
    const char **item;
    size_t n;
} cli_list;
bool cli_split(cli_list *l, const char *text);
void cli_list_free(cli_list *l);

/* help.c */
void cli_help_all(FILE *f);
void cli_help_command(FILE *f, const cli_command *k);
int cli_usage(const cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *cli_nearest(const char *s, const char *const *names, size_t n);

/* jobs.c */
/* Runs a plan in several processes of at most memory MiB together (0: what the machine has); *name: the report's folder, to be freed.
 * Returns an exit status; runs that failed are no failure of it. */
int cli_run_jobs(cli *c, const gopro_plan_request *q, size_t jobs, size_t memory, char **name);

/* fault.c */
void cli_watch_faults(void); /* a mapped file that is cut off becomes a message and the exit status of bad weights */

/* ui.c */
bool cli_ui_open(cli *c);
void cli_ui_close(cli *c);
int cli_fail(cli *c, gopro_status st, const gopro_error *err); /* prints the message, returns the exit status */
int cli_done(cli *c, int status);                              /* flushes standard output; a write error becomes a failure */
bool cli_interrupted(void);
void cli_status(cli *c, const char *line); /* the live line of a terminal; nothing elsewhere */
void cli_note(cli *c, const char *line);   /* a plain line on standard error, unless quiet */
void cli_warn(cli *c, const char *line);   /* a warning, also when quiet */
void cli_duration(char out[32], double seconds);
void cli_text(cli *c, const char *text); /* a result, on standard output */

#endif
