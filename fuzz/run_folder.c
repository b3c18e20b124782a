/* run_folder.c - fuzzes the files of a run folder and of a protocol's folder: the first byte says which file the rest is.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "eval/plan.h"
#include "eval/run.h"
#include "files.h"
#include "fixture_model.h"
#include "report/curves.h"
#include "train/prompt_file.h"
#include "train/rundir.h"
#include "train/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char model[80], plan[80];
static gp_backbone *backbone;
static gp_options *options;
static const char *const names[] = {"red square", "blue circle"};

static void clean_up(void)
{
    gp_backbone_free(&backbone);
    gp_options_free(&options);
}

/* A folder in memory if there is one, with the tiny model beside the run. */
static void set_up(void)
{
    gopro_error err = {0};
    files_make();
    atexit(clean_up);
    snprintf(model, sizeof model, "%s/model", files);
    snprintf(plan, sizeof plan, "%s/plan", files);
    options = gp_options_create();
    if (!options || gp_mkdirs(plan, &err) != GOPRO_OK || fixture_model(model, 1, false, &err) != GOPRO_OK ||
        gp_options_set(options, "threads", "1", "fuzz", &err) != GOPRO_OK ||
        gp_backbone_load(&backbone, model, options, &err) != GOPRO_OK) {
        fprintf(stderr, "%s\n", err.msg);
        abort();
    }
}

/* The readers' answers; those that were given must be usable. */
static gopro_status read_prompt(const char *path, gopro_error *err)
{
    gp_learner *l = NULL;
    gp_prompt_info info = {0};
    gopro_status st = gp_prompt_read(&l, &info, backbone, path, err);
    if ((st == GOPRO_OK) != (l != NULL)) abort();
    if (st == GOPRO_OK && (info.K == 0 || !info.class_name[info.K - 1])) abort();
    gp_prompt_info_free(&info);
    gp_learner_free(&l);
    return st;
}

static gopro_status read_checkpoint(const char *path, gopro_error *err)
{
    gp_learner *l = NULL;
    gp_train_state s = {0};
    gp_options *o = gp_options_clone(options);
    gopro_status st = o ? gp_options_set(o, "method", "coop", "fuzz", err) : GOPRO_E_NOMEM;
    if (st == GOPRO_OK) st = gp_options_settle(o, backbone->tok, true, err);
    if (st == GOPRO_OK) st = gp_learner_create(&l, backbone, o, names, 2, err);
    if (st == GOPRO_OK) st = gp_train_state_init(&s, 0, err);
    if (st != GOPRO_OK) abort();
    st = gp_checkpoint_read(path, l, &s, "identity", err);
    gp_train_state_free(&s);
    gp_learner_free(&l);
    gp_options_free(&o);
    return st;
}

static gopro_status read_result(const char *path, gopro_error *err)
{
    gp_run_result r = {0};
    const gopro_status st = gp_result_read(&r, path, err);
    for (size_t i = 0; st == GOPRO_OK && i < 3; i++)
        if (r.tested[i] && !isfinite(r.test[i].accuracy)) abort();
    return st;
}

static gopro_status read_test(const char *path, gopro_error *err)
{
    gp_run_result r = {0};
    char hash[65];
    return gp_test_read(&r, hash, path, err);
}

static gopro_status read_cost(const char *path, gopro_error *err)
{
    gp_cost c;
    (void)path;
    gp_cost_read(&c, files);
    return c.any ? GOPRO_OK : gp_fail(err, GOPRO_E_DATA, "no cost");
}

static gopro_status read_plan(const char *path, gopro_error *err)
{
    gp_plan *p = NULL;
    (void)path;
    const gopro_status st = gp_plan_read(&p, files, "plan", err);
    if ((st == GOPRO_OK) != (p != NULL)) abort();
    gp_plan_free(&p);
    return st;
}

static gopro_status read_metrics(const char *path, gopro_error *err)
{
    const char *const runs[] = {files};
    gp_str svg = {0};
    (void)path;
    const gopro_status st = gp_curves_svg(&svg, runs, 1, err);
    gp_str_free(&svg);
    return st;
}

static gopro_status read_run(const char *path, gopro_error *err)
{
    (void)path;
    return gp_rundir_check(files, backbone, options, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        const char *name;
        gopro_status (*read)(const char *path, gopro_error *err);
    } file[] = {{"prompt.safetensors", read_prompt},
                {"checkpoint.safetensors", read_checkpoint},
                {"result.json", read_result},
                {"other.json", read_test},
                {"cost.json", read_cost},
                {"plan/plan.json", read_plan},
                {"metrics.jsonl", read_metrics},
                {"run.json", read_run}};
    if (!backbone) set_up();
    if (size == 0) return 0;
    const size_t which = data[0] % GP_COUNT(file);
    char path[128];
    gopro_error err = {0};
    snprintf(path, sizeof path, "%s/%s", files, file[which].name);
    if (gp_write_file(path, (const char *)data + 1, size - 1, &err) != GOPRO_OK) abort();
    if (file[which].read(path, &err) != GOPRO_OK && strlen(err.msg) == 0) abort();
    unlink(path);
    return 0;
}
