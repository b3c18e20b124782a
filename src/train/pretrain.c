/* pretrain.c - the pretraining run: set up, the loop with its log and checkpoints.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/pretrain.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "methods/ssl.h"
#include "train/pretrain_impl.h"

static gopro_status learn_tokenizer(gp_pretrain_run *p, gopro_error *err)
{
    size_t n = 0, cap = 4 * p->train.n + 64, vocab = (size_t)gp_opt_int(p->o, "pretrain.vocab");
    char **text = calloc(cap, sizeof *text);
    gopro_status st = text ? GOPRO_OK : gp_fail_nomem(err, cap * sizeof *text, "the captions");
    gp_rng r = gp_rng_make(p->seed, GP_RNG_PRETRAIN, UINT64_MAX, 0);
    for (size_t i = 0; i < p->train.n && st == GOPRO_OK; i++) {
        gp_str s = {0};
        gp_pairs_caption(&s, &p->train.d[i], &r);
        if (s.failed) st = gp_fail_nomem(err, 0, "a caption");
        text[n++] = s.s;
    }
    if (st == GOPRO_OK) st = gp_bpe_learn((const char *const *)text, n, vocab, p->out, err);
    for (size_t i = 0; i < n; i++) free(text[i]);
    free(text);
    if (st == GOPRO_OK) st = gp_tokenizer_load(&p->tok, p->out, 0, err);
    return st;
}

static gp_clip_arch read_arch(const gp_options *o)
{
    gp_clip_arch a = {0};
    a.v = (gp_tower_arch){(size_t)gp_opt_int(o, "pretrain.v_width"),
                          (size_t)gp_opt_int(o, "pretrain.v_layers"),
                          (size_t)gp_opt_int(o, "pretrain.v_heads"),
                          4 * (size_t)gp_opt_int(o, "pretrain.v_width"),
                          GP_ACT_QUICKGELU,
                          1e-5};
    a.t = (gp_tower_arch){(size_t)gp_opt_int(o, "pretrain.t_width"),
                          (size_t)gp_opt_int(o, "pretrain.t_layers"),
                          (size_t)gp_opt_int(o, "pretrain.t_heads"),
                          4 * (size_t)gp_opt_int(o, "pretrain.t_width"),
                          GP_ACT_QUICKGELU,
                          1e-5};
    a.image = (size_t)gp_opt_int(o, "pretrain.image");
    a.patch = (size_t)gp_opt_int(o, "pretrain.patch");
    a.context = (size_t)gp_opt_int(o, "pretrain.context");
    a.embed = (size_t)gp_opt_int(o, "pretrain.embed");
    static const float mean[3] = {0.48145466f, 0.4578275f, 0.40821073f}, std[3] = {0.26862954f, 0.26130258f, 0.27577711f};
    memcpy(a.mean, mean, sizeof mean);
    memcpy(a.std, std, sizeof std);
    return a;
}

static gopro_status check_arch(const gp_clip_arch *a, gopro_error *err)
{
    if (a->image % a->patch != 0)
        return gp_fail(err, GOPRO_E_INVALID, "pretrain.image=%zu is no multiple of pretrain.patch=%zu", a->image, a->patch);
    if (a->v.width % a->v.heads != 0 || a->t.width % a->t.heads != 0)
        return gp_fail(err, GOPRO_E_INVALID, "a tower's width is no multiple of its heads (v %zu/%zu, t %zu/%zu)", a->v.width, a->v.heads,
                       a->t.width, a->t.heads);
    return GOPRO_OK;
}

static gopro_status make_head(gp_pretrain_run *p, gopro_error *err)
{
    p->head = gp_params_create();
    if (!p->head) return gp_fail_nomem(err, 0, "the head of the self-supervised term");
    GP_TRY(gp_ssl_declare(p->head, p->arch.v.width, (size_t)gp_opt_int(p->o, "pretrain.ssl_mlp_dim"), err));
    return gp_params_finish(p->head, p->seed, err);
}

static gopro_status start(gp_pretrain_run *p, const char *pairs, const char *val, gopro_error *err)
{
    const gp_options *o = p->o;
    p->arch = read_arch(o);
    GP_TRY(check_arch(&p->arch, err));
    p->seed = (uint64_t)gp_opt_int(o, "seed");
    p->steps = (uint64_t)gp_opt_int(o, "pretrain.steps");
    p->B = (size_t)gp_opt_int(o, "pretrain.batch");
    p->crop_min = gp_opt_real(o, "pretrain.crop_min");
    p->view = (gp_view_config){
        .size = (uint32_t)p->arch.image, .scale_min = p->crop_min, .scale_max = 1.0, .moco_recipe = 1, .augmix_severity = 1};
    memcpy(p->view.mean, p->arch.mean, sizeof p->view.mean);
    memcpy(p->view.std, p->arch.std, sizeof p->view.std);
    p->ssl_view = p->view;
    p->ssl_view.scale_min = gp_opt_real(o, "pretrain.ssl_crop_min");
    GP_TRY(gp_mkdirs(p->out, err));
    double line = gp_opt_real(o, "pretrain.line_weight");
    GP_TRY(gp_pairs_load(&p->train, pairs, line, p->c->pool, err));
    if (val) GP_TRY(gp_pairs_load(&p->val, val, 1.0, p->c->pool, err));
    GP_TRY(learn_tokenizer(p, err));
    p->arch.vocab = gp_tokenizer_vocab(p->tok);
    p->arch.sot = gp_tokenizer_sot(p->tok);
    p->arch.eot = gp_tokenizer_eot(p->tok);
    if (gp_opt_is(o, "pretrain.objective", "slip")) GP_TRY(make_head(p, err));
    GP_TRY(gp_pt_create(&p->s, &p->arch, p->seed, p->head, err));
    GP_TRY(gp_model_create(&p->model, p->c, p->s.w, gp_opt_is(o, "precision", "bf16") ? GP_BF16 : GP_F32, true, err));
    GP_TRY(gp_tape_create(&p->tape, p->c, err));
    GP_TRY(gp_pretrain_buffers(p, err));
    gp_logf(p->log, GP_LOG_INFO,
            "%zu drawings of %zu concepts, %zu held out; vocabulary %zu; %.2f M parameters; %" PRIu64 " steps of %zu pairs", p->train.n,
            p->train.n_concepts, p->val.n, p->arch.vocab, (double)p->s.total / 1e6, p->steps, p->B);
    if (p->head)
        gp_logf(p->log, GP_LOG_INFO, "SLIP: two more views of every image; a head of %.2f M parameters, thrown away in the end",
                (double)gp_params_total(p->head) / 1e6);
    return GOPRO_OK;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Means since the last line of the log. */
typedef struct sums {
    double loss, accuracy, ssl_loss, ssl_accuracy;
    size_t n;
} sums;

static void log_step(gp_pretrain_run *p, sums *a, const gp_pretrain_report *rep, double rate)
{
    const double n = (double)a->n;
    char ssl[64] = "", ssl_json[64] = "";
    if (p->head) {
        snprintf(ssl, sizeof ssl, " ssl %.3f acc %.1f %%", a->ssl_loss / n, a->ssl_accuracy / n);
        snprintf(ssl_json, sizeof ssl_json, ",\"ssl_loss\":%.6f,\"ssl_acc\":%.4f", a->ssl_loss / n, a->ssl_accuracy / n);
    }
    gp_logf(p->log, GP_LOG_INFO,
            "step %" PRIu64 "/%" PRIu64 " loss %.3f acc %.1f %%%s scale %.1f lr %.2e norm %.2f; %.0f pairs/s, %.0f s left", p->s.step,
            p->steps, a->loss / n, a->accuracy / n, ssl, exp((double)*p->s.w->logit_scale), rep->lr, rep->norm, rate * (double)p->B,
            (double)(p->steps - p->s.step) / rate);
    fprintf(p->jsonl, "{\"step\":%" PRIu64 ",\"loss\":%.6f,\"acc\":%.4f%s,\"lr\":%.8g}\n", p->s.step, a->loss / n, a->accuracy / n,
            ssl_json, rep->lr);
    *a = (sums){0};
}

static gopro_status loop(gp_pretrain_run *p, const char *checkpoint, const char *config, gopro_error *err)
{
    uint64_t val_every = (uint64_t)gp_opt_int(p->o, "pretrain.val_every"), first = p->s.step;
    double t0 = seconds();
    sums a = {0};
    gp_model_repack(p->model);
    while (p->s.step < p->steps) {
        gp_pretrain_report rep = {0};
        if (gp_cancelled(p->log)) {
            GP_TRY(gp_pt_save(&p->s, checkpoint, config, err));
            return gp_fail(err, GOPRO_E_CANCELLED, "interrupted at step %" PRIu64 "; the same command goes on from %s", p->s.step,
                           checkpoint);
        }
        GP_TRY(gp_pretrain_step(p, &rep, err));
        a.loss += rep.loss, a.accuracy += rep.accuracy, a.ssl_loss += rep.ssl_loss, a.ssl_accuracy += rep.ssl_accuracy, a.n++;
        if (p->s.step % 50 == 0 || p->s.step == p->steps) log_step(p, &a, &rep, (double)(p->s.step - first) / (seconds() - t0));
        if (p->s.step % val_every == 0 || p->s.step == p->steps) {
            GP_TRY(gp_pretrain_validate(p, err));
            GP_TRY(gp_pt_save(&p->s, checkpoint, config, err));
        }
    }
    return GOPRO_OK;
}

/* What a checkpoint must agree with: the settings that decide the numbers. */
static gopro_status settings_text(const gp_options *o, gp_str *out, gopro_error *err)
{
    gp_str_addf(out, "seed=%lld precision=%s", (long long)gp_opt_int(o, "seed"), gp_opt_string(o, "precision"));
    for (size_t i = 0; i < gp_n_opts; i++) {
        const gp_opt *t = &gp_opts[i];
        if (strncmp(t->name, "pretrain.", 9) != 0) continue;
        if (t->type == GP_OPT_CHOICE) gp_str_addf(out, " %s=%s", t->name + 9, gp_opt_string(o, t->name));
        if (t->type == GP_OPT_INT) gp_str_addf(out, " %s=%lld", t->name + 9, (long long)gp_opt_int(o, t->name));
        if (t->type != GP_OPT_REAL) continue;
        char number[32];
        gp_real_text(number, gp_opt_real(o, t->name), 17);
        gp_str_addf(out, " %s=%s", t->name + 9, number);
    }
    return out->failed ? gp_fail_nomem(err, out->cap, "the settings") : GOPRO_OK;
}

gopro_status gp_pretrain(gp_compute *c, const gp_options *o, const char *pairs, const char *val, const char *out, const gp_log *log,
                         gopro_error *err)
{
    gp_pretrain_run p = {.c = c, .o = o, .log = log, .out = out};
    gp_str config = {0};
    bool found = false;
    char *checkpoint = gp_path_join(out, "checkpoint.safetensors"), *jsonl = gp_path_join(out, "pretrain.jsonl");
    gopro_status st = checkpoint && jsonl ? GOPRO_OK : gp_fail_nomem(err, 0, "a path");
    if (st == GOPRO_OK) st = settings_text(o, &config, err);
    if (st == GOPRO_OK) st = start(&p, pairs, val, err);
    if (st == GOPRO_OK) st = gp_pt_load(&p.s, checkpoint, config.s, &found, err);
    if (st == GOPRO_OK && found) gp_logf(log, GP_LOG_INFO, "going on from step %" PRIu64, p.s.step);
    if (st == GOPRO_OK && !(p.jsonl = fopen(jsonl, found ? "a" : "w"))) st = gp_fail_errno(err, "cannot write", jsonl);
    if (st == GOPRO_OK) st = loop(&p, checkpoint, config.s, err);
    if (st == GOPRO_OK) st = gp_pretrain_finish(&p, err);
    if (p.jsonl) fclose(p.jsonl);
    gp_model_free(&p.model);
    gp_pt_free(&p.s);
    gp_tokenizer_free(&p.tok);
    gp_pairs_free(&p.train);
    gp_pairs_free(&p.val);
    gp_tape_free(&p.tape);
    gp_params_free(&p.head);
    gp_pretrain_buffers_free(&p);
    free(checkpoint);
    free(jsonl);
    gp_str_free(&config);
    return st;
}
