/* import.c - gopro_import: a checkpoint of any format to one folder, and what was found in it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/file.h"
#include "base/str.h"
#include "train/import.h"
#include "weights/safetensors.h"

typedef struct sums {
    size_t image, text;
} sums;

static gopro_status add_sum(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    sums *s = user;
    size_t n = 1;
    (void)data;
    (void)err;
    for (size_t i = 0; i < rank; i++) n *= shape[i];
    if (strncmp(name, "vision_model.", 13) == 0 || strncmp(name, "visual_projection.", 18) == 0)
        s->image += n;
    else if (strncmp(name, "text_", 5) == 0)
        s->text += n;
    return GOPRO_OK;
}

/* 149620737 -> "149,620,737" */
static void grouped(char out[32], size_t v)
{
    char plain[32];
    int n = snprintf(plain, sizeof plain, "%zu", v), k = 0;
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0) out[k++] = ',';
        out[k++] = plain[i];
    }
    out[k] = '\0';
}

static void text_report(gp_str *s, gp_clip_weights *w, const char *out, const char *stored, const char *hash)
{
    const gp_clip_arch *a = &w->arch;
    const gp_clip_found *f = &w->found;
    sums n = {0};
    char total[32], image[32], text[32];
    (void)gp_clip_visit(w, add_sum, &n, NULL);
    grouped(total, gp_clip_count(w));
    grouped(image, n.image);
    grouped(text, n.text);
    gp_str_addf(s, "format         %s%s%s%s\n", f->format, f->sources[0] ? " (" : "", f->sources, f->sources[0] ? ")" : "");
    gp_str_addf(s, "image tower    %zu x %zu pixels, patches of %zu, %zu blocks of width %zu, %zu heads%s\n", a->image, a->image, a->patch,
                a->v.layers, a->v.width, a->v.heads, a->no_ln_pre ? ", no norm before the blocks" : "");
    gp_str_addf(s, "text tower     %zu positions, %zu tokens, %zu blocks of width %zu, %zu heads\n", a->context, a->vocab, a->t.layers,
                a->t.width, a->t.heads);
    gp_str_addf(s, "heads          by %s\n", f->heads);
    gp_str_addf(s, "embedding      %zu\n", a->embed);
    gp_str_addf(s, "parameters     %s (image %s, text %s)\n", total, image, text);
    gp_str_addf(s, "activation     %s\n", f->activation);
    gp_str_addf(s, "norm eps       %g image, %g text\n", a->v.eps, a->t.eps);
    gp_str_addf(s, "preprocessing  short side to %zu (%s), centre %zu x %zu, mean %g %g %g, deviation %g %g %g\n",
                a->resize ? a->resize : a->image, a->bilinear ? "bilinear" : "bicubic", a->image, a->image, (double)a->mean[0],
                (double)a->mean[1], (double)a->mean[2], (double)a->std[0], (double)a->std[1], (double)a->std[2]);
    gp_str_addf(s, "conversions    %s\n", f->conversions);
    gp_str_addf(s, "written        %s, stored as %s\n", out, stored);
    gp_str_addf(s, "content hash   %s\n", hash);
}

/* A name that is not UTF-8 is no JSON: '?' for such bytes. */
static json_t *json_plain(const char *s)
{
    char *copy = gp_strdup(s);
    if (copy) gp_plain_text(copy);
    json_t *j = copy ? json_string(copy) : NULL;
    free(copy);
    return j;
}

static void json_report(gp_str *s, gp_clip_weights *w, const char *out, const char *stored, const char *hash)
{
    const gp_clip_arch *a = &w->arch;
    const gp_clip_found *f = &w->found;
    sums n = {0};
    (void)gp_clip_visit(w, add_sum, &n, NULL);
    json_t *j = json_object();
    const struct {
        const char *key;
        size_t v;
    } number[] = {{"image", a->image},           {"patch", a->patch},        {"v_width", a->v.width},   {"v_layers", a->v.layers},
                  {"v_heads", a->v.heads},       {"t_width", a->t.width},    {"t_layers", a->t.layers}, {"t_heads", a->t.heads},
                  {"context", a->context},       {"vocab", a->vocab},        {"embed", a->embed},       {"parameters", gp_clip_count(w)},
                  {"image_parameters", n.image}, {"text_parameters", n.text}};
    const struct {
        const char *key, *v;
    } text[] = {{"format", f->format},
                {"source", f->sources},
                {"source_sha256", f->sources_sha},
                {"activation", f->activation},
                {"heads", f->heads},
                {"resize", a->bilinear ? "bilinear" : "bicubic"},
                {"conversions", f->conversions},
                {"warning", f->warning},
                {"out", out},
                {"stored", stored},
                {"content_sha256", hash}};
    for (size_t i = 0; i < GP_COUNT(text); i++) json_object_set_new(j, text[i].key, json_plain(text[i].v));
    for (size_t i = 0; i < GP_COUNT(number); i++) json_object_set_new(j, number[i].key, json_integer((json_int_t)number[i].v));
    char *t = json_dumps(j, JSON_INDENT(1));
    if (t)
        gp_str_addf(s, "%s\n", t);
    else
        s->failed = true;
    free(t);
    json_decref(j);
}

static bool parse_dtype(const char *name, gp_dtype *dtype)
{
    static const struct {
        const char *name;
        gp_dtype dtype;
    } known[] = {{"f32", GP_DT_F32}, {"f16", GP_DT_F16}, {"bf16", GP_DT_BF16}};
    for (size_t i = 0; i < GP_COUNT(known); i++)
        if (strcmp(name, known[i].name) == 0) {
            *dtype = known[i].dtype;
            return true;
        }
    return false;
}

gopro_status gopro_import(char **report, char **warning, gopro_context *context, int json, const char *source, const char *out,
                          const char *dtype, const gopro_config *config, gopro_error *err)
{
    gp_clip_weights *w = NULL;
    gp_tokenizer *t = NULL;
    gp_str s = {0};
    char hash[65];
    gp_dtype type;
    if (report) *report = NULL;
    if (warning) *warning = NULL;
    if (!source || !out || !config) return gp_fail(err, GOPRO_E_INVALID, "source, out or config is NULL");
    if (!parse_dtype(dtype ? dtype : "f32", &type)) return gp_fail(err, GOPRO_E_INVALID, "'%.40s' is not f32, f16 or bf16", dtype);
    gopro_status st = gp_import_load(&w, &t, source, config->o, err);
    if (st == GOPRO_OK) st = gp_import_write(w, t, out, (int)type, hash, context ? &context->watch.log : NULL, err);
    if (st == GOPRO_OK && report) {
        (json ? json_report : text_report)(&s, w, out, gp_dtype_name(type), hash);
        if (s.failed)
            st = gp_fail_nomem(err, s.len, "a report");
        else
            *report = s.s;
    }
    if (st == GOPRO_OK && warning && w->found.warning[0]) *warning = gp_strdup(w->found.warning);
    if (st != GOPRO_OK) gp_str_free(&s);
    gp_tokenizer_free(&t);
    gp_clip_free(&w);
    return st;
}

gopro_status gopro_import_verify(const char *folder, gopro_error *err)
{
    gp_clip_weights *w = NULL;
    if (!folder) return gp_fail(err, GOPRO_E_INVALID, "folder is NULL");
    gopro_status st = gp_clip_load(&w, folder, err);
    if (st == GOPRO_OK) st = gp_clip_verify(w, err);
    gp_clip_free(&w);
    return st;
}
