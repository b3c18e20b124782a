/* plan.c - protocols and reports of the public interface.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/file.h"
#include "base/str.h"
#include "report/report.h"

struct gopro_plan {
    gp_plan *p;
};

static gopro_status null_argument(gopro_error *err, const char *names)
{
    return gp_fail(err, GOPRO_E_INVALID, "%s must not be NULL", names);
}

void gopro_plan_free(gopro_plan **plan)
{
    if (!plan || !*plan) return;
    gp_plan_free(&(*plan)->p);
    free(*plan);
    *plan = NULL;
}

gopro_status gopro_plan_create(gopro_plan **plan, gopro_model *model, const gopro_config *config, const gopro_plan_request *request,
                               gopro_error *err)
{
    if (!plan || !model || !config || !request || !request->out) return null_argument(err, "plan, model, config, request and its out");
    if (request->protocol < GOPRO_B2N || request->protocol > GOPRO_DG) return gp_fail(err, GOPRO_E_INVALID, "there is no such protocol");
    gp_entries e = {0};
    gp_protocol protocol = (gp_protocol)request->protocol;
    *plan = calloc(1, sizeof **plan);
    gopro_status st = *plan ? GOPRO_OK : gp_fail_nomem(err, sizeof **plan, "a plan");
    if (st == GOPRO_OK && request->ablation)
        st =
            gp_entries_ablation(&e, request->ablation, protocol, request->methods, request->n_methods, request->axes, request->n_axes, err);
    else if (st == GOPRO_OK)
        st = gp_entries_methods(&e, request->methods, request->n_methods, err);
    if (st == GOPRO_OK) {
        gp_plan_request q = {.bb = model->bb, .opt = config->o, .protocol = protocol, .name = e.name, .title = e.title, .axis = e.axis};
        q.entry = e.entry;
        q.n_entries = e.n;
        q.data = request->data;
        q.n_data = request->n_data;
        q.seed = request->seeds;
        q.n_seeds = request->n_seeds;
        q.out = request->out;
        st = gp_plan_create(&(*plan)->p, &q, err);
    }
    if (st == GOPRO_OK) st = gp_plan_write((*plan)->p, err);
    gp_entries_free(&e);
    if (st != GOPRO_OK) gopro_plan_free(plan);
    return st;
}

const char *gopro_plan_name(const gopro_plan *plan)
{
    return plan->p->name;
}

size_t gopro_plan_run_count(const gopro_plan *plan)
{
    return plan->p->n_units;
}

char *gopro_plan_run_title(const gopro_plan *plan, size_t i)
{
    char text[256];
    if (i >= plan->p->n_units) return NULL;
    gp_unit_text(text, sizeof text, plan->p, &plan->p->unit[i]);
    return gp_strdup(text);
}

static gopro_status check_index(const gopro_plan *plan, size_t i, gopro_error *err)
{
    if (!plan) return null_argument(err, "plan");
    return i < plan->p->n_units ? GOPRO_OK : gp_fail(err, GOPRO_E_INVALID, "run %zu of %zu", i, plan->p->n_units);
}

gopro_status gopro_plan_estimate(gopro_estimate *estimate, gopro_context *context, const gopro_plan *plan, size_t i, gopro_error *err)
{
    gp_estimate e;
    if (!estimate) return null_argument(err, "estimate");
    GP_TRY(check_index(plan, i, err));
    GP_TRY(gp_unit_estimate(&e, plan->p, &plan->p->unit[i], context ? &context->watch : NULL, err));
    *estimate = (gopro_estimate){.done = e.done, .seconds = e.seconds, .peak_rss_mib = e.mib};
    return GOPRO_OK;
}

gopro_status gopro_plan_run(gopro_context *context, const gopro_plan *plan, size_t i, gopro_error *err)
{
    GP_TRY(check_index(plan, i, err));
    return gp_unit_run(plan->p, &plan->p->unit[i], context ? &context->watch : NULL, err);
}

gopro_status gopro_plan_run_all(gopro_context *context, const gopro_plan *plan, gopro_error *err)
{
    if (!plan) return null_argument(err, "plan");
    return gp_plan_run(plan->p, context ? &context->watch : NULL, err);
}

gopro_status gopro_report(char **text, gopro_table style, const char *out, const char *name, gopro_error *failure, gopro_error *err)
{
    if (!out || !name) return null_argument(err, "out and name");
    if (text) *text = NULL;
    if (failure) *failure = (gopro_error){0};
    gp_results *r = NULL;
    gp_str b = {0};
    gopro_status st;
    GP_CHECK(gp_results_load(&r, out, name, err));
    GP_CHECK(gp_report_write(r, err));
    if (style == GOPRO_TABLE_JSON)
        GP_CHECK(gp_report_json(&b, r, err));
    else if (style == GOPRO_TABLE_CSV)
        gp_report_csv(&b, r);
    else
        gp_report_tables(&b, r,
                         style == GOPRO_TABLE_LATEX      ? GP_TABLE_LATEX
                         : style == GOPRO_TABLE_MARKDOWN ? GP_TABLE_MARKDOWN
                                                         : GP_TABLE_TEXT);
    if (b.failed) GP_CHECK(gp_fail_nomem(err, b.len, "the table"));
    if (r->n_failed > 0) gp_fail(failure, r->first_failure, "%zu of the runs failed; the first: %s", r->n_failed, r->failure[0]);
    if (text) {
        *text = b.s;
        b = (gp_str){0};
    }
out:
    gp_str_free(&b);
    gp_results_free(&r);
    return st;
}

gopro_status gopro_report_names(char **names, const char *out, gopro_error *err)
{
    if (!names || !out) return null_argument(err, "names and out");
    char **entry = NULL;
    size_t n = 0;
    gp_str b = {0};
    *names = NULL;
    GP_TRY(gp_list_dir(&entry, &n, out, err));
    gp_str_add(&b, "");
    for (size_t i = 0; i < n; i++) {
        char *path = gp_sprintf("%s/%s/plan.json", out, entry[i]);
        if (path && gp_path_exists(path)) gp_str_addf(&b, "%s%s", b.len ? "\n" : "", entry[i]);
        free(path);
    }
    gp_list_free(&entry, n);
    gopro_status st = GOPRO_OK;
    if (b.failed)
        st = gp_fail_nomem(err, 0, "the reports");
    else if (b.len == 0)
        st = gp_fail(err, GOPRO_E_INVALID, "'%s' holds no report: no folder in it has a plan.json", out);
    if (st == GOPRO_OK)
        *names = b.s;
    else
        gp_str_free(&b);
    return st;
}
